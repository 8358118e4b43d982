package postgres

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/webhook"
)

// Enqueue implements webhook.Store.
func (db *DB) Enqueue(ctx context.Context, step webhook.Step) (moved bool, err error) {
	happened := func(ctx context.Context, conn *pgx.Conn) (bool, error) {
		stored, err := readEndpoint(ctx, conn, ledger.Tenant{}, step.EndpointID, "")
		moved = err == nil && stored.Place == step.To && step.To != step.From
		return moved, ignore(err, errNoEndpoint)
	}
	err = db.write(ctx, happened, func(ctx context.Context, conn *pgx.Conn) error {
		moved = false
		stored, err := readEndpoint(ctx, conn, ledger.Tenant{}, step.EndpointID, lockEndpoint)
		if ledger.CodeOf(err) == ledger.CodeNotFound || err == nil && !stored.Stands(&step) {
			return nil
		}
		if err != nil {
			return err
		}
		trip := &pgx.Batch{}
		for i := range step.Deliveries {
			d := &step.Deliveries[i]
			trip.Queue(`
			  insert into webhook_deliveries (endpoint, event_id, kind, queue, body, state, due_at, tries, attempts, queued_at)
			  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
				stored.no, d.EventID, string(d.Kind), d.Queue, d.Body, string(d.State), d.DueAt, d.Tries,
				webhook.EncodeAttempts(d.Attempts), d.QueuedAt)
		}
		trip.Queue(`update webhook_endpoints set place = $2 where no = $1`, stored.no, string(step.To))
		moved = true
		return conn.SendBatch(ctx, trip).Close()
	})
	return err == nil && moved, err
}

const deliveryColumns = `d.no, d.event_id, d.kind, d.queue, d.state, d.due_at, d.tries, d.attempts, d.queued_at`

func readDeliveries(ctx context.Context, q querier, query string, args ...any) ([]webhook.Delivery, error) {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (d webhook.Delivery, err error) {
		var attempts string
		err = row.Scan(&d.No, &d.EventID, &d.Kind, &d.Queue, &d.State, &d.DueAt, &d.Tries, &attempts, &d.QueuedAt, &d.Body)
		if err != nil {
			return d, err
		}
		d.DueAt, d.QueuedAt = d.DueAt.UTC(), d.QueuedAt.UTC()
		d.Attempts, err = webhook.DecodeAttempts(attempts)
		return d, err
	})
}

// Deliveries implements webhook.Store.
func (db *DB) Deliveries(
	ctx context.Context, tenant ledger.Tenant, endpointID string, page webhook.DeliveryPage,
) (deliveries []webhook.Delivery, err error) {
	before := page.Before
	if before == 0 {
		before = math.MaxInt64
	}
	// The states stand in the text, so that each has the index of its own.
	condition := ""
	switch page.State {
	case webhook.Pending, webhook.Done, webhook.Failed:
		condition = `and d.state = '` + string(page.State) + `'`
	}
	err = db.read(ctx, func(ctx context.Context, q querier) error {
		stored, err := readEndpoint(ctx, q, tenant, endpointID, "")
		if err != nil {
			return err
		}
		deliveries, err = readDeliveries(ctx, q, `
		  select `+deliveryColumns+`, null::bytea
		    from webhook_deliveries d
		   where d.endpoint = $1 and d.no < $2 `+condition+`
		   order by d.no desc
		   limit $3`, stored.no, before, page.Limit)
		return err
	})
	return deliveries, err
}

// Queued implements webhook.Store.
func (db *DB) Queued(
	ctx context.Context, tenant ledger.Tenant, endpointID string, which webhook.Queued,
) (numbers []int64, err error) {
	if !storable(which.EventID) {
		return nil, nil
	}
	err = db.read(ctx, func(ctx context.Context, q querier) error {
		stored, err := readEndpoint(ctx, q, tenant, endpointID, "")
		if err != nil {
			return err
		}
		query, args := `select no from webhook_deliveries where endpoint = $1 and event_id = $2`, []any{stored.no, which.EventID}
		if which.EventID == "" {
			query = `
			  select no
			    from webhook_deliveries
			   where endpoint = $1 and no > $2 and queued_at >= $3 and queued_at <= $4
			   order by no
			   limit $5`
			args = []any{stored.no, which.After, which.Since, which.Until, which.Limit}
		}
		rows, err := q.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		numbers, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		return err
	})
	return numbers, err
}

// Resend implements webhook.Store.
func (db *DB) Resend(
	ctx context.Context, tenant ledger.Tenant, endpointID string, numbers []int64, at time.Time,
) (count int, err error) {
	err = db.write(ctx, again, func(ctx context.Context, conn *pgx.Conn) error {
		stored, err := readEndpoint(ctx, conn, tenant, endpointID, lockEndpoint)
		if err != nil {
			return err
		}
		const update = `
		  update webhook_deliveries set state = 'pending', due_at = $3, tries = 0 where endpoint = $1 and no = any ($2)`
		tag, err := conn.Exec(ctx, update, stored.no, numbers, at)
		count = int(tag.RowsAffected())
		return err
	})
	return count, err
}

// PruneDeliveries implements webhook.Store. Several instances share the work: each
// passes over what another one, or somebody who has it sent again, has in hand.
func (db *DB) PruneDeliveries(ctx context.Context, before time.Time, limit int) (removed int, err error) {
	err = db.write(ctx, again, func(ctx context.Context, conn *pgx.Conn) error {
		tag, err := conn.Exec(ctx, pruneQuery, before, limit)
		removed = int(tag.RowsAffected())
		return err
	})
	return removed, err
}

// pruneQuery has the deliveries as a list of keys, as in purge.
const pruneQuery = `
	delete from webhook_deliveries
	 where no = any (array(select no
	                         from webhook_deliveries
	                        where state = 'delivered' and due_at < $1
	                        order by due_at, no
	                        limit $2
	                          for update skip locked))`

// Due implements webhook.Store.
func (db *DB) Due(
	ctx context.Context, endpointID string, due webhook.Due,
) (deliveries []webhook.Delivery, err error) {
	except := append([]string{}, due.Except...) // nil would be null
	err = db.read(ctx, func(ctx context.Context, q querier) error {
		deliveries, err = readDeliveries(ctx, q, dueQuery, endpointID, due.At, webhook.ScanMax, except, due.Limit)
		return err
	})
	return deliveries, err
}

// DueInOrder implements webhook.Store.
func (db *DB) DueInOrder(
	ctx context.Context, endpointID string, due webhook.DueInOrder,
) (deliveries []webhook.Delivery, next string, err error) {
	err = db.read(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, queuesQuery, endpointID, due.After, webhook.QueuesMax)
		if err != nil {
			return err
		}
		queues, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		if next = ""; len(queues) == webhook.QueuesMax {
			next = queues[len(queues)-1]
		}
		wanted := slices.DeleteFunc(queues, func(queue string) bool { return slices.Contains(due.Except, queue) })
		deliveries, err = readDeliveries(ctx, q, dueInOrderQuery, endpointID, due.At, wanted, webhook.QueueMax, due.Limit)
		if err == nil && len(deliveries) == due.Limit {
			next = deliveries[len(deliveries)-1].Queue
		}
		return err
	})
	return deliveries, next, err
}

// ofEndpoint is what is pending of an endpoint.
const ofEndpoint = `b.endpoint = (select no from webhook_endpoints where id = $1 and not deleted) and b.state = 'pending'`

// queuesQuery steps from one queue to the next. It names no queue but where to go on,
// because there is one index alone in that order; of those that have the endpoint, and the
// queue or the number beside it, the planner of a young table would take any, and read all
// that is pending.
const queuesQuery = `
	with recursive queues as (
	  (select b.queue, 1 as n
	     from webhook_deliveries b
	    where ` + ofEndpoint + ` and (b.queue, b.no) > ($2::text, 9223372036854775807)
	    order by b.queue, b.no
	    limit 1)
	  union all
	  select following.queue, q.n + 1
	    from queues q,
	         lateral (select b.queue
	                    from webhook_deliveries b
	                   where ` + ofEndpoint + ` and (b.queue, b.no) > (q.queue, 9223372036854775807)
	                   order by b.queue, b.no
	                   limit 1) following
	   where q.n < $3)
	select queue from queues order by n`

// dueInOrderQuery reads of each queue what is pending first, as far as it is due.
const dueInOrderQuery = `
	select ` + deliveryColumns + `, d.body
	  from (select r.no, r.nth, bool_and(r.due_at <= $2) over (partition by r.nth order by r.no) as due
	          from (select w.nth, f.no, f.due_at
	                  from unnest($3::text[]) with ordinality w (queue, nth),
	                       lateral (select b.queue, b.no, b.due_at
	                                  from webhook_deliveries b
	                                 where ` + ofEndpoint + ` and (b.queue, b.no) >= (w.queue, 0::bigint)
	                                 order by b.queue, b.no
	                                 limit $4) f
	                 where f.queue = w.queue) r) f,
	       lateral (select * from webhook_deliveries where no = f.no offset 0) d
	 where f.due
	 order by f.nth, f.no
	 limit $5`

// dueQuery walks the index of what is pending, and looks up what is wanted of it.
const dueQuery = `
	select ` + deliveryColumns + `, d.body
	  from (select i.no, i.queue, i.due_at
	          from webhook_deliveries i
	         where i.endpoint = (select no from webhook_endpoints where id = $1 and not deleted)
	           and i.state = 'pending' and i.due_at <= $2
	         order by i.due_at, i.no
	         limit $3) f,
	       lateral (select * from webhook_deliveries where no = f.no offset 0) d
	 where f.queue <> all ($4)
	 order by f.due_at, f.no
	 limit $5`

// Record implements webhook.Store.
func (db *DB) Record(ctx context.Context, endpointID string, results []webhook.Result) error {
	return db.write(ctx, again, func(ctx context.Context, conn *pgx.Conn) error {
		stored, err := readEndpoint(ctx, conn, ledger.Tenant{}, endpointID, "")
		if err != nil {
			return err
		}
		trip := &pgx.Batch{}
		for i := range results {
			r := &results[i]
			trip.Queue(`
			  update webhook_deliveries
			     set state = $4, due_at = $5, tries = $3 + 1, attempts = $6
			   where no = $1 and endpoint = $2 and state = 'pending' and tries = $3`,
				r.No, stored.no, r.Tried, string(r.State), r.DueAt, webhook.EncodeAttempts(r.Attempts))
		}
		return conn.SendBatch(ctx, trip).Close()
	})
}
