// Package apitest is for tests: it checks what a server answers against an
// OpenAPI document. One line puts the check into a test's client,
//
//	client := apitest.Client(t, apitest.Billfold(t))
//
// and from then on every answer that the client meets must be declared: its
// status, content type, headers, error code and every field. An answer that
// the document does not know fails the test.
//
// The package does not know the server; it is given handlers and addresses.
package apitest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/billfold/billfold/api"
)

// Contract is an OpenAPI document made ready to check answers. It is safe for
// use by many goroutines.
type Contract struct {
	// Doc is the document as it was loaded, with its references resolved.
	Doc *openapi3.T

	raw        any
	operations []*Operation
	codes      map[string]CodeFacts // empty for a document without error codes
	partial    bool                 // see [LoadPublished]

	mu   sync.Mutex
	seen map[Met]int
}

// Operation is one method of one path.
type Operation struct {
	ID       string
	Method   string
	Path     string // with {parameters}
	Spec     *openapi3.Operation
	Request  *jsonschema.Schema // of the body, nil when there is none
	segments []string
	codes    map[string]bool // declared error codes, nil when none are listed
	answers  map[int]*answer
}

// answer is what one status of an operation must look like.
type answer struct {
	headers map[string]header
	content map[string]*jsonschema.Schema // by media type; a nil schema takes anything
}

type header struct {
	required bool
	schema   *jsonschema.Schema
}

// CodeFacts is what the document says of an error code in x-codes.
type CodeFacts struct {
	Status    int
	Retryable bool
}

// Met names a kind of answer that a test has met.
type Met struct {
	OperationID string
	Status      int
	Code        string // of an error
}

var billfold = sync.OnceValues(NewBillfold)

// NewBillfold returns what [Billfold] returns, with a memory of its own of the
// answers met.
func NewBillfold() (*Contract, error) { return load(api.OpenAPIJSON, true) }

// Billfold returns the strict contract of this API: a field that it does not
// describe is an error, although clients are told to ignore such fields, so
// that none is sent without being described.
func Billfold(t testing.TB) *Contract {
	t.Helper()
	contract, err := billfold()
	if err != nil {
		t.Fatalf("load api/openapi.json: got error %v, want none", err)
	}
	return contract
}

// LoadPublished loads another document, in JSON, that this API is compatible
// with. It speaks only for the operations and statuses that it declares: all
// others, and fields that it does not know, pass. So do the paths in besides, at
// which this API has something else.
func LoadPublished(document []byte, besides ...string) (*Contract, error) {
	contract, err := load(document, false)
	if err != nil {
		return nil, err
	}
	contract.partial = true
	contract.operations = slices.DeleteFunc(contract.operations, func(o *Operation) bool {
		return slices.Contains(besides, o.Path)
	})
	return contract, nil
}

func load(document []byte, strict bool) (*Contract, error) {
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(document)
	if err != nil {
		return nil, err
	}
	raw, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return nil, err
	}
	loosenOneOf(raw)
	widenAmounts(raw)
	widenCountries(raw)
	if strict {
		if err := doc.Validate(context.Background()); err != nil {
			return nil, err
		}
		tighten(raw)
	}
	compiler, err := newCompiler(raw)
	if err != nil {
		return nil, err
	}
	contract := &Contract{Doc: doc, raw: raw, codes: readCodes(raw), seen: map[Met]int{}}
	for _, path := range slices.Sorted(maps.Keys(doc.Paths.Map())) {
		for method, spec := range doc.Paths.Value(path).Operations() {
			operation, err := newOperation(compiler, method, path, spec)
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", method, path, err)
			}
			contract.operations = append(contract.operations, operation)
		}
	}
	slices.SortFunc(contract.operations, func(a, b *Operation) int {
		return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method)
	})
	return contract, nil
}

func newOperation(compiler *compiler, method, path string, spec *openapi3.Operation) (*Operation, error) {
	operation := &Operation{
		ID:       spec.OperationID,
		Method:   method,
		Path:     path,
		Spec:     spec,
		segments: strings.Split(path, "/"),
		answers:  map[int]*answer{},
	}
	if listed, ok := spec.Extensions["x-error-codes"].([]any); ok {
		operation.codes = map[string]bool{}
		for _, code := range listed {
			operation.codes[fmt.Sprint(code)] = true
		}
	}
	at := pointer("paths", path, strings.ToLower(method))
	if body := spec.RequestBody; body != nil && body.Value.Content["application/json"] != nil {
		schema, err := compiler.at(orReference(body.Ref, at+"/requestBody") + "/content/application~1json/schema")
		if err != nil {
			return nil, err
		}
		operation.Request = schema
	}
	for text, response := range spec.Responses.Map() {
		var status int
		if _, err := fmt.Sscanf(text, "%3d", &status); err != nil {
			return nil, fmt.Errorf("response %q is not a status", text)
		}
		declared, err := newAnswer(compiler, orReference(response.Ref, at+pointer("responses", text)), response.Value)
		if err != nil {
			return nil, fmt.Errorf("response %s: %w", text, err)
		}
		operation.answers[status] = declared
	}
	return operation, nil
}

func newAnswer(compiler *compiler, at string, response *openapi3.Response) (*answer, error) {
	declared := &answer{headers: map[string]header{}, content: map[string]*jsonschema.Schema{}}
	for name, reference := range response.Headers {
		schema, err := compiler.at(orReference(reference.Ref, at+pointer("headers", name)) + "/schema")
		if err != nil {
			return nil, fmt.Errorf("header %s: %w", name, err)
		}
		declared.headers[name] = header{required: reference.Value.Required, schema: schema}
	}
	for mediaType, content := range response.Content {
		declared.content[mediaType] = nil
		if content.Schema == nil {
			continue
		}
		schema, err := compiler.at(at + pointer("content", mediaType, "schema"))
		if err != nil {
			return nil, err
		}
		declared.content[mediaType] = schema
	}
	return declared, nil
}

// Operations returns every operation of the API, sorted by path and method.
func (c *Contract) Operations() []*Operation {
	return slices.DeleteFunc(slices.Clone(c.operations), (*Operation).ofDashboard)
}

// Dashboard returns every operation that is for persons alone, sorted alike.
func (c *Contract) Dashboard() []*Operation {
	return slices.DeleteFunc(slices.Clone(c.operations), func(o *Operation) bool { return !o.ofDashboard() })
}

func (o *Operation) ofDashboard() bool { return strings.HasPrefix(o.Path, "/dashboard/") }

// Codes returns what the document says of each error code.
func (c *Contract) Codes() map[string]CodeFacts { return maps.Clone(c.codes) }

// Operation returns the operation with an id, or nil.
func (c *Contract) Operation(id string) *Operation {
	for _, operation := range c.operations {
		if operation.ID == id {
			return operation
		}
	}
	return nil
}

// Routes lists the operations of the API as the server's router names them, such as
// "GET /customers/{customer_id}", sorted.
func (c *Contract) Routes() []string {
	var routes []string
	for _, operation := range c.Operations() {
		routes = append(routes, operation.Method+" "+operation.Path)
	}
	slices.Sort(routes)
	return routes
}

// Open reports whether the operation asks for no key.
func (o *Operation) Open() bool {
	return o.Spec.Security != nil && (len(*o.Spec.Security) == 0 || o.Signed())
}

// Signed reports whether the operation asks for a signature of its body in place of a key.
// What it takes is in the words of whoever signs.
func (o *Operation) Signed() bool {
	if o.Spec.Security == nil {
		return false
	}
	for _, requirement := range *o.Spec.Security {
		if _, signed := requirement[signature]; !signed {
			return false
		}
	}
	return len(*o.Spec.Security) > 0
}

// signature is the one scheme that is no key: what is signed is the body.
const signature = "StripeSignature"

// Statuses lists what the operation declares, sorted.
func (o *Operation) Statuses() []int { return slices.Sorted(maps.Keys(o.answers)) }

// Seen returns how often each kind of answer was met since the document was
// loaded.
func (c *Contract) Seen() map[Met]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.seen)
}

// find returns the operation that serves a method and path, and the methods
// that the path has. A path without any method is unknown. One that is written
// out goes before one with a parameter; it is sorted before it, too.
func (c *Contract) find(method, path string) (found *Operation, methods []string) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	segments, pattern := strings.Split(path, "/"), ""
	for _, operation := range c.operations {
		if !operation.serves(segments) || len(methods) > 0 && operation.Path != pattern {
			continue
		}
		pattern = operation.Path
		methods = append(methods, operation.Method)
		if operation.Method == method {
			found = operation
		}
	}
	return found, methods
}

// serves reports whether a path is one of the operation's. No id has a
// character that needs an escape, so a path with one is unknown.
func (o *Operation) serves(segments []string) bool {
	if len(segments) != len(o.segments) {
		return false
	}
	for i, want := range o.segments {
		parameter := strings.HasPrefix(want, "{") && segments[i] != "" && !strings.Contains(segments[i], "%")
		if segments[i] != want && !parameter {
			return false
		}
	}
	return true
}
