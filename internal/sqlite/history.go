package sqlite

import (
	"context"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// Points implements ledger.Store.
func (db *DB) Points(
	ctx context.Context, tenant ledger.Tenant, customerID string, currency money.Currency, at time.Time,
	asOf []ledger.AsOf,
) (list ledger.PointList, err error) {
	err = db.readCustomerState(ctx, directly, tenant, customerID, func(conn *sqlite.Conn, state *customerState) error {
		w := state.wallet(currency)
		list = ledger.PointList{Chain: state.chain}
		if list.Wallet, err = w.shown(conn, state, at); err != nil {
			return err
		}
		for _, at := range asOf {
			point, err := findPoint(conn, state.no, w, at)
			if err != nil {
				return err
			}
			list.Points = append(list.Points, point)
		}
		return nil
	})
	return list, err
}

// findPoint returns a wallet as it was at a point in its past.
func findPoint(conn *sqlite.Conn, customer int64, w *walletState, at ledger.AsOf) (ledger.Point, error) {
	if !at.Time.IsZero() {
		return lastPointAt(conn, customer, w, at.Time)
	}
	seq := min(at.Seq, w.Seq)
	if seq < 1 {
		return ledger.Point{}, nil
	}
	no, err := locateSeq(conn, customer, w, seq)
	if err != nil {
		return ledger.Point{}, err
	}
	point, _, err := readPoint(conn, no)
	return point, err
}

// lastPointAt returns the wallet after its last entry that was made at t or
// before. Times never decrease along seqs (law R4), so it searches the marks by
// halves, and from the first that is too new it walks down at most 64 steps.
func lastPointAt(conn *sqlite.Conn, customer int64, w *walletState, t time.Time) (ledger.Point, error) {
	markAt := func(number int64) (int64, error) {
		const query = `select entry from wallet_marks where customer = ? and seq = ? and currency = ?`
		return readMark(conn, query, customer, number*markEvery, string(w.Currency))
	}
	marks := w.Seq / markEvery
	old, err := searchLast(marks, func(number int64) (bool, error) {
		no, err := markAt(number)
		if err != nil {
			return false, err
		}
		point, _, err := readPoint(conn, no)
		return !point.CreatedAt.After(t), err
	})
	if err != nil {
		return ledger.Point{}, err
	}
	no := w.last
	if old < marks {
		if no, err = markAt(old + 1); err != nil {
			return ledger.Point{}, err
		}
	}
	for no != 0 {
		point, previous, err := readPoint(conn, no)
		if err != nil || !point.CreatedAt.After(t) {
			return point, err
		}
		no = previous
	}
	return ledger.Point{}, nil
}

// readPoint returns the wallet after an entry, and the no of the wallet's entry
// before.
func readPoint(conn *sqlite.Conn, no int64) (point ledger.Point, walletPrevious int64, err error) {
	stmt, err := conn.Prepare(`
	  select seq, position, id, after_balance, created_at, wallet_previous
	    from ledger_entries
	   where no = ?`)
	if err != nil {
		return point, 0, err
	}
	defer resetting(stmt, &err)
	stmt.BindInt64(1, no)
	row, err := stmt.Step()
	if err != nil {
		return point, 0, err
	}
	if !row {
		return point, 0, fmt.Errorf("ledger entry number %d is missing", no)
	}
	return ledger.Point{
		Seq:       stmt.ColumnInt64(0),
		Position:  stmt.ColumnInt64(1),
		EntryID:   stmt.ColumnText(2),
		Balance:   money.Amount(stmt.ColumnInt64(3)),
		CreatedAt: timeOf(stmt.ColumnInt64(4)),
	}, stmt.ColumnInt64(5), nil
}

// Totals implements ledger.Store. It walks down from the last entry.
func (db *DB) Totals(
	ctx context.Context, tenant ledger.Tenant, customerID string, currency money.Currency, seqs []int64,
) (totals []ledger.Totals, err error) {
	err = db.readCustomerState(ctx, directly, tenant, customerID, func(conn *sqlite.Conn, state *customerState) error {
		w := state.wallet(currency)
		totals = make([]ledger.Totals, max(len(seqs)-1, 0))
		if len(totals) == 0 || seqs[0] == seqs[len(totals)] {
			return nil
		}
		no, err := locateSeq(conn, state.no, w, seqs[len(totals)])
		for i := len(totals) - 1; err == nil && i >= 0; i-- {
			no, err = addUp(conn, no, seqs[i], &totals[i])
		}
		return err
	})
	return totals, err
}

// addUp adds to totals the entries of a wallet from no down to the one behind a
// seq, and returns the no of the entry that has this seq, 0 for none.
func addUp(conn *sqlite.Conn, no, behind int64, totals *ledger.Totals) (_ int64, err error) {
	stmt, err := conn.Prepare(`
	  select seq, wallet_previous, is_credit, amount, account = 'breakage'
	    from ledger_entries
	   where no = ?`)
	if err != nil {
		return 0, err
	}
	defer resetting(stmt, &err)
	for ; no != 0; no = stmt.ColumnInt64(1) {
		if err := stmt.Reset(); err != nil {
			return 0, err
		}
		stmt.BindInt64(1, no)
		row, err := stmt.Step()
		if err != nil {
			return 0, err
		}
		if !row {
			return 0, fmt.Errorf("ledger entry number %d is missing", no)
		}
		if stmt.ColumnInt64(0) <= behind {
			return no, nil
		}
		sum := &totals.Debited
		switch {
		case stmt.ColumnBool(2):
			sum = &totals.Credited
		case stmt.ColumnBool(4):
			sum = &totals.Expired
		}
		added, ok := sum.Add(money.Amount(stmt.ColumnInt64(3)))
		if !ok {
			return 0, fmt.Errorf("the sum of entries up to number %d does not fit", no)
		}
		*sum = added
		totals.Entries++
	}
	return 0, nil
}

// EntriesBetween implements ledger.Store.
func (db *DB) EntriesBetween(
	ctx context.Context, tenant ledger.Tenant, customerID string, currency money.Currency, after, through int64,
) (entries []ledger.Entry, err error) {
	err = db.readCustomerState(ctx, directly, tenant, customerID, func(conn *sqlite.Conn, state *customerState) error {
		entries, err = readBetween(conn, state.no, state.wallet(currency), after, through)
		for i := range entries {
			entries[i].Tenant, entries[i].CustomerID = tenant, customerID
		}
		return err
	})
	return entries, err
}
