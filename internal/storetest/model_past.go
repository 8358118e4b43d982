package storetest

import (
	"context"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// Points implements [ledger.Store].
func (m *Model) Points(
	_ context.Context, tenant ledger.Tenant, customerID string, currency money.Currency, _ time.Time, asOf []ledger.AsOf,
) (ledger.PointList, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.customer(tenant, customerID)
	if err != nil {
		return ledger.PointList{}, err
	}
	list := ledger.PointList{Chain: c.chain(), Wallet: c.snapshot(ledger.Scope{Currency: currency}).Wallet}
	for _, at := range asOf {
		list.Points = append(list.Points, c.pointAt(currency, at))
	}
	return list, nil
}

func (c *modelCustomer) pointAt(currency money.Currency, at ledger.AsOf) ledger.Point {
	for _, e := range slices.Backward(c.entries) {
		early := e.Seq <= at.Seq
		if !at.Time.IsZero() {
			early = !e.CreatedAt.After(at.Time)
		}
		if e.Currency == currency && early {
			return ledger.Point{Seq: e.Seq, Position: e.Position, EntryID: e.ID, Balance: e.After, CreatedAt: e.CreatedAt}
		}
	}
	return ledger.Point{}
}

// Totals implements [ledger.Store].
func (m *Model) Totals(
	_ context.Context, tenant ledger.Tenant, customerID string, currency money.Currency, seqs []int64,
) (totals []ledger.Totals, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.customer(tenant, customerID)
	if err != nil {
		return nil, err
	}
	for i := range max(len(seqs)-1, 0) {
		var t ledger.Totals
		for _, e := range c.entries {
			if e.Currency != currency || e.Seq <= seqs[i] || e.Seq > seqs[i+1] {
				continue
			}
			t.Entries++
			switch {
			case e.Direction == ledger.Credit:
				t.Credited += e.Amount
			case e.Account == ledger.AccountBreakage:
				t.Expired += e.Amount
			default:
				t.Debited += e.Amount
			}
		}
		totals = append(totals, t)
	}
	return totals, nil
}

// EntriesBetween implements [ledger.Store].
func (m *Model) EntriesBetween(
	_ context.Context, tenant ledger.Tenant, customerID string, currency money.Currency, after, through int64,
) (entries []ledger.Entry, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.customer(tenant, customerID)
	if err != nil {
		return nil, err
	}
	for _, e := range c.entries {
		if e.Currency == currency && e.Seq > after && e.Seq <= through {
			entries = append(entries, cloneEntry(e))
		}
	}
	return entries, nil
}
