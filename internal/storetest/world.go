package storetest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/bus"
	"github.com/billfold/billfold/internal/catalog"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/people"
	"github.com/billfold/billfold/internal/processor"
	"github.com/billfold/billfold/internal/webhook"
)

// epoch is where every test's clock begins: an odd microsecond, so that a
// store which keeps less than microseconds is found out.
var epoch = time.Date(2026, time.March, 1, 12, 0, 0, 123_457_000, time.UTC)

// Clock is a clock that moves only when it is told to. It is safe for use by
// many goroutines.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that stands at a time.
func NewClock(at time.Time) *Clock { return &Clock{now: at} }

// Now returns the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Move moves the clock forward, or back when d is negative, and returns its
// new time.
func (c *Clock) Move(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}

// Set puts the clock to a time.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

// dice is a source of numbers that repeats from run to run (splitmix64).
type dice struct {
	mu    sync.Mutex
	state uint64
}

func (d *dice) next() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.state += 0x9e3779b97f4a7c15
	z := d.state
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}

// world is what a scenario works with: an open store with one business, a
// clock, and builders that default every field and fail the test themselves.
// Builders may be called by the test's goroutine only; other goroutines use
// book and ledger.
type world struct {
	testing.TB
	access access.Store
	ledger ledger.Store // every decision is checked, see [checked]
	book   *ledger.Book
	clock  *Clock
	dice   *dice
	shop   ledger.Tenant // a business in test mode
	names  int

	changes atomic.Int64 // of settings, see change

	products catalog.Store
	people   people.Store
	webhooks webhook.Store
	sinks    bus.Store
	inbox    processor.Inbox
	sharded  bool          // see [Stores]
	patience time.Duration // see [Stores]
}

func newWorld(t testing.TB, open func(t testing.TB) Stores) *world {
	t.Helper()
	stores := open(t)
	w := &world{
		TB: t, access: stores.Access, products: stores.Products, people: stores.People, webhooks: stores.Webhooks, sinks: stores.Sinks, inbox: stores.Inbox,
		clock: NewClock(epoch), dice: &dice{}, sharded: stores.Sharded, patience: stores.waitsFor(),
	}
	w.ledger = checked{Store: stores.Ledger, t: t}
	w.book = ledger.NewBook(w.ledger, w.clock.Now, w.dice.next)
	w.shop = w.business("First Shop")
	return w
}

// business creates a business with default settings and returns it in test
// mode.
func (w *world) business(name string) ledger.Tenant {
	w.Helper()
	b := access.Business{ID: w.book.NewID("bus_"), Name: name, CreatedAt: w.book.Now()}
	if err := w.access.CreateBusiness(w.Context(), b, defaultSettings(), nil); err != nil {
		w.Fatalf("create business: got error %v, want none", err)
	}
	return ledger.Tenant{BusinessID: b.ID, Mode: ledger.Test}
}

func defaultSettings() access.Settings {
	return access.Settings{Currencies: []money.Currency{"INR", "USD"}, OnDuplicate: access.Conflict}
}

// newCustomer makes a customer without storing it. Each has another name,
// e-mail and time.
func (w *world) newCustomer(changes ...func(*ledger.Customer)) ledger.Customer {
	w.names++
	at := epoch.Add(time.Duration(w.names) * time.Millisecond)
	c := ledger.Customer{
		Tenant:    w.shop,
		ID:        ledger.NewID("cus_", at, [2]uint64{w.dice.next(), w.dice.next()}),
		Email:     fmt.Sprintf("customer%d@example.com", w.names),
		Name:      fmt.Sprintf("Customer %d", w.names),
		Metadata:  "{}",
		CreatedAt: at,
		UpdatedAt: at,
	}
	for _, change := range changes {
		change(&c)
	}
	return c
}

// customer creates a customer in the shop, or wherever changes put it.
func (w *world) customer(changes ...func(*ledger.Customer)) ledger.Customer {
	w.Helper()
	c := w.newCustomer(changes...)
	w.create(c)
	return c
}

func (w *world) create(c ledger.Customer) {
	w.Helper()
	first, err := w.ledger.CreateCustomer(w.Context(), c, nil)
	if err != nil || first != nil {
		w.Fatalf("create customer: got answer %q and error %v, want neither", first, err)
	}
}

// option changes a request that a builder made.
type option func(*ledger.PostRequest)

func withKey(key string) option { return func(r *ledger.PostRequest) { r.IdempotencyKey = key } }

func in(currency money.Currency) option { return func(r *ledger.PostRequest) { r.Currency = currency } }

func of(category ledger.Category) option {
	return func(r *ledger.PostRequest) { r.Category = category }
}

func partial(r *ledger.PostRequest) { r.AllowPartial = true }

func ifSeq(seq int64) option { return func(r *ledger.PostRequest) { r.Conditions.IfSeq = &seq } }

func expires(at time.Time) option { return func(r *ledger.PostRequest) { r.ExpiresAt = at } }

func because(reason string) option { return func(r *ledger.PostRequest) { r.Reason = reason } }

func reference(id string) option { return func(r *ledger.PostRequest) { r.ReferenceObjectID = id } }

// request makes a request of USD for a customer.
func request(c ledger.Customer, direction ledger.Direction, amount money.Amount, options ...option) ledger.PostRequest {
	r := ledger.PostRequest{
		Tenant:          c.Tenant,
		CustomerID:      c.ID,
		Currency:        "USD",
		Direction:       direction,
		Amount:          amount,
		CreatedBy:       "key_test",
		CurrencyEnabled: true,
	}
	for _, option := range options {
		option(&r)
	}
	return r
}

func credit(c ledger.Customer, amount money.Amount, options ...option) ledger.PostRequest {
	return request(c, ledger.Credit, amount, options...)
}

func debit(c ledger.Customer, amount money.Amount, options ...option) ledger.PostRequest {
	return request(c, ledger.Debit, amount, options...)
}

// post posts a request that must be accepted as new.
func (w *world) post(r ledger.PostRequest) ledger.Change {
	w.Helper()
	change, err := w.book.Post(w.Context(), r)
	if err != nil {
		w.Fatalf("%s %d %s: got error %v, want it accepted", r.Direction, r.Amount, r.Currency, err)
	}
	if change.Replayed {
		w.Fatalf("%s %d %s: got a replay of entry %s, want a new entry", r.Direction, r.Amount, r.Currency, change.Entry.ID)
	}
	return change
}

// refuse posts a request that must be refused with a code, and must leave no
// trace in the customer's state.
func (w *world) refuse(code ledger.Code, r ledger.PostRequest) error {
	w.Helper()
	var err error
	w.unchanged(func() {
		w.Helper()
		var change ledger.Change
		change, err = w.book.Post(w.Context(), r)
		w.wantCode(err, code)
		w.same("change beside a refusal", ledger.Change{}, change)
	}, ledger.Customer{Tenant: r.Tenant, ID: r.CustomerID})
	return err
}

// replay posts a request that must be answered as the first one was, and must
// leave no trace.
func (w *world) replay(first ledger.Change, r ledger.PostRequest) {
	w.Helper()
	w.unchanged(func() {
		w.Helper()
		again, err := w.book.Post(w.Context(), r)
		if err != nil {
			w.Fatalf("repeat: got error %v, want the first answer", err)
		}
		w.wantReplay(first, again)
	}, ledger.Customer{Tenant: r.Tenant, ID: r.CustomerID})
}

// wantReplay checks that again is a replay of first, byte for byte as it would
// be written to a caller.
func (w *world) wantReplay(first, again ledger.Change) {
	w.Helper()
	if !again.Replayed {
		w.Errorf("repeat: got a new entry at position %d, want a replay of position %d", again.Entry.Position, first.Entry.Position)
	}
	want, got := answer(w, first), answer(w, again)
	if want != got {
		w.Errorf("repeat: the answer differs\n got %s\nwant %s", got, want)
	}
}

// answer is all of a change that a caller may see: entry and wallet.
func answer(t testing.TB, change ledger.Change) string {
	t.Helper()
	change.Replayed = false
	change.Wallet, change.Follows = change.Answer(), nil
	text, err := json.Marshal(change)
	if err != nil {
		t.Errorf("encode change: %v", err)
	}
	return string(text)
}

func (w *world) wantCode(err error, want ledger.Code) {
	w.Helper()
	if got := ledger.CodeOf(err); got != want {
		w.Errorf("got code %q (error: %v), want %q", got, err, want)
	}
}

// same compares what is wanted with what was got. Empty and nil slices are
// alike.
func (w *world) same(what string, want, got any) {
	w.Helper()
	if diff := difference(want, got); diff != "" {
		w.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// difference is what go-cmp says of two values, where empty and nil slices are
// alike. Most values are equal to the last bit, which is found much sooner.
func difference(want, got any) string {
	if reflect.DeepEqual(want, got) {
		return ""
	}
	return cmp.Diff(want, got, cmpopts.EquateEmpty())
}

// bare takes the lots from wallets: a store may show more of them than another.
func bare(wallets ...*ledger.Wallet) {
	for _, wallet := range wallets {
		wallet.Lots, wallet.Lapsed = nil, 0
	}
}

// bareAt takes the lots from wallets, which are then the same only if the same was
// available of them at a time.
func bareAt(t time.Time, wallets ...*ledger.Wallet) {
	for _, wallet := range wallets {
		wallet.Lots, wallet.Lapsed = nil, wallet.Balance-wallet.Held-wallet.Available(t)
	}
}

// together runs n calls of f at once and returns when all have ended.
func together(n int, f func(i int)) {
	start := make(chan struct{})
	var running sync.WaitGroup
	for i := range n {
		running.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	running.Wait()
}
