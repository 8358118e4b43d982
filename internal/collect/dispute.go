package collect

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// Disputes is the kind of object that a dispute is. What it takes of its payment is kept
// with the invoice as well, and both change in one commit: so the invoice decides alone how
// much can still be refunded.
const Disputes ledger.ObjectKind = "dispute"

// DisputeIDPrefix begins the id of every dispute.
const DisputeIDPrefix = "dsp_"

// DisputesMax is how many disputes a payment may have.
const DisputesMax = 20

// Dispute is a dispute as it is kept.
type Dispute struct {
	Tenant     ledger.Tenant `json:"-"`
	CustomerID string        `json:"-"`
	CreatedAt  time.Time     `json:"-"`
	UpdatedAt  time.Time     `json:"-"`

	billing.Dispute

	ProcessorID string         `json:"processor_id"` // of the dispute
	InvoiceID   string         `json:"invoice_id"`
	Currency    money.Currency `json:"currency"`
	Reason      string         `json:"reason,omitempty"` // as the processor says it

	// Holds are those that pin the lot for the dispute, and Debits the entries that have
	// taken of it. There is more than one only where money came back to the lot while it
	// was disputed.
	Holds  []DisputePart `json:"holds,omitempty"`
	Debits []DisputePart `json:"debits,omitempty"`

	// Asked is what of it the wallet answers for, which was credited with so much of the
	// payment. Attempt is that of a payment that came too late, 0 for the one that paid.
	Asked   money.Amount `json:"asked,omitempty"`
	Attempt int          `json:"attempt,omitempty"`

	// Coming is a message of which a part is carried out; nil for none.
	Coming *billing.DisputeMessage `json:"coming,omitempty"`
}

// DisputePart is a hold or an entry with its amount.
type DisputePart struct {
	ID     string       `json:"id"`
	Amount money.Amount `json:"amount"`
}

// Disputed is a dispute as its invoice keeps it.
type Disputed struct {
	billing.Dispute
	ProcessorID string    `json:"processor_id"`
	CreatedAt   time.Time `json:"created_at"`
	Attempt     int       `json:"attempt,omitempty"`
}

func disputeKey(id string) ledger.ObjectKey { return ledger.ObjectKey{Kind: Disputes, ID: id} }

// object is the dispute as it is kept. Lists are narrowed by its stage and status.
//
// One that the lot has not answered for is looked at again, for what comes back to the lot. It
// is due as long as that is so, and the worker knows when it has looked last: so nothing is
// written where nothing has moved. By a test clock it is due when it is to be looked at.
func (d *Dispute) object(now time.Time, clocked bool) (ledger.Object, error) {
	data, err := encode(d)
	object := ledger.Object{ObjectKey: disputeKey(d.ID), State: disputeState(d.Stage, d.Status), Data: string(data)}
	switch {
	case d.Coming == nil && d.short() && clocked:
		object.DueAt = now.Add(d.wait(now))
	case d.Coming != nil || d.short():
		object.DueAt = now
	}
	return object, err
}

// wait is how long after a look at the lot the next is due.
func (d *Dispute) wait(now time.Time) time.Duration {
	return billing.DisputeWait(now.Sub(d.CreatedAt), d.Claim() == billing.ClaimHold)
}

// disputeState is what lists of disputes are narrowed by.
func disputeState(stage billing.DisputeStage, status billing.DisputeStatus) string {
	if status == "" {
		return "none"
	}
	return string(stage) + ":" + string(status)
}

// DisputeOf is the dispute that an object keeps.
func DisputeOf(object *ledger.Object) (*Dispute, error) {
	dispute := &Dispute{
		Tenant: object.Tenant, CustomerID: object.CustomerID, CreatedAt: object.CreatedAt, UpdatedAt: object.UpdatedAt,
	}
	if err := json.Unmarshal([]byte(object.Data), dispute); err != nil {
		return nil, fmt.Errorf("dispute %s does not decode: %w", object.ID, err)
	}
	return dispute, nil
}

// disputed is what disputes have taken of what the card paid, or may take still. While one
// is open, its money is with the bank already.
func (i *Invoice) disputed() (sum money.Amount) {
	for n := range i.Disputes {
		if d := &i.Disputes[n]; d.Attempt == 0 && d.Claim() != billing.ClaimNone {
			sum += d.Amount
		}
	}
	return min(sum, i.Collection.Tender.Card-i.Collection.Tender.Surplus)
}

// dispute is the place among the invoice's disputes of one that the processor knows by an
// id, -1 for none.
func (i *Invoice) dispute(processorID string) int {
	return slices.IndexFunc(i.Disputes, func(d Disputed) bool { return d.ProcessorID == processorID })
}

// keepDispute takes over what a dispute has become.
func (i *Invoice) keepDispute(d *Dispute) {
	kept := Disputed{Dispute: d.Dispute, ProcessorID: d.ProcessorID, CreatedAt: d.CreatedAt, Attempt: d.Attempt}
	i.Disputes = slices.Clone(i.Disputes)
	if at := i.dispute(d.ProcessorID); at >= 0 {
		i.Disputes[at] = kept
		return
	}
	i.Disputes = append(i.Disputes, kept)
}

// disputeLoss is what is posted as what a lost dispute takes, and disputeWin what comes back.
var (
	disputeLoss = ledger.Purpose{EventType: ledger.EventDispute, Account: ledger.AccountDisputes}
	disputeWin  = ledger.Purpose{EventType: ledger.EventDisputeReversal, Account: ledger.AccountDisputes}
)

// disputing carries out one step of a message about a dispute: each changes one hold and one
// entry of the dispute at the most, so that one commit can have it. It is pure.
type disputing struct {
	s       ledger.Snapshot
	now     time.Time
	m       ledger.Moment
	invoice *Invoice
	d       *Dispute
	lot     part              // of those that answer, one that has something; the zero part for none
	more    bool              // others have something as well
	undone  ledger.Reversible // the last of the dispute's debits, the zero value for none
	change  ledger.Change
	begun   bool
}

// ofAsked is the dispute as far as the wallet answers for it.
func (d *Dispute) ofAsked() billing.Dispute {
	of := d.Dispute
	of.Amount = d.Asked
	return of
}

// short reports whether the dispute would take more of the lots if they had it.
func (d *Dispute) short() bool {
	of := d.ofAsked()
	return of.Short()
}

// left is what can be asked of the lot.
func (w *disputing) left() money.Amount {
	after := w.after()
	return w.askable(min(w.lot.most, after.Wallet.LotLeft(w.lot.seq, w.now)))
}

// askable is what the dispute asks of what a lot has. What the wallet has paid of its debt is
// not asked again.
func (w *disputing) askable(left money.Amount) money.Amount {
	if d := w.d; d.Debt > 0 {
		left = min(left, max(0, d.WrittenOff+min(d.Debt, w.s.Wallet.Debt)-d.Held))
	}
	of := w.d.ofAsked()
	return of.Unanswered(left)
}

// hear carries out a message, or a part of it, and reports whether that is the whole.
func (w *disputing) hear(message billing.DisputeMessage) (whole bool, err error) {
	w.d.Asked = w.invoice.asked(w.d)
	left := w.left()
	step := billing.DecideDispute(w.d.ofAsked(), message, left)
	none := step.Dispute.Claim() == billing.ClaimNone
	switch {
	case none && w.d.Held > 0 && w.expired():
		// What is released goes to the lot as it is. Taken, it comes back with the grace.
		return false, w.capture()
	case none && len(w.d.Debits) > 1:
		return false, w.restore()
	case none && len(w.d.Holds) > 1:
		return false, w.release()
	case !none && w.more && left > 0:
		return false, w.hold(left) // and then of the next lot
	case step.Capture > 0 && len(w.d.Holds) > 1:
		return false, w.capture()
	case step.Take > 0:
		// What is taken is pinned first, as if the dispute had been opened before.
		return false, w.hold(step.Take)
	}
	return true, w.carryOut(&step)
}

// expired reports whether the lot has expired that is held, where a grace follows that.
func (w *disputing) expired() bool {
	_, grace := w.invoice.terms(w.d.Attempt)
	return grace > 0 && slices.ContainsFunc(w.s.Hold.Lots, func(lot ledger.Lot) bool {
		return lot.ExpiredAt(w.now)
	})
}

// carryOut moves what a step moves, and takes over what it makes of the dispute. What was
// held and taken is told by what was done.
func (w *disputing) carryOut(step *billing.DisputeStep) (err error) {
	w.d.Stage, w.d.Status, w.d.WrittenOff = step.Dispute.Stage, step.Dispute.Status, step.Dispute.WrittenOff
	if step.Forgive > 0 { // before the lot gets anything, which would pay the debt
		err = w.forgive(step.Forgive)
	}
	if err == nil && step.Restore > 0 {
		err = w.restore()
	}
	if err == nil && step.Release > 0 {
		err = w.release()
	}
	if err == nil && step.Capture > 0 {
		err = w.capture()
	}
	if err == nil && step.Owe > 0 {
		err = w.owe(step.Owe)
	}
	if err == nil && step.Hold > 0 {
		err = w.hold(step.Hold)
	}
	return err
}

func (w *disputing) after() ledger.Snapshot {
	if !w.begun {
		return w.s
	}
	return w.s.After(&w.change)
}

// add puts another change on top of those before.
func (w *disputing) add(next ledger.Change, err error) (*ledger.Change, error) {
	switch {
	case err != nil:
		return nil, err
	case w.begun:
		w.change = w.change.Then(&next)
	default:
		w.change, w.begun = next, true
	}
	return &next, nil
}

func (w *disputing) hold(amount money.Amount) error {
	next, err := w.add(ledger.MakeHold(w.after(), &ledger.HoldRequest{
		Tenant: w.d.Tenant, CustomerID: w.d.CustomerID, Currency: w.d.Currency, Amount: amount,
		ExpiresAt: w.now.AddDate(ledger.HoldYears, 0, 0), LotSeq: w.lot.seq, ReferenceObjectID: w.d.ID,
		CreatedBy: creator, CurrencyEnabled: true, DefaultAlerts: w.invoice.DefaultAlerts,
	}, w.m))
	if err == nil {
		w.d.Holds = append(slices.Clip(w.d.Holds), DisputePart{next.Hold.Hold.ID, amount})
		w.d.Held += amount
	}
	return err
}

// last takes the last hold off the dispute.
func (w *disputing) last() DisputePart {
	n := len(w.d.Holds) - 1
	part := w.d.Holds[n]
	w.d.Holds, w.d.Held = slices.Clip(w.d.Holds[:n]), w.d.Held-part.Amount
	return part
}

func (w *disputing) release() error {
	_, err := w.add(ledger.Release(w.after(), &ledger.ReleaseRequest{
		Tenant: w.d.Tenant, CustomerID: w.d.CustomerID, HoldID: w.last().ID, CreatedBy: creator,
	}, w.m))
	return err
}

func (w *disputing) capture() error {
	part := w.last()
	next, err := w.add(ledger.Capture(w.after(), &ledger.CaptureRequest{
		Tenant: w.d.Tenant, CustomerID: w.d.CustomerID, HoldID: part.ID, Purpose: disputeLoss, ReferenceObjectID: w.d.ID,
		CreatedBy: creator,
	}, w.m))
	if err == nil {
		w.d.Debits = append(slices.Clip(w.d.Debits), DisputePart{next.Entry.ID, part.Amount})
		w.d.Lost += part.Amount
	}
	return err
}

// restore undoes the last debit: to the very lot, or to one that lives for the grace where
// that has expired.
func (w *disputing) restore() error {
	n := len(w.d.Debits) - 1
	part := w.d.Debits[n]
	_, grace := w.invoice.terms(w.d.Attempt)
	_, err := w.add(ledger.Reverse(w.after(), &ledger.ReverseRequest{
		Tenant: w.d.Tenant, CustomerID: w.d.CustomerID, EntryID: part.ID, Grace: grace,
		ReferenceObjectID: w.d.ID, CreatedBy: creator, DefaultAlerts: w.invoice.DefaultAlerts,
	}, &w.undone, w.m))
	if err == nil {
		w.d.Debits, w.d.Lost = slices.Clip(w.d.Debits[:n]), w.d.Lost-part.Amount
	}
	return err
}

// owe has the wallet owe what the lot could not answer for, where the business wants that
// and a wallet can owe so much.
func (w *disputing) owe(amount money.Amount) error {
	owes, _ := w.invoice.terms(w.d.Attempt)
	refused := !owes
	if !refused {
		next, err := ledger.Owe(w.after(), w.post(amount, disputeLoss), w.m)
		if refused = ledger.CodeOf(err) == ledger.CodeBalanceLimit; !refused {
			w.d.Debt += amount
			_, err = w.add(next, err)
			return err
		}
	}
	w.d.WrittenOff += amount
	return nil
}

// forgive credits of what was owed. What of it is owed still is paid by that, and what the
// customer has paid since comes back to the wallet.
func (w *disputing) forgive(amount money.Amount) error {
	credit := w.post(amount, disputeWin)
	credit.Direction, credit.Category = ledger.Credit, ledger.Paid
	_, err := w.add(ledger.Post(w.after(), credit, w.m))
	w.d.Debt -= amount
	return err
}

func (w *disputing) post(amount money.Amount, purpose ledger.Purpose) *ledger.PostRequest {
	return &ledger.PostRequest{
		Tenant: w.d.Tenant, CustomerID: w.d.CustomerID, Currency: w.d.Currency, Amount: amount, Direction: ledger.Debit,
		Purpose: purpose, ReferenceObjectID: w.d.ID, CreatedBy: creator, CurrencyEnabled: true,
		DefaultAlerts: w.invoice.DefaultAlerts,
	}
}
