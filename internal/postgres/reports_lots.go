package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/report"
)

const reportLinesQuery = `
	select e.feed_order, e.customer_id, e.position, e.currency, e.seq, e.is_credit, e.amount, e.event_type, e.account,
	       e.category, e.expires_at, e.allocations, e.created_at, e.id, coalesce(e.reason, ''),
	       coalesce(e.reference_object_id, ''), e.reverses is not null
	  from ledger_entries e`

// reportLine is an entry with its place, and what its parts are made of.
type reportLine struct {
	line        report.Line
	order       int64
	position    int64
	category    string
	expires     *time.Time
	allocations []int64
	moved       bool // its money came out of a lot of the wallet, by the entry before
}

// reportLot names a lot of the tenant at hand.
type reportLot struct {
	customer string
	currency money.Currency
	seq      int64
}

// readReportLines reads entries with what money they moved.
func readReportLines(ctx context.Context, q querier, tenant int32, query string, args ...any) ([]reportLine, error) {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	lines, err := pgx.CollectRows(rows, scanReportLine)
	if err != nil {
		return nil, err
	}
	return lines, resolveLots(ctx, q, tenant, lines)
}

func scanReportLine(row pgx.CollectableRow) (l reportLine, err error) {
	var createdAt time.Time
	var isCredit bool
	err = row.Scan(&l.order, &l.line.CustomerID, &l.position, &l.line.Currency, &l.line.Seq, &isCredit, &l.line.Amount,
		&l.line.EventType, &l.line.Account, &l.category, &l.expires, &l.allocations, &createdAt, &l.line.ID, &l.line.Reason,
		&l.line.Reference, &l.moved)
	l.line.Direction, l.line.CreatedAt = ledger.Debit, createdAt.UnixMicro()
	if isCredit {
		l.line.Direction = ledger.Credit
	}
	return l, err
}

// opened is the lot that an entry opens. The time of funding is not that of its entry
// where the money was moved.
func (l *reportLine) opened() report.Lot {
	lot := report.Lot{Category: ledger.Category(l.category), Funded: l.line.CreatedAt}
	if l.expires != nil {
		lot.Expires = l.expires.UnixMicro()
	}
	return lot
}

// resolveLots finds the lots of all entries, and makes their parts.
func resolveLots(ctx context.Context, q querier, tenant int32, lines []reportLine) error {
	lots := newLotBook()
	for i := range lines {
		l := &lines[i]
		at := reportLot{l.line.CustomerID, l.line.Currency, l.line.Seq}
		switch {
		case l.category != "" && l.moved:
			lots.want(at)
		case l.category != "":
			lots.known[at] = l.opened()
		}
	}
	for i := range lines {
		for seq := range oddOnes(lines[i].allocations) {
			lots.want(reportLot{lines[i].line.CustomerID, lines[i].line.Currency, seq})
		}
	}
	if err := lots.resolve(ctx, q, tenant); err != nil {
		return err
	}
	for i := range lines {
		l := &lines[i]
		if l.category != "" {
			lot := lots.known[reportLot{l.line.CustomerID, l.line.Currency, l.line.Seq}]
			l.line.Parts = []report.Part{{Lot: lot, Amount: l.line.Amount}}
			continue
		}
		if len(l.allocations) == 0 { // a loan
			l.line.Parts = []report.Part{{Lot: report.LoanLot, Amount: l.line.Amount}}
		}
		for k := 0; k+1 < len(l.allocations); k += 2 {
			lot := report.LoanLot
			if seq := l.allocations[k]; seq != ledger.LoanLot {
				lot = lots.known[reportLot{l.line.CustomerID, l.line.Currency, seq}]
			}
			l.line.Parts = append(l.line.Parts, report.Part{Lot: lot, Amount: money.Amount(l.allocations[k+1])})
		}
	}
	return nil
}

// oddOnes are the lots of allocations, which are pairs of a lot and an amount.
func oddOnes(allocations []int64) func(yield func(int64) bool) {
	return func(yield func(int64) bool) {
		for k := 0; k+1 < len(allocations); k += 2 {
			if allocations[k] != ledger.LoanLot && !yield(allocations[k]) {
				return
			}
		}
	}
}

// lotBook finds lots by their credits, all that are wanted at once.
type lotBook struct {
	known  map[reportLot]report.Lot
	wanted map[reportLot]bool
}

func newLotBook() *lotBook {
	return &lotBook{known: make(map[reportLot]report.Lot), wanted: make(map[reportLot]bool)}
}

func (b *lotBook) want(at reportLot) {
	if _, known := b.known[at]; !known {
		b.wanted[at] = true
	}
}

// reportLotsQuery reads credits, and of those whose money was moved from which lot.
const reportLotsQuery = `
	select k.customer, k.currency, k.seq, e.category, e.expires_at, e.created_at, coalesce(e.source, 0)
	  from unnest($2::text[], $3::text[], $4::bigint[]) as k (customer, currency, seq)
	 cross join lateral (
	       select e.category, e.expires_at, e.created_at,
	              (select b.allocations[1]
	                 from ledger_entries b
	                where e.reverses is not null and b.customer_id = k.customer and b.tenant = $1 and b.currency = k.currency
	                  and b.seq = k.seq - 1) as source
	         from ledger_entries e
	        where e.customer_id = k.customer and e.tenant = $1 and e.currency = k.currency and e.seq = k.seq
	       offset 0) as e`

// resolve reads what is wanted, and what that comes from: moved money was funded when
// the lot was that it came from, and that one may have been moved as well.
func (b *lotBook) resolve(ctx context.Context, q querier, tenant int32) error {
	sources := make(map[reportLot]reportLot)
	for len(b.wanted) > 0 {
		var customers, currencies []string
		var seqs []int64
		for at := range b.wanted {
			customers, currencies = append(customers, at.customer), append(currencies, string(at.currency))
			seqs = append(seqs, at.seq)
		}
		count := len(b.wanted)
		clear(b.wanted)
		rows, err := q.Query(ctx, reportLotsQuery, tenant, customers, currencies, seqs)
		if err != nil {
			return err
		}
		var at reportLot
		var lot reportLine
		var createdAt time.Time
		var source int64
		columns := []any{&at.customer, &at.currency, &at.seq, &lot.category, &lot.expires, &createdAt, &source}
		_, err = pgx.ForEachRow(rows, columns, func() error {
			count--
			lot.line.CreatedAt = createdAt.UnixMicro()
			b.known[at] = lot.opened()
			if source != 0 {
				from := reportLot{at.customer, at.currency, source}
				sources[at] = from
				b.want(from)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if count != 0 {
			return fmt.Errorf("%d credits are missing whose lots were taken from", count)
		}
	}
	for at := range sources {
		from := at
		for next, moved := sources[from]; moved; next, moved = sources[from] {
			from = next
		}
		lot := b.known[at]
		lot.Funded = b.known[from].Funded
		b.known[at] = lot
	}
	return nil
}
