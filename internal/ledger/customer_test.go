package ledger_test

import (
	"strings"
	"testing"

	"github.com/billfold/billfold/internal/ledger"
)

func TestValidateCustomer(t *testing.T) {
	t.Parallel()
	long := func(n int, domain string) string { return strings.Repeat("a", n-len(domain)) + domain }
	emails := map[string]bool{
		"jane@example.com":                true,
		"jane.doe+tag@mail.example.co.uk": true,
		"zoë@exämple.org":                 true,
		"用户@例子.公司":                        true,
		"a@b.c":                           true,
		"o'neill@example.com":             true,
		"x_y%z@example.com":               true,
		long(254, "@example.com"):         true,
		long(255, "@example.com"):         false,
		"":                                false,
		"jane":                            false,
		"@example.com":                    false,
		"jane@":                           false,
		"jane@example":                    false,
		"jane@@example.com":               false,
		"jane@x@example.com":              false,
		"jane@.com":                       false,
		"jane@example.":                   false,
		"jane@example..com":               false,
		"jane@-example.com":               false,
		"jane@example-.com":               false,
		".jane@example.com":               false,
		"jane.@example.com":               false,
		"jane doe@example.com":            false,
		"jane@exa mple.com":               false,
		" jane@example.com":               false,
		"jane@example.com\n":              false,
		"jane@example.com\u00a0":          false,
		"jane\u2003@example.com":          false,
		"jane\x00@example.com":            false,
		"Jane <jane@example.com>":         false,
		`"jane"@example.com`:              false,
		"jane@example.com,x@y.com":        false,
		"jane@[127.0.0.1]":                false,
		"jane\xff@example.com":            false,
	}
	for email, valid := range emails {
		c := ledger.Customer{Email: email, Name: "Jane"}
		checkField(t, c, "email", email, valid, ledger.CodeInvalidEmail)
	}
	names := map[string]bool{
		"Jane":                   true,
		"J":                      true,
		" Jane ":                 true,
		"王小明 🙂":                  true,
		strings.Repeat("王", 255): true,
		strings.Repeat("a", 256): false,
		"":                       false,
		" ":                      false,
		"\u00a0\u3000":           false,
		"Jane\nDoe":              false,
		"Jane\x00":               false,
		"Jane\u0085":             false,
		"Jane\xff":               false,
	}
	for name, valid := range names {
		c := ledger.Customer{Email: "jane@example.com", Name: name}
		checkField(t, c, "name", name, valid, ledger.CodeInvalidName)
	}
	numbers := map[string]bool{
		"":                  true,
		"+14155552671":      true,
		"14155552671":       true,
		"+1 (415) 555-2671": true,
		"+49.1511.2345678":  true,
		"12345":             true,
		"123456789012345":   true,
		"1234":              false,
		"1234567890123456":  false,
		"+":                 false,
		"++14155552671":     false,
		"1+4155552671":      false,
		" +14155552671":     false,
		"(415) 555-2671":    false,
		"415-555-CALL":      false,
		"+1415555267１":      false,
		"+14155552671\n":    false,
		"+1 - - - - - - - - - - 2 3 4 5 - - - - -": false,
	}
	for number, valid := range numbers {
		c := ledger.Customer{Email: "jane@example.com", Name: "Jane", PhoneNumber: number}
		checkField(t, c, "phone_number", number, valid, ledger.CodeInvalidPhoneNumber)
	}
}

func checkField(t *testing.T, c ledger.Customer, param, value string, valid bool, code ledger.Code) {
	t.Helper()
	if valid {
		code = ""
	}
	wantRefusal(t, param+" "+value[:min(len(value), 40)], ledger.ValidateCustomer(c), code, param)
}

// The first field that is wrong is named: e-mail, name, phone number.
func TestValidateCustomerInOrder(t *testing.T) {
	t.Parallel()
	c := ledger.Customer{Email: "x", Name: "", PhoneNumber: "x"}
	wantRefusal(t, "all wrong", ledger.ValidateCustomer(c), ledger.CodeInvalidEmail, "email")
	c.Email = "jane@example.com"
	wantRefusal(t, "name and phone number wrong", ledger.ValidateCustomer(c), ledger.CodeInvalidName, "name")
	c.Name = "Jane"
	wantRefusal(t, "phone number wrong", ledger.ValidateCustomer(c), ledger.CodeInvalidPhoneNumber, "phone_number")
	c.PhoneNumber = ""
	wantRefusal(t, "all right", ledger.ValidateCustomer(c), "", "")
}
