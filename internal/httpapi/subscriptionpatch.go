package httpapi

import (
	"encoding/json"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/strictjson"
)

// The fields of a change of a subscription. What stands behind patchOffers is not offered.
var subscriptionPatchFields = []string{
	"status", "pause", "cancel_at_next_billing_date", "next_billing_date", "disable_on_demand", "billing", "metadata", "tax_id",
	"customer_business_name", "cancel_reason", "cancellation_feedback", "cancellation_comment",
	"customer_name", "credit_entitlement_cart", "subscription_period_count", "subscription_period_interval",
}

const (
	patchStatus = iota
	patchPause
	patchCancelAtNext
	patchNextBilling
	patchEndOnDemand
	patchBilling
	patchMetadata
	patchTaxID
	patchBusinessName
	patchReason
	patchFeedback
	patchComment
	patchOffers
)

var subscriptionPatchKinds = [...]strictjson.Kind{
	patchStatus: strictjson.String, patchPause: strictjson.Bool, patchCancelAtNext: strictjson.Bool,
	patchNextBilling: strictjson.String, patchEndOnDemand: strictjson.Object, patchBilling: strictjson.Object,
	patchMetadata: strictjson.Object, patchTaxID: strictjson.String, patchBusinessName: strictjson.String,
	patchReason: strictjson.String, patchFeedback: strictjson.String, patchComment: strictjson.String,
	patchOffers: strictjson.String, strictjson.Array, strictjson.Number, strictjson.String,
}

var (
	cancelReasons = []string{
		"cancelled_by_customer", "cancelled_by_merchant", "cancelled_by_merchant_send_dunning",
		"cancelled_by_merchant_grace_period_expired", "dodo_team",
	}
	cancelFeedbacks = []string{
		"too_expensive", "missing_features", "switched_service", "unused", "customer_service", "low_quality", "too_complex", "other",
	}
)

// decodeSubscriptionPatch reads a change. One thing may happen to a subscription at once;
// what is kept beside may change with it.
func (c *call) decodeSubscriptionPatch() (order collect.SubscriptionOrder, err error) {
	f, err := c.fields(subscriptionPatchFields, 0)
	if err == nil {
		err = f.checkKinds(subscriptionPatchKinds[:])
	}
	if err == nil {
		err = f.refuseOffers(patchOffers)
	}
	if err != nil {
		return order, err
	}
	if order.Input, err = f.subscriptionInput(); err != nil {
		return order, err
	}
	var amend []func(*collect.Subscription)
	if f.given(patchBilling) {
		address, err := f.address(patchBilling)
		if err != nil {
			return order, err
		}
		amend = append(amend, func(s *collect.Subscription) { s.Billing = address })
	}
	metadata, given, err := f.metadata(patchMetadata)
	if err != nil {
		return order, err
	}
	if given {
		amend = append(amend, func(s *collect.Subscription) { s.Metadata = json.RawMessage(metadata) })
	}
	texts, err := f.patchTexts(order.Input)
	if err != nil {
		return order, err
	}
	amend = append(amend, texts...)
	order.Amend = func(s *collect.Subscription) {
		for _, change := range amend {
			change(s)
		}
	}
	return order, nil
}

// patchTexts reads the texts of a change. An explicit null empties those that the published
// format says it of.
func (f *fields) patchTexts(input billing.SubscriptionInput) (amend []func(*collect.Subscription), err error) {
	_, now := input.(billing.CancelNow)
	next, later := input.(billing.CancelAtNextBilling)
	cancels := now || later && !next.Undo
	if later && next.Undo {
		amend = append(amend, func(s *collect.Subscription) {
			s.CancelReason, s.CancelFeedback, s.CancelComment = "", "", ""
		})
	}
	for index, into := range map[int]func(*collect.Subscription) *string{
		patchTaxID:        func(s *collect.Subscription) *string { return &s.TaxID },
		patchBusinessName: func(s *collect.Subscription) *string { return &s.BusinessName },
		patchReason:       func(s *collect.Subscription) *string { return &s.CancelReason },
		patchFeedback:     func(s *collect.Subscription) *string { return &s.CancelFeedback },
		patchComment:      func(s *collect.Subscription) *string { return &s.CancelComment },
	} {
		text, err := f.short(index)
		if err != nil {
			return nil, err
		}
		if index >= patchReason && f.given(index) && !cancels {
			return nil, badParameter(f.names[index], "%s goes with a cancellation", f.names[index])
		}
		if f.given(index) || index < patchReason && f.values[index].Kind() == strictjson.Null {
			amend = append(amend, func(s *collect.Subscription) { *into(s) = text })
		}
	}
	if _, err := f.oneOf(patchReason, cancelReasons...); err != nil {
		return nil, err
	}
	_, err = f.oneOf(patchFeedback, cancelFeedbacks...)
	return amend, err
}

// subscriptionInput is what is to happen to the subscription, nil for nothing.
func (f *fields) subscriptionInput() (input billing.SubscriptionInput, err error) {
	status, err := f.oneOf(patchStatus, "cancelled", "paused", "active")
	if err != nil {
		return nil, err
	}
	pause, given, _ := f.boolean(patchPause)
	switch {
	case status == "cancelled":
		input = billing.CancelNow{}
	case status == "paused" || pause:
		input = billing.Pause{}
	case status == "active" || given:
		input = billing.Resume{}
	}
	if input != nil && (status != "cancelled" || given) {
		for i := range f.names {
			if f.given(i) && i != patchStatus && i != patchPause || status != "" && given {
				return nil, badParameter("status", "pausing and resuming go alone in a request, by status or by pause")
			}
		}
	}
	if cancel, given, _ := f.boolean(patchCancelAtNext); given && input != nil {
		return nil, badParameter("cancel_at_next_billing_date", "cancel either now or at the next billing date")
	} else if given {
		input = billing.CancelAtNextBilling{Undo: !cancel}
	}
	at, given, err := f.at(patchNextBilling)
	if err != nil {
		return nil, err
	}
	if given && input != nil {
		return nil, badParameter("next_billing_date", "next_billing_date does not go with a cancellation")
	}
	if given {
		input = billing.MoveNext{At: at}
	}
	if !f.given(patchEndOnDemand) {
		return input, nil
	}
	g, err := fieldsOf(f.values[patchEndOnDemand], []string{"next_billing_date"}, 1)
	if err != nil {
		return nil, err
	}
	if at, _, err = g.at(0); err == nil && input != nil {
		err = badParameter("disable_on_demand", "disable_on_demand does not go with a cancellation or next_billing_date")
	}
	return billing.EndOnDemand{At: at}, err
}
