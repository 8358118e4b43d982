package verify

import (
	"time"

	"github.com/jackc/pgx/v5"
	"zombiezen.com/go/sqlite"
)

// lotMarkRow is a raw row of lot_marks.
type lotMarkRow struct {
	customer   int64
	currency   string
	seq        int64
	madeAt     int64
	holdEvent  int64 // 0 for a change with an entry
	holdNumber int64
	lotCount   int64
	lots       []byte
	tails      [2]tail
	misfit     string // the column that is not stored as it should be
}

const (
	lotMarkColumns = `
	select customer,
	       currency,
	       seq,
	       made_at,
	       hold_event,
	       hold_number,
	       lot_count,
	       promotional_from,
	       promotional_sum,
	       paid_from,
	       paid_sum,
	       lots
	  from lot_marks`

	lotMarkOrder = ` order by customer, currency, seq, made_at, hold_event`

	lotMarkShape shape = "itiiiii" + "iiiib"

	lotMarkRowColumns = `
	select customer_id, tenant, currency, seq, made_at, hold_event, hold_number, lot_count, promotional_from, promotional_sum,
	       paid_from, paid_sum, lots
	  from lot_marks`

	lotMarkRowOrder = ` order by customer_id, tenant, currency, seq, made_at, hold_event`
)

// readLotMark reads a row of lotMarkColumns.
func (r *reader) readLotMark(b *batch, stmt *sqlite.Stmt) {
	b.steps = append(b.steps, stepLotMark)
	row := lotMarkRow{
		customer:   stmt.ColumnInt64(0),
		currency:   r.currencies.name(stmt, 1),
		seq:        stmt.ColumnInt64(2),
		madeAt:     stmt.ColumnInt64(3),
		holdEvent:  stmt.ColumnInt64(4),
		holdNumber: stmt.ColumnInt64(5),
		lotCount:   stmt.ColumnInt64(6),
		lots:       make([]byte, stmt.ColumnLen(11)),
		misfit:     lotMarkShape.misfit(stmt),
	}
	for i := range row.tails {
		row.tails[i] = tail{from: stmt.ColumnInt64(7 + 2*i), sum: stmt.ColumnInt64(8 + 2*i)}
	}
	stmt.ColumnBytes(11, row.lots)
	b.lotMarks = append(b.lotMarks, row)
}

// lotMarkLine is a row of lotMarkRowColumns.
type lotMarkLine struct {
	owner
	row lotMarkRow
}

func scanLotMarkLine(row pgx.CollectableRow) (line lotMarkLine, err error) {
	var madeAt time.Time
	m := &line.row
	err = row.Scan(&line.id, &line.tenant, &m.currency, &m.seq, &madeAt, &m.holdEvent, &m.holdNumber, &m.lotCount,
		&m.tails[0].from, &m.tails[0].sum, &m.tails[1].from, &m.tails[1].sum, &m.lots)
	m.madeAt = madeAt.UnixMicro()
	return line, err
}

func ownerOfLotMark(line *lotMarkLine) *owner {
	if line == nil {
		return nil
	}
	return &line.owner
}

// readLotMarks sends the marks of a customer's lots, before the entries.
func (r *rowReader) readLotMarks(now owner) error {
	for {
		line, err := r.lotMarks.next(r.ctx, r.tx)
		if err != nil || line == nil || line.owner != now {
			return err
		}
		line.row.customer = r.number
		r.batch.steps = append(r.batch.steps, stepLotMark)
		r.batch.lotMarks = append(r.batch.lotMarks, line.row)
		r.lotMarks.take()
		if r.batch.full() {
			r.hand()
		}
	}
}

// lotMarks are the marks of the lots of a wallet, and which of them come next.
type lotMarks struct {
	rows []lotMarkRow
	met  int

	// last is the mark that was met last, and effort how many lots may be looked at for
	// the next one.
	last   lotMarkRow
	effort int64
}

// effortEach is how many lots the checker looks at for each entry and hold event to
// compare marks: all of them where few are open, and else at each so many-th mark.
const effortEach = 8

// lotMark notes a mark until the entries have come to its place.
func (c *checker) lotMark(owner *customer, row lotMarkRow) {
	if owner.lotMarks == nil {
		owner.lotMarks = map[string]*lotMarks{}
	}
	marks := owner.lotMarks[row.currency]
	if marks == nil {
		marks = &lotMarks{}
		owner.lotMarks[row.currency] = marks
	}
	marks.rows = append(marks.rows, row)
}

// passLotMarks compares the marks that belong where the wallet stands.
func (c *checker) passLotMarks(owner *customer, book *walletBook) {
	marks := owner.lotMarks[book.currency]
	if marks == nil {
		return
	}
	holdEvent, madeAt := book.holds.number, book.holds.at
	if !book.heldLast {
		holdEvent, madeAt = 0, book.last.createdAt
	}
	marks.effort += effortEach
	for marks.met < len(marks.rows) {
		row := &marks.rows[marks.met]
		if row.seq != book.seq || row.holdEvent != holdEvent {
			return
		}
		marks.met, marks.last = marks.met+1, *row
		where := owner.where(book.currency, book.last.position)
		report := func(_ Law, format string, args ...any) { // the wallet's own row tells of the others
			c.found.add(LawListing, where, "mark of the lots at seq %d: "+format, append([]any{row.seq}, args...)...)
		}
		if row.madeAt != madeAt || row.holdNumber != book.holds.number {
			report(LawLots, "it is of %d after hold event %d, the wallet was there at %d after event %d",
				row.madeAt, row.holdNumber, madeAt, book.holds.number)
		}
		checkLotMark(marks, row, book, report)
	}
}

// checkLotMark compares a mark with the lots that the entries leave.
func checkLotMark(marks *lotMarks, row *lotMarkRow, book *walletBook, report reporter) {
	if row.misfit != "" {
		report(LawImmutable, "its %s is stored as another type", row.misfit)
	}
	w := &walletRow{balance: book.balance, held: book.holds.held, lots: row.lots, tails: row.tails}
	stored, ok := checkWalletSums(w, report)
	if int64(len(stored)) != row.lotCount {
		report(LawLots, "it has %d lots, and counts %d", len(stored), row.lotCount)
	}
	if open := int64(book.lots.size()); ok && !book.lots.broken && open <= max(marks.effort, effortEach*markEvery) {
		marks.effort -= open
		compareStored(w, stored, &book.lots, report)
	}
}

// size is how many lots are looked at to find those that are open.
func (b *lotBook) size() int {
	size := len(b.expired) + len(b.expiring)
	for i := range b.never {
		size += len(b.never[i].lots) - b.never[i].head
	}
	return size
}

// finishLotMarks reports marks that are in no place, and that the last is too far back.
func (c *checker) finishLotMarks(owner *customer) {
	for _, book := range owner.books {
		var last lotMarkRow
		if marks := owner.lotMarks[book.currency]; marks != nil {
			last = marks.last
		}
		blocks := book.seq/markEvery + book.holds.number/markEvery - last.seq/markEvery - last.holdNumber/markEvery
		if c.marked && blocks >= max(1, last.lotCount/markEvery) {
			c.found.add(LawListing, owner.where(book.currency, 0), "lot_marks has no row behind seq %d, where one belongs", last.seq)
		}
	}
	for currency, marks := range owner.lotMarks {
		for _, row := range marks.rows[marks.met:] {
			c.found.add(LawListing, owner.where(currency, 0), "lot_marks has a row for seq %d and hold event %d, where no mark belongs",
				row.seq, row.holdEvent)
			break
		}
	}
}
