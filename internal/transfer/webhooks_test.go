package transfer_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/webhook"
)

// fillWebhooks makes endpoints, one of which is deleted, with deliveries in every
// state.
func fillWebhooks(t testing.TB, db store, tenant ledger.Tenant) {
	t.Helper()
	for n := range 3 {
		e := webhook.Endpoint{
			Tenant: tenant, ID: fmt.Sprintf("whk_%d", n), URL: "https://example.com/?a='b'", Description: texts[n], Disabled: n == 1,
			FilterTypes: []string{string(ledger.WalletCredited)}, Secret: webhook.NewSecret().Text(), CreatedAt: began, UpdatedAt: began,
		}
		if n == 0 {
			e.Key = "key one"
		}
		_, err := db.CreateEndpoint(t.Context(), e)
		must(t, err)
		served, err := db.Endpoint(t.Context(), tenant, e.ID)
		must(t, err)
		var deliveries []webhook.Delivery
		for i := range 3 {
			deliveries = append(deliveries, webhook.Delivery{
				EventID: fmt.Sprintf("evt_%d", i), Kind: ledger.WalletCredited, Queue: "cus_1/USD",
				Body: []byte(texts[i] + "\x00"), State: webhook.Pending, DueAt: began, QueuedAt: began,
			})
		}
		_, err = db.Enqueue(t.Context(), webhook.Step{
			EndpointID: e.ID, AsOf: began, From: served.Place, To: served.Place, Deliveries: deliveries,
		})
		must(t, err)
		due, err := db.Due(t.Context(), e.ID, webhook.Due{At: began.Add(time.Hour), Limit: 3})
		must(t, err)
		attempts := []webhook.Attempt{{At: began, Took: time.Second, Outcome: webhook.Rejected, Answer: texts[n]}}
		must(t, db.Record(t.Context(), e.ID, []webhook.Result{
			{No: due[0].No, State: webhook.Failed, DueAt: began, Attempts: attempts}, {No: due[1].No, State: webhook.Done, DueAt: began},
		}))
	}
	must(t, db.DeleteEndpoint(t.Context(), tenant, "whk_2"))
}

// An installation that is copied there and back sends what it had queued and what
// happens afterwards, and nothing that happened before again.
func TestWebhooksGoOn(t *testing.T) {
	t.Parallel()
	first, there, back := side{dir: smallInstallation(t)}, emptyDatabase(t), emptyDir(t)
	tenant := ledger.Tenant{BusinessID: "bus_fill", Mode: ledger.Test}
	render := func(e *ledger.Event) []byte { return []byte(e.ID) }
	queued := func(at side, count int, more bool) (ids []string) {
		t.Helper()
		db := at.open(t)
		defer closing(t, "store", db.Close)
		if more {
			list, err := db.Customers(t.Context(), tenant, ledger.CustomerFilter{}, ledger.Page{Limit: 1})
			must(t, err)
			book := ledger.NewBook(db, time.Now, func() uint64 { return 7 })
			_, err = book.Post(t.Context(), ledger.PostRequest{
				Tenant: tenant, CustomerID: list.Customers[0].ID, Currency: "USD", Direction: ledger.Credit, Amount: 1, CurrencyEnabled: true,
			})
			must(t, err)
		}
		// A server with transactions of others has the entry in its feed a moment later.
		for giveUp := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
			must(t, webhook.QueueAll(t.Context(), db, render, time.Now))
			list, err := db.Deliveries(t.Context(), tenant, "whk_0", webhook.DeliveryPage{Limit: 10_000})
			must(t, err)
			if len(list) < count && time.Now().Before(giveUp) {
				continue
			}
			for _, d := range slices.Backward(list) {
				ids = append(ids, d.EventID+" "+string(d.State))
			}
			return ids
		}
	}
	want := queued(first, 4, true)
	if len(want) < 4 {
		t.Fatalf("got %d deliveries, want those that were made and what has happened since", len(want))
	}
	for _, step := range [][2]side{{first, there}, {there, back}} {
		mustTransfer(t, step[0], step[1])
		if diff := cmp.Diff(want, queued(step[1], len(want), false)); diff != "" {
			t.Fatalf("what is queued differs (-want +got):\n%s", diff)
		}
		now := queued(step[1], len(want)+1, true)
		if len(now) != len(want)+1 {
			t.Errorf("after another entry: got %d deliveries, want one more than %d", len(now), len(want))
		}
		want = now
	}
}
