package sqlite

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"zombiezen.com/go/sqlite"
)

// TestKeyIndexReadersBesideCommitter lets readers look keys up while the
// committer seals and merges.
func TestKeyIndexReadersBesideCommitter(t *testing.T) {
	t.Parallel()
	h, err := newKeyHarness(t.TempDir(), tinyKeyIndex())
	if err != nil {
		t.Fatal(err)
	}
	closeHarness(t, h)
	var acknowledged atomic.Int64
	var stop atomic.Bool
	var group sync.WaitGroup
	var views atomic.Int64
	for reader := range 2 {
		conn, err := openKeyDatabase(h.dir, sqlite.OpenReadOnly)
		if err != nil {
			t.Fatal(err)
		}
		random := rand.New(rand.NewPCG(uint64(reader), 0))
		group.Go(func() {
			defer func() {
				if err := conn.Close(); err != nil {
					t.Error(err)
				}
			}()
			for !stop.Load() {
				if err := readSome(h.index, conn, &acknowledged, random); err != nil {
					t.Error(err)
					return
				}
				views.Add(1)
			}
		})
	}
	for n := 0; n < 500 || views.Load() < 200 && !t.Failed(); n++ {
		if err := h.post(n, 1+n%4); err != nil {
			t.Error(err)
			break
		}
		acknowledged.Store(int64(len(h.committed)))
	}
	stop.Store(true)
	group.Wait()
	if err := h.checkAll(); err != nil {
		t.Error(err)
	}
}

// readSome looks up entries of all ages that the reader's transaction sees,
// through a view or through read.
func readSome(x *keyIndex, conn *sqlite.Conn, acknowledged *atomic.Int64, random *rand.Rand) error {
	least := acknowledged.Load()
	if random.IntN(2) == 0 {
		return x.read(func() error {
			return inReadTransaction(conn, func(conn *sqlite.Conn) error {
				last, err := lastEntry(conn)
				if err != nil {
					return err
				}
				return lookUpSome(x, conn, least, last, random, x.candidates)
			})
		})
	}
	view, err := x.view(conn, func() error { return run(conn, "begin") })
	if err != nil {
		return err
	}
	err = lookUpSome(x, conn, least, view.last, random, view.candidates)
	return errors.Join(err, run(conn, "rollback"))
}

func lookUpSome(
	x *keyIndex, conn *sqlite.Conn, least, last int64, random *rand.Rand,
	candidates func(conn *sqlite.Conn, hash uint64, yield func(int64) (bool, error)) error,
) error {
	if last < least {
		return fmt.Errorf("got entries up to %d, want at least those acknowledged before, up to %d", last, least)
	}
	for range min(20, last) {
		entry := 1 + random.Int64N(last)
		if random.IntN(4) == 0 {
			entry = last - random.Int64N(min(5, last))
		}
		err := eachKeyedEntry(conn, entry-1, 1, func(no, customer int64, key string) error {
			found := 0
			err := candidates(conn, x.hash(customer, key), func(candidate int64) (bool, error) {
				if candidate == no {
					found++
				}
				return true, nil
			})
			if err == nil && found != 1 {
				err = fmt.Errorf("entry %d of %d was found got %d times, want once", no, last, found)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
