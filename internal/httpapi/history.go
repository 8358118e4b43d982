package httpapi

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

const (
	paramAsOf    = "as_of"
	paramAsOfSeq = "as_of_seq"
)

var walletParams = []string{paramAsOf, paramAsOfSeq}

// handleWallet answers with one wallet, as it is or as it was.
func (s *Server) handleWallet(c *call) error {
	q, err := c.query(walletParams...)
	if err != nil {
		return err
	}
	asOf, past, err := q.asOf()
	if err != nil {
		return err
	}
	now := s.book.Now()
	list, err := s.points(c, now, []ledger.AsOf{asOf})
	if err != nil {
		return err
	}
	wallet, point := &list.Wallet, list.Points[0]
	if err := knownSeq(asOf, wallet, past); err != nil {
		return err
	}
	out := c.scratch.out[:0]
	if past {
		out = appendPoint(out, wallet, point)
	} else {
		out = appendWallet(out, wallet, int64(wallet.Available(list.Chain.At(now))))
		out = appendEntryID(out[:len(out)-1], point.EntryID)
	}
	c.reply(http.StatusOK, out)
	return nil
}

// knownSeq refuses a seq that the wallet does not have yet.
func knownSeq(asOf ledger.AsOf, wallet *ledger.Wallet, past bool) error {
	if past && asOf.Time.IsZero() && asOf.Seq > wallet.Seq {
		return queryError(paramAsOfSeq, "The wallet has %d entries so far.", wallet.Seq)
	}
	return nil
}

// asOf returns the point of the past that is asked for. Past is false when none
// is; the point is then the wallet's last.
func (q *query) asOf() (asOf ledger.AsOf, past bool, err error) {
	if q.get(paramAsOf) != "" && q.get(paramAsOfSeq) != "" {
		return asOf, false, queryError(paramAsOfSeq, "Send either as_of or as_of_seq.")
	}
	if q.get(paramAsOfSeq) != "" {
		asOf.Seq, err = q.integer(paramAsOfSeq, int64(money.BalanceMax)) // what JavaScript reads exactly
		return asOf, true, err
	}
	if q.get(paramAsOf) != "" {
		asOf.Time, err = q.until(paramAsOf)
		return asOf, true, err
	}
	return ledger.AsOf{Seq: math.MaxInt64}, false, nil
}

// points reads the wallet in the path as it is now and as of points in its past.
func (s *Server) points(c *call, now time.Time, asOf []ledger.AsOf) (ledger.PointList, error) {
	id, err := c.customerID()
	if err != nil {
		return ledger.PointList{}, err
	}
	// The currency names an object here, and what is none does not exist.
	currency := money.Currency(c.params[1])
	if !currency.Valid() {
		return ledger.PointList{}, errNotFound
	}
	return s.book.Store().Points(c.r.Context(), c.tenant(), id, currency, now, asOf)
}

// appendPoint appends a wallet as it was. What could have been spent at another time
// than that of an entry is not kept, and so it is left out.
func appendPoint(out []byte, wallet *ledger.Wallet, point ledger.Point) []byte {
	updatedAt := point.CreatedAt
	if point.Seq == 0 {
		updatedAt = wallet.CreatedAt
	}
	out = append(out, `{"customer_id":`...)
	out = appendString(out, wallet.CustomerID)
	out = append(out, `,"currency":"`...)
	out = append(out, wallet.Currency...)
	out = append(out, `","balance":`...)
	out = strconv.AppendInt(out, int64(point.Balance), 10)
	out = append(out, `,"created_at":`...)
	out = appendTime(out, wallet.CreatedAt)
	out = append(out, `,"updated_at":`...)
	out = appendTime(out, updatedAt)
	out = append(out, `,"seq":`...)
	out = strconv.AppendInt(out, point.Seq, 10)
	return appendEntryID(out, point.EntryID)
}

// appendEntryID ends a wallet with its last entry, null where there is none.
func appendEntryID(out []byte, id string) []byte {
	out = append(out, `,"ledger_entry_id":`...)
	return append(appendOptional(out, id), '}')
}
