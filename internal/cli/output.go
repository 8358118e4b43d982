package cli

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
)

// format is how a command writes its answer.
type format string

const (
	formatTable format = "table"
	formatJSON  format = "json"
	formatCSV   format = "csv"
)

// Set reads a format from a flag.
func (f *format) Set(text string) error {
	if !oneOf(text, string(formatTable), string(formatJSON), string(formatCSV)) {
		return fmt.Errorf("%q is not one of table, json, csv", text)
	}
	*f = format(text)
	return nil
}

func (f *format) String() string { return string(*f) }

// Type is what the help shows.
func (f *format) Type() string { return "format" }

// outputFlag gives a command the choice of a format.
func (p *program) outputFlag(command *cobra.Command) *cobra.Command {
	command.Flags().VarP(&p.output, "output", "o", "how to write the answer: table, json or csv")
	return completeFlag(command, "output", string(formatTable), string(formatJSON), string(formatCSV))
}

// completeFlag teaches shells the words that a flag takes.
func completeFlag(command *cobra.Command, flag string, words ...string) *cobra.Command {
	err := command.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // the flag is not there: a mistake of the program
	}
	return command
}

// answer is what a command found, in a form that every format can write.
type answer struct {
	columns []string
	rows    [][]string
	right   []string // columns of numbers, set to the right in a table

	// On a terminal that is too narrow, texts are wrapped and spare columns are
	// left out, the first to go first.
	texts []string
	width int // of the terminal, 0 for none; set by fit
	spare []string

	// document is written as JSON in place of the rows.
	document any

	// empty is said in place of a table without rows.
	empty string
}

func (p *program) write(a answer) error {
	switch p.output {
	case formatJSON:
		encoder := json.NewEncoder(p.stdout)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(a.document)
	case formatCSV:
		return writeCSV(p.stdout, a)
	default:
		if len(a.rows) == 0 {
			_, err := fmt.Fprintln(p.stdout, a.empty)
			return err
		}
		width := terminalWidth(p.stdout)
		shown, left := a.fit(width)
		if _, err := fmt.Fprintln(p.stdout, renderTable(shown, width > 0)); err != nil {
			return err
		}
		if len(left) > 0 {
			p.note("no room here for %s; -o json has everything", strings.Join(left, ", "))
		}
		return nil
	}
}

// note tells the reader of a table something beside it; machines get no notes.
func (p *program) note(format string, args ...any) {
	if p.output == formatTable {
		fmt.Fprintf(p.stderr, "billfold: "+format+"\n", args...)
	}
}

// printable keeps what a customer typed as their name from steering the
// operator's terminal.
func printable(cell string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || (r >= 0x7f && r < 0xa0) || (r >= 0x202a && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069) {
			return '\uFFFD'
		}
		return r
	}, cell)
}

func writeCSV(to io.Writer, a answer) error {
	writer := csv.NewWriter(to)
	if err := writer.Write(a.columns); err != nil {
		return err
	}
	for _, cells := range a.rows {
		row := make([]string, len(cells))
		for i, cell := range cells {
			row[i] = csvCell(cell)
		}
		if err := writer.Write(row); err != nil {
			return err
		}
	}
	writer.Flush()
	return writer.Error()
}

// signed matches numbers and telephone numbers, which spreadsheets may read.
var signed = regexp.MustCompile(`^[+-][0-9 ().-]*$`)

// csvCell keeps a spreadsheet from running a cell as a formula.
func csvCell(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) && !signed.MatchString(cell) {
		return "'" + cell
	}
	return cell
}

// isTerminal reports whether a person reads what is written.
func isTerminal(to io.Writer) bool {
	file, ok := to.(*os.File)
	return ok && isatty.IsTerminal(file.Fd())
}
