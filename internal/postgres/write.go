package postgres

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/ledger"
)

// write runs f in a transaction of its own, again where it met another one, and
// for a while where the server could not serve. A ledger.Error that f returns is
// a refusal and leaves no trace.
//
// After a lost answer to the commit, happened looks for what the transaction
// would have left. Finding it is proof; not finding it is none, because the
// transaction may still be on its way, so then the outcome stays unknown.
func (db *DB) write(
	ctx context.Context, happened func(context.Context, *pgx.Conn) (bool, error), f func(context.Context, *pgx.Conn) error,
) error {
	return db.writeWaiting(ctx, lockWaitLong, happened, f)
}

// writeWaiting is write with how long to wait for a lock.
func (db *DB) writeWaiting(
	ctx context.Context, wait string,
	happened func(context.Context, *pgx.Conn) (bool, error), f func(context.Context, *pgx.Conn) error,
) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, places := range []places{db.writers, db.places} {
		if err := places.enter(ctx); err != nil {
			return err
		}
		defer places.leave()
	}
	// From here on it happens, whether or not the caller stays to hear of it.
	ctx = context.WithoutCancel(ctx)
	giveUp := time.Now().Add(retryFor)
	for conflicts := 0; ; time.Sleep(rand.N(pauseMax)) {
		err := db.writeOnce(ctx, wait, f)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errInDoubt):
			return db.lookFor(ctx, err, happened)
		case isConflict(err) && conflicts < conflictsMax:
			conflicts++
		case isConflict(err), isLockWait(err), !isPassing(err), time.Now().After(giveUp):
			return unavailable(err)
		}
	}
}

func (db *DB) writeOnce(ctx context.Context, wait string, f func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, db.config.CommitWithin)
	defer cancel()
	conn, err := db.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	trip := &pgx.Batch{}
	db.queueBegin(trip, wait)
	if err := conn.SendBatch(ctx, trip).Close(); err != nil {
		return db.lost(conn.Conn(), err)
	}
	if err := f(ctx, conn.Conn()); err != nil {
		if !conn.Conn().IsClosed() {
			_, _ = conn.Exec(ctx, "rollback") // a connection that cannot is not given back
		}
		return db.lost(conn.Conn(), err)
	}
	// What f saw and changed nothing about, such as the trace of an earlier try,
	// is acknowledged too; with something in the log, the commit waits for it.
	end := &pgx.Batch{}
	end.Queue(`select pg_logical_emit_message(true, 'billfold', '')`)
	return db.finish(ctx, conn.Conn(), end)
}

// lookFor decides about a commit whose answer was lost.
func (db *DB) lookFor(ctx context.Context, cause error, happened func(context.Context, *pgx.Conn) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, db.config.CommitWithin)
	defer cancel()
	for try := range lookUps {
		time.Sleep(time.Duration(try) * lookUpPause)
		found := false
		err := db.writeOnce(ctx, lockWaitLong, func(ctx context.Context, conn *pgx.Conn) (err error) {
			found, err = happened(ctx, conn)
			return err
		})
		if err == nil && found {
			return nil
		}
	}
	return ledger.Errorf(ledger.CodeOutcomeUnknown,
		"the database failed while saving; look whether it was saved, or send the same request with the same idempotency key again").
		WithCause(cause)
}
