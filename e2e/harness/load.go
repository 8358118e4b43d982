package harness

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// LoadOptions say who writes what.
type LoadOptions struct {
	Writers   int // how many write at once
	Customers int // how many customers they share

	// Patient writers take 503 for an answer and send the same request again a
	// little later, until the load stops.
	Patient bool
}

// Load is a crowd of writers with unique idempotency keys that never gives up:
// a request without an answer is sent again, under the same key, to whatever
// server comes next. It remembers what it was told, so that [Load.Check] can
// hold the server to every word of it.
type Load struct {
	t        testing.TB
	campaign *Campaign
	options  LoadOptions
	gate     *gate
	ctx      context.Context
	cancel   context.CancelFunc
	stopping atomic.Bool
	done     sync.WaitGroup
	writers  []*writer

	customers []string

	acknowledged atomic.Int64
	unanswered   atomic.Int64
	unavailable  atomic.Int64
	happened     atomic.Int64

	mu         sync.Mutex
	violations []string
}

// record is what one writer knows of one key.
type record struct {
	post     Post
	attempts int // that reached the server, as far as the writer can know

	// applied says that the server acknowledged the entry; then what follows
	// is what it said. Before is known only from some answers.
	applied bool
	seq     int64
	after   int64
	entry   *Entry

	// refused says that the server refused the request without effect.
	refused bool
}

// StartLoad makes the customers and starts the writers against a server.
func StartLoad(t testing.TB, campaign *Campaign, server *Server, options LoadOptions) *Load {
	t.Helper()
	return StartLoadOn(t, campaign, []*Server{server}, options)
}

// StartLoadOn starts the writers against several instances. Each request goes
// to any of them, and one that got no answer is sent again to another.
func StartLoadOn(t testing.TB, campaign *Campaign, servers []*Server, options LoadOptions) *Load {
	t.Helper()
	l := &Load{t: t, campaign: campaign, options: options, gate: newGate()}
	l.ctx, l.cancel = context.WithCancel(t.Context())
	t.Cleanup(func() {
		l.cancel()
		l.done.Wait()
	})
	for i := range options.Customers {
		id, err := servers[i%len(servers)].Client().CreateCustomer(t.Context(), fmt.Sprintf("Customer %d", i))
		if err != nil {
			t.Fatal(err)
		}
		l.customers = append(l.customers, id)
	}
	l.gate.open(servers...)
	for i := range options.Writers {
		w := &writer{load: l, number: i, random: campaign.Rand(uint64(1000 + i))}
		l.writers = append(l.writers, w)
		l.done.Add(1)
		go w.run()
	}
	return l
}

// Customers are the ids of the customers that the load writes to.
func (l *Load) Customers() []string { return l.customers }

// Down holds back what is not yet sent.
func (l *Load) Down() { l.gate.open() }

// Up sends the writers to the servers that are there now.
func (l *Load) Up(servers ...*Server) { l.gate.open(servers...) }

// StopAfter is Stop as soon as that many entries are acknowledged in all: what a
// campaign wants done must not depend on how fast the machine is.
func (l *Load) StopAfter(entries int64) {
	l.t.Helper()
	l.Await("acknowledged entries in all", l.Acknowledged, entries-l.Acknowledged())
	l.Stop()
}

// Stop lets each writer finish what it has begun and returns when all have. A
// server must be up.
func (l *Load) Stop() {
	l.stopping.Store(true)
	l.done.Wait()
}

// Acknowledged is how many entries have been acknowledged so far.
func (l *Load) Acknowledged() int64 { return l.acknowledged.Load() }

// Unanswered is how many requests have been sent that got no answer.
func (l *Load) Unanswered() int64 { return l.unanswered.Load() }

// Happened is how many requests without an answer had happened all the same, as
// their re-sending showed.
func (l *Load) Happened() int64 { return l.happened.Load() }

// Unavailable is how many answers so far said that the store cannot serve now
// and that nothing was changed.
func (l *Load) Unavailable() int64 { return l.unavailable.Load() }

// Await waits until a count of the load has grown by n, or fails the test.
func (l *Load) Await(what string, count func() int64, n int64) {
	l.t.Helper()
	const most = 3 * time.Minute // so long only on a machine that is busy with something else
	from, deadline := count(), time.Now().Add(most)
	for count() < from+n {
		if time.Now().After(deadline) {
			l.t.Fatalf("%s: got %d more in %s, want %d", what, count()-from, most, n)
		}
		select {
		case <-l.ctx.Done():
			l.t.Fatalf("%s: the load ended", what)
		case <-time.After(200 * time.Microsecond):
		}
	}
}

func (l *Load) violate(format string, args ...any) {
	const most = 20
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.violations) < most {
		l.violations = append(l.violations, fmt.Sprintf(format, args...))
	}
}

// writer is one client of the load.
type writer struct {
	load    *Load
	number  int
	random  *rand.Rand
	client  *Client
	records []*record
}

func (w *writer) run() {
	defer w.load.done.Done()
	for !w.load.stopping.Load() {
		r := &record{post: w.draw(len(w.records))}
		w.records = append(w.records, r)
		if err := w.settle(r); err != nil {
			return
		}
		if r.applied && w.random.IntN(32) == 0 {
			if err := w.repeat(r); err != nil {
				return
			}
		}
	}
}

// draw makes a request: mostly credits, some of them promotional or expiring,
// and one in five to the first two customers, which are hot.
func (w *writer) draw(n int) Post {
	customers := w.load.customers
	if w.random.IntN(5) == 0 {
		customers = customers[:min(2, len(customers))]
	}
	post := Post{
		CustomerID: customers[w.random.IntN(len(customers))],
		Amount:     1 + w.random.Int64N(1000),
		Currency:   "USD",
		EntryType:  "credit",
		Key:        fmt.Sprintf("w%d-%d", w.number, n),
		HeaderKey:  w.random.IntN(4) == 0,
	}
	if w.random.IntN(4) == 0 {
		post.Currency = "INR"
	}
	switch w.random.IntN(10) {
	case 0:
		post.Category = "promotional"
	case 1:
		post.ExpiresAt = time.Now().AddDate(0, 0, 1+w.random.IntN(300)).UTC().Format(time.RFC3339)
	case 2, 3, 4:
		post.EntryType = "debit"
	}
	return post
}

// settle sends a request until it has an answer. An error means that the load
// was cancelled.
func (w *writer) settle(r *record) error {
	var err error
	if w.client, err = w.load.gate.next(w.load.ctx, nil, w.random); err != nil {
		return err
	}
	for {
		post := r.post
		if r.attempts > 0 && w.random.IntN(2) == 0 {
			post.RetryCount = r.attempts // as the SDKs do; else as a new call
		}
		answer, err := w.client.Post(w.load.ctx, post)
		if w.load.ctx.Err() != nil {
			return w.load.ctx.Err()
		}
		if err != nil {
			w.unanswered(r, err)
			if w.client, err = w.load.gate.next(w.load.ctx, w.client, w.random); err != nil {
				return err
			}
			continue
		}
		if !w.answered(r, post, answer) {
			return nil
		}
		if w.load.stopping.Load() {
			return nil
		}
		if err := w.pause(); err != nil {
			return err
		}
	}
}

// unanswered counts an attempt that may have had an effect. A connection that
// was refused cannot have had one.
func (w *writer) unanswered(r *record, err error) {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return
	}
	r.attempts++
	w.load.unanswered.Add(1)
}

func (w *writer) pause() error {
	select {
	case <-time.After(time.Duration(5+w.random.IntN(20)) * time.Millisecond):
		return nil
	case <-w.load.ctx.Done():
		return w.load.ctx.Err()
	}
}

// answered takes note of an answer, and reports whether the request shall be
// sent again.
func (w *writer) answered(r *record, post Post, answer Answer) (again bool) {
	switch answer.Status {
	case http.StatusOK:
		w.applied(r, answer)
	case http.StatusConflict:
		w.duplicate(r, post, answer)
	case http.StatusBadRequest:
		r.refused = true
		if failure, err := answer.Failure(); err != nil || failure.Code != "INSUFFICIENT_WALLET_FUNDS" || post.EntryType != "debit" {
			w.load.violate("%+v: got %s, want it accepted or refused for funds", post, answer)
		}
	case http.StatusServiceUnavailable:
		return w.refusedByStorage(r, post, answer)
	default:
		w.load.violate("%+v: got %s, want an answer of the contract", post, answer)
	}
	return false
}

func (w *writer) applied(r *record, answer Answer) {
	wallet, err := answer.Wallet()
	if err != nil {
		w.load.violate("%+v: got %s, want a wallet", r.post, answer)
		return
	}
	if answer.Replayed() && r.attempts == 0 && !r.applied {
		w.load.violate("%+v: got a replay of a request that was sent for the first time: %s", r.post, answer)
	}
	if answer.Replayed() && !r.applied {
		w.load.happened.Add(1)
	}
	w.remember(r, wallet.Seq, wallet.Balance)
}

// duplicate takes the answer to a request that was sent before, as a new call.
func (w *writer) duplicate(r *record, post Post, answer Answer) {
	failure, err := answer.Failure()
	if err != nil || failure.Code != "DUPLICATE_IDEMPOTENCY_KEY" || answer.Header.Get("X-Should-Retry") != "false" {
		w.load.violate("%+v: got %s, want a duplicate with the advice not to retry", post, answer)
		return
	}
	if r.attempts == 0 && !r.applied {
		w.load.violate("%+v: got a duplicate of a request that was sent for the first time: %s", post, answer)
	}
	if post.RetryCount > 0 || post.HeaderKey {
		w.load.violate("%+v: got 409, want the first answer again", post)
	}
	if failure.Wallet.Seq != failure.Entry.Seq || failure.Wallet.Balance != failure.Entry.AfterBalance {
		w.load.violate("%+v: got a wallet that is not that of the entry: %s", post, answer)
	}
	if !r.applied {
		w.load.happened.Add(1)
	}
	r.entry = &failure.Entry
	w.remember(r, failure.Entry.Seq, failure.Entry.AfterBalance)
}

func (w *writer) remember(r *record, seq, after int64) {
	if r.applied && (r.seq != seq || r.after != after) {
		w.load.violate("%+v: got seq %d and balance %d, want seq %d and balance %d as it was acknowledged before",
			r.post, seq, after, r.seq, r.after)
	}
	if !r.applied {
		w.load.acknowledged.Add(1)
	}
	r.applied, r.seq, r.after = true, seq, after
}

// refusedByStorage takes a 503. One whose code says that nothing was changed
// leaves the key unused; one that says that nobody knows is an attempt.
func (w *writer) refusedByStorage(r *record, post Post, answer Answer) (again bool) {
	failure, err := answer.Failure()
	switch {
	case err != nil || answer.Header.Get("Retry-After") == "" || !failure.Retryable:
		w.load.violate("%+v: got %s with Retry-After %q, want it retryable and to say when", post, answer,
			answer.Header.Get("Retry-After"))
	case failure.Code == "OUTCOME_UNKNOWN":
		r.attempts++
		w.load.unanswered.Add(1)
	case failure.Code == "STORAGE_UNAVAILABLE", failure.Code == "OVERLOADED":
		w.load.unavailable.Add(1)
	default:
		w.load.violate("%+v: got %s, want another code", post, answer)
	}
	if !w.load.options.Patient {
		w.load.violate("%+v: got %s, want it served", post, answer)
		return false
	}
	return true
}

// repeat sends a request whose answer is known once more.
func (w *writer) repeat(r *record) error {
	post := r.post
	if w.random.IntN(2) == 0 {
		post.RetryCount = 1
	}
	answer, err := w.client.Post(w.load.ctx, post)
	if err != nil {
		return w.load.ctx.Err() // the next request waits for the next server
	}
	if w.answered(r, post, answer) {
		return nil
	}
	w.load.campaign.Add("repeats", 1)
	return nil
}
