package billing

import (
	"time"

	"github.com/billfold/billfold/internal/billing/calendar"
	"github.com/billfold/billfold/internal/ledger"
)

func (d *subscriptionDecision) changePlan(in ChangePlan) error {
	s := &d.Subscription
	if s.OnDemand {
		return ledger.Errorf(CodeOnDemandPlanChange, "subscription %s is on demand and has no plan to change", s.ID)
	}
	if err := d.wantActive(CodeInactivePlanChange); err != nil {
		return err
	}
	switch {
	case s.CancelAtNext:
		return ledger.Errorf(CodePlanChangeBeforeCancel, "subscription %s is to be cancelled", s.ID)
	case s.Pending != nil:
		return ledger.Errorf(CodePendingPlanChange, "a change of plan of subscription %s waits for its payment", s.ID)
	case s.Waiting != nil:
		return ledger.Errorf(CodeScheduledPlanChange, "a change of plan of subscription %s waits for the next period", s.ID)
	}
	if err := d.wantSettled(); err != nil {
		return err
	}
	if err := in.Plan.validate(); err != nil {
		return err
	}
	if _, err := calendar.New(s.Anchor, d.Zone, in.Plan.Payment.Unit, in.Plan.Payment.Count, 0); err != nil {
		return fieldError(err)
	}
	change := Change{Plan: in.Plan, At: later(d.Now, s.Current.Start)}
	bill, err := d.priceOf(in, change.At)
	if err != nil {
		return err
	}
	if in.AtNext {
		s.Waiting = &change
		d.tell(TellUpdated)
		return nil
	}
	change.Restarts = bill.Restarts
	if bill.Charge == 0 {
		d.Credit = bill.Credit
		return d.apply(change)
	}
	number := s.Current.Number
	if change.Restarts {
		number = s.Next
	}
	served := s.Current
	if in.ApplyUnpaid {
		change.Applied = true
		if err := d.apply(change); err != nil {
			return err
		}
	}
	s.Pending = &change
	d.bill(BillPlanChange, number, served, bill.Lines, false)
	return nil
}

// PreviewPlanBill is what a change of plan would cost at an instant, line by line. That it
// is allowed is for [DecideSubscription] to say.
func PreviewPlanBill(s Subscription, in ChangePlan, now time.Time) (PlanBill, error) {
	d := subscriptionDecision{SubscriptionStep: SubscriptionStep{Subscription: s}}
	return d.priceOf(in, later(now, s.Current.Start))
}

// priceOf is what a change costs at once. A trial has not been paid for, so there is
// nothing to be given back or charged. A plan whose periods are longer or shorter begins
// a new period at once and is charged whole, unless nothing is billed: then it begins
// with the next one.
func (d *subscriptionDecision) priceOf(in ChangePlan, at time.Time) (PlanBill, error) {
	s := &d.Subscription
	change := PlanChange{
		Old: s.Plan.lines(), New: in.Plan.lines(), From: s.Current.Start, To: s.Current.End, At: at, Mode: in.Mode,
	}
	bill, err := DecidePlanChange(change)
	switch {
	case err != nil:
		return bill, err
	case s.Current.Number < 0:
		return PlanBill{}, nil
	case in.Plan.Payment == s.Plan.Payment || in.Mode == DoNotBill || in.Mode == FullImmediately:
		return bill, nil
	}
	change.New = nil
	bill, err = DecidePlanChange(change)
	total := in.Plan.Total() - bill.Credit
	if in.Plan.Total() > 0 {
		bill.Lines = append(bill.Lines, in.Plan.lines()...)
	}
	bill.Charge, bill.Credit, bill.Restarts = max(total, 0), max(-total, 0), true
	return bill, err
}

// apply does a change in the middle of a period.
func (d *subscriptionDecision) apply(change Change) error {
	s := &d.Subscription
	d.tell(TellPlanChanged)
	if !change.Restarts {
		d.take(change.Plan)
		return nil
	}
	s.Plan, s.Anchor, s.Day, s.Base = change.Plan, change.At, 0, s.Next
	schedule, err := s.schedule(d.Zone)
	if err != nil {
		return fieldError(err)
	}
	if period, ok := schedule.Period(0); ok {
		s.Current = Served{Number: s.Next, Start: period.Start, End: period.End}
		s.Next++
	}
	return nil
}

// take has the plan from the next period on. One whose periods have another length is
// counted from where that begins, and stays with the day of the month that the old ones
// belonged to.
func (d *subscriptionDecision) take(plan Plan) {
	s := &d.Subscription
	if plan.Payment != s.Plan.Payment && !s.Current.End.IsZero() {
		day := s.Day
		if day == 0 && (s.Plan.Payment.Unit == calendar.Month || s.Plan.Payment.Unit == calendar.Year) {
			day = s.Anchor.In(d.Zone).Day()
		}
		s.Anchor, s.Day, s.Base = s.Current.End, 0, s.Next
		if _, err := calendar.New(s.Anchor, d.Zone, plan.Payment.Unit, plan.Payment.Count, day); err == nil {
			s.Day = day
		}
	}
	s.Plan = plan
}

// begin does the change that waits for the next period, which begins now.
func (d *subscriptionDecision) begin() {
	if s := &d.Subscription; s.Waiting != nil {
		d.take(s.Waiting.Plan)
		s.Waiting = nil
		d.tell(TellPlanChanged)
	}
}

// paidChange does the change that was paid, if that was waited for.
func (d *subscriptionDecision) paidChange() error {
	s := &d.Subscription
	pending := s.Pending
	s.Pending = nil
	if pending == nil || pending.Applied {
		return nil
	}
	return d.apply(*pending)
}

func (d *subscriptionDecision) cancelPlanChange() error {
	s := &d.Subscription
	if s.Waiting == nil {
		return ledger.Errorf(CodeNoScheduledPlanChange, "no change of plan of subscription %s waits for the next period", s.ID)
	}
	s.Waiting = nil
	d.tell(TellUpdated)
	return nil
}

// moveNext has the next period begin at another time. Those behind it are counted from
// there.
func (d *subscriptionDecision) moveNext(at time.Time) error {
	s := &d.Subscription
	if s.OnDemand {
		return ledger.FieldErrorf(CodeInvalidSubscription, "next_billing_date", "subscription %s is on demand and has no billing date", s.ID)
	}
	if err := d.wantActive(CodeSubscriptionInactive); err != nil {
		return err
	}
	if err := d.wantSettled(); err != nil {
		return err
	}
	at = at.UTC().Truncate(time.Microsecond)
	if at.Equal(s.Current.End) {
		return nil
	}
	return d.beginAt(at)
}

// endOnDemand has periods billed from a time on. Until then it is as in a trial: nothing
// was paid for.
func (d *subscriptionDecision) endOnDemand(at time.Time) error {
	s := &d.Subscription
	if !s.OnDemand {
		return ledger.Errorf(CodeNotOnDemand, "subscription %s is not on demand", s.ID)
	}
	if err := d.wantActive(CodeSubscriptionInactive); err != nil {
		return err
	}
	if s.CancelAtNext {
		return ledger.Errorf(CodePlanChangeBeforeCancel, "subscription %s is to be cancelled", s.ID)
	}
	if err := d.wantSettled(); err != nil {
		return err
	}
	s.OnDemand, s.Current = false, Served{Number: -1, Start: d.Now}
	return d.beginAt(at.UTC().Truncate(time.Microsecond))
}

// beginAt has the next period begin at a time that lies ahead, and within the term.
func (d *subscriptionDecision) beginAt(at time.Time) error {
	s := &d.Subscription
	if !at.After(d.Now) || !s.ExpiresAt.IsZero() && !at.Before(s.ExpiresAt) {
		return ledger.FieldErrorf(CodeInvalidSubscription, "next_billing_date",
			"next_billing_date must lie ahead, and before the subscription ends")
	}
	s.Anchor, s.Day, s.Base, s.Current.End = at, 0, s.Next, at
	if _, err := s.schedule(d.Zone); err != nil {
		return fieldError(err)
	}
	d.tell(TellUpdated)
	return nil
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
