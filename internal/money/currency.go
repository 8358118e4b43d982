package money

//go:generate go run ./gen

// Currency is an ISO 4217 alphabetic code in upper case, such as "USD".
type Currency string

// Valid reports whether the currency is one of the 145 of the wire format.
func (c Currency) Valid() bool {
	place, ok := c.place()
	return ok && exponentsPlusOne[place] != 0
}

// Exponent returns how many decimal digits the minor unit has by ISO 4217: 2
// for USD, 0 for JPY, 3 for KWD (law M8). CLDR and card processors differ for
// some currencies; their adapters convert. It returns 0 for an invalid currency.
func (c Currency) Exponent() int {
	place, ok := c.place()
	if !ok || exponentsPlusOne[place] == 0 {
		return 0
	}
	return int(exponentsPlusOne[place]) - 1
}

// place is the currency's index in the table: its three letters as the digits
// of a number in base 26. It returns false for a text that is not three letters
// A to Z. The table is an array because each request asks for its currency
// several times, and a map takes four times as long (BenchmarkCurrency).
func (c Currency) place() (int, bool) {
	if len(c) != 3 {
		return 0, false
	}
	// A byte below 'A' wraps round to far above 25.
	first, second, third := c[0]-'A', c[1]-'A', c[2]-'A'
	if first > 25 || second > 25 || third > 25 {
		return 0, false
	}
	return int(first)*26*26 + int(second)*26 + int(third), true
}

// Currencies returns the 145 currencies of the wire format, sorted by code.
func Currencies() []Currency {
	currencies := make([]Currency, 0, currencyCount)
	for place, plusOne := range exponentsPlusOne {
		if plusOne == 0 {
			continue
		}
		code := [3]byte{'A' + byte(place/(26*26)), 'A' + byte(place/26%26), 'A' + byte(place%26)}
		currencies = append(currencies, Currency(code[:]))
	}
	return currencies
}
