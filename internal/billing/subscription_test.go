package billing_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/billing/calendar"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

var monthly = billing.Interval{Count: 1, Unit: calendar.Month}

func planOf(price money.Amount) billing.Plan {
	return billing.Plan{ProductID: "pdt_1", Price: price, Quantity: 1, Payment: monthly}
}

// story is a subscription with what is told of it, its bills and its credits.
type story struct {
	*testing.T
	*subscription
	told []string
}

func newStory(t *testing.T, begins time.Time, s billing.Subscription, in billing.Subscribe) *story {
	t.Helper()
	s.ID, s.Currency, s.Zone = "sub_1", "USD", "UTC"
	if s.Plan == (billing.Plan{}) {
		s.Plan = planOf(3100)
	}
	y := &story{T: t}
	y.subscription = newSubscription(billing.DecideSubscription, begins, s)
	y.does(in)
	return y
}

// does has something happen, and keeps what is told of it.
func (y *story) does(inputs ...happening) {
	y.Helper()
	for _, input := range inputs {
		step, _ := billing.DecideSubscription(copied(y.s), input,
			billing.Around{Now: y.now, Zone: time.UTC, InvoiceID: fmt.Sprintf("inv_%d", len(y.invoices))})
		if step.Subscription.Version == y.s.Version {
			step = subscriptionStep{}
		}
		for _, event := range step.Events {
			y.told = append(y.told, string(event))
		}
		if step.Bill != nil {
			y.told = append(y.told, fmt.Sprintf("%s %d: %d", step.Bill.Reason, step.Bill.Period, step.Bill.Total))
		}
		if step.Credit > 0 {
			y.told = append(y.told, fmt.Sprint("credit ", step.Credit))
		}
		y.commit(input)
		if y.complaint != "" {
			y.Fatal(y.complaint)
		}
	}
}

// pays pays what is open.
func (y *story) pays() {
	y.Helper()
	y.becomes("paid")
}

func (y *story) becomes(state string) {
	y.Helper()
	invoice := y.invoice(y.s.Owes.InvoiceID)
	if invoice.state == "open" {
		invoice.state = state
	}
	y.does(map[string]happening{
		"paid": billing.InvoicePaid{InvoiceID: invoice.InvoiceID}, "past due": billing.InvoicePastDue{InvoiceID: invoice.InvoiceID},
		"void": billing.InvoiceVoid{InvoiceID: invoice.InvoiceID},
	}[state])
}

func (y *story) tries() {
	y.Helper()
	y.does(billing.InvoiceTryFailed{InvoiceID: y.s.Owes.InvoiceID})
}

func (y *story) at(month time.Month, day int) {
	y.now = time.Date(2026, month, day, 12, 0, 0, 0, time.UTC)
}

func (y *story) want(told ...string) {
	y.Helper()
	if !slices.Equal(y.told, told) {
		y.Errorf("got %q, want %q", y.told, told)
	}
	y.told = nil
}

// A scheduler that was down for months bills each period, the oldest first, from the
// anchor at the end of January.
func TestLatePeriods(t *testing.T) {
	t.Parallel()
	y := newStory(t, time.Date(2026, time.January, 31, 12, 0, 0, 0, time.UTC), billing.Subscription{}, billing.Subscribe{})
	y.pays()
	y.want("period 0: 3100", "subscription.active", "subscription.renewed")
	y.at(time.April, 30)
	for range 4 {
		y.does(billing.PeriodDue{}, billing.PeriodDue{})
		if y.s.Owes != nil {
			y.pays()
		}
	}
	y.want("period 1: 3100", "subscription.renewed", "period 2: 3100", "subscription.renewed", "period 3: 3100", "subscription.renewed")
	if want := time.Date(2026, time.May, 31, 12, 0, 0, 0, time.UTC); !y.s.DueAt().Equal(want) {
		t.Errorf("next: got %s, want %s", y.s.DueAt(), want)
	}
}

// On hold nothing is billed, and who pays late has paid for the period that they pay in.
func TestDunning(t *testing.T) {
	t.Parallel()
	y := newStory(t, worldBegins, billing.Subscription{TrialDays: 31}, billing.Subscribe{})
	y.want("subscription.active")
	y.at(time.April, 1)
	y.does(billing.PeriodDue{})
	y.tries()
	y.tries()
	y.at(time.June, 20)
	y.does(billing.PeriodDue{})
	y.want("period 0: 3100", "subscription.on_hold", "dunning.started")
	y.pays()
	y.want("dunning.recovered", "subscription.active", "subscription.renewed")
	if want := time.Date(2026, time.July, 1, 12, 0, 0, 0, time.UTC); !y.s.DueAt().Equal(want) || y.s.Passed != 2 {
		t.Errorf("got the next period at %s and %d passed over, want %s and 2", y.s.DueAt(), y.s.Passed, want)
	}
	y.at(time.July, 1)
	y.does(billing.PeriodDue{})
	y.tries()
	y.becomes("past due")
	y.want("period 3: 3100", "subscription.on_hold", "dunning.started", "subscription.past_due")
	y.does(billing.UpdateMethod{Method: "pm_2"})
	y.pays()
	y.want("subscription.update_payment_method", "period 3: 3100", "subscription.active", "subscription.renewed")
}

// A pause is not billed, and the anchor stays.
func TestPauses(t *testing.T) {
	t.Parallel()
	y := newStory(t, worldBegins, billing.Subscription{}, billing.Subscribe{})
	y.pays()
	y.at(time.March, 20)
	y.does(billing.Pause{}, billing.Pause{})
	y.at(time.March, 25)
	y.does(billing.Resume{}, billing.Resume{}, billing.Pause{})
	y.at(time.May, 11)
	y.does(billing.PeriodDue{}, billing.Resume{})
	y.pays()
	y.want("period 0: 3100", "subscription.active", "subscription.renewed", "subscription.paused", "subscription.unpaused", "subscription.paused",
		"subscription.unpaused", "period 2: 2100", "subscription.renewed")
	if want := time.Date(2026, time.June, 1, 12, 0, 0, 0, time.UTC); !y.s.DueAt().Equal(want) {
		t.Errorf("next: got %s, want %s", y.s.DueAt(), want)
	}
}

func TestChangesOfPlan(t *testing.T) {
	t.Parallel()
	y := newStory(t, worldBegins, billing.Subscription{}, billing.Subscribe{})
	y.pays()
	y.at(time.March, 11)
	y.told = nil
	up := billing.ChangePlan{Plan: planOf(6200), Mode: billing.ProratedImmediately}
	y.does(up)
	y.becomes("past due")
	y.want("plan_change 0: 2100", "subscription.updated")
	y.does(up)
	y.pays()
	y.want("plan_change 0: 2100", "subscription.plan_changed")
	y.does(billing.ChangePlan{Plan: planOf(3100), Mode: billing.ProratedImmediately})
	y.want("subscription.plan_changed", "credit 2100")
	up.ApplyUnpaid = true
	y.does(up)
	y.becomes("past due")
	y.does(billing.Recover{})
	y.pays()
	y.want("subscription.plan_changed", "plan_change 0: 2100", "subscription.on_hold", "subscription.past_due", "plan_change 0: 2100",
		"subscription.active")
	yearly := planOf(31000)
	yearly.Payment.Unit = calendar.Year
	y.does(billing.ChangePlan{Plan: yearly, Mode: billing.DoNotBill, AtNext: true})
	y.at(time.April, 1)
	y.does(billing.PeriodDue{})
	y.pays()
	y.want("subscription.updated", "subscription.plan_changed", "period 1: 31000", "subscription.renewed")
	if want := time.Date(2027, time.April, 1, 12, 0, 0, 0, time.UTC); !y.s.DueAt().Equal(want) {
		t.Errorf("next: got %s, want %s", y.s.DueAt(), want)
	}
	// A shorter period begins at once, and what is left of the year is given back.
	y.does(billing.ChangePlan{Plan: planOf(3000), Mode: billing.ProratedImmediately})
	y.want("subscription.plan_changed", "credit 28000")
	if want := time.Date(2026, time.May, 1, 12, 0, 0, 0, time.UTC); !y.s.DueAt().Equal(want) {
		t.Errorf("next: got %s, want %s", y.s.DueAt(), want)
	}
}

func TestOnDemand(t *testing.T) {
	t.Parallel()
	y := newStory(t, worldBegins, billing.Subscription{OnDemand: true}, billing.Subscribe{MandateOnly: true})
	y.does(billing.ChargeOnDemand{Amount: 70})
	y.becomes("past due")
	y.does(billing.ChargeOnDemand{Amount: 80})
	y.pays()
	y.at(time.December, 1)
	y.does(billing.PeriodDue{}, billing.CancelNow{})
	y.want("subscription.active", "charge 0: 70", "charge 1: 80", "subscription.cancelled")
}

func TestSubscriptionRefusals(t *testing.T) {
	t.Parallel()
	ofPeriods := func(t *testing.T, inputs ...happening) *story {
		t.Helper()
		y := newStory(t, worldBegins, billing.Subscription{Term: monthly}, billing.Subscribe{})
		y.pays()
		y.does(inputs...)
		return y
	}
	onDemand := func(t *testing.T, inputs ...happening) *story {
		t.Helper()
		y := newStory(t, worldBegins, billing.Subscription{OnDemand: true}, billing.Subscribe{MandateOnly: true})
		y.does(inputs...)
		return y
	}
	up := billing.ChangePlan{Plan: planOf(6200), Mode: billing.ProratedImmediately}
	next := up
	next.AtNext = true
	large := up
	large.Plan.Quantity = int64(money.EntryMax)
	charge := billing.ChargeOnDemand{Amount: 70}
	for _, test := range []struct {
		want  ledger.Code
		story *story
		input happening
	}{
		{billing.CodeNotOnDemand, ofPeriods(t), charge},
		{billing.CodeSubscriptionInactive, onDemand(t, billing.Pause{}), charge},
		{billing.CodeChargeBeforeCancel, onDemand(t, billing.CancelAtNextBilling{}), charge},
		{billing.CodePaymentPending, onDemand(t, charge), charge},
		{billing.CodePaymentPending, onDemand(t, charge), billing.Pause{}},
		{billing.CodeOnDemandPlanChange, onDemand(t), up},
		{billing.CodeInactivePlanChange, ofPeriods(t, billing.Pause{}), up},
		{billing.CodePlanChangeBeforeCancel, ofPeriods(t, billing.CancelAtNextBilling{}), up},
		{billing.CodePendingPlanChange, ofPeriods(t, up), up},
		{billing.CodeScheduledPlanChange, ofPeriods(t, next), up},
		{billing.CodeNoScheduledPlanChange, ofPeriods(t), billing.CancelPlanChange{}},
		{billing.CodeInvalidProration, ofPeriods(t), billing.ChangePlan{Plan: planOf(1), Mode: "half"}},
		{ledger.CodeAmountTooLarge, ofPeriods(t), large},
		{billing.CodeSubscriptionInactive, ofPeriods(t, billing.CancelNow{}), billing.Pause{}},
		{billing.CodeSubscriptionInactive, ofPeriods(t, billing.CancelNow{}), billing.UpdateMethod{Method: "pm_2"}},
	} {
		around := billing.Around{Now: test.story.now, Zone: time.UTC, InvoiceID: "inv_9"}
		step, err := billing.DecideSubscription(test.story.s, test.input, around)
		if ledger.CodeOf(err) != test.want || step.Subscription.Version != test.story.s.Version {
			t.Errorf("%T: got error %v, want %s and no change", test.input, err, test.want)
		}
	}
	y := ofPeriods(t)
	y.at(time.April, 1)
	y.does(billing.PeriodDue{})
	_, err := billing.DecideSubscription(y.s, billing.Resume{}, billing.Around{Now: y.now, Zone: time.UTC})
	if ledger.CodeOf(err) != billing.CodeSubscriptionExpired {
		t.Errorf("got error %v after the term, want %s", err, billing.CodeSubscriptionExpired)
	}
}

// A plan without a period, or beyond what an entry holds, begins no subscription.
func TestSubscribeRefusals(t *testing.T) {
	t.Parallel()
	for want, s := range map[ledger.Code]billing.Subscription{
		billing.CodeInvalidSubscription: {Plan: billing.Plan{ProductID: "pdt_1", Price: 1, Quantity: 1}},
		ledger.CodeAmountTooLarge:       {Plan: planOf(money.EntryMax + 1)},
	} {
		_, err := billing.DecideSubscription(s, billing.Subscribe{}, billing.Around{Now: worldBegins, Zone: time.UTC})
		if ledger.CodeOf(err) != want {
			t.Errorf("%+v: got error %v, want %s", s, err, want)
		}
	}
}
