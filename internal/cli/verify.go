package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/billfold/billfold/internal/sqlite"
	"github.com/billfold/billfold/internal/verify"
)

func (p *program) verifyCommand() *cobra.Command {
	var quick bool
	command := &cobra.Command{
		Use:   "verify [FILE]",
		Short: "Prove every law of the ledger from its raw rows",
		Long: "Verify recomputes balances, hashes, lots and numbers of every entry with queries of\n" +
			"its own and names the first row that breaks a law. It only reads, and works beside\n" +
			"a running server. FILE is a backup; without it the data directory is verified.\n\n" +
			"Exit code 0: every law holds. 1: a law is broken. 2: it could not look.",
		Args: arguments("[FILE]"),
		RunE: func(command *cobra.Command, args []string) error {
			config, err := p.config(command)
			if err != nil {
				return err
			}
			path := filepath.Join(config.DataDir, sqlite.FileName)
			if len(args) == 1 {
				path, config.DatabaseURL = args[0], ""
				err = requireFile(path, "name a backup, or none for the data directory")
			} else if config.DatabaseURL == "" {
				err = requireDatabase(path)
			}
			if err != nil {
				return withExit(exitUsage, err)
			}
			if config.DatabaseURL != "" {
				return p.verify(command.Context(), verify.Options{DatabaseURL: config.DatabaseURL}, "the database")
			}
			return p.verify(command.Context(), verify.Options{Path: path, Quick: quick}, path)
		},
	}
	command.Flags().BoolVar(&quick, "quick", false, "look at the newest entries only, as every start does")
	return p.outputFlag(optionFlags(command, "data-dir", "database-url"))
}

// verify proves a ledger that is shown as path.
func (p *program) verify(ctx context.Context, options verify.Options, path string) error {
	began := time.Now()
	report, err := p.runVerify(ctx, options)
	if err != nil {
		return withExit(exitUsage, err)
	}
	if err := p.writeReport(report, path, time.Since(began)); err != nil {
		return withExit(exitUsage, err)
	}
	if !report.Clean() {
		return withExit(exitFailed, fmt.Errorf("%s, see docs/ledger.md; stop the server, keep %s as it is, "+
			"and restore the last backup that verifies",
			counted(len(report.Findings), "law is broken", "laws are broken"), path))
	}
	return nil
}

// verifyFile runs verify with a progress bar.
func (p *program) verifyFile(ctx context.Context, path string) (verify.Report, error) {
	return p.runVerify(ctx, verify.Options{Path: path})
}

func (p *program) runVerify(ctx context.Context, options verify.Options) (verify.Report, error) {
	bar := p.progress("verify")
	defer bar.done()
	options.Progress = bar.set
	return verify.Run(ctx, options)
}

// verifyDocument is what `verify -o json` prints.
type verifyDocument struct {
	Path  string `json:"path"`
	Clean bool   `json:"clean"`
	verify.Report
}

func (p *program) writeReport(report verify.Report, path string, took time.Duration) error {
	a := answer{
		columns:  []string{"LAW", "BUSINESS", "MODE", "CUSTOMER", "CURRENCY", "POSITION", "ENTRY", "FOUND", "COUNT"},
		right:    []string{"POSITION", "COUNT"},
		document: verifyDocument{Path: absolute(path), Clean: report.Clean(), Report: report},
		texts:    []string{"FOUND"},
		spare:    []string{"MODE", "CURRENCY", "BUSINESS", "ENTRY"},
		empty: fmt.Sprintf("Every law holds: %s, %s, %s, %s.",
			counted(report.Entries, "entry", "entries"), counted(report.Wallets, "wallet", "wallets"),
			counted(report.Customers, "customer", "customers"), took.Round(time.Millisecond)),
	}
	for _, f := range report.Findings {
		a.rows = append(a.rows, []string{
			string(f.Law), f.BusinessID, f.Mode, f.CustomerID, f.Currency,
			positionText(f.Position), f.Entry, f.Message, strconv.FormatInt(f.Count, 10),
		})
	}
	return p.write(a)
}

// positionText is empty for a finding that has no position.
func positionText(position int64) string {
	if position == 0 {
		return ""
	}
	return strconv.FormatInt(position, 10)
}

// examineLaws is the doctor's look at the newest entries.
func examineLaws(ctx context.Context, path string) finding {
	const check = "newest entries"
	report, err := verify.Run(ctx, verify.Options{Path: path, Quick: true})
	switch {
	case err != nil:
		return fail(check, err.Error(), "restore the last backup with `billfold restore`")
	case !report.Clean():
		return fail(check, report.Findings[0].String(), "stop the server and run `billfold verify` for the whole picture")
	}
	return ok(check, "every law holds in the last %d", report.Entries)
}

// refuseBroken is the check of every start: what a torn write at the end of
// the file would break is found before anything is written on top of it.
func refuseBroken(ctx context.Context, path string) error {
	report, err := verify.Run(ctx, verify.Options{Path: path, Quick: true})
	if err != nil {
		return err
	}
	if !report.Clean() {
		return errors.New("a law is broken in the newest entries, so nothing may be written on top of them: " +
			report.Findings[0].String() + "; run `billfold verify` for the whole picture and restore the last backup that verifies")
	}
	return nil
}
