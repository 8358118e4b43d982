package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The kinds of events that billing tells of, each by an event about one of its objects:
// see [Change.Put]. Those of the published contract reach every webhook that does not
// name its types; the receivers that were written for it know them.
const (
	PaymentSucceeded  EventKind = "payment.succeeded"
	PaymentFailed     EventKind = "payment.failed"
	PaymentProcessing EventKind = "payment.processing"
	PaymentCancelled  EventKind = "payment.cancelled"

	RefundSucceeded EventKind = "refund.succeeded"
	RefundFailed    EventKind = "refund.failed"

	DisputeOpened     EventKind = "dispute.opened"
	DisputeExpired    EventKind = "dispute.expired"
	DisputeAccepted   EventKind = "dispute.accepted"
	DisputeCancelled  EventKind = "dispute.cancelled"
	DisputeChallenged EventKind = "dispute.challenged"
	DisputeWon        EventKind = "dispute.won"
	DisputeLost       EventKind = "dispute.lost"

	SubscriptionActive              EventKind = "subscription.active"
	SubscriptionRenewed             EventKind = "subscription.renewed"
	SubscriptionOnHold              EventKind = "subscription.on_hold"
	SubscriptionPaused              EventKind = "subscription.paused"
	SubscriptionUnpaused            EventKind = "subscription.unpaused"
	SubscriptionCancelled           EventKind = "subscription.cancelled"
	SubscriptionFailed              EventKind = "subscription.failed"
	SubscriptionExpired             EventKind = "subscription.expired"
	SubscriptionPlanChanged         EventKind = "subscription.plan_changed"
	SubscriptionUpdated             EventKind = "subscription.updated"
	SubscriptionUpdatePaymentMethod EventKind = "subscription.update_payment_method"
	SubscriptionPastDue             EventKind = "subscription.past_due" // of the newer SDKs

	DunningStarted   EventKind = "dunning.started"
	DunningRecovered EventKind = "dunning.recovered"
)

// The kinds that the published contract does not have. Receivers of it would take them
// for others, so they reach those webhooks alone that name them, as those of wallets do.
const (
	PaymentEscalated      EventKind = "payment.escalated"
	PaymentRequiresAction EventKind = "payment.requires_action"
	PaymentMethodAdded    EventKind = "payment_method.added"
	PaymentMethodRemoved  EventKind = "payment_method.removed"
	TopUpSucceeded        EventKind = "top_up.succeeded"
	TopUpFailed           EventKind = "top_up.failed"
)

var publishedKinds = []EventKind{
	PaymentSucceeded, PaymentFailed, PaymentProcessing, PaymentCancelled, RefundSucceeded, RefundFailed, DisputeOpened,
	DisputeExpired, DisputeAccepted, DisputeCancelled, DisputeChallenged, DisputeWon, DisputeLost, SubscriptionActive,
	SubscriptionRenewed, SubscriptionOnHold, SubscriptionPaused, SubscriptionUnpaused, SubscriptionCancelled,
	SubscriptionFailed, SubscriptionExpired, SubscriptionPlanChanged, SubscriptionUpdated, SubscriptionUpdatePaymentMethod,
	SubscriptionPastDue, DunningStarted, DunningRecovered,
}

var furtherKinds = []EventKind{
	PaymentEscalated, PaymentRequiresAction, PaymentMethodAdded, PaymentMethodRemoved, TopUpSucceeded, TopUpFailed,
}

// BillingKinds lists every kind that billing tells of, those of the published contract
// first. The ledger tells of [EventKinds].
func BillingKinds() []EventKind { return slices.Concat(publishedKinds, furtherKinds) }

// IsPublished reports whether the published contract has the kind.
func (k EventKind) IsPublished() bool { return slices.Contains(publishedKinds, k) }

// IsEventKind reports whether there are events of a kind, by whoever tells of it.
func IsEventKind(kind EventKind) bool {
	return slices.Contains(EventKinds(), kind) || slices.Contains(BillingKinds(), kind)
}

// ToldObject is an event about an object that is told, with whose object it is.
type ToldObject struct {
	Tenant     Tenant
	CustomerID string
	Key        ObjectKey
	Event      ObjectEvent
}

func (o *ToldObject) events() []Event {
	e := &o.Event
	return []Event{{
		ID: EventIDPrefix + o.Key.ID + "_" + strconv.FormatInt(e.Number, 10), Kind: e.Kind, Tenant: o.Tenant,
		CustomerID: o.CustomerID, At: e.CreatedAt, Object: o,
	}}
}

// checkTold holds what is to be told of an object to the form in which it stays for
// ever. What it finds is a mistake of whoever made the event, and no refusal. The data
// are one line, because a stream of events has each on a line.
func checkTold(kind EventKind, data string) error {
	if kind == "" {
		return nil
	}
	if !slices.Contains(BillingKinds(), kind) {
		return fmt.Errorf("%s is no kind that is told of objects", kind)
	}
	if !utf8.ValidString(data) || strings.ContainsAny(data, "\r\n") {
		return errors.New("the data of an event are no line of text")
	}
	if endsWithPayload(data) && json.Valid([]byte(data)) {
		return nil
	}
	var told struct {
		PayloadType string `json:"payload_type"`
	}
	if err := json.Unmarshal([]byte(data), &told); err != nil {
		return fmt.Errorf("the data of an event are no JSON object: %w", err)
	}
	if told.PayloadType == "" {
		return errors.New("the data of an event have no payload_type")
	}
	return nil
}

// endsWithPayload reports whether a payload_type is the last member of data, as billing
// writes them, if they are a JSON object: then nobody has to read the others.
func endsWithPayload(data string) bool {
	rest, ends := strings.CutSuffix(data, `"}`)
	quote := strings.LastIndexByte(rest, '"')
	if !ends || quote < 0 || quote+1 == len(rest) {
		return false
	}
	return strings.HasSuffix(rest[:quote], `,"payload_type":`) && !strings.Contains(rest[quote:], `\`)
}
