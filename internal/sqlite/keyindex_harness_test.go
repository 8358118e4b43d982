package sqlite

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

var testSecret = [32]byte{1, 2, 3}

// keyHarness drives an index and knows what it must answer. Its methods return
// errors instead of failing the test, so that a test can show that planted
// damage is found.
type keyHarness struct {
	dir    string
	config keyIndexConfig
	writer *sqlite.Conn
	reader *sqlite.Conn
	index  *keyIndex

	committed []ledgerKey // by entry number, from 1
	staged    []ledgerKey
	forgotten []ledgerKey // rolled back
	inside    bool        // a transaction
	copies    int
	steps     int

	view     keyView // of the reader, when viewing
	viewing  bool
	viewSees int // entries
}

// ledgerKey is one entry. An empty key means that it has none.
type ledgerKey struct {
	customer int64
	key      string
}

// newKeyDatabase makes a file with the schema and returns its writer.
func newKeyDatabase(dir string) (*sqlite.Conn, error) {
	conn, err := openKeyDatabase(dir, sqlite.OpenReadWrite|sqlite.OpenCreate|sqlite.OpenWAL)
	if err == nil {
		err = migrate(conn, slog.New(slog.DiscardHandler))
	}
	return conn, err
}

func openKeyDatabase(dir string, flags sqlite.OpenFlags) (*sqlite.Conn, error) {
	conn, err := sqlite.OpenConn(filepath.Join(dir, FileName), flags)
	if err != nil {
		return nil, err
	}
	// The crashes of these tests leave the file as the kernel has it, so no
	// sync is needed to survive them.
	return conn, sqlitex.ExecuteTransient(conn, "pragma synchronous = off", nil)
}

func newKeyHarness(dir string, config keyIndexConfig) (h *keyHarness, err error) {
	h = &keyHarness{dir: dir, config: config}
	h.config.after = nil
	if h.writer, err = newKeyDatabase(dir); err != nil {
		return h, err
	}
	return h, h.attach()
}

// attach opens the reader and the index on the writer.
func (h *keyHarness) attach() (err error) {
	if h.reader, err = openKeyDatabase(h.dir, sqlite.OpenReadOnly); err != nil {
		return err
	}
	h.index, err = openKeyIndexWith(h.writer, testSecret, h.config)
	return err
}

func (h *keyHarness) close() error {
	return errors.Join(h.reader.Close(), h.writer.Close())
}

func (h *keyHarness) begin() error {
	if h.inside {
		return nil
	}
	h.inside = true
	return run(h.writer, "begin immediate")
}

// add writes an entry, and stages its key.
func (h *keyHarness) add(k ledgerKey) error {
	if err := h.begin(); err != nil {
		return err
	}
	h.staged = append(h.staged, k)
	no := int64(len(h.committed) + len(h.staged))
	if err := insertKeyedEntry(h.writer, no, k); err != nil {
		return err
	}
	if k.key != "" {
		h.index.stage(h.index.hash(k.customer, k.key), no)
	}
	return nil
}

// insertKeyedEntry writes the least that the schema takes for an entry.
func insertKeyedEntry(conn *sqlite.Conn, no int64, k ledgerKey) error {
	stmt, err := conn.Prepare(`insert into ledger_entries (no, id, customer, currency, position, seq, previous,
		wallet_previous, is_credit, amount, before_balance, after_balance, available, event_type, account, category,
		idempotency_key, fingerprint, created_by, created_at, hash)
		values (?, '', ?, 'USD', 1, 1, 0, 0, 1, 1, 0, 1, 1, '', '', '', nullif(?, ''), zeroblob(16), '', 0, zeroblob(32))`)
	if err != nil {
		return err
	}
	stmt.BindInt64(1, no)
	stmt.BindInt64(2, k.customer)
	stmt.BindText(3, k.key)
	_, err = stmt.Step()
	return err
}

func (h *keyHarness) maintain() error {
	if err := h.begin(); err != nil {
		return err
	}
	return h.index.maintain(h.writer)
}

func (h *keyHarness) commit() error {
	if !h.inside {
		return nil
	}
	h.inside = false
	if err := run(h.writer, "commit"); err != nil {
		return err
	}
	h.index.commit()
	h.committed = append(h.committed, h.staged...)
	h.staged = nil
	return nil
}

func (h *keyHarness) rollback() error {
	if !h.inside {
		return nil
	}
	h.inside = false
	err := run(h.writer, "rollback")
	h.index.rollback()
	h.forget()
	return err
}

func (h *keyHarness) forget() {
	h.forgotten = append(h.forgotten, h.staged...)
	h.staged = nil
}

// beginView takes a view for the reader.
func (h *keyHarness) beginView() (err error) {
	if err := h.endView(); err != nil {
		return err
	}
	h.view, err = h.index.view(h.reader, func() error { return run(h.reader, "begin") })
	h.viewing, h.viewSees = true, len(h.committed)
	return err
}

func (h *keyHarness) endView() error {
	if !h.viewing {
		return nil
	}
	h.viewing = false
	return run(h.reader, "rollback")
}

// checkAll looks every key up, on each way there is, and some that were never
// used, and lets the index check itself.
func (h *keyHarness) checkAll() error {
	all := slices.Concat(h.committed, h.staged)
	if err := h.checkKeys("the committer", all, len(all), h.commitLook); err != nil {
		return err
	}
	if h.viewing {
		view := func(hash uint64, yield func(int64) (bool, error)) error {
			return h.view.candidates(h.reader, hash, yield)
		}
		return h.checkKeys("an old view", h.committed[:h.viewSees], h.viewSees, view)
	}
	read := func(hash uint64, yield func(int64) (bool, error)) error {
		return h.index.read(func() error {
			return inReadTransaction(h.reader, func(conn *sqlite.Conn) error {
				return h.index.candidates(conn, hash, yield)
			})
		})
	}
	// The check below is a reader that looks up the others.
	const short = 10
	if err := h.checkKeys("a reader", h.committed, short, read); err != nil {
		return err
	}
	return h.index.check(h.reader)
}

// checkStep looks up the newest keys after each step and all after some.
func (h *keyHarness) checkStep() error {
	const few, allEvery = 15, 6
	if h.steps++; h.steps%allEvery == 0 {
		return h.checkAll()
	}
	return h.checkKeys("the committer", slices.Concat(h.committed, h.staged), few, h.commitLook)
}

func (h *keyHarness) commitLook(hash uint64, yield func(int64) (bool, error)) error {
	return h.index.candidatesForCommitter(h.writer, hash, yield)
}

type lookUp func(hash uint64, yield func(int64) (bool, error)) error

// checkKeys compares what a look-up yields for the hashes of the newest entries
// with the entries that have those: all of them, once, and no other. Keys that
// were rolled back, and some that most often were never used, are looked up too.
func (h *keyHarness) checkKeys(who string, entries []ledgerKey, newest int, look lookUp) error {
	want := map[uint64][]int64{}
	for i, k := range entries {
		if k.key != "" {
			hash := h.index.hash(k.customer, k.key)
			want[hash] = append(want[hash], int64(i+1))
		}
	}
	wanted := map[uint64]bool{0: true, 12345: true, 1 << 63: true, math.MaxUint64: true}
	for _, k := range slices.Concat(entries[max(0, len(entries)-newest):], h.forgotten) {
		if k.key != "" {
			wanted[h.index.hash(k.customer, k.key)] = true
		}
	}
	for hash := range wanted {
		want := want[hash]
		var got []int64
		err := look(hash, func(entry int64) (bool, error) {
			got = append(got, entry)
			return true, nil
		})
		if err != nil {
			return fmt.Errorf("%s looks up %x: %w", who, hash, err)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			return fmt.Errorf("%s finds for %x got entries %v, want %v", who, hash, got, want)
		}
	}
	return nil
}

// copyFiles copies the database as a crash at this moment would leave it.
func (h *keyHarness) copyFiles() (dir string, err error) {
	h.copies++
	dir = filepath.Join(h.dir, fmt.Sprintf("crash-%d", h.copies))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	for _, name := range []string{FileName, FileName + "-wal"} {
		data, err := os.ReadFile(filepath.Join(h.dir, name))
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// afterCrash returns a harness on a copy of the files.
func (h *keyHarness) afterCrash() (crashed *keyHarness, err error) {
	crashed = &keyHarness{config: h.config, committed: slices.Clone(h.committed)}
	crashed.config.after = nil
	if crashed.dir, err = h.copyFiles(); err != nil {
		return nil, err
	}
	if crashed.writer, err = openKeyDatabase(crashed.dir, sqlite.OpenReadWrite); err != nil {
		return nil, err
	}
	return crashed, crashed.attach()
}

// tryCrash crashes at this moment and checks what a new start finds.
func (h *keyHarness) tryCrash() error {
	crashed, err := h.afterCrash()
	if err != nil {
		return fmt.Errorf("open after a crash: %w", err)
	}
	err = crashed.checkAll()
	if err == nil {
		// A start goes on working, and cleans up what the crash left.
		err = crashed.settle()
	}
	if err == nil {
		err = crashed.index.check(crashed.reader)
	}
	if err != nil {
		err = fmt.Errorf("after a crash: %w", err)
	}
	return errors.Join(err, crashed.close(), os.RemoveAll(crashed.dir))
}

// settle lets the index do all that is due.
func (h *keyHarness) settle() error {
	const rounds = 50
	for range rounds {
		if err := h.begin(); err != nil {
			return err
		}
		if err := h.index.tidy(h.writer, 1<<28); err != nil {
			return err
		}
		if err := h.commit(); err != nil {
			return err
		}
		w := &h.index.work
		if len(h.index.state.windows) == 1 && len(w.builders) == 0 && len(w.dead) == 0 && w.settled {
			return nil
		}
	}
	return fmt.Errorf("the index has still work to do after %d rounds", rounds)
}

// crash goes on with the files as a crash at this moment leaves them.
func (h *keyHarness) crash() error {
	next, err := h.afterCrash()
	if err != nil {
		return fmt.Errorf("open after a crash: %w", err)
	}
	if err := h.endView(); err != nil {
		return err
	}
	if err := h.rollback(); err != nil {
		return err
	}
	if err := h.close(); err != nil {
		return err
	}
	*h = *next
	return nil
}

func tinyKeyIndex() keyIndexConfig {
	return keyIndexConfig{
		sealAt:     6,
		spanMax:    20,
		fanIn:      2,
		pageKeys:   3,
		pageBlocks: 1,
		stepPages:  2,
		memory:     1 << 20,
	}
}

// closeHarness closes at the end of the test.
func closeHarness(t *testing.T, h *keyHarness) {
	t.Cleanup(func() {
		if err := h.close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}
