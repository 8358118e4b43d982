package billing_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/billing/calendar"
	"github.com/billfold/billfold/internal/money"
)

// subscriptionWalk is a scheduler, a card and people about one subscription, who do what
// a random number says: late, twice, and in any order.
type subscriptionWalk struct {
	*subscription
	random *rand.Rand
}

func drawPlan(random *rand.Rand) billing.Plan {
	units := []calendar.Unit{calendar.Day, calendar.Week, calendar.Month, calendar.Month, calendar.Month, calendar.Year}
	return billing.Plan{
		ProductID: fmt.Sprint("pdt_", random.IntN(3)), Price: money.Amount(random.IntN(5) * 999), Quantity: 1 + random.Int64N(3),
		Payment: billing.Interval{Count: 1 + random.IntN(3), Unit: units[random.IntN(len(units))]},
	}
}

func newSubscriptionWalk(decide subscriber, seed, number uint64) *subscriptionWalk {
	random := rand.New(rand.NewPCG(seed, number))
	s := billing.Subscription{
		ID: "sub_1", Currency: "USD", Zone: "UTC", Plan: drawPlan(random), OnDemand: random.IntN(8) == 0, Method: "pm_1",
	}
	if random.IntN(4) == 0 {
		s.TrialDays = 1 + random.IntN(40)
	}
	if random.IntN(4) == 0 {
		s.Term = billing.Interval{Count: 1 + random.IntN(2), Unit: calendar.Year}
	}
	begins := worldBegins.AddDate(0, 0, random.IntN(400))
	w := &subscriptionWalk{newSubscription(decide, begins, s), random}
	w.commit(billing.Subscribe{MandateOnly: random.IntN(2) == 0})
	return w
}

func (w *subscriptionWalk) run() {
	for range 20 + w.random.IntN(60) {
		w.act()
		if w.complaint != "" {
			return
		}
	}
	for n := range 3000 {
		if w.calm() || w.complaint != "" {
			break
		}
		if n == 2999 {
			w.complain("there is always more to do")
		}
	}
	if s := &w.s; s.Status == billing.SubscriptionActive && !s.OnDemand && !w.now.Before(s.Current.End) {
		w.complain("Q2: at %s the period until %s is the last that was billed", w.now, s.Current.End)
	}
}

// calm pays what is open and bills what is due, and says whether there is nothing more.
func (w *subscriptionWalk) calm() (done bool) {
	if w.s.Owes != nil && !w.s.Owes.PastDue {
		w.settle(w.invoice(w.s.Owes.InvoiceID), "paid")
		return false
	}
	if due := w.s.DueAt(); due.IsZero() || w.now.Before(due) {
		return true
	}
	w.commit(billing.PeriodDue{})
	return false
}

// settle has an invoice come to its end, and tells of it.
func (w *subscriptionWalk) settle(invoice *bookedInvoice, state string) {
	if invoice.state == "open" {
		invoice.state = state
	}
	w.announce(invoice)
}

// announce tells what became of an invoice, perhaps once more.
func (w *subscriptionWalk) announce(invoice *bookedInvoice) {
	switch invoice.state {
	case "paid":
		w.commit(billing.InvoicePaid{InvoiceID: invoice.InvoiceID})
	case "past due":
		w.commit(billing.InvoicePastDue{InvoiceID: invoice.InvoiceID})
	case "void":
		w.commit(billing.InvoiceVoid{InvoiceID: invoice.InvoiceID})
	}
}

func (w *subscriptionWalk) act() {
	switch draw := w.random.IntN(100); {
	case draw < 22:
		w.commit(billing.PeriodDue{})
	case draw < 50:
		w.collect()
	case draw < 70:
		w.wait()
	case draw < 75 && len(w.invoices) > 0:
		w.announce(w.invoices[w.random.IntN(len(w.invoices))])
	case draw < 79:
		w.commit(billing.Pause{})
	case draw < 84:
		w.commit(billing.Resume{})
	case draw < 86:
		w.commit(billing.CancelAtNextBilling{Undo: w.random.IntN(3) > 0})
	case draw < 92:
		w.changePlan()
	case draw < 93:
		w.commit(billing.CancelPlanChange{})
	case draw < 95:
		w.commit(billing.ChargeOnDemand{Amount: money.Amount(w.random.IntN(500))})
	case draw < 97:
		w.commit(billing.UpdateMethod{Method: fmt.Sprint("pm_", w.random.IntN(3))})
	case draw < 99:
		w.commit(billing.Recover{})
	case w.random.IntN(3) == 0:
		w.commit(billing.CancelNow{})
	}
}

// collect has something become of the invoice that is open.
func (w *subscriptionWalk) collect() {
	if w.s.Owes == nil || w.s.Owes.PastDue {
		return
	}
	invoice := w.invoice(w.s.Owes.InvoiceID)
	switch draw := w.random.IntN(10); {
	case draw < 6:
		w.settle(invoice, "paid")
	case draw < 8 && invoice.Retries:
		w.commit(billing.InvoiceTryFailed{InvoiceID: invoice.InvoiceID})
	case draw < 9:
		w.settle(invoice, "past due")
	default:
		w.settle(invoice, "void")
	}
}

// wait lets time pass: until something is due, or for as long as comes to mind. Now and
// then the clock is put back.
func (w *subscriptionWalk) wait() {
	due := w.s.DueAt()
	switch draw := w.random.IntN(8); {
	case draw < 3 && due.After(w.now):
		w.now = due
	case draw == 3:
		w.now = w.now.Add(-time.Duration(w.random.IntN(7200)) * time.Second)
	case draw == 4 && w.random.IntN(4) == 0:
		w.now = w.now.AddDate(0, w.random.IntN(14), 0) // the scheduler was down
	default:
		w.now = w.now.Add(time.Duration(w.random.IntN(40*24)) * time.Hour)
	}
}

func (w *subscriptionWalk) changePlan() {
	modes := []billing.ProrationMode{
		billing.ProratedImmediately, billing.FullImmediately, billing.DifferenceImmediately, billing.DoNotBill, "half",
	}
	plan := drawPlan(w.random)
	if w.random.IntN(2) == 0 {
		plan.Payment = w.s.Plan.Payment
	}
	w.commit(billing.ChangePlan{
		Plan: plan, Mode: modes[w.random.IntN(len(modes))], AtNext: w.random.IntN(3) == 0, ApplyUnpaid: w.random.IntN(2) == 0,
	})
}

// allSubscriptionWalks walks until something is wrong.
func allSubscriptionWalks(decide subscriber, seed uint64, walks int) (counts map[string]int, complaint string) {
	counts = map[string]int{}
	for number := range walks {
		w := newSubscriptionWalk(decide, seed, uint64(number))
		w.run()
		for event, times := range w.events {
			counts[string(event)] += times
		}
		for status, times := range w.statuses {
			counts[string(status)] += times
		}
		counts["invoices"] += len(w.invoices)
		counts["passed over"] += int(w.s.Passed)
		counts["begun by a change"] += int(w.restarts)
		counts["refused"] += w.refusals
		if w.complaint != "" {
			return counts, fmt.Sprintf("seed %d, walk %d: %s", seed, number, w.complaint)
		}
	}
	return counts, ""
}

// TestSubscriptionWalks has every period billed once, whatever the order and repetition
// of what happens.
func TestSubscriptionWalks(t *testing.T) {
	t.Parallel()
	counts, complaint := allSubscriptionWalks(billing.DecideSubscription, *seedFlag, *walksFlag/25)
	if complaint != "" {
		t.Error(complaint)
	}
	t.Logf("%d walks: %v", *walksFlag/25, counts)
	for event := range arrowEvents() {
		if counts[string(event)] < 50 {
			t.Errorf("%s: got it %d times, want 50 at least", event, counts[string(event)])
		}
	}
}

func arrowEvents() map[billing.SubscriptionEvent]bool {
	events := map[billing.SubscriptionEvent]bool{
		billing.TellRenewed: true, billing.TellPlanChanged: true, billing.TellUpdated: true, billing.TellMethod: true,
		billing.TellPastDue: true, billing.TellDunning: true, billing.TellDunningEnded: true,
	}
	for _, event := range arrows {
		events[event] = true
	}
	return events
}
