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
