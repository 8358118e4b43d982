package sqlite

import (
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// markEvery is the distance of the marks from which a walk over a customer's or
// a wallet's entries may begin.
const markEvery = 64

const insertEntryQuery = `
	  insert into ledger_entries (no, id, customer, currency, position, seq, previous, wallet_previous, is_credit,
	                              amount, before_balance, after_balance, available, event_type, account, category,
	                              expires_at, allocations, reason, reference_object_id, metadata, idempotency_key,
	                              fingerprint, created_by, created_at, hash, reverses, alerts, hold_id, held)
	  values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// insertEntry appends an entry to the ledger by a statement of insertEntryQuery,
// of which it binds every parameter.
func insertEntry(stmt *sqlite.Stmt, no int64, customer *customerState, w *walletState, e *ledger.Entry) (err error) {
	defer resetting(stmt, &err)
	stmt.BindInt64(1, no)
	stmt.BindText(2, e.ID)
	stmt.BindInt64(3, customer.no)
	stmt.BindText(4, string(e.Currency))
	stmt.BindInt64(5, e.Position)
	stmt.BindInt64(6, e.Seq)
	stmt.BindInt64(7, customer.last)
	stmt.BindInt64(8, w.last)
	stmt.BindBool(9, e.Direction == ledger.Credit)
	stmt.BindInt64(10, int64(e.Amount))
	stmt.BindInt64(11, int64(e.Before))
	stmt.BindInt64(12, int64(e.After))
	stmt.BindInt64(13, int64(e.Available))
	stmt.BindText(14, string(e.EventType))
	stmt.BindText(15, string(e.Account))
	stmt.BindText(16, string(e.Category))
	stmt.BindInt64(17, microsOf(e.ExpiresAt))
	if !e.OpensLot() {
		stmt.BindBytes(18, appendAllocations(nil, e.Allocations))
	} else {
		stmt.BindNull(18)
	}
	bindOptional(stmt, 19, e.Reason, "")
	bindOptional(stmt, 20, e.ReferenceObjectID, "")
	bindOptional(stmt, 21, e.Metadata, "{}")
	bindOptional(stmt, 22, e.IdempotencyKey, "")
	stmt.BindBytes(23, e.Fingerprint[:])
	stmt.BindText(24, e.CreatedBy)
	stmt.BindInt64(25, e.CreatedAt.UnixMicro())
	stmt.BindBytes(26, e.Hash[:])
	bindOptional(stmt, 27, e.Reverses, "")
	bindOptional(stmt, 28, string(e.Alerts), "")
	bindOptional(stmt, 29, e.HoldID, "")
	if e.Held == 0 {
		stmt.BindNull(30)
	} else {
		stmt.BindInt64(30, int64(e.Held))
	}
	_, err = stmt.Step()
	return err
}

// bindOptional binds null for the text that stands for nothing.
func bindOptional(stmt *sqlite.Stmt, param int, text, nothing string) {
	if text == nothing {
		stmt.BindNull(param)
		return
	}
	stmt.BindText(param, text)
}

// insertMarks makes every 64th entry findable without a walk.
func insertMarks(conn *sqlite.Conn, no, customer int64, e *ledger.Entry) error {
	if e.Position%markEvery == 0 {
		if err := insertMark(conn, `insert into customer_marks (entry, customer, position) values (?, ?, ?)`, no, customer, e.Position); err != nil {
			return err
		}
	}
	if e.Seq%markEvery == 0 {
		const query = `insert into wallet_marks (entry, customer, seq, currency) values (?, ?, ?, ?)`
		return insertMark(conn, query, no, customer, e.Seq, string(e.Currency))
	}
	return nil
}

func insertMark(conn *sqlite.Conn, query string, no, customer, at int64, currency ...string) (err error) {
	stmt, err := conn.Prepare(query)
	if err != nil {
		return err
	}
	defer resetting(stmt, &err)
	stmt.BindInt64(1, no)
	stmt.BindInt64(2, customer)
	stmt.BindInt64(3, at)
	if len(currency) > 0 {
		stmt.BindText(4, currency[0])
	}
	_, err = stmt.Step()
	return err
}

const entryColumns = `
	  select no, id, currency, position, seq, previous, wallet_previous, is_credit, amount, before_balance,
	         after_balance, available, event_type, account, category, expires_at, allocations, reason,
	         reference_object_id, metadata, idempotency_key, fingerprint, created_by, created_at, hash, customer,
	         reverses, alerts, hold_id, held
	    from ledger_entries
	   where no = ?`

// storedEntry is an entry with its place in the table.
type storedEntry struct {
	ledger.Entry
	customer       int64
	previous       int64
	walletPrevious int64
}

// readEntry reads the entry at a place of the table. Tenant and CustomerID are
// left to the caller, who knows them.
func readEntry(conn *sqlite.Conn, no int64) (e storedEntry, err error) {
	stmt, err := conn.Prepare(entryColumns)
	if err != nil {
		return e, err
	}
	defer resetting(stmt, &err)
	stmt.BindInt64(1, no)
	row, err := stmt.Step()
	if err != nil {
		return e, err
	}
	if !row {
		return e, fmt.Errorf("ledger entry number %d is missing", no)
	}
	return scanEntry(stmt)
}

func scanEntry(stmt *sqlite.Stmt) (e storedEntry, err error) {
	e = storedEntry{
		Entry: ledger.Entry{
			ID:                stmt.ColumnText(1),
			Currency:          money.Currency(stmt.ColumnText(2)),
			Position:          stmt.ColumnInt64(3),
			Seq:               stmt.ColumnInt64(4),
			Direction:         ledger.Debit,
			Amount:            money.Amount(stmt.ColumnInt64(8)),
			Before:            money.Amount(stmt.ColumnInt64(9)),
			After:             money.Amount(stmt.ColumnInt64(10)),
			Available:         money.Amount(stmt.ColumnInt64(11)),
			EventType:         ledger.EventType(stmt.ColumnText(12)),
			Account:           ledger.Account(stmt.ColumnText(13)),
			Category:          ledger.Category(stmt.ColumnText(14)),
			ExpiresAt:         timeOf(stmt.ColumnInt64(15)),
			Reason:            stmt.ColumnText(17),
			ReferenceObjectID: stmt.ColumnText(18),
			Metadata:          "{}",
			IdempotencyKey:    stmt.ColumnText(20),
			CreatedBy:         stmt.ColumnText(22),
			CreatedAt:         timeOf(stmt.ColumnInt64(23)),
			Reverses:          stmt.ColumnText(26),
			Alerts:            ledger.Standings(stmt.ColumnText(27)),
			HoldID:            stmt.ColumnText(28),
			Held:              money.Amount(stmt.ColumnInt64(29)),
		},
		customer:       stmt.ColumnInt64(25),
		previous:       stmt.ColumnInt64(5),
		walletPrevious: stmt.ColumnInt64(6),
	}
	if stmt.ColumnBool(7) {
		e.Direction = ledger.Credit
	}
	if !stmt.ColumnIsNull(19) {
		e.Metadata = stmt.ColumnText(19)
	}
	stmt.ColumnBytes(21, e.Fingerprint[:])
	stmt.ColumnBytes(24, e.Hash[:])
	e.Allocations, err = decodeAllocations(columnBytes(stmt, 16))
	return e, err
}

// step is the little of an entry that a walk looks at.
type step struct {
	position       int64
	seq            int64
	previous       int64
	walletPrevious int64
	opensLot       bool
	category       ledger.Category
	expiresAt      time.Time
	amount         money.Amount
	createdAt      time.Time
}

func readStep(conn *sqlite.Conn, no int64) (s step, err error) {
	stmt, err := conn.Prepare(`
	  select position, seq, previous, wallet_previous, category <> '', category, expires_at, amount, created_at
	    from ledger_entries
	   where no = ?`)
	if err != nil {
		return s, err
	}
	defer resetting(stmt, &err)
	stmt.BindInt64(1, no)
	row, err := stmt.Step()
	if err != nil {
		return s, err
	}
	if !row {
		return s, fmt.Errorf("ledger entry number %d is missing", no)
	}
	return step{
		position:       stmt.ColumnInt64(0),
		seq:            stmt.ColumnInt64(1),
		previous:       stmt.ColumnInt64(2),
		walletPrevious: stmt.ColumnInt64(3),
		opensLot:       stmt.ColumnBool(4),
		category:       ledger.Category(stmt.ColumnText(5)),
		expiresAt:      timeOf(stmt.ColumnInt64(6)),
		amount:         money.Amount(stmt.ColumnInt64(7)),
		createdAt:      timeOf(stmt.ColumnInt64(8)),
	}, nil
}

// locatePosition returns the no of the customer's entry at a position, which
// must be 1 … the chain's. It begins at the next mark above, or at the last
// entry, and walks down at most 63 steps.
func locatePosition(conn *sqlite.Conn, c *customerState, position int64) (int64, error) {
	no := c.last
	if mark := (position + markEvery - 1) / markEvery * markEvery; mark <= c.chain.Position {
		var err error
		no, err = readMark(conn, `select entry from customer_marks where customer = ? and position = ?`, c.no, mark)
		if err != nil {
			return 0, err
		}
	}
	for {
		s, err := readStep(conn, no)
		if err != nil {
			return 0, err
		}
		if s.position == position {
			return no, nil
		}
		no = s.previous
	}
}

// locateSeq is locatePosition for the entries of one wallet.
func locateSeq(conn *sqlite.Conn, customer int64, w *walletState, seq int64) (int64, error) {
	no := w.last
	if mark := (seq + markEvery - 1) / markEvery * markEvery; mark <= w.Seq {
		var err error
		const query = `select entry from wallet_marks where customer = ? and seq = ? and currency = ?`
		no, err = readMark(conn, query, customer, mark, string(w.Currency))
		if err != nil {
			return 0, err
		}
	}
	for {
		s, err := readStep(conn, no)
		if err != nil {
			return 0, err
		}
		if s.seq == seq {
			return no, nil
		}
		no = s.walletPrevious
	}
}

func readMark(conn *sqlite.Conn, query string, customer, at int64, currency ...string) (entry int64, err error) {
	stmt, err := conn.Prepare(query)
	if err != nil {
		return 0, err
	}
	defer resetting(stmt, &err)
	stmt.BindInt64(1, customer)
	stmt.BindInt64(2, at)
	if len(currency) > 0 {
		stmt.BindText(3, currency[0])
	}
	row, err := stmt.Step()
	if err != nil {
		return 0, err
	}
	if !row {
		return 0, fmt.Errorf("the mark of entry %d of customer number %d is missing", at, customer)
	}
	return stmt.ColumnInt64(0), nil
}
