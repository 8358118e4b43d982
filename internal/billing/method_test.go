package billing_test

import (
	"testing"
	"time"

	"github.com/billfold/billfold/internal/billing"
)

// TestWaitsForAMethod has an invoice that the wallet does not cover wait for a payment
// method, with nothing held, and become void when none came: even if the wallet would
// cover it by then, which nobody expects any more.
func TestWaitsForAMethod(t *testing.T) {
	t.Parallel()
	policy := cellPolicy
	policy.MethodWithin = 24 * time.Hour
	c := billing.Collection{InvoiceID: "inv_1", Currency: "USD", Total: 1000, Policy: policy, State: billing.Finalized}
	decide := func(at time.Time, input billing.Begin) billing.Step {
		t.Helper()
		step, err := billing.Decide(c, input, at)
		if err != nil {
			t.Fatal(err)
		}
		c = step.Collection
		return step
	}
	step := decide(worldBegins, billing.Begin{Available: 400})
	by := worldBegins.Add(24 * time.Hour)
	if c.State != billing.Finalized || c.Tries != 0 || len(step.Moves) != 0 || !c.MethodBy.Equal(by) {
		t.Errorf("got %s after %d tries with %v until %s, want finalized without tries and moves until %s",
			c.State, c.Tries, step.Moves, c.MethodBy, by)
	}
	if task := billing.Next(&c, worldBegins); task.Do != billing.DoWait || !task.At.Equal(by) {
		t.Errorf("got %+v next, want to wait until %s", task, by)
	}
	if step := decide(by.Add(-1), billing.Begin{Available: 1000}); c.State != billing.Finalized || len(step.Moves) != 0 {
		t.Errorf("before its time: got %s with %v", c.State, step.Moves)
	}
	if step := decide(by, billing.Begin{Available: 1000}); c.State != billing.Void || len(step.Moves) != 0 {
		t.Errorf("at its time: got %s with %v, want void and no move", c.State, step.Moves)
	}
}

// TestAsksForAnotherMethod has an invoice whose method has failed wait for another one,
// with nothing held, until the time that was said first, and be past due then.
func TestAsksForAnotherMethod(t *testing.T) {
	t.Parallel()
	policy := cellPolicy
	policy.MethodWithin, policy.Retries = 24*time.Hour, nil
	c := billing.Collection{InvoiceID: "inv_1", Currency: "USD", Total: 1000, Policy: policy, State: billing.Finalized}
	at, by := worldBegins, worldBegins.Add(24*time.Hour)
	decide := func(inputs ...billing.Input) {
		t.Helper()
		for _, input := range inputs {
			step, err := billing.Decide(c, input, at)
			if err != nil {
				t.Fatal(err)
			}
			c = step.Collection
		}
	}
	decide(billing.Begin{})
	for n := 1; n < billing.MethodsTriedMax; n++ {
		at = at.Add(time.Minute)
		declined := billing.Answer{Attempt: n, Report: billing.Report{Status: billing.ChargeFailed, Hard: true}}
		decide(billing.Hurry{}, billing.Begin{Method: "pm"}, billing.Intend{}, declined, billing.Release{})
		if c.State != billing.Finalized || c.Tries != n || !c.DueAt.Equal(by) || !c.MethodBy.Equal(by) || c.HoldID != "" {
			t.Fatalf("try %d: got %s, due at %s, want another method awaited until %s", n, c.State, c.DueAt, by)
		}
	}
	at = by
	if decide(billing.Begin{Available: 1000}); c.State != billing.PastDue {
		t.Errorf("at the end: got %s, want past due", c.State)
	}
}
