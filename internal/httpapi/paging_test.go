package httpapi_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/billfold/billfold/internal/ledger"
)

// newLedger makes a customer with entries of 1, 2, 3 … cents, so that an
// entry's amount names it.
func (h *house) newLedger(entries int) string {
	h.Helper()
	customer := h.newCustomer()
	for i := range entries {
		h.credit(customer, fmt.Sprint(i+1))
	}
	return customer
}

// amounts are the amounts of a list's items.
func amounts(list document) []int64 {
	found := []int64{}
	for _, item := range list.items() {
		found = append(found, item.number("amount"))
	}
	return found
}

// down counts from one number down to another.
func down(from, to int64) []int64 {
	list := []int64{}
	for ; from >= to; from-- {
		list = append(list, from)
	}
	return list
}

func TestPages(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer := h.newLedger(35)
	for _, c := range []struct {
		query, language string
		want            []int64
	}{
		{"", "", down(35, 26)},
		{"page_size=0", "", down(35, 26)},
		{"page_number=0", "", down(35, 26)},
		{"page_number=1", "", down(25, 16)},
		{"page_number=3", "", down(5, 1)},
		{"page_number=4", "", down(0, 1)},
		{"page_number=1000000", "", down(0, 1)},
		{"page_size=100", "", down(35, 1)},
		{"page_size=100&page_number=1000000", "", down(0, 1)},
		{"page_size=1&page_number=34", "", down(1, 1)},
		{"page_size=20&page_number=1&currency=USD", "", down(15, 1)},

		// The SDKs' auto-pagers go on with page 2 after a call without a number.
		{"", "js", down(35, 16)},
		{"page_size=5", "go", down(35, 26)},
		{"page_size=100", "js", down(35, 1)},
		{"page_number=0", "js", down(35, 26)},
		{"page_number=2", "js", down(15, 6)},
		{"page_number=1", "python", down(25, 16)},
		{"page_number=0", "python", down(35, 16)},
		{"", "python", down(35, 16)},
	} {
		r := request{method: "GET", path: entriesPath(customer) + "?" + c.query, headers: map[string]string{}}
		if c.language != "" {
			r.headers["X-Stainless-Lang"] = c.language
		}
		list := h.send(r).want(t, http.StatusOK)
		if got := amounts(list); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s by %q: got %v, want %v", c.query, c.language, got, c.want)
		}
		if got := list.number("as_of_position"); got != 35 {
			t.Errorf("%s by %q: got as_of_position %d, want 35", c.query, c.language, got)
		}
	}
}

// TestAutoPagers walks as the SDKs do: each meets every entry once.
func TestAutoPagers(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer := h.newLedger(35)
	for _, c := range []struct {
		language string
		first    string
		next     int
	}{
		{"js", "", 2},
		{"go", "", 2},
		{"go", "&page_number=0", 1},
		{"python", "", 2},
		{"python", "&page_number=0", 2},
	} {
		headers := map[string]string{"X-Stainless-Lang": c.language}
		path := entriesPath(customer) + "?page_size=10"
		list := h.send(request{method: "GET", path: path + c.first, headers: headers}).want(t, http.StatusOK)
		var met []int64
		for number := c.next; len(list.items()) > 0; number++ {
			met = append(met, amounts(list)...)
			list = h.send(request{method: "GET", path: path + fmt.Sprintf("&page_number=%d", number), headers: headers}).want(t, http.StatusOK)
		}
		if want := down(35, 1); fmt.Sprint(met) != fmt.Sprint(want) {
			t.Errorf("%s%s: met %v, want %v", c.language, c.first, met, want)
		}
	}
}

// TestCursorNeverSkips adds entries while it walks (law R3).
func TestCursorNeverSkips(t *testing.T) {
	t.Parallel()
	for _, language := range []string{"", "js"} {
		h := newHouse(t)
		customer := h.newLedger(25)
		path := entriesPath(customer) + "?page_size=4&currency=USD"
		headers := map[string]string{}
		if language != "" {
			headers["X-Stainless-Lang"] = language
		}
		list := h.send(request{method: "GET", path: path, headers: headers}).want(t, http.StatusOK)
		met := amounts(list)
		for list["next_cursor"] != nil {
			h.credit(customer, "1000")
			list = h.send(request{method: "GET", path: path + "&cursor=" + list["next_cursor"].(string), headers: headers}).want(t, http.StatusOK)
			met = append(met, amounts(list)...)
		}
		if want := down(25, 1); fmt.Sprint(met) != fmt.Sprint(want) {
			t.Errorf("language %q: met %v, want %v", language, met, want)
		}
	}
}

func TestCustomerCursor(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	made := map[string]bool{}
	for range 7 {
		made[h.newCustomer()] = true
	}
	path := "/customers?page_size=3"
	list := h.send(request{method: "GET", path: path}).want(t, http.StatusOK)
	for pages := 1; ; pages++ {
		for _, item := range list.items() {
			id := item["customer_id"].(string)
			if !made[id] {
				t.Errorf("met %s twice, or it was never made", id)
			}
			delete(made, id)
		}
		if list["next_cursor"] == nil {
			if pages != 3 {
				t.Errorf("got %d pages, want 3", pages)
			}
			break
		}
		h.newCustomer()
		list = h.send(request{method: "GET", path: path + "&cursor=" + list["next_cursor"].(string)}).want(t, http.StatusOK)
	}
	if len(made) > 0 {
		t.Errorf("never met %v", made)
	}
}

// TestCursorIsBound uses cursors where they do not belong (row 65 of the error
// contract).
func TestCursorIsBound(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer, other := h.newLedger(3), h.newLedger(3)
	next := func(path string) string {
		cursor, ok := h.send(request{method: "GET", path: path}).want(t, http.StatusOK)["next_cursor"].(string)
		if !ok {
			t.Fatalf("%s: got no cursor, want one", path)
		}
		return cursor
	}
	good := next(entriesPath(customer) + "?page_size=1")
	h.send(request{method: "GET", path: entriesPath(customer) + "?cursor=" + good}).want(t, http.StatusOK)

	flipped := []byte(good)
	flipped[len(flipped)/2] ^= 1
	twin := h.newBusiness("Twin")
	for name, r := range map[string]request{
		"of another customer": {path: entriesPath(customer) + "?cursor=" + next(entriesPath(other)+"?page_size=1")},
		"of another route":    {path: entriesPath(customer) + "?cursor=" + next("/customers?page_size=1")},
		"of another business": {path: "/customers?cursor=" + next("/customers?page_size=1"), key: twin.TestKey},
		"of the other mode":   {path: "/customers?cursor=" + next("/customers?page_size=1"), key: h.business.LiveKey},
		"changed":             {path: entriesPath(customer) + "?cursor=" + string(flipped)},
		"cut":                 {path: entriesPath(customer) + "?cursor=" + good[:len(good)-2]},
		"longer":              {path: entriesPath(customer) + "?cursor=" + good + "AA"},
		"padded":              {path: entriesPath(customer) + "?cursor=" + good + "="},
		"very long":           {path: entriesPath(customer) + "?cursor=" + strings.Repeat("A", 5000)},
		"a number":            {path: entriesPath(customer) + "?cursor=2"},
		"a guess":             {path: entriesPath(customer) + "?cursor=" + base64.RawURLEncoding.EncodeToString(make([]byte, 36))},
	} {
		r.method = "GET"
		got := h.send(r)
		if got.status != http.StatusUnprocessableEntity || got.document(t)["code"] != "INVALID_CURSOR" {
			t.Errorf("a cursor %s: got status %d with %s, want 422 INVALID_CURSOR", name, got.status, got.body)
		}
	}
}

func TestQueryIsStrict(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer := h.newCustomer()
	list, wallets := entriesPath(customer), "/customers/"+customer+"/wallets"
	for _, c := range []struct {
		path, query string
		code        ledger.Code
		param       any
	}{
		{list, "page_size=-1", "INVALID_QUERY_PARAMS", "page_size"},
		{list, "page_size=101", "INVALID_QUERY_PARAMS", "page_size"},
		{list, "page_size=abc", "INVALID_QUERY_PARAMS", "page_size"},
		{list, "page_size=2147483648", "INVALID_QUERY_PARAMS", "page_size"},
		{list, "page_size=99999999999999999999", "INVALID_QUERY_PARAMS", "page_size"},
		{list, "page_size=1.0", "INVALID_QUERY_PARAMS", "page_size"},
		{list, "page_size=%2B1", "INVALID_QUERY_PARAMS", "page_size"},
		{list, "page_size=01", "INVALID_QUERY_PARAMS", "page_size"},
		{list, "page_size=+1", "INVALID_QUERY_PARAMS", "page_size"},
		{list, "page_size=", "INVALID_QUERY_PARAMS", "page_size"},
		{list, "page_size", "INVALID_QUERY_PARAMS", "page_size"},
		{list, "page_size=1&page_size=1", "INVALID_QUERY_PARAMS", "page_size"},
		{list, "page_number=-1", "INVALID_QUERY_PARAMS", "page_number"},
		{list, "page_number=2147483648", "INVALID_QUERY_PARAMS", "page_number"},
		{list, "page_number=1000001&page_size=100", "INVALID_QUERY_PARAMS", "page_number"},
		{list, "page_number=10000001", "INVALID_QUERY_PARAMS", "page_number"},
		{list, "page_number=1&cursor=x", "INVALID_QUERY_PARAMS", "page_number"},
		{list, "cursor=x", "INVALID_CURSOR", "cursor"},
		{list, "Page_size=1", "INVALID_QUERY_PARAMS", "Page_size"},
		{list, "unknown=1", "INVALID_QUERY_PARAMS", "unknown"},
		{list, "=1", "INVALID_QUERY_PARAMS", nil},
		{list, "page_size=%zz", "INVALID_QUERY_PARAMS", nil},
		{list, "page_size=%", "INVALID_QUERY_PARAMS", nil},
		{list, "page_size=1;page_number=1", "INVALID_QUERY_PARAMS", nil},
		{list, "idempotency_key=%ff", "INVALID_ENCODING", nil},
		{list, "idempotency_key=%00", "INVALID_ENCODING", nil},
		{list, "currency=usd", "UNSUPPORTED_CURRENCY", "currency"},
		{list, "currency=XXX", "UNSUPPORTED_CURRENCY", "currency"},
		{list, "event_type=topup", "INVALID_QUERY_PARAMS", "event_type"},
		{list, "entry_type=Credit", "INVALID_QUERY_PARAMS", "entry_type"},
		{list, "created_at_gte=yesterday", "INVALID_QUERY_PARAMS", "created_at_gte"},
		{list, "created_at_lte=2026-03-01T12:00:00", "INVALID_QUERY_PARAMS", "created_at_lte"},
		{list, "created_at_lte=2026-03-01T12:00:00+01:00", "INVALID_QUERY_PARAMS", "created_at_lte"},
		{wallets, "page_size=1", "INVALID_QUERY_PARAMS", "page_size"},
		{"/customers", "currency=USD", "INVALID_QUERY_PARAMS", "currency"},
		{"/business", "x=1", "INVALID_QUERY_PARAMS", "x"},
		{"/healthz", "x=1", "INVALID_QUERY_PARAMS", "x"},
	} {
		got := h.send(request{method: "GET", path: c.path + "?" + c.query})
		body := got.document(t)
		if got.status != http.StatusUnprocessableEntity || body["code"] != string(c.code) || body["param"] != c.param {
			t.Errorf("%s?%s: got status %d with %s, want 422 %s for %v", c.path, c.query, got.status, got.body, c.code, c.param)
		}
	}
	for _, query := range []string{"", "&", "page_size=1&", "page%5Fsize=1"} {
		h.send(request{method: "GET", path: list + "?" + query}).want(t, http.StatusOK)
	}
	for _, r := range []request{
		{method: "POST", path: "/customers?x=1", body: `{"email":"a@example.com","name":"a"}`},
		{method: "PATCH", path: "/customers/" + customer + "?x=1", body: `{}`},
		{method: "POST", path: list + "?currency=USD", body: `{"amount":1,"currency":"USD","entry_type":"credit"}`},
		{method: "PATCH", path: "/business?x=1", body: `{}`},
		{method: "GET", path: list + "/cwt_0Tn2lqUn000000bB9wXcP?x=1"},
		{method: "GET", path: "/customers/" + customer + "?x=1"},
	} {
		h.send(r).refused(t, http.StatusUnprocessableEntity, "INVALID_QUERY_PARAMS")
	}
}
