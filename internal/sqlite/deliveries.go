package sqlite

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/webhook"
)

// Enqueue implements webhook.Store.
func (db *DB) Enqueue(ctx context.Context, step webhook.Step) (bool, error) {
	moved := false // kept apart from the results, as in CreateCustomer
	err := db.write(ctx, func(conn *sqlite.Conn) error {
		moved = false
		stored, err := readEndpoint(conn, ledger.Tenant{}, step.EndpointID)
		if ledger.CodeOf(err) == ledger.CodeNotFound || err == nil && !stored.Stands(&step) {
			return nil
		}
		if err != nil {
			return err
		}
		for i := range step.Deliveries {
			if err := insertDelivery(conn, stored.no, &step.Deliveries[i]); err != nil {
				return err
			}
		}
		moved = true
		const update = `update webhook_endpoints set place = ? where no = ?`
		return sqlitex.Execute(conn, update, &sqlitex.ExecOptions{Args: []any{string(step.To), stored.no}})
	})
	return err == nil && moved, err
}

func insertDelivery(conn *sqlite.Conn, endpoint int64, d *webhook.Delivery) (err error) {
	stmt, err := conn.Prepare(`
	  insert into webhook_deliveries (endpoint, event_id, kind, queue, body, state, due_at, tries, attempts, queued_at)
	  values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	defer resetting(stmt, &err)
	stmt.BindInt64(1, endpoint)
	stmt.BindText(2, d.EventID)
	stmt.BindText(3, string(d.Kind))
	stmt.BindText(4, d.Queue)
	stmt.BindBytes(5, d.Body)
	stmt.BindText(6, string(d.State))
	stmt.BindInt64(7, d.DueAt.UnixMicro())
	stmt.BindInt64(8, int64(d.Tries))
	stmt.BindText(9, webhook.EncodeAttempts(d.Attempts))
	stmt.BindInt64(10, d.QueuedAt.UnixMicro())
	_, err = stmt.Step()
	return err
}

const deliveryColumns = `d.no, d.event_id, d.kind, d.queue, d.state, d.due_at, d.tries, d.attempts, d.queued_at, d.body`

// bodyColumn is the place of the body among the columns. A list leaves it out.
const bodyColumn = 9

func readDeliveries(conn *sqlite.Conn, query string, args ...any) (deliveries []webhook.Delivery, err error) {
	err = sqlitex.Execute(conn, query, &sqlitex.ExecOptions{
		Args: args,
		ResultFunc: func(stmt *sqlite.Stmt) error {
			attempts, err := webhook.DecodeAttempts(stmt.ColumnText(7))
			delivery := webhook.Delivery{
				No: stmt.ColumnInt64(0), EventID: stmt.ColumnText(1), Kind: ledger.EventKind(stmt.ColumnText(2)),
				Queue: stmt.ColumnText(3), State: webhook.State(stmt.ColumnText(4)), DueAt: timeOf(stmt.ColumnInt64(5)),
				Tries: int(stmt.ColumnInt64(6)), Attempts: attempts, QueuedAt: timeOf(stmt.ColumnInt64(8)),
				Body: columnBytes(stmt, bodyColumn),
			}
			deliveries = append(deliveries, delivery)
			return err
		},
	})
	return deliveries, err
}

const listColumns = `d.no, d.event_id, d.kind, d.queue, d.state, d.due_at, d.tries, d.attempts, d.queued_at, null`

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
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		stored, err := readEndpoint(conn, tenant, endpointID)
		if err != nil {
			return err
		}
		deliveries, err = readDeliveries(conn, `
		  select `+listColumns+`
		    from webhook_deliveries d
		   where d.endpoint = ? and d.no < ? `+condition+`
		   order by d.no desc
		   limit ?`, stored.no, before, page.Limit)
		return err
	})
	return deliveries, err
}

// Queued implements webhook.Store.
func (db *DB) Queued(
	ctx context.Context, tenant ledger.Tenant, endpointID string, which webhook.Queued,
) (numbers []int64, err error) {
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		stored, err := readEndpoint(conn, tenant, endpointID)
		if err != nil {
			return err
		}
		query, args := `select no from webhook_deliveries where endpoint = ? and event_id = ?`, []any{stored.no, which.EventID}
		if which.EventID == "" {
			query = `
			  select no
			    from webhook_deliveries
			   where endpoint = ? and no > ? and queued_at >= ? and queued_at <= ?
			   order by no
			   limit ?`
			args = []any{stored.no, which.After, which.Since.UnixMicro(), which.Until.UnixMicro(), which.Limit}
		}
		return sqlitex.Execute(conn, query, &sqlitex.ExecOptions{Args: args, ResultFunc: func(stmt *sqlite.Stmt) error {
			numbers = append(numbers, stmt.ColumnInt64(0))
			return nil
		}})
	})
	return numbers, err
}

// Resend implements webhook.Store.
func (db *DB) Resend(
	ctx context.Context, tenant ledger.Tenant, endpointID string, numbers []int64, at time.Time,
) (int, error) {
	count := 0 // kept apart from the results, as in CreateCustomer
	err := db.write(ctx, func(conn *sqlite.Conn) error {
		count = 0
		stored, err := readEndpoint(conn, tenant, endpointID)
		if err != nil {
			return err
		}
		for _, no := range numbers {
			const update = `
			  update webhook_deliveries set state = 'pending', due_at = ?, tries = 0 where no = ? and endpoint = ?`
			args := []any{at.UnixMicro(), no, stored.no}
			if err := sqlitex.Execute(conn, update, &sqlitex.ExecOptions{Args: args}); err != nil {
				return err
			}
			count += conn.Changes()
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return count, nil
}

// PruneDeliveries implements webhook.Store.
func (db *DB) PruneDeliveries(ctx context.Context, before time.Time, limit int) (int, error) {
	// Most times there is nothing to remove, and the writer is left alone.
	some := false
	err := db.read(ctx, func(conn *sqlite.Conn) error {
		return sqlitex.Execute(conn, pruneQuery, &sqlitex.ExecOptions{
			Args: []any{before.UnixMicro(), 1}, ResultFunc: func(*sqlite.Stmt) error { some = true; return nil },
		})
	})
	if err != nil || !some {
		return 0, err
	}
	removed := 0
	err = db.write(ctx, func(conn *sqlite.Conn) error {
		const prune = `delete from webhook_deliveries where no in (` + pruneQuery + `)`
		err := sqlitex.Execute(conn, prune, &sqlitex.ExecOptions{Args: []any{before.UnixMicro(), limit}})
		removed = conn.Changes()
		return err
	})
	if err != nil {
		return 0, err
	}
	return removed, nil
}

const pruneQuery = `
	select no
	  from webhook_deliveries
	 where state = 'delivered' and due_at < ?
	 order by due_at, no
	 limit ?`

// Due implements webhook.Store.
func (db *DB) Due(
	ctx context.Context, endpointID string, due webhook.Due,
) (deliveries []webhook.Delivery, err error) {
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		numbers, err := dueNumbers(conn, endpointID, &due)
		for _, no := range numbers {
			found, readErr := readDeliveries(conn, dueDelivery, no)
			deliveries, err = append(deliveries, found...), errors.Join(err, readErr)
		}
		return err
	})
	return deliveries, err
}

const dueDelivery = `select ` + deliveryColumns + ` from webhook_deliveries d where d.no = ? and d.state = 'pending'`

// DueInOrder implements webhook.Store.
func (db *DB) DueInOrder(
	ctx context.Context, endpointID string, due webhook.DueInOrder,
) (deliveries []webhook.Delivery, next string, err error) {
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		endpoint, err := readEndpoint(conn, ledger.Tenant{}, endpointID)
		if errors.Is(err, errNoEndpoint) {
			return nil
		}
		if err != nil {
			return err
		}
		queue := due.After
		for range webhook.QueuesMax {
			if queue, err = nextQueue(conn, endpoint.no, queue); err != nil || queue == "" {
				next = ""
				return err
			}
			next = queue
			if slices.Contains(due.Except, queue) {
				continue
			}
			found, err := readDeliveries(conn, queueQuery, endpoint.no, queue, webhook.QueueMax)
			if err != nil {
				return err
			}
			for _, d := range found {
				if d.DueAt.After(due.At) {
					break
				}
				if deliveries = append(deliveries, d); len(deliveries) == due.Limit {
					return nil
				}
			}
		}
		return nil
	})
	return deliveries, next, err
}

const queueQuery = `
	select ` + deliveryColumns + `
	  from webhook_deliveries d
	 where d.endpoint = ? and d.queue = ? and d.state = 'pending'
	 order by d.no
	 limit ?`

// nextQueue is the first queue behind another of which something is pending, empty where
// there is none.
func nextQueue(conn *sqlite.Conn, endpoint int64, after string) (queue string, err error) {
	err = sqlitex.Execute(conn, `
	  select queue
	    from webhook_deliveries
	   where endpoint = ? and queue > ? and state = 'pending'
	   order by queue
	   limit 1`, &sqlitex.ExecOptions{
		Args: []any{endpoint, after}, ResultFunc: func(stmt *sqlite.Stmt) error { queue = stmt.ColumnText(0); return nil },
	})
	return queue, err
}

// dueQuery walks the index of what is pending, which has all that it asks.
const dueQuery = `
	select i.no, i.queue
	  from webhook_deliveries i
	 where i.endpoint = (select no from webhook_endpoints where id = ? and deleted = 0)
	   and i.state = 'pending' and i.due_at <= ?
	 order by i.due_at, i.no`

// dueNumbers are those that are wanted of what is due. It is read no further than it has
// to be: a statement with the conditions in it reads all, with the bodies, and sorts them.
func dueNumbers(conn *sqlite.Conn, endpointID string, due *webhook.Due) (numbers []int64, err error) {
	stmt, err := conn.Prepare(dueQuery)
	if err != nil {
		return nil, err
	}
	defer resetting(stmt, &err)
	stmt.BindText(1, endpointID)
	stmt.BindInt64(2, due.At.UnixMicro())
	for looked := 0; looked < webhook.ScanMax && len(numbers) < due.Limit; looked++ {
		row, err := stmt.Step()
		if err != nil || !row {
			return numbers, err
		}
		if !slices.Contains(due.Except, stmt.ColumnText(1)) {
			numbers = append(numbers, stmt.ColumnInt64(0))
		}
	}
	return numbers, nil
}

// Record implements webhook.Store.
func (db *DB) Record(ctx context.Context, endpointID string, results []webhook.Result) error {
	return db.write(ctx, func(conn *sqlite.Conn) error {
		stored, err := readEndpoint(conn, ledger.Tenant{}, endpointID)
		if err != nil {
			return err
		}
		for i := range results {
			if err := recordResult(conn, stored.no, &results[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func recordResult(conn *sqlite.Conn, endpoint int64, r *webhook.Result) (err error) {
	stmt, err := conn.Prepare(`
	  update webhook_deliveries
	     set state = ?, due_at = ?, tries = ?, attempts = ?
	   where no = ? and endpoint = ? and state = 'pending' and tries = ?`)
	if err != nil {
		return err
	}
	defer resetting(stmt, &err)
	stmt.BindText(1, string(r.State))
	stmt.BindInt64(2, r.DueAt.UnixMicro())
	stmt.BindInt64(3, int64(r.Tried)+1)
	stmt.BindText(4, webhook.EncodeAttempts(r.Attempts))
	stmt.BindInt64(5, r.No)
	stmt.BindInt64(6, endpoint)
	stmt.BindInt64(7, int64(r.Tried))
	_, err = stmt.Step()
	return err
}
