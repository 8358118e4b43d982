package sqlite

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

const (
	// lotsWrittenMax is how many lots a wallet's row writes out before lots
	// that never expire go to a tail. The row is rewritten with every commit
	// that touches the wallet, so it stays short.
	lotsWrittenMax = 8

	// lotsDrawnMin is how many lots at the least are drawn from a tail at once.
	lotsDrawnMin = 16
)

var errLots = errors.New("a wallet's stored lots do not decode")

// appendLots encodes lots as the column wallets.lots describes.
func appendLots(to []byte, lots []ledger.Lot) []byte {
	for _, lot := range lots {
		to = binary.AppendUvarint(to, uint64(lot.Seq))
		to = binary.AppendUvarint(to, uint64(restOf(lot.Category)))
		to = binary.AppendUvarint(to, uint64(microsOf(lot.ExpiresAt)))
		to = binary.AppendUvarint(to, uint64(lot.Remaining))
	}
	return to
}

func decodeLots(b []byte) ([]ledger.Lot, error) {
	if len(b) == 0 {
		return nil, nil
	}
	lots := make([]ledger.Lot, 0, lotsWrittenMax)
	for len(b) > 0 {
		var fields [4]uint64
		for i := range fields {
			n := 0
			if fields[i], n = binary.Uvarint(b); n <= 0 {
				return nil, errLots
			}
			b = b[n:]
		}
		category := ledger.Paid
		if fields[1] == 0 {
			category = ledger.Promotional
		}
		lots = append(lots, ledger.Lot{
			Seq:       int64(fields[0]),
			Category:  category,
			ExpiresAt: timeOf(int64(fields[2])),
			Remaining: money.Amount(fields[3]),
		})
	}
	return lots, nil
}

func appendAllocations(to []byte, allocations []ledger.Allocation) []byte {
	for _, part := range allocations {
		to = binary.AppendUvarint(to, uint64(part.LotSeq))
		to = binary.AppendUvarint(to, uint64(part.Amount))
	}
	return to
}

func decodeAllocations(b []byte) ([]ledger.Allocation, error) {
	var allocations []ledger.Allocation
	for len(b) > 0 {
		seq, n := binary.Uvarint(b)
		amount, m := binary.Uvarint(b[max(n, 0):])
		if n <= 0 || m <= 0 {
			return nil, errLots
		}
		b = b[n+m:]
		allocations = append(allocations, ledger.Allocation{LotSeq: int64(seq), Amount: money.Amount(amount)})
	}
	return allocations, nil
}

// prefix returns how many of the written lots begin the spend order without a
// gap: all of them, or those before the first lot that comes after a tail.
//
//	written:   A (expires)  B (promotional)  D (paid)
//	tail:                   C (promotional)
//	in order:  A B C D, so the prefix is A B
func (w *walletState) prefix() int {
	if w.rest[0].sum == 0 {
		return len(w.lots)
	}
	for i, lot := range w.lots {
		if lot.ExpiresAt.IsZero() && lot.Category == ledger.Paid {
			return i
		}
	}
	return len(w.lots)
}

// cover draws lots from the tails until the lots that begin the spend order and
// have not expired at t sum to need. It returns how many lots the prefix has
// then. It draws nothing when all lots together could not cover need: the debit
// will be refused, and a caller who asks for a fortune must not make the store
// read every lot of the wallet.
func (w *walletState) cover(conn *sqlite.Conn, customer int64, need money.Amount, t time.Time) (int, error) {
	if need == 0 || (need != ledger.NeedAll && w.spendable(t) < need) {
		return w.prefix(), nil
	}
	for {
		n := w.prefix()
		var covered money.Amount
		for _, lot := range w.lots[:n] {
			if !lot.ExpiredAt(t) {
				covered += lot.Remaining
			}
		}
		if covered >= need {
			return n, nil
		}
		category := ledger.Promotional
		if w.rest[0].sum == 0 {
			category = ledger.Paid
		}
		if w.rest[restOf(category)].sum == 0 {
			return n, nil
		}
		if err := w.draw(conn, customer, category, need-covered); err != nil {
			return 0, err
		}
	}
}

// spendable is what all lots that have not expired at t sum to. Lots that can
// expire are always written out, so the tails count in full.
func (w *walletState) spendable(t time.Time) money.Amount {
	sum := w.balance
	for _, lot := range w.lots {
		if lot.ExpiredAt(t) {
			sum -= lot.Remaining
		}
	}
	return sum
}

// draw writes out the oldest lots of a tail: at least lotsDrawnMin and enough
// for an amount, as far as the tail has them.
func (w *walletState) draw(conn *sqlite.Conn, customer int64, category ledger.Category, amount money.Amount) error {
	rest := w.rest[restOf(category)]
	lots := slices.Clone(w.lots)
	drawn := 0
	for rest.sum > 0 && (drawn < lotsDrawnMin || amount > 0) {
		to := min(rest.from+markEvery-1, w.seq)
		credits, err := readCredits(conn, customer, w, rest.from, to)
		if err != nil {
			return err
		}
		for _, lot := range credits {
			if lot.Category != category || !lot.ExpiresAt.IsZero() {
				continue
			}
			lots = append(lots, lot)
			rest.sum -= lot.Remaining
			amount -= lot.Remaining
			drawn++
		}
		rest.from = to + 1
		if rest.sum < 0 || (rest.sum > 0 && rest.from > w.seq) {
			return errLots
		}
	}
	if rest.sum == 0 {
		rest.from = 0
	}
	slices.SortFunc(lots, ledger.CompareLots)
	w.lots, w.rest[restOf(category)] = lots, rest
	return nil
}

// readCredits returns the lots that a wallet's credits with seq from … to
// opened, oldest first, as they were before any debit.
func readCredits(conn *sqlite.Conn, customer int64, w *walletState, from, to int64) ([]ledger.Lot, error) {
	no, err := locateSeq(conn, customer, w, to)
	if err != nil {
		return nil, err
	}
	var lots []ledger.Lot
	for no != 0 {
		step, err := readStep(conn, no)
		if err != nil {
			return nil, err
		}
		if step.seq < from {
			break
		}
		if step.isCredit {
			lots = append(lots, ledger.Lot{
				Seq:       step.seq,
				Category:  step.category,
				ExpiresAt: step.expiresAt,
				Remaining: step.amount,
			})
		}
		no = step.walletPrevious
	}
	slices.Reverse(lots)
	return lots, nil
}

// take makes the wallet's lots what a change left of the first n of them.
func (w *walletState) take(changed *ledger.Change, n int) {
	lots := changed.Wallet.Lots
	if n < len(w.lots) {
		lots = append(slices.Clone(lots), w.lots[n:]...)
		slices.SortFunc(lots, ledger.CompareLots)
	}
	w.lots = lots
	entry := &changed.Entry
	if entry.Direction != ledger.Credit || !entry.ExpiresAt.IsZero() {
		return
	}
	// The lot that was just opened is the newest of its category. It joins the
	// tail if there is one, because everything from there upwards is the
	// tail's, and begins one if the row is long enough already.
	rest := &w.rest[restOf(entry.Category)]
	if rest.sum == 0 && len(w.lots) <= lotsWrittenMax {
		return
	}
	w.lots = slices.DeleteFunc(slices.Clone(w.lots), func(lot ledger.Lot) bool { return lot.Seq == entry.Seq })
	if rest.sum == 0 {
		rest.from = entry.Seq
	}
	rest.sum += entry.Amount
}
