package verify_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/internal/verify"
)

// corruption is one thing that goes wrong with the file of [scene], and what
// verify must say about it.
type corruption struct {
	name string

	// column is the one that is changed, as table.column. Empty when rows come
	// or go.
	column string
	do     string // statements

	law      verify.Law
	customer string // id, with the mode for live
	position int64
	quick    bool // whether a quick run sees it too
	only     bool // nothing else must be found
}

const (
	ann     = "cus_ann"
	annLive = "cus_ann live"
	bob     = "cus_bob"
)

// setWallet changes a column of Ann's wallet in USD.
func setWallet(column, value string) string {
	return fmt.Sprintf(`update wallets set %s = %s where customer = %d and currency = 'USD'`, column, value, annNo)
}

// setLots changes the lots that Ann's wallet writes out, see [scene]: lot 6 in
// 11 bytes, lot 5 in 12, lot 1 in 5.
func setLots(value string) string { return setWallet("lots", "cast("+value+" as blob)") }

var rowCorruptions = []corruption{
	{name: "entry gone", do: `delete from ledger_entries where no = 6`, law: "M5", customer: ann, position: 6, quick: true},
	{name: "entry gone leaves a number", do: `delete from ledger_entries where no = 1`, law: "M5", customer: bob, position: 2, quick: true},
	{name: "customer's last entry gone", do: `delete from ledger_entries where no = 73`, law: "M5", customer: ann, position: 71, quick: true},
	{name: "newest entry gone", do: `delete from ledger_entries where no = 76`, law: "M5", customer: bob, position: 1, quick: true},
	{name: "all entries of a customer gone", do: `delete from ledger_entries where customer = 3`, law: "M3", customer: annLive},
	{name: "two entries swapped", do: `update ledger_entries set no = -6 where no = 6; update ledger_entries set no = 6 where no = 7;
		update ledger_entries set no = 7 where no = -6`, law: "M5", customer: ann, position: 6, quick: true},
	{name: "entry twice", do: `insert into ledger_entries select 77, id, customer, currency, position, seq, previous, wallet_previous, is_credit,
		amount, before_balance, after_balance, available, event_type, account, category, expires_at, allocations, reason,
		reference_object_id, metadata, idempotency_key, fingerprint, created_by, created_at, hash, reverses, alerts,
		hold_id, held from ledger_entries where no = 73`, law: "M5", customer: ann, position: 72},
	{name: "amounts of two entries swapped", do: `update ledger_entries set amount = 1000 + 300 - amount where no in (3, 2)`,
		law: "M4", customer: ann, position: 1, quick: true},
	{name: "wallet row gone", do: `delete from wallets where customer = 2 and currency = 'USD'`, law: "M3", customer: ann, position: 72, quick: true},
	{name: "wallet row without entries", do: `insert into wallets (no, tenant, customer, currency, balance, seq, position, last_entry, hash, updated_at, lots)
		values (9, 1, 5, 'USD', 1, 1, 1, 1, zeroblob(32), 1, X'')`, law: "M3", customer: "cus_poor"},
	{name: "customer gone", do: `delete from customers where no = 2`, law: "N1", quick: true},
	{name: "business gone", do: `delete from businesses where id = 'bus_acme'`, law: "N1", quick: true},
	{name: "mark gone", do: `delete from customer_marks`, law: "R3", customer: ann, position: 64},
	{name: "mark too many", do: `insert into customer_marks values (2, 128, 70)`, law: "R3", customer: ann, position: 128},
	{name: "mark between", do: `insert into customer_marks values (2, 63, 64)`, law: "R3", customer: ann, position: 63},
	{name: "wallet mark gone", do: `delete from wallet_marks`, law: "R3", customer: ann},
	{name: "wallet mark of no wallet", do: `insert into wallet_marks values (2, 'EUR', 64, 64)`, law: "R3", customer: ann},
}

var walletCorruptions = []corruption{
	{name: "wallet of another customer", column: "wallets.customer", do: setWallet("customer", "5"), law: "M1"},
	{name: "wallet of nobody", column: "wallets.customer", do: setWallet("customer", "99"), law: "N1"},
	{name: "wallet in another currency", column: "wallets.currency", do: setWallet("currency", "'EUR'"), law: "M3", customer: ann},
	{name: "balance", column: "wallets.balance", do: setWallet("balance", "balance + 1"), law: "M3", customer: ann, position: 72, quick: true},
	{name: "balance and the other sides", column: "wallets.balance", do: setWallet("balance", "balance + 1"), law: "M1"},
	{name: "balance and the lots", column: "wallets.balance", do: setWallet("balance", "balance + 1"), law: "L1", customer: ann, position: 72, quick: true},
	{name: "balance out of range", column: "wallets.balance", do: setWallet("balance", "-1"), law: "M7", customer: ann, position: 72, quick: true},
	{name: "held without a hold", column: "wallets.held", do: setWallet("held", "1"), law: "H1", customer: ann, position: 72, quick: true},
	{name: "wallet's seq", column: "wallets.seq", do: setWallet("seq", "seq + 1"), law: "M5", customer: ann, position: 72, quick: true},
	{name: "wallet's position", column: "wallets.position", do: setWallet("position", "position - 1"), law: "M5", customer: ann, position: 72, quick: true},
	{name: "wallet's last entry", column: "wallets.last_entry", do: setWallet("last_entry", "last_entry - 1"), law: "R3", customer: ann, position: 72, quick: true},
	{name: "wallet's hash", column: "wallets.hash", do: setWallet("hash", "zeroblob(32)"), law: "M4", customer: ann, position: 72, quick: true},
	{name: "wallet's time", column: "wallets.updated_at", do: setWallet("updated_at", "updated_at + 1"), law: "R4", customer: ann, position: 72, quick: true},
	{name: "lots cut short", column: "wallets.lots", do: setWallet("lots", "substr(lots, 1, length(lots) - 1)"), law: "L1", customer: ann, position: 72, quick: true},
	{name: "lots in another order", column: "wallets.lots", do: setLots("substr(lots, 12, 12) || substr(lots, 1, 11) || substr(lots, 24)"), law: "L2", customer: ann, position: 72, quick: true},
	{name: "lot with one more left", column: "wallets.lots", do: setLots("substr(lots, 1, 26) || X'B707'"), law: "L1", customer: ann, position: 72, quick: true},
	{name: "money moved from lot to lot", column: "wallets.lots", do: setLots("substr(lots, 1, 21) || X'BD05' || X'0101' || zeroblob(1) || X'B507'"), law: "L1", customer: ann, position: 72},
	{name: "lot of another category", column: "wallets.lots", do: setLots("substr(lots, 1, 24) || zeroblob(2) || X'B607'"), law: "L1", customer: ann, position: 72},
	{name: "lot of a third category", column: "wallets.lots", do: setLots("substr(lots, 1, 24) || X'02' || zeroblob(1) || X'B607'"), law: "L1", customer: ann, position: 72, quick: true},
	{name: "lot spent long ago", column: "wallets.lots", do: setLots("substr(lots, 1, 23) || X'03' || zeroblob(2) || X'010101' || zeroblob(1) || X'B507'"), law: "L1", customer: ann, position: 72},
	{name: "expired lot swept without an entry", column: "wallets.lots", do: setLots("substr(lots, 12)"), law: "L1", customer: ann, position: 72, quick: true},
	{name: "lots gone", column: "wallets.lots", do: setWallet("lots", "X''"), law: "L1", customer: ann, position: 72, quick: true},
	{name: "tail sum", column: "wallets.paid_sum", do: setWallet("paid_sum", "paid_sum + 1"), law: "L1", customer: ann, position: 72, quick: true},
	{name: "tail begins later", column: "wallets.paid_from", do: setWallet("paid_from", "paid_from + 1"), law: "L1", customer: ann, position: 72},
	{name: "tail begins nowhere", column: "wallets.paid_from", do: setWallet("paid_from", "0"), law: "L1", customer: ann, position: 72, quick: true},
	{name: "tail takes in a touched lot", column: "wallets.paid_from", do: setWallet("paid_from", "1"), law: "L1", customer: ann, position: 72},
	{name: "tail of nothing", column: "wallets.promotional_from", do: setWallet("promotional_from", "3"), law: "L1", customer: ann, position: 72, quick: true},
	{name: "next expiry", column: "wallets.next_expiry", do: setWallet("next_expiry", "next_expiry + 1"), law: "L4", customer: ann, position: 72, quick: true},
	{name: "next expiry lost", column: "wallets.next_expiry", do: setWallet("next_expiry", "0"), law: "L4", customer: ann, position: 72, quick: true},
	{name: "next expiry where none is", column: "wallets.next_expiry", do: `update wallets set next_expiry = 1 where customer = 1`, law: "L4", customer: bob, position: 2, quick: true},
	{name: "lots as a text", column: "wallets.lots", do: loosely("wallets") + setWallet("lots", "cast(lots as text)"), law: "M6", customer: ann, position: 72, quick: true},
	{name: "currency as a blob", column: "wallets.currency", do: loosely("wallets") + setWallet("currency", "cast(currency as blob)"), law: "M6", customer: ann, position: 72},
	{name: "a debt of nothing", column: "wallets.debt", do: setWallet("debt", "1"), law: "O3", customer: ann, position: 72},
	{name: "tail of money that is not there", column: "wallets.promotional_sum", do: setWallet("promotional_sum", "1"), law: "L1", customer: ann, position: 72, quick: true},
}

var otherCorruptions = []corruption{
	{name: "mark of another customer", column: "customer_marks.customer", do: `update customer_marks set customer = 1`, law: "R3", customer: bob, position: 64},
	{name: "mark at another position", column: "customer_marks.position", do: `update customer_marks set position = 65`, law: "R3", customer: ann, position: 65},
	{name: "mark leads elsewhere", column: "customer_marks.entry", do: `update customer_marks set entry = entry + 1`, law: "R3", customer: ann, position: 64},
	{name: "wallet mark of another customer", column: "wallet_marks.customer", do: `update wallet_marks set customer = 1`, law: "R3", customer: bob},
	{name: "wallet mark in another currency", column: "wallet_marks.currency", do: `update wallet_marks set currency = 'INR'`, law: "R3", customer: ann},
	{name: "wallet mark at another seq", column: "wallet_marks.seq", do: `update wallet_marks set seq = 128`, law: "R3", customer: ann},
	{name: "wallet mark leads elsewhere", column: "wallet_marks.entry", do: `update wallet_marks set entry = entry - 1`, law: "R3", customer: ann},
	{name: "customer of another mode", column: "customers.tenant", do: `update customers set tenant = 2, id = 'cus_moved' where no = 2`, law: "M4", customer: "cus_moved live", position: 1, quick: true},
	{name: "customer of another business and its keys", column: "customers.tenant", do: `update customers set tenant = 3 where no = 1`, law: "N1", customer: bob, position: 1, quick: true},
	{name: "customer of no business", column: "customers.tenant", do: `update customers set tenant = 99 where no = 2`, law: "N1", customer: ann, quick: true},
	{name: "customer renamed", column: "customers.id", do: `update customers set id = 'cus_anne' where no = 2`, law: "M4", customer: "cus_anne", position: 1, quick: true},
	{name: "customer's number", column: "customers.no", do: `update customers set no = 6 where no = 2`, law: "N1", quick: true},
	{name: "tenant's business", column: "tenants.business_id", do: `update tenants set business_id = 'bus_none' where no = 1`, law: "N1", quick: true},
	{name: "tenant's mode", column: "tenants.mode", do: `update tenants set mode = 'trial' where no = 1`, law: "N1", quick: true},
	{name: "tenant's number", column: "tenants.no", do: `update tenants set no = 9 where no = 1`, law: "N1", quick: true},
	{name: "business renumbered", column: "businesses.id", do: `update businesses set id = 'bus_else' where id = 'bus_acme'`, law: "N1", quick: true},
	{name: "API key of nobody", column: "api_keys.tenant", do: `update api_keys set tenant = 99 where tenant = 2`, law: "N1", quick: true},
	{name: "API key of another business", column: "api_keys.tenant", do: `update api_keys set tenant = 3 where tenant = 1`, law: "N1", customer: nobody, position: 5, quick: true},
}

func corruptions() []corruption {
	return slices.Concat(entryCorruptions, rowCorruptions, walletCorruptions, otherCorruptions, auditCorruptions,
		alertCorruptions, businessCorruptions, peopleCorruptions, clockCorruptions)
}

func TestEachCorruptionIsNamed(t *testing.T) {
	t.Parallel()
	for _, c := range corruptions() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := scene(t)
			f.corrupt(c.do)
			got := run(t, verify.Options{Path: f.path})
			if !c.found(got) {
				t.Errorf("got findings %q, want law %s at position %d of %q", got.Findings, c.law, c.position, c.customer)
			}
			small := run(t, verify.WithWeight(verify.Options{Path: f.path}, 1))
			if !c.found(small) {
				t.Errorf("one customer at a time: got findings %q, want law %s at position %d of %q",
					small.Findings, c.law, c.position, c.customer)
			}
			quick := run(t, verify.Options{Path: f.path, Quick: true})
			if found := c.found(quick); found != c.quick {
				t.Errorf("quick run: got findings %q, want the same finding: %v", quick.Findings, c.quick)
			}
		})
	}
}

// corrupt changes the file behind the ledger's back.
func (f *ledgerFile) corrupt(statements string) {
	f.t.Helper()
	f.exec(`drop trigger ledger_entries_are_not_updated`)
	f.exec(`drop trigger ledger_entries_are_not_deleted`)
	f.exec(`drop trigger audit_entries_are_not_updated`)
	f.exec(`drop trigger audit_entries_are_not_deleted`)
	f.exec(`drop trigger business_audit_entries_are_not_updated`)
	f.exec(`drop trigger business_audit_entries_are_not_deleted`)
	f.exec(`drop trigger hold_events_are_not_updated`)
	f.exec(`drop trigger hold_events_are_not_deleted`)
	f.exec(`drop trigger object_events_are_not_updated`)
	f.exec(`drop trigger object_events_are_not_deleted`)
	f.exec(`drop trigger expiry_notices_are_not_updated`)
	f.exec(`drop trigger expiry_notices_are_not_deleted`)
	if err := sqlitex.ExecuteScript(f.conn, statements, nil); err != nil {
		f.t.Fatal(err)
	}
}

// found reports whether a report names what the corruption is expected to be.
func (c *corruption) found(report verify.Report) bool {
	customer, mode, _ := strings.Cut(c.customer, " ")
	return slices.ContainsFunc(report.Findings, func(f verify.Finding) bool {
		return f.Law == c.law && f.CustomerID == customer && f.Position == c.position &&
			(mode == "" || f.Mode == mode) && f.Message != "" && f.Count > 0
	})
}

// unchecked are the columns that no law speaks of, each with the reason.
var unchecked = map[string]string{
	"wallets.no":  "only the place of the row",
	"api_keys.no": "only the place of the row",
	"products.no": "only the place of the row",

	"test_clocks.no":         "only the place of the row",
	"test_clocks.name":       "no figure rests on it",
	"test_clocks.failure":    "no figure rests on it",
	"test_clocks.created_at": "no figure rests on it",
	"test_clocks.deleted":    "no figure rests on it",

	"holds.reason":   "no figure rests on it",
	"holds.metadata": "no figure rests on it",
}

// TestEachColumnIsCorrupted holds that a new column of the ledger's tables
// cannot be forgotten here.
func TestEachColumnIsCorrupted(t *testing.T) {
	t.Parallel()
	f := newLedgerFile(t)
	covered := make(map[string]bool)
	all := slices.Concat(corruptions(), holdCorruptions, shelfCorruptions, lotMarkCorruptions, objectCorruptions,
		noticeCorruptions, billedCorruptions, rollupCorruptions)
	for _, c := range all {
		covered[c.column] = true
	}
	for _, table := range []string{
		"ledger_entries", "wallets", "wallet_lots", "lot_marks", "customer_marks", "wallet_marks", "audit_entries", "holds",
		"hold_events", "objects", "object_events", "expiry_notices",
		"business_audit_entries", "tenants", "businesses", "api_keys", "products", "people", "test_clocks", "report_sums", "report_places",
		"report_progress",
	} {
		err := sqlitex.Execute(f.conn, `select name from pragma_table_info(?)`, &sqlitex.ExecOptions{
			Args: []any{table},
			ResultFunc: func(stmt *sqlite.Stmt) error {
				column := table + "." + stmt.ColumnText(0)
				if covered[column] == (unchecked[column] != "") {
					t.Errorf("%s: corrupted by a test: %v, listed as unchecked: %q", column, covered[column], unchecked[column])
				}
				return nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
