package storetest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
)

// Benchmark posts b.N single entries with a key each from many goroutines at
// once, 80 % credits, to an empty store. One operation is one durable entry.
// Beside the time of one it reports the rate, and the 99th percentile of what a
// caller waits.
func Benchmark(b *testing.B, stores Stores, submitters, customers int) {
	tenant := benchTenant(b, stores)
	ids := benchCustomers(b, stores, tenant, customers)
	var random atomic.Uint64
	book := ledger.NewBook(stores.Ledger, time.Now, func() uint64 { return random.Add(0x9E3779B97F4A7C15) })
	waits := make([][]time.Duration, submitters)
	var left atomic.Int64
	left.Store(int64(b.N))
	var group sync.WaitGroup
	b.ResetTimer()
	for worker := range submitters {
		group.Go(func() {
			random := rand.New(rand.NewPCG(uint64(worker), 1))
			for left.Add(-1) >= 0 {
				begin := time.Now()
				_, err := book.Post(b.Context(), benchRequest(tenant, ids, random))
				if err != nil && ledger.CodeOf(err) != ledger.CodeInsufficientFunds {
					b.Error(err)
					return
				}
				waits[worker] = append(waits[worker], time.Since(begin))
			}
		})
	}
	group.Wait()
	b.StopTimer()
	all := slices.Sorted(slices.Values(slices.Concat(waits...)))
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
	if len(all) > 0 {
		b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
	}
}

// BenchmarkCases are how many callers post to how many customers.
var BenchmarkCases = []struct{ Submitters, Customers int }{
	{1, 10_000}, {16, 10_000}, {64, 10_000}, {256, 10_000}, {1024, 10_000}, {64, 1000}, {64, 1},
}

func benchRequest(tenant ledger.Tenant, ids []string, random *rand.Rand) ledger.PostRequest {
	var key [16]byte
	binary.LittleEndian.PutUint64(key[:], random.Uint64())
	binary.LittleEndian.PutUint64(key[8:], random.Uint64())
	request := ledger.PostRequest{
		Tenant: tenant, CustomerID: ids[random.IntN(len(ids))], Currency: "USD", CurrencyEnabled: true,
		Direction: ledger.Credit, Amount: 100, Reason: "benchmark", CreatedBy: "key_bench",
		IdempotencyKey: fmt.Sprintf("%x", key),
	}
	if random.IntN(5) == 0 {
		request.Direction, request.Amount = ledger.Debit, 50
	}
	return request
}

func benchTenant(b *testing.B, stores Stores) ledger.Tenant {
	b.Helper()
	business := access.Business{ID: "bus_bench", Name: "Bench", CreatedAt: time.Now()}
	if err := stores.Access.CreateBusiness(b.Context(), business, access.Settings{}, nil); err != nil {
		b.Fatal(err)
	}
	return ledger.Tenant{BusinessID: business.ID, Mode: ledger.Test}
}

func benchCustomers(b *testing.B, stores Stores, tenant ledger.Tenant, n int) []string {
	b.Helper()
	ids := make([]string, n)
	var group sync.WaitGroup
	for worker := range 64 {
		group.Go(func() {
			for i := worker; i < n; i += 64 {
				ids[i] = fmt.Sprintf("cus_%021d", i)
				customer := ledger.Customer{
					Tenant: tenant, ID: ids[i], Email: "a@example.com", Name: "A", Metadata: "{}",
					CreatedAt: time.Now(), UpdatedAt: time.Now(),
				}
				if _, err := stores.Ledger.CreateCustomer(b.Context(), customer, nil); err != nil {
					b.Error(err)
				}
			}
		})
	}
	group.Wait()
	return ids
}
