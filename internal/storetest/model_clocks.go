package storetest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// withoutClock are those customers that live by the time of the world.
func withoutClock(customers []*modelCustomer) (some []*modelCustomer) {
	for _, c := range customers {
		if c.Clock == "" {
			some = append(some, c)
		}
	}
	return some
}

// counted is a clock with how many customers it has.
func (m *Model) counted(clock ledger.TestClock) ledger.TestClock {
	clock.Customers, clock.Behind, clock.Due = 0, 0, 0
	for _, c := range m.customers[clock.Tenant] {
		if c.Clock == clock.ID {
			clock.Customers++
			if c.ClockAt.Before(clock.FrozenAt) {
				clock.Behind++
			} else if due := m.due(clock.Tenant, c); due.Any(c.ClockAt) {
				clock.Due++
			}
		}
	}
	return clock
}

func (m *Model) clockIndex(tenant ledger.Tenant, id string) (int, error) {
	for i, k := range m.clocks {
		if k.Tenant == tenant && k.ID == id && !k.Deleted {
			return i, nil
		}
	}
	return 0, ledger.Errorf(ledger.CodeNotFound, "no such test clock")
}

// CreateTestClock implements [ledger.Store].
func (m *Model) CreateTestClock(
	_ context.Context, clock ledger.TestClock, once *ledger.Once, answer []byte,
) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, found := m.settings[clock.Tenant]; !found {
		return nil, ledger.Errorf(ledger.CodeNotFound, "no such business")
	}
	if first, err := m.answered(once); first != nil || err != nil {
		return first, err
	}
	there := 0
	for _, k := range m.clocks {
		if k.Tenant == clock.Tenant && !k.Deleted {
			there++
		}
	}
	if there >= ledger.TestClocksMax {
		return nil, ledger.ErrTooManyClocks()
	}
	m.clocks = append(m.clocks, clock)
	if once != nil {
		m.recordAnswer(once, answer)
	}
	return nil, nil
}

// TestClock implements [ledger.Store].
func (m *Model) TestClock(_ context.Context, tenant ledger.Tenant, id string) (ledger.TestClock, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, err := m.clockIndex(tenant, id)
	if err != nil {
		return ledger.TestClock{}, err
	}
	return m.counted(m.clocks[i]), nil
}

// TestClocks implements [ledger.Store]. Its cursor is the place in the order of creation.
func (m *Model) TestClocks(
	_ context.Context, tenant ledger.Tenant, page ledger.Page,
) (list ledger.TestClockList, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	skip, last := page.Skip, 0
	for i, k := range slices.Backward(m.clocks) {
		switch {
		case k.Tenant != tenant || k.Deleted || page.Before > 0 && int64(i+1) >= page.Before:
		case skip > 0:
			skip--
		case len(list.Clocks) == page.Limit:
			list.Next = int64(last)
			return list, nil
		default:
			list.Clocks, last = append(list.Clocks, m.counted(k)), i+1
		}
	}
	return list, nil
}

// UpdateTestClock implements [ledger.Store].
func (m *Model) UpdateTestClock(
	_ context.Context, tenant ledger.Tenant, id string, change func(ledger.TestClock) (ledger.TestClock, error),
) (ledger.TestClock, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, err := m.clockIndex(tenant, id)
	if err != nil {
		return ledger.TestClock{}, err
	}
	changed, err := change(m.counted(m.clocks[i]))
	if err != nil {
		return ledger.TestClock{}, err
	}
	m.clocks[i] = changed
	return m.counted(changed), nil
}

// Stragglers implements [ledger.Store].
func (m *Model) Stragglers(_ context.Context, limit int) (behind []ledger.Straggler, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var of [][]ledger.Straggler // each clock
	for _, k := range m.clocks {
		var found []ledger.Straggler
		for _, c := range m.customers[k.Tenant] {
			if c.Clock != k.ID || k.Deleted {
				continue
			}
			if due := m.due(k.Tenant, c); c.ClockAt.Before(k.FrozenAt) || due.Any(c.ClockAt) {
				found = append(found, ledger.Straggler{Tenant: k.Tenant, CustomerID: c.ID, Clock: k.ID, Until: k.FrozenAt})
			}
		}
		of = append(of, found)
	}
	for n, more := 0, true; more; n++ {
		more = false
		for _, found := range of {
			if n < len(found) {
				behind, more = append(behind, found[n]), true
			}
		}
	}
	return behind[:min(len(behind), limit)], nil
}

// CustomerDue implements [ledger.Store].
func (m *Model) CustomerDue(
	_ context.Context, tenant ledger.Tenant, customerID string,
) (ledger.CustomerDue, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.customer(tenant, customerID)
	if err != nil {
		return ledger.CustomerDue{}, err
	}
	return m.due(tenant, c), nil
}

func (m *Model) due(tenant ledger.Tenant, c *modelCustomer) ledger.CustomerDue {
	due := ledger.CustomerDue{Customer: c.Customer}
	for _, o := range c.objects {
		if !o.DueAt.IsZero() {
			o.Clock = c.ClockAt
			due.Objects = append(due.Objects, o)
		}
	}
	slices.SortFunc(due.Objects, func(a, b ledger.Object) int {
		return cmp.Or(a.DueAt.Compare(b.DueAt), cmp.Compare(a.ID, b.ID))
	})
	due.Objects = due.Objects[:min(len(due.Objects), ledger.DueObjectsMax)]
	due.Ahead = time.Duration(m.settings[tenant].ExpiryNoticeDays) * ledger.NoticeDay
	for _, currency := range slices.Sorted(maps.Keys(c.wallets)) {
		first := time.Time{}
		if lots := c.wallets[currency].Lots; len(lots) > 0 {
			first = lots[0].ExpiresAt
		}
		for _, h := range c.holds {
			if h.Currency == currency && h.State == ledger.HoldActive && (first.IsZero() || h.ExpiresAt.Before(first)) {
				first = h.ExpiresAt
			}
		}
		if !first.IsZero() {
			due.Expiries = append(due.Expiries, ledger.DueWallet{Currency: currency, At: first})
		}
		if seen := c.unannounced(currency); due.Ahead > 0 && len(seen.Lots) > 0 {
			due.Notices = append(due.Notices, ledger.DueWallet{Currency: currency, At: seen.Lots[0].ExpiresAt.Add(-due.Ahead)})
		}
	}
	return due
}
