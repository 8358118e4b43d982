package cli

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// page asks for a page of a customer, or sends its form, and returns where it leads.
func (s *shop) page(link, do string) (text, leads string) {
	s.Helper()
	at := s.server.base + link[strings.Index(link, "/pay/"):]
	method, body := http.MethodGet, ""
	if do != "" {
		method, body = http.MethodPost, url.Values{"do": {do}}.Encode()
	}
	request, err := http.NewRequestWithContext(s.Context(), method, at, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := s.server.client.Do(request)
	if err != nil {
		s.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	all, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		s.Fatalf("%s %s: got status %d, %v", method, do, answer.StatusCode, err)
	}
	s.clear(string(all))
	return string(all), strings.TrimPrefix(answer.Header.Get("Refresh"), "0; url=")
}

// credit gives the customer money, once under a key.
func (s *shop) credit(amount int64, key string) {
	s.Helper()
	s.call(200, "POST", "/customers/"+s.customer+"/wallets/ledger-entries",
		fmt.Sprintf(`{"amount":%d,"currency":"USD","entry_type":"credit","idempotency_key":%q}`, amount, key))
}

// wallet wants the wallet to have money, and a part of it to be held.
func (s *shop) wallet(what string, balance, held float64) {
	s.Helper()
	got := s.call(200, "GET", "/customers/"+s.customer+"/wallets/USD", "")
	if got["balance"] != balance || got["held"] != held {
		s.Errorf("%s: the wallet has %v with %v held, want %v with %v", what, got["balance"], got["held"], balance, held)
	}
}

// cards wants so much to have been charged to cards since, and so much given back.
func (s *shop) cards(what string, since moved, charged, back int64) {
	s.Helper()
	now := s.money()
	if c, b := now.charged-since.charged, now.back-since.back; c != charged || b != back {
		s.Errorf("%s: cards were charged %d and got back %d, want %d and %d", what, c, b, charged, back)
	}
}

// money is what went from and to cards.
func (s *shop) money() moved {
	s.stripe.mu.Lock()
	defer s.stripe.mu.Unlock()
	return s.stripe.moved
}

// byLink begins a payment with a link to a page.
func (s *shop) byLink() (payment, link string) {
	s.Helper()
	made := s.call(200, "POST", "/payments", fmt.Sprintf(
		`{"customer":{"customer_id":%q},"product_cart":[{"product_id":%q,"quantity":1}],"billing":{"country":"US"},"payment_link":true}`,
		s.customer, s.product))
	payment, link = made["payment_id"].(string), made["payment_link"].(string)
	s.await(payment, "requires_payment_method")
	return payment, link
}

// link pays by a link, on Stripe's own page: the answer to the charge is lost, so that
// Stripe's notifications tell of it, out of order and again and again. Then all goes back,
// and that answer is lost too.
func (s *shop) link() {
	for _, method := range s.call(200, "GET", "/customers/"+s.customer+"/payment-methods", "")["items"].([]any) {
		id := method.(map[string]any)["payment_method_id"].(string) // or the newest would be charged
		s.call(204, "DELETE", "/customers/"+s.customer+"/payment-methods/"+id, "")
	}
	s.credit(250, "link")
	before, intents := s.money(), s.stripe.count("pi")
	payment, link := s.byLink()
	if text, _ := s.page(link, ""); !strings.Contains(text, "7.50 USD") {
		s.Error("the page does not say what the card is to pay")
	}
	_, leads := s.page(link, "card")
	if !strings.HasPrefix(leads, "https://checkout.stripe.example/c/cs_fake") {
		s.Fatalf("the page leads to %q, want a page of Stripe's", leads)
	}
	if _, again := s.page(link, "card"); again != leads || s.stripe.count("cs") != 1 {
		s.Errorf("once more: it leads to %q, want %q and no other session", again, leads)
	}
	s.page(link, "") // the customer comes back without having entered a card
	s.wallet("before a card was entered", 250, 0)
	s.cards("before a card was entered", before, 0, 0)
	s.stripe.enter()
	s.stripe.set(func() { s.stripe.loses = "/confirm" })
	s.page(link, "")
	s.page(link, "")
	intent := s.stripe.last("pi")
	if got := s.call(200, "GET", "/payments/"+payment, "")["status"]; got != "processing" {
		s.Errorf("a charge of which nobody knows: got %v, want processing", got)
	}
	s.wallet("a charge of which nobody knows", 250, 250)
	s.tellOfPayment(intent)
	s.stripe.recovers()
	s.await(payment, "succeeded")
	s.wallet("paid", 0, 0)
	s.cards("paid", before, 750, 0)
	if got := s.stripe.count("pi") - intents; got != 1 {
		s.Errorf("payments at Stripe: got %d, want 1", got)
	}
	s.once(payment, 250)
	if text, _ := s.page(link, ""); !strings.Contains(text, "Paid") {
		s.Error("the page does not say that it is paid")
	}
	s.allBack(payment, before)
}

// tellOfPayment tells of a payment that has succeeded: in the wrong order, by several
// connections at once, and the old again at the end.
func (s *shop) tellOfPayment(intent map[string]any) {
	s.Helper()
	succeeded := s.stripe.copied(intent)
	created, processing := s.stripe.copied(intent), s.stripe.copied(intent)
	created["status"], created["amount_received"] = "requires_confirmation", 0
	processing["status"], processing["amount_received"] = "processing", 0
	s.told(200, "payment_intent.processing", processing)
	var sent sync.WaitGroup
	for range 6 {
		sent.Go(func() {
			if got := s.notify("evt_many", "payment_intent.succeeded", succeeded, s.secret, time.Now(), s.business); got != 200 {
				s.Errorf("one of many at once: got status %d, want 200", got)
			}
		})
	}
	sent.Wait()
	s.told(200, "payment_intent.created", created)
	s.told(200, "payment_intent.succeeded", succeeded)
	s.told(200, "payment_intent.processing", processing)
}

// once wants the wallet to have paid its part of a payment by one entry.
func (s *shop) once(payment string, amount float64) {
	s.Helper()
	invoice := "inv_" + strings.TrimPrefix(payment, "pay_")
	n := 0
	for _, item := range s.call(200, "GET", "/customers/"+s.customer+"/wallets/ledger-entries?currency=USD&page_size=100", "")["items"].([]any) {
		entry := item.(map[string]any)
		if entry["reference_object_id"] != invoice {
			continue
		}
		if n++; entry["amount"] != amount || entry["is_credit"] != false {
			s.Errorf("the entry of the payment: got %v, want a debit of %v", entry, amount)
		}
	}
	if n != 1 {
		s.Errorf("entries of the payment: got %d, want 1", n)
	}
}

// allBack gives all of a payment back. Stripe's answer is lost, and its notification
// comes twice.
func (s *shop) allBack(payment string, before moved) {
	s.Helper()
	refunds := s.stripe.count("re")
	s.stripe.set(func() { s.stripe.loses = "/refunds" })
	refund := s.call(200, "POST", "/refunds", `{"payment_id":"`+payment+`"}`)["refund_id"].(string)
	for range 100 {
		if s.stripe.count("re") > refunds {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if got := s.call(200, "GET", "/refunds/"+refund, "")["status"]; got != "pending" {
		s.Errorf("a refund of which nobody knows: got %v, want pending", got)
	}
	s.wallet("a refund of which nobody knows", 0, 0)
	s.stripe.recovers() // the list of refunds is asked
	s.told(200, "refund.updated", s.stripe.last("re"))
	s.told(200, "refund.created", s.stripe.last("re"))
	if got := s.call(200, "GET", "/refunds/"+refund, "")["status"]; got != "succeeded" {
		s.Errorf("a refund of which Stripe has told: got %v, want succeeded", got)
	}
	s.wallet("given back", 250, 0)
	s.cards("given back", before, 750, 750)
	s.call(400, "POST", "/refunds", `{"payment_id":"`+payment+`"}`)
	// The wallet is to be empty again for what comes, and a card is to be there.
	s.card("pm_card_ok")
	s.call(200, "POST", "/customers/"+s.customer+"/wallets/ledger-entries",
		`{"amount":250,"currency":"USD","entry_type":"debit","idempotency_key":"link_end"}`)
}
