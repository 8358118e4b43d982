package httpapi

import (
	"strconv"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

var lotListParams = []string{paramPageSize, paramCursor}

// handleLotList lists the open lots of a wallet in the order in which they are
// spent, with what expires when.
func (s *Server) handleLotList(c *call) error {
	q, err := c.query(lotListParams...)
	if err != nil {
		return err
	}
	bound := c.bound()
	limit, after, err := s.cursorPage(&q, bound)
	if err != nil {
		return err
	}
	id, err := c.customerID()
	if err != nil {
		return err
	}
	// The currency names an object here, and what is none does not exist.
	currency := money.Currency(c.params[1])
	if !currency.Valid() {
		return errNotFound
	}
	list, err := s.book.Store().Lots(c.r.Context(), c.tenant(), id, currency, ledger.LotPage{Limit: limit, After: after})
	if err != nil {
		return err
	}
	now := list.Chain.At(s.book.Now())
	out := append(c.scratch.out[:0], `{"items":[`...)
	for i, lot := range list.Lots {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendLot(out, lot, now)
	}
	out = append(out, `],"wallet":`...)
	out = appendWallet(out, &list.Wallet, int64(list.Wallet.Available(now)))
	out = append(out, `,"as_of_position":`...)
	out = strconv.AppendInt(out, list.Chain.Position, 10)
	out = s.appendNext(out, list.Next, bound)
	return s.replyList(c, append(out, '}'))
}

// appendLot appends an open lot as it is at a time.
func appendLot(out []byte, lot ledger.Lot, now time.Time) []byte {
	out = append(out, `{"lot_seq":`...)
	out = strconv.AppendInt(out, lot.Seq, 10)
	out = append(out, `,"category":"`...)
	out = append(out, lot.Category...)
	out = append(out, `","remaining":`...)
	out = strconv.AppendInt(out, int64(lot.Remaining), 10)
	out = append(out, `,"expires_at":`...)
	if lot.ExpiresAt.IsZero() {
		out = append(out, "null"...)
	} else {
		out = appendTime(out, lot.ExpiresAt)
	}
	out = append(out, `,"expired":`...)
	out = strconv.AppendBool(out, lot.ExpiredAt(now))
	return append(out, '}')
}
