package sqlite

import (
	"context"
	"errors"
	"strings"

	"zombiezen.com/go/sqlite"

	"github.com/billfold/billfold/internal/groupcommit"
	"github.com/billfold/billfold/internal/ledger"
)

// CreateCustomer implements ledger.Store.
func (db *DB) CreateCustomer(
	ctx context.Context, customer ledger.Customer, once *ledger.Once,
) ([]byte, error) {
	// A write may run again, and even after its caller has gone away. So what
	// it finds is kept apart from the results, and set in each run.
	var first []byte
	err := db.write(ctx, func(conn *sqlite.Conn) error {
		first = nil
		tenant, ok := db.tenants.number(customer.Tenant)
		if !ok {
			return errNoBusiness
		}
		answer, err := keptAnswer(conn, tenant, once)
		if err != nil || answer != nil {
			first = answer
			return err
		}
		if err := insertCustomer(conn, tenant, customer); err != nil {
			return err
		}
		return keepAnswer(conn, tenant, once, customer)
	})
	if err != nil {
		return nil, err
	}
	return first, nil
}

var errNoBusiness = ledger.Errorf(ledger.CodeNotFound, "there is no such business")

func insertCustomer(conn *sqlite.Conn, tenant int64, c ledger.Customer) (err error) {
	stmt, err := conn.Prepare(`
	  insert into customers (tenant, id, email, name, name_folded, phone_number, metadata, created_at, updated_at,
	                         clock, clock_at)
	  values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	defer resetting(stmt, &err)
	stmt.BindInt64(1, tenant)
	stmt.BindText(2, c.ID)
	stmt.BindText(3, c.Email)
	stmt.BindText(4, c.Name)
	stmt.BindText(5, strings.ToLower(c.Name))
	stmt.BindText(6, c.PhoneNumber)
	stmt.BindText(7, c.Metadata)
	stmt.BindInt64(8, c.CreatedAt.UnixMicro())
	stmt.BindInt64(9, c.UpdatedAt.UnixMicro())
	stmt.BindText(10, c.Clock)
	stmt.BindInt64(11, microsOf(c.ClockAt))
	if _, err = stmt.Step(); err != nil {
		return err
	}
	return insertCustomerEvent(conn, conn.LastInsertRowID(), customerWasMade, 0)
}

// UpdateCustomer implements ledger.Store.
func (db *DB) UpdateCustomer(
	ctx context.Context, tenant ledger.Tenant, id string,
	change func(ledger.Customer) (ledger.CustomerChange, error), once *ledger.Once,
) (ledger.Customer, []byte, error) {
	var updated ledger.Customer
	var first []byte // as in CreateCustomer
	err := db.write(ctx, func(conn *sqlite.Conn) error {
		first = nil
		number, ok := db.tenants.number(tenant)
		if !ok {
			return errNoCustomer
		}
		state, err := db.committer.state(ledger.Scope{Tenant: tenant, CustomerID: id})
		if err != nil {
			return err
		}
		if state == nil {
			return errNoCustomer
		}
		answer, err := keptAnswer(conn, number, once)
		if err != nil || answer != nil {
			first, updated = answer, *state.customer
			return err
		}
		amended, err := groupcommit.Guarded(change, *state.customer)
		if err != nil {
			return err
		}
		changed := amended.Customer
		if err := updateCustomer(conn, state.no, changed); err != nil {
			return err
		}
		if err := insertAudit(conn, state.no, amended.Audit); err != nil {
			return err
		}
		if err := keepAnswer(conn, number, once, changed); err != nil {
			return err
		}
		state.customer, updated = &changed, changed
		state.chain.Clock = changed.ClockAt
		return nil
	})
	if err != nil {
		return ledger.Customer{}, nil, err
	}
	return updated, first, nil
}

func updateCustomer(conn *sqlite.Conn, no int64, c ledger.Customer) (err error) {
	stmt, err := conn.Prepare(`
	  update customers
	     set email = ?, name = ?, name_folded = ?, phone_number = ?, metadata = ?, updated_at = ?, freezes = ?,
	         alerts = ?, audit_position = ?, audit_hash = ?, clock_at = ?
	   where no = ?`)
	if err != nil {
		return err
	}
	defer resetting(stmt, &err)
	stmt.BindText(1, c.Email)
	stmt.BindText(2, c.Name)
	stmt.BindText(3, strings.ToLower(c.Name))
	stmt.BindText(4, c.PhoneNumber)
	stmt.BindText(5, c.Metadata)
	stmt.BindInt64(6, c.UpdatedAt.UnixMicro())
	stmt.BindText(7, string(c.Freezes))
	stmt.BindText(8, string(c.Alerts))
	stmt.BindInt64(9, c.Audit.Position)
	stmt.BindBytes(10, c.Audit.Hash[:])
	stmt.BindInt64(11, microsOf(c.ClockAt))
	stmt.BindInt64(12, no)
	_, err = stmt.Step()
	return err
}

// keptAnswer returns the answer that an earlier request left under once's key,
// nil when there is none that may be given again.
func keptAnswer(conn *sqlite.Conn, tenant int64, once *ledger.Once) (answer []byte, err error) {
	if once == nil {
		return nil, nil
	}
	stmt, err := conn.Prepare(`
	  select fingerprint, answer, created_at
	    from request_answers
	   where tenant = ? and route = ? and key = ?`)
	if err != nil {
		return nil, err
	}
	defer resetting(stmt, &err)
	stmt.BindInt64(1, tenant)
	stmt.BindText(2, once.Route)
	stmt.BindText(3, once.Key)
	row, err := stmt.Step()
	if err != nil || !row {
		return nil, err
	}
	at := timeOf(stmt.ColumnInt64(2))
	if at.Before(once.Accept) {
		return nil, nil
	}
	var fingerprint ledger.Fingerprint
	stmt.ColumnBytes(0, fingerprint[:])
	if fingerprint != once.Fingerprint {
		return nil, ledger.KeyReused(at)
	}
	return columnBytes(stmt, 1), nil
}

// keepAnswer leaves the answer for repeats, and removes a few that have had
// their time.
func keepAnswer(conn *sqlite.Conn, tenant int64, once *ledger.Once, customer ledger.Customer) (err error) {
	if once == nil {
		return nil
	}
	answer, err := groupcommit.Guarded(func(c ledger.Customer) ([]byte, error) { return once.Answer(c), nil }, customer)
	if err != nil {
		return err
	}
	return putAnswer(conn, tenant, once, answer)
}

// putAnswer is keepAnswer for an answer that was made.
func putAnswer(conn *sqlite.Conn, tenant int64, once *ledger.Once, answer []byte) (err error) {
	if err := dropAnswers(conn, microsOf(once.At)); err != nil {
		return err
	}
	stmt, err := conn.Prepare(`
	  insert into request_answers (tenant, route, key, fingerprint, answer, created_at, keep_until)
	  values (?, ?, ?, ?, ?, ?, ?)
	  on conflict (tenant, route, key) do update
	     set fingerprint = excluded.fingerprint, answer = excluded.answer,
	         created_at = excluded.created_at, keep_until = excluded.keep_until`)
	if err != nil {
		return err
	}
	defer resetting(stmt, &err)
	stmt.BindInt64(1, tenant)
	stmt.BindText(2, once.Route)
	stmt.BindText(3, once.Key)
	stmt.BindBytes(4, once.Fingerprint[:])
	stmt.BindBytes(5, answer)
	stmt.BindInt64(6, microsOf(once.At))
	stmt.BindInt64(7, microsOf(once.KeepUntil))
	_, err = stmt.Step()
	return err
}

// dropAnswers removes at most four answers whose time is over: more than one
// new answer adds, so that they cannot pile up.
func dropAnswers(conn *sqlite.Conn, now int64) (err error) {
	stmt, err := conn.Prepare(`
	  delete from request_answers
	   where (tenant, route, key) in (
	           select tenant, route, key
	             from request_answers
	            where keep_until > 0 and keep_until < ?
	            limit 4)`)
	if err != nil {
		return err
	}
	defer resetting(stmt, &err)
	stmt.BindInt64(1, now)
	_, err = stmt.Step()
	return err
}

const customerColumns = `id, email, name, phone_number, metadata, created_at, updated_at, no,
	freezes, audit_position, audit_hash, alerts, clock, clock_at`

// readCustomer returns a customer and its number, 0 when there is none.
func readCustomer(
	conn *sqlite.Conn, tenant ledger.Tenant, number int64, id string,
) (c ledger.Customer, no int64, err error) {
	stmt, err := conn.Prepare(`select ` + customerColumns + ` from customers where tenant = ? and id = ?`)
	if err != nil {
		return c, 0, err
	}
	defer resetting(stmt, &err)
	stmt.BindInt64(1, number)
	stmt.BindText(2, id)
	row, err := stmt.Step()
	if err != nil || !row {
		return c, 0, err
	}
	c, no = scanCustomer(stmt, tenant)
	return c, no, nil
}

func scanCustomer(stmt *sqlite.Stmt, tenant ledger.Tenant) (ledger.Customer, int64) {
	head := ledger.AuditHead{Position: stmt.ColumnInt64(9)}
	stmt.ColumnBytes(10, head.Hash[:])
	return ledger.Customer{
		Tenant:      tenant,
		ID:          stmt.ColumnText(0),
		Email:       stmt.ColumnText(1),
		Name:        stmt.ColumnText(2),
		PhoneNumber: stmt.ColumnText(3),
		Metadata:    stmt.ColumnText(4),
		CreatedAt:   timeOf(stmt.ColumnInt64(5)),
		UpdatedAt:   timeOf(stmt.ColumnInt64(6)),
		Freezes:     ledger.Freezes(stmt.ColumnText(8)),
		Alerts:      ledger.Alerts(stmt.ColumnText(11)),
		Clock:       stmt.ColumnText(12),
		ClockAt:     timeOf(stmt.ColumnInt64(13)),
		Audit:       head,
	}, stmt.ColumnInt64(7)
}

// Customer implements ledger.Store.
func (db *DB) Customer(ctx context.Context, tenant ledger.Tenant, id string) (customer ledger.Customer, err error) {
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		number, ok := db.tenants.number(tenant)
		if !ok {
			return errNoCustomer
		}
		found, no, err := readCustomer(conn, tenant, number, id)
		if err == nil && no == 0 {
			err = errNoCustomer
		}
		customer = found
		return err
	})
	return customer, err
}

// Customers implements ledger.Store. Its cursor is the customer's number, which
// grows as customers are added.
func (db *DB) Customers(
	ctx context.Context, tenant ledger.Tenant, filter ledger.CustomerFilter, page ledger.Page,
) (list ledger.CustomerList, err error) {
	number, ok := db.tenants.number(tenant)
	if !ok {
		return list, nil
	}
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		var err error
		list, err = readCustomers(conn, tenant, number, filter, page)
		return err
	})
	return list, err
}

// readCustomers builds the statement from clauses that have their parameters
// only where a filter is set, so that each form gets the plan that suits it.
func readCustomers(
	conn *sqlite.Conn, tenant ledger.Tenant, number int64, filter ledger.CustomerFilter, page ledger.Page,
) (list ledger.CustomerList, err error) {
	clauses := []string{"tenant = ?"}
	args := []any{number}
	add := func(clause string, arg any) {
		clauses, args = append(clauses, clause), append(args, arg)
	}
	if filter.Email != "" {
		add("email = ?", filter.Email)
	}
	if filter.Name != "" {
		add("instr(name_folded, ?) > 0", strings.ToLower(filter.Name))
	}
	if !filter.CreatedAtGTE.IsZero() {
		add("created_at >= ?", filter.CreatedAtGTE.UnixMicro())
	}
	if !filter.CreatedAtLTE.IsZero() {
		add("created_at <= ?", filter.CreatedAtLTE.UnixMicro())
	}
	if page.Before > 0 {
		add("no < ?", page.Before)
	}
	args = append(args, int64(page.Limit)+1, page.Skip)
	stmt, err := conn.Prepare(`select ` + customerColumns + ` from customers where ` +
		strings.Join(clauses, " and ") + ` order by no desc limit ? offset ?`)
	if err != nil {
		return list, err
	}
	defer resetting(stmt, &err)
	for i, arg := range args {
		switch arg := arg.(type) {
		case int64:
			stmt.BindInt64(i+1, arg)
		case string:
			stmt.BindText(i+1, arg)
		default:
			return list, errors.New("a filter's parameter has a type that is not bound")
		}
	}
	var last int64
	for {
		row, err := stmt.Step()
		if err != nil || !row {
			return list, err
		}
		if len(list.Customers) == page.Limit {
			list.Next = last
			return list, nil
		}
		var customer ledger.Customer
		customer, last = scanCustomer(stmt, tenant)
		list.Customers = append(list.Customers, customer)
	}
}
