package walletrow

import (
	"maps"
	"slices"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// Past is what tells of the lots of a wallet at a point in its past: the last mark at
// it or before, and what happened from there on. However old the wallet is, that is
// little.
type Past struct {
	Currency money.Currency
	Mark     Mark // the zero Mark where there is none before the point
	Seq      int64

	// Entries are those behind the mark and up to Seq, Holds what happened meanwhile
	// to holds in the wallet, both oldest first.
	Entries []ledger.Entry
	Holds   []HoldStep
}

// HoldStep is an event about a hold.
type HoldStep struct {
	Kind ledger.HoldEventKind

	// Pinned are the lots that the hold pinned when it was made. Captured and Released
	// are those of the hold right after the event.
	Pinned   []ledger.Allocation
	Captured money.Amount
	Released money.Amount
}

// Page is [Row.Page] of the wallet as it was. Of the source it asks for credits only,
// which it returns less what had been reversed or recovered at the mark.
func (p *Past) Page(after int64, limit int, source Source) (lots []ledger.Lot, next int64, err error) {
	s := &pastSource{Source: source, past: p, row: Row{Currency: p.Currency, Seq: p.Seq, Tails: p.Mark.Tails}}
	if err := s.replay(); err != nil {
		return nil, 0, err
	}
	return s.row.Page(after, limit, s)
}

// moves is by how much more or less of each lot there was at the point than at the
// mark, for those lots of which that is not the same.
func (p *Past) moves() map[int64]money.Amount {
	moved := map[int64]money.Amount{}
	for i := range p.Entries {
		e := &p.Entries[i]
		sign := money.Amount(-1)
		if e.Direction == ledger.Credit {
			sign = 1
		}
		switch {
		case e.OpensLot():
			moved[e.Seq] += e.Amount
		case e.HoldID != "": // takes what is pinned
		default:
			for _, part := range e.Allocations {
				moved[part.LotSeq] += sign * part.Amount
			}
		}
	}
	delete(moved, 0) // what a loan has brought is in no lot
	for _, step := range p.Holds {
		step.move(moved)
	}
	return moved
}

// move takes what a hold pins, or gives back what was left of it, which are the last
// of its parts.
func (h *HoldStep) move(moved map[int64]money.Amount) {
	captured := h.Captured
	for _, part := range h.Pinned {
		switch taken := min(captured, part.Amount); {
		case h.Kind == ledger.HoldMade:
			moved[part.LotSeq] -= part.Amount
		case h.Released > 0:
			moved[part.LotSeq] += part.Amount - taken
			captured -= taken
		}
	}
}

// pastSource makes a row of the past that writes out every lot which moved after the
// mark, and is the source of the others.
type pastSource struct {
	Source
	past    *Past
	row     Row
	written map[int64]bool // the row writes them out, or they have nothing left
}

func (s *pastSource) replay() error {
	lots := map[int64]ledger.Lot{}
	for _, lot := range s.past.Mark.Lots {
		lots[lot.Seq] = lot
	}
	moved := s.past.moves()
	for i := range s.past.Entries {
		if e := &s.past.Entries[i]; e.OpensLot() {
			lots[e.Seq] = ledger.Lot{Seq: e.Seq, Category: e.Category, ExpiresAt: e.ExpiresAt}
		}
	}
	if err := s.reopen(lots, moved); err != nil {
		return err
	}
	s.written = make(map[int64]bool, len(lots))
	for seq, lot := range lots {
		s.written[seq] = true
		lot.Remaining += moved[seq]
		switch {
		case lot.Remaining < 0:
			return ErrLots
		case lot.Remaining > 0:
			s.row.Written = append(s.row.Written, lot)
		}
	}
	slices.SortFunc(s.row.Written, ledger.CompareLots)
	return nil
}

// reopen adds the lots that moved and that the mark does not write out: they were used
// up then, or were in a tail.
func (s *pastSource) reopen(lots map[int64]ledger.Lot, moved map[int64]money.Amount) error {
	missing := slices.Sorted(maps.Keys(moved))
	missing = slices.DeleteFunc(missing, func(seq int64) bool { _, known := lots[seq]; return known })
	for len(missing) > 0 {
		n := 1
		for n < len(missing) && missing[n]-missing[0] < pageSpan {
			n++
		}
		opened, err := s.Source.Credits(missing[0], missing[n-1])
		if err != nil {
			return err
		}
		found := 0
		for _, lot := range opened {
			if _, wanted := slices.BinarySearch(missing[:n], lot.Seq); wanted {
				lots[lot.Seq] = s.atMark(lot)
				found++
			}
		}
		if found < n {
			return ErrLots
		}
		missing = missing[n:]
	}
	return nil
}

// atMark is what a lot that the mark does not write out had left at the mark. It is
// written out now, and so no longer in its tail.
func (s *pastSource) atMark(lot ledger.Lot) ledger.Lot {
	tail := &s.row.Tails[TailOf(lot.Category)]
	from := s.past.Mark.Tails[TailOf(lot.Category)].From
	if !lot.ExpiresAt.IsZero() || from == 0 || lot.Seq < from {
		lot.Remaining = 0
		return lot
	}
	tail.Sum -= lot.Remaining
	return lot
}

// Credits implements Source. What the row writes out has nothing in a tail.
func (s *pastSource) Credits(from, to int64) ([]ledger.Lot, error) {
	lots, err := s.Source.Credits(from, to)
	for i := range lots {
		if s.written[lots[i].Seq] {
			lots[i].Remaining = 0
		}
	}
	return lots, err
}
