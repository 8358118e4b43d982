package postgres_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/postgres"
	"github.com/billfold/billfold/internal/webhook"
)

// sharing are instances that share the endpoints of one database.
type sharing struct {
	t     *testing.T
	dbs   map[string]*postgres.DB
	sends map[string][]string // which endpoints each sends to
}

// serve has an instance say that it lives, sending to what it was last told, and
// returns what it is told now. Until an instance has let go of an endpoint, nobody
// else may send to it.
func (s *sharing) serve(instance string) []string {
	s.t.Helper()
	told, err := s.dbs[instance].Serve(s.t.Context(), instance, s.sends[instance])
	if err != nil {
		s.t.Fatal(err)
	}
	s.sends[instance] = nil
	for _, served := range told {
		s.sends[instance] = append(s.sends[instance], served.Endpoint.ID)
	}
	seen := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(s.sends)) {
		for _, id := range s.sends[name] {
			if seen[id] != "" {
				s.t.Errorf("got %s sent to by %s and %s, want by one", id, seen[id], name)
			}
			seen[id] = name
		}
	}
	return s.sends[instance]
}

// Instances share endpoints evenly, one sends to each, and those of an instance that
// was killed are with the others once its lease has ended.
func TestEndpointsAreShared(t *testing.T) {
	t.Parallel()
	i := newInstallation(t, servers[0], 3)
	s := &sharing{t: t, dbs: map[string]*postgres.DB{"a": i.instances[0], "b": i.instances[1], "c": i.instances[2]},
		sends: map[string][]string{}}
	const endpoints = 8
	var all []string
	for n := range endpoints {
		e := webhook.Endpoint{
			Tenant: i.tenant, ID: fmt.Sprintf("whk_%d", n), URL: "https://example.com/", FilterTypes: []string{string(ledger.WalletCredited)},
		}
		if _, err := i.instances[0].CreateEndpoint(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		all = append(all, e.ID)
	}
	if got := s.serve("a"); len(got) != endpoints {
		t.Errorf("alone: got %d endpoints, want all %d", len(got), endpoints)
	}
	if got := s.serve("b"); len(got) != 0 {
		t.Errorf("a second: got %v, want none before the first lets go", got)
	}
	for range 4 {
		for _, name := range []string{"a", "b", "c"} {
			s.serve(name)
		}
	}
	for _, name := range []string{"a", "b", "c"} {
		if got := len(s.sends[name]); got < 2 || got > 3 {
			t.Errorf("%s of three: got %d endpoints, want 2 or 3 of 8", name, got)
		}
	}
	killed := time.Now()
	delete(s.sends, "b") // it says nothing any more, and sends nothing
	for {
		both := append(slices.Clone(s.serve("a")), s.serve("c")...)
		if slices.Sort(both); slices.Equal(both, all) {
			break
		}
		if time.Since(killed) > 30*time.Second { // where nothing else is to do, it is three
			t.Fatalf("half a minute after a kill: got %v, want all", both)
		}
		time.Sleep(100 * time.Millisecond)
	}
	if since := time.Since(killed); since < webhook.LeaseFor/2 {
		t.Errorf("got the endpoints of another after %s, want its lease to end first", since)
	}
	if err := i.instances[0].DeleteEndpoint(t.Context(), i.tenant, all[0]); err != nil {
		t.Fatal(err)
	}
	s.serve("a")
	both := append(slices.Clone(s.serve("a")), s.serve("c")...)
	if slices.Contains(both, all[0]) || len(both) != endpoints-1 {
		t.Errorf("after one was deleted: got %v, want the other %d", both, endpoints-1)
	}
}

// What is due is read in the order of its index, and what stands before it in its
// queue is looked up, however much was delivered and whatever the planner knows.
func TestPlanOfWhatIsDue(t *testing.T) {
	t.Parallel()
	const fill = `
	  insert into webhook_endpoints (no, id, tenant, definition, disabled, deleted)
	  select n, 'whk_' || n, 1, '', false, false from generate_series(1, 20) as n;
	  insert into webhook_deliveries (endpoint, event_id, kind, queue, body, state, due_at, tries, attempts, queued_at)
	  select 1 + n % 20, 'evt_' || n, 'wallet.credited', 'cus_' || n % 50, repeat('b', 500)::bytea,
	         case when n % 100 < %s then 'pending' else 'delivered' end, now(), 0, '[]', now()
	    from generate_series(1, 5000) as n`
	onOwnServers(t, func(t *testing.T, s server) {
		for name, pending := range map[string]string{"few": "1", "many": "90"} {
			for _, known := range []string{"", "; analyze"} {
				conn := connect(t, newInstallation(t, s, 1).url)
				exec(t, conn, strings.Replace(fill, "%s", pending, 1)+known)
				exec(t, conn, "begin; set local plan_cache_mode = force_generic_plan")
				if _, err := conn.Exec(t.Context(), postgres.ReadSettings, "4s"); err != nil {
					t.Fatal(err)
				}
				got := plan(t, conn, 2, postgres.PruneQuery)
				if !strings.Contains(got, "webhook_deliveries_old") || strings.Contains(got, "Sort") || strings.Contains(got, "Seq Scan on webhook_deliveries") {
					t.Errorf("%s pending%s: got a plan that does not walk the index of what is old:\n%s", name, known, got)
				}
				got = plan(t, conn, 0, postgres.DueQuery)
				if !strings.Contains(got, "webhook_deliveries_due") || strings.Contains(got, "Sort") || strings.Contains(got, "Seq Scan on webhook_deliveries") {
					t.Errorf("%s pending%s: got a plan that does not walk the index of what is due:\n%s", name, known, got)
				}
				for n, query := range []string{postgres.QueuesQuery, postgres.DueInOrderQuery} {
					got := plan(t, conn, 3+n, query)
					for _, other := range []string{"Seq Scan on webhook_deliveries", "webhook_deliveries_due", "webhook_deliveries_in_order", "webhook_deliveries_by_event"} {
						if !strings.Contains(got, "webhook_deliveries_waiting") || strings.Contains(got, other) {
							t.Errorf("%s pending%s: got a plan that does not step along the queues:\n%s", name, known, got)
						}
					}
				}
			}
		}
	})
}
