package httpapi_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/billfold/billfold/internal/httpapi"
	"github.com/billfold/billfold/internal/ledger"
)

// What can be said of a line beforehand is what the server says of it.
func TestLineParserJudgesAsTheServer(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	jane := h.newCustomer()
	var lines []string
	for _, members := range []string{
		`"amount":5,"entry_type":"credit"`, `"amount":"5","entry_type":"credit"`, `"amount":0,"entry_type":"credit"`,
		`"amount":5`, `"amount":5,"entry_type":"Credit"`, `"amount":5,"entry_type":"debit","category":"paid"`,
		`"amount":5,"entry_type":"credit","expires_at":"soon"`, `"amount":5,"entry_type":"credit","metadata":{"a b":1}`,
		`"amount":5,"entry_type":"credit","metadata":[]`, `"amount":5,"entry_type":"credit","idempotency_key":" "`,
		`"amount":5,"entry_type":"credit","colour":1`, `"amount":5,"entry_type":"debit","if_seq":1.5`,
		`"amount":5,"entry_type":"credit","allow_partial":true`, `"amount":5,"entry_type":"credit","reason":"a\tb"`,
	} {
		lines = append(lines, bulkEntry(jane, members))
	}
	lines = append(lines, bulkEntry("cus_1", `"amount":5,"entry_type":"credit"`), bulkEntry("cus_1", `"amount":0,"entry_type":"credit"`),
		`{"currency":"USD","amount":5,"entry_type":"credit"}`, `{}`, `[]`, `5`,
		strings.Replace(lines[0], "USD", "usd", 1), strings.Replace(lines[0], "USD", "ABC", 1))
	answer := h.send(request{method: "POST", path: bulkPath, body: strings.Join(lines, "\n"),
		headers: map[string]string{"Content-Type": "application/x-ndjson"}}).want(t, http.StatusOK)
	var parser httpapi.LineParser
	for i, result := range answer["results"].([]any) {
		want := "accepted"
		if refusal, refused := result.(map[string]any)["error"].(map[string]any); refused {
			want = fmt.Sprint(refusal["code"])
		}
		got := "accepted"
		_, err := parser.Parse([]byte(lines[i]))
		var refused *ledger.Error
		if errors.As(err, &refused) {
			got = string(refused.Code)
		}
		if got != want {
			t.Errorf("%s: got %s, the server says %s", lines[i], got, want)
		}
	}
	for line, want := range map[string]ledger.Code{
		`{"amount":`: httpapi.CodeInvalidRequestBody, `{"amount":1,"amount":2}`: httpapi.CodeDuplicateField,
		lines[0] + "x": httpapi.CodeInvalidRequestBody, "\"\xff\"": httpapi.CodeInvalidEncoding,
	} {
		if _, err := parser.Parse([]byte(line)); ledger.CodeOf(err) != want {
			t.Errorf("%q: got %v, want %s", line, err, want)
		}
	}
}
