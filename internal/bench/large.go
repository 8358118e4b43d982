package bench

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// starts is how often a server is started to measure how long that takes.
const starts = 3

// startFigures are what a server with very many customers needs.
type startFigures struct {
	customers int
	ready     time.Duration // median of the starts, from the process's begin to the first answer
	idle      int64         // bytes of memory when it is ready
	loaded    int64         // after the load
	most      int64
}

// population measures memory and start with very many customers.
func (b *bench) population(ctx context.Context) (err error) {
	o := b.options
	if !o.wants("population") {
		return nil
	}
	o.Progress(fmt.Sprintf("making %d customers", o.Population))
	s, err := b.newSite(ctx, embeddedName, func(ctx context.Context, f *filler) (*population, error) {
		return f.customers(ctx, o.Population)
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	result := startFigures{customers: o.Population}
	ready := []int64{int64(s.servers[0].ready)}
	for range starts - 1 {
		if err := s.stop(); err != nil {
			return err
		}
		if err := s.start(ctx); err != nil {
			return err
		}
		ready = append(ready, int64(s.servers[0].ready))
	}
	result.ready = time.Duration(median(ready))
	result.idle, _ = s.servers[0].memory()
	m := b.entries(fmt.Sprintf("entries, spread over %d customers", o.Population), []*site{s}, -1)
	if err := b.measure(ctx, m); err != nil {
		return err
	}
	result.loaded, result.most = s.servers[0].memory()
	b.report.starts = append(b.report.starts, result)
	return b.finish(ctx, s)
}

// historyFigures compare an entry's cost in a small and in a large ledger.
type historyFigures struct {
	store        string
	small, large int64 // entries in the ledger when measuring began

	// cost is the large ledger's cost of an entry over the small one's, in
	// thousandths, by the ratio to the empty handler in the same minutes.
	cost int64
}

// historyFactor is how much smaller the small ledger is.
const historyFactor = 100

// history measures a ledger on every store, fills it up and measures it again.
func (b *bench) history(ctx context.Context) (err error) {
	o := b.options
	if !o.wants("history") {
		return nil
	}
	small := max(int64(o.History/historyFactor), 2*int64(o.Customers))
	sites, err := b.newSites(ctx, func(ctx context.Context, f *filler) (*population, error) {
		o.Progress(fmt.Sprintf("filling a ledger with %d entries", small))
		p, err := f.customers(ctx, o.Customers)
		if err != nil {
			return nil, err
		}
		return p, f.entries(ctx, p, small)
	})
	defer func() { err = errors.Join(err, closeAll(sites)) }()
	if err != nil {
		return err
	}
	before, err := b.measureHistory(ctx, sites, small)
	if err != nil {
		return err
	}
	for _, s := range sites {
		if err := b.growHistory(ctx, s); err != nil {
			return err
		}
	}
	after, err := b.measureHistory(ctx, sites, int64(o.History))
	if err != nil {
		return err
	}
	for i, s := range sites {
		b.report.histories = append(b.report.histories, historyFigures{
			store: s.store, small: small, large: int64(o.History), cost: before[i].ratio * 1000 / max(after[i].ratio, 1),
		})
		if err := b.finish(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// growHistory fills a ledger up. What was posted before belongs to the history
// of the second half, so it is compared now.
func (b *bench) growHistory(ctx context.Context, s *site) error {
	total, result, err := s.load.check(ctx, s.servers[0].addr)
	if err := errors.Join(err, s.stop()); err != nil {
		return err
	}
	result.store = s.store
	b.report.checks = append(b.report.checks, result)
	if err := s.grow(ctx, b, int64(b.options.History)-total); err != nil {
		return err
	}
	return s.start(ctx)
}

// measureHistory measures on top of so many entries. The gigabytes that filling
// has left to be written would be written while the first store is measured, so
// they are before.
func (b *bench) measureHistory(ctx context.Context, sites []*site, entries int64) ([]figures, error) {
	for _, s := range sites {
		if err := s.database.settle(ctx); err != nil {
			return nil, err
		}
	}
	syscall.Sync()
	err := b.measure(ctx, b.entries(fmt.Sprintf("entries, spread, on top of %d", entries), sites, -1))
	if err != nil {
		return nil, err
	}
	return b.report.figures[len(b.report.figures)-len(sites):], nil
}

// grow adds entries to the ledger of a stopped server. What was acknowledged so
// far has been compared and becomes part of the base.
func (s *site) grow(ctx context.Context, b *bench, entries int64) error {
	p := s.load.settle()
	_, err := s.fill(ctx, func(ctx context.Context, f *filler) (*population, error) {
		var base int64
		for _, n := range p.base {
			base += n
		}
		b.options.Progress(fmt.Sprintf("filling up with %d entries", max(entries, 0)))
		return p, f.entries(ctx, p, base+entries)
	})
	return err
}

// settle forgets what was acknowledged and counts it in the base.
func (l *ledgerLoad) settle() *population {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for _, log := range l.logs {
		for _, piece := range log.pieces {
			for _, a := range piece {
				l.population.base[a.customer]++
			}
		}
	}
	l.logs = nil
	return l.population
}
