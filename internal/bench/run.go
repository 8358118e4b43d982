package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
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
	if options.DatabaseURL != "" {
		if b.report.database, err = describeDatabase(ctx, options.DatabaseURL); err != nil {
			return err
		}
	}
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

// What the report calls the contenders and the measurements that it compares.
const (
	embeddedName  = "embedded"
	postgresName  = "PostgreSQL"
	instancesName = "PostgreSQL, 2 instances"
	naiveName     = "PostgreSQL, naive"

	spreadName = "entries, spread"
	hotName    = "entries, one hot wallet"
)

// bench is one run.
type bench struct {
	options *Options
	report  *report
	empty   *target
}

// requests measures everything that runs on the usual number of customers.
func (b *bench) requests(ctx context.Context) (err error) {
	o := b.options
	if !o.wants("spread") && !o.wants("hot") && !o.wants("connections") && !o.wants("bulk") && !o.wants("reads") && o.Rate == 0 {
		return nil
	}
	sites, err := b.newSites(ctx, func(ctx context.Context, f *filler) (*population, error) {
		o.Progress(fmt.Sprintf("making %d customers", o.Customers))
		p, err := f.customers(ctx, o.Customers)
		if err != nil {
			return nil, err
		}
		return p, f.deepen(ctx, p, hotCustomer, hotHistory)
	})
	defer func() { err = errors.Join(err, closeAll(sites)) }()
	if err != nil {
		return err
	}
	if err := b.writes(ctx, sites); err != nil {
		return err
	}
	if o.wants("bulk") {
		if err := b.measure(ctx, b.bulk(sites)); err != nil {
			return err
		}
	}
	if o.wants("reads") {
		if err := b.reads(ctx, sites); err != nil {
			return err
		}
	}
	for _, s := range sites {
		if err := b.finish(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// writes measures single entries in every way.
func (b *bench) writes(ctx context.Context, sites []*site) (err error) {
	o := b.options
	var naive *naive
	if o.DatabaseURL != "" && (o.wants("spread") || o.wants("hot")) {
		if naive, err = b.startNaive(ctx, sites[0].load.population); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, naive.close()) }()
	}
	for _, step := range []struct {
		wanted      bool
		name        string
		connections int
		only        int
		rate        int
		all         bool // with what PostgreSQL is compared with
	}{
		{o.wants("spread"), spreadName, o.Connections, -1, 0, true},
		{o.wants("hot"), hotName, o.Connections, hotCustomer, 0, true},
		{o.wants("connections"), spreadName, 1, -1, 0, false},
		{o.wants("connections"), spreadName, 16, -1, 0, false},
		{o.wants("connections"), spreadName, 256, -1, 0, false},
		{o.Rate > 0, fmt.Sprintf("entries, spread, %d/s due", o.Rate), o.Connections, -1, o.Rate, false},
	} {
		if !step.wanted {
			continue
		}
		m := b.entries(step.name, sites, step.only)
		m.connections, m.rate = step.connections, step.rate
		if step.all && naive != nil {
			shared := sites[len(sites)-1]
			m.contenders = append(m.contenders,
				contender{instancesName, shared.servers, m.contenders[len(m.contenders)-1].requester},
				contender{naiveName, []*target{naive.server}, func() requester { return naive.load.writer(step.only) }})
		}
		if err := b.measure(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// entries is the measurement of single entries on some sites, to all customers
// or to one if only is not negative.
func (b *bench) entries(name string, sites []*site, only int) measurement {
	m := measurement{
		name:        name,
		connections: b.options.Connections,
		empty:       func() requester { return newEntryWriter(sites[0].load.population, 0, only) },
	}
	for _, s := range sites {
		m.contenders = append(m.contenders, contender{
			store: s.store, servers: s.servers[:1], requester: func() requester { return s.load.writer(only) },
		})
	}
	return m
}

// readSample is how many different customers the reads ask for.
const readSample = 1000

// reads measures what shows balances and histories.
func (b *bench) reads(ctx context.Context, sites []*site) error {
	steps := []measurement{
		{name: "reads, wallets of a customer"},
		{name: "reads, first page of 10 entries"},
		{name: "reads, page of 10 by cursor, " + strconv.Itoa(hotHistory/2) + " deep"},
	}
	for _, s := range sites {
		var wallets, pages [][]byte
		for range readSample {
			path := "/customers/" + s.load.population.ids[rand.IntN(len(s.load.population.ids))] + "/wallets"
			wallets = append(wallets, getRequest(path))
			pages = append(pages, getRequest(path+"/ledger-entries?page_size=10"))
		}
		deep, err := deepPage(ctx, s)
		if err != nil {
			return err
		}
		for i, requests := range [][][]byte{wallets, pages, {deep}} {
			seed := uint64(0)
			steps[i].empty = func() requester {
				seed++
				return &reads{requests: requests, random: rand.New(rand.NewPCG(seed, 1))}
			}
			steps[i].contenders = append(steps[i].contenders, contender{s.store, s.servers[:1], steps[i].empty})
		}
	}
	for _, m := range steps {
		m.connections = b.options.Connections
		if err := b.measure(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// deepPage is the request for a page in the middle of the long history.
func deepPage(ctx context.Context, s *site) ([]byte, error) {
	lister := newLister(s.servers[0].addr)
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

// measurement is what some contenders are measured by, in turns.
type measurement struct {
	name        string
	connections int
	rate        int
	entries     int // in each request where they are what counts, else 0
	empty       func() requester
	contenders  []contender
}

// count is how many things that count so many requests are.
func (m *measurement) count(requests int64) int64 { return requests * int64(max(m.entries, 1)) }

// contender is one row of the table: servers that share the connections.
type contender struct {
	store     string
	servers   []*target
	requester func() requester
}

// figures are the outcome of a contender.
type figures struct {
	name        string
	store       string
	connections int
	emptyRate   int64 // medians over the rounds
	realRate    int64
	ratio       int64 // median of the rounds' ratios, in thousandths
	latency     histogram

	rates []int64 // of each round

	// serverCPU and loadCPU are what a request cost the servers and the
	// generator in processor time.
	serverCPU, loadCPU time.Duration
}

// measure runs the rounds: empty handler and contenders take turns, so that all
// see the same minutes of the machine.
func (b *bench) measure(ctx context.Context, m measurement) error {
	o := b.options
	results := make([]figures, len(m.contenders))
	var emptyRates []int64
	for round := range o.Rounds {
		o.Progress(fmt.Sprintf("%s, %d connections, round %d of %d", m.name, m.connections, round+1, o.Rounds))
		empty, err := b.round(ctx, &m, &contender{servers: []*target{b.empty}, requester: m.empty})
		if err != nil {
			return err
		}
		emptyRates = append(emptyRates, empty.perSecond())
		for i := range m.contenders {
			c, f := &m.contenders[i], &results[i]
			serverBefore, loadBefore := c.cpu(), ownCPU()
			real, err := b.round(ctx, &m, c)
			if err != nil {
				return err
			}
			f.serverCPU += c.cpu() - serverBefore
			f.loadCPU += ownCPU() - loadBefore
			f.rates = append(f.rates, real.perSecond())
			f.latency.add(real.latency)
		}
	}
	for i := range results {
		f := &results[i]
		f.name, f.store, f.connections = m.name, m.contenders[i].store, m.connections
		f.emptyRate, f.realRate, f.ratio = median(emptyRates), median(f.rates), medianRatio(f.rates, emptyRates)
		f.serverCPU = b.perRequest(f.serverCPU, m.count(f.latency.total))
		f.loadCPU = b.perRequest(f.loadCPU, m.count(f.latency.total))
	}
	b.report.figures = append(b.report.figures, results...)
	return nil
}

// cpu is the processor time that the servers have used.
func (c *contender) cpu() (sum time.Duration) {
	for _, t := range c.servers {
		sum += t.cpu()
	}
	return sum
}

// perRequest shares processor time among the requests. The warm-up costs some
// too, and its requests are not counted.
func (b *bench) perRequest(cpu time.Duration, requests int64) time.Duration {
	counted := int64(b.options.Duration) * 1000 / int64(b.options.Duration+b.options.Warmup)
	return cpu * time.Duration(counted) / 1000 / time.Duration(max(requests, 1))
}

func (b *bench) round(ctx context.Context, m *measurement, c *contender) (*loadResult, error) {
	plan := &loadPlan{
		connections: m.connections,
		warmup:      b.options.Warmup,
		duration:    b.options.Duration,
		rate:        m.rate,
		requester:   c.requester,
	}
	for _, t := range c.servers {
		plan.addrs = append(plan.addrs, t.addr)
	}
	result, err := runLoad(ctx, plan)
	if err != nil {
		return nil, fmt.Errorf("%s at %s: %w\n%s", m.name, c.servers[0].name, err, c.servers[0].log)
	}
	result.requests = m.count(result.requests)
	return result, nil
}

// medianRatio is the median of a's numbers over b's of the same round, in
// thousandths.
func medianRatio(a, b []int64) int64 {
	ratios := make([]int64, len(a))
	for i := range a {
		ratios[i] = a[i] * 1000 / max(b[i], 1)
	}
	return median(ratios)
}

// median of at least one number; of an even count, the lower of the middle two.
func median(numbers []int64) int64 {
	sorted := slices.Sorted(slices.Values(numbers))
	return sorted[(len(sorted)-1)/2]
}
