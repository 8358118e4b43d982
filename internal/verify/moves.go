package verify

// movesAccount is the account that money goes through from a lot to one with
// another expiry.
const movesAccount = "expiry_moves"

// isMove reports whether the entry is one of the two that move an expiry.
func (e *entryRow) isMove() bool { return string(e.account) == movesAccount }

// bringsBack reports whether the entry is the credit that must stand behind a
// debit which took money for a lot of its own.
func (m *entryMoved) bringsBack(e *entryRow) bool {
	return e.isCredit && string(e.reverses) == m.id && (m.law == LawMove && e.isMove() || m.law == LawUndo && e.isGrace())
}

// checkMoveDebit checks that a debit takes all that one lot has left which has not
// expired, and takes it (law L6).
func checkMoveDebit(owner *customer, book *walletBook, e *entryRow, report reporter) {
	moved := &entryMoved{law: LawMove, id: string(e.id), account: movesAccount, currency: e.currency, amount: e.amount}
	owner.moved = moved
	if e.reverses != nil || e.holdID != nil || string(e.eventType) != adjustment {
		report(LawMove, "an expiry is moved by a %s that reverses %q and captures %q", e.eventType, e.reverses, e.holdID)
	}
	if !e.decodes || book.lots.broken {
		return
	}
	if len(e.allocations) != 1 {
		report(LawMove, "takes from %d lots to move an expiry, want one", len(e.allocations))
	}
	for _, p := range e.allocations {
		l, isExpired := book.lots.find(p.seq)
		switch {
		case l == nil:
			report(LawMove, "moves the expiry of lot %d, which has nothing left in this wallet", p.seq)
			continue
		case isExpired:
			report(LawMove, "moves the expiry of lot %d, which had expired", p.seq)
		case p.amount != l.remaining || p.amount != e.amount:
			report(LawMove, "an entry of %d moves %d of lot %d, which has %d left", e.amount, p.amount, p.seq, l.remaining)
		}
		moved.category, moved.expiresAt = categories[category(l.paid)], l.expiresAt
		taken := min(max(p.amount, 0), l.remaining)
		book.lots.take(l, taken)
		if isExpired {
			book.lots.expiredSum -= taken
		}
	}
}

// checkMoveCredit checks that a credit brings back what the debit before it took,
// as the same kind of money with another expiry (law L6).
func checkMoveCredit(owner *customer, e *entryRow, report reporter) {
	moved := owner.moved
	owner.moved = nil
	switch {
	case moved == nil:
		report(LawMove, "opens a lot with what no entry before took from another")
	case e.amount != moved.amount || e.currency != moved.currency,
		moved.category != "" && string(e.category) != moved.category:
		report(LawMove, "opens a lot of %d %s %s, entry %s took %d %s %s",
			e.amount, e.currency, e.category, moved.id, moved.amount, moved.currency, moved.category)
	case e.key != nil || string(e.eventType) != adjustment:
		report(LawMove, "an expiry is moved by a %s with idempotency key %q", e.eventType, e.key)
	case moved.category != "" && e.expiresAt == moved.expiresAt:
		report(LawMove, "moves the expiry %d to where it was", e.expiresAt)
	}
}
