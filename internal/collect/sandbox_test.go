package collect_test

import (
	"testing"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/processor"
)

// TestSandboxRemembers has each call about a payment made by another process: what the
// sandbox knows is with the invoices, and a payment is charged once.
func TestSandboxRemembers(t *testing.T) {
	onStores(t, func(s *stage) {
		s.customer(300)
		ctx := s.Context()
		invoice := &collect.Invoice{Tenant: shop, CustomerID: "cus_1"}
		sandbox := func() processor.Processor {
			return collect.TestProcessors(s.store, s.clock.Now, s.random)(invoice)
		}
		request := processor.Request{
			Key: "inv:inv_9:1", InvoiceID: "inv_9", Attempt: 1, Amount: 500, Currency: "USD", Method: processor.SandboxProcessing,
		}
		created, err := sandbox().Create(ctx, request)
		if err != nil || created.Status != billing.RequiresConfirmation {
			s.Fatalf("create: got %+v, %v", created, err)
		}
		if again, err := sandbox().Create(ctx, request); err != nil || again != created {
			s.Errorf("the same key in another process: got %+v, %v, want %+v", again, err, created)
		}
		if found, err := sandbox().Search(ctx, request.Key); err != nil || found != created {
			s.Errorf("search: got %+v, %v, want %+v", found, err, created)
		}
		if report, err := sandbox().Confirm(ctx, created.PaymentID); err != nil || report.Status != billing.Processing {
			s.Errorf("confirm: got %+v, %v", report, err)
		}
		s.clock.Move(2 * time.Hour)
		if report, err := sandbox().LookUp(ctx, created.PaymentID); err != nil || report.Status != billing.ChargeSucceeded {
			s.Errorf("look up after its time: got %+v, %v", report, err)
		}
		if report, err := sandbox().Cancel(ctx, created.PaymentID); err != nil || report.Status != billing.ChargeSucceeded {
			s.Errorf("cancel what was charged: got %+v, %v", report, err)
		}
		invoice.Tenant.Mode = "live"
		if p := sandbox(); p != nil {
			s.Errorf("live mode: got %T, want no processor", p)
		}
	})
}
