package stripe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"regexp"
	"strings"
	"sync/atomic"

	api "github.com/stripe/stripe-go/v85"

	"github.com/billfold/billfold/internal/processor"
)

// answerMax is how much of an answer is read.
const answerMax = 4 << 20

// What the wire says of a request that was not answered. What the network said is left
// out, as it may have what was sent in it.
var (
	errNotSent  = errors.New("no connection")
	errNoAnswer = errors.New("no answer")
)

// wire is a connection to Stripe that knows whether a request can have been sent.
type wire struct{ base http.RoundTripper }

// RoundTrip implements [http.RoundTripper]. A request for which there never was a
// connection was not sent: the address did not resolve, nobody listened, TLS was not
// agreed on, or the time was over before.
//
// Go's own transport makes a request again that has an Idempotency-Key and whose
// connection broke. That is kept from it, because the second one may be answered with
// 429 when the first had its effect.
func (w wire) RoundTrip(r *http.Request) (*http.Response, error) {
	var connected atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}
	once := r.WithContext(httptrace.WithClientTrace(r.Context(), trace))
	once.GetBody = nil
	response, err := w.base.RoundTrip(once)
	switch {
	case err == nil:
		response.Body = body{io.LimitReader(response.Body, answerMax), response.Body}
		return response, nil
	case !connected.Load():
		return nil, errNotSent
	}
	return nil, errNoAnswer
}

type body struct {
	io.Reader
	io.Closer
}

// failure is a call that has no answer to report.
type failure struct {
	call      string
	status    int // of HTTP, 0: there was no answer
	kind      string
	code      string
	decline   string
	requestID string

	// refused says that Stripe has looked at the request and did not carry it out.
	refused bool

	is error // nil: nobody knows whether it had its effect
}

func (f *failure) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "Stripe: %s", f.call)
	if f.status != 0 {
		fmt.Fprintf(&text, ", status %d", f.status)
	}
	for _, part := range []struct{ name, value string }{
		{"type", f.kind}, {"code", f.code}, {"decline code", f.decline}, {"request", f.requestID},
	} {
		if part.value != "" {
			fmt.Fprintf(&text, ", %s %s", part.name, part.value)
		}
	}
	if f.is != nil {
		fmt.Fprintf(&text, ": %v", f.is)
	}
	return text.String()
}

func (f *failure) Unwrap() error { return f.is }

// explain says what an error of a call means.
func explain(call string, err error) *failure {
	f := &failure{call: call}
	var said *api.Error
	switch {
	case errors.Is(err, errNotSent):
		f.is = processor.ErrNotReached
		return f
	case errors.Is(err, context.DeadlineExceeded):
		f.is = context.DeadlineExceeded
		return f
	case !errors.As(err, &said):
		f.is = errNoAnswer // or one that is not Stripe's
		return f
	}
	f.status, f.kind, f.code = said.HTTPStatusCode, word(said.Type), word(said.Code)
	f.decline, f.requestID = word(said.DeclineCode), word(said.RequestID)
	switch said.HTTPStatusCode {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
		f.is = processor.ErrNotReached
	case http.StatusBadRequest, http.StatusPaymentRequired, http.StatusNotFound:
		// A key that was used for something else says that there may be a payment.
		f.refused = said.Type != api.ErrorTypeIdempotency
	}
	return f
}

// afterEffect is an error of a call that had an effect before: it is not that nothing
// was reached.
func afterEffect(err error) error {
	var f *failure
	if errors.As(err, &f) && f.is != nil {
		unknown := *f
		unknown.is, unknown.refused = nil, false
		return &unknown
	}
	return err
}

// Refused reports whether Stripe has looked at a request and did not carry it out, and
// says in which words of a code.
func Refused(err error) (code string, refused bool) {
	var f *failure
	if !errors.As(err, &f) || !f.refused {
		return "", false
	}
	return f.code, true
}

func isRefused(err error) bool {
	var f *failure
	return errors.As(err, &f) && f.refused
}

var (
	plain  = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
	secret = regexp.MustCompile(`(^|[^A-Za-z])([srp]k_|whsec_)`)
)

// word is a code of Stripe's, and a question mark in place of anything else.
func word[T ~string](code T) string {
	if code == "" || plain.MatchString(string(code)) && !secret.MatchString(string(code)) {
		return string(code)
	}
	return "?"
}
