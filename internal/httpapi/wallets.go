package httpapi

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// handleWalletList lists a customer's wallets: one for each enabled currency,
// from the customer's first moment on, and every other that has entries.
func (s *Server) handleWalletList(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	id, err := c.customerID()
	if err != nil {
		return err
	}
	now := s.book.Now()
	list, err := s.book.Store().Wallets(c.r.Context(), c.tenant(), id, now)
	if err != nil {
		return err
	}
	wallets := withEmptyWallets(list, c.settings.Currencies)
	now = list.Chain.At(now)

	out := append(c.scratch.out[:0], `{"items":[`...)
	for i := range wallets {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendWallet(out, &wallets[i], int64(wallets[i].Available(now)))
	}
	total := totalUSD(wallets, c.settings)
	out = append(out, `],"total_balance_usd":`...)
	out = strconv.AppendInt(out, int64(total.cents), 10)
	out = append(out, `,"total_balance_usd_saturated":`...)
	out = strconv.AppendBool(out, total.saturated)
	out = append(out, `,"unconverted_currencies":[`...)
	for i, currency := range total.unconverted {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendString(out, string(currency))
	}
	c.reply(http.StatusOK, append(out, "]}"...))
	return nil
}

// withEmptyWallets returns the wallets of a customer with one more for each
// enabled currency that has none yet, sorted by currency.
func withEmptyWallets(list ledger.WalletList, enabled []money.Currency) []ledger.Wallet {
	wallets := make([]ledger.Wallet, 0, len(list.Wallets)+len(enabled))
	wallets = append(wallets, list.Wallets...)
	for _, currency := range enabled {
		if slices.ContainsFunc(list.Wallets, func(w ledger.Wallet) bool { return w.Currency == currency }) {
			continue
		}
		wallets = append(wallets, ledger.Wallet{
			Tenant:     list.Customer.Tenant,
			CustomerID: list.Customer.ID,
			Currency:   currency,
			CreatedAt:  list.Customer.CreatedAt,
			UpdatedAt:  list.Customer.CreatedAt,
		})
	}
	slices.SortFunc(wallets, func(a, b ledger.Wallet) int {
		if a.Currency < b.Currency {
			return -1
		}
		return 1
	})
	return wallets
}

// usdTotal is what all wallets are worth together, for display.
type usdTotal struct {
	cents       money.Amount
	saturated   bool
	unconverted []money.Currency // not empty, but without a rate
}

// totalUSD adds up what can be converted. It never fails: a currency without a
// rate is named, and a sum that JavaScript could not read exactly stops at the
// largest one that it can (law M7).
func totalUSD(wallets []ledger.Wallet, settings *access.Settings) usdTotal {
	var total usdTotal
	for i := range wallets {
		currency, balance := wallets[i].Currency, wallets[i].Balance
		if balance == 0 {
			continue
		}
		cents, saturated := balance, false
		if currency != "USD" {
			// Rates were checked when they were set; a missing one does not
			// parse either.
			rate, err := money.ParseRate(settings.USDRates[currency])
			if err != nil {
				total.unconverted = append(total.unconverted, currency)
				continue
			}
			cents, saturated = rate.Convert(balance, currency, "USD")
		}
		sum, ok := total.cents.Add(cents)
		if !ok || sum > money.BalanceMax {
			sum, saturated = money.BalanceMax, true
		}
		total.cents = sum
		total.saturated = total.saturated || saturated
	}
	return total
}
