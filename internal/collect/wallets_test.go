package collect_test

import (
	"errors"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/processor"
)

// customer makes a customer with one credit for each amount.
func (s *stage) customer(credits ...money.Amount) {
	s.Helper()
	customer := ledger.Customer{
		Tenant: shop, ID: "cus_1", Email: "a@example.com", Name: "A", Metadata: "{}", CreatedAt: epoch, UpdatedAt: epoch,
	}
	if _, err := s.store.CreateCustomer(s.Context(), customer, nil); err != nil {
		s.Fatal(err)
	}
	var lines []ledger.PostRequest
	for _, amount := range credits {
		lines = append(lines, ledger.PostRequest{
			Tenant: shop, CustomerID: "cus_1", Currency: "USD", Direction: ledger.Credit, Amount: amount, CreatedBy: "key_1",
			CurrencyEnabled: true, ExpiresAt: epoch.Add(time.Duration(1+len(lines)) * time.Hour),
		})
	}
	outcomes, err := s.book.PostMany(s.Context(), lines, false)
	for _, outcome := range outcomes {
		err = errors.Join(err, outcome.Err)
	}
	if err != nil {
		s.Fatal(err)
	}
}

// collect makes an invoice of the customer and has it go on until it waits.
func (s *stage) collect(method string, total money.Amount) *collect.Collector {
	s.Helper()
	c := collect.New(s.store, s.sandbox, s.clock.Now, s.random)
	invoice := collect.Invoice{
		Tenant: shop, CustomerID: "cus_1", Method: method,
		Collection: billing.Collection{InvoiceID: "inv_1", Currency: "USD", Total: total},
	}
	if err := c.Open(s.Context(), invoice); err != nil {
		s.Fatal(err)
	}
	if err := s.goOn(c); err != nil {
		s.Fatal(err)
	}
	return c
}

func (s *stage) goOn(c *collect.Collector) error {
	for {
		if more, err := c.Step(s.Context(), shop, "inv_1"); err != nil || !more {
			return err
		}
	}
}

func (s *stage) want(c *collect.Collector, state billing.State, wallet, card money.Amount) {
	s.Helper()
	invoice, err := c.Invoice(s.Context(), shop, "inv_1")
	if err != nil {
		s.Fatal(err)
	}
	if got := invoice.Collection; got.State != state || got.Tender.Wallet != wallet || got.Tender.Card != card {
		s.Errorf("got %s with %+v, want %s with %d of the wallet and %d of the card", got.State, got.Tender, state, wallet, card)
	}
}

func (s *stage) freeze(scope ledger.FreezeScope, lift bool) {
	s.Helper()
	request := ledger.FreezeRequest{Tenant: shop, CustomerID: "cus_1", Scope: scope, Lift: lift, Reason: "a dispute"}
	if _, _, err := s.book.Freeze(s.Context(), request, nil); err != nil {
		s.Fatal(err)
	}
}

// A hold pins so many lots; the card pays what others have.
func TestMoreLotsThanAHoldPins(t *testing.T) {
	onStores(t, func(s *stage) {
		credits := make([]money.Amount, ledger.HoldLotsMax+10)
		for i := range credits {
			credits[i] = 1
		}
		s.customer(credits...)
		s.want(s.collect(processor.SandboxOK, 20_000), billing.Paid, ledger.HoldLotsMax, 20_000-ledger.HoldLotsMax)
	})
}

// A wallet of which debits are frozen is left alone.
func TestFrozenDebits(t *testing.T) {
	onStores(t, func(s *stage) {
		s.customer(500)
		s.freeze(ledger.FreezeDebits, false)
		s.want(s.collect(processor.SandboxOK, 700), billing.Paid, 0, 700)
	})
}

// What was held before a wallet was frozen is captured when nothing forbids it any more.
func TestFrozenMeanwhile(t *testing.T) {
	onStores(t, func(s *stage) {
		s.customer(500)
		c := s.collect(processor.SandboxProcessing, 700)
		s.want(c, billing.CardUnknown, 500, 200)
		s.freeze(ledger.FreezeEverything, false)
		s.clock.Move(2 * time.Hour)
		if err := s.goOn(c); ledger.CodeOf(err) != ledger.CodeCustomerNotActive {
			s.Errorf("got error %v, want %s", err, ledger.CodeCustomerNotActive)
		}
		s.want(c, billing.CardOK, 500, 200)
		s.freeze(ledger.FreezeEverything, true)
		if err := s.goOn(c); err != nil {
			s.Error(err)
		}
		s.want(c, billing.Paid, 500, 200)
	})
}

// Money of a hold that has expired pays, whether or not it was swept.
func TestExpiredHoldsPay(t *testing.T) {
	onStores(t, func(s *stage) {
		s.customer(500)
		for range 100 {
			hold := ledger.HoldRequest{
				Tenant: shop, CustomerID: "cus_1", Currency: "USD", Amount: 5, ExpiresAt: epoch.Add(time.Minute), CreatedBy: "key_1",
				CurrencyEnabled: true,
			}
			if _, err := s.book.MakeHold(s.Context(), hold); err != nil {
				s.Fatal(err)
			}
		}
		s.clock.Move(2 * time.Minute)
		s.want(s.collect(processor.SandboxOK, 700), billing.Paid, 500, 200)
	})
}
