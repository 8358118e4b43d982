package postgres_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/postgres"
)

// Each statement of the hot path looks its rows up by the whole key, whatever
// the planner knows about the tables: nothing as in a new installation, that
// one customer has nearly all entries, or that all have one. A plan that takes
// a part of the key and filters reads a customer's whole history for an entry.
func TestPlansLookUpByWholeKeys(t *testing.T) {
	t.Parallel()
	const one = `
	  insert into ledger_entries
	  select 'cus_' || case when %[1]s then 0 else n end, 1, n, 'USD', n, 'cwt_' || n, true, 1, n - 1, n, n, 'payment', 'merchant',
	         'paid', null, null, null, null, null, 'key-' || n, repeat('f', 16)::bytea, 'key', now(), repeat('h', 32)::bytea
	    from generate_series(1, 5000) as n;
	  insert into hold_events
	  select 'cus_' || case when %[1]s then 0 else n end, 1, n, n, 'made', null, 1, 0, 0, 0, 0, 0, 0, 0, now(), null, null,
	         repeat('f', 16)::bytea, 'key', now()
	    from generate_series(1, 5000) as n;
	  insert into expiry_notices
	  select 'cus_' || case when %[1]s then 0 else n end, 1, n, 'ntc_' || n, 'USD', n, 'paid', 'infinity', 1, n, 0, now()
	    from generate_series(1, 5000) as n;
	  insert into customers (customer_id, tenant, email, name, name_folded, phone_number, metadata, created_at, updated_at)
	  select 'cus_' || n, n %% 50, 'a@example.com', 'A', 'a', '', '{}', now(), now() from generate_series(1, 100) as n;
	  insert into wallets (customer_id, tenant, currency, balance, held, seq, position, hash, updated_at, lots,
	                       promotional_from, promotional_sum, paid_from, paid_sum)
	  select customer_id, tenant, 'USD', 1, 0, 1, 1, repeat('h', 32)::bytea, now(), ''::bytea, 0, 0, 0, 0 from customers`
	for name, fill := range map[string]string{
		"nothing known": fmt.Sprintf(one, "n % 2 = 0"),
		"one customer":  fmt.Sprintf(one, "true") + "; analyze",
		"many":          fmt.Sprintf(one, "false") + "; analyze",
		"half and half": fmt.Sprintf(one, "n % 2 = 0") + "; analyze",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onOwnServers(t, func(t *testing.T, s server) { checkPlans(t, s.database(t), fill) })
		})
	}
}

// reversedKey is what finds the reversals of an entry.
var reversedKey = []string{"customer_id", "tenant", "reverses"}

func checkPlans(t *testing.T, url, fill string) {
	t.Helper()
	migrated(t, url)
	conn := connect(t, url)
	exec(t, conn, "begin")
	if _, err := conn.Exec(t.Context(), postgres.BeginSettings, "on", "4s"); err != nil {
		t.Fatal(err)
	}
	exec(t, conn, `alter table ledger_entries set (autovacuum_enabled = off);
		alter table wallets set (autovacuum_enabled = off); alter table customers set (autovacuum_enabled = off)`)
	exec(t, conn, fill)
	for i, s := range postgres.HotStatements {
		got := plan(t, conn, i, s.Query)
		if !looksUpBy(got, s.Key) {
			t.Errorf("%s: got a plan that does not look up by %v:\n%s", s.Name, s.Key, got)
		}
		inside := reversedKey
		if slices.Contains(s.Key, "number") {
			inside = s.Key // of a hold, and of the event that made it
		}
		if _, inner, nested := strings.Cut(got, "SubPlan"); nested && !looksUpBy(inner, inside) {
			t.Errorf("%s: got a plan that does not look up by %v in the end:\n%s", s.Name, inside, got)
		}
	}
	bad := plan(t, conn, len(postgres.HotStatements),
		`select id from ledger_entries where customer_id = $1 and tenant = $2 and idempotency_key || '' = $3`)
	if looksUpBy(bad, []string{"customer_id", "tenant", "idempotency_key"}) {
		t.Errorf("a statement that cannot look up by its key passes:\n%s", bad)
	}
	compilesNothing(t, bad)
	// The sweep looks at the wallets that have something to sweep and no others.
	exec(t, conn, "set local enable_seqscan = on")
	if _, err := conn.Exec(t.Context(), postgres.ReadSettings, "4s"); err != nil {
		t.Fatal(err)
	}
	checkPastPlans(t, conn)
	compilesNothing(t, plan(t, conn, len(postgres.HotStatements)+4, postgres.StragglersQuery))
	sweep := plan(t, conn, len(postgres.HotStatements)+1, postgres.ExpiredQuery)
	if !looksUpBy(sweep, []string{"next_expiry"}) || strings.Contains(sweep, "Sort") {
		t.Errorf("the sweep's look-up: got a plan that does not walk the index of expiries:\n%s", sweep)
	}
	notices := plan(t, conn, len(postgres.HotStatements)+3, postgres.DueNoticesQuery)
	if !looksUpBy(notices, []string{"tenant", "next_notice"}) || strings.Contains(notices, "Sort") {
		t.Errorf("the look-up of what is to be announced: got a plan that does not walk its index:\n%s", notices)
	}
	unfinished := plan(t, conn, len(postgres.HotStatements)+2, postgres.UnfinishedQuery)
	if !looksUpBy(unfinished, []string{"id"}) || !strings.Contains(unfinished, "transfers_in_transit") || strings.Contains(unfinished, "Sort") {
		t.Errorf("unfinished transfers: got a plan that does not walk their index:\n%s", unfinished)
	}
}

// compilesNothing wants a plan that has what is switched off, which counts as a great cost,
// not to be compiled for that: it would take a second each time.
func compilesNothing(t *testing.T, plan string) {
	t.Helper()
	if strings.Contains(plan, "JIT:") {
		t.Errorf("got a plan that is compiled:\n%s", plan)
	}
}

// checkPastPlans wants the past of a wallet read by whole keys also when a
// statement is planned for its values, as the first uses of a prepared one are.
func checkPastPlans(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	explain := func(query string, args []any) string {
		rows, err := conn.Query(t.Context(), "explain "+query, append([]any{pgx.QueryExecModeSimpleProtocol}, args...)...)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		return strings.Join(lines, "\n")
	}
	key := []string{"customer_id", "tenant", "currency", "seq"}
	for _, s := range postgres.PastStatements {
		if got := explain(s.Query, s.Args); !looksUpBy(got, key) || strings.Contains(got, "Sort") {
			t.Errorf("got a plan that does not look up by %v:\n%s\n%s", key, s.Query, got)
		}
	}
}

// plan explains a statement as one that is prepared once for all values.
func plan(t *testing.T, conn *pgx.Conn, number int, query string) string {
	t.Helper()
	name := fmt.Sprintf("statement_%d", number)
	exec(t, conn, "prepare "+name+" as "+query)
	parameters := 0
	for i := 1; strings.Contains(query, fmt.Sprintf("$%d", i)); i++ {
		parameters = i
	}
	nulls := strings.Repeat(", null", parameters)[2:]
	rows, err := conn.Query(t.Context(), "explain execute "+name+"("+nulls+")")
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

var indexCondition = regexp.MustCompile(`Index Cond: (.*)`)

// looksUpBy reports whether some index condition of a plan names every column,
// and no table is read without one.
func looksUpBy(plan string, columns []string) bool {
	condition := indexCondition.FindStringSubmatch(plan)
	if condition == nil || strings.Contains(plan, "Seq Scan") {
		return false
	}
	for _, column := range columns {
		if !strings.Contains(strings.ReplaceAll(condition[1], `"`, ""), "("+column+" ") {
			return false
		}
	}
	return true
}

func exec(t *testing.T, conn *pgx.Conn, statements string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), statements); err != nil {
		t.Fatalf("%s: %v", statements, err)
	}
}

// migrated makes the tables in a database.
func migrated(t *testing.T, url string) {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Config{URL: url})
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}
