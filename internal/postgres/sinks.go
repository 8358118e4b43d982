package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/bus"
	"github.com/billfold/billfold/internal/ledger"
)

// LeadSink implements bus.Store. The clock of the server says who lives, as in Serve.
func (db *DB) LeadSink(ctx context.Context, sink, instance string) (leads bool, err error) {
	if db.sharded {
		return false, errNoFeed
	}
	err = db.write(ctx, again, func(ctx context.Context, conn *pgx.Conn) error {
		const lease = `
		  insert into sink_leases as l (sink, instance, until)
		  values ($1, $2, now() + $3 * interval '1 microsecond')
		  on conflict (sink) do update set instance = excluded.instance, until = excluded.until
		   where l.instance = excluded.instance or l.until < now()`
		tag, err := conn.Exec(ctx, lease, sink, instance, bus.LeaseFor.Microseconds())
		leads = tag.RowsAffected() == 1
		return err
	})
	return err == nil && leads, err
}

// ResignSink implements bus.Store.
func (db *DB) ResignSink(ctx context.Context, sink, instance string) error {
	return db.write(ctx, again, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `delete from sink_leases where sink = $1 and instance = $2`, sink, instance)
		return err
	})
}

// SinkCursors implements bus.Store.
func (db *DB) SinkCursors(ctx context.Context, sink string) (cursors []bus.Cursor, err error) {
	err = db.read(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, `
		  select t.business_id, t.mode, coalesce(c.place, '')
		    from tenants t
		    left join sink_cursors c on c.tenant = t.no and c.sink = $1
		   order by t.no`, sink)
		if err != nil {
			return err
		}
		cursors, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (c bus.Cursor, err error) {
			return c, row.Scan(&c.Tenant.BusinessID, &c.Tenant.Mode, &c.Place)
		})
		return err
	})
	return cursors, err
}

// MoveSinkCursor implements bus.Store.
func (db *DB) MoveSinkCursor(ctx context.Context, sink string, move bus.Move) (moved bool, err error) {
	happened := func(ctx context.Context, conn *pgx.Conn) (bool, error) {
		tenant, err := db.tenants.number(ctx, conn, move.Tenant)
		if err != nil {
			return false, err
		}
		var place ledger.FeedPlace
		const query = `select place from sink_cursors where sink = $1 and tenant = $2`
		err = conn.QueryRow(ctx, query, sink, tenant).Scan(&place)
		moved = err == nil && place == move.To
		return moved, ignore(err, pgx.ErrNoRows)
	}
	err = db.write(ctx, happened, func(ctx context.Context, conn *pgx.Conn) error {
		tenant, err := db.tenants.number(ctx, conn, move.Tenant)
		if err != nil {
			return err
		}
		query, args := `update sink_cursors set place = $1 where sink = $2 and tenant = $3 and place = $4`,
			[]any{string(move.To), sink, tenant, string(move.From)}
		if move.From == "" {
			query, args = `insert into sink_cursors (place, sink, tenant) values ($1, $2, $3) on conflict do nothing`, args[:3]
		}
		tag, err := conn.Exec(ctx, query, args...)
		moved = tag.RowsAffected() == 1
		return err
	})
	return err == nil && moved, err
}
