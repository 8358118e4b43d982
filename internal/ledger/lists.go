package ledger

import (
	"time"

	"github.com/billfold/billfold/internal/money"
)

// Page says which part of a list is wanted. Either Skip or Before is used.
type Page struct {
	Limit int   // 1 … 200
	Skip  int64 // items to pass over from the newest

	// Before is the cursor: only items older than this place in the order are
	// returned; 0 begins at the newest. For entries it is a position, for
	// customers a number that the store gave as Next.
	Before int64
}

// CustomerFilter narrows a list of customers. Zero fields do not filter.
type CustomerFilter struct {
	Email        string // exact
	Name         string // a part of the name, upper and lower case alike
	CreatedAtGTE time.Time
	CreatedAtLTE time.Time
}

// CustomerList is one page of customers.
type CustomerList struct {
	Customers []Customer
	Next      int64 // the Before of the next page, 0 when this is the last
}

// EntryFilter narrows a list of entries. Zero fields do not filter.
type EntryFilter struct {
	Currency          money.Currency
	EventType         EventType
	Direction         Direction
	ReferenceObjectID string
	IdempotencyKey    string
	CreatedAtGTE      time.Time
	CreatedAtLTE      time.Time
}

// EntryList is one page of entries.
type EntryList struct {
	Entries []Entry

	// AsOfPosition is the customer's last position when the list was read: an
	// entry that is not in the list and not above this position does not
	// exist.
	AsOfPosition int64
	Next         int64 // the Before of the next page, 0 when this is the last
}

// LotPage says which part of a wallet's open lots is wanted.
type LotPage struct {
	Limit int // 1 … 200

	// At is the time for which to read the wallet, see [Store.Wallets].
	At time.Time

	// After is the cursor: a place in the spend order that the store gave as
	// Next, 0 for the lot that is spent first.
	After int64

	// AsOf is the point in the past for which to read the lots, nil for now. A point
	// between two entries of one change counts as well.
	AsOf *AsOf
}

// LotList is a wallet with a page of its open lots, read in one moment.
type LotList struct {
	Chain Chain

	// Wallet is as of the page's At, as in [Store.Wallets].
	Wallet Wallet

	// Point is the wallet at the page's AsOf, the zero Point where that is nil.
	Point Point

	// Lots may be fewer than the limit even when Next says that more follow.
	Lots []Lot
	Next int64 // the After of the next page, 0 when this is the last
}

// WalletList is a customer with wallets, read in one moment.
type WalletList struct {
	Customer Customer
	Chain    Chain
	Wallets  []Wallet
}
