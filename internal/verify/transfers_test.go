package verify_test

import (
	"fmt"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/verify"
)

// decideOn stores what a decision makes of a customer's wallet in USD, all its
// entries and the row of the transfer.
func (f *ledgerFile) decideOn(c *customer, row *ledger.Transfer, decide ledger.Decide) ledger.Change {
	f.t.Helper()
	w := c.wallets["USD"]
	if w == nil {
		w = &wallet{
			state:   ledger.Wallet{Tenant: c.tenant, CustomerID: c.id, Currency: "USD"},
			touched: make(map[int64]bool),
		}
	}
	snapshot := ledger.Snapshot{Customer: c.state, Chain: c.chain, Wallet: w.state, Transfer: row}
	change, err := decide(snapshot)
	if err != nil {
		f.t.Fatal(err)
	}
	for e := range change.Entries() {
		f.keep(c, w, ledger.Change{Entry: *e, Wallet: change.Wallet})
	}
	if change.Transfer != nil {
		f.keepTransfer(c, change.Transfer)
	}
	return change
}

func (f *ledgerFile) keepTransfer(c *customer, t *ledger.Transfer) {
	f.t.Helper()
	f.exec(`insert or replace into transfers (customer, id, outgoing, other_id, state, currency, amount, position, entry_id,
	          refusal, created_at, updated_at) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		c.no, t.ID, t.Outgoing, t.OtherID, string(t.State), t.Currency, int64(t.Amount), t.Position, t.EntryID,
		string(t.Refusal), micros(t.CreatedAt), micros(t.UpdatedAt))
}

// send makes the first leg of a transfer.
func (f *ledgerFile) send(from, to *customer, amount money.Amount) (ledger.Transfer, ledger.Taken) {
	f.t.Helper()
	r := ledger.TransferRequest{
		Tenant: from.tenant, CustomerID: from.id, ToCustomerID: to.id, Currency: "USD", Amount: amount, CurrencyEnabled: true,
		CreatedBy: keyID(from.tenant),
	}
	change := f.decideOn(from, nil, func(s ledger.Snapshot) (ledger.Change, error) {
		return ledger.SendTransfer(s, &r, ledger.Destination{}, f.moment())
	})
	taken := ledger.Taken{Entry: change.Entry}
	for _, part := range change.Entry.Allocations {
		credit := from.wallets["USD"].entries[part.LotSeq-1]
		taken.Lots = append(taken.Lots, ledger.Lot{Seq: credit.Seq, Category: credit.Category, ExpiresAt: credit.ExpiresAt})
	}
	return *change.Transfer, taken
}

func (f *ledgerFile) receive(to *customer, sent ledger.Transfer, taken ledger.Taken) {
	f.t.Helper()
	f.decideOn(to, nil, func(s ledger.Snapshot) (ledger.Change, error) {
		return ledger.ReceiveTransfer(s, &sent, &taken, f.moment())
	})
}

func (f *ledgerFile) complete(from *customer, sent ledger.Transfer) {
	f.t.Helper()
	sent.State, sent.UpdatedAt = ledger.TransferCompleted, f.now
	f.keepTransfer(from, &sent)
}

// transferScene has four transfers from Ann, customer 1, to Bob, customer 2:
//
//	Ann  position 1  credit 500 promotional, expires in an hour
//	     position 2  credit 1000
//	     position 3  debit  600 for the first transfer, which is completed
//	     position 4  debit   70 for the second, which was refused
//	     position 5  its return
//	     position 6  debit   40 for the third, which has arrived, and Ann does not know
//	     position 7  debit   30 for the fourth, which is in transit
//	Bob  position 1  credit  500 promotional, an hour after it expired
//	     position 2  credit  100
//	     position 3  credit   40
func transferScene(t testing.TB) *ledgerFile {
	t.Helper()
	f := newLedgerFile(t)
	ann, bob := f.customer(acmeTest, "cus_ann"), f.customer(acmeTest, "cus_bob")
	f.mustPost(ann, with(credit(500), promotional, f.expiresIn(time.Hour)))
	f.mustPost(ann, credit(1000))
	first, taken := f.send(ann, bob, 600)
	f.now = f.now.Add(2 * time.Hour)
	f.receive(bob, first, taken)
	f.complete(ann, first)
	second, taken := f.send(ann, bob, 70)
	f.now = f.now.Add(time.Second)
	f.keepTransfer(bob, &ledger.Transfer{
		ID: second.ID, OtherID: ann.id, State: ledger.TransferRefused, Currency: "USD", Amount: 70, Refusal: ledger.CodeCustomerNotActive,
		CreatedAt: f.now, UpdatedAt: f.now,
	})
	f.decideOn(ann, &second, func(s ledger.Snapshot) (ledger.Change, error) {
		return ledger.ReturnTransfer(s, &taken, ledger.CodeCustomerNotActive, f.moment())
	})
	third, taken := f.send(ann, bob, 40)
	f.receive(bob, third, taken)
	f.send(ann, bob, 30)
	if !f.sweep(bob) || f.sweep(bob) {
		t.Fatal("want exactly one lot swept")
	}
	f.finish()
	return f
}

func TestTransfersAreSound(t *testing.T) {
	t.Parallel()
	f := transferScene(t)
	whole := verify.Options{Path: f.path}
	for _, options := range []verify.Options{whole, verify.WithWeight(whole, 1), {Path: f.path, Quick: true}} {
		report := run(t, options)
		if !report.Clean() {
			t.Errorf("got findings %q, want none", report.Findings)
		}
		for _, account := range report.Accounts {
			if account.Account == "transfers" && account.Sum != "30" {
				t.Errorf("account transfers: got %s, want the 30 that are in transit", account.Sum)
			}
		}
	}
}

const bobID = "cus_bob"

// transferCorruptions are found by law M1 unless they say another.
var transferCorruptions = []corruption{
	{name: "second leg lost", do: `delete from ledger_entries where no = 9; delete from transfers where customer = 2 and amount = 40;
		update transfers set state = 'completed' where customer = 1 and amount = 40`, law: "M1", customer: ann, position: 6},
	{name: "second leg doubled", do: `insert into transfers select customer, id || 'x', outgoing, other_id, state, currency, amount, position + 10,
		entry_id, refusal, created_at, updated_at from transfers where customer = 2 and amount = 40`, law: "M1", customer: bobID, position: 13},
	{name: "arrived and returned", do: `update transfers set state = 'completed' where customer = 1 and amount = 70`, law: "M1", customer: ann, position: 4},
	{name: "row of the source lost", do: `delete from transfers where customer = 1 and amount = 600`, law: "M1", customer: ann, position: 3},
	{name: "row of the destination lost", do: `delete from transfers where customer = 2 and amount = 600`, law: "M1", customer: bobID, position: 1},
	{name: "refusal lost", do: `delete from transfers where customer = 2 and amount = 70`, law: "M1", customer: ann, position: 4},
	{name: "row of nobody", column: "customer", do: `update transfers set customer = 99 where customer = 1 and amount = 30`, law: "N1"},
	{name: "id", column: "id", do: setTransfer(1, 30, "id", "'trf_' || substr(id, 5, 20) || '~'"), law: "M1", customer: ann, position: 7},
	{name: "side", column: "outgoing", do: setTransfer(1, 600, "outgoing", "0"), law: "M1", customer: ann, position: 3},
	{name: "other customer of the source", column: "other_id", do: setTransfer(1, 600, "other_id", "'cus_eve'"), law: "M1", customer: bobID, position: 1},
	{name: "other customer of the destination", column: "other_id", do: setTransfer(2, 40, "other_id", "'cus_eve'"), law: "M1", customer: bobID, position: 3},
	{name: "state", column: "state", do: setTransfer(1, 600, "state", "'returned'"), law: "M1", customer: ann, position: 3},
	{name: "completed before it arrived", column: "state", do: setTransfer(1, 30, "state", "'completed'"), law: "M1", customer: ann, position: 7},
	{name: "state that is none", column: "state", do: setTransfer(2, 40, "state", "'lost'"), law: "M1", customer: bobID, position: 3},
	{name: "currency", column: "currency", do: setTransfer(1, 30, "currency", "'INR'"), law: "M1", customer: ann, position: 7},
	{name: "amount", column: "amount", do: setTransfer(1, 30, "amount", "31"), law: "M1", customer: ann, position: 7},
	{name: "position", column: "position", do: setTransfer(1, 30, "position", "8"), law: "M1", customer: ann, position: 8},
	{name: "entry", column: "entry_id", do: setTransfer(2, 40, "entry_id", "'cwt_'"), law: "M1", customer: bobID, position: 3},
	{name: "refusal", column: "refusal", do: setTransfer(1, 70, "refusal", "''"), law: "M1", customer: ann, position: 4},
	{name: "another refusal", column: "refusal", do: setTransfer(1, 70, "refusal", "'BALANCE_LIMIT_EXCEEDED'"), law: "M1", customer: ann, position: 4},
	{name: "time", column: "created_at", do: setTransfer(1, 600, "created_at", "created_at + 1"), law: "M1", customer: ann, position: 3},
	{name: "time of the change", column: "updated_at", do: setTransfer(1, 70, "updated_at", "updated_at + 1"), law: "M1", customer: ann, position: 4},
	{name: "amount as a text", column: "amount", do: loosely("transfers") + setTransfer(2, 40, "amount", "cast(amount as blob)"), law: "M6", customer: bobID, position: 3},
	{name: "entry of another account", do: `update ledger_entries set account = 'merchant' where customer = 1 and position = 7`, law: "M1", customer: ann, position: 7},
	{name: "entry of another transfer", do: `update ledger_entries set reference_object_id = 'trf_x' where customer = 1 and position = 7`, law: "M1", customer: ann, position: 7},
	{name: "entry of another event type", do: `update ledger_entries set event_type = 'payment' where customer = 1 and position = 7`, law: "M1", customer: ann, position: 7},
	{name: "return without its debit", do: `update ledger_entries set reverses = null, category = 'paid', allocations = null where customer = 1 and position = 5`, law: "M1", customer: ann, position: 4},
}

func setTransfer(customer, amount int, column, value string) string {
	return fmt.Sprintf(`update transfers set %s = %s where customer = %d and amount = %d`, column, value, customer, amount)
}

func TestTransfersThatBreakTheirLaw(t *testing.T) {
	t.Parallel()
	covered := map[string]bool{}
	for _, c := range transferCorruptions {
		covered[c.column] = true
		t.Run(c.name, func(t *testing.T) { breaks(t, transferScene, c) })
	}
	f := newLedgerFile(t)
	err := sqlitex.Execute(f.conn, `select name from pragma_table_info('transfers')`, &sqlitex.ExecOptions{
		ResultFunc: func(stmt *sqlite.Stmt) error {
			if column := stmt.ColumnText(0); !covered[column] {
				t.Errorf("transfers.%s: no test corrupts it", column)
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}
