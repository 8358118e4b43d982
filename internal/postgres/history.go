package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/walletrow"
)

// A search for points in the past looks at pointsAtOnce entries in one round trip,
// as evenly spread over what is left to search as pointsApart allows: a million
// entries are searched for one point in four trips.
const (
	pointsAtOnce = 512
	pointsApart  = 32
)

// readPointsQuery finds entries of one wallet by their numbers, each by the whole
// key. Asked for all with `seq = any`, a planner that takes a wallet to be short
// reads all of it, and filters.
const readPointsQuery = `
	select e.seq, e.position, e.id, e.after_balance, e.created_at
	  from unnest($4::bigint[]) as u (seq)
	 cross join lateral (
	       select *
	         from ledger_entries e
	        where e.customer_id = $1 and e.tenant = $2 and e.currency = $3 and e.seq = u.seq
	       offset 0) as e`

// readTotalsQuery adds up entries of one wallet between the seqs in $4. An entry
// belongs behind the last of them that is below its own.
const readTotalsQuery = `
	select width_bucket(e.seq - 1, $4::bigint[]) as behind,
	       coalesce(sum(e.amount) filter (where e.is_credit), 0)::bigint,
	       coalesce(sum(e.amount) filter (where not e.is_credit and e.account <> 'breakage'), 0)::bigint,
	       coalesce(sum(e.amount) filter (where not e.is_credit and e.account = 'breakage'), 0)::bigint,
	       count(*)
	  from ledger_entries e
	 where e.customer_id = $1 and e.tenant = $2 and e.currency = $3 and e.seq > $5 and e.seq <= $6
	 group by behind`

// readEntriesBetweenQuery reads entries of one wallet by their numbers.
const readEntriesBetweenQuery = `
	select ` + entryColumns + `
	  from ledger_entries e
	 where e.customer_id = $1 and e.tenant = $2 and e.currency = $3 and e.seq > $4 and e.seq <= $5
	 order by e.seq`

// Points implements ledger.Store.
func (db *DB) Points(
	ctx context.Context, tenant ledger.Tenant, customerID string, currency money.Currency, at time.Time,
	asOf []ledger.AsOf,
) (list ledger.PointList, err error) {
	_, err = db.readHoldings(ctx, tenant, customerID, func(ctx context.Context, q querier, found *holdings) error {
		wallet := walletrow.Row{Currency: currency}
		for _, row := range found.wallets {
			if row.Currency == currency {
				wallet = row
			}
		}
		list = ledger.PointList{Chain: walletrow.Chain(&found.customer, found.wallets)}
		if list.Wallet, err = found.shown(ctx, q, &wallet, at); err != nil {
			return err
		}
		s := newPointSearch(q, found.key, &wallet, asOf)
		if err := s.run(ctx); err != nil {
			return err
		}
		list.Points = s.points()
		return nil
	})
	return list, err
}

// pointSearch finds points in the past of a wallet, all at the same time. Times
// never decrease along seqs (law R4).
type pointSearch struct {
	q      querier
	key    customerKey
	wallet *walletrow.Row
	asOf   []ledger.AsOf
	spans  []span // of the same index
	known  map[int64]ledger.Point
}

// span says that the entry which is looked for has a seq of low … high; 0 stands
// for the time before the first entry.
type span struct{ low, high int64 }

func newPointSearch(q querier, key customerKey, wallet *walletrow.Row, asOf []ledger.AsOf) *pointSearch {
	s := &pointSearch{q: q, key: key, wallet: wallet, asOf: asOf, known: map[int64]ledger.Point{0: {}}}
	for _, at := range asOf {
		switch {
		case at.Time.IsZero():
			seq := max(min(at.Seq, wallet.Seq), 0)
			s.spans = append(s.spans, span{seq, seq})
		case !wallet.UpdatedAt.After(at.Time):
			s.spans = append(s.spans, span{wallet.Seq, wallet.Seq})
		default:
			s.spans = append(s.spans, span{0, max(wallet.Seq-1, 0)})
		}
	}
	return s
}

// run narrows every span down to one entry, and reads that.
func (s *pointSearch) run(ctx context.Context) error {
	for {
		seqs := s.next()
		if len(seqs) == 0 {
			return nil
		}
		if err := s.look(ctx, seqs); err != nil {
			return err
		}
		for i := range s.spans {
			s.narrow(i, seqs)
		}
	}
}

// next returns the seqs to look at in one round trip, in order: those that divide
// what is left of the spans, and where nothing is left the entries themselves.
func (s *pointSearch) next() (seqs []int64) {
	open := map[span]bool{}
	for _, sp := range s.spans {
		if _, known := s.known[sp.low]; sp.low < sp.high || !known {
			open[sp] = true
		}
	}
	parts := int64(min(max(pointsAtOnce/max(len(open), 1), 1), pointsApart))
	for sp := range open {
		if sp.low == sp.high {
			seqs = append(seqs, sp.low)
			continue
		}
		step := (sp.high - sp.low + parts) / (parts + 1)
		for seq := sp.low + step; seq <= sp.high; seq += step {
			seqs = append(seqs, seq)
		}
	}
	slices.Sort(seqs)
	return slices.Compact(seqs)
}

// look reads entries.
func (s *pointSearch) look(ctx context.Context, seqs []int64) error {
	rows, err := s.q.Query(ctx, readPointsQuery, s.key.id, s.key.tenant, s.wallet.Currency, seqs)
	if err != nil {
		return err
	}
	points, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p ledger.Point, err error) {
		err = row.Scan(&p.Seq, &p.Position, &p.EntryID, &p.Balance, &p.CreatedAt)
		p.CreatedAt = p.CreatedAt.UTC()
		return p, err
	})
	if err != nil {
		return err
	}
	if len(points) != len(seqs) {
		return fmt.Errorf("wallet %s of customer %s: got %d of %d entries", s.wallet.Currency, s.key.id, len(points), len(seqs))
	}
	for _, p := range points {
		s.known[p.Seq] = p
	}
	return nil
}

// narrow takes off a span what the seqs that were looked at leave out.
func (s *pointSearch) narrow(i int, seqs []int64) {
	sp := &s.spans[i]
	if sp.low == sp.high {
		return
	}
	from, _ := slices.BinarySearch(seqs, sp.low)
	for _, seq := range seqs[from:] {
		switch {
		case seq > sp.high:
			return
		case s.known[seq].CreatedAt.After(s.asOf[i].Time):
			sp.high = seq - 1
			return
		default:
			sp.low = seq
		}
	}
}

func (s *pointSearch) points() []ledger.Point {
	points := make([]ledger.Point, len(s.spans))
	for i, sp := range s.spans {
		points[i] = s.known[sp.low]
	}
	return points
}

// Totals implements ledger.Store.
func (db *DB) Totals(
	ctx context.Context, tenant ledger.Tenant, customerID string, currency money.Currency, seqs []int64,
) (totals []ledger.Totals, err error) {
	_, err = db.readHoldings(ctx, tenant, customerID, func(ctx context.Context, q querier, found *holdings) error {
		totals = make([]ledger.Totals, max(len(seqs)-1, 0))
		if len(totals) == 0 {
			return nil
		}
		first, last := seqs[0], seqs[len(totals)]
		rows, err := q.Query(ctx, readTotalsQuery, found.key.id, found.key.tenant, currency, seqs, first, last)
		if err != nil {
			return err
		}
		var behind int
		var t ledger.Totals
		_, err = pgx.ForEachRow(rows, []any{&behind, &t.Credited, &t.Debited, &t.Expired, &t.Entries}, func() error {
			totals[behind-1] = t
			return nil
		})
		return err
	})
	return totals, err
}

// EntriesBetween implements ledger.Store.
func (db *DB) EntriesBetween(
	ctx context.Context, tenant ledger.Tenant, customerID string, currency money.Currency, after, through int64,
) (entries []ledger.Entry, err error) {
	_, err = db.readHoldings(ctx, tenant, customerID, func(ctx context.Context, q querier, found *holdings) error {
		rows, err := q.Query(ctx, readEntriesBetweenQuery, found.key.id, found.key.tenant, currency, after, through)
		if err != nil {
			return err
		}
		entries, err = pgx.CollectRows(rows, scanWholeEntry)
		for i := range entries {
			entries[i].Tenant = tenant
		}
		return err
	})
	return entries, err
}
