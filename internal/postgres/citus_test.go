package postgres_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/pgtest"
	"github.com/billfold/billfold/internal/postgres"
	"github.com/billfold/billfold/internal/transfer"
	"github.com/billfold/billfold/internal/verify"
)

var killsFlag = flag.Int("kills", 100, "how many backends of Citus's workers are terminated under load")

// What commits on a worker is durable there and waits no longer than on the
// coordinator, whatever the worker does by itself.
func TestSettingsHoldOnTheWorkers(t *testing.T) {
	onCitus(t, func(t *testing.T, s server) {
		url := s.database(t)
		for _, worker := range s.citus.OnWorkers(url) {
			conn := connect(t, worker)
			// A trigger of the test's own notes what the transaction runs with.
			for _, statement := range []string{
				`set citus.enable_ddl_propagation = off`, `set citus.enable_manual_changes_to_shards = on`,
				`set citus.override_table_visibility = off`,
				`do $$ begin execute format('alter database %I set synchronous_commit = off', current_database()); end $$`,
				`create table seen (synchronous_commit text, lock_timeout text, statement_timeout text, planned text)`,
				`create function note() returns trigger language plpgsql as $$ begin
				   insert into seen values (current_setting('synchronous_commit'), current_setting('lock_timeout'), current_setting('statement_timeout'),
				     current_setting('plan_cache_mode') || current_setting('enable_hashjoin') || current_setting('enable_seqscan'));
				   return null;
				 end $$`,
				`do $$ declare shard text; begin
				   for shard in select relname from pg_class where relkind = 'r' and relname ~ '^ledger_entries_[0-9]+$' loop
				     execute format('create trigger note after insert on %I for each row execute function note()', shard);
				   end loop;
				 end $$`,
			} {
				if _, err := conn.Exec(t.Context(), statement); err != nil {
					t.Fatalf("%s: %v", statement, err)
				}
			}
		}
		s.database = func(testing.TB) string { return url }
		i := newInstallation(t, s, 1)
		for n := range 16 {
			c := i.customer(fmt.Sprintf("cus_%d", n))
			credit := ledger.PostRequest{CustomerID: c, Direction: ledger.Credit, Amount: 5}
			if _, err := i.post(t.Context(), 0, credit); err != nil {
				t.Fatal(err)
			}
		}
		entries := 0
		for _, worker := range s.citus.OnWorkers(i.url) {
			var all, right int
			const query = `
			  select count(*), count(*) filter (where synchronous_commit = 'on' and lock_timeout = '1s' and statement_timeout = '8s'
			                                          and planned = 'force_generic_planoffoff')
			    from seen`
			if err := connect(t, worker).QueryRow(t.Context(), query).Scan(&all, &right); err != nil {
				t.Fatal(err)
			}
			if all != right || all == 0 {
				t.Errorf("a worker: got the settings in %d of %d transactions, want in all of some", right, all)
			}
			entries += all
		}
		if entries != 16 {
			t.Errorf("got %d entries on the workers, want 16", entries)
		}
	})
}

// Backends of the workers that are killed under load, in the middle of a
// transaction or of its commit: the coordinator then answers COMMIT with an
// error, although the worker may have committed.
func TestTerminatedWorkers(t *testing.T) {
	onCitus(t, func(t *testing.T, s server) {
		campaign(t)
		i := newInstallation(t, s, 2)
		l := startLoad(i, 16, false)
		var killers []func() int
		for _, worker := range s.citus.OnWorkers(i.url) {
			conn := connect(t, worker)
			killers = append(killers, func() (n int) {
				const kill = `
				  select count(pg_terminate_backend(pid))
				    from pg_stat_activity
				   where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend' and state <> 'idle'`
				if err := conn.QueryRow(t.Context(), kill).Scan(&n); err != nil {
					t.Fatal(err)
				}
				return n
			})
		}
		killed := 0
		for n := 0; killed < s.share(*killsFlag); n++ {
			l.await(5)
			killed += killers[n%len(killers)]()
		}
		l.end(0)
		t.Logf("%d backends of workers terminated in the middle of a transaction", killed)
	})
}

// A worker that crashes as a whole under load and starts again some seconds later:
// nothing that was acknowledged is lost, nothing happens twice, and meanwhile the
// customers of the other worker are served. Nothing else may run on the servers
// then, so this test shares them with no other.
func TestCrashedWorkers(t *testing.T) {
	for _, s := range servers {
		if s.citus != nil && s.citus.Here() {
			t.Run(s.name, func(t *testing.T) { crashedWorkers(t, s) })
		}
	}
}

func crashedWorkers(t *testing.T, s server) {
	i := newInstallation(t, s, 2)
	urls := s.citus.OnWorkers(i.url)
	var others [][]string // for each worker, customers of the others
	for n := range urls {
		others = append(others, i.customersBeside(urls[n], fmt.Sprintf("cus_%d", n)))
	}
	l := startLoad(i, 16, false)
	beside, down, longest := int64(0), time.Duration(0), time.Duration(0)
	crashes := s.share(*restartsFlag)
	for n := range crashes {
		l.await(200)
		worker := n % len(urls)
		start := s.citus.Crash(t, worker)
		begin := time.Now()
		for k := 0; time.Since(begin) < 3*time.Second; k++ {
			credit := ledger.PostRequest{CustomerID: others[worker][k%len(others[worker])], Direction: ledger.Credit, Amount: 5}
			from := time.Now()
			if _, err := i.post(t.Context(), k%2, credit); err != nil {
				t.Errorf("a customer of a worker that runs: got %v, want it served", err)
			}
			beside, longest = beside+1, max(longest, time.Since(from))
		}
		down += time.Since(begin)
		start()
	}
	l.await(200)
	if longest > 2*time.Second {
		t.Errorf("a customer of a worker that runs: got an answer after %v", longest)
	}
	l.end(beside)
	t.Logf("%d crashes; %d entries of others in %v of them, the slowest after %v", crashes, beside, down, longest)
}

// A worker whose standby does not answer keeps everything about its customers from
// being acknowledged, however the wait for it ends: the coordinator says success
// where the worker has only committed alone.
func TestNothingIsAcknowledgedWithoutTheStandbyOfAWorker(t *testing.T) {
	for _, s := range servers {
		if s.citus != nil && s.citus.Here() {
			t.Run(s.name, func(t *testing.T) { workerWithoutStandby(t, s) })
		}
	}
}

func workerWithoutStandby(t *testing.T, s server) {
	i := newInstallation(t, s, 1)
	urls := s.citus.OnWorkers(i.url)
	here := i.customersBeside(urls[1], "cus_here") // there are two
	beside := i.customersBeside(urls[0], "cus_beside")
	operator := connect(t, urls[0])
	standbys := func(names string) {
		exec(t, operator, "alter system set synchronous_standby_names = '"+names+"'")
		exec(t, operator, "select pg_reload_conf()")
		for now := "?"; now != names; time.Sleep(10 * time.Millisecond) {
			if err := operator.QueryRow(t.Context(), "show synchronous_standby_names").Scan(&now); err != nil {
				t.Fatal(err)
			}
		}
	}
	standbys("missing")
	defer standbys("")
	request := ledger.PostRequest{CustomerID: here[0], Direction: ledger.Credit, Amount: 5, IdempotencyKey: "k"}
	entry := make(chan error, 1)
	go func() {
		_, err := i.post(context.Background(), 0, request)
		entry <- err
	}()
	cancelWaits(t, operator)
	request.CustomerID = beside[0]
	if _, err := i.post(t.Context(), 0, request); err != nil {
		t.Errorf("a customer of the other worker: got %v", err)
	}
	request.CustomerID = here[0]
	if err := <-entry; err == nil {
		t.Error("an entry without the standby: got it acknowledged")
	}
	repeat := make(chan error, 1)
	go func() {
		_, err := i.post(context.Background(), 0, request)
		repeat <- err
	}()
	cancelWaits(t, operator)
	if err := <-repeat; err == nil {
		t.Error("a repeat without the standby: got the first answer, which nobody has given")
	}
	standbys("")
	i.settles(request)
	if report := i.verify(); report.Entries != 2 {
		t.Errorf("got %d entries, want 2", report.Entries)
	}
}

// customersBeside makes customers who are not on a worker.
func (i *installation) customersBeside(worker, prefix string) (customers []string) {
	i.t.Helper()
	conn := connect(i.t, i.url)
	for n := 0; len(customers) < 4; n++ {
		customer := fmt.Sprintf("%s_%d", prefix, n)
		const query = `
		  select not $2 like '%:' || nodeport || '/%'
		    from pg_dist_shard_placement
		   where shardid = get_shard_id_for_distribution_column('customers', $1::text)`
		var beside bool
		if err := conn.QueryRow(i.t.Context(), query, customer, worker).Scan(&beside); err != nil {
			i.t.Fatal(err)
		}
		if beside {
			customers = append(customers, i.customer(customer))
		}
	}
	return customers
}

// Connections between the coordinator and its workers that are cut at a COMMIT,
// before the worker has it or before its answer is heard. The coordinator says
// in both cases that it could not commit; the store finds out what is true. No
// entry has a key, so nothing but that keeps one from happening twice.
func TestCutsAtWorkers(t *testing.T) {
	onCitus(t, func(t *testing.T, s server) {
		entries, acknowledged := cutsAtWorkers(t, newInstallation(t, s, 1), int64(s.share(*cutsFlag)), 8)
		if entries != acknowledged {
			t.Errorf("got %d entries, want the %d that were acknowledged", entries, acknowledged)
		}
	})
}

// An instance that took the coordinator's word for it would post twice.
func TestCutsAtWorkersHaveTeeth(t *testing.T) {
	onCitus(t, func(t *testing.T, s server) {
		i := newInstallation(t, s, 1)
		i.instances[0].WriteAsPlain()
		if entries, acknowledged := cutsAtWorkers(t, i, 20, 1); entries <= acknowledged {
			t.Errorf("got %d entries where %d were acknowledged, want the bug to show", entries, acknowledged)
		}
	})
}

func cutsAtWorkers(t *testing.T, i *installation, cuts int64, writers int) (entries, acknowledged int64) {
	random, s := campaign(t), i.server
	var customers []string // made in two phases, whose cuts nobody can look up
	for n := range writers {
		customers = append(customers, i.customer(fmt.Sprintf("cus_%d", n)))
	}
	var mu sync.Mutex
	var done [3]int64
	decide := func() pgtest.Cut {
		mu.Lock()
		defer mu.Unlock()
		cut := pgtest.CutNothing
		if n := random.IntN(20); n < 2 && done[pgtest.CutBefore]+done[pgtest.CutAfter] < cuts {
			cut = []pgtest.Cut{pgtest.CutBefore, pgtest.CutAfter}[n]
		}
		done[cut]++
		return cut
	}
	conn := connect(t, i.url)
	for n, worker := range s.citus.OnWorkers(i.url) {
		_, port, err := net.SplitHostPort(pgtest.At(pgtest.NewProxy(t, pgtest.At(worker), decide).URL(worker)).Address())
		if err != nil {
			t.Fatal(err)
		}
		const query = `
		  select citus_update_node((select nodeid from pg_dist_node where groupid <> 0 order by nodeid offset $2 limit 1), '127.0.0.1', $1)`
		if _, err := conn.Exec(t.Context(), query, port, n); err != nil {
			t.Fatal(err)
		}
	}
	var posted atomic.Int64
	var running sync.WaitGroup
	deadline := time.Now().Add(10 * time.Minute)
	for _, c := range customers {
		running.Go(func() {
			for cutsLeft := true; cutsLeft && time.Now().Before(deadline); {
				_, err := i.post(t.Context(), 0, ledger.PostRequest{CustomerID: c, Direction: ledger.Credit, Amount: 5})
				switch ledger.CodeOf(err) {
				case "":
					posted.Add(1)
				case ledger.CodeStorageUnavailable, ledger.CodeOverloaded:
				default:
					t.Errorf("post: got %v, want each outcome found out: the workers are there to ask", err)
					return
				}
				mu.Lock()
				cutsLeft = done[pgtest.CutBefore]+done[pgtest.CutAfter] < cuts
				mu.Unlock()
			}
		})
	}
	running.Wait()
	before, after := done[pgtest.CutBefore], done[pgtest.CutAfter]
	if before+after < cuts || before == 0 || after == 0 {
		t.Errorf("got %d cuts before the worker had the COMMIT and %d after, want %d in all", before, after, cuts)
	}
	t.Logf("%d commits cut before the worker had them, %d after", before, after)
	return i.verify().Entries, posted.Load()
}

// Nobody may be connected while the tables are being distributed, and an
// instance that was away meanwhile does not go on as if nothing had happened.
func TestDistribute(t *testing.T) {
	onCitus(t, func(t *testing.T, s server) {
		s.database = s.citus.Plain
		i := newInstallation(t, s, 1)
		for n := range 40 {
			c := i.customer(fmt.Sprintf("cus_%d", n))
			credit := ledger.PostRequest{CustomerID: c, Direction: ledger.Credit, Amount: 5}
			if _, err := i.post(t.Context(), 0, credit); err != nil {
				t.Fatal(err)
			}
		}
		distribute := func() (postgres.Distribution, error) {
			return postgres.Distribute(t.Context(), i.url, 4, slog.New(slog.DiscardHandler))
		}
		if d, err := distribute(); err == nil || !strings.Contains(err.Error(), "somebody is connected") {
			t.Errorf("beside an instance: got %+v, %v, want it refused", d, err)
		}
		pgtest.Exec(t, i.url, `
		  select pg_terminate_backend(pid, 5000)
		    from pg_stat_activity
		   where datname = current_database() and application_name = 'billfold'`)
		if d, err := distribute(); err != nil || d != (postgres.Distribution{Shards: 4, Workers: 2}) {
			t.Fatalf("got %+v, %v, want 4 shards on 2 workers", d, err)
		}
		if d, err := distribute(); err != nil || d != (postgres.Distribution{Shards: 4, Workers: 2, Already: true}) {
			t.Errorf("again: got %+v, %v, want it done already", d, err)
		}
		debit := ledger.PostRequest{CustomerID: "cus_0", Direction: ledger.Debit, Amount: 5}
		if _, err := i.post(t.Context(), 0, debit); ledger.CodeOf(err) != ledger.CodeStorageUnavailable {
			t.Errorf("by the instance that was there before: got %v, want it refused", err)
		}
		i.instances = append(i.instances, s.open(t, i.url))
		if _, err := i.post(t.Context(), 1, debit); err != nil {
			t.Errorf("after the distribution: got %v", err)
		}
		if report := i.verify(); report.Entries != 41 || report.Customers != 40 {
			t.Errorf("got %d entries of %d customers, want 41 of 40", report.Entries, report.Customers)
		}
		for _, worker := range s.citus.OnWorkers(i.url) {
			var guards int
			const query = `
			  select count(*)
			    from pg_trigger
			   where tgrelid::regclass::text ~ '^ledger_entries_[0-9]+$' and not tgisinternal and tgenabled = 'O'`
			err := connect(t, worker).QueryRow(t.Context(), query).Scan(&guards)
			if err != nil || guards != 2 {
				t.Errorf("a worker: got %d guards of entries, %v, want one for each of 2 shards", guards, err)
			}
		}
		for _, statement := range []string{
			`update ledger_entries set amount = 6`, `delete from ledger_entries where customer_id = 'cus_0'`, `truncate ledger_entries`,
		} {
			_, err := connect(t, i.url).Exec(t.Context(), statement)
			if err == nil || !strings.Contains(err.Error(), "immutable") {
				t.Errorf("%s: got %v, want entries guarded on the shards", statement, err)
			}
		}
	})
}

// The store finds the shard of a customer as PostgreSQL and Citus do.
func TestShardsAreFound(t *testing.T) {
	onServers(t, func(t *testing.T, s server) {
		i := newInstallation(t, s, 1)
		conn := connect(t, i.url)
		text := "größe-"
		for n := range 60 {
			var want int32
			if err := conn.QueryRow(t.Context(), `select hashtext($1 collate "C")`, text).Scan(&want); err != nil {
				t.Fatal(err)
			}
			if got := postgres.HashText(text); got != want {
				t.Errorf("%q: got the hash %d, want %d", text, got, want)
			}
			text += string(rune('a' + n%26))
		}
		if s.citus == nil {
			return
		}
		shards := map[int64]int{}
		for n := range 200 {
			customer := fmt.Sprintf("cus_%d", n)
			var shard int64
			const query = `select get_shard_id_for_distribution_column('customers', $1::text)`
			if err := conn.QueryRow(t.Context(), query, customer).Scan(&shard); err != nil {
				t.Fatal(err)
			}
			number, seen := shards[shard]
			if got := i.instances[0].ShardOf(customer); seen && got != number {
				t.Errorf("%s: got shard %d, want the %d of others in %d", customer, got, number, shard)
			}
			shards[shard] = i.instances[0].ShardOf(customer)
		}
		if len(shards) != *shardsFlag {
			t.Errorf("got the shards %v, want %d", shards, *shardsFlag)
		}
	})
}

// Commands on customers of one shard share a transaction. An instance that takes
// customers wrongly to be in one, because it was split, carries them out all the
// same, and learns where they are.
func TestSplitShards(t *testing.T) {
	onCitus(t, func(t *testing.T, s server) {
		i := newInstallation(t, s, 2)
		l := startLoad(i, 32, false)
		l.await(100)
		i.instances[1].TakeForOneShard()
		l.await(500)
		l.end(0)
		if refused := l.codes[ledger.CodeStorageUnavailable]; refused > 0 {
			t.Errorf("got %d refusals, want none", refused)
		}
		for n := range 20 {
			customer := fmt.Sprintf("cus_%d", n)
			if got, want := i.instances[1].ShardOf(customer), i.instances[0].ShardOf(customer); got != want {
				t.Errorf("%s: got shard %d, want %d learned anew", customer, got, want)
			}
		}
	})
}

// The workers look rows up by the whole key as well. Most entries of the shard are
// one customer's, and there are many tenants, so that a planner which has not been
// taught otherwise takes the tenant to tell entries apart.
func TestPlansOnWorkers(t *testing.T) {
	onCitus(t, func(t *testing.T, s server) {
		url := s.database(t)
		conn := connect(t, url)
		for _, statement := range []string{
			`insert into ledger_entries
			 select 'cus_' || case when n % 2 = 0 then 0 else n end, case when n % 2 = 0 then 1 else n % 500 end, n, 'USD', n, 'cwt_' || n,
			        true, 1, n - 1, n, n, 'payment', 'merchant', 'paid', null, null, null, null, null, 'key-' || n,
			        repeat('f', 16)::bytea, 'key', now(), repeat('h', 32)::bytea
			   from generate_series(1, 20000) as n`,
			`insert into customers (customer_id, tenant, email, name, name_folded, phone_number, metadata, created_at, updated_at)
			 select 'cus_' || n, n % 500, 'a@example.com', 'A', 'a', '', '{}', now(), now() from generate_series(1, 4000) as n`,
			`insert into wallets (customer_id, tenant, currency, balance, held, seq, position, hash, updated_at, lots,
			                      promotional_from, promotional_sum, paid_from, paid_sum)
			 select customer_id, tenant, 'USD', 1, 0, 1, 1, repeat('h', 32)::bytea, now(), ''::bytea, 0, 0, 0, 0 from customers`,
			`analyze customers, wallets, ledger_entries`,
		} {
			exec(t, conn, statement)
		}
		const shards = `
		  select p.nodeport::text, string_agg(c.logicalrelid::text || ' ' || c.logicalrelid::text || '_' || c.shardid, ' ')
		    from pg_dist_shard c
		    join pg_dist_shard e on e.logicalrelid = 'ledger_entries'::regclass and e.shardminvalue = c.shardminvalue
		    join pg_dist_shard_placement p on p.shardid = c.shardid
		   where e.shardid = get_shard_id_for_distribution_column('ledger_entries', 'cus_0'::text)
		   group by 1`
		var port, names string
		if err := conn.QueryRow(t.Context(), shards).Scan(&port, &names); err != nil {
			t.Fatal(err)
		}
		onShard := strings.NewReplacer(strings.Fields(names)...)
		for _, worker := range s.citus.OnWorkers(url) {
			if !strings.Contains(worker, ":"+port+"/") {
				continue
			}
			conn := connect(t, worker)
			exec(t, conn, "set citus.override_table_visibility = off; begin")
			if _, err := conn.Exec(t.Context(), postgres.BeginSettings, "on", "4s"); err != nil {
				t.Fatal(err)
			}
			for n, s := range postgres.ShardStatements {
				if got := plan(t, conn, n, onShard.Replace(s.Query)); !looksUpBy(got, s.Key) {
					t.Errorf("%s: got a plan that does not look up by %v:\n%s", s.Name, s.Key, got)
				}
			}
			return
		}
		t.Errorf("got no worker on port %s", port)
	})
}

// The role that owns the database on each node can distribute and serve it; the
// superuser is needed for the extension and the list of nodes alone.
func TestOwnerDistributes(t *testing.T) {
	onCitus(t, func(t *testing.T, s server) {
		url := s.citus.Owned(t)
		for _, want := range []bool{false, true} {
			d, err := postgres.Distribute(t.Context(), url, 4, slog.New(slog.DiscardHandler))
			if err != nil || d.Already != want {
				t.Fatalf("got %+v, %v, want it distributed", d, err)
			}
		}
		s.database = func(testing.TB) string { return url }
		i := newInstallation(t, s, 2)
		l := startLoad(i, 8, true)
		l.await(200)
		l.end(0)
	})
}

// A copy moves an installation off Citus, and onto it by way of a database that is
// distributed afterwards. A target that is distributed already is refused, and so
// is the distribution of a copy that is not whole.
func TestCopyAndDistribute(t *testing.T) {
	onCitus(t, func(t *testing.T, s server) {
		i := newInstallation(t, s, 1)
		l := startLoad(i, 8, true)
		l.await(200)
		l.end(0)
		if err := i.instances[0].Join(t.Context(), make([]byte, 32)); err != nil {
			t.Fatal(err)
		}
		i.instances[0].Disconnect()
		pgtest.Exec(t, i.url, `
		  select pg_terminate_backend(pid, 5000)
		    from pg_stat_activity
		   where datname = current_database() and application_name = 'billfold'`)
		if err := copyTo(t, i.url, s.database(t), nil); err == nil || !strings.Contains(err.Error(), "distributed already") {
			t.Errorf("to a distributed database: got %v, want it refused", err)
		}
		target := s.citus.Plain(t)
		stop := errors.New("stop")
		if err := copyTo(t, i.url, target, stop); !errors.Is(err, stop) {
			t.Errorf("a copy that is stopped: got %v", err)
		}
		if _, err := postgres.Distribute(t.Context(), target, 4, slog.New(slog.DiscardHandler)); err == nil {
			t.Error("a copy that is not whole: got it distributed")
		}
		if err := copyTo(t, i.url, target, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := postgres.Distribute(t.Context(), target, 4, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		want := i.verify().Entries
		i.url = target
		if got := i.verify().Entries; got != want || got == 0 {
			t.Errorf("got %d entries, want %d", got, want)
		}
	})
}

// copyTo copies an installation, and stops with an error before the proof if it
// is given one.
func copyTo(t *testing.T, from, to string, stop error) (err error) {
	t.Helper()
	source, err := postgres.OpenCopySource(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	target, err := postgres.OpenCopyTarget(t.Context(), to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	prove := func(url string) func(context.Context) (int64, error) {
		return func(ctx context.Context) (int64, error) {
			report, err := verify.Run(ctx, verify.Options{DatabaseURL: url})
			return report.Entries, err
		}
	}
	options := transfer.Options{Name: from, VerifySource: prove(from), VerifyTarget: prove(to)}
	if stop != nil {
		options.VerifyTarget = func(context.Context) (int64, error) { return 0, stop }
	}
	_, err = transfer.Run(t.Context(), source, target, options)
	return err
}

// A distribution needs workers.
func TestDistributeWithoutWorkers(t *testing.T) {
	onServers(t, func(t *testing.T, s server) {
		if s.citus != nil {
			return
		}
		_, err := postgres.Distribute(t.Context(), s.database(t), 4, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), "the server has no Citus") {
			t.Errorf("on plain PostgreSQL: got %v, want it refused", err)
		}
	})
}
