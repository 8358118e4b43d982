package ledger

import (
	"errors"
	"fmt"
	"time"

	"github.com/billfold/billfold/internal/money"
)

// Code is the machine's part of an error. It is stable: callers switch on it,
// and httpapi has the one map from codes to statuses.
type Code string

// The codes that the ledger's rules and stores give.
const (
	CodeNotFound              Code = "NOT_FOUND"
	CodeUnsupportedCurrency   Code = "UNSUPPORTED_CURRENCY"
	CodeMissingField          Code = "MISSING_FIELD"
	CodeAmountNotPositive     Code = "AMOUNT_NOT_POSITIVE"
	CodeAmountTooLarge        Code = "AMOUNT_TOO_LARGE"
	CodeInvalidEntryType      Code = "INVALID_ENTRY_TYPE"
	CodeInvalidReason         Code = "INVALID_REASON"
	CodeInvalidCategory       Code = "INVALID_CATEGORY"
	CodeInvalidReference      Code = "INVALID_REFERENCE_OBJECT_ID"
	CodeInvalidIdempotencyKey Code = "INVALID_IDEMPOTENCY_KEY"
	CodeExpiryOnDebit         Code = "EXPIRY_ON_DEBIT"
	CodeCategoryOnDebit       Code = "CATEGORY_ON_DEBIT"
	CodePartialOnCredit       Code = "PARTIAL_ON_CREDIT"
	CodeInvalidCondition      Code = "INVALID_CONDITION"
	CodeConditionFailed       Code = "CONDITION_FAILED"
	CodeNotReversible         Code = "ENTRY_NOT_REVERSIBLE"
	CodeNotMovable            Code = "EXPIRY_NOT_MOVABLE"
	CodeInvalidTransfer       Code = "INVALID_TRANSFER"
	CodeReversalExceeds       Code = "REVERSAL_EXCEEDS_ENTRY"
	CodeReversalExceedsLot    Code = "REVERSAL_EXCEEDS_LOT"
	CodeHoldNotActive         Code = "HOLD_NOT_ACTIVE"
	CodeCaptureExceeds        Code = "CAPTURE_EXCEEDS_HOLD"
	CodeCustomerNotActive     Code = "CUSTOMER_NOT_ACTIVE"
	CodeInvalidScope          Code = "INVALID_SCOPE"
	CodeInvalidExpiry         Code = "INVALID_EXPIRY"
	CodeInvalidEmail          Code = "INVALID_EMAIL"
	CodeInvalidName           Code = "INVALID_NAME"
	CodeInvalidPhoneNumber    Code = "INVALID_PHONE_NUMBER"
	CodeInvalidSettings       Code = "INVALID_SETTINGS"
	CodeInvalidThresholds     Code = "INVALID_THRESHOLDS"
	CodeLimitReached          Code = "LIMIT_REACHED"
	CodeKeyReused             Code = "IDEMPOTENCY_KEY_REUSED"
	CodeKeyInProgress         Code = "IDEMPOTENCY_IN_PROGRESS"
	CodeInsufficientFunds     Code = "INSUFFICIENT_WALLET_FUNDS"
	CodeBalanceLimit          Code = "BALANCE_LIMIT_EXCEEDED"
	CodeAtomicNotPossible     Code = "ATOMIC_NOT_POSSIBLE"
	CodeFeedNotPossible       Code = "EVENTS_NOT_POSSIBLE"
	CodeInvalidCursor         Code = "INVALID_CURSOR"
	CodeStorageUnavailable    Code = "STORAGE_UNAVAILABLE"
	CodeOverloaded            Code = "OVERLOADED"
	CodeOutcomeUnknown        Code = "OUTCOME_UNKNOWN"
	CodeInternal              Code = "INTERNAL_SERVER_ERROR"
)

// Error is a refusal or a failure. It has three readers: a program reads Code
// and Param, a person reads Message, the operator reads the wrapped cause,
// which never leaves the log.
type Error struct {
	Code    Code
	Message string

	// Param names the one field that is to blame, in the words of the wire.
	// Empty when no single field is.
	Param string

	// FirstAt is when the first request under a reused key was made (law K3).
	FirstAt time.Time

	// Wallet is the wallet that a condition did not hold for, without its
	// lots, and Available what a debit could have taken of it.
	Wallet    *Wallet
	Available money.Amount

	// held is what was held when there was too little, 0 where that is no reason.
	held money.Amount

	// partial says that the command would have taken a part, and is to do so if it
	// comes to the same again.
	partial bool

	cause error
}

// Errorf makes an error without a field to blame.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// FieldErrorf makes an error for which the field param is to blame.
func FieldErrorf(code Code, param, format string, args ...any) *Error {
	return &Error{Code: code, Param: param, Message: fmt.Sprintf(format, args...)}
}

// WithCause returns a copy of e that wraps what happened underneath.
func (e *Error) WithCause(cause error) *Error {
	caused := *e
	caused.cause = cause
	return &caused
}

// Error returns code, message and cause, for logs.
func (e *Error) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Message, e.cause)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Message)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// CodeOf returns the code of the first [Error] in err's tree. Anything that is
// not ours is internal. It returns "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var ours *Error
	if errors.As(err, &ours) {
		return ours.Code
	}
	return CodeInternal
}

// KeyReused refuses a request under a key that another request has used. All
// that it tells about the first is when it was made (law K3).
func KeyReused(firstAt time.Time) *Error {
	err := FieldErrorf(CodeKeyReused, "idempotency_key",
		"this idempotency key was used for another request at %s; use a new key for a new request", firstAt.Format(time.RFC3339Nano))
	err.FirstAt = firstAt
	return err
}
