package ledger

import (
	"time"

	"github.com/billfold/billfold/internal/money"
)

// Direction says which way an entry moves the wallet's balance.
type Direction string

// The two directions, as the wire's entry_type names them.
const (
	Credit Direction = "credit"
	Debit  Direction = "debit"
)

// EventType is why an entry exists, in the words of the published wire format.
// The set is closed: strict clients reject any other word.
type EventType string

// The seven published event types.
const (
	EventPayment            EventType = "payment"
	EventPaymentReversal    EventType = "payment_reversal"
	EventRefund             EventType = "refund"
	EventRefundReversal     EventType = "refund_reversal"
	EventDispute            EventType = "dispute"
	EventDisputeReversal    EventType = "dispute_reversal"
	EventMerchantAdjustment EventType = "merchant_adjustment"
)

// EventTypes lists every event type in the order of the published format.
func EventTypes() []EventType {
	return []EventType{
		EventPayment, EventPaymentReversal, EventRefund, EventRefundReversal,
		EventDispute, EventDisputeReversal, EventMerchantAdjustment,
	}
}

// Account is the other side of an entry (law M1). For each business, mode and
// currency the wallets and the counter accounts sum to zero at every commit.
type Account string

// The counter accounts.
const (
	AccountMerchant  Account = "merchant"  // API credits and debits that say nothing else
	AccountCash      Account = "cash"      // received through a processor
	AccountRevenue   Account = "revenue"   // spent on invoices
	AccountPromotion Account = "promotion" // credits of category promotional
	AccountBreakage  Account = "breakage"  // expired unspent, see [Expire]
	AccountRefunds   Account = "refunds"
	AccountDisputes  Account = "disputes"
	AccountDebt      Account = "debt" // owed to the business (law O3)
	AccountTransfers Account = "transfers"

	// AccountExpiryMoves is zero for each wallet at every commit, see [MoveExpiry].
	AccountExpiryMoves Account = "expiry_moves"
)

// isSystems reports whether debits against the account are posted by the rules
// alone, each for a purpose that undoing it would defeat.
func (a Account) isSystems() bool {
	return a == AccountBreakage || a == AccountTransfers || a == AccountExpiryMoves || a == AccountDebt
}

// Category is the kind of money in a lot.
type Category string

// The two categories. A credit that does not say is paid: promotional money is
// spent first, and paid money must never be spent first by mistake.
const (
	Paid        Category = "paid"
	Promotional Category = "promotional"
)

// Hash is a SHA-256 sum in the chain of a customer's entries.
type Hash [32]byte

// Fingerprint tells two requests under one idempotency key apart: the first 128
// bits of a SHA-256 over everything the request says (law K4).
type Fingerprint [16]byte

// Entry is one immutable line of a wallet (law M6).
type Entry struct {
	// ID is "cwt_" and 21 base62 characters; it contains the position, see
	// [EntryID].
	ID         string
	Tenant     Tenant
	CustomerID string
	Currency   money.Currency

	// Position is 1..n over all entries of the customer, Seq is 1..n within
	// the wallet; both without gaps (law M5).
	Position int64
	Seq      int64

	Direction Direction
	Amount    money.Amount // 1 … money.EntryMax
	Before    money.Amount
	After     money.Amount

	// Available is what a debit could have taken right after this entry. It
	// is kept so that a repeat of the request gets the very first answer. What the
	// entry behind it takes for a debt was never available.
	Available money.Amount

	EventType EventType
	Account   Account

	// Category and ExpiresAt describe the lot that a credit opens. A debit has
	// neither, and so has a credit that opens none. A zero ExpiresAt means that the money never expires.
	Category  Category
	ExpiresAt time.Time

	// Allocations name the lots that a debit took, or that the reversal of one gave
	// the money back to, in spend order, with amounts that sum to Amount. Any other
	// credit has none. The last of a reversal of a credit may be a loan, see [Entry.Owed].
	Allocations []Allocation

	// Reverses is the id of the entry of the other direction that this one undoes in
	// part or whole, empty for none. It opens no lot and has no category, see
	// [Reverse], but for a credit that moves money to a lot of its own, see [extend] and
	// [MoveExpiry], and for a debit that recovers a debt from a credit, see [recoverDebt].
	Reverses string

	// Alerts are the thresholds in force for the wallet where this entry changed
	// one of them or where the wallet stands at it, empty where it did not.
	Alerts Standings

	// HoldID is the id of the hold that this debit captures, empty for none. Held
	// is what was held of the wallet right after the entry; like Available it is
	// kept for a repeat's answer.
	HoldID string
	Held   money.Amount // 0 … After

	Reason            string // empty: none was given
	ReferenceObjectID string // empty: none was given
	Metadata          string // canonical JSON object, "{}" when none was given

	// IdempotencyKey is empty when the request carried none; Fingerprint is set
	// for whatever was requested, and zero on an expiry entry.
	IdempotencyKey string
	Fingerprint    Fingerprint

	// CreatedBy is the id of the API key that asked for the entry, or
	// [SystemCreator].
	CreatedBy string

	// CreatedAt is UTC, cut to microseconds, and never decreases along
	// Position, whatever the clocks do (law R4).
	CreatedAt time.Time

	// Hash covers this entry and the hash at Position-1, see [Entry.ChainHash].
	Hash Hash
}

// OpensLot reports whether the entry is a credit with a lot of its own. No other
// entry has a category.
func (e *Entry) OpensLot() bool { return e.Category != "" }

// Allocation is the part of one lot that a debit took or a reversal gave back.
type Allocation struct {
	LotSeq int64 // the Seq of the credit that opened the lot, or [LoanLot]
	Amount money.Amount
}
