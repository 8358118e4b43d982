package verify

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

const fileObjectColumns = `
	select e.customer, coalesce(c.id, ''), coalesce(c.tenant, 0), e.number, e.object, e.version, e.position, e.kind, e.data,
	       e.created_at, e.digest, e.hash, o.id is not null, coalesce(o.tenant = c.tenant, 0), coalesce(o.kind, ''),
	       coalesce(o.id, ''), coalesce(o.state, ''), coalesce(o.due_at, 0), coalesce(o.data, ''), coalesce(o.created_at, 0),
	       coalesce(o.updated_at, 0), c.object_number, c.object_hash
	  from object_events e
	  left join customers c on c.no = e.customer
	  left join objects o on o.customer = e.customer and o.number = e.object and o.version = e.version`

// fileStrays are objects that no event made.
const fileStrays = `
	select o.customer, coalesce(c.id, ''), coalesce(c.tenant, 0), o.kind || ' ' || o.id
	  from objects o
	  left join customers c on c.no = o.customer
	 where not exists (select 1
	                     from object_events e
	                    where e.customer = o.customer and e.number = o.number and e.object = e.number and e.version <= o.version)`

// fileNone are customers without events whose rows say that there are some.
const fileNone = `
	select c.no, c.id, c.tenant, c.object_number, c.object_hash
	  from customers c
	 where (c.object_number <> 0 or c.object_hash <> zeroblob(32))
	   and not exists (select 1 from object_events e where e.customer = c.no)`

func scanObjectRow(stmt *sqlite.Stmt) objectRow {
	r := objectRow{
		owner: scanObjectOwner(stmt), head: scanObjectHead(stmt, 21), number: stmt.ColumnInt64(3),
		object: stmt.ColumnInt64(4), version: stmt.ColumnInt64(5), position: stmt.ColumnInt64(6), kind: stmt.ColumnText(7),
		data: stmt.ColumnText(8), createdAt: stmt.ColumnInt64(9), last: stmt.ColumnBool(12), tenants: stmt.ColumnBool(13),
		objectKey: [2]string{stmt.ColumnText(14), stmt.ColumnText(15)}, state: stmt.ColumnText(16), dueAt: stmt.ColumnInt64(17),
		content: stmt.ColumnText(18), madeAt: stmt.ColumnInt64(19), updatedAt: stmt.ColumnInt64(20),
	}
	r.digest, r.hash = blob(stmt, 10), blob(stmt, 11)
	return r
}

func scanObjectOwner(stmt *sqlite.Stmt) objectOwner {
	return objectOwner{no: stmt.ColumnInt64(0), id: stmt.ColumnText(1), tenant: stmt.ColumnInt64(2)}
}

func scanObjectHead(stmt *sqlite.Stmt, column int) (head objectHead) {
	if !stmt.ColumnIsNull(column) {
		head = objectHead{stmt.ColumnInt64(column), blob(stmt, column+1)}
	}
	return head
}

// readObjects checks the objects of a customer of a file, or with 0 of all.
func (f *file) readObjects(ctx context.Context, check *checker, customer int64) error {
	all := &objects{check: check}
	events, strays, none, args := ` order by e.customer, e.number`, "", "", []any{}
	if customer != 0 {
		events, strays, none = ` where e.customer = ? order by e.number`, ` and o.customer = ?`, ` and c.no = ?`
		args = []any{customer}
	}
	each := func(query string, row func(stmt *sqlite.Stmt)) error {
		return sqlitex.ExecuteTransient(f.conn, query, &sqlitex.ExecOptions{Args: args,
			ResultFunc: func(stmt *sqlite.Stmt) error {
				row(stmt)
				return ctx.Err()
			}})
	}
	err := each(fileObjectColumns+events, func(stmt *sqlite.Stmt) {
		row := scanObjectRow(stmt)
		all.add(&row)
	})
	all.end()
	return errors.Join(err, each(fileStrays+strays, func(stmt *sqlite.Stmt) {
		all.stray(scanObjectOwner(stmt), stmt.ColumnText(3))
	}), each(fileNone+none, func(stmt *sqlite.Stmt) {
		all.none(scanObjectOwner(stmt), scanObjectHead(stmt, 3))
	}))
}

const rowObjectColumns = `
	select e.customer_id, e.tenant, e.number, e.object, e.version, e.position, e.kind, e.data, e.created_at, e.digest, e.hash,
	       o.id is not null, coalesce(o.kind, ''), coalesce(o.id, ''), coalesce(o.state, ''), o.due_at, coalesce(o.data, ''),
	       coalesce(o.created_at, e.created_at), coalesce(o.updated_at, e.created_at), coalesce(c.object_number, 0),
	       c.object_hash
	  from object_events e
	  left join customers c on c.customer_id = e.customer_id and c.tenant = e.tenant
	  left join objects o on o.customer_id = e.customer_id and o.tenant = e.tenant and o.number = e.object
	                     and o.version = e.version`

const rowStrays = `
	select o.customer_id, o.tenant, o.kind || ' ' || o.id
	  from objects o
	 where not exists (select 1
	                     from object_events e
	                    where e.customer_id = o.customer_id and e.tenant = o.tenant and e.number = o.number
	                      and e.object = e.number and e.version <= o.version)`

const rowNone = `
	select c.customer_id, c.tenant, c.object_number, c.object_hash
	  from customers c
	 where (c.object_number <> 0 or c.object_hash <> decode(repeat('00', 32), 'hex'))
	   and not exists (select 1 from object_events e where e.customer_id = c.customer_id and e.tenant = c.tenant)`

func scanRowObject(row pgx.CollectableRow) (r objectRow, err error) {
	var createdAt, madeAt, updatedAt time.Time
	var due *time.Time
	err = row.Scan(&r.owner.id, &r.owner.tenant, &r.number, &r.object, &r.version, &r.position, &r.kind, &r.data,
		&createdAt, &r.digest, &r.hash, &r.last, &r.objectKey[0], &r.objectKey[1], &r.state, &due, &r.content, &madeAt,
		&updatedAt, &r.head.number, &r.head.hash)
	r.createdAt, r.madeAt, r.updatedAt, r.tenants = createdAt.UnixMicro(), madeAt.UnixMicro(), updatedAt.UnixMicro(), true
	if due != nil {
		r.dueAt = due.UnixMicro()
	}
	return r, err
}

// readRowObjects checks the objects of a customer of a database, or with the zero owner
// of all.
func readRowObjects(ctx context.Context, tx pgx.Tx, check *checker, of owner) error {
	all := &objects{check: check}
	events, strays, none, args := ` order by e.customer_id, e.tenant, e.number`, "", "", []any{}
	if of.id != "" {
		events = ` where e.customer_id = $1 and e.tenant = $2 order by e.number`
		strays, none = ` and o.customer_id = $1 and o.tenant = $2`, ` and c.customer_id = $1 and c.tenant = $2`
		args = []any{of.id, of.tenant}
	}
	rows, err := tx.Query(ctx, rowObjectColumns+events, args...)
	if err != nil {
		return err
	}
	for rows.Next() {
		row, err := scanRowObject(rows)
		if err != nil {
			rows.Close()
			return err
		}
		all.add(&row)
	}
	all.end()
	if err := rows.Err(); err != nil {
		return err
	}
	var whose objectOwner
	var name string
	if rows, err = tx.Query(ctx, rowStrays+strays, args...); err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, []any{&whose.id, &whose.tenant, &name}, func() error {
		all.stray(whose, name)
		return nil
	})
	if err != nil {
		return err
	}
	var head objectHead
	if rows, err = tx.Query(ctx, rowNone+none, args...); err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, []any{&whose.id, &whose.tenant, &head.number, &head.hash}, func() error {
		all.none(whose, head)
		return nil
	})
	return err
}
