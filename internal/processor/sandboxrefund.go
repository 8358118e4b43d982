package processor

import (
	"context"
	"errors"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/money"
)

// SandboxRefund is a refund of the sandbox, as it is kept with its payment.
type SandboxRefund struct {
	Key    string       `json:"key"`
	Amount money.Amount `json:"amount"`
	Status RefundStatus `json:"status"`
	At     time.Time    `json:"at,omitzero"` // when one that is pending succeeds
}

// sandboxRefundAfter is how long a refund takes that does not succeed at once.
const sandboxRefundAfter = time.Hour

var errRefundReused = errors.New("the sandbox has another refund under this key")

// Refund implements [Processor].
func (s *Sandbox) Refund(ctx context.Context, r RefundRequest) (RefundStatus, error) {
	last := make(chan RefundStatus, 1) // what counts is what was decided last
	_, err := s.of(ctx, r.PaymentID, func(p *SandboxPayment) error {
		status, err := p.refund(r, s.now().UTC())
		select {
		case <-last:
		default:
		}
		last <- status
		return err
	})
	if err != nil {
		return "", err
	}
	return <-last, nil
}

// refund makes a refund of the payment, or finds the one that was made under its key.
func (p *SandboxPayment) refund(r RefundRequest, now time.Time) (RefundStatus, error) {
	left := p.Request.Amount
	if p.Returned {
		left = 0
	}
	for i := range p.Refunds {
		old := &p.Refunds[i]
		if old.Status == RefundPending && !now.Before(old.At) {
			old.Status, old.At = RefundSucceeded, time.Time{}
		}
		if old.Key == r.Key {
			if old.Amount != r.Amount {
				return "", errRefundReused
			}
			return old.Status, nil
		}
		if old.Status != RefundFailed {
			left -= old.Amount
		}
	}
	made := SandboxRefund{Key: r.Key, Amount: r.Amount, Status: RefundSucceeded}
	method := p.Request.Method
	switch {
	case p.Status != billing.ChargeSucceeded || r.Amount < 1 || r.Amount > left || r.Currency != p.Request.Currency,
		method == SandboxRefundFails:
		made.Status = RefundFailed
	case method == SandboxRefundPending:
		made.Status, made.At = RefundPending, now.Add(sandboxRefundAfter)
	}
	p.Refunds = append(p.Refunds, made)
	if method == SandboxRefundTimeout {
		return "", errTimeout
	}
	return made.Status, nil
}
