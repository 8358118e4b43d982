package storetest

import (
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func moneyOf(i int) money.Amount { return money.Amount(i) }

func lotScenarios() []scenario {
	return []scenario{
		{"L2 soonest expiry, then promotional, then oldest", lotSpendOrder},
		{"L3 expiry is exact to the microsecond", lotExpiryInstant},
		{"L3 expired money is not spent though nobody swept it", lotExpiredUnswept},
		{"L1 a debit may take more than a hundred lots", lotHundreds},
		{"L1 L2 lots opened and spent in turns, never expiring", lotTurns},
		{"L1 L2 L3 lots of every kind, opened, spent and expired at random", lotRandom},
		{"each wallet has its own lots", lotPerWallet},
		{"a wallet spent to zero starts afresh", lotExhausted},
		{"L2 lots are listed in spend order, in pages of any size", lotList},
		{"lots are listed once while the wallet moves between two pages", lotListMoves},
		{"few lots among very many entries are listed", lotListSparse},
		{"N1 lots of another tenant's customer are not found", lotListOthers},
		{"L2 L3 many lots that expire are spent, moved, given back, held and swept as few are", lotsThatExpire},
	}
}

func lotSpendOrder(w *world) {
	c := w.customer()
	may, june := epoch.AddDate(0, 2, 0), epoch.AddDate(0, 3, 0)
	for _, options := range [][]option{
		{},                                      // seq 1
		{expires(june)},                         // seq 2
		{of(ledger.Promotional)},                // seq 3
		{expires(may), of(ledger.Promotional)},  // seq 4
		{expires(may)},                          // seq 5
		{},                                      // seq 6
		{expires(may), of(ledger.Promotional)},  // seq 7
		{of(ledger.Promotional)},                // seq 8
		{expires(june), of(ledger.Promotional)}, // seq 9
		{expires(may.Add(-time.Microsecond))},   // seq 10
	} {
		w.post(credit(c, 100, options...))
	}
	want := []int64{10, 4, 7, 5, 9, 2, 3, 8, 1, 6}
	change := w.post(debit(c, 950))
	var got []int64
	for _, part := range change.Entry.Allocations {
		got = append(got, part.LotSeq)
	}
	w.same("lots in the order they were spent", want, got)
	if last := change.Entry.Allocations[9].Amount; last != 50 {
		w.Errorf("got %d from the last lot, want 50", last)
	}
	w.same("lots that are left", []ledger.Lot{{Seq: 6, Category: ledger.Paid, Remaining: 50}}, w.history(c).Wallets[0].Lots)
	w.sameEntry(c, change.Entry)
}

func lotExpiryInstant(w *world) {
	end := epoch.Add(time.Hour)
	spend := func(at time.Time, options ...option) (ledger.Change, error) {
		w.clock.Set(epoch)
		c := w.customer()
		w.post(credit(c, 500, expires(end)))
		w.clock.Set(at)
		change, err := w.book.Post(w.Context(), debit(c, 500, options...))
		w.history(c)
		return change, err
	}
	change, err := spend(end.Add(-time.Microsecond))
	w.wantCode(err, "")
	w.same("allocations just before the end", []ledger.Allocation{{LotSeq: 1, Amount: 500}}, change.Entry.Allocations)
	for _, late := range []time.Duration{0, time.Microsecond, time.Hour} {
		_, err = spend(end.Add(late))
		w.wantCode(err, ledger.CodeInsufficientFunds)
	}
}

func lotExpiredUnswept(w *world) {
	c := w.customer()
	w.post(credit(c, 500, expires(epoch.Add(time.Hour))))
	w.post(credit(c, 200))
	w.clock.Move(2 * time.Hour)
	w.refuse(ledger.CodeInsufficientFunds, debit(c, 201))
	change := w.post(debit(c, 150))
	w.same("allocations", []ledger.Allocation{{LotSeq: 2, Amount: 150}}, change.Entry.Allocations)
	if change.Wallet.Balance != 550 || change.Entry.Available != 50 {
		w.Errorf("got balance %d and available %d, want 550 and 50", change.Wallet.Balance, change.Entry.Available)
	}
	change = w.post(credit(c, 10))
	if change.Wallet.Balance != 560 || change.Entry.Available != 60 {
		w.Errorf("got balance %d and available %d, want 560 and 60", change.Wallet.Balance, change.Entry.Available)
	}
	w.refuse(ledger.CodeInsufficientFunds, debit(c, 61))
	w.post(debit(c, 60))
	w.refuse(ledger.CodeInsufficientFunds, debit(c, 1))
	w.same("lots that are left", []ledger.Lot{
		{Seq: 1, Category: ledger.Paid, ExpiresAt: epoch.Add(time.Hour), Remaining: 500},
	}, w.history(c).Wallets[0].Lots)
}

// creditsOfTen posts credits of 10 in both categories. Every other expires, the
// later ones sooner.
func (w *world) creditsOfTen(c ledger.Customer, n int, unit time.Duration) {
	for i := range n {
		options := []option{of([]ledger.Category{ledger.Paid, ledger.Promotional}[i/3%2])}
		if i%2 == 0 {
			options = append(options, expires(epoch.Add(time.Duration(1000-i)*unit)))
		}
		w.post(credit(c, 10, options...))
	}
}

func lotHundreds(w *world) {
	c := w.customer()
	w.creditsOfTen(c, 260, time.Hour)
	change := w.post(debit(c, 1_235))
	if got := len(change.Entry.Allocations); got != 124 {
		w.Errorf("got %d allocations, want 124", got)
	}
	w.sameEntry(c, change.Entry)
	w.history(c)
	change = w.post(debit(c, 1_365))
	if got := len(change.Entry.Allocations); got != 137 {
		w.Errorf("got %d allocations, want 137", got)
	}
	if h := w.history(c); len(h.Wallets[0].Lots) != 0 || h.Wallets[0].Balance != 0 {
		w.Errorf("got wallet %+v, want it empty", h.Wallets[0])
	}
}

func lotTurns(w *world) {
	c := w.customer()
	for i := range 60 {
		w.post(credit(c, moneyOf(10+i%7), of([]ledger.Category{ledger.Paid, ledger.Promotional}[i*i%3%2])))
		if i%4 == 3 {
			w.post(debit(c, moneyOf(1+i%45)))
		}
		if i%20 == 19 {
			w.history(c)
		}
	}
	w.post(debit(c, w.history(c).Wallets[0].Balance-1))
	w.history(c)
}

func lotRandom(w *world) {
	c := w.customer()
	below := func(n uint64) int { return int(w.dice.next() % n) }
	for i := range 250 {
		if below(3) > 0 {
			options := []option{of([]ledger.Category{ledger.Paid, ledger.Promotional}[below(2)])}
			if below(2) == 0 {
				options = append(options, expires(w.book.Now().Add(time.Minute+time.Duration(below(600))*time.Second)))
			}
			w.post(credit(c, moneyOf(1+below(50)), options...))
		} else if _, err := w.book.Post(w.Context(), debit(c, moneyOf(1+below(200)))); err != nil {
			w.wantCode(err, ledger.CodeInsufficientFunds)
		}
		w.clock.Move(time.Duration(below(5_000_000)) * time.Microsecond)
		if i%25 == 24 {
			w.history(c)
		}
	}
	w.history(c)
}

func lotPerWallet(w *world) {
	c := w.customer()
	w.post(credit(c, 500))
	w.post(credit(c, 300, in("INR"), expires(epoch.Add(time.Hour))))
	w.refuse(ledger.CodeInsufficientFunds, debit(c, 301, in("INR")))
	w.refuse(ledger.CodeInsufficientFunds, debit(c, 1, in("JPY")))
	change := w.post(debit(c, 300, in("INR")))
	w.same("allocations", []ledger.Allocation{{LotSeq: 1, Amount: 300}}, change.Entry.Allocations)
	w.post(debit(c, 500))
	w.history(c)
}

func lotExhausted(w *world) {
	c := w.customer()
	for round := range 5 {
		for _, category := range []ledger.Category{ledger.Paid, ledger.Promotional, ledger.Paid} {
			w.post(credit(c, 40, of(category)))
		}
		w.post(debit(c, 90))
		change := w.post(debit(c, 30))
		if change.Wallet.Balance != 0 || change.Wallet.Seq != int64(5*round+5) {
			w.Errorf("round %d: got balance %d and seq %d, want 0 and %d", round, change.Wallet.Balance, change.Wallet.Seq, 5*round+5)
		}
		w.refuse(ledger.CodeInsufficientFunds, debit(c, 1))
	}
	w.history(c)
}

// lots reads a wallet's lots, page by page.
func (w *world) lots(c ledger.Customer, currency money.Currency, limit int) (lots []ledger.Lot, pages int) {
	w.Helper()
	page := ledger.LotPage{Limit: limit}
	for {
		list, err := w.ledger.Lots(w.Context(), c.Tenant, c.ID, currency, page)
		w.wantCode(err, "")
		if len(list.Lots) > limit {
			w.Errorf("pages of %d: got %d lots", limit, len(list.Lots))
		}
		lots, pages = append(lots, list.Lots...), pages+1
		if page.After = list.Next; page.After == 0 || pages > 10_000 {
			return lots, pages
		}
	}
}

func lotList(w *world) {
	mixed, long := w.mixedWallet(), w.customer()
	for i := range 40 {
		w.post(credit(long, moneyOf(10+i), of([]ledger.Category{ledger.Paid, ledger.Promotional}[i%5/4])))
		if i%3 == 2 {
			w.post(debit(long, moneyOf(5+i)))
		}
	}
	for _, c := range []ledger.Customer{mixed, long} {
		h := w.history(c)
		want := h.Wallets[0]
		for _, limit := range []int{1, 2, 3, len(want.Lots) - 1, len(want.Lots), len(want.Lots) + 1, 200} {
			got, pages := w.lots(c, "USD", limit)
			w.same("lots in pages", want.Lots, got)
			if most := max(1, (len(want.Lots)+limit-1)/limit); pages != most {
				w.Errorf("pages of %d: got %d, want %d", limit, pages, most)
			}
		}
		list, err := w.ledger.Lots(w.Context(), c.Tenant, c.ID, "USD", ledger.LotPage{Limit: 1, At: w.book.Now()})
		w.wantCode(err, "")
		w.same("chain beside the lots", h.Chain, list.Chain)
		if got, want := list.Wallet.Available(w.book.Now()), want.Available(w.book.Now()); got != want {
			w.Errorf("got available %d, want %d", got, want)
		}
		bare(&list.Wallet, &want)
		w.same("wallet beside the lots", want, list.Wallet)
	}
	list, err := w.ledger.Lots(w.Context(), mixed.Tenant, mixed.ID, "INR", ledger.LotPage{Limit: 10})
	w.wantCode(err, "")
	if len(list.Lots) != 0 || list.Next != 0 || list.Wallet.Seq != 0 || list.Wallet.Currency != "INR" ||
		list.Chain.Position == 0 {
		w.Errorf("a wallet without entries: got %+v, want no lots and the customer's chain", list)
	}
}

func lotListMoves(w *world) {
	c := w.customer()
	end := epoch.Add(time.Hour)
	for i := range 30 {
		options := []option{of([]ledger.Category{ledger.Paid, ledger.Promotional}[i%2])}
		if i%3 == 0 {
			options = append(options, expires(end.Add(time.Duration(i)*time.Minute)))
		}
		w.post(credit(c, 10, options...))
	}
	first := w.history(c).Wallets[0].Lots
	met := map[int64]int{}
	page := ledger.LotPage{Limit: 3}
	for {
		list, err := w.ledger.Lots(w.Context(), c.Tenant, c.ID, "USD", page)
		w.wantCode(err, "")
		for _, lot := range list.Lots {
			met[lot.Seq]++
		}
		if page.After = list.Next; page.After == 0 {
			break
		}
		w.post(debit(c, 14)) // takes the very lots at which the pages end
		w.post(credit(c, 1))
	}
	for _, lot := range w.history(c).Wallets[0].Lots {
		if met[lot.Seq] != 1 && lot.Seq <= 30 {
			w.Errorf("lot %d stayed open and was met %d times, want once", lot.Seq, met[lot.Seq])
		}
	}
	for _, lot := range first {
		if met[lot.Seq] > 1 {
			w.Errorf("lot %d was met %d times", lot.Seq, met[lot.Seq])
		}
	}
}

// lotListSparse has many debits between the credits.
func lotListSparse(w *world) {
	c := w.customer()
	w.post(credit(c, 10_000, expires(epoch.Add(time.Hour))))
	for i := range 600 {
		if i%60 == 0 {
			w.post(credit(c, 10, of([]ledger.Category{ledger.Paid, ledger.Promotional}[i/60%4/3])))
		}
		w.post(debit(c, 3))
	}
	want := w.history(c).Wallets[0].Lots
	for _, limit := range []int{1, 4, 200} {
		got, _ := w.lots(c, "USD", limit)
		w.same("lots among debits", want, got)
	}
}

func lotListOthers(w *world) {
	c := w.customer()
	w.post(credit(c, 10))
	for _, other := range []ledger.Tenant{
		w.business("Second Shop"), {BusinessID: w.shop.BusinessID, Mode: ledger.Live}, {BusinessID: "bus_none", Mode: ledger.Test},
	} {
		_, err := w.ledger.Lots(w.Context(), other, c.ID, "USD", ledger.LotPage{Limit: 10})
		w.wantCode(err, ledger.CodeNotFound)
	}
	_, err := w.ledger.Lots(w.Context(), w.shop, "cus_nobody", "USD", ledger.LotPage{Limit: 10})
	w.wantCode(err, ledger.CodeNotFound)
}
