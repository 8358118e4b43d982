package httpapi_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/billfold/billfold/internal/httpapi"
)

func walletPath(customer, currency string) string {
	return "/customers/" + customer + "/wallets/" + currency
}

func asOfTime(t time.Time) string {
	return "?as_of=" + url.QueryEscape(t.Format(time.RFC3339Nano))
}

func TestWallet(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer := h.newCustomer()
	get := func(currency, query string) document {
		t.Helper()
		return h.send(request{method: "GET", path: walletPath(customer, currency) + query}).want(t, http.StatusOK)
	}
	if got := get("JPY", ""); got.number("balance") != 0 || got.number("seq") != 0 || got["ledger_entry_id"] != nil ||
		got["currency"] != "JPY" || got.number("available") != 0 {
		t.Errorf("got %v, want an empty wallet", got)
	}
	h.credit(customer, "500")
	h.clock.Move(time.Hour)
	h.credit(customer, "20")
	h.clock.Move(time.Hour)
	entries := h.send(request{method: "GET", path: entriesPath(customer)}).want(t, http.StatusOK).items()

	wallets := h.send(request{method: "GET", path: "/customers/" + customer + "/wallets"}).want(t, http.StatusOK)
	now := get("USD", "")
	if now["ledger_entry_id"] != entries[0]["id"] {
		t.Errorf("got entry %v, want the last, %v", now["ledger_entry_id"], entries[0]["id"])
	}
	delete(now, "ledger_entry_id")
	if diff := cmp.Diff(wallets.items()[1], now); diff != "" {
		t.Errorf("the wallet (-list of wallets +got):\n%s", diff)
	}

	const made = "2026-03-01T12:00:00.000000Z"
	before := document{"customer_id": customer, "currency": "USD", "balance": 0.0, "seq": 0.0, "created_at": made,
		"updated_at": made, "ledger_entry_id": nil}
	first := document{"customer_id": customer, "currency": "USD", "balance": 500.0, "seq": 1.0, "created_at": made,
		"updated_at": made, "ledger_entry_id": entries[1]["id"]}
	second := document{"customer_id": customer, "currency": "USD", "balance": 520.0, "seq": 2.0, "created_at": made,
		"updated_at": "2026-03-01T13:00:00.000000Z", "ledger_entry_id": entries[0]["id"]}
	for query, want := range map[string]document{
		"?as_of_seq=0":                                 before,
		"?as_of_seq=1":                                 first,
		"?as_of_seq=2":                                 second,
		asOfTime(start.Add(-time.Microsecond)):         before,
		"?as_of=0001-01-01T00:00:00Z":                  before,
		asOfTime(start):                                first,
		asOfTime(start.Add(time.Hour - 1)):             first, // a nanosecond before
		asOfTime(start.Add(time.Hour)):                 second,
		"?as_of=2026-03-01T18:30:00%2B05:30":           second,
		"?as_of=2026-03-01T18:29:59.999999999%2B05:30": first,
		"?as_of=2099-01-01T00:00:00Z":                  second,
	} {
		if diff := cmp.Diff(want, get("USD", query)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	for _, query := range []string{"?as_of_seq=3", "?as_of_seq=1&as_of=2026-03-01T12:00:00Z"} {
		refused := h.send(request{method: "GET", path: walletPath(customer, "USD") + query}).
			refused(t, http.StatusUnprocessableEntity, httpapi.CodeInvalidQueryParams)
		if refused["param"] != "as_of_seq" {
			t.Errorf("%s: got param %v, want as_of_seq", query, refused["param"])
		}
	}
}

// A path that is written out in the table is not taken for a currency.
func TestWalletPathIsNoList(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer := h.newCustomer()
	list := h.send(request{method: "GET", path: entriesPath(customer)}).want(t, http.StatusOK)
	if fmt.Sprint(list["items"]) != "[]" {
		t.Errorf("got %v, want a list of entries", list)
	}
}
