package report

import (
	"bytes"
	"fmt"

	"codeberg.org/go-pdf/fpdf"
	"github.com/go-fonts/dejavu/dejavusans"
)

// Places on a page of A4 across, in millimetres, and sizes of text in points.
const (
	margin     = 12
	widthAll   = 297 - 2*margin
	pageBottom = 195
	lineHeight = 4.2
	textSize   = 6.5
	titleSize  = 14
)

// fontName is the one font. It is embedded, as far as its characters are used.
const fontName = "DejaVu"

// PDFRowsMax is how many rows a table may have that is written as PDF.
const PDFRowsMax = 2000

// PDF returns the table as PDF, to file or to send.
func (t *Table) PDF() ([]byte, error) {
	f := fpdf.New("L", "mm", "A4", "")
	f.AddUTF8FontFromBytes(fontName, "", dejavusans.TTF)
	f.SetTitle(t.Title, true)
	f.SetCreator("Billfold", true)
	// Equal reports are equal files.
	f.SetCreationDate(t.Made)
	f.SetModificationDate(t.Made)
	f.SetCatalogSort(true)
	f.SetMargins(margin, margin, margin)
	f.SetAutoPageBreak(false, margin)
	p := &sheet{Fpdf: f, t: t}
	p.head()
	p.measure()
	p.names()
	for i := range t.Rows {
		p.row(&t.Rows[i])
	}
	p.foot()
	var out bytes.Buffer
	if err := f.Output(&out); err != nil {
		return nil, fmt.Errorf("write a report as PDF: %w", err)
	}
	return out.Bytes(), nil
}

// sheet is the page that is being written.
type sheet struct {
	*fpdf.Fpdf
	t      *Table
	widths []float64
}

func (p *sheet) head() {
	p.AddPage()
	p.SetFont(fontName, "", titleSize)
	p.CellFormat(widthAll, 2*lineHeight, p.t.Title, "", 1, "L", false, 0, "")
	p.SetFont(fontName, "", textSize)
	for _, fact := range p.t.Facts {
		p.CellFormat(30, lineHeight, fact[0], "", 0, "L", false, 0, "")
		p.CellFormat(widthAll-30, lineHeight, fact[1], "", 1, "L", false, 0, "")
	}
	p.Ln(lineHeight)
}

// measure gives each column the room of its widest cell, and makes all narrower where
// they do not fit.
func (p *sheet) measure() {
	p.widths = make([]float64, len(p.t.Fields))
	sum := 0.0
	for i, field := range p.t.Fields {
		p.widths[i] = p.GetStringWidth(field.Title)
		for k := range p.t.Rows {
			p.widths[i] = max(p.widths[i], p.GetStringWidth(p.t.Rows[k].shown(field, p.t.Rows[k].Cells[i])))
		}
		p.widths[i] += 3
		sum += p.widths[i]
	}
	if sum > widthAll {
		for i := range p.widths {
			p.widths[i] *= widthAll / sum
		}
		p.SetFont(fontName, "", textSize*widthAll/sum)
	}
}

func (p *sheet) names() {
	for i, field := range p.t.Fields {
		p.CellFormat(p.widths[i], lineHeight+1, field.Title, "B", 0, field.align(), false, 0, "")
	}
	p.Ln(lineHeight + 1)
}

func (f Field) align() string {
	if f.Kind == Text {
		return "L"
	}
	return "R"
}

// row writes a row, on the next page where this one has no room for it.
func (p *sheet) row(row *Row) {
	if p.GetY()+lineHeight > pageBottom {
		p.foot()
		p.AddPage()
		p.names()
	}
	for i, field := range p.t.Fields {
		p.CellFormat(p.widths[i], lineHeight, row.shown(field, row.Cells[i]), "", 0, field.align(), false, 0, "")
	}
	p.Ln(lineHeight)
}

// foot numbers the page.
func (p *sheet) foot() {
	p.SetY(pageBottom + lineHeight)
	p.CellFormat(widthAll, lineHeight, fmt.Sprintf("%s · page %d", p.t.Title, p.PageNo()), "", 0, "R", false, 0, "")
}
