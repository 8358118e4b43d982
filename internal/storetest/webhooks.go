package storetest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/webhook"
)

func webhookScenarios() []scenario {
	return []scenario{
		{"endpoints read back, are listed, changed and deleted", webhookEndpoints},
		{"a key makes one endpoint, by many at once too", webhookKeys},
		{"a business has so many endpoints and no more", webhookLimit},
		{"N1 endpoints and deliveries of another business or mode are not there", webhookTenancy},
		{"a place moves once, with what was queued", webhookPlaces},
		{"what is due comes in order", webhookDue},
		{"in strict order nothing comes behind what is not due", webhookStrict},
		{"a result that comes too late changes nothing", webhookResults},
		{"deliveries are listed newest first and sent again", webhookLists},
		{"what was delivered long ago is pruned, oldest first, and nothing else", webhookPrunes},
		{"E2 what happens is queued for whoever wanted it then", webhookSubscriptions},
		{"E3 events written at once are sent once each, in the order of each wallet", webhookRace},
	}
}

// endpoint makes an endpoint that wants credits, and stores it.
func (w *world) endpoint(changes ...func(*webhook.Endpoint)) webhook.Endpoint {
	w.Helper()
	e := w.newEndpoint(changes...)
	got, err := w.webhooks.CreateEndpoint(w.Context(), e)
	w.wantCode(err, "")
	w.same("created endpoint", e, got)
	return e
}

func (w *world) newEndpoint(changes ...func(*webhook.Endpoint)) webhook.Endpoint {
	w.names++
	at := epoch.Add(time.Duration(w.names) * time.Microsecond)
	e := webhook.Endpoint{
		Tenant: w.shop, ID: w.book.NewID(webhook.EndpointIDPrefix), URL: "https://example.com/ü?a=1&b=2",
		Description: fmt.Sprintf("Endpoint <%d>", w.names), FilterTypes: []string{string(ledger.WalletCredited)},
		Headers: map[string]string{"X-Token": "a 'b'"}, Metadata: map[string]string{"who": "wir"},
		Secret: webhook.NewSecret().Text(), CreatedAt: at, UpdatedAt: at,
	}
	for _, change := range changes {
		change(&e)
	}
	return e
}

// withWebhooks reports whether the store has webhooks: whatever has a feed does.
func (w *world) withWebhooks() bool {
	w.Helper()
	if w.sharded {
		_, err := w.webhooks.CreateEndpoint(w.Context(), w.newEndpoint())
		w.wantCode(err, ledger.CodeFeedNotPossible)
	}
	return !w.sharded
}

func webhookEndpoints(w *world) {
	if !w.withWebhooks() {
		return
	}
	var want []webhook.Endpoint
	for range 3 {
		want = append(want, w.endpoint())
	}
	list, err := w.webhooks.Endpoints(w.Context(), w.shop)
	w.wantCode(err, "")
	w.same("endpoints", want, list)
	changed := want[1]
	changed.URL, changed.Disabled, changed.FilterTypes, changed.RateLimit = "https://example.org/", true, nil, 7
	changed.InOrder, changed.Headers, changed.Metadata = true, nil, nil
	changed.Previous, changed.PreviousUntil = changed.Secret, epoch.Add(time.Hour)
	changed.Secret = webhook.NewSecret().Text()
	got, err := w.webhooks.UpdateEndpoint(w.Context(), w.shop, changed.ID,
		func(e webhook.Endpoint) (webhook.Endpoint, error) {
			w.same("what change was given", want[1], e)
			return changed, nil
		})
	w.wantCode(err, "")
	w.same("changed endpoint", changed, got)
	refusal := ledger.Errorf(ledger.CodeInvalidSettings, "no")
	_, err = w.webhooks.UpdateEndpoint(w.Context(), w.shop, changed.ID,
		func(e webhook.Endpoint) (webhook.Endpoint, error) {
			e.URL = "https://refused.example.com/"
			return e, refusal
		})
	w.wantCode(err, ledger.CodeInvalidSettings)
	served, err := w.webhooks.Endpoint(w.Context(), w.shop, changed.ID)
	w.wantCode(err, "")
	w.same("endpoint read back", changed, served.Endpoint)
	w.wantCode(w.webhooks.DeleteEndpoint(w.Context(), w.shop, want[0].ID), "")
	w.wantCode(w.webhooks.DeleteEndpoint(w.Context(), w.shop, want[0].ID), ledger.CodeNotFound)
	list, err = w.webhooks.Endpoints(w.Context(), w.shop)
	w.wantCode(err, "")
	w.same("endpoints that are left", []webhook.Endpoint{changed, want[2]}, list)
	for _, id := range []string{want[0].ID, "whk_", "", "\x00", "\xff"} {
		_, err := w.webhooks.Endpoint(w.Context(), w.shop, id)
		w.wantCode(err, ledger.CodeNotFound)
	}
}

func webhookKeys(w *world) {
	if !w.withWebhooks() {
		return
	}
	first := w.endpoint(func(e *webhook.Endpoint) { e.Key = "key one" })
	got, err := w.webhooks.CreateEndpoint(w.Context(), w.newEndpoint(func(e *webhook.Endpoint) { e.Key = "key one" }))
	w.wantCode(err, "")
	w.same("endpoint of the first", first, got)
	candidates := make([]webhook.Endpoint, 8)
	for i := range candidates {
		candidates[i] = w.newEndpoint(func(e *webhook.Endpoint) { e.Key = "key two" })
	}
	var mu sync.Mutex
	ids := map[string]bool{}
	together(len(candidates), func(i int) {
		got, err := w.webhooks.CreateEndpoint(w.Context(), candidates[i])
		if err != nil {
			w.Errorf("create: got error %v, want none", err)
		}
		mu.Lock()
		defer mu.Unlock()
		ids[got.ID] = true
	})
	if len(ids) != 1 {
		w.Errorf("got %d endpoints under one key, want 1", len(ids))
	}
	// A key of an endpoint that is gone is free.
	w.wantCode(w.webhooks.DeleteEndpoint(w.Context(), w.shop, first.ID), "")
	w.endpoint(func(e *webhook.Endpoint) { e.Key = "key one" })
}

func webhookLimit(w *world) {
	if !w.withWebhooks() {
		return
	}
	for range webhook.EndpointsMax {
		w.endpoint()
	}
	_, err := w.webhooks.CreateEndpoint(w.Context(), w.newEndpoint())
	w.wantCode(err, ledger.CodeLimitReached)
	w.endpoint(func(e *webhook.Endpoint) { e.Tenant.Mode = ledger.Live })
}

func webhookTenancy(w *world) {
	if !w.withWebhooks() {
		return
	}
	e := w.endpoint()
	live, other := e.Tenant, w.business("Other Shop")
	live.Mode = ledger.Live
	for _, tenant := range []ledger.Tenant{live, other, {BusinessID: "bus_none", Mode: ledger.Test}} {
		_, err := w.webhooks.Endpoint(w.Context(), tenant, e.ID)
		w.wantCode(err, ledger.CodeNotFound)
		_, err = w.webhooks.UpdateEndpoint(w.Context(), tenant, e.ID,
			func(e webhook.Endpoint) (webhook.Endpoint, error) { return e, nil })
		w.wantCode(err, ledger.CodeNotFound)
		w.wantCode(w.webhooks.DeleteEndpoint(w.Context(), tenant, e.ID), ledger.CodeNotFound)
		_, err = w.webhooks.Deliveries(w.Context(), tenant, e.ID, webhook.DeliveryPage{Limit: 1})
		w.wantCode(err, ledger.CodeNotFound)
		_, err = w.webhooks.Queued(w.Context(), tenant, e.ID, webhook.Queued{Limit: 1, Until: epoch})
		w.wantCode(err, ledger.CodeNotFound)
		_, err = w.webhooks.Resend(w.Context(), tenant, e.ID, []int64{1}, epoch)
		w.wantCode(err, ledger.CodeNotFound)
		list, err := w.webhooks.Endpoints(w.Context(), tenant)
		w.wantCode(err, "")
		if len(list) != 0 {
			w.Errorf("got %d endpoints of another, want none", len(list))
		}
	}
}

// deliver makes a delivery of a queue that is due at some seconds past the epoch.
func deliver(id, queue string, seconds int) webhook.Delivery {
	return webhook.Delivery{
		EventID: "evt_" + id, Kind: ledger.WalletCredited, Queue: queue, Body: []byte(`{"id":"` + id + `"}`),
		State: webhook.Pending,
		DueAt: epoch.Add(time.Duration(seconds) * time.Second), QueuedAt: epoch.Add(time.Duration(seconds) * time.Second),
	}
}

// enqueue queues deliveries without moving an endpoint's place to another.
func (w *world) enqueue(e webhook.Endpoint, deliveries ...webhook.Delivery) {
	w.Helper()
	served, err := w.webhooks.Endpoint(w.Context(), e.Tenant, e.ID)
	w.wantCode(err, "")
	moved, err := w.webhooks.Enqueue(w.Context(), webhook.Step{
		EndpointID: e.ID, AsOf: e.UpdatedAt, From: served.Place, To: served.Place, Deliveries: deliveries,
	})
	w.wantCode(err, "")
	if !moved {
		w.Errorf("enqueue: got nothing queued, want everything")
	}
}

func (w *world) due(e webhook.Endpoint, seconds, limit int) []webhook.Delivery {
	w.Helper()
	at := epoch.Add(time.Duration(seconds) * time.Second)
	due, err := w.webhooks.Due(w.Context(), e.ID, webhook.Due{At: at, Limit: limit})
	w.wantCode(err, "")
	return due
}

// dueInOrder is what is due in strict order, look by look.
func (w *world) dueInOrder(e webhook.Endpoint, seconds, limit int, except ...string) (looks [][]string) {
	w.Helper()
	ask := webhook.DueInOrder{Due: webhook.Due{
		At: epoch.Add(time.Duration(seconds) * time.Second), Except: except, Limit: limit,
	}}
	for len(looks) < 10 {
		due, next, err := w.webhooks.DueInOrder(w.Context(), e.ID, ask)
		w.wantCode(err, "")
		looks = append(looks, idsOf(due))
		if ask.After = next; next == "" {
			return looks
		}
	}
	w.Fatalf("got %v after ten looks, want an end", looks)
	return nil
}

// webhookStrict asks for what is due of queues with more or less before it.
func webhookStrict(w *world) {
	if !w.withWebhooks() {
		return
	}
	e, other := w.endpoint(), w.endpoint()
	w.enqueue(other, deliver("other", "a", 0))
	w.same("of none", [][]string{nil}, w.dueInOrder(e, 9, 10))
	w.enqueue(e, deliver("1", "a", 2), deliver("2", "b", 1), deliver("3", "a", 1), deliver("4", "b", 1), deliver("5", "b", 3),
		deliver("6", "b", 1), deliver("7", "c", 2))
	w.same("at once", [][]string{nil}, w.dueInOrder(e, 0, 10))
	w.same("after a second", [][]string{{"2", "4"}}, w.dueInOrder(e, 1, 10))
	w.same("after two", [][]string{{"1", "3", "2", "4", "7"}}, w.dueInOrder(e, 2, 10))
	w.same("after three", [][]string{{"1", "3", "2", "4", "5", "6", "7"}}, w.dueInOrder(e, 3, 10))
	w.same("but of one", [][]string{{"1", "3", "7"}}, w.dueInOrder(e, 3, 10, "b"))
	w.same("two at a time", [][]string{{"1", "3"}, {"2", "4"}, {"7"}}, w.dueInOrder(e, 2, 2))
	one := webhook.DueInOrder{Due: webhook.Due{At: epoch.Add(time.Hour), Limit: 1}}
	first, _, err := w.webhooks.DueInOrder(w.Context(), e.ID, one)
	w.wantCode(err, "")
	if len(first) != 1 || string(first[0].Body) != `{"id":"1"}` || !first[0].DueAt.Equal(epoch.Add(2*time.Second)) {
		w.Errorf("got %+v, want what was queued", first)
	}
	// What much stands behind keeps no other queue from its turn.
	const much = 2 * webhook.QueuesMax
	long := make([]webhook.Delivery, 0, much+2)
	long = append(long, deliver("head", "d", 99))
	for n := range much {
		long = append(long, deliver(fmt.Sprint("long", n), "d", 0))
	}
	w.enqueue(e, append(long, deliver("last", "e", 3))...)
	w.same("behind much", [][]string{{"last"}}, w.dueInOrder(e, 3, 10, "a", "b", "c"))
	w.same("of much", webhook.QueueMax, len(slices.Concat(w.dueInOrder(e, 99, 100, "a", "b", "c", "e")...)))
}

func idsOf(deliveries []webhook.Delivery) (ids []string) {
	for _, d := range deliveries {
		ids = append(ids, d.EventID[len("evt_"):])
	}
	return ids
}

func webhookPlaces(w *world) {
	if !w.withWebhooks() {
		return
	}
	e := w.endpoint()
	served, err := w.webhooks.Endpoint(w.Context(), w.shop, e.ID)
	w.wantCode(err, "")
	c := w.customer()
	w.post(credit(c, 100))
	var next ledger.FeedPlace
	for giveUp := time.Now().Add(eventsWithin); next == "" || next == served.Place; time.Sleep(time.Millisecond) {
		page, err := w.ledger.Feed(w.Context(), w.shop, served.Place, 100)
		w.wantCode(err, "")
		if next = page.Next; time.Now().After(giveUp) {
			w.Fatalf("got nothing new in the feed, want an entry")
		}
	}
	var mu sync.Mutex
	won := 0
	together(8, func(i int) {
		moved, err := w.webhooks.Enqueue(w.Context(), webhook.Step{
			EndpointID: e.ID, AsOf: e.UpdatedAt, From: served.Place, To: next,
			Deliveries: []webhook.Delivery{deliver("one", "a", 0), deliver("two", "a", 0)},
		})
		if err != nil {
			w.Errorf("enqueue: got error %v, want none", err)
		}
		mu.Lock()
		defer mu.Unlock()
		if moved {
			won++
		}
	})
	if won != 1 {
		w.Errorf("got the place moved by %d of 8, want by 1", won)
	}
	w.same("queued", []string{"one", "two"}, idsOf(w.due(e, 0, 10)))
	moved, err := w.webhooks.Enqueue(w.Context(), webhook.Step{EndpointID: "whk_none", To: next})
	w.wantCode(err, "")
	if moved {
		w.Errorf("got an endpoint moved that there is not")
	}
	// What was decided by an endpoint that was changed since is decided again.
	changed, err := w.webhooks.UpdateEndpoint(w.Context(), w.shop, e.ID,
		func(e webhook.Endpoint) (webhook.Endpoint, error) {
			e.UpdatedAt = e.UpdatedAt.Add(time.Microsecond)
			return e, nil
		})
	w.wantCode(err, "")
	for asOf, want := range map[time.Time]bool{e.UpdatedAt: false, changed.UpdatedAt: true} {
		moved, err := w.webhooks.Enqueue(w.Context(), webhook.Step{
			EndpointID: e.ID, AsOf: asOf, From: next, To: next, Deliveries: []webhook.Delivery{deliver(fmt.Sprint(want), "b", 0)},
		})
		w.wantCode(err, "")
		if moved != want {
			w.Errorf("decided by the endpoint of %s: got it queued: %t, want %t", asOf, moved, want)
		}
	}
	w.same("queued", []string{"one", "two", "true"}, idsOf(w.due(e, 0, 10)))
}

func webhookDue(w *world) {
	if !w.withWebhooks() {
		return
	}
	e, other := w.endpoint(), w.endpoint()
	w.enqueue(other, deliver("other", "a", 0))
	w.enqueue(e, deliver("1", "a", 2), deliver("2", "b", 1), deliver("3", "a", 1), deliver("4", "b", 1), deliver("5", "c", 9))
	w.same("due at once", []string(nil), idsOf(w.due(e, 0, 10)))
	w.same("due after a second", []string{"2", "3", "4"}, idsOf(w.due(e, 1, 10)))
	w.same("due after two", []string{"2", "3", "4", "1"}, idsOf(w.due(e, 2, 10)))
	w.same("the first two", []string{"2", "3"}, idsOf(w.due(e, 2, 2)))
	rest, err := w.webhooks.Due(w.Context(), e.ID, webhook.Due{
		At: epoch.Add(9 * time.Second), Except: []string{"b", "c", "none"}, Limit: 10,
	})
	w.wantCode(err, "")
	w.same("of all queues but two", []string{"3", "1"}, idsOf(rest))
	first := w.due(e, 2, 1)[0]
	if string(first.Body) != `{"id":"2"}` || first.Queue != "b" || !first.QueuedAt.Equal(epoch.Add(time.Second)) {
		w.Errorf("got %+v, want what was queued", first)
	}
}

func webhookResults(w *world) {
	if !w.withWebhooks() {
		return
	}
	e := w.endpoint()
	w.enqueue(e, deliver("1", "a", 0), deliver("2", "a", 0))
	due := w.due(e, 0, 10)
	attempt := webhook.Attempt{
		At: epoch, Took: time.Second, Outcome: webhook.Rejected, Status: 500, Answer: "naïve 'text'", Detail: "d", RetryAfter: time.Minute,
	}
	later := epoch.Add(time.Minute)
	one, two := []webhook.Attempt{attempt}, []webhook.Attempt{attempt, attempt}
	failed := webhook.Result{No: due[0].No, Tried: 0, State: webhook.Pending, DueAt: later, Attempts: one}
	w.wantCode(w.webhooks.Record(w.Context(), e.ID, []webhook.Result{failed}), "")
	w.same("after a failure", []string{"2"}, idsOf(w.due(e, 0, 10)))
	again := w.due(e, 60, 10)[1]
	w.same("attempts", one, again.Attempts)
	if again.Tries != 1 {
		w.Errorf("got %d tries, want 1", again.Tries)
	}
	// Another instance had sent the same, and its answer comes now.
	stale := webhook.Result{No: due[0].No, Tried: 0, State: webhook.Failed, DueAt: epoch}
	w.wantCode(w.webhooks.Record(w.Context(), e.ID, []webhook.Result{stale}), "")
	w.same("after a late result", again, w.due(e, 60, 10)[1])
	done := webhook.Result{No: due[0].No, Tried: 1, State: webhook.Done, DueAt: later, Attempts: two}
	w.wantCode(w.webhooks.Record(w.Context(), e.ID, []webhook.Result{done}), "")
	stale.Tried = 2
	w.wantCode(w.webhooks.Record(w.Context(), e.ID, []webhook.Result{stale}), "")
	w.same("after a success", []string{"2"}, idsOf(w.due(e, 60, 10)))
	list, err := w.webhooks.Deliveries(w.Context(), w.shop, e.ID, webhook.DeliveryPage{State: webhook.Done, Limit: 10})
	w.wantCode(err, "")
	w.same("delivered", []string{"1"}, idsOf(list))
	w.wantCode(w.webhooks.Record(w.Context(), "whk_none", []webhook.Result{done}), ledger.CodeNotFound)
}

func webhookLists(w *world) {
	if !w.withWebhooks() {
		return
	}
	e := w.endpoint()
	for i := range 5 {
		w.enqueue(e, deliver(fmt.Sprint(i), "a", i))
	}
	due := w.due(e, 10, 10)
	w.wantCode(w.webhooks.Record(w.Context(), e.ID, []webhook.Result{
		{No: due[0].No, State: webhook.Done, DueAt: epoch}, {No: due[1].No, State: webhook.Failed, DueAt: epoch},
	}), "")
	page := webhook.DeliveryPage{Limit: 2}
	var met []string
	for {
		list, err := w.webhooks.Deliveries(w.Context(), w.shop, e.ID, page)
		w.wantCode(err, "")
		if len(list) == 0 {
			break
		}
		met = append(met, idsOf(list)...)
		page.Before = list[len(list)-1].No
	}
	w.same("listed", []string{"4", "3", "2", "1", "0"}, met)
	for state, want := range map[webhook.State][]string{
		webhook.Pending: {"4", "3", "2"}, webhook.Done: {"0"}, webhook.Failed: {"1"},
	} {
		list, err := w.webhooks.Deliveries(w.Context(), w.shop, e.ID, webhook.DeliveryPage{State: state, Limit: 10})
		w.wantCode(err, "")
		w.same(string(state), want, idsOf(list))
	}
	queued := func(which webhook.Queued) []int64 {
		w.Helper()
		numbers, err := w.webhooks.Queued(w.Context(), w.shop, e.ID, which)
		w.wantCode(err, "")
		return numbers
	}
	w.same("by event", []int64{due[1].No}, queued(webhook.Queued{EventID: "evt_1", Limit: 1}))
	w.same("by another event", []int64(nil), queued(webhook.Queued{EventID: "evt_\x00", Limit: 1}))
	between := webhook.Queued{Since: epoch.Add(time.Second), Until: epoch.Add(3 * time.Second), Limit: 2}
	w.same("between two times", []int64{due[1].No, due[2].No}, queued(between))
	between.After = due[2].No
	w.same("the rest of it", []int64{due[3].No}, queued(between))
	count, err := w.webhooks.Resend(w.Context(), w.shop, e.ID, []int64{due[0].No, due[1].No}, epoch.Add(-time.Second))
	w.wantCode(err, "")
	w.same("how many are sent again", 2, count)
	w.same("sent again", []string{"0", "1"}, idsOf(w.due(e, -1, 10)))
}
