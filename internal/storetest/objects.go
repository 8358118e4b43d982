package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

func objectScenarios() []scenario {
	return []scenario{
		{"an object is made and changed in the commit that moves its money", objectsWithMoney},
		{"a change of objects alone leaves the wallet as it is", objectsAlone},
		{"what is refused makes no object", objectsRefused},
		{"several objects in one change, and one of them twice", objectsSeveral},
		{"decisions of one commit build on each other's objects", objectsInBulk},
		{"O2 64 decisions at once about one object: each sees the one before", objectsRace},
		{"what is due is found, the longest due first, and nothing else", objectsDue},
		{"lists go by id, newest first, and are narrowed", objectsListed},
		{"N1 objects of another business, mode or customer are not there", objectsTenancy},
		{"an object comes back as it went in", objectsKeepEveryField},
	}
}

func invoice(id string) ledger.ObjectKey { return ledger.ObjectKey{Kind: "invoice", ID: id} }

// objectScope is a scope for decisions about objects of a customer.
func (w *world) objectScope(c ledger.Customer, keys ...ledger.ObjectKey) ledger.Scope {
	return ledger.Scope{Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD", At: w.book.Now(), Objects: keys}
}

// put makes objects what they are given as, in one change, and returns it.
func (w *world) put(c ledger.Customer, objects ...ledger.Object) ledger.Change {
	w.Helper()
	var keys []ledger.ObjectKey
	for _, o := range objects {
		if !slices.Contains(keys, o.ObjectKey) {
			keys = append(keys, o.ObjectKey)
		}
	}
	now := w.book.Now()
	scope := w.objectScope(c, keys...)
	change, err := w.ledger.Transact(w.Context(), scope, func(s ledger.Snapshot) (ledger.Change, error) {
		change := ledger.Change{Wallet: s.Wallet}
		for _, o := range objects {
			if err := change.Put(&s, o, "", "", now); err != nil {
				return change, err
			}
		}
		return change, nil
	})
	if err != nil {
		w.Fatalf("put %v: got error %v, want none", keys, err)
	}
	return change
}

// checkObjects holds the events about a customer's objects against the changes that
// made them, and their chain.
func (w *world) checkObjects(c ledger.Customer, changes []ledger.ObjectChange) {
	w.Helper()
	var events []ledger.ObjectEvent
	for {
		page, err := w.ledger.ObjectEvents(w.Context(), c.Tenant, c.ID, int64(len(events)), 3)
		w.wantCode(err, "")
		if events = append(events, page...); len(page) < 3 {
			break
		}
	}
	var previous ledger.Hash
	latest := map[ledger.ObjectKey]ledger.Object{}
	for i, change := range changes {
		if i >= len(events) {
			w.Fatalf("events: got %d, want %d", len(events), len(changes))
		}
		w.same("event", change.Event, events[i])
		want := events[i].ChainHash(c.Tenant, c.ID, previous)
		if e := &events[i]; e.Number != int64(i+1) || e.Hash != want || e.Digest != change.Object.Digest() {
			w.Errorf("event %d: got number %d, hash %x and digest %x, want hash %x and digest %x", i+1, e.Number, e.Hash, e.Digest,
				want, change.Object.Digest())
		}
		previous = change.Event.Hash
		latest[change.Object.ObjectKey] = change.Object
	}
	if len(events) != len(changes) {
		w.Errorf("events: got %d, want %d", len(events), len(changes))
	}
	for key, want := range latest {
		got, err := w.ledger.Object(w.Context(), c.Tenant, key)
		w.wantCode(err, "")
		w.same("object", want, got)
	}
}

func objectsWithMoney(w *world) {
	c := w.customer()
	w.post(credit(c, 500))
	made := w.put(c, ledger.Object{ObjectKey: invoice("inv_1"), State: "open", DueAt: w.book.Now(), Data: `{"total":300}`})
	w.clock.Move(time.Second)
	r := debit(c, 300, withKey("inv_1"))
	moment := ledger.Moment{Now: w.book.Now(), Random: w.dice.next()}
	scope := w.scopeOf(r)
	scope.Objects = []ledger.ObjectKey{invoice("inv_1")}
	paid, err := w.ledger.Transact(w.Context(), scope, func(s ledger.Snapshot) (ledger.Change, error) {
		change, err := ledger.Post(s, &r, moment)
		if err != nil || change.Replayed {
			return change, err
		}
		o := *s.Object(invoice("inv_1"))
		o.State, o.DueAt, o.Data = "paid", time.Time{}, `{"total":300,"wallet":300}`
		return change, change.Put(&s, o, "payment.succeeded", `{"payload_type":"Payment","amount":300}`, moment.Now)
	})
	w.wantCode(err, "")
	if e := paid.Objects[0].Event; e.Position != 2 || e.Object != 1 || e.Number != 2 || e.Version != 2 {
		w.Errorf("event: got %+v, want the second of the object, behind entry 2", e)
	}
	w.checkObjects(c, append(made.Objects, paid.Objects...))
	h := w.history(c)
	if len(h.Entries) != 2 || h.Wallets[0].Balance != 200 {
		w.Errorf("got %d entries and balance %d, want 2 and 200", len(h.Entries), h.Wallets[0].Balance)
	}
}

func objectsAlone(w *world) {
	c, fresh := w.customer(), w.customer()
	w.post(credit(c, 500))
	w.unchanged(func() {
		for _, c := range []ledger.Customer{c, fresh} {
			a := w.put(c, ledger.Object{ObjectKey: invoice("inv_" + c.ID), State: "draft"})
			w.clock.Move(time.Minute)
			b := w.put(c, ledger.Object{ObjectKey: invoice("inv_" + c.ID), State: "open"})
			w.checkObjects(c, append(a.Objects, b.Objects...))
		}
	}, c, fresh)
	w.post(debit(c, 500))
	w.post(credit(fresh, 5))
	w.history(c)
	w.history(fresh)
}

func objectsRefused(w *world) {
	c := w.customer()
	w.unchanged(func() {
		scope := w.objectScope(c, invoice("inv_1"))
		_, err := w.ledger.Transact(w.Context(), scope, func(s ledger.Snapshot) (ledger.Change, error) {
			change := ledger.Change{Wallet: s.Wallet}
			if err := change.Put(&s, ledger.Object{ObjectKey: invoice("inv_1")}, "", "", epoch); err != nil {
				return change, err
			}
			return change, ledger.Errorf(ledger.CodeInsufficientFunds, "no")
		})
		w.wantCode(err, ledger.CodeInsufficientFunds)
	}, c)
	_, err := w.ledger.Object(w.Context(), c.Tenant, invoice("inv_1"))
	w.wantCode(err, ledger.CodeNotFound)
	w.checkObjects(c, nil)
}

func objectsSeveral(w *world) {
	c := w.customer()
	first := w.put(c, ledger.Object{ObjectKey: invoice("inv_1"), State: "a"},
		ledger.Object{ObjectKey: ledger.ObjectKey{Kind: "payment", ID: "inv_1"}, State: "b"},
		ledger.Object{ObjectKey: invoice("inv_1"), State: "c"})
	if n := first.Objects[2]; n.Object.Version != 2 || n.Event.Object != 1 || n.Object.State != "c" {
		w.Errorf("got %+v, want the second version of the first", n)
	}
	second := w.put(c, ledger.Object{ObjectKey: ledger.ObjectKey{Kind: "payment", ID: "inv_1"}, State: "d"})
	if n := second.Objects[0]; n.Object.Version != 2 || n.Event.Object != 2 || n.Event.Number != 4 {
		w.Errorf("got %+v, want event 4, the second version of the other one", n)
	}
	w.checkObjects(c, append(first.Objects, second.Objects...))
}

// counting puts an object whose state is its version.
func counting(key ledger.ObjectKey, now time.Time) ledger.Decide {
	return func(s ledger.Snapshot) (ledger.Change, error) {
		next := ledger.Object{ObjectKey: key, State: "1"}
		if old := s.Object(key); old != nil {
			next.State = fmt.Sprint(old.Version + 1)
		}
		change := ledger.Change{Wallet: s.Wallet}
		return change, change.Put(&s, next, "", "", now)
	}
}

func objectsInBulk(w *world) {
	c := w.customer()
	now := w.book.Now()
	var commands []ledger.Command
	for range 5 {
		commands = append(commands, ledger.Command{Scope: w.objectScope(c, invoice("inv_1")), Decide: counting(invoice("inv_1"), now)})
	}
	refused := ledger.Command{Scope: w.objectScope(c, invoice("inv_2")), Decide: func(ledger.Snapshot) (ledger.Change, error) {
		return ledger.Change{}, ledger.Errorf(ledger.CodeInsufficientFunds, "no")
	}}
	outcomes, err := w.ledger.TransactMany(w.Context(), append(commands, refused), false)
	w.wantCode(err, "")
	var changes []ledger.ObjectChange
	for _, o := range outcomes[:5] {
		w.wantCode(o.Err, "")
		changes = append(changes, o.Change.Objects...)
	}
	w.wantCode(outcomes[5].Err, ledger.CodeInsufficientFunds)
	w.checkObjects(c, changes)
	if _, err = w.ledger.TransactMany(w.Context(), append(slices.Clone(commands), refused), true); err == nil {
		w.Error("a bulk with a refusal: got no error, want it refused as a whole")
	}
	w.checkObjects(c, changes)
	if object, err := w.ledger.Object(w.Context(), c.Tenant, invoice("inv_1")); err != nil || object.State != "5" {
		w.Errorf("object: got state %q and error %v, want 5", object.State, err)
	}
}

func objectsRace(w *world) {
	const writers, each = 16, 4
	c := w.customer()
	now := w.book.Now()
	changes := make([]ledger.ObjectChange, writers*each)
	var running sync.WaitGroup
	for range writers {
		running.Go(func() {
			for range each {
				change, err := w.ledger.Transact(w.Context(), w.objectScope(c, invoice("inv_1")), counting(invoice("inv_1"), now))
				if err != nil || change.Objects[0].Event.Number > writers*each {
					w.Errorf("got %v and error %v, want no more than %d events", change.Objects, err, writers*each)
					return
				}
				changes[change.Objects[0].Event.Number-1] = change.Objects[0]
			}
		})
	}
	running.Wait()
	w.checkObjects(c, changes)
	object, err := w.ledger.Object(w.Context(), c.Tenant, invoice("inv_1"))
	if err != nil || object.State != fmt.Sprint(writers*each) {
		w.Errorf("object: got state %q and error %v, want %d", object.State, err, writers*each)
	}
}

func objectsDue(w *world) {
	other := w.customer(func(c *ledger.Customer) { c.Tenant = w.business("Second Shop") })
	c := w.customer()
	kind := ledger.ObjectKind("due " + c.ID)
	at := func(customer ledger.Customer, id string, due time.Time) {
		w.put(customer, ledger.Object{ObjectKey: ledger.ObjectKey{Kind: kind, ID: id}, DueAt: due, State: "open"})
	}
	at(c, "o_1", epoch.Add(3*time.Second))
	at(other, "o_2", epoch.Add(time.Second))
	at(c, "o_3", time.Time{})
	at(c, "o_4", epoch.Add(2*time.Second))
	at(c, "o_5", epoch.Add(2*time.Second))
	w.put(c, ledger.Object{ObjectKey: ledger.ObjectKey{Kind: kind + " other", ID: "o_6"}, DueAt: epoch})
	due := func(at time.Time, limit int) string {
		list, err := w.ledger.DueObjects(w.Context(), kind, at, limit)
		w.wantCode(err, "")
		var ids []string
		for _, o := range list {
			ids = append(ids, o.ID+" of "+o.Tenant.BusinessID+" "+o.CustomerID)
		}
		return strings.Join(ids, ", ")
	}
	name := func(id string, c ledger.Customer) string { return id + " of " + c.Tenant.BusinessID + " " + c.ID }
	w.same("before", "", due(epoch, 9))
	w.same("the first", name("o_2", other), due(epoch.Add(time.Second), 9))
	w.same("limited", name("o_2", other)+", "+name("o_4", c), due(epoch.Add(time.Hour), 2))
	at(c, "o_4", time.Time{})
	at(c, "o_3", epoch.Add(-time.Hour))
	w.same("after changes", strings.Join([]string{name("o_3", c), name("o_2", other), name("o_5", c), name("o_1", c)}, ", "),
		due(epoch.Add(time.Hour), 9))
}

func objectsListed(w *world) {
	ann, bob := w.customer(), w.customer()
	states := []string{"open", "paid"}
	for n := range 9 {
		c := []ledger.Customer{ann, bob, ann}[n%3]
		w.put(c, ledger.Object{ObjectKey: invoice(fmt.Sprintf("inv_%d", n)), State: states[n%2]})
		w.clock.Move(time.Second)
	}
	w.put(ann, ledger.Object{ObjectKey: ledger.ObjectKey{Kind: "payment", ID: "inv_5"}, State: "open"})
	list := func(f ledger.ObjectFilter, page ledger.ObjectPage) (ids, next string) {
		f.Kind = "invoice"
		got, err := w.ledger.Objects(w.Context(), w.shop, f, page)
		w.wantCode(err, "")
		for _, o := range got.Objects {
			ids += strings.TrimPrefix(o.ID, "inv_")
		}
		return ids, got.Next
	}
	want := func(ids string, f ledger.ObjectFilter) {
		w.Helper()
		whole, next := list(f, ledger.ObjectPage{Limit: 200})
		w.same("list", ids, whole)
		w.same("next", "", next)
		for size := 1; size <= 4; size++ {
			var paged, skipped string
			for page := (ledger.ObjectPage{Limit: size}); ; {
				part, next := list(f, page)
				paged += part
				if page.Before = next; next == "" {
					break
				}
			}
			for page := (ledger.ObjectPage{Limit: size}); ; page.Skip += int64(size) {
				part, next := list(f, page)
				if skipped += part; next == "" {
					break
				}
			}
			w.same("pages", ids, paged)
			w.same("pages by number", ids, skipped)
		}
	}
	want("876543210", ledger.ObjectFilter{})
	want("741", ledger.ObjectFilter{CustomerID: bob.ID})
	want("7531", ledger.ObjectFilter{State: "paid"})
	want("71", ledger.ObjectFilter{State: "paid", CustomerID: bob.ID})
	first, err := w.ledger.Object(w.Context(), w.shop, invoice("inv_3"))
	w.wantCode(err, "")
	want("876543", ledger.ObjectFilter{CreatedAtGTE: first.CreatedAt})
	want("3210", ledger.ObjectFilter{CreatedAtLTE: first.CreatedAt})
	want("", ledger.ObjectFilter{CustomerID: "cus_nobody"})
}

func objectsTenancy(w *world) {
	c, other := w.customer(), w.customer()
	live := ledger.Tenant{BusinessID: w.shop.BusinessID, Mode: ledger.Live}
	w.put(c, ledger.Object{ObjectKey: invoice("inv_1"), State: "open"})
	for _, tenant := range []ledger.Tenant{w.business("Second Shop"), live, {BusinessID: "bus_nobody", Mode: ledger.Test}} {
		_, err := w.ledger.Object(w.Context(), tenant, invoice("inv_1"))
		w.wantCode(err, ledger.CodeNotFound)
		list, err := w.ledger.Objects(w.Context(), tenant, ledger.ObjectFilter{Kind: "invoice"}, ledger.ObjectPage{Limit: 9})
		w.wantCode(err, "")
		if len(list.Objects) > 0 {
			w.Errorf("objects of %v: got %v, want none", tenant, list.Objects)
		}
		_, err = w.ledger.ObjectEvents(w.Context(), tenant, c.ID, 0, 9)
		w.wantCode(err, ledger.CodeNotFound)
	}
	s := w.peek(w.objectScope(other, invoice("inv_1")))
	if len(s.Objects) > 0 || s.ObjectHead.Number > 0 {
		w.Errorf("snapshot of another customer: got %v, want no object", s.Objects)
	}
	for _, key := range []ledger.ObjectKey{invoice("inv_2"), {Kind: "payment", ID: "inv_1"}, invoice("\x00"), invoice("\xff")} {
		_, err := w.ledger.Object(w.Context(), w.shop, key)
		w.wantCode(err, ledger.CodeNotFound)
		if s := w.peek(w.objectScope(c, key)); len(s.Objects) > 0 || s.ObjectHead.Number != 1 {
			w.Errorf("snapshot with %v: got %v and head %d, want none and 1", key, s.Objects, s.ObjectHead.Number)
		}
	}
}

func objectsKeepEveryField(w *world) {
	c := w.customer()
	now := w.book.Now()
	var changes []ledger.ObjectChange
	const frame = `{"payload_type":"Refund","note":""}`
	for n, data := range []string{
		"", `{"payload_type":"Refund","name":"Ä 漢字 💶 \u0000"}`,
		strings.Replace(frame, `""`, `"`+strings.Repeat("x", ledger.ObjectDataMax-len(frame))+`"`, 1),
	} {
		kind := ledger.RefundSucceeded
		if data == "" {
			kind = ""
		}
		key := ledger.ObjectKey{Kind: "credit note", ID: fmt.Sprintf("cn_%d ’", n)}
		change, err := w.ledger.Transact(w.Context(), w.objectScope(c, key), func(s ledger.Snapshot) (ledger.Change, error) {
			change := ledger.Change{Wallet: s.Wallet}
			next := ledger.Object{ObjectKey: key, State: "ausgestellt ✓", DueAt: epoch.Add(time.Microsecond), Data: data}
			return change, change.Put(&s, next, kind, data, now)
		})
		w.wantCode(err, "")
		changes = append(changes, change.Objects...)
	}
	w.checkObjects(c, changes)
}
