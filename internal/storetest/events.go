package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

func eventScenarios() []scenario {
	return []scenario{
		{"E1 everything that happens is told once, as what it was", eventsTold},
		{"E1 what happens to holds is told with the entries, in the customer's order", eventsOfHolds},
		{"E1 what is told of objects comes with the entries, in the customer's order", eventsOfObjects},
		{"E1 what is refused, repeated or taken back tells nothing", eventsOfNothing},
		{"E5 pages of any size and from any cursor meet the same events", eventsInPages},
		{"E5 events are filtered by kind, customer and time", eventsFiltered},
		{"E5 a cursor goes on where a filter lets nothing pass", eventsRare},
		{"E5 at the end of the feed a cursor waits for what comes", eventsAtTheEnd},
		{"N1 events of another business or mode are not there", eventsTenancy},
		{"a place of another feed is refused", eventsOfAnotherFeed},
		{"E5 16 writers at once, readers from random cursors: nothing is missed or met twice", eventsRace},
	}
}

// withFeed reports whether the store has a feed. One that is distributed says that
// it has none, and is asked for no more.
func (w *world) withFeed() bool {
	w.Helper()
	if w.sharded {
		_, err := w.book.Events(w.Context(), w.shop, ledger.EventFilter{}, ledger.EventCursor{}, 1)
		w.wantCode(err, ledger.CodeFeedNotPossible)
	}
	return !w.sharded
}

// eventsWithin bounds how long what is committed may take to be in the feed: other
// tests may hold a transaction of the same server open.
const eventsWithin = 2 * time.Minute

// readEvents reads the feed from its beginning, in pages of limit, until it has
// had so many events or patience has passed.
func readEvents(
	ctx context.Context, book *ledger.Book, patience time.Duration,
	tenant ledger.Tenant, filter ledger.EventFilter, limit, count int,
) (events []ledger.Event, end ledger.EventCursor, err error) {
	met := map[ledger.EventCursor]bool{}
	for giveUp := time.Now().Add(patience); ; {
		list, err := book.Events(ctx, tenant, filter, end, limit)
		if err != nil {
			return nil, end, err
		}
		if len(list.Events) > limit {
			return nil, end, fmt.Errorf("got %d events, want at most %d", len(list.Events), limit)
		}
		events, end = append(events, list.Events...), list.Next
		switch {
		case list.More && met[end]:
			return nil, end, fmt.Errorf("the feed comes back to cursor %+v", end)
		case list.More:
			met[end] = true
		case len(events) >= count:
			return events, end, nil
		case time.Now().After(giveUp):
			return nil, end, fmt.Errorf("got %d events, want %d", len(events), count)
		default:
			time.Sleep(time.Millisecond)
		}
	}
}

// events are all events of the shop that pass a filter, of which there must be as
// many as are wanted.
func (w *world) events(filter ledger.EventFilter, count int) []ledger.Event {
	w.Helper()
	events, _, err := readEvents(w.Context(), w.book, w.patience, w.shop, filter, 100, count)
	if err != nil || len(events) != count {
		w.Fatalf("events: got %d %v and error %v, want %d", len(events), namesOf(events), err, count)
	}
	return events
}

func namesOf(events []ledger.Event) (names []string) {
	for _, e := range events {
		names = append(names, string(e.Kind)+" "+e.ID)
	}
	return names
}

func eventsTold(w *world) {
	if !w.withFeed() {
		return
	}
	c := w.customer()
	w.setAlerts(c, ledger.Threshold{Below: 100, RecoverAt: 200}, ledger.Threshold{Below: 500, RecoverAt: 500})
	first := w.post(credit(c, 600, expires(w.book.Now().Add(time.Hour))))
	spent := w.post(debit(c, 550))
	undone := w.reverse(spent, 500)
	w.clock.Move(time.Hour)
	w.sweep(c, 1)
	entries := w.history(c).Entries
	swept := entries[len(entries)-1]
	renamed, _, err := w.book.UpdateCustomer(w.Context(), c.Tenant, c.ID, ledger.Actor{KeyID: "key_m"},
		func(c ledger.Customer) ledger.Customer { c.Name = "Renamed"; return c }, nil)
	w.wantCode(err, "")
	list, err := w.ledger.Audit(w.Context(), c.Tenant, c.ID, ledger.AuditPage{Limit: 2})
	w.wantCode(err, "")
	trail := []ledger.AuditEntry{list.Entries[1], list.Entries[0]}
	want := []string{
		"customer.created evt_" + c.ID,
		"customer.updated evt_" + trail[0].ID,
		"wallet.credited evt_" + first.Entry.ID,
		"wallet.debited evt_" + spent.Entry.ID,
		"wallet.balance_low evt_" + spent.Entry.ID + "_low_100",
		"wallet.balance_low evt_" + spent.Entry.ID + "_low_500",
		"wallet.entry_reversed evt_" + undone.Entry.ID,
		"wallet.balance_recovered evt_" + undone.Entry.ID + "_recovered_100",
		"wallet.balance_recovered evt_" + undone.Entry.ID + "_recovered_500",
		"wallet.funds_expired evt_" + swept.ID,
		"wallet.balance_low evt_" + swept.ID + "_low_100",
		"wallet.balance_low evt_" + swept.ID + "_low_500",
		"customer.updated evt_" + trail[1].ID,
	}
	events := w.events(ledger.EventFilter{}, len(want))
	w.same("events", want, namesOf(events))
	w.same("customer", renamed, *events[0].Customer)
	w.same("line of the audit trail", trail[0], *events[1].Audit)
	w.same("entry", first.Entry, *events[2].Entry)
	w.same("entry of a crossing", spent.Entry, *events[4].Entry)
	w.same("crossing", ledger.Alert{Threshold: ledger.Threshold{Below: 100, RecoverAt: 200}, Standing: ledger.Low, Crossed: true},
		*events[4].Alert)
	w.same("time", spent.Entry.CreatedAt, events[4].At)
}

func eventsOfHolds(w *world) {
	if !w.withFeed() {
		return
	}
	c := w.customer()
	credited := w.post(credit(c, 100)).Entry
	captured, released, expired := w.hold(c, 40), w.hold(c, 5), w.hold(c, 7)
	part := w.capture(captured, 10)
	final := captureOf(captured, 20)
	final.Final = true
	rest, err := w.book.Capture(w.Context(), final)
	w.wantCode(err, "")
	w.release(released)
	w.clock.Move(time.Hour)
	w.sweep(c, 1)
	hold := func(word string, h ledger.Hold, number int) string {
		return fmt.Sprintf("wallet.hold_%s evt_%s_%d", word, h.ID, number)
	}
	want := []string{
		"customer.created evt_" + c.ID, "wallet.credited evt_" + credited.ID,
		hold("created", captured, 1), hold("created", released, 2), hold("created", expired, 3),
		"wallet.debited evt_" + part.Entry.ID, hold("captured", captured, 4),
		"wallet.debited evt_" + rest.Entry.ID, hold("captured", captured, 5),
		hold("released", released, 6), hold("expired", expired, 7),
	}
	events := w.events(ledger.EventFilter{}, len(want))
	w.same("events", want, namesOf(events))
	wanted := *part.Hold
	wanted.Hold.Lots = nil
	w.same("a hold in the middle of its life", wanted, *events[6].Hold)
	w.same("time", part.Hold.Event.CreatedAt, events[6].At)
}

func eventsOfNothing(w *world) {
	if !w.withFeed() {
		return
	}
	c, other := w.customer(), w.customer()
	r := credit(c, 5, withKey("k"))
	w.replay(w.post(r), r)
	w.refuse(ledger.CodeInsufficientFunds, debit(c, 6))
	_, err := w.book.PostMany(w.Context(), []ledger.PostRequest{credit(c, 1), credit(other, 1), debit(c, 100)}, true)
	w.wantCode(err, ledger.CodeInsufficientFunds)
	w.post(credit(c, 1))
	w.same("kinds", []string{"customer.created", "customer.created", "wallet.credited", "wallet.credited"},
		kindsOf(w.events(ledger.EventFilter{}, 4)))
}

func kindsOf(events []ledger.Event) (kinds []string) {
	for _, e := range events {
		kinds = append(kinds, string(e.Kind))
	}
	return kinds
}

// moveABit posts entries that cross thresholds, at several customers.
func (w *world) moveABit() (customers []ledger.Customer, events int) {
	w.Helper()
	for range 3 {
		c := w.customer()
		customers = append(customers, w.setAlerts(c, ledger.Threshold{Below: 10, RecoverAt: 10}))
	}
	for range 7 {
		for _, c := range customers {
			w.clock.Move(time.Second)
			w.post(credit(c, 10))
			w.post(debit(c, 1)) // tells of the threshold too
			w.post(debit(c, 9))
		}
	}
	// The first credit of each arms the threshold, and the others recover it.
	return customers, 3 * (2 + 7*4 + 6)
}

func eventsInPages(w *world) {
	if !w.withFeed() {
		return
	}
	_, count := w.moveABit()
	want := namesOf(w.events(ledger.EventFilter{}, count))
	for _, limit := range []int{1, 2, 3, 7, 50, count, count + 1} {
		var cursors []ledger.EventCursor
		var got []string
		var at ledger.EventCursor
		for more := true; more; {
			list, err := w.book.Events(w.Context(), w.shop, ledger.EventFilter{}, at, limit)
			if err != nil || len(list.Events) > limit || len(list.Events) < limit && list.More {
				w.Fatalf("in pages of %d: got %d events, more %v, and error %v", limit, len(list.Events), list.More, err)
			}
			cursors, got = append(cursors, at), append(got, namesOf(list.Events)...)
			at, more = list.Next, list.More
		}
		w.same(fmt.Sprintf("events in pages of %d", limit), want, got)
		for i, cursor := range cursors {
			list, err := w.book.Events(w.Context(), w.shop, ledger.EventFilter{}, cursor, 2)
			w.wantCode(err, "")
			begin := min(i*limit, count)
			w.same("events from a cursor again", want[begin:min(begin+2, count)], namesOf(list.Events))
		}
	}
}

func eventsFiltered(w *world) {
	if !w.withFeed() {
		return
	}
	customers, count := w.moveABit()
	all := w.events(ledger.EventFilter{}, count)
	since := all[count/2].At
	for _, filter := range []ledger.EventFilter{
		{Kinds: []ledger.EventKind{ledger.WalletBalanceLow}},
		{Kinds: []ledger.EventKind{ledger.WalletCredited, ledger.CustomerCreated, ledger.CustomerUpdated}},
		{Kinds: []ledger.EventKind{ledger.WalletFundsExpired}},
		{CustomerID: customers[1].ID},
		{CustomerID: "cus_nobody"},
		{CreatedAtGTE: since},
		{CreatedAtGTE: since.Add(time.Microsecond)},
		{CustomerID: customers[2].ID, Kinds: []ledger.EventKind{ledger.WalletDebited}, CreatedAtGTE: since},
	} {
		var want []string
		for _, e := range all {
			if (len(filter.Kinds) == 0 || slices.Contains(filter.Kinds, e.Kind)) &&
				(filter.CustomerID == "" || filter.CustomerID == e.CustomerID) && !e.At.Before(filter.CreatedAtGTE) {
				want = append(want, string(e.Kind)+" "+e.ID)
			}
		}
		for _, limit := range []int{1, 4, 100} {
			got, _, err := readEvents(w.Context(), w.book, w.patience, w.shop, filter, limit, 0)
			w.wantCode(err, "")
			w.same(fmt.Sprintf("events %+v in pages of %d", filter, limit), want, namesOf(got))
		}
	}
}

func eventsRare(w *world) {
	if !w.withFeed() {
		return
	}
	c, rare := w.customer(), w.customer()
	var requests []ledger.PostRequest
	for range 1000 {
		requests = append(requests, credit(c, 1))
	}
	for range 5 {
		for _, outcome := range w.postAll(requests) {
			w.wantCode(outcome.Err, "")
		}
	}
	w.post(credit(rare, 1))
	w.events(ledger.EventFilter{}, 5003)
	filter := ledger.EventFilter{CustomerID: rare.ID, Kinds: []ledger.EventKind{ledger.WalletCredited}}
	events, _, err := readEvents(w.Context(), w.book, w.patience, w.shop, filter, 10, 1)
	w.wantCode(err, "")
	if len(events) != 1 || events[0].CustomerID != rare.ID {
		w.Errorf("got events %v, want the one of %s", namesOf(events), rare.ID)
	}
}

// postAll posts requests of which each stands for itself.
func (w *world) postAll(requests []ledger.PostRequest) []ledger.Outcome {
	w.Helper()
	outcomes, err := w.book.PostMany(w.Context(), requests, false)
	w.wantCode(err, "")
	return outcomes
}

func eventsAtTheEnd(w *world) {
	if !w.withFeed() {
		return
	}
	c := w.customer()
	_, end, err := readEvents(w.Context(), w.book, w.patience, w.shop, ledger.EventFilter{}, 10, 1)
	w.wantCode(err, "")
	for n := range 3 {
		list, err := w.book.Events(w.Context(), w.shop, ledger.EventFilter{}, end, 10)
		if err != nil || len(list.Events) > 0 || list.More {
			w.Fatalf("at the end: got events %v, more %v and error %v, want none", namesOf(list.Events), list.More, err)
		}
		entry := w.post(credit(c, 1)).Entry
		w.events(ledger.EventFilter{}, n+2)
		list, err = w.book.Events(w.Context(), w.shop, ledger.EventFilter{}, list.Next, 10)
		w.wantCode(err, "")
		w.same("what came", []string{"wallet.credited evt_" + entry.ID}, namesOf(list.Events))
		end = list.Next
	}
}

func eventsTenancy(w *world) {
	if !w.withFeed() {
		return
	}
	mine := w.customer()
	live, foreign := w.shop, w.business("Second Shop")
	live.Mode = ledger.Live
	for _, tenant := range []ledger.Tenant{live, foreign} {
		c := w.customer(func(c *ledger.Customer) { c.ID, c.Tenant = mine.ID, tenant })
		w.post(credit(c, 7))
		w.setAlerts(c, ledger.Threshold{Below: 1, RecoverAt: 1})
	}
	own := w.post(credit(mine, 5)).Entry
	w.same("events", []string{"customer.created evt_" + mine.ID, "wallet.credited evt_" + own.ID},
		namesOf(w.events(ledger.EventFilter{}, 2)))
	nobody := ledger.Tenant{BusinessID: "bus_nobody", Mode: ledger.Live}
	list, err := w.book.Events(w.Context(), nobody, ledger.EventFilter{}, ledger.EventCursor{}, 10)
	w.wantCode(err, "")
	w.same("events of nobody", []string(nil), namesOf(list.Events))
}

func eventsOfAnotherFeed(w *world) {
	if !w.withFeed() {
		return
	}
	c := w.customer()
	w.post(credit(c, 1))
	_, end, err := readEvents(w.Context(), w.book, w.patience, w.shop, ledger.EventFilter{}, 10, 2)
	w.wantCode(err, "")
	own := string(end.Place)
	cut := strings.LastIndexByte(own, ' ')
	for _, place := range []string{" ", "x", "sqlite", "postgres a 1 2 3 c", "sqlite a 1 2", "sqlite 1 2 3 4 5", own[:cut], own + " ", own[1:]} {
		cursor := ledger.EventCursor{Place: ledger.FeedPlace(place)}
		_, err := w.book.Events(w.Context(), w.shop, ledger.EventFilter{}, cursor, 10)
		if ledger.CodeOf(err) != ledger.CodeInvalidCursor {
			w.Errorf("place %q: got error %v, want %s", place, err, ledger.CodeInvalidCursor)
		}
	}
}

func eventsRace(w *world) {
	if !w.withFeed() {
		return
	}
	books, customers := []*ledger.Book{w.book}, w.newcomers(12)
	for _, complaint := range feedComplaints(w.Context(), books, w.patience, w.shop, customers, 40) {
		w.Errorf("%s", complaint)
	}
}

func (w *world) newcomers(n int) (customers []ledger.Customer) {
	w.Helper()
	for range n {
		customers = append(customers, w.customer())
	}
	return customers
}
