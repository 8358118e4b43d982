package storetest

import (
	"sync/atomic"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func takebackScenarios() []scenario {
	return []scenario{
		{"L5 a reversal of a credit takes from its own lot and no other", takebackOfLot},
		{"L5 reversals of a credit in parts never take more than it gave", takebackInParts},
		{"L5 a lot among 200 that nothing was taken from gives its money, and the others are spent as before", takebackOfUntouched},
		{"L5 lots of a tail that were taken back whole are not met again", takebackOfTail},
		{"L5 what was spent, has expired or is held cannot be taken back", takebackOfWhatIsGone},
		{"L5 what a reversed debit gave back can be taken from the lot", takebackAfterUndo},
		{"L5 64 reversals of 30 at once take back 900 of a credit of 900", takebackRace},
		{"L5 O2 reversals of 40 credits race with debits", takebackRaceDebits},
		{"L5 what is taken back and then spent in one transaction is not met again", takebackThenSpent},
		{"K6 one key on 64 reversals of a credit at once: one effect", takebackRaceKey},
		{"A1 a reversal of a credit can cross a threshold", takebackAlerts},
		{"a reversal of a credit is told as one", takebackTold},
		{"what no reversal can undo is refused", takebackOfNothing},
	}
}

// tryTakeback undoes so much of a credit, or with 0 all that is left.
func (w *world) tryTakeback(credit ledger.Change, amount money.Amount, partial bool) (ledger.Change, error) {
	r := reversal(credit, amount)
	r.AllowPartial = partial
	if amount == 0 {
		r.Amount = nil
	}
	return w.book.Reverse(w.Context(), r)
}

func takebackOfLot(w *world) {
	c := w.customer()
	end := epoch.Add(time.Hour)
	w.post(credit(c, 500, expires(end)))
	bonus := w.post(credit(c, 300, of(ledger.Promotional), withKey("bonus")))
	w.post(credit(c, 200))
	w.clock.Move(time.Minute)
	r := reversal(bonus, 120)
	r.IdempotencyKey, r.Reason, r.ReferenceObjectID, r.Metadata = "undo", "Sent twice ✓", "inv_1", `{"a":"1"}`
	change, err := w.book.Reverse(w.Context(), r)
	w.wantCode(err, "")
	want := ledger.Entry{
		ID: change.Entry.ID, Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD", Position: 4, Seq: 4,
		Direction: ledger.Debit, Amount: 120, Before: 1000, After: 880, Available: 880,
		EventType: ledger.EventMerchantAdjustment, Account: ledger.AccountPromotion,
		Allocations: []ledger.Allocation{{LotSeq: 2, Amount: 120}},
		Reverses:    bonus.Entry.ID, Reason: "Sent twice ✓", ReferenceObjectID: "inv_1", Metadata: `{"a":"1"}`,
		IdempotencyKey: "undo", Fingerprint: r.Fingerprint(), CreatedBy: "key_test", CreatedAt: epoch.Add(time.Minute), Hash: change.Entry.Hash,
	}
	w.same("the reversal", want, change.Entry)
	w.sameEntry(c, change.Entry)
	w.same("lots", []ledger.Lot{
		{Seq: 1, Category: ledger.Paid, ExpiresAt: end, Remaining: 500}, {Seq: 2, Category: ledger.Promotional, Remaining: 180},
		{Seq: 3, Category: ledger.Paid, Remaining: 200},
	}, w.history(c).Wallets[0].Lots)
	w.post(debit(c, 880))
	again, err := w.book.Reverse(w.Context(), r)
	w.wantCode(err, "")
	w.same("the repeat", ledger.Change{Replayed: true, Entry: change.Entry, Wallet: again.Wallet}, again)
	w.same("the wallet of the repeat", money.Amount(880), again.Wallet.Balance)
	r.AllowPartial = true
	_, err = w.book.Reverse(w.Context(), r)
	w.wantCode(err, ledger.CodeKeyReused)
	w.history(c)
}

func takebackInParts(w *world) {
	c := w.customer()
	w.post(credit(c, 100))
	posted := w.post(credit(c, 100))
	w.reverse(posted, 30)
	w.reverse(posted, 50)
	w.unchanged(func() {
		_, err := w.tryTakeback(posted, 21, false)
		w.wantCode(err, ledger.CodeReversalExceeds)
		_, err = w.tryTakeback(posted, 21, true)
		w.wantCode(err, ledger.CodeReversalExceeds)
	}, c)
	change, err := w.tryTakeback(posted, 0, false)
	w.wantCode(err, "")
	w.same("what was left", money.Amount(20), change.Entry.Amount)
	w.unchanged(func() {
		_, err := w.tryTakeback(posted, 0, true)
		w.wantCode(err, ledger.CodeReversalExceeds)
	}, c)
	w.same("lots", []ledger.Lot{{Seq: 1, Category: ledger.Paid, Remaining: 100}}, w.history(c).Wallets[0].Lots)
}

// manyCredits gives a customer lots of both categories that never expire: so many
// that most stand in the tails of the wallet's row.
func (w *world) manyCredits(c ledger.Customer, n int) (credits []ledger.Change) {
	w.Helper()
	for i := range n {
		category := []ledger.Category{ledger.Paid, ledger.Promotional}[i%2]
		credits = append(credits, w.post(credit(c, moneyOf(10+i%7), of(category))))
	}
	return credits
}

func takebackOfUntouched(w *world) {
	c := w.customer()
	credits := w.manyCredits(c, 200)
	for _, step := range []struct {
		at     int
		amount money.Amount // 0: all that is left
	}{{199, 0}, {150, 2}, {51, 3}, {100, 0}, {3, 5}, {150, 6}, {120, 0}, {0, 8}, {121, 1}, {51, 0}} {
		change, err := w.tryTakeback(credits[step.at], step.amount, false)
		w.wantCode(err, "")
		want := []ledger.Allocation{{LotSeq: credits[step.at].Entry.Seq, Amount: change.Entry.Amount}}
		w.same("what it took", want, change.Entry.Allocations)
		w.history(c)
	}
	for _, amount := range []money.Amount{5, 300, 700, 1, 90} {
		w.post(debit(c, amount))
		w.history(c)
	}
	w.manyCredits(c, 30)
	w.post(debit(c, w.history(c).Wallets[0].Balance))
	w.history(c)
}

// takebackOfTail leaves tails of which some credits in between, the first and the
// last, and in the end all, have nothing left.
func takebackOfTail(w *world) {
	c := w.customer()
	credits := w.manyCredits(c, 60)
	for _, at := range []int{58, 59, 40, 42, 44, 41} {
		_, err := w.tryTakeback(credits[at], 0, false)
		w.wantCode(err, "")
	}
	for _, limit := range []int{1, 7, 100} {
		lots, _ := w.lots(c, "USD", limit)
		w.same("open lots in pages", w.history(c).Wallets[0].Lots, lots)
	}
	for _, at := range []int{57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 43, 39, 38} {
		_, err := w.tryTakeback(credits[at], 0, false)
		w.wantCode(err, "")
		w.history(c)
	}
	for _, credit := range credits {
		if _, err := w.tryTakeback(credit, 0, false); err != nil {
			w.wantCode(err, ledger.CodeReversalExceeds)
		}
	}
	w.same("balance", money.Amount(0), w.history(c).Wallets[0].Balance)
	w.refuse(ledger.CodeInsufficientFunds, debit(c, 1))
	w.manyCredits(c, 20)
	w.post(debit(c, 200))
	w.history(c)
}

func takebackOfWhatIsGone(w *world) {
	c := w.customer()
	spent := w.post(credit(c, 100, of(ledger.Promotional)))
	held := w.post(credit(c, 100))
	short := w.post(credit(c, 100, expires(epoch.Add(time.Hour))))
	w.post(credit(c, 1000))
	w.post(debit(c, 160)) // all of the short one and 60 of the promotional one
	undone := w.post(debit(c, 10))
	w.hold(c, 70) // the last 30 of the promotional one and 40
	for _, step := range []struct {
		credit ledger.Change
		amount money.Amount
		can    money.Amount
	}{{spent, 0, 0}, {spent, 1, 0}, {held, 0, 60}, {held, 61, 60}, {short, 1, 0}} {
		w.unchanged(func() {
			_, err := w.tryTakeback(step.credit, step.amount, false)
			w.wantCode(err, ledger.CodeReversalExceedsLot)
			if step.can == 0 {
				_, err = w.tryTakeback(step.credit, step.amount, true)
				w.wantCode(err, ledger.CodeReversalExceedsLot)
			}
		}, c)
	}
	change, err := w.tryTakeback(held, 90, true)
	w.wantCode(err, "")
	w.same("what could be taken", money.Amount(60), change.Entry.Amount)
	w.reverse(undone, 10)
	w.reverse(spent, 10)
	short = w.post(credit(c, 50, expires(epoch.Add(30*time.Minute))))
	w.clock.Set(epoch.Add(30*time.Minute - time.Microsecond))
	w.reverse(short, 20)
	w.clock.Move(time.Microsecond)
	w.unchanged(func() {
		_, err := w.tryTakeback(short, 1, true)
		w.wantCode(err, ledger.CodeReversalExceedsLot)
	}, c)
	w.sweep(c, 1)
	w.history(c)
}

func takebackAfterUndo(w *world) {
	c := w.customer()
	posted := w.post(credit(c, 100))
	taken := w.post(debit(c, 70))
	w.reverse(posted, 30)
	w.reverse(taken, 40)
	_, err := w.tryTakeback(posted, 41, false)
	w.wantCode(err, ledger.CodeReversalExceedsLot)
	w.reverse(posted, 40)
	w.reverse(taken, 30)
	w.reverse(posted, 30)
	if h := w.history(c); h.Wallets[0].Balance != 0 || len(h.Entries) != 7 {
		w.Errorf("got balance %d after %d entries, want 0 after 7", h.Wallets[0].Balance, len(h.Entries))
	}
}

func takebackRace(w *world) {
	c := w.customer()
	w.manyCredits(c, 20)
	before := w.history(c).Wallets[0].Balance
	posted := w.post(credit(c, 900))
	var accepted, refused atomic.Int64
	together(64, func(int) {
		switch _, err := w.tryTakeback(posted, 30, false); ledger.CodeOf(err) {
		case "":
			accepted.Add(1)
		case ledger.CodeReversalExceeds:
			refused.Add(1)
		default:
			w.Errorf("got error %v, want none or %s", err, ledger.CodeReversalExceeds)
		}
	})
	if accepted.Load() != 30 || refused.Load() != 34 {
		w.Errorf("got %d accepted and %d refused, want 30 and 34", accepted.Load(), refused.Load())
	}
	w.same("balance", before, w.history(c).Wallets[0].Balance)
}

// takebackRaceDebits takes credits back while debits come to them, many of which
// share one transaction.
func takebackRaceDebits(w *world) {
	c := w.customer()
	credits := w.manyCredits(c, 40)
	before := w.history(c).Wallets[0].Balance
	var back, spent atomic.Int64
	together(80, func(n int) {
		if n%2 == 0 {
			change, err := w.tryTakeback(credits[39-n/2], moneyOf(6+n%11), true)
			switch ledger.CodeOf(err) {
			case "":
				back.Add(int64(change.Entry.Amount))
			case ledger.CodeReversalExceeds, ledger.CodeReversalExceedsLot:
			default:
				w.Errorf("got error %v, want none or that too little is left", err)
			}
			return
		}
		if _, err := w.book.Post(w.Context(), debit(c, 7)); err == nil {
			spent.Add(7)
		}
	})
	got, want := w.history(c).Wallets[0].Balance, before-money.Amount(back.Load()+spent.Load())
	if got != want || back.Load() == 0 {
		w.Errorf("got balance %d after %d taken back and %d spent of %d, want %d", got, back.Load(), spent.Load(), before, want)
	}
}

// takebackThenSpent takes lots of a tail back, and then spends all that is left, in
// one transaction.
func takebackThenSpent(w *world) {
	c := w.customer()
	credits := w.manyCredits(c, 60)
	left := w.history(c).Wallets[0].Balance
	m := ledger.Moment{Now: w.book.Now(), Random: 1}
	var commands []ledger.Command
	for _, at := range []int{59, 40, 41, 40, 58, 20} {
		e := credits[at].Entry
		r := reversal(credits[at], 3)
		scope := ledger.Scope{
			Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD", At: m.Now, Reverses: e.ID,
			Lot: ledger.Lot{Seq: e.Seq, Category: e.Category, Remaining: e.Amount},
		}
		commands = append(commands, ledger.Command{Scope: scope, Decide: func(s ledger.Snapshot) (ledger.Change, error) {
			return ledger.Reverse(s, &r, &ledger.Reversible{Entry: e}, m)
		}})
		left -= 3
	}
	for _, amount := range []money.Amount{left - 100, 100} {
		r := debit(c, amount)
		post := func(s ledger.Snapshot) (ledger.Change, error) { return ledger.Post(s, &r, m) }
		commands = append(commands, ledger.Command{Scope: w.scopeOf(r), Decide: post})
	}
	_, err := w.ledger.TransactMany(w.Context(), commands, true)
	w.wantCode(err, "")
	w.same("balance", money.Amount(0), w.history(c).Wallets[0].Balance)
}

func takebackRaceKey(w *world) {
	c := w.customer()
	posted := w.post(credit(c, 900))
	var first atomic.Int64
	together(64, func(int) {
		r := reversal(posted, 10)
		r.IdempotencyKey = "once"
		change, err := w.book.Reverse(w.Context(), r)
		w.wantCode(err, "")
		if !change.Replayed {
			first.Add(1)
		}
	})
	if h := w.history(c); first.Load() != 1 || h.Wallets[0].Balance != 890 {
		w.Errorf("got %d effects and balance %d, want one of 10", first.Load(), h.Wallets[0].Balance)
	}
}

func takebackAlerts(w *world) {
	c := w.customer()
	w.setAlerts(c, ledger.Threshold{Below: 500, RecoverAt: 700})
	posted := w.told("500:700:armed", credit(c, 1000))
	w.same("alerts above it", ledger.Standings(""), w.reverse(posted, 500).Entry.Alerts)
	w.same("alerts of the crossing", ledger.Standings("500:700:low!"), w.reverse(posted, 1).Entry.Alerts)
	w.history(c)
}

func takebackTold(w *world) {
	if !w.withFeed() {
		return
	}
	c := w.customer()
	posted := w.post(credit(c, 100))
	undone := w.reverse(posted, 40)
	events := w.events(ledger.EventFilter{}, 3)
	w.same("events", []string{
		"customer.created evt_" + c.ID, "wallet.credited evt_" + posted.Entry.ID, "wallet.entry_reversed evt_" + undone.Entry.ID,
	}, namesOf(events))
	w.same("entry", undone.Entry, *events[2].Entry)
}

func takebackOfNothing(w *world) {
	c := w.customer()
	posted := w.post(credit(c, 100, expires(epoch.Add(time.Hour))))
	taken := w.post(debit(c, 30))
	given := w.reverse(taken, 10)
	back := w.reverse(posted, 20)
	w.clock.Set(epoch.Add(time.Hour))
	w.sweep(c, 1)
	entries := w.history(c).Entries
	w.unchanged(func() {
		for _, e := range []ledger.Entry{given.Entry, back.Entry, entries[len(entries)-1]} {
			for _, partial := range []bool{false, true} {
				_, err := w.tryTakeback(ledger.Change{Entry: e}, 0, partial)
				w.wantCode(err, ledger.CodeNotReversible)
			}
		}
	}, c)
}
