package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/groupcommit"
	"github.com/billfold/billfold/internal/ledger"
)

// CreateCustomer implements ledger.Store.
func (db *DB) CreateCustomer(
	ctx context.Context, customer ledger.Customer, once *ledger.Once,
) (first []byte, err error) {
	lock := ""
	if db.sharded {
		lock = "for no key update" // so that the worker's commit has something to wait for its standby with
	}
	happened := func(ctx context.Context, conn *pgx.Conn) (bool, error) {
		number, err := db.tenants.number(ctx, conn, customer.Tenant)
		if err != nil {
			return false, err
		}
		_, err = readCustomer(ctx, conn, customer.Tenant, number, customer.ID, lock)
		return err == nil, ignore(err, errNoCustomer)
	}
	err = db.write(ctx, happened, func(ctx context.Context, conn *pgx.Conn) error {
		number, err := db.tenants.number(ctx, conn, customer.Tenant)
		if err != nil {
			return err
		}
		if first, err = keptAnswer(ctx, conn, number, once); err != nil || first != nil {
			return err
		}
		if err := insertCustomer(ctx, conn, number, customer); err != nil {
			return err
		}
		return keepAnswer(ctx, conn, number, once, customer)
	})
	if err != nil {
		return nil, err
	}
	return first, nil
}

// ignore drops an error that is the one that was expected.
func ignore(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

func insertCustomer(ctx context.Context, conn *pgx.Conn, tenant int32, c ledger.Customer) error {
	const insert = `
	  insert into customers (customer_id, tenant, email, name, name_folded, phone_number, metadata, created_at, updated_at,
	                         clock, clock_at)
	  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`
	_, err := conn.Exec(ctx, insert, c.ID, tenant, c.Email, c.Name, strings.ToLower(c.Name), c.PhoneNumber, c.Metadata,
		c.CreatedAt, c.UpdatedAt, c.Clock, timeOrNull(c.ClockAt))
	return err
}

// UpdateCustomer implements ledger.Store.
func (db *DB) UpdateCustomer(
	ctx context.Context, tenant ledger.Tenant, id string,
	change func(ledger.Customer) (ledger.CustomerChange, error), once *ledger.Once,
) (updated ledger.Customer, first []byte, err error) {
	happened := func(ctx context.Context, conn *pgx.Conn) (bool, error) {
		number, err := db.tenants.number(ctx, conn, tenant)
		if err != nil {
			return false, err
		}
		now, err := readCustomer(ctx, conn, tenant, number, id, "for no key update")
		return err == nil && now == updated, err
	}
	write := func(ctx context.Context, conn *pgx.Conn) error {
		number, err := db.tenants.number(ctx, conn, tenant)
		if err != nil {
			return ignoreAs(err, errNoBusiness, errNoCustomer)
		}
		current, err := readCustomer(ctx, conn, tenant, number, id, "for no key update")
		if err != nil {
			return err
		}
		if first, err = keptAnswer(ctx, conn, number, once); err != nil || first != nil {
			updated = current
			return err
		}
		amended, err := groupcommit.Guarded(change, current)
		if err != nil {
			return err
		}
		updated = amended.Customer
		const update = `
		  update customers
		     set email = $3, name = $4, name_folded = $5, phone_number = $6, metadata = $7, updated_at = $8, freezes = $9,
		         audit_position = $10, audit_hash = $11, alerts = $12, clock_at = $13
		   where customer_id = $1 and tenant = $2`
		_, err = conn.Exec(ctx, update, id, number, updated.Email, updated.Name, strings.ToLower(updated.Name),
			updated.PhoneNumber, updated.Metadata, updated.UpdatedAt, string(updated.Freezes), updated.Audit.Position,
			updated.Audit.Hash[:], string(updated.Alerts), timeOrNull(updated.ClockAt))
		if err != nil {
			return err
		}
		if err := insertAudit(ctx, conn, number, amended.Audit); err != nil {
			return err
		}
		return keepAnswer(ctx, conn, number, once, updated)
	}
	err = db.updates.take(ctx, owner{tenant, id}, func(wait string) error {
		return db.writeWaiting(ctx, wait, happened, write)
	})
	if err != nil {
		return ledger.Customer{}, nil, err
	}
	return updated, first, nil
}

// ignoreAs says one expected error in another way.
func ignoreAs(err, expected, as error) error {
	if errors.Is(err, expected) {
		return as
	}
	return err
}

// keptAnswer returns the answer that an earlier request left under once's key.
// When there is none that may be given again, it claims the key until the end
// of the transaction: whoever else asks for it waits until then.
func keptAnswer(ctx context.Context, conn *pgx.Conn, tenant int32, once *ledger.Once) ([]byte, error) {
	if once == nil {
		return nil, nil
	}
	for {
		const claim = `
		  insert into request_answers (tenant, route, key, fingerprint, created_at)
		  values ($1, $2, $3, $4, $5)
		  on conflict do nothing`
		tag, err := conn.Exec(ctx, claim, tenant, once.Route, once.Key, once.Fingerprint[:], once.At)
		if err != nil || tag.RowsAffected() == 1 {
			return nil, err
		}
		var fingerprint, answer []byte
		var at time.Time
		const query = `
		  select fingerprint, answer, created_at
		    from request_answers
		   where tenant = $1 and route = $2 and key = $3
		     for update`
		err = conn.QueryRow(ctx, query, tenant, once.Route, once.Key).Scan(&fingerprint, &answer, &at)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			continue // it was old, and was removed between the two statements
		case err != nil:
			return nil, err
		case at.Before(once.Accept):
			return nil, nil
		case ledger.Fingerprint(fingerprint) != once.Fingerprint:
			return nil, ledger.KeyReused(at.UTC())
		}
		return answer, nil
	}
}

// keepAnswer leaves the answer for repeats.
func keepAnswer(ctx context.Context, conn *pgx.Conn, tenant int32, once *ledger.Once, customer ledger.Customer) error {
	if once == nil {
		return nil
	}
	answer, err := groupcommit.Guarded(func(c ledger.Customer) ([]byte, error) { return once.Answer(c), nil }, customer)
	if err != nil {
		return err
	}
	return putAnswer(ctx, conn, tenant, once, answer)
}

// putAnswer leaves an answer for repeats, and removes a few that have had
// their time: more than one new answer adds, so that they cannot pile up. The one
// that is being replaced may be among those and has to stay; one that another
// transaction holds is left to it, or the two could wait for each other.
func putAnswer(ctx context.Context, conn *pgx.Conn, tenant int32, once *ledger.Once, answer []byte) error {
	const remove = `
	  delete from request_answers
	   where (tenant, route, key) in (
	           select tenant, route, key
	             from request_answers
	            where keep_until < $1
	              and (tenant, route, key) <> ($2, $3, $4)
	            order by keep_until, tenant, route, key
	            limit 4
	              for update skip locked)`
	if _, err := conn.Exec(ctx, remove, once.At, tenant, once.Route, once.Key); err != nil {
		return err
	}
	const update = `
	  update request_answers
	     set fingerprint = $4, answer = $5, created_at = $6, keep_until = $7
	   where tenant = $1 and route = $2 and key = $3`
	tag, err := conn.Exec(ctx, update, tenant, once.Route, once.Key, once.Fingerprint[:], answer, once.At,
		timeOrNull(once.KeepUntil))
	if err == nil && tag.RowsAffected() != 1 {
		err = fmt.Errorf("the claim on %s is gone", once.Route)
	}
	return err
}

const customerColumns = `
	select c.customer_id, c.tenant, c.email, c.name, c.phone_number, c.metadata, c.created_at, c.updated_at, c.freezes,
	       c.audit_position, c.audit_hash, c.alerts, c.clock, c.clock_at, c.no
	  from customers c`

// readCustomer returns one customer, locked as lock says, or errNoCustomer.
func readCustomer(
	ctx context.Context, q querier, tenant ledger.Tenant, number int32, id, lock string,
) (ledger.Customer, error) {
	if !storable(id) {
		return ledger.Customer{}, errNoCustomer
	}
	rows, err := q.Query(ctx, customerColumns+` where c.customer_id = $1 and c.tenant = $2 `+lock, id, number)
	if err != nil {
		return ledger.Customer{}, err
	}
	customer, err := pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (ledger.Customer, error) {
		var no int64
		return scanCustomer(row, &number, &no)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return ledger.Customer{}, errNoCustomer
	}
	customer.Tenant = tenant
	return customer, err
}

// Customer implements ledger.Store.
func (db *DB) Customer(ctx context.Context, tenant ledger.Tenant, id string) (ledger.Customer, error) {
	found, err := db.readHoldings(ctx, tenant, id, nil)
	return found.customer, err
}

// Customers implements ledger.Store. Its cursor is the customer's number, which
// grows as customers are added.
func (db *DB) Customers(
	ctx context.Context, tenant ledger.Tenant, filter ledger.CustomerFilter, page ledger.Page,
) (list ledger.CustomerList, err error) {
	if !storable(filter.Email) || !storable(filter.Name) {
		return list, nil
	}
	err = db.read(ctx, func(ctx context.Context, q querier) error {
		list = ledger.CustomerList{}
		number, err := db.tenants.number(ctx, q, tenant)
		if err != nil {
			return ignore(err, errNoBusiness)
		}
		query, args := customersQuery(number, filter, page)
		rows, err := q.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		var last int64
		_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (none struct{}, err error) {
			var no int64
			customer, err := scanCustomer(row, &number, &no)
			if err != nil {
				return none, err
			}
			if len(list.Customers) == page.Limit {
				list.Next = last
				return none, nil
			}
			customer.Tenant, last = tenant, no
			list.Customers = append(list.Customers, customer)
			return none, nil
		})
		return err
	})
	return list, err
}

// customersQuery has a clause only for each filter that is set, so that each
// form gets the plan that suits it. It asks for one row more than the page has.
func customersQuery(tenant int32, filter ledger.CustomerFilter, page ledger.Page) (query string, args []any) {
	clauses := []string{"c.tenant = $1"}
	args = []any{tenant}
	add := func(clause string, arg any) {
		args = append(args, arg)
		clauses = append(clauses, fmt.Sprintf(clause, len(args)))
	}
	if filter.Email != "" {
		add("c.email = $%d", filter.Email)
	}
	if filter.Name != "" {
		add("position($%d in c.name_folded) > 0", strings.ToLower(filter.Name))
	}
	if !filter.CreatedAtGTE.IsZero() {
		add("c.created_at >= $%d", filter.CreatedAtGTE)
	}
	if !filter.CreatedAtLTE.IsZero() {
		add("c.created_at <= $%d", filter.CreatedAtLTE)
	}
	if page.Before > 0 {
		add("c.no < $%d", page.Before)
	}
	args = append(args, page.Limit+1, page.Skip)
	return customerColumns + " where " + strings.Join(clauses, " and ") +
		fmt.Sprintf(" order by c.no desc limit $%d offset $%d", len(args)-1, len(args)), args
}
