package money

import (
	"errors"
	"strconv"
	"strings"
)

// The reasons for which [Parse] and [ParseDecimal] refuse a text.
var (
	ErrCurrency = errors.New("unknown currency; use an upper-case ISO 4217 code such as USD")
	ErrDecimal  = errors.New("an amount must be digits with at most one point, such as 12.34, without separators")
	ErrDigits   = errors.New("the amount has more decimal places than its currency")
	ErrRange    = errors.New("the amount is too large")
)

// Format writes an amount for people, with as many decimal places as its
// currency has: "12.34 USD", "-0.05 USD", "1234 JPY", "1.234 KWD". [Parse]
// reads it back exactly.
func Format(amount Amount, currency Currency) string {
	return FormatDecimal(amount, currency) + " " + string(currency)
}

// FormatDecimal is [Format] without the currency's name.
func FormatDecimal(amount Amount, currency Currency) string {
	sign, magnitude := "", uint64(amount)
	if amount < 0 {
		sign, magnitude = "-", -magnitude
	}
	digits := strconv.FormatUint(magnitude, 10)
	exponent := currency.Exponent()
	if exponent == 0 {
		return sign + digits
	}
	if missing := exponent + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	point := len(digits) - exponent
	return sign + digits[:point] + "." + digits[point:]
}

// Parse reads an amount with its currency, such as "12.34 USD".
func Parse(text string) (Amount, Currency, error) {
	decimal, code, ok := strings.Cut(text, " ")
	if !ok {
		return 0, "", ErrCurrency
	}
	amount, err := ParseDecimal(decimal, Currency(code))
	if err != nil {
		return 0, "", err
	}
	return amount, Currency(code), nil
}

// ParseDecimal reads an amount of major units: "12.34", "12.3" and "12" for
// USD, all exact. It refuses what it would have to guess or round: separators,
// a plus sign, an exponent, and more decimal places than the currency has.
func ParseDecimal(text string, currency Currency) (Amount, error) {
	if !currency.Valid() {
		return 0, ErrCurrency
	}
	unsigned, negative := strings.CutPrefix(text, "-")
	integer, fraction, hasPoint := strings.Cut(unsigned, ".")
	if !isDigits(integer) || hasPoint && !isDigits(fraction) {
		return 0, ErrDecimal
	}
	missing := currency.Exponent() - len(fraction)
	if missing < 0 {
		return 0, ErrDigits
	}
	// The sign goes through ParseInt with the digits, because -2^63 has no
	// positive counterpart.
	digits := integer + fraction + strings.Repeat("0", missing)
	if negative {
		digits = "-" + digits
	}
	minor, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, ErrRange
	}
	return Amount(minor), nil
}
