// Package postgres is the store for several instances: any number of processes
// may serve one PostgreSQL database at once.
//
// A transaction locks the rows of the customers that it is about, in the order
// of their keys, and then reads what it decides on; so decisions on a customer
// are taken one after the other, by whichever instance. Many commands share one
// transaction and one sync, see committer. Nothing is remembered from one
// transaction to the next: the database is the only truth.
//
// Every transaction says for itself how durable its commit has to be and how
// long it may wait, so a pooler may give it any connection.
package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/billfold/billfold/internal/groupcommit"
	"github.com/billfold/billfold/internal/walletrow"
)

// Config says which database to use and how much of it.
type Config struct {
	// URL is a connection string of PostgreSQL. It may name several hosts; a
	// server that does not take writes is passed over.
	URL string

	// Logger receives what an operator should know. Nil discards it.
	Logger *slog.Logger

	// Metrics receives the store's metrics. Nil keeps none.
	Metrics prometheus.Registerer

	// ConnectionsMax is how many connections are kept at the most. 0 means 16,
	// and 48 on a sharded installation.
	ConnectionsMax int

	// CommittersMax is how many transactions of ledger entries may run at
	// once. Each takes the customers that fall to it, so that one customer's
	// commands never wait for each other in the database. 0 means 2, and 64 on
	// a sharded installation.
	CommittersMax int

	// QueueMax is how many commands may wait for a commit; more are refused
	// with CodeOverloaded. 0 means 65,536.
	QueueMax int

	// CommitWithin bounds one try of a transaction; a database that takes
	// longer is treated as one whose answer was lost. 0 means 10 seconds.
	CommitWithin time.Duration

	// LotsInRow is about how many lots that can expire are written out in a wallet's
	// row, where there are more. 0 means [walletrow.LotsInRow]; tests have few.
	LotsInRow int

	// ReplicaApplies asks each commit to wait until the synchronous standby
	// shows it, not only keeps it.
	ReplicaApplies bool
}

func (c Config) withDefaults(sharded bool) Config {
	connections, committers := 16, 2
	if sharded {
		connections, committers = shardedConnectionsMax, shardedCommittersMax
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.ConnectionsMax <= 0 {
		c.ConnectionsMax = connections
	}
	if c.CommittersMax <= 0 {
		c.CommittersMax = committers
	}
	if c.LotsInRow <= 0 {
		c.LotsInRow = walletrow.LotsInRow
	}
	if c.QueueMax <= 0 {
		c.QueueMax = 65_536
	}
	if c.CommitWithin <= 0 {
		c.CommitWithin = 10 * time.Second
	}
	return c
}

// DB is an open store. It implements ledger.Store and access.Store.
type DB struct {
	config     Config
	sharded    bool                   // see sharded.go
	shards     atomic.Pointer[shards] // nil: they are not known
	pool       *pgxpool.Pool
	committers []*committer
	tenants    tenants
	places     places // for everything but entries and the look-up of keys
	writers    places // of those, for what changes something
	updates    turns
	meter      groupcommit.Meter

	feedHorizon string // feedHorizonQuery, but in a test that shows what it is for
}

// Open connects to the database, refuses a server that would not keep what it
// acknowledges, and brings the schema up to date.
func Open(ctx context.Context, config Config) (*DB, error) {
	settings, err := parse(config.URL)
	if err != nil {
		return nil, err
	}
	at := address(settings.ConnConfig)
	db := &DB{feedHorizon: feedHorizonQuery}
	db.sharded, err = prepare(ctx, settings.ConnConfig, cmp.Or(config.Logger, slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL at %s: %w", at, err)
	}
	db.config = config.withDefaults(db.sharded)
	db.makePlaces()
	db.meter = groupcommit.NewMeter(config.Metrics)
	settings.MaxConns = int32(db.config.ConnectionsMax)
	settings.MinConns = 1
	settings.MaxConnIdleTime = 5 * time.Minute
	settings.PingTimeout = pingTimeout
	settings.ConnConfig.OnNotice = keepWarning
	settings.AfterConnect = db.admit
	if db.pool, err = pgxpool.NewWithConfig(ctx, settings); err != nil {
		return nil, fmt.Errorf("PostgreSQL at %s: %w", at, err)
	}
	for range db.config.CommittersMax {
		db.committers = append(db.committers, newCommitter(db))
	}
	return db, nil
}

const (
	// connectTimeout bounds how long a new connection may take to be made.
	connectTimeout = 3 * time.Second

	// pingTimeout is how long an idle connection has to show that it lives.
	pingTimeout = time.Second
)

// Address is where the database of a connection string is, without the
// credentials; the text "PostgreSQL" when it is none.
func Address(url string) string {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return "PostgreSQL"
	}
	return "postgres://" + address(config)
}

// parse reads a connection string.
func parse(url string) (*pgxpool.Config, error) {
	settings, err := pgxpool.ParseConfig(url)
	if err != nil {
		// The error of the parser may quote the password.
		return nil, errors.New("database-url: it is not a connection string of PostgreSQL, such as postgres://user:password@host/database")
	}
	settings.ConnConfig.ConnectTimeout = connectTimeout
	if several(settings.ConnConfig) && settings.ConnConfig.ValidateConnect == nil {
		settings.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	parameters := settings.ConnConfig.RuntimeParams
	if given := parameters["application_name"]; given == "" || given == instanceName {
		parameters["application_name"] = instanceName
	} else {
		parameters["application_name"] = instanceName + ": " + given
	}
	speak(parameters)
	return settings, nil
}

// several reports whether an address names more than one host. The driver lists
// one twice that it may reach with TLS or without.
func several(config *pgx.ConnConfig) bool {
	return slices.ContainsFunc(config.Fallbacks, func(other *pgconn.FallbackConfig) bool {
		return other.Host != config.Host || other.Port != config.Port
	})
}

// instanceName is the application name of every session of an instance, or its
// beginning where the address asks for a name: a copy looks for it.
const instanceName = "billfold"

// speak makes a session speak UTF-8 and write times as the driver reads them,
// whatever the role or the database is set to. Poolers know these parameters.
func speak(parameters map[string]string) {
	parameters["client_encoding"], parameters["datestyle"] = "UTF8", "ISO"
}

// address is where a database is, without the credentials.
func address(config *pgx.ConnConfig) string {
	return fmt.Sprintf("%s:%d/%s", config.Host, config.Port, config.Database)
}

// prepare brings the schema up to date and reports whether it is sharded.
func prepare(ctx context.Context, settings *pgx.ConnConfig, logger *slog.Logger) (sharded bool, err error) {
	conn, err := connect(ctx, settings)
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if err := migrate(ctx, conn, logger); err != nil {
		return false, err
	}
	if err := refuseUnfinished(ctx, conn); err != nil {
		return false, err
	}
	if sharded, err = isSharded(ctx, conn); err != nil || sharded {
		return sharded, err
	}
	return false, settleFeed(ctx, conn)
}

// connect makes one connection to a server that is safe.
func connect(ctx context.Context, settings *pgx.ConnConfig) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, settings)
	if err != nil {
		return nil, err
	}
	if err := refuseUnsafe(ctx, conn); err != nil {
		return nil, errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
	}
	return conn, nil
}

// oldestServer is the oldest version of PostgreSQL that is tested.
const oldestServer = 15

// refuseUnsafe refuses a server that could lose what it acknowledges (law A.12).
func refuseUnsafe(ctx context.Context, conn *pgx.Conn) error {
	var version int
	var fsync, fullPageWrites, encoding string
	var replica bool
	const query = `
	  select current_setting('server_version_num')::int, current_setting('fsync'),
	         current_setting('full_page_writes'), pg_is_in_recovery(), current_setting('server_encoding')`
	if err := conn.QueryRow(ctx, query).Scan(&version, &fsync, &fullPageWrites, &replica, &encoding); err != nil {
		return err
	}
	switch {
	case version/10_000 < oldestServer:
		return fmt.Errorf("the server is PostgreSQL %d; Billfold needs %d or newer", version/10_000, oldestServer)
	case fsync != "on":
		return errors.New("the server runs with fsync=off and would lose entries in a crash; set fsync=on")
	case fullPageWrites != "on":
		return errors.New("the server runs with full_page_writes=off and could tear pages in a crash; set full_page_writes=on")
	case replica:
		return errors.New("the server is a replica and takes no writes; name the primary, or several hosts in database-url")
	case encoding != "UTF8":
		return fmt.Errorf("the database is encoded in %s and could not keep every text; make it with: create database … encoding 'UTF8' template template0", encoding)
	}
	return nil
}

// Fatal is never closed: an instance survives whatever its database does, and
// serves again when that does.
func (db *DB) Fatal() <-chan struct{} { return nil }

// Close finishes what was accepted and lets go of the connections. It may be
// called once.
func (db *DB) Close() error {
	for _, c := range db.committers {
		c.queue.Stop()
	}
	db.pool.Close()
	return nil
}
