package ledger

import (
	"cmp"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/money"
)

// CompareLots orders lots as they are spent: soonest expiry first, then
// promotional before paid, then oldest (law L2). A lot that never expires
// comes after every lot that does.
//
//	seq 4  promotional  expires 1 May    spent first
//	seq 2  paid         expires 1 June
//	seq 3  promotional  never
//	seq 1  paid         never            spent last
func CompareLots(a, b Lot) int {
	if c := compareExpiry(a.ExpiresAt, b.ExpiresAt); c != 0 {
		return c
	}
	if a.Category != b.Category {
		if a.Category == Promotional {
			return -1
		}
		return 1
	}
	return cmp.Compare(a.Seq, b.Seq)
}

func compareExpiry(a, b time.Time) int {
	switch {
	case a.IsZero() && b.IsZero():
		return 0
	case a.IsZero():
		return 1
	case b.IsZero():
		return -1
	}
	return a.Compare(b)
}

// OpenLot returns lots with one more, in spend order. It does not change its
// argument.
func OpenLot(lots []Lot, lot Lot) []Lot {
	i, _ := slices.BinarySearchFunc(lots, lot, CompareLots)
	opened := make([]Lot, 0, len(lots)+1)
	opened = append(opened, lots[:i]...)
	opened = append(opened, lot)
	return append(opened, lots[i:]...)
}

// MergeLots returns the lots of two lists in spend order as one. What a lot has in
// both of them it has together. It does not change its arguments.
func MergeLots(a, b []Lot) []Lot {
	merged := make([]Lot, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch order := CompareLots(a[0], b[0]); {
		case order < 0:
			merged, a = append(merged, a[0]), a[1:]
		case order > 0:
			merged, b = append(merged, b[0]), b[1:]
		default:
			lot := a[0]
			lot.Remaining += b[0].Remaining
			merged, a, b = append(merged, lot), a[1:], b[1:]
		}
	}
	return append(append(merged, a...), b...)
}

// SpendLots takes amount from lots in spend order, passing over those that
// have expired at t. It returns what it took from which lot, the lots that are
// left (exhausted ones removed), and how much it could not find. It does not
// change its argument.
func SpendLots(lots []Lot, amount money.Amount, t time.Time) (spent []Allocation, left []Lot, missing money.Amount) {
	left = make([]Lot, 0, len(lots))
	for i, lot := range lots {
		if amount == 0 {
			left = append(left, lots[i:]...)
			break
		}
		if lot.ExpiredAt(t) {
			left = append(left, lot)
			continue
		}
		taken := min(amount, lot.Remaining)
		spent = append(spent, Allocation{LotSeq: lot.Seq, Amount: taken})
		amount -= taken
		if lot.Remaining > taken {
			lot.Remaining -= taken
			left = append(left, lot)
		}
	}
	return spent, left, amount
}
