package postgres_test

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/postgres"
)

// ofNoCustomer are the tables of what belongs to no customer.
var ofNoCustomer = []string{
	"api_keys", "business_audit_entries", "businesses", "copied_from", "feed", "installation", "people", "processor_notices",
	"products", "request_answers", "schema_migrations", "tenants", "test_clocks",
	"report_places", "report_progress", "report_sums", "sink_cursors", "sink_leases", "webhook_deliveries", "webhook_endpoints", "webhook_instances", // which a sharded installation has none of
}

// The tables can be distributed by the customer: it leads every key, every
// unique index and every foreign key of what belongs to one, and nothing fires
// when a row of theirs is added.
func TestTablesCanBeDistributed(t *testing.T) { onServers(t, tablesCanBeDistributed) }

func tablesCanBeDistributed(t *testing.T, s server) {
	i := newInstallation(t, s, 1)
	conn := connect(t, i.url)
	if found := undistributable(t, conn); len(found) > 0 {
		t.Errorf("got %q, want every table to be led by its customer", found)
	}
	if s.citus != nil {
		return // Citus itself would refuse what is planted
	}
	for _, planted := range []struct{ statement, want string }{
		{`create table orders (id text primary key)`, "orders has no customer_id"},
		{`create table orders (id text, customer_id text, primary key (id, customer_id))`, "orders_pkey is not led"},
		{`create table orders (id text, customer_id text primary key, unique (id))`, "orders_id_key is not led"},
		{`create table orders (customer_id text primary key, tenant integer references tenants (no))`, "orders_tenant_fkey is not led"},
		{`create unique index by_id on ledger_entries (id)`, "by_id is not led"},
		{`create trigger count_them after insert on wallets for each row execute function ledger_entries_are_immutable()`, "count_them fires"},
		{`create table orders (customer_id text)`, "orders has no primary key"},
	} {
		tx, err := conn.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), planted.statement); err != nil {
			t.Fatal(err)
		}
		found := undistributable(t, conn)
		if !strings.Contains(strings.Join(found, "\n"), planted.want) {
			t.Errorf("after %s: got %q, want %q found", planted.statement, found, planted.want)
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// undistributable says what of the catalogue Citus could not distribute.
func undistributable(t *testing.T, conn *pgx.Conn) []string {
	t.Helper()
	const tables = `
	  with ours as (
	    select c.oid, c.relname, a.attnum
	      from pg_class c
	      left join pg_attribute a on a.attrelid = c.oid and a.attname = 'customer_id'
	     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
	       and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e'))
	  select relname || ' has no customer_id' from ours where attnum is null and relname <> all ($1)
	  union all
	  select relname || ' has no primary key'
	    from ours o
	   where not exists (select from pg_index i where i.indrelid = o.oid and i.indisprimary)
	  union all
	  select i.indexrelid::regclass || ' is not led by customer_id'
	    from ours o
	    join pg_index i on i.indrelid = o.oid and i.indisunique
	   where o.attnum is not null and i.indkey[0] <> o.attnum
	  union all
	  select k.conname || ' is not led by customer_id'
	    from ours o
	    join pg_constraint k on k.conrelid = o.oid and k.contype in ('f', 'x')
	   where o.attnum is not null and k.conkey[1] <> o.attnum
	  union all
	  select g.tgname || ' fires when a row is added to ' || o.relname
	    from ours o
	    join pg_trigger g on g.tgrelid = o.oid and not g.tgisinternal and g.tgtype & 4 <> 0
	   where o.attnum is not null`
	rows, err := conn.Query(t.Context(), tables, ofNoCustomer)
	if err != nil {
		t.Fatal(err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// What a transaction of ledger entries runs on a sharded installation can be
// carried out by one worker.
func TestStatementsAreOfOneShard(t *testing.T) { onServers(t, statementsAreOfOneShard) }

func statementsAreOfOneShard(t *testing.T, s server) {
	statements := hotStatements(t, s)
	for _, statement := range statements {
		if wrong := crossing(statement); wrong != "" {
			t.Errorf("%s:\n%s", wrong, statement)
		}
	}
	t.Logf("%d statements", len(statements))
	for _, planted := range []string{
		`select w.balance from wallets w join unnest($1::text[]) as u (id) on w.customer_id = u.id`,
		`select 1 from unnest($1::text[], $2::integer[]) as u (customer_id, tenant) join wallets w on w.customer_id = u.customer_id`,
		`update wallets w set seq = u.seq from unnest($1::text[], $2::bigint[]) as u (customer_id, seq) where w.customer_id = u.customer_id`,
		`select 1 from customers where tenant = $1 for no key update`,
		`select 1 from customers where customer_id = $1 and tenant = $2 for update skip locked`,
		`with moved as (update wallets set seq = $2 where customer_id = $1 returning 1) insert into ledger_entries select $1`,
		`insert into ledger_entries (customer_id) select u from unnest($1::text[]) as u`,
		`insert into ledger_entries (tenant, customer_id) values ($1, $2)`,
		`update wallets set seq = $2 where customer_id = any($1)`,
		`select 1 from customers c, wallets w where c.customer_id = $1 and w.customer_id = c.customer_id`,
		`select 1 from customers where customer_id = $1 or tenant = $2`,
		`insert into ledger_entries (customer_id) values ($1), ($1) on conflict do nothing`,
		`delete from wallets where customer_id = $1`,
		`delete from wallet_lots where seq = $1`,
		`update wallet_lots set remaining = $2 where seq = $1`,
		`select u.lot from unnest($4::bigint[]) as u (lot) cross join lateral ( select * from expiry_notices n where n.lot = u.lot offset 0) as n`,
		`select e.seq, (select sum(r.amount) from ledger_entries r where r.reverses = e.id) from ledger_entries e where e.customer_id = $1 and e.tenant = $2`,
	} {
		if crossing(planted) == "" {
			t.Errorf("nothing wrong was found in: %s", planted)
		}
	}
}

var (
	ofSession = regexp.MustCompile(`^(begin isolation level read committed|commit|rollback|set local [a-z_.]+ = '[a-z0-9_]+')$`)
	ofTenant  = regexp.MustCompile(`^select no from tenants where business_id = \$1 and mode = \$2$`)
	inserting = regexp.MustCompile(`^insert into (ledger_entries|wallets|wallet_lots|lot_marks|expiry_notices) \( ?customer_id, [a-z_, ]+\) values [($, 0-9)]+$`)
	reading   = regexp.MustCompile(`^select [^;]* from (customers|wallets|wallet_lots|lot_marks|ledger_entries)( [a-z])? where ([a-z]\.)?customer_id = \$1 and [^;]+$`)
	ofKeys    = regexp.MustCompile(`^select [^;]* from unnest\(\$3::text\[\]\) as u \(idempotency_key\) cross join lateral \( ` +
		`select \* from ledger_entries e where e.customer_id = \$1 and e.tenant = \$2 and e.idempotency_key = u.idempotency_key offset 0\) as e$`)
	ofCredits = regexp.MustCompile(`^select e.seq, [a-z_., ]*, \(e.amount - coalesce\(\(select sum\(r.amount\) from ledger_entries r ` +
		`where r.customer_id = \$1 and r.tenant = \$2 and r.reverses = e.id\), 0\)\)::bigint from ledger_entries e ` +
		`where e.customer_id = \$1 and e.tenant = \$2 and e.currency = \$3 and e.seq between \$4 and \$5 and e.category <> '' order by e.seq$`)
	ofShelf = regexp.MustCompile(`^select [^;]* from unnest\(\$4::timestamptz\[\], [^;]* u \(expires_at, category, seq\) cross join lateral \( ` +
		`select \* from wallet_lots l where l.customer_id = \$1 and l.tenant = \$2 and [^;]* offset 0\) as l$`)
	ofNotices = regexp.MustCompile(`^select u\.lot from unnest\(\$4::bigint\[\]\) as u \(lot\) cross join lateral \( ` +
		`select \* from expiry_notices n where n\.customer_id = \$1 and n\.tenant = \$2 and [^;]* offset 0\) as n$`)
	taking   = regexp.MustCompile(`^delete from wallet_lots where customer_id = \$1 and tenant = \$2 and [^;]+$`)
	updating = regexp.MustCompile(`^update (wallets|wallet_lots) set [a-z_$0-9=, ]+ where customer_id = \$1 and [^;]+$`)
	ofShard  = regexp.MustCompile(`^select [^;]* from unnest\(\$1::text\[\], [^;]* u \(customer_id, tenant\) join customers c ` +
		`on [^;]* where c\.customer_id = any\(\$1::text\[\]\) order by [^;]* for no key update of c$`)
	ofWallets     = regexp.MustCompile(`^select [^;]* from wallets w join unnest\(\$1::text\[\], [^;]* where w\.customer_id = any\(\$1::text\[\]\)$`)
	ofKeysOfShard = regexp.MustCompile(`^select [^;]* from unnest\(\$1::text\[\], [^;]* u \(customer_id, tenant, idempotency_key\) cross join lateral \( ` +
		`select \* from ledger_entries e where e.customer_id = u.customer_id and [^;]* and e.customer_id = any\(\$1::text\[\]\) offset 0\) as e$`)
	updatingShard = regexp.MustCompile(`^update wallets w set [a-z_.$0-9=, ]+ from unnest\(\$1::text\[\], [^;]* where [^;]* and w.customer_id = any\(\$1::text\[\]\)$`)
	forbidden     = regexp.MustCompile(`\b(skip locked|with|unnest|join|union|or|from .* from|on conflict|exists|in)\b|\bfrom [a-z_ ]+,`)
)

// crossing says why a statement may need more than one shard, "" if it cannot.
func crossing(statement string) string {
	text := strings.Join(strings.Fields(strings.ToLower(statement)), " ")
	for _, form := range []*regexp.Regexp{
		ofSession, ofTenant, ofKeys, ofCredits, ofShelf, ofNotices, taking, ofShard, ofWallets, ofKeysOfShard, updatingShard,
	} {
		if form.MatchString(text) {
			return ""
		}
	}
	if bad := forbidden.FindString(text); bad != "" {
		return fmt.Sprintf("%q has no place in a statement of a ledger entry's transaction", bad)
	}
	if !inserting.MatchString(text) && !reading.MatchString(text) && !updating.MatchString(text) {
		return "it does not name the customers of one shard in the form that Citus passes on to one worker"
	}
	return ""
}

// hotStatements returns what transactions of ledger entries run as on a sharded
// installation: those of every size, and what is looked for after a lost answer.
func hotStatements(t *testing.T, s server) []string {
	t.Helper()
	i := newInstallation(t, s, 1)
	c := i.customer("cus_hot")
	config := s.at(i.url)
	config.ConnectionsMax, config.CommittersMax = 1, 1
	db, err := postgres.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	i.instances = append(i.instances, db)
	others, err := db.Prepared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	db.WriteAsSharded()
	post := func(r ledger.PostRequest) *ledger.Entry {
		r.CustomerID = c
		change, err := i.post(t.Context(), 1, r)
		if err != nil {
			t.Error(err)
		}
		return &change.Entry
	}
	for n := range 20 { // more lots than a row of a wallet holds
		post(ledger.PostRequest{Direction: ledger.Credit, Amount: 5, IdempotencyKey: fmt.Sprint(n)})
	}
	debit := post(ledger.PostRequest{Direction: ledger.Debit, Amount: 90})
	i.reverse(db, debit)
	// What comes while somebody holds the customer is one transaction later.
	holder := connect(t, i.url)
	if _, err := holder.Exec(t.Context(), `begin; select 1 from customers where customer_id = 'cus_hot' for update`); err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	for range 100 {
		running.Go(func() { post(ledger.PostRequest{Direction: ledger.Credit, Amount: 5}) })
	}
	time.Sleep(500 * time.Millisecond)
	if _, err := holder.Exec(t.Context(), `rollback`); err != nil {
		t.Fatal(err)
	}
	running.Wait()
	post(ledger.PostRequest{Direction: ledger.Credit, Amount: 5, ExpiresAt: time.Now().Add(2 * time.Hour)})
	i.announce(db, c)
	post(ledger.PostRequest{Direction: ledger.Debit, Amount: 5})
	i.shelve(db, post)
	i.postSeveral(db, holder)
	last := post(ledger.PostRequest{Direction: ledger.Credit, Amount: 5})
	if there, err := db.Happened(last); err != nil || !there {
		t.Errorf("look for the last entry: got %t, %v, want it found", there, err)
	}
	all, err := db.Prepared(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	statements := slices.DeleteFunc(all, func(statement string) bool { return slices.Contains(others, statement) })
	for _, part := range []string{
		"begin", "set local synchronous_commit", "from customers c", "from wallets w", "u.idempotency_key",
		"seq between", "insert into ledger_entries", "$1792)", "$224)", "reverses = $3", "join customers c", "w.customer_id = any", "u (customer_id, tenant, idempotency_key)", "update wallets w", "insert into wallets", "update wallets", "select count(*) > 0", "commit",
		"limit $7", "u.category", "sum(l.remaining)", "insert into lot_marks", "insert into wallet_lots", "update wallet_lots", "delete from wallet_lots",
		"insert into expiry_notices", "from expiry_notices n",
	} {
		if !slices.ContainsFunc(statements, func(statement string) bool { return strings.Contains(statement, part) }) {
			t.Errorf("no statement with %q was run, so it was not looked at; got %q", part, statements)
		}
	}
	return statements
}

// reverse undoes a debit by a transaction of db. What is read before that is read
// by another instance.
func (i *installation) reverse(db *postgres.DB, debit *ledger.Entry) {
	i.t.Helper()
	var seqs []int64
	for _, part := range debit.Allocations {
		seqs = append(seqs, part.LotSeq)
	}
	undone := ledger.Reversible{Entry: *debit}
	var err error
	if undone.Lots, err = i.instances[0].Opened(i.t.Context(), i.tenant, debit.CustomerID, "USD", seqs); err != nil {
		i.t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	scope := ledger.Scope{Tenant: i.tenant, CustomerID: debit.CustomerID, Currency: "USD", At: now, Reverses: debit.ID}
	_, err = db.Transact(i.t.Context(), scope, func(s ledger.Snapshot) (ledger.Change, error) {
		return ledger.Reverse(s, &ledger.ReverseRequest{EntryID: debit.ID}, &undone, ledger.Moment{Now: now})
	})
	if err != nil {
		i.t.Error(err)
	}
}

// shelve does all that is done with lots of the shelf, by transactions of db. Posting
// is the customer's.
func (i *installation) shelve(db *postgres.DB, post func(r ledger.PostRequest) *ledger.Entry) {
	i.t.Helper()
	var last *ledger.Entry
	now := time.Now().UTC().Truncate(time.Microsecond)
	for n := range 12 {
		expires := now.Add(time.Duration(n+1) * time.Hour)
		last = post(ledger.PostRequest{Direction: ledger.Credit, Amount: 5, ExpiresAt: expires})
	}
	post(ledger.PostRequest{Direction: ledger.Debit, Amount: 22})
	amount := last.Amount - 1
	scope := ledger.Scope{
		Tenant: i.tenant, CustomerID: last.CustomerID, Currency: "USD", At: now, Reverses: last.ID,
		Lot: ledger.Lot{Seq: last.Seq, Category: last.Category, ExpiresAt: last.ExpiresAt, Remaining: last.Amount},
	}
	_, err := db.Transact(i.t.Context(), scope, func(s ledger.Snapshot) (ledger.Change, error) {
		request := ledger.ReverseRequest{EntryID: last.ID, Amount: &amount}
		return ledger.Reverse(s, &request, &ledger.Reversible{Entry: *last}, ledger.Moment{Now: now})
	})
	if err != nil {
		i.t.Error(err)
	}
	later := now.Add(10 * time.Hour)
	scope = ledger.Scope{Tenant: i.tenant, CustomerID: last.CustomerID, Currency: "USD", At: later, Need: 3}
	_, err = db.Transact(i.t.Context(), scope, func(s ledger.Snapshot) (ledger.Change, error) {
		request := ledger.PostRequest{Currency: "USD", Direction: ledger.Debit, Amount: 3, CurrencyEnabled: true}
		return ledger.Post(s, &request, ledger.Moment{Now: later})
	})
	if err != nil {
		i.t.Error(err)
	}
}

// postSeveral has instance 1, which is db, carry out commands on several customers
// of one shard in one transaction: they come while somebody holds the customer of
// the one before.
func (i *installation) postSeveral(db *postgres.DB, holder *pgx.Conn) {
	i.t.Helper()
	customers := []string{"cus_hot"}
	for n := 0; len(customers) < 20; n++ {
		if id := fmt.Sprintf("cus_%d", n); db.ShardOf(id) == db.ShardOf("cus_hot") {
			customers = append(customers, i.customer(id))
		}
	}
	var running sync.WaitGroup
	post := func(customer, key string) {
		running.Go(func() {
			credit := ledger.PostRequest{CustomerID: customer, Direction: ledger.Credit, Amount: 5, IdempotencyKey: key}
			if _, err := i.post(i.t.Context(), 1, credit); err != nil {
				i.t.Error(err)
			}
		})
	}
	for _, key := range []string{"makes the wallet", "moves the wallet"} {
		if _, err := holder.Exec(i.t.Context(), `begin; select 1 from customers where customer_id = 'cus_hot' for update`); err != nil {
			i.t.Fatal(err)
		}
		post("cus_hot", "")
		time.Sleep(100 * time.Millisecond)
		for _, c := range customers {
			post(c, key)
		}
		time.Sleep(300 * time.Millisecond)
		if _, err := holder.Exec(i.t.Context(), `rollback`); err != nil {
			i.t.Fatal(err)
		}
		running.Wait()
	}
}

// On Citus itself, each of the statements is one task for one worker.
func TestStatementsAreOneTask(t *testing.T) {
	onCitus(t, func(t *testing.T, s server) {
		statements := hotStatements(t, s)
		conn := connect(t, newInstallation(t, s, 1).url)
		statements = slices.DeleteFunc(statements, func(statement string) bool { return !strings.Contains(statement, "customer_id") })
		for _, statement := range statements {
			if plan := explain(t, conn, statement); !strings.Contains(plan, "Task Count: 1\n") {
				t.Errorf("got more than one task for\n%s\n%s", statement, plan)
			}
		}
		planted := `select 1 from customers where tenant = $1 and email = $2`
		if plan := explain(t, conn, planted); strings.Contains(plan, "Task Count: 1\n") {
			t.Errorf("a statement about all customers: got one task\n%s", plan)
		}
		t.Logf("%d statements", len(statements))
	})
}

// explain returns the plan of a statement for one customer and values that are
// not null.
func explain(t *testing.T, conn *pgx.Conn, statement string) string {
	t.Helper()
	exec := func(statement string) {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	exec("prepare explained as " + statement)
	defer exec("deallocate explained")
	var types []string
	const query = `select parameter_types::text[] from pg_prepared_statements where name = 'explained'`
	if err := conn.QueryRow(t.Context(), query).Scan(&types); err != nil {
		t.Fatal(err)
	}
	var values []string
	for _, kind := range types {
		value := map[string]string{"bytea": `'\x00'`, "boolean": "true", "timestamp with time zone": "now()", "text": "'cus_hot'",
			"text[]": "'{cus_hot}'", "integer[]": "'{1}'", "bigint[]": "'{1,1}'", "bytea[]": "'{}'", "timestamp with time zone[]": "'{}'"}[kind]
		values = append(values, cmp.Or(value, "1"))
	}
	rows, err := conn.Query(t.Context(), "explain execute explained ("+strings.Join(values, ", ")+")")
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}
