package postgres

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

var errOverloaded = ledger.Errorf(ledger.CodeOverloaded,
	"too many requests are waiting for the database; nothing was changed, try again in a moment")

// places bounds how many connections one kind of work may hold. What waits for
// somebody else's lock holds one meanwhile, and without a bound it would hold
// all of them: no entry could be posted and no API key be looked up.
type places chan struct{}

// enter waits for a place, not for long. The caller calls leave afterwards.
func (p places) enter(ctx context.Context) error {
	select {
	case p <- struct{}{}:
		return nil
	default:
	}
	wait := time.NewTimer(retryFor)
	defer wait.Stop()
	select {
	case p <- struct{}{}:
		return nil
	case <-wait.C:
		return errOverloaded
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p places) leave() { <-p }

// makePlaces shares the connections out: some are left for the committers and
// for the look-up of API keys, on which every request depends.
func (db *DB) makePlaces() {
	all := max(1, db.config.ConnectionsMax/2, db.config.ConnectionsMax-db.config.CommittersMax-2)
	db.places, db.writers = make(places, all), make(places, max(1, all/2))
}

// turns lets the updates of one customer come one after the other, and
// remembers who was locked: those who wait for their turn hold no connection,
// and are refused as soon as the first of them was.
type turns struct {
	mu sync.Mutex
	of map[owner]*turn
}

type turn struct {
	place   places
	waiting int       // for it, or having it
	stuck   time.Time // when the customer was seen locked, zero when it is not
}

// take runs f in the customer's turn, with how long it may wait for a lock.
func (t *turns) take(ctx context.Context, who owner, f func(wait string) error) error {
	mine := t.join(who)
	defer t.part(who, mine)
	if err := mine.place.enter(ctx); err != nil {
		return err
	}
	defer mine.place.leave()
	wait := lockWait
	if !mine.stuck.IsZero() {
		if time.Since(mine.stuck) < stuckFor {
			return errStuck
		}
		wait = lockWaitAlone
	}
	err := f(wait)
	mine.stuck = time.Time{}
	if isLockWait(err) {
		mine.stuck = time.Now()
		return errStuck.WithCause(err)
	}
	return err
}

func (t *turns) join(who owner) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == nil {
		t.of = map[owner]*turn{}
	}
	mine := t.of[who]
	if mine == nil {
		mine = &turn{place: make(places, 1)}
		t.of[who] = mine
	}
	mine.waiting++
	return mine
}

// part forgets the turns that nobody waits for, unless they say that somebody
// was locked lately.
func (t *turns) part(who owner, mine *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if mine.waiting--; mine.waiting > 0 {
		return
	}
	if mine.stuck.IsZero() {
		delete(t.of, who)
		return
	}
	maps.DeleteFunc(t.of, func(_ owner, other *turn) bool {
		return other.waiting == 0 && time.Since(other.stuck) > 20*stuckFor
	})
}
