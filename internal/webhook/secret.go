package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"
)

// The length of a secret's key in bytes. The published libraries take any;
// Standard Webhooks asks for 24 to 64.
const (
	SecretBytesMin = 24
	SecretBytesMax = 64
)

const secretPrefix = "whsec_"

// Secret is what the signatures of one endpoint are made with. Its zero value
// signs nothing.
type Secret struct{ key string }

// NewSecret draws a secret of 32 bytes.
func NewSecret() Secret {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return Secret{string(key)}
}

// ParseSecret reads the text of a secret: "whsec_" and the standard base64 of 24 to
// 64 bytes.
func ParseSecret(text string) (Secret, error) {
	encoded, ok := strings.CutPrefix(text, secretPrefix)
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if !ok || strings.ContainsAny(text, "\r\n") || err != nil || len(key) < SecretBytesMin || len(key) > SecretBytesMax {
		return Secret{}, errors.New(`a secret is "whsec_" and 24 to 64 bytes in base64`)
	}
	return Secret{string(key)}, nil
}

// Text is the secret as its owner keeps it, and as [ParseSecret] reads it.
func (s Secret) Text() string {
	return secretPrefix + base64.StdEncoding.EncodeToString([]byte(s.key))
}

// String keeps secrets out of logs.
func (Secret) String() string { return secretPrefix + "…" }

// GoString keeps secrets out of what tests and panics print.
func (s Secret) GoString() string { return s.String() }

// Signature is the value of the webhook-signature header of a message that is sent
// at an instant: one signature for each secret, so that a receiver which has the old
// one accepts it as well as one which has the new.
func Signature(id string, at time.Time, body []byte, secrets ...Secret) string {
	signatures := make([]string, 0, len(secrets))
	for _, secret := range secrets {
		if secret.key == "" {
			continue // a signature with an empty key is one that anybody can make
		}
		mac := hmac.New(sha256.New, []byte(secret.key))
		mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		mac.Write(body)
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(signatures, " ")
}
