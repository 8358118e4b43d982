package accounts

import (
	"context"
	"errors"
	"strings"

	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/processor/stripe"
)

// ErrNoCard says that a text names no saved card of the account.
var ErrNoCard = errors.New("no such card")

// definite reports whether an error is an answer of the processor.
func definite(err error) bool {
	_, refused := stripe.Refused(err)
	return refused || errors.Is(err, stripe.ErrNoCard)
}

// customerTries is how often a customer is made at the processor: one that was kept may
// be of an account that the business had before.
const customerTries = 2

// SaveCard has a card of Stripe's, pm_… or cus_…/pm_…, charged for a customer from now on,
// and returns what is known of it. A card that nobody has at Stripe is given to a customer
// there, who is made once for each customer of ours: it can be charged more than once
// then. It refuses with [ErrNoCard] or a [ledger.Error].
func (a *Accounts) SaveCard(
	ctx context.Context, c *collect.Collector, tenant ledger.Tenant, customerID, token string,
) (collect.Method, error) {
	k, err := a.of(ctx, tenant)
	if err != nil {
		return collect.Method{}, err
	}
	if k.adapter == nil {
		return collect.Method{}, ErrNoCard
	}
	of, id, named := strings.Cut(token, "/")
	if !named {
		id = token
	}
	if !stripe.IsCard(id) {
		return collect.Method{}, ErrNoCard
	}
	card, err := through(ctx, k.gate, func() (stripe.Card, error) { return k.adapter.Card(ctx, id) })
	if err == nil && named && card.Customer != of {
		err = ErrNoCard
	}
	if err == nil && card.Customer == "" {
		card, err = a.attach(ctx, c, k, tenant, customerID, id)
	}
	if err != nil {
		return collect.Method{}, refusal(err)
	}
	method := collect.Method{
		Processor: Stripe, Token: stripe.Method(card.Customer, card.ID),
		Card: collect.Card{
			HolderName: clipped(card.Holder), Country: clipped(card.Country), Network: clipped(card.Network), Type: clipped(card.Funding),
			ExpiryMonth: clipped(card.ExpiryMonth), ExpiryYear: clipped(card.ExpiryYear), LastFour: clipped(card.LastFour),
		},
	}
	if !stripe.IsMethod(method.Token) {
		return collect.Method{}, ErrNoCard
	}
	return method, nil
}

// attach gives a card to the customer that ours has at Stripe.
func (a *Accounts) attach(
	ctx context.Context, c *collect.Collector, k *known, tenant ledger.Tenant, customerID, id string,
) (card stripe.Card, err error) {
	kept, err := c.ProcessorCustomer(ctx, tenant, customerID, Stripe)
	if err != nil {
		return card, err
	}
	for range customerTries {
		if kept.ID == "" {
			key := "customer:" + tenant.BusinessID + ":" + string(tenant.Mode) + ":" + kept.Key(customerID)
			made, err := through(ctx, k.gate, func() (string, error) { return k.adapter.NewCustomer(ctx, customerID, key) })
			if err != nil {
				return card, err
			}
			if kept, err = c.KeepProcessorCustomer(ctx, tenant, customerID, Stripe, kept, made); err != nil {
				return card, err
			}
		}
		card, err = through(ctx, k.gate, func() (stripe.Card, error) { return k.adapter.Attach(ctx, id, kept.ID) })
		if code, refused := stripe.Refused(err); !refused || code != "resource_missing" {
			return card, err
		}
		kept.ID = "" // the account is another one than it was
	}
	return card, err
}

// refusal says in our words why a card cannot be saved.
func refusal(err error) error {
	var known *ledger.Error
	switch {
	case errors.As(err, &known):
		return err
	case errors.Is(err, ErrNoCard) || errors.Is(err, stripe.ErrNoCard):
		return ErrNoCard
	}
	if code, refused := stripe.Refused(err); refused {
		return ledger.FieldErrorf("INVALID_REQUEST_PARAMETERS", "token", "Stripe does not save this card (%s)", code).WithCause(err)
	}
	return ledger.Errorf(CodeUnavailable, "The card processor gives no answer; try again in a moment.").WithCause(err)
}

// clipped keeps what others wrote short.
func clipped(text string) string {
	const most = 100
	for i := range text {
		if i > most {
			return text[:i]
		}
	}
	return text
}
