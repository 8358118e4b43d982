package webhook

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/billfold/billfold/internal/ledger"
)

// Codes that this package refuses with, beside those of the ledger.
const (
	CodeInvalidURL      ledger.Code = "INVALID_WEBHOOK_URL"
	CodeInvalidEndpoint ledger.Code = "INVALID_WEBHOOK"
)

// The bounds of an endpoint.
const (
	EndpointsMax   = 16 // of a business in one mode
	DescriptionMax = 500
	MetadataMax    = 50
	RateLimitMax   = 10_000

	metadataNameMax  = 40
	metadataValueMax = 500

	// KeepPrevious is how long messages are signed with the secret before the one in
	// force as well, so that a receiver has the time to change it.
	KeepPrevious = 24 * time.Hour
)

// ErrTooMany returns the refusal of one endpoint more than a business may have.
func ErrTooMany() error {
	return ledger.Errorf(ledger.CodeLimitReached,
		"a business has at most %d webhooks; delete one, or send more types of events to one of them", EndpointsMax)
}

// EndpointIDPrefix begins the id of every endpoint.
const EndpointIDPrefix = "whk_"

// Endpoint is a receiver that a business has named in one mode.
type Endpoint struct {
	ID          string        // "whk_…"
	Tenant      ledger.Tenant `json:"-"`
	URL         string
	Description string
	Disabled    bool

	// FilterTypes are the types of events that are sent to it. Without any, those
	// that the published contract knows, of which a wallet has none: a receiver that
	// was written for them would take what it does not know for something else.
	FilterTypes []string

	// RateLimit is how many messages it gets in a second, 0 … [RateLimitMax]; 0: as
	// many as there are.
	RateLimit int

	// InOrder holds the messages about a wallet back while one before them has not
	// been delivered or given up.
	InOrder bool

	Headers  map[string]string
	Metadata map[string]string

	Secret        string // as [ParseSecret] reads it
	Previous      string // the one before, until PreviousUntil
	PreviousUntil time.Time

	Key       string // idempotency key of the request that made it
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Encode returns the endpoint as stores keep it, and DecodeEndpoint reads that.
func (e *Endpoint) Encode() (string, error) {
	text, err := json.Marshal(e)
	return string(text), err
}

// DecodeEndpoint is the reverse of [Endpoint.Encode].
func DecodeEndpoint(tenant ledger.Tenant, text string) (e Endpoint, err error) {
	err = json.Unmarshal([]byte(text), &e)
	e.Tenant = tenant
	return e, err
}

// silentTypes are those of the published contract, OpenAPI file of 2026-08, that nothing
// here tells of. They can be asked for, because receivers do.
var silentTypes = []string{
	"license_key.created", "payout.created", "payout.on_hold", "payout.in_progress",
	"payout.failed", "payout.success", "credit.added", "credit.deducted", "credit.expired", "credit.rolled_over",
	"credit.rollover_forfeited", "credit.overage_charged", "credit.overage_reset", "credit.manual_adjustment", "credit.balance_low",
	"abandoned_checkout.detected", "abandoned_checkout.recovered",
	"entitlement_grant.created", "entitlement_grant.delivered", "entitlement_grant.failed", "entitlement_grant.revoked",
}

// IsEventType reports whether endpoints may ask for a type of events.
func IsEventType(name string) bool {
	return ledger.IsEventKind(ledger.EventKind(name)) || slices.Contains(silentTypes, name)
}

// Wants reports whether the endpoint gets events of a kind: those that it names, or all
// that are published where it names none.
func (e *Endpoint) Wants(kind ledger.EventKind) bool {
	if len(e.FilterTypes) == 0 {
		return !e.Disabled && kind.IsPublished()
	}
	return !e.Disabled && slices.Contains(e.FilterTypes, string(kind))
}

// secrets are those that a message which is sent at an instant is signed with.
func (e *Endpoint) secrets(at time.Time) (secrets []Secret) {
	texts := []string{e.Secret}
	if at.Before(e.PreviousUntil) {
		texts = append(texts, e.Previous)
	}
	for _, text := range texts {
		if secret, err := ParseSecret(text); err == nil {
			secrets = append(secrets, secret)
		}
	}
	return secrets
}

// rotate puts a new secret in force and keeps the one before for a while.
func (e *Endpoint) rotate(secret Secret, now time.Time) {
	e.Previous, e.PreviousUntil, e.Secret = e.Secret, now.Add(KeepPrevious), secret.Text()
}

// check looks at everything that a caller may choose but the URL.
func (e *Endpoint) check() error {
	if utf8.RuneCountInString(e.Description) > DescriptionMax || strings.ContainsFunc(e.Description, unicode.IsControl) {
		return ledger.FieldErrorf(CodeInvalidEndpoint, "description", "description has at most %d characters, and no control characters", DescriptionMax)
	}
	for i, name := range e.FilterTypes {
		if !IsEventType(name) {
			return ledger.FieldErrorf(CodeInvalidEndpoint, "filter_types", "filter_types names a type of events that there is not")
		}
		if slices.Contains(e.FilterTypes[:i], name) {
			return ledger.FieldErrorf(CodeInvalidEndpoint, "filter_types", "filter_types names %s twice", name)
		}
	}
	if e.RateLimit < 0 || e.RateLimit > RateLimitMax {
		return ledger.FieldErrorf(CodeInvalidEndpoint, "rate_limit", "rate_limit must be 0 … %d messages a second", RateLimitMax)
	}
	if err := checkHeaders(e.Headers); err != nil {
		return ledger.FieldErrorf(CodeInvalidEndpoint, "headers", "%v", err)
	}
	if len(e.Metadata) > MetadataMax {
		return ledger.FieldErrorf(CodeInvalidEndpoint, "metadata", "metadata has at most %d pairs", MetadataMax)
	}
	for name, value := range e.Metadata {
		if name == "" || utf8.RuneCountInString(name) > metadataNameMax || utf8.RuneCountInString(value) > metadataValueMax {
			return ledger.FieldErrorf(CodeInvalidEndpoint, "metadata", "a name in metadata has 1 to %d characters, a value at most %d", metadataNameMax, metadataValueMax)
		}
	}
	return nil
}

func checkHeaders(headers map[string]string) error {
	if len(headers) > HeadersMax {
		return errors.New("an endpoint has at most 20 headers")
	}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		if err := CheckHeader(name, headers[name]); err != nil {
			return err
		}
	}
	return nil
}

// same reports whether two endpoints were asked for alike.
func (e *Endpoint) same(other *Endpoint) bool {
	return e.URL == other.URL && e.Description == other.Description && e.Disabled == other.Disabled &&
		slices.Equal(e.FilterTypes, other.FilterTypes) && e.RateLimit == other.RateLimit && e.InOrder == other.InOrder &&
		maps.Equal(e.Headers, other.Headers) && maps.Equal(e.Metadata, other.Metadata)
}
