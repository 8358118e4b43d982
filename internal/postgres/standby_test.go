package postgres_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/pgtest"
)

// pair is a primary and its standby, at two addresses that stay.
type pair struct {
	t                testing.TB
	dir              string
	settings         []string
	primary, standby *pgtest.Cluster
	copies           int
}

// newPair starts a primary of the machine's own release, with the programs of
// which a standby is made, and the standby.
func newPair(t testing.TB, settings ...string) *pair {
	t.Helper()
	p := &pair{t: t, dir: pgtest.Dir(t), settings: append(settings, "max_connections=100", "wal_keep_size=256MB")}
	var err error
	if p.primary, err = pgtest.New(filepath.Join(p.dir, "0", "data"), p.settings...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.end(p.primary) })
	p.follow(0)
	t.Cleanup(func() { p.end(p.standby) })
	return p
}

func (p *pair) end(c *pgtest.Cluster) { _ = c.Signal(syscall.SIGQUIT) } // the test may have ended it

// follow makes a standby of the primary at a port.
func (p *pair) follow(port int) {
	p.t.Helper()
	p.copies++
	standby, err := p.primary.Standby(filepath.Join(p.dir, fmt.Sprint(p.copies), "data"), port, p.settings...)
	if err != nil {
		p.t.Fatal(err)
	}
	p.standby = standby
}

// url names both servers; whichever takes writes is found.
func (p *pair) url(direct string) string {
	host := fmt.Sprintf("127.0.0.1:%d", p.primary.Port())
	return strings.Replace(direct, host, fmt.Sprintf("%s,127.0.0.1:%d", host, p.standby.Port()), 1) +
		"&target_session_attrs=read-write"
}

// failOver kills the primary and promotes the standby.
func (p *pair) failOver() {
	p.t.Helper()
	if err := p.primary.Signal(syscall.SIGKILL); err != nil {
		p.t.Fatal(err)
	}
	if err := p.standby.Promote(); err != nil {
		p.t.Fatal(err)
	}
	p.primary, p.standby = p.standby, p.primary
}

// server is the pair as the store sees it.
func (p *pair) server() server {
	database := func(t testing.TB) string {
		p.primary.Exec(t, "postgres", "create database billfold")
		return p.url(p.primary.URL("billfold"))
	}
	return server{name: "a primary and its standby", database: database, cluster: p.primary}
}

// synchronous makes every commit wait for the standby, whichever it is.
const synchronous = "synchronous_standby_names=*"

// Fail-overs to a synchronous standby under load lose nothing. The address names
// both servers, and the instances find the one that takes writes.
func TestFailOverToSynchronousStandby(t *testing.T) {
	campaign(t)
	p := newPair(t, synchronous)
	i := newInstallation(t, p.server(), 2)
	l := startLoad(i, 16, false)
	for range *failOversFlag {
		l.await(200)
		p.failOver()
		// Nothing is acknowledged until there is a standby again.
		p.follow(p.standby.Port())
	}
	l.await(200)
	l.end(0)
}

// Of several hosts the one that takes writes is found without being asked for.
func TestStandbyIsNamedFirst(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	direct := p.primary.URL("postgres")
	host := fmt.Sprintf("127.0.0.1:%d", p.primary.Port())
	url := strings.Replace(direct, host, fmt.Sprintf("127.0.0.1:%d,%s", p.standby.Port(), host), 1)
	if _, err := p.server().open(t, url).Businesses(t.Context()); err != nil {
		t.Error(err)
	}
}

// A standby that does not answer keeps everything from being acknowledged,
// however the wait for it ends.
func TestNothingIsAcknowledgedWithoutTheStandby(t *testing.T) {
	t.Parallel()
	p := newPair(t, synchronous)
	i := newInstallation(t, p.server(), 1)
	c := i.customer("cus_1")
	request := ledger.PostRequest{CustomerID: c, Direction: ledger.Credit, Amount: 5, IdempotencyKey: "k"}
	var receiver int
	if err := connect(t, p.standby.URL("postgres")).QueryRow(t.Context(),
		`select pid from pg_stat_wal_receiver`).Scan(&receiver); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(receiver, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	customer := make(chan error, 1)
	go func() {
		_, err := i.instances[0].CreateCustomer(context.Background(), i.newCustomer("cus_2"), nil)
		customer <- err
	}()
	entry := make(chan error, 1)
	go func() {
		_, err := i.post(context.Background(), 0, request)
		entry <- err
	}()
	cancelWaits(t, connect(t, p.primary.URL("billfold")))
	if err := <-entry; err == nil {
		t.Error("an entry without the standby: got it acknowledged")
	}
	if err := <-customer; err == nil {
		t.Error("a customer without the standby: got it acknowledged")
	}
	if _, err := i.post(t.Context(), 0, request); err == nil {
		t.Error("a repeat without the standby: got the first answer, which nobody has given")
	}
	if err := syscall.Kill(receiver, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if _, err := i.post(t.Context(), 0, request); err != nil {
		t.Errorf("with the standby: got %v", err)
	}
	if report := i.verify(); report.Entries != 1 {
		t.Errorf("got %d entries, want 1", report.Entries)
	}
}

// cancelWaits cancels, as an operator may, what waits for the standby. The
// server then commits all the same and only warns.
func cancelWaits(t testing.TB, operator *pgx.Conn) {
	t.Helper()
	const cancel = `select count(pg_cancel_backend(pid)) from pg_stat_activity where wait_event = 'SyncRep'`
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		var cancelled int
		if err := operator.QueryRow(t.Context(), cancel).Scan(&cancelled); err != nil {
			t.Fatal(err)
		}
		if cancelled > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing waits for the standby")
		}
	}
}
