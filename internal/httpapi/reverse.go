package httpapi

import (
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/strictjson"
)

// The fields of a request to reverse an entry; none is required.
var reversalFields = []string{
	"amount", "allow_partial", "if_seq", "if_available_at_least", "reason", "reference_object_id", "metadata", "idempotency_key",
}

const (
	reversalAmount = iota
	reversalAllowPartial
	reversalIfSeq
	reversalIfAvailable
	reversalReason
	reversalReference
	reversalMetadata
	reversalKey
)

// reversalKinds are the types of the fields but the amount, for which any other
// type has the code of a value that is no integer.
var reversalKinds = [...]strictjson.Kind{
	reversalAllowPartial: strictjson.Bool, reversalIfSeq: strictjson.Number, reversalIfAvailable: strictjson.Number, reversalReason: strictjson.String,
	reversalReference: strictjson.String, reversalMetadata: strictjson.Object, reversalKey: strictjson.String,
}

// handleEntryReverse undoes a debit or credit, in part or whole, and answers with
// the wallet. Fields come before objects and objects before keys, as where entries
// are made.
func (s *Server) handleEntryReverse(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	request := ledger.ReverseRequest{
		Tenant:     c.tenant(),
		CustomerID: c.params[0],
		EntryID:    c.params[1],
		CreatedBy:  c.key.ID,

		DefaultAlerts: c.settings.Alerts,
		Grace:         time.Duration(c.settings.ReversalGraceSeconds) * time.Second,
		AllowDebt:     c.settings.CreditReversal == access.RecordDebt,
	}
	err := c.decodeReversal(&request)
	byHeader := false
	if err == nil {
		byHeader, err = c.takeKey(&request.IdempotencyKey)
	}
	if err != nil {
		return err
	}
	c.keyed = request.IdempotencyKey != ""
	if _, err := c.customerID(); err != nil {
		return err
	}
	if !isID(request.EntryID, ledger.EntryIDPrefix) {
		return errNotFound
	}
	if !c.keyed && c.resent() {
		if _, err := s.book.Store().Entry(c.r.Context(), request.Tenant, request.CustomerID, request.EntryID); err != nil {
			return err
		}
		return errKeyRequired
	}
	change, err := s.book.Reverse(c.r.Context(), request)
	if err != nil {
		return err
	}
	c.replyChange(&change, byHeader)
	return nil
}

// decodeReversal reads a request to reverse an entry. Types come before values,
// and the values in the order of [ledger.ReverseRequest.Validate].
func (c *call) decodeReversal(r *ledger.ReverseRequest) error {
	f, err := c.fields(reversalFields, 0)
	if err != nil {
		return err
	}
	if err := f.checkKinds(reversalKinds[:]); err != nil {
		return err
	}
	// Null is refused here: it would undo all that is left.
	if f.values[reversalAmount].Kind() != 0 {
		value, err := amount(f.values[reversalAmount])
		if err != nil {
			return err
		}
		r.Amount = &value
	}
	if err := r.Validate(); err != nil { // the amount
		return err
	}
	if r.AllowPartial, _, err = f.boolean(reversalAllowPartial); err != nil {
		return err
	}
	if err := decodeConditions(&f, reversalIfSeq, reversalIfAvailable, &r.Conditions); err != nil {
		return err
	}
	if r.Reason, _, err = f.text(reversalReason); err != nil {
		return err
	}
	if r.ReferenceObjectID, _, err = f.text(reversalReference); err != nil {
		return err
	}
	if err := r.Validate(); err != nil {
		return err
	}
	r.Metadata, r.IdempotencyKey, err = f.metadataAndKey(reversalMetadata, reversalKey)
	return err
}
