package stripe_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/processor"
	"github.com/billfold/billfold/internal/processor/stripe"
)

var (
	seedFlag  = flag.Uint64("stripe.seed", 0, "of the walks; 0 draws one")
	walksFlag = flag.Int("stripe.walks", 150, "how many invoices are walked to their end")
)

// witness is a processor of which each answer is held against what is true at Stripe.
type witness struct {
	processor.Processor
	f          *fake
	complaints []string
}

func (w *witness) complain(format string, args ...any) {
	w.complaints = append(w.complaints, fmt.Sprintf(format, args...))
}

// call makes a call and looks whether its answer is true.
func (w *witness) call(name string, do func() (billing.Report, error)) (billing.Report, error) {
	_, before := w.f.seen()
	report, err := do()
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	if errors.Is(err, processor.ErrNotReached) && w.f.effects != before {
		w.complain("%s was not reached and had an effect: %v", name, err)
	}
	if err != nil || report.PaymentID == "" {
		return report, err
	}
	i := w.f.intent(report.PaymentID)
	want := map[billing.Status][]string{
		billing.RequiresConfirmation: {"requires_confirmation"}, billing.Processing: {"processing"},
		billing.RequiresAction:  {"requires_action", "requires_payment_method"},
		billing.ChargeSucceeded: {"succeeded"}, billing.ChargeFailed: {"canceled"},
	}[report.Status]
	if i == nil || !slices.Contains(want, i.status) || int64(report.Amount) != i.amount {
		w.complain("%s: got %+v of %+v", name, report, i)
	}
	return report, err
}

// under are the payments at Stripe under a key.
func (w *witness) under(key string) (found []*fakeIntent) {
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	for _, i := range w.f.intents {
		if i.metadata["billfold_key"] == key {
			found = append(found, i)
		}
	}
	return found
}

func (w *witness) Create(ctx context.Context, r processor.Request) (billing.Report, error) {
	report, err := w.call("create", func() (billing.Report, error) { return w.Processor.Create(ctx, r) })
	there := w.under(r.Key)
	if len(there) > 1 {
		w.complain("%s has %d payments", r.Key, len(there))
	}
	if err == nil && report.PaymentID == "" && len(there) > 0 {
		w.complain("%s was refused for good, and there is %s", r.Key, there[0].id)
	}
	return report, err
}

func (w *witness) Search(ctx context.Context, r processor.Request, intendedAt time.Time) (billing.Report, error) {
	report, err := w.call("search", func() (billing.Report, error) { return w.Processor.Search(ctx, r, intendedAt) })
	if there := w.under(r.Key); errors.Is(err, processor.ErrNoPayment) && len(there) > 0 {
		w.complain("%s was not found, and there is %s", r.Key, there[0].id)
	}
	return report, err
}

func (w *witness) Confirm(ctx context.Context, id string) (billing.Report, error) {
	return w.call("confirm", func() (billing.Report, error) { return w.Processor.Confirm(ctx, id) })
}

func (w *witness) LookUp(ctx context.Context, id string) (billing.Report, error) {
	return w.call("look up", func() (billing.Report, error) { return w.Processor.LookUp(ctx, id) })
}

func (w *witness) Cancel(ctx context.Context, id string) (billing.Report, error) {
	return w.call("cancel", func() (billing.Report, error) { return w.Processor.Cancel(ctx, id) })
}

func (w *witness) Return(ctx context.Context, id, key string) error {
	_, err := w.call("return", func() (billing.Report, error) { return billing.Report{}, w.Processor.Return(ctx, id, key) })
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	if i := w.f.intent(id); err == nil && w.f.returned(id, false) != i.received {
		w.complain("%s is said to have gone back: got %d of %d", id, w.f.returned(id, false), i.received)
	}
	return err
}

// world is a fake with what happens to it, and the way to it.
type world struct {
	*testing.T
	f       *fake
	adapter *stripe.Adapter
	witness *witness
	random  *rand.Rand

	outage time.Time // until when nothing works
	quiet  time.Time // until when creations do not arrive,
	lost   time.Time // and until when they are not answered, nor told of
	cards  []string
	pool   [][]byte // notifications that are under way
	calls  int
}

// newWorld has a mistake stand between the adapter and the fake, or in front of both.
func newWorld(t *testing.T, seed uint64, m mistake) *world {
	t.Helper()
	f := &fake{now: epoch, keys: map[string]fakeAnswer{}}
	w := &world{T: t, f: f, random: rand.New(rand.NewPCG(seed, 1)), cards: cards}
	if m.cards != nil {
		w.cards = m.cards
	}
	var handler http.Handler = f
	if m.tamper != nil {
		handler = m.tamper(f)
	}
	w.adapter = connect(t, handler)
	var p processor.Processor = w.adapter
	if m.wrap != nil {
		p = m.wrap(p)
	}
	w.witness = &witness{Processor: p, f: f}
	f.fault = w.fault
	return w
}

// fault is called with the fake's lock.
func (w *world) fault(r *http.Request) fault {
	w.calls++
	switch {
	case isCreation(r) && w.f.now.Before(w.quiet):
		return faultUnavailable
	case isCreation(r) && w.f.now.Before(w.lost):
		return faultCutAfter
	}
	if w.f.now.Before(w.outage) || w.random.IntN(12) == 0 {
		return fault(1 + w.random.IntN(int(faultsEnd)-1))
	}
	return faultNone
}

// wait moves the clock. Stripe may be away then for up to two days, and customers act
// where they can: they authenticate, fail to, or pay what was declined on a page that
// is still open.
func (w *world) wait(until time.Time) {
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	w.f.now = until
	w.f.lag = time.Duration(w.random.IntN(20)) * time.Hour
	if w.random.IntN(10) == 0 {
		w.outage = until.Add(time.Duration(w.random.IntN(72)) * time.Hour)
	}
	w.f.pass()
	for _, i := range w.f.intents {
		if !i.payable() {
			continue
		}
		switch w.random.IntN(5) {
		case 0:
			w.f.become(i, "succeeded")
		case 1:
			w.f.decline(i, "payment_intent_authentication_failure", "", "")
		}
	}
}

// payable reports whether a customer can pay without us.
func (i *fakeIntent) payable() bool {
	return i.status == "requires_action" || i.status == "requires_payment_method"
}

// walk takes an invoice from wallet and card to its end, over crashes before a commit,
// notifications that come late, twice or never, and a person who wants it void.
func (w *world) walk(c *billing.Collection) {
	w.Helper()
	unwanted := w.random.IntN(3) == 0 // it is perhaps not wanted any more soon
	if w.random.IntN(6) == 0 {
		w.quiet = w.f.now.Add(time.Duration(w.random.IntN(24)) * time.Hour)
		w.lost = w.f.now.Add(billing.KeyLives + time.Hour)
	}
	for range 3000 {
		task := billing.Next(c, w.f.now)
		switch task.Do {
		case billing.DoNothing:
			return
		case billing.DoWait:
			w.wait(task.At)
		case billing.DoBegin:
			card := w.cards[w.random.IntN(len(w.cards))]
			w.decide(c, billing.Begin{Available: money.Amount(w.random.IntN(1100)), Method: method(card)})
		case billing.DoIntend:
			w.decide(c, billing.Intend{})
		case billing.DoSettle:
			w.decide(c, billing.Settle{})
		case billing.DoRelease:
			w.decide(c, billing.Release{})
		case billing.DoEscalate:
			w.decide(c, billing.Escalate{})
		default:
			input := processor.Do(w.Context(), w.witness, c, task)
			if unwanted && w.random.IntN(4) == 0 { // while the call was on its way
				w.decide(c, billing.Cancel{})
			}
			if w.random.IntN(10) > 0 { // or we crash before it is committed
				w.decide(c, input)
			}
		}
		if unwanted && w.random.IntN(6) == 0 {
			w.decide(c, billing.Cancel{})
		}
		w.notify(c)
	}
	w.witness.complain("invoice %s has no end: %+v", c.InvoiceID, c)
}

func (w *world) decide(c *billing.Collection, input billing.Input) {
	w.Helper()
	step, err := billing.Decide(*c, input, w.f.now)
	switch ledger.CodeOf(err) {
	case "":
		*c = step.Collection
	case billing.CodeInvoiceNotOpen:
	default:
		w.Fatalf("%T: %v", input, err)
	}
	for _, move := range step.Moves {
		if move.Kind == billing.MoveHold {
			c.HoldID = "hld_1"
		}
	}
}

// notify has some of what Stripe tells arrive, late, twice or never.
func (w *world) notify(c *billing.Collection) {
	w.Helper()
	if w.pool = append(w.pool, w.f.told()...); w.f.now.Before(w.lost) {
		w.pool = nil
	}
	w.random.Shuffle(len(w.pool), func(i, j int) { w.pool[i], w.pool[j] = w.pool[j], w.pool[i] })
	for n := w.random.IntN(3); n > 0 && len(w.pool) > 0; n-- {
		payload := w.pool[0]
		if w.random.IntN(2) == 0 || w.f.now.Before(w.outage) {
			w.pool = w.pool[1:]
			continue
		}
		event, err := w.adapter.Event(payload, sign(payload, testSecret, time.Now()))
		if err != nil {
			w.Fatalf("%s: %v", payload, err)
		}
		if event.Payment != nil && event.Payment.InvoiceID == c.InvoiceID {
			w.decide(c, event.Payment.Notice)
		}
		if w.random.IntN(4) > 0 { // or it comes again
			w.pool = w.pool[1:]
		}
	}
}

// inspect holds what the card was charged against the invoice, when customers have paid
// whatever they still can (laws S1 and S2).
func (w *world) inspect(c *billing.Collection) {
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	var want, got money.Amount
	if c.State == billing.Paid {
		want = c.Tender.Card
	}
	for _, a := range c.Attempts {
		if a.Outcome == billing.Credited {
			want += a.Amount
		}
	}
	for _, i := range w.f.intents {
		if i.metadata["billfold_invoice"] != c.InvoiceID {
			continue
		}
		if i.payable() {
			w.f.become(i, "succeeded")
		}
		got += money.Amount(i.received - w.f.returned(i.id, false))
	}
	if got != want {
		w.witness.complain("invoice %s is %s: the card was charged %d, want %d", c.InvoiceID, c.State, got, want)
	}
}

// walks walks invoices to their end until there is a complaint.
func walks(
	t *testing.T, seed uint64, count int, m mistake,
) (complaints []string, states map[billing.State]int, calls int) {
	t.Helper()
	w := newWorld(t, seed, m)
	states = map[billing.State]int{}
	for n := range count {
		c := billing.Collection{
			InvoiceID: fmt.Sprintf("inv_%d", n), Currency: "USD", Total: 1000, State: billing.Finalized,
			Policy: billing.Policy{
				Tender:  billing.TenderRules{CardMinimum: stripe.Minimum("USD"), Below: billing.LeaveInWallet},
				Retries: []time.Duration{12 * time.Hour, 72 * time.Hour}, ActionWithin: 24 * time.Hour,
				Late: []billing.LateSuccess{billing.LateRefund, billing.LateCredit}[w.random.IntN(2)],
			},
		}
		w.walk(&c)
		w.inspect(&c)
		states[c.State]++
		if len(w.witness.complaints) > 0 {
			break
		}
	}
	return w.witness.complaints, states, w.calls
}

func seed() uint64 {
	if *seedFlag != 0 {
		return *seedFlag
	}
	return rand.Uint64()
}

// TestWalks takes invoices to their end over a Stripe that loses answers.
func TestWalks(t *testing.T) {
	t.Parallel()
	seed := seed()
	complaints, states, calls := walks(t, seed, *walksFlag, mistake{})
	t.Logf("seed %d: %v after %d requests", seed, states, calls)
	for _, complaint := range complaints {
		t.Errorf("seed %d: %s", seed, complaint)
	}
}
