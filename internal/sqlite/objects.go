package sqlite

import (
	"context"
	"errors"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/internal/ledger"
)

var errNoObject = ledger.Errorf(ledger.CodeNotFound, "there is no such object")

const objectColumns = `
	  select o.kind, o.id, o.number, o.version, o.state, o.due_at, o.data, o.created_at, o.updated_at
	    from objects o`

// scanObject reads a row of objectColumns. Tenant and CustomerID are left to the
// caller, who knows them.
func scanObject(stmt *sqlite.Stmt) ledger.Object {
	return ledger.Object{
		ObjectKey: ledger.ObjectKey{Kind: ledger.ObjectKind(stmt.ColumnText(0)), ID: stmt.ColumnText(1)},
		Number:    stmt.ColumnInt64(2),
		Version:   stmt.ColumnInt64(3),
		State:     stmt.ColumnText(4),
		DueAt:     timeOf(stmt.ColumnInt64(5)),
		Data:      stmt.ColumnText(6),
		CreatedAt: timeOf(stmt.ColumnInt64(7)),
		UpdatedAt: timeOf(stmt.ColumnInt64(8)),
	}
}

func queryObjects(conn *sqlite.Conn, query string, scan func(*sqlite.Stmt) ledger.Object, args ...any) (
	objects []ledger.Object, err error,
) {
	err = sqlitex.Execute(conn, query, &sqlitex.ExecOptions{Args: args, ResultFunc: func(stmt *sqlite.Stmt) error {
		objects = append(objects, scan(stmt))
		return nil
	}})
	return objects, err
}

// snapshotObjects adds what a scope names of the customer's objects. It looks at no
// table where it names none.
func snapshotObjects(conn *sqlite.Conn, state *customerState, scope ledger.Scope, s *ledger.Snapshot) error {
	if len(scope.Objects) == 0 {
		return nil
	}
	scan := func(stmt *sqlite.Stmt) ledger.Object {
		object := scanObject(stmt)
		object.Tenant, object.CustomerID, object.Clock = scope.Tenant, scope.CustomerID, state.customer.ClockAt
		return object
	}
	for _, key := range scope.Objects {
		const query = objectColumns + ` where o.customer = ? and o.kind = ? and o.id = ?`
		found, err := queryObjects(conn, query, scan, state.no, string(key.Kind), key.ID)
		if err != nil {
			return err
		}
		s.Objects = append(s.Objects, found...)
	}
	if state.objects == nil {
		head, err := readObjectHead(conn, state.no)
		if err != nil {
			return err
		}
		state.objects = &head
	}
	s.ObjectHead = *state.objects
	return nil
}

// readObjectHead reads where the events about a customer's objects stand: where the
// customer's row says, also where events were removed.
func readObjectHead(conn *sqlite.Conn, customer int64) (head ledger.ObjectHead, err error) {
	const query = `
	  select c.object_number, c.object_hash, coalesce(e.created_at, 0)
	    from customers c
	    left join object_events e on e.customer = c.no and e.number = c.object_number
	   where c.no = ?`
	err = sqlitex.Execute(conn, query, &sqlitex.ExecOptions{
		Args: []any{customer},
		ResultFunc: func(stmt *sqlite.Stmt) error {
			head.Number, head.LastAt = stmt.ColumnInt64(0), timeOf(stmt.ColumnInt64(2))
			stmt.ColumnBytes(1, head.Hash[:])
			return nil
		},
	})
	return head, err
}

// writeObjects adds what was done about a customer's objects, and where the events about
// them stand now.
func writeObjects(conn *sqlite.Conn, customer int64, changes []ledger.ObjectChange) error {
	if len(changes) == 0 {
		return nil
	}
	for i := range changes {
		if err := writeObject(conn, customer, &changes[i]); err != nil {
			return err
		}
	}
	last := &changes[len(changes)-1].Event
	const update = `update customers set object_number = ?, object_hash = ? where no = ?`
	return execute(conn, update, last.Number, last.Hash[:], customer)
}

// writeObject adds an event about an object, and the object as it is after it.
func writeObject(conn *sqlite.Conn, customer int64, change *ledger.ObjectChange) (err error) {
	o, e := &change.Object, &change.Event
	if e.Version == 1 {
		const insert = `
		  insert into objects (customer, tenant, kind, id, number, version, state, due_at, data, created_at, updated_at)
		  values (?1, (select tenant from customers where no = ?1), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)`
		err = execute(conn, insert, customer, string(o.Kind), o.ID, o.Number, o.Version, o.State, microsOf(o.DueAt), o.Data,
			o.CreatedAt.UnixMicro(), o.UpdatedAt.UnixMicro())
	} else {
		const update = `
		  update objects
		     set version = ?, state = ?, due_at = ?, data = ?, updated_at = ?
		   where customer = ? and kind = ? and id = ?`
		err = execute(conn, update, o.Version, o.State, microsOf(o.DueAt), o.Data, o.UpdatedAt.UnixMicro(), customer,
			string(o.Kind), o.ID)
	}
	if err != nil {
		return err
	}
	const insert = `
	  insert into object_events (customer, number, object, version, position, kind, data, created_at, digest, hash)
	  values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	err = execute(conn, insert, customer, e.Number, e.Object, e.Version, e.Position, string(e.Kind), e.Data,
		e.CreatedAt.UnixMicro(), e.Digest[:], e.Hash[:])
	if err != nil || e.Kind == "" {
		return err
	}
	return insertCustomerEvent(conn, customer, customerObject, e.Number)
}

// objectsOfAll are the columns of objects with whose they are.
const objectsOfAll = `
	  select o.kind, o.id, o.number, o.version, o.state, o.due_at, o.data, o.created_at, o.updated_at,
	         c.id, t.business_id, t.mode, c.clock_at
	    from objects o
	    join customers c on c.no = o.customer
	    join tenants t on t.no = o.tenant`

func scanObjectOfAll(stmt *sqlite.Stmt) ledger.Object {
	object := scanObject(stmt)
	object.CustomerID = stmt.ColumnText(9)
	object.Tenant = ledger.Tenant{BusinessID: stmt.ColumnText(10), Mode: ledger.Mode(stmt.ColumnText(11))}
	object.Clock = timeOf(stmt.ColumnInt64(12))
	return object
}

// Object implements ledger.Store.
func (db *DB) Object(
	ctx context.Context, tenant ledger.Tenant, key ledger.ObjectKey,
) (object ledger.Object, err error) {
	number, ok := db.tenants.number(tenant)
	if !ok {
		return object, errNoObject
	}
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		const query = objectsOfAll + ` where o.tenant = ? and o.kind = ? and o.id = ?`
		found, err := queryObjects(conn, query, scanObjectOfAll, number, string(key.Kind), key.ID)
		if err == nil && len(found) == 0 {
			err = errNoObject
		}
		if err == nil {
			object = found[0]
		}
		return err
	})
	return object, err
}

// Objects implements ledger.Store. The statement has clauses for the filters that
// are set, as that of Customers does.
func (db *DB) Objects(
	ctx context.Context, tenant ledger.Tenant, filter ledger.ObjectFilter, page ledger.ObjectPage,
) (list ledger.ObjectList, err error) {
	number, ok := db.tenants.number(tenant)
	if !ok {
		return list, nil
	}
	clauses, args := []string{"o.tenant = ?", "o.kind = ?"}, []any{number, string(filter.Kind)}
	add := func(clause string, arg any) { clauses, args = append(clauses, clause), append(args, arg) }
	if filter.CustomerID != "" {
		add("o.customer = (select no from customers where tenant = o.tenant and id = ?)", filter.CustomerID)
	}
	if filter.State != "" {
		add("o.state = ?", filter.State)
	}
	if !filter.CreatedAtGTE.IsZero() {
		add("o.created_at >= ?", filter.CreatedAtGTE.UnixMicro())
	}
	if !filter.CreatedAtLTE.IsZero() {
		add("o.created_at <= ?", filter.CreatedAtLTE.UnixMicro())
	}
	if page.Before != "" {
		add("o.id < ?", page.Before)
	}
	query := objectsOfAll + ` where ` + strings.Join(clauses, " and ") + ` order by o.id desc limit ? offset ?`
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		found, err := queryObjects(conn, query, scanObjectOfAll, append(args, page.Limit+1, page.Skip)...)
		list = ledger.ObjectListOf(found, page.Limit)
		return err
	})
	return list, err
}

const objectEventColumns = `
	  select e.number, e.object, e.version, e.position, e.kind, e.data, e.created_at, e.digest, e.hash`

func scanObjectEvent(stmt *sqlite.Stmt) ledger.ObjectEvent {
	e := ledger.ObjectEvent{
		Number: stmt.ColumnInt64(0), Object: stmt.ColumnInt64(1), Version: stmt.ColumnInt64(2),
		Position: stmt.ColumnInt64(3), Kind: ledger.EventKind(stmt.ColumnText(4)), Data: stmt.ColumnText(5),
		CreatedAt: timeOf(stmt.ColumnInt64(6)),
	}
	stmt.ColumnBytes(7, e.Digest[:])
	stmt.ColumnBytes(8, e.Hash[:])
	return e
}

// objectFact reads the event about an object that an item stands for, and which object.
func objectFact(conn *sqlite.Conn, tenant ledger.Tenant, item *feedItem) (ledger.Fact, error) {
	const query = objectEventColumns + `, o.kind, o.id
	    from object_events e
	    join objects o on o.customer = e.customer and o.number = e.object
	   where e.customer = ? and e.number = ?`
	var told *ledger.ToldObject
	err := sqlitex.Execute(conn, query, &sqlitex.ExecOptions{Args: []any{item.customer, item.position},
		ResultFunc: func(stmt *sqlite.Stmt) error {
			key := ledger.ObjectKey{Kind: ledger.ObjectKind(stmt.ColumnText(9)), ID: stmt.ColumnText(10)}
			told = &ledger.ToldObject{Tenant: tenant, CustomerID: item.customerID, Key: key, Event: scanObjectEvent(stmt)}
			return nil
		}})
	if err == nil && told == nil {
		err = errors.New("the object event of an event is missing")
	}
	return ledger.Fact{Object: told}, err
}

// ObjectEvents implements ledger.Store.
func (db *DB) ObjectEvents(
	ctx context.Context, tenant ledger.Tenant, customerID string, after int64, limit int,
) (events []ledger.ObjectEvent, err error) {
	err = db.readOwner(ctx, tenant, customerID, func(conn *sqlite.Conn, _ *ledger.Customer, no int64) error {
		const query = objectEventColumns + `
		    from object_events e
		   where e.customer = ? and e.number > ?
		   order by e.number
		   limit ?`
		return sqlitex.Execute(conn, query, &sqlitex.ExecOptions{Args: []any{no, after, limit},
			ResultFunc: func(stmt *sqlite.Stmt) error {
				events = append(events, scanObjectEvent(stmt))
				return nil
			}})
	})
	return events, err
}

// DueObjects implements ledger.Store.
func (db *DB) DueObjects(
	ctx context.Context, kind ledger.ObjectKind, at time.Time, limit int,
) (due []ledger.Object, err error) {
	err = db.read(ctx, func(conn *sqlite.Conn) (err error) {
		const query = objectsOfAll + `
		   where o.kind = ? and o.due_at > 0 and o.due_at <= ? and c.clock_at = 0
		   order by o.due_at, o.id limit ?`
		due, err = queryObjects(conn, query, scanObjectOfAll, string(kind), at.UnixMicro(), limit)
		return err
	})
	return due, err
}
