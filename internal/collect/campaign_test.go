package collect_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/billing/calendar"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/processor"
)

var subscriptionsFlag = flag.Int("collect.subscriptions", 10, "how many subscriptions run through a year with faults")

// campaign is a year of subscriptions over a store and a processor that fail, with
// several workers, and people who have wishes.
type campaign struct {
	*stage
	random     *rand.Rand
	unreliable *unreliable
	failing    *forgetful
	collectors []*collect.Collector
	workers    []*collect.Worker
	customers  []string
	refused    int
}

func newCampaign(s *stage, stale bool) *campaign {
	s.Helper()
	of := seed()
	k := &campaign{stage: s, random: rand.New(rand.NewPCG(of, 5)), unreliable: newUnreliable(s.sandbox, of)}
	k.failing = &forgetful{Store: s.store, random: rand.New(rand.NewPCG(of, 6))}
	if stale {
		k.failing.stale = map[string]ledger.Object{}
	}
	s.Logf("seed %d", of)
	for range 3 {
		c := collect.New(k.failing, k.unreliable, s.clock.Now, s.random)
		k.collectors = append(k.collectors, c)
		k.workers = append(k.workers, collect.NewWorker(c, slog.New(slog.DiscardHandler)))
	}
	return k
}

// settled are what a commit is answered with that failed, or may have.
func settled(err error) bool {
	switch ledger.CodeOf(err) {
	case ledger.CodeStorageUnavailable, ledger.CodeOutcomeUnknown, ledger.CodeOverloaded:
		return false
	}
	return true
}

func (k *campaign) currency(n int) money.Currency { return []money.Currency{"USD", "INR"}[n%2] }

// open makes customers with wallets, and a subscription of each.
func (k *campaign) open(subscriptions int) {
	k.Helper()
	units := []calendar.Unit{calendar.Month, calendar.Month, calendar.Month, calendar.Week}
	usual := []string{processor.SandboxOK, processor.SandboxOK, processor.SandboxProcessing, processor.SandboxLateSuccess}
	for n := range subscriptions {
		id := fmt.Sprintf("cus_%04d", n)
		customer := ledger.Customer{
			Tenant: shop, ID: id, Email: "a@example.com", Name: "A", Metadata: "{}", CreatedAt: epoch, UpdatedAt: epoch,
		}
		if _, err := k.store.CreateCustomer(k.Context(), customer, nil); err != nil {
			k.Fatal(err)
		}
		k.customers = append(k.customers, id)
		of := collect.Subscription{
			Tenant: shop, CustomerID: id,
			Subscription: billing.Subscription{
				ID: fmt.Sprintf("sub_%04d", n), Currency: k.currency(n), Zone: []string{"UTC", "America/New_York"}[n/2%2],
				Method: usual[k.random.IntN(len(usual))], OnDemand: n%9 == 8,
				Plan: billing.Plan{
					ProductID: "pdt_1", Price: money.Amount(100 + k.random.IntN(900)), Quantity: 1,
					Payment: billing.Interval{Count: 1, Unit: units[k.random.IntN(len(units))]},
				},
			},
			Policy: billing.Policy{
				Tender:  billing.TenderRules{CardMinimum: k.sandbox.Minimum(k.currency(n)), Below: billing.LeaveInWallet},
				Retries: []time.Duration{12 * time.Hour, 48 * time.Hour}, ActionWithin: time.Hour, Late: billing.LateRefund,
			},
		}
		if k.random.IntN(4) == 0 {
			of.TrialDays = 14
		}
		for err := errLost; err == errLost || !settled(err); {
			_, err = k.collectors[0].Subscribe(k.Context(), of, billing.Subscribe{MandateOnly: true})
		}
	}
}

// wish has something happen to a subscription that people or the card's processor want.
func (k *campaign) wish() {
	k.Helper()
	n := k.random.IntN(len(k.customers))
	c := k.collectors[k.random.IntN(len(k.collectors))]
	s, err := c.Subscription(k.Context(), shop, fmt.Sprintf("sub_%04d", n))
	if err != nil {
		k.Fatal(err)
	}
	plan := s.Plan
	plan.Price = money.Amount(100 + k.random.IntN(900))
	modes := []billing.ProrationMode{billing.ProratedImmediately, billing.DifferenceImmediately, billing.DoNotBill}
	inputs := []billing.SubscriptionInput{
		billing.Pause{}, billing.Resume{}, billing.Resume{}, billing.Recover{}, billing.CancelAtNextBilling{Undo: k.random.IntN(16) > 0},
		billing.UpdateMethod{Method: methods[1+k.random.IntN(len(methods)-1)]}, billing.UpdateMethod{Method: processor.SandboxOK},
		billing.ChangePlan{
			Plan: plan, Mode: modes[k.random.IntN(3)], AtNext: k.random.IntN(3) == 0, ApplyUnpaid: k.random.IntN(2) == 0,
		},
		billing.ChargeOnDemand{Amount: money.Amount(k.random.IntN(2000))}, billing.CancelPlanChange{},
	}
	if k.random.IntN(200) == 0 {
		inputs = []billing.SubscriptionInput{billing.CancelNow{}}
	}
	if _, err := c.DecideSubscription(k.Context(), s, inputs[k.random.IntN(len(inputs))]); err != nil {
		k.refused++
	}
}

// credit puts something into a wallet.
func (k *campaign) credit() {
	k.Helper()
	n := k.random.IntN(len(k.customers))
	r := ledger.PostRequest{
		Tenant: shop, CustomerID: k.customers[n], Currency: k.currency(n), Direction: ledger.Credit,
		Amount: 1 + money.Amount(k.random.Int64N(3000)), CreatedBy: "key_1", CurrencyEnabled: true,
	}
	if k.random.IntN(3) == 0 {
		r.ExpiresAt = k.clock.Now().Add(time.Duration(1+k.random.IntN(2000)) * time.Hour)
	}
	if _, err := k.book.Post(k.Context(), r); err != nil {
		k.Fatal(err)
	}
}

// notify tells of payments what the processor tells, perhaps twice or never.
func (k *campaign) notify() {
	k.Helper()
	for _, n := range k.sandbox.Notifications() {
		if k.random.IntN(3) == 0 {
			continue
		}
		invoice, err := k.collectors[0].Invoice(k.Context(), shop, n.InvoiceID)
		if err == nil {
			err = k.collectors[0].Decide(k.Context(), invoice, n.Notice)
		}
		if err != nil && settled(err) {
			k.Error(err)
		}
	}
}

// run lets time pass until an instant, with wishes or without.
func (k *campaign) run(until time.Time, wishes bool) {
	k.Helper()
	for k.clock.Now().Before(until) {
		var running sync.WaitGroup
		for _, w := range k.workers {
			running.Go(func() {
				if _, err := w.Round(k.Context()); err != nil {
					k.Error(err)
				}
			})
		}
		running.Wait()
		k.notify()
		if wishes {
			k.wish()
			if k.random.IntN(3) == 0 {
				k.credit()
			}
		}
		k.clock.Move([]time.Duration{
			time.Minute, time.Hour, 12 * time.Hour, 40 * time.Hour, 100 * time.Hour,
		}[k.random.IntN(5)])
	}
}

// inspect holds every subscription against its invoices, and these against the money.
func (k *campaign) inspectAll() (problems []string) {
	k.Helper()
	var ids []string
	type period struct {
		subscription string
		reason       collect.Reason
		number       int64
	}
	took := map[period]int{}
	billed := map[string]map[int64]bool{}
	for _, object := range k.objects(collect.Invoices) {
		var invoice collect.Invoice
		if err := json.Unmarshal([]byte(object.Data), &invoice); err != nil {
			k.Fatal(err)
		}
		ids = append(ids, object.ID)
		of := period{invoice.SubscriptionID, invoice.Reason, invoice.Period}
		if invoice.Collection.State != billing.PastDue && invoice.Reason != collect.ForPlanChange {
			took[of]++
		}
		if took[of] > 1 {
			problems = append(problems, fmt.Sprintf("Q2: %+v was billed %d times", of, took[of]))
		}
		if invoice.Reason == collect.ForPeriod {
			if billed[of.subscription] == nil {
				billed[of.subscription] = map[int64]bool{}
			}
			billed[of.subscription][of.number] = true
		}
	}
	statuses := map[billing.SubscriptionStatus]int{}
	for _, object := range k.objects(collect.Subscriptions) {
		var s collect.Subscription
		if err := json.Unmarshal([]byte(object.Data), &s); err != nil {
			k.Fatal(err)
		}
		statuses[s.Status]++
		if s.Next != int64(len(billed[s.ID]))+s.Passed {
			problems = append(problems, fmt.Sprintf("Q2: %s has billed %d periods and passed %d over, and the next is %d", s.ID,
				len(billed[s.ID]), s.Passed, s.Next))
		}
		if due := s.DueAt(); !due.IsZero() && due.Before(k.clock.Now().AddDate(0, 0, -10)) {
			problems = append(problems, fmt.Sprintf("Q2: %s is %s and was due at %s", s.ID, s.Status, due))
		}
	}
	k.Logf("%d invoices, subscriptions %v, %d wishes refused, %d calls of the processor, %d commits failed or forgotten", len(ids), statuses,
		k.refused, k.unreliable.calls, k.failing.failed)
	return append(problems, k.inspect(k.unreliable, k.customers, ids)...)
}

// TestSubscriptionsAreCollected takes subscriptions through a year in which stores and
// the processor fail, and wants every period billed once and every cent accounted for.
func TestSubscriptionsAreCollected(t *testing.T) {
	onStores(t, func(s *stage) {
		k := newCampaign(s, false)
		k.open(*subscriptionsFlag)
		k.run(epoch.AddDate(1, 0, 0), true)
		for _, object := range k.objects(collect.Subscriptions) {
			k.finish(object.ID)
		}
		k.run(epoch.AddDate(1, 0, 20), false)
		for _, problem := range k.inspectAll() {
			s.Error(problem)
		}
	})
}

// finish has a subscription cancelled at its next billing date, so that its last invoice
// comes to an end.
func (k *campaign) finish(id string) {
	k.Helper()
	for err := errLost; err == errLost || !settled(err); {
		var s *collect.Subscription
		if s, err = k.collectors[0].Subscription(k.Context(), shop, id); err == nil {
			_, err = k.collectors[0].DecideSubscription(k.Context(), s, billing.CancelAtNextBilling{})
		}
	}
}

// TestStaleRenewalsAreNoticed is the control: where now and then it is decided on what a
// subscription was before, as it would be without the lock, periods are billed twice.
func TestStaleRenewalsAreNoticed(t *testing.T) {
	onStores(t, func(s *stage) {
		k := newCampaign(s, true)
		k.open(6)
		k.run(epoch.AddDate(0, 6, 0), true)
		problems := k.inspectAll()
		if len(problems) == 0 {
			s.Error("got no problem, want periods that were billed twice")
		}
		s.Logf("%.200q", problems)
	})
}
