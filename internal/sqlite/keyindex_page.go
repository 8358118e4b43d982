package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sort"

	"zombiezen.com/go/sqlite"
)

// A page is a header and then pairs, or blocks of a filter, in little-endian
// words. The header is the checksum of all that follows it, and a word that says
// which page of which run it is.
const (
	pageHeader   = 8
	pairBytes    = 16
	pageBytesMax = pageHeader + keysPerPage*pairBytes
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// pageWord stands for a page of a run.
func pageWord(run, no int64) uint32 { return uint32(run)*0x9e3779b1 ^ uint32(no) }

var errKeyIndexDamaged = errors.New("the idempotency index is damaged")

// damaged says what is wrong. The ledger itself is not at fault: the index can
// be made again from it.
func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %w", errKeyIndexDamaged, fmt.Errorf(format, args...))
}

// newPage returns the header's space, to which content is appended.
func newPage() []byte { return make([]byte, pageHeader, pageBytesMax) }

func appendPair(page []byte, p keyPair) []byte {
	page = binary.LittleEndian.AppendUint64(page, p.hash)
	return binary.LittleEndian.AppendUint64(page, uint64(p.no))
}

func pairAt(content []byte, i int) keyPair {
	at := content[i*pairBytes : i*pairBytes+pairBytes]
	return keyPair{binary.LittleEndian.Uint64(at), int64(binary.LittleEndian.Uint64(at[8:]))}
}

func decodePairs(content []byte, to []keyPair) []keyPair {
	for i := range len(content) / pairBytes {
		to = append(to, pairAt(content, i))
	}
	return to
}

func encodePairs(pairs []keyPair) []byte {
	content := make([]byte, 0, len(pairs)*pairBytes)
	for _, p := range pairs {
		content = appendPair(content, p)
	}
	return content
}

// findInLeaf appends the entries under a hash in a leaf's content.
func findInLeaf(content []byte, hash uint64, to []int64) []int64 {
	n := len(content) / pairBytes
	i := sort.Search(n, func(i int) bool { return pairAt(content, i).hash >= hash })
	for ; i < n; i++ {
		p := pairAt(content, i)
		if p.hash != hash {
			break
		}
		to = append(to, p.no)
	}
	return to
}

// pagesWith returns the part of a directory, from and up to, whose pages can
// hold a hash. The page before the first one that begins with it may end with
// it.
func pagesWith(directory []keyPair, hash uint64) (from, upTo int) {
	first := sort.Search(len(directory), func(i int) bool { return directory[i].hash >= hash })
	upTo = first
	for upTo < len(directory) && directory[upTo].hash == hash {
		upTo++
	}
	return max(0, first-1), upTo
}

// writePage fills the header and appends the page to the file.
func (x *keyIndex) writePage(conn *sqlite.Conn, run int64, page []byte) (no int64, err error) {
	no = x.work.nextPage
	binary.LittleEndian.PutUint32(page[4:], pageWord(run, no))
	binary.LittleEndian.PutUint32(page, crc32.Checksum(page[4:], castagnoli))
	stmt, err := conn.Prepare("insert into key_pages (no, data) values (?, ?)")
	if err != nil {
		return 0, err
	}
	stmt.BindInt64(1, no)
	stmt.BindBytes(2, page)
	if err := x.step(stmt); err != nil {
		return 0, fmt.Errorf("write page %d of run %d: %w", no, run, err)
	}
	x.work.nextPage++
	return no, nil
}

// readPage reads a page into space and returns its content.
func readPage(conn *sqlite.Conn, run, no int64, space *[pageBytesMax]byte) ([]byte, error) {
	stmt, err := conn.Prepare("select data from key_pages where no = ?")
	if err != nil {
		return nil, err
	}
	stmt.BindInt64(1, no)
	found, err := stmt.Step()
	if err != nil {
		return nil, fmt.Errorf("read page %d of run %d: %w", no, run, err)
	}
	if !found {
		return nil, damaged("page %d of run %d is missing", no, run)
	}
	size := stmt.ColumnLen(0)
	page := space[:stmt.ColumnBytes(0, space[:])]
	if err := stmt.Reset(); err != nil {
		return nil, fmt.Errorf("read page %d of run %d: %w", no, run, err)
	}
	if size != len(page) || size < pageHeader ||
		binary.LittleEndian.Uint32(page) != crc32.Checksum(page[4:], castagnoli) ||
		binary.LittleEndian.Uint32(page[4:]) != pageWord(run, no) {
		return nil, damaged("page %d is not as run %d wrote it", no, run)
	}
	return page[pageHeader:], nil
}

// step runs a statement that writes.
func (x *keyIndex) step(stmt *sqlite.Stmt) error {
	if _, err := stmt.Step(); err != nil {
		return err
	}
	if x.config.after != nil {
		return x.config.after()
	}
	return nil
}
