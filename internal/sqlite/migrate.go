package sqlite

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"log/slog"
	"path"
	"strconv"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migration is one step of the schema. Steps only go forward, each runs once in
// a transaction of its own, and none is edited after it was released: its
// checksum is kept and compared at every start.
type Migration struct {
	Version  int
	Name     string
	Checksum string
	sql      string
}

// Migrations returns the steps that this binary knows, in order.
func Migrations() ([]Migration, error) {
	files, err := migrationFiles.ReadDir("migrations")
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	steps := make([]Migration, 0, len(files))
	for i, file := range files {
		text, err := migrationFiles.ReadFile(path.Join("migrations", file.Name()))
		if err != nil {
			return nil, fmt.Errorf("read migration: %w", err)
		}
		number, name, _ := strings.Cut(strings.TrimSuffix(file.Name(), ".sql"), "_")
		version, err := strconv.Atoi(number)
		if err != nil || version != i+1 {
			return nil, fmt.Errorf("migration %s: want number %04d", file.Name(), i+1)
		}
		sum := sha256.Sum256(text)
		steps = append(steps, Migration{
			Version:  version,
			Name:     name,
			Checksum: hex.EncodeToString(sum[:]),
			sql:      string(text),
		})
	}
	return steps, nil
}

// NewerSchemaError says that the file was written by a newer Billfold.
type NewerSchemaError struct {
	Version int // of the file
	Known   int // the newest that this binary knows
}

func (e *NewerSchemaError) Error() string {
	return fmt.Sprintf("the database has schema version %d and this binary knows only %d; use the newer binary, schemas never go back", e.Version, e.Known)
}

// migrate brings the schema up to date.
func migrate(conn *sqlite.Conn, logger *slog.Logger) error {
	steps, err := Migrations()
	if err != nil {
		return err
	}
	const create = `create table if not exists schema_migrations (
	  version    integer primary key,
	  name       text    not null,
	  checksum   text    not null,
	  applied_at integer not null
	) strict`
	if err := sqlitex.ExecuteTransient(conn, create, nil); err != nil {
		return fmt.Errorf("prepare migrations: %w", err)
	}
	applied, err := appliedMigrations(conn)
	if err != nil {
		return err
	}
	if len(applied) > len(steps) {
		return &NewerSchemaError{Version: len(applied), Known: len(steps)}
	}
	for i, step := range steps {
		if i < len(applied) {
			if applied[i].Checksum != step.Checksum {
				return fmt.Errorf("migration %04d_%s was applied with other text; the binary and the database do not belong together", step.Version, step.Name)
			}
			continue
		}
		logger.Info("migrating the database", "version", step.Version, "name", step.Name)
		if err := apply(conn, step); err != nil {
			return fmt.Errorf("migration %04d_%s: %w", step.Version, step.Name, err)
		}
	}
	return nil
}

// appliedMigrations returns the steps that a database has seen, in order.
func appliedMigrations(conn *sqlite.Conn) (applied []Migration, err error) {
	const query = `select version, name, checksum from schema_migrations order by version`
	err = sqlitex.ExecuteTransient(conn, query, &sqlitex.ExecOptions{
		ResultFunc: func(stmt *sqlite.Stmt) error {
			step := Migration{Version: stmt.ColumnInt(0), Name: stmt.ColumnText(1), Checksum: stmt.ColumnText(2)}
			if step.Version != len(applied)+1 {
				return fmt.Errorf("schema_migrations has version %d where %d belongs", step.Version, len(applied)+1)
			}
			applied = append(applied, step)
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read schema_migrations: %w", err)
	}
	return applied, nil
}

func apply(conn *sqlite.Conn, step Migration) (err error) {
	end, err := sqlitex.ImmediateTransaction(conn)
	if err != nil {
		return err
	}
	defer end(&err)
	if err := sqlitex.ExecuteScript(conn, step.sql, nil); err != nil {
		return err
	}
	const insert = `insert into schema_migrations (version, name, checksum, applied_at) values (?, ?, ?, ?)`
	return sqlitex.ExecuteTransient(conn, insert, &sqlitex.ExecOptions{
		Args: []any{step.Version, step.Name, step.Checksum, time.Now().UnixMicro()},
	})
}
