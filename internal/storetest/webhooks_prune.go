package storetest

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/billfold/billfold/internal/webhook"
)

// webhookPrunes has two endpoints with deliveries in every state, the first ones of
// which ended first.
func webhookPrunes(w *world) {
	if !w.withWebhooks() {
		return
	}
	endpoints := []webhook.Endpoint{w.endpoint(), w.endpoint()}
	states := []webhook.State{webhook.Done, webhook.Failed, webhook.Pending, webhook.Done, webhook.Done, webhook.Done}
	for n, e := range endpoints {
		var deliveries []webhook.Delivery
		for i := range states {
			deliveries = append(deliveries, deliver(fmt.Sprint(i), "a", i))
		}
		w.enqueue(e, deliveries...)
		var results []webhook.Result
		for i, d := range w.due(e, 10, 10) {
			ended := epoch.Add(time.Duration(2*i+n) * time.Minute)
			results = append(results, webhook.Result{No: d.No, State: states[i], DueAt: ended})
		}
		w.wantCode(w.webhooks.Record(w.Context(), e.ID, results), "")
	}
	left := func(n int) []string {
		w.Helper()
		list, err := w.webhooks.Deliveries(w.Context(), w.shop, endpoints[n].ID, webhook.DeliveryPage{Limit: 10})
		w.wantCode(err, "")
		return idsOf(list)
	}
	prune := func(minutes, limit, want int) {
		w.Helper()
		removed, err := w.webhooks.PruneDeliveries(w.Context(), epoch.Add(time.Duration(minutes)*time.Minute), limit)
		w.wantCode(err, "")
		w.same(fmt.Sprintf("removed of what ended in %d minutes", minutes), want, removed)
	}
	prune(0, 10, 0)
	prune(8, 1, 1)
	w.same("left of the first", []string{"5", "4", "3", "2", "1"}, left(0))
	w.same("left of the second", []string{"5", "4", "3", "2", "1", "0"}, left(1))
	prune(8, 10, 3)
	w.same("left of the first", []string{"5", "4", "2", "1"}, left(0))
	w.same("left of the second", []string{"5", "4", "2", "1"}, left(1))
	// What is gone is not sent again, and what is sent again does not go.
	numbers, err := w.webhooks.Queued(w.Context(), w.shop, endpoints[0].ID, webhook.Queued{
		Since: epoch, Until: epoch.Add(time.Hour), Limit: 10,
	})
	w.wantCode(err, "")
	w.same("how many are there", 4, len(numbers))
	resent, err := w.webhooks.Resend(w.Context(), w.shop, endpoints[0].ID, append(numbers[2:], numbers[0]-1), epoch)
	w.wantCode(err, "")
	w.same("how many are sent again", 2, resent)
	var removed atomic.Int64
	together(4, func(int) {
		for {
			count, err := w.webhooks.PruneDeliveries(w.Context(), epoch.Add(time.Hour), 1)
			if err != nil {
				w.Errorf("prune: got error %v, want none", err)
			}
			if removed.Add(int64(count)); count == 0 {
				return
			}
		}
	})
	w.same("removed at once", int64(2), removed.Load())
	w.same("left of the first", []string{"5", "4", "2", "1"}, left(0))
	w.same("left of the second", []string{"2", "1"}, left(1))
}
