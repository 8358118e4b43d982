package people_test

import (
	"runtime"
	"testing"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/people"
)

// Whether an address is a user's, neither the answer to a wrong password tells nor the work
// that goes before it: a hash is compared for nobody as for somebody. The work is told by the
// memory that hashing takes, which no other test uses meanwhile: this one is not parallel.
func TestNobodyIsAsMuchWorkAsSomebody(t *testing.T) {
	f := newFirm(t)
	f.member("jane", people.Owner)
	invited, _, err := f.desk.Invite(t.Context(), nil, ledger.Actor{}, f.id, "", people.Support)
	if err != nil {
		t.Fatal(err)
	}
	work := func(do func() error) (bytes uint64, message string) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := do()
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Fatal("got no error, want a refusal")
		}
		return after.TotalAlloc - before.TotalAlloc, err.Error()
	}
	for name, try := range map[string]func(email string) error{
		"signing in": func(email string) error {
			_, _, err := f.desk.SignIn(t.Context(), people.Attempt{Email: email, Password: "another horse battery"})
			return err
		},
		"joining": func(email string) error {
			_, err := f.desk.Join(t.Context(), invited, people.Joining{Email: email, Name: "J", Password: "short"})
			return err
		},
	} {
		known, said := work(func() error { return try("jane@example.com") })
		unknown, same := work(func() error { return try("john@example.com") })
		if said != same || known < 19<<20 || unknown < known*9/10 || unknown > known*11/10 {
			t.Errorf("%s: got %d bytes and %q for somebody, %d bytes and %q for nobody, want the same of both",
				name, known, said, unknown, same)
		}
	}
}
