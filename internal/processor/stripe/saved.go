package stripe

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"time"

	api "github.com/stripe/stripe-go/v85"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/processor"
)

// metadataCustomer is what a customer at Stripe carries: the id of ours.
const metadataCustomer = "billfold_customer"

// Card is a saved card as Stripe shows it. Texts that it does not say are empty.
type Card struct {
	ID       string
	Customer string // of Stripe's, empty where nobody has it yet

	Holder, Country, Network, Funding string
	ExpiryMonth, ExpiryYear, LastFour string
}

// ErrNoCard says that what was named is no card that the account could charge.
var ErrNoCard = errors.New("it is no saved card of this account and mode")

// IsCard reports whether a text can be the id of a saved card.
func IsCard(id string) bool { return cardShape.MatchString(id) }

var cardShape = regexp.MustCompile(`^(?:pm|card|src)_[A-Za-z0-9_]{1,240}$`)

// NewCustomer makes a customer at Stripe for one of ours. Under one key it is made once,
// for a day; one that is made twice has no cards and costs nothing.
func (a *Adapter) NewCustomer(ctx context.Context, ours, key string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	params := &api.CustomerCreateParams{Metadata: map[string]string{metadataCustomer: ours}}
	params.IdempotencyKey = &key
	made, err := a.client.V1Customers.Create(ctx, params)
	if err != nil {
		return "", explain("create a customer", err)
	}
	if made.ID == "" || made.Livemode != a.live {
		return "", &failure{call: "create a customer, who is of the other mode"}
	}
	return made.ID, nil
}

// Card reads a saved card.
func (a *Adapter) Card(ctx context.Context, id string) (Card, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	method, err := a.client.V1PaymentMethods.Retrieve(ctx, id, nil)
	if err != nil {
		f := explain("look a card up", err)
		if f.refused {
			return Card{}, ErrNoCard
		}
		return Card{}, f
	}
	return a.card(method)
}

// Attach gives a card to a customer at Stripe, so that it can be charged more than once.
// One that they have already stays theirs.
func (a *Adapter) Attach(ctx context.Context, id, customer string) (Card, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	params := &api.PaymentMethodAttachParams{Customer: &customer}
	key := "attach:" + customer + ":" + id
	params.IdempotencyKey = &key
	method, err := a.client.V1PaymentMethods.Attach(ctx, id, params)
	if err != nil {
		return Card{}, explain("attach a card", err)
	}
	return a.card(method)
}

func (a *Adapter) card(method *api.PaymentMethod) (Card, error) {
	if method.Card == nil || method.Livemode != a.live || !IsCard(method.ID) {
		return Card{}, ErrNoCard
	}
	card := Card{
		ID: method.ID, Country: method.Card.Country, Network: string(method.Card.Brand), Funding: string(method.Card.Funding),
		LastFour: method.Card.Last4, ExpiryMonth: strconv.FormatInt(method.Card.ExpMonth, 10),
		ExpiryYear: strconv.FormatInt(method.Card.ExpYear, 10),
	}
	if len(card.ExpiryMonth) == 1 {
		card.ExpiryMonth = "0" + card.ExpiryMonth
	}
	if method.Customer != nil {
		card.Customer = method.Customer.ID
	}
	if method.BillingDetails != nil {
		card.Holder = method.BillingDetails.Name
	}
	return card, nil
}

// Subject is what a payment of Stripe's is for, as it was created.
type Subject struct {
	InvoiceID string // empty: it is none of ours
	Attempt   int
	Received  money.Amount
	Currency  money.Currency
}

// Subject says what a payment is for; [processor.ErrNoPayment] where there is none.
func (a *Adapter) Subject(ctx context.Context, paymentID string) (Subject, error) {
	intent, err := a.get(ctx, paymentID)
	if err != nil {
		return Subject{}, err
	}
	if intent.Livemode != a.live {
		return Subject{}, processor.ErrNoPayment
	}
	attempt, err := strconv.Atoi(intent.Metadata[metadataAttempt])
	if err != nil || attempt < 1 {
		return Subject{}, nil
	}
	received, currency := fromStripe(intent.AmountReceived, string(intent.Currency))
	return Subject{
		InvoiceID: intent.Metadata[metadataInvoice], Attempt: attempt, Received: received, Currency: currency,
	}, nil
}

// RefundsMax is how many refunds of a payment are read.
const RefundsMax = 500

// Refunds lists what Stripe knows of a payment's refunds, whoever made them, oldest first.
func (a *Adapter) Refunds(ctx context.Context, paymentID string) (refunds []Refund, err error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	params := &api.RefundListParams{PaymentIntent: &paymentID}
	params.Limit = api.Int64(100)
	for refund, err := range a.client.V1Refunds.List(ctx, params).All(ctx) {
		if err != nil {
			return nil, certain(explain("list refunds", err))
		}
		if len(refunds) == RefundsMax {
			return nil, &failure{call: "list refunds, of which there are too many"}
		}
		state := billing.RefundPending
		switch refundStatus(refund.Status) {
		case processor.RefundSucceeded:
			state = billing.RefundSucceeded
		case processor.RefundFailed:
			state = billing.RefundFailed
		}
		amount, currency := fromStripe(refund.Amount, string(refund.Currency))
		refunds = append([]Refund{{
			ID: refund.ID, PaymentID: paymentID, Key: refund.Metadata[metadataKey], State: state, Amount: amount, Currency: currency,
			CreatedAt: time.Unix(refund.Created, 0).UTC(),
		}}, refunds...)
	}
	return refunds, nil
}
