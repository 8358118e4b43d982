package statement

import (
	"bytes"
	"encoding/csv"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// csvHeader names the columns. Programs read them by name; columns may be added.
var csvHeader = []string{
	"time", "seq", "ledger_entry_id", "description", "event_type", "counter_account", "reference_object_id",
	"credit", "debit", "balance", "currency",
}

// timeForm is how times are written: in UTC, to the microsecond.
const timeForm = "2006-01-02T15:04:05.000000Z"

// CSV returns the statement as CSV of RFC 4180: the opening balance, a row for
// each entry, and the closing balance. Amounts are in whole currency with a
// point. No cell can be taken for a formula.
func (s *Statement) CSV() ([]byte, error) {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	w.UseCRLF = true
	rows := make([][]string, 0, len(s.Lines)+3)
	rows = append(rows, csvHeader, s.balanceRow(s.From, "Opening balance", s.Opening.Balance))
	for i := range s.Lines {
		rows = append(rows, s.row(&s.Lines[i]))
	}
	rows = append(rows, s.balanceRow(s.closedAt(), s.closing(), s.Closing.Balance))
	if err := w.WriteAll(rows); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func (s *Statement) balanceRow(at time.Time, what string, balance money.Amount) []string {
	return []string{
		at.UTC().Format(timeForm), "", "", what, "", "", "", "", "", money.FormatDecimal(balance, s.Currency), string(s.Currency),
	}
}

func (s *Statement) row(line *Line) []string {
	credit, debit := "", money.FormatDecimal(line.Amount, s.Currency)
	if line.Direction == ledger.Credit {
		credit, debit = debit, ""
	}
	return []string{
		line.At.UTC().Format(timeForm), strconv.FormatInt(line.Seq, 10), line.EntryID, cell(line.Reason),
		string(line.EventType), string(line.Account), cell(line.Reference),
		credit, debit, money.FormatDecimal(line.Balance, s.Currency), string(s.Currency),
	}
}

// formulaSigns begin a formula in some spreadsheet, also in their full width.
const formulaSigns = "=+-@＝＋－＠"

// cell returns a text that somebody else wrote so that no spreadsheet takes it
// for a formula: behind an apostrophe, where its first visible character could
// begin one.
func cell(text string) string {
	seen, _ := utf8.DecodeRuneInString(strings.TrimLeftFunc(text, invisible))
	if strings.ContainsRune(formulaSigns, seen) {
		return "'" + text
	}
	return text
}

func invisible(r rune) bool {
	return unicode.IsSpace(r) || unicode.In(r, unicode.Cc, unicode.Cf)
}
