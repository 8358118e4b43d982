package sqlite

import (
	"math"
	"slices"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/walletrow"
)

// lotsAsOf fills a list with a page of the lots of a wallet at a point in its past.
func lotsAsOf(
	conn *sqlite.Conn, customer int64, w *walletState, page ledger.LotPage, list *ledger.LotList,
) (err error) {
	list.Point, err = findPoint(conn, customer, w, *page.AsOf)
	if err != nil || list.Point.Seq == 0 {
		return err
	}
	past := walletrow.Past{Currency: w.Currency, Seq: list.Point.Seq}
	until := microsOf(page.AsOf.Time)
	if past.Mark, err = readLotMark(conn, customer, w, list.Point, until); err != nil {
		return err
	}
	if past.Entries, err = readBetween(conn, customer, w, past.Mark.Seq, past.Seq); err != nil {
		return err
	}
	if w.HoldNumber > past.Mark.HoldNumber {
		if past.Holds, err = readHoldSteps(conn, customer, &past, until); err != nil {
			return err
		}
	}
	source := &lotSource{conn: conn, customer: customer, wallet: w, asOf: max(past.Mark.Seq, 1)}
	list.Lots, list.Next, err = past.Page(page.After, page.Limit, source)
	return err
}

// readLotMark returns the last mark of the lots of a wallet at a point or before. Until
// is the instant in microseconds that the point is as of, 0 for right after its entry.
func readLotMark(
	conn *sqlite.Conn, customer int64, w *walletState, point ledger.Point, until int64,
) (mark walletrow.Mark, err error) {
	const query = `
	  select seq, made_at, hold_event, hold_number, lots, promotional_from, promotional_sum, paid_from, paid_sum
	    from lot_marks
	   where customer = ? and currency = ? and (seq, made_at, hold_event) <= (?, ?, ?)
	   order by seq desc, made_at desc, hold_event desc
	   limit 1`
	holdEvent := int64(math.MaxInt64)
	if until == 0 {
		until, holdEvent = point.CreatedAt.UnixMicro(), 0
	}
	args := []any{customer, string(w.Currency), point.Seq, until, holdEvent}
	err = sqlitex.Execute(conn, query, &sqlitex.ExecOptions{Args: args, ResultFunc: func(stmt *sqlite.Stmt) error {
		mark = walletrow.Mark{
			Seq: stmt.ColumnInt64(0), MadeAt: timeOf(stmt.ColumnInt64(1)), HoldEvent: stmt.ColumnInt64(2),
			HoldNumber: stmt.ColumnInt64(3),
		}
		for i := range mark.Tails {
			mark.Tails[i] = walletrow.Tail{From: stmt.ColumnInt64(5 + 2*i), Sum: money.Amount(stmt.ColumnInt64(6 + 2*i))}
		}
		var err error
		mark.Lots, err = walletrow.DecodeLots(columnBytes(stmt, 4))
		return err
	}})
	return mark, err
}

// readHoldSteps returns what happened to holds in a wallet behind a mark, before the
// next, and not after a point in the past.
func readHoldSteps(
	conn *sqlite.Conn, customer int64, past *walletrow.Past, until int64,
) (steps []walletrow.HoldStep, err error) {
	const query = `
	  select e.kind, m.allocations, e.captured, e.released
	    from hold_events e
	    join holds h on h.customer = e.customer and h.number = e.hold
	    join hold_events m on m.customer = e.customer and m.number = e.hold
	   where e.customer = ? and e.number > ? and e.number <= ? and h.currency = ?
	     and (e.seq < ?5 or e.seq = ?5 and (e.position > 0 or e.created_at <= ?6))
	   order by e.number`
	head := past.Mark.Head()
	args := []any{customer, head.HoldNumber, head.HoldsThrough(), string(past.Currency), past.Seq, until}
	err = sqlitex.Execute(conn, query, &sqlitex.ExecOptions{Args: args, ResultFunc: func(stmt *sqlite.Stmt) error {
		pinned, err := decodeAllocations(columnBytes(stmt, 1))
		steps = append(steps, walletrow.HoldStep{
			Kind: ledger.HoldEventKind(stmt.ColumnText(0)), Pinned: pinned,
			Captured: money.Amount(stmt.ColumnInt64(2)), Released: money.Amount(stmt.ColumnInt64(3)),
		})
		return err
	}})
	return steps, err
}

// readBetween reads the entries of a wallet behind one seq and up to another, oldest
// first, without their owner.
func readBetween(
	conn *sqlite.Conn, customer int64, w *walletState, after, through int64,
) (entries []ledger.Entry, err error) {
	if through <= after {
		return nil, nil
	}
	no, err := locateSeq(conn, customer, w, through)
	for err == nil && no != 0 {
		var e storedEntry
		if e, err = readEntry(conn, no); err != nil || e.Seq <= after {
			break
		}
		entries = append(entries, e.Entry)
		no = e.walletPrevious
	}
	slices.Reverse(entries)
	return entries, err
}

// LastMark implements walletrow.Source.
func (s *lotSource) LastMark() (head walletrow.MarkHead, err error) {
	err = s.each(`
	  select seq, hold_number, lot_count
	    from lot_marks
	   where customer = ? and currency = ?
	   order by seq desc, made_at desc, hold_event desc
	   limit 1`,
		func(stmt *sqlite.Stmt) {
			head = walletrow.MarkHead{
				Seq: stmt.ColumnInt64(0), HoldNumber: stmt.ColumnInt64(1), Lots: int(stmt.ColumnInt64(2)),
			}
		})
	return head, err
}

// Mark implements walletrow.Source.
func (s *lotSource) Mark(mark *walletrow.Mark) (err error) {
	stmt, err := s.conn.Prepare(`
	  insert into lot_marks (customer, currency, seq, made_at, hold_event, hold_number, lot_count,
	                         promotional_from, promotional_sum, paid_from, paid_sum, lots)
	  values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	defer resetting(stmt, &err)
	stmt.BindInt64(1, s.customer)
	stmt.BindText(2, string(s.wallet.Currency))
	for i, number := range []int64{
		mark.Seq, mark.MadeAt.UnixMicro(), mark.HoldEvent, mark.HoldNumber, int64(len(mark.Lots)),
		mark.Tails[0].From, int64(mark.Tails[0].Sum), mark.Tails[1].From, int64(mark.Tails[1].Sum),
	} {
		stmt.BindInt64(3+i, number)
	}
	stmt.BindBytes(12, walletrow.AppendLots([]byte{}, mark.Lots))
	_, err = stmt.Step()
	return err
}
