package ledger

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a customer's fields, in Unicode code points.
const (
	EmailMax = 254
	NameMax  = 255
)

// ValidateCustomer checks the fields that a caller sets, in the order e-mail,
// name, phone number.
func ValidateCustomer(c Customer) error {
	switch {
	case !validEmail(c.Email):
		return FieldErrorf(CodeInvalidEmail, "email", "email must be an address such as jane@example.com")
	case strings.TrimSpace(c.Name) == "" || utf8.RuneCountInString(c.Name) > NameMax || hasControl(c.Name):
		return FieldErrorf(CodeInvalidName, "name", "name must be 1 to %d characters, not blank, without control characters", NameMax)
	case c.PhoneNumber != "" && !validPhoneNumber(c.PhoneNumber):
		return FieldErrorf(CodeInvalidPhoneNumber, "phone_number", "phone_number must be an international number such as +14155552671")
	}
	return nil
}

// validEmail accepts what mail systems accept in practice: one @ with a local
// part before it and a host name after it, no white space, no control
// characters. It does not try to be RFC 5322, which allows comments.
func validEmail(email string) bool {
	local, host, found := strings.Cut(email, "@")
	if !found || local == "" || host == "" || strings.Contains(host, "@") {
		return false
	}
	if utf8.RuneCountInString(email) > EmailMax || hasControl(email) || strings.ContainsAny(email, "<>()[],;:\\\"") {
		return false
	}
	if strings.ContainsFunc(email, unicode.IsSpace) {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return false
		}
	}
	return strings.Contains(host, ".") && !strings.HasPrefix(local, ".") && !strings.HasSuffix(local, ".")
}

// validPhoneNumber accepts E.164 with the separators that people write: an
// optional +, then 5 to 15 digits, and spaces, dots, dashes or parentheses
// between them.
func validPhoneNumber(number string) bool {
	digits := 0
	for i, r := range number {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case r == '+' && i == 0:
		case strings.ContainsRune(" .-()", r) && i > 0:
		default:
			return false
		}
	}
	return digits >= 5 && digits <= 15 && len(number) <= 32
}
