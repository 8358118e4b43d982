package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"zombiezen.com/go/sqlite"
)

// backupStep is how many pages a backup copies before it reports.
const backupStep = 2048

// Backup writes the ledger as it is at one moment to a new file, while the
// store goes on working. The copy is an exact prefix of the commits. It is
// synced before Backup returns, and appears under its name only when it is
// whole. Progress may be nil.
func (db *DB) Backup(ctx context.Context, to string, progress func(done, total int)) error {
	return BackupFile(ctx, db.path, to, progress)
}

// BackupFile is Backup for a file that any process may have open.
func BackupFile(ctx context.Context, from, to string, progress func(done, total int)) (err error) {
	if _, err := os.Stat(to); err == nil {
		return fmt.Errorf("%s exists already; a backup never overwrites", to)
	}
	partial := to + ".partial"
	if err := os.Remove(partial); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove an unfinished backup: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, removeIfThere(partial))
		}
	}()
	if err := copyPages(ctx, from, partial, progress); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	if err := syncFile(partial); err != nil {
		return err
	}
	if err := os.Rename(partial, to); err != nil {
		return fmt.Errorf("name the backup: %w", err)
	}
	return syncDir(filepath.Dir(to))
}

func copyPages(ctx context.Context, from, to string, progress func(done, total int)) (err error) {
	source, err := openReader(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	// The read transaction holds the moment: without it every commit of the
	// server would begin the copy again.
	return inReadTransaction(source, func(source *sqlite.Conn) error {
		if _, err := numberOf(source, `select count(*) from businesses`); err != nil {
			return err
		}
		target, err := sqlite.OpenConn(to, sqlite.OpenReadWrite|sqlite.OpenCreate)
		if err != nil {
			return err
		}
		return errors.Join(copyAll(ctx, source, target, progress), target.Close())
	})
}

func copyAll(ctx context.Context, source, target *sqlite.Conn, progress func(done, total int)) error {
	backup, err := sqlite.NewBackup(target, "main", source, "main")
	if err != nil {
		return err
	}
	for {
		more, err := backup.Step(backupStep)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return errors.Join(err, backup.Close())
		}
		if progress != nil {
			progress(backup.PageCount()-backup.Remaining(), backup.PageCount())
		}
		if !more {
			return backup.Close()
		}
	}
}

func syncFile(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open the backup: %w", err)
	}
	return errors.Join(file.Sync(), file.Close())
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
