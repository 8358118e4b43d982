package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// expiredQuery is about all customers at once, as a list of them is: on Citus it
// asks every shard. No request waits for it.
const expiredQuery = `
	select w.customer_id, w.tenant, w.currency
	  from wallets w
	 where w.next_expiry <= $1
	 order by w.next_expiry
	 limit $2`

// Expired implements ledger.Store.
func (db *DB) Expired(ctx context.Context, at time.Time, limit int) (wallets []ledger.WalletKey, err error) {
	err = db.read(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, expiredQuery, at, limit)
		if err != nil {
			return err
		}
		var numbers []int32
		wallets, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (w ledger.WalletKey, err error) {
			var number int32
			var currency string
			err = row.Scan(&w.CustomerID, &number, &currency)
			w.Currency, numbers = money.Currency(currency), append(numbers, number)
			return w, err
		})
		for i := range wallets {
			if err == nil {
				wallets[i].Tenant, err = db.tenants.name(ctx, q, numbers[i])
			}
		}
		return err
	})
	return wallets, err
}
