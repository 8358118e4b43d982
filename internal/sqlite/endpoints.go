package sqlite

import (
	"context"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/internal/groupcommit"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/webhook"
)

var errNoEndpoint = ledger.Errorf(ledger.CodeNotFound, "there is no such webhook")

// storedEndpoint is a row of an endpoint that is not deleted.
type storedEndpoint struct {
	webhook.Served
	no     int64
	tenant int64
}

const endpointQuery = `
	select e.no, e.tenant, e.definition, e.place, t.business_id, t.mode
	  from webhook_endpoints e
	  join tenants t on t.no = e.tenant
	 where e.deleted = 0 `

// readEndpoints returns the endpoints for which a condition holds.
func readEndpoints(conn *sqlite.Conn, condition string, args ...any) (endpoints []storedEndpoint, err error) {
	err = sqlitex.Execute(conn, endpointQuery+condition, &sqlitex.ExecOptions{
		Args: args,
		ResultFunc: func(stmt *sqlite.Stmt) error {
			tenant := ledger.Tenant{BusinessID: stmt.ColumnText(4), Mode: ledger.Mode(stmt.ColumnText(5))}
			endpoint, err := webhook.DecodeEndpoint(tenant, stmt.ColumnText(2))
			endpoints = append(endpoints, storedEndpoint{
				Served: webhook.Served{Endpoint: endpoint, Place: ledger.FeedPlace(stmt.ColumnText(3))},
				no:     stmt.ColumnInt64(0), tenant: stmt.ColumnInt64(1),
			})
			return err
		},
	})
	return endpoints, err
}

// readEndpoint returns the endpoint of a tenant, of any tenant if that is zero.
func readEndpoint(conn *sqlite.Conn, tenant ledger.Tenant, id string) (storedEndpoint, error) {
	endpoints, err := readEndpoints(conn, `and e.id = ?`, id)
	if err == nil && (len(endpoints) == 0 || tenant != (ledger.Tenant{}) && endpoints[0].Endpoint.Tenant != tenant) {
		err = errNoEndpoint
	}
	if err != nil {
		return storedEndpoint{}, err
	}
	return endpoints[0], nil
}

// feedEnd is the place in the feed behind all that has happened.
func feedEnd(conn *sqlite.Conn) (ledger.FeedPlace, error) {
	feed, err := feedID(conn)
	if err != nil {
		return "", err
	}
	var place feedPlace
	const query = `
	  select (select coalesce(max(no), 0) + 1 from ledger_entries), (select coalesce(max(no), 0) + 1 from customer_events)`
	err = sqlitex.Execute(conn, query, &sqlitex.ExecOptions{ResultFunc: func(stmt *sqlite.Stmt) error {
		place = feedPlace{stmt.ColumnInt64(0), stmt.ColumnInt64(1)}
		return nil
	}})
	return place.text(feed), err
}

// CreateEndpoint implements webhook.Store.
func (db *DB) CreateEndpoint(ctx context.Context, endpoint webhook.Endpoint) (webhook.Endpoint, error) {
	made := endpoint // kept apart from the results, as in CreateCustomer
	err := db.write(ctx, func(conn *sqlite.Conn) error {
		tenant, known := db.tenants.number(endpoint.Tenant)
		if !known {
			return errNoBusiness
		}
		there, err := readEndpoints(conn, `and e.tenant = ?`, tenant)
		if err != nil {
			return err
		}
		for _, other := range there {
			if endpoint.Key != "" && other.Endpoint.Key == endpoint.Key {
				made = other.Endpoint
				return nil
			}
		}
		if len(there) >= webhook.EndpointsMax {
			return webhook.ErrTooMany()
		}
		place, err := feedEnd(conn)
		if err != nil {
			return err
		}
		text, err := endpoint.Encode()
		if err != nil {
			return err
		}
		const insert = `
		  insert into webhook_endpoints (id, tenant, idempotency_key, definition, disabled, deleted, place)
		  values (?, ?, nullif(?, ''), ?, ?, 0, ?)`
		return sqlitex.Execute(conn, insert, &sqlitex.ExecOptions{Args: []any{
			endpoint.ID, tenant, endpoint.Key, text, endpoint.Disabled, string(place),
		}})
	})
	if err != nil {
		return webhook.Endpoint{}, err
	}
	return made, nil
}

// Endpoint implements webhook.Store.
func (db *DB) Endpoint(ctx context.Context, tenant ledger.Tenant, id string) (served webhook.Served, err error) {
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		stored, err := readEndpoint(conn, tenant, id)
		served = stored.Served
		return err
	})
	return served, err
}

// Endpoints implements webhook.Store.
func (db *DB) Endpoints(ctx context.Context, tenant ledger.Tenant) (endpoints []webhook.Endpoint, err error) {
	number, known := db.tenants.number(tenant)
	if !known {
		return nil, nil
	}
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		stored, err := readEndpoints(conn, `and e.tenant = ? order by e.no`, number)
		for _, s := range stored {
			endpoints = append(endpoints, s.Endpoint)
		}
		return err
	})
	return endpoints, err
}

// UpdateEndpoint implements webhook.Store.
func (db *DB) UpdateEndpoint(
	ctx context.Context, tenant ledger.Tenant, id string, change func(webhook.Endpoint) (webhook.Endpoint, error),
) (webhook.Endpoint, error) {
	var changed webhook.Endpoint // not a result, which the caller takes away when it gives up
	err := db.write(ctx, func(conn *sqlite.Conn) error {
		stored, err := readEndpoint(conn, tenant, id)
		if err != nil {
			return err
		}
		if changed, err = groupcommit.Guarded(change, stored.Endpoint); err != nil {
			return err
		}
		place := stored.Place
		if stored.Endpoint.Disabled && !changed.Disabled {
			if place, err = feedEnd(conn); err != nil {
				return err
			}
		}
		text, err := changed.Encode()
		if err != nil {
			return err
		}
		const update = `update webhook_endpoints set definition = ?, disabled = ?, place = ? where no = ?`
		return sqlitex.Execute(conn, update, &sqlitex.ExecOptions{Args: []any{
			text, changed.Disabled, string(place), stored.no,
		}})
	})
	if err != nil {
		return webhook.Endpoint{}, err
	}
	return changed, nil
}

// DeleteEndpoint implements webhook.Store. Its deliveries go bit by bit, see purge.
func (db *DB) DeleteEndpoint(ctx context.Context, tenant ledger.Tenant, id string) error {
	return db.write(ctx, func(conn *sqlite.Conn) error {
		stored, err := readEndpoint(conn, tenant, id)
		if err != nil {
			return err
		}
		const update = `update webhook_endpoints set deleted = 1, definition = '' where no = ?`
		return sqlitex.Execute(conn, update, &sqlitex.ExecOptions{Args: []any{stored.no}})
	})
}

// Serve implements webhook.Store. There is one instance.
func (db *DB) Serve(ctx context.Context, _ string, _ []string) (served []webhook.Served, err error) {
	if err := db.purge(ctx); err != nil {
		return nil, err
	}
	return db.AllEndpoints(ctx)
}

// AllEndpoints implements webhook.Store.
func (db *DB) AllEndpoints(ctx context.Context) (served []webhook.Served, err error) {
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		stored, err := readEndpoints(conn, `and e.disabled = 0 order by e.no`)
		for _, s := range stored {
			served = append(served, s.Served)
		}
		return err
	})
	return served, err
}

// purgeMax is how many deliveries of an endpoint that was deleted go at once.
const purgeMax = 500

// purge removes some of what is left of endpoints that were deleted.
func (db *DB) purge(ctx context.Context) error {
	number := int64(0)
	err := db.read(ctx, func(conn *sqlite.Conn) error {
		const query = `select no from webhook_endpoints where deleted = 1 limit 1`
		return sqlitex.Execute(conn, query, &sqlitex.ExecOptions{ResultFunc: func(stmt *sqlite.Stmt) error {
			number = stmt.ColumnInt64(0)
			return nil
		}})
	})
	if err != nil || number == 0 {
		return err
	}
	return db.write(ctx, func(conn *sqlite.Conn) error {
		const some = `
		  delete from webhook_deliveries
		   where no in (select no from webhook_deliveries where endpoint = ? limit ?)`
		if err := sqlitex.Execute(conn, some, &sqlitex.ExecOptions{Args: []any{number, purgeMax}}); err != nil {
			return err
		}
		const rest = `
		  delete from webhook_endpoints
		   where no = ? and not exists (select 1 from webhook_deliveries where endpoint = webhook_endpoints.no)`
		return sqlitex.Execute(conn, rest, &sqlitex.ExecOptions{Args: []any{number}})
	})
}
