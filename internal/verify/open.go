package verify

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// fileName is the ledger file in a data directory.
const fileName = "billfold.db"

// cachePages bounds, in KiB, the page cache and with it the memory of the
// external sort.
const cacheKiB = 65536

// file is a ledger file in one read transaction.
type file struct {
	conn *sqlite.Conn
	path string

	// still is what the file was when it was opened without locks because
	// nobody else had it, nil when locks and a snapshot protect the run.
	still os.FileInfo
}

// openFile opens a ledger file for reading and begins a read transaction. It
// never makes or changes the ledger file.
func openFile(ctx context.Context, path string) (*file, error) {
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		path = filepath.Join(path, fileName)
		info, err = os.Stat(path)
	}
	if err != nil {
		return nil, fmt.Errorf("open the ledger: %w", err)
	}
	f := &file{path: path}
	if isOpen(path) {
		f.conn, err = connect(ctx, path, sqlite.OpenReadOnly)
	} else {
		// Nobody has the file, so it can be read as it lies. Sharing it would
		// leave files beside it that the next server has to be able to write.
		f.still = info
		immutable := (&url.URL{Scheme: "file", OmitHost: true, Path: absolute(path), RawQuery: "immutable=1"}).String()
		f.conn, err = connect(ctx, immutable, sqlite.OpenReadOnly|sqlite.OpenURI)
	}
	if err != nil {
		return nil, fmt.Errorf("open the ledger %s: %w", path, explain(err))
	}
	return f, nil
}

// isOpen reports whether there are files beside a database that hold commits
// or show that a process has it open.
func isOpen(path string) bool {
	for _, suffix := range []string{"-wal", "-journal"} {
		if _, err := os.Stat(path + suffix); err == nil {
			return true
		}
	}
	return false
}

func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}

func connect(ctx context.Context, path string, flags sqlite.OpenFlags) (*sqlite.Conn, error) {
	return prepared(ctx, path, flags, cacheKiB, "begin", "select count(*) from installation") // takes the snapshot
}

// prepared opens a connection that cannot write, with so large a cache, and runs
// statements on it.
func prepared(
	ctx context.Context, path string, flags sqlite.OpenFlags, cacheKiB int, statements ...string,
) (*sqlite.Conn, error) {
	conn, err := sqlite.OpenConn(path, flags)
	if err != nil {
		return nil, err
	}
	conn.SetBusyTimeout(5 * time.Second)
	conn.SetInterrupt(ctx.Done())
	statements = append([]string{"pragma query_only = on", fmt.Sprintf("pragma cache_size = -%d", cacheKiB)}, statements...)
	for _, statement := range statements {
		if err := sqlitex.ExecuteTransient(conn, statement, nil); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return conn, nil
}

// explain turns the engine's errors into what an operator can do.
func explain(err error) error {
	switch code := sqlite.ErrCode(err).ToPrimary(); {
	case code == sqlite.ResultNotADB, code == sqlite.ResultCorrupt:
		return fmt.Errorf("the file is damaged; restore it from a backup: %w", err)
	case code == sqlite.ResultError && strings.Contains(err.Error(), "no such table"):
		return fmt.Errorf("the file has no ledger, or one of another version: %w", err)
	case code == sqlite.ResultError && strings.Contains(err.Error(), "no such column"):
		return fmt.Errorf("the ledger has the schema of another version: %w", err)
	}
	return err
}

var errChanged = errors.New("a server was started on the ledger while it was read; run verify again")

// close ends the read transaction. It fails when what was read cannot be
// trusted.
func (f *file) close() error {
	if f == nil {
		return nil // was never open
	}
	f.conn.SetInterrupt(nil)
	err := f.conn.Close()
	if f.still == nil || err != nil {
		return err
	}
	info, err := os.Stat(f.path)
	if err != nil {
		return err
	}
	if isOpen(f.path) || info.Size() != f.still.Size() || !info.ModTime().Equal(f.still.ModTime()) {
		return errChanged
	}
	return nil
}

// number runs a query that returns one integer; null counts as 0.
func (f *file) number(query string, args ...any) (n int64, err error) {
	err = sqlitex.ExecuteTransient(f.conn, query, &sqlitex.ExecOptions{
		Args: args,
		ResultFunc: func(stmt *sqlite.Stmt) error {
			n = stmt.ColumnInt64(0)
			return nil
		},
	})
	return n, err
}
