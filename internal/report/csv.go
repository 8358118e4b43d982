package report

import (
	"bytes"
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// CSV returns the table as CSV of RFC 4180. Amounts are in whole currency with a
// point. No cell can be taken for a formula, but an amount may begin with a minus.
func (t *Table) CSV() ([]byte, error) {
	var out bytes.Buffer
	w := newCSV(&out)
	names := make([]string, len(t.Fields))
	for i, field := range t.Fields {
		names[i] = field.Name
	}
	if err := w.Write(names); err != nil {
		return nil, err
	}
	for i := range t.Rows {
		cells := make([]string, len(t.Fields))
		for k, field := range t.Fields {
			if cells[k] = t.Rows[i].shown(field, t.Rows[i].Cells[k]); field.Kind == Text {
				cells[k] = harmless(cells[k])
			}
		}
		if err := w.Write(cells); err != nil {
			return nil, err
		}
	}
	w.Flush()
	return out.Bytes(), w.Error()
}

func newCSV(to io.Writer) *csv.Writer {
	w := csv.NewWriter(to)
	w.UseCRLF = true
	return w
}

// formulaSigns begin a formula in some spreadsheet, also in their full width.
const formulaSigns = "=+-@＝＋－＠"

// harmless returns a text that somebody else wrote so that no spreadsheet takes it for
// a formula: behind an apostrophe, where its first visible character could begin one.
func harmless(text string) string {
	seen, _ := utf8.DecodeRuneInString(strings.TrimLeftFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.In(r, unicode.Cc, unicode.Cf)
	}))
	if strings.ContainsRune(formulaSigns, seen) {
		return "'" + text
	}
	return text
}

// journalHeader names the columns of a journal. Programs read them by name; columns may
// be added.
var journalHeader = []string{
	"entry_id", "leg", "time", "account", "debit", "credit", "currency", "customer_id", "seq", "event_type", "reference_object_id",
	"description",
}

// JournalWriter writes entries in double entry: a row for each leg.
type JournalWriter struct {
	csv *csv.Writer
}

// NewJournalWriter writes the header.
func NewJournalWriter(to io.Writer) (*JournalWriter, error) {
	w := &JournalWriter{csv: newCSV(to)}
	return w, w.csv.Write(journalHeader)
}

// Leg is one side of an entry. One of the amounts is 0.
type Leg struct {
	Account string
	Debit   money.Amount
	Credit  money.Amount
}

// Legs are the sides of an entry: what it changed of what is owed to the customer, by
// category, and the counter account with all of it. Debits and credits are equal.
func (l *Line) Legs() []Leg {
	var legs []Leg
	for _, category := range []ledger.Category{ledger.Paid, ledger.Promotional} {
		var sum money.Amount
		for _, part := range l.Parts {
			if part.Lot.Category == category {
				sum += part.Amount
			}
		}
		if sum > 0 {
			legs = append(legs, leg(WalletAccount(category), l.Direction, sum))
		}
	}
	other := ledger.Credit
	if l.Direction == ledger.Credit {
		other = ledger.Debit
	}
	return append(legs, leg(string(l.Account), other, l.Amount))
}

func leg(account string, direction ledger.Direction, amount money.Amount) Leg {
	if direction == ledger.Credit {
		return Leg{Account: account, Credit: amount}
	}
	return Leg{Account: account, Debit: amount}
}

// Write writes the legs of entries.
func (w *JournalWriter) Write(lines []Line) error {
	for i := range lines {
		l := &lines[i]
		at := time.UnixMicro(l.CreatedAt).UTC().Format(timeForm)
		for n, leg := range l.Legs() {
			debit, credit := "", ""
			if leg.Debit > 0 {
				debit = money.FormatDecimal(leg.Debit, l.Currency)
			} else {
				credit = money.FormatDecimal(leg.Credit, l.Currency)
			}
			err := w.csv.Write([]string{
				l.ID, string('1' + rune(n)), at, leg.Account, debit, credit, string(l.Currency), l.CustomerID, strconv.FormatInt(l.Seq, 10),
				string(l.EventType), harmless(l.Reference), harmless(l.Reason),
			})
			if err != nil {
				return err
			}
		}
	}
	w.csv.Flush()
	return w.csv.Error()
}
