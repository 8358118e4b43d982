package storetest

import (
	"context"
	"slices"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// TransactMany implements [ledger.Store]: one command after the other, and
// everything back as it was when an atomic row has one that is refused.
func (m *Model) TransactMany(ctx context.Context, commands []ledger.Command, atomic bool) ([]ledger.Outcome, error) {
	if err := ctx.Err(); err != nil && atomic {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	before, told := map[*modelCustomer]modelCustomer{}, len(m.feed)
	for _, command := range commands {
		if c, err := m.customer(command.Scope.Tenant, command.Scope.CustomerID); err == nil {
			before[c] = c.copy()
		}
	}
	outcomes := make([]ledger.Outcome, len(commands))
	for i, command := range commands {
		if outcomes[i].Err = ctx.Err(); outcomes[i].Err == nil {
			outcomes[i].Change, outcomes[i].Err = m.transact(command.Scope, command.Decide)
		}
		if outcomes[i].Err != nil && atomic {
			for c, was := range before {
				*c = was
			}
			m.feed = m.feed[:told]
			return nil, &ledger.LineError{Line: i, Err: outcomes[i].Err}
		}
	}
	return outcomes, nil
}

// copy is a customer of which nothing changes with the original.
func (c *modelCustomer) copy() modelCustomer {
	wallets := map[money.Currency]*ledger.Wallet{}
	for currency, w := range c.wallets {
		wallet := *w
		wallet.Lots = slices.Clone(w.Lots)
		wallets[currency] = &wallet
	}
	return modelCustomer{c.Customer, slices.Clone(c.entries), slices.Clone(c.audit), wallets, slices.Clone(c.transfers),
		slices.Clone(c.holds), slices.Clone(c.events), slices.Clone(c.moments), slices.Clone(c.notices),
		slices.Clone(c.objects), slices.Clone(c.objectEvents)}
}
