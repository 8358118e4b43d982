package postgres

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrOtherSecret says that an instance has another secret key than those that
// were there before it.
var ErrOtherSecret = errors.New("this database belongs to instances with another secret key; give this one theirs")

// SecretCheck is what a database keeps of the secret key of its instances.
func SecretCheck(secret []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("billfold.installation.v1"))
	return mac.Sum(nil)
}

// Join makes sure that all instances have one secret key. The first leaves
// behind what the others can compare theirs with, and no more. The first that has a new
// key, and knows an old one that was left behind, puts the new one in its place: who
// starts with the old one alone is refused from then on.
func (db *DB) Join(ctx context.Context, secret []byte, old ...[]byte) error {
	check := SecretCheck(secret)
	before := make([][]byte, 0, len(old))
	for _, secret := range old {
		before = append(before, SecretCheck(secret))
	}
	same := func(ctx context.Context, conn *pgx.Conn) (there bool, err error) {
		err = conn.QueryRow(ctx, `select secret_check = $1 from installation where no = 1`, check).Scan(&there)
		return there, ignore(err, pgx.ErrNoRows)
	}
	return db.write(ctx, same, func(ctx context.Context, conn *pgx.Conn) error {
		const insert = `
		  insert into installation (no, created_at, secret_check)
		  values (1, $1, $2)
		  on conflict do nothing`
		if _, err := conn.Exec(ctx, insert, time.Now(), check); err != nil {
			return err
		}
		// A copy that was begun after this instance was opened is seen here,
		// because it leaves its installation in the same transaction.
		if err := refuseUnfinished(ctx, conn); err != nil {
			return err
		}
		const rotate = `update installation set secret_check = $1 where no = 1 and secret_check = any($2::bytea[])`
		if _, err := conn.Exec(ctx, rotate, check, before); err != nil {
			return err
		}
		there, err := same(ctx, conn)
		if err == nil && !there {
			err = ErrOtherSecret
		}
		return err
	})
}

// aloneLock is the number of the lock of Alone.
const aloneLock = migrationLock + 1

// Alone runs f while no other instance runs an f of its own.
func (db *DB) Alone(ctx context.Context, f func() error) error {
	conn, err := db.acquire(ctx)
	if err != nil {
		return unavailable(err)
	}
	defer conn.Release()
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, patience); err != nil {
			return unavailable(err)
		}
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock($1)`, aloneLock); err != nil {
			return unavailable(err)
		}
		return f()
	})
}
