package stripe

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	api "github.com/stripe/stripe-go/v85"

	"github.com/billfold/billfold/internal/processor"
)

var _ processor.Hosted = (*Adapter)(nil)

// metadataSetup is the metadata of a set-up: our reference.
const metadataSetup = "billfold_setup"

// setupParts are what answers are to have beside the session: the card that was entered.
var setupParts = []*string{api.String("setup_intent.payment_method")}

// SetUp implements [processor.Hosted] by a session of Stripe's own page, which makes a
// customer of Stripe's with the card.
func (a *Adapter) SetUp(ctx context.Context, r processor.SetUpRequest) (processor.SetUp, error) {
	params := &api.CheckoutSessionCreateParams{
		Mode: api.String(string(api.CheckoutSessionModeSetup)), PaymentMethodTypes: []*string{api.String("card")},
		CustomerCreation: api.String("always"), ClientReferenceID: &r.Reference, SuccessURL: &r.Back, CancelURL: &r.Back,
		Metadata: map[string]string{metadataSetup: r.Reference}, Expand: setupParts,
	}
	if r.Currency != "" {
		params.Currency = api.String(strings.ToLower(r.Currency))
	}
	params.IdempotencyKey = &r.Key
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	session, err := a.client.V1CheckoutSessions.Create(ctx, params)
	if err != nil {
		return processor.SetUp{}, explain("begin a set-up", err)
	}
	return a.setUp(session)
}

// LookUpSetUp implements [processor.Hosted].
func (a *Adapter) LookUpSetUp(ctx context.Context, id string) (processor.SetUp, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	session, err := a.client.V1CheckoutSessions.Retrieve(ctx, id, &api.CheckoutSessionRetrieveParams{Expand: setupParts})
	if err != nil {
		f := explain("look up a set-up", err)
		if f.status == http.StatusNotFound && f.code == string(api.ErrorCodeResourceMissing) {
			f.is = processor.ErrNoSetUp
		}
		return processor.SetUp{}, f
	}
	return a.setUp(session)
}

// setUp is a session in our words. One that is complete has a card only if Stripe says
// that it was saved.
func (a *Adapter) setUp(session *api.CheckoutSession) (s processor.SetUp, err error) {
	if session.Livemode != a.live || session.ID == "" {
		return s, &failure{call: "set-up of the other mode"}
	}
	s = processor.SetUp{ID: session.ID, Reference: session.Metadata[metadataSetup], Status: processor.SetUpOpen}
	switch session.Status {
	case api.CheckoutSessionStatusOpen:
		if s.URL, err = pageOf(session.URL); err != nil {
			return processor.SetUp{}, err
		}
	case api.CheckoutSessionStatusExpired:
		s.Status = processor.SetUpExpired
	case api.CheckoutSessionStatusComplete:
		intent := session.SetupIntent
		if session.Mode != api.CheckoutSessionModeSetup || intent == nil || intent.PaymentMethod == nil ||
			session.Customer == nil || intent.Status != api.SetupIntentStatusSucceeded {
			return s, nil // its card is not saved yet
		}
		s.Status, s.Method = processor.SetUpDone, Method(session.Customer.ID, intent.PaymentMethod.ID)
		if _, _, ok := ofMethod(s.Method); !ok {
			return processor.SetUp{}, &failure{call: "set-up with a card that is none"}
		}
		s.Card = cardOf(intent.PaymentMethod)
	default:
		return processor.SetUp{}, &failure{call: "set-up in a state that is not known", code: word(session.Status)}
	}
	return s, nil
}

// cardOf is what may be shown of a card.
func cardOf(method *api.PaymentMethod) (c processor.SetUpCard) {
	if method.BillingDetails != nil {
		c.HolderName = method.BillingDetails.Name
	}
	card := method.Card
	if card == nil {
		return c
	}
	c.Country, c.Network, c.Type, c.LastFour = card.Country, string(card.Brand), string(card.Funding), card.Last4
	if card.ExpYear > 0 {
		c.ExpiryMonth, c.ExpiryYear = strconv.FormatInt(card.ExpMonth, 10), strconv.FormatInt(card.ExpYear, 10)
	}
	return c
}

// pageOf checks an address to which a customer is sent: an answer that was forged on its
// way must not send them anywhere but over https.
func pageOf(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return "", &failure{call: "page for a customer that is none"}
	}
	return text, nil
}

// ActionURL implements [processor.Hosted]. A payment that a bank declined because the
// customer was away is confirmed once more with them there; it is the same payment, so
// that it is charged once.
func (a *Adapter) ActionURL(ctx context.Context, paymentID, back string) (string, error) {
	intent, err := a.get(ctx, paymentID)
	if err != nil {
		return "", err
	}
	if _, declined, err := a.read(intent); err != nil || declined {
		return "", err
	}
	if intent.Status == api.PaymentIntentStatusRequiresPaymentMethod {
		params := &api.PaymentIntentConfirmParams{OffSession: api.Bool(false), ReturnURL: &back}
		if e := intent.LastPaymentError; e != nil && e.PaymentMethod != nil {
			params.PaymentMethod = &e.PaymentMethod.ID
		}
		within, cancel := context.WithTimeout(ctx, a.timeout)
		intent, err = a.client.V1PaymentIntents.Confirm(within, paymentID, params)
		cancel()
		if err != nil {
			return "", explain("ask for authentication", err)
		}
	}
	next := intent.NextAction
	if intent.Status != api.PaymentIntentStatusRequiresAction || next == nil || next.RedirectToURL == nil {
		return "", nil
	}
	return pageOf(next.RedirectToURL.URL)
}
