package access

import (
	"context"
	"crypto/rand"
	"io"
	"sync"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// CodeUnauthorized refuses a request without a key that works.
const CodeUnauthorized ledger.Code = "UNAUTHORIZED"

// errUnauthorized is the one answer to an unknown, revoked, expired or
// malformed key, so that nobody learns which it was.
var errUnauthorized = ledger.Errorf(CodeUnauthorized, "The API key is missing or not valid.")

// ErrUnauthorized returns the one answer to a request whose key does not work.
func ErrUnauthorized() error { return errUnauthorized }

// cacheMax is how many keys a Directory remembers unless told otherwise. One
// takes about half a kilobyte.
const cacheMax = 65_536

// Options of a Directory. The zero value is right for a store that no other
// process writes to.
type Options struct {
	// Now is the clock, time.Now when nil.
	Now func() time.Time

	// Random makes keys, crypto/rand when nil.
	Random io.Reader

	// Refresh is how old the knowledge about a key may be before the store is
	// asked again: less than a second where other instances write to the same
	// store (law N3). Zero means that this Directory makes every change itself
	// and knows of each.
	Refresh time.Duration

	// CacheMax is how many keys are remembered, 65,536 when zero.
	CacheMax int
}

// Directory knows businesses, settings and keys. It answers who stands behind
// a key from memory and goes to the store only for what it has not seen.
type Directory struct {
	store   Store
	now     func() time.Time
	random  io.Reader
	refresh time.Duration
	max     int

	mu    sync.RWMutex
	known map[KeyHash]known

	// writes counts what this Directory has changed. A look-up that began
	// before a change does not remember what it read.
	writes uint64
}

// known is what the Directory remembers about a key.
type known struct {
	key      Key
	settings *Settings
	readAt   time.Time
}

// NewDirectory returns a Directory on a store.
func NewDirectory(store Store, options Options) *Directory {
	d := &Directory{
		store:   store,
		now:     options.Now,
		random:  options.Random,
		refresh: options.Refresh,
		max:     options.CacheMax,
		known:   make(map[KeyHash]known),
	}
	if d.now == nil {
		d.now = time.Now
	}
	if d.random == nil {
		d.random = rand.Reader
	}
	if d.max <= 0 {
		d.max = cacheMax
	}
	return d
}

// moment is the present as it is stored: UTC, cut to microseconds.
func (d *Directory) moment() time.Time { return d.now().UTC().Truncate(time.Microsecond) }

// Authenticate returns the key with this text and the settings of its tenant,
// which the caller must not change. A key that does not work, for whatever
// reason, is answered with CodeUnauthorized; any other error comes from the
// store and says nothing about the key.
func (d *Directory) Authenticate(ctx context.Context, text string) (Key, *Settings, error) {
	if _, ok := keyMode(text); !ok {
		return Key{}, nil, errUnauthorized
	}
	hash := hashKey(text)
	now := d.now()
	d.mu.RLock()
	found, ok := d.known[hash]
	d.mu.RUnlock()
	if !ok || (d.refresh > 0 && now.Sub(found.readAt) >= d.refresh) {
		var err error
		if found, err = d.read(ctx, hash, now); err != nil {
			return Key{}, nil, err
		}
	}
	if !found.key.Usable(now) {
		return Key{}, nil, errUnauthorized
	}
	return found.key, found.settings, nil
}

// read asks the store for a key and remembers the answer.
func (d *Directory) read(ctx context.Context, hash KeyHash, now time.Time) (known, error) {
	d.mu.RLock()
	writes := d.writes
	d.mu.RUnlock()
	key, err := d.store.KeyByHash(ctx, hash)
	if ledger.CodeOf(err) == ledger.CodeNotFound {
		d.mu.Lock()
		delete(d.known, hash)
		d.mu.Unlock()
		return known{}, errUnauthorized
	}
	if err != nil {
		return known{}, err
	}
	settings, err := d.store.Settings(ctx, key.Tenant)
	if err != nil {
		return known{}, err
	}
	found := known{key: key, settings: &settings, readAt: now}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.writes == writes {
		d.makeRoom()
		d.known[hash] = found
	}
	return found, nil
}

// makeRoom drops some keys, whichever the map yields first, when memory is
// full. The caller holds the lock.
func (d *Directory) makeRoom() {
	if len(d.known) < d.max {
		return
	}
	drop := max(1, d.max/16)
	for hash := range d.known {
		if drop--; drop < 0 {
			return
		}
		delete(d.known, hash)
	}
}

// forget drops what is known about some keys, after they or the settings
// behind them have changed.
func (d *Directory) forget(stale func(Key) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.writes++
	for hash, k := range d.known {
		if stale(k.key) {
			delete(d.known, hash)
		}
	}
}

// NewBusiness asks for a business with its first keys.
type NewBusiness struct {
	Name string

	// TestKey and LiveKey are the texts of the first keys. Empty ones are made.
	TestKey string
	LiveKey string
}

// CreatedBusiness is a new business with its first keys. Their texts are shown
// once: nothing keeps them.
type CreatedBusiness struct {
	Business Business
	TestKey  string
	LiveKey  string
	Keys     []Key
}

// DefaultSettings are those of a new business.
func DefaultSettings() Settings {
	return Settings{
		Currencies: []money.Currency{"INR", "USD"}, OnDuplicate: Conflict, CreditReversal: RefuseDebt,
		BelowCardMinimum: LeaveInWallet, PaymentMethodWaitHours: 24,
		PaymentRetryHours: []int64{12, 24, 48, 72, 96, 120, 168, 168},
	}
}

// CreateBusiness makes a business in both modes, with one write key in each.
func (d *Directory) CreateBusiness(ctx context.Context, want NewBusiness) (CreatedBusiness, error) {
	if !validName(want.Name) {
		return CreatedBusiness{}, ledger.FieldErrorf(ledger.CodeInvalidName, "name",
			"name must be 1 to %d characters, not blank, without control characters", KeyNameMax)
	}
	now := d.moment()
	made := CreatedBusiness{
		Business: Business{ID: d.newID("bus_"), Name: want.Name, CreatedAt: now},
		TestKey:  want.TestKey,
		LiveKey:  want.LiveKey,
	}
	for _, first := range []struct {
		mode ledger.Mode
		text *string
	}{{ledger.Test, &made.TestKey}, {ledger.Live, &made.LiveKey}} {
		if *first.text == "" {
			minted, err := mintKey(first.mode, d.random)
			if err != nil {
				return CreatedBusiness{}, err
			}
			*first.text = minted
		}
		if mode, ok := keyMode(*first.text); !ok || mode != first.mode {
			return CreatedBusiness{}, ledger.Errorf(ledger.CodeInvalidSettings,
				"a first %s key must be %s and at least %d letters or digits", first.mode, KeyPrefix(first.mode), BootstrapDigitsMin)
		}
		want := NewKey{
			Tenant: ledger.Tenant{BusinessID: made.Business.ID, Mode: first.mode},
			Name:   "first " + string(first.mode) + " key",
			Scope:  Write,
		}
		made.Keys = append(made.Keys, d.newKey(want, *first.text, now))
	}
	if err := d.store.CreateBusiness(ctx, made.Business, DefaultSettings(), made.Keys); err != nil {
		return CreatedBusiness{}, err
	}
	return made, nil
}

// Businesses lists all businesses.
func (d *Directory) Businesses(ctx context.Context) ([]Business, error) {
	return d.store.Businesses(ctx)
}

// Business returns one business.
func (d *Directory) Business(ctx context.Context, id string) (Business, error) {
	return d.store.Business(ctx, id)
}

// Audit returns lines of the audit trail of a business in one mode.
func (d *Directory) Audit(ctx context.Context, tenant ledger.Tenant, page ledger.AuditPage) (ledger.AuditList, error) {
	return d.store.BusinessAudit(ctx, tenant, page)
}

// CreateKey makes a key and returns its text, which is shown once: nothing
// keeps it.
func (d *Directory) CreateKey(ctx context.Context, want NewKey) (key Key, text string, err error) {
	now := d.moment()
	if err := want.validate(now); err != nil {
		return Key{}, "", err
	}
	if text, err = mintKey(want.Tenant.Mode, d.random); err != nil {
		return Key{}, "", err
	}
	key = d.newKey(want, text, now)
	if err := d.store.CreateKey(ctx, key); err != nil {
		return Key{}, "", err
	}
	return key, text, nil
}

// Keys lists the keys of a business, newest first; of all businesses when
// businessID is empty.
func (d *Directory) Keys(ctx context.Context, businessID string) ([]Key, error) {
	return d.store.Keys(ctx, businessID)
}

// RevokeKey makes a key stop working at once. Revoking it again changes
// nothing.
func (d *Directory) RevokeKey(ctx context.Context, id string) (Key, error) {
	key, err := d.store.RevokeKey(ctx, id, d.moment())
	// Also after an error: it may have come after the commit.
	d.forget(func(k Key) bool { return k.ID == id })
	return key, err
}

// errNoUpdate tells the store not to write. It is a refusal, so that no store takes it
// for a failure and logs it.
var errNoUpdate error = ledger.Errorf(ledger.CodeInvalidSettings, "nothing to update")
