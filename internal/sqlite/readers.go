package sqlite

import (
	"context"
	"errors"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/internal/groupcommit"
	"github.com/billfold/billfold/internal/ledger"
)

// readWaitMax is how long a read waits for its turn before it is refused.
const readWaitMax = 5 * time.Second

// readers is a small pool of connections that only read. Its size bounds how
// many reads run at once, so that readers cannot starve the committer.
type readers struct {
	pool chan *sqlite.Conn
	size int
}

func openReaders(path string, size int) (*readers, error) {
	r := &readers{pool: make(chan *sqlite.Conn, size), size: size}
	for range size {
		conn, err := openReader(path)
		if err != nil {
			r.size = len(r.pool)
			return nil, errors.Join(err, r.close())
		}
		r.pool <- conn
	}
	return r, nil
}

func openReader(path string) (*sqlite.Conn, error) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadOnly)
	if err != nil {
		return nil, err
	}
	conn.SetBusyTimeout(busyWait)
	for _, pragma := range []string{"pragma cache_size = -16384", "pragma query_only = on"} {
		if err := sqlitex.ExecuteTransient(conn, pragma, nil); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return conn, nil
}

// read runs f in a read transaction: everything that f sees is of one moment.
func (db *DB) read(ctx context.Context, f func(conn *sqlite.Conn) error) error {
	return db.readUnder(ctx, directly, f)
}

// readUnder is read with the transaction inside of around, which is entered
// when the connection is there already: a lock that around takes is never held
// while waiting for a turn.
func (db *DB) readUnder(
	ctx context.Context, around func(read func() error) error, f func(conn *sqlite.Conn) error,
) error {
	conn, err := db.readers.take(ctx)
	if err != nil {
		return err
	}
	defer func() { db.readers.pool <- conn }()
	conn.SetInterrupt(ctx.Done())
	defer conn.SetInterrupt(nil)
	err = around(func() error { return inReadTransaction(conn, f) })
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return unavailable(err)
}

func inReadTransaction(conn *sqlite.Conn, f func(conn *sqlite.Conn) error) (err error) {
	if err := run(conn, "begin"); err != nil {
		return err
	}
	// Deferred, because after a panic of f, which the server survives, the
	// connection could begin nothing any more and would hold on to its moment.
	defer func() {
		// An interrupted connection refuses every statement, so the interrupt
		// goes before the transaction can be ended.
		conn.SetInterrupt(nil)
		err = errors.Join(err, run(conn, "rollback"))
	}()
	return f(conn)
}

func (r *readers) take(ctx context.Context) (*sqlite.Conn, error) {
	select {
	case conn, open := <-r.pool:
		return orClosed(conn, open)
	default:
	}
	wait := time.NewTimer(readWaitMax)
	defer wait.Stop()
	select {
	case conn, open := <-r.pool:
		return orClosed(conn, open)
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-wait.C:
		return nil, ledger.Errorf(ledger.CodeOverloaded, "too many reads are waiting; try again in a moment")
	}
}

func orClosed(conn *sqlite.Conn, open bool) (*sqlite.Conn, error) {
	if !open {
		return nil, groupcommit.ErrClosed()
	}
	return conn, nil
}

// close waits for running reads and closes the connections. Reads that come
// later are refused.
func (r *readers) close() error {
	var errs []error
	for range r.size {
		conn := <-r.pool
		errs = append(errs, conn.Close())
	}
	r.size = 0
	close(r.pool)
	return errors.Join(errs...)
}

// run executes a statement that has no parameters and returns no rows.
func run(conn *sqlite.Conn, query string) error {
	stmt, err := conn.Prepare(query)
	if err != nil {
		return err
	}
	if _, err := stmt.Step(); err != nil {
		return errors.Join(err, stmt.Reset())
	}
	return stmt.Reset()
}
