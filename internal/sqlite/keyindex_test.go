package sqlite

import (
	"cmp"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"os"
	"slices"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

// crowdedHash makes many keys share few hashes, the least and the greatest
// among them.
func crowdedHash(customer int64, key string) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d/%s", customer, key)
	return h.Sum64() % 6 * (math.MaxUint64 / 5)
}

// lowHash makes hashes that differ in their lowest bits only.
func lowHash(customer int64, key string) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d/%s", customer, key)
	return h.Sum64() % 1000
}

// TestKeyIndexStateMachine does all that a store may do to an index, and all
// that may happen to it, in random order, and compares it with a list.
func TestKeyIndexStateMachine(t *testing.T) {
	t.Parallel()
	var checks, seals, merges, crashes atomic.Int64
	rapid.Check(t, func(rt *rapid.T) {
		checks.Add(1)
		config := keyIndexConfig{
			sealAt:     rapid.IntRange(1, 12).Draw(rt, "sealAt"),
			spanMax:    int64(rapid.IntRange(5, 60).Draw(rt, "spanMax")),
			fanIn:      rapid.IntRange(2, 4).Draw(rt, "fanIn"),
			pageKeys:   rapid.IntRange(1, 5).Draw(rt, "pageKeys"),
			pageBlocks: rapid.IntRange(1, 3).Draw(rt, "pageBlocks"),
			stepPages:  rapid.IntRange(1, 6).Draw(rt, "stepPages"),
			memory:     rapid.SampledFrom([]int64{0, 150, 700, 1 << 20}).Draw(rt, "memory"),
			hash: rapid.SampledFrom([]func(int64, string) uint64{nil, nil, crowdedHash, lowHash}).
				Draw(rt, "hash"),
		}
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		h, err := newKeyHarness(dir, config)
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { h.close() }()
		rt.Repeat(keyActions(h, &crashes))
		if err := h.checkAll(); err != nil {
			rt.Fatal(err)
		}
		for _, run := range h.index.state.runs {
			if run.level > 0 {
				merges.Add(1)
			}
		}
		seals.Add(int64(len(h.index.state.runs)))
	})
	n := checks.Load()
	if seals.Load() < n/2 || merges.Load() < n/10 || crashes.Load() < n/2 {
		t.Errorf("the machine reached: got %d runs, %d of them merged, and %d crashes in %d checks; want at least %d, %d and %d",
			seals.Load(), merges.Load(), crashes.Load(), n, n/2, n/10, n/2)
	}
}

func keyActions(h *keyHarness, crashes *atomic.Int64) map[string]func(*rapid.T) {
	do := func(action func() error) func(*rapid.T) {
		return func(rt *rapid.T) {
			if err := action(); err != nil {
				rt.Fatal(err)
			}
		}
	}
	transaction := func(rt *rapid.T) error {
		for range rapid.IntRange(0, 30).Draw(rt, "entries") {
			if err := h.add(drawKey(rt)); err != nil {
				return err
			}
		}
		return h.maintain()
	}
	return map[string]func(*rapid.T){
		"add": func(rt *rapid.T) {
			if err := h.add(drawKey(rt)); err != nil {
				rt.Fatal(err)
			}
		},
		"transaction": func(rt *rapid.T) {
			if err := errors.Join(transaction(rt), h.commit()); err != nil {
				rt.Fatal(err)
			}
		},
		"unfinished transaction": func(rt *rapid.T) {
			if err := transaction(rt); err != nil {
				rt.Fatal(err)
			}
		},
		"failing transaction": func(rt *rapid.T) {
			statement := rapid.IntRange(1, 20).Draw(rt, "statement")
			if err := h.fail(statement, func() error { return transaction(rt) }); err != nil {
				rt.Fatal(err)
			}
		},
		"crash in a transaction": func(rt *rapid.T) {
			crashes.Add(1)
			statement := rapid.IntRange(1, 20).Draw(rt, "statement")
			if err := h.crashIn(statement, func() error { return transaction(rt) }); err != nil {
				rt.Fatal(err)
			}
		},
		"commit":   do(h.commit),
		"rollback": do(h.rollback),
		"view":     do(func() error { return h.beginView() }),
		"end view": do(func() error { return h.endView() }),
		"crash": do(func() error {
			crashes.Add(1)
			return h.crash()
		}),
		"rebuild": do(func() error {
			if h.inside {
				return nil
			}
			return h.index.rebuild(h.writer)
		}),
		"": do(func() error { return h.checkStep() }),
	}
}

// drawKey draws an entry: mostly with a key, sometimes with one that was used
// before.
func drawKey(rt *rapid.T) ledgerKey {
	customer := int64(rapid.IntRange(1, 3).Draw(rt, "customer"))
	n := rapid.IntRange(-200, 2000).Draw(rt, "key")
	if n < 0 {
		return ledgerKey{customer: customer}
	}
	return ledgerKey{customer, fmt.Sprintf("k%d", n)}
}

var errPlanned = errors.New("planned failure")

// fail lets a writing statement of the index fail, and rolls back.
func (h *keyHarness) fail(statement int, action func() error) error {
	h.index.config.after = func() error {
		if statement--; statement == 0 {
			return errPlanned
		}
		return nil
	}
	err := action()
	h.index.config.after = nil
	if errors.Is(err, errPlanned) {
		return h.rollback()
	}
	return errors.Join(err, h.commit())
}

// crashIn tries a crash after a writing statement of the index, and commits.
func (h *keyHarness) crashIn(statement int, action func() error) error {
	h.index.config.after = func() error {
		if statement--; statement == 0 {
			return h.tryCrash()
		}
		return nil
	}
	err := action()
	h.index.config.after = nil
	return errors.Join(err, h.commit())
}

// TestKeyIndexCrashAtEveryStatement crashes after each writing statement of a
// history that seals and merges, and after each commit.
func TestKeyIndexCrashAtEveryStatement(t *testing.T) {
	t.Parallel()
	h, err := newKeyHarness(t.TempDir(), tinyKeyIndex())
	if err != nil {
		t.Fatal(err)
	}
	closeHarness(t, h)
	crashes := 0
	h.index.config.after = func() error {
		crashes++
		return h.tryCrash()
	}
	for n := range 16 {
		if err := h.post(n, 5); err != nil {
			t.Fatal(err)
		}
		if err := h.tryCrash(); err != nil {
			t.Fatal(err)
		}
	}
	if merged := slices.MaxFunc(h.index.state.runs, byLevel).level; crashes < 100 || merged < 2 {
		t.Errorf("got %d crashes inside of transactions and level %d, want at least 100 and 2", crashes, merged)
	}
}

func byLevel(a, b *keyRun) int { return cmp.Compare(a.level, b.level) }

// post commits a transaction of some new keys.
func (h *keyHarness) post(n, keys int) error {
	for i := range keys {
		if err := h.add(ledgerKey{int64(n), fmt.Sprintf("key %d", i)}); err != nil {
			return err
		}
	}
	if err := h.maintain(); err != nil {
		return err
	}
	return h.commit()
}

// TestKeyIndexFailAtEveryStatement lets each writing statement of a history
// fail once: after the rollback nothing has changed, and the work gets done
// later.
func TestKeyIndexFailAtEveryStatement(t *testing.T) {
	t.Parallel()
	h, err := newKeyHarness(t.TempDir(), tinyKeyIndex())
	if err != nil {
		t.Fatal(err)
	}
	closeHarness(t, h)
	failures := 0
	for n := range 30 {
		for statement := 1; ; statement++ {
			before := len(h.committed)
			if err := h.fail(statement, func() error { return h.addAndMaintain(n) }); err != nil {
				t.Fatal(err)
			}
			if err := h.checkAll(); err != nil {
				t.Fatalf("transaction %d, statement %d: %v", n, statement, err)
			}
			if len(h.committed) > before {
				break
			}
			failures++
		}
	}
	if failures < 100 {
		t.Errorf("got %d failures, want at least 100", failures)
	}
	if err := errors.Join(h.settle(), h.checkAll()); err != nil {
		t.Error(err)
	}
	if got := len(h.index.state.runs); got > 6 {
		t.Errorf("got %d runs in the end, want at most one for each of 6 levels", got)
	}
}

func (h *keyHarness) addAndMaintain(n int) error {
	for i := range 3 {
		if err := h.add(ledgerKey{int64(n), fmt.Sprintf("key %d", i)}); err != nil {
			return err
		}
	}
	return h.maintain()
}

// TestKeyIndexHash fixes the hash, which was computed with another program: the
// same key hashes alike after every start, and what makes a key a different one makes its hash different.
func TestKeyIndexHash(t *testing.T) {
	t.Parallel()
	x := &keyIndex{secret: testSecret}
	other := &keyIndex{secret: [32]byte{9}}
	const want = 0x18e7526e0bda5f18
	if got := x.hash(7, "key"); got != want {
		t.Errorf("hash(7, key) got %#x, want %#x", got, uint64(want))
	}
	for name, got := range map[string]uint64{
		"another customer": x.hash(8, "key"),
		"another key":      x.hash(7, "key "),
		"another secret":   other.hash(7, "key"),
	} {
		if got == want {
			t.Errorf("%s got the same hash", name)
		}
	}
}

// TestKeyIndexRareKeys holds what a start must read when few entries have keys.
func TestKeyIndexRareKeys(t *testing.T) {
	t.Parallel()
	config := tinyKeyIndex()
	h, err := newKeyHarness(t.TempDir(), config)
	if err != nil {
		t.Fatal(err)
	}
	closeHarness(t, h)
	for n := range 2000 {
		k := ledgerKey{customer: 1}
		if n < 1000 && n%50 == 0 {
			k.key = fmt.Sprint(n)
		}
		if err := errors.Join(h.add(k), h.maintain(), h.commit()); err != nil {
			t.Fatal(err)
		}
	}
	const lookEvery, margin = 64, 10
	if got, want := h.index.work.sealed, int64(2000)-2*lookEvery-config.spanMax-margin; got < want {
		t.Errorf("the mark stands at entry %d of 2000, want at least %d", got, want)
	}
	if err := errors.Join(h.checkAll(), h.crash(), h.checkAll()); err != nil {
		t.Error(err)
	}
}

// TestKeyIndexStageOrder shows that entries out of order, over which the mark
// could pass, stop the transaction.
func TestKeyIndexStageOrder(t *testing.T) {
	t.Parallel()
	h, err := newKeyHarness(t.TempDir(), tinyKeyIndex())
	if err != nil {
		t.Fatal(err)
	}
	closeHarness(t, h)
	if err := h.add(ledgerKey{1, "a"}); err != nil {
		t.Fatal(err)
	}
	h.index.stage(1, 1)
	if err := h.maintain(); err == nil {
		t.Error("maintain after an entry was staged twice got no error, want one")
	}
	if err := errors.Join(h.rollback(), h.post(1, 3), h.checkAll()); err != nil {
		t.Error(err)
	}
}

// TestKeyIndexMemory holds the limit of what filters and directories take.
func TestKeyIndexMemory(t *testing.T) {
	t.Parallel()
	for _, limit := range []int64{0, 300, 3000} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			t.Parallel()
			config := tinyKeyIndex()
			config.memory = limit
			h, err := newKeyHarness(t.TempDir(), config)
			if err != nil {
				t.Fatal(err)
			}
			closeHarness(t, h)
			for n := range 200 {
				if err := h.post(n, 3); err != nil {
					t.Fatal(err)
				}
				if got := h.index.resident(); got > limit {
					t.Fatalf("after %d transactions got %d bytes in memory, want at most %d", n+1, got, limit)
				}
			}
			if err := errors.Join(h.checkAll(), h.crash(), h.settle(), h.checkAll()); err != nil {
				t.Fatal(err)
			}
			if got := h.index.resident(); got > limit {
				t.Errorf("after a start got %d bytes in memory, want at most %d", got, limit)
			}
		})
	}
}

// TestKeyIndexLongCatchUp opens an index that is far behind, as after a rebuild
// that was cut short.
func TestKeyIndexLongCatchUp(t *testing.T) {
	t.Parallel()
	h, err := newKeyHarness(t.TempDir(), tinyKeyIndex())
	if err != nil {
		t.Fatal(err)
	}
	closeHarness(t, h)
	for n := range 100 {
		if err := h.post(n, 5); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(dropRuns(h.writer), h.crash(), h.checkAll()); err != nil {
		t.Fatal(err)
	}
	if frozen, most := len(h.index.state.windows)-1, 8; frozen > most {
		t.Errorf("got %d frozen windows after the start, want at most %d", frozen, most)
	}
	if err := errors.Join(dropRuns(h.writer), run(h.writer, "begin")); err != nil {
		t.Fatal(err)
	}
	reading, err := openKeyIndexWith(h.writer, testSecret, h.config)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(reading.state.runs); got != 0 {
		t.Errorf("inside of a transaction got %d runs written, want none", got)
	}
	if err := errors.Join(run(h.writer, "rollback"), reading.check(h.reader)); err != nil {
		t.Error(err)
	}
}
