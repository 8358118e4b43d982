package statement

import (
	"strings"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/paper"
)

// columns are those of the table. Those of amounts have room for 999,999,999,999 minor
// units with a sign, and for a balance of 2^53 - 1.
var columns = []paper.Column{
	{Title: "Time (UTC)", Width: 34},
	{Title: "Description", Width: 58, Wraps: true},
	{Title: "Credit", Width: 27, Right: true},
	{Title: "Debit", Width: 27, Right: true},
	{Title: "Balance", Width: 34, Right: true},
}

// PDF returns the statement as PDF, to file or to send. What the font has no
// sign for is shown as an empty box.
func (s *Statement) PDF() ([]byte, error) {
	sheet := paper.New("Wallet statement", s.CustomerID+" "+string(s.Currency), s.Made, columns)
	sheet.Facts(s.facts())
	sheet.Head()
	sheet.Row(moment(s.From), "Opening balance", "", "", s.short(s.Opening.Balance))
	for i := range s.Lines {
		line := &s.Lines[i]
		credit, debit := "", s.short(line.Amount)
		if line.Direction == ledger.Credit {
			credit, debit = debit, ""
		}
		sheet.Row(moment(line.At), line.description(), credit, debit, s.short(line.Balance))
	}
	sheet.Row(moment(s.closedAt()), s.closing(), "", "", s.short(s.Closing.Balance))
	return sheet.PDF()
}

// moment is a time as the table shows it.
func moment(at time.Time) string { return at.UTC().Format(time.DateTime) }

// amount writes an amount for people, with what it is an amount of.
func (s *Statement) amount(amount money.Amount) string { return money.Display(amount, s.Currency) }

// short is amount without the code of a currency that has no sign: the columns
// are narrow, and the head names it.
func (s *Statement) short(amount money.Amount) string { return money.DisplayShort(amount, s.Currency) }

// sums adds up what was credited, debited and expired. A line moves less than
// 10^12 and there are at most PDFLinesMax, so they fit.
func (s *Statement) sums() (credited, debited, expired money.Amount) {
	for i := range s.Lines {
		switch line := &s.Lines[i]; {
		case line.Direction == ledger.Credit:
			credited += line.Amount
		case line.Account == ledger.AccountBreakage:
			expired += line.Amount
		default:
			debited += line.Amount
		}
	}
	return credited, debited, expired
}

// description is what people read beside an entry.
func (l *Line) description() string {
	text := l.Reason
	if text == "" {
		text = strings.ReplaceAll(string(l.EventType), "_", " ")
	}
	if l.Reference != "" {
		text += " · " + l.Reference
	}
	return text
}

// facts say who, what and when, and how the sums lead from the opening to the closing
// balance.
func (s *Statement) facts() []paper.Fact {
	credited, debited, expired := s.sums()
	last := s.To.AddDate(0, 0, -1)
	return []paper.Fact{
		{Name: "Issued by", Text: s.BusinessName},
		{Name: "Customer", Text: s.CustomerName + " · " + s.CustomerEmail},
		{Name: "Customer id", Text: s.CustomerID},
		{Name: "Currency", Text: string(s.Currency)},
		{Name: "Period", Text: s.From.Format(time.DateOnly) + " to " + last.Format(time.DateOnly) + " (UTC)"},
		{Name: "Made", Text: moment(s.Made) + " UTC"},
		{Name: "Opening balance", Text: s.amount(s.Opening.Balance)},
		{Name: "Credited", Text: s.amount(credited)},
		{Name: "Debited", Text: s.amount(debited)},
		{Name: "Expired", Text: s.amount(expired)},
		{Name: s.closing(), Text: s.amount(s.Closing.Balance)},
	}
}
