package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/strictjson"
)

const (
	// bulkLinesMax is how many entries one bulk may have.
	bulkLinesMax = 10_000

	// bulkBodyMax is the largest body of a bulk.
	bulkBodyMax = 32 << 20

	// bulkMemoryMax bounds the memory of all bulks at once: what was received of
	// their bodies, their requests and their answers.
	bulkMemoryMax = 192 << 20

	// bulkLineMemory is what a line takes beside its text, with its answer.
	bulkLineMemory = 2 << 10

	// bulkPatience is how many times longer than another body that of a bulk may
	// take to arrive.
	bulkPatience = 4
)

// bulkFields are the fields of a line: those of an entry, and whose it is.
var bulkFields = append(slices.Clone(entryFields), "customer_id")

const bulkCustomer = entryKey + 1

// The members of a bulk that is one JSON document.
var bulkMembers = []string{bulkEntries, bulkAtomic}

const (
	bulkEntries = "entries"
	bulkAtomic  = "atomic"
)

var (
	errBulkMemory = ledger.Errorf(ledger.CodeOverloaded, "Too many bulks are under way; nothing was changed, try again in a moment.")
	errBulkEmpty  = ledger.FieldErrorf(CodeInvalidRequestBody, bulkEntries, "There are no entries.")
	errBulkLong   = ledger.FieldErrorf(ledger.CodeLimitReached, bulkEntries, "A bulk has at most %d entries.", bulkLinesMax)
	errBulkType   = ledger.Errorf(CodeUnsupportedMediaType, "The content type must be application/json or application/x-ndjson in UTF-8.")
	errBulkHeader = ledger.FieldErrorf(ledger.CodeInvalidIdempotencyKey, "Idempotency-Key", "A bulk has a key for each entry, and none for all of them.")
	errBulkLine   = ledger.Errorf(CodeInvalidRequestBody, "An entry must be a JSON object.")
)

// bulk is a request for many entries.
type bulk struct {
	atomic bool
	lines  []bulkLine
}

// bulkLine is one entry of a bulk, or why it is none.
type bulkLine struct {
	request ledger.PostRequest
	err     error
}

// handleBulk posts many entries: each for itself, or all or nothing. Everything
// is parsed before the first is posted.
func (s *Server) handleBulk(c *call) error {
	b, err := s.bulk(c)
	if err != nil {
		return err
	}
	// Also for the answer, which must not be refused once money has moved.
	if !c.reserve(len(b.lines) * bulkLineMemory) {
		return errBulkMemory
	}
	requests := make([]ledger.PostRequest, 0, len(b.lines))
	for i := range b.lines {
		if line := &b.lines[i]; line.err == nil {
			requests = append(requests, line.request)
		} else if b.atomic {
			return c.refuseLine(i, line.err)
		}
	}
	posted, err := s.book.PostMany(c.r.Context(), requests, b.atomic)
	if err != nil {
		var line *ledger.LineError
		if errors.As(err, &line) {
			return c.refuseLine(line.Line, line.Err)
		}
		return err
	}
	return s.replyBulk(c, &b, posted)
}

// refuseLine refuses a bulk for one of its lines.
func (c *call) refuseLine(line int, err error) error {
	c.line = lineName(line)
	return err
}

func lineName(line int) string { return fmt.Sprintf("%s[%d]", bulkEntries, line) }

// replyBulk answers with a result for each line. Where the store could serve
// none of them, the answer is that.
func (s *Server) replyBulk(c *call, b *bulk, posted []ledger.Outcome) error {
	if len(posted) > 0 && !slices.ContainsFunc(posted, func(o ledger.Outcome) bool { return !c.failed(o.Err) }) {
		return posted[0].Err
	}
	var counts [3]int
	out := append(c.scratch.out[:0], `{"results":[`...)
	for i := range b.lines {
		if i > 0 {
			out = append(out, ',')
		}
		outcome := ledger.Outcome{Err: b.lines[i].err}
		if outcome.Err == nil {
			outcome, posted = posted[0], posted[1:]
		}
		var status int
		out, status = c.appendResult(out, i, &outcome)
		counts[status]++
		if outcome.Err != nil && c.cause == nil && c.failed(outcome.Err) {
			c.cause = outcome.Err
		}
	}
	if c.cause != nil {
		s.logger.LogAttrs(c.r.Context(), slog.LevelError, "lines of a bulk failed",
			slog.String("request_id", c.requestID[0]), slog.Any("error", c.cause))
	}
	out = append(out, ']')
	for status, name := range bulkStatuses {
		out = append(out, `,"`...)
		out = append(out, name...)
		out = append(out, `":`...)
		out = strconv.AppendInt(out, int64(counts[status]), 10)
	}
	c.reply(http.StatusOK, append(out, '}'))
	return nil
}

// failed reports whether an error is no refusal but says that the line could
// not be served.
func (c *call) failed(err error) bool {
	return err != nil && answers[c.refusal(err).Code].status >= http.StatusInternalServerError
}

const (
	bulkApplied = iota
	bulkReplayed
	bulkRefused
)

// bulkStatuses are what can become of a line.
var bulkStatuses = [...]string{bulkApplied: "applied", bulkReplayed: "replayed", bulkRefused: "refused"}

// appendResult appends what became of a line. What belongs to an entry is made
// of what a repeat will find again.
func (c *call) appendResult(out []byte, line int, outcome *ledger.Outcome) (_ []byte, status int) {
	switch {
	case outcome.Err != nil:
		status = bulkRefused
	case outcome.Change.Replayed:
		status = bulkReplayed
	}
	out = append(out, `{"index":`...)
	out = strconv.AppendInt(out, int64(line), 10)
	out = append(out, `,"status":"`...)
	out = append(out, bulkStatuses[status]...)
	if outcome.Err == nil {
		out = append(out, `","wallet":`...)
		return append(appendPosted(out, &outcome.Change), '}'), status
	}
	refused := c.refusal(outcome.Err)
	out = append(out, `","error":`...)
	out = c.appendRefusal(out, refused, answers[refused.Code].retryable)
	return append(out, '}'), status
}

// bulk parses the whole request. What is no JSON refuses all of it; what is
// wrong with a field is the matter of its line.
func (s *Server) bulk(c *call) (b bulk, err error) {
	q, err := c.query(bulkAtomic)
	if err != nil {
		return b, err
	}
	if _, given := c.r.Header["Idempotency-Key"]; given {
		return b, errBulkHeader
	}
	c.keyed = true // until a line without a key is met
	if c.ndjson {
		err = s.bulkOfLines(c, &q, &b)
	} else {
		err = s.bulkOfDocument(c, &q, &b)
	}
	if err == nil && len(b.lines) == 0 {
		err = errBulkEmpty
	}
	c.keyed = c.keyed && err == nil
	return b, err
}

// bulkOfLines parses one entry on each line. Blank lines are passed over.
func (s *Server) bulkOfLines(c *call, q *query, b *bulk) error {
	switch q.get(bulkAtomic) {
	case "true":
		b.atomic = true
	case "", "false":
	default:
		return queryError(bulkAtomic, "atomic must be true or false.")
	}
	var reader strictjson.Scanner
	for text := range bytes.Lines(c.body) {
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		if len(b.lines) == bulkLinesMax {
			return errBulkLong
		}
		err := reader.Start(text)
		var entry strictjson.Value
		if err == nil {
			entry, err = reader.Value()
		}
		if err == nil {
			err = reader.End()
		}
		if err != nil {
			return c.refuseLine(len(b.lines), shapeError(err))
		}
		b.lines = append(b.lines, s.bulkLine(c, entry))
	}
	return nil
}

// bulkOfDocument parses an object with the entries. A document that is no JSON
// is refused for that, whatever else is wrong with what stands before.
func (s *Server) bulkOfDocument(c *call, q *query, b *bulk) error {
	if q.get(bulkAtomic) != "" {
		return queryError(bulkAtomic, "In a JSON body atomic is a member of the body.")
	}
	var reader strictjson.Scanner
	if err := reader.Start(c.body); err != nil {
		return shapeError(err)
	}
	if !reader.Starts('{') {
		_, err := c.object()
		if err == nil {
			err = errBrokenBody
		}
		return err
	}
	var wrong error // the first thing that is wrong with a member
	blame := func(err error) {
		if wrong == nil {
			wrong = err
		}
	}
	given := false
	err := reader.Members(func(name string) error {
		if name == bulkEntries && reader.Starts('[') {
			given = true
			return reader.Elements(func() error {
				entry, err := reader.Value()
				switch {
				case err != nil:
					c.line = lineName(len(b.lines))
					return err
				case len(b.lines) == bulkLinesMax:
					blame(errBulkLong)
				default:
					b.lines = append(b.lines, s.bulkLine(c, entry))
				}
				return nil
			})
		}
		value, err := reader.Value()
		if err != nil {
			return err
		}
		kind := value.Kind()
		switch {
		case name == bulkAtomic && kind == strictjson.Bool:
			b.atomic = string(value.Text()) == "true"
		case name == bulkAtomic && kind != strictjson.Null:
			blame(ledger.FieldErrorf(CodeInvalidRequestBody, name, "%s must be %s, not %s", name, strictjson.Bool, kind))
		case name == bulkEntries && kind != strictjson.Null:
			given = true
			blame(ledger.FieldErrorf(CodeInvalidRequestBody, name, "%s must be %s, not %s", name, strictjson.Array, kind))
		case name != bulkAtomic && name != bulkEntries:
			blame(unknownField(name, bulkMembers))
		}
		return nil
	})
	if err == nil {
		err = reader.End()
	}
	switch {
	case err != nil:
		return shapeError(err)
	case wrong != nil:
		return wrong
	case !given:
		return ledger.FieldErrorf(ledger.CodeMissingField, bulkEntries, "%s is required", bulkEntries)
	}
	return nil
}

// bulkLine decodes an entry as a request of its own would be: fields, then the
// customer, then the key.
func (s *Server) bulkLine(c *call, entry strictjson.Value) bulkLine {
	line := bulkLine{request: ledger.PostRequest{Tenant: c.tenant(), CreatedBy: c.key.ID}}
	line.err = c.decodeLine(entry, &line.request)
	request := &line.request
	c.keyed = c.keyed && request.IdempotencyKey != ""
	if line.err != nil {
		return line
	}
	request.CurrencyEnabled, request.DefaultAlerts = c.settings.Enabled(request.Currency), c.settings.Alerts
	unkeyed := request.IdempotencyKey == "" && c.resent()
	malformed := !isID(request.CustomerID, "cus_")
	if !unkeyed && !malformed {
		return line
	}
	if line.err = request.Validate(); line.err != nil {
		return line
	}
	if line.err = errKeyRequired; malformed {
		line.err = errNotFound
	}
	return line
}

func (c *call) decodeLine(entry strictjson.Value, r *ledger.PostRequest) error {
	if entry.Kind() != strictjson.Object {
		return errBulkLine
	}
	f, err := fieldsOf(entry, bulkFields, entryRequired)
	if err != nil {
		return err
	}
	if !f.given(bulkCustomer) {
		name := bulkFields[bulkCustomer]
		return ledger.FieldErrorf(ledger.CodeMissingField, name, "%s is required", name)
	}
	if r.CustomerID, _, err = f.text(bulkCustomer); err != nil {
		return err
	}
	return c.decodeEntryFields(&f, r)
}
