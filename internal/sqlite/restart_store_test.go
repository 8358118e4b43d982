package sqlite_test

import (
	"context"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// The methods of restarting hand each call to the store of the moment.

func (r *restarting) Transact(ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	return r.write().Transact(ctx, scope, decide)
}

func (r *restarting) CreateCustomer(ctx context.Context, c ledger.Customer, once *ledger.Once) ([]byte, error) {
	return r.write().CreateCustomer(ctx, c, once)
}

func (r *restarting) UpdateCustomer(
	ctx context.Context, tenant ledger.Tenant, id string,
	change func(ledger.Customer) (ledger.Customer, error), once *ledger.Once,
) (ledger.Customer, []byte, error) {
	return r.write().UpdateCustomer(ctx, tenant, id, change, once)
}

func (r *restarting) Customer(ctx context.Context, tenant ledger.Tenant, id string) (ledger.Customer, error) {
	return r.read().Customer(ctx, tenant, id)
}

func (r *restarting) Customers(
	ctx context.Context, tenant ledger.Tenant, filter ledger.CustomerFilter, page ledger.Page,
) (ledger.CustomerList, error) {
	return r.read().Customers(ctx, tenant, filter, page)
}

func (r *restarting) Wallets(ctx context.Context, tenant ledger.Tenant, id string) (ledger.WalletList, error) {
	return r.read().Wallets(ctx, tenant, id)
}

func (r *restarting) Entry(ctx context.Context, tenant ledger.Tenant, customer, entry string) (ledger.Entry, error) {
	return r.read().Entry(ctx, tenant, customer, entry)
}

func (r *restarting) Entries(
	ctx context.Context, tenant ledger.Tenant, customer string, filter ledger.EntryFilter, page ledger.Page,
) (ledger.EntryList, error) {
	return r.read().Entries(ctx, tenant, customer, filter, page)
}

func (r *restarting) Lots(
	ctx context.Context, tenant ledger.Tenant, id string, currency money.Currency, page ledger.LotPage,
) (ledger.LotList, error) {
	return r.read().Lots(ctx, tenant, id, currency, page)
}

func (r *restarting) Expired(ctx context.Context, at time.Time, limit int) ([]ledger.WalletKey, error) {
	return r.read().Expired(ctx, at, limit)
}

func (r *restarting) CreateBusiness(
	ctx context.Context, business access.Business, settings access.Settings, keys []access.Key,
) error {
	return r.write().CreateBusiness(ctx, business, settings, keys)
}

func (r *restarting) Businesses(ctx context.Context) ([]access.Business, error) {
	return r.read().Businesses(ctx)
}

func (r *restarting) Business(ctx context.Context, id string) (access.Business, error) {
	return r.read().Business(ctx, id)
}

func (r *restarting) Settings(ctx context.Context, tenant ledger.Tenant) (access.Settings, error) {
	return r.read().Settings(ctx, tenant)
}

func (r *restarting) UpdateSettings(
	ctx context.Context, tenant ledger.Tenant, change func(access.Settings) (access.Settings, error),
) (access.Settings, error) {
	return r.write().UpdateSettings(ctx, tenant, change)
}

func (r *restarting) CreateKey(ctx context.Context, key access.Key) error {
	return r.write().CreateKey(ctx, key)
}

func (r *restarting) Keys(ctx context.Context, businessID string) ([]access.Key, error) {
	return r.read().Keys(ctx, businessID)
}

func (r *restarting) KeyByHash(ctx context.Context, hash access.KeyHash) (access.Key, error) {
	return r.read().KeyByHash(ctx, hash)
}

func (r *restarting) RevokeKey(ctx context.Context, id string, at time.Time) (access.Key, error) {
	return r.write().RevokeKey(ctx, id, at)
}
