package collect

import (
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/processor"
	"github.com/billfold/billfold/internal/processor/stripe"
)

// actionWithin is how long a customer has to authenticate a payment.
const actionWithin = 24 * time.Hour

// PolicyOf is what the settings of a business say about collecting an invoice in a
// currency, as of now. What is paid for once is tried once; what a subscription owes is
// tried again.
func PolicyOf(s *access.Settings, mode ledger.Mode, reason Reason, currency money.Currency) billing.Policy {
	policy := billing.Policy{
		Tender:       billing.TenderRules{Below: billing.BelowMinimum(s.BelowCardMinimum)},
		ActionWithin: actionWithin, Late: billing.LateRefund,
	}
	switch {
	case s.Processor != nil:
		policy.Tender.CardMinimum = stripe.Minimum(currency)
	case mode == ledger.Test:
		policy.Tender.CardMinimum = processor.SandboxMinimum(currency)
	}
	switch reason {
	case ForPeriod:
		for _, hours := range s.PaymentRetryHours {
			policy.Retries = append(policy.Retries, time.Duration(hours)*time.Hour)
		}
	default:
		policy.MethodWithin = time.Duration(s.PaymentMethodWaitHours) * time.Hour
	}
	if reason == ForTopUp {
		policy.Tender.LeaveWallet = true
	}
	return policy
}
