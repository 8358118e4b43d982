package billing

import (
	"slices"
	"time"

	"github.com/billfold/billfold/internal/billing/calendar"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// SubscriptionStatus is where a subscription stands, in the words of the wire.
type SubscriptionStatus string

// The statuses. The last three are final.
const (
	SubscriptionPending   SubscriptionStatus = "pending" // its first invoice is not paid yet
	SubscriptionActive    SubscriptionStatus = "active"
	SubscriptionOnHold    SubscriptionStatus = "on_hold" // an invoice of it is owed
	SubscriptionPaused    SubscriptionStatus = "paused"  // as somebody wished
	SubscriptionCancelled SubscriptionStatus = "cancelled"
	SubscriptionFailed    SubscriptionStatus = "failed" // its first invoice was never paid
	SubscriptionExpired   SubscriptionStatus = "expired"
)

// SubscriptionStatuses are all of them.
func SubscriptionStatuses() []SubscriptionStatus {
	return []SubscriptionStatus{
		SubscriptionPending, SubscriptionActive, SubscriptionOnHold, SubscriptionPaused, SubscriptionCancelled,
		SubscriptionFailed, SubscriptionExpired,
	}
}

// Final reports whether nothing is billed any more, for ever.
func (s SubscriptionStatus) Final() bool {
	return s == SubscriptionCancelled || s == SubscriptionFailed || s == SubscriptionExpired
}

// The codes of what a subscription refuses.
const (
	CodeSubscriptionInactive   ledger.Code = "SUBSCRIPTION_INACTIVE"
	CodeSubscriptionExpired    ledger.Code = "SUBSCRIPTION_EXPIRED"
	CodeNotOnDemand            ledger.Code = "SUBSCRIPTION_NOT_ON_DEMAND"
	CodeChargeBeforeCancel     ledger.Code = "CHARGE_NOT_ALLOWED_FOR_SCHEDULED_CANCELLATION"
	CodePaymentPending         ledger.Code = "PREVIOUS_PAYMENT_PENDING"
	CodePendingPlanChange      ledger.Code = "PENDING_PLAN_CHANGE_EXISTS"
	CodeScheduledPlanChange    ledger.Code = "SCHEDULED_PLAN_CHANGE_EXISTS"
	CodeNoScheduledPlanChange  ledger.Code = "SCHEDULED_PLAN_CHANGE_NOT_FOUND"
	CodeInactivePlanChange     ledger.Code = "INACTIVE_SUBSCRIPTION_PLAN_CHANGE_NOT_SUPPORTED"
	CodeOnDemandPlanChange     ledger.Code = "ON_DEMAND_PLAN_CHANGE_NOT_SUPPORTED"
	CodePlanChangeBeforeCancel ledger.Code = "PLAN_CHANGE_NOT_ALLOWED_FOR_SCHEDULED_CANCELLATION"
	CodeInvalidSubscription    ledger.Code = "INVALID_REQUEST_PARAMETERS"
)

// TrialDaysMax is how many days a trial has at the most.
const TrialDaysMax = 10_000

// Plan is what a period costs. The price is that of the product when it was subscribed
// to: what becomes of the product later changes nothing.
type Plan struct {
	ProductID string       `json:"product_id"`
	Price     money.Amount `json:"price"` // of one unit
	Quantity  int64        `json:"quantity"`
	Payment   Interval     `json:"payment"` // how long a period is
}

// Total is what a period costs.
func (p *Plan) Total() money.Amount { return p.Price * money.Amount(p.Quantity) }

func (p *Plan) lines() []Line { return []Line{{ID: p.ProductID, Amount: p.Total()}} }

func (p *Plan) validate() error {
	switch {
	case p.Quantity < 1 || p.Price < 0:
		return ledger.FieldErrorf(CodeInvalidSubscription, "quantity", "a plan has a quantity of 1 or more and a price of 0 or more")
	case p.Price > money.EntryMax || p.Price > 0 && money.Amount(p.Quantity) > money.EntryMax/p.Price:
		return ledger.FieldErrorf(ledger.CodeAmountTooLarge, "quantity", "a plan asks for 0 to %d minor units a period", money.EntryMax)
	}
	return nil
}

// Served is a period that the subscription is in, or was in last.
type Served struct {
	Number int64     `json:"number"` // of the subscription, from 0; -1 before the first
	Start  time.Time `json:"start"`
	End    time.Time `json:"end"` // not part of it
}

// Owes is an invoice of a subscription that is not paid.
type Owes struct {
	InvoiceID string     `json:"invoice_id"`
	Reason    BillReason `json:"reason"`
	Period    int64      `json:"period"`
	Lines     []Line     `json:"lines"`
	PastDue   bool       `json:"past_due,omitempty"` // nobody tries to have it paid any more
}

// Subscription is one as it is stored, and all that anybody needs to go on with it.
//
// It has at most one invoice that is not paid. What falls due meanwhile waits for it.
type Subscription struct {
	ID       string             `json:"id"`
	Currency money.Currency     `json:"currency"`
	Zone     string             `json:"zone"` // of the IANA database, in which days begin
	Status   SubscriptionStatus `json:"status"`
	Version  int64              `json:"version"` // grows by 1 with each step

	Plan      Plan     `json:"plan"`
	Term      Interval `json:"term,omitzero"` // for how long it is subscribed to, zero for ever
	TrialDays int      `json:"trial_days,omitempty"`
	OnDemand  bool     `json:"on_demand,omitempty"` // it is charged when somebody says so, and has no periods
	Method    string   `json:"method"`              // the customer's payment method, empty for none

	// Periods are counted from the anchor, see [calendar.Schedule]: the one with the
	// number Base begins there. Day is the day of the month that they belong to.
	Anchor time.Time `json:"anchor"`
	Day    int       `json:"day,omitempty"`
	Base   int64     `json:"base,omitempty"`

	// Next is the number of the first period that is not billed and not passed over;
	// Current is the one before it, or the trial. Passed is how many were passed over
	// without a bill, because they began while it was paused or on hold, or are empty.
	Next    int64  `json:"next"`
	Current Served `json:"current"`
	Passed  int64  `json:"passed,omitempty"`
	Charges int64  `json:"charges,omitempty"` // on demand

	Owes    *Owes   `json:"owes,omitempty"`
	Dunning bool    `json:"dunning,omitempty"` // it is on hold because of what it owes
	Pending *Change `json:"pending,omitempty"` // a change of plan that waits for its invoice
	Waiting *Change `json:"waiting,omitempty"` // one that waits for the next period

	CancelAtNext bool      `json:"cancel_at_next_billing_date,omitempty"`
	CreatedAt    time.Time `json:"created_at"`
	ExpiresAt    time.Time `json:"expires_at,omitzero"`
	PausedAt     time.Time `json:"paused_at,omitzero"`
	CancelledAt  time.Time `json:"cancelled_at,omitzero"`
}

// Change is a change of plan that is not done yet.
type Change struct {
	Plan     Plan      `json:"plan"`
	At       time.Time `json:"at"`                 // when it was wished for
	Restarts bool      `json:"restarts,omitempty"` // a new period begins with it
	Applied  bool      `json:"applied,omitempty"`  // it was done before it was paid for
}

// DueAt is when something is to be done about it, whatever else happens, zero for
// never. While an invoice is open that is not owed yet, nothing is: what becomes of the
// invoice comes first.
func (s *Subscription) DueAt() time.Time {
	var at time.Time
	soonest := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	switch s.Status {
	case SubscriptionActive:
		if s.Owes != nil {
			return time.Time{}
		}
		if !s.OnDemand || s.CancelAtNext {
			soonest(s.Current.End)
		}
		soonest(s.ExpiresAt)
	case SubscriptionOnHold, SubscriptionPaused:
		if s.CancelAtNext {
			soonest(s.Current.End)
		}
		soonest(s.ExpiresAt)
	}
	return at
}

// schedule is the row of its periods.
func (s *Subscription) schedule(zone *time.Location) (calendar.Schedule, error) {
	return calendar.New(s.Anchor, zone, s.Plan.Payment.Unit, s.Plan.Payment.Count, s.Day)
}

// clone is a copy that shares nothing.
func (s Subscription) clone() Subscription {
	if s.Owes != nil {
		owes := *s.Owes
		owes.Lines = slices.Clone(owes.Lines)
		s.Owes = &owes
	}
	if s.Pending != nil {
		pending := *s.Pending
		s.Pending = &pending
	}
	if s.Waiting != nil {
		waiting := *s.Waiting
		s.Waiting = &waiting
	}
	return s
}
