package apitest

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Answer is what a server gave to a request.
type Answer struct {
	Method string
	Path   string // as it was sent, escapes and all
	Status int
	Header http.Header
	Body   []byte
}

// Check returns everything in which an answer differs from the contract, or
// nil, and remembers that it was met.
func (c *Contract) Check(a Answer) error {
	operation, methods := c.find(a.Method, a.Path)
	code := codeOf(a.Body)
	c.remember(operation, a.Status, code)
	switch {
	case c.partial && (operation == nil || operation.answers[a.Status] == nil):
		return nil
	case !c.partial && a.Method == http.MethodOptions && len(methods) > 0 && a.Status == http.StatusNoContent:
		return checkAllow(a, methods)
	case operation == nil:
		return c.checkUnrouted(a, methods)
	}
	declared := operation.answers[a.Status]
	if declared == nil {
		return fmt.Errorf("status %d is not declared for %s: %s", a.Status, operation.ID, clip(a.Body))
	}
	errs := []error{declared.check(a)}
	if a.Status >= http.StatusBadRequest && !c.partial && a.Method != http.MethodHead {
		errs = append(errs, c.checkError(a, operation, code))
	}
	return errors.Join(errs...)
}

func (c *Contract) remember(operation *Operation, status int, code string) {
	met := Met{Status: status, Code: code}
	if operation != nil {
		met.OperationID = operation.ID
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[met]++
}

// checkUnrouted checks the answer to a request that no operation serves: the
// path is unknown, or it has other methods.
func (c *Contract) checkUnrouted(a Answer, methods []string) error {
	want := http.StatusNotFound
	var errs []error
	if len(methods) > 0 {
		want = http.StatusMethodNotAllowed
		errs = append(errs, checkAllow(a, methods))
	}
	if a.Status != want {
		return fmt.Errorf("%s %s is not in the contract: got status %d, want %d", a.Method, clip([]byte(a.Path)), a.Status, want)
	}
	if a.Method != http.MethodHead {
		errs = append(errs, c.checkError(a, nil, codeOf(a.Body)))
	}
	return errors.Join(errs...)
}

// checkAllow checks that Allow lists exactly what the path serves.
func checkAllow(a Answer, methods []string) error {
	want := append([]string{http.MethodOptions}, methods...)
	if slices.Contains(methods, http.MethodGet) {
		want = append(want, http.MethodHead)
	}
	var got []string
	for method := range strings.SplitSeq(a.Header.Get("Allow"), ",") {
		got = append(got, strings.TrimSpace(method))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		return fmt.Errorf("header Allow: got %v, want %v", got, want)
	}
	return nil
}

// check checks headers, content type and body against what is declared.
func (d *answer) check(a Answer) error {
	var errs []error
	for name, header := range d.headers {
		values := a.Header.Values(name)
		switch {
		case len(values) == 0 && header.required:
			errs = append(errs, fmt.Errorf("header %s is missing", name))
		case len(values) > 1:
			errs = append(errs, fmt.Errorf("header %s: got %d values, want one", name, len(values)))
		case len(values) == 1:
			if err := header.schema.Validate(any(values[0])); err != nil {
				errs = append(errs, fmt.Errorf("header %s: %w", name, err))
			}
		}
	}
	if len(d.content) == 0 || a.Method == http.MethodHead {
		return errors.Join(errs...)
	}
	mediaType, _, err := mime.ParseMediaType(a.Header.Get("Content-Type"))
	schema, declared := d.content[mediaType]
	if err != nil || !declared {
		errs = append(errs, fmt.Errorf("content type %q is not declared", a.Header.Get("Content-Type")))
		return errors.Join(errs...)
	}
	if mediaType == "application/json" {
		errs = append(errs, checkBody(schema, a.Body))
	}
	return errors.Join(errs...)
}

func checkBody(schema *jsonschema.Schema, body []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("the body is not JSON: %w: %s", err, clip(body))
	}
	if schema == nil {
		return nil
	}
	if err := schema.Validate(value); err != nil {
		return fmt.Errorf("the body is not as declared: %w\n%s", err, clip(body))
	}
	return nil
}

// checkError checks what every error has in common: a code that belongs to the
// status and that the operation lists, the request id in body and header, and
// that the advice to retry agrees with the code.
func (c *Contract) checkError(a Answer, operation *Operation, code string) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(a.Body))
	if err != nil {
		return fmt.Errorf("the error is not JSON: %w: %s", err, clip(a.Body))
	}
	var errs []error
	facts, known := c.codes[code]
	switch {
	case !known:
		errs = append(errs, fmt.Errorf("error code %q is not declared", code))
	case facts.Status != a.Status:
		errs = append(errs, fmt.Errorf("error code %s: got status %d, want %d", code, a.Status, facts.Status))
	case operation != nil && operation.codes != nil && !operation.codes[code]:
		errs = append(errs, fmt.Errorf("error code %s is not listed for %s", code, operation.ID))
	}
	// Where money moves, a request without a key may be less retryable than its
	// code, never more.
	money := operation != nil && operation.codes["IDEMPOTENCY_KEY_REQUIRED"]
	retryable, _ := dig(value, "retryable").(bool)
	if known && retryable != facts.Retryable && (retryable || !money) {
		errs = append(errs, fmt.Errorf("error code %s: got retryable %t, want %t", code, retryable, facts.Retryable))
	}
	should, err := strconv.ParseBool(a.Header.Get("x-should-retry"))
	if err != nil || should && !retryable {
		errs = append(errs, fmt.Errorf("error code %s: header x-should-retry is %q", code, a.Header.Get("x-should-retry")))
	}
	if got, want := dig(value, "request_id"), a.Header.Get("X-Request-Id"); got != any(want) || want == "" {
		errs = append(errs, fmt.Errorf("request_id: got %q in the body and %q in the header, want them equal", got, want))
	}
	return errors.Join(errs...)
}

// codeOf returns the code of an error's body, or "".
func codeOf(body []byte) string {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return ""
	}
	code, _ := dig(value, "code").(string)
	return code
}

// clip shortens a body for a message.
func clip(body []byte) string {
	const most = 2000
	if len(body) <= most {
		return string(body)
	}
	return string(body[:most]) + "…"
}
