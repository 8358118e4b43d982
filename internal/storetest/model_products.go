package storetest

import (
	"context"
	"slices"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/catalog"
	"github.com/billfold/billfold/internal/ledger"
)

// productIndex is where a tenant's product stands. The caller holds the lock.
func (m *Model) productIndex(tenant ledger.Tenant, id string) (int, error) {
	for i, p := range m.products {
		if p.Tenant == tenant && p.ID == id {
			return i, nil
		}
	}
	return 0, ledger.Errorf(ledger.CodeNotFound, "no such product")
}

// Product implements [catalog.Store].
func (m *Model) Product(_ context.Context, tenant ledger.Tenant, id string) (catalog.Product, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, err := m.productIndex(tenant, id)
	if err != nil {
		return catalog.Product{}, err
	}
	return m.products[i], nil
}

// Products implements [catalog.Store]. Its cursor is the place in the order of creation.
func (m *Model) Products(
	_ context.Context, tenant ledger.Tenant, filter catalog.Filter, page ledger.Page,
) (list catalog.List, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	skip, last := page.Skip, 0
	for i, p := range slices.Backward(m.products) {
		switch {
		case p.Tenant != tenant || p.Archived() != filter.Archived:
		case filter.Recurring != nil && p.Recurring() != *filter.Recurring:
		case page.Before > 0 && int64(i+1) >= page.Before:
		case skip > 0:
			skip--
		case len(list.Products) == page.Limit:
			list.Next = int64(last)
			return list, nil
		default:
			list.Products, last = append(list.Products, p), i+1
		}
	}
	return list, nil
}

// CreateProduct implements [catalog.Store].
func (m *Model) CreateProduct(
	_ context.Context, product catalog.Product, by access.Change, once *ledger.Once, answer []byte,
) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, found := m.settings[product.Tenant]; !found {
		return nil, ledger.Errorf(ledger.CodeNotFound, "no such business")
	}
	if first, err := m.answered(once); first != nil || err != nil {
		return first, err
	}
	text, err := product.Encode()
	if err != nil {
		return nil, err
	}
	m.products = append(m.products, product)
	m.note(m.trail(product.Tenant).ProductChanged(product.Tenant, by, product.ID, "", text))
	if once != nil {
		m.recordAnswer(once, answer)
	}
	return nil, nil
}

// ProductAnswer implements [catalog.Store].
func (m *Model) ProductAnswer(_ context.Context, once *ledger.Once) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.answered(once)
}

// UpdateProduct implements [catalog.Store].
func (m *Model) UpdateProduct(
	_ context.Context, tenant ledger.Tenant, id string, by access.Change, change func(*catalog.Product) error,
) (catalog.Product, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, err := m.productIndex(tenant, id)
	if err != nil {
		return catalog.Product{}, err
	}
	changed := m.products[i]
	if err := change(&changed); err != nil {
		return catalog.Product{}, err
	}
	if changed == m.products[i] {
		return changed, nil
	}
	before, err := m.products[i].Encode()
	if err != nil {
		return catalog.Product{}, err
	}
	after, err := changed.Encode()
	if err != nil {
		return catalog.Product{}, err
	}
	m.products[i] = changed
	m.note(m.trail(tenant).ProductChanged(tenant, by, id, before, after))
	return changed, nil
}
