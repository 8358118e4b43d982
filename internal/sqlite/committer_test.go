package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/groupcommit"
	"github.com/billfold/billfold/internal/ledger"
)

// The tests here choose which commands share a batch, and what then goes wrong.

var (
	batchTenant = ledger.Tenant{BusinessID: "bus_1", Mode: ledger.Test}
	batchNow    = time.Unix(1_700_000_000, 0).UTC()
)

func openBatches(t *testing.T, dir string) *DB {
	t.Helper()
	db, err := Open(t.Context(), Config{Dir: dir, ReadersMax: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// newBatches is a new store with a business.
func newBatches(t *testing.T, dir string) *DB {
	t.Helper()
	db := openBatches(t, dir)
	business := access.Business{ID: batchTenant.BusinessID, Name: "Batches", CreatedAt: batchNow}
	if err := db.CreateBusiness(t.Context(), business, access.DefaultSettings(), nil); err != nil {
		t.Fatal(err)
	}
	return db
}

func batchCustomer(n int) ledger.Customer {
	return ledger.Customer{
		Tenant: batchTenant, ID: fmt.Sprintf("cus_%06d", n), Email: fmt.Sprintf("%d@example.com", n*7919%1_000_003),
		Name: "A", Metadata: "{}", CreatedAt: batchNow, UpdatedAt: batchNow,
	}
}

// createCustomers makes so many customers, some of them at the same time.
func (db *DB) createCustomers(t *testing.T, count, together int) {
	t.Helper()
	for begin := 0; begin < count; begin += together {
		var all sync.WaitGroup
		for n := begin; n < min(begin+together, count); n++ {
			all.Go(func() {
				if _, err := db.CreateCustomer(t.Context(), batchCustomer(n), nil); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
}

func (db *DB) credit(ctx context.Context, customer int, key string) error {
	book := ledger.NewBook(db, func() time.Time { return batchNow }, func() uint64 { return 7 })
	_, err := book.Post(ctx, ledger.PostRequest{
		Tenant: batchTenant, CustomerID: batchCustomer(customer).ID, Currency: "USD", Direction: ledger.Credit, Amount: 5,
		IdempotencyKey: key, CreatedBy: "key_1", CurrencyEnabled: true,
	})
	return err
}

// inOneBatch runs commands in one transaction, in their order, and returns
// what each came to.
func (db *DB) inOneBatch(t *testing.T, commands ...func() error) []error {
	t.Helper()
	taken, release := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		once := sync.OnceFunc(func() { close(taken) })
		if err := db.write(t.Context(), func(*sqlite.Conn) error { once(); <-release; return nil }); err != nil {
			t.Error(err)
		}
	})
	<-taken
	results := make([]error, len(commands))
	for i, command := range commands {
		all.Go(func() { results[i] = command() })
		for queued := 0; queued <= i; {
			queued = db.committer.queue.Waiting()
		}
	}
	close(release)
	all.Wait()
	return results
}

// inCommitter runs f while no batch runs.
func (db *DB) inCommitter(t *testing.T, f func(c *committer)) {
	t.Helper()
	if err := db.write(t.Context(), func(*sqlite.Conn) error { f(db.committer); return nil }); err != nil {
		t.Fatal(err)
	}
}

// A page that cannot be read is the loss of those whose data it holds.
func TestDamagedPageSparesNeighbours(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := newBatches(t, dir)
	db.createCustomers(t, 400, 1)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	damageLeaf(t, filepath.Join(dir, FileName), batchCustomer(200).ID)
	db = openBatches(t, dir)
	post := func(customer int) func() error { return func() error { return db.credit(t.Context(), customer, "") } }
	results := db.inOneBatch(t, post(1), post(200), post(399))
	if code := ledger.CodeOf(results[1]); code != ledger.CodeStorageUnavailable {
		t.Errorf("post on the damaged page: got %v, want %s", results[1], ledger.CodeStorageUnavailable)
	}
	if err := errors.Join(results[0], results[2]); err != nil {
		t.Errorf("posts beside it: got %v, want none", err)
	}
}

// The idempotency index is a cache: damage in it costs the time to make it
// again, and no entry is posted twice or refused.
func TestDamagedKeyIndexIsMadeAgain(t *testing.T) {
	t.Parallel()
	db := newBatches(t, t.TempDir())
	db.createCustomers(t, 1, 1)
	config := tinyKeyIndex()
	var err error
	db.inCommitter(t, func(c *committer) { db.keys, err = openKeyIndexWith(c.conn, db.keys.secret, config) })
	if err != nil {
		t.Fatal(err)
	}
	const keys = 31
	for n := range keys {
		if err := db.credit(t.Context(), 0, fmt.Sprint(n)); err != nil {
			t.Fatal(err)
		}
	}
	db.inCommitter(t, func(c *committer) {
		if err := run(c.conn, "update key_pages set data = zeroblob(length(data))"); err != nil {
			t.Error(err)
		}
	})
	for n := range 2 * keys {
		if err := db.credit(t.Context(), 0, fmt.Sprint(n)); err != nil {
			t.Fatalf("key %d: got %v, want none", n, err)
		}
	}
	list, err := db.Wallets(t.Context(), batchTenant, batchCustomer(0).ID, time.Now())
	if err != nil || list.Wallets[0].Seq != 2*keys {
		t.Errorf("got wallets %+v, %v; want one entry for each of %d keys", list.Wallets, err, 2*keys)
	}
	conn := <-db.readers.pool
	defer func() { db.readers.pool <- conn }()
	if err := db.keys.check(conn); err != nil {
		t.Error(err)
	}
}

// damageLeaf zeroes the leaf page of a table that holds a text.
func damageLeaf(t *testing.T, path, text string) {
	t.Helper()
	const tableLeaf = 13
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := 0
	const pageBytes = 4096
	for at := pageBytes; at < len(file); at += pageBytes {
		if page := file[at : at+pageBytes]; page[0] == tableLeaf && bytes.Contains(page, []byte(text)) {
			clear(page)
			damaged++
		}
	}
	if damaged != 1 {
		t.Fatalf("got %d leaves with %s, want 1", damaged, text)
	}
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A batch that fails is done again, one by one. What a command saw in the batch
// must not be in its answer when the neighbour that it saw has failed since.
func TestWriteDoneAgainForgetsWhatItSaw(t *testing.T) {
	t.Parallel()
	db := newBatches(t, t.TempDir())
	once := &ledger.Once{
		Tenant: batchTenant, Route: "POST /customers", Key: "k", At: batchNow,
		Answer: func(c ledger.Customer) []byte { return []byte(c.ID) },
	}
	var first []byte
	tries := 0
	results := db.inOneBatch(t,
		func() error {
			return db.write(t.Context(), func(conn *sqlite.Conn) error {
				if tries++; tries > 1 {
					return groupcommit.ErrClosed()
				}
				return errors.Join(insertCustomer(conn, 1, batchCustomer(1)), keepAnswer(conn, 1, once, batchCustomer(1)))
			})
		},
		func() (err error) {
			first, err = db.CreateCustomer(t.Context(), batchCustomer(2), once)
			return err
		},
		func() error { return db.write(t.Context(), func(*sqlite.Conn) error { return errors.New("broken") }) },
	)
	if tries != 2 || results[0] == nil || results[1] != nil || results[2] == nil {
		t.Fatalf("got %d tries and %v, want 2, and only the second command to succeed", tries, results)
	}
	if first != nil {
		t.Errorf("got the first answer %q, want none, because that customer does not exist", first)
	}
}

// A caller who gives up takes the results away, and the committer goes on.
func TestGivingUpBesideARunningWrite(t *testing.T) {
	t.Parallel()
	db := newBatches(t, t.TempDir())
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		taken, release := make(chan struct{}), make(chan struct{})
		var caller sync.WaitGroup
		caller.Go(func() {
			_, err := db.UpdateSettings(ctx, batchTenant, access.Change{}, func(s access.Settings) (access.Settings, error) {
				close(taken)
				<-release
				return s, nil
			})
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		<-taken
		cancel()
		close(release)
		caller.Wait()
	}
}

// A panic in what a face gave is our bug, and no end of the process: the
// others' requests go on, and nothing of the command stays.
func TestPanicOfAPureFunction(t *testing.T) {
	t.Parallel()
	db := newBatches(t, t.TempDir())
	db.createCustomers(t, 1, 1)
	once := &ledger.Once{
		Tenant: batchTenant, Route: "r", Key: "k", At: batchNow, Answer: func(ledger.Customer) []byte { panic("answer") },
	}
	for name, command := range map[string]func() error{
		"answer": func() error {
			_, err := db.CreateCustomer(t.Context(), batchCustomer(1), once)
			return err
		},
		"change": func() error {
			_, _, err := db.UpdateCustomer(t.Context(), batchTenant, batchCustomer(0).ID,
				func(ledger.Customer) (ledger.CustomerChange, error) { panic("change") }, nil)
			return err
		},
		"settings": func() error {
			_, err := db.UpdateSettings(t.Context(), batchTenant, access.Change{},
				func(access.Settings) (access.Settings, error) { panic("settings") })
			return err
		},
		"decision": func() error {
			scope := ledger.Scope{Tenant: batchTenant, CustomerID: batchCustomer(0).ID, Currency: "USD", At: batchNow}
			_, err := db.Transact(t.Context(), scope, func(ledger.Snapshot) (ledger.Change, error) { panic("decision") })
			return err
		},
	} {
		results := db.inOneBatch(t, command, func() error { return db.credit(t.Context(), 0, "") })
		if ledger.CodeOf(results[0]) != ledger.CodeInternal || results[1] != nil {
			t.Errorf("%s: got %v, want %s for it and nothing for its neighbour", name, results, ledger.CodeInternal)
		}
	}
	if _, err := db.Customer(t.Context(), batchTenant, batchCustomer(1).ID); ledger.CodeOf(err) != ledger.CodeNotFound {
		t.Errorf("customer whose answer panicked: got %v, want %s", err, ledger.CodeNotFound)
	}
}

// The server survives a panic of a request that reads, so the connection must.
func TestReadThatPanics(t *testing.T) {
	t.Parallel()
	db := newBatches(t, t.TempDir())
	func() {
		defer func() { _ = recover() }()
		_ = db.read(t.Context(), func(*sqlite.Conn) error { panic("read") })
	}()
	if _, err := db.Businesses(t.Context()); err != nil {
		t.Errorf("read after a panic: got %v, want none", err)
	}
}
