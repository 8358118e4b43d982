package sqlite

import (
	"context"
	"fmt"
	"sync"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/report"
)

// reportLots remembers what money the lots of credits are that reports have met, so
// that most debits need no walk to theirs. Such a thing never changes.
type reportLots struct {
	mutex sync.Mutex
	known map[reportLot]report.Lot
}

type reportLot struct {
	customer int64
	currency money.Currency
	seq      int64
}

// reportLotsMax is how many lots are remembered; then all are forgotten.
const reportLotsMax = 100_000

func (l *reportLots) get(key reportLot) (lot report.Lot, known bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	lot, known = l.known[key]
	return lot, known
}

func (l *reportLots) put(key reportLot, lot report.Lot) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.known == nil || len(l.known) >= reportLotsMax {
		l.known = make(map[reportLot]report.Lot)
	}
	l.known[key] = lot
}

// FoldReports implements report.Store. Who comes second with the same entries adds
// nothing, because the first has moved the progress.
func (db *DB) FoldReports(ctx context.Context, limit int) (more bool, err error) {
	folds := make(map[int64]*report.Fold)
	var from, through int64
	count := 0
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		if from, err = reportProgress(conn); err != nil {
			return err
		}
		through = from
		query := reportLinesQuery + ` where e.no > ? order by e.no limit ?`
		return db.reportLines(conn, query, []any{from, limit}, func(no, tenant int64, line *report.Line) {
			if folds[tenant] == nil {
				folds[tenant] = report.NewFold()
			}
			folds[tenant].Add(line, no)
			through = no
			count++
		})
	})
	if err != nil || count == 0 {
		return false, err
	}
	err = db.write(ctx, func(conn *sqlite.Conn) error { return writeFolds(conn, folds, from, through) })
	return count == limit, err
}

func reportProgress(conn *sqlite.Conn) (through int64, err error) {
	stmt, err := conn.Prepare(`select through from report_progress where no = 1`)
	if err != nil {
		return 0, err
	}
	defer resetting(stmt, &err)
	if _, err := stmt.Step(); err != nil {
		return 0, err
	}
	return stmt.ColumnInt64(0), nil
}

// newestEntry is the no of the last entry, 0 for none.
func newestEntry(conn *sqlite.Conn) (no int64, err error) {
	err = sqlitex.Execute(conn, `select coalesce(max(no), 0) from ledger_entries`, &sqlitex.ExecOptions{
		ResultFunc: func(stmt *sqlite.Stmt) error { no = stmt.ColumnInt64(0); return nil },
	})
	return no, err
}

func writeFolds(conn *sqlite.Conn, folds map[int64]*report.Fold, from, through int64) error {
	err := sqlitex.Execute(conn, `update report_progress set through = ? where no = 1 and through = ?`,
		&sqlitex.ExecOptions{Args: []any{through, from}})
	if err != nil || conn.Changes() == 0 {
		return err
	}
	const sums = `
	  insert into report_sums as s (tenant, span, start, currency, label, credited, debited, entries)
	  values (?, ?, ?, ?, ?, ?, ?, ?)
	      on conflict do update
	     set credited = s.credited + min(excluded.credited, 9223372036854775807 - s.credited),
	         debited = s.debited + min(excluded.debited, 9223372036854775807 - s.debited),
	         entries = s.entries + excluded.entries`
	const places = `
	  insert into report_places as p (tenant, start, first, last)
	  values (?, ?, ?, ?)
	      on conflict do update
	     set first = min(p.first, excluded.first), last = max(p.last, excluded.last)`
	for tenant, fold := range folds {
		for key, sum := range fold.Sums {
			err := sqlitex.Execute(conn, sums, &sqlitex.ExecOptions{Args: []any{
				tenant, string(key.Span), key.Start, string(key.Currency), key.Label,
				int64(sum.Credited), int64(sum.Debited), sum.Entries,
			}})
			if err != nil {
				return err
			}
		}
		for start, at := range fold.Places {
			err := sqlitex.Execute(conn, places, &sqlitex.ExecOptions{Args: []any{tenant, start, at.First, at.Last}})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

const reportLinesQuery = `
	  select e.no, c.tenant, e.customer, c.id, e.currency, e.seq, e.is_credit, e.amount, e.event_type, e.account, e.category,
	         e.expires_at, e.allocations, e.created_at, e.id, e.reason, e.reference_object_id, e.wallet_previous,
	         e.reverses is not null
	    from ledger_entries e
	    cross join customers c on c.no = e.customer`

// reportLines calls each with the entries that a query finds.
func (db *DB) reportLines(
	conn *sqlite.Conn, query string, args []any, each func(no, tenant int64, line *report.Line),
) error {
	read := func(stmt *sqlite.Stmt) error {
		line := report.Line{
			CustomerID: stmt.ColumnText(3), Currency: money.Currency(stmt.ColumnText(4)), Seq: stmt.ColumnInt64(5),
			Direction: ledger.Debit, Amount: money.Amount(stmt.ColumnInt64(7)), EventType: ledger.EventType(stmt.ColumnText(8)),
			Account: ledger.Account(stmt.ColumnText(9)), CreatedAt: stmt.ColumnInt64(13), ID: stmt.ColumnText(14),
			Reason: stmt.ColumnText(15), Reference: stmt.ColumnText(16),
		}
		if stmt.ColumnBool(6) {
			line.Direction = ledger.Credit
		}
		at := reportLot{stmt.ColumnInt64(2), line.Currency, line.Seq}
		var err error
		line.Parts, err = db.reportParts(conn, at, &line, &reportCredit{
			category: ledger.Category(stmt.ColumnText(10)), expires: stmt.ColumnInt64(11), created: line.CreatedAt,
			moved: stmt.ColumnBool(18), previous: stmt.ColumnInt64(17),
		}, columnBytes(stmt, 12))
		if err != nil {
			return err
		}
		each(stmt.ColumnInt64(0), stmt.ColumnInt64(1), &line)
		return nil
	}
	return sqlitex.Execute(conn, query, &sqlitex.ExecOptions{Args: args, ResultFunc: read})
}

// reportCredit is what a credit says of the lot that it opens.
type reportCredit struct {
	category ledger.Category // empty: it opens none
	expires  int64
	created  int64
	moved    bool  // its money came out of a lot of the wallet, by the entry before
	previous int64 // no of the wallet's entry before
}

// reportParts says what money an entry moved.
func (db *DB) reportParts(
	conn *sqlite.Conn, at reportLot, line *report.Line, credit *reportCredit, allocations []byte,
) ([]report.Part, error) {
	if line.Direction == ledger.Credit && credit.category != "" {
		lot, err := db.reportOpened(conn, at, credit)
		return []report.Part{{Lot: lot, Amount: line.Amount}}, err
	}
	taken, err := decodeAllocations(allocations)
	if err != nil {
		return nil, err
	}
	if len(taken) == 0 { // a loan
		return []report.Part{{Lot: report.LoanLot, Amount: line.Amount}}, nil
	}
	parts := make([]report.Part, len(taken))
	for i, part := range taken {
		lot, err := db.reportLot(conn, reportLot{at.customer, at.currency, part.LotSeq})
		if err != nil {
			return nil, err
		}
		parts[i] = report.Part{Lot: lot, Amount: part.Amount}
	}
	return parts, nil
}

// reportOpened is the lot that a credit opens.
func (db *DB) reportOpened(conn *sqlite.Conn, at reportLot, credit *reportCredit) (report.Lot, error) {
	lot := report.Lot{Category: credit.category, Funded: credit.created, Expires: credit.expires}
	if credit.moved {
		from, err := db.reportSource(conn, at, credit.previous)
		if err != nil {
			return lot, err
		}
		lot.Funded = from.Funded
	}
	db.reportLots.put(at, lot)
	return lot, nil
}

// reportSource is the first lot that an entry of a wallet took from.
func (db *DB) reportSource(conn *sqlite.Conn, at reportLot, no int64) (lot report.Lot, err error) {
	stmt, err := conn.Prepare(`select allocations from ledger_entries where no = ?`)
	if err != nil {
		return lot, err
	}
	stmt.BindInt64(1, no)
	if row, err := stmt.Step(); err != nil || !row {
		return lot, fmt.Errorf("ledger entry number %d is missing: %w", no, err)
	}
	taken, err := decodeAllocations(columnBytes(stmt, 0))
	if err := stmt.Reset(); err != nil {
		return lot, err
	}
	if err != nil || len(taken) == 0 {
		return lot, fmt.Errorf("ledger entry number %d takes from no lot: %w", no, err)
	}
	return db.reportLot(conn, reportLot{at.customer, at.currency, taken[0].LotSeq})
}

// reportLot is the lot that a credit opened, by its seq.
func (db *DB) reportLot(conn *sqlite.Conn, at reportLot) (lot report.Lot, err error) {
	if at.seq == ledger.LoanLot {
		return report.LoanLot, nil
	}
	if lot, known := db.reportLots.get(at); known {
		return lot, nil
	}
	w, err := reportWallet(conn, at)
	if err != nil {
		return lot, err
	}
	no, err := locateSeq(conn, at.customer, w, at.seq)
	if err != nil {
		return lot, err
	}
	stmt, err := conn.Prepare(`
	  select category, expires_at, created_at, reverses is not null, wallet_previous
	    from ledger_entries
	   where no = ?`)
	if err != nil {
		return lot, err
	}
	stmt.BindInt64(1, no)
	if _, err := stmt.Step(); err != nil {
		return lot, err
	}
	credit := reportCredit{
		category: ledger.Category(stmt.ColumnText(0)), expires: stmt.ColumnInt64(1), created: stmt.ColumnInt64(2),
		moved: stmt.ColumnBool(3), previous: stmt.ColumnInt64(4),
	}
	if err := stmt.Reset(); err != nil { // the same statement is needed for the lot before
		return lot, err
	}
	return db.reportOpened(conn, at, &credit)
}

// reportWallet is where the entries of a wallet end.
func reportWallet(conn *sqlite.Conn, at reportLot) (w *walletState, err error) {
	stmt, err := conn.Prepare(`select seq, last_entry from wallets where customer = ? and currency = ?`)
	if err != nil {
		return nil, err
	}
	defer resetting(stmt, &err)
	stmt.BindInt64(1, at.customer)
	stmt.BindText(2, string(at.currency))
	if row, err := stmt.Step(); err != nil || !row {
		return nil, fmt.Errorf("the wallet of lot %d is missing: %w", at.seq, err)
	}
	w = &walletState{last: stmt.ColumnInt64(1)}
	w.Currency, w.Seq = at.currency, stmt.ColumnInt64(0)
	return w, nil
}

// ReadReports implements report.Store.
func (db *DB) ReadReports(ctx context.Context, tenant ledger.Tenant, read func(report.Source) error) error {
	number, known := db.tenants.number(tenant)
	if !known {
		return errNoBusiness
	}
	return db.read(ctx, func(conn *sqlite.Conn) error {
		through, err := reportProgress(conn)
		if err != nil {
			return err
		}
		last, err := newestEntry(conn)
		if err != nil {
			return err
		}
		if last-through > report.TailMax {
			return report.ErrBehind
		}
		return read(&reportSource{db: db, conn: conn, tenant: number, through: through})
	})
}

// reportSource is a report.Source in a read transaction.
type reportSource struct {
	db      *DB
	conn    *sqlite.Conn
	tenant  int64
	through int64
}

// Sums implements report.Source.
func (s *reportSource) Sums(span report.Span, from, to int64, each func(report.Key, report.Sum)) error {
	const query = `
	  select start, currency, label, credited, debited, entries
	    from report_sums
	   where tenant = ? and span = ? and start >= ? and start < ?`
	read := func(stmt *sqlite.Stmt) error {
		each(report.Key{
			Span: span, Start: stmt.ColumnInt64(0), Currency: money.Currency(stmt.ColumnText(1)), Label: stmt.ColumnText(2),
		}, report.Sum{
			Credited: money.Amount(stmt.ColumnInt64(3)), Debited: money.Amount(stmt.ColumnInt64(4)), Entries: stmt.ColumnInt64(5),
		})
		return nil
	}
	args := []any{s.tenant, string(span), from, to}
	return sqlitex.Execute(s.conn, query, &sqlitex.ExecOptions{Args: args, ResultFunc: read})
}

// Quarter implements report.Source.
func (s *reportSource) Quarter(start int64, each func(*report.Line)) error {
	const query = reportLinesQuery + `
	   where e.no >= (select first from report_places where tenant = ?1 and start = ?2)
	     and e.no <= (select last from report_places where tenant = ?1 and start = ?2)
	     and e.created_at >= ?2 and e.created_at < ?3 and c.tenant = ?1
	   order by e.no`
	end := start + int64(report.QuarterLength/time.Microsecond)
	return s.db.reportLines(s.conn, query, []any{s.tenant, start, end}, func(_, _ int64, line *report.Line) { each(line) })
}

// Tail implements report.Source.
func (s *reportSource) Tail(each func(*report.Line)) error {
	const query = reportLinesQuery + ` where e.no > ? and c.tenant = ? order by e.no`
	return s.db.reportLines(s.conn, query, []any{s.through, s.tenant}, func(_, _ int64, line *report.Line) { each(line) })
}

// Wallets implements report.Source. Sums are added up here, because those of SQL fail
// where they do not fit.
func (s *reportSource) Wallets() (map[money.Currency]report.Balances, error) {
	sums := make(map[money.Currency]report.Balances)
	const query = `select currency, balance, held, debt from wallets where tenant = ?`
	read := func(stmt *sqlite.Stmt) error {
		currency := money.Currency(stmt.ColumnText(0))
		sum := sums[currency]
		sum.Add(report.Balances{
			Wallets: 1, Balance: money.Amount(stmt.ColumnInt64(1)), Held: money.Amount(stmt.ColumnInt64(2)),
			Debt: money.Amount(stmt.ColumnInt64(3)),
		})
		sums[currency] = sum
		return nil
	}
	return sums, sqlitex.Execute(s.conn, query, &sqlitex.ExecOptions{Args: []any{s.tenant}, ResultFunc: read})
}

// Journal implements report.Store.
func (db *DB) Journal(
	ctx context.Context, tenant ledger.Tenant, from, to time.Time, place int64,
) (page report.JournalPage, err error) {
	number, known := db.tenants.number(tenant)
	if !known {
		return page, errNoBusiness
	}
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		through, err := reportProgress(conn)
		if err != nil {
			return err
		}
		first, last, err := journalPlaces(conn, number, from, to)
		if err != nil {
			return err
		}
		// Behind the last of the roll-ups only the tail is left.
		place = max(place, first)
		if place > last {
			place = max(place, through+1)
		}
		// What others have in between counts, so that a read has an end.
		const query = reportLinesQuery + `
		   where e.no >= ?1 and e.no < ?1 + ?2 order by e.no`
		page = report.JournalPage{Next: place + report.JournalPageMax}
		err = db.reportLines(conn, query, []any{place, report.JournalPageMax}, func(_, owner int64, line *report.Line) {
			if owner == number && line.CreatedAt >= from.UnixMicro() && line.CreatedAt < to.UnixMicro() {
				page.Lines = append(page.Lines, *line)
			}
		})
		if err != nil {
			return err
		}
		newest, err := newestEntry(conn)
		page.More = page.Next <= newest
		return err
	})
	return page, err
}

// journalPlaces is between which entries those in the roll-ups stand that were made in a
// period. Without any they are 0 and -1.
func journalPlaces(conn *sqlite.Conn, tenant int64, from, to time.Time) (first, last int64, err error) {
	first, last = 0, -1
	const query = `
	  select min(first), max(last)
	    from report_places
	   where tenant = ? and start > ? and start < ?`
	start := from.Add(-report.QuarterLength).UnixMicro()
	err = sqlitex.Execute(conn, query, &sqlitex.ExecOptions{
		Args: []any{tenant, start, to.UnixMicro()},
		ResultFunc: func(stmt *sqlite.Stmt) error {
			if !stmt.ColumnIsNull(0) {
				first, last = stmt.ColumnInt64(0), stmt.ColumnInt64(1)
			}
			return nil
		},
	})
	return first, last, err
}
