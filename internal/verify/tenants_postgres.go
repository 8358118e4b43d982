package verify

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// readTenants reads businesses, keys, products and their audit trails as they are at one moment.
func readTenants(ctx context.Context, conn *pgx.Conn) (*tenants, error) {
	t := newTenants()
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // nothing was written
	tenantRows, err := lines(ctx, tx, scanTenant, `
	  select t.no, t.business_id, t.mode, b.name, b.created_at, t.settings, t.audit_position, t.audit_hash
	    from tenants t
	    join businesses b on b.id = t.business_id
	   order by t.no`)
	if err != nil {
		return nil, err
	}
	for _, row := range tenantRows {
		t.add(row)
	}
	keys, err := lines(ctx, tx, scanKey, `
	  select id, tenant, name, scope, hash, hint, created_at, expires_at, revoked_at
	    from api_keys
	   order by no`)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		t.addKey(key)
	}
	products, err := lines(ctx, tx, scanProduct, `
	  select id, tenant, recurring, archived, definition
	    from products
	   order by no`)
	if err != nil {
		return nil, err
	}
	for _, product := range products {
		t.addProduct(product)
	}
	t.people, err = lines(ctx, tx, func(row pgx.CollectableRow) (p personRow, err error) {
		err = row.Scan(&p.kind, &p.id, &p.about, &p.data, &p.expires)
		return p, err
	}, `
	  select kind, id, about, data, expires_at is not null
	    from people
	   where kind <> 'session' and kind <> 'tries'
	   order by kind, id`)
	if err != nil {
		return nil, err
	}
	trail, err := lines(ctx, tx, scanBusinessAudit, `
	  select tenant, position, id, action, key_id, address, before_state, after_state, reason, created_at, hash
	    from business_audit_entries
	   order by tenant, position`)
	if err != nil {
		return nil, err
	}
	for i := range trail {
		t.line(&trail[i])
	}
	if err := t.readClocks(ctx, tx); err != nil {
		return nil, err
	}
	t.finish()
	return t, nil
}

func (t *tenants) readClocks(ctx context.Context, tx pgx.Tx) error {
	clocked, err := lines(ctx, tx, func(row pgx.CollectableRow) (c clockedRow, err error) {
		var at time.Time
		var last *time.Time
		if err = row.Scan(&c.id, &c.tenant, &c.clock, &at, &last); last != nil {
			c.last = last.UnixMicro()
		}
		c.at = at.UnixMicro()
		return c, err
	}, `
	  select c.customer_id, c.tenant, c.clock, c.clock_at, max(w.updated_at)
	    from customers c
	    left join wallets w on w.customer_id = c.customer_id and w.tenant = c.tenant
	   where c.clock <> ''
	   group by c.customer_id, c.tenant, c.clock, c.clock_at
	   order by c.customer_id, c.tenant`)
	if err != nil {
		return err
	}
	clocks := map[clockKey]int64{}
	_, err = lines(ctx, tx, func(row pgx.CollectableRow) (key clockKey, err error) {
		var frozen time.Time
		err = row.Scan(&key.tenant, &key.id, &frozen)
		clocks[key] = frozen.UnixMicro()
		return key, err
	}, `select tenant, id, frozen_at from test_clocks`)
	t.checkClocks(clocked, clocks)
	return err
}

func scanTenant(row pgx.CollectableRow) (*tenantRow, error) {
	t := &tenantRow{known: true}
	var created time.Time
	err := row.Scan(&t.no, &t.businessID, &t.mode, &t.name, &created, &t.settings, &t.position, &t.hash)
	t.createdAt = created.UnixMicro()
	return t, err
}

func scanKey(row pgx.CollectableRow) (key keyRow, err error) {
	var created time.Time
	var expires, revoked *time.Time
	err = row.Scan(&key.id, &key.tenant, &key.name, &key.scope, &key.hash, &key.hint, &created, &expires, &revoked)
	micros := func(t *time.Time) int64 {
		if t == nil {
			return 0
		}
		return t.UnixMicro()
	}
	key.createdAt, key.expiresAt, key.revokedAt = created.UnixMicro(), micros(expires), micros(revoked)
	return key, err
}

func scanProduct(row pgx.CollectableRow) (product productRow, err error) {
	err = row.Scan(&product.id, &product.tenant, &product.recurring, &product.archived, &product.definition)
	return product, err
}

func scanBusinessAudit(row pgx.CollectableRow) (line auditRow, err error) {
	var created time.Time
	err = row.Scan(&line.customer, &line.position, &line.id, &line.action, &line.keyID, &line.address, &line.before,
		&line.after, &line.reason, &created, &line.hash)
	line.createdAt = created.UnixMicro()
	return line, err
}
