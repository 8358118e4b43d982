package saga

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/billfold/billfold/e2e/harness"
)

// A year of a test clock, seen by the API.
const (
	clockedCustomers = 20
	clockedFunds     = 6500 // in each wallet, of which the first six periods take 6000
	clockedPrice     = 1000 // of a month
	clockedLost      = 300  // credited behind the first period, and expired ten days later
	clockedPeriods   = 12   // billed, the first when it is subscribed to
	clockedKills     = 3
)

var (
	clockedFrom = time.Date(2027, 1, 15, 12, 0, 0, 0, time.UTC)
	clockedTo   = clockedFrom.AddDate(0, clockedPeriods, -1)
)

// year is a clock with its customers, of whom every other one has a card that is declined.
type year struct {
	clock     string
	customers []string
}

func declines(n int) bool { return n%2 == 1 }

func (s *shop) subscribedTo() string {
	return s.must("/products", "", object{"name": "Pro", "tax_category": "saas", "price": object{
		"type": "recurring_price", "currency": "USD", "price": clockedPrice, "discount": 0, "purchasing_power_parity": false,
		"payment_frequency_count": 1, "payment_frequency_interval": "Month",
		"subscription_period_count": 10, "subscription_period_interval": "Year",
	}})["product_id"].(string)
}

func (s *shop) year(product string) year {
	s.Helper()
	y := year{clock: s.must("/test-clocks", "", object{"frozen_time": clockedFrom})["test_clock_id"].(string)}
	for n := range clockedCustomers {
		id := s.must("/customers", "", object{"email": "ada@example.com", "name": "Ada", "test_clock": y.clock})["customer_id"].(string)
		y.customers = append(y.customers, id)
		entries, method := "/customers/"+id+"/wallets/ledger-entries", "pm_sandbox_ok"
		if declines(n) {
			method = "pm_sandbox_declined"
		}
		s.must(entries, "funds", object{"amount": clockedFunds, "currency": "USD", "entry_type": "credit"})
		s.must("/subscriptions", "subscribe "+id, object{
			"product_id": product, "quantity": 1, "customer": object{"customer_id": id}, "billing": object{"country": "US"},
			"payment_method_id": method,
		})
		s.must(entries, "lost", object{
			"amount": clockedLost, "currency": "USD", "entry_type": "credit", "expires_at": clockedFrom.AddDate(0, 0, 10),
		})
	}
	return y
}

// standing is what a clock says of itself.
type standing struct {
	Status string `json:"status"`
	Behind int    `json:"customers_behind"`
}

func (s *shop) standing(y year) (is standing) {
	s.Helper()
	if err := s.server.Client().Get(s.Context(), "/test-clocks/"+y.clock, &is); err != nil {
		s.Fatal(err)
	}
	return is
}

// awaitClock waits until a clock is as it should be.
func (s *shop) awaitClock(y year, is func(standing) bool) {
	s.Helper()
	for giveUp := time.Now().Add(200 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		now := s.standing(y)
		if is(now) {
			return
		}
		if time.Now().After(giveUp) || now.Status == "internal_failure" {
			s.Fatalf("the clock is %+v", now)
		}
	}
}

func ready(is standing) bool { return is.Status == "ready" }

func (s *shop) advance(y year) {
	s.Helper()
	s.must("/test-clocks/"+y.clock+"/advance", "", object{"frozen_time": clockedTo})
}

// billed is an invoice of the year.
type billed struct {
	State   string    `json:"state"`
	Total   int64     `json:"total_amount"`
	Wallet  int64     `json:"wallet_amount"`
	Card    int64     `json:"card_amount"`
	Tries   int       `json:"failed_tries"`
	Created time.Time `json:"created_at"`
	Updated time.Time `json:"updated_at"`
}

// moved is an entry of the year.
type moved struct {
	Amount, After int64
	At            time.Time
}

// lived is what has happened to a customer, without ids.
type lived struct {
	Invoices []billed
	Entries  []moved
}

func (s *shop) lived(customer string) (l lived) {
	s.Helper()
	var page struct {
		Items []billed `json:"items"`
	}
	query := url.Values{"customer_id": {customer}, "page_size": {"100"}}
	if err := s.server.Client().Get(s.Context(), "/invoices?"+query.Encode(), &page); err != nil {
		s.Fatal(err)
	}
	l.Invoices = page.Items
	slices.Reverse(l.Invoices)
	entries, err := s.server.Client().AllEntries(s.Context(), customer)
	if err != nil {
		s.Fatal(err)
	}
	slices.SortFunc(entries, func(a, b harness.Entry) int { return int(a.Position - b.Position) })
	for _, e := range entries {
		l.Entries = append(l.Entries, moved{e.Signed(), e.AfterBalance, e.CreatedAt})
	}
	return l
}

// checkYear holds what a customer has lived through against the calendar.
func (s *shop) checkYear(n int, l lived) {
	s.Helper()
	entries := []moved{{clockedFunds, 0, clockedFrom}, {-clockedPrice, 0, clockedFrom}, {clockedLost, 0, clockedFrom},
		{-clockedLost, 0, clockedFrom.AddDate(0, 0, 10)}}
	const byWallet = clockedFunds / clockedPrice
	left := int64(clockedFunds % clockedPrice)
	for period := range byWallet - 1 {
		entries = append(entries, moved{-clockedPrice, 0, clockedFrom.AddDate(0, period+1, 0)})
	}
	paid := clockedPeriods
	if declines(n) {
		paid = byWallet
	} else {
		entries = append(entries, moved{-left, 0, clockedFrom.AddDate(0, byWallet, 0)})
	}
	var balance int64
	for i := range entries {
		balance += entries[i].Amount
		entries[i].After = balance
	}
	if !slices.EqualFunc(entries, l.Entries, func(a, b moved) bool {
		return a.Amount == b.Amount && a.After == b.After && a.At.Equal(b.At)
	}) {
		s.Errorf("customer %d: got entries %v, want %v", n, l.Entries, entries)
	}
	if declines(n) && len(l.Invoices) > byWallet {
		last := l.Invoices[byWallet]
		if last.State == "paid" || last.Tries < 2 || !last.Updated.After(last.Created) || len(l.Invoices) != byWallet+1 {
			s.Errorf("customer %d: got %d invoices, and that of the declined card %+v, want it tried again later and no other", n,
				len(l.Invoices), last)
		}
	} else if len(l.Invoices) != clockedPeriods {
		s.Errorf("customer %d: got %d invoices", n, len(l.Invoices))
	}
	for period, i := range l.Invoices[:min(paid, len(l.Invoices))] {
		wallet := min(max(clockedFunds-int64(period)*clockedPrice, 0), clockedPrice)
		want := billed{State: "paid", Total: clockedPrice, Wallet: wallet, Card: clockedPrice - wallet}
		at := clockedFrom.AddDate(0, period, 0)
		if i.State != want.State || i.Total != want.Total || i.Wallet != want.Wallet || i.Card != want.Card ||
			!i.Created.Equal(at) || !i.Updated.Equal(at) {
			s.Errorf("customer %d: got for period %d %+v, want %+v at %v", n, period, i, want, at)
		}
	}
}

// A clock advances a year for 20 customers while the server is killed again and again.
// What has happened to each of them is what has happened to those of another clock, during
// which nobody was killed; it is what the calendar says, and in its order.
func TestAYearOfAClockSurvivesKills(t *testing.T) {
	for name, onPostgres := range map[string]bool{"embedded": false, "PostgreSQL": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, harness.Binary(t), onPostgres)
			s.start("")
			product := s.subscribedTo()
			calm, killed := s.year(product), s.year(product)
			s.awaitClock(calm, ready)
			s.awaitClock(killed, ready)
			s.advance(calm)
			s.awaitClock(calm, ready)
			s.advance(killed)
			for n := range clockedKills {
				// Each round is eight customers wide; what was done before the kill shows in the next.
				s.awaitClock(killed, func(is standing) bool { return is.Status == "ready" || is.Behind <= clockedCustomers-5*n })
				if n > 0 {
					time.Sleep(time.Duration(n) * 7 * time.Millisecond) // into the midst of it
				}
				is := s.standing(killed)
				s.server.Kill()
				<-s.server.Exited()
				if is.Status != "advancing" {
					t.Errorf("kill %d: the clock was %+v, want it on its way", n, is)
				}
				t.Logf("killed with %d customers on their way", is.Behind)
				s.start("")
			}
			s.awaitClock(killed, ready)
			for n := range clockedCustomers {
				quiet, loud := s.lived(calm.customers[n]), s.lived(killed.customers[n])
				s.checkYear(n, quiet)
				if got, want := asText(loud), asText(quiet); got != want {
					t.Errorf("customer %d: with kills\n%s\nwithout\n%s", n, got, want)
				}
			}
			s.server.Stop(t)
			if err := s.verify(); err != nil {
				t.Error(err)
			}
		})
	}
}

func asText(l lived) string {
	text, err := json.Marshal(l)
	if err != nil {
		return fmt.Sprint(err)
	}
	return string(text)
}
