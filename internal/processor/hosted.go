package processor

import (
	"context"
	"errors"
)

// ErrNoSetUp says that there is certainly no such set-up.
var ErrNoSetUp = errors.New("the card processor has no such set-up")

// Hosted is a processor with pages of its own, on which customers enter cards that nobody
// else sees. What such a page sends back proves nothing: it is looked up.
type Hosted interface {
	Processor

	// SetUp begins to save a card of a customer, without a charge. The same key gives the
	// same set-up for a day at least.
	SetUp(ctx context.Context, r SetUpRequest) (SetUp, error)

	// LookUpSetUp says how a set-up stands; [ErrNoSetUp] where there is none.
	LookUpSetUp(ctx context.Context, id string) (SetUp, error)

	// ActionURL is the page on which the customer authenticates a payment, from where they
	// come back to an address; empty where there is none. Where the bank asks them nothing
	// after all, the payment is charged.
	ActionURL(ctx context.Context, paymentID, back string) (string, error)
}

// Several is a processor that stands for several, such as the sandbox and a real one.
type Several interface {
	Processor

	// Attend is the one that a customer meets about a payment, and for a new card where
	// the id is empty; nil for none.
	Attend(paymentID string) Processor
}

// SetUpRequest asks for a card to be saved.
type SetUpRequest struct {
	Key       string // it finds the set-up again
	Reference string // ours, by which a set-up is known to be the one that was asked for
	Back      string // where the customer comes back to
	Currency  string // in which the card is to be charged, ISO 4217
}

// SetUpStatus is how a set-up stands.
type SetUpStatus string

// The statuses, of which the last two are final.
const (
	SetUpOpen    SetUpStatus = "open"
	SetUpDone    SetUpStatus = "complete"
	SetUpExpired SetUpStatus = "expired"
)

// SetUp is how a set-up stands, as the processor says.
type SetUp struct {
	ID        string
	Reference string
	Status    SetUpStatus
	URL       string // of the page, of one that is open

	Method string // as the processor knows it, of one that is done
	Card   SetUpCard
}

// SetUpCard is what may be shown of a card. Empty texts are not known.
type SetUpCard struct {
	HolderName, Country, Network, Type, ExpiryMonth, ExpiryYear, LastFour string
}
