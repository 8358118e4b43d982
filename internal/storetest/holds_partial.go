package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// partly lets a debit take what there is.
func partly(r *ledger.PostRequest) { r.AllowPartial = true }

// holdNotSweptInPart takes parts while holds have expired, and while they have not.
func holdNotSweptInPart(w *world) {
	c := w.customer()
	w.post(credit(c, 300))
	short, long := holdOf(c, 100, epoch.Add(time.Hour)), holdOf(c, 100, epoch.Add(2*time.Hour))
	for _, r := range []ledger.HoldRequest{short, long} {
		_, err := w.book.MakeHold(w.Context(), r)
		w.wantCode(err, "")
	}
	w.clock.Set(epoch.Add(time.Hour - time.Microsecond))
	w.same("before they expire", money.Amount(90), w.post(debit(c, 90)).Entry.Amount)
	w.same("before they expire", money.Amount(10), w.post(debit(c, 250, partly)).Entry.Amount)
	w.same("what happened to the holds", 2, len(w.history(c).Events))
	w.post(credit(c, 7))
	w.clock.Set(epoch.Add(time.Hour))
	r := debit(c, 250, partly, withKey("part"))
	taken := w.post(r)
	w.same("what is taken", money.Amount(107), taken.Entry.Amount)
	w.same("figures", "balance 100 held 100 available 0", w.figures(c))
	w.replay(taken, r)

	// No more is ended than has to be.
	w.clock.Set(epoch.Add(2 * time.Hour))
	w.post(credit(c, 5))
	w.same("what is taken", money.Amount(5), w.post(debit(c, 5, partly)).Entry.Amount)
	w.same("figures", "balance 100 held 100 available 0", w.figures(c))
	w.post(credit(c, 5))
	part := holdOf(c, 500, epoch.Add(3*time.Hour))
	part.AllowPartial = true
	made, err := w.book.MakeHold(w.Context(), part)
	w.wantCode(err, "")
	w.same("what is held", money.Amount(105), made.Hold.Hold.Amount)

	w.clock.Set(epoch.Add(3 * time.Hour))
	least := money.Amount(105)
	r = debit(c, 500, partly)
	r.Conditions.IfAvailableAtLeast = &least
	w.same("what is taken if there is so much", least, w.post(r).Entry.Amount)
	w.same("figures", "balance 0 held 0 available 0", w.figures(c))
	w.refuse(ledger.CodeInsufficientFunds, debit(c, 500, partly))
}

func holdNotSweptInPartOfBulk(w *world) {
	for _, atomic := range []bool{false, true} {
		c := w.customer()
		amounts := func(lines ...ledger.PostRequest) (amounts []money.Amount) {
			outcomes, err := w.book.PostMany(w.Context(), lines, atomic)
			w.wantCode(err, "")
			for _, outcome := range outcomes {
				amounts = append(amounts, outcome.Change.Entry.Amount)
			}
			return amounts
		}
		w.post(credit(c, 100))
		_, err := w.book.MakeHold(w.Context(), holdOf(c, 40, w.clock.Now().Add(time.Hour)))
		w.wantCode(err, "")
		w.same("in their order while it is held", []money.Amount{60, 7, 7},
			amounts(debit(c, 100, partly), credit(c, 7), debit(c, 100, partly)))
		w.clock.Move(time.Hour)
		w.same("once the hold has expired", []money.Amount{3, 40, 1},
			amounts(credit(c, 3), debit(c, 40, partly), debit(c, 1)))
		w.same("figures", "balance 2 held 0 available 2", w.figures(c))
	}
}

// holdNotSweptKeepsOrder has bulks of which the first line finds too little unless an
// expired hold is ended: it is decided first all the same, and its key is its own.
func holdNotSweptKeepsOrder(w *world) {
	for _, test := range []struct {
		name  string
		lines func(c ledger.Customer) []ledger.PostRequest
		want  string // seq and amount of each line, or its refusal
	}{
		{"one key", func(c ledger.Customer) []ledger.PostRequest {
			return []ledger.PostRequest{debit(c, 150, partly, withKey("k")), debit(c, 5, withKey("k"))}
		}, "2:100 IDEMPOTENCY_KEY_REUSED"},
		{"a credit behind", func(c ledger.Customer) []ledger.PostRequest {
			return []ledger.PostRequest{debit(c, 500, partly), credit(c, 7)}
		}, "2:100 3:7"},
		{"a debit behind", func(c ledger.Customer) []ledger.PostRequest {
			return []ledger.PostRequest{debit(c, 150, partly), debit(c, 60)}
		}, "2:100 INSUFFICIENT_WALLET_FUNDS"},
		{"whole debits", func(c ledger.Customer) []ledger.PostRequest {
			return []ledger.PostRequest{debit(c, 100), debit(c, 60)}
		}, "2:100 INSUFFICIENT_WALLET_FUNDS"},
	} {
		c := w.customer()
		w.post(credit(c, 100))
		_, err := w.book.MakeHold(w.Context(), holdOf(c, 40, w.book.Now().Add(time.Minute)))
		w.wantCode(err, "")
		w.clock.Move(time.Minute)
		outcomes, err := w.book.PostMany(w.Context(), test.lines(c), false)
		w.wantCode(err, "")
		var got []string
		for _, o := range outcomes {
			if o.Err != nil {
				got = append(got, string(ledger.CodeOf(o.Err)))
				continue
			}
			got = append(got, fmt.Sprintf("%d:%d", o.Change.Entry.Seq, o.Change.Entry.Amount))
		}
		w.same(test.name, test.want, strings.Join(got, " "))
		w.history(c)
	}
}

// holdManyNotSwept has more expired holds than are ended at once.
func holdManyNotSwept(w *world) {
	c := w.customer()
	w.post(credit(c, 200))
	for range 200 {
		_, err := w.book.MakeHold(w.Context(), holdOf(c, 1, w.book.Now().Add(time.Minute)))
		w.wantCode(err, "")
	}
	w.clock.Move(time.Minute)
	if taken := w.post(debit(c, 150)); taken.Entry.Amount != 150 {
		w.Errorf("got %d taken, want 150", taken.Entry.Amount)
	}
	if taken := w.post(debit(c, 100, partly)); taken.Entry.Amount != 50 {
		w.Errorf("got %d taken, want the rest, 50", taken.Entry.Amount)
	}
}
