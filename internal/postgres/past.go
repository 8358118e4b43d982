package postgres

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/walletrow"
)

const lotMarkQuery = `
	select m.seq, m.made_at, m.hold_event, m.hold_number, m.lots, m.promotional_from, m.promotional_sum, m.paid_from, m.paid_sum
	  from lot_marks m
	 where m.customer_id = $1 and m.tenant = $2 and m.currency = $3
	   and (m.seq, m.made_at, m.hold_event) <= ($4, $5, $6)
	 order by m.seq desc, m.made_at desc, m.hold_event desc
	 limit 1`

const lastMarkQuery = `
	select m.seq, m.hold_number, m.lot_count
	  from lot_marks m
	 where m.customer_id = $1 and m.tenant = $2 and m.currency = $3
	 order by m.seq desc, m.made_at desc, m.hold_event desc
	 limit 1`

// holdStepsQuery reads what happened to holds of a wallet between two numbers, up to a
// seq, and with that one up to an instant. The hold and the event that made it are each
// looked up by the whole key.
const holdStepsQuery = `
	select e.kind,
	       (select m.allocations from hold_events m where m.customer_id = $1 and m.tenant = $2 and m.number = e.hold),
	       e.captured, e.released
	  from hold_events e
	 where e.customer_id = $1 and e.tenant = $2 and e.number > $4 and e.number <= $5
	   and (e.seq < $6 or e.seq = $6 and (e.position > 0 or e.created_at <= $7))
	   and (select h.currency from holds h where h.customer_id = $1 and h.tenant = $2 and h.number = e.hold) = $3
	 order by e.number`

// readCreditsAsOfQuery is readCreditsQuery as of a seq.
var readCreditsAsOfQuery = strings.Replace(readCreditsQuery, "r.reverses = e.id", "r.reverses = e.id and r.seq <= $6", 1)

// lotsAsOf fills a list with a page of the lots of the source's wallet at a point in
// its past.
func (s *lotSource) lotsAsOf(page ledger.LotPage, list *ledger.LotList) error {
	search := newPointSearch(s.q, s.key, &s.wallet.Row, []ledger.AsOf{*page.AsOf})
	if err := search.run(s.ctx); err != nil {
		return err
	}
	list.Point = search.points()[0]
	if list.Point.Seq == 0 {
		return nil
	}
	past := walletrow.Past{Currency: s.wallet.Currency, Seq: list.Point.Seq}
	var err error
	if past.Mark, err = s.lotMark(list.Point, page.AsOf.Time); err != nil {
		return err
	}
	rows, err := s.q.Query(s.ctx, readEntriesBetweenQuery, s.key.id, s.key.tenant, s.wallet.Currency, past.Mark.Seq,
		past.Seq)
	if err != nil {
		return err
	}
	if past.Entries, err = pgx.CollectRows(rows, scanWholeEntry); err != nil {
		return err
	}
	if s.wallet.HoldNumber > past.Mark.HoldNumber {
		if past.Holds, err = s.holdSteps(&past, page.AsOf.Time); err != nil {
			return err
		}
	}
	s.asOf = max(past.Mark.Seq, 1)
	list.Lots, list.Next, err = past.Page(page.After, page.Limit, s)
	return err
}

// lotMark returns the last mark of the wallet's lots at a point or before. Until is the
// instant that the point is as of, zero for right after its entry.
func (s *lotSource) lotMark(point ledger.Point, until time.Time) (mark walletrow.Mark, err error) {
	holdEvent := int64(math.MaxInt64)
	if until.IsZero() {
		until, holdEvent = point.CreatedAt, 0
	}
	rows, err := s.q.Query(s.ctx, lotMarkQuery, s.key.id, s.key.tenant, string(s.wallet.Currency), point.Seq, until,
		holdEvent)
	if err != nil {
		return mark, err
	}
	var lots []byte
	_, err = pgx.ForEachRow(rows, []any{
		&mark.Seq, &mark.MadeAt, &mark.HoldEvent, &mark.HoldNumber, &lots, &mark.Tails[0].From, &mark.Tails[0].Sum,
		&mark.Tails[1].From, &mark.Tails[1].Sum,
	}, func() (err error) {
		mark.MadeAt = mark.MadeAt.UTC()
		mark.Lots, err = walletrow.DecodeLots(lots)
		return err
	})
	return mark, err
}

// holdSteps returns what happened to holds in the wallet behind a mark, before the
// next, and not after a point in the past.
func (s *lotSource) holdSteps(past *walletrow.Past, until time.Time) ([]walletrow.HoldStep, error) {
	if until.IsZero() {
		until = time.Unix(0, 0) // before every event
	}
	head := past.Mark.Head()
	rows, err := s.q.Query(s.ctx, holdStepsQuery, s.key.id, s.key.tenant, string(s.wallet.Currency), head.HoldNumber,
		head.HoldsThrough(), past.Seq, until)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (step walletrow.HoldStep, err error) {
		var pinned []int64
		err = row.Scan(&step.Kind, &pinned, &step.Captured, &step.Released)
		for part := range slices.Chunk(pinned, 2) {
			step.Pinned = append(step.Pinned, ledger.Allocation{LotSeq: part[0], Amount: amountOf(part[len(part)-1])})
		}
		return step, err
	})
}

// LastMark implements walletrow.Source.
func (s *lotSource) LastMark() (head walletrow.MarkHead, err error) {
	if n := len(s.wallet.marks); n > 0 {
		return s.wallet.marks[n-1].Head(), nil
	}
	rows, err := s.q.Query(s.ctx, lastMarkQuery, s.key.id, s.key.tenant, string(s.wallet.Currency))
	if err != nil {
		return head, err
	}
	_, err = pgx.ForEachRow(rows, []any{&head.Seq, &head.HoldNumber, &head.Lots}, func() error { return nil })
	return head, err
}

// Mark implements walletrow.Source.
func (s *lotSource) Mark(mark *walletrow.Mark) error {
	s.wallet.marks = append(s.wallet.marks, *mark)
	return nil
}

const markRowColumns = 13

var insertMarksQueries = func() map[int]string {
	const into = `
	insert into lot_marks (customer_id, tenant, currency, seq, made_at, hold_event, hold_number, lots, lot_count,
	                       promotional_from, promotional_sum, paid_from, paid_sum)
	values `
	queries := map[int]string{}
	for _, rows := range rowsOf {
		queries[rows] = into + placeholders(rows, markRowColumns)
	}
	return queries
}()

// queueMarks writes the marks that the batch has made.
func (b *batch) queueMarks(trip *pgx.Batch) {
	var marks []any
	for key, w := range b.moved() {
		for i := range w.marks {
			m := &w.marks[i]
			marks = append(marks, key.id, key.tenant, string(w.Currency), m.Seq, m.MadeAt, m.HoldEvent, m.HoldNumber,
				walletrow.AppendLots([]byte{}, m.Lots), int64(len(m.Lots)), m.Tails[0].From, int64(m.Tails[0].Sum),
				m.Tails[1].From, int64(m.Tails[1].Sum))
		}
	}
	for len(marks) > 0 {
		left := len(marks) / markRowColumns
		rows := rowsOf[slices.IndexFunc(rowsOf, func(rows int) bool { return rows <= left })]
		trip.Queue(insertMarksQueries[rows], marks[:rows*markRowColumns]...)
		marks = marks[rows*markRowColumns:]
	}
}
