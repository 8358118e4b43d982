package postgres

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
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
		checksum := hex.EncodeToString(sum[:])
		steps = append(steps, Migration{Version: version, Name: name, Checksum: checksum, sql: string(text)})
	}
	return steps, nil
}

// NewerSchemaError says that the database was written by a newer Billfold.
type NewerSchemaError struct {
	Version int // of the database
	Known   int // the newest that this binary knows
}

func (e *NewerSchemaError) Error() string {
	return fmt.Sprintf("the database has schema version %d and this binary knows only %d; use the newer binary, schemas never go back", e.Version, e.Known)
}

// migrate brings the schema up to date. Instances that start together take
// turns: each step waits for the lock of the table that records the steps.
func migrate(ctx context.Context, conn *pgx.Conn, logger *slog.Logger) error {
	steps, err := Migrations()
	if err != nil {
		return err
	}
	for {
		done, err := migrateOne(ctx, conn, steps, logger)
		if err != nil {
			return err
		}
		if done {
			return nil
		}
	}
}

// migrateOne takes the first step that the database has not seen, and reports
// whether there was none.
func migrateOne(ctx context.Context, conn *pgx.Conn, steps []Migration, logger *slog.Logger) (done bool, err error) {
	if done, err := upToDate(ctx, conn, steps); err != nil || done {
		return done, err
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		// Two that create a table at once collide even with "if not exists".
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock($1)`, migrationLock); err != nil {
			return err
		}
		const create = `
		  create table if not exists schema_migrations (
		    version    integer     not null primary key,
		    name       text        not null,
		    checksum   text        not null,
		    applied_at timestamptz not null default now()
		  )`
		if _, err := tx.Exec(ctx, create); err != nil {
			return err
		}
		applied, err := appliedMigrations(ctx, tx)
		if err != nil || len(applied) >= len(steps) {
			return err
		}
		step := steps[len(applied)]
		logger.Info("migrating the database", "version", step.Version, "name", step.Name)
		if _, err := tx.Exec(ctx, step.sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("migration %04d_%s: %w", step.Version, step.Name, err)
		}
		const insert = `insert into schema_migrations (version, name, checksum) values ($1, $2, $3)`
		_, err = tx.Exec(ctx, insert, step.Version, step.Name, step.Checksum)
		return err
	})
	return false, err
}

// migrationLock is the number of the lock that starting instances take turns
// with: "billfold" in ASCII.
const migrationLock = 0x62696c6c666f6c64

// upToDate reports whether the database has seen every step, and refuses one
// that belongs to another binary.
func upToDate(ctx context.Context, conn *pgx.Conn, steps []Migration) (bool, error) {
	var there bool
	if err := conn.QueryRow(ctx, `select to_regclass('schema_migrations') is not null`).Scan(&there); err != nil || !there {
		return false, err
	}
	applied, err := appliedMigrations(ctx, conn)
	if err != nil {
		return false, err
	}
	if len(applied) > len(steps) {
		return false, &NewerSchemaError{Version: len(applied), Known: len(steps)}
	}
	for i, step := range applied {
		if step.Checksum != steps[i].Checksum {
			return false, fmt.Errorf("migration %04d_%s was applied with other text; the binary and the database do not belong together", step.Version, step.Name)
		}
	}
	return len(applied) == len(steps), nil
}

// appliedMigrations returns the steps that a database has seen, in order.
func appliedMigrations(ctx context.Context, q querier) ([]Migration, error) {
	rows, err := q.Query(ctx, `select version, name, checksum from schema_migrations order by version`)
	if err != nil {
		return nil, fmt.Errorf("read schema_migrations: %w", err)
	}
	applied, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (m Migration, err error) {
		err = row.Scan(&m.Version, &m.Name, &m.Checksum)
		return m, err
	})
	if err != nil {
		return nil, fmt.Errorf("read schema_migrations: %w", err)
	}
	for i, step := range applied {
		if step.Version != i+1 {
			return nil, errors.New("schema_migrations has a gap")
		}
	}
	return applied, nil
}

// querier is a connection or a transaction.
type querier interface {
	Query(ctx context.Context, query string, args ...any) (pgx.Rows, error)
}
