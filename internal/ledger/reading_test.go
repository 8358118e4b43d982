package ledger_test

import (
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// The jumps of law Q4: what lies more than an hour away is believed when the next reading
// lies near it, and not before; a clock that goes back and forth is never believed.
func TestReadingsHaveToBeConfirmed(t *testing.T) {
	t.Parallel()
	start := time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		jump time.Duration
		want bool
	}{
		"frozen": {0, true}, "a second on": {time.Second, true}, "a second back": {-time.Second, true},
		"five minutes back": {-5 * time.Minute, true}, "an hour on": {time.Hour, true}, "an hour back": {-time.Hour, true},
		"just over an hour": {time.Hour + time.Microsecond, false}, "a day on": {24 * time.Hour, false},
		"a day back": {-24 * time.Hour, false}, "ten years on": {10 * 365 * 24 * time.Hour, false},
	} {
		var r ledger.Readings
		if before, believed := r.Believe(start); !believed || !before.IsZero() {
			t.Errorf("%s: the first reading: got %v and %v, want it believed", name, before, believed)
		}
		if before, believed := r.Believe(start.Add(c.jump)); believed != c.want || !before.Equal(start) {
			t.Errorf("%s: got %v after %v, want %v after %v", name, believed, before, c.want, start)
		}
		if _, believed := r.Believe(start.Add(c.jump + time.Second)); !believed {
			t.Errorf("%s: a second reading near it: got it refused, want it believed", name)
		}
	}
	var r ledger.Readings
	for n := range 10 {
		if _, believed := r.Believe(start.Add(time.Duration(n%2) * 2 * time.Hour)); believed && n > 0 {
			t.Errorf("reading %d of a clock that goes back and forth: got it believed, want it refused", n)
		}
	}
}
