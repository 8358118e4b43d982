package stripe

import (
	"context"

	api "github.com/stripe/stripe-go/v85"
)

// Return implements [processor.Processor]. Stripe's refunds of the payment say whether
// it went back, whoever made them and under whichever key; one is made for what is left.
// One that is pending has not gone back yet, and one that failed never does by itself.
func (a *Adapter) Return(ctx context.Context, paymentID, key string) error {
	intent, err := a.get(ctx, paymentID)
	if err != nil {
		return err
	}
	if status, _, err := a.read(intent); err != nil {
		return err
	} else if intent.Status != api.PaymentIntentStatusSucceeded {
		return &failure{call: "refund of a payment that is " + word(status)}
	}
	back, under, err := a.refunded(ctx, paymentID)
	if err != nil || back >= intent.AmountReceived {
		return err
	}
	if back+under >= intent.AmountReceived {
		return &failure{call: "refund, which is pending"}
	}
	params := &api.RefundCreateParams{PaymentIntent: &paymentID, Metadata: map[string]string{metadataKey: key}}
	params.IdempotencyKey = &key
	within, cancel := context.WithTimeout(ctx, a.timeout)
	made, err := a.client.V1Refunds.Create(within, params)
	cancel()
	if err != nil {
		return explain("refund", err)
	}
	// The list would have had one that is answered with again and did not fail since.
	if again := isReplay(made.LastResponse); again || made.Status != api.RefundStatusSucceeded {
		return &failure{call: "refund, which is " + word(made.Status)}
	}
	return nil
}

// refunded is how much of a payment has gone back, and how much is under way.
func (a *Adapter) refunded(ctx context.Context, paymentID string) (back, under int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	params := &api.RefundListParams{PaymentIntent: &paymentID}
	params.Limit = api.Int64(100)
	for refund, err := range a.client.V1Refunds.List(ctx, params).All(ctx) {
		if err != nil {
			return 0, 0, certain(explain("list refunds", err))
		}
		switch refund.Status {
		case api.RefundStatusSucceeded:
			back += refund.Amount
		case api.RefundStatusPending, api.RefundStatusRequiresAction:
			under += refund.Amount
		}
	}
	return back, under, nil
}
