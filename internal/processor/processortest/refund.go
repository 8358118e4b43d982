package processortest

import (
	"errors"
	"testing"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/processor"
)

// refunds gives parts of a payment back.
func (c contract) refunds(t *testing.T) {
	p := c.open(t)
	id := create(t, p, c.ok)
	want(t, "charge", p.Confirm, id, billing.ChargeSucceeded)
	for _, test := range []struct {
		key    string
		amount money.Amount
		stands processor.RefundStatus
	}{
		{"refund:ref_1", 200, processor.RefundSucceeded},
		{"refund:ref_1", 200, processor.RefundSucceeded}, // the same one
		{"refund:ref_2", 301, processor.RefundFailed},
		{"refund:ref_3", 300, processor.RefundSucceeded},
		{"refund:ref_2", 301, processor.RefundFailed},
		{"refund:ref_4", 1, processor.RefundFailed},
		{"refund:ref_3", 300, processor.RefundSucceeded},
	} {
		r := processor.RefundRequest{Key: test.key, PaymentID: id, Amount: test.amount, Currency: "USD"}
		if got, err := p.Refund(t.Context(), r); err != nil || got != test.stands {
			t.Errorf("%s of %d: got %q, %v, want %q", test.key, test.amount, got, err, test.stands)
		}
	}
	other := processor.RefundRequest{Key: "refund:ref_1", PaymentID: id, Amount: 1, Currency: "USD"}
	if got, err := p.Refund(t.Context(), other); err == nil {
		t.Errorf("another amount under the same key: got %q, want an error", got)
	}
	none := processor.RefundRequest{Key: "refund:ref_1", PaymentID: "pay_none", Amount: 1, Currency: "USD"}
	if got, err := p.Refund(t.Context(), none); !errors.Is(err, processor.ErrNoPayment) {
		t.Errorf("of no payment: got %q, %v, want %v", got, err, processor.ErrNoPayment)
	}
}
