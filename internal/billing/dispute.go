package billing

import (
	"cmp"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/money"
)

// DisputeStatus is what a processor says of a dispute, in the words of the wire.
type DisputeStatus string

// The statuses. The first two are open, the others final for their stage.
const (
	DisputeOpened     DisputeStatus = "dispute_opened"
	DisputeChallenged DisputeStatus = "dispute_challenged"
	DisputeWon        DisputeStatus = "dispute_won"
	DisputeCancelled  DisputeStatus = "dispute_cancelled" // by the customer: as good as won
	DisputeExpired    DisputeStatus = "dispute_expired"   // nobody answered in time: lost
	DisputeAccepted   DisputeStatus = "dispute_accepted"  // by the business: lost
	DisputeLost       DisputeStatus = "dispute_lost"
)

// DisputeStage is how far a dispute went. A later stage begins it anew.
type DisputeStage string

// The stages, in their order.
const (
	StageInquiry     DisputeStage = "pre_dispute" // nothing was taken
	StageDispute     DisputeStage = "dispute"
	StageArbitration DisputeStage = "pre_arbitration"
)

// Dispute is one about a card payment that credited a lot, as it is stored: the
// message that counts, and what the wallet answers for.
type Dispute struct {
	ID     string        `json:"id"`
	Amount money.Amount  `json:"amount"` // of the card payment that is disputed
	Stage  DisputeStage  `json:"stage"`
	Status DisputeStatus `json:"status"` // empty: no message came yet

	Held money.Amount `json:"held,omitempty"` // of what the lot had left, promised to the dispute
	Lost money.Amount `json:"lost,omitempty"` // debited against the account disputes
	Debt money.Amount `json:"debt,omitempty"` // what the wallet could not answer for, owed to the business

	// WrittenOff is what neither the lot answers for nor the wallet owes.
	WrittenOff money.Amount `json:"written_off,omitempty"`
}

// DisputeMessage is what the processor says. Messages come twice and in any order.
type DisputeMessage struct {
	Stage  DisputeStage  `json:"stage"`
	Status DisputeStatus `json:"status"`
}

// DisputeStatuses are all statuses, in the order of what they say.
func DisputeStatuses() []DisputeStatus { return slices.Clone(statuses) }

// DisputeStages are all stages, in their order.
func DisputeStages() []DisputeStage { return slices.Clone(stages) }

// Claim is what a message asks of the wallet that was credited.
type Claim string

// The claims.
const (
	ClaimNone Claim = "none" // nothing is disputed, or not any more
	ClaimHold Claim = "hold" // it is open
	ClaimTake Claim = "take" // it is lost
)

// Claim is what the dispute asks of the wallet now. It follows from the message that
// counts, so it does not matter which came before.
func (d *Dispute) Claim() Claim {
	switch {
	case d.Stage == StageInquiry || d.Status == "" || d.Status == DisputeWon || d.Status == DisputeCancelled:
		return ClaimNone
	case d.Status == DisputeOpened || d.Status == DisputeChallenged:
		return ClaimHold
	}
	return ClaimTake
}

// stages and statuses are in the order of what they say: a later stage more than an
// earlier one, then open before won before lost. A processor that says both won and
// lost of one stage contradicts itself, and the loss counts, as then the money is gone.
var (
	stages   = []DisputeStage{StageInquiry, StageDispute, StageArbitration}
	statuses = []DisputeStatus{
		DisputeOpened, DisputeChallenged, DisputeCancelled, DisputeWon, DisputeExpired, DisputeAccepted, DisputeLost,
	}
)

// after reports whether a message says more than what is known.
func (m DisputeMessage) after(d *Dispute) bool {
	stage, status := slices.Index(stages, m.Stage), slices.Index(statuses, m.Status)
	if stage < 0 || status < 0 {
		return false // not a word of ours
	}
	knownStage, knownStatus := slices.Index(stages, d.Stage), slices.Index(statuses, d.Status)
	return cmp.Or(cmp.Compare(stage, knownStage), cmp.Compare(status, knownStatus)) > 0
}

// DisputeMove is what moves in the wallet with a message, all amounts 0 or above, in
// this order.
type DisputeMove struct {
	Restore money.Amount // undo debits for the dispute: to the very lot
	Forgive money.Amount // undo the debt
	Release money.Amount // give back what is held
	Hold    money.Amount // promise of the lot
	Capture money.Amount // debit what is held, against disputes
	Take    money.Amount // debit the lot beside the hold, against disputes
	Owe     money.Amount // record a debt
}

// DisputeStep is everything that is committed together.
type DisputeStep struct {
	Dispute Dispute
	DisputeMove
}

// DecideDispute says what becomes of a dispute when the processor sends a message,
// where left can be taken of the lot that the payment opened.
//
// While it is open, what the lot has left is held, and nobody's other money. Won, it
// is given back. Lost, it is debited, and what the lot could not answer for is a debt
// (law O3). What is asked of the wallet follows from the message that says most, so
// whatever order they come in, and however often, it nets to the same once it is decided
// (law F5):
//
//	top-up 1000, of which 700 are left      opened: hold 700
//	won                                     release 700
//	lost                                    capture 700, owe 300
//	opened again in a later stage           nothing: the bank has the money still
//	won there                               restore 700, forgive 300
//
// A message that says nothing new has it look at the lot again: what has come back to it
// meanwhile is held, or taken in place of what is owed or written off.
func DecideDispute(d Dispute, m DisputeMessage, left money.Amount) DisputeStep {
	if m.after(&d) {
		d.Stage, d.Status = m.Stage, m.Status
	}
	left = max(left, 0)
	owed := d.Debt + d.WrittenOff
	var move DisputeMove
	switch claim := d.Claim(); {
	case claim == ClaimNone:
		move = DisputeMove{Restore: d.Lost, Forgive: d.Debt, Release: d.Held}
		d.Held, d.Lost, d.Debt, d.WrittenOff = 0, 0, 0, 0
	case claim == ClaimHold && owed == 0:
		move.Hold = d.Unanswered(left)
		d.Held += move.Hold
	default:
		// What was lost and is open again is with the bank as before.
		move = DisputeMove{Capture: d.Held, Take: d.Unanswered(left)}
		d.Held, d.Lost = 0, d.Lost+move.Capture+move.Take
		if missing := d.Amount - d.Lost; missing >= owed {
			move.Owe = missing - owed
			d.Debt += move.Owe
		} else {
			off := min(owed-missing, d.WrittenOff)
			move.Forgive = owed - missing - off
			d.Debt, d.WrittenOff = d.Debt-move.Forgive, d.WrittenOff-off
		}
	}
	return DisputeStep{d, move}
}

// Unanswered is what the dispute could ask of a lot that has so much left.
func (d *Dispute) Unanswered(left money.Amount) money.Amount {
	return max(0, min(left, d.Amount-d.Held-d.Lost))
}

// Short reports whether the dispute would take more of the lot if that had it.
func (d *Dispute) Short() bool { return d.Claim() != ClaimNone && d.Held+d.Lost < d.Amount }

// DisputeWait is how long until a dispute of some age is looked at again of which the lot has
// not answered for all: money may come back to the lot. It grows with the age, to a quarter of
// an hour while the dispute is open and to a day once it is lost.
func DisputeWait(age time.Duration, open bool) time.Duration {
	most := 24 * time.Hour
	if open {
		most = 15 * time.Minute
	}
	return min(max(age/60, time.Minute), most)
}
