package sqlite

import (
	"context"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// Expired implements ledger.Store.
func (db *DB) Expired(ctx context.Context, at time.Time, limit int) (wallets []ledger.WalletKey, err error) {
	err = db.read(ctx, func(conn *sqlite.Conn) (err error) {
		stmt, err := conn.Prepare(`
		  select t.business_id, t.mode, c.id, w.currency
		    from wallets w
		    join customers c on c.no = w.customer
		    join tenants t on t.no = c.tenant
		   where w.next_expiry > 0 and w.next_expiry <= ?
		   order by w.next_expiry
		   limit ?`)
		if err != nil {
			return err
		}
		defer resetting(stmt, &err)
		stmt.BindInt64(1, at.UnixMicro())
		stmt.BindInt64(2, int64(limit))
		for {
			row, err := stmt.Step()
			if err != nil || !row {
				return err
			}
			wallets = append(wallets, ledger.WalletKey{
				Tenant:     ledger.Tenant{BusinessID: stmt.ColumnText(0), Mode: ledger.Mode(stmt.ColumnText(1))},
				CustomerID: stmt.ColumnText(2),
				Currency:   money.Currency(stmt.ColumnText(3)),
			})
		}
	})
	return wallets, err
}
