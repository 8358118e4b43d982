package processor

import (
	"context"
	"errors"
	"fmt"
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
}

// sandboxMinimum is the least that the sandbox charges, in minor units of any
// currency.
const sandboxMinimum money.Amount = 50

var (
	errTimeout     = errors.New("the sandbox did not answer")
	errKeyReused   = errors.New("the sandbox has another payment under this key")
	errNotReturned = errors.New("the sandbox can give back only what it has charged")
)

// Sandbox is a processor that charges nobody. It keeps its payments in memory, and
// forgets them with the process. Many may call it at once.
type Sandbox struct {
	now func() time.Time

	mu       sync.Mutex
	payments []*sandboxPayment
	notices  []Notification // of payments whose notifications come as they happen
	reversed []Notification // of those whose come in reverse
}

type sandboxPayment struct {
	Request
	id       string
	status   billing.Status
	hard     bool
	calls    map[string]int // of each kind
	then     billing.Status
	at       time.Time
	returned bool
}

// NewSandbox returns a sandbox without payments, which lives by a clock.
func NewSandbox(now func() time.Time) *Sandbox { return &Sandbox{now: now} }

var _ Processor = (*Sandbox)(nil)

// Minimum returns the least that the sandbox charges in a currency.
func (s *Sandbox) Minimum(money.Currency) money.Amount { return sandboxMinimum }

// Create implements [Processor]. A method that is no token, and an amount below the
// minimum, are refused for good.
func (s *Sandbox) Create(_ context.Context, r Request) (billing.Report, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pass()
	p := s.find(func(p *sandboxPayment) bool { return p.Key == r.Key })
	if p == nil {
		if _, ok := sandboxMethods[r.Method]; !ok || r.Amount < sandboxMinimum {
			return billing.Report{Status: billing.ChargeFailed, Hard: true}, nil
		}
		p = &sandboxPayment{Request: r, id: fmt.Sprintf("pay_sandbox_%d", len(s.payments)+1), calls: map[string]int{}}
		s.payments = append(s.payments, p)
		s.become(p, billing.RequiresConfirmation)
	}
	if p.Request != r {
		return billing.Report{}, errKeyReused
	}
	if p.called("create") == 1 && p.Method == SandboxCreateTimeout {
		return billing.Report{}, errTimeout
	}
	return p.report(), nil
}

// Confirm implements [Processor].
func (s *Sandbox) Confirm(_ context.Context, paymentID string) (billing.Report, error) {
	return s.about(paymentID, func(p *sandboxPayment) error {
		first := p.called("confirm") == 1
		switch {
		case first && p.Method == SandboxTimeout:
			return errTimeout
		case first && p.Method == SandboxUnavailable:
			return ErrNotReached
		case p.status != billing.RequiresConfirmation:
			return nil
		}
		fate := sandboxMethods[p.Method]
		p.hard, p.then, p.at = fate.hard, fate.then, s.now().Add(fate.after)
		s.become(p, fate.status)
		if p.Method == SandboxLateSuccess {
			return errTimeout
		}
		return nil
	})
}

// LookUp implements [Processor].
func (s *Sandbox) LookUp(_ context.Context, paymentID string) (billing.Report, error) {
	return s.about(paymentID, func(*sandboxPayment) error { return nil })
}

// Search implements [Processor].
func (s *Sandbox) Search(_ context.Context, r Request, _ time.Time) (billing.Report, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pass()
	if p := s.find(func(p *sandboxPayment) bool { return p.Key == r.Key }); p != nil {
		return p.report(), nil
	}
	return billing.Report{}, ErrNoPayment
}

// Cancel implements [Processor]. What is processing cannot be cancelled.
func (s *Sandbox) Cancel(_ context.Context, paymentID string) (billing.Report, error) {
	return s.about(paymentID, func(p *sandboxPayment) error {
		if p.status == billing.RequiresConfirmation || p.status == billing.RequiresAction {
			s.become(p, billing.ChargeFailed)
		}
		return nil
	})
}

// Authenticate has the customer of a payment that requires it authenticate it, or
// fail to.
func (s *Sandbox) Authenticate(_ context.Context, paymentID string, ok bool) (billing.Report, error) {
	return s.about(paymentID, func(p *sandboxPayment) error {
		switch {
		case p.status != billing.RequiresAction:
		case ok:
			s.become(p, billing.ChargeSucceeded)
		default:
			s.become(p, billing.ChargeFailed)
		}
		return nil
	})
}

// Return implements [Processor].
func (s *Sandbox) Return(_ context.Context, paymentID, _ string) error {
	_, err := s.about(paymentID, func(p *sandboxPayment) error {
		if p.status != billing.ChargeSucceeded {
			return errNotReturned
		}
		p.returned = true
		return nil
	})
	return err
}

// Notifications returns what the sandbox has to tell by now, and does not tell it
// again.
func (s *Sandbox) Notifications() []Notification {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pass()
	slices.Reverse(s.reversed)
	told := append(s.notices, s.reversed...)
	s.notices, s.reversed = nil, nil
	return told
}

// about does something to a payment and reports how it stands then.
func (s *Sandbox) about(id string, do func(*sandboxPayment) error) (billing.Report, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pass()
	p := s.find(func(p *sandboxPayment) bool { return p.id == id })
	if p == nil {
		return billing.Report{}, ErrNoPayment
	}
	if err := do(p); err != nil {
		return billing.Report{}, err
	}
	return p.report(), nil
}

func (s *Sandbox) find(is func(*sandboxPayment) bool) *sandboxPayment {
	if at := slices.IndexFunc(s.payments, is); at >= 0 {
		return s.payments[at]
	}
	return nil
}

// pass has happen what is due.
func (s *Sandbox) pass() {
	now := s.now()
	for _, p := range s.payments {
		if p.then != "" && !now.Before(p.at) {
			then := p.then
			p.then = ""
			s.become(p, then)
		}
	}
}

// become has a payment change and the change told.
func (s *Sandbox) become(p *sandboxPayment, status billing.Status) {
	p.status = status
	n := Notification{InvoiceID: p.InvoiceID, Notice: billing.Notice{Attempt: p.Attempt, Report: p.report()}}
	switch p.Method {
	case SandboxReorderedNotices:
		s.reversed = append(s.reversed, n)
	case SandboxDuplicateNotices:
		s.notices = append(s.notices, n, n)
	default:
		s.notices = append(s.notices, n)
	}
}

// called counts a call and returns the how manieth it is.
func (p *sandboxPayment) called(what string) int {
	p.calls[what]++
	return p.calls[what]
}

func (p *sandboxPayment) report() billing.Report {
	return billing.Report{PaymentID: p.id, Status: p.status, Amount: p.Amount, Currency: p.Currency, Hard: p.hard}
}
