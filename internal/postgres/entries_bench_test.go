package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/postgres"
)

// BenchmarkEntries posts entries of many customers, and of one, from 64 callers,
// on every server. Beside the time of one it reports the rate, the 99th
// percentile of what a caller waits, and what an entry takes of the disk.
func BenchmarkEntries(b *testing.B) {
	for _, s := range servers {
		for _, customers := range []int{1, 1000} {
			b.Run(fmt.Sprintf("%s/customers=%d", s.name, customers), func(b *testing.B) { benchmarkEntries(b, s, customers) })
		}
	}
}

func benchmarkEntries(b *testing.B, s server, customers int) {
	i := newInstallation(b, s, 1)
	db, err := postgres.Open(b.Context(), postgres.Config{URL: i.url})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	i.instances = append(i.instances, db)
	for n := range customers {
		i.customer(fmt.Sprintf("cus_%d", n))
	}
	const callers = 64
	waits := make([][]time.Duration, callers)
	var running sync.WaitGroup
	b.ResetTimer()
	for caller := range callers {
		running.Go(func() {
			for n := caller; n < b.N; n += callers {
				r := ledger.PostRequest{
					CustomerID: fmt.Sprintf("cus_%d", rand.IntN(customers)), Direction: ledger.Credit,
					Amount: money.Amount(500 + n%1000), IdempotencyKey: fmt.Sprintf("order-2026-%012d", n),
				}
				if n%5 == 4 {
					r.Direction, r.Amount = ledger.Debit, 100
				}
				begin := time.Now()
				if _, err := i.post(b.Context(), 1, r); err != nil && ledger.CodeOf(err) != ledger.CodeInsufficientFunds {
					b.Error(err)
				}
				waits[caller] = append(waits[caller], time.Since(begin))
			}
		})
	}
	running.Wait()
	b.StopTimer()
	all := slices.Sorted(slices.Values(slices.Concat(waits...)))
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
	size := `select pg_total_relation_size('ledger_entries')`
	if s.citus != nil {
		size = `select citus_total_relation_size('ledger_entries')`
	}
	var bytes int64
	if err := connect(b, i.url).QueryRow(b.Context(), size).Scan(&bytes); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(bytes)/float64(b.N), "B/entry")
}
