package webhook

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// Endpoints are the receivers of all businesses, as their owners see them.
type Endpoints struct {
	store  Store
	guard  *Guard
	queue  *queuer
	now    func() time.Time
	random func() uint64
}

// NewEndpoints returns the endpoints in a store. Render makes the body of the
// message about an event.
func NewEndpoints(
	store Store, guard *Guard, render func(*ledger.Event) []byte, now func() time.Time, random func() uint64,
) *Endpoints {
	return &Endpoints{store: store, guard: guard, queue: &queuer{store, render, now}, now: now, random: random}
}

// moment is the present as it is stored: UTC, cut to microseconds.
func (e *Endpoints) moment() time.Time { return e.now().UTC().Truncate(time.Microsecond) }

// Create makes an endpoint of what was asked for. A repeat under the same idempotency
// key gets the first one; another request under it is refused.
func (e *Endpoints) Create(ctx context.Context, asked Endpoint) (Endpoint, error) {
	if err := e.check(&asked); err != nil {
		return Endpoint{}, err
	}
	now := e.moment()
	asked.ID = ledger.NewID(EndpointIDPrefix, now, [2]uint64{e.random(), e.random()})
	asked.Secret, asked.CreatedAt, asked.UpdatedAt = NewSecret().Text(), now, now
	made, err := e.store.CreateEndpoint(ctx, asked)
	if err != nil || made.ID == asked.ID {
		return made, err
	}
	// What the first request asked for is what it got, unless it was changed since.
	if made.UpdatedAt.Equal(made.CreatedAt) && !made.same(&asked) {
		return Endpoint{}, ledger.KeyReused(made.CreatedAt)
	}
	return made, nil
}

func (e *Endpoints) check(endpoint *Endpoint) error {
	if err := e.guard.CheckURL(endpoint.URL); err != nil {
		return ledger.FieldErrorf(CodeInvalidURL, "url", "%v", err)
	}
	return endpoint.check()
}

// List returns the endpoints of a business in one mode, oldest first.
func (e *Endpoints) List(ctx context.Context, tenant ledger.Tenant) ([]Endpoint, error) {
	return e.store.Endpoints(ctx, tenant)
}

// Get returns one endpoint.
func (e *Endpoints) Get(ctx context.Context, tenant ledger.Tenant, id string) (Endpoint, error) {
	served, err := e.store.Endpoint(ctx, tenant, id)
	return served.Endpoint, err
}

// Update changes an endpoint. What happened before is sent as it was asked for at
// the time: it is queued first.
func (e *Endpoints) Update(
	ctx context.Context, tenant ledger.Tenant, id string, change func(*Endpoint),
) (Endpoint, error) {
	served, err := e.store.Endpoint(ctx, tenant, id)
	if err != nil {
		return Endpoint{}, err
	}
	if !served.Endpoint.Disabled {
		if err := e.queue.drain(ctx, served); err != nil {
			return Endpoint{}, err
		}
	}
	var unchanged Endpoint
	changed, err := e.store.UpdateEndpoint(ctx, tenant, id, func(endpoint Endpoint) (Endpoint, error) {
		next := endpoint
		next.Headers, next.Metadata = maps.Clone(endpoint.Headers), maps.Clone(endpoint.Metadata)
		change(&next)
		if next.URL != endpoint.URL || !next.same(&endpoint) || next.Secret != endpoint.Secret {
			next.UpdatedAt = later(e.moment(), endpoint.UpdatedAt)
			return next, e.check(&next)
		}
		unchanged = endpoint
		return next, errUnchanged
	})
	if errors.Is(err, errUnchanged) {
		return unchanged, nil
	}
	return changed, err
}

// errUnchanged tells the store not to write. It is a refusal, so that no store takes it
// for a failure and logs it.
var errUnchanged error = ledger.Errorf(CodeInvalidEndpoint, "the webhook is as it was")

// later is a time that is after another one, even where the clock was set back.
func later(at, than time.Time) time.Time {
	if at.After(than) {
		return at
	}
	return than.Add(time.Microsecond)
}

// Rotate gives an endpoint another secret. The one before signs as well for
// [KeepPrevious].
func (e *Endpoints) Rotate(ctx context.Context, tenant ledger.Tenant, id string) (Endpoint, error) {
	secret, now := NewSecret(), e.moment()
	return e.Update(ctx, tenant, id, func(endpoint *Endpoint) { endpoint.rotate(secret, now) })
}

// Delete removes an endpoint. Nothing is sent to it any more.
func (e *Endpoints) Delete(ctx context.Context, tenant ledger.Tenant, id string) error {
	return e.store.DeleteEndpoint(ctx, tenant, id)
}

// Deliveries lists what was and is to be sent to an endpoint, newest first.
func (e *Endpoints) Deliveries(
	ctx context.Context, tenant ledger.Tenant, id string, page DeliveryPage,
) ([]Delivery, error) {
	return e.store.Deliveries(ctx, tenant, id, page)
}

// Resend sends an event to an endpoint again, at once and by the whole schedule.
func (e *Endpoints) Resend(ctx context.Context, tenant ledger.Tenant, id, eventID string) error {
	numbers, err := e.store.Queued(ctx, tenant, id, Queued{EventID: eventID, Limit: 1})
	if err != nil {
		return err
	}
	count := 0
	if len(numbers) > 0 {
		count, err = e.store.Resend(ctx, tenant, id, numbers, e.moment())
	}
	if err == nil && count == 0 { // as it was pruned a moment ago
		err = ledger.Errorf(ledger.CodeNotFound, "no such event was for this webhook, or it was delivered too long ago")
	}
	return err
}

// replayMax is how many deliveries are made due in one commit.
const replayMax = 500

// Replay sends everything again that was queued for an endpoint since a time, and
// returns how much that is.
func (e *Endpoints) Replay(
	ctx context.Context, tenant ledger.Tenant, id string, since time.Time,
) (count int, err error) {
	which := Queued{Since: since, Until: e.moment(), Limit: replayMax}
	for {
		numbers, err := e.store.Queued(ctx, tenant, id, which)
		if err != nil || len(numbers) == 0 {
			return count, err
		}
		resent, err := e.store.Resend(ctx, tenant, id, numbers, e.moment())
		count += resent
		if err != nil {
			return count, err
		}
		which.After = numbers[len(numbers)-1]
	}
}

// Earlier returns the endpoint that an earlier try of the same request has made: the
// one under its idempotency key; or without a key, one that was asked for alike since
// a time and not changed. Found is false when there is none.
func (e *Endpoints) Earlier(
	ctx context.Context, asked Endpoint, since time.Time,
) (earlier Endpoint, found bool, err error) {
	list, err := e.store.Endpoints(ctx, asked.Tenant)
	if err != nil {
		return Endpoint{}, false, err
	}
	for i := range list {
		made := &list[i]
		recent := !made.CreatedAt.Before(since) && made.UpdatedAt.Equal(made.CreatedAt)
		if made.Key == asked.Key && (asked.Key != "" || recent && made.same(&asked)) {
			return *made, true, nil
		}
	}
	return Endpoint{}, false, nil
}
