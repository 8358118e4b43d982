package verify

import "strings"

// invoiceData is what of an invoice as it is kept says what was paid.
type invoiceData struct {
	Reason         string     `json:"reason"`
	Items          []lineData `json:"items"`
	SubscriptionID string     `json:"subscription_id"`
	Period         int64      `json:"period"`

	Collection struct {
		InvoiceID string `json:"invoice_id"`
		Currency  string `json:"currency"`
		Total     int64  `json:"total"`
		State     string `json:"state"`
		Tender    struct {
			Wallet  int64 `json:"wallet"`
			Card    int64 `json:"card"`
			Surplus int64 `json:"surplus"`
		} `json:"tender"`
		HoldID   string        `json:"hold_id"`
		Attempts []attemptData `json:"attempts"`
	} `json:"collection"`

	Debit   string       `json:"debit"`
	Refunds []refundData `json:"refunds"`
}

type lineData struct {
	ID     string `json:"id"`
	Amount int64  `json:"amount"`
}

type attemptData struct {
	Number    int64  `json:"number"`
	Amount    int64  `json:"amount"`
	PaymentID string `json:"payment_id"`
	Outcome   string `json:"outcome"`
}

// The states of an invoice in which nothing is held, and those that end it.
const (
	finalized = "finalized"
	paid      = "paid"
	pastDue   = "past_due"
	void      = "void"
)

// midway are the states in which the wallet's part is held, and whether an attempt is
// open in them.
var midway = map[string]bool{
	"wallet_held": false, "card_intended": true, "card_created": true, "card_unknown": true, "card_declined": false,
	cardOK: false,
}

const cardOK = "card_ok"

func isEnd(state string) bool { return state == paid || state == pastDue || state == void }

// The outcomes of an attempt in which the card was charged.
const (
	succeeded = "succeeded"
	returning = "returning"
	returned  = "returned"
	credited  = "credited"
)

// invoice checks that an invoice is paid by what moved, and by nothing else (laws S1, S2,
// S5), and notes what its refunds and its subscription are.
func (c *checker) invoice(owner *customer, row *billedRow) {
	var in invoiceData
	key := strings.TrimPrefix(row.id, invoicePrefix)
	money, b := owner.billing().paid[key], owner.billing()
	delete(b.paid, key)
	if !c.decodeBilled(owner, row, &in) {
		return
	}
	c.invoices++
	k := &in.Collection
	report := c.about(owner, k.Currency, money)
	if money == nil {
		money = &billMoney{currency: k.Currency}
	}
	_, isMidway := midway[k.State]
	if k.InvoiceID != row.id || k.State != row.state || !isMidway && k.State != finalized && !isEnd(k.State) {
		report(LawTenders, "invoice %s (%s) is kept as %s (%s)", k.InvoiceID, k.State, row.id, row.state)
	}
	var lines total
	for _, line := range in.Items {
		lines.add(line.Amount)
	}
	if lines != sumOf(k.Total) || k.Total < 0 {
		report(LawTenders, "invoice %s is of %d, its lines of %s", row.id, k.Total, lines)
	}
	in.checkMoney(row.id, money, report)
	in.checkAttempts(row.id, report)
	in.checkHold(row.id, b, report)
	c.noteRefunds(owner, &in, row.id, report)
	if in.SubscriptionID != "" {
		b.noteInvoice(&in, row.id, report)
	}
}

// checkMoney holds an invoice against the entries that name it.
func (in *invoiceData) checkMoney(id string, money *billMoney, report reporter) {
	k := &in.Collection
	var fromWallet, topUp, back, backs int64
	isPaid := k.State == paid
	if isPaid {
		t := &k.Tender
		if t.Wallet < 0 || t.Card < 0 || t.Surplus < 0 || t.Surplus > t.Card || t.Wallet+t.Card-t.Surplus != k.Total {
			report(LawTenders, "invoice %s of %d is paid by %d of the wallet and %d of the card, of which %d are credited",
				id, k.Total, t.Wallet, t.Card, t.Surplus)
		}
		fromWallet, back = t.Wallet, t.Surplus
		if t.Surplus > 0 {
			backs++
		}
		if in.Reason == "top_up" {
			topUp = k.Total
		}
	}
	for _, a := range k.Attempts {
		if a.Outcome == credited {
			back += a.Amount
			backs++
		}
	}
	if money.mixed || money.currency != k.Currency {
		report(LawTenders, "entries in %s that invoice %s (%s) cannot have name it", money.currency, id, k.Currency)
	}
	if money.debited != fromWallet || money.debits != countOf(fromWallet) || money.debit != in.Debit {
		report(LawTenders, "invoice %s is %s and takes %d of the wallet by entry %q; %d entries took %d, the last is %q",
			id, k.State, fromWallet, in.Debit, money.debits, money.debited, money.debit)
	}
	if money.credited != back || money.credits != backs {
		report(LawTenders, "invoice %s is %s and gives the wallet %d back in %d entries; %d entries gave %d",
			id, k.State, back, backs, money.credits, money.credited)
	}
	if money.toppedUp != topUp || money.topUps != countOf(topUp) {
		report(LawTenders, "invoice %s is %s and tops the wallet up by %d; %d entries credit %d for it",
			id, k.State, topUp, money.topUps, money.toppedUp)
	}
}

// countOf is how many entries move an amount that is moved at once.
func countOf(amount int64) int64 {
	if amount == 0 {
		return 0
	}
	return 1
}

// checkAttempts holds that the card has paid its part once, and that no attempt was made
// while another could still succeed.
func (in *invoiceData) checkAttempts(id string, report reporter) {
	k := &in.Collection
	var charged int64
	for i, a := range k.Attempts {
		last := i == len(k.Attempts)-1
		if a.Number != int64(i+1) {
			report(LawCardOnce, "attempt %d of invoice %s is numbered %d", i+1, id, a.Number)
		}
		switch a.Outcome {
		case succeeded:
			charged++
			if a.Amount != k.Tender.Card || a.PaymentID == "" {
				report(LawTenders, "attempt %d of invoice %s charged %d with payment %q, where the card's part is %d",
					a.Number, id, a.Amount, a.PaymentID, k.Tender.Card)
			}
		case "open":
			if !last || !midway[k.State] {
				report(LawCardOnce, "attempt %d of invoice %s, which is %s, is open", a.Number, id, k.State)
			}
		case "declined", returning, returned, credited:
		default:
			report(LawCardOnce, "attempt %d of invoice %s has the outcome %q", a.Number, id, a.Outcome)
		}
	}
	want := int64(0)
	if k.State == cardOK || k.State == paid && k.Tender.Card > 0 {
		want = 1
	}
	if charged != want {
		report(LawCardOnce, "invoice %s is %s and the card was charged for it %d times, want %d", id, k.State, charged, want)
	}
}

// checkHold holds that what an invoice holds is there, and is all that is held for it.
func (in *invoiceData) checkHold(id string, b *bills, report reporter) {
	k := &in.Collection
	_, isMidway := midway[k.State]
	if (k.HoldID != "") != (isMidway && k.Tender.Wallet > 0) {
		report(LawOwnedHold, "invoice %s is %s, takes %d of the wallet and holds it by %q", id, k.State, k.Tender.Wallet, k.HoldID)
	}
	if k.HoldID == "" {
		return
	}
	h := b.held[k.HoldID]
	switch {
	case h == nil:
		report(LawOwnedHold, "invoice %s is %s, and its hold %s is not active", id, k.State, k.HoldID)
		return
	case h.invoice != id || h.currency != k.Currency || h.left != k.Tender.Wallet:
		report(LawOwnedHold, "invoice %s is to hold %d %s; hold %s has %d %s for %s", id, k.Tender.Wallet, k.Currency, k.HoldID,
			h.left, h.currency, h.invoice)
	}
	if h.invoice == id {
		delete(b.held, k.HoldID)
	}
}
