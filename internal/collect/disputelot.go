package collect

import (
	"slices"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// short is the first dispute of a top-up that would take more of the lot if that had it, nil
// for none.
func (i *Invoice) short() *Disputed {
	at := slices.IndexFunc(i.Disputes, func(d Disputed) bool { return d.Short() })
	if i.Reason != ForTopUp || at < 0 {
		return nil
	}
	return &i.Disputes[at]
}

// disputing is a step about the dispute that gets what a refund gives back to the lot, nil for
// none. It is pure.
func (of *refunded) disputing(s *ledger.Snapshot, m ledger.Moment) *disputing {
	if of.dispute == nil {
		return nil
	}
	w := &disputing{s: *s, now: s.Chain.At(m.Now), m: m, invoice: of.invoice, d: of.dispute}
	w.lot = part{of.invoice.TopUp.LotSeq, of.dispute.Amount}
	w.s.Customer.Freezes, w.change = "", ledger.Change{Wallet: s.Wallet}
	return w
}

// takeOver has a dispute take what it asks of the hold of a refund that has failed, which
// gives back the rest: nobody can spend between the two. The bank has the money, so it is
// debited also while the dispute is open.
func (w *disputing) takeOver(holdID string, held money.Amount) error {
	amount := w.askable(held)
	if amount == 0 {
		_, err := w.add(ledger.Release(w.after(), &ledger.ReleaseRequest{
			Tenant: w.d.Tenant, CustomerID: w.d.CustomerID, HoldID: holdID, CreatedBy: creator,
		}, w.m))
		return err
	}
	next, err := w.add(ledger.Capture(w.after(), &ledger.CaptureRequest{
		Tenant: w.d.Tenant, CustomerID: w.d.CustomerID, HoldID: holdID, Amount: &amount, Final: true, Purpose: disputeLoss,
		ReferenceObjectID: w.d.ID, CreatedBy: creator,
	}, w.m))
	if err != nil {
		return err
	}
	w.d.Debits = append(slices.Clip(w.d.Debits), DisputePart{next.Entry.ID, amount})
	w.d.Lost += amount
	message := billing.DisputeMessage{Stage: w.d.Stage, Status: w.d.Status}
	if w.d.Held > 0 {
		w.d.Coming = &message // a worker looks at the rest at once
		return nil
	}
	step := billing.DecideDispute(w.d.ofAsked(), message, 0)
	return w.carryOut(&step)
}

// pinReturned has a dispute pin what has come back to the lot, on top of a change. What was
// lost is taken by a worker at once.
func (w *disputing) pinReturned(change ledger.Change) (ledger.Change, error) {
	w.change, w.begun = change, true
	amount := w.left()
	if amount == 0 || len(w.d.Holds) > 0 && w.d.Coming != nil {
		return change, nil
	}
	if err := w.hold(amount); err != nil {
		return change, err
	}
	w.d.Coming = &billing.DisputeMessage{Stage: w.d.Stage, Status: w.d.Status}
	return w.change, nil
}
