package sweep_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/storetest"
	"github.com/billfold/billfold/internal/sweep"
)

const day = 24 * time.Hour

// notifyAhead sets how many days ahead the shop is told of what expires.
func (s *stage) notifyAhead(days int64) {
	s.Helper()
	change := func(settings access.Settings) (access.Settings, error) {
		settings.ExpiryNoticeDays = days
		return settings, nil
	}
	_, err := s.store.UpdateSettings(s.Context(), shop, access.Change{}, change)
	if err != nil {
		s.Fatal(err)
	}
}

// wantNotices sweeps, and wants so many notices in all.
func (s *stage) wantNotices(when string, want int64) {
	s.Helper()
	s.sweep()
	if got := s.notices(); got != want {
		s.Errorf("%s: got %d notices in all, want %d", when, got, want)
	}
}

func TestAnnouncesWhatExpiresSoon(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	const customers = 2*sweep.SliceWallets + 7
	for n := range customers {
		id := fmt.Sprintf("cus_%d", n)
		s.customer(id)
		s.credit(id, 10, 5*day)
		s.credit(id, 20, 6*day)
		s.credit(id, 30, 40*day)
	}
	s.wantNotices("by a business that wants none", 0)
	s.notifyAhead(5)
	s.wantNotices("5 days ahead", customers)
	s.wantNotices("again", customers)
	s.notifyAhead(7)
	s.wantNotices("7 days ahead", 2*customers)
	s.clock.Set(epoch.Add(6 * day))
	s.wantSwept("a jump of six days, read once", 0)
	s.wantSwept("read twice", 2*customers)
	s.wantNotices("after what was announced has expired", 2*customers)
	for n := range customers {
		s.checkLaws(fmt.Sprintf("cus_%d", n))
	}
}

// A wallet of very many lots is announced in one sweep, and one that cannot be announced
// keeps none of the others back.
func TestAnnouncesManyLots(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(store ledger.Store) ledger.Store { return unannounceable{store, "cus_0"} })
	s.customer("cus_0")
	s.customer("cus_1")
	const lots = 3*sweep.WalletEntries + 5
	for range lots {
		s.credit("cus_0", 10, day)
		s.credit("cus_1", 10, day)
	}
	s.notifyAhead(1)
	if err := s.sweeper.Sweep(t.Context()); !errors.Is(err, errRefused) {
		t.Errorf("got error %v, want %v", err, errRefused)
	}
	if got := s.notices(); got != lots {
		t.Errorf("got %d notices, want %d", got, lots)
	}
	s.checkLaws("cus_1")
}

// unannounceable is a store in which nothing can be announced to one customer.
type unannounceable struct {
	ledger.Store
	customer string
}

var errRefused = errors.New("refused")

func (u unannounceable) Transact(ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	if scope.Announces && scope.CustomerID == u.customer {
		return ledger.Change{}, errRefused
	}
	return u.Store.Transact(ctx, scope, decide)
}

// Three instances that sweep at once write one notice for each lot.
func TestInstancesAnnounceOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.notifyAhead(3)
	const customers, lots = 20, 9
	for n := range customers {
		id := fmt.Sprintf("cus_%d", n)
		s.customer(id)
		for range lots {
			s.credit(id, 10, 2*day)
		}
	}
	var sweeping sync.WaitGroup
	for range 3 {
		sweeper := sweep.New(s.book, slog.New(slog.DiscardHandler), nil)
		sweeping.Go(func() {
			if err := sweeper.Sweep(t.Context()); err != nil {
				t.Errorf("sweep: got error %v, want none", err)
			}
		})
	}
	sweeping.Wait()
	for n := range customers {
		id := fmt.Sprintf("cus_%d", n)
		s.checkLaws(id)
		h, err := storetest.ReadHistory(t.Context(), s.store, shop, id)
		if err != nil || len(h.Notices) != lots {
			t.Errorf("customer %s: got %d notices and error %v, want %d", id, len(h.Notices), err, lots)
		}
	}
}
