package storetest

import (
	"context"
	"slices"

	"github.com/billfold/billfold/internal/ledger"
)

func holdMistakes() []mistake {
	return []mistake{
		{"what is held is free", bendSnapshot(func(_ *Model, _ ledger.Scope, s *ledger.Snapshot) { s.Wallet.Held = 0 }), [][2]string{
			{"holds", "O2 64 holds of 30 at once on 900: 30 are made"},
			{"holds", "H2 a hold is captured in parts up to its amount"},
		}, false},
		{"keys of holds are others", bendSnapshot(func(_ *Model, _ ledger.Scope, s *ledger.Snapshot) { s.PriorHold = nil }), [][2]string{
			{"holds", "K1 K2 one key space for entries and holds"},
			{"holds", "a repeat gets the hold and the wallet as they were"},
			{"holds", "K6 one key on 64 holds at once: one hold"},
		}, false},
		{"a hold expires when it is swept", bendSnapshot(forgetsEnd), [][2]string{
			{"holds", "H3 what is finished stays finished"},
		}, false},
		{"a hold is captured for ever", bendSnapshot(neverFinished), [][2]string{
			{"holds", "H3 what is finished stays finished"},
			{"holds", "H3 one winner among 64 captures, releases and sweeps at once"},
		}, false},
		{"a hold of another wallet", bendSnapshot(holdOfAnyWallet), [][2]string{
			{"holds", "holds of another wallet, customer and business are none"},
		}, false},
		{"a hold gives back to lots that are seen", bend(releasesToSeenLots), [][2]string{
			{"holds", "H2 a hold is captured in parts up to its amount"},
			{"holds", "beyond the snapshot a hold gives back to the very lots"},
		}, false},
		{"what a hold pins can be spent", bend(pinsNothing), [][2]string{
			{"holds", "H1 L2 a hold pins the lots that are next, and a capture spends them"},
		}, false},
	}
}

// forgetsEnd has only the sweep know when a hold ends.
func forgetsEnd(_ *Model, scope ledger.Scope, s *ledger.Snapshot) {
	if s.Hold != nil && !scope.DueHold {
		s.Hold.ExpiresAt = s.Hold.ExpiresAt.AddDate(1, 0, 0)
	}
}

// neverFinished takes a finished hold for one of which nothing was captured.
func neverFinished(_ *Model, _ ledger.Scope, s *ledger.Snapshot) {
	if s.Hold != nil && s.Hold.State != ledger.HoldActive {
		s.Hold.State, s.Hold.Captured, s.Hold.Released = ledger.HoldActive, 0, 0
	}
}

// holdOfAnyWallet finds a hold by its id alone.
func holdOfAnyWallet(m *Model, scope ledger.Scope, s *ledger.Snapshot) {
	for _, c := range m.customers[scope.Tenant] {
		for _, h := range c.holds {
			if h.ID == scope.Hold {
				s.Hold = &h
			}
		}
	}
}

// releasesToSeenLots drops what a hold gives to lots that the snapshot did not
// hold.
func releasesToSeenLots(
	m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide,
) (ledger.Change, error) {
	return m.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		seen := slices.Clone(s.Wallet.Lots)
		change, err := decide(s)
		if scope.Hold != "" {
			change.Wallet.Lots = slices.DeleteFunc(change.Wallet.Lots, func(lot ledger.Lot) bool {
				return !slices.ContainsFunc(seen, func(l ledger.Lot) bool { return l.Seq == lot.Seq })
			})
		}
		return change, err
	})
}

// pinsNothing leaves what a hold takes among the wallet's lots.
func pinsNothing(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	return m.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		lots := slices.Clone(s.Wallet.Lots)
		change, err := decide(s)
		if change.Hold != nil && change.Hold.Event.Kind == ledger.HoldMade {
			change.Wallet.Lots = lots
		}
		return change, err
	})
}
