package collect

import (
	"context"
	"errors"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/processor"
)

// CodeMethodNotAwaited refuses a payment method for an invoice that waits for none: it is
// paid, being paid, or not to be paid any more.
const CodeMethodNotAwaited ledger.Code = "PAYMENT_METHOD_NOT_AWAITED"

// Awaits reports whether an invoice waits for a payment method at a time.
func (i *Invoice) Awaits(now time.Time) bool {
	c := &i.Collection
	return c.State == billing.Finalized && !c.MethodBy.IsZero() && now.Before(c.MethodBy) && i.Method == "" && !c.VoidAsked
}

// PayWith gives a payment method to an invoice that waits for one, and has it tried at
// once. Of many who give one at the same time, one is taken and the others are refused
// with [CodeMethodNotAwaited]. A subscription whose invoice it is has the method from now
// on. A method without an id is not kept for later.
func (c *Collector) PayWith(ctx context.Context, tenant ledger.Tenant, id string, method Method) error {
	invoice, err := c.Invoice(ctx, tenant, id)
	if err != nil {
		return err
	}
	zone, err := zoneOf(invoice.Zone)
	if err != nil {
		return err
	}
	m := c.moment()
	scope := ledger.Scope{
		Tenant: tenant, CustomerID: invoice.CustomerID, Currency: invoice.Collection.Currency, At: m.Now,
		Objects: []ledger.ObjectKey{invoice.key()},
	}
	if invoice.SubscriptionID != "" {
		scope.Objects = append(scope.Objects, ledger.ObjectKey{Kind: Subscriptions, ID: invoice.SubscriptionID})
	}
	_, err = c.store.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		return payWith(&s, scope.Objects[0], method, zone, m)
	})
	return err
}

// payWith is pure.
func payWith(
	s *ledger.Snapshot, key ledger.ObjectKey, method Method, zone *time.Location, m ledger.Moment,
) (ledger.Change, error) {
	change, none := ledger.Change{Wallet: s.Wallet}, ledger.Change{Wallet: s.Wallet, Replayed: true}
	object := s.Object(key)
	if object == nil {
		return none, ledger.Errorf(ledger.CodeNotFound, "there is no such invoice")
	}
	invoice, err := decode(object)
	if err != nil {
		return none, err
	}
	now := s.Chain.At(m.Now)
	if !invoice.Awaits(now) {
		return none, ledger.Errorf(CodeMethodNotAwaited, "invoice %s waits for no payment method", key.ID)
	}
	step, err := billing.Decide(invoice.Collection, billing.Hurry{}, now)
	if err != nil {
		return none, err
	}
	invoice.Collection = step.Collection
	invoice.Method, invoice.MethodID, invoice.Card = method.Token, method.ID, method.Card
	if invoice.Billing.Country == "" {
		invoice.Billing.Country = method.Card.Country
	}
	if err := invoice.put(&change, s, now); err != nil {
		return none, err
	}
	of, err := subscriptionOf(s, invoice)
	if of == nil || err != nil {
		return change, err
	}
	next, err := billing.DecideSubscription(
		of.Subscription, billing.UpdateMethod{Method: method.Token}, billing.Around{Now: now, Zone: zone})
	if err != nil || next.Subscription.Version == of.Version {
		return change, err
	}
	of.Subscription = next.Subscription
	return change, of.put(&change, s, next.Events, nil, m)
}

// Attended says what a customer who is there can do at the processor of an invoice or of a
// setup. The zero value is nothing.
type Attended struct {
	// Sandbox takes its documented methods, and is told whether a payment was
	// authenticated.
	Sandbox interface {
		Authenticate(ctx context.Context, paymentID string, ok bool) (billing.Report, error)
	}

	// Hosted has pages of its own.
	Hosted processor.Hosted
}

// Attended returns what a customer can do at the processor of an invoice.
func (c *Collector) Attended(i *Invoice) (a Attended) {
	p := c.processors(i)
	if several, ok := p.(processor.Several); ok {
		paymentID, _ := i.openAction()
		p = several.Attend(paymentID)
	}
	switch p := p.(type) {
	case *processor.Sandbox:
		if i.Tenant.Mode == ledger.Test {
			a.Sandbox = p
		}
	case processor.Hosted:
		a.Hosted = p
	}
	return a
}

// TakesCards reports whether a customer of a tenant can pay by card.
func (c *Collector) TakesCards(tenant ledger.Tenant, customerID string) bool {
	return c.Attended(&Invoice{Tenant: tenant, CustomerID: customerID}) != Attended{}
}

// openAction is the payment at the processor that the customer has to authenticate,
// empty for none.
func (i *Invoice) openAction() (paymentID string, attempt int) {
	c := &i.Collection
	if i.Status() != RequiresAction {
		return "", 0
	}
	a := &c.Attempts[len(c.Attempts)-1]
	return a.PaymentID, a.Number
}

// Authenticate has the customer of an invoice of the sandbox authenticate its payment, or
// fail to. One that waits for no such thing stays as it is.
func (c *Collector) Authenticate(ctx context.Context, i *Invoice, ok bool) error {
	paymentID, attempt := i.openAction()
	sandbox := c.Attended(i).Sandbox
	if paymentID == "" || sandbox == nil {
		return nil
	}
	report, err := sandbox.Authenticate(ctx, paymentID, ok)
	if err != nil {
		return err
	}
	return c.Decide(ctx, i, billing.Answer{Attempt: attempt, Report: report})
}

// LookNow asks the processor how the payment stands that the customer had to
// authenticate, without waiting for the time of the next look.
func (c *Collector) LookNow(ctx context.Context, i *Invoice) error {
	paymentID, attempt := i.openAction()
	p := c.processors(i)
	if paymentID == "" || p == nil {
		return nil
	}
	report, err := p.LookUp(ctx, paymentID)
	if err != nil || report.Status == billing.RequiresAction {
		return err // what is not known is looked at again in its time
	}
	return c.Decide(ctx, i, billing.Answer{Attempt: attempt, Report: report})
}

// ActionURL is where the customer of an invoice authenticates its payment at the
// processor, empty where there is no such page. They come back to an address.
func (c *Collector) ActionURL(ctx context.Context, i *Invoice, back string) (string, error) {
	paymentID, _ := i.openAction()
	hosted := c.Attended(i).Hosted
	if paymentID == "" || hosted == nil {
		return "", nil
	}
	at, err := hosted.ActionURL(ctx, paymentID, back)
	if errors.Is(err, processor.ErrNoPayment) {
		err = nil
	}
	return at, err
}

// GoOn has an invoice go on until it waits for something, or an error.
func (c *Collector) GoOn(ctx context.Context, tenant ledger.Tenant, id string) error {
	for {
		more, err := c.Step(ctx, tenant, id)
		if err != nil || !more {
			return err
		}
	}
}

// Preview is how an invoice that waits for a payment method would be split as it looks
// now. What counts is what the wallet has when it is tried.
func (c *Collector) Preview(ctx context.Context, i *Invoice) (billing.Tender, error) {
	now := c.now()
	currency := i.Collection.Currency
	customer, err := c.store.Customer(ctx, i.Tenant, i.CustomerID)
	if err != nil {
		return billing.Tender{}, err
	}
	list, err := c.store.Wallets(ctx, i.Tenant, i.CustomerID, now)
	if err != nil {
		return billing.Tender{}, err
	}
	var available money.Amount
	for w := range list.Wallets {
		if list.Wallets[w].Currency == currency && customer.Freezes.Refuse(currency, ledger.Debit) == nil {
			available = list.Wallets[w].Available(list.Chain.At(now))
		}
	}
	return billing.PlanTender(i.Collection.Total, available, i.Collection.Policy.Tender)
}
