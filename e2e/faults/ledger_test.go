package faults

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/e2e/harness"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	store "github.com/billfold/billfold/internal/sqlite"
)

const (
	fixtureCustomers = 20

	// fixtureEntries is enough for the idempotency index to have a part on
	// disk.
	fixtureEntries = 42_000
)

// fixture is a ledger of some size in a data directory that no server holds.
type fixture struct {
	dir       string
	customers []string
}

// newFixture makes a ledger: the business, its keys and the customers through
// the server, the entries through the store, which is faster.
func newFixture(t *testing.T, entries int) fixture {
	t.Helper()
	server := harness.Start(t, harness.Options{})
	f := fixture{dir: server.Dir}
	for n := range fixtureCustomers {
		id, err := server.Client().CreateCustomer(t.Context(), fmt.Sprintf("Customer %d", n))
		if err != nil {
			t.Fatal(err)
		}
		f.customers = append(f.customers, id)
	}
	server.Stop(t)
	db, err := store.Open(t.Context(), store.Config{Dir: f.dir})
	if err != nil {
		t.Fatal(err)
	}
	businesses, err := db.Businesses(t.Context())
	if err != nil || len(businesses) != 1 {
		t.Fatalf("businesses: got %v, %v; want one", businesses, err)
	}
	tenant := ledger.Tenant{BusinessID: businesses[0].ID, Mode: ledger.Test}
	book := ledger.NewBook(db, time.Now, rand.Uint64)
	const writers = 64
	var done sync.WaitGroup
	for w := range writers {
		done.Go(func() {
			for n := w; n < entries; n += writers {
				request := ledger.PostRequest{
					Tenant: tenant, CustomerID: f.customers[n%fixtureCustomers], Currency: "USD", Direction: ledger.Credit,
					Amount: money.Amount(1 + n%500), IdempotencyKey: fixtureKey(n), Reason: "fixture", CreatedBy: "key_fixture",
					CurrencyEnabled: true,
				}
				if _, err := book.Post(t.Context(), request); err != nil {
					t.Errorf("post %d: %v", n, err)
					return
				}
			}
		})
	}
	done.Wait()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return f
}

func fixtureKey(n int) string { return fmt.Sprintf("fixture-%d", n) }

// file is the database file.
func (f fixture) file() string { return filepath.Join(f.dir, store.FileName) }

// copy copies the data directory to a new place.
func (f fixture) copy(t *testing.T) fixture {
	t.Helper()
	to := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(to, os.DirFS(f.dir)); err != nil {
		t.Fatal(err)
	}
	// The lock names a process that is gone; that is harmless, but a copy
	// should be what an operator would copy.
	if err := os.Remove(filepath.Join(to, store.LockName)); err != nil {
		t.Fatal(err)
	}
	return fixture{dir: to, customers: f.customers}
}

// query reads rows as text, each value quoted so that none can pass for
// another.
func query(t *testing.T, path, query string) (rows []string) {
	t.Helper()
	rows, err := tryQuery(path, query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return rows
}

func tryQuery(path, query string) (rows []string, err error) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadOnly)
	if err != nil {
		return nil, err
	}
	defer func() { err = orClose(err, conn) }()
	err = sqlitex.ExecuteTransient(conn, query, &sqlitex.ExecOptions{ResultFunc: func(stmt *sqlite.Stmt) error {
		row := ""
		for i := range stmt.ColumnCount() {
			if stmt.ColumnType(i) == sqlite.TypeBlob {
				blob := make([]byte, stmt.ColumnLen(i))
				stmt.ColumnBytes(i, blob)
				row += fmt.Sprintf("%x|", blob)
				continue
			}
			row += fmt.Sprintf("%q|", stmt.ColumnText(i))
		}
		rows = append(rows, row)
		return nil
	}})
	return rows, err
}

// execute changes a ledger behind the server's back.
func execute(t *testing.T, path, statement string) {
	t.Helper()
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	if err := orClose(sqlitex.ExecuteScript(conn, statement, nil), conn); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func orClose(err error, conn *sqlite.Conn) error {
	if closeErr := conn.Close(); err == nil {
		return closeErr
	}
	return err
}
