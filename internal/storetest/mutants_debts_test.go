package storetest

import (
	"context"
	"slices"

	"github.com/billfold/billfold/internal/ledger"
)

// debtMistakes are those in what a wallet owes.
func debtMistakes() []mistake {
	return []mistake{
		{"credits do not pay", bend(paysNothing), [][2]string{
			{"debts", "O3 a credit pays what is owed before any of it is available"},
			{"debts", "O3 what a reversed debit or a transfer brings pays as well"},
		}, false},
		{"a debt is paid from the lots that are next", bend(paysFromNextLots), [][2]string{
			{"debts", "O3 credits that have paid stand in the tail of a wallet with many lots"},
		}, false},
		{"what has paid a debt counts as undone", bendSnapshot(countsRecovered), [][2]string{
			{"debts", "O3 a credit that has paid can be reversed whole"},
		}, false},
		{"a loan is available", bend(lendsToAnybody), [][2]string{
			{"debts", "O3 what a reversal takes beyond the lot of its credit is lent and owed"},
		}, true},
		{"a repeat lends again", bend(lendsAgain), [][2]string{
			{"debts", "O3 what a reversal takes beyond the lot of its credit is lent and owed"},
			{"debts", "K6 one key on 64 reversals beyond a lot at once: one debt"},
		}, true},
		{"all is lent though the lot has some", bendSnapshot(leavesOwnLot), [][2]string{
			{"debts", "O3 what a reversal takes beyond the lot of its credit is lent and owed"},
		}, true},
		{"debts read, then written", bendRacing(readThenWrite), [][2]string{
			{"debts", "O3 32 reversals and then 40 credits at once leave what is right"},
			{"debts", "K6 one key on 64 reversals beyond a lot at once: one debt"},
		}, false},
	}
}

// alterDebt alters a change, and chains its entries anew.
func alterDebt(
	m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide,
	alter func(s ledger.Snapshot, change *ledger.Change),
) (ledger.Change, error) {
	return m.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		change, err := decide(s)
		if err != nil || change.Replayed {
			return change, err
		}
		change.Wallet.Lots = slices.Clone(change.Wallet.Lots)
		alter(s, &change)
		hash := s.Chain.Hash
		for e := range change.Entries() {
			e.Hash = e.ChainHash(hash)
			hash = e.Hash
		}
		return change, nil
	})
}

// paysNothing leaves out what pays a debt, where nothing stands behind it.
func paysNothing(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	return alterDebt(m, ctx, scope, decide, func(_ ledger.Snapshot, change *ledger.Change) {
		last := len(change.Follows) - 1
		if last < 0 || change.Follows[last].Account != ledger.AccountDebt {
			return
		}
		paid := change.Follows[last]
		change.Follows = change.Follows[:last]
		w := &change.Wallet
		w.Balance, w.Debt, w.Seq = w.Balance+paid.Amount, w.Debt+paid.Amount, w.Seq-1
		lots := make([]ledger.Lot, 0, len(paid.Allocations))
		for _, part := range paid.Allocations {
			lot := ledger.Lot{Seq: part.LotSeq, Category: change.Entry.Category, Remaining: part.Amount}
			lot.ExpiresAt = change.Entry.ExpiresAt
			lots = append(lots, lot)
		}
		if change.Entry.OpensLot() {
			w.Lots = ledger.MergeLots(w.Lots, lots)
		}
		change.Entry.Available += paid.Amount
	})
}

// paysFromNextLots spends in spend order what pays a debt.
func paysFromNextLots(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	scope.Need = ledger.NeedAll
	return alterDebt(m, ctx, scope, decide, func(s ledger.Snapshot, change *ledger.Change) {
		if len(change.Follows) != 1 || change.Follows[0].Account != ledger.AccountDebt || !change.Entry.OpensLot() {
			return
		}
		credit, paid := &change.Entry, &change.Follows[0]
		lots := ledger.OpenLot(s.Wallet.Lots, ledger.Lot{
			Seq: credit.Seq, Category: credit.Category, ExpiresAt: credit.ExpiresAt, Remaining: credit.Amount,
		})
		paid.Allocations, change.Wallet.Lots, _ = ledger.SpendLots(lots, paid.Amount, paid.CreatedAt)
	})
}

// countsRecovered takes what a debt took of a credit for a reversal of it.
func countsRecovered(m *Model, scope ledger.Scope, s *ledger.Snapshot) {
	c, err := m.customer(scope.Tenant, scope.CustomerID)
	if err != nil {
		return
	}
	for _, e := range c.entries {
		if scope.Reverses != "" && e.Reverses == scope.Reverses && e.Account == ledger.AccountDebt {
			s.Reversed += e.Amount
		}
	}
}

func lendsToAnybody(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	return alterDebt(m, ctx, scope, decide, func(_ ledger.Snapshot, change *ledger.Change) {
		if change.Lent != nil {
			change.Lent.Available += change.Lent.Amount
		}
	})
}

// lendsAgain forgets the keys of reversals that were lent for.
func lendsAgain(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	return m.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		if s.Prior != nil && s.Prior.Owed() > 0 {
			s.Prior = nil
		}
		return decide(s)
	})
}

// leavesOwnLot does not show the lot of the credit that is to be undone.
func leavesOwnLot(_ *Model, scope ledger.Scope, s *ledger.Snapshot) {
	s.Wallet.Lots = slices.DeleteFunc(slices.Clone(s.Wallet.Lots), func(lot ledger.Lot) bool {
		return lot.Seq == scope.Lot.Seq && lot.ExpiresAt.IsZero()
	})
}
