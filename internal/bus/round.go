package bus

import (
	"context"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

const (
	// factsMax is how many facts of the feed are looked at in one step.
	factsMax = 500

	// unsavedMax is how many steps that found nothing to publish are made before a
	// cursor is saved, and so how many are made again after a restart.
	unsavedMax = 50

	// The feed of a business is looked at after pollMin where there was something, and
	// more and more seldom where there was not.
	pollMin = 20 * time.Millisecond
	pollMax = time.Second

	// What failed is tried again after backOffMin, then after twice that and so on.
	backOffMin = 200 * time.Millisecond
	backOffMax = 30 * time.Second

	// publishWithin bounds one attempt. What a broker has not acknowledged by then is
	// published again.
	publishWithin = 20 * time.Second

	// refreshEvery is how often businesses are looked for.
	refreshEvery = time.Second
)

// round goes from business to business, one step at each in turn, so that none of which
// much is to be told, or whose events a broker does not take, keeps another one waiting.
type round struct {
	*Pump
	followers []*follower
	refreshed time.Time
}

func newRound(p *Pump) *round { return &round{Pump: p} }

// follower follows the feed of a business in one mode.
type follower struct {
	tenant  ledger.Tenant
	place   ledger.FeedPlace // as the store has it
	seen    ledger.FeedPlace // at place or behind it; there is nothing to publish between them
	unsaved int              // steps between them
	pause   time.Duration
	due     time.Time // when to look again
	backOff time.Duration
	waiting time.Time // when the oldest event happened that is known to wait; zero for none
}

func (r *round) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := r.refresh(ctx); err != nil {
			if ctx.Err() == nil {
				r.logger.Warn("publishing waits until the store can serve", "error", err)
			}
			sleep(ctx, pollMax)
			continue
		}
		next := time.Now().Add(pollMax)
		for _, f := range r.followers {
			if ctx.Err() != nil {
				return
			}
			if !f.due.After(time.Now()) {
				r.visit(ctx, f)
			}
			if f.due.Before(next) {
				next = f.due
			}
		}
		r.meter.wait(r.waitingSince(), r.now())
		if wait := time.Until(next); wait > 0 {
			sleep(ctx, wait)
		}
	}
}

// refresh begins to follow businesses that are new.
func (r *round) refresh(ctx context.Context) error {
	if time.Since(r.refreshed) < refreshEvery {
		return nil
	}
	cursors, err := r.store.SinkCursors(ctx, r.sink)
	if err != nil {
		return err
	}
	r.refreshed = time.Now()
	known := map[ledger.Tenant]bool{}
	for _, f := range r.followers {
		known[f.tenant] = true
	}
	for _, cursor := range cursors {
		if !known[cursor.Tenant] {
			r.followers = append(r.followers, &follower{tenant: cursor.Tenant, place: cursor.Place, seen: cursor.Place})
		}
	}
	return nil
}

func (r *round) waitingSince() (since time.Time) {
	for _, f := range r.followers {
		if !f.waiting.IsZero() && (since.IsZero() || f.waiting.Before(since)) {
			since = f.waiting
		}
	}
	return since
}

// visit takes a step and says when the next is due.
func (r *round) visit(ctx context.Context, f *follower) {
	published, more, err := r.step(ctx, f)
	now := time.Now()
	switch {
	case err != nil:
		if ctx.Err() != nil {
			return
		}
		r.fail(err)
		f.backOff = min(max(2*f.backOff, backOffMin), backOffMax)
		f.due = now.Add(f.backOff/2 + time.Duration(r.random()%uint64(f.backOff/2)))
		return
	case more:
		f.pause = 0
	case published > 0:
		f.pause = pollMin
	default:
		f.pause = min(max(2*f.pause, pollMin), pollMax)
	}
	f.due, f.backOff = now.Add(f.pause), 0
	if published == 0 || !r.recover() {
		return
	}
	for _, other := range r.followers {
		if other.backOff > 0 {
			other.due = now // the broker may take theirs now as well
		}
	}
}

// step publishes the next page of the feed of a business and moves the cursor behind it
// once the broker has all of it.
func (r *round) step(ctx context.Context, f *follower) (published int, more bool, err error) {
	page, err := r.store.Feed(ctx, f.tenant, f.seen, factsMax)
	if err != nil {
		return 0, false, err
	}
	messages := r.messages(page.Facts)
	if len(messages) > 0 {
		f.waiting = messages[0].At
		within, cancel := context.WithTimeout(ctx, publishWithin)
		err := r.broker.Publish(within, messages)
		cancel()
		if err != nil {
			return 0, false, err
		}
		r.meter.publish(len(messages))
	}
	f.waiting = time.Time{}
	if page.More && len(messages) > 0 {
		f.waiting = messages[len(messages)-1].At
	}
	if page.Next != f.seen {
		f.seen = page.Next
		f.unsaved++
	}
	if f.seen == f.place || len(messages) == 0 && f.unsaved < unsavedMax {
		return 0, page.More, nil
	}
	return len(messages), page.More, r.save(ctx, f)
}

// save moves the cursor of a follower to what it has seen. Where another instance has
// moved it meanwhile, the follower goes on there.
func (r *round) save(ctx context.Context, f *follower) error {
	moved, err := r.store.MoveSinkCursor(ctx, r.sink, Move{Tenant: f.tenant, From: f.place, To: f.seen})
	if err != nil {
		f.seen = f.place
		return err
	}
	f.place, f.unsaved = f.seen, 0
	if moved {
		return nil
	}
	cursors, err := r.store.SinkCursors(ctx, r.sink)
	for _, cursor := range cursors {
		if cursor.Tenant == f.tenant {
			f.place = cursor.Place
		}
	}
	f.seen = f.place
	return err
}

// messages are what facts are told by.
func (r *round) messages(facts []ledger.Fact) (messages []Message) {
	for i := range facts {
		for _, event := range facts[i].Events() {
			messages = append(messages, Message{
				ID: event.ID, Tenant: event.Tenant, Kind: event.Kind, CustomerID: event.CustomerID, At: event.At, Body: r.render(&event),
			})
		}
	}
	return messages
}
