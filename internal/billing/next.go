package billing

import (
	"time"

	"github.com/billfold/billfold/internal/money"
)

// Do is what is to be done about a collection.
type Do string

// What is to be done. The first group are decisions, each one commit; the second
// are calls of the processor, each followed by the decision about its answer.
const (
	DoNothing  Do = "nothing"  // it is final
	DoWait     Do = "wait"     // until Task.At
	DoBegin    Do = "begin"    // decide [Begin]
	DoIntend   Do = "intend"   // decide [Intend]
	DoSettle   Do = "settle"   // decide [Settle]
	DoRelease  Do = "release"  // decide [Release]
	DoEscalate Do = "escalate" // decide [Escalate]

	DoCreate  Do = "create"  // create a payment under Key, without confirming it
	DoConfirm Do = "confirm" // confirm PaymentID
	DoLookUp  Do = "look_up" // look PaymentID up
	DoSearch  Do = "search"  // look for the payment that has Key in its metadata
	DoCancel  Do = "cancel"  // cancel PaymentID
	DoReturn  Do = "return"  // refund all of PaymentID under Key
)

// Task is the next thing to do. Whatever a call needs is in it and was stored
// before.
type Task struct {
	Do        Do
	Attempt   int    // k, 0 where it is about none
	Key       string // the idempotency key, which a created payment also has in its metadata
	PaymentID string
	Method    string
	Amount    money.Amount

	IntendedAt time.Time // of the attempt, for [NotFound]
	At         time.Time // of DoWait
}

// Next says what is to be done about a collection at a time. It is the same whether
// the collection was just committed or is found again after a crash.
//
// A payment is confirmed by its id alone, without a key: the same payment cannot be
// charged twice, and a processor that keeps answers by key would repeat one that was
// not definite.
func Next(c *Collection, now time.Time) Task {
	wait := Task{Do: DoNothing}
	for i := range c.Attempts {
		a := &c.Attempts[i]
		if a.Outcome != Returning {
			continue
		}
		if !now.Before(a.ReturnAt) {
			task := c.task(DoReturn, a)
			task.Key = c.ReturnKey(a.Number)
			return task
		}
		wait = sooner(wait, a.ReturnAt)
	}
	if c.State.Final() {
		return wait
	}
	if at, ok := c.escalateAt(); ok {
		if !now.Before(at) {
			return c.task(DoEscalate, c.attempt())
		}
		wait = sooner(wait, at)
	}
	if now.Before(c.DueAt) {
		return sooner(wait, c.DueAt)
	}
	switch c.State {
	case Finalized:
		return Task{Do: DoBegin}
	case WalletHeld:
		return Task{Do: DoIntend}
	case CardDeclined:
		return Task{Do: DoRelease}
	case CardOK:
		return Task{Do: DoSettle}
	}
	return c.nextOfCard(c.attempt(), now)
}

// nextOfCard is what is to be done about an open attempt.
func (c *Collection) nextOfCard(a *Attempt, now time.Time) Task {
	expired := !a.ActionBy.IsZero() && !now.Before(a.ActionBy)
	switch {
	case a.PaymentID == "" && now.Before(a.IntendedAt.Add(KeyLives)):
		return c.task(DoCreate, a)
	case a.PaymentID == "":
		return c.task(DoSearch, a)
	case c.State == CardUnknown:
		return c.task(DoLookUp, a)
	case c.VoidAsked || expired:
		return c.task(DoCancel, a)
	case a.Progress == RequiresAction:
		return c.task(DoLookUp, a)
	}
	return c.task(DoConfirm, a)
}

func (c *Collection) task(do Do, a *Attempt) Task {
	return Task{
		Do: do, Attempt: a.Number, Key: c.Key(a.Number), PaymentID: a.PaymentID, Method: a.Method, Amount: a.Amount,
		IntendedAt: a.IntendedAt,
	}
}

// sooner waits until a time, or as long as was waited already.
func sooner(wait Task, at time.Time) Task {
	if wait.Do == DoWait && wait.At.Before(at) {
		return wait
	}
	return Task{Do: DoWait, At: at}
}
