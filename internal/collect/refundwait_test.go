package collect_test

import (
	"testing"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/processor"
)

// A refund of which the wallet cannot take its part does not reach the card before it can.
func TestRefundsWaitForTheWallet(t *testing.T) {
	onEmbedded(t, func(s *stage) {
		s.customer(300)
		u := newUnreliable(s.sandbox, 1)
		c := collect.New(s.store, s.sandbox, s.clock.Now, s.random)
		invoice := collect.Invoice{
			Tenant: shop, CustomerID: "cus_1", Method: processor.SandboxOK,
			Items: []collect.Item{{Line: billing.Line{ID: "pdt_1", Amount: 1000}}},
			Collection: billing.Collection{
				InvoiceID: "inv_1", Currency: "USD", Total: 1000,
				Policy: billing.Policy{Tender: billing.TenderRules{CardMinimum: 50, Below: billing.ChargeMinimum}},
			},
		}
		if err := c.Open(s.Context(), invoice); err != nil {
			s.Fatal(err)
		}
		if err := s.goOn(c); err != nil {
			s.Fatal(err)
		}
		asked := collect.New(s.store, u, s.clock.Now, s.random)
		order := collect.RefundOrder{InvoiceID: "inv_1"}
		order.ID, order.Destination, order.Amount = "ref_1", billing.ToOriginal, 1000
		if _, err := asked.Refund(s.Context(), shop, order, nil, nil); err != nil {
			s.Fatal(err)
		}
		s.freeze(ledger.FreezeEverything, false)
		if _, err := asked.StepRefund(s.Context(), shop, "ref_1"); err != nil || len(u.refunds) != 0 {
			s.Fatalf("got error %v and calls %v of the card while the wallet is frozen", err, u.refunds)
		}
		s.freeze(ledger.FreezeEverything, true)
		for range 20 {
			s.clock.Move(7 * time.Hour)
			if _, err := asked.StepRefund(s.Context(), shop, "ref_1"); err != nil {
				s.Fatal(err)
			}
		}
		refund, err := asked.FindRefund(s.Context(), shop, "ref_1")
		if err != nil || refund.State != billing.RefundSucceeded {
			s.Errorf("got %+v, %v, want it to succeed once the wallet is not frozen", refund, err)
		}
	})
}
