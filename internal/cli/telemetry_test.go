package cli

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// The exporter reads the environment of the process, so this test sets it and
// does not run beside others.
func TestTracesAreSentWhenTheStandardVariablesAsk(t *testing.T) {
	var spans buffer
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("got %s %q, want /v1/traces in protobuf", r.URL.Path, r.Header.Get("Content-Type"))
		}
		_, _ = io.Copy(&spans, r.Body) // what is missing shows below
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	defer receiver.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.URL)
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=proving-ground")
	environ := []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + receiver.URL}
	s := startServer(t, t.TempDir(), environ)
	customer := s.customer(t, s.testKey)
	s.do(t, http.MethodGet, customerPath(customer, "/wallets"), s.testKey, "")
	s.get(t, "/healthz")
	if code := s.stop(t); code != exitDone {
		t.Errorf("stop: got %d\n%s", code, s.stderr)
	}
	// Names stand in protobuf as they are.
	sent := spans.String()
	for _, want := range []string{
		"POST /customers", "GET /customers/{customer_id}/wallets", "billfold", "proving-ground", "http.response.status_code",
	} {
		if !strings.Contains(sent, want) {
			t.Errorf("the spans do not contain %q", want)
		}
	}
	for _, not := range []string{s.testKey, "jane@example.com", "/healthz", "/readyz"} {
		if strings.Contains(sent, not) {
			t.Errorf("the spans contain %q", not)
		}
	}
}

func TestWhenTracesAreWanted(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		environ []string
		want    bool
	}{
		{nil, false},
		{[]string{"OTEL_SERVICE_NAME=x"}, false},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://x"}, true},
		{[]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://x/v1/traces"}, true},
		{[]string{"OTEL_TRACES_EXPORTER=otlp"}, true},
		{[]string{"OTEL_TRACES_EXPORTER=none", "OTEL_EXPORTER_OTLP_ENDPOINT=http://x"}, false},
		{[]string{"OTEL_SDK_DISABLED=True", "OTEL_EXPORTER_OTLP_ENDPOINT=http://x"}, false},
	} {
		if got := tracingWanted(test.environ); got != test.want {
			t.Errorf("%v: got %t, want %t", test.environ, got, test.want)
		}
	}
}

func TestAServerWithoutAReceiverServesAndStops(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	s := startServer(t, t.TempDir(), []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1"}, "--stop-timeout", "1s")
	s.customer(t, s.testKey)
	if code := s.stop(t); code != exitDone {
		t.Errorf("stop: got %d, want 0: what watches the server must not fail it\n%s", code, s.stderr)
	}
}
