package sqlite

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"zombiezen.com/go/sqlite"

	"github.com/billfold/billfold/internal/ledger"
)

// feedPlace is a place in the feed: every entry below one number and every
// customer event below the other stand before it. As one goroutine writes, both
// numbers grow in the order of commits, so nothing can come to stand before a
// place that was read.
type feedPlace struct {
	entry int64
	event int64
}

// feedMark begins the places of this store, so that those of another are refused.
const feedMark = "sqlite"

func (p feedPlace) text(feed string) ledger.FeedPlace {
	return ledger.FeedPlace(strings.Join([]string{
		feedMark, feed, strconv.FormatInt(p.entry, 10), strconv.FormatInt(p.event, 10),
	}, " "))
}

var errOtherFeed = ledger.FieldErrorf(ledger.CodeInvalidCursor, "cursor",
	"the cursor is of another feed, such as that of the installation that this one was copied from; begin again without a cursor")

// parsePlace is the reverse of text. The beginning is before the first of each.
func parsePlace(text ledger.FeedPlace, feed string) (p feedPlace, err error) {
	if text == "" {
		return feedPlace{1, 1}, nil
	}
	parts := strings.Split(string(text), " ")
	if len(parts) != 4 || parts[0] != feedMark || parts[1] != feed {
		return p, errOtherFeed
	}
	entry, err1 := strconv.ParseInt(parts[2], 10, 64)
	event, err2 := strconv.ParseInt(parts[3], 10, 64)
	if errors.Join(err1, err2) != nil {
		return p, errOtherFeed
	}
	return feedPlace{entry, event}, nil
}

// What customer_events tells of: a customer was made, a line of the audit trail at
// a position, and a hold event, a notice or an event about an object with a number.
const (
	customerWasMade = "made"
	customerAudit   = "audit"
	customerHold    = "hold"
	customerNotice  = "notice"
	customerObject  = "object"
)

// insertCustomerEvent keeps that something happened about a customer: what the
// row of a kind at a position tells, or, with 0, that it was made.
func insertCustomerEvent(conn *sqlite.Conn, customer int64, kind string, position int64) (err error) {
	stmt, err := conn.Prepare(`
	  insert into customer_events (customer, kind, position, after_entry)
	  values (?, ?, ?, (select coalesce(max(no), 0) from ledger_entries))`)
	if err != nil {
		return err
	}
	defer resetting(stmt, &err)
	stmt.BindInt64(1, customer)
	stmt.BindText(2, kind)
	stmt.BindInt64(3, position)
	_, err = stmt.Step()
	return err
}

// feedItem is an entry or a customer event of any tenant.
type feedItem struct {
	no         int64
	tenant     int64
	customer   int64
	customerID string
	position   int64
	after      int64  // no of the entry that an event comes behind
	kind       string // of an event
}

// Feed implements ledger.Store. It looks at what all tenants have, no more than
// limit of it, and so may find less than there is.
func (db *DB) Feed(
	ctx context.Context, tenant ledger.Tenant, from ledger.FeedPlace, limit int,
) (page ledger.FeedPage, err error) {
	number, known := db.tenants.number(tenant)
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		feed, err := feedID(conn)
		if err != nil {
			return err
		}
		place, err := parsePlace(from, feed)
		if err != nil {
			return err
		}
		if !known {
			page = ledger.FeedPage{Next: place.text(feed)}
			return nil
		}
		page, err = readFeed(conn, tenant, number, place, feed, limit)
		return err
	})
	return page, err
}

func feedID(conn *sqlite.Conn) (id string, err error) {
	stmt, err := conn.Prepare(`select id from feed where no = 1`)
	if err != nil {
		return "", err
	}
	defer resetting(stmt, &err)
	row, err := stmt.Step()
	if err == nil && !row {
		err = errors.New("the row of the feed is missing")
	}
	if err != nil {
		return "", err
	}
	return stmt.ColumnText(0), nil
}

func readFeed(
	conn *sqlite.Conn, tenant ledger.Tenant, number int64, place feedPlace, feed string, limit int,
) (page ledger.FeedPage, err error) {
	// One more than the limit of each tells whether more follows.
	entries, err := readFeedItems(conn, feedEntriesQuery, place.entry, int64(limit)+1)
	if err != nil {
		return page, err
	}
	events, err := readFeedItems(conn, feedEventsQuery, place.event, int64(limit)+1)
	if err != nil {
		return page, err
	}
	for range limit {
		at, item, read := place, feedItem{}, entryFact
		switch {
		case len(events) > 0 && (len(entries) == 0 || events[0].after < entries[0].no):
			item, events, read = events[0], events[1:], customerFact
			place.event = item.no + 1
		case len(entries) > 0:
			item, entries = entries[0], entries[1:]
			place.entry = item.no + 1
		}
		if item.tenant != number { // or there is none
			continue
		}
		fact, err := read(conn, tenant, &item)
		if err != nil {
			return page, err
		}
		fact.Place = at.text(feed)
		page.Facts = append(page.Facts, fact)
	}
	page.Next, page.More = place.text(feed), len(entries)+len(events) > 0
	return page, nil
}

const feedEntriesQuery = `
	  select e.no, e.customer, e.position, 0, '', c.tenant, c.id
	    from ledger_entries e
	    cross join customers c on c.no = e.customer
	   where e.no >= ?
	   order by e.no
	   limit ?`

const feedEventsQuery = `
	  select e.no, e.customer, e.position, e.after_entry, e.kind, c.tenant, c.id
	    from customer_events e
	    cross join customers c on c.no = e.customer
	   where e.no >= ?
	   order by e.no
	   limit ?`

// readFeedItems reads up to count items from a number on.
func readFeedItems(conn *sqlite.Conn, query string, from, count int64) (items []feedItem, err error) {
	stmt, err := conn.Prepare(query)
	if err != nil {
		return nil, err
	}
	defer resetting(stmt, &err)
	stmt.BindInt64(1, from)
	stmt.BindInt64(2, count)
	for {
		row, err := stmt.Step()
		if err != nil || !row {
			return items, err
		}
		items = append(items, feedItem{
			no: stmt.ColumnInt64(0), customer: stmt.ColumnInt64(1), position: stmt.ColumnInt64(2), after: stmt.ColumnInt64(3),
			kind: stmt.ColumnText(4), tenant: stmt.ColumnInt64(5), customerID: stmt.ColumnText(6),
		})
	}
}

// entryFact reads the entry that an item stands for.
func entryFact(conn *sqlite.Conn, tenant ledger.Tenant, item *feedItem) (ledger.Fact, error) {
	stored, err := readEntry(conn, item.no)
	stored.Tenant, stored.CustomerID = tenant, item.customerID
	return ledger.Fact{Entry: &stored.Entry}, err
}

// holdFact reads the hold event that an item stands for, with its hold.
func holdFact(conn *sqlite.Conn, tenant ledger.Tenant, item *feedItem) (ledger.Fact, error) {
	const query = holdEventColumns + ` where e.customer = ? and e.number = ?`
	change, err := readHoldEvent(conn, query, item.customer, item.position)
	if err == nil && change == nil {
		err = errors.New("the hold event of an event is missing")
	}
	if err != nil {
		return ledger.Fact{}, err
	}
	change.Hold.Tenant, change.Hold.CustomerID = tenant, item.customerID
	return ledger.Fact{Hold: change}, nil
}

// customerFact reads what a customer event tells of.
func customerFact(conn *sqlite.Conn, tenant ledger.Tenant, item *feedItem) (fact ledger.Fact, err error) {
	switch item.kind {
	case customerHold:
		return holdFact(conn, tenant, item)
	case customerNotice:
		return noticeFact(conn, tenant, item)
	case customerObject:
		return objectFact(conn, tenant, item)
	}
	stmt, err := conn.Prepare(`select ` + customerColumns + ` from customers where no = ?`)
	if err != nil {
		return fact, err
	}
	defer resetting(stmt, &err)
	stmt.BindInt64(1, item.customer)
	if row, err := stmt.Step(); err != nil || !row {
		return fact, errors.Join(err, errors.New("the customer of an event is missing"))
	}
	customer, _ := scanCustomer(stmt, tenant)
	if item.kind == customerWasMade {
		return ledger.Fact{Customer: &customer}, nil
	}
	list, err := readAudit(conn, &customer, item.customer, ledger.AuditPage{Limit: 1, Before: item.position + 1})
	if err == nil && (len(list.Entries) == 0 || list.Entries[0].Position != item.position) {
		err = errors.New("the line of the audit trail of an event is missing")
	}
	if err != nil {
		return fact, err
	}
	return ledger.Fact{Audit: &list.Entries[0]}, nil
}
