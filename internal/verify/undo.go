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

// undone is a debit that is undone later on.
type undone struct {
	account   string
	eventType string
	left      []lot // what of it was not given back yet, in the order of its allocations
}

// remember keeps what a debit took.
func (b *walletBook) remember(e *entryRow, took []lot) {
	if b.undone == nil {
		b.undone = map[string]*undone{}
	}
	b.undone[string(e.id)] = &undone{account: string(e.account), eventType: string(e.eventType), left: took}
}

// checkReversal checks a credit that undoes a debit: it gives back to the very
// lots that the debit took, the last first, never more than that (law L5), and
// counts against the same account.
func (c *checker) checkReversal(owner *customer, book *walletBook, e *entryRow, report reporter) {
	if !e.isCredit || len(e.category) > 0 || e.expiresAt != 0 {
		report(LawUndo, "a reversal is a %s with category %q and expires_at %d, want a credit without",
			direction(e.isCredit), e.category, e.expiresAt)
	}
	debit := book.undone[string(e.reverses)]
	if debit == nil {
		if !c.reversed[string(e.reverses)] {
			c.late = true
		}
		if !book.lots.broken {
			report(LawUndo, "reverses entry %s, which is no debit of this wallet before it", e.reverses)
		}
		return
	}
	if string(e.account) != debit.account {
		report(LawDoubleEntry, "the account is %s, that of the entry it reverses %s", e.account, debit.account)
	}
	if want := reversalOf(debit.eventType); string(e.eventType) != want {
		report(LawUndo, "the event type is %s, that of the entry it reverses makes it %s", e.eventType, want)
	}
	given, missing := debit.take(e.amount)
	if missing > 0 {
		report(LawUndo, "gives back %d more than entry %s has left", missing, e.reverses)
	}
	isPart := func(l lot, p part) bool { return l.seq == p.seq && l.remaining == p.amount }
	if e.decodes && !slices.EqualFunc(given, e.allocations, isPart) {
		report(LawUndo, "gives back other parts of entry %s than those that it took last", e.reverses)
	}
	book.lots.restore(given, e.createdAt)
	for _, l := range given {
		if l.expiresAt != 0 && l.expiresAt <= e.createdAt {
			owner.due = append(owner.due, l)
		}
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

// take takes an amount from what is left of the debit, its last lot first. The
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
