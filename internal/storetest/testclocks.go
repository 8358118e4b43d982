package storetest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

func testClockScenarios() []scenario {
	return []scenario{
		{"a clock reads back with its customers, and is gone once it is deleted", testClockReadsBack},
		{"clocks are listed newest first, by page and cursor", testClocksListed},
		{"N1 clocks of another business or mode are not there", testClocksTenancy},
		{"one key 16 times at once: one clock, one answer", testClockKeys},
		{"a business has so many clocks and no more, and a deleted one makes room", testClocksMax},
		{"a refusal changes nothing, and changes of a clock see each other", testClockChanges},
		{"customers behind their clocks are found, and those of a deleted one are not", testClockStragglers},
		{"who stands with their clock is found while something is due there", testClockDue},
		{"what waits for a time about a customer is told, and is due to the microsecond", testClockCustomerDue},
		{"K10 what refuses by the state of things counts after the first answer", testClockFirstAnswer},
	}
}

// testClock makes a clock that stands at the epoch, and its customers.
func (w *world) testClock(
	customers int, changes ...func(*ledger.TestClock),
) (k ledger.TestClock, with []ledger.Customer) {
	w.Helper()
	w.names++
	k = ledger.TestClock{
		Tenant: w.shop, ID: w.book.NewID(ledger.TestClockIDPrefix), Name: fmt.Sprintf("Clock %d", w.names), FrozenAt: epoch,
		CreatedAt: epoch.Add(time.Duration(w.names) * time.Microsecond),
	}
	for _, change := range changes {
		change(&k)
	}
	first, err := w.ledger.CreateTestClock(w.Context(), k, nil, nil)
	if w.wantCode(err, ""); first != nil {
		w.Errorf("a new clock: got the answer %q, want none", first)
	}
	for range customers {
		with = append(with, w.customer(func(c *ledger.Customer) {
			c.Tenant, c.Clock, c.ClockAt = k.Tenant, k.ID, k.FrozenAt
		}))
	}
	return k, with
}

// wantClock wants a clock to have so many customers, so many on their way, and so many
// about whom something is due.
func (w *world) wantClock(k ledger.TestClock, customers, behind, due int64) {
	w.Helper()
	k.Customers, k.Behind, k.Due = customers, behind, due
	got, err := w.ledger.TestClock(w.Context(), k.Tenant, k.ID)
	w.wantCode(err, "")
	w.same("test clock", k, got)
}

// advance has a clock go on, but not its customers.
func (w *world) advance(k *ledger.TestClock, by time.Duration) {
	w.Helper()
	further := func(k ledger.TestClock) (ledger.TestClock, error) {
		k.FrozenAt = k.FrozenAt.Add(by)
		return k, nil
	}
	changed, err := w.ledger.UpdateTestClock(w.Context(), k.Tenant, k.ID, further)
	w.wantCode(err, "")
	*k = changed
}

// come has a customer of a clock come to a time.
func (w *world) come(c ledger.Customer, at time.Time) {
	w.Helper()
	move := func(c ledger.Customer) (ledger.CustomerChange, error) {
		c.ClockAt = at
		return ledger.CustomerChange{Customer: c}, nil
	}
	_, _, err := w.ledger.UpdateCustomer(w.Context(), c.Tenant, c.ID, move, nil)
	w.wantCode(err, "")
}

// behind are the customers of the shop who are found to be brought on.
func (w *world) behind() (ids []string) {
	w.Helper()
	all, err := w.ledger.Stragglers(w.Context(), 1000)
	w.wantCode(err, "")
	for _, s := range all {
		if s.Tenant != w.shop {
			continue // of a test that has the same database
		}
		k, err := w.ledger.TestClock(w.Context(), s.Tenant, s.Clock)
		if w.wantCode(err, ""); !k.FrozenAt.Equal(s.Until) {
			w.Errorf("%s is to come to %v, want where clock %s stands, at %v", s.CustomerID, s.Until, s.Clock, k.FrozenAt)
		}
		ids = append(ids, s.CustomerID)
	}
	slices.Sort(ids)
	return ids
}

func sorted(customers ...ledger.Customer) (ids []string) {
	for _, c := range customers {
		ids = append(ids, c.ID)
	}
	slices.Sort(ids)
	return ids
}

func testClockReadsBack(w *world) {
	k, with := w.testClock(2, func(k *ledger.TestClock) { k.Name = `A "clock" & Söhne` })
	empty, _ := w.testClock(0, func(k *ledger.TestClock) {
		k.Name, k.FrozenAt = "", epoch.AddDate(170, 0, 0).Add(time.Microsecond)
	})
	w.wantClock(k, 2, 0, 0)
	w.wantClock(empty, 0, 0, 0)
	for _, c := range with {
		got, err := w.ledger.Customer(w.Context(), c.Tenant, c.ID)
		w.wantCode(err, "")
		w.same("customer of a clock", c, got)
	}
	w.advance(&k, time.Hour+time.Microsecond)
	w.wantClock(k, 2, 2, 0)
	w.come(with[0], epoch.Add(time.Hour))
	w.wantClock(k, 2, 2, 0)
	w.come(with[0], k.FrozenAt)
	w.wantClock(k, 2, 1, 0)
	remove := func(k ledger.TestClock) (ledger.TestClock, error) {
		k.Deleted = true
		return k, nil
	}
	got, err := w.ledger.UpdateTestClock(w.Context(), k.Tenant, k.ID, remove)
	if w.wantCode(err, ""); !got.Deleted {
		w.Errorf("a clock that was deleted: got %+v", got)
	}
	for _, id := range []string{k.ID, "clk_unknown", "", "a\x00b", "\xff"} {
		_, err := w.ledger.TestClock(w.Context(), w.shop, id)
		w.wantCode(err, ledger.CodeNotFound)
		_, err = w.ledger.UpdateTestClock(w.Context(), w.shop, id, remove)
		w.wantCode(err, ledger.CodeNotFound)
	}
	w.wantClock(empty, 0, 0, 0)
}

func testClocksListed(w *world) {
	var all []ledger.TestClock
	for range 5 {
		k, _ := w.testClock(1)
		k.Customers = 1
		all = append([]ledger.TestClock{k}, all...)
	}
	w.advance(&all[1], time.Second)
	gone := all[3]
	_, err := w.ledger.UpdateTestClock(w.Context(), w.shop, gone.ID, func(k ledger.TestClock) (ledger.TestClock, error) {
		k.Deleted = true
		return k, nil
	})
	w.wantCode(err, "")
	all = slices.Delete(all, 3, 4)
	for _, c := range []struct {
		page ledger.Page
		want []ledger.TestClock
	}{
		{ledger.Page{Limit: 10}, all}, {ledger.Page{Limit: 4}, all}, {ledger.Page{Limit: 2, Skip: 1}, all[1:3]},
		{ledger.Page{Limit: 2, Skip: 4}, nil},
	} {
		list, err := w.ledger.TestClocks(w.Context(), w.shop, c.page)
		w.wantCode(err, "")
		w.same(fmt.Sprintf("clocks of page %+v", c.page), c.want, list.Clocks)
	}
	var walked []ledger.TestClock
	for page := (ledger.Page{Limit: 3}); ; {
		list, err := w.ledger.TestClocks(w.Context(), w.shop, page)
		w.wantCode(err, "")
		walked = append(walked, list.Clocks...)
		if page.Before = list.Next; page.Before == 0 {
			break
		}
	}
	w.same("clocks by cursor", all, walked)
}

func testClocksTenancy(w *world) {
	k, _ := w.testClock(1)
	live := ledger.Tenant{BusinessID: w.shop.BusinessID, Mode: ledger.Live}
	for _, other := range []ledger.Tenant{w.business("Second Shop"), live, {BusinessID: "bus_none", Mode: ledger.Test}} {
		_, err := w.ledger.TestClock(w.Context(), other, k.ID)
		w.wantCode(err, ledger.CodeNotFound)
		_, err = w.ledger.UpdateTestClock(w.Context(), other, k.ID, func(k ledger.TestClock) (ledger.TestClock, error) {
			k.Deleted = true
			return k, nil
		})
		w.wantCode(err, ledger.CodeNotFound)
		list, err := w.ledger.TestClocks(w.Context(), other, ledger.Page{Limit: 10})
		w.wantCode(err, "")
		w.same("clocks of others", ledger.TestClockList{}, list)
		// Who names a clock of another business is nobody's customer.
		if other.BusinessID != "bus_none" {
			w.customer(func(c *ledger.Customer) { c.Tenant, c.Clock, c.ClockAt = other, k.ID, k.FrozenAt.Add(-time.Hour) })
		}
	}
	w.wantClock(k, 1, 0, 0)
	w.same("stragglers", []string(nil), w.behind())
	_, err := w.ledger.CreateTestClock(w.Context(), ledger.TestClock{
		Tenant: ledger.Tenant{BusinessID: "bus_none", Mode: ledger.Test}, ID: w.book.NewID(ledger.TestClockIDPrefix),
		FrozenAt: epoch, CreatedAt: epoch,
	}, nil, nil)
	w.wantCode(err, ledger.CodeNotFound)
}

func testClockKeys(w *world) {
	var racing sync.WaitGroup
	var mu sync.Mutex
	answers := map[string]int{}
	made := 0
	for n := range 16 {
		k := ledger.TestClock{Tenant: w.shop, ID: w.book.NewID(ledger.TestClockIDPrefix), FrozenAt: epoch, CreatedAt: epoch}
		once, answer := w.onceOf("one"), fmt.Sprint("answer ", n)
		racing.Go(func() {
			first, err := w.ledger.CreateTestClock(w.Context(), k, once, []byte(answer))
			mu.Lock()
			defer mu.Unlock()
			if w.wantCode(err, ""); first == nil {
				made++
				first = []byte(answer)
			}
			answers[string(first)]++
		})
	}
	racing.Wait()
	list, err := w.ledger.TestClocks(w.Context(), w.shop, ledger.Page{Limit: 100})
	if w.wantCode(err, ""); made != 1 || len(answers) != 1 || len(list.Clocks) != 1 {
		w.Errorf("got %d made, answers %v and %d clocks, want one of each", made, answers, len(list.Clocks))
	}
	_, err = w.ledger.CreateTestClock(w.Context(), list.Clocks[0], w.onceOf("one", func(o *ledger.Once) {
		o.Fingerprint[0]++
	}), nil)
	w.wantCode(err, ledger.CodeKeyReused)
}

func testClocksMax(w *world) {
	var last ledger.TestClock
	for range ledger.TestClocksMax - 4 {
		last, _ = w.testClock(0)
	}
	// Eight at once for the last four places.
	var racing sync.WaitGroup
	var mu sync.Mutex
	codes := map[ledger.Code]int{}
	for range 8 {
		k := ledger.TestClock{Tenant: w.shop, ID: w.book.NewID(ledger.TestClockIDPrefix), FrozenAt: epoch, CreatedAt: epoch}
		racing.Go(func() {
			_, err := w.ledger.CreateTestClock(w.Context(), k, nil, nil)
			mu.Lock()
			defer mu.Unlock()
			codes[ledger.CodeOf(err)]++
		})
	}
	racing.Wait()
	if codes[ledger.CodeLimitReached] != 4 || len(codes) != 2 {
		w.Errorf("eight at once for four places: got %v, want four refused with %s", codes, ledger.CodeLimitReached)
	}
	// A key that was used has its answer all the same (law K10).
	_, err := w.ledger.CreateTestClock(w.Context(), last, w.onceOf("late"), nil)
	w.wantCode(err, ledger.CodeLimitReached)
	w.testClock(0, func(k *ledger.TestClock) { k.Tenant = w.business("Second Shop") })
	_, err = w.ledger.UpdateTestClock(w.Context(), w.shop, last.ID, func(k ledger.TestClock) (ledger.TestClock, error) {
		k.Deleted = true
		return k, nil
	})
	w.wantCode(err, "")
	k := ledger.TestClock{Tenant: w.shop, ID: w.book.NewID(ledger.TestClockIDPrefix), FrozenAt: epoch, CreatedAt: epoch}
	first, err := w.ledger.CreateTestClock(w.Context(), k, w.onceOf("late"), []byte("kept"))
	w.wantCode(err, "")
	w.same("answer to the one in the room of another", []byte(nil), first)
	first, err = w.ledger.CreateTestClock(w.Context(), k, w.onceOf("late"), nil)
	w.wantCode(err, "")
	w.same("answer to a repeat", "kept", string(first))
}

func testClockChanges(w *world) {
	k, _ := w.testClock(1)
	refusal := ledger.Errorf(ledger.CodeTestClock, "no")
	_, err := w.ledger.UpdateTestClock(w.Context(), w.shop, k.ID, func(k ledger.TestClock) (ledger.TestClock, error) {
		k.FrozenAt = k.FrozenAt.Add(time.Hour)
		return k, refusal
	})
	if err != refusal {
		w.Errorf("a change that is refused: got error %v, want its own", err)
	}
	w.wantClock(k, 1, 0, 0)
	var racing sync.WaitGroup
	for range 16 {
		racing.Go(func() {
			_, err := w.ledger.UpdateTestClock(w.Context(), w.shop, k.ID, func(k ledger.TestClock) (ledger.TestClock, error) {
				k.FrozenAt, k.Failure = k.FrozenAt.Add(time.Second), k.Failure+"!"
				return k, nil
			})
			w.wantCode(err, "")
		})
	}
	racing.Wait()
	k.FrozenAt, k.Failure = epoch.Add(16*time.Second), "!!!!!!!!!!!!!!!!"
	w.wantClock(k, 1, 1, 0)
}

func testClockStragglers(w *world) {
	k, with := w.testClock(3)
	still, _ := w.testClock(2)
	w.customer()
	w.same("stragglers of clocks that stand", []string(nil), w.behind())
	w.advance(&k, time.Hour)
	w.same("stragglers", sorted(with...), w.behind())
	some, err := w.ledger.Stragglers(w.Context(), 1)
	if w.wantCode(err, ""); len(some) != 1 {
		w.Errorf("a limit of 1: got %d stragglers", len(some))
	}
	w.fair(&k)
	w.come(with[0], k.FrozenAt.Add(-time.Microsecond))
	w.same("stragglers, one nearly there", sorted(with...), w.behind())
	w.come(with[0], k.FrozenAt)
	w.same("stragglers, one there", sorted(with[1:]...), w.behind())
	for _, gone := range []ledger.TestClock{k, still} {
		_, err = w.ledger.UpdateTestClock(w.Context(), w.shop, gone.ID, func(k ledger.TestClock) (ledger.TestClock, error) {
			k.Deleted = true
			return k, nil
		})
		w.wantCode(err, "")
	}
	w.same("stragglers of deleted clocks", []string(nil), w.behind())
}

// A worker that was stopped between moving a customer to where the clock stands and doing
// what is due there finds the customer again.
func testClockDue(w *world) {
	w.notifyAhead(w.shop, 2)
	k, with := w.testClock(4)
	byObject, byLot, byHold, byNotice := with[0], with[1], with[2], with[3]
	end := epoch.Add(time.Hour)
	object := ledger.Object{ObjectKey: invoice(byObject.ID), State: "open", DueAt: end, Data: "{}"}
	w.put(byObject, object)
	w.post(credit(byLot, 100, expires(end)))
	w.sweepNotices(byLot)
	w.post(credit(byHold, 100))
	w.hold(byHold, 60)
	w.post(credit(byNotice, 100, expires(end.Add(2*ledger.NoticeDay))))
	w.same("stragglers before anything is due", []string(nil), w.behind())
	w.wantClock(k, 4, 0, 0)
	w.advance(&k, time.Hour)
	for _, c := range with {
		w.come(c, end.Add(-time.Microsecond))
	}
	w.wantClock(k, 4, 4, 0)
	w.same("stragglers on their way", sorted(with...), w.behind())
	for i, c := range with {
		w.come(c, end)
		w.wantClock(k, 4, int64(3-i), int64(i+1))
		w.same("stragglers", sorted(with...), w.behind())
	}
	w.clock.Set(end)
	object.DueAt = end.Add(time.Microsecond)
	w.put(byObject, object)
	w.wantClock(k, 4, 0, 3)
	w.sweepAll(byLot, "USD")
	w.wantClock(k, 4, 0, 2)
	w.sweepAll(byHold, "USD")
	w.wantClock(k, 4, 0, 1)
	w.same("stragglers, one left", sorted(byNotice), w.behind())
	w.sweepNotices(byNotice)
	w.wantClock(k, 4, 0, 0)
	w.same("stragglers once all is done", []string(nil), w.behind())
	w.advance(&k, time.Microsecond)
	w.come(byObject, k.FrozenAt)
	w.wantClock(k, 4, 3, 1)
	// Of a clock that was deleted nothing is done any more.
	_, err := w.ledger.UpdateTestClock(w.Context(), w.shop, k.ID, func(k ledger.TestClock) (ledger.TestClock, error) {
		k.Deleted = true
		return k, nil
	})
	w.wantCode(err, "")
	w.same("stragglers of a deleted clock", []string(nil), w.behind())
}

// sweepNotices announces what is to be announced about a customer now.
func (w *world) sweepNotices(c ledger.Customer) {
	w.Helper()
	due, err := w.ledger.CustomerDue(w.Context(), c.Tenant, c.ID)
	w.wantCode(err, "")
	at := due.Customer.ClockAt
	_, err = w.book.Announce(w.Context(), ledger.DueNotices{Wallet: walletIn(c, "USD"), Until: at.Add(due.Ahead)}, at, 100)
	w.wantCode(err, "")
}

func testClockCustomerDue(w *world) {
	w.notifyAhead(w.shop, 3)
	k, with := w.testClock(2)
	c, other := with[0], with[1]
	w.put(other, ledger.Object{ObjectKey: invoice(other.ID), DueAt: epoch.Add(time.Second), Data: "{}"})
	far := epoch.AddDate(0, 0, 10)
	w.put(c, ledger.Object{ObjectKey: invoice(c.ID + "2"), DueAt: far, Data: "{}"},
		ledger.Object{ObjectKey: invoice(c.ID + "1"), DueAt: far, Data: "{}"},
		ledger.Object{ObjectKey: ledger.ObjectKey{Kind: "other", ID: c.ID}, DueAt: epoch.Add(time.Minute), Data: "{}"},
		ledger.Object{ObjectKey: invoice(c.ID + "0"), Data: "{}"})
	w.post(credit(c, 100, expires(far.Add(time.Second))))
	w.post(credit(c, 100, expires(far.Add(time.Minute))))
	w.post(credit(c, 100, in("INR"), expires(far.Add(time.Hour))))
	w.hold(c, 5)
	due, err := w.ledger.CustomerDue(w.Context(), c.Tenant, c.ID)
	w.wantCode(err, "")
	var objects []string
	for _, o := range due.Objects {
		objects = append(objects, o.ID)
		if w.same("tenant", c.Tenant, o.Tenant); o.CustomerID != c.ID || !o.Clock.Equal(k.FrozenAt) {
			w.Errorf("object %s: got customer %s and clock %v, want %s and %v", o.ID, o.CustomerID, o.Clock, c.ID, k.FrozenAt)
		}
	}
	w.same("objects", []string{c.ID, c.ID + "1", c.ID + "2"}, objects)
	w.same("ahead", 3*ledger.NoticeDay, due.Ahead)
	byCurrency := func(a, b ledger.DueWallet) int { return int(a.Currency[0]) - int(b.Currency[0]) }
	slices.SortFunc(due.Expiries, byCurrency)
	slices.SortFunc(due.Notices, byCurrency)
	w.same("expiries", []ledger.DueWallet{
		{Currency: "INR", At: far.Add(time.Hour)}, {Currency: "USD", At: epoch.Add(time.Hour)}, // of the hold
	}, due.Expiries)
	early := far.AddDate(0, 0, -3)
	w.same("notices", []ledger.DueWallet{
		{Currency: "INR", At: early.Add(time.Hour)}, {Currency: "USD", At: early.Add(time.Second)},
	}, due.Notices)
	var at []time.Time
	for next := due.Next(epoch); !next.IsZero(); next = due.Next(next) {
		at = append(at, next)
		if !due.Any(next) || next.Equal(at[0]) == due.Any(next.Add(-time.Microsecond)) {
			w.Errorf("what is due at %v is not due then, or before", next)
		}
	}
	w.same("times", []time.Time{
		epoch.Add(time.Minute), epoch.Add(time.Hour), early.Add(time.Second), early.Add(time.Hour), far, far.Add(time.Hour),
	}, at)
	w.notifyAhead(w.shop, 0)
	due, err = w.ledger.CustomerDue(w.Context(), c.Tenant, c.ID)
	if w.wantCode(err, ""); due.Ahead != 0 || len(due.Notices) != 0 {
		w.Errorf("without notices: got %v ahead and %v, want none", due.Ahead, due.Notices)
	}
	for _, nobody := range []ledger.Tenant{
		{BusinessID: w.shop.BusinessID, Mode: ledger.Live}, {BusinessID: "bus_none", Mode: ledger.Test},
	} {
		_, err = w.ledger.CustomerDue(w.Context(), nobody, c.ID)
		w.wantCode(err, ledger.CodeNotFound)
	}
}

func testClockFirstAnswer(w *world) {
	refusal := ledger.Errorf(ledger.CodeTestClock, "the clock is gone")
	refused := func(o *ledger.Once) { o.Else = refusal }
	first := w.newCustomer()
	got, err := w.ledger.CreateCustomer(w.Context(), first, w.onceOf("new", refused))
	if err != refusal || got != nil {
		w.Errorf("a key without an answer: got %q and error %v, want the refusal", got, err)
	}
	_, err = w.ledger.Customer(w.Context(), first.Tenant, first.ID)
	w.wantCode(err, ledger.CodeNotFound)
	// A refusal uses no key.
	_, err = w.ledger.CreateCustomer(w.Context(), first, w.onceOf("new"))
	w.wantCode(err, "")
	again, err := w.ledger.CreateCustomer(w.Context(), w.newCustomer(), w.onceOf("new", refused))
	if w.wantCode(err, ""); again == nil {
		w.Errorf("a repeat: got no answer, want the first")
	}
	_, err = w.ledger.CreateCustomer(w.Context(), w.newCustomer(), w.onceOf("new", refused, func(o *ledger.Once) {
		o.Fingerprint[0]++
	}))
	w.wantCode(err, ledger.CodeKeyReused)
	// An answer that may not be given again is none.
	_, err = w.ledger.CreateCustomer(w.Context(), w.newCustomer(), w.onceOf("new", refused, func(o *ledger.Once) {
		o.Accept = w.clock.Now().Add(time.Hour)
	}))
	if err != refusal {
		w.Errorf("an answer that is too old: got error %v, want the refusal", err)
	}
}
