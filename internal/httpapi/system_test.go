package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/billfold/billfold/api"
	"github.com/billfold/billfold/internal/httpapi"
	"github.com/billfold/billfold/internal/ledger"
)

func TestHealthAndReadiness(t *testing.T) {
	t.Parallel()
	broken := false
	h := newHouse(t, func(c *httpapi.Config) {
		c.Ready = func(context.Context) error {
			if broken {
				return errors.New("the disk says secret7")
			}
			return nil
		}
	})
	get := func(path string) reply { return h.send(request{method: "GET", path: path, key: "-"}) }
	if got, want := get("/healthz").body, `{"status":"ok","boot_id":"boot","version":"1.2.3"}`; got != want {
		t.Errorf("/healthz: got %s, want %s", got, want)
	}
	if got, want := get("/readyz").body, `{"status":"ready"}`; got != want {
		t.Errorf("/readyz: got %s, want %s", got, want)
	}
	broken = true
	got := get("/readyz")
	got.refused(t, http.StatusServiceUnavailable, "STORAGE_UNAVAILABLE")
	if strings.Contains(got.body, "secret7") {
		t.Errorf("/readyz: got %s, want no cause in it", got.body)
	}
	get("/healthz").want(t, http.StatusOK)
	always := newHouse(t)
	always.send(request{method: "GET", path: "/readyz", key: "-"}).want(t, http.StatusOK)
}

func TestContractIsServed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	if got := h.send(request{method: "GET", path: "/openapi.yaml", key: "-"}); got.body != string(api.OpenAPI) {
		t.Errorf("/openapi.yaml: got %d bytes that are not the contract's", len(got.body))
	}
	got := h.send(request{method: "GET", path: "/openapi.json", key: "-"})
	if got.body != string(api.OpenAPIJSON) || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("/openapi.json: got %d bytes of %s that are not the contract's", len(got.body), got.header.Get("Content-Type"))
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	batches := prometheus.NewCounter(prometheus.CounterOpts{Name: "billfold_test_batches_total", Help: "Somebody else's metric."})
	registry.MustRegister(batches)
	h := newHouse(t, func(c *httpapi.Config) { c.Metrics = registry })
	customer := h.newCustomer()
	h.credit(customer, "5")
	h.send(request{method: "GET", path: "/customers/cus_unknown_7"})
	h.send(request{method: "GET", path: "/canary"})
	h.send(request{method: "CANARY", path: "/customers"})
	got := h.send(request{method: "GET", path: "/metrics", key: "-"})
	for _, want := range []string{
		`billfold_http_requests_total{method="POST",route="/customers",status="200"} 1`,
		`billfold_http_requests_total{method="POST",route="/customers/{customer_id}/wallets/ledger-entries",status="200"} 1`,
		`billfold_http_requests_total{method="GET",route="/customers/{customer_id}",status="404"} 1`,
		`billfold_http_requests_total{method="",route="none",status="404"} 1`,
		`billfold_http_requests_total{method="",route="none",status="405"} 1`,
		`billfold_http_request_duration_seconds_count{method="POST",route="/customers"} 1`,
		`billfold_http_requests_in_flight 1`,
		`billfold_test_batches_total 0`,
	} {
		if !strings.Contains(got.body, want) {
			t.Errorf("got no %s in\n%s", want, got.body)
		}
	}
	for _, unwanted := range []string{"CANARY", "canary", customer, h.business.Business.ID} {
		if strings.Contains(got.body, unwanted) {
			t.Errorf("got %s in the metrics", unwanted)
		}
	}
	second := httpapi.Config{
		Book: h.book, Directory: h.directory, Products: h.model, Inbox: h.model, Webhooks: h.webhooks, Metrics: registry,
	}
	if _, err := httpapi.New(second); err == nil {
		t.Errorf("two servers on one registry: got no error, want one")
	}
}

// panickingStore has a bug.
type panickingStore struct{ ledger.Store }

func (panickingStore) Customer(context.Context, ledger.Tenant, string) (ledger.Customer, error) {
	panic("bug with secret7")
}

// logLines collects a log and reads it back.
type logLines struct{ bytes.Buffer }

func (l *logLines) lines(t *testing.T) []map[string]any {
	t.Helper()
	var list []map[string]any
	for line := range strings.Lines(l.String()) {
		var decoded map[string]any
		if err := json.Unmarshal([]byte(line), &decoded); err != nil {
			t.Fatalf("decode %s: got error %v, want none", line, err)
		}
		list = append(list, decoded)
	}
	return list
}

func TestPanicIsAnswered(t *testing.T) {
	t.Parallel()
	var log logLines
	h := newHouse(t)
	var err error
	h.api, err = httpapi.New(httpapi.Config{
		Book:      ledger.NewBook(panickingStore{h.model}, h.clock.Now, func() uint64 { return 1 }),
		Directory: h.directory, Products: h.model, Inbox: h.model, Webhooks: h.webhooks, Now: h.clock.Now,
		Logger: slog.New(slog.NewJSONHandler(&log, nil)),
	})
	if err != nil {
		t.Fatalf("make the API: got error %v, want none", err)
	}
	got := h.send(request{method: "GET", path: "/customers/cus_0Tn2lqUn4HhzK1bB9wXcP"})
	body := got.refused(t, http.StatusInternalServerError, "INTERNAL_SERVER_ERROR")
	if strings.Contains(got.body, "secret7") || len(body) != 4 {
		t.Errorf("got %s, want the id and nothing of the bug", got.body)
	}
	lines := log.lines(t)
	if len(lines) != 1 {
		t.Fatalf("got %d lines of log, want 1", len(lines))
	}
	text, _ := lines[0]["error"].(string)
	if lines[0]["level"] != "ERROR" || !strings.Contains(text, "secret7") || !strings.Contains(text, "system_test.go") {
		t.Errorf("got %v, want an error with the cause and where it was", lines[0])
	}
	if lines[0]["request_id"] != body["request_id"] {
		t.Errorf("got request_id %v in the log, want %v", lines[0]["request_id"], body["request_id"])
	}
}

func TestAbortGoesOn(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *httpapi.Config) {
		c.Ready = func(context.Context) error { panic(http.ErrAbortHandler) }
	})
	defer func() {
		if got := recover(); got != http.ErrAbortHandler {
			t.Errorf("got panic %v, want %v", got, http.ErrAbortHandler)
		}
	}()
	h.send(request{method: "GET", path: "/readyz"})
}

// TestLogHasNoSecrets makes every kind of request with secrets everywhere and
// looks for them in the log at its most talkative.
func TestLogHasNoSecrets(t *testing.T) {
	t.Parallel()
	var log logLines
	h := newHouse(t, func(c *httpapi.Config) {
		c.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	const secret = "secret7"
	customer := h.newCustomer()
	for _, r := range []request{
		{method: "POST", path: entriesPath(customer), body: `{"amount":1,"currency":"USD","entry_type":"credit","reason":"` + secret + `","idempotency_key":"` + secret + `"}`},
		{method: "POST", path: entriesPath(customer), body: `{"amount":"` + secret + `","currency":"USD","entry_type":"credit"}`},
		{method: "POST", path: entriesPath(customer), body: `{"` + secret + `":1}`},
		{method: "GET", path: "/" + secret},
		{method: "GET", path: "/customers/cus_" + secret + secret},
		{method: "GET", path: "/customers?email=" + secret},
		{method: "GET", path: "/customers?" + secret + "=1"},
		{method: secret, path: "/customers"},
		{method: "GET", path: "/customers", key: "bf_test_" + secret + strings.Repeat("A", 40)},
		{method: "POST", path: "/customers", body: `{}`, headers: map[string]string{"Idempotency-Key": secret}},
	} {
		h.send(r)
	}
	for _, unwanted := range []string{secret, h.business.TestKey, h.business.TestKey[8:]} {
		if strings.Contains(log.String(), unwanted) {
			t.Errorf("got %s in the log:\n%s", unwanted, log.String())
		}
	}
	lines := log.lines(t)
	if len(lines) != 11 {
		t.Errorf("got %d lines, want 11, one for each request", len(lines))
	}
	for _, member := range []string{"request_id", "method", "route", "status", "took", "remote", "key_id", "business_id", "mode"} {
		if _, there := lines[0][member]; !there {
			t.Errorf("got no %s in %v", member, lines[0])
		}
	}
	if lines[0]["level"] != "DEBUG" || lines[0]["route"] != "/customers" {
		t.Errorf("got %v, want a line at debug with the route's pattern", lines[0])
	}
}

func TestFailedAuthenticationBacksOff(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	bad := request{method: "GET", path: "/customers", key: "wrong", remote: "192.0.2.1:4000"}
	good := request{method: "GET", path: "/customers", remote: "192.0.2.1:4001"}
	for range 100 {
		h.send(bad).refused(t, http.StatusUnauthorized, "UNAUTHORIZED")
	}
	h.clock.Move(30 * time.Second)
	got := h.send(bad)
	got.refused(t, http.StatusTooManyRequests, "TOO_MANY_REQUESTS")
	if after := got.header.Get("Retry-After"); after != "30" {
		t.Errorf("got Retry-After %q, want 30", after)
	}
	h.send(good).want(t, http.StatusOK)
	bad.remote = "192.0.2.2:4000"
	h.send(bad).refused(t, http.StatusUnauthorized, "UNAUTHORIZED")
	bad.remote = "@"
	for range 200 {
		h.send(bad).refused(t, http.StatusUnauthorized, "UNAUTHORIZED")
	}
	h.clock.Move(30 * time.Second)
	bad.remote = "192.0.2.1:4000"
	h.send(bad).refused(t, http.StatusUnauthorized, "UNAUTHORIZED")
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(c *httpapi.Config) { c.Limits.Rate = httpapi.Rate{Requests: 4, Window: 4 * time.Second} })
	customer := h.newCustomer() // the first of four
	get := request{method: "GET", path: "/customers"}
	for i, want := range []string{"2", "1", "0"} {
		got := h.send(get)
		got.want(t, http.StatusOK)
		if got.header.Get("X-RateLimit-Limit") != "4" || got.header.Get("X-RateLimit-Remaining") != want {
			t.Errorf("request %d: got headers %v, want limit 4 and remaining %s", i, got.header, want)
		}
	}
	keyed, keyless := attempt{bodyKey: "k"}.request(customer), attempt{}.request(customer)
	for name, c := range map[string]struct {
		r     request
		retry string
	}{
		"a read": {get, "true"}, "with a key": {keyed, "true"}, "without a key": {keyless, "false"},
		"no JSON": {request{method: "POST", path: entriesPath(customer), body: "x"}, "false"},
	} {
		got := h.send(c.r)
		got.refused(t, http.StatusTooManyRequests, "TOO_MANY_REQUESTS")
		if got.header.Get("Retry-After") != "1" || got.header.Get("X-Should-Retry") != c.retry {
			t.Errorf("%s: got headers %v, want Retry-After 1 and x-should-retry %s", name, got.header, c.retry)
		}
	}
	h.send(request{method: "GET", path: "/customers", key: h.newKey("second", "read")}).want(t, http.StatusOK)
	h.send(request{method: "GET", path: "/healthz"}).want(t, http.StatusOK)
	h.clock.Move(time.Second)
	h.send(keyed).want(t, http.StatusOK)
	h.send(get).refused(t, http.StatusTooManyRequests, "TOO_MANY_REQUESTS")
	h.clock.Move(time.Hour)
	if got := h.send(get).header.Get("X-RateLimit-Remaining"); got != "3" {
		t.Errorf("after an hour: got %s remaining, want 3", got)
	}
}

// TestWrapperSeesTheRoute is what tracing rests on.
func TestWrapperSeesTheRoute(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	r := httptest.NewRequest("GET", "/customers/cus_0Tn2lqUn4HhzK1bB9wXcP/wallets", nil)
	h.api.ServeHTTP(httptest.NewRecorder(), r)
	if want := "GET /customers/{customer_id}/wallets"; r.Pattern != want {
		t.Errorf("got pattern %q, want %q", r.Pattern, want)
	}
}

func TestCancelledRequest(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer := h.newCustomer()
	h.breakStore(context.Canceled)
	h.send(attempt{bodyKey: "k"}.request(customer)).refused(t, http.StatusServiceUnavailable, "OUTCOME_UNKNOWN")
	h.send(request{method: "GET", path: "/customers/" + customer}).refused(t, http.StatusServiceUnavailable, "STORAGE_UNAVAILABLE")
	h.breakStore(errors.New("something else"))
	h.send(request{method: "GET", path: "/customers/" + customer}).refused(t, http.StatusInternalServerError, "INTERNAL_SERVER_ERROR")
	h.breakStore(ledger.Errorf("NEVER_HEARD_OF", "x"))
	h.send(request{method: "GET", path: "/customers/" + customer}).refused(t, http.StatusInternalServerError, "INTERNAL_SERVER_ERROR")
}
