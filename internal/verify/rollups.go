package verify

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"sort"
	"time"
)

// Lengths of what a roll-up is about, in microseconds.
const (
	quarterMicros = 15 * 60 * 1_000_000
	dayMicros     = 24 * 3600 * 1_000_000
)

// rollups adds up again, from the entries, what the roll-ups of reports must say.
type rollups struct {
	// all is up to which number entries are in the roll-ups. Below has it for each tenant
	// instead, where entries have places of their own: those below are in them.
	all   int64
	below map[int64]int64

	sums   map[rollupKey]*rollupSum
	places map[placeKey]*placeRange
	newest map[int64]int64 // the last place of a tenant
	counts map[rollupKey]bool
	days   map[int64]string // names of days
}

type rollupKey struct {
	tenant   int64
	span     string
	start    int64
	currency string
	label    string
}

type rollupSum struct{ credited, debited, entries int64 }

type placeKey struct{ tenant, start int64 }

type placeRange struct{ first, last int64 }

// rollupLot is what a credit says of the lot that it opened.
type rollupLot struct {
	seq      int64
	category string
	funded   int64
	expires  int64
}

func newRollups() *rollups {
	return &rollups{
		below: make(map[int64]int64), sums: make(map[rollupKey]*rollupSum), places: make(map[placeKey]*placeRange),
		newest: make(map[int64]int64), counts: make(map[rollupKey]bool), days: make(map[int64]string),
	}
}

// lotOf is the lot that a credit of the wallet opened.
func (b *walletBook) lotOf(seq int64) (rollupLot, bool) {
	i := sort.Search(len(b.credits), func(i int) bool { return b.credits[i].seq >= seq })
	if i < len(b.credits) && b.credits[i].seq == seq {
		return b.credits[i], true
	}
	return rollupLot{}, false
}

// entry adds an entry, once its allocations are decoded. Unlinked entries have places.
func (r *rollups) entry(owner *customer, book *walletBook, e *entryRow, unlinked bool) {
	lots, parts := r.moved(book, e)
	place, covered := e.no, e.no <= r.all
	if unlinked {
		place, covered = e.order, e.order < r.below[owner.tenant]
	}
	r.newest[owner.tenant] = max(r.newest[owner.tenant], place)
	if !covered {
		return
	}
	quarter, day := e.createdAt-e.createdAt%quarterMicros, e.createdAt-e.createdAt%dayMicros
	at := placeKey{owner.tenant, quarter}
	if r.places[at] == nil {
		r.places[at] = &placeRange{first: place, last: place}
	}
	r.places[at].first, r.places[at].last = min(r.places[at].first, place), max(r.places[at].last, place)
	clear(r.counts)
	for i, l := range lots {
		label := l.category + " " + string(e.eventType) + " " + string(e.account)
		loan := l.seq == loanLot
		if loan {
			label += " loan"
		}
		r.add(rollupKey{owner.tenant, "quarter", quarter, e.currency, label}, e, parts[i])
		r.add(rollupKey{owner.tenant, "day", day, e.currency, label}, e, parts[i])
		if !loan {
			cohort, expiry := l.category+" "+r.day(l.funded)[:len("2006-01")], l.category+" never"
			if l.expires != 0 {
				expiry = l.category + " " + r.day(l.expires)
			}
			r.add(rollupKey{owner.tenant, "cohort", day, e.currency, cohort}, e, parts[i])
			r.add(rollupKey{owner.tenant, "expiry", day, e.currency, expiry}, e, parts[i])
		}
	}
}

// moved is which lots an entry moved, and how much of each. A loan is a lot without a seq.
func (r *rollups) moved(book *walletBook, e *entryRow) (lots []rollupLot, parts []int64) {
	source := book.source
	book.source = 0
	if len(e.allocations) > 0 {
		book.source = e.allocations[0].seq
	}
	if e.opensLot() {
		l := rollupLot{seq: e.seq, category: string(e.category), funded: e.createdAt, expires: e.expiresAt}
		if from, known := book.lotOf(source); known && e.reverses != nil {
			l.funded = from.funded
		}
		book.credits = append(book.credits, l)
		return []rollupLot{l}, []int64{e.amount}
	}
	if len(e.allocations) == 0 {
		return []rollupLot{{category: "paid"}}, []int64{e.amount}
	}
	for _, p := range e.allocations {
		l, known := book.lotOf(p.seq)
		if !known {
			l = rollupLot{category: "paid"}
		}
		lots, parts = append(lots, l), append(parts, p.amount)
	}
	return lots, parts
}

func (r *rollups) add(key rollupKey, e *entryRow, amount int64) {
	sum := r.sums[key]
	if sum == nil {
		sum = new(rollupSum)
		r.sums[key] = sum
	}
	side := &sum.debited
	if e.isCredit {
		side = &sum.credited
	}
	*side += min(max(amount, 0), math.MaxInt64-*side)
	if !r.counts[key] {
		r.counts[key] = true
		sum.entries++
	}
}

// day is the name of the day of a time.
func (r *rollups) day(micros int64) string {
	start := micros - micros%dayMicros
	name, known := r.days[start]
	if !known {
		name = time.UnixMicro(start).UTC().Format(time.DateOnly)
		r.days[start] = name
	}
	return name
}

// sum holds a row of the roll-ups against what the entries make.
func (r *rollups) sum(c *checker, key rollupKey, row rollupSum) {
	want := r.sums[key]
	delete(r.sums, key)
	switch {
	case want == nil:
		c.rollup(key, "no entry makes it")
	case *want != row:
		c.rollup(key, "says %d credited and %d debited by %d entries, want %d and %d by %d",
			row.credited, row.debited, row.entries, want.credited, want.debited, want.entries)
	}
}

// place holds a row that says where the entries of a quarter of an hour stand.
func (r *rollups) place(c *checker, key placeKey, row placeRange) {
	want := r.places[key]
	delete(r.places, key)
	of := rollupKey{tenant: key.tenant, span: "quarter", start: key.start}
	switch {
	case want == nil:
		c.rollup(of, "has places and no entries")
	case *want != row:
		c.rollup(of, "stands from %d to %d, want %d to %d", row.first, row.last, want.first, want.last)
	}
}

// finish tells what no row has said.
func (r *rollups) finish(c *checker) {
	for _, key := range slices.SortedFunc(maps.Keys(r.sums), func(a, b rollupKey) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.span, b.span), cmp.Compare(a.start, b.start),
			cmp.Compare(a.currency, b.currency), cmp.Compare(a.label, b.label))
	}) {
		c.rollup(key, "is missing")
	}
	for key := range r.places {
		c.rollup(rollupKey{tenant: key.tenant, span: "quarter", start: key.start}, "has entries and no places")
	}
	for tenant, below := range r.below {
		if below > r.newest[tenant]+1 {
			c.rollup(rollupKey{tenant: tenant}, "they go up to %d, and the last entry stands at %d", below, r.newest[tenant])
		}
	}
}

// rollup adds a finding about a roll-up.
func (c *checker) rollup(key rollupKey, format string, args ...any) {
	where := Finding{Currency: key.currency}
	if owner, known := c.tenants.byNo[key.tenant]; known {
		where.BusinessID, where.Mode = owner.businessID, owner.mode
	}
	if key.span != "" {
		at := time.UnixMicro(key.start).UTC().Format(time.RFC3339)
		format, args = "the %s of %s, %q, "+format, append([]any{key.span, at, key.label}, args...)
	} else {
		format = "of the roll-ups of a business, " + format
	}
	c.found.add(LawRollUps, where, format, args...)
}
