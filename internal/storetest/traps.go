package storetest

import (
	"sync/atomic"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// trapScenarios are mistakes that ledgers of others have made, as they were
// found in the open. docs/traps.md lists them, with the tests of those that
// are not a store's.
func trapScenarios() []scenario {
	return []scenario{
		{"trap: an unlocked read, then a decrement", trapReadThenDecrement},
		{"trap: a balance check that one path does not make", trapUncheckedPath},
		{"trap: a version check on one path and a lock on another", trapTwoGuards},
		{"trap: accepted is not applied", trapAcceptedNotApplied},
		{"trap: compensation sold as atomic", trapCompensation},
		{"trap: the job that expires money is late", trapLateExpiry},
		{"trap: undoing changes the kind of money", trapUndoChangesKind},
		{"trap: lots without amounts", trapLotsWithoutAmounts},
		{"trap: a clock in the key or behind it", trapClockInKey},
		{"trap: keys hashed to 32 bits", trapHashedKeys},
		{"trap: a balance that is kept apart from its entries", trapCachedBalance},
	}
}

func trapReadThenDecrement(w *world) {
	for range 20 {
		c := w.customer()
		w.post(credit(c, 100))
		accepted, moved := w.count(4, func(int) ledger.PostRequest { return debit(c, 60) }, ledger.CodeInsufficientFunds)
		if accepted != 1 || moved != 60 {
			w.Errorf("four debits of 60 on 100: got %d accepted that took %d, want 1 and 60", accepted, moved)
		}
		if h := w.history(c); h.Wallets[0].Balance != 40 {
			w.Errorf("got balance %d, want 40", h.Wallets[0].Balance)
		}
	}
}

func trapUncheckedPath(w *world) {
	c, empty := w.customer(), w.customer()
	w.post(credit(c, 100))
	w.refuse(ledger.CodeInsufficientFunds, debit(c, 101))
	w.refuse(ledger.CodeInsufficientFunds, debit(empty, 1, partial))
	w.unchanged(func() {
		for line, outcome := range w.postMany(false, debit(c, 101), debit(empty, 1)) {
			w.wantOutcome(line, outcome, ledger.CodeInsufficientFunds, false, 0)
		}
	}, c, empty)
	w.refuseWhole(1, ledger.CodeInsufficientFunds, []ledger.Customer{c}, debit(c, 60), debit(c, 41))
}

// trapTwoGuards races every path that takes money with each other: what is right
// for each alone is of no use if they do not see each other.
func trapTwoGuards(w *world) {
	c := w.customer()
	w.post(credit(c, 200))
	undone := w.post(debit(c, 100))
	var taken, given atomic.Int64
	take := func(change ledger.Change, err error) {
		switch ledger.CodeOf(err) {
		case "":
			taken.Add(int64(change.Entry.Amount))
		case ledger.CodeInsufficientFunds, ledger.CodeConditionFailed:
		default:
			w.Errorf("got error %v, want none or a refusal", err)
		}
	}
	together(80, func(i int) {
		switch i % 5 {
		case 0:
			take(w.book.Post(w.Context(), debit(c, 10)))
		case 1:
			take(w.book.Post(w.Context(), debit(c, 15, partial)))
		case 2:
			take(w.book.Post(w.Context(), debit(c, 10, ifSeq(int64(2+i/5)))))
		case 3:
			outcomes, err := w.book.PostMany(w.Context(), []ledger.PostRequest{debit(c, 5), debit(c, 5)}, i%2 == 0)
			if err != nil {
				take(ledger.Change{}, err)
				return
			}
			for _, outcome := range outcomes {
				take(outcome.Change, outcome.Err)
			}
		default:
			part := ledger.ReverseRequest{Tenant: c.Tenant, CustomerID: c.ID, EntryID: undone.Entry.ID, CreatedBy: "key_test"}
			five := moneyOf(5)
			part.Amount = &five
			change, err := w.book.Reverse(w.Context(), part)
			w.wantCode(err, "")
			given.Add(int64(change.Entry.Amount))
		}
	})
	h := w.history(c) // which checks that no prefix is below zero
	if got, want := int64(h.Wallets[0].Balance), 100+given.Load()-taken.Load(); got != want || got < 0 {
		w.Errorf("got balance %d, want %d: %d were given back and %d taken", got, want, given.Load(), taken.Load())
	}
}

func trapAcceptedNotApplied(w *world) {
	c := w.customer()
	for i := range 20 {
		posted := w.post(credit(c, 10))
		list, err := w.ledger.Wallets(w.Context(), c.Tenant, c.ID, w.book.Now())
		w.wantCode(err, "")
		if got := list.Wallets[0]; got.Balance != moneyOf(10*(i+1)) || got.Seq != posted.Entry.Seq {
			w.Errorf("right after an answer: got balance %d at seq %d, want %d at %d", got.Balance, got.Seq, 10*(i+1), posted.Entry.Seq)
		}
		w.sameEntry(c, posted.Entry)
	}
}

// trapCompensation reads while bulks fail at their last line: one that had been
// applied and taken back would be seen, in the wallet or by what it left.
func trapCompensation(w *world) {
	c := w.customer()
	w.post(credit(c, 100))
	bulk := func() []ledger.PostRequest { return []ledger.PostRequest{debit(c, 100), credit(c, 40), debit(c, 41)} }
	w.unchanged(func() {
		together(8, func(i int) {
			for range 10 {
				if i%2 == 0 {
					_, err := w.book.PostMany(w.Context(), bulk(), true)
					w.wantCode(err, ledger.CodeInsufficientFunds)
					continue
				}
				list, err := w.ledger.Wallets(w.Context(), c.Tenant, c.ID, w.book.Now())
				w.wantCode(err, "")
				if got := list.Wallets[0]; got.Balance != 100 || got.Seq != 1 {
					w.Errorf("beside bulks that fail: got balance %d at seq %d, want 100 at 1", got.Balance, got.Seq)
				}
			}
		})
	}, c)
}

func trapLateExpiry(w *world) {
	c := w.customer()
	w.post(credit(c, 100, expires(w.clock.Now().Add(time.Hour))))
	w.clock.Move(time.Hour)
	list, err := w.ledger.Wallets(w.Context(), c.Tenant, c.ID, w.book.Now())
	w.wantCode(err, "")
	if got := list.Wallets[0].Available(w.clock.Now()); got != 0 {
		w.Errorf("a sweep that has not come: got %d available, want 0", got)
	}
	w.refuse(ledger.CodeInsufficientFunds, debit(c, 1))
	w.refuse(ledger.CodeInsufficientFunds, debit(c, 1, partial))
	w.sweep(c, 1)
}

func trapUndoChangesKind(w *world) {
	c := w.customer()
	w.post(credit(c, 30, of(ledger.Promotional), expires(w.clock.Now().Add(time.Hour))))
	w.post(credit(c, 50, of(ledger.Promotional)))
	w.post(credit(c, 100))
	before, _ := w.lots(c, "USD", 10)
	w.reverse(w.post(debit(c, 120)), 120)
	after, _ := w.lots(c, "USD", 10)
	w.same("the lots after a debit was undone", before, after)
}

func trapLotsWithoutAmounts(w *world) {
	c := w.customer()
	for i := range 5 {
		w.post(credit(c, moneyOf(10+i)))
	}
	taken := w.post(debit(c, 38))
	w.same("what was taken of which lot", []ledger.Allocation{
		{LotSeq: 1, Amount: 10}, {LotSeq: 2, Amount: 11}, {LotSeq: 3, Amount: 12}, {LotSeq: 4, Amount: 5},
	}, taken.Entry.Allocations)
	w.sameEntry(c, taken.Entry)
}

// trapClockInKey repeats requests at other times: neither the key nor what is
// compared with it may have a clock in it.
func trapClockInKey(w *world) {
	c := w.customer()
	end := w.clock.Now().Add(time.Hour)
	requests := []ledger.PostRequest{
		credit(c, 100, withKey("welcome_1"), expires(end)),
		debit(c, 30, withKey("order_1"), partial),
	}
	for _, r := range requests {
		first := w.post(r)
		for _, later := range []time.Duration{time.Microsecond, 24 * time.Hour, 400 * 24 * time.Hour, -300 * 24 * time.Hour} {
			w.clock.Move(later)
			w.replay(first, r)
		}
		w.clock.Move(-200 * 24 * time.Hour)
	}
}

// trapHashedKeys posts under keys of which the usual sums of 32 bits are equal:
// FNV-1a for the first two pairs, CRC-32 for the last.
func trapHashedKeys(w *world) {
	c := w.customer()
	pairs := [][2]string{{"costarring", "liquid"}, {"declinate", "macallums"}, {"plumless", "buckeroo"}}
	for _, pair := range pairs {
		for i, key := range pair {
			r := credit(c, moneyOf(10+i), withKey(key))
			w.replay(w.post(r), r)
		}
	}
	if h := w.history(c); len(h.Entries) != 2*len(pairs) {
		w.Errorf("got %d entries, want one for each of %d keys", len(h.Entries), 2*len(pairs))
	}
}

func trapCachedBalance(w *world) {
	c := w.customer()
	w.post(credit(c, 100))
	w.post(credit(c, 50, expires(w.clock.Now().Add(time.Hour))))
	taken := w.post(debit(c, 70))
	w.reverse(taken, 30)
	w.postMany(false, credit(c, 5), debit(c, 1000), debit(c, 1))
	w.postMany(true, credit(c, 7), debit(c, 2))
	w.clock.Move(2 * time.Hour)
	w.sweep(c, 1)
	h := w.history(c)
	var sum, last ledger.Entry
	for _, e := range h.Entries {
		if last = e; e.Direction == ledger.Credit {
			sum.Amount += e.Amount
		} else {
			sum.Amount -= e.Amount
		}
	}
	if wallet := h.Wallets[0]; wallet.Balance != sum.Amount || wallet.Balance != last.After || wallet.Seq != last.Seq {
		w.Errorf("got balance %d at seq %d, want the sum of the entries, %d, at seq %d", wallet.Balance, wallet.Seq, sum.Amount, last.Seq)
	}
}
