package storetest

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
)

// CreateBusiness implements [access.Store].
func (m *Model) CreateBusiness(
	_ context.Context, business access.Business, settings access.Settings, keys []access.Key,
) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range keys {
		if m.hashUsed(k.Hash) {
			return ledger.Errorf(ledger.CodeInternal, "the key exists")
		}
	}
	m.businesses = append(m.businesses, business)
	for _, mode := range []ledger.Mode{ledger.Test, ledger.Live} {
		m.settings[ledger.Tenant{BusinessID: business.ID, Mode: mode}] = cloneSettings(settings)
	}
	m.keys = append(m.keys, keys...)
	return nil
}

func (m *Model) hashUsed(hash access.KeyHash) bool {
	return slices.ContainsFunc(m.keys, func(k access.Key) bool { return k.Hash == hash })
}

func cloneSettings(s access.Settings) access.Settings {
	s.Currencies, s.USDRates = slices.Clone(s.Currencies), maps.Clone(s.USDRates)
	return s
}

// Businesses implements [access.Store].
func (m *Model) Businesses(context.Context) ([]access.Business, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.businesses), nil
}

// Business implements [access.Store].
func (m *Model) Business(_ context.Context, id string) (access.Business, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, b := range m.businesses {
		if b.ID == id {
			return b, nil
		}
	}
	return access.Business{}, ledger.Errorf(ledger.CodeNotFound, "no such business")
}

// Settings implements [access.Store].
func (m *Model) Settings(_ context.Context, tenant ledger.Tenant) (access.Settings, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, found := m.settings[tenant]
	if !found {
		return access.Settings{}, ledger.Errorf(ledger.CodeNotFound, "no such business")
	}
	return cloneSettings(s), nil
}

// UpdateSettings implements [access.Store].
func (m *Model) UpdateSettings(
	_ context.Context, tenant ledger.Tenant, change func(access.Settings) (access.Settings, error),
) (access.Settings, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, found := m.settings[tenant]
	if !found {
		return access.Settings{}, ledger.Errorf(ledger.CodeNotFound, "no such business")
	}
	changed, err := change(cloneSettings(s))
	if err != nil {
		return access.Settings{}, err
	}
	m.settings[tenant] = cloneSettings(changed)
	return changed, nil
}

// CreateKey implements [access.Store].
func (m *Model) CreateKey(_ context.Context, key access.Key) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, found := m.settings[key.Tenant]; !found {
		return ledger.Errorf(ledger.CodeNotFound, "no such business")
	}
	if m.hashUsed(key.Hash) {
		return ledger.Errorf(ledger.CodeInternal, "the key exists")
	}
	m.keys = append(m.keys, key)
	return nil
}

// Keys implements [access.Store].
func (m *Model) Keys(_ context.Context, businessID string) ([]access.Key, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var keys []access.Key
	for _, k := range slices.Backward(m.keys) {
		if businessID == "" || k.Tenant.BusinessID == businessID {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

// KeyByHash implements [access.Store].
func (m *Model) KeyByHash(_ context.Context, hash access.KeyHash) (access.Key, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range m.keys {
		if k.Hash == hash {
			return k, nil
		}
	}
	return access.Key{}, ledger.Errorf(ledger.CodeNotFound, "no such key")
}

// RevokeKey implements [access.Store].
func (m *Model) RevokeKey(_ context.Context, id string, at time.Time) (access.Key, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.keys {
		if k := &m.keys[i]; k.ID == id {
			if k.RevokedAt.IsZero() {
				k.RevokedAt = at
			}
			return *k, nil
		}
	}
	return access.Key{}, ledger.Errorf(ledger.CodeNotFound, "no such key")
}
