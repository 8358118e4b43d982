package verify

import (
	"bytes"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// tenants is who may own a customer and which API key belongs to whom.
type tenants struct {
	byNo     map[int64]tenant
	keyOwner map[string]int64 // id of an API key to its tenant

	// broken is what is wrong with the rows of tenants, API keys and products, and with
	// the audit trails of businesses.
	broken findings

	people []personRow
	rows   map[int64]*tenantRow
	order  []int64 // of rows
	buffer bytes.Buffer
}

func newTenants() *tenants {
	return &tenants{
		byNo: make(map[int64]tenant), keyOwner: make(map[string]int64), broken: make(findings), rows: make(map[int64]*tenantRow),
	}
}

// tenant is a business in one mode.
type tenant struct {
	businessID string
	mode       string
}

// add takes a business in one mode.
func (t *tenants) add(row *tenantRow) {
	t.byNo[row.no], t.rows[row.no] = row.tenant, row
	row.joined, row.madeBy = map[string]bool{}, map[int64]string{}
	t.order = append(t.order, row.no)
	if !row.known {
		t.broken.add(LawTenancy, row.where(0), "the business does not exist")
	}
	if row.mode != "test" && row.mode != "live" {
		t.broken.add(LawTenancy, row.where(0), "%q is not a mode", row.mode)
	}
}

// addKey takes an API key.
func (t *tenants) addKey(key keyRow) {
	t.keyOwner[key.id] = key.tenant
	row, ok := t.rows[key.tenant]
	if !ok {
		t.broken.add(LawTenancy, Finding{}, "API key %s belongs to tenant %d, which does not exist", key.id, key.tenant)
		return
	}
	row.keys = append(row.keys, key)
}

func (f *file) readTenants() (*tenants, error) {
	t := newTenants()
	const tenantsQuery = `
	select t.no, t.business_id, t.mode, b.id is not null, coalesce(b.name, ''), coalesce(b.created_at, 0), t.settings,
	       t.audit_position, t.audit_hash
	  from tenants t
	  left join businesses b on b.id = t.business_id
	 order by t.no`
	const keysQuery = `
	select id, tenant, name, scope, hash, hint, created_at, expires_at, revoked_at
	  from api_keys
	 order by no`
	const productsQuery = `
	select id, tenant, recurring, archived, definition
	  from products
	 order by no`
	const trailQuery = `
	select tenant, position, id, action, key_id, address, before_state, after_state, reason, created_at, hash
	  from business_audit_entries
	 order by tenant, position`
	const clockedQuery = `
	select c.id, c.tenant, c.clock, c.clock_at, coalesce((select max(w.updated_at) from wallets w where w.customer = c.no), 0)
	  from customers c
	 where c.clock <> ''
	 order by c.no`
	const clocksQuery = `select tenant, id, frozen_at from test_clocks`
	var clocked []clockedRow
	clocks := map[clockKey]int64{}
	for _, read := range []struct {
		query string
		row   func(stmt *sqlite.Stmt)
	}{
		{tenantsQuery, func(stmt *sqlite.Stmt) {
			t.add(&tenantRow{
				no: stmt.ColumnInt64(0), tenant: tenant{businessID: stmt.ColumnText(1), mode: stmt.ColumnText(2)},
				known: stmt.ColumnBool(3), name: stmt.ColumnText(4), createdAt: stmt.ColumnInt64(5), settings: stmt.ColumnText(6),
				position: stmt.ColumnInt64(7), hash: blob(stmt, 8),
			})
		}},
		{keysQuery, func(stmt *sqlite.Stmt) {
			t.addKey(keyRow{
				id: stmt.ColumnText(0), tenant: stmt.ColumnInt64(1), name: stmt.ColumnText(2), scope: stmt.ColumnText(3),
				hash: blob(stmt, 4), hint: stmt.ColumnText(5), createdAt: stmt.ColumnInt64(6), expiresAt: stmt.ColumnInt64(7),
				revokedAt: stmt.ColumnInt64(8),
			})
		}},
		{productsQuery, func(stmt *sqlite.Stmt) {
			t.addProduct(productRow{
				id: stmt.ColumnText(0), tenant: stmt.ColumnInt64(1), recurring: stmt.ColumnBool(2), archived: stmt.ColumnBool(3),
				definition: stmt.ColumnText(4),
			})
		}},
		{peopleQuery, func(stmt *sqlite.Stmt) {
			t.people = append(t.people, readPerson(stmt))
		}},
		{clockedQuery, func(stmt *sqlite.Stmt) {
			clocked = append(clocked, clockedRow{
				id: stmt.ColumnText(0), tenant: stmt.ColumnInt64(1), clock: stmt.ColumnText(2), at: stmt.ColumnInt64(3),
				last: stmt.ColumnInt64(4),
			})
		}},
		{clocksQuery, func(stmt *sqlite.Stmt) {
			clocks[clockKey{stmt.ColumnInt64(0), stmt.ColumnText(1)}] = stmt.ColumnInt64(2)
		}},
		{trailQuery, func(stmt *sqlite.Stmt) {
			line := readAuditRow(stmt)
			t.line(&line)
		}},
	} {
		err := sqlitex.ExecuteTransient(f.conn, read.query, &sqlitex.ExecOptions{
			ResultFunc: func(stmt *sqlite.Stmt) error { read.row(stmt); return nil },
		})
		if err != nil {
			return nil, err
		}
	}
	t.checkClocks(clocked, clocks)
	t.finish()
	return t, nil
}
