package postgres_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/pgtest"
	"github.com/billfold/billfold/internal/postgres"
)

var (
	cutsFlag      = flag.Int("cuts", 100, "how many commits are cut off from their answer")
	restartsFlag  = flag.Int("restarts", 6, "how often the server is restarted under load")
	failOversFlag = flag.Int("failovers", 3, "how often the primary is killed and its standby promoted")
	seedFlag      = flag.Uint64("seed", 0, "seed of a campaign; 0 draws one")
)

// load posts entries from many goroutines, each under a key of its own, repeats
// what it has no sure answer to, and remembers what was acknowledged.
type load struct {
	i         *installation
	customers []string

	// keyless lets half of the writers write without a key, where nothing but
	// the store keeps an entry from being written twice.
	keyless bool

	mu           sync.Mutex
	acknowledged map[string]ledger.Entry
	codes        map[ledger.Code]int
	stop         atomic.Bool
	running      sync.WaitGroup
}

func startLoad(i *installation, writers int, keyless bool) *load {
	l := &load{i: i, keyless: keyless, acknowledged: map[string]ledger.Entry{}, codes: map[ledger.Code]int{}}
	for n := range 8 {
		l.customers = append(l.customers, i.customer(fmt.Sprintf("cus_load_%d", n)))
	}
	for w := range writers {
		l.running.Go(func() {
			for n := 0; !l.stop.Load(); n++ {
				l.post(w, fmt.Sprintf("%d-%d", w, n), n)
			}
		})
	}
	return l
}

// post repeats one request under its key until it has an answer.
func (l *load) post(w int, key string, n int) {
	r := ledger.PostRequest{
		CustomerID: l.customers[(w+n)%len(l.customers)], Direction: ledger.Credit, Amount: money.Amount(100 + n%7),
		IdempotencyKey: key, Reason: key,
	}
	if l.keyless && w%4 < 2 { // on every instance, see below
		r.IdempotencyKey = ""
	}
	if n%4 == 3 {
		r.Direction, r.Amount = ledger.Debit, 150
	}
	for try := 0; ; try++ {
		change, err := l.i.post(context.Background(), (w+try)%len(l.i.instances), r)
		code := ledger.CodeOf(err)
		l.mu.Lock()
		l.codes[code]++
		if err == nil {
			l.acknowledged[r.CustomerID+"/"+key] = change.Entry
		}
		l.mu.Unlock()
		if try == 0 && change.Replayed {
			l.i.t.Errorf("post %s: got a replay of a request that was sent for the first time", key)
		}
		switch code {
		case "", ledger.CodeInsufficientFunds:
			return
		case ledger.CodeOutcomeUnknown:
			l.i.t.Logf("post %s: %v", key, err)
		case ledger.CodeStorageUnavailable, ledger.CodeOverloaded:
		default:
			l.i.t.Errorf("post %s: got %v, want an answer or a code of the storage", key, err)
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// end stops the load and accounts for everything: what was acknowledged is there
// as it was acknowledged, no key has two entries, and every law holds. Others is
// how many entries the test has made beside the load.
func (l *load) end(others int64) (acknowledged int64) {
	l.i.t.Helper()
	l.stop.Store(true)
	l.running.Wait()
	report := l.i.verify()
	if report.Entries-others != int64(len(l.acknowledged)) {
		l.i.t.Errorf("got %d entries, want the %d that were acknowledged", report.Entries-others, len(l.acknowledged))
	}
	for _, customer := range l.customers {
		page := ledger.Page{Limit: 200}
		for {
			list, err := l.i.instances[0].Entries(l.i.t.Context(), l.i.tenant, customer, ledger.EntryFilter{}, page)
			if err != nil {
				l.i.t.Fatal(err)
			}
			for _, e := range list.Entries {
				if want, ok := l.acknowledged[customer+"/"+e.Reason]; !ok || want.Hash != e.Hash {
					l.i.t.Errorf("entry %s of request %s: got another one than was acknowledged, %q", e.ID, e.Reason, want.ID)
				}
			}
			if page.Before = list.Next; page.Before == 0 {
				break
			}
		}
	}
	l.i.t.Logf("%d acknowledged, answers by code: %v", len(l.acknowledged), l.codes)
	return int64(len(l.acknowledged))
}

// campaign draws the chance of a test and says how to have it again.
func campaign(t *testing.T) *rand.Rand {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("replay: go test ./internal/postgres -count=1 -v -run '^%s$' -seed=%d", t.Name(), seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// Connections that are cut at their COMMIT, before the server has it or before
// its answer is heard: the store finds out which it was, and nothing is lost or
// happens twice.
func TestCutsAtCommit(t *testing.T) { onServers(t, cutsAtCommit) }

func cutsAtCommit(t *testing.T, s server) {
	random, cuts := campaign(t), s.share(*cutsFlag)
	i := newInstallation(t, s, 1)
	decide, opened := pgtest.Cuts(random, cuts), atomic.Bool{}
	proxy := pgtest.NewProxy(t, pgtest.At(i.url), func() pgtest.Cut {
		if !opened.Load() {
			return pgtest.CutNothing // an instance may say that it could not start
		}
		return decide()
	})
	i.instances = append(i.instances, s.open(t, proxy.URL(i.url)))
	opened.Store(true)
	// No outcome stays unknown here, so nobody has to send anything twice.
	l := startLoad(i, 16, true)
	for deadline := time.Now().Add(10 * time.Minute); proxy.Cuts() < int64(cuts); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("got %d cuts, want %d", proxy.Cuts(), cuts)
		}
	}
	l.end(0)
	t.Logf("%d commits cut off, half of them before the server had them", proxy.Cuts())
	if l.codes[ledger.CodeOutcomeUnknown] > 0 {
		t.Errorf("got %d unknown outcomes, want each found out: the server was there to ask", l.codes[ledger.CodeOutcomeUnknown])
	}
}

// A refusal and a repeat end in a commit too, although they write nothing. Where
// its connection is cut, another shows what they rest on, and they are answered.
func TestCutsAtCommitOfNothing(t *testing.T) {
	t.Parallel()
	i := newInstallation(t, servers[0], 1)
	c := i.customer("cus_1")
	var next atomic.Int32 // the cut of the next commit, once
	var cuts atomic.Int32
	proxy := pgtest.NewProxy(t, pgtest.At(i.url), func() pgtest.Cut {
		cut := pgtest.Cut(next.Swap(int32(pgtest.CutNothing)))
		if cut != pgtest.CutNothing {
			cuts.Add(1)
		}
		return cut
	})
	i.instances = append(i.instances, servers[0].open(t, proxy.URL(i.url)))
	credit := ledger.PostRequest{CustomerID: c, Direction: ledger.Credit, Amount: 100, IdempotencyKey: "k1"}
	first, err := i.post(t.Context(), 1, credit)
	if err != nil {
		t.Fatal(err)
	}
	for _, cut := range []pgtest.Cut{pgtest.CutBefore, pgtest.CutAfter} {
		next.Store(int32(cut))
		debit := ledger.PostRequest{CustomerID: c, Direction: ledger.Debit, Amount: 101}
		if _, err := i.post(t.Context(), 1, debit); ledger.CodeOf(err) != ledger.CodeInsufficientFunds {
			t.Errorf("a refusal whose commit was cut: got %v, want %s", err, ledger.CodeInsufficientFunds)
		}
		next.Store(int32(cut))
		again, err := i.post(t.Context(), 1, credit)
		if err != nil || !again.Replayed || again.Entry.ID != first.Entry.ID {
			t.Errorf("a repeat whose commit was cut: got %+v and %v, want the first answer", again, err)
		}
	}
	if cuts.Load() != 4 {
		t.Errorf("got %d cuts, want 4", cuts.Load())
	}
}

// A connection is cut off before the server has come to its COMMIT, and the
// look-up is there first. It must wait until the transaction has ended: what it
// sees before says nothing about what becomes of it.
func TestLooksBeforeTheCommit(t *testing.T) { onServers(t, looksBeforeTheCommit) }

func looksBeforeTheCommit(t *testing.T, s server) {
	i := newInstallation(t, s, 1)
	c, watcher := i.customer("cus_1"), connect(t, i.url)
	// await waits until a backend is seen that does so, or for five seconds. Where
	// nothing is awaited in vain but what a mistake does not do, that is enough.
	await := func(does string) (seen bool) {
		for until := time.Now().Add(5 * time.Second); !seen && time.Now().Before(until); time.Sleep(time.Millisecond) {
			query := `select exists (select from pg_stat_activity where datname = current_database() and ` + does + `)`
			if err := watcher.QueryRow(t.Context(), query).Scan(&seen); err != nil {
				t.Error(err)
				return false
			}
		}
		return seen
	}
	var armed atomic.Bool
	proxy := pgtest.NewProxy(t, pgtest.At(i.url), func() pgtest.Cut {
		if !armed.CompareAndSwap(true, false) {
			return pgtest.CutNothing
		}
		// The driver cancels what it no longer hears of. That would undo what the
		// server has not carried out yet, so it has to wait for the COMMIT by now.
		if !await(`state = 'active' and wait_event = 'ClientRead' and backend_xid is not null`) {
			t.Error("a transaction that waits for its COMMIT: got none in five seconds, want one")
		}
		return pgtest.CutLate
	})
	waited := atomic.Int64{}
	proxy.Late = func() {
		if await(`wait_event_type = 'Lock'`) {
			waited.Add(1)
		}
	}
	i.instances = append(i.instances, s.open(t, proxy.URL(i.url)))
	const commits = 3
	for range commits {
		armed.Store(true)
		change, err := i.post(t.Context(), 1, ledger.PostRequest{CustomerID: c, Direction: ledger.Credit, Amount: 5})
		if err != nil || change.Replayed {
			t.Errorf("a commit that came after the look-up: got %+v and %v, want it found", change, err)
		}
	}
	if got := i.verify().Entries; got != commits || waited.Load() != commits {
		t.Errorf("a look-up before the commit: got %d entries and %d look-ups that waited, want %d of each",
			got, waited.Load(), commits)
	}
}

// Somebody locks the customer while nobody knows what became of a commit, so
// that the look-up waits for the lock in vain. That is no command which had no
// effect: it must not be run again, and nobody may be told so.
func TestLockedWhileInDoubt(t *testing.T) {
	t.Parallel()
	i := newInstallation(t, servers[0], 1)
	c := i.customer("cus_1")
	holder, watcher := connect(t, i.url), connect(t, i.url)
	var armed atomic.Bool
	var locking sync.WaitGroup
	proxy := pgtest.NewProxy(t, pgtest.At(i.url), func() pgtest.Cut {
		if !armed.CompareAndSwap(true, false) {
			return pgtest.CutNothing
		}
		// The lock is waited for behind the transaction that is about to commit.
		locking.Go(func() {
			if _, err := holder.Exec(t.Context(), `begin; select 1 from customers for update`); err != nil {
				t.Errorf("lock the customer: %v", err)
			}
		})
		for waits := false; !waits; time.Sleep(time.Millisecond) {
			const query = `select exists (select from pg_locks where not granted)`
			if err := watcher.QueryRow(t.Context(), query).Scan(&waits); err != nil {
				t.Error(err)
				break
			}
		}
		return pgtest.CutAfter
	})
	// Long enough for the last of the look-ups to end by its wait for the lock.
	db, err := postgres.Open(t.Context(), postgres.Config{URL: proxy.URL(i.url), CommitWithin: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	i.instances = append(i.instances, db)
	entries, answer := int64(0), error(nil)
	for answer == nil && entries < 50 { // the look-up may be quicker than the lock
		armed.Store(true)
		_, answer = i.post(t.Context(), 1, ledger.PostRequest{CustomerID: c, Direction: ledger.Credit, Amount: 5})
		entries++
		locking.Wait()
		if _, err := holder.Exec(t.Context(), `rollback`); err != nil {
			t.Fatal(err)
		}
	}
	if ledger.CodeOf(answer) != ledger.CodeOutcomeUnknown {
		t.Errorf("after %d commits that were cut off: got %v, want an unknown outcome", entries, answer)
	}
	// The driver cancels what it no longer hears of, which may come before the
	// COMMIT is carried out.
	if got := i.verify().Entries; got != entries && got != entries-1 {
		t.Errorf("got %d entries, want %d, or one less: nobody knows", got, entries)
	}
}

// Restarts of the server under load, in order, at once, and by a crash. The
// instances serve again by themselves. That the server does not care to keep
// what it commits makes no difference: each transaction says that it does.
func TestServerRestarts(t *testing.T) { onOwnServers(t, serverRestarts) }

func serverRestarts(t *testing.T, s server) {
	random := campaign(t)
	s = s.another(t, "max_connections=100", "synchronous_commit=off")
	own := s.cluster
	i := newInstallation(t, s, 2)
	l := startLoad(i, 16, false)
	for n := range s.share(*restartsFlag) {
		l.await(200)
		how := []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL}[n%3]
		time.Sleep(time.Duration(random.IntN(50)) * time.Millisecond)
		if err := own.Signal(how); err != nil {
			t.Fatal(err)
		}
		if err := own.Start(); err != nil {
			t.Fatal(err)
		}
	}
	l.await(200)
	l.end(0)
}

// await waits until so many more entries were acknowledged.
func (l *load) await(more int) {
	l.i.t.Helper()
	count := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.acknowledged)
	}
	from := count()
	for deadline := time.Now().Add(5 * time.Minute); count() < from+more; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			l.i.t.Fatalf("got %d more entries in five minutes, want %d", count()-from, more)
		}
	}
}

// Backends that are terminated and transactions that wait too long for a lock
// end in a refusal without effect, or are tried again unseen.
func TestTerminatedBackends(t *testing.T) { onOwnServers(t, terminatedBackends) }

func terminatedBackends(t *testing.T, s server) {
	campaign(t)
	i := newInstallation(t, s, 2)
	l := startLoad(i, 16, false)
	killer := connect(t, i.url)
	killed := 0
	for killed < s.share(50) {
		l.await(20)
		var n int
		const kill = `
		  select count(pg_terminate_backend(pid))
		    from pg_stat_activity
		   where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'`
		if err := killer.QueryRow(t.Context(), kill).Scan(&n); err != nil {
			t.Fatal(err)
		}
		killed += n
	}
	l.end(0)
	t.Logf("%d backends terminated in the middle of a transaction", killed)
}

// What reads, and what writes customers, does not notice that its connections
// have been ended since they were used last.
func TestTerminatedWhileIdle(t *testing.T) { onOwnServers(t, terminatedWhileIdle) }

func terminatedWhileIdle(t *testing.T, s server) {
	i := newInstallation(t, s, 1)
	i.customer("cus_1")
	killer := connect(t, i.url)
	for n := range 10 {
		i.together(4, func(instance, k int) {
			if _, err := i.instances[instance].Customer(t.Context(), i.tenant, "cus_1"); err != nil {
				t.Error(err)
			}
			if n > 0 {
				id := fmt.Sprintf("cus_%d_%d", n, k)
				if _, err := i.instances[instance].CreateCustomer(t.Context(), i.newCustomer(id), nil); err != nil {
					t.Error(err)
				}
			}
		})
		exec(t, killer, `
		  select pg_terminate_backend(pid, 5000)
		    from pg_stat_activity
		   where datname = current_database() and pid <> pg_backend_pid()`)
	}
}

// A customer whom somebody else has locked for too long is refused without
// effect; the others are served meanwhile, whatever it is that is locked.
func TestLockWaitIsOver(t *testing.T) { onOwnServers(t, lockWaitIsOver) }

func lockWaitIsOver(t *testing.T, s server) {
	for _, lock := range []string{
		`select 1 from customers where customer_id = 'cus_stuck' for update`,
		`select 1 from wallets where customer_id = 'cus_stuck' for update`,
	} {
		i := newInstallation(t, s, 1)
		request := ledger.PostRequest{CustomerID: i.customer("cus_stuck"), Direction: ledger.Credit, Amount: 5}
		if _, err := i.post(t.Context(), 0, request); err != nil {
			t.Fatal(err)
		}
		request.IdempotencyKey = "k"
		holder := connect(t, i.url)
		if _, err := holder.Exec(t.Context(), `begin; `+lock); err != nil {
			t.Fatal(err)
		}
		l := startLoad(i, 8, false)
		// Some of these share the customer's committer, whichever that is.
		for range 50 {
			l.await(20)
			_, err := i.post(t.Context(), 0, request)
			if code := ledger.CodeOf(err); code != ledger.CodeStorageUnavailable {
				t.Errorf("a locked customer: got %v, want a refusal of the storage", err)
			}
		}
		l.stop.Store(true)
		l.running.Wait()
		if _, err := holder.Exec(t.Context(), `rollback`); err != nil {
			t.Fatal(err)
		}
		if refused := l.codes[ledger.CodeStorageUnavailable] + l.codes[ledger.CodeOverloaded]; refused > 0 {
			t.Errorf("customers whom nobody had locked: got %d refusals, want none", refused)
		}
		if len(l.acknowledged) < 1000 {
			t.Errorf("got %d entries of other customers, want at least 1000", len(l.acknowledged))
		}
		i.settles(request)
		l.end(2)
	}
}

// What waits for somebody else's lock leaves connections to the rest, however
// much of it there is.
func TestWaitingForLocksLeavesConnections(t *testing.T) { onOwnServers(t, waitingLeavesConnections) }

func waitingLeavesConnections(t *testing.T, s server) {
	i := newInstallation(t, s, 1)
	var customers []string
	for n := range 12 {
		customers = append(customers, i.customer(fmt.Sprintf("cus_%d", n)))
	}
	fresh := i.customer("cus_fresh")
	same := func(c ledger.Customer) (ledger.CustomerChange, error) { return ledger.CustomerChange{Customer: c}, nil }
	update := func(customer string) error {
		_, _, err := i.instances[0].UpdateCustomer(t.Context(), i.tenant, customer, same, nil)
		return err
	}
	list := func(customer string) error {
		_, err := i.instances[0].Entries(t.Context(), i.tenant, customer, ledger.EntryFilter{}, ledger.Page{Limit: 1})
		return err
	}
	for _, waiting := range []struct {
		what, lock string
		customers  []string
		call       func(customer string) error
		most       int // of the eight connections that there are
	}{
		{"reads", `lock table ledger_entries in access exclusive mode`, customers, list, 4},
		{"updates", `select 1 from customers for update`, customers, update, 2},
		// One who was not seen locked a moment ago: nobody would wait at all.
		{"updates of one customer", `select 1 from customers for update`, slices.Repeat([]string{fresh}, 12), update, 1},
	} {
		holder, watcher := connect(t, i.url), connect(t, i.url)
		if _, err := holder.Exec(t.Context(), `begin; `+waiting.lock); err != nil {
			t.Fatal(err)
		}
		var running sync.WaitGroup
		var left atomic.Int64
		for _, customer := range waiting.customers {
			left.Add(1)
			running.Go(func() {
				defer left.Add(-1)
				code := ledger.CodeOf(waiting.call(customer))
				if code != ledger.CodeStorageUnavailable && code != ledger.CodeOverloaded {
					t.Errorf("%s: got the code %q, want a refusal", waiting.what, code)
				}
			})
		}
		most := 0
		for left.Load() > 0 {
			const query = `
			  select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
			var n int
			if err := watcher.QueryRow(t.Context(), query).Scan(&n); err != nil {
				t.Fatal(err)
			}
			most = max(most, n)
		}
		running.Wait()
		if most != waiting.most {
			t.Errorf("%s: got %d connections that wait for a lock, want %d", waiting.what, most, waiting.most)
		}
		if _, err := holder.Exec(t.Context(), `rollback`); err != nil {
			t.Fatal(err)
		}
	}
}

// Connections that were ended while nobody used them are not noticed by anybody.
func TestEndedConnectionsAreNotNoticed(t *testing.T) { onOwnServers(t, endedConnections) }

func endedConnections(t *testing.T, s server) {
	i := newInstallation(t, s, 1)
	customer, killer := i.customer("cus_1"), connect(t, i.url)
	ended := 0
	for round := range 10 {
		i.together(8, func(_, n int) {
			if _, err := i.instances[0].Customer(t.Context(), i.tenant, customer); err != nil {
				t.Errorf("read: got %v, want it served", err)
			}
		})
		var n int
		const kill = `
		  select count(pg_terminate_backend(pid))
		    from pg_stat_activity
		   where datname = current_database() and pid <> pg_backend_pid()`
		if err := killer.QueryRow(t.Context(), kill).Scan(&n); err != nil {
			t.Fatal(err)
		}
		ended += n
		if round%2 == 1 {
			i.customer(fmt.Sprintf("cus_new_%d", round)) // and a change comes first
		}
	}
	t.Logf("%d connections ended", ended)
}

// settles repeats a request until it is accepted.
func (i *installation) settles(r ledger.PostRequest) {
	i.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		_, err := i.post(i.t.Context(), 0, r)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			i.t.Fatalf("a minute after the fault: got %v", err)
		}
	}
}
