package postgres

import (
	"context"
	"errors"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

var errNoTransfer = ledger.Errorf(ledger.CodeNotFound, "there is no such transfer")

// placedTransfer is a row of a transfer with the number of its tenant.
type placedTransfer struct {
	tenant   int32
	transfer *ledger.Transfer
}

const transferColumns = `
	select r.customer_id, r.tenant, r.id, r.outgoing, r.other_id, r.state, r.currency, r.amount, r.position, r.entry_id,
	       r.refusal, r.created_at, r.updated_at
	  from transfers r`

// scanTransfer reads the columns of transferColumns, except for the tenant, of
// which it returns the number.
func scanTransfer(row pgx.CollectableRow, number *int32) (t ledger.Transfer, err error) {
	var currency, state, refusal string
	err = row.Scan(&t.CustomerID, number, &t.ID, &t.Outgoing, &t.OtherID, &state, &currency, &t.Amount, &t.Position,
		&t.EntryID, &refusal, &t.CreatedAt, &t.UpdatedAt)
	t.State, t.Currency, t.Refusal = ledger.TransferState(state), money.Currency(currency), ledger.Code(refusal)
	t.CreatedAt, t.UpdatedAt = t.CreatedAt.UTC(), t.UpdatedAt.UTC()
	return t, err
}

const readTransferQuery = transferColumns + `
	 where r.customer_id = $1 and r.tenant = $2 and r.id = $3`

// readTransfer returns a customer's row of a transfer, nil when there is none.
func readTransfer(
	ctx context.Context, q querier, tenant ledger.Tenant, key customerKey, id string,
) (*ledger.Transfer, error) {
	if id == "" || !storable(id) {
		return nil, nil
	}
	rows, err := q.Query(ctx, readTransferQuery, key.id, key.tenant, id)
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectOneRow(rows, func(row pgx.CollectableRow) (ledger.Transfer, error) {
		var number int32
		return scanTransfer(row, &number)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	found.Tenant = tenant
	return &found, err
}

// transfer is a customer's row of a transfer, as this batch has left it. It is a
// trip of its own, for the few that ask.
func (b *batch) transfer(ctx context.Context, q querier, key customerKey, id string) (*ledger.Transfer, error) {
	for _, t := range slices.Backward(b.transfers) {
		if t.tenant == key.tenant && t.transfer.CustomerID == key.id && t.transfer.ID == id {
			row := *t.transfer
			return &row, nil
		}
	}
	return readTransfer(ctx, q, b.db.tenants.of(key.tenant), key, id)
}

const insertTransferQuery = `
	insert into transfers (customer_id, tenant, id, outgoing, other_id, state, currency, amount, position, entry_id, refusal,
	                       created_at, updated_at)
	values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`

// moveTransferQuery says which states it leaves alone, and not which one it ends,
// so that it is looked up by its key and not in the index of the unfinished.
const moveTransferQuery = `
	update transfers
	   set state = $4, refusal = $5, updated_at = $6
	 where customer_id = $1 and tenant = $2 and id = $3 and state not in ('completed', 'returned')`

// writeTransfer is the statement that makes a customer's row of a transfer, or
// moves the state of the one there is.
func writeTransfer(number int32, t *ledger.Transfer) (query string, args []any) {
	if t.Outgoing && t.State != ledger.TransferInTransit {
		return moveTransferQuery, []any{t.CustomerID, number, t.ID, string(t.State), string(t.Refusal), t.UpdatedAt}
	}
	return insertTransferQuery, []any{
		t.CustomerID, number, t.ID, t.Outgoing, t.OtherID, string(t.State), string(t.Currency), int64(t.Amount), t.Position,
		t.EntryID, string(t.Refusal), t.CreatedAt, t.UpdatedAt,
	}
}

func (b *batch) queueTransfers(trip *pgx.Batch) {
	for _, t := range b.transfers {
		query, args := writeTransfer(t.tenant, t.transfer)
		trip.Queue(query, args...)
	}
}

// SettleTransfer implements ledger.Store.
func (db *DB) SettleTransfer(ctx context.Context, row ledger.Transfer) (settled ledger.Transfer, err error) {
	read := func(ctx context.Context, conn *pgx.Conn) (number int32, found *ledger.Transfer, err error) {
		if number, err = db.tenants.number(ctx, conn, row.Tenant); err != nil {
			return 0, nil, ignoreAs(err, errNoBusiness, errNoCustomer)
		}
		if _, err = readCustomer(ctx, conn, row.Tenant, number, row.CustomerID, "for no key update"); err != nil {
			return 0, nil, err
		}
		found, err = readTransfer(ctx, conn, row.Tenant, customerKey{row.CustomerID, number}, row.ID)
		return number, found, err
	}
	happened := func(ctx context.Context, conn *pgx.Conn) (bool, error) {
		_, found, err := read(ctx, conn)
		if err != nil || found == nil || found.State == ledger.TransferInTransit {
			return false, err
		}
		settled = *found
		return true, nil
	}
	err = db.write(ctx, happened, func(ctx context.Context, conn *pgx.Conn) error {
		number, found, err := read(ctx, conn)
		switch {
		case err != nil:
			return err
		case found == nil && row.Outgoing:
			return errNoTransfer
		case found != nil && found.State != ledger.TransferInTransit:
			settled = *found
			return nil
		}
		settled = row
		query, args := writeTransfer(number, &row)
		_, err = conn.Exec(ctx, query, args...)
		return err
	})
	return settled, err
}

// Transfer implements ledger.Store.
func (db *DB) Transfer(
	ctx context.Context, tenant ledger.Tenant, customerID, id string,
) (transfer ledger.Transfer, err error) {
	_, err = db.readHoldings(ctx, tenant, customerID, func(ctx context.Context, q querier, found *holdings) error {
		row, err := readTransfer(ctx, q, tenant, found.key, id)
		if err == nil && row == nil {
			err = errNoTransfer
		}
		if err == nil {
			transfer = *row
		}
		return err
	})
	return transfer, err
}

const readTransfersQuery = transferColumns + `
	 where r.customer_id = $1 and r.tenant = $2 and r.position > 0 and r.position < $3
	 order by r.position desc
	 limit $4`

// Transfers implements ledger.Store.
func (db *DB) Transfers(
	ctx context.Context, tenant ledger.Tenant, customerID string, page ledger.Page,
) (list ledger.TransferList, err error) {
	before := page.Before
	if before == 0 {
		before = math.MaxInt64
	}
	_, err = db.readHoldings(ctx, tenant, customerID, func(ctx context.Context, q querier, found *holdings) error {
		list = ledger.TransferList{}
		rows, err := q.Query(ctx, readTransfersQuery, found.key.id, found.key.tenant, before, page.Limit+1)
		if err != nil {
			return err
		}
		list.Transfers, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (ledger.Transfer, error) {
			var number int32
			t, err := scanTransfer(row, &number)
			t.Tenant = tenant
			return t, err
		})
		if len(list.Transfers) > page.Limit {
			list.Transfers = list.Transfers[:page.Limit]
			list.Next = list.Transfers[page.Limit-1].Position
		}
		return err
	})
	return list, err
}

// unfinishedQuery is about all customers at once, as expiredQuery is.
const unfinishedQuery = transferColumns + `
	 where r.state = 'in_transit' and r.id > $1
	 order by r.id
	 limit $2`

// UnfinishedTransfers implements ledger.Store.
func (db *DB) UnfinishedTransfers(ctx context.Context, after string, limit int) (list []ledger.Transfer, err error) {
	err = db.read(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, unfinishedQuery, after, limit)
		if err != nil {
			return err
		}
		var numbers []int32
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (ledger.Transfer, error) {
			var number int32
			t, err := scanTransfer(row, &number)
			numbers = append(numbers, number)
			return t, err
		})
		for i := range list {
			if err == nil {
				list[i].Tenant, err = db.tenants.name(ctx, q, numbers[i])
			}
		}
		return err
	})
	return list, err
}
