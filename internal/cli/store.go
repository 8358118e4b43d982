package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/bus"
	"github.com/billfold/billfold/internal/catalog"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/people"
	"github.com/billfold/billfold/internal/postgres"
	"github.com/billfold/billfold/internal/processor"
	"github.com/billfold/billfold/internal/report"
	"github.com/billfold/billfold/internal/sqlite"
	"github.com/billfold/billfold/internal/webhook"
)

// store is a database with everything that the program keeps.
type store interface {
	ledger.Store
	access.Store
	webhook.Store
	bus.Store
	catalog.Store
	processor.Inbox
	people.Store
	report.Store

	// Fatal is closed when the process must end, because its store can promise
	// nothing more.
	Fatal() <-chan struct{}
	Close() error
}

// openStore opens the store that the configuration names and makes sure that
// it may be written to.
func openStore(ctx context.Context, config Config, logger *slog.Logger, metrics prometheus.Registerer) (store, error) {
	if config.DatabaseURL != "" {
		db, err := postgres.Open(ctx, postgres.Config{URL: config.DatabaseURL, Logger: logger, Metrics: metrics})
		if err != nil {
			return nil, err // a nil *postgres.DB is no nil store
		}
		return db, nil
	}
	db, err := sqlite.Open(ctx, sqlite.Config{
		Dir: config.DataDir, Logger: logger, Metrics: metrics, ReadersMax: config.readers(),
	})
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) {
		return nil, fmt.Errorf("%w; run this as the owner of the directory, or set --data-dir; "+
			"`billfold doctor` says more", err)
	}
	if err != nil {
		return nil, err
	}
	if err := refuseBroken(ctx, db.Path()); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// keyRefresh is how old the knowledge about an API key may be where other
// instances can revoke it (law N3).
const keyRefresh = 500 * time.Millisecond

// newDirectory returns the directory of keys on a store.
func newDirectory(config Config, store store) *access.Directory {
	var options access.Options
	if config.DatabaseURL != "" {
		options.Refresh = keyRefresh
	}
	return access.NewDirectory(store, options)
}

// joinInstances makes sure that all instances on one database share their
// secret key, and has the first keys made while no other instance does.
func joinInstances(
	ctx context.Context, store store, secret []byte, old [][]byte, bootstrap func() (*firstKeys, error),
) (first *firstKeys, err error) {
	db, shared := store.(*postgres.DB)
	if !shared {
		return bootstrap()
	}
	if err := db.Join(ctx, secret, old...); err != nil {
		if errors.Is(err, postgres.ErrOtherSecret) {
			err = fmt.Errorf("%w: set %s, or --secret-key-file", err, envName("secret-key"))
		}
		return nil, err
	}
	err = db.Alone(ctx, func() (err error) {
		first, err = bootstrap()
		return err
	})
	return first, err
}

// embeddedOnly refuses a verb that works on the embedded database alone.
func embeddedOnly(config Config, verb, instead string) error {
	if config.DatabaseURL == "" {
		return nil
	}
	return fmt.Errorf("%s works on the embedded database; with database-url set, %s", verb, instead)
}
