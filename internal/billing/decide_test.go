package billing_test

import (
	"testing"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// collected is a collection after inputs, each decided a minute after the one before.
func collected(t *testing.T, inputs ...billing.Input) billing.Collection {
	t.Helper()
	c := billing.Collection{InvoiceID: "inv_1", Currency: "USD", Total: 1000, Policy: cellPolicy, State: billing.Finalized}
	now := worldBegins
	for _, input := range inputs {
		step, err := billing.Decide(c, input, now)
		if err != nil {
			t.Fatalf("%T: %v", input, err)
		}
		c, now = step.Collection, now.Add(time.Minute)
		for _, m := range step.Moves {
			if m.Kind == billing.MoveHold {
				c.HoldID = "hld_1"
			}
		}
	}
	return c
}

func says(status billing.Status) billing.Answer {
	return billing.Answer{Attempt: 1, Report: billing.Report{PaymentID: "pi_1", Status: status, Amount: 50, Currency: "USD"}}
}

// TestOneCollection is the way of one invoice that wallet and card pay, with what
// moves and what is done next.
func TestOneCollection(t *testing.T) {
	t.Parallel()
	c := collected(t)
	for _, stop := range []struct {
		input billing.Input
		state billing.State
		move  billing.Move
		next  billing.Do
	}{
		{billing.Begin{Available: 970, Method: "pm_1"}, billing.WalletHeld, billing.Move{Kind: billing.MoveHold, Amount: 950}, billing.DoIntend},
		{billing.Intend{}, billing.CardIntended, billing.Move{}, billing.DoCreate},
		{says(billing.RequiresConfirmation), billing.CardCreated, billing.Move{}, billing.DoConfirm},
		{billing.Silence{Attempt: 1}, billing.CardUnknown, billing.Move{}, billing.DoWait},
		{says(billing.ChargeSucceeded), billing.CardOK, billing.Move{}, billing.DoSettle},
		{billing.Settle{}, billing.Paid, billing.Move{Kind: billing.MoveCapture, Amount: 950, HoldID: "hld_1"}, billing.DoNothing},
	} {
		step, err := billing.Decide(c, stop.input, worldBegins)
		if err != nil {
			t.Fatal(err)
		}
		c = step.Collection
		var move billing.Move
		if len(step.Moves) > 0 {
			move = step.Moves[0]
		}
		if move.Kind == billing.MoveHold {
			c.HoldID = "hld_1"
		}
		task := billing.Next(&c, worldBegins)
		if c.State != stop.state || move != stop.move || len(step.Moves) > 1 || len(step.Events) != 1 ||
			task.Do != stop.next {
			t.Errorf("%T: got %s, %v, %d events, then %s, want %s, %v, one event, then %s",
				stop.input, c.State, step.Moves, len(step.Events), task.Do, stop.state, stop.move, stop.next)
		}
		if task.Do == billing.DoCreate && (task.Key != "inv:inv_1:1" || task.Amount != 50 || task.Method != "pm_1") {
			t.Errorf("creation: got %+v", task)
		}
	}
}

// TestWalletAlone pays at once and holds nothing.
func TestWalletAlone(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		total money.Amount
		want  []billing.Move
	}{
		{1000, []billing.Move{{Kind: billing.MoveDebit, Amount: 1000}}},
		{0, nil},
	} {
		c := collected(t)
		c.Total = test.total
		step, err := billing.Decide(c, billing.Begin{Available: 1000}, worldBegins)
		if err != nil || step.Collection.State != billing.Paid || len(step.Moves) != len(test.want) {
			t.Errorf("total %d: got %+v, %v, want %v", test.total, step, err, test.want)
		}
	}
}

// TestNoCard fails a try without an attempt, and the next looks at the wallet anew.
func TestNoCard(t *testing.T) {
	t.Parallel()
	c := collected(t, billing.Begin{Available: 970})
	if c.State != billing.Finalized || c.Tries != 1 || len(c.Attempts) != 0 {
		t.Fatalf("got %+v, want one failed try without an attempt", c)
	}
	if task := billing.Next(&c, worldBegins); task.Do != billing.DoWait || !task.At.Equal(worldBegins.Add(12*time.Hour)) {
		t.Errorf("next: got %+v, want to wait for 12 hours", task)
	}
	early, err := billing.Decide(c, billing.Begin{Available: 1000}, worldBegins.Add(time.Hour))
	if err != nil || early.Collection.State != billing.Finalized {
		t.Errorf("a try before its time: got %+v, %v", early, err)
	}
	step, err := billing.Decide(c, billing.Begin{Available: 1000}, worldBegins.Add(12*time.Hour))
	if err != nil || step.Collection.State != billing.Paid {
		t.Errorf("the second try: got %+v, %v, want it paid", step, err)
	}
}

func TestRefusedToCancel(t *testing.T) {
	t.Parallel()
	begin := billing.Begin{Available: 970, Method: "pm_1"}
	for _, test := range []struct {
		name   string
		inputs []billing.Input
		code   ledger.Code
	}{
		{"finalized", nil, ""},
		{"held", []billing.Input{begin}, ""},
		{"intended", []billing.Input{begin, billing.Intend{}}, ""},
		{"charged", []billing.Input{begin, billing.Intend{}, says(billing.ChargeSucceeded)}, billing.CodeInvoiceNotOpen},
		{"paid", []billing.Input{begin, billing.Intend{}, says(billing.ChargeSucceeded), billing.Settle{}}, billing.CodeInvoiceNotOpen},
		{"void", []billing.Input{begin, billing.Cancel{}}, ""},
	} {
		c := collected(t, test.inputs...)
		if _, err := billing.Decide(c, billing.Cancel{}, worldBegins); ledger.CodeOf(err) != test.code {
			t.Errorf("%s: got error %v, want %q", test.name, err, test.code)
		}
	}
	below := billing.Begin{Available: -1}
	if _, err := billing.Decide(collected(t), below, worldBegins); ledger.CodeOf(err) != ledger.CodeInternal {
		t.Errorf("a wallet below zero: got error %v", err)
	}
}

// TestInputsThatAreTooLate change nothing, whatever they are about.
func TestInputsThatAreTooLate(t *testing.T) {
	t.Parallel()
	begin := billing.Begin{Available: 970, Method: "pm_1"}
	paid := collected(t, begin, billing.Intend{}, says(billing.ChargeSucceeded), billing.Settle{})
	for _, input := range []billing.Input{
		begin, billing.Intend{}, billing.Settle{}, billing.Release{}, billing.Escalate{}, billing.Silence{Attempt: 1},
		billing.NotReached{Attempt: 1}, billing.NotFound{Attempt: 1}, billing.ReturnDone{Attempt: 1},
		says(billing.ChargeSucceeded), says(billing.Processing), billing.Silence{Attempt: 2}, billing.ReturnDone{},
		billing.Answer{Attempt: 0}, billing.Answer{Attempt: 2}, billing.Notice(says(billing.ChargeSucceeded)), billing.NotReached{},
	} {
		step, err := billing.Decide(paid, input, worldBegins)
		if err != nil || step.Collection.Version != paid.Version || len(step.Moves)+len(step.Events) > 0 {
			t.Errorf("%T: got %+v, %v, want no change", input, step, err)
		}
	}
}

// TestSucceededAfterRefusal has a payment succeed of which the processor had said that there
// was none, as after another account was put in place: it goes back by its id.
func TestSucceededAfterRefusal(t *testing.T) {
	t.Parallel()
	begun := []billing.Input{
		billing.Begin{Available: 970, Method: "pm_1"}, billing.Intend{},
		billing.Answer{Attempt: 1, Report: billing.Report{Status: billing.ChargeFailed}}, billing.Release{},
	}
	late := billing.Notice(says(billing.ChargeSucceeded))
	c := collected(t, append(begun, late, late)...)
	want := billing.Task{Do: billing.DoReturn, PaymentID: "pi_1", Key: c.ReturnKey(1)}
	got := billing.Next(&c, worldBegins.Add(time.Hour))
	if got.Do != want.Do || got.PaymentID != want.PaymentID || got.Key != want.Key {
		t.Errorf("next: got %+v, want %+v", got, want)
	}
	if returning := c.Attempts[0]; returning.Outcome != billing.Returning || c.HoldID != "" {
		t.Errorf("the attempt is %s with the hold %q, want it returning without one", returning.Outcome, c.HoldID)
	}
}

// TestQuarantine believes no success that contradicts our record.
func TestQuarantine(t *testing.T) {
	t.Parallel()
	begin := billing.Begin{Available: 970, Method: "pm_1"}
	created := collected(t, begin, billing.Intend{}, says(billing.RequiresConfirmation))
	for _, test := range []struct {
		name   string
		report billing.Report
	}{
		{"another amount", billing.Report{PaymentID: "pi_1", Status: billing.ChargeSucceeded, Amount: 51, Currency: "USD"}},
		{"another currency", billing.Report{PaymentID: "pi_1", Status: billing.ChargeSucceeded, Amount: 50, Currency: "INR"}},
		{"another payment", billing.Report{PaymentID: "pi_2", Status: billing.ChargeSucceeded, Amount: 50, Currency: "USD"}},
		{"no payment", billing.Report{Status: billing.ChargeSucceeded, Amount: 50, Currency: "USD"}},
	} {
		answer := billing.Answer{Attempt: 1, Report: test.report}
		for _, input := range []billing.Input{answer, billing.Notice(answer)} {
			step, err := billing.Decide(created, input, worldBegins)
			state := step.Collection.State
			if err != nil || !quarantined(step) || state != billing.CardUnknown && state != billing.CardCreated {
				t.Errorf("%s, %T: got %+v, %v, want it quarantined", test.name, input, step, err)
			}
		}
	}
	paid := collected(t, begin, billing.Intend{}, says(billing.ChargeSucceeded), billing.Settle{})
	step, err := billing.Decide(paid, says(billing.ChargeFailed), worldBegins)
	if err != nil || step.Collection.State != billing.Paid || !quarantined(step) {
		t.Errorf("a failure after the success: got %+v, %v, want it quarantined", step, err)
	}
}

// quarantined reports whether a step tells people of a contradiction and moves nothing.
func quarantined(step billing.Step) bool {
	return len(step.Events) > 0 && step.Events[0].Kind == billing.EventQuarantined && len(step.Moves) == 0
}

// TestProcessorAway tells a person once of an attempt that is open for three days, even
// when nothing was ever unknown about it.
func TestProcessorAway(t *testing.T) {
	t.Parallel()
	c := collected(t, billing.Begin{Available: 970, Method: "pm_1"}, billing.Intend{})
	now, told := worldBegins.Add(time.Minute), []time.Duration{}
	for now.Before(worldBegins.Add(100 * time.Hour)) {
		var input billing.Input = billing.NotReached{Attempt: 1}
		switch task := billing.Next(&c, now); task.Do {
		case billing.DoWait:
			now = task.At
			continue
		case billing.DoEscalate:
			input, told = billing.Escalate{}, append(told, now.Sub(worldBegins))
		}
		step, err := billing.Decide(c, input, now)
		if err != nil {
			t.Fatal(err)
		}
		c = step.Collection
	}
	if len(told) != 1 || told[0] != billing.EscalateAfter+time.Minute || c.State != billing.CardIntended {
		t.Errorf("got %s and a person told after %v, want card_intended and 72 hours", c.State, told)
	}
}
