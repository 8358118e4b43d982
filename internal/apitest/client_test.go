package apitest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// recorder is a test that keeps what it is blamed for.
type recorder struct {
	testing.TB
	blamed []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.blamed = append(r.blamed, fmt.Sprintf(format, args...))
}

// TestClientAndHandlerCheck sends one answer that the contract knows and one
// that it does not know through both, and wants the second to fail the test
// and each to arrive as it was sent.
func TestClientAndHandlerCheck(t *testing.T) {
	t.Parallel()
	contract, err := NewBillfold()
	if err != nil {
		t.Fatalf("load the contract: got error %v, want none", err)
	}
	server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Request-Id", "req_1")
		fmt.Fprint(w, `{"status":"`+r.Header.Get("X-Say")+`","boot_id":"b","version":"v"}`)
	})
	for say, blamed := range map[string]int{"ok": 0, "fine": 1} {
		fromClient, fromHandler := &recorder{TB: t}, &recorder{TB: t}
		plain := httptest.NewServer(server)
		defer plain.Close()
		checked := httptest.NewServer(Handler(fromHandler, server, contract))
		defer checked.Close()
		for at, client := range map[string]*http.Client{
			plain.URL:   {Transport: Transport(fromClient, http.DefaultTransport, contract)},
			checked.URL: http.DefaultClient,
		} {
			request, err := http.NewRequest(http.MethodGet, at+"/healthz", nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("X-Say", say)
			response, err := client.Do(request)
			if err != nil {
				t.Fatalf("get: got error %v, want none", err)
			}
			body := make([]byte, 100)
			n, _ := response.Body.Read(body)
			_ = response.Body.Close()
			if response.Header.Get("X-Request-Id") != "req_1" || !strings.Contains(string(body[:n]), say) {
				t.Errorf("answer: got %v %s, want it as it was sent", response.Header, body[:n])
			}
		}
		if len(fromClient.blamed) != blamed || len(fromHandler.blamed) != blamed {
			t.Errorf("status %q: got blamed %v by the client and %v by the handler, want %d each",
				say, fromClient.blamed, fromHandler.blamed, blamed)
		}
	}
	if got := contract.Seen()[Met{OperationID: "get_health", Status: http.StatusOK}]; got != 4 {
		t.Errorf("answers seen: got %d, want 4", got)
	}
}
