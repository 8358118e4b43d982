package collect

import (
	"context"
	"errors"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/processor"
)

// StepRefund has the processor asked about a refund that is pending and due, and reports
// whether there is more to do at once. What it does not answer for certain is asked again
// later under the same key.
func (c *Collector) StepRefund(ctx context.Context, tenant ledger.Tenant, id string) (more bool, err error) {
	refund, err := c.FindRefund(ctx, tenant, id)
	if err != nil || refund.State != billing.RefundPending || refund.External != "" ||
		c.at(refund.Clock).Before(refund.DueAt) {
		return false, err
	}
	invoice, err := c.Invoice(ctx, tenant, refund.InvoiceID)
	if err != nil {
		return false, err
	}
	// What the wallet cannot take now is not asked of the card now: one half would be back,
	// and the other not.
	if takes, err := c.takesBack(ctx, invoice, refund); err != nil || !takes {
		return false, errors.Join(err, c.askLater(ctx, refund))
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
		if succeeded && of.lapsed(&s, m) {
			return of.pinAgain(s, m)
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
