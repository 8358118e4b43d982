package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const bulkPath = "/ledger-entries/bulk"

// bulkEntry is an entry of a bulk.
func bulkEntry(customer, members string) string {
	return fmt.Sprintf(`{"customer_id":%q,"currency":"USD",%s}`, customer, members)
}

func bulkBody(atomic bool, entries ...string) string {
	return fmt.Sprintf(`{"entries":[%s],"atomic":%t}`, strings.Join(entries, ","), atomic)
}

// shownBulk is the answer to a bulk in one line for each entry.
func shownBulk(answer document) (lines []string) {
	results, _ := answer["results"].([]any)
	for i, result := range results {
		line := document(result.(map[string]any))
		if line.number("index") != int64(i) {
			lines = append(lines, fmt.Sprintf("index %d", line.number("index")))
		}
		if refusal, refused := line["error"].(map[string]any); refused {
			lines = append(lines, fmt.Sprintf("%v %v %v", line["status"], refusal["code"], refusal["param"]))
			continue
		}
		wallet := document(line["wallet"].(map[string]any))
		lines = append(lines, fmt.Sprintf("%v seq %d balance %d", line["status"], wallet.number("seq"), wallet.number("balance")))
	}
	return append(lines, fmt.Sprintf("%d applied, %d replayed, %d refused",
		answer.number("applied"), answer.number("replayed"), answer.number("refused")))
}

func TestBulkEachForItself(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	jane, john := h.newCustomer(), h.newCustomer()
	entries := []string{
		bulkEntry(jane, `"amount":100,"entry_type":"credit","idempotency_key":"a"`),
		bulkEntry(john, `"amount":9,"entry_type":"debit","idempotency_key":"b"`),
		bulkEntry(jane, `"amount":30,"entry_type":"debit","idempotency_key":"c"`),
		bulkEntry(jane, `"amount":100,"entry_type":"credit","idempotency_key":"a"`),
		bulkEntry(jane, `"amount":101,"entry_type":"credit","idempotency_key":"a"`),
		bulkEntry(jane, `"amount":1.5,"entry_type":"credit"`),
		bulkEntry("cus_nobody_at_all", `"amount":1,"entry_type":"credit"`),
		bulkEntry("jane", `"amount":1,"entry_type":"credit"`),
		bulkEntry(jane, `"amount":1,"entry_type":"credit","if_seq":7`),
		`5`,
		`{"amount":1,"currency":"USD","entry_type":"credit"}`,
		bulkEntry(jane, `"amount":1,"entry_type":"credit","Reason":"x"`),
		bulkEntry(john, `"amount":7,"entry_type":"credit","idempotency_key":"a"`),
	}
	want := []string{
		"applied seq 1 balance 100",
		"refused INSUFFICIENT_WALLET_FUNDS <nil>",
		"applied seq 2 balance 70",
		"replayed seq 1 balance 100",
		"refused IDEMPOTENCY_KEY_REUSED idempotency_key",
		"refused AMOUNT_NOT_INTEGER amount",
		"refused NOT_FOUND <nil>",
		"refused NOT_FOUND <nil>",
		"refused CONDITION_FAILED if_seq",
		"refused INVALID_REQUEST_BODY <nil>",
		"refused MISSING_FIELD customer_id",
		"refused UNKNOWN_FIELD Reason",
		"applied seq 1 balance 7",
		"3 applied, 1 replayed, 9 refused",
	}
	first := h.send(request{method: "POST", path: bulkPath, body: bulkBody(false, entries...)}).want(t, http.StatusOK)
	if diff := cmp.Diff(want, shownBulk(first)); diff != "" {
		t.Errorf("the first time (-want +got):\n%s", diff)
	}
	again := h.send(request{method: "POST", path: bulkPath, body: bulkBody(false, entries...)}).want(t, http.StatusOK)
	for _, line := range []int{0, 2, 12} {
		want[line] = strings.Replace(want[line], "applied", "replayed", 1)
	}
	want[len(want)-1] = "0 applied, 4 replayed, 9 refused"
	if diff := cmp.Diff(want, shownBulk(again)); diff != "" {
		t.Errorf("again (-want +got):\n%s", diff)
	}
	for _, line := range []int{0, 2, 12} {
		a := first["results"].([]any)[line].(map[string]any)["wallet"]
		b := again["results"].([]any)[line].(map[string]any)["wallet"]
		if diff := cmp.Diff(a, b); diff != "" {
			t.Errorf("line %d: the answers differ (-first +again):\n%s", line, diff)
		}
	}
}

// A bulk that is sent again without keys could move its money twice.
func TestBulkSentAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	jane := h.newCustomer()
	body := bulkBody(false,
		bulkEntry(jane, `"amount":1,"entry_type":"credit"`),
		bulkEntry(jane, `"amount":2,"entry_type":"credit","idempotency_key":"a"`))
	send := func(retries, body string) []string {
		t.Helper()
		return shownBulk(h.send(request{method: "POST", path: bulkPath, body: body,
			headers: map[string]string{"X-Stainless-Retry-Count": retries}}).want(t, http.StatusOK))
	}
	got := [][]string{send("0", body), send("1", body)}
	want := [][]string{
		{"applied seq 1 balance 1", "applied seq 2 balance 3", "2 applied, 0 replayed, 0 refused"},
		{"refused IDEMPOTENCY_KEY_REQUIRED <nil>", "replayed seq 2 balance 3", "0 applied, 1 replayed, 1 refused"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBulkAllOrNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	jane, john := h.newCustomer(), h.newCustomer()
	good := []string{
		bulkEntry(jane, `"amount":100,"entry_type":"credit","idempotency_key":"a"`),
		bulkEntry(john, `"amount":50,"entry_type":"credit","idempotency_key":"a"`),
		bulkEntry(jane, `"amount":40,"entry_type":"debit","idempotency_key":"b"`),
	}
	for _, bad := range []struct {
		entry       string
		status      int
		code, param string
	}{
		{bulkEntry(john, `"amount":51,"entry_type":"debit"`), 400, "INSUFFICIENT_WALLET_FUNDS", "entries[3]"},
		{bulkEntry(jane, `"amount":101,"entry_type":"credit","idempotency_key":"a"`), 422, "IDEMPOTENCY_KEY_REUSED", "entries[3].idempotency_key"},
		{bulkEntry(jane, `"amount":"1","entry_type":"credit"`), 422, "AMOUNT_NOT_INTEGER", "entries[3].amount"},
		{bulkEntry(jane, `"amount":0,"entry_type":"credit"`), 422, "AMOUNT_NOT_POSITIVE", "entries[3].amount"},
		{bulkEntry("cus_nobody_at_all", `"amount":1,"entry_type":"credit"`), 404, "NOT_FOUND", "entries[3]"},
		{bulkEntry(jane, `"amount":1,"entry_type":"credit","if_seq":7`), 412, "CONDITION_FAILED", "entries[3].if_seq"},
	} {
		body := bulkBody(true, append(good, bad.entry)...)
		answer := h.send(request{method: "POST", path: bulkPath, body: body}).want(t, bad.status)
		if answer["code"] != bad.code || answer["param"] != bad.param {
			t.Errorf("%s: got %v at %v, want %s at %s", bad.entry, answer["code"], answer["param"], bad.code, bad.param)
		}
		for _, customer := range []string{jane, john} {
			if list := h.send(request{method: "GET", path: entriesPath(customer)}).want(t, http.StatusOK); len(list.items()) != 0 {
				t.Errorf("%s: got %d entries, want nothing of the bulk", bad.entry, len(list.items()))
			}
		}
	}
	want := []string{
		"applied seq 1 balance 100", "applied seq 1 balance 50", "applied seq 2 balance 60", "3 applied, 0 replayed, 0 refused",
	}
	got := shownBulk(h.send(request{method: "POST", path: bulkPath, body: bulkBody(true, good...)}).want(t, http.StatusOK))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The same entries with one on each line are the same bulk.
func TestBulkOfLines(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	jane := h.newCustomer()
	entries := []string{
		bulkEntry(jane, `"amount":100,"entry_type":"credit","idempotency_key":"a"`),
		bulkEntry(jane, `"amount":500,"entry_type":"debit","idempotency_key":"b"`),
	}
	send := func(path, body string, status int) document {
		t.Helper()
		return h.send(request{method: "POST", path: bulkPath + path, body: body,
			headers: map[string]string{"Content-Type": "application/x-ndjson; charset=utf-8"}}).want(t, status)
	}
	text := entries[0] + "\r\n\n" + entries[1]
	if answer := send("?atomic=true", text, 400); answer["param"] != "entries[1]" {
		t.Errorf("got param %v, want the line", answer["param"])
	}
	want := []string{"applied seq 1 balance 100", "refused INSUFFICIENT_WALLET_FUNDS <nil>", "1 applied, 0 replayed, 1 refused"}
	if diff := cmp.Diff(want, shownBulk(send("", text, 200))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if answer := send("", text+"\n{\"amount\":", 422); answer["code"] != "INVALID_REQUEST_BODY" || answer["param"] != "entries[2]" {
		t.Errorf("got %v at %v, want the line that is no JSON", answer["code"], answer["param"])
	}
}

// As many entries as a bulk may have, far more than share a commit, in the order
// of the lines; and one more.
func TestBulkOfTenThousand(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	jane := h.newCustomer()
	entries := make([]string, 10_000)
	for i := range entries {
		entries[i] = bulkEntry(jane, fmt.Sprintf(`"amount":%d,"entry_type":"credit","idempotency_key":"k%d"`, i+1, i))
	}
	answer := h.send(request{method: "POST", path: bulkPath, body: bulkBody(false, entries...)}).want(t, http.StatusOK)
	results := answer["results"].([]any)
	for i, result := range results {
		wallet := document(result.(map[string]any)["wallet"].(map[string]any))
		if got, want := wallet.number("balance"), int64(i+1)*int64(i+2)/2; got != want {
			t.Fatalf("line %d: got balance %d, want %d", i, got, want)
		}
	}
	body := bulkBody(false, append(entries, entries[0])...)
	answer = h.send(request{method: "POST", path: bulkPath, body: body}).want(t, 422)
	if answer["code"] != "LIMIT_REACHED" || len(results) != len(entries) {
		t.Errorf("got %v for one more than %d, want LIMIT_REACHED", answer["code"], len(results))
	}
}
