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
		tenant := ledger.Tenant{BusinessID: business.ID, Mode: mode}
		m.settings[tenant] = cloneSettings(settings)
		m.trails[tenant] = access.Opening(tenant, business, settings, keys)
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
	_ context.Context, tenant ledger.Tenant, by access.Change, change func(access.Settings) (access.Settings, error),
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
	m.note(m.trail(tenant).SettingsUpdated(tenant, by, s, changed))
	return changed, nil
}

// trail is where the audit trail of a business in one mode stands.
func (m *Model) trail(tenant ledger.Tenant) (at access.Trail) {
	for _, line := range m.trails[tenant] {
		at = access.Trail{AuditHead: ledger.AuditHead{Position: line.Position, Hash: line.Hash}, At: line.CreatedAt}
	}
	return at
}

// note adds a line to the audit trail of a business.
func (m *Model) note(line ledger.AuditEntry) {
	m.trails[line.Tenant] = append(m.trails[line.Tenant], line)
}

// BusinessAudit implements [access.Store].
func (m *Model) BusinessAudit(
	_ context.Context, tenant ledger.Tenant, page ledger.AuditPage,
) (list ledger.AuditList, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, found := m.settings[tenant]; !found {
		return list, ledger.Errorf(ledger.CodeNotFound, "no such business")
	}
	for _, line := range slices.Backward(m.trails[tenant]) {
		switch {
		case page.Before > 0 && line.Position >= page.Before:
		case len(list.Entries) == page.Limit:
			list.Next = list.Entries[page.Limit-1].Position
			return list, nil
		default:
			list.Entries = append(list.Entries, line)
		}
	}
	return list, nil
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
	m.note(m.trail(key.Tenant).KeyCreated(key))
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
				m.note(m.trail(k.Tenant).KeyRevoked(*k))
			}
			return *k, nil
		}
	}
	return access.Key{}, ledger.Errorf(ledger.CodeNotFound, "no such key")
}
