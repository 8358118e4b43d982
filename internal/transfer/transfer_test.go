package transfer_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
)

// A copy to PostgreSQL and back is the first database again, row for row; what
// is read through the stores is the same on all three.
func TestThereAndBack(t *testing.T) {
	t.Parallel()
	first, there, back, beside := side{dir: installation(t)}, emptyDatabase(t), emptyDir(t), emptyDatabase(t)
	report := mustTransfer(t, first, there)
	if report.Entries < 3000 || report.Copied != report.Entries || report.Resumed {
		t.Errorf("report: got %+v, want at least 3000 entries, all of this run", report)
	}
	mustTransfer(t, there, back)
	mustTransfer(t, there, beside)
	sameRows(t, first.dir, back.dir)
	want := everything(t, first)
	wantText := must1(json.Marshal(want))
	for name, other := range map[string]side{"PostgreSQL": there, "back": back, "PostgreSQL again": beside} {
		got := everything(t, other)
		if bytes.Equal(wantText, must1(json.Marshal(got))) {
			continue // which is found much sooner than a difference
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// Between two directories the numbers of entries stay too.
func TestEmbeddedToEmbedded(t *testing.T) {
	t.Parallel()
	first, second := side{dir: installation(t)}, emptyDir(t)
	mustTransfer(t, first, second)
	sameRows(t, first.dir, second.dir)
	conn := attached(t, first.dir, second.dir)
	for _, query := range []string{
		"select no, previous, wallet_previous, hash from %s.ledger_entries",
		"select customer, currency, last_entry from %s.wallets",
		"select * from %s.customer_marks", "select * from %s.wallet_marks",
	} {
		sameAnswer(t, conn, fmt.Sprintf(query, "one"), fmt.Sprintf(query, "two"))
	}
}

// attached opens two databases as one and two.
func attached(t *testing.T, one, two string) *sqlite.Conn {
	t.Helper()
	conn, err := sqlite.OpenConn(":memory:", sqlite.OpenReadWrite, sqlite.OpenURI)
	must(t, err)
	t.Cleanup(func() { closing(t, "connection", conn.Close) })
	for name, dir := range map[string]string{"one": one, "two": two} {
		attach := "attach '" + filepath.Join(dir, "billfold.db") + "' as " + name
		must(t, sqlitex.ExecuteTransient(conn, attach, nil))
	}
	return conn
}

func sameAnswer(t *testing.T, conn *sqlite.Conn, one, two string) {
	t.Helper()
	for _, query := range []string{one + " except " + two, two + " except " + one} {
		count := 0
		must(t, sqlitex.ExecuteTransient(conn, "select count(*) from ("+query+")", &sqlitex.ExecOptions{
			ResultFunc: func(stmt *sqlite.Stmt) error { count = stmt.ColumnInt(0); return nil },
		}))
		if count != 0 {
			t.Errorf("%s: got %d rows, want none", query, count)
		}
	}
}

// ownRows are the tables that belong to a file and not to what it holds.
var ownRows = []string{
	"key_runs", "key_extents", "key_pages", "key_mark", "copied_from", "schema_migrations", "customer_events", "feed",
	"report_sums", "report_places", "report_progress",
}

// sameRows compares two databases with queries that no code of the copy knows:
// every column of every table, but for the numbers by which a file finds its
// own rows.
func sameRows(t *testing.T, one, two string) {
	t.Helper()
	conn := attached(t, one, two)
	var tables []string
	must(t, sqlitex.ExecuteTransient(conn, "select name from one.sqlite_master where type = 'table'", &sqlitex.ExecOptions{
		ResultFunc: func(stmt *sqlite.Stmt) error { tables = append(tables, stmt.ColumnText(0)); return nil },
	}))
	own := map[string]string{
		"ledger_entries": "no previous wallet_previous", "wallets": "no last_entry", "installation": "secret",
		"customer_marks": "entry", "wallet_marks": "entry", "webhook_endpoints": "place",
	}
	compared := 0
	for _, table := range tables {
		if strings.Contains(strings.Join(ownRows, " "), table) {
			continue
		}
		var columns []string
		must(t, sqlitex.ExecuteTransient(conn, "select name from pragma_table_info('"+table+"', 'one')", &sqlitex.ExecOptions{
			ResultFunc: func(stmt *sqlite.Stmt) error {
				if name := stmt.ColumnText(0); !strings.Contains(" "+own[table]+" ", " "+name+" ") {
					columns = append(columns, name)
				}
				return nil
			},
		}))
		compared++
		list := strings.Join(columns, ", ")
		sameAnswer(t, conn, "select "+list+" from one."+table, "select "+list+" from two."+table)
		sameAnswer(t, conn, "select count(*) from one."+table, "select count(*) from two."+table)
	}
	if compared < 9 {
		t.Errorf("tables: got %d compared, want all that hold the installation", compared)
	}
}

// everything is what can be read of an installation through its store.
type seen struct {
	Businesses []access.Business
	Keys       []access.Key
	Settings   map[string]access.Settings
	Customers  map[string][]ledger.CustomerList // page by page, with their cursors
	Wallets    map[string]ledger.WalletList
	Entries    map[string][]ledger.EntryList
	ByKey      map[string]ledger.Entry
	Answers    []string
}

func everything(t *testing.T, from side) seen {
	t.Helper()
	db := from.open(t)
	defer closing(t, "store", db.Close)
	s := seen{
		Settings: map[string]access.Settings{}, Customers: map[string][]ledger.CustomerList{},
		Wallets: map[string]ledger.WalletList{}, Entries: map[string][]ledger.EntryList{}, ByKey: map[string]ledger.Entry{},
	}
	var err error
	s.Businesses, err = db.Businesses(t.Context())
	must(t, err)
	s.Keys, err = db.Keys(t.Context(), "")
	must(t, err)
	for _, business := range s.Businesses {
		for _, mode := range []ledger.Mode{ledger.Test, ledger.Live} {
			tenant := ledger.Tenant{BusinessID: business.ID, Mode: mode}
			name := business.ID + " " + string(mode)
			s.Settings[name], err = db.Settings(t.Context(), tenant)
			must(t, err)
			for page := (ledger.Page{Limit: 7}); page.Before > 0 || len(s.Customers[name]) == 0; {
				list, err := db.Customers(t.Context(), tenant, ledger.CustomerFilter{}, page)
				must(t, err)
				s.Customers[name] = append(s.Customers[name], list)
				for _, customer := range list.Customers {
					s.customer(t, db, customer)
				}
				if page.Before = list.Next; page.Before == 0 {
					break
				}
			}
		}
	}
	return s
}

func (s *seen) customer(t *testing.T, db store, customer ledger.Customer) {
	t.Helper()
	name := string(customer.Tenant.Mode) + customer.Tenant.BusinessID + customer.ID
	var err error
	s.Wallets[name], err = db.Wallets(t.Context(), customer.Tenant, customer.ID, time.Time{})
	must(t, err)
	for page := (ledger.Page{Limit: 50}); ; {
		list, err := db.Entries(t.Context(), customer.Tenant, customer.ID, ledger.EntryFilter{}, page)
		must(t, err)
		s.Entries[name] = append(s.Entries[name], list)
		for i, entry := range list.Entries {
			if i > 0 {
				continue // one of each page is looked up in the other ways
			}
			one, err := db.Entry(t.Context(), customer.Tenant, customer.ID, entry.ID)
			must(t, err)
			s.ByKey[entry.ID] = one
			filter := ledger.EntryFilter{IdempotencyKey: entry.IdempotencyKey, Currency: entry.Currency}
			found, err := db.Entries(t.Context(), customer.Tenant, customer.ID, filter, ledger.Page{Limit: 3})
			must(t, err)
			s.Entries[name+entry.ID] = []ledger.EntryList{{Entries: found.Entries}}
		}
		if page.Before = list.Next; page.Before == 0 {
			return
		}
	}
}

// A copy is used as its source would have been: repeats get their first answers,
// debits take the same lots, new customers stand before the old ones.
func TestUsedAfterwards(t *testing.T) {
	t.Parallel()
	first, second, third := side{dir: installation(t)}, emptyDatabase(t), emptyDir(t)
	mustTransfer(t, first, second)
	mustTransfer(t, second, third)
	var answers []string
	for _, each := range []side{first, second, third} {
		db := each.open(t)
		answers = append(answers, use(t, db))
		closing(t, "store", db.Close)
		if _, err := each.verify(t.Context()); err != nil {
			t.Errorf("verify after use: %v", err)
		}
	}
	for i, answer := range answers[1:] {
		if diff := cmp.Diff(answers[0], answer); diff != "" {
			t.Errorf("copy %d (-source +copy):\n%s", i+1, diff)
		}
	}
}

// use does the same to every store and returns all that it was told.
func use(t *testing.T, db store) string {
	t.Helper()
	var told strings.Builder
	now, dice := began.Add(30*24*time.Hour), rand.New(rand.NewPCG(1, 2))
	book := ledger.NewBook(db, func() time.Time { now = now.Add(time.Second); return now }, dice.Uint64)
	test := ledger.Tenant{BusinessID: "bus_fill", Mode: ledger.Test}
	say := func(what any, err error) { fmt.Fprintf(&told, "%+v %v\n", what, err) }
	fresh := ledger.Customer{
		Tenant: test, ID: "cus_new", Email: "new@example.com", Name: "New", Metadata: "{}", CreatedAt: now, UpdatedAt: now,
	}
	say(db.CreateCustomer(t.Context(), fresh, onceOf(test, "POST /customers", "new")))
	again := fresh
	again.ID = "cus_never"
	say(db.CreateCustomer(t.Context(), again, onceOf(test, "POST /customers", "new")))
	say(db.CreateCustomer(t.Context(), again, onceOf(test, "POST /customers", "key "+texts[1])))
	list, err := db.Customers(t.Context(), test, ledger.CustomerFilter{}, ledger.Page{Limit: 200})
	must(t, err)
	if list.Customers[0].ID != fresh.ID {
		t.Errorf("newest customer: got %s, want the one that was made after the copy", list.Customers[0].ID)
	}
	must(t, db.CreateKey(t.Context(), keyOf("key_new", test, time.Time{})))
	keys, err := db.Keys(t.Context(), "")
	must(t, err)
	if keys[0].ID != "key_new" {
		t.Errorf("newest key: got %s, want the one that was made after the copy", keys[0].ID)
	}
	for i, customer := range list.Customers {
		text := ""
		if j := len(texts) - 1 - i%len(texts); i < len(texts) {
			text = texts[j]
		}
		for n, direction := range []ledger.Direction{ledger.Credit, ledger.Debit, ledger.Debit, ledger.Credit} {
			request := ledger.PostRequest{
				Tenant: test, CustomerID: customer.ID, Currency: "USD", Direction: direction, Amount: 333, CurrencyEnabled: true,
				IdempotencyKey: fmt.Sprintf("%s %d", text, n*7),
			}
			change, err := book.Post(t.Context(), request)
			change.Wallet.Lots, change.Wallet.Lapsed = nil, 0 // a store may show more of them than another
			say(change, err)
			request.IdempotencyKey = customer.Name + " 5"
			request.Direction, request.Amount, request.Reason, request.ReferenceObjectID, request.Metadata =
				ledger.Credit, 100, customer.Name, customer.Name, customer.Metadata
			change, err = book.Post(t.Context(), request)
			change.Wallet.Lots, change.Wallet.Lapsed = nil, 0
			say(change, err)
		}
	}
	if replayed := strings.Count(told.String(), "Replayed:true"); replayed < 4 {
		t.Errorf("repeats: got %d first answers, want more", replayed)
	}
	return told.String()
}
