package groupcommit_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/billfold/billfold/internal/groupcommit"
	"github.com/billfold/billfold/internal/ledger"
)

type item = groupcommit.Item[int]

// What arrives while a batch runs shares the next one, in the order of arrival.
func TestBatchIsWhatArrivedMeanwhile(t *testing.T) {
	t.Parallel()
	running, release := make(chan struct{}), make(chan struct{})
	var batches [][]int
	q := groupcommit.New(10, func(items []*item) {
		var batch []int
		for _, item := range items {
			batch = append(batch, item.Command)
		}
		batches = append(batches, batch)
		if len(batches) == 1 {
			close(running)
			<-release
		}
		for _, item := range items {
			item.Command *= 10
			item.Answer(nil)
		}
	})
	q.Start()
	var callers sync.WaitGroup
	submit := func(n int) {
		callers.Go(func() {
			i := &item{Command: n}
			if err := q.Submit(t.Context(), i); err != nil || i.Command != 10*n {
				t.Errorf("command %d: got %d, %v; want %d", n, i.Command, err, 10*n)
			}
		})
	}
	submit(1)
	<-running
	for n := 2; n <= 5; n++ {
		submit(n)
		for q.Waiting() < n-1 {
		}
	}
	close(release)
	callers.Wait()
	q.Stop()
	if len(batches) != 2 || !slices.Equal(batches[0], []int{1}) || !slices.Equal(batches[1], []int{2, 3, 4, 5}) {
		t.Errorf("got batches %v, want [1] and [2 3 4 5]", batches)
	}
}

// A full queue refuses, a caller who gives up before their turn has no effect,
// and one who gives up later does not hear of it.
func TestQueueRefusesAndLetsGo(t *testing.T) {
	t.Parallel()
	running, release := make(chan struct{}), make(chan struct{})
	var done []int
	once := sync.OnceFunc(func() { close(running); <-release })
	q := groupcommit.New(1, func(items []*item) {
		once()
		for _, item := range items {
			done = append(done, item.Command)
			item.Answer(nil)
		}
	})
	q.Start()
	late, gone := context.WithCancel(t.Context())
	early, left := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	callers.Go(func() {
		if err := q.Submit(late, &item{Command: 1}); !errors.Is(err, context.Canceled) {
			t.Errorf("gave up while it ran: got %v, want the context's error", err)
		}
	})
	<-running
	callers.Go(func() {
		if err := q.Submit(early, &item{Command: 2}); !errors.Is(err, context.Canceled) {
			t.Errorf("gave up while it waited: got %v, want the context's error", err)
		}
	})
	for q.Waiting() < 1 {
	}
	if err := q.Submit(t.Context(), &item{Command: 3}); ledger.CodeOf(err) != ledger.CodeOverloaded {
		t.Errorf("a full queue: got %v, want %s", err, ledger.CodeOverloaded)
	}
	gone()
	left()
	callers.Wait()
	close(release)
	q.Stop()
	if !slices.Equal(done, []int{1}) {
		t.Errorf("got %v carried out, want the first alone", done)
	}
	if err := q.Submit(t.Context(), &item{}); ledger.CodeOf(err) != ledger.CodeStorageUnavailable {
		t.Errorf("after the stop: got %v, want %s", err, ledger.CodeStorageUnavailable)
	}
}

// Stop finishes what was accepted.
func TestStopFinishes(t *testing.T) {
	t.Parallel()
	answered := 0
	q := groupcommit.New(1000, func(items []*item) {
		for _, item := range items {
			answered++
			item.Answer(nil)
		}
	})
	var callers sync.WaitGroup
	for n := range 500 {
		callers.Go(func() {
			if err := q.Submit(t.Context(), &item{Command: n}); err != nil {
				t.Errorf("command %d: got %v", n, err)
			}
		})
	}
	for q.Waiting() < 500 {
	}
	q.Start()
	q.Stop()
	callers.Wait()
	if answered != 500 {
		t.Errorf("got %d answers, want 500", answered)
	}
}

// A panic of a pure function is an error of its own caller.
func TestGuarded(t *testing.T) {
	t.Parallel()
	_, err := groupcommit.Guarded(func(int) (int, error) { panic("no") }, 1)
	if ledger.CodeOf(err) != ledger.CodeInternal {
		t.Errorf("got %v, want %s", err, ledger.CodeInternal)
	}
	if got, err := groupcommit.Guarded(func(n int) (int, error) { return n + 1, nil }, 1); got != 2 || err != nil {
		t.Errorf("got %d, %v; want 2", got, err)
	}
}
