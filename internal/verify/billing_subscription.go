package verify

import (
	"maps"
	"slices"
)

// subscriptionData is what of a subscription says what was billed.
type subscriptionData struct {
	ID       string `json:"id"`
	Currency string `json:"currency"`
	Status   string `json:"status"`
	Next     int64  `json:"next"`
	Passed   int64  `json:"passed"`
	Owes     *struct {
		InvoiceID string `json:"invoice_id"`
		PastDue   bool   `json:"past_due"`
	} `json:"owes"`
}

// billedSubscription is a subscription as its invoices make it.
type billedSubscription struct {
	invoice, currency string         // one of its invoices
	periods           map[int64]bool // those that were billed, and whether an invoice of one was not given up
	highest           int64
	open              string // the invoice that is to be paid
	overdue           map[string]bool

	row *subscriptionData
}

func (b *bills) subscriptionOf(id string) *billedSubscription {
	s := b.subscriptions[id]
	if s == nil {
		s = &billedSubscription{periods: map[int64]bool{}, highest: -1}
		b.subscriptions[id] = s
	}
	return s
}

// noteInvoice notes an invoice of a subscription. A period is billed again only where its
// invoice was given up.
func (b *bills) noteInvoice(in *invoiceData, id string, report reporter) {
	s, k := b.subscriptionOf(in.SubscriptionID), &in.Collection
	s.invoice, s.currency = id, k.Currency
	if in.Reason == "period" {
		s.highest = max(s.highest, in.Period)
		stands := k.State != pastDue
		if stands && s.periods[in.Period] {
			report(LawPeriods, "period %d of subscription %s is billed by invoice %s, and by another", in.Period, in.SubscriptionID, id)
		}
		s.periods[in.Period] = stands || s.periods[in.Period]
	}
	switch {
	case k.State == pastDue:
		if s.overdue == nil {
			s.overdue = map[string]bool{}
		}
		s.overdue[id] = true
	case isEnd(k.State):
	case s.open != "":
		report(LawPeriods, "subscription %s has two invoices that are to be paid, %s and %s", in.SubscriptionID, s.open, id)
	default:
		s.open = id
	}
}

// subscription notes a subscription.
func (c *checker) subscription(owner *customer, row *billedRow) {
	var s subscriptionData
	if !c.decodeBilled(owner, row, &s) {
		return
	}
	if s.ID != row.id || s.Status != row.state {
		c.about(owner, s.Currency, nil)(LawPeriods, "subscription %s (%s) is kept as %s (%s)", s.ID, s.Status, row.id, row.state)
	}
	owner.billing().subscriptionOf(row.id).row = &s
}

// finishSubscriptions holds subscriptions against their invoices (law Q2).
func (c *checker) finishSubscriptions(owner *customer) {
	for _, id := range slices.Sorted(maps.Keys(owner.bills.subscriptions)) {
		s := owner.bills.subscriptions[id]
		report := c.about(owner, s.currency, nil)
		if s.row == nil {
			report(LawPeriods, "invoice %s is for subscription %s, which does not exist", s.invoice, id)
			continue
		}
		row := s.row
		if s.invoice != "" && s.currency != row.Currency {
			report(LawPeriods, "subscription %s is in %s and invoice %s in %s", id, row.Currency, s.invoice, s.currency)
		}
		if s.highest >= row.Next || int64(len(s.periods))+row.Passed > row.Next {
			report(LawPeriods, "subscription %s has invoices for %d periods, the last of them %d, and passed %d over; the next is %d", id,
				len(s.periods), s.highest, row.Passed, row.Next)
		}
		hasEnded := row.Status == "cancelled" || row.Status == "failed" || row.Status == "expired"
		switch owes := row.Owes; {
		case owes == nil && s.open != "" && !hasEnded:
			report(LawPeriods, "subscription %s is %s and does not know of invoice %s, which is to be paid", id, row.Status, s.open)
		case owes != nil && owes.PastDue && (!s.overdue[owes.InvoiceID] || s.open != ""),
			owes != nil && !owes.PastDue && owes.InvoiceID != s.open:
			report(LawPeriods, "subscription %s owes invoice %s, which is not one of it that is to be paid", id, owes.InvoiceID)
		}
	}
}
