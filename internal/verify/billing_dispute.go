package verify

import (
	"maps"
	"slices"
)

// disputeData is a dispute as its invoice keeps it, and as it is kept itself.
type disputeData struct {
	ID     string `json:"id"`
	Amount int64  `json:"amount"`
	Stage  string `json:"stage"`
	Status string `json:"status"`
	Held   int64  `json:"held"`
	Lost   int64  `json:"lost"`
	Debt   int64  `json:"debt"`
	Off    int64  `json:"written_off"`

	InvoiceID string       `json:"invoice_id"` // of the object only, as what follows
	Currency  string       `json:"currency"`
	Holds     []amountData `json:"holds"`
	Debits    []amountData `json:"debits"`
}

// amountData is a hold or an entry with its amount.
type amountData struct {
	ID     string `json:"id"`
	Amount int64  `json:"amount"`
}

// disputePart is a dispute of which one of its two places was met.
type disputePart struct {
	invoice, currency, stage, status string
	amount, held, lost, debt, off    int64
	isObject                         bool
}

func (d *disputeData) part(invoice, currency string, isObject bool) disputePart {
	return disputePart{
		invoice: invoice, currency: currency, stage: d.Stage, status: d.Status, amount: d.Amount, held: d.Held, lost: d.Lost,
		debt: d.Debt, off: d.Off, isObject: isObject,
	}
}

// noteDisputes notes the disputes of an invoice.
func (b *bills) noteDisputes(in *invoiceData, id string, report reporter) {
	for i := range in.Disputes {
		d := &in.Disputes[i]
		b.meetDispute(d.ID, d.part(id, in.Collection.Currency, false), report)
	}
}

// dispute checks that a dispute holds and has taken what it says (law F5).
func (c *checker) dispute(owner *customer, row *billedRow) {
	var d disputeData
	if !c.decodeBilled(owner, row, &d) {
		return
	}
	b := owner.billing()
	money := b.disputed[row.id]
	delete(b.disputed, row.id)
	report := c.about(owner, d.Currency, money)
	if money == nil {
		money = &billMoney{currency: d.Currency}
	}
	if d.ID != row.id {
		report(LawDisputes, "dispute %s is kept as %s", d.ID, row.id)
	}
	var held, lost total
	for _, hold := range d.Holds {
		held.add(hold.Amount)
		b.claim(hold.ID, d.ID, d.Currency, hold.Amount, report)
	}
	for _, debit := range d.Debits {
		lost.add(debit.Amount)
	}
	if held != sumOf(d.Held) || lost != sumOf(d.Lost) {
		report(LawDisputes, "dispute %s holds %d by holds of %s, and took %d by entries of %s", d.ID, d.Held, held, d.Lost, lost)
	}
	taken := d.Lost + d.Debt
	if d.Off < 0 || d.Held < 0 || d.Off > d.Amount-taken {
		report(LawDisputes, "dispute %s of %d has %d held, %d taken and %d written off", d.ID, d.Amount, d.Held, taken, d.Off)
	}
	if money.mixed || money.currency != d.Currency || money.debited-money.restored != taken || taken > d.Amount {
		report(LawDisputes, "dispute %s of %d has %d lost and %d owed; entries took %d and gave %d back",
			d.ID, d.Amount, d.Lost, d.Debt, money.debited, money.restored)
	}
	b.meetDispute(row.id, d.part(d.InvoiceID, d.Currency, true), report)
}

// meetDispute holds a dispute's two places against each other, whichever is met first.
func (b *bills) meetDispute(id string, part disputePart, report reporter) {
	other := b.disputes[id]
	if other == nil {
		b.disputes[id] = &part
		return
	}
	delete(b.disputes, id)
	want := part
	want.isObject = !part.isObject
	if *other != want {
		report(LawDisputes, "dispute %s is %+v, and in another place %+v", id, part, *other)
	}
}

func (c *checker) finishDisputes(owner *customer) {
	for _, id := range slices.Sorted(maps.Keys(owner.bills.disputes)) {
		part := owner.bills.disputes[id]
		report := c.about(owner, part.currency, nil)
		if part.isObject {
			report(LawDisputes, "invoice %s does not know of its dispute %s", part.invoice, id)
		} else {
			report(LawDisputes, "invoice %s has a dispute %s, which does not exist", part.invoice, id)
		}
	}
}
