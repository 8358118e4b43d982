package billing_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/billing"
)

// mistake is the rules with one thing wrong, as other systems have shipped it.
type mistake struct {
	name   string
	engine engine
}

// nextMistakes do something else than what is next.
func nextMistakes() []mistake {
	next := func(change func(*billing.Task, *billing.Collection, time.Time)) engine {
		e := theRules()
		e.next = func(c *billing.Collection, now time.Time) billing.Task {
			task := billing.Next(c, now)
			change(&task, c, now)
			return task
		}
		return e
	}
	return []mistake{
		{"each call to create has a key of its own", next(func(task *billing.Task, _ *billing.Collection, now time.Time) {
			if task.Do == billing.DoCreate {
				task.Key += fmt.Sprint(":", now.Unix())
			}
		})},
		{"an invoice has one key for ever", next(func(task *billing.Task, c *billing.Collection, _ time.Time) {
			if task.Do == billing.DoCreate {
				task.Key = c.Key(1)
			}
		})},
		{"a payment is created anew when its key may be forgotten", next(func(task *billing.Task, _ *billing.Collection, _ time.Time) {
			if task.Do == billing.DoSearch {
				task.Do = billing.DoCreate
			}
		})},
		{"what is unknown is not looked up", next(func(task *billing.Task, _ *billing.Collection, _ time.Time) {
			if task.Do == billing.DoLookUp {
				task.Do = billing.DoNothing
			}
		})},
		{"what came too late is not given back", next(func(task *billing.Task, _ *billing.Collection, _ time.Time) {
			if task.Do == billing.DoReturn {
				task.Do = billing.DoNothing
			}
		})},
	}
}

// inputMistakes take something for something else.
func inputMistakes() []mistake {
	input := func(change func(billing.Collection, billing.Input) billing.Input) engine {
		e := theRules()
		e.decide = func(c billing.Collection, in billing.Input, now time.Time) (billing.Step, error) {
			return billing.Decide(c, change(c, in), now)
		}
		return e
	}
	failed := func(c billing.Collection, k int) billing.Input {
		return billing.Answer{Attempt: k, Report: billing.Report{
			PaymentID: c.Attempts[k-1].PaymentID, Status: billing.ChargeFailed, Amount: c.Attempts[k-1].Amount, Currency: c.Currency,
		}}
	}
	return []mistake{
		{"a time-out is a decline", input(func(c billing.Collection, in billing.Input) billing.Input {
			if silence, ok := in.(billing.Silence); ok {
				return failed(c, silence.Attempt)
			}
			return in
		})},
		{"processing is as good as paid", input(func(_ billing.Collection, in billing.Input) billing.Input {
			if answer, ok := in.(billing.Answer); ok && answer.Status == billing.Processing {
				answer.Status = billing.ChargeSucceeded
				return answer
			}
			return in
		})},
		{"what is unknown for three days has failed", input(func(c billing.Collection, in billing.Input) billing.Input {
			if _, ok := in.(billing.Escalate); ok && len(c.Attempts) > 0 {
				return failed(c, len(c.Attempts))
			}
			return in
		})},
		{"a customer who has to authenticate has been declined", input(func(_ billing.Collection, in billing.Input) billing.Input {
			if answer, ok := in.(billing.Answer); ok && answer.Status == billing.RequiresAction {
				answer.Status = billing.ChargeFailed
				return answer
			}
			return in
		})},
		{"the amount that the processor names is not compared", input(func(c billing.Collection, in billing.Input) billing.Input {
			if notice, ok := in.(billing.Notice); ok && notice.Attempt <= len(c.Attempts) {
				notice.Amount = c.Attempts[notice.Attempt-1].Amount
				return notice
			}
			return in
		})},
		{"notifications are about the current attempt", input(func(c billing.Collection, in billing.Input) billing.Input {
			if notice, ok := in.(billing.Notice); ok {
				notice.Attempt = len(c.Attempts)
				if notice.Attempt > 0 {
					notice.PaymentID, notice.Amount = c.Attempts[notice.Attempt-1].PaymentID, c.Attempts[notice.Attempt-1].Amount
				}
				return notice
			}
			return in
		})},
	}
}

// stepMistakes commit something else than what was decided.
func stepMistakes() []mistake {
	step := func(change func(before *billing.Collection, in billing.Input, step *billing.Step)) engine {
		e := theRules()
		e.decide = func(c billing.Collection, in billing.Input, now time.Time) (billing.Step, error) {
			step, err := billing.Decide(c, in, now)
			change(&c, in, &step)
			return step, err
		}
		return e
	}
	without := func(kind billing.MoveKind) engine {
		return step(func(_ *billing.Collection, _ billing.Input, s *billing.Step) {
			s.Moves = slices.DeleteFunc(s.Moves, func(m billing.Move) bool { return m.Kind == kind })
		})
	}
	return []mistake{
		{"the hold stays after a decline", without(billing.MoveRelease)},
		{"a surplus and a late success are kept", without(billing.MoveCredit)},
		{"the wallet's part is never captured", without(billing.MoveCapture)},
		{"a time-out begins the next attempt", step(func(_ *billing.Collection, in billing.Input, s *billing.Step) {
			if _, ok := in.(billing.Silence); ok && s.Collection.State == billing.CardUnknown {
				s.Collection.State = billing.WalletHeld
			}
		})},
		{"a cancelled invoice is void at once", step(func(_ *billing.Collection, in billing.Input, s *billing.Step) {
			if _, ok := in.(billing.Cancel); ok && s.Collection.VoidAsked && s.Collection.State != billing.Void {
				if s.Collection.HoldID != "" {
					s.Moves = append(s.Moves, billing.Move{
						Kind: billing.MoveRelease, Amount: s.Collection.Tender.Wallet, HoldID: s.Collection.HoldID,
					})
				}
				s.Collection.State, s.Collection.HoldID = billing.Void, ""
			}
		})},
		{"a success after the end is forgotten", step(func(before *billing.Collection, _ billing.Input, s *billing.Step) {
			if before.State.Final() {
				s.Collection, s.Moves, s.Events = *before, nil, nil
			}
		})},
		{"a success that is told twice is booked twice", step(func(before *billing.Collection, in billing.Input, s *billing.Step) {
			notice, ok := in.(billing.Notice)
			if ok && notice.Status == billing.ChargeSucceeded && before.State == billing.Paid && before.Tender.Wallet > 0 {
				s.Moves = append(s.Moves, billing.Move{Kind: billing.MoveDebit, Amount: before.Tender.Wallet})
			}
		})},
		{"the minimum is not looked at", step(func(before *billing.Collection, in billing.Input, s *billing.Step) {
			if _, ok := in.(billing.Begin); ok {
				free := *before
				free.Policy.Tender.CardMinimum = 0
				again, err := billing.Decide(free, in, worldBegins.AddDate(10, 0, 0))
				if err == nil {
					*s = again
				}
			}
		})},
		{"nobody is told that an outcome is unknown", step(func(_ *billing.Collection, _ billing.Input, s *billing.Step) {
			if s.Collection.State == billing.CardUnknown {
				s.Events = nil
			}
		})},
		{"events are numbered by the attempt", step(func(_ *billing.Collection, _ billing.Input, s *billing.Step) {
			for i := range s.Events {
				s.Events[i].ID = s.Collection.Key(s.Events[i].Attempt)
			}
		})},
		{"a decision changes what it was given", step(func(before *billing.Collection, _ billing.Input, _ *billing.Step) {
			if n := len(before.Attempts); n > 0 {
				before.Attempts[n-1].Looks++
			}
		})},
	}
}

// TestMistakesAreNoticed plants each mistake and wants a cell or a walk to complain.
func TestMistakesAreNoticed(t *testing.T) {
	t.Parallel()
	for _, m := range slices.Concat(nextMistakes(), inputMistakes(), stepMistakes()) {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			_, _, complaint := allCells(m.engine)
			if complaint == "" {
				_, _, complaint = cancelledCells(m.engine)
			}
			if complaint == "" {
				_, complaint = allWalks(m.engine, 1, 20_000)
			}
			if complaint == "" {
				t.Error("no cell and none of 20,000 walks notices it")
			}
			t.Log(complaint)
		})
	}
}
