package storetest

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// recorder stands in for a test whose failure is wanted: it keeps what is said
// instead of failing.
type recorder struct {
	testing.TB
	mu   sync.Mutex
	said []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// record runs one scenario of the suite on a store and returns its complaints.
func record(t testing.TB, s scenario, open func(t testing.TB) Stores) []string {
	r := &recorder{TB: t}
	var running sync.WaitGroup
	running.Go(func() {
		// A scenario that falls over a broken store has noticed it as well.
		defer func() {
			if cause := recover(); cause != nil {
				r.Errorf("panic: %v", cause)
			}
		}()
		s.run(newWorld(r, impatient(open)))
	})
	running.Wait()
	return r.said
}

// impatient opens stores whose feed is at once what it will ever be, as a model's
// is, so that nothing that is missing in it is waited for.
func impatient(open func(t testing.TB) Stores) func(t testing.TB) Stores {
	return func(t testing.TB) Stores {
		stores := open(t)
		stores.patience = time.Second / 4
		return stores
	}
}

// recordMachine drives the machine from fixed seeds until it complains, and
// returns the number of seeds that took; 0 when it never did.
func recordMachine(t testing.TB, open func(t testing.TB) Stores) int {
	const seeds, together = 2500, 50
	var stores Stores
	ids := &dice{state: 7}
	for seed := range seeds {
		if seed%together == 0 { // what is read of all businesses grows with their number
			stores = impatient(open)(t)
		}
		if fails(t, stores, ids, seed) {
			return seed + 1
		}
	}
	return 0
}

// fails is one check of the machine. Rapid's own Check would fail the test
// that calls it, so the check is run as a generator and its panic kept inside.
func fails(t testing.TB, stores Stores, ids *dice, seed int) bool {
	return rapid.Custom(func(rt *rapid.T) (failed bool) {
		defer func() {
			if cause := recover(); cause != nil {
				if !rt.Failed() {
					panic(cause)
				}
				failed = true
			}
		}()
		drive(rt, t, stores, ids)
		return false
	}).Example(seed)
}

// find returns a scenario of the suite by its topic and name.
func find(t testing.TB, name [2]string) scenario {
	t.Helper()
	for _, topic := range contents() {
		for _, s := range topic.scenarios {
			if topic.name == name[0] && s.name == name[1] {
				return s
			}
		}
	}
	t.Fatalf("the suite has no scenario %q, want it", name)
	return scenario{}
}
