package verify

import (
	"context"
	"errors"
	"fmt"
)

// Options say what to verify.
type Options struct {
	// Path is the ledger file, or the data directory that holds it.
	Path string

	// DatabaseURL is a PostgreSQL database to verify instead.
	DatabaseURL string

	// Progress, when set, is called now and then with how many entries are
	// done, out of how many. It must return quickly and is not called by two
	// goroutines at once.
	Progress func(done, total int64)

	// Quick checks only the newest entries, their links and the wallets that
	// they touched: what a torn or misdirected write at the end would break.
	// Its time does not depend on how many entries there are.
	Quick bool

	// QuickEntries is how many of the newest entries a quick run looks at; 0
	// means 256.
	QuickEntries int

	// Checkpoint, when set, calls its argument with each head of an earlier
	// moment. A customer whose chains do not go on from there breaks law M6, or
	// N5 for the audit trail. A quick run does not call it.
	Checkpoint func(yield func(Head) error) error

	// Heads, when set, is called with where the chains of each customer stand,
	// sorted by id, business and mode, as of the moment that was verified. It is
	// not called in a quick run, nor when a law is broken.
	Heads func(Head) error

	// Piece is how many entries of a customer a [Patrol] reads in one moment; 0 means
	// 1,024. Of a file it must be a multiple of 64.
	Piece int

	// weight is how much of the ledger is held in memory at a time; 0 means
	// rangeWeight. Tests make it small.
	weight int64
}

func (o Options) rangeWeight() int64 {
	if o.weight > 0 {
		return o.weight
	}
	return rangeWeight
}

const quickEntriesDefault = 256

// Run verifies a ledger. What breaks a law is in the report; an error
// means that the run could not be finished.
func Run(ctx context.Context, options Options) (report Report, err error) {
	if options.DatabaseURL != "" {
		if report, err = runPostgres(ctx, options); err != nil {
			return Report{}, fmt.Errorf("verify the database: %w", err)
		}
		return report, nil
	}
	f, err := openFile(ctx, options.Path)
	if ctx.Err() != nil {
		err = errors.Join(ctx.Err(), f.close())
	}
	if err != nil {
		return Report{}, err
	}
	defer func() {
		err = errors.Join(err, f.close())
		if ctx.Err() != nil {
			err = ctx.Err()
		}
	}()
	if options.Quick {
		report, err = runQuick(f, options)
	} else {
		report, err = runAll(ctx, f, options)
	}
	if err != nil {
		return Report{}, fmt.Errorf("verify %s: %w", f.path, explain(err))
	}
	return report, nil
}

// batchesInFlight is how many batches go round between reader and checker.
const batchesInFlight = 4

// runAll reads in one goroutine and recomputes in another.
func runAll(ctx context.Context, f *file, options Options) (Report, error) {
	tenants, err := f.readTenants()
	if err != nil {
		return Report{}, err
	}
	empty := make(chan *batch, batchesInFlight)
	full := make(chan *batch, batchesInFlight)
	for range batchesInFlight {
		empty <- newBatch()
	}
	check := newChecker(tenants, options.Progress)
	if check.reversed, err = f.readReversed(); err != nil {
		return Report{}, err
	}
	if check.rollups, err = f.readProgress(); err != nil {
		return Report{}, err
	}
	checked := make(chan struct{})
	go func() {
		defer close(checked)
		for b := range full {
			check.batch(b)
			b.reset()
			empty <- b
		}
	}()
	reader := &reader{ctx: ctx, file: f, empty: empty, full: full}
	err = reader.read(check, options.rangeWeight())
	close(full)
	<-checked
	if err != nil {
		return Report{}, err
	}
	rows, err := f.readPairs(ctx)
	if err != nil {
		return Report{}, err
	}
	check.pairs(rows, rows.broken)
	if err := errors.Join(f.readObjects(ctx, check, 0), f.readTold(ctx, check), f.readRollups(ctx, check)); err != nil {
		return Report{}, err
	}
	report := check.report()
	if err := f.heads(tenants, options, check.found); err != nil {
		return Report{}, err
	}
	report.Findings = check.found.list()
	return report, nil
}
