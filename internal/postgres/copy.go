package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/transfer"
)

// copyName is the application name of a copy's connection, so that it is not
// taken for an instance.
const copyName = instanceName + " copy"

// copyConnect makes the one connection of a copy, without time-outs: a table is
// one statement.
func copyConnect(ctx context.Context, url string) (*pgx.Conn, error) {
	settings, err := pgx.ParseConfig(url)
	if err != nil {
		// The error of the parser may quote the password.
		return nil, errors.New("it is not a connection string of PostgreSQL, such as postgres://user:password@host/database")
	}
	settings.ConnectTimeout = connectTimeout
	settings.RuntimeParams["application_name"] = copyName
	speak(settings.RuntimeParams)
	settings.OnNotice = keepWarning
	conn, err := pgx.ConnectConfig(ctx, settings)
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL at %s: %w", address(settings), err)
	}
	if err := refuseUnsafe(ctx, conn); err != nil {
		return nil, errors.Join(fmt.Errorf("PostgreSQL at %s: %w", address(settings), err), copyClose(conn))
	}
	return conn, nil
}

func copyClose(conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	return conn.Close(ctx)
}

// CopySource is a PostgreSQL database that is read as of one moment while nobody
// may write to it. It implements transfer.Source.
type CopySource struct {
	copyReader
}

// OpenCopySource connects to a database and locks its tables against writers,
// who would go on in the source what the copy then has not. Instances that run
// are refused before: they would write on as soon as the lock is gone.
func OpenCopySource(ctx context.Context, url string) (*CopySource, error) {
	conn, err := copyConnect(ctx, url)
	if err != nil {
		return nil, err
	}
	s := &CopySource{copyReader{conn}}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("PostgreSQL at %s: %w", address(conn.Config()), err), copyClose(conn))
	}
	return s, nil
}

// lockWithin is how long a copy waits for a writer that holds one of the tables.
const lockWithin = "5s"

func (s *CopySource) prepare(ctx context.Context) error {
	steps, err := Migrations()
	if err != nil {
		return err
	}
	switch done, err := upToDate(ctx, s.conn, steps); {
	case err != nil:
		return err
	case !done:
		return errors.New("it has no ledger, or one with an older schema; start `billfold serve` on it once, stop it, and copy then")
	}
	if err := refuseInstances(ctx, s.conn); err != nil {
		return err
	}
	names := []string{"installation"}
	for _, table := range transfer.Tables() {
		names = append(names, table.Name)
	}
	// The moment of the snapshot is that of the first query, after the lock.
	for _, statement := range []string{
		"begin isolation level repeatable read, read only",
		"set local statement_timeout = 0",
		"set local idle_in_transaction_session_timeout = 0",
		"set local lock_timeout = '" + lockWithin + "'",
		"lock table " + strings.Join(names, ", ") + " in share mode",
	} {
		if _, err := s.conn.Exec(ctx, statement); err != nil {
			if stateOf(err) == "55P03" {
				err = fmt.Errorf("somebody is writing to it; stop all its instances first: %w", err)
			}
			return err
		}
	}
	return refuseUnfinished(ctx, s.conn)
}

// goneWithin is how long a copy waits for the connections of instances that have
// ended: the server takes a moment to notice.
const goneWithin = 2 * time.Second

// refuseInstances refuses a database to which instances are connected. A pooler
// may add to the names of sessions.
func refuseInstances(ctx context.Context, conn *pgx.Conn) error {
	const query = `
	  select count(*)
	    from pg_stat_activity
	   where datname = current_database() and pid <> pg_backend_pid()
	     and starts_with(application_name, $1) and not starts_with(application_name, $2)`
	for giveUp := time.Now().Add(goneWithin); ; time.Sleep(50 * time.Millisecond) {
		// In a transaction the server shows its connections as they were when it
		// was first asked, unless it is told to look again.
		if _, err := conn.Exec(ctx, "select pg_stat_clear_snapshot()"); err != nil {
			return err
		}
		var connections int64
		if err := conn.QueryRow(ctx, query, instanceName, copyName).Scan(&connections); err != nil || connections == 0 {
			return err
		}
		if time.Now().After(giveUp) {
			return fmt.Errorf("instances have %d connections to it (application_name billfold in pg_stat_activity); "+
				"stop all of them first: what they write during a copy would not be in it", connections)
		}
	}
}

// Confirm implements transfer.Source.
func (s *CopySource) Confirm(ctx context.Context) error { return refuseInstances(ctx, s.conn) }

// Close ends the transaction, and with it the lock.
func (s *CopySource) Close() error { return copyClose(s.conn) }

// refuseUnfinished refuses a database that is a copy which is not whole.
func refuseUnfinished(ctx context.Context, conn *pgx.Conn) error {
	record, err := readRecord(ctx, conn, "")
	if err == nil && record != nil && record.FinishedAt.IsZero() {
		err = &transfer.UnfinishedError{Source: record.Source}
	}
	return err
}

// readRecord returns what a copy knows of itself, locked as lock says, nil for a
// database that is none.
func readRecord(ctx context.Context, q querier, lock string) (*transfer.Record, error) {
	rows, err := q.Query(ctx, `
	  select source, origin, state, table_name, place, entries, began_at, finished_at
	    from copied_from `+lock)
	if err != nil {
		return nil, err
	}
	record, err := pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (*transfer.Record, error) {
		var r transfer.Record
		var origin, state []byte
		var finished *time.Time
		err := row.Scan(&r.Source, &origin, &state, &r.Table, &r.Place, &r.Entries, &r.BeganAt, &finished)
		copy(r.Origin[:], origin)
		copy(r.State[:], state)
		r.FinishedAt = timeOf(finished)
		return &r, err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return record, err
}

// copyReader reads the rows of a database as they are carried to another one.
type copyReader struct {
	conn *pgx.Conn
}

// Installation implements transfer.Source.
func (r copyReader) Installation(ctx context.Context) (installation transfer.Installation, err error) {
	var at time.Time
	err = r.conn.QueryRow(ctx, `select created_at, secret_check from installation`).Scan(&at, &installation.SecretCheck)
	if errors.Is(err, pgx.ErrNoRows) {
		err = errors.New("nothing was ever served from this database, so there is nothing to copy")
	}
	if err != nil {
		return installation, err
	}
	installation.CreatedAt = at.UnixMicro()
	// A database that was restored elsewhere is read in the same order.
	b := binary.BigEndian.AppendUint64([]byte("billfold.copy.postgres\x00"), uint64(installation.CreatedAt))
	installation.Origin = sha256.Sum256(append(b, installation.SecretCheck...))
	return installation, nil
}

// Identity tells the database apart from every other that runs now.
func (r copyReader) Identity(ctx context.Context) (identity string, err error) {
	const query = `
	  select concat_ws(' ', pg_postmaster_start_time(), inet_server_port(),
	                   (select oid from pg_database where datname = current_database()), 'copied_from'::regclass::oid)`
	err = r.conn.QueryRow(ctx, query).Scan(&identity)
	return identity, err
}

// Count implements transfer.Source.
func (r copyReader) Count(ctx context.Context, table *transfer.Table) (n int64, err error) {
	err = r.conn.QueryRow(ctx, "select count(*) from "+table.Name).Scan(&n)
	return n, err
}

// Read implements transfer.Source.
func (r copyReader) Read(
	ctx context.Context, table *transfer.Table, after transfer.Place,
) iter.Seq2[transfer.Item, error] {
	return transfer.Sequence(func(yield func(transfer.Item) bool) error { return r.read(ctx, table, after, yield) })
}

func (r copyReader) read(
	ctx context.Context, table *transfer.Table, after transfer.Place, yield func(transfer.Item) bool,
) error {
	var names []string
	for _, column := range table.Columns {
		names = append(names, column.Name)
	}
	key := strings.Join(table.Key, ", ")
	where := ""
	if after != nil {
		places := make([]string, len(after))
		for i := range places {
			places[i] = fmt.Sprintf("$%d", i+1)
		}
		where = " where (" + key + ") > (" + strings.Join(places, ", ") + ")"
	}
	rows, err := r.conn.Query(ctx, "select "+strings.Join(names, ", ")+" from "+table.Name+where+" order by "+key, after...)
	if err != nil {
		return err
	}
	defer rows.Close()
	scan := newRowScanner(table)
	for rows.Next() {
		item, err := scan.item(rows)
		if err != nil {
			return err
		}
		if !yield(item) {
			return nil
		}
	}
	return rows.Err()
}

// rowScanner reads rows of one table.
type rowScanner struct {
	table *transfer.Table
	to    []any
	key   []int // where the columns of the key are
}

func newRowScanner(table *transfer.Table) *rowScanner {
	s := &rowScanner{table: table}
	for _, column := range table.Columns {
		switch column.Kind {
		case transfer.Text:
			s.to = append(s.to, new(string))
		case transfer.OptionalText:
			s.to = append(s.to, new(*string))
		case transfer.OptionalNumber:
			s.to = append(s.to, new(*int64))
		case transfer.Number:
			s.to = append(s.to, new(int64))
		case transfer.Flag:
			s.to = append(s.to, new(bool))
		case transfer.Bytes:
			s.to = append(s.to, new([]byte))
		case transfer.Time:
			s.to = append(s.to, new(time.Time))
		case transfer.OptionalTime:
			s.to = append(s.to, new(*time.Time))
		case transfer.Numbers:
			s.to = append(s.to, new([]int64))
		}
	}
	for _, name := range table.Key {
		s.key = append(s.key, table.Index(name))
	}
	return s
}

func (s *rowScanner) item(rows pgx.Rows) (item transfer.Item, err error) {
	if err := rows.Scan(s.to...); err != nil {
		return item, err
	}
	item.Row, item.Place = make(transfer.Row, len(s.to)), make(transfer.Place, len(s.key))
	for i, to := range s.to {
		switch to := to.(type) {
		case *string:
			item.Row[i] = *to
		case **string:
			if *to != nil {
				item.Row[i] = **to
			}
		case *int64:
			item.Row[i] = *to
		case **int64:
			item.Row[i] = int64(0)
			if *to != nil {
				item.Row[i] = **to
			}
		case *bool:
			item.Row[i] = *to
		case *[]byte:
			if *to == nil {
				return item, fmt.Errorf("column %s is null where a value belongs", s.table.Columns[i].Name)
			}
			item.Row[i], *to = *to, nil
		case *time.Time:
			item.Row[i] = to.UnixMicro()
		case **time.Time:
			item.Row[i] = int64(0)
			if *to != nil {
				item.Row[i] = (*to).UnixMicro()
			}
		case *[]int64:
			item.Row[i], *to = *to, nil
		}
	}
	for i, column := range s.key {
		item.Place[i] = item.Row[column]
	}
	return item, nil
}
