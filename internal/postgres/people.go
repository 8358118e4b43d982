package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/groupcommit"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/people"
)

var errNoPerson = ledger.Errorf(ledger.CodeNotFound, "there is no such record")

// Person implements people.Store.
func (db *DB) Person(ctx context.Context, key people.Key, now time.Time) (record people.Record, err error) {
	err = db.read(ctx, func(ctx context.Context, q querier) error {
		found, err := readPerson(ctx, q, key, now, "")
		if err == nil && found == nil {
			err = errNoPerson
		}
		if err == nil {
			record = *found
		}
		return err
	})
	return record, err
}

// readPerson returns a record, locked as lock says, nil where there is none any more.
func readPerson(ctx context.Context, q querier, key people.Key, now time.Time, lock string) (*people.Record, error) {
	if !storable(key.ID) {
		return nil, nil
	}
	query := `select about, expires_at, data from people where kind = $1 and id = $2 ` + lock
	record := people.Record{Key: key}
	var expires *time.Time
	err := q.QueryRow(ctx, query, string(key.Kind), key.ID).Scan(&record.About, &expires, &record.Data)
	if expires != nil {
		record.ExpiresAt = expires.UTC()
	}
	if err != nil || (expires != nil && !now.Before(record.ExpiresAt)) {
		return nil, ignore(err, pgx.ErrNoRows)
	}
	return &record, nil
}

// People implements people.Store.
func (db *DB) People(
	ctx context.Context, kind people.Kind, about string, now time.Time, limit int,
) (records []people.Record, err error) {
	if !storable(about) {
		return nil, nil
	}
	query := `select id, about, expires_at, data from people where kind = $1 and (expires_at is null or expires_at > $2)`
	args := []any{string(kind), now, limit}
	if about != "" {
		query, args = query+` and about = $4`, append(args, about)
	}
	err = db.read(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, query+` order by id limit $3`, args...)
		if err != nil {
			return err
		}
		records, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (people.Record, error) {
			record := people.Record{Key: people.Key{Kind: kind}}
			var expires *time.Time
			err := row.Scan(&record.ID, &record.About, &expires, &record.Data)
			if expires != nil {
				record.ExpiresAt = expires.UTC()
			}
			return record, err
		})
		return err
	})
	return records, err
}

// ChangePeople implements people.Store. A record that is not there yet is made first, so
// that it can be locked; what has expired is the same, and both go again if nothing is put
// in their place. Locks are taken in the order of the keys.
func (db *DB) ChangePeople(
	ctx context.Context, keys []people.Key, now time.Time,
	decide func(map[people.Key]*people.Record) (people.Change, error),
) error {
	keys = slices.Clone(keys)
	slices.SortFunc(keys, func(a, b people.Key) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
	})
	var change people.Change
	happened := func(ctx context.Context, conn *pgx.Conn) (bool, error) { return peopleChanged(ctx, conn, now, change) }
	return db.write(ctx, happened, func(ctx context.Context, conn *pgx.Conn) error {
		found, err := lockPeople(ctx, conn, keys, now)
		if err != nil {
			return err
		}
		if change, err = groupcommit.Guarded(decide, found); err != nil {
			return err
		}
		for _, key := range append(unlived(keys, found), change.Delete...) {
			if _, err := conn.Exec(ctx, `delete from people where kind = $1 and id = $2`, string(key.Kind), key.ID); err != nil {
				return err
			}
		}
		for _, r := range change.Put {
			const put = `
			  insert into people (kind, id, about, expires_at, data) values ($1, $2, $3, $4, $5)
			  on conflict (kind, id) do update set about = excluded.about, expires_at = excluded.expires_at, data = excluded.data`
			if _, err := conn.Exec(ctx, put, string(r.Kind), r.ID, r.About, timeOrNull(r.ExpiresAt), r.Data); err != nil {
				return err
			}
		}
		for _, line := range change.Lines {
			_, err := addBusinessAudit(ctx, conn, line.Tenant(), line.Entry)
			if err != nil {
				return ignoreAs(err, pgx.ErrNoRows, errNoBusiness)
			}
		}
		return nil
	})
}

// unlived are the keys of which there was no record.
func unlived(keys []people.Key, found map[people.Key]*people.Record) (of []people.Key) {
	for _, key := range keys {
		if found[key] == nil {
			of = append(of, key)
		}
	}
	return of
}

func lockPeople(
	ctx context.Context, conn *pgx.Conn, keys []people.Key, now time.Time,
) (map[people.Key]*people.Record, error) {
	found := make(map[people.Key]*people.Record, len(keys))
	for _, key := range keys {
		if err := lockPerson(ctx, conn, key); err != nil {
			return nil, err
		}
		// The placeholder's time is none that Go can hold, so the database looks at it.
		const query = `
		  select about, expires_at, data
		    from people
		   where kind = $1 and id = $2 and (expires_at is null or expires_at > $3)`
		record := &people.Record{Key: key}
		var expires *time.Time
		err := conn.QueryRow(ctx, query, string(key.Kind), key.ID, now).Scan(&record.About, &expires, &record.Data)
		if err != nil {
			record = nil
		}
		if err := ignore(err, pgx.ErrNoRows); err != nil {
			return nil, err
		}
		if expires != nil {
			record.ExpiresAt = expires.UTC()
		}
		found[key] = record
	}
	return found, nil
}

// lockPerson locks the row of a key, and makes it where there is none. One that it has
// waited for may be gone when its lock is free, and then another is made.
func lockPerson(ctx context.Context, conn *pgx.Conn, key people.Key) error {
	const placeholder = `
	  insert into people (kind, id, about, expires_at, data) values ($1, $2, '', '-infinity', '')
	  on conflict (kind, id) do nothing`
	const lock = `select 1 from people where kind = $1 and id = $2 for update`
	for {
		if _, err := conn.Exec(ctx, placeholder, string(key.Kind), key.ID); err != nil {
			return err
		}
		locked, err := conn.Exec(ctx, lock, string(key.Kind), key.ID)
		if err != nil || locked.RowsAffected() > 0 {
			return err
		}
	}
}

// peopleChanged reports whether a change has left what it would leave.
func peopleChanged(ctx context.Context, conn *pgx.Conn, now time.Time, change people.Change) (bool, error) {
	for _, want := range change.Put {
		got, err := readPerson(ctx, conn, want.Key, now, "")
		if err != nil || got == nil || got.Data != want.Data || got.About != want.About {
			return false, err
		}
	}
	for _, key := range change.Delete {
		got, err := readPerson(ctx, conn, key, now, "")
		if err != nil || got != nil {
			return false, err
		}
	}
	return true, nil
}

// SweepPeople implements people.Store.
func (db *DB) SweepPeople(ctx context.Context, before time.Time, limit int) (swept int, err error) {
	happened := func(context.Context, *pgx.Conn) (bool, error) { return false, nil }
	err = db.write(ctx, happened, func(ctx context.Context, conn *pgx.Conn) error {
		const remove = `
		  delete from people
		   where (kind, id) in (select kind, id from people where expires_at < $1 order by expires_at limit $2 for update skip locked)
		     and expires_at < $1`
		tag, err := conn.Exec(ctx, remove, before, limit)
		swept = int(tag.RowsAffected())
		return err
	})
	return swept, err
}
