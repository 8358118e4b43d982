package walletrow_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/walletrow"
)

// bent is the source of a wallet with one planted bug, as a store could have it.
type bent struct {
	*wallet
	shelved func(lots []ledger.Lot) []ledger.Lot
	lapsing func(after, through time.Time) (time.Time, time.Time)
	found   func(lots []ledger.Lot) []ledger.Lot
	shelve  func(w *wallet, lot ledger.Lot) bool // whether it was done
}

func (b bent) Shelved(behind ledger.Lot, limit int) ([]ledger.Lot, error) {
	lots, err := b.wallet.Shelved(behind, limit)
	if b.shelved != nil {
		lots = b.shelved(lots)
	}
	return lots, err
}

func (b bent) Find(lots []ledger.Lot) ([]ledger.Lot, error) {
	found, err := b.wallet.Find(lots)
	if b.found != nil {
		found = b.found(found)
	}
	return found, err
}

func (b bent) Lapsing(after, through time.Time) (money.Amount, error) {
	if b.lapsing != nil {
		after, through = b.lapsing(after, through)
	}
	return b.wallet.Lapsing(after, through)
}

func (b bent) Shelve(lot ledger.Lot, before money.Amount) error {
	if b.shelve != nil && b.shelve(b.wallet, lot) {
		return nil
	}
	return b.wallet.Shelve(lot, before)
}

// Each bug is noticed by the test that holds rows against all lots.
func TestShelfBugsAreNoticed(t *testing.T) {
	t.Parallel()
	gone := func(lot ledger.Lot) bool { return lot.Remaining == 0 }
	for name, bug := range map[string]bent{
		"a refill forgets one": {shelved: func(lots []ledger.Lot) []ledger.Lot {
			if len(lots) > 1 {
				return slices.Delete(slices.Clone(lots), 0, 1)
			}
			return lots
		}},
		"the shelf is read by number": {shelved: func(lots []ledger.Lot) []ledger.Lot {
			lots = slices.Clone(lots)
			slices.SortFunc(lots, func(a, b ledger.Lot) int { return int(a.Seq - b.Seq) })
			return lots
		}},
		"a lot that was taken stays on the shelf": {shelve: func(_ *wallet, lot ledger.Lot) bool { return gone(lot) }},
		"a lot that was spent from keeps all": {shelve: func(w *wallet, lot ledger.Lot) bool {
			return len(find(w.shelf, lot.Seq)) > 0 && !gone(lot)
		}},
		"a lot that is named is not found": {found: func([]ledger.Lot) []ledger.Lot { return nil }},
		"what lapsed before is counted again": {lapsing: func(_, through time.Time) (time.Time, time.Time) {
			return time.Time{}, through
		}},
		"the instant of an expiry is not counted": {lapsing: func(after, through time.Time) (time.Time, time.Time) {
			return after, through.Add(-time.Microsecond)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const seeds = 500
			for seed := range seeds {
				if fails(seed, bug) {
					t.Logf("noticed at seed %d", seed)
					return
				}
			}
			t.Errorf("got no complaint in %d seeds, want one", seeds)
		})
	}
	for seed := range 50 {
		if fails(seed, bent{}) {
			t.Errorf("seed %d without a bug: got a complaint, want none", seed)
		}
	}
}

// fails is one check of the property with a bug. Rapid's own Check would fail the test
// that calls it, so the check is run as a generator and its panic kept inside.
func fails(seed int, bug bent) bool {
	return rapid.Custom(func(rt *rapid.T) (failed bool) {
		defer func() {
			if cause := recover(); cause != nil {
				if !rt.Failed() {
					panic(cause)
				}
				failed = true
			}
		}()
		spendsAsAllLotsWould(rt, func(w *wallet) walletrow.Source {
			own := bug
			own.wallet = w
			return own
		})
		return false
	}).Example(seed)
}
