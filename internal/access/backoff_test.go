package access_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/storetest"
)

func TestBackoff(t *testing.T) {
	t.Parallel()
	clock := storetest.NewClock(start)
	backoff := access.NewBackoff(clock.Now)
	fail := func(address string) time.Duration { return backoff.Fail(netip.MustParseAddr(address)) }
	for i := range access.FailuresMax {
		if wait := fail("192.0.2.1"); wait != 0 {
			t.Fatalf("failure %d: got a wait of %v, want none", i+1, wait)
		}
	}
	clock.Move(10 * time.Second)
	if wait := fail("192.0.2.1"); wait != 50*time.Second {
		t.Errorf("one failure too many: got a wait of %v, want 50s", wait)
	}
	if wait := fail("::ffff:192.0.2.1"); wait != 50*time.Second {
		t.Errorf("the same address in IPv6: got a wait of %v, want 50s", wait)
	}
	if wait := fail("192.0.2.2"); wait != 0 {
		t.Errorf("another address: got a wait of %v, want none", wait)
	}
	clock.Move(50 * time.Second)
	if wait := fail("192.0.2.1"); wait != 0 {
		t.Errorf("a minute later: got a wait of %v, want none", wait)
	}
	for range access.FailuresMax {
		fail("192.0.2.1")
	}
	clock.Set(start)
	if wait := fail("192.0.2.1"); wait != 0 {
		t.Errorf("after the clock went back: got a wait of %v, want none", wait)
	}
}

// TestBackoffOfNetworks counts a /64 as one caller, as whoever has one address
// of it has all.
func TestBackoffOfNetworks(t *testing.T) {
	t.Parallel()
	backoff := access.NewBackoff(storetest.NewClock(start).Now)
	address := netip.MustParseAddr("2001:db8:0:1::1")
	for range access.FailuresMax {
		backoff.Fail(address)
		address = address.Next()
	}
	if wait := backoff.Fail(netip.MustParseAddr("2001:db8:0:1:ffff::%eth0")); wait == 0 {
		t.Errorf("the same network: got no wait, want one")
	}
	if wait := backoff.Fail(netip.MustParseAddr("2001:db8:0:2::1")); wait != 0 {
		t.Errorf("another network: got a wait of %v, want none", wait)
	}
}

func TestBackoffStaysSmall(t *testing.T) {
	t.Parallel()
	clock := storetest.NewClock(start)
	backoff := access.NewBackoff(clock.Now)
	address := netip.MustParseAddr("10.0.0.0")
	for i := range access.AddressesMax + 5000 {
		backoff.Fail(address)
		address = address.Next()
		if got := access.Addresses(backoff); got > access.AddressesMax {
			t.Fatalf("after %d addresses: got %d in memory, want %d or fewer", i+1, got, access.AddressesMax)
		}
	}
	clock.Move(time.Minute)
	for range access.AddressesMax {
		backoff.Fail(address)
		address = address.Next()
	}
	if got := access.Addresses(backoff); got > access.AddressesMax {
		t.Errorf("a minute later: got %d in memory, want %d or fewer", got, access.AddressesMax)
	}
}
