package bus

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/billfold/billfold/internal/ledger"
)

// LeaseFor is how long after its last sign of life an instance stays the one that
// publishes to a sink.
const LeaseFor = 3 * time.Second

const (
	// leadEvery is how often an instance says that it lives, and stopAfter when one that
	// cannot say so stops, before another one begins. That both publish for a moment
	// would cost repeats and nothing else.
	leadEvery = time.Second
	stopAfter = LeaseFor - leadEvery/2

	// resignWithin bounds how long an instance that stops tells the others so.
	resignWithin = 2 * time.Second
)

// Pump publishes to one broker. Any number of instances may run one on a store: one of
// them publishes.
type Pump struct {
	sink     string
	store    Store
	broker   Broker
	render   func(*ledger.Event) []byte
	now      func() time.Time
	random   func() uint64
	logger   *slog.Logger
	meter    meter
	instance string
	failing  bool // as was logged
}

// Config says what a [Pump] works with. All fields but the logger and the metrics are
// needed.
type Config struct {
	Sink     string // the name under which the store keeps how far it is
	Store    Store
	Broker   Broker
	Render   func(*ledger.Event) []byte
	Now      func() time.Time
	Random   func() uint64
	Logger   *slog.Logger
	Metrics  prometheus.Registerer // nil keeps no metrics
	Instance string                // tells instances apart; another one after each start
}

// New returns a pump.
func New(c Config) *Pump {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Pump{
		sink: c.Sink, store: c.Store, broker: c.Broker, render: c.Render, now: c.Now, random: c.Random,
		logger: c.Logger.With("sink", c.Sink), meter: newMeter(c.Metrics, c.Sink), instance: c.Instance,
	}
}

// Run publishes until ctx ends, and closes the broker.
func (p *Pump) Run(ctx context.Context) {
	defer p.broker.Close()
	waiting := false
	for {
		asked := time.Now()
		leads, err := p.lead(ctx)
		switch {
		case ledger.CodeOf(err) == ledger.CodeFeedNotPossible:
			p.logger.Error("nothing is published", "error", err)
			return
		case leads:
			waiting = false
			p.publishWhile(ctx, asked)
		case err != nil && ctx.Err() == nil && !waiting:
			waiting = true
			p.logger.Warn("publishing waits until the store can serve", "error", err)
		}
		if !sleep(ctx, leadEvery) {
			return
		}
	}
}

func (p *Pump) lead(ctx context.Context) (leads bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, stopAfter)
	defer cancel()
	return p.store.LeadSink(ctx, p.sink, p.instance)
}

// publishWhile publishes as long as this instance is the one that may, which it asked
// for at an instant.
func (p *Pump) publishWhile(ctx context.Context, asked time.Time) {
	within, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	p.meter.lead(true)
	go func() {
		defer close(ended)
		newRound(p).run(within)
	}()
	for sleep(ctx, leadEvery) {
		again := time.Now()
		leads, err := p.lead(ctx)
		if leads {
			asked = again
		}
		if err == nil && !leads || time.Since(asked) >= stopAfter {
			break
		}
	}
	stop()
	<-ended
	p.meter.lead(false)
	// Another one begins at once, and not when the time is over.
	within, stop = context.WithTimeout(context.WithoutCancel(ctx), resignWithin)
	defer stop()
	if err := p.store.ResignSink(within, p.sink, p.instance); err != nil {
		p.logger.Warn("the next instance publishes some seconds later", "error", err)
	}
}

// fail tells of a failure, the first of a row in the log.
func (p *Pump) fail(err error) {
	p.meter.fail()
	if p.failing {
		p.logger.Debug("events wait", "error", err)
		return
	}
	p.failing = true
	p.logger.Warn("events wait in the database and are published later", "error", err)
}

// recover tells that a row of failures has ended, and reports whether there was one.
func (p *Pump) recover() bool {
	if !p.failing {
		return false
	}
	p.failing = false
	p.logger.Info("events are published again")
	return true
}

// sleep reports whether a time has passed before ctx ended.
func sleep(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
