package sqlite

import (
	"cmp"
	"fmt"
	"slices"

	"zombiezen.com/go/sqlite"
)

// amplification is how many pages maintain may write for each page that the
// keys staged with it will fill: one for the seal, one for each level that the
// key will move through (five levels hold a thousand million keys), and some
// for directories and filters.
const amplification = 8

// maintain does a bounded part of the work that is due, in the running
// transaction and after its keys were staged: it seals, merges, deletes pages
// of replaced runs and brings filters to memory. After an error the caller
// must roll back.
func (x *keyIndex) maintain(conn *sqlite.Conn) error {
	w := &x.work
	if w.misuse != nil {
		return w.misuse
	}
	const lookEvery = 64
	if w.calls++; w.calls%lookEvery == 0 {
		if err := x.lookAtEnd(conn); err != nil {
			return fmt.Errorf("maintain idempotency index: %w", err)
		}
	}
	pages := max(x.config.stepPages, w.staged.count*amplification/x.config.pageKeys)
	if err := x.tidy(conn, pages); err != nil {
		return fmt.Errorf("maintain idempotency index: %w", err)
	}
	return nil
}

// lookAtEnd learns how far the ledger has grown. Entries without a key are not
// staged, and where there are many of them the mark must move all the same, or
// opening the index would read them all.
func (x *keyIndex) lookAtEnd(conn *sqlite.Conn) (err error) {
	w := &x.work
	if w.pending.last, err = lastEntry(conn); err != nil {
		return err
	}
	empty := len(x.state.windows) == 1 && x.state.open().count == 0
	if empty && w.last-w.sealed >= x.config.spanMax {
		return x.moveMark(conn, w.last)
	}
	return nil
}

func lastEntry(conn *sqlite.Conn) (int64, error) {
	stmt, err := conn.Prepare("select coalesce(max(no), 0) from ledger_entries")
	if err != nil {
		return 0, err
	}
	return single(stmt)
}

// single returns the one number that a statement selects.
func single(stmt *sqlite.Stmt) (int64, error) {
	found, err := stmt.Step()
	if err != nil {
		return 0, err
	}
	if !found {
		return 0, fmt.Errorf("no row for a statement that has one")
	}
	n := stmt.ColumnInt64(0)
	return n, stmt.Reset()
}

// tidy spends pages on building, as many on deleting, and some more, because
// they cost little, on loading.
func (x *keyIndex) tidy(conn *sqlite.Conn, pages int) error {
	if err := x.build(conn, pages); err != nil {
		return err
	}
	if err := x.bury(conn, pages); err != nil {
		return err
	}
	return x.bringToMemory(conn, 4*pages)
}

// build steps the builders: the seal first, and then short merges before long
// ones, so that runs do not pile up behind a long merge.
func (x *keyIndex) build(conn *sqlite.Conn, pages int) error {
	w := &x.work
	for pages > 0 {
		x.plan()
		if len(w.builders) == 0 {
			return nil
		}
		b := w.builders[0]
		first := w.nextPage
		done, err := b.step(conn, x, pages)
		if err != nil {
			return err
		}
		pages -= int(w.nextPage - first)
		if done {
			w.builders = slices.Delete(w.builders, 0, 1)
			w.pending.done = append(w.pending.done, b)
			w.planned = nil
		}
	}
	return nil
}

// plan adds builders for all that may be begun. It has nothing to do until the
// state changes or a builder is done.
func (x *keyIndex) plan() {
	w := &x.work
	if w.planned == x.state {
		return
	}
	w.planned = x.state
	if frozen := x.nextFrozen(); frozen != nil {
		w.builders = append(w.builders, x.newBuilder(0, int64(frozen.count), frozen, nil))
	}
	free := map[int][]*keyRun{}
	for _, run := range x.state.runs {
		if !w.merging[run.no] {
			free[run.level] = append(free[run.level], run)
		}
	}
	for level, runs := range free {
		building := slices.ContainsFunc(w.builders, func(b *keyBuilder) bool { return b.result.level == level+1 })
		if building || len(runs) < x.config.fanIn {
			continue
		}
		slices.SortFunc(runs, func(a, b *keyRun) int { return cmp.Compare(a.no, b.no) })
		inputs := runs[:x.config.fanIn]
		var keys int64
		for _, input := range inputs {
			w.merging[input.no] = true
			keys += input.keys
		}
		w.builders = append(w.builders, x.newBuilder(level+1, keys, nil, inputs))
	}
	slices.SortStableFunc(w.builders, func(a, b *keyBuilder) int { return cmp.Compare(a.result.level, b.result.level) })
}

// nextFrozen returns the oldest frozen window that no builder has sealed, nil
// when there is none or while another one is being sealed: the mark can only
// move over one window after the other.
func (x *keyIndex) nextFrozen() *keyWindow {
	sealing := func(b *keyBuilder) bool { return b.window != nil }
	if slices.ContainsFunc(x.work.builders, sealing) {
		return nil
	}
	for _, window := range x.state.windows[:len(x.state.windows)-1] {
		sealed := func(b *keyBuilder) bool { return b.window == window }
		if !slices.ContainsFunc(x.work.pending.done, sealed) {
			return window
		}
	}
	return nil
}

// bury deletes up to so many pages of dead runs, and a dead run's row after its
// last page.
func (x *keyIndex) bury(conn *sqlite.Conn, pages int) error {
	w := &x.work
	for pages > 0 && w.pending.buried < len(w.dead) {
		run := w.dead[w.pending.buried]
		first, owned, err := firstExtent(conn, run)
		if err != nil {
			return err
		}
		if owned == 0 {
			if err := x.deleteWhere(conn, "delete from key_runs where no = ?", run); err != nil {
				return err
			}
			w.pending.buried++
			continue
		}
		gone := min(owned, int64(pages))
		if err := x.deleteWhere(conn, "delete from key_pages where no between ? and ?", first, first+gone-1); err != nil {
			return err
		}
		if err := x.deleteWhere(conn, "delete from key_extents where run = ? and first_page = ?", run, first); err != nil {
			return err
		}
		if gone < owned {
			if err := x.writeExtent(conn, run, first+gone, owned-gone); err != nil {
				return err
			}
		}
		pages -= int(gone)
	}
	return nil
}

func (x *keyIndex) deleteWhere(conn *sqlite.Conn, query string, parameters ...int64) error {
	stmt, err := conn.Prepare(query)
	if err != nil {
		return err
	}
	for i, parameter := range parameters {
		stmt.BindInt64(i+1, parameter)
	}
	return x.step(stmt)
}

// firstExtent returns a run's first extent, of 0 pages when it owns none.
func firstExtent(conn *sqlite.Conn, run int64) (first, pages int64, err error) {
	stmt, err := conn.Prepare("select first_page, pages from key_extents where run = ? order by first_page limit 1")
	if err != nil {
		return 0, 0, err
	}
	stmt.BindInt64(1, run)
	found, err := stmt.Step()
	if err != nil || !found {
		return 0, 0, err
	}
	first, pages = stmt.ColumnInt64(0), stmt.ColumnInt64(1)
	return first, pages, stmt.Reset()
}

// bringToMemory reads up to so many pages of directories and filters that may
// be in memory and are not, those of short runs first: each run without its
// filter costs every look-up the same.
func (x *keyIndex) bringToMemory(conn *sqlite.Conn, pages int) error {
	w := &x.work
	if w.settled || w.loaded != nil {
		return nil
	}
	if w.loading == nil {
		for i, grant := range x.grants(x.state.runs) {
			run := x.state.runs[i]
			if grant.leaves && run.leaves == nil || grant.filter && run.filter == nil {
				empty := *run
				empty.leaves, empty.filter = nil, nil
				w.loading = &keyLoader{run: &empty, wantFilter: grant.filter}
				break
			}
		}
	}
	if w.loading == nil {
		w.settled = true
		return nil
	}
	done, err := w.loading.step(conn, pages)
	if done {
		w.loaded, w.loading = w.loading.run, nil
	}
	return err
}
