// Package paper writes documents for people as PDF in the one style of the house: a
// title, facts, a table over as many pages as it takes, and a foot with the page's number.
// Whatever a text holds, it is printed harmlessly.
package paper

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode"

	"codeberg.org/go-pdf/fpdf"
	"github.com/go-fonts/dejavu/dejavusans"
)

// Places on a page of A4, in millimetres, and the size of the text in points.
const (
	margin     = 15
	pageBottom = 280
	lineHeight = 4
	textSize   = 8
	titleSize  = 14
	widthFact  = 34 // of a fact's name

	// Width is what the columns of a table have together.
	Width = 180
)

// fontName is the one font. It is embedded, as far as its characters are used:
// the fonts that every reader of PDF has lack the sign of the rupee.
const fontName = "DejaVu"

// Column is one of a table. Exactly one of them wraps, and the others have room for what
// is in them.
type Column struct {
	Title string
	Width int // millimetres
	Right bool
	Wraps bool
}

// Fact is a name with what there is to say of it.
type Fact struct{ Name, Text string }

// Sheet is a document that is being written.
type Sheet struct {
	pdf     *fpdf.Fpdf
	title   string
	foot    string
	columns []Column
}

// New begins a document. Foot names it on each page. Equal documents that were made at
// the same time are equal files.
func New(title, foot string, made time.Time, columns []Column) *Sheet {
	f := fpdf.New("P", "mm", "A4", "")
	f.AddUTF8FontFromBytes(fontName, "", dejavusans.TTF)
	f.SetTitle(title, true)
	f.SetCreator("Billfold", true)
	f.SetCreationDate(made)
	f.SetModificationDate(made)
	f.SetCatalogSort(true)
	f.SetMargins(margin, margin, margin)
	f.SetAutoPageBreak(false, margin)
	s := &Sheet{pdf: f, title: title, foot: foot, columns: columns}
	f.AddPage()
	f.SetFont(fontName, "", titleSize)
	f.CellFormat(Width, 2*lineHeight, title, "", 1, "L", false, 0, "")
	f.SetFont(fontName, "", textSize)
	return s
}

// Facts writes facts below each other.
func (s *Sheet) Facts(facts []Fact) {
	for _, fact := range facts {
		name := fact.Name
		for _, part := range s.wrap(fact.Text, Width-widthFact) {
			s.room(1)
			s.pdf.CellFormat(widthFact, lineHeight, name, "", 0, "L", false, 0, "")
			s.pdf.CellFormat(Width-widthFact, lineHeight, part, "", 1, "L", false, 0, "")
			name = "" // once
		}
	}
	s.pdf.Ln(lineHeight)
}

// Head names the columns of the table. Each page that the table goes on to names them
// as well.
func (s *Sheet) Head() {
	for i, column := range s.columns {
		s.cell(column, column.Title, lineHeight+1, "B", i)
	}
}

// Row writes a row, with a text for each column: on the next page where this one has no
// room for all of it.
func (s *Sheet) Row(texts ...string) {
	var parts []string
	for i, column := range s.columns {
		if column.Wraps {
			parts = s.wrap(texts[i], column.Width)
		}
	}
	if s.room(min(len(parts), rowMax)) {
		s.Head()
	}
	for n, part := range parts {
		if n > 0 && s.room(1) {
			s.Head()
		}
		for i, column := range s.columns {
			text := texts[i]
			switch {
			case column.Wraps:
				text = part
			case n > 0:
				text = "" // once
			}
			s.cell(column, text, lineHeight, "", i)
		}
	}
}

// rowMax is how many lines of a row are kept on one page. What has more goes on behind.
const rowMax = 40

func (s *Sheet) cell(column Column, text string, height float64, border string, place int) {
	align, next := "L", 0
	if column.Right {
		align = "R"
	}
	if place == len(s.columns)-1 {
		next = 1
	}
	s.pdf.CellFormat(float64(column.Width), height, text, border, next, align, false, 0, "")
}

// Gap leaves a line free.
func (s *Sheet) Gap() { s.pdf.Ln(lineHeight) }

// room begins the next page where this one has no room for lines, and reports whether it
// did.
func (s *Sheet) room(lines int) bool {
	if s.pdf.GetY()+float64(lineHeight*lines) <= pageBottom {
		return false
	}
	s.number()
	s.pdf.AddPage()
	return true
}

// number writes the foot of the page.
func (s *Sheet) number() {
	s.pdf.SetY(pageBottom + lineHeight)
	s.pdf.CellFormat(Width, lineHeight, fmt.Sprintf("%s · page %d", s.foot, s.pdf.PageNo()), "", 0, "R", false, 0, "")
}

// PDF ends the document and returns the file.
func (s *Sheet) PDF() ([]byte, error) {
	s.number()
	var out bytes.Buffer
	if err := s.pdf.Output(&out); err != nil {
		return nil, fmt.Errorf("write %q as PDF: %w", s.title, err)
	}
	return out.Bytes(), nil
}

// wrap divides a text into lines for which a width has room, with a little at both
// sides: at spaces, and where there are none within a word.
func (s *Sheet) wrap(text string, width int) (lines []string) {
	most := (width - 2) * 72 * 10_000 / 254 / textSize // in thousandths of the text's size
	line, taken, space := []rune{}, 0, -1
	for _, r := range Printable(text) {
		wide := s.pdf.GetStringSymbolWidth(string(r))
		if taken+wide > most && len(line) > 0 {
			rest := []rune{}
			if space > 0 {
				rest = append(rest, line[space+1:]...)
				line = line[:space]
			}
			lines = append(lines, string(line))
			line, space, taken = rest, -1, s.pdf.GetStringSymbolWidth(string(rest))
		}
		if r == ' ' {
			space = len(line)
		}
		line = append(line, r)
		taken += wide
	}
	return append(lines, string(line))
}

// Printable takes out of a text what has no shape or turns the order of others
// around, and what the writer of PDF cannot do.
func Printable(text string) string {
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
