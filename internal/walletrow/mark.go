package walletrow

import (
	"slices"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// markEvery is how many entries of a wallet, or events about holds of its customer,
// lead from one mark to the next.
const markEvery = 64

// Mark is the lots of a wallet as they were right after a change, for [Past]. A wallet
// has one about every 64 entries and hold events, or as many as it has lots that a mark
// writes out, whichever is more: so marks cost each entry what a few lots take,
// however many are open.
type Mark struct {
	Seq        int64     // of the wallet's last entry then
	MadeAt     time.Time // when the change was made
	HoldEvent  int64     // number of the hold event that the change was, 0 if it had an entry
	HoldNumber int64     // of the last event about a hold in this wallet then

	// Lots are those that were written out or shelved, in spend order. Tails stand for
	// the others.
	Lots  []ledger.Lot
	Tails [2]Tail
}

// MarkHead tells of a mark how far it reaches. The zero MarkHead is that of a wallet
// without marks.
type MarkHead struct {
	Seq        int64
	HoldNumber int64
	Lots       int // how many it writes out
}

// Head is the head of the mark.
func (m *Mark) Head() MarkHead { return MarkHead{m.Seq, m.HoldNumber, len(m.Lots)} }

// blocks is how many blocks of entries and hold events there were up to a point.
func blocks(seq, holdNumber int64) int64 { return seq/markEvery + holdNumber/markEvery }

// span is after how many blocks the next mark is due.
func (h MarkHead) span() int64 { return max(1, int64(h.Lots)/markEvery) }

// Due reports whether a wallet that stands at a seq and a hold number after a change
// must have had another mark since. It may have had one earlier.
func (h MarkHead) Due(seq, holdNumber int64) bool {
	return blocks(seq, holdNumber)-blocks(h.Seq, h.HoldNumber) >= h.span()
}

// HoldsThrough is up to which number there can be events about holds in the wallet
// between this mark and the next.
func (h MarkHead) HoldsThrough() int64 { return h.HoldNumber + markEvery*(h.span()+1) }

// mark keeps the lots as a change has left them, if a block has ended with it. That of
// a row with few lots does not ask for the mark before, and may be early.
func (r *Row) mark(change *ledger.Change, before int64, source Source) error {
	if blocks(r.Seq, r.HoldNumber) == before {
		return nil
	}
	if r.Shelf.Sum > 0 || len(r.Written) > markEvery {
		last, err := source.LastMark()
		if err != nil || !last.Due(r.Seq, r.HoldNumber) {
			return err
		}
	}
	m := Mark{Seq: r.Seq, MadeAt: r.UpdatedAt, HoldNumber: r.HoldNumber, Tails: r.Tails}
	if change.Entry.Position == 0 {
		m.MadeAt, m.HoldEvent = r.HoldAt, r.HoldNumber
	}
	n := r.expiring()
	m.Lots = slices.Clone(r.Written[:n])
	for behind, left := beforeAll, r.Shelf.Sum; left > 0; {
		shelved, err := source.Shelved(behind, shelfSpanMax)
		if err != nil {
			return err
		}
		if len(shelved) == 0 {
			return ErrLots
		}
		m.Lots, behind = append(m.Lots, shelved...), shelved[len(shelved)-1]
		left -= sumOf(shelved)
	}
	m.Lots = append(m.Lots, r.Written[n:]...)
	return source.Mark(&m)
}
