package storetest

import (
	"context"
	"slices"

	"github.com/billfold/billfold/internal/ledger"
)

// forgetsReversed takes each reversal of a debit for the first.
func forgetsReversed(_ *Model, _ ledger.Scope, s *ledger.Snapshot) { s.Reversed = 0 }

// givesToSeenLots drops what a reversal gives to lots that the snapshot did not
// hold.
func givesToSeenLots(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	return m.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		seen := slices.Clone(s.Wallet.Lots)
		change, err := decide(s)
		if change.Entry.Reverses != "" {
			change.Wallet.Lots = slices.DeleteFunc(change.Wallet.Lots, func(lot ledger.Lot) bool {
				return !slices.ContainsFunc(seen, func(l ledger.Lot) bool { return l.Seq == lot.Seq })
			})
		}
		return change, err
	})
}

// givesToOwnLot makes a new lot of what a reversal gives back.
func givesToOwnLot(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	return m.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		lots := slices.Clone(s.Wallet.Lots)
		change, err := decide(s)
		if e := &change.Entry; e.Reverses != "" {
			e.Allocations, e.Category = nil, ledger.Paid
			change.Wallet.Lots = ledger.OpenLot(lots, ledger.Lot{Seq: e.Seq, Category: ledger.Paid, Remaining: e.Amount})
			e.Available = change.Wallet.Available(e.CreatedAt)
			e.Hash = e.ChainHash(s.Chain.Hash)
		}
		return change, err
	})
}

// undoMistakes are those in what comes with a reversal.
func undoMistakes() []mistake {
	return []mistake{
		{"what goes back to expired lots is left to the sweep", bend(leavesToSweep), [][2]string{
			{"reversals", "L3 L5 what goes back to an expired lot is written off at once and not spent"},
		}, true},
		{"every lot that has expired is written off with a reversal", bend(sweepsWithReversal), [][2]string{
			{"reversals", "L5 of very many expired lots the first are written off at once, the others by the sweep"},
		}, false},
		{"all that an expired lot has gets a grace period", bend(graceForAll), [][2]string{
			{"reversals", "L5 a grace period for 300 lots takes two entries for each kind of money"},
		}, false},
		{"a grace period makes paid money of everything", bend(graceOfOneKind), [][2]string{
			{"reversals", "L5 with a grace period what goes back to expired lots lives on as the same kind of money"},
		}, true},
	}
}

// alterGrace alters what gives money a grace period, and chains the entries anew.
func alterGrace(
	m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide, alter func(*ledger.Change),
) (ledger.Change, error) {
	return m.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		change, err := decide(s)
		if err != nil || len(change.Follows) == 0 || change.Follows[0].Reason != ledger.GraceReason {
			return change, err
		}
		alter(&change)
		hash := s.Chain.Hash
		for e := range change.Entries() {
			e.Hash = e.ChainHash(hash)
			hash = e.Hash
		}
		return change, nil
	})
}

// graceForAll moves whatever an expired lot has, and not just what it was given.
func graceForAll(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	return alterGrace(m, ctx, scope, decide, func(change *ledger.Change) {
		lots := change.Wallet.Lots
		for i := 1; i < len(change.Follows) && len(lots) > 0 && lots[0].ExpiredAt(change.Entry.CreatedAt); i += 2 {
			taken, given := &change.Follows[i-1], &change.Follows[i]
			ofFirst := func(part ledger.Allocation) bool { return part.LotSeq == lots[0].Seq }
			at := slices.IndexFunc(taken.Allocations, ofFirst)
			if at < 0 {
				continue
			}
			rest := lots[0].Remaining
			taken.Allocations[at].Amount += rest
			taken.Amount, taken.After = taken.Amount+rest, taken.After-rest
			given.Amount, given.Before = given.Amount+rest, given.Before-rest
			lots = slices.Clone(lots[1:])
			for k := range lots {
				if lots[k].Seq == given.Seq {
					lots[k].Remaining += rest
				}
			}
			given.Available += rest
			for k := i + 1; k < len(change.Follows); k++ {
				change.Follows[k].Available += rest
			}
		}
		change.Wallet.Lots = lots
	})
}

// graceOfOneKind forgets that some of the money was a bonus.
func graceOfOneKind(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	return alterGrace(m, ctx, scope, decide, func(change *ledger.Change) {
		change.Wallet.Lots = slices.Clone(change.Wallet.Lots)
		for i := range change.Follows {
			e := &change.Follows[i]
			if !e.OpensLot() {
				continue
			}
			e.Category = ledger.Paid
			for k := range change.Wallet.Lots {
				if change.Wallet.Lots[k].Seq == e.Seq {
					change.Wallet.Lots[k].Category = ledger.Paid
				}
			}
		}
	})
}

// leavesToSweep writes a reversal without the expiry entries that come with it.
func leavesToSweep(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	return m.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		change, err := decide(s)
		if err != nil || change.Entry.Reverses == "" || len(change.Follows) == 0 {
			return change, err
		}
		c, err := m.customer(scope.Tenant, scope.CustomerID)
		if err != nil {
			return change, err
		}
		lots := change.Wallet.Lots
		for _, follows := range change.Follows {
			for _, e := range c.entries {
				if e.Currency != scope.Currency || e.Seq != follows.Allocations[0].LotSeq {
					continue
				}
				lot := ledger.Lot{Seq: e.Seq, Category: e.Category, ExpiresAt: e.ExpiresAt, Remaining: follows.Amount}
				lots = ledger.OpenLot(lots, lot)
			}
		}
		change.Follows = nil
		change.Wallet = change.Answer()
		change.Wallet.Lots = lots
		change.Wallet.Balance, change.Wallet.Seq = change.Entry.After, change.Entry.Seq
		return change, nil
	})
}

// sweepsWithReversal has the whole sweep follow a reversal.
func sweepsWithReversal(
	m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide,
) (ledger.Change, error) {
	return m.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		change, err := decide(s)
		for err == nil && change.Entry.Reverses != "" {
			next, none := ledger.Expire(s.After(&change), ledger.Moment{Now: scope.At, Random: 1})
			if none != nil {
				break
			}
			change = change.Then(&next)
		}
		return change, err
	})
}
