package collect_test

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/processor"
)

// counting is a store that counts transactions, and reads of entries by their seqs.
type counting struct {
	ledger.Store
	transactions, reads int
}

func (c *counting) Transact(ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	c.transactions++
	return c.Store.Transact(ctx, scope, decide)
}

func (c *counting) EntriesBetween(
	ctx context.Context, tenant ledger.Tenant, customerID string, currency money.Currency, after, through int64,
) ([]ledger.Entry, error) {
	c.reads++
	return c.Store.EntriesBetween(ctx, tenant, customerID, currency, after, through)
}

// events is how many events there are about the objects of cus_1.
func (s *stage) events() int {
	s.Helper()
	events, err := s.store.ObjectEvents(s.Context(), shop, "cus_1", 0, 10_000)
	if err != nil {
		s.Fatal(err)
	}
	return len(events)
}

// A dispute of which the lot has not answered for all is looked at less and less often, at last
// once a day, and nothing is written at any look at which nothing moved. What comes back to the
// lot after months goes to the dispute all the same.
func TestLooksAtADisputeWriteNothing(t *testing.T) {
	t.Parallel()
	onEmbedded(t, func(s *stage) {
		s.makeCustomer("cus_1")
		id := s.toppedUp(1, "cus_1", processor.SandboxOK, 1000, time.Time{}, false, 0)
		spent, err := s.book.Post(s.Context(), ledger.PostRequest{
			Tenant: shop, CustomerID: "cus_1", Currency: "USD", Direction: ledger.Debit, Amount: 300, CreatedBy: "key_1",
			CurrencyEnabled: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		s.hears(about(id, 1000, billing.StageDispute, billing.DisputeLost), standing{lost: 700, writtenOff: 300})
		counted := &counting{Store: s.store}
		c := collect.New(counted, s.sandbox, s.clock.Now, s.random)
		worker := collect.NewWorker(c, slog.New(slog.DiscardHandler))
		rounds := func(days int) (looks int) {
			before := counted.transactions
			for range 4 * days {
				if _, err := worker.Round(s.Context()); err != nil {
					t.Fatal(err)
				}
				s.clock.Move(6 * time.Hour)
			}
			return counted.transactions - before
		}
		before := s.events()
		if looks := rounds(90); looks < 60 || looks > 200 {
			t.Errorf("got %d looks in 90 days, want more than one in two days and fewer than one in half a day", looks)
		}
		if looks := rounds(30); looks < 29 || looks > 31 {
			t.Errorf("got %d looks in the next 30 days, want one a day", looks)
		}
		if got := s.events(); got != before {
			t.Errorf("got %d events about objects after the looks, want %d as before", got, before)
		}
		if _, err := s.book.Reverse(s.Context(), ledger.ReverseRequest{
			Tenant: shop, CustomerID: "cus_1", EntryID: spent.Entry.ID, CreatedBy: "key_1",
		}); err != nil {
			t.Fatal(err)
		}
		rounds(2)
		s.hears(about(id, 1000, billing.StageDispute, billing.DisputeLost), standing{lost: 1000})
	})
}

// A lot that continues a disputed one is found behind any number of others, which are looked at
// many at a time.
func TestDisputeFindsItsLotAmongMany(t *testing.T) {
	t.Parallel()
	onEmbedded(t, func(s *stage) {
		const lots = 1500 // which are spent before
		s.makeCustomer("cus_1")
		id := s.toppedUp(1, "cus_1", processor.SandboxOK, 1000, s.clock.Now().Add(time.Hour), true, 0)
		var requests []ledger.PostRequest
		for range lots {
			requests = append(requests, ledger.PostRequest{
				Tenant: shop, CustomerID: "cus_1", Currency: "USD", Direction: ledger.Credit, Amount: 1, Category: ledger.Paid,
				ExpiresAt: s.clock.Now().AddDate(0, 0, 1), CreatedBy: "key_1", CurrencyEnabled: true,
			})
		}
		for batch := range slices.Chunk(requests, 100) {
			if _, err := s.book.PostMany(s.Context(), batch, true); err != nil {
				t.Fatal(err)
			}
		}
		s.move(1, 2) // to a lot that is spent last
		counted := &counting{Store: s.store}
		c := collect.New(counted, s.sandbox, s.clock.Now, s.random)
		d, err := c.Dispute(s.Context(), shop, about(id, 1000, billing.StageDispute, billing.DisputeOpened))
		if err != nil {
			t.Fatal(err)
		}
		s.stands(d.ID, standing{held: 1000, available: lots})
		if counted.reads > 3*lots/100 {
			t.Errorf("got %d reads for %d lots, want no more than three for a hundred", counted.reads, lots)
		}
	})
}
