package storetest

import (
	"maps"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// snapshot returns what a scope names, with the fewest lots that the contract
// allows: all that can expire, and of the others as many as the need takes and up
// to the lot that is asked for.
func (c *modelCustomer) snapshot(scope ledger.Scope) ledger.Snapshot {
	s := ledger.Snapshot{Customer: c.Customer, Chain: c.chain()}
	s.Wallet = ledger.Wallet{Tenant: c.Tenant, CustomerID: c.ID, Currency: scope.Currency, CreatedAt: c.CreatedAt,
		UpdatedAt: c.CreatedAt}
	if w := c.wallets[scope.Currency]; w != nil {
		s.Wallet = *w
		s.Wallet.Lots = nil
		at := s.Chain.At(scope.At)
		hopeless := scope.Need > 0 && scope.Need != ledger.NeedAll && !scope.Partial && scope.Need > unexpired(w.Lots, at)
		var spendable money.Amount
		sought := slices.ContainsFunc(w.Lots, func(lot ledger.Lot) bool { return lot.Seq == scope.Moves })
		for _, lot := range w.Lots {
			if lot.ExpiresAt.IsZero() && (hopeless || spendable >= scope.Need) && !sought {
				break
			}
			sought = sought && lot.Seq != scope.Moves
			s.Wallet.Lots = append(s.Wallet.Lots, lot)
			if !lot.ExpiredAt(at) {
				spendable += lot.Remaining
			}
		}
		for _, lot := range w.Lots[len(s.Wallet.Lots):] {
			if lot.Seq == scope.Lot.Seq {
				s.Wallet.Lots = append(s.Wallet.Lots, lot)
			}
		}
	}
	if scope.Key != "" {
		s.Prior = c.prior(scope.Key)
	}
	for _, e := range c.entries {
		if scope.Reverses != "" && e.Reverses == scope.Reverses && e.Account != ledger.AccountDebt {
			s.Reversed += e.Amount
		}
	}
	s.Transfer = c.transfer(scope.Transfer)
	c.snapshotHolds(scope, &s)
	c.snapshotObjects(scope, &s)
	if scope.Announces {
		s.Unannounced = c.unannounced(scope.Currency)
	}
	return s
}

func unexpired(lots []ledger.Lot, at time.Time) money.Amount {
	var sum money.Amount
	for _, lot := range lots {
		if !lot.ExpiredAt(at) {
			sum += lot.Remaining
		}
	}
	return sum
}

// history is all that [ReadHistory] finds of the customer, read without the
// contract.
func (c *modelCustomer) history() History {
	h := History{
		Customer: c.Customer, Chain: c.chain(),
		Entries: slices.Clone(c.entries), Audit: slices.Clone(c.audit), Holds: slices.Clone(c.holds), Events: slices.Clone(c.events),
		Notices: slices.Clone(c.notices),
	}
	for _, currency := range slices.Sorted(maps.Keys(c.wallets)) {
		h.Wallets = append(h.Wallets, *c.wallets[currency])
	}
	return h
}
