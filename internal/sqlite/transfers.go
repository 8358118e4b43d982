package sqlite

import (
	"context"
	"math"

	"zombiezen.com/go/sqlite"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

var errNoTransfer = ledger.Errorf(ledger.CodeNotFound, "there is no such transfer")

const transferColumns = `r.id, r.outgoing, r.other_id, r.state, r.currency, r.amount, r.position, r.entry_id, r.refusal,
	r.created_at, r.updated_at`

func scanTransfer(stmt *sqlite.Stmt, tenant ledger.Tenant, customerID string) ledger.Transfer {
	return ledger.Transfer{
		Tenant:     tenant,
		CustomerID: customerID,
		ID:         stmt.ColumnText(0),
		Outgoing:   stmt.ColumnInt64(1) != 0,
		OtherID:    stmt.ColumnText(2),
		State:      ledger.TransferState(stmt.ColumnText(3)),
		Currency:   money.Currency(stmt.ColumnText(4)),
		Amount:     money.Amount(stmt.ColumnInt64(5)),
		Position:   stmt.ColumnInt64(6),
		EntryID:    stmt.ColumnText(7),
		Refusal:    ledger.Code(stmt.ColumnText(8)),
		CreatedAt:  timeOf(stmt.ColumnInt64(9)),
		UpdatedAt:  timeOf(stmt.ColumnInt64(10)),
	}
}

// readTransfer returns a customer's row of a transfer, nil when there is none;
// an empty id is none.
func readTransfer(
	conn *sqlite.Conn, customer *ledger.Customer, no int64, id string,
) (transfer *ledger.Transfer, err error) {
	if id == "" {
		return nil, nil
	}
	stmt, err := conn.Prepare(`select ` + transferColumns + ` from transfers r where r.customer = ? and r.id = ?`)
	if err != nil {
		return nil, err
	}
	defer resetting(stmt, &err)
	stmt.BindInt64(1, no)
	stmt.BindText(2, id)
	row, err := stmt.Step()
	if err != nil || !row {
		return nil, err
	}
	found := scanTransfer(stmt, customer.Tenant, customer.ID)
	return &found, nil
}

// writeTransfer makes a customer's row of a transfer, or moves the state of the
// one there is; nil is none.
func writeTransfer(conn *sqlite.Conn, no int64, t *ledger.Transfer) (err error) {
	if t == nil {
		return nil
	}
	if t.Outgoing && t.State != ledger.TransferInTransit {
		return moveTransfer(conn, no, t)
	}
	stmt, err := conn.Prepare(`
	  insert into transfers (customer, id, outgoing, other_id, state, currency, amount, position, entry_id, refusal,
	                         created_at, updated_at)
	  values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	defer resetting(stmt, &err)
	stmt.BindInt64(1, no)
	stmt.BindText(2, t.ID)
	stmt.BindBool(3, t.Outgoing)
	stmt.BindText(4, t.OtherID)
	stmt.BindText(5, string(t.State))
	stmt.BindText(6, string(t.Currency))
	stmt.BindInt64(7, int64(t.Amount))
	stmt.BindInt64(8, t.Position)
	stmt.BindText(9, t.EntryID)
	stmt.BindText(10, string(t.Refusal))
	stmt.BindInt64(11, t.CreatedAt.UnixMicro())
	stmt.BindInt64(12, t.UpdatedAt.UnixMicro())
	_, err = stmt.Step()
	return err
}

// moveTransfer ends an outgoing transfer that is in transit.
func moveTransfer(conn *sqlite.Conn, no int64, t *ledger.Transfer) (err error) {
	stmt, err := conn.Prepare(`
	  update transfers
	     set state = ?, refusal = ?, updated_at = ?
	   where customer = ? and id = ? and state = 'in_transit'`)
	if err != nil {
		return err
	}
	defer resetting(stmt, &err)
	stmt.BindText(1, string(t.State))
	stmt.BindText(2, string(t.Refusal))
	stmt.BindInt64(3, t.UpdatedAt.UnixMicro())
	stmt.BindInt64(4, no)
	stmt.BindText(5, t.ID)
	_, err = stmt.Step()
	return err
}

// SettleTransfer implements ledger.Store.
func (db *DB) SettleTransfer(ctx context.Context, row ledger.Transfer) (ledger.Transfer, error) {
	var settled ledger.Transfer // kept apart from the results, as in CreateCustomer
	err := db.write(ctx, func(conn *sqlite.Conn) error {
		state, err := db.committer.state(ledger.Scope{Tenant: row.Tenant, CustomerID: row.CustomerID})
		if err != nil {
			return err
		}
		if state == nil {
			return errNoCustomer
		}
		found, err := readTransfer(conn, state.customer, state.no, row.ID)
		if err != nil {
			return err
		}
		if found == nil && row.Outgoing {
			return errNoTransfer
		}
		if found != nil && found.State != ledger.TransferInTransit {
			settled = *found
			return nil
		}
		settled = row
		return writeTransfer(conn, state.no, &row)
	})
	if err != nil {
		return ledger.Transfer{}, err
	}
	return settled, nil
}

// Transfer implements ledger.Store.
func (db *DB) Transfer(
	ctx context.Context, tenant ledger.Tenant, customerID, id string,
) (transfer ledger.Transfer, err error) {
	err = db.readOwner(ctx, tenant, customerID, func(conn *sqlite.Conn, customer *ledger.Customer, no int64) error {
		found, err := readTransfer(conn, customer, no, id)
		if err == nil && found == nil {
			err = errNoTransfer
		}
		if err == nil {
			transfer = *found
		}
		return err
	})
	return transfer, err
}

// readOwner runs a read about a customer.
func (db *DB) readOwner(
	ctx context.Context, tenant ledger.Tenant, customerID string,
	f func(conn *sqlite.Conn, customer *ledger.Customer, no int64) error,
) error {
	return db.read(ctx, func(conn *sqlite.Conn) error {
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
		return f(conn, &customer, no)
	})
}

// Transfers implements ledger.Store.
func (db *DB) Transfers(
	ctx context.Context, tenant ledger.Tenant, customerID string, page ledger.Page,
) (list ledger.TransferList, err error) {
	err = db.readOwner(ctx, tenant, customerID, func(conn *sqlite.Conn, customer *ledger.Customer, no int64) error {
		list, err = readTransfers(conn, customer, no, page)
		return err
	})
	return list, err
}

func readTransfers(
	conn *sqlite.Conn, customer *ledger.Customer, no int64, page ledger.Page,
) (list ledger.TransferList, err error) {
	stmt, err := conn.Prepare(`
	  select ` + transferColumns + `
	    from transfers r
	   where r.customer = ? and r.position > 0 and r.position < ?
	   order by r.position desc
	   limit ?`)
	if err != nil {
		return list, err
	}
	defer resetting(stmt, &err)
	before := page.Before
	if before == 0 {
		before = math.MaxInt64
	}
	stmt.BindInt64(1, no)
	stmt.BindInt64(2, before)
	stmt.BindInt64(3, int64(page.Limit)+1)
	for {
		row, err := stmt.Step()
		if err != nil || !row {
			return list, err
		}
		if len(list.Transfers) == page.Limit {
			list.Next = list.Transfers[page.Limit-1].Position
			return list, nil
		}
		list.Transfers = append(list.Transfers, scanTransfer(stmt, customer.Tenant, customer.ID))
	}
}

// UnfinishedTransfers implements ledger.Store.
func (db *DB) UnfinishedTransfers(ctx context.Context, after string, limit int) (list []ledger.Transfer, err error) {
	err = db.read(ctx, func(conn *sqlite.Conn) (err error) {
		stmt, err := conn.Prepare(`
		  select ` + transferColumns + `, t.business_id, t.mode, c.id
		    from transfers r
		    join customers c on c.no = r.customer
		    join tenants t on t.no = c.tenant
		   where r.state = 'in_transit' and r.id > ?
		   order by r.id
		   limit ?`)
		if err != nil {
			return err
		}
		defer resetting(stmt, &err)
		stmt.BindText(1, after)
		stmt.BindInt64(2, int64(limit))
		for {
			row, err := stmt.Step()
			if err != nil || !row {
				return err
			}
			tenant := ledger.Tenant{BusinessID: stmt.ColumnText(11), Mode: ledger.Mode(stmt.ColumnText(12))}
			list = append(list, scanTransfer(stmt, tenant, stmt.ColumnText(13)))
		}
	})
	return list, err
}
