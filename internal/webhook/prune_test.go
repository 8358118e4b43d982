package webhook_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billfold/billfold/internal/webhook"
)

// What was delivered goes after its time, however much it is, and what was given up or
// waits stays. What is gone is not sent again.
func TestOldDeliveriesArePruned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t, nil)
		good, bad, c := o.endpoint("good.example.com"), o.endpoint("bad.example.com"), o.customer()
		r := newReceivers(func(m webhook.Message, _ int) webhook.Attempt {
			if m.URL == bad.URL {
				return webhook.Attempt{Outcome: webhook.Gone, Status: 410}
			}
			return taken
		})
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		defer running.Wait()
		defer stop()
		running.Go(func() {
			webhook.NewDispatcher(webhook.DispatcherConfig{
				Store: o.store, Send: r.send, Render: render, Now: time.Now, Random: o.dice, Instance: "one", KeepFor: 10 * time.Minute,
			}).Run(ctx)
		})
		const count = 500
		ids := o.credit(c, count)
		time.Sleep(9 * time.Minute)
		if got := len(o.deliveries(good, webhook.Done)); got != count {
			t.Errorf("before the time: got %d that were delivered, want %d", got, count)
		}
		undelivered := len(o.deliveries(bad, ""))
		last := o.credit(c, 1)
		time.Sleep(3 * time.Minute)
		done := o.deliveries(good, "")
		if len(done) != 1 || done[0].EventID != last[0] {
			t.Errorf("after the time: got %d, want the last alone", len(done))
		}
		if got := len(o.deliveries(bad, "")); got != undelivered || len(o.deliveries(bad, webhook.Failed)) == 0 {
			t.Errorf("got %d that were given up or wait, want all %d", got, undelivered)
		}
		if err := o.endpoints.Resend(t.Context(), o.tenant, good.ID, ids[0]); err == nil {
			t.Errorf("got what was pruned sent again")
		}
		if count, err := o.endpoints.Replay(t.Context(), o.tenant, good.ID, time.Time{}); count != 1 || err != nil {
			t.Errorf("replay: got %d and error %v, want 1", count, err)
		}
	})
}
