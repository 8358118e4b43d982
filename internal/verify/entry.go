package verify

import (
	"bytes"
	"slices"
	"strings"
)

// Limits of law M7.
const (
	entryMax   = 999_999_999_999
	balanceMax = 1<<53 - 1
)

// markEvery is the distance of the marks.
const markEvery = 64

// The words of an expiry entry.
const (
	adjustment = "merchant_adjustment"
	breakage   = "breakage"
)

// The words that may stand in the columns of an entry.
var (
	eventTypes = []string{
		"payment", "payment_reversal", "refund", "refund_reversal", "dispute", "dispute_reversal", "merchant_adjustment",
	}
	accounts = [10]string{
		"merchant", "cash", "revenue", "promotion", "breakage", "refunds", "disputes", "debt", "transfers", "expiry_moves",
	}
)

// entry checks the customer's next entry.
func (c *checker) entry(owner *customer, e *entryRow) {
	c.entries++
	book := c.open(owner, e.currency)
	where := owner.where(e.currency, e.position)
	where.No = e.no
	report := func(law Law, format string, args ...any) {
		where.Entry = string(e.id)
		c.found.add(law, where, format, args...)
	}
	c.parts, e.decodes = decodeParts(c.parts[:0], e.lots)
	e.allocations = c.parts
	if !e.decodes {
		report(LawImmutable, "the allocations do not decode")
	}
	c.checkShape(owner, e, report)
	c.playHolds(owner, book, e.seq)
	checkNumbers(owner, book, e, report)
	if !c.unlinked {
		checkLinks(owner, book, e, report)
	}
	checkAmounts(book, e, report)
	checkAccount(book, e, report)
	if string(e.account) == transfersAccount {
		owner.leg(e)
	}
	owner.noteBilled(e)
	c.checkChain(owner, e, report)
	checkDue(owner, e, report)
	due := checkDebtDue(owner, e, report)
	c.checkLots(owner, book, e, due, report)
	if e.isCredit || !e.isMove() {
		checkAlerts(book, "the entry", e.alerts, e.available, report) // nobody sees the wallet in the midst of a move
	} else if e.alerts != nil {
		report(LawAlerts, "the first entry of a move has alerts")
	}
	advance(owner, book, e)
}

// reporter adds a finding about the entry at hand.
type reporter func(law Law, format string, args ...any)

// checkShape checks what the hash does not tell apart: the one way in which
// each value is stored (law M6).
func (c *checker) checkShape(o *customer, e *entryRow, report reporter) {
	switch {
	case e.misfit != "":
		report(LawImmutable, "%s is stored as another type", e.misfit)
	case e.creditFlag != 0 && e.creditFlag != 1:
		report(LawImmutable, "is_credit is %d", e.creditFlag)
	case isEmpty(e.reason) || isEmpty(e.reference) || isEmpty(e.key):
		report(LawImmutable, "an empty text is stored where null belongs")
	case e.metadata != nil && (isEmpty(e.metadata) || string(e.metadata) == "{}"):
		report(LawImmutable, "empty metadata is stored where null belongs")
	case e.opensLot() != (e.lots == nil):
		report(LawImmutable, "the allocations are null, or not null on a credit that opens a lot")
	case isEmpty(e.reverses) || isEmpty(e.alerts) || isEmpty(e.holdID) || e.zeroHeld:
		report(LawImmutable, "an empty text is stored where null belongs")
	case len(e.fingerprint) != 16:
		report(LawImmutable, "the fingerprint has %d bytes, want 16", len(e.fingerprint))
	}
	if !isCurrency(e.currency) {
		report(LawCurrency, "%q is not a currency code", e.currency)
	}
	if !slices.Contains(eventTypes, string(e.eventType)) {
		report(LawDoubleEntry, "%q is not an event type", e.eventType)
	}
	if owner, ok := c.tenants.keyOwner[string(e.createdBy)]; ok && owner != o.tenant {
		report(LawTenancy, "was made with API key %s of another business or mode", e.createdBy)
	}
}

// opensLot reports whether the entry is a credit with a lot of its own.
func (e *entryRow) opensLot() bool {
	return e.isCredit && !e.isDebt() && (e.reverses == nil || e.isGrace() || e.isMove())
}

func isEmpty(text []byte) bool { return text != nil && len(text) == 0 }

func isCurrency(code string) bool {
	return len(code) == 3 && strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// checkNumbers checks that position and seq follow the order of commits without
// gaps, and that time does not go back (laws M5, R4).
func checkNumbers(owner *customer, book *walletBook, e *entryRow, report reporter) {
	if want := owner.last.position + 1; e.position != want {
		report(LawSequence, "the customer's next entry has position %d, want %d", e.position, want)
	}
	if want := book.seq + 1; e.seq != want {
		report(LawSequence, "the wallet's next entry has seq %d, want %d", e.seq, want)
	}
	if position, ok := idPosition("cwt_", e.id); !ok || position != e.position {
		report(LawSequence, "the id does not contain the position")
	}
	if e.createdAt < book.holds.at {
		report(LawTime, "created_at is %d, before %d of a hold event before", e.createdAt, book.holds.at)
	}
	if e.createdAt < owner.last.createdAt || e.createdAt <= 0 {
		report(LawTime, "created_at is %d, before %d of the entry before", e.createdAt, owner.last.createdAt)
	}
}

// checkLinks checks that the links lead to the entries before (law R3).
func checkLinks(owner *customer, book *walletBook, e *entryRow, report reporter) {
	if e.previous != owner.last.no {
		report(LawListing, "previous is entry number %d, want %d", e.previous, owner.last.no)
	}
	if e.walletPrevious != book.last.no {
		report(LawListing, "wallet_previous is entry number %d, want %d", e.walletPrevious, book.last.no)
	}
}

// checkAmounts checks range and chain of the balances (laws M4, M7).
func checkAmounts(book *walletBook, e *entryRow, report reporter) {
	if e.amount < 1 || e.amount > entryMax {
		report(LawRange, "the amount is %d, want 1 to %d", e.amount, int64(entryMax))
	}
	if e.after < 0 || e.after > balanceMax || e.before < 0 || e.before > balanceMax {
		report(LawRange, "the balance goes from %d to %d, want 0 to %d", e.before, e.after, int64(balanceMax))
	}
	if e.before != book.balance {
		report(LawChain, "before_balance is %d, the wallet had %d", e.before, book.balance)
	}
	if e.after-e.before != e.signed() {
		report(LawChain, "after_balance is %d, want %d", e.after, e.before+e.signed())
	}
}

func (e *entryRow) signed() int64 {
	if e.isCredit {
		return e.amount
	}
	return -e.amount
}

// checkAccount checks the other side of the entry (law M1).
func checkAccount(book *walletBook, e *entryRow, report reporter) {
	promotional := e.isCredit && string(e.category) == "promotional"
	if !e.isCredit && (e.isGrace() || e.reverses != nil) {
		// Which it must be is seen from its lots, or from the credit that it undoes.
		promotional = string(e.account) == "promotion"
	}
	account := slices.Index(accounts[:], string(e.account))
	isPassage := string(e.account) == transfersAccount || e.isMove() || e.isDebt()
	switch {
	case account < 0:
		report(LawDoubleEntry, "%q is not a counter account", e.account)
		return
	case promotional != (accounts[account] == "promotion") && !isPassage:
		report(LawDoubleEntry, "the account is %s and the category %q", e.account, e.category)
	case accounts[account] == breakage && (e.isCredit || string(e.eventType) != adjustment):
		report(LawDoubleEntry, "the account is %s, and the entry writes no lot off", e.account)
	case isPassage && string(e.eventType) != adjustment:
		report(LawDoubleEntry, "the account is %s, and the event type %s", e.account, e.eventType)
	case string(e.eventType) == adjustment && !promotional && accounts[account] != "merchant" && !e.isExpiry() && !isPassage:
		report(LawDoubleEntry, "the account is %s, want merchant", e.account)
	}
	book.sides.accounts[account].add(-e.signed())
}

// checkChain recomputes the hash (law M4).
func (c *checker) checkChain(owner *customer, e *entryRow, report reporter) {
	want := chainHash(&c.buffer, owner.last.hash, owner, e)
	if !bytes.Equal(e.hash, want[:]) {
		report(LawChain, "the hash is %x…, the row and the hash before make %x…", e.hash[:min(8, len(e.hash))], want[:8])
	}
}

// isExpiry reports whether the entry writes off what an expired lot has left.
// Nothing else counts against breakage.
func (e *entryRow) isExpiry() bool { return !e.isCredit && string(e.account) == breakage }

// checkLots recomputes what the entry did to the lots and what was available
// afterwards (laws O1, O3, L1, L2, L3, L4, L5, L6). Due is what the entry before has
// left for this one to take, nil for nothing.
func (c *checker) checkLots(owner *customer, book *walletBook, e *entryRow, due *debtDue, report reporter) {
	lots := &book.lots
	lots.advance(e.createdAt)
	book.free = book.balance - lots.expiredSum - book.holds.held - due.claimed()
	if !e.isCredit && (len(e.category) > 0 || e.expiresAt != 0) {
		report(LawLots, "a debit has category %q and expires_at %d, want none", e.category, e.expiresAt)
	}
	switch {
	case e.isDebt():
		checkDebt(owner, book, e, due, report)
	case e.isGrace() && e.isCredit:
		checkGraceCredit(owner, e, report)
		openLot(lots, e, report)
	case e.isGrace():
		checkGraceDebit(owner, book, e, report)
	case e.isMove() && e.isCredit:
		checkMoveCredit(owner, e, report)
		openLot(lots, e, report)
	case e.isMove():
		checkMoveDebit(owner, book, e, report)
	case e.reverses != nil:
		c.checkReversal(owner, book, e, due, report)
	case e.holdID != nil:
		c.capture(book, e, report)
	case e.isCredit:
		openLot(lots, e, report)
		if c.reversed[string(e.id)] && string(e.account) != transfersAccount {
			l := lot{seq: e.seq, remaining: e.amount, expiresAt: e.expiresAt, paid: string(e.category) != "promotional"}
			book.remember(e, []lot{l})
		}
	case e.isExpiry():
		if e.key != nil {
			report(LawSweep, "an expiry entry has an idempotency key")
		}
		if e.decodes && !lots.broken {
			lots.sweep(e.amount, e.allocations, report)
		}
	default:
		if free := book.balance - lots.expiredSum - book.holds.held; e.amount > free && !lots.broken {
			report(LawOverdraft, "takes %d of %d available", e.amount, free)
		}
		if e.decodes && !lots.broken {
			lots.record = c.reversed[string(e.id)]
			lots.spend(e.amount, e.allocations, report)
			if lots.record {
				book.remember(e, lots.took)
			}
			lots.record, lots.took = false, nil
		}
	}
	if book.debt > 0 && e.opensLot() && !e.isMove() {
		owner.claim(book, e, []lot{{seq: e.seq, remaining: e.amount, expiresAt: e.expiresAt, paid: string(e.category) != "promotional"}})
	}
	if e.held != book.holds.held {
		report(LawHolds, "held is %d, want %d", e.held, book.holds.held)
	}
	if want := e.after - lots.expiredSum - book.holds.held - owner.debtDue.claimed(); e.available != want && !lots.broken {
		report(LawOverdraft, "available is %d, want %d", e.available, want)
	}
}

func openLot(lots *lotBook, e *entryRow, report reporter) {
	category := string(e.category)
	if category != "paid" && category != "promotional" {
		report(LawLots, "a credit has category %q", category)
	}
	if string(e.account) == transfersAccount && e.expiresAt != 0 && e.expiresAt <= e.createdAt {
		// It has expired on the way.
		lots.restore([]lot{{seq: e.seq, remaining: e.amount, expiresAt: e.expiresAt, paid: category != "promotional"}}, e.createdAt)
		return
	}
	if e.expiresAt != 0 && e.expiresAt <= e.createdAt {
		report(LawExpiry, "the credit expires at %d, when it is made or before", e.expiresAt)
	}
	lots.open(lot{seq: e.seq, remaining: e.amount, expiresAt: e.expiresAt, paid: category != "promotional"})
	lots.advance(e.createdAt)
}

// advance makes the entry the last one. The stored values count, right or
// wrong, so that one wrong row is one finding and not one for each row after it.
func advance(owner *customer, book *walletBook, e *entryRow) {
	owner.last = lastEntry{no: e.no, position: e.position, createdAt: max(e.createdAt, owner.last.createdAt)}
	copy(owner.last.hash[:], e.hash)
	book.seq, book.balance, book.heldLast = e.seq, e.after, false
	if e.opensLot() {
		book.opens(e)
	}
	book.sum.add(e.signed())
	book.last = owner.last
	book.last.createdAt = e.createdAt
	if e.position%markEvery == 0 {
		owner.marks.entries = append(owner.marks.entries, e.no)
	}
	if e.seq%markEvery == 0 {
		book.marks.entries = append(book.marks.entries, e.no)
	}
}

// idPosition reads the position from an id: its prefix, eight characters of
// time, seven of position and six of chance, all base62.
func idPosition(prefix string, id []byte) (position int64, ok bool) {
	if len(id) != 25 || string(id[:4]) != prefix {
		return 0, false
	}
	for i, char := range id[4:] {
		var digit int64
		switch {
		case char >= '0' && char <= '9':
			digit = int64(char - '0')
		case char >= 'A' && char <= 'Z':
			digit = int64(char-'A') + 10
		case char >= 'a' && char <= 'z':
			digit = int64(char-'a') + 36
		default:
			return 0, false
		}
		if i >= 8 && i < 15 {
			position = position*62 + digit
		}
	}
	return position, true
}
