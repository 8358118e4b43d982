package storetest

import (
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// fair wants a clock with one customer to have its turn beside another with more.
func (w *world) fair(other *ledger.TestClock) {
	w.Helper()
	k, with := w.testClock(1)
	w.advance(&k, time.Hour)
	w.advance(other, 2*time.Hour)
	all, err := w.ledger.Stragglers(w.Context(), 1000)
	w.wantCode(err, "")
	of, before := map[string]int{}, 0
	for n, s := range all {
		if of[s.Clock]++; of[s.Clock] < before {
			w.Errorf("straggler %d is number %d of clock %s, after number %d of another", n, of[s.Clock], s.Clock, before)
		}
		before = of[s.Clock]
	}
	if of[k.ID] != 1 || of[other.ID] < 2 {
		w.Errorf("got stragglers of clocks %v, want one of %s and more of %s", of, k.ID, other.ID)
	}
	w.come(with[0], k.FrozenAt)
}
