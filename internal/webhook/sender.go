package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What one attempt may take. A receiver has AttemptWithin for all of it; of its
// answer BodyMax bytes are kept.
const (
	AttemptWithin = 15 * time.Second
	BodyMax       = 1000

	connectWithin = 5 * time.Second
	headerMax     = 16 << 10 // of an answer, in bytes
)

// Message is one delivery to one endpoint. ID and Body are the same at every
// attempt; the timestamp and the signature are made anew.
type Message struct {
	URL     string
	ID      string // "evt_…", and the idempotency key of the receiver
	Body    []byte
	Secrets []Secret // the one in force, and while a rotation lasts the one before it
	Headers map[string]string
}

// Outcome is how an attempt ended.
type Outcome string

// The outcomes. Only Delivered is a success, and only a receiver's 410 is final.
const (
	Delivered      Outcome = "delivered"       // any 2xx
	Gone           Outcome = "gone"            // 410: the endpoint wants no more
	Rejected       Outcome = "rejected"        // any other status, a redirect among them
	TimedOut       Outcome = "timed_out"       // no whole answer within [AttemptWithin]
	Unreachable    Outcome = "unreachable"     // no connection, or one that broke
	Untrusted      Outcome = "untrusted"       // a certificate that does not prove the name
	RefusedAddress Outcome = "refused_address" // see [Guard]; nothing was sent
)

// Attempt is what came of sending a message once.
type Attempt struct {
	At         time.Time
	Took       time.Duration
	Outcome    Outcome
	Status     int           // of the answer; 0 without one
	Answer     string        // the first [BodyMax] bytes of its body, in valid UTF-8
	RetryAfter time.Duration // what the receiver asked for; 0 when nothing
	Detail     string        // what went wrong, in words for the endpoint's owner
}

// Sender sends messages where its [Guard] lets it.
type Sender struct {
	check  func(url string) error
	client *http.Client
	now    func() time.Time
}

// Config says how a [Sender] works. The zero values of all but the guard are those
// of a server.
type Config struct {
	Guard    *Guard
	Now      func() time.Time
	Resolver *net.Resolver
	Roots    *x509.CertPool
}

// NewSender makes a sender. It asks no proxy: one would connect in its place, to
// where no guard sees.
func NewSender(config Config) *Sender {
	if config.Now == nil {
		config.Now = time.Now
	}
	return &Sender{
		check: config.Guard.CheckURL,
		now:   config.Now,
		client: &http.Client{
			Transport: &http.Transport{
				DialContext:            config.Guard.dialer(config.Resolver).DialContext,
				TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: config.Roots},
				TLSHandshakeTimeout:    connectWithin,
				ForceAttemptHTTP2:      true,
				DisableCompression:     true,
				MaxResponseHeaderBytes: headerMax,
				MaxIdleConnsPerHost:    32,
				MaxIdleConns:           1024,
				IdleConnTimeout:        time.Minute,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Close ends the connections that wait for another message.
func (s *Sender) Close() { s.client.CloseIdleConnections() }

// Send makes one attempt, which the end of ctx cuts short.
func (s *Sender) Send(ctx context.Context, m Message) (a Attempt) {
	began := time.Now()
	a.At = s.now()
	defer func() { a.Took = time.Since(began) }()
	// What was allowed when the URL was set may not be any more.
	if err := s.check(m.URL); err != nil {
		a.Outcome, a.Detail = RefusedAddress, err.Error()
		return a
	}
	ctx, cancel := context.WithTimeout(ctx, AttemptWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL, bytes.NewReader(m.Body))
	if err != nil {
		a.Outcome, a.Detail = RefusedAddress, "the URL cannot be read"
		return a
	}
	for name, value := range m.Headers {
		request.Header.Set(name, value)
	}
	maps.Copy(request.Header, http.Header{
		"Content-Type":      {"application/json"},
		"User-Agent":        {"Billfold-Webhooks"},
		"Webhook-Id":        {m.ID},
		"Webhook-Timestamp": {strconv.FormatInt(a.At.Unix(), 10)},
		"Webhook-Signature": {Signature(m.ID, a.At, m.Body, m.Secrets...)},
	})
	response, err := s.client.Do(request)
	if err != nil {
		a.Outcome, a.Detail = explain(err)
		return a
	}
	defer func() { _ = response.Body.Close() }()
	a.Status = response.StatusCode
	if a.Status == http.StatusSwitchingProtocols {
		// From here on the connection would be the receiver's, without an end.
		a.Outcome, a.Detail = Rejected, "it wanted to speak another protocol"
		return a
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, BodyMax))
	a.Answer = strings.ToValidUTF8(strings.ReplaceAll(string(body), "\x00", ""), "")
	switch {
	case a.Status == http.StatusGone: // whatever becomes of the rest
		a.Outcome = Gone
	case err != nil:
		a.Outcome, a.Detail = explain(err)
	case a.Status >= 200 && a.Status < 300:
		a.Outcome = Delivered
	default:
		a.Outcome, a.RetryAfter = Rejected, retryAfter(response.Header.Get("Retry-After"), a.At)
	}
	return a
}

// explain names the kind of a failure without what belongs to the operator: names
// of its resolvers, ports of its own, addresses of its network.
func explain(err error) (Outcome, string) {
	var verification *tls.CertificateVerificationError
	var unknown *net.DNSError
	switch {
	case errors.Is(err, ErrRefusedAddress):
		return RefusedAddress, "the name leads to an address that is not public"
	case isTimeout(err):
		return TimedOut, fmt.Sprintf("no whole answer within %s", AttemptWithin)
	case errors.As(err, &verification):
		return Untrusted, "the certificate does not prove the name"
	case errors.As(err, &unknown):
		return Unreachable, "the name could not be resolved"
	}
	return Unreachable, "no connection, or it broke before the answer was whole"
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// retryAfter reads the header of this name: seconds, or a date.
func retryAfter(value string, now time.Time) time.Duration {
	seconds, err := strconv.ParseUint(value, 10, 32)
	switch {
	case err == nil:
		return min(time.Duration(seconds)*time.Second, RetryAfterMax)
	case errors.Is(err, strconv.ErrRange):
		return RetryAfterMax
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, min(at.Sub(now), RetryAfterMax))
	}
	return 0
}

// The bounds of an endpoint's own headers.
const (
	HeadersMax      = 20
	HeaderNameMax   = 100
	HeaderValueMax  = 1000
	webhookReserved = "Webhook-"
	headerRunes     = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
)

// reservedHeaders are made by the sender or belong to the connection.
var reservedHeaders = []string{
	"Accept-Encoding", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Expect", "Host", "Keep-Alive",
	"Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "User-Agent",
}

// CheckHeader says what is wrong with a header that an endpoint wants with each
// message.
func CheckHeader(name, value string) error {
	// Some servers take an underscore for a hyphen.
	canonical := textproto.CanonicalMIMEHeaderKey(strings.ReplaceAll(name, "_", "-"))
	switch {
	case name == "" || len(name) > HeaderNameMax ||
		strings.ContainsFunc(name, func(r rune) bool { return !strings.ContainsRune(headerRunes, r) }):
		return fmt.Errorf("a header's name is 1 to %d letters, digits and -_", HeaderNameMax)
	case strings.HasPrefix(canonical, webhookReserved) || slices.Contains(reservedHeaders, canonical):
		return fmt.Errorf("the header %s is set by the sender", canonical)
	case len(value) > HeaderValueMax || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }):
		return fmt.Errorf("a header's value is at most %d characters of printable ASCII", HeaderValueMax)
	}
	return nil
}
