package postgres_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/billfold/billfold/internal/pgtest"
	"github.com/billfold/billfold/internal/postgres"
)

// server is something that the store runs on.
type server struct {
	name     string
	database func(t testing.TB) (url string) // makes an empty one, gone when the test ends
	config   postgres.Config                 // what the store is told there, beside the URL
	cluster  *pgtest.Cluster                 // nil when it is not ours to break
	release  pgtest.Release
	citus    *pgtest.Citus // nil when it is no coordinator of Citus
}

// ownServer starts a server in a directory that it makes.
func ownServer(release pgtest.Release, dir string, settings ...string) (server, error) {
	cluster, err := release.New(dir, settings...)
	if err != nil {
		return server{}, fmt.Errorf("PostgreSQL %d: %w", release.Version, err)
	}
	return server{
		name:     fmt.Sprintf("postgres %d", release.Version),
		database: func(t testing.TB) string { return cluster.Database(t, "") },
		cluster:  cluster,
		release:  release,
	}, nil
}

// servers are all that there are, the oldest release first: one of each release
// that the tests start themselves, and those that the environment names.
var servers []server

// named are the variables that name a server to test on as well, and how a
// database is made there. A server without its variable is not in the list, so
// no test is skipped for it.
var named = []struct {
	variable, name string
	database       func(t testing.TB, server string) (url string)
	config         postgres.Config
}{
	{"BILLFOLD_TEST_DATABASE_URL", "named", pgtest.Database, postgres.Config{}},
}

var (
	oldestFlag = flag.Bool("oldest", false, "start only the oldest release")
	newestFlag = flag.Bool("newest", false, "start only the newest release")
	shardsFlag = flag.Int("shards", 4, "how many shards the databases of the tests on Citus have")
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) (code int) {
	dir, err := os.MkdirTemp("", "billfold-postgres-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	defer stopServers()
	if err := startServers(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func startServers(dir string) error {
	releases, err := pgtest.Releases()
	if err != nil {
		return err
	}
	switch {
	case *oldestFlag:
		releases = releases[:1]
	case *newestFlag:
		releases = releases[len(releases)-1:]
	}
	for n, release := range releases {
		// A deadlock is to be found before the store has waited too long for a lock.
		s, err := ownServer(release, filepath.Join(dir, fmt.Sprint(n), "data"),
			"max_connections=1000", "shared_buffers=256MB", "deadlock_timeout=100ms")
		if err != nil {
			return err
		}
		servers = append(servers, s)
	}
	for _, more := range named {
		url := os.Getenv(more.variable)
		if url == "" {
			continue
		}
		database := func(t testing.TB) string { return more.database(t, url) }
		servers = append(servers, server{name: more.name, database: database, config: more.config})
	}
	if url := os.Getenv("BILLFOLD_TEST_CITUS_URL"); url != "" {
		citus, err := pgtest.NewCitus(context.Background(), url, distributeForTests)
		if err != nil {
			return fmt.Errorf("citus: %w", err)
		}
		servers = append(servers, server{name: "citus", database: citus.Database, citus: citus})
	}
	return nil
}

// distributeForTests makes few shards, because each is made anew for each test.
func distributeForTests(ctx context.Context, url string) error {
	_, err := postgres.Distribute(ctx, url, *shardsFlag, slog.New(slog.DiscardHandler))
	return err
}

func stopServers() {
	for _, s := range servers {
		if s.cluster != nil {
			_ = s.cluster.Signal(syscall.SIGQUIT)
		}
		if s.citus != nil {
			if err := s.citus.End(); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
	}
}

// onServers runs a test on every server.
func onServers(t *testing.T, test func(t *testing.T, s server)) {
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			test(t, s)
		})
	}
}

// onOwnServers runs a test on one server of each release, all of them ours.
func onOwnServers(t *testing.T, test func(t *testing.T, s server)) {
	for _, s := range servers {
		if s.cluster == nil {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			test(t, s)
		})
	}
}

// onCitus runs a test on Citus, where there is one.
func onCitus(t *testing.T, test func(t *testing.T, s server)) {
	for _, s := range servers {
		if s.citus != nil {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				test(t, s)
			})
		}
	}
}

// another starts one more server of the same release, for a test that breaks it.
func (s server) another(t testing.TB, settings ...string) server {
	t.Helper()
	own, err := ownServer(s.release, filepath.Join(pgtest.Dir(t), "data"), settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = own.cluster.Signal(syscall.SIGQUIT) }) // the test may have ended it
	return own
}

// share is how much of a campaign runs on the server: all of it on the oldest
// release, which is the one that most run, and a quarter on each other.
func (s server) share(n int) int {
	if s.name == servers[0].name || s.citus != nil {
		return n
	}
	return (n + 3) / 4
}

// at is what the store is told about a database of the server, or about what
// stands before it.
func (s server) at(url string) postgres.Config {
	config := s.config
	config.URL, config.ConnectionsMax = url, 8
	config.LotsInRow = 2 // so that most lots that can expire are shelved
	return config
}

// unguard are the statements that let a transaction change what is immutable. Citus
// knows only a way for all triggers, also on the shards.
func (s server) unguard() []string {
	if s.citus == nil {
		return []string{`alter table ledger_entries disable trigger user`, `alter table audit_entries disable trigger user`}
	}
	return []string{`set local citus.propagate_set_commands = 'local'`, `set local session_replication_role = replica`}
}

func (s server) open(t testing.TB, url string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), s.at(url))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}
