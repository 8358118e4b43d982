package faultdisk_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/billfold/billfold/e2e/faultdisk"
	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/sqlite"
	"github.com/billfold/billfold/internal/verify"
)

// template is a closed store that each trial begins with.
type template struct {
	dir       string
	tenant    ledger.Tenant
	customers []string
}

func newTemplate(t *testing.T) *template {
	t.Helper()
	f := &template{dir: memoryDir(t), tenant: ledger.Tenant{BusinessID: "bus_1", Mode: ledger.Test}}
	db, err := openStore(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_700_000_000, 0).UTC()
	business := access.Business{ID: f.tenant.BusinessID, Name: "Faults", CreatedAt: now}
	if err := db.CreateBusiness(t.Context(), business, access.DefaultSettings(), nil); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		c := ledger.Customer{
			Tenant: f.tenant, ID: fmt.Sprintf("cus_%d", n), Email: "a@example.com", Name: "A", Metadata: "{}",
			CreatedAt: now, UpdatedAt: now,
		}
		if _, err := db.CreateCustomer(t.Context(), c, nil); err != nil {
			t.Fatal(err)
		}
		f.customers = append(f.customers, c.ID)
	}
	book := newBook(db)
	for n := range 60 {
		if _, err := book.Post(t.Context(), f.request(n, fmt.Sprintf("template-%d", n))); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return f
}

// memoryDir returns a directory in memory where the machine has one: what would
// survive is the disk's own book-keeping, and the real disk only costs time.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "billfold-faults-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	template := filepath.Join(dir, "template")
	if err := os.Mkdir(template, 0o700); err != nil {
		t.Fatal(err)
	}
	return template
}

func openStore(dir string) (*sqlite.DB, error) {
	return openStoreWithLog(dir, func(path string) (sqlite.LogFile, error) { return faultdisk.Open(path) })
}

func openStoreWithLog(dir string, open func(path string) (sqlite.LogFile, error)) (*sqlite.DB, error) {
	return sqlite.Open(context.Background(), sqlite.Config{Dir: dir, ReadersMax: 1, OpenLog: open})
}

// newBook is a book on a clock of its own, so that a trial is the same again.
func newBook(db *sqlite.DB) *ledger.Book {
	var mu sync.Mutex
	now := time.Unix(1_700_000_100, 0)
	return ledger.NewBook(db, func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Millisecond)
		return now
	}, func() uint64 { return 7 })
}

// request is the nth of a series: credits of several kinds, and debits that
// they cover.
func (f *template) request(n int, key string) ledger.PostRequest {
	r := ledger.PostRequest{
		Tenant: f.tenant, CustomerID: f.customers[n%len(f.customers)], Currency: "USD", Direction: ledger.Credit,
		Amount: money.Amount(100 + n), Reason: "fault", IdempotencyKey: key, CreatedBy: "key_1", CurrencyEnabled: true,
	}
	switch n % 5 {
	case 1:
		r.Category = ledger.Promotional
	case 2:
		r.ExpiresAt = time.Unix(1_900_000_000+int64(n), 0)
	case 4:
		r.Direction, r.Amount = ledger.Debit, money.Amount(30+n)
	}
	return r
}

// The workload posts some entries alone and then some batches.
const (
	workAlone   = 8
	workBatches = 4
	workBatch   = 6
	workSize    = workAlone + workBatches*workBatch
)

func workKey(n int) string { return fmt.Sprintf("work-%d", n) }

// dryRun returns the kinds of the operations of a trial without a fault.
func (f *template) dryRun(t *testing.T) (kinds []faultdisk.Kind) {
	t.Helper()
	trial := f.run(t, func(op faultdisk.Operation) faultdisk.Code {
		kinds = append(kinds, op.Kind)
		return faultdisk.OK
	})
	defer trial.remove(t)
	trial.settle(t, "no fault")
	if len(kinds) < 50 || len(trial.acknowledged) != workSize {
		t.Fatalf("dry run: got %d operations and %d acknowledged entries, want at least 50 and %d",
			len(kinds), len(trial.acknowledged), workSize)
	}
	return kinds
}

// trial is one run of the workload on a disk that fails.
type trial struct {
	template *template
	disk     *faultdisk.Disk
	folder   string
	dir      string // where the store is
	fault    fault
	random   *rand.Rand

	mu           sync.Mutex
	acknowledged map[string]ledger.Entry // by key
	refused      []string                // keys that were refused without effect
}

func (f *template) try(t *testing.T, fault fault, at int, random *rand.Rand) *trial {
	t.Helper()
	hits := 0
	trial := f.run(t, func(op faultdisk.Operation) faultdisk.Code {
		hit := op.Number == at || fault.forever && op.Number > at
		if !hit || fault.only != "" && fault.only != op.Kind {
			return faultdisk.OK
		}
		if hits++; fault.alternate && hits%2 == 0 {
			return faultdisk.OK
		}
		return fault.code
	})
	trial.fault, trial.random = fault, random
	return trial
}

// run runs the workload on a copy of the template.
func (f *template) run(t *testing.T, plan func(faultdisk.Operation) faultdisk.Code) *trial {
	t.Helper()
	folder, err := os.MkdirTemp(filepath.Dir(f.dir), "trial")
	if err != nil {
		t.Fatal(err)
	}
	trial := &trial{template: f, folder: folder, dir: filepath.Join(folder, "data"), acknowledged: map[string]ledger.Entry{}}
	if err := os.CopyFS(trial.dir, os.DirFS(f.dir)); err != nil {
		t.Fatal(err)
	}
	if trial.disk, err = faultdisk.Watch(trial.dir, plan); err != nil {
		t.Fatal(err)
	}
	db, err := openStore(trial.dir)
	if err != nil {
		return trial // the disk failed while the store was opened
	}
	trial.work(t, db)
	_ = db.Close() // it may not be able to empty the log
	return trial
}

func (trial *trial) remove(t *testing.T) {
	t.Helper()
	trial.disk.Release()
	if err := os.RemoveAll(trial.folder); err != nil {
		t.Error(err)
	}
}

// work posts entries, alone and in batches, and goes on whatever the answers.
func (trial *trial) work(t *testing.T, db *sqlite.DB) {
	t.Helper()
	book := newBook(db)
	for n := range workAlone {
		trial.post(t, book, n)
	}
	for batch := range workBatches {
		var done sync.WaitGroup
		for n := range workBatch {
			done.Go(func() { trial.post(t, book, workAlone+batch*workBatch+n) })
		}
		done.Wait()
	}
	select {
	case <-db.Fatal():
		// A store that can promise nothing more may promise nothing more.
		if _, err := book.Post(t.Context(), trial.template.request(0, "after the end")); err == nil {
			t.Error("post on a store that has given up: got it accepted, want it refused")
		}
	default:
	}
}

// post posts the nth request of the workload and remembers what came of it.
func (trial *trial) post(t *testing.T, book *ledger.Book, n int) {
	change, err := book.Post(context.Background(), trial.template.request(n, workKey(n)))
	trial.mu.Lock()
	defer trial.mu.Unlock()
	switch code := ledger.CodeOf(err); code {
	case "":
		trial.acknowledged[workKey(n)] = change.Entry
	case ledger.CodeStorageUnavailable:
		trial.refused = append(trial.refused, workKey(n))
	case ledger.CodeOutcomeUnknown, ledger.CodeInsufficientFunds:
	default:
		t.Errorf("post %d: got %v, want it accepted or a code of the storage", n, err)
	}
}

// survivors cuts the power and goes on with what the disk kept.
func (trial *trial) survivors(t *testing.T, keeps faultdisk.Keeps, random *rand.Rand) {
	t.Helper()
	trial.disk.Cut()
	trial.dir = filepath.Join(trial.folder, "survivors")
	if err := trial.disk.Survivors(trial.dir, keeps, random); err != nil {
		t.Fatal(err)
	}
	trial.disk.Release()
	var err error
	if trial.disk, err = faultdisk.Watch(trial.dir, noFault); err != nil {
		t.Fatal(err)
	}
}

// restart goes on as another process on the same machine, in a new folder.
func (trial *trial) restart(t *testing.T, folder string) {
	t.Helper()
	trial.dir = filepath.Join(trial.folder, folder)
	disk, err := trial.disk.Restart(trial.dir, noFault)
	if err != nil {
		t.Fatal(err)
	}
	trial.disk.Release()
	trial.disk = disk
}

func noFault(faultdisk.Operation) faultdisk.Code { return faultdisk.OK }

// repeats starts the store again on the same machine and repeats the requests
// that have an entry. The answers count: they acknowledge the entry. Nothing is
// written that was not there, so nothing but the start itself can have made
// durable what the answers promise.
func (trial *trial) repeats(t *testing.T, what string) {
	t.Helper()
	trial.restart(t, "again")
	db, err := openStore(trial.dir)
	if err != nil {
		t.Errorf("%s: start again: %v", what, err)
		return
	}
	trial.answerRepeats(t, what, db)
	trial.disk.Cut()
	_ = db.Close() // without power it cannot empty the log
}

// answerRepeats repeats the requests that have an entry. The answers acknowledge
// the entries.
func (trial *trial) answerRepeats(t *testing.T, what string, db *sqlite.DB) {
	t.Helper()
	book := newBook(db)
	for n := range workSize {
		request := trial.template.request(n, workKey(n))
		if entry, err := find(db, request); err != nil || entry == nil {
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
			continue
		}
		change, err := book.Post(t.Context(), request)
		if err != nil || !change.Replayed {
			t.Errorf("%s: repeat %d: got %+v, %v; want the first entry", what, n, change, err)
			continue
		}
		trial.acknowledged[workKey(n)] = change.Entry
	}
}

// find returns the entry of a request, nil when there is none.
func find(db *sqlite.DB, request ledger.PostRequest) (*ledger.Entry, error) {
	filter := ledger.EntryFilter{IdempotencyKey: request.IdempotencyKey}
	list, err := db.Entries(context.Background(), request.Tenant, request.CustomerID, filter, ledger.Page{Limit: 2})
	switch {
	case err != nil:
		return nil, err
	case len(list.Entries) > 1:
		return nil, fmt.Errorf("key %s: got %d entries, want one", request.IdempotencyKey, len(list.Entries))
	case len(list.Entries) == 0:
		return nil, nil
	}
	return &list.Entries[0], nil
}

// missing returns the acknowledged keys that are not there as they were
// acknowledged.
func (trial *trial) missing(db *sqlite.DB) (missing []string, err error) {
	for key, entry := range trial.acknowledged {
		request := ledger.PostRequest{Tenant: trial.template.tenant, CustomerID: entry.CustomerID, IdempotencyKey: key}
		got, err := find(db, request)
		if err != nil {
			return nil, err
		}
		if got == nil || got.Hash != entry.Hash {
			missing = append(missing, key)
		}
	}
	slices.Sort(missing)
	return missing, nil
}

// settle opens the store once more, without faults, and checks what is there.
func (trial *trial) settle(t *testing.T, what string) {
	t.Helper()
	if trial.fault.again {
		trial.repeats(t, what)
	}
	if trial.fault.keeps != "" {
		trial.survivors(t, trial.fault.keeps, trial.random)
	} else {
		trial.restart(t, "resumed")
	}
	db, err := openStore(trial.dir)
	if err != nil {
		t.Errorf("%s: open: %v", what, err)
		return
	}
	if missing, err := trial.missing(db); err != nil || len(missing) > 0 {
		t.Errorf("%s: LOST %v, %v", what, missing, err)
	}
	if err := errors.Join(trial.checkRefused(db), trial.repeatAll(db), db.Close()); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	report, err := verify.Run(context.Background(), verify.Options{Path: trial.dir})
	if err != nil || !report.Clean() {
		t.Errorf("%s: verify: got %v, %v; want every law kept", what, report.Findings, err)
	}
}

// checkRefused checks that what was refused without effect is not there.
func (trial *trial) checkRefused(db *sqlite.DB) error {
	for n := range workSize {
		if !slices.Contains(trial.refused, workKey(n)) {
			continue
		}
		if entry, err := find(db, trial.template.request(n, workKey(n))); err != nil || entry != nil {
			return fmt.Errorf("%s was refused without effect, got %+v, %w", workKey(n), entry, err)
		}
	}
	return nil
}

// repeatAll posts the whole workload again: what was acknowledged is answered
// with its first entry, the rest is posted now.
func (trial *trial) repeatAll(db *sqlite.DB) error {
	book := newBook(db)
	for n := range workSize {
		change, err := book.Post(context.Background(), trial.template.request(n, workKey(n)))
		first, known := trial.acknowledged[workKey(n)]
		switch {
		case err != nil && ledger.CodeOf(err) != ledger.CodeInsufficientFunds:
			return fmt.Errorf("repeat %d: %w", n, err)
		case known && (err != nil || !change.Replayed || change.Entry.Hash != first.Hash):
			return fmt.Errorf("repeat %d: got %+v, %w; want the first entry %+v", n, change, err, first)
		}
	}
	return nil
}
