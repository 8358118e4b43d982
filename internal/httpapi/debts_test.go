package httpapi_test

import (
	"net/http"
	"strings"
	"testing"
)

// Where the business has set it, what a reversed credit has not left any more is
// owed, said in the answer and in its repeat, shown with the wallet, and paid by the
// next credits.
func TestReversalsThatLeaveADebt(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer := h.newCustomer()
	post := func(body string) document {
		return h.send(request{method: "POST", path: entriesPath(customer), body: body}).want(t, http.StatusOK)
	}
	wallet := func() string {
		return h.send(request{method: "GET", path: "/customers/" + customer + "/wallets/USD"}).body
	}
	topUp := post(`{"amount":500,"currency":"USD","entry_type":"credit"}`)["ledger_entry_id"].(string)
	post(`{"amount":420,"currency":"USD","entry_type":"debit"}`)
	undo := func(setting, body string) reply {
		h.send(request{method: "PATCH", path: "/business", body: `{"credit_reversal":"` + setting + `"}`}).want(t, http.StatusOK)
		return h.send(request{method: "POST", path: entriesPath(customer) + "/" + topUp + "/reverse", body: body,
			headers: map[string]string{"Idempotency-Key": "chargeback"}})
	}
	undo("refuse", `{"reason":"Charged back"}`).refused(t, http.StatusUnprocessableEntity, "REVERSAL_EXCEEDS_LOT")
	first := undo("debt", `{"reason":"Charged back"}`)
	answer := first.want(t, http.StatusOK)
	if answer.number("ledger_entry_amount") != 500 || answer.number("ledger_entry_owed") != 420 || answer.number("balance") != 0 ||
		answer.number("seq") != 4 {
		t.Errorf("got %v, want 500 taken, 420 owed and nothing left at seq 4", answer)
	}
	if again := undo("refuse", `{"reason":"Charged back"}`); again.status != http.StatusOK || again.body != first.body {
		t.Errorf("got %d %s for a repeat, want %s", again.status, again.body, first.body)
	}
	if got := wallet(); !strings.Contains(got, `"balance":0`) || !strings.Contains(got, `"debt":420`) {
		t.Errorf("got wallet %s, want nothing in it and 420 owed", got)
	}
	entry := h.send(request{method: "GET", path: entriesPath(customer) + "/" + answer["ledger_entry_id"].(string)})
	if !strings.Contains(entry.body, `"allocations":[{"lot_seq":1,"amount":80},{"lot_seq":0,"amount":420}]`) {
		t.Errorf("got entry %s, want it to take 80 of lot 1 and the loan", entry.body)
	}
	paid := post(`{"amount":450,"currency":"USD","entry_type":"credit"}`)
	if paid.number("balance") != 450 || paid.number("available") != 30 {
		t.Errorf("got %v, want a balance of 450 of which 30 are available", paid)
	}
	if got := wallet(); !strings.Contains(got, `"balance":30`) || strings.Contains(got, `"debt"`) {
		t.Errorf("got wallet %s, want 30 in it and nothing owed", got)
	}
	list := h.send(request{method: "GET", path: entriesPath(customer)})
	for _, want := range []string{
		`"counter_account":"debt","category":null,"expires_at":null,"allocations":[],"reverses":null`,
		`"counter_account":"debt","category":null,"expires_at":null,"allocations":[{"lot_seq":5,"amount":420}],"reverses":"` +
			paid["ledger_entry_id"].(string),
	} {
		if !strings.Contains(list.body, want) {
			t.Errorf("got entries %s, want %s among them", list.body, want)
		}
	}
}
