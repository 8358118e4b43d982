package storetest

import (
	"slices"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func snapshotScenarios() []scenario {
	return []scenario{
		{"of a customer without entries", snapshotOfNobody},
		{"of a wallet without entries beside one that has some", snapshotOfAnotherWallet},
		{"lots cover the need, and what has expired is in them or lapsed", snapshotLots},
		{"a debit far beyond a wallet of many lots is refused and harms nothing", snapshotHopeless},
		{"a partial debit sees all that there is", snapshotPartial},
		{"lots beyond the snapshot are untouched by its change", snapshotUntouchedLots},
		{"the prior entry is found by its key alone", snapshotPrior},
		{"a wallet's read tells what is available at its time", walletReadLots},
	}
}

func (w *world) peek(scope ledger.Scope) ledger.Snapshot {
	w.Helper()
	s, err := Peek(w.Context(), w.ledger, scope)
	if err != nil {
		w.Fatalf("peek %+v: got error %v, want a snapshot", scope, err)
	}
	return s
}

func snapshotOfNobody(w *world) {
	c := w.customer()
	s := w.peek(w.scopeOf(debit(c, 100, withKey("k"))))
	s.Wallet.UpdatedAt = time.Time{}
	w.same("snapshot", ledger.Snapshot{
		Customer: c,
		Wallet:   ledger.Wallet{Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD", CreatedAt: c.CreatedAt},
	}, s)
	list, err := w.ledger.Wallets(w.Context(), c.Tenant, c.ID, w.book.Now())
	w.wantCode(err, "")
	w.same("wallets after a look", ledger.WalletList{Customer: c}, list)
}

func snapshotOfAnotherWallet(w *world) {
	c := w.customer()
	w.post(credit(c, 500))
	last := w.post(credit(c, 600))
	s := w.peek(w.scopeOf(credit(c, 1, in("INR"))))
	w.same("chain", ledger.Chain{Position: 2, Hash: last.Entry.Hash, LastAt: last.Entry.CreatedAt}, s.Chain)
	if s.Wallet.Seq != 0 || s.Wallet.Balance != 0 || len(s.Wallet.Lots) != 0 {
		w.Errorf("got wallet %+v, want an empty one", s.Wallet)
	}
}

// mixedWallet gives a customer a wallet with lots of every kind: expired,
// expiring, promotional and paid, untouched and half spent. It leaves the
// clock 10 minutes after the epoch.
func (w *world) mixedWallet() ledger.Customer {
	w.Helper()
	c := w.customer()
	w.clock.Set(epoch)
	for i := range 24 {
		options := []option{of([]ledger.Category{ledger.Paid, ledger.Promotional}[i%2])}
		switch i % 4 {
		case 1:
			options = append(options, expires(epoch.Add(time.Duration(60+i)*time.Second)))
		case 2:
			options = append(options, expires(epoch.Add(time.Duration(100-i)*time.Hour)))
		case 3:
			// Several lots share one instant, and categories mix within it.
			options = append(options, expires(epoch.Add(50*time.Hour)),
				of([]ledger.Category{ledger.Paid, ledger.Promotional}[i/4%2]))
		}
		w.post(credit(c, money.Amount(100+i), options...))
		w.clock.Move(time.Second)
	}
	w.post(debit(c, 130)) // one whole lot and a part of the next
	w.clock.Set(epoch.Add(10 * time.Minute))
	w.post(debit(c, 110)) // passes over the expired lots
	return c
}

func snapshotLots(w *world) {
	c := w.mixedWallet()
	h := w.history(c)
	all := h.Wallets[0].Lots
	var sums []money.Amount
	var sum, expired money.Amount
	expiredLots := 0
	for _, lot := range all {
		if lot.ExpiredAt(w.book.Now()) {
			expired += lot.Remaining
			expiredLots++
			continue
		}
		sum += lot.Remaining
		sums = append(sums, sum)
	}
	if expiredLots == 0 || len(sums) < 10 {
		w.Fatalf("got %d expired lots and %d others, want some and many", expiredLots, len(sums))
	}
	for _, sum := range sums {
		for _, need := range []money.Amount{sum - 1, sum, sum + 1} {
			s := w.peek(w.scopeOf(debit(c, need)))
			lots := s.Wallet.Lots
			if len(lots) == 0 || len(lots) > len(all) {
				w.Fatalf("need %d: got %d lots of %d", need, len(lots), len(all))
			}
			w.same("the first lot of the snapshot", all[0], lots[0])
			gone := func(lot ledger.Lot) bool { return lot.ExpiredAt(w.book.Now()) }
			live, allLive := slices.DeleteFunc(slices.Clone(lots), gone), slices.DeleteFunc(slices.Clone(all), gone)
			w.same("lots of the snapshot that have not expired, as the first of all such", allLive[:len(live)], live)
			if got, want := s.Wallet.Available(w.book.Now()), h.Wallets[0].Balance-expired; got != want {
				w.Errorf("need %d: got available %d, want %d", need, got, want)
			}
		}
	}
	w.same("lots for the need of all", all, w.peek(w.scopeOf(debit(c, ledger.NeedAll))).Wallet.Lots)
	// A credit needs none of them to spend, and yet its entry says what is
	// available, so the expired must be there.
	s := w.peek(w.scopeOf(credit(c, 5)))
	if got, want := s.Wallet.Available(w.book.Now()), h.Wallets[0].Balance-expired; got != want {
		w.Errorf("need 0: got available %d, want %d", got, want)
	}
}

func snapshotHopeless(w *world) {
	c := w.customer()
	w.post(credit(c, 7, expires(epoch.Add(time.Hour))))
	for i := range 80 {
		w.post(credit(c, 10, of([]ledger.Category{ledger.Paid, ledger.Promotional}[i%2])))
	}
	w.clock.Move(time.Hour)
	for _, amount := range []money.Amount{801, 807, 808, money.EntryMax} {
		w.refuse(ledger.CodeInsufficientFunds, debit(c, amount))
	}
	change := w.post(debit(c, 795))
	if got := len(change.Entry.Allocations); got != 80 {
		w.Errorf("got %d allocations, want 80", got)
	}
	w.history(c)
}

func snapshotPartial(w *world) {
	for _, amount := range []money.Amount{799, 800, 801, money.EntryMax} {
		w.clock.Set(epoch)
		c := w.customer()
		w.post(credit(c, 7, expires(epoch.Add(time.Hour))))
		for i := range 80 {
			w.post(credit(c, 10, of([]ledger.Category{ledger.Paid, ledger.Promotional}[i%2])))
		}
		w.clock.Move(time.Hour)
		want := min(amount, 800)
		change := w.post(debit(c, amount, partial))
		if change.Entry.Amount != want || len(change.Entry.Allocations) != 80 || change.Wallet.Balance != 807-want {
			w.Errorf("got %d of %d lots and balance %d, want %d of 80 and %d", change.Entry.Amount,
				len(change.Entry.Allocations), change.Wallet.Balance, want, 807-want)
		}
		w.sameEntry(c, change.Entry)
		w.history(c)
	}
}

func snapshotUntouchedLots(w *world) {
	c := w.mixedWallet()
	// Small debits and credits each see few lots. CheckLaws holds the lots of
	// the whole wallet after each against the entries.
	for i := range 30 {
		w.post(debit(c, money.Amount(1+i*7%90)))
		options := []option{of([]ledger.Category{ledger.Promotional, ledger.Paid}[i%2])}
		if i%3 == 0 {
			options = append(options, expires(w.book.Now().Add(time.Duration(2+i%5)*time.Minute)))
		}
		if i%3 == 1 {
			options = append(options, expires(epoch.Add(75*time.Hour)))
		}
		w.post(credit(c, money.Amount(10+i), options...))
		w.clock.Move(20 * time.Second)
		w.history(c)
	}
}

func snapshotPrior(w *world) {
	c, other := w.customer(), w.customer()
	first := w.post(credit(c, 500, withKey("k1")))
	w.post(credit(other, 500, withKey("k3")))
	for _, r := range []ledger.PostRequest{credit(c, 500, withKey("k1")), debit(c, 7, in("INR"), withKey("k1"))} {
		s := w.peek(w.scopeOf(r))
		if s.Prior == nil {
			w.Fatalf("key k1 in %s: got no prior entry, want %s", r.Currency, first.Entry.ID)
		}
		w.same("prior entry", first.Entry, *s.Prior)
	}
	for _, key := range []string{"", "k", "k2", "k3", "K1", "k1 ", " k1"} {
		if s := w.peek(w.scopeOf(credit(c, 500, withKey(key)))); s.Prior != nil {
			w.Errorf("key %q: got prior entry with key %q, want none", key, s.Prior.IdempotencyKey)
		}
	}
}

func walletReadLots(w *world) {
	c := w.mixedWallet()
	all := w.history(c).Wallets[0].Lots
	list, err := w.ledger.Wallets(w.Context(), c.Tenant, c.ID, w.book.Now())
	w.wantCode(err, "")
	lots := list.Wallets[0].Lots
	if len(lots) == 0 || len(lots) > len(all) {
		w.Fatalf("got %d lots, want one at the least and at most all %d", len(lots), len(all))
	}
	w.same("lots of the read as a prefix of all", all[:len(lots)], lots)
	// The available balance can be said for every moment to come, each by a read for it.
	for _, later := range []time.Duration{0, time.Hour, 60 * time.Hour, 1000 * time.Hour} {
		at := w.book.Now().Add(later)
		list, err := w.ledger.Wallets(w.Context(), c.Tenant, c.ID, at)
		w.wantCode(err, "")
		whole := list.Wallets[0]
		whole.Lots, whole.Lapsed = all, 0
		if got, want := list.Wallets[0].Available(at), whole.Available(at); got != want {
			w.Errorf("available %v later: got %d, want %d", later, got, want)
		}
	}
}
