package stripe

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	api "github.com/stripe/stripe-go/v85"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/processor"
)

var (
	// ErrSignature says that a notification is not from Stripe, or older than
	// [api.WebhookDefaultTolerance].
	ErrSignature = errors.New("the notification has no signature of Stripe's that is right and young enough")

	// ErrMalformed says that one is signed and cannot be read all the same.
	ErrMalformed = errors.New("the notification is signed by Stripe and cannot be read")
)

// Event is a notification that was verified. At most one of its parts is set; none is
// where it is about nothing of ours, or of a kind that tells nothing.
type Event struct {
	ID   string // the same each time it is sent
	Kind string // in Stripe's words

	Payment *processor.Notification
	Refund  *Refund
	Dispute *Dispute
}

// Refund is what Stripe says of a refund, whoever made it.
type Refund struct {
	ID        string // Stripe's; empty where only a sum is told, which is Amount
	PaymentID string
	Key       string // under which we made it, empty where we did not
	State     billing.RefundState
	Amount    money.Amount // what Stripe has on record
	Currency  money.Currency
	CreatedAt time.Time // of one in a list
}

// Dispute is what Stripe says of a dispute.
type Dispute struct {
	ID        string
	PaymentID string
	Amount    money.Amount // what Stripe has on record
	Currency  money.Currency
	billing.DisputeMessage
}

// Event verifies a notification by the header Stripe-Signature and reads it. What it
// says of a payment is as old as it is: whoever wants to know more asks.
func (a *Adapter) Event(payload []byte, signature string) (Event, error) {
	verified := false
	for _, secret := range a.secrets {
		verified = verified || api.ValidatePayload(payload, signature, secret) == nil
	}
	if !verified {
		return Event{}, ErrSignature
	}
	// The fields that are read mean the same in every version of the API, so a version
	// that is not the library's is no error.
	var said struct {
		ID       string        `json:"id"`
		Type     api.EventType `json:"type"`
		Livemode bool          `json:"livemode"`
		Account  string        `json:"account"`
		Data     struct {
			Object json.RawMessage `json:"object"`
		} `json:"data"`
	}
	if err := json.Unmarshal(payload, &said); err != nil || !eventID.MatchString(said.ID) || said.Data.Object == nil {
		return Event{}, ErrMalformed
	}
	event := Event{ID: said.ID, Kind: word(said.Type)}
	if said.Livemode != a.live || said.Account != "" {
		return event, nil // of the other mode, or of an account that is connected with ours
	}
	return event, event.read(said.Type, said.Data.Object)
}

// eventID is what an id of an event can be.
var eventID = regexp.MustCompile(`^[A-Za-z0-9_]{1,255}$`)

func (e *Event) read(kind api.EventType, raw json.RawMessage) error {
	switch kind {
	case api.EventTypePaymentIntentCreated, api.EventTypePaymentIntentProcessing,
		api.EventTypePaymentIntentRequiresAction, api.EventTypePaymentIntentPaymentFailed,
		api.EventTypePaymentIntentSucceeded, api.EventTypePaymentIntentCanceled:
		return decode(raw, e.payment)
	case api.EventTypeRefundCreated, api.EventTypeRefundUpdated, api.EventTypeRefundFailed,
		api.EventTypeChargeRefundUpdated:
		return decode(raw, e.refund)
	case api.EventTypeChargeRefunded:
		return decode(raw, e.refunded)
	case api.EventTypeChargeDisputeCreated, api.EventTypeChargeDisputeUpdated, api.EventTypeChargeDisputeClosed,
		api.EventTypeChargeDisputeFundsWithdrawn, api.EventTypeChargeDisputeFundsReinstated:
		return decode(raw, e.dispute)
	}
	return nil
}

func decode[T any](raw json.RawMessage, read func(*T)) error {
	var object T
	if err := json.Unmarshal(raw, &object); err != nil {
		return ErrMalformed
	}
	read(&object)
	return nil
}

// payment reads one that has our metadata. A declined one is told as processing: it can
// be charged until it is cancelled.
func (e *Event) payment(intent *api.PaymentIntent) {
	invoice := intent.Metadata[metadataInvoice]
	attempt, err := strconv.Atoi(intent.Metadata[metadataAttempt])
	status, _, known := stands(intent)
	if invoice == "" || err != nil || attempt < 1 || !known {
		return
	}
	e.Payment = &processor.Notification{
		InvoiceID: invoice, Notice: billing.Notice{Attempt: attempt, Report: reported(intent, status)},
	}
}

func (e *Event) refund(refund *api.Refund) {
	if refund.PaymentIntent == nil {
		return
	}
	state := billing.RefundPending
	switch refund.Status {
	case api.RefundStatusSucceeded:
		state = billing.RefundSucceeded
	case api.RefundStatusFailed, api.RefundStatusCanceled:
		state = billing.RefundFailed
	}
	amount, currency := fromStripe(refund.Amount, string(refund.Currency))
	e.Refund = &Refund{
		ID: refund.ID, PaymentID: refund.PaymentIntent.ID, Key: refund.Metadata[metadataKey], State: state, Amount: amount,
		Currency: currency,
	}
}

// refunded reads the sum of all refunds of a charge.
func (e *Event) refunded(charge *api.Charge) {
	if charge.PaymentIntent == nil {
		return
	}
	amount, currency := fromStripe(charge.AmountRefunded, string(charge.Currency))
	e.Refund = &Refund{
		PaymentID: charge.PaymentIntent.ID, State: billing.RefundPending, Amount: amount, Currency: currency,
	}
}

// disputeMessages are what the statuses of a dispute say. Stripe's warnings are
// inquiries: nothing was taken yet.
var disputeMessages = map[api.DisputeStatus]billing.DisputeMessage{
	api.DisputeStatusWarningNeedsResponse: {Stage: billing.StageInquiry, Status: billing.DisputeOpened},
	api.DisputeStatusWarningUnderReview:   {Stage: billing.StageInquiry, Status: billing.DisputeChallenged},
	api.DisputeStatusWarningClosed:        {Stage: billing.StageInquiry, Status: billing.DisputeWon},
	api.DisputeStatusNeedsResponse:        {Stage: billing.StageDispute, Status: billing.DisputeOpened},
	api.DisputeStatusUnderReview:          {Stage: billing.StageDispute, Status: billing.DisputeChallenged},
	api.DisputeStatusWon:                  {Stage: billing.StageDispute, Status: billing.DisputeWon},
	api.DisputeStatusLost:                 {Stage: billing.StageDispute, Status: billing.DisputeLost},
	api.DisputeStatusPrevented:            {Stage: billing.StageDispute, Status: billing.DisputeCancelled},
}

func (e *Event) dispute(dispute *api.Dispute) {
	message, known := disputeMessages[dispute.Status]
	if dispute.PaymentIntent == nil || !known {
		return
	}
	var moved int64
	for _, t := range dispute.BalanceTransactions {
		moved += t.Amount
	}
	if dispute.Status == api.DisputeStatusPrevented && moved < 0 {
		message.Status = billing.DisputeAccepted // it was kept from a bank's eyes by giving the money back
	}
	amount, currency := fromStripe(dispute.Amount, string(dispute.Currency))
	e.Dispute = &Dispute{
		ID: dispute.ID, PaymentID: dispute.PaymentIntent.ID, Amount: amount, Currency: currency, DisputeMessage: message,
	}
}

// String names an event without what is in it.
func (e Event) String() string { return fmt.Sprintf("event %s of Stripe", e.ID) }
