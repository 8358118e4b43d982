package storetest

import (
	"context"
	"testing"

	"github.com/billfold/billfold/internal/bus"
)

// movedAnyway moves a cursor wherever it is.
type movedAnyway struct{ *Model }

func (s movedAnyway) MoveSinkCursor(ctx context.Context, sink string, move bus.Move) (bool, error) {
	cursors, err := s.Model.SinkCursors(ctx, sink)
	for _, c := range cursors {
		if c.Tenant == move.Tenant {
			move.From = c.Place
		}
	}
	if err != nil {
		return false, err
	}
	return s.Model.MoveSinkCursor(ctx, sink, move)
}

// oneForAll keeps one cursor for all sinks.
type oneForAll struct{ *Model }

func (s oneForAll) SinkCursors(ctx context.Context, _ string) ([]bus.Cursor, error) {
	return s.Model.SinkCursors(ctx, "")
}

func (s oneForAll) MoveSinkCursor(ctx context.Context, _ string, move bus.Move) (bool, error) {
	return s.Model.MoveSinkCursor(ctx, "", move)
}

func sinkMistakes() []mistake {
	open := func(bend func(*Model) bus.Store) func(testing.TB) Stores {
		return func(testing.TB) Stores {
			m := NewModel()
			return Stores{Ledger: m, Access: m, Webhooks: m, Sinks: bend(m)}
		}
	}
	moves := [2]string{"sinks", "a cursor moves from where it is, for one sink and one mode"}
	return []mistake{
		{"a cursor moved from wherever it is", open(func(m *Model) bus.Store { return movedAnyway{m} }), [][2]string{
			moves, {"sinks", "of many who move a cursor from one place one does"},
		}, false},
		{"a cursor for all sinks", open(func(m *Model) bus.Store { return oneForAll{m} }), [][2]string{moves}, false},
	}
}
