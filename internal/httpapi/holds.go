package httpapi

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/strictjson"
)

// The fields of a request to hold money, of which the first three are required.
var holdFields = []string{
	"amount", "currency", "expires_at",
	"allow_partial", "if_seq", "if_available_at_least", "reason", "reference_object_id", "metadata", "idempotency_key",
}

const (
	holdAmount = iota
	holdCurrency
	holdExpiresAt
	holdAllowPartial
	holdIfSeq
	holdIfAvailable
	holdReason
	holdReference
	holdMetadata
	holdKey

	holdRequired = holdExpiresAt + 1
)

// holdKinds are the types of the fields but the amount, see reversalKinds.
var holdKinds = [...]strictjson.Kind{
	holdCurrency: strictjson.String, holdExpiresAt: strictjson.String, holdAllowPartial: strictjson.Bool,
	holdIfSeq: strictjson.Number, holdIfAvailable: strictjson.Number, holdReason: strictjson.String,
	holdReference: strictjson.String, holdMetadata: strictjson.Object, holdKey: strictjson.String,
}

// handleHoldCreate promises money of a wallet. Fields come before objects and
// objects before keys, as where entries are made.
func (s *Server) handleHoldCreate(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	request := ledger.HoldRequest{Tenant: c.tenant(), CustomerID: c.params[0], CreatedBy: c.key.ID}
	if err := c.decodeHold(&request); err != nil {
		return err
	}
	byHeader, err := c.takeKey(&request.IdempotencyKey)
	if err != nil {
		return err
	}
	request.CurrencyEnabled, request.DefaultAlerts = c.settings.Enabled(request.Currency), c.settings.Alerts
	if _, err := c.customerID(); err != nil {
		return err
	}
	return s.hold(c, request.IdempotencyKey, byHeader,
		func(ctx context.Context) error {
			_, err := s.book.Store().Customer(ctx, request.Tenant, request.CustomerID)
			return err
		},
		func(ctx context.Context) (ledger.Change, error) { return s.book.MakeHold(ctx, request) })
}

// hold carries out a command about a hold and answers with the hold and its
// wallet. A second try without a key may be a second hold or a second capture (law
// K9), unless what it is about is not there.
func (s *Server) hold(
	c *call, key string, byHeader bool, look func(context.Context) error, act func(context.Context) (ledger.Change, error),
) error {
	c.keyed = key != ""
	if !c.keyed && c.resent() {
		if err := look(c.r.Context()); err != nil {
			return err
		}
		return errKeyRequired
	}
	change, err := act(c.r.Context())
	if err != nil {
		return err
	}
	if change.Replayed {
		if !byHeader && !c.resent() && c.settings.OnDuplicate != access.Replay {
			c.replyDuplicateHold(&change)
			return nil
		}
		c.w.Header()["Idempotency-Replayed"] = headerTrue
	}
	out := append(c.scratch.out[:0], '{')
	c.reply(http.StatusOK, append(appendHeld(out, &change), '}'))
	return nil
}

// replyDuplicateHold is replyDuplicate for what was done about a hold.
func (c *call) replyDuplicateHold(change *ledger.Change) {
	out := append(c.appendDuplicate(c.scratch.out[:0]), ',')
	c.reply(http.StatusConflict, append(appendHeld(out, change), '}'))
}

// appendHeld appends the hold and the wallet right after a command, and for a
// capture which entry it has made. All of it comes from what a repeat will find
// again.
func appendHeld(out []byte, change *ledger.Change) []byte {
	hold := &change.Hold.Hold
	out = append(out, `"hold":`...)
	out = appendHold(out, hold, hold.State)
	out = append(out, `,"wallet":`...)
	wallet := change.Answer()
	out = appendWallet(out, &wallet, int64(change.Hold.Event.Available))
	out = append(out, `,"ledger_entry_id":`...)
	return appendOptional(out, change.Entry.ID)
}

// decodeHold reads a request to hold money. Types come before values, and the
// values in the order of [ledger.HoldRequest.Validate].
func (c *call) decodeHold(r *ledger.HoldRequest) error {
	f, err := c.fields(holdFields, holdRequired)
	if err != nil {
		return err
	}
	if err := f.checkKinds(holdKinds[:]); err != nil {
		return err
	}
	currency, _, err := f.text(holdCurrency)
	if err != nil {
		return err
	}
	r.Currency = money.Currency(currency)
	valid := *r // whose later fields are in order, to hear of the earlier ones first
	valid.Amount, valid.ExpiresAt = 1, time.Unix(1, 0)
	if err := valid.Validate(); err != nil {
		return err
	}
	if r.Amount, err = amount(f.values[holdAmount]); err != nil {
		return err
	}
	valid.Amount = r.Amount
	if err := valid.Validate(); err != nil {
		return err
	}
	expires, _, err := f.text(holdExpiresAt)
	if err != nil {
		return err
	}
	if r.ExpiresAt, err = parseExpiry(expires); err != nil {
		return err
	}
	if r.AllowPartial, _, err = f.boolean(holdAllowPartial); err != nil {
		return err
	}
	if err := decodeConditions(&f, holdIfSeq, holdIfAvailable, &r.Conditions); err != nil {
		if earlier := r.Validate(); earlier != nil {
			return earlier
		}
		return err
	}
	if r.Reason, _, err = f.text(holdReason); err != nil {
		return err
	}
	if r.ReferenceObjectID, _, err = f.text(holdReference); err != nil {
		return err
	}
	if err := r.Validate(); err != nil {
		return err
	}
	r.Metadata, r.IdempotencyKey, err = f.metadataAndKey(holdMetadata, holdKey)
	return err
}

// The fields of a request to capture; none is required.
var captureFields = []string{"amount", "final", "reason", "reference_object_id", "metadata", "idempotency_key"}

const (
	captureAmount = iota
	captureFinal
	captureReason
	captureReference
	captureMetadata
	captureKey
)

// captureKinds are the types of the fields but the amount, see reversalKinds.
var captureKinds = [...]strictjson.Kind{
	captureFinal: strictjson.Bool, captureReason: strictjson.String, captureReference: strictjson.String,
	captureMetadata: strictjson.Object, captureKey: strictjson.String,
}

// handleHoldCapture spends of what a hold promised.
func (s *Server) handleHoldCapture(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	request := ledger.CaptureRequest{Tenant: c.tenant(), CustomerID: c.params[0], HoldID: c.params[1], CreatedBy: c.key.ID}
	if err := c.decodeCapture(&request); err != nil {
		return err
	}
	byHeader, err := c.takeKey(&request.IdempotencyKey)
	if err != nil {
		return err
	}
	look, err := s.lookForHold(c)
	if err != nil {
		return err
	}
	return s.hold(c, request.IdempotencyKey, byHeader, look,
		func(ctx context.Context) (ledger.Change, error) { return s.book.Capture(ctx, request) })
}

// lookForHold refuses what the path cannot name, and returns the look at whether
// it is there.
func (s *Server) lookForHold(c *call) (look func(context.Context) error, err error) {
	if _, err := c.customerID(); err != nil {
		return nil, err
	}
	if !isID(c.params[1], ledger.HoldIDPrefix) {
		return nil, errNotFound
	}
	return func(ctx context.Context) error {
		_, err := s.book.Store().Hold(ctx, c.tenant(), c.params[0], c.params[1])
		return err
	}, nil
}

// decodeCapture reads a request to capture. Types come before values, and the
// values in the order of [ledger.CaptureRequest.Validate].
func (c *call) decodeCapture(r *ledger.CaptureRequest) error {
	f, err := c.fields(captureFields, 0)
	if err != nil {
		return err
	}
	if err := f.checkKinds(captureKinds[:]); err != nil {
		return err
	}
	// Null is refused here: it would capture all that is left.
	if f.values[captureAmount].Kind() != 0 {
		value, err := amount(f.values[captureAmount])
		if err != nil {
			return err
		}
		r.Amount = &value
	}
	if r.Final, _, err = f.boolean(captureFinal); err != nil {
		return err
	}
	if r.Reason, _, err = f.text(captureReason); err != nil {
		return err
	}
	if r.ReferenceObjectID, _, err = f.text(captureReference); err != nil {
		return err
	}
	if err := r.Validate(); err != nil {
		return err
	}
	r.Metadata, r.IdempotencyKey, err = f.metadataAndKey(captureMetadata, captureKey)
	return err
}

var releaseFields = []string{"idempotency_key"}

// handleHoldRelease gives back what is left of a hold.
func (s *Server) handleHoldRelease(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	request := ledger.ReleaseRequest{Tenant: c.tenant(), CustomerID: c.params[0], HoldID: c.params[1], CreatedBy: c.key.ID}
	f, err := c.fields(releaseFields, 0)
	if err != nil {
		return err
	}
	if request.IdempotencyKey, err = f.key(0); err != nil {
		return err
	}
	byHeader, err := c.takeKey(&request.IdempotencyKey)
	if err != nil {
		return err
	}
	look, err := s.lookForHold(c)
	if err != nil {
		return err
	}
	return s.hold(c, request.IdempotencyKey, byHeader, look,
		func(ctx context.Context) (ledger.Change, error) { return s.book.Release(ctx, request) })
}

// handleHold answers with one hold.
func (s *Server) handleHold(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	id, err := c.customerID()
	if err != nil {
		return err
	}
	if !isID(c.params[1], ledger.HoldIDPrefix) {
		return errNotFound
	}
	hold, err := s.book.Store().Hold(c.r.Context(), c.tenant(), id, c.params[1])
	if err != nil {
		return err
	}
	c.reply(http.StatusOK, s.appendHoldNow(c.scratch.out[:0], &hold))
	return nil
}

const paramStatus = "status"

// handleHoldList lists a customer's holds, newest first.
func (s *Server) handleHoldList(c *call) error {
	q, err := c.query(paramPageSize, paramCursor, paramCurrency, paramStatus, paramReference)
	if err != nil {
		return err
	}
	var filter ledger.HoldFilter
	if filter.Currency, err = q.currency(paramCurrency); err != nil {
		return err
	}
	switch filter.State = ledger.HoldState(q.get(paramStatus)); filter.State {
	case "", ledger.HoldActive, ledger.HoldCaptured, ledger.HoldReleased, ledger.HoldExpired:
	default:
		return queryError(paramStatus, "status must be active, captured, released or expired.")
	}
	filter.ReferenceObjectID = q.get(paramReference)
	return replyPage(s, c, &q, func(id string, limit int, before int64) ([]ledger.Hold, int64, error) {
		list, err := s.book.Store().Holds(c.r.Context(), c.tenant(), id, filter, ledger.Page{Limit: limit, Before: before})
		return list.Holds, list.Next, err
	}, s.appendHoldNow)
}

// appendHoldNow appends a hold as it counts now: expired from the instant on,
// whether or not its money was given back yet.
func (s *Server) appendHoldNow(out []byte, hold *ledger.Hold) []byte {
	return appendHold(out, hold, hold.StateAt(s.book.Now()))
}

func appendHold(out []byte, hold *ledger.Hold, state ledger.HoldState) []byte {
	out = append(out, `{"hold_id":`...)
	out = appendString(out, hold.ID)
	out = append(out, `,"customer_id":`...)
	out = appendString(out, hold.CustomerID)
	out = append(out, `,"currency":`...)
	out = appendString(out, string(hold.Currency))
	out = append(out, `,"amount":`...)
	out = strconv.AppendInt(out, int64(hold.Amount), 10)
	out = append(out, `,"captured":`...)
	out = strconv.AppendInt(out, int64(hold.Captured), 10)
	out = append(out, `,"released":`...)
	out = strconv.AppendInt(out, int64(hold.Released), 10)
	out = append(out, `,"remaining":`...)
	out = strconv.AppendInt(out, int64(hold.Left()), 10)
	out = append(out, `,"status":"`...)
	out = append(out, state...)
	out = append(out, `","expires_at":`...)
	out = appendTime(out, hold.ExpiresAt)
	out = append(out, `,"reason":`...)
	out = appendOptional(out, hold.Reason)
	out = append(out, `,"reference_object_id":`...)
	out = appendOptional(out, hold.ReferenceObjectID)
	out = append(out, `,"metadata":`...)
	out = appendMetadata(out, hold.Metadata)
	out = append(out, `,"created_at":`...)
	out = appendTime(out, hold.CreatedAt)
	out = append(out, `,"updated_at":`...)
	out = appendTime(out, hold.UpdatedAt)
	return append(out, '}')
}
