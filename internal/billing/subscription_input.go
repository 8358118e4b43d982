package billing

import (
	"time"

	"github.com/billfold/billfold/internal/money"
)

// SubscriptionInput is what happens to a subscription. What becomes of an invoice is
// told with its id, so that what comes late is not taken for news about another one.
type SubscriptionInput interface{ subscriptionInput() }

type (
	// Subscribe begins a subscription that was filled in: with a trial, with an invoice
	// for its first period, or on demand.
	Subscribe struct {
		// MandateOnly of an on-demand subscription charges nothing at first. Otherwise
		// the first charge is what the plan costs.
		MandateOnly bool

		// Price is what the first charge of an on-demand subscription is, nil for what the
		// plan costs.
		Price *money.Amount
	}

	// PeriodDue is the time that [Subscription.DueAt] names: a period is to be billed, or
	// the subscription ends.
	PeriodDue struct{}

	// InvoicePaid, InvoiceTryFailed, InvoicePastDue and InvoiceVoid are what became of an
	// invoice of it.
	InvoicePaid      struct{ InvoiceID string }
	InvoiceTryFailed struct{ InvoiceID string }
	InvoicePastDue   struct{ InvoiceID string }
	InvoiceVoid      struct{ InvoiceID string }

	// CancelNow ends it at once. What it owes is not asked for any more.
	CancelNow struct{}

	// CancelAtNextBilling ends it when the next period would begin, or takes that back.
	CancelAtNextBilling struct{ Undo bool }

	// Pause has nothing billed until Resume.
	Pause  struct{}
	Resume struct{}

	// ChangePlan changes what it costs.
	ChangePlan struct {
		Plan        Plan
		Mode        ProrationMode
		AtNext      bool // with the next period, and without a bill of its own
		ApplyUnpaid bool // apply_change: at once, even if its invoice is never paid
	}

	// CancelPlanChange takes a change back that waits for the next period.
	CancelPlanChange struct{}

	// ChargeOnDemand charges an on-demand subscription.
	ChargeOnDemand struct{ Amount money.Amount }

	// UpdateMethod is another payment method. What is owed is tried with it at once.
	UpdateMethod struct{ Method string }

	// Recover tries what is owed once more, because somebody wishes so.
	Recover struct{}

	// MoveNext has the next period begin at another time, from which all later ones are
	// counted. What was paid for lasts until then.
	MoveNext struct{ At time.Time }

	// EndOnDemand has an on-demand subscription billed by periods from a time on.
	EndOnDemand struct{ At time.Time }
)

func (Subscribe) subscriptionInput()           {}
func (PeriodDue) subscriptionInput()           {}
func (InvoicePaid) subscriptionInput()         {}
func (InvoiceTryFailed) subscriptionInput()    {}
func (InvoicePastDue) subscriptionInput()      {}
func (InvoiceVoid) subscriptionInput()         {}
func (CancelNow) subscriptionInput()           {}
func (CancelAtNextBilling) subscriptionInput() {}
func (Pause) subscriptionInput()               {}
func (Resume) subscriptionInput()              {}
func (ChangePlan) subscriptionInput()          {}
func (CancelPlanChange) subscriptionInput()    {}
func (ChargeOnDemand) subscriptionInput()      {}
func (UpdateMethod) subscriptionInput()        {}
func (Recover) subscriptionInput()             {}
func (MoveNext) subscriptionInput()            {}
func (EndOnDemand) subscriptionInput()         {}

// Around is what a decision about a subscription is given beside it.
type Around struct {
	Now       time.Time
	Zone      *time.Location // that the subscription names
	InvoiceID string         // for the invoice, should there be one
}

// BillReason is what an invoice of a subscription is for.
type BillReason string

// The reasons.
const (
	BillPeriod     BillReason = "period"
	BillPlanChange BillReason = "plan_change"
	BillCharge     BillReason = "charge"
)

// Bill is an invoice to be made.
type Bill struct {
	InvoiceID string
	Reason    BillReason

	// Period is the number of the period that is billed, or in which the plan is changed;
	// of a charge on demand it is the number of the charge.
	Period int64

	From, To time.Time // of the period, zero for a charge
	Lines    []Line
	Total    money.Amount // 0 … money.EntryMax

	// Retries says that it is tried again by the schedule of the business. Otherwise it is
	// past due when the first try has failed: nobody is dunned who never was a subscriber.
	Retries bool
}

// SubscriptionEvent is what a step tells others, in the words of the wire.
type SubscriptionEvent string

// The events.
const (
	TellActive       SubscriptionEvent = "subscription.active"
	TellRenewed      SubscriptionEvent = "subscription.renewed" // a period is paid, the first one too
	TellOnHold       SubscriptionEvent = "subscription.on_hold"
	TellPaused       SubscriptionEvent = "subscription.paused"
	TellUnpaused     SubscriptionEvent = "subscription.unpaused"
	TellCancelled    SubscriptionEvent = "subscription.cancelled"
	TellFailed       SubscriptionEvent = "subscription.failed"
	TellExpired      SubscriptionEvent = "subscription.expired"
	TellPlanChanged  SubscriptionEvent = "subscription.plan_changed"
	TellUpdated      SubscriptionEvent = "subscription.updated"
	TellMethod       SubscriptionEvent = "subscription.update_payment_method"
	TellPastDue      SubscriptionEvent = "subscription.past_due"
	TellDunning      SubscriptionEvent = "dunning.started"
	TellDunningEnded SubscriptionEvent = "dunning.recovered"
)

// SubscriptionStep is everything that is committed together. A step that changes
// nothing has the subscription as it was and nothing else.
type SubscriptionStep struct {
	Subscription Subscription

	Bill   *Bill        // an invoice to be made, nil for none
	Credit money.Amount // to the wallet, as paid money: what a plan had left

	// Void is the id of an invoice that is not asked for any more, and Hurry that of one
	// that is to be tried at once, with the method that the subscription has now.
	Void  string
	Hurry string

	Events []SubscriptionEvent
}
