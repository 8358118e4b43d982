package money

import (
	"errors"
	"math/big"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseRate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"1": "1", "0.0119": "0.0119", "83.5": "83.5", "83.50": "83.5", "1.000": "1", "10": "10",
		"0.000000000001":            "0.000000000001",
		"999999999999.999999999999": "999999999999.999999999999",
		"123456789012.000000000100": "123456789012.0000000001",
	} {
		rate, err := ParseRate(text)
		if err != nil || rate.String() != want {
			t.Errorf("ParseRate(%q): got %s, error %v, want %s", text, rate, err, want)
		}
	}
	for _, text := range []string{
		"", "0", "0.0", "0.000000000000", "-1", "+1", "-0", "1e3", "1E3", "1.5e-3", "0x1", "1_000", "1,5", "1 ", " 1",
		".5", "5.", ".", "..", "1.2.3", "01", "00.5", "NaN", "Inf", "١", "1\x00", "1\n",
		"1234567890123", "0.1234567890123", strings.Repeat("1", 100_000), "1." + strings.Repeat("0", 100_000),
	} {
		if rate, err := ParseRate(text); !errors.Is(err, ErrRate) {
			t.Errorf("ParseRate(%.40q): got %s, error %v, want ErrRate", text, rate, err)
		}
	}
}

func TestConvertByHand(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		rate      string
		amount    Amount
		from, to  Currency
		want      Amount
		saturated bool
	}{
		{"rupees", "0.0119", 10000, "INR", "USD", 119, false},
		{"yen have no minor unit", "0.0067", 100, "JPY", "USD", 67, false},
		{"dinars have three digits", "3.25", 1000, "KWD", "USD", 325, false},
		{"dollars to dinars", "0.3077", 100, "USD", "KWD", 308, false},
		{"dollars to yen", "150", 199, "USD", "JPY", 298, false},
		{"the same currency", "1", 12345, "USD", "USD", 12345, false},
		{"half goes down to even", "0.5", 1, "USD", "USD", 0, false},
		{"half goes up to even", "0.5", 3, "USD", "USD", 2, false},
		{"half of five goes down to even", "0.5", 5, "USD", "USD", 2, false},
		{"just above half", "0.500000000001", 1, "USD", "USD", 1, false},
		{"just below half", "0.499999999999", 1, "USD", "USD", 0, false},
		{"negative half", "0.5", -1, "USD", "USD", 0, false},
		{"negative half and odd", "0.5", -3, "USD", "USD", -2, false},
		{"nothing", "5", 0, "USD", "EUR", 0, false},
		{"the limit itself", "1", BalanceMax, "USD", "USD", BalanceMax, false},
		{"one above the limit", "1", BalanceMax + 1, "USD", "USD", BalanceMax, true},
		{"far above the limit", "999999999999", amountMost, "JPY", "KWD", BalanceMax, true},
		{"far below the limit", "999999999999", amountLeast, "JPY", "KWD", -BalanceMax, true},
		{"too little to see", "0.000000000001", 1, "KWD", "JPY", 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, saturated := mustParseRate(t, test.rate).Convert(test.amount, test.from, test.to)
			if got != test.want || saturated != test.saturated {
				t.Errorf("%d %s at %s in %s: got %d, %t, want %d, %t",
					test.amount, test.from, test.rate, test.to, got, saturated, test.want, test.saturated)
			}
		})
	}
}

// TestConvertProperties compares with exact fractions: the result is never
// more than half a unit away, in the middle it is even, and it is symmetric.
func TestConvertProperties(t *testing.T) {
	t.Parallel()
	currencies := Currencies()
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Map(rapid.StringMatching(`(0|[1-9][0-9]{0,11})\.[0-9]{11}[1-9]`), func(text string) Rate {
			rate, err := ParseRate(text)
			if err != nil {
				t.Fatalf("ParseRate(%q): got error %v, want none", text, err)
			}
			return rate
		}).Draw(t, "rate")
		amount := anyAmount().Draw(t, "amount")
		from, to := rapid.SampledFrom(currencies).Draw(t, "from"), rapid.SampledFrom(currencies).Draw(t, "to")
		got, saturated := rate.Convert(amount, from, to)

		exact, ok := new(big.Rat).SetString(rate.String())
		if !ok {
			t.Fatalf("rate %s: big.Rat does not read it", rate)
		}
		exact.Mul(exact, new(big.Rat).SetInt(bigOf(amount)))
		exact.Mul(exact, new(big.Rat).SetFrac(tenTo(to.Exponent()), tenTo(from.Exponent())))
		if saturated {
			// Saturation needs a result that rounds beyond the limit.
			limit := new(big.Rat).Add(new(big.Rat).SetInt(bigOf(BalanceMax)), big.NewRat(1, 2))
			if new(big.Rat).Abs(exact).Cmp(limit) < 0 || got != BalanceMax*Amount(exact.Sign()) {
				t.Fatalf("%s: got %d saturated", exact, got)
			}
			return
		}
		distance := new(big.Rat).Sub(exact, new(big.Rat).SetInt(bigOf(got)))
		switch distance.Abs(distance).Cmp(big.NewRat(1, 2)) {
		case 1:
			t.Fatalf("%s: got %d, more than half a unit away", exact.FloatString(6), got)
		case 0:
			if got%2 != 0 {
				t.Fatalf("%s: got %d, want the even neighbour", exact.FloatString(6), got)
			}
		}
		if got > BalanceMax || got < -BalanceMax {
			t.Fatalf("got %d beyond the limit and not saturated", got)
		}
	})
}

func FuzzParseRate(f *testing.F) {
	for _, seed := range []string{"1", "0.0119", "999999999999.999999999999", "0", "01", "1.", ".1", "-1", "1e3", "0.50"} {
		f.Add(seed)
	}
	shape := regexp.MustCompile(`^(0|[1-9][0-9]{0,11})(\.[0-9]{1,12})?$`)
	f.Fuzz(func(t *testing.T, text string) {
		rate, err := ParseRate(text)
		wellFormed := shape.MatchString(text) && strings.Trim(text, "0.") != ""
		if (err == nil) != wellFormed {
			t.Fatalf("ParseRate(%q): got error %v, want accepted %t", text, err, wellFormed)
		}
		if err != nil {
			return
		}
		printed := rate.String()
		again, err := ParseRate(printed)
		if err != nil || again != rate || again.String() != printed {
			t.Fatalf("ParseRate(%q) prints %q, which parses to %s, error %v", text, printed, again, err)
		}
		if len(printed) > len(text) {
			t.Fatalf("%q prints longer, as %q", text, printed)
		}
	})
}

func mustParseRate(t *testing.T, text string) Rate {
	t.Helper()
	rate, err := ParseRate(text)
	if err != nil {
		t.Fatalf("ParseRate(%q): got error %v, want none", text, err)
	}
	return rate
}

func tenTo(exponent int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(exponent)), nil)
}
