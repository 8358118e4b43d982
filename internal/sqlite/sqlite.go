// Package sqlite is the embedded store: one SQLite file in one directory, owned
// by one process, written by one goroutine.
//
// SQLite is used as a log with tables. Entries are appended and never touched
// again; a wallet's row is written once per commit; lists walk from an entry to
// the one before it. What a decision needs of a customer is held in memory as a
// cache that can be rebuilt from the file at any moment. Many commands share
// one transaction and one sync of the disk, see committer.
//
// The file is in WAL mode with synchronous=FULL, which is read back at start:
// an acknowledged entry survives a power cut.
package sqlite

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/internal/walletrow"
)

// The names of the files in the data directory.
const (
	FileName = "billfold.db"
	LockName = "billfold.lock"
)

// Config says where the store is and how much it may use.
type Config struct {
	// Dir is the data directory. It is made when it does not exist.
	Dir string

	// Logger receives what an operator should know. Nil discards it.
	Logger *slog.Logger

	// Metrics receives the store's metrics. Nil keeps none.
	Metrics prometheus.Registerer

	// CustomersCached is how many customers' states are kept in memory, about
	// 700 bytes each. 0 means 131,072.
	CustomersCached int

	// ReadersMax is how many reads may run at once; more wait. 0 means one for
	// each processor, at least two.
	ReadersMax int

	// QueueMax is how many commands may wait for a commit; more are refused
	// with CodeOverloaded. 0 means 65,536.
	QueueMax int

	// LotsInRow is about how many lots that can expire are written out in a wallet's
	// row, where there are more. 0 means [walletrow.LotsInRow]; tests have few.
	LotsInRow int

	// Synchronous is the sync level, FULL unless a test of power cuts proves
	// with NORMAL that the test can tell the difference.
	Synchronous string

	// OpenLog opens the log that an earlier process left, see settleLog. Nil
	// asks the operating system; a test whose disk is a model gives its own.
	OpenLog func(path string) (LogFile, error)
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.CustomersCached <= 0 {
		c.CustomersCached = 131_072
	}
	if c.ReadersMax <= 0 {
		c.ReadersMax = max(2, runtime.GOMAXPROCS(0))
	}
	if c.QueueMax <= 0 {
		c.QueueMax = 65_536
	}
	if c.LotsInRow <= 0 {
		c.LotsInRow = walletrow.LotsInRow
	}
	if c.Synchronous == "" {
		c.Synchronous = "FULL"
	}
	if c.OpenLog == nil {
		c.OpenLog = func(path string) (LogFile, error) { return os.OpenFile(path, os.O_RDWR, 0) }
	}
	return c
}

// DB is an open store. It implements ledger.Store and access.Store.
type DB struct {
	config     Config
	path       string
	lock       *os.File
	committer  *committer
	readers    *readers
	keys       *keyIndex
	tenants    *tenants
	reportLots reportLots
	closeOnce  sync.Once
	closeErr   error
}

// Open opens the store in a data directory, makes it when it is not there, and
// brings its schema up to date. It refuses a directory that another process
// holds, a file system without locks, a newer schema, and a file whose sync
// level does not read back as it was set.
func Open(ctx context.Context, config Config) (*DB, error) {
	config = config.withDefaults()
	lock, err := lockDir(config.Dir)
	if err != nil {
		return nil, err
	}
	db, err := open(ctx, config)
	if err == nil {
		err = writeHolder(lock, true)
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	db.lock = lock
	db.committer.queue.Start()
	return db, nil
}

func open(ctx context.Context, config Config) (_ *DB, err error) {
	path := filepath.Join(config.Dir, FileName)
	if err := settleLog(path+"-wal", config.OpenLog); err != nil {
		return nil, explain(path, err)
	}
	conn, err := openWriter(path, config.Synchronous)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, conn.Close())
		}
	}()
	if err := migrate(conn, config.Logger); err != nil {
		return nil, explain(path, err)
	}
	if err := refuseUnfinished(conn); err != nil {
		return nil, fmt.Errorf("the data directory %s: %w", config.Dir, err)
	}
	if err := syncDir(config.Dir); err != nil {
		return nil, err
	}
	secret, err := installationSecret(conn)
	if err != nil {
		return nil, explain(path, err)
	}
	keys, err := openKeyIndex(conn, secret)
	if err != nil {
		return nil, explain(path, fmt.Errorf("open the idempotency index: %w", err))
	}
	tenants, err := loadTenants(conn)
	if err != nil {
		return nil, explain(path, err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	readers, err := openReaders(path, config.ReadersMax)
	if err != nil {
		return nil, explain(path, err)
	}
	db := &DB{config: config, path: path, readers: readers, keys: keys, tenants: tenants}
	db.committer, err = newCommitter(db, conn)
	if err != nil {
		return nil, errors.Join(err, readers.close())
	}
	return db, nil
}

// openWriter opens the one connection that writes.
func openWriter(path, synchronous string) (*sqlite.Conn, error) {
	if err := keepPlans(); err != nil {
		return nil, err
	}
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate|sqlite.OpenWAL)
	if err != nil {
		return nil, explain(path, err)
	}
	if err := setWriterPragmas(conn, synchronous); err != nil {
		return nil, errors.Join(explain(path, err), conn.Close())
	}
	return conn, nil
}

// busyWait is how long a connection waits for locks that other processes, such
// as a backup's, hold for a moment.
const busyWait = 5 * time.Second

func setWriterPragmas(conn *sqlite.Conn, synchronous string) error {
	conn.SetBusyTimeout(busyWait)
	pragmas := []string{
		"pragma synchronous = " + synchronous,
		"pragma cache_size = -65536",
		// The committer runs checkpoints itself, because SQLite's own hides
		// a failed sync of the main file.
		"pragma wal_autocheckpoint = 0",
		// A log that grew long behind a reader is cut when it is begun anew: a
		// start writes all of the file again, see settleLog.
		"pragma journal_size_limit = 8388608",
		"pragma foreign_keys = off",
	}
	for _, pragma := range pragmas {
		if err := sqlitex.ExecuteTransient(conn, pragma, nil); err != nil {
			return fmt.Errorf("%s: %w", pragma, err)
		}
	}
	if mode, err := textOf(conn, "pragma journal_mode"); err != nil || mode != "wal" {
		return fmt.Errorf("journal_mode reads back as %q, want wal (%w)", mode, errOr(err, errUnsafe))
	}
	want := map[string]int64{"FULL": 2, "NORMAL": 1, "EXTRA": 3}[synchronous]
	if level, err := numberOf(conn, "pragma synchronous"); err != nil || level != want {
		return fmt.Errorf("synchronous reads back as %d, want %d (%w)", level, want, errOr(err, errUnsafe))
	}
	return nil
}

var errUnsafe = errors.New("the storage engine would not keep what it acknowledges")

func errOr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// installationSecret returns the secret that keys the hashes of the
// idempotency index, and makes it at the first start.
func installationSecret(conn *sqlite.Conn) (secret [32]byte, err error) {
	if _, err = rand.Read(secret[:]); err != nil {
		return secret, fmt.Errorf("read randomness: %w", err)
	}
	const insert = `insert into installation (no, created_at, secret) values (1, ?, ?) on conflict do nothing`
	err = sqlitex.Execute(conn, insert, &sqlitex.ExecOptions{Args: []any{time.Now().UnixMicro(), secret[:]}})
	if err != nil {
		return secret, fmt.Errorf("write installation: %w", err)
	}
	err = sqlitex.Execute(conn, `select secret from installation where no = 1`, &sqlitex.ExecOptions{
		ResultFunc: func(stmt *sqlite.Stmt) error {
			stmt.ColumnBytes(0, secret[:])
			return nil
		},
	})
	return secret, err
}

// Fatal is closed when the store can no longer promise anything, because a sync
// of the disk failed: the process must stop and start again from the file.
func (db *DB) Fatal() <-chan struct{} { return db.committer.fatal }

// Path is the database file.
func (db *DB) Path() string { return db.path }

// Close finishes what was accepted, empties the log into the main file and
// lets go of the directory. It may be called more than once.
func (db *DB) Close() error {
	db.closeOnce.Do(func() {
		// Readers go first: the writer, as the last connection, then empties
		// the log into the main file.
		db.committer.queue.Stop()
		db.closeErr = errors.Join(db.readers.close(), db.committer.close(), db.lock.Close())
	})
	return db.closeErr
}

func textOf(conn *sqlite.Conn, query string) (text string, err error) {
	err = sqlitex.ExecuteTransient(conn, query, &sqlitex.ExecOptions{
		ResultFunc: func(stmt *sqlite.Stmt) error {
			text = stmt.ColumnText(0)
			return nil
		},
	})
	return text, err
}

func numberOf(conn *sqlite.Conn, query string) (number int64, err error) {
	err = sqlitex.ExecuteTransient(conn, query, &sqlitex.ExecOptions{
		ResultFunc: func(stmt *sqlite.Stmt) error {
			number = stmt.ColumnInt64(0)
			return nil
		},
	})
	return number, err
}
