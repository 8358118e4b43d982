package collect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

const (
	// stragglersMax is how many customers are brought on in a round, and stragglersAtOnce
	// how many of them at the same time.
	stragglersMax    = 1000
	stragglersAtOnce = 64

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

	mu     sync.Mutex
	passed map[string]time.Time // by id of the customer: until when
}

// NewClockWorker returns a worker.
func NewClockWorker(c *Collector, tenants Tenants, logger *slog.Logger) *ClockWorker {
	return &ClockWorker{collector: c, tenants: tenants, logger: logger, passed: map[string]time.Time{}}
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

// Round brings customers to where their clocks stand, and says how many came there.
func (w *ClockWorker) Round(ctx context.Context) (moved int, err error) {
	behind, err := w.collector.store.Stragglers(ctx, stragglersMax)
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

// bring brings one customer on, and reports whether they came to where they should and
// anything was done for that. Who cannot is tried again after a while, and the clock says why.
func (w *ClockWorker) bring(ctx context.Context, s ledger.Straggler) bool {
	now := time.Now()
	w.mu.Lock()
	until := w.passed[s.CustomerID]
	w.mu.Unlock()
	if now.Before(until) {
		return false
	}
	did, err := w.advance(ctx, s)
	if ctx.Err() != nil {
		return false
	}
	failure, recovered := "", err == nil && !until.IsZero()
	w.mu.Lock()
	delete(w.passed, s.CustomerID)
	if err != nil {
		failure = "customer " + s.CustomerID + ": " + string(ledger.CodeOf(err))
		w.passed[s.CustomerID] = now.Add(passFor)
		w.logger.Error("a test clock waits for a customer who cannot come on, and is tried again", "clock", s.Clock,
			"customer", s.CustomerID, "in", passFor, "error", err)
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

// advance has all happen about a customer that is due until their clock's time. It reports
// whether there was anything to do.
func (w *ClockWorker) advance(ctx context.Context, s ledger.Straggler) (moved bool, err error) {
	var stood time.Time
	var due ledger.CustomerDue
	for stands, known := 0, false; ctx.Err() == nil; {
		if !known {
			if due, err = w.collector.store.CustomerDue(ctx, s.Tenant, s.CustomerID); err != nil {
				return moved, err
			}
		}
		known = false
		now := due.Customer.ClockAt
		if stands++; !now.Equal(stood) {
			stood, stands = now, 0
		}
		if stands > standsMax {
			return moved, errCircles
		}
		did, next, err := w.happen(ctx, &due, now)
		if moved = moved || did; err != nil {
			return moved, err
		}
		if did {
			continue
		}
		if !now.Before(s.Until) {
			return moved, nil
		}
		moved = true
		if at := due.Next(now); next.IsZero() || !at.IsZero() && at.Before(next) {
			next = at
		}
		if next.IsZero() || next.After(s.Until) {
			next = s.Until
		}
		if due.Customer, err = w.move(ctx, s, now, next); err != nil {
			return moved, err
		}
		// What is due at the next time was read already; all of it is decided on anew.
		for i := range due.Objects {
			due.Objects[i].Clock = due.Customer.ClockAt
		}
		known = true
	}
	return moved, ctx.Err()
}

// move moves the time of a customer, unless somebody else has moved it, and returns the
// customer as they are then.
func (w *ClockWorker) move(ctx context.Context, s ledger.Straggler, from, to time.Time) (ledger.Customer, error) {
	move := func(c ledger.Customer) (ledger.CustomerChange, error) {
		if c.ClockAt.Equal(from) {
			c.ClockAt = to
		}
		return ledger.CustomerChange{Customer: c}, nil
	}
	moved, _, err := w.collector.store.UpdateCustomer(ctx, s.Tenant, s.CustomerID, move, nil)
	return moved, err
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
