package storetest

import (
	"context"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// takebackMistakes are those in what undoes a credit.
func takebackMistakes() []mistake {
	return []mistake{
		{"what undoes a credit takes the lots that are next", bend(takesBackNextLots), [][2]string{
			{"takebacks", "L5 a reversal of a credit takes from its own lot and no other"},
			{"takebacks", "L5 a lot among 200 that nothing was taken from gives its money, and the others are spent as before"},
		}, true},
		{"the lot of a credit that is to be undone is not loaded", bend(leavesLotOut), [][2]string{
			{"takebacks", "L5 a lot among 200 that nothing was taken from gives its money, and the others are spent as before"},
			{"takebacks", "L5 lots of a tail that were taken back whole are not met again"},
		}, true},
		{"an expired lot is taken back", bendSnapshot(takesBackExpired), [][2]string{
			{"takebacks", "L5 what was spent, has expired or is held cannot be taken back"},
		}, true},
		{"what is held is taken back", bendSnapshot(takesBackHeld), [][2]string{
			{"takebacks", "L5 what was spent, has expired or is held cannot be taken back"},
		}, false},
		{"what was taken back of a credit before is forgotten", bendSnapshot(forgetsReversed), [][2]string{
			{"takebacks", "L5 reversals of a credit in parts never take more than it gave"},
		}, true},
		{"a lot that was taken back in part is full again", bend(refillsLot), [][2]string{
			{"takebacks", "L5 a reversal of a credit takes from its own lot and no other"},
		}, true},
		{"reversals of credits read, then written", bendRacing(readThenWrite), [][2]string{
			{"takebacks", "L5 64 reversals of 30 at once take back 900 of a credit of 900"},
			{"takebacks", "K6 one key on 64 reversals of a credit at once: one effect"},
		}, false},
	}
}

// takesBackNextLots spends in spend order what a reversal of a credit takes.
func takesBackNextLots(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	if scope.Lot.Seq != 0 {
		scope.Need = ledger.NeedAll
	}
	return m.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		lots := slices.Clone(s.Wallet.Lots)
		change, err := decide(s)
		if e := &change.Entry; err == nil && scope.Lot.Seq != 0 && !change.Replayed {
			e.Allocations, change.Wallet.Lots, _ = ledger.SpendLots(lots, e.Amount, e.CreatedAt)
			e.Hash = e.ChainHash(s.Chain.Hash)
		}
		return change, err
	})
}

// leavesLotOut loads no lot but those that a credit needs.
func leavesLotOut(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	scope.Lot = ledger.Lot{}
	return m.Transact(ctx, scope, decide)
}

func takesBackExpired(_ *Model, scope ledger.Scope, s *ledger.Snapshot) {
	for i := range s.Wallet.Lots {
		if s.Wallet.Lots[i].Seq == scope.Lot.Seq {
			s.Wallet.Lots[i].ExpiresAt = time.Time{}
		}
	}
}

// takesBackHeld shows a lot with what holds have pinned of it.
func takesBackHeld(m *Model, scope ledger.Scope, s *ledger.Snapshot) {
	c, err := m.customer(scope.Tenant, scope.CustomerID)
	if err != nil || scope.Lot.Seq == 0 {
		return
	}
	s.Wallet.Lots = slices.Clone(s.Wallet.Lots)
	for _, hold := range c.holds {
		for _, pinned := range hold.Lots {
			if pinned.Seq == scope.Lot.Seq && hold.State == ledger.HoldActive {
				s.Wallet.Lots = ledger.MergeLots(s.Wallet.Lots, []ledger.Lot{pinned})
			}
		}
	}
}

// refillsLot leaves in a lot what was taken of it.
func refillsLot(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	return m.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		change, err := decide(s)
		for i, lot := range change.Wallet.Lots {
			if lot.Seq == scope.Lot.Seq && !change.Replayed {
				change.Wallet.Lots = slices.Clone(change.Wallet.Lots)
				change.Wallet.Lots[i].Remaining += change.Entry.Amount
			}
		}
		return change, err
	})
}
