package verify_test

import (
	"strings"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/verify"
)

// toldScene has a fact of each kind that the feed of a file tells beside entries, all of
// the customer with number 1.
func toldScene(t testing.TB) *ledgerFile {
	f := newLedgerFile(t)
	ann := f.customer(acmeTest, "cus_ann")
	f.customer(zetaTest, "cus_bob")
	f.mustPost(ann, credit(500))
	for _, state := range []string{"open", "pending", "paid"} {
		f.putObject(ann, "payment", "pay_1", state)
	}
	f.must(f.hold(ann, 100, time.Hour))
	f.freeze(ann, ledger.FreezeRequest{Scope: ledger.FreezeDebits, Reason: "Fraud"})
	f.finish()
	return f
}

// What the feed leaves out, tells twice or tells of nothing breaks law E1 and no other.
func TestTheFeedTellsOfEachFactOnce(t *testing.T) {
	t.Parallel()
	const of = ` from customer_events where customer = 1 and `
	again := func(where string) string {
		return `drop index customer_events_of_objects;
			insert into customer_events (customer, kind, position, after_entry) select customer, kind, position, after_entry` + of + where
	}
	for _, c := range []struct{ name, do, want string }{
		{"nothing", `select 1`, ""},
		{"no making", `delete` + of + `kind = 'made'`, "does not tell of the making"},
		{"no hold event", `delete` + of + `kind = 'hold'`, "does not tell of hold event 1"},
		{"no audit entry", `delete` + of + `kind = 'audit'`, "does not tell of audit entry 1"},
		{"no object event", `delete` + of + `kind = 'object' and position = 3`, "does not tell of object event 3"},
		{"two makings", again(`kind = 'made'`), "2 times"},
		{"a hold event twice", again(`kind = 'hold'`), "hold event 1 2 times"},
		{"an object event twice", again(`kind = 'object' and position = 2`), "object event 2 2 times"},
		{"another kind", `update customer_events set kind = 'notice' where kind = 'hold'`, "does not tell of hold event 1"},
		{"another position", `update customer_events set position = 7 where kind = 'audit'`, "does not tell of audit entry 1"},
		{"another customer", `update customer_events set customer = 2 where kind = 'hold'`, "does not tell of hold event 1"},
		{"a notice that there is not", `insert into customer_events values (90, 1, 'notice', 1, 0)`, "notice 1, which there is not"},
		{"a fact of nobody", `insert into customer_events values (90, 77, 'made', 0, 0)`, "which there is not"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := toldScene(t)
			f.corrupt(c.do)
			f.close()
			report := run(t, verify.Options{Path: f.path})
			if c.want == "" && report.Clean() {
				return
			}
			if len(report.Findings) != 1 || report.Findings[0].Law != verify.LawEvents ||
				!strings.Contains(report.Findings[0].Message, c.want) {
				t.Errorf("got findings %q, want one of law E1: %s", report.Findings, c.want)
			}
		})
	}
}
