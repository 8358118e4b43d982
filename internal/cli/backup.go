package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/billfold/billfold/internal/schema"
	"github.com/billfold/billfold/internal/sqlite"
)

// copyDocument is what backup and restore print as JSON.
type copyDocument struct {
	From      string `json:"from"`
	To        string `json:"to"`
	Bytes     int64  `json:"bytes"`
	Entries   int64  `json:"entries"`
	Customers int64  `json:"customers"`
}

func (p *program) backupCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a verified copy of the ledger, also beside a running server",
		Long: "Backup writes the ledger as it is at one moment to FILE, which must not exist yet,\n" +
			"and proves the copy by every law before it says that it is done. The secret key\n" +
			"is not in the copy: keep " + secretKeyName + " apart from it.",
		Args: arguments("FILE"),
		RunE: func(command *cobra.Command, args []string) error {
			config, err := p.config(command)
			if err != nil {
				return err
			}
			if err := embeddedOnly(config, "backup", "use pg_basebackup or pg_dump"); err != nil {
				return err
			}
			made, err := p.backup(command.Context(), filepath.Join(config.DataDir, sqlite.FileName), args[0])
			if err != nil {
				return err
			}
			return p.writeCopy("Backed up", made)
		},
	}
	return p.outputFlag(optionFlags(command, "data-dir"))
}

func (p *program) backup(ctx context.Context, from, to string) (copyDocument, error) {
	if err := errors.Join(requireDatabase(from), requireDirectoryOf(to)); err != nil {
		return copyDocument{}, err
	}
	bar := p.progress("backup")
	err := sqlite.BackupFile(ctx, from, to, func(done, total int) { bar.set(int64(done), int64(total)) })
	bar.done()
	if dir := filepath.Dir(from); err != nil && unix.Access(dir, unix.W_OK) != nil {
		return copyDocument{}, fmt.Errorf("%w; reading beside a server needs the right to write into %s: "+
			"run this as the user of the server", err, dir)
	}
	if err != nil {
		return copyDocument{}, err
	}
	made, err := p.prove(ctx, from, to)
	if err != nil {
		// A copy that cannot be trusted must not lie about looking like one.
		return copyDocument{}, errors.Join(err, os.Rename(to, to+".broken"),
			fmt.Errorf("the copy was kept as %s.broken for inspection", to))
	}
	return made, nil
}

// prove verifies the copy at to: the file itself, then the ledger in it.
func (p *program) prove(ctx context.Context, from, to string) (made copyDocument, err error) {
	info, err := os.Stat(to)
	if err != nil {
		return copyDocument{}, err
	}
	defer func() { err = errors.Join(err, tidyCopy(to)) }()
	if err := sqlite.CheckFile(ctx, to); err != nil {
		return copyDocument{}, err
	}
	report, err := p.verifyFile(ctx, to)
	if err != nil {
		return copyDocument{}, err
	}
	if !report.Clean() {
		return copyDocument{}, fmt.Errorf("a law is broken in %s: %s", to, report.Findings[0])
	}
	return copyDocument{
		From: absolute(from), To: absolute(to), Bytes: info.Size(), Entries: report.Entries, Customers: report.Customers,
	}, nil
}

// tidyCopy removes what looking into a copy has left beside it: files that hold
// nothing, and that whoever removes old backups by their ending would miss.
func tidyCopy(path string) error {
	info, err := os.Stat(path + "-wal")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || info.Size() > 0 {
		return err
	}
	return errors.Join(os.Remove(path+"-wal"), os.Remove(path+"-shm"))
}

func (p *program) writeCopy(verb string, made copyDocument) error {
	if p.output == formatTable {
		_, err := fmt.Fprintf(p.stdout, "%s %s of %s (%s) to %s; every law holds in the copy.\n", verb,
			counted(made.Entries, "entry", "entries"), counted(made.Customers, "customer", "customers"),
			byteCount(made.Bytes), made.To)
		return err
	}
	return p.write(answer{
		columns: []string{"FROM", "TO", "BYTES", "ENTRIES", "CUSTOMERS"},
		rows: [][]string{{
			made.From, made.To, fmt.Sprint(made.Bytes), fmt.Sprint(made.Entries), fmt.Sprint(made.Customers),
		}},
		document: made,
	})
}

func (p *program) restoreCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup into an empty data directory, after proving it",
		Long: "Restore proves FILE by every law and puts it into the data directory, which must\n" +
			"hold no database yet. Nothing is left behind when it fails.",
		Args: arguments("FILE"),
		RunE: func(command *cobra.Command, args []string) error {
			config, err := p.config(command)
			if err != nil {
				return err
			}
			if err := embeddedOnly(config, "restore", "use the means of PostgreSQL"); err != nil {
				return err
			}
			made, err := p.restore(command.Context(), args[0], config.DataDir)
			if err != nil {
				return err
			}
			return p.writeCopy("Restored", made)
		},
	}
	return p.outputFlag(optionFlags(command, "data-dir"))
}

func (p *program) restore(ctx context.Context, from, dir string) (made copyDocument, err error) {
	if err := refuseOccupied(dir); err != nil {
		return copyDocument{}, err
	}
	if err := refuseNewer(from); err != nil {
		return copyDocument{}, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return copyDocument{}, fmt.Errorf("make the data directory: %w", err)
	}
	// The copy is proven, not the original: a disk that damages what it is
	// given is found here and not by the first customer.
	to := filepath.Join(dir, sqlite.FileName)
	partial := to + ".restoring"
	if err = copyFile(ctx, from, partial); errors.Is(err, fs.ErrExist) {
		return copyDocument{}, fmt.Errorf("restore: %w; another restore is at work there", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, removeDatabase(partial))
		}
	}()
	if err != nil {
		return copyDocument{}, fmt.Errorf("restore: %w", err)
	}
	made, err = p.prove(ctx, from, partial)
	if err != nil {
		return copyDocument{}, fmt.Errorf("%s was not restored: %w", from, err)
	}
	if err := settleCopy(partial, to); err != nil {
		return copyDocument{}, err
	}
	made.To = absolute(to)
	return made, errors.Join(removeDatabase(partial), syncDir(dir))
}

// settleCopy gives the proven copy its name too. A link, unlike a rename, never
// replaces a file: a server that was started during the proof has a ledger of
// its own under that name by now, with entries that it has acknowledged.
func settleCopy(partial, to string) error {
	err := os.Link(partial, to)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("restore: %s was made meanwhile; stop the server that runs there, "+
			"and restore into a new directory with --data-dir", to)
	}
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return nil
}

// bystanders may lie in a data directory that counts as empty.
var bystanders = []string{secretKeyName, checkpointKeyName, sqlite.LockName, "lost+found"}

func refuseOccupied(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look into the data directory: %w", err)
	}
	for _, entry := range entries {
		if !oneOf(entry.Name(), bystanders...) {
			return fmt.Errorf("the data directory %s is not empty (%s); restore into a new one with --data-dir, then serve from there",
				dir, entry.Name())
		}
	}
	return nil
}

// refuseNewer refuses what is no backup, and one of a newer Billfold.
func refuseNewer(path string) error {
	if err := requireFile(path, "name the backup to restore"); err != nil {
		return err
	}
	if !isDatabase(path) {
		return fmt.Errorf("%s is no backup of a ledger, or its beginning is damaged; restore another one", path)
	}
	applied, known, err := sqlite.Schema(path)
	switch {
	case err != nil:
		return fmt.Errorf("%s cannot be restored: %w", path, err)
	case len(applied) == 0:
		return fmt.Errorf("%s is no backup of a ledger; name one that `billfold backup` made", path)
	}
	_, err = schema.Pending(known, applied)
	return err
}

// isDatabase reports whether a file begins as every file of the engine does, or
// cannot be read, which the engine then says better.
func isDatabase(path string) bool {
	const magic = "SQLite format 3\x00"
	file, err := os.Open(path)
	if err != nil {
		return true
	}
	defer file.Close() //nolint:errcheck // it was only read
	head := make([]byte, len(magic))
	_, err = io.ReadFull(file, head)
	return err == nil && string(head) == magic
}

// copyFile copies a file durably to a name that nobody has; the copy is its
// owner's alone.
func copyFile(ctx context.Context, from, to string) (err error) {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, readerWithContext{ctx, source})
	if err == nil {
		err = target.Sync()
	}
	return errors.Join(err, target.Close())
}

// readerWithContext stops reading when its context ends.
type readerWithContext struct {
	ctx context.Context
	io.Reader
}

func (r readerWithContext) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// removeDatabase removes a database file and what the engine keeps beside it.
func removeDatabase(path string) error {
	var problems []error
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}
