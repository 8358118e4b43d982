package storetest

import (
	"context"
	"slices"

	"github.com/billfold/billfold/internal/ledger"
)

// snapshotHolds adds what a scope names of the customer's holds.
func (c *modelCustomer) snapshotHolds(scope ledger.Scope, s *ledger.Snapshot) {
	s.HoldNumber = int64(len(c.events))
	for _, e := range c.events {
		if scope.Key != "" && e.IdempotencyKey == scope.Key {
			s.PriorHold = &ledger.HoldChange{Hold: c.hold(e.HoldID), Event: e}
		}
	}
	at, seeks := s.Chain.At(scope.At), scope.SeeksDueHold(s)
	for _, h := range c.holds {
		due := (scope.DueHold || seeks) && h.State == ledger.HoldActive && !at.Before(h.ExpiresAt) &&
			(s.Hold == nil || h.ExpiresAt.Before(s.Hold.ExpiresAt))
		if h.Currency == scope.Currency && (due || scope.Hold == h.ID) {
			hold := cloneHold(h)
			s.Hold = &hold
		}
	}
}

// hold returns a hold of the customer by its id.
func (c *modelCustomer) hold(id string) ledger.Hold {
	i := slices.IndexFunc(c.holds, func(h ledger.Hold) bool { return h.ID == id })
	return cloneHold(c.holds[i])
}

func cloneHold(h ledger.Hold) ledger.Hold {
	h.Lots = slices.Clone(h.Lots)
	return h
}

// commitHold adds an event and puts the hold in its place.
func (c *modelCustomer) commitHold(change ledger.HoldChange) {
	c.events = append(c.events, change.Event)
	hold := cloneHold(change.Hold)
	if len(hold.Lots) == 0 {
		hold.Lots = nil
	}
	for i := range c.holds {
		if c.holds[i].ID == hold.ID {
			c.holds[i] = hold
			return
		}
	}
	c.holds = append(c.holds, hold)
}

// Hold implements [ledger.Store].
func (m *Model) Hold(_ context.Context, tenant ledger.Tenant, customerID, holdID string) (ledger.Hold, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.customer(tenant, customerID)
	if err != nil {
		return ledger.Hold{}, err
	}
	for _, h := range c.holds {
		if h.ID == holdID {
			return cloneHold(h), nil
		}
	}
	return ledger.Hold{}, ledger.Errorf(ledger.CodeNotFound, "there is no such hold")
}

// Holds implements [ledger.Store].
func (m *Model) Holds(
	_ context.Context, tenant ledger.Tenant, customerID string, f ledger.HoldFilter, page ledger.Page,
) (ledger.HoldList, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.customer(tenant, customerID)
	if err != nil {
		return ledger.HoldList{}, err
	}
	var passed []ledger.Hold
	for _, h := range slices.Backward(c.holds) {
		if (page.Before == 0 || h.Number < page.Before) &&
			(f.Currency == "" || f.Currency == h.Currency) &&
			(f.State == "" || f.State == h.State) &&
			(f.ReferenceObjectID == "" || f.ReferenceObjectID == h.ReferenceObjectID) {
			h.Lots = nil
			passed = append(passed, h)
		}
	}
	holds, next := cut(passed, page, func(h ledger.Hold) int64 { return h.Number })
	return ledger.HoldList{Chain: c.chain(), Holds: holds, Next: next}, nil
}

// HoldEvents implements [ledger.Store].
func (m *Model) HoldEvents(
	_ context.Context, tenant ledger.Tenant, customerID string, after int64, limit int,
) ([]ledger.HoldEvent, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.customer(tenant, customerID)
	if err != nil {
		return nil, err
	}
	rest := c.events[min(after, int64(len(c.events))):]
	var events []ledger.HoldEvent
	for _, e := range rest[:min(limit, len(rest))] {
		e.Allocations = slices.Clone(e.Allocations)
		events = append(events, e)
	}
	return events, nil
}
