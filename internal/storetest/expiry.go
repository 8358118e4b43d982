package storetest

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func expiryScenarios() []scenario {
	return []scenario{
		{"L4 M1 an expiry entry takes all that is left of one lot as breakage", expiryEntry},
		{"L4 a lot is not swept before its instant, to the microsecond", expiryInstant},
		{"L4 sweeps that come late, twice or after a week write the same entries", expiryLate},
		{"L4 8 sweepers at once write one entry for each lot", expiryTogether},
		{"L3 L4 nobody sweeps for a week, then three at once", weekCampaign},
		{"L4 lots that were spent leave nothing to sweep", expirySpent},
		{"L4 a clock that has gone back takes no sweep back", expiryClockBack},
		{"L4 a wallet of many lots is swept in parts", expiryManyLots},
		{"L4 O2 debits race with sweeps: all that was there is spent or expired", expiryRace},
		{"L4 credits race with sweeps", expiryRaceCredits},
		{"L4 wallets with something to sweep are found, the longest overdue first", expiryFound},
		{"L4 wallets are found until they are swept, and not before they expire", expiryFoundExactly},
		{"L4 many wallets are found and swept in slices", expirySlices},
		{"sweeping a customer that there is not is refused", expiryNobody},
	}
}

// walletIn names a customer's wallet.
func walletIn(c ledger.Customer, currency money.Currency) ledger.WalletKey {
	return ledger.WalletKey{Tenant: c.Tenant, CustomerID: c.ID, Currency: currency}
}

// sweep sweeps a customer's wallet of USD by the clock and wants so many entries.
func (w *world) sweep(c ledger.Customer, want int) {
	w.Helper()
	got, err := w.book.Sweep(w.Context(), walletIn(c, "USD"), w.clock.Now(), 1000)
	if err != nil || got != want {
		w.Errorf("sweep: got %d entries and error %v, want %d", got, err, want)
	}
}

// found returns the wallets that have something to sweep now.
func (w *world) found(limit int) []ledger.WalletKey {
	w.Helper()
	keys, err := w.ledger.Expired(w.Context(), w.clock.Now(), limit)
	w.wantCode(err, "")
	return keys
}

func expiryEntry(w *world) {
	c := w.customer()
	end := epoch.Add(time.Hour)
	w.post(credit(c, 500, expires(end)))
	w.post(credit(c, 200))
	w.post(credit(c, 90, expires(end.Add(time.Second)), of(ledger.Promotional)))
	w.post(debit(c, 120))
	w.clock.Set(end.Add(time.Minute))
	w.sweep(c, 2)
	h := w.history(c)
	first, second := h.Entries[4], h.Entries[5]
	want := ledger.Entry{
		ID: first.ID, Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD", Position: 5, Seq: 5,
		Direction: ledger.Debit, Amount: 380, Before: 670, After: 290, Available: 200,
		EventType: ledger.EventMerchantAdjustment, Account: ledger.AccountBreakage,
		Allocations: []ledger.Allocation{{LotSeq: 1, Amount: 380}},
		Reason:      "Expired", Metadata: "{}", CreatedBy: "system", CreatedAt: end.Add(time.Minute), Hash: first.Hash,
	}
	w.same("the first expiry entry", want, first)
	want.ID, want.Position, want.Seq, want.Hash = second.ID, 6, 6, second.Hash
	want.Amount, want.Before, want.After = 90, 290, 200
	want.Allocations = []ledger.Allocation{{LotSeq: 3, Amount: 90}}
	w.same("the second expiry entry", want, second)
	w.sameEntry(c, first)
	w.same("lots that are left", []ledger.Lot{{Seq: 2, Category: ledger.Paid, Remaining: 200}}, h.Wallets[0].Lots)
	w.post(debit(c, 200))
	w.history(c)
}

func expiryInstant(w *world) {
	end := epoch.Add(time.Hour)
	for _, beside := range []time.Duration{-time.Hour, -time.Microsecond, 0, time.Microsecond} {
		w.clock.Set(epoch)
		c := w.customer()
		w.post(credit(c, 500, expires(end)))
		w.clock.Set(end.Add(beside))
		want := 1
		if beside < 0 {
			want = 0
		}
		w.sweep(c, want)
		if h := w.history(c); len(h.Entries) != 1+want {
			w.Errorf("%v beside the end: got %d entries, want %d", beside, len(h.Entries), 1+want)
		}
	}
	// What is finer than a microsecond is not rounded up.
	w.clock.Set(epoch)
	c := w.customer()
	w.post(credit(c, 500, expires(end)))
	w.clock.Set(end.Add(-time.Nanosecond))
	w.sweep(c, 0)
}

func expiryLate(w *world) {
	for _, late := range []time.Duration{0, time.Second, 7 * 24 * time.Hour, 20 * 365 * 24 * time.Hour} {
		w.clock.Set(epoch)
		c := w.customer()
		for i := range 5 {
			w.post(credit(c, moneyOf(100+i), expires(epoch.Add(time.Duration(5-i)*time.Hour))))
		}
		w.post(credit(c, 7))
		w.clock.Set(epoch.Add(5*time.Hour + late))
		w.refuse(ledger.CodeInsufficientFunds, debit(c, 8))
		w.sweep(c, 5)
		w.unchanged(func() {
			w.sweep(c, 0)
			w.clock.Move(time.Hour)
			w.sweep(c, 0)
		}, c)
		var swept []ledger.Allocation
		for _, e := range w.history(c).Entries[6:] {
			swept = append(swept, e.Allocations...)
			if e.Available != 7 {
				w.Errorf("swept %v late: got available %d, want 7", late, e.Available)
			}
		}
		w.same("lots in the order of their expiry", []ledger.Allocation{{LotSeq: 5, Amount: 104}, {LotSeq: 4, Amount: 103},
			{LotSeq: 3, Amount: 102}, {LotSeq: 2, Amount: 101}, {LotSeq: 1, Amount: 100}}, swept)
		w.refuse(ledger.CodeInsufficientFunds, debit(c, 8))
		w.post(debit(c, 7))
		w.history(c)
	}
}

func expiryTogether(w *world) {
	c := w.customer()
	for i := range 20 {
		w.post(credit(c, moneyOf(10+i), expires(epoch.Add(time.Duration(1+i%3)*time.Hour))))
	}
	w.clock.Move(2 * time.Hour)
	var written atomic.Int64
	together(8, func(int) {
		n, err := w.book.Sweep(w.Context(), walletIn(c, "USD"), w.clock.Now(), 1000)
		if err != nil {
			w.Errorf("sweep: got error %v, want none", err)
		}
		written.Add(int64(n))
	})
	h := w.history(c)
	if written.Load() != 14 || len(h.Entries) != 34 || len(h.Wallets[0].Lots) != 6 {
		w.Errorf("got %d written, %d entries and %d lots, want 14, 34 and 6", written.Load(), len(h.Entries), len(h.Wallets[0].Lots))
	}
}

func expirySpent(w *world) {
	c := w.customer()
	w.post(credit(c, 500, expires(epoch.Add(time.Hour))))
	w.post(credit(c, 300, expires(epoch.Add(2*time.Hour))))
	w.post(debit(c, 799))
	w.clock.Move(time.Hour)
	w.sweep(c, 0)
	w.clock.Move(time.Hour)
	w.sweep(c, 1)
	h := w.history(c)
	w.same("what was swept", []ledger.Allocation{{LotSeq: 2, Amount: 1}}, h.Entries[3].Allocations)
	if h.Wallets[0].Balance != 0 {
		w.Errorf("got balance %d, want 0", h.Wallets[0].Balance)
	}
	w.post(credit(c, 5, expires(epoch.Add(5*time.Hour))))
	w.sweep(c, 0)
	w.history(c)
}

func expiryClockBack(w *world) {
	c := w.customer()
	w.post(credit(c, 500, expires(epoch.Add(time.Hour))))
	w.post(credit(c, 50, expires(epoch.Add(2*time.Hour))))
	w.post(credit(c, 10))
	w.clock.Move(time.Hour)
	w.sweep(c, 1)
	w.clock.Move(-time.Hour)
	w.sweep(c, 0)
	w.refuse(ledger.CodeInsufficientFunds, debit(c, 61))
	w.clock.Set(epoch.Add(2 * time.Hour))
	w.post(debit(c, 1))
	w.clock.Set(epoch)
	// For this customer it is two hours later than the clock says.
	w.sweep(c, 1)
	h := w.history(c)
	if got := h.Entries[5].CreatedAt; !got.Equal(epoch.Add(2 * time.Hour)) {
		w.Errorf("got an expiry entry of %v, want %v", got, epoch.Add(2*time.Hour))
	}
	w.post(debit(c, 9))
	w.history(c)
}

func expiryManyLots(w *world) {
	c := w.customer()
	w.creditsOfTen(c, 150, time.Second)
	w.clock.Move(time.Hour)
	for _, part := range []int{0, 1, 30, 100, 100} {
		before := len(w.history(c).Entries)
		n, err := w.book.Sweep(w.Context(), walletIn(c, "USD"), w.clock.Now(), part)
		w.wantCode(err, "")
		if got, want := len(w.history(c).Entries), before+n; got != want || n > part {
			w.Errorf("a sweep of %d wrote %d: got %d entries, want %d", part, n, got, want)
		}
	}
	if h := w.history(c); len(h.Entries) != 225 || h.Wallets[0].Balance != 750 {
		w.Errorf("got %d entries and balance %d, want 225 and 750", len(h.Entries), h.Wallets[0].Balance)
	}
	w.post(debit(c, 750))
	w.history(c)
}

func expiryRace(w *world) {
	c := w.customer()
	for i := range 20 {
		w.post(credit(c, 10, expires(epoch.Add(time.Hour+time.Duration(i)*time.Second))))
	}
	w.post(credit(c, 100))
	var spent, swept atomic.Int64
	together(80, func(i int) {
		switch {
		case i%4 == 0:
			w.clock.Move(240 * time.Second)
			n, err := w.book.Sweep(w.Context(), walletIn(c, "USD"), w.clock.Now(), 3)
			if err != nil {
				w.Errorf("sweep: got error %v, want none", err)
			}
			swept.Add(int64(n))
		default:
			change, err := w.book.Post(w.Context(), debit(c, 4))
			if err != nil && ledger.CodeOf(err) != ledger.CodeInsufficientFunds {
				w.Errorf("debit: got error %v, want none or %s", err, ledger.CodeInsufficientFunds)
			}
			spent.Add(int64(change.Entry.Amount))
		}
	})
	w.clock.Move(time.Hour)
	n, err := w.book.Sweep(w.Context(), walletIn(c, "USD"), w.clock.Now(), 1000)
	w.wantCode(err, "")
	swept.Add(int64(n))
	h := w.history(c)
	var expired, entries money.Amount
	for _, e := range h.Entries {
		if e.Account == ledger.AccountBreakage {
			expired += e.Amount
			entries++
		}
	}
	if left := 300 - money.Amount(spent.Load()) - expired; left != h.Wallets[0].Balance || int64(entries) != swept.Load() {
		w.Errorf("got %d spent and %d expired in %d entries of %d, and balance %d, want 300 in all", spent.Load(), expired, entries,
			swept.Load(), h.Wallets[0].Balance)
	}
	if got := len(w.found(10)); got != 0 {
		w.Errorf("got %d wallets to sweep, want none", got)
	}
}

func expiryRaceCredits(w *world) {
	c := w.customer()
	w.post(credit(c, 5, expires(epoch.Add(time.Hour))))
	w.clock.Move(time.Hour)
	now := w.clock.Now()
	together(60, func(i int) {
		if i%3 == 0 {
			if _, err := w.book.Sweep(w.Context(), walletIn(c, "USD"), now, 2); err != nil {
				w.Errorf("sweep: got error %v, want none", err)
			}
			return
		}
		end := now.Add(time.Duration(i) * time.Minute)
		if _, err := w.book.Post(w.Context(), credit(c, moneyOf(i), expires(end))); err != nil {
			w.Errorf("credit: got error %v, want none", err)
		}
	})
	h := w.history(c)
	if len(h.Entries) != 42 || len(h.Wallets[0].Lots) != 40 {
		w.Errorf("got %d entries and %d lots, want 42 and 40", len(h.Entries), len(h.Wallets[0].Lots))
	}
	w.clock.Move(24 * time.Hour)
	w.sweep(c, 40)
	w.history(c)
}

func expiryFound(w *world) {
	other := w.business("Second Shop")
	ends := []time.Duration{5, 2, 4, 1, 3, 9}
	var keys []ledger.WalletKey
	for i, end := range ends {
		c := w.customer(func(c *ledger.Customer) {
			if i%2 == 1 {
				c.Tenant = other
			}
		})
		currency := []money.Currency{"USD", "INR", "JPY"}[i%3]
		w.post(credit(c, 10, in(currency)))
		w.post(credit(c, 10, in(currency), expires(epoch.Add(24*time.Hour))))
		w.post(credit(c, 10, in(currency), expires(epoch.Add(end*time.Hour))))
		keys = append(keys, walletIn(c, currency))
	}
	w.post(credit(w.customer(), 10)) // never expires
	w.same("before the first end", []ledger.WalletKey(nil), w.found(100))
	w.clock.Set(epoch.Add(5 * time.Hour))
	want := []ledger.WalletKey{keys[3], keys[1], keys[4], keys[2], keys[0]}
	w.same("after five hours", want, w.found(100))
	w.same("the longest overdue alone", want[:2], w.found(2))
	for i, key := range want {
		n, err := w.book.Sweep(w.Context(), key, w.clock.Now(), 10)
		w.wantCode(err, "")
		if n != 1 {
			w.Errorf("wallet %d: got %d entries, want 1", i, n)
		}
		w.same(fmt.Sprintf("after a sweep of %d", i+1), want[i+1:], w.found(100))
	}
	w.clock.Set(epoch.Add(24 * time.Hour))
	if got := w.found(100); len(got) != 6 || got[0] != keys[5] {
		w.Errorf("a day later: got %v, want all six and %v first", got, keys[5])
	}
}

func expiryFoundExactly(w *world) {
	c := w.customer()
	key := []ledger.WalletKey{walletIn(c, "USD")}
	look := func(when string, want []ledger.WalletKey) {
		w.Helper()
		w.same(when, want, w.found(10))
	}
	end := epoch.Add(time.Hour)
	w.post(credit(c, 100, expires(end.Add(time.Hour))))
	w.clock.Set(end)
	look("before the only lot expires", nil)
	w.clock.Set(epoch)
	w.post(credit(c, 100, expires(end))) // sooner than the one before
	w.clock.Set(end.Add(-time.Microsecond))
	look("a microsecond before the end", nil)
	w.clock.Set(end)
	look("at the end", key)
	w.post(credit(c, 10))
	look("after a credit", key)
	w.post(debit(c, 60)) // of the lot that lives longer
	look("after a debit", key)
	w.sweep(c, 1)
	look("after the sweep", nil)
	w.clock.Set(end.Add(time.Hour))
	look("at the end of the other lot", key)
	w.sweep(c, 1)
	look("after the second sweep", nil)

	w.clock.Set(epoch)
	spent := w.customer()
	w.post(credit(spent, 100, expires(end)))
	w.post(debit(spent, 100))
	w.clock.Set(end.AddDate(1, 0, 0))
	look("a lot that was spent in time", nil)
}

func expirySlices(w *world) {
	const customers = 60
	all := map[string]ledger.Customer{}
	for i := range customers {
		c := w.customer()
		all[c.ID] = c
		w.post(credit(c, 10, expires(epoch.Add(time.Hour))))
		w.post(credit(c, 10, expires(epoch.Add(time.Duration(1+i%3)*time.Hour))))
	}
	w.clock.Move(2 * time.Hour)
	written := 0
	for range customers {
		keys := w.found(7)
		for _, key := range keys {
			n, err := w.book.Sweep(context.WithoutCancel(w.Context()), key, w.clock.Now(), 10)
			w.wantCode(err, "")
			written += n
		}
		if len(keys) == 0 {
			break
		}
	}
	if written != 100 {
		w.Errorf("got %d entries, want 100", written)
	}
	for _, c := range all {
		w.history(c)
	}
}

func expiryNobody(w *world) {
	nobody := w.newCustomer()
	_, err := w.book.Sweep(w.Context(), walletIn(nobody, "USD"), w.clock.Now(), 10)
	w.wantCode(err, ledger.CodeNotFound)
	c := w.customer()
	w.unchanged(func() { w.sweep(c, 0) }, c)
}
