package bus

import (
	"context"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// Message is an event on its way to a broker.
type Message struct {
	ID         string // of the event; a repeat has the same one
	Tenant     ledger.Tenant
	Kind       ledger.EventKind
	CustomerID string
	At         time.Time // when it happened
	Body       []byte    // the same at every repeat, but for customer.created: the customer as it is by then
}

// Broker is what messages are published to. One call is made at a time.
type Broker interface {
	// Publish returns nil once the broker has acknowledged every message. After an error
	// any of them may have arrived; but none about a customer without those that stand
	// before it and are about the same customer.
	Publish(ctx context.Context, messages []Message) error
	// Check reports why nothing could be published now, if that can be seen without
	// publishing anything.
	Check(ctx context.Context) error
	Close()
}

// Cursor is how far a sink has the feed of a business in one mode.
type Cursor struct {
	Tenant ledger.Tenant
	Place  ledger.FeedPlace // everything before it was acknowledged
}

// Move is a cursor that moves on.
type Move struct {
	Tenant   ledger.Tenant
	From, To ledger.FeedPlace // two different ones
}

// Store is what a [Pump] asks of a database.
type Store interface {
	// LeadSink asks that an instance alone publishes to a sink, for [LeaseFor] from now,
	// and reports whether it may. One that may asks again before that time is over.
	LeadSink(ctx context.Context, sink, instance string) (leads bool, err error)
	// ResignSink ends what LeadSink began, if it has not ended.
	ResignSink(ctx context.Context, sink, instance string) error
	// SinkCursors lists every business in both modes. A sink that is new has them from
	// their beginning.
	SinkCursors(ctx context.Context, sink string) ([]Cursor, error)
	// MoveSinkCursor moves a cursor that still is where the move begins.
	MoveSinkCursor(ctx context.Context, sink string, move Move) (moved bool, err error)

	Feed(ctx context.Context, tenant ledger.Tenant, from ledger.FeedPlace, limit int) (ledger.FeedPage, error)
}
