package collect_test

import (
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/pgtest"
	"github.com/billfold/billfold/internal/postgres"
	"github.com/billfold/billfold/internal/processor"
	"github.com/billfold/billfold/internal/sqlite"
	"github.com/billfold/billfold/internal/storetest"
	"github.com/billfold/billfold/internal/verify"
)

var (
	seedFlag     = flag.Uint64("collect.seed", 0, "of the invoices and of what fails; 0 draws one")
	invoicesFlag = flag.Int("collect.invoices", 150, "how many invoices are collected")
)

var (
	epoch = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	shop  = ledger.Tenant{BusinessID: "bus_1", Mode: ledger.Test}
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

// store is what both stores are.
type store interface {
	ledger.Store
	access.Store
	Close() error
}

// stage is a store with an invoice's world around it.
type stage struct {
	testing.TB
	store   store
	options verify.Options
	clock   *storetest.Clock
	sandbox *processor.Sandbox
	draws   atomic.Uint64
	book    *ledger.Book
}

func onStores(t *testing.T, f func(s *stage)) {
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		onEmbedded(t, f)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		url := cluster.Database(t, "")
		db, err := postgres.Open(t.Context(), postgres.Config{URL: url, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closeStore(t, db) })
		f(newStage(t, db, verify.Options{DatabaseURL: url}))
	})
}

func onEmbedded(t testing.TB, f func(s *stage)) {
	dir := filepath.Join(t.TempDir(), "data")
	db, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, db) })
	f(newStage(t, db, verify.Options{Path: dir}))
}

// noticed runs what is wrong on purpose, and wants a problem found.
func noticed(t *testing.T, run func(s *stage) (problems []string)) {
	t.Parallel()
	onEmbedded(t, func(s *stage) {
		problems := run(s)
		if len(problems) == 0 {
			s.Fatal("got no problem")
		}
		s.Log(problems[0])
	})
}

func closeStore(t testing.TB, db store) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func newStage(t testing.TB, db store, options verify.Options) *stage {
	t.Helper()
	s := &stage{TB: t, store: db, options: options, clock: storetest.NewClock(epoch)}
	s.sandbox = processor.NewSandbox(s.clock.Now)
	s.book = ledger.NewBook(db, s.clock.Now, s.random)
	business := access.Business{ID: shop.BusinessID, Name: "Shop", CreatedAt: epoch}
	if err := db.CreateBusiness(t.Context(), business, access.DefaultSettings(), nil); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *stage) random() uint64 { return rand.Uint64() ^ s.draws.Add(1) }

var methods = []string{
	"", processor.SandboxOK, processor.SandboxDeclined, processor.SandboxDeclinedForGood, processor.SandboxRequiresAction,
	processor.SandboxProcessing, processor.SandboxProcessingFails, processor.SandboxTimeout, processor.SandboxLateSuccess,
	processor.SandboxCreateTimeout, processor.SandboxUnavailable, processor.SandboxDuplicateNotices, "pm_of_nobody",
}

// open makes customers with wallets, and invoices of theirs.
func (s *stage) open(c *collect.Collector, random *rand.Rand, invoices int) (customers, ids []string) {
	s.Helper()
	for n := range 20 {
		id := fmt.Sprintf("cus_%02d", n)
		customer := ledger.Customer{
			Tenant: shop, ID: id, Email: "a@example.com", Name: "A", Metadata: "{}", CreatedAt: epoch, UpdatedAt: epoch,
		}
		if _, err := s.store.CreateCustomer(s.Context(), customer, nil); err != nil {
			s.Fatal(err)
		}
		customers = append(customers, id)
	}
	for n := range invoices {
		customer := customers[random.IntN(len(customers))]
		if random.IntN(2) == 0 {
			r := ledger.PostRequest{
				Tenant: shop, CustomerID: customer, Currency: "USD", Direction: ledger.Credit,
				Amount: 1 + money.Amount(random.Int64N(3000)), CreatedBy: "key_1", CurrencyEnabled: true,
			}
			if random.IntN(3) == 0 {
				r.Category = ledger.Promotional
			}
			if random.IntN(3) == 0 {
				r.ExpiresAt = epoch.Add(time.Duration(1+random.IntN(200)) * time.Hour)
			}
			if _, err := s.book.Post(s.Context(), r); err != nil {
				s.Fatal(err)
			}
		}
		total := money.Amount(random.Int64N(3000))
		invoice := collect.Invoice{
			Tenant: shop, CustomerID: customer, Method: methods[random.IntN(len(methods))], Items: oneLine(total),
			Collection: billing.Collection{
				InvoiceID: fmt.Sprintf("inv_%04d", n), Currency: "USD", Total: total,
				Policy: billing.Policy{
					Tender: billing.TenderRules{
						LeaveWallet: random.IntN(8) == 0, CardMinimum: s.sandbox.Minimum("USD"),
						Below: []billing.BelowMinimum{billing.LeaveInWallet, billing.ChargeMinimum}[random.IntN(2)],
					},
					Retries: []time.Duration{time.Hour, 24 * time.Hour}, ActionWithin: time.Hour,
					Late: []billing.LateSuccess{billing.LateRefund, billing.LateCredit}[random.IntN(2)],
				},
			},
		}
		for err := errLost; err != nil; {
			err = c.Open(s.Context(), invoice)
		}
		ids = append(ids, invoice.Collection.InvoiceID)
	}
	return customers, ids
}

// meddle has what comes from outside happen to invoices: notifications, customers who
// authenticate, people who want an invoice void.
func (s *stage) meddle(c *collect.Collector, random *rand.Rand, ids []string) {
	s.Helper()
	decide := func(id string, input billing.Input) {
		invoice, err := c.Invoice(s.Context(), shop, id)
		if err != nil {
			s.Fatal(err)
		}
		err = c.Decide(s.Context(), invoice, input)
		switch ledger.CodeOf(err) {
		case "", billing.CodeInvoiceNotOpen, ledger.CodeStorageUnavailable, ledger.CodeOutcomeUnknown:
		default:
			s.Errorf("invoice %s: %v", id, err)
		}
	}
	for _, n := range s.sandbox.Notifications() {
		for range 1 + random.IntN(2) {
			if random.IntN(5) > 0 {
				decide(n.InvoiceID, n.Notice)
			}
		}
	}
	if s.clock.Now().Before(epoch.Add(3 * time.Hour)) { // while many are at the card
		for _, id := range ids {
			if random.IntN(12) == 0 {
				decide(id, billing.Cancel{})
			}
		}
	}
	for range 12 {
		id := ids[random.IntN(len(ids))]
		invoice, err := c.Invoice(s.Context(), shop, id)
		if err != nil {
			s.Fatal(err)
		}
		attempts := invoice.Collection.Attempts
		if n := len(attempts); n > 0 && attempts[n-1].Progress == billing.RequiresAction {
			_, _ = s.sandbox.Authenticate(s.Context(), attempts[n-1].PaymentID, random.IntN(3) > 0)
		}
		if random.IntN(4) == 0 {
			decide(id, billing.Cancel{})
		}
	}
}

// run collects until every invoice has come to its end.
func (s *stage) run(stale bool) (problems []string) {
	s.Helper()
	seed := seed()
	u := newUnreliable(s.sandbox, seed)
	random := rand.New(rand.NewPCG(seed, 2))
	failing := &forgetful{Store: s.store, random: rand.New(rand.NewPCG(seed, 3))}
	if stale {
		failing.stale = map[string]ledger.Object{}
	}
	var collectors []*collect.Collector
	var workers []*collect.Worker
	for range 3 {
		c := collect.New(failing, u, s.clock.Now, s.random)
		collectors = append(collectors, c)
		workers = append(workers, collect.NewWorker(c, slog.New(slog.DiscardHandler)))
	}
	customers, ids := s.open(collectors[0], random, *invoicesFlag)
	const weeks = 3
	rounds := 0
	for ; s.clock.Now().Before(epoch.AddDate(0, 0, 7*weeks)); rounds++ {
		var running sync.WaitGroup
		for _, w := range workers {
			running.Go(func() {
				if _, err := w.Round(s.Context()); err != nil {
					s.Error(err)
				}
			})
		}
		running.Wait()
		s.meddle(collectors[random.IntN(3)], random, ids)
		s.clock.Move([]time.Duration{time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour}[random.IntN(4)])
	}
	problems = s.inspect(u, customers, ids)
	s.Logf("seed %d: %d invoices, %d rounds, %d calls of the processor, %d answers lost, %d commits failed or forgotten, %d problems",
		seed, len(ids), rounds, u.calls, u.lost, failing.failed, len(problems))
	return problems
}

// inspect holds what the card was charged and the wallets moved against the invoices
// (laws S1, S2 and S5).
func (s *stage) inspect(u *unreliable, customers, ids []string) (problems []string) {
	s.Helper()
	problem := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	wallet := map[string]money.Amount{}
	for _, customer := range customers {
		h, err := storetest.ReadHistory(s.Context(), s.store, shop, customer)
		if err != nil {
			s.Fatal(err)
		}
		for _, e := range h.Entries {
			if e.EventType == ledger.EventPayment && e.Direction == ledger.Debit {
				wallet[e.ReferenceObjectID] += e.Amount
			} else if e.EventType == ledger.EventPayment {
				wallet[e.ReferenceObjectID] -= e.Amount
			}
		}
		for _, hold := range h.Holds {
			if hold.State == ledger.HoldActive {
				problem("hold %s of invoice %s is active", hold.ID, hold.ReferenceObjectID)
			}
		}
		for _, violation := range storetest.CheckLaws(h) {
			problem("customer %s: %s", customer, violation)
		}
	}
	c := collect.New(s.store, u, s.clock.Now, s.random)
	for _, id := range ids {
		invoice, err := c.Invoice(s.Context(), shop, id)
		if err != nil {
			s.Fatal(err)
		}
		for _, a := range invoice.Collection.Attempts {
			if a.PaymentID != "" { // of which the creation was not answered, but told of
				u.payments[a.PaymentID] = id
			}
		}
	}
	card := u.charged(s.TB)
	states := map[billing.State]int{}
	for _, id := range ids {
		invoice, err := c.Invoice(s.Context(), shop, id)
		if err != nil {
			s.Fatal(err)
		}
		states[invoice.Collection.State]++
		var want money.Amount
		if invoice.Collection.State == billing.Paid {
			want = invoice.Collection.Total
		}
		if !invoice.Collection.State.Final() || wallet[id]+card[id] != want {
			problem("invoice %s of %d is %s: got %d of the wallet and %d of the card, want %d together", id, invoice.Collection.Total,
				invoice.Collection.State, wallet[id], card[id], want)
		}
	}
	s.Logf("states at the end: %v", states)
	report, err := verify.Run(s.Context(), s.options)
	if err != nil {
		s.Fatal(err)
	}
	for _, finding := range report.Findings {
		problem("verify: %s", finding)
	}
	return problems
}

func seed() uint64 {
	if *seedFlag != 0 {
		return *seedFlag
	}
	return rand.Uint64()
}

// TestInvoicesAreCollected has three workers collect invoices over a processor and a
// store that fail, and wants every cent accounted for at the end.
func TestInvoicesAreCollected(t *testing.T) {
	onStores(t, func(s *stage) {
		for _, problem := range s.run(false) {
			s.Error(problem)
		}
	})
}

// TestStaleDecisionsAreNoticed is the control: where now and then it is decided on what
// an invoice was before, as it would be without the lock, money moves twice.
func TestStaleDecisionsAreNoticed(t *testing.T) {
	onStores(t, func(s *stage) {
		if len(s.run(true)) == 0 {
			s.Error("got no problem, want invoices that were paid twice")
		}
	})
}
