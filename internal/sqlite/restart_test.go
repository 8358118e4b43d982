package sqlite_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/billfold/billfold/internal/sqlite"
	"github.com/billfold/billfold/internal/storetest"
)

// Random commands on the embedded store give what the model gives.
func TestMachine(t *testing.T) {
	t.Parallel()
	storetest.RunMachine(t, open)
}

// The same with hardly any memory, so that nearly every command reads the state
// of its customer from the file.
func TestMachineWithoutCache(t *testing.T) {
	t.Parallel()
	storetest.RunMachine(t, func(t testing.TB) storetest.Stores {
		store := &restarting{t: t, dir: t.TempDir(), config: sqlite.Config{CustomersCached: 1, LotsInRow: 2}}
		store.open()
		t.Cleanup(store.close)
		return storetest.Stores{Ledger: store, Access: store}
	})
}

// The same with a store that stops and starts again every few commands, in turn
// in good order and as after a kill: from a copy of its files made while it
// ran. What memory knew must all be in the files.
func TestMachineWithRestarts(t *testing.T) {
	t.Parallel()
	storetest.RunMachine(t, func(t testing.TB) storetest.Stores {
		store := &restarting{t: t, dir: t.TempDir(), every: 15}
		store.open()
		t.Cleanup(store.close)
		return storetest.Stores{Ledger: store, Access: store}
	})
}

// restarting is a store that is opened again after every few writes.
type restarting struct {
	t      testing.TB
	dir    string
	every  int // 0: never
	config sqlite.Config

	mu     sync.Mutex
	db     *sqlite.DB
	writes int
	starts int
}

func (r *restarting) open() {
	r.t.Helper()
	config := r.config
	config.Dir = r.dir
	db, err := sqlite.Open(context.Background(), config)
	if err != nil {
		r.t.Fatal(err)
	}
	r.db = db
	r.starts++
}

// close closes the store of the moment, at the end of the test.
func (r *restarting) close() {
	if err := r.read().Close(); err != nil {
		r.t.Error(err)
	}
}

func (r *restarting) restart() {
	r.t.Helper()
	if r.starts%2 == 0 {
		// A kill leaves the files as they are at that moment, the log not yet
		// copied into the main file.
		copied := r.t.TempDir()
		copyFiles(r.t, r.dir, copied)
		defer removeAll(r.t, r.dir)
		r.dir = copied
	}
	if err := r.db.Close(); err != nil {
		r.t.Fatal(err)
	}
	r.open()
}

// read returns the store for a read.
func (r *restarting) read() *sqlite.DB {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.db
}

// write returns the store for a write, started again if it is time.
func (r *restarting) write() *sqlite.DB {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writes++
	if r.every > 0 && r.writes%r.every == 0 {
		r.restart()
	}
	return r.db
}

func removeAll(t testing.TB, dir string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Error(err)
	}
}

func copyFiles(t testing.TB, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Name() == sqlite.LockName {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, entry.Name()), data, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}
