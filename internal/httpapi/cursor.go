package httpapi

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
)

// sealer makes cursors. They are encrypted, not only signed: a cursor over
// customers holds a number that would tell one business how many customers the
// others have (law N1).
type sealer struct {
	aead cipher.AEAD
	old  []cipher.AEAD // under secrets that the installation had before, to open with
}

// cursorMax is more than any cursor is long.
const cursorMax = 192

// secretMin is the shortest secret that cursors may rest on.
const secretMin = 16

// cursorUse is what of the secret cursors have.
const cursorUse = "billfold.cursor.v1\x00"

// newSealer returns what seals for one use of the secret.
func newSealer(use string, secret []byte, old ...[]byte) (*sealer, error) {
	s := &sealer{}
	var err error
	if s.aead, err = sealingKey(use, secret); err != nil {
		return nil, err
	}
	for _, secret := range old {
		aead, err := sealingKey(use, secret)
		if err != nil {
			return nil, err
		}
		s.old = append(s.old, aead)
	}
	return s, nil
}

func sealingKey(use string, secret []byte) (cipher.AEAD, error) {
	if len(secret) < secretMin {
		return nil, errors.New("the secret that seals cursors must have 16 bytes or more")
	}
	// A key of its own for each use of the secret.
	key := sha256.Sum256(append([]byte(use), secret...))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// seal returns a cursor to a place of a list.
func (s *sealer) seal(before int64, bound string) string {
	var place [8]byte
	binary.BigEndian.PutUint64(place[:], uint64(before))
	return s.sealText(string(place[:]), bound)
}

// sealText is seal for a place that is a text.
func (s *sealer) sealText(before, bound string) string {
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, []byte(before), []byte(bound)))
}

// open returns the place that a cursor leads to. It refuses every text that
// seal has not made for the same list.
func (s *sealer) open(cursor, bound string) (before int64, err error) {
	place, err := s.openText(cursor, bound)
	if err != nil || len(place) != 8 {
		return 0, errInvalidCursor
	}
	before = int64(binary.BigEndian.Uint64([]byte(place)))
	if before <= 0 {
		return 0, errInvalidCursor
	}
	return before, nil
}

// openText is open for a place that is a text.
func (s *sealer) openText(cursor, bound string) (before string, err error) {
	if len(cursor) > cursorMax {
		return "", errInvalidCursor
	}
	return s.unseal(cursor, bound)
}

// unseal is openText for a text of any length.
func (s *sealer) unseal(cursor, bound string) (text string, err error) {
	// The decoder passes over line feeds, which would let one cursor be written
	// in many ways.
	if strings.ContainsAny(cursor, "\r\n") {
		return "", errInvalidCursor
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil {
		return "", errInvalidCursor
	}
	place, err := s.aead.Open(nil, nil, sealed, []byte(bound))
	for i := 0; err != nil && i < len(s.old); i++ {
		place, err = s.old[i].Open(nil, nil, sealed, []byte(bound))
	}
	if err != nil || len(place) == 0 {
		return "", errInvalidCursor
	}
	return string(place), nil
}

// bound names the list that a request asks for: route, tenant, customer, and
// currency where the path has one.
func (c *call) bound() string {
	tenant := c.tenant()
	return c.route.label + "\x00" + tenant.BusinessID + "\x00" + string(tenant.Mode) + "\x00" + c.params[0] + "\x00" + c.params[1]
}

// pageParams are what a list takes that has no filters.
var pageParams = []string{paramPageSize, paramCursor}

// replyPages answers with a page of a list of one customer's things, newest first,
// that has no filters.
func replyPages[T any](
	s *Server, c *call, read func(customerID string, limit int, before int64) (items []T, next int64, err error),
	appendItem func(out []byte, item *T) []byte,
) error {
	q, err := c.query(pageParams...)
	if err != nil {
		return err
	}
	return replyPage(s, c, &q, read, appendItem)
}

// replyPage answers with a page of a list of one customer's things, newest first.
func replyPage[T any](
	s *Server, c *call, q *query, read func(customerID string, limit int, before int64) (items []T, next int64, err error),
	appendItem func(out []byte, item *T) []byte,
) error {
	return replyItems(s, c, q, func(limit int, before int64) (items []T, next int64, err error) {
		id, err := c.customerID()
		if err != nil {
			return nil, 0, err
		}
		return read(id, limit, before)
	}, appendItem)
}

// replyItems answers with a page of a list, newest first.
func replyItems[T any](
	s *Server, c *call, q *query, read func(limit int, before int64) (items []T, next int64, err error),
	appendItem func(out []byte, item *T) []byte,
) error {
	bound := c.bound()
	limit, before, err := s.cursorPage(q, bound)
	if err != nil {
		return err
	}
	items, next, err := read(limit, before)
	if err != nil {
		return err
	}
	out := append(c.scratch.out[:0], `{"items":[`...)
	for i := range items {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendItem(out, &items[i])
	}
	out = append(out, ']')
	out = s.appendNext(out, next, bound)
	return s.replyList(c, append(out, '}'))
}

// appendNext appends the next_cursor of a list, null at its end.
func (s *Server) appendNext(out []byte, next int64, bound string) []byte {
	out = append(out, `,"next_cursor":`...)
	if next == 0 {
		return append(out, "null"...)
	}
	return appendString(out, s.cursors.seal(next, bound))
}
