package verify_test

import (
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/verify"
)

var (
	spentOn  = ledger.Purpose{EventType: ledger.EventPayment, Account: ledger.AccountRevenue}
	takenIn  = ledger.Purpose{EventType: ledger.EventPayment, Account: ledger.AccountCash}
	givenOut = ledger.Purpose{EventType: ledger.EventRefund, Account: ledger.AccountRefunds}
)

// invoiceJSON is an invoice as it is kept, of a state and with a tender, and the rest.
func invoiceJSON(id, state, reason, total, tender, rest string) string {
	return `{"reason":"` + reason + `","items":[{"id":"a","amount":` + total + `}],` + rest + `,"collection":{"invoice_id":"` + id +
		`","currency":"USD","total":` + total + `,"state":"` + state + `",` + tender + `}}`
}

// billedScene has what billing moves. Of ann (number 1), who has 5000:
//
//	position 2  debit 600 for inv_a, of 1000, of which the card paid 450 and 50 were credited
//	position 3  credit 50 of it
//	position 4  reversal of 300 for ref_1, which gives 200 of the card to the wallet
//	position 5  credit 200 for it
//	position 6  credit 700 of the top-up inv_t
//
// and a hold of 250 for inv_h, of 450, which is at the processor. Inv_a and inv_h are
// periods 0 and 1 of sub_1. Inv_p, for the same period 1, was given up.
func billedScene(t testing.TB) *ledgerFile {
	f := newLedgerFile(t)
	ann := f.customer(acmeTest, "cus_ann")
	f.customer(zetaTest, "cus_bob")
	f.mustPost(ann, credit(5000))
	f.by = ledger.SystemCreator
	post := func(r ledger.PostRequest, reference string, purpose ledger.Purpose) {
		r.ReferenceObjectID, r.Purpose = reference, purpose
		f.mustPost(ann, r)
	}
	post(debit(600), "inv_a", spentOn)
	post(credit(50), "inv_a", takenIn)
	f.about = "ref_1"
	f.mustReverse(ann, 2, 300)
	post(credit(200), "ref_1", givenOut)
	post(credit(700), "pay_t", takenIn)
	f.about = "inv_h"
	f.must(f.hold(ann, 250, time.Hour))

	debitID := ann.wallets["USD"].entries[1].ID
	f.putData(ann, "subscription", "sub_1", "active", `{"id":"sub_1","currency":"USD","status":"active","next":2,"passed":0,
	  "owes":{"invoice_id":"inv_h"}}`)
	refund := `"id":"ref_1","state":"succeeded","destination":"wallet","card":200,"wallet":300,"lines":[{"id":"a","amount":500}]`
	f.putData(ann, "invoice", "inv_a", "paid", invoiceJSON("inv_a", "paid", "period", "1000",
		`"tender":{"wallet":600,"card":450,"surplus":50},"hold_id":"","attempts":[
		 {"number":1,"amount":450,"payment_id":"","outcome":"declined"},
		 {"number":2,"amount":450,"payment_id":"pi_2","outcome":"succeeded"}]`,
		`"subscription_id":"sub_1","debit":"`+debitID+`","refunds":[{`+refund+`}]`))
	f.putData(ann, "refund", "ref_1", "succeeded", `{`+refund+`,"invoice_id":"inv_a","currency":"USD"}`)
	f.putData(ann, "invoice", "inv_p", "past_due", invoiceJSON("inv_p", "past_due", "period", "450",
		`"tender":{"wallet":0,"card":0,"surplus":0},"hold_id":"","attempts":[{"number":1,"amount":200,"outcome":"returned"}]`,
		`"subscription_id":"sub_1","period":1`))
	f.putData(ann, "invoice", "inv_h", "card_intended", invoiceJSON("inv_h", "card_intended", "period", "450",
		`"tender":{"wallet":250,"card":200,"surplus":0},"hold_id":"`+ann.holds[0].ID+`","attempts":[
		 {"number":1,"amount":200,"outcome":"open"}]`,
		`"subscription_id":"sub_1","period":1`))
	f.putData(ann, "invoice", "inv_t", "paid", invoiceJSON("inv_t", "paid", "top_up", "700",
		`"tender":{"wallet":0,"card":700,"surplus":0},"hold_id":"","attempts":[
		 {"number":1,"amount":700,"payment_id":"pi_1","outcome":"succeeded"}]`, `"debit":""`))
	f.finish()
	return f
}

// setBilled changes what an object keeps.
func setBilled(id, path, value string) string {
	return `update objects set data = json_set(data, '` + path + `', ` + value + `) where id = '` + id + `'`
}

// setBilledState changes the state of an invoice in both of its places.
func setBilledState(id, state string) string {
	return setBilled(id, "$.collection.state", "'"+state+"'") + `; update objects set state = '` + state + `' where id = '` + id + `'`
}

// ofEntry is a corruption of the entry at a position of ann.
func ofEntry(position, set string) string {
	return `update ledger_entries set ` + set + ` where customer = 1 and position = ` + position
}

var billedCorruptions = []corruption{
	{name: "invoice that is no JSON", do: `update objects set data = '{' where id = 'inv_a'`, law: "M6", customer: ann},
	{name: "invoice under another id", do: setBilled("inv_t", "$.collection.invoice_id", "'inv_x'"), law: "S1", customer: ann, position: 6},
	{name: "invoice in a state of its own", do: setBilledState("inv_t", "half_paid"), law: "S1", customer: ann, position: 6},
	{name: "invoice in two states", do: `update objects set state = 'void' where id = 'inv_t'`, law: "S1", customer: ann, position: 6},
	{name: "invoice of more than its lines", do: setBilled("inv_h", "$.collection.total", "451"), law: "S1", customer: ann},
	{name: "invoice's parts", do: setBilled("inv_a", "$.collection.tender.card", "451"), law: "S1", customer: ann, position: 2},
	{name: "invoice gone", do: `delete from objects where id = 'inv_t'`, law: "S1", customer: ann, position: 6},
	{name: "invoice never paid by the wallet", do: setBilled("inv_a", "$.debit", "''"), law: "S1", customer: ann, position: 2},
	{name: "invoice paid by another entry", do: ofEntry("2", "reference_object_id = 'inv_p'"), law: "S1", customer: ann, position: 3},
	{name: "invoice paid too little", do: ofEntry("2", "amount = 599"), law: "S1", customer: ann, position: 2},
	{name: "invoice paid into another account", do: ofEntry("2", "account = 'promotion'"), law: "S1", customer: ann, position: 2},
	{name: "given up, and taken", do: setBilledState("inv_a", "void"), law: "S1", customer: ann, position: 2},
	{name: "surplus kept", do: ofEntry("3", "reference_object_id = null"), law: "S1", customer: ann, position: 2},
	{name: "late success kept", do: setBilled("inv_p", "$.collection.attempts[0].outcome", "'credited'"), law: "S1", customer: ann},
	{name: "top-up without its credit", do: ofEntry("6", "reference_object_id = null"), law: "S1", customer: ann},
	{name: "top-up of another amount", do: ofEntry("6", "amount = 701"), law: "S1", customer: ann, position: 6},
	{name: "top-up credited and not paid", do: setBilledState("inv_t", "void"), law: "S1", customer: ann, position: 6},
	{name: "top-up credited twice", do: ofEntry("3", "reference_object_id = 'pay_t'"), law: "S1", customer: ann, position: 2},
	{name: "attempt of another amount", do: setBilled("inv_t", "$.collection.attempts[0].amount", "699"), law: "S1", customer: ann, position: 6},
	{name: "charged twice", do: setBilled("inv_a", "$.collection.attempts[0]",
		`json('{"number":1,"amount":450,"payment_id":"pi_1","outcome":"succeeded"}')`), law: "S2", customer: ann, position: 2},
	{name: "paid, and never charged", do: setBilled("inv_t", "$.collection.attempts[0].outcome", "'declined'"), law: "S2", customer: ann, position: 6},
	{name: "charged, and given up", do: setBilled("inv_p", "$.collection.attempts[0].outcome", "'succeeded'"), law: "S2", customer: ann},
	{name: "attempt beside an open one", do: setBilled("inv_h", "$.collection.attempts[1]", `json('{"number":2,"amount":200,"outcome":"open"}')`),
		law: "S2", customer: ann},
	{name: "attempt that is open at the end", do: setBilled("inv_p", "$.collection.attempts[0].outcome", "'open'"), law: "S2", customer: ann},
	{name: "attempt with another number", do: setBilled("inv_h", "$.collection.attempts[0].number", "2"), law: "S2", customer: ann},
	{name: "attempt of no outcome", do: setBilled("inv_h", "$.collection.attempts[0].outcome", "'lost'"), law: "S2", customer: ann},
	{name: "hold of an invoice that was given up", do: setBilledState("inv_h", "past_due") + ";" + setBilled("inv_h", "$.collection.hold_id", "''"),
		law: "S5", customer: ann},
	{name: "hold of an invoice that is gone", do: `delete from objects where id = 'inv_h'`, law: "S5", customer: ann},
	{name: "hold of another invoice", column: "holds.reference_object_id", do: `update holds set reference_object_id = 'inv_p'`, law: "S5", customer: ann},
	{name: "hold that nobody names", do: setBilled("inv_h", "$.collection.hold_id", "''"), law: "S5", customer: ann},
	{name: "hold that is not there", do: setBilled("inv_h", "$.collection.hold_id", "'hld_x'"), law: "S5", customer: ann},
	{name: "hold of another amount", do: setBilled("inv_h", "$.collection.tender.wallet", "251"), law: "S5", customer: ann},
	{name: "hold of what is paid", do: setBilled("inv_t", "$.collection.hold_id", "'hld_x'"), law: "S5", customer: ann, position: 6},
	{name: "refund of more than the card paid", do: setBilled("inv_a", "$.refunds[0].card", "401"), law: "F1", customer: ann, position: 2},
	{name: "refund of more than the wallet paid", do: setBilled("inv_a", "$.refunds[0].wallet", "601"), law: "F1", customer: ann, position: 2},
	{name: "refund of more than its line", do: setBilled("inv_a", "$.refunds[0].lines[0].amount", "1001"), law: "F1", customer: ann, position: 2},
	{name: "refund of a line that is not there", do: setBilled("inv_a", "$.refunds[0].lines[0].id", "'b'"), law: "F1", customer: ann, position: 2},
	{name: "refund of what is not paid", do: setBilled("inv_p", "$.refunds", `json('[{"id":"ref_2","state":"failed"}]')`), law: "F1", customer: ann},
	{name: "refund in a state of its own", do: setBilled("inv_a", "$.refunds[0].state", "'lost'"), law: "F1", customer: ann, position: 2},
	{name: "refund that failed, and was given", do: setBilled("inv_a", "$.refunds[0].state", "'failed'"), law: "F2", customer: ann, position: 4},
	{name: "refund of another entry", do: ofEntry("4", "reverses = 'cwt_x'"), law: "F2", customer: ann, position: 4},
	{name: "refund given too little", do: ofEntry("4", "amount = 299"), law: "F2", customer: ann, position: 4},
	{name: "refund not given", do: ofEntry("5", "reference_object_id = null"), law: "F2", customer: ann, position: 4},
	{name: "refund that nobody made", do: ofEntry("5", "reference_object_id = 'ref_2'"), law: "F2", customer: ann, position: 4},
	{name: "refund gone", do: `delete from objects where id = 'ref_1'`, law: "F2", customer: ann},
	{name: "refund that its invoice forgot", do: setBilled("inv_a", "$.refunds", "json('[]')"), law: "F2", customer: ann, position: 4},
	{name: "refund with another amount", do: setBilled("ref_1", "$.card", "199"), law: "F2", customer: ann},
	{name: "refund of another invoice", do: setBilled("ref_1", "$.invoice_id", "'inv_t'"), law: "F2", customer: ann},
	{name: "refund under another id", do: setBilled("ref_1", "$.id", "'ref_2'"), law: "F2", customer: ann},
	{name: "period billed twice", do: setBilled("inv_h", "$.period", "0"), law: "Q2", customer: ann},
	{name: "period that was not counted", do: setBilled("sub_1", "$.next", "1"), law: "Q2", customer: ann},
	{name: "period passed over and billed", do: setBilled("sub_1", "$.passed", "1"), law: "Q2", customer: ann},
	{name: "subscription gone", do: `delete from objects where id = 'sub_1'`, law: "Q2", customer: ann},
	{name: "subscription under another id", do: setBilled("sub_1", "$.id", "'sub_2'"), law: "Q2", customer: ann},
	{name: "subscription in another currency", do: setBilled("sub_1", "$.currency", "'INR'"), law: "Q2", customer: ann},
	{name: "subscription that owes nothing", do: setBilled("sub_1", "$.owes", "null"), law: "Q2", customer: ann},
	{name: "subscription that owes what is paid", do: setBilled("sub_1", "$.owes.invoice_id", "'inv_a'"), law: "Q2", customer: ann},
	{name: "subscription that has given up what is open", do: setBilled("sub_1", "$.owes.past_due", "json('true')"), law: "Q2", customer: ann},
	{name: "two invoices that are open", do: setBilledState("inv_p", "finalized"), law: "Q2", customer: ann},
}

func TestBillingIsVerified(t *testing.T) {
	t.Parallel()
	clean := billedScene(t)
	clean.close()
	if report := run(t, verify.Options{Path: clean.path}); !report.Clean() || report.Invoices != 4 {
		t.Fatalf("as it was written: got %d invoices and findings %q, want 4 and none", report.Invoices, report.Findings)
	}
	for _, c := range billedCorruptions {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := billedScene(t)
			f.corrupt(c.do)
			f.close()
			if report := run(t, verify.Options{Path: f.path}); !c.found(report) {
				t.Errorf("got findings %q, want law %s at position %d of %q", report.Findings, c.law, c.position, c.customer)
			}
		})
	}
}
