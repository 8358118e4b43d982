package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/billfold/billfold/internal/verify"
)

// instances is how many servers share a database of PostgreSQL.
const instances = 2

// site is a ledger with the servers that serve it.
type site struct {
	options  *Options
	store    string
	dir      string    // the servers' data directories
	database *database // nil: the ledger is in the one server's directory
	servers  []*target
	load     *ledgerLoad
}

// fillFunc fills a ledger and says whose entries are in it.
type fillFunc func(ctx context.Context, f *filler) (*population, error)

// newSites makes a ledger on every store that is measured. What was made is
// returned also with an error.
func (b *bench) newSites(ctx context.Context, fill fillFunc) (sites []*site, err error) {
	stores := []string{embeddedName}
	if b.options.DatabaseURL != "" {
		stores = append(stores, postgresName)
	}
	for _, store := range stores {
		s, err := b.newSite(ctx, store, fill)
		if err != nil {
			return sites, err
		}
		sites = append(sites, s)
	}
	return sites, nil
}

// newSite makes a ledger, has fill fill it, and starts servers on it.
func (b *bench) newSite(ctx context.Context, store string, fill fillFunc) (_ *site, err error) {
	s := &site{options: b.options, store: store}
	if s.dir, err = os.MkdirTemp(b.options.Dir, "billfold-bench-"); err != nil {
		return nil, fmt.Errorf("make a directory for the ledger: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if store == postgresName {
		if s.database, err = createDatabase(ctx, b.options.DatabaseURL); err != nil {
			return nil, err
		}
	}
	// The first start makes the business with the key of this run.
	if err := s.start(ctx); err != nil {
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
	return s, s.start(ctx)
}

// start starts the servers, one after the other.
func (s *site) start(ctx context.Context) error {
	count := 1
	if s.database != nil {
		count = instances
	}
	for i := range count {
		server, err := startServer(ctx, s.options, s.dataDir(i), s.database)
		if err != nil {
			return err
		}
		s.servers = append(s.servers, server)
	}
	return nil
}

func (s *site) dataDir(server int) string {
	return filepath.Join(s.dir, dataDirName+strconv.Itoa(server))
}

func (s *site) fill(ctx context.Context, fill fillFunc) (_ *population, err error) {
	f, err := openFiller(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("fill the ledger: %w", err)
	}
	defer func() { err = errors.Join(err, f.close()) }()
	return fill(ctx, f)
}

func (s *site) stop() (err error) {
	for _, server := range s.servers {
		err = errors.Join(err, server.stop())
	}
	s.servers = nil
	return err
}

func (s *site) close() error { return errors.Join(s.stop(), s.database.drop(), os.RemoveAll(s.dir)) }

func closeAll(sites []*site) (err error) {
	for _, s := range sites {
		err = errors.Join(err, s.close())
	}
	return err
}

// finish compares the ledger with everything that was acknowledged, through the
// API and from the raw rows.
func (b *bench) finish(ctx context.Context, s *site) error {
	b.options.Progress("comparing every acknowledged entry")
	began := time.Now()
	total, result, err := s.load.check(ctx, s.servers[len(s.servers)-1].addr)
	if stopErr := s.stop(); stopErr != nil {
		err = errors.Join(err, stopErr)
	}
	if err == nil || errors.Is(err, errDiffers) {
		b.options.Progress("recomputing every law from the raw rows")
		err = errors.Join(err, s.verify(ctx, total, &result))
	}
	result.took, result.store = time.Since(began), s.store
	if err == nil {
		b.report.checks = append(b.report.checks, result)
	}
	return err
}

// verify recomputes the laws of a ledger whose servers are stopped, and
// compares the number of entries.
func (s *site) verify(ctx context.Context, total int64, result *checkResult) error {
	options := verify.Options{Path: s.dataDir(0)}
	if s.database != nil {
		options = verify.Options{DatabaseURL: s.database.url}
	}
	report, err := verify.Run(ctx, options)
	if err != nil {
		return err
	}
	result.verified = report.Entries
	var found problems
	for _, finding := range report.Findings {
		found.add("%s", finding)
	}
	if report.Entries != total {
		found.add("the ledger holds %d entries, want %d", report.Entries, total)
	}
	return found.err()
}
