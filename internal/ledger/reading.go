package ledger

import "time"

// JumpMax is how far two readings of the clock may lie apart before the later one has to
// be confirmed by a third (law Q4).
const JumpMax = time.Hour

// Readings remembers the last reading of a clock. The zero Readings has none.
type Readings struct{ last time.Time }

// Believe takes a reading, and says whether it is near enough to the one before to be
// believed: what is due by a clock that has jumped waits for the next reading. Before is
// that one, zero for none.
func (r *Readings) Believe(now time.Time) (before time.Time, believed bool) {
	before, r.last = r.last, now
	return before, before.IsZero() || now.Sub(before).Abs() <= JumpMax
}
