package ledger

import (
	"time"

	"github.com/billfold/billfold/internal/money"
)

// HoldIDPrefix begins the id of every hold.
const HoldIDPrefix = "hld_"

// PinsLots are how the reference of a hold begins that may pin a lot out of its turn: that of
// a dispute about the payment which opened the lot, or of a refund of it.
func PinsLots() []string { return []string{"dsp_", "ref_"} }

const (
	// HoldYears is how many years ahead a hold may expire at the most.
	HoldYears = 1

	// HoldLotsMax is how many lots a hold may pin: they are written out in its row.
	HoldLotsMax = 10_000
)

// HoldState is where a hold stands.
type HoldState string

// The states. All but the first are final, and a hold gets into one of them
// exactly once (law H3).
const (
	HoldActive   HoldState = "active"
	HoldCaptured HoldState = "captured" // the last of it was captured
	HoldReleased HoldState = "released" // what was left was given back
	HoldExpired  HoldState = "expired"  // what was left was given back for its time was over
)

// Hold is money of a wallet that is promised to something not finished. It pins
// lots: these parts of them are no longer among the wallet's open lots, so nobody
// else can spend them and no sweep writes them off.
type Hold struct {
	// ID is "hld_" and 21 base62 characters; it contains the number.
	ID         string
	Tenant     Tenant
	CustomerID string
	Currency   money.Currency

	// Number is that of the event that made it, see [HoldEvent].
	Number int64

	Amount   money.Amount // 1 … money.EntryMax, what was promised
	Captured money.Amount // 0 … Amount
	Released money.Amount // 0 … Amount-Captured, given back when it was finished
	State    HoldState

	// ExpiresAt is the instant from which it can no longer be captured, whether
	// or not its money was given back yet.
	ExpiresAt time.Time

	Reason            string // empty: none was given
	ReferenceObjectID string // empty: none was given
	Metadata          string // canonical JSON object, "{}" when none was given

	CreatedBy string // id of the API key
	CreatedAt time.Time
	UpdatedAt time.Time // of its last event

	// Lots are the pinned parts that are left, in spend order; they sum to
	// [Hold.Left].
	Lots []Lot
}

// Left is what of the hold is neither captured nor given back.
func (h *Hold) Left() money.Amount { return h.Amount - h.Captured - h.Released }

// StateAt is the state that counts at a time: an active hold has expired from the
// instant on, although nobody has given its money back yet.
func (h *Hold) StateAt(t time.Time) HoldState {
	if h.State == HoldActive && !t.Before(h.ExpiresAt) {
		return HoldExpired
	}
	return h.State
}

// HoldEventKind is what happened to a hold.
type HoldEventKind string

// The kinds of events.
const (
	HoldMade        HoldEventKind = "made"
	HoldWasCaptured HoldEventKind = "captured"
	HoldWasReleased HoldEventKind = "released"
	HoldHasExpired  HoldEventKind = "expired"
)

// HoldEvent is one immutable line of what happened to a customer's holds.
type HoldEvent struct {
	Number int64 // 1..n over all hold events of the customer, without gaps
	HoldID string
	Kind   HoldEventKind

	// Amount is what was promised, captured, or given back. Captured and Released
	// are those of the hold right after.
	Amount   money.Amount
	Captured money.Amount
	Released money.Amount

	// Allocations name the lots that a hold pinned when it was made, in spend order,
	// with amounts that sum to Amount. Any other event has none.
	Allocations []Allocation

	// Position is that of the capture's entry, 0 for any other event.
	Position int64

	// What the wallet was right after, for a repeat's answer.
	Seq       int64
	Balance   money.Amount
	Held      money.Amount
	Available money.Amount
	MovedAt   time.Time // the wallet's UpdatedAt

	// Alerts are the thresholds in force for the wallet where this event changed them
	// or crossed one, and empty elsewhere, as those of an entry. Of a capture they are
	// always empty: its entry tells.
	Alerts Standings

	// IdempotencyKey is empty when the request carried none; Fingerprint is zero
	// for an expiry.
	IdempotencyKey string
	Fingerprint    Fingerprint

	CreatedBy string    // id of the API key, or [SystemCreator]
	CreatedAt time.Time // never before what was done about the customer's money before
}

// HoldChange is an event and the hold right after it.
type HoldChange struct {
	Hold  Hold
	Event HoldEvent
}

// HoldFilter narrows a list of holds. Zero fields do not filter.
type HoldFilter struct {
	Currency          money.Currency
	State             HoldState
	ReferenceObjectID string
}

// HoldList is one page of holds.
type HoldList struct {
	Chain Chain
	Holds []Hold
	Next  int64 // the Before of the next page, 0 when this is the last
}

// HoldID returns the id of the hold that the event with a number makes, see
// [EntryID].
func HoldID(at time.Time, number int64, random uint64) string {
	return positionedID(HoldIDPrefix, at, number, random)
}

// HoldIDNumber returns the number that a hold's id contains, and false for a text
// that [HoldID] cannot have made.
func HoldIDNumber(id string) (number int64, ok bool) { return idPosition(HoldIDPrefix, id) }

// HoldPage cuts a page of holds that a store found, newest first and one more
// than the limit at the most. The store has looked at those from a number on; the
// next page goes on below it.
func HoldPage(found []Hold, limit int, from int64) (holds []Hold, next int64) {
	switch {
	case len(found) > limit:
		return found[:limit], found[limit-1].Number
	case from > 1:
		return found, from
	}
	return found, 0
}
