// Package selfaudit proves the ledger right in the background, again and again,
// while it is served. It goes from customer to customer and never holds the
// store's history of a moment for longer than a piece of one of them takes; in
// between it rests in proportion to the time that it worked, so that it costs no
// more than a share of one processor.
//
// It only looks. What it finds is logged and shown in the metrics, and nothing is
// refused for it: the server goes on as before, since what is wrong may be one
// customer of very many, and whether to stop is for those who run it.
package selfaudit

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/billfold/billfold/internal/verify"
)

const (
	// restEvery is how much rest is owed before it is taken: pieces of a few
	// customers make no sleep of their own.
	restEvery = 20 * time.Millisecond

	// restMax bounds one rest, also when the machine itself has slept.
	restMax = 2 * time.Hour

	// roundEvery is how long a round takes at the least. A small store is gone
	// through in no time, and need not be more often.
	roundEvery = time.Minute

	// retryEvery is how long it rests after it could not look.
	retryEvery = 10 * time.Second

	// saidMax is how many findings of a round are logged one by one.
	saidMax = 10
)

// Config says what is audited, and at what cost.
type Config struct {
	// Store is the file or the database.
	Store verify.Options

	// Percent is the share of one processor that it may take, 1 to 100.
	Percent int

	Logger *slog.Logger

	// Registry shows what it has done and found; nil keeps no metrics.
	Registry prometheus.Registerer
}

// Auditor audits one store.
type Auditor struct {
	config Config
	patrol *verify.Patrol
	meter  meter
	logger *slog.Logger

	roundEvery time.Duration
	retryEvery time.Duration

	owed  time.Duration // of rest
	round round
}

// round is what the round at hand has seen.
type round struct {
	began     time.Time
	customers int64
	entries   int64
	findings  int
	laws      map[verify.Law]bool // broken
}

// New returns an auditor, which connects when it runs.
func New(config Config) *Auditor {
	return &Auditor{
		config: config, patrol: verify.OpenPatrol(config.Store), meter: newMeter(config.Registry),
		logger: config.Logger, roundEvery: roundEvery, retryEvery: retryEvery, round: newRound(),
	}
}

func newRound() round { return round{laws: map[verify.Law]bool{}} }

// Run audits until ctx ends.
func (a *Auditor) Run(ctx context.Context) {
	defer func() {
		if err := a.patrol.Close(); err != nil {
			a.logger.Warn("the self-audit did not close its connection", "error", err)
		}
	}()
	for ctx.Err() == nil {
		rest(ctx, a.step(ctx))
	}
}

// step checks one piece and returns how long to rest.
func (a *Auditor) step(ctx context.Context) time.Duration {
	began := time.Now()
	if a.round.began.IsZero() {
		a.round.began = began
	}
	stride, err := a.patrol.Step(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return 0
		}
		a.meter.failed()
		a.logger.Warn("the self-audit could not look and tries again", "error", err)
		return a.retryEvery
	}
	a.seen(stride)
	a.owed += time.Since(began) * time.Duration(100-a.config.Percent) / time.Duration(a.config.Percent)
	pause := time.Duration(0)
	if a.owed >= restEvery {
		pause, a.owed = min(a.owed, restMax), 0
	}
	if stride.Ended {
		pause = max(pause, time.Until(a.round.began.Add(a.roundEvery)))
		a.ended()
	}
	return pause
}

// seen notes what a step has seen.
func (a *Auditor) seen(stride verify.Stride) {
	r := &a.round
	r.customers += stride.Customers
	r.entries += stride.Entries
	a.meter.seen(stride)
	for _, finding := range stride.Findings {
		if r.laws[finding.Law] = true; r.findings < saidMax {
			a.logger.Error("the self-audit found a law of the ledger broken; the server goes on: look with `billfold verify`, "+
				"and see docs/operations.md", "law", finding.Law, "finding", finding.String())
		}
		r.findings++
	}
	if len(stride.Findings) > 0 {
		a.meter.broken(len(r.laws))
	}
}

// ended closes a round. What it found stands in the metrics until one is clean.
func (a *Auditor) ended() {
	r := a.round
	switch {
	case r.findings == 0:
		a.meter.clean(time.Now())
		a.logger.Debug("the self-audit found every law kept", "customers", r.customers, "entries", r.entries,
			"took", time.Since(r.began))
	case r.findings > saidMax:
		a.logger.Error("the self-audit found more than is logged one by one", "findings", r.findings)
	}
	a.round = newRound()
	if r.findings > 0 {
		a.round.laws = r.laws
	}
}

// rest waits, or until ctx ends.
func rest(ctx context.Context, pause time.Duration) {
	if pause <= 0 {
		return
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
