package sqlite

import (
	"context"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/internal/groupcommit"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

var errNoClock = ledger.Errorf(ledger.CodeNotFound, "there is no such test clock")

// somethingDue says that something is due about a customer where their clock stands. It
// counts the days of notices in microseconds.
const somethingDue = `(
	       exists (select 1 from objects o where o.customer = c.no and o.due_at > 0 and o.due_at <= c.clock_at)
	    or exists (select 1 from holds h where h.customer = c.no and h.state = 'active' and h.expires_at <= c.clock_at)
	    or exists (select 1 from wallets w where w.customer = c.no and w.next_expiry > 0 and w.next_expiry <= c.clock_at)
	    or exists (select 1
	                 from wallets w
	                 join tenants n on n.no = w.tenant
	                where w.customer = c.no and w.next_notice > 0 and json_extract(n.settings, '$.expiry_notice_days') > 0
	                  and w.next_notice - 86400000000 * json_extract(n.settings, '$.expiry_notice_days') <= c.clock_at))`

// clocksQuery reads clocks with how many customers they have, how many of these are
// behind, and about how many of the others something is due.
const clocksQuery = `
	  select k.id, k.name, k.frozen_at, k.failure, k.created_at, k.no,
	         (select count(*) from customers c where c.clock = k.id and c.clock <> '' and c.tenant = k.tenant),
	         (select count(*) from customers c
	           where c.clock = k.id and c.clock <> '' and c.clock_at < k.frozen_at and c.tenant = k.tenant),
	         (select count(*) from customers c
	           where c.clock = k.id and c.clock <> '' and c.clock_at >= k.frozen_at and c.tenant = k.tenant
	             and ` + somethingDue + `)
	    from test_clocks k
	   where k.tenant = ? and k.deleted = 0`

func scanClock(stmt *sqlite.Stmt, tenant ledger.Tenant) ledger.TestClock {
	return ledger.TestClock{
		Tenant: tenant, ID: stmt.ColumnText(0), Name: stmt.ColumnText(1), FrozenAt: timeOf(stmt.ColumnInt64(2)),
		Failure: stmt.ColumnText(3), CreatedAt: timeOf(stmt.ColumnInt64(4)),
		Customers: stmt.ColumnInt64(6), Behind: stmt.ColumnInt64(7), Due: stmt.ColumnInt64(8),
	}
}

func readClock(conn *sqlite.Conn, tenant ledger.Tenant, number int64, id string) (clock ledger.TestClock, err error) {
	err = sqlitex.Execute(conn, clocksQuery+` and k.id = ?`, &sqlitex.ExecOptions{
		Args:       []any{number, id},
		ResultFunc: func(stmt *sqlite.Stmt) error { clock = scanClock(stmt, tenant); return nil },
	})
	if err == nil && clock.ID == "" {
		err = errNoClock
	}
	return clock, err
}

// CreateTestClock implements ledger.Store.
func (db *DB) CreateTestClock(
	ctx context.Context, clock ledger.TestClock, once *ledger.Once, answer []byte,
) ([]byte, error) {
	var first []byte // as in CreateCustomer
	err := db.write(ctx, func(conn *sqlite.Conn) error {
		first = nil
		tenant, known := db.tenants.number(clock.Tenant)
		if !known {
			return errNoBusiness
		}
		kept, err := keptAnswer(conn, tenant, once)
		if err != nil || kept != nil {
			first = kept
			return err
		}
		there := int64(0)
		const count = `select count(*) from test_clocks where tenant = ? and deleted = 0`
		err = sqlitex.Execute(conn, count, &sqlitex.ExecOptions{
			Args:       []any{tenant},
			ResultFunc: func(stmt *sqlite.Stmt) error { there = stmt.ColumnInt64(0); return nil },
		})
		if err != nil {
			return err
		}
		if there >= ledger.TestClocksMax {
			return ledger.ErrTooManyClocks()
		}
		const insert = `
		  insert into test_clocks (tenant, id, name, frozen_at, deleted, failure, created_at)
		  values (?, ?, ?, ?, 0, '', ?)`
		err = execute(conn, insert, tenant, clock.ID, clock.Name, clock.FrozenAt.UnixMicro(), clock.CreatedAt.UnixMicro())
		if err != nil || once == nil {
			return err
		}
		return putAnswer(conn, tenant, once, answer)
	})
	if err != nil {
		return nil, err
	}
	return first, nil
}

// TestClock implements ledger.Store.
func (db *DB) TestClock(ctx context.Context, tenant ledger.Tenant, id string) (clock ledger.TestClock, err error) {
	number, known := db.tenants.number(tenant)
	if !known {
		return clock, errNoClock
	}
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		clock, err = readClock(conn, tenant, number, id)
		return err
	})
	return clock, err
}

// TestClocks implements ledger.Store. Its cursor is the clock's number.
func (db *DB) TestClocks(
	ctx context.Context, tenant ledger.Tenant, page ledger.Page,
) (list ledger.TestClockList, err error) {
	number, known := db.tenants.number(tenant)
	if !known {
		return list, nil
	}
	query, args := clocksQuery, []any{number}
	if page.Before > 0 {
		query, args = query+` and k.no < ?`, append(args, page.Before)
	}
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		last := int64(0)
		return sqlitex.Execute(conn, query+` order by k.no desc limit ? offset ?`, &sqlitex.ExecOptions{
			Args: append(args, page.Limit+1, page.Skip),
			ResultFunc: func(stmt *sqlite.Stmt) error {
				if len(list.Clocks) == page.Limit {
					list.Next = last
					return nil
				}
				list.Clocks, last = append(list.Clocks, scanClock(stmt, tenant)), stmt.ColumnInt64(5)
				return nil
			},
		})
	})
	return list, err
}

// UpdateTestClock implements ledger.Store.
func (db *DB) UpdateTestClock(
	ctx context.Context, tenant ledger.Tenant, id string, change func(ledger.TestClock) (ledger.TestClock, error),
) (ledger.TestClock, error) {
	var changed ledger.TestClock // as in UpdateProduct
	err := db.write(ctx, func(conn *sqlite.Conn) error {
		number, known := db.tenants.number(tenant)
		if !known {
			return errNoClock
		}
		clock, err := readClock(conn, tenant, number, id)
		if err == nil {
			changed, err = groupcommit.Guarded(change, clock)
		}
		if err != nil || changed == clock {
			return err
		}
		const update = `update test_clocks set name = ?, frozen_at = ?, deleted = ?, failure = ? where tenant = ? and id = ?`
		err = execute(conn, update, changed.Name, changed.FrozenAt.UnixMicro(), changed.Deleted, changed.Failure, number, id)
		if err == nil && !changed.Deleted {
			changed, err = readClock(conn, tenant, number, id)
		}
		return err
	})
	if err != nil {
		return ledger.TestClock{}, err
	}
	return changed, nil
}

// Stragglers implements ledger.Store.
func (db *DB) Stragglers(ctx context.Context, limit int) (behind []ledger.Straggler, err error) {
	const query = `
	  select t.business_id, t.mode, c.id, k.id, k.frozen_at
	    from test_clocks k
	   cross join customers c on c.clock = k.id and c.clock <> '' and c.tenant = k.tenant
	   cross join tenants t on t.no = k.tenant
	   where k.deleted = 0 and (c.clock_at < k.frozen_at or ` + somethingDue + `)
	   order by row_number() over (partition by k.no)
	   limit ?`
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		return sqlitex.Execute(conn, query, &sqlitex.ExecOptions{
			Args: []any{limit},
			ResultFunc: func(stmt *sqlite.Stmt) error {
				behind = append(behind, ledger.Straggler{
					Tenant:     ledger.Tenant{BusinessID: stmt.ColumnText(0), Mode: ledger.Mode(stmt.ColumnText(1))},
					CustomerID: stmt.ColumnText(2), Clock: stmt.ColumnText(3), Until: timeOf(stmt.ColumnInt64(4)),
				})
				return nil
			},
		})
	})
	return behind, err
}

// CustomerDue implements ledger.Store.
func (db *DB) CustomerDue(
	ctx context.Context, tenant ledger.Tenant, customerID string,
) (due ledger.CustomerDue, err error) {
	err = db.readOwner(ctx, tenant, customerID, func(conn *sqlite.Conn, customer *ledger.Customer, no int64) error {
		due = ledger.CustomerDue{Customer: *customer}
		const objects = objectsOfAll + ` where o.customer = ? and o.due_at > 0 order by o.due_at, o.id limit ?`
		if due.Objects, err = queryObjects(conn, objects, scanObjectOfAll, no, ledger.DueObjectsMax); err != nil {
			return err
		}
		const expiries = `
		  select currency, min(at)
		    from (select currency, next_expiry as at
		            from wallets
		           where customer = ?1 and next_expiry > 0
		           union all
		          select currency, expires_at
		            from holds
		           where customer = ?1 and state = 'active')
		   group by currency`
		if due.Expiries, err = dueWallets(conn, expiries, no); err != nil {
			return err
		}
		const ahead = `
		  select ?2 * coalesce(json_extract(t.settings, '$.expiry_notice_days'), 0)
		    from customers c
		    join tenants t on t.no = c.tenant
		   where c.no = ?1`
		micros := int64(0)
		err := sqlitex.Execute(conn, ahead, &sqlitex.ExecOptions{
			Args:       []any{no, ledger.NoticeDay.Microseconds()},
			ResultFunc: func(stmt *sqlite.Stmt) error { micros = stmt.ColumnInt64(0); return nil },
		})
		if err != nil || micros == 0 {
			return err
		}
		due.Ahead = time.Duration(micros) * time.Microsecond
		const notices = `select currency, next_notice - ?2 from wallets where customer = ?1 and next_notice > 0`
		due.Notices, err = dueWallets(conn, notices, no, micros)
		return err
	})
	return due, err
}

func dueWallets(conn *sqlite.Conn, query string, args ...any) (wallets []ledger.DueWallet, err error) {
	err = sqlitex.Execute(conn, query, &sqlitex.ExecOptions{Args: args, ResultFunc: func(stmt *sqlite.Stmt) error {
		wallets = append(wallets, ledger.DueWallet{
			Currency: money.Currency(stmt.ColumnText(0)), At: timeOf(stmt.ColumnInt64(1)),
		})
		return nil
	}})
	return wallets, err
}
