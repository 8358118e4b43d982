package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/ledger"
)

// objectBook is what a batch knows of objects, and what it is to write of them.
type objectBook struct {
	byKey   map[customerKey]map[ledger.ObjectKey]*ledger.Object
	heads   map[customerKey]ledger.ObjectHead
	changes []placedObject // in the order of their decisions
}

type placedObject struct {
	customer customerKey
	change   *ledger.ObjectChange
	hold     int64 // number of the customer's hold event before it, 0 for none
	notice   int64 // and of the notice
}

func (o *objectBook) add(customer customerKey, change *ledger.ObjectChange, hold, notice int64) {
	o.changes = append(o.changes, placedObject{customer, change, hold, notice})
	o.byKey[customer][change.Object.ObjectKey] = &change.Object
	e := &change.Event
	o.heads[customer] = ledger.ObjectHead{Number: e.Number, Hash: e.Hash, LastAt: e.CreatedAt}
}

const objectColumns = `
	select o.customer_id, o.tenant, o.kind, o.id, o.number, o.version, o.state, o.due_at, o.data, o.created_at, o.updated_at`

// joinClock joins the customers of objects, of whom [clockColumn] is read.
const (
	clockColumn = `, c.clock_at
	  from objects o
	  join customers c on c.customer_id = o.customer_id and c.tenant = o.tenant`

	// withoutClock leaves those out whose customer has a test clock, of which there are
	// few, and an index of them. What follows names the customer.
	withoutClock = `
	   and not exists (
	       select 1
	         from customers k
	        where k.clock <> '' and (k.customer_id, k.tenant) = `
)

// objectsByKeyQuery looks each object up by the whole key, as [readPointsQuery] does.
const objectsByKeyQuery = objectColumns + `
	  from unnest($3::text[], $4::text[]) as u (kind, id)
	 cross join lateral (
	       select *
	         from objects o
	        where o.customer_id = $1 and o.tenant = $2 and o.kind = u.kind and o.id = u.id
	       offset 0) as o`

// objectHeadQuery takes the head from the customer's row and not from the last event
// that is there: the chain goes on from where it stood, also where events were removed.
const objectHeadQuery = `
	select c.object_number, c.object_hash, e.created_at
	  from customers c
	  left join object_events e on e.customer_id = c.customer_id and e.tenant = c.tenant and e.number = c.object_number
	 where c.customer_id = $1 and c.tenant = $2`

// loadObjects reads what the batch's scopes name of objects: nothing in most batches.
// All customers of a batch are asked about in one trip.
func (b *batch) loadObjects(ctx context.Context, conn *pgx.Conn) error {
	named := map[customerKey][]ledger.ObjectKey{}
	for _, item := range b.items {
		scope := &item.Command.scope
		number, known := b.db.tenants.known(scope.Tenant)
		customer := customerKey{scope.CustomerID, number}
		if known && b.customers[customer] != nil && len(scope.Objects) > 0 {
			named[customer] = append(named[customer], scope.Objects...)
		}
	}
	if len(named) == 0 {
		return nil
	}
	b.objects.byKey = map[customerKey]map[ledger.ObjectKey]*ledger.Object{}
	b.objects.heads = map[customerKey]ledger.ObjectHead{}
	trip := &pgx.Batch{}
	for customer, keys := range named {
		found := map[ledger.ObjectKey]*ledger.Object{}
		b.objects.byKey[customer] = found
		var kinds, ids []string
		for i, key := range keys {
			if storable(string(key.Kind)) && storable(key.ID) && !slices.Contains(keys[:i], key) {
				kinds, ids = append(kinds, string(key.Kind)), append(ids, key.ID)
			}
		}
		trip.Queue(objectsByKeyQuery, customer.id, customer.tenant, kinds, ids).Query(func(rows pgx.Rows) error {
			objects, err := b.db.collectObjects(rows, false)
			for i := range objects {
				objects[i].Clock = b.customers[customer].customer.ClockAt
				found[objects[i].ObjectKey] = &objects[i]
			}
			return err
		})
		trip.Queue(objectHeadQuery, customer.id, customer.tenant).Query(func(rows pgx.Rows) error {
			heads, err := pgx.CollectRows(rows, scanObjectHead)
			for _, head := range heads {
				b.objects.heads[customer] = head
			}
			return err
		})
	}
	return conn.SendBatch(ctx, trip).Close()
}

func scanObjectHead(row pgx.CollectableRow) (head ledger.ObjectHead, err error) {
	var hash []byte
	var lastAt *time.Time
	err = row.Scan(&head.Number, &hash, &lastAt)
	copy(head.Hash[:], hash)
	head.LastAt = timeOf(lastAt)
	return head, err
}

// snapshotObjects adds what a scope names of the customer's objects, as the decisions
// before it have left them.
func (b *batch) snapshotObjects(customer customerKey, scope *ledger.Scope, s *ledger.Snapshot) {
	if len(scope.Objects) == 0 {
		return
	}
	for _, key := range scope.Objects {
		if object := b.objects.byKey[customer][key]; object != nil {
			s.Objects = append(s.Objects, *object)
		}
	}
	s.ObjectHead = b.objects.heads[customer]
}

// collectObjects reads objects of tenants that are known, with where the test clocks of
// their customers stand if clocks says that this was asked for.
func (db *DB) collectObjects(rows pgx.Rows, clocks bool) ([]ledger.Object, error) {
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (ledger.Object, error) {
		var number int32
		var clock *time.Time
		var after []any
		if clocks {
			after = append(after, &clock)
		}
		object, err := scanObject(row, &number, after...)
		object.Tenant, object.Clock = db.tenants.of(number), timeOf(clock)
		return object, err
	})
}

// scanObject reads objectColumns, except for the tenant, of which it returns the number.
func scanObject(row pgx.CollectableRow, number *int32, after ...any) (o ledger.Object, err error) {
	var due *time.Time
	err = row.Scan(append([]any{
		&o.CustomerID, number, &o.Kind, &o.ID, &o.Number, &o.Version, &o.State, &due, &o.Data, &o.CreatedAt, &o.UpdatedAt,
	}, after...)...)
	o.DueAt, o.CreatedAt, o.UpdatedAt = timeOf(due), o.CreatedAt.UTC(), o.UpdatedAt.UTC()
	return o, err
}

const insertObjectQuery = `
	insert into objects (customer_id, tenant, kind, id, version, state, due_at, data, updated_at, number, created_at)
	values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`

const updateObjectQuery = `
	update objects
	   set version = $5, state = $6, due_at = $7, data = $8, updated_at = $9
	 where customer_id = $1 and tenant = $2 and kind = $3 and id = $4`

const insertObjectEventQuery = `
	insert into object_events (customer_id, tenant, number, object, version, position, kind, data, created_at, digest,
	                           hash, after_hold, after_notice)
	values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`

// insertObjectEventBeforeQuery adds an event behind which the same transaction has written
// an entry, a hold event or a notice of the customer's. Its place in the feed goes by the
// first of these, see [insertHoldEventBeforeQuery].
var insertObjectEventBeforeQuery = strings.NewReplacer("after_notice)", "after_notice, feed_order)", "$13)", `$13, least(
	        (select e.feed_order from ledger_entries e where e.customer_id = $1 and e.tenant = $2 and e.position = $6::bigint + 1),
	        (select e.feed_order from hold_events e where e.customer_id = $1 and e.tenant = $2 and e.number = $12::bigint + 1),
	        (select n.feed_order from expiry_notices n where n.customer_id = $1 and n.tenant = $2 and n.number = $13::bigint + 1)))`).
	Replace(insertObjectEventQuery)

const updateObjectHeadQuery = `
	update customers
	   set object_number = $3, object_hash = $4
	 where customer_id = $1 and tenant = $2`

// queueObjects writes what was done about objects, and where the events of each customer
// stand now. An object that is changed twice is written twice.
func (b *batch) queueObjects(trip *pgx.Batch) {
	moved := map[customerKey]bool{}
	for _, placed := range b.objects.changes {
		customer, o, e := placed.customer, &placed.change.Object, &placed.change.Event
		row := []any{
			customer.id, customer.tenant, string(o.Kind), o.ID, o.Version, o.State, timeOrNull(o.DueAt), o.Data, o.UpdatedAt,
		}
		if e.Version == 1 {
			trip.Queue(insertObjectQuery, append(row, o.Number, o.CreatedAt)...)
		} else {
			trip.Queue(updateObjectQuery, row...)
		}
		insert, state := insertObjectEventQuery, b.customers[customer]
		isLast := state.chain.Position == e.Position && state.holdNumber() == placed.hold &&
			state.noticeNumber() == placed.notice
		if !isLast && !b.db.sharded { // which has no feed
			insert = insertObjectEventBeforeQuery
		}
		trip.Queue(insert, customer.id, customer.tenant, e.Number, e.Object, e.Version, e.Position, string(e.Kind), e.Data,
			e.CreatedAt, e.Digest[:], e.Hash[:], placed.hold, placed.notice)
		moved[customer] = true
	}
	for customer := range moved {
		head := b.objects.heads[customer]
		trip.Queue(updateObjectHeadQuery, customer.id, customer.tenant, head.Number, head.Hash[:])
	}
}

// lookObjectQuery looks for an event after a lost answer. No other event has its hash.
const lookObjectQuery = `
	select count(*) > 0
	  from object_events e
	 where e.customer_id = $1 and e.tenant = $2 and e.number = $3 and e.hash = $4`

var errNoObject = ledger.Errorf(ledger.CodeNotFound, "there is no such object")

// objectQuery names no customer, as a list of them does not: on Citus it asks every
// shard.
const objectQuery = objectColumns + clockColumn + `
	 where o.tenant = $1 and o.kind = $2 and o.id = $3`

// Object implements ledger.Store.
func (db *DB) Object(
	ctx context.Context, tenant ledger.Tenant, key ledger.ObjectKey,
) (object ledger.Object, err error) {
	err = db.readObjects(ctx, tenant, func(number int32) (string, []any) {
		return objectQuery, []any{number, string(key.Kind), key.ID}
	}, func(found []ledger.Object) error {
		if len(found) == 0 {
			return errNoObject
		}
		object = found[0]
		return nil
	}, string(key.Kind), key.ID)
	return object, err
}

// readObjects runs a query of a tenant's objects and shows what it found. Where the
// texts cannot be stored there is nothing to be found.
func (db *DB) readObjects(
	ctx context.Context, tenant ledger.Tenant, query func(number int32) (string, []any), show func([]ledger.Object) error,
	texts ...string,
) error {
	if slices.ContainsFunc(texts, func(text string) bool { return !storable(text) }) {
		return show(nil)
	}
	return db.read(ctx, func(ctx context.Context, q querier) error {
		number, err := db.tenants.number(ctx, q, tenant)
		if err != nil {
			if err = ignore(err, errNoBusiness); err == nil {
				err = show(nil)
			}
			return err
		}
		text, args := query(number)
		rows, err := q.Query(ctx, text, args...)
		if err != nil {
			return err
		}
		found, err := db.collectObjects(rows, true)
		if err != nil {
			return err
		}
		return show(found)
	})
}

// Objects implements ledger.Store.
func (db *DB) Objects(
	ctx context.Context, tenant ledger.Tenant, filter ledger.ObjectFilter, page ledger.ObjectPage,
) (list ledger.ObjectList, err error) {
	err = db.readObjects(ctx, tenant, func(number int32) (string, []any) {
		return objectsQuery(number, &filter, page)
	}, func(found []ledger.Object) error {
		list = ledger.ObjectListOf(found, page.Limit)
		return nil
	}, string(filter.Kind), filter.CustomerID, filter.State, page.Before)
	return list, err
}

// objectsQuery has a clause only for each filter that is set, as customersQuery.
func objectsQuery(tenant int32, filter *ledger.ObjectFilter, page ledger.ObjectPage) (query string, args []any) {
	var clauses []string
	add := func(clause string, arg any) {
		args = append(args, arg)
		clauses = append(clauses, fmt.Sprintf(clause, len(args)))
	}
	add("o.tenant = $%d", tenant)
	add("o.kind = $%d", string(filter.Kind))
	if filter.CustomerID != "" {
		add("o.customer_id = $%d", filter.CustomerID)
	}
	if filter.State != "" {
		add("o.state = $%d", filter.State)
	}
	if !filter.CreatedAtGTE.IsZero() {
		add("o.created_at >= $%d", filter.CreatedAtGTE)
	}
	if !filter.CreatedAtLTE.IsZero() {
		add("o.created_at <= $%d", filter.CreatedAtLTE)
	}
	if page.Before != "" {
		add("o.id < $%d", page.Before)
	}
	args = append(args, page.Limit+1, page.Skip)
	return objectColumns + clockColumn + "\n\t where " + strings.Join(clauses, " and ") +
		fmt.Sprintf("\n\t order by o.id desc\n\t limit $%d offset $%d", len(args)-1, len(args)), args
}

const objectEventColumns = `
	select e.number, e.object, e.version, e.position, e.kind, e.data, e.created_at, e.digest, e.hash`

const objectEventsQuery = objectEventColumns + `
	  from object_events e
	 where e.customer_id = $1 and e.tenant = $2 and e.number > $3
	 order by e.number
	 limit $4`

// scanObjectEvent reads objectEventColumns, and what more there is.
func scanObjectEvent(row pgx.CollectableRow, more ...any) (e ledger.ObjectEvent, err error) {
	var digest, hash []byte
	err = row.Scan(append([]any{
		&e.Number, &e.Object, &e.Version, &e.Position, &e.Kind, &e.Data, &e.CreatedAt, &digest, &hash,
	}, more...)...)
	copy(e.Digest[:], digest)
	copy(e.Hash[:], hash)
	e.CreatedAt = e.CreatedAt.UTC()
	return e, err
}

const feedObjectsQuery = objectEventColumns + `, e.feed_order, e.after_hold, e.after_notice, e.customer_id, o.kind, o.id
	  from (select *
	          from object_events e
	         where e.tenant = $1 and e.kind <> '' and e.feed_order >= $2 and e.feed_order < $6
	           and (e.feed_order, e.customer_id, e.position, e.after_hold, e.after_notice, e.number) >= ($2, $3, $4, $5, $8, $9)
	         order by e.feed_order, e.customer_id, e.position, e.after_hold, e.after_notice, e.number
	         limit $7) as e
	 cross join lateral (
	       select *
	         from objects o
	        where o.customer_id = e.customer_id and o.tenant = $1 and o.number = e.object
	       offset 0) as o
	 order by e.feed_order, e.customer_id, e.position, e.after_hold, e.after_notice, e.number`

func scanObjectFact(row pgx.CollectableRow, tenant ledger.Tenant) (f placedFact, err error) {
	told := ledger.ToldObject{Tenant: tenant}
	told.Event, err = scanObjectEvent(row, &f.place.order, &f.place.hold, &f.place.notice, &told.CustomerID,
		&told.Key.Kind, &told.Key.ID)
	f.place.kind, f.place.customer, f.place.position = factMoney, told.CustomerID, told.Event.Position
	f.place.object, f.fact.Object = told.Event.Number, &told
	return f, err
}

// ObjectEvents implements ledger.Store.
func (db *DB) ObjectEvents(
	ctx context.Context, tenant ledger.Tenant, customerID string, after int64, limit int,
) (events []ledger.ObjectEvent, err error) {
	_, err = db.readHoldings(ctx, tenant, customerID, func(ctx context.Context, q querier, found *holdings) error {
		rows, err := q.Query(ctx, objectEventsQuery, found.key.id, found.key.tenant, after, limit)
		if err != nil {
			return err
		}
		events, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (ledger.ObjectEvent, error) {
			return scanObjectEvent(row)
		})
		return err
	})
	return events, err
}

// dueObjectsQuery is about all customers at once, as expiredQuery is.
const dueObjectsQuery = objectColumns + `
	  from objects o
	 where o.kind = $1 and o.due_at <= $2` + withoutClock + `(o.customer_id, o.tenant))
	 order by o.due_at, o.id
	 limit $3`

// DueObjects implements ledger.Store.
func (db *DB) DueObjects(
	ctx context.Context, kind ledger.ObjectKind, at time.Time, limit int,
) (due []ledger.Object, err error) {
	err = db.read(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, dueObjectsQuery, string(kind), at, limit)
		if err != nil {
			return err
		}
		var numbers []int32
		due, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (ledger.Object, error) {
			var number int32
			object, err := scanObject(row, &number)
			numbers = append(numbers, number)
			return object, err
		})
		for i := range due {
			if err == nil {
				due[i].Tenant, err = db.tenants.name(ctx, q, numbers[i])
			}
		}
		return err
	})
	return due, err
}
