package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/httpapi"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

const (
	// keysAtOnce is how many keys are in memory at once while the check looks for
	// those that are there twice. A file with more is read once more for each as many.
	keysAtOnce int64 = 1 << 20

	// customersKnown is how many customers a dry run remembers before it forgets
	// them all and asks again.
	customersKnown = 100_000

	// codeDuplicateKey is what the report gives for a key that an earlier line has.
	codeDuplicateKey = string(httpapi.CodeDuplicateKey)
)

// importer is one import of one file.
type importer struct {
	client   *apiClient
	file     *csvFile
	dryRun   bool
	business struct {
		ID         string           `json:"business_id"`
		Mode       string           `json:"mode"`
		Currencies []money.Currency `json:"enabled_currencies"`
	}
	report importReport
	done   importDocument
	bar    *progress
	pauses []time.Duration // before each further try
	window int64           // keys that are in memory at once

	posting  bool
	parser   httpapi.LineParser
	seen     map[string]bool // customers, and whether they are there
	unkeyed  int64           // lines
	keyed    int64
	sum      string    // of the content
	modified time.Time // when the check began
}

// check reads the whole file and reports every line that is wrong.
func (i *importer) check(ctx context.Context) error {
	info, err := i.file.file.Stat()
	if err != nil {
		return err
	}
	i.modified = info.ModTime()
	i.seen = map[string]bool{}
	keys := map[[16]byte]int{}
	err = i.eachRow(ctx, func(row *csvRow) error {
		asked, err := i.parser.Parse(row.entry)
		if err != nil {
			return i.wrong(findingOf(row.line, err))
		}
		if row.keyed {
			i.keyed++
			if f := repeated(keys, row, asked.CustomerID, i.keyed <= i.window); f != nil {
				return i.wrong(f)
			}
		} else {
			i.unkeyed++
		}
		if i.dryRun {
			if f, err := i.look(ctx, row.line, &asked); f != nil || err != nil {
				return errors.Join(err, i.wrong(f))
			}
		}
		return i.done.add(asked.Currency, asked.Direction, asked.Amount)
	})
	if err != nil {
		return err
	}
	i.sum = hex.EncodeToString(i.file.sum.Sum(nil)) // of all of it, if every line is one
	for from := i.window; from < i.keyed; from += i.window {
		if err := i.checkKeys(ctx, from); err != nil {
			return err
		}
	}
	if i.done.Lines == 0 {
		return fmt.Errorf("%s has no lines after its header", i.file.path)
	}
	if i.done.Refused > 0 {
		return nil
	}
	record := recordPath(i.file.path, i.business.ID, i.business.Mode)
	if err := refuseChanged(record, i.file.path, i.sum); err != nil || i.dryRun || i.unkeyed == 0 {
		return err
	}
	return keepRecord(record, i.file.path, i.sum)
}

// eachRow reads the rows that are some, counts lines, and reports what is no row.
func (i *importer) eachRow(ctx context.Context, do func(*csvRow) error) error {
	if err := i.file.rewind(); err != nil {
		return err
	}
	var row csvRow
	for {
		err := i.file.next(&row, "")
		var wrong *lineError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &wrong):
			err = i.wrong(wrong)
		case err == nil:
			err = do(&row)
		}
		i.done.Lines++
		if err = errors.Join(err, context.Cause(ctx)); err != nil {
			return err
		}
		i.bar.set(i.file.offset(), i.file.size)
	}
}

func (i *importer) wrong(f *lineError) error {
	if f == nil {
		return nil
	}
	i.done.Refused++
	return i.report.wrong(i.file.path, f)
}

// findingOf says what the ledger's rules have against a line.
func findingOf(line int, err error) *lineError {
	var refused *ledger.Error
	if errors.As(err, &refused) {
		return &lineError{line, refused.Param, string(refused.Code), refused.Message}
	}
	return &lineError{line: line, code: codeInvalidCSV, message: err.Error()}
}

// repeated finds a line whose key an earlier line of the customer has, and
// remembers the key if it is told to.
func repeated(keys map[[16]byte]int, row *csvRow, customer string, remember bool) *lineError {
	sum := sha256.Sum256([]byte(customer + "\x00" + row.key))
	id := [16]byte(sum[:16])
	if before, found := keys[id]; found {
		return &lineError{row.line, keyColumn, codeDuplicateKey, fmt.Sprintf("line %d has this key for the same customer", before)}
	}
	if remember {
		keys[id] = row.line
	}
	return nil
}

// checkKeys looks for the keys of as many lines as memory holds, beginning with
// the keyed line from, in all lines after them.
func (i *importer) checkKeys(ctx context.Context, from int64) error {
	keys := map[[16]byte]int{}
	at := int64(0)
	lines := i.done.Lines
	defer func() { i.done.Lines = lines }()
	return i.eachRow(ctx, func(row *csvRow) error {
		if !row.keyed {
			return nil
		}
		asked, err := i.parser.Parse(row.entry)
		if err != nil {
			return nil //nolint:nilerr // it was reported when the file was read first
		}
		if at++; at <= from {
			return nil
		}
		return i.wrong(repeated(keys, row, asked.CustomerID, at <= from+i.window))
	})
}

// look asks the server what can be known of a line without posting it.
func (i *importer) look(ctx context.Context, line int, asked *ledger.PostRequest) (*lineError, error) {
	if !slices.Contains(i.business.Currencies, asked.Currency) {
		return &lineError{line, currencyColumn, string(ledger.CodeUnsupportedCurrency),
			string(asked.Currency) + " is not enabled for this business"}, nil
	}
	if !asked.ExpiresAt.IsZero() && asked.ExpiresAt.Before(time.Now().Add(ledger.ExpiryAheadMin)) {
		return &lineError{line, "expires_at", string(ledger.CodeInvalidExpiry),
			"expires_at is over, or nearly; the line is refused unless it was posted before"}, nil
	}
	there, known := i.seen[asked.CustomerID]
	if !known {
		if len(i.seen) == customersKnown {
			clear(i.seen)
		}
		err := i.persist(ctx, func() error {
			var found json.RawMessage
			_, err := i.client.call(ctx, request{method: http.MethodGet, path: customerPath(asked.CustomerID)}, &found)
			return err
		})
		var refused *apiError
		if missing := errors.As(err, &refused) && refused.Status == http.StatusNotFound; err != nil && !missing {
			return nil, err
		}
		there = err == nil
		i.seen[asked.CustomerID] = there
	}
	if !there {
		return &lineError{line, customerColumn, string(ledger.CodeNotFound), "there is no such customer"}, nil
	}
	return nil, nil
}

// refuseTouched refuses to go on with a file that somebody writes to.
func (i *importer) refuseTouched() error {
	info, err := os.Stat(i.file.file.Name())
	if err != nil {
		return err
	}
	if info.Size() != i.file.size || !info.ModTime().Equal(i.modified) {
		return fmt.Errorf("%s was changed while it was imported", i.file.path)
	}
	return nil
}

// keyPrefix begins the keys of lines that have none: the content of the whole
// file, so that two files with equal lines do not pass for one.
func (i *importer) keyPrefix() string { return "csv_" + i.sum[:32] + "_" }
