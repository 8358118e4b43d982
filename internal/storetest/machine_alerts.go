package storetest

import (
	"fmt"

	"pgregory.net/rapid"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// alerts gives a wallet thresholds of its own on both sides, or takes them away,
// or changes those of the business, by which later requests go. What entries then
// tell is held against [CheckLaws].
func (m *machine) alerts(rt *rapid.T) {
	var thresholds []ledger.Threshold
	below := money.Amount(0)
	for range rapid.IntRange(0, 3).Draw(rt, "thresholds") {
		below += money.Amount(rapid.SampledFrom([]int64{1, 50, 100, 400}).Draw(rt, "below"))
		beside := money.Amount(rapid.SampledFrom([]int64{0, 0, 1, 100}).Draw(rt, "recover beside"))
		thresholds = append(thresholds, ledger.Threshold{Below: below, RecoverAt: below + beside})
	}
	currency := rapid.SampledFrom([]money.Currency{"USD", "USD", "INR"}).Draw(rt, "currency")
	if rapid.IntRange(0, 2).Draw(rt, "of the business") == 0 {
		m.defaults = m.defaults.With(currency, ledger.MakeThresholds(thresholds))
		return
	}
	c := m.drawCustomer(rt)
	r := ledger.AlertsRequest{
		Tenant: c.Tenant, CustomerID: c.ID, By: ledger.Actor{KeyID: "key_m"}, Currency: currency, Thresholds: thresholds,
	}
	if rapid.IntRange(0, 3).Draw(rt, "drop") == 0 {
		r.Drop, r.Thresholds = true, nil
	}
	var answers [2]string
	for i, s := range []side{m.real, m.model} {
		changed, first, err := s.book.SetAlerts(m.complaints.Context(), r, nil)
		answers[i] = fmt.Sprint(changed, first, err)
	}
	if answers[0] != answers[1] {
		rt.Fatalf("alerts %+v: got %s, want %s", r, answers[0], answers[1])
	}
}
