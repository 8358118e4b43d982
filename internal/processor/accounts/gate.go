package accounts

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/processor"
)

const (
	// slotsMax is how many calls of one account run at once, and callsMax of all.
	slotsMax = 8
	callsMax = 24

	// slotWithin is how long a call waits for a slot. One that gets none has no effect.
	slotWithin = time.Second

	// faultsMax is how many calls in a row may have no answer before none is made for a
	// while: restMin, then twice as long each time, up to restMax. One call tries it then.
	faultsMax = 5
	restMin   = time.Second
	restMax   = time.Minute
)

// gate lets calls of one account through: few at once, and for a while none when nobody
// answers. So a processor that hangs holds a few calls, and is not stormed when it is
// there again.
type gate struct {
	slots chan struct{}
	all   chan struct{} // of all accounts
	now   func() time.Time

	mu     sync.Mutex
	faults int       // calls in a row without an answer
	until  time.Time // no call is made before
	rest   time.Duration
	trying bool // one call is on its way to see whether somebody answers
}

func newGate(all chan struct{}, now func() time.Time) *gate {
	return &gate{slots: make(chan struct{}, slotsMax), all: all, now: now}
}

// begin takes a slot, or says that the call is not to be made.
func (g *gate) begin(ctx context.Context) error {
	if !g.answers() {
		return processor.ErrNotReached
	}
	timer := time.NewTimer(slotWithin)
	defer timer.Stop()
	for n, slots := range []chan struct{}{g.slots, g.all} {
		select {
		case slots <- struct{}{}:
			continue
		case <-ctx.Done():
		case <-timer.C:
		}
		if n == 1 {
			<-g.slots
		}
		g.mu.Lock()
		g.trying = false
		g.mu.Unlock()
		return processor.ErrNotReached
	}
	return nil
}

// answers reports whether a call is worth making. While nobody answers one tries.
func (g *gate) answers() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.faults < faultsMax {
		return true
	}
	if g.trying || g.now().Before(g.until) {
		return false
	}
	g.trying = true
	return true
}

// end gives the slot back, and learns of the call whether somebody answers.
func (g *gate) end(ctx context.Context, err error) {
	<-g.all
	<-g.slots
	g.mu.Lock()
	defer g.mu.Unlock()
	g.trying = false
	switch {
	case errors.Is(ctx.Err(), context.Canceled): // whoever asked has left, which says nothing
	case err == nil || errors.Is(err, processor.ErrNoPayment) || errors.Is(err, processor.ErrNoSetUp) || definite(err):
		g.faults, g.rest = 0, 0
	default:
		if g.faults++; g.faults >= faultsMax {
			g.rest = min(max(2*g.rest, restMin), restMax)
			g.until = g.now().Add(g.rest)
		}
	}
}

// through makes a call through a gate.
func through[T any](ctx context.Context, g *gate, call func() (T, error)) (answer T, err error) {
	if err := g.begin(ctx); err != nil {
		return answer, err
	}
	defer func() { g.end(ctx, err) }()
	return call()
}

var _ processor.Hosted = gated{}

// gated is a processor behind a gate, with its pages.
type gated struct {
	processor.Hosted
	gate *gate
}

func (p gated) Create(ctx context.Context, r processor.Request) (billing.Report, error) {
	return through(ctx, p.gate, func() (billing.Report, error) { return p.Hosted.Create(ctx, r) })
}

func (p gated) Confirm(ctx context.Context, paymentID string) (billing.Report, error) {
	return through(ctx, p.gate, func() (billing.Report, error) { return p.Hosted.Confirm(ctx, paymentID) })
}

func (p gated) LookUp(ctx context.Context, paymentID string) (billing.Report, error) {
	return through(ctx, p.gate, func() (billing.Report, error) { return p.Hosted.LookUp(ctx, paymentID) })
}

func (p gated) Search(ctx context.Context, r processor.Request, at time.Time) (billing.Report, error) {
	return through(ctx, p.gate, func() (billing.Report, error) { return p.Hosted.Search(ctx, r, at) })
}

func (p gated) Cancel(ctx context.Context, paymentID string) (billing.Report, error) {
	return through(ctx, p.gate, func() (billing.Report, error) { return p.Hosted.Cancel(ctx, paymentID) })
}

func (p gated) Return(ctx context.Context, paymentID, key string) error {
	_, err := through(ctx, p.gate, func() (struct{}, error) { return struct{}{}, p.Hosted.Return(ctx, paymentID, key) })
	return err
}

func (p gated) Refund(ctx context.Context, r processor.RefundRequest) (processor.RefundStatus, error) {
	return through(ctx, p.gate, func() (processor.RefundStatus, error) { return p.Hosted.Refund(ctx, r) })
}

func (p gated) SetUp(ctx context.Context, r processor.SetUpRequest) (processor.SetUp, error) {
	return through(ctx, p.gate, func() (processor.SetUp, error) { return p.Hosted.SetUp(ctx, r) })
}

func (p gated) LookUpSetUp(ctx context.Context, id string) (processor.SetUp, error) {
	return through(ctx, p.gate, func() (processor.SetUp, error) { return p.Hosted.LookUpSetUp(ctx, id) })
}

func (p gated) ActionURL(ctx context.Context, paymentID, back string) (string, error) {
	return through(ctx, p.gate, func() (string, error) { return p.Hosted.ActionURL(ctx, paymentID, back) })
}
