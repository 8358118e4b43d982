package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/groupcommit"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/webhook"
)

var errNoEndpoint = ledger.Errorf(ledger.CodeNotFound, "there is no such webhook")

// storedEndpoint is a row of an endpoint that is not deleted.
type storedEndpoint struct {
	webhook.Served
	no int64
}

const endpointQuery = `
	select e.no, e.definition, e.place, t.business_id, t.mode
	  from webhook_endpoints e
	  join tenants t on t.no = e.tenant
	 where not e.deleted `

// readEndpoints returns the endpoints for which a condition holds.
func readEndpoints(ctx context.Context, q querier, condition string, args ...any) ([]storedEndpoint, error) {
	rows, err := q.Query(ctx, endpointQuery+condition, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (s storedEndpoint, err error) {
		var tenant ledger.Tenant
		var text string
		if err := row.Scan(&s.no, &text, &s.Place, &tenant.BusinessID, &tenant.Mode); err != nil {
			return s, err
		}
		s.Endpoint, err = webhook.DecodeEndpoint(tenant, text)
		return s, err
	})
}

// readEndpoint returns the endpoint of a tenant, of any tenant if that is zero. Lock
// is what follows the condition.
func readEndpoint(
	ctx context.Context, q querier, tenant ledger.Tenant, id, lock string,
) (storedEndpoint, error) {
	if !storable(id) {
		return storedEndpoint{}, errNoEndpoint
	}
	endpoints, err := readEndpoints(ctx, q, `and e.id = $1 `+lock, id)
	if err == nil && (len(endpoints) == 0 || tenant != (ledger.Tenant{}) && endpoints[0].Endpoint.Tenant != tenant) {
		err = errNoEndpoint
	}
	if err != nil {
		return storedEndpoint{}, err
	}
	return endpoints[0], nil
}

const lockEndpoint = `for update of e`

// feedEnd is the place in the feed before which everything was committed.
func (db *DB) feedEnd(ctx context.Context, q querier) (ledger.FeedPlace, error) {
	if db.sharded {
		return "", errNoFeed
	}
	var feed string
	var horizon int64
	err := q.QueryRow(ctx, db.feedHorizon).Scan(&feed, &horizon)
	return feedPlace{order: horizon}.text(feed), err
}

// CreateEndpoint implements webhook.Store.
func (db *DB) CreateEndpoint(ctx context.Context, endpoint webhook.Endpoint) (made webhook.Endpoint, err error) {
	if db.sharded {
		return made, errNoFeed
	}
	happened := func(ctx context.Context, conn *pgx.Conn) (bool, error) {
		there, err := readEndpoint(ctx, conn, endpoint.Tenant, endpoint.ID, "")
		made = there.Endpoint
		return err == nil, ignore(err, errNoEndpoint)
	}
	err = db.write(ctx, happened, func(ctx context.Context, conn *pgx.Conn) (err error) {
		made, err = db.createEndpoint(ctx, conn, endpoint)
		return err
	})
	if err != nil {
		return webhook.Endpoint{}, err
	}
	return made, nil
}

func (db *DB) createEndpoint(
	ctx context.Context, conn *pgx.Conn, endpoint webhook.Endpoint,
) (made webhook.Endpoint, err error) {
	tenant, err := db.tenants.number(ctx, conn, endpoint.Tenant)
	if err != nil {
		return made, err
	}
	// One after the other, so that they can be counted and each key is used once.
	if _, err := conn.Exec(ctx, `select from tenants where no = $1 for update`, tenant); err != nil {
		return made, err
	}
	there, err := readEndpoints(ctx, conn, `and e.tenant = $1`, tenant)
	if err != nil {
		return made, err
	}
	for _, other := range there {
		if endpoint.Key != "" && other.Endpoint.Key == endpoint.Key {
			return other.Endpoint, nil
		}
	}
	if len(there) >= webhook.EndpointsMax {
		return made, webhook.ErrTooMany()
	}
	place, err := db.feedEnd(ctx, conn)
	if err != nil {
		return made, err
	}
	text, err := endpoint.Encode()
	if err != nil {
		return made, err
	}
	const insert = `
	  insert into webhook_endpoints (id, tenant, idempotency_key, definition, disabled, deleted, place)
	  values ($1, $2, nullif($3, ''), $4, $5, false, $6)`
	_, err = conn.Exec(ctx, insert, endpoint.ID, tenant, endpoint.Key, text, endpoint.Disabled, string(place))
	return endpoint, err
}

// Endpoint implements webhook.Store.
func (db *DB) Endpoint(ctx context.Context, tenant ledger.Tenant, id string) (served webhook.Served, err error) {
	err = db.read(ctx, func(ctx context.Context, q querier) error {
		stored, err := readEndpoint(ctx, q, tenant, id, "")
		served = stored.Served
		return err
	})
	return served, err
}

// Endpoints implements webhook.Store.
func (db *DB) Endpoints(ctx context.Context, tenant ledger.Tenant) (endpoints []webhook.Endpoint, err error) {
	err = db.read(ctx, func(ctx context.Context, q querier) error {
		endpoints = nil
		number, err := db.tenants.number(ctx, q, tenant)
		if err != nil {
			return ignore(err, errNoBusiness)
		}
		stored, err := readEndpoints(ctx, q, `and e.tenant = $1 order by e.no`, number)
		for _, s := range stored {
			endpoints = append(endpoints, s.Endpoint)
		}
		return err
	})
	return endpoints, err
}

// AllEndpoints implements webhook.Store.
func (db *DB) AllEndpoints(ctx context.Context) (served []webhook.Served, err error) {
	err = db.read(ctx, func(ctx context.Context, q querier) error {
		served = nil
		stored, err := readEndpoints(ctx, q, `and not e.disabled order by e.no`)
		for _, s := range stored {
			served = append(served, s.Served)
		}
		return err
	})
	return served, err
}

// UpdateEndpoint implements webhook.Store.
func (db *DB) UpdateEndpoint(
	ctx context.Context, tenant ledger.Tenant, id string, change func(webhook.Endpoint) (webhook.Endpoint, error),
) (changed webhook.Endpoint, err error) {
	var text string
	happened := func(ctx context.Context, conn *pgx.Conn) (bool, error) {
		now, err := readEndpoint(ctx, conn, tenant, id, lockEndpoint)
		if err != nil {
			return false, err
		}
		stored, err := now.Endpoint.Encode()
		return stored == text, err
	}
	err = db.write(ctx, happened, func(ctx context.Context, conn *pgx.Conn) error {
		stored, err := readEndpoint(ctx, conn, tenant, id, lockEndpoint)
		if err != nil {
			return err
		}
		if changed, err = groupcommit.Guarded(change, stored.Endpoint); err != nil {
			return err
		}
		place := stored.Place
		if stored.Endpoint.Disabled && !changed.Disabled {
			if place, err = db.feedEnd(ctx, conn); err != nil {
				return err
			}
		}
		if text, err = changed.Encode(); err != nil {
			return err
		}
		const update = `update webhook_endpoints set definition = $2, disabled = $3, place = $4 where no = $1`
		_, err = conn.Exec(ctx, update, stored.no, text, changed.Disabled, string(place))
		return err
	})
	if err != nil {
		return webhook.Endpoint{}, err
	}
	return changed, nil
}

// DeleteEndpoint implements webhook.Store. Its deliveries go bit by bit, see purge.
func (db *DB) DeleteEndpoint(ctx context.Context, tenant ledger.Tenant, id string) error {
	happened := func(ctx context.Context, conn *pgx.Conn) (bool, error) {
		_, err := readEndpoint(ctx, conn, tenant, id, "")
		return err != nil, ignore(err, errNoEndpoint)
	}
	return db.write(ctx, happened, func(ctx context.Context, conn *pgx.Conn) error {
		stored, err := readEndpoint(ctx, conn, tenant, id, lockEndpoint)
		if err != nil {
			return err
		}
		_, err = conn.Exec(ctx, `update webhook_endpoints set deleted = true, definition = '' where no = $1`, stored.no)
		return err
	})
}

// again is for what can be done twice: whoever did not hear that it was done does it
// once more.
func again(context.Context, *pgx.Conn) (bool, error) { return false, nil }

// Serve implements webhook.Store. The clock of the server says who lives, so that
// those of the instances may differ.
func (db *DB) Serve(ctx context.Context, instance string, keeping []string) (served []webhook.Served, err error) {
	if db.sharded {
		return nil, errNoFeed
	}
	none := false
	err = db.read(ctx, func(ctx context.Context, q querier) error {
		const query = `select not exists (select from webhook_endpoints where deleted or not disabled)`
		return q.QueryRow(ctx, query).Scan(&none)
	})
	if err != nil || none {
		return nil, err
	}
	err = db.write(ctx, again, func(ctx context.Context, conn *pgx.Conn) error {
		served = nil
		if err := db.share(ctx, conn, instance, keeping); err != nil {
			return err
		}
		stored, err := readEndpoints(ctx, conn, `and not e.disabled and e.instance = $1 order by e.no`, instance)
		if err != nil {
			return err
		}
		share, err := fairShare(ctx, conn)
		for i, s := range stored {
			if i < share {
				served = append(served, s.Served)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return served, nil
}

// fairShare is how many endpoints each instance that lives may have.
func fairShare(ctx context.Context, conn *pgx.Conn) (share int, err error) {
	const query = `
	  select ceil((select count(*) from webhook_endpoints where not deleted and not disabled)::numeric
	              / greatest((select count(*) from webhook_instances), 1))::integer`
	return share, conn.QueryRow(ctx, query).Scan(&share)
}

// share says that an instance lives, lets go of what it has too much of and does not
// send to any more, and takes what nobody has while it has too little.
func (db *DB) share(ctx context.Context, conn *pgx.Conn, instance string, keeping []string) error {
	const lives = `
	  insert into webhook_instances (id, until)
	  values ($1, now() + $2 * interval '1 microsecond')
	  on conflict (id) do update set until = excluded.until`
	// One at a time, or two would take each other's.
	if _, err := conn.Exec(ctx, `select pg_advisory_xact_lock($1)`, serveLock); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, lives, instance, webhook.LeaseFor.Microseconds()); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, `delete from webhook_instances where until < now()`); err != nil {
		return err
	}
	if err := purge(ctx, conn); err != nil {
		return err
	}
	share, err := fairShare(ctx, conn)
	if err != nil {
		return err
	}
	const release = `
	  update webhook_endpoints
	     set instance = null
	   where instance = $1 and id <> all ($3)
	     and no not in (select no from webhook_endpoints
	                     where instance = $1 and not deleted and not disabled order by no limit $2)`
	keeping = append([]string{}, keeping...) // nil would be null
	if _, err := conn.Exec(ctx, release, instance, share, keeping); err != nil {
		return err
	}
	const take = `
	  update webhook_endpoints
	     set instance = $1
	   where no in (select no from webhook_endpoints
	                 where not deleted and not disabled
	                   and (instance is null or instance not in (select id from webhook_instances))
	                 order by no
	                 limit greatest($2 - (select count(*) from webhook_endpoints
	                                       where instance = $1 and not deleted and not disabled), 0))`
	_, err = conn.Exec(ctx, take, instance, share)
	return err
}

// serveLock is held by whoever shares the endpoints out.
const serveLock = 0x62_69_6c_6c_77_68 // "billwh"

// purgeMax is how many deliveries of an endpoint that was deleted go at once.
const purgeMax = 1000

// purge removes some of what is left of endpoints that were deleted.
func purge(ctx context.Context, conn *pgx.Conn) error {
	var no int64
	err := conn.QueryRow(ctx, `select no from webhook_endpoints where deleted limit 1`).Scan(&no)
	if err != nil {
		return ignore(err, pgx.ErrNoRows)
	}
	// As a list of keys, which are looked up whatever the planner knows of the table.
	const deliveries = `
	  delete from webhook_deliveries
	   where no = any (array(select no from webhook_deliveries where endpoint = $1 limit $2))`
	if _, err := conn.Exec(ctx, deliveries, no, purgeMax); err != nil {
		return err
	}
	const endpoint = `
	  delete from webhook_endpoints e
	   where e.no = $1 and not exists (select from webhook_deliveries d where d.endpoint = $1)`
	_, err = conn.Exec(ctx, endpoint, no)
	return err
}
