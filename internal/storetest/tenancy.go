package storetest

import (
	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func tenancyScenarios() []scenario {
	return []scenario{
		{"N1 the same customer id in two businesses and both modes", tenancySameID},
		{"N1 another tenant's customer is not found", tenancyNotFound},
		{"N1 lists and filters show the tenant's own", tenancyLists},
		{"N3 the modes of a business have their own settings", tenancySettings},
	}
}

// tenants returns the shop and three others: its live mode and both modes of
// another business.
func (w *world) tenants() []ledger.Tenant {
	second := w.business("Second Shop")
	live := func(t ledger.Tenant) ledger.Tenant { return ledger.Tenant{BusinessID: t.BusinessID, Mode: ledger.Live} }
	return []ledger.Tenant{w.shop, live(w.shop), second, live(second)}
}

func tenancySameID(w *world) {
	id := w.book.NewID("cus_")
	var all []ledger.Customer
	for i, tenant := range w.tenants() {
		c := w.customer(func(c *ledger.Customer) { c.Tenant, c.ID = tenant, id })
		w.post(credit(c, moneyOf(100+i), withKey("k")))
		all = append(all, c)
	}
	for i, c := range all {
		got, err := w.ledger.Customer(w.Context(), c.Tenant, id)
		w.wantCode(err, "")
		w.same("customer", c, got)
		want := c
		want.Name = "Changed in one tenant"
		_, _, err = w.ledger.UpdateCustomer(w.Context(), c.Tenant, id,
			func(c ledger.Customer) (ledger.CustomerChange, error) {
				c.Name = want.Name
				return ledger.CustomerChange{Customer: c}, nil
			}, nil)
		w.wantCode(err, "")
		all[i] = want
		w.post(debit(c, 50))
		w.refuse(ledger.CodeInsufficientFunds, debit(c, moneyOf(51+i)))
		for j, other := range all {
			h := w.history(other)
			w.same("customer", other, h.Customer)
			wantBalance, wantEntries := money.Amount(100+j), 1
			if j <= i {
				wantBalance, wantEntries = wantBalance-50, 2
			}
			if h.Wallets[0].Balance != wantBalance || len(h.Entries) != wantEntries {
				w.Errorf("tenant %d: got balance %d and %d entries, want %d and %d", j, h.Wallets[0].Balance, len(h.Entries), wantBalance, wantEntries)
			}
		}
	}
}

func tenancyNotFound(w *world) {
	c := w.customer()
	change := w.post(credit(c, 500, withKey("k")))
	others := append(w.tenants()[1:],
		ledger.Tenant{BusinessID: "bus_unknown", Mode: ledger.Test},
		ledger.Tenant{BusinessID: w.shop.BusinessID, Mode: "other"},
		ledger.Tenant{})
	w.unchanged(func() {
		for _, tenant := range others {
			stranger := c
			stranger.Tenant = tenant
			for what, err := range w.everyUse(stranger) {
				if got := ledger.CodeOf(err); got != ledger.CodeNotFound {
					w.Errorf("%s as %v: got code %q, want %q", what, tenant, got, ledger.CodeNotFound)
				}
			}
			_, err := w.ledger.Entry(w.Context(), tenant, c.ID, change.Entry.ID)
			w.wantCode(err, ledger.CodeNotFound)
		}
	}, c)
}

func tenancyLists(w *world) {
	tenants := w.tenants()
	want := map[ledger.Tenant][]ledger.Customer{}
	for i := range 40 {
		tenant := tenants[i*i%7%len(tenants)]
		c := w.customer(func(c *ledger.Customer) {
			c.Tenant, c.Email, c.Name = tenant, "shared@example.com", "Shared Name"
		})
		want[tenant] = append([]ledger.Customer{c}, want[tenant]...)
	}
	for _, tenant := range tenants {
		w.shop = tenant
		for _, f := range []ledger.CustomerFilter{{}, {Email: "shared@example.com"}, {Name: "shared"}, {CreatedAtGTE: epoch}} {
			w.walkCustomers(f, want[tenant])
		}
	}
}

func tenancySettings(w *world) {
	tenants := w.tenants()
	for i, tenant := range tenants {
		_, err := w.access.UpdateSettings(w.Context(), tenant, w.change(), func(s access.Settings) (access.Settings, error) {
			s.USDRates = map[money.Currency]string{"INR": []string{"0.01", "0.02", "0.03", "0.04"}[i]}
			return s, nil
		})
		w.wantCode(err, "")
	}
	for i, tenant := range tenants {
		s, err := w.access.Settings(w.Context(), tenant)
		w.wantCode(err, "")
		if got, want := s.USDRates["INR"], []string{"0.01", "0.02", "0.03", "0.04"}[i]; got != want {
			w.Errorf("tenant %v: got rate %q, want %q", tenant, got, want)
		}
	}
}
