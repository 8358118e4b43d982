package storetest

import (
	"errors"
	"sync"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

func requestScenarios() []scenario {
	return []scenario{
		{"a repeat of create gets the first answer and adds nobody", requestCreateRepeated},
		{"a repeat of update gets the first answer and changes nothing", requestUpdateRepeated},
		{"another request under the key is refused", requestReused},
		{"tenant, route and key make the scope", requestScope},
		{"an answer older than accepted is replaced", requestReplaced},
		{"an answer that has had its time is replaced", requestOutlived},
		{"a refused update does not use up its key", requestRefused},
		{"one key 32 times at once: one customer, one answer", requestRace},
		{"one key for 32 updates at once: one change, one answer", requestUpdateRace},
		{"answers are bytes", requestBytes},
	}
}

// onceOf is a Once for creating customers, made now, with answers accepted
// for a day.
func (w *world) onceOf(key string, changes ...func(*ledger.Once)) *ledger.Once {
	o := &ledger.Once{
		Tenant:      w.shop,
		Route:       "POST /customers",
		Key:         key,
		Fingerprint: ledger.Fingerprint{1},
		Answer:      func(c ledger.Customer) []byte { return []byte("answer for " + c.ID + " named " + c.Name) },
		At:          w.book.Now(),
		Accept:      w.book.Now().Add(-24 * time.Hour),
		KeepUntil:   w.book.Now().Add(30 * 24 * time.Hour),
	}
	for _, change := range changes {
		change(o)
	}
	return o
}

// createOnce creates a new customer under a Once and returns it, and the first
// answer if there was one.
func (w *world) createOnce(once *ledger.Once) (ledger.Customer, []byte) {
	w.Helper()
	c := w.newCustomer(func(c *ledger.Customer) { c.Tenant = once.Tenant })
	first, err := w.ledger.CreateCustomer(w.Context(), c, once)
	if err != nil {
		w.Fatalf("create customer once: got error %v, want none", err)
	}
	return c, first
}

func (w *world) wantAnswer(want string, got []byte) {
	w.Helper()
	if string(got) != want {
		w.Errorf("got first answer %q, want %q", got, want)
	}
}

func (w *world) wantCustomers(n int) {
	w.Helper()
	if got := len(w.customers(ledger.CustomerFilter{}, ledger.Page{Limit: 200}).Customers); got != n {
		w.Errorf("got %d customers, want %d", got, n)
	}
}

func requestCreateRepeated(w *world) {
	c, first := w.createOnce(w.onceOf("k1"))
	if first != nil {
		w.Errorf("got first answer %q to a new request, want none", first)
	}
	for range 3 {
		w.clock.Move(time.Hour)
		nobody, first := w.createOnce(w.onceOf("k1"))
		w.wantAnswer("answer for "+c.ID+" named "+c.Name, first)
		_, err := w.ledger.Customer(w.Context(), w.shop, nobody.ID)
		w.wantCode(err, ledger.CodeNotFound)
	}
	w.wantCustomers(1)
	w.createOnce(w.onceOf("k2"))
	w.wantCustomers(2)
}

func requestUpdateRepeated(w *world) {
	c := w.customer()
	update := func(name string, once *ledger.Once) []byte {
		w.Helper()
		updated, first, err := w.ledger.UpdateCustomer(w.Context(), w.shop, c.ID,
			func(c ledger.Customer) (ledger.CustomerChange, error) {
				c.Name += name
				return ledger.CustomerChange{Customer: c}, nil
			}, once)
		if err != nil {
			w.Fatalf("update once: got error %v, want none", err)
		}
		if first == nil && updated.ID != c.ID {
			w.Errorf("got customer %q from an update, want %q", updated.ID, c.ID)
		}
		return first
	}
	route := func(o *ledger.Once) { o.Route = "PATCH /customers/{id}" }
	if first := update("+1", w.onceOf("k1", route)); first != nil {
		w.Errorf("got first answer %q to a new request, want none", first)
	}
	want := "answer for " + c.ID + " named " + c.Name + "+1"
	w.wantAnswer(want, update("+1", w.onceOf("k1", route)))
	update("+2", nil)
	w.wantAnswer(want, update("+1", w.onceOf("k1", route)))
	got, err := w.ledger.Customer(w.Context(), w.shop, c.ID)
	w.wantCode(err, "")
	if want := c.Name + "+1+2"; got.Name != want {
		w.Errorf("got name %q, want %q", got.Name, want)
	}
}

func requestReused(w *world) {
	at := w.book.Now()
	c, _ := w.createOnce(w.onceOf("k1"))
	w.clock.Move(time.Hour)
	other := func(o *ledger.Once) { o.Fingerprint = ledger.Fingerprint{2} }
	wantReused := func(first []byte, err error) {
		w.Helper()
		w.wantCode(err, ledger.CodeKeyReused)
		var ours *ledger.Error
		if !errors.As(err, &ours) || !ours.FirstAt.Equal(at) || first != nil {
			w.Errorf("got answer %q and error %#v, want none and the time of the first, %v", first, err, at)
		}
	}
	w.unchanged(func() {
		wantReused(w.ledger.CreateCustomer(w.Context(), w.newCustomer(), w.onceOf("k1", other)))
		_, first, err := w.ledger.UpdateCustomer(w.Context(), w.shop, c.ID,
			func(c ledger.Customer) (ledger.CustomerChange, error) {
				c.Name = "changed"
				return ledger.CustomerChange{Customer: c}, nil
			}, w.onceOf("k1", other))
		wantReused(first, err)
	}, c)
	_, first := w.createOnce(w.onceOf("k1"))
	w.wantAnswer("answer for "+c.ID+" named "+c.Name, first)
}

func requestScope(w *world) {
	tenants := w.tenants()
	changes := []func(*ledger.Once){
		func(*ledger.Once) {},
		func(o *ledger.Once) { o.Key = "K1" },
		func(o *ledger.Once) { o.Key = "k1 " },
		func(o *ledger.Once) { o.Route = "POST /customers/" },
		func(o *ledger.Once) { o.Route, o.Key = "POST /customersk", "1" },
		func(o *ledger.Once) { o.Tenant = tenants[1] },
		func(o *ledger.Once) { o.Tenant = tenants[2] },
	}
	var answers []string
	for i, change := range changes {
		c, first := w.createOnce(w.onceOf("k1", change))
		if first != nil {
			w.Errorf("scope %d: got first answer %q, want a key of its own", i, first)
		}
		answers = append(answers, "answer for "+c.ID+" named "+c.Name)
	}
	for i, change := range changes {
		_, first := w.createOnce(w.onceOf("k1", change))
		w.wantAnswer(answers[i], first)
	}
}

func requestReplaced(w *world) {
	first, _ := w.createOnce(w.onceOf("k1"))
	begin := w.book.Now()
	w.clock.Move(10 * time.Minute)
	accept := func(at time.Time) func(*ledger.Once) { return func(o *ledger.Once) { o.Accept = at } }
	// Exactly as old as may be is accepted.
	_, answer := w.createOnce(w.onceOf("k1", accept(begin)))
	w.wantAnswer("answer for "+first.ID+" named "+first.Name, answer)
	// Older is as if it were not there, even for another request.
	second, answer := w.createOnce(w.onceOf("k1", accept(begin.Add(time.Microsecond)), func(o *ledger.Once) {
		o.Fingerprint = ledger.Fingerprint{2}
	}))
	if answer != nil {
		w.Errorf("got first answer %q, want it to be too old", answer)
	}
	w.wantCustomers(2)
	_, answer = w.createOnce(w.onceOf("k1", accept(begin.Add(time.Microsecond)), func(o *ledger.Once) {
		o.Fingerprint = ledger.Fingerprint{2}
	}))
	w.wantAnswer("answer for "+second.ID+" named "+second.Name, answer)
	_, err := w.ledger.CreateCustomer(w.Context(), w.newCustomer(), w.onceOf("k1", accept(begin)))
	w.wantCode(err, ledger.CodeKeyReused)
	// No lower bound at all accepts everything.
	_, answer = w.createOnce(w.onceOf("k1", accept(time.Time{}), func(o *ledger.Once) {
		o.Fingerprint = ledger.Fingerprint{2}
		o.KeepUntil = time.Time{}
	}))
	w.wantAnswer("answer for "+second.ID+" named "+second.Name, answer)
}

// requestOutlived replaces an answer that may be removed by then, which the store
// does on the same occasion.
func requestOutlived(w *world) {
	kept := func(o *ledger.Once) { o.KeepUntil = o.At.Add(10 * time.Minute) }
	none := func(o *ledger.Once) { o.Accept = o.At.Add(time.Hour) }
	w.createOnce(w.onceOf("k1", kept, none))
	for range 2 {
		w.clock.Move(11 * time.Minute)
		second, answer := w.createOnce(w.onceOf("k1", kept, none))
		if answer != nil {
			w.Errorf("got first answer %q, want it to be too old", answer)
		}
		_, answer = w.createOnce(w.onceOf("k1", kept))
		w.wantAnswer("answer for "+second.ID+" named "+second.Name, answer)
	}
	w.wantCustomers(3)
}

func requestRefused(w *world) {
	c := w.customer()
	refusal := ledger.FieldErrorf(ledger.CodeInvalidName, "name", "no")
	for range 2 {
		_, first, err := w.ledger.UpdateCustomer(w.Context(), w.shop, c.ID,
			func(c ledger.Customer) (ledger.CustomerChange, error) {
				return ledger.CustomerChange{Customer: c}, refusal
			}, w.onceOf("k1"))
		if !errors.Is(err, refusal) || first != nil {
			w.Errorf("got answer %q and error %v, want the change's own refusal", first, err)
		}
	}
	_, _, err := w.ledger.UpdateCustomer(w.Context(), w.shop, "cus_unknown",
		func(c ledger.Customer) (ledger.CustomerChange, error) {
			return ledger.CustomerChange{Customer: c}, nil
		}, w.onceOf("k1"))
	w.wantCode(err, ledger.CodeNotFound)
	_, first := w.createOnce(w.onceOf("k1", func(o *ledger.Once) { o.Fingerprint = ledger.Fingerprint{9} }))
	if first != nil {
		w.Errorf("got first answer %q, want the key to be unused", first)
	}
}

func requestRace(w *world) {
	const n = 32
	customers := make([]ledger.Customer, n)
	onces := make([]*ledger.Once, n)
	for i := range n {
		customers[i] = w.newCustomer()
		onces[i] = w.onceOf("k1")
		if i%4 == 3 {
			onces[i].Fingerprint = ledger.Fingerprint{2}
		}
	}
	var mu sync.Mutex
	var made []ledger.Customer
	var answers []string
	var madeBy ledger.Fingerprint
	reused := 0
	together(n, func(i int) {
		first, err := w.ledger.CreateCustomer(w.Context(), customers[i], onces[i])
		mu.Lock()
		defer mu.Unlock()
		switch {
		case ledger.CodeOf(err) == ledger.CodeKeyReused:
			reused++
		case err != nil:
			w.Errorf("create: got error %v, want none or %s", err, ledger.CodeKeyReused)
		case first == nil:
			made = append(made, customers[i])
			madeBy = onces[i].Fingerprint
		default:
			answers = append(answers, string(first))
		}
	})
	if len(made) != 1 || len(made)+len(answers)+reused != n {
		w.Fatalf("got %d customers, %d answers and %d refusals, want 1 customer of %d requests", len(made), len(answers), reused, n)
	}
	wantReused := n / 4
	if madeBy == (ledger.Fingerprint{2}) {
		wantReused = n - n/4
	}
	if reused != wantReused {
		w.Errorf("got %d refusals, want %d", reused, wantReused)
	}
	for _, answer := range answers {
		w.wantAnswer("answer for "+made[0].ID+" named "+made[0].Name, []byte(answer))
	}
	w.wantCustomers(1)
}

func requestUpdateRace(w *world) {
	const n = 32
	c := w.customer()
	once := w.onceOf("k1")
	firsts := make([]string, n)
	together(n, func(i int) {
		_, first, err := w.ledger.UpdateCustomer(w.Context(), w.shop, c.ID,
			func(c ledger.Customer) (ledger.CustomerChange, error) {
				c.Name += "+1"
				return ledger.CustomerChange{Customer: c}, nil
			}, once)
		if err != nil {
			w.Errorf("update: got error %v, want none", err)
		}
		firsts[i] = string(first)
	})
	changes := 0
	for _, first := range firsts {
		if first == "" {
			changes++
		} else {
			w.wantAnswer("answer for "+c.ID+" named "+c.Name+"+1", []byte(first))
		}
	}
	got, err := w.ledger.Customer(w.Context(), w.shop, c.ID)
	w.wantCode(err, "")
	if changes != 1 || got.Name != c.Name+"+1" {
		w.Errorf("got %d changes and name %q, want 1 and %q", changes, got.Name, c.Name+"+1")
	}
}

func requestBytes(w *world) {
	for i, answer := range []string{"{}", "\x00\xff\xfe", "{\"name\":\"Zoë\"}\n", string(make([]byte, 70_000))} {
		key := string(rune('a' + i))
		same := func(o *ledger.Once) { o.Answer = func(ledger.Customer) []byte { return []byte(answer) } }
		w.createOnce(w.onceOf(key, same))
		_, first := w.createOnce(w.onceOf(key, same))
		w.wantAnswer(answer, first)
	}
}
