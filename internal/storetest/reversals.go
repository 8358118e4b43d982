package storetest

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func reversalScenarios() []scenario {
	return []scenario{
		{"L5 a reversal gives back to the lots that were taken, kind and expiry kept", reversalKeepsLots},
		{"L5 a reversal in parts gives back the last lot first, and no more than was taken", reversalInParts},
		{"L5 lots between and behind others get their money back", reversalBeyondTheSnapshot},
		{"L3 L5 what goes back to an expired lot is written off at once and not spent", reversalExpired},
		{"L5 of very many expired lots the first are written off at once, the others by the sweep", reversalManyExpired},
		{"L5 with a grace period what goes back to expired lots lives on as the same kind of money", reversalWithGrace},
		{"L5 a grace period for 300 lots takes two entries for each kind of money", reversalGraceOfManyLots},
		{"L5 a debit of 300 lots is undone", reversalOfManyLots},
		{"L5 a debit of lots that lie far apart is undone", reversalOfLotsApart},
		{"L5 64 reversals of 30 at once undo 900 of a debit of 900", reversalRace},
		{"L5 O2 reversals race with debits", reversalRaceDebits},
		{"K6 one key on 64 reversals at once: one effect", reversalRaceKey},
		{"a reversal of what there is not is refused", reversalOfNothing},
	}
}

// reverse undoes so much of a debit or credit and wants it accepted.
func (w *world) reverse(undone ledger.Change, amount money.Amount) ledger.Change {
	w.Helper()
	change, err := w.book.Reverse(w.Context(), reversal(undone, amount))
	w.wantCode(err, "")
	return change
}

func reversal(undone ledger.Change, amount money.Amount) ledger.ReverseRequest {
	e := undone.Entry
	return ledger.ReverseRequest{Tenant: e.Tenant, CustomerID: e.CustomerID, EntryID: e.ID, Amount: &amount, CreatedBy: "key_test"}
}

func reversalKeepsLots(w *world) {
	c := w.customer()
	end := epoch.Add(time.Hour)
	w.post(credit(c, 500, expires(end), of(ledger.Promotional)))
	w.post(credit(c, 200))
	taken := w.post(debit(c, 600, withKey("order"), because("Order 7")))
	w.clock.Move(time.Minute)
	r := reversal(taken, 0)
	r.Amount, r.IdempotencyKey, r.Reason, r.ReferenceObjectID, r.Metadata = nil, "undo", "Cancelled ✓", "inv_1", `{"a":"1"}`
	change, err := w.book.Reverse(w.Context(), r)
	w.wantCode(err, "")
	want := ledger.Entry{
		ID: change.Entry.ID, Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD", Position: 4, Seq: 4,
		Direction: ledger.Credit, Amount: 600, Before: 100, After: 700, Available: 700,
		EventType: ledger.EventMerchantAdjustment, Account: ledger.AccountMerchant,
		Allocations: []ledger.Allocation{{LotSeq: 1, Amount: 500}, {LotSeq: 2, Amount: 100}},
		Reverses:    taken.Entry.ID, Reason: "Cancelled ✓", ReferenceObjectID: "inv_1", Metadata: `{"a":"1"}`,
		IdempotencyKey: "undo", Fingerprint: r.Fingerprint(), CreatedBy: "key_test", CreatedAt: epoch.Add(time.Minute), Hash: change.Entry.Hash,
	}
	w.same("the reversal", want, change.Entry)
	w.sameEntry(c, change.Entry)
	w.same("lots", []ledger.Lot{
		{Seq: 1, Category: ledger.Promotional, ExpiresAt: end, Remaining: 500}, {Seq: 2, Category: ledger.Paid, Remaining: 200},
	}, w.history(c).Wallets[0].Lots)
	again, err := w.book.Reverse(w.Context(), r)
	w.wantCode(err, "")
	w.same("the repeat", ledger.Change{Replayed: true, Entry: change.Entry, Wallet: again.Wallet}, again)
}

func reversalInParts(w *world) {
	c := w.customer()
	for range 3 {
		w.post(credit(c, 100))
	}
	taken := w.post(debit(c, 250))
	for _, step := range []struct {
		amount money.Amount
		parts  []ledger.Allocation
	}{
		{20, []ledger.Allocation{{LotSeq: 3, Amount: 20}}},
		{40, []ledger.Allocation{{LotSeq: 2, Amount: 10}, {LotSeq: 3, Amount: 30}}},
		{190, []ledger.Allocation{{LotSeq: 1, Amount: 100}, {LotSeq: 2, Amount: 90}}},
	} {
		w.same(fmt.Sprintf("what %d give back", step.amount), step.parts, w.reverse(taken, step.amount).Entry.Allocations)
		w.history(c)
	}
	w.unchanged(func() {
		_, err := w.book.Reverse(w.Context(), reversal(taken, 1))
		w.wantCode(err, ledger.CodeReversalExceeds)
	}, c)
	// Another debit, and one of another wallet, have nothing to do with it.
	w.post(credit(c, 50, in("INR")))
	other := w.post(debit(c, 50, in("INR")))
	w.reverse(other, 50)
	w.reverse(w.post(debit(c, 300)), 300)
	w.history(c)
}

// The lot that gets its money back is open, and stands behind so many others that
// a snapshot does not hold it.
func reversalBeyondTheSnapshot(w *world) {
	c := w.customer()
	w.post(credit(c, 1000))
	taken := w.post(debit(c, 400))
	for n := range 100 {
		w.post(credit(c, 5, of([]ledger.Category{ledger.Promotional, ledger.Paid}[n%2])))
	}
	w.reverse(taken, 150)
	w.history(c)
	w.post(debit(c, 260)) // all of the promotional lots, and some of the first
	w.reverse(taken, 250)
	h := w.history(c)
	w.same("the first lot", ledger.Lot{Seq: 1, Category: ledger.Paid, Remaining: 990}, h.Wallets[0].Lots[0])
	w.post(debit(c, h.Wallets[0].Balance))
	w.history(c)
}

func reversalExpired(w *world) {
	c := w.customer()
	end := epoch.Add(time.Hour)
	w.post(credit(c, 500, expires(end)))
	w.post(credit(c, 100))
	taken := w.post(debit(c, 550))
	w.clock.Set(end)
	w.sweep(c, 0)
	r := reversal(taken, 250)
	r.IdempotencyKey = "undo"
	change, err := w.book.Reverse(w.Context(), r)
	w.wantCode(err, "")
	if answer := change.Answer(); answer.Balance != 300 || change.Entry.Available != 100 || change.Wallet.Balance != 100 {
		w.Errorf("got answer %+v, available %d and then balance %d, want 300, 100 and 100", answer, change.Entry.Available, change.Wallet.Balance)
	}
	h := w.history(c)
	first := h.Entries[4]
	w.same("the expiry entry", ledger.Entry{
		ID: first.ID, Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD", Position: 5, Seq: 5,
		Direction: ledger.Debit, Amount: 200, Before: 300, After: 100, Available: 100,
		EventType: ledger.EventMerchantAdjustment, Account: ledger.AccountBreakage,
		Allocations: []ledger.Allocation{{LotSeq: 1, Amount: 200}},
		Reason:      "Expired", Metadata: "{}", CreatedBy: "system", CreatedAt: end, Hash: first.Hash,
	}, first)
	w.same("what can be swept", []ledger.WalletKey(nil), w.found(10))
	_, err = w.book.Post(w.Context(), debit(c, 101))
	w.wantCode(err, ledger.CodeInsufficientFunds)
	w.reverse(taken, 300)
	again, err := w.book.Reverse(w.Context(), r)
	w.wantCode(err, "")
	w.same("the repeat", ledger.Change{Replayed: true, Entry: change.Entry, Wallet: change.Answer()}, again)
	w.sweep(c, 0)
	w.post(debit(c, 100))
	w.history(c)
}

func reversalManyExpired(w *world) {
	c := w.customer()
	end := epoch.Add(time.Hour)
	for n := range 120 {
		category := []ledger.Category{ledger.Promotional, ledger.Paid}[n%2]
		w.post(credit(c, 10, expires(end.Add(time.Duration(n)*time.Second)), of(category)))
	}
	w.post(credit(c, 50))
	taken := w.post(debit(c, 1220))
	w.clock.Set(end.Add(115 * time.Second))
	change := w.reverse(taken, 1215)
	if len(change.Follows) != 100 || change.Wallet.Balance != 250 {
		w.Errorf("got %d entries that follow and balance %d, want 100 and 250", len(change.Follows), change.Wallet.Balance)
	}
	w.history(c)
	w.refuse(ledger.CodeInsufficientFunds, debit(c, 91))
	w.sweep(c, 16)
	w.post(debit(c, 90))
	w.history(c)
}

func reversalWithGrace(w *world) {
	c := w.customer()
	end := epoch.Add(time.Hour)
	w.post(credit(c, 500, expires(end), of(ledger.Promotional)))
	w.post(credit(c, 300, expires(end)))
	w.post(credit(c, 100))
	taken := w.post(debit(c, 850))
	w.clock.Set(end)
	r := reversal(taken, 700)
	r.IdempotencyKey, r.Grace = "undo", 48*time.Hour
	change, err := w.book.Reverse(w.Context(), r)
	w.wantCode(err, "")
	if answer := change.Answer(); answer.Balance != 750 || change.Entry.Available != 100 || change.Wallet.Balance != 750 {
		w.Errorf("got answer %+v, available %d and then balance %d, want 750, 100 and 750",
			answer, change.Entry.Available, change.Wallet.Balance)
	}
	h := w.history(c)
	if len(h.Entries) != 9 {
		w.Fatalf("got %d entries, want 9", len(h.Entries))
	}
	first, second := h.Entries[5], h.Entries[6]
	want := ledger.Entry{
		ID: first.ID, Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD", Position: 6, Seq: 6,
		Direction: ledger.Debit, Amount: 350, Before: 750, After: 400, Available: 100,
		EventType: ledger.EventMerchantAdjustment, Account: ledger.AccountPromotion,
		Allocations: []ledger.Allocation{{LotSeq: 1, Amount: 350}},
		Reason:      "Given back after expiry", Metadata: "{}", CreatedBy: "system", CreatedAt: end, Hash: first.Hash,
	}
	w.same("what is taken from the expired lot", want, first)
	want.ID, want.Position, want.Seq, want.Hash = second.ID, 7, 7, second.Hash
	want.Direction, want.Before, want.After, want.Available = ledger.Credit, 400, 750, 450
	want.Allocations, want.Reverses = nil, first.ID
	want.Category, want.ExpiresAt = ledger.Promotional, end.Add(48*time.Hour)
	w.same("what it becomes", want, second)
	w.sameEntry(c, second)
	w.same("lots", []ledger.Lot{
		{Seq: 7, Category: ledger.Promotional, ExpiresAt: want.ExpiresAt, Remaining: 350},
		{Seq: 9, Category: ledger.Paid, ExpiresAt: want.ExpiresAt, Remaining: 300}, {Seq: 3, Category: ledger.Paid, Remaining: 100},
	}, h.Wallets[0].Lots)
	r.Grace = 0 // the setting has changed since
	again, err := w.book.Reverse(w.Context(), r)
	w.wantCode(err, "")
	w.same("the repeat", ledger.Change{Replayed: true, Entry: change.Entry, Wallet: change.Answer()}, again)
	for _, e := range h.Entries[5:] {
		_, err := w.book.Reverse(w.Context(), ledger.ReverseRequest{Tenant: c.Tenant, CustomerID: c.ID, EntryID: e.ID})
		code := ledger.CodeNotReversible
		if e.Direction == ledger.Debit {
			code = ledger.CodeReversalExceeds // it was undone whole by the entry behind it
		}
		w.wantCode(err, code)
	}
	// The new lots are spent, given back and swept like any others.
	spent := w.post(debit(c, 700))
	w.reverse(spent, 600)
	w.clock.Set(want.ExpiresAt)
	w.same("what can be swept", []ledger.WalletKey{walletIn(c, "USD")}, w.found(10))
	w.sweep(c, 2)
	w.history(c)
	w.post(debit(c, 100))
	w.history(c)
}

func reversalGraceOfManyLots(w *world) {
	c := w.customer()
	for n := range 300 {
		category := []ledger.Category{ledger.Promotional, ledger.Paid}[n%2]
		w.post(credit(c, 10, expires(epoch.Add(time.Hour+time.Duration(n)*time.Second)), of(category)))
	}
	taken := w.post(debit(c, 2995))
	w.clock.Move(2 * time.Hour)
	r := reversal(taken, 2990)
	r.Grace = time.Hour
	change, err := w.book.Reverse(w.Context(), r)
	w.wantCode(err, "")
	if len(change.Follows) != 4 || change.Wallet.Balance != 2995 {
		w.Errorf("got %d entries that follow and balance %d, want 4 and 2995", len(change.Follows), change.Wallet.Balance)
	}
	if h := w.history(c); len(h.Wallets[0].Lots) != 3 {
		w.Errorf("got lots %v, want two and the one that nobody has swept", h.Wallets[0].Lots)
	}
	w.sweep(c, 1)
	w.post(debit(c, 2990))
	w.history(c)
}

func reversalOfManyLots(w *world) {
	c := w.customer()
	for n := range 300 {
		w.post(credit(c, money.Amount(1+n%3), of([]ledger.Category{ledger.Promotional, ledger.Paid, ledger.Paid}[n%3])))
	}
	taken := w.post(debit(c, 600))
	w.post(credit(c, 7))
	if change := w.reverse(taken, 600); len(change.Entry.Allocations) != 300 {
		w.Errorf("got %d lots, want all 300", len(change.Entry.Allocations))
	}
	if h := w.history(c); len(h.Wallets[0].Lots) != 301 {
		w.Errorf("got %d open lots, want 301", len(h.Wallets[0].Lots))
	}
	w.post(debit(c, 607))
	w.history(c)
}

func reversalOfLotsApart(w *world) {
	c := w.customer()
	w.post(credit(c, 1000))
	for range 150 {
		w.post(debit(c, 1))
	}
	w.post(credit(c, 50, expires(epoch.Add(time.Hour))))
	taken := w.post(debit(c, 900))
	w.same("what was taken", []ledger.Allocation{{LotSeq: 152, Amount: 50}, {LotSeq: 1, Amount: 850}}, taken.Entry.Allocations)
	w.same("what is given back", taken.Entry.Allocations, w.reverse(taken, 900).Entry.Allocations)
	w.history(c)
}

func reversalRace(w *world) {
	c := w.customer()
	w.post(credit(c, 900))
	taken := w.post(debit(c, 900))
	var accepted, refused atomic.Int64
	together(64, func(int) {
		_, err := w.book.Reverse(w.Context(), reversal(taken, 30))
		for ledger.CodeOf(err) == ledger.CodeOverloaded { // on a slow machine
			_, err = w.book.Reverse(w.Context(), reversal(taken, 30))
		}
		switch ledger.CodeOf(err) {
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
	if h := w.history(c); h.Wallets[0].Balance != 900 {
		w.Errorf("got balance %d, want 900", h.Wallets[0].Balance)
	}
}

func reversalRaceDebits(w *world) {
	c := w.customer()
	w.post(credit(c, 100, expires(epoch.Add(time.Hour))))
	w.post(credit(c, 100))
	taken := w.post(debit(c, 160))
	var undone, spent atomic.Int64
	together(64, func(n int) {
		if n%2 == 0 {
			if _, err := w.book.Reverse(w.Context(), reversal(taken, 10)); err == nil {
				undone.Add(10)
			}
			return
		}
		if _, err := w.book.Post(w.Context(), debit(c, 10)); err == nil {
			spent.Add(10)
		}
	})
	h := w.history(c)
	if undone.Load() != 160 || int64(h.Wallets[0].Balance) != 200-spent.Load() {
		w.Errorf("got %d undone, %d spent and balance %d, want 160 undone", undone.Load(), spent.Load(), h.Wallets[0].Balance)
	}
}

func reversalRaceKey(w *world) {
	c := w.customer()
	w.post(credit(c, 900))
	taken := w.post(debit(c, 900))
	var first atomic.Int64
	together(64, func(int) {
		r := reversal(taken, 10)
		r.IdempotencyKey = "once"
		change, err := w.book.Reverse(w.Context(), r)
		w.wantCode(err, "")
		if !change.Replayed {
			first.Add(1)
		}
	})
	if h := w.history(c); first.Load() != 1 || h.Wallets[0].Balance != 10 {
		w.Errorf("got %d effects and balance %d, want one of 10", first.Load(), h.Wallets[0].Balance)
	}
}

func reversalOfNothing(w *world) {
	c, other := w.customer(), w.customer()
	w.post(credit(c, 100))
	theirs := w.post(credit(other, 100))
	taken := w.post(debit(other, 50))
	w.unchanged(func() {
		for name, step := range map[string]struct {
			customer, entry string
			code            ledger.Code
		}{
			"an entry of another":   {c.ID, taken.Entry.ID, ledger.CodeNotFound},
			"a credit of another":   {c.ID, theirs.Entry.ID, ledger.CodeNotFound},
			"an entry never made":   {c.ID, "cwt_000000000000000000000", ledger.CodeNotFound},
			"no entry id":           {c.ID, "x\x00", ledger.CodeNotFound},
			"a customer never made": {"cus_nobody", theirs.Entry.ID, ledger.CodeNotFound},
		} {
			r := ledger.ReverseRequest{Tenant: c.Tenant, CustomerID: step.customer, EntryID: step.entry}
			if _, err := w.book.Reverse(w.Context(), r); ledger.CodeOf(err) != step.code {
				w.Errorf("%s: got error %v, want %s", name, err, step.code)
			}
		}
	}, c, other)
}
