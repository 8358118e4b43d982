package sqlite

import (
	"cmp"
	"encoding/binary"
	"fmt"

	"zombiezen.com/go/sqlite"
)

// keyRun is a live run. It never changes; one with more or less of it in
// memory is a copy.
type keyRun struct {
	no     int64
	level  int
	keys   int64
	blocks uint64
	root   []keyPair // directory pages

	leaves []keyPair // leaf pages, nil when only the directory pages name them
	filter keyFilter // nil when not in memory
}

// compareRuns puts short runs first and new ones before old ones.
func compareRuns(a, b *keyRun) int {
	return cmp.Or(cmp.Compare(a.keys, b.keys), cmp.Compare(b.no, a.no))
}

func (r *keyRun) leavesBytes(pageKeys int) int64 {
	return (r.keys + int64(pageKeys) - 1) / int64(pageKeys) * pairBytes
}

func (r *keyRun) filterBytes() int64 { return int64(r.blocks) * blockBytes }

// find appends the entries under a hash, without asking the filter.
func (r *keyRun) find(conn *sqlite.Conn, hash uint64, to []int64) ([]int64, error) {
	if r.leaves != nil {
		return r.findIn(conn, r.leaves, hash, to)
	}
	var page [pageBytesMax]byte
	var space [keysPerPage]keyPair
	from, upTo := pagesWith(r.root, hash)
	for _, directory := range r.root[from:upTo] {
		content, err := readPage(conn, r.no, directory.no, &page)
		if err != nil {
			return to, err
		}
		if to, err = r.findIn(conn, decodePairs(content, space[:0]), hash, to); err != nil {
			return to, err
		}
	}
	return to, nil
}

func (r *keyRun) findIn(conn *sqlite.Conn, leaves []keyPair, hash uint64, to []int64) ([]int64, error) {
	var page [pageBytesMax]byte
	from, upTo := pagesWith(leaves, hash)
	for _, leaf := range leaves[from:upTo] {
		content, err := readPage(conn, r.no, leaf.no, &page)
		if err != nil {
			return to, err
		}
		to = findInLeaf(content, hash, to)
	}
	return to, nil
}

// keyCursor walks through a run's pairs in order.
type keyCursor struct {
	run       *keyRun
	directory int       // next page of the root
	leaves    []keyPair // leaf pages still to come, of the directory page at hand
	page      [pageBytesMax]byte
	content   []byte // pairs still to come, of the leaf at hand
	head      keyPair
}

// newKeyCursor stands on the run's first pair.
func newKeyCursor(conn *sqlite.Conn, run *keyRun) (*keyCursor, error) {
	c := &keyCursor{run: run}
	_, err := c.next(conn)
	return c, err
}

// next steps on, and says whether there is a pair.
func (c *keyCursor) next(conn *sqlite.Conn) (bool, error) {
	if len(c.content) == 0 {
		if ok, err := c.nextLeaf(conn); !ok || err != nil {
			return false, err
		}
	}
	c.head = pairAt(c.content, 0)
	c.content = c.content[pairBytes:]
	return true, nil
}

func (c *keyCursor) nextLeaf(conn *sqlite.Conn) (ok bool, err error) {
	if len(c.leaves) == 0 {
		if c.directory == len(c.run.root) {
			return false, nil
		}
		content, err := readPage(conn, c.run.no, c.run.root[c.directory].no, &c.page)
		if err != nil {
			return false, err
		}
		c.leaves = decodePairs(content, nil)
		c.directory++
	}
	c.content, err = readPage(conn, c.run.no, c.leaves[0].no, &c.page)
	c.leaves = c.leaves[1:]
	return err == nil, err
}

// keyLoader brings a run's directory and filter to memory, some pages at a time.
type keyLoader struct {
	run         *keyRun // a copy that is being filled
	directory   int     // next page of the root
	filterPages []int64 // still to come, unknown before the directory is loaded
	wantFilter  bool
	begun       bool // filterPages is known
}

// step reads up to so many pages and says whether all is there.
func (l *keyLoader) step(conn *sqlite.Conn, pages int) (done bool, err error) {
	var page [pageBytesMax]byte
	for ; l.directory < len(l.run.root); l.directory++ {
		if pages--; pages < 0 {
			return false, nil
		}
		content, err := readPage(conn, l.run.no, l.run.root[l.directory].no, &page)
		if err != nil {
			return false, err
		}
		l.run.leaves = decodePairs(content, l.run.leaves)
	}
	if !l.wantFilter {
		return true, nil
	}
	if !l.begun {
		if l.filterPages, err = filterPages(conn, l.run.no); err != nil {
			return false, err
		}
		l.run.filter = make(keyFilter, 0, l.run.blocks*blockWords)
		l.begun = true
	}
	for ; len(l.filterPages) > 0; l.filterPages = l.filterPages[1:] {
		if pages--; pages < 0 {
			return false, nil
		}
		content, err := readPage(conn, l.run.no, l.filterPages[0], &page)
		if err != nil {
			return false, err
		}
		for ; len(content) >= 8; content = content[8:] {
			l.run.filter = append(l.run.filter, binary.LittleEndian.Uint64(content))
		}
	}
	if uint64(len(l.run.filter)) != l.run.blocks*blockWords {
		return false, damaged("the filter of run %d has %d words and should have %d",
			l.run.no, len(l.run.filter), l.run.blocks*blockWords)
	}
	return true, nil
}

// filterPages returns the numbers of the pages that hold a run's filter.
func filterPages(conn *sqlite.Conn, run int64) ([]int64, error) {
	stmt, err := conn.Prepare("select filter_pages from key_runs where no = ?")
	if err != nil {
		return nil, err
	}
	stmt.BindInt64(1, run)
	found, err := stmt.Step()
	if err != nil {
		return nil, fmt.Errorf("read run %d: %w", run, err)
	}
	if !found {
		return nil, damaged("run %d is missing", run)
	}
	list := make([]byte, stmt.ColumnLen(0))
	stmt.ColumnBytes(0, list)
	if err := stmt.Reset(); err != nil {
		return nil, fmt.Errorf("read run %d: %w", run, err)
	}
	var numbers []int64
	var no int64
	for len(list) > 0 {
		step, n := binary.Uvarint(list)
		if n <= 0 {
			return nil, damaged("the filter of run %d cannot be found", run)
		}
		list = list[n:]
		no += int64(step)
		numbers = append(numbers, no)
	}
	return numbers, nil
}

// fit drops from memory what is above the limit. Leaves come first, because
// without them a look-up reads two pages instead of one, and then filters,
// those of short runs before those of long ones.
func (x *keyIndex) fit(runs []*keyRun) []*keyRun {
	for i, grant := range x.grants(runs) {
		run := *runs[i]
		if !grant.leaves {
			run.leaves = nil
		}
		if !grant.filter {
			run.filter = nil
		}
		runs[i] = &run
	}
	return runs
}

// keyGrant says what of a run may be in memory.
type keyGrant struct{ leaves, filter bool }

func (x *keyIndex) grants(runs []*keyRun) []keyGrant {
	free := x.config.memory
	for _, b := range x.work.builders {
		free -= b.memory
	}
	grants := make([]keyGrant, len(runs))
	for i, run := range runs {
		if size := run.leavesBytes(x.config.pageKeys); size <= free {
			grants[i].leaves = true
			free -= size
		}
	}
	for i, run := range runs {
		if size := run.filterBytes(); size <= free {
			grants[i].filter = true
			free -= size
		}
	}
	return grants
}
