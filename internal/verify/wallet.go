package verify

import (
	"bytes"
)

// wallet checks a row of wallets against the entries.
func (c *checker) wallet(owner *customer, w *walletRow) {
	c.wallets++
	c.sums.sides(owner.tenant, w.currency).wallets.add(w.balance)
	book := owner.book(w.currency)
	if book == nil {
		c.found.add(LawBalance, owner.where(w.currency, 0), "wallets has a row with balance %d, and there are no entries", w.balance)
		return
	}
	book.hasRow = true
	c.playHolds(owner, book, book.seq+1)
	where := owner.where(w.currency, book.last.position)
	where.No = book.last.no
	report := func(law Law, format string, args ...any) { c.found.add(law, where, format, args...) }

	checkWalletEnd(w, book, report)
	checkWalletAlerts(w, book, report)
	if w.tenant != owner.tenant {
		report(LawTenancy, "the wallet is of tenant %d, its customer of %d", w.tenant, owner.tenant)
	}
	if w.debt != book.debt {
		report(LawDebt, "the wallet owes %d, its entries make it %d", w.debt, book.debt)
	}
	if !c.unlinked {
		checkWalletLink(w, book, report)
	}
	stored, ok := checkWalletSums(w, report)
	stored = withShelf(w, stored, book.shelf, report)
	checkNotices(w, stored, book, report)
	if book.lots.broken {
		return
	}
	checkNextExpiry(w, book.lots.nextExpiry(), report)
	if ok {
		compareStored(w, stored, &book.lots, report)
	}
}

// checkWalletEnd compares a wallet's row with its last entry.
func checkWalletEnd(w *walletRow, book *walletBook, report reporter) {
	if w.misfit != "" {
		report(LawImmutable, "the wallet's %s is stored as another type", w.misfit)
	}
	if w.balance < 0 || w.balance > balanceMax {
		report(LawRange, "the wallet's balance is %d, want 0 to %d", w.balance, int64(balanceMax))
	}
	if book.sum != sumOf(w.balance) {
		report(LawBalance, "the wallet's balance is %d, its entries sum to %s", w.balance, book.sum)
	}
	if h := &book.holds; w.held != h.held || w.holdNumber != h.number || w.holdAt != h.at {
		report(LawHolds, "the wallet holds %d after hold event %d at %d, its holds make it %d after event %d at %d",
			w.held, w.holdNumber, w.holdAt, h.held, h.number, h.at)
	}
	if w.seq != book.seq || w.position != book.last.position {
		report(LawSequence, "the wallet stands at seq %d and position %d, its last entry at %d and %d",
			w.seq, w.position, book.seq, book.last.position)
	}
	if !bytes.Equal(w.hash, book.last.hash[:]) {
		report(LawChain, "the wallet's hash is not the one of its last entry")
	}
	if w.updatedAt != book.last.createdAt {
		report(LawTime, "the wallet's updated_at is %d, its last entry was made at %d", w.updatedAt, book.last.createdAt)
	}
}

// checkWalletLink checks that the row leads to the wallet's last entry (law R3).
func checkWalletLink(w *walletRow, book *walletBook, report reporter) {
	if w.lastEntry != book.last.no {
		report(LawListing, "the wallet's last_entry is number %d, want %d", w.lastEntry, book.last.no)
	}
}

// checkWalletSums checks a wallet's stored lots as far as the row alone shows
// it: that they decode, stand in spend order and sum to what is not held (laws L1,
// L2). It returns the decoded lots, and false when they are of no use.
func checkWalletSums(w *walletRow, report reporter) (stored []lot, ok bool) {
	stored, ok = decodeLots(w.lots)
	if !ok {
		report(LawLots, "the wallet's lots do not decode")
		return nil, false
	}
	var sum total
	sum.add(w.shelvedSum)
	if w.lapsedSum < 0 || w.lapsedSum > w.shelvedSum || w.shelvedSum == 0 && w.lapsedAt != 0 {
		report(LawLots, "the wallet's lots in wallet_lots sum to %d, of which %d had expired at %d", w.shelvedSum, w.lapsedSum, w.lapsedAt)
	}
	for category, tail := range w.tails {
		sum.add(tail.sum)
		if (tail.sum == 0) != (tail.from == 0) || tail.sum < 0 {
			report(LawLots, "the wallet's %s lots from seq %d sum to %d", categories[category], tail.from, tail.sum)
		}
	}
	for i, l := range stored {
		sum.add(l.remaining)
		if i > 0 && compareLots(stored[i-1], l) >= 0 {
			report(LawSpendOrder, "the wallet's lots %d and %d are not in spend order", stored[i-1].seq, l.seq)
			ok = false
		}
	}
	if sum != sumOf(w.balance-w.held) {
		report(LawLots, "the wallet's lots sum to %s, its balance is %d with %d held", sum, w.balance, w.held)
	}
	return stored, ok
}

// checkNextExpiry checks by what the sweep finds the wallet (law L4).
func checkNextExpiry(w *walletRow, want int64, report reporter) {
	if w.nextExpiry != want {
		report(LawSweep, "the wallet's next_expiry is %d, its lots make it %d", w.nextExpiry, want)
	}
}

var categories = [2]string{"promotional", "paid"}

// compareStored walks the stored and the recomputed lots side by side and
// reports the first difference.
func compareStored(w *walletRow, stored []lot, book *lotBook, report reporter) {
	var tails [2]total
	for want := range book.left {
		tail := w.tails[category(want.paid)]
		if want.expiresAt == 0 && tail.sum > 0 && want.seq >= tail.from {
			if want.touched {
				report(LawLots, "lot %d was spent from and is not written out", want.seq)
				return
			}
			tails[category(want.paid)].add(want.remaining)
			continue
		}
		if len(stored) == 0 {
			report(LawLots, "lot %d with %d left is not in the wallet", want.seq, want.remaining)
			return
		}
		got := stored[0]
		stored = stored[1:]
		if got.seq != want.seq || got.paid != want.paid || got.expiresAt != want.expiresAt {
			report(LawLots, "the wallet has lot %d (%s, expires at %d), where the entries leave lot %d (%s, expires at %d)",
				got.seq, categories[category(got.paid)], got.expiresAt,
				want.seq, categories[category(want.paid)], want.expiresAt)
			return
		}
		if got.remaining != want.remaining {
			report(LawLots, "lot %d has %d left, its entries leave %d", got.seq, got.remaining, want.remaining)
			return
		}
	}
	if len(stored) > 0 {
		report(LawLots, "the wallet has lot %d with %d left, which was spent or never opened", stored[0].seq, stored[0].remaining)
	}
	for i, tail := range w.tails {
		if tail.sum > 0 && tail.from <= book.taken[i] {
			report(LawLots, "the wallet's %s lots from seq %d stand for lot %d, of which something was taken",
				categories[i], tail.from, book.taken[i])
		}
		if tails[i] != sumOf(tail.sum) {
			report(LawLots, "the wallet's %s lots from seq %d sum to %d, its entries to %s",
				categories[i], tail.from, tail.sum, tails[i])
		}
	}
}

// customerMark checks a row of customer_marks (law R3).
func (c *checker) customerMark(owner *customer, m markRow) {
	owner.marks.meet(m, "customer_marks", owner.where("", m.at), c.found)
}

// walletMark checks a row of wallet_marks (law R3).
func (c *checker) walletMark(owner *customer, m markRow) {
	where := owner.where(m.currency, 0)
	book := owner.book(m.currency)
	if book == nil {
		c.found.add(LawListing, where, "wallet_marks has seq %d of a wallet without entries", m.at)
		return
	}
	book.marks.meet(m, "wallet_marks", where, c.found)
}

// meet compares a row with the mark that belongs there.
func (m *marks) meet(row markRow, table string, where Finding, found findings) {
	at := int64(m.met+1) * markEvery
	switch {
	case m.met == len(m.entries) || row.at < at:
		found.add(LawListing, where, "%s has a row for %d, where no mark belongs", table, row.at)
		return
	case row.at > at:
		found.add(LawListing, where, "%s has no row for %d", table, at)
		m.met = min(int(row.at/markEvery), len(m.entries))
		return
	case row.entry != m.entries[m.met]:
		where.No = m.entries[m.met]
		found.add(LawListing, where, "%s has entry number %d at %d, want %d", table, row.entry, row.at, where.No)
	}
	m.met++
}

// unmet returns the position or seq of the first mark that has no row.
func (m *marks) unmet() (at int64, ok bool) {
	return int64(m.met+1) * markEvery, m.met < len(m.entries)
}
