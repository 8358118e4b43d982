package sqlite

import (
	"encoding/binary"
	"slices"

	"zombiezen.com/go/sqlite"
)

// keyBuilder writes one run, some pages at a time: from a frozen window, or
// from the runs that it merges.
type keyBuilder struct {
	result *keyRun    // the run as it will be when live
	window *keyWindow // the window that is sealed, nil in a merge
	inputs []*keyRun  // the runs that are merged, none when sealing
	keep   bool       // whether leaves and filter stay in memory
	memory int64      // bytes they take

	begun   bool // the run's row is written and the source is open
	touched bool // by the running transaction
	stored  bool // the run's row is committed

	pairs   []keyPair    // of the window, still to come
	cursors []*keyCursor // of the inputs that are not at their end
	written int64        // pairs
	newest  keyPair      // the last pair that was written
	drained bool         // the source is at its end

	leaf      []byte
	directory []byte
	begins    uint64 // first hash of the directory page

	blocks          []uint64 // filter page at hand
	firstBlock      uint64   // its first block
	filterPages     []byte   // varints, see key_runs.filter_pages
	filterPagesLast int64

	extentFirst, extentPages int64 // the extent that grows
}

func (x *keyIndex) newBuilder(level int, keys int64, window *keyWindow, inputs []*keyRun) *keyBuilder {
	b := &keyBuilder{window: window, inputs: inputs, leaf: newPage(), directory: newPage()}
	b.result = &keyRun{no: x.work.nextRun, level: level, keys: keys, blocks: filterBlocks(keys)}
	x.work.nextRun++
	if size := b.result.leavesBytes(x.config.pageKeys) + b.result.filterBytes(); x.resident()+size <= x.config.memory {
		b.keep, b.memory = true, size
	}
	return b
}

// resident returns the bytes of runs that are in memory or will be.
func (x *keyIndex) resident() int64 {
	var sum int64
	for _, run := range x.state.runs {
		sum += int64(len(run.leaves))*pairBytes + int64(len(run.filter))*8
	}
	for _, b := range x.work.builders {
		sum += b.memory
	}
	if l := x.work.loading; l != nil {
		sum += l.run.leavesBytes(x.config.pageKeys) + l.run.filterBytes()
	}
	return sum
}

// step writes about so many pages. When the run is complete it makes it live.
func (b *keyBuilder) step(conn *sqlite.Conn, x *keyIndex, pages int) (done bool, err error) {
	b.touched = true
	if !b.begun {
		if err := b.begin(conn, x); err != nil {
			return false, err
		}
	}
	first := x.work.nextPage
	for !done && x.work.nextPage-first < int64(pages) {
		switch {
		case !b.drained:
			err = b.writeLeaf(conn, x)
		case b.firstBlock < b.result.blocks:
			err = b.writeFilterPage(conn, x)
		default:
			done = true
			err = b.writeDirectory(conn, x)
		}
		if err != nil {
			return false, err
		}
	}
	if err := b.own(conn, x, first); err != nil {
		return false, err
	}
	if done {
		err = b.finish(conn, x)
	}
	return done, err
}

// begin opens the source and writes the run's row, so that the pages have an
// owner if the program stops before the run is complete.
func (b *keyBuilder) begin(conn *sqlite.Conn, x *keyIndex) error {
	b.begun = true
	b.blocks = make([]uint64, x.config.pageBlocks*blockWords)
	if b.keep {
		b.result.leaves = make([]keyPair, 0, b.result.leavesBytes(x.config.pageKeys)/pairBytes)
		b.result.filter = make(keyFilter, 0, b.result.blocks*blockWords)
	}
	if b.window != nil {
		b.pairs = b.window.sorted()
	}
	for _, input := range b.inputs {
		cursor, err := newKeyCursor(conn, input)
		if err != nil {
			return err
		}
		b.cursors = append(b.cursors, cursor)
	}
	stmt, err := conn.Prepare(`insert into key_runs (no, state, level, keys, blocks, root, filter_pages)
		values (?, 'building', ?, ?, ?, x'', x'')`)
	if err != nil {
		return err
	}
	stmt.BindInt64(1, b.result.no)
	stmt.BindInt64(2, int64(b.result.level))
	stmt.BindInt64(3, b.result.keys)
	stmt.BindInt64(4, int64(b.result.blocks))
	return x.step(stmt)
}

// next returns the source's next pair.
func (b *keyBuilder) next(conn *sqlite.Conn) (p keyPair, ok bool, err error) {
	if b.window != nil {
		if len(b.pairs) == 0 {
			return p, false, nil
		}
		p, b.pairs = b.pairs[0], b.pairs[1:]
		return p, true, nil
	}
	if len(b.cursors) == 0 {
		return p, false, nil
	}
	least := 0
	p = b.cursors[0].head
	for i, cursor := range b.cursors[1:] {
		if cursor.head.before(p) {
			p, least = cursor.head, i+1
		}
	}
	more, err := b.cursors[least].next(conn)
	if err == nil && !more {
		b.cursors = slices.Delete(b.cursors, least, least+1)
	}
	return p, true, err
}

// writeLeaf writes the next leaf page, and the filter and directory pages that
// become full with it.
func (b *keyBuilder) writeLeaf(conn *sqlite.Conn, x *keyIndex) error {
	var first uint64
	b.leaf = b.leaf[:pageHeader]
	for len(b.leaf) < pageHeader+x.config.pageKeys*pairBytes {
		p, ok, err := b.next(conn)
		if err != nil {
			return err
		}
		if !ok {
			b.drained = true
			break
		}
		if p.before(b.newest) {
			return damaged("a run that goes into run %d is not sorted", b.result.no)
		}
		if len(b.leaf) == pageHeader {
			first = p.hash
		}
		b.leaf = appendPair(b.leaf, p)
		b.newest = p
		b.written++
		block := filterBlock(p.hash, b.result.blocks)
		for block >= b.firstBlock+uint64(x.config.pageBlocks) {
			if err := b.writeFilterPage(conn, x); err != nil {
				return err
			}
		}
		addToBlock((*[blockWords]uint64)(b.blocks[(block-b.firstBlock)*blockWords:]), p.hash)
	}
	if len(b.leaf) == pageHeader {
		return nil
	}
	no, err := x.writePage(conn, b.result.no, b.leaf)
	if err != nil {
		return err
	}
	if b.keep {
		b.result.leaves = append(b.result.leaves, keyPair{first, no})
	}
	if len(b.directory) == pageHeader {
		b.begins = first
	}
	b.directory = appendPair(b.directory, keyPair{first, no})
	if len(b.directory) == pageHeader+x.config.pageKeys*pairBytes {
		return b.writeDirectory(conn, x)
	}
	return nil
}

func (b *keyBuilder) writeDirectory(conn *sqlite.Conn, x *keyIndex) error {
	if len(b.directory) == pageHeader {
		return nil
	}
	no, err := x.writePage(conn, b.result.no, b.directory)
	if err != nil {
		return err
	}
	b.result.root = append(b.result.root, keyPair{b.begins, no})
	b.directory = b.directory[:pageHeader]
	return nil
}

func (b *keyBuilder) writeFilterPage(conn *sqlite.Conn, x *keyIndex) error {
	blocks := min(uint64(x.config.pageBlocks), b.result.blocks-b.firstBlock)
	words := b.blocks[:blocks*blockWords]
	page := newPage()
	for _, word := range words {
		page = binary.LittleEndian.AppendUint64(page, word)
	}
	no, err := x.writePage(conn, b.result.no, page)
	if err != nil {
		return err
	}
	if b.keep {
		b.result.filter = append(b.result.filter, words...)
	}
	clear(words)
	b.firstBlock += blocks
	b.filterPages = binary.AppendUvarint(b.filterPages, uint64(no-b.filterPagesLast))
	b.filterPagesLast = no
	return nil
}

// own records that the run owns the pages from first on.
func (b *keyBuilder) own(conn *sqlite.Conn, x *keyIndex, first int64) error {
	pages := x.work.nextPage - first
	if pages == 0 {
		return nil
	}
	if b.extentPages > 0 && b.extentFirst+b.extentPages == first {
		b.extentPages += pages
	} else {
		b.extentFirst, b.extentPages = first, pages
	}
	return x.writeExtent(conn, b.result.no, b.extentFirst, b.extentPages)
}

func (x *keyIndex) writeExtent(conn *sqlite.Conn, run, first, pages int64) error {
	stmt, err := conn.Prepare(`insert into key_extents (run, first_page, pages) values (?, ?, ?)
		on conflict do update set pages = excluded.pages`)
	if err != nil {
		return err
	}
	stmt.BindInt64(1, run)
	stmt.BindInt64(2, first)
	stmt.BindInt64(3, pages)
	return x.step(stmt)
}

// finish makes the run live in place of what it was made from.
func (b *keyBuilder) finish(conn *sqlite.Conn, x *keyIndex) error {
	if b.written != b.result.keys {
		return damaged("run %d has %d keys and should have %d", b.result.no, b.written, b.result.keys)
	}
	stmt, err := conn.Prepare("update key_runs set state = 'live', root = ?, filter_pages = ? where no = ?")
	if err != nil {
		return err
	}
	stmt.BindBytes(1, encodePairs(b.result.root))
	stmt.BindBytes(2, b.filterPages)
	stmt.BindInt64(3, b.result.no)
	if err := x.step(stmt); err != nil {
		return err
	}
	for _, input := range b.inputs {
		stmt, err := conn.Prepare("update key_runs set state = 'dead' where no = ?")
		if err != nil {
			return err
		}
		stmt.BindInt64(1, input.no)
		if err := x.step(stmt); err != nil {
			return err
		}
	}
	if b.window == nil {
		return nil
	}
	return x.moveMark(conn, b.window.mark)
}

// moveMark says that every keyed entry up to a number is in a live run.
func (x *keyIndex) moveMark(conn *sqlite.Conn, sealed int64) error {
	stmt, err := conn.Prepare("update key_mark set sealed = ? where no = 1")
	if err != nil {
		return err
	}
	stmt.BindInt64(1, sealed)
	x.work.pending.sealed = sealed
	return x.step(stmt)
}

// kept notes that the transaction that touched the builder was committed.
func (b *keyBuilder) kept() {
	if b.touched {
		b.stored, b.touched = true, false
	}
}
