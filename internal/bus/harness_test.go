package bus_test

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

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/bus"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/pgtest"
	"github.com/billfold/billfold/internal/postgres"
	"github.com/billfold/billfold/internal/sqlite"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "seed of the campaigns, 0 for another one at each run")
	killsFlag = flag.Int("kills", 40, "how often a campaign on the embedded store kills what publishes")
)

var cluster *pgtest.Cluster

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m, &cluster, "max_connections=200")) }

// store is an open store of either kind.
type store interface {
	ledger.Store
	access.Store
	bus.Store
	Close() error
}

var stores = map[string]func(t *testing.T) store{"embedded": openEmbedded, "PostgreSQL": openPostgres}

func openEmbedded(t *testing.T) store {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Dir: t.TempDir()})
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	return db
}

func openPostgres(t *testing.T) store {
	t.Helper()
	return openDatabase(t, cluster.Database(t, ""))
}

func openDatabase(t *testing.T, url string) store {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Config{URL: url, ConnectionsMax: 8})
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	return db
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// office is two businesses in both modes, in which things happen.
type office struct {
	t         *testing.T
	store     store
	book      *ledger.Book
	seed      uint64
	mu        sync.Mutex
	random    *rand.Rand
	customers []ledger.Customer
	happened  atomic.Int64 // events that there have to be
}

func newOffice(t *testing.T, db store) *office {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	o := &office{t: t, store: db, seed: seed, random: rand.New(rand.NewPCG(seed, 1))}
	o.book = ledger.NewBook(db, time.Now, o.dice)
	settings := access.Settings{Currencies: []money.Currency{"USD"}, OnDuplicate: access.Conflict}
	for _, id := range []string{"bus_1", "bus_2"} {
		must(t, db.CreateBusiness(t.Context(), access.Business{ID: id, Name: id, CreatedAt: time.Now().UTC()}, settings, nil))
		for _, mode := range []ledger.Mode{ledger.Test, ledger.Live} {
			for range 3 {
				o.customer(ledger.Tenant{BusinessID: id, Mode: mode})
			}
		}
	}
	return o
}

func (o *office) dice() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.random.Uint64()
}

// oneIn reports whether something happens that happens once in n times.
func (o *office) oneIn(n uint64) bool { return o.dice()%n == 0 }

func (o *office) customer(tenant ledger.Tenant) {
	o.t.Helper()
	now := o.book.Now()
	c := ledger.Customer{
		Tenant: tenant, ID: o.book.NewID("cus_"), Email: "one@example.com", Name: "One", Metadata: "{}", CreatedAt: now, UpdatedAt: now,
	}
	_, err := o.store.CreateCustomer(o.t.Context(), c, nil)
	must(o.t, err)
	o.customers = append(o.customers, c)
	o.happened.Add(1)
}

// post posts so many entries, half of them of one customer.
func (o *office) post(count int) {
	o.t.Helper()
	for n := range count {
		c := o.customers[0]
		if n%2 == 0 {
			c = o.customers[o.dice()%uint64(len(o.customers))]
		}
		_, err := o.book.Post(o.t.Context(), ledger.PostRequest{
			Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD", Direction: ledger.Credit, Amount: 100, CurrencyEnabled: true,
		})
		if err != nil {
			o.t.Errorf("post: %v", err)
			return
		}
		o.happened.Add(1)
	}
}

// feed is every event of every business, in the order of each.
func (o *office) feed() (events []ledger.Event) {
	o.t.Helper()
	tenants := map[ledger.Tenant]bool{}
	for _, c := range o.customers {
		if tenants[c.Tenant] {
			continue
		}
		tenants[c.Tenant] = true
		for from := (ledger.EventCursor{}); ; {
			list, err := o.book.Events(o.t.Context(), c.Tenant, ledger.EventFilter{}, from, 1000)
			must(o.t, err)
			events = append(events, list.Events...)
			if from = list.Next; !list.More {
				break
			}
		}
	}
	return events
}

// body is as long as a real one, and tells what it is of.
func body(e *ledger.Event) []byte {
	return fmt.Appendf(nil, `{"id":%q,"business_id":%q,"type":%q,"pad":"%400s"}`, e.ID, e.Tenant.BusinessID, e.Kind, "")
}

// pump starts a pump that is an instance of its own; end kills it if nothing has.
func (o *office) pump(db bus.Store, broker bus.Broker) (m *mortal, end func()) {
	return o.pumpOf(o.t.Context(), db, broker)
}

func (o *office) pumpOf(ctx context.Context, db bus.Store, broker bus.Broker) (m *mortal, end func()) {
	ctx, cancel := context.WithCancel(ctx)
	m = &mortal{Store: db, dead: ctx, kill: cancel}
	ended := make(chan struct{})
	pump := bus.New(bus.Config{
		Sink: "test", Store: m, Broker: broker, Render: body, Now: time.Now, Random: o.dice,
		Instance: fmt.Sprintf("instance %d", o.dice()),
	})
	go func() {
		defer close(ended)
		pump.Run(ctx)
	}()
	return m, func() {
		cancel()
		<-ended
	}
}

// mortal is a store as a process sees it that can be killed: afterwards it can do
// nothing more, nor say goodbye.
type mortal struct {
	bus.Store
	dead context.Context
	kill context.CancelFunc

	// around is called before and after each move of a cursor, nil for nothing.
	around func(after bool)
	moves  atomic.Int64
}

var errDead = errors.New("the process was killed")

func (m *mortal) LeadSink(ctx context.Context, sink, instance string) (bool, error) {
	if m.dead.Err() != nil {
		return false, errDead
	}
	return m.Store.LeadSink(ctx, sink, instance)
}

func (m *mortal) ResignSink(context.Context, string, string) error { return errDead }

func (m *mortal) MoveSinkCursor(ctx context.Context, sink string, move bus.Move) (bool, error) {
	if m.around != nil {
		m.around(false)
	}
	if m.dead.Err() != nil {
		return false, errDead
	}
	moved, err := m.Store.MoveSinkCursor(ctx, sink, move)
	m.moves.Add(1)
	if m.around != nil {
		m.around(true)
	}
	if m.dead.Err() != nil {
		return false, errDead
	}
	return moved, err
}

// generous is how long to wait for what must come.
const generous = 2 * time.Minute

func (o *office) wait(what string, happened func() bool) {
	o.t.Helper()
	for giveUp := time.Now().Add(generous); !happened(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(giveUp) {
			o.t.Fatalf("seed %d: %s has not happened", o.seed, what)
		}
	}
}
