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

func (r *restarting) TransactMany(
	ctx context.Context, commands []ledger.Command, atomic bool,
) ([]ledger.Outcome, error) {
	return r.write().TransactMany(ctx, commands, atomic)
}

func (r *restarting) CreateCustomer(ctx context.Context, c ledger.Customer, once *ledger.Once) ([]byte, error) {
	return r.write().CreateCustomer(ctx, c, once)
}

func (r *restarting) UpdateCustomer(
	ctx context.Context, tenant ledger.Tenant, id string,
	change func(ledger.Customer) (ledger.CustomerChange, error), once *ledger.Once,
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

func (r *restarting) Wallets(
	ctx context.Context, tenant ledger.Tenant, id string, at time.Time,
) (ledger.WalletList, error) {
	return r.read().Wallets(ctx, tenant, id, at)
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

func (r *restarting) Opened(
	ctx context.Context, tenant ledger.Tenant, id string, currency money.Currency, seqs []int64,
) ([]ledger.Lot, error) {
	return r.read().Opened(ctx, tenant, id, currency, seqs)
}

func (r *restarting) Audit(
	ctx context.Context, tenant ledger.Tenant, id string, page ledger.AuditPage,
) (ledger.AuditList, error) {
	return r.read().Audit(ctx, tenant, id, page)
}

func (r *restarting) Points(
	ctx context.Context, tenant ledger.Tenant, id string, currency money.Currency, at time.Time, asOf []ledger.AsOf,
) (ledger.PointList, error) {
	return r.read().Points(ctx, tenant, id, currency, at, asOf)
}

func (r *restarting) Totals(
	ctx context.Context, tenant ledger.Tenant, id string, currency money.Currency, seqs []int64,
) ([]ledger.Totals, error) {
	return r.read().Totals(ctx, tenant, id, currency, seqs)
}

func (r *restarting) EntriesBetween(
	ctx context.Context, tenant ledger.Tenant, id string, currency money.Currency, after, through int64,
) ([]ledger.Entry, error) {
	return r.read().EntriesBetween(ctx, tenant, id, currency, after, through)
}

func (r *restarting) Expired(ctx context.Context, at time.Time, limit int) ([]ledger.WalletKey, error) {
	return r.read().Expired(ctx, at, limit)
}

func (r *restarting) DueNotices(ctx context.Context, at time.Time, limit int) ([]ledger.DueNotices, error) {
	return r.read().DueNotices(ctx, at, limit)
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
	ctx context.Context, tenant ledger.Tenant, by access.Change, change func(access.Settings) (access.Settings, error),
) (access.Settings, error) {
	return r.write().UpdateSettings(ctx, tenant, by, change)
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

func (r *restarting) BusinessAudit(
	ctx context.Context, tenant ledger.Tenant, page ledger.AuditPage,
) (ledger.AuditList, error) {
	return r.read().BusinessAudit(ctx, tenant, page)
}

func (r *restarting) SettleTransfer(ctx context.Context, row ledger.Transfer) (ledger.Transfer, error) {
	return r.write().SettleTransfer(ctx, row)
}

func (r *restarting) Transfer(ctx context.Context, tenant ledger.Tenant, customer, id string) (ledger.Transfer, error) {
	return r.read().Transfer(ctx, tenant, customer, id)
}

func (r *restarting) Transfers(
	ctx context.Context, tenant ledger.Tenant, customer string, page ledger.Page,
) (ledger.TransferList, error) {
	return r.read().Transfers(ctx, tenant, customer, page)
}

func (r *restarting) UnfinishedTransfers(ctx context.Context, after string, limit int) ([]ledger.Transfer, error) {
	return r.read().UnfinishedTransfers(ctx, after, limit)
}

func (r *restarting) Hold(ctx context.Context, tenant ledger.Tenant, customer, hold string) (ledger.Hold, error) {
	return r.read().Hold(ctx, tenant, customer, hold)
}

func (r *restarting) Holds(
	ctx context.Context, tenant ledger.Tenant, customer string, filter ledger.HoldFilter, page ledger.Page,
) (ledger.HoldList, error) {
	return r.read().Holds(ctx, tenant, customer, filter, page)
}

func (r *restarting) HoldEvents(
	ctx context.Context, tenant ledger.Tenant, customer string, after int64, limit int,
) ([]ledger.HoldEvent, error) {
	return r.read().HoldEvents(ctx, tenant, customer, after, limit)
}

func (r *restarting) Notices(
	ctx context.Context, tenant ledger.Tenant, customer string, after int64, limit int,
) ([]ledger.Notice, error) {
	return r.read().Notices(ctx, tenant, customer, after, limit)
}

func (r *restarting) Feed(
	ctx context.Context, tenant ledger.Tenant, from ledger.FeedPlace, limit int,
) (ledger.FeedPage, error) {
	return r.read().Feed(ctx, tenant, from, limit)
}

func (r *restarting) Object(ctx context.Context, tenant ledger.Tenant, key ledger.ObjectKey) (ledger.Object, error) {
	return r.read().Object(ctx, tenant, key)
}

func (r *restarting) Objects(
	ctx context.Context, tenant ledger.Tenant, filter ledger.ObjectFilter, page ledger.ObjectPage,
) (ledger.ObjectList, error) {
	return r.read().Objects(ctx, tenant, filter, page)
}

func (r *restarting) ObjectEvents(
	ctx context.Context, tenant ledger.Tenant, customer string, after int64, limit int,
) ([]ledger.ObjectEvent, error) {
	return r.read().ObjectEvents(ctx, tenant, customer, after, limit)
}

func (r *restarting) DueObjects(
	ctx context.Context, kind ledger.ObjectKind, at time.Time, limit int,
) ([]ledger.Object, error) {
	return r.read().DueObjects(ctx, kind, at, limit)
}

func (r *restarting) CreateTestClock(
	ctx context.Context, clock ledger.TestClock, once *ledger.Once, answer []byte,
) ([]byte, error) {
	return r.write().CreateTestClock(ctx, clock, once, answer)
}

func (r *restarting) TestClock(ctx context.Context, tenant ledger.Tenant, id string) (ledger.TestClock, error) {
	return r.read().TestClock(ctx, tenant, id)
}

func (r *restarting) TestClocks(
	ctx context.Context, tenant ledger.Tenant, page ledger.Page,
) (ledger.TestClockList, error) {
	return r.read().TestClocks(ctx, tenant, page)
}

func (r *restarting) UpdateTestClock(
	ctx context.Context, tenant ledger.Tenant, id string, change func(ledger.TestClock) (ledger.TestClock, error),
) (ledger.TestClock, error) {
	return r.write().UpdateTestClock(ctx, tenant, id, change)
}

func (r *restarting) Stragglers(ctx context.Context, limit int) ([]ledger.Straggler, error) {
	return r.read().Stragglers(ctx, limit)
}

func (r *restarting) CustomerDue(
	ctx context.Context, tenant ledger.Tenant, customer string,
) (ledger.CustomerDue, error) {
	return r.read().CustomerDue(ctx, tenant, customer)
}
