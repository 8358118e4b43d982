package storetest

import (
	"sync/atomic"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func moveScenarios() []scenario {
	return []scenario{
		{"L6 an expiry is moved by a debit and a credit that cancel out", moveKeepsMoney},
		{"L3 L6 a lot is spent, swept and found by its new expiry", moveChangesExpiry},
		{"L6 a lot is found among many that never expire", moveBeyondTheSnapshot},
		{"L5 L6 what was spent of a lot before goes back to it and not to where the rest was moved", moveAndReversal},
		{"H2 L6 what a hold pins of a lot stays behind", moveAndHold},
		{"O2 L6 money of an expired hold is moved although nobody swept", moveAfterHold},
		{"A1 L6 no threshold is told of in the midst of a move", moveTellsNothing},
		{"L6 what cannot be moved is refused and leaves no trace", moveRefused},
		{"K2 K3 a repeat gets the first answer however the lot has moved", moveRepeats},
		{"L6 a freeze of everything keeps lots from being moved, one of debits does not", moveFrozen},
		{"K6 one key on 64 moves at once: one effect", moveRaceKey},
		{"L6 of 64 moves of one lot at once one is accepted", moveRace},
		{"L4 O2 L6 moves race with debits and sweeps", moveRaceOthers},
	}
}

func moveOf(c ledger.Customer, seq int64, end time.Time) ledger.MoveRequest {
	return ledger.MoveRequest{
		Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD", LotSeq: seq, ExpiresAt: end, CreatedBy: "key_test",
	}
}

// move moves when a lot expires and wants it accepted.
func (w *world) move(c ledger.Customer, seq int64, end time.Time) ledger.Moved {
	w.Helper()
	moved, err := w.book.MoveExpiry(w.Context(), moveOf(c, seq, end))
	w.wantCode(err, "")
	return moved
}

// refuseMove wants a move refused without a trace.
func (w *world) refuseMove(code ledger.Code, c ledger.Customer, r ledger.MoveRequest) {
	w.Helper()
	w.unchanged(func() {
		w.Helper()
		moved, err := w.book.MoveExpiry(w.Context(), r)
		w.wantCode(err, code)
		w.same("answer beside a refusal", ledger.Moved{}, moved)
	}, c)
}

func moveKeepsMoney(w *world) {
	c := w.customer()
	end, later := epoch.Add(time.Hour), epoch.Add(48*time.Hour)
	w.post(credit(c, 500, expires(end), of(ledger.Promotional)))
	w.post(credit(c, 200))
	w.post(debit(c, 100))
	w.clock.Move(time.Minute)
	r := moveOf(c, 1, later.Add(300*time.Nanosecond))
	r.Reason, r.IdempotencyKey = "Goodwill ✓", "move"
	moved, err := w.book.MoveExpiry(w.Context(), r)
	w.wantCode(err, "")
	r.ExpiresAt = later
	h := w.history(c)
	if len(h.Entries) != 5 {
		w.Fatalf("got %d entries, want 5", len(h.Entries))
	}
	first, second := h.Entries[3], h.Entries[4]
	want := ledger.Entry{
		ID: first.ID, Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD", Position: 4, Seq: 4,
		Direction: ledger.Debit, Amount: 400, Before: 600, After: 200, Available: 200,
		EventType: ledger.EventMerchantAdjustment, Account: ledger.AccountExpiryMoves,
		Allocations: []ledger.Allocation{{LotSeq: 1, Amount: 400}}, Reason: "Goodwill ✓", Metadata: "{}",
		IdempotencyKey: "move", Fingerprint: r.Fingerprint(), CreatedBy: "key_test", CreatedAt: epoch.Add(time.Minute), Hash: first.Hash,
	}
	w.same("what is taken from the lot", want, first)
	want.ID, want.Position, want.Seq, want.Hash = second.ID, 5, 5, second.Hash
	want.Direction, want.Before, want.After, want.Available = ledger.Credit, 200, 600, 600
	want.Allocations, want.Reverses, want.IdempotencyKey, want.Fingerprint = nil, first.ID, "", ledger.Fingerprint{}
	want.Category, want.ExpiresAt = ledger.Promotional, later
	w.same("what it becomes", want, second)
	w.sameEntry(c, first)
	w.sameEntry(c, second)
	lot := ledger.Lot{Seq: 5, Category: ledger.Promotional, ExpiresAt: later, Remaining: 400}
	w.same("lots", []ledger.Lot{lot, {Seq: 2, Category: ledger.Paid, Remaining: 200}}, h.Wallets[0].Lots)
	wallet := h.Wallets[0]
	bare(&wallet)
	w.same("the answer", ledger.Moved{Change: moved.Change, Lot: lot, Wallet: wallet, Available: 600}, moved)
	for _, e := range h.Entries[3:] {
		_, err := w.book.Reverse(w.Context(), ledger.ReverseRequest{Tenant: c.Tenant, CustomerID: c.ID, EntryID: e.ID})
		w.wantCode(err, ledger.CodeNotReversible)
	}
}

func moveChangesExpiry(w *world) {
	c := w.customer()
	end := epoch.Add(time.Hour)
	w.post(credit(c, 100, expires(end)))
	w.post(credit(c, 50))
	w.move(c, 1, end.Add(time.Hour)) // to lot 4
	w.move(c, 2, end.Add(time.Minute))
	w.same("lots", []ledger.Lot{
		{Seq: 6, Category: ledger.Paid, ExpiresAt: end.Add(time.Minute), Remaining: 50},
		{Seq: 4, Category: ledger.Paid, ExpiresAt: end.Add(time.Hour), Remaining: 100},
	}, w.history(c).Wallets[0].Lots)
	w.clock.Set(end)
	w.same("what can be swept at the old expiry", []ledger.WalletKey(nil), w.found(10))
	w.sweep(c, 0)
	w.same("what is next", []ledger.Allocation{{LotSeq: 6, Amount: 10}}, w.post(debit(c, 10)).Entry.Allocations)
	w.clock.Set(end.Add(time.Minute))
	w.refuse(ledger.CodeInsufficientFunds, debit(c, 101))
	w.same("what can be swept at the new one", []ledger.WalletKey{walletIn(c, "USD")}, w.found(10))
	w.sweep(c, 1)
	w.move(c, 4, time.Time{}) // to lot 10
	w.clock.Set(end.Add(time.Hour))
	w.sweep(c, 0)
	w.same("what never expires", []ledger.Lot{{Seq: 10, Category: ledger.Paid, Remaining: 100}}, w.history(c).Wallets[0].Lots)
	w.post(debit(c, 100))
	w.history(c)
}

func moveBeyondTheSnapshot(w *world) {
	c := w.customer()
	for n := range 150 {
		w.post(credit(c, money.Amount(10+n), of([]ledger.Category{ledger.Paid, ledger.Promotional, ledger.Paid}[n%3])))
	}
	sum := w.history(c).Wallets[0].Balance
	// Promotional and paid, at the end, in the midst and at the beginning.
	for _, seq := range []int64{149, 75, 100, 1, 148} {
		moved := w.move(c, seq, epoch.Add(time.Hour))
		if moved.Lot.Remaining != money.Amount(9+seq) || moved.Wallet.Balance != sum {
			w.Errorf("move lot %d: got %+v, want %d of %d", seq, moved.Lot, 9+seq, sum)
		}
		w.history(c)
	}
	w.move(c, 140, epoch.AddDate(3000, 0, 0))
	w.post(credit(c, 5))
	w.post(debit(c, 1000))
	w.history(c)
	w.clock.Move(time.Hour)
	w.sweep(c, 0)
	w.post(debit(c, sum+5-1000))
	w.history(c)
}

func moveAndReversal(w *world) {
	c := w.customer()
	end := epoch.Add(time.Hour)
	w.post(credit(c, 100, expires(end), of(ledger.Promotional)))
	w.post(credit(c, 100))
	before := w.post(debit(c, 60))
	w.move(c, 1, end.Add(time.Hour)) // 40 to lot 5
	after := w.post(debit(c, 30))
	w.reverse(before, 20)
	w.reverse(after, 30)
	w.same("lots", []ledger.Lot{
		{Seq: 1, Category: ledger.Promotional, ExpiresAt: end, Remaining: 20},
		{Seq: 5, Category: ledger.Promotional, ExpiresAt: end.Add(time.Hour), Remaining: 40},
		{Seq: 2, Category: ledger.Paid, Remaining: 100},
	}, w.history(c).Wallets[0].Lots)
	w.move(c, 1, end.Add(time.Hour)) // what came back is moved like the rest
	w.clock.Set(end)
	r := reversal(before, 40)
	r.Grace = time.Hour
	_, err := w.book.Reverse(w.Context(), r)
	w.wantCode(err, "")
	w.history(c)
	w.post(debit(c, 200))
	w.history(c)
}

func moveAndHold(w *world) {
	c := w.customer()
	end := epoch.Add(30 * time.Minute)
	w.post(credit(c, 100, expires(end)))
	w.post(credit(c, 50))
	h := w.hold(c, 70)
	moved := w.move(c, 1, end.Add(time.Hour))
	if moved.Lot.Remaining != 30 || moved.Wallet.Held != 70 || moved.Available != 80 {
		w.Errorf("got %+v, want 30 moved, 70 held and 80 available", moved)
	}
	w.refuseMove(ledger.CodeNotMovable, c, moveOf(c, 1, end.Add(time.Hour)))
	w.capture(h, 20)
	w.release(h)
	w.same("lots", []ledger.Lot{
		{Seq: 1, Category: ledger.Paid, ExpiresAt: end, Remaining: 50},
		{Seq: 4, Category: ledger.Paid, ExpiresAt: end.Add(time.Hour), Remaining: 30},
		{Seq: 2, Category: ledger.Paid, Remaining: 50},
	}, w.history(c).Wallets[0].Lots)
	w.move(c, 1, end.Add(time.Hour))
	w.history(c)
}

func moveAfterHold(w *world) {
	c := w.customer()
	w.post(credit(c, 100, expires(epoch.Add(3*time.Hour))))
	w.hold(c, 70)
	w.clock.Move(time.Hour)
	if moved := w.move(c, 1, time.Time{}); moved.Lot.Remaining != 100 || moved.Wallet.Held != 0 {
		w.Errorf("got %+v, want all 100 moved and none held", moved)
	}
	w.history(c)
}

func moveTellsNothing(w *world) {
	c := w.customer()
	end := epoch.Add(time.Hour)
	w.setAlerts(c, ledger.Threshold{Below: 500, RecoverAt: 500})
	w.told("500:500:unarmed", credit(c, 300, expires(end)))
	w.post(credit(c, 300, expires(end.Add(time.Hour))))
	w.told("500:500:low!", debit(c, 150))
	w.move(c, 2, end.Add(2*time.Hour)) // while it is low, from 450 to 150 and back
	w.told("500:500:armed!", credit(c, 50))
	w.move(c, 5, end.Add(3*time.Hour)) // while it is armed, from 500 to 200 and back
	w.clock.Set(end)                   // what expires is told by the entry that comes next
	moved := w.move(c, 8, time.Time{})
	if first, second := moved.Change.Entry.Alerts, moved.Change.Follows[0].Alerts; first != "" || second != "500:500:low!" {
		w.Errorf("got alerts %q and %q, want the second to tell of what expired", first, second)
	}
	for _, e := range w.history(c).Entries {
		if e.Account == ledger.AccountExpiryMoves && e.Alerts != "" && e.ID != moved.Change.Follows[0].ID {
			w.Errorf("position %d of a move: got alerts %q, want none", e.Position, e.Alerts)
		}
	}
}

func moveRefused(w *world) {
	c, other := w.customer(), w.customer()
	end, later := epoch.Add(time.Hour), epoch.Add(2*time.Hour)
	w.post(credit(c, 100, expires(end)))
	w.post(credit(c, 50))
	w.post(debit(c, 100))
	w.post(credit(c, 70, expires(end)))
	w.post(credit(other, 100))
	for name, step := range map[string]struct {
		r    ledger.MoveRequest
		code ledger.Code
	}{
		"used up":              {moveOf(c, 1, later), ledger.CodeNotMovable},
		"never, as it is":      {moveOf(c, 2, time.Time{}), ledger.CodeNotMovable},
		"when it does anyway":  {moveOf(c, 4, end), ledger.CodeNotMovable},
		"a debit":              {moveOf(c, 3, later), ledger.CodeNotFound},
		"of another customer":  {moveOf(other, 2, later), ledger.CodeNotFound},
		"no lot yet":           {moveOf(c, 5, later), ledger.CodeNotFound},
		"no lot ever":          {moveOf(c, 0, later), ledger.CodeNotFound},
		"below":                {moveOf(c, -1, later), ledger.CodeNotFound},
		"past":                 {moveOf(c, 2, epoch.Add(-time.Hour)), ledger.CodeInvalidExpiry},
		"too soon":             {moveOf(c, 2, epoch.Add(time.Minute-time.Microsecond)), ledger.CodeInvalidExpiry},
		"after all time":       {moveOf(c, 2, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)), ledger.CodeInvalidExpiry},
		"1970, which is never": {moveOf(c, 2, time.Unix(0, 0)), ledger.CodeInvalidExpiry},
		"of nobody":            {moveOf(ledger.Customer{Tenant: c.Tenant, ID: "cus_nobody"}, 1, later), ledger.CodeNotFound},
	} {
		w.refuseMove(step.code, c, step.r)
		if w.Failed() {
			w.Fatalf("in %q", name)
		}
	}
	inr := moveOf(c, 1, later)
	inr.Currency = "INR"
	w.refuseMove(ledger.CodeNotFound, c, inr)
	w.move(c, 2, epoch.Add(time.Minute))
	w.clock.Set(end)
	w.refuseMove(ledger.CodeNotMovable, c, moveOf(c, 4, later)) // at the very instant
	w.sweep(c, 2)
	w.refuseMove(ledger.CodeNotMovable, c, moveOf(c, 4, later))
	w.history(c)
}

func moveRepeats(w *world) {
	c := w.customer()
	later := epoch.Add(2 * time.Hour)
	w.post(credit(c, 100, withKey("credit"), expires(epoch.Add(time.Hour))))
	r := moveOf(c, 1, later)
	r.IdempotencyKey = "move"
	first, err := w.book.MoveExpiry(w.Context(), r)
	w.wantCode(err, "")
	w.post(debit(c, 30))
	w.move(c, 3, time.Time{})
	w.clock.Move(5 * time.Hour) // past all that was asked for
	again, err := w.book.MoveExpiry(w.Context(), r)
	w.wantCode(err, "")
	w.wantReplay(first.Change, again.Change)
	again.Change = first.Change
	w.same("the repeat", first, again)
	w.unchanged(func() {
		for _, alter := range []func(*ledger.MoveRequest){
			func(r *ledger.MoveRequest) { r.ExpiresAt = later.Add(time.Microsecond) },
			func(r *ledger.MoveRequest) { r.ExpiresAt = time.Time{} },
			func(r *ledger.MoveRequest) { r.LotSeq = 3 },
			func(r *ledger.MoveRequest) { r.Reason = "Another" },
			func(r *ledger.MoveRequest) { r.IdempotencyKey = "credit" },
		} {
			other := r
			alter(&other)
			_, err := w.book.MoveExpiry(w.Context(), other)
			w.wantCode(err, ledger.CodeKeyReused)
		}
		_, err := w.book.Post(w.Context(), debit(c, 100, withKey("move")))
		w.wantCode(err, ledger.CodeKeyReused)
	}, c)
}

func moveFrozen(w *world) {
	c := w.customer()
	w.post(credit(c, 100))
	w.freeze(freezing(c, "", ledger.FreezeDebits))
	w.move(c, 1, epoch.Add(time.Hour))
	w.freeze(freezing(c, "USD", ledger.FreezeEverything))
	w.refuseMove(ledger.CodeCustomerNotActive, c, moveOf(c, 3, time.Time{}))
	w.freeze(lifting(c, "USD"))
	w.move(c, 3, time.Time{})
	w.history(c)
}

func moveRaceKey(w *world) {
	c := w.customer()
	w.post(credit(c, 100))
	var effects atomic.Int64
	together(64, func(int) {
		r := moveOf(c, 1, epoch.Add(time.Hour))
		r.IdempotencyKey = "once"
		moved, err := w.book.MoveExpiry(w.Context(), r)
		w.wantCode(err, "")
		if !moved.Change.Replayed {
			effects.Add(1)
		}
		if moved.Lot.Seq != 3 || moved.Wallet.Balance != 100 {
			w.Errorf("got %+v, want lot 3", moved)
		}
	})
	if h := w.history(c); effects.Load() != 1 || len(h.Entries) != 3 {
		w.Errorf("got %d effects and %d entries, want 1 and 3", effects.Load(), len(h.Entries))
	}
}

func moveRace(w *world) {
	c := w.customer()
	w.post(credit(c, 100))
	var accepted atomic.Int64
	together(64, func(n int) {
		_, err := w.book.MoveExpiry(w.Context(), moveOf(c, 1, epoch.Add(time.Duration(n+1)*time.Hour)))
		switch ledger.CodeOf(err) {
		case "":
			accepted.Add(1)
		case ledger.CodeNotMovable:
		default:
			w.Errorf("got error %v, want %s", err, ledger.CodeNotMovable)
		}
	})
	if h := w.history(c); accepted.Load() != 1 || h.Wallets[0].Balance != 100 {
		w.Errorf("got %d accepted and balance %d, want one and 100", accepted.Load(), h.Wallets[0].Balance)
	}
}

func moveRaceOthers(w *world) {
	c := w.customer()
	for range 20 {
		w.post(credit(c, 10, expires(epoch.Add(time.Hour))))
		w.post(credit(c, 10, expires(epoch.Add(2*time.Hour))))
	}
	w.clock.Move(time.Hour)
	var spent, swept atomic.Int64
	together(60, func(n int) {
		switch n % 3 {
		case 0:
			_, err := w.book.MoveExpiry(w.Context(), moveOf(c, int64(n/3+1), epoch.Add(5*time.Hour)))
			if code := ledger.CodeOf(err); code != "" && code != ledger.CodeNotMovable {
				w.Errorf("move: got error %v, want none or %s", err, ledger.CodeNotMovable)
			}
		case 1:
			if _, err := w.book.Post(w.Context(), debit(c, 7)); err == nil {
				spent.Add(7)
			}
		default:
			n, err := w.book.Sweep(w.Context(), walletIn(c, "USD"), w.clock.Now(), 2)
			w.wantCode(err, "")
			swept.Add(int64(n))
		}
	})
	h := w.history(c)
	if got := int64(h.Wallets[0].Balance); got != 400-spent.Load()-10*swept.Load() {
		w.Errorf("got balance %d with %d spent and %d lots swept, want 400 in all", got, spent.Load(), swept.Load())
	}
	w.clock.Move(5 * time.Hour)
	if _, err := w.book.Sweep(w.Context(), walletIn(c, "USD"), w.clock.Now(), 100); err != nil {
		w.Errorf("sweep: got error %v, want none", err)
	}
	if h := w.history(c); h.Wallets[0].Balance != 0 {
		w.Errorf("got balance %d after everything has expired, want 0", h.Wallets[0].Balance)
	}
}
