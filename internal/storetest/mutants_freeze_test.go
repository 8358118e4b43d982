package storetest

import (
	"context"
	"testing"

	"github.com/billfold/billfold/internal/ledger"
)

func freezeMistakes() []mistake {
	return []mistake{
		{"freezes as of the first decision", openStaleFreezes, [][2]string{
			{"freezes", "a freeze of debits lets credits through, one of everything does not"},
			{"freezes", "R1 no debit that begins after a freeze was acknowledged is accepted"},
		}, true},
		{"freeze looked at before the key", bend(frozenBeforeKey), [][2]string{
			{"freezes", "K10 a repeat gets its first answer although frozen since"},
		}, true},
		{"frozen wallets not swept", bend(frozenSweeps), [][2]string{
			{"freezes", "L4 what has expired is written off in a frozen wallet"},
		}, true},
		{"one wallet's freeze for all", bendSnapshot(anyWallet), [][2]string{
			{"freezes", "a frozen wallet leaves the others alone, and need not have entries"},
		}, true},
		{"changes without a trail", openUntold, [][2]string{
			{"freezes", "N5 the trail tells of each change, in pages of any size"},
		}, true},
		{"freezes acknowledged early", openLateFreezes, [][2]string{
			{"freezes", "R1 no debit that begins after a freeze was acknowledged is accepted"},
		}, false},
	}
}

// openStaleFreezes opens models that remember of each customer what was frozen
// when a decision was first about it, as a cache would that updates of customers
// pass by.
func openStaleFreezes(t testing.TB) Stores {
	seen := map[walletName]ledger.Freezes{}
	return bendSnapshot(func(_ *Model, scope ledger.Scope, s *ledger.Snapshot) {
		name := walletName{tenant: scope.Tenant, customerID: scope.CustomerID}
		if cached, some := seen[name]; some {
			s.Customer.Freezes = cached
		} else {
			seen[name] = s.Customer.Freezes
		}
	})(t)
}

// frozenBeforeKey looks for a freeze before it looks for the key.
func frozenBeforeKey(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	return m.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		unused := cloneSnapshot(s)
		unused.Prior = nil
		if _, err := decide(unused); ledger.CodeOf(err) == ledger.CodeCustomerNotActive {
			return ledger.Change{}, err
		}
		return decide(s)
	})
}

// frozenSweeps leaves expired funds alone where anything is frozen.
func frozenSweeps(m *Model, ctx context.Context, scope ledger.Scope, decide ledger.Decide) (ledger.Change, error) {
	return m.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		change, err := decide(s)
		if change.Entry.Account == ledger.AccountBreakage && s.Customer.Freezes != "" {
			return ledger.Change{}, ledger.ErrNothingExpired
		}
		return change, err
	})
}

// anyWallet takes the freeze of one wallet for one of the customer.
func anyWallet(_ *Model, _ ledger.Scope, s *ledger.Snapshot) {
	list, _ := s.Customer.Freezes.List()
	for i := range list {
		list[i].Currency = ""
	}
	s.Customer.Freezes = ledger.MakeFreezes(list)
}

// untold is the model that writes changes of customers and no lines about them.
type untold struct{ *Model }

func openUntold(testing.TB) Stores {
	m := NewModel()
	return Stores{Ledger: untold{m}, Access: m}
}

func (u untold) UpdateCustomer(
	ctx context.Context, tenant ledger.Tenant, id string,
	change func(ledger.Customer) (ledger.CustomerChange, error), once *ledger.Once,
) (ledger.Customer, []byte, error) {
	return u.Model.UpdateCustomer(ctx, tenant, id, func(c ledger.Customer) (ledger.CustomerChange, error) {
		changed, err := change(c)
		changed.Audit = nil
		return changed, err
	}, once)
}

// lateFreezes is the model that acknowledges a freeze before it is there.
type lateFreezes struct {
	*Model
	gap *gap
}

func openLateFreezes(testing.TB) Stores {
	m := NewModel()
	return Stores{Ledger: lateFreezes{m, &gap{}}, Access: m}
}

func (l lateFreezes) UpdateCustomer(
	ctx context.Context, tenant ledger.Tenant, id string,
	change func(ledger.Customer) (ledger.CustomerChange, error), once *ledger.Once,
) (ledger.Customer, []byte, error) {
	c, err := l.Customer(ctx, tenant, id)
	if err != nil {
		return c, nil, err
	}
	changed, err := change(c)
	if err == nil {
		go func() {
			l.gap.wait()
			_, _, _ = l.Model.UpdateCustomer(context.WithoutCancel(ctx), tenant, id, change, once)
		}()
	}
	return changed.Customer, nil, err
}
