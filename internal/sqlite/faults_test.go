package sqlite_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/billfold/billfold/e2e/faultdisk"
	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/sqlite"
	"github.com/billfold/billfold/internal/verify"
)

// The sweep in e2e/faultdisk puts every fault at every place. The tests here
// say one by one what the store promises about the faults that matter most.

var faultTenant = ledger.Tenant{BusinessID: "bus_1", Mode: ledger.Test}

const faultCustomer = "cus_1"

// faulty is a store on a disk that does what the test says.
type faulty struct {
	t    *testing.T
	dir  string
	disk *faultdisk.Disk
	db   *sqlite.DB
	plan atomic.Pointer[func(faultdisk.Operation) faultdisk.Code]
	now  time.Time
}

func newFaulty(t *testing.T) *faulty {
	t.Helper()
	f := &faulty{t: t, dir: t.TempDir(), now: time.Unix(1_700_000_000, 0).UTC()}
	f.heal()
	var err error
	if f.disk, err = faultdisk.Watch(f.dir, f.decide); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.disk.Release)
	f.open()
	business := access.Business{ID: faultTenant.BusinessID, Name: "Faults", CreatedAt: f.now}
	if err := f.db.CreateBusiness(t.Context(), business, access.DefaultSettings(), nil); err != nil {
		t.Fatal(err)
	}
	customer := ledger.Customer{
		Tenant: faultTenant, ID: faultCustomer, Email: "a@example.com", Name: "A", Metadata: "{}", CreatedAt: f.now, UpdatedAt: f.now,
	}
	if _, err := f.db.CreateCustomer(t.Context(), customer, nil); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *faulty) open() {
	f.t.Helper()
	db, err := sqlite.Open(f.t.Context(), sqlite.Config{
		Dir:     f.dir,
		OpenLog: func(path string) (sqlite.LogFile, error) { return faultdisk.Open(path) },
	})
	if err != nil {
		f.t.Fatalf("open: %v", err)
	}
	f.db = db
}

// restart is the next process on the same machine.
func (f *faulty) restart() {
	f.t.Helper()
	f.dir = f.t.TempDir()
	disk, err := f.disk.Restart(f.dir, f.decide)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(disk.Release)
	f.disk = disk
	f.open()
}

// decide asks the plan of the moment.
func (f *faulty) decide(op faultdisk.Operation) faultdisk.Code { return (*f.plan.Load())(op) }

// fail lets operations of one kind on one file fail.
func (f *faulty) fail(kind faultdisk.Kind, file string, code faultdisk.Code) {
	plan := func(op faultdisk.Operation) faultdisk.Code {
		if op.Kind == kind && op.File == file {
			return code
		}
		return faultdisk.OK
	}
	f.plan.Store(&plan)
}

func (f *faulty) heal() {
	plan := func(faultdisk.Operation) faultdisk.Code { return faultdisk.OK }
	f.plan.Store(&plan)
}

// post credits the customer under a key.
func (f *faulty) post(key string) (ledger.Change, error) {
	book := ledger.NewBook(f.db, func() time.Time { return f.now }, func() uint64 { return 7 })
	return book.Post(f.t.Context(), ledger.PostRequest{
		Tenant: faultTenant, CustomerID: faultCustomer, Currency: "USD", Direction: ledger.Credit, Amount: 5,
		IdempotencyKey: key, CreatedBy: "key_1", CurrencyEnabled: true,
	})
}

func (f *faulty) wantPosted(key string, replayed bool) ledger.Change {
	f.t.Helper()
	change, err := f.post(key)
	if err != nil || change.Replayed != replayed {
		f.t.Fatalf("post %s: got replayed %t, %v; want replayed %t", key, change.Replayed, err, replayed)
	}
	return change
}

func (f *faulty) wantRefused(key string, code ledger.Code) {
	f.t.Helper()
	if _, err := f.post(key); ledger.CodeOf(err) != code {
		f.t.Fatalf("post %s: got %v, want %s", key, err, code)
	}
}

// wantBalance reads the wallet, which must have had so many credits.
func (f *faulty) wantBalance(credits int64) {
	f.t.Helper()
	list, err := f.db.Wallets(f.t.Context(), faultTenant, faultCustomer, time.Now())
	if err != nil || len(list.Wallets) != 1 {
		f.t.Fatalf("wallets: got %+v, %v; want one", list, err)
	}
	if w := list.Wallets[0]; int64(w.Balance) != 5*credits || w.Seq != credits {
		f.t.Errorf("wallet: got balance %d and seq %d, want %d and %d", w.Balance, w.Seq, 5*credits, credits)
	}
}

func (f *faulty) wantClean(dir string) {
	f.t.Helper()
	report, err := verify.Run(context.Background(), verify.Options{Path: dir})
	if err != nil || !report.Clean() {
		f.t.Errorf("verify: got %v, %v; want every law kept", report.Findings, err)
	}
}

func (f *faulty) wantFatal(want bool) {
	f.t.Helper()
	got := false
	select {
	case <-f.db.Fatal():
		got = true
	default:
	}
	if got != want {
		f.t.Fatalf("store has given up: got %t, want %t", got, want)
	}
}

const logName = sqlite.FileName + "-wal"

// A commit whose sync failed may or may not be on the disk, and a second sync
// would say that it is, because the kernel forgets. So the store acknowledges
// nothing more, and says which outcome is unknown.
func TestFailedSyncEndsTheStore(t *testing.T) {
	t.Parallel()
	f := newFaulty(t)
	f.wantPosted("before", false)
	f.fail(faultdisk.Sync, logName, faultdisk.SyncError)
	f.wantRefused("during", ledger.CodeOutcomeUnknown)
	f.wantFatal(true)
	f.heal()
	f.wantRefused("after", ledger.CodeStorageUnavailable)
	f.wantRefused("during", ledger.CodeStorageUnavailable)
	f.wantBalance(1) // what is committed can still be read
	if err := f.db.Close(); err != nil {
		t.Fatal(err)
	}
	f.restart()
	f.wantFatal(false)
	f.wantPosted("before", true)
	change, err := f.post("during") // either way, once
	if err != nil || change.Entry.Seq != 2 {
		t.Fatalf("post during: got %+v, %v; want seq 2", change, err)
	}
	f.wantPosted("after", false)
	f.wantBalance(3)
	closeNow(t, f.db)
	f.wantClean(f.dir)
}

// The sync of the main file belongs to a checkpoint, after which the log may be
// written over: if it fails, the only good copy may be in the log.
func TestFailedSyncOfACheckpointEndsTheStore(t *testing.T) {
	t.Parallel()
	f := newFaulty(t)
	f.fail(faultdisk.Sync, sqlite.FileName, faultdisk.SyncError)
	posted := int64(0)
	for ; posted < 20_000; posted++ {
		if _, err := f.post(fmt.Sprintf("key-%d", posted)); err != nil {
			if code := ledger.CodeOf(err); code != ledger.CodeStorageUnavailable {
				t.Fatalf("post %d: got %v, want %s", posted, err, ledger.CodeStorageUnavailable)
			}
			break
		}
	}
	f.wantFatal(true)
	f.heal()
	if err := f.db.Close(); err != nil {
		t.Fatal(err)
	}
	f.restart()
	f.wantBalance(posted)
	closeNow(t, f.db)
	f.wantClean(f.dir)
}

// A full disk is told before the sync. The commands of the moment are refused
// without effect, reads go on, and the store recovers by itself.
func TestFullDiskPasses(t *testing.T) {
	t.Parallel()
	f := newFaulty(t)
	f.wantPosted("before", false)
	f.fail(faultdisk.Write, logName, faultdisk.Full)
	for range 3 {
		f.wantRefused("during", ledger.CodeStorageUnavailable)
		f.wantBalance(1)
	}
	f.wantFatal(false)
	f.heal()
	f.wantPosted("before", true)
	f.wantPosted("during", false)
	f.wantBalance(2)
	closeNow(t, f.db)
	f.wantClean(f.dir)
}

// A process that is killed between the write of a commit and its sync leaves an
// entry that the next process can read. Before it tells anybody of it, the
// next process must have made it durable.
func TestStartMakesDurableWhatItFinds(t *testing.T) {
	t.Parallel()
	f := newFaulty(t)
	f.wantPosted("before", false)
	f.fail(faultdisk.Sync, logName, faultdisk.Cut)
	f.wantRefused("unsynced", ledger.CodeOutcomeUnknown)
	_ = f.db.Close() // the process has been killed, as far as the disk can see
	f.heal()
	f.restart()
	first := f.wantPosted("unsynced", true) // nothing is written for this answer
	f.disk.Cut()
	_ = f.db.Close()
	survivors := filepath.Join(t.TempDir(), "survivors")
	if err := f.disk.Survivors(survivors, faultdisk.KeepsNothing, rand.New(rand.NewPCG(1, 1))); err != nil {
		t.Fatal(err)
	}
	f.db = mustOpen(t, survivors)
	if again := f.wantPosted("unsynced", true); again.Entry.Hash != first.Entry.Hash {
		t.Errorf("entry after the power cut: got %+v, want %+v", again.Entry, first.Entry)
	}
	f.wantBalance(2)
	closeNow(t, f.db)
	f.wantClean(survivors)
}

// A disk that cannot be written at all lets the store open or not, but never
// answer what is not so.
func TestStartOnAFullDisk(t *testing.T) {
	t.Parallel()
	f := newFaulty(t)
	f.wantPosted("before", false)
	f.fail(faultdisk.Sync, logName, faultdisk.Cut)
	f.wantRefused("unsynced", ledger.CodeOutcomeUnknown)
	_ = f.db.Close()
	f.fail(faultdisk.Write, sqlite.FileName, faultdisk.Full)
	f.restart()
	f.wantBalance(2)
	f.heal()
	closeNow(t, f.db)
	f.wantClean(f.dir)
}

// A clock that stands before the last entry when the store is opened again
// takes no time back and brings no expired money back (law R4).
func TestClockGoesBackBetweenStarts(t *testing.T) {
	t.Parallel()
	f := newFaulty(t)
	f.now = f.now.Add(time.Hour)
	last := f.wantPosted("before", false).Entry.CreatedAt
	closeNow(t, f.db)
	f.now = f.now.Add(-30 * time.Minute)
	f.open()
	if got := f.wantPosted("after", false).Entry.CreatedAt; !got.Equal(last) {
		t.Errorf("created after the clock went back: got %v, want %v", got, last)
	}
	f.now = last.Add(time.Microsecond)
	if got := f.wantPosted("later", false).Entry.CreatedAt; !got.Equal(f.now) {
		t.Errorf("created after the clock caught up: got %v, want %v", got, f.now)
	}
	closeNow(t, f.db)
	f.wantClean(f.dir)
}
