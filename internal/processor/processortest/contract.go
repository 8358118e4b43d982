// Package processortest has the behaviour that every card processor must show. Only
// tests import it.
package processortest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/processor"
)

// Contract is what every processor must do. Open returns one without payments; of the
// two methods one succeeds and one is declined.
func Contract(t *testing.T, open func(t *testing.T) processor.Processor, ok, declined string) {
	t.Helper()
	c := contract{open, ok, declined}
	t.Run("a key makes one payment", c.oneForAKey)
	t.Run("a payment is charged once", c.chargedOnce)
	t.Run("what failed stays so", c.failedForGood)
	t.Run("what was cancelled is never charged", c.cancelledForGood)
	t.Run("what there is not", c.none)
	t.Run("parts go back once", c.refunds)
}

type contract struct {
	open         func(t *testing.T) processor.Processor
	ok, declined string
}

type call = func(context.Context, string) (billing.Report, error)

func request(method string) processor.Request {
	return processor.Request{Key: "inv:inv_1:1", InvoiceID: "inv_1", Attempt: 1, Amount: 500, Currency: "USD", Method: method}
}

func create(t *testing.T, p processor.Processor, method string) string {
	t.Helper()
	report, err := p.Create(t.Context(), request(method))
	if err != nil || report.PaymentID == "" {
		t.Fatalf("create: got %+v, %v", report, err)
	}
	want := billing.Report{PaymentID: report.PaymentID, Status: billing.RequiresConfirmation, Amount: 500, Currency: "USD"}
	if report != want {
		t.Errorf("create: got %+v, want %+v", report, want)
	}
	return report.PaymentID
}

func want(t *testing.T, what string, do call, id string, status billing.Status) {
	t.Helper()
	report, err := do(t.Context(), id)
	if err != nil || report.Status != status || report.Amount != 500 || report.PaymentID != id {
		t.Errorf("%s: got %+v, %v, want %s", what, report, err, status)
	}
}

func (c contract) oneForAKey(t *testing.T) {
	p := c.open(t)
	id := create(t, p, c.ok)
	if again := create(t, p, c.ok); again != id {
		t.Errorf("the same key: got %s, want %s", again, id)
	}
	want(t, "search", func(ctx context.Context, _ string) (billing.Report, error) {
		return p.Search(ctx, request(c.ok), time.Now())
	}, id, billing.RequiresConfirmation)
	other := request(c.ok)
	other.Amount++
	if report, err := p.Create(t.Context(), other); err == nil {
		t.Errorf("another amount under the same key: got %+v, want an error", report)
	}
}

func (c contract) chargedOnce(t *testing.T) {
	p := c.open(t)
	id := create(t, p, c.ok)
	if err := p.Return(t.Context(), id, "k"); err == nil {
		t.Error("return of what was not charged: got no error")
	}
	want(t, "confirm", p.Confirm, id, billing.ChargeSucceeded)
	want(t, "confirm again", p.Confirm, id, billing.ChargeSucceeded)
	want(t, "cancel", p.Cancel, id, billing.ChargeSucceeded)
	want(t, "look up", p.LookUp, id, billing.ChargeSucceeded)
	for _, key := range []string{"k", "k", "l"} {
		if err := p.Return(t.Context(), id, key); err != nil {
			t.Errorf("return under %s: %v", key, err)
		}
	}
}

func (c contract) failedForGood(t *testing.T) {
	p := c.open(t)
	id := create(t, p, c.declined)
	want(t, "confirm", p.Confirm, id, billing.ChargeFailed)
	want(t, "confirm again", p.Confirm, id, billing.ChargeFailed)
	want(t, "look up", p.LookUp, id, billing.ChargeFailed)
}

func (c contract) cancelledForGood(t *testing.T) {
	p := c.open(t)
	id := create(t, p, c.ok)
	want(t, "cancel", p.Cancel, id, billing.ChargeFailed)
	want(t, "confirm", p.Confirm, id, billing.ChargeFailed)
}

func (c contract) none(t *testing.T) {
	p := c.open(t)
	search := func(ctx context.Context, key string) (billing.Report, error) {
		r := request(c.ok)
		r.Key = key
		return p.Search(ctx, r, time.Now())
	}
	for name, do := range map[string]call{"confirm": p.Confirm, "look up": p.LookUp, "search": search, "cancel": p.Cancel} {
		if report, err := do(t.Context(), "pay_none"); !errors.Is(err, processor.ErrNoPayment) {
			t.Errorf("%s: got %+v, %v, want %v", name, report, err, processor.ErrNoPayment)
		}
	}
	if err := p.Return(t.Context(), "pay_none", "k"); !errors.Is(err, processor.ErrNoPayment) {
		t.Errorf("return: got %v, want %v", err, processor.ErrNoPayment)
	}
}
