package storetest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
)

// noTenant finds a customer by id in any tenant.
type noTenant struct{ *Model }

func openNoTenant(testing.TB) Stores {
	m := NewModel()
	return Stores{Ledger: noTenant{m}, Access: m}
}

// owner returns the first tenant that has the customer.
func (n noTenant) owner(tenant ledger.Tenant, id string) ledger.Tenant {
	n.mu.Lock()
	defer n.mu.Unlock()
	for other, customers := range n.customers {
		for _, c := range customers {
			if c.ID == id {
				return other
			}
		}
	}
	return tenant
}

func (n noTenant) Customer(ctx context.Context, tenant ledger.Tenant, id string) (ledger.Customer, error) {
	return n.Model.Customer(ctx, n.owner(tenant, id), id)
}

func (n noTenant) Transact(ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	scope.Tenant = n.owner(scope.Tenant, scope.CustomerID)
	return n.Model.Transact(ctx, scope, decide)
}

// staleReads answers Wallets with the state before the last write, once.
type staleReads struct {
	*Model
	mu    *sync.Mutex
	stale map[string]ledger.WalletList
}

func openStaleReads(testing.TB) Stores {
	m := NewModel()
	return Stores{Ledger: staleReads{m, &sync.Mutex{}, map[string]ledger.WalletList{}}, Access: m}
}

func (s staleReads) Transact(ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	before, err := s.Model.Wallets(ctx, scope.Tenant, scope.CustomerID, scope.At)
	if err == nil {
		s.mu.Lock()
		s.stale[scope.CustomerID] = before
		s.mu.Unlock()
	}
	return s.Model.Transact(ctx, scope, decide)
}

func (s staleReads) Wallets(
	ctx context.Context, tenant ledger.Tenant, id string, at time.Time,
) (ledger.WalletList, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stale, found := s.stale[id]; found && stale.Customer.Tenant == tenant {
		delete(s.stale, id)
		return stale, nil
	}
	return s.Model.Wallets(ctx, tenant, id, at)
}

// bentReads is the model with one planted bug in a read or in a rare write.
type bentReads struct {
	*Model
	entries   func(list *ledger.EntryList, filter *ledger.EntryFilter, before bool)
	entry     func(m *Model, tenant ledger.Tenant, customerID, id string) string
	customers func(filter *ledger.CustomerFilter)
	once      func(*ledger.Once)
	revoke    func(m *Model, id string)
}

func openBent(b bentReads) func(testing.TB) Stores {
	return func(testing.TB) Stores {
		mine := b
		mine.Model = NewModel()
		return Stores{Ledger: mine, Access: mine}
	}
}

func (b bentReads) Entries(
	ctx context.Context, tenant ledger.Tenant, id string, f ledger.EntryFilter, page ledger.Page,
) (ledger.EntryList, error) {
	if b.entries == nil {
		return b.Model.Entries(ctx, tenant, id, f, page)
	}
	b.entries(nil, &f, true)
	list, err := b.Model.Entries(ctx, tenant, id, f, page)
	b.entries(&list, &f, false)
	return list, err
}

func (b bentReads) Entry(ctx context.Context, tenant ledger.Tenant, customerID, id string) (ledger.Entry, error) {
	if b.entry != nil {
		id = b.entry(b.Model, tenant, customerID, id)
	}
	return b.Model.Entry(ctx, tenant, customerID, id)
}

func (b bentReads) Customers(
	ctx context.Context, tenant ledger.Tenant, f ledger.CustomerFilter, page ledger.Page,
) (ledger.CustomerList, error) {
	if b.customers != nil {
		b.customers(&f)
	}
	return b.Model.Customers(ctx, tenant, f, page)
}

func (b bentReads) CreateCustomer(ctx context.Context, c ledger.Customer, once *ledger.Once) ([]byte, error) {
	if once != nil && b.once != nil {
		altered := *once
		b.once(&altered)
		once = &altered
	}
	return b.Model.CreateCustomer(ctx, c, once)
}

func (b bentReads) RevokeKey(ctx context.Context, id string, at time.Time) (access.Key, error) {
	if b.revoke != nil {
		b.revoke(b.Model, id)
	}
	return b.Model.RevokeKey(ctx, id, at)
}

// cursorSkips puts the cursor one place too far.
func cursorSkips(list *ledger.EntryList, _ *ledger.EntryFilter, before bool) {
	if !before && list.Next > 1 {
		list.Next--
	}
}

// upperBoundExclusive leaves out what happened at the very end of the range.
func upperBoundExclusive(_ *ledger.EntryList, f *ledger.EntryFilter, before bool) {
	if before && !f.CreatedAtLTE.IsZero() {
		f.CreatedAtLTE = f.CreatedAtLTE.Add(-time.Microsecond)
	}
}

// asOfPage says as-of of the page instead of the customer.
func asOfPage(list *ledger.EntryList, _ *ledger.EntryFilter, before bool) {
	if !before && len(list.Entries) > 0 {
		list.AsOfPosition = list.Entries[0].Position
	}
}

// entryByPosition trusts the position in an id and looks at nothing else.
func entryByPosition(m *Model, tenant ledger.Tenant, customerID, id string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.customer(tenant, customerID)
	position, ok := ledger.EntryIDPosition(id)
	if err != nil || !ok || position > int64(len(c.entries)) {
		return id
	}
	return c.entries[position-1].ID
}

// revokeAgain lets a later revocation replace the first.
func revokeAgain(m *Model, id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.keys {
		if m.keys[i].ID == id {
			m.keys[i].RevokedAt = time.Time{}
		}
	}
}

// onceOutsideLock looks the key up first and then creates without it.
type onceOutsideLock struct {
	*Model
	gap *gap
}

func openOnceOutsideLock(testing.TB) Stores {
	m := NewModel()
	return Stores{Ledger: onceOutsideLock{m, &gap{}}, Access: m}
}

func (o onceOutsideLock) CreateCustomer(ctx context.Context, c ledger.Customer, once *ledger.Once) ([]byte, error) {
	o.mu.Lock()
	first, err := o.answered(once)
	o.mu.Unlock()
	if first != nil || err != nil {
		return first, err
	}
	if once != nil {
		o.gap.wait()
	}
	if _, err := o.Model.CreateCustomer(ctx, c, nil); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.record(once, c)
	return nil, nil
}

// emailPrefix finds e-mails that only begin alike.
func emailPrefix(f *ledger.CustomerFilter) {
	if f.Email != "" {
		f.Name, f.Email = "", ""
	}
}
