package storetest

import (
	"context"
	"slices"

	"github.com/billfold/billfold/internal/ledger"
)

func moveMistakes() []mistake {
	return []mistake{
		{"a moved lot keeps its old expiry in the wallet", bend(movesEntriesOnly), [][2]string{
			{"moves", "L6 an expiry is moved by a debit and a credit that cancel out"},
			{"moves", "L3 L6 a lot is spent, swept and found by its new expiry"},
		}, true},
		{"a move makes paid money of a bonus", bend(movesAsPaid), [][2]string{
			{"moves", "L6 an expiry is moved by a debit and a credit that cancel out"},
			{"moves", "L5 L6 what was spent of a lot before goes back to it and not to where the rest was moved"},
		}, true},
		{"a lot that is not among the first is not found", bend(movesFirstOnly), [][2]string{
			{"moves", "L6 a lot is found among many that never expire"},
		}, true},
		{"an expired lot is moved until it is swept", bendSnapshot(movesUntilSwept), [][2]string{
			{"moves", "L6 what cannot be moved is refused and leaves no trace"},
			{"moves", "L4 O2 L6 moves race with debits and sweeps"},
		}, true},
		{"a threshold is told of in the midst of a move", bend(tellsInTheMidst), [][2]string{
			{"moves", "A1 L6 no threshold is told of in the midst of a move"},
		}, true},
		{"what a hold pins of a lot is moved too", bend(movesWhatIsPinned), [][2]string{
			{"moves", "H2 L6 what a hold pins of a lot stays behind"},
		}, true},
		{"moves read, then written", bendRacing(readThenWrite), [][2]string{
			{"moves", "L6 of 64 moves of one lot at once one is accepted"},
			{"moves", "K6 one key on 64 moves at once: one effect"},
		}, false},
	}
}

// alterMove alters what moves an expiry, and chains the entries anew.
func alterMove(
	m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide,
	alter func(s ledger.Snapshot, debit, credit *ledger.Entry, lots []ledger.Lot),
) (ledger.Change, error) {
	return m.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		change, err := decide(s)
		if err != nil || change.Replayed || scope.Moves == 0 {
			return change, err
		}
		change.Wallet.Lots = slices.Clone(change.Wallet.Lots)
		alter(s, &change.Entry, &change.Follows[0], change.Wallet.Lots)
		hash := s.Chain.Hash
		for e := range change.Entries() {
			e.Hash = e.ChainHash(hash)
			hash = e.Hash
		}
		return change, nil
	})
}

// opened is the lot that a credit opened.
func opened(lots []ledger.Lot, credit *ledger.Entry) *ledger.Lot {
	return &lots[slices.IndexFunc(lots, func(lot ledger.Lot) bool { return lot.Seq == credit.Seq })]
}

// movesEntriesOnly writes the right entries and a lot that expires when the old one
// did.
func movesEntriesOnly(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	return alterMove(m, ctx, scope, decide, func(s ledger.Snapshot, _, credit *ledger.Entry, lots []ledger.Lot) {
		for _, old := range s.Wallet.Lots {
			if old.Seq == scope.Moves {
				opened(lots, credit).ExpiresAt = old.ExpiresAt
			}
		}
	})
}

// movesAsPaid forgets that some of the money was a bonus.
func movesAsPaid(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	return alterMove(m, ctx, scope, decide, func(_ ledger.Snapshot, _, credit *ledger.Entry, lots []ledger.Lot) {
		credit.Category = ledger.Paid
		opened(lots, credit).Category = ledger.Paid
	})
}

// movesFirstOnly looks for the lot among those that a decision sees anyway.
func movesFirstOnly(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	scope.Moves = 0
	return m.Transact(ctx, scope, decide)
}

// movesUntilSwept takes a lot that has expired for one that has not, as long as
// nobody wrote it off.
func movesUntilSwept(_ *Model, scope ledger.Scope, s *ledger.Snapshot) {
	for i := range s.Wallet.Lots {
		if lot := &s.Wallet.Lots[i]; lot.Seq == scope.Moves && !lot.ExpiresAt.IsZero() {
			lot.ExpiresAt = lot.ExpiresAt.AddDate(1, 0, 0)
		}
	}
}

// tellsInTheMidst has the first entry of a move tell of what it crosses.
func tellsInTheMidst(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	return alterMove(m, ctx, scope, decide, func(s ledger.Snapshot, debit, _ *ledger.Entry, _ []ledger.Lot) {
		if after, marked := s.Wallet.Alerts.At(debit.Available); after != s.Wallet.Alerts {
			debit.Alerts = marked
		}
	})
}

// movesWhatIsPinned moves a part of what is held as well.
func movesWhatIsPinned(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	return alterMove(m, ctx, scope, decide, func(s ledger.Snapshot, debit, credit *ledger.Entry, lots []ledger.Lot) {
		held := s.Wallet.Held
		debit.Amount += held
		debit.Allocations[0].Amount += held
		debit.After -= held
		debit.Available -= min(debit.Available, held)
		credit.Before -= held
		credit.Amount += held
		opened(lots, credit).Remaining += held
	})
}
