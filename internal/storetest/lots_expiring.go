package storetest

import (
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// lotsThatExpire has many more lots that expire than a store would keep with the
// wallet. Their expiry has nothing to do with their age, and many share one.
func lotsThatExpire(w *world) {
	c := w.customer()
	const lots = 60
	for i := range lots {
		minutes := 10 + i*37%lots/3*3
		options := []option{of([]ledger.Category{ledger.Paid, ledger.Promotional}[i%2])}
		w.post(credit(c, 10, append(options, expires(epoch.Add(time.Duration(minutes)*time.Minute)))...))
	}
	w.post(credit(c, 7))
	w.history(c)
	spent := w.post(debit(c, 333)) // far more than the next few lots
	hold := w.hold(c, 55)
	open := w.history(c).Wallets[0].Lots
	for _, i := range []int{len(open) - 2, len(open) / 2, 0} {
		w.move(c, open[i].Seq, epoch.Add(time.Duration(5+i)*time.Hour))
	}
	w.history(c)
	w.reverse(spent, 120)
	w.history(c)
	// Lots of every kind of place expire, and what comes after them is spent.
	w.clock.Set(epoch.Add(50 * time.Minute))
	for range 3 {
		w.post(debit(c, 11))
		w.post(credit(c, 3, expires(w.book.Now().Add(time.Hour))))
		w.clock.Move(time.Minute)
	}
	w.history(c)
	w.reverse(spent, 60) // to lots that have expired, with others beside them
	w.release(hold)
	h := w.history(c)
	pages, _ := w.lots(c, "USD", 7)
	w.same("lots in pages", h.Wallets[0].Lots, pages)
	wallet := ledger.WalletKey{Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD"}
	swept, err := w.book.Sweep(w.Context(), wallet, w.book.Now(), 1000)
	w.wantCode(err, "")
	if swept == 0 {
		w.Errorf("got nothing swept, want some lots")
	}
	h = w.history(c)
	all := h.Wallets[0].Balance
	w.refuse(ledger.CodeInsufficientFunds, debit(c, all+1))
	w.post(debit(c, all))
	if h := w.history(c); len(h.Wallets[0].Lots) > 0 || h.Wallets[0].Balance != 0 {
		w.Errorf("in the end: got balance %d and lots %v, want none", h.Wallets[0].Balance, h.Wallets[0].Lots)
	}
}
