package sqlite

import "math/bits"

// keyPair is a hash and a number: of the entry that used the key, or of the
// page that begins with the hash.
type keyPair struct {
	hash uint64
	no   int64
}

func (p keyPair) before(q keyPair) bool {
	return p.hash < q.hash || p.hash == q.hash && p.no < q.no
}

// keyWindow is a set of pairs in memory: an open-addressing table in which a
// hash may occur more than once. The place of a pair follows the top bits of
// its hash, so the table is almost sorted and sealing it costs no real sort.
type keyWindow struct {
	slots []keyPair // no is 0 in an empty slot
	shift int       // 64 less the logarithm of the number of slots
	count int
	last  int64 // highest entry number
	mark  int64 // set when frozen: the last committed entry
}

const windowSlotsMin = 64

// newKeyWindow returns a window with at least so many slots.
func newKeyWindow(slots int) *keyWindow {
	log := bits.Len(uint(max(slots, windowSlotsMin) - 1))
	return &keyWindow{slots: make([]keyPair, 1<<log), shift: 64 - log}
}

func (w *keyWindow) add(p keyPair) {
	if w.count >= len(w.slots)/4*3 {
		w.grow()
	}
	w.place(p)
	w.count++
	w.last = max(w.last, p.no)
}

func (w *keyWindow) place(p keyPair) {
	i := p.hash >> w.shift
	for w.slots[i].no != 0 {
		i = (i + 1) & uint64(len(w.slots)-1)
	}
	w.slots[i] = p
}

func (w *keyWindow) grow() {
	old := w.slots
	w.slots = make([]keyPair, 2*len(old))
	w.shift--
	for _, p := range old {
		if p.no != 0 {
			w.place(p)
		}
	}
}

// find appends the entries under a hash.
func (w *keyWindow) find(hash uint64, to []int64) []int64 {
	for i := hash >> w.shift; w.slots[i].no != 0; i = (i + 1) & uint64(len(w.slots)-1) {
		if w.slots[i].hash == hash {
			to = append(to, w.slots[i].no)
		}
	}
	return to
}

func (w *keyWindow) each(visit func(keyPair)) {
	if w.count == 0 {
		return
	}
	for _, p := range w.slots {
		if p.no != 0 {
			visit(p)
		}
	}
}

// sorted returns the pairs in order. Pairs stand near their place already, so
// inserting each where it belongs moves it a few steps only.
func (w *keyWindow) sorted() []keyPair {
	pairs := make([]keyPair, 0, w.count)
	w.each(func(p keyPair) {
		pairs = append(pairs, p)
		i := len(pairs) - 1
		for ; i > 0 && p.before(pairs[i-1]); i-- {
			pairs[i] = pairs[i-1]
		}
		pairs[i] = p
	})
	return pairs
}

// cleared returns an empty window: this one, or a smaller one when this one
// grew for a transaction much larger than the last.
func (w *keyWindow) cleared() *keyWindow {
	if len(w.slots) > windowSlotsMin && w.count < len(w.slots)/16 {
		return newKeyWindow(len(w.slots) / 4)
	}
	if w.count > 0 {
		clear(w.slots)
	}
	w.count, w.last = 0, 0
	return w
}
