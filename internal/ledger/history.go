package ledger

import (
	"time"

	"github.com/billfold/billfold/internal/money"
)

// PointsMax is how many points of the past one read may ask for.
const PointsMax = 1000

// EntriesMax is how many entries of a wallet one read may ask for by their seqs.
const EntriesMax = 200

// AsOf names a point in the past of a wallet.
type AsOf struct {
	// Time asks for the wallet right after the last entry that was made at it
	// or before; for its lots, after whatever was done to holds up to then as well.
	// Zero: Seq asks.
	Time time.Time

	// Seq asks for the wallet right after the entry of this number. 0 stands
	// for the time before the first, a number that the wallet does not have yet
	// for its last entry.
	Seq int64
}

// Point is a wallet as it was right after one of its entries. The zero Point is
// a wallet before its first.
type Point struct {
	Seq       int64
	Position  int64
	EntryID   string
	Balance   money.Amount // 0 … money.BalanceMax
	CreatedAt time.Time    // of the entry
}

// PointList is a wallet with points in its past, read in one moment.
type PointList struct {
	Chain Chain

	// Wallet is the wallet as it is now, as in [Store.Wallets].
	Wallet Wallet

	Points []Point // one for each that was asked for, in the same order
}

// TotalsMax is how many entries one read may add up. Their sums fit: each moves
// less than 10^12.
const TotalsMax = 100_000

// Totals is what entries in a row moved. The balance before them plus Credited,
// less Debited and Expired, is the balance after them.
type Totals struct {
	Credited money.Amount // by all credits
	Debited  money.Amount // by all debits but those of expiry
	Expired  money.Amount // by expiry entries, see [Expire]
	Entries  int64
}
