package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// refusals are texts with the error that each gets.
var refusals = []struct {
	name, text string
	want       error
}{
	{"nothing", "", ErrSyntax},
	{"white space", " \n", ErrSyntax},
	{"a comment", "/* x */ {}", ErrSyntax},
	{"single quotes", "{'a':1}", ErrSyntax},
	{"a bare name", "{a:1}", ErrSyntax},
	{"NaN", `{"a":NaN}`, ErrSyntax},
	{"Infinity", `{"a":Infinity}`, ErrSyntax},
	{"a plus sign", `{"a":+1}`, ErrSyntax},
	{"a leading zero", `{"a":01}`, ErrSyntax},
	{"a negative leading zero", `{"a":-01}`, ErrSyntax},
	{"no digit before the point", `{"a":.5}`, ErrSyntax},
	{"no digit behind the point", `{"a":5.}`, ErrSyntax},
	{"no digit in the exponent", `{"a":5e}`, ErrSyntax},
	{"only a minus", `{"a":-}`, ErrSyntax},
	{"half a word", `{"a":tru}`, ErrSyntax},
	{"another case", `{"a":True}`, ErrSyntax},
	{"a comma too many", `{"a":1,}`, ErrSyntax},
	{"an element too few", `[1,]`, ErrSyntax},
	{"no comma", `{"a":1 "b":2}`, ErrSyntax},
	{"no colon", `{"a" 1}`, ErrSyntax},
	{"no end", `{"a":1`, ErrSyntax},
	{"no end of an array", `[1`, ErrSyntax},
	{"no end of a string", `{"a":"x`, ErrSyntax},
	{"no end of an escape", `{"a":"\`, ErrSyntax},
	{"no end of a name", `{"a`, ErrSyntax},
	{"another bracket", `{"a":1]`, ErrSyntax},
	{"something behind it", `{}x`, ErrSyntax},
	{"a second document", `{}{}`, ErrSyntax},
	{"a byte order mark", "\ufeff{}", ErrSyntax},
	{"a raw control character", "{\"a\":\"\x01\"}", ErrSyntax},
	{"a raw zero", "{\"a\":\"\x00\"}", ErrSyntax},
	{"a raw zero behind an escape", "{\"a\":\"\\n\x00\"}", ErrSyntax},
	{"a raw line feed", "{\"a\":\"\n\"}", ErrSyntax},
	{"an unknown escape", `{"a":"\x41"}`, ErrSyntax},
	{"a short escape", `{"a":"\u00"}`, ErrSyntax},
	{"no hexadecimal digit", `{"a":"\u00g0"}`, ErrSyntax},
	{"a short second half", `{"a":"\ud83d\ude"}`, ErrSyntax},
	{"another white space", "\v{}", ErrSyntax},

	{"a name twice", `{"a":1,"a":1}`, &DuplicateError{Name: "a"}},
	{"a name twice, once escaped", `{"a":1,"\u0061":2}`, &DuplicateError{Name: "a"}},
	{"an empty name twice", `{"":1,"":1}`, &DuplicateError{}},
	{"a name twice, far apart", `{"a":{"b":1},"c":[{"b":2}],"a":1}`, &DuplicateError{Name: "a"}},
	{"a name twice, deep", `{"a":[{"b":{"c":1,"c":2}}]}`, &DuplicateError{Name: "c"}},

	{"invalid UTF-8", "{\"a\":\"\xff\"}", ErrEncoding},
	{"invalid UTF-8 outside", "{}\xff", ErrEncoding},
	{"an overlong zero", "{\"a\":\"\xc0\x80\"}", ErrEncoding},
	{"half a pair in UTF-8", "{\"a\":\"\xed\xa0\xbd\"}", ErrEncoding},
	{"half a pair", `{"a":"\ud83d"}`, ErrEncoding},
	{"half a pair before text", `{"a":"\ud83dx"}`, ErrEncoding},
	{"half a pair before an escape", `{"a":"\ud83d\n"}`, ErrEncoding},
	{"the second half first", `{"a":"\ude00\ud83d"}`, ErrEncoding},
	{"the first half twice", `{"a":"\ud83d\ud83d"}`, ErrEncoding},
	{"half a pair in a name", `{"\ud83d":1}`, ErrEncoding},
	{"an escaped zero", `{"a":"\u0000"}`, ErrEncoding},
	{"an escaped zero in a name", `{"\u0000":1}`, ErrEncoding},

	{"too deep", strings.Repeat("[", DepthMax+1) + strings.Repeat("]", DepthMax+1), ErrTooDeep},
	{"too deep in objects", strings.Repeat(`{"a":`, DepthMax+1) + "1" + strings.Repeat("}", DepthMax+1), ErrTooDeep},
	{"far too deep", strings.Repeat("[", 60_000), ErrTooDeep},
	{"too many members", manyMembers(ValuesMax + 1), ErrTooLong},
	{"too many elements", "[" + strings.Repeat("1,", ValuesMax) + "1]", ErrTooLong},
	{"too many over all depths", `{"a":` + manyMembers(ValuesMax) + `}`, ErrTooLong},
}

func manyMembers(count int) string {
	var names []string
	for i := range count {
		names = append(names, fmt.Sprintf(`"m%d":%d`, i, i))
	}
	return "{" + strings.Join(names, ",") + "}"
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range refusals {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := new(Document).Parse([]byte(c.text))
			var duplicate, wantDuplicate *DuplicateError
			if errors.As(c.want, &wantDuplicate) {
				if !errors.As(err, &duplicate) || *duplicate != *wantDuplicate {
					t.Errorf("Parse(%.60q): got error %#v, want %#v", c.text, err, c.want)
				}
			} else if !errors.Is(err, c.want) {
				t.Errorf("Parse(%.60q): got error %v, want %v", c.text, err, c.want)
			}
		})
	}
}

func TestParseAcceptsUpToTheLimits(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		strings.Repeat("[", DepthMax) + strings.Repeat("]", DepthMax),
		manyMembers(ValuesMax),
		"[" + strings.Repeat("1,", ValuesMax-1) + "1]",
		`{"a":-0,"b":1e400,"c":` + strings.Repeat("9", 60_000) + `}`,
		"\t\r\n {} \t\r\n",
		`{"":1}`,
	} {
		if _, err := new(Document).Parse([]byte(text)); err != nil {
			t.Errorf("Parse(%.60q): got error %v, want none", text, err)
		}
	}
}

func TestParseDecodes(t *testing.T) {
	t.Parallel()
	const text = ` {"\u0061b":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00 é😀","n":-12.50e+3,"t":true,"f":false,"z":null,` +
		`"l":[1,"x",[],{}],"o":{"p":{"q":0}}} `
	root, err := new(Document).Parse([]byte(text))
	if err != nil {
		t.Fatalf("Parse: got error %v, want none", err)
	}
	type member struct {
		Name, Text string
		Kind       Kind
		Len        int
	}
	var got []member
	for name, value := range root.Members {
		got = append(got, member{string(name), string(value.Text()), value.Kind(), value.Len()})
	}
	want := []member{
		{"ab", "\"\\/\b\f\n\r\té😀 é😀", String, 0},
		{"n", "-12.50e+3", Number, 0},
		{"t", "true", Bool, 0},
		{"f", "false", Bool, 0},
		{"z", "null", Null, 0},
		{"l", "", Array, 4},
		{"o", "", Object, 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}

func TestLoopsMayEndEarly(t *testing.T) {
	t.Parallel()
	root, err := new(Document).Parse([]byte(`{"a":[1,2],"b":0}`))
	if err != nil {
		t.Fatalf("Parse: got error %v, want none", err)
	}
	seen := 0
	for _, value := range root.Members {
		for range value.Elements {
			seen++
			break
		}
		break
	}
	if seen != 1 {
		t.Errorf("got %d values, want 1", seen)
	}
	var absent Value
	if absent.Kind() != 0 {
		t.Errorf("the zero Value: got kind %d, want 0", absent.Kind())
	}
}

func TestDocumentIsUsedAgain(t *testing.T) {
	t.Parallel()
	var d Document
	for _, text := range []string{`{"a":"\u0061"}`, `{`, `{"a":"\u0062\u0062"}`, `{"a":"` + strings.Repeat(`\n`, 500) + `"}`} {
		root, err := d.Parse([]byte(text))
		var want struct{ A string }
		if wantErr := json.Unmarshal([]byte(text), &want); (err == nil) != (wantErr == nil) {
			t.Fatalf("Parse(%.20q): got error %v, want %v", text, err, wantErr)
		}
		if err != nil {
			continue
		}
		for _, value := range root.Members {
			if got := string(value.Text()); got != want.A {
				t.Errorf("Parse(%.20q): got %.20q, want %.20q", text, got, want.A)
			}
		}
	}
}

func TestParseDoesNotAllocate(t *testing.T) {
	var d Document
	text := []byte(`{"amount":1500,"currency":"USD","entry_type":"credit","reason":"\u00e9","idempotency_key":"k"}`)
	got := testing.AllocsPerRun(100, func() {
		if _, err := d.Parse(text); err != nil {
			t.Fatalf("Parse: got error %v, want none", err)
		}
	})
	if got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
}

// FuzzParse compares with another strict decoder: what one accepts and the
// other refuses is a bug, except for what only this package forbids. What is
// accepted and written again must read back the same.
func FuzzParse(f *testing.F) {
	for _, c := range refusals {
		if len(c.text) < 1000 {
			f.Add([]byte(c.text))
		}
	}
	f.Add([]byte(` {"a":"\u0061\ud83d\ude00","b":[1,-2.5e3,true,null,{"c":{}}]} `))
	f.Fuzz(func(t *testing.T, text []byte) {
		var d Document
		root, err := d.Parse(text)
		other := jsontext.Value(bytes.Clone(text))
		otherErr := other.Canonicalize(jsontext.CanonicalizeRawInts(false), jsontext.CanonicalizeRawFloats(false))
		if err != nil {
			ours := errors.Is(err, ErrTooDeep) || errors.Is(err, ErrTooLong) ||
				(errors.Is(err, ErrEncoding) && bytes.Contains(text, []byte(`\u0000`)))
			if otherErr == nil && !ours {
				t.Fatalf("Parse(%q): got error %v, and jsontext accepts it", text, err)
			}
			return
		}
		if otherErr != nil {
			t.Fatalf("Parse(%q): got no error, and jsontext says %v", text, otherErr)
		}
		written := write(nil, root)
		var again Document
		rootAgain, err := again.Parse(written)
		if err != nil {
			t.Fatalf("Parse(%q), which was written from %q: got error %v, want none", written, text, err)
		}
		if twice := write(nil, rootAgain); !bytes.Equal(written, twice) {
			t.Fatalf("%q was written as %q and then as %q", text, written, twice)
		}
		same := jsontext.Value(written)
		if err := same.Canonicalize(jsontext.CanonicalizeRawInts(false), jsontext.CanonicalizeRawFloats(false)); err != nil {
			t.Fatalf("canonicalize %q: got error %v, want none", written, err)
		}
		if !bytes.Equal(same, other) {
			t.Fatalf("%q means %s here and %s in jsontext", text, same, other)
		}
	})
}

// write writes a value as JSON.
func write(to []byte, v Value) []byte {
	switch v.Kind() {
	case Object:
		to = append(to, '{')
		separator := ""
		for name, member := range v.Members {
			to = append(to, separator...)
			to = append(writeText(to, name), ':')
			to = write(to, member)
			separator = ","
		}
		return append(to, '}')
	case Array:
		to = append(to, '[')
		separator := ""
		for element := range v.Elements {
			to = append(to, separator...)
			to = write(to, element)
			separator = ","
		}
		return append(to, ']')
	case String:
		return writeText(to, v.Text())
	}
	return append(to, v.Text()...)
}

func writeText(to, text []byte) []byte {
	quoted, err := jsontext.AppendQuote(to, text)
	if err != nil {
		panic(err) // only texts of UTF-8 are decoded
	}
	return quoted
}

func BenchmarkParse(b *testing.B) {
	var d Document
	text := []byte(`{"amount":1500,"currency":"USD","entry_type":"credit","reason":"seat","idempotency_key":"deposit_1"}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}
