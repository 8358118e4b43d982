package storetest

import (
	"context"
	"errors"
	"fmt"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func bulkScenarios() []scenario {
	return []scenario{
		{"each for itself: a refusal touches no other line", bulkEachForItself},
		{"lines of one customer are applied in their order", bulkInOrder},
		{"K1 K3 a key that a bulk has twice is a repeat, or used for another request", bulkKeyTwice},
		{"K2 a bulk that is sent again gets the first answers", bulkAgain},
		{"K2 a bulk of which a part is known makes the rest", bulkHalfKnown},
		{"all or nothing: a refusal leaves no trace of the lines before it", bulkAtomicRefused},
		{"all or nothing: what stands is all of it, in its order", bulkAtomic},
		{"all or nothing: the first refusal in line order is named", bulkAtomicFirst},
		{"all or nothing for one customer, on every store", bulkAtomicOne},
		{"all or nothing is refused where it cannot be promised", bulkAtomicSharded},
		{"a cancelled bulk has no effect", bulkCancelled},
	}
}

// postMany posts a bulk that has no error as a whole.
func (w *world) postMany(atomic bool, requests ...ledger.PostRequest) []ledger.Outcome {
	w.Helper()
	outcomes, err := w.book.PostMany(w.Context(), requests, atomic)
	if err != nil || len(outcomes) != len(requests) {
		w.Fatalf("bulk of %d: got %d outcomes and error %v, want one for each", len(requests), len(outcomes), err)
	}
	return outcomes
}

// kinds are the values of atomic that the store takes for several customers.
func (w *world) kinds() []bool {
	if w.sharded {
		return []bool{false}
	}
	return []bool{false, true}
}

// wantOutcome checks a line: its code, or whether it is a repeat and the balance
// after it.
func (w *world) wantOutcome(line int, got ledger.Outcome, code ledger.Code, replayed bool, balance money.Amount) {
	w.Helper()
	if ledger.CodeOf(got.Err) != code || got.Change.Replayed != replayed || got.Change.Wallet.Balance != balance {
		w.Errorf("line %d: got error %v, replayed %t and balance %d, want code %q, replayed %t and balance %d",
			line, got.Err, got.Change.Replayed, got.Change.Wallet.Balance, code, replayed, balance)
	}
}

func bulkEachForItself(w *world) {
	a, b, stranger := w.customer(), w.customer(), w.newCustomer()
	outcomes := w.postMany(false,
		credit(a, 100),
		debit(b, 1),
		debit(a, 101),
		credit(stranger, 1),
		credit(b, 0),
		debit(a, 100),
		credit(b, 7),
	)
	for i, want := range []struct {
		code    ledger.Code
		balance money.Amount
	}{
		{"", 100}, {ledger.CodeInsufficientFunds, 0}, {ledger.CodeInsufficientFunds, 0}, {ledger.CodeNotFound, 0},
		{ledger.CodeAmountNotPositive, 0}, {"", 0}, {"", 7},
	} {
		w.wantOutcome(i, outcomes[i], want.code, false, want.balance)
	}
	w.history(a)
	w.history(b)
}

// bulkInOrder has more lines than share a commit, and a debit after each credit
// that only the credit covers.
func bulkInOrder(w *world) {
	customers := []ledger.Customer{w.customer(), w.customer(), w.customer()}
	var requests []ledger.PostRequest
	for i := range 1200 {
		c := customers[i%len(customers)]
		requests = append(requests, credit(c, money.Amount(i+1), because(fmt.Sprint(i))), debit(c, money.Amount(i+1)))
	}
	for i, outcome := range w.postMany(false, requests...) {
		want := money.Amount(0)
		if i%2 == 0 {
			want = requests[i].Amount
		}
		w.wantOutcome(i, outcome, "", false, want)
	}
	for n, c := range customers {
		entries := w.history(c).Entries
		if len(entries) != 800 || entries[798].Reason != fmt.Sprint(1197+n) {
			w.Errorf("customer %d: got %d entries, want 800 in the order of the lines", n, len(entries))
		}
	}
}

func bulkKeyTwice(w *world) {
	for _, atomic := range w.kinds() {
		a, b := w.customer(), w.customer()
		outcomes := w.postMany(atomic,
			credit(a, 10, withKey("k")), credit(b, 10, withKey("k")), credit(a, 5), credit(a, 10, withKey("k")))
		w.wantOutcome(1, outcomes[1], "", false, 10)
		w.wantOutcome(2, outcomes[2], "", false, 15)
		w.wantReplay(outcomes[0].Change, outcomes[3].Change)
		w.history(a)
	}
	a := w.customer()
	requests := []ledger.PostRequest{credit(a, 10, withKey("k")), credit(a, 11, withKey("k"))}
	w.refuseWhole(1, ledger.CodeKeyReused, []ledger.Customer{a}, requests...)
	outcomes := w.postMany(false, requests...)
	w.wantOutcome(0, outcomes[0], "", false, 10)
	w.wantOutcome(1, outcomes[1], ledger.CodeKeyReused, false, 0)
}

func bulkAgain(w *world) {
	for _, atomic := range w.kinds() {
		a, b := w.customer(), w.customer()
		var requests []ledger.PostRequest
		for i := range 30 {
			requests = append(requests, credit(a, money.Amount(i+2), withKey(fmt.Sprint("a", i))),
				debit(a, 1, withKey(fmt.Sprint("d", i))), credit(b, 1, withKey(fmt.Sprint("b", i)), in("INR")))
		}
		first := w.postMany(atomic, requests...)
		w.post(debit(a, 300))
		w.unchanged(func() {
			w.Helper()
			for i, again := range w.postMany(atomic, requests...) {
				w.wantReplay(first[i].Change, again.Change)
			}
		}, a, b)
	}
}

func bulkHalfKnown(w *world) {
	for _, atomic := range []bool{false, true} {
		c := w.customer()
		var requests []ledger.PostRequest
		for i := range 20 {
			requests = append(requests, credit(c, 1, withKey(fmt.Sprint(i))))
		}
		w.postMany(atomic, requests[:10]...)
		for i, outcome := range w.postMany(atomic, requests...) {
			w.wantOutcome(i, outcome, "", i < 10, money.Amount(i+1))
		}
		w.history(c)
	}
}

// refuseWhole posts an atomic bulk that must be refused for one of its lines,
// and must leave no trace.
func (w *world) refuseWhole(line int, code ledger.Code, customers []ledger.Customer, requests ...ledger.PostRequest) {
	w.Helper()
	w.unchanged(func() {
		w.Helper()
		outcomes, err := w.book.PostMany(w.Context(), requests, true)
		var refused *ledger.LineError
		if !errors.As(err, &refused) || refused.Line != line || outcomes != nil {
			w.Errorf("got %d outcomes and error %v, want line %d refused", len(outcomes), err, line)
		}
		w.wantCode(err, code)
	}, customers...)
}

func bulkAtomicRefused(w *world) {
	if w.sharded {
		return // see bulkAtomicSharded
	}
	a, b := w.customer(), w.customer()
	w.post(credit(a, 50, withKey("old")))
	requests := []ledger.PostRequest{
		credit(a, 5, withKey("k1")), credit(b, 9, withKey("k1"), in("INR")), debit(a, 55, withKey("k2")), debit(b, 10, in("INR")),
	}
	w.refuseWhole(3, ledger.CodeInsufficientFunds, []ledger.Customer{a, b}, requests...)
	w.refuseWhole(3, ledger.CodeInsufficientFunds, []ledger.Customer{a, b}, requests...)
	// Neither the keys nor the money are used up, and what follows finds its place.
	w.post(credit(a, 7, withKey("k1")))
	w.post(debit(a, 57))
	w.post(credit(b, 3, withKey("k1"), in("INR")))
	w.history(a)
	w.history(b)
}

func bulkAtomic(w *world) {
	if w.sharded {
		return // see bulkAtomicSharded
	}
	a, b := w.customer(), w.customer()
	w.post(credit(b, 20))
	outcomes := w.postMany(true, debit(b, 20), credit(a, 30), debit(a, 10), credit(b, 1), debit(a, 20, in("USD")))
	for i, want := range []money.Amount{0, 30, 20, 1, 0} {
		w.wantOutcome(i, outcomes[i], "", false, want)
	}
	w.same("the last entry", outcomes[4].Change.Entry, w.history(a).Entries[2])
	w.same("the last entry of the other", outcomes[3].Change.Entry, w.history(b).Entries[2])
}

func bulkAtomicFirst(w *world) {
	if w.sharded {
		return // see bulkAtomicSharded
	}
	a, b, stranger := w.customer(), w.customer(), w.newCustomer()
	both := []ledger.Customer{a, b}
	w.refuseWhole(1, ledger.CodeInsufficientFunds, both, credit(a, 5), debit(b, 1), debit(a, 6))
	w.refuseWhole(1, ledger.CodeNotFound, both, credit(a, 5), credit(stranger, 1), debit(b, 1))
	w.refuseWhole(2, ledger.CodeConditionFailed, both, credit(a, 5), credit(b, 1), credit(a, 1, ifSeq(0)))
	// What breaks a rule of shape is found before anything is looked at.
	w.refuseWhole(2, ledger.CodeAmountNotPositive, both, credit(a, 5), debit(b, 1), credit(a, 0))
}

func bulkAtomicOne(w *world) {
	c := w.customer()
	w.refuseWhole(2, ledger.CodeInsufficientFunds, []ledger.Customer{c},
		credit(c, 5, withKey("k")), credit(c, 5, in("INR")), debit(c, 6), credit(c, 1))
	outcomes := w.postMany(true, credit(c, 5, withKey("k")), credit(c, 5, in("INR")), debit(c, 5), credit(c, 1))
	for i, want := range []money.Amount{5, 5, 0, 1} {
		w.wantOutcome(i, outcomes[i], "", false, want)
	}
	w.same("the last entry", outcomes[3].Change.Entry, w.history(c).Entries[3])
}

func bulkAtomicSharded(w *world) {
	a, b := w.customer(), w.customer()
	requests := []ledger.PostRequest{credit(a, 1), credit(b, 1), credit(a, 1)}
	if !w.sharded {
		w.postMany(true, requests...)
		return
	}
	w.unchanged(func() {
		w.Helper()
		_, err := w.book.PostMany(w.Context(), requests, true)
		w.wantCode(err, ledger.CodeAtomicNotPossible)
	}, a, b)
}

func bulkCancelled(w *world) {
	c := w.customer()
	ctx, cancel := context.WithCancel(w.Context())
	cancel()
	w.unchanged(func() {
		w.Helper()
		outcomes, err := w.book.PostMany(ctx, []ledger.PostRequest{credit(c, 1), credit(c, 2)}, false)
		if err != nil || !errors.Is(outcomes[0].Err, context.Canceled) || !errors.Is(outcomes[1].Err, context.Canceled) {
			w.Errorf("got %v and error %v, want each line cancelled", outcomes, err)
		}
	}, c)
}
