package postgres

import (
	"context"
	"embed"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/schema"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migrations returns the steps that this binary knows, in order.
func Migrations() ([]schema.Migration, error) { return schema.Read(migrationFiles) }

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
func migrateOne(
	ctx context.Context, conn *pgx.Conn, steps []schema.Migration, logger *slog.Logger,
) (done bool, err error) {
	if done, err := upToDate(ctx, conn, steps); err != nil || done {
		return done, err
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, patience); err != nil {
			return err
		}
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
		if err != nil {
			return err
		}
		pending, err := schema.Pending(steps, applied)
		if err != nil || len(pending) == 0 {
			return err
		}
		step := pending[0]
		logger.Info("migrating the database", "version", step.Version, "name", step.Name)
		if _, err := tx.Exec(ctx, step.SQL, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("migration %04d_%s: %w", step.Version, step.Name, err)
		}
		const insert = `insert into schema_migrations (version, name, checksum) values ($1, $2, $3)`
		_, err = tx.Exec(ctx, insert, step.Version, step.Name, step.Checksum)
		return err
	})
	return false, err
}

// patience takes back the time-outs that somebody has set for the role: a step
// takes as long as the tables are large, and who waits for another has to.
const patience = `
	select set_config('lock_timeout', '0', true), set_config('statement_timeout', '0', true),
	       set_config('idle_in_transaction_session_timeout', '0', true)`

// migrationLock is the number of the lock that starting instances take turns
// with: "billfold" in ASCII.
const migrationLock = 0x62696c6c666f6c64

// upToDate reports whether the database has seen every step, and refuses one
// that belongs to another binary.
func upToDate(ctx context.Context, conn *pgx.Conn, steps []schema.Migration) (bool, error) {
	var there bool
	if err := conn.QueryRow(ctx, `select to_regclass('schema_migrations') is not null`).Scan(&there); err != nil || !there {
		return false, err
	}
	applied, err := appliedMigrations(ctx, conn)
	if err != nil {
		return false, err
	}
	pending, err := schema.Pending(steps, applied)
	return err == nil && len(pending) == 0, err
}

// appliedMigrations returns the steps that a database has seen, in order.
func appliedMigrations(ctx context.Context, q querier) ([]schema.Migration, error) {
	rows, err := q.Query(ctx, `select version, name, checksum from schema_migrations order by version`)
	if err != nil {
		return nil, fmt.Errorf("read schema_migrations: %w", err)
	}
	applied, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (m schema.Migration, err error) {
		err = row.Scan(&m.Version, &m.Name, &m.Checksum)
		return m, err
	})
	if err != nil {
		return nil, fmt.Errorf("read schema_migrations: %w", err)
	}
	return applied, nil
}

// querier is a connection or a transaction.
type querier interface {
	Query(ctx context.Context, query string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, query string, args ...any) pgx.Row
}
