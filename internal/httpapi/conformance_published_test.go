package httpapi_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/billfold/billfold/internal/apitest"
)

// publishedFile is the document that the wire format comes from. It is not
// part of this repository; the checks against it exist only where the
// environment says where it lies.
var publishedFile = os.Getenv("BILLFOLD_PUBLISHED_OPENAPI")

// publishedOperations are those of the published document that this API has.
var publishedOperations = []string{
	"list_customers", "create_customer", "get_customer_handler", "patch_customer",
	"get_customer_wallets", "get_customer_wallet_transactions", "create_customer_ledger_entry",
	"create_customer_portal_session",
	"list_webhooks", "create_webhook", "get_webhook", "patch_webhook", "delete_webhook", "get_webhook_secret",
	"get_webhook_headers", "patch_webhook_headers",
	"list_products_handler", "create_product", "get_product_handler", "patch_product", "delete_product", "undelete_product",
}

// publishedContract returns the published document, or nil where there is
// none.
func publishedContract(t testing.TB) *apitest.Contract {
	t.Helper()
	if publishedFile == "" {
		return nil
	}
	contract, err := sharedPublished()
	if err != nil {
		t.Fatalf("load the published document: got error %v, want none", err)
	}
	return contract
}

var sharedPublished = sync.OnceValues(loadPublished)

func loadPublished() (*apitest.Contract, error) {
	document, err := os.ReadFile(publishedFile)
	if err != nil {
		return nil, err
	}
	// There it lists events of usage, which is no business of wallets; here it is
	// the feed of what happens to them.
	return apitest.LoadPublished(document, "/events")
}

// TestPublished compares this API with the published one. Beyond these checks,
// every answer that any test of this package meets is held against both.
func TestPublished(t *testing.T) {
	t.Parallel()
	for name, check := range publishedChecks() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, publishedContract(t))
		})
	}
}

func publishedChecks() map[string]func(*testing.T, *apitest.Contract) {
	if publishedFile == "" {
		return nil
	}
	return map[string]func(*testing.T, *apitest.Contract){
		"operations": checkPublishedOperations,
		"currencies": checkPublishedCurrencies,
		"responses":  checkPublishedResponses,
		"requests":   checkPublishedRequests,
		"queries":    checkPublishedQueries,
	}
}

// checkPublishedOperations compares the documents: what the published one
// takes ours takes, and what it promises ours promises.
func checkPublishedOperations(t *testing.T, published *apitest.Contract) {
	ours := apitest.Billfold(t)
	for _, id := range publishedOperations {
		theirs, our := published.Operation(id), ours.Operation(id)
		if theirs == nil || our == nil {
			t.Errorf("operation %s: published %t, ours %t; want both", id, theirs != nil, our != nil)
			continue
		}
		if theirs.Method != our.Method || theirs.Path != our.Path {
			t.Errorf("operation %s: got %s %s, want %s %s", id, our.Method, our.Path, theirs.Method, theirs.Path)
		}
		for _, parameter := range theirs.Spec.Parameters {
			if our.Spec.Parameters.GetByInAndName(parameter.Value.In, parameter.Value.Name) == nil {
				t.Errorf("operation %s: parameter %s is not ours", id, parameter.Value.Name)
			}
		}
		for _, status := range theirs.Statuses() {
			if !slices.Contains(our.Statuses(), status) {
				t.Errorf("operation %s: status %d is not ours", id, status)
			}
		}
		if theirs, our := answerSchema(theirs), answerSchema(our); (theirs == nil) != (our == nil) {
			t.Errorf("operation %s: published answers with a body %t, ours %t; want both or neither", id, theirs != nil, our != nil)
		} else if theirs != nil {
			compareSchemas(t, id+" answer", theirs, our, false)
		}
		if theirs.Spec.RequestBody != nil {
			compareSchemas(t, id+" request", requestSchema(theirs), requestSchema(our), true)
		}
	}
}

// answerSchema is that of the body, nil where there is none.
func answerSchema(o *apitest.Operation) *openapi3.Schema {
	if o.Spec.Responses.Status(http.StatusOK).Value.Content["application/json"] == nil {
		return nil
	}
	return o.Spec.Responses.Status(http.StatusOK).Value.Content["application/json"].Schema.Value
}

func requestSchema(o *apitest.Operation) *openapi3.Schema {
	return o.Spec.RequestBody.Value.Content["application/json"].Schema.Value
}

// compareSchemas checks that ours can stand in for theirs: in an answer it
// must not be wider, in a request not narrower.
func compareSchemas(t *testing.T, at string, theirs, ours *openapi3.Schema, request bool) {
	t.Helper()
	wide, narrow := theirs, ours
	if request {
		wide, narrow = ours, theirs
	}
	for _, kind := range narrow.Type.Slice() {
		if len(wide.Type.Slice()) > 0 && !slices.Contains(wide.Type.Slice(), kind) {
			t.Errorf("%s: ours is %v, published %v", at, ours.Type.Slice(), theirs.Type.Slice())
		}
	}
	for _, value := range narrow.Enum {
		if len(wide.Enum) > 0 && !slices.Contains(wide.Enum, value) {
			t.Errorf("%s: the value %v is not in both", at, value)
		}
	}
	for _, name := range wide.Required {
		if !slices.Contains(narrow.Required, name) {
			t.Errorf("%s: %s is required in one and not in the other", at, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(theirs.Properties)) {
		property := ours.Properties[name]
		if property == nil {
			t.Errorf("%s: ours has no %s", at, name)
			continue
		}
		compareSchemas(t, at+"."+name, theirs.Properties[name].Value, property.Value, request)
	}
	empty := ours.MaxItems != nil && *ours.MaxItems == 0 // and so there are none to compare
	if theirs.Items != nil && ours.Items != nil && !empty {
		compareSchemas(t, at+"[]", theirs.Items.Value, ours.Items.Value, request)
	}
}

func checkPublishedCurrencies(t *testing.T, published *apitest.Contract) {
	ours := apitest.Billfold(t)
	for theirs, our := range map[string]string{
		"Currency": "Currency", "CustomerLedgerEventType": "EventType", "CustomerLedgerEntryType": "EntryType",
	} {
		want := published.Doc.Components.Schemas[theirs].Value.Enum
		got := ours.Doc.Components.Schemas[our].Value.Enum
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("values of %s differ (-published +ours):\n%s", our, diff)
		}
	}
}

// checkPublishedResponses provokes every status that the published operations
// declare, and holds each answer against the published document.
func checkPublishedResponses(t *testing.T, _ *apitest.Contract) {
	contract, err := loadPublished()
	if err != nil {
		t.Fatalf("load the published document: got error %v, want none", err)
	}
	v := &visitor{T: t, patient: newVisited(t, contract, rigOptions{})}
	for _, id := range publishedOperations {
		operation := contract.Operation(id)
		for _, status := range operation.Statuses() {
			v.provoke(operation, status)
			met := 0
			for kind, count := range contract.Seen() {
				if kind.OperationID == id && kind.Status == status {
					met += count
				}
			}
			if met == 0 {
				t.Errorf("operation %s: status %d was not met", id, status)
			}
		}
	}
}

// candidates are values for each member of the published requests that are
// within our limits; "" leaves the member out.
var candidates = map[string]map[string][]string{
	"create_customer": {
		"email":        {`"jane@example.com"`},
		"name":         {`"Jane"`, `"李 Ω 😀"`},
		"metadata":     {"", `{}`, `{"text":"a","whole":3,"negative":-9007199254740993,"double":0.5,"yes":true}`},
		"phone_number": {"", "null", `"+14155552671"`},
	},
	"patch_customer": {
		"email":        {"", "null", `"jane@example.com"`},
		"name":         {"", "null", `"Jane"`},
		"metadata":     {"", "null", `{}`, `{"text":"a","whole":3,"double":1.5e-7,"yes":false}`},
		"phone_number": {"", "null", `"+14155552671"`},
	},
	"create_webhook": {
		"url":             {`"https://example.com/hook"`},
		"description":     {"", "null", `"Accounting"`},
		"disabled":        {"", "null", "true"},
		"filter_types":    {"", `[]`, `["payment.succeeded","credit.balance_low"]`},
		"headers":         {"", "null", `{}`, `{"X-Token":"a b"}`},
		"idempotency_key": {"", "null", `"key %d"`},
		"metadata":        {"", "null", `{"team":"ledger"}`},
		"rate_limit":      {"", "null", "0", "10"},
	},
	"patch_webhook": {
		"url":          {"", "null", `"https://example.com/hook"`},
		"description":  {"", "null", `""`, `"Accounting"`},
		"disabled":     {"", "null", "true", "false"},
		"filter_types": {"", "null", `[]`, `["payment.succeeded"]`},
		"metadata":     {"", "null", `{}`, `{"team":"ledger"}`},
		"rate_limit":   {"", "null", "0", "10"},
	},
	"create_product": nothingOffered(map[string][]string{
		"name":         {`"Course"`},
		"price":        {oncePrice, monthlyPrice},
		"tax_category": {`"saas"`, `"live_tutoring"`},
		"description":  {"", "null", `"Accounting\nfor all"`},
		"metadata":     {"", `{"text":"a","whole":3,"double":0.5,"yes":true}`},
	}),
	"patch_product": nothingOffered(map[string][]string{
		"name":         {"", "null", `"Course"`},
		"price":        {"", "null", oncePrice},
		"tax_category": {"", "null", `"saas"`},
		"description":  {"", "null", `""`},
		"metadata":     {"null", `{}`},
		"image_id":     {"null"},
	}),
	"patch_webhook_headers": {"headers": {`{}`, `{"X-Token":"a b"}`}},
	"create_customer_ledger_entry": {
		"amount":          {"1"},
		"currency":        nil, // every one
		"entry_type":      {`"credit"`, `"debit"`},
		"idempotency_key": {"", "null", `"key %d"`},
		"reason":          {"", "null", `"Account funding - prepaid deposit"`},
	},
}

// nothingOffered adds what a product may say of what is not offered.
func nothingOffered(members map[string][]string) map[string][]string {
	for name, values := range map[string][]string{
		"addons": {"", "[]"}, "credit_entitlements": {"null"}, "entitlements": {"[]"}, "brand_id": {"null"},
		"digital_product_delivery": {"null", `{}`}, "license_key_activation_message": {"null"},
		"license_key_activations_limit": {"0"}, "license_key_duration": {"null"}, "license_key_enabled": {"false"},
		"pricing_mode": {"", `"by_currency"`},
	} {
		members[name] = values
	}
	return members
}

// checkPublishedRequests sends every combination of candidates. All are valid
// by the published document, so all must be accepted.
func checkPublishedRequests(t *testing.T, published *apitest.Contract) {
	v := newVisited(t, apitest.Billfold(t), rigOptions{})
	currencies := published.Doc.Components.Schemas["Currency"].Value.Enum
	v.enable(currencies)
	sent := 0
	for id, values := range candidates {
		operation := published.Operation(id)
		var names []string
		for name := range requestSchema(operation).Properties {
			if _, known := values[name]; !known {
				t.Errorf("%s: there are no candidates for %s", id, name)
			}
			names = append(names, name)
		}
		slices.Sort(names)
		if id == "create_customer_ledger_entry" {
			values = maps.Clone(values)
			for _, currency := range currencies {
				values["currency"] = append(values["currency"], fmt.Sprintf("%q", currency))
			}
		}
		for members := range combinations(names, values) {
			sent++
			body := strings.ReplaceAll(jsonObject(members), "%d", fmt.Sprint(sent))
			value, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
			if err != nil {
				t.Fatalf("%s: candidate %s: got error %v, want JSON", id, body, err)
			}
			if err := operation.Request.Validate(value); err != nil {
				t.Errorf("%s: candidate %s is not valid by the published document: %v", id, body, err)
			}
			if status, _, answer := v.do(v.write, operation.Method, v.path(operation), body); status != http.StatusOK {
				t.Errorf("%s %s: got status %d: %s, want 200", id, body, status, answer)
			} else if id == "create_webhook" { // so that there is room for the next
				v.do(v.write, "DELETE", "/webhooks/"+between(string(answer), `"id":"`, `"`), "")
			}
		}
	}
	if sent < 2500 {
		t.Errorf("requests sent: got %d, want at least 2500", sent)
	}
}

// enable switches currencies on.
func (v *visited) enable(currencies []any) {
	v.Helper()
	quoted := make([]string, len(currencies))
	for i, currency := range currencies {
		quoted[i] = fmt.Sprintf("%q", currency)
	}
	v.must(http.StatusOK, v.write, "PATCH", "/business", `{"enabled_currencies":[`+strings.Join(quoted, ",")+`]}`)
}

// combinations yields every choice of one value for each name. Credits come
// before debits, so that there is money to take.
func combinations(names []string, values map[string][]string) func(func([]jsonMember) bool) {
	return func(yield func([]jsonMember) bool) {
		chosen := make([]int, len(names))
		// The member that varies slowest goes first: entry types are in order.
		order := slices.Clone(names)
		slices.SortFunc(order, func(a, b string) int {
			if (a == "entry_type") != (b == "entry_type") {
				return map[bool]int{true: -1, false: 1}[a == "entry_type"]
			}
			return strings.Compare(a, b)
		})
		for {
			var members []jsonMember
			for i, name := range order {
				if value := values[name][chosen[i]]; value != "" {
					members = append(members, jsonMember{name, value})
				}
			}
			if !yield(members) || !advance(chosen, order, values) {
				return
			}
		}
	}
}

// advance moves to the next choice, the last name fastest, and reports false
// after the last.
func advance(chosen []int, names []string, values map[string][]string) bool {
	for i := len(chosen) - 1; i >= 0; i-- {
		chosen[i]++
		if chosen[i] < len(values[names[i]]) {
			return true
		}
		chosen[i] = 0
	}
	return false
}

// checkPublishedQueries sends every combination of query parameters that the
// published document knows.
func checkPublishedQueries(t *testing.T, published *apitest.Contract) {
	v := newVisited(t, apitest.Billfold(t), rigOptions{})
	queries := map[string][]string{
		"page_size":      {"", "0", "1", "100"},
		"page_number":    {"", "0", "1", "1000000"},
		"email":          {"", "email", "jane@example.com"},
		"name":           {"", "name"},
		"created_at_gte": {"", "2019-12-27T18:11:19.117Z"},
		"created_at_lte": {"", "2099-12-27T18:11:19Z"},
		"currency":       {""},
		"limit":          {"", "0", "1", "250"},
		"iterator":       {"", "iterator", "whk_YdWqVEGKmSYKbsIyDxEab"},
		"archived":       {"", "true", "false"},
		"recurring":      {"", "true", "false"},
		"brand_id":       {"", "brand_id"},
	}
	for _, currency := range published.Doc.Components.Schemas["Currency"].Value.Enum {
		queries["currency"] = append(queries["currency"], currency.(string))
	}
	for _, id := range []string{"list_customers", "get_customer_wallet_transactions", "list_webhooks", "list_products_handler"} {
		operation := published.Operation(id)
		var names []string
		for _, parameter := range operation.Spec.Parameters {
			if parameter.Value.In != "query" {
				continue
			}
			names = append(names, parameter.Value.Name)
			if queries[parameter.Value.Name] == nil {
				t.Fatalf("%s: there are no candidates for %s", id, parameter.Value.Name)
			}
		}
		for members := range combinations(names, queries) {
			var query []string
			for _, m := range members {
				query = append(query, m.name+"="+m.value)
			}
			v.must(http.StatusOK, v.write, "GET", v.path(operation)+"?"+strings.Join(query, "&"), "")
		}
	}
}
