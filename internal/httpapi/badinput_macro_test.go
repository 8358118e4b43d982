package httpapi_test

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// innermost finds a «macro» that has no other within.
var innermost = regexp.MustCompile(`«[^«»]*»`)

// jsonMember is one member of a body, its value as it is written.
type jsonMember struct{ name, value string }

// Prices of the two types.
const (
	oncePrice    = `{"type":"one_time_price","currency":"USD","price":4900,"discount":0,"purchasing_power_parity":false}`
	monthlyPrice = `{"type":"recurring_price","currency":"USD","price":1900,"discount":0,"purchasing_power_parity":false,` +
		`"payment_frequency_count":1,"payment_frequency_interval":"Month","subscription_period_count":1,"subscription_period_interval":"Year"}`
)

// validBodies are bodies that the write routes accept.
var validBodies = map[string][]jsonMember{
	"C": {{"email", `"jane@example.com"`}, {"name", `"Jane Doe"`}},
	"P": {{"name", `"Jane Roe"`}},
	"L": {{"amount", `100`}, {"currency", `"USD"`}, {"entry_type", `"credit"`}},
	"R": {{"amount", `1`}, {"reason", `"Not delivered"`}},
	"T": {{"to_customer_id", `"«friend»"`}, {"currency", `"USD"`}, {"amount", `1`}},
	"H": {{"amount", `1`}, {"currency", `"USD"`}, {"expires_at", `"2026-12-01T00:00:00Z"`}},
	"N": {{"amount", `1`}, {"reason", `"Sent"`}},
	"E": {{"idempotency_key", `null`}},
	"M": {{"expires_at", `"2026-12-31T00:00:00Z"`}},
	"B": {{"on_duplicate", `"conflict"`}},
	"D": {
		{"product_cart", `[{"product_id":"«thing»","quantity":1}]`}, {"customer", `{"customer_id":"«cus»"}`}, {"billing", `{"country":"US"}`},
		{"payment_method_id", `"pm_sandbox_ok"`},
	},
	"SN": {
		{"product_id", `"«plan»"`}, {"quantity", `1`}, {"customer", `{"customer_id":"«cus»"}`}, {"billing", `{"country":"US"}`},
		{"payment_method_id", `"pm_sandbox_ok"`},
	},
	"SP": {{"tax_id", `"1"`}, {"billing", `{"country":"US"}`}},
	"SC": {{"product_price", `500`}, {"product_description", `"A thing"`}},
	"SG": {{"product_id", `"«plan»"`}, {"quantity", `1`}, {"proration_billing_mode", `"do_not_bill"`}},
	"SM": {{"type", `"existing"`}, {"payment_method_id", `"pm_sandbox_ok"`}},
	"Q":  {{"token", `"pm_sandbox_ok"`}},
	"SU": {{"return_url", `"https://shop.example/account"`}},
	"S":  {{"payment_id", `"«paid»"`}, {"amount", `1`}, {"destination", `"wallet"`}},
	"I":  {{"amount", `500`}, {"currency", `"USD"`}, {"payment_method_id", `"pm_sandbox_ok"`}},
	"O": {
		{"threshold", `500`}, {"payment_method_id", `"pm_sandbox_ok"`}, {"cap", `{"period":"month","count":3}`}, {"target", `2500`},
	},
	"F": {{"reason", `"Chargebacks"`}, {"scope", `"debits"`}},
	"U": {{"reason", `"Cleared"`}},
	"A": {{"thresholds", `[{"below":500,"recover_at":700}]`}},
	"X": {{"url", `"https://example.com/hook"`}, {"description", `"Accounting"`}},
	"Y": {{"description", `"Accounting"`}, {"disabled", `false`}},
	"Z": {{"headers", `{"X-Shop":"7"}`}},
	"G": {{"name", `"Course"`}, {"tax_category", `"edtech"`}, {"price", oncePrice}},
	"J": {{"name", `"Course 2"`}, {"description", `"Better"`}},
	"V": {{"since", `"2026-03-01T00:00:00Z"`}},
	"K": {{"entries", `[{"customer_id":"«cus»","amount":100,"currency":"USD","entry_type":"credit"}]`}, {"atomic", `true`}},
}

// expand replaces every macro of a text, innermost first.
func (f *badInput) expand(t testing.TB, text string, valid []jsonMember) string {
	t.Helper()
	for range 50 {
		next := innermost.ReplaceAllStringFunc(text, func(macro string) string {
			inner := strings.TrimSuffix(strings.TrimPrefix(macro, "«"), "»")
			return f.macro(t, inner, valid)
		})
		if next == text {
			return text
		}
		text = next
	}
	t.Fatalf("%.80s: macros do not end", text)
	return ""
}

func (f *badInput) macro(t testing.TB, macro string, valid []jsonMember) string {
	t.Helper()
	if value, named := f.names[macro]; named {
		return value
	}
	verb, rest, _ := strings.Cut(macro, " ")
	switch {
	case macro == "valid":
		return jsonObject(valid)
	case macro == "open":
		return strings.TrimSuffix(jsonObject(valid), "}")
	case macro == "dup":
		return `"` + valid[0].name + `":` + valid[0].value
	case verb == "with":
		name, value, _ := strings.Cut(strings.TrimPrefix(rest, `"`), `":`)
		return jsonObject(withMember(valid, jsonMember{name, value}))
	case verb == "without":
		return jsonObject(withoutMember(valid, strings.Trim(rest, `"`)))
	case verb == "members":
		return manyMembers(t, rest)
	case strings.HasPrefix(macro, "0x"):
		bytes, err := hex.DecodeString(macro[2:])
		if err != nil {
			t.Fatalf("«%s»: got error %v, want hexadecimal bytes", macro, err)
		}
		return string(bytes)
	case strings.HasPrefix(macro, "now+"):
		ahead, err := time.ParseDuration(macro[len("now+"):])
		if err != nil {
			t.Fatalf("«%s»: got error %v, want a duration", macro, err)
		}
		return f.clock.Now().Add(ahead).Format(time.RFC3339Nano)
	}
	star := strings.LastIndexByte(macro, '*')
	count, err := strconv.Atoi(macro[star+1:])
	if star < 1 || err != nil {
		t.Fatalf("«%s» is no macro", macro)
	}
	return strings.Repeat(macro[:star], count)
}

func jsonObject(members []jsonMember) string {
	parts := make([]string, len(members))
	for i, m := range members {
		parts[i] = `"` + m.name + `":` + m.value
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// withMember returns the members with one replaced, or added at the end.
func withMember(members []jsonMember, m jsonMember) []jsonMember {
	out := withoutMember(members, m.name)
	return append(out, m)
}

func withoutMember(members []jsonMember, name string) []jsonMember {
	var out []jsonMember
	for _, m := range members {
		if m.name != name {
			out = append(out, m)
		}
	}
	return out
}

// manyMembers makes so many small members.
func manyMembers(t testing.TB, count string) string {
	t.Helper()
	n, err := strconv.Atoi(count)
	if err != nil {
		t.Fatalf("«members %s»: got error %v, want a number", count, err)
	}
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprintf(`"m%d":%d`, i, i)
	}
	return strings.Join(parts, ",")
}
