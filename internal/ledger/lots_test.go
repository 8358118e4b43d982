package ledger_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

var noon = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// lotGen draws lots of which many share expiry and category.
func lotGen() *rapid.Generator[ledger.Lot] {
	return rapid.Custom(func(t *rapid.T) ledger.Lot {
		lot := ledger.Lot{
			Category:  rapid.SampledFrom([]ledger.Category{ledger.Paid, ledger.Promotional}).Draw(t, "category"),
			Remaining: money.Amount(rapid.Int64Range(1, 20).Draw(t, "remaining")),
		}
		if hours := rapid.IntRange(-3, 3).Draw(t, "hours"); hours != 3 {
			lot.ExpiresAt = noon.Add(time.Duration(hours) * time.Hour)
		}
		return lot
	})
}

// lotsGen draws the open lots of a wallet: with seqs of their own, sorted.
func lotsGen() *rapid.Generator[[]ledger.Lot] {
	return rapid.Custom(func(t *rapid.T) []ledger.Lot {
		lots := rapid.SliceOfN(lotGen(), 0, 12).Draw(t, "lots")
		for i := range lots {
			lots[i].Seq = int64(i + 1)
		}
		slices.SortFunc(lots, ledger.CompareLots)
		return lots
	})
}

func TestCompareLotsIsTotalOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string, seq int64) ledger.Lot {
			lot := lotGen().Draw(t, name)
			lot.Seq = seq
			return lot
		}
		a, b, c := draw("a", 1), draw("b", 2), draw("c", 3)
		if ab, ba := ledger.CompareLots(a, b), ledger.CompareLots(b, a); ab != -ba || ab == 0 {
			t.Errorf("compare %+v %+v: got %d and %d the other way round, want opposites", a, b, ab, ba)
		}
		if ledger.CompareLots(a, a) != 0 {
			t.Errorf("compare %+v with itself: got %d, want 0", a, ledger.CompareLots(a, a))
		}
		if ledger.CompareLots(a, b) < 0 && ledger.CompareLots(b, c) < 0 && ledger.CompareLots(a, c) >= 0 {
			t.Errorf("%+v before %+v before %+v, but not the first before the last", a, b, c)
		}
	})
}

func TestCompareLots(t *testing.T) {
	t.Parallel()
	later := noon.Add(time.Microsecond)
	inOrder := []ledger.Lot{
		{Seq: 9, Category: ledger.Promotional, ExpiresAt: noon},
		{Seq: 1, Category: ledger.Paid, ExpiresAt: noon},
		{Seq: 2, Category: ledger.Paid, ExpiresAt: noon},
		{Seq: 8, Category: ledger.Promotional, ExpiresAt: later},
		{Seq: 3, Category: ledger.Paid, ExpiresAt: later},
		{Seq: 7, Category: ledger.Promotional},
		{Seq: 4, Category: ledger.Paid},
		{Seq: 5, Category: ledger.Paid},
	}
	for i, a := range inOrder {
		for j, b := range inOrder {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := ledger.CompareLots(a, b); got != want {
				t.Errorf("compare %+v %+v: got %d, want %d", a, b, got, want)
			}
		}
	}
	// One instant in two zones is one instant.
	a, b := inOrder[0], inOrder[1]
	a.ExpiresAt = a.ExpiresAt.In(time.FixedZone("east", 3600))
	if got := ledger.CompareLots(a, b); got != -1 {
		t.Errorf("compare at one instant in two zones: got %d, want -1 by category", got)
	}
}

func TestOpenLot(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lots := lotsGen().Draw(t, "lots")
		lot := lotGen().Draw(t, "lot")
		lot.Seq = int64(len(lots) + 1)
		before := slices.Clone(lots)
		got := ledger.OpenLot(lots, lot)
		want := append(slices.Clone(lots), lot)
		slices.SortFunc(want, ledger.CompareLots)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("lots (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(before, lots); diff != "" {
			t.Errorf("the argument was changed (-before +after):\n%s", diff)
		}
		for i := range got { // nor does the result share its memory
			got[i].Remaining = -1
		}
		if diff := cmp.Diff(before, lots); diff != "" {
			t.Errorf("the result shares memory with the argument (-before +after):\n%s", diff)
		}
	})
}

// spendNaively takes one unit after the other from the first lot that has one.
func spendNaively(lots []ledger.Lot, amount money.Amount, at time.Time) (
	taken map[int64]money.Amount, left []ledger.Lot, missing money.Amount,
) {
	lots, taken = slices.Clone(lots), map[int64]money.Amount{}
	for ; amount > 0; amount-- {
		i := slices.IndexFunc(lots, func(l ledger.Lot) bool {
			return l.Remaining > 0 && (l.ExpiresAt.IsZero() || at.Before(l.ExpiresAt))
		})
		if i < 0 {
			break
		}
		lots[i].Remaining--
		taken[lots[i].Seq]++
	}
	return taken, slices.DeleteFunc(lots, func(l ledger.Lot) bool { return l.Remaining == 0 }), amount
}

func TestSpendLots(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lots := lotsGen().Draw(t, "lots")
		amount := money.Amount(rapid.Int64Range(0, 120).Draw(t, "amount"))
		at := noon.Add(time.Duration(rapid.IntRange(-4, 4).Draw(t, "hours")) * time.Hour)
		at = at.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "beside")) * time.Microsecond)
		before := slices.Clone(lots)

		spent, left, missing := ledger.SpendLots(lots, amount, at)
		taken, wantLeft, wantMissing := spendNaively(lots, amount, at)
		var sum money.Amount
		for i, part := range spent {
			sum += part.Amount
			if part.Amount != taken[part.LotSeq] || part.Amount < 1 {
				t.Errorf("lot %d: got %d taken, want %d", part.LotSeq, part.Amount, taken[part.LotSeq])
			}
			if i > 0 && position(lots, spent[i-1].LotSeq) >= position(lots, part.LotSeq) {
				t.Errorf("got parts %+v, want them in spend order", spent)
			}
		}
		if len(spent) != len(taken) || sum+missing != amount || missing != wantMissing {
			t.Errorf("got %d parts of %d and %d missing, want %d parts and %d missing of %d",
				len(spent), sum, missing, len(taken), wantMissing, amount)
		}
		if diff := cmp.Diff(fmt.Sprint(wantLeft), fmt.Sprint(left)); diff != "" {
			t.Errorf("lots that are left (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(before, lots); diff != "" {
			t.Errorf("the argument was changed (-before +after):\n%s", diff)
		}
	})
}

func position(lots []ledger.Lot, seq int64) int {
	return slices.IndexFunc(lots, func(l ledger.Lot) bool { return l.Seq == seq })
}

// One debit takes what two debits of its parts take.
func TestSpendLotsInTwoSteps(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lots := lotsGen().Draw(t, "lots")
		a := money.Amount(rapid.Int64Range(0, 60).Draw(t, "a"))
		b := money.Amount(rapid.Int64Range(0, 60).Draw(t, "b"))
		_, once, missing := ledger.SpendLots(lots, a+b, noon)
		_, first, missingA := ledger.SpendLots(lots, a, noon)
		_, twice, missingB := ledger.SpendLots(first, b, noon)
		if fmt.Sprint(once) != fmt.Sprint(twice) || missing != missingA+missingB {
			t.Errorf("got %v and %d missing in two steps, want %v and %d", twice, missingA+missingB, once, missing)
		}
	})
}

func TestLotExpiredAt(t *testing.T) {
	t.Parallel()
	lot := ledger.Lot{ExpiresAt: noon}
	for at, want := range map[time.Time]bool{
		noon.Add(-time.Microsecond):                  false,
		noon:                                         true,
		noon.Add(time.Microsecond):                   true,
		noon.In(time.FixedZone("west", -7*3600)):     true,
		noon.Add(-1).In(time.FixedZone("w", -25200)): false,
	} {
		if got := lot.ExpiredAt(at); got != want {
			t.Errorf("at %v: got expired %v, want %v", at, got, want)
		}
	}
	if (ledger.Lot{}).ExpiredAt(noon.AddDate(5000, 0, 0)) {
		t.Error("a lot that never expires: got expired, want not")
	}
}

func TestWalletAvailable(t *testing.T) {
	t.Parallel()
	w := ledger.Wallet{Balance: 1000, Lots: []ledger.Lot{
		{Seq: 3, Category: ledger.Promotional, ExpiresAt: noon, Remaining: 100},
		{Seq: 2, Category: ledger.Paid, ExpiresAt: noon, Remaining: 30},
		{Seq: 4, Category: ledger.Paid, ExpiresAt: noon.Add(time.Hour), Remaining: 7},
		{Seq: 1, Category: ledger.Paid, Remaining: 863},
	}}
	for _, test := range []struct {
		at   time.Time
		held money.Amount
		want money.Amount
	}{
		{noon.Add(-time.Microsecond), 0, 1000},
		{noon, 0, 870},
		{noon.Add(time.Hour - time.Microsecond), 0, 870},
		{noon.Add(time.Hour), 0, 863},
		{noon.AddDate(100, 0, 0), 0, 863},
		{noon, 70, 800},
	} {
		w.Held = test.held
		if got := w.Available(test.at); got != test.want {
			t.Errorf("at %v with %d held: got %d, want %d", test.at, test.held, got, test.want)
		}
	}
}

func TestChainAt(t *testing.T) {
	t.Parallel()
	chain := ledger.Chain{Position: 1, LastAt: noon}
	for now, want := range map[time.Time]time.Time{
		noon.Add(-time.Hour):        noon,
		noon.Add(-time.Microsecond): noon,
		noon:                        noon,
		noon.Add(time.Microsecond):  noon.Add(time.Microsecond),
	} {
		if got := chain.At(now); !got.Equal(want) {
			t.Errorf("at %v: got %v, want %v", now, got, want)
		}
	}
	if got := (ledger.Chain{}).At(noon); !got.Equal(noon) {
		t.Errorf("a customer without entries: got %v, want %v", got, noon)
	}
}
