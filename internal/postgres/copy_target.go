package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/transfer"
)

// CopyTarget is a PostgreSQL database that becomes a copy. It implements
// transfer.Target.
type CopyTarget struct {
	copyReader
}

// OpenCopyTarget connects to a database for a copy and brings its schema up to
// date.
func OpenCopyTarget(ctx context.Context, url string) (*CopyTarget, error) {
	conn, err := copyConnect(ctx, url)
	if err != nil {
		return nil, err
	}
	t := &CopyTarget{copyReader{conn}}
	if err := t.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("PostgreSQL at %s: %w", address(conn.Config()), err), copyClose(conn))
	}
	return t, nil
}

func (t *CopyTarget) prepare(ctx context.Context) error {
	// What a copy sends is one statement for many customers.
	switch sharded, err := isSharded(ctx, t.conn); {
	case err != nil:
		return err
	case sharded:
		return errors.New("the customers are distributed already; copy to a database that is not, and run migrate --distribute then")
	}
	steps, err := Migrations()
	if err != nil {
		return err
	}
	done, err := upToDate(ctx, t.conn, steps)
	if err != nil || done {
		return err
	}
	// What belongs to somebody else is not brought up to date either.
	begun := false
	if err := t.conn.QueryRow(ctx, `select to_regclass('businesses') is not null`).Scan(&begun); err != nil {
		return err
	}
	if begun {
		if err := t.refuseRows(ctx, t.conn, "businesses"); err != nil {
			return err
		}
	}
	return migrate(ctx, t.conn, slog.New(slog.DiscardHandler))
}

// Close ends the connection.
func (t *CopyTarget) Close() error { return copyClose(t.conn) }

// inTransaction runs f in a transaction whose commit is durable, whatever the
// server's default is, also with a synchronous standby if there is one.
func (t *CopyTarget) inTransaction(ctx context.Context, f func(tx pgx.Tx) error) error {
	delete(t.conn.PgConn().CustomData(), warningKey)
	err := pgx.BeginFunc(ctx, t.conn, func(tx pgx.Tx) error {
		const settings = `
		  select set_config('synchronous_commit', 'on', true), set_config('statement_timeout', '0', true),
		         set_config('idle_in_transaction_session_timeout', '0', true),
		         set_config('client_min_messages', 'warning', true)`
		if _, err := tx.Exec(ctx, settings); err != nil {
			return err
		}
		return f(tx)
	})
	if err == nil {
		err = warned(t.conn)
	}
	return err
}

// Record implements transfer.Target. It waits for the last transaction of a run
// that was killed.
func (t *CopyTarget) Record(ctx context.Context) (record *transfer.Record, err error) {
	err = t.inTransaction(ctx, func(tx pgx.Tx) error {
		record, err = readRecord(ctx, tx, "for update")
		if err != nil || record != nil {
			return err
		}
		return t.refuseOccupied(ctx, tx)
	})
	return record, err
}

func (t *CopyTarget) refuseOccupied(ctx context.Context, tx pgx.Tx) error {
	names := []string{"installation"}
	for _, table := range transfer.Tables() {
		names = append(names, table.Name)
	}
	for _, name := range names {
		if err := t.refuseRows(ctx, tx, name); err != nil {
			return err
		}
	}
	return nil
}

func (t *CopyTarget) refuseRows(ctx context.Context, q querier, table string) error {
	rows, err := q.Query(ctx, "select exists (select from "+table+")")
	if err != nil {
		return err
	}
	some, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[bool])
	if err == nil && some {
		err = fmt.Errorf("the database %s has an installation of its own, with rows in %s; name an empty database as the target",
			address(t.conn.Config()), table)
	}
	return err
}

// Begin implements transfer.Target. What keeps instances away, see Join, comes
// with the installation.
func (t *CopyTarget) Begin(ctx context.Context, installation transfer.Installation, record transfer.Record) error {
	return t.inTransaction(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock($1)`, aloneLock); err != nil {
			return err
		}
		const keep = `insert into installation (no, created_at, secret_check) values (1, $1, $2)`
		if _, err := tx.Exec(ctx, keep, time.UnixMicro(installation.CreatedAt), installation.SecretCheck); err != nil {
			return err
		}
		// An instance may have made its first business since Record.
		if err := t.refuseRows(ctx, tx, "businesses"); err != nil {
			return err
		}
		const begin = `
		  insert into copied_from (no, source, origin, state, table_name, place, entries, began_at)
		  values (1, $1, $2, $3, $4, $5, $6, $7)`
		_, err := tx.Exec(ctx, begin, record.Source, record.Origin[:], record.State[:], record.Table, record.Place,
			record.Entries, record.BeganAt)
		return err
	})
}

// Write implements transfer.Target.
func (t *CopyTarget) Write(
	ctx context.Context, table *transfer.Table, rows []transfer.Row, was, now transfer.Record,
) error {
	return t.inTransaction(ctx, func(tx pgx.Tx) error {
		// First, so that two runs at once wait for each other here.
		const move = `
		  update copied_from set table_name = $1, place = $2, entries = $3
		   where table_name = $4 and place = $5 and finished_at is null`
		tag, err := tx.Exec(ctx, move, now.Table, now.Place, now.Entries, was.Table, was.Place)
		if err != nil {
			return err
		}
		if tag.RowsAffected() != 1 {
			return errors.New("another run of the copy is at work on this target")
		}
		columns := make([]string, len(table.Columns))
		for i, column := range table.Columns {
			columns[i] = column.Name
		}
		values := func(i int) ([]any, error) { return stored(table, rows[i]), nil }
		_, err = tx.CopyFrom(ctx, pgx.Identifier{table.Name}, columns, pgx.CopyFromSlice(len(rows), values))
		return err
	})
}

// stored turns the values of a row into those that the driver writes.
func stored(table *transfer.Table, row transfer.Row) []any {
	values := make([]any, len(row))
	for i, value := range row {
		values[i] = value
		micros, isNumber := value.(int64)
		switch kind := table.Columns[i].Kind; {
		case !isNumber:
		case kind == transfer.Time:
			values[i] = time.UnixMicro(micros)
		case (kind == transfer.OptionalTime || kind == transfer.OptionalNumber) && micros == 0:
			values[i] = nil
		case kind == transfer.OptionalTime:
			values[i] = time.UnixMicro(micros)
		}
	}
	return values
}

// Settle implements transfer.Target. New customers, keys and products are numbered after
// those that came, and the planner learns of what it has not seen grow.
func (t *CopyTarget) Settle(ctx context.Context) error {
	for _, table := range []*transfer.Table{
		transfer.Customers, transfer.Keys, transfer.Products, transfer.TestClocks, transfer.WebhookEndpoints, transfer.WebhookDeliveries,
	} {
		set := fmt.Sprintf("select setval('%[1]s_no', max(no)) from %[1]s having max(no) is not null", table.Name)
		if _, err := t.conn.Exec(ctx, set); err != nil {
			return err
		}
	}
	// The endpoints are put at the end of the feed: what stands before it was queued for
	// them in the source.
	var feed string
	var end int64
	const query = `
	  select id::text, feed_base() + txid_snapshot_xmax(txid_current_snapshot())
	    from feed`
	if err := t.conn.QueryRow(ctx, query).Scan(&feed, &end); err != nil {
		return err
	}
	const place = `update webhook_endpoints set place = $1 where place = ''`
	if _, err := t.conn.Exec(ctx, place, string(feedPlace{order: end}.text(feed))); err != nil {
		return err
	}
	var names []string
	for _, table := range transfer.Tables() {
		names = append(names, table.Name)
	}
	_, err := t.conn.Exec(ctx, "analyze "+strings.Join(names, ", "))
	return err
}

// Finish implements transfer.Target.
func (t *CopyTarget) Finish(ctx context.Context, at time.Time) error {
	return t.inTransaction(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `update copied_from set finished_at = $1 where finished_at is null`, at)
		return err
	})
}
