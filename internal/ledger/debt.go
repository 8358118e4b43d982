package ledger

import (
	"time"

	"github.com/billfold/billfold/internal/money"
)

// What the entries of a debt say of themselves. No API key asked for them.
const (
	LoanReason     = "Owed after a reversal"
	RecoveryReason = "Debt recovered"
)

// lend puts the snapshot behind a credit that lends the wallet what a reversal
// takes beyond what the lot of its credit has left, and returns it; nil where
// nothing is missing. So the wallet is never negative, and what it owes stands in
// the account of debts (law O3).
//
//	#1 credit 100, #2 debit 70 of lot 1, reverse 1
//	then #3 credit 70 against debt, #4 debit 100 of lot 1:30 and the loan that reverses #1
//
// The loan opens no lot, for the reversal right behind it takes it whole, and is never
// available. It is refused where balance or debt would pass the limit.
func (s *Snapshot) lend(missing money.Amount, now time.Time, m Moment) (*Entry, error) {
	if missing <= 0 {
		return nil, nil
	}
	wallet := s.Wallet
	balance, ok := wallet.Balance.Add(missing)
	debt, counts := wallet.Debt.Add(missing)
	if !ok || !counts || max(balance, debt) > money.BalanceMax {
		return nil, FieldErrorf(CodeBalanceLimit, "amount", "what the wallet owes, or has with it, would pass the largest balance, %d minor units", money.BalanceMax)
	}
	entry := s.debtEntry(now, m)
	entry.Direction, entry.Amount, entry.Reason = Credit, missing, LoanReason
	wallet.Balance, wallet.Debt = balance, debt
	loan := conclude(s, entry, wallet)
	*s = s.After(&loan)
	return &loan.Entry, nil
}

// Owe has a wallet owe what something outside has taken beyond all that can be asked of
// its lots, as a lost dispute: a loan, and a debit that takes it whole, against the account
// of the purpose. It is refused where balance or debt would pass the limit.
//
//	a dispute of 100 is lost of which 30 were held: #5 debit 30 captures them,
//	then #6 credit 70 against debt, #7 debit 70 of the loan against disputes
//
// Nobody undoes the debit: what comes back is credited anew, and pays what is owed then.
func Owe(s Snapshot, r *PostRequest, m Moment) (Change, error) {
	now := s.Chain.At(m.Now)
	available := s.Wallet.Available(now)
	lent, err := s.lend(r.Amount, now, m)
	if err != nil {
		return Change{}, err
	}
	entry := nextEntry(&s, now, m.Random)
	entry.Direction, entry.Amount = Debit, r.Amount
	entry.EventType, entry.Account = r.Purpose.EventType, r.Purpose.Account
	entry.Reason, entry.ReferenceObjectID, entry.Metadata = r.Reason, r.ReferenceObjectID, metadataOr(r.Metadata)
	entry.Fingerprint, entry.CreatedBy = r.Fingerprint(), r.CreatedBy
	entry.Allocations = []Allocation{{LotSeq: LoanLot, Amount: r.Amount}}
	wallet := s.Wallet
	wallet.Balance -= r.Amount
	if err := wallet.putInForce(s.Customer.Alerts, r.DefaultAlerts, available); err != nil {
		return Change{}, err
	}
	change := conclude(&s, entry, wallet)
	change.Lent = lent
	return change, nil
}

// recoverDebt has a credit that brought money to a wallet which owes followed by a
// debit that pays what it can of the debt, from what the credit brought and from
// nothing else. The credit is the last entry of the change, which was decided on
// the snapshot. What has expired by then pays nothing, and neither does what was in
// the wallet before.
//
//	owed 70    #5 credit 50, then #6 debit 50 of lot 5 against debt; owed 20
//	           #7 credit 50, then #8 debit 20 of lot 7 against debt; nothing owed
//
// Nobody asks for it, so a freeze of debits does not keep it back. The credit is not
// undone by it, and can be reversed whole: what it has paid is then owed again.
func recoverDebt(s Snapshot, change Change, m Moment) Change {
	credit := &change.Entry
	if n := len(change.Follows); n > 0 {
		credit = &change.Follows[n-1]
	}
	parts, sum := change.Wallet.claimed(credit)
	if len(parts) == 0 {
		return change
	}
	after := s.After(&change)
	debit := after.debtEntry(credit.CreatedAt, m)
	debit.Direction, debit.Amount, debit.Reason = Debit, sum, RecoveryReason
	debit.Allocations, debit.Reverses = parts, credit.ID
	wallet := after.Wallet
	wallet.Balance -= sum
	wallet.Debt -= sum
	wallet.Lots = takeParts(wallet.Lots, parts)
	paid := conclude(&after, debit, wallet)
	return change.Then(&paid)
}

// availableAfter is what a debit could have taken right after an entry that has left
// the wallet as it is.
func (w *Wallet) availableAfter(e *Entry) money.Amount {
	_, claimed := w.claimed(e)
	return w.Available(e.CreatedAt) - claimed
}

// claimed is what of a credit is not available after it, because the entry behind it
// takes it: all of a loan, and else what pays the debt, with the parts of the lots
// that it comes from. The wallet is the one right after the credit.
func (w *Wallet) claimed(credit *Entry) (parts []Allocation, sum money.Amount) {
	if w.Debt == 0 || credit.Direction != Credit || credit.Account == AccountExpiryMoves {
		return nil, 0
	}
	if credit.Account == AccountDebt {
		return nil, credit.Amount
	}
	brought := credit.Allocations
	if credit.OpensLot() {
		brought = []Allocation{{LotSeq: credit.Seq, Amount: credit.Amount}}
	}
	next := 0 // the parts are in spend order, as the lots are
	for _, part := range brought {
		for w.Lots[next].Seq != part.LotSeq {
			next++
		}
		if part.Amount = min(part.Amount, w.Debt-sum); part.Amount > 0 && !w.Lots[next].ExpiredAt(credit.CreatedAt) {
			parts = append(parts, part)
			sum += part.Amount
		}
	}
	return parts, sum
}

// debtEntry is the next entry with what those of a loan and of its recovery have.
func (s *Snapshot) debtEntry(now time.Time, m Moment) Entry {
	entry := nextEntry(s, now, m.Random)
	entry.EventType, entry.Account, entry.Metadata = EventMerchantAdjustment, AccountDebt, "{}"
	entry.CreatedBy = SystemCreator
	return entry
}

// LoanLot stands for a loan among the lots that a reversal or a dispute took: it is no lot.
const LoanLot = 0

// Owed is how much of what a reversal of a credit, or a dispute, took was lent to the wallet
// by the entry before it, and is owed since; 0 for every other entry.
func (e *Entry) Owed() money.Amount {
	if n := len(e.Allocations); n > 0 && e.Allocations[n-1].LotSeq == LoanLot {
		return e.Allocations[n-1].Amount
	}
	return 0
}
