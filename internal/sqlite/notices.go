package sqlite

import (
	"context"
	"errors"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// unannounced is what a decision about notices sees of a wallet's lots.
func unannounced(state *customerState, w *walletState, source *lotSource) (*ledger.Unannounced, error) {
	seen, err := w.Unannounced(source)
	if err != nil {
		return nil, err
	}
	for i := range state.wallets {
		seen.Number = max(seen.Number, state.wallets[i].Notices.Number)
	}
	const query = `select 1 from expiry_notices where customer = ? and currency = ? and lot = ?`
	seen.Told = make([]bool, len(seen.Lots))
	for i, lot := range seen.Lots {
		if err := source.each(query, func(*sqlite.Stmt) { seen.Told[i] = true }, lot.Seq); err != nil {
			return nil, err
		}
	}
	return &seen, nil
}

// writeNotices adds notices of a customer, each with its place in the feed.
func writeNotices(conn *sqlite.Conn, customer int64, notices []ledger.Notice) error {
	const insert = `
	  insert into expiry_notices (customer, number, id, currency, lot, category, expires_at, remaining, seq, hold_number, created_at)
	  values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	for i := range notices {
		n := &notices[i]
		err := execute(conn, insert, customer, n.Number, n.ID, string(n.Currency), n.Lot.Seq, string(n.Lot.Category),
			n.Lot.ExpiresAt.UnixMicro(), int64(n.Lot.Remaining), n.Seq, n.HoldNumber, n.CreatedAt.UnixMicro())
		if err != nil {
			return err
		}
		if err := insertCustomerEvent(conn, customer, customerNotice, n.Number); err != nil {
			return err
		}
	}
	return nil
}

const noticeColumns = `
	  select number, id, currency, lot, category, expires_at, remaining, seq, hold_number, created_at
	    from expiry_notices`

// readNotices reads rows of noticeColumns.
func readNotices(
	conn *sqlite.Conn, tenant ledger.Tenant, customerID, where string, args ...any,
) (notices []ledger.Notice, err error) {
	keep := func(stmt *sqlite.Stmt) error {
		notices = append(notices, ledger.Notice{
			Tenant:     tenant,
			CustomerID: customerID,
			Number:     stmt.ColumnInt64(0),
			ID:         stmt.ColumnText(1),
			Currency:   money.Currency(stmt.ColumnText(2)),
			Lot: ledger.Lot{
				Seq: stmt.ColumnInt64(3), Category: ledger.Category(stmt.ColumnText(4)), ExpiresAt: timeOf(stmt.ColumnInt64(5)),
				Remaining: money.Amount(stmt.ColumnInt64(6)),
			},
			Seq:        stmt.ColumnInt64(7),
			HoldNumber: stmt.ColumnInt64(8),
			CreatedAt:  timeOf(stmt.ColumnInt64(9)),
		})
		return nil
	}
	err = sqlitex.Execute(conn, noticeColumns+where, &sqlitex.ExecOptions{Args: args, ResultFunc: keep})
	return notices, err
}

// noticeFact reads the notice that an item stands for.
func noticeFact(conn *sqlite.Conn, tenant ledger.Tenant, item *feedItem) (ledger.Fact, error) {
	notices, err := readNotices(conn, tenant, item.customerID, ` where customer = ? and number = ?`, item.customer, item.position)
	if err == nil && len(notices) == 0 {
		err = errors.New("the notice of an event is missing")
	}
	if err != nil {
		return ledger.Fact{}, err
	}
	return ledger.Fact{Notice: &notices[0]}, nil
}

// Notices implements ledger.Store.
func (db *DB) Notices(
	ctx context.Context, tenant ledger.Tenant, customerID string, after int64, limit int,
) (notices []ledger.Notice, err error) {
	err = db.readCustomerState(ctx, directly, tenant, customerID, func(conn *sqlite.Conn, state *customerState) error {
		const behind = ` where customer = ? and number > ? order by number limit ?`
		notices, err = readNotices(conn, tenant, customerID, behind, state.no, after, limit)
		return err
	})
	return notices, err
}

// dueNoticesQuery finds what is to be announced. The cross join keeps to the index: first
// a tenant that wants notices, then its wallets in the order of what expires.
const dueNoticesQuery = `
	  select t.business_id, t.mode, c.id, w.currency, t.until
	    from (select no, business_id, mode, ?1 + ?3 * json_extract(settings, '$.expiry_notice_days') as until
	            from tenants
	           where json_extract(settings, '$.expiry_notice_days') > 0) t
	   cross join wallets w on w.tenant = t.no and w.next_notice > 0 and w.next_notice <= t.until
	   cross join customers c on c.no = w.customer and c.clock_at = 0
	   order by t.no, w.next_notice
	   limit ?2`

// DueNotices implements ledger.Store.
func (db *DB) DueNotices(ctx context.Context, at time.Time, limit int) (due []ledger.DueNotices, err error) {
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		return sqlitex.Execute(conn, dueNoticesQuery, &sqlitex.ExecOptions{
			Args: []any{at.UnixMicro(), limit, ledger.NoticeDay.Microseconds()},
			ResultFunc: func(stmt *sqlite.Stmt) error {
				due = append(due, ledger.DueNotices{
					Wallet: ledger.WalletKey{
						Tenant:     ledger.Tenant{BusinessID: stmt.ColumnText(0), Mode: ledger.Mode(stmt.ColumnText(1))},
						CustomerID: stmt.ColumnText(2),
						Currency:   money.Currency(stmt.ColumnText(3)),
					},
					Until: timeOf(stmt.ColumnInt64(4)),
				})
				return nil
			},
		})
	})
	return due, err
}
