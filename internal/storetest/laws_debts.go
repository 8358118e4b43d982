package storetest

import (
	"reflect"
	"slices"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// debtEntry plays an entry against the account of debts: a loan, or what pays one
// back from the credit before it (law O3).
func (a *audit) debtEntry(w *auditWallet, e ledger.Entry) {
	if e.EventType != ledger.EventMerchantAdjustment || e.Category != "" || !e.ExpiresAt.IsZero() ||
		e.IdempotencyKey != "" || e.CreatedBy != "system" || e.Metadata != "{}" || e.HoldID != "" {
		a.blame("O3", "a debt is made or paid by %+v", e)
	}
	w.debt += signed(e)
	if w.debt < 0 || w.debt > 9_007_199_254_740_991 {
		a.blame("O3", "the wallet owes %d", w.debt)
	}
	if e.Direction == ledger.Credit {
		if len(e.Allocations) != 0 || e.Reverses != "" {
			a.blame("O3", "a loan has allocations %v and reverses %q", e.Allocations, e.Reverses)
		}
		a.lent = &e
		return
	}
	if a.payer == nil {
		a.blame("O3", "a debt is paid by %+v, and no credit stands before it", e)
		return
	}
	var sum money.Amount
	for _, part := range a.pays {
		sum += part.Amount
		for i := range w.lots {
			if w.lots[i].Seq == part.LotSeq {
				w.lots[i].Remaining -= part.Amount
			}
		}
	}
	if !reflect.DeepEqual(a.pays, e.Allocations) || e.Amount != sum || e.Reverses != a.payer.ID {
		a.blame("O3", "pays %d with %v of entry %s, want %d with %v of %s", e.Amount, e.Allocations, e.Reverses, sum, a.pays, a.payer.ID)
	}
	a.payer, a.pays = nil, nil
}

// ofDispute reports whether an entry may be what a lost dispute takes of a loan.
func ofDispute(e ledger.Entry) bool {
	return e.EventType == ledger.EventDispute && e.Account == ledger.AccountDisputes && e.Direction == ledger.Debit &&
		e.Reverses == "" && e.HoldID == "" && e.CreatedBy == "system"
}

// disputed plays what takes a loan whole, and nothing else.
func (a *audit) disputed(e ledger.Entry) {
	want := []ledger.Allocation{{LotSeq: 0, Amount: a.lent.Amount}}
	if e.Amount != a.lent.Amount || !slices.Equal(want, e.Allocations) || e.IdempotencyKey != "" {
		a.blame("O3", "a dispute takes %d with %v, and %d were lent", e.Amount, e.Allocations, a.lent.Amount)
	}
}

// recovered checks that the customer's next entry takes what was lent, or pays what
// the credit before it has to.
func (a *audit) recovered(e ledger.Entry) {
	paying := e.Account == ledger.AccountDebt && e.Direction == ledger.Debit
	if a.payer != nil && !paying {
		a.blame("O3", "entry %s brought money to a wallet that owes, and the next one pays nothing", a.payer.ID)
		a.payer, a.pays = nil, nil
	}
	takes := e.Reverses != "" && !ofGrace(e) || ofDispute(e)
	taking := e.Account != ledger.AccountDebt && e.Direction == ledger.Debit && takes
	if a.lent != nil && (!taking || e.Currency != a.lent.Currency) {
		a.blame("O3", "loan %s is not taken by the entry behind it", a.lent.ID)
		a.lent = nil
	}
}

// claim notes what a credit to a wallet that owes has to pay: what it brought to
// lots that have not expired, up to the debt, the first to be spent first.
func (a *audit) claim(w *auditWallet, e ledger.Entry) {
	if e.Account != ledger.AccountDebt {
		a.lent = nil // it was taken
	}
	if w.debt == 0 || e.Direction == ledger.Debit || e.Account == ledger.AccountDebt ||
		e.Account == ledger.AccountExpiryMoves {
		return
	}
	parts := e.Allocations
	if len(parts) == 0 {
		parts = []ledger.Allocation{{LotSeq: e.Seq, Amount: e.Amount}}
	}
	owed := w.debt
	for _, part := range parts {
		at := slices.IndexFunc(w.lots, func(lot ledger.Lot) bool { return lot.Seq == part.LotSeq })
		if end := w.lots[at].ExpiresAt; !end.IsZero() && !end.After(e.CreatedAt) || owed == 0 {
			continue
		}
		part.Amount = min(part.Amount, owed)
		owed -= part.Amount
		a.payer, a.pays = &e, append(a.pays, part)
	}
}

// claimed is what is in lots and is to be taken by the next entry.
func (a *audit) claimed() (sum money.Amount) {
	for _, part := range a.pays {
		sum += part.Amount
	}
	return sum
}

// beyondLot returns from which lots a reversal takes that needs a loan: from that of
// the credit all that it has, unless it has expired, and then the loan. Parts are what
// it undoes of the credit.
func (a *audit) beyondLot(w *auditWallet, e ledger.Entry, parts []ledger.Allocation) (want []ledger.Allocation) {
	for _, lot := range w.lots {
		expired := !lot.ExpiresAt.IsZero() && !lot.ExpiresAt.After(e.CreatedAt)
		if len(parts) == 1 && lot.Seq == parts[0].LotSeq && lot.Remaining > 0 && !expired {
			want = append(want, ledger.Allocation{LotSeq: lot.Seq, Amount: lot.Remaining})
		}
	}
	want = append(want, ledger.Allocation{LotSeq: 0, Amount: a.lent.Amount})
	var sum money.Amount
	for _, part := range want {
		sum += part.Amount
	}
	if sum != e.Amount {
		a.blame("O3", "a reversal of %d was lent %d beyond lots %v", e.Amount, a.lent.Amount, want)
	}
	return want
}
