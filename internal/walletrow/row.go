// Package walletrow is the row of a wallet as every store keeps it: the
// balance, the head of its entries, and its open lots in a form that stays
// short however many lots are open.
//
// The exception is a debit of very many lots that is undone: all that it gave
// back are written out until they are spent again.
//
// A row is written with every commit that touches its wallet, so it writes out
// only the lots that are next in spend order and those that can expire. Lots
// that never expire and were never spent from are the wallet's credits of one
// category from a seq upwards; two numbers stand for all of them, and they are
// read from the entries when a debit comes to them.
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

	// Written are the open lots that are written out, in spend order. Tails
	// are the others, one for each category, see [TailOf].
	Written []ledger.Lot
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

// Credits returns the lots that the wallet's credits with seq from … to opened,
// oldest first, as they were before any debit, but less the entries that reverse
// these very credits, or recover a debt from them. Of a credit that was reversed
// whole the lot has nothing.
type Credits func(from, to int64) ([]ledger.Lot, error)

// Wallet is the row as the rules see it, with the first n of its written lots.
func (r *Row) Wallet(customer *ledger.Customer, n int) ledger.Wallet {
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
		Lots:       r.Written[:n:n],
	}
	if r.Seq == 0 {
		wallet.UpdatedAt = customer.CreatedAt
	}
	return wallet
}

// Chain is the head of a customer's chain: that of the wallet which moved last.
func Chain(rows []Row) (chain ledger.Chain) {
	for i := range rows {
		if r := &rows[i]; r.Position > chain.Position {
			chain = ledger.Chain{Position: r.Position, Hash: r.Hash, LastAt: r.UpdatedAt}
		}
	}
	for i := range rows {
		chain = chain.Past(rows[i].HoldAt)
	}
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

// Apart returns the lot that a credit opened as it is now, if it is open and none
// of the first n of the written lots. So much of the credit was reversed or recovered
// before.
// Otherwise it returns nothing. Each lot of a tail has what was not reversed of
// its credit, so this takes no longer in a wallet with many lots.
func (r *Row) Apart(n int, credit ledger.Lot, reversed money.Amount) []ledger.Lot {
	ofCredit := func(lot ledger.Lot) bool { return lot.Seq == credit.Seq }
	if at := slices.IndexFunc(r.Written, ofCredit); at >= 0 {
		if at < n {
			return nil
		}
		return []ledger.Lot{r.Written[at]}
	}
	tail := r.Tails[TailOf(credit.Category)]
	credit.Remaining -= reversed
	if !credit.ExpiresAt.IsZero() || tail.Sum == 0 || credit.Seq < tail.From || credit.Remaining <= 0 {
		return nil
	}
	return []ledger.Lot{credit}
}

// Apply makes the row what it is after a change that was decided on the first n
// of its written lots, and on one that stands apart if there is one, see
// [Row.Apart].
func (r *Row) Apply(change *ledger.Change, n int, apart []ledger.Lot) {
	r.take(change, n, apart)
	r.Balance, r.Held, r.Alerts = change.Wallet.Balance, change.Wallet.Held, change.Wallet.Alerts
	r.Debt = change.Wallet.Debt
	if change.Hold != nil {
		r.HoldNumber, r.HoldAt = change.Hold.Event.Number, change.Hold.Event.CreatedAt
	}
	for entry := range change.Entries() {
		r.Seq, r.Position = entry.Seq, entry.Position
		r.Hash, r.UpdatedAt = entry.Hash, entry.CreatedAt
	}
}

// NextExpiry is when the next of the open lots expires, zero when none can. Every
// lot that can expire is written out, and the soonest stands first.
func (r *Row) NextExpiry() time.Time {
	if len(r.Written) == 0 {
		return time.Time{}
	}
	return r.Written[0].ExpiresAt
}

// Prefix returns how many of the written lots begin the spend order without a
// gap: all of them, or those before the first lot that comes after a tail.
//
//	written:   A (expires)  B (promotional)  D (paid)
//	tail:                   C (promotional)
//	in order:  A B C D, so the prefix is A B
func (r *Row) Prefix() int {
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

// Cover draws lots from the tails until the lots that begin the spend order and
// have not expired at t sum to need. It returns how many lots the prefix has
// then. It draws nothing when all lots together could not cover need: the debit
// will be refused, and a caller who asks for a fortune must not make the store
// read every lot of the wallet. A partial need is then for all that there is.
func (r *Row) Cover(need money.Amount, partial bool, t time.Time, credits Credits) (int, error) {
	if need != 0 && need != ledger.NeedAll {
		if spendable := r.spendable(t); spendable < need {
			need = 0
			if partial {
				need = spendable
			}
		}
	}
	if need == 0 {
		return r.Prefix(), nil
	}
	for {
		n := r.Prefix()
		var covered money.Amount
		for _, lot := range r.Written[:n] {
			if !lot.ExpiredAt(t) {
				covered += lot.Remaining
			}
		}
		if covered >= need {
			return n, nil
		}
		category := ledger.Promotional
		if r.Tails[0].Sum == 0 {
			category = ledger.Paid
		}
		if r.Tails[TailOf(category)].Sum == 0 {
			return n, nil
		}
		if err := r.draw(category, need-covered, 0, credits); err != nil {
			return 0, err
		}
	}
}

// Reach draws lots from the tails until the lot with a seq is in the prefix, if it
// is open. Who never asks for a lot that never expires draws nothing: the others
// are all in the prefix. For one that does not, all lots before it in spend order
// are written out.
func (r *Row) Reach(seq int64, credits Credits) error {
	if seq < 1 || seq > r.Seq || slices.ContainsFunc(r.Written[:r.Prefix()], isLot(seq)) {
		return nil
	}
	opened, err := credits(seq, seq)
	if err != nil || len(opened) == 0 || !opened[0].ExpiresAt.IsZero() {
		return err
	}
	category := opened[0].Category
	if tail := r.Tails[TailOf(category)]; tail.Sum > 0 && tail.From <= seq {
		if err := r.draw(category, 0, seq, credits); err != nil {
			return err
		}
	}
	if category == ledger.Promotional || r.Tails[0].Sum == 0 || !slices.ContainsFunc(r.Written, isLot(seq)) {
		return nil
	}
	return r.draw(ledger.Promotional, 0, r.Seq, credits) // all of which are spent before it
}

func isLot(seq int64) func(ledger.Lot) bool {
	return func(lot ledger.Lot) bool { return lot.Seq == seq }
}

// spendable is what all lots that have not expired at t sum to. Lots that can
// expire are always written out, so the tails count in full.
func (r *Row) spendable(t time.Time) money.Amount {
	sum := r.Balance - r.Held
	for _, lot := range r.Written {
		if lot.ExpiredAt(t) {
			sum -= lot.Remaining
		}
	}
	return sum
}

// draw writes out the oldest lots of a tail: at least drawnMin, enough for an
// amount, and all up to a seq, as far as the tail has them.
func (r *Row) draw(category ledger.Category, amount money.Amount, through int64, credits Credits) error {
	tail := r.Tails[TailOf(category)]
	lots := slices.Clone(r.Written)
	drawn := 0
	for tail.Sum > 0 && (drawn < drawnMin || amount > 0 || tail.From <= through) {
		to := min(tail.From+drawnSpan-1, r.Seq)
		opened, err := credits(tail.From, to)
		if err != nil {
			return err
		}
		for _, lot := range opened {
			if lot.Category != category || !lot.ExpiresAt.IsZero() || lot.Remaining == 0 {
				continue
			}
			lots = append(lots, lot)
			tail.Sum -= lot.Remaining
			amount -= lot.Remaining
			drawn++
		}
		tail.From = to + 1
		if tail.Sum < 0 || (tail.Sum > 0 && tail.From > r.Seq) {
			return ErrLots
		}
	}
	if tail.Sum == 0 {
		tail.From = 0
	}
	slices.SortFunc(lots, ledger.CompareLots)
	r.Written, r.Tails[TailOf(category)] = lots, tail
	return nil
}

// take makes the row's lots what a change left of the first n of them and of one
// that stands apart. A lot that a reversal gave money back to was drawn from its
// tail by the debit, so it is none of a tail's.
func (r *Row) take(change *ledger.Change, n int, apart []ledger.Lot) {
	lots, rest := change.Wallet.Lots, r.Written[n:]
	for _, lot := range apart {
		isLot := func(l ledger.Lot) bool { return l.Seq == lot.Seq }
		if slices.ContainsFunc(rest, isLot) {
			rest = slices.DeleteFunc(slices.Clone(rest), isLot)
			continue
		}
		// What is left of it stays in its tail.
		tail := &r.Tails[TailOf(lot.Category)]
		tail.Sum -= lot.Remaining
		if at := slices.IndexFunc(lots, isLot); at >= 0 {
			tail.Sum += lots[at].Remaining
			lots = slices.Delete(slices.Clone(lots), at, at+1)
		}
		if tail.Sum == 0 {
			tail.From = 0
		}
	}
	if len(rest) > 0 {
		lots = ledger.MergeLots(lots, rest)
	}
	r.Written = lots
	for entry := range change.Entries() {
		r.lengthen(entry)
	}
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
