package stripe

import (
	"context"
	"strings"

	api "github.com/stripe/stripe-go/v85"

	"github.com/billfold/billfold/internal/processor"
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

// Refund implements [processor.Processor]. What has gone back is found by its key among
// the payment's refunds, because Stripe remembers an idempotency key for a day.
func (a *Adapter) Refund(ctx context.Context, r processor.RefundRequest) (processor.RefundStatus, error) {
	intent, err := a.get(ctx, r.PaymentID)
	if err != nil {
		return "", err
	}
	if _, _, err := a.read(intent); err != nil {
		return "", err
	}
	made, left, err := a.refundUnder(ctx, intent, r.Key)
	if err != nil {
		return "", err
	}
	amount, exact := toStripe(r.Amount, r.Currency)
	if made != nil {
		if made.Amount != amount || !strings.EqualFold(string(made.Currency), string(r.Currency)) {
			return "", &failure{call: "refund, of which another one has the key"}
		}
		return refundStatus(made.Status), nil
	}
	if !exact || !strings.EqualFold(string(intent.Currency), string(r.Currency)) ||
		intent.Status != api.PaymentIntentStatusSucceeded || amount > left {
		return processor.RefundFailed, nil
	}
	params := &api.RefundCreateParams{
		PaymentIntent: &r.PaymentID, Amount: &amount, Metadata: map[string]string{metadataKey: r.Key},
	}
	params.IdempotencyKey = &r.Key
	within, cancel := context.WithTimeout(ctx, a.timeout)
	created, err := a.client.V1Refunds.Create(within, params)
	cancel()
	if err != nil {
		said := explain("refund", err)
		if said.refused { // such as charge_disputed: Stripe knows of no refund, and makes none by itself
			return processor.RefundFailed, nil
		}
		return "", said
	}
	if isReplay(created.LastResponse) {
		// It says how the refund stood when it was made. The next look finds it in the list.
		return "", &failure{call: "refund, which was answered again"}
	}
	return refundStatus(created.Status), nil
}

// refundUnder is the refund of a payment that has a key, nil for none, and how much of the
// payment has neither gone back nor is under way.
func (a *Adapter) refundUnder(
	ctx context.Context, intent *api.PaymentIntent, key string,
) (made *api.Refund, left int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	params := &api.RefundListParams{PaymentIntent: &intent.ID}
	params.Limit = api.Int64(100)
	left = intent.AmountReceived
	for refund, err := range a.client.V1Refunds.List(ctx, params).All(ctx) {
		if err != nil {
			return nil, 0, certain(explain("list refunds", err))
		}
		if refund.Metadata[metadataKey] == key {
			made = refund
		}
		if refundStatus(refund.Status) != processor.RefundFailed {
			left -= refund.Amount
		}
	}
	return made, left, nil
}

func refundStatus(status api.RefundStatus) processor.RefundStatus {
	switch status {
	case api.RefundStatusSucceeded:
		return processor.RefundSucceeded
	case api.RefundStatusFailed, api.RefundStatusCanceled:
		return processor.RefundFailed
	}
	return processor.RefundPending
}
