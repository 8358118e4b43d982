package sqlite

import (
	"context"

	"zombiezen.com/go/sqlite"

	"github.com/billfold/billfold/internal/ledger"
)

// insertAudit appends a line to a customer's audit trail; nil is none.
func insertAudit(conn *sqlite.Conn, customer int64, line *ledger.AuditEntry) (err error) {
	if line == nil {
		return nil
	}
	stmt, err := conn.Prepare(`
	  insert into audit_entries (customer, position, id, action, key_id, address, before_state, after_state, reason,
	                             created_at, hash)
	  values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	defer resetting(stmt, &err)
	stmt.BindInt64(1, customer)
	stmt.BindInt64(2, line.Position)
	stmt.BindText(3, line.ID)
	stmt.BindText(4, string(line.Action))
	stmt.BindText(5, line.By.KeyID)
	stmt.BindText(6, line.By.Address)
	stmt.BindText(7, line.Before)
	stmt.BindText(8, line.After)
	stmt.BindText(9, line.Reason)
	stmt.BindInt64(10, line.CreatedAt.UnixMicro())
	stmt.BindBytes(11, line.Hash[:])
	if _, err = stmt.Step(); err != nil {
		return err
	}
	return insertCustomerEvent(conn, customer, customerAudit, line.Position)
}

// Audit implements ledger.Store.
func (db *DB) Audit(
	ctx context.Context, tenant ledger.Tenant, customerID string, page ledger.AuditPage,
) (list ledger.AuditList, err error) {
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		number, ok := db.tenants.number(tenant)
		if !ok {
			return errNoCustomer
		}
		customer, no, err := readCustomer(conn, tenant, number, customerID)
		if err == nil && no == 0 {
			err = errNoCustomer
		}
		if err != nil {
			return err
		}
		list, err = readAudit(conn, &customer, no, page)
		return err
	})
	return list, err
}

func readAudit(
	conn *sqlite.Conn, customer *ledger.Customer, no int64, page ledger.AuditPage,
) (list ledger.AuditList, err error) {
	stmt, err := conn.Prepare(`
	  select position, id, action, key_id, address, before_state, after_state, reason, created_at, hash
	    from audit_entries
	   where customer = ? and position < ?
	   order by position desc
	   limit ?`)
	if err != nil {
		return list, err
	}
	return auditPage(stmt, no, page, ledger.AuditEntry{Tenant: customer.Tenant, CustomerID: customer.ID})
}
