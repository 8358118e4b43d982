package storetest

import (
	"fmt"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// holdsAmongEntries has holds and entries of one customer in one transaction, as
// commands that arrive together have: also with an entry behind the last hold.
func holdsAmongEntries(w *world) {
	c := w.customer()
	w.post(credit(c, 1000))
	m := func() ledger.Moment { return ledger.Moment{Now: w.book.Now(), Random: w.dice.next()} }
	var commands []ledger.Command
	for range 3 {
		hold, at := holdOf(c, 100, epoch.Add(time.Hour)), m()
		commands = append(commands, ledger.Command{
			Scope: ledger.Scope{Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD", At: at.Now, Need: hold.Amount},
			Decide: func(s ledger.Snapshot) (ledger.Change, error) {
				return ledger.MakeHold(s, &hold, at)
			},
		})
		for _, request := range []ledger.PostRequest{credit(c, 7), debit(c, 30)} {
			at := m()
			decide := func(s ledger.Snapshot) (ledger.Change, error) { return ledger.Post(s, &request, at) }
			commands = append(commands, ledger.Command{Scope: w.scopeOf(request), Decide: decide})
		}
	}
	outcomes, err := w.ledger.TransactMany(w.Context(), commands, true)
	w.wantCode(err, "")
	if len(outcomes) != len(commands) {
		w.Fatalf("got %d outcomes, want %d", len(outcomes), len(commands))
	}
	w.history(c)
	if w.sharded {
		return // there is no feed
	}
	var told []string
	for _, e := range w.events(ledger.EventFilter{CustomerID: c.ID}, 11) {
		told = append(told, string(e.Kind))
	}
	want := []string{"customer.created", "wallet.credited"}
	for range 3 {
		want = append(want, "wallet.hold_created", "wallet.credited", "wallet.debited")
	}
	w.same("events", fmt.Sprint(want), fmt.Sprint(told))
}
