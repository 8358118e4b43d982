package webhook_test

import (
	"testing"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/webhook"
)

// An endpoint that names no types gets what the published contract has, and nothing else.
func TestWhatAnEndpointWants(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		endpoint webhook.Endpoint
		kind     ledger.EventKind
		want     bool
	}{
		{"all, published", webhook.Endpoint{}, ledger.PaymentSucceeded, true},
		{"all, of a wallet", webhook.Endpoint{}, ledger.WalletCredited, false},
		{"all, further one", webhook.Endpoint{}, ledger.PaymentEscalated, false},
		{"all, disabled", webhook.Endpoint{Disabled: true}, ledger.PaymentSucceeded, false},
		{"named", webhook.Endpoint{FilterTypes: []string{"payment.escalated"}}, ledger.PaymentEscalated, true},
		{"named, disabled", webhook.Endpoint{FilterTypes: []string{"payment.escalated"}, Disabled: true}, ledger.PaymentEscalated, false},
		{"not named", webhook.Endpoint{FilterTypes: []string{"payment.escalated"}}, ledger.PaymentSucceeded, false},
	} {
		if got := c.endpoint.Wants(c.kind); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	for _, name := range []string{"payment.succeeded", "subscription.past_due", "top_up.failed", "wallet.debited", "payout.created"} {
		if !webhook.IsEventType(name) {
			t.Errorf("%s: got no type, want one that may be asked for", name)
		}
	}
}
