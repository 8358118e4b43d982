package ledger

import (
	"context"
	"time"

	"github.com/billfold/billfold/internal/money"
)

// Store is what the ledger asks of a database. storetest holds the behaviour
// that every implementation must show.
//
// Every method may return an [Error] with CodeNotFound where it names a
// customer or entry that the tenant does not have, and CodeStorageUnavailable,
// CodeOverloaded or CodeOutcomeUnknown where the database cannot serve. Any
// other error is a bug. All methods may be called by many goroutines at once.
//
// Reads show committed state only, and at least every change that was
// acknowledged before the read began (law R2).
type Store interface {
	// Transact loads and locks what scope names, calls decide with it, and
	// commits exactly the change that decide returns, or nothing when decide
	// returns an error, which Transact then returns as it is.
	//
	// It returns only after the change is durable. Commands on one customer
	// are decided one after the other, in the order of their positions; many
	// commands may share one database transaction, and none is spoilt by
	// another's refusal. Decide may be called more than once, from another
	// goroutine, and even after Transact has returned because ctx was
	// cancelled; it must be pure.
	//
	// A cancelled ctx does not take back a command that has begun: the caller
	// then gets ctx.Err() and does not know the outcome.
	Transact(ctx context.Context, scope Scope, decide Decide) (Change, error)

	// CreateCustomer adds a customer. With once it also records the answer
	// under once's key in the same transaction; if that key already has an
	// answer that once accepts, nothing is added and that first answer is
	// returned. Another request under the same key is CodeKeyReused.
	CreateCustomer(ctx context.Context, customer Customer, once *Once) (first []byte, err error)

	// UpdateCustomer commits what change makes of the customer. Change is
	// pure and may be called more than once. Once works as in CreateCustomer,
	// except that the answer is made from the changed customer.
	UpdateCustomer(
		ctx context.Context, tenant Tenant, id string, change func(Customer) (Customer, error), once *Once,
	) (updated Customer, first []byte, err error)

	// Customer returns one customer.
	Customer(ctx context.Context, tenant Tenant, id string) (Customer, error)

	// Customers returns the tenant's customers that pass the filter, newest
	// first.
	Customers(ctx context.Context, tenant Tenant, filter CustomerFilter, page Page) (CustomerList, error)

	// Wallets returns the customer and the wallets that have at least one
	// entry, sorted by currency. Each wallet's Lots contain at least those
	// that can have expired.
	Wallets(ctx context.Context, tenant Tenant, customerID string) (WalletList, error)

	// Entry returns one entry by its id.
	Entry(ctx context.Context, tenant Tenant, customerID, entryID string) (Entry, error)

	// Entries returns the customer's entries that pass the filter, by
	// position, newest first.
	Entries(ctx context.Context, tenant Tenant, customerID string, filter EntryFilter, page Page) (EntryList, error)

	// Lots returns a customer's wallet in one currency with a page of its open
	// lots in spend order, whether or not they have expired. A wallet without
	// entries has none. While the wallet moves, pages that follow each other show
	// once each lot that stays open.
	Lots(ctx context.Context, tenant Tenant, customerID string, currency money.Currency, page LotPage) (LotList, error)

	// Expired returns wallets of any tenant that have an open lot which had
	// expired at a time, those whose lots expired first before the others, and
	// no more than limit of them.
	Expired(ctx context.Context, at time.Time, limit int) ([]WalletKey, error)
}

// Decide is a pure function from what is to what shall be.
type Decide func(Snapshot) (Change, error)

// Scope says what a decision needs to see and to lock.
type Scope struct {
	Tenant     Tenant
	CustomerID string
	Currency   money.Currency

	// Key is the idempotency key to look up, empty for none.
	Key string

	// At is the time of the command. Need is the sum of lots that the
	// decision may want to spend: the amount of a debit, 0 for a credit.
	// Partial says that it can do with less, where all lots together do not
	// cover the need.
	At      time.Time
	Need    money.Amount
	Partial bool
}

// NeedAll as a [Scope]'s Need asks for every open lot. No debit can need it.
const NeedAll = money.BalanceMax

// Snapshot is everything that a decision may look at.
type Snapshot struct {
	Customer Customer
	Chain    Chain

	// Wallet is the wallet in the scope's currency; with Seq 0 and no balance
	// when it has no entries yet. Its Lots hold, in spend order, every open
	// lot up to the point where those that have not expired at
	// Chain.At(Scope.At) sum to Scope.Need, and at least every lot that can
	// expire. Where all together could not cover the need, those that can
	// expire are enough, since the debit will be refused; NeedAll and a
	// partial need always bring all open lots then.
	Wallet Wallet

	// Prior is the entry that was posted under the scope's key, nil when the
	// key is unused.
	Prior *Entry
}

// Change is what a decision wants: one entry on top of the chain, and the
// wallet as it is afterwards.
type Change struct {
	// Replayed says that the request was answered before: Entry is the first
	// entry, Wallet is the wallet as it was right after it, and nothing is
	// written.
	Replayed bool

	Entry Entry

	// Wallet has the new balance, seq and time, and what is left of the lots
	// that the snapshot held, the lot that a credit opened among them. Lots
	// that the snapshot did not hold are untouched.
	Wallet Wallet
}

// Once makes a request without a customer's chain idempotent: the answer is
// kept under a key and given again to a repeat.
type Once struct {
	Tenant Tenant
	Route  string // the route's pattern, such as "POST /customers"
	Key    string

	// Fingerprint tells another request under the same key apart.
	Fingerprint Fingerprint

	// Answer makes the body to keep from the customer as it was committed. It
	// is pure.
	Answer func(Customer) []byte

	// At is the time of the request. Accept is the oldest time of a kept
	// answer that may be given again; an older one counts as unused and is
	// replaced. KeepUntil is when the record may be removed, zero for never.
	At        time.Time
	Accept    time.Time
	KeepUntil time.Time
}

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

	// After is the cursor: a place in the spend order that the store gave as
	// Next, 0 for the lot that is spent first.
	After int64
}

// LotList is a wallet with a page of its open lots, read in one moment.
type LotList struct {
	Chain Chain

	// Wallet has no lots but those that can expire, as in [Store.Wallets].
	Wallet Wallet

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
