package postgres_test

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/postgres"
	"github.com/billfold/billfold/internal/storetest"
)

// The store shows every behaviour that the suite asks of a store.
func TestStore(t *testing.T) {
	onServers(t, func(t *testing.T, s server) {
		storetest.Run(t, func(t testing.TB) storetest.Stores {
			db := s.open(t, s.database(t))
			return storesOf(db, s.citus != nil)
		})
	})
}

// Random commands on PostgreSQL give what the model gives. Each check is thousands of
// round trips, so there are fewer of them than on the embedded store, and on one
// server.
func TestMachine(t *testing.T) {
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		if err := flag.Set("rapid.checks", "10"); err != nil {
			t.Fatal(err)
		}
	}
	s := servers[0]
	storetest.RunMachine(t, func(t testing.TB) storetest.Stores {
		db := s.open(t, s.database(t))
		return storetest.Stores{Ledger: db, Access: db, Sharded: s.citus != nil}
	})
}

// A million messages that wait for a webhook take no more memory than a few.
func TestPendingIsFlat(t *testing.T) {
	s := servers[0]
	storetest.RunPending(t, func(t testing.TB) storetest.Stores {
		db := s.open(t, s.database(t))
		return storesOf(db, false)
	})
}

// BenchmarkTransact posts to every server. It also tells what an entry takes of
// the disk, and of our own servers' processors.
func BenchmarkTransact(b *testing.B) {
	for _, s := range servers {
		for _, c := range storetest.BenchmarkCases {
			b.Run(fmt.Sprintf("%s/submitters=%d/customers=%d", s.name, c.Submitters, c.Customers), func(b *testing.B) {
				benchmarkTransact(b, s, c.Submitters, c.Customers)
			})
		}
	}
}

func benchmarkTransact(b *testing.B, s server, submitters, customers int) {
	url := s.database(b)
	db, err := postgres.Open(b.Context(), postgres.Config{URL: url})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	used := time.Duration(0)
	if s.cluster != nil {
		used = s.cluster.CPU()
	}
	stores := storesOf(db, false)
	storetest.Benchmark(b, stores, submitters, customers)
	if s.cluster != nil {
		b.ReportMetric(float64((s.cluster.CPU()-used).Microseconds())/float64(b.N), "server-µs/op")
	}
	size := `select pg_total_relation_size('ledger_entries')`
	if s.citus != nil {
		size = `select citus_total_relation_size('ledger_entries')`
	}
	var bytes int64
	if err := connect(b, url).QueryRow(b.Context(), size).Scan(&bytes); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(bytes)/float64(b.N), "B/entry")
}

// BenchmarkDeliveries sends what is queued on every server.
func BenchmarkDeliveries(b *testing.B) {
	for _, s := range servers {
		b.Run(s.name, func(b *testing.B) {
			db, err := postgres.Open(b.Context(), postgres.Config{URL: s.database(b)})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = db.Close() })
			storetest.BenchmarkDeliveries(b, storesOf(db, false))
		})
	}
}

// BenchmarkLots debits wallets with few and many open lots on every server.
func BenchmarkLots(b *testing.B) {
	for _, s := range servers {
		for _, c := range storetest.LotCases {
			b.Run(s.name+"/"+c.String(), func(b *testing.B) {
				db, err := postgres.Open(b.Context(), postgres.Config{URL: s.database(b)})
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(func() { _ = db.Close() })
				storetest.BenchmarkLots(b, storesOf(db, false), c)
			})
		}
	}
}

// storesOf is one database in all its parts.
func storesOf(db *postgres.DB, sharded bool) storetest.Stores {
	return storetest.Stores{
		Ledger: db, Access: db, Products: db, People: db, Webhooks: db, Sinks: db, Inbox: db, Sharded: sharded,
	}
}
