package sqlite

import (
	"context"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/internal/bus"
	"github.com/billfold/billfold/internal/ledger"
)

// LeadSink implements bus.Store. There is one instance.
func (db *DB) LeadSink(ctx context.Context, _, _ string) (bool, error) { return true, ctx.Err() }

// ResignSink implements bus.Store.
func (db *DB) ResignSink(context.Context, string, string) error { return nil }

// SinkCursors implements bus.Store.
func (db *DB) SinkCursors(ctx context.Context, sink string) (cursors []bus.Cursor, err error) {
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		const query = `
		  select t.business_id, t.mode, coalesce(c.place, '')
		    from tenants t
		    left join sink_cursors c on c.tenant = t.no and c.sink = ?
		   order by t.no`
		read := func(stmt *sqlite.Stmt) error {
			cursors = append(cursors, bus.Cursor{
				Tenant: ledger.Tenant{BusinessID: stmt.ColumnText(0), Mode: ledger.Mode(stmt.ColumnText(1))},
				Place:  ledger.FeedPlace(stmt.ColumnText(2)),
			})
			return nil
		}
		return sqlitex.Execute(conn, query, &sqlitex.ExecOptions{Args: []any{sink}, ResultFunc: read})
	})
	return cursors, err
}

// MoveSinkCursor implements bus.Store.
func (db *DB) MoveSinkCursor(ctx context.Context, sink string, move bus.Move) (bool, error) {
	moved := false // kept apart from the results, as in CreateCustomer
	err := db.write(ctx, func(conn *sqlite.Conn) error {
		tenant, known := db.tenants.number(move.Tenant)
		if !known {
			return errNoBusiness
		}
		query, args := `update sink_cursors set place = ? where sink = ? and tenant = ? and place = ?`,
			[]any{string(move.To), sink, tenant, string(move.From)}
		if move.From == "" {
			query, args = `insert or ignore into sink_cursors (place, sink, tenant) values (?, ?, ?)`, args[:3]
		}
		err := sqlitex.Execute(conn, query, &sqlitex.ExecOptions{Args: args})
		moved = conn.Changes() > 0
		return err
	})
	return err == nil && moved, err
}
