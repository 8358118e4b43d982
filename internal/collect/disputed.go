package collect

import (
	"context"
	"errors"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

var (
	// ErrDisputeForeign says that a dispute is about no payment of ours.
	ErrDisputeForeign = errors.New("the dispute is about no payment of ours")

	// ErrDisputeMismatch says that a dispute, with the others of its payment that are open or
	// lost, is of more than that, or is in another currency. A person has to look at it.
	ErrDisputeMismatch = errors.New("the dispute does not fit our record of its payment")
)

// DisputeNotice is what a processor says of a dispute. It may say so twice and in any order.
type DisputeNotice struct {
	ProcessorID string // of the dispute: the same in every message about it
	InvoiceID   string // of the payment; empty: the processor is asked, see [InvoiceFinder]
	PaymentID   string // the processor's
	Amount      money.Amount
	Currency    money.Currency
	Reason      string // in the processor's words, empty for none
	billing.DisputeMessage

	again bool // nobody says it: the dispute is looked at because it is due
}

// InvoiceFinder is a processor that knows for which invoice a payment of it was made; empty
// where it was made for none.
type InvoiceFinder interface {
	InvoiceOf(ctx context.Context, paymentID string) (invoiceID string, err error)
}

// Dispute carries out a message about a dispute: what it holds, takes or gives back of the
// lot that a top-up opened, what the wallet owes, and the event that tells of it. The
// dispute is returned as it is then. Whoever gets [ErrDisputeForeign] or
// [ErrDisputeMismatch] tells a person: no repeat helps. Any other error asks for the message
// again.
//
// What moves is at the bank already, so no freeze of the wallet keeps it back.
func (c *Collector) Dispute(ctx context.Context, tenant ledger.Tenant, notice DisputeNotice) (*Dispute, error) {
	if err := c.findDisputed(ctx, tenant, &notice); err != nil {
		return nil, err
	}
	for range 4 * triesMax {
		invoice, err := c.Invoice(ctx, tenant, notice.InvoiceID)
		if ledger.CodeOf(err) == ledger.CodeNotFound {
			return nil, ErrDisputeForeign
		}
		if err == nil {
			err = notice.check(invoice)
		}
		if err != nil {
			return nil, err
		}
		dispute, whole, err := c.hearDispute(ctx, invoice, &notice)
		if whole || err != nil && !errors.Is(err, errMoved) {
			return dispute, err
		}
	}
	return nil, ledger.Errorf(ledger.CodeOverloaded, "invoice %s changes all the time; try again", notice.InvoiceID)
}

// findDisputed finds the invoice whose payment is disputed.
func (c *Collector) findDisputed(ctx context.Context, tenant ledger.Tenant, notice *DisputeNotice) (err error) {
	if notice.InvoiceID != "" {
		return nil
	}
	finder, ok := c.processors(&Invoice{Tenant: tenant}).(InvoiceFinder)
	if !ok || notice.PaymentID == "" {
		return ErrDisputeForeign
	}
	if notice.InvoiceID, err = finder.InvoiceOf(ctx, notice.PaymentID); err == nil && notice.InvoiceID == "" {
		err = ErrDisputeForeign
	}
	return err
}

// check holds what the processor says against the record of the payment.
func (n *DisputeNotice) check(invoice *Invoice) error {
	c := &invoice.Collection
	payment, ok := invoice.cardPayment(n.PaymentID)
	if at := invoice.dispute(n.ProcessorID); at >= 0 && n.PaymentID == "" && ok {
		payment = invoice.cardPaymentOf(invoice.Disputes[at].Attempt)
	}
	claimed, _ := invoice.claimed(payment.attempt, n.ProcessorID)
	said := billing.Dispute{Stage: n.Stage, Status: n.Status}
	switch {
	case c.State != billing.Paid && !c.State.Final():
		return ledger.Errorf(ledger.CodeOverloaded, "payment %s is not settled yet; tell again", invoice.PaymentID())
	case !ok:
		return ErrDisputeForeign
	case n.ProcessorID == "" || n.Currency != c.Currency || n.Amount < 1 || n.Amount > payment.amount:
		return ErrDisputeMismatch
	case said.Claim() != billing.ClaimNone && claimed+n.Amount > payment.amount:
		return ErrDisputeMismatch
	case len(invoice.Disputes) >= DisputesMax && invoice.dispute(n.ProcessorID) < 0:
		return ErrDisputeMismatch
	}
	return nil
}

// hearDispute takes one decision about a message, and reports whether the message is
// carried out then.
func (c *Collector) hearDispute(
	ctx context.Context, invoice *Invoice, notice *DisputeNotice,
) (dispute *Dispute, whole bool, err error) {
	m := c.moment()
	seen := &Dispute{}
	id := c.book.NewID(DisputeIDPrefix)
	if at := invoice.dispute(notice.ProcessorID); at >= 0 {
		id = invoice.Disputes[at].ID
		if seen, err = c.FindDispute(ctx, invoice.Tenant, id); err != nil {
			return nil, false, err
		}
	}
	payment, _ := invoice.cardPayment(notice.PaymentID)
	if at := invoice.dispute(notice.ProcessorID); at >= 0 {
		payment.attempt = invoice.Disputes[at].Attempt
	}
	parts, err := c.open(ctx, invoice, invoice.roots(payment.attempt))
	if err != nil {
		return nil, false, err
	}
	var lot part
	if len(parts) > 0 {
		lot = parts[0]
	}
	scope := ledger.Scope{
		Tenant: invoice.Tenant, CustomerID: invoice.CustomerID, Currency: invoice.Collection.Currency, At: m.Now,
		Objects: []ledger.ObjectKey{invoice.key(), disputeKey(id)}, Moves: lot.seq,
	}
	if n := len(seen.Holds); n > 0 {
		scope.Hold = seen.Holds[n-1].ID
	}
	var undone ledger.Reversible
	if n := len(seen.Debits); n > 0 {
		if undone, err = c.book.Reversible(ctx, invoice.Tenant, invoice.CustomerID, seen.Debits[n-1].ID); err != nil {
			return nil, false, err
		}
		scope.Reverses, scope.Returns = undone.Entry.ID, undone.Lots
	}
	_, err = c.store.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		w := disputing{s: s, m: m, now: s.Chain.At(m.Now), undone: undone, lot: lot, more: len(parts) > 1}
		w.change = ledger.Change{Wallet: s.Wallet}
		w.s.Customer.Freezes = ""
		var err error
		whole, err = w.decide(&scope, notice, len(seen.Holds), len(seen.Debits))
		dispute = w.d
		return w.change, err
	})
	return dispute, whole, err
}

// decide is pure: it takes up the dispute as it is, and carries out what is left of the
// message before, or a step of this one. It reports whether this one is carried out then.
func (w *disputing) decide(scope *ledger.Scope, notice *DisputeNotice, holds, debits int) (whole bool, err error) {
	object := w.s.Object(scope.Objects[0])
	if object == nil {
		return false, ErrDisputeForeign
	}
	if w.invoice, err = decode(object); err != nil {
		return false, err
	}
	if err := notice.check(w.invoice); err != nil {
		return false, err
	}
	if err := w.take(scope, notice); err != nil {
		return false, err
	}
	if len(w.d.Holds) != holds || len(w.d.Debits) != debits ||
		w.lot.seq > 0 && w.s.Wallet.LotLeft(w.lot.seq, w.now) == 0 {
		return false, errMoved
	}
	before, asked, message, coming := w.d.Dispute, w.d.Asked, notice.DisputeMessage, w.d.Coming
	if coming != nil {
		message = *coming
	}
	if w.lapsed() {
		w.d.Coming = &message
		return false, w.put("", "")
	}
	if whole, err = w.hear(message); err != nil {
		return false, err
	}
	w.d.Coming = nil
	if !whole {
		w.d.Coming = &message
		return false, w.put("", "")
	}
	whole = message == notice.DisputeMessage
	if w.d.Stage == before.Stage && w.d.Status == before.Status {
		moved := coming != nil || w.begun || w.d.Dispute != before || w.d.Asked != asked
		if w.change.Replayed = !moved && !(notice.again && w.clocked()); w.change.Replayed {
			return whole, nil
		}
		return whole, w.put("", "")
	}
	kind, data, err := w.d.told(&w.s.Customer)
	if err != nil {
		return false, err
	}
	return whole, w.put(kind, data)
}

// take takes up the dispute as it is, or a new one.
func (w *disputing) take(scope *ledger.Scope, notice *DisputeNotice) (err error) {
	id := scope.Objects[1].ID
	if object := w.s.Object(scope.Objects[1]); object != nil {
		w.d, err = DisputeOf(object)
		return err
	}
	if w.invoice.dispute(notice.ProcessorID) >= 0 {
		return errMoved // somebody else has just made it
	}
	payment, _ := w.invoice.cardPayment(notice.PaymentID)
	created := w.now // as [ledger.Change.Put] keeps it
	if created.Before(w.s.ObjectHead.LastAt) {
		created = w.s.ObjectHead.LastAt
	}
	w.d = &Dispute{
		Tenant: w.invoice.Tenant, CustomerID: w.invoice.CustomerID, CreatedAt: created, UpdatedAt: created,
		Dispute: billing.Dispute{ID: id, Amount: notice.Amount}, ProcessorID: notice.ProcessorID, Attempt: payment.attempt,
		InvoiceID: w.invoice.Collection.InvoiceID, Currency: w.invoice.Collection.Currency, Reason: notice.Reason,
	}
	return nil
}

// lapsed takes off the last hold of the dispute if it has run out, after a year.
func (w *disputing) lapsed() bool {
	if len(w.d.Holds) == 0 || w.s.Hold != nil && w.s.Hold.StateAt(w.now) == ledger.HoldActive {
		return false
	}
	w.last()
	return true
}

// clocked reports whether the customer lives by a test clock.
func (w *disputing) clocked() bool { return !w.s.Customer.ClockAt.IsZero() }

// put keeps the dispute and its invoice, and as what that is told.
func (w *disputing) put(kind ledger.EventKind, data string) error {
	w.invoice.keepDispute(w.d)
	w.invoice.UpdatedAt = w.now
	object, err := w.invoice.object(w.now)
	if err == nil {
		err = w.change.Put(&w.s, object, "", "", w.m.Now)
	}
	if err != nil {
		return err
	}
	if object, err = w.d.object(w.now, w.clocked()); err != nil {
		return err
	}
	return w.change.Put(&w.s, object, kind, data, w.m.Now)
}

// FindDispute returns a dispute as it is.
func (c *Collector) FindDispute(ctx context.Context, tenant ledger.Tenant, id string) (*Dispute, error) {
	object, err := c.store.Object(ctx, tenant, disputeKey(id))
	if err != nil {
		return nil, err
	}
	return DisputeOf(&object)
}

// StepDispute carries out the rest of a message of which a part is carried out, or looks
// again at the lot of a dispute that it has not answered for, and reports whether there is
// more to do at once.
func (c *Collector) StepDispute(ctx context.Context, tenant ledger.Tenant, id string) (more bool, err error) {
	dispute, err := c.FindDispute(ctx, tenant, id)
	if err != nil || dispute.Coming == nil && !dispute.short() {
		return false, err
	}
	message := billing.DisputeMessage{Stage: dispute.Stage, Status: dispute.Status}
	if dispute.Coming != nil {
		message = *dispute.Coming
	}
	_, err = c.Dispute(ctx, tenant, DisputeNotice{
		ProcessorID: dispute.ProcessorID, InvoiceID: dispute.InvoiceID, Amount: dispute.Amount, Currency: dispute.Currency,
		DisputeMessage: message, again: true,
	})
	return false, err
}
