// Package sweep writes the expiry entries of lots that have expired, and the notices of
// those that expire soon: by the rules of the ledger, for all wallets, again and again.
// Nothing depends on it but the balances that people see and what they are told:
// expired money cannot be spent from the instant of its expiry, whether or not a sweep
// has come by. So it may run late, twice, or on several instances at once.
package sweep

import (
	"context"
	"errors"
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

	readings ledger.Readings // of the clock

	turn chan struct{} // holds whoever sweeps, or keeps it from being done
}

// New returns a sweeper for a book, whose clock is the sweeper's. The registry
// shows what it has done; nil keeps no metrics.
func New(book *ledger.Book, logger *slog.Logger, registry prometheus.Registerer) *Sweeper {
	return &Sweeper{
		book: book, logger: logger, every: Every, meter: newMeter(registry), turn: make(chan struct{}, 1),
	}
}

// Pause waits for the sweep that is running, if one is, and lets no other begin
// before resume is called. It is for whoever writes a history of the past, in
// which what has expired since is not yet expired.
func (s *Sweeper) Pause(ctx context.Context) (resume func(), err error) {
	select {
	case s.turn <- struct{}{}:
		return func() { <-s.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
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

// sweep writes every entry that is due, and then every notice: what has expired is not
// announced.
func (s *Sweeper) sweep(ctx context.Context) error {
	resume, err := s.Pause(ctx)
	if err != nil {
		return err
	}
	defer resume()
	believed, err := s.writeOff(ctx)
	if believed && ctx.Err() == nil { // whatever could not be written off
		var failed error
		believed, failed = s.announce(ctx)
		err = errors.Join(err, failed)
	}
	if err != nil || !believed || ctx.Err() != nil {
		return err
	}
	s.meter.finished(s.book.Now())
	return nil
}

// writeOff writes every entry that is due, a slice of wallets at a time. It reports false
// where the clock is not to be believed.
func (s *Sweeper) writeOff(ctx context.Context) (believed bool, err error) {
	written := 0
	defer func() {
		if written > 0 {
			s.logger.Info("expired funds were written off", "entries", written)
		}
	}()
	passed := passedWallets{}
	for {
		at, believed := s.read()
		if !believed {
			return false, nil
		}
		wallets, err := s.book.Store().Expired(ctx, at, sliceWallets+len(passed))
		if err != nil {
			return true, err
		}
		if wallets = without(passed, wallets, ownName); len(wallets) == 0 {
			break
		}
		written += slice(wallets, ownName, passed, func(wallet ledger.WalletKey) (int, error) {
			n, err := s.book.Sweep(ctx, wallet, at, walletEntries)
			s.meter.entries(n)
			return n, err
		})
		if ctx.Err() != nil || len(passed) > passedMax {
			break
		}
	}
	return true, passed.err()
}

// announce writes every notice that is due, as writeOff does entries.
func (s *Sweeper) announce(ctx context.Context) (believed bool, err error) {
	written := 0
	defer func() {
		if written > 0 {
			s.logger.Info("funds that expire soon were announced", "notices", written)
		}
	}()
	name := func(due ledger.DueNotices) ledger.WalletKey { return due.Wallet }
	passed := passedWallets{}
	for {
		at, believed := s.read()
		if !believed {
			return false, nil
		}
		due, err := s.book.Store().DueNotices(ctx, at, sliceWallets+len(passed))
		if err != nil {
			return true, err
		}
		if due = without(passed, due, name); len(due) == 0 {
			break
		}
		written += slice(due, name, passed, func(due ledger.DueNotices) (int, error) {
			n, err := s.book.Announce(ctx, due, at, walletEntries)
			s.meter.announced(n)
			return n, err
		})
		if ctx.Err() != nil || len(passed) > passedMax {
			break
		}
	}
	return true, passed.err()
}

// ownName is the name of a wallet of which nothing else is known.
func ownName(wallet ledger.WalletKey) ledger.WalletKey { return wallet }

// read takes a reading of the clock, and says whether it is near enough to the one
// before to be believed.
func (s *Sweeper) read() (now time.Time, believed bool) {
	now = s.book.Now()
	before, believed := s.readings.Believe(now)
	if believed {
		return now, true
	}
	s.logger.Warn("the clock has jumped; expired funds are swept once a second reading confirms it", "from", before, "to", now)
	return now, false
}

// slice does something about wallets, several at once, and returns how much it did. A
// wallet about which nothing was done is passed over from then on: it cannot be done, or
// somebody else has done it.
func slice[T any](
	wallets []T, name func(T) ledger.WalletKey, passed passedWallets, do func(T) (int, error),
) (written int) {
	var mu sync.Mutex
	got := map[ledger.WalletKey]int{}
	queue := make(chan T)
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for wallet := range queue {
				n, err := do(wallet)
				mu.Lock()
				got[name(wallet)] += n
				if err != nil {
					passed[name(wallet)] = err
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
		key := name(wallet)
		written += got[key]
		if _, failed := passed[key]; !failed && got[key] == 0 {
			passed[key] = nil
		}
	}
	return written
}

// passedWallets are the wallets that a sweep does not come back to, with what
// went wrong, nil for nothing.
type passedWallets map[ledger.WalletKey]error

func without[T any](p passedWallets, wallets []T, name func(T) ledger.WalletKey) (rest []T) {
	for _, wallet := range wallets {
		if _, found := p[name(wallet)]; !found {
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
