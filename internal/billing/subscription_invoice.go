package billing

import (
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// owes is what the subscription owes, if that is this invoice and somebody still tries
// to have it paid; otherwise what is told of it is old.
func (d *subscriptionDecision) owes(invoiceID string) *Owes {
	if owes := d.Subscription.Owes; owes != nil && owes.InvoiceID == invoiceID && !owes.PastDue {
		return owes
	}
	return nil
}

func (d *subscriptionDecision) paid(invoiceID string) error {
	owes := d.owes(invoiceID)
	if owes == nil {
		return nil
	}
	if err := d.settled(); err != nil {
		return err
	}
	switch owes.Reason {
	case BillPeriod:
		d.tell(TellRenewed)
	case BillPlanChange:
		return d.paidChange()
	}
	return nil
}

// settled has nothing owed any more, whether it was paid or forgiven. Who had to wait
// for that goes on in the period that it is, and is billed when the next one begins.
func (d *subscriptionDecision) settled() error {
	s := &d.Subscription
	s.Owes, d.changed = nil, true
	switch s.Status {
	case SubscriptionPending:
		s.Status = SubscriptionActive
		d.tell(TellActive)
		return d.passOver()
	case SubscriptionOnHold:
		s.Status = SubscriptionActive
		if s.Dunning {
			d.tell(TellDunningEnded)
		}
		s.Dunning = false
		d.tell(TellActive)
		return d.passOver()
	}
	return nil
}

// tryFailed puts an active subscription on hold from the first try of a period on that
// failed.
func (d *subscriptionDecision) tryFailed(invoiceID string) {
	s := &d.Subscription
	owes := d.owes(invoiceID)
	if owes == nil || s.Status != SubscriptionActive || owes.Reason != BillPeriod {
		return
	}
	s.Status, s.Dunning = SubscriptionOnHold, true
	d.tell(TellOnHold, TellDunning)
}

func (d *subscriptionDecision) pastDue(invoiceID string) {
	s := &d.Subscription
	owes := d.owes(invoiceID)
	switch {
	case owes == nil:
	case s.Status == SubscriptionPending:
		s.Owes = nil
		d.end(SubscriptionFailed, TellFailed)
	case !d.lasting(owes):
		d.drop()
	default:
		if s.Status == SubscriptionActive {
			s.Status = SubscriptionOnHold
			d.tell(TellOnHold)
		}
		owes.PastDue, s.Dunning = true, false
		d.tell(TellPastDue)
	}
}

// lasting says whether something is owed for what the customer has: a period, or a plan
// that was changed already.
func (d *subscriptionDecision) lasting(owes *Owes) bool {
	pending := d.Subscription.Pending
	return owes.Reason == BillPeriod || owes.Reason == BillPlanChange && pending != nil && pending.Applied
}

// drop forgets what was wished for and not paid.
func (d *subscriptionDecision) drop() {
	s := &d.Subscription
	if s.Pending != nil {
		d.tell(TellUpdated)
	}
	s.Owes, s.Pending, d.changed = nil, nil, true
}

func (d *subscriptionDecision) void(invoiceID string) error {
	s := &d.Subscription
	owes := d.owes(invoiceID)
	switch {
	case owes == nil:
		return nil
	case s.Status == SubscriptionPending:
		s.Owes = nil
		d.end(SubscriptionFailed, TellFailed)
	case !d.lasting(owes):
		d.drop()
	default:
		s.Pending = nil
		return d.settled()
	}
	return nil
}

// retry has what is owed tried once more: by the invoice that waits for its next try, or
// for a payment method, or by a new one for the same where nobody tries any more.
func (d *subscriptionDecision) retry() {
	s := &d.Subscription
	switch {
	case s.Status != SubscriptionOnHold && s.Status != SubscriptionPending || s.Owes == nil:
	case s.Owes.PastDue:
		d.bill(s.Owes.Reason, s.Owes.Period, s.Current, s.Owes.Lines, false)
	default:
		d.Hurry, d.changed = s.Owes.InvoiceID, true
	}
}

func (d *subscriptionDecision) updateMethod(method string) {
	if d.Subscription.Method != method {
		d.Subscription.Method = method
		d.tell(TellMethod)
	}
	d.retry()
}

func (d *subscriptionDecision) cancelAtNext(wanted bool) error {
	s := &d.Subscription
	if s.Status == SubscriptionPending {
		return d.wantActive(CodeSubscriptionInactive)
	}
	if s.CancelAtNext == wanted {
		return nil
	}
	if s.OnDemand && wanted {
		schedule, err := s.schedule(d.Zone)
		if err != nil {
			return fieldError(err)
		}
		if period, ok := schedule.At(d.Now); ok {
			s.Current = Served{Number: -1, Start: period.Start, End: period.End}
		}
	}
	s.CancelAtNext = wanted
	d.tell(TellUpdated)
	return nil
}

func (d *subscriptionDecision) pause() error {
	s := &d.Subscription
	if s.Status == SubscriptionPaused {
		return nil
	}
	if err := d.wantActive(CodeSubscriptionInactive); err != nil {
		return err
	}
	if err := d.wantSettled(); err != nil {
		return err
	}
	s.Status, s.PausedAt = SubscriptionPaused, d.Now
	d.tell(TellPaused)
	return nil
}

// resume goes on in the period that it is by now. If that is not the one in which it was
// paused, what is left of it is billed.
func (d *subscriptionDecision) resume() error {
	s := &d.Subscription
	if s.Status == SubscriptionActive {
		return nil
	}
	if s.Status != SubscriptionPaused {
		return d.wantActive(CodeSubscriptionInactive)
	}
	if due := s.DueAt(); !due.IsZero() && !d.Now.Before(due) {
		return d.periodDue() // it has ended meanwhile
	}
	s.Status, s.PausedAt = SubscriptionActive, time.Time{}
	d.tell(TellUnpaused)
	before := s.Current.Number
	if err := d.passOver(); err != nil || s.Current.Number == before || s.Current.End.IsZero() {
		return err
	}
	var rest []Line
	for _, line := range s.Plan.lines() {
		_, left := Prorate(line.Amount, s.Current.Start, s.Current.End, d.Now)
		rest = append(rest, Line{ID: line.ID, Amount: left})
	}
	s.Passed--
	d.bill(BillPeriod, s.Current.Number, s.Current, rest, true)
	return nil
}

func (d *subscriptionDecision) charge(in ChargeOnDemand) error {
	s := &d.Subscription
	if !s.OnDemand {
		return ledger.Errorf(CodeNotOnDemand, "subscription %s is not on demand", s.ID)
	}
	if err := d.wantActive(CodeSubscriptionInactive); err != nil {
		return err
	}
	if s.CancelAtNext {
		return ledger.Errorf(CodeChargeBeforeCancel, "subscription %s is to be cancelled and is not charged any more", s.ID)
	}
	if err := d.wantSettled(); err != nil {
		return err
	}
	plan := Plan{ProductID: s.Plan.ProductID, Price: in.Amount, Quantity: 1}
	if err := plan.validate(); err != nil {
		return err
	}
	d.bill(BillCharge, s.Charges, Served{}, plan.lines(), false)
	s.Charges++
	return nil
}
