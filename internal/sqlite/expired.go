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
		  select t.business_id, t.mode, c.id, d.currency
		    from (select customer, currency, min(expires_at) as first
		            from (select * from (select customer, currency, next_expiry as expires_at
		                                   from wallets
		                                  where next_expiry > 0 and next_expiry <= ?1
		                                    and not exists (select 1 from customers where no = customer and clock_at > 0)
		                                  order by next_expiry
		                                  limit ?2)
		                   union all
		                  select * from (select customer, currency, expires_at
		                                   from holds
		                                  where state = 'active' and expires_at <= ?1
		                                    and not exists (select 1 from customers where no = customer and clock_at > 0)
		                                  order by expires_at
		                                  limit ?2))
		           group by customer, currency) d
		    join customers c on c.no = d.customer
		    join tenants t on t.no = c.tenant
		   order by d.first
		   limit ?2`)
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
