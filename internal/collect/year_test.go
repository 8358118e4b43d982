package collect_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"math/big"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/billing/calendar"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/processor"
	"github.com/billfold/billfold/internal/sqlite"
	"github.com/billfold/billfold/internal/storetest"
	"github.com/billfold/billfold/internal/verify"
)

var (
	yearFlag  = flag.Int("collect.year", 30, "how many subscriptions are renewed for a year")
	cardsFlag = flag.Bool("collect.cards", true, "whether one in ten of them is paid by card for some of the year or all of it")
)

// year is a year of subscriptions without trouble, as fast as they go.
type year struct {
	*stage
	began   time.Time
	reached time.Duration // of the machine, for the report
	used    time.Duration // of its processors

	clocked func(n int) (clock string, at time.Time) // of a customer, nil for none
}

func (y *year) lap(what string, n int) {
	y.Helper()
	took, used := time.Since(y.began), processorTime(y.TB)
	y.Logf("%-24s %7d in %6.2f s, %7.0f/s, with %4.0f µs of a processor each", what, n, took.Seconds(), float64(n)/took.Seconds(),
		float64((used-y.used).Microseconds())/float64(n))
	y.began, y.reached, y.used = time.Now(), y.reached+took, used
}

// processorTime is what the process has used of its processors.
func processorTime(t testing.TB) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func yearlyCustomer(n int) string { return fmt.Sprintf("cus_%06d", n) }

// fill makes the customers with wallets. They have enough for the year; with cards, nine in
// ten do, one in twenty has enough for a part of it, and the others have nothing.
func (y *year) fill(customers int, cards bool) (credited map[money.Currency]money.Amount) {
	y.Helper()
	credited = map[money.Currency]money.Amount{}
	y.together(0, customers, func(n int) error {
		customer := ledger.Customer{
			Tenant: shop, ID: yearlyCustomer(n), Email: "a@example.com", Name: "A", Metadata: "{}", CreatedAt: epoch, UpdatedAt: epoch,
		}
		if y.clocked != nil {
			customer.Clock, customer.ClockAt = y.clocked(n)
			customer.CreatedAt, customer.UpdatedAt = customer.ClockAt, customer.ClockAt
		}
		_, err := y.store.CreateCustomer(y.Context(), customer, nil)
		return err
	})
	var lines []ledger.PostRequest
	for n := range customers {
		amount := money.Amount(100_000)
		switch {
		case cards && n%20 == 18:
			amount = 4500
		case cards && n%20 == 19:
			continue
		}
		credited[yearlyCurrency(n)] += amount
		lines = append(lines, ledger.PostRequest{
			Tenant: shop, CustomerID: yearlyCustomer(n), Currency: yearlyCurrency(n), Direction: ledger.Credit, Amount: amount,
			CreatedBy: "key_1", CurrencyEnabled: true,
		})
	}
	for len(lines) > 0 {
		some := lines[:min(1000, len(lines))]
		lines = lines[len(some):]
		outcomes, err := y.book.PostMany(y.Context(), some, false)
		if err != nil {
			y.Fatal(err)
		}
		for _, outcome := range outcomes {
			if outcome.Err != nil {
				y.Fatal(outcome.Err)
			}
		}
	}
	return credited
}

// together does something about each of a row of customers, for many at the same time.
func (y *year) together(from, till int, f func(n int) error) {
	y.Helper()
	var next atomic.Int64
	next.Store(int64(from))
	var running sync.WaitGroup
	for range 64 {
		running.Go(func() {
			for n := int(next.Add(1)) - 1; n < till; n = int(next.Add(1)) - 1 {
				if err := f(n); err != nil {
					y.Error(err)
				}
			}
		})
	}
	running.Wait()
	if y.Failed() {
		y.FailNow()
	}
}

func yearlyCurrency(n int) money.Currency { return []money.Currency{"USD", "INR"}[n%2] }

// TestYear renews subscriptions in two currencies for a year, most of them from wallets
// and some by card, and wants every cent accounted for: once with the time of the world
// moved on for the worker of a server, and once with customers on test clocks that are
// advanced.
func TestYear(t *testing.T) {
	for _, c := range []struct {
		name  string
		renew func(y *year, customers int) (credited map[money.Currency]money.Amount)
	}{
		{"world", (*year).inTheWorld},
		{"test clocks", (*year).onTestClocks},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "data")
			db, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { closeStore(t, db) })
			y := &year{stage: newStage(t, db, verify.Options{Path: dir}), began: time.Now(), used: processorTime(t)}
			y.accounts(*yearFlag, c.renew(y, *yearFlag))
		})
	}
}

func (y *year) inTheWorld(customers int) (credited map[money.Currency]money.Amount) {
	y.Helper()
	credited = y.fill(customers, *cardsFlag)
	y.lap("customers with wallets", customers)
	c := collect.New(y.store, y.sandbox, y.clock.Now, y.stage.random)
	worker := collect.NewWorker(c, slog.New(slog.DiscardHandler))
	for day := range 28 { // somewhere in the first month
		y.clock.Set(epoch.AddDate(0, 0, day))
		y.together(day*customers/28, (day+1)*customers/28, func(n int) error { return y.subscribe(c, n) })
	}
	y.lap("subscriptions", customers)
	renewals := 0
	for y.clock.Now().Before(epoch.AddDate(1, 0, 0)) {
		renewals += y.untilNothing(worker.Round)
		y.clock.Move(12 * time.Hour)
	}
	y.lap("invoices and renewals", renewals)
	return credited
}

// untilNothing has a worker go round until nothing is to be done, and returns how much
// there was.
func (y *year) untilNothing(round func(context.Context) (int, error)) (all int) {
	y.Helper()
	for {
		n, err := round(y.Context())
		if err != nil {
			y.Fatal(err)
		}
		if n == 0 {
			return all
		}
		all += n
	}
}

// onTestClocks has a hundred customers at the most on each clock. Each clock is advanced
// by a year in one go.
func (y *year) onTestClocks(customers int) (credited map[money.Currency]money.Amount) {
	y.Helper()
	clocks := (customers + ledger.TestClockCustomers - 1) / ledger.TestClockCustomers
	name := func(n int) string { return fmt.Sprintf("clk_%02d", n%clocks) }
	stands := func(n int) time.Time { return epoch.AddDate(0, 0, n%clocks*28/clocks) }
	for n := range clocks {
		clock := ledger.TestClock{Tenant: shop, ID: name(n), FrozenAt: stands(n), CreatedAt: epoch}
		if _, err := y.store.CreateTestClock(y.Context(), clock, nil, nil); err != nil {
			y.Fatal(err)
		}
	}
	y.clocked = func(n int) (string, time.Time) { return name(n), stands(n) }
	credited = y.fill(customers, *cardsFlag)
	y.lap("customers with wallets", customers)
	c := collect.NewFor(y.store, collect.TestProcessors(y.store, y.clock.Now, y.stage.random), y.clock.Now, y.stage.random)
	y.together(0, customers, func(n int) error { return y.subscribe(c, n) })
	y.lap("subscriptions", customers)
	for n := range clocks {
		_, err := y.store.UpdateTestClock(y.Context(), shop, name(n), func(k ledger.TestClock) (ledger.TestClock, error) {
			return k.Advance(k.FrozenAt.AddDate(1, 0, 0).Add(-time.Second))
		})
		if err != nil {
			y.Fatal(err)
		}
	}
	worker := collect.NewClockWorker(c, y.store, slog.New(slog.DiscardHandler))
	if n := y.untilNothing(worker.Round); n != customers {
		y.Errorf("got %d customers brought to where their clocks stand, want %d", n, customers)
	}
	y.lap("renewals", 11*customers)
	return credited
}

// subscribe begins the subscription of a customer.
func (y *year) subscribe(c *collect.Collector, n int) error {
	_, err := c.Subscribe(y.Context(), collect.Subscription{
		Tenant: shop, CustomerID: yearlyCustomer(n),
		Subscription: billing.Subscription{
			ID: c.NewSubscriptionID(), Currency: yearlyCurrency(n), Zone: "UTC", Method: processor.SandboxOK,
			Plan: billing.Plan{
				ProductID: "pdt_1", Price: money.Amount(900 + n%7), Quantity: 1, Payment: billing.Interval{Count: 1, Unit: calendar.Month},
			},
		},
		Policy: billing.Policy{Tender: billing.TenderRules{CardMinimum: 50, Below: billing.LeaveInWallet}},
	}, billing.Subscribe{})
	return err
}

// accounts holds what was billed against what wallets and cards paid, for each currency.
func (y *year) accounts(customers int, credited map[money.Currency]money.Amount) {
	y.Helper()
	billed, wallet := map[money.Currency]money.Amount{}, map[money.Currency]money.Amount{}
	card := map[money.Currency]money.Amount{}
	periods := map[string]int64{}
	invoices := 0
	for _, object := range y.objects(collect.Invoices) {
		var invoice collect.Invoice
		if err := json.Unmarshal([]byte(object.Data), &invoice); err != nil {
			y.Fatal(err)
		}
		collection := &invoice.Collection
		if collection.State != billing.Paid {
			y.Fatalf("invoice %s is %s", object.ID, collection.State)
		}
		invoices++
		periods[invoice.SubscriptionID]++
		billed[collection.Currency] += collection.Total
		card[collection.Currency] += collection.Tender.Card
	}
	for _, object := range y.objects(collect.Subscriptions) {
		var s collect.Subscription
		if err := json.Unmarshal([]byte(object.Data), &s); err != nil {
			y.Fatal(err)
		}
		if s.Status != billing.SubscriptionActive || periods[s.ID] != s.Next || s.Next < 12 || s.Passed != 0 {
			y.Errorf("subscription %s is %s with %d invoices of %d periods, want one of each", s.ID, s.Status, periods[s.ID], s.Next)
		}
	}
	for n := range customers {
		h, err := storetest.ReadHistory(y.Context(), y.store, shop, yearlyCustomer(n))
		if err != nil {
			y.Fatal(err)
		}
		for _, w := range h.Wallets {
			wallet[w.Currency] -= w.Balance
		}
		for _, violation := range storetest.CheckLaws(h) {
			y.Error(violation)
		}
	}
	y.lap("invoices read", invoices)
	for currency, total := range billed {
		spent := credited[currency] + wallet[currency]
		if total == 0 || spent+card[currency] != total {
			y.Errorf("%s: %d were billed, %d paid by wallets and %d by cards", currency, total, spent, card[currency])
		}
		y.Logf("%s: %d billed = %d of wallets + %d of cards", currency, total, spent, card[currency])
	}
	report, err := verify.Run(y.Context(), y.options)
	if err != nil || !report.Clean() {
		y.Errorf("verify: got findings %v and error %v, want none", report.Findings, err)
	}
	y.balanced(&report, len(billed))
	y.lap("verified", invoices)
	y.Logf("%d subscriptions, %d invoices: %.1f s", customers, invoices, y.reached.Seconds())
}

// balanced wants the trial balance of each currency to be zero.
func (y *year) balanced(report *verify.Report, currencies int) {
	y.Helper()
	balance := map[string]*big.Int{}
	for _, account := range report.Accounts {
		sum, ok := new(big.Int).SetString(account.Sum, 10)
		if !ok {
			y.Fatalf("account %s of %s has the sum %q", account.Account, account.Currency, account.Sum)
		}
		if balance[account.Currency] == nil {
			balance[account.Currency] = new(big.Int)
		}
		balance[account.Currency].Add(balance[account.Currency], sum)
	}
	for currency, sum := range balance {
		if len(balance) != currencies || sum.Sign() != 0 {
			y.Errorf("trial balance of %s: got %v, want zero, and one for each currency", currency, sum)
		}
	}
}

// objects are all objects of a kind.
func (s *stage) objects(kind ledger.ObjectKind) (all []ledger.Object) {
	s.Helper()
	page := ledger.ObjectPage{Limit: 200}
	for {
		list, err := s.store.Objects(s.Context(), shop, ledger.ObjectFilter{Kind: kind}, page)
		if err != nil {
			s.Fatal(err)
		}
		all = append(all, list.Objects...)
		if page.Before = list.Next; page.Before == "" {
			return all
		}
	}
}
