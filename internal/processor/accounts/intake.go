package accounts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/processor"
	"github.com/billfold/billfold/internal/processor/stripe"
)

// CodeSignature refuses a notification that is not from the processor, or too old.
const CodeSignature ledger.Code = "INVALID_SIGNATURE"

// errSignature is the one answer to a notification that is not right, for whatever
// reason: also where there is no such business, or no account.
var errSignature = ledger.Errorf(CodeSignature, "The notification has no signature that is right and younger than five minutes.")

// takenWithin is how long a notification may take. Processors do not wait much longer.
const takenWithin = 15 * time.Second

// Intake takes what processors tell unasked.
type Intake struct {
	accounts  *Accounts
	collector *collect.Collector
	inbox     processor.Inbox
	logger    *slog.Logger
	outcomes  *prometheus.CounterVec
}

// The outcomes of notifications, as the metric names them.
const (
	outcomeTaken       = "taken"
	outcomeKnown       = "known"       // it was taken before
	outcomeForeign     = "foreign"     // it is about nothing of ours
	outcomeQuarantined = "quarantined" // people have to look at it
	outcomeRefused     = "refused"     // it is not from the processor
	outcomeFailed      = "failed"      // it is to be sent again
)

// NewIntake returns an intake. Metrics may be nil.
func NewIntake(
	a *Accounts, c *collect.Collector, inbox processor.Inbox, metrics prometheus.Registerer,
) (*Intake, error) {
	i := &Intake{accounts: a, collector: c, inbox: inbox, logger: a.Logger, outcomes: prometheus.NewCounterVec(
		prometheus.CounterOpts{
			Name: "billfold_processor_notices_total", Help: "Notifications of card processors, by what became of them.",
		}, []string{"outcome"})}
	for _, outcome := range []string{
		outcomeTaken, outcomeKnown, outcomeForeign, outcomeQuarantined, outcomeRefused, outcomeFailed,
	} {
		i.outcomes.WithLabelValues(outcome)
	}
	if metrics == nil {
		return i, nil
	}
	return i, metrics.Register(i.outcomes)
}

// verdict is what became of a notification. A reason is why people have to look at it.
type verdict struct{ outcome, reason string }

var (
	taken   = verdict{outcome: outcomeTaken}
	foreign = verdict{outcome: outcomeForeign}
)

func quarantined(reason string) verdict { return verdict{outcomeQuarantined, reason} }

// Take takes a notification of Stripe's as it came. An error with [CodeSignature] is one
// that is not from Stripe; any other asks for it again. Without an error it was taken,
// now or before, is about nothing of ours, or is kept for people to look at.
func (i *Intake) Take(ctx context.Context, tenant ledger.Tenant, body []byte, signature string) error {
	ctx, cancel := context.WithTimeout(ctx, takenWithin)
	defer cancel()
	outcome, err := i.take(ctx, tenant, body, signature)
	if err != nil {
		outcome = outcomeFailed
		if ledger.CodeOf(err) == CodeSignature {
			outcome = outcomeRefused
		}
	}
	i.outcomes.WithLabelValues(outcome).Inc()
	return err
}

func (i *Intake) take(ctx context.Context, tenant ledger.Tenant, body []byte, signature string) (string, error) {
	k, err := i.accounts.of(ctx, tenant)
	switch {
	case ledger.CodeOf(err) == ledger.CodeNotFound:
		return "", errSignature
	case err != nil:
		return "", err
	case k.adapter == nil:
		return "", errSignature
	}
	event, err := k.adapter.Event(body, signature)
	if errors.Is(err, stripe.ErrSignature) {
		return "", errSignature
	}
	if event.ID == "" {
		sum := sha256.Sum256(body)
		event.ID = "sha256_" + hex.EncodeToString(sum[:])
	}
	if known, keptErr := i.inbox.NoticeKept(ctx, tenant, event.ID); known || keptErr != nil {
		return outcomeKnown, keptErr
	}
	became := quarantined("it is signed and cannot be read")
	if err == nil {
		if became, err = i.carryOut(ctx, tenant, k, event); err != nil {
			return "", again(err)
		}
	}
	if became == foreign {
		return outcomeForeign, nil
	}
	notice := processor.Notice{
		ID: event.ID, Kind: event.Kind, Reason: became.reason, ReceivedAt: i.accounts.Now().UTC().Truncate(time.Microsecond),
	}
	if became.reason != "" {
		notice.Body = storableText(body)
	}
	fresh, err := i.inbox.KeepNotice(ctx, tenant, notice)
	if err == nil && fresh && became.reason != "" {
		i.logger.Error("a notification of the card processor needs a person", "business_id", tenant.BusinessID, "mode", tenant.Mode,
			"event", event.ID, "kind", event.Kind, "reason", became.reason)
	}
	return became.outcome, err
}

// storableText is what was sent, as a text that every store keeps.
func storableText(body []byte) string {
	return strings.ReplaceAll(strings.ToValidUTF8(string(body), "\uFFFD"), "\x00", "\uFFFD")
}

// again is an error that asks for a notification once more.
func again(err error) error {
	var known *ledger.Error
	if errors.As(err, &known) {
		switch known.Code {
		case ledger.CodeStorageUnavailable, ledger.CodeOverloaded, ledger.CodeOutcomeUnknown:
			return err
		}
	}
	return ledger.Errorf(CodeUnavailable, "The notification cannot be taken now; send it again.").WithCause(err)
}

func (i *Intake) carryOut(ctx context.Context, tenant ledger.Tenant, k *known, event stripe.Event) (verdict, error) {
	switch {
	case event.Payment != nil:
		return i.payment(ctx, tenant, event.Payment)
	case event.Refund != nil:
		return i.refunds(ctx, tenant, k, event.Refund.PaymentID)
	case event.Dispute != nil:
		return i.dispute(ctx, tenant, k, event.Dispute)
	}
	return foreign, nil
}

// invoiceShape is what an id of ours can be. Metadata may say anything.
var invoiceShape = regexp.MustCompile(`^inv_[A-Za-z0-9_-]{8,64}$`)

// invoice is the invoice of a tenant with an id that was told, nil for none.
func (i *Intake) invoice(ctx context.Context, tenant ledger.Tenant, id string) (*collect.Invoice, error) {
	if !invoiceShape.MatchString(id) {
		return nil, nil
	}
	invoice, err := i.collector.Invoice(ctx, tenant, id)
	if ledger.CodeOf(err) == ledger.CodeNotFound {
		return nil, nil
	}
	return invoice, err
}

// payment takes what is told of a payment. What is not our own record of it is for people,
// and is on the invoice as well.
func (i *Intake) payment(ctx context.Context, tenant ledger.Tenant, told *processor.Notification) (verdict, error) {
	invoice, err := i.invoice(ctx, tenant, told.InvoiceID)
	if invoice == nil || err != nil {
		return foreign, err
	}
	if told.Attempt > len(invoice.Collection.Attempts) {
		return quarantined("it is about an attempt that was never made"), nil
	}
	if err := i.collector.Decide(ctx, invoice, told.Notice); err != nil {
		return verdict{}, err
	}
	attempt := &invoice.Collection.Attempts[told.Attempt-1]
	switch {
	case told.Amount != attempt.Amount || told.Currency != invoice.Collection.Currency:
		return quarantined("its amount or currency is not that of our record"), nil
	case told.Status == billing.ChargeSucceeded && attempt.PaymentID != "" && attempt.PaymentID != told.PaymentID:
		return quarantined("another payment than that of our record has succeeded"), nil
	}
	return taken, nil
}

// errEarly says that our record is not as far as what was told.
var errEarly = errors.New("the payment is not paid here yet")

// subject finds the invoice that a payment of Stripe's is for, nil for none of ours.
func (i *Intake) subject(
	ctx context.Context, tenant ledger.Tenant, k *known, paymentID string,
) (*collect.Invoice, *billing.Attempt, error) {
	subject, err := through(ctx, k.gate, func() (stripe.Subject, error) { return k.adapter.Subject(ctx, paymentID) })
	if errors.Is(err, processor.ErrNoPayment) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	invoice, err := i.invoice(ctx, tenant, subject.InvoiceID)
	if invoice == nil || err != nil {
		return nil, nil, err
	}
	if n := subject.Attempt; n >= 1 && n <= len(invoice.Collection.Attempts) {
		if attempt := &invoice.Collection.Attempts[n-1]; attempt.PaymentID == paymentID || attempt.PaymentID == "" {
			return invoice, attempt, nil
		}
	}
	return invoice, nil, nil
}

// refunds takes over what Stripe knows of a payment's refunds, whoever made them. What a
// notification says of one may be old, so the list is read.
func (i *Intake) refunds(ctx context.Context, tenant ledger.Tenant, k *known, paymentID string) (verdict, error) {
	invoice, attempt, err := i.subject(ctx, tenant, k, paymentID)
	switch {
	case err != nil:
		return verdict{}, err
	case invoice == nil:
		return foreign, nil
	case attempt == nil || attempt.Outcome == billing.Declined || attempt.Outcome == billing.Credited:
		return quarantined("a payment was given back that our record does not have as paid"), nil
	case attempt.Outcome == billing.Returning || attempt.Outcome == billing.Returned:
		return taken, nil // whoever looks at it next sees that it has gone back
	case invoice.Collection.State != billing.Paid:
		return verdict{}, errEarly
	}
	list, err := through(ctx, k.gate, func() ([]stripe.Refund, error) { return k.adapter.Refunds(ctx, paymentID) })
	if err != nil {
		return verdict{}, err
	}
	became := taken
	for _, refund := range list {
		reason, err := i.refund(ctx, tenant, invoice, refund)
		if err != nil {
			return verdict{}, err
		}
		if reason != "" {
			became = quarantined(reason)
		}
	}
	return became, nil
}

// refund takes one over, or says why a person has to.
func (i *Intake) refund(
	ctx context.Context, tenant ledger.Tenant, invoice *collect.Invoice, told stripe.Refund,
) (reason string, err error) {
	if id, ours := strings.CutPrefix(told.Key, "refund:"); ours {
		refund, err := i.collector.FindRefund(ctx, tenant, id)
		switch {
		case err == nil && refund.InvoiceID == invoice.Collection.InvoiceID:
			if told.Amount != refund.Card || told.Currency != refund.Currency {
				return "a refund is not of what our record says", nil
			}
			if told.State == billing.RefundPending {
				return "", nil
			}
			return "", i.collector.AnswerRefund(ctx, refund, told.State == billing.RefundSucceeded)
		case err != nil && ledger.CodeOf(err) != ledger.CodeNotFound:
			return "", err
		}
		return "a refund has our key and is not in our record", nil
	}
	err = i.collector.RecordRefund(ctx, tenant, invoice.Collection.InvoiceID, collect.FoundRefund{
		ID: told.ID, Amount: told.Amount, Currency: told.Currency, State: told.State, CreatedAt: told.CreatedAt,
	})
	switch ledger.CodeOf(err) {
	case billing.CodeRefundExceeds, billing.CodeCurrencyMismatch, billing.CodePaymentNotSucceeded:
		return "a refund that was made at the processor does not fit our record", nil
	case billing.CodeNothingToRefund:
		return "a top-up was given back at the processor; the wallet still has it", nil
	case ledger.CodeLimitReached:
		return "a refund that was made at the processor cannot be kept: the payment has too many", nil
	}
	return "", err
}

// dispute carries out what is told of one. What does not fit our record is for people.
func (i *Intake) dispute(ctx context.Context, tenant ledger.Tenant, k *known, told *stripe.Dispute) (verdict, error) {
	invoice, _, err := i.subject(ctx, tenant, k, told.PaymentID)
	if invoice == nil || err != nil {
		return foreign, err
	}
	_, err = i.collector.Dispute(ctx, tenant, collect.DisputeNotice{
		ProcessorID: told.ID, InvoiceID: invoice.Collection.InvoiceID, PaymentID: told.PaymentID, Amount: told.Amount,
		Currency: told.Currency, DisputeMessage: told.DisputeMessage,
	})
	switch {
	case errors.Is(err, collect.ErrDisputeForeign):
		return quarantined("a dispute is about no payment of our record"), nil
	case errors.Is(err, collect.ErrDisputeMismatch):
		return quarantined("a dispute does not fit our record of its payment"), nil
	}
	return taken, err
}
