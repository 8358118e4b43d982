package access

import (
	"net/netip"
	"sync"
	"time"
)

// Limits of the back-off after failed authentication.
const (
	// FailuresMax is how many failures an address has in one window before it
	// is told to wait.
	FailuresMax = 100

	// FailureWindow is the window.
	FailureWindow = time.Minute

	// addressesMax bounds the memory: beyond it the addresses with finished
	// windows are forgotten, then any.
	addressesMax = 16_384
)

// Backoff counts failed authentications by address. It never stands between a
// valid key and its answer: it is asked only after a key has failed.
type Backoff struct {
	now func() time.Time

	mu       sync.Mutex
	failures map[netip.Addr]failures
}

type failures struct {
	count int
	since time.Time
}

// NewBackoff returns a Backoff on a clock.
func NewBackoff(now func() time.Time) *Backoff {
	return &Backoff{now: now, failures: make(map[netip.Addr]failures)}
}

// Fail records a failure of an address. Wait is how long it should stay away,
// 0 while it has not failed too often.
func (b *Backoff) Fail(address netip.Addr) (wait time.Duration) {
	address = network(address)
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	f, known := b.failures[address]
	// A clock that went back ends the window, so that nobody waits for ever.
	if age := now.Sub(f.since); !known || age >= FailureWindow || age < 0 {
		if !known && len(b.failures) >= addressesMax {
			b.makeRoom(now)
		}
		f = failures{since: now}
	}
	f.count++
	b.failures[address] = f
	if f.count <= FailuresMax {
		return 0
	}
	return f.since.Add(FailureWindow).Sub(now)
}

// makeRoom forgets addresses whose window is over, or a sixteenth of all when
// there are none. The caller holds the lock.
func (b *Backoff) makeRoom(now time.Time) {
	for address, f := range b.failures {
		if age := now.Sub(f.since); age >= FailureWindow || age < 0 {
			delete(b.failures, address)
		}
	}
	drop := len(b.failures) - addressesMax + addressesMax/16
	for address := range b.failures {
		if drop--; drop < 0 {
			return
		}
		delete(b.failures, address)
	}
}

// network returns what one caller controls: an IPv4 address, or the /64 that
// an IPv6 address lies in.
func network(address netip.Addr) netip.Addr {
	address = address.Unmap().WithZone("")
	if !address.Is6() {
		return address
	}
	prefix, err := address.Prefix(64)
	if err != nil {
		return address
	}
	return prefix.Addr()
}
