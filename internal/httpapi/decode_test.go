package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// callWith is a call with a body, ready to be decoded.
func callWith(body string) *call {
	settings := access.DefaultSettings()
	return &call{body: []byte(body), scratch: &scratch{}, settings: &settings, r: httptest.NewRequest("POST", "/", nil)}
}

// entryBody is a request with one member replaced or added.
func entryBody(member, value string) string {
	members := []string{`"amount":1`, `"currency":"USD"`, `"entry_type":"credit"`}
	replaced := false
	for i := range members {
		if strings.HasPrefix(members[i], `"`+member+`"`) {
			members[i], replaced = `"`+member+`":`+value, true
		}
	}
	if !replaced {
		members = append(members, `"`+member+`":`+value)
	}
	return "{" + strings.Join(members, ",") + "}"
}

func TestDecodeEntryField(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		member, value string
		code          ledger.Code // empty: accepted
	}{
		{"amount", "1", ""}, {"amount", "999999999999", ""},
		{"amount", "0", "AMOUNT_NOT_POSITIVE"}, {"amount", "-1", "AMOUNT_NOT_POSITIVE"},
		{"amount", "-9223372036854775808", "AMOUNT_NOT_POSITIVE"}, {"amount", "-" + strings.Repeat("9", 400), "AMOUNT_NOT_POSITIVE"},
		{"amount", "1000000000000", "AMOUNT_TOO_LARGE"}, {"amount", "9223372036854775808", "AMOUNT_TOO_LARGE"},
		{"amount", "18446744073709551617", "AMOUNT_TOO_LARGE"}, {"amount", "1" + strings.Repeat("0", 60_000), "AMOUNT_TOO_LARGE"},
		{"amount", "-0", "AMOUNT_NOT_INTEGER"}, {"amount", "1.0", "AMOUNT_NOT_INTEGER"}, {"amount", "-0.0", "AMOUNT_NOT_INTEGER"},
		{"amount", "1e3", "AMOUNT_NOT_INTEGER"}, {"amount", "1E-2", "AMOUNT_NOT_INTEGER"}, {"amount", "1e400", "AMOUNT_NOT_INTEGER"},
		{"amount", `"100"`, "AMOUNT_NOT_INTEGER"}, {"amount", "true", "AMOUNT_NOT_INTEGER"}, {"amount", "{}", "AMOUNT_NOT_INTEGER"},
		{"amount", "[1]", "AMOUNT_NOT_INTEGER"}, {"amount", `""`, "AMOUNT_NOT_INTEGER"}, {"amount", "null", "MISSING_FIELD"},

		{"currency", `"JPY"`, ""}, {"currency", `"\u0055SD"`, ""}, {"currency", `"usd"`, "UNSUPPORTED_CURRENCY"},
		{"currency", `"ＵＳＤ"`, "UNSUPPORTED_CURRENCY"}, {"currency", `""`, "UNSUPPORTED_CURRENCY"},
		{"currency", `"` + strings.Repeat("U", 3000) + `"`, "UNSUPPORTED_CURRENCY"}, {"currency", `"USD "`, "UNSUPPORTED_CURRENCY"},
		{"currency", "5", "INVALID_REQUEST_BODY"}, {"currency", "null", "MISSING_FIELD"},

		{"entry_type", `"debit"`, ""}, {"entry_type", `"Credit"`, "INVALID_ENTRY_TYPE"}, {"entry_type", `""`, "INVALID_ENTRY_TYPE"},
		{"entry_type", "1", "INVALID_REQUEST_BODY"}, {"entry_type", "null", "MISSING_FIELD"},

		{"category", `"promotional"`, ""}, {"category", "null", ""}, {"category", `""`, "INVALID_CATEGORY"},
		{"category", `"free"`, "INVALID_CATEGORY"}, {"category", "[]", "INVALID_REQUEST_BODY"},

		{"expires_at", `"2026-03-01T12:00:00Z"`, ""}, {"expires_at", "null", ""}, {"expires_at", `""`, "INVALID_EXPIRY"},
		{"expires_at", `"0001-01-01T00:00:00Z"`, "INVALID_EXPIRY"}, {"expires_at", `"0001-01-01T00:00:00.0000009Z"`, "INVALID_EXPIRY"},
		{"expires_at", `"tomorrow"`, "INVALID_EXPIRY"}, {"expires_at", "1772366400", "INVALID_REQUEST_BODY"},

		{"allow_partial", "false", ""}, {"allow_partial", "null", ""}, {"allow_partial", "true", "PARTIAL_ON_CREDIT"},
		{"allow_partial", `"true"`, "INVALID_REQUEST_BODY"}, {"allow_partial", "1", "INVALID_REQUEST_BODY"},

		{"if_seq", "0", ""}, {"if_seq", "null", ""}, {"if_seq", "9007199254740991", ""},
		{"if_seq", "9007199254740992", "INVALID_CONDITION"}, {"if_seq", "9223372036854775808", "INVALID_CONDITION"},
		{"if_seq", strings.Repeat("9", 60_000), "INVALID_CONDITION"}, {"if_seq", "-1", "INVALID_CONDITION"},
		{"if_seq", "-0", "INVALID_CONDITION"}, {"if_seq", "1.0", "INVALID_CONDITION"}, {"if_seq", "1e3", "INVALID_CONDITION"},
		{"if_seq", `"1"`, "INVALID_REQUEST_BODY"}, {"if_seq", "true", "INVALID_REQUEST_BODY"},

		{"if_available_at_least", "0", ""}, {"if_available_at_least", "9007199254740991", ""},
		{"if_available_at_least", "9007199254740992", "INVALID_CONDITION"}, {"if_available_at_least", "-1", "INVALID_CONDITION"},
		{"if_available_at_least", "0.5", "INVALID_CONDITION"}, {"if_available_at_least", "[]", "INVALID_REQUEST_BODY"},

		{"reason", `"x"`, ""}, {"reason", `""`, ""}, {"reason", "null", ""}, {"reason", "{}", "INVALID_REQUEST_BODY"},
		{"reason", `"` + strings.Repeat("é", 1000) + `"`, ""}, {"reason", `"` + strings.Repeat("é", 1001) + `"`, "INVALID_REASON"},
		{"reason", `"a\nb"`, "INVALID_REASON"}, {"reason", `"\u0000"`, "INVALID_ENCODING"},

		{"reference_object_id", `"pay_1"`, ""}, {"reference_object_id", `"a\tb"`, "INVALID_REFERENCE_OBJECT_ID"},
		{"reference_object_id", "1", "INVALID_REQUEST_BODY"},

		{"idempotency_key", `"k"`, ""}, {"idempotency_key", `" k "`, ""}, {"idempotency_key", "null", ""},
		{"idempotency_key", `""`, "INVALID_IDEMPOTENCY_KEY"}, {"idempotency_key", `" \u00a0 "`, "INVALID_IDEMPOTENCY_KEY"},
		{"idempotency_key", `"` + strings.Repeat("é", 256) + `"`, "INVALID_IDEMPOTENCY_KEY"},
		{"idempotency_key", `"` + strings.Repeat("é", 255) + `"`, ""}, {"idempotency_key", `"a\u0085b"`, "INVALID_IDEMPOTENCY_KEY"},
		{"idempotency_key", "5", "INVALID_REQUEST_BODY"}, {"idempotency_key", `"\ud800"`, "INVALID_ENCODING"},

		{"id", `"x"`, "UNKNOWN_FIELD"}, {"AMOUNT", "1", "UNKNOWN_FIELD"}, {"event_type", `"payment"`, "UNKNOWN_FIELD"},
		{"balance", "5", "UNKNOWN_FIELD"}, {"IF_SEQ", "1", "UNKNOWN_FIELD"}, {"if_balance", "1", "UNKNOWN_FIELD"},
		{`am\u006funt`, "1", "DUPLICATE_FIELD"}, {"", "1", "UNKNOWN_FIELD"},
	} {
		var request ledger.PostRequest
		err := callWith(entryBody(c.member, c.value)).decodeEntry(&request)
		if err == nil {
			err = request.Validate()
		}
		if got := ledger.CodeOf(err); got != c.code {
			t.Errorf("%s: %.60s: got error %v, want code %q", c.member, c.value, err, c.code)
		}
		var refused *ledger.Error
		if errors.As(err, &refused) && c.code != "INVALID_ENCODING" && c.code != "DUPLICATE_FIELD" && refused.Param != c.member {
			t.Errorf("%s: %.60s: got param %q, want the field's name", c.member, c.value, refused.Param)
		}
	}
}

// TestOrderOfFieldErrors breaks all fields at once and mends them one by one.
func TestOrderOfFieldErrors(t *testing.T) {
	t.Parallel()
	members := []struct {
		name, broken, mended string
		code                 ledger.Code
	}{
		{"unknown", "1", "", "UNKNOWN_FIELD"},
		{"currency", `"usd"`, `"USD"`, "UNSUPPORTED_CURRENCY"},
		{"entry_type", `"Credit"`, `"debit"`, "INVALID_ENTRY_TYPE"},
		{"amount", "1.5", "1", "AMOUNT_NOT_INTEGER"},
		{"expires_at", `"x"`, "null", "INVALID_EXPIRY"},
		{"if_seq", "1.5", "1", "INVALID_CONDITION"},
		{"if_available_at_least", "-1", "1", "INVALID_CONDITION"},
		{"metadata", `{"a":[]}`, "{}", "INVALID_METADATA"},
		{"idempotency_key", `""`, `"k"`, "INVALID_IDEMPOTENCY_KEY"},
	}
	for mended := range members {
		var texts []string
		for i, m := range members {
			if i >= mended {
				texts = append(texts, `"`+m.name+`":`+m.broken)
			} else if m.mended != "" {
				texts = append(texts, `"`+m.name+`":`+m.mended)
			}
		}
		var request ledger.PostRequest
		err := callWith("{" + strings.Join(texts, ",") + "}").decodeEntry(&request)
		if got, want := ledger.CodeOf(err), members[mended].code; got != want {
			t.Errorf("with %d mended: got error %v, want %s", mended, err, want)
		}
	}
}

// TestOrderOfTypesAndValues wants types before values, and values in the order
// of the rules, whether they cannot be read or are only not allowed.
func TestOrderOfTypesAndValues(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]ledger.Code{
		`{"amount":1,"currency":"usd","entry_type":"credit","reason":{}}`:                      "INVALID_REQUEST_BODY",
		`{"amount":"1","currency":"USD","entry_type":"credit","metadata":[]}`:                  "INVALID_REQUEST_BODY",
		`{"amount":0,"currency":"USD","entry_type":"credit","expires_at":"x"}`:                 "AMOUNT_NOT_POSITIVE",
		`{"amount":0,"currency":"USD","entry_type":"credit","metadata":{"a":[]}}`:              "AMOUNT_NOT_POSITIVE",
		`{"amount":1000000000000,"currency":"USD","entry_type":"debit","idempotency_key":""}`:  "AMOUNT_TOO_LARGE",
		`{"amount":1,"currency":"USD","entry_type":"credit","category":"x","expires_at":"x"}`:  "INVALID_CATEGORY",
		`{"amount":1,"currency":"USD","entry_type":"debit","category":"paid","metadata":null}`: "CATEGORY_ON_DEBIT",
		`{"amount":1,"currency":"USD","entry_type":"credit","reason":"\n","metadata":{"":1}}`:  "INVALID_REASON",
		`{"amount":1,"currency":"USD","entry_type":"credit","expires_at":"x","reason":"\n"}`:   "INVALID_EXPIRY",
	} {
		var request ledger.PostRequest
		err := callWith(body).decodeEntry(&request)
		if err == nil {
			err = request.Validate()
		}
		if got := ledger.CodeOf(err); got != want {
			t.Errorf("%s: got error %v, want %s", body, err, want)
		}
	}
}

func TestNearestName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"AMOUNT": "amount", "ammount": "amount", "currrency": "currency", "entryType": "entry_type",
		"idempotencyKey": "idempotency_key", "Idempotency-Key": "idempotency_key", "expires": "expires_at",
		"reference_id": "reference_object_id", "meta_data": "metadata",
	} {
		if got := nearest(name, entryFields); got != want {
			t.Errorf("nearest(%q): got %q, want %q", name, got, want)
		}
		_, err := callWith(`{"`+name+`":1}`).fields(entryFields, entryRequired)
		if err == nil || !strings.Contains(err.Error(), "did you mean "+want+"?") {
			t.Errorf("%s: got error %v, want one that names %s", name, err, want)
		}
	}
	for _, name := range []string{"", "é", strings.Repeat("x", 5000), strings.Repeat("é", 5000)} {
		if got := nearest(name, entryFields); got == "" {
			t.Errorf("nearest(%.20q): got nothing", name)
		}
	}
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	pairs := func(count int) string {
		var list []string
		for i := range count {
			list = append(list, fmt.Sprintf(`"k%d":%d`, i, i))
		}
		return "{" + strings.Join(list, ",") + "}"
	}
	for _, c := range []struct{ value, want string }{ // want: canonical form or code
		{`{}`, `{}`},
		{` { "b" : "x" , "a" : 1 } `, `{"a":1,"b":"x"}`},
		{`{"Z":1,"a":2,"_":3,"-":4,"0":5}`, `{"-":4,"0":5,"Z":1,"_":3,"a":2}`},
		{`{"a":"\u00e9\/\"\\\n\u001f😀"}`, `{"a":"é/\"\\\n\u001f😀"}`},
		{`{"a":true,"b":false}`, `{"a":true,"b":false}`},
		{`{"a":-0}`, `{"a":0}`}, {`{"a":-0.0}`, `{"a":0}`}, {`{"a":0e5}`, `{"a":0}`}, {`{"a":1e-400}`, `{"a":0}`},
		{`{"a":1.50}`, `{"a":1.5}`}, {`{"a":100e-2}`, `{"a":1}`}, {`{"a":1E3}`, `{"a":1000}`}, {`{"a":-2.5e+1}`, `{"a":-25}`},
		{`{"a":0.000001}`, `{"a":0.000001}`}, {`{"a":1e-7}`, `{"a":1e-07}`},
		{`{"a":1e15}`, `{"a":1e+15}`}, {`{"a":1000000000000000}`, `{"a":1000000000000000}`}, {`{"a":999999999999999.0}`, `{"a":999999999999999}`},
		{`{"a":1e308}`, `{"a":1e+308}`}, {`{"a":1e309}`, "INVALID_METADATA"}, {`{"a":-1e309}`, "INVALID_METADATA"},
		{`{"a":9223372036854775807,"b":-9223372036854775808}`, `{"a":9223372036854775807,"b":-9223372036854775808}`},
		{`{"a":9223372036854775808}`, "INVALID_METADATA"}, {`{"a":` + strings.Repeat("9", 400) + `}`, "INVALID_METADATA"},
		{`{"a":null}`, "INVALID_METADATA"}, {`{"a":{}}`, "INVALID_METADATA"}, {`{"a":[1]}`, "INVALID_METADATA"},
		{`{"":1}`, "INVALID_METADATA"}, {`{"a b":1}`, "INVALID_METADATA"}, {`{"é":1}`, "INVALID_METADATA"}, {`{"a.b":1}`, "INVALID_METADATA"},
		{`{"` + strings.Repeat("k", 40) + `":1}`, `{"` + strings.Repeat("k", 40) + `":1}`},
		{`{"` + strings.Repeat("k", 41) + `":1}`, "INVALID_METADATA"},
		{`{"a":"` + strings.Repeat("é", 500) + `"}`, `{"a":"` + strings.Repeat("é", 500) + `"}`},
		{`{"a":"` + strings.Repeat("é", 501) + `"}`, "INVALID_METADATA"},
		{pairs(51), "MAXIMUM_KEYS_REACHED"},
		{`[]`, "INVALID_REQUEST_BODY"}, {`"x"`, "INVALID_REQUEST_BODY"}, {`1`, "INVALID_REQUEST_BODY"},
		{`{"a":1,"\u0061":1}`, "DUPLICATE_FIELD"},
	} {
		var request ledger.PostRequest
		err := callWith(entryBody("metadata", c.value)).decodeEntry(&request)
		got := request.Metadata
		if err != nil {
			got = string(ledger.CodeOf(err))
		}
		if got != c.want {
			t.Errorf("%.60s: got %.60s (%v), want %.60s", c.value, got, err, c.want)
		}
	}
	if err := callWith(entryBody("metadata", pairs(50))).decodeEntry(&ledger.PostRequest{}); err != nil {
		t.Errorf("50 pairs: got error %v, want none", err)
	}
}

// FuzzDecodeEntry wants no panic, and of what is accepted that its canonical
// form decodes to the same request.
func FuzzDecodeEntry(f *testing.F) {
	f.Add(`{"amount":1,"currency":"USD","entry_type":"credit"}`)
	f.Add(`{"amount":5,"currency":"INR","entry_type":"credit","category":"paid","expires_at":"2026-03-01T12:00:00.5+01:00",` +
		`"reason":"a\u00e9","reference_object_id":"p","metadata":{"b":1.50,"a":"x","c":1e20,"d":true},"idempotency_key":"k"}`)
	f.Fuzz(func(t *testing.T, body string) {
		var request ledger.PostRequest
		if err := callWith(body).decodeEntry(&request); err != nil {
			if _, known := answers[ledger.CodeOf(err)]; !known || ledger.CodeOf(err) == ledger.CodeInternal {
				t.Fatalf("%q: got error %v, which has no status", body, err)
			}
			return
		}
		if !request.Currency.Valid() || request.Amount < -1 || request.Amount > money.EntryMax+1 {
			t.Fatalf("%q: got %+v", body, request)
		}
		if request.Amount < 1 || request.Amount > money.EntryMax {
			return
		}
		written := writeEntryRequest(t, &request)
		var again ledger.PostRequest
		if err := callWith(written).decodeEntry(&again); err != nil {
			t.Fatalf("%q was written as %q: got error %v, want none", body, written, err)
		}
		if diff := cmp.Diff(request, again); diff != "" {
			t.Fatalf("%q was written as %q, which reads differently:\n%s", body, written, diff)
		}
		if request.Fingerprint() != again.Fingerprint() {
			t.Fatalf("%q was written as %q, which has another fingerprint", body, written)
		}
	})
}

// writeEntryRequest writes a request with the standard encoder.
func writeEntryRequest(t *testing.T, r *ledger.PostRequest) string {
	t.Helper()
	members := map[string]any{"amount": r.Amount, "currency": r.Currency, "entry_type": r.Direction}
	for name, text := range map[string]string{
		"category": string(r.Category), "reason": r.Reason, "reference_object_id": r.ReferenceObjectID, "idempotency_key": r.IdempotencyKey,
	} {
		if text != "" {
			members[name] = text
		}
	}
	if !r.ExpiresAt.IsZero() {
		members["expires_at"] = r.ExpiresAt.Format("2006-01-02T15:04:05.999999999Z07:00")
	}
	if r.Metadata != "" {
		members["metadata"] = json.RawMessage(r.Metadata)
	}
	written, err := json.Marshal(members)
	if err != nil {
		t.Fatalf("encode %+v: got error %v, want none", r, err)
	}
	return string(written)
}

func FuzzDecodeCustomer(f *testing.F) {
	f.Add(`{"email":"a@example.com","name":"a","phone_number":null,"metadata":{"a":1},"create_new_customer":false}`)
	f.Fuzz(func(t *testing.T, body string) {
		update, err := callWith(body).decodeCustomer(customerFields, customerRequired)
		if err != nil {
			return
		}
		customer := update.apply(ledger.Customer{})
		if ledger.ValidateCustomer(customer) != nil {
			return
		}
		written := strings.TrimSuffix(string(appendCustomer(nil, customer)), "}")
		if !json.Valid([]byte(written + "}")) {
			t.Fatalf("%q is shown as %s}, which is not JSON", body, written)
		}
	})
}

func FuzzDecodeSettings(f *testing.F) {
	f.Add(`{"enabled_currencies":["USD"],"usd_rates":{"INR":"0.0119"},"on_duplicate":"replay","reversal_grace_seconds":60,"credit_reversal":"debt","expiry_notice_days":7,"below_card_minimum":"charge_minimum","payment_method_wait_hours":48,"payment_retry_hours":[1,2],"refund_window_days":7,"top_up_limits":{"USD":{"minimum":1,"maximum":9}}}`)
	f.Fuzz(func(t *testing.T, body string) {
		update, err := callWith(body).decodeSettings()
		if err == nil && update.OnDuplicate != nil && *update.OnDuplicate == access.Replay && !strings.Contains(body, "uplicate") {
			t.Fatalf("%q: got on_duplicate %s", body, *update.OnDuplicate)
		}
	})
}

func FuzzDecodeKey(f *testing.F) {
	f.Add(`{"business_id":"bus_1","mode":"test","name":"n","scope":"read","expires_at":"2026-03-01T12:00:00Z"}`)
	f.Fuzz(func(t *testing.T, body string) {
		if want, err := callWith(body).decodeKey(); err == nil && !strings.Contains(body, "scope") && !strings.Contains(body, `\u`) {
			t.Fatalf("%q: got %+v without a scope", body, want)
		}
	})
}

// A second try that is taken for a first could move money twice, so of several
// counts the one above 0 counts.
func TestRetryCounts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		values []string
		want   bool
	}{
		{nil, false}, {[]string{"0"}, false}, {[]string{"00"}, false}, {[]string{""}, false}, {[]string{"x"}, false},
		{[]string{"-1"}, false}, {[]string{"1"}, true}, {[]string{"10"}, true}, {[]string{"0", "1"}, true},
		{[]string{"x", "2"}, true}, {[]string{"0", "0"}, false},
	} {
		c := callWith("")
		c.r.Header["X-Stainless-Retry-Count"] = test.values
		if got := c.resent(); got != test.want {
			t.Errorf("%q: got re-sent %t, want %t", test.values, got, test.want)
		}
	}
}
