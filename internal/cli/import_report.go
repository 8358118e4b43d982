package cli

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The columns in which the importer says what is wrong with a line. A file that
// has them can be imported: they are passed over.
const (
	rejectedLine    = "rejected_line"
	rejectedCode    = "rejected_code"
	rejectedMessage = "rejected_message"
)

const (
	// findingsShown is how many findings stand on the terminal.
	findingsShown = 10

	// reportsMax is how many reports of one file are kept side by side.
	reportsMax = 1000
)

// importReport is the file of the lines that were not posted. It is made with the
// first of them, and never over another: its owner may be correcting that one.
type importReport struct {
	path  string
	first []lineError
	file  *os.File
	rows  *csv.Writer
}

// begin makes the report of a file, with these columns.
func (r *importReport) begin(of string, columns []string) error {
	base := strings.TrimSuffix(of, ".csv") + ".rejected"
	for i := 1; ; i++ {
		r.path = base + ".csv"
		if i > 1 {
			r.path = base + "-" + strconv.Itoa(i) + ".csv"
		}
		file, err := os.OpenFile(r.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, fs.ErrExist) && i < reportsMax {
			continue
		}
		if err != nil {
			return fmt.Errorf("the report of rejected lines: %w", err)
		}
		r.file, r.rows = file, csv.NewWriter(file)
		return r.rows.Write(columns)
	}
}

// wrong reports a line that cannot be sent. The columns are none of an entry: the
// place to correct it is the file itself, of which nothing was posted.
func (r *importReport) wrong(of string, f *lineError) error {
	if r.rows == nil {
		if err := r.begin(of, []string{"line", "column", "code", "message"}); err != nil {
			return err
		}
	}
	r.show(f)
	return r.rows.Write([]string{strconv.Itoa(f.line), f.column, f.code, f.message})
}

func (r *importReport) show(f *lineError) {
	if len(r.first) < findingsShown {
		r.first = append(r.first, *f)
	}
}

// refused reports a line that the server did not accept, with its cells and the
// key under which it was sent: however it is corrected, only one of both can be
// posted under it.
func (r *importReport) refused(of *csvFile, cells []string, key string, f *lineError) error {
	if r.rows == nil {
		columns := []string{}
		for i, name := range of.names {
			if of.columns[i].kind != noCell {
				columns = append(columns, name)
			}
		}
		if !slices.Contains(columns, keyColumn) {
			columns = append(columns, keyColumn)
		}
		if err := r.begin(of.path, append(columns, rejectedLine, rejectedCode, rejectedMessage)); err != nil {
			return err
		}
	}
	r.show(f)
	row := make([]string, 0, len(cells)+4)
	keyed := false
	for i, cell := range cells {
		switch {
		case of.columns[i].kind == noCell:
			continue
		case of.columns[i].name == keyColumn:
			cell, keyed = key, true
		}
		row = append(row, cell)
	}
	if !keyed {
		row = append(row, key)
	}
	return r.rows.Write(append(row, strconv.Itoa(f.line), f.code, f.message))
}

// close ends the report.
func (r *importReport) close() error {
	if r.rows == nil {
		return nil
	}
	r.rows.Flush()
	return errors.Join(r.rows.Error(), r.file.Sync(), r.file.Close())
}

// recordPath is where it is kept which content of a file was imported into a
// business, if lines of it got their keys from that.
func recordPath(file, businessID, mode string) string {
	return file + ".imported-" + businessID + "-" + mode
}

// keepRecord notes the content of a file before the first line of it is posted,
// in the form of sha256sum.
func keepRecord(path, file, sum string) error {
	err := writeFileWhole(path, []byte(sum+"  "+filepath.Base(file)+"\n"))
	if errors.Is(err, fs.ErrExist) {
		return refuseChanged(path, file, sum)
	}
	if err != nil {
		return fmt.Errorf("note the content of %s, which gives keys to lines that have none: %w; "+
			"copy the file into a directory of yours on a local disk, or give each line an idempotency_key", file, err)
	}
	return nil
}

// refuseChanged refuses a file that has other content than when its import began.
func refuseChanged(path, file, sum string) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if before, _, _ := strings.Cut(string(text), " "); before != sum {
		return fmt.Errorf("%s was imported with other content, and lines without an idempotency_key would be posted again.\n"+
			"Put back what it was, and new or corrected lines into a file of another name; if nothing of it was\n"+
			"imported, remove %s", file, path)
	}
	return nil
}
