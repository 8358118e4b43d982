package stripe

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/billfold/billfold/internal/money"
)

// TestAmounts has amounts in the smallest units of both, as Stripe's page of currencies
// gives its examples.
func TestAmounts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		ours     money.Amount
		currency money.Currency
		theirs   int64 // 0: it cannot be said
	}{
		{1000, "USD", 1000}, {1, "EUR", 1}, {500, "JPY", 500}, {5, "ISK", 500}, {5, "UGX", 500}, {5120, "KWD", 5120},
		{5124, "KWD", 0}, {500, "MGA", 5}, {550, "MGA", 0}, {17500, "HUF", 17500}, {80045, "TWD", 80045},
		{0, "USD", 0}, {-1, "USD", 0}, {money.EntryMax, "UGX", int64(money.EntryMax) * 100}, {money.EntryMax + 1, "USD", 0},
		{100, "LYD", 0}, {100, "CLF", 0}, {100, "usd", 0}, {100, "", 0},
	} {
		theirs, ok := toStripe(test.ours, test.currency)
		if ok != (test.theirs != 0) || ok && theirs != test.theirs {
			t.Errorf("%d %s: got %d, %t, want %d", test.ours, test.currency, theirs, ok, test.theirs)
		}
	}
	for _, test := range []struct {
		theirs   int64
		currency string
		ours     money.Amount
	}{
		{50050, "ugx", 0}, {-5, "usd", 0}, {math.MaxInt64, "usd", 0}, {math.MinInt64, "mga", 0}, {7, "mga", 700},
		{7, "clf", 0}, {7, "x", 0},
	} {
		ours, currency := fromStripe(test.theirs, test.currency)
		if ours != test.ours || currency == money.Currency(test.currency) {
			t.Errorf("%d %s: got %d %s, want %d", test.theirs, test.currency, ours, currency, test.ours)
		}
	}
}

// TestAmountsComeBack has what can be said to Stripe come back as what it was.
func TestAmountsComeBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		currency := rapid.SampledFrom(money.Currencies()).Draw(t, "currency")
		amount := money.Amount(rapid.Int64Range(1, int64(money.EntryMax)).Draw(t, "amount"))
		theirs, ok := toStripe(amount, currency)
		if !ok {
			return
		}
		if back, code := fromStripe(theirs, string(currency)); back != amount || code != currency {
			t.Fatalf("%d %s is %d at Stripe and comes back as %d %s", amount, currency, theirs, back, code)
		}
	})
}

// TestMinimums has the least of each currency sayable, and that of those with a step.
func TestMinimums(t *testing.T) {
	t.Parallel()
	for _, currency := range money.Currencies() {
		_, known := scaleOf(currency)
		if _, ok := toStripe(Minimum(currency), currency); ok != known {
			t.Errorf("%s: the minimum %d can be said: %t, want %t", currency, Minimum(currency), ok, known)
		}
	}
	for currency, want := range map[money.Currency]money.Amount{
		"USD": 50, "JPY": 50, "HUF": 17500, "KWD": 10, "ISK": 1, "MGA": 100, "KRW": 1, "ZAR": 1,
	} {
		if got := Minimum(currency); got != want {
			t.Errorf("%s: got %d, want %d", currency, got, want)
		}
	}
}
