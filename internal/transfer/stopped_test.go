package transfer_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/billfold/billfold/internal/transfer"
)

// counting stops a run at its fourth write.
type counting struct {
	transfer.Target
	writes *int
}

func (c counting) Write(
	ctx context.Context, table *transfer.Table, rows []transfer.Row, was, now transfer.Record,
) error {
	if *c.writes++; *c.writes == 4 {
		return errStopped
	}
	return c.Target.Write(ctx, table, rows, was, now)
}

// stopper ends a run before, in the middle of, or after a write.
type stopper struct {
	transfer.Target
	random *rand.Rand
	stops  *int
}

var errStopped = errors.New("stopped by the test")

func (s stopper) Write(
	ctx context.Context, table *transfer.Table, rows []transfer.Row, was, now transfer.Record,
) error {
	at := s.random.IntN(6)
	if at == 0 {
		*s.stops++
		return errStopped
	}
	if at == 1 {
		// A row that no store takes: all of the batch must go.
		*s.stops++
		broken := append(append([]transfer.Row{}, rows...), make(transfer.Row, len(table.Columns)))
		if err := s.Target.Write(ctx, table, broken, was, now); err == nil {
			return errors.New("a row of nothing was taken")
		}
		return errStopped
	}
	err := s.Target.Write(ctx, table, rows, was, now)
	if err == nil && at == 2 {
		*s.stops++
		return errStopped
	}
	return err
}

// A copy that was stopped anywhere goes on, cannot be used before it is whole,
// and comes to the same end.
func TestStoppedAnywhere(t *testing.T) {
	t.Parallel()
	first, there, back := side{dir: installation(t)}, emptyDatabase(t), emptyDir(t)
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	stopAndGoOn(t, "to PostgreSQL", seed, random, first, there)
	stopAndGoOn(t, "from PostgreSQL", seed, random, there, back)
	sameRows(t, first.dir, back.dir)
}

func stopAndGoOn(t *testing.T, name string, seed uint64, random *rand.Rand, from, to side) {
	t.Helper()
	stops, runs := 0, 0
	for {
		runs++
		enough := stops >= *cutsFlag
		_, err := transferring(t, from, to, func(target transfer.Target) transfer.Target {
			if enough {
				return target
			}
			return stopper{target, random, &stops}
		})
		if err == nil {
			break
		}
		var interrupted *transfer.InterruptedError
		if !errors.Is(err, errStopped) || !errors.As(err, &interrupted) {
			t.Fatalf("%s: seed %d: got error %v, want it to stop only where the test stops it", name, seed, err)
		}
		wantUnfinished(t, to)
	}
	t.Logf("%s: seed %d, stops %d, runs %d", name, seed, stops, runs)
	if stops == 0 {
		t.Errorf("%s: the copy was never stopped", name)
	}
}

// wantUnfinished wants a target that nobody can use.
func wantUnfinished(t *testing.T, to side) {
	t.Helper()
	var unfinished *transfer.UnfinishedError
	if err := tryOpen(t, to); !errors.As(err, &unfinished) || !strings.Contains(err.Error(), "run the same `billfold copy` again") {
		t.Errorf("open an unfinished copy: got error %v, want it refused with what to do", err)
	}
	if _, closeSource, err := to.openSource(t); !errors.As(err, &unfinished) {
		if err == nil {
			closing(t, "source", closeSource)
		}
		t.Errorf("copy an unfinished copy: got error %v, want it refused", err)
	}
}
