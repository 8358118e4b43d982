package verify_test

import (
	"testing"
	"time"

	"github.com/billfold/billfold/internal/verify"
)

// patrolRound makes one round, in the smallest pieces that there are.
func patrolRound(t testing.TB, path string) (report verify.Report) {
	t.Helper()
	patrol := verify.OpenPatrol(verify.Options{Path: path, Piece: 64})
	defer func() {
		if err := patrol.Close(); err != nil {
			t.Error(err)
		}
	}()
	return roundOf(t, patrol)
}

func roundOf(t testing.TB, patrol *verify.Patrol) (report verify.Report) {
	t.Helper()
	for {
		stride, err := patrol.Step(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		report.Entries += stride.Entries
		report.Customers += stride.Customers
		report.Findings = append(report.Findings, stride.Findings...)
		if stride.Ended {
			return report
		}
	}
}

func TestAPatrolFindsASoundLedgerSound(t *testing.T) {
	t.Parallel()
	for name, build := range map[string]func(testing.TB) *ledgerFile{
		"scene": scene, "holds": holdScene, "transfers": transferScene, "reversals": undoneScene, "grace": graceScene,
		"objects": objectScene, "billing": billedScene,
	} {
		f := build(t)
		want := run(t, verify.Options{Path: f.path})
		got := patrolRound(t, f.path)
		if !got.Clean() || got.Entries != want.Entries || got.Customers != want.Customers {
			t.Errorf("%s: got %d entries of %d customers and findings %q, want %d, %d and none",
				name, got.Entries, got.Customers, got.Findings, want.Entries, want.Customers)
		}
	}
}

// Events without an entry between them fill more than one page, and so do the
// entries behind them.
func TestAPatrolReadsManyHolds(t *testing.T) {
	t.Parallel()
	f := newLedgerFile(t)
	c := f.customer(acmeTest, "cus_ann")
	f.mustPost(c, credit(1000))
	for i := range 150 {
		f.must(f.hold(c, 5, time.Hour))
		if i%2 == 0 {
			f.must(f.release(c, i))
		}
	}
	for range 70 {
		f.mustPost(c, credit(1))
	}
	f.must(f.capture(c, 1, 5, false, "late"))
	f.finish()
	if got := patrolRound(t, f.path); !got.Clean() || got.Entries != 72 {
		t.Errorf("got %d entries and findings %q, want 72 and none", got.Entries, got.Findings)
	}
}

// elsewhere are the corruptions that a patrol meets at another place than a whole
// run, which sees all customers at once and each entry without a link, with the law
// that it names first.
var elsewhere = map[string]verify.Law{
	"wallet's last entry":         "M1",
	"mark at another position":    "R3",
	"balance and the other sides": "M1", // of Ann, not of her business
	"wallet of another customer":  "M1",
	"wallet row gone":             "M1",
	"entry twice":                 "M5",
	"two entries swapped":         "M1",
	"newest entry gone":           "M3",
	"customer's last entry gone":  "M1",
	"entry of another customer":   "M1",
	"entry of nobody":             "M1",
}

// A patrol names the law that a whole run names, at the same place, but where it
// meets something else first.
func TestAPatrolFindsEachCorruption(t *testing.T) {
	t.Parallel()
	for _, group := range []struct {
		scene       func(testing.TB) *ledgerFile
		corruptions []corruption
	}{
		{scene, corruptions()},
		{transferScene, transferCorruptions},
		{holdScene, holdCorruptions},
		{shelfScene, shelfCorruptions},
		{objectScene, objectCorruptions},
		{billedScene, billedCorruptions},
	} {
		for _, c := range group.corruptions {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				f := group.scene(t)
				f.corrupt(c.do)
				f.close()
				whole := run(t, verify.Options{Path: f.path})
				got := patrolRound(t, f.path)
				if got.Clean() {
					t.Fatalf("nothing was found, and a whole run found %q", whole.Findings)
				}
				if c.customer == "" && c.position > 0 {
					c.customer = ann
				}
				law, isElsewhere := elsewhere[c.name]
				switch {
				case !c.found(whole): // as this customer: see the test of these corruptions
				case isElsewhere == c.found(got):
					t.Errorf("got findings %q, want law %s at position %d of %q: %v", got.Findings, c.law, c.position, c.customer, !isElsewhere)
				case isElsewhere && got.Findings[0].Law != law:
					t.Errorf("got findings %q, want law %s first", got.Findings, law)
				}
			})
		}
	}
}
