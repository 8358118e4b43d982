package stripe

import (
	"context"
	"slices"

	api "github.com/stripe/stripe-go/v85"

	"github.com/billfold/billfold/internal/billing"
)

// hardCodes are the reasons after which Stripe or the card networks say that a card is
// not to be tried again: it is lost, stolen or no card, the customer has told the bank
// to refuse us, or the bank suspects fraud. What passes by itself is not among them:
// too little money, a bank that is not there, a card that has expired and is renewed.
var hardCodes = []string{
	string(api.DeclineCodeDoNotTryAgain), string(api.DeclineCodeFraudulent), "highest_risk_level",
	string(api.DeclineCodeIncorrectNumber), string(api.DeclineCodeInvalidAccount), string(api.DeclineCodeInvalidNumber),
	string(api.DeclineCodeLostCard), string(api.DeclineCodeMerchantBlacklist), string(api.DeclineCodePickupCard),
	string(api.DeclineCodeRestrictedCard), string(api.DeclineCodeRevocationOfAllAuthorizations),
	string(api.DeclineCodeRevocationOfAuthorization), string(api.DeclineCodeSecurityViolation),
	string(api.DeclineCodeStolenCard), string(api.DeclineCodeStopPaymentOrder), string(api.DeclineCodeTransactionNotAllowed),
}

// authentication is the code of a decline that is none: the customer has to be there.
const authentication = string(api.DeclineCodeAuthenticationRequired)

// isHard reports whether the card of a payment that failed is not to be tried again. The
// error is cleared when a PaymentIntent is changed; its charge stays.
func isHard(intent *api.PaymentIntent) bool {
	var codes []string
	if e := intent.LastPaymentError; e != nil {
		codes = append(codes, string(e.DeclineCode), string(e.Code))
	}
	if charge := intent.LatestCharge; charge != nil {
		codes = append(codes, charge.FailureCode)
		if charge.Outcome != nil {
			codes = append(codes, charge.Outcome.Reason)
			if charge.Outcome.AdviceCode == api.ChargeOutcomeAdviceCodeDoNotTryAgain {
				return true
			}
		}
	}
	return slices.ContainsFunc(codes, func(code string) bool { return slices.Contains(hardCodes, code) })
}

// stands is what a PaymentIntent's status means, and false for one that is not known.
// One that was declined is processing until it is cancelled, because until then it can
// be charged.
func stands(intent *api.PaymentIntent) (status billing.Status, declined, known bool) {
	switch intent.Status {
	case api.PaymentIntentStatusRequiresConfirmation:
		return billing.RequiresConfirmation, false, true
	case api.PaymentIntentStatusRequiresAction:
		return billing.RequiresAction, false, true
	case api.PaymentIntentStatusRequiresPaymentMethod:
		e := intent.LastPaymentError
		if e != nil && (string(e.Code) == authentication || string(e.DeclineCode) == authentication) {
			return billing.RequiresAction, false, true
		}
		return billing.Processing, true, true
	case api.PaymentIntentStatusProcessing:
		return billing.Processing, false, true
	case api.PaymentIntentStatusSucceeded:
		return billing.ChargeSucceeded, false, true
	case api.PaymentIntentStatusCanceled:
		return billing.ChargeFailed, false, true
	}
	return "", false, false
}

// reported is a PaymentIntent in our words. Of one that has succeeded it says what was
// received.
func reported(intent *api.PaymentIntent, status billing.Status) billing.Report {
	theirs := intent.Amount
	if status == billing.ChargeSucceeded {
		theirs = intent.AmountReceived
	}
	amount, currency := fromStripe(theirs, string(intent.Currency))
	return billing.Report{
		PaymentID: intent.ID, Status: status, Amount: amount, Currency: currency,
		Hard: status == billing.ChargeFailed && isHard(intent),
	}
}

// settle reports how a payment stands, and cancels one that was declined first.
func (a *Adapter) settle(ctx context.Context, intent *api.PaymentIntent) (billing.Report, error) {
	status, declined, err := a.read(intent)
	if err != nil {
		return billing.Report{}, err
	}
	if declined {
		return a.end(ctx, intent)
	}
	return reported(intent, status), nil
}

// read is [stands] of a PaymentIntent that can be of this account.
func (a *Adapter) read(intent *api.PaymentIntent) (status billing.Status, declined bool, err error) {
	status, declined, known := stands(intent)
	switch {
	case intent.Livemode != a.live:
		return "", false, &failure{call: "payment of the other mode"}
	case !known || intent.ID == "":
		return "", false, &failure{call: "payment in a state that is not known", code: word(intent.Status)}
	}
	return status, declined, nil
}

// end cancels a payment that was declined or refused, so that nobody can charge it any
// more. Only Stripe's word that it is cancelled makes it one that failed.
func (a *Adapter) end(ctx context.Context, before *api.PaymentIntent) (billing.Report, error) {
	report, err := a.cancel(ctx, before.ID)
	if err != nil {
		return billing.Report{}, afterEffect(err)
	}
	if report.Status == billing.ChargeFailed {
		report.Hard = report.Hard || isHard(before)
	}
	return report, nil
}

// cancel cancels a payment, and says how it stands if that is not possible.
func (a *Adapter) cancel(ctx context.Context, id string) (billing.Report, error) {
	intent, err := a.postCancel(ctx, id)
	if isRefused(err) {
		intent, err = a.get(ctx, id) // it has ended meanwhile, or is processing
	}
	if err != nil {
		return billing.Report{}, err
	}
	status, declined, err := a.read(intent)
	if err == nil && declined {
		err = &failure{call: "cancel, which was refused of a payment that was declined"}
	}
	if err != nil {
		return billing.Report{}, err
	}
	return reported(intent, status), nil
}
