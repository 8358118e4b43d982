package collect_test

import (
	"log/slog"
	"sync"
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

// clocked is a customer of a test clock that stands two years ahead of everybody.
type clocked struct {
	*stage
	collector *collect.Collector
	worker    *collect.Worker
	advancing *collect.ClockWorker
	began     time.Time
}

func newClocked(s *stage) *clocked {
	s.Helper()
	k := &clocked{stage: s, began: epoch.AddDate(2, 0, 0)}
	clock := ledger.TestClock{Tenant: shop, ID: "clk_1", FrozenAt: k.began, CreatedAt: epoch}
	if _, err := s.store.CreateTestClock(s.Context(), clock, nil, nil); err != nil {
		s.Fatal(err)
	}
	customer := ledger.Customer{
		Tenant: shop, ID: "cus_1", Email: "a@example.com", Name: "A", Metadata: "{}", CreatedAt: k.began, UpdatedAt: k.began,
		Clock: clock.ID, ClockAt: k.began,
	}
	if _, err := s.store.CreateCustomer(s.Context(), customer, nil); err != nil {
		s.Fatal(err)
	}
	k.collector = collect.NewFor(s.store, collect.TestProcessors(s.store, s.clock.Now, s.random), s.clock.Now, s.random)
	k.worker = collect.NewWorker(k.collector, slog.New(slog.DiscardHandler))
	k.advancing = k.another()
	return k
}

func (k *clocked) another() *collect.ClockWorker {
	return collect.NewClockWorker(k.collector, k.store, slog.New(slog.DiscardHandler))
}

// advance brings the clock to a time after it began, by several workers at once.
func (k *clocked) advance(after time.Duration, workers ...*collect.ClockWorker) {
	k.Helper()
	to := k.began.Add(after)
	advance := func(c ledger.TestClock) (ledger.TestClock, error) { return c.Advance(to) }
	for range 2 { // the second changes nothing
		if _, err := k.store.UpdateTestClock(k.Context(), shop, "clk_1", advance); err != nil {
			k.Fatal(err)
		}
	}
	var running sync.WaitGroup
	for _, w := range append(workers, k.advancing) {
		running.Go(func() {
			if _, err := w.Round(k.Context()); err != nil {
				k.Error(err)
			}
		})
	}
	running.Wait()
	for moved := 1; moved > 0; { // what was more than a share
		var err error
		if moved, err = k.advancing.Round(k.Context()); err != nil {
			k.Fatal(err)
		}
	}
	clock, err := k.store.TestClock(k.Context(), shop, "clk_1")
	if err != nil || clock.Status() != ledger.ClockReady || clock.Customers != 1 || !clock.FrozenAt.Equal(to) {
		k.Fatalf("after %v: got clock %+v and error %v, want it ready at %v with one customer", after, clock, err, to)
	}
}

func (k *clocked) subscription() *collect.Subscription {
	k.Helper()
	s, err := k.collector.Subscription(k.Context(), shop, "sub_1")
	if err != nil {
		k.Fatal(err)
	}
	return s
}

func (k *clocked) post(direction ledger.Direction, amount money.Amount, expires time.Time) {
	k.Helper()
	_, err := k.book.Post(k.Context(), ledger.PostRequest{
		Tenant: shop, CustomerID: "cus_1", Currency: "USD", Direction: direction, Amount: amount, ExpiresAt: expires,
		CreatedBy: "key_1", CurrencyEnabled: true,
	})
	if err != nil {
		k.Fatal(err)
	}
}

// A subscription begins with a trial, renews from the wallet and by card, is dunned and
// recovers; lots and holds expire: each at its time by the clock, while the time of the
// world stands still. The clock is advanced in one go or in many, by one worker or three.
func TestClocksHaveEverythingHappen(t *testing.T) {
	t.Parallel()
	onStores(t, func(s *stage) { clocksHaveEverythingHappen(newClocked(s)) })
}

const day = 24 * time.Hour

func clocksHaveEverythingHappen(k *clocked) {
	of := aMonth(processor.SandboxProcessing)
	of.TrialDays = 14
	of.Policy.Retries = []time.Duration{72 * time.Hour, 120 * time.Hour}
	of.Policy.Tender.CardMinimum = 50
	if _, err := k.collector.Subscribe(k.Context(), of, billing.Subscribe{}); err != nil {
		k.Fatal(err)
	}
	k.post(ledger.Credit, 1500, time.Time{})
	k.post(ledger.Credit, 70, k.began.Add(3*day))
	k.rounds(k.worker) // of those who live by the time of the world
	if got := k.subscription(); got.Status != billing.SubscriptionActive || got.Next != 0 {
		k.Fatalf("in the trial: got %s, next period %d", got.Status, got.Next)
	}
	k.advance(14*day-time.Second, k.another(), k.another())
	if got := k.subscription(); got.Next != 0 {
		k.Errorf("a second before the end of the trial: got next period %d, want none billed", got.Next)
	}
	k.advance(14 * day)
	k.advance(50*day, k.another()) // the second is by the wallet and the card, which takes an hour
	if got := k.subscription(); got.Next != 2 || got.Status != billing.SubscriptionActive {
		k.Errorf("after the second renewal: got %s, next period %d, want active and 2", got.Status, got.Next)
	}
	k.change(billing.UpdateMethod{Method: processor.SandboxDeclined})
	k.advance(80 * day)
	if got := k.subscription(); got.Status != billing.SubscriptionOnHold || got.Owes == nil {
		k.Errorf("after declines: got %s, want on hold", got.Status)
	}
	k.change(billing.UpdateMethod{Method: processor.SandboxOK})
	k.advance(400 * day)
	if got := k.subscription(); got.Status != billing.SubscriptionActive || got.Owes != nil {
		k.Errorf("after a card that works: got %s owing %v, want active", got.Status, got.Owes)
	}
	k.times()
}

// What was cut off where a clock stands goes on without another advance, and until then
// the clock is not ready: a customer who was moved to where something is due, and no
// more; and a request that made a subscription, and no more.
func TestClocksThatStandGoOn(t *testing.T) {
	t.Parallel()
	onStores(t, func(s *stage) {
		k := newClocked(s)
		end := k.began.Add(3 * day)
		k.post(ledger.Credit, 70, end)
		move := func(c ledger.Customer) (ledger.CustomerChange, error) {
			c.ClockAt = end
			return ledger.CustomerChange{Customer: c}, nil
		}
		_, err := s.store.UpdateTestClock(s.Context(), shop, "clk_1", func(c ledger.TestClock) (ledger.TestClock, error) {
			return c.Advance(end)
		})
		if err == nil {
			_, _, err = s.store.UpdateCustomer(s.Context(), shop, "cus_1", move, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		k.standing(ledger.ClockAdvancing)
		k.round(1)
		k.standing(ledger.ClockReady)
		h, err := storetest.ReadHistory(s.Context(), s.store, shop, "cus_1")
		if err != nil || len(h.Entries) != 2 || h.Entries[1].Account != ledger.AccountBreakage {
			t.Errorf("got entries %+v and error %v, want what expired written off", h.Entries, err)
		}
		if _, err := k.collector.Subscribe(s.Context(), aMonth(processor.SandboxOK), billing.Subscribe{}); err != nil {
			t.Fatal(err)
		}
		k.standing(ledger.ClockAdvancing)
		k.round(1)
		k.standing(ledger.ClockReady)
		if got := k.subscription(); got.Status != billing.SubscriptionActive {
			t.Errorf("a subscription whose request was cut off: got %s, want it active", got.Status)
		}
		k.round(0)
	})
}

// standing wants the clock to be as far as this.
func (k *clocked) standing(want ledger.ClockStatus) {
	k.Helper()
	clock, err := k.store.TestClock(k.Context(), shop, "clk_1")
	if err != nil || clock.Status() != want {
		k.Errorf("got clock %+v and error %v, want it %s", clock, err, want)
	}
}

// round wants so many customers to be brought on.
func (k *clocked) round(want int) {
	k.Helper()
	moved, err := k.advancing.Round(k.Context())
	if err != nil || moved != want {
		k.Errorf("got %d customers brought on and error %v, want %d", moved, err, want)
	}
}

func (k *clocked) change(input billing.SubscriptionInput) {
	k.Helper()
	if _, err := k.collector.DecideSubscription(k.Context(), k.subscription(), input); err != nil {
		k.Fatal(err)
	}
}

// times holds what was billed and what expired against the calendar.
func (k *clocked) times() {
	k.Helper()
	anchor := k.began.Add(14 * day)
	for _, object := range k.objects(collect.Invoices) {
		invoice, err := collect.InvoiceOf(&object)
		if err != nil {
			k.Fatal(err)
		}
		want := anchor.AddDate(0, int(invoice.Period), 0)
		if !invoice.CreatedAt.Equal(want) || invoice.Collection.State != billing.Paid {
			k.Errorf("period %d: got %s made at %v, want it paid and of %v", invoice.Period, invoice.Collection.State,
				invoice.CreatedAt, want)
		}
		if invoice.Period == 1 && invoice.PaidAt.Before(want.Add(time.Hour)) {
			k.Errorf("period 1: paid at %v, want an hour after %v", invoice.PaidAt, want)
		}
	}
	h, err := storetest.ReadHistory(k.Context(), k.store, shop, "cus_1")
	if err != nil {
		k.Fatal(err)
	}
	expired := 0
	for _, e := range h.Entries {
		if e.Account == ledger.AccountBreakage {
			if expired++; !e.CreatedAt.Equal(k.began.Add(3 * day)) {
				k.Errorf("a lot was written off at %v, want %v", e.CreatedAt, k.began.Add(3*day))
			}
		}
	}
	if expired != 1 {
		k.Errorf("got %d expiry entries, want 1", expired)
	}
	for _, violation := range storetest.CheckLaws(h) {
		k.Error(violation)
	}
	report, err := verify.Run(k.Context(), k.options)
	if err != nil || !report.Clean() {
		k.Errorf("verify: got findings %v and error %v, want none", report.Findings, err)
	}
}
