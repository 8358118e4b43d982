package webhook

import (
	"context"
	"time"
)

const (
	// pruneEvery is how often what was delivered long ago is looked for.
	pruneEvery = time.Minute

	// pruneMax is how many deliveries are removed in one commit, and prunePause the time
	// between two of these, so that a year of them keeps no entry waiting.
	pruneMax   = 200
	prunePause = 20 * time.Millisecond
)

// prune removes what was delivered longer ago than is kept, until ctx ends.
func (d *Dispatcher) prune(ctx context.Context) {
	if d.keepFor == 0 {
		return
	}
	failing := false
	for wait := prunePause; ; {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		removed, err := d.store.PruneDeliveries(ctx, d.now().Add(-d.keepFor), pruneMax)
		if err != nil && ctx.Err() == nil && !failing {
			d.logger.Warn("old deliveries of webhooks stay until the store can serve", "error", err)
		}
		failing = err != nil
		d.meter.prune(removed)
		wait = pruneEvery
		if removed == pruneMax {
			wait = prunePause
		}
	}
}
