package sqlite

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"sync"

	"zombiezen.com/go/sqlite"
)

// The idempotency index finds the entry that used a customer's key, for ever.
// A key that it misses is money spent twice, so it is exact: it may name an
// entry too many, never one too few. Callers load each candidate's row and
// compare customer and key.
//
// # Shape
//
// A key is known by a 64-bit hash. New keys stand in a window in memory. A full
// window is frozen, and sealed: written to disk as a sorted run of level 0.
// Eight runs of one level are merged into one of the next. A run is a static
// tree: leaf pages of (hash, entry), directory pages of (first hash, leaf
// page), a root of (first hash, directory page), and a Bloom filter. Filters
// and directories live in memory as far as the memory limit allows; without
// them a look-up reads the same facts from disk.
//
// # Who may call
//
// One goroutine, the committer, calls candidatesForCommitter, stage, maintain,
// commit and rollback. For each transaction on its connection:
//
//	begin; look-ups and stage …; maintain; COMMIT then commit, or ROLLBACK then rollback
//
// Every keyed entry must be staged in the transaction that writes it. After a
// COMMIT whose outcome is unknown the index must be opened again. Any goroutine
// may call the rest.
//
// # Invariants
//
//  1. Every keyed entry of a committed transaction is in a window or in a live
//     run of the published state. Window and runs change hands in one publish,
//     and so does a merged run with the runs that it replaces.
//  2. Every keyed entry with number <= key_mark.sealed is in a live run on
//     disk. The mark moves in the transaction that makes the run live, to the
//     number that was the last committed one when the window was frozen.
//     Entry numbers grow in commit order, so what is above the mark can be
//     read again from the ledger when the index is opened.
//  3. What a transaction changes is published after its COMMIT and forgotten
//     by its ROLLBACK. A run that was being built in a transaction that rolled
//     back is thrown away and begun again. Staged keys are shown to readers
//     even before the COMMIT, as far as a reader's transaction sees their
//     entries, because it may begin between COMMIT and publish.
//  4. The pages of a replaced run are deleted in transactions that begin after
//     it left the published state. A reader takes the state and begins its
//     transaction under one lock, which publishing excludes; so its snapshot
//     is that of the state's transaction or of the next one, and holds every
//     page that the state names.
//  5. Every page that exists belongs to an extent of a run that is building,
//     live or dead. Opening the index makes leftovers of the first kind dead.
//  6. A page names its run and carries a checksum: a page that is missing,
//     damaged or another's is an error and never a key that was not found.
type keyIndex struct {
	config keyIndexConfig
	secret [32]byte

	// mu guards the state, what its windows hold, and the staged keys. The
	// committer, who alone changes them, reads them without it.
	mu    sync.RWMutex
	state *keyState

	work keyWork // the committer's
}

// keyIndexConfig holds the index's sizes, which tests make tiny.
type keyIndexConfig struct {
	sealAt     int   // keys at which the window is frozen
	spanMax    int64 // entries above the mark at which it is frozen whatever it holds
	fanIn      int   // runs that are merged into one
	pageKeys   int   // pairs in a leaf or directory page
	pageBlocks int   // filter blocks in a page
	stepPages  int   // pages that one maintain writes at most, unless it staged many keys
	memory     int64 // bytes that filters and directories may take

	hash  func(customer int64, key string) uint64 // nil: the keyed hash
	after func() error                            // called after each writing statement when not nil
}

// A row of 253 pairs and the page header is 4,056 bytes. One byte more than
// 4,057 would not fit a leaf of a 4,096-byte database page and take two more.
const (
	keysPerPage   = 253
	blocksPerPage = 63
)

func defaultKeyIndexConfig() keyIndexConfig {
	return keyIndexConfig{
		sealAt:     32768,
		spanMax:    2 * 32768,
		fanIn:      8,
		pageKeys:   keysPerPage,
		pageBlocks: blocksPerPage,
		stepPages:  8,
		memory:     128 << 20,
	}
}

// keyState is what look-ups see. It and its slices never change; a window's
// content grows under the index's lock while it is the last one.
type keyState struct {
	windows []*keyWindow // frozen ones, oldest first, and then the open one
	runs    []*keyRun    // short ones first, which are the newest
	filters []keyFilter  // of the runs
}

func newKeyState(windows []*keyWindow, runs []*keyRun) *keyState {
	s := &keyState{windows: windows, runs: runs, filters: make([]keyFilter, len(runs))}
	for i, run := range runs {
		s.filters[i] = run.filter
	}
	return s
}

func (s *keyState) open() *keyWindow { return s.windows[len(s.windows)-1] }

// keyWork is what the committer knows beyond the published state.
type keyWork struct {
	staged   *keyWindow
	last     int64 // number of the last committed entry, as far as known
	calls    int   // of maintain, to look at the ledger's end now and then
	misuse   error // a broken call that maintain reports
	nextRun  int64
	nextPage int64
	sealed   int64 // the committed mark

	planned  *keyState      // the state for which builders were begun
	builders []*keyBuilder  // runs being built, the sealing one first, then by level
	merging  map[int64]bool // live runs that a builder reads
	dead     []int64        // runs whose pages are to be deleted
	loading  *keyLoader
	loaded   *keyRun // a live run with more of it in memory, to be published
	settled  bool    // nothing is left to load

	pending keyPending
}

// keyPending is what the running transaction did and commit will publish.
type keyPending struct {
	last   int64         // number of the ledger's last entry, as this transaction saw it
	sealed int64         // the mark that this transaction set, 0 for none
	done   []*keyBuilder // runs that became live
	buried int           // of work.dead, how many have no pages and no row any more
}

// openKeyIndex loads the index and reads the keys above the mark from the
// ledger. When there are very many of those, as after a rebuild that was cut
// short, it writes them to runs, in transactions of its own; inside a
// transaction of the caller it writes nothing.
func openKeyIndex(conn *sqlite.Conn, secret [32]byte) (*keyIndex, error) {
	return openKeyIndexWith(conn, secret, defaultKeyIndexConfig())
}

func openKeyIndexWith(conn *sqlite.Conn, secret [32]byte, config keyIndexConfig) (*keyIndex, error) {
	x := &keyIndex{config: config, secret: secret}
	x.state = newKeyState([]*keyWindow{newKeyWindow(2 * config.sealAt)}, nil)
	x.work = keyWork{staged: newKeyWindow(0), merging: map[int64]bool{}}
	if err := x.load(conn); err != nil {
		return nil, fmt.Errorf("open idempotency index: %w", err)
	}
	return x, nil
}

// hash returns the hash of a customer's key. It is keyed, so that nobody who
// chooses keys can choose hashes.
func (x *keyIndex) hash(customer int64, key string) uint64 {
	if x.config.hash != nil {
		return x.config.hash(customer, key)
	}
	var space [320]byte
	b := append(space[:0], x.secret[:]...)
	b = binary.AppendUvarint(b, uint64(customer))
	b = append(b, key...)
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:])
}

// stage adds a key of the running transaction. Entry numbers must grow.
func (x *keyIndex) stage(hash uint64, entry int64) {
	last := max(x.work.last, x.work.staged.last)
	if entry <= last {
		x.work.misuse = fmt.Errorf("idempotency index: entry %d staged after entry %d", entry, last)
		return
	}
	x.mu.Lock()
	x.work.staged.add(keyPair{hash, entry})
	x.mu.Unlock()
}

// candidatesForCommitter yields the entries that may have used the key with
// this hash, those of the running transaction among them, until yield wants no
// more.
func (x *keyIndex) candidatesForCommitter(
	conn *sqlite.Conn, hash uint64, yield func(entry int64) (more bool, err error),
) error {
	var space [8]int64
	found := x.state.inMemory(x.work.staged, hash, space[:0])
	if more, err := yieldAll(found, yield); !more || err != nil {
		return err
	}
	return x.state.probe(conn, hash, yield)
}

// keyView is the index for one read transaction.
type keyView struct {
	index *keyIndex
	state *keyState
	last  int64 // of the ledger's entries, as the transaction sees it
}

// view calls begin, which begins a read transaction on conn, and returns the
// view for it. Publishing waits meanwhile, so begin should do no more than that.
func (x *keyIndex) view(conn *sqlite.Conn, begin func() error) (v keyView, err error) {
	err = x.read(func() error {
		if err := begin(); err != nil {
			return err
		}
		// SQLite fixes what the transaction sees at its first read, not at
		// its begin.
		v = keyView{index: x, state: x.state}
		v.last, err = lastEntry(conn)
		return err
	})
	return v, err
}

// candidates yields the entries of the transaction that may have used the key
// with this hash, until yield wants no more. Conn must be the one for which the
// view was taken, still in that transaction.
func (v keyView) candidates(conn *sqlite.Conn, hash uint64, yield func(entry int64) (more bool, err error)) error {
	var space [8]int64
	v.index.mu.RLock()
	found := v.inMemory(hash, space[:0])
	v.index.mu.RUnlock()
	if more, err := yieldAll(found, yield); !more || err != nil {
		return err
	}
	return v.state.probe(conn, hash, yield)
}

// inMemory appends the entries of windows. A transaction may already see what
// the committer has not published, so the staged keys are looked at too, and
// what it does not see is left out.
func (v keyView) inMemory(hash uint64, to []int64) []int64 {
	found := v.state.inMemory(v.index.work.staged, hash, to)
	return slices.DeleteFunc(found, func(entry int64) bool { return entry > v.last })
}

// read runs a short read: it begins a transaction, calls candidates and ends
// the transaction. The committer cannot publish meanwhile, so f must not wait
// for anything; what takes longer uses view.
func (x *keyIndex) read(f func() error) error {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return f()
}

// candidates is what [keyView.candidates] is, within read.
func (x *keyIndex) candidates(conn *sqlite.Conn, hash uint64, yield func(entry int64) (more bool, err error)) error {
	last, err := lastEntry(conn)
	if err != nil {
		return err
	}
	var space [8]int64
	found := keyView{index: x, state: x.state, last: last}.inMemory(hash, space[:0])
	if more, err := yieldAll(found, yield); !more || err != nil {
		return err
	}
	return x.state.probe(conn, hash, yield)
}

// inMemory appends the entries that stand under a hash in the staged keys and
// in the windows.
func (s *keyState) inMemory(staged *keyWindow, hash uint64, to []int64) []int64 {
	to = staged.find(hash, to)
	for _, window := range s.windows {
		to = window.find(hash, to)
	}
	return to
}

// probe yields what the runs hold under a hash.
func (s *keyState) probe(conn *sqlite.Conn, hash uint64, yield func(entry int64) (more bool, err error)) error {
	for begin := 0; begin < len(s.runs); begin += 64 {
		end := min(begin+64, len(s.runs))
		for may := mayContain64(s.filters[begin:end], hash); may != 0; may &= may - 1 {
			run := s.runs[begin+bits.TrailingZeros64(may)]
			var space [8]int64
			found, err := run.find(conn, hash, space[:0])
			if err != nil {
				return err
			}
			if more, err := yieldAll(found, yield); !more || err != nil {
				return err
			}
		}
	}
	return nil
}

func yieldAll(entries []int64, yield func(entry int64) (more bool, err error)) (more bool, err error) {
	for _, entry := range entries {
		if more, err := yield(entry); !more || err != nil {
			return false, err
		}
	}
	return true, nil
}

// commit publishes what the transaction did, after its COMMIT.
func (x *keyIndex) commit() {
	x.mu.Lock()
	defer x.mu.Unlock()
	w := &x.work
	w.last = max(w.last, w.pending.last, w.staged.last)
	w.sealed = max(w.sealed, w.pending.sealed)
	open := x.state.open()
	w.staged.each(open.add)
	w.staged = w.staged.cleared()

	for _, b := range w.builders {
		b.kept()
	}
	w.dead = slices.Delete(w.dead, 0, w.pending.buried)
	if len(w.pending.done) > 0 || w.loaded != nil {
		x.state = x.switched()
	}
	w.pending = keyPending{}

	if open.count >= x.config.sealAt || open.count > 0 && w.last-x.frozenTo() >= x.config.spanMax {
		x.freeze()
	}
}

// frozenTo returns what the mark will be when all frozen windows are sealed.
func (x *keyIndex) frozenTo() int64 {
	if frozen := len(x.state.windows) - 1; frozen > 0 {
		return x.state.windows[frozen-1].mark
	}
	return x.work.sealed
}

// switched returns the state with the runs of this transaction in place of the
// windows and runs that went into them.
func (x *keyIndex) switched() *keyState {
	w := &x.work
	windows := slices.Clone(x.state.windows)
	runs := slices.Clone(x.state.runs)
	for _, b := range w.pending.done {
		windows = slices.DeleteFunc(windows, func(window *keyWindow) bool { return window == b.window })
		for _, input := range b.inputs {
			runs = slices.DeleteFunc(runs, func(run *keyRun) bool { return run.no == input.no })
			delete(w.merging, input.no)
			w.dead = append(w.dead, input.no)
		}
		runs = append(runs, b.result)
	}
	if w.loaded != nil {
		for i, run := range runs {
			if run.no == w.loaded.no {
				runs[i] = w.loaded
			}
		}
		w.loaded = nil
	}
	slices.SortFunc(runs, compareRuns)
	if l := w.loading; l != nil && !slices.ContainsFunc(runs, func(run *keyRun) bool { return run.no == l.run.no }) {
		w.loading = nil
	}
	w.settled = false
	return newKeyState(windows, x.fit(runs))
}

// freeze closes the open window, so that it is sealed, and opens another.
func (x *keyIndex) freeze() {
	x.state.open().mark = x.work.last
	windows := append(slices.Clone(x.state.windows), newKeyWindow(2*x.config.sealAt))
	x.state = newKeyState(windows, x.state.runs)
}

// rollback forgets what the transaction did, after its ROLLBACK.
func (x *keyIndex) rollback() {
	w := &x.work
	x.mu.Lock()
	w.staged = w.staged.cleared()
	x.mu.Unlock()
	w.misuse = nil
	w.planned = nil
	w.builders = slices.Concat(w.pending.done, w.builders)
	w.builders = slices.DeleteFunc(w.builders, func(b *keyBuilder) bool {
		if !b.touched {
			return false
		}
		if b.stored {
			w.dead = append(w.dead, b.result.no)
		}
		for _, input := range b.inputs {
			delete(w.merging, input.no)
		}
		return true
	})
	w.pending = keyPending{}
}
