package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/billfold/billfold/internal/checkpoint"
	"github.com/billfold/billfold/internal/verify"
)

func (p *program) verifyCommand() *cobra.Command {
	var quick bool
	var against, public string
	command := &cobra.Command{
		Use:   "verify [FILE]",
		Short: "Prove every law of the ledger from its raw rows",
		Long: "Verify recomputes balances, hashes, lots and numbers of every entry with queries of\n" +
			"its own and names the first row that breaks a law. It only reads, and works beside\n" +
			"a running server. FILE is a backup; without it the data directory is verified.\n\n" +
			"With --checkpoint it also proves that history was kept: every customer of the\n" +
			"checkpoint is there, and every chain goes on from where it stood.\n\n" +
			"Exit code 0: every law holds. 1: a law is broken. 2: it could not look.",
		Args: arguments("[FILE]"),
		RunE: func(command *cobra.Command, args []string) error {
			config, err := p.config(command)
			if err != nil {
				return err
			}
			if against == "" && public != "" || against != "" && quick {
				return withExit(exitUsage, errors.New("--public-key goes with --checkpoint, and --quick does not"))
			}
			options, shown, err := verifyTarget(config, strings.Join(args, ""))
			if err != nil {
				return withExit(exitUsage, err)
			}
			if against != "" {
				return p.verifyAgainst(command.Context(), config, options, shown, against, public)
			}
			options.Quick = quick
			return p.verify(command.Context(), options, shown, nil)
		},
	}
	command.Flags().BoolVar(&quick, "quick", false, "look at the newest entries only, as every start does")
	command.Flags().StringVar(&against, "checkpoint", "", "also prove that history goes on from this checkpoint `file`")
	command.Flags().StringVar(&public, "public-key", "",
		"public `key` of the checkpoint; by default that of this installation's checkpoint key")
	return p.outputFlag(optionFlags(command, "data-dir", "database-url", "checkpoint-key-file"))
}

// verify proves a ledger that is shown as path, and that it goes on from what
// was sealed when that is given.
func (p *program) verify(ctx context.Context, options verify.Options, path string, sealed *checkpoint.Seal) error {
	began := time.Now()
	report, err := p.runVerify(ctx, options)
	if err != nil {
		return withExit(exitUsage, err)
	}
	return p.judge(report, path, began, sealed)
}

// verifyAgainst proves a ledger and that it goes on from a checkpoint. The
// checkpoint is read twice: nothing in it is believed before its signature is
// checked.
func (p *program) verifyAgainst(
	ctx context.Context, config Config, options verify.Options, shown, against, public string,
) error {
	key, err := trustedKey(config, public)
	if err != nil {
		return withExit(exitUsage, err)
	}
	seal, err := readCheckpoint(against, key, nil)
	if err != nil {
		return withExit(exitUsage, err)
	}
	options.Checkpoint = func(yield func(verify.Head) error) error {
		again, err := readCheckpoint(against, key, yield)
		if err == nil && again != seal {
			err = fmt.Errorf("checkpoint %s was replaced while it was read", against)
		}
		return err
	}
	return p.verify(ctx, options, shown, &seal)
}

// judge shows what a run found.
func (p *program) judge(report verify.Report, path string, began time.Time, sealed *checkpoint.Seal) error {
	if err := p.writeReport(report, path, time.Since(began), sealed); err != nil {
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

	// Checkpoint is the seal of the one that the ledger was compared with.
	Checkpoint *checkpoint.Seal `json:"checkpoint,omitempty"`
}

func (p *program) writeReport(
	report verify.Report, path string, took time.Duration, sealed *checkpoint.Seal,
) error {
	kept := ""
	if sealed != nil {
		kept = fmt.Sprintf("\nHistory goes on from the checkpoint of %s: %s, %s, key %s.", sealed.At.Format(time.RFC3339),
			counted(sealed.Entries, "entry", "entries"), counted(sealed.Customers, "customer", "customers"), sealed.KeyID)
	}
	a := answer{
		columns:  []string{"LAW", "BUSINESS", "MODE", "CUSTOMER", "CURRENCY", "POSITION", "ENTRY", "FOUND", "COUNT"},
		right:    []string{"POSITION", "COUNT"},
		document: verifyDocument{Path: absolute(path), Clean: report.Clean(), Report: report, Checkpoint: sealed},
		texts:    []string{"FOUND"},
		spare:    []string{"MODE", "CURRENCY", "BUSINESS", "ENTRY"},
		empty: fmt.Sprintf("Every law holds: %s, %s, %s, %s.",
			counted(report.Entries, "entry", "entries"), counted(report.Wallets, "wallet", "wallets"),
			counted(report.Customers, "customer", "customers"), took.Round(time.Millisecond)) + kept,
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
