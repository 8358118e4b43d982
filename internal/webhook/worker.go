package webhook

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/billfold/billfold/internal/ledger"
)

const (
	// sendsMax is how many messages are on their way to one endpoint at once.
	sendsMax = 32

	// windowMax is how many deliveries of an endpoint are in memory: on their way, or
	// behind one of their queue. Of one queue there are at most [QueueMax], so that a
	// wallet of which much is due keeps no other from its turn.
	windowMax = 256

	// A worker looks for news after pollMin where it has just found some, and more
	// and more seldom where it has not.
	pollMin = 50 * time.Millisecond
	pollMax = time.Second

	// freshFor is how old the endpoint that a message is sent by may be.
	freshFor = 100 * time.Millisecond
)

// worker sends to one endpoint, one message of a queue after the other and those of
// several queues at once. What stands behind its first fields belongs to its
// goroutine.
type worker struct {
	endpoint atomic.Pointer[Endpoint]
	stop     context.CancelFunc
	ended    chan struct{}
	reading  sync.Mutex // of the endpoint
	readAt   time.Time  // when it was read, under reading

	d         *Dispatcher
	feed      follower
	decidedBy time.Time // UpdatedAt of the endpoint that feed goes by
	limiter   *rate.Limiter
	wake      *time.Timer           // when the limit lets another message go
	inMemory  map[int64]string      // queues by No; from when they are read until what became of them is recorded
	queued    map[string]int        // how many of a queue that is
	behind    map[string][]Delivery // by queue, for those that have one on its way
	ready     []Delivery
	sending   int
	sent      chan sentDelivery
	results   []Result // to be recorded
	pause     time.Duration
	after     string // queue that was looked at last for what is due in order
}

type sentDelivery struct {
	delivery Delivery
	attempt  Attempt
}

func (d *Dispatcher) start(ctx context.Context, served Served) *worker {
	ctx, stop := context.WithCancel(ctx)
	w := &worker{
		stop: stop, ended: make(chan struct{}), readAt: time.Now(), d: d, feed: follow(served.Place),
		decidedBy: served.Endpoint.UpdatedAt, limiter: rate.NewLimiter(rate.Inf, 1), wake: time.NewTimer(time.Hour),
		inMemory: map[int64]string{}, queued: map[string]int{}, behind: map[string][]Delivery{},
		sent: make(chan sentDelivery, sendsMax),
	}
	w.endpoint.Store(&served.Endpoint)
	go func() {
		defer close(w.ended)
		defer stop()
		w.run(ctx)
	}()
	return w
}

// run works until ctx ends. What is on its way by then is waited for and recorded, if
// the store can.
func (w *worker) run(ctx context.Context) {
	poll := time.NewTimer(0)
	defer poll.Stop()
	defer w.wake.Stop()
	for {
		w.launch(ctx)
		select {
		case <-ctx.Done():
			w.finish(context.WithoutCancel(ctx))
			return
		case <-poll.C:
			poll.Reset(w.poll(ctx))
		case <-w.wake.C:
		case sent := <-w.sent:
			w.settle(sent)
			w.settleMore()
			if w.record(ctx) && len(w.inMemory) < windowMax/2 {
				poll.Reset(0)
			}
		}
	}
}

// learn takes an endpoint for what it is, unless it has been changed since.
func (w *worker) learn(endpoint *Endpoint) {
	w.reading.Lock()
	defer w.reading.Unlock()
	if w.endpoint.Load().UpdatedAt.Before(endpoint.UpdatedAt) {
		w.endpoint.Store(endpoint)
	}
}

// poll queues what has happened and reads what is due, and returns when to do so
// again. Where the endpoint was changed, what has happened since is looked at once
// more, by what it is now.
func (w *worker) poll(ctx context.Context) time.Duration {
	var queued int
	var more bool
	var err error
	moved := !w.endpoint.Load().UpdatedAt.Equal(w.decidedBy)
	if !moved {
		queued, more, moved, err = w.d.queue.step(ctx, w.endpoint.Load(), &w.feed)
		w.d.meter.queue(queued)
	}
	if moved {
		var served Served
		endpoint := w.endpoint.Load()
		if served, err = w.d.store.Endpoint(ctx, endpoint.Tenant, endpoint.ID); err == nil {
			w.endpoint.Store(&served.Endpoint)
			w.feed, w.decidedBy, more = follow(served.Place), served.Endpoint.UpdatedAt, true
		}
	}
	endpoint := w.endpoint.Load()
	read := 0
	if err == nil && len(w.inMemory) < windowMax/2 && w.record(ctx) {
		read, err = w.read(ctx, endpoint)
	}
	switch {
	case err != nil:
		if ctx.Err() == nil && ledger.CodeOf(err) != ledger.CodeNotFound {
			w.d.logger.Warn("a webhook waits until the store can serve", "endpoint", endpoint.ID, "error", err)
		}
		w.pause = pollMax
	case more:
		return 0
	case queued+read > 0:
		w.pause = pollMin
	default:
		w.pause = min(max(2*w.pause, pollMin), pollMax)
	}
	return w.pause
}

// read takes deliveries that are due into memory.
func (w *worker) read(ctx context.Context, endpoint *Endpoint) (count int, err error) {
	if endpoint.InOrder {
		return w.readInOrder(ctx, endpoint)
	}
	for passed := true; passed && len(w.inMemory) < windowMax; {
		passed = false
		due, err := w.d.store.Due(ctx, endpoint.ID, Due{
			At: w.d.now(), Except: w.full(), Limit: windowMax,
		})
		if err != nil {
			return count, err
		}
		for _, delivery := range due {
			if _, known := w.inMemory[delivery.No]; known {
				continue
			}
			if w.queued[delivery.Queue] == QueueMax {
				passed = true // those of other queues may stand behind it
				continue
			}
			count++
			w.take(delivery)
		}
	}
	return count, nil
}

// readInOrder takes deliveries into memory that are due in strict order. What has been
// sent is recorded by now, so that a queue of which one has failed brings nothing.
func (w *worker) readInOrder(ctx context.Context, endpoint *Endpoint) (count int, err error) {
	due, next, err := w.d.store.DueInOrder(ctx, endpoint.ID, DueInOrder{
		Due: Due{At: w.d.now(), Except: w.full(), Limit: windowMax}, After: w.after,
	})
	if err != nil {
		return 0, err
	}
	w.after = next
	for _, delivery := range due {
		if _, known := w.inMemory[delivery.No]; known || w.queued[delivery.Queue] == QueueMax {
			continue
		}
		count++
		w.take(delivery)
	}
	if count == 0 && next != "" {
		w.pause = 0 // there are more queues: look at them soon
	}
	return count, nil
}

// full are the queues of which as many are in memory as may be.
func (w *worker) full() (queues []string) {
	for queue, count := range w.queued {
		if count == QueueMax {
			queues = append(queues, queue)
		}
	}
	return queues
}

func (w *worker) take(delivery Delivery) {
	w.inMemory[delivery.No] = delivery.Queue
	w.queued[delivery.Queue]++
	if waiting, busy := w.behind[delivery.Queue]; busy {
		w.behind[delivery.Queue] = append(waiting, delivery)
		return
	}
	w.behind[delivery.Queue] = nil
	w.ready = append(w.ready, delivery)
}

// forget lets a delivery be read again, if it is due.
func (w *worker) forget(no int64) {
	queue, known := w.inMemory[no]
	if !known {
		return
	}
	delete(w.inMemory, no)
	if w.queued[queue]--; w.queued[queue] == 0 {
		delete(w.queued, queue)
	}
}

// forgetBehind lets what waits behind one of a queue be read again.
func (w *worker) forgetBehind(queue string) {
	for _, waiting := range w.behind[queue] {
		w.forget(waiting.No)
	}
	delete(w.behind, queue)
}

// launch sends what is ready, as much at once as the endpoint allows.
func (w *worker) launch(ctx context.Context) {
	limit := rate.Inf
	if perSecond := w.endpoint.Load().RateLimit; perSecond > 0 {
		limit = rate.Limit(perSecond)
	}
	if w.limiter.Limit() != limit {
		w.limiter.SetLimit(limit)
	}
	for ctx.Err() == nil && w.sending < sendsMax && len(w.ready) > 0 {
		turn := w.limiter.Reserve()
		if wait := turn.Delay(); wait > 0 {
			turn.Cancel()
			w.wake.Reset(wait)
			return
		}
		delivery := w.ready[0]
		w.ready = w.ready[1:]
		w.sending++
		go func() {
			attempt := Attempt{}
			if endpoint := w.current(ctx); endpoint != nil {
				attempt = w.d.send(ctx, endpoint.message(&delivery, w.d.now()))
			}
			if ctx.Err() != nil && attempt.Outcome != Delivered {
				attempt = Attempt{} // it was cut short, which is not the receiver's fault
			}
			w.sent <- sentDelivery{delivery, attempt}
		}()
	}
}

// current is the endpoint as it is, or was [freshFor] ago, and nil if nothing may be
// sent to it. A worker of one that is disabled or gone ends.
func (w *worker) current(ctx context.Context) *Endpoint {
	w.reading.Lock()
	defer w.reading.Unlock()
	endpoint := w.endpoint.Load()
	if time.Since(w.readAt) >= freshFor {
		served, err := w.d.store.Endpoint(ctx, endpoint.Tenant, endpoint.ID)
		if err != nil {
			if ledger.CodeOf(err) == ledger.CodeNotFound {
				w.stop()
			}
			return nil
		}
		endpoint = &served.Endpoint
		w.endpoint.Store(endpoint)
		w.readAt = time.Now()
	}
	if endpoint.Disabled {
		w.stop()
		return nil
	}
	return endpoint
}

func (e *Endpoint) message(delivery *Delivery, at time.Time) Message {
	return Message{
		URL: e.URL, ID: delivery.EventID, Body: delivery.Body, Headers: e.Headers, Secrets: e.secrets(at),
	}
}

// settle notes what became of a delivery, and lets the next one of its queue go.
func (w *worker) settle(sent sentDelivery) {
	w.sending--
	delivery, attempt := sent.delivery, sent.attempt
	if attempt.Outcome == "" {
		// It was not tried, and stays due. What waits behind it must not overtake it,
		// so that all of the queue is read again.
		w.forget(delivery.No)
		w.forgetBehind(delivery.Queue)
		return
	}
	delay, again := Delay(delivery.Tries+1, attempt.RetryAfter, w.d.random())
	retried := attempt.Outcome != Delivered && attempt.Outcome != Gone && again
	if retried && w.endpoint.Load().InOrder {
		w.forgetBehind(delivery.Queue)
	}
	if waiting := w.behind[delivery.Queue]; len(waiting) > 0 {
		w.ready = append(w.ready, waiting[0])
		w.behind[delivery.Queue] = waiting[1:]
	} else {
		delete(w.behind, delivery.Queue)
	}
	result := Result{No: delivery.No, Tried: delivery.Tries, Attempts: append(delivery.Attempts, attempt)}
	if excess := len(result.Attempts) - AttemptsKept; excess > 0 {
		result.Attempts = result.Attempts[excess:]
	}
	result.DueAt = attempt.At.Add(attempt.Took).UTC().Truncate(time.Microsecond)
	switch {
	case retried:
		result.State, result.DueAt = Pending, result.DueAt.Add(delay)
	case attempt.Outcome == Delivered:
		result.State = Done
	default:
		result.State = Failed
	}
	w.results = append(w.results, result)
	w.d.meter.attempt(attempt.Outcome, result.State)
}

// settleMore settles whatever else has ended by now.
func (w *worker) settleMore() {
	for {
		select {
		case sent := <-w.sent:
			w.settle(sent)
		default:
			return
		}
	}
}

// record keeps what became of deliveries. Until the store has it, they stay in memory
// and are not sent again.
func (w *worker) record(ctx context.Context) (ok bool) {
	if len(w.results) == 0 {
		return true
	}
	endpoint := w.endpoint.Load()
	err := w.d.store.Record(ctx, endpoint.ID, w.results)
	if err != nil && ledger.CodeOf(err) != ledger.CodeNotFound {
		return false
	}
	gone := false
	for _, result := range w.results {
		w.forget(result.No)
		gone = gone || result.Attempts[len(result.Attempts)-1].Outcome == Gone
	}
	w.results = nil
	if gone {
		w.disable(ctx, endpoint)
	}
	return true
}

// disable ends what is sent to a receiver that has said that it wants no more.
func (w *worker) disable(ctx context.Context, endpoint *Endpoint) {
	_, err := w.d.store.UpdateEndpoint(ctx, endpoint.Tenant, endpoint.ID, func(e Endpoint) (Endpoint, error) {
		if e.URL == endpoint.URL { // it may have moved meanwhile
			e.Disabled, e.UpdatedAt = true, later(w.d.now().UTC().Truncate(time.Microsecond), e.UpdatedAt)
		}
		return e, nil
	})
	if err != nil {
		w.d.logger.Warn("an endpoint that is gone could not be disabled", "endpoint", endpoint.ID, "error", err)
		return
	}
	w.d.logger.Info("an endpoint answered that it is gone, and is disabled", "endpoint", endpoint.ID)
	w.stop()
}

// finishWithin bounds how long what is on its way may take to end, once it was cut
// short, and how long the last results may take to be recorded.
const finishWithin = 2 * time.Second

func (w *worker) finish(ctx context.Context) {
	w.ready = nil
	for late := time.After(finishWithin); w.sending > 0; {
		select {
		case sent := <-w.sent:
			clear(w.behind)
			w.settle(sent)
		case <-late:
			w.sending = 0 // nobody waits for these; what was due is due to the next worker
		}
	}
	ctx, cancel := context.WithTimeout(ctx, finishWithin)
	defer cancel()
	w.record(ctx)
}
