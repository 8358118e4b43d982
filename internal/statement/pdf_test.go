package statement_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/paper/papertest"
	"github.com/billfold/billfold/internal/statement"
)

func pdfOf(t *testing.T, s *statement.Statement) papertest.Document {
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
	return papertest.Read(t, file)
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
		if !d.Shows(text) {
			t.Errorf("%q is not written", text)
		}
	}
	for _, r := range "₹12.34ZoëA" {
		if d.Outline(t, r) == 0 {
			t.Errorf("the embedded font has no outline for %q", r)
		}
	}
	if d.Outline(t, '₿') != 0 { // which nobody has written
		t.Error("the embedded font has an outline that is not used, want only those that are")
	}
}

func TestPDFNamesTheCurrency(t *testing.T) {
	t.Parallel()
	for currency, want := range map[money.Currency]string{"USD": "$12.34", "EUR": "€12.34", "JPY": "1234 JPY", "KWD": "1.234 KWD"} {
		if d := pdfOf(t, statementOf(currency, "x")); !d.Shows(want) {
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
	if !d.Shows(`(brackets) \ and \) more`) || !d.Shows("{nb}") || !d.Shows("reversed") || d.Shows("\u202E") {
		t.Error("a text is not written as it should be")
	}
	if d.Shows(strings.Repeat("without spaces", 5)) || d.Shows(strings.Repeat("words and ", 10)) || d.Shows(strings.Repeat("漢", 80)) {
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
	if len(d.Pages) < 5 {
		t.Errorf("got %d pages, want the entries on several", len(d.Pages))
	}
	for i, page := range d.Pages {
		one := papertest.Document{Pages: []string{page}}
		if !one.Shows("Description") || !one.Shows("page "+string(rune('1'+i))) {
			t.Errorf("page %d lacks its columns or its number", i+1)
		}
	}
	for i := range s.Lines {
		if want := s.Lines[i].Balance; !d.Shows("₹" + money.FormatDecimal(want, "INR")) {
			t.Errorf("the balance %d is not written", want)
		}
	}
	if !d.Shows("Balance so far") || d.Shows("Closing balance") {
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
		if !d.Shows(want) {
			t.Errorf("%s is not written", want)
		}
	}
}
