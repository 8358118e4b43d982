package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/catalog"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/people"
	"github.com/billfold/billfold/internal/processor/accounts"
	"github.com/billfold/billfold/internal/report"
	"github.com/billfold/billfold/internal/webhook"
)

// The codes that only the HTTP face gives. Those of the rules are in package
// ledger.
const (
	CodeUnauthorized         = access.CodeUnauthorized
	CodeForbidden            = ledger.Code("FORBIDDEN")
	CodeMethodNotAllowed     = ledger.Code("METHOD_NOT_ALLOWED")
	CodeRequestTimeout       = ledger.Code("REQUEST_TIMEOUT")
	CodeRequestTooLarge      = ledger.Code("REQUEST_TOO_LARGE")
	CodeUnsupportedMediaType = ledger.Code("UNSUPPORTED_MEDIA_TYPE")
	CodeUnsupportedEncoding  = ledger.Code("UNSUPPORTED_ENCODING")
	CodeTooManyRequests      = ledger.Code("TOO_MANY_REQUESTS")
	CodeInvalidQueryParams   = ledger.Code("INVALID_QUERY_PARAMS")
	CodeInvalidCursor        = ledger.CodeInvalidCursor
	CodeInvalidRequestBody   = ledger.Code("INVALID_REQUEST_BODY")
	CodeInvalidEncoding      = ledger.Code("INVALID_ENCODING")
	CodeDuplicateField       = ledger.Code("DUPLICATE_FIELD")
	CodeUnknownField         = ledger.Code("UNKNOWN_FIELD")
	CodeInvalidMetadata      = ledger.Code("INVALID_METADATA")
	CodeMaximumKeysReached   = ledger.Code("MAXIMUM_KEYS_REACHED")
	CodeAmountNotInteger     = ledger.Code("AMOUNT_NOT_INTEGER")
	CodeKeyRequired          = ledger.Code("IDEMPOTENCY_KEY_REQUIRED")
	CodeDuplicateKey         = ledger.Code("DUPLICATE_IDEMPOTENCY_KEY")
)

// answer is what the HTTP face makes of a code.
type answer struct {
	status int

	// retryable says that the same request can succeed later without anybody
	// changing anything.
	retryable bool
}

// answers is the one map from codes to statuses. docs/errors.md shows it to
// people, and a test compares the two.
var answers = map[ledger.Code]answer{
	ledger.CodeInsufficientFunds: {status: http.StatusBadRequest},

	billing.CodePaymentNotSucceeded: {status: http.StatusBadRequest},
	billing.CodeAlreadyRefunded:     {status: http.StatusBadRequest},
	billing.CodeRefundExceeds:       {status: http.StatusBadRequest},
	billing.CodeRefundProcessing:    {status: http.StatusBadRequest},
	billing.CodeNothingPaid:         {status: http.StatusBadRequest},
	billing.CodeLineNotFound:        {status: http.StatusBadRequest},
	billing.CodeLineTwice:           {status: http.StatusBadRequest},
	billing.CodeLineRefunded:        {status: http.StatusBadRequest},
	billing.CodeLineTooHigh:         {status: http.StatusBadRequest},
	billing.CodeLineTooLow:          {status: http.StatusBadRequest},
	collect.CodeRefundWindow:        {status: http.StatusBadRequest},
	billing.CodeNothingToRefund:     {status: http.StatusBadRequest},

	CodeUnauthorized:                  {status: http.StatusUnauthorized},
	accounts.CodeSignature:            {status: http.StatusUnauthorized},
	people.CodeSecondFactor:           {status: http.StatusUnauthorized},
	people.CodeInvitationOver:         {status: http.StatusNotFound},
	people.CodeLastOwner:              {status: http.StatusConflict},
	people.CodeUserExists:             {status: http.StatusConflict},
	people.CodeInvalidPassword:        {status: http.StatusUnprocessableEntity},
	people.CodeInvalidCode:            {status: http.StatusUnprocessableEntity},
	people.CodeInvalidUser:            {status: http.StatusUnprocessableEntity},
	CodeForbidden:                     {status: http.StatusForbidden},
	ledger.CodeNotFound:               {status: http.StatusNotFound},
	catalog.CodeProductDeleted:        {status: http.StatusGone},
	billing.CodeNoScheduledPlanChange: {status: http.StatusNotFound},
	CodeMethodNotAllowed:              {status: http.StatusMethodNotAllowed},
	CodeRequestTimeout:                {status: http.StatusRequestTimeout, retryable: true},
	CodeDuplicateKey:                  {status: http.StatusConflict},
	collect.CodeMethodInUse:           {status: http.StatusConflict},
	billing.CodePendingPlanChange:     {status: http.StatusConflict},
	billing.CodeScheduledPlanChange:   {status: http.StatusConflict},
	ledger.CodeConditionFailed:        {status: http.StatusPreconditionFailed},
	CodeRequestTooLarge:               {status: http.StatusRequestEntityTooLarge},
	CodeUnsupportedMediaType:          {status: http.StatusUnsupportedMediaType},
	CodeUnsupportedEncoding:           {status: http.StatusUnsupportedMediaType},
	CodeTooManyRequests:               {status: http.StatusTooManyRequests, retryable: true},

	CodeInvalidQueryParams:             {status: http.StatusUnprocessableEntity},
	CodeInvalidCursor:                  {status: http.StatusUnprocessableEntity},
	CodeInvalidRequestBody:             {status: http.StatusUnprocessableEntity},
	CodeInvalidEncoding:                {status: http.StatusUnprocessableEntity},
	CodeDuplicateField:                 {status: http.StatusUnprocessableEntity},
	CodeUnknownField:                   {status: http.StatusUnprocessableEntity},
	ledger.CodeMissingField:            {status: http.StatusUnprocessableEntity},
	ledger.CodeInvalidEmail:            {status: http.StatusUnprocessableEntity},
	ledger.CodeInvalidName:             {status: http.StatusUnprocessableEntity},
	ledger.CodeInvalidPhoneNumber:      {status: http.StatusUnprocessableEntity},
	CodeInvalidMetadata:                {status: http.StatusUnprocessableEntity},
	CodeMaximumKeysReached:             {status: http.StatusUnprocessableEntity},
	ledger.CodeInvalidSettings:         {status: http.StatusUnprocessableEntity},
	ledger.CodeInvalidThresholds:       {status: http.StatusUnprocessableEntity},
	webhook.CodeInvalidURL:             {status: http.StatusUnprocessableEntity},
	webhook.CodeInvalidEndpoint:        {status: http.StatusUnprocessableEntity},
	CodeInvalidParameters:              {status: http.StatusUnprocessableEntity},
	CodeEmptyCart:                      {status: http.StatusUnprocessableEntity},
	collect.CodeTopUpLimit:             {status: http.StatusUnprocessableEntity},
	billing.CodeBelowMinimum:           {status: http.StatusUnprocessableEntity},
	billing.CodeInvoiceNotOpen:         {status: http.StatusUnprocessableEntity},
	billing.CodeSubscriptionInactive:   {status: http.StatusUnprocessableEntity},
	billing.CodeSubscriptionExpired:    {status: http.StatusUnprocessableEntity},
	billing.CodeNotOnDemand:            {status: http.StatusUnprocessableEntity},
	billing.CodeChargeBeforeCancel:     {status: http.StatusUnprocessableEntity},
	billing.CodePaymentPending:         {status: http.StatusUnprocessableEntity},
	billing.CodeInactivePlanChange:     {status: http.StatusUnprocessableEntity},
	billing.CodeOnDemandPlanChange:     {status: http.StatusUnprocessableEntity},
	billing.CodePlanChangeBeforeCancel: {status: http.StatusUnprocessableEntity},
	billing.CodeInvalidProration:       {status: http.StatusUnprocessableEntity},
	accounts.CodeInvalid:               {status: http.StatusUnprocessableEntity},
	catalog.CodeInvalidProduct:         {status: http.StatusUnprocessableEntity},
	catalog.CodeInvalidSchedule:        {status: http.StatusUnprocessableEntity},
	catalog.CodeNotOffered:             {status: http.StatusUnprocessableEntity},
	CodeAmountNotInteger:               {status: http.StatusUnprocessableEntity},
	ledger.CodeAmountNotPositive:       {status: http.StatusUnprocessableEntity},
	ledger.CodeAmountTooLarge:          {status: http.StatusUnprocessableEntity},
	ledger.CodeUnsupportedCurrency:     {status: http.StatusUnprocessableEntity},
	ledger.CodeInvalidScope:            {status: http.StatusUnprocessableEntity},
	ledger.CodeCustomerNotActive:       {status: http.StatusUnprocessableEntity},
	ledger.CodeInvalidEntryType:        {status: http.StatusUnprocessableEntity},
	ledger.CodeInvalidCategory:         {status: http.StatusUnprocessableEntity},
	ledger.CodeCategoryOnDebit:         {status: http.StatusUnprocessableEntity},
	ledger.CodePartialOnCredit:         {status: http.StatusUnprocessableEntity},
	ledger.CodeInvalidCondition:        {status: http.StatusUnprocessableEntity},
	ledger.CodeNotReversible:           {status: http.StatusUnprocessableEntity},
	ledger.CodeNotMovable:              {status: http.StatusUnprocessableEntity},
	ledger.CodeInvalidTransfer:         {status: http.StatusUnprocessableEntity},
	ledger.CodeReversalExceeds:         {status: http.StatusUnprocessableEntity},
	ledger.CodeReversalExceedsLot:      {status: http.StatusUnprocessableEntity},
	ledger.CodeHoldNotActive:           {status: http.StatusUnprocessableEntity},
	ledger.CodeCaptureExceeds:          {status: http.StatusUnprocessableEntity},
	ledger.CodeInvalidExpiry:           {status: http.StatusUnprocessableEntity},
	ledger.CodeExpiryOnDebit:           {status: http.StatusUnprocessableEntity},
	ledger.CodeInvalidReason:           {status: http.StatusUnprocessableEntity},
	ledger.CodeInvalidReference:        {status: http.StatusUnprocessableEntity},
	ledger.CodeInvalidIdempotencyKey:   {status: http.StatusUnprocessableEntity},
	CodeKeyRequired:                    {status: http.StatusUnprocessableEntity},
	ledger.CodeKeyReused:               {status: http.StatusUnprocessableEntity},
	ledger.CodeBalanceLimit:            {status: http.StatusUnprocessableEntity},
	ledger.CodeLimitReached:            {status: http.StatusUnprocessableEntity},
	ledger.CodeAtomicNotPossible:       {status: http.StatusUnprocessableEntity},
	report.CodeTooLarge:                {status: http.StatusUnprocessableEntity},
	ledger.CodeFeedNotPossible:         {status: http.StatusUnprocessableEntity},
	ledger.CodeTestClock:               {status: http.StatusUnprocessableEntity},

	ledger.CodeKeyInProgress:      {status: http.StatusServiceUnavailable, retryable: true},
	ledger.CodeStorageUnavailable: {status: http.StatusServiceUnavailable, retryable: true},
	ledger.CodeOverloaded:         {status: http.StatusServiceUnavailable, retryable: true},
	accounts.CodeUnavailable:      {status: http.StatusServiceUnavailable, retryable: true},
	ledger.CodeOutcomeUnknown:     {status: http.StatusServiceUnavailable, retryable: true},
	ledger.CodeInternal:           {status: http.StatusInternalServerError, retryable: true},
}

// retryAfter is what a 503 asks a client to wait.
const retryAfter = time.Second

// Errors that carry nothing of the request, made once.
var (
	errNoRoute       = ledger.Errorf(ledger.CodeNotFound, "There is no such path.")
	errSession       = ledger.Errorf(CodeUnauthorized, "The session has expired or is not valid; ask for a new link.")
	errCrossOrigin   = ledger.Errorf(CodeForbidden, "This was asked for by another website.")
	errRole          = ledger.Errorf(CodeForbidden, "Your role may not do this.")
	errForbidden     = ledger.Errorf(CodeForbidden, "This API key may only read.")
	errTooLarge      = ledger.Errorf(CodeRequestTooLarge, "The body is too large.")
	errSlowBody      = ledger.Errorf(CodeRequestTimeout, "The body did not arrive in time.")
	errBrokenBody    = ledger.Errorf(CodeInvalidRequestBody, "The body broke off or is not framed as HTTP asks.")
	errMediaType     = ledger.Errorf(CodeUnsupportedMediaType, "The content type must be application/json in UTF-8.")
	errEncoding      = ledger.Errorf(CodeUnsupportedEncoding, "The body must not be compressed.")
	errRateLimit     = ledger.Errorf(CodeTooManyRequests, "Too many requests; see Retry-After.")
	errKeyRequired   = ledger.Errorf(CodeKeyRequired, "This looks like a second try of a request without an idempotency key. The first may have moved the money: look at the ledger, and send the next one with a key.")
	errInternal      = ledger.Errorf(ledger.CodeInternal, "Something went wrong on our side. The request id leads to what it was.")
	errOutcome       = ledger.Errorf(ledger.CodeOutcomeUnknown, "The outcome is not known. The same request under the same key is safe.")
	errUnavailable   = ledger.Errorf(ledger.CodeStorageUnavailable, "The store did not answer in time.")
	errInvalidCursor = ledger.FieldErrorf(CodeInvalidCursor, "cursor", "The cursor was not given out by this list; begin again without one.")
)

// errNotFound is the one answer to an object that does not exist, belongs to
// somebody else, or has an id that is none (law N1).
var errNotFound = ledger.Errorf(ledger.CodeNotFound, "Item not found")

// refusal returns the error to show for whatever went wrong. Causes stay in
// the log.
func (c *call) refusal(err error) *ledger.Error {
	var ours *ledger.Error
	switch {
	case errors.As(err, &ours):
		if ours.Code == ledger.CodeNotFound && ours != errNoRoute {
			return errNotFound
		}
		if ours.Code == ledger.CodeInternal {
			return errInternal
		}
		if _, known := answers[ours.Code]; known {
			return ours
		}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		if c.route != nil && c.route.access == write && c.route.method != http.MethodGet {
			return errOutcome
		}
		return errUnavailable
	}
	return errInternal
}

// fail answers with an error.
func (c *call) fail(err error) {
	refused := c.refusal(err)
	status := answers[refused.Code].status
	retryable, shouldRetry := c.retry(refused.Code)
	c.code, c.cause = refused.Code, err
	c.gone = errors.Is(err, context.Canceled) && c.r.Context().Err() != nil

	header := c.w.Header()
	if status == http.StatusUnauthorized {
		header["Www-Authenticate"] = headerBearer
	}
	if _, given := header["Retry-After"]; !given && status == http.StatusServiceUnavailable {
		header["Retry-After"] = []string{seconds(retryAfter)}
	}
	c.shouldRetry(shouldRetry)
	c.reply(status, c.appendRefusal(c.scratch.out[:0], refused, retryable))
}

// appendRefusal appends an error body.
func (c *call) appendRefusal(out []byte, refused *ledger.Error, retryable bool) []byte {
	out = c.appendError(out, refused, retryable)
	if refused.Wallet != nil {
		out = append(out, `,"wallet":`...)
		out = appendWallet(out, refused.Wallet, int64(refused.Available))
	}
	return append(out, '}')
}

// retry says whether the same request can succeed later, and whether a client
// should send it again by itself. The two differ where money moves without an
// idempotency key: the SDKs mark what they send again, and such a request is
// refused with IDEMPOTENCY_KEY_REQUIRED (law K9), so it must not be sent.
func (c *call) retry(code ledger.Code) (retryable, automatically bool) {
	retryable = answers[code].retryable
	if !retryable || c.route == nil || !c.route.money || c.hasKey() {
		return retryable, retryable
	}
	if code == ledger.CodeOutcomeUnknown || code == ledger.CodeInternal {
		return false, false
	}
	return true, false
}

// shouldRetry sets the header that the official SDKs obey.
func (c *call) shouldRetry(yes bool) {
	value := headerFalse
	if yes {
		value = headerTrue
	}
	c.w.Header()["X-Should-Retry"] = value
}

// appendError appends an error body without its closing brace.
func (c *call) appendError(out []byte, err *ledger.Error, retryable bool) []byte {
	out = append(out, `{"code":"`...)
	out = append(out, err.Code...)
	out = append(out, `","message":`...)
	out = appendString(out, err.Message)
	param := err.Param
	if c.line != "" {
		param = strings.TrimSuffix(c.line+"."+param, ".")
	}
	if param != "" {
		out = append(out, `,"param":`...)
		out = appendString(out, param)
	}
	out = append(out, `,"request_id":`...)
	out = appendString(out, c.requestID[0])
	out = append(out, `,"retryable":`...)
	return strconv.AppendBool(out, retryable)
}

// seconds is how headers give durations: whole seconds, rounded up.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
