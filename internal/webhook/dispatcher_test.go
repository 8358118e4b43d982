package webhook_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/storetest"
	"github.com/billfold/billfold/internal/webhook"
)

// office is a business on the model, in which time passes as fast as nothing waits
// for it.
type office struct {
	t         *testing.T
	store     webhook.Store
	book      *ledger.Book
	endpoints *webhook.Endpoints
	tenant    ledger.Tenant
	random    *rand.Rand
	mu        sync.Mutex
}

func newOffice(t *testing.T, wrap func(*storetest.Model) webhook.Store) *office {
	t.Helper()
	model := storetest.NewModel()
	o := &office{
		t: t, store: model, random: rand.New(rand.NewPCG(1, 2)), tenant: ledger.Tenant{BusinessID: "bus_1", Mode: ledger.Test},
	}
	if wrap != nil {
		o.store = wrap(model)
	}
	o.book = ledger.NewBook(model, time.Now, o.dice)
	o.endpoints = webhook.NewEndpoints(o.store, webhook.NewGuard(false), render, time.Now, o.dice)
	settings := access.Settings{Currencies: []money.Currency{"USD"}, OnDuplicate: access.Conflict}
	if err := model.CreateBusiness(t.Context(), access.Business{ID: "bus_1", Name: "One"}, settings, nil); err != nil {
		t.Fatal(err)
	}
	return o
}

func render(e *ledger.Event) []byte { return []byte(e.ID) }

func (o *office) dice() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.random.Uint64()
}

func (o *office) customer() ledger.Customer {
	o.t.Helper()
	now := o.book.Now()
	c := ledger.Customer{
		Tenant: o.tenant, ID: o.book.NewID("cus_"), Email: "one@example.com", Name: "One", Metadata: "{}", CreatedAt: now, UpdatedAt: now,
	}
	if _, err := o.book.Store().CreateCustomer(o.t.Context(), c, nil); err != nil {
		o.t.Fatal(err)
	}
	return c
}

// credit posts so many entries of a customer and returns the ids of their events.
func (o *office) credit(c ledger.Customer, count int) (ids []string) {
	o.t.Helper()
	for range count {
		change, err := o.book.Post(o.t.Context(), ledger.PostRequest{
			Tenant: o.tenant, CustomerID: c.ID, Currency: "USD", Direction: ledger.Credit, Amount: 100, CurrencyEnabled: true,
		})
		if err != nil {
			o.t.Fatal(err)
		}
		ids = append(ids, "evt_"+change.Entry.ID)
	}
	return ids
}

func (o *office) endpoint(host string, changes ...func(*webhook.Endpoint)) webhook.Endpoint {
	o.t.Helper()
	asked := webhook.Endpoint{
		Tenant: o.tenant, URL: "https://" + host + "/", FilterTypes: []string{string(ledger.WalletCredited)},
	}
	for _, change := range changes {
		change(&asked)
	}
	made, err := o.endpoints.Create(o.t.Context(), asked)
	if err != nil {
		o.t.Fatal(err)
	}
	return made
}

// dispatch runs a dispatcher until the test or its stop ends it.
func (o *office) dispatch(send func(context.Context, webhook.Message) webhook.Attempt) (stop func()) {
	ctx, cancel := context.WithCancel(o.t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		webhook.NewDispatcher(webhook.DispatcherConfig{
			Store: o.store, Send: send, Render: render, Now: time.Now, Random: o.dice, Instance: "one",
		}).Run(ctx)
	})
	return func() {
		cancel()
		running.Wait()
	}
}

func (o *office) deliveries(e webhook.Endpoint, state webhook.State) []webhook.Delivery {
	o.t.Helper()
	list, err := o.endpoints.Deliveries(o.t.Context(), o.tenant, e.ID, webhook.DeliveryPage{State: state, Limit: 100_000})
	if err != nil {
		o.t.Fatal(err)
	}
	return list
}

func (o *office) pending(endpoints []webhook.Endpoint) (count int) {
	for _, e := range endpoints {
		count += len(o.deliveries(e, webhook.Pending))
	}
	return count
}

// receivers answer by the host of a message's URL, and keep what they got.
type receivers struct {
	mu     sync.Mutex
	answer func(m webhook.Message, times int) webhook.Attempt // times that this message came here, this one too
	got    map[string][]receivedMessage                       // by URL
	times  map[string]int
}

type receivedMessage struct {
	webhook.Message
	at time.Time
}

func newReceivers(answer func(m webhook.Message, times int) webhook.Attempt) *receivers {
	return &receivers{answer: answer, got: map[string][]receivedMessage{}, times: map[string]int{}}
}

func (r *receivers) send(ctx context.Context, m webhook.Message) webhook.Attempt {
	began := time.Now()
	r.mu.Lock()
	r.got[m.URL] = append(r.got[m.URL], receivedMessage{m, began})
	r.times[m.URL+m.ID]++
	attempt := r.answer(m, r.times[m.URL+m.ID])
	r.mu.Unlock()
	attempt.At = began
	if attempt.Took > 0 {
		select {
		case <-time.After(attempt.Took):
		case <-ctx.Done():
			attempt.Outcome = webhook.TimedOut
		}
	}
	return attempt
}

// sentTo are the messages that came to a URL.
func (r *receivers) sentTo(url string) []receivedMessage {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got[url])
}

func (r *receivers) ids(host string) (ids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.got["https://"+host+"/"] {
		ids = append(ids, m.ID)
	}
	return ids
}

var (
	taken   = webhook.Attempt{Outcome: webhook.Delivered, Status: 200}
	refused = webhook.Attempt{Outcome: webhook.Rejected, Status: 500, Answer: "no"}
)

// A receiver that never answers well is tried by the published schedule and then
// given up, which its owner sees; and the message can be sent again.
func TestScheduleIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, nil)
		e, c := o.endpoint("a.example.com"), o.customer()
		r := newReceivers(func(webhook.Message, int) webhook.Attempt { return refused })
		defer o.dispatch(r.send)()
		ids := o.credit(c, 1)
		time.Sleep(40 * time.Hour)
		got := r.sentTo(e.URL)
		if len(got) != webhook.Attempts {
			t.Fatalf("got %d attempts, want %d", len(got), webhook.Attempts)
		}
		for i, m := range got {
			if m.ID != ids[0] || string(m.Body) != ids[0] {
				t.Errorf("attempt %d: got %s with body %s, want %s at each", i+1, m.ID, m.Body, ids[0])
			}
			if i == 0 {
				continue
			}
			least, _ := webhook.Delay(i, 0, 0)
			if waited := m.at.Sub(got[i-1].at); waited < least || waited > least+least/10+2*time.Second {
				t.Errorf("attempt %d came %s after the one before, want %s and less than a tenth more", i+1, waited, least)
			}
		}
		failed := o.deliveries(e, webhook.Failed)
		if len(failed) != 1 || len(failed[0].Attempts) != webhook.Attempts || failed[0].Attempts[7].Answer != "no" {
			t.Fatalf("got %+v, want the one with all of its attempts", failed)
		}
		r.mu.Lock()
		r.answer = func(webhook.Message, int) webhook.Attempt { return taken }
		r.mu.Unlock()
		if err := o.endpoints.Resend(t.Context(), o.tenant, e.ID, ids[0]); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if done := o.deliveries(e, webhook.Done); len(done) != 1 || len(done[0].Attempts) != webhook.Attempts+1 {
			t.Errorf("sent again: got %+v, want it delivered", done)
		}
	})
}

// A receiver that names a time is not called before it.
func TestRetryAfterIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, nil)
		e, c := o.endpoint("a.example.com"), o.customer()
		r := newReceivers(func(_ webhook.Message, times int) webhook.Attempt {
			if times == 1 {
				return webhook.Attempt{Outcome: webhook.Rejected, Status: 429, RetryAfter: time.Hour}
			}
			return taken
		})
		defer o.dispatch(r.send)()
		o.credit(c, 1)
		time.Sleep(2 * time.Hour)
		got := r.sentTo(e.URL)
		if len(got) != 2 || got[1].at.Sub(got[0].at) < time.Hour {
			t.Errorf("got %d attempts, want a second one an hour after the first", len(got))
		}
	})
}

// A receiver that is gone gets nothing more until its owner enables it, and then what
// happens from then on.
func TestGoneDisables(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, nil)
		e, c := o.endpoint("a.example.com"), o.customer()
		r := newReceivers(func(m webhook.Message, _ int) webhook.Attempt {
			return webhook.Attempt{Outcome: webhook.Gone, Status: 410}
		})
		defer o.dispatch(r.send)()
		first := o.credit(c, 1)
		time.Sleep(time.Minute)
		if got, err := o.endpoints.Get(t.Context(), o.tenant, e.ID); err != nil || !got.Disabled {
			t.Fatalf("got %+v and error %v, want it disabled", got, err)
		}
		o.credit(c, 3)
		time.Sleep(time.Minute)
		r.mu.Lock()
		r.answer = func(webhook.Message, int) webhook.Attempt { return taken }
		r.mu.Unlock()
		_, err := o.endpoints.Update(t.Context(), o.tenant, e.ID, func(e *webhook.Endpoint) { e.Disabled = false })
		if err != nil {
			t.Fatal(err)
		}
		last := o.credit(c, 1)
		time.Sleep(time.Minute)
		if got, want := r.ids("a.example.com"), append(first, last...); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// One receiver that hangs and one that refuses slow down nobody else, and a wallet's
// messages come in their order.
func TestDeadReceiverSlowsNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, nil)
		for _, host := range []string{"dead.example.com", "down.example.com", "good.example.com"} {
			o.endpoint(host)
		}
		r := newReceivers(func(m webhook.Message, _ int) webhook.Attempt {
			switch m.URL {
			case "https://dead.example.com/":
				return webhook.Attempt{Outcome: webhook.TimedOut, Took: webhook.AttemptWithin}
			case "https://down.example.com/":
				return refused
			}
			return taken
		})
		defer o.dispatch(r.send)()
		customers := []ledger.Customer{o.customer(), o.customer(), o.customer()}
		want := map[string][]string{}
		for n := range 300 {
			c := customers[n%len(customers)]
			want[c.ID] = append(want[c.ID], o.credit(c, 1)...)
		}
		time.Sleep(3 * time.Second)
		got := r.ids("good.example.com")
		if len(got) != 300 {
			t.Errorf("got %d messages within seconds, want 300", len(got))
		}
		for customer, ids := range want {
			mine := slices.DeleteFunc(slices.Clone(got), func(id string) bool { return !slices.Contains(ids, id) })
			if !slices.Equal(mine, ids) {
				t.Errorf("customer %s: got its messages in another order", customer)
			}
		}
	})
}

// A wallet of which much is due, and is taken slowly or not at all, keeps no other from
// its turn.
func TestBusyWalletHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, nil)
		o.endpoint("a.example.com")
		busy, other := o.customer(), o.customer()
		slow := map[string]bool{}
		for _, id := range o.credit(busy, 600) {
			slow[id] = true
		}
		r := newReceivers(func(m webhook.Message, _ int) webhook.Attempt {
			if slow[m.ID] {
				return webhook.Attempt{Outcome: webhook.TimedOut, Took: webhook.AttemptWithin}
			}
			return taken
		})
		defer o.dispatch(r.send)()
		time.Sleep(time.Second)
		ids := o.credit(other, 1)
		time.Sleep(5 * time.Second)
		if got := r.ids("a.example.com"); !slices.Contains(got, ids[0]) {
			t.Errorf("got %d messages and not that of the other wallet, want it within seconds", len(got))
		}
	})
}

// Where the store cannot say for a moment what an endpoint is, nothing is sent, and
// what waits does not overtake it.
func TestNothingOvertakesWhatWasNotTried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, func(m *storetest.Model) webhook.Store { return &forgetful{Model: m} })
		o.endpoint("a.example.com")
		c := o.customer()
		r := newReceivers(func(webhook.Message, int) webhook.Attempt {
			return webhook.Attempt{Outcome: webhook.Delivered, Status: 200, Took: 150 * time.Millisecond}
		})
		ids := o.credit(c, 30)
		defer o.dispatch(r.send)()
		time.Sleep(5 * time.Minute)
		if got := r.ids("a.example.com"); !slices.Equal(got, ids) {
			t.Errorf("got %d messages in another order than the %d events, want each once and in order", len(got), len(ids))
		}
	})
}

// forgetful does not know the endpoint every other time that it is asked.
type forgetful struct {
	*storetest.Model
	asked atomic.Int64
}

func (s *forgetful) Endpoint(ctx context.Context, tenant ledger.Tenant, id string) (webhook.Served, error) {
	if s.asked.Add(1)%2 == 0 {
		return webhook.Served{}, errFlaky
	}
	return s.Model.Endpoint(ctx, tenant, id)
}

// What is changed about an endpoint counts for what happens after the answer, and for
// what is sent a moment later, whatever waits for the limit.
func TestChangesCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, nil)
		e := o.endpoint("old.example.com", func(e *webhook.Endpoint) { e.RateLimit = 1 })
		r := newReceivers(func(webhook.Message, int) webhook.Attempt { return taken })
		defer o.dispatch(r.send)()
		change := func(change func(*webhook.Endpoint)) {
			t.Helper()
			if _, err := o.endpoints.Update(t.Context(), o.tenant, e.ID, change); err != nil {
				t.Fatal(err)
			}
		}
		for range 40 {
			o.credit(o.customer(), 1)
		}
		time.Sleep(3 * time.Second)
		change(func(e *webhook.Endpoint) { e.URL, e.RateLimit = "https://new.example.com/", 0 })
		time.Sleep(200 * time.Millisecond)
		before := len(r.ids("old.example.com"))
		time.Sleep(10 * time.Second)
		if got := len(r.ids("old.example.com")); got != before || got > 5 || len(r.ids("new.example.com"))+got != 40 {
			t.Errorf("got %d messages at the old URL, %d of them late, and %d at the new, want 40 and none late",
				got, got-before, len(r.ids("new.example.com")))
		}
		// A type that is added counts for what happens a tenth of a second later, and then.
		for _, wait := range []time.Duration{0, 100 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second} {
			change(func(e *webhook.Endpoint) { e.FilterTypes = []string{string(ledger.CustomerUpdated)} })
			o.credit(o.customer(), 1)
			time.Sleep(2 * time.Second)
			change(func(e *webhook.Endpoint) { e.FilterTypes = []string{string(ledger.WalletCredited)} })
			time.Sleep(wait)
			ids := o.credit(o.customer(), 3)
			time.Sleep(5 * time.Second)
			for _, id := range ids {
				if !slices.Contains(r.ids("new.example.com"), id) {
					t.Errorf("%s after its type was added: got an event that was not sent, want it sent", wait)
				}
			}
		}
		change(func(e *webhook.Endpoint) { e.Disabled = true })
		time.Sleep(200 * time.Millisecond)
		sent := len(r.ids("new.example.com"))
		o.credit(o.customer(), 3)
		time.Sleep(5 * time.Second)
		if got := len(r.ids("new.example.com")); got != sent {
			t.Errorf("disabled: got %d messages, want none", got-sent)
		}
	})
}

// In strict order nothing about a wallet overtakes a message that failed; without it,
// the others go on.
func TestStrictOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, nil)
		o.endpoint("strict.example.com", func(e *webhook.Endpoint) { e.InOrder = true })
		o.endpoint("loose.example.com")
		c, other := o.customer(), o.customer()
		var second string
		r := newReceivers(func(m webhook.Message, times int) webhook.Attempt {
			if m.ID == second && times <= 2 {
				return refused
			}
			return taken
		})
		ids := o.credit(c, 3)
		second = ids[1]
		others := o.credit(other, 1)
		defer o.dispatch(r.send)()
		time.Sleep(10 * time.Minute)
		strict := slices.DeleteFunc(r.ids("strict.example.com"), func(id string) bool { return id == others[0] })
		if want := []string{ids[0], second, second, second, ids[2]}; !slices.Equal(strict, want) {
			t.Errorf("strict: got %v, want %v", strict, want)
		}
		loose := slices.DeleteFunc(r.ids("loose.example.com"), func(id string) bool { return id == others[0] })
		if want := []string{ids[0], second, ids[2], second, second}; !slices.Equal(loose, want) {
			t.Errorf("loose: got %v, want %v", loose, want)
		}
	})
}

// An endpoint gets no more messages in a second than it allows.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, nil)
		e, c := o.endpoint("a.example.com", func(e *webhook.Endpoint) { e.RateLimit = 5 }), o.customer()
		r := newReceivers(func(webhook.Message, int) webhook.Attempt { return taken })
		o.credit(c, 100)
		defer o.dispatch(r.send)()
		time.Sleep(time.Minute)
		got := r.sentTo(e.URL)
		if len(got) != 100 {
			t.Fatalf("got %d messages, want 100", len(got))
		}
		for i := range got[6:] {
			if took := got[i+6].at.Sub(got[i].at); took < time.Second {
				t.Errorf("got 7 messages within %s, want at most 5 a second and one at once", took)
			}
		}
	})
}

// Whoever still has the old secret accepts messages for a day after a rotation.
func TestRotationOverlaps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, nil)
		e, c := o.endpoint("a.example.com"), o.customer()
		r := newReceivers(func(webhook.Message, int) webhook.Attempt { return taken })
		defer o.dispatch(r.send)()
		count := func() int {
			t.Helper()
			o.credit(c, 1)
			time.Sleep(5 * time.Second)
			got := r.sentTo(e.URL)
			return len(got[len(got)-1].Secrets)
		}
		if got := count(); got != 1 {
			t.Errorf("got %d signatures, want 1", got)
		}
		rotated, err := o.endpoints.Rotate(t.Context(), o.tenant, e.ID)
		if err != nil || rotated.Secret == e.Secret || rotated.Previous != e.Secret {
			t.Fatalf("got error %v, want another secret beside the first", err)
		}
		time.Sleep(2 * time.Second)
		if got := count(); got != 2 {
			t.Errorf("after the rotation: got %d signatures, want 2", got)
		}
		time.Sleep(webhook.KeepPrevious)
		if got := count(); got != 1 {
			t.Errorf("a day later: got %d signatures, want 1", got)
		}
	})
}

// Receivers of every kind, a sender that is stopped and started 40 times, and a store
// that fails now and then: nothing is missing, and a wallet's messages that were
// delivered at once came in order.
func TestNothingIsMissing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var flaky *flakyStore
		o := newOffice(t, func(m *storetest.Model) webhook.Store {
			flaky = &flakyStore{Model: m}
			return flaky
		})
		flaky.random = o.dice
		hosts := []string{"fails.example.com", "hangs.example.com", "strict.example.com", "good.example.com"}
		var endpoints []webhook.Endpoint
		for _, host := range hosts {
			endpoints = append(endpoints, o.endpoint(host, func(e *webhook.Endpoint) { e.InOrder = host == "strict.example.com" }))
		}
		r := newReceivers(func(m webhook.Message, times int) webhook.Attempt {
			chance := o.dice() % 100
			switch {
			case times > 3: // so that none is given up
				return taken
			case m.URL == endpoints[1].URL && chance < 10:
				return webhook.Attempt{Outcome: webhook.TimedOut, Took: webhook.AttemptWithin}
			case m.URL != endpoints[3].URL && chance < 30:
				return []webhook.Attempt{refused, {Outcome: webhook.Unreachable}, {Outcome: webhook.Rejected, Status: 302},
					{Outcome: webhook.Rejected, Status: 429, RetryAfter: time.Minute}}[o.dice()%4]
			}
			return taken
		})
		customers := []ledger.Customer{o.customer(), o.customer(), o.customer(), o.customer(), o.customer()}
		var ids []string
		const starts, entries = 40, 480
		for range starts {
			stop := o.dispatch(r.send)
			for range entries / starts {
				ids = append(ids, o.credit(customers[o.dice()%uint64(len(customers))], 1)...)
				if o.dice()%10 == 0 {
					time.Sleep(time.Duration(o.dice() % uint64(200*time.Millisecond)))
				}
			}
			stop()
		}
		flaky.well.Store(true)
		defer o.dispatch(r.send)()
		for hours := 0; hours < 72 && o.pending(endpoints) > 0; hours++ {
			time.Sleep(time.Hour)
		}
		for i, e := range endpoints {
			if pending := o.deliveries(e, webhook.Pending); len(pending) > 0 {
				t.Errorf("%s: got %d deliveries pending, want none", hosts[i], len(pending))
			}
			met := map[string]bool{}
			for _, id := range r.ids(hosts[i]) {
				met[id] = true
			}
			missing := 0
			for _, id := range ids {
				if !met[id] {
					missing++
				}
			}
			if missing > 0 || len(o.deliveries(e, webhook.Done)) != len(ids) {
				t.Errorf("%s: got %d of %d missing, want none", hosts[i], missing, len(ids))
			}
			t.Logf("%s: %d events, %d messages", hosts[i], len(ids), len(r.ids(hosts[i])))
		}
	})
}

// flakyStore fails one in ten of its writes, before or after it has made them.
type flakyStore struct {
	*storetest.Model
	random func() uint64
	well   atomic.Bool
}

var errFlaky = ledger.Errorf(ledger.CodeStorageUnavailable, "the disk is away")

func (f *flakyStore) fails(write func() error) error {
	chance := f.random() % 20
	if !f.well.Load() && chance == 0 {
		return errFlaky
	}
	if err := write(); err != nil || f.well.Load() || chance != 1 {
		return err
	}
	return errFlaky
}

func (f *flakyStore) Enqueue(ctx context.Context, step webhook.Step) (moved bool, err error) {
	err = f.fails(func() error {
		moved, err = f.Model.Enqueue(ctx, step)
		return err
	})
	return err == nil && moved, err
}

func (f *flakyStore) Record(ctx context.Context, id string, results []webhook.Result) error {
	return f.fails(func() error { return f.Model.Record(ctx, id, results) })
}

func (f *flakyStore) Serve(
	ctx context.Context, instance string, keeping []string,
) (served []webhook.Served, err error) {
	err = f.fails(func() error {
		served, err = f.Model.Serve(ctx, instance, keeping)
		return err
	})
	return served, err
}

// Each of these mistakes makes TestNothingIsMissing and its like fail: what the store
// is told is looked at by the same eyes.
func TestDispatcherTeeth(t *testing.T) {
	t.Parallel()
	for name, wrap := range map[string]func(*storetest.Model) webhook.Store{
		"a place is moved before its events are queued": func(m *storetest.Model) webhook.Store { return movedFirst{m, new(int)} },
		"what failed is taken for delivered":            func(m *storetest.Model) webhook.Store { return allDelivered{m} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o := newOffice(t, wrap)
				e, c := o.endpoint("a.example.com"), o.customer()
				r := newReceivers(func(_ webhook.Message, times int) webhook.Attempt {
					if times == 1 && o.dice()%10 < 3 {
						return refused
					}
					return taken
				})
				defer o.dispatch(r.send)()
				ids := o.credit(c, 100)
				time.Sleep(time.Minute)
				took := map[string]int{}
				for _, d := range o.deliveries(e, webhook.Done) {
					if d.Attempts[len(d.Attempts)-1].Outcome == webhook.Delivered {
						took[d.EventID]++
					}
				}
				if len(took) == len(ids) {
					t.Error("got every event delivered, want some missing")
				}
			})
		})
	}
}

// movedFirst loses what it was to queue one time in two, as a store would that moves
// the place in a commit of its own and is killed between the two.
type movedFirst struct {
	*storetest.Model
	times *int
}

func (s movedFirst) Enqueue(ctx context.Context, step webhook.Step) (bool, error) {
	if *s.times++; *s.times%2 == 1 {
		step.Deliveries = nil
	}
	return s.Model.Enqueue(ctx, step)
}

type allDelivered struct{ *storetest.Model }

func (s allDelivered) Record(ctx context.Context, id string, results []webhook.Result) error {
	for i := range results {
		results[i].State = webhook.Done
	}
	return s.Model.Record(ctx, id, results)
}
