package httpapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/hosted"
	"github.com/billfold/billfold/internal/httpapi"
	"github.com/billfold/billfold/internal/storetest"
)

// portalPaths are all pages that only show something.
var portalPaths = []string{
	"/portal", "/portal/history", "/portal/top-up", "/portal/cards", "/portal/subscriptions", "/portal/invoices",
}

// stand is a business whose customers look at the portal, on one of the stores.
type stand struct {
	*rig
	business access.CreatedBusiness
	product  string // with a monthly price of 10.00
}

func onEachStand(t *testing.T, run func(s *stand)) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, open func(testing.TB) storetest.Stores) {
		links, err := hosted.NewLinks("https://wallet.example.com", nil)
		if err != nil {
			t.Fatal(err)
		}
		s := &stand{rig: newRig(t, open(t), rigOptions{config: func(c *httpapi.Config) {
			c.PublicURL, c.Links = "https://wallet.example.com", links
		}})}
		s.business = s.rig.business("Acme")
		s.product = s.api200("POST", "/products", `{"name":"Plan","tax_category":"saas","price":`+planPrice+`}`)["product_id"].(string)
		run(s)
	})
}

func (s *stand) api200(method, path, body string) map[string]any {
	s.Helper()
	return s.must(http.StatusOK, s.business.TestKey, method, path, body)
}

// patron is a customer who looks at the portal.
type patron struct {
	*stand
	customer string
	cookie   string
}

// enter opens a link of the customer's.
func (s *stand) enter(customer string) *patron {
	s.Helper()
	link := s.api200("POST", "/customers/"+customer+"/customer-portal/session", "")["link"].(string)
	v := &patron{stand: s, customer: customer}
	got := v.ask("GET", strings.TrimPrefix(link, "https://wallet.example.com"), nil)
	v.cookie, _, _ = strings.Cut(got.header.Get("Set-Cookie"), ";")
	if got.status != http.StatusSeeOther || v.cookie == "" {
		s.Fatalf("open a link: got status %d and headers %v, want a cookie", got.status, got.header)
	}
	return v
}

// ask sends what a browser sends from our own page. Headers come in pairs.
func (v *patron) ask(method, path string, form url.Values, headers ...string) reply {
	v.Helper()
	r := httptest.NewRequestWithContext(v.Context(), method, "https://wallet.example.com"+path, strings.NewReader(form.Encode()))
	if v.cookie != "" {
		r.Header.Set("Cookie", v.cookie)
	}
	if method == "POST" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	v.api.ServeHTTP(w, r)
	return reply{w.Code, w.Result().Header, w.Body.String()}
}

// show wants a page with texts on it.
func (v *patron) show(path string, texts ...string) string {
	v.Helper()
	got := v.ask("GET", path, nil)
	if got.status != http.StatusOK {
		v.Fatalf("%s: got status %d with %s, want 200", path, got.status, got.body)
	}
	for _, text := range texts {
		if !strings.Contains(got.body, text) {
			v.Errorf("%s: got a page without %q:\n%s", path, text, got.body)
		}
	}
	return got.body
}

// key is the key of the first form of a page that is sent to a path.
func (v *patron) key(page, path string) string {
	v.Helper()
	form := regexp.MustCompile(`(?s)action="` + path + `".*?name="key" value="([^"]+)"`).FindStringSubmatch(v.show(page))
	if form == nil {
		v.Fatalf("%s: got no form to %s, want one", page, path)
	}
	return form[1]
}

// leads wants a form to be carried out, and returns where it leads.
func (v *patron) leads(path string, form url.Values) string {
	v.Helper()
	got := v.ask("POST", path, form)
	if got.status != http.StatusSeeOther {
		v.Fatalf("%s %v: got status %d with %s, want 303", path, form, got.status, got.body)
	}
	return got.header.Get("Location")
}

// refuses wants a form to be refused with a status and a text.
func (v *patron) refuses(status int, text, path string, form url.Values, headers ...string) {
	v.Helper()
	got := v.ask("POST", path, form, headers...)
	if got.status != status || !strings.Contains(got.body, text) {
		v.Errorf("%s %v: got status %d with %s, want %d with %q", path, form, got.status, got.body, status, text)
	}
}

func (v *patron) balance() string {
	v.Helper()
	return fmt.Sprint(v.api200("GET", "/customers/"+v.customer+"/wallets/USD", "")["balance"])
}

func (v *patron) items(path string) []any {
	v.Helper()
	return v.api200("GET", path, "")["items"].([]any)
}

func (v *patron) saveCard() string {
	v.Helper()
	made := v.api200("POST", "/customers/"+v.customer+"/payment-methods", `{"token":"pm_sandbox_ok"}`)
	return made["payment_method_id"].(string)
}

// TestPortalTopUp tops up with a saved card and with another one: what is sent twice is
// charged once, also at the same time.
func TestPortalTopUp(t *testing.T) {
	onEachStand(t, func(s *stand) {
		v := s.enter(s.rig.customer(s.business.TestKey, "jane"))
		s.api200("PATCH", "/business", `{"top_up_limits":{"USD":{"minimum":500,"maximum":50000}}}`)
		const page = "/portal/top-up?currency=USD"
		v.show(page, "$5.00 to $500.00", "Go on to payment")
		form := url.Values{"key": {v.key(page, "/portal/top-up")}, "currency": {"USD"}, "amount": {"25.00"}}
		at := v.leads("/portal/top-up", form)
		if again := v.leads("/portal/top-up", form); again != at || !strings.HasPrefix(at, "https://wallet.example.com/pay/") {
			s.Errorf("sent twice: got %s and %s, want one page under /pay/", at, again)
		}
		if got := v.items("/payments"); len(got) != 1 || v.balance() != "0" {
			s.Errorf("got payments %v and a balance of %s, want one that waits", got, v.balance())
		}
		form.Set("amount", "26.00")
		v.refuses(422, "sent before with something else", "/portal/top-up", form)
		card := v.saveCard()
		v.show(page, "Visa ending in 4242", "Another card")
		form = url.Values{"key": {v.key(page, "/portal/top-up")}, "currency": {"USD"}, "amount": {"other"}, "other": {" 12.5 "}, "card": {card}}
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() { v.ask("POST", "/portal/top-up", form) })
		}
		group.Wait()
		v.leads("/portal/top-up", form)
		if v.balance() != "1250" || len(v.items("/payments")) != 2 {
			s.Errorf("got a balance of %s after %d payments, want 1250 after 2", v.balance(), len(v.items("/payments")))
		}
		for text, want := range map[string]string{
			"4.99": "$5.00 at least", "500.01": "$500.00 at the most", "12,50": "in digits", "-5": "at least", "1e3": "in digits",
			"": "in digits", "5.001": "in digits", `"><script>`: "in digits", strings.Repeat("9", 30): "in digits",
		} {
			form := url.Values{"key": {v.key(page, "/portal/top-up")}, "currency": {"USD"}, "amount": {"other"}, "other": {text}}
			v.refuses(422, want, "/portal/top-up", form)
		}
		v.clock.Move(time.Minute)
		form = url.Values{"key": {v.key(page, "/portal/top-up")}, "currency": {"USD"}, "amount": {"25.00"}, "card": {"pm_sandbox_ok"}}
		v.refuses(422, "Choose one of the cards", "/portal/top-up", form)
		form.Set("currency", "EUR")
		v.refuses(404, "no such page", "/portal/top-up", form)
		s.api200("POST", "/customers/"+v.customer+"/freeze", `{"scope":"everything","reason":"x"}`)
		form.Set("currency", "USD")
		form.Set("card", card)
		v.refuses(422, "frozen", "/portal/top-up", form)
	})
}

// TestPortalCards saves a card by the page for it, and removes cards.
func TestPortalCards(t *testing.T) {
	onEachStand(t, func(s *stand) {
		v := s.enter(s.rig.customer(s.business.TestKey, "jane"))
		v.show("/portal/cards", "No card is saved.")
		form := url.Values{"key": {v.key("/portal/cards", "/portal/cards")}}
		at := v.leads("/portal/cards", form)
		if again := v.leads("/portal/cards", form); again != at || !strings.HasPrefix(at, "https://wallet.example.com/pay/") {
			s.Errorf("sent twice: got %s and %s, want one page under /pay/", at, again)
		}
		card := v.saveCard()
		remove := url.Values{"key": {v.key("/portal/cards", "/portal/cards/remove")}, "card": {card}}
		subscription := v.subscribe(card)
		v.refuses(409, "A subscription is paid with this card", "/portal/cards/remove", remove)
		s.api200("PATCH", "/subscriptions/"+subscription, `{"status":"cancelled"}`)
		for range 2 {
			v.leads("/portal/cards/remove", remove)
		}
		if got := v.items("/customers/" + v.customer + "/payment-methods"); len(got) != 0 {
			s.Errorf("got %v, want no cards", got)
		}
	})
}

func (v *patron) subscribe(card string) string {
	v.Helper()
	made := v.api200("POST", "/subscriptions", `{"product_id":"`+v.product+`","quantity":1,"billing":{"country":"US"},`+
		`"customer":{"customer_id":"`+v.customer+`"},"payment_method_id":"`+card+`"}`)
	return made["subscription_id"].(string)
}

// TestPortalSubscriptions cancels a subscription at the end of its period, and keeps it
// after all; what the business has cancelled stays so.
func TestPortalSubscriptions(t *testing.T) {
	onEachStand(t, func(s *stand) {
		v := s.enter(s.rig.customer(s.business.TestKey, "jane"))
		v.show("/portal/subscriptions", "You have no subscriptions.")
		id := v.subscribe(v.saveCard())
		const path = "/portal/subscriptions"
		v.show(path, "Plan", "every month", "Active", "1 Apr 2026", "No other card is saved.")
		other := v.saveCard()
		form := url.Values{"key": {v.key(path, path)}, "subscription": {id}, "do": {"card"}, "card": {other}}
		for range 2 {
			v.leads(path, form)
		}
		if got := s.api200("GET", "/subscriptions/"+id, "")["payment_method_id"]; got != other {
			s.Errorf("another card: got %v, want %s", got, other)
		}
		form.Set("card", "pm_sandbox_ok")
		v.refuses(422, "Choose one of the cards", path, form)
		form = url.Values{"key": {v.key(path, path)}, "subscription": {id}, "do": {"cancel"}, "feedback": {"unused"}}
		for range 2 {
			v.leads(path, form)
		}
		got := s.api200("GET", "/subscriptions/"+id, "")
		if got["cancel_at_next_billing_date"] != true || got["cancellation_feedback"] != "unused" || got["cancel_reason"] != "cancelled_by_customer" {
			s.Errorf("cancelled: got %v", got)
		}
		v.show(path, "Ends on", "Keep subscription")
		form.Set("do", "keep")
		v.leads(path, form)
		if got := s.api200("GET", "/subscriptions/"+id, ""); got["cancel_at_next_billing_date"] != false || got["cancel_reason"] != nil {
			s.Errorf("kept: got %v", got)
		}
		s.api200("PATCH", "/subscriptions/"+id, `{"cancel_at_next_billing_date":true}`)
		if page := v.show(path, "Ends on"); strings.Contains(page, "Keep subscription") {
			s.Error("what the business has cancelled may be kept")
		}
		v.refuses(422, "not cancelled by you", path, form)
		s.api200("PATCH", "/subscriptions/"+id, `{"status":"cancelled"}`)
		form.Set("do", "cancel")
		v.ask("POST", path, form)
		v.show(path, "Cancelled", "Ended on")
	})
}

// TestPortalAutoTopUp switches a rule that the business has made.
func TestPortalAutoTopUp(t *testing.T) {
	onEachStand(t, func(s *stand) {
		v := s.enter(s.rig.customer(s.business.TestKey, "jane"))
		card, page := v.saveCard(), "/portal/top-up?currency=USD"
		if got := v.show(page); strings.Contains(got, "Automatic") {
			s.Error("got a rule where there is none")
		}
		rule := "/customers/" + v.customer + "/wallets/USD/auto-top-up"
		s.api200("PUT", rule, `{"threshold":500,"target":2500,"payment_method_id":"`+card+`","cap":{"period":"month","count":3}}`)
		v.show(page, "$5.00", "$25.00", "3 times a month", "Turn off")
		form := url.Values{"key": {v.key(page, "/portal/auto-top-up")}, "currency": {"USD"}, "do": {"off"}}
		for _, do := range []string{"off", "off", "on", "on", "off"} {
			form.Set("do", do)
			v.leads("/portal/auto-top-up", form)
			if got := s.api200("GET", rule, "")["enabled"]; got != (do == "on") {
				s.Errorf("%s: got enabled %v", do, got)
			}
		}
		v.show(page, "Turn on")
		v.leads("/portal/cards/remove", url.Values{"key": {v.key("/portal/cards", "/portal/cards/remove")}, "card": {card}})
		form.Set("do", "on")
		v.refuses(422, "not saved any more", "/portal/auto-top-up", form)
		form.Set("currency", "INR")
		v.refuses(404, "no such page", "/portal/auto-top-up", form)
	})
}

// TestPortalHistory pages through what moved, and downloads a statement of it.
func TestPortalHistory(t *testing.T) {
	onEachStand(t, func(s *stand) {
		v := s.enter(s.rig.customer(s.business.TestKey, "jane"))
		v.show("/portal/history", "Nothing has moved")
		for i := range 31 {
			s.api200("POST", entriesOf(v.customer), fmt.Sprintf(
				`{"amount":100,"currency":"USD","entry_type":"credit","reason":"Entry %02d","metadata":{"c":"inside"},"idempotency_key":"inside-%d"}`, i, i))
		}
		s.api200("POST", entriesOf(v.customer),
			`{"amount":50,"currency":"USD","entry_type":"credit","category":"promotional","expires_at":"2026-04-01T00:00:00Z"}`)
		v.show("/portal", "$31.50", "Promotional", "$0.50", "Expires", "1 Apr 2026")
		first := v.show("/portal/history?currency=USD", "Entry 30", "Balance $31.50")
		older := regexp.MustCompile(`href="(/portal/history\?[^"]*before=[^"]*)"`).FindStringSubmatch(first)
		if strings.Contains(first, "Entry 00") || older == nil || strings.Contains(first, "inside") {
			t := "got a first page with all entries, without a next one, or with what the business keeps for itself"
			s.Fatal(t)
		}
		v.show(strings.ReplaceAll(older[1], "&amp;", "&"), "Entry 00", "Newest")
		for format, want := range map[string]string{"pdf": "application/pdf", "csv": "text/csv; charset=utf-8"} {
			got := v.ask("GET", "/portal/statement?currency=USD&from=2026-03-01&to=2026-03-01&format="+format, nil)
			if got.status != 200 || got.header.Get("Content-Type") != want ||
				format == "csv" && (!strings.Contains(got.body, "Entry 07") || strings.Contains(got.body, "inside")) {
				s.Errorf("a statement as %s: got status %d with %.300s", format, got.status, got.body)
			}
		}
		for query, want := range map[string]int{
			"currency=USD&from=2026-03-02&to=2026-03-01": 422, "currency=USD&from=x&to=2026-03-01": 422, "currency=USD&from=2020-01-01&to=2026-03-01": 422,
			"currency=XXX&from=2026-03-01&to=2026-03-01": 422, "currency=JPY&from=2026-03-02&to=2026-03-01": 404, "": 404,
		} {
			if got := v.ask("GET", "/portal/statement?"+query, nil); got.status != want && (query != "" || got.status < 400 || got.status >= 500) {
				s.Errorf("statement?%s: got status %d, want %d", query, got.status, want)
			}
		}
	})
}
