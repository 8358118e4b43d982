package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// How much one bulk has. A bulk that is too large for its server's memory beside
// others gains nothing: commits are shared below it.
const (
	bulkLines = 1000
	bulkBytes = 4 << 20
)

// retryPauses are between the tries of one bulk. A server that is started again
// is back within them.
var retryPauses = []time.Duration{
	200 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second,
}

// bulkRow is a line that was sent.
type bulkRow struct {
	line      int
	cells     []string
	key       string
	currency  money.Currency
	direction ledger.Direction
}

// bulkAnswer is what the server says of a bulk.
type bulkAnswer struct {
	Results []struct {
		Index  int    `json:"index"`
		Status string `json:"status"`
		Wallet struct {
			Moved money.Amount `json:"ledger_entry_amount"`
		} `json:"wallet"`
		Error *apiError `json:"error"`
	} `json:"results"`
}

// post posts the file in its order, one bulk after the other: what follows in the
// file may need what stands before.
func (i *importer) post(ctx context.Context) error {
	if err := i.file.rewind(); err != nil {
		return err
	}
	checked := i.done
	i.done.Applied, i.done.Currencies = 0, []importedCurrency{}
	i.posting = true
	var rows []bulkRow
	var body []byte
	var row csvRow
	lines := int64(0)
	for {
		err := i.file.next(&row, i.keyPrefix())
		last := errors.Is(err, io.EOF)
		if err != nil && !last {
			return fmt.Errorf("%s was changed while it was imported: %w", i.file.path, err)
		}
		if last || len(rows) == bulkLines || len(body)+len(row.entry) > bulkBytes {
			if err := i.postBulk(ctx, rows, body); err != nil {
				return err
			}
			rows, body = rows[:0], nil // the transport may hold the old one for a while
			i.bar.set(i.file.offset(), i.file.size)
		}
		if last {
			break
		}
		lines++
		asked, err := i.parser.Parse(row.entry)
		if err != nil {
			return fmt.Errorf("%s was changed while it was imported: %w", i.file.path, findingOf(row.line, err))
		}
		rows = append(rows, bulkRow{row.line, slices.Clone(row.cells), row.key, asked.Currency, asked.Direction})
		body = append(append(body, row.entry...), '\n')
	}
	if lines != checked.Lines {
		return fmt.Errorf("%s was changed while it was imported: %d lines were checked and %d posted", i.file.path, checked.Lines, lines)
	}
	return nil
}

// postBulk sends some lines and counts what became of them.
func (i *importer) postBulk(ctx context.Context, rows []bulkRow, body []byte) error {
	if len(rows) == 0 {
		return nil
	}
	if err := i.refuseTouched(); err != nil {
		return err
	}
	var answer bulkAnswer
	err := i.persist(ctx, func() error {
		answer = bulkAnswer{}
		_, err := i.client.call(ctx, request{
			method: http.MethodPost, path: "/ledger-entries/bulk", query: url.Values{"atomic": {"false"}}, lines: body,
		}, &answer)
		if err != nil {
			return err
		}
		return answer.check(len(rows))
	})
	if err != nil {
		return fmt.Errorf("lines %d to %d: %w", rows[0].line, rows[len(rows)-1].line, err)
	}
	for n, result := range answer.Results {
		row := &rows[n]
		switch result.Status {
		case "applied":
			err = i.done.add(row.currency, row.direction, result.Wallet.Moved)
		case "replayed":
			i.done.Replayed++
		default:
			i.done.Refused++
			err = i.report.refused(i.file, row.cells, row.key,
				&lineError{row.line, result.Error.Param, result.Error.Code, result.Error.Message})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// check says whether an answer is one for so many lines. A line that the server
// could not serve makes all of them go again, in their order: one after it may
// have been refused for its lack.
func (a *bulkAnswer) check(lines int) error {
	if len(a.Results) != lines {
		return fmt.Errorf("the server did not answer as Billfold does: %d results for %d lines", len(a.Results), lines)
	}
	for n, result := range a.Results {
		known := result.Status == "applied" || result.Status == "replayed" || (result.Status == "refused" && result.Error != nil)
		if result.Index != n || !known {
			return fmt.Errorf("the server did not answer as Billfold does: result %d is %q at %d", n, result.Status, result.Index)
		}
		if result.Error != nil && result.Error.Retryable {
			return withExit(exitUnreachable, result.Error)
		}
	}
	return nil
}

func (i *importer) persist(ctx context.Context, call func() error) error {
	return persist(ctx, i.pauses, call)
}

// persist calls again after each pause while the server cannot be reached or asks
// to come back later.
func persist(ctx context.Context, pauses []time.Duration, call func() error) error {
	for _, pause := range pauses {
		err := call()
		var coded *exitError
		if !errors.As(err, &coded) || coded.code != exitUnreachable {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
	return call()
}
