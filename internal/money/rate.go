package money

import (
	"errors"
	"math/big"
	"strconv"
	"strings"
)

// The most digits that a rate may have before and after its point.
const (
	rateIntegerDigitsMax  = 12
	rateFractionDigitsMax = 12
)

// rateScale is 10^rateFractionDigitsMax, the denominator of every rate.
const rateScale = 1_000_000_000_000

// ErrRate says that a text is not a rate.
var ErrRate = errors.New("a rate must be a decimal number above 0, such as 0.0119, " +
	"with at most 12 digits before and 12 after the point")

// Rate says what one major unit of a currency is worth in another. Rates serve
// display only: no entry's amount is ever converted (law M2). The zero Rate is
// not a rate; [ParseRate] makes them.
type Rate struct {
	integer  uint64 // below 10^12
	fraction uint64 // below 10^12, in units of 10^-12
}

// ParseRate reads a rate from plain decimal text. It refuses a sign, an
// exponent, spaces, leading zeros, and a point without digits on both sides.
func ParseRate(text string) (Rate, error) {
	integer, fraction, hasPoint := strings.Cut(text, ".")
	switch {
	case !isDigits(integer) || len(integer) > rateIntegerDigitsMax,
		len(integer) > 1 && integer[0] == '0',
		hasPoint && (!isDigits(fraction) || len(fraction) > rateFractionDigitsMax):
		return Rate{}, ErrRate
	}
	fraction += strings.Repeat("0", rateFractionDigitsMax-len(fraction))
	var rate Rate
	var err error
	if rate.integer, err = strconv.ParseUint(integer, 10, 64); err != nil {
		return Rate{}, ErrRate
	}
	if rate.fraction, err = strconv.ParseUint(fraction, 10, 64); err != nil {
		return Rate{}, ErrRate
	}
	if rate == (Rate{}) {
		return Rate{}, ErrRate
	}
	return rate, nil
}

// String returns the shortest text that [ParseRate] reads as this rate.
func (r Rate) String() string {
	integer := strconv.FormatUint(r.integer, 10)
	if r.fraction == 0 {
		return integer
	}
	fraction := strconv.FormatUint(r.fraction, 10)
	fraction = strings.Repeat("0", rateFractionDigitsMax-len(fraction)) + fraction
	return integer + "." + strings.TrimRight(fraction, "0")
}

// Convert returns what amount is worth in the minor units of another currency,
// rounded half to even, where r is the worth of one major unit of from in major
// units of to. A result beyond [BalanceMax] on either side of zero becomes
// BalanceMax with that sign, and saturated says so.
//
// With r = 0.0119 from INR to USD, 10000 paise are 119 cents; with r = 0.0067
// from JPY to USD, 100 yen are 67 cents.
func (r Rate) Convert(amount Amount, from, to Currency) (converted Amount, saturated bool) {
	// amount ÷ 10^from × (integer + fraction ÷ 10^12) × 10^to, with every
	// division put off to the end so that it rounds once.
	numerator := new(big.Int).SetUint64(r.integer)
	numerator.Mul(numerator, big.NewInt(rateScale))
	numerator.Add(numerator, new(big.Int).SetUint64(r.fraction))
	numerator.Mul(numerator, big.NewInt(int64(amount)))
	numerator.Mul(numerator, powerOfTen(to.Exponent()))
	denominator := big.NewInt(rateScale)
	denominator.Mul(denominator, powerOfTen(from.Exponent()))

	result := divideHalfEven(numerator, denominator)
	if result.CmpAbs(big.NewInt(int64(BalanceMax))) > 0 {
		return BalanceMax * Amount(result.Sign()), true
	}
	return Amount(result.Int64()), false
}

// divideHalfEven returns numerator ÷ denominator, which must be positive,
// rounded to the nearest integer and from the middle to the even one.
func divideHalfEven(numerator, denominator *big.Int) *big.Int {
	quotient, remainder := new(big.Int).QuoRem(numerator, denominator, new(big.Int))
	// QuoRem cuts towards zero; the sign of what was cut off is the
	// numerator's. Twice the remainder against the denominator tells on which
	// side of the middle it lies.
	sign := int64(remainder.Sign())
	side := remainder.Lsh(remainder, 1).CmpAbs(denominator)
	if side > 0 || (side == 0 && quotient.Bit(0) == 1) {
		quotient.Add(quotient, big.NewInt(sign))
	}
	return quotient
}

func powerOfTen(exponent int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(exponent)), nil)
}

// isDigits reports whether a text is one or more of 0 to 9.
func isDigits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return text != ""
}
