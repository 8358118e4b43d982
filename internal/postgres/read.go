package postgres

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/walletrow"
)

// readWithin bounds a read: a server that has become silent is given up.
const readWithin = 10 * time.Second

// beginReadSettings says how long a read may wait, as those do that write. Pages
// are read in the order of an index: the planner likes to collect a long history
// and sort it, for a page of ten. A plan that sorts all the same counts as one of
// great cost, which the server would compile to machine code for a second each time,
// so nothing is compiled. Where the address forbids prepared statements, the driver
// reads bytes as text, in this form.
const beginReadSettings = `
	select set_config('lock_timeout', $1, true), set_config('statement_timeout', '8s', true),
	       set_config('idle_in_transaction_session_timeout', '8s', true),
	       set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true),
	       set_config('jit', 'off', true), set_config('bytea_output', 'hex', true)`

// reading is a transaction in which everything that is seen is of one moment.
type reading struct {
	// head queues statements that go with the begin. Nil: there are none.
	head func(ctx context.Context, conn *pgx.Conn, trip *pgx.Batch) error

	// rest runs after them. Nil: the transaction ends with the same trip.
	rest func(ctx context.Context, q querier) error

	// Both may run again, on another connection, and leave only what the last
	// one has found.
}

// read runs f in a read transaction.
func (db *DB) read(ctx context.Context, f func(ctx context.Context, q querier) error) error {
	return db.run(ctx, reading{rest: f})
}

// run runs a read transaction when there is a place for it.
func (db *DB) run(ctx context.Context, r reading) error {
	if err := db.places.enter(ctx); err != nil {
		return err
	}
	defer db.places.leave()
	return db.runAtOnce(ctx, r)
}

// lookUp is read for what every request depends on, and so waits for no place.
func (db *DB) lookUp(ctx context.Context, f func(ctx context.Context, q querier) error) error {
	return db.runAtOnce(ctx, reading{rest: f})
}

func (db *DB) runAtOnce(ctx context.Context, r reading) error {
	within, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	err := db.attempt(within, &r)
	if ctx.Err() != nil {
		return ctx.Err() // a caller who went away says nothing about the server
	}
	return unavailable(err)
}

// attempt runs a read transaction, again for a moment where its connection was
// lost or the server cannot serve, as it is with what writes.
func (db *DB) attempt(ctx context.Context, r *reading) error {
	for giveUp := time.Now().Add(retryFor); ; time.Sleep(rand.N(pauseMax)) {
		conn, err := db.acquire(ctx)
		if err == nil {
			err = r.on(ctx, conn.Conn())
			if !errors.Is(ctx.Err(), context.Canceled) {
				err = db.lost(conn.Conn(), err)
			}
			conn.Release()
		}
		if !isPassing(err) || isLockWait(err) || ctx.Err() != nil || time.Now().After(giveUp) {
			return err
		}
	}
}

// on runs the transaction on a connection, and leaves none open there.
func (r *reading) on(ctx context.Context, conn *pgx.Conn) error {
	err := r.begin(ctx, conn)
	if err == nil && r.rest != nil {
		if err = r.rest(ctx, conn); err == nil {
			_, err = conn.Exec(ctx, "commit")
		}
	}
	if err != nil && !conn.IsClosed() {
		_, _ = conn.Exec(ctx, "rollback") // a connection that cannot is not given back
	}
	return err
}

func (r *reading) begin(ctx context.Context, conn *pgx.Conn) error {
	trip := &pgx.Batch{}
	trip.Queue("begin isolation level repeatable read read only")
	trip.Queue(beginReadSettings, lockWait)
	if r.head == nil {
		return conn.SendBatch(ctx, trip).Close()
	}
	return sendPrepared(ctx, conn, trip, "read", func(trip *pgx.Batch) error {
		if err := r.head(ctx, conn, trip); err != nil {
			return err
		}
		if r.rest == nil {
			trip.Queue("commit")
		}
		return nil
	})
}

// sendPrepared sends the begin of a transaction together with statements that
// are queued behind it, in one trip. What a connection sends for the first time
// is prepared before the trip, where no time-out for locks holds, and a locked
// table keeps it waiting; so on a connection that does not know the statements
// of this name the begin goes ahead alone.
func sendPrepared(
	ctx context.Context, conn *pgx.Conn, begin *pgx.Batch, name string, queue func(trip *pgx.Batch) error,
) error {
	known, trip := conn.PgConn().CustomData(), begin
	name = "billfold.prepared." + name
	if known[name] == nil {
		if err := conn.SendBatch(ctx, begin).Close(); err != nil {
			return err
		}
		trip = &pgx.Batch{}
	}
	if err := queue(trip); err != nil {
		return err
	}
	err := conn.SendBatch(ctx, trip).Close()
	if err == nil {
		known[name] = true
	}
	return err
}

// holdings are a customer and the wallets, sorted by currency, as of one moment.
type holdings struct {
	key      customerKey
	customer ledger.Customer
	found    bool
	wallets  []walletrow.Row
}

const readCustomerQuery = customerColumns + `
	 where c.customer_id = $1 and c.tenant = $2`

const holdingsQuery = readCustomerWalletsQuery + `
	 order by w.currency`

func (h *holdings) queueCustomer(trip *pgx.Batch, tenant ledger.Tenant) {
	trip.Queue(readCustomerQuery, h.key.id, h.key.tenant).Query(func(rows pgx.Rows) error {
		_, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (none struct{}, err error) {
			var number int32
			var no int64
			h.customer, err = scanCustomer(row, &number, &no)
			h.customer.Tenant, h.found = tenant, true
			return none, err
		})
		return err
	})
}

func (h *holdings) queueWallets(trip *pgx.Batch) {
	trip.Queue(holdingsQuery, h.key.id, h.key.tenant).Query(func(rows pgx.Rows) (err error) {
		h.wallets, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (walletrow.Row, error) {
			_, wallet, err := scanWallet(row)
			return wallet, err
		})
		return err
	})
}

// readHoldings reads a customer and the wallets, and runs f, unless it is nil, in
// the same transaction. Begin and both statements take one round trip.
func (db *DB) readHoldings(
	ctx context.Context, tenant ledger.Tenant, customerID string,
	f func(ctx context.Context, q querier, found *holdings) error,
) (found holdings, err error) {
	if !storable(customerID) {
		return found, errNoCustomer
	}
	r := reading{head: func(ctx context.Context, conn *pgx.Conn, trip *pgx.Batch) error {
		number, err := db.tenants.number(ctx, conn, tenant)
		if err != nil {
			return ignoreAs(err, errNoBusiness, errNoCustomer)
		}
		found = holdings{key: customerKey{customerID, number}}
		found.queueCustomer(trip, tenant)
		found.queueWallets(trip)
		return nil
	}}
	if f != nil {
		r.rest = func(ctx context.Context, q querier) error {
			if !found.found {
				return errNoCustomer
			}
			return f(ctx, q, &found)
		}
	}
	err = db.run(ctx, r)
	if err == nil && !found.found {
		err = errNoCustomer
	}
	return found, err
}
