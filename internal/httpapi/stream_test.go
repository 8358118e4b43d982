package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/httpapi"
	"github.com/billfold/billfold/internal/ledger"
)

// withinStream is how long what must happen to a stream may take.
const withinStream = 2 * time.Minute

// streamHouse is a house with streams in a hurry, over a network.
type streamHouse struct {
	*house
	url string
}

func newStreamHouse(t *testing.T, patience time.Duration, change ...func(*httpapi.Config)) *streamHouse {
	t.Helper()
	h := &streamHouse{house: newHouse(t, change...)}
	h.api.HurryStreams(patience)
	server := httptest.NewUnstartedServer(h.api)
	// A stream outlives both.
	server.Config.ReadTimeout, server.Config.WriteTimeout = 300*time.Millisecond, 300*time.Millisecond
	server.Listener = shortBuffers{server.Listener}
	server.Start()
	t.Cleanup(func() {
		h.api.EndStreams()
		server.Close()
	})
	h.url = server.URL
	return h
}

// shortBuffers has the connections that it accepts take little of what is not read.
type shortBuffers struct{ net.Listener }

func (l shortBuffers) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok {
		err = tcp.SetWriteBuffer(4096)
	}
	return conn, err
}

// stream is one answer of a stream of events that is being read.
type stream struct {
	response *http.Response
	lines    *bufio.Reader
	cancel   context.CancelFunc
}

// open asks for a stream behind the message with an id.
func (h *streamHouse) open(query, lastID, key string) (*stream, error) {
	headers := map[string]string{"Authorization": "Bearer " + key}
	if lastID != "" {
		headers["Last-Event-ID"] = lastID
	}
	return h.openWith(query, headers)
}

func (h *streamHouse) openWith(query string, headers map[string]string) (*stream, error) {
	ctx, cancel := context.WithTimeout(context.Background(), withinStream)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url+"/events"+query, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	request.Header.Set("Accept", "text/event-stream")
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		cancel()
		return nil, err
	}
	return &stream{response, bufio.NewReader(response.Body), cancel}, nil
}

func (h *streamHouse) mustOpen(query, lastID string) *stream {
	h.Helper()
	s, err := h.open(query, lastID, h.business.TestKey)
	if err != nil || s.response.StatusCode != http.StatusOK {
		h.Fatalf("open a stream: got %+v and error %v, want one", s, err)
	}
	h.Cleanup(s.close)
	return s
}

func (s *stream) close() {
	s.cancel()
	_ = s.response.Body.Close() // what is left of it is not wanted
}

// message is what stands between two blank lines of a stream.
type message struct {
	id, data string
	comment  bool
}

func (s *stream) next() (m message, err error) {
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return m, err
		}
		line = strings.TrimSuffix(line, "\n")
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "":
			return m, nil
		case line == ":":
			m.comment = true
		case name == "id":
			m.id = value
		case name == "data":
			m.data = value
		}
	}
}

var errEnough = errors.New("enough")

// event reads up to the next event and returns its id, and that of the message. It
// gives up when enough says so.
func (s *stream) event(enough func() bool) (event, id string, err error) {
	for {
		m, err := s.next()
		switch {
		case err != nil:
			return "", "", err
		case m.data == "" && enough():
			return "", "", errEnough
		case m.data == "":
			continue
		}
		var told struct{ ID string }
		if err := json.Unmarshal([]byte(m.data), &told); err != nil {
			return "", "", fmt.Errorf("%w in %s", err, m.data)
		}
		return told.ID, m.id, nil
	}
}

// customerIn makes a customer of the house's business in test mode.
func (h *streamHouse) customerIn() string {
	h.Helper()
	return h.send(request{method: "POST", path: "/customers", body: `{"email":"jane@example.com","name":"Jane"}`}).
		want(h, 200)["customer_id"].(string)
}

func (h *streamHouse) credit(customer string) error {
	_, err := h.book.Post(context.Background(), ledger.PostRequest{
		Tenant: ledger.Tenant{BusinessID: h.business.Business.ID, Mode: ledger.Test}, CustomerID: customer, Currency: "USD",
		Amount: 1, Direction: ledger.Credit, Reason: strings.Repeat("reason ", 100), CurrencyEnabled: true,
	})
	return err
}

// follow reads events, is cut off now and then, and comes back with the last id, until
// it has had so many or enough says so.
func (h *streamHouse) follow(count int, enough func() bool) (met []string, cuts int, err error) {
	lastID := ""
	for giveUp := time.Now().Add(withinStream); len(met) < count && time.Now().Before(giveUp) && !enough(); cuts++ {
		s, err := h.open("", lastID, h.business.TestKey)
		if err != nil {
			return met, cuts, err
		}
		for range 1 + rand.IntN(60) {
			event, id, err := s.event(enough)
			if err != nil {
				break // the stream was ended, as those of slow readers are
			}
			met, lastID = append(met, event), id
			if len(met) == count {
				break
			}
		}
		s.close()
	}
	return met, cuts, nil
}

// streamCampaign has 16 writers change customers while readers follow, and says what
// a reader has missed, met twice or met in another order than the feed has it. After
// so many signs of life behind the last write it takes a reader for stuck; 0: never.
func streamCampaign(t *testing.T, h *streamHouse, stuckAfter int64) (complaints []string) {
	t.Helper()
	const writers, each, readers = 16, 30, 4
	var customers []string
	for range 6 {
		customers = append(customers, h.customerIn())
	}
	count := len(customers) + writers*each
	var met [readers][]string
	var connections, quiet atomic.Int64
	var written atomic.Bool
	var writing, reading sync.WaitGroup
	enough := func() bool { return written.Load() && stuckAfter > 0 && quiet.Add(1) > stuckAfter }
	for n := range readers {
		reading.Go(func() {
			events, cuts, err := h.follow(count, enough)
			met[n] = events
			connections.Add(int64(cuts))
			if err != nil {
				t.Errorf("reader: %v", err)
			}
		})
	}
	for range writers {
		writing.Go(func() {
			for range each {
				time.Sleep(rand.N(2 * time.Millisecond))
				if err := h.credit(customers[rand.IntN(len(customers))]); err != nil {
					t.Errorf("write: %v", err)
				}
			}
		})
	}
	writing.Wait()
	written.Store(true)
	reading.Wait()
	tenant := ledger.Tenant{BusinessID: h.business.Business.ID, Mode: ledger.Test}
	page, err := h.model.Feed(t.Context(), tenant, "", count+1)
	if err != nil || len(page.Facts) != count {
		t.Fatalf("feed: got %d facts and error %v, want %d", len(page.Facts), err, count)
	}
	for n := range readers {
		for i := range page.Facts {
			want := page.Facts[i].Events()[0].ID
			if got := met[n]; i >= len(got) || got[i] != want {
				complaints = append(complaints, fmt.Sprintf("reader %d of %d events: event %d is not %s", n, len(got), i, want))
				break
			}
		}
	}
	t.Logf("%d events, %d readers, %d connections", count, readers, connections.Load())
	return complaints
}

// forgetful is a store whose feed reads beyond what is still being committed: of a
// page that ends the feed it sometimes has not seen the last fact, and goes on behind
// it.
type forgetful struct{ ledger.Store }

func (f forgetful) Feed(
	ctx context.Context, tenant ledger.Tenant, from ledger.FeedPlace, limit int,
) (ledger.FeedPage, error) {
	page, err := f.Store.Feed(ctx, tenant, from, limit)
	if len(page.Facts) > 1 && rand.IntN(4) == 0 {
		page.Facts = page.Facts[:len(page.Facts)-1]
	}
	return page, err
}

// Whoever is cut off and comes back with the last id misses nothing and meets nothing
// twice, and the campaign notices a feed of which that is not true.
func TestStreamThatIsCutOff(t *testing.T) {
	t.Parallel()
	h := newStreamHouse(t, withinStream)
	for _, complaint := range streamCampaign(t, h, 0) {
		t.Error(complaint)
	}
	bent := newStreamHouse(t, withinStream, func(c *httpapi.Config) {
		c.Book = ledger.NewBook(forgetful{c.Book.Store()}, c.Now, rand.Uint64)
	})
	if said := streamCampaign(t, bent, 200); len(said) == 0 {
		t.Error("with a feed that passes over what is being committed: got no complaint, want one")
	}
}

// awaitStreams waits until so many streams are open.
func (h *streamHouse) awaitStreams(want int) {
	h.Helper()
	for giveUp := time.Now().Add(withinStream); ; time.Sleep(time.Millisecond) {
		readers, feeds := h.api.StreamsOpen()
		if readers == want && feeds == min(want, 1) {
			return
		}
		if time.Now().After(giveUp) {
			h.Fatalf("got %d streams open of %d feeds, want %d", readers, feeds, want)
		}
	}
}

// wantEnd reads a stream to its end, which is a whole one.
func (s *stream) wantEnd(t *testing.T) {
	t.Helper()
	if _, err := io.Copy(io.Discard, s.response.Body); err != nil {
		t.Errorf("end of a stream: got error %v, want none", err)
	}
}

// A stream outlives the time-outs of requests, shows signs of life, and ends when the
// server stops.
func TestStreamWhileNothingHappens(t *testing.T) {
	t.Parallel()
	h := newStreamHouse(t, withinStream)
	customer := h.customerIn()
	s := h.mustOpen("?types=wallet.credited&customer_id="+customer, "")
	if got := s.response.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("got content type %q, want text/event-stream", got)
	}
	passed := ""
	for began := time.Now(); time.Since(began) < time.Second || passed == ""; {
		m, err := s.next()
		if err != nil || m.data != "" {
			t.Fatalf("while nothing happens: got %+v and error %v, want signs of life", m, err)
		}
		if m.id != "" {
			passed = m.id // behind the making of the customer, which the filter keeps back
		}
	}
	if err := h.credit(customer); err != nil {
		t.Fatal(err)
	}
	first, id, err := s.event(func() bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	again, _, err := h.mustOpen("?types=wallet.credited&cursor=bent", passed).event(func() bool { return false })
	if err != nil || again != first {
		t.Errorf("from where nothing was: got %s and error %v, want %s", again, err, first)
	}
	// The id of a message is a cursor of pages, and theirs is one of streams.
	page := h.send(request{method: "GET", path: "/events?cursor=" + id}).want(t, 200)
	if items := page["items"].([]any); len(items) != 0 {
		t.Errorf("page behind the event: got %v, want none", items)
	}
	h.awaitStreams(2)
	h.api.EndStreams()
	s.wantEnd(t)
	h.awaitStreams(0)
}

// A stream ends with its key.
func TestStreamOfARevokedKey(t *testing.T) {
	t.Parallel()
	h := newStreamHouse(t, withinStream)
	s := h.mustOpen("", "")
	h.awaitStreams(1)
	if _, err := h.directory.RevokeKey(t.Context(), h.business.Keys[0].ID); err != nil {
		t.Fatal(err)
	}
	s.wantEnd(t)
	h.awaitStreams(0)
	if s, err := h.open("", "", h.business.TestKey); err != nil || s.response.StatusCode != http.StatusUnauthorized {
		t.Errorf("with the revoked key: got %+v and error %v, want 401", s, err)
	} else {
		s.close()
	}
}

// What is asked for wrongly is refused as it is of a page, and a key has so many
// streams and no more.
func TestStreamsRefused(t *testing.T) {
	t.Parallel()
	h := newStreamHouse(t, withinStream)
	accept := map[string]string{"Accept": "application/xml, Text/Event-Stream;q=0.9"}
	h.send(request{method: "GET", path: "/events?cursor=bent", headers: accept}).refused(t, 422, "INVALID_CURSOR")
	h.send(request{method: "GET", path: "/events?types=none", headers: accept}).refused(t, 422, "INVALID_QUERY_PARAMS")
	h.send(request{method: "GET", path: "/events", headers: accept, key: "-"}).refused(t, 401, "UNAUTHORIZED")
	h.send(request{method: "GET", path: "/events", headers: map[string]string{"Accept": "*/*"}}).want(t, 200)
	for range httpapi.StreamsOfKey {
		h.mustOpen("", "")
	}
	h.send(request{method: "GET", path: "/events", headers: accept}).refused(t, 429, "TOO_MANY_REQUESTS")
	live, err := h.open("", "", h.business.LiveKey)
	if err != nil || live.response.StatusCode != http.StatusOK {
		t.Fatalf("with another key: got %+v and error %v, want a stream", live, err)
	}
	live.close()
	h.awaitStreams(httpapi.StreamsOfKey)
}

// A reader that does not read is dropped, and what was not taken is not kept for it.
func TestStreamThatNobodyReads(t *testing.T) {
	t.Parallel()
	h := newStreamHouse(t, 200*time.Millisecond)
	customer := h.customerIn()
	for range 1500 {
		if err := h.credit(customer); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the server has cut it
	if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprintf(conn, "GET /events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\nAccept: text/event-stream\r\n\r\n",
		h.business.TestKey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil { // it has begun
		t.Fatal(err)
	}
	h.awaitStreams(0)
}
