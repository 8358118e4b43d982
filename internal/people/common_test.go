package people

import (
	"testing"

	"github.com/billfold/billfold/internal/ledger"
)

func TestCommonPasswordsAreRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"1qaz2wsx3edc", "Password12345", "qwertyuiop12", "!!Dragon!!2026", "iloveyou1234"} {
		err := validPassword("password", text, "jane@example.com", "Jane")
		if ledger.CodeOf(err) != CodeInvalidPassword {
			t.Errorf("%s: got error %v, want %s", text, err, CodeInvalidPassword)
		}
	}
	for _, text := range []string{"correct horse battery", "another horse battery", "907314628851", "zq7-dragon-vault-9"} {
		if err := validPassword("password", text, "jane@example.com", "Jane"); err != nil {
			t.Errorf("%s: got error %v, want none", text, err)
		}
	}
}
