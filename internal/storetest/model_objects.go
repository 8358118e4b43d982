package storetest

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// snapshotObjects adds those objects to a snapshot that a scope names.
func (c *modelCustomer) snapshotObjects(scope ledger.Scope, s *ledger.Snapshot) {
	if len(scope.Objects) == 0 {
		return
	}
	for _, o := range c.objects {
		if slices.Contains(scope.Objects, o.ObjectKey) {
			o.Clock = c.ClockAt
			s.Objects = append(s.Objects, o)
		}
	}
	if n := len(c.objectEvents); n > 0 {
		last := c.objectEvents[n-1]
		s.ObjectHead = ledger.ObjectHead{Number: last.Number, Hash: last.Hash, LastAt: last.CreatedAt}
	}
}

func (c *modelCustomer) keepObjects(changes []ledger.ObjectChange) {
	for _, change := range changes {
		c.objectEvents = append(c.objectEvents, change.Event)
		isIt := func(o ledger.Object) bool { return o.ObjectKey == change.Object.ObjectKey }
		if at := slices.IndexFunc(c.objects, isIt); at >= 0 {
			c.objects[at] = change.Object
			continue
		}
		c.objects = append(c.objects, change.Object)
	}
}

// tellObjects tells of those changes that have a kind.
func (m *Model) tellObjects(changes []ledger.ObjectChange) {
	for _, change := range changes {
		if o := &change.Object; change.Event.Kind != "" {
			m.tell(o.Tenant, ledger.Fact{Object: &ledger.ToldObject{
				Tenant: o.Tenant, CustomerID: o.CustomerID, Key: o.ObjectKey, Event: change.Event,
			}})
		}
	}
}

var errNoObject = ledger.Errorf(ledger.CodeNotFound, "there is no such object")

// Object implements [ledger.Store].
func (m *Model) Object(_ context.Context, tenant ledger.Tenant, key ledger.ObjectKey) (ledger.Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.customers[tenant] {
		for _, o := range c.objects {
			if o.ObjectKey == key {
				o.Clock = c.ClockAt
				return o, nil
			}
		}
	}
	return ledger.Object{}, errNoObject
}

// Objects implements [ledger.Store].
func (m *Model) Objects(
	_ context.Context, tenant ledger.Tenant, f ledger.ObjectFilter, page ledger.ObjectPage,
) (ledger.ObjectList, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []ledger.Object
	for _, c := range m.customers[tenant] {
		for _, o := range c.objects {
			if o.Kind == f.Kind && (f.CustomerID == "" || f.CustomerID == o.CustomerID) &&
				(f.State == "" || f.State == o.State) &&
				(f.CreatedAtGTE.IsZero() || !o.CreatedAt.Before(f.CreatedAtGTE)) &&
				(f.CreatedAtLTE.IsZero() || !o.CreatedAt.After(f.CreatedAtLTE)) && (page.Before == "" || o.ID < page.Before) {
				o.Clock = c.ClockAt
				found = append(found, o)
			}
		}
	}
	slices.SortFunc(found, func(a, b ledger.Object) int { return cmp.Compare(b.ID, a.ID) })
	found = found[min(page.Skip, int64(len(found))):]
	return ledger.ObjectListOf(found[:min(page.Limit+1, len(found))], page.Limit), nil
}

// ObjectEvents implements [ledger.Store].
func (m *Model) ObjectEvents(
	_ context.Context, tenant ledger.Tenant, customerID string, after int64, limit int,
) ([]ledger.ObjectEvent, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.customer(tenant, customerID)
	if err != nil {
		return nil, err
	}
	rest := c.objectEvents[min(after, int64(len(c.objectEvents))):]
	return slices.Clone(rest[:min(limit, len(rest))]), nil
}

// DueObjects implements [ledger.Store].
func (m *Model) DueObjects(
	_ context.Context, kind ledger.ObjectKind, at time.Time, limit int,
) (due []ledger.Object, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, customers := range m.customers {
		for _, c := range withoutClock(customers) {
			for _, o := range c.objects {
				if o.Kind == kind && !o.DueAt.IsZero() && !o.DueAt.After(at) {
					due = append(due, o)
				}
			}
		}
	}
	slices.SortFunc(due, func(a, b ledger.Object) int {
		return cmp.Or(a.DueAt.Compare(b.DueAt), cmp.Compare(a.ID, b.ID))
	})
	return due[:min(limit, len(due))], nil
}
