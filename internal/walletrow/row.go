// Package walletrow is the row of a wallet as every store keeps it: the
// balance, the head of its entries, and its open lots in a form that stays
// short however many lots are open.
//
// The exception is a debit of very many lots that is undone: all that it gave
// back are written out until they are spent again.
//
// A row is written with every commit that touches its wallet, so it writes out
// only the lots that are next in spend order. The others are kept in two ways.
//
// Lots that never expire and were never spent from are the wallet's credits of one
// category from a seq upwards; two numbers stand for all of them, see [Tail], and
// they are read from the entries when a debit comes to them.
//
// Lots that can expire are spent in the order of their expiry, which is not that of
// their credits. Those beyond the first few are shelved: each has a row of its own,
// which is found by its place in spend order, see [Shelf] and [Source]. What holds:
//
//   - A lot is written out, shelved or in a tail, and in one of them only.
//   - Every shelved lot can expire, and comes after every lot that can expire and is
//     written out. So the written ones begin the spend order.
//   - While lots are shelved, one that can expire is written out at the least. So the
//     row tells when the next lot expires.
//   - [Shelf] has the sum of the shelved lots, and of those that had expired at an
//     instant. So what is available is known without a look at them.
//
// However many lots are shelved, a decision reads those that it takes from, and a few
// at a time when written ones have been spent.
package walletrow

import (
	"errors"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

const (
	// writtenMax is how many lots a row writes out before lots that never
	// expire go to a tail.
	writtenMax = 8

	// drawnMin is how many lots at the least are drawn from a tail at once,
	// and drawnSpan how many seqs are read for that at a time.
	drawnMin  = 16
	drawnSpan = 64
)

// ErrLots says that a row's lots do not fit its balance or its entries.
var ErrLots = errors.New("a wallet's stored lots do not add up")

// Row is one wallet. A Row may be copied: no method changes a slice in place.
type Row struct {
	Currency  money.Currency
	Balance   money.Amount
	Held      money.Amount
	Debt      money.Amount
	Seq       int64 // of the wallet's last entry, 0 when it has none
	Position  int64 // of the wallet's last entry
	Hash      ledger.Hash
	UpdatedAt time.Time
	Alerts    ledger.Standings

	// HoldNumber and HoldAt are those of the last event about a hold in this wallet,
	// 0 and zero for none.
	HoldNumber int64
	HoldAt     time.Time

	Notices Notices

	// Written are the open lots that are written out, in spend order. Shelf and
	// Tails stand for the others; there is a tail for each category, see [TailOf].
	Written []ledger.Lot
	Shelf   Shelf
	Tails   [2]Tail
}

// Tail stands for lots that never expire and that nothing was taken from but what
// reversals took back of their own credits, or a debt at once: the wallet's credits
// of one category without expiry from a seq upwards, less what of them was reversed
// or recovered. The sum is kept, the lots themselves are in the entries. The zero
// Tail is empty.
type Tail struct {
	From int64
	Sum  money.Amount
}

// TailOf returns the index of a category's tail, and is how a category is
// written in an encoded lot.
func TailOf(category ledger.Category) int {
	if category == ledger.Promotional {
		return 0
	}
	return 1
}

// Read is the row as it is shown at a time, which is not before the customer's last
// entry: with those written lots that begin the spend order.
func (r *Row) Read(customer *ledger.Customer, at time.Time, source Source) (ledger.Wallet, error) {
	lapsed, err := r.lapsed(at, source)
	return r.wallet(customer, r.Written[:r.prefix(false)], lapsed), err
}

// Wallet is the row as the rules see it, with the lots of a look.
func (r *Row) Wallet(customer *ledger.Customer, look *Look) ledger.Wallet {
	return r.wallet(customer, look.lots, look.lapsed)
}

func (r *Row) wallet(customer *ledger.Customer, lots []ledger.Lot, lapsed money.Amount) ledger.Wallet {
	wallet := ledger.Wallet{
		Tenant:     customer.Tenant,
		CustomerID: customer.ID,
		Currency:   r.Currency,
		Balance:    r.Balance,
		Held:       r.Held,
		Debt:       r.Debt,
		Seq:        r.Seq,
		Alerts:     r.Alerts,
		CreatedAt:  customer.CreatedAt,
		UpdatedAt:  r.UpdatedAt,
		Lots:       slices.Clip(lots),
		Lapsed:     lapsed,
	}
	if r.Seq == 0 {
		wallet.UpdatedAt = customer.CreatedAt
	}
	return wallet
}

// Chain is the head of a customer's chain: that of the wallet which moved last.
func Chain(customer *ledger.Customer, rows []Row) (chain ledger.Chain) {
	for i := range rows {
		if r := &rows[i]; r.Position > chain.Position {
			chain = ledger.Chain{Position: r.Position, Hash: r.Hash, LastAt: r.UpdatedAt}
		}
	}
	for i := range rows {
		chain = chain.Past(rows[i].HoldAt)
	}
	chain.Clock = customer.ClockAt
	return chain
}

// HoldNumber is that of a customer's last hold event: the wallet's about which it
// was.
func HoldNumber(rows []Row) (number int64) {
	for i := range rows {
		number = max(number, rows[i].HoldNumber)
	}
	return number
}

// Apply makes the row what it is after a change that was decided on a look at it,
// and puts lots onto the shelf of the source and takes them from there, and marks
// into it. About inRow lots that can expire are written out where there are more.
func (r *Row) Apply(change *ledger.Change, look *Look, source Source, inRow int) error {
	before := blocks(r.Seq, r.HoldNumber)
	r.Notices.note(change, look.lots)
	if err := r.take(change, look, source); err != nil {
		return err
	}
	r.Balance, r.Held, r.Alerts = change.Wallet.Balance, change.Wallet.Held, change.Wallet.Alerts
	r.Debt = change.Wallet.Debt
	if change.Hold != nil {
		r.HoldNumber, r.HoldAt = change.Hold.Event.Number, change.Hold.Event.CreatedAt
	}
	for entry := range change.Entries() {
		r.Seq, r.Position = entry.Seq, entry.Position
		r.Hash, r.UpdatedAt = entry.Hash, entry.CreatedAt
	}
	if err := r.balanceShelf(source, inRow); err != nil {
		return err
	}
	return r.mark(change, before, source)
}

// NextExpiry is when the next of the open lots expires, zero when none can. While
// one can, the soonest is written out and stands first.
func (r *Row) NextExpiry() time.Time {
	if len(r.Written) == 0 {
		return time.Time{}
	}
	return r.Written[0].ExpiresAt
}

// expiring is how many of the written lots can expire. They come first.
func (r *Row) expiring() int {
	never := func(lot ledger.Lot) bool { return lot.ExpiresAt.IsZero() }
	if n := slices.IndexFunc(r.Written, never); n >= 0 {
		return n
	}
	return len(r.Written)
}

// prefix returns how many of the written lots begin the spend order without a
// gap: those that can expire, if others are shelved and were not all read, or all
// before the first lot that comes after a tail.
//
//	written:   A (expires)  B (promotional)  D (paid)
//	tail:                   C (promotional)
//	in order:  A B C D, so the prefix is A B
func (r *Row) prefix(shelfRead bool) int {
	if r.Shelf.Sum > 0 && !shelfRead {
		return r.expiring()
	}
	if r.Tails[0].Sum == 0 {
		return len(r.Written)
	}
	for i, lot := range r.Written {
		if lot.ExpiresAt.IsZero() && lot.Category == ledger.Paid {
			return i
		}
	}
	return len(r.Written)
}

// take makes the row's lots what a change left of those of a look. A lot that a
// reversal gave money back to was drawn from its tail by the debit, so it is none of
// a tail's.
func (r *Row) take(change *ledger.Change, look *Look, source Source) error {
	lots, rest := change.Wallet.Lots, r.Written[look.n:]
	for _, lot := range look.apart {
		is := isLot(lot.Seq)
		if slices.ContainsFunc(rest, is) {
			rest = slices.DeleteFunc(slices.Clone(rest), is)
			continue
		}
		// What is left of it stays in its tail.
		tail := &r.Tails[TailOf(lot.Category)]
		tail.Sum -= lot.Remaining
		if at := slices.IndexFunc(lots, is); at >= 0 {
			tail.Sum += lots[at].Remaining
			lots = slices.Delete(slices.Clone(lots), at, at+1)
		}
		if tail.Sum == 0 {
			tail.From = 0
		}
	}
	lots, err := r.takeShelved(lots, look, source)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		lots = ledger.MergeLots(lots, rest)
	}
	r.Written = lots
	for entry := range change.Entries() {
		r.lengthen(entry)
	}
	return nil
}

// lengthen puts the lot that an entry opened into the tail of its category. It
// is the newest there, and joins the tail if there is one, because everything
// from there upwards is the tail's; it begins one if the row is long enough
// already. What a debt took of it is no reason to write it out. Of a lot that the
// same change has spent from in another way, there was no tail to join: all that is
// older was spent before it.
func (r *Row) lengthen(entry *ledger.Entry) {
	if !entry.OpensLot() || !entry.ExpiresAt.IsZero() {
		return
	}
	isOpened := isLot(entry.Seq)
	at := slices.IndexFunc(r.Written, isOpened)
	tail := &r.Tails[TailOf(entry.Category)]
	if at < 0 || tail.Sum == 0 && (r.Written[at].Remaining != entry.Amount || len(r.Written) <= writtenMax) {
		return
	}
	left := r.Written[at].Remaining
	r.Written = slices.DeleteFunc(slices.Clone(r.Written), isOpened)
	if tail.Sum == 0 {
		tail.From = entry.Seq
	}
	tail.Sum += left
}
