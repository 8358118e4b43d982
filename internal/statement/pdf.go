package statement

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode"

	"codeberg.org/go-pdf/fpdf"
	"github.com/go-fonts/dejavu/dejavusans"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// symbols are the signs of currencies that have one for themselves here. Amounts
// in others carry the currency's code.
var symbols = map[money.Currency]string{"INR": "₹", "USD": "$", "EUR": "€", "GBP": "£"}

// Places on a page of A4, in millimetres, and the size of the text in points.
const (
	margin     = 15
	pageBottom = 280
	lineHeight = 4
	textSize   = 8
	titleSize  = 14

	widthTime        = 34
	widthDescription = 58
	widthMoved       = 27 // has room for 999,999,999,999 minor units with a sign
	widthBalance     = 34 // the same for 2^53 - 1
	widthAll         = widthTime + widthDescription + 2*widthMoved + widthBalance
)

// fontName is the one font. It is embedded, as far as its characters are used:
// the fonts that every reader of PDF has lack the sign of the rupee.
const fontName = "DejaVu"

// descriptionUnits is the width of a description in thousandths of the text's
// size, less a little at both sides.
const descriptionUnits = (widthDescription - 2) * 72 * 10_000 / 254 / textSize

// PDF returns the statement as PDF, to file or to send. What the font has no
// sign for is shown as an empty box.
func (s *Statement) PDF() ([]byte, error) {
	f := fpdf.New("P", "mm", "A4", "")
	f.AddUTF8FontFromBytes(fontName, "", dejavusans.TTF)
	f.SetTitle("Wallet statement", true)
	f.SetCreator("Billfold", true)
	// Equal statements are equal files.
	f.SetCreationDate(s.Made)
	f.SetModificationDate(s.Made)
	f.SetCatalogSort(true)
	f.SetMargins(margin, margin, margin)
	f.SetAutoPageBreak(false, margin)
	p := &sheet{Fpdf: f, s: s}
	p.head()
	p.columns()
	p.row(s.From, "Opening balance", "", "", s.short(s.Opening.Balance))
	for i := range s.Lines {
		line := &s.Lines[i]
		credit, debit := "", s.short(line.Amount)
		if line.Direction == ledger.Credit {
			credit, debit = debit, ""
		}
		p.row(line.At, line.description(), credit, debit, s.short(line.Balance))
	}
	p.row(s.closedAt(), s.closing(), "", "", s.short(s.Closing.Balance))
	p.foot()
	var out bytes.Buffer
	if err := f.Output(&out); err != nil {
		return nil, fmt.Errorf("write a statement as PDF: %w", err)
	}
	return out.Bytes(), nil
}

// amount writes an amount for people, with what it is an amount of.
func (s *Statement) amount(amount money.Amount) string {
	if symbols[s.Currency] == "" {
		return money.Format(amount, s.Currency)
	}
	return s.short(amount)
}

// short is amount without the code of a currency that has no sign: the columns
// are narrow, and the head names it.
func (s *Statement) short(amount money.Amount) string {
	return symbols[s.Currency] + money.FormatDecimal(amount, s.Currency)
}

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

// sheet is the page that is being written.
type sheet struct {
	*fpdf.Fpdf
	s *Statement
}

// head begins the first page with who, what and when, and how the sums lead from
// the opening to the closing balance.
func (p *sheet) head() {
	s := p.s
	p.AddPage()
	p.SetFont(fontName, "", titleSize)
	p.CellFormat(widthAll, 2*lineHeight, "Wallet statement", "", 1, "L", false, 0, "")
	p.SetFont(fontName, "", textSize)
	credited, debited, expired := s.sums()
	last := s.To.AddDate(0, 0, -1)
	for _, fact := range [][2]string{
		{"Issued by", s.BusinessName},
		{"Customer", s.CustomerName + " · " + s.CustomerEmail},
		{"Customer id", s.CustomerID},
		{"Currency", string(s.Currency)},
		{"Period", s.From.Format(time.DateOnly) + " to " + last.Format(time.DateOnly) + " (UTC)"},
		{"Made", s.Made.Format("2006-01-02 15:04:05") + " UTC"},
		{"Opening balance", s.amount(s.Opening.Balance)},
		{"Credited", s.amount(credited)},
		{"Debited", s.amount(debited)},
		{"Expired", s.amount(expired)},
		{s.closing(), s.amount(s.Closing.Balance)},
	} {
		for i, part := range p.wrap(fact[1]) {
			name := fact[0]
			if i > 0 {
				name = ""
			}
			p.CellFormat(widthTime, lineHeight, name, "", 0, "L", false, 0, "")
			p.CellFormat(widthAll-widthTime, lineHeight, part, "", 1, "L", false, 0, "")
		}
	}
	p.Ln(lineHeight)
}

// columns names the columns, on each page.
func (p *sheet) columns() {
	p.CellFormat(widthTime, lineHeight+1, "Time (UTC)", "B", 0, "L", false, 0, "")
	p.CellFormat(widthDescription, lineHeight+1, "Description", "B", 0, "L", false, 0, "")
	p.CellFormat(widthMoved, lineHeight+1, "Credit", "B", 0, "R", false, 0, "")
	p.CellFormat(widthMoved, lineHeight+1, "Debit", "B", 0, "R", false, 0, "")
	p.CellFormat(widthBalance, lineHeight+1, "Balance", "B", 1, "R", false, 0, "")
}

// row writes a row, on the next page where this one has no room for all of it.
func (p *sheet) row(at time.Time, text, credit, debit, balance string) {
	parts := p.wrap(text)
	if p.GetY()+float64(lineHeight*len(parts)) > pageBottom {
		p.foot()
		p.AddPage()
		p.columns()
	}
	when := at.UTC().Format("2006-01-02 15:04:05")
	for _, part := range parts {
		p.CellFormat(widthTime, lineHeight, when, "", 0, "L", false, 0, "")
		p.CellFormat(widthDescription, lineHeight, part, "", 0, "L", false, 0, "")
		p.CellFormat(widthMoved, lineHeight, credit, "", 0, "R", false, 0, "")
		p.CellFormat(widthMoved, lineHeight, debit, "", 0, "R", false, 0, "")
		p.CellFormat(widthBalance, lineHeight, balance, "", 1, "R", false, 0, "")
		when, credit, debit, balance = "", "", "", "" // once
	}
}

// foot numbers the page.
func (p *sheet) foot() {
	p.SetY(pageBottom + lineHeight)
	p.CellFormat(widthAll, lineHeight, fmt.Sprintf("%s %s · page %d", p.s.CustomerID, p.s.Currency, p.PageNo()),
		"", 0, "R", false, 0, "")
}

// wrap divides a text into lines that a description has room for: at spaces, and
// where there are none within a word.
func (p *sheet) wrap(text string) (lines []string) {
	line, width, space := []rune{}, 0, -1
	for _, r := range printable(text) {
		wide := p.GetStringSymbolWidth(string(r))
		if width+wide > descriptionUnits && len(line) > 0 {
			rest := []rune{}
			if space > 0 {
				rest = append(rest, line[space+1:]...)
				line = line[:space]
			}
			lines = append(lines, string(line))
			line, space, width = rest, -1, p.GetStringSymbolWidth(string(rest))
		}
		if r == ' ' {
			space = len(line)
		}
		line = append(line, r)
		width += wide
	}
	return append(lines, string(line))
}

// printable takes out of a text what has no shape or turns the order of others
// around, and what the writer of PDF cannot do.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.In(r, unicode.Cc, unicode.Cf):
			return -1
		case r >= 0xFFFE:
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
