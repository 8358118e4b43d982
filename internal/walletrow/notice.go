package walletrow

import (
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// NoticeSpan is how many lots a decision about notices sees at once.
const NoticeSpan = 64

// Notices is where the announcing of a wallet's lots stands. The zero Notices: there is
// nothing to announce.
type Notices struct {
	Number int64 // of the wallet's last notice, 0 for none

	// From is a place in the spend order, a lot without a remainder: every open lot that
	// can expire and stands before it was announced. The zero Lot is behind all. What
	// opens a lot before it, or puts money into one, sets it back; nothing else but an
	// announcement moves it.
	From ledger.Lot
}

// NextNotice and NoticeLot are how From is kept: when the lot there expires, zero for
// none, and its seq, negated if it is promotional.
func (n *Notices) NextNotice() time.Time { return n.From.ExpiresAt }

// NoticeLot is described at [Notices.NextNotice].
func (n *Notices) NoticeLot() int64 {
	if n.From.Category == ledger.Promotional {
		return -n.From.Seq
	}
	return n.From.Seq
}

// NoticesOf is the reverse of [Notices.NextNotice] and [Notices.NoticeLot].
func NoticesOf(number int64, next time.Time, lot int64) Notices {
	n := Notices{Number: number}
	switch {
	case next.IsZero():
	case lot < 0:
		n.From = ledger.Lot{Seq: -lot, Category: ledger.Promotional, ExpiresAt: next}
	default:
		n.From = ledger.Lot{Seq: lot, Category: ledger.Paid, ExpiresAt: next}
	}
	return n
}

// NoticeNumber is that of a customer's last notice: the wallet's about which it was.
func NoticeNumber(rows []Row) (number int64) {
	for i := range rows {
		number = max(number, rows[i].Notices.Number)
	}
	return number
}

// Unannounced finds the lots that a decision about notices sees. Which of them were
// announced is left to the store, and so is the number.
func (r *Row) Unannounced(source Source) (seen ledger.Unannounced, err error) {
	seen.From = r.Notices.From
	if seen.From.ExpiresAt.IsZero() {
		return seen, nil
	}
	for _, lot := range r.Written[:r.expiring()] {
		if ledger.CompareLots(lot, seen.From) >= 0 {
			seen.Lots = append(seen.Lots, lot)
		}
	}
	if r.Shelf.Sum > 0 && len(seen.Lots) <= NoticeSpan {
		n := r.expiring()
		if n == 0 {
			return seen, ErrLots
		}
		behind := seen.From
		behind.Seq-- // that lot itself is wanted too
		if last := r.Written[n-1]; ledger.CompareLots(last, behind) > 0 {
			behind = last
		}
		shelved, err := source.Shelved(behind, NoticeSpan+1-len(seen.Lots))
		if err != nil {
			return seen, err
		}
		seen.Lots = append(seen.Lots, shelved...)
	}
	if seen.More = len(seen.Lots) > NoticeSpan; seen.More {
		seen.Lots = seen.Lots[:NoticeSpan]
	}
	return seen, nil
}

// note keeps where announcing stands after a change that was decided on some lots and
// has left others.
func (n *Notices) note(change *ledger.Change, before []ledger.Lot) {
	if announced := change.Announced; announced != nil {
		n.From = announced.From
		if last := len(announced.Notices) - 1; last >= 0 {
			n.Number = announced.Notices[last].Number
		}
		return
	}
	for _, lot := range change.Wallet.Lots {
		if lot.ExpiresAt.IsZero() || !n.From.ExpiresAt.IsZero() && ledger.CompareLots(lot, n.From) >= 0 {
			return
		}
		for len(before) > 0 && ledger.CompareLots(before[0], lot) < 0 {
			before = before[1:]
		}
		if len(before) == 0 || before[0].Seq != lot.Seq {
			n.From = ledger.Lot{Seq: lot.Seq, Category: lot.Category, ExpiresAt: lot.ExpiresAt}
			return
		}
	}
}
