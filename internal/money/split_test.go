package money

import (
	"errors"
	"math/big"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestSplitByHand(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		total   Amount
		weights []int64
		want    []Amount
	}{
		{"even", 300, []int64{1, 1, 1}, []Amount{100, 100, 100}},
		{"one cent over goes to the first of equals", 1000, []int64{1, 1, 1}, []Amount{334, 333, 333}},
		{"two cents over", 1001, []int64{1, 1, 1}, []Amount{334, 334, 333}},
		{"a negative total mirrors the positive", -1000, []int64{1, 1, 1}, []Amount{-334, -333, -333}},
		{"the largest remainder wins over the first", 100, []int64{1, 1, 4}, []Amount{17, 17, 66}},
		{"one wins, not the largest part", 10, []int64{1, 3, 3}, []Amount{2, 4, 4}},
		{"zero weights get nothing", 100, []int64{3, 0, 1}, []Amount{75, 0, 25}},
		{"a single part", 7, []int64{5}, []Amount{7}},
		{"nothing to split", 0, []int64{2, 3}, []Amount{0, 0}},
		{"less to split than parts", 2, []int64{1, 1, 1}, []Amount{1, 1, 0}},
		{"the least of all amounts", amountLeast, []int64{1, 1}, []Amount{amountLeast / 2, amountLeast / 2}},
		{"the largest weight and amount", amountMost, []int64{1<<63 - 1}, []Amount{amountMost}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := Split(test.total, test.weights)
			if err != nil {
				t.Fatalf("Split(%d, %v): got error %v, want none", test.total, test.weights, err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("Split(%d, %v) (-want +got):\n%s", test.total, test.weights, diff)
			}
		})
	}
}

func TestSplitRefusesWeights(t *testing.T) {
	t.Parallel()
	for _, weights := range [][]int64{
		nil, {}, {0}, {0, 0}, {1, -1}, {-1}, {1<<63 - 1, 1}, {1 << 62, 1 << 62, 1 << 62, 1 << 62}, {-1 << 63},
	} {
		if got, err := Split(100, weights); !errors.Is(err, ErrWeights) {
			t.Errorf("Split(100, %v): got %v, error %v, want ErrWeights", weights, got, err)
		}
	}
}

// anyWeights draws weights that Split must accept.
func anyWeights(t *rapid.T) []int64 {
	weights := rapid.SliceOfN(rapid.OneOf(
		rapid.Int64Range(0, 5),
		rapid.Int64Range(0, 1_000_000),
		rapid.Int64Range(0, 1<<63/40),
	), 1, 20).Draw(t, "weights")
	if !slices.ContainsFunc(weights, func(w int64) bool { return w > 0 }) {
		weights[0] = 1
	}
	return weights
}

// TestSplitProperties holds what is promised of every split: the parts sum to
// the whole, each is the exact share or the integer next to it, a heavier
// weight never gets less, equal weights differ by one at most in favour of the
// first, and the mirror image of a total splits into the mirror image.
func TestSplitProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		total, weights := anyAmount().Draw(t, "total"), anyWeights(t)
		before := slices.Clone(weights)
		parts, err := Split(total, weights)
		if err != nil {
			t.Fatalf("got error %v, want none", err)
		}
		if diff := cmp.Diff(before, weights); diff != "" {
			t.Fatalf("Split changed its weights:\n%s", diff)
		}
		checkSum(t, total, parts)
		checkShares(t, total, weights, parts)
		again, err := Split(total, weights)
		if diff := cmp.Diff(parts, again); diff != "" || err != nil {
			t.Fatalf("the second time: error %v (-first +second):\n%s", err, diff)
		}
		if total == amountLeast {
			return // it has no mirror image
		}
		mirrored, err := Split(-total, weights)
		if err != nil {
			t.Fatalf("mirrored: got error %v, want none", err)
		}
		for i := range parts {
			if mirrored[i] != -parts[i] {
				t.Fatalf("part %d of the mirrored total: got %d, want %d", i, mirrored[i], -parts[i])
			}
		}
	})
}

func checkSum(t *rapid.T, total Amount, parts []Amount) {
	sum := new(big.Int)
	for _, part := range parts {
		sum.Add(sum, bigOf(part))
	}
	if sum.Cmp(bigOf(total)) != 0 {
		t.Fatalf("the parts %v sum to %s, want %d", parts, sum, total)
	}
}

func checkShares(t *rapid.T, total Amount, weights []int64, parts []Amount) {
	sum := new(big.Int)
	for _, weight := range weights {
		sum.Add(sum, big.NewInt(weight))
	}
	for i, part := range parts {
		// |part × sum − total × weight| < sum says that the part is less than
		// one unit away from its exact share.
		distance := new(big.Int).Mul(bigOf(part), sum)
		distance.Sub(distance, new(big.Int).Mul(bigOf(total), big.NewInt(weights[i])))
		if distance.CmpAbs(sum) >= 0 {
			t.Fatalf("part %d is %d, want less than one from %d × %d ÷ %s", i, part, total, weights[i], sum)
		}
		for j := range i {
			a, b := new(big.Int).Abs(bigOf(parts[j])), new(big.Int).Abs(bigOf(part))
			switch {
			case weights[j] > weights[i] && a.Cmp(b) < 0, weights[j] < weights[i] && a.Cmp(b) > 0:
				t.Fatalf("weights %d and %d got %d and %d", weights[j], weights[i], parts[j], part)
			case weights[j] == weights[i] && (a.Cmp(b) < 0 || a.Sub(a, b).Cmp(big.NewInt(1)) > 0):
				t.Fatalf("equal weights at %d and %d got %d and %d", j, i, parts[j], part)
			}
		}
	}
}
