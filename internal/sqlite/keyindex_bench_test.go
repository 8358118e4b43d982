package sqlite

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// benchKeys drives an index without ledger rows: hash n belongs to entry n.
type benchKeys struct {
	conn  *sqlite.Conn
	index *keyIndex
	next  int64
}

func newBenchKeys(b *testing.B) *benchKeys {
	conn, err := newKeyDatabase(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	for _, pragma := range []string{"pragma synchronous = full", "pragma cache_size = -65536"} {
		if err := sqlitex.ExecuteTransient(conn, pragma, nil); err != nil {
			b.Fatal(err)
		}
	}
	index, err := openKeyIndex(conn, testSecret)
	if err != nil {
		b.Fatal(err)
	}
	return &benchKeys{conn: conn, index: index, next: 1}
}

// benchHash spreads numbers as the keyed hash does, for less.
func benchHash(n int64) uint64 {
	x := uint64(n) * 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// commit commits a transaction of so many new keys and returns how long the
// index's part of it took.
func (k *benchKeys) commit(b *testing.B, keys int) (index time.Duration) {
	if err := run(k.conn, "begin immediate"); err != nil {
		b.Fatal(err)
	}
	begin := time.Now()
	for range keys {
		k.index.stage(benchHash(k.next), k.next)
		k.next++
	}
	if err := k.index.maintain(k.conn); err != nil {
		b.Fatal(err)
	}
	index = time.Since(begin)
	if err := run(k.conn, "commit"); err != nil {
		b.Fatal(err)
	}
	begin = time.Now()
	k.index.commit()
	return index + time.Since(begin)
}

// BenchmarkKeyIndexAdd adds keys, 64 and 1,000 a transaction. One operation is
// one key, with begin, COMMIT and its sync, and checkpoints. The metrics are
// the index's own part: its share of each key, and how long it holds up one
// transaction.
func BenchmarkKeyIndexAdd(b *testing.B) {
	for _, keys := range []int{64, 1000} {
		b.Run(fmt.Sprintf("transaction=%d", keys), func(b *testing.B) {
			k := newBenchKeys(b)
			var pauses []time.Duration
			var sum time.Duration
			b.ResetTimer()
			for done := 0; done < b.N; done += keys {
				pause := k.commit(b, keys)
				pauses = append(pauses, pause)
				sum += pause
			}
			slices.Sort(pauses)
			at := func(share float64) float64 {
				return float64(pauses[int(share*float64(len(pauses)-1))].Microseconds())
			}
			b.ReportMetric(float64(sum.Nanoseconds())/float64(b.N), "index-ns/key")
			b.ReportMetric(at(0.5), "p50-µs/transaction")
			b.ReportMetric(at(0.99), "p99-µs/transaction")
			b.ReportMetric(at(0.999), "p999-µs/transaction")
			b.ReportMetric(at(1), "max-µs/transaction")
		})
	}
}

// BenchmarkKeyIndexLookUp looks keys up among ten million: unused ones, and
// ones of all ages.
func BenchmarkKeyIndexLookUp(b *testing.B) {
	const keys = 10_000_000
	k := newBenchKeys(b)
	if err := sqlitex.ExecuteTransient(k.conn, "pragma synchronous = off", nil); err != nil {
		b.Fatal(err)
	}
	for k.next <= keys {
		k.commit(b, 1000)
	}
	for !k.index.work.settled || len(k.index.work.builders) > 0 {
		k.commit(b, 0)
	}
	if err := run(k.conn, "begin"); err != nil {
		b.Fatal(err)
	}
	found := 0
	look := func(b *testing.B, n int64) {
		err := k.index.candidatesForCommitter(k.conn, benchHash(n), func(int64) (bool, error) {
			found++
			return false, nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.Run("unused", func(b *testing.B) {
		b.ReportMetric(float64(len(k.index.state.runs)), "runs")
		for i := range b.N {
			look(b, 1<<40+int64(i))
		}
	})
	b.Run("used", func(b *testing.B) {
		random := uint64(1)
		for range b.N {
			random = random*6364136223846793005 + 1442695040888963407
			look(b, 1+int64(random>>33)%keys)
		}
	})
	if found == 0 {
		b.Error("no key was found")
	}
}

// BenchmarkKeyIndexOpen opens an index of 1,000 runs and 100 million keys, of
// which only what opening reads exists, with a full window in the ledger.
func BenchmarkKeyIndexOpen(b *testing.B) {
	k := newBenchKeys(b)
	if err := k.fakeRuns(1000, 100_000); err != nil {
		b.Fatal(err)
	}
	open := func(b *testing.B) {
		for range b.N {
			if _, err := openKeyIndex(k.conn, testSecret); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("window=0", open)
	if err := run(k.conn, "begin"); err != nil {
		b.Fatal(err)
	}
	for n := range int64(defaultKeyIndexConfig().sealAt) {
		if err := insertKeyedEntry(k.conn, n+1, ledgerKey{n, fmt.Sprintf("order-%032d", n)}); err != nil {
			b.Fatal(err)
		}
	}
	if err := run(k.conn, "commit"); err != nil {
		b.Fatal(err)
	}
	b.Run("window=full", open)
}

func (k *benchKeys) fakeRuns(runs, keys int) error {
	pages := keys / keysPerPage / keysPerPage
	root := make([]byte, 0, pages*pairBytes)
	for page := range pages {
		root = binary.LittleEndian.AppendUint64(root, uint64(page)<<40)
		root = binary.LittleEndian.AppendUint64(root, uint64(page))
	}
	for range runs {
		err := sqlitex.Execute(k.conn, `insert into key_runs (state, level, keys, blocks, root, filter_pages)
			values ('live', 1, ?, ?, ?, x'')`, &sqlitex.ExecOptions{
			Args: []any{keys, int64(filterBlocks(int64(keys))), root},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkKeyIndexHash hashes a key of 36 characters.
func BenchmarkKeyIndexHash(b *testing.B) {
	x := &keyIndex{secret: testSecret}
	var sum uint64
	for i := range b.N {
		sum += x.hash(int64(i), "018f2f6e-7d1c-7cc3-98a5-3f4d5f8e2a01")
	}
	runtime.KeepAlive(sum)
}
