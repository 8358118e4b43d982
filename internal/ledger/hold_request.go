package ledger

import (
	"crypto/sha256"
	"time"

	"github.com/billfold/billfold/internal/money"
)

const (
	holdDomain    = "billfold.hold.v1"
	captureDomain = "billfold.capture.v1"
	releaseDomain = "billfold.release.v1"
)

// HoldRequest asks to promise money of a wallet.
type HoldRequest struct {
	Tenant     Tenant
	CustomerID string
	Currency   money.Currency
	Amount     money.Amount
	ExpiresAt  time.Time // cut to microseconds

	// AllowPartial lets it take what is available where that is less than Amount.
	// Where nothing is, it is refused like any other.
	AllowPartial bool

	// LotSeq has it pin the lot that the credit with this seq opened, out of its turn, and
	// no other; 0 for what a debit would take. It is the server's own: no API key can say
	// it. [Scope.Moves] must name the lot, and ReferenceObjectID begin as [PinsLots] says.
	LotSeq int64

	Conditions Conditions

	Reason            string
	ReferenceObjectID string
	Metadata          string // a canonical JSON object; empty means "{}"
	IdempotencyKey    string // empty when the caller sent none
	CreatedBy         string // id of the API key that asks

	// CurrencyEnabled says whether the business has the currency switched on.
	CurrencyEnabled bool

	// DefaultAlerts are those of [PostRequest].
	DefaultAlerts Alerts
}

// Validate checks what can be seen in the request alone and returns the first
// rule that it breaks: currency, amount, expiry, conditions, reason, reference,
// key.
func (r *HoldRequest) Validate() error {
	switch {
	case !r.Currency.Valid():
		return FieldErrorf(CodeUnsupportedCurrency, "currency", "%q is not a supported currency; use an upper-case ISO 4217 code such as USD", clip(string(r.Currency)))
	case validateAmount(r.Amount) != nil:
		return validateAmount(r.Amount)
	case r.ExpiresAt.IsZero():
		return FieldErrorf(CodeMissingField, "expires_at", "expires_at is required: no money is promised without an end")
	case r.ExpiresAt.Year() > expiryYearMax:
		return errHoldExpiry
	}
	if err := r.Conditions.Validate(); err != nil {
		return err
	}
	return validateTexts(r.Reason, r.ReferenceObjectID, r.IdempotencyKey)
}

var errHoldExpiry = FieldErrorf(CodeInvalidExpiry, "expires_at", "expires_at of a hold must lie ahead, and by no more than a year")

// Fingerprint covers everything that the request says once parsed, see
// [PostRequest.Fingerprint].
func (r *HoldRequest) Fingerprint() Fingerprint {
	b := appendText(nil, holdDomain)
	b = appendText(b, string(r.Currency))
	b = appendNumber(b, int64(r.Amount))
	b = appendNumber(b, r.ExpiresAt.UnixMicro())
	b = appendText(b, r.Reason)
	b = appendText(b, r.ReferenceObjectID)
	b = appendText(b, metadataOr(r.Metadata))
	if r.AllowPartial {
		b = appendText(b, "allow_partial")
	}
	if r.LotSeq > 0 {
		b = appendNumber(appendText(b, "lot"), r.LotSeq)
	}
	sum := sha256.Sum256(b)
	return Fingerprint(sum[:len(Fingerprint{})])
}

// CaptureRequest asks to spend of what a hold promised.
type CaptureRequest struct {
	Tenant     Tenant
	CustomerID string
	HoldID     string

	// Amount is how much of it, nil for all that is left.
	Amount *money.Amount

	// Final asks to give back in the same commit what is left then.
	Final bool

	Reason            string
	ReferenceObjectID string
	Metadata          string // a canonical JSON object; empty means "{}"
	IdempotencyKey    string // empty when the caller sent none
	CreatedBy         string // id of the API key that asks

	// Purpose is that of the debit, see [PostRequest].
	Purpose Purpose
}

// Validate checks what can be seen in the request alone and returns the first
// rule that it breaks: amount, reason, reference, key.
func (r *CaptureRequest) Validate() error {
	if r.Amount != nil {
		if err := validateAmount(*r.Amount); err != nil {
			return err
		}
	}
	return validateTexts(r.Reason, r.ReferenceObjectID, r.IdempotencyKey)
}

// Fingerprint covers everything that the request says once parsed, see
// [PostRequest.Fingerprint].
func (r *CaptureRequest) Fingerprint() Fingerprint {
	b := appendText(nil, captureDomain)
	b = appendText(b, r.HoldID)
	var amount money.Amount // 0 stands for none
	if r.Amount != nil {
		amount = *r.Amount
	}
	b = appendNumber(b, int64(amount))
	b = appendText(b, r.Reason)
	b = appendText(b, r.ReferenceObjectID)
	b = appendText(b, metadataOr(r.Metadata))
	if r.Final {
		b = appendText(b, "final")
	}
	b = r.Purpose.append(b)
	sum := sha256.Sum256(b)
	return Fingerprint(sum[:len(Fingerprint{})])
}

// ReleaseRequest asks to give back what is left of a hold.
type ReleaseRequest struct {
	Tenant         Tenant
	CustomerID     string
	HoldID         string
	IdempotencyKey string // empty when the caller sent none
	CreatedBy      string // id of the API key that asks
}

// Validate checks the key.
func (r *ReleaseRequest) Validate() error { return validateTexts("", "", r.IdempotencyKey) }

// Fingerprint covers everything that the request says, see
// [PostRequest.Fingerprint].
func (r *ReleaseRequest) Fingerprint() Fingerprint {
	sum := sha256.Sum256(appendText(appendText(nil, releaseDomain), r.HoldID))
	return Fingerprint(sum[:len(Fingerprint{})])
}
