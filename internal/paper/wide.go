package paper

import "time"

// sizeMin is the smallest text, in points, and wrapMin what a column that wraps has at
// least, in millimetres.
const (
	sizeMin = 4
	wrapMin = 25
)

// Wide writes a table with pages across, and returns the file: as large as its columns
// allow. Each column has the room of its longest text, but for the one that wraps, which
// has what is left. Rows have a text for each column.
func Wide(title, foot string, made time.Time, facts []Fact, columns []Column, rows [][]string) ([]byte, error) {
	s := &Sheet{title: title, foot: foot, size: textSize, width: wideWidth, bottom: wideBottom}
	s.begin("L", made)
	s.Facts(facts)
	s.fit(columns, rows)
	s.Head()
	for _, texts := range rows {
		printed := make([]string, len(texts))
		for i, text := range texts {
			printed[i] = Printable(text)
		}
		s.Row(printed...)
	}
	return s.PDF()
}

// fit finds the widths of the columns, and the size of the text with which they have room.
func (s *Sheet) fit(columns []Column, rows [][]string) {
	s.columns = append(s.columns, columns...)
	need := make([]int, len(columns)) // in thousandths of the text's size
	for i, column := range columns {
		need[i] = s.pdf.GetStringSymbolWidth(column.Title)
		for _, texts := range rows {
			need[i] = max(need[i], s.pdf.GetStringSymbolWidth(Printable(texts[i])))
		}
	}
	for s.size = textSize; s.size > sizeMin && !s.place(need); s.size-- {
	}
	if s.size == sizeMin {
		s.place(need)
	}
	s.pdf.SetFontSize(float64(s.size))
}

// place gives the columns their widths, and reports whether the page has room for them.
func (s *Sheet) place(need []int) bool {
	left, wraps := s.width, -1
	for i := range s.columns {
		s.columns[i].Width = need[i]*s.size*254/(72*10_000) + 3
		if s.columns[i].Wraps {
			wraps = i
			continue
		}
		left -= s.columns[i].Width
	}
	if wraps < 0 {
		return left >= 0
	}
	fits := left >= min(wrapMin, s.columns[wraps].Width)
	s.columns[wraps].Width = max(min(s.columns[wraps].Width, left), wrapMin)
	return fits
}
