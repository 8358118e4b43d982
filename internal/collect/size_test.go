package collect_test

import (
	"strings"
	"testing"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/processor"
)

// An invoice that can be made can be paid: whatever it holds, what its card payment and the
// hold of the wallet's part add to it fits.
func TestInvoicesHaveRoomToBePaid(t *testing.T) {
	onStores(t, func(s *stage) {
		s.customer(1)
		c := collect.New(s.store, processor.NewSandbox(s.clock.Now), s.clock.Now, s.random)
		paid, refused := 0, 0
		for n, size := range []int{1000, 180_000, 195_000, 196_000, 196_400, 200_000, 250_000, 261_000, 262_000, 263_000} {
			id := "inv_" + string(rune('a'+n))
			err := c.Open(s.Context(), collect.Invoice{
				Tenant: shop, CustomerID: "cus_1", Reason: collect.ForPayment, Method: processor.SandboxOK,
				Items: []collect.Item{{Line: billing.Line{ID: "one", Amount: 4500}, Description: strings.Repeat("<", size)}},
				Collection: billing.Collection{
					InvoiceID: id, Currency: "USD", Total: 4500, Policy: billing.Policy{Tender: billing.TenderRules{CardMinimum: 50}},
				},
			})
			if ledger.CodeOf(err) == ledger.CodeLimitReached {
				refused++
				continue
			}
			if err != nil {
				s.Fatal(err)
			}
			for more := true; more; {
				if more, err = c.Step(s.Context(), shop, id); err != nil {
					s.Fatalf("an invoice with %d bytes of text: got error %v, want it paid", size, err)
				}
			}
			invoice, err := c.Invoice(s.Context(), shop, id)
			if err != nil || invoice.Collection.State != billing.Paid {
				s.Fatalf("an invoice with %d bytes of text: got %v and error %v, want it paid", size, invoice, err)
			}
			paid++
		}
		if paid < 3 || refused < 3 {
			s.Errorf("got %d invoices paid and %d refused, want several of both", paid, refused)
		}
	})
}
