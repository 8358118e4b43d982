package bus_test

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/billfold/billfold/internal/bus"
	"github.com/billfold/billfold/internal/ledger"
)

// received is a message as a reader of the broker gets it.
type received struct {
	id, customer string
	business     string
	mode, kind   string
	body         string
}

func receivedOf(m *bus.Message) received {
	return received{m.ID, m.CustomerID, m.Tenant.BusinessID, string(m.Tenant.Mode), string(m.Kind), string(m.Body)}
}

// log is what a broker has, in an order that holds for each customer.
type log struct {
	mu       sync.Mutex
	messages []received
}

func (l *log) add(m received) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.messages = append(l.messages, m)
}

func (l *log) all() []received {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]received(nil), l.messages...)
}

// complaints says what is wrong with what was received: each event has to be there, as
// the feed has it, and met for the first time in the order of its customer. What comes
// again has to be the same.
func complaints(events []ledger.Event, got []received) (said []string) {
	want := map[string]received{}
	order := map[string][]string{}
	for i := range events {
		e := &events[i]
		want[e.ID] = received{e.ID, e.CustomerID, e.Tenant.BusinessID, string(e.Tenant.Mode), string(e.Kind), string(body(e))}
		order[e.CustomerID] = append(order[e.CustomerID], e.ID)
	}
	met := map[string]bool{}
	for _, m := range got {
		expected, known := want[m.id]
		if !known || expected != m {
			said = append(said, fmt.Sprintf("got %+v, want %+v", m, expected))
			continue
		}
		if met[m.id] {
			continue
		}
		met[m.id] = true
		next := order[m.customer][0]
		if next != m.id {
			said = append(said, fmt.Sprintf("customer %s: got %s for the first time where %s stands", m.customer, m.id, next))
			order[m.customer] = without(order[m.customer], m.id)
			continue
		}
		order[m.customer] = order[m.customer][1:]
	}
	if len(met) != len(want) {
		said = append(said, fmt.Sprintf("got %d of %d events", len(met), len(want)))
	}
	return said
}

func without(ids []string, id string) (rest []string) {
	for _, other := range ids {
		if other != id {
			rest = append(rest, other)
		}
	}
	return rest
}

// repeats is how many messages came that had come before.
func repeats(got []received) (count int) {
	met := map[string]bool{}
	for _, m := range got {
		if met[m.id] {
			count++
		}
		met[m.id] = true
	}
	return count
}

// fakeBroker keeps what it gets, and fails now and then in the middle.
type fakeBroker struct {
	*log
	office *office
	faults uint64 // one message of one in so many batches fails; 0: none
	eager  bool   // go on behind a message that failed: the mistake that breaks the order

	// early is the mistake that loses events: it says that all was taken before it is.
	early bool
}

var errFake = errors.New("the broker is not well")

func (b *fakeBroker) Publish(ctx context.Context, messages []bus.Message) error {
	if b.early {
		_ = b.take(ctx, messages)
		return nil
	}
	return b.take(ctx, messages)
}

func (b *fakeBroker) take(ctx context.Context, messages []bus.Message) (err error) {
	bad := -1
	if b.faults > 0 && b.office.oneIn(b.faults) {
		bad = int(b.office.dice() % uint64(len(messages)))
	}
	for i := range messages {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if i == bad {
			if err = errFake; b.eager {
				continue
			}
			return err
		}
		b.add(receivedOf(&messages[i]))
	}
	return err
}

func (b *fakeBroker) Check(context.Context) error { return nil }

func (b *fakeBroker) Close() {}
