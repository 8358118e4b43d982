package storetest

import (
	"fmt"

	"pgregory.net/rapid"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// transfer sends money to some customer on both sides, and now and then leaves it
// on its way after one write or two.
func (m *machine) transfer(rt *rapid.T) {
	from := m.drawCustomer(rt)
	to := m.customers[rapid.IntRange(0, len(m.customers)-1).Draw(rt, "destination")]
	r := ledger.TransferRequest{
		Tenant: from.Tenant, CustomerID: from.ID, ToCustomerID: to.ID, CreatedBy: "key_test", CurrencyEnabled: true,
		DefaultAlerts:  m.defaults,
		Currency:       rapid.SampledFrom([]money.Currency{"USD", "USD", "USD", "INR"}).Draw(rt, "currency"),
		Amount:         money.Amount(rapid.Int64Range(1, 60).Draw(rt, "amount")),
		IdempotencyKey: rapid.SampledFrom([]string{"", "", "", "k1", "t1", "t2"}).Draw(rt, "key"),
		Reason:         rapid.SampledFrom([]string{"", "", "Zoë's ✓"}).Draw(rt, "reason"),
	}
	writes := rapid.SampledFrom([]int64{9, 9, 9, 1, 2}).Draw(rt, "writes")
	ctx := m.complaints.Context()
	var answers [2]string
	dice := m.sameDice()
	for i, s := range []side{m.real, m.model} {
		sent, err := ledger.NewBook(severedAfter(s.ledger, writes), m.clock.Now, dice[i]).Transfer(ctx, r)
		bare(&sent.Change.Wallet)
		answers[i] = fmt.Sprintf("%+v %s", sent.Transfer, ledger.CodeOf(err))
		if sent.Change.Transfer != nil {
			sent.Change.Transfer = nil // a pointer; its row is in the answer
		}
		answers[i] += fmt.Sprintf(" %+v", sent.Change)
	}
	if answers[0] != answers[1] {
		rt.Fatalf("transfer %+v: got %s, want %s", r, answers[0], answers[1])
	}
	m.compareTransfers(rt, from)
	m.compareTransfers(rt, to)
}

// sameDice are equal dice for both sides of one command, and for no other: two
// transfers between the same customers at one time would have one id.
func (m *machine) sameDice() (sides [2]func() uint64) {
	seed := m.ids.next()
	for i := range sides {
		sides[i] = (&dice{state: seed}).next
	}
	return sides
}

// resume brings everything that is in transit between the machine's customers to
// its end on both sides, some of it in two goes.
func (m *machine) resume(rt *rapid.T) {
	ctx := m.complaints.Context()
	writes := rapid.SampledFrom([]int64{9, 9, 1, 2, 3}).Draw(rt, "writes")
	for _, c := range m.customers {
		list, err := m.model.ledger.Transfers(ctx, c.Tenant, c.ID, ledger.Page{Limit: 200})
		if err != nil {
			rt.Fatalf("read model: %v", err)
		}
		for _, t := range list.Transfers {
			if t.State != ledger.TransferInTransit {
				continue
			}
			var answers [2]string
			dice := m.sameDice()
			for i, s := range []side{m.real, m.model} {
				done, err := ledger.NewBook(severedAfter(s.ledger, writes), m.clock.Now, dice[i]).
					ResumeTransfer(ctx, t.Tenant, t.CustomerID, t.ID)
				answers[i] = fmt.Sprintf("%+v %s", done, ledger.CodeOf(err))
			}
			if answers[0] != answers[1] {
				rt.Fatalf("resume %s: got %s, want %s", t.ID, answers[0], answers[1])
			}
		}
	}
	for _, c := range m.customers {
		m.compareTransfers(rt, c)
	}
	m.touched = rapid.IntRange(0, len(m.customers)-1).Draw(rt, "customer")
}

// compareTransfers compares a customer's rows on both sides, and those of the
// store with its entries: what each is to have taken, given and given back.
func (m *machine) compareTransfers(rt *rapid.T, c ledger.Customer) {
	ctx := m.complaints.Context()
	var lists [2]ledger.TransferList
	for i, s := range []side{m.real, m.model} {
		list, err := s.ledger.Transfers(ctx, c.Tenant, c.ID, ledger.Page{Limit: 200})
		if err != nil {
			rt.Fatalf("read transfers: got error %v, want none", err)
		}
		lists[i] = list
	}
	if diff := difference(lists[1], lists[0]); diff != "" {
		rt.Fatalf("transfers differ (-want +got):\n%s", diff)
	}
	h, err := ReadHistory(ctx, m.real.ledger, c.Tenant, c.ID)
	if err != nil {
		rt.Fatalf("read store: %v", err)
	}
	moved := map[string]money.Amount{}
	for _, e := range h.Entries {
		if e.Account == ledger.AccountTransfers {
			moved[e.ReferenceObjectID] += signed(e)
		}
	}
	if lists[0].Next != 0 {
		return
	}
	for _, t := range lists[0].Transfers {
		want := t.Amount
		if t.Outgoing {
			want = -t.Amount
		}
		if t.State == ledger.TransferReturned {
			want = 0
		}
		if moved[t.ID] != want {
			rt.Fatalf("transfer %s is %s and has moved %d, want %d", t.ID, t.State, moved[t.ID], want)
		}
		delete(moved, t.ID)
		m.comparePair(rt, t)
	}
	if len(moved) != 0 {
		rt.Fatalf("entries of transfers that there are not: %v", moved)
	}
}

// comparePair wants what one customer knows of a transfer to be so at the other.
func (m *machine) comparePair(rt *rapid.T, t ledger.Transfer) {
	other, err := m.real.ledger.Transfer(m.complaints.Context(), t.Tenant, t.OtherID, t.ID)
	want := map[ledger.TransferState]ledger.TransferState{
		ledger.TransferCompleted: ledger.TransferCompleted, ledger.TransferReturned: ledger.TransferRefused,
	}[t.State]
	if !t.Outgoing || t.State == ledger.TransferInTransit {
		return
	}
	if err != nil || other.State != want || other.Amount != t.Amount {
		rt.Fatalf("transfer %s is %s, and at the destination %+v, %v", t.ID, t.State, other, err)
	}
}
