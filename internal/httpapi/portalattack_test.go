package httpapi_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// portalForms are all forms, with what each needs beside its key; ids come with the test.
func portalForms(card, subscription string) map[string]url.Values {
	return map[string]url.Values{
		"/portal/top-up":        {"currency": {"USD"}, "amount": {"25.00"}, "card": {card}},
		"/portal/auto-top-up":   {"currency": {"USD"}, "do": {"off"}},
		"/portal/cards":         {},
		"/portal/cards/remove":  {"card": {card}},
		"/portal/subscriptions": {"subscription": {subscription}, "do": {"cancel"}},
	}
}

// formPages are the pages on which the forms are.
var formPages = map[string]string{
	"/portal/top-up": "/portal/top-up?currency=USD", "/portal/auto-top-up": "/portal/top-up?currency=USD", "/portal/cards": "/portal/cards",
	"/portal/cards/remove": "/portal/cards", "/portal/subscriptions": "/portal/subscriptions",
}

// furnished is a customer who has one of everything that a form is about.
func (s *stand) furnished(name string) (v *patron, card, subscription string) {
	s.Helper()
	v = s.enter(s.rig.customer(s.business.TestKey, name))
	card = v.saveCard()
	subscription = v.subscribe(card)
	s.api200("PUT", "/customers/"+v.customer+"/wallets/USD/auto-top-up",
		`{"threshold":1,"target":2500,"payment_method_id":"`+card+`","cap":{"period":"month","count":3}}`)
	return v, card, subscription
}

// TestPortalForgeries sends forms from elsewhere, with keys that are none, and without a
// session that counts: nothing happens.
func TestPortalForgeries(t *testing.T) {
	onEachStand(t, func(s *stand) {
		v, card, subscription := s.furnished("jane")
		other, _, _ := s.furnished("mallory")
		forms := portalForms(card, subscription)
		for path, form := range forms {
			s.clock.Move(time.Minute) // so that none is refused for coming too often
			own := v.key(formPages[path], path)
			foreign := other.key(formPages[path], path)
			form.Set("key", own)
			v.refuses(403, "another website", path, form, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example")
			v.refuses(403, "another website", path, form, "Sec-Fetch-Site", "same-site")
			v.refuses(403, "another website", path, form, "Sec-Fetch-Site", "none")
			v.refuses(415, "not what the page sends", path, form, "Content-Type", "text/plain")
			v.refuses(415, "not what the page sends", path, form, "Content-Type", "multipart/form-data; boundary=x")
			id, code, _ := strings.Cut(own, ".")
			for _, key := range []string{"", "x", own + "A", own[1:], id, id + ".", "." + code, foreign} {
				form.Set("key", key)
				v.refuses(403, "opened too long ago", path, form)
			}
			for page, name := range formPages {
				if page != path {
					form.Set("key", v.key(name, page))
					v.refuses(403, "opened too long ago", path, form)
				}
			}
			form.Set("key", own)
			form.Set("padding", strings.Repeat("x", 5000))
			v.refuses(413, "too large", path, form)
			form.Del("padding")
			if got := (&patron{stand: s}).ask("POST", path, form); got.status != http.StatusUnauthorized {
				s.Errorf("%s without a session: got status %d, want 401", path, got.status)
			}
		}
		v.untouched(subscription)
	})
}

// untouched wants that none of the forms has done anything.
func (v *patron) untouched(subscription string) {
	v.Helper()
	if got := v.items("/customers/" + v.customer + "/payment-methods"); len(got) != 1 {
		v.Errorf("got cards %v, want the one that was there", got)
	}
	if got := v.api200("GET", "/subscriptions/"+subscription, ""); got["cancel_at_next_billing_date"] != false {
		v.Errorf("got subscription %v, want it to go on", got)
	}
	if got := v.api200("GET", "/customers/"+v.customer+"/wallets/USD/auto-top-up", ""); got["enabled"] != true {
		v.Errorf("got rule %v, want it enabled", got)
	}
	if got := v.items("/payments?customer_id=" + v.customer); len(got) != 1 {
		v.Errorf("got %d payments, want that of the subscription", len(got))
	}
}

// TestPortalOfAnother has a customer name what belongs to another one: it is as if it
// were not there. None of their pages shows it either.
func TestPortalOfAnother(t *testing.T) {
	onEachStand(t, func(s *stand) {
		jane, card, subscription := s.furnished("jane")
		mallory, _, _ := s.furnished("mallory")
		forms := portalForms(card, subscription)
		unknown := portalForms("pm_TV52uJWWXt2yIoBBxpjaa", "sub_TV52uJWWXt2yIoBBxpjaa")
		for _, path := range []string{"/portal/top-up", "/portal/cards/remove", "/portal/subscriptions"} {
			forms[path].Set("key", mallory.key(formPages[path], path))
			unknown[path].Set("key", mallory.key(formPages[path], path))
			got, want := mallory.ask("POST", path, forms[path]), mallory.ask("POST", path, unknown[path])
			if got.status != want.status || got.status < 400 || got.status >= 500 {
				s.Errorf("%s with another's id: got status %d, want that of an unknown one, %d", path, got.status, want.status)
			}
		}
		jane.untouched(subscription)
		for _, path := range portalPaths {
			for _, of := range []string{card, subscription, jane.customer, "jane"} {
				if page := mallory.show(path); strings.Contains(page, of) {
					s.Errorf("%s: got a page that has %s of another customer in it", path, of)
				}
			}
		}
		last := jane.items("/payments?customer_id=" + jane.customer)[0].(map[string]any)["payment_id"].(string)
		if page := mallory.show("/portal/invoices?before=inv_" + strings.TrimPrefix(last, "pay_")); strings.Contains(page, last) {
			s.Error("a page of invoices behind another customer's has that one in it")
		}
	})
}

// TestPortalSessionsEnd opens pages and sends forms with sessions that have expired, were
// revoked, or are somebody's text.
func TestPortalSessionsEnd(t *testing.T) {
	onEachStand(t, func(s *stand) {
		v, card, subscription := s.furnished("jane")
		forms := portalForms(card, subscription)
		for path, form := range forms {
			form.Set("key", v.key(formPages[path], path))
		}
		closed := func(v *patron, why string) {
			for _, path := range portalPaths {
				if got := v.ask("GET", path, nil); got.status != http.StatusUnauthorized || !strings.Contains(got.body, `class="card failure"`) {
					s.Errorf("%s, %s: got status %d, want 401", why, path, got.status)
				}
			}
			for path, form := range forms {
				if got := v.ask("POST", path, form); got.status != http.StatusUnauthorized {
					s.Errorf("%s, %s: got status %d, want 401", why, path, got.status)
				}
			}
			s.clock.Move(time.Hour / 2) // so that the address may try again
		}
		name := strings.SplitN(v.cookie, "=", 2)[0]
		closed(&patron{stand: s, cookie: name + "=x"}, "somebody's text")
		closed(&patron{stand: s, cookie: v.cookie + "; " + v.cookie}, "two cookies")
		closed(&patron{stand: s, cookie: strings.TrimPrefix(v.cookie, "__Host-")}, "a cookie that another host can have set")
		if got, _, _ := s.do(s.business.TestKey, "DELETE", "/customers/"+v.customer+"/customer-portal/session", ""); got != http.StatusNoContent {
			s.Fatalf("revoke: got status %d, want 204", got)
		}
		closed(v, "revoked")
		again := s.enter(v.customer)
		again.show("/portal")
		s.clock.Move(24 * time.Hour)
		closed(again, "expired")
		v.untouched(subscription)
	})
}

// TestPortalTakesSoMuch has a customer send more than a person does.
func TestPortalTakesSoMuch(t *testing.T) {
	onEachStand(t, func(s *stand) {
		v := s.enter(s.rig.customer(s.business.TestKey, "jane"))
		statuses := map[int]int{}
		for range 40 {
			statuses[v.ask("POST", "/portal/cards", url.Values{"key": {"x"}}).status]++
		}
		if statuses[http.StatusForbidden] != 30 || statuses[http.StatusTooManyRequests] != 10 {
			s.Errorf("got %v, want 30 that are looked at, and 10 that have to wait", statuses)
		}
	})
}

// TestPortalOfHostileTexts puts script and long texts into all that is shown: they stay
// texts, on every page.
func TestPortalOfHostileTexts(t *testing.T) {
	onEachStand(t, func(s *stand) {
		hostile := `<script>alert(1)</script>"><img src=x onerror=alert(1)>` + "\u202E" + strings.Repeat("x", 80)
		s.business = s.rig.business(hostile)
		s.product = s.api200("POST", "/products", `{"name":`+jsonText(hostile[:90])+`,"tax_category":"saas","price":`+planPrice+`}`)["product_id"].(string)
		v, _, _ := s.furnished("jane")
		s.api200("PATCH", "/customers/"+v.customer, `{"name":`+jsonText(hostile)+`}`)
		s.api200("POST", entriesOf(v.customer), `{"amount":1,"currency":"USD","entry_type":"credit","reason":`+
			jsonText(hostile+strings.Repeat("long ", 60))+`}`)
		for _, path := range portalPaths {
			got := v.ask("GET", path, nil)
			if got.status != http.StatusOK || !strings.Contains(got.body, "&lt;script&gt;") {
				s.Errorf("%s: got status %d with %.500s, want the texts on a page", path, got.status, got.body)
			}
			checkPage(t, got)
		}
	})
}
