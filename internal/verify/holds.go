package verify

import (
	"fmt"
	"slices"

	"zombiezen.com/go/sqlite"
)

// holdRow is a raw row of holds.
type holdRow struct {
	customer  int64
	number    int64 // of the event that made it
	id        string
	currency  string
	amount    int64
	captured  int64
	released  int64
	state     string
	expiresAt int64
	lots      []byte
	createdBy string
	createdAt int64
	updatedAt int64
	reference string // empty for none
	misfit    string // the column that is not stored as it should be
}

// holdEventRow is a raw row of hold_events.
type holdEventRow struct {
	customer  int64
	number    int64
	hold      int64
	kind      string
	lots      []byte // the allocations as stored
	amount    int64
	captured  int64
	released  int64
	position  int64
	seq       int64
	balance   int64
	held      int64
	available int64
	movedAt   int64
	alerts    []byte // the thresholds in force, where the event changed them or crossed one
	key       string
	print     []byte // the fingerprint
	createdBy string
	createdAt int64
	misfit    string // the column that is not stored as it should be
}

const holdColumns = `
	select customer,
	       number,
	       id,
	       currency,
	       amount,
	       captured,
	       released,
	       state,
	       expires_at,
	       lots,
	       created_by,
	       created_at,
	       updated_at,
	       reference_object_id
	  from holds`

const holdEventColumns = `
	select customer,
	       number,
	       hold,
	       kind,
	       allocations,
	       amount,
	       captured,
	       released,
	       position,
	       seq,
	       balance,
	       held,
	       available,
	       moved_at,
	       alerts,
	       idempotency_key,
	       fingerprint,
	       created_by,
	       created_at
	  from hold_events`

const (
	holdShape      shape = "iitt" + "iii" + "tib" + "tiiT"
	holdEventShape shape = "iiitB" + "iiiii" + "iiii" + "TTbti"
)

func (r *reader) readHold(b *batch, stmt *sqlite.Stmt) {
	b.steps = append(b.steps, stepHold)
	row := holdRow{
		misfit:    holdShape.misfit(stmt),
		customer:  stmt.ColumnInt64(0),
		number:    stmt.ColumnInt64(1),
		id:        stmt.ColumnText(2),
		currency:  stmt.ColumnText(3),
		amount:    stmt.ColumnInt64(4),
		captured:  stmt.ColumnInt64(5),
		released:  stmt.ColumnInt64(6),
		state:     stmt.ColumnText(7),
		expiresAt: stmt.ColumnInt64(8),
		lots:      make([]byte, stmt.ColumnLen(9)),
		createdBy: stmt.ColumnText(10),
		createdAt: stmt.ColumnInt64(11),
		updatedAt: stmt.ColumnInt64(12),
		reference: stmt.ColumnText(13),
	}
	stmt.ColumnBytes(9, row.lots)
	b.holds = append(b.holds, row)
}

func (r *reader) readHoldEvent(b *batch, stmt *sqlite.Stmt) {
	b.steps = append(b.steps, stepHoldEvent)
	row := holdEventRow{
		misfit:    holdEventShape.misfit(stmt),
		customer:  stmt.ColumnInt64(0),
		number:    stmt.ColumnInt64(1),
		hold:      stmt.ColumnInt64(2),
		kind:      stmt.ColumnText(3),
		lots:      make([]byte, stmt.ColumnLen(4)),
		amount:    stmt.ColumnInt64(5),
		captured:  stmt.ColumnInt64(6),
		released:  stmt.ColumnInt64(7),
		position:  stmt.ColumnInt64(8),
		seq:       stmt.ColumnInt64(9),
		balance:   stmt.ColumnInt64(10),
		held:      stmt.ColumnInt64(11),
		available: stmt.ColumnInt64(12),
		movedAt:   stmt.ColumnInt64(13),
		alerts:    kept(stmt, 14),
		key:       stmt.ColumnText(15),
		print:     make([]byte, stmt.ColumnLen(16)),
		createdBy: stmt.ColumnText(17),
		createdAt: stmt.ColumnInt64(18),
	}
	stmt.ColumnBytes(4, row.lots)
	stmt.ColumnBytes(16, row.print)
	b.events = append(b.events, row)
}

// kept is the bytes of a text that outlives its batch, nil for null.
func kept(stmt *sqlite.Stmt, col int) []byte {
	if stmt.ColumnIsNull(col) {
		return nil
	}
	return []byte(stmt.ColumnText(col))
}

// walletHolds is what the events have made of a wallet's holds.
type walletHolds struct {
	held   int64
	number int64 // of the last event
	at     int64 // when that was
	coming []*holdEventRow
}

// holdBook is a hold as its events make it.
type holdBook struct {
	row                        *holdRow
	amount, captured, released int64
	state                      string
	pinned                     []lot // what is left of it
	updatedAt                  int64
}

func (h *holdBook) left() int64 { return h.amount - h.captured - h.released }

// The states of a hold, and the kinds of its events.
const (
	holdMade     = "made"
	holdActive   = "active"
	holdCaptured = "captured"
	holdReleased = "released"
	holdExpired  = "expired"
)

// hold makes a hold known.
func (c *checker) hold(owner *customer, row *holdRow) {
	if owner.holds == nil {
		owner.holds = map[int64]*holdBook{}
	}
	kept := *row
	if known := owner.holds[row.number]; known != nil {
		known.row = &kept // as it stands by now
		return
	}
	owner.holds[row.number] = &holdBook{row: &kept}
	report := c.aboutHold(owner, &kept)
	if row.misfit != "" {
		report(LawImmutable, "%s of the hold is stored as another type", row.misfit)
	}
	if number, ok := idPosition("hld_", []byte(row.id)); !ok || number != row.number {
		report(LawSequence, "the id of the hold does not contain its number %d", row.number)
	}
	if key, ok := c.tenants.keyOwner[row.createdBy]; ok && key != owner.tenant {
		report(LawTenancy, "the hold was made with API key %s of another business or mode", row.createdBy)
	}
}

func (c *checker) aboutHold(owner *customer, row *holdRow) reporter {
	where := owner.where(row.currency, 0)
	where.Entry = row.id
	return func(law Law, format string, args ...any) { c.found.add(law, where, format, args...) }
}

// holdEvent gives an event to the wallet in whose history it has its place.
func (c *checker) holdEvent(owner *customer, row *holdEventRow) {
	event := *row
	hold := owner.holds[event.hold]
	if want := owner.holdNumber + 1; event.number != want {
		c.found.add(LawSequence, owner.where("", 0), "the customer's next hold event has number %d, want %d", event.number, want)
	}
	owner.holdNumber = event.number
	if hold == nil {
		c.found.add(LawHoldEnd, owner.where("", 0), "hold event %d is about hold %d, which does not exist", event.number, event.hold)
		return
	}
	report := c.aboutHold(owner, hold.row)
	if event.misfit != "" {
		report(LawImmutable, "%s of hold event %d is stored as another type", event.misfit, event.number)
	}
	if key, ok := c.tenants.keyOwner[event.createdBy]; ok && key != owner.tenant {
		report(LawTenancy, "hold event %d was made with API key %s of another business or mode", event.number, event.createdBy)
	}
	if isEmpty(event.alerts) {
		report(LawImmutable, "an empty text is stored for the alerts of hold event %d, where null belongs", event.number)
	}
	if (event.kind == holdCaptured) != (event.position > 0) || len(event.print) != 16 {
		report(LawHoldEnd, "hold event %d is of kind %s and has position %d", event.number, event.kind, event.position)
	}
	book := c.open(owner, hold.row.currency)
	book.holds.coming = append(book.holds.coming, &event)
}

// playHolds plays the events that came before the wallet's entry with a seq.
func (c *checker) playHolds(owner *customer, book *walletBook, seq int64) {
	h := &book.holds
	c.passLotMarks(owner, book)
	for len(h.coming) > 0 && h.coming[0].position == 0 && h.coming[0].seq < seq {
		event := h.coming[0]
		h.coming = h.coming[1:]
		hold := owner.holds[event.hold]
		report := c.aboutHold(owner, hold.row)
		book.lots.advance(event.createdAt)
		book.free = book.balance - book.lots.expiredSum - h.held
		switch event.kind {
		case holdMade:
			c.makeHold(book, hold, event, report)
		case holdReleased, holdExpired:
			book.endHold(hold, event, report)
		}
		book.afterHold(hold, event, lastEntry{createdAt: book.last.createdAt}, book.seq, book.balance, report)
		checkAlerts(book, fmt.Sprintf("hold event %d", event.number), event.alerts, event.available, report)
		book.heldLast = true
		c.passLotMarks(owner, book)
	}
}

// makeHold pins lots as a debit takes them (law L2).
func (c *checker) makeHold(book *walletBook, hold *holdBook, event *holdEventRow, report reporter) {
	if hold.state != "" || event.number != event.hold || event.createdAt != hold.row.createdAt {
		report(LawHoldEnd, "the hold was made by event %d", event.number)
	}
	if event.amount > book.free && !book.lots.broken {
		report(LawOverdraft, "the hold takes %d of %d available", event.amount, book.free)
	}
	parts, ok := decodeParts(nil, event.lots)
	if !ok {
		report(LawImmutable, "the allocations of hold event %d do not decode", event.number)
	}
	if !book.lots.broken {
		book.lots.record = true
		book.lots.spend(event.amount, parts, report)
		hold.pinned = book.lots.took
		book.lots.record, book.lots.took = false, nil
	}
	hold.amount, hold.state = event.amount, holdActive
	book.holds.held += event.amount
}

// endHold gives back what is left of a hold.
func (b *walletBook) endHold(hold *holdBook, event *holdEventRow, report reporter) {
	if hold.state != holdActive || event.amount != hold.left() {
		report(LawHoldEnd, "hold event %d gives back %d of a hold that is %q with %d left", event.number, event.amount,
			hold.state, hold.left())
	}
	if isOver := event.createdAt >= hold.row.expiresAt; isOver != (event.kind == holdExpired) {
		report(LawHoldEnd, "the hold, which expires at %d, was %s at %d", hold.row.expiresAt, event.kind, event.createdAt)
	}
	b.giveUp(hold, event.createdAt)
	hold.state = event.kind
}

func (b *walletBook) giveUp(hold *holdBook, now int64) {
	b.lots.restore(hold.pinned, now)
	b.holds.held -= hold.left()
	hold.released, hold.pinned = hold.released+hold.left(), nil
}

// capture checks a debit that captures: it takes from the lots that the hold
// pinned, in spend order, and no more than is left.
func (c *checker) capture(book *walletBook, e *entryRow, report reporter) {
	owner := c.customer(e.customer)
	h := &book.holds
	if e.isCredit || len(h.coming) == 0 || h.coming[0].position != e.position ||
		owner.holds[h.coming[0].hold].row.id != string(e.holdID) {
		report(LawHoldEnd, "captures hold %s, and the next hold event of the wallet is another", e.holdID)
		return
	}
	event := h.coming[0]
	h.coming = h.coming[1:]
	hold := owner.holds[event.hold]
	if hold.state != holdActive || e.amount > hold.left() || event.amount != e.amount {
		report(LawHoldParts, "captures %d of hold %s, which is %q with %d left", e.amount, e.holdID, hold.state, hold.left())
	}
	if e.createdAt >= hold.row.expiresAt || event.createdAt != e.createdAt {
		report(LawHoldEnd, "captures hold %s, which expires at %d, at %d", e.holdID, hold.row.expiresAt, e.createdAt)
	}
	if event.key != string(e.key) || !slices.Equal(event.print, e.fingerprint) || event.createdBy != string(e.createdBy) {
		report(LawOnce, "was captured under another request than its hold event %d", event.number)
	}
	if event.alerts != nil {
		report(LawAlerts, "hold event %d has alerts, which the entry of a capture tells", event.number)
	}
	var took []lot
	for rest := e.amount; rest > 0 && len(hold.pinned) > 0; {
		l := hold.pinned[0]
		l.remaining = min(l.remaining, rest)
		rest -= l.remaining
		if hold.pinned[0].remaining -= l.remaining; hold.pinned[0].remaining == 0 {
			hold.pinned = hold.pinned[1:]
		}
		took = append(took, l)
	}
	isPart := func(l lot, p part) bool { return l.seq == p.seq && l.remaining == p.amount }
	if e.decodes && !book.lots.broken && !slices.EqualFunc(took, e.allocations, isPart) {
		report(LawLots, "takes other lots than hold %s has pinned", e.holdID)
	}
	if c.reversed[string(e.id)] {
		book.remember(e, took)
	}
	hold.captured += e.amount
	h.held -= e.amount
	if event.released > hold.released {
		book.giveUp(hold, e.createdAt)
	}
	if hold.left() == 0 {
		hold.state = holdCaptured
	}
	book.afterHold(hold, event, lastEntry{createdAt: e.createdAt}, e.seq, e.after, report)
}

// afterHold compares what an event says of its hold and wallet with what it made
// of them.
func (b *walletBook) afterHold(
	hold *holdBook, event *holdEventRow, last lastEntry, seq, balance int64, report reporter,
) {
	if event.createdAt < b.holds.at || event.createdAt < last.createdAt {
		report(LawTime, "hold event %d was made at %d, before %d or %d", event.number, event.createdAt, b.holds.at,
			last.createdAt)
	}
	b.holds.number, b.holds.at, hold.updatedAt = event.number, event.createdAt, event.createdAt
	if event.captured != hold.captured || event.released != hold.released {
		report(LawHoldParts, "hold event %d has captured %d and released %d, want %d and %d", event.number, event.captured,
			event.released, hold.captured, hold.released)
	}
	available := balance - b.lots.expiredSum - b.holds.held
	if event.seq != seq || event.balance != balance || event.held != b.holds.held || event.movedAt != last.createdAt ||
		event.available != available && !b.lots.broken {
		report(LawHolds, "hold event %d has seq %d, balance %d, held %d, available %d and moved_at %d, want %d, %d, %d, %d, %d",
			event.number, event.seq, event.balance, event.held, event.available, event.movedAt,
			seq, balance, b.holds.held, available, last.createdAt)
	}
}

// finishHolds compares the rows of the holds with what their events made of them.
func (c *checker) finishHolds(owner *customer) {
	for _, book := range owner.books {
		for _, event := range book.holds.coming {
			report := c.aboutHold(owner, owner.holds[event.hold].row)
			report(LawHoldEnd, "hold event %d has no place among the entries", event.number)
		}
	}
	for _, hold := range owner.holds {
		row := hold.row
		report := c.aboutHold(owner, row)
		if row.amount != hold.amount || row.captured != hold.captured || row.released != hold.released {
			report(LawHoldParts, "the hold is of %d with %d captured and %d released, its events make it %d, %d and %d",
				row.amount, row.captured, row.released, hold.amount, hold.captured, hold.released)
		}
		if row.state != hold.state || row.updatedAt != hold.updatedAt {
			report(LawHoldEnd, "the hold is %s since %d, its events make it %s since %d", row.state, row.updatedAt,
				hold.state, hold.updatedAt)
		}
		stored, ok := decodeLots(row.lots)
		same := func(a, b lot) bool {
			return a.seq == b.seq && a.remaining == b.remaining && a.expiresAt == b.expiresAt && a.paid == b.paid
		}
		if !ok || !slices.EqualFunc(stored, hold.pinned, same) {
			report(LawLots, "the hold's lots are not what it has pinned")
		}
	}
}
