package money

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestFormat(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		amount   Amount
		currency Currency
		want     string
	}{
		{1234, "USD", "12.34 USD"},
		{5, "USD", "0.05 USD"},
		{-5, "USD", "-0.05 USD"},
		{0, "USD", "0.00 USD"},
		{100, "INR", "1.00 INR"},
		{1234, "JPY", "1234 JPY"},
		{0, "JPY", "0 JPY"},
		{-7, "JPY", "-7 JPY"},
		{1234, "KWD", "1.234 KWD"},
		{1, "KWD", "0.001 KWD"},
		{BalanceMax, "USD", "90071992547409.91 USD"},
		{amountLeast, "USD", "-92233720368547758.08 USD"},
		{amountMost, "KWD", "9223372036854775.807 KWD"},
	} {
		if got := Format(test.amount, test.currency); got != test.want {
			t.Errorf("Format(%d, %s): got %q, want %q", test.amount, test.currency, got, test.want)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Amount{
		"12.34 USD": 1234, "12.3 USD": 1230, "12 USD": 1200, "-12.34 USD": -1234, "0 USD": 0, "-0.05 USD": -5,
		"007 USD": 700, "5 JPY": 5, "1.5 KWD": 1500, "-92233720368547758.08 USD": amountLeast,
		"92233720368547758.07 USD": amountMost,
	} {
		got, currency, err := Parse(text)
		if err != nil || got != want || string(currency) != text[len(text)-3:] {
			t.Errorf("Parse(%q): got %d, %s, error %v, want %d", text, got, currency, err, want)
		}
	}
	for text, want := range map[string]error{
		"": ErrCurrency, "12.34": ErrCurrency, "12.34 usd": ErrCurrency, "12.34 XTS": ErrCurrency, "12.34  USD": ErrCurrency,
		"12.34 USD ": ErrCurrency, "USD 12.34": ErrCurrency, " USD": ErrDecimal, ". USD": ErrDecimal, "1. USD": ErrDecimal,
		".5 USD": ErrDecimal, "+1 USD": ErrDecimal, "--1 USD": ErrDecimal, "- USD": ErrDecimal, "1,000 USD": ErrDecimal,
		"1_0 USD": ErrDecimal, "1e3 USD": ErrDecimal, "1.2.3 USD": ErrDecimal, "１ USD": ErrDecimal, "0x1 USD": ErrDecimal,
		"12.345 USD": ErrDigits, "12.340 USD": ErrDigits, "1.0 JPY": ErrDigits, "1.0000 KWD": ErrDigits,
		"92233720368547758.08 USD": ErrRange, "-92233720368547758.09 USD": ErrRange,
		strings.Repeat("9", 10_000) + " USD": ErrRange,
	} {
		if got, _, err := Parse(text); !errors.Is(err, want) {
			t.Errorf("Parse(%.40q): got %d, error %v, want %v", text, got, err, want)
		}
	}
}

func TestParseReadsWhatFormatWrites(t *testing.T) {
	t.Parallel()
	currencies := Currencies()
	rapid.Check(t, func(t *rapid.T) {
		amount, currency := anyAmount().Draw(t, "amount"), rapid.SampledFrom(currencies).Draw(t, "currency")
		text := Format(amount, currency)
		got, gotCurrency, err := Parse(text)
		if err != nil || got != amount || gotCurrency != currency {
			t.Fatalf("Parse(%q): got %d, %s, error %v, want %d, %s", text, got, gotCurrency, err, amount, currency)
		}
	})
}

func FuzzParseFormat(f *testing.F) {
	for _, seed := range []string{"12.34 USD", "-0.05 USD", "1234 JPY", "1.234 KWD", "1,000 USD", "12.345 USD", "-0 INR", "00.1 USD"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		amount, currency, err := Parse(text)
		if err != nil {
			return
		}
		printed := Format(amount, currency)
		again, againCurrency, err := Parse(printed)
		if err != nil || again != amount || againCurrency != currency {
			t.Fatalf("%q prints as %q, which parses to %d %s, error %v, want %d %s",
				text, printed, again, againCurrency, err, amount, currency)
		}
		// Leading zeros, a sign before zero and missing decimal places are all
		// that the accepted text and the printed one may differ by.
		if plain(text) != plain(printed) {
			t.Fatalf("%q prints as %q", text, printed)
		}
	})
}

// plain reduces a decimal text with a currency to what it says.
func plain(text string) string {
	decimal, currency, _ := strings.Cut(text, " ")
	unsigned, negative := strings.CutPrefix(decimal, "-")
	integer, fraction, _ := strings.Cut(unsigned, ".")
	integer, fraction = strings.TrimLeft(integer, "0"), strings.TrimRight(fraction, "0")
	if negative && integer+fraction != "" {
		integer = "-" + integer
	}
	return integer + "." + fraction + " " + currency
}
