package sqlite

import (
	"errors"
	"fmt"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// TestKeyIndexTeeth plants one fault after the other and shows that the checks,
// which the other tests trust, find it.
func TestKeyIndexTeeth(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]func(*keyHarness) error{
		"a page is gone": script(`delete from key_pages where no =
			(select first_page from key_extents order by pages desc limit 1)`),
		"a page is damaged": script(`update key_pages set
			data = cast(substr(data, 1, 20) || x'ff' || substr(data, 22) as blob)
			where length(data) >= 24 and no in (select first_page from key_extents)`),
		"pages are cut short": script(`update key_pages set data = substr(data, 1, length(data) - 16)
			where no in (select first_page from key_extents)`),
		"a page holds another run's": script(`update key_pages set data =
			(select other.data from key_pages as other where other.no = (select max(first_page) from key_extents))
			where no in (select first_page from key_extents) and no <> (select max(first_page) from key_extents)`),
		"a page holds another page's": script(`update key_pages set data = (select other.data from key_pages as other
			where other.no = key_pages.no + 1)
			where no in (select first_page from key_extents where pages > 1)`),
		"a run is forgotten": script(`delete from key_runs where no = (select max(no) from key_runs where state = 'live')`),
		"a run is dead too early": script(`update key_runs set state = 'dead'
			where no = (select min(no) from key_runs where state = 'live')`),
		"a replaced run is live again": script(`update key_runs set state = 'live' where state = 'dead'`),
		"the mark is one too high":     script(`update key_mark set sealed = sealed + 1`),
		"the mark is too low":          script(`update key_mark set sealed = sealed - 4`),
		"a page belongs to nobody":     script(`insert into key_pages (data) values (x'00')`),
		"a switch forgets its run":     forgetAtSwitch,
		"pages go before the publish":  deleteBeforePublish,
		"a rolled back key stays":      publishRolledBack,
		"a view of another moment":     viewTooLate,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, err := newKeyHarness(t.TempDir(), tinyKeyIndex())
			if err != nil {
				t.Fatal(err)
			}
			closeHarness(t, h)
			for n := range 31 {
				if err := h.post(n, 4); err != nil {
					t.Fatal(err)
				}
			}
			if err := h.checkAll(); err != nil {
				t.Fatalf("before the fault: %v", err)
			}
			if err := plant(h); err != nil {
				t.Fatal(err)
			}
			err = h.checkAll()
			t.Logf("found: %v", err)
			if err == nil {
				t.Error("the check found nothing, want an error")
			}
		})
	}
}

// script damages the file, after which the index is opened again.
func script(query string) func(*keyHarness) error {
	return func(h *keyHarness) error {
		if err := sqlitex.ExecuteScript(h.writer, query, nil); err != nil {
			return err
		}
		if h.writer.Changes() == 0 {
			return errors.New("the script changed no row")
		}
		return h.crash()
	}
}

// untilMerged posts until a transaction has switched to a merged run, and stops
// before its COMMIT.
func (h *keyHarness) untilMerged() (*keyBuilder, error) {
	for n := 1000; ; n++ {
		if err := h.addAndMaintain(n); err != nil {
			return nil, err
		}
		for _, b := range h.index.work.pending.done {
			if len(b.inputs) > 0 {
				return b, nil
			}
		}
		if err := h.commit(); err != nil {
			return nil, err
		}
	}
}

func forgetAtSwitch(h *keyHarness) error {
	b, err := h.untilMerged()
	if err != nil {
		return err
	}
	if err := h.commit(); err != nil {
		return err
	}
	var kept []*keyRun
	for _, run := range h.index.state.runs {
		if run.no != b.result.no {
			kept = append(kept, run)
		}
	}
	h.index.state = newKeyState(h.index.state.windows, kept)
	return nil
}

// deleteBeforePublish deletes the pages of merged runs in the transaction that
// replaces them. A reader that comes between its COMMIT and the publish has the
// old list of runs and the new file.
func deleteBeforePublish(h *keyHarness) error {
	b, err := h.untilMerged()
	if err != nil {
		return err
	}
	for _, input := range b.inputs {
		h.index.work.dead = append(h.index.work.dead, input.no)
	}
	if err := h.index.bury(h.writer, 1<<30); err != nil {
		return err
	}
	return h.commitUnpublished()
}

// commitUnpublished commits the file's part of a transaction only.
func (h *keyHarness) commitUnpublished() error {
	h.inside = false
	h.committed, h.staged = append(h.committed, h.staged...), nil
	return run(h.writer, "commit")
}

// TestKeyIndexBeforePublish is what deleteBeforePublish breaks: between COMMIT
// and publish a reader finds everything that it sees.
func TestKeyIndexBeforePublish(t *testing.T) {
	t.Parallel()
	h, err := newKeyHarness(t.TempDir(), tinyKeyIndex())
	if err != nil {
		t.Fatal(err)
	}
	closeHarness(t, h)
	for range 10 {
		if _, err := h.untilMerged(); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(h.commitUnpublished(), h.checkAll()); err != nil {
			t.Fatal(err)
		}
		h.index.commit()
		if err := h.checkAll(); err != nil {
			t.Fatal(err)
		}
	}
}

func publishRolledBack(h *keyHarness) error {
	if err := h.addAndMaintain(2000); err != nil {
		return err
	}
	h.inside = false
	h.forget()
	err := run(h.writer, "rollback")
	h.index.commit()
	return err
}

// viewTooLate begins the reader's transaction before the lock and not under it.
func viewTooLate(h *keyHarness) error {
	if err := run(h.reader, "begin"); err != nil {
		return err
	}
	if _, err := lastEntry(h.reader); err != nil {
		return err
	}
	h.viewSees = len(h.committed)
	if _, err := h.untilMerged(); err != nil {
		return err
	}
	if err := h.commit(); err != nil {
		return err
	}
	view, err := h.index.view(h.reader, func() error { return nil })
	h.view, h.viewing = view, true
	return err
}

// TestKeyIndexRebuild repairs what is damaged.
func TestKeyIndexRebuild(t *testing.T) {
	t.Parallel()
	h, err := newKeyHarness(t.TempDir(), tinyKeyIndex())
	if err != nil {
		t.Fatal(err)
	}
	closeHarness(t, h)
	for n := range 40 {
		if err := h.post(n, 4); err != nil {
			t.Fatal(err)
		}
	}
	if err := sqlitex.ExecuteScript(h.writer, "delete from key_pages where no % 3 = 0", nil); err != nil {
		t.Fatal(err)
	}
	if err := h.checkAll(); err == nil {
		t.Fatal("the check found nothing, want an error")
	}
	if err := h.index.rebuild(h.writer); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(h.checkAll(), h.post(100, 9), h.checkAll(), h.crash(), h.checkAll()); err != nil {
		t.Error(err)
	}
	if err := run(h.writer, "begin"); err != nil {
		t.Fatal(err)
	}
	if err := h.index.rebuild(h.writer); err == nil {
		t.Error("rebuild inside of a transaction got no error, want one")
	}
	if err := errors.Join(run(h.writer, "rollback"), h.checkAll()); err != nil {
		t.Error(err)
	}
}

// TestKeyIndexPagesAreReused holds the file's size: what merges replace is
// deleted, so the pages are those of the live runs and of what is being built.
func TestKeyIndexPagesAreReused(t *testing.T) {
	t.Parallel()
	h, err := newKeyHarness(t.TempDir(), tinyKeyIndex())
	if err != nil {
		t.Fatal(err)
	}
	closeHarness(t, h)
	for n := range 300 {
		if err := h.post(n, 3); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.settle(); err != nil {
		t.Fatal(err)
	}
	const query = `select count(*) from key_pages where not exists (select 1 from key_extents join key_runs
		on key_runs.no = run where state = 'live' and key_pages.no between first_page and first_page + pages - 1)`
	extra, err := countRows(h.writer, query)
	if err != nil {
		t.Fatal(err)
	}
	if extra != 0 {
		t.Errorf("got %d pages that no live run owns, want none", extra)
	}
	if dead, err := countRows(h.writer, "select count(*) from key_runs where state <> 'live'"); err != nil || dead != 0 {
		t.Errorf("got %d runs that are not live (error %v), want none", dead, err)
	}
}

func countRows(conn *sqlite.Conn, query string) (int64, error) {
	stmt, err := conn.Prepare(query)
	if err != nil {
		return 0, fmt.Errorf("count: %w", err)
	}
	return single(stmt)
}
