package postgres

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/walletrow"
)

// holdBook is what a batch knows of holds, and what it is to write of them.
type holdBook struct {
	byID    map[priorKey]*ledger.Hold       // by customer and id
	priors  map[priorKey]*ledger.HoldChange // by customer and idempotency key
	changes []placedHold                    // in the order of their decisions
}

type placedHold struct {
	customer customerKey
	change   *ledger.HoldChange
	after    int64 // position of the customer's entry before it, or of the capture's own
}

func (h *holdBook) add(customer customerKey, change *ledger.HoldChange, after int64) {
	h.prepare()
	h.changes = append(h.changes, placedHold{customer, change, after})
	h.byID[priorKey{customer, change.Hold.ID}] = &change.Hold
	if key := change.Event.IdempotencyKey; key != "" {
		h.priors[priorKey{customer, key}] = change
	}
}

func (h *holdBook) prepare() {
	if h.byID == nil {
		h.byID, h.priors = map[priorKey]*ledger.Hold{}, map[priorKey]*ledger.HoldChange{}
	}
}

// holdNumber is that of the customer's last hold event, 0 for none.
func (c *customerState) holdNumber() (number int64) {
	for i := range c.wallets {
		number = max(number, c.wallets[i].HoldNumber)
	}
	return number
}

const holdColumns = `
	select h.customer_id, h.number, h.id, h.currency, h.amount, h.captured, h.released, h.state, h.expires_at, h.lots,
	       coalesce(h.reason, ''), coalesce(h.reference_object_id, ''), coalesce(h.metadata, '{}'), h.created_by,
	       h.created_at, h.updated_at`

// holdsByNumberQuery looks each hold up by the whole key, as [readPointsQuery] does.
const holdsByNumberQuery = holdColumns + `
	  from unnest($3::bigint[]) as u (number)
	 cross join lateral (
	       select *
	         from holds h
	        where h.customer_id = $1 and h.tenant = $2 and h.number = u.number
	       offset 0) as h`

const dueHoldsQuery = holdColumns + `
	  from holds h
	 where h.customer_id = $1 and h.tenant = $2 and h.currency = $3 and h.state = 'active' and h.expires_at <= $4
	 order by h.expires_at
	 limit $5`

const holdEventColumns = `
	select e.number, e.kind, e.allocations, e.amount, e.captured, e.released, e.position, e.seq, e.balance, e.held,
	       e.available, e.moved_at, coalesce(e.alerts, ''), coalesce(e.idempotency_key, ''), e.fingerprint, e.created_by,
	       e.created_at, h.id, e.hold`

const holdEventsByKeyQuery = holdEventColumns + `
	  from unnest($3::text[]) as u (idempotency_key)
	 cross join lateral (
	       select *
	         from hold_events e
	        where e.customer_id = $1 and e.tenant = $2 and e.idempotency_key = u.idempotency_key
	       offset 0) as e
	 cross join lateral (
	       select *
	         from holds h
	        where h.customer_id = $1 and h.tenant = $2 and h.number = e.hold
	       offset 0) as h`

const holdEventsQuery = holdEventColumns + `
	  from (select *
	          from hold_events e
	         where e.customer_id = $1 and e.tenant = $2 and e.number > $3
	         order by e.number
	         limit $4) as e
	 cross join lateral (
	       select *
	         from holds h
	        where h.customer_id = $1 and h.tenant = $2 and h.number = e.hold
	       offset 0) as h
	 order by e.number`

// loadHolds reads what the batch's scopes name of holds: nothing for a customer
// who never had one, and so nothing at all in most batches.
func (b *batch) loadHolds(ctx context.Context, conn *pgx.Conn) error {
	keys, numbers := map[customerKey][]string{}, map[customerKey][]int64{}
	for _, item := range b.items {
		scope := &item.Command.scope
		number, known := b.db.tenants.known(scope.Tenant)
		customer := customerKey{scope.CustomerID, number}
		state := b.customers[customer]
		if !known || state == nil || state.holdNumber() == 0 {
			continue
		}
		if scope.Key != "" {
			keys[customer] = append(keys[customer], scope.Key)
		}
		if number, ok := ledger.HoldIDNumber(scope.Hold); ok {
			numbers[customer] = append(numbers[customer], number)
		}
	}
	b.holds.prepare()
	for customer, keys := range keys {
		found, err := queryHoldEvents(ctx, conn, holdEventsByKeyQuery, customer.id, customer.tenant, keys)
		if err != nil {
			return err
		}
		for i := range found {
			b.holds.priors[priorKey{customer, found[i].Event.IdempotencyKey}] = &found[i]
			numbers[customer] = append(numbers[customer], found[i].Hold.Number)
		}
	}
	for customer, numbers := range numbers {
		slices.Sort(numbers)
		holds, err := b.queryHolds(ctx, conn, customer, holdsByNumberQuery, slices.Compact(numbers))
		if err != nil {
			return err
		}
		for i := range holds {
			b.holds.byID[priorKey{customer, holds[i].ID}] = &holds[i]
		}
	}
	for key, prior := range b.holds.priors {
		prior.Hold = *b.holds.byID[priorKey{key.customerKey, prior.Event.HoldID}]
	}
	return nil
}

// snapshotHolds adds what a scope names of the customer's holds, as the decisions
// before it have left them.
func (b *batch) snapshotHolds(
	ctx context.Context, conn *pgx.Conn, customer customerKey, scope *ledger.Scope, s *ledger.Snapshot,
) error {
	if s.HoldNumber = b.customers[customer].holdNumber(); s.HoldNumber == 0 {
		return nil
	}
	if scope.Key != "" {
		s.PriorHold = b.holds.priors[priorKey{customer, scope.Key}]
	}
	if scope.DueHold {
		due, err := b.dueHold(ctx, conn, customer, scope, s.Chain.At(scope.At))
		s.Hold = due
		return err
	}
	if hold := b.holds.byID[priorKey{customer, scope.Hold}]; hold != nil && hold.Currency == scope.Currency {
		copied := *hold
		s.Hold = &copied
	}
	return nil
}

// dueHold returns the active hold that expires first, if it has by a time. It is a
// trip of its own, for the sweep and for who would take a part while something is held.
func (b *batch) dueHold(
	ctx context.Context, conn *pgx.Conn, customer customerKey, scope *ledger.Scope, at time.Time,
) (*ledger.Hold, error) {
	// Of those in the database this batch may have ended as many as it changed.
	limit := len(b.holds.changes) + 1
	holds, err := b.queryHolds(ctx, conn, customer, dueHoldsQuery, string(scope.Currency), at, limit)
	if err != nil {
		return nil, err
	}
	for _, placed := range b.holds.changes {
		if placed.customer != customer || placed.change.Hold.Currency != scope.Currency {
			continue
		}
		latest := *b.holds.byID[priorKey{customer, placed.change.Hold.ID}]
		holds = slices.DeleteFunc(holds, func(h ledger.Hold) bool { return h.ID == latest.ID })
		holds = append(holds, latest)
	}
	holds = slices.DeleteFunc(holds, func(h ledger.Hold) bool {
		return h.State != ledger.HoldActive || at.Before(h.ExpiresAt)
	})
	if len(holds) == 0 {
		return nil, nil
	}
	first := slices.MinFunc(holds, func(a, b ledger.Hold) int {
		return cmp.Or(a.ExpiresAt.Compare(b.ExpiresAt), cmp.Compare(a.Number, b.Number))
	})
	return &first, nil
}

func (b *batch) queryHolds(
	ctx context.Context, q querier, customer customerKey, query string, args ...any,
) ([]ledger.Hold, error) {
	tenant := b.db.tenants.of(customer.tenant)
	return queryHolds(ctx, q, tenant, query, append([]any{customer.id, customer.tenant}, args...)...)
}

func queryHolds(
	ctx context.Context, q querier, tenant ledger.Tenant, query string, args ...any,
) ([]ledger.Hold, error) {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (ledger.Hold, error) { return scanHold(row, tenant) })
}

// scanHold reads holdColumns.
func scanHold(row pgx.CollectableRow, tenant ledger.Tenant) (h ledger.Hold, err error) {
	var lots []byte
	err = row.Scan(&h.CustomerID, &h.Number, &h.ID, &h.Currency, &h.Amount, &h.Captured, &h.Released, &h.State,
		&h.ExpiresAt, &lots, &h.Reason, &h.ReferenceObjectID, &h.Metadata, &h.CreatedBy, &h.CreatedAt, &h.UpdatedAt)
	if err != nil {
		return h, err
	}
	h.Tenant = tenant
	h.ExpiresAt, h.CreatedAt, h.UpdatedAt = h.ExpiresAt.UTC(), h.CreatedAt.UTC(), h.UpdatedAt.UTC()
	h.Lots, err = walletrow.DecodeLots(lots)
	return h, err
}

// queryHoldEvents reads events. Of their holds they have the number and the id.
func queryHoldEvents(ctx context.Context, q querier, query string, args ...any) ([]ledger.HoldChange, error) {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (ledger.HoldChange, error) { return scanHoldEvent(row) })
}

// scanHoldEvent reads holdEventColumns, and whatever stands behind them into more.
func scanHoldEvent(row pgx.CollectableRow, more ...any) (c ledger.HoldChange, err error) {
	e := &c.Event
	var allocations []int64
	var fingerprint []byte
	err = row.Scan(append([]any{
		&e.Number, &e.Kind, &allocations, &e.Amount, &e.Captured, &e.Released, &e.Position, &e.Seq,
		&e.Balance, &e.Held, &e.Available, &e.MovedAt, &e.Alerts, &e.IdempotencyKey, &fingerprint, &e.CreatedBy,
		&e.CreatedAt, &e.HoldID, &c.Hold.Number,
	}, more...)...)
	for part := range slices.Chunk(allocations, 2) {
		e.Allocations = append(e.Allocations, ledger.Allocation{LotSeq: part[0], Amount: amountOf(part[1])})
	}
	copy(e.Fingerprint[:], fingerprint)
	e.MovedAt, e.CreatedAt, c.Hold.ID = e.MovedAt.UTC(), e.CreatedAt.UTC(), e.HoldID
	return c, err
}

const insertHoldQuery = `
	insert into holds (customer_id, tenant, number, captured, released, state, lots, updated_at, id, currency, amount,
	                   expires_at, reason, reference_object_id, metadata, created_by, created_at)
	values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`

const updateHoldQuery = `
	update holds
	   set captured = $4, released = $5, state = $6, lots = $7, updated_at = $8
	 where customer_id = $1 and tenant = $2 and number = $3`

const insertHoldEventQuery = `
	insert into hold_events (customer_id, tenant, number, hold, kind, allocations, amount, captured, released, position,
	                         seq, balance, held, available, moved_at, alerts, idempotency_key, fingerprint, created_by,
	                         created_at, after_position)
	values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)`

// insertHoldEventBeforeQuery adds an event behind which the same transaction has written
// an entry of the customer's. Its place in the feed goes by that entry: by itself it
// would be that of a later statement, and so might be behind it.
var insertHoldEventBeforeQuery = strings.NewReplacer("after_position)", "after_position, feed_order)", "$21)", `$21,
	        (select e.feed_order from ledger_entries e where e.customer_id = $1 and e.tenant = $2 and e.position = $21::bigint + 1))`).
	Replace(insertHoldEventQuery)

// queueHolds writes what was done about holds. A hold that is changed twice is
// written twice.
func (b *batch) queueHolds(trip *pgx.Batch) {
	for _, placed := range b.holds.changes {
		h, e := &placed.change.Hold, &placed.change.Event
		row := []any{
			placed.customer.id, placed.customer.tenant, h.Number, int64(h.Captured), int64(h.Released), string(h.State),
			walletrow.AppendLots([]byte{}, h.Lots), h.UpdatedAt,
		}
		if h.Number == e.Number {
			trip.Queue(insertHoldQuery, append(row, h.ID, string(h.Currency), int64(h.Amount), h.ExpiresAt,
				textOrNull(h.Reason, ""), textOrNull(h.ReferenceObjectID, ""), textOrNull(h.Metadata, "{}"), h.CreatedBy,
				h.CreatedAt)...)
		} else {
			trip.Queue(updateHoldQuery, row...)
		}
		var pinned []int64
		for _, part := range e.Allocations {
			pinned = append(pinned, part.LotSeq, int64(part.Amount))
		}
		insert := insertHoldEventQuery
		if b.customers[placed.customer].chain.Position > placed.after && !b.db.sharded { // which has no feed
			insert = insertHoldEventBeforeQuery
		}
		trip.Queue(insert, placed.customer.id, placed.customer.tenant, e.Number, h.Number, string(e.Kind),
			pinned, int64(e.Amount), int64(e.Captured), int64(e.Released), e.Position, e.Seq, int64(e.Balance),
			int64(e.Held), int64(e.Available), e.MovedAt, textOrNull(string(e.Alerts), ""),
			textOrNull(e.IdempotencyKey, ""), e.Fingerprint[:], e.CreatedBy, e.CreatedAt, placed.after)
	}
}

var errNoHold = ledger.Errorf(ledger.CodeNotFound, "there is no such hold")

// Hold implements ledger.Store. The id contains the number.
func (db *DB) Hold(ctx context.Context, tenant ledger.Tenant, customerID, holdID string) (hold ledger.Hold, err error) {
	_, err = db.readHoldings(ctx, tenant, customerID, func(ctx context.Context, q querier, found *holdings) error {
		number, ok := ledger.HoldIDNumber(holdID)
		if !ok {
			return errNoHold
		}
		holds, err := queryHolds(ctx, q, tenant, holdsByNumberQuery, found.key.id, found.key.tenant, []int64{number})
		if err != nil {
			return err
		}
		if len(holds) == 0 || holds[0].ID != holdID {
			return errNoHold
		}
		hold = holds[0]
		return nil
	})
	return hold, err
}

const holdsQuery = holdColumns + `
	  from holds h
	 where h.customer_id = $1 and h.tenant = $2 and h.number >= $3 and h.number < $4
	   and ($5 = '' or h.currency = $5) and ($6 = '' or h.state = $6) and ($7 = '' or h.reference_object_id = $7)
	 order by h.number desc
	 limit $8`

// Holds implements ledger.Store. A page looks at scanMax numbers at the most.
func (db *DB) Holds(
	ctx context.Context, tenant ledger.Tenant, customerID string, f ledger.HoldFilter, page ledger.Page,
) (list ledger.HoldList, err error) {
	_, err = db.readHoldings(ctx, tenant, customerID, func(ctx context.Context, q querier, found *holdings) error {
		before := walletrow.HoldNumber(found.wallets) + 1
		if page.Before != 0 {
			before = min(before, page.Before)
		}
		from := max(before-scanMax, 1)
		list = ledger.HoldList{Chain: walletrow.Chain(&found.customer, found.wallets)}
		if !storable(f.ReferenceObjectID) {
			return nil
		}
		holds, err := queryHolds(ctx, q, tenant, holdsQuery, found.key.id, found.key.tenant, from, before,
			string(f.Currency), string(f.State), f.ReferenceObjectID, page.Limit+1)
		list.Holds, list.Next = ledger.HoldPage(holds, page.Limit, from)
		for i := range list.Holds {
			list.Holds[i].Lots = nil
		}
		return err
	})
	return list, err
}

// HoldEvents implements ledger.Store.
func (db *DB) HoldEvents(
	ctx context.Context, tenant ledger.Tenant, customerID string, after int64, limit int,
) (events []ledger.HoldEvent, err error) {
	_, err = db.readHoldings(ctx, tenant, customerID, func(ctx context.Context, q querier, found *holdings) error {
		changes, err := queryHoldEvents(ctx, q, holdEventsQuery, found.key.id, found.key.tenant, after, limit)
		events = nil
		for _, c := range changes {
			events = append(events, c.Event)
		}
		return err
	})
	return events, err
}
