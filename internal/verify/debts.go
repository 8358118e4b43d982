package verify

import "slices"

const (
	// debtAccount is the account of what wallets owe after reversals.
	debtAccount = "debt"

	// loanLot stands for a loan among the lots that a reversal took.
	loanLot = 0
)

// isDebt reports whether the entry lends a wallet what a reversal takes beyond the
// lot of its credit, or pays such a debt.
func (e *entryRow) isDebt() bool { return string(e.account) == debtAccount }

// isDispute reports whether the entry is a debit by which a lost dispute takes what was lent.
func (e *entryRow) isDispute() bool {
	return !e.isCredit && e.reverses == nil && e.holdID == nil && string(e.account) == "disputes" &&
		string(e.eventType) == "dispute" && string(e.createdBy) == "system"
}

// checkDisputed checks a debit that takes a loan whole, and nothing else.
func checkDisputed(e *entryRow, due *debtDue, report reporter) {
	want := []part{{seq: loanLot, amount: due.loan}}
	if e.amount != due.loan || e.decodes && !slices.Equal(want, e.allocations) || e.key != nil {
		report(LawDebt, "takes %d of the %d that entry %s has lent", e.amount, due.loan, due.id)
	}
}

// debtDue is what the customer's next entry must take (law O3): the loan that an entry
// made, or what its credit has to pay of the wallet's debt, in spend order.
type debtDue struct {
	id, currency string
	loan         int64 // 0: it is about a credit
	pays         []lot
}

// claimed is what is in the balance for the next entry to take, and for no other.
func (d *debtDue) claimed() int64 {
	if d == nil {
		return 0
	}
	return d.loan + d.sum()
}

// sum is what is to be paid.
func (d *debtDue) sum() (sum int64) {
	if d != nil {
		for _, l := range d.pays {
			sum += l.remaining
		}
	}
	return sum
}

// checkDebtDue checks that an entry takes what the one before it asks for, which it
// returns; nil for nothing.
func checkDebtDue(owner *customer, e *entryRow, report reporter) *debtDue {
	due := owner.debtDue
	owner.debtDue = nil
	pays := e.isDebt() && !e.isCredit
	takes := !e.isCredit && (e.reverses != nil || e.isDispute()) && !e.isDebt()
	switch {
	case due == nil && pays:
		report(LawDebt, "pays a debt, and no credit before it has to")
	case due == nil:
	case due.loan > 0 && (!takes || e.currency != due.currency):
		report(LawDebt, "loan %s is not taken by the entry behind it", due.id)
		return nil
	case due.loan == 0 && (!pays || e.currency != due.currency):
		report(LawDebt, "entry %s brought money to a wallet that owes, and the next one pays nothing", due.id)
		return nil
	}
	return due
}

// checkDebt checks an entry against the account of debts, and plays it.
func checkDebt(owner *customer, book *walletBook, e *entryRow, due *debtDue, report reporter) {
	book.debt += e.signed()
	if book.debt < 0 || book.debt > balanceMax {
		report(LawDebt, "makes what the wallet owes %d, want 0 to %d", book.debt, int64(balanceMax))
		book.debt = max(book.debt, 0)
	}
	if e.key != nil || e.holdID != nil || string(e.createdBy) != "system" || len(e.category) > 0 || e.expiresAt != 0 {
		report(LawDebt, "a debt is made or paid with key %q by %s, and with category %q", e.key, e.createdBy, e.category)
	}
	if e.isCredit {
		if e.reverses != nil || e.decodes && len(e.allocations) > 0 {
			report(LawDebt, "a loan reverses %q and takes from %d lots", e.reverses, len(e.allocations))
		}
		owner.debtDue = &debtDue{id: string(e.id), currency: e.currency, loan: e.amount}
		return
	}
	if due == nil {
		return
	}
	isPart := func(l lot, p part) bool { return l.seq == p.seq && l.remaining == p.amount }
	isDue := e.amount == due.sum() && string(e.reverses) == due.id
	if !isDue || e.decodes && !slices.EqualFunc(due.pays, e.allocations, isPart) {
		report(LawDebt, "pays %d from entry %q, where %d of what entry %s brought are due", e.amount, e.reverses, due.sum(), due.id)
	}
	for _, l := range due.pays {
		book.lots.takeBack(l, report)
	}
}

// claim notes what a credit has to pay at once where the wallet owes: what it brought
// to lots that have not expired, the first to be spent first.
func (o *customer) claim(book *walletBook, e *entryRow, brought []lot) {
	left := book.debt
	var pays []lot
	for _, l := range brought {
		if l.remaining = min(l.remaining, left); l.remaining > 0 && (l.expiresAt == 0 || l.expiresAt > e.createdAt) {
			pays = append(pays, l)
			left -= l.remaining
		}
	}
	if len(pays) > 0 {
		o.debtDue = &debtDue{id: string(e.id), currency: e.currency, pays: pays}
	}
}

// takeBeyond takes what a reversal takes of the lot of its credit, of which it undoes
// so much, and returns the parts that it must name. With a loan that is all that the
// lot has left.
func (b *lotBook) takeBeyond(undone []lot, loan int64, report reporter) (parts []part) {
	for _, l := range undone {
		if l.remaining -= loan; l.remaining < 0 {
			report(LawDebt, "undoes less than the %d that the entry before has lent", loan)
			continue
		}
		if l.remaining > 0 {
			b.takeBack(l, report)
			parts = append(parts, part{seq: l.seq, amount: l.remaining})
		}
		if left, isExpired := b.find(l.seq); loan > 0 && left != nil && !isExpired {
			report(LawDebt, "was lent %d, and leaves %d in lot %d", loan, left.remaining, l.seq)
		}
	}
	if loan > 0 {
		parts = append(parts, part{seq: loanLot, amount: loan})
	}
	return parts
}
