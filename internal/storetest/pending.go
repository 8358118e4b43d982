package storetest

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/webhook"
)

var pendingFlag = flag.Int("pending", 20_000, "how many messages wait for a dead webhook")

// heapMore is how much more a hundred times as many messages may take of the heap: the
// noise of a collector, and less than the bodies of a few thousand.
const heapMore = 8 << 20

// RunPending has messages wait for a receiver that is dead, a few and a hundred times
// as many, and wants the heap of what tries to send them to be as large. It tells how
// long a look at what is due takes as well, of which nothing is wanted here: the plans
// have tests of their own. Open gives a store that is empty.
func RunPending(t *testing.T, open func(t testing.TB) Stores) {
	few := measurePending(t, open(t), *pendingFlag/100)
	many := measurePending(t, open(t), *pendingFlag)
	if many > few+heapMore {
		t.Errorf("got a heap of %d bytes with %d messages and of %d with %d, want as much", few, *pendingFlag/100, many, *pendingFlag)
	}
}

func measurePending(t *testing.T, stores Stores, count int) (heap uint64) {
	t.Helper()
	w := newWorld(t, func(testing.TB) Stores { return stores })
	e := w.endpoint()
	body := strings.Repeat("x", 750)
	for queued := 0; queued < count; {
		var deliveries []webhook.Delivery
		for ; len(deliveries) < 5000 && queued < count; queued++ {
			d := deliver(fmt.Sprint(queued), fmt.Sprintf("cus_%d/USD", queued%1000), 0)
			d.Body = []byte(body)
			deliveries = append(deliveries, d)
		}
		w.enqueue(e, deliveries...)
	}
	var attempts atomic.Int64
	dead := func(context.Context, webhook.Message) webhook.Attempt {
		attempts.Add(1)
		return webhook.Attempt{At: time.Now(), Outcome: webhook.Unreachable, Detail: "connection refused"}
	}
	looks := func(inOrder bool) time.Duration {
		const times = 20
		began := time.Now()
		for range times {
			ask := webhook.Due{At: epoch.Add(time.Hour), Limit: 256}
			due, err := w.webhooks.Due(w.Context(), e.ID, ask)
			if inOrder {
				due, _, err = w.webhooks.DueInOrder(w.Context(), e.ID, webhook.DueInOrder{Due: ask})
			}
			w.wantCode(err, "")
			if len(due) == 0 {
				w.Errorf("got nothing due of %d", count)
			}
		}
		return time.Since(began) / times
	}
	loose, strict := looks(false), looks(true)
	ctx, stop := context.WithCancel(w.Context())
	var sending sync.WaitGroup
	sending.Go(func() {
		webhook.NewDispatcher(webhook.DispatcherConfig{
			Store: w.webhooks, Send: dead, Render: func(*ledger.Event) []byte { return nil }, Now: time.Now, Random: w.dice.next,
			Instance: "one",
		}).Run(ctx)
	})
	want := int64(min(count, 2000))
	for giveUp := time.Now().Add(eventsWithin); attempts.Load() < want && time.Now().Before(giveUp); {
		time.Sleep(time.Millisecond)
	}
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	stop()
	sending.Wait()
	if attempts.Load() < want {
		t.Errorf("%d pending: got %d attempts, want %d", count, attempts.Load(), want)
	}
	pages, _ := os.ReadFile("/proc/self/statm") // only told
	t.Logf("%d pending: heap %d KiB, pages of the process %.40q; 256 of what is due in %s, in strict order in %s",
		count, memory.HeapAlloc>>10, pages, loose, strict)
	return memory.HeapAlloc
}
