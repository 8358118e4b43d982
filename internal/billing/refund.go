package billing

import (
	"slices"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// The codes of refused refunds.
const (
	CodePaymentNotSucceeded ledger.Code = "PAYMENT_NOT_SUCCEEDED"
	CodeAlreadyRefunded     ledger.Code = "PAYMENT_ALREADY_REFUNDED"
	CodeRefundExceeds       ledger.Code = "REFUND_AMOUNT_EXCEEDS_PAID_AMOUNT"
	CodeCurrencyMismatch    ledger.Code = "CURRENCY_MISMATCH"
	CodeRefundProcessing    ledger.Code = "EXISTING_REFUND_REQUEST_PROCESSING"
	CodeNothingPaid         ledger.Code = "ZERO_AMOUNT_PAYMENT_REFUND_NOT_ALLOWED"
	CodeLineNotFound        ledger.Code = "LINE_ITEM_NOT_FOUND"
	CodeLineTwice           ledger.Code = "DUPLICATE_LINE_ITEMS_IN_REQUEST"
	CodeLineRefunded        ledger.Code = "LINE_ITEM_FULLY_REFUNDED"
	CodeLineTooHigh         ledger.Code = "LINE_ITEM_REFUND_AMOUNT_TOO_HIGH"
	CodeLineTooLow          ledger.Code = "LINE_ITEM_REFUND_AMOUNT_TOO_LOW"
	CodeNothingToRefund     ledger.Code = "NOTHING_TO_REFUND"
)

// Destination is where a refund goes.
type Destination string

const (
	// ToOriginal gives the card's part back to the card and the wallet's part to the
	// very lots it came from.
	ToOriginal Destination = "original"

	// ToWallet credits the wallet with the card's part instead.
	ToWallet Destination = "wallet"
)

// Refundable is a payment as far as it can be refunded, with all refunds of it: the
// row that is locked to decide one.
type Refundable struct {
	PaymentID string
	Currency  money.Currency
	Succeeded bool

	Wallet money.Amount // what the wallet paid of the invoice
	Card   money.Amount // what the card paid of it, without a surplus that was credited

	// Lines are those of the invoice; what they were charged sums to Wallet + Card.
	Lines []Line

	// Disputed is what a dispute has taken of the card's part, see [Dispute].
	Disputed money.Amount

	// TopUp says that the payment went to the wallet, of which Unspent is left in the very
	// lot, that is neither held nor expired. No more goes back, and to the card only.
	TopUp   bool
	Unspent money.Amount

	Refunds []Refund // oldest first
}

// Line is a line of an invoice.
type Line struct {
	ID     string       `json:"id"`
	Amount money.Amount `json:"amount"`
}

// RefundState is where a refund stands.
type RefundState string

// The states. A refund without a part of the card has succeeded when it is made.
const (
	RefundPending   RefundState = "pending" // the card's part was asked for, and its outcome is not known
	RefundSucceeded RefundState = "succeeded"
	RefundFailed    RefundState = "failed"   // nothing was given back
	RefundReversed  RefundState = "reversed" // the card's part came back after it had succeeded
)

// Refund is one of a payment.
type Refund struct {
	ID          string       `json:"id"`
	State       RefundState  `json:"state"`
	Destination Destination  `json:"destination"`
	Card        money.Amount `json:"card"`            // of the card's part
	Wallet      money.Amount `json:"wallet"`          // of the wallet's part
	Lines       []Line       `json:"lines,omitempty"` // what of which line, empty for what is about none
}

// Key identifies the refund at the processor.
func (r *Refund) Key() string { return "refund:" + r.ID }

// takes is what of the parts a refund keeps from being refunded again.
func (r *Refund) takes() (card, wallet money.Amount) {
	switch r.State {
	case RefundFailed:
		return 0, 0
	case RefundReversed:
		return 0, r.Wallet
	}
	return r.Card, r.Wallet
}

// Left is what can be refunded of the card's part and of the wallet's.
func (p *Refundable) Left() (card, wallet money.Amount) {
	card, wallet = p.Card-p.Disputed, p.Wallet
	for i := range p.Refunds {
		fromCard, fromWallet := p.Refunds[i].takes()
		card, wallet = card-fromCard, wallet-fromWallet
	}
	if p.TopUp { // a refund under way holds its amount, so that it is not among what is unspent
		card = min(card, p.Unspent)
	}
	return max(card, 0), wallet
}

// Given is what refunds have given back so far, of both parts.
func (p *Refundable) Given() (sum money.Amount) {
	for i := range p.Refunds {
		if r := &p.Refunds[i]; r.State != RefundPending {
			card, wallet := r.takes()
			sum += card + wallet
		}
	}
	return sum
}

// LineLeft is what can be refunded of a line: no more than of the payment.
func (p *Refundable) LineLeft(id string) money.Amount {
	of, _ := p.lineLeft(id)
	card, wallet := p.Left()
	return min(of, card+wallet)
}

// RefundWait is how long to wait with the next call about a refund, after so many in a
// row that had no definite answer.
func RefundWait(looks int) time.Duration { return backOff(looks) }

// lineLeft is what can be refunded of a line, and false where there is no such line.
// A refund that came back has given back what it gave to the wallet; of which line
// that was cannot be told, so it counts whole.
func (p *Refundable) lineLeft(id string) (money.Amount, bool) {
	at := slices.IndexFunc(p.Lines, func(l Line) bool { return l.ID == id })
	if at < 0 {
		return 0, false
	}
	left := p.Lines[at].Amount
	for i := range p.Refunds {
		r := &p.Refunds[i]
		if card, wallet := r.takes(); card+wallet == 0 {
			continue
		}
		for _, line := range r.Lines {
			if line.ID == id {
				left -= line.Amount
			}
		}
	}
	return left, true
}

// RefundRequest asks for a refund.
type RefundRequest struct {
	ID          string
	Currency    money.Currency // empty: that of the payment
	Destination Destination

	// Amount is how much, 0 for all that is left. Where there are lines it is not
	// looked at.
	Amount money.Amount

	// Lines say how much of which line, each with 0 for all that is left of it.
	Lines []Line
}

// RefundMove is what a refund moves in the wallet, in the commit that decides it.
type RefundMove struct {
	Restore money.Amount // of the wallet's part, by a reversal: to the very lots
	Credit  money.Amount // of the card's part, as paid money, against refunds

	// Of a top-up, what is held of its lot while the card has not answered, then debited
	// against cash or given back; and what comes to the lot again, by a reversal of that debit.
	Hold    money.Amount
	Capture money.Amount
	Release money.Amount
	Undo    money.Amount
}

// RefundStep is everything that is committed together.
type RefundStep struct {
	Refundable Refundable
	Refund     Refund
	RefundMove
}

// MakeRefund decides a refund. The first rule that does not hold refuses:
//
//  1. the payment has not succeeded      PAYMENT_NOT_SUCCEEDED
//  2. another currency                   CURRENCY_MISMATCH
//  3. nothing was paid                   ZERO_AMOUNT_PAYMENT_REFUND_NOT_ALLOWED
//  4. nothing is left, and a refund is
//     pending that may fail              EXISTING_REFUND_REQUEST_PROCESSING
//  5. a top-up of which nothing is left
//     in its lot, or to the wallet       NOTHING_TO_REFUND
//  6. nothing is left                    PAYMENT_ALREADY_REFUNDED
//  7. a line named twice                 DUPLICATE_LINE_ITEMS_IN_REQUEST
//  8. no such line                       LINE_ITEM_NOT_FOUND
//  9. nothing is left of a line          LINE_ITEM_FULLY_REFUNDED
//  10. below one of a line               LINE_ITEM_REFUND_AMOUNT_TOO_LOW
//  11. more than is left of a line       LINE_ITEM_REFUND_AMOUNT_TOO_HIGH
//  12. more than is left of the payment  REFUND_AMOUNT_EXCEEDS_PAID_AMOUNT
//
// A part of a payment is taken of its two parts in proportion to what is left of
// each, so that all refunds together take exactly both (laws F1, F2):
//
//	paid 6.00 by wallet and 4.00 by card, refund 5.00    3.00 to the lots, 2.00 to the card
//
// A refund with a part of the card is pending until the processor has answered, and
// holds both parts until then. Of a top-up it is what the lot has left, which is held in
// the commit that decides it:
//
//	top-up 1000, of which 700 are left    700 to the card at the most, and nobody spends them
//
// What is asked for under an id that was used gets that
// refund.
func MakeRefund(p Refundable, q RefundRequest) (RefundStep, error) {
	if at := p.find(q.ID); at >= 0 {
		return RefundStep{Refundable: p, Refund: p.Refunds[at]}, nil
	}
	if !p.Succeeded {
		return RefundStep{}, ledger.Errorf(CodePaymentNotSucceeded, "payment %s has not succeeded; only what was paid can be refunded", p.PaymentID)
	}
	if q.Currency != "" && q.Currency != p.Currency {
		return RefundStep{}, ledger.Errorf(CodeCurrencyMismatch, "payment %s was made in %s", p.PaymentID, p.Currency)
	}
	if p.Card+p.Wallet == 0 {
		return RefundStep{}, ledger.Errorf(CodeNothingPaid, "payment %s is of nothing", p.PaymentID)
	}
	card, wallet := p.Left()
	if card+wallet == 0 || p.TopUp && q.Destination == ToWallet {
		return RefundStep{}, p.nothing(q.Destination)
	}
	amount, lines, err := p.wanted(q, card+wallet)
	if err != nil {
		return RefundStep{}, err
	}
	parts, err := money.Split(amount, []int64{int64(card), int64(wallet)})
	if err != nil {
		return RefundStep{}, ledger.Errorf(ledger.CodeInternal, "payment %s has no parts to refund", p.PaymentID).WithCause(err)
	}
	refund := Refund{
		ID: q.ID, State: RefundSucceeded, Destination: q.Destination, Card: parts[0], Wallet: parts[1], Lines: lines,
	}
	step := RefundStep{Refund: refund}
	switch {
	case refund.Destination == ToWallet:
		step.RefundMove = RefundMove{Restore: refund.Wallet, Credit: refund.Card}
	case refund.Card > 0:
		if step.Refund.State = RefundPending; p.TopUp {
			step.Hold = refund.Card
		}
	default:
		step.Restore = refund.Wallet
	}
	p.Refunds = append(slices.Clip(p.Refunds), step.Refund)
	step.Refundable = p
	return step, nil
}

// nothing says why nothing can be refunded.
func (p *Refundable) nothing(destination Destination) error {
	if p.TopUp && destination == ToWallet {
		return ledger.Errorf(CodeNothingToRefund, "payment %s went to the wallet; it can go back to the card only", p.PaymentID)
	}
	if slices.ContainsFunc(p.Refunds, func(r Refund) bool { return r.State == RefundPending }) {
		return ledger.Errorf(CodeRefundProcessing, "a refund of all that is left of payment %s is under way", p.PaymentID)
	}
	of := *p
	if of.TopUp = false; p.TopUp {
		if card, _ := of.Left(); card > 0 {
			return ledger.Errorf(CodeNothingToRefund,
				"payment %s went to the wallet, and nothing of it is left there that could be given back", p.PaymentID)
		}
	}
	return ledger.Errorf(CodeAlreadyRefunded, "nothing of payment %s is left to refund", p.PaymentID)
}

// wanted is how much a request asks for, and of which lines.
func (p *Refundable) wanted(q RefundRequest, left money.Amount) (amount money.Amount, lines []Line, err error) {
	exceeds := ledger.Errorf(CodeRefundExceeds, "%d minor units of payment %s are left to refund", left, p.PaymentID)
	amount = q.Amount
	if len(q.Lines) == 0 && amount == 0 {
		amount = left
	}
	if len(q.Lines) > 0 {
		amount = 0
	}
	asked := map[string]bool{}
	for _, line := range q.Lines {
		if asked[line.ID] {
			return 0, nil, ledger.FieldErrorf(CodeLineTwice, "items", "item %s is named twice", line.ID)
		}
		asked[line.ID] = true
		if line, err = p.wantedOf(line); err != nil {
			return 0, nil, err
		}
		amount += line.Amount // at most what was paid
		lines = append(lines, line)
	}
	if amount <= 0 || amount > left {
		return 0, nil, exceeds
	}
	return amount, lines, nil
}

// wantedOf is how much a request asks for of a line.
func (p *Refundable) wantedOf(line Line) (Line, error) {
	of, ok := p.lineLeft(line.ID)
	switch {
	case !ok:
		return line, ledger.FieldErrorf(CodeLineNotFound, "items", "payment %s has no item %s", p.PaymentID, line.ID)
	case of <= 0:
		return line, ledger.FieldErrorf(CodeLineRefunded, "items", "nothing of item %s is left to refund", line.ID)
	case line.Amount < 0:
		return line, ledger.FieldErrorf(CodeLineTooLow, "items", "at least 1 minor unit of item %s can be refunded", line.ID)
	case line.Amount > of:
		return line, ledger.FieldErrorf(CodeLineTooHigh, "items", "%d minor units of item %s are left to refund", of, line.ID)
	case line.Amount == 0:
		line.Amount = of
	}
	return line, nil
}

func (p *Refundable) find(id string) int {
	return slices.IndexFunc(p.Refunds, func(r Refund) bool { return r.ID == id })
}

// AnswerRefund decides what becomes of a refund when the processor says whether the
// card's part went back. It may say so twice and in any order; a part that came back
// has come back (law F4). What is not pending any more moves nothing.
func AnswerRefund(p Refundable, id string, succeeded bool) RefundStep {
	at := p.find(id)
	if at < 0 {
		return RefundStep{Refundable: p}
	}
	p.Refunds = slices.Clone(p.Refunds)
	r := &p.Refunds[at]
	var move RefundMove
	switch {
	case r.State == RefundPending && succeeded:
		if r.State, move.Restore = RefundSucceeded, r.Wallet; p.TopUp {
			move.Capture = r.Card
		}
	case r.State == RefundPending:
		if r.State = RefundFailed; p.TopUp {
			move.Release = r.Card
		}
	case r.State == RefundSucceeded && !succeeded && r.Destination == ToOriginal && r.Card > 0:
		if r.State = RefundReversed; p.TopUp {
			move.Undo = r.Card
		}
	}
	return RefundStep{Refundable: p, Refund: *r, RefundMove: move}
}
