package httpapi

import (
	"net/http"
	"strconv"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/strictjson"
)

var lotListParams = []string{paramPageSize, paramCursor, paramAsOf, paramAsOfSeq}

// handleLotList lists the open lots of a wallet in the order in which they are
// spent, with what expires when: as they are or as they were.
func (s *Server) handleLotList(c *call) error {
	q, err := c.query(lotListParams...)
	if err != nil {
		return err
	}
	// Pages of one list are of one moment: a cursor leads on in the past it is of alone.
	bound := c.bound() + "\x00" + q.get(paramAsOf) + "\x00" + q.get(paramAsOfSeq)
	limit, after, err := s.cursorPage(&q, bound)
	if err != nil {
		return err
	}
	asOf, past, err := q.asOf()
	if err != nil {
		return err
	}
	id, currency, err := c.walletID()
	if err != nil {
		return err
	}
	now := s.book.Now()
	page := ledger.LotPage{Limit: limit, After: after, At: now}
	if past {
		page.AsOf = &asOf
	}
	list, err := s.book.Store().Lots(c.r.Context(), c.tenant(), id, currency, page)
	if err != nil {
		return err
	}
	if err := knownSeq(asOf, &list.Wallet, past); err != nil {
		return err
	}
	now = list.Chain.At(now)
	at := now
	switch {
	case past && asOf.Time.IsZero():
		at = list.Point.CreatedAt
	case past && asOf.Time.Before(now):
		at = asOf.Time
	}
	out := append(c.scratch.out[:0], `{"items":[`...)
	for i, lot := range list.Lots {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendLot(out, lot, at)
	}
	out = append(out, `],"wallet":`...)
	if past {
		out = appendPoint(out, &list.Wallet, list.Point)
	} else {
		out = appendWallet(out, &list.Wallet, int64(list.Wallet.Available(now)))
	}
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

// The fields of a request to move an expiry, of which the first is required but may
// be null.
var moveFields = []string{"expires_at", "reason", "idempotency_key"}

const (
	moveExpiresAt = iota
	moveReason
	moveKey
)

var moveKinds = [...]strictjson.Kind{
	moveExpiresAt: strictjson.String, moveReason: strictjson.String, moveKey: strictjson.String,
}

// handleLotMove moves when what a lot has left expires. Fields come before objects
// and objects before keys, as where entries are made.
func (s *Server) handleLotMove(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	request := ledger.MoveRequest{Tenant: c.tenant(), CreatedBy: c.key.ID}
	if err := c.decodeMove(&request); err != nil {
		return err
	}
	byHeader, err := c.takeKey(&request.IdempotencyKey)
	if err != nil {
		return err
	}
	if request.CustomerID, request.Currency, err = c.walletID(); err != nil {
		return err
	}
	if request.LotSeq, err = lotSeq(c.params[2]); err != nil {
		return err
	}
	c.keyed = request.IdempotencyKey != ""
	if !c.keyed && c.resent() {
		if _, _, err := s.book.LotCredit(c.r.Context(), &request); err != nil {
			return err
		}
		return errKeyRequired
	}
	moved, err := s.book.MoveExpiry(c.r.Context(), request)
	if err != nil {
		return err
	}
	c.replyMoved(&moved, byHeader)
	return nil
}

// replyMoved answers with the lot that was opened and the wallet. All of it comes
// from what a repeat will find again.
func (c *call) replyMoved(moved *ledger.Moved, byHeader bool) {
	status, out := http.StatusOK, append(c.scratch.out[:0], '{')
	if moved.Change.Replayed {
		if byHeader || c.resent() || c.settings.OnDuplicate == access.Replay {
			c.w.Header()["Idempotency-Replayed"] = headerTrue
		} else {
			status, out = http.StatusConflict, append(c.appendDuplicate(out[:0]), ',')
		}
	}
	out = append(out, `"lot":`...)
	out = appendLot(out, moved.Lot, moved.Wallet.UpdatedAt)
	out = append(out, `,"wallet":`...)
	out = appendWallet(out, &moved.Wallet, int64(moved.Available))
	out = append(out, `,"ledger_entry_id":`...)
	c.reply(status, append(appendString(out, moved.Change.Entry.ID), '}'))
}

// decodeMove reads a request to move an expiry. Types come before values, and the
// values in the order of [ledger.MoveRequest.Validate].
func (c *call) decodeMove(r *ledger.MoveRequest) error {
	f, err := c.fields(moveFields, 0)
	if err != nil {
		return err
	}
	if f.values[moveExpiresAt].Kind() == 0 {
		return ledger.FieldErrorf(ledger.CodeMissingField, "expires_at", "expires_at is required; null has the lot never expire")
	}
	if err := f.checkKinds(moveKinds[:]); err != nil {
		return err
	}
	expires, given, err := f.text(moveExpiresAt)
	if err != nil {
		return err
	}
	if given {
		if r.ExpiresAt, err = parseExpiry(expires); err != nil {
			return err
		}
	}
	if r.Reason, _, err = f.text(moveReason); err != nil {
		return err
	}
	if err := r.Validate(); err != nil {
		return err
	}
	r.IdempotencyKey, err = f.key(moveKey)
	return err
}

// lotSeq reads the number of a lot as it stands in a path. It has one form, and what
// is in another one does not exist.
func lotSeq(text string) (int64, error) {
	seq, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seq < 1 || strconv.FormatInt(seq, 10) != text {
		return 0, errNotFound
	}
	return seq, nil
}
