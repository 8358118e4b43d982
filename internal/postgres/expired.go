package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/ledger"
)

// expiredQuery is about all customers at once, as a list of them is: on Citus it
// asks every shard. No request waits for it.
const expiredQuery = `
	select w.customer_id, w.tenant, w.currency, w.next_expiry
	  from wallets w
	 where w.next_expiry <= $1` + withoutClock + `(w.customer_id, w.tenant))
	 order by w.next_expiry
	 limit $2`

const expiredHoldsQuery = `
	select h.customer_id, h.tenant, h.currency, h.expires_at
	  from holds h
	 where h.state = 'active' and h.expires_at <= $1` + withoutClock + `(h.customer_id, h.tenant))
	 order by h.expires_at
	 limit $2`

// ended is a wallet in which something expired.
type ended struct {
	wallet ledger.WalletKey
	tenant int32
	at     time.Time
}

// Expired implements ledger.Store.
func (db *DB) Expired(ctx context.Context, at time.Time, limit int) (wallets []ledger.WalletKey, err error) {
	err = db.read(ctx, func(ctx context.Context, q querier) error {
		var all []ended
		for _, query := range []string{expiredQuery, expiredHoldsQuery} {
			rows, err := q.Query(ctx, query, at, limit)
			if err != nil {
				return err
			}
			some, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e ended, err error) {
				err = row.Scan(&e.wallet.CustomerID, &e.tenant, &e.wallet.Currency, &e.at)
				return e, err
			})
			if err != nil {
				return err
			}
			all = append(all, some...)
		}
		slices.SortStableFunc(all, func(a, b ended) int { return a.at.Compare(b.at) })
		wallets = nil
		for _, e := range all {
			if e.wallet.Tenant, err = db.tenants.name(ctx, q, e.tenant); err != nil {
				return err
			}
			if len(wallets) < limit && !slices.Contains(wallets, e.wallet) {
				wallets = append(wallets, e.wallet)
			}
		}
		return nil
	})
	return wallets, err
}
