package cli

import (
	"io"
	"os"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/sys/unix"
)

// textWidthMin is how narrow a column of text may become before a spare column
// goes instead; below it, words and addresses would be cut.
const textWidthMin = 20

// cellPadding is what the style puts around each cell.
const cellPadding = 2

// terminalWidth returns how many characters a line has where a person reads,
// and 0 where nobody does.
func terminalWidth(to io.Writer) int {
	file, ok := to.(*os.File)
	if !ok || !isTerminal(to) {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col == 0 {
		return 80 // what terminals have that do not say
	}
	return int(size.Col)
}

// fit makes a table narrow enough for a terminal: columns without a value go
// first, then spare ones, and their names are returned; texts are wrapped when
// the table is written. A width of 0 leaves everything as it is.
func (a answer) fit(width int) (shown answer, left []string) {
	a.width = width
	if width == 0 {
		return a, nil
	}
	for _, column := range slices.Clone(a.columns) {
		if a.narrowest() > width && a.isEmpty(column) {
			a = a.without(column)
		}
	}
	for _, column := range a.spare {
		if a.narrowest() > width && slices.Contains(a.columns, column) {
			a, left = a.without(column), append(left, column)
		}
	}
	return a, left
}

// natural is the width that a column would take if there were room.
func (a answer) natural(column int) int {
	width := text.StringWidthWithoutEscSequences(a.columns[column])
	for _, row := range a.rows {
		width = max(width, text.StringWidthWithoutEscSequences(printable(row[column])))
	}
	return width
}

// narrowest is the width of the table with its texts wrapped.
func (a answer) narrowest() (width int) {
	for i, column := range a.columns {
		natural := a.natural(i)
		if slices.Contains(a.texts, column) {
			natural = min(natural, textWidthMin)
		}
		width += natural + cellPadding
	}
	return width
}

// textWidths shares the room that the other columns leave among the texts: the
// widest gives way first.
func (a answer) textWidths() map[string]int {
	widths := map[string]int{}
	total := 0
	for i, column := range a.columns {
		natural := a.natural(i)
		total += natural + cellPadding
		if slices.Contains(a.texts, column) {
			widths[column] = natural
		}
	}
	for a.width > 0 && total > a.width {
		widest := ""
		for _, column := range a.texts {
			if widths[column] > max(textWidthMin, widths[widest]) {
				widest = column
			}
		}
		if widest == "" {
			break // the terminal will have to wrap
		}
		widths[widest]--
		total--
	}
	return widths
}

func (a answer) isEmpty(column string) bool {
	at := slices.Index(a.columns, column)
	return !slices.ContainsFunc(a.rows, func(row []string) bool { return row[at] != "" })
}

func (a answer) without(column string) answer {
	at := slices.Index(a.columns, column)
	a.columns = slices.Delete(slices.Clone(a.columns), at, at+1)
	rows := make([][]string, len(a.rows))
	for i, row := range a.rows {
		rows[i] = slices.Delete(slices.Clone(row), at, at+1)
	}
	a.rows = rows
	return a
}

func renderTable(a answer, terminal bool) string {
	writer := table.NewWriter()
	style := table.StyleLight
	if terminal {
		style.Color.Header = text.Colors{text.Bold}
	}
	style.Format.Header = text.FormatDefault
	style.Options.DrawBorder = false
	style.Options.SeparateColumns = false
	writer.SetStyle(style)
	widths := a.textWidths()
	header := make(table.Row, len(a.columns))
	configs := make([]table.ColumnConfig, len(a.columns))
	for i, column := range a.columns {
		header[i] = column
		configs[i] = table.ColumnConfig{Name: column, WidthMax: widths[column], WidthMaxEnforcer: text.WrapSoft}
		if slices.Contains(a.right, column) {
			configs[i].Align, configs[i].AlignHeader = text.AlignRight, text.AlignRight
		}
	}
	writer.AppendHeader(header)
	writer.SetColumnConfigs(configs)
	for _, cells := range a.rows {
		row := make(table.Row, len(cells))
		for i, cell := range cells {
			row[i] = printable(cell)
		}
		writer.AppendRow(row)
	}
	lines := strings.Split(writer.Render(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}
