package billing_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func TestRefunds(t *testing.T) {
	t.Parallel()
	paid := billing.Refundable{
		PaymentID: "pay_1", Currency: "USD", Succeeded: true, Wallet: 600, Card: 400, Lines: []billing.Line{{"a", 700}, {"b", 300}},
	}
	with := func(change func(*billing.Refundable)) billing.Refundable {
		p := paid
		change(&p)
		return p
	}
	for _, test := range []struct {
		name         string
		payment      billing.Refundable
		request      billing.RefundRequest
		card, wallet money.Amount
		state        billing.RefundState
		move         billing.RefundMove
		code         ledger.Code
	}{
		{"all of it", paid, billing.RefundRequest{}, 400, 600, billing.RefundPending, billing.RefundMove{}, ""},
		{"a half", paid, billing.RefundRequest{Amount: 500}, 200, 300, billing.RefundPending, billing.RefundMove{}, ""},
		{"one", paid, billing.RefundRequest{Amount: 1}, 0, 1, billing.RefundSucceeded, billing.RefundMove{Restore: 1}, ""},
		{"to the wallet", paid, billing.RefundRequest{Amount: 500, Destination: billing.ToWallet}, 200, 300, billing.RefundSucceeded, billing.RefundMove{Restore: 300, Credit: 200}, ""},
		{"a line", paid, billing.RefundRequest{Lines: []billing.Line{{"b", 0}}}, 120, 180, billing.RefundPending, billing.RefundMove{}, ""},
		{"part of a line", paid, billing.RefundRequest{Lines: []billing.Line{{"a", 10}}}, 4, 6, billing.RefundPending, billing.RefundMove{}, ""},
		{"by wallet alone", with(func(p *billing.Refundable) { p.Card = 0 }), billing.RefundRequest{}, 0, 600, billing.RefundSucceeded, billing.RefundMove{Restore: 600}, ""},
		{"what a dispute left", with(func(p *billing.Refundable) { p.Disputed = 500 }), billing.RefundRequest{}, 0, 600, billing.RefundSucceeded, billing.RefundMove{Restore: 600}, ""},
		{"not paid", with(func(p *billing.Refundable) { p.Succeeded = false }), billing.RefundRequest{}, 0, 0, "", billing.RefundMove{}, billing.CodePaymentNotSucceeded},
		{"another currency", paid, billing.RefundRequest{Currency: "INR"}, 0, 0, "", billing.RefundMove{}, billing.CodeCurrencyMismatch},
		{"too much", paid, billing.RefundRequest{Amount: 1001}, 0, 0, "", billing.RefundMove{}, billing.CodeRefundExceeds},
		{"below zero", paid, billing.RefundRequest{Amount: -1}, 0, 0, "", billing.RefundMove{}, billing.CodeRefundExceeds},
		{"too much of a line", paid, billing.RefundRequest{Lines: []billing.Line{{"b", 301}}}, 0, 0, "", billing.RefundMove{}, billing.CodeLineTooHigh},
		{"below zero of a line", paid, billing.RefundRequest{Lines: []billing.Line{{"a", 9}, {"b", -1}}}, 0, 0, "", billing.RefundMove{}, billing.CodeLineTooLow},
		{"no such line", paid, billing.RefundRequest{Lines: []billing.Line{{"c", 1}}}, 0, 0, "", billing.RefundMove{}, billing.CodeLineNotFound},
		{"a line twice", paid, billing.RefundRequest{Lines: []billing.Line{{"a", 1}, {"a", 1}}}, 0, 0, "", billing.RefundMove{}, billing.CodeLineTwice},
		{"of nothing", with(func(p *billing.Refundable) { p.Card, p.Wallet = 0, 0 }), billing.RefundRequest{}, 0, 0, "", billing.RefundMove{}, billing.CodeNothingPaid},
		{"of a line that went back", with(func(p *billing.Refundable) {
			p.Refunds = []billing.Refund{{ID: "ref_0", State: billing.RefundSucceeded, Wallet: 300, Lines: []billing.Line{{"b", 300}}}}
		}), billing.RefundRequest{Lines: []billing.Line{{"b", 0}}}, 0, 0, "", billing.RefundMove{}, billing.CodeLineRefunded},
		{"all went back", with(func(p *billing.Refundable) {
			p.Refunds = []billing.Refund{{ID: "ref_0", State: billing.RefundSucceeded, Wallet: 600, Card: 400}}
		}), billing.RefundRequest{}, 0, 0, "", billing.RefundMove{}, billing.CodeAlreadyRefunded},
		{"all may go back", with(func(p *billing.Refundable) {
			p.Refunds = []billing.Refund{{ID: "ref_0", State: billing.RefundPending, Wallet: 600, Card: 400}}
		}), billing.RefundRequest{}, 0, 0, "", billing.RefundMove{}, billing.CodeRefundProcessing},
	} {
		test.request.ID, test.request.Destination = "ref_1", destinationOr(test.request.Destination)
		step, err := billing.MakeRefund(test.payment, test.request)
		got := step.Refund
		if ledger.CodeOf(err) != test.code || got.Card != test.card || got.Wallet != test.wallet ||
			got.State != test.state || step.RefundMove != test.move {
			t.Errorf("%s: got %+v, %+v, %v, want %d by card, %d of the wallet, %s, %+v, %q",
				test.name, got, step.RefundMove, err, test.card, test.wallet, test.state, test.move, test.code)
		}
		if again, err := billing.MakeRefund(step.Refundable, test.request); test.code == "" &&
			(err != nil || again.RefundMove != billing.RefundMove{} || len(again.Refundable.Refunds) != 1) {
			t.Errorf("%s, again: got %+v, %v, want the first without a move", test.name, again, err)
		}
	}
}

func destinationOr(d billing.Destination) billing.Destination {
	if d == "" {
		return billing.ToOriginal
	}
	return d
}

// refunder is the rules of refunds, or mistaken ones.
type refunder struct {
	make   func(billing.Refundable, billing.RefundRequest) (billing.RefundStep, error)
	answer func(billing.Refundable, string, bool) billing.RefundStep
}

// refunds is a payment with what has really been given back.
type refunds struct {
	p        billing.Refundable
	restored money.Amount // to the lots
	credited money.Amount
	returned money.Amount // to the card
	history  []string
}

// refundCommands are what an order of refunds is made of. Answers are about the
// first refund, the second or the third, and may come twice and contradict.
var refundCommands = []struct {
	name    string
	request billing.RefundRequest
	answer  int // of which refund from 1, 0: a request
	success bool
}{
	{"all", billing.RefundRequest{Destination: billing.ToOriginal}, 0, false},
	{"1", billing.RefundRequest{Destination: billing.ToOriginal, Amount: 1}, 0, false},
	{"2", billing.RefundRequest{Destination: billing.ToOriginal, Amount: 2}, 0, false},
	{"2 to the wallet", billing.RefundRequest{Destination: billing.ToWallet, Amount: 2}, 0, false},
	{"line a", billing.RefundRequest{Destination: billing.ToOriginal, Lines: []billing.Line{{"a", 0}}}, 0, false},
	{"first went", billing.RefundRequest{}, 1, true},
	{"first failed", billing.RefundRequest{}, 1, false},
	{"second went", billing.RefundRequest{}, 2, true},
	{"second failed", billing.RefundRequest{}, 2, false},
	{"third went", billing.RefundRequest{}, 3, true},
}

// follow carries out every order of commands from here on, and returns how many
// there were and the first complaint.
func (r refunds) follow(rules refunder, depth int) (orders int, complaint string) {
	if complaint := r.fault(); complaint != "" || depth == 0 {
		return 1, complaint
	}
	for _, command := range refundCommands {
		next := r
		next.history = append(slices.Clip(r.history), command.name)
		id := fmt.Sprint("ref_", len(r.p.Refunds)+1)
		before := r.p
		var step billing.RefundStep
		if command.answer > 0 {
			id = fmt.Sprint("ref_", command.answer)
			step = rules.answer(r.p, id, command.success)
		} else {
			var err error
			command.request.ID = id
			if step, err = rules.make(r.p, command.request); err != nil {
				card, wallet := r.p.Left()
				if len(command.request.Lines) == 0 && card+wallet >= max(command.request.Amount, 1) {
					return orders, fmt.Sprintf("%q: refused what is left: %v", next.history, err)
				}
				continue
			}
		}
		next.p = step.Refundable
		next.restored, next.credited = r.restored+step.Restore, r.credited+step.Credit
		next.returned += cardReturned(before, next.p, id)
		n, complaint := next.follow(rules, depth-1)
		if orders += n; complaint != "" {
			return orders, complaint
		}
	}
	return orders, ""
}

// cardReturned is what an answer means for the card: it went when the refund
// succeeded, and came back when it was reversed.
func cardReturned(before, after billing.Refundable, id string) money.Amount {
	state := func(p billing.Refundable) (billing.RefundState, money.Amount) {
		for _, refund := range p.Refunds {
			if refund.ID == id && refund.Destination == billing.ToOriginal {
				return refund.State, refund.Card
			}
		}
		return "", 0
	}
	was, _ := state(before)
	is, amount := state(after)
	switch {
	case is == was:
	case is == billing.RefundSucceeded:
		return amount
	case was == billing.RefundSucceeded:
		return -amount
	}
	return 0
}

// fault says which law of refunds is broken, or "".
func (r refunds) fault() string {
	var pending money.Amount
	lines := map[string]money.Amount{}
	for _, refund := range r.p.Refunds {
		if refund.State == billing.RefundPending {
			pending += refund.Card
		}
		if refund.State == billing.RefundPending || refund.State == billing.RefundSucceeded {
			for _, line := range refund.Lines {
				lines[line.ID] += line.Amount
			}
		}
	}
	switch {
	case r.restored > r.p.Wallet:
		return fmt.Sprintf("%q: F1: %d went to the lots, of %d", r.history, r.restored, r.p.Wallet)
	case r.returned+pending+r.credited > r.p.Card-r.p.Disputed:
		return fmt.Sprintf("%q: F2: %d went to the card, %d may and %d were credited, of %d", r.history, r.returned, pending, r.credited, r.p.Card)
	}
	for _, line := range r.p.Lines {
		if lines[line.ID] > line.Amount {
			return fmt.Sprintf("%q: F3: %d of line %s", r.history, lines[line.ID], line.ID)
		}
	}
	if card, wallet := r.p.Left(); card+wallet == 0 && pending == 0 &&
		(r.restored != r.p.Wallet || r.returned+r.credited != r.p.Card-r.p.Disputed) {
		return fmt.Sprintf("%q: nothing is left, and %d + %d + %d came back", r.history, r.restored, r.returned, r.credited)
	}
	return ""
}

// allRefunds carries out every order of commands for small payments.
func allRefunds(rules refunder, depth int) (orders int, complaint string) {
	for wallet := range money.Amount(4) {
		for card := range money.Amount(3) {
			if wallet+card == 0 {
				continue
			}
			r := refunds{p: billing.Refundable{
				PaymentID: "pay_1", Currency: "USD", Succeeded: true, Wallet: wallet, Card: card, Disputed: min(card, wallet/3),
				Lines: []billing.Line{{"a", (wallet + card + 1) / 2}, {"b", (wallet + card) / 2}},
			}}
			n, complaint := r.follow(rules, depth)
			if orders += n; complaint != "" {
				return orders, fmt.Sprintf("%d + %d: %s", wallet, card, complaint)
			}
		}
	}
	return orders, ""
}

// without has a request decided as if some refunds were not there.
func without(hidden func(billing.Refund) bool) refunder {
	return refunder{func(p billing.Refundable, q billing.RefundRequest) (billing.RefundStep, error) {
		seen := p
		seen.Refunds = slices.DeleteFunc(slices.Clone(p.Refunds), hidden)
		step, err := billing.MakeRefund(seen, q)
		if err == nil {
			step.Refundable.Refunds = append(slices.Clip(p.Refunds), step.Refund)
		}
		return step, err
	}, billing.AnswerRefund}
}

// TestRefundsInEveryOrder carries out every order of five requests and answers on
// small payments (laws F1 to F4), and sees that each mistake breaks a law.
func TestRefundsInEveryOrder(t *testing.T) {
	t.Parallel()
	orders, complaint := allRefunds(refunder{billing.MakeRefund, billing.AnswerRefund}, 5)
	if complaint != "" {
		t.Error(complaint)
	}
	t.Logf("%d orders", orders)
	changed := func(change func(*billing.Refundable, *billing.RefundRequest)) refunder {
		return refunder{func(p billing.Refundable, q billing.RefundRequest) (billing.RefundStep, error) {
			seen := p
			change(&seen, &q)
			step, err := billing.MakeRefund(seen, q)
			step.Refundable.Disputed, step.Refundable.Wallet, step.Refundable.Card = p.Disputed, p.Wallet, p.Card
			return step, err
		}, billing.AnswerRefund}
	}
	for _, mistake := range []struct {
		name  string
		rules refunder
	}{
		{"what is pending is not counted", without(func(r billing.Refund) bool { return r.State == billing.RefundPending })},
		{"a refund to the wallet is not one", without(func(r billing.Refund) bool { return r.Destination == billing.ToWallet })},
		{"only the last refund is counted", without(func(r billing.Refund) bool { return r.ID == "ref_1" })},
		{"a dispute is not looked at", changed(func(p *billing.Refundable, _ *billing.RefundRequest) { p.Disputed = 0 })},
		{"all goes to the card", changed(func(p *billing.Refundable, _ *billing.RefundRequest) { p.Card, p.Wallet = p.Card+p.Wallet, 0 })},
		{"an answer that comes twice counts twice", refunder{billing.MakeRefund, func(p billing.Refundable, id string, succeeded bool) billing.RefundStep {
			step := billing.AnswerRefund(p, id, succeeded)
			if succeeded {
				step.Restore = step.Refund.Wallet
			}
			return step
		}}},
		{"a failed refund gives to the lots all the same", refunder{billing.MakeRefund, func(p billing.Refundable, id string, succeeded bool) billing.RefundStep {
			step := billing.AnswerRefund(p, id, succeeded)
			if step.Refund.State == billing.RefundFailed {
				step.Restore = step.Refund.Wallet
			}
			return step
		}}},
	} {
		if _, complaint := allRefunds(mistake.rules, 4); complaint == "" {
			t.Errorf("not noticed: %s", mistake.name)
		} else {
			t.Logf("%s: %s", mistake.name, complaint)
		}
	}
}
