package sweep

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/billfold/billfold/internal/ledger"
)

const (
	// ResumeEvery is how long a resumer rests between two rounds.
	ResumeEvery = 10 * time.Second

	// pageTransfers is how many transfers are looked up at a time.
	pageTransfers = 100
)

// Resumer brings transfers to their end that stopped between their legs, because
// the process was killed or a store could not serve. Each of its steps can be made
// again without a second effect, so that it needs no leader and no lease, and may
// meet the very request that is carrying a transfer out.
type Resumer struct {
	book   *ledger.Book
	logger *slog.Logger
	every  time.Duration
	meter  transferMeter
}

// NewResumer returns a resumer for a book. The registry shows what it has left in
// transit; nil keeps no metrics.
func NewResumer(book *ledger.Book, logger *slog.Logger, registry prometheus.Registerer) *Resumer {
	return &Resumer{book: book, logger: logger, every: ResumeEvery, meter: newTransferMeter(registry)}
}

// Run resumes at once, and then every ten seconds, until ctx ends.
func (r *Resumer) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if err := r.resume(ctx); err != nil && ctx.Err() == nil {
			r.logger.Warn("some transfers are still in transit and are tried again", "error", err)
		}
		timer.Reset(r.every)
	}
}

// resume tries every unfinished transfer once.
func (r *Resumer) resume(ctx context.Context) error {
	finished, left, after := 0, 0, ""
	var cause error
	for {
		page, err := r.book.Store().UnfinishedTransfers(ctx, after, pageTransfers)
		if err != nil {
			return err
		}
		for _, t := range page {
			done, err := r.book.ResumeTransfer(ctx, t.Tenant, t.CustomerID, t.ID)
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case err != nil:
				left, cause = left+1, err
			case done.State != ledger.TransferInTransit:
				finished++
			}
			after = t.ID
		}
		if len(page) < pageTransfers {
			break
		}
	}
	r.meter.round(finished, left)
	if finished > 0 {
		r.logger.Info("transfers in transit were finished", "transfers", finished)
	}
	if cause != nil {
		return fmt.Errorf("%d transfers could not be finished, one of them because of: %w", left, cause)
	}
	return nil
}
