package report

import (
	"strconv"
	"time"

	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/paper"
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

// Field is a column of a table. Programs know its name; the title is for people. On paper
// one that wraps may take several lines; no more than one does.
type Field struct {
	Name  string
	Title string
	Kind  Kind
	Wraps bool
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
	Facts  []paper.Fact // what stands above it on paper
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
		{Name: "from", Title: "From", Kind: Text}, {Name: "to", Title: "To", Kind: Text}, {Name: "currency", Title: "Currency", Kind: Text}, {Name: "category", Title: "Category", Kind: Text},
		{Name: "opening", Title: "Opening", Kind: Amount}, {Name: "funded", Title: "Funded", Kind: Amount}, {Name: "promoted", Title: "Promoted", Kind: Amount},
		{Name: "spent", Title: "Spent", Kind: Amount}, {Name: "refunded", Title: "Refunded", Kind: Amount}, {Name: "expired", Title: "Expired", Kind: Amount},
		{Name: "disputed", Title: "Disputed", Kind: Amount}, {Name: "adjusted", Title: "Adjusted", Kind: Amount}, {Name: "closing", Title: "Closing", Kind: Amount},
		{Name: "entries", Title: "Entries", Kind: Number},
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
		{Name: "currency", Title: "Currency", Kind: Text}, {Name: "account", Title: "Account", Kind: Text}, {Name: "opening", Title: "Opening", Kind: Amount},
		{Name: "debit", Title: "Debit", Kind: Amount}, {Name: "credit", Title: "Credit", Kind: Amount}, {Name: "closing", Title: "Closing", Kind: Amount},
	}}
	for _, l := range lines {
		t.Rows = append(t.Rows, Row{l.Currency, []Cell{
			currency(l.Currency), text(l.Account), amount(l.Opening), amount(l.Debited), amount(l.Credited), amount(l.Closing),
		}})
	}
	return t
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

// AgeingTable shows an ageing.
func AgeingTable(rows []Aged) *Table {
	t := &Table{Name: "ageing", Title: "Ageing by expiry", Fields: []Field{
		{Name: "currency", Title: "Currency"}, {Name: "category", Title: "Category"},
		{Name: "bucket", Title: "Expires in days"}, {Name: "owed", Title: "Owed", Kind: Amount},
	}}
	for _, r := range rows {
		cells := []Cell{currency(r.Currency), text(r.Category), text(r.Bucket), amount(r.Owed)}
		t.Rows = append(t.Rows, Row{r.Currency, cells})
	}
	return t
}

// CohortTable shows cohorts.
func CohortTable(rows []CohortRow) *Table {
	t := &Table{Name: "cohorts", Title: "Cohorts of top-ups", Fields: []Field{
		{Name: "currency", Title: "Currency"}, {Name: "category", Title: "Category"}, {Name: "funded_in", Title: "Funded in"},
		{Name: "opening", Title: "Opening", Kind: Amount}, {Name: "credited", Title: "Credited", Kind: Amount},
		{Name: "debited", Title: "Debited", Kind: Amount}, {Name: "closing", Title: "Closing", Kind: Amount},
	}}
	for _, r := range rows {
		t.Rows = append(t.Rows, Row{r.Currency, []Cell{
			currency(r.Currency), text(string(r.Category)), text(r.Month), amount(r.Opening), amount(r.Credited),
			amount(r.Debited), amount(r.Closing),
		}})
	}
	return t
}

// BreakageTable shows what expired.
func BreakageTable(rows []Broken) *Table {
	t := &Table{Name: "breakage", Title: "Breakage", Fields: []Field{
		{Name: "from", Title: "From"}, {Name: "to", Title: "To"}, {Name: "currency", Title: "Currency"},
		{Name: "category", Title: "Category"}, {Name: "expired", Title: "Expired", Kind: Amount},
		{Name: "left", Title: "Left wallets", Kind: Amount}, {Name: "rate", Title: "Rate, 0.01 %", Kind: Number},
		{Name: "entries", Title: "Entries", Kind: Number},
	}}
	for i := range rows {
		r := &rows[i]
		rate, any := r.Rate()
		t.Rows = append(t.Rows, Row{r.Currency, []Cell{
			instant(r.From), instant(r.To), currency(r.Currency), text(r.Category), amount(r.Expired), amount(r.Left),
			{Number: rate, Null: !any}, number(r.Entries),
		}})
	}
	return t
}

// TrendTable shows balances.
func TrendTable(rows []Trend) *Table {
	t := &Table{Name: "balances", Title: "Balances", Fields: []Field{
		{Name: "from", Title: "From"}, {Name: "to", Title: "To"}, {Name: "currency", Title: "Currency"},
		{Name: "credited", Title: "Credited", Kind: Amount}, {Name: "debited", Title: "Debited", Kind: Amount},
		{Name: "paid", Title: "Paid", Kind: Amount}, {Name: "promotional", Title: "Promotional", Kind: Amount},
		{Name: "balance", Title: "Balance", Kind: Amount},
	}}
	for _, r := range rows {
		t.Rows = append(t.Rows, Row{r.Currency, []Cell{
			instant(r.From), instant(r.To), currency(r.Currency), amount(r.Credited), amount(r.Debited), amount(r.Paid),
			amount(r.Promotional), amount(r.Balance),
		}})
	}
	return t
}
