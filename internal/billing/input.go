package billing

import (
	"time"

	"github.com/billfold/billfold/internal/money"
)

// Status is what a processor says of a payment. The last two are final: no payment
// leaves them, and one that failed can never be charged any more. The adapter of a
// processor whose payments can be tried again after a decline cancels them first.
type Status string

// The statuses.
const (
	RequiresConfirmation Status = "requires_confirmation" // it exists and charges nothing
	RequiresAction       Status = "requires_action"       // the customer has to authenticate it
	Processing           Status = "processing"
	ChargeSucceeded      Status = "succeeded"
	ChargeFailed         Status = "failed" // declined or cancelled
)

// Report is what a processor says of one payment.
type Report struct {
	PaymentID string // empty where a creation was refused for good
	Status    Status
	Amount    money.Amount // what the processor has on record, not what we asked for
	Currency  money.Currency
	Hard      bool // of ChargeFailed: the method is not to be tried again
}

// Input is what happens to a collection. Each is about an attempt by its number, so
// that an answer which comes late is not taken for one about another attempt.
type Input interface{ input() }

type (
	// Begin starts a try. Available is what can be taken of the wallet, as it is in
	// the transaction that carries the step out; Method is the customer's payment
	// method, empty where there is none.
	Begin struct {
		Available money.Amount
		Method    string
	}

	// Intend stores the next attempt with its key.
	Intend struct{}

	// Answer is the definite answer to a call or a look-up, or the ruling of a person.
	Answer struct {
		Attempt int
		Report
	}

	// Notice is what the processor tells unasked, verified to be its own: perhaps
	// twice, late, and in any order. Only what is final in it counts, and an id that
	// was not known yet.
	Notice struct {
		Attempt int
		Report
	}

	// Silence is a call whose effect nobody knows: a time-out, an answer 5xx, a
	// connection that was cut.
	Silence struct{ Attempt int }

	// NotReached is a call that had certainly no effect: no connection, an answer 429.
	NotReached struct{ Attempt int }

	// NotFound is the answer to a search for a key that no payment has. IntendedAt is
	// that of the attempt when the search was begun: if it was intended anew since, the
	// answer is about the past.
	NotFound struct {
		Attempt    int
		IntendedAt time.Time
	}

	// Settle pays the invoice with what was charged and held. Refused says that the
	// wallet cannot take what the invoice pays for: it becomes void then, and what was
	// charged goes the way of what comes too late.
	Settle struct{ Refused bool }

	// Release gives back what is held after a decline, and ends the try.
	Release struct{}

	// Escalate has a person told of an attempt that is unknown for too long.
	Escalate struct{}

	// Cancel is a person's wish to have the invoice void.
	Cancel struct{}

	// Hurry has a try made now that waits for its time.
	Hurry struct{}

	// ReturnDone is a late payment that went back to the card.
	ReturnDone struct{ Attempt int }
)

func (Begin) input()      {}
func (Intend) input()     {}
func (Answer) input()     {}
func (Notice) input()     {}
func (Silence) input()    {}
func (NotReached) input() {}
func (NotFound) input()   {}
func (Settle) input()     {}
func (Release) input()    {}
func (Escalate) input()   {}
func (Cancel) input()     {}
func (Hurry) input()      {}
func (ReturnDone) input() {}

// MoveKind is what moves in the wallet with a step.
type MoveKind string

// The moves. The hold is the one that the collection names.
const (
	MoveHold    MoveKind = "hold"    // promise Amount; its id becomes the collection's HoldID
	MoveCapture MoveKind = "capture" // spend all of the hold, against revenue
	MoveRelease MoveKind = "release" // give all of the hold back
	MoveDebit   MoveKind = "debit"   // spend Amount, against revenue
	MoveCredit  MoveKind = "credit"  // Amount came by card and belongs to the customer: paid, against cash
)

// Move is one of them.
type Move struct {
	Kind   MoveKind
	Amount money.Amount // above 0
	HoldID string       // of MoveCapture and MoveRelease
}

// EventKind is what a step tells others.
type EventKind string

// The kinds.
const (
	EventWalletHeld EventKind = "invoice.wallet_held"
	EventIntended   EventKind = "payment.intended"
	EventCreated    EventKind = "payment.created"
	EventUnknown    EventKind = "payment.unknown"
	EventEscalated  EventKind = "payment.escalated"
	EventDeclined   EventKind = "payment.declined"
	EventCharged    EventKind = "payment.charged"
	EventAction     EventKind = "payment.requires_action"
	EventTryFailed  EventKind = "invoice.try_failed"

	EventMethodAwaited EventKind = "invoice.requires_method"

	EventPaid        EventKind = "invoice.paid"
	EventPastDue     EventKind = "invoice.past_due"
	EventVoidAsked   EventKind = "invoice.void_asked"
	EventVoid        EventKind = "invoice.void"
	EventLate        EventKind = "payment.late" // it succeeded, and the invoice cannot use it
	EventReturned    EventKind = "payment.returned"
	EventQuarantined EventKind = "payment.quarantined" // what the processor says contradicts our record
)

// Event is a fact that is committed with the step it tells of.
type Event struct {
	ID      string // of the invoice, the version and the place in the step: the same whenever it is decided
	Kind    EventKind
	Attempt int // 0: it is about none
	Amount  money.Amount
	At      time.Time
}

// Step is everything that is committed together. A step that changes nothing has the
// collection as it was, no move and no event.
type Step struct {
	Collection Collection
	Moves      []Move
	Events     []Event
}
