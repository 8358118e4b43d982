package hosted_test

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/hosted"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/pgtest"
	"github.com/billfold/billfold/internal/postgres"
	"github.com/billfold/billfold/internal/processor"
	"github.com/billfold/billfold/internal/sqlite"
	"github.com/billfold/billfold/internal/storetest"
)

var (
	epoch   = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	shop    = ledger.Tenant{BusinessID: "bus_1", Mode: ledger.Test}
	secret  = []byte("a secret of the tests, long enough")
	cluster *pgtest.Cluster
)

// nasty is a name that must not become part of a page.
const nasty = `<script>alert(1)</script>"><img src=x onerror=alert(1)>` + "\u202egnp.exe"

func TestMain(m *testing.M) {
	code := pgtest.Main(m, &cluster, "max_connections=100")
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

type store interface {
	ledger.Store
	access.Store
	Close() error
}

// stage is a shop with a customer and the pages.
type stage struct {
	*testing.T
	store     store
	clock     *storetest.Clock
	book      *ledger.Book
	collector *collect.Collector
	links     *hosted.Links
	pages     *hosted.Server
	customer  string
	logs      *lockedBuffer
}

type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func onStores(t *testing.T, f func(s *stage)) {
	t.Parallel()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(t.TempDir(), "data")
		db, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		f(newStage(t, db, nil))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		url := cluster.Database(t, "")
		db, err := postgres.Open(t.Context(), postgres.Config{URL: url, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		f(newStage(t, db, nil))
	})
}

// newStage opens a shop on a store, with the sandbox or another processor.
func newStage(t *testing.T, db store, p processor.Processor) *stage {
	t.Helper()
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &stage{T: t, store: db, clock: storetest.NewClock(epoch), customer: "cus_jane00000", logs: &lockedBuffer{}}
	s.book = ledger.NewBook(db, s.clock.Now, rand.Uint64)
	business := access.Business{ID: shop.BusinessID, Name: nasty, CreatedAt: epoch}
	if err := db.CreateBusiness(t.Context(), business, access.DefaultSettings(), nil); err != nil {
		t.Fatal(err)
	}
	customer := ledger.Customer{
		Tenant: shop, ID: s.customer, Email: "jane@example.com", Name: "Jane", Metadata: "{}", CreatedAt: epoch, UpdatedAt: epoch,
	}
	if _, err := db.CreateCustomer(t.Context(), customer, nil); err != nil {
		t.Fatal(err)
	}
	var err error
	if s.links, err = hosted.NewLinks("https://pay.example.com/", secret); err != nil {
		t.Fatal(err)
	}
	s.open(db, p)
	return s
}

// open has the pages on a store, with the sandbox or another processor.
func (s *stage) open(db store, p processor.Processor) {
	s.Helper()
	processors := collect.TestProcessors(db, s.clock.Now, rand.Uint64)
	if p != nil {
		processors = func(*collect.Invoice) processor.Processor { return p }
	}
	s.collector = collect.NewFor(db, processors, s.clock.Now, rand.Uint64)
	s.reopen(s.links)
}

// reopen has the pages under other links.
func (s *stage) reopen(links *hosted.Links) {
	s.Helper()
	pages, err := hosted.New(hosted.Config{
		Links: links, Collector: s.collector, Directory: access.NewDirectory(s.store, access.Options{Now: s.clock.Now}), Now: s.clock.Now,
		Logger: slog.New(slog.NewTextHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		s.Fatal(err)
	}
	s.pages = pages
}

// opened makes an invoice of 20.00, which waits for a payment method, and returns its id
// and the path of its page.
func (s *stage) opened(change ...func(*collect.Invoice)) (id, path string) {
	s.Helper()
	id = s.book.NewID(collect.InvoiceIDPrefix)
	settings := access.DefaultSettings()
	i := collect.Invoice{
		Tenant: shop, CustomerID: s.customer, Reason: collect.ForPayment, DefaultAlerts: settings.Alerts,
		Items: []collect.Item{{Line: billing.Line{ID: "pdt_1", Amount: 2000}, Name: "A thing", Quantity: 2}},
		Collection: billing.Collection{
			InvoiceID: id, Currency: "USD", Total: 2000, Policy: collect.PolicyOf(&settings, ledger.Test, collect.ForPayment, "USD"),
		},
	}
	for _, c := range change {
		c(&i)
	}
	if err := s.collector.Open(s.Context(), i); err != nil {
		s.Fatal(err)
	}
	if err := s.collector.GoOn(s.Context(), shop, id); err != nil {
		s.Fatal(err)
	}
	return id, s.path(s.links.Invoice(shop, id))
}

func (s *stage) path(token string) string {
	return strings.TrimPrefix(s.links.URL(token), "https://pay.example.com")
}

// setup makes a setup and returns its id and the path of its page.
func (s *stage) setup(back string, change ...func(*collect.Setup)) (id, path string) {
	s.Helper()
	id = s.book.NewID(collect.SetupIDPrefix)
	of := collect.Setup{
		ID: id, Tenant: shop, CustomerID: s.customer, ReturnURL: back, ExpiresAt: s.clock.Now().Add(collect.SetupLives),
	}
	for _, c := range change {
		c(&of)
	}
	if err := s.collector.OpenSetup(s.Context(), of); err != nil {
		s.Fatal(err)
	}
	return id, s.path(s.links.Setup(shop, id))
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (s *stage) send(method, path, form string, headers ...string) answer {
	s.Helper()
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(form)
	}
	r := httptest.NewRequest(method, "https://pay.example.com"+path, body)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.pages.ServeHTTP(w, r)
	return answer{w.Code, w.Result().Header, w.Body.String()}
}

// shows fails the test unless the page has texts.
func (s *stage) shows(path string, status int, texts ...string) string {
	s.Helper()
	got := s.send(http.MethodGet, path, "")
	if got.status != status {
		s.Errorf("got status %d, want %d, with %s", got.status, status, got.body)
	}
	for _, text := range texts {
		if !strings.Contains(got.body, text) {
			s.Errorf("got a page without %q:\n%s", text, got.body)
		}
	}
	return got.body
}

// posts sends a form and wants to be sent back to the page.
func (s *stage) posts(path, form string) {
	s.Helper()
	got := s.send(http.MethodPost, path, form)
	if at := got.header.Get("Location"); got.status != http.StatusSeeOther || hosted.Root+at != path {
		s.Errorf("%s: got status %d and location %q with %s, want to be sent back", form, got.status, at, got.body)
	}
}

func (s *stage) invoice(id string) *collect.Invoice {
	s.Helper()
	i, err := s.collector.Invoice(s.Context(), shop, id)
	if err != nil {
		s.Fatal(err)
	}
	return i
}

func (s *stage) methods() []collect.Method {
	s.Helper()
	methods, err := s.collector.Methods(s.Context(), shop, s.customer)
	if err != nil {
		s.Fatal(err)
	}
	return methods
}

func (s *stage) credit(amount money.Amount) {
	s.Helper()
	request := ledger.PostRequest{
		Tenant: shop, CustomerID: s.customer, Currency: "USD", Amount: amount, Direction: ledger.Credit, CurrencyEnabled: true,
		Purpose: ledger.Purpose{EventType: ledger.EventPayment, Account: ledger.AccountCash}, CreatedBy: ledger.SystemCreator,
	}
	if _, err := s.book.Post(s.Context(), request); err != nil {
		s.Fatal(err)
	}
}

func pay(token string, keep bool) string {
	form := url.Values{"do": {"card"}, "method": {token}}
	if keep {
		form.Set("keep", "yes")
	}
	return form.Encode()
}

// TestFirstPayment has a customer without a payment method pay, with what the wallet has
// first, and their card kept for later.
func TestFirstPayment(t *testing.T) {
	onStores(t, func(s *stage) {
		s.credit(750)
		id, path := s.opened(func(i *collect.Invoice) { i.ReturnURL = "https://shop.example/thanks?a=1&b=2" })
		s.shows(path, 200, "20.00 USD", "A thing", "× 2", "From your wallet", "7.50 USD", "Pay 12.50 USD by card", "Save this card",
			"Test mode", "2 March 2026, 12:00 UTC", "shop.example", `href="https://shop.example/thanks?a=1&amp;b=2"`)
		s.posts(path, pay(processor.SandboxOK, true))
		i := s.invoice(id)
		want := billing.Tender{Wallet: 750, Card: 1250}
		if i.Status() != collect.Succeeded || i.Collection.Tender != want {
			t.Errorf("got %s with %+v, want it paid by both", i.Status(), i.Collection.Tender)
		}
		s.shows(path, 200, "Paid", "Paid on 1 March 2026", "7.50 USD", "12.50 USD", "ending in 4242")
		methods := s.methods()
		if len(methods) != 1 || methods[0].Token != processor.SandboxOK || methods[0].ID != i.MethodID {
			t.Errorf("got methods %+v, want the one that paid", methods)
		}
		s.posts(path, pay(processor.SandboxOK, false)) // nothing is charged again
		if again := s.invoice(id); len(again.Collection.Attempts) != 1 {
			t.Errorf("got %d attempts, want one", len(again.Collection.Attempts))
		}
	})
}

// TestFirstPeriod has a customer without a payment method pay the first period of a
// subscription, which is charged to their card from then on.
func TestFirstPeriod(t *testing.T) {
	onStores(t, func(s *stage) {
		id := s.subscribed("").Owes.InvoiceID
		path := s.path(s.links.Invoice(shop, id))
		if page := s.shows(path, 200, "Pay 10.00 USD by card", "for the later periods"); strings.Contains(page, `name="keep"`) {
			s.Errorf("got a page that asks whether the card is kept:\n%s", page)
		}
		s.posts(path, pay(processor.SandboxOK, false))
		found, methods := s.subscription(), s.methods()
		if len(methods) != 1 || found.MethodID != methods[0].ID || found.Card != methods[0].Card ||
			found.Status != billing.SubscriptionActive {
			s.Errorf("got %s by %q and %+v, and methods %+v, want it active by the one that paid", found.Status, found.MethodID,
				found.Card, methods)
		}
		if i := s.invoice(id); i.Status() != collect.Succeeded {
			s.Errorf("got %s, want it paid", i.Status())
		}
	})
}

// TestAnotherCard has a customer whose card is declined try another one, and not a
// thousand.
func TestAnotherCard(t *testing.T) {
	onStores(t, func(s *stage) {
		id, path := s.opened()
		s.posts(path, pay(processor.SandboxDeclinedForGood, false))
		if i := s.invoice(id); i.Status() != collect.Failed || !i.Awaits(s.clock.Now()) {
			t.Errorf("got %s, want it failed, and another card awaited", i.Status())
		}
		s.shows(path, 200, "The card was declined. Nothing was charged. You can try another one.")
		s.posts(path, pay(processor.SandboxOK, false))
		s.shows(path, 200, "Paid")
		if len(s.methods()) != 0 {
			t.Errorf("got methods %+v, want none kept", s.methods())
		}
		id, path = s.opened()
		for range billing.MethodsTriedMax + 2 {
			s.posts(path, pay(processor.SandboxDeclined, false))
			s.clock.Move(time.Minute)
		}
		if i := s.invoice(id); i.Collection.State != billing.PastDue || i.Collection.Tries != billing.MethodsTriedMax {
			t.Errorf("got %s after %d tries, want past due after %d", i.Collection.State, i.Collection.Tries, billing.MethodsTriedMax)
		}
		s.shows(path, 200, "Not paid", "The card was declined. Nothing was charged.")
	})
}

// TestAuthentication has a customer authenticate a payment, and fail to.
func TestAuthentication(t *testing.T) {
	onStores(t, func(s *stage) {
		for do, want := range map[string]string{"authenticate": "Paid", "fail": "You can try another one"} {
			id, path := s.opened()
			s.posts(path, "do=authenticate") // nothing to authenticate
			s.posts(path, pay(processor.SandboxRequiresAction, false))
			s.shows(path, 200, "Your bank asks you to confirm", "Authenticate the payment")
			if i := s.invoice(id); i.Status() != collect.RequiresAction {
				t.Errorf("got %s, want it to wait", i.Status())
			}
			s.posts(path, "do="+do)
			s.shows(path, 200, want)
		}
	})
}

// TestTwoBrowsers has many pay one invoice at the same time: it is charged once.
func TestTwoBrowsers(t *testing.T) {
	onStores(t, func(s *stage) {
		id, path := s.opened()
		var group sync.WaitGroup
		for n := range 12 {
			group.Go(func() { s.posts(path, pay(processor.SandboxOK, n%2 == 0)) })
		}
		group.Wait()
		i := s.invoice(id)
		if i.Status() != collect.Succeeded || len(i.Collection.Attempts) != 1 || len(s.methods()) > 1 {
			t.Errorf("got %s with %d attempts and %d methods, want it charged once", i.Status(), len(i.Collection.Attempts), len(s.methods()))
		}
	})
}

// TestWhatIsOver shows links that lead to nothing that could be paid.
func TestWhatIsOver(t *testing.T) {
	onStores(t, func(s *stage) {
		id, path := s.opened()
		if err := s.collector.Decide(t.Context(), s.invoice(id), billing.Cancel{}); err != nil {
			t.Fatal(err)
		}
		s.shows(path, 200, "Cancelled")
		s.posts(path, pay(processor.SandboxOK, true))
		id, path = s.opened()
		_, setup := s.setup("")
		s.clock.Move(25 * time.Hour)
		for range 2 { // before and after somebody noticed
			s.shows(path, 200, "This link has expired")
			s.posts(path, pay(processor.SandboxOK, true))
			if err := s.collector.GoOn(t.Context(), shop, id); err != nil {
				t.Fatal(err)
			}
		}
		s.shows(setup, 200, "This link has expired")
		s.posts(setup, pay(processor.SandboxOK, true))
		if i := s.invoice(id); i.Collection.State != billing.Void || len(s.methods()) != 0 {
			t.Errorf("got %s with %d methods, want nothing paid or kept", i.Collection.State, len(s.methods()))
		}
	})
}

// TestSetup has a card saved without a charge, once.
func TestSetup(t *testing.T) {
	onStores(t, func(s *stage) {
		_, path := s.setup("http://localhost:3000/done")
		s.shows(path, 200, "Save a card for later payments", "Nothing is charged now.", "localhost:3000")
		if got := s.send(http.MethodPost, path, "do=card&method=4242424242424242"); got.status != 422 {
			t.Errorf("the number of a card: got status %d, want 422", got.status)
		}
		var group sync.WaitGroup
		for range 6 {
			group.Go(func() { s.posts(path, pay(processor.SandboxOK, false)) })
		}
		group.Wait()
		s.shows(path, 200, "Card saved", "ending in 4242")
		if methods := s.methods(); len(methods) != 1 || !methods[0].Recurring {
			t.Errorf("got methods %+v, want one", methods)
		}
	})
}
