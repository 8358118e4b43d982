package cli

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/billfold/billfold/internal/httpapi"
	"github.com/billfold/billfold/internal/ledger"
)

// rowBytesMax bounds a row of a CSV file, so that a quote that is never closed
// does not swallow the whole file into memory.
const rowBytesMax = 1 << 20

// codeInvalidCSV is what the report gives for a row that is no row of CSV. The
// other codes are those that the API has for the same mistake.
const codeInvalidCSV = "INVALID_CSV"

// cellKind is how a cell becomes a field of a request.
type cellKind int

const (
	textCell cellKind = iota
	wholeCell
	boolCell
	objectCell
	noCell // the importer's own remark
)

// csvColumn is a column that an import knows, by the name of the request's field.
type csvColumn struct {
	name string
	kind cellKind
}

const (
	customerColumn = "customer_id"
	currencyColumn = "currency"
	typeColumn     = "entry_type"
	amountColumn   = "amount"
	keyColumn      = "idempotency_key"
)

var (
	requiredColumns = []string{customerColumn, currencyColumn, typeColumn, amountColumn}
	csvColumns      = []csvColumn{
		{customerColumn, textCell}, {currencyColumn, textCell}, {typeColumn, textCell}, {amountColumn, wholeCell},
		{keyColumn, textCell}, {"category", textCell}, {"expires_at", textCell}, {"reason", textCell},
		{"reference_object_id", textCell}, {"metadata", objectCell}, {"allow_partial", boolCell},
		{"if_seq", wholeCell}, {"if_available_at_least", wholeCell},
		{rejectedLine, noCell}, {rejectedCode, noCell}, {rejectedMessage, noCell},
	}
)

// lineError is what is wrong with a line.
type lineError struct {
	line    int
	column  string // empty when it is the line as a whole
	code    string
	message string
}

func (f *lineError) Error() string {
	place := "line " + strconv.Itoa(f.line)
	if f.column != "" {
		place += ", " + f.column
	}
	return place + ": " + f.code + ": " + printable(f.message)
}

// csvFile reads entries from a CSV file, one at a time and as often as is asked.
type csvFile struct {
	path    string
	file    *os.File
	size    int64
	names   []string    // of the columns, as the header has them
	columns []csvColumn // by their place

	rows  *csv.Reader
	guard *rowGuard
	sum   hash.Hash // of what was read since the beginning
	ended bool
}

// rowGuard lets no more through than a row may have.
type rowGuard struct {
	from io.Reader
	left int
}

var errLongRow = fmt.Errorf("the row is longer than %s; is a quote not closed?", byteCount(int64(rowBytesMax)))

func (g *rowGuard) Read(p []byte) (int, error) {
	if g.left <= 0 {
		return 0, errLongRow
	}
	n, err := g.from.Read(p[:min(len(p), g.left)])
	g.left -= n
	return n, err
}

// openCSV opens a file and reads its header.
func openCSV(path string) (_ *csvFile, err error) {
	if err := requireFile(path, "name a CSV file"); err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, file.Close())
		}
	}()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file on a disk; it is read more than once, so save it first", path)
	}
	f := &csvFile{path: path, file: file, size: info.Size()}
	return f, f.rewind()
}

// rewind goes back to the first line after the header.
func (f *csvFile) rewind() error {
	if _, err := f.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	f.sum = sha256.New()
	f.guard = &rowGuard{from: io.TeeReader(f.file, f.sum), left: rowBytesMax}
	buffer := bufio.NewReaderSize(f.guard, 64<<10)
	start, err := buffer.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch {
	case bytes.Equal(start, []byte("\xef\xbb\xbf")):
		if _, err := buffer.Discard(len(start)); err != nil {
			return err
		}
	case bytes.HasPrefix(start, []byte("\xff\xfe")), bytes.HasPrefix(start, []byte("\xfe\xff")):
		return fmt.Errorf("%s is UTF-16; save it as CSV in UTF-8", f.path)
	}
	f.ended = false
	f.rows = csv.NewReader(buffer)
	f.rows.ReuseRecord = true
	header, err := f.rows.Read()
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%s is empty; its first line must name the columns, such as %s",
			f.path, strings.Join(requiredColumns, ","))
	}
	if err != nil {
		return fmt.Errorf("%s: the header: %w", f.path, err)
	}
	return f.head(header)
}

// head takes the header: names of fields of a request, each once.
func (f *csvFile) head(header []string) error {
	f.names, f.columns = slices.Clone(header), nil
	known := make([]string, len(csvColumns))
	for i, column := range csvColumns {
		known[i] = column.name
	}
	if len(header) == 1 && strings.ContainsAny(header[0], ";\t") {
		return fmt.Errorf("%s: the columns are not separated by commas; save it as CSV with commas", f.path)
	}
	for i, name := range header {
		index := slices.Index(known, name)
		switch {
		case index < 0:
			return fmt.Errorf("%s: column %d, %s, is not a field of an entry%s", f.path, i+1, clipped(name),
				nearest(name, known, "; those are "+strings.Join(known[:len(known)-3], ", ")))
		case slices.Contains(header[:i], name):
			return fmt.Errorf("%s: the column %s is there twice", f.path, name)
		}
		f.columns = append(f.columns, csvColumns[index])
	}
	for _, name := range requiredColumns {
		if !slices.Contains(header, name) {
			return fmt.Errorf("%s: there is no column %s", f.path, name)
		}
	}
	return nil
}

// csvRow is a line of the file. It is valid until the next one is read.
type csvRow struct {
	line  int
	cells []string
	key   string // that the line has, or that was made for it
	keyed bool   // the line has one
	entry []byte // as a line of a bulk
}

// next reads a row into r. KeyPrefix and the number of the line make the key of a
// line that has none. What is wrong with the row comes as a [*lineError], after
// which the next can be read; [io.EOF] comes after the last.
func (f *csvFile) next(r *csvRow, keyPrefix string) error {
	if f.ended {
		return io.EOF
	}
	f.guard.left = rowBytesMax
	cells, err := f.rows.Read()
	var broken *csv.ParseError
	switch {
	case errors.As(err, &broken) && errors.Is(err, csv.ErrFieldCount):
		return &lineError{line: broken.StartLine, code: codeInvalidCSV,
			message: fmt.Sprintf("there are %d cells and %d columns", len(cells), len(f.columns))}
	case errors.As(err, &broken):
		f.ended = true // what a quote is after a broken one, nobody knows
		return &lineError{line: broken.StartLine, code: codeInvalidCSV, message: broken.Err.Error() + "; nothing after it was read"}
	case errors.Is(err, errLongRow):
		f.ended = true
		return &lineError{line: r.line + 1, code: codeInvalidCSV, message: err.Error() + " Nothing after it was read"}
	case err != nil:
		return err
	}
	r.cells = cells
	r.line, _ = f.rows.FieldPos(0)
	return f.entry(r, keyPrefix)
}

// offset is how much of the file was read, in bytes.
func (f *csvFile) offset() int64 { return f.rows.InputOffset() }

// entry makes a line of a bulk of the cells. An empty cell is a field that is not
// there.
func (f *csvFile) entry(r *csvRow, keyPrefix string) error {
	r.key, r.keyed = "", false
	out := append(r.entry[:0], '{')
	for i, cell := range r.cells {
		column := f.columns[i]
		if column.kind == noCell {
			continue
		}
		if !utf8.ValidString(cell) {
			return &lineError{r.line, column.name, string(httpapi.CodeInvalidEncoding), "the cell is not UTF-8; save the file as CSV in UTF-8"}
		}
		if cell == "" {
			continue
		}
		if column.name == keyColumn {
			r.key, r.keyed = cell, true
		}
		out = append(appendName(out, column.name), ':')
		var wrong *lineError
		if out, wrong = appendCell(out, column, cell); wrong != nil {
			wrong.line = r.line
			return wrong
		}
	}
	if !r.keyed {
		r.key = keyPrefix + strconv.Itoa(r.line)
		out = append(appendName(out, keyColumn), ':', '"')
		out = append(append(out, r.key...), '"')
	}
	r.entry = append(out, '}')
	return nil
}

func appendName(out []byte, name string) []byte {
	if len(out) > 1 {
		out = append(out, ',')
	}
	return append(append(append(out, '"'), name...), '"')
}

// whole matches a whole number as JSON writes it.
var whole = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)

// appendCell appends a cell as a value of JSON, or says why it is none of its
// column.
func appendCell(out []byte, column csvColumn, cell string) ([]byte, *lineError) {
	switch column.kind {
	case wholeCell:
		if whole.MatchString(cell) {
			return append(out, cell...), nil
		}
		code := ledger.CodeInvalidCondition
		if column.name == amountColumn {
			code = httpapi.CodeAmountNotInteger
		}
		return out, &lineError{column: column.name, code: string(code), message: clipped(cell) +
			" is not a whole number of minor units such as 1000; write no separator, point, sign or space"}
	case boolCell:
		// Spreadsheets write the words in capitals.
		if word := strings.ToLower(cell); word == "true" || word == "false" {
			return append(out, word...), nil
		}
		return out, &lineError{column: column.name, code: string(httpapi.CodeInvalidRequestBody), message: clipped(cell) + " is not true or false"}
	case objectCell:
		var compact bytes.Buffer
		if err := json.Compact(&compact, []byte(cell)); err != nil || cell[0] != '{' {
			return out, &lineError{column: column.name, code: string(httpapi.CodeInvalidMetadata), message: clipped(cell) +
				` is not a JSON object such as {"plan":"pro"}`}
		}
		return append(out, compact.Bytes()...), nil
	default:
		text, err := json.Marshal(cell)
		if err != nil {
			return out, &lineError{column: column.name, code: codeInvalidCSV, message: err.Error()}
		}
		return append(out, text...), nil
	}
}

// clipped is what a file has in quotes, shortened.
func clipped(text string) string {
	const most = 40
	if utf8.RuneCountInString(text) > most {
		text = string([]rune(text)[:most]) + "…"
	}
	return strconv.Quote(text)
}
