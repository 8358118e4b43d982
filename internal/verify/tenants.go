package verify

import (
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// tenants is who may own a customer and which API key belongs to whom.
type tenants struct {
	byNo     map[int64]tenant
	keyOwner map[string]int64 // id of an API key to its tenant

	// broken are the rows of tenants and api_keys that hang in the air.
	broken findings
}

// tenant is a business in one mode.
type tenant struct {
	businessID string
	mode       string
}

func (f *file) readTenants() (*tenants, error) {
	t := &tenants{byNo: make(map[int64]tenant), keyOwner: make(map[string]int64), broken: make(findings)}
	const tenantsQuery = `
	select t.no, t.business_id, t.mode, b.id is not null
	  from tenants t
	  left join businesses b on b.id = t.business_id
	 order by t.no`
	err := sqlitex.ExecuteTransient(f.conn, tenantsQuery, &sqlitex.ExecOptions{
		ResultFunc: func(stmt *sqlite.Stmt) error {
			owner := tenant{businessID: stmt.ColumnText(1), mode: stmt.ColumnText(2)}
			t.byNo[stmt.ColumnInt64(0)] = owner
			where := Finding{BusinessID: owner.businessID, Mode: owner.mode}
			if !stmt.ColumnBool(3) {
				t.broken.add(LawTenancy, where, "the business does not exist")
			}
			if owner.mode != "test" && owner.mode != "live" {
				t.broken.add(LawTenancy, where, "%q is not a mode", owner.mode)
			}
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	err = sqlitex.ExecuteTransient(f.conn, `select id, tenant from api_keys order by no`, &sqlitex.ExecOptions{
		ResultFunc: func(stmt *sqlite.Stmt) error {
			id, owner := stmt.ColumnText(0), stmt.ColumnInt64(1)
			t.keyOwner[id] = owner
			if _, ok := t.byNo[owner]; !ok {
				t.broken.add(LawTenancy, Finding{}, "API key %s belongs to tenant %d, which does not exist", id, owner)
			}
			return nil
		},
	})
	return t, err
}
