package storetest

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func pinnedScenarios() []scenario {
	return []scenario{
		{"L2 a hold for a dispute pins the very lot out of its turn, and no other", pinnedLot},
		{"L4 what is pinned of a lot is taken after the lot has expired, and what is given back expires", pinnedExpires},
		{"O3 a lost dispute owes what its lot does not have, and a later credit pays", pinnedOwes},
		{"O1 one of 8 holds of a whole lot is made, and 64 debits beside it take what is left", pinnedRace},
	}
}

var lossOfDispute = ledger.Purpose{EventType: ledger.EventDispute, Account: ledger.AccountDisputes}

// pin holds an amount of the lot with a seq for a dispute.
func (w *world) pin(c ledger.Customer, seq int64, amount money.Amount) (ledger.Change, error) {
	m := ledger.Moment{Now: w.book.Now(), Random: w.dice.next()}
	scope := ledger.Scope{Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD", At: m.Now, Moves: seq}
	return w.ledger.Transact(w.Context(), scope, func(s ledger.Snapshot) (ledger.Change, error) {
		return ledger.MakeHold(s, &ledger.HoldRequest{
			Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD", Amount: amount, ExpiresAt: m.Now.Add(48 * time.Hour), LotSeq: seq,
			ReferenceObjectID: "dsp_1", CreatedBy: ledger.SystemCreator, CurrencyEnabled: true,
		}, m)
	})
}

// lose captures a hold for a dispute.
func (w *world) lose(c ledger.Customer, hold string) ledger.Change {
	w.Helper()
	change, err := w.book.Capture(w.Context(), ledger.CaptureRequest{
		Tenant: c.Tenant, CustomerID: c.ID, HoldID: hold, Purpose: lossOfDispute, ReferenceObjectID: "dsp_1",
		CreatedBy: ledger.SystemCreator,
	})
	w.wantCode(err, "")
	return change
}

func pinnedLot(w *world) {
	c := w.customer()
	w.post(credit(c, 100))
	w.post(credit(c, 200))
	_, err := w.pin(c, 2, 201)
	w.wantCode(err, ledger.CodeInsufficientFunds)
	_, err = w.pin(c, 3, 1)
	w.wantCode(err, ledger.CodeInsufficientFunds)
	held, err := w.pin(c, 2, 150)
	w.wantCode(err, "")
	w.same("pinned", []ledger.Allocation{{LotSeq: 2, Amount: 150}}, held.Hold.Event.Allocations)
	spent := w.post(debit(c, 150))
	w.same("spent", []ledger.Allocation{{LotSeq: 1, Amount: 100}, {LotSeq: 2, Amount: 50}}, spent.Entry.Allocations)
	_, err = w.book.Post(w.Context(), debit(c, 1))
	w.wantCode(err, ledger.CodeInsufficientFunds)
	taken := w.lose(c, held.Hold.Hold.ID)
	w.same("taken", []ledger.Allocation{{LotSeq: 2, Amount: 150}}, taken.Entry.Allocations)
	w.wantDebt(c, 0, 0)
}

func pinnedExpires(w *world) {
	c := w.customer()
	w.post(credit(c, 100, expires(epoch.Add(time.Hour))))
	lost, err := w.pin(c, 1, 60)
	w.wantCode(err, "")
	won, err := w.pin(c, 1, 30)
	w.wantCode(err, "")
	w.clock.Move(2 * time.Hour)
	_, err = w.pin(c, 1, 10)
	w.wantCode(err, ledger.CodeInsufficientFunds)
	w.lose(c, lost.Hold.Hold.ID)
	_, err = w.book.Release(w.Context(), ledger.ReleaseRequest{
		Tenant: c.Tenant, CustomerID: c.ID, HoldID: won.Hold.Hold.ID, CreatedBy: ledger.SystemCreator,
	})
	w.wantCode(err, "")
	key := ledger.WalletKey{Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD"}
	_, err = w.book.Sweep(w.Context(), key, w.book.Now(), 10)
	w.wantCode(err, "")
	w.wantDebt(c, 0, 0)
}

func pinnedOwes(w *world) {
	c := w.customer()
	w.post(credit(c, 100))
	w.post(debit(c, 70))
	held, err := w.pin(c, 1, 30)
	w.wantCode(err, "")
	w.lose(c, held.Hold.Hold.ID)
	m := ledger.Moment{Now: w.book.Now(), Random: w.dice.next()}
	scope := ledger.Scope{Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD", At: m.Now}
	owed, err := w.ledger.Transact(w.Context(), scope, func(s ledger.Snapshot) (ledger.Change, error) {
		return ledger.Owe(s, &ledger.PostRequest{
			Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD", Amount: 70, Direction: ledger.Debit, Purpose: lossOfDispute,
			ReferenceObjectID: "dsp_1", CreatedBy: ledger.SystemCreator, CurrencyEnabled: true,
		}, m)
	})
	w.wantCode(err, "")
	w.same("owed by the dispute", money.Amount(70), owed.Entry.Owed())
	w.sameEntry(c, *owed.Lent)
	w.sameEntry(c, owed.Entry)
	w.wantDebt(c, 70, 0)
	w.post(credit(c, 50))
	w.wantDebt(c, 20, 0)
	w.post(credit(c, 50))
	w.wantDebt(c, 0, 30)
}

func pinnedRace(w *world) {
	c := w.customer()
	w.post(credit(c, 40))
	w.post(credit(c, 100))
	var running sync.WaitGroup
	var pinned, spent atomic.Int64
	for range 8 {
		running.Go(func() {
			if _, err := w.pin(c, 2, 100); err == nil {
				pinned.Add(100)
			}
		})
	}
	for range 64 {
		running.Go(func() {
			if _, err := w.book.Post(w.Context(), debit(c, 1)); err == nil {
				spent.Add(1)
			}
		})
	}
	running.Wait()
	// Once a debit has taken of lot 2 nobody can hold it whole; else 40 are left for debits.
	if p, s := pinned.Load(), spent.Load(); p > 100 || p == 100 && s != 40 || p == 0 && s != 64 {
		w.Errorf("got %d pinned and %d spent of 140", p, s)
	}
	w.wantDebt(c, 0, 140-money.Amount(spent.Load()))
}
