package storetest

import (
	"pgregory.net/rapid"

	"github.com/billfold/billfold/internal/ledger"
)

// listEvents compares the feeds of a tenant. Stores may put the customers together
// in different ways, and keep to each customer's own order.
func (m *machine) listEvents(rt *rapid.T) {
	if m.sharded {
		return
	}
	ctx, tenant := m.complaints.Context(), rapid.SampledFrom(m.tenants).Draw(rt, "tenant")
	filter := rapid.SampledFrom([]ledger.EventFilter{
		{}, {}, {CustomerID: m.customers[0].ID}, {Kinds: []ledger.EventKind{ledger.WalletDebited, ledger.CustomerUpdated}},
	}).Draw(rt, "filter")
	limit := rapid.SampledFrom([]int{1, 3, 100}).Draw(rt, "limit")
	want, _, err := readEvents(ctx, m.model.book, m.patience, tenant, filter, limit, 0)
	if err != nil {
		rt.Fatalf("events of the model: got error %v, want none", err)
	}
	got, _, err := readEvents(ctx, m.real.book, m.patience, tenant, filter, limit, len(want))
	if err != nil {
		rt.Fatalf("events: got error %v, want none", err)
	}
	if diff := difference(byChain(want), byChain(got)); diff != "" {
		rt.Fatalf("events %+v in pages of %d (-want +got):\n%s", filter, limit, diff)
	}
}

// byChain are the events of each customer, those about money and those about the
// customer apart.
func byChain(events []ledger.Event) map[string][]ledger.Event {
	chains := map[string][]ledger.Event{}
	for _, e := range events {
		name := e.CustomerID
		if e.Currency() != "" {
			name += " money"
		}
		chains[name] = append(chains[name], e)
	}
	return chains
}
