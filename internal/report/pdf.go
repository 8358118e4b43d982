package report

import "github.com/billfold/billfold/internal/paper"

// PDFRowsMax is how many rows a table may have that is written as PDF.
const PDFRowsMax = 2000

// PDF returns the table as PDF, to file or to send. Equal reports are equal files.
func (t *Table) PDF() ([]byte, error) {
	columns := make([]paper.Column, len(t.Fields))
	for i, field := range t.Fields {
		columns[i] = paper.Column{Title: field.Title, Right: field.Kind != Text, Wraps: field.Wraps}
	}
	rows := make([][]string, len(t.Rows))
	for i := range t.Rows {
		for k, field := range t.Fields {
			rows[i] = append(rows[i], t.Rows[i].shown(field, t.Rows[i].Cells[k]))
		}
	}
	return paper.Wide(t.Title, t.Title, t.Made, t.Facts, columns, rows)
}
