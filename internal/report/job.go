package report

import (
	"context"
	"log/slog"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

const (
	// FoldEvery is how long a job rests when there is nothing to add up.
	FoldEvery = 2 * time.Second

	// foldPause is how long it rests between two pieces, so that it never takes a
	// processor for itself.
	foldPause = 5 * time.Millisecond

	// foldLimit is about how many entries are added up at a time.
	foldLimit = 5000
)

// Job keeps the roll-ups up to date. Reports are right without it, only slower; so it
// needs no leader, and may be killed at any time.
type Job struct {
	store  Store
	logger *slog.Logger
	every  time.Duration
}

// NewJob returns a job on a store.
func NewJob(store Store, logger *slog.Logger) *Job {
	return &Job{store: store, logger: logger, every: FoldEvery}
}

// Run adds up what there is, and then what comes, until ctx ends.
func (j *Job) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		more, err := j.store.FoldReports(ctx, foldLimit)
		switch {
		case err != nil && ctx.Err() == nil:
			j.logger.Warn("entries could not be added up for reports; it is tried again", "error", err)
			timer.Reset(j.every)
		case more:
			timer.Reset(foldPause)
		default:
			timer.Reset(j.every)
		}
	}
}

// CatchUp adds up everything that there is.
func CatchUp(ctx context.Context, store Store) error {
	for {
		more, err := store.FoldReports(ctx, foldLimit)
		if err != nil || !more {
			return err
		}
	}
}

// Read reads the activity of a tenant around edges, see [ReadActivity].
func Read(
	ctx context.Context, store Store, tenant ledger.Tenant, edges []time.Time, only money.Currency,
) (a *Activity, err error) {
	err = store.ReadReports(ctx, tenant, func(src Source) (err error) {
		a, err = ReadActivity(src, edges, only)
		return err
	})
	return a, err
}

// ReadLots reads the holdings of a tenant around edges, see [ReadHoldings].
func ReadLots(
	ctx context.Context, store Store, tenant ledger.Tenant, span Span, edges []time.Time, only money.Currency,
) (h *Holdings, err error) {
	err = store.ReadReports(ctx, tenant, func(src Source) (err error) {
		h, err = ReadHoldings(src, span, edges, only)
		return err
	})
	return h, err
}
