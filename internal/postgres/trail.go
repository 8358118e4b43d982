package postgres

import (
	"context"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
)

// addBusinessAudit appends the line that comes next in the audit trail of a business,
// whose row stays locked until the transaction ends.
func addBusinessAudit(
	ctx context.Context, conn *pgx.Conn, tenant ledger.Tenant, next func(access.Trail) ledger.AuditEntry,
) (line ledger.AuditEntry, err error) {
	var no int32
	var trail access.Trail
	var hash []byte
	const lock = `
	  select no, audit_position, audit_hash
	    from tenants
	   where business_id = $1 and mode = $2
	     for no key update`
	if err := conn.QueryRow(ctx, lock, tenant.BusinessID, tenant.Mode).Scan(&no, &trail.Position, &hash); err != nil {
		return line, err
	}
	copy(trail.Hash[:], hash)
	if trail.Position > 0 {
		const last = `select created_at from business_audit_entries where tenant = $1 and position = $2`
		if err := conn.QueryRow(ctx, last, no, trail.Position).Scan(&trail.At); err != nil {
			return line, err
		}
		trail.At = trail.At.UTC()
	}
	line = next(trail)
	return line, insertBusinessAudit(ctx, conn, tenant, line)
}

// insertBusinessAudit appends lines to an audit trail, which stands at the last then.
func insertBusinessAudit(ctx context.Context, conn *pgx.Conn, tenant ledger.Tenant, lines ...ledger.AuditEntry) error {
	for _, line := range lines {
		const insert = `
		  insert into business_audit_entries (tenant, position, id, action, key_id, address, before_state, after_state,
		                                      reason, created_at, hash)
		  select no, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12
		    from tenants
		   where business_id = $1 and mode = $2`
		_, err := conn.Exec(ctx, insert, tenant.BusinessID, tenant.Mode, line.Position, line.ID, string(line.Action),
			line.By.KeyID, line.By.Address, line.Before, line.After, line.Reason, line.CreatedAt, line.Hash[:])
		if err != nil {
			return err
		}
	}
	last := lines[len(lines)-1]
	const update = `update tenants set audit_position = $3, audit_hash = $4 where business_id = $1 and mode = $2`
	_, err := conn.Exec(ctx, update, tenant.BusinessID, tenant.Mode, last.Position, last.Hash[:])
	return err
}

// BusinessAudit implements access.Store.
func (db *DB) BusinessAudit(
	ctx context.Context, tenant ledger.Tenant, page ledger.AuditPage,
) (list ledger.AuditList, err error) {
	if !storable(tenant.BusinessID) {
		return list, errNoBusiness
	}
	before := page.Before
	if before == 0 {
		before = math.MaxInt64
	}
	err = db.lookUp(ctx, func(ctx context.Context, q querier) error {
		list = ledger.AuditList{}
		var no int32
		err := q.QueryRow(ctx, `select no from tenants where business_id = $1 and mode = $2`, tenant.BusinessID, tenant.Mode).Scan(&no)
		if err != nil {
			return ignoreAs(err, pgx.ErrNoRows, errNoBusiness)
		}
		const query = `
		  select position, id, action, key_id, address, before_state, after_state, reason, created_at, hash
		    from business_audit_entries
		   where tenant = $1 and position < $2
		   order by position desc
		   limit $3`
		rows, err := q.Query(ctx, query, no, before, page.Limit+1)
		if err != nil {
			return err
		}
		list, err = auditPage(rows, page.Limit, ledger.AuditEntry{Tenant: tenant})
		return err
	})
	return list, err
}

// auditPage collects a page of a trail, of which one line more than the limit was
// asked for. Each line begins as a copy of one that says whose it is.
func auditPage(rows pgx.Rows, limit int, of ledger.AuditEntry) (list ledger.AuditList, err error) {
	list.Entries, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (ledger.AuditEntry, error) {
		line := of
		var hash []byte
		var at time.Time
		err := row.Scan(&line.Position, &line.ID, &line.Action, &line.By.KeyID, &line.By.Address, &line.Before, &line.After,
			&line.Reason, &at, &hash)
		line.CreatedAt = at.UTC()
		copy(line.Hash[:], hash)
		return line, err
	})
	if len(list.Entries) > limit {
		list.Entries = list.Entries[:limit]
		list.Next = list.Entries[limit-1].Position
	}
	return list, err
}
