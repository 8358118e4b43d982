package groupcommit

import (
	"context"
	"time"
)

// SubmitMany queues commands in their order and waits for all of them. The
// results are then in the items, and the errors are returned in the same order.
//
// No more commands than share a batch are in the queue at once, so that a long
// row of them leaves room for those of others. What does not get that far within
// the time that a command may wait is refused without effect.
func (q *Queue[T]) SubmitMany(ctx context.Context, items []*Item[T]) []error {
	errs := make([]error, len(items))
	late := make(chan struct{})
	wait := time.AfterFunc(waitMax, func() { close(late) })
	defer wait.Stop()
	part := max(1, min(batchMax, q.most))
	for begin := 0; begin < len(items); begin += part {
		end := min(begin+part, len(items))
		q.submitPart(ctx, late, items[begin:end], errs[begin:end])
	}
	return errs
}

func (q *Queue[T]) submitPart(ctx context.Context, late <-chan struct{}, items []*Item[T], errs []error) {
	refuse := func(err error) {
		for i := range errs {
			errs[i] = err
		}
	}
	select {
	case <-late:
		refuse(errOverloaded)
		return
	case <-ctx.Done():
		refuse(ctx.Err())
		return
	default:
	}
	for _, item := range items {
		item.done = make(chan struct{})
	}
	if err := q.enqueue(items...); err != nil {
		refuse(err)
		return
	}
	for i, item := range items {
		select {
		case <-item.done:
			errs[i] = item.err
		case <-ctx.Done():
			errs[i] = item.giveUp(ctx, ctx.Err())
		case <-late:
			errs[i] = item.giveUp(ctx, errOverloaded)
		}
	}
}

// Apart hands a batch on in its order: each command that must be alone by itself,
// and those between two of them together.
func Apart[T any](
	items []*Item[T], isAlone func(command *T) bool, together func([]*Item[T]), alone func(*Item[T]),
) {
	for len(items) > 0 {
		n := 0
		for n < len(items) && !isAlone(&items[n].Command) {
			n++
		}
		if n > 0 {
			together(items[:n])
		} else {
			n = 1
			alone(items[0])
		}
		items = items[n:]
	}
}
