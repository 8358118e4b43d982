package httpapi_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/httpapi"
	"github.com/billfold/billfold/internal/ledger"
)

// TestCallersWhoLeave wants that requests whose callers are gone, which cost
// nothing to send, neither fill the log nor count as failures of the server.
func TestCallersWhoLeave(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer := h.newCustomer()
	var log bytes.Buffer
	store := &brokenStore{Store: h.model, err: context.Canceled}
	api, err := httpapi.New(httpapi.Config{
		Book: ledger.NewBook(store, h.clock.Now, rand.Uint64), Directory: h.directory, Products: h.model, Inbox: h.model, Webhooks: h.webhooks, Now: h.clock.Now,
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatalf("make the API: got error %v, want none", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ask := func(method, path, body string) {
		r := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+h.business.TestKey)
		api.ServeHTTP(httptest.NewRecorder(), r)
	}
	failures := func() int {
		metrics := sendTo(api, request{method: "GET", path: "/metrics"}, h.business.TestKey).body
		count := 0
		for line := range strings.Lines(metrics) {
			if strings.Contains(line, `status="5`) && !strings.HasSuffix(line, " 0\n") {
				count++
			}
		}
		return count
	}
	ask("GET", "/customers/"+customer, "")
	if failures() != 1 || log.Len() == 0 {
		t.Errorf("a caller who waits: got %d failures and the log %q, want one of each", failures(), log.String())
	}
	log.Reset()
	cancel()
	ask("GET", "/customers/"+customer, "")
	ask("POST", entriesPath(customer), `{"amount":1,"currency":"USD","entry_type":"credit"}`)
	if failures() != 1 || log.Len() != 0 {
		t.Errorf("callers who left: got %d failures and the log %q, want no more", failures()-1, log.String())
	}
}

// growing is a body that notes how much room it is given to be read into.
type growing struct {
	io.Reader
	most int
}

func (g *growing) Read(p []byte) (int, error) {
	g.most = max(g.most, len(p))
	return g.Reader.Read(p)
}

// TestStrangersGetNoMemory wants that the body of a request without a working
// key is not kept: thousands of such requests may be open at once.
func TestStrangersGetNoMemory(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, c := range []struct {
		key    string
		size   int
		status int
		grows  bool
	}{
		{h.business.TestKey, 60_000, http.StatusOK, true},
		{h.business.TestKey[:20], 60_000, http.StatusUnauthorized, false},
		{access.KeyPrefix(ledger.Test) + strings.Repeat("a", 43), 60_000, http.StatusUnauthorized, false},
		{h.business.TestKey[:20], httpapi.BodyMaxDefault + 1, http.StatusRequestEntityTooLarge, false},
	} {
		body := &growing{Reader: strings.NewReader(
			strings.Repeat(" ", c.size-40) + `{"email":"jane@example.com","name":"abc"}`)}
		r := httptest.NewRequest("POST", "/customers", body)
		r.Header.Set("Authorization", "Bearer "+c.key)
		recorder := httptest.NewRecorder()
		h.api.ServeHTTP(recorder, r)
		if recorder.Code != c.status || (body.most > 1<<10) != c.grows {
			t.Errorf("%.20s… with %d bytes: got status %d and room for %d at once, want %d and growth %t",
				c.key, c.size, recorder.Code, body.most, c.status, c.grows)
		}
	}
}
