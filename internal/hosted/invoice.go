package hosted

import (
	"context"
	"html/template"
	"net/http"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
)

// The states of a page, which are also what its look is named after.
const (
	paid      = "paid"
	awaiting  = "awaiting" // a card
	working   = "working"
	action    = "action" // the customer has to authenticate the payment
	declined  = "declined"
	expired   = "expired"
	cancelled = "cancelled"
	saved     = "saved"
)

// stateOf is what the page of an invoice shows.
func stateOf(i *collect.Invoice, now time.Time) string {
	c := &i.Collection
	switch {
	case c.State == billing.Paid:
		return paid
	case c.State == billing.PastDue:
		return declined
	case c.State == billing.Void && !c.VoidAsked && missed(c, now), c.State == billing.Finalized && missed(c, now):
		return expired
	case c.State == billing.Void, c.VoidAsked:
		return cancelled
	case i.Awaits(now):
		return awaiting
	case i.Status() == collect.RequiresAction:
		return action
	case c.State == billing.Finalized && c.Tries > 0 && now.Before(c.DueAt):
		return declined
	}
	return working
}

// at is the time that counts for the customer of an invoice: that of their test clock, if
// they have one.
func (v *visit) at(i *collect.Invoice) time.Time {
	if !i.Clock.IsZero() {
		return i.Clock
	}
	return v.now()
}

// missed reports whether a payment method did not come in time.
func missed(c *billing.Collection, now time.Time) bool {
	return !c.MethodBy.IsZero() && !now.Before(c.MethodBy)
}

// invoice answers about the page of an invoice.
func (v *visit) invoice(to page) error {
	i, err := v.collector.Invoice(v.ctx(), to.tenant, to.id)
	if err != nil {
		return err
	}
	if v.r.Method == http.MethodPost {
		return v.changeInvoice(i)
	}
	if i, err = v.lookAtProcessor(i); err != nil {
		return err
	}
	return v.showInvoice(http.StatusOK, i, "")
}

// lookAtProcessor asks a processor with pages of its own what became of the customer there,
// and returns the invoice as it is then. That the processor does not answer leaves it as
// it is.
func (v *visit) lookAtProcessor(i *collect.Invoice) (*collect.Invoice, error) {
	if v.collector.Attended(i).Hosted == nil {
		return i, nil
	}
	var err error
	switch stateOf(i, v.at(i)) {
	case awaiting:
		of := collect.InvoiceSetup(i, false)
		var setup *collect.Setup
		if setup, err = v.collector.Setup(v.ctx(), i.Tenant, of.ID); ledger.CodeOf(err) == ledger.CodeNotFound {
			return i, nil
		}
		done := false
		if err == nil {
			done, err = v.collector.FinishSetup(v.ctx(), setup)
		}
		if !done && err == nil {
			return i, nil
		}
	case action:
		err = v.collector.LookNow(v.ctx(), i)
	default:
		return i, nil
	}
	if err != nil && !settled(err) {
		v.logger.Warn("a card processor did not say what became of a customer", "invoice", i.Collection.InvoiceID, "error", err)
		return i, nil
	}
	v.goOn(i)
	return v.collector.Invoice(v.ctx(), i.Tenant, i.Collection.InvoiceID)
}

// changeInvoice does what the customer has sent.
func (v *visit) changeInvoice(i *collect.Invoice) error {
	var err error
	// What is paid again and again is charged to a card that is kept.
	keep := v.r.PostForm.Get("keep") == "yes" || i.SubscriptionID != ""
	switch do := v.r.PostForm.Get("do"); do {
	case "card":
		if stateOf(i, v.at(i)) != awaiting {
			return v.back()
		}
		attended := v.collector.Attended(i)
		if attended.Hosted != nil {
			setup := collect.InvoiceSetup(i, !keep)
			if err = v.collector.OpenSetup(v.ctx(), setup); err == nil {
				return v.goToProcessor(setup.Tenant, setup.ID)
			}
			break
		}
		err = v.collector.PayWithSandbox(v.ctx(), i, v.r.PostForm.Get("method"), keep)
	case "authenticate", "fail":
		err = v.collector.Authenticate(v.ctx(), i, do == "authenticate")
	default:
		return &refusal{http.StatusUnprocessableEntity, "This is not what the page sends."}
	}
	switch {
	case ledger.CodeOf(err) == ledger.CodeLimitReached:
		return v.showInvoice(http.StatusUnprocessableEntity, i, "You have as many saved cards as may be. Pay without saving this one.")
	case ledger.CodeOf(err) == ledger.CodeNotFound:
		return v.showInvoice(http.StatusUnprocessableEntity, i, "Choose one of the cards.")
	case err != nil && !settled(err):
		return err
	}
	v.goOn(i)
	return v.back()
}

// goOn has an invoice go on as far as it goes now. What fails is left to the worker.
func (v *visit) goOn(i *collect.Invoice) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.ctx()), stepsFor)
	defer cancel()
	if err := v.collector.GoOn(ctx, i.Tenant, i.Collection.InvoiceID); err != nil {
		v.logger.Warn("a payment is left to the worker", "invoice", i.Collection.InvoiceID, "error", err)
	}
}

// goToProcessor sends the customer to the page of the processor, by a page of ours that
// says where they go.
func (v *visit) goToProcessor(tenant ledger.Tenant, id string) error {
	setup, err := v.collector.Setup(v.ctx(), tenant, id)
	if err != nil {
		return err
	}
	at, err := v.collector.BeginSetup(v.ctx(), setup, v.url())
	if err != nil {
		v.logger.Warn("a card processor does not take a customer", "setup", id, "error", err)
		return &refusal{http.StatusServiceUnavailable, "The card processor does not answer just now. Nothing was charged; try again in a moment."}
	}
	v.w.Header().Set("Refresh", "0; url="+at)
	return v.show(http.StatusOK, view{
		State: working, Heading: "You are being sent to the card processor", GoTo: template.URL(at), GoToHost: host(at),
	})
}

// showInvoice shows an invoice as it is.
func (v *visit) showInvoice(status int, i *collect.Invoice, notice string) error {
	now, c := v.at(i), &i.Collection
	business, err := v.directory.Business(v.ctx(), i.Tenant.BusinessID)
	if err != nil {
		return err
	}
	page := view{
		State: stateOf(i, now), Notice: notice, Reference: i.PaymentID(), Total: amountOf(c.Total, c.Currency),
	}
	page.business(business.Name, i.Tenant.Mode == ledger.Test)
	page.lines(i)
	page.tender(c.Tender, c.Currency)
	if i.Card.LastFour != "" && c.Tender.Card > 0 {
		page.CardName = "ending in " + i.Card.LastFour
	}
	page.goBack(i.ReturnURL)
	switch page.State {
	case awaiting:
		err = v.ask(&page, i)
	case action:
		err = v.askToAuthenticate(&page, i)
	default:
		page.tell(i, now)
	}
	if err != nil {
		return err
	}
	page.Title = page.Heading + " · " + page.Business
	return v.show(status, page)
}

// tell says how an invoice stands about which the customer can do nothing here.
func (v *view) tell(i *collect.Invoice, now time.Time) {
	c := &i.Collection
	switch v.State {
	case paid:
		v.Heading, v.Say = "Paid", "Thank you."
		if !i.PaidAt.IsZero() {
			v.Say = "Thank you. Paid on " + i.PaidAt.UTC().Format("2 January 2006") + "."
		}
	case working:
		v.Heading, v.Say, v.Refresh = "Your payment is on its way", "This page looks again by itself.", 2
		if now.Sub(i.UpdatedAt) > time.Minute {
			v.Refresh = 30
		}
	case declined:
		v.Heading, v.Say = "Not paid", "The payment was not possible. Nothing was charged."
		if len(c.Attempts) > 0 {
			v.Say = "The card was declined. Nothing was charged."
		}
		if !c.State.Final() {
			v.Say += " It is tried again on " + c.DueAt.UTC().Format("2 January 2006") + "."
		}
	case expired:
		v.Heading, v.Say = "This link has expired", "Nothing was charged. Ask for a new link if you still want to pay."
	case cancelled:
		v.Heading, v.Say = "Cancelled", "This is not to be paid any more. Nothing was charged."
	}
	for _, a := range c.Attempts {
		if a.Outcome == billing.Returning || a.Outcome == billing.Returned {
			v.Say = "This is not to be paid any more. What the card was charged goes back to it."
		}
	}
}

// ask asks for a card.
func (v *visit) ask(page *view, i *collect.Invoice) error {
	c := &i.Collection
	page.Heading, page.MayKeep = "To pay", i.SubscriptionID == ""
	page.Renews = i.SubscriptionID != ""
	page.until(c.MethodBy)
	if c.Tries > 0 && page.Notice == "" {
		page.Notice = "The payment was not possible with this card. Nothing was charged. You can try another one."
		if n := len(c.Attempts); n > 0 && c.Attempts[n-1].Outcome == billing.Declined {
			page.Notice = "The card was declined. Nothing was charged. You can try another one."
		}
	}
	tender, err := v.collector.Preview(v.ctx(), i)
	switch code := ledger.CodeOf(err); {
	case code == billing.CodeBelowMinimum:
		tender = billing.Tender{Card: c.Total}
	case err != nil:
		return err
	}
	page.Wallet, page.Card, page.Surplus = "", "", ""
	if tender.Wallet > 0 {
		page.Sum = amountOf(c.Total, c.Currency)
		page.tender(tender, c.Currency)
	}
	page.Button = "Pay " + amountOf(tender.Card, c.Currency) + " by card"
	if tender.Card == 0 {
		page.Button = "Pay from your wallet"
	}
	return v.askForCard(page, v.collector.Attended(i))
}

// askForCard shows how a card is chosen.
func (v *visit) askForCard(page *view, attended collect.Attended) error {
	switch {
	case attended.Sandbox != nil:
		page.Choices, page.More = choices()
	case attended.Hosted != nil:
		page.AtProcessor = true
	default:
		page.Notice = "Cards are not taken here."
	}
	return nil
}

// askToAuthenticate has the customer authenticate the payment.
func (v *visit) askToAuthenticate(page *view, i *collect.Invoice) error {
	page.Heading = "Your bank asks you to confirm"
	if a := i.Collection.Attempts; len(a) > 0 && !a[len(a)-1].ActionBy.IsZero() {
		page.until(a[len(a)-1].ActionBy)
	}
	if v.collector.Attended(i).Sandbox != nil {
		page.Authenticate = true
		return nil
	}
	page.Refresh = 15
	at, err := v.collector.ActionURL(v.ctx(), i, v.url())
	if err != nil {
		v.logger.Warn("a card processor does not say where to authenticate", "invoice", i.Collection.InvoiceID, "error", err)
	}
	if page.Say = "The card processor waits for your bank."; at != "" {
		page.Say = ""
		page.GoTo, page.GoToHost = template.URL(at), host(at)
	}
	return nil
}
