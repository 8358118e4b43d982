package httpapi_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/billfold/billfold/internal/httpapi"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// shownDays is a series in one line a day.
func shownDays(list document) (days []string) {
	for _, day := range list.items() {
		days = append(days, fmt.Sprintf("%v: %v +%v -%v -%v = %v, %v entries to %v", day["date"], day["opening_balance"],
			day["credited"], day["debited"], day["expired"], day["closing_balance"], day["entries"], day["seq"]))
	}
	return days
}

// post posts an entry of USD.
func (h *house) post(customer, members string) {
	h.Helper()
	h.send(request{method: "POST", path: entriesPath(customer), body: `{"currency":"USD",` + members + `}`}).want(h, http.StatusOK)
}

// threeDays is a customer with entries around two midnights, one of which has
// expired and was written off.
func (h *house) threeDays() string {
	h.Helper()
	customer := h.newCustomer()
	midnight := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	h.post(customer, `"amount":1000,"entry_type":"credit","reason":"Top-up"`)
	h.post(customer, `"amount":400,"entry_type":"credit","category":"promotional","expires_at":"2026-03-02T10:00:00Z"`)
	h.clock.Set(midnight.Add(-time.Microsecond))
	h.post(customer, `"amount":150,"entry_type":"debit","reason":"The last of the day"`)
	h.clock.Set(midnight)
	h.post(customer, `"amount":30,"entry_type":"credit","reason":"The first of the day"`)
	h.clock.Set(midnight.Add(11 * time.Hour))
	tenant := ledger.Tenant{BusinessID: h.business.Business.ID, Mode: ledger.Test}
	key := ledger.WalletKey{Tenant: tenant, CustomerID: customer, Currency: "USD"}
	if n, err := h.book.Sweep(context.Background(), key, h.clock.Now(), 10); n != 1 || err != nil {
		h.Fatalf("sweep: got %d and error %v, want 1", n, err)
	}
	h.clock.Set(midnight.Add(72 * time.Hour))
	h.post(customer, `"amount":80,"entry_type":"debit"`)
	return customer
}

func TestDailyHistory(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer := h.threeDays()
	get := func(currency, from, to string) document {
		t.Helper()
		path := walletPath(customer, currency) + "/history?from=" + from + "&to=" + to
		return h.send(request{method: "GET", path: path}).want(t, http.StatusOK)
	}
	want := []string{
		"2026-02-28: 0 +0 -0 -0 = 0, 0 entries to 0",
		"2026-03-01: 0 +1400 -150 -0 = 1250, 3 entries to 3",
		"2026-03-02: 1250 +30 -0 -250 = 1030, 2 entries to 5",
		"2026-03-03: 1030 +0 -0 -0 = 1030, 0 entries to 5",
		"2026-03-04: 1030 +0 -0 -0 = 1030, 0 entries to 5",
		"2026-03-05: 1030 +0 -80 -0 = 950, 1 entries to 6",
	}
	list := get("USD", "2026-02-28", "2026-03-06")
	if diff := cmp.Diff(want, shownDays(list)); diff != "" {
		t.Errorf("days (-want +got):\n%s", diff)
	}
	if list.number("as_of_position") != 6 || list["currency"] != "USD" || list["customer_id"] != customer {
		t.Errorf("got %v, want the series of the wallet", list)
	}
	if diff := cmp.Diff(want[2:4], shownDays(get("USD", "2026-03-02", "2026-03-04"))); diff != "" {
		t.Errorf("two days (-want +got):\n%s", diff)
	}
	// Today has begun, tomorrow has not.
	if diff := cmp.Diff(want[5:], shownDays(get("USD", "2026-03-05", "2027-03-06"))); diff != "" {
		t.Errorf("with days to come (-want +got):\n%s", diff)
	}
	if days := get("USD", "2026-03-06", "2026-03-09").items(); len(days) != 0 {
		t.Errorf("got days %v that have not begun, want none", days)
	}
	if days := shownDays(get("EUR", "2026-03-01", "2026-03-02")); len(days) != 1 || !strings.HasSuffix(days[0], "0 entries to 0") {
		t.Errorf("a wallet without entries: got %v, want one empty day", days)
	}
}

// bentPast is a store that is not as it should be, or has more than it has.
type bentPast struct {
	ledger.Store
	more int64                // entries in front of those that are there
	bend func(*ledger.Totals) // nil: not
	read int                  // how often entries were added up
}

func (b *bentPast) Points(
	ctx context.Context, tenant ledger.Tenant, id string, currency money.Currency, at time.Time, asOf []ledger.AsOf,
) (ledger.PointList, error) {
	list, err := b.Store.Points(ctx, tenant, id, currency, at, asOf)
	for i := range list.Points {
		if i > 0 {
			list.Points[i].Seq += b.more
		}
	}
	return list, err
}

func (b *bentPast) Totals(
	ctx context.Context, tenant ledger.Tenant, id string, currency money.Currency, seqs []int64,
) ([]ledger.Totals, error) {
	b.read++
	totals, err := b.Store.Totals(ctx, tenant, id, currency, seqs)
	for i := range totals {
		if b.bend != nil {
			b.bend(&totals[i])
		}
	}
	return totals, err
}

// on returns the API on another store.
func (h *house) on(store ledger.Store) *httpapi.Server {
	h.Helper()
	api, err := httpapi.New(httpapi.Config{
		Book: ledger.NewBook(store, h.clock.Now, rand.Uint64), Directory: h.directory, Products: h.model, Inbox: h.model, Webhooks: h.webhooks, Now: h.clock.Now,
	})
	if err != nil {
		h.Fatalf("make the API: got error %v, want none", err)
	}
	return api
}

// Days that their entries do not lead through are not shown, and of more
// entries than may be added up none is looked at.
func TestDailyHistoryIsCheckedAndBounded(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer := h.threeDays()
	days := request{method: "GET", path: walletPath(customer, "USD") + "/history?from=2026-02-28&to=2026-03-02"}
	for name, bend := range map[string]func(*ledger.Totals){
		"credited":  func(totals *ledger.Totals) { totals.Credited++ },
		"debited":   func(totals *ledger.Totals) { totals.Debited++ },
		"expired":   func(totals *ledger.Totals) { totals.Expired-- },
		"entries":   func(totals *ledger.Totals) { totals.Entries-- },
		"too large": func(totals *ledger.Totals) { totals.Credited = 1<<63 - 1 },
	} {
		got := sendTo(h.on(&bentPast{Store: h.model, bend: bend}), days, h.business.TestKey)
		if got.status != http.StatusInternalServerError {
			t.Errorf("%s: got status %d with %s, want 500", name, got.status, got.body)
		}
	}
	large := sendTo(h.on(&bentPast{Store: h.model, bend: func(totals *ledger.Totals) {
		totals.Credited += money.BalanceMax
		totals.Debited += money.BalanceMax
	}}), days, h.business.TestKey).want(t, http.StatusOK)
	if got := large.items()[1]; got["credited"] != nil || got["debited"] != nil || got["expired"] != nil || got.number("closing_balance") != 1250 {
		t.Errorf("got %v, want no sums that JavaScript could not read", got)
	}
	for more, read := range map[int64]int{ledger.TotalsMax - 3: 1, ledger.TotalsMax - 2: 0} {
		store := &bentPast{Store: h.model, more: more, bend: func(totals *ledger.Totals) { totals.Entries += more }}
		got := sendTo(h.on(store), days, h.business.TestKey)
		if store.read != read {
			t.Errorf("%d entries: got entries added up %d times, want %d", more+3, store.read, read)
		}
		if read > 0 {
			continue
		}
		for _, day := range got.want(t, http.StatusOK).items() {
			if day["credited"] != nil || day["debited"] != nil || day["expired"] != nil {
				t.Errorf("%d entries: got %v, want no sums", more+3, day)
			}
		}
		if last := got.document(t).items()[1]; last.number("closing_balance") != 1250 || last.number("seq") != 3+more {
			t.Errorf("%d entries: got %v, want its balances", more+3, last)
		}
	}
}
