package storetest

import (
	"slices"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// taken is a debit or credit with what of it was not undone yet.
type taken struct {
	id        string
	account   ledger.Account
	direction ledger.Direction
	parts     []ledger.Allocation
}

// reversal undoes unit of lot by unit of lot what the debit took, the last first,
// or what the credit gave, and compares with what the entry says.
func (a *audit) reversal(w *auditWallet, e ledger.Entry) {
	undone := slices.IndexFunc(w.taken, func(t taken) bool { return t.id == e.Reverses })
	if undone < 0 {
		a.blame("L5", "reverses entry %s, which is no debit or credit of this wallet", e.Reverses)
		return
	}
	entry := &w.taken[undone]
	if e.Direction == entry.direction || e.Category != "" || !e.ExpiresAt.IsZero() {
		a.blame("L5", "a reversal of a %s is a %s with category %q and expiry %v", entry.direction, e.Direction, e.Category, e.ExpiresAt)
	}
	if e.Account != entry.account {
		a.blame("M1", "counts against %s, the entry that it reverses against %s", e.Account, entry.account)
	}
	want := entry.undo(e.Amount)
	if a.lent != nil {
		want = a.beyondLot(w, e, want)
	}
	if !slices.Equal(want, e.Allocations) {
		a.blame("L5", "moves %v, want %v of entry %s", e.Allocations, want, e.Reverses)
	}
	for _, part := range want {
		for i := range w.lots {
			lot := &w.lots[i]
			if lot.Seq != part.LotSeq {
				continue
			}
			expired := !lot.ExpiresAt.IsZero() && !lot.ExpiresAt.After(e.CreatedAt)
			switch {
			case entry.direction == ledger.Credit:
				if expired || part.Amount > lot.Remaining {
					a.blame("L5", "takes %d back from lot %d, which has %d and expires at %v", part.Amount, lot.Seq, lot.Remaining, lot.ExpiresAt)
				}
				lot.Remaining -= part.Amount
				continue
			case expired:
				due := *lot
				due.Remaining = part.Amount
				a.due = append(a.due, due)
			}
			lot.Remaining += part.Amount
		}
	}
}

// undo takes an amount from what is left of an entry, its last part first. It
// returns less where less is left.
func (t *taken) undo(amount money.Amount) (parts []ledger.Allocation) {
	for amount > 0 && len(t.parts) > 0 {
		last := &t.parts[len(t.parts)-1]
		part := *last
		part.Amount = min(part.Amount, amount)
		amount -= part.Amount
		if last.Amount -= part.Amount; last.Amount == 0 {
			t.parts = t.parts[:len(t.parts)-1]
		}
		parts = slices.Insert(parts, 0, part)
	}
	return parts
}

// settled checks that the customer's next entries after a reversal write off the
// expired lots that got something back, a hundred at the most, or move it on.
func (a *audit) settled(e ledger.Entry) {
	ofExpiry := e.Account == ledger.AccountBreakage && len(e.Allocations) == 1
	switch {
	case a.moved != nil && e.Reverses != a.moved.ID:
		a.blame(movedLaw(a.moved), "entry %s moved money that nothing brings back", a.moved.ID)
		a.moved = nil
	case len(a.due) == 0 || a.moved != nil || ofGrace(e) || e.Account == ledger.AccountDebt:
	case ofExpiry && e.Allocations[0].LotSeq == a.due[0].Seq:
		a.due = a.due[1:]
		if a.writtenOff++; a.writtenOff == 100 || len(a.due) == 0 {
			a.due, a.writtenOff = nil, 0
		}
	default:
		a.blame("L5", "lots %v got money back after they had expired, and are not written off at once", a.due)
		a.due = nil
	}
}

// ofGrace reports whether an entry is one of those that give money a grace period.
func ofGrace(e ledger.Entry) bool {
	return e.CreatedBy == "system" && e.Reason == "Given back after expiry"
}

// extended takes from expired lots what a reversal gave back to those of one
// category.
func (a *audit) extended(w *auditWallet, e ledger.Entry) {
	category := ledger.Paid
	if slices.ContainsFunc(a.due, func(lot ledger.Lot) bool { return lot.Category == ledger.Promotional }) {
		category = ledger.Promotional
	}
	var want []ledger.Allocation
	var sum money.Amount
	for _, due := range a.due {
		if due.Category != category {
			continue
		}
		want = append(want, ledger.Allocation{LotSeq: due.Seq, Amount: due.Remaining})
		sum += due.Remaining
		for i := range w.lots {
			if w.lots[i].Seq == due.Seq {
				w.lots[i].Remaining -= due.Remaining
			}
		}
	}
	a.due = slices.DeleteFunc(a.due, func(lot ledger.Lot) bool { return lot.Category == category })
	account := map[ledger.Category]ledger.Account{ledger.Paid: "merchant", ledger.Promotional: "promotion"}[category]
	if !slices.Equal(want, e.Allocations) || e.Amount != sum || e.Account != account || e.Category != "" ||
		e.IdempotencyKey != "" {
		a.blame("L5", "moves %v of %d against %s, want %v of %d against %s", e.Allocations, e.Amount, e.Account, want, sum, account)
	}
	a.moved = &e
	a.movedLot = ledger.Lot{Category: category}
}

// extension opens a lot of what the entry before took from expired lots.
func (a *audit) extension(w *auditWallet, e ledger.Entry) {
	if a.moved == nil || e.Amount != a.moved.Amount || e.Account != a.moved.Account || e.Currency != a.moved.Currency ||
		e.Category != a.movedLot.Category || !e.ExpiresAt.After(e.CreatedAt) || e.IdempotencyKey != "" ||
		e.Direction != ledger.Credit {
		a.blame("L5", "a credit of %d %s that reverses %s follows %+v", e.Amount, e.Category, e.Reverses, a.moved)
	}
	a.moved = nil
	a.credit(w, e)
}
