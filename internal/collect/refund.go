package collect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/processor"
)

// Refunds is the kind of object that a refund is. What it takes of its payment is kept
// with the invoice as well, and both change in one commit: so the invoice decides
// alone how much can still be refunded.
const Refunds ledger.ObjectKind = "refund"

// RefundIDPrefix begins the id of every refund.
const RefundIDPrefix = "ref_"

// RefundsMax is how many refunds a payment may have.
const RefundsMax = 50

// refundSpare is how many bytes an invoice must have left behind a refund, so that its
// answer can be kept.
const refundSpare = 4 << 10

// The codes of refused refunds, beside those of package billing.
const (
	CodeRefundWindow    ledger.Code = "REFUND_WINDOW_EXPIRED"
	CodeNothingToRefund ledger.Code = "NOTHING_TO_REFUND"
)

// Refund is a refund as it is kept.
type Refund struct {
	Tenant     ledger.Tenant `json:"-"`
	CustomerID string        `json:"-"`
	CreatedAt  time.Time     `json:"-"`
	UpdatedAt  time.Time     `json:"-"` // when it last changed
	Clock      time.Time     `json:"-"` // see [ledger.Object]
	version    int64

	billing.Refund

	InvoiceID      string          `json:"invoice_id"`
	SubscriptionID string          `json:"subscription_id,omitempty"`
	Currency       money.Currency  `json:"currency"`
	Partial        bool            `json:"partial"` // it is of less than the payment
	Reason         string          `json:"reason,omitempty"`
	Metadata       json.RawMessage `json:"metadata,omitempty"` // an object in canonical form

	// Grace is the business's setting when it was made, see [ledger.ReverseRequest].
	Grace time.Duration `json:"grace,omitempty"`

	// Looks is how often in a row the processor gave no definite answer, and DueAt when
	// it is asked next.
	Looks int       `json:"looks,omitempty"`
	DueAt time.Time `json:"due_at,omitzero"`
}

func refundKey(id string) ledger.ObjectKey { return ledger.ObjectKey{Kind: Refunds, ID: id} }

// Amount is what the refund is of.
func (r *Refund) Amount() money.Amount { return r.Card + r.Wallet }

// RefundStatus is how a refund stands, in the words of the published API.
type RefundStatus string

// The statuses, of which no refund has the last.
const (
	RefundPending   RefundStatus = "pending"
	RefundSucceeded RefundStatus = "succeeded"
	RefundFailed    RefundStatus = "failed"
	RefundReview    RefundStatus = "review"
)

// RefundStatuses are all statuses of refunds.
func RefundStatuses() []RefundStatus {
	return []RefundStatus{RefundSucceeded, RefundFailed, RefundPending, RefundReview}
}

// Status is how the refund stands. One that came back has failed.
func (r *Refund) Status() RefundStatus {
	switch r.State {
	case billing.RefundPending:
		return RefundPending
	case billing.RefundSucceeded:
		return RefundSucceeded
	}
	return RefundFailed
}

// object is the refund as it is kept. Lists are narrowed by its status.
func (r *Refund) object() (ledger.Object, error) {
	data, err := encode(r)
	object := ledger.Object{ObjectKey: refundKey(r.ID), State: string(r.Status()), Data: string(data)}
	if r.State == billing.RefundPending {
		object.DueAt = r.DueAt
	}
	return object, err
}

// RefundOf is the refund that an object keeps.
func RefundOf(object *ledger.Object) (*Refund, error) {
	refund := &Refund{
		Tenant: object.Tenant, CustomerID: object.CustomerID, CreatedAt: object.CreatedAt, UpdatedAt: object.UpdatedAt,
		version: object.Version,
		Clock:   object.Clock,
	}
	if err := json.Unmarshal([]byte(object.Data), refund); err != nil {
		return nil, fmt.Errorf("refund %s does not decode: %w", object.ID, err)
	}
	return refund, nil
}

// Refundable is the invoice's payment as far as it can be refunded.
func (i *Invoice) Refundable() billing.Refundable {
	c := &i.Collection
	p := billing.Refundable{
		PaymentID: i.PaymentID(), Currency: c.Currency, Succeeded: c.State == billing.Paid, Wallet: c.Tender.Wallet,
		Card: c.Tender.Card - c.Tender.Surplus, Refunds: i.Refunds,
	}
	for _, item := range i.Items {
		p.Lines = append(p.Lines, item.Line)
	}
	return p
}

// charged is the processor's id of the payment that the invoice was paid with.
func (i *Invoice) charged() string {
	for _, attempt := range i.Collection.Attempts {
		if attempt.Outcome == billing.Succeeded {
			return attempt.PaymentID
		}
	}
	return ""
}

// RefundOrder asks for a refund of an invoice's payment.
type RefundOrder struct {
	billing.RefundRequest

	InvoiceID string
	Reason    string
	Metadata  string // a JSON object in canonical form, or empty

	// Window is for how long after it was paid a payment can be refunded, 0 for ever.
	// Grace is that of [Refund]. Both are settings, and no part of what is asked for.
	Window time.Duration
	Grace  time.Duration
}

// FindRefund returns a refund as it is.
func (c *Collector) FindRefund(ctx context.Context, tenant ledger.Tenant, id string) (*Refund, error) {
	object, err := c.store.Object(ctx, tenant, refundKey(id))
	if err != nil {
		return nil, err
	}
	return RefundOf(&object)
}

// Check says why a refund would be refused as the invoice is now, nil where it would not.
func (o *RefundOrder) Check(invoice *Invoice, now time.Time) error {
	_, err := o.plan(invoice, now)
	return err
}

// plan decides the refund and what it moves. It is pure.
func (o *RefundOrder) plan(invoice *Invoice, now time.Time) (billing.RefundStep, error) {
	p := invoice.Refundable()
	if invoice.Reason == ForTopUp && p.Succeeded {
		return billing.RefundStep{}, ledger.Errorf(CodeNothingToRefund,
			"payment %s went to the wallet, and bought nothing that could be given back", p.PaymentID)
	}
	if p.Succeeded && o.Window > 0 && now.After(invoice.PaidAt.Add(o.Window)) {
		return billing.RefundStep{}, ledger.Errorf(CodeRefundWindow,
			"payment %s was made more than %d days ago", p.PaymentID, o.Window/(24*time.Hour))
	}
	step, err := billing.MakeRefund(p, o.RefundRequest)
	if err == nil && len(step.Refundable.Refunds) > RefundsMax {
		err = ledger.Errorf(ledger.CodeLimitReached, "a payment can have %d refunds", RefundsMax)
	}
	return step, err
}

// Refund makes a refund, with what it moves in the wallet, and keeps in the same commit
// the request that asked for it, nil for none. Answer makes of the refund and the
// customer what is answered; it is pure. The same refund is made once: a repeat finds it.
// One with a part of the card is pending then, and due at once.
func (c *Collector) Refund(
	ctx context.Context, tenant ledger.Tenant, order RefundOrder, request *Request,
	answer func(*Refund, *ledger.Customer) []byte,
) (made *Refund, err error) {
	m := c.moment()
	decide := func(s ledger.Snapshot, of *refunded) (ledger.Change, error) {
		if of.refund != nil {
			made = of.refund
			return ledger.Change{Replayed: true, Wallet: s.Wallet}, nil
		}
		change, refund, err := makeRefund(&s, &order, of, m)
		if err != nil {
			return change, err
		}
		made = refund
		if request == nil {
			return change, nil
		}
		if s.Object(request.object()) != nil {
			return change, ledger.KeyReused(m.Now) // it has made another refund
		}
		kept := *request
		kept.Made, kept.Answer = refund.ID, answer(refund, &s.Customer)
		data, err := encode(kept)
		if err != nil {
			return change, err
		}
		return change, change.Put(&s, ledger.Object{ObjectKey: request.object(), Data: string(data)}, "", "", m.Now)
	}
	if err := c.about(ctx, tenant, order.InvoiceID, order.ID, m, request, decide); err != nil {
		return nil, err
	}
	return made, nil
}

// refunded is what a decision about a refund looks at.
type refunded struct {
	invoice *Invoice
	refund  *Refund           // nil: there is none yet
	debit   ledger.Reversible // by which the wallet paid, the zero value for nothing
}

// about has a decision made about an invoice and a refund of it, with the wallet's part
// of the payment at hand, which never changes once it is paid.
func (c *Collector) about(
	ctx context.Context, tenant ledger.Tenant, invoiceID, refundID string, m ledger.Moment, request *Request,
	decide func(ledger.Snapshot, *refunded) (ledger.Change, error),
) error {
	for range triesMax {
		invoice, err := c.Invoice(ctx, tenant, invoiceID)
		if err != nil {
			return err
		}
		scope := ledger.Scope{
			Tenant: tenant, CustomerID: invoice.CustomerID, Currency: invoice.Collection.Currency, At: m.Now,
			Objects: []ledger.ObjectKey{invoice.key(), refundKey(refundID)},
		}
		if request != nil {
			scope.Objects = append(scope.Objects, request.object())
		}
		var debit ledger.Reversible
		if invoice.Debit != "" {
			if debit, err = c.book.Reversible(ctx, tenant, invoice.CustomerID, invoice.Debit); err != nil {
				return err
			}
			scope.Reverses, scope.Returns = debit.Entry.ID, debit.Lots
		}
		_, err = c.store.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
			of := refunded{debit: debit}
			none := ledger.Change{Replayed: true, Wallet: s.Wallet}
			object := s.Object(scope.Objects[0])
			if object == nil {
				return none, ledger.Errorf(ledger.CodeNotFound, "there is no such payment")
			}
			var err error
			if of.invoice, err = decode(object); err != nil {
				return none, err
			}
			if of.invoice.Debit != debit.Entry.ID {
				return none, errMoved
			}
			if object = s.Object(scope.Objects[1]); object != nil {
				if of.refund, err = RefundOf(object); err != nil {
					return none, err
				}
			}
			return decide(s, &of)
		})
		if !errors.Is(err, errMoved) {
			return err
		}
	}
	return ledger.Errorf(ledger.CodeOverloaded, "invoice %s changes all the time; try again", invoiceID)
}

// makeRefund is pure.
func makeRefund(s *ledger.Snapshot, order *RefundOrder, of *refunded, m ledger.Moment) (ledger.Change, *Refund, error) {
	none := ledger.Change{Replayed: true, Wallet: s.Wallet}
	now := s.Chain.At(m.Now)
	invoice := of.invoice
	step, err := order.plan(invoice, now)
	if err != nil {
		return none, nil, err
	}
	// What cannot be given to the wallet later is not asked of the card now.
	if err := s.Customer.Freezes.Refuse(invoice.Collection.Currency, ledger.Credit); err != nil {
		return none, nil, err
	}
	created := now // as [ledger.Change.Put] keeps it
	if created.Before(s.ObjectHead.LastAt) {
		created = s.ObjectHead.LastAt
	}
	refund := &Refund{
		Tenant: invoice.Tenant, CustomerID: invoice.CustomerID, CreatedAt: created, Refund: step.Refund,
		InvoiceID: invoice.Collection.InvoiceID, SubscriptionID: invoice.SubscriptionID, Currency: invoice.Collection.Currency,
		Reason: order.Reason, Metadata: json.RawMessage(order.Metadata), Grace: order.Grace, DueAt: now,
	}
	refund.Partial = refund.Amount() < step.Refundable.Wallet+step.Refundable.Card
	change, err := keepRefund(s, of, refund, &step, m)
	if err == nil && len(change.Objects[0].Object.Data) > ledger.ObjectDataMax-refundSpare {
		err = ledger.Errorf(ledger.CodeLimitReached, "payment %s has no room for another refund", invoice.PaymentID())
	}
	return change, refund, err
}

// keepRefund is the change by which a step about a refund is kept: what it moves in the
// wallet, the invoice and the refund. It is pure.
func keepRefund(
	s *ledger.Snapshot, of *refunded, refund *Refund, step *billing.RefundStep, m ledger.Moment,
) (ledger.Change, error) {
	change, err := moveRefund(*s, of, refund, step.RefundMove, m)
	if err != nil {
		return change, err
	}
	invoice := of.invoice
	invoice.Refunds, invoice.UpdatedAt = step.Refundable.Refunds, s.Chain.At(m.Now)
	refund.Refund = step.Refund
	object, err := invoice.object(invoice.UpdatedAt)
	if err == nil {
		err = change.Put(s, object, "", "", m.Now)
	}
	if err != nil {
		return change, err
	}
	kind, data, err := refund.told(&s.Customer)
	if err != nil {
		return change, err
	}
	if object, err = refund.object(); err != nil {
		return change, err
	}
	return change, change.Put(s, object, kind, data, m.Now)
}

// back is what the card's part of a refund to the wallet is posted as.
var back = ledger.Purpose{EventType: ledger.EventRefund, Account: ledger.AccountRefunds}

// moveRefund moves what a refund moves in the wallet: the wallet's part back to the lots
// that it came from, and the card's part to a lot of its own. It is pure.
func moveRefund(
	s ledger.Snapshot, of *refunded, refund *Refund, move billing.RefundMove, m ledger.Moment,
) (ledger.Change, error) {
	change := ledger.Change{Wallet: s.Wallet}
	if move.Restore > 0 {
		var err error
		change, err = ledger.Reverse(s, &ledger.ReverseRequest{
			Tenant: refund.Tenant, CustomerID: refund.CustomerID, EntryID: of.debit.Entry.ID, Amount: &move.Restore,
			Grace: refund.Grace, ReferenceObjectID: refund.ID, CreatedBy: creator, DefaultAlerts: of.invoice.DefaultAlerts,
		}, &of.debit, m)
		if err != nil {
			return change, err
		}
	}
	if move.Credit == 0 {
		return change, nil
	}
	request := ledger.PostRequest{
		Tenant: refund.Tenant, CustomerID: refund.CustomerID, Currency: refund.Currency, Amount: move.Credit,
		Direction: ledger.Credit, Purpose: back, ReferenceObjectID: refund.ID, CreatedBy: creator, CurrencyEnabled: true,
		DefaultAlerts: of.invoice.DefaultAlerts,
	}
	if move.Restore == 0 {
		return ledger.Post(s, &request, m)
	}
	next, err := ledger.Post(s.After(&change), &request, m)
	if err != nil {
		return change, err
	}
	return change.Then(&next), nil
}

// StepRefund has the processor asked about a refund that is pending and due, and reports
// whether there is more to do at once. What it does not answer for certain is asked again
// later under the same key.
func (c *Collector) StepRefund(ctx context.Context, tenant ledger.Tenant, id string) (more bool, err error) {
	refund, err := c.FindRefund(ctx, tenant, id)
	if err != nil || refund.State != billing.RefundPending || c.at(refund.Clock).Before(refund.DueAt) {
		return false, err
	}
	invoice, err := c.Invoice(ctx, tenant, refund.InvoiceID)
	if err != nil {
		return false, err
	}
	var status processor.RefundStatus
	if p := c.processors(invoice); p != nil {
		status, err = p.Refund(ctx, processor.RefundRequest{
			Key: refund.Key(), PaymentID: invoice.charged(), Amount: refund.Card, Currency: refund.Currency,
		})
	}
	switch {
	case err == nil && status == processor.RefundSucceeded:
		return true, c.AnswerRefund(ctx, refund, true)
	case err == nil && status == processor.RefundFailed:
		return true, c.AnswerRefund(ctx, refund, false)
	}
	return true, c.askLater(ctx, refund)
}

// AnswerRefund carries out what becomes of a refund when the processor says whether its
// part of the card went back. It may say so twice and in any order.
func (c *Collector) AnswerRefund(ctx context.Context, refund *Refund, succeeded bool) error {
	m := c.moment()
	decide := func(s ledger.Snapshot, of *refunded) (ledger.Change, error) {
		none := ledger.Change{Replayed: true, Wallet: s.Wallet}
		if of.refund == nil {
			return none, ledger.Errorf(ledger.CodeNotFound, "there is no such refund")
		}
		step := billing.AnswerRefund(of.invoice.Refundable(), of.refund.ID, succeeded)
		if step.Refund.State == of.refund.State {
			return none, nil
		}
		return keepRefund(&s, of, of.refund, &step, m)
	}
	return c.about(ctx, refund.Tenant, refund.InvoiceID, refund.ID, m, nil, decide)
}

// askLater has the processor asked about a refund again after a while, unless somebody
// else has had it go on meanwhile.
func (c *Collector) askLater(ctx context.Context, refund *Refund) error {
	m := c.moment()
	decide := func(s ledger.Snapshot, of *refunded) (ledger.Change, error) {
		change := ledger.Change{Wallet: s.Wallet}
		if of.refund == nil || of.refund.version != refund.version || of.refund.State != billing.RefundPending {
			change.Replayed = true
			return change, nil
		}
		of.refund.Looks++
		of.refund.DueAt = s.Chain.At(m.Now).Add(billing.RefundWait(of.refund.Looks))
		object, err := of.refund.object()
		if err != nil {
			return change, err
		}
		return change, change.Put(&s, object, "", "", m.Now)
	}
	return c.about(ctx, refund.Tenant, refund.InvoiceID, refund.ID, m, nil, decide)
}
