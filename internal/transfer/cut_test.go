package transfer_test

import (
	"context"
	"errors"
	"testing"

	"github.com/billfold/billfold/internal/pgtest"
	"github.com/billfold/billfold/internal/transfer"
)

// A copy of PostgreSQL through connections that are cut at their commits, before
// and after the server has it, comes to a whole end.
func TestConnectionsCut(t *testing.T) {
	t.Parallel()
	first, there, back := side{dir: smallInstallation(t)}, emptyDatabase(t), emptyDir(t)
	commits, cuts := 0, 0
	proxy := pgtest.NewProxy(t, cluster, func() pgtest.Cut {
		commits++
		if cuts >= *cutsFlag || commits%3 == 0 {
			return pgtest.CutNothing
		}
		cuts++
		return pgtest.Cut(1 + cuts%2)
	})
	through := side{url: proxy.URL(there.url)}
	for runs := 1; ; runs++ {
		report, err := transferring(t, first, through, nil)
		if err == nil {
			t.Logf("%d runs, %d cuts", runs, proxy.Cuts())
			if !report.Already && report.Entries == 0 {
				t.Errorf("report: got %+v, want entries", report)
			}
			break
		}
		if runs > 10**cutsFlag {
			t.Fatalf("run %d: got error %v, want it to come to an end", runs, err)
		}
	}
	if proxy.Cuts() == 0 {
		t.Error("no connection was cut")
	}
	// On the way back the connection is cut while it is read.
	n := 0
	_, err := transferring(t, through, back, func(target transfer.Target) transfer.Target {
		return cutter{target, func() {
			if n++; n == 3 {
				proxy.CloseAll()
			}
		}}
	})
	var interrupted *transfer.InterruptedError
	if !errors.As(err, &interrupted) {
		t.Errorf("a source that was cut: got error %v, want the copy interrupted", err)
	}
	mustTransfer(t, through, back)
	sameRows(t, first.dir, back.dir)
}

// cutter calls something before each write.
type cutter struct {
	transfer.Target
	before func()
}

func (c cutter) Write(ctx context.Context, table *transfer.Table, rows []transfer.Row, was, now transfer.Record) error {
	c.before()
	return c.Target.Write(ctx, table, rows, was, now)
}
