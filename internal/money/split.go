package money

import (
	"cmp"
	"errors"
	"math/bits"
	"slices"
)

// ErrWeights says that a total cannot be split by the weights that were given.
var ErrWeights = errors.New("weights must not be negative, and their sum must be from 1 to 2^63 - 1")

// Split divides total in proportion to weights, by the largest remainder: each
// part is the exact share rounded down, and the minor units that are then left
// over go one each to the parts that lost most by it, the first of equals
// first. The parts always sum to total, whatever the weights (law M8), a part
// is less than one minor unit away from its exact share, and a weight of zero
// gets nothing.
//
//	Split(1000, {1, 1, 1})  = 334, 333, 333
//	Split(-1000, {1, 1, 1}) = -334, -333, -333
//	Split(100, {3, 0, 1})   = 75, 0, 25
func Split(total Amount, weights []int64) ([]Amount, error) {
	sum := uint64(0)
	for _, weight := range weights {
		if weight < 0 {
			return nil, ErrWeights
		}
		// Two numbers below 2^63 cannot overflow 64 bits.
		if sum += uint64(weight); sum > 1<<63-1 {
			return nil, ErrWeights
		}
	}
	if sum == 0 {
		return nil, ErrWeights
	}

	// The magnitude is split and the sign put back, so that a refund splits
	// as its payment did. As an unsigned number it holds even -2^63.
	magnitude := uint64(total)
	if total < 0 {
		magnitude = -magnitude
	}
	shares := make([]share, len(weights))
	leftover := magnitude
	for i, weight := range weights {
		// The product is at most magnitude × sum, so its quotient by sum fits.
		high, low := bits.Mul64(magnitude, uint64(weight))
		part, remainder := bits.Div64(high, low, sum)
		shares[i] = share{index: i, part: part, remainder: remainder}
		leftover -= part
	}

	// There are fewer units left over than parts that were rounded down,
	// because each of those lost less than one unit.
	slices.SortFunc(shares, func(a, b share) int {
		return cmp.Or(cmp.Compare(b.remainder, a.remainder), cmp.Compare(a.index, b.index))
	})
	parts := make([]Amount, len(weights))
	for i, s := range shares {
		if uint64(i) < leftover {
			s.part++
		}
		if total < 0 {
			s.part = -s.part
		}
		parts[s.index] = Amount(s.part)
	}
	return parts, nil
}

// share is one part on the way: rounded down, and what that cost it.
type share struct {
	index     int
	part      uint64
	remainder uint64
}
