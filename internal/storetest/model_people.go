package storetest

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/people"
)

// person is a record that has not expired, nil for none. The caller holds the lock.
func (m *Model) person(key people.Key, now time.Time) *people.Record {
	record, found := m.people[key]
	if !found || (!record.ExpiresAt.IsZero() && !now.Before(record.ExpiresAt)) {
		return nil
	}
	return &record
}

// Person implements [people.Store].
func (m *Model) Person(_ context.Context, key people.Key, now time.Time) (people.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if record := m.person(key, now); record != nil {
		return *record, nil
	}
	return people.Record{}, ledger.Errorf(ledger.CodeNotFound, "no such record")
}

// People implements [people.Store].
func (m *Model) People(
	_ context.Context, kind people.Kind, about string, now time.Time, limit int,
) (list []people.Record, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key := range m.people {
		record := m.person(key, now)
		if record != nil && key.Kind == kind && (about == "" || record.About == about) {
			list = append(list, *record)
		}
	}
	slices.SortFunc(list, func(a, b people.Record) int { return cmp.Compare(a.ID, b.ID) })
	return list[:min(limit, len(list))], nil
}

// ChangePeople implements [people.Store].
func (m *Model) ChangePeople(
	_ context.Context, keys []people.Key, now time.Time, decide func(map[people.Key]*people.Record) (people.Change, error),
) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := make(map[people.Key]*people.Record, len(keys))
	for _, key := range keys {
		found[key] = m.person(key, now)
	}
	change, err := decide(found)
	if err != nil {
		return err
	}
	for _, line := range change.Lines {
		if _, known := m.settings[line.Tenant()]; !known {
			return ledger.Errorf(ledger.CodeNotFound, "no such business")
		}
	}
	for _, key := range change.Delete {
		delete(m.people, key)
	}
	for _, record := range change.Put {
		m.people[record.Key] = record
	}
	for _, line := range change.Lines {
		m.note(line.Entry(m.trail(line.Tenant())))
	}
	return nil
}

// SweepPeople implements [people.Store].
func (m *Model) SweepPeople(_ context.Context, before time.Time, limit int) (swept int, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, record := range m.people {
		if swept < limit && !record.ExpiresAt.IsZero() && record.ExpiresAt.Before(before) {
			delete(m.people, key)
			swept++
		}
	}
	return swept, nil
}
