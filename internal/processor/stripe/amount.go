package stripe

import (
	"strings"

	"github.com/billfold/billfold/internal/money"
)

// scale is how Stripe counts a currency that it does not count as ISO 4217 does, or
// not in hundredths.
type scale struct {
	times   money.Amount // our minor units times this …
	divided money.Amount // … divided by this are Stripe's
	step    money.Amount // Stripe takes multiples of this only
}

var (
	hundredths = scale{1, 1, 1}
	whole      = scale{1, 1, 1}     // neither has decimals
	padded     = scale{100, 1, 100} // ISO 4217 has no decimals, Stripe two, which are 00
	truncated  = scale{1, 100, 1}   // ISO 4217 has two decimals, Stripe none
	thousandth = scale{1, 1, 10}    // the last of three decimals is 0
)

// scales are from Stripe's page of supported currencies. Currencies that are not here
// have two decimals with both, or Stripe does not take them.
var scales = map[money.Currency]scale{
	"BIF": whole, "CLP": whole, "DJF": whole, "GNF": whole, "JPY": whole, "KMF": whole, "KRW": whole, "PYG": whole,
	"RWF": whole, "VND": whole, "VUV": whole, "XAF": whole, "XOF": whole, "XPF": whole,
	"ISK": padded, "UGX": padded,
	"MGA": truncated,
	"BHD": thousandth, "JOD": thousandth, "KWD": thousandth, "OMR": thousandth, "TND": thousandth,
}

// minimums are what Stripe says it charges at least, in our minor units. They are for
// accounts that settle in the same currency; others are held against the minimum of
// theirs after conversion, which only Stripe can know.
var minimums = map[money.Currency]money.Amount{
	"USD": 50, "AED": 200, "AUD": 50, "BGN": 100, "BRL": 50, "CAD": 50, "CHF": 50, "CZK": 1500, "DKK": 250, "EUR": 50,
	"GBP": 30, "HKD": 400, "HUF": 17500, "INR": 50, "JPY": 50, "MXN": 1000, "MYR": 200, "NOK": 300, "NZD": 50,
	"PLN": 200, "RON": 200, "SEK": 300, "SGD": 50, "THB": 1000,
}

func scaleOf(currency money.Currency) (scale, bool) {
	if s, ok := scales[currency]; ok {
		return s, true
	}
	return hundredths, currency.Valid() && currency.Exponent() == 2
}

// Minimum returns the least that Stripe charges in a currency. Where it names none, that
// is the least that can be expressed; what it finds too little it refuses when the
// payment is created.
func Minimum(currency money.Currency) money.Amount {
	if minimum, ok := minimums[currency]; ok {
		return minimum
	}
	s, _ := scaleOf(currency)
	return max(1, s.divided, s.step/s.times)
}

// Minimum is [Minimum].
func (a *Adapter) Minimum(currency money.Currency) money.Amount { return Minimum(currency) }

// toStripe is an amount in Stripe's smallest units, and false where it cannot be
// expressed exactly or Stripe does not count the currency in a way that is known.
func toStripe(amount money.Amount, currency money.Currency) (int64, bool) {
	s, ok := scaleOf(currency)
	if !ok || amount < 1 || amount > money.EntryMax || amount%s.divided != 0 {
		return 0, false
	}
	theirs := amount * s.times / s.divided // EntryMax * 100 is far below 2^63
	return int64(theirs), theirs%s.step == 0
}

// fromStripe is an amount of Stripe's in our minor units. One that cannot be expressed
// is 0, which is the amount of no payment of ours.
func fromStripe(amount int64, currency string) (money.Amount, money.Currency) {
	ours := money.Currency(strings.ToUpper(currency))
	s, ok := scaleOf(ours)
	theirs := money.Amount(amount)
	if !ok || amount < 0 || theirs > money.EntryMax*100 || theirs%s.times != 0 {
		return 0, ours
	}
	return theirs / s.times * s.divided, ours
}
