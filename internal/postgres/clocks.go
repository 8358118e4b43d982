package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/groupcommit"
	"github.com/billfold/billfold/internal/ledger"
)

var errNoClock = ledger.Errorf(ledger.CodeNotFound, "there is no such test clock")

const clockColumns = `
	select k.id, k.name, k.frozen_at, k.failure, k.created_at, k.no, k.tenant
	  from test_clocks k
	 where not k.deleted`

// clockRow is a row of clockColumns.
type clockRow struct {
	ledger.TestClock
	no     int64
	tenant int32
}

func scanClock(row pgx.CollectableRow) (k clockRow, err error) {
	err = row.Scan(&k.ID, &k.Name, &k.FrozenAt, &k.Failure, &k.CreatedAt, &k.no, &k.tenant)
	k.FrozenAt, k.CreatedAt = k.FrozenAt.UTC(), k.CreatedAt.UTC()
	return k, err
}

// clockCustomersQuery counts the customers of clocks. On Citus it asks every shard; the
// clocks stand on the coordinator, and so they are told by value.
const clockCustomersQuery = `
	select c.clock, count(*), count(*) filter (where c.clock_at < u.until)
	  from customers c
	  join unnest($2::text[], $3::timestamptz[]) as u (id, until) on u.id = c.clock
	 where c.tenant = $1 and c.clock <> ''
	 group by c.clock`

// customersDue are those customers of clocks who stand where these do while something is
// due about them there. The last of the arrays is how many seconds ahead the business of
// each clock wants notices, null for none. Each part finds rows of one customer with that
// customer, and so each shard of Citus has its own.
const customersDue = `
	select c.customer_id, c.tenant, c.clock
	  from unnest($1::text[], $2::timestamptz[], $3::integer[]) as u (id, until, tenant)
	  join customers c on c.clock = u.id and c.tenant = u.tenant and c.clock_at >= u.until and c.clock <> ''
	  join objects o on o.customer_id = c.customer_id and o.tenant = c.tenant and o.due_at <= c.clock_at
	 union
	select c.customer_id, c.tenant, c.clock
	  from unnest($1::text[], $2::timestamptz[], $3::integer[]) as u (id, until, tenant)
	  join customers c on c.clock = u.id and c.tenant = u.tenant and c.clock_at >= u.until and c.clock <> ''
	  join holds h on h.customer_id = c.customer_id and h.tenant = c.tenant and h.state = 'active' and h.expires_at <= c.clock_at
	 union
	select c.customer_id, c.tenant, c.clock
	  from unnest($1::text[], $2::timestamptz[], $3::integer[], $4::bigint[]) as u (id, until, tenant, ahead)
	  join customers c on c.clock = u.id and c.tenant = u.tenant and c.clock_at >= u.until and c.clock <> ''
	  join wallets w on w.customer_id = c.customer_id and w.tenant = c.tenant
	   and (w.next_expiry <= c.clock_at or w.next_notice <= c.clock_at + make_interval(secs => u.ahead))`

const clocksDueQuery = `select d.clock, count(*) from (` + customersDue + `) as d group by d.clock`

// readClocks reads clocks of a tenant, with how many customers they have.
func readClocks(
	ctx context.Context, q querier, tenant ledger.Tenant, number int32, query string, args ...any,
) ([]clockRow, error) {
	rows, err := q.Query(ctx, clockColumns+query, args...)
	if err != nil {
		return nil, err
	}
	clocks, err := pgx.CollectRows(rows, scanClock)
	if err != nil || len(clocks) == 0 {
		return nil, err
	}
	byID := map[string]*clockRow{}
	for i := range clocks {
		clocks[i].Tenant = tenant
		byID[clocks[i].ID] = &clocks[i]
	}
	times, err := clockTimes(ctx, q, clocks)
	if err != nil {
		return nil, err
	}
	if rows, err = q.Query(ctx, clockCustomersQuery, number, times[0], times[1]); err != nil {
		return nil, err
	}
	var id string
	var customers, behind int64
	_, err = pgx.ForEachRow(rows, []any{&id, &customers, &behind}, func() error {
		byID[id].Customers, byID[id].Behind = customers, behind
		return nil
	})
	if err != nil || customers == 0 {
		return clocks, err
	}
	if rows, err = q.Query(ctx, clocksDueQuery, times...); err != nil {
		return nil, err
	}
	_, err = pgx.ForEachRow(rows, []any{&id, &customers}, func() error {
		byID[id].Due = customers
		return nil
	})
	return clocks, err
}

// clockTimes are the arguments of [customersDue].
func clockTimes(ctx context.Context, q querier, clocks []clockRow) ([]any, error) {
	wanting, err := noticeTenants(ctx, q)
	if err != nil {
		return nil, err
	}
	ahead := map[int32]*int64{}
	for _, t := range wanting {
		seconds := int64(t.ahead / time.Second)
		ahead[t.number] = &seconds
	}
	var (
		ids     []string
		until   []time.Time
		tenants []int32
		aheads  []*int64
	)
	for i := range clocks {
		k := &clocks[i]
		ids, until, tenants = append(ids, k.ID), append(until, k.FrozenAt), append(tenants, k.tenant)
		aheads = append(aheads, ahead[k.tenant])
	}
	return []any{ids, until, tenants, aheads}, nil
}

// readClock reads one clock, locked as lock says.
func readClock(
	ctx context.Context, q querier, tenant ledger.Tenant, number int32, id, lock string,
) (ledger.TestClock, error) {
	if !storable(id) {
		return ledger.TestClock{}, errNoClock
	}
	clocks, err := readClocks(ctx, q, tenant, number, ` and k.tenant = $1 and k.id = $2 `+lock, number, id)
	if err == nil && len(clocks) == 0 {
		err = errNoClock
	}
	if err != nil {
		return ledger.TestClock{}, err
	}
	return clocks[0].TestClock, nil
}

// CreateTestClock implements ledger.Store.
func (db *DB) CreateTestClock(
	ctx context.Context, clock ledger.TestClock, once *ledger.Once, answer []byte,
) (first []byte, err error) {
	happened := func(ctx context.Context, conn *pgx.Conn) (bool, error) {
		number, err := db.tenants.number(ctx, conn, clock.Tenant)
		if err != nil {
			return false, err
		}
		_, err = readClock(ctx, conn, clock.Tenant, number, clock.ID, "")
		return err == nil, ignore(err, errNoClock)
	}
	err = db.write(ctx, happened, func(ctx context.Context, conn *pgx.Conn) error {
		number, err := db.tenants.number(ctx, conn, clock.Tenant)
		if err != nil {
			return err
		}
		if first, err = keptAnswer(ctx, conn, number, once); err != nil || first != nil {
			return err
		}
		// One after the other, so that they can be counted.
		if _, err := conn.Exec(ctx, `select from tenants where no = $1 for update`, number); err != nil {
			return err
		}
		var there int
		const count = `select count(*) from test_clocks where tenant = $1 and not deleted`
		if err := conn.QueryRow(ctx, count, number).Scan(&there); err != nil {
			return err
		}
		if there >= ledger.TestClocksMax {
			return ledger.ErrTooManyClocks()
		}
		const insert = `
		  insert into test_clocks (tenant, id, name, frozen_at, deleted, failure, created_at)
		  values ($1, $2, $3, $4, false, '', $5)`
		_, err = conn.Exec(ctx, insert, number, clock.ID, clock.Name, clock.FrozenAt, clock.CreatedAt)
		if err != nil || once == nil {
			return err
		}
		return putAnswer(ctx, conn, number, once, answer)
	})
	if err != nil {
		return nil, err
	}
	return first, nil
}

// TestClock implements ledger.Store.
func (db *DB) TestClock(ctx context.Context, tenant ledger.Tenant, id string) (clock ledger.TestClock, err error) {
	err = db.read(ctx, func(ctx context.Context, q querier) error {
		number, err := db.tenants.number(ctx, q, tenant)
		if err != nil {
			return ignoreAs(err, errNoBusiness, errNoClock)
		}
		clock, err = readClock(ctx, q, tenant, number, id, "")
		return err
	})
	return clock, err
}

// TestClocks implements ledger.Store. Its cursor is the clock's number.
func (db *DB) TestClocks(
	ctx context.Context, tenant ledger.Tenant, page ledger.Page,
) (list ledger.TestClockList, err error) {
	err = db.read(ctx, func(ctx context.Context, q querier) error {
		list = ledger.TestClockList{}
		number, err := db.tenants.number(ctx, q, tenant)
		if err != nil {
			return ignore(err, errNoBusiness)
		}
		const query = ` and k.tenant = $1 and ($2 = 0 or k.no < $2) order by k.no desc limit $3 offset $4`
		clocks, err := readClocks(ctx, q, tenant, number, query, number, page.Before, page.Limit+1, page.Skip)
		for i := range clocks {
			if i == page.Limit {
				list.Next = clocks[i-1].no
				break
			}
			list.Clocks = append(list.Clocks, clocks[i].TestClock)
		}
		return err
	})
	return list, err
}

// UpdateTestClock implements ledger.Store.
func (db *DB) UpdateTestClock(
	ctx context.Context, tenant ledger.Tenant, id string, change func(ledger.TestClock) (ledger.TestClock, error),
) (changed ledger.TestClock, err error) {
	happened := func(ctx context.Context, conn *pgx.Conn) (bool, error) {
		number, err := db.tenants.number(ctx, conn, tenant)
		if err != nil {
			return false, err
		}
		now, err := readClock(ctx, conn, tenant, number, id, "for update")
		if changed.Deleted {
			return err == errNoClock, ignore(err, errNoClock)
		}
		same := now.FrozenAt.Equal(changed.FrozenAt) && now.Failure == changed.Failure
		return err == nil && same, err
	}
	err = db.write(ctx, happened, func(ctx context.Context, conn *pgx.Conn) error {
		number, err := db.tenants.number(ctx, conn, tenant)
		if err != nil {
			return ignoreAs(err, errNoBusiness, errNoClock)
		}
		clock, err := readClock(ctx, conn, tenant, number, id, "for update")
		if err != nil {
			return err
		}
		if changed, err = groupcommit.Guarded(change, clock); err != nil || changed == clock {
			return err
		}
		const update = `
		  update test_clocks
		     set name = $3, frozen_at = $4, deleted = $5, failure = $6
		   where tenant = $1 and id = $2`
		_, err = conn.Exec(ctx, update, number, id, changed.Name, changed.FrozenAt, changed.Deleted, changed.Failure)
		if err == nil && !changed.Deleted {
			changed, err = readClock(ctx, conn, tenant, number, id, "")
		}
		return err
	})
	if err != nil {
		return ledger.TestClock{}, err
	}
	return changed, nil
}

// stragglersQuery has the customers in rows of their own first, which Citus collects from
// the shards, as those of a clock are counted across them.
const stragglersQuery = `
	with behind as materialized (
	  select d.tenant, d.customer_id, d.clock
	    from (select c.customer_id, c.tenant, c.clock
	            from unnest($1::text[], $2::timestamptz[], $3::integer[]) as u (id, until, tenant)
	            join customers c on c.clock = u.id and c.tenant = u.tenant and c.clock_at < u.until and c.clock <> ''
	           union` + customersDue + `) as d)
	select b.tenant, b.customer_id, b.clock
	  from behind b
	 order by row_number() over (partition by b.tenant, b.clock)
	 limit $5`

// Stragglers implements ledger.Store. Most installations have no clock, and are asked
// nothing more.
func (db *DB) Stragglers(ctx context.Context, limit int) (behind []ledger.Straggler, err error) {
	err = db.read(ctx, func(ctx context.Context, q querier) error {
		behind = nil
		rows, err := q.Query(ctx, clockColumns)
		if err != nil {
			return err
		}
		clocks, err := pgx.CollectRows(rows, scanClock)
		if err != nil || len(clocks) == 0 {
			return err
		}
		until := map[string]time.Time{}
		for i := range clocks {
			until[clocks[i].ID] = clocks[i].FrozenAt
		}
		times, err := clockTimes(ctx, q, clocks)
		if err != nil {
			return err
		}
		if rows, err = q.Query(ctx, stragglersQuery, append(times, limit)...); err != nil {
			return err
		}
		var numbers []int32
		behind, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (s ledger.Straggler, err error) {
			var number int32
			err = row.Scan(&number, &s.CustomerID, &s.Clock)
			s.Until, numbers = until[s.Clock], append(numbers, number)
			return s, err
		})
		for i := range behind {
			if err == nil {
				behind[i].Tenant, err = db.tenants.name(ctx, q, numbers[i])
			}
		}
		return err
	})
	return behind, err
}

const customerDueQuery = objectColumns + `
	  from objects o
	 where o.customer_id = $1 and o.tenant = $2 and o.due_at is not null
	 order by o.due_at, o.id
	 limit $3`

const customerExpiriesQuery = `
	select u.currency, min(u.at)
	  from (select w.currency, w.next_expiry as at
	          from wallets w
	         where w.customer_id = $1 and w.tenant = $2 and w.next_expiry is not null
	         union all
	        select h.currency, h.expires_at
	          from holds h
	         where h.customer_id = $1 and h.tenant = $2 and h.state = 'active') as u
	 group by u.currency`

const customerNoticesQuery = `
	select w.currency, w.next_notice
	  from wallets w
	 where w.customer_id = $1 and w.tenant = $2 and w.next_notice is not null`

// CustomerDue implements ledger.Store.
func (db *DB) CustomerDue(
	ctx context.Context, tenant ledger.Tenant, customerID string,
) (due ledger.CustomerDue, err error) {
	_, err = db.readHoldings(ctx, tenant, customerID, func(ctx context.Context, q querier, found *holdings) error {
		due = ledger.CustomerDue{Customer: found.customer}
		who := []any{found.key.id, found.key.tenant}
		rows, err := q.Query(ctx, customerDueQuery, append(who, ledger.DueObjectsMax)...)
		if err != nil {
			return err
		}
		if due.Objects, err = db.collectObjects(rows, false); err != nil {
			return err
		}
		for i := range due.Objects {
			due.Objects[i].Clock = found.customer.ClockAt
		}
		if due.Expiries, err = dueWallets(ctx, q, customerExpiriesQuery, who...); err != nil {
			return err
		}
		wanting, err := noticeTenants(ctx, q)
		if err != nil {
			return err
		}
		for _, t := range wanting {
			if t.number == found.key.tenant {
				due.Ahead = t.ahead
			}
		}
		if due.Ahead == 0 {
			return nil
		}
		due.Notices, err = dueWallets(ctx, q, customerNoticesQuery, who...)
		for i := range due.Notices {
			due.Notices[i].At = due.Notices[i].At.Add(-due.Ahead)
		}
		return err
	})
	return due, err
}

func dueWallets(ctx context.Context, q querier, query string, args ...any) ([]ledger.DueWallet, error) {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (w ledger.DueWallet, err error) {
		err = row.Scan(&w.Currency, &w.At)
		w.At = w.At.UTC()
		return w, err
	})
}
