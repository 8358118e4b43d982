package storetest

import "github.com/billfold/billfold/internal/ledger"

// move plays one of the two entries that move an expiry: the debit takes all of
// one lot, and the credit behind it opens another with it (law L6).
func (a *audit) move(w *auditWallet, e ledger.Entry) {
	if e.EventType != ledger.EventMerchantAdjustment || e.HoldID != "" || e.ReferenceObjectID != "" || e.Metadata != "{}" {
		a.blame("L6", "an expiry is moved by %+v", e)
	}
	if e.Direction == ledger.Credit {
		a.moveBack(w, e)
		return
	}
	a.moved, a.movedLot = &e, ledger.Lot{}
	if len(e.Allocations) != 1 || e.Category != "" || !e.ExpiresAt.IsZero() || e.Reverses != "" {
		a.blame("L6", "an expiry is moved by a debit of %v that reverses %q", e.Allocations, e.Reverses)
		return
	}
	part := e.Allocations[0]
	for i := range w.lots {
		lot := &w.lots[i]
		if lot.Seq != part.LotSeq {
			continue
		}
		a.movedLot = *lot
		if !lot.ExpiresAt.IsZero() && !lot.ExpiresAt.After(e.CreatedAt) {
			a.blame("L6", "the expiry %v of lot %d was moved at %v", lot.ExpiresAt, lot.Seq, e.CreatedAt)
		}
		if part.Amount != e.Amount || part.Amount != lot.Remaining {
			a.blame("L6", "an entry of %d moved %d of lot %d, which had %d left", e.Amount, part.Amount, lot.Seq, lot.Remaining)
		}
		lot.Remaining -= part.Amount
	}
	if a.movedLot.Seq == 0 {
		a.blame("L6", "the expiry of lot %d was moved, which was never opened", part.LotSeq)
	}
}

// moveBack opens a lot of what the entry before took.
func (a *audit) moveBack(w *auditWallet, e ledger.Entry) {
	debit, lot := a.moved, a.movedLot
	a.moved = nil
	switch {
	case debit == nil || e.Reverses != debit.ID || e.Amount != debit.Amount || e.Currency != debit.Currency ||
		e.Account != debit.Account || e.Reason != debit.Reason || e.CreatedBy != debit.CreatedBy ||
		!e.CreatedAt.Equal(debit.CreatedAt):
		a.blame("L6", "%+v brings back what %+v took", e, debit)
	case e.Category != lot.Category || e.ExpiresAt.Equal(lot.ExpiresAt) || e.IdempotencyKey != "":
		a.blame("L6", "lot %+v was moved to one of category %q with expiry %v under key %q", lot, e.Category, e.ExpiresAt, e.IdempotencyKey)
	case !e.ExpiresAt.IsZero() && !e.ExpiresAt.After(e.CreatedAt):
		a.blame("L6", "lot %d was moved to the past", lot.Seq)
	case e.After != debit.Before:
		a.blame("L6", "the balance is %d after a move and was %d before", e.After, debit.Before)
	}
	a.credit(w, e)
}

// beginsMove reports whether an entry is the first of the two that move an expiry.
func beginsMove(e ledger.Entry) bool {
	return e.Account == ledger.AccountExpiryMoves && e.Direction == ledger.Debit
}

// movedLaw is the law by which a debit took money for a lot of its own.
func movedLaw(debit *ledger.Entry) string {
	if beginsMove(*debit) {
		return "L6"
	}
	return "L5"
}
