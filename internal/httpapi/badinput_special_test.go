package httpapi_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/apitest"
	"github.com/billfold/billfold/internal/httpapi"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/storetest"
	"github.com/billfold/billfold/internal/webhook"
)

// specialCases are rows of the error contract that one request on a healthy
// server cannot show.
var specialCases = []struct {
	row, name string
	run       func(t *testing.T, stores storetest.Stores)
}{
	{"1", "malformed HTTP", testMalformedHTTP},
	{"4", "headers too large", testLargeHeaders},
	{"5", "endless body", testEndlessBody},
	{"8", "slow headers", testSlowHeaders},
	{"8", "slow body", testSlowBody},
	{"14", "rate limit", testRateLimit},
	{"14", "authentication back-off", testBackoff},
	{"45", "key in progress", testFault(ledger.Errorf(ledger.CodeKeyInProgress, "in progress"))},
	{"68", "one webhook too many", testTooManyWebhooks},
	{"74", "storage unavailable", testFault(ledger.Errorf(ledger.CodeStorageUnavailable, "away"))},
	{"75", "overload", testFault(ledger.Errorf(ledger.CodeOverloaded, "too much"))},
	{"76", "outcome unknown", testFault(ledger.Errorf(ledger.CodeOutcomeUnknown, "unknown"))},
	{"77", "our bug", testFault(errors.New(canarySecret))},
	{"77", "our bug, with a code", testFault(ledger.Errorf(ledger.CodeInternal, canarySecret))},
	{"77", "our panic", testFault(nil)},
}

// canarySecret stands in internal errors and must not come out.
const canarySecret = "internal detail 7f3a"

func TestBadInputSpecial(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, open func(testing.TB) storetest.Stores) {
		for _, special := range specialCases {
			t.Run("row "+special.row+" "+special.name, func(t *testing.T) {
				t.Parallel()
				special.run(t, open(t))
			})
		}
	})
}

// unharmed checks that the state is as before and that the server goes on.
func (r *rig) unharmed(before, key string) {
	r.Helper()
	if diff := cmp.Diff(before, r.digest()); diff != "" {
		r.Errorf("the state has changed:\n%s", diff)
	}
	r.must(http.StatusOK, key, "GET", "/business", "")
}

func testMalformedHTTP(t *testing.T, stores storetest.Stores) {
	r := newRig(t, stores, rigOptions{})
	key := r.business("Shop").TestKey
	before := r.digest()
	body := `{"email":"a@example.com","name":"A"}`
	head := "POST /customers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + key + "\r\nContent-Type: application/json\r\n"
	length := fmt.Sprintf("Content-Length: %d\r\n", len(body))
	requests := map[string]string{
		"no Host":               "POST /customers HTTP/1.1\r\n" + length + "\r\n" + body,
		"two Hosts":             head + "Host: y\r\n" + length + "\r\n" + body,
		"no request line":       "hello\r\n\r\n",
		"no method":             " /customers HTTP/1.1\r\nHost: x\r\n\r\n",
		"method of two words":   "PO ST /customers HTTP/1.1\r\nHost: x\r\n\r\n",
		"version unknown":       "GET /customers HTTP/x.y\r\nHost: x\r\n\r\n",
		"NUL in a header":       head + "X-A: a\x00b\r\n" + length + "\r\n" + body,
		"CR in a header":        head + "X-A: a\rb\r\n" + length + "\r\n" + body,
		"space before colon":    head + "X-A : a\r\n" + length + "\r\n" + body,
		"header without name":   head + ": a\r\n" + length + "\r\n" + body,
		"header without colon":  head + "nonsense\r\n" + length + "\r\n" + body,
		"two lengths":           head + length + "Content-Length: 5\r\n\r\n" + body,
		"negative length":       head + "Content-Length: -1\r\n\r\n" + body,
		"length of two numbers": head + "Content-Length: 5, 6\r\n\r\n" + body,
		"escape in the path":    "GET /customers/%zz HTTP/1.1\r\nHost: x\r\n\r\n",
	}
	for name, request := range requests {
		response, answer, err := r.raw("POST", []byte(request))
		if err != nil {
			t.Errorf("%s: got error %v, want an answer", name, err)
			continue
		}
		if kind := response.Header.Get("Content-Type"); response.StatusCode != http.StatusBadRequest || !strings.HasPrefix(kind, "text/plain") {
			t.Errorf("%s: got status %d, %s, %q; want 400 in plain text", name, response.StatusCode, kind, answer)
		}
	}
	checkRow(t, "1", outcome{status: http.StatusBadRequest})
	r.unharmed(before, key)
}

func testLargeHeaders(t *testing.T, stores storetest.Stores) {
	r := newRig(t, stores, rigOptions{})
	key := r.business("Shop").TestKey
	before := r.digest()
	for _, test := range []struct {
		size   int
		status int
	}{
		{15 << 10, http.StatusOK},
		{17 << 10, http.StatusRequestHeaderFieldsTooLarge},
		{1 << 20, http.StatusRequestHeaderFieldsTooLarge},
	} {
		request := "GET /business HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer " + key +
			"\r\nX-Padding: " + strings.Repeat("a", test.size) + "\r\n\r\n"
		response, answer, err := r.raw("GET", []byte(request))
		if err != nil {
			t.Errorf("%d bytes of headers: got error %v, want an answer", test.size, err)
			continue
		}
		if response.StatusCode != test.status {
			t.Errorf("%d bytes of headers: got status %d: %.100q, want %d", test.size, response.StatusCode, answer, test.status)
		}
	}
	r.unharmed(before, key)
}

// testEndlessBody sends chunks until the server answers: it must not wait for
// their end.
func testEndlessBody(t *testing.T, stores storetest.Stores) {
	r := newRig(t, stores, rigOptions{})
	shop := r.business("Shop")
	customer := r.customer(shop.TestKey, "jane")
	before := r.digest()
	for _, route := range []string{"POST /customers", "PATCH /customers/" + customer, "POST " + entriesOf(customer), "PATCH /business"} {
		conn, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatalf("dial: got error %v, want none", err)
		}
		fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nTransfer-Encoding: chunked\r\n\r\n", route, shop.TestKey)
		sent := make(chan int)
		go func() {
			chunk := "400\r\n" + strings.Repeat(" ", 1024) + "\r\n"
			chunks := 0
			for ; chunks < 100_000; chunks++ {
				if _, err := io.WriteString(conn, chunk); err != nil {
					break
				}
			}
			sent <- chunks
		}()
		r.expect(conn, route, http.StatusRequestEntityTooLarge, "REQUEST_TOO_LARGE")
		_ = conn.Close()
		// Buffers of the system lie between, so the server has read less.
		if chunks := <-sent; chunks == 100_000 {
			t.Errorf("%s: the server read 100 MB", route)
		}
	}
	r.unharmed(before, shop.TestKey)
}

// expect reads one answer from a connection and checks it.
func (r *rig) expect(conn net.Conn, route string, status int, code string) {
	r.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		r.Fatal(err)
	}
	method, path, _ := strings.Cut(route, " ")
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		r.Errorf("%s: got error %v, want status %d", route, err, status)
		return
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		r.Errorf("%s: read the answer: got error %v, want none", route, err)
	}
	if response.StatusCode != status || !strings.Contains(string(body), `"`+code+`"`) {
		r.Errorf("%s: got status %d: %s, want %d %s", route, response.StatusCode, body, status, code)
	}
	for _, contract := range r.contracts {
		answer := apitest.Answer{Method: method, Path: path, Status: response.StatusCode, Header: response.Header, Body: body}
		if err := contract.Check(answer); err != nil {
			r.Errorf("%s: the answer breaks the contract: %v", route, err)
		}
	}
}

// impatient makes a server wait only shortly, and yet so long that headers which
// were sent arrive on a busy machine. The time for a body begins with its headers.
var impatient = rigOptions{server: func(s *http.Server) {
	s.ReadHeaderTimeout, s.ReadTimeout = time.Second, 2*time.Second
}}

func testSlowHeaders(t *testing.T, stores storetest.Stores) {
	r := newRig(t, stores, impatient)
	key := r.business("Shop").TestKey
	before := r.digest()
	var waiting []net.Conn
	texts := []string{"", "GET /cust", "GET /customers HTTP/1.1\r\n", "GET /customers HTTP/1.1\r\nHost: x\r\nX-Slow"}
	for _, sent := range texts {
		waiting = append(waiting, r.send(sent))
	}
	for i, sent := range texts {
		conn := waiting[i]
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		// What has arrived may end in the middle of a line, which net/http then
		// reads as malformed.
		answer, err := io.ReadAll(conn)
		if err != nil || len(answer) > 0 && !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") {
			t.Errorf("after %q: got %q and error %v, want the connection closed", sent, answer, err)
		}
		_ = conn.Close()
	}
	r.unharmed(before, key)
}

// send opens a connection and writes the beginning of a request to it.
func (r *rig) send(text string) net.Conn {
	r.Helper()
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.Fatalf("dial: got error %v, want none", err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		r.Fatalf("send: got error %v, want none", err)
	}
	return conn
}

func testSlowBody(t *testing.T, stores storetest.Stores) {
	r := newRig(t, stores, impatient)
	shop := r.business("Shop")
	customer := r.customer(shop.TestKey, "jane")
	before := r.digest()
	routes := []string{"POST /customers", "PATCH /customers/" + customer, "POST " + entriesOf(customer), "PATCH /business"}
	var waiting []net.Conn
	for _, route := range routes {
		for _, framing := range []string{"Content-Length: 100\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n5\r\n{    \r\n"} {
			waiting = append(waiting, r.send(route+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+shop.TestKey+"\r\n"+framing))
		}
	}
	for i, conn := range waiting {
		r.expect(conn, routes[i/2], http.StatusRequestTimeout, "REQUEST_TIMEOUT")
		_ = conn.Close()
	}
	r.unharmed(before, shop.TestKey)
}

func testRateLimit(t *testing.T, stores storetest.Stores) {
	r := newRig(t, stores, rigOptions{config: func(c *httpapi.Config) {
		c.Limits.Rate = httpapi.Rate{Requests: 4, Window: time.Minute}
	}})
	shop := r.business("Shop")
	customer := r.customer(shop.TestKey, "jane")
	for range 3 {
		r.must(http.StatusOK, shop.TestKey, "GET", "/business", "")
	}
	before := r.digest()
	body := `{"amount":1,"currency":"USD","entry_type":"credit"`
	for _, test := range []struct {
		body  string
		retry string
	}{{body + `}`, "false"}, {body + `,"idempotency_key":"k"}`, "true"}} {
		status, header, answer := r.do(shop.TestKey, "POST", entriesOf(customer), test.body)
		wait, _ := strconv.Atoi(header.Get("Retry-After"))
		if status != http.StatusTooManyRequests || header.Get("x-should-retry") != test.retry || wait < 1 || wait > 60 {
			t.Errorf("beyond the rate: got %d, retry %s after %d s: %s; want 429, retry %s within a minute",
				status, header.Get("x-should-retry"), wait, answer, test.retry)
		}
	}
	if diff := cmp.Diff(before, r.digest()); diff != "" {
		t.Errorf("the state has changed:\n%s", diff)
	}
	r.must(http.StatusOK, shop.LiveKey, "GET", "/business", "") // another key
	r.clock.Move(15 * time.Second)                              // one more request
	r.must(http.StatusOK, shop.TestKey, "GET", "/business", "")
}

func testBackoff(t *testing.T, stores storetest.Stores) {
	r := newRig(t, stores, rigOptions{})
	shop := r.business("Shop")
	before := r.digest()
	for n := 1; n <= access.FailuresMax; n++ {
		r.must(http.StatusUnauthorized, "bf_test_"+strings.Repeat("x", 43), "GET", "/business", "")
	}
	for _, key := range []string{"bf_test_" + strings.Repeat("y", 43), ""} {
		r.must(http.StatusTooManyRequests, key, "GET", "/business", "")
	}
	r.unharmed(before, shop.TestKey) // a valid key is never in the way
	r.clock.Move(access.FailureWindow)
	r.must(http.StatusUnauthorized, "", "GET", "/business", "")
}

// testFault checks what every write route answers when the store gives an
// error, or panics.
func testFault(fault error) func(*testing.T, storetest.Stores) {
	return func(t *testing.T, stores storetest.Stores) {
		store := &faultyStore{Store: stores.Ledger}
		stores.Ledger = store
		stores.Access = faultyAccess{Store: stores.Access, ledger: store}
		r := newRig(t, stores, rigOptions{})
		shop := r.business("Shop")
		customer := r.customer(shop.TestKey, "jane")
		before := r.digest()
		code := ledger.CodeOf(fault)
		if fault == nil {
			code = ledger.CodeInternal
		}
		want := outcome{http.StatusServiceUnavailable, string(code)}
		if code == ledger.CodeInternal {
			want.status = http.StatusInternalServerError
		}

		store.breakDown(fault)
		for _, test := range []struct {
			method, path, body string
			retry              bool // may an SDK send it again by itself?
		}{
			{"POST", "/customers", `{"email":"a@example.com","name":"A"}`, true},
			{"PATCH", "/customers/" + customer, `{"name":"A"}`, true},
			{"PATCH", "/business", `{"on_duplicate":"replay"}`, true},
			{"POST", entriesOf(customer), `{"amount":1,"currency":"USD","entry_type":"credit","idempotency_key":"k"}`, true},
			{"POST", entriesOf(customer), `{"amount":1,"currency":"USD","entry_type":"credit"}`, false},
		} {
			if code == ledger.CodeKeyInProgress && test.path == "/business" {
				continue // takes no key
			}
			status, header, body := r.do(shop.TestKey, test.method, test.path, test.body)
			if got := (outcome{status, codeIn(t, body)}); got != want {
				t.Errorf("%s %s: got %v, want %v", test.method, test.path, got, want)
			}
			if got := header.Get("x-should-retry"); got != strconv.FormatBool(test.retry) {
				t.Errorf("%s %s %s: got x-should-retry %s, want %t", test.method, test.path, test.body, got, test.retry)
			}
			if status == http.StatusServiceUnavailable && header.Get("Retry-After") == "" {
				t.Errorf("%s %s: got no Retry-After, want one", test.method, test.path)
			}
			if strings.Contains(fmt.Sprint(header, string(body)), canarySecret) {
				t.Errorf("%s %s: the answer has the internal detail: %s", test.method, test.path, body)
			}
		}
		store.mend()
		r.unharmed(before, shop.TestKey)
		r.must(http.StatusOK, shop.TestKey, "POST", entriesOf(customer), `{"amount":1,"currency":"USD","entry_type":"credit","idempotency_key":"k"}`)
	}
}

func testTooManyWebhooks(t *testing.T, stores storetest.Stores) {
	r := newRig(t, stores, rigOptions{})
	shop := r.business("Shop")
	body := `{"url":"https://example.com/hook"}`
	for range webhook.EndpointsMax {
		r.must(200, shop.TestKey, "POST", "/webhooks", body)
	}
	refused := r.must(422, shop.TestKey, "POST", "/webhooks", body)
	if refused["code"] != "LIMIT_REACHED" {
		t.Errorf("got %v, want LIMIT_REACHED", refused)
	}
	checkRow(t, "68", outcome{422, "LIMIT_REACHED"})
	made := r.must(200, shop.LiveKey, "POST", "/webhooks", body) // of the other mode there are none yet
	list := r.must(200, shop.TestKey, "GET", "/webhooks", "")["data"].([]any)
	r.do(shop.TestKey, "DELETE", "/webhooks/"+list[0].(map[string]any)["id"].(string), "")
	r.must(200, shop.TestKey, "POST", "/webhooks", body)
	if len(list) != webhook.EndpointsMax || made["disabled"] != false {
		t.Errorf("got %d webhooks and %v, want %d and one in live mode", len(list), made, webhook.EndpointsMax)
	}
}
