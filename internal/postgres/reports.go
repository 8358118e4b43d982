package postgres

import (
	"context"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/report"
)

// errNoReports is of installations where no commit is before another for all.
var errNoReports = ledger.Errorf(ledger.CodeFeedNotPossible,
	"this installation is distributed over several servers, whose commits have no common order to make reports by")

// FoldReports implements report.Store. A tenant's row of the progress is locked, so two
// instances work for two tenants. What is below the horizon is complete, as in the feed.
func (db *DB) FoldReports(ctx context.Context, limit int) (more bool, err error) {
	if db.sharded {
		return false, nil
	}
	err = db.write(ctx, again, func(ctx context.Context, conn *pgx.Conn) error {
		more = false
		var tenant int32
		var through, horizon int64
		found, err := lockProgress(ctx, conn, &tenant, &through)
		if err != nil || !found {
			return err
		}
		var feed string
		if err := conn.QueryRow(ctx, db.feedHorizon).Scan(&feed, &horizon); err != nil {
			return err
		}
		end, err := foldEnd(ctx, conn, tenant, through, horizon, limit)
		if err != nil || end == through {
			return err
		}
		fold := report.NewFold()
		lines, err := readReportLines(ctx, conn, tenant, reportLinesQuery+`
		   where e.tenant = $1 and e.feed_order >= $2 and e.feed_order < $3`, tenant, through, end)
		if err != nil {
			return err
		}
		last := through
		for i := range lines {
			fold.Add(&lines[i].line, lines[i].order)
			last = max(last, lines[i].order+1)
		}
		// Not the end that was looked for, but what stands behind the last that was met: this
		// is never above the numbers to come, also after a dump was restored elsewhere.
		more = len(lines) > 0 && end < horizon
		return writeFold(ctx, conn, tenant, fold, last)
	})
	return err == nil && more, err
}

// lockProgress locks where a tenant stands that has entries which are not added up, and
// of which no other instance has the row.
func lockProgress(ctx context.Context, conn *pgx.Conn, tenant *int32, through *int64) (found bool, err error) {
	const start = `
	  insert into report_progress (tenant, through)
	  select t.no, 0
	    from tenants t
	   where not exists (select from report_progress p where p.tenant = t.no)
	      on conflict do nothing`
	const lock = `
	  select p.tenant, p.through
	    from report_progress p
	   where exists (select from ledger_entries e where e.tenant = p.tenant and e.feed_order >= p.through
	                    and e.feed_order < feed_base() + txid_snapshot_xmin(txid_current_snapshot()))
	   limit 1
	     for update of p skip locked`
	if _, err := conn.Exec(ctx, start); err != nil {
		return false, err
	}
	err = conn.QueryRow(ctx, lock).Scan(tenant, through)
	return err == nil, ignore(err, pgx.ErrNoRows)
}

// foldEnd is up to where to go on: behind about limit entries, and never in the midst of
// those that have one order.
func foldEnd(
	ctx context.Context, q querier, tenant int32, through, horizon int64, limit int,
) (end int64, err error) {
	const query = `
	  select feed_order
	    from ledger_entries
	   where tenant = $1 and feed_order >= $2 and feed_order < $3
	   order by feed_order
	  offset $4
	   limit 1`
	err = q.QueryRow(ctx, query, tenant, through, horizon, limit).Scan(&end)
	switch {
	case err == pgx.ErrNoRows:
		return horizon, nil
	case err == nil && end == through:
		return through + 1, nil
	}
	return end, err
}

func writeFold(ctx context.Context, conn *pgx.Conn, tenant int32, fold *report.Fold, through int64) error {
	var spans, currencies, labels []string
	var starts, places []time.Time
	var credited, debited, entries, first, last []int64
	for key, sum := range fold.Sums {
		spans, currencies = append(spans, string(key.Span)), append(currencies, string(key.Currency))
		labels = append(labels, key.Label)
		starts, entries = append(starts, time.UnixMicro(key.Start)), append(entries, sum.Entries)
		credited, debited = append(credited, int64(sum.Credited)), append(debited, int64(sum.Debited))
	}
	for start, at := range fold.Places {
		places, first, last = append(places, time.UnixMicro(start)), append(first, at.First), append(last, at.Last)
	}
	const sumsQuery = `
	  insert into report_sums as s (tenant, span, start, currency, label, credited, debited, entries)
	  select $1, u.span, u.start, u.currency, u.label, u.credited, u.debited, u.entries
	    from unnest($2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[])
	      as u (span, start, currency, label, credited, debited, entries)
	      on conflict (tenant, span, start, currency, label) do update
	     set credited = s.credited + least(excluded.credited, 9223372036854775807 - s.credited),
	         debited = s.debited + least(excluded.debited, 9223372036854775807 - s.debited),
	         entries = s.entries + excluded.entries`
	const placesQuery = `
	  insert into report_places as p (tenant, start, first, last)
	  select $1, u.start, u.first, u.last
	    from unnest($2::timestamptz[], $3::bigint[], $4::bigint[]) as u (start, first, last)
	      on conflict (tenant, start) do update
	     set first = least(p.first, excluded.first), last = greatest(p.last, excluded.last)`
	_, err := conn.Exec(ctx, sumsQuery, tenant, spans, starts, currencies, labels, credited, debited, entries)
	if err != nil {
		return err
	}
	if _, err = conn.Exec(ctx, placesQuery, tenant, places, first, last); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, `update report_progress set through = $2 where tenant = $1`, tenant, through)
	return err
}

// ReadReports implements report.Store.
func (db *DB) ReadReports(ctx context.Context, tenant ledger.Tenant, read func(report.Source) error) error {
	if db.sharded {
		return errNoReports
	}
	return db.read(ctx, func(ctx context.Context, q querier) error {
		number, err := db.tenants.number(ctx, q, tenant)
		if err != nil {
			return err
		}
		through, err := reportProgress(ctx, q, number)
		if err != nil {
			return err
		}
		const query = `
		  select exists (select from ledger_entries where tenant = $1 and feed_order >= $2 order by feed_order offset $3)`
		var behind bool
		if err := q.QueryRow(ctx, query, number, through, report.TailMax).Scan(&behind); err != nil {
			return err
		}
		if behind {
			return report.ErrBehind
		}
		return read(&reportSource{ctx: ctx, q: q, tenant: number, through: through})
	})
}

func reportProgress(ctx context.Context, q querier, tenant int32) (through int64, err error) {
	err = q.QueryRow(ctx, `select through from report_progress where tenant = $1`, tenant).Scan(&through)
	return through, ignore(err, pgx.ErrNoRows)
}

// reportSource is a report.Source in a read transaction.
type reportSource struct {
	ctx     context.Context
	q       querier
	tenant  int32
	through int64
}

// The times that a timestamp of PostgreSQL can have, in microseconds. All entries are
// made in between.
const (
	timestampMin = -62135596800_000_000
	timestampMax = 253402300799_000_000
)

func timestampOf(micros int64) time.Time {
	return time.UnixMicro(min(max(micros, timestampMin), timestampMax))
}

// Sums implements report.Source.
func (s *reportSource) Sums(span report.Span, from, to int64, each func(report.Key, report.Sum)) error {
	const query = `
	  select start, currency, label, credited, debited, entries
	    from report_sums
	   where tenant = $1 and span = $2 and start >= $3 and start < $4`
	rows, err := s.q.Query(s.ctx, query, s.tenant, string(span), timestampOf(from), timestampOf(to))
	if err != nil {
		return err
	}
	key, sum := report.Key{Span: span}, report.Sum{}
	var start time.Time
	columns := []any{&start, &key.Currency, &key.Label, &sum.Credited, &sum.Debited, &sum.Entries}
	_, err = pgx.ForEachRow(rows, columns, func() error {
		key.Start = start.UnixMicro()
		each(key, sum)
		return nil
	})
	return err
}

// Quarter implements report.Source.
func (s *reportSource) Quarter(start int64, each func(*report.Line)) error {
	const query = reportLinesQuery + `
	 where e.tenant = $1 and e.feed_order >= $4 and e.feed_order <= $5 and e.feed_order < $6
	   and e.created_at >= $2 and e.created_at < $3`
	var first, last int64
	begin, end := time.UnixMicro(start), time.UnixMicro(start).Add(report.QuarterLength)
	const places = `select first, last from report_places where tenant = $1 and start = $2`
	err := s.q.QueryRow(s.ctx, places, s.tenant, begin).Scan(&first, &last)
	if err != nil {
		return ignore(err, pgx.ErrNoRows)
	}
	return s.lines(each, query, s.tenant, begin, end, first, last, s.through)
}

// Tail implements report.Source.
func (s *reportSource) Tail(each func(*report.Line)) error {
	return s.lines(each, reportLinesQuery+` where e.tenant = $1 and e.feed_order >= $2`, s.tenant, s.through)
}

func (s *reportSource) lines(each func(*report.Line), query string, args ...any) error {
	lines, err := readReportLines(s.ctx, s.q, s.tenant, query, args...)
	for i := range lines {
		each(&lines[i].line)
	}
	return err
}

// Wallets implements report.Source.
func (s *reportSource) Wallets() (map[money.Currency]report.Balances, error) {
	const query = `
	  select currency, count(*), least(sum(balance), 9223372036854775807)::bigint,
	         least(sum(held), 9223372036854775807)::bigint, least(sum(debt), 9223372036854775807)::bigint
	    from wallets
	   where tenant = $1
	   group by currency`
	rows, err := s.q.Query(s.ctx, query, s.tenant)
	if err != nil {
		return nil, err
	}
	sums := make(map[money.Currency]report.Balances)
	var currency money.Currency
	var sum report.Balances
	_, err = pgx.ForEachRow(rows, []any{&currency, &sum.Wallets, &sum.Balance, &sum.Held, &sum.Debt}, func() error {
		sums[currency] = sum
		return nil
	})
	return sums, err
}

// Journal implements report.Store. A page ends below the horizon, but for the last: what
// is not yet complete comes with that.
func (db *DB) Journal(
	ctx context.Context, tenant ledger.Tenant, from, to time.Time, place int64,
) (page report.JournalPage, err error) {
	if db.sharded {
		return page, errNoReports
	}
	err = db.read(ctx, func(ctx context.Context, q querier) error {
		number, err := db.tenants.number(ctx, q, tenant)
		if err != nil {
			return err
		}
		begin, err := journalBegin(ctx, q, number, from, to, place)
		if err != nil {
			return err
		}
		var feed string
		var horizon int64
		if err := q.QueryRow(ctx, db.feedHorizon).Scan(&feed, &horizon); err != nil {
			return err
		}
		end, err := foldEnd(ctx, q, number, begin, math.MaxInt64, report.JournalPageMax)
		if err != nil {
			return err
		}
		page = report.JournalPage{Next: end, More: end != math.MaxInt64}
		if page.More && end > horizon && horizon > begin {
			page.Next, end = horizon, horizon
		}
		lines, err := readReportLines(ctx, q, number, reportLinesQuery+`
		  where e.tenant = $1 and e.feed_order >= $2 and e.feed_order < $3 and e.created_at >= $4 and e.created_at < $5
		  order by e.feed_order, e.customer_id, e.position`, number, begin, end, from, to)
		for i := range lines {
			page.Lines = append(page.Lines, lines[i].line)
		}
		return err
	})
	return page, err
}

// journalBegin is where a page of a journal begins that may begin at place: what is in
// the roll-ups and was made in the period stands between two orders, and what is not in
// them behind.
func journalBegin(ctx context.Context, q querier, tenant int32, from, to time.Time, place int64) (int64, error) {
	through, err := reportProgress(ctx, q, tenant)
	if err != nil {
		return 0, err
	}
	const query = `
	  select coalesce(min(first), 0), coalesce(max(last), -1)
	    from report_places
	   where tenant = $1 and start > $2 and start < $3`
	var first, last int64
	if err := q.QueryRow(ctx, query, tenant, from.Add(-report.QuarterLength), to).Scan(&first, &last); err != nil {
		return 0, err
	}
	if place = max(place, first); place > last {
		place = max(place, through)
	}
	return place, nil
}
