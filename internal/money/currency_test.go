package money

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestCurrenciesGolden holds all 145 currencies of the wire with exponents.
func TestCurrenciesGolden(t *testing.T) {
	t.Parallel()
	const golden = "testdata/currencies.golden"
	var got strings.Builder
	for _, currency := range Currencies() {
		fmt.Fprintf(&got, "%s %d\n", currency, currency.Exponent())
	}
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("currencies differ from %s (-want +got):\n%s", golden, diff)
	}
}

// TestCurrenciesByHand repeats what is known of the list without the generator
// and without the golden file: how many there are, and which do not have two
// digits.
func TestCurrenciesByHand(t *testing.T) {
	t.Parallel()
	all := Currencies()
	if len(all) != 145 {
		t.Errorf("number of currencies: got %d, want 145", len(all))
	}
	if !slices.IsSorted(all) {
		t.Errorf("order: got %v, want sorted by code", all)
	}
	none := strings.Fields("BIF CLP DJF GNF JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF")
	three := strings.Fields("BHD IQD JOD KWD LYD OMR TND")
	for _, currency := range all {
		want := 2
		switch {
		case slices.Contains(none, string(currency)):
			want = 0
		case slices.Contains(three, string(currency)):
			want = 3
		}
		if got := currency.Exponent(); got != want {
			t.Errorf("exponent of %s: got %d, want %d", currency, got, want)
		}
		if !currency.Valid() {
			t.Errorf("%s: got invalid, want valid", currency)
		}
	}
}

// TestExponentsThatOtherListsGetWrong names the currencies for which CLDR or
// card processors use another number, and those withdrawn but still on the
// wire.
func TestExponentsThatOtherListsGetWrong(t *testing.T) {
	t.Parallel()
	for currency, want := range map[Currency]int{
		"IQD": 3, "LBP": 2, "AMD": 2, "COP": 2, "CRC": 2, "HUF": 2, "IDR": 2, "LAK": 2, "MGA": 2, "MMK": 2,
		"PKR": 2, "RSD": 2, "SOS": 2, "TWD": 2, "TZS": 2, "UZS": 2, "YER": 2, "ALL": 2, "GYD": 2, "MUR": 2,
		"UGX": 0, "CLP": 0, "RWF": 0, "MRU": 2, "UYU": 2,
		"HRK": 2, "SLL": 2, "BGN": 2, "ANG": 2,
	} {
		if got := currency.Exponent(); got != want || !currency.Valid() {
			t.Errorf("%s: got exponent %d, valid %t, want %d, true", currency, got, currency.Valid(), want)
		}
	}
}

func TestWhatIsNoCurrency(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "U", "US", "USDX", "usd", "Usd", "US1", "US ", " USD", "@@@", "[[[", "ＵＳＤ", "\x00\x00\x00", "€",
		"AAA", "ZZZ", "XTS", "XAU", // of the standard, but no money on the wire
		"ISK", "AFN", "CDF", "XCG", "ZWG", // money, but not of the 145
		strings.Repeat("USD", 1000),
	} {
		currency := Currency(text)
		if currency.Valid() || currency.Exponent() != 0 {
			t.Errorf("%q: got valid %t, exponent %d, want false, 0", text, currency.Valid(), currency.Exponent())
		}
	}
}

// TestEveryTextOfThreeLetters tries all texts of three ASCII characters.
func TestEveryTextOfThreeLetters(t *testing.T) {
	t.Parallel()
	var valid []Currency
	for n := range 128 * 128 * 128 {
		text := [3]byte{byte(n / (128 * 128)), byte(n / 128 % 128), byte(n % 128)}
		if currency := Currency(text[:]); currency.Valid() {
			valid = append(valid, currency)
		}
	}
	if diff := cmp.Diff(Currencies(), valid); diff != "" {
		t.Errorf("valid texts (-Currencies +found):\n%s", diff)
	}
}

// TestCurrencyLookUpDoesNotAllocate guards the path of every request.
func TestCurrencyLookUpDoesNotAllocate(t *testing.T) {
	if got := testing.AllocsPerRun(100, func() {
		if !Currency("USD").Valid() || Currency("KWD").Exponent() != 3 {
			t.Error("USD or KWD is not in the table")
		}
	}); got != 0 {
		t.Errorf("allocations of a look-up: got %v, want 0", got)
	}
}

func BenchmarkCurrency(b *testing.B) {
	all := Currencies()
	b.Run("array", func(b *testing.B) {
		b.ReportAllocs()
		digits, i := 0, 0
		for b.Loop() {
			if all[i].Valid() {
				digits += all[i].Exponent()
			}
			i = (i + 1) % len(all)
		}
	})
	b.Run("map", func(b *testing.B) {
		exponents := map[Currency]int{}
		for _, currency := range all {
			exponents[currency] = currency.Exponent()
		}
		b.ReportAllocs()
		digits, i := 0, 0
		for b.Loop() {
			if _, ok := exponents[all[i]]; ok {
				digits += exponents[all[i]]
			}
			i = (i + 1) % len(all)
		}
	})
}
