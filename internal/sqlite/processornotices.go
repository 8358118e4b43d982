package sqlite

import (
	"context"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/processor"
)

// NoticeKept implements processor.Inbox.
func (db *DB) NoticeKept(ctx context.Context, tenant ledger.Tenant, id string) (kept bool, err error) {
	number, known := db.tenants.number(tenant)
	if !known {
		return false, errNoBusiness
	}
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		const query = `select 1 from processor_notices where tenant = ? and id = ?`
		return sqlitex.Execute(conn, query, &sqlitex.ExecOptions{
			Args:       []any{number, id},
			ResultFunc: func(*sqlite.Stmt) error { kept = true; return nil },
		})
	})
	return kept, err
}

// KeepNotice implements processor.Inbox.
func (db *DB) KeepNotice(ctx context.Context, tenant ledger.Tenant, notice processor.Notice) (bool, error) {
	fresh := false // not a result, which the caller takes away when it gives up
	err := db.write(ctx, func(conn *sqlite.Conn) error {
		number, known := db.tenants.number(tenant)
		if !known {
			return errNoBusiness
		}
		const insert = `
		  insert into processor_notices (tenant, id, kind, reason, body, received_at) values (?, ?, ?, ?, ?, ?)
		      on conflict do nothing`
		err := sqlitex.Execute(conn, insert, &sqlitex.ExecOptions{Args: []any{
			number, notice.ID, notice.Kind, notice.Reason, notice.Body, microsOf(notice.ReceivedAt),
		}})
		if err != nil {
			return err
		}
		fresh = conn.Changes() > 0
		const old = `
		  delete from processor_notices
		   where (tenant, id) in (select tenant, id from processor_notices where reason = '' and received_at < ? limit 4)`
		err = sqlitex.Execute(conn, old, &sqlitex.ExecOptions{
			Args: []any{microsOf(notice.ReceivedAt.Add(-processor.NoticesKept))},
		})
		if err != nil || notice.Reason == "" {
			return err
		}
		const beyond = `
		  delete from processor_notices
		   where tenant = ?1
		     and id in (select id from processor_notices where tenant = ?1 and reason <> ''
		                 order by received_at desc, id desc limit 4 offset ?2)`
		return sqlitex.Execute(conn, beyond, &sqlitex.ExecOptions{Args: []any{number, processor.QuarantineMax}})
	})
	return err == nil && fresh, err
}

// Quarantine implements processor.Inbox.
func (db *DB) Quarantine(
	ctx context.Context, tenant ledger.Tenant, page ledger.Page,
) (notices []processor.Notice, more bool, err error) {
	number, known := db.tenants.number(tenant)
	if !known {
		return nil, false, nil
	}
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		const query = `
		  select id, kind, reason, body, received_at
		    from processor_notices
		   where tenant = ? and reason <> ''
		   order by received_at desc, id desc
		   limit ? offset ?`
		return sqlitex.Execute(conn, query, &sqlitex.ExecOptions{
			Args: []any{number, page.Limit + 1, page.Skip},
			ResultFunc: func(stmt *sqlite.Stmt) error {
				if len(notices) == page.Limit {
					more = true
					return nil
				}
				notices = append(notices, processor.Notice{
					ID: stmt.ColumnText(0), Kind: stmt.ColumnText(1), Reason: stmt.ColumnText(2), Body: stmt.ColumnText(3),
					ReceivedAt: timeOf(stmt.ColumnInt64(4)),
				})
				return nil
			},
		})
	})
	return notices, more, err
}
