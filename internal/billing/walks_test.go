package billing_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/money"
)

var (
	walksFlag = flag.Int("walks", 100_000, "how many random walks the collection of an invoice takes")
	seedFlag  = flag.Uint64("walk-seed", 1, "seed of the random walks")
)

// walk is two workers, a person and a processor about one invoice, who do what a
// random number says. A call has its effect at once, or late, or never; its answer
// is committed when the worker gets to it, if it does not die.
type walk struct {
	*world
	random  *rand.Rand
	workers [2]worker
	late    []billing.Task // requests that a network still carries
	counts  *walkCounts
}

// worker is busy with a task while it has one.
type worker struct {
	task  billing.Task
	input billing.Input // the answer to a call, nil for a decision
	busy  bool
}

type walkCounts struct {
	does     map[billing.Do]int
	troubles map[trouble]int
	states   map[billing.State]int
	ends     map[billing.State]int
	kinds    map[billing.EventKind]int
	actions  int
}

const lateRequest trouble = "the request comes late"

var walkFates = []fate{
	good, good, {status: billing.ChargeFailed}, {status: billing.ChargeFailed}, {status: billing.ChargeFailed, hard: true},
	{status: billing.RequiresAction},
	{billing.RequiresAction, false, billing.ChargeSucceeded, time.Hour},
	{billing.RequiresAction, false, billing.ChargeFailed, 30 * time.Hour},
	{billing.RequiresAction, false, billing.Processing, time.Hour},
	{billing.Processing, false, billing.ChargeSucceeded, 5 * time.Minute},
	{billing.Processing, false, billing.ChargeSucceeded, 100 * time.Hour},
	{billing.Processing, false, billing.ChargeFailed, 20 * time.Hour},
}

func newWalk(e engine, seed, number uint64, counts *walkCounts) *walk {
	random := rand.New(rand.NewPCG(seed, number))
	policy := billing.Policy{
		Tender: billing.TenderRules{
			LeaveWallet: random.IntN(10) == 0, CardMinimum: walletMinimum,
			Below: []billing.BelowMinimum{billing.LeaveInWallet, billing.ChargeMinimum}[random.IntN(2)],
		},
		Retries:      []time.Duration{12 * time.Hour, 24 * time.Hour, 48 * time.Hour}[:random.IntN(4)],
		ActionWithin: 24 * time.Hour,
		Late:         []billing.LateSuccess{billing.LateRefund, billing.LateCredit}[random.IntN(2)],
	}
	total := money.Amount(random.IntN(300))
	balance := max(0, total+money.Amount(random.IntN(250))-200)
	w := &walk{world: newWorld(e, policy, total, balance), random: random, counts: counts}
	w.hasMethod = random.IntN(10) > 0
	for range 4 {
		w.processor.fates = append(w.processor.fates, walkFates[random.IntN(len(walkFates))])
	}
	return w
}

// run walks, then lets everything come to its end without further trouble.
func (w *walk) run() {
	for range 20 + w.random.IntN(40) {
		w.act()
		w.counts.actions++
		if w.complaint != "" {
			return
		}
	}
	w.workers = [2]worker{}
	w.hasMethod = true
	ended := false
	for range 400 {
		if ended = w.calm(); ended || w.complaint != "" {
			break
		}
	}
	if !ended {
		w.complain("there is always more to do")
	}
	w.checkEnd()
	w.counts.ends[w.c.State]++
	for state, times := range w.states {
		w.counts.states[state] += times
	}
	for kind, times := range w.kinds {
		w.counts.kinds[kind] += times
	}
}

// act does one thing.
func (w *walk) act() {
	w.processor.pass()
	switch draw := w.random.IntN(100); {
	case draw < 53:
		w.work(&w.workers[w.random.IntN(2)])
	case draw < 68:
		w.tell()
	case draw < 83:
		w.wait()
	case draw < 86 && len(w.late) > 0:
		task := w.late[0]
		w.late = w.late[1:]
		w.processor.missed[task.Key] = true // it may create what was created anew
		w.processor.call(task)
	case draw < 90:
		w.workers[w.random.IntN(2)] = worker{} // it dies
	case draw < 91:
		w.commit(billing.Cancel{})
	case draw < 92:
		w.commit(billing.Hurry{})
	case draw < 93:
		w.balance += money.Amount(w.random.IntN(100)) // a credit
	case draw < 95:
		w.balance -= money.Amount(w.random.Int64N(int64(w.balance-w.held()) + 1)) // a debit
	case draw < 96:
		w.hasMethod = !w.hasMethod
	case draw < 97:
		w.lie()
	default:
		w.rule()
	}
}

// work has a worker begin a task or finish it.
func (w *walk) work(by *worker) {
	if by.busy {
		w.finish(by)
		return
	}
	task := w.next(&w.c, w.now)
	w.counts.does[task.Do]++
	switch task.Do {
	case billing.DoNothing, billing.DoWait:
		return
	}
	*by = worker{task: task, busy: true}
	switch task.Do {
	case billing.DoBegin, billing.DoIntend, billing.DoSettle, billing.DoRelease, billing.DoEscalate:
	default:
		by.input = w.call(task)
	}
}

// finish commits what a worker has decided or was told.
func (w *walk) finish(by *worker) {
	input := by.input
	switch by.task.Do {
	case billing.DoBegin:
		input = w.beginning()
	case billing.DoIntend:
		input = billing.Intend{}
	case billing.DoSettle:
		input = billing.Settle{}
	case billing.DoRelease:
		input = billing.Release{}
	case billing.DoEscalate:
		input = billing.Escalate{}
	}
	by.busy = false
	w.commit(input)
}

// call is a call with or without trouble.
func (w *walk) call(task billing.Task) billing.Input {
	var what trouble
	switch w.random.IntN(12) {
	case 0:
		what = requestLost
	case 1:
		what = replyLost
		w.processor.call(task)
	case 2:
		what = lateRequest
		w.late = append(w.late, task)
	case 3:
		what = refused
		w.counts.troubles[what]++
		return billing.NotReached{Attempt: task.Attempt}
	case 4:
		if task.Do == billing.DoSearch {
			w.processor.missed[task.Key] = true // the index is late
			return billing.NotFound{Attempt: task.Attempt, IntendedAt: task.IntendedAt}
		}
		return w.processor.call(task)
	default:
		return w.processor.call(task)
	}
	w.counts.troubles[what]++
	return billing.Silence{Attempt: task.Attempt}
}

// tell delivers any notification, perhaps not for the last time, or loses it.
func (w *walk) tell() {
	notices := w.processor.notices
	if len(notices) == 0 {
		return
	}
	i := w.random.IntN(len(notices))
	notice := notices[i]
	if w.random.IntN(3) > 0 {
		w.processor.notices = append(notices[:i:i], notices[i+1:]...)
	}
	if w.random.IntN(5) > 0 {
		w.commit(notice)
	}
}

// wait lets time pass: until something is due, or for as long as comes to mind.
func (w *walk) wait() {
	task := w.next(&w.c, w.now)
	switch {
	case w.random.IntN(2) == 0:
		w.now = w.now.Add([]time.Duration{time.Second, time.Minute, time.Hour, 25 * time.Hour}[w.random.IntN(4)])
	case task.Do == billing.DoWait:
		w.now = task.At
	}
	w.processor.pass()
}

// lie tells of a success with an amount that we never asked for.
func (w *walk) lie() {
	if k := len(w.c.Attempts); k > 0 {
		a := w.c.Attempts[k-1]
		report := billing.Report{PaymentID: "pi_lie", Status: billing.ChargeSucceeded, Amount: a.Amount + 1, Currency: "USD"}
		if a.PaymentID != "" {
			report.PaymentID = a.PaymentID
		}
		w.commit(billing.Notice{Attempt: k, Report: report})
	}
}

// rule has a person say of an attempt, after they were told of it, that it failed.
// They may be wrong.
func (w *walk) rule() {
	k := len(w.c.Attempts)
	if k == 0 || !w.c.Attempts[k-1].Escalated || w.c.Attempts[k-1].Outcome != billing.Open {
		return
	}
	a := w.c.Attempts[k-1]
	w.ruled[k] = true
	w.commit(billing.Answer{Attempt: k, Report: billing.Report{
		PaymentID: a.PaymentID, Status: billing.ChargeFailed, Amount: a.Amount, Currency: "USD",
	}})
}

// calm does the next thing without trouble, and says whether there is none. The
// processor tells the truth of every payment when nothing else is left to be done.
func (w *walk) calm() (done bool) {
	w.processor.pass()
	w.processor.notices = nil
	task := w.next(&w.c, w.now)
	switch task.Do {
	case billing.DoNothing, billing.DoWait:
		at := task.At
		if soonest := w.processor.soonest(); task.Do == billing.DoNothing || !soonest.IsZero() && soonest.Before(at) {
			at = soonest
		}
		if !at.IsZero() {
			w.now = at
			return false
		}
		for _, p := range w.processor.payments {
			w.commit(billing.Notice{Attempt: attemptOf(p.key), Report: w.processor.report(p)})
		}
		return w.next(&w.c, w.now).Do == billing.DoNothing
	case billing.DoBegin, billing.DoIntend, billing.DoSettle, billing.DoRelease, billing.DoEscalate:
		w.finish(&worker{task: task})
	default:
		w.commit(w.processor.call(task))
	}
	return false
}

// allWalks takes random walks until one is wrong.
func allWalks(e engine, seed uint64, walks int) (counts *walkCounts, complaint string) {
	counts = &walkCounts{
		does: map[billing.Do]int{}, troubles: map[trouble]int{}, states: map[billing.State]int{},
		ends: map[billing.State]int{}, kinds: map[billing.EventKind]int{},
	}
	for number := range walks {
		w := newWalk(e, seed, uint64(number), counts)
		w.run()
		if w.complaint != "" {
			return counts, fmt.Sprintf("walk %d of seed %d: %s", number, seed, w.complaint)
		}
	}
	return counts, ""
}

// TestWalks takes random walks with two workers, lost, late and doubled messages,
// deaths, clocks, other entries in the wallet, wishes to cancel and wrong rulings.
func TestWalks(t *testing.T) {
	t.Parallel()
	counts, complaint := allWalks(theRules(), *seedFlag, *walksFlag)
	if complaint != "" {
		t.Errorf("%s; again by: go test ./internal/billing -run TestWalks -walk-seed=%d", complaint, *seedFlag)
	}
	t.Logf("seed %d: %d walks of %d actions\ntasks %v\ntroubles %v\nstates %v\nends %v\nevents %v",
		*seedFlag, *walksFlag, counts.actions, counts.does, counts.troubles, counts.states, counts.ends, counts.kinds)
	for _, do := range []billing.Do{
		billing.DoNothing, billing.DoWait, billing.DoBegin, billing.DoIntend, billing.DoSettle, billing.DoRelease, billing.DoEscalate,
		billing.DoCreate, billing.DoConfirm, billing.DoLookUp, billing.DoSearch, billing.DoCancel, billing.DoReturn,
	} {
		if counts.does[do] < 100 {
			t.Errorf("task %s came %d times, want 100", do, counts.does[do])
		}
	}
	for _, state := range []billing.State{
		billing.Finalized, billing.WalletHeld, billing.CardIntended, billing.CardCreated, billing.CardUnknown,
		billing.CardDeclined, billing.CardOK, billing.Paid, billing.PastDue, billing.Void,
	} {
		if counts.states[state] < 100 {
			t.Errorf("state %s came %d times, want 100", state, counts.states[state])
		}
	}
	for _, kind := range []billing.EventKind{
		billing.EventLate, billing.EventReturned, billing.EventQuarantined, billing.EventVoidAsked,
	} {
		if counts.kinds[kind] < 100 {
			t.Errorf("event %s came %d times, want 100", kind, counts.kinds[kind])
		}
	}
}
