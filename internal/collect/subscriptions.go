package collect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
	_ "time/tzdata" // a machine without a database of zones bills as any other does

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// Subscriptions is the kind of object that a subscription is.
const Subscriptions ledger.ObjectKind = "subscription"

// SubscriptionIDPrefix begins the id of every subscription.
const SubscriptionIDPrefix = "sub_"

// Subscription is one as it is kept, with what its invoices are made with.
type Subscription struct {
	Tenant     ledger.Tenant `json:"-"`
	CustomerID string        `json:"-"`
	Clock      time.Time     `json:"-"` // see [ledger.Object]

	billing.Subscription

	// Policy is what the business has set about collecting, as of subscribing. Its retries
	// are for periods; what else is billed is tried once.
	Policy        billing.Policy  `json:"policy"`
	Name          string          `json:"name,omitempty"` // of the product, for the lines
	Billing       Address         `json:"billing,omitzero"`
	Metadata      json.RawMessage `json:"metadata,omitempty"` // an object in canonical form
	DefaultAlerts ledger.Alerts   `json:"default_alerts"`
}

func (s *Subscription) key() ledger.ObjectKey {
	return ledger.ObjectKey{Kind: Subscriptions, ID: s.ID}
}

// put adds the subscription as it is now to a change, with one event for each thing that
// is told of it.
func (s *Subscription) put(
	change *ledger.Change, snapshot *ledger.Snapshot, told []billing.SubscriptionEvent, m ledger.Moment,
) error {
	data, err := encode(s)
	if err != nil {
		return err
	}
	object := ledger.Object{ObjectKey: s.key(), State: string(s.Status), DueAt: s.DueAt(), Data: string(data)}
	if len(told) == 0 {
		return change.Put(snapshot, object, "", "", m.Now)
	}
	for _, event := range told {
		what, err := encode(struct {
			SubscriptionID string                     `json:"subscription_id"`
			Status         billing.SubscriptionStatus `json:"status"`
			Period         int64                      `json:"period"`
			PayloadType    string                     `json:"payload_type"`
		}{s.ID, s.Status, s.Current.Number, "Subscription"})
		if err != nil {
			return err
		}
		if err := change.Put(snapshot, object, ledger.EventKind(event), string(what), m.Now); err != nil {
			return err
		}
	}
	return nil
}

func decodeSubscription(object *ledger.Object) (*Subscription, error) {
	s := &Subscription{Tenant: object.Tenant, CustomerID: object.CustomerID, Clock: object.Clock}
	if err := json.Unmarshal([]byte(object.Data), s); err != nil {
		return nil, fmt.Errorf("subscription %s does not decode: %w", object.ID, err)
	}
	return s, nil
}

// zones are those that were looked up. There are some 600.
var zones sync.Map

// zoneOf is a zone by its name. An invoice that is for no subscription names none, which
// is UTC.
func zoneOf(name string) (*time.Location, error) {
	if zone, ok := zones.Load(name); ok {
		return zone.(*time.Location), nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, ledger.FieldErrorf(billing.CodeInvalidSubscription, "zone", "%q is not a time zone of the IANA database", name)
	}
	zones.Store(name, zone)
	return zone, nil
}

// NewSubscriptionID returns an id for a subscription.
func (c *Collector) NewSubscriptionID() string { return c.book.NewID(SubscriptionIDPrefix) }

// Subscribe begins a subscription, with its first invoice if it has one. The same one is
// made once: a repeat finds it as it is.
func (c *Collector) Subscribe(ctx context.Context, s Subscription, in billing.Subscribe) (*Subscription, error) {
	return c.decideSubscription(ctx, &s, in)
}

// Subscription returns a subscription as it is.
func (c *Collector) Subscription(ctx context.Context, tenant ledger.Tenant, id string) (*Subscription, error) {
	object, err := c.store.Object(ctx, tenant, ledger.ObjectKey{Kind: Subscriptions, ID: id})
	if err != nil {
		return nil, err
	}
	return decodeSubscription(&object)
}

// DecideSubscription carries out what becomes of a subscription when something happens
// to it, and returns it as it is then. The subscription is one that was read; what counts
// is what it is in the decision.
func (c *Collector) DecideSubscription(
	ctx context.Context, s *Subscription, input billing.SubscriptionInput,
) (after *Subscription, err error) {
	for range triesMax {
		after, err = c.decideSubscription(ctx, s, input)
		if !errors.Is(err, errMoved) {
			return after, err
		}
		if s, err = c.Subscription(ctx, s.Tenant, s.ID); err != nil {
			return nil, err
		}
	}
	return nil, ledger.Errorf(ledger.CodeOverloaded, "subscription %s changes all the time; try again", s.ID)
}

// renewed is a decision about a subscription that is being made.
type renewed struct {
	scope     ledger.Scope
	m         ledger.Moment
	zone      *time.Location
	invoiceID string // of the invoice that may be made
	open      string // of the one that was open when the subscription was read, empty for none
	made      *Subscription
	input     billing.SubscriptionInput
}

func (c *Collector) decideSubscription(
	ctx context.Context, s *Subscription, input billing.SubscriptionInput,
) (*Subscription, error) {
	zone, err := zoneOf(s.Zone)
	if err != nil {
		return nil, err
	}
	d := renewed{m: c.moment(), input: input, made: s, zone: zone}
	d.invoiceID = ledger.NewID(InvoiceIDPrefix, d.m.Now, [2]uint64{d.m.Random, c.random()})
	d.scope = ledger.Scope{
		Tenant: s.Tenant, CustomerID: s.CustomerID, Currency: s.Currency, At: d.m.Now,
		Objects: []ledger.ObjectKey{s.key(), {Kind: Invoices, ID: d.invoiceID}},
	}
	if s.Owes != nil && !s.Owes.PastDue {
		d.open = s.Owes.InvoiceID
		invoice, err := c.Invoice(ctx, s.Tenant, d.open)
		if err != nil {
			return nil, err
		}
		d.scope.Hold = invoice.Collection.HoldID
		d.scope.Objects = append(d.scope.Objects, invoice.key())
	} else {
		d.scope.Need, d.scope.Partial = s.need(input), true
	}
	var after atomic.Pointer[Subscription] // a store may decide once more when nobody waits any longer
	_, err = c.store.Transact(ctx, d.scope, func(snapshot ledger.Snapshot) (ledger.Change, error) {
		change, decided, err := d.decide(snapshot)
		after.Store(decided)
		return change, err
	})
	if err != nil {
		return nil, err
	}
	return after.Load(), nil
}

// need is what a bill may take of the wallet in the commit that makes it.
func (s *Subscription) need(input billing.SubscriptionInput) money.Amount {
	need := s.Plan.Total()
	if s.Waiting != nil {
		need = max(need, s.Waiting.Plan.Total())
	}
	if charge, ok := input.(billing.ChargeOnDemand); ok {
		need = max(need, charge.Amount)
	}
	return min(max(need, 0), money.EntryMax)
}

// decide is pure.
func (d *renewed) decide(s ledger.Snapshot) (change ledger.Change, after *Subscription, err error) {
	none := ledger.Change{Replayed: true, Wallet: s.Wallet}
	_, begins := d.input.(billing.Subscribe)
	object := s.Object(d.scope.Objects[0])
	switch {
	case object == nil && !begins:
		return none, nil, ledger.Errorf(ledger.CodeNotFound, "there is no such subscription")
	case object == nil:
		made := *d.made
		after = &made
	default:
		if after, err = decodeSubscription(object); err != nil || begins {
			return none, after, err
		}
	}
	if owes := after.Owes; owes != nil && !owes.PastDue && owes.InvoiceID != d.open {
		return none, nil, errMoved
	}
	now := s.Chain.At(d.m.Now)
	around := billing.Around{Now: now, Zone: d.zone, InvoiceID: d.invoiceID}
	step, err := billing.DecideSubscription(after.Subscription, d.input, around)
	if err != nil || step.Subscription.Version == after.Version {
		return none, after, err
	}
	after.Subscription = step.Subscription
	change, invoice, err := d.carryOut(&s, after, &step, now)
	if err != nil {
		return none, nil, err
	}
	told := step.Events
	if invoice != nil {
		if step.Bill != nil && invoice.Collection.State == billing.Paid {
			paid, err := billing.DecideSubscription(after.Subscription, billing.InvoicePaid{InvoiceID: d.invoiceID}, around)
			if err != nil {
				return none, nil, err
			}
			after.Subscription, told = paid.Subscription, append(told, paid.Events...)
		}
		if err := invoice.put(&change, &s, now); err != nil {
			return none, nil, err
		}
	}
	return change, after, after.put(&change, &s, told, d.m)
}

// put adds the invoice as it is now to a change, with what is told of its payment.
func (i *Invoice) put(change *ledger.Change, snapshot *ledger.Snapshot, now time.Time) error {
	before := &Invoice{Collection: billing.Collection{State: billing.Finalized}}
	if object := snapshot.Object(i.key()); object != nil {
		var err error
		if before, err = decode(object); err != nil {
			return err
		}
	} else {
		i.CreatedAt = now
	}
	i.UpdatedAt = now
	if i.Collection.State == billing.Paid && before.Collection.State != billing.Paid {
		i.PaidAt = now
	}
	next, err := i.object(now)
	if err != nil {
		return err
	}
	kind, data, err := i.told(before, &snapshot.Customer)
	if err != nil {
		return err
	}
	return change.Put(snapshot, next, kind, data, now)
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

// unused is what a plan had left when it was changed.
var unused = ledger.Purpose{EventType: ledger.EventRefund, Account: ledger.AccountRevenue}

var reasons = map[billing.BillReason]Reason{
	billing.BillPeriod: ForPeriod, billing.BillPlanChange: ForPlanChange, billing.BillCharge: ForCharge,
}

// invoice is the one that a bill asks for.
func (s *Subscription) invoice(bill *billing.Bill) *Invoice {
	invoice := &Invoice{
		Tenant: s.Tenant, CustomerID: s.CustomerID, Reason: reasons[bill.Reason], SubscriptionID: s.ID, Period: bill.Period,
		Zone: s.Zone, Billing: s.Billing, Metadata: s.Metadata, Method: s.Method, DefaultAlerts: s.DefaultAlerts,
		Collection: billing.Collection{
			InvoiceID: bill.InvoiceID, Currency: s.Currency, Total: bill.Total, Policy: s.Policy, State: billing.Finalized,
		},
	}
	if !bill.Retries {
		invoice.Collection.Policy.Retries = nil
	}
	for _, line := range bill.Lines {
		item := Item{Line: line, ProductID: line.ID, Name: s.Name}
		if bill.Reason == billing.BillPeriod {
			item.Quantity = s.Plan.Quantity
		}
		invoice.Items = append(invoice.Items, item)
	}
	return invoice
}

// follow has the subscription of an invoice follow what became of that, in the same
// commit.
func follow(
	s *ledger.Snapshot, change *ledger.Change, invoice *Invoice, events []billing.Event, zone *time.Location,
	m ledger.Moment,
) error {
	of, err := subscriptionOf(s, invoice)
	if of == nil || err != nil {
		return err
	}
	id, version := invoice.Collection.InvoiceID, of.Version
	var told []billing.SubscriptionEvent
	for _, event := range events {
		var input billing.SubscriptionInput
		switch event.Kind {
		case billing.EventPaid:
			input = billing.InvoicePaid{InvoiceID: id}
		case billing.EventTryFailed:
			input = billing.InvoiceTryFailed{InvoiceID: id}
		case billing.EventPastDue:
			input = billing.InvoicePastDue{InvoiceID: id}
		case billing.EventVoid:
			input = billing.InvoiceVoid{InvoiceID: id}
		default:
			continue
		}
		step, err := billing.DecideSubscription(of.Subscription, input, billing.Around{Now: s.Chain.At(m.Now), Zone: zone})
		if err != nil {
			return err
		}
		of.Subscription, told = step.Subscription, append(told, step.Events...)
	}
	if of.Version == version {
		return nil
	}
	return of.put(change, s, told, m)
}

// subscriptionOf is the one that an invoice is for, nil where it is for none.
func subscriptionOf(s *ledger.Snapshot, invoice *Invoice) (*Subscription, error) {
	object := s.Object(ledger.ObjectKey{Kind: Subscriptions, ID: invoice.SubscriptionID})
	if object == nil {
		return nil, nil
	}
	return decodeSubscription(object)
}

// Renew does what is due about a subscription that was read, and goes on until nothing
// is.
func (c *Collector) Renew(ctx context.Context, s *Subscription) error {
	for {
		due := s.DueAt()
		if due.IsZero() || c.at(s.Clock).Before(due) {
			return nil
		}
		after, err := c.DecideSubscription(ctx, s, billing.PeriodDue{})
		if err != nil || after.Version == s.Version {
			return err
		}
		s = after
	}
}
