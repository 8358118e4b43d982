package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/billfold/billfold/internal/httpapi"
	"github.com/billfold/billfold/internal/postgres"
	"github.com/billfold/billfold/internal/sqlite"
	"github.com/billfold/billfold/internal/transfer"
	"github.com/billfold/billfold/internal/verify"
	"github.com/billfold/billfold/internal/webhook"
)

// transferDocument is what `copy -o json` prints.
type transferDocument struct {
	From             string    `json:"from"`
	To               string    `json:"to"`
	Entries          int64     `json:"entries"`
	Customers        int64     `json:"customers"`
	CopiedEntries    int64     `json:"copied_entries"` // by this run
	EntriesPerSecond int64     `json:"entries_per_second"`
	Resumed          bool      `json:"resumed"`
	FinishedAt       time.Time `json:"finished_at"`
}

func (p *program) copyCommand() *cobra.Command {
	var from, to string
	command := &cobra.Command{
		Use:   "copy --from SOURCE --to TARGET",
		Short: "Move the installation between the embedded store and PostgreSQL",
		Long: "Copy makes TARGET an exact copy of SOURCE: each is a data directory or a postgres:// address.\n" +
			"Ids, hashes, times, API keys, idempotency keys and page cursors are the same afterwards.\n\n" +
			"Stop every server of SOURCE first, and do not start one on it again. TARGET must be empty.\n" +
			"A copy that was interrupted goes on when the same command is run again. Before it says that\n" +
			"it is done, TARGET is proven by every law and compared with SOURCE; until then no server\n" +
			"starts on it.\n\n" +
			"The secret key comes along: from the directory SOURCE, or from " + envName("secret-key") + " or\n" +
			"--secret-key-file. Other users of this machine see the arguments of commands: leave the\n" +
			"password of an address to PGPASSWORD or to ~/.pgpass.",
		Example: "  billfold copy --from ./data --to postgres://billfold@db.internal/billfold\n" +
			"  billfold copy --from postgres://billfold@db.internal/billfold --to ./data --secret-key-file secret.key",
		Args: arguments(),
		RunE: func(command *cobra.Command, _ []string) error {
			if err := requireFlags(command, "from", "to"); err != nil {
				return err
			}
			config, err := p.config(command)
			if err != nil {
				return err
			}
			return p.copy(command.Context(), config, placeOf(from), placeOf(to))
		},
	}
	command.Flags().StringVar(&from, "from", "", "`store` to copy: a data directory or a postgres:// address")
	command.Flags().StringVar(&to, "to", "", "empty `store` that becomes the copy, or one that an interrupted run has left")
	for _, flag := range []string{"from", "to"} {
		if err := command.MarkFlagDirname(flag); err != nil {
			panic(err) // the flag is not there: a mistake of the program
		}
	}
	return p.outputFlag(optionFlags(command, "secret-key-file"))
}

// place is where a store is. One of both is set.
type place struct {
	dir string
	url string
}

func placeOf(text string) place {
	if strings.HasPrefix(text, "postgres://") || strings.HasPrefix(text, "postgresql://") {
		return place{url: text}
	}
	return place{dir: text}
}

// place is where the installation is.
func (c Config) place() place {
	if c.DatabaseURL != "" {
		return place{url: c.DatabaseURL}
	}
	return place{dir: c.DataDir}
}

// String is the place for people, without a password.
func (l place) String() string {
	if l.url != "" {
		return postgres.Address(l.url)
	}
	return absolute(l.dir)
}

// refuseSame refuses one directory as both places. Databases are compared once
// they are open, see refuseSameDatabase.
func refuseSame(from, to place) error {
	same := from == to
	if from.dir != "" && to.dir != "" {
		one, err := os.Stat(from.dir)
		other, otherErr := os.Stat(to.dir)
		same = same || absolute(from.dir) == absolute(to.dir) || (err == nil && otherErr == nil && os.SameFile(one, other))
	}
	if same {
		return withExit(exitUsage, fmt.Errorf("source and target are the same, %s; name another target", from))
	}
	return nil
}

// endpoint is an open side of a copy.
type endpoint[S any] struct {
	side  S
	close func() error
}

func openCopySource(ctx context.Context, from place) (endpoint[transfer.Source], error) {
	if from.url != "" {
		source, err := postgres.OpenCopySource(ctx, from.url)
		if err != nil {
			return endpoint[transfer.Source]{}, fmt.Errorf("source: %w", err)
		}
		return endpoint[transfer.Source]{source, source.Close}, nil
	}
	source, err := sqlite.OpenCopySource(from.dir)
	var locked *sqlite.LockedError
	if errors.As(err, &locked) {
		err = fmt.Errorf("%s is in use by %s; stop it first: what it writes during a copy would not be in it",
			absolute(from.dir), locked.Holder)
	}
	if err != nil {
		return endpoint[transfer.Source]{}, fmt.Errorf("source: %w", err)
	}
	return endpoint[transfer.Source]{source, source.Close}, nil
}

func openCopyTarget(ctx context.Context, to place) (endpoint[transfer.Target], error) {
	if to.url != "" {
		target, err := postgres.OpenCopyTarget(ctx, to.url)
		if err != nil {
			return endpoint[transfer.Target]{}, fmt.Errorf("target: %w", err)
		}
		return endpoint[transfer.Target]{target, target.Close}, nil
	}
	if _, err := os.Stat(filepath.Join(to.dir, sqlite.FileName)); errors.Is(err, fs.ErrNotExist) {
		if err := refuseOccupied(to.dir); err != nil {
			return endpoint[transfer.Target]{}, err
		}
	}
	target, err := sqlite.OpenCopyTarget(to.dir)
	if err != nil {
		return endpoint[transfer.Target]{}, fmt.Errorf("target: %w", err)
	}
	return endpoint[transfer.Target]{target, target.Close}, nil
}

func (p *program) copy(ctx context.Context, config Config, from, to place) (err error) {
	if err := refuseSame(from, to); err != nil {
		return err
	}
	secret, err := copiedSecret(config, from, to)
	if err != nil {
		return err
	}
	if err := p.queueWebhooks(ctx, config, from); err != nil {
		return err
	}
	source, err := openCopySource(ctx, from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.close()) }()
	if err := refuseOtherSecret(ctx, source.side, secret); err != nil {
		return err
	}
	target, err := openCopyTarget(ctx, to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.close()) }()
	if err := refuseSameDatabase(ctx, source.side, target.side); err != nil {
		return err
	}
	bar := p.progress("copy")
	options := transfer.Options{
		Name:         from.String(),
		VerifySource: func(ctx context.Context) (int64, error) { return p.proveSide(ctx, from) },
		VerifyTarget: func(ctx context.Context) (int64, error) { bar.done(); return p.proveSide(ctx, to) },
		Prepare:      func() error { return keepSecret(to, secret) },
		Progress:     bar.set,
	}
	if secret != nil {
		options.SecretCheck = postgres.SecretCheck(secret)
	}
	report, err := transfer.Run(ctx, source.side, target.side, options)
	bar.done()
	if err != nil {
		return err
	}
	return p.writeTransfer(from, to, report)
}

// queueWebhooks queues what the source's servers had not queued for webhooks when they
// were stopped: in the copy, the feed is told in another order.
func (p *program) queueWebhooks(ctx context.Context, config Config, from place) error {
	some, err := hasWebhooks(ctx, from)
	if err != nil || !some {
		return err
	}
	config.DataDir, config.DatabaseURL = from.dir, from.url
	store, err := openStore(ctx, config, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	return errors.Join(webhook.QueueAll(ctx, store, httpapi.EventBody, time.Now), store.Close())
}

// hasWebhooks reports whether there is anything to queue in a store that a copy will
// take.
func hasWebhooks(ctx context.Context, from place) (some bool, err error) {
	source, err := openCopySource(ctx, from)
	if err != nil {
		return false, err
	}
	count, err := source.side.Count(ctx, transfer.WebhookEndpoints)
	return count > 0, errors.Join(err, source.close())
}

// proveSide proves every law on one side of a copy.
func (p *program) proveSide(ctx context.Context, where place) (entries int64, err error) {
	options := verify.Options{DatabaseURL: where.url}
	if where.dir != "" {
		options.Path = filepath.Join(where.dir, sqlite.FileName)
	}
	report, err := p.runVerify(ctx, options)
	if err == nil && !report.Clean() {
		err = fmt.Errorf("a law is broken in %s: %s", where, report.Findings[0])
	}
	return report.Entries, err
}

// copiedSecret returns the secret key of the source, nil when both sides keep
// only what it is compared with and nobody has given it.
func copiedSecret(config Config, from, to place) ([]byte, error) {
	given, err := configuredSecret(config)
	if err != nil || from.url != "" {
		if err == nil && given == nil && to.dir != "" {
			err = withExit(exitUsage, fmt.Errorf("the secret key of the instances is missing, without which page cursors that clients "+
				"hold would end; set %s, or --secret-key-file", envName("secret-key")))
		}
		return given, err
	}
	path := filepath.Join(from.dir, secretKeyName)
	kept, err := readSecretKey(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && given != nil:
		return given, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no secret key %s; set %s, or --secret-key-file, to the key of the source's server: "+
			"page cursors that clients hold would end with another", path, envName("secret-key"))
	case err == nil && given != nil && !bytes.Equal(given, kept):
		return nil, fmt.Errorf("the source has a secret key in %s, and another one is configured; the copy keeps the source's: "+
			"unset %s and --secret-key-file, or, if the server ran with that one, move the file away", path, envName("secret-key"))
	}
	return kept, err
}

// refuseOtherSecret refuses a key that the instances of the source would not
// accept.
func refuseOtherSecret(ctx context.Context, source transfer.Source, secret []byte) error {
	installation, err := source.Installation(ctx)
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	known := installation.SecretCheck
	if known != nil && secret != nil && !bytes.Equal(known, postgres.SecretCheck(secret)) {
		return fmt.Errorf("the secret key is not that of the source's instances; set %s, or --secret-key-file", envName("secret-key"))
	}
	return nil
}

// keepSecret leaves the secret key in a directory that becomes the copy.
func keepSecret(to place, secret []byte) error {
	if to.dir == "" {
		return nil
	}
	path := filepath.Join(to.dir, secretKeyName)
	err := writeSecretKey(path, secret)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	kept, err := readSecretKey(path)
	if err == nil && !bytes.Equal(kept, secret) {
		err = fmt.Errorf("the target has another secret key, %s; move it away", path)
	}
	return err
}

// refuseSameDatabase refuses one database under two addresses.
func refuseSameDatabase(ctx context.Context, source transfer.Source, target transfer.Target) error {
	one, ok := source.(*postgres.CopySource)
	other, both := target.(*postgres.CopyTarget)
	if !ok || !both {
		return nil
	}
	oneIs, err := one.Identity(ctx)
	otherIs, otherErr := other.Identity(ctx)
	if err = errors.Join(err, otherErr); err == nil && oneIs == otherIs {
		err = withExit(exitUsage, errors.New("source and target are the same database; name another target"))
	}
	return err
}

func (p *program) writeTransfer(from, to place, report transfer.Report) error {
	document := transferDocument{
		From: from.String(), To: to.String(), Entries: report.Entries, Customers: report.Customers, CopiedEntries: report.Copied,
		EntriesPerSecond: report.Copied * 1000 / max(1, report.Copying.Milliseconds()),
		Resumed:          report.Resumed, FinishedAt: report.Finished,
	}
	if p.output != formatTable {
		return p.write(answer{
			columns: []string{"FROM", "TO", "ENTRIES", "CUSTOMERS", "COPIED", "PER SECOND", "FINISHED"},
			rows: [][]string{{
				document.From, document.To, fmt.Sprint(document.Entries), fmt.Sprint(document.Customers),
				fmt.Sprint(document.CopiedEntries), fmt.Sprint(document.EntriesPerSecond), report.Finished.Format(time.RFC3339),
			}},
			document: document,
		})
	}
	if report.Already {
		_, err := fmt.Fprintf(p.stdout, "The copy was finished on %s, and its source has not changed since; nothing was done.\n",
			report.Finished.Format(time.RFC3339))
		return err
	}
	_, err := fmt.Fprintf(p.stdout, "Copied %s of %s from %s to %s, %s/s in %s; every law holds in the copy, and it differs "+
		"from its source in nothing.\n\nServe the copy with the same secret key, and the source no more: what is written there now "+
		"is not in the copy.\n", counted(report.Entries, "entry", "entries"), counted(report.Customers, "customer", "customers"),
		document.From, document.To, counted(document.EntriesPerSecond, "entry", "entries"), report.Copying.Round(time.Millisecond))
	return err
}
