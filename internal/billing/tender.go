package billing

import (
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// The codes that the rules of billing give, beside those of the ledger.
const (
	CodeBelowMinimum   ledger.Code = "REQUEST_AMOUNT_BELOW_MINIMUM"
	CodeInvoiceNotOpen ledger.Code = "INVOICE_NOT_OPEN"
)

// BelowMinimum is what becomes of a rest that is less than the processor charges.
type BelowMinimum string

const (
	// LeaveInWallet has the wallet pay less, so that the card pays just the minimum.
	LeaveInWallet BelowMinimum = "leave_in_wallet"

	// ChargeMinimum has the card pay the minimum, and the wallet get what is too much.
	ChargeMinimum BelowMinimum = "charge_minimum"
)

// TenderRules are what a business has set about tenders, as of when the invoice was
// finalized.
type TenderRules struct {
	// LeaveWallet keeps the wallet out of it.
	LeaveWallet bool `json:"leave_wallet"`

	// CardMinimum is the least that the processor charges in the currency, 0 …
	// money.EntryMax.
	CardMinimum money.Amount `json:"card_minimum"`
	Below       BelowMinimum `json:"below"`
}

// Tender is how an invoice is split. The parts sum to its total:
//
//	Wallet + Card - Surplus = total
type Tender struct {
	Wallet  money.Amount `json:"wallet"`  // 0 … what is available
	Card    money.Amount `json:"card"`    // 0, or at least the minimum
	Surplus money.Amount `json:"surplus"` // of Card, which the wallet is credited with
}

// PlanTender splits a total, 0 to money.EntryMax, where available can be taken of
// the wallet. The wallet pays first. The card pays the rest, and never less than the
// processor charges (law S4):
//
//	total 10.00, available  9.80, minimum 0.50, leave in wallet    9.50 + 0.50
//	total 10.00, available  9.80, minimum 0.50, charge minimum     9.80 + 0.50, of which 0.30 is credited
//	total 10.00, available 12.00                                  10.00 + 0
//
// It refuses with [CodeBelowMinimum] a total that is below the minimum itself, not
// covered by the wallet, and not to be raised to it.
func PlanTender(total, available money.Amount, rules TenderRules) (Tender, error) {
	if total < 0 || total > money.EntryMax {
		return Tender{}, ledger.FieldErrorf(ledger.CodeAmountTooLarge, "amount", "an invoice has 0 to %d minor units, not %d", money.EntryMax, total)
	}
	if available < 0 || rules.CardMinimum < 0 || rules.CardMinimum > money.EntryMax {
		return Tender{}, ledger.Errorf(ledger.CodeInternal, "a tender of %d available with a minimum of %d", available, rules.CardMinimum)
	}
	tender := Tender{Wallet: min(total, available)}
	if rules.LeaveWallet {
		tender.Wallet = 0
	}
	tender.Card = total - tender.Wallet
	short := rules.CardMinimum - tender.Card
	switch {
	case tender.Card == 0 || short <= 0:
	case rules.Below == ChargeMinimum:
		tender.Card, tender.Surplus = rules.CardMinimum, short
	case short <= tender.Wallet:
		tender.Card, tender.Wallet = rules.CardMinimum, tender.Wallet-short
	default:
		return Tender{}, ledger.FieldErrorf(CodeBelowMinimum, "amount",
			"%d minor units are less than the %d that the card processor charges at least, and the wallet does not cover them", total, rules.CardMinimum)
	}
	return tender, nil
}

// Categories says how much of the wallet's part is promotional and how much is
// paid. The lots are those of the wallet in spend order, as they were when the plan
// was made, and cover at least the part.
func (t Tender) Categories(lots []ledger.Lot, now time.Time) (promotional, paid money.Amount, err error) {
	spent, _, missing := ledger.SpendLots(lots, t.Wallet, now)
	if missing > 0 {
		return 0, 0, ledger.Errorf(ledger.CodeInternal, "the lots do not cover the wallet's part of a tender")
	}
	for _, lot := range lots {
		if len(spent) == 0 || spent[0].LotSeq != lot.Seq {
			continue // it has expired, or is not needed
		}
		if lot.Category == ledger.Promotional {
			promotional += spent[0].Amount // parts of what fits into one entry
		} else {
			paid += spent[0].Amount
		}
		spent = spent[1:]
	}
	return promotional, paid, nil
}
