package storetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

func holdMistakes() []mistake {
	return []mistake{
		{"what is held is free", bendSnapshot(func(_ *Model, _ ledger.Scope, s *ledger.Snapshot) { s.Wallet.Held = 0 }), [][2]string{
			{"holds", "O2 64 holds of 30 at once on 900: 30 are made"},
			{"holds", "H2 a hold is captured in parts up to its amount"},
		}, true},
		{"keys of holds are others", bendSnapshot(func(_ *Model, _ ledger.Scope, s *ledger.Snapshot) { s.PriorHold = nil }), [][2]string{
			{"holds", "K1 K2 one key space for entries and holds"},
			{"holds", "a repeat gets the hold and the wallet as they were"},
			{"holds", "K6 one key on 64 holds at once: one hold"},
		}, true},
		{"a hold expires when it is swept", bendSnapshot(forgetsEnd), [][2]string{
			{"holds", "H3 what is finished stays finished"},
		}, true},
		{"a hold is captured for ever", bendSnapshot(neverFinished), [][2]string{
			{"holds", "H3 what is finished stays finished"},
			{"holds", "H3 one winner among 64 captures, releases and sweeps at once"},
		}, true},
		{"a hold of another wallet", bendSnapshot(holdOfAnyWallet), [][2]string{
			{"holds", "holds of another wallet, customer and business are none"},
		}, false},
		{"a hold gives back to lots that are seen", bend(releasesToSeenLots), [][2]string{
			{"holds", "H2 a hold is captured in parts up to its amount"},
			{"holds", "beyond the snapshot a hold gives back to the very lots"},
		}, true},
		{"what a hold pins can be spent", bend(pinsNothing), [][2]string{
			{"holds", "H1 L2 a hold pins the lots that are next, and a capture spends them"},
		}, true},
		{"a hold expires a microsecond late", bendSnapshot(endsLate), [][2]string{
			{"holds", "H3 what is finished stays finished"},
		}, true},
		{"a hold that expires counts as released", bend(expiresAsReleased), [][2]string{
			{"holds", "H3 what is finished stays finished"},
		}, true},
		{"what a final capture leaves stays held", bend(finalKeepsRest), [][2]string{
			{"holds", "H2 a hold is captured in parts up to its amount"},
		}, false},
		{"a capture takes the last of the pinned lots first", bendSnapshot(pinsBackwards), [][2]string{
			{"holds", "L5 a capture is undone like any debit"},
		}, true},
		{"a hold lowers the balance", bend(holdsFromBalance), [][2]string{
			{"holds", "H1 L2 a hold pins the lots that are next, and a capture spends them"},
		}, true},
		{"what was captured before is forgotten", bendSnapshot(forgetsCaptured), [][2]string{
			{"holds", "H2 a hold is captured in parts up to its amount"},
		}, true},
		{"who takes a part does not see holds that have expired", bendSnapshot(blindInPart), [][2]string{
			{"holds", "O2 a part is taken of the money of an expired hold too"},
		}, false}, // the machine does not come by a partial debit and an expired hold in 2,500 seeds
		{"holds that have expired are not found", openBlindExpiry, [][2]string{
			{"holds", "the sweep finds wallets with holds that have expired"},
		}, true},
		{"holds of any state are listed", openAnyState, [][2]string{
			{"holds", "holds are listed newest first and by filter"},
		}, false},
	}
}

// forgetsEnd has only the sweep know when a hold ends.
func forgetsEnd(_ *Model, scope ledger.Scope, s *ledger.Snapshot) {
	if s.Hold != nil && !scope.DueHold {
		s.Hold.ExpiresAt = s.Hold.ExpiresAt.AddDate(1, 0, 0)
	}
}

// blindInPart shows nobody who would do with a part that there is more.
func blindInPart(_ *Model, scope ledger.Scope, s *ledger.Snapshot) {
	if scope.Partial {
		s.Hold = nil
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

// endsLate lets a hold be captured at the very instant of its expiry.
func endsLate(_ *Model, scope ledger.Scope, s *ledger.Snapshot) {
	if s.Hold != nil && !scope.DueHold {
		s.Hold.ExpiresAt = s.Hold.ExpiresAt.Add(time.Microsecond)
	}
}

// alterHold alters what was decided about a hold.
func alterHold(
	m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide,
	alter func(s ledger.Snapshot, c *ledger.Change),
) (ledger.Change, error) {
	return m.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		change, err := decide(s)
		if err == nil && !change.Replayed && change.Hold != nil {
			alter(s, &change)
		}
		return change, err
	})
}

func expiresAsReleased(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	return alterHold(m, ctx, scope, decide, func(_ ledger.Snapshot, c *ledger.Change) {
		if c.Hold.Hold.State == ledger.HoldExpired {
			c.Hold.Hold.State = ledger.HoldReleased
		}
	})
}

// finalKeepsRest forgets to give back what a final capture leaves.
func finalKeepsRest(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	return alterHold(m, ctx, scope, decide, func(s ledger.Snapshot, c *ledger.Change) {
		hold := &c.Hold.Hold
		if c.Hold.Event.Kind == ledger.HoldWasCaptured && hold.Released > 0 {
			c.Wallet.Held += hold.Released
			c.Wallet.Lots = slices.Clone(s.Wallet.Lots)
		}
	})
}

func pinsBackwards(_ *Model, scope ledger.Scope, s *ledger.Snapshot) {
	if s.Hold != nil && scope.Hold != "" {
		slices.Reverse(s.Hold.Lots)
	}
}

// holdsFromBalance takes what is held out of the balance, as a debit does.
func holdsFromBalance(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	return alterHold(m, ctx, scope, decide, func(_ ledger.Snapshot, c *ledger.Change) {
		if c.Hold.Event.Kind == ledger.HoldMade {
			c.Hold.Event.Balance -= c.Hold.Event.Amount
		}
	})
}

// forgetsCaptured takes a hold for one of which nothing was captured yet.
func forgetsCaptured(_ *Model, _ ledger.Scope, s *ledger.Snapshot) {
	if s.Hold != nil && s.Hold.State == ledger.HoldActive {
		s.Hold.Captured = 0
	}
}

// blindExpiry finds wallets by their lots alone.
type blindExpiry struct{ *Model }

func openBlindExpiry(testing.TB) Stores {
	m := NewModel()
	return Stores{Ledger: blindExpiry{m}, Access: m}
}

func (b blindExpiry) Expired(ctx context.Context, at time.Time, limit int) (keys []ledger.WalletKey, _ error) {
	all, err := b.Model.Expired(ctx, at, limit)
	for _, key := range all {
		list, _ := b.Model.Lots(ctx, key.Tenant, key.CustomerID, key.Currency, ledger.LotPage{Limit: 1})
		if len(list.Lots) > 0 && list.Lots[0].ExpiredAt(at) {
			keys = append(keys, key)
		}
	}
	return keys, err
}

// anyState lists holds whatever their state.
type anyState struct{ *Model }

func openAnyState(testing.TB) Stores {
	m := NewModel()
	return Stores{Ledger: anyState{m}, Access: m}
}

func (a anyState) Holds(
	ctx context.Context, tenant ledger.Tenant, id string, f ledger.HoldFilter, page ledger.Page,
) (ledger.HoldList, error) {
	f.State = ""
	return a.Model.Holds(ctx, tenant, id, f, page)
}
