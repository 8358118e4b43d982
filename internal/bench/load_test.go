package bench

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func newGet(path string) requester {
	return &fixed{bytes: getRequest(path)}
}

// fixed sends one request over and over.
type fixed struct {
	bytes    []byte
	answered atomic.Int64
}

func (f *fixed) request() []byte { return f.bytes }

func (f *fixed) answer(status int, body []byte) error {
	if status != http.StatusOK {
		return fmt.Errorf("status %d: %s", status, body)
	}
	f.answered.Add(1)
	return nil
}

func serveFor(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func TestLoadCountsWhatWasAnsweredAfterTheWarmup(t *testing.T) {
	t.Parallel()
	var served atomic.Int64
	addr := serveFor(t, func(w http.ResponseWriter, _ *http.Request) { served.Add(1); fmt.Fprint(w, "{}") })
	result, err := runLoad(t.Context(), &loadPlan{
		addrs: []string{addr}, connections: 4, warmup: 250 * time.Millisecond, duration: 500 * time.Millisecond,
		requester: func() requester { return newGet("/") },
	})
	if err != nil {
		t.Fatal(err)
	}
	if result.requests == 0 || result.requests >= served.Load() {
		t.Errorf("got %d requests of %d that were served, want some, and not those of the warm-up", result.requests, served.Load())
	}
	if want := result.requests * 2; result.perSecond() != want {
		t.Errorf("got %d requests a second, want %d", result.perSecond(), want)
	}
}

// TestAStallIsChargedToEveryRequestThatItHeldUp is what an open loop is for: a
// closed one would show a single slow request.
func TestAStallIsChargedToEveryRequestThatItHeldUp(t *testing.T) {
	t.Parallel()
	const stall = 200 * time.Millisecond
	var first atomic.Bool
	addr := serveFor(t, func(w http.ResponseWriter, _ *http.Request) {
		if first.CompareAndSwap(false, true) {
			<-time.After(stall)
		}
		fmt.Fprint(w, "{}")
	})
	result, err := runLoad(t.Context(), &loadPlan{
		addrs: []string{addr}, connections: 1, duration: 2 * stall, rate: 500,
		requester: func() requester { return newGet("/") },
	})
	if err != nil {
		t.Fatal(err)
	}
	// 100 requests were due during the stall, so a quarter waited for half of
	// it at least.
	if got := result.latency.quantile(800); got < stall/10 {
		t.Errorf("quantile 800: got %v, want at least %v", got, stall/10)
	}
	if got := result.requests; got < 1 || got > 200 {
		t.Errorf("got %d requests, want no more than the 200 that were due", got)
	}
}

func TestLoadEndsWithTheFirstError(t *testing.T) {
	t.Parallel()
	var served atomic.Int64
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"refused": {func(w http.ResponseWriter, _ *http.Request) {
			if served.Add(1) > 10 {
				w.WriteHeader(http.StatusTeapot)
			}
		}, "status 418"},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }, "got no answer"},
		"no length": {func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush()
		}, errNoLength.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			_, err := runLoad(t.Context(), &loadPlan{
				addrs: []string{serveFor(t, test.handler)}, connections: 3, duration: time.Minute,
				requester: func() requester { return newGet("/") },
			})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("the load went on for %v", took)
			}
		})
	}
	if _, err := runLoad(t.Context(), &loadPlan{addrs: []string{"127.0.0.1:1"}, connections: 1}); err == nil {
		t.Error("a load on a closed port: got no error")
	}
}

func TestClientReadsAnswers(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100_000)
	for _, test := range []struct {
		name, answer, body string
		status             int
		err                string
	}{
		{name: "plain", answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", body: "{}", status: 200},
		{name: "lower case", answer: "HTTP/1.1 409 Conflict\r\nx-a: b\r\ncontent-length:3 \r\n\r\nabc", body: "abc", status: 409},
		{name: "empty", answer: "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", status: 204},
		{name: "long", answer: "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + long, body: long, status: 200},
		{name: "cut off", answer: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", err: "EOF"},
		{name: "no length", answer: "HTTP/1.1 200 OK\r\n\r\n", err: "Content-Length"},
		{name: "bad length", answer: "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", err: "not a number"},
		{name: "another protocol", answer: "SSH-2.0-OpenSSH_9.2\r\n", err: "begins with"},
		{name: "nothing", answer: "", err: "EOF"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			status, body, err := exchange(t, test.answer)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("got error %v, want one with %q", err, test.err)
				}
				return
			}
			if err != nil || status != test.status || string(body) != test.body {
				t.Errorf("got status %d, %d bytes, error %v, want %d, %d, none", status, len(body), err, test.status, len(test.body))
			}
		})
	}
}

// exchange sends a request to a server that answers with fixed bytes.
func exchange(t *testing.T, answer string) (status int, body []byte, err error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			request := make([]byte, 4)
			_, err = io.ReadFull(conn, request)
			_, writeErr := io.WriteString(conn, answer)
			err = errors.Join(err, writeErr, conn.Close())
		}
		done <- errors.Join(err, listener.Close())
	}()
	c, err := dial(t.Context(), listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	status, body, err = c.do([]byte("GET "))
	if closeErr := errors.Join(c.close(), <-done); closeErr != nil {
		t.Error(closeErr)
	}
	return status, body, err
}

func TestKeysAreUniqueAndReadable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Uint64().Draw(t, "number")
		text := make([]byte, keyDigits)
		putKey(text, number)
		if got, ok := keyNumber(string(text)); !ok || got != number {
			t.Errorf("key %s: got %d, %v, want %d, true", text, got, ok, number)
		}
		text[rapid.IntRange(0, keyDigits-1).Draw(t, "place")] ^= 1
		if got, ok := keyNumber(string(text)); ok {
			t.Errorf("changed key %s: got %d, want no number", text, got)
		}
	})
	for _, text := range []string{"", "deep-1", strings.Repeat("g", keyDigits)} {
		if got, ok := keyNumber(text); ok {
			t.Errorf("key %q: got %d, want no number", text, got)
		}
	}
}

func TestServeEmptyEndsWithItsInput(t *testing.T) {
	t.Parallel()
	in, end := io.Pipe()
	said, out := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- ServeEmpty(t.Context(), in, out) }()
	line := make([]byte, 64)
	n, err := said.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Post("http://"+strings.TrimSpace(string(line[:n])), "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil || string(body) != emptyAnswer {
		t.Errorf("got %q, error %v, want the constant answer", body, err)
	}
	if err := end.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("got error %v, want none", err)
	}
}

func TestTextsOfTheReport(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ got, want string }{
		{numberText(0), "0"},
		{numberText(999), "999"},
		{numberText(1234567), "1,234,567"},
		{numberText(-1000), "-1,000"},
		{percent(523), "52.3 %"},
		{percent(1000), "100.0 %"},
		{durationText(0), "–"},
		{durationText(1234567 * time.Nanosecond), "1.23ms"},
		{durationText(999 * time.Nanosecond), "999ns"},
		{durationText(61234 * time.Millisecond), "1m1.2s"},
		{bytesText(0), "–"},
		{bytesText(3 << 30), "3,072 MiB"},
	} {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
	if got := median([]int64{5, 1, 9, 7}); got != 5 {
		t.Errorf("median: got %d, want 5", got)
	}
}
