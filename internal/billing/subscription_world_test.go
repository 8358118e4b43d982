package billing_test

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/billing/calendar"
	"github.com/billfold/billfold/internal/money"
)

type (
	happening        = billing.SubscriptionInput
	subscriptionStep = billing.SubscriptionStep
)

// subscriber is the rules of subscriptions, or mistaken ones.
type subscriber func(billing.Subscription, happening, billing.Around) (subscriptionStep, error)

// bookedInvoice is an invoice as the world around a subscription knows it.
type bookedInvoice struct {
	billing.Bill
	state string // open, paid, past due, void
}

// subscription is one in its world, which looks at the laws with every commit and
// keeps the first complaint. It counts periods in its own simple way.
type subscription struct {
	decide    subscriber
	now       time.Time
	s         billing.Subscription
	invoices  []*bookedInvoice
	open      []*bookedInvoice         // of them
	billed    map[int64]*bookedInvoice // the last one of each period
	restarts  int64
	anchor    time.Time
	anchorDay int
	waits     [][2]time.Time // when nobody was served, because it was pending, paused or on hold
	complaint string
	events    map[billing.SubscriptionEvent]int
	statuses  map[billing.SubscriptionStatus]int
	refusals  int
}

func newSubscription(decide subscriber, now time.Time, s billing.Subscription) *subscription {
	return &subscription{
		decide: decide, now: now, s: s, events: map[billing.SubscriptionEvent]int{},
		billed: map[int64]*bookedInvoice{}, statuses: map[billing.SubscriptionStatus]int{},
	}
}

func (w *subscription) complain(format string, args ...any) {
	if w.complaint == "" {
		w.complaint = fmt.Sprintf(format, args...)
	}
}

func copied(s billing.Subscription) billing.Subscription {
	if s.Owes != nil {
		owes := *s.Owes
		owes.Lines = slices.Clone(owes.Lines)
		s.Owes = &owes
	}
	for _, change := range []**billing.Change{&s.Pending, &s.Waiting} {
		if *change != nil {
			c := **change
			*change = &c
		}
	}
	return s
}

// commit decides and carries out what was decided, whole.
func (w *subscription) commit(input happening) {
	around := billing.Around{Now: w.now, Zone: time.UTC, InvoiceID: fmt.Sprintf("inv_%d", len(w.invoices))}
	before := copied(w.s)
	step, err := w.decide(w.s, input, around)
	if !reflect.DeepEqual(w.s, before) {
		w.complain("%T: a decision changed what it was given", input)
		w.s = before
	}
	again, _ := w.decide(copied(before), input, around)
	if !reflect.DeepEqual(step, again) {
		w.complain("%T: decided twice, got %+v and %+v", input, step, again)
	}
	if err != nil {
		w.refusals++
		if !reflect.DeepEqual(step, subscriptionStep{Subscription: before}) {
			w.complain("%T was refused and changes something", input)
		}
		return
	}
	w.s = step.Subscription
	told := step.Events
	w.checkInvoices(&before, input, &step)
	w.checkPeriods(&before, input, &step)
	w.checkStatus(&before, input, told)
	w.checkPlan(&before, input, &step)
	for _, event := range told {
		w.events[event]++
	}
	w.statuses[w.s.Status]++
}

func (w *subscription) invoice(id string) *bookedInvoice {
	for _, invoice := range slices.Backward(w.invoices) {
		if invoice.InvoiceID == id {
			return invoice
		}
	}
	return nil
}

// checkInvoices holds that one invoice is open at the most, and that the subscription
// knows it.
func (w *subscription) checkInvoices(before *billing.Subscription, input happening, step *subscriptionStep) {
	if step.Void != "" {
		invoice := w.invoice(step.Void)
		if invoice == nil || invoice.state != "open" {
			w.complain("%T: %s is to be void and is not open", input, step.Void)
			return
		}
		invoice.state = "void"
	}
	if bill := step.Bill; bill != nil {
		_, resumed := input.(billing.Resume)
		w.checkBill(before, input, bill, resumed)
		invoice := &bookedInvoice{Bill: *bill, state: "open"}
		w.invoices, w.open = append(w.invoices, invoice), append(w.open, invoice)
		if bill.Reason == billing.BillPeriod {
			w.billed[bill.Period] = invoice
		}
	}
	w.open = slices.DeleteFunc(w.open, func(i *bookedInvoice) bool { return i.state != "open" })
	for _, invoice := range w.open {
		if w.s.Owes == nil || w.s.Owes.InvoiceID != invoice.InvoiceID {
			w.complain("%T: invoice %s is open and the subscription is %s and owes %+v", input, invoice.InvoiceID, w.s.Status, w.s.Owes)
		}
	}
}

func (w *subscription) checkBill(before *billing.Subscription, input happening, bill *billing.Bill, resumed bool) {
	var sum money.Amount
	for _, line := range bill.Lines {
		sum += line.Amount
	}
	switch {
	case sum != bill.Total || sum < 0:
		w.complain("%T: lines of %d are billed as %d", input, sum, bill.Total)
	case before.Status.Final() || before.Status == billing.SubscriptionPaused && !resumed:
		w.complain("%T: billed although it is %s", input, before.Status)
	}
	if bill.Reason != billing.BillPeriod {
		return
	}
	other, again := w.billed[bill.Period]
	if again && other.state != "past due" {
		w.complain("Q2: %T: period %d is billed again while %s is %s", input, bill.Period, other.InvoiceID, other.state)
	}
	for _, wait := range w.waits {
		if !again && !resumed && !bill.From.Before(wait[0]) && bill.From.Before(wait[1]) {
			w.complain("%T: period %d is billed, which began at %s while nobody was served", input, bill.Period, bill.From)
		}
	}
	whole := w.s.Plan.Total()
	switch {
	case before.OnDemand:
		w.complain("%T: a period of an on-demand subscription is billed", input)
	case before.CancelAtNext && !again:
		w.complain("%T: period %d is billed of one that was to be cancelled before", input, bill.Period)
	case !before.ExpiresAt.IsZero() && !again && !bill.From.Before(before.ExpiresAt):
		w.complain("%T: period %d begins after the end of the term", input, bill.Period)
	case bill.From.After(w.now):
		w.complain("%T: period %d is billed before it begins", input, bill.Period)
	case before.Status == billing.SubscriptionOnHold && !again:
		w.complain("%T: period %d is billed on hold", input, bill.Period)
	case again:
	case resumed:
		left := money.Amount(bill.To.Sub(w.now) / time.Second)
		all := money.Amount(bill.To.Sub(bill.From) / time.Second)
		if naive := whole * left / all; bill.Total < naive-1 || bill.Total > naive+1 {
			w.complain("Q5: %d were billed for the rest of a period of %d, want about %d", bill.Total, whole, naive)
		}
	case bill.Total != whole:
		w.complain("%T: %d were billed for a period of a plan of %d", input, bill.Total, whole)
	}
}

// naiveStart is when period k after an anchor begins, by the simplest way to say it.
func naiveStart(anchor time.Time, day int, every billing.Interval, k int64) time.Time {
	steps := int(k) * every.Count
	switch every.Unit {
	case calendar.Day:
		return anchor.AddDate(0, 0, steps)
	case calendar.Week:
		return anchor.AddDate(0, 0, 7*steps)
	case calendar.Year:
		steps *= 12
	}
	if steps == 0 {
		return anchor
	}
	first := anchor.AddDate(0, 0, 1-anchor.Day()).AddDate(0, steps, 0)
	for last := day; ; last-- {
		if at := first.AddDate(0, 0, last-1); at.Month() == first.Month() {
			return at
		}
	}
}

// checkPeriods holds laws Q1 and Q2: periods are counted from the anchor, have no gaps,
// and each is billed once or passed over while nobody was served.
func (w *subscription) checkPeriods(before *billing.Subscription, input happening, step *subscriptionStep) {
	s := &w.s
	_, due := input.(billing.PeriodDue)
	restarted := !due && before.Current.Number >= 0 && slices.Contains(step.Events, billing.TellPlanChanged) &&
		s.Base == before.Next && s.Next == before.Next+1 && s.Current.Number == before.Next &&
		s.Current.Start.Before(before.Current.End)
	waited := before.Status != billing.SubscriptionActive
	switch {
	case before.Version == 0:
		w.anchor, w.anchorDay = before.CreatedAt, 0
		if want := s.CreatedAt.AddDate(0, 0, before.TrialDays); !s.Anchor.Equal(want) {
			w.complain("the periods begin at %s, want %s", s.Anchor, want)
		}
		w.anchor, w.anchorDay = s.Anchor, s.Anchor.Day()
	case restarted:
		w.restarts++
		w.anchor, w.anchorDay = s.Anchor, s.Anchor.Day()
		if s.Current.Start.Before(before.Current.Start) {
			w.complain("Q2: %T: a period that begins at %s was begun anew at %s", input, before.Current.Start, s.Current.Start)
		}
	case s.Plan.Payment != before.Plan.Payment && s.Base == before.Next:
		w.anchor = s.Anchor // with the next period
		monthly := before.Plan.Payment.Unit == calendar.Month || before.Plan.Payment.Unit == calendar.Year
		last := s.Anchor.AddDate(0, 0, 1).Day() == 1
		if own := s.Anchor.Day(); !monthly || w.anchorDay < own || w.anchorDay > own && !last {
			w.anchorDay = own
		}
		if !s.Anchor.Equal(before.Current.End) {
			w.complain("Q2: %T: a period ends at %s and the next begins at %s", input, before.Current.End, s.Anchor)
		}
	case !s.Anchor.Equal(before.Anchor):
		w.complain("Q1: %T: the anchor moved from %s to %s", input, before.Anchor, s.Anchor)
	}
	if s.Current.Number != before.Current.Number && s.Current.Number >= 0 && !s.OnDemand {
		k := s.Current.Number - s.Base
		from := naiveStart(w.anchor, w.anchorDay, s.Plan.Payment, k)
		to := naiveStart(w.anchor, w.anchorDay, s.Plan.Payment, k+1)
		if !s.Current.Start.Equal(from) || !s.Current.End.Equal(to) {
			w.complain("Q1: %T: period %d of anchor %s is %s to %s, want %s to %s", input, s.Current.Number, w.anchor,
				s.Current.Start, s.Current.End, from, to)
		}
		if !restarted && !s.Current.Start.Equal(before.Current.End) && !waited {
			w.complain("Q2: %T: a period ends at %s and the next begins at %s", input, before.Current.End, s.Current.Start)
		}
	}
	if s.Passed != before.Passed && !waited {
		w.complain("Q2: %T: %d periods were passed over although it is %s", input, s.Passed-before.Passed, before.Status)
	}
	if s.Next != int64(len(w.billed))+w.restarts+s.Passed {
		w.complain("Q2: %T: %d periods were billed, %d begun by a change and %d passed over, and the next is %d", input, len(w.billed), w.restarts,
			s.Passed, s.Next)
	}
	if before.Status == billing.SubscriptionPaused && s.Status == billing.SubscriptionActive && !s.OnDemand &&
		s.Current.Number != before.Current.Number && step.Bill == nil {
		w.complain("it goes on in period %d, which nobody is billed for", s.Current.Number)
	}
}

// arrows are the changes of status that there may be, with what tells of them.
var arrows = map[[2]billing.SubscriptionStatus]billing.SubscriptionEvent{
	{billing.SubscriptionPending, billing.SubscriptionActive}:    billing.TellActive,
	{billing.SubscriptionPending, billing.SubscriptionFailed}:    billing.TellFailed,
	{billing.SubscriptionPending, billing.SubscriptionCancelled}: billing.TellCancelled,
	{billing.SubscriptionActive, billing.SubscriptionOnHold}:     billing.TellOnHold,
	{billing.SubscriptionActive, billing.SubscriptionPaused}:     billing.TellPaused,
	{billing.SubscriptionActive, billing.SubscriptionCancelled}:  billing.TellCancelled,
	{billing.SubscriptionActive, billing.SubscriptionExpired}:    billing.TellExpired,
	{billing.SubscriptionOnHold, billing.SubscriptionActive}:     billing.TellActive,
	{billing.SubscriptionOnHold, billing.SubscriptionCancelled}:  billing.TellCancelled,
	{billing.SubscriptionOnHold, billing.SubscriptionExpired}:    billing.TellExpired,
	{billing.SubscriptionPaused, billing.SubscriptionActive}:     billing.TellUnpaused,
	{billing.SubscriptionPaused, billing.SubscriptionCancelled}:  billing.TellCancelled,
	{billing.SubscriptionPaused, billing.SubscriptionExpired}:    billing.TellExpired,
}

func (w *subscription) checkStatus(before *billing.Subscription, input happening, told []billing.SubscriptionEvent) {
	after := w.s.Status
	switch {
	case after == billing.SubscriptionActive && before.Status != after && before.Version > 0:
		w.waits[len(w.waits)-1][1] = w.now
	case after != billing.SubscriptionActive && (before.Status == billing.SubscriptionActive || before.Version == 0):
		w.waits = append(w.waits, [2]time.Time{w.now, w.now})
	}
	if before.Version == 0 || before.Status == after {
		if !reflect.DeepEqual(*before, w.s) && w.s.Version != before.Version+1 {
			w.complain("%T: version %d became %d", input, before.Version, w.s.Version)
		}
		return
	}
	event, ok := arrows[[2]billing.SubscriptionStatus{before.Status, after}]
	if !ok || !slices.Contains(told, event) {
		w.complain("E1: %T: %s became %s, and %v tell of it", input, before.Status, after, told)
	}
	switch input.(type) {
	case billing.InvoicePaid, billing.InvoiceVoid:
	default:
		if before.Status == billing.SubscriptionOnHold && after == billing.SubscriptionActive {
			w.complain("%T: it goes on and what it owes is not paid", input)
		}
	}
}

func (w *subscription) checkPlan(before *billing.Subscription, input happening, step *subscriptionStep) {
	change, changes := input.(billing.ChangePlan)
	told := slices.Contains(step.Events, billing.TellPlanChanged)
	switch {
	case w.s.Plan != before.Plan && !told && before.Version > 0:
		w.complain("E1: %T: the plan changed and nobody is told", input)
	case step.Credit != 0 && (!changes || step.Bill != nil || step.Credit < 0 || step.Credit > before.Plan.Total()):
		w.complain("%T: %d are credited of a plan of %d", input, step.Credit, before.Plan.Total())
	case changes && step.Bill != nil && !change.ApplyUnpaid && told:
		w.complain("the plan changed before it was paid")
	case before.Waiting != nil && w.s.Current.Number > before.Current.Number && w.s.Plan != before.Waiting.Plan:
		w.complain("%T: the next period begins with the old plan", input)
	}
}
