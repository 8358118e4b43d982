package selfaudit_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/pgtest"
	"github.com/billfold/billfold/internal/postgres"
	"github.com/billfold/billfold/internal/sqlite"
	"github.com/billfold/billfold/internal/verify"
)

var (
	seed       = flag.Uint64("audit.seed", 1, "of what is written while it is audited")
	operations = flag.Int64("audit.operations", 3000, "that are carried out while it is audited, at the least")
)

var cluster *pgtest.Cluster

func TestMain(m *testing.M) {
	code := pgtest.Main(m, &cluster, "max_connections=100")
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// store is what a test writes to.
type store interface {
	ledger.Store
	access.Store
	Close() error
}

// stores are the two kinds, each opened anew, with how they are audited.
var stores = map[string]func(t testing.TB) (store, verify.Options){
	"sqlite": func(t testing.TB) (store, verify.Options) {
		dir := t.TempDir()
		db, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		closing(t, db)
		return db, verify.Options{Path: dir, Piece: 64}
	},
	"postgres": func(t testing.TB) (store, verify.Options) {
		url := cluster.Database(t, "")
		db, err := postgres.Open(t.Context(), postgres.Config{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		closing(t, db)
		return db, verify.Options{DatabaseURL: url, Piece: 50}
	},
}

func closing(t testing.TB, db store) {
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
}

var shop = ledger.Tenant{BusinessID: "bus_1", Mode: ledger.Test}

// traffic writes all that there is to a few customers, from many goroutines.
type traffic struct {
	t     testing.TB
	store store
	book  *ledger.Book
	done  atomic.Int64 // operations
	turn  sync.RWMutex // held to read by an operation, to write by alone

	mu        sync.Mutex
	customers []string
	holds     [][2]string // customer and id
	debits    [][2]string
	counts    map[string]int
}

func newTraffic(t testing.TB, db store) *traffic {
	t.Helper()
	w := &traffic{t: t, store: db, book: ledger.NewBook(db, time.Now, rand.Uint64), counts: map[string]int{}}
	business := access.Business{ID: shop.BusinessID, Name: "Shop", CreatedAt: w.book.Now()}
	if err := db.CreateBusiness(t.Context(), business, access.DefaultSettings(), nil); err != nil {
		t.Fatal(err)
	}
	for range 6 {
		if err := w.join(t.Context(), shop); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// join adds a customer. Those of the shop take part from then on.
func (w *traffic) join(ctx context.Context, tenant ledger.Tenant) error {
	now := w.book.Now()
	c := ledger.Customer{
		Tenant: tenant, ID: w.book.NewID("cus_"), Email: "a@example.com", Name: "A", Metadata: "{}", CreatedAt: now, UpdatedAt: now,
	}
	if _, err := w.store.CreateCustomer(ctx, c, nil); err != nil {
		return err
	}
	if tenant == shop {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.customers = append(w.customers, c.ID)
	}
	return nil
}

// open is a new business with a customer.
func (w *traffic) open(ctx context.Context) error {
	business := access.Business{ID: w.book.NewID("bus_"), Name: "New", CreatedAt: w.book.Now()}
	if err := w.store.CreateBusiness(ctx, business, access.DefaultSettings(), nil); err != nil {
		return err
	}
	return w.join(ctx, ledger.Tenant{BusinessID: business.ID, Mode: ledger.Live})
}

// drawn picks one of what there is; most often the first, who has a long history.
func drawn[T any](w *traffic, chance *rand.Rand, from *[]T, hot int) (one T, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(*from) == 0 {
		return one, false
	}
	if chance.IntN(100) < hot {
		return (*from)[0], true
	}
	return (*from)[chance.IntN(len(*from))], true
}

func (w *traffic) keep(list *[][2]string, customer, id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	*list = append(*list, [2]string{customer, id})
}

// alone runs statements past the store while no operation does. A file has one
// writer, and who waits for it beside a busy committer may wait for ever.
func (w *traffic) alone(t testing.TB, options verify.Options, statements string) {
	t.Helper()
	w.turn.Lock()
	defer w.turn.Unlock()
	exec(t, options, statements)
}

// run writes until ctx ends or stop says so.
func (w *traffic) run(ctx context.Context, workers int, stop func() bool) {
	var running sync.WaitGroup
	for worker := range workers {
		running.Go(func() {
			chance := rand.New(rand.NewPCG(*seed, uint64(worker)))
			for ctx.Err() == nil && !stop() {
				w.turn.RLock()
				kind, err := w.operation(ctx, chance)
				w.turn.RUnlock()
				var refused *ledger.Error
				if err != nil && !errors.As(err, &refused) && ctx.Err() == nil {
					w.t.Errorf("%s: %v", kind, err)
					return
				}
				w.done.Add(1)
				if err == nil {
					w.mu.Lock()
					w.counts[kind]++
					w.mu.Unlock()
				}
			}
		})
	}
	running.Wait()
}

func (w *traffic) operation(ctx context.Context, chance *rand.Rand) (kind string, err error) {
	customer, _ := drawn(w, chance, &w.customers, 60)
	amount := money.Amount(1 + chance.IntN(400))
	switch n := chance.IntN(100); {
	case n < 35:
		return "credit", w.credit(ctx, chance, customer, amount)
	case n < 60:
		change, err := w.book.Post(ctx, ledger.PostRequest{
			Tenant: shop, CustomerID: customer, Currency: "USD", CurrencyEnabled: true, Direction: ledger.Debit, Amount: amount,
			IdempotencyKey: fmt.Sprint("d", chance.Uint64()),
		})
		if err == nil {
			w.keep(&w.debits, customer, change.Entry.ID)
		}
		return "debit", err
	case n < 68:
		change, err := w.book.MakeHold(ctx, ledger.HoldRequest{
			Tenant: shop, CustomerID: customer, Currency: "USD", CurrencyEnabled: true, Amount: amount, AllowPartial: true,
			ExpiresAt: w.book.Now().Add(time.Duration(1+chance.IntN(5000)) * time.Millisecond),
		})
		if err == nil {
			w.keep(&w.holds, customer, change.Hold.Hold.ID)
		}
		return "hold", err
	case n < 78:
		return w.endHold(ctx, chance, amount)
	case n < 84:
		return "reversal", w.reverse(ctx, chance, amount)
	case n < 91:
		to, _ := drawn(w, chance, &w.customers, 0)
		_, err := w.book.Transfer(ctx, ledger.TransferRequest{
			Tenant: shop, CustomerID: customer, ToCustomerID: to, Currency: "USD", CurrencyEnabled: true, Amount: amount,
		})
		return "transfer", err
	case n < 95:
		return "freeze", w.freeze(ctx, chance, customer)
	case n < 98:
		return "sweep", w.sweep(ctx)
	case n < 99:
		return "customer", w.join(ctx, shop)
	default:
		return "business", w.open(ctx)
	}
}

func (w *traffic) credit(ctx context.Context, chance *rand.Rand, customer string, amount money.Amount) error {
	r := ledger.PostRequest{
		Tenant: shop, CustomerID: customer, Currency: "USD", CurrencyEnabled: true, Direction: ledger.Credit, Amount: 2 * amount,
		DefaultAlerts: "USD\t500:1000 5000:5000\n",
	}
	switch chance.IntN(4) {
	case 0:
		r.Category = ledger.Promotional
	case 1:
		r.ExpiresAt = w.book.Now().Add(time.Duration(1+chance.IntN(3000)) * time.Millisecond)
	case 2:
		r.Currency = "INR"
	}
	_, err := w.book.Post(ctx, r)
	return err
}

func (w *traffic) endHold(ctx context.Context, chance *rand.Rand, amount money.Amount) (kind string, err error) {
	hold, ok := w.newest(chance)
	switch {
	case !ok:
		return "nothing", nil
	case chance.IntN(3) == 0:
		_, err = w.book.Release(ctx, ledger.ReleaseRequest{Tenant: shop, CustomerID: hold[0], HoldID: hold[1]})
		return "release", err
	}
	r := ledger.CaptureRequest{Tenant: shop, CustomerID: hold[0], HoldID: hold[1], Final: chance.IntN(2) == 0}
	if chance.IntN(2) == 0 {
		r.Amount = &amount
	}
	change, err := w.book.Capture(ctx, r)
	if err == nil {
		w.keep(&w.debits, hold[0], change.Entry.ID)
	}
	return "capture", err
}

// newest picks one of the last holds, of which some are active.
func (w *traffic) newest(chance *rand.Rand) (hold [2]string, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := w.holds[max(0, len(w.holds)-10):]
	if len(last) == 0 {
		return hold, false
	}
	return last[chance.IntN(len(last))], true
}

// reverse undoes a part of any debit, old or new.
func (w *traffic) reverse(ctx context.Context, chance *rand.Rand, amount money.Amount) error {
	debit, ok := drawn(w, chance, &w.debits, 0)
	if !ok {
		return nil
	}
	part := min(amount, 5)
	_, err := w.book.Reverse(ctx, ledger.ReverseRequest{
		Tenant: shop, CustomerID: debit[0], EntryID: debit[1], Amount: &part,
		Grace: time.Duration(chance.IntN(2)) * time.Second,
	})
	return err
}

// freeze freezes what stops nobody else here, and lifts it.
func (w *traffic) freeze(ctx context.Context, chance *rand.Rand, customer string) error {
	r := ledger.FreezeRequest{
		Tenant: shop, CustomerID: customer, Currency: "EUR", Reason: "Review", By: ledger.Actor{KeyID: "key_1"},
		Lift: chance.IntN(2) == 0,
	}
	if !r.Lift {
		r.Scope = ledger.FreezeDebits
	}
	_, _, err := w.book.Freeze(ctx, r, nil)
	return err
}

func (w *traffic) sweep(ctx context.Context) error {
	at := w.book.Now()
	wallets, err := w.store.Expired(ctx, at, 10)
	for _, wallet := range wallets {
		if _, err := w.book.Sweep(ctx, wallet, at, 20); err != nil {
			return err
		}
	}
	return err
}

// While all that there is goes on, a patrol finds nothing, on both stores; and it
// has met customers who were undone behind its back.
func TestNothingIsFoundUnderLoad(t *testing.T) {
	t.Parallel()
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, options := open(t)
			w := newTraffic(t, db)
			var rounds, restarts, customers atomic.Int64
			var audited sync.WaitGroup
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			audited.Go(func() {
				patrol := verify.OpenPatrol(options)
				defer closePatrol(t, patrol)
				for ctx.Err() == nil {
					stride, err := patrol.Step(ctx)
					if ctx.Err() == nil && err != nil || len(stride.Findings) > 0 {
						t.Errorf("got error %v and findings %q, want none of either", err, stride.Findings)
						return
					}
					customers.Add(stride.Customers)
					if stride.Restarted {
						restarts.Add(1)
					}
					if stride.Ended {
						rounds.Add(1)
					}
				}
			})
			giveUp := time.Now().Add(2 * time.Minute)
			w.run(ctx, 8, func() bool {
				enough := w.done.Load() >= *operations && rounds.Load() >= 5 && restarts.Load() > 0
				return enough || t.Failed() || time.Now().After(giveUp)
			})
			stop()
			audited.Wait()
			t.Logf("seed %d: %d operations %v, %d rounds over %d customers, %d of them read anew",
				*seed, w.done.Load(), w.counts, rounds.Load(), customers.Load(), restarts.Load())
			if t.Failed() {
				return
			}
			if rounds.Load() < 5 || restarts.Load() == 0 {
				t.Errorf("got %d rounds and %d customers read anew, want at least 5 and 1", rounds.Load(), restarts.Load())
			}
			for _, kind := range []string{
				"credit", "debit", "hold", "capture", "release", "reversal", "transfer", "freeze", "sweep", "customer", "business",
			} {
				if w.counts[kind] < 10 {
					t.Errorf("%s: got %d, want at least 10", kind, w.counts[kind])
				}
			}
			whole, err := verify.Run(t.Context(), options)
			if err != nil || !whole.Clean() {
				t.Errorf("a whole run: got %v and findings %q, want none", err, whole.Findings)
			}
		})
	}
}

func closePatrol(t testing.TB, patrol *verify.Patrol) {
	if err := patrol.Close(); err != nil {
		t.Error(err)
	}
}
