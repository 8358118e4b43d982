package collect

import (
	"slices"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/money"
)

// CardCredit is what of a card's payment the wallet was credited with: by a refund to it,
// because the card paid more than was due, or because it paid too late.
type CardCredit struct {
	Seq     int64        `json:"seq"` // of the credit
	Amount  money.Amount `json:"amount"`
	Attempt int          `json:"attempt,omitempty"` // that paid too late; 0: the one that paid the invoice

	// Debt and Grace are as of a [TopUp].
	Debt  bool          `json:"debt,omitempty"`
	Grace time.Duration `json:"grace,omitempty"`
}

func (i *Invoice) creditedOfCard(credit CardCredit) {
	i.CardCredits = append(slices.Clip(i.CardCredits), credit)
}

// creditedLate is the number of the attempt of an amount that has just been credited for it
// paid too late, 0 for none: then it is a surplus.
func (i *Invoice) creditedLate(amount money.Amount) int {
	for _, a := range i.Collection.Attempts {
		known := slices.ContainsFunc(i.CardCredits, func(c CardCredit) bool { return c.Attempt == a.Number })
		if a.Outcome == billing.Credited && a.Amount == amount && !known {
			return a.Number
		}
	}
	return 0
}

// cardPayment is a payment by card that can be disputed.
type cardPayment struct {
	attempt int // 0: the one that paid the invoice; else that which paid too late
	amount  money.Amount
}

// cardPayment is the one that the processor knows by an id, empty for the only one.
func (i *Invoice) cardPayment(paymentID string) (payment cardPayment, ok bool) {
	charged := i.charged()
	if i.Collection.State == billing.Paid && charged != "" && (paymentID == "" || paymentID == charged) {
		return cardPayment{0, i.Collection.Tender.Card}, true
	}
	for _, a := range i.Collection.Attempts {
		if a.Outcome == billing.Credited && (paymentID == "" || paymentID == a.PaymentID) {
			return cardPayment{a.Number, a.Amount}, true
		}
	}
	return payment, false
}

// cardPaymentOf is that of an attempt.
func (i *Invoice) cardPaymentOf(attempt int) cardPayment {
	if attempt == 0 {
		return cardPayment{0, i.Collection.Tender.Card}
	}
	return cardPayment{attempt, i.Collection.Attempts[attempt-1].Amount}
}

// claimed is what disputes of a payment claim, but for the one that the processor knows by an
// id, and what the wallet answers for of that.
func (i *Invoice) claimed(attempt int, but string) (claimed, answered money.Amount) {
	for n := range i.Disputes {
		d := &i.Disputes[n]
		if d.Attempt == attempt && d.ProcessorID != but && d.Claim() != billing.ClaimNone {
			claimed += d.Amount
			answered += d.Held + d.Lost + d.Debt + d.WrittenOff
		}
	}
	return claimed, answered
}

// asked is what of a dispute the wallet answers for: of a top-up all of it, and else what the
// customer would get back beyond all that the card paid, of what the wallet was credited with.
//
//	paid 1000, of which 400 were refunded to the wallet    disputed 1000: 400
//	                                                       disputed 700: 100
func (i *Invoice) asked(d *Dispute) money.Amount {
	if i.Reason == ForTopUp && d.Attempt == 0 {
		return d.Amount
	}
	var credited money.Amount
	for _, c := range i.CardCredits {
		if c.Attempt == d.Attempt {
			credited += c.Amount
		}
	}
	claimed, answered := i.claimed(d.Attempt, d.ProcessorID)
	back := claimed + d.Amount
	payment := i.Collection.Tender.Card
	if d.Attempt > 0 {
		payment, back = i.Collection.Attempts[d.Attempt-1].Amount, back+credited
	} else {
		back += i.Collection.Tender.Surplus
		for n := range i.Refunds {
			if r := &i.Refunds[n]; r.State == billing.RefundSucceeded {
				back += r.Card
			}
		}
	}
	return max(0, min(d.Amount, min(credited, back-payment)-answered))
}

// roots are the seqs of the credits whose lots answer for a payment.
func (i *Invoice) roots(attempt int) (seqs []int64) {
	if i.TopUp.LotSeq > 0 && attempt == 0 {
		seqs = append(seqs, i.TopUp.LotSeq)
	}
	for _, c := range i.CardCredits {
		if c.Attempt == attempt {
			seqs = append(seqs, c.Seq)
		}
	}
	return seqs
}

// terms are whether a wallet owes what it does not have for a dispute, and how long what is
// given back lives whose lot has expired.
func (i *Invoice) terms(attempt int) (debt bool, grace time.Duration) {
	if i.Reason == ForTopUp && attempt == 0 {
		return i.TopUp.Debt, i.TopUp.Grace
	}
	for _, c := range i.CardCredits {
		if c.Attempt == attempt {
			debt, grace = c.Debt, c.Grace
		}
	}
	return debt, grace
}
