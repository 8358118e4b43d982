package ledger

import (
	"strings"
	"time"
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// EntryIDPrefix begins the id of every entry.
const EntryIDPrefix = "cwt_"

// The 21 characters after the prefix are time, position and chance, each in
// base62 with the most significant digit first. Sorting a customer's ids as
// text sorts them by position within one millisecond and by time beyond it.
const (
	idTimeDigits     = 8 // milliseconds since 1970; lasts for 6,900 years
	idPositionDigits = 7 // up to 3.5 × 10^12 entries of one customer
	idRandomDigits   = 6 // 5.7 × 10^10 values
	idDigits         = idTimeDigits + idPositionDigits + idRandomDigits
)

// EntryID returns the id of the entry that stands at a position. The id
// contains the position so that a store finds an entry by its id without an
// index over ids, whose every insertion would touch a page of its own.
func EntryID(at time.Time, position int64, random uint64) string {
	return positionedID(EntryIDPrefix, at, position, random)
}

func positionedID(prefix string, at time.Time, position int64, random uint64) string {
	id := make([]byte, 0, len(prefix)+idDigits)
	id = append(id, prefix...)
	id = appendBase62(id, uint64(max(at.UnixMilli(), 0)), idTimeDigits)
	id = appendBase62(id, uint64(position), idPositionDigits)
	id = appendBase62(id, random, idRandomDigits)
	return string(id)
}

// EntryIDPosition returns the position that an entry id contains, and false
// for a text that [EntryID] cannot have made.
func EntryIDPosition(id string) (position int64, ok bool) {
	return idPosition(EntryIDPrefix, id)
}

// idPosition is the reverse of positionedID.
func idPosition(prefix, id string) (position int64, ok bool) {
	digits, ok := strings.CutPrefix(id, prefix)
	if !ok || len(digits) != idDigits {
		return 0, false
	}
	for i := range len(digits) {
		digit := strings.IndexByte(base62, digits[i])
		if digit < 0 {
			return 0, false
		}
		if i >= idTimeDigits && i < idTimeDigits+idPositionDigits {
			position = position*62 + int64(digit)
		}
	}
	return position, position > 0
}

// NewID returns an id such as "cus_0Tn2lqUn4HhzK1bB9wXcP": the prefix and 21
// base62 characters, of which the first eight grow with time so that an index
// over ids grows at its right edge.
func NewID(prefix string, at time.Time, random [2]uint64) string {
	id := make([]byte, 0, len(prefix)+idDigits)
	id = append(id, prefix...)
	id = appendBase62(id, uint64(max(at.UnixMilli(), 0)), idTimeDigits)
	id = appendBase62(id, random[0], 7)
	id = appendBase62(id, random[1], 6)
	return string(id)
}

// appendBase62 appends the lowest digits of n, most significant first.
func appendBase62(to []byte, n uint64, digits int) []byte {
	start := len(to)
	to = append(to, make([]byte, digits)...)
	for i := start + digits - 1; i >= start; i-- {
		to[i] = base62[n%62]
		n /= 62
	}
	return to
}
