package collect

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/processor"
)

// Invoices is the kind of object that an invoice is.
const Invoices ledger.ObjectKind = "invoice"

// Reason is what an invoice is for.
type Reason string

const (
	ForPayment    Reason = "payment"     // products that are paid for once
	ForTopUp      Reason = "top_up"      // money for the wallet, which the wallet cannot pay itself
	ForPeriod     Reason = "period"      // a period of a subscription
	ForPlanChange Reason = "plan_change" // what a change of a subscription's plan costs at once
	ForCharge     Reason = "charge"      // what an on-demand subscription is charged
)

// Item is a line of an invoice with what it is for.
type Item struct {
	billing.Line
	ProductID   string `json:"product_id,omitempty"`
	Name        string `json:"name,omitempty"`
	Description string `json:"description,omitempty"`
	Quantity    int64  `json:"quantity,omitempty"`
}

// Address is where a customer is billed, in the words of the wire.
type Address struct {
	Country string `json:"country"` // ISO 3166-1 alpha-2
	City    string `json:"city,omitempty"`
	State   string `json:"state,omitempty"`
	Street  string `json:"street,omitempty"`
	Zipcode string `json:"zipcode,omitempty"`
}

// Invoice is one that is to be paid, as it is kept. The payment of the published API
// is a face of it: both ids have the same 21 characters behind "inv_" and "pay_".
type Invoice struct {
	Tenant     ledger.Tenant `json:"-"`
	CustomerID string        `json:"-"`
	CreatedAt  time.Time     `json:"-"`
	UpdatedAt  time.Time     `json:"-"` // when it last changed
	Clock      time.Time     `json:"-"` // see [ledger.Object]

	Reason Reason `json:"reason"`
	Items  []Item `json:"items"` // what they are charged sums to the collection's total

	// SubscriptionID and Period say which period of which subscription it is for, with 0
	// for the first; empty where it is for none.
	SubscriptionID string `json:"subscription_id,omitempty"`
	Period         int64  `json:"period,omitempty"`
	Zone           string `json:"zone,omitempty"` // of the subscription

	Billing  Address         `json:"billing,omitzero"`
	Metadata json.RawMessage `json:"metadata,omitempty"` // an object in canonical form

	// ReturnURL is where the customer goes on after paying on a hosted page, empty for
	// nowhere; see [ReturnURL].
	ReturnURL string `json:"return_url,omitempty"`

	// Method is the customer's payment method as the processor knows it, empty where there
	// is none. MethodID and Card are what is shown of it.
	Method   string `json:"method"`
	MethodID string `json:"method_id,omitempty"`
	Card     Card   `json:"card,omitzero"`

	// TopUp is what the wallet gets for the total, of an invoice [ForTopUp].
	TopUp TopUp `json:"top_up,omitzero"`

	// DefaultAlerts are the thresholds that the business gives to wallets without their
	// own, as of when the invoice was made.
	DefaultAlerts ledger.Alerts `json:"default_alerts"`

	Collection billing.Collection `json:"collection"`

	// Debit is the id of the entry by which the wallet paid its part, empty where it paid
	// nothing, and Promotional what of it came from lots of promotional money. PaidAt is when
	// all was paid, and Refunds are those of the payment, oldest first: whoever makes one
	// sees all others under the lock of the customer.
	Debit       string           `json:"debit,omitempty"`
	Promotional money.Amount     `json:"promotional,omitempty"`
	PaidAt      time.Time        `json:"paid_at,omitzero"`
	Refunds     []billing.Refund `json:"refunds,omitempty"`
}

func (i *Invoice) key() ledger.ObjectKey {
	return ledger.ObjectKey{Kind: Invoices, ID: i.Collection.InvoiceID}
}

// object is the invoice as it is kept, with the time at which something is to be done
// about it.
func (i *Invoice) object(now time.Time) (ledger.Object, error) {
	data, err := encode(i)
	object := ledger.Object{ObjectKey: i.key(), State: string(i.Collection.State), Data: string(data)}
	switch task := billing.Next(&i.Collection, now); task.Do {
	case billing.DoNothing:
	case billing.DoWait:
		object.DueAt = task.At
	default:
		object.DueAt = now
	}
	return object, err
}

// InvoiceOf is the invoice that an object keeps.
func InvoiceOf(object *ledger.Object) (*Invoice, error) { return decode(object) }

func decode(object *ledger.Object) (*Invoice, error) {
	invoice := &Invoice{
		Tenant: object.Tenant, CustomerID: object.CustomerID, CreatedAt: object.CreatedAt, UpdatedAt: object.UpdatedAt,
		Clock: object.Clock,
	}
	if err := json.Unmarshal([]byte(object.Data), invoice); err != nil {
		return nil, fmt.Errorf("invoice %s does not decode: %w", object.ID, err)
	}
	return invoice, nil
}

// Collector has invoices paid.
type Collector struct {
	store      ledger.Store
	book       *ledger.Book
	processors Processors
	now        func() time.Time
	random     func() uint64
}

// New returns a collector whose invoices are all charged by one processor. Now and
// random are those of [ledger.NewBook].
func New(store ledger.Store, p processor.Processor, now func() time.Time, random func() uint64) *Collector {
	return NewFor(store, func(*Invoice) processor.Processor { return p }, now, random)
}

// NewFor returns a collector with a processor for each invoice. Where that is nil, the
// card is not reached.
func NewFor(store ledger.Store, p Processors, now func() time.Time, random func() uint64) *Collector {
	store, p = failpoints(store, p)
	return &Collector{store: store, book: ledger.NewBook(store, now, random), processors: p, now: now, random: random}
}

func (c *Collector) moment() ledger.Moment {
	return ledger.Moment{Now: c.now().UTC().Truncate(time.Microsecond), Random: c.random()}
}

// at is the time that counts for a customer whose test clock stands there, zero for none.
func (c *Collector) at(clock time.Time) time.Time {
	if clock.IsZero() {
		return c.now()
	}
	return clock
}

// Invoice returns an invoice as it is.
func (c *Collector) Invoice(ctx context.Context, tenant ledger.Tenant, id string) (*Invoice, error) {
	object, err := c.store.Object(ctx, tenant, ledger.ObjectKey{Kind: Invoices, ID: id})
	if err != nil {
		return nil, err
	}
	return decode(&object)
}

// Step does the next thing about an invoice, and reports whether there is more to do
// at once.
func (c *Collector) Step(ctx context.Context, tenant ledger.Tenant, id string) (more bool, err error) {
	invoice, err := c.Invoice(ctx, tenant, id)
	if err != nil {
		return false, err
	}
	task := billing.Next(&invoice.Collection, c.at(invoice.Clock))
	var input billing.Input
	switch task.Do {
	case billing.DoNothing, billing.DoWait:
		return false, nil
	case billing.DoBegin:
		input = billing.Begin{Method: invoice.Method} // what is available is looked at in the decision
	case billing.DoIntend:
		input = billing.Intend{}
	case billing.DoSettle:
		input = billing.Settle{}
	case billing.DoRelease:
		input = billing.Release{}
	case billing.DoEscalate:
		input = billing.Escalate{}
	default:
		input = billing.NotReached{Attempt: task.Attempt}
		if p := c.processors(invoice); p != nil {
			input = processor.Do(ctx, p, &invoice.Collection, task)
		}
	}
	return true, c.Decide(ctx, invoice, input)
}

var (
	// errMoved says that an invoice has another hold than it had when it was read.
	errMoved = errors.New("the invoice has moved on")

	// errHeld says that a hold which has expired, and which nobody swept, has what an
	// invoice could take.
	errHeld = errors.New("an expired hold has what the invoice could take")
)

const (
	// triesMax is how often a decision is tried because of these.
	triesMax = 10

	// sweptMax is how much of what has expired is swept before another try.
	sweptMax = 64
)

// Decide carries out what becomes of an invoice when something happens to it: an
// answer of the processor, or what a person wants. The invoice is one that was read;
// what counts is what it is in the decision.
func (c *Collector) Decide(ctx context.Context, invoice *Invoice, input billing.Input) error {
	for range triesMax {
		err := c.decide(ctx, invoice, input)
		switch {
		case errors.Is(err, errHeld):
			wallet := ledger.WalletKey{
				Tenant: invoice.Tenant, CustomerID: invoice.CustomerID, Currency: invoice.Collection.Currency,
			}
			_, err = c.book.Sweep(ctx, wallet, c.now(), sweptMax)
		case errors.Is(err, errMoved):
			invoice, err = c.Invoice(ctx, invoice.Tenant, invoice.Collection.InvoiceID)
		default:
			return err
		}
		if err != nil {
			return err
		}
	}
	return ledger.Errorf(ledger.CodeOverloaded, "invoice %s changes all the time; try again", invoice.Collection.InvoiceID)
}

func (c *Collector) decide(ctx context.Context, invoice *Invoice, input billing.Input) error {
	m := c.moment()
	scope := ledger.Scope{
		Tenant: invoice.Tenant, CustomerID: invoice.CustomerID, Currency: invoice.Collection.Currency, At: m.Now,
		Hold: invoice.Collection.HoldID, Objects: []ledger.ObjectKey{invoice.key()},
	}
	if _, begins := input.(billing.Begin); begins {
		scope.Need, scope.Partial = invoice.Collection.Total, true
	}
	if invoice.SubscriptionID != "" {
		scope.Objects = append(scope.Objects, ledger.ObjectKey{Kind: Subscriptions, ID: invoice.SubscriptionID})
	}
	zone, err := zoneOf(invoice.Zone)
	if err != nil {
		return err
	}
	_, err = c.store.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		return decide(s, scope, input, zone, m)
	})
	return err
}

// decide is pure.
func decide(
	s ledger.Snapshot, scope ledger.Scope, input billing.Input, zone *time.Location, m ledger.Moment,
) (ledger.Change, error) {
	none := ledger.Change{Replayed: true, Wallet: s.Wallet}
	object := s.Object(scope.Objects[0])
	if object == nil {
		return none, ledger.Errorf(ledger.CodeNotFound, "there is no such invoice")
	}
	invoice, err := decode(object)
	if err != nil {
		return none, err
	}
	if invoice.Collection.HoldID != scope.Hold {
		return none, errMoved
	}
	now := s.Chain.At(m.Now)
	if begin, begins := input.(billing.Begin); begins {
		if s.Hold != nil { // see [ledger.Scope.SeeksDueHold]
			return none, errHeld
		}
		begin.Available = available(&s, invoice.Collection.Total, now)
		if of, err := subscriptionOf(&s, invoice); of != nil || err != nil {
			if err != nil {
				return none, err
			}
			begin.Method = of.Method // which may be another one by now
			invoice.Method, invoice.MethodID, invoice.Card = of.Method, of.MethodID, of.Card
		}
		input = begin
	}
	step, err := billing.Decide(invoice.Collection, input, now)
	if err != nil || step.Collection.Version == invoice.Collection.Version {
		return none, err
	}
	before := invoice.Collection
	change, err := carryOut(s, invoice, step, m)
	if refusedForGood(invoice, err) {
		if step, err = billing.Decide(before, billing.Settle{Refused: true}, now); err != nil {
			return none, err
		}
		invoice.Collection = before
		change, err = carryOut(s, invoice, step, m)
	}
	if err != nil {
		return none, err
	}
	if c := &invoice.Collection; c.State == billing.Finalized && c.Tries > before.Tries && !c.MethodBy.IsZero() {
		invoice.Method = "" // which has failed; the customer may give another one
	}
	if err := invoice.put(&change, &s, now); err != nil {
		return none, err
	}
	return change, follow(&s, &change, invoice, step.Events, zone, m)
}

// carryOut makes of the invoice what a step makes of its collection, and moves what moves
// with it.
func carryOut(s ledger.Snapshot, invoice *Invoice, step billing.Step, m ledger.Moment) (ledger.Change, error) {
	was, moves := invoice.Collection.State, step.Moves
	invoice.Collection = step.Collection
	if invoice.Reason == ForTopUp && step.Collection.State == billing.Paid && was != billing.Paid {
		// What is paid may have steps still, about another attempt that succeeded too late.
		moves = append(slices.Clip(moves), billing.Move{Kind: moveTopUp, Amount: step.Collection.Total})
	}
	return move(s, invoice, moves, m)
}

// available is what an invoice of a total can take of a wallet. Where that is not all,
// it will be held, and a hold pins no more than so many lots.
func available(s *ledger.Snapshot, total money.Amount, now time.Time) money.Amount {
	if s.Customer.Freezes.Refuse(s.Wallet.Currency, ledger.Debit) != nil {
		return 0
	}
	all := s.Wallet.Available(now)
	if all >= total {
		return all
	}
	var pinned money.Amount
	left := ledger.HoldLotsMax
	for _, lot := range s.Wallet.Lots {
		if left > 0 && !lot.ExpiredAt(now) {
			pinned, left = pinned+lot.Remaining, left-1
		}
	}
	return min(all, pinned)
}

// creator is whom what is done about invoices is attributed to.
const creator = ledger.SystemCreator

var (
	spent    = ledger.Purpose{EventType: ledger.EventPayment, Account: ledger.AccountRevenue}
	received = ledger.Purpose{EventType: ledger.EventPayment, Account: ledger.AccountCash}
)

// move moves the money of a step, each on top of the one before: first what are entries,
// and then what is only about a hold.
func move(s ledger.Snapshot, invoice *Invoice, moves []billing.Move, m ledger.Moment) (ledger.Change, error) {
	all := ledger.Change{Wallet: s.Wallet}
	moves = slices.Clone(moves)
	slices.SortStableFunc(moves, func(a, b billing.Move) int { return cmp.Compare(order(a), order(b)) })
	for n, planned := range moves {
		on := s.After(&all)
		next, err := moved(on, invoice, planned, m)
		if err != nil {
			return all, err
		}
		if n == 0 {
			all = next
			continue
		}
		all = all.Then(&next)
	}
	return all, nil
}

// order puts moves that are entries before those that are only about a hold.
func order(m billing.Move) int {
	if m.Kind == billing.MoveHold || m.Kind == billing.MoveRelease {
		return 1
	}
	return 0
}

func moved(s ledger.Snapshot, invoice *Invoice, planned billing.Move, m ledger.Moment) (ledger.Change, error) {
	id := invoice.Collection.InvoiceID
	switch planned.Kind {
	case billing.MoveHold:
		change, err := ledger.MakeHold(s, &ledger.HoldRequest{
			Tenant: invoice.Tenant, CustomerID: invoice.CustomerID, Currency: invoice.Collection.Currency, Amount: planned.Amount,
			// A person is told long before it ends.
			ExpiresAt: s.Chain.At(m.Now).AddDate(ledger.HoldYears, 0, 0), ReferenceObjectID: id, CreatedBy: creator,
			CurrencyEnabled: true, DefaultAlerts: invoice.DefaultAlerts,
		}, m)
		if err == nil {
			invoice.Collection.HoldID = change.Hold.Hold.ID
		}
		return change, err
	case billing.MoveCapture:
		change, err := ledger.Capture(s, &ledger.CaptureRequest{
			Tenant: invoice.Tenant, CustomerID: invoice.CustomerID, HoldID: planned.HoldID, Purpose: spent, ReferenceObjectID: id,
			CreatedBy: creator,
		}, m)
		if err == nil {
			invoice.paidBy(&change.Entry, s.Hold.Lots)
		}
		return change, err
	case billing.MoveRelease:
		return ledger.Release(s, &ledger.ReleaseRequest{
			Tenant: invoice.Tenant, CustomerID: invoice.CustomerID, HoldID: planned.HoldID, CreatedBy: creator,
		}, m)
	}
	if planned.Kind == moveTopUp {
		return ledger.Post(s, invoice.credit(), m)
	}
	request := ledger.PostRequest{
		Tenant: invoice.Tenant, CustomerID: invoice.CustomerID, Currency: invoice.Collection.Currency, Amount: planned.Amount,
		Direction: ledger.Debit, Purpose: spent, ReferenceObjectID: id, CreatedBy: creator, CurrencyEnabled: true,
		DefaultAlerts: invoice.DefaultAlerts,
	}
	if planned.Kind == billing.MoveCredit {
		request.Direction, request.Purpose = ledger.Credit, received
	}
	change, err := ledger.Post(s, &request, m)
	if planned.Kind == billing.MoveDebit && err == nil {
		invoice.paidBy(&change.Entry, s.Wallet.Lots)
	}
	return change, err
}

// paidBy keeps by which entry the wallet has paid, and what of it was promotional. Lots
// are those that it took, and maybe others.
func (i *Invoice) paidBy(entry *ledger.Entry, lots []ledger.Lot) {
	promotional := make(map[int64]bool, len(entry.Allocations))
	for _, lot := range lots {
		if lot.Category == ledger.Promotional {
			promotional[lot.Seq] = true
		}
	}
	i.Debit, i.Promotional = entry.ID, 0
	for _, taken := range entry.Allocations {
		if promotional[taken.LotSeq] {
			i.Promotional += taken.Amount
		}
	}
}
