package sqlite_test

import (
	"fmt"
	"testing"

	"github.com/billfold/billfold/internal/sqlite"
	"github.com/billfold/billfold/internal/storetest"
)

// The embedded store shows every behaviour that the suite asks of a store.
func TestStore(t *testing.T) {
	storetest.Run(t, open)
}

// open opens a store that writes out few lots in a wallet's row, so that most of those
// that can expire are shelved.
func open(t testing.TB) storetest.Stores {
	t.Helper()
	return openWith(t, sqlite.Config{Dir: t.TempDir(), LotsInRow: 2})
}

func openWith(t testing.TB, config sqlite.Config) storetest.Stores {
	t.Helper()
	db, err := sqlite.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return storetest.Stores{Ledger: db, Access: db, Products: db, People: db, Webhooks: db, Sinks: db, Inbox: db}
}

func BenchmarkTransact(b *testing.B) {
	for _, c := range storetest.BenchmarkCases {
		b.Run(fmt.Sprintf("submitters=%d/customers=%d", c.Submitters, c.Customers), func(b *testing.B) {
			storetest.Benchmark(b, open(b), c.Submitters, c.Customers)
		})
	}
}

// A million messages that wait for a webhook take no more memory than a few.
func TestPendingIsFlat(t *testing.T) { storetest.RunPending(t, open) }

func BenchmarkDeliveries(b *testing.B) { storetest.BenchmarkDeliveries(b, open(b)) }

func BenchmarkLots(b *testing.B) {
	for _, c := range storetest.LotCases {
		b.Run(c.String(), func(b *testing.B) {
			storetest.BenchmarkLots(b, openWith(b, sqlite.Config{Dir: b.TempDir()}), c)
		})
	}
}
