package verify

import (
	"slices"
)

// graceReason is what the entries that give money a grace period say of
// themselves. Nobody asked for them.
const graceReason = "Given back after expiry"

// isGrace reports whether the entry is one of the two that move money to a lot of
// its own, which a reversal gave back to lots that had expired.
func (e *entryRow) isGrace() bool {
	return string(e.createdBy) == "system" && string(e.reason) == graceReason
}

// entryMoved is what a debit took for a lot of its own, by law L5 from expired lots
// or by law L6 from one that shall expire at another time than expiresAt. The
// category is empty where it is not known.
type entryMoved struct {
	law                             Law
	id, account, category, currency string
	amount                          int64
	expiresAt                       int64
}

// writtenOffMax is how many expired lots a reversal has written off at once. What
// it gave to others is left to the sweep.
const writtenOffMax = 100

// checkDue checks that the entries right behind a reversal write off the expired
// lots that it gave money back to, or move that on (law L5).
func checkDue(owner *customer, e *entryRow, report reporter) {
	if moved := owner.moved; moved != nil {
		if !moved.bringsBack(e) {
			report(moved.law, "entry %s took money for a lot of its own, and the next one does not bring it back", moved.id)
			owner.moved = nil
		}
		return
	}
	if len(owner.due) == 0 || e.isGrace() || e.isDebt() {
		return
	}
	due := owner.due[0].seq
	owner.due = owner.due[1:]
	owner.writtenOff++
	isRight := e.isExpiry() && (!e.decodes || len(e.allocations) == 1 && e.allocations[0].seq == due)
	if !isRight {
		report(LawUndo, "lot %d got money back after it had expired, and is not written off at once", due)
	}
	if !isRight || owner.writtenOff == writtenOffMax || len(owner.due) == 0 {
		owner.due, owner.writtenOff = nil, 0
	}
}

// checkGraceDebit checks that a debit takes from expired lots just what a reversal
// gave back to those of one category, and takes it.
func checkGraceDebit(owner *customer, book *walletBook, e *entryRow, report reporter) {
	isPromotional := func(l lot) bool { return !l.paid }
	isPaid := !slices.ContainsFunc(owner.due, isPromotional)
	moved := &entryMoved{
		law: LawUndo, id: string(e.id), currency: e.currency, account: "merchant", category: "paid", amount: e.amount,
	}
	if !isPaid {
		moved.account, moved.category = "promotion", "promotional"
	}
	var parts []part
	var sum total
	for _, l := range owner.due {
		if l.paid == isPaid {
			parts = append(parts, part{seq: l.seq, amount: l.remaining})
			sum.add(l.remaining)
			book.lots.takeExpired(l)
		}
	}
	owner.due = slices.DeleteFunc(owner.due, func(l lot) bool { return l.paid == isPaid })
	owner.moved = moved
	switch {
	case sum != sumOf(e.amount) || e.decodes && !slices.Equal(parts, e.allocations):
		report(LawUndo, "takes %d from expired lots, of which a reversal gave %s back to such lots", e.amount, sum)
	case string(e.account) != moved.account:
		report(LawDoubleEntry, "the account is %s, want %s for %s money", e.account, moved.account, moved.category)
	case e.key != nil || e.reverses != nil || string(e.eventType) != adjustment:
		report(LawUndo, "money is moved by a %s with idempotency key %q that reverses %q", e.eventType, e.key, e.reverses)
	}
}

// checkGraceCredit checks that a credit brings back what the debit before it took.
func checkGraceCredit(owner *customer, e *entryRow, report reporter) {
	moved := owner.moved
	owner.moved = nil
	switch {
	case moved == nil:
		report(LawUndo, "opens a lot with what no entry before took from expired lots")
	case e.amount != moved.amount || string(e.category) != moved.category || e.currency != moved.currency:
		report(LawUndo, "opens a lot of %d %s %s, entry %s took %d %s %s",
			e.amount, e.currency, e.category, moved.id, moved.amount, moved.currency, moved.category)
	case string(e.account) != moved.account:
		report(LawDoubleEntry, "the account is %s, that of the entry before %s", e.account, moved.account)
	case e.key != nil || e.expiresAt == 0 || string(e.eventType) != adjustment:
		report(LawUndo, "money is moved by a %s with idempotency key %q that expires at %d", e.eventType, e.key, e.expiresAt)
	}
}

// takeExpired takes a part from a lot that has expired and has so much.
func (b *lotBook) takeExpired(l lot) {
	place, found := slices.BinarySearchFunc(b.expired[b.swept:], l, compareLots)
	if !found {
		return // of a reversal that was wrong itself
	}
	has := &b.expired[b.swept+place]
	taken := min(l.remaining, has.remaining)
	has.remaining -= taken
	has.touched = true
	b.expiredSum -= taken
}
