package processor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/money"
)

// The sandbox's payment methods. Each is a token that stands for what happens to a
// payment with it; any other method is refused as a card that does not exist.
const (
	SandboxOK               = "pm_sandbox_ok"                // succeeds
	SandboxDeclined         = "pm_sandbox_declined"          // is declined, and may be tried again
	SandboxDeclinedForGood  = "pm_sandbox_declined_for_good" // is declined, and is not to be tried again
	SandboxRequiresAction   = "pm_sandbox_requires_action"   // waits for [Sandbox.Authenticate]
	SandboxProcessing       = "pm_sandbox_processing"        // succeeds an hour later
	SandboxProcessingFails  = "pm_sandbox_processing_fails"  // fails an hour later
	SandboxTimeout          = "pm_sandbox_timeout"           // the first confirmation is lost; the second succeeds
	SandboxLateSuccess      = "pm_sandbox_late_success"      // the confirmation is not answered; it succeeds ten minutes later
	SandboxCreateTimeout    = "pm_sandbox_create_timeout"    // the first creation is not answered, and has its effect
	SandboxUnavailable      = "pm_sandbox_unavailable"       // the first confirmation is refused for too many requests
	SandboxDuplicateNotices = "pm_sandbox_duplicate_notices" // succeeds, and every notification comes twice
	SandboxReorderedNotices = "pm_sandbox_reordered_notices" // succeeds, and notifications come in reverse
	SandboxRefundFails      = "pm_sandbox_refund_fails"      // succeeds, and every refund of it fails
	SandboxRefundTimeout    = "pm_sandbox_refund_timeout"    // succeeds; the first call of a refund is not answered, and has its effect
	SandboxRefundPending    = "pm_sandbox_refund_pending"    // succeeds; a refund succeeds an hour later
)

// sandboxMethods are what a confirmation makes of a payment.
var sandboxMethods = map[string]struct {
	status billing.Status
	hard   bool
	then   billing.Status // after a while, empty: nothing
	after  time.Duration
}{
	SandboxOK:               {status: billing.ChargeSucceeded},
	SandboxDeclined:         {status: billing.ChargeFailed},
	SandboxDeclinedForGood:  {status: billing.ChargeFailed, hard: true},
	SandboxRequiresAction:   {status: billing.RequiresAction},
	SandboxProcessing:       {billing.Processing, false, billing.ChargeSucceeded, time.Hour},
	SandboxProcessingFails:  {billing.Processing, false, billing.ChargeFailed, time.Hour},
	SandboxTimeout:          {status: billing.ChargeSucceeded},
	SandboxLateSuccess:      {billing.Processing, false, billing.ChargeSucceeded, 10 * time.Minute},
	SandboxCreateTimeout:    {status: billing.ChargeSucceeded},
	SandboxUnavailable:      {status: billing.ChargeSucceeded},
	SandboxDuplicateNotices: {status: billing.ChargeSucceeded},
	SandboxReorderedNotices: {status: billing.ChargeSucceeded},
	SandboxRefundFails:      {status: billing.ChargeSucceeded},
	SandboxRefundTimeout:    {status: billing.ChargeSucceeded},
	SandboxRefundPending:    {status: billing.ChargeSucceeded},
}

// sandboxMinimum is the least that the sandbox charges, in minor units of any
// currency.
const sandboxMinimum money.Amount = 50

var (
	errTimeout     = errors.New("the sandbox did not answer")
	errKeyReused   = errors.New("the sandbox has another payment under this key")
	errNotReturned = errors.New("the sandbox can give back only what it has charged")
)

// Sandbox is a processor that charges nobody. What it keeps of its payments is in a
// [SandboxStore]; what it has to tell unasked is in memory, and is lost with the
// process. Many may call it at once.
type Sandbox struct {
	now   func() time.Time
	store SandboxStore

	mu       sync.Mutex
	waiting  map[string]time.Time // payments that go on by themselves, by when
	notices  []Notification       // of payments whose notifications come as they happen
	reversed []Notification       // of those whose come in reverse
}

// SandboxStore keeps the sandbox's payments by their ids.
type SandboxStore interface {
	// Change has do decide what becomes of a payment, and keeps that. Calls about one
	// payment come one after the other. Do gets the zero payment where there is none;
	// one that has no id then is not kept. It may be called more than once, and changes
	// nothing but the payment and what it says to its caller.
	Change(ctx context.Context, id string, do func(p *SandboxPayment)) error
}

// SandboxPayment is a payment of the sandbox, as it is kept.
type SandboxPayment struct {
	ID      string         `json:"id"`
	Request Request        `json:"request"`
	Status  billing.Status `json:"status"`
	Hard    bool           `json:"hard,omitempty"`

	Creations     int `json:"creations"` // how often that was called
	Confirmations int `json:"confirmations"`

	Then     billing.Status `json:"then,omitempty"` // what becomes of it by itself, empty: nothing
	At       time.Time      `json:"at,omitzero"`    // and when
	Returned bool           `json:"returned,omitempty"`

	Refunds []SandboxRefund `json:"refunds,omitempty"`
}

// NewSandbox returns a sandbox without payments, which lives by a clock and keeps its
// payments in memory.
func NewSandbox(now func() time.Time) *Sandbox {
	return NewSandboxOn(&memory{payments: map[string]SandboxPayment{}}, now)
}

// NewSandboxOn returns a sandbox with the payments of a store.
func NewSandboxOn(store SandboxStore, now func() time.Time) *Sandbox {
	return &Sandbox{store: store, now: now, waiting: map[string]time.Time{}}
}

var _ Processor = (*Sandbox)(nil)

// memory is a store of the sandbox's payments that ends with the process.
type memory struct {
	mu       sync.Mutex
	payments map[string]SandboxPayment
}

func (m *memory) Change(_ context.Context, id string, do func(*SandboxPayment)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.payments[id]
	if do(&p); p.ID != "" {
		m.payments[id] = p
	}
	return nil
}

// SandboxMinimum is the least that the sandbox charges in a currency.
func SandboxMinimum(money.Currency) money.Amount { return sandboxMinimum }

// Minimum returns the least that the sandbox charges in a currency.
func (s *Sandbox) Minimum(money.Currency) money.Amount { return sandboxMinimum }

// SandboxToken reports whether a text is one of the sandbox's payment methods.
func SandboxToken(method string) bool {
	_, ok := sandboxMethods[method]
	return ok
}

// sandboxID is the id of the payment that is created under a key, so that it is found
// by either.
func sandboxID(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "pay_sandbox_" + hex.EncodeToString(sum[:12])
}

// Create implements [Processor]. A method that is no token, and an amount below the
// minimum, are refused for good.
func (s *Sandbox) Create(ctx context.Context, r Request) (billing.Report, error) {
	if !SandboxToken(r.Method) || r.Amount < sandboxMinimum {
		return billing.Report{Status: billing.ChargeFailed, Hard: true}, nil
	}
	id := sandboxID(r.Key)
	return s.about(ctx, id, func(p *SandboxPayment) error {
		if p.ID == "" {
			*p = SandboxPayment{ID: id, Request: r, Status: billing.RequiresConfirmation}
		}
		if p.Request != r {
			return errKeyReused
		}
		if p.Creations++; p.Creations == 1 && r.Method == SandboxCreateTimeout {
			return errTimeout
		}
		return nil
	})
}

// Confirm implements [Processor].
func (s *Sandbox) Confirm(ctx context.Context, paymentID string) (billing.Report, error) {
	return s.of(ctx, paymentID, func(p *SandboxPayment) error {
		method := p.Request.Method
		p.Confirmations++
		first := p.Confirmations == 1
		switch {
		case first && method == SandboxTimeout:
			return errTimeout
		case first && method == SandboxUnavailable:
			return ErrNotReached
		case p.Status != billing.RequiresConfirmation:
			return nil
		}
		fate := sandboxMethods[method]
		p.Hard, p.Status = fate.hard, fate.status
		if fate.then != "" {
			p.Then, p.At = fate.then, s.now().UTC().Add(fate.after)
		}
		if method == SandboxLateSuccess {
			return errTimeout
		}
		return nil
	})
}

// LookUp implements [Processor].
func (s *Sandbox) LookUp(ctx context.Context, paymentID string) (billing.Report, error) {
	return s.of(ctx, paymentID, func(*SandboxPayment) error { return nil })
}

// Search implements [Processor].
func (s *Sandbox) Search(ctx context.Context, r Request, _ time.Time) (billing.Report, error) {
	return s.LookUp(ctx, sandboxID(r.Key))
}

// Cancel implements [Processor]. What is processing cannot be cancelled.
func (s *Sandbox) Cancel(ctx context.Context, paymentID string) (billing.Report, error) {
	return s.of(ctx, paymentID, func(p *SandboxPayment) error {
		if p.Status == billing.RequiresConfirmation || p.Status == billing.RequiresAction {
			p.Status = billing.ChargeFailed
		}
		return nil
	})
}

// Authenticate has the customer of a payment that requires it authenticate it, or
// fail to.
func (s *Sandbox) Authenticate(ctx context.Context, paymentID string, ok bool) (billing.Report, error) {
	return s.of(ctx, paymentID, func(p *SandboxPayment) error {
		switch {
		case p.Status != billing.RequiresAction:
		case ok:
			p.Status = billing.ChargeSucceeded
		default:
			p.Status = billing.ChargeFailed
		}
		return nil
	})
}

// Return implements [Processor].
func (s *Sandbox) Return(ctx context.Context, paymentID, _ string) error {
	_, err := s.of(ctx, paymentID, func(p *SandboxPayment) error {
		if p.Status != billing.ChargeSucceeded {
			return errNotReturned
		}
		p.Returned = true
		return nil
	})
	return err
}

// Notifications returns what the sandbox has to tell by now, and does not tell it
// again. It tells of what was called through it.
func (s *Sandbox) Notifications() []Notification {
	now := s.now()
	s.mu.Lock()
	var due []string
	for id, at := range s.waiting {
		if !now.Before(at) {
			due = append(due, id)
		}
	}
	s.mu.Unlock()
	slices.Sort(due)
	for _, id := range due {
		_, _ = s.LookUp(context.Background(), id) // one that fails stays due
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.Reverse(s.reversed)
	told := append(s.notices, s.reversed...)
	s.notices, s.reversed = nil, nil
	return told
}

// of does something to a payment that there is, and reports how it stands then.
func (s *Sandbox) of(ctx context.Context, id string, do func(*SandboxPayment) error) (billing.Report, error) {
	return s.about(ctx, id, func(p *SandboxPayment) error {
		if p.ID == "" {
			return ErrNoPayment
		}
		return do(p)
	})
}

// about does something to a payment, of which what is due has happened before, and
// reports how it stands then. What was done is kept also where the caller is not told.
func (s *Sandbox) about(ctx context.Context, id string, do func(*SandboxPayment) error) (billing.Report, error) {
	type outcome struct {
		told  []Notification
		after SandboxPayment
		err   error
	}
	last := make(chan outcome, 1)
	err := s.store.Change(ctx, id, func(p *SandboxPayment) {
		var o outcome
		tell := func(before billing.Status) {
			if p.Status != before {
				notice := billing.Notice{Attempt: p.Request.Attempt, Report: p.report()}
				o.told = append(o.told, Notification{InvoiceID: p.Request.InvoiceID, Notice: notice})
			}
		}
		before := p.Status
		if p.Then != "" && !s.now().Before(p.At) {
			p.Status, p.Then, p.At = p.Then, "", time.Time{}
		}
		tell(before)
		before = p.Status
		o.err = do(p)
		tell(before)
		o.after = *p
		select { // what counts is what was decided last
		case <-last:
		default:
		}
		last <- o
	})
	if err != nil {
		return billing.Report{}, err
	}
	o := <-last
	s.tell(&o.after, o.told)
	if o.err != nil {
		return billing.Report{}, o.err
	}
	return o.after.report(), nil
}

// tell keeps what the sandbox has to tell of a payment.
func (s *Sandbox) tell(p *SandboxPayment, told []Notification) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if delete(s.waiting, p.ID); p.Then != "" {
		s.waiting[p.ID] = p.At
	}
	for _, n := range told {
		switch p.Request.Method {
		case SandboxReorderedNotices:
			s.reversed = append(s.reversed, n)
		case SandboxDuplicateNotices:
			s.notices = append(s.notices, n, n)
		default:
			s.notices = append(s.notices, n)
		}
	}
}

func (p *SandboxPayment) report() billing.Report {
	return billing.Report{
		PaymentID: p.ID, Status: p.Status, Amount: p.Request.Amount, Currency: p.Request.Currency, Hard: p.Hard,
	}
}

// SandboxChoice is a payment method of the sandbox, as a customer chooses it.
type SandboxChoice struct {
	Token string
	Name  string
	Says  string // what becomes of it
	Usual bool   // it is among those that are tried first
}

// SandboxCards are the sandbox's payment methods for people to choose from. None has a
// number: nobody must get into the habit of entering one here.
func SandboxCards() []SandboxChoice {
	return []SandboxChoice{
		{SandboxOK, "Card ending in 4242", "succeeds", true},
		{SandboxDeclined, "Card ending in 0002", "is declined; another card can be tried", true},
		{SandboxRequiresAction, "Card that has to be authenticated", "asks for your confirmation first", true},
		{SandboxProcessing, "Card of a slow bank", "succeeds an hour later", true},
		{SandboxDeclinedForGood, "Stolen card", "is declined for good", false},
		{SandboxProcessingFails, "Slow bank, declined", "is declined an hour later", false},
		{SandboxTimeout, "Lost confirmation", "the first confirmation is lost, the second succeeds", false},
		{SandboxLateSuccess, "Late success", "no answer; it succeeds ten minutes later", false},
		{SandboxCreateTimeout, "Lost creation", "the first creation is not answered", false},
		{SandboxUnavailable, "Busy processor", "the first confirmation is refused for too many requests", false},
		{SandboxDuplicateNotices, "Notifications twice", "succeeds; notifications come twice", false},
		{SandboxReorderedNotices, "Notifications in reverse", "succeeds; notifications come in reverse", false},
		{SandboxRefundFails, "Refunds fail", "succeeds; every refund of it fails", false},
		{SandboxRefundTimeout, "Refund without an answer", "succeeds; the first call of a refund is not answered", false},
		{SandboxRefundPending, "Slow refund", "succeeds; a refund of it succeeds an hour later", false},
	}
}
