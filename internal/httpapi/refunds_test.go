package httpapi_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// paid is a payment of 10.00 of which the wallet has paid 3.00.
func (s *shop) paid(method string) string {
	s.Helper()
	s.credit(s.customer, "300")
	return s.pay("pdt_tenner00", `,"payment_method_id":"`+method+`"`).want(s, 200)["payment_id"].(string)
}

// refund asks for a refund of a payment, with more members.
func (s *shop) refund(payment, more string, headers ...string) reply {
	s.Helper()
	r := request{method: "POST", path: "/refunds", headers: map[string]string{}, body: `{"payment_id":"` + payment + `"` + more + `}`}
	for i := 0; i < len(headers); i += 2 {
		r.headers[headers[i]] = headers[i+1]
	}
	return s.send(r)
}

// toldOfRefunds is as what is told of the customer's refunds.
func (s *shop) toldOfRefunds() (kinds string) {
	s.Helper()
	tenant := ledger.Tenant{BusinessID: s.business.Business.ID, Mode: ledger.Test}
	events, err := s.model.ObjectEvents(s.Context(), tenant, s.customer, 0, 100)
	if err != nil {
		s.Fatal(err)
	}
	for _, e := range events {
		if strings.HasPrefix(string(e.Kind), "refund.") {
			kinds += string(e.Kind)
			if !strings.Contains(e.Data, `"payload_type":"Refund"`) || !strings.Contains(e.Data, `"refund_id":"ref_`) {
				s.Errorf("got %s told, want a refund", e.Data)
			}
		}
	}
	return kinds
}

// TestRefundsGoWhereTheyShould has payments refunded to the card and to the wallet, whole
// and in part.
func TestRefundsGoWhereTheyShould(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, method, more string
		answered, status   string
		amount, wallet     int64
		left               int64 // in the wallet
		of                 any   // the payment's refund_status
		refundable         int64
	}{
		{"all of it", "pm_sandbox_ok", "", "pending", "succeeded", 1000, 300, 300, "full", 0},
		{"a part", "pm_sandbox_ok", `,"amount":500`, "pending", "succeeded", 500, 150, 150, "partial", 500},
		{"a part to the wallet", "pm_sandbox_ok", `,"amount":500,"destination":"wallet"`, "succeeded", "succeeded", 500, 500, 500, "partial", 500},
		{"a part of an item", "pm_sandbox_ok", `,"items":[{"item_id":"pdt_tenner00","amount":200,"tax_inclusive":true}]`,
			"pending", "succeeded", 200, 60, 60, "partial", 800},
		{"an item", "pm_sandbox_ok", `,"items":[{"item_id":"pdt_tenner00","amount":null}],"destination":"wallet"`,
			"succeeded", "succeeded", 1000, 1000, 1000, "full", 0},
		{"the card does not take it", "pm_sandbox_refund_fails", "", "pending", "failed", 1000, 300, 0, nil, 1000},
		{"the processor does not answer", "pm_sandbox_refund_timeout", "", "pending", "pending", 1000, 300, 0, nil, 0},
		{"it takes its time", "pm_sandbox_refund_pending", `,"amount":500`, "pending", "pending", 500, 150, 0, nil, 500},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			payment := s.paid(test.method)
			made := s.refund(payment, test.more+`,"reason":"Broken","metadata":{"a":1}`).want(t, 200)
			got := s.get("/refunds/" + made["refund_id"].(string))
			if made["status"] != test.answered || got["status"] != test.status || got.number("amount") != test.amount ||
				got.number("wallet_amount") != test.wallet || got["is_partial"] != (test.amount < 1000) || got["reason"] != "Broken" ||
				got["payment_id"] != payment || got["customer"].(map[string]any)["customer_id"] != s.customer {
				t.Errorf("got %v, answered as %v, want %s after %s, %d of which the wallet %d", got, made["status"], test.status, test.answered,
					test.amount, test.wallet)
			}
			if left := s.balance(); left != test.left {
				t.Errorf("got %d in the wallet, want %d", left, test.left)
			}
			told := s.toldOfRefunds()
			if want := map[string]string{"succeeded": "refund.succeeded", "failed": "refund.failed"}[test.status]; told != want {
				t.Errorf("got %q told, want %q", told, want)
			}
			of := s.get("/payments/" + payment)
			refunds := of["refunds"].([]any)
			if of["refund_status"] != test.of || len(refunds) != 1 || refunds[0].(map[string]any)["status"] != test.status {
				t.Errorf("got the payment with refund_status %v and %v, want %v", of["refund_status"], refunds, test.of)
			}
			if lines := s.get("/payments/" + payment + "/line-items").items(); lines[0].number("refundable_amount") != test.refundable {
				t.Errorf("got lines %v, want %d refundable", lines, test.refundable)
			}
		})
	}
}

// TestRefundsRefused has each thing refused that cannot be given back, and nothing moved.
func TestRefundsRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	payment := s.paid("pm_sandbox_ok")
	waits := s.pay("pdt_tenner00", "").want(t, 200)["payment_id"].(string)
	item := func(members string) string { return `,"items":[{"item_id":"pdt_tenner00"` + members + `}]` }
	for _, test := range []struct {
		payment, more string
		status        int
		code          ledger.Code
	}{
		{waits, "", 400, "PAYMENT_NOT_SUCCEEDED"},
		{payment, `,"amount":1001`, 400, "REFUND_AMOUNT_EXCEEDS_PAID_AMOUNT"},
		{payment, item(`,"amount":1001`), 400, "LINE_ITEM_REFUND_AMOUNT_TOO_HIGH"},
		{payment, item(`,"amount":0`), 400, "LINE_ITEM_REFUND_AMOUNT_TOO_LOW"},
		{payment, `,"items":[{"item_id":"pdt_chosen00"}]`, 400, "LINE_ITEM_NOT_FOUND"},
		{payment, `,"items":[{"item_id":"pdt_tenner00","amount":1},{"item_id":"pdt_tenner00","amount":1}]`, 400, "DUPLICATE_LINE_ITEMS_IN_REQUEST"},
		{payment, `,"items":[]`, 422, "INVALID_REQUEST_PARAMETERS"},
		{payment, `,"amount":0`, 422, "AMOUNT_NOT_POSITIVE"},
		{payment, item("") + `,"amount":1`, 422, "INVALID_REQUEST_PARAMETERS"},
		{payment, `,"destination":"bank"`, 422, "INVALID_REQUEST_PARAMETERS"},
		{payment, `,"reason":"` + strings.Repeat("a", 3001) + `"`, 422, "INVALID_REASON"},
		{"pay_of_nobody00", "", 404, "NOT_FOUND"},
		{"x", "", 404, "NOT_FOUND"},
	} {
		s.refund(test.payment, test.more).refused(t, test.status, test.code)
	}
	s.refund(payment, "", "X-Stainless-Retry-Count", "1").refused(t, 422, "IDEMPOTENCY_KEY_REQUIRED")
	entry := s.get("/customers/" + s.customer + "/wallets/ledger-entries").items()[0]["id"].(string)
	s.send(request{method: "POST", path: "/customers/" + s.customer + "/wallets/ledger-entries/" + entry + "/reverse", body: `{}`}).
		refused(t, 422, "ENTRY_NOT_REVERSIBLE")
	s.clock.Move(30*24*time.Hour + time.Minute)
	s.refund(payment, "").refused(t, 400, "REFUND_WINDOW_EXPIRED")
	s.send(request{method: "PATCH", path: "/business", body: `{"refund_window_days":31}`}).want(t, 200)
	if items := s.get("/refunds").items(); len(items) != 0 || s.balance() != 0 {
		t.Errorf("got refunds %v and %d in the wallet, want none", items, s.balance())
	}
	slow, half := s.paid("pm_sandbox_refund_timeout"), s.paid("pm_sandbox_ok")
	s.refund(payment, `,"destination":"wallet"`).want(t, 200)
	s.refund(payment, "").refused(t, 400, "PAYMENT_ALREADY_REFUNDED")
	s.refund(slow, "").want(t, 200)
	s.refund(slow, "").refused(t, 400, "EXISTING_REFUND_REQUEST_PROCESSING")
	s.refund(half, item(`,"amount":400`)).want(t, 200)
	s.refund(half, item("")).want(t, 200)
	s.refund(half, item("")).refused(t, 400, "PAYMENT_ALREADY_REFUNDED")
}

// TestRefundKeys has one refund made under one key, however often it is asked for, and by
// how many at once.
func TestRefundKeys(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	payment := s.paid("pm_sandbox_ok")
	const more = `,"amount":100,"destination":"wallet"`
	var running sync.WaitGroup
	answers := make([]reply, 6)
	for i := range answers {
		running.Go(func() {
			answers[i] = sendTo(s.api, request{method: "POST", path: "/refunds", body: `{"payment_id":"` + payment + `"` + more + `}`,
				headers: map[string]string{"Idempotency-Key": "back 7"}}, s.business.TestKey)
		})
	}
	running.Wait()
	for _, answer := range answers {
		if answer.status != 200 || answer.body != answers[0].body {
			t.Errorf("got %d with %s, want 200 with %s", answer.status, answer.body, answers[0].body)
		}
	}
	again := s.refund(payment, more, "Idempotency-Key", "back 7")
	if again.body != answers[0].body || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("got %s, want the first answer %s", again.body, answers[0].body)
	}
	s.refund(payment, `,"amount":101`, "Idempotency-Key", "back 7").refused(t, 422, "IDEMPOTENCY_KEY_REUSED")
	s.refund(payment, `,"amount":5000`, "Idempotency-Key", "back 8").refused(t, 400, "REFUND_AMOUNT_EXCEEDS_PAID_AMOUNT")
	s.refund(payment, `,"amount":50,"destination":"wallet"`, "Idempotency-Key", "back 8").want(t, 200) // what was refused used nothing up
	if left := s.balance(); left != 150 {
		t.Errorf("got %d in the wallet, want 150", left)
	}
}

// TestRefundList narrows the list by each filter, and reads it in pages.
func TestRefundList(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	var ids []string
	for _, method := range []string{"pm_sandbox_ok", "pm_sandbox_refund_fails", "pm_sandbox_refund_pending"} {
		ids = append(ids, s.refund(s.paid(method), `,"amount":100`).want(t, 200)["refund_id"].(string))
		s.clock.Move(time.Hour)
	}
	for query, want := range map[string]string{
		"":                                     "210",
		"?status=succeeded":                    "0",
		"?status=failed":                       "1",
		"?status=pending":                      "2",
		"?status=review":                       "",
		"?subscription_id=sub_12345678":        "",
		"?customer_id=" + s.customer:           "210",
		"?customer_id=" + s.newCustomer():      "",
		"?created_at_gte=2026-03-01T13:00:00Z": "21",
		"?created_at_lte=2026-03-01T12:30:00Z": "0",
		"?page_size=2&page_number=1":           "0",
	} {
		if got := s.listed("/refunds"+query, "refund_id", ids); got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
	first := s.get("/refunds?page_size=2")
	second := s.get("/refunds?page_size=2&cursor=" + first["next_cursor"].(string))
	if items := second.items(); len(items) != 1 || items[0]["refund_id"] != ids[0] || second["next_cursor"] != nil {
		t.Errorf("got %v behind the cursor, want the first refund", second)
	}
	s.send(request{method: "GET", path: "/refunds?status=done"}).refused(t, 422, "INVALID_QUERY_PARAMS")
	s.send(request{method: "GET", path: "/refunds/ref_of_nobody00"}).refused(t, 404, "NOT_FOUND")
	s.send(request{method: "GET", path: "/refunds/x"}).refused(t, 404, "NOT_FOUND")
}
