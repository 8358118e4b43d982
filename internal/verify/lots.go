package verify

import (
	"cmp"
	"container/heap"
	"slices"
)

// lot is what one credit left to spend.
type lot struct {
	seq       int64 // of the credit
	remaining int64
	expiresAt int64 // 0: never
	paid      bool
	touched   bool // something took of it, other than the reversal of its credit
}

// compareLots is spend order: soonest expiry, then promotional before paid,
// then oldest (law L2).
func compareLots(a, b lot) int {
	switch {
	case a.expiresAt == b.expiresAt:
	case a.expiresAt == 0:
		return 1
	case b.expiresAt == 0:
		return -1
	default:
		return cmp.Compare(a.expiresAt, b.expiresAt)
	}
	if a.paid != b.paid {
		if b.paid {
			return -1
		}
		return 1
	}
	return cmp.Compare(a.seq, b.seq)
}

// lotBook recomputes the lots of one wallet. Lots that can still expire are in a
// heap, those that never do in a queue for each category, so that a wallet
// with very many of them costs little more than one with few.
type lotBook struct {
	expired    []lot // were not spent in time and never will be
	swept      int   // how many at the head of expired have nothing left
	expiredSum int64
	expiring   lotHeap
	never      [2]lotQueue // promotional, paid

	// taken is the seq of the newest lot of each category that never expires and of
	// which something was ever taken.
	taken [2]int64

	// took is what a debit took, when it is asked for.
	record bool
	took   []lot

	// strays counts allocations that were not the next in spend order. Each
	// makes the book search for its lot, so a wallet with very many is given
	// up: broken.
	strays int
	broken bool
}

const straysMax = 1000

type lotHeap []lot

func (h lotHeap) Len() int           { return len(h) }
func (h lotHeap) Less(i, j int) bool { return compareLots(h[i], h[j]) < 0 }
func (h lotHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *lotHeap) Push(x any)        { *h = append(*h, x.(lot)) }
func (h *lotHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}

type lotQueue struct {
	lots []lot
	head int
}

// open adds the lot of a credit.
func (b *lotBook) open(l lot) {
	if l.expiresAt != 0 {
		heap.Push(&b.expiring, l)
		return
	}
	queue := &b.never[category(l.paid)]
	if queue.head > 1024 && queue.head > len(queue.lots)/2 {
		// What was spent long ago is let go of.
		queue.lots = queue.lots[:copy(queue.lots, queue.lots[queue.head:])]
		queue.head = 0
	}
	queue.lots = append(queue.lots, l)
}

func category(paid bool) int {
	if paid {
		return 1
	}
	return 0
}

// advance lets lots expire: a lot cannot be spent at the instant of its expiry
// or later (law L3).
func (b *lotBook) advance(now int64) {
	for len(b.expiring) > 0 && b.expiring[0].expiresAt <= now {
		l := heap.Pop(&b.expiring).(lot)
		b.expired = append(b.expired, l)
		b.expiredSum += l.remaining
	}
}

// next is the lot that a debit must take from, nil when there is none.
func (b *lotBook) next() *lot {
	for len(b.expiring) > 0 {
		if b.expiring[0].remaining > 0 {
			return &b.expiring[0]
		}
		heap.Pop(&b.expiring)
	}
	for i := range b.never {
		for queue := &b.never[i]; queue.head < len(queue.lots); queue.head++ {
			if l := &queue.lots[queue.head]; l.remaining > 0 {
				return l
			}
		}
	}
	return nil
}

// find searches every lot that has something left.
func (b *lotBook) find(seq int64) (found *lot, isExpired bool) {
	places := [][]lot{b.expired, b.expiring, b.never[0].lots[b.never[0].head:], b.never[1].lots[b.never[1].head:]}
	for place, lots := range places {
		for i := range lots {
			if lots[i].seq == seq && lots[i].remaining > 0 {
				return &lots[i], place == 0
			}
		}
	}
	return nil, false
}

// spend checks one debit's allocations and takes them. Report is called with
// the law and the text of each break.
func (b *lotBook) spend(amount int64, parts []part, report func(law Law, format string, args ...any)) {
	rest := amount
	var sum total
	for _, p := range parts {
		sum.add(p.amount)
		next := b.next()
		if next != nil && next.seq == p.seq && p.amount > 0 && p.amount == min(rest, next.remaining) {
			b.take(next, p.amount)
			rest -= p.amount
			continue
		}
		b.stray(p, rest, next, report)
		rest -= min(rest, max(p.amount, 0))
		if b.broken {
			return
		}
	}
	if sum != sumOf(amount) {
		report(LawLots, "the allocations sum to %s, the amount is %d", sum, amount)
	}
}

// stray explains an allocation that is not the one that spend order asks for
// and takes it all the same, so that later debits are judged by what was done.
func (b *lotBook) stray(p part, rest int64, next *lot, report func(law Law, format string, args ...any)) {
	if b.strays++; b.strays > straysMax {
		b.broken = true
		report(LawSpendOrder, "more than %d allocations are wrong; the wallet's lots are not checked further", straysMax)
		return
	}
	l, isExpired := b.find(p.seq)
	switch {
	case l == nil:
		report(LawLots, "takes %d from lot %d, which has nothing left in this wallet", p.amount, p.seq)
		return
	case p.amount <= 0:
		report(LawLots, "takes %d from lot %d", p.amount, p.seq)
		return
	case p.amount > l.remaining:
		report(LawLots, "takes %d from lot %d, which has %d left", p.amount, p.seq, l.remaining)
	case isExpired:
		report(LawExpiry, "takes %d from lot %d, which had expired", p.amount, p.seq)
	case next == nil || next.seq != p.seq:
		report(LawSpendOrder, "takes %d from lot %d, but lot %d is next in spend order", p.amount, p.seq, nextSeq(next))
	default:
		report(LawSpendOrder, "takes %d from lot %d, which had %d for the %d that were due", p.amount, p.seq, l.remaining, rest)
	}
	taken := min(p.amount, l.remaining)
	b.take(l, taken)
	if isExpired {
		b.expiredSum -= taken
	}
}

// take takes an amount from a lot that has so much.
func (b *lotBook) take(l *lot, amount int64) {
	l.remaining -= amount
	l.touched = true
	if l.expiresAt == 0 {
		b.taken[category(l.paid)] = max(b.taken[category(l.paid)], l.seq)
	}
	if b.record {
		part := *l
		part.remaining = amount
		b.took = append(b.took, part)
	}
}

// sweep checks what an expiry entry takes, and takes it: exactly what one lot
// has left that has expired (law L4). Lots are mostly swept as they expire, so
// the first that is not swept is looked at before the others.
func (b *lotBook) sweep(amount int64, parts []part, report func(law Law, format string, args ...any)) {
	if len(parts) != 1 {
		report(LawSweep, "an expiry entry takes from %d lots, want one", len(parts))
	}
	for _, p := range parts {
		b.passSwept()
		var l *lot
		isExpired := true
		if b.swept < len(b.expired) && b.expired[b.swept].seq == p.seq {
			l = &b.expired[b.swept]
		} else if b.strays++; b.strays > straysMax {
			b.broken = true
			report(LawSweep, "more than %d allocations are out of order; the wallet's lots are not checked further", straysMax)
			return
		} else {
			l, isExpired = b.find(p.seq)
		}
		switch {
		case l == nil:
			report(LawSweep, "writes off lot %d, which has nothing left in this wallet", p.seq)
			continue
		case !isExpired:
			report(LawSweep, "writes off lot %d, which has not expired", p.seq)
		case p.amount != l.remaining || p.amount != amount:
			report(LawSweep, "an entry of %d writes off %d of lot %d, which has %d left", amount, p.amount, p.seq, l.remaining)
		}
		taken := min(max(p.amount, 0), l.remaining)
		l.remaining -= taken
		l.touched = true
		if isExpired {
			b.expiredSum -= taken
		}
	}
}

// passSwept lets go of lots that were swept long ago.
func (b *lotBook) passSwept() {
	for b.swept < len(b.expired) && b.expired[b.swept].remaining == 0 {
		b.swept++
	}
	if b.swept > 1024 && b.swept > len(b.expired)/2 {
		b.expired = b.expired[:copy(b.expired, b.expired[b.swept:])]
		b.swept = 0
	}
}

// nextExpiry is when the first of the open lots expires or has expired, 0 when
// none can.
func (b *lotBook) nextExpiry() int64 {
	for l := range b.left {
		return l.expiresAt
	}
	return 0
}

func nextSeq(next *lot) int64 {
	if next == nil {
		return 0
	}
	return next.seq
}

// left returns every lot that has something left, in spend order.
func (b *lotBook) left(yield func(lot) bool) {
	slices.SortFunc(b.expired, compareLots)
	slices.SortFunc(b.expiring, compareLots) // a sorted list is a heap
	for _, lots := range [][]lot{b.expired, b.expiring, b.never[0].lots[b.never[0].head:],
		b.never[1].lots[b.never[1].head:]} {
		for _, l := range lots {
			if l.remaining > 0 && !yield(l) {
				return
			}
		}
	}
}
