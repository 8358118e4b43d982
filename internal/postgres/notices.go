package postgres

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/walletrow"
)

// placedNotice is a notice that a batch is to write.
type placedNotice struct {
	tenant int32
	notice *ledger.Notice
	after  int64 // position of the customer's entry before it
}

// announcedWallet is a wallet whose lots a batch has announced, or looked at for that,
// with where it left them.
type announcedWallet struct {
	customer customerKey
	currency money.Currency
	notices  walletrow.Notices
}

// noticeNumber is that of the customer's last notice, 0 for none.
func (c *customerState) noticeNumber() (number int64) {
	for i := range c.wallets {
		number = max(number, c.wallets[i].Notices.Number)
	}
	return number
}

// toldQuery looks each lot up by its whole key, see readPointsQuery.
const toldQuery = `
	select u.lot
	  from unnest($4::bigint[]) as u (lot)
	 cross join lateral (
	       select *
	         from expiry_notices n
	        where n.customer_id = $1 and n.tenant = $2 and n.currency = $3 and n.lot = u.lot
	       offset 0) as n`

// unannounced is what a decision about notices sees of a wallet's lots, as the decisions
// before it have left them. It takes trips of its own, for the sweep.
func (b *batch) unannounced(
	ctx context.Context, conn *pgx.Conn, key customerKey, wallet *walletState, source *lotSource,
) (*ledger.Unannounced, error) {
	seen, err := wallet.Unannounced(source)
	if err != nil {
		return nil, err
	}
	seen.Number = max(seen.Number, b.customers[key].noticeNumber())
	var seqs []int64
	for _, lot := range seen.Lots {
		seqs = append(seqs, lot.Seq)
	}
	told := map[int64]bool{}
	if len(seqs) > 0 {
		rows, err := conn.Query(ctx, toldQuery, key.id, key.tenant, string(wallet.Currency), seqs)
		if err != nil {
			return nil, err
		}
		found, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil {
			return nil, err
		}
		for _, seq := range found {
			told[seq] = true
		}
	}
	for _, seq := range seqs {
		seen.Told = append(seen.Told, told[seq] || wallet.told[seq])
	}
	return &seen, nil
}

// announce keeps what a decision about notices came to. The wallet's row has it already.
func (b *batch) announce(key customerKey, wallet *walletState, announced *ledger.Announcement, position int64) {
	if wallet.told == nil {
		wallet.told = map[int64]bool{}
	}
	for i := range announced.Notices {
		notice := &announced.Notices[i]
		wallet.told[notice.Lot.Seq] = true
		b.notices = append(b.notices, placedNotice{key.tenant, notice, position})
	}
	b.announced = append(b.announced, announcedWallet{key, wallet.Currency, wallet.Notices})
}

const insertNoticeQuery = `
	insert into expiry_notices (customer_id, tenant, number, id, currency, lot, category, expires_at, remaining, seq,
	                            hold_number, created_at, after_position)
	values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`

// insertNoticeBeforeQuery is about notices what [insertHoldEventBeforeQuery] is about hold
// events.
var insertNoticeBeforeQuery = strings.NewReplacer("after_position)", "after_position, feed_order)", "$13)", `$13,
	        (select e.feed_order from ledger_entries e where e.customer_id = $1 and e.tenant = $2 and e.position = $13::bigint + 1))`).
	Replace(insertNoticeQuery)

// queueNotices writes the notices of the batch.
func (b *batch) queueNotices(trip *pgx.Batch) {
	for _, placed := range b.notices {
		n := placed.notice
		insert, chain := insertNoticeQuery, b.customers[customerKey{n.CustomerID, placed.tenant}].chain
		if chain.Position > placed.after && !b.db.sharded { // which has no feed
			insert = insertNoticeBeforeQuery
		}
		trip.Queue(insert, n.CustomerID, placed.tenant, n.Number, n.ID, string(n.Currency), n.Lot.Seq, string(n.Lot.Category),
			n.Lot.ExpiresAt, int64(n.Lot.Remaining), n.Seq, n.HoldNumber, n.CreatedAt, placed.after)
	}
}

const lookNoticeQuery = `
	select count(*) > 0
	  from expiry_notices
	 where customer_id = $1 and tenant = $2 and number = $3 and id = $4`

const lookAnnouncedQuery = `
	select count(*) > 0
	  from wallets
	 where customer_id = $1 and tenant = $2 and currency = $3 and next_notice is not distinct from $4 and next_notice_lot = $5`

// firstAnnounced is how to look for a notice that the batch was to leave. Where it was
// to leave none it has only looked at lots, which may be done again: the wallet tells as
// long as nobody else has touched it.
func (b *batch) firstAnnounced() (customer customerKey, query string, args []any) {
	if len(b.notices) > 0 {
		first := b.notices[0]
		customer = customerKey{first.notice.CustomerID, first.tenant}
		return customer, lookNoticeQuery, []any{customer.id, customer.tenant, first.notice.Number, first.notice.ID}
	}
	last := &b.announced[len(b.announced)-1]
	n := &last.notices
	return last.customer, lookAnnouncedQuery, []any{
		last.customer.id, last.customer.tenant, string(last.currency), timeOrNull(n.NextNotice()), n.NoticeLot(),
	}
}

const noticeColumns = `
	select n.customer_id, n.number, n.id, n.currency, n.lot, n.category, n.expires_at, n.remaining, n.seq, n.hold_number,
	       n.created_at`

const noticesQuery = noticeColumns + `
	  from expiry_notices n
	 where n.customer_id = $1 and n.tenant = $2 and n.number > $3
	 order by n.number
	 limit $4`

// scanNotice reads noticeColumns, and whatever stands behind them into more.
func scanNotice(row pgx.CollectableRow, tenant ledger.Tenant, more ...any) (n ledger.Notice, err error) {
	err = row.Scan(append([]any{
		&n.CustomerID, &n.Number, &n.ID, &n.Currency, &n.Lot.Seq, &n.Lot.Category, &n.Lot.ExpiresAt, &n.Lot.Remaining,
		&n.Seq, &n.HoldNumber, &n.CreatedAt,
	}, more...)...)
	n.Tenant, n.Lot.ExpiresAt, n.CreatedAt = tenant, n.Lot.ExpiresAt.UTC(), n.CreatedAt.UTC()
	return n, err
}

// Notices implements ledger.Store.
func (db *DB) Notices(
	ctx context.Context, tenant ledger.Tenant, customerID string, after int64, limit int,
) (notices []ledger.Notice, err error) {
	_, err = db.readHoldings(ctx, tenant, customerID, func(ctx context.Context, q querier, found *holdings) error {
		rows, err := q.Query(ctx, noticesQuery, found.key.id, found.key.tenant, after, limit)
		if err != nil {
			return err
		}
		notices, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (ledger.Notice, error) {
			return scanNotice(row, tenant)
		})
		return err
	})
	return notices, err
}

const feedNoticesQuery = noticeColumns + `, n.feed_order, n.after_position
	  from expiry_notices n
	 where n.tenant = $1 and n.feed_order >= $2 and n.feed_order < $6
	   and (n.feed_order, n.customer_id, n.after_position, n.hold_number, n.number, 0::bigint) >= ($2, $3, $4, $5, $8, $9)
	 order by n.feed_order, n.customer_id, n.after_position, n.hold_number, n.number
	 limit $7`

func scanNoticeFact(row pgx.CollectableRow, tenant ledger.Tenant) (f placedFact, err error) {
	n, err := scanNotice(row, tenant, &f.place.order, &f.place.position)
	f.place.kind, f.place.customer, f.place.hold, f.place.notice = factMoney, n.CustomerID, n.HoldNumber, n.Number
	f.fact.Notice = &n
	return f, err
}

// noticeTenant is a tenant that wants notices.
type noticeTenant struct {
	number int32
	tenant ledger.Tenant
	ahead  time.Duration // before the expiry
}

// dueNoticesQuery is about all customers of a tenant, see expiredQuery.
const dueNoticesQuery = `
	select w.customer_id, w.currency
	  from wallets w
	 where w.tenant = $1 and w.next_notice <= $2` + withoutClock + `(w.customer_id, w.tenant))
	 order by w.next_notice
	 limit $3`

// DueNotices implements ledger.Store. It asks for the wallets of those tenants alone
// that want notices, of each by itself: on Citus the settings stand on the coordinator.
func (db *DB) DueNotices(ctx context.Context, at time.Time, limit int) (due []ledger.DueNotices, err error) {
	err = db.read(ctx, func(ctx context.Context, q querier) error {
		due = nil
		tenants, err := noticeTenants(ctx, q)
		if err != nil {
			return err
		}
		for _, t := range tenants {
			if len(due) == limit {
				break
			}
			until := at.Add(t.ahead)
			rows, err := q.Query(ctx, dueNoticesQuery, t.number, until, limit-len(due))
			if err != nil {
				return err
			}
			found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (d ledger.DueNotices, err error) {
				d.Until, d.Wallet.Tenant = until, t.tenant
				err = row.Scan(&d.Wallet.CustomerID, &d.Wallet.Currency)
				return d, err
			})
			if err != nil {
				return err
			}
			due = append(due, found...)
		}
		return nil
	})
	return due, err
}

func noticeTenants(ctx context.Context, q querier) (wanting []noticeTenant, err error) {
	const query = `
	  select t.no, t.business_id, t.mode, t.days
	    from (select no, business_id, mode, (settings::json ->> 'expiry_notice_days')::bigint as days
	            from tenants) as t
	   where t.days > 0
	   order by t.no`
	rows, err := q.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (t noticeTenant, err error) {
		var days time.Duration
		err = row.Scan(&t.number, &t.tenant.BusinessID, &t.tenant.Mode, &days)
		t.ahead = days * ledger.NoticeDay
		return t, err
	})
}
