package collect

import (
	"context"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// Pinned is what a refund of a top-up has of the very lot that the payment opened: held while
// the card has not answered, and then taken. Nobody spends meanwhile what the card may give
// back, so a customer never has the same money twice.
type Pinned struct {
	HoldID string `json:"hold_id,omitempty"` // active while the refund is pending
	Debit  string `json:"debit,omitempty"`   // the entry that took it

	// Short is what the lot did not have any more when the hold had run out, after a year
	// without an answer, and the card was then said to have given it back. Nobody answers
	// for it.
	Short money.Amount `json:"short,omitempty"`
}

// givenBack is what is posted as what goes from a lot to the card that paid for it.
var givenBack = ledger.Purpose{EventType: ledger.EventRefund, Account: ledger.AccountCash}

// Refundable is the payment of an invoice as far as it can be refunded now, also by what the
// lot of a top-up has left.
func (c *Collector) Refundable(ctx context.Context, invoice *Invoice) (billing.Refundable, error) {
	p := invoice.Refundable()
	if !p.TopUp || !p.Succeeded {
		return p, nil
	}
	lot, err := c.unspent(ctx, invoice)
	p.Unspent = lot.most
	return p, err
}

// moveLot moves what a refund of a top-up moves of its lot. It is pure.
//
// The card has given the money back when the lot is debited, so no freeze keeps that back.
func (r *Refund) moveLot(
	s ledger.Snapshot, of *refunded, move billing.RefundMove, m ledger.Moment,
) (change ledger.Change, err error) {
	change = ledger.Change{Wallet: s.Wallet}
	held := r.HoldID != "" && !of.lapsed(&s, m)
	switch {
	case move.Hold > 0:
		return r.pin(s, of, move.Hold, m)
	case move.Capture > 0 && held:
		s.Customer.Freezes = ""
		change, err = ledger.Capture(s, &ledger.CaptureRequest{
			Tenant: r.Tenant, CustomerID: r.CustomerID, HoldID: r.HoldID, Purpose: givenBack, ReferenceObjectID: r.ID,
			CreatedBy: creator,
		}, m)
		if err == nil {
			r.HoldID, r.Debit = "", change.Entry.ID
		}
	case move.Release > 0 && held && of.dispute != nil:
		w := of.disputing(&s, m)
		err = w.takeOver(r.HoldID, s.Hold.Left())
		change, r.HoldID, r.Short = w.change, "", 0
	case move.Release > 0 && held:
		change, err = ledger.Release(s, &ledger.ReleaseRequest{
			Tenant: r.Tenant, CustomerID: r.CustomerID, HoldID: r.HoldID, CreatedBy: creator,
		}, m)
		r.HoldID, r.Short = "", 0
	case move.Release > 0:
		r.HoldID, r.Short = "", 0
	case move.Capture > 0:
		r.HoldID = ""
	case move.Undo > 0 && r.Debit != "":
		s.Customer.Freezes = ""
		change, err = ledger.Reverse(s, &ledger.ReverseRequest{
			Tenant: r.Tenant, CustomerID: r.CustomerID, EntryID: r.Debit, Grace: r.Grace, ReferenceObjectID: r.ID,
			CreatedBy: creator, DefaultAlerts: of.invoice.DefaultAlerts,
		}, &of.debit, m)
		if w := of.disputing(&s, m); w != nil && err == nil {
			w.lot.seq = of.debit.Entry.Allocations[0].LotSeq
			change, err = w.pinReturned(change)
		}
	}
	return change, err
}

// lapsed reports whether what a refund has of a lot is not held any more: a hold runs out
// after a year.
func (of *refunded) lapsed(s *ledger.Snapshot, m ledger.Moment) bool {
	return of.refund != nil && of.refund.HoldID != "" && of.refund.State == billing.RefundPending &&
		(s.Hold == nil || s.Hold.StateAt(s.Chain.At(m.Now)) != ledger.HoldActive)
}

// pinAgain holds what the lot has left still for a refund whose hold has run out, and has the
// processor asked again then. It is pure.
func (of *refunded) pinAgain(s ledger.Snapshot, m ledger.Moment) (ledger.Change, error) {
	refund, now := of.refund, s.Chain.At(m.Now)
	left := min(refund.Card, of.left(&s, now))
	refund.HoldID, refund.Short, refund.DueAt = "", refund.Card-left, now
	change := ledger.Change{Wallet: s.Wallet}
	if left > 0 {
		s.Customer.Freezes = ""
		var err error
		if change, err = refund.pin(s, of, left, m); err != nil {
			return change, err
		}
	}
	object, err := refund.object()
	if err != nil {
		return change, err
	}
	return change, change.Put(&s, object, "", "", m.Now)
}

// left is what the lot has that a refund of a top-up goes back from.
func (of *refunded) left(s *ledger.Snapshot, now time.Time) money.Amount {
	return min(of.lot.most, s.Wallet.LotLeft(of.lot.seq, now))
}

// pin holds an amount of the very lot.
func (r *Refund) pin(s ledger.Snapshot, of *refunded, amount money.Amount, m ledger.Moment) (ledger.Change, error) {
	change, err := ledger.MakeHold(s, &ledger.HoldRequest{
		Tenant: r.Tenant, CustomerID: r.CustomerID, Currency: r.Currency, Amount: amount,
		ExpiresAt: s.Chain.At(m.Now).AddDate(ledger.HoldYears, 0, 0), LotSeq: of.lot.seq, ReferenceObjectID: r.ID,
		CreatedBy: creator, CurrencyEnabled: true, DefaultAlerts: of.invoice.DefaultAlerts,
	}, m)
	if err == nil {
		r.HoldID = change.Hold.Hold.ID
	}
	return change, err
}
