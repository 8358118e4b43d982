package collect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// CodeMethodRemoved refuses to subscribe by a payment method that was removed meanwhile.
const CodeMethodRemoved ledger.Code = ledger.CodeNotFound

// SubscriptionOrder is what is wished of a subscription, with what goes with it. All of it
// is one commit.
type SubscriptionOrder struct {
	// Input is what happens to it, nil for nothing but what Amend does.
	Input billing.SubscriptionInput

	// Amend changes what is kept beside what the rules are about, nil for nothing. It is
	// pure, and comes before an invoice is made.
	Amend func(*Subscription)

	// Terms are those of the invoice, should there be one.
	Terms BillTerms

	// MethodID is that of a payment method of the customer that has to be there still,
	// empty for none.
	MethodID string

	// Request is the one that asked for it, nil where it has no key. Answer makes of what
	// came of it what is answered; it is pure. A repeat finds the first answer.
	Request *Request
	Answer  func(*SubscriptionOutcome) []byte
}

// BillTerms are what a request says about an invoice of a subscription beside its amount.
type BillTerms struct {
	Metadata    json.RawMessage // of the payment, nil for that of the subscription
	Description string          // of the lines, empty for that of the product
	ReturnURL   string          // where the customer goes on to from the page on which they pay
	LeaveWallet bool            // the wallet is not to pay
	Purchase    bool            // the card may pay the processor's minimum, and the wallet gets what is too much
}

// Apply has the tender rules of an invoice be as the terms say.
func (t *BillTerms) Apply(rules *billing.TenderRules) {
	rules.LeaveWallet = rules.LeaveWallet || t.LeaveWallet
	if t.Purchase {
		rules.Below = billing.ChargeMinimum
	}
}

func (t *BillTerms) apply(invoice *Invoice) {
	t.Apply(&invoice.Collection.Policy.Tender)
	if t.Metadata != nil {
		invoice.Metadata = t.Metadata
	}
	if t.ReturnURL != "" {
		invoice.ReturnURL = t.ReturnURL
	}
	for i := range invoice.Items {
		if t.Description != "" {
			invoice.Items[i].Description = t.Description
		}
	}
}

// SubscriptionOutcome is what came of an order.
type SubscriptionOutcome struct {
	Subscription *Subscription // as it is now, nil where the request was carried out before
	Invoice      *Invoice      // that was made, hurried or made void with it, nil for none
	Customer     ledger.Customer
	At           time.Time

	Answer   json.RawMessage // to the request, nil where nobody asked for one
	Replayed bool            // a repeat: the answer is the first
}

// Subscribe begins a subscription, with its first invoice if it has one. The same one is
// made once: a repeat finds it as it is.
func (c *Collector) Subscribe(ctx context.Context, s Subscription, in billing.Subscribe) (*Subscription, error) {
	outcome, err := c.OrderSubscription(ctx, &s, SubscriptionOrder{Input: in})
	if err != nil {
		return nil, err
	}
	return outcome.Subscription, nil
}

// DecideSubscription carries out what becomes of a subscription when something happens
// to it, and returns it as it is then. The subscription is one that was read; what counts
// is what it is in the decision.
func (c *Collector) DecideSubscription(
	ctx context.Context, s *Subscription, input billing.SubscriptionInput,
) (*Subscription, error) {
	outcome, err := c.OrderSubscription(ctx, s, SubscriptionOrder{Input: input})
	if err != nil {
		return nil, err
	}
	return outcome.Subscription, nil
}

// OrderSubscription carries out what is wished of a subscription that was read, or makes
// it.
func (c *Collector) OrderSubscription(
	ctx context.Context, s *Subscription, order SubscriptionOrder,
) (outcome *SubscriptionOutcome, err error) {
	for range triesMax {
		outcome, err = c.orderSubscription(ctx, s, &order)
		if !errors.Is(err, errMoved) {
			return outcome, err
		}
		if s, err = c.Subscription(ctx, s.Tenant, s.ID); err != nil {
			return nil, err
		}
	}
	return nil, ledger.Errorf(ledger.CodeOverloaded, "subscription %s changes all the time; try again", s.ID)
}

// renewed is a decision about a subscription that is being made.
type renewed struct {
	*SubscriptionOrder
	scope     ledger.Scope
	m         ledger.Moment
	zone      *time.Location
	invoiceID string // of the invoice that may be made
	open      string // of the one that was open when the subscription was read, empty for none
	made      *Subscription
	untouched bool                                // what was read is in made as it was decoded
	outcome   atomic.Pointer[SubscriptionOutcome] // a store may decide once more when nobody waits any longer
}

func (c *Collector) orderSubscription(
	ctx context.Context, s *Subscription, order *SubscriptionOrder,
) (*SubscriptionOutcome, error) {
	d, err := c.prepare(ctx, s, order)
	if err != nil {
		return nil, err
	}
	if _, err = c.store.Transact(ctx, d.scope, d.transact); err != nil {
		return nil, err
	}
	return d.outcome.Load(), nil
}

// prepare says what an order has to see of the customer.
func (c *Collector) prepare(ctx context.Context, s *Subscription, order *SubscriptionOrder) (*renewed, error) {
	zone, err := zoneOf(s.Zone)
	if err != nil {
		return nil, err
	}
	d := &renewed{SubscriptionOrder: order, m: c.moment(), made: s, zone: zone}
	d.invoiceID = ledger.NewID(InvoiceIDPrefix, d.m.Now, [2]uint64{d.m.Random, c.random()})
	d.scope = ledger.Scope{
		Tenant: s.Tenant, CustomerID: s.CustomerID, Currency: s.Currency, At: d.m.Now,
		Objects: []ledger.ObjectKey{s.key(), {Kind: Invoices, ID: d.invoiceID}},
	}
	if order.Request != nil {
		d.scope.Objects = append(d.scope.Objects, order.Request.object())
	}
	if order.MethodID != "" {
		d.scope.Objects = append(d.scope.Objects, ledger.ObjectKey{Kind: Methods, ID: order.MethodID})
	}
	if !s.hasOpen() {
		d.scope.Need, d.scope.Partial = s.need(order.Input), true
		return d, nil
	}
	d.open = s.Owes.InvoiceID
	invoice, err := c.Invoice(ctx, s.Tenant, d.open)
	if err != nil {
		return nil, err
	}
	d.scope.Hold = invoice.Collection.HoldID
	d.scope.Objects = append(d.scope.Objects, invoice.key())
	return d, nil
}

// hasOpen reports whether the subscription has an invoice that may still be paid.
func (s *Subscription) hasOpen() bool { return s.Owes != nil && !s.Owes.PastDue }

// transact is the decision as a store wants it.
func (d *renewed) transact(s ledger.Snapshot) (ledger.Change, error) {
	change, decided, err := d.decide(s)
	d.outcome.Store(decided)
	return change, err
}

// need is what a bill may take of the wallet in the commit that makes it.
func (s *Subscription) need(input billing.SubscriptionInput) money.Amount {
	need := s.Plan.Total()
	if s.Waiting != nil {
		need = max(need, s.Waiting.Plan.Total())
	}
	switch input := input.(type) {
	case billing.ChargeOnDemand:
		need = max(need, input.Amount)
	case billing.ChangePlan:
		need = max(need, input.Plan.Total())
	case billing.Subscribe:
		if input.Price != nil {
			need = max(need, *input.Price)
		}
	}
	return min(max(need, 0), money.EntryMax)
}

// decide is pure.
func (d *renewed) decide(s ledger.Snapshot) (ledger.Change, *SubscriptionOutcome, error) {
	none := ledger.Change{Replayed: true, Wallet: s.Wallet}
	if d.Request != nil {
		if object := s.Object(d.Request.object()); object != nil {
			outcome, err := d.repeated(object)
			return none, outcome, err
		}
	}
	_, begins := d.Input.(billing.Subscribe)
	object := s.Object(d.scope.Objects[0])
	outcome := &SubscriptionOutcome{Customer: s.Customer, At: s.Chain.At(d.m.Now)}
	switch {
	case object == nil && !begins:
		return none, nil, ledger.Errorf(ledger.CodeNotFound, "there is no such subscription")
	case object == nil:
		made := *d.made
		outcome.Subscription = &made
	default:
		found, err := d.asRead(object)
		if outcome.Subscription = found; err != nil || begins {
			return none, outcome, err
		}
	}
	if now := outcome.Subscription; now.hasOpen() && now.Owes.InvoiceID != d.open {
		return none, nil, errMoved
	}
	if err := d.methodThere(&s); err != nil {
		return none, nil, err
	}
	change, changed, err := d.change(&s, outcome)
	if err != nil {
		return none, nil, err
	}
	if d.Request != nil {
		outcome.Answer = d.Answer(outcome)
		kept := *d.Request
		kept.Made, kept.Answer = outcome.Subscription.ID, outcome.Answer
		changed = true
		err = putRequest(&change, &s, kept, d.m.Now)
	}
	if !changed {
		return none, outcome, nil
	}
	return change, outcome, err
}

// asRead is what an object keeps. It is not decoded once more if it is as it was when it
// was read. Nothing that is decided changes what a subscription points to.
func (d *renewed) asRead(object *ledger.Object) (*Subscription, error) {
	if !d.untouched || d.made.kept != object.Data {
		return decodeSubscription(object)
	}
	found := *d.made
	found.Clock = object.Clock
	return &found, nil
}

// repeated is the outcome of a request that was carried out before.
func (d *renewed) repeated(object *ledger.Object) (*SubscriptionOutcome, error) {
	if _, err := d.Request.repeats(object); err != nil {
		return nil, err
	}
	first, err := requestOf(object)
	return &SubscriptionOutcome{Answer: first.Answer, Replayed: true}, err
}

// methodThere refuses a payment method that was removed meanwhile.
func (d *renewed) methodThere(s *ledger.Snapshot) error {
	if d.MethodID == "" {
		return nil
	}
	object := s.Object(ledger.ObjectKey{Kind: Methods, ID: d.MethodID})
	if object == nil || object.State == methodRemoved {
		return ledger.Errorf(CodeMethodRemoved, "the customer has no such payment method")
	}
	return nil
}

// change decides, and carries out what was decided.
func (d *renewed) change(s *ledger.Snapshot, outcome *SubscriptionOutcome) (ledger.Change, bool, error) {
	none := ledger.Change{Wallet: s.Wallet}
	after, now := outcome.Subscription, outcome.At
	around := billing.Around{Now: now, Zone: d.zone, InvoiceID: d.invoiceID}
	version, step := after.Version, billing.SubscriptionStep{Subscription: after.Subscription}
	if d.Input != nil {
		var err error
		if step, err = billing.DecideSubscription(after.Subscription, d.Input, around); err != nil {
			return none, false, err
		}
	}
	after.Subscription = step.Subscription
	amended, err := d.amend(after)
	if err != nil || !amended && after.Version == version {
		return none, false, err
	}
	change, invoice, err := d.carryOut(s, after, &step, now)
	if err != nil {
		return none, false, err
	}
	told := step.Events
	if invoice != nil {
		if step.Bill != nil && invoice.Collection.State == billing.Paid {
			paid, err := billing.DecideSubscription(after.Subscription, billing.InvoicePaid{InvoiceID: d.invoiceID}, around)
			if err != nil {
				return none, false, err
			}
			after.Subscription, told = paid.Subscription, append(told, paid.Events...)
		}
		if err := invoice.put(&change, s, now); err != nil {
			return none, false, err
		}
	}
	if len(told) == 0 && amended {
		told = append(told, d.amendment())
	}
	outcome.Invoice = invoice
	return change, true, after.put(&change, s, told, invoice, d.m)
}

// amend does what the order amends, and reports whether that is anything.
func (d *renewed) amend(after *Subscription) (bool, error) {
	if d.Amend == nil {
		return false, nil
	}
	before, err := encode(after)
	if err != nil {
		return false, err
	}
	d.Amend(after)
	data, err := encode(after)
	if err == nil && len(data) > subscriptionMax {
		err = ledger.Errorf(ledger.CodeLimitReached,
			"the subscription would have %d bytes, and may have %d: shorten its metadata and descriptions", len(data), subscriptionMax)
	}
	return !bytes.Equal(before, data), err
}

// amendment is as what it is told that something was amended and nothing else happened.
func (d *renewed) amendment() billing.SubscriptionEvent {
	if _, method := d.Input.(billing.UpdateMethod); method {
		return billing.TellMethod
	}
	return billing.TellUpdated
}

// carryOut moves the money of a step, and returns the invoice that it made or changed,
// nil for none. A bill that the wallet covers is paid at once; any other invoice goes its
// own way from now on.
func (d *renewed) carryOut(
	s *ledger.Snapshot, of *Subscription, step *billing.SubscriptionStep, now time.Time,
) (change ledger.Change, invoice *Invoice, err error) {
	change = ledger.Change{Wallet: s.Wallet}
	var input billing.Input
	switch {
	case step.Credit > 0:
		change, err = ledger.Post(*s, &ledger.PostRequest{
			Tenant: of.Tenant, CustomerID: of.CustomerID, Currency: of.Currency, Amount: step.Credit, Direction: ledger.Credit,
			Purpose: unused, ReferenceObjectID: of.ID, CreatedBy: creator, CurrencyEnabled: true, DefaultAlerts: of.DefaultAlerts,
		}, d.m)
		return change, nil, err
	case step.Bill != nil:
		invoice = of.invoice(step.Bill)
		d.Terms.apply(invoice)
		covered := available(s, invoice.Collection.Total, now)
		if s.Hold != nil || invoice.Collection.Total > min(covered, d.scope.Need) {
			return change, invoice, nil
		}
		input = billing.Begin{Available: covered}
	case step.Void != "":
		input = billing.Cancel{}
	case step.Hurry != "":
		input = billing.Hurry{}
	default:
		return change, nil, nil
	}
	if step.Bill == nil {
		if invoice, err = d.opened(s); err != nil {
			return change, nil, err
		}
	}
	next, err := billing.Decide(invoice.Collection, input, now)
	if err != nil || step.Bill != nil && next.Collection.State != billing.Paid {
		return change, invoice, err // the wallet is to be left alone
	}
	invoice.Collection = next.Collection
	change, err = move(*s, invoice, next.Moves, d.m)
	return change, invoice, err
}

// opened is the invoice that was open when the subscription was read.
func (d *renewed) opened(s *ledger.Snapshot) (*Invoice, error) {
	object := s.Object(ledger.ObjectKey{Kind: Invoices, ID: d.open})
	if object == nil {
		return nil, ledger.Errorf(ledger.CodeInternal, "invoice %s of a subscription is not there", d.open)
	}
	invoice, err := decode(object)
	if err == nil && invoice.Collection.HoldID != d.scope.Hold {
		err = errMoved
	}
	return invoice, err
}
