package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/webhook"
)

// webhookSubscriptions changes what an endpoint wants between entries.
func webhookSubscriptions(w *world) {
	if !w.withWebhooks() {
		return
	}
	endpoints := webhook.NewEndpoints(w.webhooks, webhook.NewGuard(false), bodyOfEvent, w.clock.Now, w.dice.next)
	c := w.customer()
	e, err := endpoints.Create(w.Context(), webhook.Endpoint{
		Tenant: w.shop, URL: "https://example.com/", FilterTypes: []string{string(ledger.WalletCredited)},
	})
	w.wantCode(err, "")
	var want []string
	happened := 1 // the customer was made
	post := func(wanted bool, r ledger.PostRequest) {
		w.Helper()
		change := w.post(r)
		if happened++; wanted {
			want = append(want, "evt_"+change.Entry.ID)
		}
	}
	update := func(change func(*webhook.Endpoint)) {
		w.Helper()
		w.events(ledger.EventFilter{}, happened) // a busy server has them in the feed a moment later
		_, err := endpoints.Update(w.Context(), w.shop, e.ID, change)
		w.wantCode(err, "")
	}
	post(true, credit(c, 100))
	post(false, debit(c, 10))
	update(func(e *webhook.Endpoint) { e.FilterTypes = []string{string(ledger.WalletDebited)} })
	post(false, credit(c, 100))
	post(true, debit(c, 10))
	update(func(e *webhook.Endpoint) { e.FilterTypes = append(e.FilterTypes, string(ledger.WalletCredited)) })
	post(true, credit(c, 100))
	update(func(e *webhook.Endpoint) { e.FilterTypes = nil })
	post(false, credit(c, 100))
	update(func(e *webhook.Endpoint) { e.FilterTypes = []string{string(ledger.WalletCredited)} })
	post(true, credit(c, 100))
	update(func(e *webhook.Endpoint) { e.Disabled = true })
	post(false, credit(c, 100))
	update(func(e *webhook.Endpoint) { e.Disabled = false })
	post(true, credit(c, 100))
	w.events(ledger.EventFilter{}, happened)
	update(func(e *webhook.Endpoint) { e.Description = "the same for less" })
	list, err := w.webhooks.Deliveries(w.Context(), w.shop, e.ID, webhook.DeliveryPage{Limit: 100})
	w.wantCode(err, "")
	var got []string
	for _, d := range slices.Backward(list) {
		got = append(got, d.EventID)
	}
	w.same("events that are queued", want, got)
}

// bodyOfEvent is a body that tells the order of a customer's entries.
func bodyOfEvent(e *ledger.Event) []byte {
	if e.Entry == nil {
		return []byte(e.ID)
	}
	return fmt.Appendf(nil, "%s %d", e.CustomerID, e.Entry.Position)
}

// webhookRace has several writers post at once while a dispatcher sends to a receiver
// that takes everything.
func webhookRace(w *world) {
	if !w.withWebhooks() {
		return
	}
	e := w.endpoint(func(e *webhook.Endpoint) { e.FilterTypes = kindNames() })
	const writers, each = 8, 25
	customers := make([]ledger.Customer, 4)
	for i := range customers {
		customers[i] = w.customer()
	}
	receiver := &recordingReceiver{met: map[string]int{}, last: map[string]int64{}}
	ctx, stop := context.WithCancel(w.Context())
	var sending sync.WaitGroup
	sending.Go(func() {
		webhook.NewDispatcher(webhook.DispatcherConfig{
			Store: w.webhooks, Send: receiver.send, Render: bodyOfEvent, Now: time.Now, Random: w.dice.next, Instance: "one",
		}).Run(ctx)
	})
	together(writers, func(i int) {
		for n := range each {
			if _, err := w.book.Post(w.Context(), credit(customers[(i+n)%len(customers)], 1)); err != nil {
				w.Errorf("post: got error %v, want none", err)
			}
		}
	})
	want := len(customers) + writers*each
	for giveUp := time.Now().Add(eventsWithin); receiver.count() < want && time.Now().Before(giveUp); {
		time.Sleep(5 * time.Millisecond)
	}
	// Until the results are kept, and nothing is left to send.
	for giveUp := time.Now().Add(eventsWithin); time.Now().Before(giveUp); time.Sleep(5 * time.Millisecond) {
		list, err := w.webhooks.Deliveries(w.Context(), w.shop, e.ID, webhook.DeliveryPage{State: webhook.Pending, Limit: 1})
		w.wantCode(err, "")
		if len(list) == 0 {
			break
		}
	}
	stop()
	sending.Wait()
	receiver.mu.Lock()
	defer receiver.mu.Unlock()
	for id, times := range receiver.met {
		if times != 1 {
			w.Errorf("got event %s sent %d times, want once", id, times)
		}
	}
	if len(receiver.met) != want {
		w.Errorf("got %d events, want %d", len(receiver.met), want)
	}
	for _, complaint := range receiver.complaints {
		w.Errorf("%s", complaint)
	}
}

func kindNames() (names []string) {
	for _, kind := range ledger.EventKinds() {
		names = append(names, string(kind))
	}
	return names
}

// recordingReceiver takes every message, with a body of bodyOfEvent.
type recordingReceiver struct {
	mu         sync.Mutex
	met        map[string]int
	last       map[string]int64 // position of a customer's last entry
	complaints []string
}

func (r *recordingReceiver) send(_ context.Context, m webhook.Message) webhook.Attempt {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.met[m.ID]++
	var customer string
	var position int64
	if n, _ := fmt.Sscanf(string(m.Body), "%s %d", &customer, &position); n == 2 {
		if position <= r.last[customer] {
			r.complaints = append(r.complaints, fmt.Sprintf("got entry %d of %s after %d", position, customer, r.last[customer]))
		}
		r.last[customer] = position
	}
	return webhook.Attempt{At: time.Now(), Outcome: webhook.Delivered, Status: 200}
}

func (r *recordingReceiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.met)
}
