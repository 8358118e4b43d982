package collect

import (
	"testing"
	"time"
)

// A cap that gets another period has used what was begun in that one already, whichever
// periods it had meanwhile.
func TestCapsKeepWhatWasUsed(t *testing.T) {
	t.Parallel()
	rule := &AutoTopUp{}
	at := time.Date(2026, time.March, 10, 12, 0, 0, 0, time.UTC) // a Tuesday
	of := func(period Period, count int64) {
		rule.set(AutoTopUpTerms{Enabled: true, Cap: Cap{Period: period, Count: count}})
	}
	begin := func(capped bool) {
		t.Helper()
		if _, got := rule.capped(100, at); got != capped {
			t.Errorf("at %v with %+v: got capped %t, want %t", at, rule.Used, got, capped)
		}
	}
	of(PerDay, 1)
	begin(false)
	at = at.AddDate(0, 0, 1)
	begin(false)
	begin(true)
	of(PerMonth, 2) // those of both days
	begin(true)
	of(PerWeek, 3)
	begin(false)
	at = at.AddDate(0, 0, 7)
	of(PerDay, 1)
	begin(false)
	of(PerMonth, 4)
	begin(true)
	rule.count(-1, -100, at) // the last one has failed
	begin(false)
	begin(true)
	at = at.AddDate(0, 1, 0)
	begin(false)
	rule.count(-1, -100, at.AddDate(0, -1, 0)) // of a period that is over
	if got := rule.used(PerMonth, at); got.Count != 1 || got.Sum != 100 {
		t.Errorf("got %+v used, want one", got)
	}
}
