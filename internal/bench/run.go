package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"time"
)

// Run measures what the options ask for, checks every acknowledged entry and
// prints the figures. It returns an error when a target fails or when the
// ledger differs from what was acknowledged; the figures measured so far are
// printed all the same.
func Run(ctx context.Context, options Options, out io.Writer) (err error) {
	options, err = options.withDefaults()
	if err != nil {
		return err
	}
	// The generator's own garbage is not what is measured.
	defer debug.SetGCPercent(debug.SetGCPercent(collectorPercent))

	b := &bench{options: &options, report: &report{options: &options}}
	b.report.machine = describeMachine(options.Dir, options.Program)
	defer func() { err = errors.Join(err, b.report.write(out)) }()
	if b.empty, err = startEmpty(ctx, &options); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.empty.stop()) }()
	for _, part := range []func(context.Context) error{b.requests, b.population, b.history} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

const collectorPercent = 800

// hotCustomer is the one with the long history.
const (
	hotCustomer = 0
	hotHistory  = 10_000
)

// bench is one run.
type bench struct {
	options *Options
	report  *report
	empty   *target
}

// site is a real server with the ledger that it serves.
type site struct {
	dir    string
	server *target
	load   *ledgerLoad
}

// fillFunc fills a ledger and says whose entries are in it.
type fillFunc func(ctx context.Context, f *filler) (*population, error)

// newSite makes a ledger, has fill fill it, and starts a server on it.
func (b *bench) newSite(ctx context.Context, fill fillFunc) (_ *site, err error) {
	s := &site{}
	if s.dir, err = os.MkdirTemp(b.options.Dir, "billfold-bench-"); err != nil {
		return nil, fmt.Errorf("make a directory for the ledger: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	// The first start makes the business with the key of this run.
	if s.server, err = startServer(ctx, b.options, s.dir); err != nil {
		return nil, err
	}
	if err := s.stop(); err != nil {
		return nil, err
	}
	customers, err := s.fill(ctx, fill)
	if err != nil {
		return nil, err
	}
	s.load = &ledgerLoad{population: customers}
	s.server, err = startServer(ctx, b.options, s.dir)
	return s, err
}

func (s *site) fill(ctx context.Context, fill fillFunc) (_ *population, err error) {
	f, err := openFiller(ctx, s.dir)
	if err != nil {
		return nil, fmt.Errorf("fill the ledger: %w", err)
	}
	defer func() { err = errors.Join(err, f.close()) }()
	return fill(ctx, f)
}

func (s *site) stop() error {
	server := s.server
	s.server = nil
	return server.stop()
}

func (s *site) close() error { return errors.Join(s.stop(), os.RemoveAll(s.dir)) }

// finish compares the ledger with everything that was acknowledged, through the
// API and from the raw rows.
func (b *bench) finish(ctx context.Context, s *site) error {
	b.options.Progress("comparing every acknowledged entry")
	began := time.Now()
	total, result, err := s.load.check(ctx, s.server.addr)
	if stopErr := s.stop(); stopErr != nil {
		err = errors.Join(err, stopErr)
	}
	if err == nil || errors.Is(err, errDiffers) {
		b.options.Progress("recomputing every law from the raw rows")
		err = errors.Join(err, verifyLedger(ctx, s.dir, total, &result))
	}
	result.took = time.Since(began)
	if err == nil {
		b.report.checks = append(b.report.checks, result)
	}
	return err
}

// requests measures everything that runs on the usual number of customers.
func (b *bench) requests(ctx context.Context) (err error) {
	o := b.options
	if !o.wants("spread") && !o.wants("hot") && !o.wants("connections") && !o.wants("reads") && o.Rate == 0 {
		return nil
	}
	o.Progress(fmt.Sprintf("making %d customers", o.Customers))
	s, err := b.newSite(ctx, func(ctx context.Context, f *filler) (*population, error) {
		p, err := f.customers(ctx, o.Customers)
		if err != nil {
			return nil, err
		}
		return p, f.deepen(ctx, p, hotCustomer, hotHistory)
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := b.writes(ctx, s); err != nil {
		return err
	}
	if o.wants("reads") {
		if err := b.reads(ctx, s); err != nil {
			return err
		}
	}
	return b.finish(ctx, s)
}

// writes measures single entries in every way.
func (b *bench) writes(ctx context.Context, s *site) error {
	o := b.options
	type step struct {
		wanted      bool
		name        string
		connections int
		only        int
		rate        int
	}
	for _, step := range []step{
		{o.wants("spread"), "entries, spread", o.Connections, -1, 0},
		{o.wants("hot"), "entries, one hot wallet", o.Connections, hotCustomer, 0},
		{o.wants("connections"), "entries, spread", 1, -1, 0},
		{o.wants("connections"), "entries, spread", 16, -1, 0},
		{o.wants("connections"), "entries, spread", 256, -1, 0},
		{o.Rate > 0, fmt.Sprintf("entries, spread, %d/s due", o.Rate), o.Connections, -1, o.Rate},
	} {
		if !step.wanted {
			continue
		}
		m := measurement{
			name:        step.name,
			connections: step.connections,
			rate:        step.rate,
			empty:       func() requester { return newEntryWriter(s.load.population, 0, step.only) },
			real:        func() requester { return s.load.writer(step.only) },
		}
		if err := b.measure(ctx, s, m); err != nil {
			return err
		}
	}
	return nil
}

// readSample is how many different customers the reads ask for.
const readSample = 1000

// reads measures what shows balances and histories.
func (b *bench) reads(ctx context.Context, s *site) error {
	var wallets, pages [][]byte
	p := s.load.population
	for range readSample {
		path := "/customers/" + p.ids[rand.IntN(len(p.ids))] + "/wallets"
		wallets = append(wallets, getRequest(path))
		pages = append(pages, getRequest(path+"/ledger-entries?page_size=10"))
	}
	deep, err := deepPage(ctx, s)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		name     string
		requests [][]byte
	}{
		{"reads, wallets of a customer", wallets},
		{"reads, first page of 10 entries", pages},
		{"reads, page of 10 by cursor, " + strconv.Itoa(hotHistory/2) + " deep", [][]byte{deep}},
	} {
		seed := uint64(0)
		requester := func() requester {
			seed++
			return &reads{requests: step.requests, random: rand.New(rand.NewPCG(seed, 1))}
		}
		m := measurement{name: step.name, connections: b.options.Connections, empty: requester, real: requester}
		if err := b.measure(ctx, s, m); err != nil {
			return err
		}
	}
	return nil
}

// deepPage is the request for a page in the middle of the long history.
func deepPage(ctx context.Context, s *site) ([]byte, error) {
	lister := newLister(s.server.addr)
	defer lister.close()
	customer := s.load.population.ids[hotCustomer]
	query := url.Values{"page_size": {"10"}, "page_number": {strconv.Itoa(hotHistory / 2 / 10)}}
	page, err := lister.page(ctx, customer, query)
	if err != nil {
		return nil, err
	}
	if page.Next == nil {
		return nil, errors.New("the long history ends before its middle")
	}
	query = url.Values{"page_size": {"10"}, "cursor": {*page.Next}}
	return getRequest("/customers/" + customer + "/wallets/ledger-entries?" + query.Encode()), nil
}

// measurement is one row of the table.
type measurement struct {
	name        string
	connections int
	rate        int
	empty, real func() requester
}

// figures are the outcome of a measurement.
type figures struct {
	measurement
	emptyRate int64 // medians over the rounds
	realRate  int64
	ratio     int64 // median of the rounds' ratios, in thousandths
	latency   histogram

	// serverCPU and loadCPU are what a request cost the server and the
	// generator in processor time.
	serverCPU, loadCPU time.Duration
}

// measure runs the rounds: empty handler and server take turns, so that both
// see the same minutes of the machine.
func (b *bench) measure(ctx context.Context, s *site, m measurement) error {
	o := b.options
	result := figures{measurement: m}
	var emptyRates, realRates, ratios []int64
	var serverCPU, loadCPU time.Duration
	for round := range o.Rounds {
		o.Progress(fmt.Sprintf("%s, %d connections, round %d of %d", m.name, m.connections, round+1, o.Rounds))
		empty, err := b.round(ctx, b.empty, m, m.empty)
		if err != nil {
			return err
		}
		serverBefore, loadBefore := s.server.cpu(), ownCPU()
		real, err := b.round(ctx, s.server, m, m.real)
		if err != nil {
			return err
		}
		serverCPU += s.server.cpu() - serverBefore
		loadCPU += ownCPU() - loadBefore
		emptyRates = append(emptyRates, empty.perSecond())
		realRates = append(realRates, real.perSecond())
		ratios = append(ratios, real.perSecond()*1000/max(empty.perSecond(), 1))
		result.latency.add(real.latency)
	}
	result.emptyRate, result.realRate, result.ratio = median(emptyRates), median(realRates), median(ratios)
	result.serverCPU = b.perRequest(serverCPU, result.latency.total)
	result.loadCPU = b.perRequest(loadCPU, result.latency.total)
	b.report.figures = append(b.report.figures, result)
	return nil
}

// perRequest shares processor time among the requests. The warm-up costs some
// too, and its requests are not counted.
func (b *bench) perRequest(cpu time.Duration, requests int64) time.Duration {
	counted := int64(b.options.Duration) * 1000 / int64(b.options.Duration+b.options.Warmup)
	return cpu * time.Duration(counted) / 1000 / time.Duration(max(requests, 1))
}

func (b *bench) round(ctx context.Context, t *target, m measurement, requester func() requester) (*loadResult, error) {
	result, err := runLoad(ctx, &loadPlan{
		addr:        t.addr,
		connections: m.connections,
		warmup:      b.options.Warmup,
		duration:    b.options.Duration,
		rate:        m.rate,
		requester:   requester,
	})
	if err != nil {
		return nil, fmt.Errorf("%s at %s: %w\n%s", m.name, t.name, err, t.log)
	}
	return result, nil
}

// median of at least one number; of an even count, the lower of the middle two.
func median(numbers []int64) int64 {
	sorted := slices.Sorted(slices.Values(numbers))
	return sorted[(len(sorted)-1)/2]
}
