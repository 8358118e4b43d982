package webhook_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/billfold/billfold/internal/webhook"
)

// Every address in 127.0.0.0/8 is this machine's. The tests take one part of it for
// the Internet, and the rest for what must not be reached.
const (
	internet = "127.77.0.0/16"
	public   = "127.77.0.1"
)

// forbidden listens where nothing may be sent, and counts who comes.
type forbidden struct {
	port        string
	connections atomic.Int64
}

func listenForbidden(t *testing.T) *forbidden {
	t.Helper()
	f := &forbidden{}
	first, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, f.port, _ = net.SplitHostPort(first.Addr().String())
	listeners := []net.Listener{first}
	for _, address := range []string{"127.255.255.254", "::1"} {
		listener, err := net.Listen("tcp", net.JoinHostPort(address, f.port))
		if err != nil {
			t.Fatal(err)
		}
		listeners = append(listeners, listener)
	}
	var running sync.WaitGroup
	for _, listener := range listeners {
		running.Go(func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				f.connections.Add(1)
				_ = conn.Close()
			}
		})
	}
	t.Cleanup(func() {
		for _, listener := range listeners {
			_ = listener.Close()
		}
		running.Wait()
	})
	return f
}

// want is that nobody came. A last connection of the test's own comes after
// whatever came before it, and is counted as well.
func (f *forbidden) want(t *testing.T) {
	t.Helper()
	for n := int64(1); n <= 2; n++ { // the listener does count
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", f.port))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Read(make([]byte, 1))
		_ = conn.Close()
		if got := f.connections.Load(); got != n {
			t.Errorf("got %d connections to forbidden addresses, want none", got-n)
		}
	}
}

// nameServer answers each question for addresses with what answer says.
func nameServer(t *testing.T, answer func(name string) []string) *net.Resolver {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		buffer := make([]byte, 1500)
		for {
			n, from, err := socket.ReadFrom(buffer)
			if err != nil {
				return
			}
			var message dnsmessage.Message
			if message.Unpack(buffer[:n]) != nil || len(message.Questions) != 1 {
				continue
			}
			packed, err := resolve(message, answer).Pack()
			if err == nil {
				_, _ = socket.WriteTo(packed, from)
			}
		}
	})
	t.Cleanup(func() { _ = socket.Close(); running.Wait() })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", socket.LocalAddr().String())
	}}
}

func resolve(message dnsmessage.Message, answer func(name string) []string) *dnsmessage.Message {
	question := message.Questions[0]
	message.Response, message.Additionals = true, nil
	for _, text := range answer(strings.TrimSuffix(question.Name.String(), ".")) {
		address := netip.MustParseAddr(text)
		header := dnsmessage.ResourceHeader{Name: question.Name, Type: question.Type, Class: question.Class}
		var body dnsmessage.ResourceBody
		switch {
		case address.Is4() && question.Type == dnsmessage.TypeA:
			body = &dnsmessage.AResource{A: address.As4()}
		case address.Is6() && question.Type == dnsmessage.TypeAAAA:
			body = &dnsmessage.AAAAResource{AAAA: address.As16()}
		default:
			continue
		}
		message.Answers = append(message.Answers, dnsmessage.Resource{Header: header, Body: body})
	}
	return &message
}

// receiver is a server of the Internet, and the sender that trusts its certificate.
type receiver struct {
	*httptest.Server
	sender *webhook.Sender
	url    string // "https://example.com:…/"
}

func newReceiver(t *testing.T, resolver *net.Resolver, handle http.HandlerFunc) *receiver {
	t.Helper()
	listener, err := net.Listen("tcp", public+":0")
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{Server: httptest.NewUnstartedServer(handle)}
	_ = r.Listener.Close()
	r.Listener = listener
	r.EnableHTTP2 = true
	r.Config.ErrorLog = log.New(io.Discard, "", 0)
	r.StartTLS()
	t.Cleanup(r.Close)
	if resolver == nil {
		resolver = nameServer(t, func(string) []string { return []string{public} })
	}
	r.sender = webhook.NewSender(webhook.Config{
		Guard: webhook.GuardAllowing(internet), Resolver: resolver, Roots: rootsOf(r),
	})
	t.Cleanup(r.sender.Close)
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	r.url = "https://example.com:" + port + "/"
	return r
}

func (r *receiver) send(ctx context.Context) webhook.Attempt {
	return r.sender.Send(ctx, webhook.Message{
		URL: r.url, ID: "evt_1", Body: []byte("{}"), Secrets: []webhook.Secret{webhook.NewSecret()},
	})
}

// Whatever a URL looks like, and even where the look at it is left out, nobody is
// called who must not be: names all lead to this machine here.
func TestNothingGoesToForbiddenAddresses(t *testing.T) {
	t.Parallel()
	f := listenForbidden(t)
	resolver := nameServer(t, func(string) []string { return []string{"127.0.0.1", "::1", "127.255.255.254"} })
	guarded := webhook.NewSender(webhook.Config{Guard: webhook.NewGuard(false), Resolver: resolver})
	addressesTried := 0
	for _, sender := range []*webhook.Sender{guarded, guarded.Unguarded()} {
		for _, text := range hostile {
			urls := []string{text}
			if u, err := url.Parse(text); err == nil && u.Host != "" && u.Port() == "" && !strings.HasSuffix(u.Host, ":") {
				u.Host += ":" + f.port
				urls = append(urls, u.String())
			}
			for _, text := range urls {
				a := sender.Send(t.Context(), webhook.Message{URL: text, ID: "evt_1", Body: []byte("{}")})
				if a.Outcome != webhook.RefusedAddress && a.Outcome != webhook.Unreachable || a.Status != 0 {
					t.Errorf("%.80q: got outcome %q and status %d, want nothing sent", text, a.Outcome, a.Status)
				}
				if strings.Contains(a.Detail, f.port) || strings.Contains(a.Detail, "127.0.0.1") {
					t.Errorf("%.80q: got %q, want no word of the network here", text, a.Detail)
				}
				addressesTried++
			}
		}
	}
	for _, text := range []string{"https://10.0.0.1/", "https://169.254.169.254/", "https://[64:ff9b::7f00:1]/", "https://[fd00::1]/", "https://100.64.0.1/"} {
		a := guarded.Unguarded().Send(t.Context(), webhook.Message{URL: text, ID: "evt_1"})
		if a.Outcome != webhook.RefusedAddress {
			t.Errorf("%s: got %q (%s), want it refused before a connection is tried", text, a.Outcome, a.Detail)
		}
	}
	f.want(t)
	t.Logf("%d URLs tried", addressesTried)
}

// A name server that first shows a public address and then one of this machine, or
// both at once, leads nobody here.
func TestNamesThatChangeTheirMind(t *testing.T) {
	t.Parallel()
	f := listenForbidden(t)
	var private atomic.Bool
	resolver := nameServer(t, func(string) []string {
		if private.Load() {
			return []string{"127.0.0.1", "::1"}
		}
		return []string{"127.0.0.1", public, "::1"}
	})
	r := newReceiver(t, resolver, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") })
	if a := r.send(t.Context()); a.Outcome != webhook.Delivered {
		t.Errorf("one public address among others: got %+v, want it delivered there", a)
	}
	r.sender.Close() // the next message needs a connection of its own
	private.Store(true)
	r.url = "https://example.com:" + f.port + "/"
	if a := r.send(t.Context()); a.Outcome != webhook.RefusedAddress {
		t.Errorf("a name that leads here now: got %+v, want it refused", a)
	}
	f.want(t)
}

// No redirect is followed, wherever it leads, and no proxy is asked.
func TestRedirectsAndProxies(t *testing.T) {
	f := listenForbidden(t)
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:"+f.port)
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:"+f.port)
	t.Setenv("ALL_PROXY", "socks5://127.0.0.1:"+f.port)
	var requests atomic.Int64
	for _, status := range []int{301, 302, 303, 307, 308, 300} {
		for _, target := range []string{"https://127.0.0.1:" + f.port + "/", "http://[::1]:" + f.port + "/", "/elsewhere", "//localhost:" + f.port} {
			r := newReceiver(t, nil, func(w http.ResponseWriter, _ *http.Request) {
				requests.Add(1)
				w.Header().Set("Location", target)
				w.WriteHeader(status)
			})
			before := requests.Load()
			if a := r.send(t.Context()); a.Outcome != webhook.Rejected || a.Status != status || requests.Load() != before+1 {
				t.Errorf("%d to %s: got %+v after %d requests, want one that was rejected", status, target, a, requests.Load()-before)
			}
		}
	}
	f.want(t)
}

func TestReceivers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		handle     http.HandlerFunc
		outcome    webhook.Outcome
		status     int
		retryAfter time.Duration
	}{
		"200":           {func(http.ResponseWriter, *http.Request) {}, webhook.Delivered, 200, 0},
		"204":           {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, webhook.Delivered, 204, 0},
		"410":           {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(410) }, webhook.Gone, 410, 0},
		"404":           {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, webhook.Rejected, 404, 0},
		"304":           {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) }, webhook.Rejected, 304, 0},
		"429":           {asksFor("120"), webhook.Rejected, 429, 2 * time.Minute},
		"429 for ever":  {asksFor("4294967295"), webhook.Rejected, 429, webhook.RetryAfterMax},
		"429 overflows": {asksFor("99999999999999999999"), webhook.Rejected, 429, webhook.RetryAfterMax},
		"gone and hangs": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.WriteHeader(http.StatusGone)
			_ = http.NewResponseController(w).Flush() // what cannot be flushed is sent at the end
			panic(http.ErrAbortHandler)
		}, webhook.Gone, 410, 0},
		"429 negative":    {asksFor("-5"), webhook.Rejected, 429, 0},
		"429 in the past": {asksFor("Mon, 02 Jan 2006 15:04:05 GMT"), webhook.Rejected, 429, 0},
		"429 at a date":   {asksFor("Fri, 31 Dec 2999 23:59:59 GMT"), webhook.Rejected, 429, webhook.RetryAfterMax},
		"429 of nonsense": {asksFor("soon"), webhook.Rejected, 429, 0},
		"hangs up":        {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, webhook.Unreachable, 0, 0},
		"hangs up in the middle": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "500")
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, webhook.Unreachable, 200, 0},
		"never ends": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, strings.Repeat("€\x00\xff", 1000)); err != nil {
					return
				}
			}
		}, webhook.Delivered, 200, 0},
		"endless headers": {func(w http.ResponseWriter, _ *http.Request) {
			for i := range 1000 {
				w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("a", 1000))
			}
		}, webhook.Unreachable, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t, nil, test.handle)
			a := r.send(t.Context())
			if a.Outcome != test.outcome || a.Status != test.status || a.RetryAfter != test.retryAfter {
				t.Errorf("got %+v, want outcome %q, status %d and %s", a, test.outcome, test.status, test.retryAfter)
			}
			if len(a.Answer) > webhook.BodyMax || !utf8.ValidString(a.Answer) || strings.Contains(a.Answer, "\x00") {
				t.Errorf("got an answer of %d bytes, want valid text of at most %d", len(a.Answer), webhook.BodyMax)
			}
			if (a.Outcome == webhook.Unreachable) != (a.Detail != "") || strings.Contains(a.Detail, public) {
				t.Errorf("got detail %q, want what went wrong, without addresses", a.Detail)
			}
		})
	}
}

func asksFor(wait string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", wait)
		w.WriteHeader(http.StatusTooManyRequests)
	}
}

// One who takes the connection and never answers is given up, before and within
// the answer.
func TestReceiversThatHang(t *testing.T) {
	t.Parallel()
	for _, begins := range []bool{false, true} {
		r := newReceiver(t, nil, func(w http.ResponseWriter, r *http.Request) {
			if begins {
				_, _ = io.WriteString(w, "wait")
				_ = http.NewResponseController(w).Flush()
			}
			<-r.Context().Done()
		})
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		a := r.send(ctx)
		cancel()
		if a.Outcome != webhook.TimedOut {
			t.Errorf("answer begun: %v: got %+v, want it timed out", begins, a)
		}
	}
}

func TestCertificatesAreChecked(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil, func(http.ResponseWriter, *http.Request) { t.Error("got a request, want none without trust") })
	stranger := webhook.NewSender(webhook.Config{Guard: webhook.GuardAllowing(internet), Roots: x509.NewCertPool(),
		Resolver: nameServer(t, func(string) []string { return []string{public} })})
	other := strings.Replace(r.url, "example.com", "example.net", 1)
	for _, try := range []struct {
		sender *webhook.Sender
		url    string
	}{{stranger, r.url}, {r.sender, other}} {
		if a := try.sender.Send(t.Context(), webhook.Message{URL: try.url, ID: "evt_1"}); a.Outcome != webhook.Untrusted {
			t.Errorf("%s: got %+v, want the certificate refused", try.url, a)
		}
	}
}

// What arrives is what was signed, with a timestamp of each attempt and the same
// id and body.
func TestWhatArrives(t *testing.T) {
	t.Parallel()
	secret := webhook.NewSecret()
	verifier, err := standardwebhooks.NewWebhook(secret.Text())
	if err != nil {
		t.Fatal(err)
	}
	const body = `{"type":"wallet.credited","data":{"reason":"₹ \u003c"}}`
	stamps := map[string]bool{}
	r := newReceiver(t, nil, func(w http.ResponseWriter, r *http.Request) {
		got, err := io.ReadAll(r.Body)
		if err != nil || string(got) != body || r.Method != http.MethodPost || r.ProtoMajor != 2 {
			t.Errorf("got %s %q over %s and %v, want the body", r.Method, got, r.Proto, err)
		}
		if err := verifier.VerifyIgnoringTimestamp(got, r.Header); err != nil {
			t.Errorf("the official library: got %v, want it verified", err)
		}
		for name, want := range map[string]string{
			"Webhook-Id": "evt_1", "Content-Type": "application/json", "X-Token": "abc", "User-Agent": "Billfold-Webhooks",
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("header %s: got %q, want %q", name, got, want)
			}
		}
		stamps[r.Header.Get("Webhook-Timestamp")] = true
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "thanks")
	})
	at := time.Unix(1_800_000_000, 0)
	sender := webhook.NewSender(webhook.Config{
		Guard:    webhook.GuardAllowing(internet),
		Now:      func() time.Time { at = at.Add(time.Minute); return at },
		Resolver: nameServer(t, func(string) []string { return []string{public} }),
		Roots:    rootsOf(r),
	})
	t.Cleanup(sender.Close)
	for range 3 {
		a := sender.Send(t.Context(), webhook.Message{
			URL: r.url, ID: "evt_1", Body: []byte(body), Secrets: []webhook.Secret{secret, webhook.NewSecret()},
			Headers: map[string]string{"x-token": "abc", "Webhook-Id": "forged", "content-type": "text/plain"},
		})
		if a.Outcome != webhook.Delivered || a.Answer != "thanks" || a.Status != 202 || !a.At.Equal(at) || a.Took <= 0 {
			t.Errorf("got %+v, want it delivered", a)
		}
	}
	if len(stamps) != 3 || !stamps["1800000060"] {
		t.Errorf("got timestamps %v, want three of their own", stamps)
	}
}

func rootsOf(r *receiver) *x509.CertPool {
	roots := x509.NewCertPool()
	roots.AddCert(r.Certificate())
	return roots
}

// A receiver that answers with another protocol has the connection to itself, without
// an end; nothing may wait for it.
func TestProtocolsAreNotSwitched(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n")
		}
	}()
	sender := webhook.NewSender(webhook.Config{Guard: webhook.NewGuard(true)})
	ended := make(chan webhook.Attempt, 1)
	go func() {
		ended <- sender.Send(t.Context(), webhook.Message{URL: "http://" + listener.Addr().String(), ID: "evt_1"})
	}()
	select {
	case a := <-ended:
		if a.Outcome != webhook.Rejected || a.Status != 101 {
			t.Errorf("got %+v, want it rejected with 101", a)
		}
	case <-time.After(2 * webhook.AttemptWithin):
		t.Errorf("got no end of the attempt in %s, want one", 2*webhook.AttemptWithin)
	}
}
