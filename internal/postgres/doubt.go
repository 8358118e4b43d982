package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// errInDoubt says that a transaction may or may not have been committed: the
// answer to its COMMIT was lost.
var errInDoubt = errors.New("the answer to a commit was lost")

// happened finds out whether a transaction was committed of which the answer was
// lost. It waits for the locks that the transaction holds as long as it lives,
// so what it sees then is final.
func (b *batch) happened() (happened bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), commitWithin)
	defer cancel()
	for try := range 3 {
		if try > 0 {
			time.Sleep(time.Duration(try) * time.Second)
		}
		if happened, err = b.look(ctx); err == nil {
			return happened, nil
		}
	}
	return false, err
}

const lookQuery = `
	select count(*) > 0
	  from ledger_entries
	 where customer_id = $1 and tenant = $2 and position = $3 and id = $4`

// look ends with a commit of its own, although it changes nothing. A server with
// a synchronous standby shows a transaction whose wait for the standby was cut
// short, and a fail-over would lose it. The locks of this transaction come after
// it in the log, so that once they are with the standby it is too.
func (b *batch) look(ctx context.Context) (happened bool, err error) {
	conn, err := b.db.acquire(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Release()
	// One entry speaks for all: they were to be committed together.
	first := b.entries[0]
	trip := &pgx.Batch{}
	b.db.queueBegin(trip)
	trip.Queue(`select 1 from customers where customer_id = $1 and tenant = $2 for no key update`,
		first.entry.CustomerID, first.tenant)
	trip.Queue(lookQuery, first.entry.CustomerID, first.tenant, first.entry.Position, first.entry.ID).
		QueryRow(func(row pgx.Row) error { return row.Scan(&happened) })
	trip.Queue("commit")
	if err := conn.SendBatch(ctx, trip).Close(); err != nil {
		return false, err
	}
	return happened, replicated(conn.Conn())
}

// errUnreplicated says that a commit may be lost by a fail-over.
var errUnreplicated = errors.New("the synchronous standby has not confirmed a commit")

// unreplicated marks a connection whose last commit is not with the standby.
const unreplicated = "billfold unreplicated"

// hearNotices remembers that the server ended a wait for its standby early, as
// it does when somebody cancels the statement. It commits all the same, and
// says so in a warning only; the routine is what names the warning in any
// language.
func hearNotices(conn *pgconn.PgConn, notice *pgconn.Notice) {
	if notice.Routine == "SyncRepWaitForLSN" {
		conn.CustomData()[unreplicated] = notice.Message
	}
}

// replicated returns errUnreplicated when the commit that a connection has just
// made may be lost by a fail-over.
func replicated(conn *pgx.Conn) error {
	data := conn.PgConn().CustomData()
	message, found := data[unreplicated]
	if !found {
		return nil
	}
	delete(data, unreplicated)
	return fmt.Errorf("%w: %v", errUnreplicated, message)
}
