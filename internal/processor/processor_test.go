package processor_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/processor"
)

// failing is a processor whose calls all end in an error.
type failing struct{ err error }

func (f failing) Create(context.Context, processor.Request) (billing.Report, error) {
	return billing.Report{}, f.err
}
func (f failing) Confirm(context.Context, string) (billing.Report, error) {
	return billing.Report{}, f.err
}
func (f failing) LookUp(context.Context, string) (billing.Report, error) {
	return billing.Report{}, f.err
}
func (f failing) Search(context.Context, processor.Request, time.Time) (billing.Report, error) {
	return billing.Report{}, f.err
}
func (f failing) Cancel(context.Context, string) (billing.Report, error) {
	return billing.Report{}, f.err
}
func (f failing) Return(context.Context, string, string) error { return f.err }
func (f failing) Refund(context.Context, processor.RefundRequest) (processor.RefundStatus, error) {
	return "", f.err
}

// TestDoSaysWhatIsKnown takes no error for an answer: only a search that found
// nothing, and a call that was certainly not made, are known to have had no effect.
func TestDoSaysWhatIsKnown(t *testing.T) {
	t.Parallel()
	c := &billing.Collection{InvoiceID: "inv_1", Currency: "USD"}
	intended := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	lost := errors.New("connection reset")
	for _, do := range []billing.Do{
		billing.DoCreate, billing.DoConfirm, billing.DoLookUp, billing.DoSearch, billing.DoCancel, billing.DoReturn,
	} {
		task := billing.Task{Do: do, Attempt: 2, IntendedAt: intended}
		for _, test := range []struct {
			err  error
			want billing.Input
		}{
			{lost, billing.Silence{Attempt: 2}},
			{context.DeadlineExceeded, billing.Silence{Attempt: 2}},
			{fmt.Errorf("429: %w", processor.ErrNotReached), billing.NotReached{Attempt: 2}},
			{processor.ErrNoPayment, notFoundBy(do, intended)},
		} {
			if got := processor.Do(t.Context(), failing{test.err}, c, task); got != test.want {
				t.Errorf("%s, %v: got %#v, want %#v", do, test.err, got, test.want)
			}
		}
	}
	for do, want := range map[billing.Do]billing.Input{
		billing.DoReturn: billing.ReturnDone{Attempt: 2},
		billing.DoLookUp: billing.Answer{Attempt: 2},
		billing.DoWait:   billing.NotReached{Attempt: 2}, // no call
	} {
		if got := processor.Do(t.Context(), failing{}, c, billing.Task{Do: do, Attempt: 2}); got != want {
			t.Errorf("%s without an error: got %#v, want %#v", do, got, want)
		}
	}
}

// notFoundBy is what ErrNoPayment means: that a payment whose id is known is gone
// tells nothing about its charge.
func notFoundBy(do billing.Do, intended time.Time) billing.Input {
	if do == billing.DoSearch {
		return billing.NotFound{Attempt: 2, IntendedAt: intended}
	}
	return billing.Silence{Attempt: 2}
}

// TestSandboxForMany has many create, confirm and return one payment at once.
func TestSandboxForMany(t *testing.T) {
	t.Parallel()
	clock := newClock()
	sandbox := processor.NewSandbox(clock.Now)
	request := processor.Request{
		Key: "k", InvoiceID: "inv_1", Attempt: 1, Amount: 500, Currency: "USD", Method: processor.SandboxOK,
	}
	var group sync.WaitGroup
	ids := make([]string, 16)
	for i := range ids {
		group.Go(func() {
			report, err := sandbox.Create(t.Context(), request)
			if err != nil {
				t.Errorf("create: %v", err)
			}
			ids[i] = report.PaymentID
			report, err = sandbox.Confirm(t.Context(), report.PaymentID)
			if err != nil || report.Status != billing.ChargeSucceeded {
				t.Errorf("confirm: got %+v, %v", report, err)
			}
		})
	}
	group.Wait()
	for _, id := range ids {
		if id == "" || id != ids[0] {
			t.Errorf("ids: got %q, want one", ids)
		}
	}
	if told := sandbox.Notifications(); len(told) != 2 || len(sandbox.Notifications()) != 0 {
		t.Errorf("notifications: got %+v, want the creation and the charge, once", told)
	}
	request.Key, request.Amount = "l", sandbox.Minimum("USD")-1
	report, err := sandbox.Create(t.Context(), request)
	if err != nil || report.Status != billing.ChargeFailed || report.PaymentID != "" {
		t.Errorf("below the minimum: got %+v, %v, want it refused for good", report, err)
	}
}
