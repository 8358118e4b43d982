package storetest

import (
	"context"

	"github.com/billfold/billfold/internal/bus"
	"github.com/billfold/billfold/internal/ledger"
)

type modelCursor struct {
	sink   string
	tenant ledger.Tenant
}

// LeadSink implements [bus.Store]. There is one instance.
func (m *Model) LeadSink(ctx context.Context, _, _ string) (bool, error) { return true, ctx.Err() }

// ResignSink implements [bus.Store].
func (m *Model) ResignSink(context.Context, string, string) error { return nil }

// SinkCursors implements [bus.Store].
func (m *Model) SinkCursors(_ context.Context, sink string) (cursors []bus.Cursor, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, business := range m.businesses {
		for _, mode := range []ledger.Mode{ledger.Test, ledger.Live} {
			tenant := ledger.Tenant{BusinessID: business.ID, Mode: mode}
			cursors = append(cursors, bus.Cursor{Tenant: tenant, Place: m.cursors[modelCursor{sink, tenant}]})
		}
	}
	return cursors, nil
}

// MoveSinkCursor implements [bus.Store].
func (m *Model) MoveSinkCursor(_ context.Context, sink string, move bus.Move) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.settings[move.Tenant]; !known {
		return false, ledger.Errorf(ledger.CodeNotFound, "no such business")
	}
	key := modelCursor{sink, move.Tenant}
	if m.cursors[key] != move.From {
		return false, nil
	}
	m.cursors[key] = move.To
	return true, nil
}
