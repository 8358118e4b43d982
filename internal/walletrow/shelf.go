package walletrow

import (
	"math"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// LotsInRow is how many lots that can expire are written out in a row of a wallet
// that has more: so many after they were taken from the shelf or put there. Between
// these times there are a quarter to twice as many.
const LotsInRow = 16

// A debit reads shelfSpanMin shelved lots at first, which mostly do, and more each time
// after that, up to shelfSpanMax.
const (
	shelfSpanMin = 8
	shelfSpanMax = 512
)

// Shelf stands for open lots that have rows of their own. The zero Shelf is empty.
type Shelf struct {
	Sum money.Amount // of all of them

	// Lapsed is the sum of those that had expired at LapsedAt. What has expired since
	// is added when it is next asked for, so that no lot is looked at twice for it.
	Lapsed   money.Amount
	LapsedAt time.Time
}

// Source is what a wallet has beside its row, as the changes before have left it.
type Source interface {
	// Credits returns the lots that the wallet's credits with seq from … to opened,
	// oldest first, as they were before any debit, but less the entries that reverse
	// these very credits, or recover a debt from them. Of a credit that was reversed
	// whole the lot has nothing.
	Credits(from, to int64) ([]ledger.Lot, error)

	// Shelved returns the first shelved lots that come behind a lot in spend order, up
	// to a limit.
	Shelved(behind ledger.Lot, limit int) ([]ledger.Lot, error)

	// Find returns those of the lots that are shelved, in any order, with what they
	// have left.
	Find(lots []ledger.Lot) ([]ledger.Lot, error)

	// Lapsing sums the shelved lots that expire after an instant and not after another.
	Lapsing(after, through time.Time) (money.Amount, error)

	// Shelve has a lot with so much left on the shelf, where it had another remainder
	// before: 0 if it was not there. A lot with nothing left is not there afterwards.
	Shelve(lot ledger.Lot, before money.Amount) error

	// LastMark returns the head of the wallet's last mark.
	LastMark() (MarkHead, error)

	// Mark keeps a mark of the wallet. Each is later than those before it.
	Mark(mark *Mark) error
}

// beforeAll comes before every lot, and expiredAt is behind every lot that has
// expired at a time, and before the others.
var beforeAll = ledger.Lot{ExpiresAt: time.Unix(0, 0)}

func expiredAt(at time.Time) ledger.Lot {
	return ledger.Lot{ExpiresAt: at, Category: ledger.Paid, Seq: math.MaxInt64}
}

// Lapsing reports whether the shelf may have lots that have expired at a time, so that
// the row does not tell what is available. None has while the last of the written lots
// that can expire has not: all are behind it.
func (r *Row) Lapsing(at time.Time) bool {
	n := r.expiring()
	return r.Shelf.Sum > 0 && (n == 0 || r.Written[n-1].ExpiredAt(at))
}

// lapsed is what the shelved lots have left that have expired at a time.
func (r *Row) lapsed(at time.Time, source Source) (money.Amount, error) {
	switch {
	case !r.Lapsing(at):
		return 0, nil
	case r.expiring() == 0:
		return 0, ErrLots
	case at.Equal(r.Shelf.LapsedAt):
		return r.Shelf.Lapsed, nil
	case at.Before(r.Shelf.LapsedAt):
		return source.Lapsing(time.Time{}, at)
	}
	since, err := source.Lapsing(r.Shelf.LapsedAt, at)
	return r.Shelf.Lapsed + since, err
}

// readShelf has a look see shelved lots that have not expired until a need is covered,
// of which so much is already, or every shelved lot when all are asked for. It returns
// by how much more the need is covered.
func (r *Row) readShelf(look *Look, need, covered money.Amount, source Source) (more money.Amount, err error) {
	behind, left := expiredAt(look.at), r.Shelf.Sum-look.all
	if need == ledger.NeedAll {
		behind, left = beforeAll, r.Shelf.Sum
	}
	for span := shelfSpanMin; left > 0 && covered+more < need; span = min(4*span, shelfSpanMax) {
		lots, err := source.Shelved(behind, span)
		if err != nil {
			return 0, err
		}
		if len(lots) == 0 {
			return 0, ErrLots
		}
		for _, lot := range lots {
			if covered+more >= need {
				break
			}
			look.shelf, behind = append(look.shelf, lot), lot
			left -= lot.Remaining
			if !lot.ExpiredAt(look.at) {
				more += lot.Remaining
			}
		}
	}
	if left < 0 {
		return 0, ErrLots
	}
	return more, nil
}

// find has a look see those of some lots that are shelved and that it does not see yet.
func (r *Row) find(look *Look, lots []ledger.Lot, source Source) error {
	if len(lots) == 0 || r.Shelf.Sum == 0 {
		return nil
	}
	last := r.Written[r.expiring()-1] // there is one, see lapsed
	seen := make(map[int64]bool, len(look.shelf))
	for _, lot := range look.shelf {
		seen[lot.Seq] = true
	}
	lots = slices.DeleteFunc(lots, func(lot ledger.Lot) bool {
		return seen[lot.Seq] || ledger.CompareLots(lot, last) <= 0
	})
	if len(lots) == 0 {
		return nil
	}
	found, err := source.Find(lots)
	if err != nil {
		return err
	}
	look.shelf = append(look.shelf, found...)
	slices.SortFunc(look.shelf, ledger.CompareLots)
	return nil
}

// takeShelved leaves on the shelf what a change left of the shelved lots of a look, and
// puts there what comes after the written lots that can expire, when others do. It
// returns the other lots.
func (r *Row) takeShelved(lots []ledger.Lot, look *Look, source Source) ([]ledger.Lot, error) {
	if r.Shelf.Sum == 0 {
		return lots, nil
	}
	n := r.expiring()
	last := r.Written[n-1]
	if r.Lapsing(look.at) {
		r.Shelf.Lapsed, r.Shelf.LapsedAt = look.all, look.at
	}
	shelved := make(map[int64]money.Amount, len(look.shelf)) // what they had
	for _, lot := range look.shelf {
		shelved[lot.Seq] = lot.Remaining
	}
	written := make([]ledger.Lot, 0, len(lots))
	for _, lot := range lots {
		if lot.ExpiresAt.IsZero() || ledger.CompareLots(lot, last) <= 0 {
			written = append(written, lot)
			continue
		}
		before := shelved[lot.Seq]
		delete(shelved, lot.Seq)
		if err := r.shelve(lot, before, source); err != nil {
			return nil, err
		}
	}
	for _, lot := range look.shelf {
		if before, gone := shelved[lot.Seq]; gone {
			lot.Remaining = 0
			if err := r.shelve(lot, before, source); err != nil {
				return nil, err
			}
		}
	}
	return written, nil
}

// shelve has a lot with what it has left on the shelf, where it had so much before.
func (r *Row) shelve(lot ledger.Lot, before money.Amount, source Source) error {
	if lot.Remaining == before {
		return nil
	}
	r.Shelf.Sum += lot.Remaining - before
	if !lot.ExpiresAt.After(r.Shelf.LapsedAt) {
		r.Shelf.Lapsed += lot.Remaining - before
	}
	return source.Shelve(lot, before)
}

// balanceShelf writes out the first lots of the shelf when few that can expire are
// written out, and shelves the last of these when they have become many.
func (r *Row) balanceShelf(source Source, inRow int) error {
	n := r.expiring()
	switch {
	case n > 2*inRow:
		for _, lot := range r.Written[inRow:n] {
			if err := r.shelve(lot, 0, source); err != nil {
				return err
			}
		}
		r.Written = slices.Concat(r.Written[:inRow], r.Written[n:])
	case r.Shelf.Sum > 0 && n < max(inRow/4, 1):
		lots, err := source.Shelved(beforeAll, inRow-n)
		if err != nil {
			return err
		}
		if len(lots) == 0 {
			return ErrLots
		}
		for _, lot := range lots {
			gone := lot
			gone.Remaining = 0
			if err := r.shelve(gone, lot.Remaining, source); err != nil {
				return err
			}
		}
		r.Written = slices.Concat(r.Written[:n], lots, r.Written[n:])
	}
	if r.Shelf.Sum == 0 {
		r.Shelf = Shelf{}
	}
	return nil
}
