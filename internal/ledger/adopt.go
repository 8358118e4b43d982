package ledger

import (
	"strings"
	"time"

	"github.com/billfold/billfold/internal/money"
)

// ImportedBy is the creator of entries that were taken over from another
// installation.
const ImportedBy = "import"

// importedIDMax is how long the id of a foreign entry may be.
const importedIDMax = 68

// Adoption is an entry that another installation has made and that this one takes
// over, with everything by which people and programs there know it.
type Adoption struct {
	// Request is what must have been asked for there. Its metadata must be empty
	// when the id cannot be kept.
	Request PostRequest

	// ID is the id that the entry had there. It is kept when it contains the
	// entry's position; see [EntryID] for why no other can be.
	ID string

	EventType EventType
	CreatedAt time.Time
	Position  int64 // among the customer's entries

	// Before and After are the wallet's balance there.
	Before, After money.Amount
}

// Validate checks what can be seen in the adoption alone.
func (a *Adoption) Validate() error {
	if a.Request.Category != "" || !a.Request.ExpiresAt.IsZero() || a.Request.AllowPartial {
		return Errorf(CodeInvalidCategory, "only plain credits and debits can be taken over")
	}
	if _, known := a.account(); !known {
		return Errorf(CodeInvalidEntryType, "%q is not a published event type", clip(string(a.EventType)))
	}
	if !a.KeepsID() && !importableID(a.ID) {
		return Errorf(CodeInvalidReference, "%q is no id that can be noted", clip(a.ID))
	}
	if !a.KeepsID() && a.Request.Metadata != "" && a.Request.Metadata != "{}" {
		return Errorf(CodeInvalidReference, "the entry has metadata, and an id that does not contain its position")
	}
	return a.Request.Validate()
}

// importableID reports whether an id can stand in metadata as it is.
func importableID(id string) bool {
	return id != "" && len(id) <= importedIDMax && strings.Trim(id, base62+"-_") == ""
}

// KeepsID reports whether the entry has the same id here.
func (a *Adoption) KeepsID() bool {
	position, ok := EntryIDPosition(a.ID)
	return ok && position == a.Position
}

// Metadata is what the entry has here: that of the request, or the id that could
// not be kept.
func (a *Adoption) Metadata() string {
	if a.KeepsID() {
		return metadataOr(a.Request.Metadata)
	}
	return `{"imported_entry_id":"` + a.ID + `"}`
}

// Differs names the first thing by which an entry here is not the one that is
// taken over, in the words of the wire; it is empty when they are the same.
func (a *Adoption) Differs(e *Entry) string {
	r := &a.Request
	switch {
	case a.KeepsID() && e.ID != a.ID:
		return "id"
	case e.Metadata != a.Metadata():
		return "metadata"
	case e.Currency != r.Currency:
		return "currency"
	case e.Direction != r.Direction:
		return "is_credit"
	case e.Amount != r.Amount:
		return "amount"
	case e.Before != a.Before:
		return "before_balance"
	case e.After != a.After:
		return "after_balance"
	case e.EventType != a.EventType:
		return "event_type"
	case !e.CreatedAt.Equal(a.CreatedAt):
		return "created_at"
	case e.Reason != r.Reason:
		return "reason"
	case e.ReferenceObjectID != r.ReferenceObjectID:
		return "reference_object_id"
	case e.IdempotencyKey != r.IdempotencyKey:
		return "idempotency_key"
	}
	return ""
}

// account is the other side of the entry (law M1), which is not published and
// follows from its type.
func (a *Adoption) account() (account Account, known bool) {
	switch a.EventType {
	case EventMerchantAdjustment:
		return AccountMerchant, true
	case EventPayment, EventPaymentReversal:
		return AccountRevenue, true
	case EventRefund, EventRefundReversal:
		return AccountRefunds, true
	case EventDispute, EventDisputeReversal:
		return AccountDisputes, true
	}
	return "", false
}

// Adopt decides the taking over of an entry. What was decided elsewhere is not
// decided again, so currencies and freezes do not matter; but nothing is written
// that would not follow from what is here. The adoption must have passed
// [Adoption.Validate].
func Adopt(s Snapshot, a *Adoption, random uint64) (Change, error) {
	switch {
	case s.Prior != nil || s.PriorHold != nil:
		return Change{}, Errorf(CodeKeyReused, "the key of the entry at position %d was used before", a.Position)
	case s.Chain.Position+1 != a.Position:
		return Change{}, Errorf(CodeConditionFailed, "the entry at position %d does not follow position %d", a.Position, s.Chain.Position)
	case a.CreatedAt.Before(s.Chain.LastAt):
		return Change{}, Errorf(CodeConditionFailed, "the entry at position %d is older than the one before", a.Position)
	case s.Wallet.Balance != a.Before:
		return Change{}, Errorf(CodeConditionFailed, "the entry at position %d begins with another balance than the wallet has", a.Position)
	}
	r := &a.Request
	wallet := s.Wallet
	if wallet.Debt > 0 {
		return Change{}, Errorf(CodeConditionFailed, "the entry at position %d would go to a wallet that owes", a.Position)
	}
	entry := nextEntry(&s, a.CreatedAt, random)
	if a.KeepsID() {
		entry.ID = a.ID
	}
	entry.Direction, entry.Amount, entry.EventType = r.Direction, r.Amount, a.EventType
	entry.Account, _ = a.account()
	entry.Category = r.category()
	entry.Reason, entry.ReferenceObjectID, entry.Metadata = r.Reason, r.ReferenceObjectID, a.Metadata()
	entry.IdempotencyKey, entry.Fingerprint, entry.CreatedBy = r.IdempotencyKey, r.Fingerprint(), ImportedBy
	if err := move(&wallet, &entry); err != nil {
		return Change{}, err
	}
	if wallet.Balance != a.After {
		return Change{}, Errorf(CodeConditionFailed, "the entry at position %d does not lead to the balance that it should", a.Position)
	}
	return conclude(&s, entry, wallet), nil
}

// Command is what a store is asked to carry out for an adoption, which must not
// change any more.
func (a *Adoption) Command(random uint64) Command {
	scope := Scope{
		Tenant: a.Request.Tenant, CustomerID: a.Request.CustomerID, Currency: a.Request.Currency,
		Key: a.Request.IdempotencyKey, At: a.CreatedAt,
	}
	if a.Request.Direction == Debit {
		scope.Need = a.Request.Amount
	}
	return Command{Scope: scope, Decide: func(s Snapshot) (Change, error) { return Adopt(s, a, random) }}
}
