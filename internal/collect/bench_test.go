package collect_test

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/postgres"
	"github.com/billfold/billfold/internal/sqlite"
	"github.com/billfold/billfold/internal/verify"
)

// benchmarkSubscriptions is how many subscriptions a benchmark renews at the most in
// each month.
const benchmarkSubscriptions = 5000

// BenchmarkRenewals renews monthly subscriptions that wallets cover, all of which are due
// at once, month by month. One operation is a renewal, with its invoice paid, its entry
// and its events durable. Beside the time of one it reports what it takes of a processor.
func BenchmarkRenewals(b *testing.B) {
	b.Run("embedded", func(b *testing.B) {
		db, err := sqlite.Open(b.Context(), sqlite.Config{
			Dir: filepath.Join(b.TempDir(), "data"), Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			b.Fatal(err)
		}
		benchmarkRenewals(b, db)
	})
	b.Run("PostgreSQL", func(b *testing.B) {
		db, err := postgres.Open(b.Context(), postgres.Config{
			URL: cluster.Database(b, ""), Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			b.Fatal(err)
		}
		benchmarkRenewals(b, db)
	})
}

func benchmarkRenewals(b *testing.B, db store) {
	b.Cleanup(func() { closeStore(b, db) })
	y := &year{stage: newStage(b, db, verify.Options{})}
	subscriptions := min(b.N, benchmarkSubscriptions)
	y.fill(subscriptions, false)
	c := collect.New(db, y.sandbox, y.clock.Now, y.stage.random)
	worker := collect.NewWorker(c, slog.New(slog.DiscardHandler))
	y.together(0, subscriptions, func(n int) error { return y.subscribe(c, n) })
	b.ResetTimer()
	used := processorTime(b)
	for renewals := 0; renewals < b.N; {
		y.clock.Set(y.clock.Now().AddDate(0, 1, 0))
		worked, month := 1, 0
		for ; worked > 0 && renewals+month < b.N; month += worked {
			var err error
			if worked, err = worker.Round(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		if renewals += month; month == 0 {
			b.Fatal("got nothing that was due in a month")
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "renewals/s")
	b.ReportMetric(float64((processorTime(b)-used).Microseconds())/float64(b.N), "cpu-µs/renewal")
}
