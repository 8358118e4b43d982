package selfaudit_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/selfaudit"
	"github.com/billfold/billfold/internal/verify"
)

// benchCustomers share the entries of the benchmarks.
const benchCustomers = 2000

// BenchmarkRound goes through a store as fast as it can. One operation is a round
// over 100,000 entries.
func BenchmarkRound(b *testing.B) {
	for name, open := range stores {
		b.Run(name, func(b *testing.B) {
			db, options := open(b)
			options.Piece = 0
			w := newTraffic(b, db)
			fill(b, w)
			var entries, customers int64
			began, spent := time.Now(), processor()
			for b.Loop() {
				patrol := verify.OpenPatrol(options)
				for ended := false; !ended; {
					stride, err := patrol.Step(b.Context())
					if err != nil || len(stride.Findings) > 0 {
						b.Fatalf("got error %v and findings %q, want none", err, stride.Findings)
					}
					entries, customers, ended = entries+stride.Entries, customers+stride.Customers, stride.Ended
				}
				closePatrol(b, patrol)
			}
			took := time.Since(began).Seconds()
			b.ReportMetric(float64(entries)/took, "entries/s")
			b.ReportMetric(float64(customers)/took, "customers/s")
			b.ReportMetric(float64((processor()-spent).Microseconds())/float64(entries), "cpu-µs/entry")
		})
	}
}

// processor is the time that this process has taken of the processors.
func processor() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// fill gives the customers fifty entries each.
func fill(b *testing.B, w *traffic) {
	b.Helper()
	for len(w.customers) < benchCustomers {
		if err := w.join(b.Context(), shop); err != nil {
			b.Fatal(err)
		}
	}
	var running sync.WaitGroup
	for worker := range 16 {
		running.Go(func() {
			for i := worker; i < benchCustomers; i += 16 {
				w.bulk(w.customers[i], 50)
			}
		})
	}
	running.Wait()
}

// slice is how many entries are posted before the next share has its turn.
const slice = 4000

// BenchmarkPost posts to the embedded store from 64 goroutines, with the self-audit
// at one share of a processor after the other beside it, so that whatever else the
// machine does falls on all of them. One operation is one entry; the rates are those
// of the median slice of each share.
func BenchmarkPost(b *testing.B) {
	db, options := stores["sqlite"](b)
	options.Piece = 0
	w := newTraffic(b, db)
	fill(b, w)
	shares := []int{0, 2, 10}
	rates, costs := map[int][]float64{}, map[int][]float64{}
	b.ResetTimer()
	for first, turn := 0, 0; first < b.N; first, turn = first+slice, turn+1 {
		percent := shares[turn%len(shares)]
		ctx, stop := context.WithCancel(b.Context())
		var audited sync.WaitGroup
		if percent > 0 {
			auditor := selfaudit.New(selfaudit.Config{Store: options, Percent: percent, Logger: slog.New(slog.DiscardHandler)})
			auditor.SetEvery(0)
			audited.Go(func() { auditor.Run(ctx) })
		}
		began, spent := time.Now(), processor()
		postSlice(b, w, first)
		costs[percent] = append(costs[percent], float64((processor()-spent).Microseconds())/slice)
		rates[percent] = append(rates[percent], slice/time.Since(began).Seconds())
		stop()
		audited.Wait()
	}
	b.StopTimer()
	for _, percent := range shares[:min(len(rates), len(shares))] {
		b.ReportMetric(median(rates[percent]), fmt.Sprintf("entries/s-at-%d%%", percent))
		b.ReportMetric(median(costs[percent]), fmt.Sprintf("cpu-µs/entry-at-%d%%", percent))
	}
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

// postSlice posts entries, each under a key of its own.
func postSlice(b *testing.B, w *traffic, first int) {
	var next atomic.Int64
	var running sync.WaitGroup
	for range 64 {
		running.Go(func() {
			for n := next.Add(1); n <= slice; n = next.Add(1) {
				_, err := w.book.Post(b.Context(), ledger.PostRequest{
					Tenant: shop, CustomerID: w.customers[n%benchCustomers], Currency: "USD", CurrencyEnabled: true,
					Direction: ledger.Credit, Amount: 1, IdempotencyKey: fmt.Sprint("k", int64(first)+n),
				})
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	running.Wait()
}
