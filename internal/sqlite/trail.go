package sqlite

import (
	"context"
	"math"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
)

// addBusinessAudit appends the line that comes next in the audit trail of a business.
func addBusinessAudit(conn *sqlite.Conn, tenant ledger.Tenant, next func(access.Trail) ledger.AuditEntry) error {
	var no int64
	var trail access.Trail
	const query = `
	  select t.no, t.audit_position, t.audit_hash, coalesce(a.created_at, 0)
	    from tenants t
	    left join business_audit_entries a on a.tenant = t.no and a.position = t.audit_position
	   where t.business_id = ? and t.mode = ?`
	err := sqlitex.Execute(conn, query, &sqlitex.ExecOptions{
		Args: []any{tenant.BusinessID, string(tenant.Mode)},
		ResultFunc: func(stmt *sqlite.Stmt) error {
			no, trail.Position, trail.At = stmt.ColumnInt64(0), stmt.ColumnInt64(1), timeOf(stmt.ColumnInt64(3))
			stmt.ColumnBytes(2, trail.Hash[:])
			return nil
		},
	})
	if err != nil {
		return err
	}
	return insertBusinessAudit(conn, no, next(trail))
}

// insertBusinessAudit appends lines to an audit trail, which stands at the last then.
func insertBusinessAudit(conn *sqlite.Conn, tenant int64, lines ...ledger.AuditEntry) error {
	for _, line := range lines {
		const insert = `
		  insert into business_audit_entries (tenant, position, id, action, key_id, address, before_state, after_state,
		                                      reason, created_at, hash)
		  values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
		err := sqlitex.Execute(conn, insert, &sqlitex.ExecOptions{Args: []any{
			tenant, line.Position, line.ID, string(line.Action), line.By.KeyID, line.By.Address, line.Before, line.After,
			line.Reason, line.CreatedAt.UnixMicro(), line.Hash[:],
		}})
		if err != nil {
			return err
		}
	}
	last := lines[len(lines)-1]
	const update = `update tenants set audit_position = ?, audit_hash = ? where no = ?`
	return sqlitex.Execute(conn, update, &sqlitex.ExecOptions{Args: []any{last.Position, last.Hash[:], tenant}})
}

// BusinessAudit implements access.Store.
func (db *DB) BusinessAudit(
	ctx context.Context, tenant ledger.Tenant, page ledger.AuditPage,
) (list ledger.AuditList, err error) {
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		number, ok := db.tenants.number(tenant)
		if !ok {
			return errNoBusiness
		}
		list, err = readBusinessAudit(conn, tenant, number, page)
		return err
	})
	return list, err
}

func readBusinessAudit(
	conn *sqlite.Conn, tenant ledger.Tenant, no int64, page ledger.AuditPage,
) (list ledger.AuditList, err error) {
	stmt, err := conn.Prepare(`
	  select position, id, action, key_id, address, before_state, after_state, reason, created_at, hash
	    from business_audit_entries
	   where tenant = ? and position < ?
	   order by position desc
	   limit ?`)
	if err != nil {
		return list, err
	}
	return auditPage(stmt, no, page, ledger.AuditEntry{Tenant: tenant})
}

// auditPage reads a page of a trail by a statement about an owner, a position and a
// limit. Each line begins as a copy of one that says whose it is.
func auditPage(
	stmt *sqlite.Stmt, owner int64, page ledger.AuditPage, of ledger.AuditEntry,
) (list ledger.AuditList, err error) {
	defer resetting(stmt, &err)
	before := page.Before
	if before == 0 {
		before = math.MaxInt64
	}
	stmt.BindInt64(1, owner)
	stmt.BindInt64(2, before)
	stmt.BindInt64(3, int64(page.Limit)+1)
	for {
		row, err := stmt.Step()
		if err != nil || !row {
			return list, err
		}
		if len(list.Entries) == page.Limit {
			list.Next = list.Entries[page.Limit-1].Position
			return list, nil
		}
		line := of
		line.Position = stmt.ColumnInt64(0)
		line.ID = stmt.ColumnText(1)
		line.Action = ledger.AuditAction(stmt.ColumnText(2))
		line.By = ledger.Actor{KeyID: stmt.ColumnText(3), Address: stmt.ColumnText(4)}
		line.Before, line.After = stmt.ColumnText(5), stmt.ColumnText(6)
		line.Reason = stmt.ColumnText(7)
		line.CreatedAt = timeOf(stmt.ColumnInt64(8))
		stmt.ColumnBytes(9, line.Hash[:])
		list.Entries = append(list.Entries, line)
	}
}
