package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// clockCampaign has six writers credit, debit, hold and capture, and two sweepers
// sweep, while they set the clock of all of them to and fro: by days, to the very
// instants of expiries, and beside them. No time goes back along a wallet, nothing
// is written off before its time nor at a time that no clock ever showed, and all
// money is where it went (laws Q4, R4, L3, L4).
func clockCampaign(w *world) {
	const writers, each = 6, 40
	seed := w.dice.next()
	customers := w.newcomers(3)
	for _, c := range customers {
		w.post(credit(c, 5000, expires(epoch.Add(24*time.Hour)))) // more than all that is spent
	}
	together(writers+2, func(n int) {
		random := rand.New(rand.NewPCG(seed, uint64(n)))
		for range each {
			if random.IntN(3) == 0 {
				days := time.Duration(random.IntN(clockDays+1)) * 24 * time.Hour
				w.clock.Set(epoch.Add(days + time.Duration(random.IntN(3)-1)*time.Microsecond))
			}
			c := customers[random.IntN(len(customers))]
			var err error
			if n < writers {
				err = jumpyWrite(w.Context(), w.book, c, random)
			} else {
				_, err = w.book.Sweep(w.Context(), walletIn(c, "USD"), w.clock.Now(), 10)
			}
			if err != nil {
				w.Errorf("a write while the clock jumps: got error %v, want none", err)
			}
		}
	})
	latest := epoch.Add(clockDays*24*time.Hour + time.Microsecond)
	for _, c := range customers {
		for _, e := range w.history(c).Entries {
			if e.CreatedAt.After(latest) {
				w.Errorf("entry %d is of %v, and no clock showed more than %v", e.Position, e.CreatedAt, latest)
			}
		}
		w.clock.Set(latest.Add(48 * time.Hour))
		w.sweepAll(c, "USD")
		swept, entries := 0, w.history(c).Entries
		for _, e := range entries {
			if e.Account == ledger.AccountBreakage {
				swept++
			}
		}
		w.Logf("seed %d: %d entries, %d of them of expiry", seed, len(entries), swept)
		if swept == 0 {
			w.Errorf("got no expiry entry among %d, want some", len(entries))
		}
	}
}

// clockDays is how many days the clock of the campaign goes ahead.
const clockDays = 6

// jumpyWrite makes one random command on a customer. What the clock has made
// impossible meanwhile is no error.
func jumpyWrite(ctx context.Context, book *ledger.Book, c ledger.Customer, random *rand.Rand) (err error) {
	day := epoch.Add(time.Duration(1+random.IntN(clockDays)) * 24 * time.Hour)
	amount := money.Amount(1 + random.IntN(50))
	switch random.IntN(6) {
	case 0, 1:
		_, err = book.Post(ctx, credit(c, amount, expires(day)))
	case 2:
		_, err = book.Post(ctx, credit(c, amount))
	case 3:
		_, err = book.Post(ctx, debit(c, amount))
	default:
		r := holdOf(c, amount, day)
		r.AllowPartial = true
		var made ledger.Change
		if made, err = book.MakeHold(ctx, r); err == nil && random.IntN(2) == 0 {
			_, err = book.Capture(ctx, captureOf(made.Hold.Hold, 1))
		}
	}
	switch ledger.CodeOf(err) {
	case ledger.CodeInsufficientFunds, ledger.CodeInvalidExpiry, ledger.CodeHoldNotActive:
		return nil
	}
	return err
}

// weekCampaign has lots expire all through a week in which nobody sweeps: each can
// be spent until its instant and not from then on. Then three sweepers run at once,
// each looking for work by itself, and write one entry for each lot (laws L3, L4).
func weekCampaign(w *world) {
	const lots = 14 // of each customer, one every half day
	customers := w.newcomers(4)
	end := func(i int) time.Time { return epoch.Add(time.Duration(i+1) * 12 * time.Hour) }
	for _, c := range customers {
		for i := range lots {
			w.post(credit(c, 10, expires(end(i))))
		}
	}
	for i := range lots {
		left := moneyOf(10 * (lots - i))
		for _, c := range customers {
			w.clock.Set(end(i).Add(-time.Microsecond))
			w.refuse(ledger.CodeInsufficientFunds, debit(c, left+1))
			w.post(debit(c, 1))
			w.clock.Set(end(i))
			w.refuse(ledger.CodeInsufficientFunds, debit(c, left-9))
		}
	}
	w.clock.Set(epoch.Add(8 * 24 * time.Hour))
	together(3, func(int) {
		if err := sweepFound(w.Context(), w.book, w.clock.Now()); err != nil {
			w.Errorf("a sweep after a week: got error %v, want none", err)
		}
	})
	for _, c := range customers {
		h := w.history(c)
		got := map[int64]int{}
		for _, e := range h.Entries {
			if e.Account == ledger.AccountBreakage {
				got[e.Allocations[0].LotSeq]++
			}
		}
		want := map[int64]int{}
		for i := range lots {
			want[int64(i+1)] = 1
		}
		w.same("expiry entries by lot", want, got)
		w.same("balance", money.Amount(0), h.Wallets[0].Balance)
	}
	if left, err := w.ledger.Expired(w.Context(), w.clock.Now(), 1000); err != nil || len(left) != 0 {
		w.Errorf("got %d wallets to sweep and error %v, want none", len(left), err)
	}
}

// sweepFound sweeps whatever is found, until nothing is.
func sweepFound(ctx context.Context, book *ledger.Book, at time.Time) error {
	for range 100 {
		wallets, err := book.Store().Expired(ctx, at, 2)
		if err != nil || len(wallets) == 0 {
			return err
		}
		for _, wallet := range wallets {
			if _, err := book.Sweep(ctx, wallet, at, 3); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("there is always more to sweep at %v", at)
}
