package billing

import (
	"errors"
	"time"

	"github.com/billfold/billfold/internal/billing/calendar"
	"github.com/billfold/billfold/internal/ledger"
)

// DecideSubscription says what becomes of a subscription when something happens to
// it. It is total: what comes too late, twice, or about an invoice that is not open
// changes nothing. It refuses wishes that its state does not allow.
//
//	pending ─ paid ─► active ─ a try of a period fails ─► on_hold ─ paid, forgiven ─► active
//	    └─ past due, void: failed    └─ pause ─► paused ─ resume ─► active
//	any of them ─ cancelled, expired
//
// A period is billed when it begins, once, the oldest first, and never while an invoice
// is open, on hold or paused. Periods that begin on hold or paused are passed over. Who
// resumes in the middle of one is billed for the rest of it; who pays what they owe has
// paid until the end of the period that they pay in.
func DecideSubscription(s Subscription, input SubscriptionInput, around Around) (SubscriptionStep, error) {
	d := subscriptionDecision{SubscriptionStep: SubscriptionStep{Subscription: s.clone()}, Around: around}
	d.Now = d.Now.UTC().Truncate(time.Microsecond)
	if err := d.decide(input); err != nil || !d.changed {
		return SubscriptionStep{Subscription: s}, err
	}
	d.Subscription.Version++
	return d.SubscriptionStep, nil
}

// subscriptionDecision is a step that is being made.
type subscriptionDecision struct {
	SubscriptionStep
	Around
	changed bool
}

func (d *subscriptionDecision) decide(input SubscriptionInput) error {
	s := &d.Subscription
	if subscribe, ok := input.(Subscribe); ok {
		return d.subscribe(subscribe)
	}
	switch input := input.(type) {
	case PeriodDue:
		return d.periodDue()
	case InvoicePaid:
		return d.paid(input.InvoiceID)
	case InvoiceTryFailed:
		d.tryFailed(input.InvoiceID)
	case InvoicePastDue:
		d.pastDue(input.InvoiceID)
	case InvoiceVoid:
		return d.void(input.InvoiceID)
	case CancelNow:
		if s.Status != SubscriptionCancelled {
			return d.wish(func() error { d.end(SubscriptionCancelled, TellCancelled); return nil })
		}
	case CancelAtNextBilling:
		return d.wish(func() error { return d.cancelAtNext(!input.Undo) })
	case Pause:
		return d.wish(d.pause)
	case Resume:
		return d.wish(d.resume)
	case ChangePlan:
		return d.changePlan(input)
	case CancelPlanChange:
		return d.cancelPlanChange()
	case ChargeOnDemand:
		return d.wish(func() error { return d.charge(input) })
	case UpdateMethod:
		return d.wish(func() error { d.updateMethod(input.Method); return nil })
	case Recover:
		return d.wish(func() error { d.retry(); return nil })
	case MoveNext:
		return d.wish(func() error { return d.moveNext(input.At) })
	case EndOnDemand:
		return d.wish(func() error { return d.endOnDemand(input.At) })
	}
	return nil
}

func (d *subscriptionDecision) tell(events ...SubscriptionEvent) {
	d.Events, d.changed = append(d.Events, events...), true
}

// wish refuses whatever is wished for of a subscription that has ended.
func (d *subscriptionDecision) wish(f func() error) error {
	if err := d.Subscription.Ended(); err != nil {
		return err
	}
	return f()
}

// Ended refuses a subscription that has ended, with [CodeSubscriptionExpired] or
// [CodeSubscriptionInactive]; of any other it returns nil.
func (s *Subscription) Ended() error {
	if s.Status == SubscriptionExpired {
		return ledger.Errorf(CodeSubscriptionExpired, "subscription %s has expired", s.ID)
	}
	if s.Status.Final() {
		return ledger.Errorf(CodeSubscriptionInactive, "subscription %s is %s", s.ID, s.Status)
	}
	return nil
}

// wantActive refuses what only an active subscription does.
func (d *subscriptionDecision) wantActive(code ledger.Code) error {
	if s := &d.Subscription; s.Status != SubscriptionActive {
		return ledger.Errorf(code, "subscription %s is %s", s.ID, s.Status)
	}
	return nil
}

// wantSettled refuses what has to wait for a payment, or for a bill that is due.
func (d *subscriptionDecision) wantSettled() error {
	s := &d.Subscription
	if due := s.DueAt(); s.Owes != nil || !due.IsZero() && !d.Now.Before(due) {
		return ledger.Errorf(CodePaymentPending, "the last payment of subscription %s is not final yet", s.ID)
	}
	return nil
}

// fieldError is a calendar's complaint in the words of the ledger.
func fieldError(err error) error {
	var of *calendar.Error
	if errors.As(err, &of) {
		return ledger.FieldErrorf(CodeInvalidSubscription, of.Param, "%s", of.Message)
	}
	return err
}

func (d *subscriptionDecision) subscribe(in Subscribe) error {
	s := &d.Subscription
	if s.Version > 0 {
		return nil
	}
	if err := s.Plan.validate(); err != nil {
		return err
	}
	if s.TrialDays < 0 || s.TrialDays > TrialDaysMax {
		return ledger.FieldErrorf(CodeInvalidSubscription, "trial_period_days", "a trial has 0 to %d days", TrialDaysMax)
	}
	s.CreatedAt, s.Anchor, s.Status, s.Next = d.Now, d.Now, SubscriptionPending, 0
	days, err := calendar.New(d.Now, d.Zone, calendar.Day, 1, 0)
	if err != nil {
		return fieldError(err)
	}
	if trial, ok := days.Period(int64(s.TrialDays)); ok {
		s.Anchor = trial.Start
	}
	s.Current = Served{Number: -1, Start: s.CreatedAt, End: s.Anchor}
	if _, err := s.schedule(d.Zone); err != nil {
		return fieldError(err)
	}
	if s.Term.Count != 0 {
		term, err := calendar.New(s.Anchor, d.Zone, s.Term.Unit, s.Term.Count, 0)
		if err != nil {
			return fieldError(err)
		}
		if whole, ok := term.Period(0); ok {
			s.ExpiresAt = whole.End
		}
	}
	switch {
	case s.OnDemand && !in.MandateOnly:
		first := s.Plan
		if in.Price != nil {
			first.Price, first.Quantity = *in.Price, 1
		}
		if err := first.validate(); err != nil {
			return err
		}
		d.bill(BillCharge, 0, Served{}, first.lines(), false)
		s.Charges, d.changed = 1, true
	case s.OnDemand || s.TrialDays > 0:
		s.Status = SubscriptionActive
		d.tell(TellActive)
	default:
		return d.billNext(false)
	}
	return nil
}

// bill makes the invoice of the step, which is owed from now on.
func (d *subscriptionDecision) bill(reason BillReason, number int64, period Served, lines []Line, retries bool) {
	d.Bill = &Bill{
		InvoiceID: d.InvoiceID, Reason: reason, Period: number, From: period.Start, To: period.End, Lines: lines,
		Retries: retries,
	}
	for _, line := range lines {
		d.Bill.Total += line.Amount // of a plan that was validated
	}
	d.Subscription.Owes = &Owes{InvoiceID: d.InvoiceID, Reason: reason, Period: number, Lines: lines}
	d.changed = true
}

// billNext bills the next period, whole.
func (d *subscriptionDecision) billNext(retries bool) error {
	s := &d.Subscription
	schedule, err := s.schedule(d.Zone)
	if err != nil {
		return fieldError(err)
	}
	d.changed = true
	for {
		period, ok := schedule.Period(s.Next - s.Base)
		if !ok {
			s.Current.End = time.Time{} // beyond the calendar nothing begins
			return nil
		}
		number := s.Next
		s.Next++
		if period.Empty() {
			s.Passed++
			continue
		}
		s.Current = Served{Number: number, Start: period.Start, End: period.End}
		d.bill(BillPeriod, number, s.Current, s.Plan.lines(), retries)
		return nil
	}
}

// passOver leaves the periods out that have begun by now, without a bill.
func (d *subscriptionDecision) passOver() error {
	s := &d.Subscription
	if s.OnDemand || s.Current.End.IsZero() || d.Now.Before(s.Current.End) {
		return nil
	}
	d.begin()
	schedule, err := s.schedule(d.Zone)
	if err != nil {
		return fieldError(err)
	}
	period, ok := schedule.At(d.Now)
	if !ok {
		s.Current.End = time.Time{}
		return nil
	}
	s.Current = Served{Number: s.Base + period.Number, Start: period.Start, End: period.End}
	s.Passed += s.Current.Number + 1 - s.Next
	s.Next = s.Current.Number + 1
	return nil
}

// periodDue bills the next period, or ends the subscription, whatever comes first.
func (d *subscriptionDecision) periodDue() error {
	s := &d.Subscription
	due := s.DueAt()
	if due.IsZero() || d.Now.Before(due) {
		return nil
	}
	next := s.Current.End
	switch {
	case s.CancelAtNext && due.Equal(next):
		d.end(SubscriptionCancelled, TellCancelled)
	case due.Equal(s.ExpiresAt):
		d.end(SubscriptionExpired, TellExpired)
	default:
		d.begin()
		return d.billNext(true)
	}
	return nil
}

// end ends the subscription. What it owes is not asked for any more.
func (d *subscriptionDecision) end(status SubscriptionStatus, event SubscriptionEvent) {
	s := &d.Subscription
	if s.Owes != nil && !s.Owes.PastDue {
		d.Void = s.Owes.InvoiceID
	}
	if status == SubscriptionCancelled {
		s.CancelledAt = d.Now
	}
	s.Status, s.Owes, s.Pending, s.Waiting, s.Dunning = status, nil, nil, nil, false
	d.tell(event)
}
