package httpapi_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/httpapi"
	"github.com/billfold/billfold/internal/paper/papertest"
)

// pdf reads a document, and returns what is in it.
func (s *shop) pdf(r request) papertest.Document {
	s.Helper()
	got := s.send(r)
	if got.status != http.StatusOK || got.header.Get("Content-Type") != "application/pdf" ||
		!strings.HasPrefix(got.header.Get("Content-Disposition"), `inline; filename="`) {
		s.Fatalf("%s: got status %d and headers %v, want a PDF", r.path, got.status, got.header)
	}
	return papertest.Read(s, []byte(got.body))
}

// local is an address of this server as a path.
func local(t testing.TB, address string) string {
	t.Helper()
	parsed, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.RequestURI()
}

// TestDocuments reads the invoice of a payment and the credit note of its refund with each
// of what opens them, and with what does not.
func TestDocuments(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.send(request{method: "POST", path: entriesPath(s.customer),
		body: `{"amount":100,"currency":"USD","entry_type":"credit","category":"promotional"}`}).want(t, 200)
	s.credit(s.customer, "200")
	payment := s.pay("pdt_tenner00", `,"payment_method_id":"pm_sandbox_ok"`).want(t, 200)["payment_id"].(string)
	refund := s.refund(payment, `,"amount":500,"destination":"wallet","reason":"Broken"`).want(t, 200)["refund_id"].(string)

	parts := s.get("/invoices/inv_" + strings.TrimPrefix(payment, "pay_"))["wallet_parts"]
	if got := fmt.Sprint(parts); got != "map[paid:200 promotional:100]" {
		t.Errorf("wallet_parts: got %s, want 200 paid and 100 promotional", got)
	}
	link := local(t, s.get("/payments/" + payment)["invoice_url"].(string))
	if listed := s.get("/payments").items()[0]["invoice_url"].(string); local(t, listed) != link {
		t.Errorf("got invoice_url %s in the list and %s of the payment", listed, link)
	}
	invoice, note := "/invoices/payments/"+payment, "/invoices/refunds/"+refund
	session, reader := s.session("", s.customer), s.newKey("reader", "read")
	for name, r := range map[string]request{
		"key": {path: invoice}, "read key": {path: invoice, key: reader}, "session": {path: invoice, key: session},
		"link": {path: link, key: "-"},
	} {
		r.method = "GET"
		d := s.pdf(r)
		for _, text := range []string{
			"Acme", payment, "$10.00", "Paid from the wallet", "$2.00", "$1.00", "Paid by card ending in 4242", "$7.00", refund, "-$5.00",
		} {
			if !d.Shows(text) {
				t.Errorf("%s: the invoice does not show %q", name, text)
			}
		}
	}
	for name, r := range map[string]request{"key": {path: note}, "session": {path: note, key: session}} {
		r.method = "GET"
		if d := s.pdf(r); !d.Shows("Credit note") || !d.Shows("Broken") || !d.Shows("To the wallet") || !d.Shows("$5.00") || d.Shows("To the card") {
			t.Errorf("%s: the credit note is not what was refunded", name)
		}
	}
	other := s.session("", s.send(request{method: "POST", path: "/customers", body: `{"email":"joe@example.com","name":"Joe"}`}).
		want(t, 200)["customer_id"].(string))
	for name, r := range map[string]request{
		"nothing":              {path: invoice, key: "-"},
		"another document":     {path: note + "?" + strings.SplitN(link, "?", 2)[1], key: "-"},
		"a longer code":        {path: link + "A", key: "-"},
		"a shorter code":       {path: link[:len(link)-1], key: "-"},
		"a code of live mode":  {path: strings.Replace(link, "token=test", "token=live", 1), key: "-"},
		"a bad code and a key": {path: invoice + "?token=x.y.z"},
	} {
		r.method = "GET"
		if got := s.send(r); got.status != http.StatusUnauthorized {
			t.Errorf("%s: got status %d, want 401", name, got.status)
		}
	}
	for _, path := range []string{invoice, note} {
		s.send(request{method: "GET", path: path, key: other}).refused(t, 404, "NOT_FOUND")
	}
	for _, path := range []string{"/invoices/payments/x", "/invoices/refunds/x", "/invoices/payments/pay_TV52uJWWXt2yIoBBxpjaa"} {
		s.send(request{method: "GET", path: path}).refused(t, 404, "NOT_FOUND")
	}
}

// TestSessions has a customer read what is theirs until the session ends.
func TestSessions(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	payment := s.paid("pm_sandbox_ok")
	s.refund(payment, `,"amount":100`).want(t, 200)
	s.send(request{method: "POST", path: entriesPath(s.customer),
		body: `{"amount":7,"currency":"INR","entry_type":"credit","reason":"Gift","metadata":{"note":"secret"},"idempotency_key":"secret"}`}).
		want(t, 200)
	path := "/customers/" + s.customer + "/customer-portal/session"
	made := s.send(request{method: "POST", path: path + "?return_url=https%3A%2F%2Fshop.example.com%2Fa&send_email=false"}).want(t, 200)
	token := made["link"].(string)[strings.LastIndexByte(made["link"].(string), '/')+1:]
	read := func(path string) document {
		got := s.send(request{method: "GET", path: "/customer-portal/" + path, key: token})
		if strings.Contains(got.body, "secret") {
			t.Errorf("%s: got %s, which tells what the business keeps for itself", path, got.body)
		}
		return got.want(t, 200)
	}
	if got := read("business"); got["name"] != "Acme" || got["mode"] != "test" || got["return_url"] != "https://shop.example.com/a" {
		t.Errorf("business: got %v", got)
	}
	if got := read("profile"); got["customer_id"] != s.customer || got["metadata"] != nil {
		t.Errorf("profile: got %v", got)
	}
	if got := read("wallets").items(); len(got) != 2 || got[0]["currency"] != "INR" || got[0].number("balance") != 7 {
		t.Errorf("wallets: got %v", got)
	}
	all := read("wallets/ledger-entries?page_size=2")
	if all.number("total_count") != 4 || all["has_next"] != true || len(all.items()) != 2 || all.items()[0]["reason"] != "Gift" {
		t.Errorf("entries: got %v", all)
	}
	last := read("wallets/ledger-entries?page_size=2&page_number=1&currency=USD")
	if last.number("total_count") != 3 || last["has_next"] != false || len(last.items()) != 1 || last.items()[0]["metadata"] != nil {
		t.Errorf("entries of a currency: got %v", last)
	}
	payments := read("payments")
	if items := payments.items(); len(items) != 1 || items[0]["payment_id"] != payment || payments["has_next"] != false {
		t.Errorf("payments: got %v", payments)
	}
	if got := read("refunds").items(); len(got) != 1 || got[0]["payment_id"] != payment {
		t.Errorf("refunds: got %v", got)
	}
	read("payment-methods")
	for _, path := range []string{path + "?send_email=true", path + "?send_email=1", path + "?return_url=http%3A%2F%2Fx.example",
		path + "?return_url=https%3A%2F%2Fuser%40x.example", path + "?return_url=javascript%3Aalert(1)"} {
		if got := s.send(request{method: "POST", path: path}); got.status != 422 {
			t.Errorf("%s: got status %d, want 422", path, got.status)
		}
	}
	refused := request{method: "GET", path: "/customer-portal/wallets", key: token}
	s.clock.Move(24*time.Hour - time.Second)
	s.send(refused).want(t, 200)
	s.clock.Move(time.Second)
	s.send(refused).refused(t, 401, "UNAUTHORIZED")
	refused.key = s.session("", s.customer)
	s.send(refused).want(t, 200)
	if got := s.send(request{method: "DELETE", path: path}); got.status != http.StatusNoContent {
		t.Errorf("end the sessions: got status %d, want 204", got.status)
	}
	s.send(refused).refused(t, 401, "UNAUTHORIZED")
	refused.key = s.session("", s.customer) // of the very instant
	s.send(refused).want(t, 200)
}

// TestAnotherSecret keeps what was given out under the secret before, and ends it with
// the next.
func TestAnotherSecret(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	payment := s.paid("pm_sandbox_ok")
	link, token := local(t, s.get("/payments/" + payment)["invoice_url"].(string)), s.session("", s.customer)
	for old, want := range map[string]int{"a secret of the tests, long enough": 200, "any other secret of the tests": 401} {
		api, err := httpapi.New(httpapi.Config{
			Book: s.book, Directory: s.directory, Products: s.model, Inbox: s.model, Webhooks: s.webhooks, Now: s.clock.Now,
			Secret: []byte("the next secret of the tests"), OldSecrets: [][]byte{[]byte(old)},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []request{{path: link, key: "-"}, {path: "/customer-portal/wallets", key: token}} {
			r.method = "GET"
			if got := sendTo(api, r, ""); got.status != want {
				t.Errorf("%s after %s: got status %d, want %d", r.path, old, got.status, want)
			}
		}
	}
}

// TestPortalPage opens a link in a browser of sorts: the token goes from the address into
// a cookie, hostile texts stay texts, and nothing of it is in a log.
func TestPortalPage(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := newShop(t, func(c *httpapi.Config) {
		c.PublicURL = "https://shop.example.com/money"
		c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	hostile := `<script>alert(1)</script>"><img src=x onerror=alert(1)>` + "\u202E" + strings.Repeat("x", 150)
	s.send(request{method: "PATCH", path: "/customers/" + s.customer, body: `{"name":` + jsonText(hostile) + `}`}).want(t, 200)
	s.send(request{method: "POST", path: entriesPath(s.customer),
		body: `{"amount":123456,"currency":"INR","entry_type":"credit","reason":` + jsonText(hostile) + `}`}).want(t, 200)
	payment := s.paid("pm_sandbox_ok")
	s.refund(payment, `,"amount":100`).want(t, 200)
	made := s.send(request{method: "POST", path: "/customers/" + s.customer + "/customer-portal/session"}).want(t, 200)
	link, served := strings.CutPrefix(made["link"].(string), "https://shop.example.com/money")
	if !served {
		t.Fatalf("got link %s, want it below public-url", made["link"])
	}
	opened := s.send(request{method: "GET", path: link, key: "-"})
	cookie := opened.header.Get("Set-Cookie")
	if opened.status != http.StatusSeeOther || opened.header.Get("Location") != "/money/portal" ||
		opened.header.Get("Referrer-Policy") != "no-referrer" {
		t.Fatalf("got status %d and headers %v, want to be led to the page", opened.status, opened.header)
	}
	for _, want := range []string{"__Host-billfold_portal=", "HttpOnly", "SameSite=Lax", "Secure", "Path=/;", "Max-Age=86400"} {
		if !strings.Contains(cookie, want) {
			t.Errorf("got cookie %s, want %s in it", cookie, want)
		}
	}
	value, _, _ := strings.Cut(cookie, ";")
	page := s.send(request{method: "GET", path: "/portal", key: "-", headers: map[string]string{"Cookie": value}})
	if page.status != 200 || page.header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("got status %d and headers %v, want a page", page.status, page.header)
	}
	for _, want := range []string{"Acme", "₹1,234.56", "&#43;₹1,234.56", "&lt;script&gt;", "Test mode", `href="/money/portal/history"`} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	checkPage(t, page)
	bills := s.send(request{method: "GET", path: "/portal/invoices", key: "-", headers: map[string]string{"Cookie": value}})
	for _, want := range []string{"$10.00", ">Paid<", "$3.00 from the wallet, $7.00 by card", "To the card and the wallet", ">Refunded<",
		"/money/invoices/payments/" + payment + "?token=test."} {
		if !strings.Contains(bills.body, want) {
			t.Errorf("the page of invoices does not show %q", want)
		}
	}
	checkPage(t, bills)
	token := link[len("/portal/"):]
	if strings.Contains(page.body, token) || strings.Contains(log.String(), token) {
		t.Error("the token stands in the page or in the log")
	}
	for _, path := range []string{"/portal", "/portal/" + token[1:], "/portal/x"} {
		got := s.send(request{method: "GET", path: path, key: "-"})
		want := "This link has expired"
		if path == "/portal" {
			want = "You are signed out"
		}
		if got.status != 401 || !strings.Contains(got.body, want) || got.header.Get("Set-Cookie") != "" {
			t.Errorf("%s: got status %d with %s, want a page that says no", path, got.status, got.body)
		}
		checkPage(t, got)
	}
	s.signOut(value)
	s.styled(page.body)
}

// styled wants that a page has a style that browsers may keep.
func (s *shop) styled(page string) {
	s.Helper()
	style := regexp.MustCompile(`href="/money(/portal/assets/portal\.[0-9a-f]{12}\.css)"`).FindStringSubmatch(page)
	if style == nil {
		s.Fatalf("the page names no style:\n%s", page)
	}
	if got := s.send(request{method: "GET", path: style[1], key: "-"}); got.status != 200 ||
		got.header.Get("Content-Type") != "text/css; charset=utf-8" || !strings.Contains(got.header.Get("Cache-Control"), "immutable") {
		s.Errorf("the style: got status %d as %v", got.status, got.header)
	}
	s.send(request{method: "GET", path: "/portal/assets/layout.html", key: "-"}).refused(s, 404, "NOT_FOUND")
}

var (
	inline = regexp.MustCompile(`(?i)<script|<style|\sstyle=|\son[a-z]+=|"javascript:`)
	value  = regexp.MustCompile(`="(javascript:)?[^"]*"`) // of an attribute
)

// checkPage holds a page to the rules of all pages.
func checkPage(t *testing.T, page reply) {
	t.Helper()
	policy := "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	if page.header.Get("Content-Security-Policy") != policy || page.header.Get("Cache-Control") != "no-store" ||
		page.header.Get("X-Content-Type-Options") != "nosniff" || page.header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("got headers %v, want those of pages", page.header)
	}
	tags := regexp.MustCompile(`<[^>]*>`).FindAllString(page.body, -1)
	if found := inline.FindString(value.ReplaceAllString(strings.Join(tags, ""), `="$1"`)); found != "" {
		t.Errorf("the page has %q in it, want nothing inline", found)
	}
}

// signOut ends a session in the browser, and not for another website.
func (s *shop) signOut(cookie string) {
	s.Helper()
	r := request{method: "POST", path: "/portal/sign-out", key: "-", headers: map[string]string{
		"Cookie": cookie, "Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example",
	}}
	if got := s.send(r); got.status != 403 || got.header.Get("Set-Cookie") != "" {
		s.Errorf("signed out by another website: got status %d and %v, want 403", got.status, got.header)
	}
	r.headers = map[string]string{"Cookie": cookie, "Sec-Fetch-Site": "same-origin"}
	if got := s.send(r); got.status != 303 || !strings.Contains(got.header.Get("Set-Cookie"), "__Host-billfold_portal=; ") {
		s.Errorf("sign out: got status %d and %v, want the cookie gone", got.status, got.header)
	}
}
