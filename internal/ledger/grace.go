package ledger

import (
	"slices"
	"time"

	"github.com/billfold/billfold/internal/money"
)

// GraceReason is what the entries of [extend] say of themselves. No API key asked
// for them.
const GraceReason = "Given back after expiry"

// extend has a reversal followed by what gives the money of expired lots a grace
// period (law L5): for each category of it one debit of just what the reversal gave
// back to such lots, and one credit of as much that undoes this debit into a lot of
// its own, which lives for the grace. Both count against the account that a credit
// of the category counts against, so that they cancel out there.
//
//	reverse 500 of lots 1:300(expired) 2:200
//	then #2 debit 300 of lot 1, #3 credit 300 that reverses #2 and opens lot 3
//
// What such a lot has left beyond that stays in it, for the sweep to write off. A
// wallet that owes pays with the credits.
func extend(s Snapshot, change Change, returned []Lot, grace time.Duration, m Moment) Change {
	now := change.Entry.CreatedAt
	for _, category := range []Category{Promotional, Paid} {
		var parts []Allocation
		var sum money.Amount // of parts of a reversal, which is in range
		for _, lot := range returned {
			if lot.Category == category && lot.ExpiredAt(now) {
				parts = append(parts, Allocation{LotSeq: lot.Seq, Amount: lot.Remaining})
				sum += lot.Remaining
			}
		}
		if sum == 0 {
			continue
		}
		after := s.After(&change)
		debit := after.graceEntry(now, m)
		debit.Direction, debit.Amount, debit.Account, debit.Allocations = Debit, sum, accountOf(category), parts
		wallet := after.Wallet
		wallet.Balance -= sum
		wallet.Lots = takeParts(wallet.Lots, parts)
		taken := conclude(&after, debit, wallet)
		change = change.Then(&taken)

		after = s.After(&change)
		credit := after.graceEntry(now, m)
		credit.Direction, credit.Amount, credit.Account, credit.Reverses = Credit, sum, debit.Account, debit.ID
		credit.Category, credit.ExpiresAt = category, now.Add(grace)
		wallet = after.Wallet
		wallet.Balance += sum // as it was before the debit
		lot := Lot{Seq: credit.Seq, Category: category, ExpiresAt: credit.ExpiresAt, Remaining: sum}
		wallet.Lots = OpenLot(wallet.Lots, lot)
		given := recoverDebt(after, conclude(&after, credit, wallet), m)
		change = change.Then(&given)
	}
	return change
}

// graceEntry is the next entry with what both entries of a category have.
func (s *Snapshot) graceEntry(now time.Time, m Moment) Entry {
	entry := nextEntry(s, now, m.Random)
	entry.EventType, entry.Metadata = EventMerchantAdjustment, "{}"
	entry.Reason, entry.CreatedBy = GraceReason, SystemCreator
	return entry
}

// takeParts returns lots without parts of them. Both are in spend order. It does
// not change its argument.
func takeParts(lots []Lot, parts []Allocation) []Lot {
	left := make([]Lot, 0, len(lots))
	for i, lot := range lots {
		if len(parts) == 0 {
			return append(left, lots[i:]...)
		}
		if lot.Seq == parts[0].LotSeq {
			lot.Remaining -= parts[0].Amount
			parts = parts[1:]
		}
		if lot.Remaining > 0 {
			left = append(left, lot)
		}
	}
	return slices.Clip(left)
}
