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
