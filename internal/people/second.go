package people

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"github.com/billfold/billfold/internal/ledger"
)

// A second factor is a time-based one-time password (RFC 6238): six digits, SHA-1, steps
// of 30 seconds, as every authenticator app has them.
const (
	stepSeconds = 30
	secretBytes = 20

	// skew is how many steps a device may be before or behind.
	skew = 1

	recoveryCodes = 10
)

var codeOptions = hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}

// newSecret returns a secret for an authenticator app, in base 32.
func newSecret() string {
	bits := make([]byte, secretBytes)
	_, _ = rand.Read(bits) // never fails
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(bits)
}

// secondFactorURL is what an authenticator app reads from a QR code.
func secondFactorURL(secret, issuer, account string) string {
	label := url.PathEscape(issuer) + ":" + url.PathEscape(account)
	return "otpauth://totp/" + label + "?" + url.Values{"secret": {secret}, "issuer": {issuer}}.Encode()
}

// stepOf returns the time step of which code is the code under a secret, 0 where that is
// none that could be shown now or one that was used before.
func stepOf(code, secret string, now time.Time, used int64) int64 {
	at := now.Unix() / stepSeconds
	found := int64(0)
	for step := at - skew; step <= at+skew; step++ {
		want, err := hotp.GenerateCodeCustom(secret, uint64(step), codeOptions)
		if err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 && step > used {
			found = step
		}
	}
	return found
}

// newRecovery returns codes that stand in for a lost device, and what is kept of them.
func newRecovery() (codes, kept []string) {
	for range recoveryCodes {
		bits := make([]byte, 10)
		_, _ = rand.Read(bits) // never fails
		text := strings.ToLower(base32.StdEncoding.EncodeToString(bits))
		code := text[:4] + "-" + text[4:8] + "-" + text[8:12] + "-" + text[12:]
		codes, kept = append(codes, code), append(kept, digest(code))
	}
	return codes, kept
}

// lostFactor says what to do when the secret key that has sealed a second factor is gone.
const lostFactor = "The server has lost the key to your second factor. Give a recovery code, or ask its operator for `billfold team reset`."

var errCodeLost = ledger.FieldErrorf(CodeInvalidCode, "code", "%s", lostFactor)

// takeCode takes a code of the device or a recovery code from a user, and refuses what is
// none. A recovery code counts also where the secret cannot be read any more.
func (d *Desk) takeCode(u *User, code string, now time.Time) error {
	secret, err := d.vault.Open(u.ID, u.Second)
	if err == nil {
		if step := stepOf(code, secret, now, u.Step); step > 0 {
			u.Step = step
			return nil
		}
	}
	if at := slices.Index(u.Recovery, digest(strings.ToLower(strings.TrimSpace(code)))); at >= 0 {
		u.Recovery = slices.Delete(slices.Clone(u.Recovery), at, at+1)
		return nil
	}
	if err != nil {
		return errCodeLost
	}
	return errCode
}

var errSecondFactor = ledger.Errorf(CodeSecondFactor, "Give the code that your authenticator app shows, or a recovery code.")
