package storetest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/webhook"
)

// BenchmarkDeliveries sends b.N events to one receiver on this machine that takes all
// of them, over real connections. One operation is one event that was queued, signed,
// sent, and recorded as delivered. The entries are posted before the time is counted.
func BenchmarkDeliveries(b *testing.B, stores Stores) {
	tenant := benchTenant(b, stores)
	customers := benchCustomers(b, stores, tenant, 100)
	var random, got atomic.Int64
	dice := func() uint64 { return uint64(random.Add(0x1E3779B97F4A7C15)) }
	book := ledger.NewBook(stores.Ledger, time.Now, dice)
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got.Add(1) }))
	b.Cleanup(receiver.Close)
	guard := webhook.NewGuard(true)
	endpoints := webhook.NewEndpoints(stores.Webhooks, guard, benchBody, time.Now, dice)
	endpoint, err := endpoints.Create(b.Context(), webhook.Endpoint{
		Tenant: tenant, URL: receiver.URL, FilterTypes: []string{string(ledger.WalletCredited)},
	})
	if err != nil {
		b.Fatal(err)
	}
	for posted := 0; posted < b.N; posted += 1000 {
		requests := make([]ledger.PostRequest, min(1000, b.N-posted))
		for i := range requests {
			requests[i] = ledger.PostRequest{
				Tenant: tenant, CustomerID: customers[(posted+i)%len(customers)], Currency: "USD", CurrencyEnabled: true,
				Direction: ledger.Credit, Amount: 100, CreatedBy: "key_bench",
			}
		}
		if _, err := book.PostMany(b.Context(), requests, false); err != nil {
			b.Fatal(err)
		}
	}
	sender := webhook.NewSender(webhook.Config{Guard: guard})
	b.Cleanup(sender.Close)
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan struct{})
	b.ResetTimer()
	go func() {
		defer close(ended)
		webhook.NewDispatcher(webhook.DispatcherConfig{
			Store: stores.Webhooks, Send: sender.Send, Render: benchBody, Now: time.Now, Random: dice, Instance: "bench",
		}).Run(ctx)
	}()
	page := webhook.DeliveryPage{State: webhook.Pending, Limit: 1}
	for pending := true; pending || got.Load() < int64(b.N); {
		time.Sleep(time.Millisecond)
		if got.Load() < int64(b.N) {
			continue
		}
		list, err := endpoints.Deliveries(b.Context(), tenant, endpoint.ID, page)
		if err != nil {
			b.Fatal(err)
		}
		pending = len(list) > 0
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
	stop()
	<-ended
}

// benchBody is as long as the body of a real message.
func benchBody(e *ledger.Event) []byte { return fmt.Appendf(nil, `{"id":%q,"pad":"%700s"}`, e.ID, "") }
