package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"zombiezen.com/go/sqlite"
)

const (
	// checkpointPages is how many pages, roughly, may gather in the log before
	// they are copied into the main file. SQLite's own default; a larger one
	// was not faster and made longer pauses.
	checkpointPages = 1000

	// restartPages is the log's length from which a checkpoint waits for the
	// readers, so that a steady stream of them cannot let it grow for ever.
	restartPages = 16_384
)

// checkpoint copies the log into the main file when enough has gathered. It
// runs after the callers have been answered. SQLite would do it by itself, but
// would not tell when the sync of the main file failed.
func (c *committer) checkpoint() {
	if c.logPages < checkpointPages {
		return
	}
	c.logPages = 0
	pages, err := runCheckpoint(c.conn, "pragma wal_checkpoint(passive)")
	if err == nil && pages > restartPages {
		_, err = runCheckpoint(c.conn, "pragma wal_checkpoint(restart)")
	}
	if err == nil {
		return
	}
	code := sqlite.ErrCode(err)
	if code.ToPrimary() == sqlite.ResultIOErr && code != sqlite.ResultIOErrWrite {
		c.die(err)
		return
	}
	// The pages stay in the log, where they are safe, and the next round tries
	// again; a full disk ends up here.
	c.db.config.Logger.Warn("the log could not be copied into the database file", "error", err)
}

// settleLog makes durable what a start finds in the log. A process that was
// killed after it wrote a commit and before it synced it leaves an entry that
// can be read and is not yet on the disk. To answer about it, to a repeat of
// its request for instance, is to acknowledge it, and a power cut could take
// that back.
func settleLog(conn *sqlite.Conn, path string) error {
	if err := syncLog(path); err != nil {
		return err
	}
	// Where a sync failed before the last process ended, the kernel has told
	// its error once, and counts the pages that it could not write as clean.
	// To copy them into the main file is to write them anew. A disk too full
	// for that is no reason not to start.
	_, err := runCheckpoint(conn, "pragma wal_checkpoint(passive)")
	if err != nil && sqlite.ErrCode(err).ToPrimary() != sqlite.ResultFull {
		return fmt.Errorf("copy the log into the database file: %w", err)
	}
	return nil
}

// syncLog syncs the log of a database file, if there is one. The engine's locks
// are on other files, so none is lost when this handle is closed.
func syncLog(path string) error {
	file, err := os.OpenFile(path+"-wal", os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("sync the log: %w", err)
	}
	return nil
}

// runCheckpoint returns the length of the log in pages.
func runCheckpoint(conn *sqlite.Conn, query string) (pages int, err error) {
	stmt, err := conn.Prepare(query)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, stmt.Reset()) }()
	if _, err := stmt.Step(); err != nil {
		return 0, err
	}
	return stmt.ColumnInt(1), nil
}
