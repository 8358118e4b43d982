package storetest

import (
	"slices"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// modelMoment is the lots of a wallet as something has left them.
type modelMoment struct {
	currency money.Currency
	seq      int64
	at       time.Time
	entry    bool // it was an entry, and not something about a hold alone
	lots     []ledger.Lot
}

// remember keeps the lots of a wallet, as each entry of a change has left them. Before
// are those that there were.
func (c *modelCustomer) remember(before []ledger.Lot, change *ledger.Change) {
	currency := change.Wallet.Currency
	if change.Entry.Position == 0 {
		at := change.Hold.Event.CreatedAt
		c.moments = append(c.moments, modelMoment{currency, change.Wallet.Seq, at, false, c.wallets[currency].Lots})
		return
	}
	for e := range change.Entries() {
		before = c.afterEntry(before, e)
		lots := before
		if e.Seq == change.Wallet.Seq {
			lots = c.wallets[currency].Lots
		}
		c.moments = append(c.moments, modelMoment{currency, e.Seq, e.CreatedAt, true, slices.Clone(lots)})
	}
}

// afterEntry is what one entry makes of lots. It matters only between two entries of
// one change.
func (c *modelCustomer) afterEntry(lots []ledger.Lot, e *ledger.Entry) []ledger.Lot {
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
	after := []ledger.Lot{}
	for seq, lot := range left {
		if seq != 0 && lot.Remaining > 0 && e.HoldID == "" {
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
	for _, m := range slices.Backward(c.moments) {
		early := m.seq < asOf.Seq || m.seq == asOf.Seq && m.entry
		if !asOf.Time.IsZero() {
			early = !m.at.After(asOf.Time)
		}
		if m.currency == currency && early {
			return m.lots
		}
	}
	return nil
}
