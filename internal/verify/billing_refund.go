package verify

import (
	"maps"
	"slices"
)

// refundData is a refund as its invoice keeps it, and as it is kept itself.
type refundData struct {
	ID          string     `json:"id"`
	State       string     `json:"state"`
	Destination string     `json:"destination"`
	Card        int64      `json:"card"`
	Wallet      int64      `json:"wallet"`
	Lines       []lineData `json:"lines"`

	InvoiceID string `json:"invoice_id"` // of the object only
	Currency  string `json:"currency"`   // the same
}

// refundPart is a refund of which one of its two places was met.
type refundPart struct {
	invoice, currency, state, destination string
	card, wallet                          int64
	isObject                              bool
}

func (r *refundData) part(invoice, currency string) refundPart {
	return refundPart{
		invoice: invoice, currency: currency, state: r.State, destination: r.Destination, card: r.Card, wallet: r.Wallet,
	}
}

// The states of a refund.
const (
	refundPending  = "pending"
	refundFailed   = "failed"
	refundReversed = "reversed"
)

// took is what of the card's part and of the wallet's cannot be refunded any more.
func (r *refundData) took() (card, wallet int64) {
	switch r.State {
	case refundFailed:
		return 0, 0
	case refundReversed:
		return 0, r.Wallet
	}
	return r.Card, r.Wallet
}

// noteRefunds checks that the refunds of an invoice give back no more than was paid
// (laws F1, F3), and that the wallet got what they say (law F2).
func (c *checker) noteRefunds(owner *customer, in *invoiceData, id string, report reporter) {
	k, b := &in.Collection, owner.billing()
	var card, wallet total
	ofLine := map[string]int64{}
	for i := range in.Refunds {
		r := &in.Refunds[i]
		fromCard, fromWallet := r.took()
		card.add(fromCard)
		wallet.add(fromWallet)
		isState := r.State == succeeded || r.State == refundPending || r.State == refundFailed || r.State == refundReversed
		if r.Card < 0 || r.Wallet < 0 || !isState {
			report(LawRefunds, "refund %s of invoice %s is %q and of %d and %d", r.ID, id, r.State, r.Card, r.Wallet)
		}
		if fromCard+fromWallet > 0 {
			for _, line := range r.Lines {
				ofLine[line.ID] += line.Amount
			}
		}
		c.checkReturned(owner, r, in, id)
		b.meetRefund(r.ID, r.part(id, k.Currency), report)
	}
	if len(in.Refunds) == 0 {
		return
	}
	if k.State != paid || card.above(k.Tender.Card-k.Tender.Surplus) || wallet.above(k.Tender.Wallet) {
		report(LawRefunds, "refunds of invoice %s, which is %s, take %s of %d of the card and %s of %d of the wallet", id, k.State,
			card, k.Tender.Card-k.Tender.Surplus, wallet, k.Tender.Wallet)
	}
	for _, line := range in.Items {
		if ofLine[line.ID] > line.Amount {
			report(LawRefunds, "refunds take %d of line %s of invoice %s, which is of %d", ofLine[line.ID], line.ID, id, line.Amount)
		}
		delete(ofLine, line.ID)
	}
	for line := range ofLine {
		report(LawRefunds, "a refund takes of line %q, which invoice %s does not have", line, id)
	}
}

// checkReturned holds a refund against the entries that name it.
func (c *checker) checkReturned(owner *customer, r *refundData, in *invoiceData, id string) {
	b := owner.billing()
	money := b.returned[r.ID]
	delete(b.returned, r.ID)
	report := c.about(owner, in.Collection.Currency, money)
	if money == nil {
		money = &billMoney{currency: in.Collection.Currency}
	}
	var restored, back int64
	if r.State == succeeded || r.State == refundReversed {
		restored = r.Wallet
		if r.Destination == "wallet" {
			back = r.Card
		}
	}
	if money.mixed || money.currency != in.Collection.Currency || money.restoresOthers ||
		money.reversals > 0 && money.restores != in.Debit {
		report(LawRefundOnce, "refund %s of invoice %s undoes entry %q, where the wallet paid by %q", r.ID, id, money.restores, in.Debit)
	}
	if money.restored != restored || money.reversals != countOf(restored) || money.credited != back ||
		money.credits != countOf(back) {
		report(LawRefundOnce, "refund %s is %s, gives %d to the lots and credits %d; %d entries gave %d and %d credited %d", r.ID, r.State,
			restored, back, money.reversals, money.restored, money.credits, money.credited)
	}
}

// meetRefund holds a refund's two places against each other, whichever is met first.
func (b *bills) meetRefund(id string, part refundPart, report reporter) {
	other := b.refunds[id]
	if other == nil {
		b.refunds[id] = &part
		return
	}
	delete(b.refunds, id)
	want := part
	want.isObject = !part.isObject
	if *other != want {
		report(LawRefundOnce, "refund %s is %s with %d of the card and %d of the wallet of %s (%s), and in another place %s with %d and %d of %s (%s)",
			id, part.state, part.card, part.wallet, part.invoice, part.destination, other.state, other.card, other.wallet,
			other.invoice, other.destination)
	}
}

// refund notes a refund that is an object of its own.
func (c *checker) refund(owner *customer, row *billedRow) {
	var r refundData
	if !c.decodeBilled(owner, row, &r) {
		return
	}
	report := c.about(owner, r.Currency, nil)
	state := r.State
	if state == refundReversed {
		state = refundFailed // in the words of lists
	}
	if r.ID != row.id || state != row.state {
		report(LawRefundOnce, "refund %s (%s) is kept as %s (%s)", r.ID, r.State, row.id, row.state)
	}
	part := r.part(r.InvoiceID, r.Currency)
	part.isObject = true
	owner.billing().meetRefund(row.id, part, report)
}

func (c *checker) finishRefunds(owner *customer) {
	for _, id := range slices.Sorted(maps.Keys(owner.bills.refunds)) {
		part := owner.bills.refunds[id]
		report := c.about(owner, part.currency, nil)
		if part.isObject {
			report(LawRefundOnce, "invoice %s does not know of its refund %s", part.invoice, id)
		} else {
			report(LawRefundOnce, "invoice %s has a refund %s, which does not exist", part.invoice, id)
		}
	}
}
