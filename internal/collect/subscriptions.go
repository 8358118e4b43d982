package collect

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"
	_ "time/tzdata" // a machine without a database of zones bills as any other does

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
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
	// An invoice waits for a payment method, where there is none, if it is the first.
	Policy        billing.Policy  `json:"policy"`
	Products      []Sold          `json:"products,omitempty"` // of its plan and of changes that wait
	Billing       Address         `json:"billing,omitzero"`
	Metadata      json.RawMessage `json:"metadata,omitempty"` // an object in canonical form
	DefaultAlerts ledger.Alerts   `json:"default_alerts"`

	// MethodID and Card are what is shown of the payment method.
	MethodID string `json:"method_id,omitempty"`
	Card     Card   `json:"card,omitzero"`

	BusinessName string `json:"customer_business_name,omitempty"`
	TaxID        string `json:"tax_id,omitempty"`
	ChangeID     string `json:"change_id,omitempty"` // of the change of plan that waits for the next period

	// Why it is cancelled, or going to be.
	CancelReason   string `json:"cancel_reason,omitempty"`
	CancelFeedback string `json:"cancellation_feedback,omitempty"`
	CancelComment  string `json:"cancellation_comment,omitempty"`

	kept string // what it was decoded of, empty where it was not
}

// Sold is what a product was called when it was subscribed to.
type Sold struct {
	ProductID   string `json:"product_id"`
	Name        string `json:"name,omitempty"`
	Description string `json:"description,omitempty"`
}

// Sell has a product known for a plan, as it is called now.
func (s *Subscription) Sell(product Sold) {
	s.Products = append(slices.DeleteFunc(slices.Clone(s.Products), func(p Sold) bool {
		return p.ProductID == product.ProductID
	}), product)
}

// sold is what a product is called.
func (s *Subscription) sold(productID string) Sold {
	for _, product := range s.Products {
		if product.ProductID == productID {
			return product
		}
	}
	return Sold{ProductID: productID}
}

// PayBy has the subscription paid by a method.
func (s *Subscription) PayBy(method Method) {
	s.Method, s.MethodID, s.Card = method.Token, method.ID, method.Card
}

// tidy forgets the products that no plan is for.
func (s *Subscription) tidy() {
	s.Products = slices.DeleteFunc(slices.Clone(s.Products), func(p Sold) bool {
		return p.ProductID != s.Plan.ProductID && (s.Pending == nil || p.ProductID != s.Pending.Plan.ProductID) &&
			(s.Waiting == nil || p.ProductID != s.Waiting.Plan.ProductID)
	})
	if s.Waiting == nil {
		s.ChangeID = ""
	}
}

func (s *Subscription) key() ledger.ObjectKey {
	return ledger.ObjectKey{Kind: Subscriptions, ID: s.ID}
}

// subscriptionMax is how many bytes a subscription has at the most, so that an event about
// it has room for its customer.
const subscriptionMax = 96 << 10

// put adds the subscription as it is now to a change, with one event for each thing that
// is told of it. The invoice is the one that it is about, nil for none.
func (s *Subscription) put(
	change *ledger.Change, snapshot *ledger.Snapshot, told []billing.SubscriptionEvent, about *Invoice, m ledger.Moment,
) error {
	s.tidy()
	data, err := encode(s)
	if err != nil {
		return err
	}
	object := ledger.Object{ObjectKey: s.key(), State: string(s.Status), DueAt: s.DueAt(), Data: string(data)}
	if len(told) == 0 {
		return change.Put(snapshot, object, "", "", m.Now)
	}
	for _, event := range told {
		what, err := s.told(event, about, &snapshot.Customer, snapshot.Chain.At(m.Now))
		if err != nil {
			return err
		}
		if err := change.Put(snapshot, object, ledger.EventKind(event), what, m.Now); err != nil {
			return err
		}
	}
	return nil
}

// SubscriptionOf is the subscription that an object keeps.
func SubscriptionOf(object *ledger.Object) (*Subscription, error) { return decodeSubscription(object) }

func decodeSubscription(object *ledger.Object) (*Subscription, error) {
	s := &Subscription{Tenant: object.Tenant, CustomerID: object.CustomerID, Clock: object.Clock, kept: object.Data}
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

// Subscription returns a subscription as it is.
func (c *Collector) Subscription(ctx context.Context, tenant ledger.Tenant, id string) (*Subscription, error) {
	object, err := c.store.Object(ctx, tenant, ledger.ObjectKey{Kind: Subscriptions, ID: id})
	if err != nil {
		return nil, err
	}
	return decodeSubscription(&object)
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

// unused is what a plan had left when it was changed.
var unused = ledger.Purpose{EventType: ledger.EventRefund, Account: ledger.AccountRevenue}

var reasons = map[billing.BillReason]Reason{
	billing.BillPeriod: ForPeriod, billing.BillPlanChange: ForPlanChange, billing.BillCharge: ForCharge,
}

// invoice is the one that a bill asks for.
func (s *Subscription) invoice(bill *billing.Bill) *Invoice {
	invoice := &Invoice{
		Tenant: s.Tenant, CustomerID: s.CustomerID, Reason: reasons[bill.Reason], SubscriptionID: s.ID, Period: bill.Period,
		Zone: s.Zone, Billing: s.Billing, Metadata: s.Metadata, Method: s.Method, MethodID: s.MethodID, Card: s.Card,
		DefaultAlerts: s.DefaultAlerts,
		Collection: billing.Collection{
			InvoiceID: bill.InvoiceID, Currency: s.Currency, Total: bill.Total, Policy: s.Policy, State: billing.Finalized,
		},
	}
	if !bill.Retries {
		invoice.Collection.Policy.Retries = nil
	}
	if s.Status != billing.SubscriptionPending {
		invoice.Collection.Policy.MethodWithin = 0
	}
	for _, line := range bill.Lines {
		product := s.sold(line.ID)
		item := Item{Line: line, ProductID: line.ID, Name: product.Name, Description: product.Description, Quantity: 1}
		switch {
		case bill.Reason == billing.BillPeriod:
			item.Quantity = s.Plan.Quantity
		case s.Pending != nil && line.Amount > 0:
			item.Quantity = s.Pending.Plan.Quantity
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
	return of.put(change, s, told, invoice, m)
}

// subscriptionOf is the one that an invoice is for, nil where it is for none.
func subscriptionOf(s *ledger.Snapshot, invoice *Invoice) (*Subscription, error) {
	object := s.Object(ledger.ObjectKey{Kind: Subscriptions, ID: invoice.SubscriptionID})
	if object == nil {
		return nil, nil
	}
	return decodeSubscription(object)
}
