package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// happened finds out whether a transaction was committed of which the answer was
// lost. It waits for the locks that the transaction holds as long as it lives,
// so what it sees then is final.
func (b *batch) happened() (happened bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), b.db.config.CommitWithin)
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
	b.db.queueBegin(trip, lockWaitLong)
	trip.Queue(`select 1 from customers where customer_id = $1 and tenant = $2 for no key update`,
		first.entry.CustomerID, first.tenant)
	trip.Queue(lookQuery, first.entry.CustomerID, first.tenant, first.entry.Position, first.entry.ID).
		QueryRow(func(row pgx.Row) error { return row.Scan(&happened) })
	return happened, b.db.finish(ctx, conn.Conn(), trip)
}
