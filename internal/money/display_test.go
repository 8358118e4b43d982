package money_test

import (
	"math"
	"testing"

	"github.com/billfold/billfold/internal/money"
)

func TestDisplay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		amount   money.Amount
		currency money.Currency
		long     string
		short    string
	}{
		{1234, "INR", "₹12.34", "₹12.34"},
		{-5, "USD", "-$0.05", "-$0.05"},
		{1234, "JPY", "1234 JPY", "1234"},
		{-1234, "KWD", "-1.234 KWD", "-1.234"},
		{math.MinInt64, "EUR", "-€92233720368547758.08", "-€92233720368547758.08"},
	} {
		if got := money.Display(c.amount, c.currency); got != c.long {
			t.Errorf("%d %s: got %q, want %q", c.amount, c.currency, got, c.long)
		}
		if got := money.DisplayShort(c.amount, c.currency); got != c.short {
			t.Errorf("%d %s, short: got %q, want %q", c.amount, c.currency, got, c.short)
		}
	}
}
