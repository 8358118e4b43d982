package verify

import (
	"context"
	"fmt"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// fileTold are the facts that the feed of a file does not tell exactly once, and what it
// tells of beside them: rows of customer_events, held against the rows that they stand
// for. Entries are in the feed by their own numbers. All are sorted once, because no
// index has the customers of customer_events.
const fileTold = `
	select s.customer, coalesce(c.id, ''), coalesce(c.tenant, 0), s.kind, s.position, sum(s.told), sum(s.facts)
	  from (select customer, kind, position, 1 as told, 0 as facts from customer_events
	        union all
	        select no, 'made', 0, 0, 1 from customers
	        union all
	        select customer, 'audit', position, 0, 1 from audit_entries
	        union all
	        select customer, 'hold', number, 0, 1 from hold_events
	        union all
	        select customer, 'notice', number, 0, 1 from expiry_notices
	        union all
	        select customer, 'object', number, 0, 1 from object_events where kind <> '') as s
	  left join customers c on c.no = s.customer
	 group by s.customer, s.kind, s.position
	having sum(s.told) <> 1 or sum(s.facts) <> 1`

// toldOf are the facts of each kind in words.
var toldOf = map[string]string{
	"made": "the making of the customer", "audit": "audit entry", "hold": "hold event", "notice": "notice",
	"object": "object event",
}

// readTold checks that the feed tells of each fact once, and of nothing else (law E1).
func (f *file) readTold(ctx context.Context, check *checker) error {
	return sqlitex.ExecuteTransient(f.conn, fileTold, &sqlitex.ExecOptions{ResultFunc: func(stmt *sqlite.Stmt) error {
		where := check.owns(scanObjectOwner(stmt)).where("", 0)
		kind, told, facts := stmt.ColumnText(3), stmt.ColumnInt64(5), stmt.ColumnInt64(6)
		what := toldOf[kind]
		if kind != "made" {
			what = fmt.Sprintf("%s %d", what, stmt.ColumnInt64(4))
		}
		switch {
		case facts == 0:
			check.found.add(LawEvents, where, "the feed tells of %s, which there is not", what)
		case told == 0:
			check.found.add(LawEvents, where, "the feed does not tell of %s", what)
		default:
			check.found.add(LawEvents, where, "the feed tells of %s %d times", what, told)
		}
		return ctx.Err()
	}})
}
