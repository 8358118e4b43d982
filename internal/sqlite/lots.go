package sqlite

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"zombiezen.com/go/sqlite"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

var errAllocations = errors.New("an entry's stored allocations do not decode")

// appendAllocations encodes what a debit took: for each lot two varints, its seq
// and the amount.
func appendAllocations(to []byte, allocations []ledger.Allocation) []byte {
	for _, part := range allocations {
		to = binary.AppendUvarint(to, uint64(part.LotSeq))
		to = binary.AppendUvarint(to, uint64(part.Amount))
	}
	return to
}

func decodeAllocations(b []byte) ([]ledger.Allocation, error) {
	var allocations []ledger.Allocation
	for len(b) > 0 {
		seq, n := binary.Uvarint(b)
		amount, m := binary.Uvarint(b[max(n, 0):])
		if n <= 0 || m <= 0 {
			return nil, errAllocations
		}
		b = b[n+m:]
		allocations = append(allocations, ledger.Allocation{LotSeq: int64(seq), Amount: money.Amount(amount)})
	}
	return allocations, nil
}

// Lots implements ledger.Store.
func (db *DB) Lots(
	ctx context.Context, tenant ledger.Tenant, customerID string, currency money.Currency, page ledger.LotPage,
) (list ledger.LotList, err error) {
	err = db.readCustomerState(ctx, directly, tenant, customerID, func(conn *sqlite.Conn, state *customerState) error {
		w := state.wallet(currency)
		credits := func(from, to int64) ([]ledger.Lot, error) { return readCredits(conn, state.no, w, from, to) }
		lots, next, err := w.Page(page.After, page.Limit, credits)
		list = ledger.LotList{Chain: state.chain, Wallet: w.Wallet(state.customer, w.Prefix()), Lots: lots, Next: next}
		return err
	})
	return list, err
}

// readCredits returns the lots that a wallet's credits with seq from … to
// opened, oldest first, as they were before any debit.
func readCredits(conn *sqlite.Conn, customer int64, w *walletState, from, to int64) ([]ledger.Lot, error) {
	no, err := locateSeq(conn, customer, w, to)
	if err != nil {
		return nil, err
	}
	var lots []ledger.Lot
	for no != 0 {
		step, err := readStep(conn, no)
		if err != nil {
			return nil, err
		}
		if step.seq < from {
			break
		}
		if step.isCredit {
			lots = append(lots, ledger.Lot{
				Seq:       step.seq,
				Category:  step.category,
				ExpiresAt: step.expiresAt,
				Remaining: step.amount,
			})
		}
		no = step.walletPrevious
	}
	slices.Reverse(lots)
	return lots, nil
}
