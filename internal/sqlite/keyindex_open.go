package sqlite

import (
	"errors"
	"fmt"
	"slices"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// load reads the runs' rows and the ledger's keys above the mark.
func (x *keyIndex) load(conn *sqlite.Conn) error {
	mayWrite := conn.AutocommitEnabled()
	keysMax := 8 * x.config.sealAt
	if !mayWrite {
		keysMax = -1
	}
	more, err := x.loadCommitted(conn, keysMax)
	for err == nil && more {
		if err = x.sealAll(conn); err == nil {
			more, err = x.readLedger(conn, keysMax)
		}
	}
	return err
}

// loadCommitted reads everything in one read transaction. It does not use
// sqlitex.Save, which panics when a damaged file cannot be rolled back.
func (x *keyIndex) loadCommitted(conn *sqlite.Conn, keysMax int) (more bool, err error) {
	if err := run(conn, "savepoint load"); err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, run(conn, "release load")) }()
	if err := x.loadRuns(conn); err != nil {
		return false, err
	}
	stmt, err := conn.Prepare("select sealed from key_mark where no = 1")
	if err != nil {
		return false, err
	}
	if x.work.sealed, err = single(stmt); err != nil {
		return false, err
	}
	x.work.last = x.work.sealed
	return x.readLedger(conn, keysMax)
}

// loadRuns reads the runs' rows. Runs that were not complete when the program
// stopped are dead.
func (x *keyIndex) loadRuns(conn *sqlite.Conn) error {
	w := &x.work
	stmt, err := conn.Prepare("select no, state, level, keys, blocks, root from key_runs order by no")
	if err != nil {
		return err
	}
	var runs []*keyRun
	for {
		found, err := stmt.Step()
		if err != nil {
			return err
		}
		if !found {
			break
		}
		run := &keyRun{
			no:     stmt.ColumnInt64(0),
			level:  stmt.ColumnInt(2),
			keys:   stmt.ColumnInt64(3),
			blocks: uint64(stmt.ColumnInt64(4)),
		}
		w.nextRun = run.no + 1
		if stmt.ColumnText(1) != "live" {
			w.dead = append(w.dead, run.no)
			continue
		}
		root := make([]byte, stmt.ColumnLen(5))
		stmt.ColumnBytes(5, root)
		run.root = decodePairs(root, nil)
		runs = append(runs, run)
	}
	slices.SortFunc(runs, compareRuns)
	x.state = newKeyState(x.state.windows, runs)

	stmt, err = conn.Prepare(`select max(coalesce((select max(no) from key_pages), 0),
		coalesce((select max(first_page + pages - 1) from key_extents), 0)) + 1`)
	if err != nil {
		return err
	}
	w.nextPage, err = single(stmt)
	return err
}

// readLedger puts keyed entries after work.last into windows, at most so many
// when keysMax is not negative, and says whether there may be more.
func (x *keyIndex) readLedger(conn *sqlite.Conn, keysMax int) (more bool, err error) {
	// What this number covers is read below, so it is safe as a mark.
	end, err := lastEntry(conn)
	if err != nil {
		return false, err
	}
	keys := 0
	err = eachKeyedEntry(conn, x.work.last, keysMax, func(entry, customer int64, key string) error {
		x.state.open().add(keyPair{x.hash(customer, key), entry})
		x.work.last = entry
		keys++
		if x.state.open().count >= x.config.sealAt {
			x.freeze()
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("read the ledger's keys: %w", err)
	}
	if keys == keysMax {
		return true, nil
	}
	x.work.last = max(x.work.last, end)
	return false, nil
}

// eachKeyedEntry visits the entries with a key after a number, at most so many
// when limit is not negative.
func eachKeyedEntry(
	conn *sqlite.Conn, after int64, limit int, visit func(entry, customer int64, key string) error,
) error {
	stmt, err := conn.Prepare(`select no, customer, idempotency_key from ledger_entries
		where no > ? and idempotency_key is not null order by no limit ?`)
	if err != nil {
		return err
	}
	stmt.BindInt64(1, after)
	stmt.BindInt64(2, int64(limit))
	for {
		found, err := stmt.Step()
		if err != nil || !found {
			return err
		}
		if err := visit(stmt.ColumnInt64(0), stmt.ColumnInt64(1), stmt.ColumnText(2)); err != nil {
			return errors.Join(err, stmt.Reset())
		}
	}
}

// sealAll writes all frozen windows to runs, and merges what is due.
func (x *keyIndex) sealAll(conn *sqlite.Conn) error {
	const all = 1 << 28 // pages
	for len(x.state.windows) > 1 {
		if err := x.inTransaction(conn, func() error { return x.tidy(conn, all) }); err != nil {
			return err
		}
	}
	return nil
}

func (x *keyIndex) inTransaction(conn *sqlite.Conn, do func() error) (err error) {
	end, err := sqlitex.ImmediateTransaction(conn)
	if err != nil {
		return err
	}
	err = do()
	end(&err)
	if err != nil {
		x.rollback()
		return err
	}
	x.commit()
	return nil
}

// rebuild drops all runs and makes them again from the ledger. Readers wait
// until it is done. It runs in transactions of its own. When it fails with
// errHalfBuilt, the index must be opened again, which goes on where it stopped;
// otherwise nothing has changed.
func (x *keyIndex) rebuild(conn *sqlite.Conn) error {
	if !conn.AutocommitEnabled() {
		return errors.New("rebuild idempotency index: inside a transaction")
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := dropRuns(conn); err != nil {
		return fmt.Errorf("rebuild idempotency index: %w", err)
	}
	fresh, err := openKeyIndexWith(conn, x.secret, x.config)
	if err != nil {
		return fmt.Errorf("rebuild idempotency index: %w: %w", errHalfBuilt, err)
	}
	x.state, x.work = fresh.state, fresh.work
	return nil
}

var errHalfBuilt = errors.New("the old index is gone and the new one is not complete")

func dropRuns(conn *sqlite.Conn) (err error) {
	end, err := sqlitex.ImmediateTransaction(conn)
	if err != nil {
		return err
	}
	defer end(&err)
	return sqlitex.ExecuteScript(conn, `
		delete from key_pages;
		delete from key_extents;
		delete from key_runs;
		update key_mark set sealed = 0 where no = 1;
	`, nil)
}

// check looks up every keyed entry of the ledger and counts what the index
// holds. Conn is not in a transaction; it may be a reader's beside a committer.
func (x *keyIndex) check(conn *sqlite.Conn) error {
	view, err := x.view(conn, func() error { return run(conn, "begin") })
	if err == nil {
		err = view.check(conn)
	}
	if !conn.AutocommitEnabled() {
		err = errors.Join(err, run(conn, "rollback"))
	}
	if err != nil {
		return fmt.Errorf("check idempotency index: %w", err)
	}
	return nil
}

func (v keyView) check(conn *sqlite.Conn) error {
	var keys int64
	err := eachKeyedEntry(conn, 0, -1, func(entry, customer int64, key string) error {
		keys++
		found := false
		err := v.candidates(conn, v.index.hash(customer, key), func(candidate int64) (bool, error) {
			found = candidate == entry
			return !found, nil
		})
		if err == nil && !found {
			err = damaged("entry %d is not found by its key", entry)
		}
		return err
	})
	if err != nil {
		return err
	}
	return errors.Join(v.checkKeys(keys), checkPages(conn))
}

// checkKeys compares the number of keyed entries with what the view holds.
func (v keyView) checkKeys(want int64) error {
	var got int64
	v.index.mu.RLock()
	for _, window := range append(slices.Clone(v.state.windows), v.index.work.staged) {
		window.each(func(p keyPair) {
			if p.no <= v.last {
				got++
			}
		})
	}
	v.index.mu.RUnlock()
	for _, run := range v.state.runs {
		got += run.keys
	}
	if got != want {
		return damaged("it holds %d keys, the ledger %d", got, want)
	}
	return nil
}

// checkPages compares the pages that there are with those that runs own.
func checkPages(conn *sqlite.Conn) error {
	stmt, err := conn.Prepare(`select (select count(*) from key_pages) - coalesce(sum(pages), 0) from key_extents
		where run in (select no from key_runs)`)
	if err != nil {
		return err
	}
	extra, err := single(stmt)
	if err != nil {
		return err
	}
	if extra != 0 {
		return damaged("there are %d pages more than the runs own", extra)
	}
	return nil
}
