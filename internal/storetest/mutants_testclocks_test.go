package storetest

import (
	"cmp"
	"context"
	"slices"
	"testing"

	"github.com/billfold/billfold/internal/ledger"
)

func testClockMistakes() []mistake {
	open := func(bend func(*Model) ledger.Store) func(testing.TB) Stores {
		return func(testing.TB) Stores {
			m := NewModel()
			return Stores{Ledger: bend(m), Access: m}
		}
	}
	noticed := func(scenarios ...string) (all [][2]string) {
		for _, name := range scenarios {
			all = append(all, [2]string{"test clocks", name})
		}
		return all
	}
	const (
		tenancy = "N1 clocks of another business or mode are not there"
		due     = "who stands with their clock is found while something is due there"
	)
	return []mistake{
		{"clocks of every mode", open(func(m *Model) ledger.Store { return clocksOfTest{m} }), noticed(tenancy), false},
		{"customers of other businesses have the clock too", open(func(m *Model) ledger.Store { return clocksOfAll{m} }),
			noticed(tenancy), false},
		{"a key makes another clock each time", open(func(m *Model) ledger.Store { return clocksByNoKey{m} }),
			noticed("one key 16 times at once: one clock, one answer"), false},
		{"any number of clocks", open(func(m *Model) ledger.Store { return clocksWithoutEnd{m} }),
			noticed("a business has so many clocks and no more, and a deleted one makes room"), false},
		{"deleted clocks count", open(func(m *Model) ledger.Store { return clocksForEver{m} }),
			noticed("a business has so many clocks and no more, and a deleted one makes room"), false},
		{"a clock is changed outside its lock", open(func(m *Model) ledger.Store { return &clocksRacing{Model: m} }),
			noticed("a refusal changes nothing, and changes of a clock see each other"), false},
		{"only who is behind is found", open(func(m *Model) ledger.Store { return behindOnly{m} }), noticed(due), false},
		{"customers of deleted clocks are found", open(func(m *Model) ledger.Store { return stragglersOfDeleted{m} }),
			noticed("customers behind their clocks are found, and those of a deleted one are not", due), false},
		{"everybody with a clock is found", open(func(m *Model) ledger.Store { return stragglersOfAll{m} }),
			noticed("customers behind their clocks are found, and those of a deleted one are not", due), false},
		{"one clock has its turn after another", open(func(m *Model) ledger.Store { return stragglersByClock{m} }),
			noticed("customers behind their clocks are found, and those of a deleted one are not"), false},
		{"what is due is told from the last", open(func(m *Model) ledger.Store { return dueBackwards{m} }),
			noticed("what waits for a time about a customer is told, and is due to the microsecond"), false},
		{"a refusal counts before the first answer", open(func(m *Model) ledger.Store { return refusesFirst{m} }),
			noticed("K10 what refuses by the state of things counts after the first answer"), false},
		{"nothing refuses", open(func(m *Model) ledger.Store { return refusesNever{m} }),
			noticed("K10 what refuses by the state of things counts after the first answer"), false},
	}
}

type clocksOfTest struct{ *Model }

func (s clocksOfTest) TestClock(ctx context.Context, tenant ledger.Tenant, id string) (ledger.TestClock, error) {
	tenant.Mode = ledger.Test
	return s.Model.TestClock(ctx, tenant, id)
}

type clocksOfAll struct{ *Model }

func (s clocksOfAll) TestClock(ctx context.Context, tenant ledger.Tenant, id string) (ledger.TestClock, error) {
	k, err := s.Model.TestClock(ctx, tenant, id)
	s.mu.Lock()
	defer s.mu.Unlock()
	for of, customers := range s.customers {
		for _, c := range customers {
			if of != tenant && c.Clock == id {
				k.Customers++
			}
		}
	}
	return k, err
}

type clocksByNoKey struct{ *Model }

func (s clocksByNoKey) CreateTestClock(
	ctx context.Context, k ledger.TestClock, _ *ledger.Once, _ []byte,
) ([]byte, error) {
	return s.Model.CreateTestClock(ctx, k, nil, nil)
}

// clocksWithoutEnd makes a clock where there is no room by leaving out the limit.
type clocksWithoutEnd struct{ *Model }

func (s clocksWithoutEnd) CreateTestClock(
	ctx context.Context, k ledger.TestClock, once *ledger.Once, answer []byte,
) ([]byte, error) {
	first, err := s.Model.CreateTestClock(ctx, k, once, answer)
	if ledger.CodeOf(err) == ledger.CodeLimitReached {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.clocks = append(s.clocks, k)
		return nil, nil
	}
	return first, err
}

type clocksForEver struct{ *Model }

func (s clocksForEver) CreateTestClock(
	ctx context.Context, k ledger.TestClock, once *ledger.Once, answer []byte,
) ([]byte, error) {
	s.mu.Lock()
	there := 0
	for _, other := range s.clocks {
		if other.Tenant == k.Tenant {
			there++
		}
	}
	s.mu.Unlock()
	if there >= ledger.TestClocksMax {
		return nil, ledger.ErrTooManyClocks()
	}
	return s.Model.CreateTestClock(ctx, k, once, answer)
}

type clocksRacing struct {
	*Model
	gap gap
}

func (s *clocksRacing) UpdateTestClock(
	ctx context.Context, tenant ledger.Tenant, id string, change func(ledger.TestClock) (ledger.TestClock, error),
) (ledger.TestClock, error) {
	k, err := s.TestClock(ctx, tenant, id)
	if err != nil {
		return k, err
	}
	s.gap.wait()
	changed, err := change(k)
	if err != nil {
		return ledger.TestClock{}, err
	}
	decided := func(ledger.TestClock) (ledger.TestClock, error) { return changed, nil }
	return s.Model.UpdateTestClock(ctx, tenant, id, decided)
}

type behindOnly struct{ *Model }

func (s behindOnly) Stragglers(ctx context.Context, limit int) (some []ledger.Straggler, err error) {
	all, err := s.Model.Stragglers(ctx, limit)
	for _, straggler := range all {
		c, err := s.Customer(ctx, straggler.Tenant, straggler.CustomerID)
		if err == nil && c.ClockAt.Before(straggler.Until) {
			some = append(some, straggler)
		}
	}
	return some, err
}

// stragglers are customers of clocks as they pass.
func (m *Model) stragglers(passes func(k *ledger.TestClock, c *modelCustomer) bool) (some []ledger.Straggler) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.clocks {
		k := &m.clocks[i]
		for _, c := range m.customers[k.Tenant] {
			if c.Clock == k.ID && passes(k, c) {
				some = append(some, ledger.Straggler{Tenant: k.Tenant, CustomerID: c.ID, Clock: k.ID, Until: k.FrozenAt})
			}
		}
	}
	return some
}

type stragglersOfDeleted struct{ *Model }

func (s stragglersOfDeleted) Stragglers(context.Context, int) ([]ledger.Straggler, error) {
	return s.stragglers(func(k *ledger.TestClock, c *modelCustomer) bool {
		due := s.due(k.Tenant, c)
		return c.ClockAt.Before(k.FrozenAt) || due.Any(c.ClockAt)
	}), nil
}

type stragglersOfAll struct{ *Model }

func (s stragglersOfAll) Stragglers(context.Context, int) ([]ledger.Straggler, error) {
	return s.stragglers(func(k *ledger.TestClock, _ *modelCustomer) bool { return !k.Deleted }), nil
}

type stragglersByClock struct{ *Model }

func (s stragglersByClock) Stragglers(ctx context.Context, limit int) ([]ledger.Straggler, error) {
	all, err := s.Model.Stragglers(ctx, limit)
	slices.SortStableFunc(all, func(a, b ledger.Straggler) int { return cmp.Compare(a.Clock, b.Clock) })
	return all, err
}

type dueBackwards struct{ *Model }

func (s dueBackwards) CustomerDue(ctx context.Context, tenant ledger.Tenant, id string) (ledger.CustomerDue, error) {
	due, err := s.Model.CustomerDue(ctx, tenant, id)
	for i, j := 0, len(due.Objects)-1; i < j; i, j = i+1, j-1 {
		due.Objects[i], due.Objects[j] = due.Objects[j], due.Objects[i]
	}
	return due, err
}

type refusesFirst struct{ *Model }

func (s refusesFirst) CreateCustomer(ctx context.Context, c ledger.Customer, once *ledger.Once) ([]byte, error) {
	if once != nil && once.Else != nil {
		return nil, once.Else
	}
	return s.Model.CreateCustomer(ctx, c, once)
}

type refusesNever struct{ *Model }

func (s refusesNever) CreateCustomer(ctx context.Context, c ledger.Customer, once *ledger.Once) ([]byte, error) {
	if once != nil {
		without := *once
		without.Else, once = nil, &without
	}
	return s.Model.CreateCustomer(ctx, c, once)
}
