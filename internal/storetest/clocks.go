package storetest

import (
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

func clockScenarios() []scenario {
	return []scenario{
		{"R4 created_at does not go back with the clock", clockGoesBack},
		{"a clock that goes back does not bring expired money back", clockDoesNotRevive},
		{"a clock that jumps ten years and back", clockJumps},
		{"Q4 R4 writers and sweepers while the clock jumps by days and back", clockCampaign},
		{"times keep their microseconds", clockMicroseconds},
		{"times far off are kept", clockFarOff},
	}
}

func clockGoesBack(w *world) {
	c := w.customer()
	last := w.post(credit(c, 500)).Entry.CreatedAt
	for _, move := range []time.Duration{-time.Microsecond, -time.Hour, 30 * time.Minute, -10_000 * time.Hour} {
		w.clock.Move(move)
		for _, r := range []ledger.PostRequest{credit(c, 5), debit(c, 3), credit(c, 5, in("INR"))} {
			change := w.post(r)
			if got := change.Entry.CreatedAt; !got.Equal(last) || !change.Wallet.UpdatedAt.Equal(last) {
				w.Errorf("clock moved by %v: got created %v and updated %v, want %v", move, got, change.Wallet.UpdatedAt, last)
			}
		}
	}
	w.clock.Set(last.Add(time.Microsecond))
	if got := w.post(credit(c, 5)).Entry.CreatedAt; !got.Equal(last.Add(time.Microsecond)) {
		w.Errorf("clock ahead again: got %v, want %v", got, last.Add(time.Microsecond))
	}
	w.history(c)
}

func clockDoesNotRevive(w *world) {
	c := w.customer()
	w.post(credit(c, 500, expires(epoch.Add(time.Hour))))
	w.clock.Move(time.Hour)
	w.post(credit(c, 10)) // an entry after the end
	w.clock.Move(-30 * time.Minute)
	w.refuse(ledger.CodeInsufficientFunds, debit(c, 11))
	w.post(debit(c, 10))
	// The wallet of another currency obeys the same chain.
	w.refuse(ledger.CodeInvalidExpiry, credit(c, 5, in("INR"), expires(epoch.Add(time.Hour+59*time.Second))))
	w.post(credit(c, 5, in("INR"), expires(epoch.Add(time.Hour+time.Minute))))
	w.history(c)
}

func clockJumps(w *world) {
	c := w.customer()
	w.post(credit(c, 500))
	w.post(credit(c, 300, expires(epoch.AddDate(1, 0, 0))))
	w.clock.Set(epoch.AddDate(10, 0, 0))
	w.refuse(ledger.CodeInsufficientFunds, debit(c, 501))
	w.clock.Set(epoch)
	// A refusal is no entry: it moved no time, and the lot lives again.
	change := w.post(debit(c, 501))
	w.same("allocations", []ledger.Allocation{{LotSeq: 2, Amount: 300}, {LotSeq: 1, Amount: 201}}, change.Entry.Allocations)
	w.history(c)
}

func clockMicroseconds(w *world) {
	c := w.customer()
	for range 10 {
		w.clock.Move(time.Microsecond)
		end := w.book.Now().Add(time.Hour + time.Microsecond)
		change := w.post(credit(c, 5, expires(end)))
		if !change.Entry.CreatedAt.Equal(w.clock.Now()) || !change.Entry.ExpiresAt.Equal(end) {
			w.Errorf("got created %v and expires %v, want %v and %v", change.Entry.CreatedAt, change.Entry.ExpiresAt, w.clock.Now(), end)
		}
		w.sameEntry(c, change.Entry)
	}
	// The book cuts what is finer than a microsecond.
	w.clock.Set(epoch.Add(time.Hour + 999*time.Nanosecond))
	change := w.post(credit(c, 5, expires(epoch.Add(9*time.Hour+1999*time.Nanosecond))))
	if got := change.Entry.CreatedAt; !got.Equal(epoch.Add(time.Hour)) {
		w.Errorf("got created %v, want it cut to %v", got, epoch.Add(time.Hour))
	}
	if got, want := change.Entry.ExpiresAt, epoch.Add(9*time.Hour+time.Microsecond); !got.Equal(want) {
		w.Errorf("got expires %v, want it cut to %v", got, want)
	}
	w.sameEntry(c, change.Entry)
	w.history(c)
}

func clockFarOff(w *world) {
	c := w.customer()
	end := time.Date(9999, time.December, 31, 23, 59, 59, 999_999_000, time.UTC)
	w.sameEntry(c, w.post(credit(c, 5, expires(end))).Entry)
	east := time.FixedZone("east", 14*3600)
	eastern := credit(c, 5, expires(epoch.Add(time.Hour).In(east)), withKey("k"))
	change := w.post(eastern)
	w.replay(change, eastern)
	w.replay(change, credit(c, 5, expires(epoch.Add(time.Hour)), withKey("k")))
	got, err := w.ledger.Entry(w.Context(), c.Tenant, c.ID, change.Entry.ID)
	w.wantCode(err, "")
	if !got.ExpiresAt.Equal(epoch.Add(time.Hour)) {
		w.Errorf("got expires %v, want %v", got.ExpiresAt, epoch.Add(time.Hour))
	}
	w.clock.Set(time.Date(9000, time.January, 1, 0, 0, 0, 0, time.UTC))
	w.sameEntry(c, w.post(debit(c, 5)).Entry)
	w.history(c)
}
