package billing_test

import (
	"slices"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/billing"
)

// mistakenSubscriber is the rules of subscriptions with one thing wrong, as other
// systems have shipped it.
type mistakenSubscriber struct {
	name   string
	decide subscriber
}

// whenSubscribed has a mistake see the subscription and what happens to it in another
// way than they are.
func whenSubscribed(change func(*billing.Subscription, *happening, *billing.Around)) subscriber {
	return func(s billing.Subscription, input happening, around billing.Around) (subscriptionStep, error) {
		other := copied(s)
		change(&other, &input, &around)
		step, err := billing.DecideSubscription(other, input, around)
		if err != nil || step.Subscription.Version == s.Version {
			step.Subscription = s
		}
		return step, err
	}
}

// onceDecided has a mistake commit something else than what was decided.
func onceDecided(change func(*billing.Subscription, happening, *subscriptionStep)) subscriber {
	return func(s billing.Subscription, input happening, around billing.Around) (subscriptionStep, error) {
		step, err := billing.DecideSubscription(s, input, around)
		if err == nil && step.Subscription.Version > s.Version {
			change(&s, input, &step)
		}
		return step, err
	}
}

func isInput[T happening](input happening) bool {
	_, ok := input.(T)
	return ok
}

// mistakesOfTheScheduler bill what is not to be billed, or not what is.
func mistakesOfTheScheduler() []mistakenSubscriber {
	due := func(change func(*billing.Subscription)) subscriber {
		return whenSubscribed(func(s *billing.Subscription, input *happening, _ *billing.Around) {
			if isInput[billing.PeriodDue](*input) {
				change(s)
			}
		})
	}
	return []mistakenSubscriber{
		{"each period is counted from the last", due(func(s *billing.Subscription) {
			if s.Current.Number >= 0 {
				s.Anchor, s.Base, s.Day = s.Current.Start, s.Current.Number, 0
			}
		})},
		{"each run of the scheduler bills anew", due(func(s *billing.Subscription) {
			if s.Current.Number >= 0 {
				s.Next = s.Current.Number
				s.Current.End = s.Current.Start
			}
		})},
		{"the next period is billed while the last one is open", due(func(s *billing.Subscription) { s.Owes = nil })},
		{"periods are billed on hold", due(func(s *billing.Subscription) {
			if s.Status == billing.SubscriptionOnHold {
				s.Status, s.Owes = billing.SubscriptionActive, nil
			}
		})},
		{"periods are billed while it is paused", due(func(s *billing.Subscription) {
			if s.Status == billing.SubscriptionPaused {
				s.Status = billing.SubscriptionActive
			}
		})},
		{"what is on demand is billed by the calendar", due(func(s *billing.Subscription) { s.OnDemand = false })},
		{"the wish to cancel is forgotten", due(func(s *billing.Subscription) { s.CancelAtNext = false })},
		{"the term has no end", due(func(s *billing.Subscription) { s.ExpiresAt = time.Time{} })},
		{"a trial is billed", whenSubscribed(func(s *billing.Subscription, input *happening, _ *billing.Around) {
			if isInput[billing.Subscribe](*input) {
				s.Anchor, s.TrialDays = s.CreatedAt, min(s.TrialDays, 1)
			}
		})},
		{"a scheduler that was down leaves periods out", onceDecided(
			func(before *billing.Subscription, input happening, step *subscriptionStep) {
				if isInput[billing.PeriodDue](input) && step.Bill != nil && step.Subscription.Next > 3 {
					step.Subscription.Next++
					step.Subscription.Passed++
				}
			})},
		{"periods are billed a day early", whenSubscribed(
			func(_ *billing.Subscription, input *happening, around *billing.Around) {
				if isInput[billing.PeriodDue](*input) {
					around.Now = around.Now.AddDate(0, 0, 1)
				}
			})},
	}
}

// mistakesOfHolds are about what becomes of a pause and of what is owed.
func mistakesOfHolds() []mistakenSubscriber {
	back := func(before *billing.Subscription, step *subscriptionStep) {
		s := &step.Subscription
		s.Current, s.Next, s.Passed, s.Plan = before.Current, before.Next, before.Passed, before.Plan
		s.Anchor, s.Base, s.Day = before.Anchor, before.Base, before.Day
	}
	return []mistakenSubscriber{
		{"what passed on hold is billed afterwards", onceDecided(
			func(before *billing.Subscription, input happening, step *subscriptionStep) {
				if before.Status == billing.SubscriptionOnHold && isInput[billing.InvoicePaid](input) {
					back(before, step)
				}
			})},
		{"the pause is billed afterwards", onceDecided(
			func(before *billing.Subscription, input happening, step *subscriptionStep) {
				if isInput[billing.Resume](input) && step.Bill != nil {
					back(before, step)
					step.Bill, step.Subscription.Owes = nil, nil
				}
			})},
		{"a pause around the bill makes a period free", onceDecided(
			func(_ *billing.Subscription, input happening, step *subscriptionStep) {
				if isInput[billing.Resume](input) && step.Bill != nil {
					step.Bill, step.Subscription.Owes = nil, nil
				}
			})},
		{"who resumes pays the whole period", onceDecided(
			func(_ *billing.Subscription, input happening, step *subscriptionStep) {
				if isInput[billing.Resume](input) && step.Bill != nil {
					step.Bill.Total = step.Subscription.Plan.Total()
					step.Bill.Lines = []billing.Line{{ID: "pdt_1", Amount: step.Bill.Total}}
				}
			})},
		{"the anchor moves with a pause", onceDecided(
			func(before *billing.Subscription, input happening, step *subscriptionStep) {
				if isInput[billing.Resume](input) && !before.OnDemand {
					step.Subscription.Anchor = step.Subscription.Anchor.AddDate(0, 0, 1)
				}
			})},
		{"an old payment pays what is owed now", whenSubscribed(
			func(s *billing.Subscription, input *happening, _ *billing.Around) {
				if isInput[billing.InvoicePaid](*input) && s.Owes != nil {
					*input = billing.InvoicePaid{InvoiceID: s.Owes.InvoiceID}
				}
			})},
		{"what is owed is asked for after the cancellation", onceDecided(
			func(_ *billing.Subscription, _ happening, step *subscriptionStep) {
				step.Void = ""
			})},
		{"past due is forgotten", onceDecided(
			func(_ *billing.Subscription, input happening, step *subscriptionStep) {
				if isInput[billing.InvoicePastDue](input) && step.Subscription.Owes != nil {
					step.Subscription.Owes, step.Subscription.Status = nil, billing.SubscriptionActive
				}
			})},
		{"nobody is told that it is on hold", onceDecided(
			func(_ *billing.Subscription, _ happening, step *subscriptionStep) {
				onHold := func(e billing.SubscriptionEvent) bool { return e == billing.TellOnHold }
				step.Events = slices.DeleteFunc(step.Events, onHold)
			})},
	}
}

// mistakesOfPlans are about changes of plan.
func mistakesOfPlans() []mistakenSubscriber {
	return []mistakenSubscriber{
		{"the plan changes before it is paid", whenSubscribed(
			func(_ *billing.Subscription, input *happening, _ *billing.Around) {
				if change, ok := (*input).(billing.ChangePlan); ok {
					change.ApplyUnpaid = true
					*input = change
				}
			})},
		{"the plan changes while a payment is unknown", whenSubscribed(
			func(s *billing.Subscription, input *happening, _ *billing.Around) {
				if isInput[billing.ChangePlan](*input) {
					s.Owes, s.Pending = nil, nil
				}
			})},
		{"a charge is made while the last is unknown", whenSubscribed(
			func(s *billing.Subscription, input *happening, _ *billing.Around) {
				if isInput[billing.ChargeOnDemand](*input) {
					s.Owes = nil
				}
			})},
		{"what is left is credited thrice", onceDecided(
			func(_ *billing.Subscription, _ happening, step *subscriptionStep) {
				step.Credit *= 3
			})},
		{"a change is charged and credited", onceDecided(
			func(_ *billing.Subscription, _ happening, step *subscriptionStep) {
				if step.Bill != nil && step.Bill.Reason == billing.BillPlanChange {
					step.Credit = 1
				}
			})},
		{"a change that waited is forgotten", onceDecided(
			func(before *billing.Subscription, input happening, step *subscriptionStep) {
				if isInput[billing.PeriodDue](input) && before.Waiting != nil && step.Subscription.Waiting == nil {
					step.Subscription.Plan.Price = before.Plan.Price
				}
			})},
		{"a decision changes what it was given", func(
			s billing.Subscription, input happening, around billing.Around,
		) (subscriptionStep, error) {
			if s.Owes != nil {
				s.Owes.Period++
			}
			return billing.DecideSubscription(s, input, around)
		}},
	}
}

// TestSubscriptionMistakesAreNoticed plants each mistake and wants a walk to complain.
func TestSubscriptionMistakesAreNoticed(t *testing.T) {
	t.Parallel()
	for _, m := range slices.Concat(mistakesOfTheScheduler(), mistakesOfHolds(), mistakesOfPlans()) {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			_, complaint := allSubscriptionWalks(m.decide, 1, 2000)
			if complaint == "" {
				t.Error("none of 2,000 walks notices it")
			}
			t.Log(complaint)
		})
	}
}
