package verify

import (
	"fmt"
	"slices"
)

// Law is the name of a rule that must hold at every moment.
type Law string

// The laws that verify checks. One finding is reported for each.
const (
	LawTenancy     Law = "N1" // every row belongs to a customer, a business and a mode that exist
	LawDoubleEntry Law = "M1" // each entry has two sides; all sides of a currency sum to zero
	LawCurrency    Law = "M2" // each entry is in one currency
	LawBalance     Law = "M3" // a wallet's balance is the sum of its entries
	LawChain       Law = "M4" // before, after and hash link each entry to the one before
	LawSequence    Law = "M5" // numbers have no gaps and follow the order of commits
	LawImmutable   Law = "M6" // a row is encoded as it was written
	LawRange       Law = "M7" // amounts and balances stay within their limits
	LawOverdraft   Law = "O1" // available is balance less held less expired, and never below zero
	LawDebt        Law = "O3" // a reversal beyond its credit's lot is a debt, which the next credits pay
	LawOnce        Law = "K1" // a customer's idempotency key has one entry
	LawListing     Law = "R3" // links and marks lead a list to each entry once
	LawTime        Law = "R4" // time never goes back along position
	LawLots        Law = "L1" // what is left in the lots is the balance
	LawSpendOrder  Law = "L2" // debits take the lots that are next in spend order
	LawExpiry      Law = "L3" // an expired lot is not spent
	LawSweep       Law = "L4" // what an expired lot has left is written off once, and whole
	LawUndo        Law = "L5" // a reversal gives back to a debit's lots, or takes from a credit's, and no more
	LawMove        Law = "L6" // an expiry is moved by a debit of the whole lot and a credit that brings it back
	LawNotice      Law = "L7" // a lot that expires soon is announced once, before it expires
	LawHolds       Law = "H1" // what is held is the sum of the active holds
	LawAlerts      Law = "A1" // a threshold that is crossed is told once, by the entry or hold event that crosses it
	LawHoldParts   Law = "H2" // a hold is what was captured, given back and is left of it
	LawHoldEnd     Law = "H3" // a hold ends once
	LawTenders     Law = "S1" // an invoice that is paid is what the wallet and the card paid; of no other anything was taken
	LawCardOnce    Law = "S2" // the card is charged for an invoice once, and no attempt is made beside one that is open
	LawOwnedHold   Law = "S5" // what is held for an invoice is held by one that is to be paid
	LawRefunds     Law = "F1" // refunds of an invoice give back no more than was paid, of each of its parts
	LawRefundOnce  Law = "F2" // a refund is kept with its invoice, and gives back once what it says
	LawPeriods     Law = "Q2" // a period of a subscription is billed once
	LawAudit       Law = "N5" // the audit trail is a chain, and has left the customer as it is
	LawEvents      Law = "E1" // the feed tells of each fact once
)

var laws = []Law{
	LawTenancy, LawDoubleEntry, LawCurrency, LawBalance, LawChain, LawSequence, LawImmutable, LawRange, LawOverdraft,
	LawDebt, LawOnce, LawListing, LawTime, LawLots, LawSpendOrder, LawExpiry, LawSweep, LawUndo, LawMove, LawNotice, LawHolds,
	LawAlerts, LawHoldParts, LawHoldEnd, LawTenders, LawCardOnce, LawOwnedHold, LawRefunds, LawRefundOnce, LawPeriods,
	LawAudit, LawEvents,
}

// Laws lists every law that verify checks, in the order of a report.
func Laws() []Law { return slices.Clone(laws) }

// Finding is the first row that breaks a law, and how many do.
type Finding struct {
	Law        Law    `json:"law"`
	BusinessID string `json:"business_id"`
	Mode       string `json:"mode"`
	CustomerID string `json:"customer_id"`
	Currency   string `json:"currency"`

	// Position is the customer's position of the entry to look at, 0 when the
	// finding is not about one entry. Entry is its id, No its row. A finding of
	// law N5 is about an entry of the audit trail, which has positions of its own.
	Position int64  `json:"position"`
	Entry    string `json:"entry"`
	No       int64  `json:"no"`

	Message string `json:"message"`

	// Count is how often the law was found broken, this finding included.
	Count int64 `json:"count"`
}

// String is the finding in one line.
func (f Finding) String() string {
	var where string
	if f.BusinessID != "" {
		where += fmt.Sprintf(" business %s (%s)", f.BusinessID, f.Mode)
	}
	if f.CustomerID != "" {
		where += " customer " + f.CustomerID
	}
	if f.Currency != "" {
		where += " " + f.Currency
	}
	if f.Position > 0 {
		where += fmt.Sprintf(" position %d", f.Position)
	}
	if f.Entry != "" {
		where += " entry " + f.Entry
	}
	if where != "" {
		where += ":"
	}
	more := ""
	if f.Count > 1 {
		more = fmt.Sprintf(" (and %d more)", f.Count-1)
	}
	return fmt.Sprintf("%s:%s %s%s", f.Law, where, f.Message, more)
}

// AccountSum is what one account of a business, mode and currency holds.
type AccountSum struct {
	BusinessID string `json:"business_id"`
	Mode       string `json:"mode"`
	Currency   string `json:"currency"`

	// Account is a counter account, or "wallets" for all wallets together.
	Account string `json:"account"`

	// Sum is in minor units, as decimal text: it may pass 64 bits. The sums of
	// all accounts of a currency are zero (law M1).
	Sum string `json:"sum"`
}

// Report is what a run saw and found.
type Report struct {
	Entries   int64 `json:"entries"`
	Customers int64 `json:"customers"`
	Wallets   int64 `json:"wallets"`
	Invoices  int64 `json:"invoices"` // a quick run looks at none

	// Findings has at most one item for each law, in the order of the laws. It
	// is empty when every law holds.
	Findings []Finding `json:"findings"`

	// Accounts is the trial balance. A quick run has none.
	Accounts []AccountSum `json:"accounts,omitempty"`
}

// Clean reports whether every law held.
func (r Report) Clean() bool { return len(r.Findings) == 0 }

// findings collects the first break of each law.
type findings map[Law]*Finding

// add counts a break. Only the first of a law is worth its text.
func (f findings) add(law Law, where Finding, format string, args ...any) {
	if first, ok := f[law]; ok {
		first.Count++
		return
	}
	where.Law, where.Message, where.Count = law, fmt.Sprintf(format, args...), 1
	f[law] = &where
}

func (f findings) list() []Finding {
	list := make([]Finding, 0, len(f))
	for _, law := range laws {
		if first, ok := f[law]; ok {
			list = append(list, *first)
		}
	}
	return slices.Clip(list)
}
