// Package failover runs two instances of the real binary on two PostgreSQL
// servers under Patroni, breaks whoever leads in every way that an operator
// meets, and holds the instances to every answer that they gave.
package failover

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/billfold/billfold/e2e/harness"
)

var roundsFlag = flag.Int("rounds", 1, "how often each kind of fault happens; three of the five are failovers")

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// installation is a database that fails over, and the instances on it.
type installation struct {
	*highly
	campaign  *harness.Campaign
	url       string
	instances []*harness.Server
	loads     []*harness.Load // all that have been checked
}

func newInstallation(t *testing.T, changed map[string]any) *installation {
	t.Helper()
	i := &installation{highly: newHighly(t), campaign: harness.NewCampaign(t)}
	leader := i.whole()
	if changed != nil {
		i.set(changed)
	}
	i.execute(leader, "create role billfold login", "create database billfold owner billfold", "create table fence (n integer)")
	i.await("standby that has the database too", func(state) bool {
		return i.mustQuery(i.other(leader), "select count(*)::text from pg_database where datname = 'billfold'") == "1"
	})
	i.url = fmt.Sprintf("postgres://billfold@%s,%s/billfold?target_session_attrs=read-write&sslmode=disable",
		i.nodes[0].postgres, i.nodes[1].postgres)
	secret := filepath.Join(t.TempDir(), "secret.key")
	if err := os.WriteFile(secret, []byte(hex.EncodeToString(make([]byte, 32))), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		i.instances = append(i.instances, harness.Start(t, harness.Options{
			Dir:       filepath.Join(t.TempDir(), "data"),
			Arguments: []string{"--database-url", i.url, "--secret-key-file", secret},
		}))
	}
	return i
}

func (i *installation) execute(n *node, statements ...string) {
	i.t.Helper()
	conn, err := pgx.Connect(i.t.Context(), n.superuser)
	if err != nil {
		i.t.Fatal(err)
	}
	defer func() { _ = conn.Close(i.t.Context()) }()
	for _, statement := range statements {
		if _, err := conn.Exec(i.t.Context(), statement); err != nil {
			i.t.Fatalf("%s: %v", statement, err)
		}
	}
}

// startLoads starts writers against both instances and waits until all is well.
func (i *installation) startLoads() (loads []*harness.Load) {
	i.t.Helper()
	for _, instance := range i.instances {
		options := harness.LoadOptions{Writers: 4, Customers: 8, Patient: true}
		loads = append(loads, harness.StartLoad(i.t, i.campaign, instance, options))
	}
	awaitAll(loads, 100)
	return loads
}

func awaitAll(loads []*harness.Load, n int64) {
	for _, load := range loads {
		load.Await("acknowledged entries", load.Acknowledged, n)
	}
}

// under lets something happen under load and accounts for all that the writers
// were told.
func (i *installation) under(what string, fault func()) {
	i.t.Helper()
	loads := i.startLoads()
	watch := startWatch(loads)
	began := time.Now()
	fault()
	awaitAll(loads, 100)
	gap := watch.end()
	for n, load := range loads {
		load.Stop()
		load.Check(i.t, i.instances[n])
		i.campaign.Add("unavailable", load.Unavailable())
	}
	i.loads = append(i.loads, loads...)
	i.verify()
	i.campaign.Add(what, 1)
	i.campaign.Add("longest gap of "+what+" in ms", max(0, gap.Milliseconds()-i.campaign.Count("longest gap of "+what+" in ms")))
	i.t.Logf("%s: nothing acknowledged for %s, whole thing %s", what, gap.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
}

// verify wants every law kept, and nothing there that no writer asked for.
func (i *installation) verify() {
	i.t.Helper()
	result := harness.Run(i.t, "verify", "--database-url", i.url, "-o", "json")
	var verified harness.Verified
	if err := json.Unmarshal([]byte(result.Stdout), &verified); err != nil || result.Code != 0 || !verified.Clean {
		i.t.Fatalf("verify: got exit code %d, %q and %q; want every law kept", result.Code, result.Stdout, result.Stderr)
	}
	if want := i.campaign.Count("entries"); verified.Entries != want {
		i.t.Errorf("verify: got %d entries, want %d", verified.Entries, want)
	}
}

// watch looks for the longest time in which nothing was acknowledged.
type watch struct {
	stop    chan struct{}
	longest chan time.Duration
}

func startWatch(loads []*harness.Load) *watch {
	w := &watch{stop: make(chan struct{}), longest: make(chan time.Duration, 1)}
	go func() {
		var longest time.Duration
		last, since := int64(-1), time.Now()
		for {
			var now int64
			for _, load := range loads {
				now += load.Acknowledged()
			}
			longest = max(longest, time.Since(since))
			if now != last {
				last, since = now, time.Now()
			}
			select {
			case <-w.stop:
				w.longest <- longest
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	return w
}

func (w *watch) end() time.Duration {
	close(w.stop)
	return <-w.longest
}

// ready wants both instances to say that they can serve, or that they cannot.
func (i *installation) ready(want bool) {
	i.t.Helper()
	for _, instance := range i.instances {
		for deadline := time.Now().Add(awaitMax); ; time.Sleep(10 * time.Millisecond) {
			var answer struct{ Status string }
			err := instance.Client().Get(i.t.Context(), "/readyz", &answer)
			if (err == nil) == want {
				break
			}
			if time.Now().After(deadline) {
				i.t.Fatalf("/readyz: got %v, want it ready: %t", err, want)
			}
		}
	}
}

// TestFailover breaks the database under load in every way, one after the
// other. Nothing that was acknowledged is lost or doubled, then or later.
func TestFailover(t *testing.T) {
	t.Parallel()
	i := newInstallation(t, nil)
	for range *roundsFlag {
		i.under("restarts of the leader", i.restart)
		i.under("failovers", i.failover)
		i.rejoin()
		i.under("switchovers", i.planned)
		i.under("deaths of the standby", i.standbyDies)
		i.rejoin()
		i.under("failovers beside the old leader", i.orphaned)
	}
	for n, load := range i.loads {
		for _, problem := range load.Inspect(t, i.instances[n%2]).Problems {
			t.Errorf("at the end: %s", problem)
		}
	}
	for _, instance := range i.instances {
		instance.Stop(t)
	}
	i.campaign.Want("acknowledged", 2000)
}

// restart kills the leader's server. Its Patroni starts it again.
func (i *installation) restart() {
	leader := i.whole()
	before := i.mustQuery(leader, "select pg_postmaster_start_time()::text")
	i.killPostgres(leader)
	i.await("restarted server", func(state) bool {
		now, err := i.query(leader, "select pg_postmaster_start_time()::text")
		return err == nil && now != before
	})
	if now := i.whole(); now != leader {
		i.t.Errorf("got %s as the leader, want %s started again", now.name, leader.name)
	}
}

// failover kills the leader with its Patroni, at a moment when it has committed
// what its standby does not have and nobody may have been told of.
func (i *installation) failover() {
	leader := i.whole()
	sender := i.freezeSender(leader)
	i.await("commit that waits for the standby", func(state) bool {
		return i.mustQuery(leader, "select count(*)::text from pg_stat_activity where wait_event = 'SyncRep'") != "0"
	})
	i.kill(leader, sender)
	i.ready(false)
	i.await("leader", func(s state) bool { return s.leader == i.other(leader) })
	i.ready(true)
}

// freezeSender stops the process that sends the leader's log to the standby.
func (i *installation) freezeSender(leader *node) (pid int) {
	i.t.Helper()
	pid, err := strconv.Atoi(i.mustQuery(leader, "select pid::text from pg_stat_replication"))
	if err == nil {
		err = syscall.Kill(pid, syscall.SIGSTOP)
	}
	if err != nil {
		i.t.Fatal(err)
	}
	return pid
}

// kill ends a node, and the process of its server that was frozen.
func (i *installation) kill(n *node, frozen int) {
	i.t.Helper()
	i.killPatroni(n)
	i.killPostgres(n)
	if err := syscall.Kill(frozen, syscall.SIGKILL); err != nil {
		i.t.Fatal(err)
	}
}

// rejoin starts the node that was killed. It must follow, and take no writes.
func (i *installation) rejoin() {
	i.t.Helper()
	for _, n := range i.nodes {
		select {
		case <-n.patroniEnd:
			i.startPatroni(n)
		default:
		}
	}
	follower := i.other(i.whole())
	_, err := i.query(follower, "insert into fence values (1) returning n::text")
	if err == nil || !strings.Contains(err.Error(), "25006") {
		i.t.Errorf("a write to the old leader: got %v, want it refused as read-only", err)
	}
	_, err = pgx.Connect(i.t.Context(), follower.superuser+"&target_session_attrs=read-write")
	if err == nil {
		i.t.Error("a connection to the old leader that asks for writes: got one, want it refused")
	}
	i.campaign.Add("rejoined", 1)
}

// planned is a switchover.
func (i *installation) planned() {
	leader := i.whole()
	i.switchover(leader)
	if now := i.whole(); now == leader {
		i.t.Errorf("got %s as the leader, want the other", now.name)
	}
}

// standbyDies kills the standby and its Patroni. Commits wait for it until the
// leader's Patroni has recorded that it is not to be promoted.
func (i *installation) standbyDies() {
	leader := i.whole()
	standby := i.other(leader)
	i.killPatroni(standby)
	i.killPostgres(standby)
	i.await("leader that goes on alone", func(state) bool {
		return i.mustQuery(leader, "select '<' || current_setting('synchronous_standby_names') || '>'") == "<>"
	})
}

// orphaned kills the leader's Patroni alone. Its server runs on beside the new
// leader, and takes writes for all that it knows; none of them may count.
func (i *installation) orphaned() {
	leader := i.whole()
	i.killPatroni(leader)
	i.await("leader that takes writes", func(s state) bool {
		return s.leader == i.other(leader) && i.mustQuery(s.leader, "select pg_is_in_recovery()::text") == "false"
	})
	i.writeToOldLeader(leader)
	// Patroni 3.0.2 must not be started over a server that runs: until it looks
	// into etcd, it lets the commits of that go on without their standby.
	i.killPostgres(leader)
	i.rejoin()
	for _, n := range i.nodes {
		if rows := i.mustQuery(n, "select count(*)::text from fence"); rows != "0" {
			i.t.Errorf("got %s rows on %s, want none of what was written to the old leader", rows, n.name)
		}
	}
}

// writeToOldLeader does what any client can do that is connected to a server
// which does not know that it lost the lead: its commit waits for a standby that
// does not come, and when it is cancelled the answer is a success with a
// warning.
func (i *installation) writeToOldLeader(leader *node) {
	i.t.Helper()
	if i.mustQuery(leader, "select pg_is_in_recovery()::text") != "false" {
		i.t.Fatal("the old leader takes no writes, so this shows nothing")
	}
	config, err := pgx.ParseConfig(leader.superuser)
	if err != nil {
		i.t.Fatal(err)
	}
	warned := make(chan string, 10)
	config.OnNotice = func(_ *pgconn.PgConn, notice *pgconn.Notice) { warned <- notice.Message }
	conn, err := pgx.ConnectConfig(i.t.Context(), config)
	if err != nil {
		i.t.Fatal(err)
	}
	defer func() { _ = conn.Close(i.t.Context()) }()
	answered := make(chan error, 1)
	go func() {
		_, err := conn.Exec(i.t.Context(), "insert into fence values (1)")
		answered <- err
	}()
	waits := fmt.Sprintf("select coalesce(wait_event, '') from pg_stat_activity where pid = %d", conn.PgConn().PID())
	i.await("commit that waits", func(state) bool {
		select {
		case err := <-answered:
			i.t.Fatalf("a write to the old leader: got answer %v, want it to wait", err)
		default:
		}
		return i.mustQuery(leader, waits) == "SyncRep"
	})
	i.mustQuery(leader, fmt.Sprintf("select pg_cancel_backend(%d)::text", conn.PgConn().PID()))
	if err := <-answered; err != nil || len(warned) != 1 {
		i.t.Errorf("a cancelled write to the old leader: got %v and %d warnings, want success and one", err, len(warned))
	}
}

// TestAsynchronousLoses shows what the accounting can see: without the
// synchronous mode, a failover loses what the standby had not received.
func TestAsynchronousLoses(t *testing.T) {
	t.Parallel()
	i := newInstallation(t, map[string]any{"synchronous_mode": false, "ttl": 8, "maximum_lag_on_failover": 1 << 30})
	leader := i.await("asynchronous standby", func(s state) bool {
		return s.leader != nil && s.synchronous == nil && s.members == 2
	}).leader
	i.await("leader that waits for nobody", func(state) bool {
		return i.mustQuery(leader, "select '<' || current_setting('synchronous_standby_names') || '>'") == "<>"
	})
	loads := i.startLoads()
	sender := i.freezeSender(leader)
	awaitAll(loads, 200)
	i.kill(leader, sender)
	i.await("leader", func(s state) bool { return s.leader == i.other(leader) })
	awaitAll(loads, 100)
	lost := 0
	for n, load := range loads {
		load.Stop()
		for _, problem := range load.Inspect(t, i.instances[n]).Problems {
			if strings.HasPrefix(problem, "LOST") {
				lost++
			}
		}
		i.campaign.Add("acknowledged", load.Acknowledged())
	}
	i.campaign.Add("lost", int64(lost))
	if lost < 100 {
		t.Errorf("asynchronous: got %d lost entries of 400 that only the old leader had, want them found", lost)
	}
	result := harness.Run(t, "verify", "--database-url", i.url)
	if result.Code != 0 {
		t.Errorf("verify: got %d, %q and %q; want what is left to be whole", result.Code, result.Stdout, result.Stderr)
	}
}
