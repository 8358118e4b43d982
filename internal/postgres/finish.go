package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

var (
	// errInDoubt says that a transaction may or may not have been committed
	// for good: the answer to its COMMIT was lost, or had a warning.
	errInDoubt = errors.New("the outcome of a commit is in doubt")

	// errUnconfirmed says that what a decision saw may not be on the standby.
	errUnconfirmed = errors.New("what is in the database could not be confirmed")
)

// finish sends the last statements of a transaction and its COMMIT. An error
// means that nothing was committed, unless it is errInDoubt.
//
// Success is not enough. When the wait for a synchronous standby is cancelled,
// by an operator or by a client that went away, PostgreSQL commits without the
// standby, says success, and adds a warning; a failover would lose what such an
// answer acknowledged. No warning is expected from a COMMIT, so any is a doubt.
//
// On a sharded installation an error of the COMMIT is one too: the worker may
// have committed, and only its answer to the coordinator was lost.
func (db *DB) finish(ctx context.Context, conn *pgx.Conn, trip *pgx.Batch) error {
	delete(conn.PgConn().CustomData(), warningKey)
	complete := allAnswered(trip)
	ended := ""
	trip.Queue("commit").Exec(func(tag pgconn.CommandTag) error {
		ended = tag.String()
		return nil
	})
	err := conn.SendBatch(ctx, trip).Close()
	switch {
	case err != nil && isDefinite(err) && !(db.sharded && *complete):
		return err
	case err != nil:
		return fmt.Errorf("%w: %w", errInDoubt, db.lost(conn, err))
	case ended != "COMMIT":
		return fmt.Errorf("the transaction had failed before its commit: %s", ended)
	}
	return warned(conn)
}

// allAnswered says, once a trip was made, whether all that was queued by now
// succeeded. An error after that is one of the COMMIT.
func allAnswered(trip *pgx.Batch) *bool {
	complete := len(trip.QueuedQueries) == 0
	if complete {
		return &complete
	}
	last := trip.QueuedQueries[len(trip.QueuedQueries)-1]
	read := last.Fn
	last.Fn = func(results pgx.BatchResults) (err error) {
		if read != nil {
			err = read(results)
		} else {
			_, err = results.Exec()
		}
		complete = err == nil
		return err
	}
	return &complete
}

// warned returns a doubt when the server has warned of something.
func warned(conn *pgx.Conn) error {
	if warning, found := conn.PgConn().CustomData()[warningKey].(*pgconn.Notice); found {
		return fmt.Errorf("%w: %s (%s)", errInDoubt, warning.Message, warning.Detail)
	}
	return nil
}

// warningKey is where a connection keeps the last warning that it received.
const warningKey = "billfold.warning"

// keepWarning takes note of a warning. Citus lowers the level of what a worker
// says, and leaves its class, which is 01 for a warning.
func keepWarning(conn *pgconn.PgConn, notice *pgconn.Notice) {
	if notice.SeverityUnlocalized == "WARNING" || strings.HasPrefix(notice.Code, "01") {
		conn.CustomData()[warningKey] = notice
	}
}

// unconfirmed says of a transaction that changed nothing, and only had to show
// that what it saw is there for good, that it failed to show it.
func unconfirmed(err error) error {
	if errors.Is(err, errInDoubt) {
		return fmt.Errorf("%w: %v", errUnconfirmed, err) // the doubt is about the earlier one
	}
	return err
}
