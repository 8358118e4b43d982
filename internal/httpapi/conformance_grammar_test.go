package httpapi_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/billfold/billfold/internal/apitest"
)

// grammar makes requests at random from the contract: mostly what the document
// asks for, and in between the values that the error contract speaks of.
type grammar struct {
	*rand.Rand
	operations []*apitest.Operation

	// texts are what a caller writes into a member or parameter of a name; a
	// name without an entry gets whatever its schema allows.
	texts map[string]func(*grammar) string

	// badness is how many of a thousand values are taken from the mutations.
	badness int

	last fuzzed
}

// fuzzed is one request as it will be sent.
type fuzzed struct {
	operation    string
	method, path string // the path with its query
	headers      [][2]string
	body         string
}

// mutations are values that callers send by mistake or on purpose, as JSON.
var mutations = []string{
	`null`, `true`, `false`, `0`, `-0`, `1`, `-1`, `1.0`, `1.5`, `1e3`, `1E-2`, `1e400`, `999999999999`, `1000000000000`,
	`9007199254740993`, `9223372036854775807`, `9223372036854775808`, `18446744073709551616`, `-9223372036854775808`,
	`""`, `" "`, `"a"`, `"\u0000"`, `"\ud800"`, `"\udc00x"`, `"\n"`, `"\u0085"`, `"😀"`, `"'; drop table customers --"`,
	`"<script>alert(1)</script>"`, `"%s%n%20"`, `"../../etc/passwd"`, `"100"`, `"1.0"`, `"NaN"`, `"USD"`, `"usd"`, `"EUR"`,
	`"XXX"`, `"ＵＳＤ"`, `"credit"`, `"Credit"`, `"2020-01-01T00:00:00Z"`, `"2099-02-30T00:00:00Z"`, `"2099-01-01T00:00:00"`,
	`"0001-01-01T00:00:00Z"`, `"9999-12-31T23:59:59Z"`, `"10000-01-01T00:00:00Z"`, `[]`, `{}`, `[[]]`, `{"":""}`,
	`{"a":{"b":{}}}`, `["USD","USD"]`, `["USD",null]`, `{"USD":"1"}`, `{"INR":"0"}`, `{"a":1,"a":2}`, `{"k":"\u0000"}`,
	"\"\xff\"", "\"tab\t\"", `01`, `+1`, `.5`, `5.`, `NaN`, `'a'`, ``,
}

// next makes one request, or the one before again: as a new call, as a second
// try of the SDKs, or with its key in the header.
func (g *grammar) next() fuzzed {
	if g.last.method == "" || g.IntN(8) > 0 {
		g.last = g.request()
		return g.last
	}
	again := g.last
	again.headers = slices.Clone(again.headers)
	if g.IntN(2) == 0 {
		again.headers = append(again.headers, [2]string{"X-Stainless-Retry-Count", g.pick([]string{"1", "2"})})
	}
	return again
}

// request makes one request.
func (g *grammar) request() fuzzed {
	operation := g.operation()
	r := fuzzed{operation: operation.ID, method: operation.Method}
	r.path = g.path(operation.Path)
	r.path += g.query(operation)
	if operation.Request != nil {
		r.body = g.body(operation.Spec.RequestBody.Value.Content["application/json"].Schema.Value)
		r.headers = append(r.headers, [2]string{"Content-Type", "application/json"})
	}
	r.headers = append(r.headers, g.headers(operation)...)
	if g.bad() {
		r.method = []string{"GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS"}[g.IntN(7)]
	}
	return r
}

// weights say how often operations come up beside the others, which count 1.
var weights = map[string]int{
	"create_customer_ledger_entry":     40,
	"get_customer_wallet_transactions": 15,
	"get_customer_wallets":             10,
	"patch_customer":                   10,
	"create_customer":                  6,
	"get_customer_ledger_entry":        6,
	"reverse_customer_ledger_entry":    9,
	"create_customer_transfer":         6,
	"create_customer_hold":             14,
	"capture_customer_hold":            9,
	"void_invoice":                     6,
	"release_customer_hold":            10,
	"move_customer_lot_expiry":         8,
	"list_customers":                   6,
	"list_events":                      3,
	"create_webhook":                   3,
	"patch_webhook":                    4,
	"create_product":                   3,
	"undelete_product":                 2,
	"list_webhook_deliveries":          3,
	"resend_webhook_delivery":          3,
	"patch_business":                   2,
	"create_payment":                   8,
	"create_customer_wallet_top_up":    4,
	"set_customer_wallet_auto_top_up":  8,
	"get_customer_wallet_auto_top_up":  6,
	"create_customer_payment_method":   3,
	"create_customer_payment_setup":    2,
	"get_payment":                      2,
	"create_refund":                    8,
	"get_refund":                       4,
	"get_payment_invoice_no_auth":      2,
	"get_refund_invoice_no_auth":       4,
	"create_customer_portal_session":   4,
	"create_subscription":              6,
	"create_subscription_charge":       4,
	"change_subscription_plan":         6,
	"preview_subscription_plan":        3,
	"cancel_scheduled_plan_change":     5,
	"retry_subscription":               2,
	"patch_subscription":               4,

	"update_subscription_payment_method": 3,
}

// operation picks one.
func (g *grammar) operation() *apitest.Operation {
	total := 0
	for _, operation := range g.operations {
		total += max(1, weights[operation.ID])
	}
	left := g.IntN(total)
	for _, operation := range g.operations {
		if left -= max(1, weights[operation.ID]); left < 0 {
			return operation
		}
	}
	return nil // not reached: left is below the sum of the weights
}

// bad reports whether this time something is to be wrong.
func (g *grammar) bad() bool { return g.IntN(1000) < g.badness }

func (g *grammar) pick(from []string) string { return from[g.IntN(len(from))] }

// path replaces the parameters of a path.
func (g *grammar) path(pattern string) string {
	if strings.Contains(pattern, "{entry_id}") && !g.bad() {
		_, below, _ := strings.Cut(pattern, "{entry_id}")
		return g.texts["entry_path"](g) + below
	}
	if strings.Contains(pattern, "{hold_id}") && !g.bad() {
		_, below, _ := strings.Cut(pattern, "{hold_id}")
		return g.texts["hold_path"](g) + below
	}
	if strings.HasSuffix(pattern, "/change-plan/scheduled") && !g.bad() {
		return g.texts["scheduled_path"](g)
	}
	if strings.HasSuffix(pattern, "/charge") && !g.bad() {
		return g.texts["charge_path"](g)
	}
	if strings.HasSuffix(pattern, "/auto-top-up") && !g.bad() {
		return g.texts["rule_path"](g)
	}
	if strings.Contains(pattern, "{event_id}") && !g.bad() {
		return g.texts["delivery_path"](g) + "/resend"
	}
	if strings.Contains(pattern, "{lot_seq}") && !g.bad() {
		return g.texts["lot_path"](g)
	}
	if strings.Contains(pattern, "{transfer_id}") && !g.bad() {
		return g.texts["transfer_path"](g)
	}
	if strings.Contains(pattern, "{payment_method_id}") && !g.bad() {
		return g.texts["method_path"](g)
	}
	segments := strings.Split(pattern, "/")
	for i, segment := range segments {
		name, isParameter := strings.CutPrefix(segment, "{")
		switch {
		case isParameter && g.bad():
			segments[i] = g.pick([]string{
				"", "x", "%00", "%ff", "..", "%2e%2e", "cus_", "cus_1", "bus_P3SXLcppjXgagmHSVaH3N", strings.Repeat("A", 3000),
				"cus_TV52uJWWXt2yIoBBxpjaa", "cwt_000000000000000000000", "cwt_zzzzzzzzzzzzzzzzzzzzz", "*", "a;b", "'",
			})
		case isParameter:
			segments[i] = g.texts[strings.TrimSuffix(name, "}")](g)
		}
	}
	return strings.Join(segments, "/")
}

// query makes a query of the operation's parameters.
func (g *grammar) query(operation *apitest.Operation) string {
	var pairs []string
	for _, parameter := range operation.Spec.Parameters {
		if parameter.Value.In != "query" || g.IntN(4) > 0 && (!parameter.Value.Required || g.bad()) {
			continue
		}
		pairs = append(pairs, parameter.Value.Name+"="+g.queryValue(parameter.Value))
	}
	if g.bad() {
		pairs = append(pairs, g.pick([]string{"page_size=1", "cursor=x", "x=1", "%zz=1", "=", "a=%ff", "a=%00", ";", "page_number=-1"}))
	}
	if len(pairs) == 0 {
		return ""
	}
	return "?" + strings.Join(pairs, "&")
}

func (g *grammar) queryValue(parameter *openapi3.Parameter) string {
	if g.bad() {
		return g.pick([]string{
			"", "-1", "0", "101", "2147483648", "abc", "1.5", "%zz", "%00", "%ff", "usd", "XXX", "2026-02-30T00:00:00Z", "a&a=a",
			"99999999999999999999", "+1", strings.Repeat("A", 500),
		})
	}
	if make, known := g.texts[parameter.Name]; known {
		return url.QueryEscape(make(g))
	}
	return url.QueryEscape(strings.Trim(g.value("", parameter.Schema.Value), `"`))
}

// headers makes the headers that the operation knows, and those of the SDKs.
func (g *grammar) headers(operation *apitest.Operation) [][2]string {
	var headers [][2]string
	if operation.Spec.Parameters.GetByInAndName("header", "Idempotency-Key") != nil && g.IntN(10) == 0 {
		headers = append(headers, [2]string{"Idempotency-Key", g.texts["idempotency_key"](g)})
	}
	if g.IntN(4) == 0 {
		headers = append(headers, [2]string{"X-Stainless-Lang", g.pick([]string{"js", "go", "python"})})
		headers = append(headers, [2]string{"X-Stainless-Retry-Count", g.pick([]string{"0", "0", "1", "2", "x"})})
	}
	if g.bad() {
		headers = append(headers, [][2]string{
			{"Content-Type", "text/plain"}, {"Content-Encoding", "gzip"}, {"Idempotency-Key", ""}, {"Idempotency-Key", "\xff"},
			{"Idempotency-Key", strings.Repeat("k", 256)}, {"Authorization", "Bearer nonsense"}, {"Authorization", ""},
			{"X-Request-Id", "given-by-the-caller"}, {"X-Request-Id", "bad id"}, {"Content-Type", "application/json; charset=x"},
		}[g.IntN(10)])
	}
	return headers
}

// body makes a body of a schema, sometimes broken as a whole.
func (g *grammar) body(schema *openapi3.Schema) string {
	body := g.value("", schema)
	if !g.bad() {
		return body
	}
	switch g.IntN(6) {
	case 0:
		return body[:g.IntN(len(body)+1)]
	case 1:
		return body + g.pick(mutations)
	case 2:
		return strings.Replace(body, "{", `{"surely_unknown":1,`, 1)
	case 3:
		return strings.Replace(body, "}", `,"amount":1}`, 1)
	case 4:
		return strings.Repeat("[", g.IntN(3000)) + body
	}
	return g.pick(mutations)
}

// value makes a JSON value of a schema, for a member of a name.
func (g *grammar) value(name string, schema *openapi3.Schema) string {
	if g.bad() {
		return g.pick(mutations)
	}
	if len(schema.AnyOf) > 0 {
		return g.value(name, schema.AnyOf[g.IntN(len(schema.AnyOf))].Value)
	}
	if make, known := g.texts[name]; known && !schema.Type.Is("object") && g.IntN(10) > 0 {
		return jsonText(make(g))
	}
	if len(schema.Enum) > 0 && !schema.Type.Includes("string") {
		return fmt.Sprint(schema.Enum[0])
	}
	if len(schema.Enum) > 0 {
		value := schema.Enum[g.IntN(len(schema.Enum))]
		if text, isText := value.(string); isText {
			return jsonText(text)
		}
		return fmt.Sprint(value)
	}
	kinds := schema.Type.Slice()
	switch kinds[g.IntN(len(kinds))] {
	case "null":
		return "null"
	case "boolean":
		return g.pick([]string{"true", "false"})
	case "integer":
		return g.integer(schema)
	case "number":
		return g.pick([]string{"0", "-1", "0.5", "1e3", "123456789", "-1.5e-7"})
	case "array":
		items := make([]string, 1+g.IntN(4))
		if schema.MaxItems != nil {
			items = items[:min(len(items), int(*schema.MaxItems))]
		}
		for i := range items {
			items[i] = g.value(name, schema.Items.Value)
		}
		return "[" + strings.Join(items, ",") + "]"
	case "object":
		return g.object(schema)
	}
	return jsonText(g.text(schema))
}

func (g *grammar) integer(schema *openapi3.Schema) string {
	low, high := 0.0, 1000.0
	if schema.Min != nil {
		low = *schema.Min
	}
	if schema.Max != nil && *schema.Max < high {
		high = *schema.Max
	}
	n := int64(low) + g.Int64N(int64(high-low)+1)
	if g.IntN(20) == 0 && schema.Max != nil {
		n = int64(*schema.Max)
	}
	return fmt.Sprint(n)
}

// text makes a text of the length that the schema allows.
func (g *grammar) text(schema *openapi3.Schema) string {
	if g.IntN(20) == 0 && schema.MaxLength != nil {
		return strings.Repeat(g.pick([]string{"x", "é", "😀"}), int(*schema.MaxLength)+g.IntN(2))
	}
	length := int(schema.MinLength) + g.IntN(5)
	if schema.MaxLength != nil {
		length = min(length, int(*schema.MaxLength))
	}
	return strings.Repeat("a", length)
}

// object makes an object: every required member, others by chance, and names
// of its own where the schema has none.
func (g *grammar) object(schema *openapi3.Schema) string {
	var members []jsonMember
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		required := slices.Contains(schema.Required, name)
		if required && g.bad() || !required && g.IntN(5) > 1 {
			continue
		}
		members = append(members, jsonMember{name, g.value(name, schema.Properties[name].Value)})
	}
	if len(schema.Properties) == 0 && schema.AdditionalProperties.Schema != nil {
		for range g.IntN(4) {
			name := g.pick([]string{"plan", "seats", "k-1", "K_2", "INR", "EUR", "KWD", "é", ""})
			value := g.value("", schema.AdditionalProperties.Schema.Value)
			members = withMember(members, jsonMember{name, value})
		}
	}
	g.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return jsonObject(members)
}

// jsonText writes a text as JSON without judging it.
func jsonText(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r < 0x20:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// wire makes the HTTP request.
func (r *fuzzed) wire(address, key string) (*http.Request, error) {
	request, err := http.NewRequest(r.method, "http://"+address+r.path, strings.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+key)
	for _, header := range r.headers {
		request.Header.Set(header[0], header[1])
	}
	return request, nil
}
