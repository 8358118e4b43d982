// Package money holds whole minor units of a currency and the arithmetic that
// may be done with them.
//
// An amount is a signed 64-bit count of the currency's smallest unit: cents for
// USD, paise for INR, yen for JPY. Nothing in this package, and nothing that
// imports it on the path of money, uses floating point; a test keeps it so.
package money

import (
	"strconv"
)

// Amount is a number of minor units. What one unit is worth depends on the
// currency it stands beside; an Amount alone says nothing.
type Amount int64

const (
	// EntryMax is the most that one ledger entry may move (law M7).
	EntryMax Amount = 999_999_999_999

	// BalanceMax is the most that one wallet may hold: the largest integer
	// that a JavaScript client reads exactly, 2^53 - 1 (law M7).
	BalanceMax Amount = 1<<53 - 1
)

// Add returns a + b and whether the sum fits into 64 bits.
func (a Amount) Add(b Amount) (Amount, bool) {
	sum := a + b
	// The sum overflowed exactly when both operands have the sign that the
	// sum does not have.
	return sum, (a^sum)&(b^sum) >= 0
}

// Sub returns a - b and whether the difference fits into 64 bits.
func (a Amount) Sub(b Amount) (Amount, bool) {
	difference := a - b
	return difference, (a^b)&(a^difference) >= 0
}

// Sum adds amounts and says whether every partial sum fitted into 64 bits.
func Sum(amounts ...Amount) (Amount, bool) {
	var total Amount
	for _, amount := range amounts {
		var ok bool
		if total, ok = total.Add(amount); !ok {
			return 0, false
		}
	}
	return total, true
}

// String returns the bare number of minor units, for logs and tests.
func (a Amount) String() string { return strconv.FormatInt(int64(a), 10) }
