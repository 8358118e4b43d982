package httpapi_test

import (
	"context"
	"sync"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
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

func (f *faultyStore) CreateCustomer(ctx context.Context, customer ledger.Customer, once *ledger.Once) ([]byte, error) {
	if err := f.fail(); err != nil {
		return nil, err
	}
	return f.Store.CreateCustomer(ctx, customer, once)
}

func (f *faultyStore) UpdateCustomer(
	ctx context.Context, tenant ledger.Tenant, id string,
	change func(ledger.Customer) (ledger.Customer, error), once *ledger.Once,
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

func (f *faultyStore) Wallets(ctx context.Context, tenant ledger.Tenant, customerID string) (ledger.WalletList, error) {
	if err := f.fail(); err != nil {
		return ledger.WalletList{}, err
	}
	return f.Store.Wallets(ctx, tenant, customerID)
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

func (f faultyAccess) UpdateSettings(
	ctx context.Context, tenant ledger.Tenant, change func(access.Settings) (access.Settings, error),
) (access.Settings, error) {
	if err := f.ledger.fail(); err != nil {
		return access.Settings{}, err
	}
	return f.Store.UpdateSettings(ctx, tenant, change)
}
