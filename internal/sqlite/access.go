package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/groupcommit"
	"github.com/billfold/billfold/internal/ledger"
)

var errNoKey = ledger.Errorf(ledger.CodeNotFound, "there is no such API key")

// CreateBusiness implements access.Store.
func (db *DB) CreateBusiness(
	ctx context.Context, business access.Business, settings access.Settings, keys []access.Key,
) error {
	text, err := json.Marshal(settings)
	if err != nil {
		return fmt.Errorf("encode settings: %w", err)
	}
	return db.write(ctx, func(conn *sqlite.Conn) error {
		const insert = `insert into businesses (id, name, created_at) values (?, ?, ?)`
		args := []any{business.ID, business.Name, business.CreatedAt.UnixMicro()}
		if err := sqlitex.Execute(conn, insert, &sqlitex.ExecOptions{Args: args}); err != nil {
			return err
		}
		numbers := make(map[ledger.Tenant]int64)
		for _, mode := range []ledger.Mode{ledger.Test, ledger.Live} {
			const insert = `insert into tenants (business_id, mode, settings) values (?, ?, ?)`
			args := []any{business.ID, string(mode), string(text)}
			if err := sqlitex.Execute(conn, insert, &sqlitex.ExecOptions{Args: args}); err != nil {
				return err
			}
			tenant := ledger.Tenant{BusinessID: business.ID, Mode: mode}
			numbers[tenant] = conn.LastInsertRowID()
			opening := access.Opening(tenant, business, settings, keys)
			if err := insertBusinessAudit(conn, numbers[tenant], opening...); err != nil {
				return err
			}
		}
		for _, key := range keys {
			if err := insertKey(conn, numbers[key.Tenant], key); err != nil {
				return err
			}
		}
		for tenant, no := range numbers {
			db.tenants.stage(tenant, no)
		}
		return nil
	})
}

func insertKey(conn *sqlite.Conn, tenant int64, key access.Key) error {
	const insert = `
	  insert into api_keys (id, tenant, name, scope, hash, hint, created_at, expires_at, revoked_at)
	  values (?, ?, ?, ?, ?, ?, ?, ?, ?)`
	return sqlitex.Execute(conn, insert, &sqlitex.ExecOptions{Args: []any{
		key.ID, tenant, key.Name, string(key.Scope), key.Hash[:], key.Hint,
		microsOf(key.CreatedAt), microsOf(key.ExpiresAt), microsOf(key.RevokedAt),
	}})
}

// Businesses implements access.Store.
func (db *DB) Businesses(ctx context.Context) (businesses []access.Business, err error) {
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		const query = `select id, name, created_at from businesses order by created_at, id`
		return sqlitex.Execute(conn, query, &sqlitex.ExecOptions{ResultFunc: func(stmt *sqlite.Stmt) error {
			businesses = append(businesses, scanBusiness(stmt))
			return nil
		}})
	})
	return businesses, err
}

// Business implements access.Store.
func (db *DB) Business(ctx context.Context, id string) (business access.Business, err error) {
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		found := false
		const query = `select id, name, created_at from businesses where id = ?`
		err := sqlitex.Execute(conn, query, &sqlitex.ExecOptions{
			Args: []any{id},
			ResultFunc: func(stmt *sqlite.Stmt) error {
				business, found = scanBusiness(stmt), true
				return nil
			},
		})
		if err == nil && !found {
			return errNoBusiness
		}
		return err
	})
	return business, err
}

func scanBusiness(stmt *sqlite.Stmt) access.Business {
	return access.Business{ID: stmt.ColumnText(0), Name: stmt.ColumnText(1), CreatedAt: timeOf(stmt.ColumnInt64(2))}
}

// Settings implements access.Store.
func (db *DB) Settings(ctx context.Context, tenant ledger.Tenant) (settings access.Settings, err error) {
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		settings, err = readSettings(conn, tenant)
		return err
	})
	return settings, err
}

func readSettings(conn *sqlite.Conn, tenant ledger.Tenant) (settings access.Settings, err error) {
	found := false
	const query = `select settings from tenants where business_id = ? and mode = ?`
	err = sqlitex.Execute(conn, query, &sqlitex.ExecOptions{
		Args: []any{tenant.BusinessID, string(tenant.Mode)},
		ResultFunc: func(stmt *sqlite.Stmt) error {
			found = true
			return json.Unmarshal([]byte(stmt.ColumnText(0)), &settings)
		},
	})
	if err == nil && !found {
		err = errNoBusiness
	}
	return settings, err
}

// UpdateSettings implements access.Store.
func (db *DB) UpdateSettings(
	ctx context.Context, tenant ledger.Tenant, by access.Change, change func(access.Settings) (access.Settings, error),
) (access.Settings, error) {
	var settings access.Settings // not a result, which the caller takes away when it gives up
	err := db.write(ctx, func(conn *sqlite.Conn) error {
		current, err := readSettings(conn, tenant)
		if err != nil {
			return err
		}
		changed, err := groupcommit.Guarded(change, current)
		if err != nil {
			return err
		}
		text, err := json.Marshal(changed)
		if err != nil {
			return fmt.Errorf("encode settings: %w", err)
		}
		settings = changed
		const update = `update tenants set settings = ? where business_id = ? and mode = ?`
		err = sqlitex.Execute(conn, update, &sqlitex.ExecOptions{
			Args: []any{string(text), tenant.BusinessID, string(tenant.Mode)},
		})
		if err != nil {
			return err
		}
		return addBusinessAudit(conn, tenant, func(trail access.Trail) ledger.AuditEntry {
			return trail.SettingsUpdated(tenant, by, current, changed)
		})
	})
	if err != nil {
		return access.Settings{}, err
	}
	return settings, nil
}

// CreateKey implements access.Store.
func (db *DB) CreateKey(ctx context.Context, key access.Key) error {
	return db.write(ctx, func(conn *sqlite.Conn) error {
		tenant, ok := db.tenants.number(key.Tenant)
		if !ok {
			return errNoBusiness
		}
		if err := insertKey(conn, tenant, key); err != nil {
			return err
		}
		return addBusinessAudit(conn, key.Tenant, func(trail access.Trail) ledger.AuditEntry { return trail.KeyCreated(key) })
	})
}

const keyColumns = `
	select k.id, t.business_id, t.mode, k.name, k.scope, k.hash, k.hint, k.created_at, k.expires_at, k.revoked_at
	  from api_keys k
	  join tenants t on t.no = k.tenant`

func scanKey(stmt *sqlite.Stmt) access.Key {
	key := access.Key{
		ID:        stmt.ColumnText(0),
		Tenant:    ledger.Tenant{BusinessID: stmt.ColumnText(1), Mode: ledger.Mode(stmt.ColumnText(2))},
		Name:      stmt.ColumnText(3),
		Scope:     access.Scope(stmt.ColumnText(4)),
		Hint:      stmt.ColumnText(6),
		CreatedAt: timeOf(stmt.ColumnInt64(7)),
		ExpiresAt: timeOf(stmt.ColumnInt64(8)),
		RevokedAt: timeOf(stmt.ColumnInt64(9)),
	}
	stmt.ColumnBytes(5, key.Hash[:])
	return key
}

// Keys implements access.Store.
func (db *DB) Keys(ctx context.Context, businessID string) (keys []access.Key, err error) {
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		const query = keyColumns + ` where ?1 = '' or t.business_id = ?1 order by k.no desc`
		return sqlitex.Execute(conn, query, &sqlitex.ExecOptions{
			Args: []any{businessID},
			ResultFunc: func(stmt *sqlite.Stmt) error {
				keys = append(keys, scanKey(stmt))
				return nil
			},
		})
	})
	return keys, err
}

// KeyByHash implements access.Store.
func (db *DB) KeyByHash(ctx context.Context, hash access.KeyHash) (key access.Key, err error) {
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		key, err = readKey(conn, keyColumns+` where k.hash = ?`, hash[:])
		return err
	})
	return key, err
}

func readKey(conn *sqlite.Conn, query string, arg any) (key access.Key, err error) {
	found := false
	err = sqlitex.Execute(conn, query, &sqlitex.ExecOptions{
		Args: []any{arg},
		ResultFunc: func(stmt *sqlite.Stmt) error {
			key, found = scanKey(stmt), true
			return nil
		},
	})
	if err == nil && !found {
		err = errNoKey
	}
	return key, err
}

// RevokeKey implements access.Store.
func (db *DB) RevokeKey(ctx context.Context, id string, at time.Time) (access.Key, error) {
	var key access.Key // as in UpdateSettings
	err := db.write(ctx, func(conn *sqlite.Conn) error {
		const update = `update api_keys set revoked_at = ? where id = ? and revoked_at = 0`
		args := []any{at.UnixMicro(), id}
		if err := sqlitex.Execute(conn, update, &sqlitex.ExecOptions{Args: args}); err != nil {
			return err
		}
		revoked := conn.Changes() > 0
		var err error
		if key, err = readKey(conn, keyColumns+` where k.id = ?`, id); err != nil || !revoked {
			return err
		}
		now := key // not the result, as above
		return addBusinessAudit(conn, now.Tenant, func(trail access.Trail) ledger.AuditEntry { return trail.KeyRevoked(now) })
	})
	if err != nil {
		return access.Key{}, err
	}
	return key, nil
}
