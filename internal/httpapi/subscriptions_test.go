package httpapi_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/billing/calendar"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
)

// A club is a shop with products that are subscribed to, and the worker that renews.
type club struct {
	*shop
	worker *collect.Worker
}

func newClub(t *testing.T) *club {
	c := &club{shop: newShop(t)}
	tenant := ledger.Tenant{BusinessID: c.business.Business.ID, Mode: ledger.Test}
	month, year := billing.Interval{Count: 1, Unit: calendar.Month}, billing.Interval{Count: 10, Unit: calendar.Year}
	for id, price := range map[string]billing.Price{
		"pdt_basic000": {Amount: 1000}, "pdt_pro00000": {Amount: 3000}, "pdt_trial000": {Amount: 1000, TrialDays: 14},
		"pdt_rupee000": {Amount: 1000, Currency: "INR"}, "pdt_cents000": {Amount: 20},
	} {
		price.Kind, price.Payment, price.Subscription = billing.RecurringPrice, month, year
		c.shelf.put(tenant, id, price)
	}
	processors := collect.TestProcessors(c.model, c.clock.Now, rand.Uint64)
	collector := collect.NewFor(c.model, processors, c.clock.Now, rand.Uint64)
	c.worker = collect.NewWorker(collector, slog.New(slog.DiscardHandler))
	return c
}

// work has all that is due go on.
func (c *club) work() {
	c.Helper()
	for worked := 1; worked > 0; {
		var err error
		if worked, err = c.worker.Round(c.Context()); err != nil {
			c.Fatal(err)
		}
	}
}

func (c *club) post(path, body string, headers ...string) reply {
	c.Helper()
	r := request{method: "POST", path: path, body: body, headers: map[string]string{}}
	for i := 0; i < len(headers); i += 2 {
		r.headers[headers[i]] = headers[i+1]
	}
	return c.send(r)
}

func (c *club) subscribe(product, more string, headers ...string) reply {
	c.Helper()
	return c.post("/subscriptions", subscribeBody(c.customer, product, more), headers...)
}

func subscribeBody(customer, product, more string) string {
	return `{"billing":{"country":"US"},"customer":{"customer_id":"` + customer + `"},"product_id":"` + product +
		`","quantity":1` + more + `}`
}

func (c *club) patch(id, body string) reply {
	c.Helper()
	return c.send(request{method: "PATCH", path: "/subscriptions/" + id, body: body})
}

// is wants a subscription in a status, and returns it.
func (c *club) is(id, status string) document {
	c.Helper()
	got := c.get("/subscriptions/" + id)
	if got["status"] != status {
		c.Errorf("got subscription %v, want it %s", got["status"], status)
	}
	return got
}

// TestSubscriptionsRenew has a subscription paid whole from the wallet, from wallet and card,
// put on hold and recovered.
func TestSubscriptionsRenew(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	c.credit(c.customer, "2300")
	made := c.subscribe("pdt_basic000", "").want(t, 200)
	id := made["subscription_id"].(string)
	if made["payment_method_required"] != false || made["payment_id"] == "" {
		t.Errorf("got %v, want it paid from the wallet", made)
	}
	c.is(id, "active")
	method := c.send(request{method: "POST", path: methodsOf(c.customer), body: `{"token":"pm_sandbox_ok"}`}).
		want(t, 200)["payment_method_id"].(string)
	c.post("/subscriptions/"+id+"/update-payment-method", `{"type":"existing","payment_method_id":"`+method+`"}`).want(t, 200)
	c.clock.Set(start.AddDate(0, 1, 1))
	c.work()
	c.clock.Set(start.AddDate(0, 2, 1))
	c.work()
	if got := c.is(id, "active"); got["next_billing_date"] != "2026-06-01T12:00:00.000000Z" || got["payment_method_id"] != method {
		t.Errorf("got %v", got)
	}
	payments := c.get("/payments?subscription_id=" + id).items()
	if len(payments) != 3 || payments[0].number("wallet_amount") != 300 || payments[0]["payment_method"] != "card" ||
		payments[1].number("wallet_amount") != 1000 || payments[0]["subscription_id"] != id || c.balance() != 0 {
		t.Errorf("got payments %v and %d left, want the last of 300 from the wallet and the rest by card", payments, c.balance())
	}
	c.send(request{method: "DELETE", path: methodsOf(c.customer) + "/" + method}).refused(t, 409, "PAYMENT_METHOD_IN_USE")
	c.post("/refunds", `{"payment_id":"`+payments[0]["payment_id"].(string)+`"}`).want(t, 200)
	if refunds := c.get("/refunds?subscription_id=" + id).items(); len(refunds) != 1 {
		t.Errorf("got refunds %v, want one", refunds)
	}
	c.credit(c.customer, "700")
	c.post("/subscriptions/"+id+"/update-payment-method", `{"type":"existing","payment_method_id":"pm_sandbox_declined"}`).want(t, 200)
	c.clock.Set(start.AddDate(0, 3, 1))
	c.work()
	c.is(id, "active") // 1,000 in the wallet
	c.clock.Set(start.AddDate(0, 4, 1))
	c.work()
	held := c.is(id, "on_hold")
	if held["open_payment_id"] == nil {
		t.Errorf("got %v, want the payment that is owed", held)
	}
	c.post("/subscriptions/"+id+"/retry", `{}`).want(t, 200)
	c.is(id, "on_hold")
	retried := c.post("/subscriptions/"+id+"/update-payment-method", `{"type":"existing","payment_method_id":"`+method+`"}`).want(t, 200)
	if c.is(id, "active"); c.get("/payments/" + retried["payment_id"].(string))["status"] != "succeeded" {
		t.Errorf("got %v, want it paid", retried)
	}
	c.send(request{method: "PATCH", path: "/subscriptions/" + id, body: `{"status":"cancelled","cancellation_feedback":"unused"}`}).want(t, 200)
	if got := c.is(id, "cancelled"); got["cancellation_feedback"] != "unused" || got["cancelled_at"] == nil {
		t.Errorf("got %v", got)
	}
	if got := c.send(request{method: "DELETE", path: methodsOf(c.customer) + "/" + method}); got.status != 204 {
		t.Errorf("got %d, want the method removed", got.status)
	}
}

// TestSubscriptionKeys has one subscription made under one key, also at once, and a charge
// carried out once.
func TestSubscriptionKeys(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	c.credit(c.customer, "100000")
	var running sync.WaitGroup
	ids := make([]string, 6)
	for i := range ids {
		running.Go(func() {
			got := sendTo(c.api, request{method: "POST", path: "/subscriptions", body: subscribeBody(c.customer, "pdt_basic000", ""),
				headers: map[string]string{"Idempotency-Key": "k"}}, c.business.TestKey)
			if got.status == 200 {
				ids[i] = got.document(t)["subscription_id"].(string)
			}
		})
	}
	running.Wait()
	for _, id := range ids {
		if id == "" || id != ids[0] {
			t.Errorf("got subscriptions %q, want one", ids)
		}
	}
	if again := c.subscribe("pdt_basic000", "", "Idempotency-Key", "k"); again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("got %v, want a repeat", again.header)
	}
	c.subscribe("pdt_pro00000", "", "Idempotency-Key", "k").refused(t, 422, "IDEMPOTENCY_KEY_REUSED")
	c.subscribe("pdt_pro00000", "", "X-Stainless-Retry-Count", "1").refused(t, 422, "IDEMPOTENCY_KEY_REQUIRED")
	if items := c.get("/subscriptions").items(); len(items) != 1 || c.balance() != 99000 {
		t.Errorf("got %d subscriptions and %d left, want one paid for", len(items), c.balance())
	}
	id := c.subscribe("pdt_basic000", `,"on_demand":{"mandate_only":true}`).want(t, 200)["subscription_id"].(string)
	charge := "/subscriptions/" + id + "/charge"
	first := c.post(charge, `{"product_price":700}`, "Idempotency-Key", "c").want(t, 200)
	again := c.post(charge, `{"product_price":700}`, "Idempotency-Key", "c").want(t, 200)
	if first["payment_id"] != again["payment_id"] || c.balance() != 98300 {
		t.Errorf("got %v and %v and %d left, want one charge", first, again, c.balance())
	}
	c.post(charge, `{"product_price":800}`, "Idempotency-Key", "c").refused(t, 422, "IDEMPOTENCY_KEY_REUSED")
}

// TestCharges has an on-demand subscription charged, each way and once at a time.
func TestCharges(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	id := c.subscribe("pdt_basic000", `,"on_demand":{"mandate_only":true},"payment_method_id":"pm_sandbox_ok"`).
		want(t, 200)["subscription_id"].(string)
	charge := "/subscriptions/" + id + "/charge"
	c.is(id, "active")
	c.credit(c.customer, "980")
	pay := func(body string) document {
		return c.get("/payments/" + c.post(charge, body).want(t, 200)["payment_id"].(string))
	}
	if got := pay(`{"product_price":500,"customer_balance_config":{"allow_customer_credits_usage":false}}`); got.number("wallet_amount") != 0 ||
		got["status"] != "succeeded" {
		t.Errorf("got %v, want all by card", got)
	}
	if got := pay(`{"product_price":1000,"customer_balance_config":{"allow_customer_credits_purchase":true},"metadata":{"a":1}}`); c.balance() != 30 ||
		got.number("wallet_amount") != 980 || fmt.Sprint(got["metadata"]) != "map[a:1]" {
		t.Errorf("got %v and %d left, want 0.50 by card, of which 0.30 are credited", got, c.balance())
	}
	if got := pay(`{"product_price":1000}`); got.number("wallet_amount") != 30 {
		t.Errorf("got %v", got)
	}
	c.post(charge, `{"product_price":20}`).refused(t, 422, "REQUEST_AMOUNT_BELOW_MINIMUM")
	c.post(charge, `{"product_price":500,"product_currency":"INR"}`).refused(t, 422, "INVALID_REQUEST_PARAMETERS")
	c.post("/subscriptions/"+id+"/update-payment-method", `{"type":"existing","payment_method_id":"pm_sandbox_processing"}`).want(t, 200)
	var running sync.WaitGroup
	var mu sync.Mutex
	codes := map[string]int{}
	for range 4 {
		running.Go(func() {
			got := sendTo(c.api, request{method: "POST", path: charge, body: `{"product_price":500}`}, c.business.TestKey)
			mu.Lock()
			defer mu.Unlock()
			codes[fmt.Sprint(got.status, " ", got.document(t)["code"])]++
		})
	}
	running.Wait()
	if codes["200 <nil>"] != 1 || codes["422 PREVIOUS_PAYMENT_PENDING"] != 3 {
		t.Errorf("got %v, want one charge and the others refused", codes)
	}
	c.clock.Move(2 * time.Hour)
	c.work()
	c.patch(id, `{"cancel_at_next_billing_date":true,"cancel_reason":"cancelled_by_customer"}`).want(t, 200)
	c.post(charge, `{"product_price":500}`).refused(t, 422, "CHARGE_NOT_ALLOWED_FOR_SCHEDULED_CANCELLATION")
	c.patch(id, `{"cancel_at_next_billing_date":false}`).want(t, 200)
	ends := c.patch(id, `{"disable_on_demand":{"next_billing_date":"2026-04-01T00:00:00Z"}}`).want(t, 200)
	if ends["on_demand"] != false || ends["next_billing_date"] != "2026-04-01T00:00:00.000000Z" {
		t.Errorf("got %v", ends)
	}
	c.post(charge, `{"product_price":500}`).refused(t, 422, "SUBSCRIPTION_NOT_ON_DEMAND")
}

// TestPlansChange has plans previewed and changed, at once and with the next period.
func TestPlansChange(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	c.credit(c.customer, "1500")
	id := c.subscribe("pdt_basic000", `,"payment_method_id":"pm_sandbox_ok"`).want(t, 200)["subscription_id"].(string)
	c.clock.Set(start.Add(31 * 12 * time.Hour))
	path := "/subscriptions/" + id + "/change-plan"
	up := `{"product_id":"pdt_pro00000","quantity":1,"proration_billing_mode":"prorated_immediately"}`
	preview := c.post(path+"/preview", up).want(t, 200)
	charge := document(preview["immediate_charge"].(map[string]any))
	summary := document(charge["summary"].(map[string]any))
	if summary.number("total_amount") != 1000 || summary.number("customer_credits") != -500 || summary.number("settlement_amount") != 500 ||
		len(charge["line_items"].([]any)) != 2 || document(preview["new_plan"].(map[string]any))["product_id"] != "pdt_pro00000" {
		t.Errorf("got %v", preview)
	}
	paid := c.post(path, up, "Idempotency-Key", "up").want(t, 200)
	again := c.post(path, up, "Idempotency-Key", "up").want(t, 200)
	for _, field := range []string{"payment_id", "payment_link", "client_secret", "expires_on"} {
		if paid[field] != nil || again[field] != nil {
			t.Errorf("%s: got %v and again %v, want null, because nothing is left to pay", field, paid[field], again[field])
		}
	}
	got := document(c.get("/payments?subscription_id=" + id).items()[0])
	if got["status"] != "succeeded" || got.number("total_amount") != 1000 || got.number("wallet_amount") != 500 || c.balance() != 0 {
		t.Errorf("got %v and %d left, want 5.00 of the wallet and 5.00 by card", got, c.balance())
	}
	down := `{"product_id":"pdt_basic000","quantity":2,"proration_billing_mode":"do_not_bill","effective_at":"next_billing_date"}`
	c.post(path, down).want(t, 200)
	scheduled, _ := c.is(id, "active")["scheduled_change"].(map[string]any)
	if scheduled["product_id"] != "pdt_basic000" || scheduled["quantity"] != 2.0 || scheduled["id"] == "" {
		t.Errorf("got %v", scheduled)
	}
	c.post(path, down).refused(t, 409, "SCHEDULED_PLAN_CHANGE_EXISTS")
	for _, status := range []int{204, 404} {
		if got := c.send(request{method: "DELETE", path: path + "/scheduled"}); got.status != status {
			t.Errorf("got %d with %s, want %d", got.status, got.body, status)
		}
	}
	c.post(path, strings.Replace(down, "basic000", "rupee000", 1)).refused(t, 422, "INVALID_REQUEST_PARAMETERS")
	c.post(path, strings.Replace(down, "do_not_bill", "later", 1)).refused(t, 422, "INVALID_PRORATION_BILLING_MODE")
	back := `{"product_id":"pdt_basic000","quantity":1,"proration_billing_mode":"prorated_immediately"}`
	c.post(path, back).want(t, 200)
	if c.balance() != 1000 {
		t.Errorf("got %d left, want 10.00 more", c.balance())
	}
	c.patch(id, `{"status":"paused"}`).want(t, 200)
	c.post(path, up).refused(t, 422, "INACTIVE_SUBSCRIPTION_PLAN_CHANGE_NOT_SUPPORTED")
	c.patch(id, `{"pause":false}`).want(t, 200)
	moved := c.patch(id, `{"next_billing_date":"2026-05-05T00:00:00Z","metadata":{"k":"v"}}`).want(t, 200)
	if moved["next_billing_date"] != "2026-05-05T00:00:00.000000Z" || fmt.Sprint(moved["metadata"]) != "map[k:v]" {
		t.Errorf("got %v", moved)
	}
	c.post(path, strings.Replace(up, "quantity", `on_payment_failure":"prevent_change","quantity`, 1)).want(t, 200)
}

// TestSubscriptionsRefused has each thing refused that cannot be subscribed to, and nothing
// made.
func TestSubscriptionsRefused(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	for _, test := range []struct {
		product, more string
		status        int
		code          ledger.Code
	}{
		{"pdt_nobody00", "", 404, "NOT_FOUND"},
		{"pdt_tenner00", "", 422, "INVALID_REQUEST_PARAMETERS"},
		{"pdt_gone0000", "", 410, "PRODUCT_IS_DELETED"},
		{"pdt_cents000", "", 422, "REQUEST_AMOUNT_BELOW_MINIMUM"},
		{"pdt_basic000", `,"addons":[{"addon_id":"adn_1","quantity":1}]`, 422, "NOT_OFFERED"},
		{"pdt_basic000", `,"discount_codes":["TEN"]`, 422, "NOT_OFFERED"},
		{"pdt_basic000", `,"one_time_product_cart":[{"product_id":"pdt_tenner00","quantity":1}]`, 422, "NOT_OFFERED"},
		{"pdt_basic000", `,"zone":"Moon/Base"`, 422, "INVALID_REQUEST_PARAMETERS"},
		{"pdt_basic000", `,"trial_period_days":10001`, 422, "INVALID_REQUEST_PARAMETERS"},
		{"pdt_basic000", `,"billing_currency":"INR"`, 422, "INVALID_REQUEST_PARAMETERS"},
		{"pdt_basic000", `,"payment_method_id":"pm_of_nobody00"`, 404, "NOT_FOUND"},
	} {
		c.subscribe(test.product, test.more).refused(t, test.status, test.code)
	}
	if items := c.get("/subscriptions").items(); len(items) != 0 {
		t.Errorf("got subscriptions %v, want none", items)
	}
	nothing := `,"addons":null,"discount_codes":[],"one_time_product_cart":[],"payment_link":false`
	waits := c.subscribe("pdt_basic000", nothing).want(t, 200)
	id := waits["subscription_id"].(string)
	if c.is(id, "pending"); waits["payment_method_required"] != true {
		t.Errorf("got %v, want it to wait for a payment method", waits)
	}
	c.patch(id, `{"status":"paused"}`).refused(t, 422, "SUBSCRIPTION_INACTIVE")
	c.patch(id, `{"status":"expired"}`).refused(t, 422, "INVALID_REQUEST_PARAMETERS")
	c.patch(id, `{"cancellation_comment":"x"}`).refused(t, 422, "INVALID_REQUEST_PARAMETERS")
	c.post("/subscriptions/"+id+"/update-payment-method", `{"type":"existing","payment_method_id":"pm_sandbox_ok"}`).want(t, 200)
	c.is(id, "active")
	trial := c.subscribe("pdt_trial000", "").want(t, 200)["subscription_id"].(string)
	if got := c.is(trial, "active"); got.number("trial_period_days") != 14 || got["next_billing_date"] != "2026-03-15T12:00:00.000000Z" {
		t.Errorf("got %v", got)
	}
	for query, want := range map[string]int{
		"?status=active": 2, "?product_id=pdt_trial000": 1, "?cancel_at_next_billing_date=true": 0, "?customer_id=cus_nobody00": 0,
		"?brand_id=other": 0, "?status=past_due": 0, "?page_size=1": 1,
	} {
		if got := len(c.get("/subscriptions" + query).items()); got != want {
			t.Errorf("%s: got %d, want %d", query, got, want)
		}
	}
	c.get("/subscriptions/" + id + "/usage-history?page_size=10")
	c.get("/subscriptions/" + id + "/credit-usage")
	c.send(request{method: "GET", path: "/subscriptions?status=paid"}).refused(t, 422, "INVALID_QUERY_PARAMS")
}

// TestSubscriptionPages has the customer led to the page on which they have something to
// do: confirm the payment of another plan, or enter another card.
func TestSubscriptionPages(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	id := c.subscribe("pdt_basic000", `,"payment_method_id":"pm_sandbox_ok"`).want(t, 200)["subscription_id"].(string)
	method := "/subscriptions/" + id + "/update-payment-method"
	c.post(method, `{"type":"existing","payment_method_id":"pm_sandbox_requires_action"}`).want(t, 200)
	change := `{"product_id":"pdt_pro00000","quantity":1,"proration_billing_mode":"difference_immediately"}`
	waits := c.post("/subscriptions/"+id+"/change-plan", change, "Idempotency-Key", "up").want(t, 200)
	again := c.post("/subscriptions/"+id+"/change-plan", change, "Idempotency-Key", "up").want(t, 200)
	link, _ := waits["payment_link"].(string)
	if secret, _ := waits["client_secret"].(string); secret == "" || !strings.HasSuffix(link, "/pay/"+secret) || again["payment_link"] != link {
		t.Errorf("got %v and again %v, want the page on which it is confirmed", waits, again)
	}
	if got := c.get("/payments/" + waits["payment_id"].(string)); got["status"] != "requires_customer_action" {
		t.Errorf("got %v, want the payment that waits", got)
	}
	card := c.post(method, `{"type":"new","return_url":"https://shop.example.com/done"}`).want(t, 200)
	if page, _ := card["payment_link"].(string); page == "" || page == link || card["expires_on"] == nil ||
		card["payment_id"] != waits["payment_id"] {
		t.Errorf("got %v, want a page of its own and the payment that is owed", card)
	}
	c.post(method, `{"type":"new","return_url":"javascript:alert(1)"}`).refused(t, 422, "INVALID_REQUEST_PARAMETERS")
	c.post(method, `{"type":"new","payment_method_id":"pm_sandbox_ok"}`).refused(t, 422, "INVALID_REQUEST_PARAMETERS")
	c.post(method, `{"type":"new","allowed_payment_method_types":["sepa"]}`).refused(t, 422, "NOT_OFFERED")
	c.patch(id, `{"status":"cancelled"}`).want(t, 200)
	c.post(method, `{"type":"new"}`).refused(t, 422, "SUBSCRIPTION_INACTIVE")
}
