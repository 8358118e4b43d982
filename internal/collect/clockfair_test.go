package collect_test

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/processor"
)

// clockwork are clocks of two businesses, and the worker that brings their customers on.
type clockwork struct {
	*stage
	collector *collect.Collector
	worker    *collect.ClockWorker
	other     ledger.Tenant
}

func newClockwork(s *stage) *clockwork {
	s.Helper()
	c := collect.NewFor(s.store, collect.TestProcessors(s.store, s.clock.Now, s.random), s.clock.Now, s.random)
	k := &clockwork{s, c, collect.NewClockWorker(c, s.store, slog.New(slog.DiscardHandler)), ledger.Tenant{
		BusinessID: "bus_2", Mode: ledger.Test,
	}}
	business := access.Business{ID: "bus_2", Name: "Other", CreatedAt: epoch}
	if err := s.store.CreateBusiness(s.Context(), business, access.DefaultSettings(), nil); err != nil {
		s.Fatal(err)
	}
	return k
}

func (k *clockwork) clock(tenant ledger.Tenant, id string, customers ...string) {
	k.Helper()
	clock := ledger.TestClock{Tenant: tenant, ID: id, FrozenAt: epoch, CreatedAt: epoch}
	if _, err := k.store.CreateTestClock(k.Context(), clock, nil, nil); err != nil {
		k.Fatal(err)
	}
	for _, customer := range customers {
		_, err := k.store.CreateCustomer(k.Context(), ledger.Customer{
			Tenant: tenant, ID: customer, Email: "a@example.com", Name: "A", Metadata: "{}", CreatedAt: epoch, UpdatedAt: epoch,
			Clock: id, ClockAt: epoch,
		}, nil)
		if err != nil {
			k.Fatal(err)
		}
	}
}

func (k *clockwork) advance(tenant ledger.Tenant, id string, by time.Duration) {
	k.Helper()
	_, err := k.store.UpdateTestClock(k.Context(), tenant, id, func(c ledger.TestClock) (ledger.TestClock, error) {
		return c.Advance(epoch.Add(by))
	})
	if err != nil {
		k.Fatal(err)
	}
}

// stuck has a customer owe something to nobody: a top-up that is paid and cannot be
// credited, as they are frozen.
func (k *clockwork) stuck(customer, invoiceID string) {
	k.Helper()
	settings := access.DefaultSettings()
	invoice := collect.TopUpInvoice(&settings, shop, customer, "USD", 1000)
	invoice.Collection.InvoiceID, invoice.Method = invoiceID, processor.SandboxProcessing
	_, err := k.collector.OpenTopUp(k.Context(), invoice, nil)
	if err == nil {
		err = k.collector.GoOn(k.Context(), shop, invoiceID)
	}
	if err == nil {
		request := ledger.FreezeRequest{Tenant: shop, CustomerID: customer, Scope: ledger.FreezeEverything, Reason: "a dispute"}
		_, _, err = k.book.Freeze(k.Context(), request, nil)
	}
	if err != nil {
		k.Fatal(err)
	}
}

// want has the worker go through so many rounds, and wants a clock to be so then.
func (k *clockwork) want(rounds int, tenant ledger.Tenant, id string, want ledger.ClockStatus) {
	k.Helper()
	for range rounds {
		if _, err := k.worker.Round(k.Context()); err != nil {
			k.Fatal(err)
		}
	}
	clock, err := k.store.TestClock(k.Context(), tenant, id)
	if err != nil || clock.Status() != want {
		k.Errorf("after %d rounds: got clock %+v and error %v, want it %s", rounds, clock, err, want)
	}
}

// Customers who fail for ever, more than a round brings on, keep nobody waiting: no other
// business in the first round, nor the last of their own clocks in the second.
func TestClocksOfOthersGoOn(t *testing.T) {
	t.Parallel()
	onEmbedded(t, func(s *stage) {
		k := newClockwork(s)
		for c := range 2 {
			var customers []string
			for n := range 101 {
				customers = append(customers, fmt.Sprintf("cus_%d_%03d", c, n))
			}
			id := fmt.Sprintf("clk_%d", c)
			k.clock(shop, id, append(slices.Clip(customers), "cus_last_"+id)...)
			for n, customer := range customers {
				k.stuck(customer, fmt.Sprintf("inv_%d%03d", c, n))
			}
			k.advance(shop, id, 48*time.Hour)
		}
		k.clock(k.other, "clk_other", "cus_other")
		k.advance(k.other, "clk_other", 48*time.Hour)
		k.want(1, k.other, "clk_other", ledger.ClockReady)
		k.want(1, shop, "clk_1", ledger.ClockFailing)
		for _, id := range []string{"clk_0", "clk_1"} {
			c, err := s.store.Customer(s.Context(), shop, "cus_last_"+id)
			if want := epoch.Add(48 * time.Hour); err != nil || !c.ClockAt.Equal(want) {
				t.Errorf("the last customer of %s: got them at %v and error %v, want %v", id, c.ClockAt, err, want)
			}
		}
	})
}

// A customer about whom much is due has a share of each round, and comes on with the rest.
func TestClocksHaveShares(t *testing.T) {
	t.Parallel()
	onEmbedded(t, func(s *stage) {
		k := newClockwork(s)
		k.clock(shop, "clk_1", "cus_1")
		k.clock(k.other, "clk_other", "cus_other")
		of := aMonth(processor.SandboxOK)
		if _, err := k.collector.Subscribe(k.Context(), of, billing.Subscribe{}); err != nil {
			t.Fatal(err)
		}
		k.advance(shop, "clk_1", 10*365*day)
		k.advance(k.other, "clk_other", day)
		k.want(1, k.other, "clk_other", ledger.ClockReady)
		k.want(0, shop, "clk_1", ledger.ClockAdvancing)
		rounds := 1
		for moved := 1; moved > 0; rounds++ {
			var err error
			if moved, err = k.worker.Round(k.Context()); err != nil {
				t.Fatal(err)
			}
		}
		k.want(0, shop, "clk_1", ledger.ClockReady)
		if rounds < 4 {
			t.Errorf("ten years took %d rounds, want more", rounds)
		}
	})
}
