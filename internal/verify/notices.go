package verify

import (
	"slices"
	"sort"

	"zombiezen.com/go/sqlite"
)

// noticeRow is a raw row of expiry_notices.
type noticeRow struct {
	customer   int64
	number     int64
	id         string
	currency   string
	lot        int64
	category   string
	expiresAt  int64
	remaining  int64
	seq        int64
	holdNumber int64
	createdAt  int64
	misfit     string // the column that is not stored as it should be
}

const (
	noticeColumns = `
	select customer,
	       number,
	       id,
	       currency,
	       lot,
	       category,
	       expires_at,
	       remaining,
	       seq,
	       hold_number,
	       created_at
	  from expiry_notices`

	noticeShape shape = "iitti" + "tiiiii"
)

func (r *reader) readNotice(b *batch, stmt *sqlite.Stmt) {
	b.steps = append(b.steps, stepNotice)
	b.notices = append(b.notices, noticeRow{
		misfit:     noticeShape.misfit(stmt),
		customer:   stmt.ColumnInt64(0),
		number:     stmt.ColumnInt64(1),
		id:         stmt.ColumnText(2),
		currency:   r.currencies.name(stmt, 3),
		lot:        stmt.ColumnInt64(4),
		category:   stmt.ColumnText(5),
		expiresAt:  stmt.ColumnInt64(6),
		remaining:  stmt.ColumnInt64(7),
		seq:        stmt.ColumnInt64(8),
		holdNumber: stmt.ColumnInt64(9),
		createdAt:  stmt.ColumnInt64(10),
	})
}

// openedLot is a lot that can expire, as its credit opened it.
type openedLot struct {
	seq       int64
	amount    int64
	expiresAt int64
	paid      bool
}

// opens remembers a credit that opens a lot which can expire, for its notice.
func (b *walletBook) opens(e *entryRow) {
	if e.expiresAt != 0 {
		b.opened = append(b.opened, openedLot{
			seq: e.seq, amount: e.amount, expiresAt: e.expiresAt, paid: string(e.category) != "promotional",
		})
	}
}

// credited is the lot that a credit opened, nil where it opened none that can expire.
func (b *walletBook) credited(seq int64) *openedLot {
	i := sort.Search(len(b.opened), func(i int) bool { return b.opened[i].seq >= seq })
	if i < len(b.opened) && b.opened[i].seq == seq {
		return &b.opened[i]
	}
	return nil
}

// notice checks a notice against the credit of its lot, once the entries were read: that
// is what it says, it was announced before it expired, and no other notice is of it (law
// L7).
func (c *checker) notice(owner *customer, row *noticeRow) {
	where := owner.where(row.currency, 0)
	where.Entry = row.id
	report := func(law Law, format string, args ...any) { c.found.add(law, where, format, args...) }
	if want := owner.noticeNumber + 1; row.number != want {
		report(LawSequence, "the customer's next notice has number %d, want %d", row.number, want)
	}
	owner.noticeNumber = row.number
	if number, ok := idPosition("ntc_", []byte(row.id)); !ok || number != row.number {
		report(LawSequence, "the id of the notice does not contain its number %d", row.number)
	}
	if row.misfit != "" {
		report(LawImmutable, "%s of the notice is stored as another type", row.misfit)
	}
	if row.holdNumber < 0 || row.holdNumber > owner.holdNumber {
		report(LawNotice, "notice %d stands behind hold event %d, and there are %d", row.number, row.holdNumber, owner.holdNumber)
	}
	book := owner.book(row.currency)
	if book == nil {
		report(LawNotice, "notice %d is about a wallet without entries", row.number)
		return
	}
	book.noticeNumber = row.number
	lot := book.credited(row.lot)
	switch {
	case lot == nil:
		report(LawNotice, "notice %d is of lot %d, which was never opened, or never expires", row.number, row.lot)
	case row.expiresAt != lot.expiresAt || row.category != categories[category(lot.paid)]:
		report(LawNotice, "notice %d is of lot %d (%s, expires at %d), which is %s and expires at %d", row.number, row.lot,
			row.category, row.expiresAt, categories[category(lot.paid)], lot.expiresAt)
	case row.remaining < 1 || row.remaining > lot.amount:
		report(LawNotice, "notice %d says that lot %d had %d of %d left", row.number, row.lot, row.remaining, lot.amount)
	case row.seq < row.lot || row.seq > book.seq:
		report(LawNotice, "notice %d of lot %d stands behind entry %d of %d", row.number, row.lot, row.seq, book.seq)
	case row.createdAt <= 0 || row.createdAt >= row.expiresAt:
		report(LawNotice, "notice %d of %d says that lot %d expires soon, at %d", row.number, row.createdAt, row.lot, row.expiresAt)
	case book.told[row.lot]:
		report(LawNotice, "lot %d was announced twice", row.lot)
	}
	if book.told == nil {
		book.told = map[int64]bool{}
	}
	book.told[row.lot] = true
}

// checkNotices checks where announcing stands by the wallet's row: no open lot that can
// expire and comes before that was left out (law L7).
func checkNotices(w *walletRow, open []lot, book *walletBook, report reporter) {
	if w.noticeNumber != book.noticeNumber {
		report(LawNotice, "the wallet's last notice is number %d, want %d", w.noticeNumber, book.noticeNumber)
	}
	if (w.nextNotice == 0) != (w.noticeLot == 0) {
		report(LawNotice, "the wallet's next_notice is %d at lot %d", w.nextNotice, w.noticeLot)
	}
	from := lot{seq: max(w.noticeLot, -w.noticeLot), paid: w.noticeLot > 0, expiresAt: w.nextNotice}
	missed := slices.IndexFunc(open, func(l lot) bool {
		return l.expiresAt != 0 && compareLots(l, from) < 0 && !book.told[l.seq]
	})
	if missed >= 0 {
		report(LawNotice, "lot %d was not announced, and the next notice is looked for from lot %d on", open[missed].seq, from.seq)
	}
}
