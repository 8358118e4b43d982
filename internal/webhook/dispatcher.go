package webhook

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/billfold/billfold/internal/ledger"
)

const (
	// serveEvery is how often an instance says that it lives. A store gives its
	// endpoints to others [LeaseFor] after it last did; an instance that cannot say so
	// stops sending before that.
	serveEvery = time.Second
	stopAfter  = LeaseFor - serveEvery/2
)

// LeaseFor is how long after its last sign of life an instance keeps its endpoints.
const LeaseFor = 3 * time.Second

// Dispatcher sends what is queued for endpoints, and queues what has happened. Any
// number of instances may run one on a store: they share the endpoints.
type Dispatcher struct {
	store    Store
	queue    *queuer
	send     func(context.Context, Message) Attempt
	now      func() time.Time
	random   func() uint64
	logger   *slog.Logger
	meter    meter
	instance string
	workers  map[string]*worker // by the id of the endpoint; some may be about to end
	keepFor  time.Duration      // what was delivered; 0: for ever
}

// DispatcherConfig says what a [Dispatcher] works with. All fields but the logger are
// needed, and the metrics.
type DispatcherConfig struct {
	Store    Store
	Send     func(context.Context, Message) Attempt // [Sender.Send]
	Render   func(*ledger.Event) []byte
	Now      func() time.Time
	Random   func() uint64
	Logger   *slog.Logger
	Metrics  prometheus.Registerer // nil keeps no metrics
	Instance string                // tells instances apart; another one after each start
	KeepFor  time.Duration         // how long what was delivered is kept; 0: for ever
}

// NewDispatcher returns a dispatcher.
func NewDispatcher(c DispatcherConfig) *Dispatcher {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Dispatcher{
		store: c.Store, queue: &queuer{c.Store, c.Render, c.Now}, send: c.Send, now: c.Now, random: c.Random,
		logger: c.Logger, meter: newMeter(c.Metrics), instance: c.Instance, workers: map[string]*worker{},
		keepFor: c.KeepFor,
	}
}

// Run sends until ctx ends.
func (d *Dispatcher) Run(ctx context.Context) {
	pruning, stop := context.WithCancel(ctx)
	pruned := make(chan struct{})
	go func() {
		defer close(pruned)
		d.prune(pruning)
	}()
	defer func() {
		stop()
		<-pruned
	}()
	defer d.stopAll()
	timer := time.NewTimer(0)
	defer timer.Stop()
	served, failing := time.Now(), false
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		asked := time.Now()
		within, cancel := context.WithTimeout(ctx, stopAfter)
		list, err := d.store.Serve(within, d.instance, slices.Collect(maps.Keys(d.running())))
		cancel()
		switch {
		case err == nil:
			served, failing = asked, false
			d.serve(ctx, list)
		case ledger.CodeOf(err) == ledger.CodeFeedNotPossible || ctx.Err() != nil:
			return // there can be no endpoints
		case !failing:
			failing = true
			d.logger.Warn("webhooks wait until the store can serve", "error", err)
		}
		if time.Since(served) >= stopAfter {
			d.stopAll()
		}
		timer.Reset(serveEvery)
	}
}

// running are the workers that have not ended.
func (d *Dispatcher) running() map[string]*worker {
	maps.DeleteFunc(d.workers, func(_ string, w *worker) bool {
		select {
		case <-w.ended:
			return true
		default:
			return false
		}
	})
	return d.workers
}

// serve has a worker for each endpoint of the list and for no other.
func (d *Dispatcher) serve(ctx context.Context, list []Served) {
	d.meter.serve(len(list))
	wanted := map[string]bool{}
	running := d.running()
	for _, served := range list {
		id := served.Endpoint.ID
		wanted[id] = true
		if w := running[id]; w != nil {
			w.learn(&served.Endpoint)
			continue
		}
		d.workers[id] = d.start(ctx, served)
	}
	for id, w := range d.workers {
		if !wanted[id] {
			w.stop()
		}
	}
}

func (d *Dispatcher) stopAll() {
	for _, w := range d.workers {
		w.stop()
	}
	for _, w := range d.workers {
		<-w.ended
	}
	clear(d.workers)
}
