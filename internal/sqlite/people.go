package sqlite

import (
	"context"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/groupcommit"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/people"
)

var errNoPerson = ledger.Errorf(ledger.CodeNotFound, "there is no such record")

// Person implements people.Store.
func (db *DB) Person(ctx context.Context, key people.Key, now time.Time) (record people.Record, err error) {
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		found, err := readPerson(conn, key, now)
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

// readPerson returns a record, nil where there is none any more.
func readPerson(conn *sqlite.Conn, key people.Key, now time.Time) (record *people.Record, err error) {
	const query = `
	  select kind, id, about, expires_at, data
	    from people
	   where kind = ? and id = ? and (expires_at = 0 or expires_at > ?)`
	err = sqlitex.Execute(conn, query, &sqlitex.ExecOptions{
		Args:       []any{string(key.Kind), key.ID, now.UnixMicro()},
		ResultFunc: func(stmt *sqlite.Stmt) error { record = scanPerson(stmt); return nil },
	})
	return record, err
}

func scanPerson(stmt *sqlite.Stmt) *people.Record {
	return &people.Record{
		Key:   people.Key{Kind: people.Kind(stmt.ColumnText(0)), ID: stmt.ColumnText(1)},
		About: stmt.ColumnText(2), ExpiresAt: timeOf(stmt.ColumnInt64(3)), Data: stmt.ColumnText(4),
	}
}

// People implements people.Store.
func (db *DB) People(
	ctx context.Context, kind people.Kind, about string, now time.Time, limit int,
) (records []people.Record, err error) {
	query := `
	  select kind, id, about, expires_at, data
	    from people
	   where kind = ?1 and (expires_at = 0 or expires_at > ?2) and about = ?4
	   order by id limit ?3`
	args := []any{string(kind), now.UnixMicro(), limit, about}
	if about == "" {
		query = `
		  select kind, id, about, expires_at, data
		    from people
		   where kind = ?1 and (expires_at = 0 or expires_at > ?2)
		   order by id limit ?3`
		args = args[:3]
	}
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		return sqlitex.Execute(conn, query, &sqlitex.ExecOptions{
			Args:       args,
			ResultFunc: func(stmt *sqlite.Stmt) error { records = append(records, *scanPerson(stmt)); return nil },
		})
	})
	return records, err
}

// ChangePeople implements people.Store.
func (db *DB) ChangePeople(
	ctx context.Context, keys []people.Key, now time.Time,
	decide func(map[people.Key]*people.Record) (people.Change, error),
) error {
	return db.write(ctx, func(conn *sqlite.Conn) error {
		found := make(map[people.Key]*people.Record, len(keys))
		for _, key := range keys {
			record, err := readPerson(conn, key, now)
			if err != nil {
				return err
			}
			found[key] = record
		}
		change, err := groupcommit.Guarded(decide, found)
		if err != nil {
			return err
		}
		for _, key := range change.Delete {
			const remove = `delete from people where kind = ? and id = ?`
			if err := sqlitex.Execute(conn, remove, &sqlitex.ExecOptions{Args: []any{string(key.Kind), key.ID}}); err != nil {
				return err
			}
		}
		for _, r := range change.Put {
			const put = `
			  insert into people (kind, id, about, expires_at, data) values (?, ?, ?, ?, ?)
			  on conflict (kind, id) do update set about = excluded.about, expires_at = excluded.expires_at, data = excluded.data`
			args := []any{string(r.Kind), r.ID, r.About, microsOf(r.ExpiresAt), r.Data}
			if err := sqlitex.Execute(conn, put, &sqlitex.ExecOptions{Args: args}); err != nil {
				return err
			}
		}
		for _, line := range change.Lines {
			tenant := line.Tenant()
			if _, known := db.tenants.number(tenant); !known {
				return errNoBusiness
			}
			err := addBusinessAudit(conn, tenant, func(trail access.Trail) ledger.AuditEntry { return line.Entry(trail) })
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// SweepPeople implements people.Store.
func (db *DB) SweepPeople(ctx context.Context, before time.Time, limit int) (swept int, err error) {
	var changes int // not a result, which the caller takes away when it gives up
	err = db.write(ctx, func(conn *sqlite.Conn) error {
		const remove = `
		  delete from people
		   where (kind, id) in (select kind, id from people where expires_at > 0 and expires_at < ? order by expires_at limit ?)`
		err := sqlitex.Execute(conn, remove, &sqlitex.ExecOptions{Args: []any{before.UnixMicro(), limit}})
		changes = conn.Changes()
		return err
	})
	if err != nil {
		return 0, err
	}
	return changes, nil
}
