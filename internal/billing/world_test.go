package billing_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/money"
)

// engine is the rules, or mistaken ones.
type engine struct {
	next   func(*billing.Collection, time.Time) billing.Task
	decide func(billing.Collection, billing.Input, time.Time) (billing.Step, error)
}

func theRules() engine { return engine{billing.Next, billing.Decide} }

// world is one invoice with its customer's wallet and a card processor, without any
// process: what is in it survives a crash. It looks at the laws with every commit and
// keeps the first complaint.
type world struct {
	engine
	now       time.Time
	c         billing.Collection
	processor *processor
	complaint string

	balance money.Amount
	holds   map[string]money.Amount

	spent, credited money.Amount // captured and debited; of late payments and surpluses
	eventIDs        map[string]bool
	kinds           map[billing.EventKind]int
	states          map[billing.State]int
	ruled           map[int]bool // attempts that a person has said to be declined
	hasMethod       bool
}

const walletMinimum = 50

var worldBegins = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newWorld(e engine, policy billing.Policy, total, balance money.Amount) *world {
	w := &world{
		engine: e, now: worldBegins, balance: balance, hasMethod: true,
		holds: map[string]money.Amount{}, eventIDs: map[string]bool{}, ruled: map[int]bool{},
		kinds: map[billing.EventKind]int{}, states: map[billing.State]int{},
	}
	w.processor = &processor{w: w, keys: map[string]keyed{}, missed: map[string]bool{}}
	w.c = billing.Collection{InvoiceID: "inv_1", Currency: "USD", Total: total, Policy: policy, State: billing.Finalized}
	return w
}

func (w *world) complain(format string, args ...any) {
	if w.complaint == "" {
		w.complaint = fmt.Sprintf(format, args...)
	}
}

func (w *world) held() money.Amount {
	var sum money.Amount
	for _, amount := range w.holds {
		sum += amount
	}
	return sum
}

// commit decides and carries out what was decided, whole.
func (w *world) commit(input billing.Input) {
	before := w.c
	attempts := slices.Clone(before.Attempts)
	step, err := w.decide(w.c, input, w.now)
	again, _ := w.decide(w.c, input, w.now)
	if !slices.Equal(attempts, before.Attempts) {
		w.complain("a decision changed what it was given")
	}
	if !slices.Equal(step.Events, again.Events) || !slices.Equal(step.Moves, again.Moves) ||
		!slices.Equal(step.Collection.Attempts, again.Collection.Attempts) ||
		step.Collection.State != again.Collection.State {
		w.complain("decided twice, got %+v and %+v", step, again)
	}
	if err != nil {
		if _, cancel := input.(billing.Cancel); !cancel {
			w.complain("%T was refused: %v", input, err)
		}
		return
	}
	w.c = step.Collection
	for _, m := range step.Moves {
		w.carryOut(m)
	}
	w.checkStep(&before, &step)
	w.states[w.c.State]++
	for _, event := range step.Events {
		w.kinds[event.Kind]++
		if event.ID == "" || w.eventIDs[event.ID] {
			w.complain("event %q was there before", event.ID)
		}
		w.eventIDs[event.ID] = true
	}
}

// carryOut moves what a ledger would.
func (w *world) carryOut(m billing.Move) {
	if m.Amount <= 0 {
		w.complain("moves %d", m.Amount)
	}
	switch m.Kind {
	case billing.MoveHold:
		w.c.HoldID = fmt.Sprintf("hld_%d", w.c.Version)
		w.holds[w.c.HoldID] = m.Amount
	case billing.MoveCapture, billing.MoveRelease:
		if w.holds[m.HoldID] != m.Amount {
			w.complain("%s of %d of a hold of %d", m.Kind, m.Amount, w.holds[m.HoldID])
		}
		delete(w.holds, m.HoldID)
		if m.Kind == billing.MoveCapture {
			w.balance, w.spent = w.balance-m.Amount, w.spent+m.Amount
		}
	case billing.MoveDebit:
		w.balance, w.spent = w.balance-m.Amount, w.spent+m.Amount
	case billing.MoveCredit:
		w.balance, w.credited = w.balance+m.Amount, w.credited+m.Amount
	}
	if w.balance < w.held() {
		w.complain("O1: %d are held of %d", w.held(), w.balance)
	}
}

// checkStep looks at the laws of one commit.
func (w *world) checkStep(before *billing.Collection, step *billing.Step) {
	c := &step.Collection
	switch {
	case c.State != before.State && len(step.Events) == 0:
		w.complain("E1: %s became %s and no event tells of it", before.State, c.State)
	case len(step.Events)+len(step.Moves) > 0 && c.Version != before.Version+1:
		w.complain("version %d became %d", before.Version, c.Version)
	case before.State.Final() && c.State != before.State:
		w.complain("%s became %s", before.State, c.State)
	case len(w.holds) > 1, len(w.holds) == 1 && w.holds[w.c.HoldID] == 0,
		len(w.holds) == 1 && (c.State.Final() || c.State == billing.Finalized):
		w.complain("S5: %v are held in state %s for hold %q", w.holds, c.State, w.c.HoldID)
	}
	released := slices.ContainsFunc(step.Moves, func(m billing.Move) bool { return m.Kind == billing.MoveRelease })
	ended := c.State == billing.Finalized || c.State == billing.PastDue || c.State == billing.Void
	if released || ended || len(c.Attempts) > len(before.Attempts) {
		w.checkNothingIsCharged(c)
	}
}

// checkNothingIsCharged holds law S3: when a hold is released or another attempt
// begun, nothing that was begun at the processor can still be charged.
func (w *world) checkNothingIsCharged(c *billing.Collection) {
	for _, p := range w.processor.payments {
		k := attemptOf(p.key)
		if w.ruled[k] || k > len(c.Attempts) {
			continue
		}
		a := c.Attempts[k-1]
		stored := a.PaymentID == p.id
		late := a.Outcome == billing.Returning || a.Outcome == billing.Returned || a.Outcome == billing.Credited
		switch {
		case p.status == billing.ChargeSucceeded && !late && p.refunded == 0:
			w.complain("S3: payment %s was charged and its hold is released in state %s", p.key, c.State)
		case stored && p.status != billing.ChargeFailed && p.status != billing.ChargeSucceeded:
			w.complain("S3: payment %s is %s and its hold is released in state %s", p.key, p.status, c.State)
		}
	}
}

// checkEnd looks at the laws of a collection that has come to its end.
func (w *world) checkEnd() {
	var charged, used money.Amount
	var successes int
	for _, p := range w.processor.payments {
		charged += p.charged - p.refunded
		if p.status == billing.ChargeSucceeded && w.c.Attempts[attemptOf(p.key)-1].Outcome == billing.Succeeded {
			successes++
		}
	}
	if w.c.State == billing.Paid {
		used = w.c.Total
	}
	switch {
	case !w.c.State.Final():
		w.complain("it never ended, in state %s", w.c.State)
	case w.spent+charged-w.credited != used:
		w.complain("S1: %s with %d of the wallet and %d of the card, %d credited, want %d", w.c.State, w.spent, charged, w.credited, used)
	case successes > 1:
		w.complain("S2: %d card payments succeeded", successes)
	case len(w.holds) > 0:
		w.complain("S5: %v are held", w.holds)
	}
}

// attemptOf reads k from a key.
func attemptOf(key string) int {
	var k int
	parts := strings.Split(key, ":")
	_, _ = fmt.Sscan(parts[2], &k) // 0 is no attempt
	return k
}
