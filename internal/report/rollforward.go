package report

import (
	"fmt"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// Column is one of the ways in which what is owed to customers changes.
type Column uint8

// The columns of a roll-forward, in their order.
const (
	Funded Column = iota
	Promoted
	Spent
	Refunded
	Expired
	Disputed
	Adjusted
	columns
)

// ColumnOf says where a movement counts. Loans and what pays them, transfers and moved
// expiries are adjustments: they bring a customer nothing, or bring it to another one.
func ColumnOf(m Movement) Column {
	if m.Loan {
		return Adjusted
	}
	switch m.Account {
	case ledger.AccountCash:
		return Funded
	case ledger.AccountPromotion:
		return Promoted
	case ledger.AccountRevenue:
		return Spent
	case ledger.AccountRefunds:
		return Refunded
	case ledger.AccountBreakage:
		return Expired
	case ledger.AccountDisputes:
		return Disputed
	}
	return Adjusted
}

// AllCategories stands for paid and promotional money together.
const AllCategories = "all"

// RollForward is what was owed at the begin of a period, how it changed, and what was
// owed at its end. Amounts that lower it are negative, so that all add up.
type RollForward struct {
	From, To time.Time // To is the first moment behind the period
	Currency money.Currency
	Category string
	Opening  money.Amount
	Moved    [columns]money.Amount
	Closing  money.Amount
	Entries  int64
}

// Liability rolls forward what is owed to customers, for each period between two edges
// that follow each other, currency and category. It fails where opening and movements do
// not lead to the closing balance, which is what the wallets have now without what was
// moved since.
func (a *Activity) Liability() (rows []RollForward, err error) {
	for _, currency := range a.currencies() {
		of := make(map[string][]RollForward)
		for _, category := range []string{string(ledger.Paid), string(ledger.Promotional), AllCategories} {
			if of[category], err = a.rollForward(currency, category); err != nil {
				return nil, err
			}
		}
		if err := a.tie(currency, of); err != nil {
			return nil, err
		}
		for i := range len(a.edges) - 1 {
			for _, category := range []string{string(ledger.Paid), string(ledger.Promotional), AllCategories} {
				rows = append(rows, of[category][i])
			}
		}
	}
	slices.SortStableFunc(rows, func(a, b RollForward) int { return a.From.Compare(b.From) })
	return rows, nil
}

// rollForward follows a currency and category from the first entry on.
func (a *Activity) rollForward(currency money.Currency, category string) (rows []RollForward, err error) {
	var closing money.Amount
	for i := range len(a.edges) {
		row := RollForward{Currency: currency, Category: category, Opening: closing}
		parts := []money.Amount{closing}
		for key, sum := range a.moved[i] {
			if key.currency != currency || (category != AllCategories && category != string(key.movement.Category)) {
				continue
			}
			if !sum.Fits() {
				return nil, errTooLarge
			}
			moved := &row.Moved[ColumnOf(key.movement)]
			if *moved, err = plus(*moved, sum.Credited-sum.Debited); err != nil {
				return nil, err
			}
			row.Entries += sum.Entries
		}
		parts = append(parts, row.Moved[:]...)
		if closing, err = plus(parts...); err != nil {
			return nil, err
		}
		row.Closing = closing
		if i > 0 {
			row.From, row.To = time.UnixMicro(a.edges[i-1]).UTC(), time.UnixMicro(a.edges[i]).UTC()
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// tie holds the closing balances against the wallets: these have what was owed at an
// edge, and what was moved behind it.
func (a *Activity) tie(currency money.Currency, of map[string][]RollForward) error {
	owed := a.wallets[currency].Balance
	for i := len(a.edges) - 1; i > 0; i-- {
		for key, sum := range a.moved[i+1] {
			if key.currency == currency {
				owed -= sum.Credited - sum.Debited
			}
		}
		all := of[AllCategories][i-1]
		parts := of[string(ledger.Paid)][i-1].Closing + of[string(ledger.Promotional)][i-1].Closing
		if all.Closing != owed || parts != owed {
			return fmt.Errorf("report: %s closes at %s with %d, its categories with %d, and the wallets had %d",
				currency, all.To.Format(time.RFC3339Nano), all.Closing, parts, owed)
		}
	}
	return nil
}

// Balance is a line of a trial balance. Debits and credits are those of bookkeeping: a
// credit of a wallet of 500 from cash debits cash with 500 and credits the wallets.
type Balance struct {
	Currency money.Currency
	Account  string
	Opening  money.Amount // credits less debits before the period
	Debited  money.Amount
	Credited money.Amount
	Closing  money.Amount
}

// WalletAccount is the account of what is owed to customers, for a category.
func WalletAccount(category ledger.Category) string { return "wallets_" + string(category) }

// Accounts are the names of all accounts, in the order of a trial balance.
func Accounts() []string {
	accounts := []string{WalletAccount(ledger.Paid), WalletAccount(ledger.Promotional)}
	for _, account := range []ledger.Account{
		ledger.AccountMerchant, ledger.AccountCash, ledger.AccountRevenue, ledger.AccountPromotion, ledger.AccountBreakage,
		ledger.AccountRefunds, ledger.AccountDisputes, ledger.AccountDebt, ledger.AccountTransfers, ledger.AccountExpiryMoves,
	} {
		accounts = append(accounts, string(account))
	}
	return accounts
}

// TrialBalance is what every account had at the first edge, what was moved until the
// second, and what it had then. Of each currency all accounts are there, and their
// closing balances sum to zero.
func (a *Activity) TrialBalance() (lines []Balance, err error) {
	for _, currency := range a.currencies() {
		of := make(map[string]*Balance)
		for _, account := range Accounts() {
			lines = append(lines, Balance{Currency: currency, Account: account})
		}
		own := lines[len(lines)-len(Accounts()):]
		for i := range own {
			of[own[i].Account] = &own[i]
		}
		for i := range 2 {
			for key, sum := range a.moved[i] {
				if key.currency != currency {
					continue
				}
				other := of[string(key.movement.Account)]
				wallets := of[WalletAccount(key.movement.Category)]
				if other == nil || wallets == nil {
					return nil, fmt.Errorf("report: %q moves no account that is known", key.movement.Label())
				}
				if err := post(wallets, i == 0, sum.Debited, sum.Credited); err != nil {
					return nil, err
				}
				if err := post(other, i == 0, sum.Credited, sum.Debited); err != nil {
					return nil, err
				}
			}
		}
		var sum money.Amount
		for i := range own {
			if own[i].Closing, err = plus(own[i].Opening, own[i].Credited, -own[i].Debited); err != nil {
				return nil, err
			}
			sum += own[i].Closing
		}
		if sum != 0 {
			return nil, fmt.Errorf("report: the accounts in %s sum to %d", currency, sum)
		}
	}
	return lines, nil
}

func post(to *Balance, before bool, debited, credited money.Amount) (err error) {
	if before {
		to.Opening, err = plus(to.Opening, credited, -debited)
		return err
	}
	if to.Debited, err = plus(to.Debited, debited); err != nil {
		return err
	}
	to.Credited, err = plus(to.Credited, credited)
	return err
}
