// Package groupcommit is the queue in front of a store's writer: many callers
// put a command in and wait; one goroutine takes whatever has gathered, carries
// it out together, and answers each caller with its own result.
//
// There is no timer: a batch is what arrived while the one before was being
// made durable, and a lone command is carried out at once.
package groupcommit

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

const (
	// batchMax is how many commands share one batch at the most, so that the
	// first of them does not wait for too many.
	batchMax = 1024

	// waitMax is how long a command waits to be taken up. One that waits
	// longer is refused without effect.
	waitMax = 5 * time.Second
)

var (
	errClosed     = ledger.Errorf(ledger.CodeStorageUnavailable, "the server is stopping; try again in a moment")
	errOverloaded = ledger.Errorf(ledger.CodeOverloaded, "too many requests are waiting; nothing was changed, try again in a moment")
)

// ErrClosed refuses what comes after [Queue.Stop].
func ErrClosed() error { return errClosed }

// Item is a command on its way through a queue.
type Item[T any] struct {
	Command T

	err   error
	taken atomic.Bool // by the queue, or by a caller who gave up waiting
	done  chan struct{}
}

// Answer ends the wait of the command's caller. It must be called once.
func (i *Item[T]) Answer(err error) {
	i.err = err
	close(i.done)
}

// Queue gathers commands for one goroutine.
type Queue[T any] struct {
	most int
	run  func(batch []*Item[T])

	mu      sync.Mutex
	waiting []*Item[T]
	stopped bool
	wake    chan struct{} // has room for one signal
	done    chan struct{}
}

// New returns a queue in which at most so many commands may wait. Run carries a
// batch out and answers each of its items; it is called by one goroutine,
// which Start starts.
func New[T any](most int, run func(batch []*Item[T])) *Queue[T] {
	return &Queue[T]{most: most, run: run, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// Start starts the goroutine.
func (q *Queue[T]) Start() { go q.loop() }

// Submit queues a command and waits for its result, which is then in the item.
// When ctx is cancelled before the command was taken up, it has no effect; when
// that happens later, the caller gets ctx.Err() and does not know the outcome.
func (q *Queue[T]) Submit(ctx context.Context, item *Item[T]) error {
	item.done = make(chan struct{})
	if err := q.enqueue(item); err != nil {
		return err
	}
	select {
	case <-item.done:
		return item.err
	default:
	}
	wait := time.NewTimer(waitMax)
	defer wait.Stop()
	select {
	case <-item.done:
		return item.err
	case <-ctx.Done():
		return item.giveUp(ctx, ctx.Err())
	case <-wait.C:
		return item.giveUp(ctx, errOverloaded)
	}
}

// giveUp takes a waiting command back. One that was taken up already is waited
// for, because it will have an effect, unless the caller has gone away.
func (i *Item[T]) giveUp(ctx context.Context, reason error) error {
	if i.taken.CompareAndSwap(false, true) {
		return reason
	}
	select {
	case <-i.done:
		return i.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (q *Queue[T]) enqueue(items ...*Item[T]) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.stopped:
		return errClosed
	case len(q.waiting)+len(items) > q.most:
		return errOverloaded
	}
	q.waiting = append(q.waiting, items...)
	if len(q.waiting) == len(items) {
		q.signal()
	}
	return nil
}

func (q *Queue[T]) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// loop runs until Stop, and finishes what was queued before it.
func (q *Queue[T]) loop() {
	defer close(q.done)
	var batch []*Item[T]
	for {
		q.mu.Lock()
		batch, q.waiting = q.waiting, batch[:0]
		stopped := q.stopped
		q.mu.Unlock()
		if len(batch) == 0 {
			if stopped {
				return
			}
			<-q.wake
			continue
		}
		for begin := 0; begin < len(batch); begin += batchMax {
			if taken := take(batch[begin:min(begin+batchMax, len(batch))]); len(taken) > 0 {
				q.run(taken)
			}
		}
		clear(batch) // results are the callers' now
	}
}

// take keeps the items whose callers still wait.
func take[T any](items []*Item[T]) []*Item[T] {
	taken := items[:0]
	for _, item := range items {
		if item.taken.CompareAndSwap(false, true) {
			taken = append(taken, item)
		}
	}
	return taken
}

// Waiting is how many commands wait to be taken up.
func (q *Queue[T]) Waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// Stop refuses new commands, finishes the queued ones and waits for that.
func (q *Queue[T]) Stop() {
	q.mu.Lock()
	q.stopped = true
	q.mu.Unlock()
	q.signal()
	<-q.done
}
