package sqlite

import (
	"embed"
	"fmt"
	"log/slog"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/internal/schema"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migrations returns the steps that this binary knows, in order.
func Migrations() ([]schema.Migration, error) { return schema.Read(migrationFiles) }

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
	pending, err := schema.Pending(steps, applied)
	if err != nil {
		return err
	}
	for _, step := range pending {
		logger.Info("migrating the database", "version", step.Version, "name", step.Name)
		if err := apply(conn, step); err != nil {
			return fmt.Errorf("migration %04d_%s: %w", step.Version, step.Name, err)
		}
	}
	return nil
}

// appliedMigrations returns the steps that a database has seen, in order.
func appliedMigrations(conn *sqlite.Conn) (applied []schema.Migration, err error) {
	const query = `select version, name, checksum from schema_migrations order by version`
	err = sqlitex.ExecuteTransient(conn, query, &sqlitex.ExecOptions{
		ResultFunc: func(stmt *sqlite.Stmt) error {
			applied = append(applied, schema.Migration{
				Version: stmt.ColumnInt(0), Name: stmt.ColumnText(1), Checksum: stmt.ColumnText(2),
			})
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read schema_migrations: %w", err)
	}
	return applied, nil
}

func apply(conn *sqlite.Conn, step schema.Migration) (err error) {
	end, err := sqlitex.ImmediateTransaction(conn)
	if err != nil {
		return err
	}
	defer end(&err)
	if err := sqlitex.ExecuteScript(conn, step.SQL, nil); err != nil {
		return err
	}
	const insert = `insert into schema_migrations (version, name, checksum, applied_at) values (?, ?, ?, ?)`
	return sqlitex.ExecuteTransient(conn, insert, &sqlitex.ExecOptions{
		Args: []any{step.Version, step.Name, step.Checksum, time.Now().UnixMicro()},
	})
}
