package storetest

import (
	"context"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// unannounced is what a decision about notices sees: all open lots that can expire from
// the first on that was not announced.
func (c *modelCustomer) unannounced(currency money.Currency) *ledger.Unannounced {
	seen := &ledger.Unannounced{Number: int64(len(c.notices))}
	if w := c.wallets[currency]; w != nil {
		for _, lot := range w.Lots {
			told := c.told(currency, lot.Seq)
			if lot.ExpiresAt.IsZero() || told && len(seen.Lots) == 0 {
				continue
			}
			seen.Lots, seen.Told = append(seen.Lots, lot), append(seen.Told, told)
		}
	}
	if len(seen.Lots) > 0 {
		seen.From = seen.Lots[0]
	}
	return seen
}

// told reports whether a lot was announced.
func (c *modelCustomer) told(currency money.Currency, seq int64) bool {
	return slices.ContainsFunc(c.notices, func(n ledger.Notice) bool { return n.Currency == currency && n.Lot.Seq == seq })
}

// Notices implements [ledger.Store].
func (m *Model) Notices(
	_ context.Context, tenant ledger.Tenant, customerID string, after int64, limit int,
) ([]ledger.Notice, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.customer(tenant, customerID)
	if err != nil {
		return nil, err
	}
	rest := c.notices[min(after, int64(len(c.notices))):]
	return slices.Clone(rest[:min(limit, len(rest))]), nil
}

// DueNotices implements [ledger.Store].
func (m *Model) DueNotices(_ context.Context, at time.Time, limit int) (due []ledger.DueNotices, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for tenant, customers := range m.customers {
		days := m.settings[tenant].ExpiryNoticeDays
		until := at.Add(time.Duration(days) * 24 * time.Hour)
		for _, c := range withoutClock(customers) {
			for currency := range c.wallets {
				seen := c.unannounced(currency)
				if days > 0 && len(due) < limit && len(seen.Lots) > 0 && !seen.Lots[0].ExpiresAt.After(until) {
					wallet := ledger.WalletKey{Tenant: tenant, CustomerID: c.ID, Currency: currency}
					due = append(due, ledger.DueNotices{Wallet: wallet, Until: until})
				}
			}
		}
	}
	return due, nil
}
