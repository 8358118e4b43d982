package billing

import (
	"fmt"
	"time"

	"github.com/billfold/billfold/internal/money"
)

// State is where a collection stands.
type State string

// The states. The last three are final.
const (
	Finalized    State = "finalized"     // nothing is held and nothing charged; DueAt says when to try
	WalletHeld   State = "wallet_held"   // the wallet's part is held, or there is none
	CardIntended State = "card_intended" // the attempt and its key are stored; it was perhaps created
	CardCreated  State = "card_created"  // the processor's id is stored; it was perhaps confirmed
	CardUnknown  State = "card_unknown"  // no answer says how the attempt ends: nothing is released, nothing begun
	CardDeclined State = "card_declined" // the attempt can never succeed; the hold is still there
	CardOK       State = "card_ok"       // the card was charged; the hold is still there
	Paid         State = "paid"
	PastDue      State = "past_due" // all tries have failed
	Void         State = "void"
)

// States lists every state, in the order in which an invoice comes by them.
func States() []State {
	return []State{
		Finalized, WalletHeld, CardIntended, CardCreated, CardUnknown, CardDeclined, CardOK, Paid, PastDue, Void,
	}
}

// Final reports whether nobody tries to have the invoice paid any more.
func (s State) Final() bool { return s == Paid || s == PastDue || s == Void }

// LateSuccess is what becomes of a card payment that succeeds although its invoice
// can no longer use it.
type LateSuccess string

const (
	LateRefund LateSuccess = "refund" // it goes back to the card
	LateCredit LateSuccess = "credit" // the wallet is credited with it
)

// Policy is what a business has set about collecting, as of when the invoice was
// finalized.
type Policy struct {
	Tender TenderRules `json:"tender"`

	// Retries are the waits after the first try that failed, the second, and so on.
	// After one more the invoice is past due.
	Retries []time.Duration `json:"retries"`

	// ActionWithin is how long a customer has to authenticate a payment before it is
	// cancelled.
	ActionWithin time.Duration `json:"action_within"`

	// MethodWithin is how long an invoice that the wallet does not cover waits for a
	// payment method before it becomes void. 0: it does not wait; a try without one has
	// failed.
	MethodWithin time.Duration `json:"method_within,omitempty"`

	Late LateSuccess `json:"late"`
}

const (
	// KeyLives is how long a processor remembers a key at least.
	KeyLives = 24 * time.Hour

	// EscalateAfter is how old an attempt is when a person is told that it is open.
	EscalateAfter = 72 * time.Hour
)

// MethodsTriedMax is how many payment methods are tried of an invoice that waits for one.
// Whoever has the link to it must not find out with it which of a thousand stolen cards
// work.
const MethodsTriedMax = 10

// Collection is how far one invoice is from being paid, as it is stored.
type Collection struct {
	InvoiceID string         `json:"invoice_id"`
	Currency  money.Currency `json:"currency"`
	Total     money.Amount   `json:"total"` // 0 … money.EntryMax
	Policy    Policy         `json:"policy"`

	State   State `json:"state"`
	Version int64 `json:"version"` // grows by 1 with each commit

	// DueAt is when [Next] has something to do, zero for at once.
	DueAt time.Time `json:"due_at"`

	Tender Tender `json:"tender"`  // of this try; zero in Finalized and PastDue
	Method string `json:"method"`  // id of the card's payment method in this try
	HoldID string `json:"hold_id"` // of the wallet's part, empty where nothing is held

	// MethodBy is until when a payment method is waited for, or another one after one that
	// failed; zero where none was missed.
	MethodBy time.Time `json:"method_by,omitzero"`

	Tries     int  `json:"tries"`      // that failed
	VoidAsked bool `json:"void_asked"` // it becomes void when what is at the processor has ended

	Attempts []Attempt `json:"attempts"` // Number k is at k-1
}

// Attempt is one payment at the card processor.
type Attempt struct {
	Number    int          `json:"number"` // k
	Amount    money.Amount `json:"amount"`
	Method    string       `json:"method"`
	PaymentID string       `json:"payment_id"` // the processor's; empty: not known

	// IntendedAt is when it was last stored that the payment is going to be created
	// under its key; BeganAt is when it was first.
	IntendedAt time.Time `json:"intended_at"`
	BeganAt    time.Time `json:"began_at"`

	Progress  Status    `json:"progress"`  // what the processor last said of it while it was open
	ActionBy  time.Time `json:"action_by"` // until when the customer has to authenticate, zero: nothing was asked
	Looks     int       `json:"looks"`     // how often in a row no definite answer came
	Escalated bool      `json:"escalated"`

	Outcome Outcome `json:"outcome"`
	Hard    bool    `json:"hard"` // declined for good: the method is not to be tried again

	ReturnAt time.Time `json:"return_at"` // when a return that did not go through is to be tried again
}

// Outcome is how an attempt ended.
type Outcome string

// The outcomes.
const (
	Open      Outcome = "open"
	Declined  Outcome = "declined"
	Succeeded Outcome = "succeeded" // and the invoice is paid with it
	Returning Outcome = "returning" // it succeeded too late, and goes back to the card
	Returned  Outcome = "returned"
	Credited  Outcome = "credited" // it succeeded too late, and the wallet was credited
)

// Key identifies the creation of attempt k at the processor. It is the same however
// often the call is made, and another one after a decline: with the same one the
// processor would repeat the decline for ever (law S3).
func (c *Collection) Key(k int) string { return fmt.Sprintf("inv:%s:%d", c.InvoiceID, k) }

// ReturnKey identifies the return of attempt k.
func (c *Collection) ReturnKey(k int) string { return c.Key(k) + ":refund" }

// attempt is the current one; there is one in every state of the card.
func (c *Collection) attempt() *Attempt { return &c.Attempts[len(c.Attempts)-1] }

// escalateAt is when a person is to be told that the open attempt does not end, and
// false where there is none or they were told. A customer who may authenticate is
// waited for.
func (c *Collection) escalateAt() (at time.Time, ok bool) {
	if len(c.Attempts) == 0 || c.attempt().Outcome != Open || c.attempt().Escalated {
		return time.Time{}, false
	}
	at = c.attempt().BeganAt.Add(EscalateAfter)
	if c.attempt().ActionBy.After(at) {
		at = c.attempt().ActionBy
	}
	return at, true
}

// backOff is how long to wait after so many answers in a row that were not definite.
func backOff(looks int) time.Duration {
	waits := [...]time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour}
	if looks < 1 || looks > len(waits) {
		return 6 * time.Hour
	}
	return waits[looks-1]
}
