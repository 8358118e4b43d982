package transfer_test

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/transfer"
)

// long is a source of very many entries and nothing else, which counts how many
// were read and not yet written.
type long struct {
	entries int
	reason  string // of each entry
	waiting atomic.Int64
	most    int64
}

func (l *long) Installation(context.Context) (transfer.Installation, error) {
	return transfer.Installation{SecretCheck: secretCheck}, nil
}

func (l *long) Confirm(context.Context) error { return nil }

func (l *long) Count(_ context.Context, table *transfer.Table) (int64, error) {
	if table == transfer.Entries {
		return int64(l.entries), nil
	}
	return 0, nil
}

func (l *long) Read(_ context.Context, table *transfer.Table, _ transfer.Place) iter.Seq2[transfer.Item, error] {
	return func(yield func(transfer.Item, error) bool) {
		for i := range l.entries {
			if table != transfer.Entries {
				return
			}
			row := make(transfer.Row, len(table.Columns))
			row[0], row[table.Index("reason")] = fmt.Sprintf("cus_%d", i), l.reason
			l.most = max(l.most, l.waiting.Add(1))
			if !yield(transfer.Item{Row: row, Place: transfer.Place{int64(i)}}, nil) {
				return
			}
		}
	}
}

// sink is a target that keeps nothing and takes its time.
type sink struct {
	*long
	written int
}

func (s *sink) Record(context.Context) (*transfer.Record, error)                    { return nil, nil }
func (s *sink) Begin(context.Context, transfer.Installation, transfer.Record) error { return nil }
func (s *sink) Settle(context.Context) error                                        { return nil }
func (s *sink) Finish(context.Context, time.Time) error                             { return nil }
func (s *sink) Write(_ context.Context, _ *transfer.Table, rows []transfer.Row, _, _ transfer.Record) error {
	time.Sleep(2 * time.Millisecond) // a reader that does not wait is far ahead by then
	s.written += len(rows)
	s.waiting.Add(-int64(len(rows)))
	return nil
}

// However many entries there are, and however slow the target is, few of them are
// in memory at once.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		entries int
		reason  string
		most    int64
	}{
		{300_000, "", 4 * 10_000},
		{20_000, string(make([]byte, 64<<10)), 4*128 + 4},
	} {
		source := &long{entries: test.entries, reason: test.reason}
		target := &sink{long: source}
		count := func(context.Context) (int64, error) { return int64(test.entries), nil }
		_, err := transfer.Run(t.Context(), source, target, transfer.Options{VerifySource: count, VerifyTarget: count})
		must(t, err)
		if target.written != test.entries {
			t.Errorf("written: got %d entries, want %d", target.written, test.entries)
		}
		if source.most > test.most {
			t.Errorf("entries in memory: got %d of %d bytes, want at most %d", source.most, len(test.reason), test.most)
		}
	}
}
