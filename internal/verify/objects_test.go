package verify_test

import (
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/verify"
)

// putObject makes an object of a customer what it is given as.
func (f *ledgerFile) putObject(c *customer, kind ledger.ObjectKind, id, state string) {
	f.t.Helper()
	s := ledger.Snapshot{
		Customer: ledger.Customer{Tenant: c.tenant, ID: c.id}, Chain: c.chain, Objects: c.objects, ObjectHead: c.objectHead,
	}
	var change ledger.Change
	next := ledger.Object{
		ObjectKey: ledger.ObjectKey{Kind: kind, ID: id}, State: state, DueAt: f.now.Add(time.Hour), Data: `{"state":"` + state + `"}`,
	}
	f.must(change.Put(&s, next, "payment.succeeded", `{"told":1}`, f.moment().Now))
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
}

// objectScene has two customers with objects. Those of ann (number 1 of the file) are
// an invoice of three versions, the events 1, 2 and 4, and a payment, event 3.
func objectScene(t testing.TB) *ledgerFile {
	f := newLedgerFile(t)
	ann, bob := f.customer(acmeTest, "cus_ann"), f.customer(zetaTest, "cus_bob")
	f.mustPost(ann, ledger.PostRequest{Currency: "USD", Direction: ledger.Credit, Amount: 500})
	f.putObject(ann, "invoice", "inv_1", "open")
	f.putObject(ann, "invoice", "inv_1", "pending")
	f.putObject(ann, "payment", "pay_1", "succeeded")
	f.putObject(bob, "invoice", "inv_2", "open")
	f.mustPost(ann, ledger.PostRequest{Currency: "USD", Direction: ledger.Debit, Amount: 200})
	f.putObject(ann, "invoice", "inv_1", "paid")
	f.finish()
	return f
}

func setObject(column, value string) string {
	return "update objects set " + column + " = " + value + " where id = 'inv_1'"
}

func setObjectEvent(number, column, value string) string {
	return "update object_events set " + column + " = " + value + " where customer = 1 and number = " + number
}

var objectCorruptions = []corruption{
	{name: "object gone", do: `delete from objects where id = 'pay_1'`, law: "M5"},
	{name: "object of no event", do: `insert into objects (customer, tenant, kind, id, number, version, state, due_at, data,
	  created_at, updated_at) select customer, tenant, kind, 'inv_9', 9, version, state, due_at, data, created_at, updated_at
	  from objects where id = 'inv_1'`, law: "M5"},
	{name: "object of another customer", column: "objects.customer", do: setObject("customer", "2"), law: "M5"},
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
			if report := run(t, verify.Options{Path: f.path}); !c.found(report) {
				t.Errorf("got findings %q, want law %s of %q", report.Findings, c.law, c.customer)
			}
		})
	}
}
