package postgres

import (
	"cmp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/walletrow"
)

func comparePriorKeys(a, b priorKey) int {
	return cmp.Or(strings.Compare(a.id, b.id), cmp.Compare(a.tenant, b.tenant), strings.Compare(a.key, b.key))
}

func (b *batch) scanCustomers(rows pgx.Rows) error {
	_, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (none struct{}, err error) {
		var tenant int32
		customer, err := scanCustomer(row, &tenant)
		if err == nil {
			customer.Tenant = b.db.tenants.of(tenant)
			b.customers[customerKey{customer.ID, tenant}] = &customerState{
				customer: customer, chain: ledger.Chain{Clock: customer.ClockAt},
			}
		}
		return none, err
	})
	return err
}

// scanCustomer reads the columns of a customer; tenant receives the second.
func scanCustomer(row pgx.CollectableRow, tenant *int32, after ...any) (c ledger.Customer, err error) {
	var hash []byte
	var clockAt *time.Time
	err = row.Scan(append([]any{
		&c.ID, tenant, &c.Email, &c.Name, &c.PhoneNumber, &c.Metadata, &c.CreatedAt, &c.UpdatedAt, &c.Freezes,
		&c.Audit.Position, &hash, &c.Alerts, &c.Clock, &clockAt,
	}, after...)...)
	copy(c.Audit.Hash[:], hash)
	c.CreatedAt, c.UpdatedAt, c.ClockAt = c.CreatedAt.UTC(), c.UpdatedAt.UTC(), timeOf(clockAt)
	return c, err
}

func (b *batch) scanWallets(rows pgx.Rows) error {
	_, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (none struct{}, err error) {
		key, wallet, err := scanWallet(row)
		if err != nil {
			return none, err
		}
		state := b.customers[key]
		state.wallets = append(state.wallets, walletState{Row: wallet, stored: wallet.Seq, storedHold: wallet.HoldNumber})
		if wallet.Position > state.chain.Position {
			head := ledger.Chain{
				Position: wallet.Position, Hash: wallet.Hash, LastAt: wallet.UpdatedAt, Clock: state.chain.Clock,
			}
			state.chain = head.Past(state.chain.LastAt)
		}
		state.chain = state.chain.Past(wallet.HoldAt)
		return none, nil
	})
	return err
}

// scanWallet reads the columns of walletColumns.
func scanWallet(row pgx.CollectableRow) (key customerKey, w walletrow.Row, err error) {
	var hash, lots []byte
	var updatedAt time.Time
	var holdAt, lapsedAt, nextNotice *time.Time
	var noticeNumber, noticeLot int64
	err = row.Scan(&key.id, &key.tenant, &w.Currency, &w.Balance, &w.Held, &w.Seq, &w.Position, &hash, &updatedAt, &lots,
		&w.Tails[0].From, &w.Tails[0].Sum, &w.Tails[1].From, &w.Tails[1].Sum, &w.Alerts,
		&w.HoldNumber, &holdAt, &w.Debt, &w.Shelf.Sum, &w.Shelf.Lapsed, &lapsedAt,
		&noticeNumber, &nextNotice, &noticeLot)
	if err != nil {
		return key, w, err
	}
	copy(w.Hash[:], hash)
	w.UpdatedAt, w.HoldAt, w.Shelf.LapsedAt = updatedAt.UTC(), timeOf(holdAt), timeOf(lapsedAt)
	w.Notices = walletrow.NoticesOf(noticeNumber, timeOf(nextNotice), noticeLot)
	w.Written, err = walletrow.DecodeLots(lots)
	return key, w, err
}

func (b *batch) scanPriors(rows pgx.Rows) error {
	_, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (none struct{}, err error) {
		var tenant int32
		entry, err := scanEntry(row, &tenant)
		if err == nil {
			entry.Tenant = b.db.tenants.of(tenant)
			b.priors[priorKey{customerKey{entry.CustomerID, tenant}, entry.IdempotencyKey}] = &entry
		}
		return none, err
	})
	return err
}

func amountOf(n int64) money.Amount { return money.Amount(n) }
