package walletrow

import (
	"slices"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// Want is what a decision may do with a wallet's lots, see [ledger.Scope].
type Want struct {
	At      time.Time    // the time that counts for the customer
	Need    money.Amount // of lots to spend
	Partial bool

	// Credit is a lot as its credit opened it, and Reversed how much of the credit was
	// reversed or taken for a debt since; the zero Lot for none. Moves is the seq of another one, 0 for
	// none. The decision may take from both out of their turn.
	Credit   ledger.Lot
	Reversed money.Amount
	Moves    int64

	// Returns are lots that money may be given back to.
	Returns []ledger.Lot
}

// WantOf is what a scope asks for. The snapshot has all but the wallet. So much of
// the entry that the scope reverses was taken for a debt.
func WantOf(scope *ledger.Scope, s *ledger.Snapshot, recovered money.Amount) *Want {
	want := &Want{
		At: s.Chain.At(scope.At), Need: scope.Need, Partial: scope.Partial, Credit: scope.Lot, Reversed: s.Reversed + recovered,
		Moves: scope.Moves, Returns: scope.Returns,
	}
	if s.Hold != nil {
		want.Returns = s.Hold.Lots
	}
	return want
}

// Look is what a decision sees of a wallet's lots.
type Look struct {
	lots   []ledger.Lot // all that it sees, in spend order
	n      int          // how many of the row's written lots are among them, from the first on
	apart  []ledger.Lot // those of written lots behind these, and of tails
	shelf  []ledger.Lot // those that are shelved, in spend order
	lapsed money.Amount // of shelved lots that have expired and that it does not see
	all    money.Amount // of all shelved lots that have expired
	at     time.Time
}

// Look finds the lots that a decision needs to see, and draws what it needs of the
// tails. Of the shelf it only reads. As long as lots that can expire are enough to
// spend, it sees none that cannot.
//
// It sees nothing beyond the prefix when all lots together could not cover the need: the
// debit will be refused, and a caller who asks for a fortune must not make the store
// read every lot of the wallet. A partial need is then for all that there is.
func (r *Row) Look(want *Want, source Source) (look Look, err error) {
	look.at = want.At
	if look.all, err = r.lapsed(want.At, source); err != nil {
		return look, err
	}
	named := slices.DeleteFunc(slices.Clone(want.Returns), func(l ledger.Lot) bool { return l.ExpiresAt.IsZero() })
	moved, err := r.reach(want.Moves, source)
	if err != nil {
		return look, err
	}
	if err := r.cover(&look, want, source); err != nil {
		return look, err
	}
	for _, lot := range []ledger.Lot{want.Credit, moved} {
		switch {
		case lot.Seq == 0 || slices.ContainsFunc(r.Written[:look.n], isLot(lot.Seq)):
		case lot.ExpiresAt.IsZero():
			look.apart = append(look.apart, r.standing(lot, want.Reversed)...)
		default:
			named = append(named, lot)
		}
	}
	if err := r.find(&look, named, source); err != nil {
		return look, err
	}
	look.lots = r.Written[:look.n:look.n]
	if len(look.shelf)+len(look.apart) > 0 {
		look.lots = slices.Concat(look.lots, look.shelf, look.apart)
		slices.SortFunc(look.lots, ledger.CompareLots)
	}
	look.lapsed = look.all - expired(look.shelf, want.At)
	return look, nil
}

func isLot(seq int64) func(ledger.Lot) bool {
	return func(lot ledger.Lot) bool { return lot.Seq == seq }
}

// expired is what those lots have left that have expired at a time.
func expired(lots []ledger.Lot, at time.Time) (sum money.Amount) {
	for _, lot := range lots {
		if lot.ExpiredAt(at) {
			sum += lot.Remaining
		}
	}
	return sum
}

// standing returns a lot that never expires as it is now, if it is open and none of
// the prefix. So much of its credit was reversed or taken for a debt. Each lot of a
// tail has the rest of its credit, so this takes no longer in a wallet with many lots.
func (r *Row) standing(lot ledger.Lot, reversed money.Amount) []ledger.Lot {
	if at := slices.IndexFunc(r.Written, isLot(lot.Seq)); at >= 0 {
		return r.Written[at : at+1 : at+1]
	}
	tail := r.Tails[TailOf(lot.Category)]
	lot.Remaining -= reversed
	if tail.Sum == 0 || lot.Seq < tail.From || lot.Remaining <= 0 {
		return nil
	}
	return []ledger.Lot{lot}
}

// reach returns the lot with a seq as its credit opened it, zero where no credit did.
// If it is in a tail it is drawn from there: a tail has no lot that was taken whole.
func (r *Row) reach(seq int64, source Source) (moved ledger.Lot, err error) {
	if seq < 1 || seq > r.Seq {
		return moved, nil
	}
	if at := slices.IndexFunc(r.Written, isLot(seq)); at >= 0 {
		return r.Written[at], nil
	}
	opened, err := source.Credits(seq, seq)
	if err != nil || len(opened) == 0 {
		return moved, err
	}
	lot := opened[0]
	if !lot.ExpiresAt.IsZero() {
		return lot, nil
	}
	if tail := r.Tails[TailOf(lot.Category)]; tail.Sum > 0 && tail.From <= seq {
		err = r.draw(lot.Category, 0, seq, source)
	}
	if at := slices.IndexFunc(r.Written, isLot(seq)); at >= 0 {
		return r.Written[at], err
	}
	return moved, err
}

// cover has a look see lots until those that begin the spend order, or would if what
// has expired were gone, sum to the need.
func (r *Row) cover(look *Look, want *Want, source Source) error {
	look.n = r.prefix(false)
	need := r.bounded(want, look.all)
	covered := r.live(look.n, want.At)
	if need == 0 || covered >= need {
		return nil
	}
	if r.Shelf.Sum > 0 {
		shelved, err := r.readShelf(look, need, covered, source)
		if covered += shelved; err != nil || covered >= need {
			return err
		}
	}
	for {
		look.n = r.prefix(true)
		// What was read of the shelf is spent before what never expires.
		covered := r.live(look.n, want.At) + sumOf(look.shelf) - expired(look.shelf, want.At)
		if covered >= need {
			return nil
		}
		category := ledger.Promotional
		if r.Tails[0].Sum == 0 {
			category = ledger.Paid
		}
		if r.Tails[TailOf(category)].Sum == 0 {
			return nil
		}
		if err := r.draw(category, need-covered, 0, source); err != nil {
			return err
		}
	}
}

// bounded is how much there must be to see for a need, when so much of the shelf has
// expired.
func (r *Row) bounded(want *Want, lapsed money.Amount) money.Amount {
	if want.Need == 0 || want.Need == ledger.NeedAll {
		return want.Need
	}
	spendable := r.Balance - r.Held - expired(r.Written, want.At) - lapsed
	switch {
	case spendable >= want.Need:
		return want.Need
	case want.Partial:
		return spendable
	default:
		return 0
	}
}

// live is what those of the first n written lots have left that have not expired.
func (r *Row) live(n int, at time.Time) money.Amount {
	return sumOf(r.Written[:n]) - expired(r.Written[:n], at)
}

func sumOf(lots []ledger.Lot) (sum money.Amount) {
	for _, lot := range lots {
		sum += lot.Remaining
	}
	return sum
}

// draw writes out the oldest lots of a tail: at least drawnMin, enough for an
// amount, and all up to a seq, as far as the tail has them.
func (r *Row) draw(category ledger.Category, amount money.Amount, through int64, source Source) error {
	tail := r.Tails[TailOf(category)]
	lots := slices.Clone(r.Written)
	drawn := 0
	for tail.Sum > 0 && (drawn < drawnMin || amount > 0 || tail.From <= through) {
		to := min(tail.From+drawnSpan-1, r.Seq)
		opened, err := source.Credits(tail.From, to)
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
