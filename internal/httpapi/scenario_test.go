package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/billfold/billfold/internal/httpapi"
)

// step is one request of a scenario and what its answer must and must not
// have. Paths, bodies and expectations may name what earlier steps found:
// {customer} is the house's customer, and what a step keeps is there under the
// name that it keeps it by.
type step struct {
	method, path string
	headers      map[string]string
	body         string
	status       int
	has          []string
	hasNot       []string
	keep         map[string]string // name → member of the answer
}

// play sends the steps in order to a new house with one customer.
func play(t *testing.T, steps []step) {
	t.Helper()
	h := newHouse(t)
	names := map[string]string{"customer": h.newCustomer(), "business": h.business.Business.ID}
	for i, s := range steps {
		fill := func(text string) string {
			for name, value := range names {
				text = strings.ReplaceAll(text, "{"+name+"}", value)
			}
			return text
		}
		got := h.send(request{method: s.method, path: fill(s.path), body: fill(s.body), headers: s.headers})
		if got.status != s.status {
			t.Fatalf("step %d, %s %s: got status %d with %s, want %d", i, s.method, s.path, got.status, got.body, s.status)
		}
		for _, want := range s.has {
			if !strings.Contains(got.body, fill(want)) {
				t.Errorf("step %d, %s %s: got %s, want %s in it", i, s.method, s.path, got.body, fill(want))
			}
		}
		for _, unwanted := range s.hasNot {
			if strings.Contains(got.body, fill(unwanted)) {
				t.Errorf("step %d, %s %s: got %s, want no %s in it", i, s.method, s.path, got.body, fill(unwanted))
			}
		}
		for name, member := range s.keep {
			names[name], _ = got.document(t)[member].(string)
		}
	}
}

const entries = "/customers/{customer}/wallets/ledger-entries"

const alerts = "/customers/{customer}/wallets/USD/alerts"

// scenarios are what callers do, by name.
var scenarios = map[string][]step{
	"a customer is made, read, changed and found": {
		{method: "POST", path: "/customers", status: 200,
			body: `{"email":"eve@example.com","name":"Eve \"E\" Doe","phone_number":"+14155552671","metadata":{"b":1,"a":"x"}}`,
			has: []string{
				`"business_id":"{business}"`, `"email":"eve@example.com"`, `"name":"Eve \"E\" Doe"`,
				`"phone_number":"+14155552671"`, `"metadata":{"a":"x","b":1}`, `"created_at":"2026-03-01T12:00:00.000000Z"`,
				`"blocked_at":null`, `"blocklist_entry_id":null`,
			}, keep: map[string]string{"eve": "customer_id"}},
		{method: "GET", path: "/customers/{eve}", status: 200, has: []string{`"customer_id":"{eve}"`, `"a":"x"`}},
		{method: "PATCH", path: "/customers/{eve}", status: 200, body: `{}`, has: []string{`"name":"Eve \"E\" Doe"`, `"a":"x"`}},
		{method: "PATCH", path: "/customers/{eve}", status: 200,
			body: `{"name":null,"email":null,"phone_number":null,"metadata":null}`,
			has:  []string{`"name":"Eve \"E\" Doe"`, `"phone_number":"+14155552671"`, `"a":"x"`}},
		{method: "PATCH", path: "/customers/{eve}", status: 200, body: `{"name":"Eva","metadata":{"c":true}}`,
			has: []string{`"name":"Eva"`, `"metadata":{"c":true}`, `"email":"eve@example.com"`}, hasNot: []string{`"a":"x"`}},
		{method: "PATCH", path: "/customers/{eve}", status: 200, body: `{"phone_number":""}`, has: []string{`"phone_number":null`}},
		{method: "GET", path: "/customers?email=eve%40example.com", status: 200,
			has: []string{`"customer_id":"{eve}"`, `"next_cursor":null`}, hasNot: []string{"{customer}"}},
		{method: "GET", path: "/customers?name=EV", status: 200, has: []string{"{eve}"}, hasNot: []string{"{customer}"}},
		{method: "GET", path: "/customers?created_at_gte=2026-03-01T12:00:00.0000001Z", status: 200, has: []string{`"items":[]`}},
		{method: "GET", path: "/customers?created_at_lte=2026-03-01T12:00:00.0000009Z", status: 200, has: []string{"{eve}", "{customer}"}},
		{method: "GET", path: "/customers?created_at_lte=2026-03-01T11:59:59Z", status: 200, has: []string{`"items":[]`}},
	},
	"wallets exist from the customer's first moment": {
		{method: "GET", path: "/customers/{customer}/wallets", status: 200, has: []string{
			`{"items":[{"customer_id":"{customer}","currency":"INR","balance":0,`,
			`{"customer_id":"{customer}","currency":"USD","balance":0,"created_at":"2026-03-01T12:00:00.000000Z",` +
				`"updated_at":"2026-03-01T12:00:00.000000Z","available":0,"held":0,"seq":0}]`,
			`"total_balance_usd":0,"total_balance_usd_saturated":false,"unconverted_currencies":[]}`,
		}},
	},
	"money goes in and out": {
		{method: "POST", path: entries, status: 200,
			body: `{"amount":5000,"currency":"USD","entry_type":"credit","reason":"Account funding","idempotency_key":"deposit_1"}`,
			has:  []string{`"customer_id":"{customer}"`, `"currency":"USD"`, `"balance":5000`, `"available":5000`, `"seq":1`}},
		{method: "POST", path: entries, status: 200, body: `{"amount":1500,"currency":"USD","entry_type":"debit"}`,
			has: []string{`"balance":3500`, `"seq":2`}},
		{method: "POST", path: entries, status: 400, body: `{"amount":3501,"currency":"USD","entry_type":"debit","idempotency_key":"c"}`,
			has: []string{`"code":"INSUFFICIENT_WALLET_FUNDS"`, `"message":"Insufficient funds in wallet"`, `"retryable":false`}},
		{method: "POST", path: entries, status: 200, body: `{"amount":2000000,"currency":"INR","entry_type":"credit"}`,
			has: []string{`"currency":"INR"`, `"balance":2000000`, `"seq":1`}},
		{method: "POST", path: entries, status: 200, body: `{"amount":1,"currency":"USD","entry_type":"credit"}`},
		{method: "POST", path: entries, status: 200, body: `{"amount":3501,"currency":"USD","entry_type":"debit","idempotency_key":"c"}`,
			has: []string{`"balance":0`}},
		{method: "GET", path: "/customers/{customer}/wallets", status: 200,
			has: []string{`"balance":2000000`, `"total_balance_usd":0`, `"unconverted_currencies":["INR"]`}},
		{method: "GET", path: entries, status: 200, has: []string{
			`"as_of_position":5`, `"next_cursor":null`, `"reason":"Account funding"`, `"reason":null`, `"is_credit":true`,
			`"is_credit":false`, `"before_balance":5000,"after_balance":3500`, `"event_type":"merchant_adjustment"`,
			`"allocations":[{"lot_seq":1,"amount":1500}]`, `"counter_account":"merchant"`, `"category":"paid"`, `"category":null`,
			`"idempotency_key":"deposit_1"`, `"idempotency_key":null`, `"reference_object_id":null`, `"expires_at":null`,
		}},
	},
	"a customer is frozen and unfrozen": {
		{method: "POST", path: entries, status: 200, body: `{"amount":500,"currency":"USD","entry_type":"credit","idempotency_key":"c"}`},
		{method: "POST", path: "/customers/{customer}/freeze", status: 200, body: `{"scope":"debits","reason":"Chargeback of \"7\""}`,
			headers: map[string]string{"Idempotency-Key": "f"},
			has: []string{
				`"blocked_at":"2026-03-01T12:00:00.000000Z","blocklist_entry_id":"aud_`,
				`"currency":null,"frozen_at":"2026-03-01T12:00:00.000000Z","reason":"Chargeback of \"7\"","scope":"debits"}],"alerts":{},"test_clock":null}`,
			}, keep: map[string]string{"line": "blocklist_entry_id"}},
		{method: "POST", path: entries, status: 422, body: `{"amount":1,"currency":"USD","entry_type":"debit","idempotency_key":"d"}`,
			has: []string{`"code":"CUSTOMER_NOT_ACTIVE"`, `write key`, `/unfreeze`, `"retryable":false`}},
		{method: "POST", path: entries, status: 409, body: `{"amount":500,"currency":"USD","entry_type":"credit","idempotency_key":"c"}`},
		{method: "POST", path: "/customers/{customer}/freeze", status: 200, body: `{"scope":"everything","currency":"USD","reason":"Review"}`,
			has: []string{`"blocklist_entry_id":"{line}"`, `"currency":"USD"`, `"scope":"everything"`}},
		{method: "POST", path: "/customers/{customer}/unfreeze", status: 200, body: `{"reason":"Cleared"}`,
			has: []string{`"blocked_at":null,"blocklist_entry_id":null,"freezes":[{"audit_entry_id":"aud_`}},
		{method: "POST", path: entries, status: 422, body: `{"amount":1,"currency":"USD","entry_type":"credit"}`,
			has: []string{`"code":"CUSTOMER_NOT_ACTIVE"`, `wallet in USD`}},
		{method: "POST", path: "/customers/{customer}/freeze", status: 200, body: `{"scope":"debits","reason":"Chargeback of \"7\""}`,
			headers: map[string]string{"Idempotency-Key": "f"}, has: []string{`"blocklist_entry_id":"{line}"`}},
		{method: "POST", path: "/customers/{customer}/freeze", status: 422, body: `{"scope":"everything","reason":"Other"}`,
			headers: map[string]string{"Idempotency-Key": "f"}, has: []string{`"code":"IDEMPOTENCY_KEY_REUSED"`}},
		{method: "POST", path: "/customers/{customer}/unfreeze", status: 200, body: `{"reason":"Reviewed","currency":"USD"}`,
			headers: map[string]string{"Idempotency-Key": "f"}, has: []string{`"freezes":[],"alerts":{},"test_clock":null}`}},
		{method: "POST", path: "/customers/{customer}/unfreeze", status: 200, body: `{"reason":"Once more"}`, has: []string{`"freezes":[],"alerts":{},"test_clock":null}`}},
		{method: "POST", path: entries, status: 200, body: `{"amount":1,"currency":"USD","entry_type":"debit","idempotency_key":"d"}`},
		{method: "GET", path: "/customers/{customer}/audit", status: 200, has: []string{
			`{"items":[{"id":"aud_`, `"position":4,"action":"customer.unfreeze"`, `"reason":"Reviewed"`, `"address":"192.0.2.1"`,
			`"position":1,"action":"customer.freeze"`, `"before":{"freezes":[]}`, `"next_cursor":null}`,
		}},
	},
	"a wallet that becomes low and recovers": {
		{method: "PATCH", path: "/business", status: 200, body: `{"alerts":{"USD":[{"below":500,"recover_at":1000}],"INR":[]}}`,
			has: []string{`"alerts":{"INR":[],"USD":[{"below":500,"recover_at":1000}]}`}},
		{method: "GET", path: alerts, status: 200, has: []string{`"source":"business","available":0,"seq":0,` +
			`"thresholds":[{"below":500,"recover_at":1000,"standing":"unarmed"}],"as_of_position":0}`}},
		{method: "POST", path: entries, status: 200, body: `{"amount":600,"currency":"USD","entry_type":"credit"}`},
		{method: "POST", path: entries, status: 200, body: `{"amount":101,"currency":"USD","entry_type":"debit","idempotency_key":"a"}`},
		{method: "GET", path: alerts, status: 200, has: []string{`"available":499,"seq":2,`, `"standing":"low"`}},
		{method: "POST", path: entries, status: 409, body: `{"amount":101,"currency":"USD","entry_type":"debit","idempotency_key":"a"}`,
			has: []string{`"alerts":[{"below":500,"recover_at":1000,"crossed":"low"}]`}},
		{method: "POST", path: entries, status: 200, body: `{"amount":500,"currency":"USD","entry_type":"credit"}`},
		{method: "GET", path: entries + "?page_size=1", status: 200, has: []string{`"after_balance":999`, `"alerts":[]`}},
		{method: "POST", path: entries, status: 200, body: `{"amount":1,"currency":"USD","entry_type":"credit"}`},
		{method: "GET", path: entries + "?page_size=1", status: 200,
			has: []string{`"alerts":[{"below":500,"recover_at":1000,"crossed":"recovered"}]`}},
		{method: "PUT", path: alerts, status: 200, body: `{"thresholds":[{"below":500},{"below":2000,"recover_at":2500}]}`,
			headers: map[string]string{"Idempotency-Key": "t"},
			has:     []string{`"alerts":{"USD":[{"below":500,"recover_at":500},{"below":2000,"recover_at":2500}]},"test_clock":null}`}},
		{method: "GET", path: alerts, status: 200, has: []string{`"source":"wallet"`, `{"below":500,"recover_at":500,"standing":"armed"}`,
			`{"below":2000,"recover_at":2500,"standing":"unarmed"}`}},
		{method: "PUT", path: alerts, status: 200, body: `{"thresholds":[]}`, has: []string{`"alerts":{"USD":[]},"test_clock":null}`}},
		{method: "PUT", path: alerts, status: 200, body: `{"thresholds":[{"below":500},{"below":2000,"recover_at":2500}]}`,
			headers: map[string]string{"Idempotency-Key": "t"}, has: []string{`"below":2000`}},
		{method: "PUT", path: alerts, status: 422, body: `{"thresholds":[]}`, headers: map[string]string{"Idempotency-Key": "t"},
			has: []string{`"code":"IDEMPOTENCY_KEY_REUSED"`}},
		{method: "GET", path: alerts, status: 200, has: []string{`"source":"wallet"`, `"thresholds":[]`}},
		{method: "POST", path: entries, status: 200, body: `{"amount":999,"currency":"USD","entry_type":"debit"}`},
		{method: "GET", path: entries + "?page_size=1", status: 200, has: []string{`"after_balance":1`, `"alerts":[]`}},
		{method: "DELETE", path: alerts, status: 200, has: []string{`"alerts":{},"test_clock":null}`}},
		{method: "GET", path: alerts, status: 200, has: []string{`"source":"business"`, `"standing":"unarmed"`}},
		{method: "GET", path: "/customers/{customer}/audit", status: 200, has: []string{`"position":3,"action":"customer.alerts"`,
			`"before":{"alerts":{"USD":[]}},"after":{"alerts":{}},"reason":null`}},
	},
	"a condition decides with the entry": {
		{method: "POST", path: entries, status: 200, body: `{"amount":500,"currency":"USD","entry_type":"credit","if_seq":0}`,
			has: []string{`"seq":1,"ledger_entry_id":"cwt_`, `"ledger_entry_amount":500}`}},
		{method: "POST", path: entries, status: 412, body: `{"amount":1,"currency":"USD","entry_type":"debit","if_seq":0,"idempotency_key":"k"}`,
			has: []string{
				`"code":"CONDITION_FAILED"`, `"param":"if_seq"`, `"retryable":false`,
				`"wallet":{"customer_id":"{customer}","currency":"USD","balance":500`, `"available":500,"held":0,"seq":1}}`,
			}},
		{method: "POST", path: entries, status: 412, body: `{"amount":1,"currency":"USD","entry_type":"debit","if_available_at_least":501,"idempotency_key":"k"}`,
			has: []string{`"param":"if_available_at_least"`, `"available":500`}},
		{method: "POST", path: entries, status: 200, body: `{"amount":1,"currency":"USD","entry_type":"debit","if_seq":1,"if_available_at_least":500,"idempotency_key":"k"}`,
			has: []string{`"balance":499`}},
		{method: "POST", path: entries, status: 409, body: `{"amount":1,"currency":"USD","entry_type":"debit","if_seq":1,"idempotency_key":"k"}`,
			has: []string{`"wallet":{"customer_id":"{customer}","currency":"USD","balance":499`}},
		{method: "GET", path: entries, status: 200, has: []string{`"as_of_position":2`}},
	},
	"a partial debit takes what there is and says how much": {
		{method: "POST", path: entries, status: 400, body: `{"amount":9,"currency":"USD","entry_type":"debit","allow_partial":true}`,
			has: []string{`"code":"INSUFFICIENT_WALLET_FUNDS"`}},
		{method: "POST", path: entries, status: 200, body: `{"amount":500,"currency":"USD","entry_type":"credit"}`},
		{method: "POST", path: entries, status: 200, headers: map[string]string{"Idempotency-Key": "p"},
			body: `{"amount":700,"currency":"USD","entry_type":"debit","allow_partial":true}`,
			has:  []string{`"balance":0`, `"ledger_entry_amount":500}`}, keep: map[string]string{"entry": "ledger_entry_id"}},
		{method: "POST", path: entries, status: 200, headers: map[string]string{"Idempotency-Key": "p"},
			body: `{"amount":700,"currency":"USD","entry_type":"debit","allow_partial":true}`,
			has:  []string{`"ledger_entry_id":"{entry}","ledger_entry_amount":500}`}},
		{method: "POST", path: entries, status: 422, headers: map[string]string{"Idempotency-Key": "p"},
			body: `{"amount":500,"currency":"USD","entry_type":"debit","allow_partial":true}`, has: []string{`"IDEMPOTENCY_KEY_REUSED"`}},
		{method: "GET", path: entries + "/{entry}", status: 200, has: []string{`"id":"{entry}"`, `"amount":500`}},
		{method: "POST", path: entries, status: 422, body: `{"amount":5,"currency":"USD","entry_type":"credit","allow_partial":true}`,
			has: []string{`"code":"PARTIAL_ON_CREDIT"`, `"param":"allow_partial"`}},
	},
	"what Billfold adds to an entry comes back": {
		{method: "POST", path: entries, status: 200, body: `{"amount":700,"currency":"USD","entry_type":"credit","category":"promotional",` +
			`"expires_at":"2026-03-01T14:00:00.1234567+01:00","reference_object_id":"cmp_1","metadata":{"z":1.50,"a":-0.0,"m":1e3,"t":true}}`,
			has: []string{`"available":700`}},
		{method: "GET", path: entries, status: 200, keep: nil, has: []string{
			`"category":"promotional"`, `"expires_at":"2026-03-01T13:00:00.123456Z"`, `"reference_object_id":"cmp_1"`,
			`"metadata":{"a":0,"m":1000,"t":true,"z":1.5}`, `"counter_account":"promotion"`,
		}},
	},
	"lists are filtered": {
		{method: "POST", path: entries, status: 200, body: `{"amount":10,"currency":"USD","entry_type":"credit","reference_object_id":"pay_1"}`},
		{method: "POST", path: entries, status: 200, body: `{"amount":20,"currency":"INR","entry_type":"credit","idempotency_key":"a b"}`},
		{method: "POST", path: entries, status: 200, body: `{"amount":3,"currency":"USD","entry_type":"debit"}`},
		{method: "GET", path: entries + "?currency=INR", status: 200, has: []string{`"amount":20`}, hasNot: []string{`"amount":10,`, `"amount":3,`}},
		{method: "GET", path: entries + "?entry_type=debit", status: 200, has: []string{`"amount":3`}, hasNot: []string{`"amount":10,"is`, `"amount":20`}},
		{method: "GET", path: entries + "?event_type=payment", status: 200, has: []string{`"items":[]`, `"as_of_position":3`}},
		{method: "GET", path: entries + "?event_type=merchant_adjustment", status: 200, has: []string{`"amount":10`, `"amount":20`, `"amount":3`}},
		{method: "GET", path: entries + "?reference_object_id=pay_1", status: 200, has: []string{`"amount":10`}, hasNot: []string{`"amount":20`}},
		{method: "GET", path: entries + "?idempotency_key=a+b", status: 200, has: []string{`"amount":20`}, hasNot: []string{`"amount":10,`}},
		{method: "GET", path: entries + "?idempotency_key=a", status: 200, has: []string{`"items":[]`}},
		{method: "GET", path: entries + "?created_at_gte=2026-03-01T12:00:00.000001Z", status: 200, has: []string{`"items":[]`}},
		{method: "GET", path: entries + "?created_at_gte=0001-01-01T00:00:00Z", status: 200, has: []string{`"amount":20`}},
		{method: "GET", path: entries + "?created_at_lte=0001-01-01T00:00:00Z", status: 200, has: []string{`"items":[]`}},
		{method: "GET", path: entries + "?created_at_gte=2026-03-01T13:00:00%2B01:00", status: 200, has: []string{`"amount":20`}},
		{method: "GET", path: entries + "?currency=AED&page_number=0&page_size=0", status: 200, has: []string{`"items":[]`}},
	},
	"the business sets its currencies, rates and answers to duplicates": {
		{method: "GET", path: "/business", status: 200, has: []string{
			`{"business_id":"{business}","name":"Acme","mode":"test","enabled_currencies":["INR","USD"],"usd_rates":{},"on_duplicate":"conflict","alerts":{},"reversal_grace_seconds":0,"credit_reversal":"refuse","expiry_notice_days":0,"below_card_minimum":"leave_in_wallet","payment_method_wait_hours":24,"payment_retry_hours":[12,24,48,72,96,120,168,168],"refund_window_days":30,"top_up_limits":{}}`,
		}},
		{method: "POST", path: entries, status: 422, body: `{"amount":1,"currency":"EUR","entry_type":"credit"}`,
			has: []string{`"code":"UNSUPPORTED_CURRENCY"`, `"param":"currency"`}},
		{method: "PATCH", path: "/business", status: 200,
			body: `{"enabled_currencies":["USD","JPY","EUR"],"usd_rates":{"JPY":"0.0067","EUR":"1.08"},"on_duplicate":"replay"}`,
			has:  []string{`"enabled_currencies":["EUR","JPY","USD"],"usd_rates":{"EUR":"1.08","JPY":"0.0067"},"on_duplicate":"replay"`}},
		{method: "PATCH", path: "/business", status: 200, body: `{}`, has: []string{`"on_duplicate":"replay"`, `"JPY":"0.0067"`}},
		{method: "GET", path: "/business/audit", status: 200, has: []string{
			`{"items":[{"id":"aud_`, `"position":3,"action":"settings.update","key_id":"key_`, `"address":"192.0.2.1","before":{"`,
			`"position":2,"action":"key.create","key_id":null,"address":null,"before":{"key_`,
			`"position":1,"action":"business.create","key_id":null`, `"name":"Acme"`, `"next_cursor":null}`}},
		{method: "POST", path: entries, status: 200, body: `{"amount":100,"currency":"JPY","entry_type":"credit"}`},
		{method: "POST", path: entries, status: 200, body: `{"amount":200,"currency":"EUR","entry_type":"credit"}`},
		{method: "POST", path: entries, status: 422, body: `{"amount":1,"currency":"INR","entry_type":"credit"}`},
		{method: "GET", path: "/customers/{customer}/wallets", status: 200,
			has: []string{`"currency":"EUR"`, `"currency":"JPY"`, `"currency":"USD"`, `"total_balance_usd":283,`}, hasNot: []string{"INR"}},
		{method: "PATCH", path: "/business", status: 200, body: `{"enabled_currencies":["USD"],"usd_rates":{}}`},
		{method: "GET", path: "/customers/{customer}/wallets", status: 200, has: []string{
			`"currency":"EUR","balance":200`, `"currency":"JPY","balance":100`, `"currency":"USD","balance":0`,
			`"unconverted_currencies":["EUR","JPY"]`,
		}},
	},
	"an existing customer will do when the caller says so": {
		{method: "POST", path: "/customers", status: 200, body: `{"email":"jane@example.com","name":"X","create_new_customer":false}`,
			has: []string{`"customer_id":"{customer}"`, `"name":"Jane Doe"`}},
		{method: "POST", path: "/customers", status: 200, body: `{"email":"jane@example.com","name":"X","create_new_customer":true}`,
			hasNot: []string{"{customer}"}, keep: map[string]string{"second": "customer_id"}},
		{method: "POST", path: "/customers", status: 200, body: `{"email":"jane@example.com","name":"X","create_new_customer":false}`,
			has: []string{"{second}"}},
		{method: "POST", path: "/customers", status: 200, body: `{"email":"new@example.com","name":"New","create_new_customer":false}`,
			has: []string{`"name":"New"`}},
	},
}

func TestScenarios(t *testing.T) {
	t.Parallel()
	for name, steps := range scenarios {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, steps)
		})
	}
}

func TestOneEntryIsFoundByItsID(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer, other := h.newCustomer(), h.newCustomer()
	h.credit(customer, "700")
	listed := h.send(request{method: "GET", path: entriesPath(customer)}).want(t, http.StatusOK).items()[0]
	id := listed["id"].(string)
	got := h.send(request{method: "GET", path: entriesPath(customer) + "/" + id})
	got.want(t, http.StatusOK)
	if again := h.send(request{method: "GET", path: entriesPath(customer)}); !strings.Contains(again.body, got.body) {
		t.Errorf("got the entry %s, want it as in the list %s", got.body, again.body)
	}
	for _, path := range []string{
		entriesPath(other) + "/" + id,
		entriesPath(customer) + "/cwt_0Tn2lqUn000000bB9wXcP",
		entriesPath(customer) + "/cus_0Tn2lqUn000000bB9wXcP",
		entriesPath(customer) + "/x",
		entriesPath("cus_0Tn2lqUn000000bB9wXcP") + "/" + id,
	} {
		h.send(request{method: "GET", path: path}).refused(t, http.StatusNotFound, "NOT_FOUND")
	}
}

func TestExpiredMoneyIsNotAvailable(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer := h.newCustomer()
	h.send(request{method: "POST", path: entriesPath(customer),
		body: `{"amount":100,"currency":"USD","entry_type":"credit","expires_at":"2026-03-01T12:01:00Z"}`}).want(t, http.StatusOK)
	wallet := func() document {
		return h.send(request{method: "GET", path: "/customers/" + customer + "/wallets"}).want(t, http.StatusOK).items()[1]
	}
	h.clock.Set(start.Add(59_999_999_000))
	if got := wallet().number("available"); got != 100 {
		t.Errorf("just before: got %d available, want 100", got)
	}
	h.clock.Set(start.Add(60_000_000_000))
	if got := wallet(); got.number("available") != 0 || got.number("balance") != 100 {
		t.Errorf("at the instant: got %v, want a balance of 100 and nothing available", got)
	}
	h.send(request{method: "POST", path: entriesPath(customer), body: `{"amount":1,"currency":"USD","entry_type":"debit"}`}).
		refused(t, http.StatusBadRequest, "INSUFFICIENT_WALLET_FUNDS")
}

func TestTotalSaturates(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer := h.newCustomer()
	h.send(request{method: "PATCH", path: "/business", body: `{"usd_rates":{"INR":"999999999999"}}`}).want(t, http.StatusOK)
	h.send(request{method: "POST", path: entriesPath(customer), body: `{"amount":999999999999,"currency":"INR","entry_type":"credit"}`}).
		want(t, http.StatusOK)
	got := h.send(request{method: "GET", path: "/customers/" + customer + "/wallets"})
	want := `"total_balance_usd":9007199254740991,"total_balance_usd_saturated":true`
	if !strings.Contains(got.body, want) {
		t.Errorf("got %s, want %s in it", got.body, want)
	}
	h.credit(customer, "1")
	if got := h.send(request{method: "GET", path: "/customers/" + customer + "/wallets"}); !strings.Contains(got.body, want) {
		t.Errorf("with one cent more: got %s, want %s in it", got.body, want)
	}
}

func TestNewWantsWhatItNeeds(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for name, config := range map[string]httpapi.Config{
		"no book":        {Directory: h.directory, Products: h.model, Webhooks: h.webhooks},
		"no directory":   {Book: h.book, Products: h.model, Webhooks: h.webhooks},
		"no products":    {Book: h.book, Directory: h.directory, Webhooks: h.webhooks},
		"no webhooks":    {Book: h.book, Directory: h.directory, Products: h.model},
		"a short secret": {Book: h.book, Directory: h.directory, Products: h.model, Webhooks: h.webhooks, Secret: []byte("short")},
	} {
		if _, err := httpapi.New(config); err == nil {
			t.Errorf("%s: got no error, want one", name)
		}
	}
	whole := httpapi.Config{Book: h.book, Directory: h.directory, Products: h.model, Webhooks: h.webhooks}
	if _, err := httpapi.New(whole); err != nil {
		t.Errorf("the least: got error %v, want none", err)
	}
}
