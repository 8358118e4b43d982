package walletrow_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/walletrow"
)

// Credits implements walletrow.Source.
func (w *wallet) Credits(from, to int64) (lots []ledger.Lot, _ error) {
	for _, lot := range w.credits {
		if lot.Seq >= from && lot.Seq <= to {
			lot.Remaining -= w.reversed[lot.Seq]
			lots = append(lots, lot)
		}
	}
	return lots, nil
}

// Shelved implements walletrow.Source.
func (w *wallet) Shelved(behind ledger.Lot, limit int) (lots []ledger.Lot, _ error) {
	w.asked++
	for _, lot := range w.shelf {
		if ledger.CompareLots(lot, behind) > 0 && len(lots) < limit {
			lots = append(lots, lot)
		}
	}
	return lots, nil
}

// Find implements walletrow.Source.
func (w *wallet) Find(lots []ledger.Lot) (found []ledger.Lot, _ error) {
	w.asked++
	for _, lot := range lots {
		found = append(found, find(w.shelf, lot.Seq)...)
	}
	return found, nil
}

// find returns the lot with a seq, if it is there.
func find(lots []ledger.Lot, seq int64) []ledger.Lot {
	if at := slices.IndexFunc(lots, func(l ledger.Lot) bool { return l.Seq == seq }); at >= 0 {
		return lots[at : at+1]
	}
	return nil
}

// Lapsing implements walletrow.Source.
func (w *wallet) Lapsing(after, through time.Time) (sum money.Amount, _ error) {
	w.asked++
	for _, lot := range w.shelf {
		if lot.ExpiresAt.After(after) && !lot.ExpiresAt.After(through) {
			sum += lot.Remaining
		}
	}
	return sum, nil
}

// Shelve implements walletrow.Source, and says when a lot is not as it should be.
func (w *wallet) Shelve(lot ledger.Lot, before money.Amount) error {
	var had money.Amount
	for _, old := range find(w.shelf, lot.Seq) {
		had = old.Remaining
	}
	if had != before || lot.Remaining < 0 || lot.Remaining == had || lot.ExpiresAt.IsZero() {
		return fmt.Errorf("lot %+v is shelved, had %d and should have had %d", lot, had, before)
	}
	w.shelf = slices.DeleteFunc(slices.Clone(w.shelf), func(l ledger.Lot) bool { return l.Seq == lot.Seq })
	if lot.Remaining > 0 {
		w.shelf, w.shelved = ledger.OpenLot(w.shelf, lot), w.shelved+1
	}
	return nil
}

// LastMark implements walletrow.Source.
func (w *wallet) LastMark() (walletrow.MarkHead, error) {
	if len(w.marks) == 0 {
		return walletrow.MarkHead{}, nil
	}
	return w.marks[len(w.marks)-1].Head(), nil
}

// Mark implements walletrow.Source.
func (w *wallet) Mark(mark *walletrow.Mark) error {
	w.marks = append(w.marks, *mark)
	return nil
}
