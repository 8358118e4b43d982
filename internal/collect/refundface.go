package collect

import (
	"context"
	"encoding/json"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
)

// RefundListItem is a refund as the published list shows it.
type RefundListItem struct {
	RefundID   string       `json:"refund_id"`
	PaymentID  string       `json:"payment_id"`
	BusinessID string       `json:"business_id"`
	CreatedAt  Time         `json:"created_at"`
	Status     RefundStatus `json:"status"`
	IsPartial  bool         `json:"is_partial"`
	Amount     int64        `json:"amount"`
	Currency   string       `json:"currency"`
	Reason     *string      `json:"reason"`

	// Beyond the published format: where it goes, and what of it goes to the wallet.
	Destination  billing.Destination `json:"destination"`
	WalletAmount int64               `json:"wallet_amount"`
}

// RefundFace is a refund as the published API shows it.
type RefundFace struct {
	RefundListItem
	BrandID  string          `json:"brand_id"`
	Customer Customer        `json:"customer"`
	Metadata json.RawMessage `json:"metadata"`
}

// ListItem is the refund as the list shows it.
func (r *Refund) ListItem() RefundListItem {
	item := RefundListItem{
		RefundID: r.ID, PaymentID: PaymentIDPrefix + r.InvoiceID[len(InvoiceIDPrefix):], BusinessID: r.Tenant.BusinessID,
		CreatedAt: Time(r.CreatedAt), Status: r.Status(), IsPartial: r.Partial, Amount: int64(r.Amount()), Currency: string(r.Currency),
		Reason: text(r.Reason), Destination: r.Destination, WalletAmount: int64(r.Wallet),
	}
	if r.Destination == billing.ToWallet {
		item.WalletAmount = item.Amount
	}
	return item
}

// Face is the refund with its customer.
func (r *Refund) Face(customer *ledger.Customer) RefundFace {
	return RefundFace{
		RefundListItem: r.ListItem(), BrandID: r.Tenant.BusinessID, Customer: CustomerOf(customer), Metadata: object(string(r.Metadata)),
	}
}

// The kinds of events about refunds.
const (
	refundSucceeded ledger.EventKind = "refund.succeeded"
	refundFailed    ledger.EventKind = "refund.failed"
)

// told is as what it is told that a refund has come to stand so, with what is told. That
// one was asked for is no news.
func (r *Refund) told(customer *ledger.Customer) (kind ledger.EventKind, data string, err error) {
	switch r.Status() {
	case RefundPending:
		return "", "", nil
	case RefundSucceeded:
		kind = refundSucceeded
	default:
		kind = refundFailed
	}
	payload, err := encode(struct {
		RefundFace
		PayloadType string `json:"payload_type"`
	}{r.Face(customer), "Refund"})
	return kind, string(payload), err
}

// refundStatus is how much of the payment was given back: partial or full, nil for none.
func (i *Invoice) refundStatus() *string {
	p := i.Refundable()
	switch given := p.Given(); {
	case given == 0:
		return nil
	case given < p.Wallet+p.Card:
		return text("partial")
	}
	return text("full")
}

// RefundsOf are the refunds of an invoice's payment, as its face shows them.
func (c *Collector) RefundsOf(ctx context.Context, invoice *Invoice) ([]RefundListItem, error) {
	items := make([]RefundListItem, 0, len(invoice.Refunds))
	for _, refund := range invoice.Refunds {
		kept, err := c.FindRefund(ctx, invoice.Tenant, refund.ID)
		if err != nil {
			return nil, err
		}
		items = append(items, kept.ListItem())
	}
	return items, nil
}
