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
	"github.com/billfold/billfold/internal/storetest"
	"github.com/billfold/billfold/internal/verify"
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

// oneLine is all of an invoice in one line.
func oneLine(total money.Amount) []collect.Item {
	return []collect.Item{{Line: billing.Line{ID: "pdt_1", Amount: total}}}
}

// collect makes an invoice of the customer and has it go on until it waits.
func (s *stage) collect(method string, total money.Amount) *collect.Collector {
	s.Helper()
	c := collect.New(s.store, s.sandbox, s.clock.Now, s.random)
	invoice := collect.Invoice{
		Tenant: shop, CustomerID: "cus_1", Method: method, Items: oneLine(total),
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

// What was charged for an invoice that was void by then is credited, beside the hold that
// is given back.
func TestLateSuccessIsCredited(t *testing.T) {
	onStores(t, func(s *stage) {
		s.customer(1000)
		c := collect.New(s.store, s.sandbox, s.clock.Now, s.random)
		invoice := collect.Invoice{
			Tenant: shop, CustomerID: "cus_1", Method: processor.SandboxOK, Items: oneLine(1800),
			Collection: billing.Collection{
				InvoiceID: "inv_1", Currency: "USD", Total: 1800, Policy: billing.Policy{Late: billing.LateCredit},
			},
		}
		err := c.Open(s.Context(), invoice)
		for range 3 { // the hold, the intention, the payment
			_, stepErr := c.Step(s.Context(), shop, "inv_1")
			err = errors.Join(err, stepErr)
		}
		created, readErr := c.Invoice(s.Context(), shop, "inv_1")
		if err = errors.Join(err, readErr); err != nil {
			s.Fatal(err)
		}
		s.want(c, billing.CardCreated, 1000, 800)
		if _, err := s.sandbox.Confirm(s.Context(), created.Collection.Attempts[0].PaymentID); err != nil {
			s.Fatal(err)
		}
		if err := errors.Join(c.Decide(s.Context(), created, billing.Cancel{}), s.goOn(c)); err != nil {
			s.Fatal(err)
		}
		s.want(c, billing.Void, 1000, 800)
		s.wantWallet(1800, 0, 2)
	})
}

// wantWallet wants the customer's wallet so, and every law kept.
func (s *stage) wantWallet(balance, held money.Amount, seq int64) {
	s.Helper()
	h, err := storetest.ReadHistory(s.Context(), s.store, shop, "cus_1")
	if err != nil {
		s.Fatal(err)
	}
	if w := h.Wallets[0]; w.Balance != balance || w.Held != held || w.Seq != seq {
		s.Errorf("wallet: got balance %d, held %d and seq %d, want %d, %d and %d", w.Balance, w.Held, w.Seq, balance, held, seq)
	}
	for _, violation := range storetest.CheckLaws(h) {
		s.Error(violation)
	}
	report, err := verify.Run(s.Context(), s.options)
	if err != nil || !report.Clean() {
		s.Errorf("verify: got findings %v and error %v, want none", report.Findings, err)
	}
}

// Nobody else ends what is held for an invoice: the card may have been charged.
func TestHoldsOfInvoicesAreTheirOwn(t *testing.T) {
	onStores(t, func(s *stage) {
		s.customer(500)
		c := s.collect(processor.SandboxProcessing, 700)
		invoice, err := c.Invoice(s.Context(), shop, "inv_1")
		if err != nil {
			s.Fatal(err)
		}
		_, released := s.book.Release(s.Context(), ledger.ReleaseRequest{
			Tenant: shop, CustomerID: "cus_1", HoldID: invoice.Collection.HoldID, CreatedBy: "key_1",
		})
		_, captured := s.book.Capture(s.Context(), ledger.CaptureRequest{
			Tenant: shop, CustomerID: "cus_1", HoldID: invoice.Collection.HoldID, CreatedBy: "key_1",
		})
		if ledger.CodeOf(released) != ledger.CodeHoldNotActive || ledger.CodeOf(captured) != ledger.CodeHoldNotActive {
			s.Errorf("release and capture by a key: got errors %v and %v, want %s", released, captured, ledger.CodeHoldNotActive)
		}
		s.clock.Move(2 * time.Hour)
		if err := s.goOn(c); err != nil {
			s.Error(err)
		}
		s.want(c, billing.Paid, 500, 200)
		s.wantWallet(0, 0, 2)
	})
}
