package httpapi_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	stripeSecret  = "whsec_PLANTEDsecretOfTheTests"
	processorBody = `{"processor":"stripe","secret_key":"sk_test_PLANTEDkeyOfTheTests","webhook_secrets":["` + stripeSecret + `"]}`

	// stripeEvent is about nothing of ours.
	stripeEvent = `{"id":"evt_1","object":"event","type":"customer.created","livemode":false,"data":{"object":{}}}`
)

// stripeSigned is the header with which Stripe would send a body now.
func stripeSigned(body string) string { return stripeSignedAt(body, stripeSecret, time.Now()) }

func stripeSignedAt(body, secret string, at time.Time) string {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%s.%s", stamp, body)
	return "t=" + stamp + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

func stripeNotice(path, body, signature string) request {
	return request{
		method: "POST", path: path, key: "-", body: body, headers: map[string]string{"Stripe-Signature": signature},
	}
}

// TestForgedNotifications sends what Stripe did not: every answer is the same, whether
// there is such a business and such an account or not, and nothing is kept.
func TestForgedNotifications(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	other := h.newBusiness("Other")
	body := strings.Replace(processorBody, stripeSecret, "whsec_ofTheOtherBusiness", 1)
	h.send(request{method: "PUT", path: "/business/processor", body: processorBody}).want(t, http.StatusOK)
	h.send(request{method: "PUT", path: "/business/processor", key: other.TestKey, body: body}).want(t, http.StatusOK)
	malformed := strings.Replace(stripeEvent, `"object":{}`, `"object":1`, 1)
	malformed = strings.Replace(malformed, "customer.created", "payment_intent.succeeded", 1)
	to := func(business, mode string) string {
		return "/processors/stripe/" + business + "/" + mode + "/notifications"
	}
	ours := to(h.business.Business.ID, "test")
	var want string
	for what, r := range map[string]struct{ path, signature string }{
		"no signature":                      {ours, ""},
		"a signature of another business":   {ours, stripeSignedAt(malformed, "whsec_ofTheOtherBusiness", time.Now())},
		"a signature of nothing":            {ours, stripeSignedAt(malformed, "", time.Now())},
		"a signature of another body":       {ours, stripeSigned(stripeEvent)},
		"a signature that is too old":       {ours, stripeSignedAt(malformed, stripeSecret, time.Now().Add(-6*time.Minute))},
		"to another business":               {to(other.Business.ID, "test"), stripeSigned(malformed)},
		"to a mode without an account":      {to(h.business.Business.ID, "live"), stripeSigned(malformed)},
		"to a business that was never made": {to("bus_0Tn2lqUn4HhzK1bB9wXcP", "test"), stripeSigned(malformed)},
	} {
		got := h.send(stripeNotice(r.path, malformed, r.signature))
		if got.status != http.StatusUnauthorized || strings.Contains(got.body, "PLANTED") {
			t.Errorf("%s: got %d %s, want 401", what, got.status, got.body)
		}
		if want == "" {
			want = anonymous(got)
		}
		if anonymous(got) != want {
			t.Errorf("%s: got %s, want %s as of the others", what, anonymous(got), want)
		}
	}
	quarantine := func() int {
		return len(h.send(request{method: "GET", path: "/business/processor/notifications"}).want(t, http.StatusOK).items())
	}
	if got := quarantine(); got != 0 {
		t.Errorf("after forged notifications: got %d in quarantine, want none", got)
	}
	for range 3 { // what is signed and cannot be read is kept once
		h.send(stripeNotice(ours, malformed, stripeSigned(malformed))).want(t, http.StatusOK)
	}
	if got := quarantine(); got != 1 {
		t.Errorf("after a notification that cannot be read, sent three times: got %d in quarantine, want 1", got)
	}
	theirs := h.send(request{method: "GET", path: "/business/processor/notifications", key: other.TestKey}).want(t, http.StatusOK)
	if got := len(theirs.items()); got != 0 {
		t.Errorf("the quarantine of another business: got %d, want none", got)
	}
}

// TestNotificationsOfOthersAndOfOtherAmounts has a business sign, rightly, what Stripe could
// tell of the payment of another business: nothing changes. Neither does what contradicts
// the record of the business itself, which people are shown.
func TestNotificationsOfOthersAndOfOtherAmounts(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.credit(s.customer, "300")
	made := s.pay("pdt_tenner00", `,"payment_method_id":"pm_sandbox_requires_action"`).want(t, http.StatusOK)
	payment := made["payment_id"].(string)
	invoice := "inv_" + strings.TrimPrefix(payment, "pay_")
	other := s.newBusiness("Other")
	const theirSecret = "whsec_ofTheOtherBusiness"
	s.send(request{method: "PUT", path: "/business/processor", body: processorBody}).want(t, http.StatusOK)
	s.send(request{
		method: "PUT", path: "/business/processor", key: other.TestKey, body: strings.Replace(processorBody, stripeSecret, theirSecret, 1),
	}).want(t, http.StatusOK)
	send := func(business, secret, id, members string) {
		t.Helper()
		body := `{"id":"` + id + `","object":"event","type":"payment_intent.succeeded","livemode":false,"data":{"object":{
			"id":"pi_1","object":"payment_intent","status":"succeeded","metadata":{"billfold_invoice":"` + invoice + `",
			"billfold_attempt":"1"},` + members + `}}}`
		path := "/processors/stripe/" + business + "/test/notifications"
		for range 2 {
			s.send(stripeNotice(path, body, stripeSignedAt(body, secret, time.Now()))).want(t, http.StatusOK)
		}
	}
	quarantine := func(key string) []string {
		t.Helper()
		var reasons []string
		for _, item := range s.send(request{method: "GET", path: "/business/processor/notifications", key: key}).want(t, 200).items() {
			reasons = append(reasons, item["reason"].(string))
		}
		return reasons
	}
	const right = `"amount":700,"amount_received":700,"currency":"usd"`
	send(other.Business.ID, theirSecret, "evt_theirs", right)
	if got := quarantine(other.TestKey); len(got) != 0 {
		t.Errorf("about a payment of another business: got %q in quarantine, want nothing", got)
	}
	ours := s.business.Business.ID
	send(ours, stripeSecret, "evt_less", `"amount":700,"amount_received":699,"currency":"usd"`)
	send(ours, stripeSecret, "evt_currency", `"amount":700,"amount_received":700,"currency":"inr"`)
	send(ours, stripeSecret, "evt_another", right) // the payment of our record is one of the sandbox
	if got := quarantine(""); len(got) != 3 {
		t.Errorf("what contradicts our record: got %q in quarantine, want 3", got)
	}
	if got := s.get("/payments/" + payment)["status"]; got != "requires_customer_action" {
		t.Errorf("the payment is %v, want it to be as it was", got)
	}
	if got := s.balance(); got != 300_000_300 {
		t.Errorf("the wallet: got %d, want 300 that are all held", got)
	}
}
