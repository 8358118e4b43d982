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
	id   string // of the key
	aead cipher.AEAD
}

// New returns a vault under the secret of an installation.
func New(secret []byte) (*Vault, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, "billfold.vault.v1", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the key of the vault: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	id := sha256.Sum256(key)
	return &Vault{id: hex.EncodeToString(id[:4]), aead: aead}, err
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
	if id != v.id {
		return "", ErrOtherKey
	}
	bytes, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || len(bytes) < v.aead.NonceSize() {
		return "", ErrBroken
	}
	text, err := v.aead.Open(nil, bytes[:v.aead.NonceSize()], bytes[v.aead.NonceSize():], []byte(place))
	if err != nil {
		return "", ErrBroken
	}
	return string(text), nil
}
