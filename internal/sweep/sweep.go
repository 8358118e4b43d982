// Package sweep writes the expiry entries of lots that have expired: by the rule
// of the ledger, for all wallets, again and again. Nothing depends on it but the
// balances that people see: expired money cannot be spent from the instant of its
// expiry, whether or not a sweep has come by. So it may run late, twice, or on
// several instances at once.
package sweep

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/billfold/billfold/internal/ledger"
)

const (
	// Every is how long a sweeper rests between two sweeps.
	Every = time.Minute

	// jumpMax is how far two readings of the clock may lie apart before the
	// later one has to be confirmed by a third (law Q4).
	jumpMax = time.Hour

	// sliceWallets is how many wallets are looked up at a time, walletEntries how
	// many entries one of them gets before the others have their turn.
	sliceWallets  = 100
	walletEntries = 50

	// workers bounds how many entries are written at once, so that a long sweep
	// is a handful of commands in the queue of the store and no more.
	workers = 8

	// passedMax is how many wallets a sweep passes over, because they could not
	// be swept, before it gives up until the next.
	passedMax = 1000
)

// Sweeper sweeps the wallets of a ledger.
type Sweeper struct {
	book   *ledger.Book
	logger *slog.Logger
	every  time.Duration
	meter  meter

	last time.Time // reading of the clock
}

// New returns a sweeper for a book, whose clock is the sweeper's. The registry
// shows what it has done; nil keeps no metrics.
func New(book *ledger.Book, logger *slog.Logger, registry prometheus.Registerer) *Sweeper {
	return &Sweeper{book: book, logger: logger, every: Every, meter: newMeter(registry)}
}

// Run sweeps at once, and then every minute, until ctx ends.
func (s *Sweeper) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.logger.Warn("a sweep of expired funds ended early and is made again; nobody can spend them meanwhile", "error", err)
		}
		timer.Reset(s.every)
	}
}

// sweep writes every entry that is due, a slice of wallets at a time.
func (s *Sweeper) sweep(ctx context.Context) error {
	written := 0
	defer func() {
		if written > 0 {
			s.logger.Info("expired funds were written off", "entries", written)
		}
	}()
	passed := passedWallets{}
	for {
		at := s.book.Now()
		if before, jumped := s.read(at); jumped {
			s.logger.Warn("the clock has jumped; expired funds are swept once a second reading confirms it", "from", before, "to", at)
			return nil
		}
		wallets, err := s.book.Store().Expired(ctx, at, sliceWallets+len(passed))
		if err != nil {
			return err
		}
		if wallets = passed.without(wallets); len(wallets) == 0 {
			break
		}
		n := s.slice(ctx, wallets, at, passed)
		written += n
		if ctx.Err() != nil || len(passed) > passedMax {
			break
		}
	}
	if err := passed.err(); err != nil || ctx.Err() != nil {
		return err
	}
	s.meter.finished(s.book.Now())
	return nil
}

// read takes a reading of the clock, and says whether it is too far from the one
// before to be believed.
func (s *Sweeper) read(now time.Time) (before time.Time, jumped bool) {
	before, s.last = s.last, now
	return before, !before.IsZero() && now.Sub(before).Abs() > jumpMax
}

// slice sweeps wallets, several at once, and returns how many entries it wrote.
// A wallet that got none is passed over from then on: it cannot be swept, or
// somebody else has done it.
func (s *Sweeper) slice(
	ctx context.Context, wallets []ledger.WalletKey, at time.Time, passed passedWallets,
) (written int) {
	var mu sync.Mutex
	got := map[ledger.WalletKey]int{}
	queue := make(chan ledger.WalletKey)
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for wallet := range queue {
				n, err := s.book.Sweep(ctx, wallet, at, walletEntries)
				s.meter.entries(n)
				mu.Lock()
				got[wallet] += n
				if err != nil {
					passed[wallet] = err
				}
				mu.Unlock()
			}
		})
	}
	// Few wallets of many lots are swept by several workers each: what they write
	// at once is one write of the wallet's row.
	for range max(1, workers/len(wallets)) {
		for _, wallet := range wallets {
			queue <- wallet
		}
	}
	close(queue)
	running.Wait()
	for _, wallet := range wallets {
		written += got[wallet]
		if _, failed := passed[wallet]; !failed && got[wallet] == 0 {
			passed[wallet] = nil
		}
	}
	return written
}

// passedWallets are the wallets that a sweep does not come back to, with what
// went wrong, nil for nothing.
type passedWallets map[ledger.WalletKey]error

func (p passedWallets) without(wallets []ledger.WalletKey) (rest []ledger.WalletKey) {
	for _, wallet := range wallets {
		if _, found := p[wallet]; !found {
			rest = append(rest, wallet)
		}
	}
	return rest
}

// err says how many wallets could not be swept, and why one of them could not.
func (p passedWallets) err() error {
	failed := 0
	var cause error
	for _, err := range p {
		if err != nil {
			failed, cause = failed+1, err
		}
	}
	if cause == nil {
		return nil
	}
	return fmt.Errorf("%d wallets could not be swept, one of them because of: %w", failed, cause)
}
