package accounts

import (
	"context"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/processor"
	"github.com/billfold/billfold/internal/processor/stripe"
)

var _ processor.Several = routes{}

// routes is a processor that passes each call to the one it is about: a payment stays
// where it was begun, also when the business charges elsewhere since. A call for one that
// is not there has no effect.
type routes struct {
	sandbox processor.Processor // nil in live mode
	stripe  processor.Hosted    // nil without an account

	// unknown says that nobody knows now whether there is an account, or that it does not
	// open.
	unknown bool
}

// ofMethod is who charges a payment method.
func (r routes) ofMethod(method string) processor.Processor {
	if stripe.IsMethod(method) || r.sandbox == nil {
		return orNobody(r.stripe)
	}
	return r.sandbox
}

// ofPayment is whose a payment is.
func (r routes) ofPayment(id string) processor.Processor {
	if stripe.IsPayment(id) || r.sandbox == nil {
		return orNobody(r.stripe)
	}
	return r.sandbox
}

// Attend implements [processor.Several]. A new card is entered where the business charges
// now, and nowhere where nobody knows that; the sandbox comes back as it is, without
// anything around it.
func (r routes) Attend(paymentID string) processor.Processor {
	switch {
	case paymentID == "" && r.unknown:
		return nil
	case paymentID == "" && r.stripe == nil, paymentID != "" && !stripe.IsPayment(paymentID):
		return r.sandbox
	case r.stripe == nil:
		return nil // a payment of an account that is not there any more
	}
	return r.stripe
}

func orNobody(p processor.Hosted) processor.Processor {
	if p == nil {
		return nobody{}
	}
	return p
}

func (r routes) Create(ctx context.Context, q processor.Request) (billing.Report, error) {
	return r.ofMethod(q.Method).Create(ctx, q)
}

func (r routes) Confirm(ctx context.Context, paymentID string) (billing.Report, error) {
	return r.ofPayment(paymentID).Confirm(ctx, paymentID)
}

func (r routes) LookUp(ctx context.Context, paymentID string) (billing.Report, error) {
	return r.ofPayment(paymentID).LookUp(ctx, paymentID)
}

func (r routes) Search(ctx context.Context, q processor.Request, at time.Time) (billing.Report, error) {
	return r.ofMethod(q.Method).Search(ctx, q, at)
}

func (r routes) Cancel(ctx context.Context, paymentID string) (billing.Report, error) {
	return r.ofPayment(paymentID).Cancel(ctx, paymentID)
}

func (r routes) Return(ctx context.Context, paymentID, key string) error {
	return r.ofPayment(paymentID).Return(ctx, paymentID, key)
}

func (r routes) Refund(ctx context.Context, q processor.RefundRequest) (processor.RefundStatus, error) {
	return r.ofPayment(q.PaymentID).Refund(ctx, q)
}

// nobody is a processor that is not reached.
type nobody struct{}

func (nobody) Create(context.Context, processor.Request) (billing.Report, error) {
	return billing.Report{}, processor.ErrNotReached
}

func (nobody) Confirm(context.Context, string) (billing.Report, error) {
	return billing.Report{}, processor.ErrNotReached
}

func (nobody) LookUp(context.Context, string) (billing.Report, error) {
	return billing.Report{}, processor.ErrNotReached
}

func (nobody) Search(context.Context, processor.Request, time.Time) (billing.Report, error) {
	return billing.Report{}, processor.ErrNotReached
}

func (nobody) Cancel(context.Context, string) (billing.Report, error) {
	return billing.Report{}, processor.ErrNotReached
}

func (nobody) Return(context.Context, string, string) error { return processor.ErrNotReached }

func (nobody) Refund(context.Context, processor.RefundRequest) (processor.RefundStatus, error) {
	return "", processor.ErrNotReached
}
