package httpapi

import (
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/processor"
	"github.com/billfold/billfold/internal/strictjson"
)

// readBody reads the whole body into the scratch memory, after its headers have
// said that it is one that can be read.
func (s *Server) readBody(c *call) error {
	err := s.readBodyWithin(c)
	if err != nil && c.r.ProtoMajor == 1 {
		// Whatever is wrong with a body, the rest of it is not worth reading:
		// the connection ends with the answer. Without the deadline net/http
		// would read on, up to 256 KiB. A writer that knows no deadlines has no
		// connection behind it. HTTP/2 ends the one stream by itself.
		c.w.Header()["Connection"] = headerClose
		_ = http.NewResponseController(c.w).SetReadDeadline(time.Unix(1, 0))
		linger(c.w)
	}
	return err
}

// linger has net/http wait a moment between the end of the answer and the end
// of the connection. To close a connection on which bytes lie unread is to
// reset it, and the caller, who may still be sending them, would lose the
// answer. The only way to ask for it is a body that is longer than its limit.
func linger(w http.ResponseWriter) {
	for {
		wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			break
		}
		w = wrapper.Unwrap()
	}
	tooLong := http.MaxBytesReader(w, io.NopCloser(strings.NewReader("x")), 0)
	_, _ = tooLong.Read(make([]byte, 1)) // the error is the point
}

func (s *Server) readBodyWithin(c *call) error {
	most := s.limits.BodyMax
	if c.route.bulk {
		most = max(most, bulkBodyMax)
	}
	if c.route.notice {
		most = max(most, processor.NoticeBodyMax)
	}
	if c.r.ContentLength > most {
		return errTooLarge
	}
	if c.route.bulk {
		c.ndjson = contentType(c.r.Header["Content-Type"], "application/x-ndjson")
	}
	if !c.ndjson && len(c.r.Header["Content-Type"]) > 0 && !contentType(c.r.Header["Content-Type"], "application/json") {
		if c.route.bulk {
			return errBulkType
		}
		return errMediaType
	}
	for _, encoding := range c.r.Header["Content-Encoding"] {
		if encoding != "" && !strings.EqualFold(encoding, "identity") {
			return errEncoding
		}
	}
	if c.r.Body == nil || c.r.Body == http.NoBody {
		return nil
	}
	body := io.Reader(c.r.Body)
	if c.r.ContentLength <= 0 {
		// Of unknown length. This reader also tells net/http to let the caller
		// read the answer before the connection is cut under what they send.
		body = http.MaxBytesReader(c.w, c.r.Body, most)
	}
	if c.route.bulk && c.stranger == nil {
		c.allowTime()
	}
	buffer := c.scratch.body[:0]
	for {
		if c.stranger != nil {
			// What is wrong with a body comes before what is wrong with its
			// key, so it is read; but memory is for those who have a key.
			buffer = buffer[:0:min(cap(buffer), 1<<10)]
		}
		if len(buffer) == cap(buffer) {
			before := cap(buffer)
			buffer = append(buffer, 0)[:len(buffer)]
			if c.route.bulk && !c.reserve(cap(buffer)-before) {
				return errBulkMemory
			}
			if c.route.notice && !c.reserve(cap(buffer)-before) {
				return errNotices
			}
		}
		n, err := body.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		c.scratch.body = buffer
		if err == io.EOF {
			c.body = buffer
			return nil
		}
		if err != nil {
			return bodyError(err)
		}
	}
}

func bodyError(err error) error {
	var network net.Error
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return errTooLarge
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || (errors.As(err, &network) && network.Timeout()) {
		return errSlowBody
	}
	return errBrokenBody.WithCause(err)
}

// allowTime gives a long body more time than others, where the server ends slow
// requests at all. A writer that knows no deadlines has none to move.
func (c *call) allowTime() {
	server, ok := c.r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok || server.ReadTimeout <= 0 {
		return
	}
	until := time.Now().Add(bulkPatience * server.ReadTimeout)
	control := http.NewResponseController(c.w)
	_ = control.SetReadDeadline(until)
	if server.WriteTimeout > 0 {
		_ = control.SetWriteDeadline(until.Add(server.WriteTimeout))
	}
}

// contentType reports whether a Content-Type header says one kind in UTF-8.
func contentType(values []string, want string) bool {
	switch {
	case len(values) != 1:
		return false
	case values[0] == want: // what nearly everybody sends
		return true
	}
	kind, params, err := mime.ParseMediaType(values[0])
	if err != nil || kind != want {
		return false
	}
	for name, value := range params {
		if name == "charset" && !strings.EqualFold(value, "utf-8") {
			return false
		}
	}
	return true
}

// object parses the body, which must be one JSON object.
func (c *call) object() (strictjson.Value, error) {
	value, err := c.scratch.document.Parse(c.body)
	if err != nil {
		return strictjson.Value{}, shapeError(err)
	}
	if value.Kind() != strictjson.Object {
		return strictjson.Value{}, ledger.Errorf(CodeInvalidRequestBody, "The body must be a JSON object, not %s.", value.Kind())
	}
	return value, nil
}

// shapeError gives a refusal of package strictjson its code.
func shapeError(err error) error {
	var duplicate *strictjson.DuplicateError
	switch {
	case errors.As(err, &duplicate):
		name := clip(duplicate.Name)
		return ledger.FieldErrorf(CodeDuplicateField, name, "%s is there twice.", name)
	case errors.Is(err, strictjson.ErrEncoding):
		return ledger.Errorf(CodeInvalidEncoding, "The body is not valid UTF-8, or holds U+0000 or half of a surrogate pair.")
	case errors.Is(err, strictjson.ErrTooDeep):
		return ledger.Errorf(CodeInvalidRequestBody, "The body is nested deeper than %d.", strictjson.DepthMax)
	case errors.Is(err, strictjson.ErrTooLong):
		return ledger.Errorf(CodeInvalidRequestBody, "The body has more than %d members.", strictjson.ValuesMax)
	}
	return ledger.Errorf(CodeInvalidRequestBody, "The body is not one valid JSON object.")
}

// hasKey reports whether a request on a route that moves money carries an
// idempotency key. It is asked when the request has failed, perhaps before
// anybody has looked into the body. In doubt the answer is no.
func (c *call) hasKey() bool {
	if c.keyed {
		return true
	}
	if _, given := c.r.Header["Idempotency-Key"]; given {
		return true
	}
	object, err := c.object()
	if err != nil {
		return false
	}
	for name, member := range object.Members {
		if string(name) == "idempotency_key" && member.Kind() == strictjson.String {
			return true
		}
	}
	return false
}

// clip shortens what a caller sent before it is shown to them again.
func clip(text string) string {
	const most = 40
	count := 0
	for i := range text {
		if count == most {
			return text[:i] + "…"
		}
		count++
	}
	return text
}
