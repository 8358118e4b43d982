package linear

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/billfold/billfold/e2e/harness"
)

type kind int

const (
	accepted   kind = iota // a write with an entry
	refused                // a debit that was refused for funds
	unknown                // a write without an answer
	walletRead             // the wallets of a customer
	listRead               // the newest entries of a wallet
)

// operation is one thing that a client did to one wallet, and what it was told.
type operation struct {
	client int
	kind   kind
	wallet walletKey

	// call and done are moments of this process's steady clock, in
	// nanoseconds. The effect, if there was one, lies between them.
	call, done int64

	amount int64  // of a write, with the sign of its direction
	key    string // of a write

	// seq and balance are what the answer says of the wallet.
	seq     int64
	balance int64

	// position and items are what a list says of the customer.
	position int64
	items    []harness.Entry
}

type walletKey struct{ customer, currency string }

// history is what all clients did, and what is there in the end.
type history struct {
	operations []*operation
	truth      map[string][]harness.Entry // by customer, oldest first
	byKey      map[string]harness.Entry
}

// recorder runs clients against a server and records what they do.
type recorder struct {
	t         testing.TB
	campaign  *harness.Campaign
	customers []string
	began     time.Time
	left      atomic.Int64 // operations still to do

	mu      sync.Mutex
	servers []*harness.Server
	away    []bool        // by server, whether it was killed and has not come back
	moved   chan struct{} // closed when a server has come back
}

const (
	hotCustomers = 2 // every third operation is on one of their wallets
	listItems    = 5 // of each list that is read
)

func record(
	t testing.TB, campaign *harness.Campaign, servers []*harness.Server, customers int, operations int64,
) *recorder {
	t.Helper()
	r := &recorder{
		t: t, campaign: campaign, servers: slices.Clone(servers), away: make([]bool, len(servers)),
		began: time.Now(), moved: make(chan struct{}),
	}
	r.left.Store(operations)
	for i := range customers {
		id, err := servers[i%len(servers)].Client().CreateCustomer(t.Context(), fmt.Sprintf("Customer %d", i))
		if err != nil {
			t.Fatal(err)
		}
		r.customers = append(r.customers, id)
	}
	return r
}

// run lets so many clients work until the operations are done, and returns
// what they recorded.
func (r *recorder) run(clients int) []*operation {
	var all []*operation
	var mu sync.Mutex
	var done sync.WaitGroup
	for n := range clients {
		done.Go(func() {
			c := &client{recorder: r, number: n, random: r.campaign.Rand(uint64(100 + n))}
			c.run(r.t.Context())
			mu.Lock()
			defer mu.Unlock()
			all = append(all, c.operations...)
		})
	}
	done.Wait()
	return all
}

// await waits until so many more operations have begun.
func (r *recorder) await(operations int64) {
	r.t.Helper()
	const most = 3 * time.Minute // so long only on a machine that is busy with something else
	deadline := time.Now().Add(most)
	for goal := r.left.Load() - operations; r.left.Load() > goal; {
		if time.Now().After(deadline) {
			r.t.Fatalf("operations begun: got fewer than %d in %s", operations, most)
		}
		wait(r.t, time.Millisecond)
	}
}

// lose tells the clients that a server is about to go.
func (r *recorder) lose(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away[n] = true
}

// replace tells the clients that another server has come.
func (r *recorder) replace(n int, server *harness.Server) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.servers[n], r.away[n] = server, false
	close(r.moved)
	r.moved = make(chan struct{})
}

// any returns a client of one of the servers that are there, and waits while
// there is none.
func (r *recorder) any(ctx context.Context, random *rand.Rand) *harness.Client {
	for {
		r.mu.Lock()
		var there []*harness.Server
		for n, server := range r.servers {
			if !r.away[n] {
				there = append(there, server)
			}
		}
		moved, all := r.moved, len(there) == len(r.servers)
		r.mu.Unlock()
		if len(there) > 0 {
			if !all {
				r.campaign.Add("operations while an instance was away", 1)
			}
			return there[random.IntN(len(there))].Client()
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return r.servers[0].Client() // whatever is asked of it is cancelled
		}
	}
}

func (r *recorder) now() int64 { return time.Since(r.began).Nanoseconds() }

// client does one operation after the other.
type client struct {
	recorder   *recorder
	number     int
	random     *rand.Rand
	operations []*operation
}

func (c *client) run(ctx context.Context) {
	for ctx.Err() == nil && c.recorder.left.Add(-1) >= 0 {
		http := c.recorder.any(ctx, c.random)
		wallet := c.draw()
		var err error
		switch c.random.IntN(10) {
		case 0, 1, 2:
			err = c.readWallet(ctx, http, wallet)
		case 3:
			err = c.readList(ctx, http, wallet)
		case 4:
			if c.random.IntN(3) == 0 {
				err = c.writeTwice(ctx, http, wallet)
				break
			}
			err = c.write(ctx, http, wallet)
		default:
			err = c.write(ctx, http, wallet)
		}
		if err != nil {
			c.recorder.campaign.Add("operations without an answer", 1)
			// Until the server that went is known to be away.
			time.Sleep(time.Millisecond)
		}
	}
}

// draw chooses a wallet: every third time one of the hot ones.
func (c *client) draw() walletKey {
	customers := c.recorder.customers
	if c.random.IntN(3) == 0 {
		return walletKey{customers[c.random.IntN(hotCustomers)], "USD"}
	}
	return walletKey{customers[c.random.IntN(len(customers))], []string{"USD", "INR"}[c.random.IntN(2)]}
}

// newWrite draws an amount. Debits are a little larger than credits, so that
// balances stay near zero and debits are refused.
func (c *client) newWrite(wallet walletKey) (*operation, harness.Post) {
	op := &operation{client: c.number, wallet: wallet, amount: 1 + c.random.Int64N(200)}
	op.key = fmt.Sprintf("c%d-%d", c.number, len(c.operations))
	post := harness.Post{
		CustomerID: wallet.customer, Currency: wallet.currency, Amount: op.amount, EntryType: "credit", Key: op.key,
	}
	if c.random.IntN(2) == 0 {
		post.EntryType, post.Amount = "debit", op.amount+op.amount/4
		op.amount = -post.Amount
	}
	return op, post
}

func (c *client) write(ctx context.Context, http *harness.Client, wallet walletKey) error {
	op, post := c.newWrite(wallet)
	err := c.send(ctx, http, op, post)
	c.operations = append(c.operations, op)
	return err
}

// send fills an operation from its answer.
func (c *client) send(ctx context.Context, client *harness.Client, op *operation, post harness.Post) error {
	op.call = c.recorder.now()
	answer, err := client.Post(ctx, post)
	op.done = c.recorder.now()
	if err != nil {
		op.kind = unknown
		return err
	}
	failure, failureErr := answer.Failure()
	switch {
	case answer.Status == http.StatusOK:
		wallet, err := answer.Wallet()
		if err != nil {
			c.recorder.t.Errorf("%+v: got %s, want a wallet", post, answer)
		}
		op.kind, op.seq, op.balance = accepted, wallet.Seq, wallet.Balance
	case failureErr == nil && answer.Status == http.StatusConflict:
		op.kind, op.seq, op.balance = accepted, failure.Entry.Seq, failure.Entry.AfterBalance
	case failureErr == nil && failure.Code == "INSUFFICIENT_WALLET_FUNDS":
		op.kind = refused
	default:
		c.recorder.t.Errorf("%+v: got %s, want it accepted or refused for funds", post, answer)
	}
	return nil
}

// writeTwice sends one request twice at once, to two instances where there are
// so many. If both are accepted there is
// one effect, and it lies between the first call and the first answer.
func (c *client) writeTwice(ctx context.Context, http *harness.Client, wallet walletKey) error {
	first, post := c.newWrite(wallet)
	second := *first
	var errs [2]error
	var both sync.WaitGroup
	both.Go(func() { errs[0] = c.send(ctx, http, first, post) })
	other := c.recorder.any(ctx, c.random)
	both.Go(func() { errs[1] = c.send(ctx, other, &second, post) })
	both.Wait()
	if first.kind == accepted && second.kind == accepted {
		if first.seq != second.seq || first.balance != second.balance {
			c.recorder.t.Errorf("%+v at once: got %+v and %+v, want one effect", post, *first, second)
		}
		first.call, first.done = min(first.call, second.call), min(first.done, second.done)
		c.operations = append(c.operations, first)
		c.recorder.campaign.Add("writes sent twice", 1)
		return nil
	}
	if first.kind == unknown || second.kind == unknown {
		// Whatever became of either, it is one key: the final read decides.
		first.kind, first.call = unknown, min(first.call, second.call)
		c.operations = append(c.operations, first)
		return fmt.Errorf("no answer: %v, %v", errs[0], errs[1])
	}
	c.operations = append(c.operations, first, &second)
	return nil
}

func (c *client) readWallet(ctx context.Context, http *harness.Client, wallet walletKey) error {
	op := &operation{client: c.number, kind: walletRead, wallet: wallet, call: c.recorder.now()}
	list, err := http.Wallets(ctx, wallet.customer)
	op.done = c.recorder.now()
	if err != nil {
		return err
	}
	seen := list.Wallet(wallet.currency)
	op.seq, op.balance = seen.Seq, seen.Balance
	c.operations = append(c.operations, op)
	return nil
}

func (c *client) readList(ctx context.Context, http *harness.Client, wallet walletKey) error {
	op := &operation{client: c.number, kind: listRead, wallet: wallet, call: c.recorder.now()}
	list, err := http.Entries(ctx, wallet.customer, url.Values{"currency": {wallet.currency}, "page_size": {strconv.Itoa(listItems)}})
	op.done = c.recorder.now()
	if err != nil {
		return err
	}
	op.position, op.items = list.AsOfPosition, list.Items
	if len(list.Items) > 0 {
		op.seq, op.balance = list.Items[0].Seq, list.Items[0].AfterBalance
	}
	c.operations = append(c.operations, op)
	return nil
}

// finish reads what is there in the end and settles the unknown outcomes: a
// write without an answer whose key has an entry happened at some moment after
// its call; one whose key has none did not happen.
func (r *recorder) finish(operations []*operation) *history {
	r.t.Helper()
	h := &history{truth: map[string][]harness.Entry{}, byKey: map[string]harness.Entry{}}
	client := r.servers[0].Client()
	for _, id := range r.customers {
		entries, err := client.AllEntries(r.t.Context(), id)
		if err != nil {
			r.t.Fatal(err)
		}
		wallets, err := client.Wallets(r.t.Context(), id)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, problem := range harness.CheckChain(id, entries, wallets) {
			r.t.Error(problem)
		}
		h.truth[id] = entries
		for _, entry := range entries {
			if _, twice := h.byKey[entry.IdempotencyKey]; twice {
				r.t.Errorf("key %s: got two entries, want one", entry.IdempotencyKey)
			}
			h.byKey[entry.IdempotencyKey] = entry
		}
	}
	end := r.now()
	names := map[kind]string{accepted: "accepted", refused: "refused", walletRead: "wallet reads", listRead: "list reads"}
	for _, op := range operations {
		if op.kind == unknown {
			entry, happened := h.byKey[op.key]
			r.campaign.Add("unknown outcomes", 1)
			if !happened {
				continue
			}
			op.kind, op.seq, op.balance, op.done = accepted, entry.Seq, entry.AfterBalance, end
			r.campaign.Add("unknown outcomes that happened", 1)
		}
		r.campaign.Add(names[op.kind], 1)
		h.operations = append(h.operations, op)
	}
	r.campaign.Add("operations", int64(len(h.operations)))
	return h
}
