package billing_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/billing"
)

// crash is a place at which the process dies: about what it does, and when.
type crash struct {
	do    billing.Do
	stage stage
}

// stage is a moment of a task.
type stage string

const (
	beforeCall   stage = "before the call"
	beforeReply  stage = "before the reply"
	beforeCommit stage = "before the commit"
	afterCommit  stage = "after the commit"
)

// crashPoints are all moments of an invoice that wallet and card pay. Of settling and
// releasing every collection meets one.
var crashPoints = []crash{
	{billing.DoBegin, beforeCommit}, {billing.DoBegin, afterCommit},
	{billing.DoIntend, beforeCommit}, {billing.DoIntend, afterCommit},
	{billing.DoCreate, beforeCall}, {billing.DoCreate, beforeReply},
	{billing.DoCreate, beforeCommit}, {billing.DoCreate, afterCommit},
	{billing.DoConfirm, beforeCall}, {billing.DoConfirm, beforeReply},
	{billing.DoConfirm, beforeCommit}, {billing.DoConfirm, afterCommit},
	{billing.DoSettle, beforeCommit}, {billing.DoSettle, afterCommit},
}

// trouble is what happens to a call on its way.
type trouble string

const (
	requestLost trouble = "the request is lost"
	replyLost   trouble = "the reply is lost"
	refused     trouble = "it is refused without effect"
)

// outcome is what comes of the first attempt. Every later one succeeds.
type outcome struct {
	name    string
	do      billing.Do // the call that has trouble, empty: none has
	trouble trouble
	lasts   time.Duration // how long, and 0 for once
	fate    fate
	ends    billing.State
	tries   int
}

var good = fate{status: billing.ChargeSucceeded}

var outcomes = []outcome{
	{"it succeeds", "", "", 0, good, billing.Paid, 0},
	{"it is declined", "", "", 0, fate{status: billing.ChargeFailed}, billing.Paid, 1},
	{"it is declined for good", "", "", 0, fate{status: billing.ChargeFailed, hard: true}, billing.PastDue, 1},
	{"the customer authenticates", "", "", 0, fate{billing.RequiresAction, false, billing.ChargeSucceeded, time.Hour}, billing.Paid, 0},
	{"the customer fails to", "", "", 0, fate{billing.RequiresAction, false, billing.ChargeFailed, time.Hour}, billing.Paid, 1},
	{"the customer does nothing", "", "", 0, fate{status: billing.RequiresAction}, billing.Paid, 1},
	{"it succeeds after four days", "", "", 0, fate{billing.Processing, false, billing.ChargeSucceeded, 96 * time.Hour}, billing.Paid, 0},
	{"it fails after two hours", "", "", 0, fate{billing.Processing, false, billing.ChargeFailed, 2 * time.Hour}, billing.Paid, 1},
	{"the creation's request is lost", billing.DoCreate, requestLost, 0, good, billing.Paid, 0},
	{"the creation's reply is lost", billing.DoCreate, replyLost, 0, good, billing.Paid, 0},
	{"no creation is answered until its key is forgotten", billing.DoCreate, replyLost, 30 * time.Hour, good, billing.Paid, 0},
	{"the confirmation's request is lost", billing.DoConfirm, requestLost, 0, good, billing.Paid, 0},
	{"the confirmation's reply is lost", billing.DoConfirm, replyLost, 0, good, billing.Paid, 0},
	{"the confirmation is not answered, and is declined later", billing.DoConfirm, replyLost, 0, fate{billing.Processing, false, billing.ChargeFailed, 3 * time.Hour}, billing.Paid, 1},
}

// order is how notifications come.
type order string

var orders = []order{"none comes", "in order", "each twice, in reverse, at the end", "before the reply to what caused them, and again after"}

// cell is one case: where the process dies, what the processor does, and how it tells.
type cell struct {
	engine  engine
	crash   crash
	outcome outcome
	order   order

	// cancelAt is before which step a person wishes the invoice void, -1 for never.
	cancelAt int

	w       *world
	crashed bool
	failing time.Time // until when calls have trouble
	told    []billing.Notice
}

func (c *cell) String() string {
	return fmt.Sprintf("%s: crash %s of %s; notifications: %s; cancelled at %d", c.outcome.name, c.crash.stage, c.crash.do, c.order, c.cancelAt)
}

var cellPolicy = billing.Policy{
	Tender:       billing.TenderRules{CardMinimum: walletMinimum, Below: billing.LeaveInWallet},
	Retries:      []time.Duration{12 * time.Hour, 24 * time.Hour},
	ActionWithin: 24 * time.Hour,
	Late:         billing.LateRefund,
}

// run carries the cell out and returns the world at its end.
func (c *cell) run() *world {
	policy := cellPolicy
	c.w = newWorld(c.engine, policy, 1000, 970)
	c.w.processor.fates = []fate{c.outcome.fate}
	const steps = 300
	ended := false
	for step := 0; step < steps && !ended && c.w.complaint == ""; step++ {
		if step == c.cancelAt {
			c.w.commit(billing.Cancel{})
		}
		ended = c.step()
	}
	if !ended {
		c.w.complain("there is always more to do, in state %s", c.w.c.State)
	}
	c.w.checkEnd()
	return c.w
}

// step does the next thing, and says whether there is none.
func (c *cell) step() (done bool) {
	w := c.w
	w.processor.pass()
	task := w.next(&w.c, w.now)
	switch task.Do {
	case billing.DoNothing, billing.DoWait:
		if c.order == orders[2] {
			c.tellInReverse()
		}
		if again := w.next(&w.c, w.now); again.Do != task.Do {
			return false
		}
		at := task.At
		if soonest := w.processor.soonest(); task.Do == billing.DoNothing || !soonest.IsZero() && soonest.Before(at) {
			at = soonest
		}
		if at.IsZero() {
			return true
		}
		w.now = at
		w.processor.pass()
		c.tell()
		return false
	}
	c.carryOut(task)
	c.tell()
	return false
}

// carryOut does a task, or dies on the way.
func (c *cell) carryOut(task billing.Task) {
	var input billing.Input
	switch task.Do {
	case billing.DoBegin:
		input = c.w.beginning()
	case billing.DoIntend:
		input = billing.Intend{}
	case billing.DoSettle:
		input = billing.Settle{}
	case billing.DoRelease:
		input = billing.Release{}
	case billing.DoEscalate:
		input = billing.Escalate{}
	default:
		if c.dies(task.Do, beforeCall) {
			return
		}
		input = c.call(task)
		if c.order == orders[3] {
			c.told = append(c.told, c.w.processor.notices...)
			c.tellAll()
		}
		if c.dies(task.Do, beforeReply) {
			return
		}
	}
	if c.dies(task.Do, beforeCommit) {
		return
	}
	c.w.commit(input)
	c.dies(task.Do, afterCommit)
}

// beginning is what a transaction that begins a try sees.
func (w *world) beginning() billing.Begin {
	method := ""
	if w.hasMethod {
		method = "pm_1"
	}
	return billing.Begin{Available: w.balance - w.held(), Method: method}
}

// dies reports whether the process dies here: once, and comes back after a minute.
func (c *cell) dies(do billing.Do, at stage) bool {
	if do == billing.DoRelease {
		do = billing.DoSettle
	}
	if c.crashed || c.crash != (crash{do, at}) {
		return false
	}
	c.crashed = true
	c.w.now = c.w.now.Add(time.Minute)
	return true
}

// call is a call with the outcome's trouble.
func (c *cell) call(task billing.Task) billing.Input {
	o := c.outcome
	if task.Attempt != 1 || o.do == "" || c.failing.IsZero() && task.Do != o.do {
		return c.w.processor.call(task)
	}
	first := c.failing.IsZero()
	if first {
		c.failing = c.w.now.Add(o.lasts)
	}
	if !first && !c.w.now.Before(c.failing) {
		return c.w.processor.call(task)
	}
	if o.trouble == replyLost {
		c.w.processor.call(task)
	}
	return billing.Silence{Attempt: task.Attempt}
}

// tell delivers what the order has delivered as it comes.
func (c *cell) tell() {
	switch c.order {
	case orders[0]:
		c.w.processor.notices = nil
	case orders[1]:
		c.tellAll()
	case orders[3]:
		c.tellAll()
		for _, notice := range c.told {
			c.w.commit(notice)
		}
		c.told = nil
	}
}

func (c *cell) tellAll() {
	notices := c.w.processor.notices
	c.w.processor.notices = nil
	for _, notice := range notices {
		c.w.commit(notice)
	}
}

func (c *cell) tellInReverse() {
	notices := c.w.processor.notices
	c.w.processor.notices = nil
	for i := len(notices) - 1; i >= 0; i-- {
		c.w.commit(notices[i])
		c.w.commit(notices[i])
	}
}

// allCells runs every cell until one is wrong, and returns how many it ran.
func allCells(e engine) (ran int, states map[billing.State]int, complaint string) {
	states = map[billing.State]int{}
	for _, point := range crashPoints {
		for _, out := range outcomes {
			for _, way := range orders {
				c := &cell{engine: e, crash: point, outcome: out, order: way, cancelAt: -1}
				w := c.run()
				ran++
				for state, times := range w.states {
					states[state] += times
				}
				switch {
				case w.complaint != "":
				case !c.crashed:
					w.complain("the process never died")
				case w.c.State != out.ends || w.c.Tries != out.tries:
					w.complain("got %s after %d failed tries, want %s after %d", w.c.State, w.c.Tries, out.ends, out.tries)
				}
				if w.complaint != "" {
					return ran, states, fmt.Sprintf("%v: %s", c, w.complaint)
				}
			}
		}
	}
	return ran, states, ""
}

// TestCells is every crash point with every outcome and every order of notifications.
func TestCells(t *testing.T) {
	t.Parallel()
	ran, states, complaint := allCells(theRules())
	if complaint != "" {
		t.Error(complaint)
	}
	if ran != 784 {
		t.Errorf("ran %d cells, want 784", ran)
	}
	t.Logf("%d cells, states entered: %v", ran, states)
}

// cancelledCells wishes the invoice void before each step of every outcome.
func cancelledCells(e engine) (ran int, ends map[billing.State]int, complaint string) {
	ends = map[billing.State]int{}
	for _, out := range outcomes {
		for _, way := range orders {
			for at := range 24 {
				c := &cell{engine: e, crash: crash{billing.DoSettle, beforeCommit}, outcome: out, order: way, cancelAt: at}
				w := c.run()
				ran++
				ends[w.c.State]++
				if w.complaint == "" && w.c.VoidAsked && w.c.State != billing.Void {
					w.complain("it was to be void and is %s", w.c.State)
				}
				if w.complaint != "" {
					return ran, ends, fmt.Sprintf("%v: %s", c, w.complaint)
				}
			}
		}
	}
	return ran, ends, ""
}

// TestCancelledCells ends with a void invoice and nothing charged, or with one that was
// paid before.
func TestCancelledCells(t *testing.T) {
	t.Parallel()
	ran, ends, complaint := cancelledCells(theRules())
	if complaint != "" {
		t.Error(complaint)
	}
	t.Logf("%d cells, ends: %v", ran, ends)
	if ends[billing.Void] < 100 || ends[billing.Paid] < 100 {
		t.Errorf("ends: got %v, want a hundred void and a hundred paid at least", ends)
	}
}
