package bus_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/bus"
)

// system is a broker under test: how it is published to, and how it is read.
type system interface {
	broker() bus.Broker
	read() []received
	// trouble happens to the broker in the middle, or not.
	trouble(o *office)
}

// campaign posts entries while what publishes them is killed again and again, before
// and after it has moved a cursor and while it publishes. It returns what readers find
// wrong at the end.
func campaign(o *office, s system, kills int) (said []string) {
	o.t.Helper()
	writing, stop := context.WithCancel(o.t.Context())
	var writers sync.WaitGroup
	for range 2 {
		writers.Go(func() {
			for writing.Err() == nil {
				o.post(int(1 + o.dice()%20))
				time.Sleep(time.Duration(o.dice()%10) * time.Millisecond)
			}
		})
	}
	before, during, after := 0, 0, 0
	for range kills {
		dying, die := context.WithCancel(o.t.Context())
		how := o.dice() % 3
		within := time.Duration(o.dice()%8_000) * time.Microsecond
		broker := s.broker()
		if how == 2 {
			broker = &fatal{Broker: broker, office: o, die: die, within: within}
		}
		m, end := o.doomed(dying, die, broker, how)
		s.trouble(o)
		o.wait("a kill", func() bool { return m.dead.Err() != nil })
		end()
		switch how {
		case 0:
			before++
		case 1:
			after++
		default:
			during++
		}
	}
	stop()
	writers.Wait()
	got := o.settle(s)
	o.t.Logf("seed %d: %d killed before a cursor moved, %d after, %d while publishing; %d messages, %d of them again",
		o.seed, before, after, during, len(got), repeats(got))
	said = complaints(o.feed(), got)
	return said[:min(len(said), 5)]
}

// doomed starts a pump that is killed at one of its moves of a cursor.
func (o *office) doomed(ctx context.Context, die context.CancelFunc, broker bus.Broker, how uint64) (*mortal, func()) {
	ended := make(chan struct{})
	m := &mortal{Store: o.store, dead: ctx, kill: die}
	m.around = func(after bool) {
		if (how == 0 && !after || how == 1 && after) && o.oneIn(3) {
			die()
		}
	}
	pump := bus.New(bus.Config{
		Sink: "test", Store: m, Broker: broker, Render: body, Now: time.Now, Random: o.dice, Instance: "doomed",
	})
	go func() {
		defer close(ended)
		pump.Run(ctx)
	}()
	return m, func() {
		die()
		<-ended
	}
}

// fatal is a broker at which who publishes is killed, some time after it has begun.
type fatal struct {
	bus.Broker
	office *office
	die    context.CancelFunc
	within time.Duration
}

func (f *fatal) Publish(ctx context.Context, messages []bus.Message) error {
	if f.office.oneIn(3) {
		time.AfterFunc(f.within, f.die)
	}
	return f.Broker.Publish(ctx, messages)
}

// settle publishes what is left, and returns all that a reader gets.
func (o *office) settle(s system) []received {
	o.t.Helper()
	_, end := o.pump(o.store, s.broker())
	defer end()
	o.wait("the end of the feed", o.caughtUp)
	return s.read()
}

// caughtUp reports whether every cursor stands behind everything, which is in the feed a
// moment after it has happened.
func (o *office) caughtUp() bool {
	o.t.Helper()
	if int64(len(o.feed())) < o.happened.Load() {
		return false
	}
	cursors, err := o.store.SinkCursors(o.t.Context(), "test")
	must(o.t, err)
	for _, c := range cursors {
		page, err := o.store.Feed(o.t.Context(), c.Tenant, c.Place, 500)
		must(o.t, err)
		if len(page.Facts) > 0 || page.More {
			return false
		}
	}
	return true
}

// fakeSystem is a broker of the tests.
type fakeSystem struct{ b *fakeBroker }

func (s fakeSystem) broker() bus.Broker { return s.b }
func (s fakeSystem) read() []received   { return s.b.all() }
func (s fakeSystem) trouble(*office)    {}

// kills is how many a campaign has on a store: another one can publish at once on one
// of them, and on the other when the lease of the one that was killed has ended.
func kills(name string) int {
	if name == "embedded" {
		return *killsFlag
	}
	return max(*killsFlag/10, 1)
}

// Whatever is killed when, every event comes, in the order of its customer.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t, open(t))
			b := &fakeBroker{log: &log{}, office: o, faults: 4}
			for _, said := range campaign(o, fakeSystem{b}, kills(name)) {
				t.Errorf("seed %d: %s", o.seed, said)
			}
			if got := b.all(); repeats(got) == 0 {
				t.Errorf("seed %d: got nothing again of %d, and so no proof", o.seed, len(got))
			}
		})
	}
}

// The campaign finds the two mistakes that matter.
func TestMistakesAreFound(t *testing.T) {
	t.Parallel()
	for _, mistake := range []struct {
		bug    string
		broker fakeBroker
	}{
		{"the cursor moves before the broker has acknowledged", fakeBroker{early: true, faults: 4}},
		{"what stands behind a message that failed is sent", fakeBroker{faults: 4, eager: true}},
	} {
		t.Run(mistake.bug, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t, openEmbedded(t))
			b := mistake.broker
			b.log, b.office = &log{}, o
			said := campaign(o, fakeSystem{&b}, *killsFlag)
			if len(said) == 0 {
				t.Fatalf("seed %d: got no complaint, want one", o.seed)
			}
			t.Logf("%d complaints, the first: %.200s", len(said), said[0])
		})
	}
}

// Of several instances one publishes, and another one goes on when it was killed.
func TestAnotherInstanceGoesOn(t *testing.T) {
	t.Parallel()
	url := cluster.Database(t, "")
	o := newOffice(t, openDatabase(t, url))
	s := fakeSystem{&fakeBroker{log: &log{}, office: o}}
	one, endOne := o.pump(openDatabase(t, url), s.broker())
	two, endTwo := o.pump(openDatabase(t, url), s.broker())
	defer endOne()
	defer endTwo()
	o.post(100)
	o.wait("the first events", o.caughtUp)
	if (one.moves.Load() > 0) == (two.moves.Load() > 0) {
		t.Errorf("got cursors moved %d and %d times, want by one of both", one.moves.Load(), two.moves.Load())
	}
	first, second := one, two
	if two.moves.Load() > 0 {
		first, second = two, one
	}
	first.kill()
	o.post(100)
	o.wait("the rest", o.caughtUp)
	if second.moves.Load() == 0 {
		t.Errorf("got no cursor moved by the second, want it to go on")
	}
	for _, said := range complaints(o.feed(), s.read()) {
		t.Error(said)
	}
	if got := repeats(s.read()); got > 0 {
		t.Errorf("got %d events again, though nothing was cut short", got)
	}
}

// everyoneLeads is a store whose leases nobody heeds.
type everyoneLeads struct{ bus.Store }

func (everyoneLeads) LeadSink(ctx context.Context, _, _ string) (bool, error) { return true, ctx.Err() }

// Two who publish at once, as when one was taken for dead and was not, cost repeats and
// nothing else.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t, open(t))
			b := &fakeBroker{log: &log{}, office: o, faults: 4}
			for range 2 {
				_, end := o.pump(everyoneLeads{o.store}, b)
				defer end()
			}
			for range 20 {
				o.post(20)
			}
			o.wait("the end of the feed", o.caughtUp)
			got := b.all()
			t.Logf("seed %d: %d messages, %d of them again", o.seed, len(got), repeats(got))
			for _, said := range complaints(o.feed(), got) {
				t.Errorf("seed %d: %s", o.seed, said)
			}
		})
	}
}
