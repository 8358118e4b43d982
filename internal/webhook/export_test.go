package webhook

import "net/netip"

// GuardAllowing is a guard that takes a network of this machine for public.
func GuardAllowing(network string) *Guard { return newGuard(false, netip.MustParsePrefix(network)) }

// Unguarded lets a URL past the look at how it is written, so that a test sees what
// the look at the address does alone.
func (s *Sender) Unguarded() *Sender {
	bare := *s
	bare.check = func(string) error { return nil }
	return &bare
}
