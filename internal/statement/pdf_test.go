package statement_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/statement"
)

// document is a PDF taken apart as far as these tests look.
type document struct {
	pages  []string // what each page writes
	glyphs []byte   // two bytes for each character: the number of its glyph in the font
	font   []byte   // the embedded TrueType font
}

var streams = regexp.MustCompile(`(?s)stream\r?\n(.*?)\r?\nendstream`)

func takeApart(t *testing.T, file []byte) (d document) {
	t.Helper()
	if !bytes.HasPrefix(file, []byte("%PDF-1.")) || !bytes.Contains(file, []byte("%%EOF")) {
		t.Fatalf("got %.20q, want a PDF", file)
	}
	for _, match := range streams.FindAllSubmatch(file, -1) {
		content := match[1]
		if reader, err := zlib.NewReader(bytes.NewReader(content)); err == nil {
			if inflated, err := io.ReadAll(reader); err == nil {
				content = inflated
			}
		}
		switch {
		case bytes.Contains(content, []byte("Tj ET")):
			d.pages = append(d.pages, string(content))
		case len(content) >= 2*0xFFFF:
			d.glyphs = content
		case bytes.HasPrefix(content, []byte{0, 1, 0, 0}):
			d.font = content
		}
	}
	return d
}

// shows reports whether a page writes a text.
func (d document) shows(text string) bool {
	var sought []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		for _, b := range []byte{byte(unit >> 8), byte(unit)} {
			if strings.IndexByte(`\()`, b) >= 0 {
				sought = append(sought, '\\')
			}
			if b == '\r' {
				sought = append(sought, '\\', 'r')
				continue
			}
			sought = append(sought, b)
		}
	}
	return strings.Contains(strings.Join(d.pages, ""), string(sought))
}

// outline returns how many bytes of outline the embedded font has for a
// character, 0 when it has no glyph of its own.
func (d document) outline(t *testing.T, r rune) int {
	t.Helper()
	if len(d.glyphs) < 2*0xFFFF || len(d.font) < 12 {
		t.Fatalf("got %d bytes of glyph numbers and %d of font, want both embedded", len(d.glyphs), len(d.font))
	}
	glyph := int(binary.BigEndian.Uint16(d.glyphs[2*r:]))
	if glyph == 0 {
		return 0
	}
	tables := map[string][]byte{}
	for i := range int(binary.BigEndian.Uint16(d.font[4:])) {
		entry := d.font[12+16*i:]
		offset, length := binary.BigEndian.Uint32(entry[8:]), binary.BigEndian.Uint32(entry[12:])
		tables[string(entry[:4])] = d.font[offset : offset+length]
	}
	if binary.BigEndian.Uint16(tables["head"][50:]) == 0 { // offsets are kept halved
		loca := tables["loca"][2*glyph:]
		return 2 * (int(binary.BigEndian.Uint16(loca[2:])) - int(binary.BigEndian.Uint16(loca)))
	}
	loca := tables["loca"][4*glyph:]
	return int(binary.BigEndian.Uint32(loca[4:])) - int(binary.BigEndian.Uint32(loca))
}

func pdfOf(t *testing.T, s *statement.Statement) document {
	t.Helper()
	if err := s.Check(); err != nil {
		t.Fatalf("check: got error %v, want none", err)
	}
	file, err := s.PDF()
	if err != nil {
		t.Fatalf("write: got error %v, want none", err)
	}
	again, err := s.PDF()
	if err != nil || !bytes.Equal(file, again) {
		t.Errorf("the same statement twice: got error %v and equal %t, want equal files", err, bytes.Equal(file, again))
	}
	return takeApart(t, file)
}

// The sign of the rupee is written, and the embedded font can draw it.
func TestPDFPrintsTheRupee(t *testing.T) {
	t.Parallel()
	s := statementOf("INR", "Top-up of ₹12.34 for Zoë")
	s.BusinessName, s.CustomerName, s.CustomerEmail = "Acme", "Jane Doe", "jane@example.com"
	d := pdfOf(t, s)
	for _, text := range []string{
		"₹12.34", "₹0.00", "Top-up of ₹12.34 for Zoë · Top-up of", "Acme", "Jane Doe · jane@example.com", "cus_jane", "INR",
		"2026-03-01 to 2026-03-31 (UTC)", "Opening balance", "Closing balance", "2026-03-01 00:00:00", "page 1",
	} {
		if !d.shows(text) {
			t.Errorf("%q is not written", text)
		}
	}
	for _, r := range "₹12.34ZoëA" {
		if d.outline(t, r) == 0 {
			t.Errorf("the embedded font has no outline for %q", r)
		}
	}
	if d.outline(t, '₿') != 0 { // which nobody has written
		t.Error("the embedded font has an outline that is not used, want only those that are")
	}
}

func TestPDFNamesTheCurrency(t *testing.T) {
	t.Parallel()
	for currency, want := range map[money.Currency]string{"USD": "$12.34", "EUR": "€12.34", "JPY": "1234 JPY", "KWD": "1.234 KWD"} {
		if d := pdfOf(t, statementOf(currency, "x")); !d.shows(want) {
			t.Errorf("%s: %q is not written", currency, want)
		}
	}
}

// Whatever callers write, there is a file: characters that the font or the
// writer lacks, that turn others around, or that end a text in PDF.
func TestPDFOfAnyText(t *testing.T) {
	t.Parallel()
	texts := []string{
		"", "😀 and \U0001F468\u200D\U0001F469", "漢字かな交じり文", "עברית", "\u202Ereversed", `(brackets) \ and \) more`, "\uFFFF\uFFFE",
		"\U00010000", "{nb}", strings.Repeat("without spaces", 80), strings.Repeat("words and ", 100), strings.Repeat("漢", 1000),
		strings.Repeat("😀", 1000), strings.Repeat(" ", 1000), "a\u2028b", "\x00",
	}
	d := pdfOf(t, statementOf("INR", texts...))
	if !d.shows(`(brackets) \ and \) more`) || !d.shows("{nb}") || !d.shows("reversed") || d.shows("\u202E") {
		t.Error("a text is not written as it should be")
	}
	if d.shows(strings.Repeat("without spaces", 5)) || d.shows(strings.Repeat("words and ", 10)) || d.shows(strings.Repeat("漢", 80)) {
		t.Error("a text goes on behind its column")
	}
}

// A statement of many entries has pages, each with its columns, and no entry is
// lost between them.
func TestPDFHasPages(t *testing.T) {
	t.Parallel()
	s := statementOf("INR", make([]string, 200)...)
	s.Made = s.To.Add(-time.Hour)
	for i := range s.Lines {
		s.Lines[i].Reason = "entry number " + strings.Repeat("i", i%7) + " of many, with a reason that takes two lines of its column"
		s.Lines[i].Reference = ""
	}
	d := pdfOf(t, s)
	if len(d.pages) < 5 {
		t.Errorf("got %d pages, want the entries on several", len(d.pages))
	}
	for i, page := range d.pages {
		one := document{pages: []string{page}}
		if !one.shows("Description") || !one.shows("page "+string(rune('1'+i))) {
			t.Errorf("page %d lacks its columns or its number", i+1)
		}
	}
	for i := range s.Lines {
		if want := s.Lines[i].Balance; !d.shows("₹" + money.FormatDecimal(want, "INR")) {
			t.Errorf("the balance %d is not written", want)
		}
	}
	if !d.shows("Balance so far") || d.shows("Closing balance") {
		t.Error("a period that is not over is shown as closed")
	}
}

// What a statement says of its sums is what its lines come to.
func TestPDFHasSums(t *testing.T) {
	t.Parallel()
	s := statementOf("INR", "a", "b", "c", "d")
	balance := money.Amount(0)
	for i, moved := range []money.Amount{500_00, -20_00, -30_01, 7} {
		line := &s.Lines[i]
		line.Amount, line.Direction = max(moved, -moved), ledger.Credit
		if moved < 0 {
			line.Direction = ledger.Debit
		}
		balance += moved
		line.Balance = balance
	}
	s.Lines[2].Account, s.Closing.Balance = ledger.AccountBreakage, balance
	d := pdfOf(t, s)
	for _, want := range []string{"₹500.07", "₹20.00", "₹30.01", "₹450.06"} {
		if !d.shows(want) {
			t.Errorf("%s is not written", want)
		}
	}
}
