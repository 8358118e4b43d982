package stripe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	api "github.com/stripe/stripe-go/v85"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/processor"
)

// The metadata that a payment carries, and a refund the first of them.
const (
	metadataKey     = "billfold_key"
	metadataInvoice = "billfold_invoice"
	metadataAttempt = "billfold_attempt"
)

const (
	// DefaultTimeout is how long one request may take. A bank can take half a minute.
	DefaultTimeout = 40 * time.Second

	connectWithin = 5 * time.Second
)

// Config is what the adapter of one account, in one mode, has to know.
type Config struct {
	Key  string // secret or restricted, of the mode
	Live bool

	// WebhookSecrets sign what Stripe tells unasked; while one is exchanged there are two.
	WebhookSecrets []string

	URL     string        // empty: Stripe's
	Timeout time.Duration // 0: DefaultTimeout
}

// Format keeps the secrets out of every text that a configuration is printed into.
func (c Config) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "Stripe (live %t)", c.Live)
}

// Adapter is a [processor.Processor]. Many may call it at once.
type Adapter struct {
	client  *api.Client
	http    *http.Client
	live    bool
	secrets []string
	timeout time.Duration
}

var _ processor.Processor = (*Adapter)(nil)

// Format keeps the secrets out of every text that an adapter is printed into.
func (a *Adapter) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "Stripe (live %t)", a.live)
}

var keyShape = regexp.MustCompile(`^[sr]k_(test|live)_[A-Za-z0-9_]{1,250}$`)

// New returns an adapter. It refuses a key of the other mode, and an address to which a
// key would go in the clear.
func New(c Config) (*Adapter, error) {
	parts := keyShape.FindStringSubmatch(c.Key)
	if parts == nil {
		return nil, errors.New("the key of Stripe is none: it begins with sk_test_, rk_test_, sk_live_ or rk_live_")
	}
	if c.Live != (parts[1] == "live") {
		return nil, fmt.Errorf("the key of Stripe is one of the mode %s", parts[1])
	}
	for _, secret := range c.WebhookSecrets {
		if secret == "" || strings.TrimSpace(secret) != secret {
			return nil, errors.New("a webhook secret of Stripe is empty, or has spaces around it")
		}
	}
	if c.URL == "" {
		c.URL = api.APIURL
	}
	if err := CheckURL(c.URL); err != nil {
		return nil, err
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	client := &http.Client{
		Transport: wire{&http.Transport{
			// No proxy of the environment: it would see to whom payments are made, and when.
			DialContext:         (&net.Dialer{Timeout: connectWithin}).DialContext,
			TLSHandshakeTimeout: connectWithin, MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
		}},
		// The key goes where it was meant to go.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	backends := api.NewBackendsWithConfig(&api.BackendConfig{
		HTTPClient: client, URL: &c.URL, MaxNetworkRetries: api.Int64(0), EnableTelemetry: api.Bool(false),
		LeveledLogger: &api.LeveledLogger{Level: api.LevelNull},
	})
	return &Adapter{
		client: api.NewClient(c.Key, api.WithBackends(backends)), http: client, live: c.Live, secrets: c.WebhookSecrets, timeout: c.Timeout,
	}, nil
}

// CheckURL refuses an address of the API to which a key would go in the clear.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return errors.New("the address of Stripe is none")
	}
	address := net.ParseIP(u.Hostname())
	if u.Scheme != "https" && (u.Scheme != "http" || address == nil || !address.IsLoopback()) {
		return errors.New("the address of Stripe has to begin with https://")
	}
	return nil
}

// Close gives connections back that nobody uses.
func (a *Adapter) Close() { a.http.CloseIdleConnections() }

// The base transport has the connections.
func (w wire) CloseIdleConnections() {
	if base, ok := w.base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// methodShape is a payment method as the adapter knows it: a customer of Stripe's and a
// saved card of theirs, cus_…/pm_….
var methodShape = regexp.MustCompile(`^(cus_[A-Za-z0-9_]{1,240})/((?:pm|card|src)_[A-Za-z0-9_]{1,240})$`)

// Method is how a saved card of a customer is named in [processor.Request].
func Method(customer, card string) string { return customer + "/" + card }

// IsMethod reports whether a text names a saved card as [Method] does.
func IsMethod(method string) bool { return methodShape.MatchString(method) }

// IsPayment reports whether an id is one of a payment of Stripe's.
func IsPayment(id string) bool { return strings.HasPrefix(id, "pi_") }

func ofMethod(method string) (customer, card string, ok bool) {
	parts := methodShape.FindStringSubmatch(method)
	if parts == nil {
		return "", "", false
	}
	return parts[1], parts[2], true
}

// latestCharge is what answers are to have beside the payment: why it was declined.
var latestCharge = []*string{api.String("latest_charge")}

// Create implements [processor.Processor]. What cannot be said to Stripe is refused for
// good without a call; what Stripe refuses has failed, and may be tried again.
func (a *Adapter) Create(ctx context.Context, r processor.Request) (billing.Report, error) {
	customer, card, ok := ofMethod(r.Method)
	amount, exact := toStripe(r.Amount, r.Currency)
	if !ok || !exact {
		return billing.Report{Status: billing.ChargeFailed, Hard: true}, nil
	}
	params := &api.PaymentIntentCreateParams{
		Amount: &amount, Currency: api.String(strings.ToLower(string(r.Currency))),
		Customer: &customer, PaymentMethod: &card, PaymentMethodTypes: []*string{api.String("card")},
		CaptureMethod: api.String("automatic"), Confirm: api.Bool(false), Expand: latestCharge,
		Metadata: map[string]string{
			metadataKey: r.Key, metadataInvoice: r.InvoiceID, metadataAttempt: strconv.Itoa(r.Attempt),
		},
	}
	params.IdempotencyKey = &r.Key
	within, cancel := context.WithTimeout(ctx, a.timeout)
	intent, err := a.client.V1PaymentIntents.Create(within, params)
	cancel()
	if err != nil {
		f := explain("create", err)
		if !f.refused {
			return billing.Report{}, f
		}
		// No payment was made under the key: had one been, Stripe would have answered with it.
		return billing.Report{Status: billing.ChargeFailed, Hard: slices.Contains(refusedForGood, f.code)}, nil
	}
	if intent.Metadata[metadataKey] != r.Key {
		return billing.Report{}, &failure{call: "create, which was answered with another payment"}
	}
	if isReplay(intent.LastResponse) {
		// An answer that is given again says how the payment stood when it was made.
		if intent, err = a.get(ctx, intent.ID); err != nil {
			return billing.Report{}, afterEffect(err)
		}
	}
	return a.settle(ctx, intent)
}

// isReplay reports whether Stripe gave the answer of an earlier call with the same key.
func isReplay(response *api.APIResponse) bool {
	return response != nil && response.Header.Get("Idempotent-Replayed") == "true"
}

// refusedForGood are the refusals that another try does not change.
var refusedForGood = []string{string(api.ErrorCodeAmountTooSmall), string(api.ErrorCodeAmountTooLarge)}

// get reads a payment as it is. That and nothing else says that there is none.
func (a *Adapter) get(ctx context.Context, id string) (*api.PaymentIntent, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	intent, err := a.client.V1PaymentIntents.Retrieve(ctx, id, &api.PaymentIntentRetrieveParams{Expand: latestCharge})
	if err == nil {
		return intent, nil
	}
	f := explain("look up", err)
	if f.status == http.StatusNotFound && f.code == string(api.ErrorCodeResourceMissing) {
		f.is = processor.ErrNoPayment
	}
	return nil, f
}

// Confirm implements [processor.Processor]. It looks first, so that a payment which was
// declined is not tried a second time. The library gives each call a key of its own: a
// fixed one would repeat an answer that was not definite.
func (a *Adapter) Confirm(ctx context.Context, paymentID string) (billing.Report, error) {
	before, err := a.get(ctx, paymentID)
	if err != nil {
		return billing.Report{}, err
	}
	if before.Status != api.PaymentIntentStatusRequiresConfirmation {
		return a.settle(ctx, before)
	}
	if _, _, err := a.read(before); err != nil {
		return billing.Report{}, err
	}
	within, cancel := context.WithTimeout(ctx, a.timeout)
	intent, err := a.client.V1PaymentIntents.Confirm(within, paymentID, &api.PaymentIntentConfirmParams{
		OffSession: api.Bool(true), Expand: latestCharge,
	})
	cancel()
	if err == nil {
		return a.settle(ctx, intent)
	}
	f := explain("confirm", err)
	if !f.refused {
		return billing.Report{}, f
	}
	// A decline, or a card that cannot be charged at all. What it is now says which.
	if intent, err = a.get(ctx, paymentID); err != nil {
		return billing.Report{}, afterEffect(err)
	}
	if intent.Status == api.PaymentIntentStatusRequiresConfirmation {
		return a.end(ctx, intent)
	}
	return a.settle(ctx, intent)
}

// LookUp implements [processor.Processor].
func (a *Adapter) LookUp(ctx context.Context, paymentID string) (billing.Report, error) {
	intent, err := a.get(ctx, paymentID)
	if err != nil {
		return billing.Report{}, err
	}
	return a.settle(ctx, intent)
}

// Cancel implements [processor.Processor].
func (a *Adapter) Cancel(ctx context.Context, paymentID string) (billing.Report, error) {
	return a.cancel(ctx, paymentID)
}

func (a *Adapter) postCancel(ctx context.Context, id string) (*api.PaymentIntent, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	intent, err := a.client.V1PaymentIntents.Cancel(ctx, id, &api.PaymentIntentCancelParams{
		CancellationReason: api.String("abandoned"), Expand: latestCharge,
	})
	if err != nil {
		return nil, explain("cancel", err)
	}
	return intent, nil
}
