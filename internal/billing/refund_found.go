package billing

import (
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// FindRefund decides what becomes of a payment when the processor says that somebody
// else, by a page of the processor's, has given a part of the card's part back, under an
// id that is the same each time. All of it went to the card, and the wallet's part stays
// what it was. It moves nothing here.
//
// It refuses with PAYMENT_NOT_SUCCEEDED, and with REFUND_AMOUNT_EXCEEDS_PAID_AMOUNT what
// is more than is left of the card's part: both records cannot be right then (law F1).
func FindRefund(p Refundable, id string, amount money.Amount, state RefundState) (RefundStep, error) {
	if at := p.find(id); at >= 0 {
		if state == RefundPending {
			return RefundStep{Refundable: p, Refund: p.Refunds[at]}, nil
		}
		return AnswerRefund(p, id, state == RefundSucceeded), nil
	}
	if !p.Succeeded {
		return RefundStep{}, ledger.Errorf(CodePaymentNotSucceeded, "payment %s has not succeeded, and was given back", p.PaymentID)
	}
	if state == RefundFailed {
		return RefundStep{Refundable: p}, nil // nothing went back, and nobody here asked for it
	}
	if left, _ := p.Left(); amount < 1 || amount > left {
		return RefundStep{}, ledger.Errorf(CodeRefundExceeds,
			"%d minor units of the card's part of payment %s are left, and %d were given back", left, p.PaymentID, amount)
	}
	refund := Refund{ID: id, State: state, Destination: ToOriginal, Card: amount}
	p.Refunds = append(p.Refunds[:len(p.Refunds):len(p.Refunds)], refund)
	return RefundStep{Refundable: p, Refund: refund}, nil
}
