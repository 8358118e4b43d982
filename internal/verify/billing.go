package verify

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"zombiezen.com/go/sqlite"
)

// billedRow is a raw row of objects, of a kind that money moves for.
type billedRow struct {
	customer        int64
	number          int64 // of the event that made it
	kind, id, state string
	data            []byte
}

// The kinds of objects that money moves for, and what begins the ids by which entries
// and holds name them. An invoice and its payment have the same characters behind it.
const (
	invoiceKind      = "invoice"
	refundKind       = "refund"
	subscriptionKind = "subscription"

	invoicePrefix = "inv_"
	paymentPrefix = "pay_"
	refundPrefix  = "ref_"
)

const billedKinds = `kind in ('invoice', 'refund', 'subscription')`

const billedColumns = `
	select customer,
	       number,
	       kind,
	       id,
	       state,
	       data
	  from objects`

func (r *reader) readBilled(b *batch, stmt *sqlite.Stmt) {
	b.steps = append(b.steps, stepBilled)
	b.billed = append(b.billed, billedRow{
		customer: stmt.ColumnInt64(0), number: stmt.ColumnInt64(1), kind: stmt.ColumnText(2), id: stmt.ColumnText(3),
		state: stmt.ColumnText(4), data: b.column(stmt, 5),
	})
}

// bills is what a customer's entries and holds say of invoices and refunds, as far as
// no object was met that accounts for it, and what these ask of each other.
type bills struct {
	paid     map[string]*billMoney // by id of the invoice without its prefix
	returned map[string]*billMoney // by id of the refund
	held     map[string]*billHold  // active holds, by id

	refunds       map[string]*refundPart // in the lists of invoices, by id, or as objects
	subscriptions map[string]*billedSubscription
}

// billMoney is what entries moved for an invoice or a refund.
type billMoney struct {
	currency string
	mixed    bool // in more than one currency, or not as what moves for such a thing is

	debit          string // id of the last debit
	debits         int64
	debited        int64
	credits        int64
	credited       int64
	topUps         int64
	toppedUp       int64
	reversals      int64
	restored       int64
	restores       string // id of the debit that the reversals undo
	firstPosition  int64
	firstEntryID   string
	restoresOthers bool
}

// billHold is an active hold for an invoice.
type billHold struct {
	invoice, currency string
	left              int64
}

// billing makes the customer's notes about what entries and holds say.
func (o *customer) billing() *bills {
	if o.bills == nil {
		o.bills = &bills{
			paid: map[string]*billMoney{}, returned: map[string]*billMoney{}, held: map[string]*billHold{},
			refunds: map[string]*refundPart{}, subscriptions: map[string]*billedSubscription{},
		}
	}
	return o.bills
}

// noteBilled notes what an entry moved for an invoice or a refund. What a caller's entry
// names means nothing to us, so only those of the system count.
func (o *customer) noteBilled(e *entryRow) {
	if string(e.createdBy) != "system" || len(e.reference) < len(invoicePrefix) || string(e.account) == "disputes" || e.isDebt() {
		return
	}
	var of map[string]*billMoney
	id := string(e.reference)
	prefix := id[:len(invoicePrefix)]
	switch prefix {
	case invoicePrefix, paymentPrefix:
		of, id = o.billing().paid, id[len(prefix):]
	case refundPrefix:
		of = o.billing().returned
	default:
		return
	}
	m := of[id]
	if m == nil {
		m = &billMoney{currency: e.currency, firstPosition: e.position, firstEntryID: string(e.id)}
		of[id] = m
	}
	if m.currency != e.currency {
		m.mixed = true
		return
	}
	m.note(prefix, e)
}

func (m *billMoney) note(prefix string, e *entryRow) {
	switch account := string(e.account); {
	case e.reverses != nil:
		m.reversals++
		m.restored += e.amount
		if m.restores != "" && m.restores != string(e.reverses) {
			m.restoresOthers = true
		}
		m.restores = string(e.reverses)
		m.mixed = m.mixed || prefix != refundPrefix || !e.isCredit
	case prefix == refundPrefix:
		m.credits++
		m.credited += e.amount
		m.mixed = m.mixed || !e.isCredit || account != "refunds"
	case prefix == paymentPrefix:
		m.topUps++
		m.toppedUp += e.amount
		m.mixed = m.mixed || !e.isCredit || account != "cash"
	case e.isCredit:
		m.credits++
		m.credited += e.amount
		m.mixed = m.mixed || account != "cash"
	default:
		m.debits++
		m.debited += e.amount
		m.debit = string(e.id)
		m.mixed = m.mixed || account != "revenue"
	}
}

// noteHeld notes the active holds that the system made for invoices.
func (o *customer) noteHeld() {
	for _, hold := range o.holds {
		row := hold.row
		if row.state != holdActive || row.createdBy != "system" || !strings.HasPrefix(row.reference, invoicePrefix) {
			continue
		}
		o.billing().held[row.id] = &billHold{
			invoice: row.reference, currency: row.currency, left: row.amount - row.captured - row.released,
		}
	}
}

// billed checks an object against what entries and holds say, all of which were met.
func (c *checker) billed(owner *customer, row *billedRow) {
	if !owner.heldNoted {
		owner.heldNoted = true
		owner.noteHeld()
	}
	switch row.kind {
	case invoiceKind:
		c.invoice(owner, row)
	case refundKind:
		c.refund(owner, row)
	case subscriptionKind:
		c.subscription(owner, row)
	}
}

// about is a reporter of findings about an object.
func (c *checker) about(owner *customer, currency string, money *billMoney) reporter {
	where := owner.where(currency, 0)
	if money != nil {
		where.Position, where.Entry = money.firstPosition, money.firstEntryID
	}
	return func(law Law, format string, args ...any) { c.found.add(law, where, format, args...) }
}

// decodeBilled decodes what an object keeps, and reports whether that can be done.
func (c *checker) decodeBilled(owner *customer, row *billedRow, into any) bool {
	if err := json.Unmarshal(row.data, into); err != nil {
		c.about(owner, "", nil)(LawImmutable, "%s %s does not decode: %s", row.kind, row.id, err)
		return false
	}
	return true
}

// finishBilling reports what no object accounts for.
func (c *checker) finishBilling(owner *customer) {
	if !owner.heldNoted {
		owner.noteHeld()
	}
	b := owner.bills
	if b == nil {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(b.paid)) {
		m := b.paid[id]
		c.about(owner, m.currency, m)(LawTenders, "names an invoice %s%s, which does not exist", invoicePrefix, id)
	}
	for _, id := range slices.Sorted(maps.Keys(b.returned)) {
		m := b.returned[id]
		c.about(owner, m.currency, m)(LawRefundOnce, "names refund %s, which does not exist", id)
	}
	for _, id := range slices.Sorted(maps.Keys(b.held)) {
		h := b.held[id]
		report := c.about(owner, h.currency, nil)
		report(LawOwnedHold, "hold %s has %d for invoice %s, which is paid, given up or not there", id, h.left, h.invoice)
	}
	c.finishRefunds(owner)
	c.finishSubscriptions(owner)
}
