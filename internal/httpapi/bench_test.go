package httpapi_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/httpapi"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/storetest"
)

// instantStore decides against a fixed snapshot and keeps nothing, so that a
// benchmark sees the HTTP face alone.
type instantStore struct {
	ledger.Store
	customer ledger.Customer
	entries  ledger.EntryList
}

func (s *instantStore) Transact(_ context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	wallet := ledger.Wallet{Tenant: scope.Tenant, CustomerID: scope.CustomerID, Currency: scope.Currency}
	wallet.CreatedAt, wallet.UpdatedAt = s.customer.CreatedAt, s.customer.CreatedAt
	return decide(ledger.Snapshot{Customer: s.customer, Wallet: wallet})
}

func (s *instantStore) Wallets(context.Context, ledger.Tenant, string, time.Time) (ledger.WalletList, error) {
	return ledger.WalletList{Customer: s.customer}, nil
}

func (s *instantStore) Entries(
	context.Context, ledger.Tenant, string, ledger.EntryFilter, ledger.Page,
) (ledger.EntryList, error) {
	return s.entries, nil
}

// discard is a ResponseWriter that forgets the answer.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }

type body struct{ strings.Reader }

func (b *body) Close() error { return nil }

func benchmark(b *testing.B, method, path, text string) {
	model := storetest.NewModel()
	directory := access.NewDirectory(model, access.Options{})
	made, err := directory.CreateBusiness(b.Context(), access.NewBusiness{Name: "Acme"})
	if err != nil {
		b.Fatal(err)
	}
	tenant := ledger.Tenant{BusinessID: made.Business.ID, Mode: ledger.Test}
	store := &instantStore{customer: ledger.Customer{Tenant: tenant, ID: benchCustomer, CreatedAt: time.Now()}}
	for range 10 {
		store.entries.Entries = append(store.entries.Entries, ledger.Entry{
			ID: "cwt_0Tn2lqUn000000bB9wXcP", Tenant: tenant, CustomerID: benchCustomer, Currency: "USD",
			Reason: "Account funding - prepaid deposit", CreatedAt: time.Now(),
		})
	}
	api, err := httpapi.New(httpapi.Config{
		Book: ledger.NewBook(store, time.Now, rand.Uint64), Directory: directory, Products: model,
		Webhooks: newWebhooks(model, time.Now),
	})
	if err != nil {
		b.Fatal(err)
	}
	r, err := http.NewRequest(method, path, http.NoBody)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+made.TestKey)
	r.RemoteAddr = "127.0.0.1:1234"
	reader := &body{}
	w := &discard{header: make(http.Header)}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		if text != "" {
			reader.Reset(text)
			r.Body, r.ContentLength = reader, int64(len(text))
		}
		api.ServeHTTP(w, r)
	}
	if w.status != http.StatusOK {
		b.Fatalf("got status %d, want 200", w.status)
	}
}

const benchCustomer = "cus_0Tn2lqUn4HhzK1bB9wXcP"

func BenchmarkEntryCreate(b *testing.B) {
	benchmark(b, "POST", entriesPath(benchCustomer),
		`{"amount":1500,"currency":"USD","entry_type":"credit","reason":"seat","idempotency_key":"deposit_pay_1"}`)
}

func BenchmarkEntryList(b *testing.B) {
	benchmark(b, "GET", entriesPath(benchCustomer)+"?currency=USD&page_size=10&page_number=0", "")
}

func BenchmarkWalletList(b *testing.B) {
	benchmark(b, "GET", "/customers/"+benchCustomer+"/wallets", "")
}
