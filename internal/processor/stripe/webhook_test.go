package stripe_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	api "github.com/stripe/stripe-go/v85"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/processor"
	"github.com/billfold/billfold/internal/processor/stripe"
)

func sign(payload []byte, secret string, at time.Time) string {
	return api.GenerateTestSignedPayload(&api.UnsignedPayload{Payload: payload, Secret: secret, Timestamp: at}).Header
}

// eventOf is a notification about an object, as Stripe sends it.
func eventOf(kind, object string) []byte {
	return []byte(`{"id":"evt_1","object":"event","type":"` + kind + `","livemode":false,"api_version":"2019-01-01","data":{"object":` +
		object + `}}`)
}

const intentOfOurs = `{"id":"pi_1","object":"payment_intent","amount":500,"amount_received":AMOUNT,"currency":"usd","status":"STATUS",
	"metadata":{"billfold_key":"inv:inv_1:2","billfold_invoice":"inv_1","billfold_attempt":"2"}ERROR}`

func intent(status, received, lastError string) string {
	return strings.NewReplacer("STATUS", status, "AMOUNT", received, "ERROR", lastError).Replace(intentOfOurs)
}

// TestSignatures lets nothing in that Stripe did not sign in the last five minutes.
func TestSignatures(t *testing.T) {
	t.Parallel()
	_, adapter := open(t)
	payload := eventOf("payment_intent.succeeded", intent("succeeded", "500", ""))
	right := sign(payload, testSecret, time.Now())
	if event, err := adapter.Event(payload, right); err != nil || event.Payment == nil {
		t.Fatalf("got %+v, %v, want the payment", event, err)
	}
	other := []byte(strings.Replace(string(payload), "500", "501", 1))
	for name, test := range map[string]struct {
		payload []byte
		header  string
	}{
		"no header":          {payload, ""},
		"garbage":            {payload, "t=,v1="},
		"no stamp":           {payload, right[strings.Index(right, "v1="):]},
		"another body":       {other, right},
		"another secret":     {payload, sign(payload, "whsec_other", time.Now())},
		"no secret":          {payload, sign(payload, "", time.Now())},
		"old":                {payload, sign(payload, testSecret, time.Now().Add(-6*time.Minute))},
		"another stamp":      {payload, "t=9999999999," + right[strings.Index(right, "v1="):]},
		"of an older scheme": {payload, strings.Replace(right, "v1=", "v0=", 1)},
	} {
		event, err := adapter.Event(test.payload, test.header)
		if !errors.Is(err, stripe.ErrSignature) || event.Payment != nil {
			t.Errorf("%s: got %+v, %v, want %v", name, event, err, stripe.ErrSignature)
		}
	}
	none, err := stripe.New(stripe.Config{Key: testKey})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := none.Event(payload, sign(payload, "", time.Now())); !errors.Is(err, stripe.ErrSignature) {
		t.Errorf("an adapter without a secret: got %v, want %v", err, stripe.ErrSignature)
	}
	for _, malformed := range []string{"", "[]", `{"id":"evt_1"}`, `{"id":"evt_1","type":"payment_intent.succeeded","data":{"object":[]}}`} {
		payload := []byte(malformed)
		_, err := adapter.Event(payload, sign(payload, testSecret, time.Now()))
		if !errors.Is(err, stripe.ErrMalformed) {
			t.Errorf("%q: got %v, want %v", malformed, err, stripe.ErrMalformed)
		}
	}
}

func payment(status billing.Status, hard bool) stripe.Event {
	report := billing.Report{PaymentID: "pi_1", Status: status, Amount: 500, Currency: "USD", Hard: hard}
	return stripe.Event{ID: "evt_1", Payment: &processor.Notification{
		InvoiceID: "inv_1", Notice: billing.Notice{Attempt: 2, Report: report},
	}}
}

func dispute(stage billing.DisputeStage, status billing.DisputeStatus) stripe.Event {
	return stripe.Event{ID: "evt_1", Dispute: &stripe.Dispute{
		ID: "du_1", PaymentID: "pi_1", Amount: 300, Currency: "USD",
		DisputeMessage: billing.DisputeMessage{Stage: stage, Status: status},
	}}
}

func refundTold(id, key string, state billing.RefundState) stripe.Event {
	return stripe.Event{ID: "evt_1", Refund: &stripe.Refund{
		ID: id, PaymentID: "pi_1", Key: key, State: state, Amount: 200, Currency: "USD",
	}}
}

func disputeOf(status, moved string) string {
	return `{"id":"du_1","object":"dispute","amount":300,"currency":"usd","payment_intent":"pi_1","status":"` + status +
		`","balance_transactions":[` + moved + `]}`
}

// TestEventsInOurWords reads each kind of notification.
func TestEventsInOurWords(t *testing.T) {
	t.Parallel()
	_, adapter := open(t)
	lost := `,"last_payment_error":{"code":"card_declined","decline_code":"lost_card"}`
	here := `,"last_payment_error":{"code":"authentication_required"}`
	refund := `{"id":"re_1","object":"refund","amount":200,"currency":"usd","payment_intent":"pi_1","metadata":{"billfold_key":"refund:r"},"status":"`
	nothing := stripe.Event{ID: "evt_1"}
	other := payment(billing.ChargeSucceeded, false)
	other.Payment.Amount = 499
	for _, test := range []struct {
		kind, object string
		want         stripe.Event
	}{
		{"payment_intent.created", intent("requires_confirmation", "0", ""), payment(billing.RequiresConfirmation, false)},
		{"payment_intent.processing", intent("processing", "0", ""), payment(billing.Processing, false)},
		{"payment_intent.requires_action", intent("requires_action", "0", ""), payment(billing.RequiresAction, false)},
		{"payment_intent.payment_failed", intent("requires_payment_method", "0", lost), payment(billing.Processing, false)},
		{"payment_intent.payment_failed", intent("requires_payment_method", "0", here), payment(billing.RequiresAction, false)},
		{"payment_intent.succeeded", intent("succeeded", "500", ""), payment(billing.ChargeSucceeded, false)},
		{"payment_intent.succeeded", intent("succeeded", "499", ""), other},
		{"payment_intent.canceled", intent("canceled", "0", ""), payment(billing.ChargeFailed, false)},
		{"payment_intent.canceled", intent("canceled", "0", lost), payment(billing.ChargeFailed, true)},
		{"payment_intent.succeeded", `{"id":"pi_2","status":"succeeded","amount":5,"currency":"usd","metadata":{}}`, nothing},
		{"payment_intent.succeeded", strings.Replace(intent("succeeded", "500", ""), `"2"`, `"-2"`, 1), nothing},
		{"payment_intent.amount_capturable_updated", intent("requires_capture", "0", ""), nothing},
		{"refund.created", refund + `pending"}`, refundTold("re_1", "refund:r", billing.RefundPending)},
		{"refund.updated", refund + `succeeded"}`, refundTold("re_1", "refund:r", billing.RefundSucceeded)},
		{"charge.refund.updated", refund + `requires_action"}`, refundTold("re_1", "refund:r", billing.RefundPending)},
		{"refund.failed", refund + `failed"}`, refundTold("re_1", "refund:r", billing.RefundFailed)},
		{"refund.updated", refund + `canceled"}`, refundTold("re_1", "refund:r", billing.RefundFailed)},
		{"refund.created", `{"id":"re_1","status":"succeeded"}`, nothing},
		{
			"charge.refunded", `{"id":"ch_1","amount":500,"amount_refunded":200,"currency":"usd","payment_intent":"pi_1"}`,
			refundTold("", "", billing.RefundPending),
		},
		{"charge.dispute.created", disputeOf("warning_needs_response", ""), dispute(billing.StageInquiry, billing.DisputeOpened)},
		{"charge.dispute.updated", disputeOf("warning_under_review", ""), dispute(billing.StageInquiry, billing.DisputeChallenged)},
		{"charge.dispute.closed", disputeOf("warning_closed", ""), dispute(billing.StageInquiry, billing.DisputeWon)},
		{"charge.dispute.funds_withdrawn", disputeOf("needs_response", `{"amount":-300}`), dispute(billing.StageDispute, billing.DisputeOpened)},
		{"charge.dispute.updated", disputeOf("under_review", ""), dispute(billing.StageDispute, billing.DisputeChallenged)},
		{"charge.dispute.funds_reinstated", disputeOf("won", ""), dispute(billing.StageDispute, billing.DisputeWon)},
		{"charge.dispute.closed", disputeOf("lost", ""), dispute(billing.StageDispute, billing.DisputeLost)},
		{"charge.dispute.closed", disputeOf("prevented", ""), dispute(billing.StageDispute, billing.DisputeCancelled)},
		{"charge.dispute.closed", disputeOf("prevented", `{"amount":-300}`), dispute(billing.StageDispute, billing.DisputeAccepted)},
		{"charge.dispute.updated", disputeOf("a_new_one", ""), nothing},
		{"customer.created", `{"id":"cus_1"}`, nothing},
		{"a.kind.of.next.year", `[1]`, nothing},
	} {
		payload := eventOf(test.kind, test.object)
		got, err := adapter.Event(payload, sign(payload, testSecret, time.Now()))
		test.want.Kind = test.kind
		if err != nil || inJSON(t, got) != inJSON(t, test.want) {
			t.Errorf("%s of %s: got %s, %v, want %s", test.kind, test.object, inJSON(t, got), err, inJSON(t, test.want))
		}
	}
	for _, elsewhere := range []string{`"livemode":true`, `"account":"acct_1","livemode":false`} {
		payload := []byte(strings.Replace(string(eventOf("payment_intent.succeeded", intent("succeeded", "500", ""))),
			`"livemode":false`, elsewhere, 1))
		got, err := adapter.Event(payload, sign(payload, testSecret, time.Now()))
		none := nothing
		none.Kind = "payment_intent.succeeded"
		if err != nil || inJSON(t, got) != inJSON(t, none) {
			t.Errorf("%s: got %s, %v, want nothing", elsewhere, inJSON(t, got), err)
		}
	}
}

// FuzzEvents has Stripe sign anything.
func FuzzEvents(f *testing.F) {
	for _, kind := range []string{"payment_intent.succeeded", "refund.created", "charge.refunded", "charge.dispute.created", "x"} {
		f.Add(kind, intent("succeeded", "500", ""))
		f.Add(kind, disputeOf("lost", `{"amount":-300}`))
		f.Add(kind, `{"payment_intent":{"id":"pi_1"},"amount":9223372036854775807,"currency":"ugx","status":"won"}`)
		f.Add(kind, `[null]`)
	}
	adapter, err := stripe.New(stripe.Config{Key: testKey, WebhookSecrets: []string{testSecret}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, kind, object string) {
		payload := eventOf(kind, object)
		event, err := adapter.Event(payload, sign(payload, testSecret, time.Now()))
		if err != nil && !errors.Is(err, stripe.ErrMalformed) {
			t.Fatalf("%s: got %v", payload, err)
		}
		if p := event.Payment; p != nil && (p.Attempt < 1 || p.InvoiceID == "" || p.Amount < 0) {
			t.Errorf("%s: got %+v", payload, p)
		}
	})
}

func inJSON(t *testing.T, event stripe.Event) string {
	t.Helper()
	data, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
