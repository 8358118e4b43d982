package people

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"github.com/billfold/billfold/internal/ledger"
)

// Limits of a password.
const (
	PasswordMin = 12   // code points
	PasswordMax = 1024 // bytes
)

// Cost of a hash, after OWASP's Password Storage Cheat Sheet: 19 MiB, two passes, one
// lane. The figures stand in each hash, so that they can grow.
const (
	hashMemory = 19 << 10 // KiB
	hashPasses = 2
	hashBytes  = 32
	saltBytes  = 16

	// hashesMax is how many are made at once, so that those who try passwords cannot
	// take the memory that others work with.
	hashesMax = 2
)

// hasher makes and compares hashes, a few at once.
type hasher struct {
	slots  chan struct{}
	memory uint32 // KiB, of each hash that is made
}

func newHasher() hasher { return hasher{slots: make(chan struct{}, hashesMax), memory: hashMemory} }

func (h hasher) take(ctx context.Context) error {
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hash returns what is kept of a password: Argon2id in the PHC string format.
func (h hasher) hash(ctx context.Context, password string) (string, error) {
	if err := h.take(ctx); err != nil {
		return "", err
	}
	defer func() { <-h.slots }()
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // never fails
	sum := argon2.IDKey([]byte(password), salt, hashPasses, h.memory, 1, hashBytes)
	text := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s", argon2.Version, h.memory, hashPasses, text(salt), text(sum)), nil
}

// nobody is the hash of no password. It is compared with where there is no user, so
// that the time of an answer does not tell who is one.
const nobody = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// matches reports whether a password is the one of a hash.
func (h hasher) matches(ctx context.Context, password, kept string) (bool, error) {
	if err := h.take(ctx); err != nil {
		return false, err
	}
	defer func() { <-h.slots }()
	parts := strings.Split(kept, "$")
	var version int
	var memory, passes uint32
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, fmt.Errorf("what is kept of a password cannot be read")
	}
	_, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=1", &version, &memory, &passes)
	if err != nil || version != argon2.Version {
		return false, fmt.Errorf("what is kept of a password cannot be read: %w", err)
	}
	salt, err := base64.RawStdEncoding.Strict().DecodeString(parts[4])
	if err != nil {
		return false, fmt.Errorf("what is kept of a password cannot be read: %w", err)
	}
	sum, err := base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if err != nil || len(sum) == 0 {
		return false, fmt.Errorf("what is kept of a password cannot be read: %w", err)
	}
	got := argon2.IDKey([]byte(password), salt, passes, memory, 1, uint32(len(sum)))
	return subtle.ConstantTimeCompare(got, sum) == 1, nil
}

// validPassword refuses what cannot be the password of a user. What is long enough may
// be anything but what everybody guesses first: what many use, and the user's own name or
// address.
func validPassword(param, password, email, name string) error {
	refuse := func(format string, args ...any) error {
		return ledger.FieldErrorf(CodeInvalidPassword, param, format, args...)
	}
	lower := strings.ToLower(password)
	switch {
	case !utf8.ValidString(password) || utf8.RuneCountInString(password) < PasswordMin || len(password) > PasswordMax:
		return refuse("%s must be at least %d characters and at most %d bytes long", param, PasswordMin, PasswordMax)
	case strings.Contains(lower, strings.ToLower(email)) || lower == strings.ToLower(name):
		return refuse("%s must not be your name or hold your e-mail address", param)
	case isCommon(password):
		return refuse("%s must not be one that many people use, nor such a one with digits around it", param)
	case strings.Count(password, password[:1]) == len(password):
		return refuse("%s must not be one character over and over", param)
	}
	return nil
}
