package collect_test

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/billing/calendar"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/processor"
)

// aMonth is a subscription of the customer to something of 1000 each month.
func aMonth(method string) collect.Subscription {
	return collect.Subscription{
		Tenant: shop, CustomerID: "cus_1",
		Subscription: billing.Subscription{
			ID: "sub_1", Currency: "USD", Zone: "UTC", Method: method,
			Plan: billing.Plan{
				ProductID: "pdt_1", Price: 1000, Quantity: 1, Payment: billing.Interval{Count: 1, Unit: calendar.Month},
			},
		},
		Policy: billing.Policy{Retries: []time.Duration{24 * time.Hour}, Late: billing.LateRefund},
	}
}

// subscribe begins a subscription and has what is due go on.
func (s *stage) subscribe(of collect.Subscription) (*collect.Collector, *collect.Worker) {
	s.Helper()
	c := collect.New(s.store, s.sandbox, s.clock.Now, s.random)
	for range 2 { // the second finds it
		if _, err := c.Subscribe(s.Context(), of, billing.Subscribe{}); err != nil {
			s.Fatal(err)
		}
	}
	w := collect.NewWorker(c, slog.New(slog.DiscardHandler))
	s.rounds(w)
	return c, w
}

func (s *stage) rounds(w *collect.Worker) {
	s.Helper()
	for worked := 1; worked > 0; {
		var err error
		if worked, err = w.Round(s.Context()); err != nil {
			s.Fatal(err)
		}
	}
}

// happens has something happen to the subscription.
func (s *stage) happens(c *collect.Collector, input billing.SubscriptionInput) {
	s.Helper()
	of, err := c.Subscription(s.Context(), shop, "sub_1")
	if err == nil {
		_, err = c.DecideSubscription(s.Context(), of, input)
	}
	if err != nil {
		s.Fatal(err)
	}
}

// wantSubscription wants the subscription so, and what was told of it since a number.
func (s *stage) wantSubscription(
	c *collect.Collector, after int64, status billing.SubscriptionStatus, next int64, told ...ledger.EventKind,
) (last int64) {
	s.Helper()
	of, err := c.Subscription(s.Context(), shop, "sub_1")
	if err != nil {
		s.Fatal(err)
	}
	events, err := s.store.ObjectEvents(s.Context(), shop, "cus_1", after, 200)
	if err != nil {
		s.Fatal(err)
	}
	var got []ledger.EventKind
	for _, event := range events {
		last = event.Number
		if event.Kind != "" && !strings.HasPrefix(string(event.Kind), "payment.") { // of which the invoices' tests know
			got = append(got, event.Kind)
		}
	}
	if of.Status != status || of.Next != next || !slices.Equal(got, told) {
		s.Errorf("got %s with next period %d, told %q, want %s, %d and %q", of.Status, of.Next, got, status, next, told)
	}
	return last
}

// A renewal that the wallet covers is one commit: the invoice is made and paid in it.
func TestWalletsRenew(t *testing.T) {
	onStores(t, func(s *stage) {
		s.customer()
		post := ledger.PostRequest{
			Tenant: shop, CustomerID: "cus_1", Currency: "USD", Direction: ledger.Credit, Amount: 3500, CreatedBy: "key_1", CurrencyEnabled: true,
		}
		if _, err := s.book.Post(s.Context(), post); err != nil {
			s.Fatal(err)
		}
		c, w := s.subscribe(aMonth(processor.SandboxOK))
		last := s.wantSubscription(c, 0, billing.SubscriptionActive, 1, "subscription.active", "subscription.renewed")
		s.clock.Set(epoch.AddDate(0, 2, 0)) // it was down for a month
		s.rounds(w)
		s.wantSubscription(c, last, billing.SubscriptionActive, 3, "subscription.renewed", "subscription.renewed")
		s.wantWallet(500, 0, 4)
		s.clock.Set(epoch.AddDate(0, 3, 0)) // the card pays what is missing
		s.rounds(w)
		s.wantSubscription(c, last+4, billing.SubscriptionActive, 4, "subscription.renewed")
		s.wantWallet(0, 0, 5)
		var invoices []money.Amount
		for _, object := range s.objects(collect.Invoices) {
			invoice, err := c.Invoice(s.Context(), shop, object.ID)
			if err != nil {
				s.Fatal(err)
			}
			invoices = append(invoices, invoice.Collection.Tender.Wallet)
		}
		if !slices.Equal(invoices, []money.Amount{500, 1000, 1000, 1000}) {
			s.Errorf("got %v of the wallet for the invoices, want 500 for the last and 1000 for the others", invoices)
		}
	})
}

// A card that is declined puts the subscription on hold, another one recovers it, and who
// cancels is not dunned any more.
func TestCardsRenew(t *testing.T) {
	onStores(t, func(s *stage) {
		s.customer(1)
		c, w := s.subscribe(aMonth(processor.SandboxOK))
		last := s.wantSubscription(c, 0, billing.SubscriptionActive, 1, "subscription.active", "subscription.renewed")
		s.happens(c, billing.UpdateMethod{Method: processor.SandboxDeclined})
		s.clock.Set(epoch.AddDate(0, 1, 0))
		s.rounds(w)
		last = s.wantSubscription(c, last, billing.SubscriptionOnHold, 2, "subscription.update_payment_method", "subscription.on_hold",
			"dunning.started")
		s.happens(c, billing.UpdateMethod{Method: processor.SandboxOK})
		s.rounds(w)
		last = s.wantSubscription(c, last, billing.SubscriptionActive, 2, "subscription.update_payment_method", "dunning.recovered",
			"subscription.active", "subscription.renewed")
		s.happens(c, billing.UpdateMethod{Method: processor.SandboxDeclined})
		s.clock.Set(epoch.AddDate(0, 2, 0))
		s.rounds(w)
		s.clock.Move(25 * time.Hour)
		s.rounds(w)
		last = s.wantSubscription(c, last, billing.SubscriptionOnHold, 3, "subscription.update_payment_method", "subscription.on_hold",
			"dunning.started", "subscription.past_due")
		s.happens(c, billing.Recover{})
		s.happens(c, billing.CancelNow{})
		s.clock.Move(1000 * time.Hour)
		s.rounds(w)
		s.wantSubscription(c, last, billing.SubscriptionCancelled, 3, "subscription.cancelled")
		states := map[string]int{}
		for _, object := range s.objects(collect.Invoices) {
			states[object.State]++
		}
		if states["paid"] != 2 || states["past_due"] != 1 || states["void"] != 1 || len(states) != 3 {
			s.Errorf("got invoices %v, want two paid, one past due and the last void", states)
		}
		s.wantWallet(0, 0, 2)
	})
}

// What a plan has left is credited, and a hold is given back when its subscription ends.
func TestPlansAndHolds(t *testing.T) {
	onStores(t, func(s *stage) {
		s.customer()
		c, w := s.subscribe(aMonth(processor.SandboxOK))
		s.clock.Move(31 * 12 * time.Hour)
		less := aMonth("").Plan
		less.Price = 400
		s.happens(c, billing.ChangePlan{Plan: less, Mode: billing.ProratedImmediately})
		s.wantWallet(300, 0, 1)
		s.happens(c, billing.UpdateMethod{Method: processor.SandboxProcessing})
		s.clock.Set(epoch.AddDate(0, 1, 0))
		s.rounds(w)
		s.wantWallet(300, 300, 1)
		s.happens(c, billing.CancelNow{})
		s.clock.Move(3 * time.Hour)
		s.rounds(w)
		s.wantWallet(300, 0, 1)
		s.wantSubscription(c, 1000, billing.SubscriptionCancelled, 2)
	})
}

// The payments of a subscription are told of as any others: once when they are begun, and
// when they end, and those that the wallet covers when they are made.
func TestPaymentsOfSubscriptionsAreTold(t *testing.T) {
	onStores(t, func(s *stage) {
		s.customer(1)
		_, w := s.subscribe(aMonth(processor.SandboxOK))
		post := ledger.PostRequest{
			Tenant: shop, CustomerID: "cus_1", Currency: "USD", Direction: ledger.Credit, Amount: 1000, CreatedBy: "key_1", CurrencyEnabled: true,
		}
		if _, err := s.book.Post(s.Context(), post); err != nil {
			s.Fatal(err)
		}
		s.clock.Set(epoch.AddDate(0, 1, 0))
		s.rounds(w)
		events, err := s.store.ObjectEvents(s.Context(), shop, "cus_1", 0, 200)
		if err != nil {
			s.Fatal(err)
		}
		var got []ledger.EventKind
		for _, event := range events {
			if strings.HasPrefix(string(event.Kind), "payment.") {
				got = append(got, event.Kind)
			}
		}
		want := []ledger.EventKind{ledger.PaymentProcessing, ledger.PaymentSucceeded, ledger.PaymentSucceeded}
		if !slices.Equal(got, want) {
			s.Errorf("got %q, want %q: the first by card, the second from the wallet", got, want)
		}
	})
}
