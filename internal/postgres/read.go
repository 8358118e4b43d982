package postgres

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/walletrow"
)

// readWithin bounds a read: a server that has become silent is given up.
const readWithin = 10 * time.Second

// Pages are read in the order of an index: the planner likes to collect a long
// history and sort it, for a page of ten. Where the address forbids prepared
// statements, the driver reads bytes as text, in this form.
const readSettingsOfPlans = `
	select set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true),
	       set_config('bytea_output', 'hex', true)`

// beginRead queues the begin of a transaction in which everything that is seen
// is of one moment.
func beginRead() *pgx.Batch {
	trip := &pgx.Batch{}
	trip.Queue("begin isolation level repeatable read read only")
	trip.Queue(readSettingsOfPlans)
	return trip
}

// connected runs f, which changes nothing, on a connection; again for a moment
// where that was lost or the server cannot serve, as it is with what writes.
func (db *DB) connected(ctx context.Context, f func(ctx context.Context, conn *pgx.Conn) error) error {
	for giveUp := time.Now().Add(retryFor); ; {
		err := db.connectedOnce(ctx, f)
		if !isPassing(err) || time.Now().After(giveUp) {
			return unavailable(err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(rand.N(pauseMax)):
		}
	}
}

// connectedOnce runs f on a connection. A transaction that f leaves open, because
// of an error, is ended.
func (db *DB) connectedOnce(ctx context.Context, f func(ctx context.Context, conn *pgx.Conn) error) error {
	within, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	conn, err := db.acquire(within)
	if err == nil {
		defer conn.Release()
		err = f(within, conn.Conn())
	}
	if err != nil && conn != nil && !conn.Conn().IsClosed() && conn.Conn().PgConn().TxStatus() != 'I' {
		_, _ = conn.Exec(within, "rollback") // a connection that cannot is not given back
	}
	if ctx.Err() != nil {
		return ctx.Err() // a caller who went away says nothing about the server
	}
	if conn != nil {
		err = db.lost(conn.Conn(), err)
	}
	return err
}

// read runs f in a read transaction.
func (db *DB) read(ctx context.Context, f func(ctx context.Context, q querier) error) error {
	return db.connected(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return inRead(ctx, conn, beginRead(), f)
	})
}

// inRead makes a trip that begins a read transaction, and runs f in it. Without
// an f the transaction takes no other trip.
func inRead(ctx context.Context, conn *pgx.Conn, trip *pgx.Batch, f func(ctx context.Context, q querier) error) error {
	if f == nil {
		trip.Queue("commit")
	}
	err := conn.SendBatch(ctx, trip).Close()
	if err != nil || f == nil {
		return err
	}
	if err := f(ctx, conn); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "commit")
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
	err = db.connected(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		found = holdings{}
		number, err := db.tenants.number(ctx, conn, tenant)
		if err != nil {
			return ignoreAs(err, errNoBusiness, errNoCustomer)
		}
		found.key = customerKey{customerID, number}
		trip := beginRead()
		found.queueCustomer(trip, tenant)
		found.queueWallets(trip)
		var rest func(ctx context.Context, q querier) error
		if f != nil {
			rest = func(ctx context.Context, q querier) error {
				if !found.found {
					return errNoCustomer
				}
				return f(ctx, q, &found)
			}
		}
		return inRead(ctx, conn, trip, rest)
	})
	if err == nil && !found.found {
		err = errNoCustomer
	}
	return found, err
}
