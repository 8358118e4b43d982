package ledger

import (
	"time"

	"github.com/billfold/billfold/internal/money"
)

// Wallet is one customer's balance in one currency.
type Wallet struct {
	Tenant     Tenant
	CustomerID string
	Currency   money.Currency
	Balance    money.Amount // 0 … money.BalanceMax
	Held       money.Amount // promised by holds, 0 … Balance
	Debt       money.Amount // owed to the business, 0 … money.BalanceMax, see [Reverse]
	Seq        int64        // of the wallet's last entry, 0 when it has none

	// Alerts are the thresholds in force, as the wallet's last entry or hold event
	// left them.
	Alerts Standings

	// CreatedAt is when the customer was created, UpdatedAt when the balance
	// last changed.
	CreatedAt time.Time
	UpdatedAt time.Time

	// Lots are open lots in spend order: the first of all open lots, if it can expire,
	// and as many others as the [Scope] it was loaded for needs. Lapsed is what those
	// open lots have left that had expired at the time it was loaded for and are not
	// among them.
	Lots   []Lot
	Lapsed money.Amount
}

// Lot is what one credit left to spend.
type Lot struct {
	Seq       int64 // of the credit that opened it
	Category  Category
	ExpiresAt time.Time // zero: never
	Remaining money.Amount
}

// ExpiredAt reports whether the lot can no longer be spent at t. The instant
// itself is expired: a lot that expires at 12:00:00 is spendable at
// 11:59:59.999999 and not at 12:00:00 (law L3).
func (l Lot) ExpiredAt(t time.Time) bool {
	return !l.ExpiresAt.IsZero() && !t.Before(l.ExpiresAt)
}

// Available returns what a debit may take at t, the time that the wallet was loaded
// for: the balance, less what is held, less what has expired and was not yet written
// off (law O1).
func (w Wallet) Available(t time.Time) money.Amount {
	available := w.Balance - w.Held - w.Lapsed
	for _, lot := range w.Lots {
		// Spend order begins with the soonest expiry, so the first lot that
		// has not expired ends the search.
		if !lot.ExpiredAt(t) {
			break
		}
		available -= lot.Remaining
	}
	return available
}

// Chain is where a customer's entries stand: the last position, its hash, and the
// time of it or of the customer's last hold event, whichever is later. The Chain of a
// customer without entries has none of these.
type Chain struct {
	Position int64
	Hash     Hash
	LastAt   time.Time

	// Clock is where the customer's test clock stands, zero without one.
	Clock time.Time
}

// At returns the time at which a decision taken at now counts: now, or where the
// customer's test clock stands if they have one, or the time of the customer's last
// entry or hold event when the clock has since gone back (law R4).
func (c Chain) At(now time.Time) time.Time {
	if now = clocked(c.Clock, now); now.Before(c.LastAt) {
		return c.LastAt
	}
	return now
}

// Past is the chain after something that was done at a time.
func (c Chain) Past(at time.Time) Chain {
	if c.LastAt.Before(at) {
		c.LastAt = at
	}
	return c
}

// Behind is the chain after an entry.
func (c Chain) Behind(e *Entry) Chain {
	return Chain{Position: e.Position, Hash: e.Hash, LastAt: e.CreatedAt, Clock: c.Clock}
}
