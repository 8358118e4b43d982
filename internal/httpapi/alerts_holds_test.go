package httpapi_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
)

// TestHoldsCrossThresholds makes a wallet low by a hold alone, which has no entry, by
// the thresholds of the business.
func TestHoldsCrossThresholds(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer := h.newCustomer()
	wallet := "/customers/" + customer + "/wallets"
	h.send(request{method: "PATCH", path: "/business", body: `{"alerts":{"USD":[{"below":500,"recover_at":700}]}}`}).want(t, http.StatusOK)
	h.credit(customer, "1000")
	made := h.send(request{method: "POST", path: wallet + "/holds",
		body: `{"amount":600,"currency":"USD","expires_at":"2026-03-02T00:00:00Z"}`}).want(t, http.StatusOK)
	hold := made["hold"].(map[string]any)["hold_id"].(string)
	standing := func() string {
		got := h.send(request{method: "GET", path: wallet + "/USD/alerts"}).want(t, http.StatusOK)
		return fmt.Sprint(got["available"], got["thresholds"].([]any)[0].(map[string]any)["standing"])
	}
	if got := standing(); got != "400low" {
		t.Errorf("with the hold: got %s, want 400low", got)
	}
	h.send(request{method: "POST", path: wallet + "/holds/" + hold + "/release", body: `{}`}).want(t, http.StatusOK)
	if got := standing(); got != "1000armed" {
		t.Errorf("without it: got %s, want 1000armed", got)
	}
	var told []string
	for _, event := range h.send(request{method: "GET", path: "/events?types=wallet.balance_low,wallet.balance_recovered"}).
		want(t, http.StatusOK).items() {
		data := event["data"].(map[string]any)
		told = append(told, fmt.Sprint(event["type"], data["threshold_amount"], data["recover_at"], data["available_balance"], data["balance"],
			data["held"], data["ledger_entry_id"], data["position"], data["seq"], data["hold_id"] == hold, data["event_number"]))
	}
	want := []string{
		fmt.Sprint("wallet.balance_low", 500, 700, 400, 1000, 600, nil, nil, 1, true, 1),
		fmt.Sprint("wallet.balance_recovered", 500, 700, 1000, 1000, 0, nil, nil, 1, true, 2),
	}
	if !slices.Equal(told, want) {
		t.Errorf("got events %q, want %q", told, want)
	}
}
