package sweep_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/storetest"
	"github.com/billfold/billfold/internal/sweep"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	epoch = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	shop  = ledger.Tenant{BusinessID: "bus_1", Mode: ledger.Test}
)

// stage is a ledger with a sweeper on it.
type stage struct {
	*testing.T
	store    *storetest.Model
	clock    *storetest.Clock
	book     *ledger.Book
	sweeper  *sweep.Sweeper
	registry *prometheus.Registry
	log      *bytes.Buffer
}

// newStage makes a stage; wrap stands between the sweeper and the store, nil for
// nothing.
func newStage(t *testing.T, wrap func(ledger.Store) ledger.Store) *stage {
	t.Helper()
	s := &stage{
		T: t, store: storetest.NewModel(), clock: storetest.NewClock(epoch), registry: prometheus.NewRegistry(),
		log: &bytes.Buffer{},
	}
	if err := s.store.CreateBusiness(t.Context(), access.Business{ID: "bus_1"}, access.Settings{}, nil); err != nil {
		t.Fatal(err)
	}
	var draws atomic.Uint64
	random := func() uint64 { return draws.Add(1) }
	s.book = ledger.NewBook(s.store, s.clock.Now, random)
	swept := s.book
	if wrap != nil {
		swept = ledger.NewBook(wrap(s.store), s.clock.Now, random)
	}
	s.sweeper = sweep.New(swept, slog.New(slog.NewTextHandler(s.log, nil)), s.registry)
	return s
}

func (s *stage) customer(id string) {
	s.Helper()
	c := ledger.Customer{Tenant: shop, ID: id, Metadata: "{}", CreatedAt: epoch, UpdatedAt: epoch}
	if _, err := s.store.CreateCustomer(s.Context(), c, nil); err != nil {
		s.Fatal(err)
	}
}

func (s *stage) credit(id string, amount money.Amount, ahead time.Duration) {
	s.Helper()
	_, err := s.book.Post(s.Context(), ledger.PostRequest{
		Tenant: shop, CustomerID: id, Currency: "USD", CurrencyEnabled: true,
		Direction: ledger.Credit, Amount: amount, ExpiresAt: epoch.Add(ahead),
	})
	if err != nil {
		s.Fatal(err)
	}
}

// sweep sweeps once and returns the metrics afterwards: entries in all, and when
// the last sweep was finished.
func (s *stage) sweep() (entries, finished int64) {
	s.Helper()
	if err := s.sweeper.Sweep(s.Context()); err != nil {
		s.Errorf("sweep: got error %v, want none", err)
	}
	return s.metrics()
}

func (s *stage) metrics() (entries, finished int64) {
	s.Helper()
	families, err := s.registry.Gather()
	if err != nil || len(families) != 3 {
		s.Fatalf("got %d metrics and error %v, want 3", len(families), err)
	}
	entries = int64(families[0].GetMetric()[0].GetCounter().GetValue())
	return entries, int64(families[1].GetMetric()[0].GetGauge().GetValue())
}

// notices are those in all that the metrics show.
func (s *stage) notices() int64 {
	s.Helper()
	families, err := s.registry.Gather()
	if err != nil || len(families) != 3 {
		s.Fatalf("got %d metrics and error %v, want 3", len(families), err)
	}
	return int64(families[2].GetMetric()[0].GetCounter().GetValue())
}

func (s *stage) wantSwept(when string, want int64) {
	s.Helper()
	if got, _ := s.sweep(); got != want {
		s.Errorf("%s: got %d entries in all, want %d", when, got, want)
	}
}

// checkLaws checks a customer's history and returns the balance.
func (s *stage) checkLaws(id string) money.Amount {
	s.Helper()
	h, err := storetest.ReadHistory(s.Context(), s.store, shop, id)
	if err != nil {
		s.Fatal(err)
	}
	for _, violation := range storetest.CheckLaws(h) {
		s.Errorf("customer %s: %s", id, violation)
	}
	return h.Wallets[0].Balance
}

func TestSweepsWhatHasExpired(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	const customers = 2*sweep.SliceWallets + 7
	for n := range customers {
		id := fmt.Sprintf("cus_%d", n)
		s.customer(id)
		s.credit(id, 10, 10*time.Minute)
		s.credit(id, 20, time.Duration(10+n%2)*time.Minute)
		s.credit(id, 30, 20*time.Minute)
	}
	s.wantSwept("before anything expired", 0)
	s.clock.Set(epoch.Add(10 * time.Minute))
	s.wantSwept("at the first instant", customers+customers/2+1)
	s.wantSwept("again", customers+customers/2+1)
	s.clock.Set(epoch.Add(15 * time.Minute))
	entries, finished := s.sweep()
	if entries != 2*customers || finished != epoch.Add(15*time.Minute).Unix() {
		t.Errorf("got %d entries and the end of a sweep at %d, want %d and the time of the clock", entries, finished, 2*customers)
	}
	for n := range customers {
		if got := s.checkLaws(fmt.Sprintf("cus_%d", n)); got != 30 {
			t.Errorf("customer %d: got balance %d, want 30", n, got)
		}
	}
}

// A wallet of very many lots takes many turns, and the others have theirs.
func TestOneLongWalletHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.customer("cus_long")
	const lots = 20*sweep.WalletEntries + 1
	for range lots {
		s.credit("cus_long", 1, 10*time.Minute)
	}
	s.customer("cus_short")
	s.credit("cus_short", 1, 11*time.Minute)
	s.clock.Set(epoch.Add(20 * time.Minute))
	s.wantSwept("all", lots+1)
	if s.checkLaws("cus_long") != 0 || s.checkLaws("cus_short") != 0 {
		t.Error("got a balance that was not swept")
	}
}

// A clock that jumped is not believed before a second reading, whichever way it
// jumped, and at the first reading there is nothing to compare with.
func TestAJumpOfTheClockPausesTheSweep(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.customer("cus_1")
	for n := range 6 {
		s.credit("cus_1", 1, time.Duration(n+1)*10*time.Minute)
	}
	s.credit("cus_1", 1, 30*24*time.Hour)
	s.credit("cus_1", 1, 10*365*24*time.Hour)
	s.clock.Set(epoch.Add(10 * time.Minute))
	s.wantSwept("the first reading", 1)
	s.clock.Move(time.Hour)
	s.wantSwept("an hour later", 6)
	s.clock.Move(30 * 24 * time.Hour)
	_, finished := s.metrics()
	entries, still := s.sweep()
	if entries != 6 || still != finished || !strings.Contains(s.log.String(), "the clock has jumped") {
		t.Errorf("a month later: got %d entries and log %q, want 6 and a warning", entries, s.log)
	}
	s.clock.Move(time.Minute)
	s.wantSwept("confirmed", 7)
	s.clock.Move(time.Hour + time.Microsecond)
	s.credit("cus_1", 1, 31*24*time.Hour)
	s.wantSwept("a microsecond more than an hour", 7)
	// Ten years ahead for one reading, and back.
	s.clock.Move(10 * 365 * 24 * time.Hour)
	s.wantSwept("ten years ahead", 7)
	s.clock.Move(-10 * 365 * 24 * time.Hour)
	s.wantSwept("and back", 7)
	s.clock.Move(time.Minute)
	s.wantSwept("and stays", 7)
	s.clock.Set(epoch.Add(31*24*time.Hour - time.Minute))
	s.sweep()
	s.clock.Move(time.Minute)
	s.wantSwept("the lot that was nearly swept", 8)
	s.checkLaws("cus_1")
}

// jumping moves the clock far ahead as soon as the work was found.
type jumping struct {
	ledger.Store
	jump func()
}

func (j jumping) Expired(ctx context.Context, at time.Time, limit int) ([]ledger.WalletKey, error) {
	defer j.jump()
	return j.Store.Expired(ctx, at, limit)
}

// A clock that jumps in the middle of a sweep does not make it take lots that
// had not expired at the reading that was believed.
func TestAJumpInTheMiddleOfASweep(t *testing.T) {
	t.Parallel()
	var clock *storetest.Clock
	s := newStage(t, func(store ledger.Store) ledger.Store {
		return jumping{store, func() { clock.Move(24 * time.Hour) }}
	})
	clock = s.clock
	s.customer("cus_1")
	s.credit("cus_1", 1, 10*time.Minute)
	s.credit("cus_1", 1, 20*time.Minute)
	s.clock.Set(epoch.Add(10 * time.Minute))
	s.wantSwept("the lot that had expired", 1)
	if got := s.checkLaws("cus_1"); got != 1 {
		t.Errorf("got balance %d, want 1", got)
	}
}

// broken refuses to change one customer, and names another who has nothing.
type broken struct{ ledger.Store }

var errBroken = errors.New("broken on purpose")

func (b broken) Transact(ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	if scope.CustomerID == "cus_broken" {
		return ledger.Change{}, errBroken
	}
	return b.Store.Transact(ctx, scope, decide)
}

func (b broken) Expired(ctx context.Context, at time.Time, limit int) ([]ledger.WalletKey, error) {
	wallets, err := b.Store.Expired(ctx, at, limit-1)
	return append([]ledger.WalletKey{{Tenant: shop, CustomerID: "cus_empty", Currency: "USD"}}, wallets...), err
}

// A wallet that cannot be swept, or is named without reason, holds up no other
// and ends no later than the others.
func TestWhatCannotBeSweptIsPassedOver(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(store ledger.Store) ledger.Store { return broken{store} })
	s.customer("cus_empty")
	s.customer("cus_broken")
	s.credit("cus_broken", 1, 10*time.Minute)
	for n := range 3 * sweep.SliceWallets {
		id := fmt.Sprintf("cus_%d", n)
		s.customer(id)
		s.credit(id, 1, 11*time.Minute)
	}
	s.clock.Set(epoch.Add(time.Hour))
	err := s.sweeper.Sweep(t.Context())
	if !errors.Is(err, errBroken) || !strings.Contains(err.Error(), "1 wallets") {
		t.Errorf("got error %v, want that one wallet could not be swept", err)
	}
	if entries, finished := s.metrics(); entries != 3*sweep.SliceWallets || finished != 0 {
		t.Errorf("got %d entries and the end of a sweep at %d, want %d and none", entries, finished, 3*sweep.SliceWallets)
	}
}

// Three instances at once write each entry once.
func TestInstancesSweepTogether(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	const customers = 150
	for n := range customers {
		id := fmt.Sprintf("cus_%d", n)
		s.customer(id)
		s.credit(id, 5, 10*time.Minute)
		s.credit(id, 6, 10*time.Minute)
		s.credit(id, 7, time.Hour)
	}
	s.clock.Set(epoch.Add(10 * time.Minute))
	var running sync.WaitGroup
	for range 3 {
		other := sweep.New(s.book, slog.New(slog.DiscardHandler), nil)
		running.Go(func() {
			for range 3 {
				if err := other.Sweep(t.Context()); err != nil {
					t.Errorf("sweep: got error %v, want none", err)
				}
			}
		})
	}
	running.Wait()
	for n := range customers {
		if got := s.checkLaws(fmt.Sprintf("cus_%d", n)); got != 7 {
			t.Errorf("customer %d: got balance %d, want 7", n, got)
		}
	}
}

// Nothing is swept during a pause, and everything after it.
func TestPause(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.customer("cus_1")
	s.credit("cus_1", 1, 10*time.Minute)
	s.clock.Set(epoch.Add(20 * time.Minute))
	resume, err := s.sweeper.Pause(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.sweeper.Sweep(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a sweep in the pause: got error %v, want it to wait", err)
	}
	if _, err := s.sweeper.Pause(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second pause: got error %v, want it to wait", err)
	}
	if entries, _ := s.metrics(); entries != 0 {
		t.Errorf("got %d entries in the pause, want none", entries)
	}
	resume()
	s.wantSwept("after the pause", 1)
}

// Run sweeps at once, comes back, goes on after a failure, and ends when told to.
func TestRun(t *testing.T) {
	t.Parallel()
	var failures atomic.Int64
	failures.Store(2)
	s := newStage(t, func(store ledger.Store) ledger.Store { return failing{store, &failures} })
	s.sweeper.SetEvery(time.Millisecond)
	s.customer("cus_1")
	s.credit("cus_1", 1, 10*time.Minute)
	s.credit("cus_1", 1, 30*time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.sweeper.Run(ctx)
	}()
	for n := range int64(2) {
		s.clock.Move(20 * time.Minute)
		for giveUp := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			if entries, _ := s.metrics(); entries == n+1 {
				break
			}
			if time.Now().After(giveUp) {
				t.Fatalf("entry %d was not written", n+1)
			}
		}
	}
	cancel()
	<-ended
	if got := strings.Count(s.log.String(), "ended early"); got != 2 {
		t.Errorf("got %d complaints in %q, want 2", got, s.log)
	}
	s.checkLaws("cus_1")
}

// failing fails to find the work for some times.
type failing struct {
	ledger.Store
	left *atomic.Int64
}

func (f failing) Expired(ctx context.Context, at time.Time, limit int) ([]ledger.WalletKey, error) {
	if f.left.Add(-1) >= 0 {
		return nil, errBroken
	}
	return f.Store.Expired(ctx, at, limit)
}
