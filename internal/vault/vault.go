// Package vault seals texts that must not stand in the database as they are, such as
// the secrets of webhooks.
package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// mark begins what is sealed, and names the version: AES-256-GCM under a key that is
// derived from the installation's secret with HKDF-SHA-256.
const mark = "sealed1."

// ErrOtherKey says that a text was sealed under another key.
var ErrOtherKey = errors.New("it is sealed under another secret key")

// ErrBroken says that what was sealed is not what it was, or stands elsewhere.
var ErrBroken = errors.New("what is sealed was changed or moved")

// Vault seals and opens. Many may use it at once.
type Vault struct {
	key
	old []key // which open and do not seal
}

// key is what is derived from a secret.
type key struct {
	id   string
	aead cipher.AEAD
}

// New returns a vault under the secret of an installation, which also opens what was
// sealed under the secrets that it had before.
func New(secret []byte, old ...[]byte) (*Vault, error) {
	v := &Vault{}
	var err error
	if v.key, err = newKey(secret); err != nil {
		return nil, err
	}
	for _, secret := range old {
		before, err := newKey(secret)
		if err != nil {
			return nil, err
		}
		v.old = append(v.old, before)
	}
	return v, nil
}

func newKey(secret []byte) (key, error) {
	derived, err := hkdf.Key(sha256.New, secret, nil, "billfold.vault.v1", 32)
	if err != nil {
		return key{}, fmt.Errorf("derive the key of the vault: %w", err)
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return key{}, err
	}
	aead, err := cipher.NewGCM(block)
	id := sha256.Sum256(derived)
	return key{id: hex.EncodeToString(id[:4]), aead: aead}, err
}

// Seal seals a text for a place, such as the id of the object that it belongs to: what
// is carried to another place does not open there. An empty text stays empty. The same
// text is sealed differently each time.
func (v *Vault) Seal(place, text string) string {
	if text == "" {
		return ""
	}
	nonce := make([]byte, v.aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	sealed := v.aead.Seal(nonce, nonce, []byte(text), []byte(place))
	return mark + v.id + "." + base64.RawURLEncoding.EncodeToString(sealed)
}

// Open is the reverse of Seal. A text that was never sealed is returned as it is.
func (v *Vault) Open(place, sealed string) (string, error) {
	rest, isSealed := strings.CutPrefix(sealed, mark)
	if !isSealed {
		return sealed, nil
	}
	id, encoded, _ := strings.Cut(rest, ".")
	aead := v.under(id)
	if aead == nil {
		return "", ErrOtherKey
	}
	bytes, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || len(bytes) < aead.NonceSize() {
		return "", ErrBroken
	}
	text, err := aead.Open(nil, bytes[:aead.NonceSize()], bytes[aead.NonceSize():], []byte(place))
	if err != nil {
		return "", ErrBroken
	}
	return string(text), nil
}

// Current reports whether a text is what Seal would make of it: sealed under the key of
// the vault and no older one, or empty.
func (v *Vault) Current(sealed string) bool {
	return sealed == "" || strings.HasPrefix(sealed, mark+v.id+".")
}

// KeyID names the key that Seal uses, and says nothing about it.
func (v *Vault) KeyID() string { return v.id }

// under is what opens texts that were sealed under a key, nil where that is unknown.
func (v *Vault) under(id string) cipher.AEAD {
	if id == v.id {
		return v.aead
	}
	for _, before := range v.old {
		if id == before.id {
			return before.aead
		}
	}
	return nil
}
