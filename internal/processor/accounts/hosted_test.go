package accounts

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/processor"
)

// pages is a processor of which every page fails or works.
type pages struct {
	processor.Hosted
	err   error
	calls int
}

func (p *pages) SetUp(context.Context, processor.SetUpRequest) (processor.SetUp, error) {
	p.calls++
	return processor.SetUp{ID: "cs_1", URL: "https://pages.example.com/cs_1"}, p.err
}

func (p *pages) LookUpSetUp(_ context.Context, id string) (processor.SetUp, error) {
	p.calls++
	return processor.SetUp{ID: id, Status: processor.SetUpDone}, p.err
}

func (p *pages) ActionURL(_ context.Context, paymentID, back string) (string, error) {
	p.calls++
	return "https://pages.example.com/" + paymentID + "?back=" + back, p.err
}

func (p *pages) LookUp(context.Context, string) (billing.Report, error) {
	p.calls++
	return billing.Report{}, p.err
}

func gateFor(p processor.Hosted, now func() time.Time) gated {
	return gated{p, newGate(make(chan struct{}, callsMax), now)}
}

// TestGatedLeadsToPages holds that what is behind a gate has its pages, and that calls
// for them count as any other.
func TestGatedLeadsToPages(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	behind := &pages{}
	g := gateFor(behind, func() time.Time { return at })
	ctx := t.Context()
	if s, err := g.SetUp(ctx, processor.SetUpRequest{}); err != nil || s.URL != "https://pages.example.com/cs_1" {
		t.Errorf("set-up: got %v, %v, want its page", s, err)
	}
	if s, err := g.LookUpSetUp(ctx, "cs_1"); err != nil || s.ID != "cs_1" || s.Status != processor.SetUpDone {
		t.Errorf("look-up of a set-up: got %v, %v, want one that is done", s, err)
	}
	if page, err := g.ActionURL(ctx, "pi_1", "here"); err != nil || page != "https://pages.example.com/pi_1?back=here" {
		t.Errorf("page of a payment: got %q, %v, want it", page, err)
	}
	behind.err = processor.ErrNoSetUp // an answer
	for range 2 * faultsMax {
		_, _ = g.LookUpSetUp(ctx, "cs_1")
	}
	behind.err, behind.calls = errors.New("no answer"), 0
	for range 2 * faultsMax {
		_, _ = g.ActionURL(ctx, "pi_1", "")
	}
	_, err := g.SetUp(ctx, processor.SetUpRequest{})
	if !errors.Is(err, processor.ErrNotReached) || behind.calls != faultsMax {
		t.Errorf("while nobody answers: got %v after %d calls, want %v after %d", err, behind.calls, processor.ErrNotReached, faultsMax)
	}
	at, behind.err = at.Add(restMin), nil
	if _, err := g.SetUp(ctx, processor.SetUpRequest{}); err != nil {
		t.Errorf("after a rest: got error %v, want none", err)
	}
}

// TestWhomACustomerMeets holds that a payment is attended to where it was begun, and a new
// card where the business charges now, and that the sandbox comes as it is.
func TestWhomACustomerMeets(t *testing.T) {
	t.Parallel()
	sandbox := processor.NewSandbox(nil)
	own := gateFor(&pages{}, time.Now)
	for _, c := range []struct {
		name    string
		routes  routes
		payment string
		want    processor.Processor
	}{
		{"a new card in test mode without an account", routes{sandbox: sandbox}, "", sandbox},
		{"a payment of the sandbox", routes{sandbox: sandbox}, "spy_1", sandbox},
		{"a payment of the sandbox, begun before the account", routes{sandbox: sandbox, stripe: own}, "spy_1", sandbox},
		{"a new card with an account", routes{sandbox: sandbox, stripe: own}, "", own},
		{"a payment of Stripe's", routes{sandbox: sandbox, stripe: own}, "pi_1", own},
		{"a payment of an account that is gone", routes{sandbox: sandbox}, "pi_1", nil},
		{"a new card while the account does not open", routes{sandbox: sandbox, unknown: true}, "", nil},
		{"a payment of the sandbox, while it does not", routes{sandbox: sandbox, unknown: true}, "spy_1", sandbox},
		{"a new card in live mode", routes{stripe: own}, "", own},
		{"a payment of Stripe's in live mode", routes{stripe: own}, "pi_1", own},
		{"a payment of the sandbox in live mode", routes{stripe: own}, "spy_1", nil},
	} {
		if got := c.routes.Attend(c.payment); got != c.want {
			t.Errorf("%s: got %T, want %T", c.name, got, c.want)
		}
	}
}
