package webhooks

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// behaviour is how a receiver treats the first attempts at some of its messages.
type behaviour struct {
	name string

	// first answers the nth message that is new here and returns true, or lets it be
	// taken.
	first func(w http.ResponseWriter, n int) bool
}

var (
	takes = behaviour{"one that takes everything", func(http.ResponseWriter, int) bool { return false }}
	fails = behaviour{"one that fails three in ten", func(w http.ResponseWriter, n int) bool {
		if n%10 < 3 {
			w.WriteHeader(http.StatusInternalServerError)
		}
		return n%10 < 3
	}}
	failsSeldom = behaviour{"one that wants strict order", func(w http.ResponseWriter, n int) bool {
		if n%50 == 4 {
			w.WriteHeader(http.StatusBadGateway)
		}
		return n%50 == 4
	}}
	hangs = behaviour{"one that hangs", func(w http.ResponseWriter, n int) bool {
		if n%200 == 7 {
			time.Sleep(20 * time.Second) // longer than it is waited for
		}
		return n%200 == 7
	}}
	closes = behaviour{"one that closes in the middle", func(w http.ResponseWriter, n int) bool {
		if n%10 == 3 {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "half of")
			panic(http.ErrAbortHandler)
		}
		return false
	}}
	redirects = behaviour{"one that redirects", func(w http.ResponseWriter, n int) bool {
		if n%10 == 5 {
			w.Header().Set("Location", "http://169.254.169.254/latest/meta-data/")
			if n%20 == 5 {
				w.Header().Set("Location", trap().URL)
			}
			w.WriteHeader(http.StatusTemporaryRedirect)
		}
		return n%10 == 5
	}}
	isBusy = behaviour{"one that is busy", func(w http.ResponseWriter, n int) bool {
		if n%10 == 2 {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
		}
		return n%10 == 2
	}}
	isDead = behaviour{"one that is dead", func(w http.ResponseWriter, _ int) bool {
		time.Sleep(20 * time.Second)
		return true
	}}
)

// trap is a server that nobody may be led to.
var trap = sync.OnceValue(func() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { forbidden.Add(1) }))
})

// message is an attempt as the receiver saw it.
type message struct {
	at       time.Time
	id       string
	header   http.Header
	body     string
	queue    string
	position int64
	taken    bool
}

func (m *message) verify(secret string) error {
	hook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return err
	}
	return hook.VerifyIgnoringTimestamp([]byte(m.body), m.header)
}

// receiver keeps what came to one URL.
type receiver struct {
	url     string
	behaves behaviour

	mu     sync.Mutex
	got    []message
	known  map[string]bool
	failed map[string]bool
}

func newReceiver(t testing.TB, behaves behaviour) *receiver {
	t.Helper()
	r := &receiver{behaves: behaves, known: map[string]bool{}, failed: map[string]bool{}}
	server := httptest.NewServer(r)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	r.url = server.URL + "/hook?a=1"
	return r
}

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return // the sender was killed in the middle
	}
	m := message{at: time.Now(), id: request.Header.Get("Webhook-Id"), header: request.Header, body: string(body)}
	var event struct {
		Data struct {
			CustomerID string `json:"customer_id"`
			Currency   string `json:"currency"`
			Position   int64  `json:"position"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &event); err != nil {
		m.id = fmt.Sprintf("no JSON: %v", err)
	}
	m.queue, m.position = event.Data.CustomerID+"/"+event.Data.Currency, event.Data.Position
	r.mu.Lock()
	isNew, n := !r.known[m.id], len(r.known)
	r.known[m.id] = true
	if isNew && r.behaves.name != takes.name {
		r.failed[m.id] = true // until it is known better
	}
	at := len(r.got)
	r.got = append(r.got, m)
	r.mu.Unlock()
	if isNew && r.behaves.first(w, n) {
		return
	}
	r.mu.Lock()
	r.got[at].taken = true
	if isNew {
		delete(r.failed, m.id)
	}
	r.mu.Unlock()
}

// taken are the ids of the events that the receiver has said yes to.
func (r *receiver) taken() map[string]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := map[string]bool{}
	for i := range r.got {
		if r.got[i].taken {
			taken[r.got[i].id] = true
		}
	}
	return taken
}

// await waits until so many messages have come.
func (r *receiver) await(t *testing.T, count int) {
	t.Helper()
	for giveUp := time.Now().Add(time.Minute); len(r.taken()) < count; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(giveUp) {
			t.Fatalf("got %d messages in a minute, want %d", len(r.taken()), count)
		}
	}
}

// awaitSince waits until a message has come after a time.
func (r *receiver) awaitSince(t *testing.T, since time.Time) {
	t.Helper()
	for giveUp := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		r.mu.Lock()
		last := time.Time{}
		if len(r.got) > 0 {
			last = r.got[len(r.got)-1].at
		}
		r.mu.Unlock()
		if last.After(since) {
			return
		}
		if time.Now().After(giveUp) {
			t.Fatalf("got no message in a minute, want some")
		}
	}
}

// longestPause is how long nothing came at the most, from a time on.
func (r *receiver) longestPause(from time.Time) (pause time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := from
	for i := range r.got {
		if r.got[i].at.After(last) {
			pause, last = max(pause, r.got[i].at.Sub(last)), r.got[i].at
		}
	}
	return pause
}
