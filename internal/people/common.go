package people

import (
	_ "embed" // the list below
	"strings"
	"sync"
	"unicode"
)

// commonList has the 10,000 passwords that are used most, one a line, in lower case. It is
// the head of the list in the npm package zxcvbn 4.4.2, under the MIT licence of
// common/LICENSE.txt.
//
//go:embed common/passwords.txt
var commonList string

// commonPasswords is the list as a set.
var commonPasswords = sync.OnceValue(func() map[string]bool {
	set := map[string]bool{}
	for word := range strings.Lines(commonList) {
		set[strings.TrimSpace(word)] = true
	}
	return set
})

// isCommon reports whether a password is one that everybody tries first, also with digits
// and marks around it, which is how people make one longer.
func isCommon(password string) bool {
	lower := strings.ToLower(password)
	word := strings.TrimFunc(lower, func(r rune) bool { return !unicode.IsLetter(r) })
	return commonPasswords()[lower] || commonPasswords()[word]
}
