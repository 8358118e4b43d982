package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/processor"
)

// NoticeKept implements processor.Inbox.
func (db *DB) NoticeKept(ctx context.Context, tenant ledger.Tenant, id string) (kept bool, err error) {
	if !storable(id) {
		return false, nil
	}
	err = db.read(ctx, func(ctx context.Context, q querier) error {
		number, err := db.tenants.number(ctx, q, tenant)
		if err != nil {
			return err
		}
		const query = `select exists (select from processor_notices where tenant = $1 and id = $2)`
		return q.QueryRow(ctx, query, number, id).Scan(&kept)
	})
	return kept, err
}

// KeepNotice implements processor.Inbox.
func (db *DB) KeepNotice(
	ctx context.Context, tenant ledger.Tenant, notice processor.Notice,
) (fresh bool, err error) {
	happened := func(ctx context.Context, conn *pgx.Conn) (there bool, err error) {
		number, err := db.tenants.number(ctx, conn, tenant)
		if err != nil {
			return false, err
		}
		const query = `select exists (select from processor_notices where tenant = $1 and id = $2)`
		err = conn.QueryRow(ctx, query, number, notice.ID).Scan(&there)
		return there, err
	}
	err = db.write(ctx, happened, func(ctx context.Context, conn *pgx.Conn) error {
		number, err := db.tenants.number(ctx, conn, tenant)
		if err != nil {
			return err
		}
		const insert = `
		  insert into processor_notices (tenant, id, kind, reason, body, received_at) values ($1, $2, $3, $4, $5, $6)
		      on conflict do nothing`
		tag, err := conn.Exec(ctx, insert, number, notice.ID, notice.Kind, notice.Reason, notice.Body, notice.ReceivedAt)
		if err != nil {
			return err
		}
		fresh = tag.RowsAffected() > 0
		const old = `
		  delete from processor_notices
		   where (tenant, id) in (select tenant, id from processor_notices where reason = '' and received_at < $1
		                           limit 4 for update skip locked)`
		if _, err = conn.Exec(ctx, old, notice.ReceivedAt.Add(-processor.NoticesKept)); err != nil || notice.Reason == "" {
			return err
		}
		const beyond = `
		  delete from processor_notices
		   where (tenant, id) in (select tenant, id from processor_notices where tenant = $1 and reason <> ''
		                           order by received_at desc, id desc limit 4 offset $2)`
		_, err = conn.Exec(ctx, beyond, number, processor.QuarantineMax)
		return err
	})
	return err == nil && fresh, err
}

// Quarantine implements processor.Inbox.
func (db *DB) Quarantine(
	ctx context.Context, tenant ledger.Tenant, page ledger.Page,
) (notices []processor.Notice, more bool, err error) {
	err = db.read(ctx, func(ctx context.Context, q querier) error {
		number, err := db.tenants.number(ctx, q, tenant)
		if err != nil {
			return ignore(err, errNoBusiness)
		}
		const query = `
		  select id, kind, reason, body, received_at
		    from processor_notices
		   where tenant = $1 and reason <> ''
		   order by received_at desc, id desc
		   limit $2 offset $3`
		rows, err := q.Query(ctx, query, number, page.Limit+1, page.Skip)
		if err != nil {
			return err
		}
		notices, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (n processor.Notice, err error) {
			err = row.Scan(&n.ID, &n.Kind, &n.Reason, &n.Body, &n.ReceivedAt)
			n.ReceivedAt = n.ReceivedAt.UTC()
			return n, err
		})
		if more = len(notices) > page.Limit; more {
			notices = notices[:page.Limit]
		}
		return err
	})
	return notices, more, err
}
