package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/groupcommit"
	"github.com/billfold/billfold/internal/ledger"
)

// CreateBusiness implements access.Store.
func (db *DB) CreateBusiness(
	ctx context.Context, business access.Business, settings access.Settings, keys []access.Key,
) error {
	text, err := json.Marshal(settings)
	if err != nil {
		return fmt.Errorf("encode settings: %w", err)
	}
	happened := func(ctx context.Context, conn *pgx.Conn) (there bool, err error) {
		err = conn.QueryRow(ctx, `select exists (select from businesses where id = $1)`, business.ID).Scan(&there)
		return there, err
	}
	return db.write(ctx, happened, func(ctx context.Context, conn *pgx.Conn) error {
		// Numbers are given out one after the other.
		if _, err := conn.Exec(ctx, `lock table tenants in share row exclusive mode`); err != nil {
			return err
		}
		const insert = `insert into businesses (id, name, created_at) values ($1, $2, $3)`
		if _, err := conn.Exec(ctx, insert, business.ID, business.Name, business.CreatedAt); err != nil {
			return err
		}
		for _, mode := range []ledger.Mode{ledger.Test, ledger.Live} {
			const insert = `
			  insert into tenants (no, business_id, mode, settings)
			  select coalesce(max(no), 0) + 1, $1, $2, $3
			    from tenants`
			if _, err := conn.Exec(ctx, insert, business.ID, mode, string(text)); err != nil {
				return err
			}
		}
		for _, key := range keys {
			if err := insertKey(ctx, conn, key); err != nil {
				return err
			}
		}
		for _, mode := range []ledger.Mode{ledger.Test, ledger.Live} {
			tenant := ledger.Tenant{BusinessID: business.ID, Mode: mode}
			opening := access.Opening(tenant, business, settings, keys)
			if err := insertBusinessAudit(ctx, conn, tenant, opening...); err != nil {
				return err
			}
		}
		return nil
	})
}

// insertKey adds a key, or fails with errNoBusiness.
func insertKey(ctx context.Context, conn *pgx.Conn, key access.Key) error {
	if !storable(key.Tenant.BusinessID) {
		return errNoBusiness
	}
	const insert = `
	  insert into api_keys (id, tenant, name, scope, hash, hint, created_at, expires_at, revoked_at)
	  select $1, no, $4, $5, $6, $7, $8, $9, $10
	    from tenants
	   where business_id = $2 and mode = $3`
	tag, err := conn.Exec(ctx, insert, key.ID, key.Tenant.BusinessID, key.Tenant.Mode, key.Name, key.Scope, key.Hash[:],
		key.Hint, key.CreatedAt, timeOrNull(key.ExpiresAt), timeOrNull(key.RevokedAt))
	if err == nil && tag.RowsAffected() == 0 {
		err = errNoBusiness
	}
	return err
}

// Businesses implements access.Store.
func (db *DB) Businesses(ctx context.Context) (businesses []access.Business, err error) {
	err = db.lookUp(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, `select id, name, created_at from businesses order by created_at, id`)
		if err != nil {
			return err
		}
		businesses, err = pgx.CollectRows(rows, scanBusiness)
		return err
	})
	return businesses, err
}

// Business implements access.Store.
func (db *DB) Business(ctx context.Context, id string) (business access.Business, err error) {
	if !storable(id) {
		return business, errNoBusiness
	}
	err = db.lookUp(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, `select id, name, created_at from businesses where id = $1`, id)
		if err != nil {
			return err
		}
		business, err = pgx.CollectExactlyOneRow(rows, scanBusiness)
		return ignoreAs(err, pgx.ErrNoRows, errNoBusiness)
	})
	return business, err
}

func scanBusiness(row pgx.CollectableRow) (business access.Business, err error) {
	err = row.Scan(&business.ID, &business.Name, &business.CreatedAt)
	business.CreatedAt = business.CreatedAt.UTC()
	return business, err
}

// Settings implements access.Store.
func (db *DB) Settings(ctx context.Context, tenant ledger.Tenant) (settings access.Settings, err error) {
	err = db.lookUp(ctx, func(ctx context.Context, q querier) error {
		settings, err = readSettings(ctx, q, tenant, "")
		return err
	})
	return settings, err
}

func readSettings(
	ctx context.Context, q querier, tenant ledger.Tenant, lock string,
) (settings access.Settings, err error) {
	if !storable(tenant.BusinessID) {
		return settings, errNoBusiness
	}
	rows, err := q.Query(ctx, `select settings from tenants where business_id = $1 and mode = $2 `+lock, tenant.BusinessID, tenant.Mode)
	if err != nil {
		return settings, err
	}
	text, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[string])
	if err != nil {
		return settings, ignoreAs(err, pgx.ErrNoRows, errNoBusiness)
	}
	if err := json.Unmarshal([]byte(text), &settings); err != nil {
		return settings, fmt.Errorf("decode settings: %w", err)
	}
	return settings, nil
}

// UpdateSettings implements access.Store.
func (db *DB) UpdateSettings(
	ctx context.Context, tenant ledger.Tenant, by access.Change, change func(access.Settings) (access.Settings, error),
) (settings access.Settings, err error) {
	var line ledger.AuditEntry
	happened := func(ctx context.Context, conn *pgx.Conn) (there bool, err error) {
		if _, err := readSettings(ctx, conn, tenant, "for update"); err != nil {
			return false, err
		}
		const query = `
		  select exists (select
		                   from business_audit_entries a
		                   join tenants t on t.no = a.tenant
		                  where t.business_id = $1 and t.mode = $2 and a.position = $3 and a.id = $4)`
		err = conn.QueryRow(ctx, query, tenant.BusinessID, tenant.Mode, line.Position, line.ID).Scan(&there)
		return there, err
	}
	err = db.write(ctx, happened, func(ctx context.Context, conn *pgx.Conn) error {
		current, err := readSettings(ctx, conn, tenant, "for update")
		if err != nil {
			return err
		}
		if settings, err = groupcommit.Guarded(change, current); err != nil {
			return err
		}
		text, err := json.Marshal(settings)
		if err != nil {
			return fmt.Errorf("encode settings: %w", err)
		}
		const update = `update tenants set settings = $3 where business_id = $1 and mode = $2`
		if _, err = conn.Exec(ctx, update, tenant.BusinessID, tenant.Mode, string(text)); err != nil {
			return err
		}
		line, err = addBusinessAudit(ctx, conn, tenant, func(trail access.Trail) ledger.AuditEntry {
			return trail.SettingsUpdated(tenant, by, current, settings)
		})
		return err
	})
	if err != nil {
		return access.Settings{}, err
	}
	return settings, nil
}

// CreateKey implements access.Store.
func (db *DB) CreateKey(ctx context.Context, key access.Key) error {
	happened := func(ctx context.Context, conn *pgx.Conn) (bool, error) {
		_, err := readKey(ctx, conn, `where k.id = $1`, key.ID)
		return err == nil, ignore(err, errNoKey)
	}
	return db.write(ctx, happened, func(ctx context.Context, conn *pgx.Conn) error {
		if err := insertKey(ctx, conn, key); err != nil {
			return err
		}
		_, err := addBusinessAudit(ctx, conn, key.Tenant, func(trail access.Trail) ledger.AuditEntry {
			return trail.KeyCreated(key)
		})
		return err
	})
}

const keyColumns = `
	select k.id, t.business_id, t.mode, k.name, k.scope, k.hash, k.hint, k.created_at, k.expires_at, k.revoked_at
	  from api_keys k
	  join tenants t on t.no = k.tenant `

func scanKey(row pgx.CollectableRow) (key access.Key, err error) {
	var hash []byte
	var expires, revoked *time.Time
	err = row.Scan(&key.ID, &key.Tenant.BusinessID, &key.Tenant.Mode, &key.Name, &key.Scope, &hash, &key.Hint,
		&key.CreatedAt, &expires, &revoked)
	copy(key.Hash[:], hash)
	key.CreatedAt, key.ExpiresAt, key.RevokedAt = key.CreatedAt.UTC(), timeOf(expires), timeOf(revoked)
	return key, err
}

// Keys implements access.Store.
func (db *DB) Keys(ctx context.Context, businessID string) (keys []access.Key, err error) {
	if !storable(businessID) {
		return nil, nil
	}
	err = db.lookUp(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, keyColumns+`where $1 = '' or t.business_id = $1 order by k.no desc`, businessID)
		if err != nil {
			return err
		}
		keys, err = pgx.CollectRows(rows, scanKey)
		return err
	})
	return keys, err
}

// KeyByHash implements access.Store.
func (db *DB) KeyByHash(ctx context.Context, hash access.KeyHash) (key access.Key, err error) {
	err = db.lookUp(ctx, func(ctx context.Context, q querier) error {
		key, err = readKey(ctx, q, `where k.hash = $1`, hash[:])
		return err
	})
	return key, err
}

// readKey returns the one key that a clause names, or errNoKey.
func readKey(ctx context.Context, q querier, clause string, arg any) (access.Key, error) {
	rows, err := q.Query(ctx, keyColumns+clause, arg)
	if err != nil {
		return access.Key{}, err
	}
	key, err := pgx.CollectExactlyOneRow(rows, scanKey)
	if errors.Is(err, pgx.ErrNoRows) {
		return access.Key{}, errNoKey
	}
	return key, err
}

// RevokeKey implements access.Store.
func (db *DB) RevokeKey(ctx context.Context, id string, at time.Time) (key access.Key, err error) {
	if !storable(id) {
		return key, errNoKey
	}
	happened := func(ctx context.Context, conn *pgx.Conn) (bool, error) {
		key, err = readKey(ctx, conn, `where k.id = $1`, id)
		return err == nil && !key.RevokedAt.IsZero(), err
	}
	err = db.write(ctx, happened, func(ctx context.Context, conn *pgx.Conn) error {
		const update = `update api_keys set revoked_at = $2 where id = $1 and revoked_at is null`
		tag, err := conn.Exec(ctx, update, id, at)
		if err != nil {
			return err
		}
		if key, err = readKey(ctx, conn, `where k.id = $1`, id); err != nil || tag.RowsAffected() == 0 {
			return err
		}
		_, err = addBusinessAudit(ctx, conn, key.Tenant, func(trail access.Trail) ledger.AuditEntry {
			return trail.KeyRevoked(key)
		})
		return err
	})
	if err != nil {
		return access.Key{}, err
	}
	return key, nil
}
