package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/ledger"
)

// feedPlace is the place of a fact in the feed: its feed_order, and then what
// tells the facts of one order apart. The kinds stand in the order in which they
// can happen to a customer.
type feedPlace struct {
	order    int64
	kind     factKind
	customer string
	position int64 // of an entry, an audit line, or the entry that anything else comes behind; 0 for a customer
	hold     int64 // number of a hold event, or of the one that a notice or an object event comes behind
	notice   int64 // number of a notice, or of the one that an object event comes behind
	object   int64 // number of an object event
}

type factKind int64

const (
	factCustomer factKind = iota
	factAudit
	factMoney // an entry, a hold event, a notice or an object event
)

func (p feedPlace) compare(other feedPlace) int {
	return cmp.Or(cmp.Compare(p.order, other.order), cmp.Compare(p.kind, other.kind),
		strings.Compare(p.customer, other.customer), cmp.Compare(p.position, other.position), cmp.Compare(p.hold, other.hold),
		cmp.Compare(p.notice, other.notice), cmp.Compare(p.object, other.object))
}

// feedMark begins the places of this store, so that those of another are refused.
const feedMark = "postgres"

func (p feedPlace) text(feed string) ledger.FeedPlace {
	return ledger.FeedPlace(fmt.Sprintf("%s %s %d %d %d %d %d %d %s", feedMark, feed, p.order, p.kind, p.position, p.hold,
		p.notice, p.object, p.customer))
}

var errOtherFeed = ledger.FieldErrorf(ledger.CodeInvalidCursor, "cursor",
	"the cursor is of another feed, such as that of the installation that this one was copied from; begin again without a cursor")

// parsePlace is the reverse of text.
func parsePlace(text ledger.FeedPlace, feed string) (p feedPlace, err error) {
	if text == "" {
		return p, nil
	}
	parts := strings.Split(string(text), " ")
	if len(parts) != 9 || parts[0] != feedMark || parts[1] != feed {
		return p, errOtherFeed
	}
	order, err1 := strconv.ParseInt(parts[2], 10, 64)
	kind, err2 := strconv.ParseInt(parts[3], 10, 64)
	position, err3 := strconv.ParseInt(parts[4], 10, 64)
	hold, err4 := strconv.ParseInt(parts[5], 10, 64)
	notice, err5 := strconv.ParseInt(parts[6], 10, 64)
	object, err6 := strconv.ParseInt(parts[7], 10, 64)
	if errors.Join(err1, err2, err3, err4, err5, err6) != nil || !storable(parts[8]) {
		return p, errOtherFeed
	}
	return feedPlace{order, factKind(kind), parts[8], position, hold, notice, object}, nil
}

// feedHorizonQuery says which feed this is and where it ends for now: nothing that
// is still running, or begins later, will have a feed_order that is not above it.
// Whatever is below was committed for the snapshot of the same transaction.
const feedHorizonQuery = `
	select f.id::text, feed_base() + txid_snapshot_xmin(txid_current_snapshot())
	  from feed f
	 where f.no = 1`

// The reads of facts from a place on, up to the horizon. All facts of one order
// are a commit or a few, so sorting them costs little.

const feedCustomersQuery = `
	select c.feed_order, ` + feedCustomerColumns + `
	  from customers c
	 where c.tenant = $1 and c.feed_order >= $2 and c.feed_order < $6
	   and (c.feed_order, c.customer_id, 0::bigint, 0::bigint, 0::bigint, 0::bigint) >= ($2, $3, $4, $5, $8, $9)
	 order by c.feed_order, c.customer_id
	 limit $7`

const feedCustomerColumns = `c.customer_id, c.tenant, c.email, c.name, c.phone_number, c.metadata, c.created_at, c.updated_at,
	       c.freezes, c.audit_position, c.audit_hash, c.alerts, c.clock, c.clock_at`

const feedAuditQuery = `
	select a.feed_order, a.customer_id, a.position, a.id, a.action, a.key_id, a.address, a.before_state, a.after_state,
	       a.reason, a.created_at, a.hash
	  from audit_entries a
	 where a.tenant = $1 and a.feed_order >= $2 and a.feed_order < $6
	   and (a.feed_order, a.customer_id, a.position, 0::bigint, 0::bigint, 0::bigint) >= ($2, $3, $4, $5, $8, $9)
	 order by a.feed_order, a.customer_id, a.position
	 limit $7`

const feedEntriesQuery = `
	select e.feed_order, ` + entryColumns + `
	  from ledger_entries e
	 where e.tenant = $1 and e.feed_order >= $2 and e.feed_order < $6
	   and (e.feed_order, e.customer_id, e.position, 0::bigint, 0::bigint, 0::bigint) >= ($2, $3, $4, $5, $8, $9)
	 order by e.feed_order, e.customer_id, e.position
	 limit $7`

const feedHoldsQuery = holdEventColumns + `, e.feed_order, e.after_position, h.customer_id, h.currency, h.amount,
	       h.expires_at, coalesce(h.reason, ''), coalesce(h.reference_object_id, ''), coalesce(h.metadata, '{}'),
	       h.created_by, h.created_at
	  from (select *
	          from hold_events e
	         where e.tenant = $1 and e.feed_order >= $2 and e.feed_order < $6
	           and (e.feed_order, e.customer_id, e.after_position, e.number, 0::bigint, 0::bigint) >= ($2, $3, $4, $5, $8, $9)
	         order by e.feed_order, e.customer_id, e.after_position, e.number
	         limit $7) as e
	 cross join lateral (
	       select *
	         from holds h
	        where h.customer_id = e.customer_id and h.tenant = $1 and h.number = e.hold
	       offset 0) as h
	 order by e.feed_order, e.customer_id, e.after_position, e.number`

var errNoFeed = ledger.Errorf(ledger.CodeFeedNotPossible,
	"this installation is distributed over several servers, whose commits have no common order; read the entries of each customer instead")

// Feed implements ledger.Store.
func (db *DB) Feed(
	ctx context.Context, tenant ledger.Tenant, from ledger.FeedPlace, limit int,
) (page ledger.FeedPage, err error) {
	if db.sharded {
		return page, errNoFeed
	}
	err = db.read(ctx, func(ctx context.Context, q querier) error {
		var feed string
		var horizon int64
		if err := q.QueryRow(ctx, db.feedHorizon).Scan(&feed, &horizon); err != nil {
			return err
		}
		place, err := parsePlace(from, feed)
		if err != nil {
			return err
		}
		page = ledger.FeedPage{Next: from}
		number, err := db.tenants.number(ctx, q, tenant)
		if err != nil {
			return ignore(err, errNoBusiness)
		}
		facts, err := readFacts(ctx, q, tenant, number, place, horizon, limit+1)
		if err != nil {
			return err
		}
		if len(facts) > limit {
			page.More, facts = true, facts[:limit]
		}
		for _, f := range facts {
			f.fact.Place = f.place.text(feed)
			page.Facts = append(page.Facts, f.fact)
			f.place.object++
			page.Next = f.place.text(feed)
		}
		return nil
	})
	return page, err
}

type placedFact struct {
	place feedPlace
	fact  ledger.Fact
}

var factReads = [...]struct {
	kind  factKind
	query string
	scan  func(pgx.CollectableRow, ledger.Tenant) (placedFact, error)
}{
	{factCustomer, feedCustomersQuery, scanCustomerFact},
	{factAudit, feedAuditQuery, scanAuditFact},
	{factMoney, feedEntriesQuery, scanEntryFact},
	{factMoney, feedHoldsQuery, scanHoldFact},
	{factMoney, feedNoticesQuery, scanNoticeFact},
	{factMoney, feedObjectsQuery, scanObjectFact},
}

// readFacts reads at least the first of all kinds, in their order, if there are
// any, and limit of each at the most.
func readFacts(
	ctx context.Context, q querier, tenant ledger.Tenant, number int32, from feedPlace, horizon int64, limit int,
) (facts []placedFact, err error) {
	for _, read := range factReads {
		at := from
		switch {
		case read.kind < from.kind:
			at = feedPlace{order: from.order + 1}
		case read.kind > from.kind:
			at = feedPlace{order: from.order}
		}
		rows, err := q.Query(ctx, read.query, number, at.order, at.customer, at.position, at.hold, horizon, limit,
			at.notice, at.object)
		if err != nil {
			return nil, err
		}
		found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (placedFact, error) {
			return read.scan(row, tenant)
		})
		if err != nil {
			return nil, err
		}
		facts = append(facts, found...)
	}
	slices.SortFunc(facts, func(a, b placedFact) int { return a.place.compare(b.place) })
	return facts, nil
}

func scanCustomerFact(row pgx.CollectableRow, tenant ledger.Tenant) (f placedFact, err error) {
	var number int32
	customer, err := scanCustomer(feedRow{row, &f.place.order}, &number)
	customer.Tenant = tenant
	f.place.kind, f.place.customer, f.fact.Customer = factCustomer, customer.ID, &customer
	return f, err
}

// feedRow reads the order of a fact before its other columns.
type feedRow struct {
	pgx.CollectableRow
	order *int64
}

func (r feedRow) Scan(dest ...any) error {
	return r.CollectableRow.Scan(append([]any{r.order}, dest...)...)
}

func scanAuditFact(row pgx.CollectableRow, tenant ledger.Tenant) (f placedFact, err error) {
	var hash []byte
	line := ledger.AuditEntry{Tenant: tenant}
	err = row.Scan(&f.place.order, &line.CustomerID, &line.Position, &line.ID, &line.Action, &line.By.KeyID,
		&line.By.Address, &line.Before, &line.After, &line.Reason, &line.CreatedAt, &hash)
	line.CreatedAt = line.CreatedAt.UTC()
	copy(line.Hash[:], hash)
	f.place.kind, f.place.customer, f.place.position, f.fact.Audit = factAudit, line.CustomerID, line.Position, &line
	return f, err
}

func scanEntryFact(row pgx.CollectableRow, tenant ledger.Tenant) (f placedFact, err error) {
	entry, err := scanEntry(row, &f.place.order)
	entry.Tenant = tenant
	f.place.kind, f.place.customer, f.place.position, f.fact.Entry = factMoney, entry.CustomerID, entry.Position, &entry
	return f, err
}

func scanHoldFact(row pgx.CollectableRow, tenant ledger.Tenant) (f placedFact, err error) {
	h := ledger.Hold{Tenant: tenant}
	change, err := scanHoldEvent(row, &f.place.order, &f.place.position, &h.CustomerID, &h.Currency, &h.Amount,
		&h.ExpiresAt, &h.Reason, &h.ReferenceObjectID, &h.Metadata, &h.CreatedBy, &h.CreatedAt)
	h.ID, h.Number = change.Hold.ID, change.Hold.Number
	h.ExpiresAt, h.CreatedAt = h.ExpiresAt.UTC(), h.CreatedAt.UTC()
	change.Hold = h
	f.place.kind, f.place.customer, f.place.hold, f.fact.Hold = factMoney, h.CustomerID, change.Event.Number, &change
	return f, err
}

// settleFeed raises what is added to the numbers of transactions where rows have
// higher ones than the server has reached, as after a dump was restored into
// another: all that is new has to come behind them.
func settleFeed(ctx context.Context, conn *pgx.Conn) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, patience); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock($1)`, migrationLock); err != nil {
			return err
		}
		const query = `
		  select coalesce(max(greatest(
		           (select feed_order from customers where tenant = t.no order by feed_order desc limit 1),
		           (select feed_order from audit_entries where tenant = t.no order by feed_order desc limit 1),
		           (select feed_order from ledger_entries where tenant = t.no order by feed_order desc limit 1),
		           (select feed_order from hold_events where tenant = t.no order by feed_order desc limit 1),
		           (select feed_order from object_events where tenant = t.no and kind <> '' order by feed_order desc limit 1),
		           (select feed_order from expiry_notices where tenant = t.no order by feed_order desc limit 1))), 0),
		         txid_current(), feed_base()
		    from tenants t`
		var last, current, base int64
		if err := tx.QueryRow(ctx, query).Scan(&last, &current, &base); err != nil || last <= base+current {
			return err
		}
		_, err := tx.Exec(ctx, fmt.Sprintf(
			`create or replace function feed_base() returns bigint language sql immutable as 'select %d::bigint'`, last-current))
		return err
	})
}
