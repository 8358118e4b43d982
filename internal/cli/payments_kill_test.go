package cli

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/catalog"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/processor"
	"github.com/billfold/billfold/internal/sqlite"
)

var paymentKills = flag.Int("payments.kills", 4, "how often the server is killed while payments run")

// till is a data directory with a business that sells one product, and a server on it.
type till struct {
	*testing.T
	dir, key  string
	tenant    ledger.Tenant
	product   string
	customers []string

	mu   sync.Mutex
	paid map[string]string // ids of payments by the key under which they were asked for
}

// withStore does something to the store while no server has it.
func (s *till) withStore(do func(db *sqlite.DB)) {
	s.Helper()
	awaitForks()
	db, err := sqlite.Open(s.Context(), sqlite.Config{Dir: s.dir})
	if err != nil {
		s.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			s.Error(err)
		}
	}()
	do(db)
}

func newTill(t *testing.T) *till {
	t.Helper()
	s := &till{T: t, dir: filepath.Join(t.TempDir(), "data"), paid: map[string]string{}}
	s.withStore(func(db *sqlite.DB) {
		directory := access.NewDirectory(db, access.Options{})
		made, err := directory.CreateBusiness(t.Context(), access.NewBusiness{Name: "Shop"})
		if err != nil {
			t.Fatal(err)
		}
		s.key, s.tenant = made.TestKey, ledger.Tenant{BusinessID: made.Business.ID, Mode: ledger.Test}
		book := ledger.NewBook(db, time.Now, rand.Uint64)
		for range 8 {
			now := book.Now()
			customer := ledger.Customer{
				Tenant: s.tenant, ID: book.NewID("cus_"), Email: "a@example.com", Name: "A", Metadata: "{}", CreatedAt: now, UpdatedAt: now,
			}
			if _, err := db.CreateCustomer(t.Context(), customer, nil); err != nil {
				t.Fatal(err)
			}
			_, err := book.Post(t.Context(), ledger.PostRequest{
				Tenant: s.tenant, CustomerID: customer.ID, Currency: "USD", Amount: 20_500, Direction: ledger.Credit, CurrencyEnabled: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			s.customers = append(s.customers, customer.ID)
		}
		by, err := directory.Change(ledger.Actor{})
		if err != nil {
			t.Fatal(err)
		}
		s.product = book.NewID(catalog.ProductIDPrefix)
		product := catalog.Product{
			Tenant: s.tenant, ID: s.product, Name: "A thing", TaxCategory: "saas", Metadata: "{}", CreatedAt: by.Now, UpdatedAt: by.Now,
			Price: billing.Price{Kind: billing.OneTimePrice, Currency: "USD", Amount: 1000},
		}
		if _, err := db.CreateProduct(t.Context(), product, by, nil, nil); err != nil {
			t.Fatal(err)
		}
	})
	return s
}

// serve runs the server in a process of its own.
func (s *till) serve() *process {
	s.Helper()
	p := &process{stdout: &buffer{}, stderr: &buffer{}, ended: make(chan error, 1)}
	p.Cmd = command(s.T, "serve", "--addr", "127.0.0.1:0", "--data-dir", s.dir)
	p.Stdout, p.Stderr = p.stdout, p.stderr
	start(s.T, p.Cmd)
	s.Cleanup(func() {
		_ = p.Process.Kill() // it may have ended
		<-p.ended
	})
	go func() {
		p.ended <- p.Wait()
		close(p.ended)
	}()
	waitFor(s.T, p.stderr, "msg=serving")
	waitFor(s.T, p.stdout, "  Data  ") // the line after the address, elsewhere and perhaps later
	p.base = submatch(apiLine, p.stdout.String())
	return p
}

// pay asks for a payment under a key. What the server does not answer is no failure: it
// may be dead.
func (s *till) pay(base string, n int) {
	key := fmt.Sprintf("order %d", n)
	method := []string{processor.SandboxOK, processor.SandboxDeclined}[n%2]
	body := fmt.Sprintf(`{"billing":{"country":"US"},"customer":{"customer_id":%q},"product_cart":[{"product_id":%q,"quantity":%d}],"payment_method_id":%q}`,
		s.customers[n%len(s.customers)], s.product, 1+n%5, method)
	request, err := http.NewRequestWithContext(s.Context(), http.MethodPost, base+"/payments", strings.NewReader(body))
	if err != nil {
		s.Error(err)
		return
	}
	request.Header.Set("Authorization", "Bearer "+s.key)
	request.Header.Set("Idempotency-Key", key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return
	}
	var made struct {
		ID string `json:"payment_id"`
	}
	if err := json.Unmarshal(text, &made); err != nil || response.StatusCode != http.StatusOK {
		s.Errorf("%s: got %d %s", key, response.StatusCode, text)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if before := s.paid[key]; before != "" && before != made.ID {
		s.Errorf("%s: got %s and before it %s", key, made.ID, before)
	}
	s.paid[key] = made.ID
}

// TestPaymentsSurviveKills kills the server while payments are made from wallet and
// card, some of them asked for again under their keys. Afterwards every payment is what
// the wallet and the card paid of it, or nothing.
func TestPaymentsSurviveKills(t *testing.T) {
	t.Parallel()
	s := newTill(t)
	const each = 24
	asked := 0
	for range *paymentKills {
		p := s.serve()
		var running sync.WaitGroup
		for lane := range 4 {
			running.Go(func() {
				for n := lane; n < 2*each && t.Context().Err() == nil; n += 4 { // the first half was asked for before
					s.pay(p.base, max(0, asked-each)+n)
				}
			})
		}
		time.Sleep(time.Duration(rand.IntN(int(300 * time.Millisecond)))) // when it dies does not matter
		if err := p.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-p.ended
		running.Wait()
		asked += each
	}
	p := s.serve()
	for n := range asked + each {
		s.pay(p.base, n)
	}
	s.awaitFinal(p)
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.ended
	run(t, nil, "verify", "--data-dir", s.dir).wantCode(t, exitDone, "Every law holds")
	s.withStore(s.inspect)
}

// awaitFinal waits until the worker has nothing left to do.
func (s *till) awaitFinal(p *process) {
	s.Helper()
	for giveUp := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		request, err := http.NewRequestWithContext(s.Context(), http.MethodGet, p.base+"/payments?status=processing", nil)
		if err != nil {
			s.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+s.key)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			s.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		if response.Body.Close(); err != nil {
			s.Fatal(err)
		}
		if strings.Contains(string(text), `{"items":[],"next_cursor":null}`) {
			return
		}
		if time.Now().After(giveUp) {
			s.Fatalf("payments are still processing: %s\n%s", text, p.stderr)
		}
	}
}

// inspect holds what the card was charged and the wallets moved against the invoices.
func (s *till) inspect(db *sqlite.DB) {
	s.Helper()
	card, wallet := map[string]money.Amount{}, map[string]money.Amount{}
	s.objects(db, collect.SandboxPayments, func(object *ledger.Object) {
		var p processor.SandboxPayment
		if err := json.Unmarshal([]byte(object.Data), &p); err != nil {
			s.Fatal(err)
		}
		if p.Status == billing.ChargeSucceeded && !p.Returned {
			if card[p.Request.InvoiceID] > 0 {
				s.Errorf("invoice %s: the card was charged twice", p.Request.InvoiceID)
			}
			card[p.Request.InvoiceID] += p.Request.Amount
		}
	})
	for _, id := range s.customers {
		list, err := db.Entries(s.Context(), s.tenant, id, ledger.EntryFilter{}, ledger.Page{Limit: 1000})
		if err != nil {
			s.Fatal(err)
		}
		for _, e := range list.Entries {
			if e.EventType == ledger.EventPayment {
				wallet[e.ReferenceObjectID] += e.Amount
			}
		}
		held, err := db.Holds(s.Context(), s.tenant, id, ledger.HoldFilter{State: ledger.HoldActive}, ledger.Page{Limit: 10})
		if err != nil || len(held.Holds) > 0 {
			s.Errorf("customer %s: got holds %v and error %v, want none", id, held.Holds, err)
		}
	}
	states := map[billing.State]int{}
	invoices := 0
	s.objects(db, collect.Invoices, func(object *ledger.Object) {
		invoice, err := collect.InvoiceOf(object)
		if err != nil {
			s.Fatal(err)
		}
		c := &invoice.Collection
		states[c.State]++
		invoices++
		var want money.Amount
		if c.State == billing.Paid {
			want = c.Total
		}
		if !c.State.Final() || wallet[c.InvoiceID]+card[c.InvoiceID] != want {
			s.Errorf("invoice %s of %d is %s: got %d of the wallet and %d of the card, want %d together",
				c.InvoiceID, c.Total, c.State, wallet[c.InvoiceID], card[c.InvoiceID], want)
		}
	})
	if len(s.paid) != invoices {
		s.Errorf("got %d invoices, want one for each of %d keys", invoices, len(s.paid))
	}
	if states[billing.Paid] == 0 || states[billing.PastDue] == 0 {
		s.Errorf("got %v, want both outcomes", states)
	}
	s.Logf("%d kills, %d payments: %v", *paymentKills, invoices, states)
}

// objects reads all objects of a kind.
func (s *till) objects(db *sqlite.DB, kind ledger.ObjectKind, read func(*ledger.Object)) {
	s.Helper()
	for page := (ledger.ObjectPage{Limit: 200}); ; {
		list, err := db.Objects(s.Context(), s.tenant, ledger.ObjectFilter{Kind: kind}, page)
		if err != nil {
			s.Fatal(err)
		}
		for i := range list.Objects {
			read(&list.Objects[i])
		}
		if page.Before = list.Next; list.Next == "" {
			return
		}
	}
}
