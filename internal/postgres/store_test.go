package postgres_test

import (
	"testing"

	"github.com/billfold/billfold/internal/storetest"
)

// The store shows every behaviour that the suite asks of a store.
func TestStore(t *testing.T) {
	onServers(t, func(t *testing.T, s server) {
		storetest.Run(t, func(t testing.TB) storetest.Stores {
			db := s.open(t, s.database(t))
			return storetest.Stores{Ledger: db, Access: db}
		})
	})
}

// BenchmarkTransact also tells what an entry costs the server in processor time.
func BenchmarkTransact(b *testing.B) {
	s := servers[0]
	storetest.Benchmark(b, func(t testing.TB) storetest.Stores {
		db := s.open(t, s.database(t))
		return storetest.Stores{Ledger: db, Access: db}
	}, s.cluster.CPU)
}
