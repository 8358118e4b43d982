package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// attempt is one way of sending a ledger entry.
type attempt struct {
	bodyKey, headerKey string
	retryCount         string
	amount             string // 100 when empty
}

func (a attempt) request(customer string) request {
	if a.amount == "" {
		a.amount = "100"
	}
	r := request{method: "POST", path: entriesPath(customer), headers: map[string]string{}}
	r.body = `{"amount":` + a.amount + `,"currency":"USD","entry_type":"credit"`
	if a.bodyKey != "" {
		r.body += `,"idempotency_key":"` + a.bodyKey + `"`
	}
	r.body += "}"
	if a.headerKey != "" {
		r.headers["Idempotency-Key"] = a.headerKey
	}
	if a.retryCount != "" {
		r.headers["X-Stainless-Retry-Count"] = a.retryCount
	}
	return r
}

// TestIdempotencyMatrix sends a first request and then a second one in every
// way, with both settings of the business (laws K2, K3, K9).
func TestIdempotencyMatrix(t *testing.T) {
	t.Parallel()
	const (
		made     = "made"     // 200, a second entry
		first    = "first"    // 200, the first answer again
		conflict = "conflict" // 409
	)
	for _, c := range []struct {
		name          string
		first, second attempt
		want          string // or the code of a 422
		replay        string // with on_duplicate: replay; as want when empty
	}{
		{"new call", attempt{bodyKey: "k"}, attempt{bodyKey: "k"}, conflict, first},
		{"new call of an SDK", attempt{bodyKey: "k", retryCount: "0"}, attempt{bodyKey: "k", retryCount: "0"}, conflict, first},
		{"count that is no number", attempt{bodyKey: "k"}, attempt{bodyKey: "k", retryCount: "one"}, conflict, first},
		{"count below 0", attempt{bodyKey: "k"}, attempt{bodyKey: "k", retryCount: "-1"}, conflict, first},
		{"count with a point", attempt{bodyKey: "k"}, attempt{bodyKey: "k", retryCount: "1.5"}, conflict, first},
		{"second try", attempt{bodyKey: "k"}, attempt{bodyKey: "k", retryCount: "1"}, first, ""},
		{"third try", attempt{bodyKey: "k"}, attempt{bodyKey: "k", retryCount: "2"}, first, ""},
		{"tenth try", attempt{bodyKey: "k"}, attempt{bodyKey: "k", retryCount: "10"}, first, ""},
		{"header", attempt{headerKey: "k"}, attempt{headerKey: "k"}, first, ""},
		{"header after body", attempt{bodyKey: "k"}, attempt{headerKey: "k"}, first, ""},
		{"body after header", attempt{headerKey: "k"}, attempt{bodyKey: "k"}, conflict, first},
		{"both", attempt{bodyKey: "k", headerKey: "k"}, attempt{bodyKey: "k", headerKey: "k"}, first, ""},
		{"both, not equal", attempt{bodyKey: "k"}, attempt{bodyKey: "k", headerKey: "l"}, "INVALID_IDEMPOTENCY_KEY", ""},
		{"another request", attempt{bodyKey: "k"}, attempt{bodyKey: "k", amount: "101"}, "IDEMPOTENCY_KEY_REUSED", ""},
		{"another request, re-sent", attempt{bodyKey: "k"}, attempt{bodyKey: "k", amount: "101", retryCount: "1"},
			"IDEMPOTENCY_KEY_REUSED", ""},
		{"another request by header", attempt{bodyKey: "k"}, attempt{headerKey: "k", amount: "101"}, "IDEMPOTENCY_KEY_REUSED", ""},
		{"another key", attempt{bodyKey: "k"}, attempt{bodyKey: "K"}, made, ""},
		{"a key with a space behind", attempt{bodyKey: "k"}, attempt{bodyKey: "k "}, made, ""},
		{"no key", attempt{}, attempt{}, made, ""},
		{"no key, re-sent", attempt{}, attempt{retryCount: "1"}, "IDEMPOTENCY_KEY_REQUIRED", ""},
		{"no key, first try", attempt{}, attempt{retryCount: "0"}, made, ""},
		{"second try of what never came", attempt{bodyKey: "k"}, attempt{bodyKey: "l", retryCount: "1"}, made, ""},
	} {
		if c.replay == "" {
			c.replay = c.want
		}
		for setting, want := range map[string]string{"conflict": c.want, "replay": c.replay} {
			t.Run(c.name+", "+setting, func(t *testing.T) {
				t.Parallel()
				h := newHouse(t)
				h.send(request{method: "PATCH", path: "/business", body: `{"on_duplicate":"` + setting + `"}`}).want(t, http.StatusOK)
				customer := h.newCustomer()
				one := h.send(c.first.request(customer))
				one.want(t, http.StatusOK)
				if one.header.Get("Idempotency-Replayed") != "" {
					t.Errorf("the first answer has Idempotency-Replayed")
				}
				h.clock.Move(time.Hour)
				two := h.send(c.second.request(customer))
				entries := int64(1)
				switch want {
				case made:
					entries = 2
					two.want(t, http.StatusOK)
				case first:
					two.want(t, http.StatusOK)
					if two.body != one.body {
						t.Errorf("got %s, want the first answer %s", two.body, one.body)
					}
				case conflict:
					checkDuplicate(t, two, one)
				default:
					two.refused(t, http.StatusUnprocessableEntity, ledger.Code(want))
				}
				if got := two.header.Get("Idempotency-Replayed"); (got == "true") != (want == first) {
					t.Errorf("got Idempotency-Replayed %q for %s", got, want)
				}
				list := h.send(request{method: "GET", path: entriesPath(customer)}).want(t, http.StatusOK)
				if got := list.number("as_of_position"); got != entries {
					t.Errorf("got %d entries, want %d", got, entries)
				}
			})
		}
	}
}

// checkDuplicate wants a 409 that tells all that the first answer told.
func checkDuplicate(t *testing.T, got, first reply) {
	t.Helper()
	body := got.refused(t, http.StatusConflict, "DUPLICATE_IDEMPOTENCY_KEY")
	if retry := got.header.Get("X-Should-Retry"); retry != "false" {
		t.Errorf("got x-should-retry %q, want false: the SDKs would re-send", retry)
	}
	if !strings.Contains(got.body, `"wallet":`+first.body) {
		t.Errorf("got %s, want the first wallet %s in it", got.body, first.body)
	}
	entry, _ := body["ledger_entry"].(map[string]any)
	if entry == nil || entry["idempotency_key"] == nil || document(entry).number("amount") != 100 {
		t.Errorf("got ledger_entry %v, want the first entry", entry)
	}
}

// TestKeyIsLookedUpFirst repeats a request after everything that it depends on
// has changed (law K10).
func TestKeyIsLookedUpFirst(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer := h.newCustomer()
	r := request{method: "POST", path: entriesPath(customer), headers: map[string]string{"Idempotency-Key": "k"},
		body: `{"amount":100,"currency":"INR","entry_type":"credit","expires_at":"2026-03-01T13:00:00Z"}`}
	first := h.send(r)
	first.want(t, http.StatusOK)
	h.send(request{method: "PATCH", path: "/business", body: `{"enabled_currencies":["USD"]}`}).want(t, http.StatusOK)
	h.clock.Move(48 * time.Hour)
	again := h.send(r)
	again.want(t, http.StatusOK)
	if again.body != first.body {
		t.Errorf("got %s, want %s", again.body, first.body)
	}
	r.headers = nil
	h.send(r).refused(t, http.StatusUnprocessableEntity, "UNSUPPORTED_CURRENCY")
}

// TestRefusalKeepsTheKeyFree tops up after a refusal and uses the key again
// (law K7).
func TestRefusalKeepsTheKeyFree(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer := h.newCustomer()
	debit := request{method: "POST", path: entriesPath(customer),
		body: `{"amount":50,"currency":"USD","entry_type":"debit","idempotency_key":"charge_1"}`}
	h.send(debit).refused(t, http.StatusBadRequest, "INSUFFICIENT_WALLET_FUNDS")
	h.credit(customer, "50")
	h.send(debit).want(t, http.StatusOK)
}

// TestReusedKeyTellsOnlyWhen looks at what another request under a key learns
// about the first (law K3).
func TestReusedKeyTellsOnlyWhen(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer := h.newCustomer()
	h.send(request{method: "POST", path: entriesPath(customer),
		body: `{"amount":777,"currency":"USD","entry_type":"credit","reason":"secret","idempotency_key":"k"}`}).want(t, http.StatusOK)
	got := h.send(attempt{bodyKey: "k"}.request(customer))
	got.refused(t, http.StatusUnprocessableEntity, "IDEMPOTENCY_KEY_REUSED")
	if !strings.Contains(got.body, "2026-03-01T12:00:00") {
		t.Errorf("got %s, want the time of the first request in it", got.body)
	}
	for _, leak := range []string{"777", "secret", "credit", "cwt_"} {
		if strings.Contains(got.body, leak) {
			t.Errorf("got %s, want no %s in it", got.body, leak)
		}
	}
}

// TestKeyScope sends the repeat with another key of the business, and then as
// another customer; on a route without a customer also in the other mode and by
// another business (law K5).
func TestKeyScope(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer := h.newCustomer()
	r := attempt{headerKey: "k"}.request(customer)
	first := h.send(r)
	first.want(t, http.StatusOK)
	r.key = h.newKey("second", "write")
	again := h.send(r)
	again.want(t, http.StatusOK)
	if again.body != first.body {
		t.Errorf("another key of the business: got %s, want %s", again.body, first.body)
	}
	other := h.send(attempt{headerKey: "k", amount: "5"}.request(h.newCustomer()))
	if got := other.want(t, http.StatusOK).number("balance"); got != 5 {
		t.Errorf("another customer: got balance %d, want 5", got)
	}
	made := map[any]bool{}
	for _, key := range []string{h.business.TestKey, h.business.LiveKey, h.newBusiness("Twin").TestKey} {
		got := h.send(request{method: "POST", path: "/customers", key: key, headers: map[string]string{headerKey: "k"},
			body: `{"email":"eve@example.com","name":"` + key[len(key)-4:] + `"}`})
		made[got.want(t, http.StatusOK)["customer_id"]] = true
	}
	if len(made) != 3 {
		t.Errorf("one key in two modes and two businesses: got %d customers, want 3", len(made))
	}
}

// TestOneKeyAtOnce sends one request 64 times at once: one effect, and every
// answer tells the same (law K6).
func TestOneKeyAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer := h.newCustomer()
	replies := make([]reply, 64)
	var group sync.WaitGroup
	for i := range replies {
		group.Go(func() { replies[i] = h.send(attempt{headerKey: "k"}.request(customer)) })
	}
	group.Wait()
	replayed := 0
	for _, got := range replies {
		got.want(t, http.StatusOK)
		if got.body != replies[0].body {
			t.Errorf("got %s, want %s", got.body, replies[0].body)
		}
		if got.header.Get("Idempotency-Replayed") == "true" {
			replayed++
		}
	}
	if replayed != len(replies)-1 {
		t.Errorf("got %d replayed answers, want %d", replayed, len(replies)-1)
	}
}

const (
	eve     = `{"email":"eve@example.com","name":"Eve","metadata":{"a":1,"b":2}}`
	sameEve = ` {"name":"Eve","metadata":{"b":2,"a":1},"email":"eve@example.com"} `

	headerRetry = "X-Stainless-Retry-Count"
	headerKey   = "Idempotency-Key"
)

// sendCustomer sends a request about customers with some headers.
func (h *house) sendCustomer(method, path, body string, headers ...string) reply {
	h.Helper()
	r := request{method: method, path: path, body: body, headers: map[string]string{}}
	for i := 0; i < len(headers); i += 2 {
		r.headers[headers[i]] = headers[i+1]
	}
	return h.send(r)
}

// replays fails the test unless the reply is the answer first again.
func (r reply) replays(t *testing.T, first reply) {
	t.Helper()
	if r.status != http.StatusOK || r.body != first.body || r.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("got status %d with %s, want the first answer %s", r.status, r.body, first.body)
	}
}

// TestSecondTryOfANewCustomer repeats requests that carry no key (law K9).
func TestSecondTryOfANewCustomer(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	post := func(body string, headers ...string) reply {
		return h.sendCustomer("POST", "/customers", body, headers...)
	}
	one := post(eve)
	h.clock.Move(time.Second)
	two := post(eve, headerRetry, "0")
	if one.body == two.body {
		t.Errorf("two calls got one customer: %s", one.body)
	}
	h.clock.Move(9 * time.Minute)
	post(sameEve, headerRetry, "1").replays(t, two)
	post(sameEve, headerRetry, "2").replays(t, two)
	if three := post(strings.Replace(eve, "Eve", "Eva", 1), headerRetry, "1"); three.header.Get("Idempotency-Replayed") != "" {
		t.Errorf("another body got the answer %s", three.body)
	}
	r := request{method: "POST", path: "/customers", body: eve, key: h.newKey("second", "write"), headers: map[string]string{headerRetry: "1"}}
	if four := h.send(r); four.header.Get("Idempotency-Replayed") != "" {
		t.Errorf("another API key got the answer %s", four.body)
	}
	h.clock.Move(2 * time.Minute)
	if five := post(eve, headerRetry, "3"); five.body == two.body {
		t.Errorf("after 11 minutes: got the first answer, want a new customer")
	}
}

// TestNewCustomerWithAKey repeats requests with the Idempotency-Key header.
func TestNewCustomerWithAKey(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	post := func(body string, headers ...string) reply {
		return h.sendCustomer("POST", "/customers", body, headers...)
	}
	one := post(eve, headerKey, "k")
	one.want(t, http.StatusOK)
	h.clock.Move(29 * 24 * time.Hour)
	post(sameEve, headerKey, "k").replays(t, one)
	post(eve, headerKey, "k", headerRetry, "1").replays(t, one)
	post(`{"email":"eve@example.com","name":"Eva"}`, headerKey, "k").refused(t, 422, "IDEMPOTENCY_KEY_REUSED")
	post(eve, headerKey, " ").refused(t, 422, "INVALID_IDEMPOTENCY_KEY")

	// What a new customer has anyway may be said or not (law K4).
	post(strings.Replace(eve, "{", `{"phone_number":"","create_new_customer":true,`, 1), headerKey, "k").replays(t, one)
	const bare = `{"email":"bare@example.com","name":"Bare"`
	plain := post(bare+`}`, headerKey, "bare")
	plain.want(t, http.StatusOK)
	post(bare+`,"phone_number":"","metadata":{}}`, headerKey, "bare").replays(t, plain)
	post(bare+`,"phone_number":null,"metadata":null}`, headerKey, "bare").replays(t, plain)
	post(bare+`,"metadata":{"a":1}}`, headerKey, "bare").refused(t, 422, "IDEMPOTENCY_KEY_REUSED")

	// Also when an existing customer will do, and a newer one has come.
	reuse := strings.Replace(eve, "{", `{"create_new_customer":false,`, 1)
	found := post(reuse, headerKey, "l")
	found.want(t, http.StatusOK)
	post(eve)
	post(reuse, headerKey, "l").replays(t, found)
}

// TestUpdateWithAKey repeats an update after another one.
func TestUpdateWithAKey(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.newCustomer()
	patch := func(id, body string, headers ...string) reply {
		return h.sendCustomer("PATCH", "/customers/"+id, body, headers...)
	}
	one := patch(id, `{"name":"A"}`, headerKey, "k")
	one.want(t, http.StatusOK)
	patch(id, `{"name":"B"}`).want(t, http.StatusOK)
	patch(id, `{"name":"A"}`, headerKey, "k").replays(t, one)
	patch(id, `{"name":"C"}`, headerKey, "k").refused(t, 422, "IDEMPOTENCY_KEY_REUSED")
	if got := patch(h.newCustomer(), `{"name":"C"}`, headerKey, "k").want(t, http.StatusOK)["name"]; got != "C" {
		t.Errorf("another customer under the key: got name %v, want C", got)
	}
	if got := patch(id, `{"name":"D"}`, headerRetry, "1").want(t, http.StatusOK)["name"]; got != "D" {
		t.Errorf("a second try without a key: got name %v, want it let through", got)
	}
}

// TestRetryHeader looks at whether a client is told to send again by itself:
// never where that could be a second credit (law K9).
func TestRetryHeader(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code                ledger.Code
		keyed               bool
		retryable, retrying bool
	}{
		{ledger.CodeOverloaded, true, true, true},
		{ledger.CodeOverloaded, false, true, false},
		{ledger.CodeStorageUnavailable, true, true, true},
		{ledger.CodeStorageUnavailable, false, true, false},
		{ledger.CodeKeyInProgress, true, true, true},
		{ledger.CodeOutcomeUnknown, true, true, true},
		{ledger.CodeOutcomeUnknown, false, false, false},
		{ledger.CodeInternal, true, true, true},
		{ledger.CodeInternal, false, false, false},
		{ledger.CodeInsufficientFunds, true, false, false},
		{ledger.CodeBalanceLimit, true, false, false},
	} {
		t.Run(fmt.Sprint(c.code, c.keyed), func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			customer := h.newCustomer()
			h.breakStore(ledger.Errorf(c.code, "the store says so"))
			r := attempt{}.request(customer)
			if c.keyed {
				r = attempt{bodyKey: "k"}.request(customer)
			}
			got := h.send(r)
			body := got.document(t)
			if body["code"] != string(c.code) || body["retryable"] != c.retryable {
				t.Errorf("got %s, want %s and retryable %t", got.body, c.code, c.retryable)
			}
			if retry := got.header.Get("X-Should-Retry"); retry != fmt.Sprint(c.retrying) {
				t.Errorf("got x-should-retry %s, want %t", retry, c.retrying)
			}
			if after := got.header.Get("Retry-After"); (after == "1") != (got.status == http.StatusServiceUnavailable) {
				t.Errorf("got Retry-After %q with status %d", after, got.status)
			}
		})
	}
}
