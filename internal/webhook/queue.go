package webhook

import (
	"context"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

const (
	// factsMax is how many facts of the feed are looked at in one step.
	factsMax = 200

	// unsavedMax is how many facts of no interest to an endpoint are looked at before
	// its place is saved, and so how many are looked at again after a restart.
	unsavedMax = 2000
)

// queuer puts the events that endpoints want into their queues, in the order of the
// feed. An endpoint's place in the feed moves in the commit that queues what stood
// before it, so that nothing is queued twice or passed over, whoever does it.
type queuer struct {
	store  Store
	render func(*ledger.Event) []byte
	now    func() time.Time
}

// follower follows the feed for one endpoint.
type follower struct {
	place   ledger.FeedPlace // of the endpoint
	seen    ledger.FeedPlace // at place or behind it; there is nothing to queue between them
	unsaved int              // facts between them
}

func follow(place ledger.FeedPlace) follower { return follower{place: place, seen: place} }

// step queues what the next page of the feed has for an endpoint. It returns how much
// that was and whether more follows; or that the endpoint or its place is another one
// by now, because somebody has changed it or queued for it.
func (q *queuer) step(ctx context.Context, endpoint *Endpoint, f *follower) (queued int, more, moved bool, err error) {
	page, err := q.store.Feed(ctx, endpoint.Tenant, f.seen, factsMax)
	if err != nil {
		return 0, false, false, err
	}
	deliveries := q.deliveries(endpoint, page.Facts)
	f.unsaved += len(page.Facts)
	if len(deliveries) == 0 && f.unsaved < unsavedMax {
		f.seen = page.Next
		return 0, page.More, false, nil
	}
	kept, err := q.store.Enqueue(ctx, Step{endpoint.ID, endpoint.UpdatedAt, f.place, page.Next, deliveries})
	if err != nil || !kept {
		return 0, false, err == nil, err
	}
	*f = follow(page.Next)
	return len(deliveries), page.More, false, nil
}

// drain queues all that has happened until now, and saves that it has been looked at.
func (q *queuer) drain(ctx context.Context, served Served) error {
	f := follow(served.Place)
	for {
		_, more, moved, err := q.step(ctx, &served.Endpoint, &f)
		if err == nil && !more && !moved {
			if f.seen == f.place {
				return nil
			}
			kept, err := q.store.Enqueue(ctx, Step{served.Endpoint.ID, served.Endpoint.UpdatedAt, f.place, f.seen, nil})
			if kept || err != nil {
				return err
			}
			moved = true
		}
		if err == nil && moved {
			served, err = q.store.Endpoint(ctx, served.Endpoint.Tenant, served.Endpoint.ID)
			f = follow(served.Place)
		}
		if err != nil {
			return err
		}
	}
}

// QueueAll queues all that has happened until now, for every endpoint of a store that
// nothing is sent from. Render makes the body of the message about an event.
func QueueAll(ctx context.Context, store Store, render func(*ledger.Event) []byte, now func() time.Time) error {
	endpoints, err := store.AllEndpoints(ctx)
	if err != nil {
		return err
	}
	q := &queuer{store, render, now}
	for _, served := range endpoints {
		if err := q.drain(ctx, served); err != nil {
			return err
		}
	}
	return nil
}

func (q *queuer) deliveries(endpoint *Endpoint, facts []ledger.Fact) (deliveries []Delivery) {
	now := q.now().UTC().Truncate(time.Microsecond)
	for i := range facts {
		for _, event := range facts[i].Events() {
			if !endpoint.Wants(event.Kind) {
				continue
			}
			queue := event.CustomerID
			if currency := event.Currency(); currency != "" {
				queue += "/" + string(currency)
			}
			deliveries = append(deliveries, Delivery{
				EventID: event.ID, Kind: event.Kind, Queue: queue, Body: q.render(&event), State: Pending, DueAt: now, QueuedAt: now,
			})
		}
	}
	return deliveries
}
