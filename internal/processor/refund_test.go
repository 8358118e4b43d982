package processor_test

import (
	"testing"
	"time"

	"github.com/billfold/billfold/internal/processor"
)

// charged makes a payment of 500 by a method, and charges it.
func charged(t *testing.T, p processor.Processor, method string) string {
	t.Helper()
	report, err := p.Create(t.Context(), processor.Request{
		Key: "inv:inv_1:1", InvoiceID: "inv_1", Attempt: 1, Amount: 500, Currency: "USD", Method: method,
	})
	if err == nil {
		_, err = p.Confirm(t.Context(), report.PaymentID)
	}
	if err != nil {
		t.Fatal(err)
	}
	return report.PaymentID
}

// TestSandboxRefunds has a refund of each method that stands for what becomes of one.
func TestSandboxRefunds(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		method              string
		first, again, later processor.RefundStatus
	}{
		{processor.SandboxOK, processor.RefundSucceeded, processor.RefundSucceeded, processor.RefundSucceeded},
		{processor.SandboxRefundFails, processor.RefundFailed, processor.RefundFailed, processor.RefundFailed},
		{processor.SandboxRefundTimeout, "", processor.RefundSucceeded, processor.RefundSucceeded},
		{processor.SandboxRefundPending, processor.RefundPending, processor.RefundPending, processor.RefundSucceeded},
	} {
		clock := newClock()
		p := processor.NewSandbox(clock.Now)
		r := processor.RefundRequest{Key: "refund:ref_1", PaymentID: charged(t, p, test.method), Amount: 200, Currency: "USD"}
		for n, want := range []processor.RefundStatus{test.first, test.again, test.later} {
			if n == 2 {
				clock.now = clock.now.Add(2 * time.Hour)
			}
			if got, err := p.Refund(t.Context(), r); got != want || (err == nil) != (want != "") {
				t.Errorf("%s, call %d: got %q, %v, want %q", test.method, n+1, got, err, want)
			}
		}
	}
}

// What was given back whole, or is not charged, has nothing to refund.
func TestSandboxRefundsNothingTwice(t *testing.T) {
	t.Parallel()
	p := processor.NewSandbox(newClock().Now)
	id := charged(t, p, processor.SandboxOK)
	if err := p.Return(t.Context(), id, "k"); err != nil {
		t.Fatal(err)
	}
	r := processor.RefundRequest{Key: "refund:ref_1", PaymentID: id, Amount: 1, Currency: "USD"}
	if got, err := p.Refund(t.Context(), r); err != nil || got != processor.RefundFailed {
		t.Errorf("of what went back: got %q, %v, want %q", got, err, processor.RefundFailed)
	}
	p = processor.NewSandbox(newClock().Now)
	r.PaymentID = charged(t, p, processor.SandboxDeclined)
	if got, err := p.Refund(t.Context(), r); err != nil || got != processor.RefundFailed {
		t.Errorf("of what was declined: got %q, %v, want %q", got, err, processor.RefundFailed)
	}
}
