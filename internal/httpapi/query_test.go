package httpapi

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/billfold/billfold/internal/ledger"
)

func FuzzQuery(f *testing.F) {
	f.Add("page_size=1&currency=USD&idempotency_key=a%20b")
	f.Add("a=1;b=2&&=%zz")
	f.Fuzz(func(t *testing.T, text string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.RawQuery = text
		q, err := (&call{r: r}).query(entryListParams...)
		if err != nil {
			if _, known := answers[ledger.CodeOf(err)]; !known {
				t.Fatalf("%q: got error %v, which has no status", text, err)
			}
			return
		}
		standard, err := url.ParseQuery(text)
		if err != nil {
			t.Fatalf("%q: accepted here, and the standard library says %v", text, err)
		}
		for i, name := range entryListParams {
			if got, want := q.values[i], standard.Get(name); got != want || !utf8.ValidString(got) ||
				strings.ContainsRune(got, 0) {
				t.Fatalf("%q: got %s %q, want %q", text, name, got, want)
			}
		}
		if filter, err := entryFilter(&q); err == nil && filter.Currency != "" && !filter.Currency.Valid() {
			t.Fatalf("%q: got currency %q", text, filter.Currency)
		}
	})
}

func newTestSealer(t testing.TB) *sealer {
	t.Helper()
	s, err := newSealer(cursorUse, []byte("0123456789abcdef"))
	if err != nil {
		t.Fatalf("make a sealer: got error %v, want none", err)
	}
	return s
}

func TestCursorsOpenWhereTheyBelong(t *testing.T) {
	t.Parallel()
	s := newTestSealer(t)
	rapid.Check(t, func(t *rapid.T) {
		before := rapid.Int64Min(1).Draw(t, "before")
		bound, other := rapid.String().Draw(t, "bound"), rapid.String().Draw(t, "other")
		cursor := s.seal(before, bound)
		if got, err := s.open(cursor, bound); err != nil || got != before {
			t.Errorf("got %d, %v, want %d", got, err, before)
		}
		if got, err := s.open(cursor, other); other != bound && err == nil {
			t.Errorf("a cursor of %q opens %q at %d", bound, other, got)
		}
	})
	for _, before := range []int64{0, -1} {
		if _, err := s.open(s.seal(before, "x"), "x"); err == nil {
			t.Errorf("a cursor to %d: got no error, want one", before)
		}
	}
	other, err := newSealer(cursorUse, []byte("fedcba9876543210"))
	if err != nil {
		t.Fatalf("make a sealer: got error %v, want none", err)
	}
	if _, err := other.open(s.seal(1, "x"), "x"); err == nil {
		t.Errorf("a cursor of another secret: got no error, want one")
	}
	if other, err = newSealer(cursorUse, []byte("fedcba9876543210"), []byte("0123456789abcdef")); err != nil {
		t.Fatalf("make a sealer: got error %v, want none", err)
	}
	if got, err := other.open(s.seal(1, "x"), "x"); err != nil || got != 1 {
		t.Errorf("a cursor of the secret before: got %d and error %v, want 1", got, err)
	}
	if _, err := s.open(other.seal(1, "x"), "x"); err == nil {
		t.Errorf("a cursor of the secret after: got no error, want one")
	}
}

func FuzzCursor(f *testing.F) {
	s := newTestSealer(f)
	f.Add("AAAA")
	f.Add(s.seal(1, "another list"))
	f.Fuzz(func(t *testing.T, cursor string) {
		if before, err := s.open(cursor, "list"); err == nil {
			t.Fatalf("%q opens at %d, and was never sealed", cursor, before)
		}
	})
}

func FuzzAuthorization(f *testing.F) {
	f.Add("Bearer x")
	f.Fuzz(func(t *testing.T, header string) {
		token, ok := bearer([]string{header})
		if ok &&
			(token == "" || !strings.HasSuffix(header, token) ||
				!strings.EqualFold(header[:len(header)-len(token)], "bearer ")) {
			t.Fatalf("%q: got token %q", header, token)
		}
	})
}
