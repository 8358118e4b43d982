package money

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

const (
	amountLeast Amount = -1 << 63
	amountMost  Amount = 1<<63 - 1
)

// anyAmount draws amounts from the whole range, its edges more often than
// chance would.
func anyAmount() *rapid.Generator[Amount] {
	edges := []Amount{
		amountLeast, amountLeast + 1, -BalanceMax, -EntryMax, -1,
		0, 1, EntryMax, BalanceMax, amountMost - 1, amountMost,
	}
	return rapid.OneOf(
		rapid.SampledFrom(edges),
		rapid.Map(rapid.Int64(), func(n int64) Amount { return Amount(n) }),
	)
}

// TestAddAndSubAreExactOrRefused compares with arithmetic that cannot overflow.
func TestAddAndSubAreExactOrRefused(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyAmount().Draw(t, "a"), anyAmount().Draw(t, "b")
		sum, sumOK := a.Add(b)
		compareExact(t, "a + b", sum, sumOK, new(big.Int).Add(bigOf(a), bigOf(b)))
		difference, differenceOK := a.Sub(b)
		compareExact(t, "a - b", difference, differenceOK, new(big.Int).Sub(bigOf(a), bigOf(b)))
	})
}

func TestSumStopsAtTheFirstOverflow(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		amounts []Amount
		want    Amount
		wantOK  bool
	}{
		{"nothing", nil, 0, true},
		{"both signs", []Amount{5, -7, 3}, 1, true},
		{"up to the edge", []Amount{amountMost - 1, 1}, amountMost, true},
		{"beyond the edge and back", []Amount{amountMost, 1, -1}, 0, false},
		{"below the edge", []Amount{amountLeast, -1}, 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, ok := Sum(test.amounts...)
			if got != test.want || ok != test.wantOK {
				t.Errorf("Sum(%v): got %d, %t, want %d, %t", test.amounts, got, ok, test.want, test.wantOK)
			}
		})
	}
}

func TestLimitsAreThoseOfTheLaws(t *testing.T) {
	t.Parallel()
	if EntryMax != 999_999_999_999 {
		t.Errorf("EntryMax: got %d, want 999999999999", EntryMax)
	}
	if BalanceMax != 9_007_199_254_740_991 {
		t.Errorf("BalanceMax: got %d, want 9007199254740991", BalanceMax)
	}
}

func bigOf(a Amount) *big.Int { return big.NewInt(int64(a)) }

// compareExact checks a checked result against the exact one: equal when it
// fits into 64 bits, refused when it does not.
func compareExact(t *rapid.T, what string, got Amount, ok bool, exact *big.Int) {
	if ok != exact.IsInt64() {
		t.Fatalf("%s: got ok %t, want %t (exactly %s)", what, ok, exact.IsInt64(), exact)
	}
	if ok && int64(got) != exact.Int64() {
		t.Fatalf("%s: got %d, want %s", what, got, exact)
	}
}
