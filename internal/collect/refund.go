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

// CodeRefundWindow is the code of a refused refund, beside those of package billing.
const CodeRefundWindow ledger.Code = "REFUND_WINDOW_EXPIRED"

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
	Debt  bool          `json:"debt,omitempty"` // see [RefundOrder]

	Pinned

	// External is the processor's id of one that was made there by somebody else. Nothing
	// is asked of the processor for it.
	External string `json:"external,omitempty"`

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

// Refundable is the invoice's payment as far as it can be refunded. What the lot of a top-up
// has left is not known here: nothing counts as spent.
func (i *Invoice) Refundable() billing.Refundable {
	c := &i.Collection
	p := billing.Refundable{
		PaymentID: i.PaymentID(), Currency: c.Currency, Succeeded: c.State == billing.Paid, Wallet: c.Tender.Wallet,
		Card: c.Tender.Card - c.Tender.Surplus, Disputed: i.disputed(), Refunds: i.Refunds,
	}
	if i.Reason == ForTopUp {
		p.TopUp, p.Unspent = true, p.Card
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
	// Grace is that of [Refund], and Debt has the wallet owe what it was credited with and
	// does not have any more when the payment is disputed. They are settings, and no part of
	// what is asked for.
	Window time.Duration
	Grace  time.Duration
	Debt   bool
}

// FindRefund returns a refund as it is.
func (c *Collector) FindRefund(ctx context.Context, tenant ledger.Tenant, id string) (*Refund, error) {
	object, err := c.store.Object(ctx, tenant, refundKey(id))
	if err != nil {
		return nil, err
	}
	return RefundOf(&object)
}

// Check says why a refund would be refused as the invoice and its lot are now, nil where it
// would not.
func (c *Collector) Check(ctx context.Context, order *RefundOrder, invoice *Invoice) error {
	p, err := c.Refundable(ctx, invoice)
	if err == nil {
		_, err = order.plan(invoice, p.Unspent, c.at(invoice.Clock))
	}
	return err
}

// plan decides the refund and what it moves. Unspent is what the lot of a top-up has left. It
// is pure.
func (o *RefundOrder) plan(invoice *Invoice, unspent money.Amount, now time.Time) (billing.RefundStep, error) {
	p := invoice.Refundable()
	p.Unspent = min(p.Unspent, unspent)
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
	lot     part              // of a top-up, that it goes back from; the zero part of any other invoice
	dispute *Dispute          // that gets what comes back to the lot of a top-up; nil for none
	debit   ledger.Reversible // what is to be undone, see [Invoice.undoes]; the zero value for nothing
}

// undoes is the entry that a refund gives back: that by which the wallet paid, or of a
// top-up that by which the refund itself has taken of the lot.
func (i *Invoice) undoes(refund *Refund) string {
	if i.Reason != ForTopUp {
		return i.Debit
	}
	return refund.Debit
}

// about has a decision made about an invoice and a refund of it, with what can be undone
// and what is held at hand.
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
		seen, lot := &Refund{}, part{}
		if invoice.Reason == ForTopUp {
			if lot, err = c.unspent(ctx, invoice); err != nil {
				return err
			}
			scope.Moves = lot.seq
			if seen, err = c.FindRefund(ctx, tenant, refundID); ledger.CodeOf(err) == ledger.CodeNotFound {
				seen, err = &Refund{}, nil
			}
			if err != nil {
				return err
			}
			scope.Hold = seen.HoldID
			if d := invoice.short(); d != nil {
				scope.Objects = append(scope.Objects, disputeKey(d.ID))
			}
		}
		var debit ledger.Reversible
		if id := invoice.undoes(seen); id != "" {
			if debit, err = c.book.Reversible(ctx, tenant, invoice.CustomerID, id); err != nil {
				return err
			}
			scope.Reverses, scope.Returns = debit.Entry.ID, debit.Lots
		}
		_, err = c.store.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
			of, err := refundedOf(&s, &scope, lot)
			if err != nil {
				return ledger.Change{Replayed: true, Wallet: s.Wallet}, err
			}
			of.debit = debit
			return decide(s, of)
		})
		if !errors.Is(err, errMoved) {
			return err
		}
	}
	return ledger.Errorf(ledger.CodeOverloaded, "invoice %s changes all the time; try again", invoiceID)
}

// refundedOf is what a decision about a refund looks at, if that is what the scope asks for.
func refundedOf(s *ledger.Snapshot, scope *ledger.Scope, lot part) (of *refunded, err error) {
	of = &refunded{lot: lot}
	object := s.Object(scope.Objects[0])
	if object == nil {
		return of, ledger.Errorf(ledger.CodeNotFound, "there is no such payment")
	}
	if of.invoice, err = decode(object); err != nil {
		return of, err
	}
	now := &Refund{}
	if object = s.Object(scope.Objects[1]); object != nil {
		if of.refund, err = RefundOf(object); err != nil {
			return of, err
		}
		now = of.refund
	}
	if of.invoice.undoes(now) != scope.Reverses || now.HoldID != scope.Hold ||
		lot.seq == 0 && of.invoice.TopUp.LotSeq > 0 || lot.most > 0 && of.left(s, s.Chain.At(scope.At)) == 0 {
		err = errMoved
	}
	return of, of.takeDispute(s, scope, err)
}

// takeDispute takes up the dispute that gets what comes back to the lot.
func (of *refunded) takeDispute(s *ledger.Snapshot, scope *ledger.Scope, err error) error {
	last, short := scope.Objects[len(scope.Objects)-1], of.invoice.short()
	switch {
	case err != nil || short == nil && last.Kind != Disputes:
		return err
	case short == nil || last != disputeKey(short.ID) || s.Object(last) == nil:
		return errMoved
	}
	of.dispute, err = DisputeOf(s.Object(last))
	return err
}

// makeRefund is pure.
func makeRefund(s *ledger.Snapshot, order *RefundOrder, of *refunded, m ledger.Moment) (ledger.Change, *Refund, error) {
	none := ledger.Change{Replayed: true, Wallet: s.Wallet}
	now := s.Chain.At(m.Now)
	invoice := of.invoice
	step, err := order.plan(invoice, of.left(s, now), now)
	if err != nil {
		return none, nil, err
	}
	// What cannot be given to the wallet later is not asked of the card now. What is taken of
	// a lot is refused by its hold.
	err = s.Customer.Freezes.Refuse(invoice.Collection.Currency, ledger.Credit)
	if err != nil && step.Hold == 0 {
		return none, nil, err
	}
	if !invoice.fitsBack(s.Wallet.Balance, &step.Refund) {
		return none, nil, ledger.FieldErrorf(ledger.CodeBalanceLimit, "amount", "the wallet would pass the largest balance, %d minor units", money.BalanceMax)
	}
	created := now // as [ledger.Change.Put] keeps it
	if created.Before(s.ObjectHead.LastAt) {
		created = s.ObjectHead.LastAt
	}
	refund := &Refund{
		Tenant: invoice.Tenant, CustomerID: invoice.CustomerID, CreatedAt: created, Refund: step.Refund,
		InvoiceID: invoice.Collection.InvoiceID, SubscriptionID: invoice.SubscriptionID, Currency: invoice.Collection.Currency,
		Reason: order.Reason, Metadata: json.RawMessage(order.Metadata), Grace: order.Grace, Debt: order.Debt, DueAt: now,
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
	if of.dispute != nil {
		invoice.keepDispute(of.dispute)
	}
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
	if err = change.Put(s, object, kind, data, m.Now); err != nil || of.dispute == nil {
		return change, err
	}
	if object, err = of.dispute.object(invoice.UpdatedAt, !s.Customer.ClockAt.IsZero()); err != nil {
		return change, err
	}
	return change, change.Put(s, object, "", "", m.Now)
}

// back is what the card's part of a refund to the wallet is posted as.
var back = ledger.Purpose{EventType: ledger.EventRefund, Account: ledger.AccountRefunds}

// moveRefund moves what a refund moves in the wallet: the wallet's part back to the lots
// that it came from, and the card's part to a lot of its own. It is pure.
func moveRefund(
	s ledger.Snapshot, of *refunded, refund *Refund, move billing.RefundMove, m ledger.Moment,
) (ledger.Change, error) {
	change := ledger.Change{Wallet: s.Wallet}
	if of.invoice.Reason == ForTopUp {
		return refund.moveLot(s, of, move, m)
	}
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
	if move.Restore > 0 {
		s = s.After(&change)
	}
	next, err := ledger.Post(s, &request, m)
	if err != nil {
		return change, err
	}
	of.invoice.creditedOfCard(CardCredit{Seq: next.Entry.Seq, Amount: move.Credit, Debt: refund.Debt, Grace: refund.Grace})
	if move.Restore == 0 {
		return next, nil
	}
	return change.Then(&next), nil
}

// fitsBack reports whether a wallet with a balance has room for what a refund brings it.
func (i *Invoice) fitsBack(balance money.Amount, r *billing.Refund) bool {
	brings := r.Wallet
	if r.Destination == billing.ToWallet {
		brings += r.Card
	}
	sum, ok := balance.Add(brings)
	return ok && sum <= money.BalanceMax
}

// takesBack reports whether the wallet can take now what a refund brings it.
func (c *Collector) takesBack(ctx context.Context, invoice *Invoice, r *Refund) (bool, error) {
	if r.Wallet == 0 {
		return true, nil
	}
	customer, err := c.store.Customer(ctx, r.Tenant, r.CustomerID)
	if err != nil || customer.Freezes.Refuse(r.Currency, ledger.Credit) != nil {
		return false, err
	}
	list, err := c.store.Wallets(ctx, r.Tenant, r.CustomerID, c.now())
	if err != nil {
		return false, err
	}
	for i := range list.Wallets {
		if w := &list.Wallets[i]; w.Currency == r.Currency {
			return invoice.fitsBack(w.Balance, &r.Refund), nil
		}
	}
	return true, nil
}
