package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"zombiezen.com/go/sqlite"

	"github.com/billfold/billfold/internal/schema"
)

// The functions of this file look at a store without owning its directory, so
// that they work beside a running server and change nothing.

// Schema returns the steps that a database file has seen and all steps that
// this binary knows. A file that is not there has seen none.
func Schema(path string) (applied, known []schema.Migration, err error) {
	known, err = Migrations()
	if err != nil {
		return nil, nil, err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, known, nil
	}
	conn, err := openReader(path)
	if err != nil {
		return nil, nil, explain(path, err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	applied, err = appliedMigrations(conn)
	if err != nil {
		return nil, nil, explain(path, err)
	}
	return applied, known, nil
}

// CheckDurability opens the database in a directory as the writer does and
// reads back the settings without which an acknowledged entry could be lost.
func CheckDurability(dir string) (err error) {
	path := filepath.Join(dir, FileName)
	// The reader is closed last. A writer that is the last to close would copy
	// the log into the main file, which is for a start to do, see settleLog.
	reader, err := openReader(path)
	if err != nil {
		return explain(path, err)
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenWAL)
	if err != nil {
		return explain(path, err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return setWriterPragmas(conn, "FULL")
}

// CheckFile lets the engine check a database file: each page is where it
// belongs, each index agrees with its table, each constraint holds. It knows
// nothing of the ledger's laws, as verify knows nothing of pages that no law
// speaks of.
func CheckFile(ctx context.Context, path string) (err error) {
	conn, err := openReader(path)
	if err != nil {
		return explain(path, err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	conn.SetInterrupt(ctx.Done())
	verdict, err := textOf(conn, "pragma integrity_check(1)")
	if err != nil {
		return explain(path, err)
	}
	if verdict != "ok" {
		return fmt.Errorf("the database file %s is damaged: %s", path, strings.ReplaceAll(verdict, "\n", " "))
	}
	return nil
}

// LockHolder returns who holds a data directory, such as "process 4711", and
// "" when nobody does.
func LockHolder(dir string) (holder string, err error) {
	path := filepath.Join(dir, LockName)
	lock, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look at the lock file: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	err = unix.Flock(int(lock.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return "", err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the lock file: %w", err)
	}
	if holder = holderOf(text); holder == "" {
		holder = "another process"
	}
	return holder, nil
}

// FileSystem is what matters about the file system of a directory.
type FileSystem struct {
	Name      string // such as "ext4", or a number when it is not a common one
	FreeBytes int64  // for an unprivileged user

	// Network says that its locks do not protect a database; Volatile that it
	// forgets everything with the machine or the container.
	Network  bool
	Volatile bool
}

// FileSystemOf looks at the file system of a directory.
func FileSystemOf(dir string) (FileSystem, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return FileSystem{}, fmt.Errorf("look at the file system of %s: %w", dir, err)
	}
	magic := int64(stat.Type)
	found := FileSystem{FreeBytes: int64(stat.Bavail) * stat.Bsize}
	switch magic {
	case unix.TMPFS_MAGIC, unix.RAMFS_MAGIC:
		found.Volatile = true
	}
	if name, ok := networkFileSystems[magic]; ok {
		found.Name, found.Network = name, true
		return found, nil
	}
	names := map[int64]string{
		unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs", unix.BTRFS_SUPER_MAGIC: "btrfs",
		unix.F2FS_SUPER_MAGIC: "f2fs", unix.TMPFS_MAGIC: "tmpfs", unix.RAMFS_MAGIC: "ramfs",
		unix.OVERLAYFS_SUPER_MAGIC: "overlayfs", 0x2fc12fc1: "zfs",
	}
	found.Name = names[magic]
	if found.Name == "" {
		found.Name = fmt.Sprintf("type %#x", magic)
	}
	return found, nil
}

// OverdueTransfers counts the transfers in a database file that have been in
// transit since a time or longer.
func OverdueTransfers(ctx context.Context, path string, since time.Time) (count int64, err error) {
	conn, err := openReader(path)
	if err != nil {
		return 0, explain(path, err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	conn.SetInterrupt(ctx.Done())
	stmt, err := conn.Prepare(`select count(*) from transfers where state = 'in_transit' and created_at <= ?`)
	if err != nil {
		return 0, explain(path, err)
	}
	defer resetting(stmt, &err)
	stmt.BindInt64(1, since.UnixMicro())
	if _, err = stmt.Step(); err == nil {
		count = stmt.ColumnInt64(0)
	}
	return count, err
}
