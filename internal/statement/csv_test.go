package statement_test

import (
	"encoding/csv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/statement"
)

var march = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// statementOf makes a statement of credits with these reasons.
func statementOf(currency money.Currency, reasons ...string) *statement.Statement {
	s := &statement.Statement{
		CustomerID: "cus_jane", Currency: currency, From: march, To: march.AddDate(0, 1, 0), Made: march.AddDate(0, 1, 0),
	}
	for i, reason := range reasons {
		s.Closing = ledger.Point{Seq: int64(i + 1), Balance: money.Amount(1234 * (i + 1))}
		s.Lines = append(s.Lines, statement.Line{
			Seq: int64(i + 1), EntryID: "cwt_1", At: march.Add(time.Duration(i) * time.Second), Direction: ledger.Credit, Amount: 1234,
			Balance: s.Closing.Balance, EventType: ledger.EventPayment, Account: ledger.AccountCash, Reason: reason, Reference: reason,
		})
	}
	return s
}

func records(t *testing.T, s *statement.Statement) [][]string {
	t.Helper()
	if err := s.Check(); err != nil {
		t.Fatalf("check: got error %v, want none", err)
	}
	file, err := s.CSV()
	if err != nil {
		t.Fatalf("write: got error %v, want none", err)
	}
	if lines := strings.Count(string(file), "\r\n"); lines != len(s.Lines)+3 {
		t.Errorf("got %d lines that end as RFC 4180 asks, want %d", lines, len(s.Lines)+3)
	}
	found, err := csv.NewReader(strings.NewReader(string(file))).ReadAll()
	if err != nil {
		t.Fatalf("read %q: got error %v, want none", file, err)
	}
	return found
}

// No text that a caller or a customer wrote begins a formula in a spreadsheet.
func TestCSVHasNoFormulas(t *testing.T) {
	t.Parallel()
	dangerous := []string{
		`=1+1`, `=cmd|' /C calc'!A0`, `+1`, `-1+1`, `@SUM(A1)`, `=HYPERLINK("http://x";"y")`, ` =1`, "\u00a0=1", "\t=1",
		"\u200b=1", "\ufeff=1", `＝1`, `＋1`, `－1`, `＠x`, `=`, `"=1"`[1:],
	}
	harmless := []string{`Top-up`, `1=1`, `"quoted", with a comma`, `a@b.example`, `₹ 100 for Zoë ✓`, `'=1`, ``, `  two spaces`, `;x`}
	for i, row := range records(t, statementOf("INR", dangerous...))[2 : len(dangerous)+2] {
		for _, column := range []int{3, 6} {
			if row[column] != "'"+dangerous[i] {
				t.Errorf("got %q for %q, want it behind an apostrophe", row[column], dangerous[i])
			}
		}
	}
	for i, row := range records(t, statementOf("INR", harmless...))[2 : len(harmless)+2] {
		if row[3] != harmless[i] || row[6] != harmless[i] {
			t.Errorf("got %q for %q, want it as it is", row[3], harmless[i])
		}
	}
}

func TestCSVHasTheDigitsOfTheCurrency(t *testing.T) {
	t.Parallel()
	for currency, want := range map[money.Currency]string{"INR": "12.34", "JPY": "1234", "KWD": "1.234"} {
		rows := records(t, statementOf(currency, "x"))
		last := rows[len(rows)-1]
		if rows[2][7] != want || rows[2][8] != "" || last[9] != want || last[10] != string(currency) {
			t.Errorf("%s: got %v and %v, want %s", currency, rows[2], last, want)
		}
	}
	want := []string{"time", "seq", "ledger_entry_id", "description", "event_type", "counter_account", "reference_object_id",
		"credit", "debit", "balance", "currency"}
	if diff := cmp.Diff(want, records(t, statementOf("INR"))[0]); diff != "" {
		t.Errorf("the columns, which programs know (-want +got):\n%s", diff)
	}
}
