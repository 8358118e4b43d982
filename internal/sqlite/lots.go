package sqlite

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"zombiezen.com/go/sqlite"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

var errAllocations = errors.New("an entry's stored allocations do not decode")

// appendAllocations encodes what a debit took or a reversal gave back: for each lot two varints, its seq
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
		list.Chain = state.chain
		if list.Wallet, err = w.shown(conn, state, page.At); err != nil {
			return err
		}
		if page.AsOf != nil {
			return lotsAsOf(conn, state.no, w, page, &list)
		}
		source := &lotSource{conn: conn, customer: state.no, wallet: w}
		list.Lots, list.Next, err = w.Page(page.After, page.Limit, source)
		return err
	})
	return list, err
}

// Opened implements ledger.Store.
func (db *DB) Opened(
	ctx context.Context, tenant ledger.Tenant, customerID string, currency money.Currency, seqs []int64,
) (lots []ledger.Lot, err error) {
	err = db.readCustomerState(ctx, directly, tenant, customerID, func(conn *sqlite.Conn, state *customerState) error {
		lots, err = readOpened(conn, state, currency, seqs)
		return err
	})
	return lots, err
}

// readOpened reads credits by their seqs. Lots that a debit took are mostly those
// of credits in a row, so from one to the next it walks where that is no further
// than from a mark.
func readOpened(
	conn *sqlite.Conn, state *customerState, currency money.Currency, seqs []int64,
) ([]ledger.Lot, error) {
	w := state.wallet(currency)
	order := make([]int, len(seqs))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(seqs[b], seqs[a]) }) // newest first
	lots := make([]ledger.Lot, len(seqs))
	var at step
	for _, i := range order {
		seq := seqs[i]
		if at.seq == 0 || at.seq-seq >= markEvery {
			no, err := locateSeq(conn, state.no, w, seq)
			if err != nil {
				return nil, err
			}
			if at, err = readStep(conn, no); err != nil {
				return nil, err
			}
		}
		for at.seq > seq {
			var err error
			if at, err = readStep(conn, at.walletPrevious); err != nil {
				return nil, err
			}
		}
		if at.seq != seq || !at.opensLot {
			return nil, fmt.Errorf("entry %d of a wallet, of which a debit took, opened no lot", seq)
		}
		lots[i] = at.lot()
	}
	return lots, nil
}

// lot is the lot that a credit opened.
func (s step) lot() ledger.Lot {
	return ledger.Lot{Seq: s.seq, Category: s.category, ExpiresAt: s.expiresAt, Remaining: s.amount}
}

// readReversed returns how much of an entry was undone, and how much was taken from
// it for a debt.
func readReversed(
	conn *sqlite.Conn, customer int64, entryID string,
) (reversed, recovered money.Amount, err error) {
	stmt, err := conn.Prepare(`select amount, account = 'debt' from ledger_entries where customer = ? and reverses = ?`)
	if err != nil {
		return 0, 0, err
	}
	defer resetting(stmt, &err)
	stmt.BindInt64(1, customer)
	stmt.BindText(2, entryID)
	for {
		row, err := stmt.Step()
		if err != nil || !row {
			return reversed, recovered, err
		}
		if stmt.ColumnBool(1) {
			recovered += money.Amount(stmt.ColumnInt64(0))
		} else {
			reversed += money.Amount(stmt.ColumnInt64(0))
		}
	}
}

// readUndone returns how much of the entry with a number was undone, or taken for a
// debt, by the wallet's entries up to a seq, 0 for all.
func readUndone(conn *sqlite.Conn, no, through int64) (undone money.Amount, err error) {
	query := `
	  select coalesce(sum(r.amount), 0)
	    from ledger_entries e
	    join ledger_entries r on r.customer = e.customer and r.reverses = e.id
	   where e.no = ?`
	if through != 0 {
		query += ` and r.seq <= ?`
	}
	stmt, err := conn.Prepare(query)
	if err != nil {
		return 0, err
	}
	defer resetting(stmt, &err)
	stmt.BindInt64(1, no)
	if through != 0 {
		stmt.BindInt64(2, through)
	}
	_, err = stmt.Step()
	return money.Amount(stmt.ColumnInt64(0)), err
}

// Credits implements walletrow.Source.
func (s *lotSource) Credits(from, to int64) ([]ledger.Lot, error) {
	conn := s.conn
	no, err := locateSeq(conn, s.customer, s.wallet, to)
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
		if step.opensLot {
			lot := step.lot()
			undone, err := readUndone(conn, no, s.asOf)
			if err != nil {
				return nil, err
			}
			lot.Remaining = max(lot.Remaining-undone, 0) // more was undone where a part was lent
			lots = append(lots, lot)
		}
		no = step.walletPrevious
	}
	slices.Reverse(lots)
	return lots, nil
}
