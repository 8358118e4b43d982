package verify

import (
	"container/heap"
	"slices"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// reversedQuery names the entries that were undone in part or whole. They are
// few, and are known before the run, so that of these alone it is remembered
// what they took.
const reversedQuery = `select reverses from ledger_entries where reverses is not null`

func (f *file) readReversed() (map[string]bool, error) {
	reversed := map[string]bool{}
	err := sqlitex.ExecuteTransient(f.conn, reversedQuery, &sqlitex.ExecOptions{
		ResultFunc: func(stmt *sqlite.Stmt) error {
			reversed[stmt.ColumnText(0)] = true
			return nil
		},
	})
	return reversed, err
}

// undone is a debit or credit that is undone later on.
type undone struct {
	isCredit  bool
	account   string
	eventType string
	left      []lot // what of it was not undone yet, in the order of its allocations
}

// remember keeps what a debit took, or the lot that a credit opened.
func (b *walletBook) remember(e *entryRow, moved []lot) {
	if b.undone == nil {
		b.undone = map[string]*undone{}
	}
	b.undone[string(e.id)] = &undone{
		isCredit: e.isCredit, account: string(e.account), eventType: string(e.eventType), left: moved,
	}
}

// checkReversal checks an entry that undoes another, never more than that (law
// L5). It counts against the same account, and goes the other way: a credit gives
// back to the very lots that a debit took, the last first; a debit takes from the
// lot that a credit opened, and what was lent beyond that.
func (c *checker) checkReversal(owner *customer, book *walletBook, e *entryRow, due *debtDue, report reporter) {
	if len(e.category) > 0 || e.expiresAt != 0 {
		report(LawUndo, "a reversal has category %q and expires_at %d, want none", e.category, e.expiresAt)
	}
	of := book.undone[string(e.reverses)]
	if of == nil {
		if !c.reversed[string(e.reverses)] {
			c.late = true
		}
		if !book.lots.broken {
			report(LawUndo, "reverses entry %s, which is none of this wallet before it that can be reversed", e.reverses)
		}
		return
	}
	if e.isCredit == of.isCredit {
		report(LawUndo, "is a %s, as entry %s is, which it reverses", direction(e.isCredit), e.reverses)
		return
	}
	if string(e.account) != of.account {
		report(LawDoubleEntry, "the account is %s, that of the entry it reverses %s", e.account, of.account)
	}
	if want := reversalOf(of.eventType); string(e.eventType) != want {
		report(LawUndo, "the event type is %s, that of the entry it reverses makes it %s", e.eventType, want)
	}
	moved, missing := of.take(e.amount)
	if missing > 0 {
		report(LawUndo, "undoes %d more than entry %s has left", missing, e.reverses)
	}
	var parts []part
	if of.isCredit {
		var loan int64
		if due != nil {
			loan = due.loan
		}
		parts = book.lots.takeBeyond(moved, loan, report)
	} else {
		for _, l := range moved {
			parts = append(parts, part{seq: l.seq, amount: l.remaining})
		}
	}
	if e.decodes && !slices.Equal(parts, e.allocations) {
		report(LawUndo, "undoes other parts of entry %s than those that are due", e.reverses)
	}
	if of.isCredit {
		return
	}
	book.lots.restore(moved, e.createdAt)
	owner.claim(book, e, moved)
	for _, l := range moved {
		if l.expiresAt != 0 && l.expiresAt <= e.createdAt {
			owner.due = append(owner.due, l)
		}
	}
}

// takeBack takes a part of the lot that a credit opened, which must have so much
// and not have expired. Such a part is no reason to write the lot out.
func (b *lotBook) takeBack(l lot, report reporter) {
	lots := []lot(b.expiring)
	place := slices.IndexFunc(b.expiring, func(other lot) bool { return other.seq == l.seq })
	if l.expiresAt == 0 {
		queue := &b.never[category(l.paid)]
		lots = queue.lots[queue.head:]
		found := false
		if place, found = slices.BinarySearchFunc(lots, l, compareLots); !found {
			place = -1
		}
	}
	var has int64
	if place >= 0 {
		has = lots[place].remaining
	}
	if has < l.remaining {
		report(LawUndo, "takes %d back from lot %d, which has %d that has not expired and is not held", l.remaining, l.seq, has)
	}
	if place >= 0 {
		lots[place].remaining -= min(has, l.remaining)
	}
}

// reversalOf is the event type of an entry that undoes one of another.
func reversalOf(eventType string) string {
	switch eventType {
	case "payment", "refund", "dispute":
		return eventType + "_reversal"
	}
	return eventType
}

// take takes an amount from what is left of the entry, its last lot first. The
// parts come in the order of its allocations.
func (u *undone) take(amount int64) (given []lot, missing int64) {
	for amount > 0 && len(u.left) > 0 {
		last := &u.left[len(u.left)-1]
		l := *last
		l.remaining = min(amount, last.remaining)
		given = append(given, l)
		amount -= l.remaining
		if last.remaining -= l.remaining; last.remaining == 0 {
			u.left = u.left[:len(u.left)-1]
		}
	}
	slices.Reverse(given)
	return given, max(amount, 0)
}

// restore gives lots back what they had, those that were used up among them.
func (b *lotBook) restore(given []lot, now int64) {
	var expired, expiring []lot
	var never [2][]lot
	for _, l := range given {
		l.touched = true
		switch {
		case l.expiresAt == 0:
			never[category(l.paid)] = append(never[category(l.paid)], l)
		case l.expiresAt <= now:
			expired = append(expired, l)
			b.expiredSum += l.remaining
		default:
			expiring = append(expiring, l)
		}
	}
	b.expired = merged(b.expired, b.swept, expired)
	for i := range b.never {
		queue := &b.never[i]
		queue.lots = merged(queue.lots, queue.head, never[i])
	}
	if len(expiring) == 0 {
		return
	}
	bySeq := make(map[int64]lot, len(expiring))
	for _, l := range expiring {
		bySeq[l.seq] = l
	}
	for i := range b.expiring {
		if l, found := bySeq[b.expiring[i].seq]; found {
			b.expiring[i].remaining += l.remaining
			b.expiring[i].touched = true
			delete(bySeq, l.seq)
		}
	}
	for _, l := range bySeq {
		heap.Push(&b.expiring, l)
	}
}

// insertedMax is up to how many lots are put one by one into others that are in
// order already.
const insertedMax = 16

// merged adds lots to others in spend order, of which those before head are gone:
// each to what the same lot has, or as one more.
func merged(lots []lot, head int, given []lot) []lot {
	if len(given) > insertedMax {
		rest := append(slices.Clone(lots[head:]), given...)
		slices.SortStableFunc(rest, compareLots)
		lots = lots[:head]
		for _, l := range rest {
			if last := len(lots) - 1; last >= head && lots[last].seq == l.seq {
				lots[last].remaining += l.remaining
				lots[last].touched = true
				continue
			}
			lots = append(lots, l)
		}
		return lots
	}
	for _, l := range given {
		place, found := slices.BinarySearchFunc(lots[head:], l, compareLots)
		if found {
			lots[head+place].remaining += l.remaining
			lots[head+place].touched = true
		} else {
			lots = slices.Insert(lots, head+place, l)
		}
	}
	return lots
}
