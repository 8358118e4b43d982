package storetest

import (
	"sync/atomic"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func debtScenarios() []scenario {
	return []scenario{
		{"O3 what a reversal takes beyond the lot of its credit is lent and owed", debtIsLent},
		{"O3 a credit pays what is owed before any of it is available", debtIsPaid},
		{"O3 credits that have paid stand in the tail of a wallet with many lots", debtAmongMany},
		{"O3 what a reversed debit or a transfer brings pays as well", debtByOthers},
		{"O3 a credit that has paid can be reversed whole", debtAgain},
		{"O3 32 reversals and then 40 credits at once leave what is right", debtRace},
		{"O3 credits, reversals and debits of one transaction see each other's debts", debtInOneTransaction},
		{"K6 one key on 64 reversals beyond a lot at once: one debt", debtRaceKey},
		{"A1 no threshold is crossed by money that is not available", debtAlerts},
		{"loans and recoveries are told as what they are", debtTold},
	}
}

// owing undoes so much of a credit, or with 0 all that is left, where debts are
// allowed.
func (w *world) owing(credit ledger.Change, amount money.Amount) ledger.Change {
	w.Helper()
	r := reversal(credit, amount)
	r.AllowDebt = true
	if amount == 0 {
		r.Amount = nil
	}
	change, err := w.book.Reverse(w.Context(), r)
	w.wantCode(err, "")
	return change
}

// owed is what a reversal has left owed.
func owed(change ledger.Change) money.Amount { return change.Entry.Owed() }

// spentCredit gives a customer a credit of which nothing is left.
func (w *world) spentCredit(c ledger.Customer, amount money.Amount) ledger.Change {
	w.Helper()
	posted := w.post(credit(c, amount))
	w.post(debit(c, amount))
	return posted
}

// wantDebt checks the laws of a customer, and what the wallet in USD owes and has.
func (w *world) wantDebt(c ledger.Customer, debt, balance money.Amount) {
	w.Helper()
	wallet := w.history(c).Wallets[0]
	w.same("debt", debt, wallet.Debt)
	w.same("balance", balance, wallet.Balance)
}

func debtIsLent(w *world) {
	c := w.customer()
	posted := w.post(credit(c, 100, of(ledger.Promotional)))
	w.post(debit(c, 70))
	w.clock.Move(time.Minute)
	r := reversal(posted, 90)
	r.AllowDebt, r.IdempotencyKey, r.Reason, r.Metadata = true, "chargeback", "Charged back", `{"a":"1"}`
	change, err := w.book.Reverse(w.Context(), r)
	w.wantCode(err, "")
	if change.Lent == nil {
		w.Fatalf("got %+v, want a loan", change)
	}
	want := ledger.Entry{
		ID: change.Lent.ID, Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD", Position: 3, Seq: 3,
		Direction: ledger.Credit, Amount: 60, Before: 30, After: 90, Available: 30,
		EventType: ledger.EventMerchantAdjustment, Account: ledger.AccountDebt, Reason: "Owed after a reversal", Metadata: "{}",
		CreatedBy: "system", CreatedAt: epoch.Add(time.Minute), Hash: change.Lent.Hash,
	}
	w.same("the loan", want, *change.Lent)
	w.sameEntry(c, *change.Lent)
	want.ID, want.Position, want.Seq, want.Hash = change.Entry.ID, 4, 4, change.Entry.Hash
	want.Direction, want.Amount, want.Before, want.After, want.Available = ledger.Debit, 90, 90, 0, 0
	want.Account = ledger.AccountPromotion
	want.Allocations = []ledger.Allocation{{LotSeq: 1, Amount: 30}, {LotSeq: 0, Amount: 60}}
	want.Reverses, want.Reason, want.Metadata, want.CreatedBy = posted.Entry.ID, r.Reason, r.Metadata, "key_test"
	want.IdempotencyKey, want.Fingerprint = "chargeback", r.Fingerprint()
	w.same("the reversal", want, change.Entry)
	w.sameEntry(c, change.Entry)
	w.same("owed by the reversal", money.Amount(60), change.Entry.Owed())
	w.wantDebt(c, 60, 0)
	w.post(credit(c, 100))
	r.AllowDebt = false // the setting has changed since
	again, err := w.book.Reverse(w.Context(), r)
	w.wantCode(err, "")
	w.same("the repeat", ledger.Change{Replayed: true, Entry: change.Entry, Wallet: change.Answer()}, again)
	w.wantDebt(c, 0, 40)
	w.unchanged(func() {
		for _, e := range []ledger.Entry{*change.Lent, change.Entry, w.history(c).Entries[5]} {
			_, err := w.tryTakeback(ledger.Change{Entry: e}, 0, true)
			w.wantCode(err, ledger.CodeNotReversible)
		}
	}, c)
}

func debtIsPaid(w *world) {
	c := w.customer()
	w.owing(w.spentCredit(c, 100), 0)
	first := w.post(credit(c, 30, withKey("first"), expires(epoch.Add(time.Hour))))
	w.same("available after the first", money.Amount(0), first.Entry.Available)
	w.wantDebt(c, 70, 0)
	second := w.post(credit(c, 80, of(ledger.Promotional)))
	w.same("available after the second", money.Amount(10), second.Entry.Available)
	paid := second.Follows[0]
	w.same("what pays", ledger.Entry{
		ID: paid.ID, Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD", Position: 8, Seq: 8,
		Direction: ledger.Debit, Amount: 70, Before: 80, After: 10, Available: 10,
		EventType: ledger.EventMerchantAdjustment, Account: ledger.AccountDebt, Reason: "Debt recovered", Metadata: "{}",
		Allocations: []ledger.Allocation{{LotSeq: 7, Amount: 70}}, Reverses: second.Entry.ID,
		CreatedBy: "system", CreatedAt: epoch, Hash: paid.Hash,
	}, paid)
	w.sameEntry(c, paid)
	third := w.post(credit(c, 5))
	if len(third.Follows) != 0 {
		w.Errorf("got %+v behind a credit to a wallet that owes nothing", third.Follows)
	}
	w.wantDebt(c, 0, 15)
	again, err := w.tryPost(credit(c, 30, withKey("first"), expires(epoch.Add(time.Hour))))
	w.wantCode(err, "")
	w.same("the repeat", ledger.Change{Replayed: true, Entry: first.Entry, Wallet: first.Answer()}, again)
}

// debtAmongMany has a wallet owe while most of its lots are not written out, so that
// credits which have paid join them.
func debtAmongMany(w *world) {
	c := w.customer()
	spent := w.spentCredit(c, 400)
	w.manyCredits(c, 60)
	w.owing(spent, 150)
	w.manyCredits(c, 20) // pay all of it, the last of them in part
	w.history(c)
	w.owing(spent, 4)
	part := w.post(credit(c, 10))
	w.same("paid in part", money.Amount(4), part.Follows[0].Amount)
	w.manyCredits(c, 20)
	w.history(c)
	// Its lot has 6; the other 4 are owed anew, and paid at once by the next.
	w.same("owed again", money.Amount(4), owed(w.owing(part, 0)))
	w.post(credit(c, 7))
	h := w.history(c)
	lots, _ := w.lots(c, "USD", 7)
	w.same("lots in pages", h.Wallets[0].Lots, lots)
	for _, amount := range []money.Amount{300, 200, 90, 150} {
		w.post(debit(c, amount))
		w.history(c)
	}
	w.post(debit(c, w.history(c).Wallets[0].Balance))
	w.wantDebt(c, 0, 0)
}

func debtByOthers(w *world) {
	c, other := w.customer(), w.customer()
	posted := w.post(credit(c, 100))
	taken := w.post(debit(c, 100))
	w.owing(posted, 0)
	change := w.reverse(taken, 60)
	w.same("available after the reversal", money.Amount(0), change.Entry.Available)
	w.wantDebt(c, 40, 0)
	w.post(credit(other, 20, of(ledger.Promotional)))
	w.post(credit(other, 50))
	w.transfer(ledger.TransferRequest{
		Tenant: other.Tenant, CustomerID: other.ID, ToCustomerID: c.ID, Currency: "USD", Amount: 70, CreatedBy: "key_test",
		CurrencyEnabled: true,
	})
	w.wantDebt(c, 0, 30)
	w.history(other)
	w.reverse(taken, 40)
	w.wantDebt(c, 0, 70)
}

func debtAgain(w *world) {
	c := w.customer()
	w.owing(w.spentCredit(c, 100), 0)
	payer := w.post(credit(c, 130))
	w.wantDebt(c, 0, 30)
	w.same("owed again", money.Amount(70), owed(w.owing(payer, 100)))
	w.wantDebt(c, 70, 0)
	w.same("the rest", money.Amount(30), owed(w.owing(payer, 0)))
	w.unchanged(func() {
		r := reversal(payer, 1)
		r.AllowDebt = true
		_, err := w.book.Reverse(w.Context(), r)
		w.wantCode(err, ledger.CodeReversalExceeds)
	}, c)
	w.wantDebt(c, 100, 0)
}

func debtRace(w *world) {
	c := w.customer()
	spent := w.spentCredit(c, 900)
	var owed atomic.Int64
	together(32, func(int) {
		r := reversal(spent, 30)
		r.AllowDebt = true
		change, err := w.book.Reverse(w.Context(), r)
		if err == nil {
			owed.Add(int64(change.Entry.Owed()))
		} else if ledger.CodeOf(err) != ledger.CodeReversalExceeds {
			w.Errorf("got error %v, want none or %s", err, ledger.CodeReversalExceeds)
		}
	})
	w.same("owed", int64(900), owed.Load())
	w.wantDebt(c, 900, 0)
	var paid atomic.Int64
	together(40, func(int) {
		change, err := w.book.Post(w.Context(), credit(c, 25))
		w.wantCode(err, "")
		for _, e := range change.Follows {
			paid.Add(int64(e.Amount))
		}
	})
	w.same("paid", int64(900), paid.Load())
	w.wantDebt(c, 0, 100)
}

func debtInOneTransaction(w *world) {
	c := w.customer()
	spent := w.spentCredit(c, 200)
	w.manyCredits(c, 30)
	before := w.history(c).Wallets[0].Balance
	m := ledger.Moment{Now: w.book.Now(), Random: 1}
	var commands []ledger.Command
	for i := range 6 {
		r := reversal(spent, 20)
		r.AllowDebt = true
		scope := ledger.Scope{
			Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD", At: m.Now, Reverses: spent.Entry.ID,
			Lot: ledger.Lot{Seq: spent.Entry.Seq, Category: ledger.Paid, Remaining: spent.Entry.Amount},
		}
		commands = append(commands, ledger.Command{Scope: scope, Decide: func(s ledger.Snapshot) (ledger.Change, error) {
			return ledger.Reverse(s, &r, &ledger.Reversible{Entry: spent.Entry}, m)
		}})
		posts := []ledger.PostRequest{credit(c, moneyOf(11+i)), credit(c, 14, of(ledger.Promotional)), debit(c, 9)}
		for _, post := range posts {
			decide := func(s ledger.Snapshot) (ledger.Change, error) { return ledger.Post(s, &post, m) }
			commands = append(commands, ledger.Command{Scope: w.scopeOf(post), Decide: decide})
		}
	}
	_, err := w.ledger.TransactMany(w.Context(), commands, true)
	w.wantCode(err, "")
	w.wantDebt(c, 0, before+11+12+13+14+15+16+6*(14-20-9))
	w.post(debit(c, w.history(c).Wallets[0].Balance))
	w.history(c)
}

func debtRaceKey(w *world) {
	c := w.customer()
	spent := w.spentCredit(c, 900)
	w.post(credit(c, 10))
	var first, again atomic.Int64
	together(64, func(int) {
		r := reversal(spent, 300)
		r.AllowDebt, r.IdempotencyKey = true, "chargeback"
		change, err := w.book.Reverse(w.Context(), r)
		w.wantCode(err, "")
		if change.Replayed {
			again.Add(1)
		} else {
			first.Add(1)
		}
	})
	if first.Load() != 1 || again.Load() != 63 {
		w.Errorf("got %d first and %d repeated answers, want 1 and 63", first.Load(), again.Load())
	}
	w.wantDebt(c, 300, 10)
}

func debtAlerts(w *world) {
	c := w.customer()
	w.setAlerts(c, ledger.Threshold{Below: 50, RecoverAt: 60})
	posted := w.told("50:60:armed", credit(c, 100))
	w.told("50:60:low!", debit(c, 100))
	change := w.owing(posted, 100)
	w.same("alerts of the loan", ledger.Standings(""), change.Lent.Alerts)
	w.same("alerts of the reversal", ledger.Standings(""), change.Entry.Alerts)
	change = w.told("", credit(c, 110))
	w.same("alerts of what pays", ledger.Standings(""), change.Follows[0].Alerts)
	change = w.told("50:60:armed!", credit(c, 50))
	w.same("what pays", 0, len(change.Follows))
	w.history(c)
}

func debtTold(w *world) {
	if !w.withFeed() {
		return
	}
	c := w.customer()
	posted := w.spentCredit(c, 100)
	undone := w.owing(posted, 0)
	payer := w.post(credit(c, 40))
	events := w.events(ledger.EventFilter{}, 7)
	w.same("events", []string{
		"wallet.credited evt_" + undone.Lent.ID, "wallet.entry_reversed evt_" + undone.Entry.ID,
		"wallet.credited evt_" + payer.Entry.ID, "wallet.debited evt_" + payer.Follows[0].ID,
	}, namesOf(events)[3:])
}
