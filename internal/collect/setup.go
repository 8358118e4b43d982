package collect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/processor"
)

// Setups is the kind of object that the saving of a card is.
const Setups ledger.ObjectKind = "payment_setup"

// SetupIDPrefix begins the id of every setup.
const SetupIDPrefix = "pms_"

// SetupLives is how long the link of a setup works.
const SetupLives = 24 * time.Hour

// CodeSetupNotOpen refuses a card for a setup that has one, or is over.
const CodeSetupNotOpen ledger.Code = "SETUP_NOT_OPEN"

// CodeInvalidReturnURL refuses an address that customers are not to be sent to.
const CodeInvalidReturnURL ledger.Code = "INVALID_REQUEST_PARAMETERS"

// returnURLMax is how long an address may be, in bytes.
const returnURLMax = 2048

// The states of a setup.
const (
	SetupOpen     = "open"
	SetupComplete = "complete"
)

// Setup is the saving of a card of a customer who is there: without a charge, for an
// invoice that is paid with it, or for a subscription that is paid by it from then on.
type Setup struct {
	ID         string        `json:"-"`
	Tenant     ledger.Tenant `json:"-"`
	CustomerID string        `json:"-"`
	CreatedAt  time.Time     `json:"-"`
	State      string        `json:"-"`
	Clock      time.Time     `json:"-"` // see [ledger.Object]

	ReturnURL      string    `json:"return_url,omitempty"` // see [ReturnURL]
	ExpiresAt      time.Time `json:"expires_at"`
	InvoiceID      string    `json:"invoice_id,omitempty"`      // that is paid with the card
	SubscriptionID string    `json:"subscription_id,omitempty"` // the subscription that is paid by the card
	Currency       string    `json:"currency,omitempty"`        // in which it is going to be charged, empty: not known
	Discard        bool      `json:"discard,omitempty"`         // the card pays the invoice and is not kept

	// Session is the set-up at a processor with pages of its own, and Sessions how many
	// there were: one that is over is followed by another.
	Session  string `json:"session,omitempty"`
	Sessions int    `json:"sessions,omitempty"`

	// Of a complete one: its card, and the id under which that is kept, empty where it is not.
	Method   Method `json:"method,omitzero"`
	MethodID string `json:"method_id,omitempty"`
}

func (s *Setup) key() ledger.ObjectKey { return ledger.ObjectKey{Kind: Setups, ID: s.ID} }

func setupOf(object *ledger.Object) (*Setup, error) {
	s := &Setup{
		ID: object.ID, Tenant: object.Tenant, CustomerID: object.CustomerID, CreatedAt: object.CreatedAt, State: object.State,
		Clock: object.Clock,
	}
	if err := json.Unmarshal([]byte(object.Data), s); err != nil {
		return nil, fmt.Errorf("setup %s does not decode: %w", object.ID, err)
	}
	return s, nil
}

// Awaits reports whether a setup waits for a card at a time of the world. One for an invoice
// is over by the customer's own time, as the invoice is.
func (s *Setup) Awaits(now time.Time) bool {
	if s.InvoiceID != "" && !s.Clock.IsZero() {
		now = s.Clock
	}
	return s.State == SetupOpen && now.Before(s.ExpiresAt)
}

// ReturnURL checks where a customer is to go on to: an https address with a host and
// without credentials, or one of this machine, for development. A page shows the host and
// sends nobody there by itself.
func ReturnURL(text string) error {
	u, err := url.Parse(text)
	local := err == nil && (u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback())
	switch {
	case err != nil, len(text) > returnURLMax, u.Hostname() == "", u.User != nil, strings.ContainsAny(text, "\\\"'<> \t\r\n"),
		u.Scheme != "https" && (u.Scheme != "http" || !local):
		return ledger.FieldErrorf(CodeInvalidReturnURL, "return_url",
			"return_url must be an https address without a user name, of %d bytes at the most; http is for localhost", returnURLMax)
	}
	return nil
}

// OpenSetup makes a setup. The same one is made once.
func (c *Collector) OpenSetup(ctx context.Context, s Setup) error {
	_, err := c.changeSetup(ctx, s, func(old *Setup) error {
		switch old.State {
		case "":
			*old = s
			old.State = SetupOpen
		case SetupOpen:
			old.Discard = s.Discard
		}
		return nil
	})
	return err
}

// changeSetup changes a setup and returns it as it is then. Change gets one without a
// state where there is none yet; it is pure.
func (c *Collector) changeSetup(ctx context.Context, s Setup, change func(*Setup) error) (after *Setup, err error) {
	m := c.moment()
	scope := ledger.Scope{
		Tenant: s.Tenant, CustomerID: s.CustomerID, Currency: "USD", // it moves no money of any wallet
		At: m.Now, Objects: []ledger.ObjectKey{s.key()},
	}
	_, err = c.store.Transact(ctx, scope, func(snapshot ledger.Snapshot) (ledger.Change, error) {
		next := ledger.Change{Wallet: snapshot.Wallet}
		after = &Setup{ID: s.ID, Tenant: s.Tenant, CustomerID: s.CustomerID}
		before := snapshot.Object(s.key())
		var err error
		if before != nil {
			if after, err = setupOf(before); err != nil {
				return next, err
			}
		}
		if err := change(after); err != nil {
			return next, err
		}
		data, err := encode(after)
		if err != nil {
			return next, err
		}
		if before != nil && before.State == after.State && before.Data == string(data) {
			next.Replayed = true
			return next, nil
		}
		object := ledger.Object{ObjectKey: s.key(), State: after.State, Data: string(data)}
		return next, next.Put(&snapshot, object, "", "", m.Now)
	})
	return after, err
}

// Setup returns a setup as it is.
func (c *Collector) Setup(ctx context.Context, tenant ledger.Tenant, id string) (*Setup, error) {
	object, err := c.store.Object(ctx, tenant, ledger.ObjectKey{Kind: Setups, ID: id})
	if err != nil {
		return nil, err
	}
	return setupOf(&object)
}

// CompleteSetup keeps the card of a setup, and has its invoice or its subscription paid by
// it. Of many cards that come at the same time one is taken; the others are refused. One
// that is complete is carried out to its end, should it have been cut off.
func (c *Collector) CompleteSetup(ctx context.Context, s *Setup, method Method) error {
	now := c.now()
	if !s.Discard {
		if s.State != SetupComplete {
			if err := c.RoomForMethod(ctx, s.Tenant, s.CustomerID); err != nil {
				return err
			}
		}
		method.ID = c.book.NewID(MethodIDPrefix)
	}
	after, err := c.changeSetup(ctx, *s, func(s *Setup) error {
		switch {
		case s.State == SetupComplete && s.InvoiceID+s.SubscriptionID != "":
			return nil // perhaps what the card is for was not told
		case !s.Awaits(now):
			return ledger.Errorf(CodeSetupNotOpen, "setup %s has its card, or is over", s.ID)
		}
		s.State, s.Method, s.MethodID = SetupComplete, method, method.ID
		return nil
	})
	if err != nil {
		return err
	}
	method = after.Method // that of whoever came first
	method.ID = after.MethodID
	if method.ID != "" {
		if err := c.AddMethod(ctx, s.Tenant, s.CustomerID, method); err != nil {
			return err
		}
	}
	switch {
	case after.InvoiceID != "":
		return c.PayWith(ctx, s.Tenant, after.InvoiceID, method)
	case after.SubscriptionID != "":
		return c.subscribeBy(ctx, after, method)
	}
	return nil
}

// subscribeBy has the subscription of a setup paid by the card of it, once: whoever opens
// the page again after the subscription got another card changes nothing. One that is over
// by now has no use for the card, which is kept all the same.
func (c *Collector) subscribeBy(ctx context.Context, s *Setup, method Method) error {
	found, err := c.Subscription(ctx, s.Tenant, s.SubscriptionID)
	if err != nil {
		return err
	}
	outcome, err := c.OrderSubscription(ctx, found, SubscriptionOrder{
		Input: billing.UpdateMethod{Method: method.Token}, MethodID: method.ID,
		Amend:   func(of *Subscription) { of.PayBy(method) },
		Request: &Request{Route: "payment_setup", Key: s.ID},
		Answer:  func(*SubscriptionOutcome) []byte { return []byte("null") },
	})
	switch code := ledger.CodeOf(err); {
	case code == billing.CodeSubscriptionInactive, code == billing.CodeSubscriptionExpired, code == CodeMethodRemoved:
		return nil
	case err != nil || outcome.Invoice == nil:
		return err
	}
	return c.GoOn(ctx, s.Tenant, outcome.Invoice.Collection.InvoiceID)
}

// RoomForMethod refuses another payment method of a customer who has [MethodsMax], with
// [ledger.CodeLimitReached].
func (c *Collector) RoomForMethod(ctx context.Context, tenant ledger.Tenant, customerID string) error {
	used, err := c.Methods(ctx, tenant, customerID)
	if err == nil && len(used) >= MethodsMax {
		err = ledger.Errorf(ledger.CodeLimitReached, "a customer may have %d payment methods; remove one first", MethodsMax)
	}
	return err
}

// InvoiceSetup is the setup by which the card of an invoice is entered at a processor with
// pages of its own: one for each card that is tried.
func InvoiceSetup(i *Invoice, discard bool) Setup {
	c := &i.Collection
	return Setup{
		ID:     fmt.Sprintf("%s%s_%d", SetupIDPrefix, c.InvoiceID[len(InvoiceIDPrefix):], c.Tries),
		Tenant: i.Tenant, CustomerID: i.CustomerID, ExpiresAt: c.MethodBy, InvoiceID: c.InvoiceID, Currency: string(c.Currency),
		Discard: discard,
	}
}

// BeginSetup returns the page of the processor on which the card of a setup is entered,
// from where the customer comes back to an address.
func (c *Collector) BeginSetup(ctx context.Context, s *Setup, back string) (url string, err error) {
	hosted := c.Attended(&Invoice{Tenant: s.Tenant, CustomerID: s.CustomerID}).Hosted
	if hosted == nil {
		return "", ledger.Errorf(CodeSetupNotOpen, "there is no card processor that saves cards")
	}
	if s.Session != "" {
		at, err := hosted.LookUpSetUp(ctx, s.Session)
		if err != nil && !errors.Is(err, processor.ErrNoSetUp) {
			return "", err
		}
		if err == nil && at.Status == processor.SetUpOpen {
			return at.URL, nil
		}
		if err == nil && at.Status == processor.SetUpDone {
			return back, nil
		}
	}
	made, err := hosted.SetUp(ctx, processor.SetUpRequest{
		Key: fmt.Sprintf("setup:%s:%d", s.ID, s.Sessions+1), Reference: s.ID, Back: back, Currency: s.Currency,
	})
	if err != nil {
		return "", err
	}
	begun := s.Sessions + 1
	_, err = c.changeSetup(ctx, *s, func(s *Setup) error {
		if s.State == "" || s.Sessions < begun {
			s.Session, s.Sessions = made.ID, begun
		}
		return nil
	})
	return made.URL, err
}

// FinishSetup asks the processor whether the card of a setup was entered, and completes
// the setup if it was. What the customer's browser says is not asked.
func (c *Collector) FinishSetup(ctx context.Context, s *Setup) (done bool, err error) {
	hosted := c.Attended(&Invoice{Tenant: s.Tenant, CustomerID: s.CustomerID}).Hosted
	if hosted == nil || s.Session == "" {
		return false, nil
	}
	at, err := hosted.LookUpSetUp(ctx, s.Session)
	if errors.Is(err, processor.ErrNoSetUp) {
		return false, nil
	}
	if err != nil || at.Status != processor.SetUpDone || at.Reference != s.ID || at.Method == "" {
		return false, err
	}
	return true, c.CompleteSetup(ctx, s, Method{
		Processor: "stripe", Token: at.Method, Recurring: true, Card: Card(at.Card),
	})
}

// PayWithSandbox has the invoice of a customer who is there paid with a method of the
// sandbox, which is kept for later if they wish.
func (c *Collector) PayWithSandbox(ctx context.Context, i *Invoice, token string, keep bool) error {
	if c.Attended(i).Sandbox == nil || !processor.SandboxToken(token) {
		return ledger.FieldErrorf(ledger.CodeNotFound, "method", "there is no such payment method")
	}
	method := Method{Processor: "sandbox", Token: token, Recurring: true, Card: SandboxCard(token)}
	if !keep {
		method.ID = token // as it is named where nobody has kept it
		return c.PayWith(ctx, i.Tenant, i.Collection.InvoiceID, method)
	}
	setup := InvoiceSetup(i, false)
	if err := c.OpenSetup(ctx, setup); err != nil {
		return err
	}
	return c.CompleteSetup(ctx, &setup, method)
}
