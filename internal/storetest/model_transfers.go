package storetest

import (
	"cmp"
	"context"
	"slices"

	"github.com/billfold/billfold/internal/ledger"
)

// transfer returns a copy of the customer's row, nil when there is none.
func (c *modelCustomer) transfer(id string) *ledger.Transfer {
	for _, t := range c.transfers {
		if t.ID == id {
			return &t
		}
	}
	return nil
}

// keepTransfer puts a row in the place of the one with its id, or adds it.
func (c *modelCustomer) keepTransfer(row ledger.Transfer) {
	for i := range c.transfers {
		if c.transfers[i].ID == row.ID {
			c.transfers[i] = row
			return
		}
	}
	c.transfers = append(c.transfers, row)
}

var errNoTransfer = ledger.Errorf(ledger.CodeNotFound, "there is no such transfer")

// SettleTransfer implements [ledger.Store].
func (m *Model) SettleTransfer(_ context.Context, row ledger.Transfer) (ledger.Transfer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.customer(row.Tenant, row.CustomerID)
	if err != nil {
		return ledger.Transfer{}, err
	}
	found := c.transfer(row.ID)
	if found == nil && row.Outgoing {
		return ledger.Transfer{}, errNoTransfer
	}
	if found != nil && found.State != ledger.TransferInTransit {
		return *found, nil
	}
	c.keepTransfer(row)
	return row, nil
}

// Transfer implements [ledger.Store].
func (m *Model) Transfer(_ context.Context, tenant ledger.Tenant, customerID, id string) (ledger.Transfer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.customer(tenant, customerID)
	if err != nil {
		return ledger.Transfer{}, err
	}
	if found := c.transfer(id); found != nil {
		return *found, nil
	}
	return ledger.Transfer{}, errNoTransfer
}

// Transfers implements [ledger.Store].
func (m *Model) Transfers(
	_ context.Context, tenant ledger.Tenant, customerID string, page ledger.Page,
) (ledger.TransferList, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.customer(tenant, customerID)
	if err != nil {
		return ledger.TransferList{}, err
	}
	var passed []ledger.Transfer
	for _, t := range c.transfers {
		if t.State != ledger.TransferRefused && (page.Before == 0 || t.Position < page.Before) {
			passed = append(passed, t)
		}
	}
	slices.SortFunc(passed, func(a, b ledger.Transfer) int { return cmp.Compare(b.Position, a.Position) })
	rows, next := cut(passed, ledger.Page{Limit: page.Limit}, func(t ledger.Transfer) int64 { return t.Position })
	return ledger.TransferList{Transfers: rows, Next: next}, nil
}

// UnfinishedTransfers implements [ledger.Store].
func (m *Model) UnfinishedTransfers(_ context.Context, after string, limit int) ([]ledger.Transfer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []ledger.Transfer
	for _, customers := range m.customers {
		for _, c := range customers {
			for _, t := range c.transfers {
				if t.State == ledger.TransferInTransit && t.ID > after {
					found = append(found, t)
				}
			}
		}
	}
	slices.SortFunc(found, func(a, b ledger.Transfer) int { return cmp.Compare(a.ID, b.ID) })
	return found[:min(limit, len(found))], nil
}
