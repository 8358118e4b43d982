package verify_test

import (
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/verify"
)

// pin has a customer hold an amount of the lot of the first credit for what f is about.
func (f *ledgerFile) pin(c *customer, amount money.Amount) string {
	f.t.Helper()
	r := ledger.HoldRequest{
		Currency: "USD", Amount: amount, ExpiresAt: f.now.Add(time.Hour), CurrencyEnabled: true, CreatedBy: ledger.SystemCreator,
		LotSeq: 1, ReferenceObjectID: f.about,
	}
	f.must(f.decideHold(c, len(c.holds), func(s ledger.Snapshot, m ledger.Moment) (ledger.Change, error) {
		return ledger.MakeHold(s, &r, m)
	}))
	return c.holds[len(c.holds)-1].ID
}

// take captures the last hold of a customer for a purpose.
func (f *ledgerFile) take(c *customer, event ledger.EventType, account ledger.Account) string {
	f.t.Helper()
	r := ledger.CaptureRequest{
		Purpose: ledger.Purpose{EventType: event, Account: account}, CreatedBy: ledger.SystemCreator, ReferenceObjectID: f.about,
	}
	f.must(f.decideHold(c, len(c.holds)-1, func(s ledger.Snapshot, m ledger.Moment) (ledger.Change, error) {
		return ledger.Capture(s, &r, m)
	}))
	entries := c.wallets["USD"].entries
	return entries[len(entries)-1].ID
}

// lotScene has a top-up of ann (number 1) of 1000, of which
//
//	position 2  debit 200 for ref_1, which went back to the card
//	            100 are held for ref_2, which is pending
//	position 3  debit 300 for dsp_1, which is lost
//	            50 are held for dsp_2, which is open
func lotScene(t testing.TB) *ledgerFile {
	f := newLedgerFile(t)
	ann := f.customer(acmeTest, "cus_ann")
	f.customer(zetaTest, "cus_bob")
	f.by = ledger.SystemCreator
	topUp := credit(1000)
	topUp.ReferenceObjectID, topUp.Purpose = "pay_t", takenIn
	f.mustPost(ann, topUp)
	f.about = "ref_1"
	f.pin(ann, 200)
	first := `"id":"ref_1","state":"succeeded","destination":"original","card":200,"wallet":0`
	firstOf := f.take(ann, ledger.EventRefund, ledger.AccountCash)
	f.about = "ref_2"
	second := `"id":"ref_2","state":"pending","destination":"original","card":100,"wallet":0`
	secondOf := f.pin(ann, 100)
	f.about = "dsp_1"
	f.pin(ann, 300)
	lost := `"id":"dsp_1","amount":300,"stage":"dispute","status":"dispute_lost","lost":300`
	lostOf := f.take(ann, ledger.EventDispute, ledger.AccountDisputes)
	f.about = "dsp_2"
	open := `"id":"dsp_2","amount":80,"stage":"dispute","status":"dispute_opened","held":50`
	openOf := f.pin(ann, 50)

	of := `,"invoice_id":"inv_t","currency":"USD"`
	f.putData(ann, "invoice", "inv_t", "paid", invoiceJSON("inv_t", "paid", "top_up", "1000",
		`"tender":{"wallet":0,"card":1000,"surplus":0},"hold_id":"","attempts":[
		 {"number":1,"amount":1000,"payment_id":"pi_1","outcome":"succeeded"}]`,
		`"debit":"","refunds":[{`+first+`},{`+second+`}],"disputes":[{`+lost+`},{`+open+`}]`))
	f.putData(ann, "refund", "ref_1", "succeeded", `{`+first+of+`,"debit":"`+firstOf+`"}`)
	f.putData(ann, "refund", "ref_2", "pending", `{`+second+of+`,"hold_id":"`+secondOf+`"}`)
	f.putData(ann, "dispute", "dsp_1", "dispute:dispute_lost", `{`+lost+of+`,"debits":[{"id":"`+lostOf+`","amount":300}]}`)
	f.putData(ann, "dispute", "dsp_2", "dispute:dispute_opened", `{`+open+of+`,"holds":[{"id":"`+openOf+`","amount":50}]}`)
	f.finish()
	return f
}

var lotCorruptions = []corruption{
	{name: "refund that never took of the lot", do: ofEntry("2", "reference_object_id = null"), law: "F2", customer: ann},
	{name: "refund that took of the lot twice", do: ofEntry("3", "reference_object_id = 'ref_1', account = 'cash'"), law: "F2", customer: ann, position: 2},
	{name: "refund that took too little", do: ofEntry("2", "amount = 199"), law: "F2", customer: ann, position: 2},
	{name: "refund that took for another account", do: ofEntry("2", "account = 'refunds'"), law: "F2", customer: ann, position: 2},
	{name: "refund that failed, and has taken", do: setBilled("inv_t", "$.refunds[0].state", "'failed'") + ";" +
		setBilled("ref_1", "$.state", "'failed'"), law: "F2", customer: ann},
	{name: "refund by another entry", do: setBilled("ref_1", "$.debit", "'cwt_x'"), law: "F2", customer: ann, position: 2},
	{name: "refund that took nothing, it says", do: setBilled("ref_1", "$.debit", "''"), law: "F2", customer: ann},
	{name: "refund that misses a part", do: setBilled("ref_1", "$.short", "1"), law: "F2", customer: ann, position: 2},
	{name: "pending refund without a hold", do: setBilled("ref_2", "$.hold_id", "''"), law: "S5", customer: ann},
	{name: "pending refund with a hold that is not there", do: setBilled("ref_2", "$.hold_id", "'hld_x'"), law: "S5", customer: ann},
	{name: "hold of a refund that has failed", do: setBilled("inv_t", "$.refunds[1].state", "'failed'") + ";" +
		setBilled("ref_2", "$.state", "'failed'") + ";" + setBilled("ref_2", "$.hold_id", "''"), law: "S5", customer: ann},
	{name: "hold of another amount than its refund", do: setBilled("inv_t", "$.refunds[1].card", "99") + ";" +
		setBilled("ref_2", "$.card", "99"), law: "S5", customer: ann},
	{name: "hold of another refund", do: `update holds set reference_object_id = 'ref_1' where reference_object_id = 'ref_2'`, law: "S5", customer: ann},
	{name: "dispute gone", do: `delete from objects where id = 'dsp_1'`, law: "F5", customer: ann, position: 3},
	{name: "dispute gone that holds", do: `delete from objects where id = 'dsp_2'`, law: "S5", customer: ann},
	{name: "dispute that its invoice forgot", do: setBilled("inv_t", "$.disputes", "json('[]')"), law: "F5", customer: ann},
	{name: "dispute won at its invoice", do: setBilled("inv_t", "$.disputes[0].status", "'dispute_won'"), law: "F5", customer: ann, position: 3},
	{name: "dispute under another id", do: setBilled("dsp_1", "$.id", "'dsp_3'"), law: "F5", customer: ann, position: 3},
	{name: "dispute that took too little", do: ofEntry("3", "amount = 299"), law: "F5", customer: ann, position: 3},
	{name: "dispute that never took", do: ofEntry("3", "reference_object_id = null"), law: "F5", customer: ann},
	{name: "dispute that took for another account", do: ofEntry("3", "account = 'cash'"), law: "F5", customer: ann, position: 3},
	{name: "dispute that owes what nobody lent", do: setBilled("dsp_1", "$.debt", "1"), law: "F5", customer: ann, position: 3},
	{name: "dispute that lost what it did not take", do: setBilled("dsp_1", "$.debits", "json('[]')"), law: "F5", customer: ann, position: 3},
	{name: "dispute that holds less than it says", do: setBilled("dsp_2", "$.holds[0].amount", "49"), law: "S5", customer: ann},
	{name: "dispute without its hold", do: setBilled("dsp_2", "$.holds", "json('[]')"), law: "S5", customer: ann},
	{name: "hold of another dispute", do: `update holds set reference_object_id = 'dsp_1' where reference_object_id = 'dsp_2'`, law: "S5", customer: ann},
}

func TestWhatIsPinnedIsVerified(t *testing.T) {
	t.Parallel()
	clean := lotScene(t)
	clean.close()
	if report := run(t, verify.Options{Path: clean.path}); !report.Clean() || report.Invoices != 1 {
		t.Fatalf("as it was written: got %d invoices and findings %q, want 1 and none", report.Invoices, report.Findings)
	}
	for _, c := range lotCorruptions {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := lotScene(t)
			f.corrupt(c.do)
			f.close()
			if report := run(t, verify.Options{Path: f.path}); !c.found(report) {
				t.Errorf("got findings %q, want law %s at position %d of %q", report.Findings, c.law, c.position, c.customer)
			}
		})
	}
}
