// Package accounts has the accounts of businesses with card processors: it keeps their
// secrets sealed, charges with them, saves cards, and takes what processors tell unasked.
package accounts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/processor"
	"github.com/billfold/billfold/internal/processor/stripe"
)

// Stripe is the name of the one processor that there are accounts with.
const Stripe = "stripe"

// SecretsMax is how many webhook secrets an account may have: one, and another while it is
// exchanged, for each of two endpoints.
const SecretsMax = 4

// The codes of refusals.
const (
	// CodeInvalid refuses an account.
	CodeInvalid ledger.Code = "INVALID_PROCESSOR_ACCOUNT"

	// CodeUnavailable says that the processor gave no answer.
	CodeUnavailable ledger.Code = "PROCESSOR_UNAVAILABLE"
)

// refresh is how old the knowledge about an account may be: another instance may have
// changed it.
const refresh = 500 * time.Millisecond

// knownMax is how many accounts are remembered.
const knownMax = 4096

// Vault seals texts for a place and opens them there.
type Vault interface {
	Seal(place, text string) string
	Open(place, sealed string) (string, error)
	Current(sealed string) bool
	KeyID() string
}

// Config is what accounts stand on.
type Config struct {
	Directory *access.Directory
	Vault     Vault // nil: nothing can be opened, so nobody is charged
	Store     ledger.Store
	Now       func() time.Time
	Random    func() uint64
	Logger    *slog.Logger

	// StripeURL is where Stripe's API is, empty for Stripe's own.
	StripeURL string
}

// Accounts are those of all businesses. Many may use them at once.
type Accounts struct {
	Config
	sandbox collect.Processors
	calls   chan struct{}

	mu    sync.Mutex
	known map[ledger.Tenant]*known
}

// known is what is remembered of a tenant.
type known struct {
	readAt  time.Time
	sealed  string
	adapter *stripe.Adapter // nil: there is no account, or it does not open
	gate    *gate
	err     error // why it does not open
}

// New returns the accounts of the businesses of a directory.
func New(c Config) *Accounts {
	return &Accounts{
		Config: c, sandbox: collect.TestProcessors(c.Store, c.Now, c.Random), calls: make(chan struct{}, callsMax),
		known: map[ledger.Tenant]*known{},
	}
}

// Secrets are what an account is used with.
type Secrets struct {
	Key     string   `json:"secret_key"`
	Webhook []string `json:"webhook_secrets"`
}

// Format keeps the secrets out of every text that they are printed into.
func (s Secrets) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, "secrets of a card processor") }

// place is where what is sealed of an account belongs.
func place(tenant ledger.Tenant, changed time.Time) string {
	return "processor " + tenant.BusinessID + " " + string(tenant.Mode) + " " + changed.UTC().Format(time.RFC3339Nano)
}

// Set gives a business an account in one mode, in place of the one that it had.
func (a *Accounts) Set(
	ctx context.Context, tenant ledger.Tenant, by ledger.Actor, name string, secrets Secrets,
) (*access.ProcessorAccount, error) {
	if err := a.check(tenant, name, secrets); err != nil {
		return nil, err
	}
	if a.Vault == nil {
		return nil, errors.New("there is no key to seal secrets under")
	}
	text, err := json.Marshal(secrets)
	if err != nil {
		return nil, err
	}
	account := &access.ProcessorAccount{
		Processor: name, KeyHint: hint(secrets.Key), WebhookHints: []string{}, ChangedAt: a.Now().UTC().Truncate(time.Microsecond),
		SealedUnder: a.Vault.KeyID(),
	}
	for _, secret := range secrets.Webhook {
		account.WebhookHints = append(account.WebhookHints, hint(secret))
	}
	account.Sealed = a.Vault.Seal(place(tenant, account.ChangedAt), string(text))
	defer a.forget(tenant) // also after an error: it may have come after the commit
	if _, err := a.Directory.SetProcessor(ctx, tenant, by, account); err != nil {
		return nil, err
	}
	return account, nil
}

// check refuses what cannot be an account. It repeats nothing of the secrets.
func (a *Accounts) check(tenant ledger.Tenant, name string, secrets Secrets) error {
	if name != Stripe {
		return ledger.FieldErrorf(CodeInvalid, "processor", "processor must be stripe")
	}
	if len(secrets.Webhook) > SecretsMax {
		return ledger.FieldErrorf(CodeInvalid, "webhook_secrets", "webhook_secrets may be %d at the most", SecretsMax)
	}
	for i, secret := range secrets.Webhook {
		if !strings.HasPrefix(secret, "whsec_") || len(secret) < 16 || len(secret) > 255 || strings.ContainsFunc(secret, notPlain) {
			return ledger.FieldErrorf(CodeInvalid, "webhook_secrets", "a webhook secret of Stripe is whsec_ with letters and digits behind it")
		}
		if slices.Contains(secrets.Webhook[:i], secret) {
			return ledger.FieldErrorf(CodeInvalid, "webhook_secrets", "webhook_secrets has one of them twice")
		}
	}
	adapter, err := a.open(tenant, secrets)
	if err != nil {
		return ledger.FieldErrorf(CodeInvalid, "secret_key", "secret_key must be a secret or restricted key of Stripe for %s mode, such as sk_%s_…",
			tenant.Mode, tenant.Mode)
	}
	adapter.Close()
	return nil
}

func notPlain(r rune) bool { return r <= ' ' || r > '~' }

// hint shows the end of a secret, and how it begins.
func hint(secret string) string {
	begin := secret[:strings.LastIndexByte(secret[:min(len(secret), 8)], '_')+1]
	if len(secret) < len(begin)+12 {
		return begin + "…"
	}
	return begin + "…" + secret[len(secret)-4:]
}

func (a *Accounts) open(tenant ledger.Tenant, secrets Secrets) (*stripe.Adapter, error) {
	return stripe.New(stripe.Config{
		Key: secrets.Key, WebhookSecrets: secrets.Webhook, Live: tenant.Mode == ledger.Live, URL: a.StripeURL,
	})
}

// Drop takes the account of a business in one mode away. What is at the processor stays
// there, and is waited for.
func (a *Accounts) Drop(ctx context.Context, tenant ledger.Tenant, by ledger.Actor) error {
	defer a.forget(tenant)
	_, err := a.Directory.SetProcessor(ctx, tenant, by, nil)
	return err
}

func (a *Accounts) forget(tenant ledger.Tenant) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if k := a.known[tenant]; k != nil {
		k.readAt = time.Time{}
	}
}

// of is the account of a tenant as of half a second ago at the earliest. Its adapter is
// nil where there is none.
func (a *Accounts) of(ctx context.Context, tenant ledger.Tenant) (*known, error) {
	now := a.Now()
	a.mu.Lock()
	k := a.known[tenant]
	fresh := k != nil && !k.readAt.IsZero() && now.Sub(k.readAt) < refresh && !now.Before(k.readAt)
	a.mu.Unlock()
	if fresh {
		return k, k.err
	}
	settings, err := a.Directory.Settings(ctx, tenant)
	if err != nil {
		return nil, err
	}
	next := &known{readAt: now}
	if settings.Processor != nil {
		next.sealed = settings.Processor.Sealed
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if k = a.known[tenant]; k != nil && k.sealed == next.sealed {
		next.adapter, next.gate, next.err = k.adapter, k.gate, k.err // with what it knows about the processor
	} else if settings.Processor != nil {
		next.adapter, next.err = a.unseal(tenant, settings.Processor)
		next.gate = newGate(a.calls, a.Now)
	}
	if len(a.known) >= knownMax {
		clear(a.known)
	}
	a.known[tenant] = next
	return next, next.err
}

// unseal opens an account. That it does not open is told once.
func (a *Accounts) unseal(tenant ledger.Tenant, account *access.ProcessorAccount) (*stripe.Adapter, error) {
	refused := ledger.Errorf(ledger.CodeStorageUnavailable,
		"the secrets of the card processor cannot be opened: start the server with the secret key that it had")
	if a.Vault == nil {
		return nil, refused
	}
	text, err := a.Vault.Open(place(tenant, account.ChangedAt), account.Sealed)
	if err != nil {
		a.Logger.Error("nobody is charged by card: the secrets of the processor do not open", "business_id", tenant.BusinessID,
			"mode", tenant.Mode, "error", err)
		return nil, refused.WithCause(err)
	}
	var secrets Secrets
	if err := json.Unmarshal([]byte(text), &secrets); err != nil {
		return nil, errors.New("the secrets of the card processor do not decode")
	}
	return a.open(tenant, secrets)
}

// Reseal seals under the key of the vault what a business has under an older one, and
// reports whether there was something.
func (a *Accounts) Reseal(ctx context.Context, tenant ledger.Tenant) (bool, error) {
	settings, err := a.Directory.Settings(ctx, tenant)
	if err != nil || settings.Processor == nil || a.Vault.Current(settings.Processor.Sealed) {
		return false, err
	}
	account := settings.Processor
	at := place(tenant, account.ChangedAt)
	text, err := a.Vault.Open(at, account.Sealed)
	if err != nil { // it stays as it is
		a.Logger.Error("the secrets of a card processor are sealed under another secret key", "business_id", tenant.BusinessID,
			"mode", tenant.Mode)
		return false, nil
	}
	return true, a.Directory.ResealProcessor(ctx, tenant, account.Sealed, a.Vault.Seal(at, text), a.Vault.KeyID())
}

// settingsWithin is how long it may take to read who charges.
const settingsWithin = 2 * time.Second

// For is who charges the card of an invoice: [collect.Processors].
func (a *Accounts) For(i *collect.Invoice) processor.Processor {
	ctx, cancel := context.WithTimeout(context.Background(), settingsWithin)
	defer cancel()
	to := routes{sandbox: a.sandbox(i)}
	if k, err := a.of(ctx, i.Tenant); err == nil && k.adapter != nil {
		to.stripe = gated{k.adapter, k.gate}
	} else if err != nil {
		to.unknown = true
		a.Logger.Warn("a card is not charged now", "business_id", i.Tenant.BusinessID, "mode", i.Tenant.Mode, "error", err)
	}
	if to.sandbox == nil && to.stripe == nil {
		return nil
	}
	return to
}
