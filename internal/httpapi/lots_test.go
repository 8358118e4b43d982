package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/billfold/billfold/internal/httpapi"
	"github.com/billfold/billfold/internal/ledger"
)

func lotsPath(customer, currency string) string {
	return "/customers/" + customer + "/wallets/" + currency + "/lots"
}

// shownLots is a list of lots in one line each.
func shownLots(list document) (lots []string) {
	for _, lot := range list.items() {
		expires, _ := lot["expires_at"].(string)
		lots = append(lots, fmt.Sprintf("%d %v %d %v %s", lot.number("lot_seq"), lot["category"], lot.number("remaining"),
			lot["expired"], expires))
	}
	return lots
}

func TestLots(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer := h.newCustomer()
	post := func(members string) {
		t.Helper()
		h.send(request{method: "POST", path: entriesPath(customer), body: `{"currency":"USD",` + members + `}`}).want(t, http.StatusOK)
	}
	post(`"amount":100,"entry_type":"credit"`)
	post(`"amount":200,"entry_type":"credit","expires_at":"2026-03-01T14:00:00Z"`)
	post(`"amount":300,"entry_type":"credit","category":"promotional"`)
	post(`"amount":400,"entry_type":"credit","category":"promotional","expires_at":"2026-03-01T13:00:00.000001Z"`)
	post(`"amount":50,"entry_type":"debit"`)
	list := h.send(request{method: "GET", path: lotsPath(customer, "USD")}).want(t, http.StatusOK)
	want := []string{
		"4 promotional 350 false 2026-03-01T13:00:00.000001Z", "2 paid 200 false 2026-03-01T14:00:00.000000Z",
		"3 promotional 300 false ", "1 paid 100 false ",
	}
	if diff := cmp.Diff(want, shownLots(list)); diff != "" {
		t.Errorf("lots (-want +got):\n%s", diff)
	}
	wallet := document(list["wallet"].(map[string]any))
	if wallet.number("balance") != 950 || wallet.number("available") != 950 || wallet.number("seq") != 5 ||
		list.number("as_of_position") != 5 || list["next_cursor"] != nil {
		t.Errorf("got %v, want the wallet of 5 entries beside its lots and no cursor", list)
	}
	wallets := h.send(request{method: "GET", path: "/customers/" + customer + "/wallets"}).want(t, http.StatusOK)
	if diff := cmp.Diff(wallets.items()[1], wallet); diff != "" {
		t.Errorf("the wallet beside the lots (-list of wallets +got):\n%s", diff)
	}

	// To the microsecond, and before anybody has swept.
	h.clock.Set(start.Add(time.Hour))
	if got := shownLots(h.send(request{method: "GET", path: lotsPath(customer, "USD")}).document(t)); got[0] != want[0] {
		t.Errorf("a microsecond before the end: got %s", got[0])
	}
	h.clock.Move(time.Microsecond)
	list = h.send(request{method: "GET", path: lotsPath(customer, "USD")}).document(t)
	if got := shownLots(list); got[0] != "4 promotional 350 true 2026-03-01T13:00:00.000001Z" || got[1] != want[1] {
		t.Errorf("at the end: got %s and %s", got[0], got[1])
	}
	if wallet := document(list["wallet"].(map[string]any)); wallet.number("balance") != 950 || wallet.number("available") != 600 {
		t.Errorf("at the end: got wallet %v, want 950 and 600 available", wallet)
	}

	tenant := ledger.Tenant{BusinessID: h.business.Business.ID, Mode: ledger.Test}
	key := ledger.WalletKey{Tenant: tenant, CustomerID: customer, Currency: "USD"}
	if n, err := h.book.Sweep(t.Context(), key, h.clock.Now(), 10); n != 1 || err != nil {
		t.Fatalf("sweep: got %d and error %v, want 1", n, err)
	}
	list = h.send(request{method: "GET", path: lotsPath(customer, "USD")}).document(t)
	if diff := cmp.Diff(want[1:], shownLots(list)); diff != "" {
		t.Errorf("after the sweep (-want +got):\n%s", diff)
	}
	entries := h.send(request{method: "GET", path: entriesPath(customer) + "?page_size=1"}).want(t, http.StatusOK)
	entry, err := json.Marshal(entries.items()[0]["allocations"])
	if err != nil || string(entry) != `[{"amount":350,"lot_seq":4}]` || entries.items()[0]["counter_account"] != "breakage" ||
		entries.items()[0]["reason"] != "Expired" {
		t.Errorf("got the expiry entry %v with %s, want it to show the lot and its account", entries.items()[0], entry)
	}
	for _, currency := range []string{"INR", "EUR"} {
		list := h.send(request{method: "GET", path: lotsPath(customer, currency)}).want(t, http.StatusOK)
		wallet := document(list["wallet"].(map[string]any))
		if len(list.items()) != 0 || wallet.number("seq") != 0 || wallet["currency"] != currency {
			t.Errorf("a wallet without entries: got %v, want no lots", list)
		}
	}
}

// The lots of the past are shown as the list showed them then.
func TestLotsAsOf(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer := h.newCustomer()
	get := func(query string) document {
		t.Helper()
		return h.send(request{method: "GET", path: lotsPath(customer, "USD") + query}).want(t, http.StatusOK)
	}
	shown := map[string][]string{"?as_of_seq=0": nil, asOfTime(start.Add(-time.Microsecond)): nil}
	for i, body := range []string{
		`"amount":100,"entry_type":"credit"`, `"amount":200,"entry_type":"credit","expires_at":"2026-03-01T13:20:00Z"`,
		`"amount":250,"entry_type":"debit"`, `"amount":7,"entry_type":"credit","expires_at":"2026-03-01T14:00:00Z"`,
	} {
		h.send(request{method: "POST", path: entriesPath(customer), body: `{"currency":"USD",` + body + `}`}).want(t, http.StatusOK)
		lots := shownLots(get(""))
		shown[fmt.Sprintf("?as_of_seq=%d", i+1)], shown[asOfTime(h.clock.Now())] = lots, lots
		h.clock.Move(20 * time.Minute)
		shown[asOfTime(h.clock.Now().Add(-time.Microsecond))] = lots
	}
	h.clock.Move(time.Hour)
	shown["?as_of=2099-01-01T00:00:00Z"], shown[asOfTime(h.clock.Now())] = shownLots(get("")), shownLots(get(""))
	for query, want := range shown {
		if diff := cmp.Diff(want, shownLots(get(query))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	list := get("?as_of_seq=2&page_size=1")
	wallet := document(list["wallet"].(map[string]any))
	if wallet.number("balance") != 300 || wallet.number("seq") != 2 || wallet["available"] != nil ||
		wallet["ledger_entry_id"] == nil || list.number("as_of_position") != 4 {
		t.Errorf("got %v, want the wallet as it was", list)
	}
	next := get("?as_of_seq=2&cursor=" + list["next_cursor"].(string))
	if got := append(shownLots(list), shownLots(next)...); !cmp.Equal(got, shown["?as_of_seq=2"]) {
		t.Errorf("got %v in two pages, want %v", got, shown["?as_of_seq=2"])
	}
	for _, query := range []string{"?", "?as_of_seq=1&", "?as_of=2099-01-01T00:00:00Z&"} {
		h.send(request{method: "GET", path: lotsPath(customer, "USD") + query + "cursor=" + list["next_cursor"].(string)}).
			refused(t, http.StatusUnprocessableEntity, httpapi.CodeInvalidCursor)
	}
	refused := h.send(request{method: "GET", path: lotsPath(customer, "USD") + "?as_of_seq=5"}).
		refused(t, http.StatusUnprocessableEntity, httpapi.CodeInvalidQueryParams)
	if refused["param"] != "as_of_seq" {
		t.Errorf("got param %v, want as_of_seq", refused["param"])
	}
}

// A wallet of many lots is read by cursor.
func TestLotsByCursor(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer := h.newLedger(35)
	path, seqs, pages := lotsPath(customer, "USD")+"?page_size=8", []int64{}, 0
	for cursor := ""; pages == 0 || cursor != ""; pages++ {
		list := h.send(request{method: "GET", path: path + cursor}).want(t, http.StatusOK)
		for _, lot := range list.items() {
			seqs = append(seqs, lot.number("lot_seq"))
		}
		cursor = ""
		if next, more := list["next_cursor"].(string); more {
			cursor = "&cursor=" + next
		}
	}
	want := []int64{}
	for seq := range int64(35) {
		want = append(want, seq+1)
	}
	if !cmp.Equal(seqs, want) || pages != 5 {
		t.Errorf("got lots %v in %d pages, want 1 to 35 in 5", seqs, pages)
	}
	list := h.send(request{method: "GET", path: lotsPath(customer, "USD")}).want(t, http.StatusOK)
	if len(list.items()) != 10 {
		t.Errorf("got %d lots without a size, want 10", len(list.items()))
	}
}

// A reversal of a credit takes from its own lot, says how much it could take, and
// is answered like a debit.
func TestReversalsOfCredits(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer := h.newCustomer()
	post := func(body string) string {
		return h.send(request{method: "POST", path: entriesPath(customer), body: body}).want(t, http.StatusOK)["ledger_entry_id"].(string)
	}
	post(`{"amount":300,"currency":"USD","entry_type":"credit"}`)
	bonus := post(`{"amount":500,"currency":"USD","entry_type":"credit","category":"promotional"}`)
	post(`{"amount":420,"currency":"USD","entry_type":"debit"}`)
	undo := func(body string) reply {
		return h.send(request{method: "POST", path: entriesPath(customer) + "/" + bonus + "/reverse", body: body})
	}
	refused := undo(`{"amount":81}`)
	refused.refused(t, http.StatusUnprocessableEntity, "REVERSAL_EXCEEDS_LOT")
	if !strings.Contains(refused.body, " 80 minor units") || !strings.Contains(refused.body, `"param":"amount"`) {
		t.Errorf("got %s, want it to say that 80 can be taken", refused.body)
	}
	first := undo(`{"allow_partial":true,"idempotency_key":"undo","metadata":{"a":"b"}}`)
	answer := first.want(t, http.StatusOK)
	if answer.number("ledger_entry_amount") != 80 || answer.number("balance") != 300 || answer.number("available") != 300 {
		t.Errorf("got %v, want 80 taken and 300 left", answer)
	}
	again := h.send(request{method: "POST", path: entriesPath(customer) + "/" + bonus + "/reverse",
		body: `{"allow_partial":true,"metadata":{"a":"b"}}`, headers: map[string]string{"Idempotency-Key": "undo"}})
	if again.status != http.StatusOK || again.body != first.body {
		t.Errorf("got %d %s for a repeat, want %s", again.status, again.body, first.body)
	}
	undo(`{"idempotency_key":"undo","metadata":{"a":"b"}}`).refused(t, http.StatusUnprocessableEntity, "IDEMPOTENCY_KEY_REUSED")
	entry := h.send(request{method: "GET", path: entriesPath(customer) + "/" + answer["ledger_entry_id"].(string)}).want(t, http.StatusOK)
	if entry["is_credit"] != false || entry["reverses"] != bonus || entry["counter_account"] != "promotion" || entry.number("amount") != 80 {
		t.Errorf("got entry %v, want a debit of 80 against promotion that reverses %s", entry, bonus)
	}
}

// What goes back to an expired lot is written off, or lives on for as long as the
// business has set. The answer is the wallet right after the reversal, and so is
// that to a repeat.
func TestReversalsAfterExpiry(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, grace := range []int64{0, 3600} {
		h.clock.Set(start)
		customer := h.newCustomer()
		h.send(request{method: "PATCH", path: "/business", body: fmt.Sprintf(`{"reversal_grace_seconds":%d}`, grace)}).want(t, http.StatusOK)
		h.send(request{method: "POST", path: entriesPath(customer),
			body: `{"amount":500,"currency":"USD","entry_type":"credit","expires_at":"2026-03-01T13:00:00Z"}`}).want(t, http.StatusOK)
		taken := h.send(request{method: "POST", path: entriesPath(customer), body: `{"amount":400,"currency":"USD","entry_type":"debit"}`}).
			want(t, http.StatusOK)
		h.clock.Set(start.Add(2 * time.Hour))
		undo := request{method: "POST", path: entriesPath(customer) + "/" + taken["ledger_entry_id"].(string) + "/reverse",
			body: `{"amount":300}`, headers: map[string]string{"Idempotency-Key": "undo"}}
		first := h.send(undo)
		answer := first.want(t, http.StatusOK)
		if answer.number("balance") != 400 || answer.number("available") != 0 || answer.number("seq") != 3 {
			t.Errorf("grace of %d s: got %v, want balance 400 and nothing available at seq 3", grace, answer)
		}
		if again := h.send(undo); again.status != http.StatusOK || again.body != first.body {
			t.Errorf("grace of %d s: got %d %s for a repeat, want %s", grace, again.status, again.body, first.body)
		}
		list := h.send(request{method: "GET", path: lotsPath(customer, "USD")}).want(t, http.StatusOK)
		wallet := document(list["wallet"].(map[string]any))
		want, balance, available, seq := []string(nil), int64(0), int64(0), int64(4)
		if grace > 0 {
			want = []string{"1 paid 100 true 2026-03-01T13:00:00.000000Z", "5 paid 300 false 2026-03-01T15:00:00.000000Z"}
			balance, available, seq = 400, 300, 5
		}
		if diff := cmp.Diff(want, shownLots(list)); diff != "" {
			t.Errorf("grace of %d s: lots (-want +got):\n%s", grace, diff)
		}
		if wallet.number("balance") != balance || wallet.number("available") != available || wallet.number("seq") != seq {
			t.Errorf("grace of %d s: got wallet %v, want balance %d, available %d, seq %d", grace, wallet, balance, available, seq)
		}
	}
}
