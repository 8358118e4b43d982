package storetest

import (
	"fmt"

	"pgregory.net/rapid"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// walletName names a wallet, and a customer as a whole where it has no currency.
type walletName struct {
	tenant     ledger.Tenant
	customerID string
	currency   money.Currency
}

// freeze freezes or unfreezes a customer or a wallet on both sides, and wants a
// line in the trail exactly where something changes.
func (m *machine) freeze(rt *rapid.T) {
	ctx, c := m.complaints.Context(), m.drawCustomer(rt)
	r := ledger.FreezeRequest{
		Tenant: c.Tenant, CustomerID: c.ID, By: ledger.Actor{KeyID: "key_m", Address: "2001:db8::1"},
		Currency: rapid.SampledFrom([]money.Currency{"", "USD", "INR"}).Draw(rt, "currency"),
		Reason:   rapid.SampledFrom([]string{"Fraud", "Zoë's ✓"}).Draw(rt, "reason"),
	}
	// Most of the time money has to move, so that freezes do not last.
	r.Lift = rapid.IntRange(0, 3).Draw(rt, "lift") > 0
	if !r.Lift {
		r.Scope = rapid.SampledFrom([]ledger.FreezeScope{ledger.FreezeDebits, ledger.FreezeEverything}).Draw(rt, "scope")
	}
	before := m.readModel(rt, c.Tenant, c.ID)
	var answers [2]string
	var lines int64
	for i, s := range []side{m.real, m.model} {
		frozen, first, err := s.book.Freeze(ctx, r, nil)
		answers[i] = fmt.Sprint(frozen, first, err)
		lines = frozen.Audit.Position - before.Customer.Audit.Position
	}
	if answers[0] != answers[1] {
		rt.Fatalf("freeze %+v: got %s, want %s", r, answers[0], answers[1])
	}
	name, want := walletName{c.Tenant, c.ID, r.Currency}, int64(0)
	if m.frozen[name] != r.Scope {
		want = 1
	}
	if lines != want {
		rt.Fatalf("freeze %+v: got %d lines in the trail, want %d", r, lines, want)
	}
	m.frozen[name] = r.Scope
}

// refuses says from the commands alone whether a freeze forbids a request.
func (m *machine) refuses(r *ledger.PostRequest) bool {
	for _, currency := range []money.Currency{"", r.Currency} {
		scope := m.frozen[walletName{r.Tenant, r.CustomerID, currency}]
		if scope == ledger.FreezeEverything || scope == ledger.FreezeDebits && r.Direction == ledger.Debit {
			return true
		}
	}
	return false
}
