package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
)

// A backup or verify holds its moment for minutes. Commits do not wait for it,
// and the log is not asked to begin anew again and again.
func TestCheckpointBesideALongRead(t *testing.T) {
	t.Parallel()
	db := newBatches(t, t.TempDir())
	db.createCustomers(t, 1, 1)
	reader, err := openReader(db.path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	}()
	const few = 3 // pages; the log is longer after one credit
	credit := func() {
		if err := db.credit(t.Context(), 0, ""); err != nil {
			t.Fatal(err)
		}
	}
	err = inReadTransaction(reader, func(reader *sqlite.Conn) error {
		if _, err := lastEntry(reader); err != nil {
			return err
		}
		begin := time.Now()
		for range 3 {
			credit()
			db.inCommitter(t, func(c *committer) { c.gather, c.left, c.restartAt = 0, 0, few }) // and a checkpoint behind it
			db.inCommitter(t, func(c *committer) { c.gather = checkpointPages })
			credit()
		}
		if took := time.Since(begin); took > busyWait {
			t.Errorf("three checkpoints beside a long read took %v, want less than %v", took, busyWait)
		}
		db.inCommitter(t, func(c *committer) {
			if c.restartAt <= restartPages {
				t.Errorf("next wait for readers at %d pages, want more than %d", c.restartAt, restartPages)
			}
		})
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// What is not an entry goes to the log as well.
func TestLogStaysShort(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := newBatches(t, dir)
	db.createCustomers(t, 10_000, 250)
	info, err := os.Stat(filepath.Join(dir, FileName+"-wal"))
	if err != nil {
		t.Fatal(err)
	}
	const most = 2 * checkpointPages * 4096
	if info.Size() > most {
		t.Errorf("log after 10,000 customers: got %d bytes, want at most %d", info.Size(), most)
	}
}

// A batch that was done one by one commits as much as another.
func TestCheckpointAfterOneByOne(t *testing.T) {
	t.Parallel()
	db := newBatches(t, t.TempDir())
	db.inCommitter(t, func(c *committer) { c.gather = 1 << 30 })
	db.createCustomers(t, 10, 10)
	write := func(err error) func() error {
		return func() error {
			return db.write(t.Context(), func(*sqlite.Conn) error {
				db.committer.gather = 0
				return err
			})
		}
	}
	if left := db.inLogAlone(t); left == 0 {
		t.Fatal("got no page in the log alone before the batch")
	}
	db.inOneBatch(t, write(nil), write(errors.New("broken")))
	db.inCommitter(t, func(c *committer) { c.gather = 1 << 30 })
	if left := db.inLogAlone(t); left > 0 {
		t.Errorf("got %d pages in the log alone, want all copied into the main file", left)
	}
}

// inLogAlone is how many pages are in the log that no checkpoint has copied.
func (db *DB) inLogAlone(t *testing.T) int {
	t.Helper()
	reader, err := openReader(db.path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = lastEntry(reader)
	pages, copied, looked := runCheckpoint(reader, "pragma wal_checkpoint(noop)")
	if err := errors.Join(err, looked, reader.Close()); err != nil {
		t.Fatal(err)
	}
	return pages - copied
}

// A start that is called off leaves no file open.
func TestOpenThatIsCalledOff(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, Config{Dir: dir}); !errors.Is(err, context.Canceled) {
		t.Fatalf("got error %v, want %v", err, context.Canceled)
	}
	files, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if name, err := os.Readlink(file); err == nil && strings.HasPrefix(name, dir) {
			t.Errorf("%s is still open", name)
		}
	}
}
