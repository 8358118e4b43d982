package httpapi_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/httpapi"
	"github.com/billfold/billfold/internal/ledger"
)

func TestPaths(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer := h.newCustomer()
	for _, path := range []string{
		"/", "//", "/customer", "/Customers", "/customers/", "//customers", "/customers//", "/./customers",
		"/customers/" + customer + "/", "/customers//wallets", "/customers/" + customer + "/wallets/",
		"/customers/" + customer + "/wallets/ledger-entries/", "/customers/" + customer + "/wallets/ledger-entries/a/b",
		"/customers/../healthz", "/customers/..", "/customers/.", "/customers/%2e%2e", "/x/../customers",
		"/customers/%00", "/customers/" + customer + "%00", "/customers/" + customer + "%2Fwallets", "/%63ustomers",
		"/customers/cus%5F" + customer[4:], "/customers/" + customer + ";x", "/customers/cus_short", "/customers/cus_" + strings.Repeat("a", 65),
		"/customers/cus_" + strings.Repeat("a", 10_000), "/customers/pay_" + customer[4:], "/customers/CUS_" + customer[4:],
		"/customers/cus_1234567é", "/customers/cus_0Tn2lqUn4HhzK1bB9wXcP", "/healthz/", "/admin/keys", "/admin/status",
		"/customers/cus_1234567+", "/customers/'%20or%201=1",
	} {
		got := h.send(request{method: "GET", path: path})
		if got.status != http.StatusNotFound || got.document(t)["code"] != "NOT_FOUND" {
			t.Errorf("GET %.60s: got status %d with %s, want 404 NOT_FOUND", path, got.status, got.body)
		}
		if got.header.Get("Location") != "" {
			t.Errorf("GET %.60s: got a redirect", path)
		}
	}
	// An unknown path is unknown with every method and without a key.
	for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "BREW"} {
		if got := h.send(request{method: method, path: "/_unknown", key: "-"}); got.status != http.StatusNotFound {
			t.Errorf("%s /_unknown: got status %d, want 404", method, got.status)
		}
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	allow := map[string]string{}
	for _, route := range httpapi.Routes() {
		allow[route.Pattern] += route.Method + " "
	}
	for pattern, methods := range allow {
		path := strings.NewReplacer("{customer_id}", "cus_0Tn2lqUn4HhzK1bB9wXcP", "{entry_id}", "cwt_0Tn2lqUn000000bB9wXcP", "{transfer_id}", "trf_0Tn2lqUn000000bB9wXcP", "{hold_id}", "hld_0Tn2lqUn000000bB9wXcP",
			"{id}", "pdt_0Tn2lqUn000000bB9wXcP", "{webhook_id}", "whk_0Tn2lqUn000000bB9wXcP", "{event_id}", "evt_cwt_0Tn2lqUn000000bB9wXcP", "{currency}", "USD", "{lot_seq}", "1",
			"{payment_method_id}", "pm_0Tn2lqUn000000bB9wXcP", "{payment_id}", "pay_0Tn2lqUn000000bB9wXcP", "{invoice_id}", "inv_0Tn2lqUn000000bB9wXcP", "{refund_id}", "ref_0Tn2lqUn000000bB9wXcP",
			"{subscription_id}", "sub_0Tn2lqUn000000bB9wXcP").Replace(pattern)
		for _, method := range []string{"PUT", "DELETE", "TRACE", "BREW", "POST", "PATCH"} {
			if strings.Contains(methods, method+" ") {
				continue
			}
			got := h.send(request{method: method, path: path, key: "-"})
			got.refused(t, http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
			if strings.Contains(methods, "GET ") {
				methods += "HEAD "
			}
			for _, want := range strings.Fields(methods + "OPTIONS") {
				if !strings.Contains(got.header.Get("Allow"), want) {
					t.Errorf("%s %s: got Allow %q, want %s in it", method, path, got.header.Get("Allow"), want)
				}
			}
		}
		got := h.send(request{method: "OPTIONS", path: path, key: "-"})
		if got.status != http.StatusNoContent || got.body != "" || got.header.Get("Allow") == "" {
			t.Errorf("OPTIONS %s: got status %d, Allow %q, body %q, want 204 with Allow", path, got.status, got.header.Get("Allow"), got.body)
		}
	}
}

func TestContentTypes(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const body = `{"email":"a@example.com","name":"a"}`
	var zipped bytes.Buffer
	writer := gzip.NewWriter(&zipped)
	if _, err := writer.Write([]byte(body)); err != nil || writer.Close() != nil {
		t.Fatalf("compress: got error %v, want none", err)
	}
	for _, c := range []struct {
		header, value, body string
		status              int
		code                ledger.Code
	}{
		{"Content-Type", "application/json", body, 200, ""},
		{"Content-Type", "application/json; charset=utf-8", body, 200, ""},
		{"Content-Type", "Application/JSON;Charset=\"UTF-8\"", body, 200, ""},
		{"X-Nothing", "x", body, 200, ""},
		{"Content-Type", "", body, 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"Content-Type", "text/plain", body, 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"Content-Type", "application/x-www-form-urlencoded", "email=a", 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"Content-Type", "application/json; charset=latin-1", body, 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"Content-Type", "application/json; charset", body, 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"Content-Type", "application/json, text/plain", body, 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"Content-Type", "application/jsonp", body, 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"Content-Encoding", "identity", body, 200, ""},
		{"Content-Encoding", "gzip", zipped.String(), 415, "UNSUPPORTED_ENCODING"},
		{"Content-Encoding", "br", body, 415, "UNSUPPORTED_ENCODING"},
		{"X-Nothing", "x", zipped.String(), 422, "INVALID_ENCODING"},
	} {
		got := h.send(request{method: "POST", path: "/customers", body: c.body, headers: map[string]string{c.header: c.value}})
		if code, _ := got.document(t)["code"].(string); got.status != c.status || code != string(c.code) {
			t.Errorf("%s: %s: got status %d with %s, want %d %s", c.header, c.value, got.status, got.body, c.status, c.code)
		}
	}
}

// served is the house on a real connection.
func (h *house) served(change func(*http.Server)) string {
	h.Helper()
	server := httptest.NewUnstartedServer(h.api)
	if change != nil {
		change(server.Config)
	}
	server.Start()
	h.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// raw sends bytes over a new connection and reads one answer. The connection
// must then be closed by the server if closed says so.
func raw(t *testing.T, address, text string, closed bool) (*http.Response, string) {
	t.Helper()
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatalf("dial: got error %v, want none", err)
	}
	defer connection.Close() //nolint:errcheck // the test is over
	if err := connection.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatalf("set deadline: got error %v, want none", err)
	}
	if _, err := io.WriteString(connection, text); err != nil {
		t.Fatalf("write: got error %v, want none", err)
	}
	reader := bufio.NewReader(connection)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatalf("read the answer: got error %v, want none", err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("read the body: got error %v, want none", err)
	}
	if closed {
		if _, err := reader.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the connection goes on, with error %v, want it closed", err)
		}
	}
	return response, string(body)
}

// TestLargeBodies wants 413 for bodies over the limit, before they have come
// and however they are framed.
func TestLargeBodies(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	address := h.served(nil)
	head := "POST /customers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + h.business.TestKey + "\r\n"
	most := strings.Repeat(" ", httpapi.BodyMaxDefault)

	// The announced body never comes: the answer must not wait for it.
	response, body := raw(t, address, head+"Content-Length: 1073741824\r\n\r\n", true)
	if response.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(body, "REQUEST_TOO_LARGE") {
		t.Errorf("announced: got status %d with %s, want 413 REQUEST_TOO_LARGE", response.StatusCode, body)
	}
	chunk := func(text string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(text), text) }
	response, body = raw(t, address, head+"Transfer-Encoding: chunked\r\n\r\n"+chunk(most)+chunk("x"), true)
	if response.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(body, "REQUEST_TOO_LARGE") {
		t.Errorf("chunked: got status %d with %s, want 413 REQUEST_TOO_LARGE", response.StatusCode, body)
	}
	fits := most[:httpapi.BodyMaxDefault-40] + `{"email":"a@example.com","name":"a"}`
	for name, framed := range map[string]string{
		"length":  fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(fits), fits),
		"chunked": "Transfer-Encoding: chunked\r\n\r\n" + chunk(fits[:100]) + chunk(fits[100:]) + "0\r\n\r\n",
	} {
		if response, body := raw(t, address, head+framed, false); response.StatusCode != http.StatusOK {
			t.Errorf("%s: got status %d with %s, want 200", name, response.StatusCode, body)
		}
	}
	response, body = raw(t, address, head+"Transfer-Encoding: chunked\r\n\r\nzz\r\n", true)
	if response.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "INVALID_REQUEST_BODY") {
		t.Errorf("broken chunks: got status %d with %s, want 422 INVALID_REQUEST_BODY", response.StatusCode, body)
	}
}

// TestRefusedBodiesAreAnswered wants that a caller who is sending a body which
// is refused gets to read why: the connection must end and not be reset, since
// a reset takes the answer with it.
func TestRefusedBodiesAreAnswered(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	wrapped := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.api.ServeHTTP(wrapper{w}, r) // as tracing does
	}))
	t.Cleanup(wrapped.Close)
	for name, address := range map[string]string{"plain": h.served(nil), "wrapped": wrapped.Listener.Addr().String()} {
		for _, c := range []struct {
			header string
			size   int
			status int
		}{
			{"Content-Type: application/json", 100_000, http.StatusRequestEntityTooLarge},
			{"Content-Type: application/json", 250_000, http.StatusRequestEntityTooLarge},
			{"Content-Type: text/plain", 60_000, http.StatusUnsupportedMediaType},
			{"Content-Encoding: gzip", 60_000, http.StatusUnsupportedMediaType},
		} {
			connection, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatalf("dial: got error %v, want none", err)
			}
			defer connection.Close() //nolint:errcheck // the test is over
			if err := connection.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatalf("set deadline: got error %v, want none", err)
			}
			_, err = fmt.Fprintf(connection, "POST /customers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n%s\r\n"+
				"Content-Length: %d\r\n\r\n%s", h.business.TestKey, c.header, c.size, strings.Repeat(" ", c.size))
			if err != nil {
				t.Errorf("%s, %d bytes with %s: got error %v while sending, want none", name, c.size, c.header, err)
			}
			answer, err := io.ReadAll(connection)
			if want := fmt.Sprintf("HTTP/1.1 %d ", c.status); err != nil || !strings.HasPrefix(string(answer), want) {
				t.Errorf("%s, %d bytes with %s: got %.60q and error %v, want %q and the end", name, c.size, c.header, answer, err, want)
			}
		}
	}
}

// wrapper hides a writer as middleware does.
type wrapper struct{ http.ResponseWriter }

func (w wrapper) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestSlowBody(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer := h.newCustomer()
	address := h.served(func(server *http.Server) { server.ReadTimeout = 2 * time.Second })
	response, body := raw(t, address, "POST "+entriesPath(customer)+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+
		h.business.TestKey+"\r\nContent-Length: 100\r\n\r\n{", true)
	if response.StatusCode != http.StatusRequestTimeout || !strings.Contains(body, "REQUEST_TIMEOUT") {
		t.Errorf("got status %d with %s, want 408 REQUEST_TIMEOUT", response.StatusCode, body)
	}
	if got := response.Header.Get("X-Should-Retry"); got != "false" {
		t.Errorf("got x-should-retry %q, want false: nobody knows if there was a key", got)
	}
}

func TestHead(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer := h.newLedger(20)
	address := h.served(nil)
	for _, path := range []string{"/customers/" + customer, entriesPath(customer) + "?page_size=20", "/openapi.yaml"} {
		headers := "Host: x\r\nConnection: close\r\nAuthorization: Bearer " + h.business.TestKey + "\r\n\r\n"
		connection := func(method string) (*http.Response, string) {
			return raw(t, address, method+" "+path+" HTTP/1.1\r\n"+headers, false)
		}
		get, body := connection("GET")
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatalf("dial: got error %v, want none", err)
		}
		defer conn.Close() //nolint:errcheck // the test is over
		if _, err := io.WriteString(conn, "HEAD "+path+" HTTP/1.1\r\n"+headers); err != nil {
			t.Fatalf("write: got error %v, want none", err)
		}
		answer, err := io.ReadAll(conn)
		if err != nil {
			t.Fatalf("read: got error %v, want none", err)
		}
		if !strings.HasPrefix(string(answer), "HTTP/1.1 200 OK\r\n") || !strings.HasSuffix(string(answer), "\r\n\r\n") {
			t.Errorf("HEAD %s: got %q, want 200 without a body", path, answer)
		}
		if strings.Contains(path, "cursor") || get.ContentLength != int64(len(body)) {
			t.Errorf("GET %s: got Content-Length %d for %d bytes", path, get.ContentLength, len(body))
		}
		if want := fmt.Sprintf("Content-Length: %d\r\n", get.ContentLength); !strings.Contains(string(answer), want) {
			t.Errorf("HEAD %s: got %q, want %q in it", path, answer, want)
		}
	}
}

func TestTwoAuthorizationHeaders(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	line := "Authorization: Bearer " + h.business.TestKey + "\r\n"
	response, body := raw(t, h.served(nil), "GET /customers HTTP/1.1\r\nHost: x\r\n"+line+line+"\r\n", false)
	if response.StatusCode != http.StatusUnauthorized || !strings.Contains(body, "UNAUTHORIZED") {
		t.Errorf("got status %d with %s, want 401 UNAUTHORIZED", response.StatusCode, body)
	}
}

func TestTwoKeyHeaders(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const body = `{"email":"a@example.com","name":"a"}`
	for _, c := range []struct {
		lines  string
		status int
	}{
		{"Idempotency-Key: a\r\nIdempotency-Key: a\r\n", 422},
		{"Idempotency-Key:\r\n", 422},
		{"Idempotency-Key: \xff\r\n", 422},
		{"Idempotency-Key: " + strings.Repeat("k", 256) + "\r\n", 422},
		{"Idempotency-Key: " + strings.Repeat("é", 255) + "\r\n", 200},
		{"Content-Type: application/json\r\nContent-Type: application/json\r\n", 415},
	} {
		response, got := raw(t, h.served(nil), "POST /customers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+h.business.TestKey+
			"\r\n"+c.lines+fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body), false)
		if response.StatusCode != c.status {
			t.Errorf("%.40q: got status %d with %s, want %d", c.lines, response.StatusCode, got, c.status)
		}
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	seen := map[string]bool{}
	for _, c := range []struct {
		sent string
		kept bool
	}{
		{"", false}, {"abc-1:2.3_X", true}, {strings.Repeat("a", 128), true}, {strings.Repeat("a", 129), false},
		{"a b", false}, {"a\"b", false}, {"é", false}, {"<script>", false},
	} {
		r := request{method: "GET", path: "/nowhere", headers: map[string]string{}}
		if c.sent != "" {
			r.headers["X-Request-Id"] = c.sent
		}
		got := h.send(r)
		id := got.header.Get("X-Request-Id")
		if (id == c.sent) != c.kept || id == "" || seen[id] {
			t.Errorf("%.40q: got request id %q, want it kept %t", c.sent, id, c.kept)
		}
		seen[id] = true
		if got.document(t)["request_id"] != id {
			t.Errorf("%.40q: got %s, want request_id %q", c.sent, got.body, id)
		}
	}
}

func TestHeadersOfAnswers(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, path := range []string{"/customers", "/nowhere", "/healthz"} {
		got := h.send(request{method: "GET", path: path})
		for name, want := range map[string]string{
			"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		} {
			if value := got.header.Get(name); value != want {
				t.Errorf("%s: got %s %q, want %q", path, name, value, want)
			}
		}
		if _, given := got.header["X-Should-Retry"]; given != (got.status >= 400) {
			t.Errorf("%s: got x-should-retry %t with status %d", path, given, got.status)
		}
	}
}

// TestHTTP2 sends a good request and one that is too large over one connection.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	server := httptest.NewUnstartedServer(h.api)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	for _, c := range []struct {
		size, status int
	}{{0, 200}, {httpapi.BodyMaxDefault + 1, 413}, {100, 200}} {
		body := strings.Repeat(" ", c.size) + `{"email":"a@example.com","name":"a"}`
		for _, length := range []int64{int64(len(body)), -1} {
			r, err := http.NewRequest("POST", server.URL+"/customers", strings.NewReader(body))
			if err != nil {
				t.Fatalf("make a request: got error %v, want none", err)
			}
			r.ContentLength = length
			r.Header.Set("Authorization", "Bearer "+h.business.TestKey)
			response, err := server.Client().Do(r)
			if err != nil {
				t.Fatalf("%d bytes, length %d: got error %v, want none", c.size, length, err)
			}
			if response.StatusCode != c.status || response.ProtoMajor != 2 {
				t.Errorf("%d bytes, length %d: got status %d over %s, want %d over HTTP/2", c.size, length, response.StatusCode, response.Proto, c.status)
			}
			if err := response.Body.Close(); err != nil {
				t.Errorf("close the answer: got error %v, want none", err)
			}
		}
	}
}
