package postgres_test

import (
	"strings"
	"testing"

	"github.com/billfold/billfold/internal/pgtest"
	"github.com/billfold/billfold/internal/storetest"
)

// pooled is a server of the oldest release behind a pooler in transaction mode.
func pooled(t testing.TB) (server, *pgtest.Pooler) {
	t.Helper()
	s := servers[0].another(t, "max_connections=200")
	pooler := pgtest.NewPooler(t, s.cluster)
	direct := s.database
	s.database = func(t testing.TB) string { return pooler.URL(direct(t)) }
	return s, pooler
}

// The store shows every behaviour that the suite asks of a store also where each
// transaction gets another session.
func TestStoreBehindPooler(t *testing.T) {
	t.Parallel()
	s, _ := pooled(t)
	storetest.Run(t, func(t testing.TB) storetest.Stores {
		db := s.open(t, s.database(t))
		return storetest.Stores{Ledger: db, Access: db, Products: db, People: db, Webhooks: db, Sinks: db, Inbox: db}
	})
}

// Kills of the pooler under load: each looks like a connection that was lost.
func TestPoolerKilled(t *testing.T) {
	campaign(t)
	s, pooler := pooled(t)
	i := newInstallation(t, s, 2)
	l := startLoad(i, 16, false)
	for range 5 {
		l.await(200)
		if err := pooler.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := pooler.Start(); err != nil {
			t.Fatal(err)
		}
	}
	l.await(200)
	// Verify reads directly: it prepares its statements.
	direct, _, _ := strings.Cut(i.url, "&default_query_exec_mode")
	i.url = direct
	l.end(0)
}
