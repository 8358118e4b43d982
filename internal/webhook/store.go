package webhook

import (
	"context"
	"encoding/json"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// State is how far a delivery has come.
type State string

// The states. What was given up stays, and can be sent again.
const (
	Pending State = "pending" // not yet delivered, and due at some time
	Done    State = "delivered"
	Failed  State = "failed" // given up after [Attempts], or because the receiver is gone
)

// AttemptsKept is how many attempts a delivery remembers, the last ones.
const AttemptsKept = 20

// Delivery is an event on its way to an endpoint.
type Delivery struct {
	No       int64  // its place among those of its endpoint, which grows in the order of the feed
	EventID  string // "evt_…", once for each endpoint
	Kind     ledger.EventKind
	Queue    string // what belongs in one order: a wallet, or a customer
	Body     []byte // the same at every attempt
	State    State
	DueAt    time.Time // of the next attempt; of the last when there is no other
	Tries    int       // since the schedule began
	Attempts []Attempt // the last of them, oldest first
	QueuedAt time.Time
}

// EncodeAttempts returns attempts as stores keep them, and DecodeAttempts reads
// that.
func EncodeAttempts(attempts []Attempt) string {
	text, err := json.Marshal(attempts)
	if err != nil {
		panic(err) // they are texts, numbers and times
	}
	return string(text)
}

// DecodeAttempts is the reverse of [EncodeAttempts].
func DecodeAttempts(text string) (attempts []Attempt, err error) {
	return attempts, json.Unmarshal([]byte(text), &attempts)
}

// DeliveryPage asks for deliveries of an endpoint, newest first.
type DeliveryPage struct {
	State  State // empty: of any
	Before int64 // No of the last one that was seen; 0: from the newest
	Limit  int
}

// Queued asks which deliveries of an endpoint there are.
type Queued struct {
	EventID string // or, if that is empty:
	Since   time.Time
	Until   time.Time
	After   int64 // No of the last one that was seen
	Limit   int
}

// Served is an endpoint that this instance sends to.
type Served struct {
	Endpoint Endpoint
	Place    ledger.FeedPlace // everything before it is queued
}

// Stands reports whether an endpoint is what a step was decided by.
func (s *Served) Stands(step *Step) bool {
	return s.Place == step.From && s.Endpoint.UpdatedAt.Equal(step.AsOf)
}

// Step is what an endpoint gets of a part of the feed.
type Step struct {
	EndpointID string
	AsOf       time.Time // UpdatedAt of the endpoint that it was decided by
	From, To   ledger.FeedPlace
	Deliveries []Delivery
}

// Due asks for deliveries.
type Due struct {
	At     time.Time
	Except []string // queues to leave out
	Limit  int
}

// ScanMax is how many deliveries are looked at for those whose queue is wanted.
const ScanMax = 10_000

// DueInOrder asks for deliveries that nothing pending stands before which is not due.
type DueInOrder struct {
	Due
	After string // queue that was looked at last, empty to begin with the first
}

const (
	// QueueMax is how many deliveries of one queue are in memory at once.
	QueueMax = 16

	// QueuesMax is how many queues are looked at for those of which something is due.
	QueuesMax = 256
)

// Result is what an attempt made of a delivery.
type Result struct {
	No       int64
	Tried    int   // Tries before the attempt: a result that comes too late changes nothing
	State    State // afterwards
	DueAt    time.Time
	Attempts []Attempt
}

// Store is what webhooks ask of a database. A missing object is a [ledger.Error]
// with CodeNotFound.
type Store interface {
	// CreateEndpoint adds an endpoint that gets what happens from now on, and returns
	// it; or, where one was made under the same idempotency key, that one. With
	// EndpointsMax there already it refuses with CodeLimitReached.
	CreateEndpoint(ctx context.Context, endpoint Endpoint) (Endpoint, error)
	Endpoint(ctx context.Context, tenant ledger.Tenant, id string) (Served, error)
	// Endpoints lists those of a business in one mode, oldest first.
	Endpoints(ctx context.Context, tenant ledger.Tenant) ([]Endpoint, error)
	// AllEndpoints lists those of all businesses that are enabled.
	AllEndpoints(ctx context.Context) ([]Served, error)
	// UpdateEndpoint commits what change makes of an endpoint. One that is enabled by
	// it gets what happens from then on. Change is pure and may be called more than
	// once.
	UpdateEndpoint(
		ctx context.Context, tenant ledger.Tenant, id string, change func(Endpoint) (Endpoint, error),
	) (Endpoint, error)
	// DeleteEndpoint removes an endpoint with its deliveries.
	DeleteEndpoint(ctx context.Context, tenant ledger.Tenant, id string) error

	// Deliveries lists deliveries without their bodies.
	Deliveries(ctx context.Context, tenant ledger.Tenant, endpointID string, page DeliveryPage) ([]Delivery, error)
	// Queued returns the numbers of deliveries of an endpoint, in rising order: of the one
	// of an event, or of those that were queued between two times.
	Queued(ctx context.Context, tenant ledger.Tenant, endpointID string, which Queued) ([]int64, error)
	// Resend makes deliveries due at an instant, with a schedule that begins again, and
	// returns how many of them are there still.
	Resend(
		ctx context.Context, tenant ledger.Tenant, endpointID string, numbers []int64, at time.Time,
	) (count int, err error)

	// Serve says that an instance lives, for a few seconds, and which enabled
	// endpoints are its to send to. An endpoint has one instance at a time; keeping
	// says which ones the instance still sends to, which nobody else gets.
	Serve(ctx context.Context, instance string, keeping []string) ([]Served, error)
	// Enqueue takes a step: it adds deliveries and moves the endpoint's place, if that
	// and the endpoint are still those that the step was decided by.
	Enqueue(ctx context.Context, step Step) (moved bool, err error)
	// Due returns deliveries that are due, those that are longest due first. It may
	// look at the first [ScanMax] alone.
	Due(ctx context.Context, endpointID string, due Due) ([]Delivery, error)
	// DueInOrder returns of each queue what is due before the first that is pending and
	// not due, at most [QueueMax], in the order of the queue. It goes along the queues, in
	// an order that is the store's own, so that one of which much waits keeps no other
	// from its turn. Next is the last queue that it has looked at, empty where that was
	// the last of all. It may look at [QueuesMax] alone.
	DueInOrder(ctx context.Context, endpointID string, due DueInOrder) (deliveries []Delivery, next string, err error)
	// PruneDeliveries removes deliveries of all endpoints that were delivered before an
	// instant, no more than limit, those first that are oldest, and returns how many. What
	// is pending or was given up stays.
	PruneDeliveries(ctx context.Context, before time.Time, limit int) (removed int, err error)
	// Record keeps what became of deliveries.
	Record(ctx context.Context, endpointID string, results []Result) error

	Feed(ctx context.Context, tenant ledger.Tenant, from ledger.FeedPlace, limit int) (ledger.FeedPage, error)
}
