package postgres

import (
	"context"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/ledger"
)

// insertAudit appends a line to a customer's audit trail; nil is none.
func insertAudit(ctx context.Context, conn *pgx.Conn, tenant int32, line *ledger.AuditEntry) error {
	if line == nil {
		return nil
	}
	const insert = `
	  insert into audit_entries (customer_id, tenant, position, id, action, key_id, address, before_state, after_state,
	                             reason, created_at, hash)
	  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`
	_, err := conn.Exec(ctx, insert, line.CustomerID, tenant, line.Position, line.ID, string(line.Action), line.By.KeyID,
		line.By.Address, line.Before, line.After, line.Reason, line.CreatedAt, line.Hash[:])
	return err
}

const readAuditQuery = `
	select position, id, action, key_id, address, before_state, after_state, reason, created_at, hash
	  from audit_entries
	 where customer_id = $1 and tenant = $2 and position < $3
	 order by position desc
	 limit $4`

// Audit implements ledger.Store.
func (db *DB) Audit(
	ctx context.Context, tenant ledger.Tenant, customerID string, page ledger.AuditPage,
) (list ledger.AuditList, err error) {
	before := page.Before
	if before == 0 {
		before = math.MaxInt64
	}
	_, err = db.readHoldings(ctx, tenant, customerID, func(ctx context.Context, q querier, found *holdings) error {
		list = ledger.AuditList{}
		rows, err := q.Query(ctx, readAuditQuery, found.key.id, found.key.tenant, before, page.Limit+1)
		if err != nil {
			return err
		}
		list, err = auditPage(rows, page.Limit, ledger.AuditEntry{Tenant: tenant, CustomerID: found.key.id})
		return err
	})
	return list, err
}
