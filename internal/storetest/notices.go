package storetest

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func noticeScenarios() []scenario {
	return []scenario{
		{"L7 a lot is announced once, with what it has left", noticeOnce},
		{"L7 a lot is not announced before its time, to the microsecond", noticeInstant},
		{"L7 what was spent, is held, has expired or never does is not announced", noticeOfNothing},
		{"L7 a lot that gets money back is announced unless it was", noticeOfReturned},
		{"L7 money whose expiry is moved is announced anew", noticeOfMoved},
		{"L7 notices are numbered along the customer and told in that order", noticeNumbers},
		{"L7 8 sweepers at once write one notice for each lot", noticeTogether},
		{"L7 a wallet of many lots is announced in parts, whatever expires together", noticeManyLots},
		{"L7 credits and debits race with notices", noticeRace},
		{"wallets are found for notices by the setting of the business, until they were announced", noticeFound},
		{"a setting that is changed counts for lots that are there", noticeSetting},
		{"announcing to a customer that there is not is refused", noticeNobody},
	}
}

// announce announces what expires in a customer's wallet of USD within a time from the
// clock on, and wants so many notices.
func (w *world) announce(c ledger.Customer, ahead time.Duration, want int) {
	w.Helper()
	now := w.clock.Now()
	got, err := w.book.Announce(w.Context(), ledger.DueNotices{Wallet: walletIn(c, "USD"), Until: now.Add(ahead)}, now, 1000)
	if err != nil || got != want {
		w.Errorf("announce: got %d notices and error %v, want %d", got, err, want)
	}
}

// wantNotices wants a customer to have been told of these amounts of these lots.
func (w *world) wantNotices(c ledger.Customer, want ...ledger.Allocation) {
	w.Helper()
	var got []ledger.Allocation
	for _, n := range w.history(c).Notices {
		got = append(got, ledger.Allocation{LotSeq: n.Lot.Seq, Amount: n.Lot.Remaining})
	}
	w.same("what was announced of which lots", want, got)
}

func part(seq int64, amount money.Amount) ledger.Allocation {
	return ledger.Allocation{LotSeq: seq, Amount: amount}
}

func noticeOnce(w *world) {
	c := w.customer()
	end := epoch.Add(10 * time.Hour)
	w.post(credit(c, 100, expires(end.Add(time.Hour))))
	w.post(credit(c, 500, expires(end), of(ledger.Promotional)))
	w.post(credit(c, 200))
	w.post(debit(c, 120))
	w.clock.Move(time.Hour)
	w.announce(c, 9*time.Hour, 1)
	notice := w.history(c).Notices[0]
	want := ledger.Notice{
		ID: notice.ID, Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD", Number: 1,
		Lot: ledger.Lot{Seq: 2, Category: ledger.Promotional, ExpiresAt: end, Remaining: 380},
		Seq: 4, CreatedAt: epoch.Add(time.Hour),
	}
	w.same("the notice", want, notice)
	w.unchanged(func() {
		w.announce(c, 9*time.Hour, 0)
		w.clock.Move(time.Hour)
		w.announce(c, 8*time.Hour, 0)
	}, c)
	w.announce(c, 9*time.Hour, 1)
	w.post(credit(c, 7, expires(end.Add(-time.Hour)))) // sooner than those that were announced
	w.announce(c, 9*time.Hour, 1)
	w.post(credit(c, 8, expires(end))) // together with one
	w.announce(c, 9*time.Hour, 1)
	w.announce(c, 9*time.Hour, 0)
	w.wantNotices(c, part(2, 380), part(1, 100), part(5, 7), part(6, 8))
	w.same("figures", "balance 695 held 0 available 695", w.figures(c))
}

func noticeInstant(w *world) {
	end := epoch.Add(10 * time.Hour)
	for _, beside := range []time.Duration{-time.Hour, -time.Microsecond, 0, time.Microsecond} {
		w.clock.Set(epoch)
		c := w.customer()
		w.post(credit(c, 500, expires(end)))
		w.clock.Set(end.Add(-time.Hour + beside))
		want := 1
		if beside < 0 {
			want = 0
		}
		w.announce(c, time.Hour, want)
		w.history(c)
	}
	for _, late := range []time.Duration{-time.Microsecond, 0, time.Microsecond, time.Hour} {
		w.clock.Set(epoch)
		c := w.customer()
		w.post(credit(c, 500, expires(end)))
		w.clock.Set(end.Add(late))
		want := 0
		if late < 0 {
			want = 1
		}
		w.announce(c, time.Hour, want)
		w.history(c)
	}
}

func noticeOfNothing(w *world) {
	c := w.customer()
	end := epoch.Add(2 * time.Hour)
	w.post(credit(c, 100, expires(epoch.Add(time.Minute*30))))
	w.post(credit(c, 50, expires(end)))
	w.post(credit(c, 70, expires(end.Add(time.Second))))
	w.post(credit(c, 900))
	w.announce(c, time.Minute, 0)
	w.post(debit(c, 150))
	held := w.hold(c, 70)
	w.announce(c, 24*time.Hour, 0)
	w.wantNotices(c)
	w.release(held)
	w.announce(c, 24*time.Hour, 1)
	w.wantNotices(c, part(3, 70))

	late := w.customer()
	w.post(credit(late, 10, expires(end)))
	w.post(credit(late, 20, expires(end.Add(time.Hour))))
	w.clock.Set(end)
	w.announce(late, 24*time.Hour, 0) // what has expired is to be swept first
	w.sweep(late, 1)
	w.announce(late, 24*time.Hour, 1)
	w.wantNotices(late, part(2, 20))
}

func noticeOfReturned(w *world) {
	c := w.customer()
	end := epoch.Add(time.Hour)
	w.post(credit(c, 100, expires(end)))
	w.post(credit(c, 50, expires(end.Add(time.Minute))))
	spent := w.post(debit(c, 130))
	w.announce(c, 24*time.Hour, 1)
	w.reverse(spent, 130) // of the first lot all, of the second a part
	w.announce(c, 24*time.Hour, 1)
	w.wantNotices(c, part(2, 20), part(1, 100))
	again := w.post(debit(c, 150))
	w.announce(c, 24*time.Hour, 0)
	w.reverse(again, 150)
	w.announce(c, 24*time.Hour, 0)
	w.wantNotices(c, part(2, 20), part(1, 100))
}

func noticeOfMoved(w *world) {
	c := w.customer()
	w.post(credit(c, 100, expires(epoch.Add(time.Hour))))
	w.post(credit(c, 60, expires(epoch.Add(50*time.Hour))))
	w.announce(c, 2*time.Hour, 1)
	w.move(c, 1, epoch.Add(30*time.Hour)) // #3 and #4
	w.announce(c, 2*time.Hour, 0)
	w.move(c, 2, epoch.Add(90*time.Minute)) // #5 and #6
	w.announce(c, 2*time.Hour, 1)
	w.clock.Set(epoch.Add(28 * time.Hour))
	w.sweep(c, 1)
	w.announce(c, 2*time.Hour, 1)
	w.wantNotices(c, part(1, 100), part(6, 60), part(4, 100))
}

func noticeNumbers(w *world) {
	c := w.customer()
	for i := range 6 {
		end := epoch.Add(time.Duration(1+i) * time.Hour)
		w.post(credit(c, moneyOf(10+i), in([]money.Currency{"USD", "INR"}[i%2]), expires(end)))
	}
	hold := w.hold(c, 4)
	for _, ahead := range []time.Duration{2, 6} {
		for _, currency := range []money.Currency{"INR", "USD"} {
			due := ledger.DueNotices{Wallet: walletIn(c, currency), Until: epoch.Add(ahead * time.Hour)}
			_, err := w.book.Announce(w.Context(), due, w.clock.Now(), 10)
			w.wantCode(err, "")
		}
	}
	w.release(hold)
	w.post(credit(c, 1, expires(epoch.Add(time.Minute))))
	w.announce(c, time.Hour, 1)
	h := w.history(c)
	var got []string
	for _, n := range h.Notices {
		got = append(got, fmt.Sprintf("%d %s %d hold event %d", n.Number, n.Currency, n.Lot.Remaining, n.HoldNumber))
	}
	w.same("notices", []string{
		"1 INR 11 hold event 1", "2 USD 6 hold event 1", "3 INR 13 hold event 1", "4 INR 15 hold event 1",
		"5 USD 12 hold event 1", "6 USD 14 hold event 1", "7 USD 1 hold event 2",
	}, got)
	some, err := w.ledger.Notices(w.Context(), c.Tenant, c.ID, 2, 3)
	w.wantCode(err, "")
	w.same("notices behind one", h.Notices[2:5], some)
	if !w.withFeed() {
		return
	}
	events := w.events(ledger.EventFilter{Kinds: []ledger.EventKind{ledger.WalletFundsExpiring}}, len(h.Notices))
	for i, n := range h.Notices {
		w.same("event", ledger.Event{ID: "evt_" + n.ID, Kind: ledger.WalletFundsExpiring, Tenant: c.Tenant, CustomerID: c.ID,
			At: n.CreatedAt, Notice: &n}, events[i])
	}
	var order []ledger.EventKind
	for _, e := range w.events(ledger.EventFilter{}, 1+6+2+7+1) {
		if len(order) == 0 || order[len(order)-1] != e.Kind {
			order = append(order, e.Kind)
		}
	}
	w.same("all events, those of a kind as one", []ledger.EventKind{
		ledger.CustomerCreated, ledger.WalletCredited, ledger.WalletHoldCreated, ledger.WalletFundsExpiring,
		ledger.WalletHoldReleased, ledger.WalletCredited, ledger.WalletFundsExpiring,
	}, order)
}

func noticeTogether(w *world) {
	c := w.customer()
	for i := range 90 {
		w.post(credit(c, moneyOf(10+i), expires(epoch.Add(time.Duration(1+i%3)*time.Hour))))
	}
	var written atomic.Int64
	together(8, func(int) {
		due := ledger.DueNotices{Wallet: walletIn(c, "USD"), Until: epoch.Add(2 * time.Hour)}
		n, err := w.book.Announce(w.Context(), due, w.clock.Now(), 1000)
		if err != nil {
			w.Errorf("announce: got error %v, want none", err)
		}
		written.Add(int64(n))
	})
	if h := w.history(c); written.Load() != 60 || len(h.Notices) != 60 {
		w.Errorf("got %d written and %d notices, want 60 of each", written.Load(), len(h.Notices))
	}
}

func noticeManyLots(w *world) {
	c := w.customer()
	for i := range 200 {
		w.post(credit(c, 10, expires(epoch.Add(time.Hour)), of([]ledger.Category{ledger.Paid, ledger.Promotional}[i/3%2])))
	}
	for _, most := range []int{0, 1, 30, 100, 1000, 1000} {
		before := len(w.history(c).Notices)
		now := w.clock.Now()
		due := ledger.DueNotices{Wallet: walletIn(c, "USD"), Until: now.Add(time.Hour)}
		n, err := w.book.Announce(w.Context(), due, now, most)
		w.wantCode(err, "")
		if got := len(w.history(c).Notices); got != before+n || n > most {
			w.Errorf("%d at most: got %d notices and said %d, want %d and no more", most, got-before, n, most)
		}
	}
	if h := w.history(c); len(h.Notices) != 200 {
		w.Errorf("got %d notices, want 200", len(h.Notices))
	}
	// One that comes before them all, when all the others were announced.
	w.post(credit(c, 3, expires(epoch.Add(time.Minute))))
	w.announce(c, time.Hour, 1)
	w.post(credit(c, 4, expires(epoch.Add(time.Hour))))
	w.announce(c, time.Hour, 1)
	w.post(debit(c, 2007))
	w.announce(c, time.Hour, 0)
	w.history(c)
}

func noticeRace(w *world) {
	c := w.customer()
	w.post(credit(c, 5, expires(epoch.Add(time.Hour))))
	due := ledger.DueNotices{Wallet: walletIn(c, "USD"), Until: epoch.Add(24 * time.Hour)}
	together(60, func(i int) {
		var err error
		switch {
		case i%3 == 0:
			_, err = w.book.Announce(w.Context(), due, epoch, 2)
		case i%3 == 1:
			_, err = w.book.Post(w.Context(), credit(c, moneyOf(i), expires(epoch.Add(time.Duration(i)*time.Minute))))
		default:
			if _, err = w.book.Post(w.Context(), debit(c, 3)); ledger.CodeOf(err) == ledger.CodeInsufficientFunds {
				err = nil
			}
		}
		if err != nil {
			w.Errorf("step %d: got error %v, want none", i, err)
		}
	})
	_, err := w.book.Announce(w.Context(), due, epoch, 1000)
	w.wantCode(err, "")
	h := w.history(c)
	for _, lot := range h.Wallets[0].Lots {
		if !slices.ContainsFunc(h.Notices, func(n ledger.Notice) bool { return n.Lot.Seq == lot.Seq }) {
			w.Errorf("lot %+v is open and was not announced", lot)
		}
	}
}

// notifyAhead sets how many days ahead a business is told of what expires.
func (w *world) notifyAhead(tenant ledger.Tenant, days int64) {
	w.Helper()
	_, err := w.access.UpdateSettings(w.Context(), tenant, w.change(), func(s access.Settings) (access.Settings, error) {
		s.ExpiryNoticeDays = days
		return s, nil
	})
	w.wantCode(err, "")
}

// dueNotices are the customers of the wallets that are found for notices now.
func (w *world) dueNotices(limit int) (ids []string) {
	w.Helper()
	due, err := w.ledger.DueNotices(w.Context(), w.clock.Now(), limit)
	w.wantCode(err, "")
	for _, d := range due {
		ids = append(ids, d.Wallet.CustomerID)
	}
	return ids
}

// announceFound announces what is found, and wants so many notices.
func (w *world) announceFound(want int) {
	w.Helper()
	due, err := w.ledger.DueNotices(w.Context(), w.clock.Now(), 100)
	w.wantCode(err, "")
	got := 0
	for _, d := range due {
		n, err := w.book.Announce(w.Context(), d, w.clock.Now(), 100)
		w.wantCode(err, "")
		got += n
	}
	w.same("notices of what was found", want, got)
}

func noticeFound(w *world) {
	second, third := w.business("Second Shop"), w.business("Third Shop")
	const day = 24 * time.Hour
	make := func(tenant ledger.Tenant, ends ...time.Duration) ledger.Customer {
		c := w.customer(func(c *ledger.Customer) { c.Tenant = tenant })
		for _, end := range ends {
			w.post(credit(c, 10, expires(epoch.Add(end))))
		}
		w.post(credit(c, 10))
		return c
	}
	a, b := make(w.shop, 9*day, 5*day), make(w.shop, 3*day)
	c, d := make(second, 2*day), make(third, 2*day)
	w.same("without a business that wants notices", []string(nil), w.dueNotices(100))
	w.notifyAhead(w.shop, 4)
	w.notifyAhead(second, 1)
	w.same("4 days ahead", []string{b.ID}, w.dueNotices(100))
	w.clock.Move(day - time.Microsecond)
	w.same("a microsecond before a day later", []string{b.ID}, w.dueNotices(100))
	w.clock.Move(time.Microsecond)
	got := w.dueNotices(100)
	slices.Sort(got)
	want := []string{a.ID, b.ID, c.ID}
	slices.Sort(want)
	w.same("a day later", want, got)
	w.same("no more than two", 2, len(w.dueNotices(2)))
	w.announceFound(3)
	w.same("after they were announced", []string(nil), w.dueNotices(100))
	w.post(credit(b, 5, expires(epoch.Add(2*day))))
	w.same("after a credit that expires soon", []string{b.ID}, w.dueNotices(100))
	w.announceFound(1)
	w.post(credit(b, 5, expires(epoch.Add(20*day))))
	w.post(debit(b, 3))
	w.same("after a credit that does not, and a debit", []string(nil), w.dueNotices(100))
	w.wantNotices(d)
}

func noticeSetting(w *world) {
	const day = 24 * time.Hour
	c := w.customer()
	for _, end := range []time.Duration{2, 10, 30, 400} {
		w.post(credit(c, 10, expires(epoch.Add(end*day))))
	}
	w.notifyAhead(w.shop, 3)
	w.announceFound(1)
	w.notifyAhead(w.shop, 30)
	w.announceFound(2)
	w.notifyAhead(w.shop, 1)
	w.announceFound(0)
	w.notifyAhead(w.shop, 0)
	w.clock.Set(epoch.Add(399 * day))
	w.sweep(c, 3)
	w.announceFound(0)
	w.notifyAhead(w.shop, access.ExpiryNoticeMax)
	w.announceFound(1)
	w.wantNotices(c, part(1, 10), part(2, 10), part(3, 10), part(4, 10))
}

func noticeNobody(w *world) {
	nobody := w.newCustomer()
	now := w.clock.Now()
	due := ledger.DueNotices{Wallet: walletIn(nobody, "USD"), Until: now.Add(time.Hour)}
	_, err := w.book.Announce(w.Context(), due, now, 10)
	w.wantCode(err, ledger.CodeNotFound)
	_, err = w.ledger.Notices(w.Context(), nobody.Tenant, nobody.ID, 0, 10)
	w.wantCode(err, ledger.CodeNotFound)
	c := w.customer()
	w.unchanged(func() { w.announce(c, time.Hour, 0) }, c)
}
