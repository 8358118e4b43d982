package postgres

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/e2e/harness"
	"github.com/billfold/billfold/internal/pgtest"
)

var (
	restartsFlag = flag.Int("restarts", 4, "how often PostgreSQL is restarted under two instances")
	backendsFlag = flag.Int("backends", 30, "how many of its sessions are terminated, cancelled or killed")
	cutsFlag     = flag.Int("cuts", 6, "how often the power of PostgreSQL's disk is cut")
)

// trial is two instances on one server under load.
type trial struct {
	*harness.Installation
	t         *testing.T
	campaign  *harness.Campaign
	instances []*harness.Server
	loads     []*harness.Load
}

// begin starts instances of a binary, empty for the one that is tested, without
// any load.
func begin(t *testing.T, i *harness.Installation, binary string) *trial {
	t.Helper()
	r := &trial{Installation: i, t: t, campaign: harness.NewCampaign(t)}
	for range 2 {
		options := i.Options(t, "")
		options.Binary = binary
		r.instances = append(r.instances, harness.Start(t, options))
	}
	return r
}

// newTrial gives each instance writers and customers of its own.
func newTrial(t *testing.T, i *harness.Installation) *trial {
	t.Helper()
	r := begin(t, i, "")
	for _, instance := range r.instances {
		r.load(instance)
	}
	return r
}

// load starts patient writers with customers of their own.
func (r *trial) load(instances ...*harness.Server) {
	r.t.Helper()
	r.loads = append(r.loads, harness.StartLoadOn(r.t, r.campaign, instances,
		harness.LoadOptions{Writers: 12, Customers: 12, Patient: true}))
}

// await waits until each instance has acknowledged so many entries more.
func (r *trial) await(n int64) {
	r.t.Helper()
	for _, load := range r.loads {
		load.Await("acknowledged entries", load.Acknowledged, n)
	}
}

// advance reports whether every load has so many more entries acknowledged before the
// time is over.
func (r *trial) advance(n int64, within time.Duration) bool {
	deadline := time.Now().Add(within)
	for _, load := range r.loads {
		for goal := load.Acknowledged() + n; load.Acknowledged() < goal; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				return false
			}
		}
	}
	return true
}

// end accounts for everything that was acknowledged, wherever.
func (r *trial) end() {
	r.t.Helper()
	var entries int64
	for n, load := range r.loads {
		load.StopAfter(500)
		entries += load.Check(r.t, r.instances[n%len(r.instances)]).Entries
		r.campaign.Add("unavailable", load.Unavailable())
	}
	if got := r.Verify(r.t).Entries; got != entries {
		r.t.Errorf("verify: got %d entries, want %d", got, entries)
	}
	for _, instance := range r.instances {
		instance.Stop(r.t)
	}
}

// send sends a call to an instance and wants one of the statuses. A 503 has to
// say when to come again.
func (r *trial) send(instance *harness.Server, call harness.Call, want ...int) harness.Answer {
	r.t.Helper()
	answer, err := instance.Client().Do(r.t.Context(), call)
	if r.t.Context().Err() != nil {
		return answer // the test has ended
	}
	if err != nil {
		r.t.Errorf("%s %s: got %v, want an answer", call.Method, call.Path, err)
		return answer
	}
	if !slices.Contains(want, answer.Status) {
		r.t.Errorf("%s %s: got %s, want one of %v", call.Method, call.Path, answer, want)
	}
	var failure harness.Failure
	if answer.Status == http.StatusServiceUnavailable &&
		(answer.Header.Get("Retry-After") == "" || answer.Read(&failure) != nil || !failure.Retryable) {
		r.t.Errorf("%s %s: got %s with Retry-After %q, want it retryable and to say when", call.Method, call.Path, answer,
			answer.Header.Get("Retry-After"))
	}
	return answer
}

// keepSending sends calls to all instances, from so many clients to each, until it
// is told to stop.
func (r *trial) keepSending(what string, clients int, call harness.Call, want ...int) (stop func()) {
	var running sync.WaitGroup
	var stopping atomic.Bool
	for n := range clients * len(r.instances) {
		running.Go(func() {
			for !stopping.Load() {
				answer := r.send(r.instances[n%len(r.instances)], call, want...)
				r.campaign.Add(fmt.Sprintf("%s: %d", what, answer.Status), 1)
				time.Sleep(5 * time.Millisecond) // as whoever honours a refusal
			}
		})
	}
	stop = func() {
		stopping.Store(true)
		running.Wait()
	}
	r.t.Cleanup(stop) // the test may have failed before it came to that
	return stop
}

// ask runs a statement on the server and returns the number that it answers, 0
// while the server cannot be asked.
func (r *trial) ask(query string) (n int) {
	ctx, cancel := context.WithTimeout(r.t.Context(), 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, r.URL)
	if err != nil {
		return 0
	}
	defer func() { _ = conn.Close(ctx) }()
	_ = conn.QueryRow(ctx, query).Scan(&n) // no row, or no server: 0
	return n
}

func (r *trial) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// TestServerRestarts stops PostgreSQL in every way that it has, under load.
func TestServerRestarts(t *testing.T) {
	t.Parallel()
	r := newTrial(t, harness.NewInstallation(t))
	random := r.campaign.Rand(1)
	for n := range *restartsFlag {
		r.await(20)
		time.Sleep(time.Duration(random.IntN(100)) * time.Millisecond)
		how := []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL}[n%4]
		if how == syscall.SIGTERM {
			// It takes no new sessions and waits for those that there are.
			r.must(r.Cluster.Send(how))
			time.Sleep(time.Duration(random.IntN(500)) * time.Millisecond)
			// It has ended by then when the instances let go of every session.
			if err := r.Cluster.Signal(syscall.SIGINT); !errors.Is(err, os.ErrProcessDone) {
				r.must(err)
			}
		} else {
			r.must(r.Cluster.Signal(how))
		}
		r.must(r.Cluster.Start())
		r.campaign.Add("restarts by "+how.String(), 1)
	}
	r.await(20)
	r.end()
}

// TestSessions ends the sessions of the instances in the middle of their work.
// One in twenty is killed, whereupon PostgreSQL starts anew.
func TestSessions(t *testing.T) {
	t.Parallel()
	r := newTrial(t, harness.NewInstallation(t))
	random := r.campaign.Rand(1)
	const busy = ` from pg_stat_activity where application_name = 'billfold' and state <> 'idle' order by random() limit 1`
	for done := 0; done < *backendsFlag; {
		r.await(2)
		how := []string{"pg_terminate_backend", "pg_cancel_backend"}[random.IntN(2)]
		if random.IntN(20) == 0 {
			if pid := r.ask("select pid" + busy); pid > 0 && syscall.Kill(pid, syscall.SIGKILL) == nil {
				r.campaign.Add("killed", 1)
				done++
			}
			continue
		}
		n := r.ask("select " + how + "(pid)::int" + busy)
		r.campaign.Add(how, int64(n))
		done += n
	}
	r.await(20)
	r.end()
}

// TestConnectionsTaken lets others take every session that PostgreSQL has: the
// instances refuse what they cannot do, and serve again when there is room.
func TestConnectionsTaken(t *testing.T) {
	t.Parallel()
	r := newTrial(t, harness.NewInstallation(t))
	admin, err := pgx.Connect(t.Context(), r.URL)
	r.must(err)
	defer func() { _ = admin.Close(context.Background()) }()
	for range 3 {
		r.await(50)
		var hogs []*pgx.Conn
		refused := func() int64 { return r.loads[0].Unavailable() + r.loads[1].Unavailable() }
		for before, deadline := refused(), time.Now().Add(time.Minute); refused() == before; {
			if time.Now().After(deadline) {
				t.Fatal("every session is taken: got no refusal, want some")
			}
			_, err := admin.Exec(t.Context(),
				`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'billfold'`)
			r.must(err)
			for {
				hog, err := pgx.Connect(t.Context(), r.URL)
				if err != nil {
					break
				}
				hogs = append(hogs, hog)
			}
		}
		for _, hog := range hogs {
			_ = hog.Close(t.Context())
		}
		r.campaign.Add("sessions taken", int64(len(hogs)))
	}
	r.await(50)
	r.end()
}

// onDisk is an installation whose server has a disk of its own.
func onDisk(t *testing.T) (*harness.Installation, *harness.Disk) {
	t.Helper()
	disk := harness.NewDisk(t, t.TempDir(), 1024)
	return serverIn(t, filepath.Join(disk.Dir, "server", "data")), disk
}

// serverIn is an installation whose server keeps its data in a directory.
func serverIn(t *testing.T, dir string) *harness.Installation {
	t.Helper()
	cluster, err := pgtest.New(dir, "max_connections=100")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cluster.Crash() }) // the test may have ended it
	cluster.Exec(t, "postgres", "create database billfold")
	return harness.InstallOn(t, cluster, cluster.URL("billfold"))
}

// TestPowerCuts cuts the power of PostgreSQL's disk under load.
func TestPowerCuts(t *testing.T) {
	t.Parallel()
	i, disk := onDisk(t)
	r := newTrial(t, i)
	random := r.campaign.Rand(1)
	for range *cutsFlag {
		r.await(10)
		time.Sleep(time.Duration(random.IntN(200)) * time.Millisecond)
		r.must(r.Cluster.Crash())
		disk.CutPower(t)
		r.must(r.Cluster.Start())
		r.campaign.Add("cuts", 1)
	}
	r.await(10)
	r.end()
}

// TestPowerCutsLoseWhatIsNotSynced is the control: on the same disk, sessions
// that do not wait for the disk lose what was acknowledged to them.
func TestPowerCutsLoseWhatIsNotSynced(t *testing.T) {
	t.Parallel()
	campaign := harness.NewCampaign(t)
	i, disk := onDisk(t)
	i.Cluster.Exec(t, "billfold", "create table control (n integer)")
	acknowledged := 0
	for range 5 {
		conn, err := pgx.Connect(t.Context(), i.URL+"&synchronous_commit=off")
		if err != nil {
			t.Fatal(err)
		}
		for began := time.Now(); time.Since(began) < 300*time.Millisecond; acknowledged++ {
			if _, err := conn.Exec(t.Context(), "insert into control values ($1)", acknowledged); err != nil {
				t.Fatal(err)
			}
		}
		if err := i.Cluster.Crash(); err != nil {
			t.Fatal(err)
		}
		_ = conn.Close(t.Context())
		disk.CutPower(t)
		if err := i.Cluster.Start(); err != nil {
			t.Fatal(err)
		}
		kept := (&trial{Installation: i, t: t}).ask("select count(*)::int from control")
		campaign.Add("lost", int64(acknowledged-kept))
		acknowledged = kept
	}
	campaign.Want("lost", 1)
}

// TestDiskFull fills PostgreSQL's disk under load. The instances refuse writes,
// and serve again when there is room.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	disk := harness.Tmpfs(t, 400)
	i := serverIn(t, filepath.Join(disk, "server", "data"))
	r := newTrial(t, i)
	for range 2 {
		r.await(50)
		filler := filepath.Join(disk, "filler")
		fill(t, filler)
		for _, load := range r.loads {
			load.Await("refusals", load.Unavailable, 20)
		}
		r.must(os.Remove(filler))
		if r.ask("select 1") == 0 {
			// A server that could not write its log has ended, or is about to.
			_ = r.Cluster.Signal(syscall.SIGQUIT)
			r.must(r.Cluster.Start())
			r.campaign.Add("servers that ended", 1)
		}
		r.campaign.Add("disks filled", 1)
	}
	r.await(50)
	r.end()
	r.campaign.Want("unavailable", 80)
}

// fill writes a file until there is no room for more.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for size := 1 << 20; size >= 512; {
		if _, err := file.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
}
