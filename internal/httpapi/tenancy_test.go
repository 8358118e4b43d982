package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/httpapi"
	"github.com/billfold/billfold/internal/ledger"
)

// canary stands in every text that the other business owns.
const canary = "canary7"

// neighbour is a second business with a customer whose every field holds the
// canary.
type neighbour struct {
	business access.CreatedBusiness
	customer string
	entry    string
	transfer string
	hold     string
	webhook  string
	product  string
	event    string // that is to be sent to the webhook
	method   string // empty in live mode, where there is none
	payment  string
	refund   string
	session  string // a token of the customer

	subscription string
}

func (h *house) newNeighbour(key func(access.CreatedBusiness) string) neighbour {
	h.Helper()
	n := neighbour{business: h.newBusiness("Neighbour")}
	made := h.send(request{method: "POST", path: "/customers", key: key(n.business),
		body: `{"email":"` + canary + `@example.com","name":"` + canary + `","metadata":{"c":"` + canary + `"}}`})
	n.customer = made.want(h, http.StatusOK)["customer_id"].(string)
	h.send(request{method: "POST", path: entriesPath(n.customer), key: key(n.business),
		body: `{"amount":4711,"currency":"USD","entry_type":"credit","reason":"` + canary + `","reference_object_id":"` + canary +
			`","idempotency_key":"` + canary + `","metadata":{"c":"` + canary + `"}}`}).want(h, http.StatusOK)
	list := h.send(request{method: "GET", path: entriesPath(n.customer), key: key(n.business)}).want(h, http.StatusOK)
	n.entry = list.items()[0]["id"].(string)
	friend := h.send(request{method: "POST", path: "/customers", key: key(n.business),
		body: `{"email":"f@example.com","name":"Friend"}`}).want(h, http.StatusOK)["customer_id"].(string)
	sent := h.send(request{method: "POST", path: transfersOf(n.customer), key: key(n.business),
		body: `{"to_customer_id":"` + friend + `","amount":11,"currency":"USD","reason":"` + canary + `"}`}).want(h, http.StatusOK)
	n.transfer = sent["transfer"].(map[string]any)["transfer_id"].(string)
	held := h.send(request{method: "POST", path: holdsOf(n.customer), key: key(n.business),
		body: `{"amount":7,"currency":"USD","expires_at":"2026-12-01T00:00:00Z","reason":"` + canary + `"}`}).want(h, http.StatusOK)
	n.hold = held["hold"].(map[string]any)["hold_id"].(string)
	n.webhook, n.event = h.newWebhook(key(n.business), n.customer)
	n.product = h.send(request{method: "POST", path: "/products", key: key(n.business),
		body: `{"name":"` + canary + `","description":"` + canary + `","tax_category":"saas","metadata":{"c":"` + canary + `"},"price":` +
			oncePrice + `}`}).want(h, http.StatusOK)["product_id"].(string)
	n.method = "pm_0Tn2lqUn000000bB9wXcY"
	if key(n.business) == n.business.TestKey {
		n.method = h.send(request{method: "POST", path: methodsOf(n.customer), key: key(n.business), body: `{"token":"pm_sandbox_ok"}`}).
			want(h, http.StatusOK)["payment_method_id"].(string)
	}
	n.payment = h.send(request{method: "POST", path: "/payments", key: key(n.business),
		body: paymentBody(n.customer, n.product, `,"metadata":{"c":"`+canary+`"}`)}).want(h, http.StatusOK)["payment_id"].(string)
	rich := h.send(request{method: "POST", path: "/customers", key: key(n.business), body: `{"email":"r@example.com","name":"R"}`}).
		want(h, http.StatusOK)["customer_id"].(string)
	h.send(request{method: "POST", path: "/customers/" + rich + "/wallets/ledger-entries", key: key(n.business),
		body: `{"amount":999999,"currency":"USD","entry_type":"credit"}`}).want(h, http.StatusOK)
	paid := h.send(request{method: "POST", path: "/payments", key: key(n.business), body: paymentBody(rich, n.product, "")}).
		want(h, http.StatusOK)["payment_id"].(string)
	n.refund = h.send(request{method: "POST", path: "/refunds", key: key(n.business),
		body: `{"payment_id":"` + paid + `","amount":1,"reason":"` + canary + `"}`}).
		want(h, http.StatusOK)["refund_id"].(string)
	n.session = h.session(key(n.business), n.customer)
	plan := h.send(request{method: "POST", path: "/products", key: key(n.business),
		body: `{"name":"` + canary + `","tax_category":"saas","price":` + planPrice + `}`}).want(h, http.StatusOK)["product_id"].(string)
	n.subscription = h.send(request{method: "POST", path: "/subscriptions", key: key(n.business),
		body: subscribeBody(rich, plan, `,"metadata":{"c":"`+canary+`"},"tax_id":"`+canary+`"`)}).
		want(h, http.StatusOK)["subscription_id"].(string)
	return n
}

// session lets a customer into the portal, and returns the token.
func (h *house) session(key, customer string) string {
	h.Helper()
	made := h.send(request{method: "POST", path: "/customers/" + customer + "/customer-portal/session", key: key}).want(h, http.StatusOK)
	link := made["link"].(string)
	return link[strings.LastIndexByte(link, '/')+1:]
}

// newWebhook makes an endpoint whose every field holds the canary, with one event that
// is to be sent to it.
func (h *house) newWebhook(key, customer string) (id, eventID string) {
	h.Helper()
	made := h.send(request{method: "POST", path: "/webhooks", key: key,
		body: `{"url":"https://example.com/` + canary + `","description":"` + canary + `","filter_types":["wallet.credited"],` +
			`"metadata":{"c":"` + canary + `"},"headers":{"X-Shop":"` + canary + `"}}`}).want(h, http.StatusOK)
	id = made["id"].(string)
	h.send(request{method: "POST", path: entriesPath(customer), key: key,
		body: `{"amount":1,"currency":"USD","entry_type":"credit"}`}).want(h, http.StatusOK)
	h.send(request{method: "PATCH", path: "/webhooks/" + id, key: key, body: `{}`}).want(h, http.StatusOK)
	queued := h.send(request{method: "GET", path: "/webhooks/" + id + "/deliveries", key: key}).want(h, http.StatusOK)
	return id, queued.items()[0]["event_id"].(string)
}

// acceptedBodies are bodies that the routes accept, by method and pattern.
var acceptedBodies = map[string]string{
	"POST /customers/{customer_id}/freeze":                                    `{"scope":"debits","reason":"Fraud"}`,
	"POST /customers/{customer_id}/unfreeze":                                  `{"reason":"Cleared"}`,
	"POST /customers":                                                         `{"email":"jane@example.com","name":"Jane"}`,
	"PATCH /customers/{customer_id}":                                          `{"name":"Mallory"}`,
	"POST /customers/{customer_id}/wallets/ledger-entries":                    `{"amount":1,"currency":"USD","entry_type":"credit"}`,
	"POST /customers/{customer_id}/wallets/ledger-entries/{entry_id}/reverse": `{"amount":1}`,
	"POST /customers/{customer_id}/wallets/transfers":                         `{"to_customer_id":"cus_TV52uJWWXt2yIoBBxpjaa","amount":1,"currency":"USD"}`,
	"POST /customers/{customer_id}/wallets/holds":                             `{"amount":1,"currency":"USD","expires_at":"2026-12-01T00:00:00Z"}`,
	"POST /customers/{customer_id}/wallets/holds/{hold_id}/capture":           `{"amount":1}`,
	"POST /customers/{customer_id}/wallets/holds/{hold_id}/release":           `{}`,
	"POST /customers/{customer_id}/payment-methods":                           `{"token":"pm_sandbox_ok"}`,
	"POST /subscriptions":                                                     subscribeBody("{customer_id}", "pdt_0Tn2lqUn000000bB9wXcP", ""),
	"PATCH /subscriptions/{subscription_id}":                                  `{"tax_id":"1"}`,
	"POST /subscriptions/{subscription_id}/charge":                            `{"product_price":100}`,
	"POST /subscriptions/{subscription_id}/change-plan":                       planBody("pdt_0Tn2lqUn000000bB9wXcP", ""),
	"POST /subscriptions/{subscription_id}/change-plan/preview":               planBody("pdt_0Tn2lqUn000000bB9wXcP", ""),
	"POST /subscriptions/{subscription_id}/update-payment-method":             `{"type":"existing","payment_method_id":"pm_sandbox_ok"}`,
	"POST /customers/{customer_id}/payment-methods/setup":                     `{}`,
	"POST /refunds": `{"payment_id":"{payment_id}","amount":1,"destination":"wallet"}`,
	"POST /customers/{customer_id}/wallets/top-ups":               `{"amount":500,"currency":"USD"}`,
	"PUT /customers/{customer_id}/wallets/{currency}/auto-top-up": autoTopUpBody,
	"POST /payments":                       paymentBody("{customer_id}", "pdt_0Tn2lqUn000000bB9wXcP", ""),
	"PATCH /business":                      `{}`,
	"POST /webhooks":                       `{"url":"https://example.com/hook"}`,
	"PATCH /webhooks/{webhook_id}":         `{"disabled":true}`,
	"PATCH /webhooks/{webhook_id}/headers": `{"headers":{"X-Mallory":"1"}}`,
	"POST /products":                       `{"name":"a","tax_category":"saas","price":` + oncePrice + `}`,
	"PATCH /products/{id}":                 `{"name":"Mallory"}`,
	"POST /webhooks/{webhook_id}/replay":   `{"since":"2026-01-01T00:00:00Z"}`,
	"PUT /customers/{customer_id}/wallets/{currency}/alerts":           `{"thresholds":[{"below":500}]}`,
	"POST /ledger-entries/bulk":                                        `{"entries":[{"customer_id":"{customer_id}","amount":1,"currency":"USD","entry_type":"credit"}]}`,
	"PATCH /customers/{customer_id}/wallets/{currency}/lots/{lot_seq}": `{"expires_at":null}`,
}

// cells of the tenant matrix: how a request is made, and what it gets on a
// route that names objects and on one that does not.
type caller struct {
	name string
	key  string

	// status and code of the answer. An empty code means whatever the caller
	// of the objects' own business gets.
	status int
	code   ledger.Code
}

// TestTenantMatrix asks every route of the table as everybody (laws N1, N2).
func TestTenantMatrix(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	theirs := h.newNeighbour(func(b access.CreatedBusiness) string { return b.TestKey })
	live := h.newNeighbour(func(b access.CreatedBusiness) string { return b.LiveKey })

	revoked := h.newKey("revoked", access.Write)
	h.revoke("revoked")
	expired := h.newExpiringKey(start.Add(time.Hour))
	reader := h.newKey("reader", access.Read)
	jane := h.newCustomer()
	stale := h.session("", jane)
	h.clock.Move(24 * time.Hour)
	ended := h.session("", jane)
	h.send(request{method: "DELETE", path: "/customers/" + jane + "/customer-portal/session"})
	session := h.session("", jane)

	unauthorized := func(name, key string) caller { return caller{name, key, 401, "UNAUTHORIZED"} }
	callers := []caller{
		unauthorized("no key", "-"),
		unauthorized("garbage", "garbage"),
		unauthorized("a key that was never made", "bf_test_"+strings.Repeat("A", 43)),
		unauthorized("a truncated key", h.business.TestKey[:len(h.business.TestKey)-1]),
		unauthorized("a longer key", h.business.TestKey+"A"),
		unauthorized("the key of the other mode's prefix", "bf_live_"+strings.TrimPrefix(h.business.TestKey, "bf_test_")),
		unauthorized("a revoked key", revoked),
		unauthorized("an expired key", expired),
		{"another business", h.business.TestKey, 404, "NOT_FOUND"},
		{"the other mode", theirs.business.LiveKey, 404, "NOT_FOUND"},
		{"the test mode", live.business.TestKey, 404, "NOT_FOUND"},
		{"a read key of another business", reader, 404, "NOT_FOUND"},
		unauthorized("a session that has expired", stale),
		unauthorized("a session that was ended", ended),
		unauthorized("a session that is cut", session[:len(session)-1]),
		{"a session of another customer", session, 401, "UNAUTHORIZED"},
	}
	cells := 0
	for _, route := range httpapi.Routes() {
		for _, n := range []neighbour{theirs, live} {
			path := strings.NewReplacer("{customer_id}", n.customer, "{entry_id}", n.entry, "{transfer_id}", n.transfer, "{hold_id}", n.hold,
				"{id}", n.product, "{webhook_id}", n.webhook, "{event_id}", n.event, "{currency}", "USD", "{lot_seq}", "1",
				"{payment_method_id}", n.method, "{payment_id}", n.payment, "{invoice_id}", "inv_"+strings.TrimPrefix(n.payment, "pay_"), "{refund_id}", n.refund,
				"{subscription_id}", n.subscription).Replace(route.Pattern)
			named := path != route.Pattern || route.Method+" "+route.Pattern == "POST /payments" ||
				route.Method+" "+route.Pattern == "POST /subscriptions" ||
				route.Method+" "+route.Pattern == "POST /refunds" // whose bodies name a customer and a payment
			query := requiredQuery(route.Method + " " + route.Pattern)
			unknown := strings.NewReplacer("{customer_id}", "cus_0Tn2lqUn4HhzK1bB9wXcP", "{entry_id}", "cwt_0Tn2lqUn000000bB9wXcP", "{transfer_id}", "trf_0Tn2lqUn000000bB9wXcP", "{hold_id}", "hld_0Tn2lqUn000000bB9wXcP",
				"{id}", "pdt_0Tn2lqUn000000bB9wXcP", "{webhook_id}", "whk_0Tn2lqUn000000bB9wXcP", "{event_id}", "evt_cwt_0Tn2lqUn000000bB9wXcP", "{currency}", "USD", "{lot_seq}", "1",
				"{payment_method_id}", "pm_0Tn2lqUn000000bB9wXcP", "{payment_id}", "pay_0Tn2lqUn000000bB9wXcP", "{invoice_id}", "inv_0Tn2lqUn000000bB9wXcP", "{refund_id}", "ref_0Tn2lqUn000000bB9wXcP", "{subscription_id}", "sub_0Tn2lqUn000000bB9wXcP").
				Replace(route.Pattern) + query
			for _, c := range callers {
				if (c.name == "the other mode" && n.customer == live.customer) || (c.name == "the test mode" && n.customer == theirs.customer) {
					continue // that is the objects' own business and mode
				}
				cells++
				r := request{
					method: route.Method, path: path + query, key: c.key,
					body:   strings.NewReplacer("{customer_id}", n.customer, "{payment_id}", n.payment).Replace(acceptedBodies[route.Method+" "+route.Pattern]),
					remote: fmt.Sprintf("192.0.2.%d:1", cells%250), // so that nobody is told to wait
				}
				checkCell(t, h, route, r, c, named, unknown)
			}
		}
	}
	if cells < 300 {
		t.Errorf("got %d cells, want 300 or more", cells)
	}
}

// checkCell sends one request of the matrix.
func checkCell(t *testing.T, h *house, route httpapi.Route, r request, c caller, named bool, unknown string) {
	t.Helper()
	what := fmt.Sprintf("%s %s by %s", route.Method, route.Pattern, c.name)
	got := h.send(r)
	if strings.Contains(got.body, canary) || strings.Contains(got.body, "4711") {
		t.Errorf("%s: got %s, which tells of the other business", what, got.body)
	}
	want := c.status
	session := c.name == "a session of another customer"
	switch {
	case route.Public, route.Customer && session:
		want = http.StatusOK
	case route.Reader && session:
		want = http.StatusNotFound
	case route.Customer: // no key is one
		want = http.StatusUnauthorized
	case c.code == "UNAUTHORIZED":
	case route.Write && strings.HasPrefix(c.name, "a read key"):
		want = http.StatusForbidden
	case !named:
		want = http.StatusOK
	}
	if got.status != want {
		t.Errorf("%s: got status %d with %s, want %d", what, got.status, got.body, want)
	}
	if got.status == http.StatusUnauthorized && got.header.Get("Www-Authenticate") != "Bearer" {
		t.Errorf("%s: got no WWW-Authenticate: Bearer", what)
	}
	if got.status != http.StatusNotFound {
		return
	}
	r.path = unknown
	absent := h.send(r)
	if anonymous(got) != anonymous(absent) {
		t.Errorf("%s: got %s, and %s for an id that does not exist", what, anonymous(got), anonymous(absent))
	}
}

// anonymous is all that an answer tells, without the request's id.
func anonymous(r reply) string {
	header := r.header.Clone()
	id := header.Get("X-Request-Id")
	header.Del("X-Request-Id")
	return fmt.Sprint(r.status, header, strings.ReplaceAll(r.body, id, "ID"))
}

// TestUnauthorizedIsOneAnswer compares the answers to all keys that do not
// work.
func TestUnauthorizedIsOneAnswer(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	revoked := h.newKey("revoked", access.Write)
	h.send(request{method: "GET", path: "/customers", key: revoked}).want(t, http.StatusOK)
	h.revoke("revoked")
	expiring := h.newExpiringKey(start.Add(time.Hour))
	h.send(request{method: "GET", path: "/customers", key: expiring}).want(t, http.StatusOK)
	h.clock.Move(time.Hour)
	want := anonymous(h.send(request{method: "GET", path: "/customers", key: "-"}))
	for _, headers := range []map[string]string{
		{"Authorization": "Bearer " + revoked},
		{"Authorization": "Bearer " + expiring},
		{"Authorization": "Bearer garbage"},
		{"Authorization": "Bearer "},
		{"Authorization": "Bearer  " + h.business.TestKey},
		{"Authorization": "Bearer " + h.business.TestKey + " "},
		{"Authorization": h.business.TestKey},
		{"Authorization": "Basic " + h.business.TestKey},
		{"Authorization": "Bearer " + h.business.TestKey + ", Bearer x"},
		{"Authorization": "Bearer bf_test_" + strings.Repeat("é", 30)},
		{"Authorization": "Bearer bf_test_" + strings.Repeat("A", 4000)},
		{"X-Api-Key": h.business.TestKey},
	} {
		if got := anonymous(h.send(request{method: "GET", path: "/customers", key: "-", headers: headers})); got != want {
			t.Errorf("%v: got %s, want %s", headers, got, want)
		}
	}
	h.send(request{method: "GET", path: "/customers", key: "-",
		headers: map[string]string{"Authorization": "bearer " + h.business.TestKey}}).want(t, http.StatusOK)
}

// revoke revokes the house's key of a name.
func (h *house) revoke(name string) {
	h.Helper()
	keys, err := h.directory.Keys(context.Background(), h.business.Business.ID)
	if err != nil {
		h.Fatalf("list keys: got error %v, want none", err)
	}
	for _, key := range keys {
		if key.Name == name {
			if _, err := h.directory.RevokeKey(context.Background(), key.ID); err != nil {
				h.Fatalf("revoke: got error %v, want none", err)
			}
			return
		}
	}
	h.Fatalf("there is no key %q to revoke", name)
}

func (h *house) newExpiringKey(at time.Time) string {
	h.Helper()
	_, text, err := h.directory.CreateKey(context.Background(), access.NewKey{
		Tenant: ledger.Tenant{BusinessID: h.business.Business.ID, Mode: ledger.Test}, Name: "expiring", Scope: access.Write, ExpiresAt: at,
	})
	if err != nil {
		h.Fatalf("create key: got error %v, want none", err)
	}
	return text
}
