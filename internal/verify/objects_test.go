package verify_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/verify"

	embedded "github.com/billfold/billfold/internal/sqlite"
)

// putObject makes an object of a customer what it is given as.
func (f *ledgerFile) putObject(c *customer, kind ledger.ObjectKind, id, state string) {
	f.t.Helper()
	f.putData(c, kind, id, state, `{"state":"`+state+`"}`)
}

// putData is putObject of one that keeps such data.
func (f *ledgerFile) putData(c *customer, kind ledger.ObjectKind, id, state, data string) {
	f.t.Helper()
	s := ledger.Snapshot{
		Customer: ledger.Customer{Tenant: c.tenant, ID: c.id}, Chain: c.chain, Objects: c.objects, ObjectHead: c.objectHead,
	}
	var change ledger.Change
	next := ledger.Object{
		ObjectKey: ledger.ObjectKey{Kind: kind, ID: id}, State: state, DueAt: f.now.Add(time.Hour), Data: data,
	}
	f.must(change.Put(&s, next, "payment.succeeded", `{"payload_type":"Payment"}`, f.moment().Now))
	after := s.After(&change)
	c.objects, c.objectHead = after.Objects, after.ObjectHead
	o, e := &change.Objects[0].Object, &change.Objects[0].Event
	f.exec(`insert or replace into objects (customer, tenant, kind, id, number, version, state, due_at, data, created_at,
	          updated_at) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		c.no, tenantNo(c.tenant), string(o.Kind), o.ID, o.Number, o.Version, o.State, micros(o.DueAt), o.Data,
		micros(o.CreatedAt), micros(o.UpdatedAt))
	f.exec(`insert into object_events (customer, number, object, version, position, kind, data, created_at, digest, hash)
	        values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		c.no, e.Number, e.Object, e.Version, e.Position, string(e.Kind), e.Data, micros(e.CreatedAt), e.Digest[:], e.Hash[:])
	f.exec(`update customers set object_number = ?, object_hash = ? where no = ?`, e.Number, e.Hash[:], c.no)
}

// objectScene has two customers with objects. Those of ann (number 1 of the file) are
// an order of three versions, the events 1, 2 and 4, and a payment, event 3.
func objectScene(t testing.TB) *ledgerFile {
	f := newLedgerFile(t)
	ann, bob := f.customer(acmeTest, "cus_ann"), f.customer(zetaTest, "cus_bob")
	f.customer(zetaTest, "cus_eve")
	f.mustPost(ann, ledger.PostRequest{Currency: "USD", Direction: ledger.Credit, Amount: 500})
	f.putObject(ann, "order", "inv_1", "open")
	f.putObject(ann, "order", "inv_1", "pending")
	f.putObject(ann, "payment", "pay_1", "succeeded")
	f.putObject(bob, "order", "inv_2", "open")
	f.mustPost(ann, ledger.PostRequest{Currency: "USD", Direction: ledger.Debit, Amount: 200})
	f.putObject(ann, "order", "inv_1", "paid")
	f.finish()
	return f
}

func setObject(column, value string) string {
	return "update objects set " + column + " = " + value + " where id = 'inv_1'"
}

func setAnnsHead(column, value string) string {
	return "update customers set " + column + " = " + value + " where no = 1"
}

func setObjectEvent(number, column, value string) string {
	return "update object_events set " + column + " = " + value + " where customer = 1 and number = " + number
}

var objectCorruptions = []corruption{
	{name: "object gone", do: `delete from objects where id = 'pay_1'`, law: "M5"},
	{name: "object of no event", do: `insert into objects (customer, tenant, kind, id, number, version, state, due_at, data,
	  created_at, updated_at) select customer, tenant, kind, 'inv_9', 9, version, state, due_at, data, created_at, updated_at
	  from objects where id = 'inv_1'`, law: "M5"},
	{name: "object of another customer", column: "objects.customer", do: "drop index objects_by_number; " + setObject("customer", "2"), law: "M5"},
	{name: "object of another tenant", column: "objects.tenant", do: setObject("tenant", "2"), law: "N1"},
	{name: "object's kind", column: "objects.kind", do: setObject("kind", "'payment'"), law: "M6"},
	{name: "object's id", column: "objects.id", do: setObject("id", "'inv_7'"), law: "M6"},
	{name: "object's number", column: "objects.number", do: setObject("number", "2"), law: "M5"},
	{name: "object's version", column: "objects.version", do: setObject("version", "2"), law: "M5"},
	{name: "object's state", column: "objects.state", do: setObject("state", "'void'"), law: "M6"},
	{name: "object's due time", column: "objects.due_at", do: setObject("due_at", "0"), law: "M6"},
	{name: "object's data", column: "objects.data", do: setObject("data", "'{}'"), law: "M6"},
	{name: "object's creation", column: "objects.created_at", do: setObject("created_at", "created_at + 1"), law: "M6"},
	{name: "object's update", column: "objects.updated_at", do: setObject("updated_at", "updated_at + 1"), law: "M6"},

	{name: "event gone", do: `delete from object_events where customer = 1 and number = 2`, law: "M5"},
	{name: "last event gone", do: `delete from object_events where customer = 1 and number = 4`, law: "M5"},
	{name: "newest events gone, rows restored", do: `delete from object_events where customer = 1 and number >= 3;
	  delete from customer_events where customer = 1 and kind = 'object' and position >= 3;
	  delete from objects where id = 'pay_1';
	  update objects set version = 2, state = 'pending', data = '{"state":"pending"}',
	         (due_at, updated_at) = (select created_at + 3600000000, created_at from object_events where customer = 1 and number = 2)
	   where id = 'inv_1'`, law: "M5", only: true},
	{name: "all events and rows gone", do: `delete from object_events; delete from objects`, law: "M5"},
	{name: "chain that stands further on", column: "customers.object_number", do: setAnnsHead("object_number", "5"), law: "M5", only: true},
	{name: "chain that stands nowhere", column: "customers.object_number", do: setAnnsHead("object_number", "0"), law: "M5", only: true},
	{name: "chain with another end", column: "customers.object_hash", do: setAnnsHead("object_hash", "zeroblob(32)"), law: "M4", only: true},
	{name: "end of a chain where there is none", column: "customers.object_hash",
		do: `update customers set object_hash = randomblob(32) where id = 'cus_eve'`, law: "M4", customer: "cus_eve", only: true},
	{name: "event of another customer", column: "object_events.customer", do: `update object_events set customer = 2, number = 2
	  where customer = 1 and number = 4`, law: "M5"},
	{name: "event of nobody", do: setObjectEvent("4", "customer", "99"), law: "N1", customer: "-"},
	{name: "event's number", column: "object_events.number", do: setObjectEvent("4", "number", "5"), law: "M5"},
	{name: "event's object", column: "object_events.object", do: setObjectEvent("4", "object", "3"), law: "M5"},
	{name: "event's version", column: "object_events.version", do: setObjectEvent("4", "version", "2"), law: "M5"},
	{name: "event's position", column: "object_events.position", do: setObjectEvent("4", "position", "1"), law: "M4"},
	{name: "event's kind", column: "object_events.kind", do: setObjectEvent("1", "kind", "''"), law: "M4"},
	{name: "event's data", column: "object_events.data", do: setObjectEvent("1", "data", "'{}'"), law: "M4"},
	{name: "event's time", column: "object_events.created_at", do: setObjectEvent("4", "created_at", "1"), law: "R4"},
	{name: "event's digest", column: "object_events.digest", do: setObjectEvent("1", "digest", "zeroblob(32)"), law: "M4"},
	{name: "event's hash", column: "object_events.hash", do: setObjectEvent("1", "hash", "zeroblob(32)"), law: "M4"},
}

func TestObjectsAreVerified(t *testing.T) {
	t.Parallel()
	clean := objectScene(t)
	clean.close()
	if report := run(t, verify.Options{Path: clean.path}); !report.Clean() {
		t.Fatalf("objects as they were written: got findings %q, want none", report.Findings)
	}
	for _, c := range objectCorruptions {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := objectScene(t)
			f.corrupt(c.do)
			f.close()
			switch c.customer {
			case "":
				c.customer = "cus_ann"
			case "-":
				c.customer = ""
			}
			report := run(t, verify.Options{Path: f.path})
			if !c.found(report) || c.only && len(report.Findings) > 1 {
				t.Errorf("got findings %q, want law %s of %q", report.Findings, c.law, c.customer)
			}
		})
	}
}

// A checkpoint shows what nothing inside the file can: that all that speaks of the newest
// events about objects was removed, or written anew.
func TestACheckpointHoldsTheEventsAboutObjects(t *testing.T) {
	t.Parallel()
	f := objectScene(t)
	heads := headsOf(t, f.path)
	got := fmt.Sprintf("%s %d %X", heads[0].CustomerID, heads[0].ObjectNumber, heads[0].ObjectHash)
	last := "cus_ann 4 " + f.text(`select hex(hash) from object_events where customer = 1 and number = 4`)
	if got != last || len(heads) != 3 || heads[2].ObjectNumber != 0 {
		t.Errorf("got %d heads, the first %s, want 3, %s, and nothing in the last", len(heads), got, last)
	}
	if report := against(t, f.path, heads); !report.Clean() {
		t.Errorf("the same ledger: got findings %q, want none", report.Findings)
	}
	want := func(customer, message string) {
		t.Helper()
		report := against(t, f.path, heads)
		if len(report.Findings) != 1 || report.Findings[0].Law != verify.LawImmutable ||
			report.Findings[0].CustomerID != customer ||
			!strings.Contains(report.Findings[0].Message, message) {
			t.Errorf("got findings %q, want one of law M6 of %s: %s", report.Findings, customer, message)
		}
	}
	heads[0].ObjectHash[0] ^= 1
	want("cus_ann", "object event 4")
	heads[0].ObjectHash[0] ^= 1
	f.corrupt(`
		delete from object_events where customer = 2;
		delete from objects where customer = 2;
		delete from customer_events where customer = 2 and kind = 'object';
		update customers set object_number = 0, object_hash = zeroblob(32) where no = 2`)
	want("cus_bob", "object event 1, which is gone")
}

// What comes behind removed events goes on from the last of them, so that the gap stays.
func TestALaterEventDoesNotHideThoseThatWereRemoved(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	put := func(ids ...string) {
		t.Helper()
		db, err := embedded.Open(t.Context(), embedded.Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if len(ids) > 1 {
			business := access.Business{ID: acmeTest.BusinessID, Name: "Acme", CreatedAt: start}
			err = db.CreateBusiness(t.Context(), business, access.Settings{}, nil)
			addCustomers(t, db, 1)
		}
		for _, id := range ids {
			key := ledger.ObjectKey{Kind: "order", ID: id}
			scope := ledger.Scope{
				Tenant: acmeTest, CustomerID: fmt.Sprintf("cus_%021d", 0), Currency: "USD", At: start, Objects: []ledger.ObjectKey{key},
			}
			_, failed := db.Transact(t.Context(), scope, func(s ledger.Snapshot) (ledger.Change, error) {
				change := ledger.Change{Wallet: s.Wallet}
				return change, change.Put(&s, ledger.Object{ObjectKey: key}, "", "", start)
			})
			err = errors.Join(err, failed)
		}
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
	}
	put("inv_1", "inv_2", "inv_3")
	wantClean(t, dir)
	conn, err := sqlite.OpenConn(filepath.Join(dir, embedded.FileName), sqlite.OpenReadWrite)
	if err == nil {
		err = errors.Join(sqlitex.ExecuteScript(conn, `
			drop trigger object_events_are_not_deleted;
			delete from object_events where number >= 2;
			delete from objects where number >= 2`, nil), conn.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	put("inv_4")
	report := run(t, verify.Options{Path: dir})
	if !slices.ContainsFunc(report.Findings, func(f verify.Finding) bool {
		return f.Law == verify.LawSequence && strings.Contains(f.Message, "object event 4 comes behind object event 1")
	}) {
		t.Errorf("got findings %q, want one of the gap between events 1 and 4", report.Findings)
	}
}
