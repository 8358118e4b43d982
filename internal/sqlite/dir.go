package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// lockDir makes the data directory and takes its lock, which the kernel lets
// go of when the process ends, however it ends.
func lockDir(dir string) (*os.File, error) {
	if dir == "" {
		return nil, errors.New("no data directory given; set --data-dir")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	if err := refuseNetworkFileSystem(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, LockName)
	lock, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the data directory %s is not writable: %w", dir, err)
	}
	err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		holder, _ := os.ReadFile(path) // who it is only helps the message
		return nil, errors.Join(&LockedError{Dir: dir, Holder: holderOf(holder)}, lock.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock the data directory %s: %w", dir, err), lock.Close())
	}
	text, err := os.ReadFile(path)
	if err == nil && strings.Contains(string(text), ledgerMark) {
		err = refuseEmptied(dir)
	}
	if err == nil {
		err = writeHolder(lock, strings.Contains(string(text), ledgerMark))
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

// ledgerMark is a line in the lock file of a directory that has had a ledger.
const ledgerMark = "this directory has a ledger\n"

// refuseEmptied refuses a directory whose ledger is gone: to begin a new one in
// its place would hide the loss until somebody misses their money.
func refuseEmptied(dir string) error {
	path := filepath.Join(dir, FileName)
	for _, name := range []string{path, path + "-wal"} {
		info, err := os.Stat(name)
		if err == nil && info.Size() > 0 {
			return nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("look at the database file: %w", err)
		}
	}
	return fmt.Errorf("the database file %s is gone or empty, and this directory has had a ledger; restore the last backup "+
		"with `billfold restore` into a new directory, or remove %s to begin a new ledger here", path, filepath.Join(dir, LockName))
}

// writeHolder says in the lock file who holds the directory, and whether it has
// a ledger.
func writeHolder(lock *os.File, ledger bool) error {
	text := fmt.Appendf(nil, "process %d\n", os.Getpid())
	if ledger {
		text = append(text, ledgerMark...)
	}
	if err := lock.Truncate(0); err != nil {
		return fmt.Errorf("write the lock file: %w", err)
	}
	if _, err := lock.WriteAt(text, 0); err != nil {
		return fmt.Errorf("write the lock file: %w", err)
	}
	return nil
}

// holderOf is the first line of a lock file, such as "process 4711".
func holderOf(text []byte) string {
	holder, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(holder)
}

// LockedError says that another process owns the data directory.
type LockedError struct {
	Dir    string
	Holder string // such as "process 4711", empty when unknown
}

func (e *LockedError) Error() string {
	holder := e.Holder
	if holder == "" {
		holder = "another process"
	}
	return fmt.Sprintf("the data directory %s is in use by %s; stop it first, or give this one another --data-dir", e.Dir, holder)
}

// refuseNetworkFileSystem refuses file systems on which SQLite's locks or
// shared memory do not work.
func refuseNetworkFileSystem(dir string) error {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return fmt.Errorf("look at the file system of %s: %w", dir, err)
	}
	if name, ok := networkFileSystems[int64(stat.Type)]; ok {
		return fmt.Errorf("the data directory %s is on %s, which has no reliable locks; use a local disk", dir, name)
	}
	return nil
}

var networkFileSystems = map[int64]string{
	unix.NFS_SUPER_MAGIC:  "NFS",
	unix.SMB_SUPER_MAGIC:  "SMB",
	unix.SMB2_SUPER_MAGIC: "SMB",
	unix.CIFS_SUPER_MAGIC: "CIFS",
	unix.AFS_SUPER_MAGIC:  "AFS",
	unix.CEPH_SUPER_MAGIC: "CephFS",
	unix.V9FS_MAGIC:       "9P",
}

// syncDir makes the names of new files in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open the data directory: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}

// refuseReadOnly fails when the file system of an open file has turned
// read-only. Linux turns one that is broken read-only, still takes writes to
// files that are open, and then answers a sync on ext4 with success without
// doing anything. Seen after a sync, the mark says that the sync may be worth
// nothing.
func refuseReadOnly(file *os.File) error {
	var stat unix.Statfs_t
	if err := unix.Fstatfs(int(file.Fd()), &stat); err != nil {
		return fmt.Errorf("look at the file system: %w", err)
	}
	if stat.Flags&unix.ST_RDONLY != 0 {
		return errors.New("the file system has turned read-only")
	}
	return nil
}
