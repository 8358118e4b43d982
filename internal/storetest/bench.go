package storetest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
)

// Benchmark posts single entries with a key each from many goroutines at once:
// 10,000 customers, 80 % credits. One operation is one durable entry. Open
// gives each benchmark an empty store of its own; cpu says what processor time
// a server behind the store has used, and is nil where there is none.
func Benchmark(b *testing.B, open func(t testing.TB) Stores, cpu func() time.Duration) {
	for _, submitters := range []int{1, 16, 64, 256, 1024} {
		b.Run(fmt.Sprintf("submitters=%d", submitters), func(b *testing.B) {
			benchmark(b, open(b), cpu, submitters, 10_000)
		})
	}
	b.Run("hot/submitters=64", func(b *testing.B) { benchmark(b, open(b), cpu, 64, 1) })
}

func benchmark(b *testing.B, stores Stores, cpu func() time.Duration, submitters, customers int) {
	tenant := benchTenant(b, stores)
	ids := benchCustomers(b, stores, tenant, customers)
	var random atomic.Uint64
	book := ledger.NewBook(stores.Ledger, time.Now, func() uint64 { return random.Add(0x9E3779B97F4A7C15) })

	var before time.Duration
	if cpu != nil {
		before = cpu()
	}
	b.ResetTimer()
	var left atomic.Int64
	left.Store(int64(b.N))
	var group sync.WaitGroup
	for worker := range submitters {
		group.Go(func() {
			random := rand.New(rand.NewPCG(uint64(worker), 1))
			for left.Add(-1) >= 0 {
				request := benchRequest(tenant, ids, random)
				if _, err := book.Post(b.Context(), request); err != nil && ledger.CodeOf(err) != ledger.CodeInsufficientFunds {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
	if cpu != nil {
		b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "server-µs/op")
	}
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
