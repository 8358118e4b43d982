package httpapi

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// TestAppendString reads back what it wrote with another decoder.
func TestAppendString(t *testing.T) {
	t.Parallel()
	check := func(t interface{ Errorf(string, ...any) }, text string) {
		written := appendString(nil, text)
		var got string
		if err := json.Unmarshal(written, &got); err != nil {
			t.Errorf("%q was written as %s: got error %v, want none", text, written, err)
		}
		if want := strings.ToValidUTF8(text, "�"); utf8.ValidString(text) && got != want {
			t.Errorf("%q was written as %s, which reads %q", text, written, got)
		}
		if !utf8.Valid(written) {
			t.Errorf("%q was written as %q, which is not UTF-8", text, written)
		}
	}
	for c := range rune(0x100) {
		check(t, "a"+string(c)+"b")
	}
	check(t, "\xff")
	check(t, "a\xffb\xc3")
	check(t, "\u2028\u2029\ufffd😀")
	rapid.Check(t, func(t *rapid.T) { check(t, rapid.String().Draw(t, "text")) })
	rapid.Check(t, func(t *rapid.T) { check(t, string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))) })
}

func TestAppendTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMicro(rapid.Int64Range(-62_135_596_800_000_000, 253_402_300_799_999_999).Draw(t, "at"))
		at = at.In(time.FixedZone("", rapid.IntRange(-86_399, 86_399).Draw(t, "zone")))
		want := at.UTC().Format(`"2006-01-02T15:04:05.000000Z"`)
		if got := string(appendTime(nil, at)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if back, ok := parseTime(strings.Trim(want, `"`)); !ok || !back.Equal(at) {
			t.Errorf("%s: read back as %v, %t", want, back, ok)
		}
	})
	if got := string(appendOptionalTime(nil, time.Time{})); got != "null" {
		t.Errorf("no time: got %s, want null", got)
	}
}

func TestParseTime(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2026-03-01T12:00:00Z":                "2026-03-01T12:00:00Z",
		"2026-03-01T12:00:00.123456789Z":      "2026-03-01T12:00:00.123456789Z",
		"2026-03-01T12:00:00+05:30":           "2026-03-01T06:30:00Z",
		"2026-03-01T00:30:00-00:30":           "2026-03-01T01:00:00Z",
		"2024-02-29T23:59:59Z":                "2024-02-29T23:59:59Z",
		"0001-01-01T00:00:00Z":                "0001-01-01T00:00:00Z",
		"9999-12-31T23:59:59.999999Z":         "9999-12-31T23:59:59.999999Z",
		"":                                    "",
		"2026-03-01":                          "",
		"2026-03-01T12:00:00":                 "",
		"2026-03-01 12:00:00Z":                "",
		"2026-03-01t12:00:00z":                "",
		"2026-03-01T12:00Z":                   "",
		"2026-03-01T1:00:00Z":                 "",
		"2026-3-01T12:00:00Z":                 "",
		"2026-03-01T12:00:00,5Z":              "",
		"2026-03-01T12:00:00.Z":               "",
		"2026-03-01T12:00:00.5":               "",
		"2026-03-01T12:00:00+0530":            "",
		"2026-03-01T12:00:00+5:30":            "",
		"2026-03-01T12:00:00+24:00":           "",
		"2026-03-01T12:00:00+23:60":           "",
		"2026-03-01T12:00:00+aa:00":           "",
		"2026-03-01T12:00:00Z ":               "",
		" 2026-03-01T12:00:00Z":               "",
		"2026-02-30T12:00:00Z":                "",
		"2025-02-29T12:00:00Z":                "",
		"2026-13-01T12:00:00Z":                "",
		"2026-00-01T12:00:00Z":                "",
		"2026-03-01T25:00:00Z":                "",
		"2026-03-01T24:00:00Z":                "",
		"2026-03-01T12:60:00Z":                "",
		"2026-03-01T12:00:60Z":                "",
		"0000-03-01T12:00:00Z":                "",
		"10000-01-01T00:00:00Z":               "",
		"-001-03-01T12:00:00Z":                "",
		"9999-12-31T23:59:59-00:01":           "",
		"0001-01-01T00:00:00+00:01":           "",
		"1772366400":                          "",
		"20260301T120000Z00000000000000":      "",
		"2026-03-01T12:00:00." + zeros + "Z":  "",
		"2026-03-01T12:00:00Z[Europe/Berlin]": "",
	} {
		got, ok := parseTime(text)
		if ok != (want != "") || (ok && got.Format(time.RFC3339Nano) != want) {
			t.Errorf("parseTime(%q): got %v, %t, want %q", text, got, ok, want)
		}
	}
}

const zeros = "0000000000000000000000000000000000000000"

// FuzzParseTime wants what is accepted to be a time of RFC 3339 for the
// standard library as well, and to be written and read as the same time.
func FuzzParseTime(f *testing.F) {
	f.Add("2026-03-01T12:00:00.5+05:30")
	f.Fuzz(func(t *testing.T, text string) {
		at, ok := parseTime(text)
		if !ok {
			return
		}
		if want, err := time.Parse(time.RFC3339Nano, text); err != nil || !want.Equal(at) {
			t.Fatalf("parseTime(%q): got %v; the standard library says %v, %v", text, at, want, err)
		}
		cut := at.Truncate(time.Microsecond)
		back, ok := parseTime(strings.Trim(string(appendTime(nil, at)), `"`))
		if !ok || !back.Equal(cut) {
			t.Fatalf("%q: written and read back as %v, %t, want %v", text, back, ok, cut)
		}
	})
}
