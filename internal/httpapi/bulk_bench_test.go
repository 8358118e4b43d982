package httpapi_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/httpapi"
	"github.com/billfold/billfold/internal/ledger"
)

// BenchmarkBulk posts bulks of 1,000 credits, each with a key of its own, for
// 10,000 customers of the embedded store, from a few callers at once. One
// operation is one bulk; the answers are made and thrown away.
func BenchmarkBulk(b *testing.B) {
	const lines, customers = 1000, 10_000
	stores := storeKinds()["sqlite"](b)
	directory := access.NewDirectory(stores.Access, access.Options{})
	made, err := directory.CreateBusiness(b.Context(), access.NewBusiness{Name: "Acme"})
	if err != nil {
		b.Fatal(err)
	}
	tenant := ledger.Tenant{BusinessID: made.Business.ID, Mode: ledger.Test}
	for i := range customers {
		customer := ledger.Customer{
			Tenant: tenant, ID: fmt.Sprintf("cus_%021d", i), Email: "a@example.com", Name: "A", Metadata: "{}",
			CreatedAt: time.Now(), UpdatedAt: time.Now(),
		}
		if _, err := stores.Ledger.CreateCustomer(b.Context(), customer, nil); err != nil {
			b.Fatal(err)
		}
	}
	api, err := httpapi.New(httpapi.Config{
		Book: ledger.NewBook(stores.Ledger, time.Now, rand.Uint64), Directory: directory,
		Products: stores.Products, Webhooks: newWebhooks(stores.Webhooks, time.Now),
	})
	if err != nil {
		b.Fatal(err)
	}
	bodies := make([]string, b.N)
	for i := range bodies {
		entries := make([]string, lines)
		for j := range entries {
			entries[j] = bulkEntry(fmt.Sprintf("cus_%021d", rand.IntN(customers)),
				fmt.Sprintf(`"amount":100,"entry_type":"credit","idempotency_key":"bulk_%d_%d"`, i, j))
		}
		bodies[i] = bulkBody(false, entries...)
	}
	next := make(chan string, b.N)
	for _, body := range bodies {
		next <- body
	}
	close(next)
	b.SetParallelism(2)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r, err := http.NewRequest(http.MethodPost, bulkPath, strings.NewReader(<-next))
			if err != nil {
				b.Error(err)
				return
			}
			r.Header.Set("Authorization", "Bearer "+made.TestKey)
			r.RemoteAddr = "127.0.0.1:1234"
			w := &discard{header: make(http.Header)}
			if api.ServeHTTP(w, r); w.status != http.StatusOK {
				b.Errorf("got status %d, want 200", w.status)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N*lines)/b.Elapsed().Seconds(), "entries/s")
}
