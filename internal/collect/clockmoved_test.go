package collect_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/processor"
)

// movedStore does something right after a customer was moved, once, as another instance may.
type movedStore struct {
	store
	once sync.Once
	then func()
}

func (s *movedStore) UpdateCustomer(
	ctx context.Context, tenant ledger.Tenant, id string, change func(ledger.Customer) (ledger.CustomerChange, error),
	once *ledger.Once,
) (updated ledger.Customer, first []byte, err error) {
	updated, first, err = s.store.UpdateCustomer(ctx, tenant, id, change, once)
	if err == nil {
		s.once.Do(s.then)
	}
	return updated, first, err
}

// What becomes due between the move of a customer and what happens at their new time happens
// at that time: the worker read what is due before the move, finds that another instance has
// done it, and reads again before it moves the customer on.
func TestWhatBecomesDueAtAMoveHappensThen(t *testing.T) {
	t.Parallel()
	onStores(t, func(s *stage) {
		k := newClocked(s)
		const id = "inv_meanwhile"
		noon := k.began.Add(12 * time.Hour)
		k.post(ledger.Credit, 70, noon)
		moved := &movedStore{store: s.store, then: func() {
			_, err := k.book.Sweep(k.Context(), ledger.WalletKey{Tenant: shop, CustomerID: "cus_1", Currency: "USD"}, noon, 50)
			if err == nil {
				err = k.collector.Open(k.Context(), anInvoice(id, processor.SandboxOK, 1000))
			}
			if err != nil {
				k.Error(err)
			}
		}}
		collector := collect.NewFor(moved, collect.TestProcessors(s.store, s.clock.Now, s.random), s.clock.Now, s.random)
		k.advancing = collect.NewClockWorker(collector, k.store, slog.New(slog.DiscardHandler))
		k.advance(24 * time.Hour)
		invoice, err := k.collector.Invoice(k.Context(), shop, id)
		if err != nil || !invoice.PaidAt.Equal(noon) {
			k.Fatalf("got %+v and error %v, want it paid at %v", invoice, err, noon)
		}
	})
}
