package httpapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// slowReader is a caller who has asked and does not read before told to.
type slowReader struct {
	*httptest.ResponseRecorder
	answered func()
	read     chan struct{}
}

func (r *slowReader) Write(p []byte) (int, error) {
	r.answered()
	<-r.read
	return r.ResponseRecorder.Write(p)
}

// unread sends a request many times at once, reads no answer before all are
// there, and returns how many were refused for that.
func (h *house) unread(path string, calls int) (refused int) {
	h.Helper()
	var answered, done sync.WaitGroup
	readers := make([]*slowReader, calls)
	read := make(chan struct{})
	for i := range readers {
		answered.Add(1)
		readers[i] = &slowReader{httptest.NewRecorder(), sync.OnceFunc(answered.Done), read}
		done.Go(func() {
			r := httptest.NewRequest("GET", path, nil)
			r.Header.Set("Authorization", "Bearer "+h.business.TestKey)
			h.api.ServeHTTP(readers[i], r)
		})
	}
	answered.Wait()
	close(read)
	done.Wait()
	for _, r := range readers {
		if r.Code == http.StatusServiceUnavailable && r.Header().Get("Retry-After") != "" {
			refused++
		}
	}
	return refused
}

// TestSlowReaders lets callers ask for long answers and read none of them. The
// memory for that has an end, and comes back. Short answers go on.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var metadata []string
	for i := range 50 {
		metadata = append(metadata, fmt.Sprintf(`"k%d":"%s"`, i, strings.Repeat("é", 500)))
	}
	for range 100 {
		h.send(request{
			method: "POST", path: "/customers",
			body: `{"email":"a@example.com","name":"a","metadata":{` + strings.Join(metadata, ",") + `}}`,
		}).want(t, http.StatusOK)
	}
	for _, c := range []struct {
		path    string
		calls   int
		refuses bool
	}{
		{"/customers?page_size=100", 20, true}, // five megabytes each
		{"/metrics", 30, true},
		{"/customers?page_size=1", 30, false},
	} {
		if refused := h.unread(c.path, c.calls); (refused > 0) != c.refuses || refused == c.calls {
			t.Errorf("%s: got %d of %d refused, want some %t", c.path, refused, c.calls, c.refuses)
		}
		if got := h.send(request{method: "GET", path: c.path}); got.status != http.StatusOK {
			t.Errorf("%s when all is read: got status %d, want 200", c.path, got.status)
		}
	}
}
