package sqlite

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"zombiezen.com/go/sqlite"
)

const (
	// checkpointPages is how many pages may gather in the log before they are
	// copied into the main file. SQLite's own default; a larger one was not
	// faster and made longer pauses.
	checkpointPages = 1000

	// restartPages is the log's length from which a checkpoint waits for the
	// readers, so that a steady stream of them cannot let it grow for ever.
	restartPages = 16_384

	// restartWait is how long it waits. Every commit waits as long, and a
	// backup or verify holds its moment for minutes.
	restartWait = 100 * time.Millisecond
)

// checkpoint copies the log into the main file when enough has gathered. It
// runs after the callers have been answered. SQLite would do it by itself, but
// would not tell when the sync of the main file failed.
func (c *committer) checkpoint() {
	pages, copied, err := runCheckpoint(c.conn, "pragma wal_checkpoint(noop)") // only looks
	if err == nil && pages-copied < c.left+c.gather {
		return
	}
	if err == nil {
		pages, copied, err = runCheckpoint(c.conn, "pragma wal_checkpoint(passive)")
		c.left = pages - copied
	}
	switch {
	case err != nil:
	case pages > c.restartAt:
		// If a reader stays, the next try is not before the log is longer by
		// as much again.
		c.restartAt = pages + restartPages
		c.conn.SetBusyTimeout(restartWait)
		_, _, err = runCheckpoint(c.conn, "pragma wal_checkpoint(restart)")
		c.conn.SetBusyTimeout(busyWait)
	case pages <= restartPages:
		c.restartAt = restartPages
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

// LogFile is the log as settleLog sees it.
type LogFile interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Sync() error
}

// settleLog makes durable what a start finds in the log, before anybody reads
// it. Two kinds of commits are in the log and perhaps not on the disk:
//
//   - A process that was killed between writing a commit and syncing it leaves
//     one that can be read. To answer about it, to a repeat of its request for
//     instance, is to acknowledge it, and a power cut could take that back.
//   - Where a sync failed, the kernel has told of it once and counts the pages
//     that it could not write as clean: they are read from memory as they
//     should be, no later sync writes them, and a power cut leaves a hole in
//     the log, behind which the main file may already have newer pages.
//
// So every byte is written again, over itself, and then synced. A log that is
// cut off while this runs holds the bytes that it held before.
func settleLog(path string, open func(path string) (LogFile, error)) error {
	file, err := open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	// The engine's locks are on other files, so none is lost by closing this.
	if err := errors.Join(rewrite(file), file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("settle the log: %w", err)
	}
	return nil
}

// rewrite writes each byte of a file again at its place.
func rewrite(file LogFile) error {
	buffer := make([]byte, 1<<20)
	for at := int64(0); ; {
		n, err := file.ReadAt(buffer, at)
		if n > 0 {
			if _, err := file.WriteAt(buffer[:n], at); err != nil {
				return err
			}
			at += int64(n)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// runCheckpoint returns the length of the log in pages, and how many of them are copied
// into the main file.
func runCheckpoint(conn *sqlite.Conn, query string) (pages, copied int, err error) {
	stmt, err := conn.Prepare(query)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, stmt.Reset()) }()
	if _, err := stmt.Step(); err != nil {
		return 0, 0, err
	}
	return stmt.ColumnInt(1), stmt.ColumnInt(2), nil
}
