package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// database is one that the run makes on the server that it was given, and
// drops at its end.
type database struct {
	server string // URL of the database that was given
	name   string
	url    string
}

// databaseTimeout bounds the making and dropping of a database.
const databaseTimeout = time.Minute

func createDatabase(ctx context.Context, server string) (*database, error) {
	address, err := parseAddress(server)
	if err != nil {
		return nil, err
	}
	d := &database{server: server, name: fmt.Sprintf("billfold_bench_%016x", rand.Uint64())}
	address.Path = "/" + d.name
	d.url = address.String()
	if err := d.exec(ctx, "create database "+d.name); err != nil {
		return nil, fmt.Errorf("make a database to measure in; the role needs the right to: %w", err)
	}
	return d, nil
}

func parseAddress(server string) (*url.URL, error) {
	address, err := url.Parse(server)
	if err != nil || (address.Scheme != "postgres" && address.Scheme != "postgresql") {
		return nil, errors.New("database-url: the bench needs an address of the form postgres://user:password@host/database")
	}
	return address, nil
}

// settle has the server write what filling has left unwritten, where the role
// may ask for that.
func (d *database) settle(ctx context.Context) error {
	if d == nil {
		return nil
	}
	err := d.exec(ctx, "checkpoint")
	const insufficientPrivilege = "42501"
	if refused := new(pgconn.PgError); errors.As(err, &refused) && refused.Code == insufficientPrivilege {
		return nil
	}
	return err
}

// drop removes the database, also when the run was interrupted.
func (d *database) drop() error {
	if d == nil {
		return nil
	}
	if err := d.exec(context.Background(), "drop database if exists "+d.name+" with (force)"); err != nil {
		return fmt.Errorf("remove the database %s: %w", d.name, err)
	}
	return nil
}

func (d *database) exec(ctx context.Context, statement string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, d.server)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	_, err = conn.Exec(ctx, statement)
	return err
}

// describeDatabase says which server it is and how it is set, as far as that
// decides about speed.
func describeDatabase(ctx context.Context, server string) (description string, err error) {
	ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return "", fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	const query = `
	  select format('PostgreSQL %s, shared_buffers %s, max_wal_size %s, fsync %s, synchronous_standby_names %L',
	                current_setting('server_version'), current_setting('shared_buffers'), current_setting('max_wal_size'),
	                current_setting('fsync'), current_setting('synchronous_standby_names'))`
	return description, conn.QueryRow(ctx, query).Scan(&description)
}
