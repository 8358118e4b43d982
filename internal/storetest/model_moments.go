package storetest

import (
	"context"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// modelMoment is what something has made of the lots of a wallet.
type modelMoment struct {
	currency money.Currency
	seq      int64
	at       time.Time
	entry    bool         // it was an entry, and not something about a hold alone
	changed  []ledger.Lot // as they were left; with nothing remaining those that were gone
}

// remember keeps what each entry of a change has made of the lots of a wallet. Before
// are those that there were.
func (c *modelCustomer) remember(before []ledger.Lot, change *ledger.Change) {
	currency := change.Wallet.Currency
	last := c.wallets[currency].Lots
	if change.Entry.Position == 0 {
		at := change.Hold.Event.CreatedAt
		c.moments = append(c.moments, modelMoment{currency, change.Wallet.Seq, at, false, changedLots(before, last)})
		return
	}
	for e := range change.Entries() {
		lots := last
		if e.Seq != change.Wallet.Seq {
			lots = c.afterEntry(before, e)
		}
		c.moments = append(c.moments, modelMoment{currency, e.Seq, e.CreatedAt, true, changedLots(before, lots)})
		before = lots
	}
}

// changedLots are the lots that are others than before, both in spend order.
func changedLots(before, after []ledger.Lot) (changed []ledger.Lot) {
	for len(before) > 0 || len(after) > 0 {
		switch {
		case len(after) == 0 || len(before) > 0 && spentBefore(before[0], after[0]):
			gone := before[0]
			gone.Remaining = 0
			changed, before = append(changed, gone), before[1:]
		case len(before) == 0 || spentBefore(after[0], before[0]):
			changed, after = append(changed, after[0]), after[1:]
		default:
			if before[0].Remaining != after[0].Remaining {
				changed = append(changed, after[0])
			}
			before, after = before[1:], after[1:]
		}
	}
	return changed
}

// afterEntry is what one entry makes of lots. It matters only between two entries of
// one change.
func (c *modelCustomer) afterEntry(lots []ledger.Lot, e *ledger.Entry) []ledger.Lot {
	if e.HoldID != "" {
		return lots // what a hold pinned is none of them
	}
	left := map[int64]ledger.Lot{}
	for _, lot := range lots {
		left[lot.Seq] = lot
	}
	parts := e.Allocations
	if e.OpensLot() {
		parts = []ledger.Allocation{{LotSeq: e.Seq, Amount: e.Amount}}
	}
	for _, part := range parts {
		lot, open := left[part.LotSeq]
		if !open {
			for _, credit := range c.entries {
				if credit.Currency == e.Currency && credit.Seq == part.LotSeq {
					lot = ledger.Lot{Seq: credit.Seq, Category: credit.Category, ExpiresAt: credit.ExpiresAt}
				}
			}
		}
		if e.Direction == ledger.Credit {
			lot.Remaining += part.Amount
		} else {
			lot.Remaining -= part.Amount
		}
		left[part.LotSeq] = lot
	}
	return inSpendOrder(left)
}

// inSpendOrder are lots of which something remains.
func inSpendOrder(lots map[int64]ledger.Lot) []ledger.Lot {
	after := []ledger.Lot{}
	for seq, lot := range lots {
		if seq != 0 && lot.Remaining > 0 {
			after = append(after, lot)
		}
	}
	slices.SortFunc(after, func(a, b ledger.Lot) int {
		if spentBefore(a, b) {
			return -1
		}
		return 1
	})
	return after
}

// lotsAt are the lots of a wallet as they were.
func (c *modelCustomer) lotsAt(currency money.Currency, asOf ledger.AsOf) []ledger.Lot {
	asOf.Seq = min(asOf.Seq, c.wallets[currency].Seq)
	isEarly := func(m modelMoment) bool {
		early := m.seq < asOf.Seq || m.seq == asOf.Seq && m.entry
		if !asOf.Time.IsZero() {
			early = !m.at.After(asOf.Time)
		}
		return m.currency == currency && early
	}
	past := c.moments
	for len(past) > 0 && !isEarly(past[len(past)-1]) {
		past = past[:len(past)-1]
	}
	lots := map[int64]ledger.Lot{}
	for _, m := range past {
		if m.currency != currency {
			continue
		}
		for _, lot := range m.changed {
			lots[lot.Seq] = lot
		}
	}
	return inSpendOrder(lots)
}

// Expired implements [ledger.Store].
func (m *Model) Expired(_ context.Context, at time.Time, limit int) ([]ledger.WalletKey, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	type ending struct {
		key ledger.WalletKey
		end time.Time
	}
	var found []ending
	for tenant, customers := range m.customers {
		for _, c := range withoutClock(customers) {
			for currency, w := range c.wallets {
				if len(w.Lots) > 0 && w.Lots[0].ExpiredAt(at) {
					key := ledger.WalletKey{Tenant: tenant, CustomerID: c.ID, Currency: currency}
					found = append(found, ending{key, w.Lots[0].ExpiresAt})
				}
			}
			for _, h := range c.holds {
				if h.State == ledger.HoldActive && !at.Before(h.ExpiresAt) {
					key := ledger.WalletKey{Tenant: tenant, CustomerID: c.ID, Currency: h.Currency}
					found = append(found, ending{key, h.ExpiresAt})
				}
			}
		}
	}
	slices.SortFunc(found, func(a, b ending) int { return a.end.Compare(b.end) })
	var keys []ledger.WalletKey
	known := map[ledger.WalletKey]bool{}
	for _, f := range found {
		if len(keys) < limit && !known[f.key] {
			keys, known[f.key] = append(keys, f.key), true
		}
	}
	return keys, nil
}
