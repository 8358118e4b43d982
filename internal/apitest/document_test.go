package apitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/billfold/billfold/internal/money"
)

// TestErrorCodesAreComplete checks that the enumeration of codes, the facts
// about them and the lists of the operations say the same.
func TestErrorCodesAreComplete(t *testing.T) {
	t.Parallel()
	contract := Billfold(t)
	var enum []string
	for _, code := range contract.Doc.Components.Schemas["ErrorCode"].Value.Enum {
		enum = append(enum, code.(string))
	}
	slices.Sort(enum)
	if diff := cmp.Diff(enum, slices.Sorted(maps.Keys(contract.codes))); diff != "" {
		t.Errorf("codes with facts differ from the enumeration (-enum +x-codes):\n%s", diff)
	}
	used := map[string]bool{"METHOD_NOT_ALLOWED": true} // belongs to no operation
	for _, operation := range contract.operations {
		statuses := map[int]bool{}
		for code := range operation.codes {
			used[code] = true
			facts, known := contract.codes[code]
			if !known {
				t.Errorf("%s lists the code %s, which does not exist", operation.ID, code)
			}
			statuses[facts.Status] = true
		}
		for _, status := range operation.Statuses() {
			if status >= http.StatusBadRequest && !statuses[status] {
				t.Errorf("%s declares status %d and lists no code for it", operation.ID, status)
			}
			delete(statuses, status)
		}
		for status := range statuses {
			t.Errorf("%s lists codes of status %d and does not declare it", operation.ID, status)
		}
	}
	for _, code := range enum {
		if !used[code] {
			t.Errorf("no operation lists the code %s", code)
		}
	}
}

// TestOperationsAreDescribed checks what a reader needs to find everywhere.
func TestOperationsAreDescribed(t *testing.T) {
	t.Parallel()
	contract := Billfold(t)
	ids := map[string]bool{}
	for _, operation := range contract.operations {
		if operation.ID == "" || ids[operation.ID] {
			t.Errorf("%s %s: operationId %q is empty or used twice", operation.Method, operation.Path, operation.ID)
		}
		ids[operation.ID] = true
		if operation.Spec.Summary == "" || len(operation.Spec.Tags) != 1 {
			t.Errorf("%s: got summary %q and tags %v, want a summary and one tag", operation.ID, operation.Spec.Summary, operation.Spec.Tags)
		}
		// Whoever joins a team and is a user already proves it with a password in the body.
		secured := !operation.Open() || operation.Signed() || operation.ID == "join_team"
		if declares := operation.answers[http.StatusUnauthorized] != nil; secured != declares {
			t.Errorf("%s: asks who it is: %t, declares 401: %t; want both or neither", operation.ID, secured, declares)
		}
		for _, parameter := range operation.Spec.Parameters {
			if parameter.Value.Description == "" {
				t.Errorf("%s: parameter %s has no description", operation.ID, parameter.Value.Name)
			}
		}
		if operation.Request != nil && len(operation.Spec.RequestBody.Value.Content["application/json"].Examples) == 0 {
			t.Errorf("%s has no example of its request", operation.ID)
		}
	}
}

// TestCurrenciesAreThoseOfMoney compares the enumeration with the table that
// the program works with.
func TestCurrenciesAreThoseOfMoney(t *testing.T) {
	t.Parallel()
	enum := Billfold(t).Doc.Components.Schemas["Currency"].Value.Enum
	for _, code := range enum {
		if !money.Currency(code.(string)).Valid() {
			t.Errorf("currency %s of the document is not in the table", code)
		}
	}
	if got, want := len(enum), 145; got != want {
		t.Errorf("currencies: got %d, want %d", got, want)
	}
}

// TestExamplesAreValid checks every example of the document against the schema
// it stands beside.
func TestExamplesAreValid(t *testing.T) {
	t.Parallel()
	contract := Billfold(t)
	compiler, err := newCompiler(contract.raw)
	if err != nil {
		t.Fatalf("compile: got error %v, want none", err)
	}
	checked := 0
	walkSchemasAt(contract.raw, "", func(at string, node map[string]any) {
		examples := examplesOf(node)
		if len(examples) == 0 {
			return
		}
		if _, wraps := node["schema"]; wraps {
			at += "/schema"
		}
		schema, err := compiler.at(at)
		if err != nil {
			t.Errorf("%s: got error %v, want a schema", at, err)
			return
		}
		for _, example := range examples {
			checked++
			if err := schema.Validate(example); err != nil {
				t.Errorf("example of %s: %v", at, err)
			}
		}
	})
	if checked < 30 {
		t.Errorf("examples checked: got %d, want at least 30", checked)
	}
}

// examplesOf returns the examples beside a schema, in each of the three forms
// that OpenAPI has.
func examplesOf(node map[string]any) []any {
	var examples []any
	if example, ok := node["example"]; ok {
		examples = append(examples, example)
	}
	switch listed := node["examples"].(type) {
	case []any:
		examples = append(examples, listed...)
	case map[string]any:
		for _, named := range listed {
			examples = append(examples, named.(map[string]any)["value"])
		}
	}
	return examples
}

func walkSchemasAt(node any, at string, visit func(string, map[string]any)) {
	switch node := node.(type) {
	case map[string]any:
		visit(at, node)
		for name, child := range node {
			if name != "example" && name != "examples" {
				walkSchemasAt(child, at+pointer(name), visit)
			}
		}
	case []any:
		for i, child := range node {
			walkSchemasAt(child, fmt.Sprintf("%s/%d", at, i), visit)
		}
	}
}

// TestCheckFindsEachDifference plants every kind of difference in an answer
// that is right, and wants each to be found.
func TestCheckFindsEachDifference(t *testing.T) {
	t.Parallel()
	contract, err := billfold()
	if err != nil {
		t.Fatal(err)
	}
	good := func() (Answer, map[string]any) {
		return Answer{
			Method: http.MethodGet,
			Path:   "/customers/cus_TV52uJWWXt2yIoBBxpjaa",
			Status: http.StatusOK,
			Header: http.Header{"Content-Type": {"application/json"}, "X-Request-Id": {"req_1"}},
		}, exampleObject(t, contract, "Customer")
	}
	failed := func() (Answer, map[string]any) {
		a, _ := good()
		a.Status = http.StatusNotFound
		a.Header.Set("x-should-retry", "false")
		return a, map[string]any{"code": "NOT_FOUND", "message": "Item not found", "request_id": "req_1", "retryable": false}
	}
	tests := map[string]struct {
		from   func() (Answer, map[string]any)
		plant  func(*Answer, map[string]any)
		wanted string
	}{
		"nothing":            {good, func(*Answer, map[string]any) {}, ""},
		"nothing in error":   {failed, func(*Answer, map[string]any) {}, ""},
		"extra field":        {good, func(_ *Answer, b map[string]any) { b["secret"] = 1 }, "secret"},
		"missing field":      {good, func(_ *Answer, b map[string]any) { delete(b, "email") }, "email"},
		"wrong type":         {good, func(_ *Answer, b map[string]any) { b["name"] = 5 }, "name"},
		"bad time":           {good, func(_ *Answer, b map[string]any) { b["created_at"] = "yesterday" }, "created_at"},
		"time with offset":   {good, func(_ *Answer, b map[string]any) { b["created_at"] = "2026-01-02T03:04:05+01:00" }, "created_at"},
		"other status":       {good, func(a *Answer, _ map[string]any) { a.Status = http.StatusCreated }, "201"},
		"other type":         {good, func(a *Answer, _ map[string]any) { a.Header.Set("Content-Type", "text/html") }, "text/html"},
		"no request id":      {good, func(a *Answer, _ map[string]any) { a.Header.Del("X-Request-Id") }, "X-Request-Id"},
		"header twice":       {good, func(a *Answer, _ map[string]any) { a.Header.Add("X-Request-Id", "req_2") }, "X-Request-Id"},
		"unknown path":       {good, func(a *Answer, _ map[string]any) { a.Path = "/nothing" }, "not in the contract"},
		"unknown code":       {failed, func(_ *Answer, b map[string]any) { b["code"] = "OOPS" }, "OOPS"},
		"code elsewhere":     {failed, func(_ *Answer, b map[string]any) { b["code"] = "INVALID_EXPIRY" }, "INVALID_EXPIRY"},
		"other request id":   {failed, func(_ *Answer, b map[string]any) { b["request_id"] = "req_2" }, "request_id"},
		"retryable":          {failed, func(_ *Answer, b map[string]any) { b["retryable"] = true }, "retryable"},
		"no advice to retry": {failed, func(a *Answer, _ map[string]any) { a.Header.Del("x-should-retry") }, "x-should-retry"},
		"wrong advice":       {failed, func(a *Answer, _ map[string]any) { a.Header.Set("x-should-retry", "true") }, "x-should-retry"},
		"extra in error":     {failed, func(_ *Answer, b map[string]any) { b["stack"] = "main.go" }, "stack"},
		"no Allow":           {failed, func(a *Answer, _ map[string]any) { a.Method, a.Status = http.MethodDelete, 405 }, "Allow"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, body := test.from()
			test.plant(&a, body)
			a.Body, err = json.Marshal(body)
			got := contract.Check(a)
			switch {
			case test.wanted == "" && got != nil:
				t.Errorf("check: got error %v, want none", got)
			case test.wanted != "" && (got == nil || !strings.Contains(got.Error(), test.wanted)):
				t.Errorf("check: got error %v, want one that names %q", got, test.wanted)
			}
		})
	}
}

// exampleObject makes an object of the examples of a schema's properties.
func exampleObject(t *testing.T, contract *Contract, name string) map[string]any {
	t.Helper()
	object := map[string]any{}
	for property, schema := range contract.Doc.Components.Schemas[name].Value.Properties {
		object[property] = exampleValue(schema.Value)
	}
	return object
}

func exampleValue(schema *openapi3.Schema) any {
	switch {
	case len(schema.Examples) > 0:
		return schema.Examples[0]
	case schema.Type.Includes("null"):
		return nil
	case schema.Type.Is("array"):
		return []any{}
	}
	for _, choice := range schema.AnyOf {
		if choice.Value.Type.Includes("null") {
			return nil
		}
	}
	return "example"
}

// TestPublishedIsPartial checks that a foreign document speaks only for what
// it declares, and does speak for that.
func TestPublishedIsPartial(t *testing.T) {
	t.Parallel()
	contract, err := LoadPublished([]byte(`{
		"openapi": "3.1.0", "info": {"title": "t", "version": "1"},
		"paths": {"/things": {"options": {"responses": {"204": {"description": ""}}}, "get": {"operationId": "things", "responses": {"200": {"description": "", "content": {
			"application/json": {"schema": {"type": "object", "required": ["n"], "properties": {
				"n": {"type": "integer", "format": "int32"},
				"m": {"oneOf": [{"type": "integer"}, {"type": "number"}, {"type": "string"}]}}}}}}}}}}
	}`))
	if err != nil {
		t.Fatalf("load: got error %v, want none", err)
	}
	tests := []struct {
		method string
		path   string
		status int
		body   string
		ok     bool
	}{
		{"GET", "/things", 200, `{"n":1,"extra":true}`, true},
		{"GET", "/things", 200, `{"n":1,"m":7}`, true},
		{"GET", "/things", 200, `{}`, false},
		{"GET", "/things", 200, `{"n":2147483648}`, false},
		{"GET", "/things", 404, `whatever`, true},
		{"OPTIONS", "/things", 204, ``, true},
		{"GET", "/others", 200, `whatever`, true},
	}
	for _, test := range tests {
		err := contract.Check(Answer{
			Method: test.method,
			Path:   test.path,
			Status: test.status,
			Header: http.Header{"Content-Type": {"application/json"}},
			Body:   []byte(test.body),
		})
		if got := err == nil; got != test.ok {
			t.Errorf("%s %s %d %s: got error %v, want accepted %t", test.method, test.path, test.status, test.body, err, test.ok)
		}
	}
}

// TestRequestSchemasAreClosed checks that the document itself, not only its
// strict reading here, refuses unknown members in requests. What is signed is not ours to
// refuse: whoever signs adds members when they like.
func TestRequestSchemasAreClosed(t *testing.T) {
	t.Parallel()
	contract := Billfold(t)
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(`{"surely_unknown": 1}`)))
	if err != nil {
		t.Fatal(err)
	}
	bodies := 0
	for _, operation := range contract.operations {
		if operation.Request == nil {
			continue
		}
		bodies++
		if accepted := operation.Request.Validate(value) == nil; accepted != operation.Signed() {
			t.Errorf("%s: an unknown member is accepted: %t, want %t", operation.ID, accepted, operation.Signed())
		}
	}
	if bodies != 45 {
		t.Errorf("operations with a body: got %d, want 45", bodies)
	}
}
