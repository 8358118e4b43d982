package dashboard

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// get asks a dashboard for a path, with headers as "Name: value".
func get(t *testing.T, h http.Handler, method, target string, headers ...string) *http.Response {
	t.Helper()
	request := httptest.NewRequest(method, target, nil)
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		request.Header.Add(name, value)
	}
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, request)
	return recorder.Result()
}

func body(t *testing.T, response *http.Response) string {
	t.Helper()
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(read)
}

func newDashboard(t *testing.T, base string) *Handler {
	t.Helper()
	h, err := New(base)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// loaded finds what a page or a style loads.
var loaded = regexp.MustCompile(`(?:src|href)="([^"]+)"`)

func TestPageLoadsOnlyItsOwnFiles(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "/money"} {
		h := newDashboard(t, base)
		page := body(t, get(t, h, http.MethodGet, Root))
		found := loaded.FindAllStringSubmatch(page, -1)
		if len(found) < 3 {
			t.Fatalf("got a page that loads %d files, want its script, style and icon:\n%s", len(found), page)
		}
		for _, match := range found {
			target, own := strings.CutPrefix(match[1], base)
			if !own || !strings.HasPrefix(target, Root+assets) {
				t.Errorf("got a page at %q that loads %s, want it from %s%s", base, match[1], base, Root+assets)
				continue
			}
			if response := get(t, h, http.MethodGet, target); response.StatusCode != http.StatusOK {
				t.Errorf("got %d for %s, which the page loads", response.StatusCode, target)
			}
		}
		for _, inline := range []string{"<style", "style=", "onload=", "javascript:", "<base", "http://", "https://"} {
			if strings.Contains(page, inline) {
				t.Errorf("got a page with %q in it", inline)
			}
		}
		if scripts := strings.Count(page, "<script"); scripts != strings.Count(page, "<script type=\"module\" crossorigin src=") {
			t.Errorf("got a page with an inline script:\n%s", page)
		}
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	const want = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
		"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	h := newDashboard(t, "")
	targets := []string{Root, Root + "customers/cus_1", Root + assets + "absent.js", "/dashboard"}
	for name := range h.files {
		targets = append(targets, Root+name)
	}
	for _, target := range targets {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete} {
			header := get(t, h, method, target).Header
			for name, want := range map[string]string{
				"Content-Security-Policy": want, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
				"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
			} {
				if got := header.Get(name); got != want {
					t.Errorf("%s %s: got %s %q, want %q", method, target, name, got, want)
				}
			}
		}
	}
}

func TestCaching(t *testing.T) {
	t.Parallel()
	h := newDashboard(t, "")
	hashed := regexp.MustCompile(`-[A-Za-z0-9_-]{8}\.[a-z0-9]+$`)
	for name := range h.files {
		response := get(t, h, http.MethodGet, Root+name)
		if !hashed.MatchString(name) || !strings.HasPrefix(name, assets) {
			t.Errorf("got a file %s without a hash in its name: it can never change", name)
		}
		if got := response.Header.Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
			t.Errorf("%s: got Cache-Control %q", name, got)
		}
	}
	for target, want := range map[string]string{
		Root: "no-cache", Root + "customers/cus_1/wallet": "no-cache", Root + assets + "old-00000000.js": "no-store",
	} {
		if got := get(t, h, http.MethodGet, target).Header.Get("Cache-Control"); got != want {
			t.Errorf("%s: got Cache-Control %q, want %q", target, got, want)
		}
	}
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	h := newDashboard(t, "/money")
	for _, row := range []struct {
		method, target string
		status         int
		location       string
	}{
		{http.MethodGet, Root, 200, ""},
		{http.MethodHead, Root, 200, ""},
		{http.MethodGet, Root + "customers", 200, ""},
		{http.MethodGet, Root + "customers/../../etc/passwd", 200, ""},
		{http.MethodGet, Root + "index.html", 200, ""},
		{http.MethodGet, Root + assets, 404, ""},
		{http.MethodGet, Root + assets + "../index.html", 404, ""},
		{http.MethodGet, Root + assets + "absent.js", 404, ""},
		{http.MethodGet, "/dashboard", 303, "/money/dashboard/"},
		{http.MethodPost, Root, 405, ""},
		{http.MethodPut, Root + "customers", 405, ""},
		{"PROPFIND", Root, 405, ""},
	} {
		response := get(t, h, row.method, row.target)
		if got := response.Header.Get("Location"); response.StatusCode != row.status || got != row.location {
			t.Errorf("%s %s: got %d to %q, want %d to %q", row.method, row.target, response.StatusCode, got, row.status, row.location)
		}
		if read := body(t, response); row.method == http.MethodHead && read != "" {
			t.Errorf("%s %s: got %d bytes, want none", row.method, row.target, len(read))
		}
	}
}

func TestCompression(t *testing.T) {
	t.Parallel()
	h := newDashboard(t, "")
	targets := []string{Root}
	for name := range h.files {
		targets = append(targets, Root+name)
	}
	for _, target := range targets {
		plain := get(t, h, http.MethodGet, target)
		want, packed := body(t, plain), get(t, h, http.MethodGet, target, "Accept-Encoding: br, GZIP;q=0.5")
		if plain.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: got it compressed without being asked", target)
		}
		if got := plain.Header.Get("Content-Length"); got != fmt.Sprint(len(want)) {
			t.Errorf("%s: got Content-Length %s of %d bytes", target, got, len(want))
		}
		if path.Ext(target) == ".woff2" {
			if packed.Header.Get("Content-Encoding") != "" {
				t.Errorf("%s: got a font compressed twice", target)
			}
			continue
		}
		if packed.Header.Get("Content-Encoding") == "gzip" {
			if plain.Header.Get("Vary") != "Accept-Encoding" || packed.Header.Get("Vary") != "Accept-Encoding" {
				t.Errorf("%s: got no Vary: a cache would mix the two up", target)
			}
			reader, err := gzip.NewReader(packed.Body)
			if err != nil {
				t.Fatal(err)
			}
			read, err := io.ReadAll(reader)
			if err != nil || !bytes.Equal(read, []byte(want)) {
				t.Errorf("%s: got another content compressed than plain (%v)", target, err)
			}
		} else if len(want) > 1000 {
			t.Errorf("%s: got %d bytes that are not compressed", target, len(want))
		}
		if refused := get(t, h, http.MethodGet, target, "Accept-Encoding: gzip;q=0, br"); refused.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: got it compressed for one who refuses that", target)
		}
	}
}

// firstLoadMax is how much the first page may make a browser load, compressed, in bytes.
const firstLoadMax = 250 << 10

func TestFirstLoadIsSmall(t *testing.T) {
	t.Parallel()
	h := newDashboard(t, "")
	page := body(t, get(t, h, http.MethodGet, Root))
	total := 0
	targets := []string{Root}
	for _, match := range loaded.FindAllStringSubmatch(page, -1) {
		targets = append(targets, match[1])
	}
	for name := range h.files {
		if path.Ext(name) == ".woff2" { // which the style loads
			targets = append(targets, Root+name)
		}
	}
	for _, target := range targets {
		total += len(body(t, get(t, h, http.MethodGet, target, "Accept-Encoding: gzip")))
	}
	t.Logf("the first page loads %d bytes in %d files", total, len(targets))
	if total > firstLoadMax {
		t.Errorf("got %d bytes on the first load, want at most %d", total, firstLoadMax)
	}
}

// Nothing that is built may ask another host for anything. Names of XML and texts that
// libraries print in errors are no requests.
func TestNothingIsLoadedFromElsewhere(t *testing.T) {
	t.Parallel()
	h := newDashboard(t, "")
	address := regexp.MustCompile(`(?:https?:)?//[a-zA-Z0-9.-]+\.[a-z]{2,}[^\s"'` + "`" + `)\\]*`)
	known := []string{"http://www.w3.org/", "https://react.dev/", "https://example.com", "https://reactrouter.com",
		"https://tanstack.com", "https://radix-ui.com",
		"https://tailwindcss.com"}
	for name, f := range h.files {
		for _, found := range address.FindAllString(string(f.bytes), -1) {
			if !slices.ContainsFunc(known, func(prefix string) bool { return strings.HasPrefix(found, prefix) }) {
				t.Errorf("%s: got the address %s", name, found)
			}
		}
	}
}

func TestWantsPage(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		method, target, accept string
		want                   bool
	}{
		{http.MethodGet, "/", "text/html,application/xhtml+xml,*/*;q=0.8", true},
		{http.MethodHead, "/", "TEXT/HTML", true},
		{http.MethodGet, "/", "*/*", false},
		{http.MethodGet, "/", "application/json", false},
		{http.MethodGet, "/", "", false},
		{http.MethodPost, "/", "text/html", false},
		{http.MethodGet, "/customers", "text/html", false},
	} {
		request := httptest.NewRequest(row.method, row.target, nil)
		if row.accept != "" {
			request.Header.Set("Accept", row.accept)
		}
		if got := WantsPage(request); got != row.want {
			t.Errorf("%s %s with Accept %q: got %v, want %v", row.method, row.target, row.accept, got, row.want)
		}
	}
}

func TestBuildsThatAreWrongAreRefused(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]fstest.MapFS{
		"no page":            {"dist/assets/a-12345678.js": {}},
		"a file of any kind": {"dist/index.html": {}, "dist/assets/a.exe": {}},
		"nothing":            {},
	} {
		if _, err := newHandler(files, ""); err == nil {
			t.Errorf("%s: got a dashboard, want an error", name)
		}
	}
}
