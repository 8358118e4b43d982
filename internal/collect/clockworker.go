package collect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

const (
	// stragglersMax is how many customers are brought on in a round, and stragglersAtOnce
	// how many of them at the same time.
	stragglersMax    = 200
	stragglersAtOnce = 8

	// shareMax is how many things are done about a customer in a round at the most, so that
	// nobody waits until all that is due about another has happened.
	shareMax = 100

	// clockSweep is how many entries, or notices, of a wallet are written at a time.
	clockSweep = 50

	// standsMax is how often what is due at one time is looked for. What is still due then
	// goes round in circles.
	standsMax = 1000
)

// ClockWorker brings customers to where their test clocks stand: it moves the time of each
// from one thing that is due to the next, and has that happen, so that all of it happens
// in its order and at its time. How far a customer is stands with the customer. So what
// was cut off goes on from there, on any instance; several at once do no more than one.
type ClockWorker struct {
	collector *Collector
	tenants   Tenants
	logger    *slog.Logger

	mu    sync.Mutex
	round int64
	known map[string]*straggling // by id of the customer
}

// straggling is how it went with a customer who did not come to where their clock stands.
type straggling struct {
	round  int64     // in which they had their share last
	passed time.Time // until when they are passed by; zero: they had no failure
	stood  time.Time // their time
	stands int       // how often what is due at that time was looked for
}

// NewClockWorker returns a worker.
func NewClockWorker(c *Collector, tenants Tenants, logger *slog.Logger) *ClockWorker {
	return &ClockWorker{collector: c, tenants: tenants, logger: logger, known: map[string]*straggling{}}
}

// Run works until ctx is cancelled.
func (w *ClockWorker) Run(ctx context.Context) {
	for ctx.Err() == nil {
		moved, err := w.Round(ctx)
		if err != nil && ctx.Err() == nil {
			w.logger.Error("test clocks cannot be read", "error", err)
		}
		if moved > 0 && err == nil {
			continue
		}
		pause(ctx, lookEvery)
	}
}

// Round brings customers on towards where their clocks stand, each by a share at the most,
// and says how many.
func (w *ClockWorker) Round(ctx context.Context) (moved int, err error) {
	behind, err := w.next(ctx)
	if err != nil {
		return 0, err
	}
	work := make(chan ledger.Straggler)
	var running sync.WaitGroup
	for range min(stragglersAtOnce, len(behind)) {
		running.Go(func() {
			for straggler := range work {
				if w.bring(ctx, straggler) {
					w.mu.Lock()
					moved++
					w.mu.Unlock()
				}
			}
		})
	}
	for _, straggler := range behind {
		work <- straggler
	}
	close(work)
	running.Wait()
	return moved, nil
}

// next reads who is to be brought on in a round. Whoever had a share before comes after
// those who had none, and is read beside as many others as there may be: so neither
// customers who fail nor those with much to happen keep anybody from their turn.
func (w *ClockWorker) next(ctx context.Context) (behind []ledger.Straggler, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	found, err := w.collector.store.Stragglers(ctx, stragglersMax+len(w.known))
	if err != nil {
		return nil, err
	}
	now, known := time.Now(), map[string]*straggling{}
	for _, s := range found {
		before := w.known[s.CustomerID]
		if before != nil {
			known[s.CustomerID] = before
		}
		if before == nil || !now.Before(before.passed) {
			behind = append(behind, s)
		}
	}
	w.known = known // whoever is not found is there, or has lost their clock
	w.round++
	slices.SortStableFunc(behind, func(a, b ledger.Straggler) int { return cmp.Compare(w.turn(a), w.turn(b)) })
	return behind[:min(len(behind), stragglersMax)], nil
}

// turn is the round in which a customer had their share last, 0 for none.
func (w *ClockWorker) turn(s ledger.Straggler) int64 {
	if before := w.known[s.CustomerID]; before != nil {
		return before.round
	}
	return 0
}

// bring brings one customer on by their share, and reports whether anything was done for
// that. Who cannot come on is tried again after a while, and the clock says why.
func (w *ClockWorker) bring(ctx context.Context, s ledger.Straggler) bool {
	w.mu.Lock()
	var of straggling
	if before := w.known[s.CustomerID]; before != nil {
		of = *before
	}
	of.round = w.round
	w.mu.Unlock()
	did, there, err := w.advance(ctx, s, &of)
	if ctx.Err() != nil {
		return false
	}
	failure, recovered := "", err == nil && !of.passed.IsZero()
	of.passed = time.Time{}
	if err != nil {
		failure = "customer " + s.CustomerID + ": " + string(ledger.CodeOf(err))
		of.passed, of.stands = time.Now().Add(passFor), 0
		w.logger.Error("a test clock waits for a customer who cannot come on, and is tried again", "clock", s.Clock,
			"customer", s.CustomerID, "in", passFor, "error", err)
	}
	w.mu.Lock()
	if w.known[s.CustomerID] = &of; there {
		delete(w.known, s.CustomerID)
	}
	w.mu.Unlock()
	if failure != "" || recovered {
		_, err := w.collector.store.UpdateTestClock(ctx, s.Tenant, s.Clock, func(
			k ledger.TestClock,
		) (ledger.TestClock, error) {
			k.Failure = failure
			return k, nil
		})
		if err != nil && ledger.CodeOf(err) != ledger.CodeNotFound {
			w.logger.Error("a test clock cannot be changed", "clock", s.Clock, "error", err)
		}
	}
	return did && failure == ""
}

// errCircles says that something stays due whatever is done about it.
var errCircles = errors.New("something about the customer stays due")

// advance has happen about a customer what is due until their clock's time, up to their
// share. It reports whether there was anything to do, and whether they are there now.
func (w *ClockWorker) advance(
	ctx context.Context, s ledger.Straggler, of *straggling,
) (moved, there bool, err error) {
	for range shareMax {
		if ctx.Err() != nil {
			return moved, false, ctx.Err()
		}
		due, err := w.collector.store.CustomerDue(ctx, s.Tenant, s.CustomerID)
		if err != nil {
			return moved, false, err
		}
		now := due.Customer.ClockAt
		if of.stands++; !now.Equal(of.stood) {
			of.stood, of.stands = now, 0
		}
		if of.stands > standsMax {
			return moved, false, errCircles
		}
		did, next, err := w.happen(ctx, &due, now)
		if moved = moved || did; err != nil {
			return moved, false, err
		}
		if did {
			continue
		}
		if !now.Before(s.Until) {
			return moved, true, nil
		}
		moved = true
		if at := due.Next(now); next.IsZero() || !at.IsZero() && at.Before(next) {
			next = at
		}
		if next.IsZero() || next.After(s.Until) {
			next = s.Until
		}
		if err := w.move(ctx, s, now, next); err != nil {
			return moved, false, err
		}
	}
	return moved, false, nil
}

// move moves the time of a customer, unless somebody else has moved it.
func (w *ClockWorker) move(ctx context.Context, s ledger.Straggler, from, to time.Time) error {
	move := func(c ledger.Customer) (ledger.CustomerChange, error) {
		if c.ClockAt.Equal(from) {
			c.ClockAt = to
		}
		return ledger.CustomerChange{Customer: c}, nil
	}
	_, _, err := w.collector.store.UpdateCustomer(ctx, s.Tenant, s.CustomerID, move, nil)
	return err
}

// happen has happen what is due about a customer now, first what expires, then what is
// announced, what invoices, refunds and subscriptions wait for, and top-ups. It reports
// whether there was anything; if not, next is when a rule for top-ups wants to be looked
// at again, zero for never.
func (w *ClockWorker) happen(
	ctx context.Context, all *ledger.CustomerDue, now time.Time,
) (did bool, next time.Time, err error) {
	due, c := all.By(now), all.Customer
	wallet := func(d ledger.DueWallet) ledger.WalletKey {
		return ledger.WalletKey{Tenant: c.Tenant, CustomerID: c.ID, Currency: d.Currency}
	}
	for _, d := range due.Expiries {
		n, err := w.collector.book.Sweep(ctx, wallet(d), now, clockSweep)
		if did = did || n > 0; err != nil {
			return did, next, err
		}
	}
	for _, d := range due.Notices {
		told := ledger.DueNotices{Wallet: wallet(d), Until: now.Add(due.Ahead)}
		n, err := w.collector.book.Announce(ctx, told, now, clockSweep)
		if did = did || n > 0; err != nil {
			return did, next, err
		}
	}
	for i := range due.Objects {
		did = true
		if err := w.collector.goOn(ctx, &due.Objects[i]); err != nil {
			return did, next, fmt.Errorf("%s %s: %w", due.Objects[i].Kind, due.Objects[i].ID, err)
		}
	}
	if did {
		return true, next, nil
	}
	return w.topUp(ctx, &c)
}

// topUp begins the automatic top-ups of a customer that are due.
func (w *ClockWorker) topUp(ctx context.Context, c *ledger.Customer) (did bool, next time.Time, err error) {
	filter := ledger.ObjectFilter{Kind: AutoTopUps, CustomerID: c.ID, State: autoActive}
	list, err := w.collector.store.Objects(ctx, c.Tenant, filter, ledger.ObjectPage{Limit: autoPage})
	if err != nil || len(list.Objects) == 0 {
		return false, next, err
	}
	settings, err := w.tenants.Settings(ctx, c.Tenant)
	if err != nil {
		return false, next, err
	}
	for i := range list.Objects { // one for each currency at the most, of which there are fewer than a page has
		rule, err := autoTopUpOf(&list.Objects[i])
		if err != nil {
			return did, next, err
		}
		topped, err := w.collector.StepAuto(ctx, rule, &settings)
		if did = did || topped; err != nil {
			return did, next, err
		}
		if wait := rule.WaitTill; wait.After(c.ClockAt) && (next.IsZero() || wait.Before(next)) {
			next = wait
		}
	}
	return did, next, nil
}
