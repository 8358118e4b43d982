package storetest

import (
	"sync/atomic"

	"github.com/billfold/billfold/internal/bus"
	"github.com/billfold/billfold/internal/ledger"
)

func sinkScenarios() []scenario {
	return []scenario{
		{"a cursor moves from where it is, for one sink and one mode", sinkCursors},
		{"of many who move a cursor from one place one does", sinkRace},
		{"a sink may be led by who leads it", sinkLead},
	}
}

// cursor is how far a sink has a business, of which there must be one cursor.
func (w *world) cursor(sink string, tenant ledger.Tenant) ledger.FeedPlace {
	w.Helper()
	cursors, err := w.sinks.SinkCursors(w.Context(), sink)
	w.wantCode(err, "")
	count, place := 0, ledger.FeedPlace("")
	for _, c := range cursors {
		if c.Tenant == tenant {
			place = c.Place
			count++
		}
	}
	if count != 1 {
		w.Errorf("sink %s: got %d cursors of %v, want 1", sink, count, tenant)
	}
	return place
}

func sinkCursors(w *world) {
	live, other := w.shop, w.business("Other Shop")
	live.Mode = ledger.Live
	move := func(sink string, tenant ledger.Tenant, from, to ledger.FeedPlace, want bool) {
		w.Helper()
		moved, err := w.sinks.MoveSinkCursor(w.Context(), sink, bus.Move{Tenant: tenant, From: from, To: to})
		w.wantCode(err, "")
		if moved != want {
			w.Errorf("from %q to %q: got it moved: %t, want %t", from, to, moved, want)
		}
	}
	for _, tenant := range []ledger.Tenant{w.shop, live, other} {
		w.same("cursor of a new sink", ledger.FeedPlace(""), w.cursor("one", tenant))
	}
	move("one", w.shop, "a", "b", false)
	move("one", w.shop, "", "a", true)
	move("one", w.shop, "", "b", false)
	move("one", w.shop, "b", "c", false)
	move("one", w.shop, "a", "it's ü", true)
	move("two", w.shop, "", "z", true)
	w.same("cursor", ledger.FeedPlace("it's ü"), w.cursor("one", w.shop))
	w.same("cursor of another sink", ledger.FeedPlace("z"), w.cursor("two", w.shop))
	for _, tenant := range []ledger.Tenant{live, other} {
		w.same("cursor of others", ledger.FeedPlace(""), w.cursor("one", tenant))
	}
	_, err := w.sinks.MoveSinkCursor(w.Context(), "one", bus.Move{
		Tenant: ledger.Tenant{BusinessID: "bus_none", Mode: ledger.Test}, To: "a",
	})
	w.wantCode(err, ledger.CodeNotFound)
	late := w.business("Late Shop")
	w.same("cursor of a business that is new", ledger.FeedPlace(""), w.cursor("one", late))
}

func sinkRace(w *world) {
	for _, step := range []struct{ from, to ledger.FeedPlace }{{"", "a"}, {"a", "b"}} {
		var won atomic.Int64
		together(8, func(int) {
			moved, err := w.sinks.MoveSinkCursor(w.Context(), "one", bus.Move{Tenant: w.shop, From: step.from, To: step.to})
			if err != nil {
				w.Errorf("move: got error %v, want none", err)
			}
			if moved {
				won.Add(1)
			}
		})
		if got := won.Load(); got != 1 {
			w.Errorf("from %q: got the cursor moved by %d of 8, want by 1", step.from, got)
		}
	}
}

func sinkLead(w *world) {
	if w.sharded {
		_, err := w.sinks.LeadSink(w.Context(), "one", "a")
		w.wantCode(err, ledger.CodeFeedNotPossible)
		return
	}
	for range 3 {
		leads, err := w.sinks.LeadSink(w.Context(), "one", "a")
		w.wantCode(err, "")
		if !leads {
			w.Errorf("got a sink that may not be led by the only one who asks")
		}
	}
	w.wantCode(w.sinks.ResignSink(w.Context(), "one", "a"), "")
	leads, err := w.sinks.LeadSink(w.Context(), "one", "b")
	w.wantCode(err, "")
	if !leads {
		w.Errorf("got a sink that may not be led after the leader has resigned")
	}
}
