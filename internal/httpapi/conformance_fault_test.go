package httpapi_test

import (
	"context"
	"sync"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/catalog"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/report"
	"github.com/billfold/billfold/internal/webhook"
)

// faultyStore is a store that can be told to fail.
type faultyStore struct {
	ledger.Store

	mu     sync.Mutex
	broken bool
	err    error
}

// breakDown makes every method but the look-up of keys give an error, or panic
// when it is nil.
func (f *faultyStore) breakDown(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken, f.err = true, err
}

// mend ends what breakDown began.
func (f *faultyStore) mend() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = false
}

func (f *faultyStore) fail() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken && f.err == nil {
		panic(canarySecret)
	}
	if !f.broken {
		return nil
	}
	return f.err
}

func (f *faultyStore) Transact(ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	if err := f.fail(); err != nil {
		return ledger.Change{}, err
	}
	return f.Store.Transact(ctx, scope, decide)
}

func (f *faultyStore) TransactMany(
	ctx context.Context, commands []ledger.Command, atomic bool,
) ([]ledger.Outcome, error) {
	if err := f.fail(); err != nil {
		outcomes := make([]ledger.Outcome, len(commands))
		for i := range outcomes {
			outcomes[i].Err = err
		}
		return outcomes, nil
	}
	return f.Store.TransactMany(ctx, commands, atomic)
}

func (f *faultyStore) CreateCustomer(ctx context.Context, customer ledger.Customer, once *ledger.Once) ([]byte, error) {
	if err := f.fail(); err != nil {
		return nil, err
	}
	return f.Store.CreateCustomer(ctx, customer, once)
}

func (f *faultyStore) UpdateCustomer(
	ctx context.Context, tenant ledger.Tenant, id string,
	change func(ledger.Customer) (ledger.CustomerChange, error), once *ledger.Once,
) (ledger.Customer, []byte, error) {
	if err := f.fail(); err != nil {
		return ledger.Customer{}, nil, err
	}
	return f.Store.UpdateCustomer(ctx, tenant, id, change, once)
}

func (f *faultyStore) Customer(ctx context.Context, tenant ledger.Tenant, id string) (ledger.Customer, error) {
	if err := f.fail(); err != nil {
		return ledger.Customer{}, err
	}
	return f.Store.Customer(ctx, tenant, id)
}

func (f *faultyStore) Customers(
	ctx context.Context, tenant ledger.Tenant, filter ledger.CustomerFilter, page ledger.Page,
) (ledger.CustomerList, error) {
	if err := f.fail(); err != nil {
		return ledger.CustomerList{}, err
	}
	return f.Store.Customers(ctx, tenant, filter, page)
}

func (f *faultyStore) Wallets(
	ctx context.Context, tenant ledger.Tenant, customerID string, at time.Time,
) (ledger.WalletList, error) {
	if err := f.fail(); err != nil {
		return ledger.WalletList{}, err
	}
	return f.Store.Wallets(ctx, tenant, customerID, at)
}

func (f *faultyStore) Entry(
	ctx context.Context, tenant ledger.Tenant, customerID, entryID string,
) (ledger.Entry, error) {
	if err := f.fail(); err != nil {
		return ledger.Entry{}, err
	}
	return f.Store.Entry(ctx, tenant, customerID, entryID)
}

func (f *faultyStore) Lots(
	ctx context.Context, tenant ledger.Tenant, customerID string, currency money.Currency, page ledger.LotPage,
) (ledger.LotList, error) {
	if err := f.fail(); err != nil {
		return ledger.LotList{}, err
	}
	return f.Store.Lots(ctx, tenant, customerID, currency, page)
}

func (f *faultyStore) Opened(
	ctx context.Context, tenant ledger.Tenant, customerID string, currency money.Currency, seqs []int64,
) ([]ledger.Lot, error) {
	if err := f.fail(); err != nil {
		return nil, err
	}
	return f.Store.Opened(ctx, tenant, customerID, currency, seqs)
}

func (f *faultyStore) Audit(
	ctx context.Context, tenant ledger.Tenant, customerID string, page ledger.AuditPage,
) (ledger.AuditList, error) {
	if err := f.fail(); err != nil {
		return ledger.AuditList{}, err
	}
	return f.Store.Audit(ctx, tenant, customerID, page)
}

func (f *faultyStore) Points(
	ctx context.Context, tenant ledger.Tenant, customerID string, currency money.Currency, at time.Time,
	asOf []ledger.AsOf,
) (ledger.PointList, error) {
	if err := f.fail(); err != nil {
		return ledger.PointList{}, err
	}
	return f.Store.Points(ctx, tenant, customerID, currency, at, asOf)
}

func (f *faultyStore) Totals(
	ctx context.Context, tenant ledger.Tenant, customerID string, currency money.Currency, seqs []int64,
) ([]ledger.Totals, error) {
	if err := f.fail(); err != nil {
		return nil, err
	}
	return f.Store.Totals(ctx, tenant, customerID, currency, seqs)
}

func (f *faultyStore) EntriesBetween(
	ctx context.Context, tenant ledger.Tenant, customerID string, currency money.Currency, after, through int64,
) ([]ledger.Entry, error) {
	if err := f.fail(); err != nil {
		return nil, err
	}
	return f.Store.EntriesBetween(ctx, tenant, customerID, currency, after, through)
}

func (f *faultyStore) Entries(
	ctx context.Context, tenant ledger.Tenant, customerID string, filter ledger.EntryFilter, page ledger.Page,
) (ledger.EntryList, error) {
	if err := f.fail(); err != nil {
		return ledger.EntryList{}, err
	}
	return f.Store.Entries(ctx, tenant, customerID, filter, page)
}

// faultyAccess fails when its ledger does, except for the look-up of keys.
type faultyAccess struct {
	access.Store
	ledger *faultyStore
}

func (f faultyAccess) Business(ctx context.Context, id string) (access.Business, error) {
	if err := f.ledger.fail(); err != nil {
		return access.Business{}, err
	}
	return f.Store.Business(ctx, id)
}

func (f faultyAccess) Settings(ctx context.Context, tenant ledger.Tenant) (access.Settings, error) {
	if err := f.ledger.fail(); err != nil {
		return access.Settings{}, err
	}
	return f.Store.Settings(ctx, tenant)
}

func (f faultyAccess) BusinessAudit(
	ctx context.Context, tenant ledger.Tenant, page ledger.AuditPage,
) (ledger.AuditList, error) {
	if err := f.ledger.fail(); err != nil {
		return ledger.AuditList{}, err
	}
	return f.Store.BusinessAudit(ctx, tenant, page)
}

func (f faultyAccess) UpdateSettings(
	ctx context.Context, tenant ledger.Tenant, by access.Change, change func(access.Settings) (access.Settings, error),
) (access.Settings, error) {
	if err := f.ledger.fail(); err != nil {
		return access.Settings{}, err
	}
	return f.Store.UpdateSettings(ctx, tenant, by, change)
}

// faultyWebhooks fails when its ledger does.
type faultyWebhooks struct {
	webhook.Store
	ledger *faultyStore
}

func (f faultyWebhooks) CreateEndpoint(ctx context.Context, endpoint webhook.Endpoint) (webhook.Endpoint, error) {
	if err := f.ledger.fail(); err != nil {
		return webhook.Endpoint{}, err
	}
	return f.Store.CreateEndpoint(ctx, endpoint)
}

func (f faultyWebhooks) Endpoint(ctx context.Context, tenant ledger.Tenant, id string) (webhook.Served, error) {
	if err := f.ledger.fail(); err != nil {
		return webhook.Served{}, err
	}
	return f.Store.Endpoint(ctx, tenant, id)
}

func (f faultyWebhooks) Endpoints(ctx context.Context, tenant ledger.Tenant) ([]webhook.Endpoint, error) {
	if err := f.ledger.fail(); err != nil {
		return nil, err
	}
	return f.Store.Endpoints(ctx, tenant)
}

func (f faultyWebhooks) DeleteEndpoint(ctx context.Context, tenant ledger.Tenant, id string) error {
	if err := f.ledger.fail(); err != nil {
		return err
	}
	return f.Store.DeleteEndpoint(ctx, tenant, id)
}

func (f faultyWebhooks) Deliveries(
	ctx context.Context, tenant ledger.Tenant, id string, page webhook.DeliveryPage,
) ([]webhook.Delivery, error) {
	if err := f.ledger.fail(); err != nil {
		return nil, err
	}
	return f.Store.Deliveries(ctx, tenant, id, page)
}

func (f faultyWebhooks) Queued(
	ctx context.Context, tenant ledger.Tenant, id string, which webhook.Queued,
) ([]int64, error) {
	if err := f.ledger.fail(); err != nil {
		return nil, err
	}
	return f.Store.Queued(ctx, tenant, id, which)
}

// faultyProducts fails when its ledger does.
type faultyProducts struct {
	catalog.Store
	ledger *faultyStore
}

func (f faultyProducts) Product(ctx context.Context, tenant ledger.Tenant, id string) (catalog.Product, error) {
	if err := f.ledger.fail(); err != nil {
		return catalog.Product{}, err
	}
	return f.Store.Product(ctx, tenant, id)
}

func (f faultyProducts) Products(
	ctx context.Context, tenant ledger.Tenant, filter catalog.Filter, page ledger.Page,
) (catalog.List, error) {
	if err := f.ledger.fail(); err != nil {
		return catalog.List{}, err
	}
	return f.Store.Products(ctx, tenant, filter, page)
}

func (f faultyProducts) CreateProduct(
	ctx context.Context, product catalog.Product, by access.Change, once *ledger.Once, answer []byte,
) ([]byte, error) {
	if err := f.ledger.fail(); err != nil {
		return nil, err
	}
	return f.Store.CreateProduct(ctx, product, by, once, answer)
}

func (f faultyProducts) UpdateProduct(
	ctx context.Context, tenant ledger.Tenant, id string, by access.Change, change func(*catalog.Product) error,
) (catalog.Product, error) {
	if err := f.ledger.fail(); err != nil {
		return catalog.Product{}, err
	}
	return f.Store.UpdateProduct(ctx, tenant, id, by, change)
}

func (f *faultyStore) Transfer(
	ctx context.Context, tenant ledger.Tenant, customerID, id string,
) (ledger.Transfer, error) {
	if err := f.fail(); err != nil {
		return ledger.Transfer{}, err
	}
	return f.Store.Transfer(ctx, tenant, customerID, id)
}

func (f *faultyStore) Transfers(
	ctx context.Context, tenant ledger.Tenant, customerID string, page ledger.Page,
) (ledger.TransferList, error) {
	if err := f.fail(); err != nil {
		return ledger.TransferList{}, err
	}
	return f.Store.Transfers(ctx, tenant, customerID, page)
}

func (f *faultyStore) SettleTransfer(ctx context.Context, row ledger.Transfer) (ledger.Transfer, error) {
	if err := f.fail(); err != nil {
		return ledger.Transfer{}, err
	}
	return f.Store.SettleTransfer(ctx, row)
}

func (f *faultyStore) CreateTestClock(
	ctx context.Context, clock ledger.TestClock, once *ledger.Once, answer []byte,
) ([]byte, error) {
	if err := f.fail(); err != nil {
		return nil, err
	}
	return f.Store.CreateTestClock(ctx, clock, once, answer)
}

func (f *faultyStore) TestClock(ctx context.Context, tenant ledger.Tenant, id string) (ledger.TestClock, error) {
	if err := f.fail(); err != nil {
		return ledger.TestClock{}, err
	}
	return f.Store.TestClock(ctx, tenant, id)
}

func (f *faultyStore) TestClocks(
	ctx context.Context, tenant ledger.Tenant, page ledger.Page,
) (ledger.TestClockList, error) {
	if err := f.fail(); err != nil {
		return ledger.TestClockList{}, err
	}
	return f.Store.TestClocks(ctx, tenant, page)
}

func (f *faultyStore) UpdateTestClock(
	ctx context.Context, tenant ledger.Tenant, id string, change func(ledger.TestClock) (ledger.TestClock, error),
) (ledger.TestClock, error) {
	if err := f.fail(); err != nil {
		return ledger.TestClock{}, err
	}
	return f.Store.UpdateTestClock(ctx, tenant, id, change)
}

func (f *faultyStore) Object(ctx context.Context, tenant ledger.Tenant, key ledger.ObjectKey) (ledger.Object, error) {
	if err := f.fail(); err != nil {
		return ledger.Object{}, err
	}
	return f.Store.Object(ctx, tenant, key)
}

func (f *faultyStore) Objects(
	ctx context.Context, tenant ledger.Tenant, filter ledger.ObjectFilter, page ledger.ObjectPage,
) (ledger.ObjectList, error) {
	if err := f.fail(); err != nil {
		return ledger.ObjectList{}, err
	}
	return f.Store.Objects(ctx, tenant, filter, page)
}

func (f *faultyStore) Hold(ctx context.Context, tenant ledger.Tenant, customerID, id string) (ledger.Hold, error) {
	if err := f.fail(); err != nil {
		return ledger.Hold{}, err
	}
	return f.Store.Hold(ctx, tenant, customerID, id)
}

func (f *faultyStore) Holds(
	ctx context.Context, tenant ledger.Tenant, customerID string, filter ledger.HoldFilter, page ledger.Page,
) (ledger.HoldList, error) {
	if err := f.fail(); err != nil {
		return ledger.HoldList{}, err
	}
	return f.Store.Holds(ctx, tenant, customerID, filter, page)
}

func (f *faultyStore) Feed(
	ctx context.Context, tenant ledger.Tenant, from ledger.FeedPlace, limit int,
) (ledger.FeedPage, error) {
	if err := f.fail(); err != nil {
		return ledger.FeedPage{}, err
	}
	return f.Store.Feed(ctx, tenant, from, limit)
}

// The store that a faultyStore stands before makes the reports.
func (f *faultyStore) FoldReports(context.Context, int) (bool, error) { return false, f.fail() }

func (f *faultyStore) ReadReports(ctx context.Context, tenant ledger.Tenant, read func(report.Source) error) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.Store.(report.Store).ReadReports(ctx, tenant, read)
}

func (f *faultyStore) Journal(
	ctx context.Context, tenant ledger.Tenant, from, to time.Time, place int64,
) (report.JournalPage, error) {
	if err := f.fail(); err != nil {
		return report.JournalPage{}, err
	}
	return f.Store.(report.Store).Journal(ctx, tenant, from, to, place)
}
