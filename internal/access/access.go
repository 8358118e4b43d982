// Package access holds businesses, their settings and the API keys that let a
// program act for one of them. It decides who may ask; what may be asked is the
// ledger's business.
package access

import (
	"context"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// Business is a tenant in both of its modes.
type Business struct {
	ID        string // "bus_…"
	Name      string
	CreatedAt time.Time
}

// OnDuplicate says how a new call with a used idempotency key is answered.
type OnDuplicate string

// The two answers to a duplicate.
const (
	Conflict OnDuplicate = "conflict" // 409 with the first entry and wallet
	Replay   OnDuplicate = "replay"   // 200 with the first answer
)

// CreditReversal says what becomes of a reversal of a credit for more than is left of
// it.
type CreditReversal string

// The two ways.
const (
	RefuseDebt CreditReversal = "refuse" // it is refused
	RecordDebt CreditReversal = "debt"   // what is missing is owed (law O3)
)

// BelowCardMinimum says what becomes of a rest of an invoice that is less than the card
// processor charges.
type BelowCardMinimum string

// The two ways.
const (
	LeaveInWallet BelowCardMinimum = "leave_in_wallet" // the wallet pays less, the card just the minimum
	ChargeMinimum BelowCardMinimum = "charge_minimum"  // the card pays the minimum, the wallet gets what is too much
)

// Settings of a business in one mode. A store keeps them as the JSON that
// encoding/json makes of them.
type Settings struct {
	// Currencies are enabled, sorted by code. USD and INR at first.
	Currencies []money.Currency `json:"enabled_currencies"`

	// USDRates say what one major unit of a currency is worth in US dollars,
	// as decimal text such as "0.0119". They serve display only.
	USDRates map[money.Currency]string `json:"usd_rates"`

	OnDuplicate OnDuplicate `json:"on_duplicate"`

	// Alerts are the thresholds of wallets that have none of their own set.
	Alerts ledger.Alerts `json:"alerts"`

	// ReversalGraceSeconds is how long money can be spent that a reversal gives back
	// to a lot which has expired meanwhile, 0 … [ReversalGraceMax]; 0: not at all.
	ReversalGraceSeconds int64 `json:"reversal_grace_seconds"`

	CreditReversal CreditReversal `json:"credit_reversal"`

	// ExpiryNoticeDays is how many days before money expires that is announced, 0 …
	// [ExpiryNoticeMax]; 0: not at all. Stores find by it whose money is to be announced.
	ExpiryNoticeDays int64 `json:"expiry_notice_days"`

	// BelowCardMinimum is what becomes of a rest that is less than the card processor
	// charges.
	BelowCardMinimum BelowCardMinimum `json:"below_card_minimum"`

	// PaymentMethodWaitHours is how long a payment that the wallet does not cover waits
	// for a payment method before it is cancelled, 1 … [PaymentMethodWaitMax].
	PaymentMethodWaitHours int64 `json:"payment_method_wait_hours"`

	// PaymentRetryHours are the waits after the first try of a subscription's payment that
	// failed, the second, and so on: at most [PaymentRetriesMax] of 1 … [PaymentRetryMax].
	PaymentRetryHours []int64 `json:"payment_retry_hours"`

	// RefundWindowDays is for how many days after it was paid a payment can be refunded, 1
	// … [RefundWindowMax].
	RefundWindowDays int64 `json:"refund_window_days"`

	// TopUpLimits are how much a top-up may be, by currency. A currency that is missing
	// has no limits of the business.
	TopUpLimits map[money.Currency]TopUpLimits `json:"top_up_limits"`

	// Processor is the business's own account with a card processor. Without one the
	// sandbox charges in test mode, and nobody in live mode.
	Processor *ProcessorAccount `json:"processor,omitempty"`
}

// ProcessorAccount is an account with a card processor. Of its secrets it shows the ends;
// what they are is sealed.
type ProcessorAccount struct {
	Processor    string    `json:"processor"` // such as "stripe"
	KeyHint      string    `json:"secret_key"`
	WebhookHints []string  `json:"webhook_secrets"`
	ChangedAt    time.Time `json:"changed_at"`

	// Sealed has the secrets, in a form that the audit trail does not show, and SealedUnder
	// names the key that opens it.
	Sealed      string `json:"sealed"`
	SealedUnder string `json:"sealed_under"`
}

// TopUpLimits are the least and the most that one top-up may be; 0 for no limit.
type TopUpLimits struct {
	Least money.Amount `json:"minimum"`
	Most  money.Amount `json:"maximum"`
}

// Limits of the settings about payments.
const (
	PaymentMethodWaitMax = 720
	PaymentRetriesMax    = 8
	PaymentRetryMax      = 720
	RefundWindowMax      = 3650
)

// ExpiryNoticeMax is the longest time before an expiry at which it is announced, in
// days.
const ExpiryNoticeMax = 366

// ReversalGraceMax is the longest grace period, in seconds: 366 days.
const ReversalGraceMax = 366 * 24 * 60 * 60

// Enabled reports whether a currency is switched on.
func (s *Settings) Enabled(c money.Currency) bool {
	for _, enabled := range s.Currencies {
		if enabled == c {
			return true
		}
	}
	return false
}

// Scope is what a key may do.
type Scope string

// The scopes. Write includes read.
const (
	Read  Scope = "read"
	Write Scope = "write"
)

// KeyHash is the SHA-256 of an API key: the only form in which it is kept.
type KeyHash [32]byte

// Key is an API key without its secret (law N4).
type Key struct {
	ID        string // "key_…"
	Tenant    ledger.Tenant
	Name      string
	Scope     Scope
	Hash      KeyHash
	Hint      string // prefix and last four characters, such as "bf_test_…x9Kd"
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
	RevokedAt time.Time // zero: not revoked
}

// Usable reports whether the key works at t.
func (k *Key) Usable(t time.Time) bool {
	return k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || t.Before(k.ExpiresAt))
}

// Store is what access asks of a database. Reads show every change that was
// acknowledged before they began. A missing object is a [ledger.Error] with
// CodeNotFound.
type Store interface {
	// CreateBusiness adds a business with settings for both modes, its first
	// keys and the lines of [Opening] in its audit trails, all or nothing.
	CreateBusiness(ctx context.Context, business Business, settings Settings, keys []Key) error
	Businesses(ctx context.Context) ([]Business, error)
	Business(ctx context.Context, id string) (Business, error)

	Settings(ctx context.Context, tenant ledger.Tenant) (Settings, error)
	// UpdateSettings commits what change makes of the settings, with the line
	// of [Trail.SettingsUpdated]. Change is pure and may be called more than once.
	UpdateSettings(
		ctx context.Context, tenant ledger.Tenant, by Change, change func(Settings) (Settings, error),
	) (Settings, error)

	// CreateKey adds a key with the line of [Trail.KeyCreated].
	CreateKey(ctx context.Context, key Key) error
	// Keys lists the keys of a business in both modes, newest first; of all
	// businesses when businessID is empty.
	Keys(ctx context.Context, businessID string) ([]Key, error)
	KeyByHash(ctx context.Context, hash KeyHash) (Key, error)
	// RevokeKey sets RevokedAt once, with the line of [Trail.KeyRevoked]; revoking
	// again keeps the first time and writes nothing.
	RevokeKey(ctx context.Context, id string, at time.Time) (Key, error)

	// BusinessAudit returns lines of the audit trail of a business in one mode.
	BusinessAudit(ctx context.Context, tenant ledger.Tenant, page ledger.AuditPage) (ledger.AuditList, error)
}
