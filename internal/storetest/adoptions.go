package storetest

import (
	"fmt"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func adoptionScenarios() []scenario {
	return []scenario{
		{"ids, keys, types and times stay, and the laws hold", adoptionKeepsAll},
		{"an id that does not contain its position is noted", adoptionOfForeignID},
		{"a row that does not follow changes nothing", adoptionRefused},
		{"a repeat of what was asked for elsewhere is a repeat here", adoptionRepeated},
		{"life goes on after the last entry", adoptionThenPosts},
	}
}

// adoptions are entries of a customer as another installation made them, long
// before the epoch of the suite: 500, 300, 200, 100 in and out by turns.
func adoptions(w *world, c ledger.Customer, foreign bool) []*ledger.Adoption {
	begin := epoch.AddDate(-1, 0, 0)
	balances := map[money.Currency]money.Amount{}
	var all []*ledger.Adoption
	for i, one := range []struct {
		direction ledger.Direction
		currency  money.Currency
		amount    money.Amount
		event     ledger.EventType
	}{
		{ledger.Credit, "USD", 500, ledger.EventMerchantAdjustment},
		{ledger.Debit, "USD", 300, ledger.EventPayment},
		{ledger.Credit, "INR", 200, ledger.EventRefund},
		{ledger.Credit, "USD", 100, ledger.EventPaymentReversal},
		{ledger.Debit, "USD", 300, ledger.EventDispute},
	} {
		at := begin.Add(time.Duration(i/2) * time.Hour)
		r := request(c, one.direction, one.amount, in(one.currency), because(fmt.Sprint("reason ", i)), reference(fmt.Sprint("pay_", i)))
		if i%2 == 0 {
			r.IdempotencyKey = fmt.Sprint("key_", i)
		}
		moved := one.amount
		if one.direction == ledger.Debit {
			moved = -moved
		}
		a := &ledger.Adoption{
			Request: r, EventType: one.event, Position: int64(i) + 1, CreatedAt: at, Before: balances[one.currency],
			ID: ledger.EntryID(at, int64(i)+1, w.dice.next()),
		}
		if foreign {
			a.ID = fmt.Sprint("wl-usd_00", i)
		}
		balances[one.currency] += moved
		a.After = balances[one.currency]
		all = append(all, a)
	}
	return all
}

// adopt takes over a row of entries, all or nothing.
func (w *world) adopt(row []*ledger.Adoption) error {
	w.Helper()
	commands := make([]ledger.Command, len(row))
	for i, a := range row {
		if err := a.Validate(); err != nil {
			w.Fatalf("entry %d: got error %v, want it valid", i, err)
		}
		commands[i] = a.Command(w.dice.next())
	}
	_, err := w.ledger.TransactMany(w.Context(), commands, true)
	return err
}

func adoptionKeepsAll(w *world) {
	c := w.customer()
	row := adoptions(w, c, false)
	for _, part := range [][]*ledger.Adoption{row[:2], row[2:]} {
		if err := w.adopt(part); err != nil {
			w.Fatalf("got error %v, want the entries taken over", err)
		}
	}
	entries := w.history(c).Entries
	if len(entries) != len(row) {
		w.Fatalf("got %d entries, want %d", len(entries), len(row))
	}
	for i, a := range row {
		e := entries[i]
		if what := a.Differs(&e); what != "" || e.CreatedBy != ledger.ImportedBy {
			w.Errorf("entry %d: got %+v, want that of the source (%s)", i, e, what)
		}
		found, err := w.ledger.Entry(w.Context(), c.Tenant, c.ID, a.ID)
		if err != nil || found.Position != a.Position {
			w.Errorf("entry %d by its id: got position %d and error %v", i, found.Position, err)
		}
	}
}

func adoptionOfForeignID(w *world) {
	c := w.customer()
	row := adoptions(w, c, true)
	if err := w.adopt(row); err != nil {
		w.Fatalf("got error %v, want the entries taken over", err)
	}
	for i, e := range w.history(c).Entries {
		if what := row[i].Differs(&e); what != "" || e.Metadata != `{"imported_entry_id":"`+row[i].ID+`"}` {
			w.Errorf("entry %d: got %+v, want that of the source (%s)", i, e, what)
		}
	}
}

func adoptionRefused(w *world) {
	c := w.customer()
	row := adoptions(w, c, false)
	if err := w.adopt(row[:2]); err != nil {
		w.Fatalf("got error %v, want the entries taken over", err)
	}
	for name, change := range map[string]func(a *ledger.Adoption){
		"a position too far": func(a *ledger.Adoption) { a.Position++ },
		"another balance":    func(a *ledger.Adoption) { a.Before, a.After = a.Before+1, a.After+1 },
		"another sum":        func(a *ledger.Adoption) { a.After++ },
		"an older time":      func(a *ledger.Adoption) { a.CreatedAt = epoch.AddDate(-2, 0, 0) },
		"a key that is used": func(a *ledger.Adoption) { a.Request.IdempotencyKey = "key_0" },
	} {
		bent := *row[3]
		change(&bent)
		w.unchanged(func() {
			if err := w.adopt([]*ledger.Adoption{row[2], &bent}); err == nil {
				w.Errorf("%s: got it taken over, want it refused", name)
			}
		}, c)
	}
}

func adoptionRepeated(w *world) {
	c := w.customer()
	row := adoptions(w, c, false)
	if err := w.adopt(row); err != nil {
		w.Fatalf("got error %v, want the entries taken over", err)
	}
	change, err := w.book.Post(w.Context(), row[0].Request)
	if err != nil || !change.Replayed || change.Entry.ID != row[0].ID || change.Wallet.Balance != 500 {
		w.Errorf("got %+v and error %v, want the first entry again", change, err)
	}
	other := row[0].Request
	other.Amount++
	w.refuse(ledger.CodeKeyReused, other)
}

func adoptionThenPosts(w *world) {
	c := w.customer()
	if err := w.adopt(adoptions(w, c, false)); err != nil {
		w.Fatalf("got error %v, want the entries taken over", err)
	}
	w.refuse(ledger.CodeInsufficientFunds, debit(c, 1))
	if change := w.post(credit(c, 40)); change.Entry.Position != 6 || change.Wallet.Balance != 40 {
		w.Errorf("got position %d and balance %d, want 6 and 40", change.Entry.Position, change.Wallet.Balance)
	}
	w.post(debit(c, 200, in("INR")))
	w.history(c)
}
