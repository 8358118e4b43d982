package verify

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// readProgress reads up to where the entries of a file are in the roll-ups.
func (f *file) readProgress() (r *rollups, err error) {
	r = newRollups()
	r.all, err = f.number(`select max(through) from report_progress`)
	return r, err
}

// readRollups holds the roll-ups of a file against the entries, which were all read.
func (f *file) readRollups(ctx context.Context, c *checker) error {
	each := func(query string, row func(stmt *sqlite.Stmt)) error {
		return sqlitex.ExecuteTransient(f.conn, query, &sqlitex.ExecOptions{ResultFunc: func(stmt *sqlite.Stmt) error {
			row(stmt)
			return ctx.Err()
		}})
	}
	progress, err1 := f.number(`select count(*) from report_progress`)
	last, err2 := f.number(`select coalesce(max(no), 0) from ledger_entries`)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if progress != 1 || c.rollups.all > last {
		c.rollup(rollupKey{}, "%d rows say that they go up to entry %d, and the last is %d", progress, c.rollups.all, last)
	}
	const sums = `select tenant, span, start, currency, label, credited, debited, entries from report_sums`
	err := each(sums, func(stmt *sqlite.Stmt) {
		key := rollupKey{
			stmt.ColumnInt64(0), stmt.ColumnText(1), stmt.ColumnInt64(2), stmt.ColumnText(3), stmt.ColumnText(4),
		}
		c.rollups.sum(c, key, rollupSum{stmt.ColumnInt64(5), stmt.ColumnInt64(6), stmt.ColumnInt64(7)})
	})
	if err != nil {
		return err
	}
	err = each(`select tenant, start, first, last from report_places`, func(stmt *sqlite.Stmt) {
		key := placeKey{stmt.ColumnInt64(0), stmt.ColumnInt64(1)}
		c.rollups.place(c, key, placeRange{stmt.ColumnInt64(2), stmt.ColumnInt64(3)})
	})
	c.rollups.finish(c)
	return err
}

// readRowProgress reads up to where the entries of each tenant are in the roll-ups.
func readRowProgress(ctx context.Context, tx pgx.Tx) (*rollups, error) {
	r := newRollups()
	rows, err := tx.Query(ctx, `select tenant, through from report_progress`)
	if err != nil {
		return nil, err
	}
	var tenant, through int64
	_, err = pgx.ForEachRow(rows, []any{&tenant, &through}, func() error {
		r.below[tenant] = through
		return nil
	})
	return r, err
}

// readRowRollups holds the roll-ups of a database against the entries, which were all read.
func readRowRollups(ctx context.Context, tx pgx.Tx, c *checker) error {
	const sums = `select tenant, span, start, currency, label, credited, debited, entries from report_sums`
	rows, err := tx.Query(ctx, sums)
	if err != nil {
		return err
	}
	var key rollupKey
	var sum rollupSum
	var start time.Time
	columns := []any{&key.tenant, &key.span, &start, &key.currency, &key.label, &sum.credited, &sum.debited, &sum.entries}
	_, err = pgx.ForEachRow(rows, columns, func() error {
		key.start = start.UnixMicro()
		c.rollups.sum(c, key, sum)
		return nil
	})
	if err != nil {
		return err
	}
	if rows, err = tx.Query(ctx, `select tenant, start, first, last from report_places`); err != nil {
		return err
	}
	var at placeKey
	var place placeRange
	_, err = pgx.ForEachRow(rows, []any{&at.tenant, &start, &place.first, &place.last}, func() error {
		at.start = start.UnixMicro()
		c.rollups.place(c, at, place)
		return nil
	})
	c.rollups.finish(c)
	return err
}
