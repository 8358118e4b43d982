package collect_test

import (
	"testing"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/processor"
)

// topUp makes a top-up of the customer's wallet by a card that takes its time.
func (s *stage) topUp(amount money.Amount, expires time.Time) *collect.Collector {
	s.Helper()
	c := collect.New(s.store, s.sandbox, s.clock.Now, s.random)
	settings := access.DefaultSettings()
	invoice := collect.TopUpInvoice(&settings, shop, "cus_1", "USD", amount)
	invoice.Collection.InvoiceID, invoice.Method, invoice.TopUp.ExpiresAt = "inv_1", processor.SandboxProcessing, expires
	if id, err := c.OpenTopUp(s.Context(), invoice, nil); err != nil || id != "inv_1" {
		s.Fatalf("got %s, %v", id, err)
	}
	if err := s.goOn(c); err != nil {
		s.Fatal(err)
	}
	s.want(c, billing.CardUnknown, 0, amount)
	s.clock.Move(2 * time.Hour)
	return c
}

// wantReturned wants the card to have got back what it was charged.
func (s *stage) wantReturned(c *collect.Collector) {
	s.Helper()
	invoice, err := c.Invoice(s.Context(), shop, "inv_1")
	if err != nil {
		s.Fatal(err)
	}
	if a := invoice.Collection.Attempts[0]; invoice.Collection.State != billing.Void || a.Outcome != billing.Returned {
		s.Errorf("got the invoice %s and its attempt %s, want it void and the money returned", invoice.Collection.State, a.Outcome)
	}
}

// What the wallet cannot take any more when it was paid goes back to the card, and so does
// what was paid although the top-up was to become void.
func TestTopUpsGoBack(t *testing.T) {
	onEmbedded(t, func(s *stage) {
		s.customer(500)
		c := s.topUp(700, epoch.Add(90*time.Minute))
		if err := s.goOn(c); err != nil {
			s.Fatal(err)
		}
		s.wantReturned(c)
		s.wantWallet(500, 0, 1)
	})
	onEmbedded(t, func(s *stage) {
		s.customer(500)
		c := s.topUp(700, time.Time{})
		invoice, err := c.Invoice(s.Context(), shop, "inv_1")
		if err == nil {
			err = c.Decide(s.Context(), invoice, billing.Cancel{})
		}
		if err == nil {
			err = s.goOn(c)
		}
		if err != nil {
			s.Fatal(err)
		}
		s.wantReturned(c)
		s.wantWallet(500, 0, 1)
	})
}

// A customer who is frozen when the card has paid is credited when they are not any more.
func TestTopUpsWaitForFreezes(t *testing.T) {
	onEmbedded(t, func(s *stage) {
		s.customer(500)
		c := s.topUp(700, time.Time{})
		s.freeze(ledger.FreezeEverything, false)
		if err := s.goOn(c); ledger.CodeOf(err) != ledger.CodeCustomerNotActive {
			s.Errorf("got error %v, want %s", err, ledger.CodeCustomerNotActive)
		}
		s.want(c, billing.CardOK, 0, 700)
		s.freeze(ledger.FreezeEverything, true)
		if err := s.goOn(c); err != nil {
			s.Fatal(err)
		}
		s.want(c, billing.Paid, 0, 700)
		s.wantWallet(1200, 0, 2)
	})
}
