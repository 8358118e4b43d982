package postgres

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/e2e/harness"
	"github.com/billfold/billfold/internal/pgtest"
)

// lockedFor is longer than every time-out of the store.
const lockedFor = 12 * time.Second

// stranger is a session of somebody else in the database of the instances.
func (r *trial) stranger() *pgx.Conn {
	r.t.Helper()
	conn, err := pgx.Connect(r.t.Context(), r.URL)
	r.must(err)
	r.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (r *trial) exec(conn *pgx.Conn, statement string, arguments ...any) {
	r.t.Helper()
	_, err := conn.Exec(r.t.Context(), statement, arguments...)
	r.must(err)
}

func get(path string) harness.Call { return harness.Call{Method: http.MethodGet, Path: path} }

func rename(customer string) harness.Call {
	return harness.Call{Method: http.MethodPatch, Path: "/customers/" + customer, Body: map[string]string{"name": "Renamed"}}
}

// TestStrangerLocksACustomer lets somebody keep the rows of one customer locked.
// What would change that customer is refused, what reads is served, and nobody
// else notices, however many requests wait for the lock.
func TestStrangerLocksACustomer(t *testing.T) {
	onReleases(t, func(t *testing.T, release pgtest.Release, _ func(n int) int) {
		r := begin(t, harness.NewInstallationOf(t, release.New), "")
		start := func(options harness.LoadOptions) *harness.Load {
			r.loads = append(r.loads, harness.StartLoadOn(t, r.campaign, r.instances, options))
			return r.loads[len(r.loads)-1]
		}
		locked := start(harness.LoadOptions{Writers: 4, Customers: 1, Patient: true})
		free := start(harness.LoadOptions{Writers: 8, Customers: 8, Patient: true})
		r.await(20)

		customer, stranger := "/customers/"+locked.Customers()[0], r.stranger()
		r.exec(stranger, `begin`)
		r.exec(stranger, `select from customers where customer_id = $1 for update`, locked.Customers()[0])
		r.exec(stranger, `select from wallets where customer_id = $1 for update`, locked.Customers()[0])
		// The first refusal comes after a second, when what was committed before the
		// lock has long been answered.
		locked.Await("refusals for the locked customer", locked.Unavailable, 1)
		before := locked.Acknowledged()
		stops := []func(){
			r.keepSending("renaming the locked customer", 20, rename(locked.Customers()[0]), http.StatusServiceUnavailable),
			r.keepSending("renaming another", 1, rename(free.Customers()[0]), http.StatusOK),
			r.keepSending("reading the locked customer's wallets", 1, get(customer+"/wallets"), http.StatusOK),
			r.keepSending("reading the locked customer's entries", 1, get(customer+"/wallets/ledger-entries"), http.StatusOK),
		}
		for began := time.Now(); time.Since(began) < lockedFor; {
			free.Await("entries of other customers", free.Acknowledged, 10)
			locked.Await("refusals for the locked customer", locked.Unavailable, 1)
		}
		for _, stop := range stops {
			stop()
		}
		if n := locked.Acknowledged() - before; n > 0 {
			t.Errorf("entries of a locked customer: got %d, want none", n)
		}
		// A machine that stands still for a second has some wait for too long, which
		// are served when they ask again.
		if refused, served := free.Unavailable(), free.Acknowledged(); refused*20 > served {
			t.Errorf("other customers: got %d refusals beside %d entries, want next to none", refused, served)
		}
		r.exec(stranger, `rollback`)
		r.await(20)
		// An instance remembers for a moment that the customer was locked.
		answer := harness.Answer{Status: http.StatusServiceUnavailable}
		for released := time.Now(); answer.Status != http.StatusOK && time.Since(released) < lockedFor; {
			answer = r.send(r.instances[0], rename(locked.Customers()[0]), http.StatusOK, http.StatusServiceUnavailable)
			time.Sleep(5 * time.Millisecond)
		}
		if answer.Status != http.StatusOK {
			t.Errorf("renaming the customer that is locked no more: got %s, want status 200", answer)
		}
		r.end()
	})
}

// TestStrangerLocksTheLedger lets somebody keep the table of entries locked, as
// a careless "alter table" does, or a "create index". What needs it is refused,
// what does not is served, and all is served again afterwards.
func TestStrangerLocksTheLedger(t *testing.T) {
	onReleases(t, func(t *testing.T, release pgtest.Release, _ func(n int) int) {
		r := newTrial(t, harness.NewInstallationOf(t, release.New))
		r.await(20)
		// Entries hold their customers while they wait for the ledger, so this one
		// has none.
		quiet, err := r.instances[0].Client().CreateCustomer(t.Context(), "Quiet")
		r.must(err)
		for _, lock := range []struct {
			mode    string
			held    time.Duration
			clients int
			entries int // what a read of entries is answered with
		}{
			{"access exclusive", lockedFor, 8, http.StatusServiceUnavailable},
			{"share row exclusive", 3 * time.Second, 1, http.StatusOK},
		} {
			stranger, customer := r.stranger(), r.loads[0].Customers()[0]
			r.exec(stranger, `begin`)
			r.exec(stranger, `lock table ledger_entries in `+lock.mode+` mode`)
			wallets := "/customers/" + customer + "/wallets"
			stops := []func(){
				r.keepSending(lock.mode+", reading entries", lock.clients, get(wallets+"/ledger-entries"), lock.entries),
				r.keepSending(lock.mode+", reading wallets", 1, get(wallets), http.StatusOK),
				r.keepSending(lock.mode+", renaming", 1, rename(quiet), http.StatusOK),
			}
			for began := time.Now(); time.Since(began) < lock.held; {
				for _, load := range r.loads {
					load.Await("refusals", load.Unavailable, 1)
				}
			}
			for _, stop := range stops {
				stop()
			}
			r.exec(stranger, `rollback`)
			r.await(20)
		}
		r.await(200)
		r.end()
	})
}

// TestStrangerDeadlocks lets somebody lock the customers of a batch in the
// opposite order, so that PostgreSQL has to end one of the two.
func TestStrangerDeadlocks(t *testing.T) {
	onReleases(t, func(t *testing.T, release pgtest.Release, share func(n int) int) {
		// Deadlocks are looked for before the store has waited too long.
		i := harness.NewInstallationOf(t, release.New, "deadlock_timeout=100ms")
		r := begin(t, i, "")
		r.load(r.instances...)
		// They were made one after the other, so they are in the order of their ids.
		customers := slices.Clone(r.loads[0].Customers())
		slices.Reverse(customers)
		stranger := r.stranger()
		r.exec(stranger, `set deadlock_timeout = '1min'`) // the batch is to be the one that notices
		const deadlocks = `select deadlocks::int from pg_stat_database where datname = current_database()`
		for before := r.ask(deadlocks); r.ask(deadlocks)-before < share(20); {
			r.await(5)
			r.exec(stranger, `begin`)
			for n, customer := range customers {
				r.exec(stranger, `select from customers where customer_id = $1 for update`, customer)
				if n == 0 {
					r.awaitWaiting(stranger)
				}
			}
			r.exec(stranger, `rollback`)
			r.campaign.Add("rounds", 1)
		}
		r.campaign.Add("deadlocks", int64(r.ask(deadlocks)))
		r.await(500)
		r.end()
	})
}

// awaitWaiting waits until a session waits for a stranger's lock.
func (r *trial) awaitWaiting(stranger *pgx.Conn) {
	r.t.Helper()
	const query = `select exists (select from pg_stat_activity where pg_backend_pid() = any (pg_blocking_pids(pid)))`
	for waits, deadline := false, time.Now().Add(time.Minute); !waits; time.Sleep(time.Millisecond) {
		r.must(stranger.QueryRow(r.t.Context(), query).Scan(&waits))
		if time.Now().After(deadline) {
			r.t.Fatal("a locked customer: got nobody who waits for the lock in a minute, want somebody")
		}
	}
}

// slowestTransaction is how long, in milliseconds, a transaction may take on a machine
// that the tests run on.
const slowestTransaction = 240

// TestTimeOutsOfTheRole gives the role of the instances time-outs that hardly a
// transaction could keep. Nobody notices, because each says for itself how long
// it may take. Newer releases have one time-out that none speaks of: it ends
// transactions, which are tried again or refused.
func TestTimeOutsOfTheRole(t *testing.T) {
	onReleases(t, func(t *testing.T, release pgtest.Release, _ func(n int) int) {
		i := instancesRole(t, release)
		r := newTrial(t, i.Installation)
		r.await(20)
		type timeOut struct {
			name string
			ms   int
			want []int
		}
		served := []int{http.StatusOK}
		timeOuts := []timeOut{
			{"lock_timeout", 1, served},
			{"statement_timeout", 15, served}, // also for what a new session is asked first
			{"idle_in_transaction_session_timeout", 1, served},
		}
		if release.Version >= 17 {
			timeOuts = append(timeOuts, timeOut{"transaction_timeout", 15, []int{http.StatusOK, http.StatusServiceUnavailable}})
		}
		wallets := "/customers/" + r.loads[0].Customers()[0] + "/wallets"
		for _, limit := range timeOuts {
			i.Cluster.Exec(t, "owned", fmt.Sprintf(`alter role instances set %s = %d`, limit.name, limit.ms))
			i.endSessions(t)
			setting, got := `select setting::int from pg_settings where name = '`+limit.name+`'`, 0
			for try := 0; got == 0 && try < 100; try++ {
				got = r.ask(setting) // unless the time-out was quicker
			}
			if got != limit.ms {
				t.Errorf("%s of a new session: got %d ms, want %d", limit.name, got, limit.ms)
			}
			stops := []func(){
				r.keepSending(limit.name+", reading wallets", 2, get(wallets), limit.want...),
				r.keepSending(limit.name+", reading entries", 2, get(wallets+"/ledger-entries"), limit.want...),
				r.keepSending(limit.name+", renaming", 1, rename(r.loads[0].Customers()[0]), limit.want...),
			}
			// What ends whole transactions lets some through only where it is about as
			// long as they are, which is the machine's affair.
			for ms := limit.ms; len(limit.want) > 1 && ms < slowestTransaction && !r.advance(150, 15*time.Second); {
				ms *= 2
				i.Cluster.Exec(t, "owned", fmt.Sprintf(`alter role instances set %s = %d`, limit.name, ms))
				i.endSessions(t)
				r.campaign.Add(fmt.Sprintf("%s: %d ms", limit.name, ms), 1)
			}
			r.await(150)
			for _, stop := range stops {
				stop()
			}
			i.Cluster.Exec(t, "owned", `alter role instances reset `+limit.name)
		}
		i.endSessions(t)
		r.await(100)
		r.end()
	})
}

// owned is an installation whose role has no more rights than it must.
type owned struct{ *harness.Installation }

func instancesRole(t *testing.T, release pgtest.Release, settings ...string) owned {
	t.Helper()
	i := harness.NewInstallationOf(t, release.New, settings...)
	i.Cluster.Exec(t, "postgres", `create role instances login`)
	i.Cluster.Exec(t, "postgres", `create database owned owner instances`)
	url := strings.Replace(i.Cluster.URL("owned"), "billfold@", "instances@", 1)
	return owned{harness.InstallOn(t, i.Cluster, url)}
}

// endSessions ends the sessions that the instances have.
func (i owned) endSessions(t *testing.T) {
	t.Helper()
	i.Cluster.Exec(t, "owned", `select pg_terminate_backend(pid) from pg_stat_activity where usename = 'instances'`)
}
