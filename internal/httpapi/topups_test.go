package httpapi_test

import (
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
)

// topUp asks for a top-up of the customer's wallet.
func (s *shop) topUp(body string, headers ...string) reply {
	s.Helper()
	r := request{
		method: "POST", path: "/customers/" + s.customer + "/wallets/top-ups", headers: map[string]string{}, body: body,
	}
	for i := 0; i < len(headers); i += 2 {
		r.headers[headers[i]] = headers[i+1]
	}
	return s.send(r)
}

// TestTopUps has wallets topped up by cards that answer each in their own way: the wallet
// is credited with what the card was charged, and the lot leads to the payment.
func TestTopUps(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		token, status string
		credited      int64
	}{
		{"pm_sandbox_ok", "succeeded", 2500},
		{"pm_sandbox_declined", "failed", 0},
		{"pm_sandbox_requires_action", "requires_customer_action", 0},
		{"pm_sandbox_timeout", "processing", 0},
	} {
		t.Run(test.token, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.credit(s.customer, "100")
			made := s.topUp(`{"amount":2500,"currency":"USD","payment_method_id":"`+test.token+
				`","metadata":{"order":"7"},"expires_at":"2027-03-01T12:00:00Z"}`).want(t, http.StatusOK)
			wallet := document(made["wallet"].(map[string]any))
			if made["status"] != test.status || made.number("total_amount") != 2500 || wallet.number("balance") != 100+test.credited {
				t.Errorf("got %v of %v and a wallet of %v, want it %s and %d credited", made["status"], made["total_amount"],
					wallet["balance"], test.status, test.credited)
			}
			id := made["payment_id"].(string)
			paid := s.get("/payments/" + id)
			if paid["status"] != test.status || paid.number("wallet_amount") != 0 || paid["payment_method"] != "card" {
				t.Errorf("got payment %v, want it %s by card, and nothing of the wallet", paid, test.status)
			}
			if invoice := s.get("/invoices/inv_" + strings.TrimPrefix(id, "pay_")); invoice["reason"] != "top_up" {
				t.Errorf("got invoice %v, want a top-up", invoice)
			}
			entry := s.get("/customers/" + s.customer + "/wallets/ledger-entries").items()[0]
			lot := []any{entry["reference_object_id"], entry["counter_account"], entry["event_type"], entry["expires_at"], entry["category"]}
			want := []any{id, "cash", "payment", "2027-03-01T12:00:00.000000Z", "paid"}
			for i := range lot {
				if test.credited > 0 && lot[i] != want[i] {
					t.Errorf("got entry with %v, want %v", lot, want)
				}
			}
			if left := s.balance(); left != 100+test.credited {
				t.Errorf("got a balance of %d, want %d", left, 100+test.credited)
			}
		})
	}
}

// TestTopUpsRefused has each top-up refused that may not be, and nothing made.
func TestTopUpsRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.send(request{method: "PATCH", path: "/business", body: `{"top_up_limits":{"USD":{"minimum":500,"maximum":9000},"INR":{"maximum":70}}}`}).want(t, 200)
	limits := s.get("/business")["top_up_limits"].(map[string]any)
	if usd := document(limits["USD"].(map[string]any)); usd.number("minimum") != 500 || usd.number("maximum") != 9000 {
		t.Errorf("got limits %v", limits)
	}
	const good = `,"currency":"USD","payment_method_id":"pm_sandbox_ok"}`
	for _, test := range []struct {
		body   string
		status int
		code   ledger.Code
	}{
		{`{"amount":499` + good, 422, "TOP_UP_LIMIT"},
		{`{"amount":9001` + good, 422, "TOP_UP_LIMIT"},
		{`{"amount":71,"currency":"INR","payment_method_id":"pm_sandbox_ok"}`, 422, "TOP_UP_LIMIT"},
		{`{"amount":1000,"currency":"EUR","payment_method_id":"pm_sandbox_ok"}`, 422, "UNSUPPORTED_CURRENCY"},
		{`{"amount":1000,"currency":"XXX"}`, 422, "UNSUPPORTED_CURRENCY"},
		{`{"amount":1000,"currency":"USD"}`, 422, "INVALID_REQUEST_PARAMETERS"},
		{`{"amount":1000,"currency":"USD","payment_method_id":"pm_of_nobody00"}`, 404, "NOT_FOUND"},
		{`{"amount":1000,"currency":"USD","payment_method_id":7}`, 422, "INVALID_REQUEST_BODY"},
		{`{"amount":0` + good, 422, "AMOUNT_NOT_POSITIVE"},
		{`{"amount":1.5` + good, 422, "AMOUNT_NOT_INTEGER"},
		{`{"amount":1000,"expires_at":"2026-03-01T12:00:00Z"` + good, 422, "INVALID_EXPIRY"},
		{`{"amount":1000,"expires_at":"soon"` + good, 422, "INVALID_EXPIRY"},
		{`{"amount":1000,"metadata":[]` + good, 422, "INVALID_REQUEST_BODY"},
		{`{"amount":1000,"product_cart":[]` + good, 422, "UNKNOWN_FIELD"},
	} {
		if got := s.topUp(test.body); got.status != test.status || got.document(t)["code"] != string(test.code) {
			t.Errorf("%s: got %d with %s, want %d with %s", test.body, got.status, got.body, test.status, test.code)
		}
	}
	s.topUp(`{"amount":1000`+good, "X-Stainless-Retry-Count", "1").refused(t, 422, "IDEMPOTENCY_KEY_REQUIRED")
	s.send(request{method: "POST", path: "/customers/" + s.customer + "/freeze", body: `{"scope":"everything","reason":"a dispute"}`}).want(t, 200)
	s.topUp(`{"amount":1000`+good).refused(t, 422, "CUSTOMER_NOT_ACTIVE")
	for _, limits := range []string{`{"USD":{"minimum":-1}}`, `{"USD":{"minimum":5,"maximum":4}}`, `{"XXX":{}}`} {
		got := s.send(request{method: "PATCH", path: "/business", body: `{"top_up_limits":` + limits + `}`})
		if got.status != 422 {
			t.Errorf("limits %s: got %d, want 422", limits, got.status)
		}
	}
	if items := s.get("/payments").items(); len(items) != 0 || s.balance() != 0 {
		t.Errorf("got payments %v and %d left, want none and nothing", items, s.balance())
	}
}

// TestTopUpKeys has one top-up made under one key, however often it is asked for and
// however many ask at once, and everybody gets the first answer.
func TestTopUpKeys(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	const body = `{"amount":1000,"currency":"USD","payment_method_id":"pm_sandbox_ok"}`
	answers := make([]reply, 6)
	var running sync.WaitGroup
	for i := range answers {
		running.Go(func() {
			answers[i] = sendTo(s.api, request{method: "POST", path: "/customers/" + s.customer + "/wallets/top-ups", body: body,
				headers: map[string]string{"Idempotency-Key": "k"}}, s.business.TestKey)
		})
	}
	running.Wait()
	s.credit(s.customer, "5") // a repeat gets the first answer whatever has changed
	s.send(request{method: "PATCH", path: "/business", body: `{"top_up_limits":{"USD":{"maximum":9}}}`}).want(t, 200)
	answers = append(answers, s.topUp(body, "Idempotency-Key", "k"))
	for _, answer := range answers {
		if answer.status != 200 || answer.body != answers[0].body {
			t.Errorf("got %d with %s, want the first answer %s", answer.status, answer.body, answers[0].body)
		}
	}
	if again := answers[len(answers)-1]; again.header.Get("Idempotency-Replayed") != "true" {
		t.Error("a repeat does not say that it is one")
	}
	s.topUp(strings.Replace(body, "1000", "1001", 1), "Idempotency-Key", "k").refused(t, 422, "IDEMPOTENCY_KEY_REUSED")
	if left := s.balance(); left != 1005 {
		t.Errorf("got a balance of %d, want 1005: one top-up", left)
	}
	s.send(request{method: "PATCH", path: "/business", body: `{"top_up_limits":{}}`}).want(t, 200)
	s.customer = s.newCustomer() // whose keys are others
	s.topUp(body, "Idempotency-Key", "k").want(t, 200)
	if left := s.balance(); left != 1000 {
		t.Errorf("got a balance of %d, want 1000", left)
	}
}

// TestAutoTopUpRules has a rule set, read, set again and taken away, and a wallet topped up
// by it in between.
func TestAutoTopUpRules(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	path := "/customers/" + s.customer + "/wallets/USD/auto-top-up"
	put := func(body string) reply { return s.send(request{method: "PUT", path: path, body: body}) }
	s.send(request{method: "GET", path: path}).refused(t, 404, "NOT_FOUND")
	s.send(request{method: "DELETE", path: path}).refused(t, 404, "NOT_FOUND")
	method := func(body string) string {
		add := request{method: "POST", path: "/customers/" + s.customer + "/payment-methods", body: body}
		return s.send(add).want(t, 200)["payment_method_id"].(string)
	}
	absent := method(`{"token":"pm_sandbox_ok","recurring_enabled":false}`)
	put(`{"threshold":500,"target":2500,"payment_method_id":"`+absent+`","cap":{"period":"day","count":1}}`).
		refused(t, 422, "INVALID_REQUEST_PARAMETERS")
	rule := `{"threshold":500,"target":2500,"payment_method_id":"` + method(`{"token":"pm_sandbox_ok"}`) + `","cap":{"period":"day","count":1}}`
	put(rule).want(t, 200)
	tenant := ledger.Tenant{BusinessID: s.business.Business.ID, Mode: ledger.Test}
	cards := collect.TestProcessors(s.model, s.clock.Now, rand.Uint64)
	collector := collect.NewFor(s.model, cards, s.clock.Now, rand.Uint64)
	logger := slog.New(slog.DiscardHandler)
	auto, invoices := collect.NewAutoWorker(collector, s.directory, logger), collect.NewWorker(collector, logger)
	const spent = `{"amount":2400,"currency":"USD","entry_type":"debit"}`
	look := func() document {
		t.Helper()
		for range 2 {
			_, err := auto.Round(t.Context())
			if err == nil {
				_, err = invoices.Round(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		return s.get(path)
	}
	got := look()
	if s.balance() != 2500 || got.number("counted") != 1 || got.number("counted_amount") != 2500 || got["payment_in_flight"] != nil {
		t.Errorf("got %v and a balance of %d, want one top-up of 2500", got, s.balance())
	}
	if got := look(); got.number("counted") != 1 {
		t.Errorf("got %v, want nothing more", got)
	}
	s.send(request{method: "POST", path: "/customers/" + s.customer + "/wallets/ledger-entries", body: spent}).want(t, 200)
	if got = look(); s.balance() != 100 || got["failure_reason"] != "CAP_REACHED" || got["enabled"] != true {
		t.Errorf("got %v and a balance of %d, want the cap reached", got, s.balance())
	}
	s.clock.Move(24 * time.Hour)
	if got = look(); s.balance() != 2500 || got["failure_reason"] != nil {
		t.Errorf("got %v and a balance of %d, want another top-up a day later", got, s.balance())
	}
	put(strings.Replace(rule, `"threshold"`, `"enabled":false,"threshold"`, 1)).want(t, 200)
	s.send(request{method: "POST", path: "/customers/" + s.customer + "/wallets/ledger-entries", body: spent}).want(t, 200)
	if look(); s.balance() != 100 {
		t.Errorf("got a balance of %d, want 100: the rule is disabled", s.balance())
	}
	removed := s.send(request{method: "DELETE", path: path})
	if removed.status != 204 {
		t.Errorf("remove: got %d, want 204", removed.status)
	}
	s.send(request{method: "GET", path: path}).refused(t, 404, "NOT_FOUND")
	filter := ledger.ObjectFilter{Kind: collect.Invoices}
	list, err := s.model.Objects(t.Context(), tenant, filter, ledger.ObjectPage{Limit: 9})
	if err != nil || len(list.Objects) != 2 {
		t.Errorf("got invoices %v, %v, want two", list, err)
	}
}
