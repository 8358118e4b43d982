// Package processor has the card processors behind one small interface. An adapter
// says truthfully what it knows and what it does not; what becomes of an invoice is
// decided in package billing.
package processor

import (
	"context"
	"errors"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/money"
)

// What an adapter says when it has no definite answer to report. Any other error
// means that nobody knows whether the call had its effect.
var (
	// ErrNotReached says that the call had certainly no effect.
	ErrNotReached = errors.New("the card processor was not reached")

	// ErrNoPayment says that there is certainly no such payment.
	ErrNoPayment = errors.New("the card processor has no such payment")
)

// Processor is a card processor. A payment is created without being charged, and
// charged at most once, however often it is confirmed. One that failed or was
// cancelled can never be charged any more.
type Processor interface {
	// Create makes a payment, unconfirmed. The same key gives the same payment for
	// [billing.KeyLives] at least.
	Create(ctx context.Context, r Request) (billing.Report, error)

	// Confirm charges a payment, or says why that is not done yet. A payment that is
	// final stays as it is.
	Confirm(ctx context.Context, paymentID string) (billing.Report, error)

	// LookUp says how a payment stands; [ErrNoPayment] where there is none.
	LookUp(ctx context.Context, paymentID string) (billing.Report, error)

	// Search says how the payment stands that was created under a key, however long
	// ago; [ErrNoPayment] where none is found.
	Search(ctx context.Context, key string) (billing.Report, error)

	// Cancel has a payment fail that is not charged yet, and says how it stands then.
	Cancel(ctx context.Context, paymentID string) (billing.Report, error)

	// Return gives all of a charged payment back to its card. Under any key it does
	// so once; a payment that was given back before is no error.
	Return(ctx context.Context, paymentID, key string) error
}

// Request is a payment to be made.
type Request struct {
	Key       string         `json:"key"`        // it finds the payment again, for ever
	InvoiceID string         `json:"invoice_id"` // for notifications, with the number of the attempt
	Attempt   int            `json:"attempt"`
	Amount    money.Amount   `json:"amount"` // 1 … money.EntryMax
	Currency  money.Currency `json:"currency"`
	Method    string         `json:"method"` // of the customer, as the processor knows it
}

// Notification is what a processor tells unasked about an invoice.
type Notification struct {
	InvoiceID string
	billing.Notice
}

// Do makes the call of a task about a collection and returns what is to be decided
// next. The task is one that is a call.
func Do(ctx context.Context, p Processor, c *billing.Collection, task billing.Task) billing.Input {
	var report billing.Report
	var err error
	switch task.Do {
	case billing.DoCreate:
		report, err = p.Create(ctx, Request{
			Key: task.Key, InvoiceID: c.InvoiceID, Attempt: task.Attempt, Amount: task.Amount, Currency: c.Currency, Method: task.Method,
		})
	case billing.DoConfirm:
		report, err = p.Confirm(ctx, task.PaymentID)
	case billing.DoLookUp:
		report, err = p.LookUp(ctx, task.PaymentID)
	case billing.DoSearch:
		report, err = p.Search(ctx, task.Key)
	case billing.DoCancel:
		report, err = p.Cancel(ctx, task.PaymentID)
	case billing.DoReturn:
		if err = p.Return(ctx, task.PaymentID, task.Key); err == nil {
			return billing.ReturnDone{Attempt: task.Attempt}
		}
	default:
		err = ErrNotReached // nothing was called
	}
	switch {
	case err == nil:
		return billing.Answer{Attempt: task.Attempt, Report: report}
	case errors.Is(err, ErrNotReached):
		return billing.NotReached{Attempt: task.Attempt}
	case errors.Is(err, ErrNoPayment) && task.Do == billing.DoSearch:
		return billing.NotFound{Attempt: task.Attempt, IntendedAt: task.IntendedAt}
	}
	return billing.Silence{Attempt: task.Attempt}
}
