package processor_test

import (
	"testing"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/processor"
	"github.com/billfold/billfold/internal/processor/processortest"
)

// clock is a time that tests move.
type clock struct{ now time.Time }

func newClock() *clock { return &clock{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time { return c.now }

func TestSandboxKeepsTheContract(t *testing.T) {
	t.Parallel()
	processortest.Contract(t, func(*testing.T) processor.Processor { return processor.NewSandbox(newClock().Now) },
		processor.SandboxOK, processor.SandboxDeclined)
}

// TestSandboxMethods has an invoice collected with each of the documented methods,
// with and without notifications.
func TestSandboxMethods(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		method string
		ends   billing.State
		tries  int
		passes billing.State // a state on the way, empty: any
	}{
		{processor.SandboxOK, billing.Paid, 0, billing.CardOK},
		{processor.SandboxDeclined, billing.PastDue, 2, billing.CardDeclined},
		{processor.SandboxDeclinedForGood, billing.PastDue, 1, billing.CardDeclined},
		{processor.SandboxRequiresAction, billing.Paid, 0, billing.CardCreated},
		{processor.SandboxProcessing, billing.Paid, 0, billing.CardUnknown},
		{processor.SandboxProcessingFails, billing.PastDue, 2, billing.CardUnknown},
		{processor.SandboxTimeout, billing.Paid, 0, billing.CardUnknown},
		{processor.SandboxLateSuccess, billing.Paid, 0, billing.CardUnknown},
		{processor.SandboxCreateTimeout, billing.Paid, 0, billing.CardUnknown},
		{processor.SandboxUnavailable, billing.Paid, 0, billing.CardCreated},
		{processor.SandboxDuplicateNotices, billing.Paid, 0, billing.CardOK},
		{processor.SandboxReorderedNotices, billing.Paid, 0, billing.CardOK},
		{"pm_unknown", billing.PastDue, 1, billing.CardDeclined},
	} {
		for _, told := range []bool{false, true} {
			c := collect(t, test.method, told)
			if c.State != test.ends || c.Tries != test.tries || !c.passed[test.passes] {
				t.Errorf("%s, notified %t: got %s after %d failed tries by %v, want %s after %d by %s",
					test.method, told, c.State, c.Tries, c.passed, test.ends, test.tries, test.passes)
			}
		}
	}
}

// collection is one with the states that it has passed.
type collection struct {
	billing.Collection
	passed map[billing.State]bool
}

// collect has an invoice of 1000 paid with a wallet of 300 and a method.
func collect(t *testing.T, method string, told bool) collection {
	t.Helper()
	clock := newClock()
	sandbox := processor.NewSandbox(clock.Now)
	c := collection{billing.Collection{
		InvoiceID: "inv_1", Currency: "USD", Total: 1000, State: billing.Finalized,
		Policy: billing.Policy{
			Tender:  billing.TenderRules{CardMinimum: sandbox.Minimum("USD"), Below: billing.LeaveInWallet},
			Retries: []time.Duration{12 * time.Hour}, ActionWithin: 24 * time.Hour, Late: billing.LateRefund,
		},
	}, map[billing.State]bool{}}
	decide := func(input billing.Input) {
		step, err := billing.Decide(c.Collection, input, clock.now)
		if err != nil {
			t.Fatalf("%s: %T: %v", method, input, err)
		}
		c.Collection = step.Collection
		c.passed[c.State] = true
		for _, move := range step.Moves {
			if move.Kind == billing.MoveHold {
				c.HoldID = "hld_1"
			}
		}
	}
	for range 200 {
		switch task := billing.Next(&c.Collection, clock.now); task.Do {
		case billing.DoNothing:
			return c
		case billing.DoWait:
			clock.now = task.At
			if n := len(c.Attempts); n > 0 && method == processor.SandboxRequiresAction {
				if _, err := sandbox.Authenticate(t.Context(), c.Attempts[n-1].PaymentID, true); err != nil {
					t.Fatal(err)
				}
			}
		case billing.DoBegin:
			decide(billing.Begin{Available: 300, Method: method})
		case billing.DoIntend:
			decide(billing.Intend{})
		case billing.DoSettle:
			decide(billing.Settle{})
		case billing.DoRelease:
			decide(billing.Release{})
		case billing.DoEscalate:
			decide(billing.Escalate{})
		default:
			decide(processor.Do(t.Context(), sandbox, &c.Collection, task))
		}
		for _, n := range sandbox.Notifications() {
			if told {
				decide(n.Notice)
			}
		}
	}
	t.Fatalf("%s: there is always more to do, in state %s", method, c.State)
	return c
}
