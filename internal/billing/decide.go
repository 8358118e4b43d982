package billing

import (
	"fmt"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// Decide says what becomes of a collection when something happens to it. It is
// total: what comes too late, twice, or from a worker that lost a race changes
// nothing. It refuses the wish to cancel what is paid or past due, and a total or an
// available amount that cannot be.
//
//	finalized ─ begin ─► wallet_held ─ intend ─► card_intended ─► card_created ─► card_ok ─ settle ─► paid
//	    ▲   └─ the wallet pays all: paid ───┐         └──── no answer ────┤           ▲
//	    └─ release ── card_declined ◄───────┼───────────── card_unknown ◄─┴───────────┘
//
// A hold is released after a definite decline and before anything is at the
// processor, at no other time (law S3).
func Decide(c Collection, input Input, now time.Time) (Step, error) {
	c.Attempts = slices.Clone(c.Attempts)
	d := decision{Step: Step{Collection: c}, now: now, before: c.State}
	var err error
	switch input := input.(type) {
	case Begin:
		err = d.begin(input)
	case Intend:
		d.intend()
	case Answer:
		d.answer(input.Attempt, input.Report, false)
	case Notice:
		d.answer(input.Attempt, input.Report, true)
	case Silence:
		d.silence(input.Attempt)
	case NotReached:
		if a := d.open(input.Attempt); a != nil {
			d.postpone(a)
		} else {
			d.postponeReturn(input.Attempt)
		}
	case NotFound:
		d.notFound(input)
	case Settle:
		d.settle(input.Refused)
	case Release:
		d.release()
	case Escalate:
		d.escalate()
	case Cancel:
		err = d.cancel()
	case Hurry:
		d.hurry()
	case ReturnDone:
		d.returnDone(input.Attempt)
	}
	if err != nil || !d.changed {
		return Step{Collection: c}, err
	}
	d.Collection.Version++
	for i := range d.Events {
		d.Events[i].ID = fmt.Sprintf("%s:%d:%d", c.InvoiceID, d.Collection.Version, i)
	}
	return d.Step, nil
}

// decision is a step that is being made.
type decision struct {
	Step
	now     time.Time
	before  State
	changed bool
}

// enter goes into a state, with the event that tells of it. Something is to be done
// there at once.
func (d *decision) enter(state State, kind EventKind, attempt int, amount money.Amount) {
	d.Collection.State, d.Collection.DueAt = state, time.Time{}
	d.tell(kind, attempt, amount)
}

func (d *decision) tell(kind EventKind, attempt int, amount money.Amount) {
	d.Events = append(d.Events, Event{Kind: kind, Attempt: attempt, Amount: amount, At: d.now})
	d.changed = true
}

func (d *decision) move(kind MoveKind, amount money.Amount) {
	if amount == 0 {
		return
	}
	m := Move{Kind: kind, Amount: amount}
	if kind == MoveCapture || kind == MoveRelease {
		m.HoldID, d.Collection.HoldID = d.Collection.HoldID, ""
	}
	d.Moves = append(d.Moves, m)
}

func (d *decision) begin(b Begin) error {
	c := &d.Collection
	if c.State != Finalized || d.now.Before(c.DueAt) {
		return nil
	}
	if !c.MethodBy.IsZero() && !d.now.Before(c.MethodBy) {
		d.methodMissed()
		return nil
	}
	tender, err := PlanTender(c.Total, b.Available, c.Policy.Tender)
	if err == nil && tender.Card > 0 && b.Method == "" && c.Policy.MethodWithin > 0 {
		d.awaitMethod()
		return nil
	}
	if ledger.CodeOf(err) == CodeBelowMinimum || err == nil && tender.Card > 0 && b.Method == "" {
		d.endTry(false)
		return nil
	}
	if err != nil {
		return err
	}
	c.Tender = tender
	if tender.Card == 0 {
		// Nothing is held, because nothing is waited for.
		d.move(MoveDebit, tender.Wallet)
		d.enter(Paid, EventPaid, 0, c.Total)
		return nil
	}
	c.Method = b.Method
	d.move(MoveHold, tender.Wallet)
	d.enter(WalletHeld, EventWalletHeld, 0, tender.Wallet)
	return nil
}

// awaitMethod has a payment method waited for.
func (d *decision) awaitMethod() {
	c := &d.Collection
	if c.MethodBy.IsZero() {
		c.MethodBy = d.now.Add(c.Policy.MethodWithin)
		d.tell(EventMethodAwaited, 0, c.Total)
	}
	c.DueAt = c.MethodBy
	d.changed = true
}

// methodMissed ends the wait for a payment method. Nobody expects any more that the wallet
// pays.
func (d *decision) methodMissed() {
	c := &d.Collection
	if c.Tries > 0 {
		d.enter(PastDue, EventPastDue, 0, c.Total)
		return
	}
	d.enter(Void, EventVoid, 0, c.Total)
}

func (d *decision) intend() {
	c := &d.Collection
	if c.State != WalletHeld {
		return
	}
	k := len(c.Attempts) + 1
	c.Attempts = append(c.Attempts, Attempt{
		Number: k, Amount: c.Tender.Card, Method: c.Method, IntendedAt: d.now, BeganAt: d.now, Outcome: Open,
	})
	d.enter(CardIntended, EventIntended, k, c.Tender.Card)
}

// open returns attempt k if it is the open one.
func (d *decision) open(k int) *Attempt {
	c := &d.Collection
	if len(c.Attempts) == 0 || k != len(c.Attempts) || c.attempt().Outcome != Open {
		return nil
	}
	return c.attempt()
}

// answer takes what the processor says of attempt k.
func (d *decision) answer(k int, r Report, unasked bool) {
	c := &d.Collection
	if k < 1 || k > len(c.Attempts) {
		return
	}
	a := &c.Attempts[k-1]
	other := a.PaymentID != "" && r.PaymentID != a.PaymentID
	refused := r.PaymentID == "" && r.Status == ChargeFailed
	ours := r.PaymentID != "" && r.Amount == a.Amount && r.Currency == c.Currency
	if !refused && !ours || other && r.Status == ChargeSucceeded {
		d.tell(EventQuarantined, k, r.Amount)
		if d.open(k) != nil && !unasked {
			d.silence(k)
		}
		return
	}
	switch {
	case other:
		// A payment that we forgot and never confirm; it charges nothing.
	case a.Outcome == Open:
		d.openAnswer(a, r, unasked)
	case a.Outcome == Declined && r.Status == ChargeSucceeded:
		a.PaymentID = r.PaymentID // which nobody knew where the creation was refused
		d.late(a)
	case a.Outcome == Succeeded && r.Status == ChargeFailed:
		d.tell(EventQuarantined, k, r.Amount)
	}
}

// openAnswer takes what the processor says of the open attempt.
func (d *decision) openAnswer(a *Attempt, r Report, unasked bool) {
	c := &d.Collection
	known := a.PaymentID != ""
	a.PaymentID = r.PaymentID
	switch {
	case r.Status == ChargeSucceeded:
		a.Outcome = Succeeded
		d.enter(CardOK, EventCharged, a.Number, a.Amount)
	case r.Status == ChargeFailed:
		a.Outcome, a.Hard = Declined, r.Hard
		d.enter(CardDeclined, EventDeclined, a.Number, a.Amount)
	case unasked && known:
		// It may be older than what is known. Whoever looks is told what is true now.
	case r.Status == Processing:
		a.Progress = Processing
		d.unknown(a)
	case r.Status == RequiresAction:
		if a.ActionBy.IsZero() {
			a.ActionBy = d.now.Add(c.Policy.ActionWithin)
			d.tell(EventAction, a.Number, a.Amount)
		}
		a.Progress = RequiresAction
		d.created(a)
		d.postpone(a)
	default:
		a.Progress = RequiresConfirmation
		d.created(a)
	}
}

// created has the payment's id stored.
func (d *decision) created(a *Attempt) {
	if d.Collection.State != CardCreated {
		d.enter(CardCreated, EventCreated, a.Number, a.Amount)
	}
}

// unknown has the attempt looked up until it has ended.
func (d *decision) unknown(a *Attempt) {
	if d.Collection.State != CardUnknown {
		d.enter(CardUnknown, EventUnknown, a.Number, a.Amount)
	}
	d.postpone(a)
}

// postpone waits before the next call about the open attempt. A customer who has to
// authenticate is not waited for longer than was said, and a wish to cancel not at
// all.
func (d *decision) postpone(a *Attempt) {
	c := &d.Collection
	a.Looks++
	c.DueAt = d.now.Add(backOff(a.Looks))
	if a.Progress == RequiresAction && c.State == CardCreated {
		switch {
		case c.VoidAsked && d.before != CardCreated:
			c.DueAt = time.Time{}
		case d.now.Before(a.ActionBy) && a.ActionBy.Before(c.DueAt):
			c.DueAt = a.ActionBy
		}
	}
	d.changed = true
}

func (d *decision) silence(k int) {
	if a := d.open(k); a != nil {
		d.unknown(a)
		return
	}
	d.postponeReturn(k)
}

// postponeReturn has the return of attempt k tried again later, under the same key.
func (d *decision) postponeReturn(k int) {
	c := &d.Collection
	if k < 1 || k > len(c.Attempts) || c.Attempts[k-1].Outcome != Returning {
		return
	}
	a := &c.Attempts[k-1]
	a.Looks++
	a.ReturnAt = d.now.Add(backOff(a.Looks))
	d.changed = true
}

// notFound has a payment created that was not. It charges nothing before its id is
// stored, so that one which was only not found does no harm.
func (d *decision) notFound(n NotFound) {
	a := d.open(n.Attempt)
	if a == nil || a.PaymentID != "" || !a.IntendedAt.Equal(n.IntendedAt) {
		return // it was found or intended anew meanwhile
	}
	a.IntendedAt = d.now
	d.enter(CardIntended, EventIntended, a.Number, a.Amount)
}

func (d *decision) settle(refused bool) {
	c := &d.Collection
	if c.State != CardOK {
		return
	}
	if c.VoidAsked || refused {
		d.giveBack()
		d.enter(Void, EventVoid, 0, c.Total)
		d.late(c.attempt())
		return
	}
	if c.HoldID != "" {
		d.move(MoveCapture, c.Tender.Wallet)
	}
	d.move(MoveCredit, c.Tender.Surplus)
	d.enter(Paid, EventPaid, len(c.Attempts), c.Total)
}

func (d *decision) release() {
	if d.Collection.State != CardDeclined {
		return
	}
	d.giveBack()
	d.endTry(d.Collection.attempt().Hard)
}

func (d *decision) giveBack() {
	if d.Collection.HoldID != "" {
		d.move(MoveRelease, d.Collection.Tender.Wallet)
	}
}

// endTry ends a try that failed. Nothing is held and nothing at the processor then.
func (d *decision) endTry(hard bool) {
	c := &d.Collection
	c.Tries++
	c.Tender, c.Method = Tender{}, ""
	switch {
	case c.VoidAsked:
		d.enter(Void, EventVoid, 0, c.Total)
	case d.asksAgain():
		d.enter(Finalized, EventTryFailed, 0, c.Total)
		c.DueAt = c.MethodBy
	case hard || c.Tries > len(c.Policy.Retries):
		d.enter(PastDue, EventPastDue, 0, c.Total)
	default:
		d.enter(Finalized, EventTryFailed, 0, c.Total)
		c.DueAt = d.now.Add(c.Policy.Retries[c.Tries-1])
	}
}

// asksAgain reports whether the customer, who was there to give a payment method, may give
// another one after this has failed.
func (d *decision) asksAgain() bool {
	c := &d.Collection
	return !c.MethodBy.IsZero() && d.now.Before(c.MethodBy) && c.Tries > len(c.Policy.Retries) && c.Tries < MethodsTriedMax
}

func (d *decision) escalate() {
	c := &d.Collection
	if at, ok := c.escalateAt(); !ok || d.now.Before(at) {
		return
	}
	c.attempt().Escalated = true
	d.tell(EventEscalated, len(c.Attempts), c.attempt().Amount)
}

func (d *decision) cancel() error {
	c := &d.Collection
	switch c.State {
	case Void:
	case Finalized, WalletHeld, CardDeclined:
		d.giveBack()
		c.Tender, c.Method = Tender{}, ""
		d.enter(Void, EventVoid, 0, c.Total)
	case CardIntended, CardCreated, CardUnknown:
		if c.VoidAsked {
			return nil
		}
		c.VoidAsked, c.DueAt = true, time.Time{}
		d.tell(EventVoidAsked, len(c.Attempts), c.Total)
	default:
		return ledger.Errorf(CodeInvoiceNotOpen, "invoice %s is %s and cannot be made void", c.InvoiceID, c.State)
	}
	return nil
}

func (d *decision) hurry() {
	if c := &d.Collection; c.State == Finalized && d.now.Before(c.DueAt) {
		c.DueAt, d.changed = time.Time{}, true
	}
}

// late takes a payment that succeeded although the invoice cannot use it: it goes
// back, once.
func (d *decision) late(a *Attempt) {
	d.tell(EventLate, a.Number, a.Amount)
	if d.Collection.Policy.Late == LateCredit {
		a.Outcome = Credited
		d.move(MoveCredit, a.Amount)
		return
	}
	a.Outcome = Returning
}

func (d *decision) returnDone(k int) {
	c := &d.Collection
	if k < 1 || k > len(c.Attempts) || c.Attempts[k-1].Outcome != Returning {
		return
	}
	c.Attempts[k-1].Outcome = Returned
	d.tell(EventReturned, k, c.Attempts[k-1].Amount)
}
