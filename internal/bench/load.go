package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// requester makes the requests of one connection and judges their answers.
type requester interface {
	// request returns the bytes of the next request. They may be changed by
	// the call after it.
	request() []byte

	// answer takes the answer to the last request. An error ends the run.
	answer(status int, body []byte) error
}

// loadPlan says how a target is loaded.
type loadPlan struct {
	addrs       []string // the connections are shared among them
	connections int
	warmup      time.Duration
	duration    time.Duration

	// rate is how many requests a second are due in an open loop; 0 means that
	// each connection sends as soon as it has its answer.
	rate int

	// requester makes the requests of one connection.
	requester func() requester
}

// loadResult is what a target did between the end of the warm-up and the end of
// the round.
type loadResult struct {
	requests int64
	duration time.Duration
	latency  *histogram
}

// perSecond is the rate of the requests that were answered.
func (r *loadResult) perSecond() int64 {
	if r.duration <= 0 {
		return 0
	}
	return r.requests * int64(time.Second) / int64(r.duration)
}

// runLoad runs one round. All connections are open before the first request.
func runLoad(ctx context.Context, plan *loadPlan) (*loadResult, error) {
	clients := make([]*client, plan.connections)
	var errs []error
	for i := range clients {
		c, err := dial(ctx, plan.addrs[i%len(plan.addrs)])
		if err != nil {
			errs = append(errs, fmt.Errorf("open connection %d: %w", i+1, err))
			clients = clients[:i]
			break
		}
		clients[i] = c
	}
	defer func() {
		for _, c := range clients {
			_ = c.close() // everything was answered
		}
	}()
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	begin := time.Now()
	from := begin.Add(plan.warmup)
	round := &round{plan: plan, begin: begin, from: from, until: from.Add(plan.duration)}
	workers := make([]worker, len(clients))
	var group sync.WaitGroup
	for i, c := range clients {
		workers[i] = worker{round: round, client: c, requester: plan.requester()}
		group.Go(func() { workers[i].run(ctx) })
	}
	group.Wait()
	result := &loadResult{duration: plan.duration, latency: new(histogram)}
	for i := range workers {
		errs = append(errs, workers[i].err)
		result.latency.add(&workers[i].latency)
	}
	result.requests = result.latency.total
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return result, errors.Join(errs...)
}

// round is what the workers of one round share.
type round struct {
	plan  *loadPlan
	begin time.Time
	from  time.Time // when counting begins
	until time.Time

	due    atomic.Int64 // requests that were taken up, in an open loop
	failed atomic.Bool  // some worker had an error: the others stop
}

// worker loads a target through one connection.
type worker struct {
	round     *round
	client    *client
	requester requester
	latency   histogram
	err       error
}

func (w *worker) run(ctx context.Context) {
	if w.err = w.client.deadline(w.round.until.Add(answerTimeout)); w.err != nil {
		return
	}
	stop := context.AfterFunc(ctx, func() { _ = w.client.deadline(time.Unix(1, 0)) }) // wakes the reader
	defer stop()
	if w.round.plan.rate > 0 {
		w.err = w.open()
	} else {
		w.err = w.closed()
	}
	if w.err != nil {
		w.round.failed.Store(true)
	}
}

// closed sends each request when the one before was answered.
func (w *worker) closed() error {
	sent := time.Now()
	for sent.Before(w.round.until) && !w.round.failed.Load() {
		answered, err := w.exchange()
		if err != nil {
			return err
		}
		w.count(sent, answered)
		sent = answered
	}
	return nil
}

// open sends requests at times that were fixed before. One that is late,
// because all connections were waiting, is sent at once, and its latency
// counts from when it was due: a stall of the target is charged to every
// request that it held up.
func (w *worker) open() error {
	interval := int64(time.Second)
	for !w.round.failed.Load() {
		n := w.round.due.Add(1) - 1
		due := w.round.begin.Add(time.Duration(n * interval / int64(w.round.plan.rate)))
		if !due.Before(w.round.until) {
			return nil
		}
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
		}
		answered, err := w.exchange()
		if err != nil {
			return err
		}
		w.count(due, answered)
	}
	return nil
}

func (w *worker) exchange() (answered time.Time, err error) {
	status, body, err := w.client.do(w.requester.request())
	if err != nil {
		return answered, fmt.Errorf("a request got no answer: %w", err)
	}
	answered = time.Now()
	return answered, w.requester.answer(status, body)
}

// count records a request that was begun and answered while it counts.
func (w *worker) count(sent, answered time.Time) {
	if sent.Before(w.round.from) || answered.After(w.round.until) {
		return
	}
	w.latency.record(answered.Sub(sent))
}
