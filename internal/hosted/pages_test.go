package hosted_test

import (
	"encoding/base64"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/hosted"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/processor"
	"github.com/billfold/billfold/internal/sqlite"
)

func embedded(t *testing.T, p processor.Processor) *stage {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{
		Dir: filepath.Join(t.TempDir(), "data"), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return newStage(t, db, p)
}

// TestTokens has every other text than a token lead nowhere, with one answer.
func TestTokens(t *testing.T) {
	t.Parallel()
	s := embedded(t, nil)
	id, path := s.opened()
	other, _ := s.opened()
	if body := s.shows(path, 200, "pay_"+id[4:]); strings.Contains(body, other[4:]) {
		t.Error("a page shows another invoice")
	}
	token := strings.TrimPrefix(path, hosted.Root)
	sealed, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(sealed) < 28 {
		t.Fatalf("got %d bytes and error %v, want a nonce, a name and 128 bits that prove it", len(sealed), err)
	}
	unknown := s.send(http.MethodGet, hosted.Root+"x", "")
	for i := 0; i < len(token); i += 7 {
		changed := token[:i] + string("AB"[b2i(token[i] == 'A')]) + token[i+1:]
		if got := s.send(http.MethodGet, hosted.Root+changed, ""); got.status != 404 || got.body != unknown.body {
			t.Errorf("changed at %d: got status %d, want the answer to an unknown token", i, got.status)
		}
	}
	absent := s.links.Invoice(shop, "inv_nobody0000")
	foreign := s.links.Invoice(ledger.Tenant{BusinessID: "bus_2", Mode: ledger.Test}, id)
	live := s.links.Invoice(ledger.Tenant{BusinessID: shop.BusinessID, Mode: ledger.Live}, id)
	crossed := s.links.Setup(shop, id)
	for _, token := range []string{
		absent, foreign, live, crossed, "", token + "\n", token[:20], token + "A", strings.Repeat("A", 5000), id, "../x", "assets/x",
	} {
		got := s.send(http.MethodGet, hosted.Root+strings.ReplaceAll(token, "\n", "%0a"), "")
		if got.status != 404 || got.body != unknown.body {
			t.Errorf("%q: got status %d, want the answer to an unknown token", token, got.status)
		}
	}
	if strings.Contains(s.logs.String(), token[:30]) || !strings.Contains(s.logs.String(), "/pay/{token}") {
		t.Errorf("got a log with a token in it, or without lines:\n%.400s", s.logs.String())
	}
	for range 100 {
		unknown = s.send(http.MethodGet, hosted.Root+"x", "")
	}
	if unknown.status != 429 || unknown.header.Get("Retry-After") == "" {
		t.Errorf("who guesses: got status %d, want 429", unknown.status)
	}
	s.shows(path, 200, "To pay")
}

func b2i(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// TestLinksUnderAnotherKey has links lead on while the old secret key is known.
func TestLinksUnderAnotherKey(t *testing.T) {
	t.Parallel()
	s := embedded(t, nil)
	_, path := s.opened()
	for _, test := range []struct {
		old  [][]byte
		want int
	}{{[][]byte{secret}, 200}, {nil, 404}} {
		links, err := hosted.NewLinks("https://pay.example.com", []byte("another secret of the tests"), test.old...)
		if err != nil {
			t.Fatal(err)
		}
		other := *s
		other.reopen(links)
		other.shows(path, test.want)
	}
	first := s.links.Invoice(shop, "inv_1")
	if again := s.links.Invoice(shop, "inv_1"); again != first || s.links.Invoice(shop, "inv_2") == first {
		t.Error("one page has two links, or two have one")
	}
	for _, base := range []string{"", "pay.example.com", "ftp://x", "https://", "https://u:p@x/", "https://x/?a", "https://x/#a", "https://x/\"y"} {
		if got, err := hosted.BaseURL(base); err == nil {
			t.Errorf("%q: got %q, want it refused", base, got)
		}
	}
}

// TestHeaders has every answer forbid what pages of others could do with it.
func TestHeaders(t *testing.T) {
	t.Parallel()
	s := embedded(t, nil)
	_, path := s.opened()
	page := s.shows(path, 200)
	style := page[strings.Index(page, "assets/"):]
	style = style[:strings.IndexByte(style, '"')]
	for _, got := range []answer{
		s.send(http.MethodGet, path, ""), s.send(http.MethodHead, path, ""), s.send(http.MethodGet, hosted.Root+"x", ""),
		s.send(http.MethodGet, hosted.Root+style, ""), s.send(http.MethodPut, path, ""), s.send(http.MethodPost, path, "do=x"),
	} {
		for name, want := range map[string]string{
			"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow, noarchive", "X-Content-Type-Options": "nosniff",
			"X-Frame-Options": "DENY",
		} {
			if got.header.Get(name) != want {
				t.Errorf("%s: got %q, want %q", name, got.header.Get(name), want)
			}
		}
		csp := got.header.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("got policy %q", csp)
		}
		if store := got.header.Get("Cache-Control"); store != "no-store" && !strings.Contains(store, "immutable") {
			t.Errorf("got Cache-Control %q", store)
		}
	}
	if got := s.send(http.MethodGet, hosted.Root+style, ""); got.status != 200 || !strings.Contains(got.body, "prefers-color-scheme") {
		t.Errorf("the style: got status %d", got.status)
	}
}

// TestNothingIsRun has every text that strangers choose shown as text.
func TestNothingIsRun(t *testing.T) {
	t.Parallel()
	s := embedded(t, nil)
	_, path := s.opened(func(i *collect.Invoice) {
		i.Items[0].Name, i.Items[0].Description = nasty+strings.Repeat("x", 10_000), nasty
		i.ReturnURL = "javascript:alert(1)" // which no request can have set
	})
	body := s.shows(path, 200, "&lt;script&gt;")
	for _, bad := range []string{"<script", "<img", "onerror=alert(1)>", "style=", "javascript:", "http://", "https://"} {
		if strings.Contains(body, bad) {
			t.Errorf("got a page with %q", bad)
		}
	}
	if len(body) > 12_000 {
		t.Errorf("got a page of %d bytes, want long names cut", len(body))
	}
}

// TestStrangersSendNothing refuses forms of other pages, and what is no form.
func TestStrangersSendNothing(t *testing.T) {
	t.Parallel()
	s := embedded(t, nil)
	id, path := s.opened()
	form := pay(processor.SandboxOK, true)
	for _, test := range []struct {
		form    string
		headers []string
		want    int
	}{
		{form, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{form, []string{"Sec-Fetch-Site", "same-site"}, 403},
		{form, []string{"Sec-Fetch-Site", "", "Origin", "https://evil.example"}, 403},
		{form, []string{"Sec-Fetch-Site", "", "Origin", "null"}, 403},
		{form, []string{"Content-Type", "text/plain"}, 415},
		{form, []string{"Content-Type", "multipart/form-data; boundary=x"}, 415},
		{"do=%zz", nil, 400},
		{"do=card&method=" + strings.Repeat("x", 5000), nil, 413},
		{"", nil, 422},
		{"do=void", nil, 422},
		{"do=card", nil, 422},
		{"do=card&method=pm_1234567890", nil, 422},
	} {
		if got := s.send(http.MethodPost, path, test.form, test.headers...); got.status != test.want {
			t.Errorf("%.40s %v: got status %d, want %d", test.form, test.headers, got.status, test.want)
		}
	}
	if i := s.invoice(id); i.Status() != collect.RequiresMethod {
		t.Errorf("got %s, want nothing paid", i.Status())
	}
}
