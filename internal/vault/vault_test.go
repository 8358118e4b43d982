package vault_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/billfold/billfold/internal/vault"
)

func newVault(t *testing.T, secret string) *vault.Vault {
	t.Helper()
	v, err := vault.New([]byte(strings.Repeat(secret, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSealedTextsOpen(t *testing.T) {
	t.Parallel()
	v := newVault(t, "a")
	rapid.Check(t, func(t *rapid.T) {
		text, place := rapid.String().Draw(t, "text"), rapid.String().Draw(t, "place")
		sealed := v.Seal(place, text)
		if text != "" && (len(text) > 2 && strings.Contains(sealed, text) || sealed == v.Seal(place, text)) {
			t.Fatalf("%q was sealed as %q, want it hidden, and different each time", text, sealed)
		}
		if opened, err := v.Open(place, sealed); err != nil || opened != text {
			t.Fatalf("got %q and error %v, want %q", opened, err, text)
		}
	})
}

func TestNothingElseOpens(t *testing.T) {
	t.Parallel()
	v, other := newVault(t, "a"), newVault(t, "b")
	sealed := v.Seal("whk_1", "whsec_secret")
	if _, err := other.Open("whk_1", sealed); !errors.Is(err, vault.ErrOtherKey) {
		t.Errorf("under another key: got error %v, want %v", err, vault.ErrOtherKey)
	}
	if _, err := v.Open("whk_2", sealed); !errors.Is(err, vault.ErrBroken) {
		t.Errorf("at another place: got error %v, want %v", err, vault.ErrBroken)
	}
	head := strings.LastIndex(sealed, ".") + 1
	for i := head; i < len(sealed); i++ {
		for _, with := range []string{"A", "B", "", "!"} {
			changed := sealed[:i] + with + sealed[i+1:]
			if changed == sealed {
				continue
			}
			if text, err := v.Open("whk_1", changed); !errors.Is(err, vault.ErrBroken) {
				t.Errorf("changed at %d: got %q and error %v, want %v", i, text, err, vault.ErrBroken)
			}
		}
	}
	for _, short := range []string{"sealed1.", sealed[:head], sealed[:head+4]} {
		if text, err := v.Open("whk_1", short); err == nil {
			t.Errorf("%q: got %q, want an error", short, text)
		}
	}
}

// What an older key has sealed opens and is not current; what is sealed is sealed under
// the newest.
func TestOldKeysOpenAndDoNotSeal(t *testing.T) {
	t.Parallel()
	old, other := newVault(t, "a"), newVault(t, "b")
	both, err := vault.New([]byte(strings.Repeat("b", 32)), []byte(strings.Repeat("a", 32)))
	if err != nil {
		t.Fatal(err)
	}
	sealed := old.Seal("whk_1", "text")
	if got, err := both.Open("whk_1", sealed); err != nil || got != "text" || both.Current(sealed) {
		t.Errorf("under the old key: got %q, error %v and current %v, want the text, not current", got, err, both.Current(sealed))
	}
	if _, err := both.Open("whk_2", sealed); !errors.Is(err, vault.ErrBroken) {
		t.Errorf("at another place: got error %v, want %v", err, vault.ErrBroken)
	}
	anew := both.Seal("whk_1", "text")
	if got, err := other.Open("whk_1", anew); err != nil || got != "text" || !both.Current(anew) {
		t.Errorf("sealed anew: got %q and error %v, want it under the new key", got, err)
	}
	if _, err := old.Open("whk_1", anew); !errors.Is(err, vault.ErrOtherKey) {
		t.Errorf("the old key: got error %v, want %v", err, vault.ErrOtherKey)
	}
	if !both.Current("") || both.Current("text") {
		t.Error("an empty text is current and a text that was not sealed is not")
	}
}

func TestWhatWasNeverSealedStays(t *testing.T) {
	t.Parallel()
	v := newVault(t, "a")
	for _, text := range []string{"", "whsec_secret", "sealed", "Sealed1.x"} {
		if got, err := v.Open("whk_1", text); err != nil || got != text {
			t.Errorf("%q: got %q and error %v, want it as it is", text, got, err)
		}
	}
}
