package report

import (
	"strconv"
	"time"

	"github.com/billfold/billfold/internal/money"
)

// Kind says what the cells of a column hold.
type Kind uint8

// The kinds of cells. An amount is in minor units of the row's currency. A number may be
// null.
const (
	Text Kind = iota
	Amount
	Number
)

// Field is a column of a table. Programs know its name; the title is for people.
type Field struct {
	Name  string
	Title string
	Kind  Kind
}

// Cell is one value.
type Cell struct {
	Text   string
	Amount money.Amount
	Number int64
	Null   bool
}

// Row is a line of a table; its amounts are in its currency.
type Row struct {
	Currency money.Currency
	Cells    []Cell
}

// Table is a report as it is shown.
type Table struct {
	Name   string // of the file
	Title  string
	Facts  [][2]string // what stands above it on paper
	Fields []Field
	Rows   []Row
	Made   time.Time
}

func text(s string) Cell             { return Cell{Text: s} }
func amount(a money.Amount) Cell     { return Cell{Amount: a} }
func number(n int64) Cell            { return Cell{Number: n} }
func instant(t time.Time) Cell       { return Cell{Text: t.UTC().Format(timeForm)} }
func currency(c money.Currency) Cell { return Cell{Text: string(c)} }

// timeForm is how times are written: in UTC, to the microsecond.
const timeForm = "2006-01-02T15:04:05.000000Z"

// LiabilityTable shows a roll-forward.
func LiabilityTable(rows []RollForward) *Table {
	t := &Table{Name: "liability", Title: "Liability roll-forward", Fields: []Field{
		{"from", "From", Text}, {"to", "To", Text}, {"currency", "Currency", Text}, {"category", "Category", Text},
		{"opening", "Opening", Amount}, {"funded", "Funded", Amount}, {"promoted", "Promoted", Amount},
		{"spent", "Spent", Amount}, {"refunded", "Refunded", Amount}, {"expired", "Expired", Amount},
		{"disputed", "Disputed", Amount}, {"adjusted", "Adjusted", Amount}, {"closing", "Closing", Amount},
		{"entries", "Entries", Number},
	}}
	for _, r := range rows {
		cells := []Cell{instant(r.From), instant(r.To), currency(r.Currency), text(r.Category), amount(r.Opening)}
		for _, moved := range r.Moved {
			cells = append(cells, amount(moved))
		}
		t.Rows = append(t.Rows, Row{r.Currency, append(cells, amount(r.Closing), number(r.Entries))})
	}
	return t
}

// TrialBalanceTable shows a trial balance.
func TrialBalanceTable(lines []Balance) *Table {
	t := &Table{Name: "trial_balance", Title: "Trial balance", Fields: []Field{
		{"currency", "Currency", Text}, {"account", "Account", Text}, {"opening", "Opening", Amount},
		{"debit", "Debit", Amount}, {"credit", "Credit", Amount}, {"closing", "Closing", Amount},
	}}
	for _, l := range lines {
		t.Rows = append(t.Rows, Row{l.Currency, []Cell{
			currency(l.Currency), text(l.Account), amount(l.Opening), amount(l.Debited), amount(l.Credited), amount(l.Closing),
		}})
	}
	return t
}

// Keep leaves the rows of one currency, all without one.
func (t *Table) Keep(currency money.Currency) {
	if currency == "" {
		return
	}
	kept := t.Rows[:0]
	for _, row := range t.Rows {
		if row.Currency == currency {
			kept = append(kept, row)
		}
	}
	t.Rows = kept
}

// shown is a cell for people and their programs: amounts in whole currency with a point.
func (r *Row) shown(field Field, cell Cell) string {
	switch {
	case cell.Null:
		return ""
	case field.Kind == Amount:
		return money.FormatDecimal(cell.Amount, r.Currency)
	case field.Kind == Number:
		return strconv.FormatInt(cell.Number, 10)
	}
	return cell.Text
}
