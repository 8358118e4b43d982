package storetest

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func holdScenarios() []scenario {
	return []scenario{
		{"H1 L2 a hold pins the lots that are next, and a capture spends them", holdAndCapture},
		{"H1 E5 holds and entries of one transaction stand in their order", holdsAmongEntries},
		{"H2 a hold is captured in parts up to its amount", holdInParts},
		{"H3 what is finished stays finished", holdIsFinished},
		{"L4 what a hold gives back to an expired lot is swept, and what it pins is not", holdOfExpired},
		{"O2 money of an expired hold is free although nobody swept", holdNotSwept},
		{"K1 K2 one key space for entries and holds", holdKeys},
		{"a repeat gets the hold and the wallet as they were", holdRepeats},
		{"L5 a capture is undone like any debit", holdReversed},
		{"beyond the snapshot a hold gives back to the very lots", holdBeyondTheSnapshot},
		{"H3 one winner among 64 captures, releases and sweeps at once", holdRace},
		{"O2 bulks and transfers find the money of an expired hold", holdNotSweptByOthers},
		{"O2 a part is taken of the money of an expired hold too", holdNotSweptInPart},
		{"O2 lines of a bulk take their parts in order, of expired holds too", holdNotSweptInPartOfBulk},
		{"O2 K3 a bulk keeps its order while holds have expired that nobody swept", holdNotSweptKeepsOrder},
		{"O2 more expired holds than are ended at once", holdManyNotSwept},
		{"O2 64 holds of 30 at once on 900: 30 are made", holdRaceFunds},
		{"K6 one key on 64 holds at once: one hold", holdRaceKey},
		{"holds of another wallet, customer and business are none", holdTenancy},
		{"holds are listed newest first and by filter", holdLists},
		{"the sweep finds wallets with holds that have expired", holdsExpired},
	}
}

func holdOf(c ledger.Customer, amount money.Amount, end time.Time) ledger.HoldRequest {
	return ledger.HoldRequest{
		Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD", Amount: amount, ExpiresAt: end, CreatedBy: "key_test",
		CurrencyEnabled: true,
	}
}

// hold promises money until an hour after the epoch and wants it accepted.
func (w *world) hold(c ledger.Customer, amount money.Amount) ledger.Hold {
	w.Helper()
	change, err := w.book.MakeHold(w.Context(), holdOf(c, amount, epoch.Add(time.Hour)))
	w.wantCode(err, "")
	return change.Hold.Hold
}

func captureOf(h ledger.Hold, amount money.Amount) ledger.CaptureRequest {
	return ledger.CaptureRequest{Tenant: h.Tenant, CustomerID: h.CustomerID, HoldID: h.ID, Amount: &amount, CreatedBy: "key_test"}
}

func (w *world) capture(h ledger.Hold, amount money.Amount) ledger.Change {
	w.Helper()
	change, err := w.book.Capture(w.Context(), captureOf(h, amount))
	w.wantCode(err, "")
	return change
}

func releaseOf(h ledger.Hold) ledger.ReleaseRequest {
	return ledger.ReleaseRequest{Tenant: h.Tenant, CustomerID: h.CustomerID, HoldID: h.ID, CreatedBy: "key_test"}
}

func (w *world) release(h ledger.Hold) ledger.Change {
	w.Helper()
	change, err := w.book.Release(w.Context(), releaseOf(h))
	w.wantCode(err, "")
	return change
}

// figures are what stands in the customer's only wallet.
func (w *world) figures(c ledger.Customer) string {
	w.Helper()
	wallet := w.history(c).Wallets[0]
	return fmt.Sprintf("balance %d held %d available %d", wallet.Balance, wallet.Held, wallet.Available(w.book.Now()))
}

func holdAndCapture(w *world) {
	c := w.customer()
	end := epoch.Add(2 * time.Hour)
	w.post(credit(c, 300))
	w.post(credit(c, 200, expires(end), of(ledger.Promotional)))
	r := holdOf(c, 250, epoch.Add(time.Hour))
	r.IdempotencyKey, r.Reason, r.ReferenceObjectID, r.Metadata = "hold", "Ride ✓", "ride_1", `{"a":"1"}`
	made, err := w.book.MakeHold(w.Context(), r)
	w.wantCode(err, "")
	want := ledger.Hold{
		ID: made.Hold.Hold.ID, Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD", Number: 1, Amount: 250,
		State: ledger.HoldActive, ExpiresAt: epoch.Add(time.Hour), Reason: "Ride ✓", ReferenceObjectID: "ride_1",
		Metadata: `{"a":"1"}`, CreatedBy: "key_test", CreatedAt: epoch, UpdatedAt: epoch,
		Lots: []ledger.Lot{
			{Seq: 2, Category: ledger.Promotional, ExpiresAt: end, Remaining: 200}, {Seq: 1, Category: ledger.Paid, Remaining: 50},
		},
	}
	w.same("the hold", want, made.Hold.Hold)
	h := w.history(c)
	w.same("the hold as it is kept", []ledger.Hold{want}, h.Holds)
	w.same("figures", "balance 500 held 250 available 250", w.figures(c))
	w.clock.Move(time.Minute)
	captured, err := w.book.Capture(w.Context(), ledger.CaptureRequest{
		Tenant: c.Tenant, CustomerID: c.ID, HoldID: want.ID, Reason: "Fare", IdempotencyKey: "capture", CreatedBy: "key_test",
	})
	w.wantCode(err, "")
	if e := captured.Entry; e.Direction != ledger.Debit || e.Amount != 250 || e.HoldID != want.ID || e.Reason != "Fare" {
		w.Errorf("got entry %+v, want a debit of the hold", e)
	}
	w.sameEntry(c, captured.Entry)
	w.same("figures", "balance 250 held 0 available 250", w.figures(c))
	w.same("state", ledger.HoldCaptured, w.history(c).Holds[0].State)
}

func holdInParts(w *world) {
	c := w.customer()
	w.post(credit(c, 100))
	w.post(credit(c, 100, in("INR")))
	hold := w.hold(c, 90)
	w.capture(hold, 40)
	w.capture(hold, 30)
	w.unchanged(func() {
		_, err := w.book.Capture(w.Context(), captureOf(hold, 21))
		w.wantCode(err, ledger.CodeCaptureExceeds)
	}, c)
	final := captureOf(hold, 15)
	final.Final = true
	change, err := w.book.Capture(w.Context(), final)
	w.wantCode(err, "")
	w.same("what is given back", money.Amount(5), change.Hold.Hold.Released)
	w.same("state", ledger.HoldCaptured, change.Hold.Hold.State)
	w.history(c)
	partial := holdOf(c, 1000, epoch.Add(time.Hour))
	partial.AllowPartial = true
	change, err = w.book.MakeHold(w.Context(), partial)
	w.wantCode(err, "")
	w.same("a partial hold", money.Amount(15), change.Hold.Hold.Amount)
	w.unchanged(func() {
		_, err := w.book.MakeHold(w.Context(), partial)
		w.wantCode(err, ledger.CodeInsufficientFunds)
		_, err = w.tryPost(debit(c, 1))
		w.wantCode(err, ledger.CodeInsufficientFunds)
	}, c)
}

// tryPost posts and leaves what becomes of it to the caller.
func (w *world) tryPost(r ledger.PostRequest) (ledger.Change, error) {
	return w.book.Post(w.Context(), r)
}

func holdIsFinished(w *world) {
	c := w.customer()
	w.post(credit(c, 300))
	captured, released, expired := w.hold(c, 100), w.hold(c, 100), w.hold(c, 100)
	w.capture(captured, 100)
	w.capture(released, 1)
	w.release(released)
	w.wantFinished(c, captured, released)
	w.clock.Set(epoch.Add(time.Hour))
	w.wantFinished(c, captured, released, expired)
	w.sweepAll(c, "USD")
	w.wantFinished(c, captured, released, expired)
	w.same("figures", "balance 199 held 0 available 199", w.figures(c))
	w.same("state", ledger.HoldExpired, w.history(c).Holds[2].State)
}

// wantFinished wants holds neither captured nor released.
func (w *world) wantFinished(c ledger.Customer, holds ...ledger.Hold) {
	w.Helper()
	for _, hold := range holds {
		w.unchanged(func() {
			_, err := w.book.Capture(w.Context(), captureOf(hold, 1))
			w.wantCode(err, ledger.CodeHoldNotActive)
			_, err = w.book.Release(w.Context(), releaseOf(hold))
			w.wantCode(err, ledger.CodeHoldNotActive)
		}, c)
	}
}

// sweepAll writes off what has expired of a customer's wallet.
func (w *world) sweepAll(c ledger.Customer, currency money.Currency) int {
	w.Helper()
	key := ledger.WalletKey{Tenant: c.Tenant, CustomerID: c.ID, Currency: currency}
	written, err := w.book.Sweep(w.Context(), key, w.book.Now(), 1000)
	w.wantCode(err, "")
	return written
}

func holdOfExpired(w *world) {
	c := w.customer()
	w.post(credit(c, 500, expires(epoch.Add(10*time.Minute))))
	w.post(credit(c, 100))
	kept, given := w.hold(c, 200), w.hold(c, 150)
	w.clock.Set(epoch.Add(10 * time.Minute))
	w.same("what the sweep writes", 1, w.sweepAll(c, "USD"))
	w.same("figures", "balance 450 held 350 available 100", w.figures(c))
	w.capture(kept, 200) // although its lot has expired
	w.release(given)
	w.same("figures", "balance 250 held 0 available 100", w.figures(c))
	w.same("what the sweep writes", 1, w.sweepAll(c, "USD"))
	w.same("figures", "balance 100 held 0 available 100", w.figures(c))
}

func holdNotSwept(w *world) {
	c := w.customer()
	w.post(credit(c, 300))
	w.hold(c, 100)
	w.hold(c, 100)
	w.clock.Set(epoch.Add(time.Hour - time.Microsecond))
	_, err := w.tryPost(debit(c, 101))
	w.wantCode(err, ledger.CodeInsufficientFunds)
	w.clock.Set(epoch.Add(time.Hour))
	w.post(debit(c, 250))
	w.same("figures", "balance 50 held 0 available 50", w.figures(c))
	_, err = w.book.MakeHold(w.Context(), holdOf(c, 50, epoch.Add(2*time.Hour)))
	w.wantCode(err, "")
	w.clock.Set(epoch.Add(2 * time.Hour))
	_, err = w.book.MakeHold(w.Context(), holdOf(c, 50, epoch.Add(3*time.Hour)))
	w.wantCode(err, "")
	w.same("state", ledger.HoldExpired, w.history(c).Holds[2].State)
}

func holdNotSweptByOthers(w *world) {
	c, other := w.customer(), w.customer()
	for _, atomic := range []bool{false, true} {
		w.post(credit(c, 300))
		w.post(credit(other, 300))
		for _, customer := range []ledger.Customer{c, c, other} {
			r := holdOf(customer, 140, w.clock.Now().Add(time.Hour))
			_, err := w.book.MakeHold(w.Context(), r)
			w.wantCode(err, "")
		}
		lines := []ledger.PostRequest{debit(c, 100), debit(c, 100), debit(other, 250)}
		outcomes, err := w.book.PostMany(w.Context(), lines, false)
		w.wantCode(err, "")
		for _, outcome := range outcomes {
			w.wantCode(outcome.Err, ledger.CodeInsufficientFunds)
		}
		w.clock.Move(time.Hour)
		if atomic { // of one customer, which every installation promises
			w.post(lines[2])
			lines = lines[:2]
		}
		outcomes, err = w.book.PostMany(w.Context(), lines, atomic)
		w.wantCode(err, "")
		for _, outcome := range outcomes {
			w.wantCode(outcome.Err, "")
		}
		w.post(debit(c, 100))
		w.post(debit(other, 50))
	}
	w.post(credit(c, 100))
	_, err := w.book.MakeHold(w.Context(), holdOf(c, 100, w.clock.Now().Add(time.Hour)))
	w.wantCode(err, "")
	w.clock.Move(time.Hour)
	w.transfer(sending(c, other, 100))
	w.same("figures", "balance 0 held 0 available 0", w.figures(c))
}

func holdKeys(w *world) {
	c, to := w.customer(), w.customer()
	w.post(credit(c, 500, withKey("entry")))
	r := holdOf(c, 100, epoch.Add(time.Hour))
	r.IdempotencyKey = "entry"
	_, err := w.book.MakeHold(w.Context(), r)
	w.wantCode(err, ledger.CodeKeyReused)
	r.IdempotencyKey = "made"
	made, err := w.book.MakeHold(w.Context(), r)
	w.wantCode(err, "")
	capture := captureOf(made.Hold.Hold, 30)
	capture.IdempotencyKey = "captured"
	captured, err := w.book.Capture(w.Context(), capture)
	w.wantCode(err, "")
	release := releaseOf(made.Hold.Hold)
	release.IdempotencyKey = "released"
	_, err = w.book.Release(w.Context(), release)
	w.wantCode(err, "")
	for _, key := range []string{"entry", "made", "captured", "released"} {
		w.unchanged(func() {
			other := holdOf(c, 7, epoch.Add(time.Hour))
			other.IdempotencyKey = key
			_, err := w.book.MakeHold(w.Context(), other)
			w.wantCode(err, ledger.CodeKeyReused)
			spend := captureOf(made.Hold.Hold, 7)
			spend.IdempotencyKey = key
			_, err = w.book.Capture(w.Context(), spend)
			w.wantCode(err, ledger.CodeKeyReused)
			_, err = w.tryPost(debit(c, 7, withKey(key)))
			w.wantCode(err, ledger.CodeKeyReused)
			undo := reversal(captured, 7)
			undo.IdempotencyKey = key
			_, err = w.book.Reverse(w.Context(), undo)
			w.wantCode(err, ledger.CodeKeyReused)
			gift := sending(c, to, 7)
			gift.IdempotencyKey = key
			_, err = w.book.Transfer(w.Context(), gift)
			w.wantCode(err, ledger.CodeKeyReused)
			if key != "released" {
				end := releaseOf(made.Hold.Hold)
				end.IdempotencyKey = key
				_, err = w.book.Release(w.Context(), end)
				w.wantCode(err, ledger.CodeKeyReused)
			}
		}, c, to)
	}
	c = w.customer()
	row := adoptions(w, c, false)
	w.wantCode(w.adopt(row[:2]), "")
	r = holdOf(c, 100, epoch.Add(time.Hour))
	r.IdempotencyKey = row[2].Request.IdempotencyKey
	_, err = w.book.MakeHold(w.Context(), r)
	w.wantCode(err, "")
	w.unchanged(func() { w.wantCode(w.adopt(row[2:]), ledger.CodeKeyReused) }, c)
}

func holdRepeats(w *world) {
	c := w.customer()
	w.post(credit(c, 500))
	r := holdOf(c, 100, epoch.Add(time.Hour))
	r.IdempotencyKey = "made"
	made, err := w.book.MakeHold(w.Context(), r)
	w.wantCode(err, "")
	w.clock.Move(time.Second)
	posted := w.post(credit(c, 7, withKey("entry")))
	capture := captureOf(made.Hold.Hold, 30)
	capture.IdempotencyKey = "captured"
	captured, err := w.book.Capture(w.Context(), capture)
	w.wantCode(err, "")
	release := releaseOf(made.Hold.Hold)
	release.IdempotencyKey = "released"
	released, err := w.book.Release(w.Context(), release)
	w.wantCode(err, "")
	w.post(debit(c, 400))
	w.clock.Set(epoch.Add(24 * time.Hour))
	w.unchanged(func() {
		again, err := w.book.MakeHold(w.Context(), r)
		w.wantCode(err, "")
		w.sameAnswer(made, again)
		again, err = w.book.Capture(w.Context(), capture)
		w.wantCode(err, "")
		w.sameAnswer(captured, again)
		again, err = w.book.Release(w.Context(), release)
		w.wantCode(err, "")
		w.sameAnswer(released, again)
		again, err = w.tryPost(credit(c, 7, withKey("entry")))
		w.wantCode(err, "")
		w.sameAnswer(posted, again)
	}, c)
}

// sameAnswer compares a repeat with what the first request was answered with.
func (w *world) sameAnswer(first, again ledger.Change) {
	w.Helper()
	if !again.Replayed {
		w.Errorf("got a new effect, want a repeat")
	}
	w.same("entry", first.Entry, again.Entry)
	w.same("wallet", first.Answer(), again.Answer())
	if first.Hold != nil {
		hold := *first.Hold
		hold.Hold.Lots = nil
		w.same("hold", &hold, again.Hold)
	}
}

func holdReversed(w *world) {
	c := w.customer()
	w.post(credit(c, 100, of(ledger.Promotional)))
	w.post(credit(c, 100))
	hold := w.hold(c, 150)
	captured := w.capture(hold, 120)
	w.reverse(captured, 50)
	w.same("figures", "balance 130 held 30 available 100", w.figures(c))
	w.release(hold)
	w.reverse(captured, 70)
	w.same("figures", "balance 200 held 0 available 200", w.figures(c))
}

// The lots that get their money back stand behind so many others that a snapshot
// does not hold them.
func holdBeyondTheSnapshot(w *world) {
	c := w.customer()
	w.post(credit(c, 1000))
	hold := w.hold(c, 400)
	all := w.hold(c, 600)
	for n := range 100 {
		w.post(credit(c, 5, of([]ledger.Category{ledger.Promotional, ledger.Paid}[n%2])))
	}
	w.release(hold)
	w.history(c)
	w.post(debit(c, 260)) // all of the promotional lots, and some of the first
	w.release(all)
	w.history(c)
	long := w.hold(c, 1200)
	w.history(c)
	w.capture(long, 1100)
	w.release(long)
	w.same("figures", "balance 140 held 0 available 140", w.figures(c))
}

func holdRace(w *world) {
	for range 5 {
		c := w.customer()
		w.clock.Set(epoch)
		w.post(credit(c, 900))
		hold := w.hold(c, 900)
		var captures, releases, ends atomic.Int64
		w.clock.Set(epoch.Add(time.Hour - time.Microsecond))
		w.wantAll(64, func(n int) error {
			var err error
			switch n % 3 {
			case 0:
				if _, err = w.book.Capture(w.Context(), captureOf(hold, 900)); err == nil {
					captures.Add(1)
				}
			case 1:
				if _, err = w.book.Release(w.Context(), releaseOf(hold)); err == nil {
					releases.Add(1)
				}
			default:
				// An instance whose clock is ahead.
				key := ledger.WalletKey{Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD"}
				written, sweepErr := w.book.Sweep(w.Context(), key, epoch.Add(time.Hour), 10)
				ends.Add(int64(written))
				return sweepErr
			}
			if ledger.CodeOf(err) == ledger.CodeHoldNotActive {
				return nil
			}
			return err
		})
		if captures.Load()+releases.Load()+ends.Load() != 1 {
			w.Errorf("got %d captures, %d releases and %d expiries, want one of all", captures.Load(), releases.Load(), ends.Load())
		}
		w.history(c)
	}
}

func holdRaceFunds(w *world) {
	c := w.customer()
	w.post(credit(c, 900))
	var made atomic.Int64
	w.wantAll(64, func(int) error {
		_, err := w.book.MakeHold(w.Context(), holdOf(c, 30, epoch.Add(time.Hour)))
		if err == nil {
			made.Add(1)
		}
		if ledger.CodeOf(err) == ledger.CodeInsufficientFunds {
			return nil
		}
		return err
	})
	w.same("holds that were made", int64(30), made.Load())
	w.same("figures", "balance 900 held 900 available 0", w.figures(c))
}

func holdRaceKey(w *world) {
	c := w.customer()
	w.post(credit(c, 900))
	r := holdOf(c, 30, epoch.Add(time.Hour))
	r.IdempotencyKey = "one"
	w.wantAll(64, func(int) error {
		_, err := w.book.MakeHold(w.Context(), r)
		return err
	})
	w.same("figures", "balance 900 held 30 available 870", w.figures(c))
}

// wantAll runs f so many times at once and wants no error.
func (w *world) wantAll(n int, f func(n int) error) {
	w.Helper()
	together(n, func(i int) {
		if err := f(i); err != nil {
			w.Errorf("number %d: got error %v, want none", i, err)
		}
	})
}
