package access

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"math/big"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/billfold/billfold/internal/ledger"
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// Shape of the text of an API key.
const (
	// keyDigits base62 characters hold 256 bits.
	keyDigits = 43

	// BootstrapDigitsMin is how many characters a key that an operator brings
	// must have after its prefix.
	BootstrapDigitsMin = 32

	// keyTextMax bounds the work that a made-up key can cause.
	keyTextMax = 256

	hintDigits = 4
)

// KeyNameMax is the length of a key's or business's name in code points.
const KeyNameMax = 255

// KeyPrefix returns how the keys of a mode begin.
func KeyPrefix(mode ledger.Mode) string {
	if mode == ledger.Live {
		return "bf_live_"
	}
	return "bf_test_"
}

// mintKey returns the text of a new key: its prefix and 256 random bits.
func mintKey(mode ledger.Mode, random io.Reader) (string, error) {
	var bits [32]byte
	if _, err := io.ReadFull(random, bits[:]); err != nil {
		return "", fmt.Errorf("draw random bits for a key: %w", err)
	}
	number := new(big.Int).SetBytes(bits[:])
	digits := make([]byte, keyDigits)
	base, digit := big.NewInt(int64(len(base62))), new(big.Int)
	for i := len(digits) - 1; i >= 0; i-- {
		number.DivMod(number, base, digit)
		digits[i] = base62[digit.Int64()]
	}
	return KeyPrefix(mode) + string(digits), nil
}

// keyMode returns the mode that the text of a key claims, and false for a text
// that cannot be a key.
func keyMode(text string) (ledger.Mode, bool) {
	if len(text) > keyTextMax {
		return "", false
	}
	for _, mode := range []ledger.Mode{ledger.Test, ledger.Live} {
		digits, found := strings.CutPrefix(text, KeyPrefix(mode))
		if found {
			return mode, len(digits) >= BootstrapDigitsMin && isBase62(digits)
		}
	}
	return "", false
}

func isBase62(text string) bool {
	for i := range len(text) {
		c := text[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// hashKey returns the only form in which a key is kept.
func hashKey(text string) KeyHash {
	// The buffer keeps the copy of the text off the heap: this runs on every
	// request.
	var buffer [keyTextMax]byte
	return sha256.Sum256(buffer[:copy(buffer[:], text)])
}

// NewKey asks for an API key.
type NewKey struct {
	Tenant    ledger.Tenant
	Name      string
	Scope     Scope
	ExpiresAt time.Time // zero: never
}

func (n *NewKey) validate(now time.Time) error {
	switch {
	case !n.Tenant.Mode.Valid():
		return ledger.FieldErrorf(ledger.CodeInvalidSettings, "mode", "mode must be test or live")
	case !validName(n.Name):
		return ledger.FieldErrorf(ledger.CodeInvalidName, "name", "name must be 1 to %d characters, not blank, without control characters", KeyNameMax)
	case n.Scope != Read && n.Scope != Write:
		return ledger.FieldErrorf(ledger.CodeInvalidSettings, "scope", "scope must be read or write")
	case !n.ExpiresAt.IsZero() && !n.ExpiresAt.After(now):
		return ledger.FieldErrorf(ledger.CodeInvalidExpiry, "expires_at", "expires_at must lie in the future")
	}
	return nil
}

func validName(name string) bool {
	if strings.TrimSpace(name) == "" || !utf8.ValidString(name) || utf8.RuneCountInString(name) > KeyNameMax {
		return false
	}
	for _, r := range name {
		if r < 0x20 || (r >= 0x7f && r < 0xa0) {
			return false
		}
	}
	return true
}

// newKey makes the record of a key whose text is known.
func (d *Directory) newKey(want NewKey, text string, now time.Time) Key {
	return Key{
		ID:        d.newID("key_"),
		Tenant:    want.Tenant,
		Name:      want.Name,
		Scope:     want.Scope,
		Hash:      hashKey(text),
		Hint:      KeyPrefix(want.Tenant.Mode) + "…" + text[len(text)-hintDigits:],
		CreatedAt: now,
		ExpiresAt: want.ExpiresAt.Truncate(time.Microsecond),
	}
}

func (d *Directory) newID(prefix string) string {
	var bits [16]byte
	rand.Read(bits[:]) // never fails, see crypto/rand
	random := [2]uint64{}
	for i, b := range bits {
		random[i/8] = random[i/8]<<8 | uint64(b)
	}
	return ledger.NewID(prefix, d.now(), random)
}
