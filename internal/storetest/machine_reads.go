package storetest

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func drawPage(rt *rapid.T) ledger.Page {
	page := ledger.Page{Limit: rapid.SampledFrom([]int{1, 2, 3, 5, 12}).Draw(rt, "limit")}
	switch rapid.IntRange(0, 2).Draw(rt, "kind of page") {
	case 1:
		page.Skip = rapid.Int64Range(0, 12).Draw(rt, "skip")
	case 2:
		page.Before = rapid.Int64Range(1, 20).Draw(rt, "before")
	}
	return page
}

// drawTime draws a moment around those at which things happened, or none.
func (m *machine) drawTime(rt *rapid.T, label string) time.Time {
	ago := rapid.SampledFrom([]time.Duration{-1, -1, -1, -1, -1, 0, time.Microsecond, time.Second, time.Hour,
		1000 * time.Hour, -time.Hour}).Draw(rt, label)
	if ago == -1 {
		return time.Time{}
	}
	return m.real.book.Now().Add(-ago)
}

func (m *machine) listEntries(rt *rapid.T) {
	c := m.drawCustomer(rt)
	filter := ledger.EntryFilter{
		Currency:       rapid.SampledFrom([]money.Currency{"", "", "USD", "INR", "JPY"}).Draw(rt, "currency"),
		Direction:      rapid.SampledFrom([]ledger.Direction{"", "", ledger.Credit, ledger.Debit}).Draw(rt, "direction"),
		EventType:      rapid.SampledFrom([]ledger.EventType{"", "", ledger.EventMerchantAdjustment, ledger.EventPayment}).Draw(rt, "event type"),
		IdempotencyKey: rapid.SampledFrom([]string{"", "", "", "", "", "k1", "K1"}).Draw(rt, "key"),
		CreatedAtGTE:   m.drawTime(rt, "from"),
		CreatedAtLTE:   m.drawTime(rt, "to"),
	}
	// Each side follows its own cursor: it may stand anywhere between two items.
	wantPage := drawPage(rt)
	gotPage := wantPage
	for {
		want, wantErr := m.model.ledger.Entries(m.complaints.Context(), c.Tenant, c.ID, filter, wantPage)
		got, gotErr := m.real.ledger.Entries(m.complaints.Context(), c.Tenant, c.ID, filter, gotPage)
		if wantErr != nil || gotErr != nil {
			rt.Fatalf("list entries: got error %v, want %v", gotErr, wantErr)
		}
		if (want.Next == 0) != (got.Next == 0) {
			rt.Fatalf("list entries %+v %+v: got next %d, want %d", filter, gotPage, got.Next, want.Next)
		}
		wantPage.Skip, wantPage.Before = 0, want.Next
		gotPage.Skip, gotPage.Before = 0, got.Next
		want.Next, got.Next = 0, 0
		if diff := difference(want, got); diff != "" {
			rt.Fatalf("list entries %+v %+v (-want +got):\n%s", filter, gotPage, diff)
		}
		if wantPage.Before == 0 {
			return
		}
	}
}

// readOthers is every command that is neither about money nor about lists of
// entries.
func (m *machine) readOthers(rt *rapid.T) {
	rapid.SampledFrom([]func(*rapid.T){
		m.oneEntry, m.createCustomer, m.updateCustomer, m.listCustomers, m.listExpired, m.listLots, m.listPastLots, m.readPoints,
		m.listEvents, m.listHolds,
	}).Draw(rt, "what")(rt)
}

func (m *machine) oneEntry(rt *rapid.T) {
	c := m.drawCustomer(rt)
	h, err := ReadHistory(m.complaints.Context(), m.model.ledger, c.Tenant, c.ID)
	if err != nil || len(h.Entries) == 0 {
		return
	}
	want := rapid.SampledFrom(h.Entries).Draw(rt, "entry")
	asker := m.drawCustomer(rt)
	got, err := m.real.ledger.Entry(m.complaints.Context(), asker.Tenant, asker.ID, want.ID)
	if asker.Tenant != c.Tenant || asker.ID != c.ID {
		if ledger.CodeOf(err) != ledger.CodeNotFound {
			rt.Fatalf("entry of another customer: got error %v, want %s", err, ledger.CodeNotFound)
		}
		return
	}
	if diff := difference(want, got); err != nil || diff != "" {
		rt.Fatalf("entry: got error %v (-want +got):\n%s", err, diff)
	}
}

// listLots compares a wallet's lots, page by page; each side follows its own
// cursor.
func (m *machine) listLots(rt *rapid.T) {
	c := m.drawCustomer(rt)
	m.compareLots(rt, c, rapid.SampledFrom([]money.Currency{"USD", "INR", "JPY"}).Draw(rt, "currency"), nil)
}

// compareLots compares the lots of a wallet, now or as of a point in its past.
func (m *machine) compareLots(rt *rapid.T, c ledger.Customer, currency money.Currency, asOf *ledger.AsOf) {
	ctx := m.complaints.Context()
	wantPage := ledger.LotPage{Limit: rapid.SampledFrom([]int{1, 2, 5, 100}).Draw(rt, "limit"), At: m.clock.Now(),
		AsOf: asOf}
	gotPage := wantPage
	for {
		want, wantErr := m.model.ledger.Lots(ctx, c.Tenant, c.ID, currency, wantPage)
		got, gotErr := m.real.ledger.Lots(ctx, c.Tenant, c.ID, currency, gotPage)
		if wantErr != nil || gotErr != nil || (want.Next == 0) != (got.Next == 0) {
			rt.Fatalf("list lots: got error %v and next %d, want %v and %d", gotErr, got.Next, wantErr, want.Next)
		}
		wantPage.After, gotPage.After = want.Next, got.Next
		want.Next, got.Next = 0, 0
		bareAt(want.Chain.At(m.clock.Now()), &want.Wallet, &got.Wallet)
		if diff := difference(want, got); diff != "" {
			rt.Fatalf("list lots as of %+v (-want +got):\n%s", asOf, diff)
		}
		if wantPage.After == 0 {
			return
		}
	}
}

// listExpired compares which wallets have something to sweep. The store serves
// others beside this machine, whose wallets are passed over.
func (m *machine) listExpired(rt *rapid.T) {
	beside := rapid.SampledFrom([]time.Duration{0, -time.Microsecond, time.Minute}).Draw(rt, "beside")
	at := m.clock.Now().Add(beside)
	var found [2][]string
	for i, s := range []side{m.real, m.model} {
		keys, err := s.ledger.Expired(m.complaints.Context(), at, 1_000_000)
		if err != nil {
			rt.Fatalf("list expired: got error %v, want none", err)
		}
		for _, key := range keys {
			if slices.Contains(m.tenants, key.Tenant) {
				found[i] = append(found[i], fmt.Sprint(key))
			}
		}
		slices.Sort(found[i]) // equal times may come in any order
	}
	if diff := difference(found[1], found[0]); diff != "" {
		rt.Fatalf("list expired at %v (-want +got):\n%s", at, diff)
	}
}

func (m *machine) createCustomer(rt *rapid.T) {
	if len(m.customers) < 8 {
		// Newest first is by time, so no two may share one.
		m.clock.Move(time.Microsecond)
		m.newCustomer(rt, rapid.SampledFrom(m.tenants).Draw(rt, "tenant"), "")
	}
}

func (m *machine) updateCustomer(rt *rapid.T) {
	c := m.drawCustomer(rt)
	name := rapid.SampledFrom([]string{"Ann", "BOB", "Zoë"}).Draw(rt, "name")
	var answers [2]string
	for i, s := range []side{m.real, m.model} {
		updated, first, err := s.book.UpdateCustomer(m.complaints.Context(), c.Tenant, c.ID, ledger.Actor{KeyID: "key_m"},
			func(c ledger.Customer) ledger.Customer {
				c.Name = name
				return c
			}, nil)
		answers[i] = fmt.Sprint(updated, first, err)
	}
	if answers[0] != answers[1] {
		rt.Fatalf("update customer: got %s, want %s", answers[0], answers[1])
	}
}

func (m *machine) listCustomers(rt *rapid.T) {
	tenant := rapid.SampledFrom(m.tenants).Draw(rt, "tenant")
	filter := ledger.CustomerFilter{
		Name:  rapid.SampledFrom([]string{"", "bo", "O", "ZOË", "customer"}).Draw(rt, "name part"),
		Email: rapid.SampledFrom([]string{"", "", "m@example.com", "M@example.com"}).Draw(rt, "e-mail"),
	}
	want, wantErr := m.model.ledger.Customers(m.complaints.Context(), tenant, filter, ledger.Page{Limit: 200})
	got, gotErr := m.real.ledger.Customers(m.complaints.Context(), tenant, filter, ledger.Page{Limit: 200})
	if diff := difference(want, got); wantErr != nil || gotErr != nil || diff != "" {
		rt.Fatalf("list customers %+v: got error %v, want %v (-want +got):\n%s", filter, gotErr, wantErr, diff)
	}
}
