package httpapi

import (
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/strictjson"
)

// Header values that are the same in every answer. Nobody changes them.
var (
	headerJSON    = []string{"application/json"}
	headerTrue    = []string{"true"}
	headerFalse   = []string{"false"}
	headerBearer  = []string{"Bearer"}
	headerNoStore = []string{"no-store"}
	headerNoSniff = []string{"nosniff"}
	headerClose   = []string{"close"}
)

// call is one request on its way. It is allocated once and not pooled: the
// header map keeps pointing into it after the handler has returned.
type call struct {
	w       http.ResponseWriter
	r       *http.Request
	started time.Time

	// requestID is an array so that the header needs no slice of its own.
	requestID [1]string

	route    *route
	params   [paramsMax]string
	key      access.Key // only with its Tenant where no key stands behind the request
	settings *access.Settings

	// session is that of the customer who asks, nil for an API key. linked says that a link
	// lets its holder read the one document, whose ever it is.
	session *session
	linked  bool

	// signed is the user who asks, nil for whoever is none.
	signed *signed

	// body is the whole request body. keyed says that the request carries an
	// idempotency key.
	body  []byte
	keyed bool

	// Of a bulk: whether its body has one entry on each line, the line that the
	// whole of it is refused for, and what it has taken of the memory that bulks
	// share.
	ndjson bool
	line   string
	taken  int
	bulks  *budget

	scratch *scratch

	// stranger is why no key stands behind the request, found before its body
	// was read. Nil says nothing.
	stranger error

	// gone says that the caller left before there was an answer, so that
	// nobody has seen it.
	gone bool

	// streamed says that the answer took as long as the caller wanted.
	streamed bool

	// What the answer was, for metrics and log.
	status int
	size   int
	code   ledger.Code
	cause  error
}

// scratch is the memory that requests pass on to each other.
type scratch struct {
	body     []byte
	out      []byte
	document strictjson.Document
}

// scratchMax is the size above which memory is not kept: one long list must
// not make every request pay for it.
const scratchMax = 128 << 10

var scratches = sync.Pool{New: func() any {
	return &scratch{body: make([]byte, 0, 1<<10), out: make([]byte, 0, 2<<10)}
}}

func (s *scratch) release() {
	if cap(s.body) <= scratchMax && cap(s.out) <= scratchMax {
		scratches.Put(s)
	}
}

// requestIDMax is the longest request id that is taken over from the caller.
const requestIDMax = 128

// takeRequestID takes over the caller's request id if it is harmless in logs
// and headers, else makes one.
func (c *call) takeRequestID() {
	if given := c.r.Header["X-Request-Id"]; len(given) == 1 && saneRequestID(given[0]) {
		c.requestID[0] = given[0]
	} else {
		c.requestID[0] = ledger.NewID("req_", c.started, [2]uint64{rand.Uint64(), rand.Uint64()})
	}
	c.w.Header()["X-Request-Id"] = c.requestID[:]
}

func saneRequestID(id string) bool {
	if id == "" || len(id) > requestIDMax {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if !isWord(c) && c != '.' && c != ':' {
			return false
		}
	}
	return true
}

// isWord reports whether c is a letter, digit, - or _ of ASCII.
func isWord(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || c == '-' || c == '_'
}

// reply answers with a JSON body, which goes back to the scratch memory.
func (c *call) reply(status int, body []byte) {
	c.scratch.out = body
	c.replyType(status, headerJSON, body)
}

// replyType answers with a body of any type.
func (c *call) replyType(status int, contentType []string, body []byte) {
	header := c.w.Header()
	header["Content-Type"] = contentType
	header["Cache-Control"] = headerNoStore
	header["X-Content-Type-Options"] = headerNoSniff
	if len(body) > 1<<10 {
		// Below, net/http counts for itself.
		header["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	c.status, c.size = status, len(body)
	c.w.WriteHeader(status)
	if _, err := c.w.Write(body); err != nil && c.cause == nil {
		c.cause = err // the caller is gone; the log says so
	}
}

// reserve takes memory for a bulk until the end of the request, and reports
// whether there is so much left.
func (c *call) reserve(bytes int) bool {
	if !c.bulks.take(bytes) {
		return false
	}
	c.taken += bytes
	return true
}

// tenant is the business and mode of the caller's key.
func (c *call) tenant() ledger.Tenant { return c.key.Tenant }

// resent reports whether the official SDKs have marked the request as a second
// try of the same call. What is not a number counts as 0; of several the one
// above 0 counts, because to take a second try for a first could move money
// twice.
func (c *call) resent() bool {
	return slices.ContainsFunc(c.r.Header["X-Stainless-Retry-Count"], aboveZero)
}

func aboveZero(number string) bool {
	above := false
	for i := range len(number) {
		digit := number[i]
		if digit < '0' || digit > '9' {
			return false
		}
		above = above || digit > '0'
	}
	return above
}

// customerID returns the id in the path, or that there is no such customer.
func (c *call) customerID() (string, error) {
	if !isID(c.params[0], "cus_") {
		return "", errNotFound
	}
	return c.params[0], nil
}

// Lengths of what stands behind an id's prefix. Ids that were made elsewhere
// are kept, so it is a range.
const (
	idLengthMin = 8
	idLengthMax = 64
)

func isID(id, prefix string) bool {
	rest := len(id) - len(prefix)
	if rest < idLengthMin || rest > idLengthMax || id[:len(prefix)] != prefix {
		return false
	}
	for i := len(prefix); i < len(id); i++ {
		if !isWord(id[i]) {
			return false
		}
	}
	return true
}

// log writes one line about the request: at error for our own failures, at
// warn for what an operator may want to act on, else at debug. It never has
// the path, query, body or headers as they were sent: secrets end up there.
func (s *Server) log(c *call, took time.Duration) {
	level := slog.LevelDebug
	switch {
	case c.gone: // callers who leave, as often as they like, are no failure of ours
	case c.status == http.StatusInternalServerError:
		level = slog.LevelError
	case c.status == http.StatusServiceUnavailable, c.status == http.StatusForbidden:
		level = slog.LevelWarn
	}
	ctx := c.r.Context()
	if !s.logger.Enabled(ctx, level) {
		return
	}
	attributes := make([]slog.Attr, 0, 12)
	attributes = append(attributes,
		slog.String("request_id", c.requestID[0]),
		slog.String("method", methodLabel(c.r.Method)),
		slog.String("route", routeLabel(c.route)),
		slog.Int("status", c.status),
		slog.Int("bytes", c.size),
		slog.Duration("took", took),
		slog.String("remote", c.r.RemoteAddr),
	)
	if c.key.ID != "" {
		attributes = append(attributes,
			slog.String("key_id", c.key.ID),
			slog.String("business_id", c.key.Tenant.BusinessID),
			slog.String("mode", string(c.key.Tenant.Mode)))
	}
	if c.code != "" {
		attributes = append(attributes, slog.String("code", string(c.code)))
	}
	if c.cause != nil && level > slog.LevelDebug {
		attributes = append(attributes, slog.Any("error", c.cause))
	}
	s.logger.LogAttrs(ctx, level, "request", attributes...)
}

func routeLabel(r *route) string {
	if r == nil {
		return "none"
	}
	return r.pattern
}

// methodLabel keeps words that a caller made up out of logs and metrics.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions,
		http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return method
	}
	return "other"
}
