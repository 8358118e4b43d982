package walletrow

import (
	"math"
	"slices"

	"github.com/billfold/billfold/internal/ledger"
)

const (
	// pageSpan is how many seqs are read at a time for a page of lots, and
	// pageScanMax after how many without a full page it ends early.
	pageSpan    = 256
	pageScanMax = 20 * pageSpan
)

// A place in the spend order is a seq with one of these in its two lowest bits:
// after a lot that expires, whose place its credit tells, or after the lots of a
// category that never expire up to the seq. It stays what it is when the lot has
// been spent since.
const (
	placeExpires = iota
	placePromotional
	placePaid
)

func placeAfter(lot ledger.Lot) int64 {
	kind := int64(placeExpires)
	if lot.ExpiresAt.IsZero() {
		kind = placePromotional + int64(TailOf(lot.Category))
	}
	return lot.Seq<<2 | kind
}

// lotAt returns a lot that stands where a place is, and false for a place that
// this wallet does not have.
func (r *Row) lotAt(place int64, source Source) (lot ledger.Lot, known bool, err error) {
	lot = ledger.Lot{Seq: place >> 2, Category: ledger.Paid}
	switch place & 3 {
	case placePromotional:
		lot.Category = ledger.Promotional
	case placeExpires:
		if lot.Seq > r.Seq {
			return lot, false, nil
		}
		opened, err := source.Credits(lot.Seq, lot.Seq)
		if err != nil || len(opened) != 1 {
			return lot, false, err
		}
		lot = opened[0]
	}
	return lot, true, nil
}

// Page returns up to limit of the open lots in spend order that come after a
// place, 0 for the first, and the place after them, 0 when none are left. Lots in
// the tails are read from the credits, but not very many at a time: where few of
// a wallet's entries opened one, a page may be short and yet not be the last.
func (r *Row) Page(after int64, limit int, source Source) (lots []ledger.Lot, next int64, err error) {
	begin := ledger.Lot{}
	if after != 0 {
		known := false
		if begin, known, err = r.lotAt(after, source); err != nil || !known {
			return nil, 0, err
		}
	}
	p := &pager{row: r, begin: begin, begun: after == 0, limit: limit, source: source}
	for _, lot := range r.Written[:r.expiring()] {
		p.add(lot)
	}
	if err := p.shelf(); err != nil {
		return nil, 0, err
	}
	for _, category := range []ledger.Category{ledger.Promotional, ledger.Paid} {
		if err := p.tail(category); err != nil {
			return nil, 0, err
		}
	}
	return p.lots, p.next, nil
}

// pager collects one page. It is full as soon as next is set.
type pager struct {
	row     *Row
	begin   ledger.Lot
	begun   bool // there is no lot to begin after
	limit   int
	source  Source
	lots    []ledger.Lot
	next    int64
	scanned int64
}

// add adds a lot, unless it comes before the page or finds it full.
func (p *pager) add(lot ledger.Lot) {
	switch {
	case p.next != 0 || !p.begun && ledger.CompareLots(lot, p.begin) <= 0:
	case len(p.lots) == p.limit:
		p.next = placeAfter(p.lots[p.limit-1])
	default:
		p.lots = append(p.lots, lot)
	}
}

// shelf adds the lots of the shelf. The page begins before all of them, among them, or
// with the lots that never expire.
func (p *pager) shelf() error {
	behind := beforeAll
	switch {
	case p.row.Shelf.Sum == 0 || p.next != 0 || !p.begun && p.begin.ExpiresAt.IsZero():
		return nil
	case !p.begun:
		behind = p.begin
	}
	lots, err := p.source.Shelved(behind, p.limit-len(p.lots)+1)
	for _, lot := range lots {
		p.add(lot)
	}
	return err
}

// tail adds the lots of a category that never expire: those that are written out, and
// those of the tail, which in a row as it is now are all younger.
func (p *pager) tail(category ledger.Category) error {
	written := slices.DeleteFunc(slices.Clone(p.row.Written), func(lot ledger.Lot) bool {
		return !lot.ExpiresAt.IsZero() || lot.Category != category
	})
	addBefore := func(seq int64) {
		for ; len(written) > 0 && written[0].Seq < seq; written = written[1:] {
			p.add(written[0])
		}
	}
	tail := p.row.Tails[TailOf(category)]
	from, left := tail.From, tail.Sum
	last := ledger.Lot{Seq: p.row.Seq, Category: category}
	if left == 0 || !p.begun && ledger.CompareLots(last, p.begin) <= 0 {
		addBefore(math.MaxInt64)
		return nil
	}
	if !p.begun && p.begin.ExpiresAt.IsZero() && p.begin.Category == category {
		from = max(from, p.begin.Seq+1)
	}
	for ; from <= p.row.Seq && left > 0 && p.next == 0; from += pageSpan {
		addBefore(from)
		if p.scanned == pageScanMax && p.next == 0 {
			p.next = placeAfter(ledger.Lot{Seq: from - 1, Category: category})
			return nil
		}
		opened, err := p.source.Credits(from, min(from+pageSpan-1, p.row.Seq))
		if err != nil {
			return err
		}
		for _, lot := range opened {
			if lot.Category == category && lot.ExpiresAt.IsZero() && lot.Remaining > 0 {
				addBefore(lot.Seq)
				p.add(lot)
				left -= lot.Remaining
			}
		}
		p.scanned += pageSpan
	}
	addBefore(math.MaxInt64)
	return nil
}
