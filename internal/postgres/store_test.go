package postgres_test

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/billfold/billfold/internal/pgtest"
	"github.com/billfold/billfold/internal/postgres"
	"github.com/billfold/billfold/internal/storetest"
)

var cluster *pgtest.Cluster

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) (code int) {
	dir, err := os.MkdirTemp("", "billfold-postgres-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	cluster, err = pgtest.New(filepath.Join(dir, "data"), "max_connections=1000", "shared_buffers=256MB")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = cluster.Signal(syscall.SIGQUIT) }()
	return m.Run()
}

// The store shows every behaviour that the suite asks of a store.
func TestStore(t *testing.T) {
	storetest.Run(t, open)
}

func open(t testing.TB) storetest.Stores {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Config{URL: cluster.Database(t, ""), ConnectionsMax: 6})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return storetest.Stores{Ledger: db, Access: db}
}

// BenchmarkTransact also tells what an entry costs the server in processor time.
func BenchmarkTransact(b *testing.B) { storetest.Benchmark(b, open, cluster.CPU) }
