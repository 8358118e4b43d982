package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// What became of a commit is looked for this often, over five seconds: at once,
// and then after a pause that grows by half a second each time. The look-ups end
// in commits of their own, which may be cut off as well.
const (
	lookUps     = 5
	lookUpPause = 500 * time.Millisecond
)

// happened finds out whether a transaction was committed of which the answer was
// lost. It waits for the locks that the transaction holds as long as it lives,
// so what it sees then is final.
func (b *batch) happened() (happened bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), b.db.config.CommitWithin)
	defer cancel()
	for try := range lookUps {
		time.Sleep(time.Duration(try) * lookUpPause)
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
	// One entry, one event or one wallet speaks for all: they were to be committed
	// together.
	customer, query, args := b.first()
	trip := &pgx.Batch{}
	b.db.queueBegin(trip, lockWaitLong)
	trip.Queue(`select 1 from customers where customer_id = $1 and tenant = $2 for no key update`,
		customer.id, customer.tenant)
	trip.Queue(query, args...).
		QueryRow(func(row pgx.Row) error { return row.Scan(&happened) })
	return happened, b.db.finish(ctx, conn.Conn(), trip)
}

const lookHoldQuery = `
	select count(*) > 0
	  from holds h
	 where h.customer_id = $1 and h.tenant = $2 and h.id = $4
	   and h.number = (select e.hold
	                     from hold_events e
	                    where e.customer_id = $1 and e.tenant = $2 and e.number = $3 and e.fingerprint = $5
	                      and e.created_at = $6)`

// first is how to look for one of the rows that the batch was to leave.
func (b *batch) first() (customer customerKey, query string, args []any) {
	if len(b.entries) > 0 {
		first := b.entries[0]
		customer = customerKey{first.entry.CustomerID, first.tenant}
		return customer, lookQuery, []any{customer.id, customer.tenant, first.entry.Position, first.entry.ID}
	}
	if len(b.holds.changes) == 0 && len(b.objects.changes) > 0 {
		first := b.objects.changes[0]
		customer, event := first.customer, &first.change.Event
		return customer, lookObjectQuery, []any{customer.id, customer.tenant, event.Number, event.Hash[:]}
	}
	if len(b.holds.changes) == 0 {
		return b.firstAnnounced()
	}
	first := b.holds.changes[0]
	customer, event := first.customer, &first.change.Event
	return customer, lookHoldQuery, []any{
		customer.id, customer.tenant, event.Number, event.HoldID, event.Fingerprint[:], event.CreatedAt,
	}
}
