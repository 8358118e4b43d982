package collect

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

const (
	// lookEvery is how long the worker rests when nothing was due.
	lookEvery = time.Second

	// dueMax is how many objects of a kind are read at once, workersMax how many are worked
	// at.
	dueMax     = 200
	workersMax = 32

	// passFor is for how long an object is passed by that could not be worked at.
	passFor = time.Minute

	// manyPassed is beyond how many objects that are passed by those of their kind are not
	// read in every round: that takes at most one part in readingShare of the time.
	manyPassed   = 1000
	readingShare = 20
)

// Worker finds invoices, refunds and subscriptions that are due, of all businesses, and has
// each of them go on.
// There may be one in each of several instances.
type Worker struct {
	collector *Collector
	logger    *slog.Logger

	mu     sync.Mutex
	passed map[string]passing // by id of the object
	rests  map[ledger.ObjectKind]time.Time
}

// passing says that an object is passed by until a time. Where it is one that was looked at
// and waits for something, as a disputed lot for money, that is only as long as it is as it was.
type passing struct {
	until   time.Time
	version int64 // of the object, 0 for any
}

// NewWorker returns a worker.
func NewWorker(c *Collector, logger *slog.Logger) *Worker {
	return &Worker{collector: c, logger: logger, passed: map[string]passing{}, rests: map[ledger.ObjectKind]time.Time{}}
}

// Run works until ctx is cancelled.
func (w *Worker) Run(ctx context.Context) {
	var readings ledger.Readings
	for ctx.Err() == nil {
		if !w.collector.believes(&readings, w.logger) {
			pause(ctx, lookEvery)
			continue
		}
		worked, err := w.Round(ctx)
		if err != nil && ctx.Err() == nil {
			w.logger.Error("what is due cannot be read", "error", err)
		}
		if worked > 0 && err == nil {
			continue
		}
		pause(ctx, lookEvery)
	}
}

// pause waits for a while, or until ctx is cancelled.
func pause(ctx context.Context, long time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(long):
	}
}

// believes takes a reading of the clock, and says whether what is due by it may be done:
// not where the clock has jumped and no second reading has confirmed it (law Q4).
func (c *Collector) believes(readings *ledger.Readings, logger *slog.Logger) bool {
	now := c.now()
	before, believed := readings.Believe(now)
	if !believed {
		logger.Warn("the clock has jumped; what is due is billed once a second reading confirms it", "from", before, "to", now)
	}
	return believed
}

// Round has what is due go on, as far as it goes now, and says how many invoices and
// subscriptions that were.
func (w *Worker) Round(ctx context.Context) (worked int, err error) {
	due, err := w.due(ctx)
	if err != nil {
		return 0, err
	}
	work := make(chan ledger.Object)
	var running sync.WaitGroup
	for range min(workersMax, len(due)) {
		running.Go(func() {
			for object := range work {
				w.goOn(ctx, &object)
			}
		})
	}
	for _, object := range due {
		work <- object
	}
	close(work)
	running.Wait()
	return len(due), nil
}

// due reads objects that are due and are not passed by.
func (w *Worker) due(ctx context.Context) (due []ledger.Object, err error) {
	now := w.collector.now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, pass := range w.passed {
		if !now.Before(pass.until) {
			delete(w.passed, id)
		}
	}
	for _, kind := range dueKinds {
		began := time.Now()
		if began.Before(w.rests[kind]) {
			continue
		}
		found, err := w.collector.store.DueObjects(ctx, kind, now, dueMax+len(w.passed))
		if err != nil {
			return nil, err
		}
		before := len(due)
		for _, object := range found {
			if pass, passed := w.passed[object.ID]; !passed || pass.version > 0 && pass.version != object.Version {
				due = append(due, object)
			}
		}
		if len(due) == before && len(found) > manyPassed {
			w.rests[kind] = began.Add(readingShare * time.Since(began))
		}
	}
	return due, nil
}

// goOn does what is to be done about an object until it waits for something. One
// about which that fails is passed by for a while, so that it keeps nobody waiting.
func (w *Worker) goOn(ctx context.Context, object *ledger.Object) {
	err := w.collector.goOn(ctx, object)
	if ctx.Err() != nil {
		return
	}
	if err == nil {
		w.looked(object)
		return
	}
	w.logger.Error("an object cannot go on and is tried again", "kind", object.Kind, "id", object.ID, "in", passFor, "error", err)
	w.mu.Lock()
	w.passed[object.ID] = passing{until: w.collector.now().Add(passFor)}
	w.mu.Unlock()
}

// looked passes by a dispute whose lot was looked at, for a while, longer the older it is.
// What has moved has another version, and is looked at again at once.
func (w *Worker) looked(object *ledger.Object) {
	if object.Kind != Disputes {
		return
	}
	dispute, err := DisputeOf(object)
	if err != nil || dispute.Coming != nil {
		return
	}
	now := w.collector.now()
	w.mu.Lock()
	w.passed[object.ID] = passing{now.Add(dispute.wait(now)), object.Version}
	w.mu.Unlock()
}

// dueKinds are those kinds of objects about which something can be due, each of which
// [Collector.goOn] knows. Of the others nothing ever is.
var dueKinds = []ledger.ObjectKind{Invoices, Refunds, Disputes, Subscriptions}

// goOn does what is to be done about an object until it waits for something.
func (c *Collector) goOn(ctx context.Context, object *ledger.Object) error {
	var step func(ctx context.Context, tenant ledger.Tenant, id string) (more bool, err error)
	switch object.Kind {
	case Invoices:
		step = c.Step
	case Subscriptions:
		subscription, err := decodeSubscription(object)
		if err != nil {
			return err
		}
		return c.Renew(ctx, subscription)
	case Refunds:
		step = c.StepRefund
	case Disputes:
		step = c.StepDispute
	default:
		return fmt.Errorf("nothing is known that could be due about an object of the kind %q", object.Kind)
	}
	for {
		more, err := step(ctx, object.Tenant, object.ID)
		if err != nil || !more || ctx.Err() != nil {
			return err
		}
	}
}
