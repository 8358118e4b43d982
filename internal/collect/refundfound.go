package collect

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// FoundRefund is a refund of a payment's card part that was made at the processor by
// somebody else.
type FoundRefund struct {
	ID        string // the processor's
	Amount    money.Amount
	Currency  money.Currency
	State     billing.RefundState
	CreatedAt time.Time // at the processor
}

// foundReason is why such a refund was made, as far as anybody here knows.
const foundReason = "made at the card processor"

// RecordRefund keeps a refund that somebody has made at the processor, or what became of
// it since, so that what is left to refund is right. It may be told twice and in any
// order. Nothing is asked of the processor for it. What contradicts our record is refused
// with an error of [billing.FindRefund], with CURRENCY_MISMATCH, or with
// NOTHING_TO_REFUND where a top-up was given back whose money may be spent.
func (c *Collector) RecordRefund(ctx context.Context, tenant ledger.Tenant, invoiceID string, found FoundRefund) error {
	m := c.moment()
	sum := sha256.Sum256([]byte("billfold.refund_found.v1 " + found.ID))
	id := ledger.NewID(RefundIDPrefix, found.CreatedAt,
		[2]uint64{binary.BigEndian.Uint64(sum[:]), binary.BigEndian.Uint64(sum[8:])})
	decide := func(s ledger.Snapshot, of *refunded) (ledger.Change, error) {
		none := ledger.Change{Replayed: true, Wallet: s.Wallet}
		invoice := of.invoice
		p := invoice.Refundable()
		if found.Currency != p.Currency {
			return none, ledger.Errorf(billing.CodeCurrencyMismatch, "payment %s was made in %s", p.PaymentID, p.Currency)
		}
		if invoice.Reason == ForTopUp {
			return none, ledger.Errorf(billing.CodeNothingToRefund, "payment %s went to the wallet, and was given back to the card", p.PaymentID)
		}
		step, err := billing.FindRefund(p, id, found.Amount, found.State)
		if err != nil || step.Refund.ID == "" || of.refund != nil && step.Refund.State == of.refund.State {
			return none, err
		}
		refund := of.refund
		if refund == nil {
			refund = &Refund{
				Tenant: tenant, CustomerID: invoice.CustomerID, CreatedAt: s.Chain.At(m.Now), InvoiceID: invoiceID,
				SubscriptionID: invoice.SubscriptionID, Currency: p.Currency, Partial: found.Amount < p.Card+p.Wallet,
				Reason: foundReason, External: found.ID,
			}
		}
		return keepRefund(&s, of, refund, &step, m)
	}
	return c.about(ctx, tenant, invoiceID, id, m, nil, decide)
}
