package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func (p *program) importCommand() *cobra.Command {
	return group("import", "Post a file of entries, or move in from elsewhere", p.importCSVCommand(), p.importDodoCommand())
}

func (p *program) importCSVCommand() *cobra.Command {
	var dryRun bool
	command := &cobra.Command{
		Use:   "csv FILE",
		Short: "Post the entries of a CSV file, each at most once",
		Long: "Csv posts an entry for each line of FILE, in their order. The first line names the columns, by the\n" +
			"fields of an entry: customer_id, currency, entry_type and amount are required; idempotency_key,\n" +
			"category, expires_at, reason, reference_object_id, metadata (as JSON), allow_partial, if_seq and\n" +
			"if_available_at_least may follow. Amounts are whole numbers of minor units (cents, paise).\n\n" +
			"The whole file is checked first, and nothing is posted while a line of it is wrong. Run the same\n" +
			"command again after any interruption: no line is posted twice. A line without an idempotency_key\n" +
			"gets one made of the file's content and the line's number; therefore a file with such lines must\n" +
			"stay as it is once its import has begun, and is refused when it has changed.\n\n" +
			"Lines that the server refuses are written to FILE.rejected.csv, with what is wrong. Correct them\n" +
			"there and import that file.",
		Example: "  billfold import csv bonus.csv --dry-run\n  billfold import csv bonus.csv",
		Args:    arguments("FILE"),
	}
	command.Flags().BoolVar(&dryRun, "dry-run", false, "check the file, its customers and currencies, and post nothing")
	return p.clientCommand(command, func(command *cobra.Command, client *apiClient, args []string) (err error) {
		file, err := openCSV(args[0])
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, file.file.Close()) }()
		return p.importFile(command.Context(), client, file, dryRun)
	})
}

// importedCurrency is what an import does in one currency. Amounts are in minor units.
type importedCurrency struct {
	Currency money.Currency `json:"currency"`
	Credits  int64          `json:"credits"`
	Credited money.Amount   `json:"credited"`
	Debits   int64          `json:"debits"`
	Debited  money.Amount   `json:"debited"`
}

// importDocument is what `import csv -o json` prints. Of a dry run, applied, credits
// and debits are what would be posted.
type importDocument struct {
	File         string             `json:"file"`
	DryRun       bool               `json:"dry_run"`
	Lines        int64              `json:"lines"`
	Applied      int64              `json:"applied"`
	Replayed     int64              `json:"replayed"` // posted by an earlier run
	Refused      int64              `json:"refused"`
	RejectedFile string             `json:"rejected_file,omitempty"`
	Currencies   []importedCurrency `json:"currencies"`
}

// add counts an entry of so much as applied.
func (d *importDocument) add(currency money.Currency, direction ledger.Direction, amount money.Amount) error {
	index, found := slices.BinarySearchFunc(d.Currencies, currency, func(c importedCurrency, name money.Currency) int {
		switch {
		case c.Currency < name:
			return -1
		case c.Currency > name:
			return 1
		}
		return 0
	})
	if !found {
		d.Currencies = slices.Insert(d.Currencies, index, importedCurrency{Currency: currency})
	}
	one := &d.Currencies[index]
	count, sum := &one.Credits, &one.Credited
	if direction == ledger.Debit {
		count, sum = &one.Debits, &one.Debited
	}
	total, ok := sum.Add(amount)
	if !ok {
		return fmt.Errorf("the amounts in %s are more together than can be counted; import the file in parts", currency)
	}
	*count, *sum = *count+1, total
	d.Applied++
	return nil
}

// importFile checks a file and posts it unless this is a dry run.
func (p *program) importFile(ctx context.Context, client *apiClient, file *csvFile, dryRun bool) (err error) {
	run := &importer{client: client, file: file, dryRun: dryRun, pauses: retryPauses, window: keysAtOnce}
	if _, err := client.call(ctx, request{method: http.MethodGet, path: "/business"}, &run.business); err != nil {
		return err
	}
	run.done = importDocument{File: absolute(file.path), DryRun: dryRun, Currencies: []importedCurrency{}}
	run.bar = p.progress("check")
	err = run.check(ctx)
	run.bar.done()
	if err == nil && run.done.Refused == 0 && !dryRun {
		run.bar = p.progress("import")
		err = run.post(ctx)
		run.bar.done()
	} else if !dryRun {
		run.done.Applied, run.done.Currencies = 0, []importedCurrency{}
	}
	err = errors.Join(err, run.report.close())
	run.done.RejectedFile = run.report.path
	if err != nil {
		return run.stopped(err)
	}
	return p.writeImport(run)
}

// stopped says of a run that did not come to its end how to go on.
func (i *importer) stopped(err error) error {
	if !i.posting {
		return err
	}
	var coded *exitError
	code := exitFailed
	if errors.As(err, &coded) {
		code = coded.code
	}
	return withExit(code, fmt.Errorf("%w\nstopped with %s posted and %s posted before; "+
		"run the same command again to go on, nothing is posted twice",
		err, counted(i.done.Applied, "entry", "entries"), counted(i.done.Replayed, "entry", "entries")))
}

func (p *program) writeImport(run *importer) error {
	done := &run.done
	rows := make([][]string, 0, len(done.Currencies))
	for _, c := range done.Currencies {
		rows = append(rows, []string{
			string(c.Currency), strconv.FormatInt(c.Credits, 10), money.FormatDecimal(c.Credited, c.Currency),
			strconv.FormatInt(c.Debits, 10), money.FormatDecimal(c.Debited, c.Currency),
		})
	}
	columns := []string{"CURRENCY", "CREDITS", "CREDITED", "DEBITS", "DEBITED"}
	err := p.write(answer{columns: columns, right: columns[1:], rows: rows, document: done, empty: "Nothing was posted."})
	if err != nil {
		return err
	}
	lines := counted(done.Lines, "line", "lines")
	if done.Refused == 0 {
		switch {
		case done.DryRun:
			p.note("%s would be posted; nothing was. Funds, freezes and limits show only then", lines)
		default:
			p.note("%s: %d posted, %d posted by an earlier run", lines, done.Applied, done.Replayed)
		}
		return nil
	}
	return withExit(exitFailed, run.rejected(lines))
}

// rejected says which lines were refused: the first of them, and where the others are.
func (i *importer) rejected(lines string) error {
	text := ""
	for _, one := range i.report.first {
		text += one.Error() + "\n"
	}
	if more := i.done.Refused - int64(len(i.report.first)); more > 0 {
		text += fmt.Sprintf("and %d more\n", more)
	}
	if i.posting {
		return fmt.Errorf("%s%s: %d posted, %d posted by an earlier run, %d refused; "+
			"correct those in %s and import that file", text, lines, i.done.Applied, i.done.Replayed, i.done.Refused, i.report.path)
	}
	return fmt.Errorf("%s%s, %d of them wrong: nothing was posted; %s has them all, correct them in %s",
		text, lines, i.done.Refused, i.report.path, i.file.path)
}
