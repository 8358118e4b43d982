package access_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/storetest"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// countingStore counts the look-ups of keys.
type countingStore struct {
	access.Store
	lookups atomic.Int64
	err     error // of every look-up
	between func()
}

func (s *countingStore) KeyByHash(ctx context.Context, hash access.KeyHash) (access.Key, error) {
	s.lookups.Add(1)
	if s.err != nil {
		return access.Key{}, s.err
	}
	key, err := s.Store.KeyByHash(ctx, hash)
	if s.between != nil {
		s.between()
	}
	return key, err
}

// office is a Directory with one business.
type office struct {
	testing.TB
	store     *countingStore
	clock     *storetest.Clock
	directory *access.Directory
	business  access.CreatedBusiness
}

func newOffice(t testing.TB, options access.Options) *office {
	t.Helper()
	o := &office{TB: t, store: &countingStore{Store: storetest.NewModel()}, clock: storetest.NewClock(start)}
	options.Now = o.clock.Now
	o.directory = access.NewDirectory(o.store, options)
	var err error
	if o.business, err = o.directory.CreateBusiness(t.Context(), access.NewBusiness{Name: "Acme"}); err != nil {
		t.Fatalf("create business: got error %v, want none", err)
	}
	return o
}

func (o *office) tenant(mode ledger.Mode) ledger.Tenant {
	return ledger.Tenant{BusinessID: o.business.Business.ID, Mode: mode}
}

// works fails the test unless a key is accepted.
func (o *office) works(text string) (access.Key, *access.Settings) {
	o.Helper()
	key, settings, err := o.directory.Authenticate(o.Context(), text)
	if err != nil {
		o.Fatalf("authenticate: got error %v, want none", err)
	}
	return key, settings
}

// fails fails the test unless a key is refused as all keys are that do not
// work.
func (o *office) fails(text string) {
	o.Helper()
	_, _, err := o.directory.Authenticate(o.Context(), text)
	if !errors.Is(err, access.ErrUnauthorized()) {
		o.Fatalf("authenticate %.60q: got error %v, want %v", text, err, access.ErrUnauthorized())
	}
}

func TestKeysOfANewBusiness(t *testing.T) {
	t.Parallel()
	o := newOffice(t, access.Options{})
	if got := o.business.Business; !strings.HasPrefix(got.ID, "bus_") || got.Name != "Acme" || !got.CreatedAt.Equal(start) {
		t.Errorf("got business %+v", got)
	}
	for text, mode := range map[string]ledger.Mode{o.business.TestKey: ledger.Test, o.business.LiveKey: ledger.Live} {
		if !regexp.MustCompile(`^bf_` + string(mode) + `_[0-9A-Za-z]{43}$`).MatchString(text) {
			t.Errorf("got %s key %q, want the prefix and 43 base62 characters", mode, text)
		}
		key, settings := o.works(text)
		want := access.Key{
			ID: key.ID, Tenant: o.tenant(mode), Name: "first " + string(mode) + " key", Scope: access.Write,
			Hash: key.Hash, Hint: "bf_" + string(mode) + "_…" + text[len(text)-4:], CreatedAt: start,
		}
		if diff := cmp.Diff(want, key); diff != "" {
			t.Errorf("%s key (-want +got):\n%s", mode, diff)
		}
		if diff := cmp.Diff(access.DefaultSettings(), *settings); diff != "" {
			t.Errorf("settings (-want +got):\n%s", diff)
		}
	}
	if second, err := o.directory.CreateBusiness(t.Context(), access.NewBusiness{Name: "Acme"}); err != nil ||
		second.TestKey == o.business.TestKey || second.Business.ID == o.business.Business.ID {
		t.Errorf("a second business: got %+v, %v, want other keys and another id", second, err)
	}
	found, err := o.directory.Businesses(t.Context())
	if err != nil || len(found) != 2 {
		t.Errorf("got businesses %v, %v, want 2", found, err)
	}
}

func TestMintedKeysUseEveryBit(t *testing.T) {
	t.Parallel()
	for digits, random := range map[string]string{
		strings.Repeat("0", 43):                       strings.Repeat("\x00", 64),
		"ULrwNTJa3CHVaAVmO8lHlO4Afd3drtx651MXvhT4GuW": "\x80" + strings.Repeat("\x00", 63), // 2^255
		"yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1": strings.Repeat("\xff", 64),          // 2^256 - 1
	} {
		directory := access.NewDirectory(storetest.NewModel(), access.Options{Random: strings.NewReader(random)})
		made, err := directory.CreateBusiness(t.Context(), access.NewBusiness{Name: "Acme"})
		if want := "bf_test_" + digits; err != nil || made.TestKey != want {
			t.Errorf("got key %q, %v, want %q", made.TestKey, err, want)
		}
	}
	directory := access.NewDirectory(storetest.NewModel(), access.Options{Random: strings.NewReader("short")})
	if _, err := directory.CreateBusiness(t.Context(), access.NewBusiness{Name: "Acme"}); err == nil {
		t.Errorf("too little randomness: got no error, want one")
	}
}

func TestBootstrapKeys(t *testing.T) {
	t.Parallel()
	o := newOffice(t, access.Options{})
	good := strings.Repeat("aB3", 11)[:32]
	for _, c := range []struct {
		test, live string
		ok         bool
	}{
		{"bf_test_" + good, "bf_live_" + good, true},
		{"bf_test_x" + good, "", true},
		{"bf_test_" + good[1:], "", false},
		{"bf_live_" + good, "", false},
		{"", "bf_test_" + good, false},
		{good, "", false},
		{"bf_test_" + good[1:] + "-", "", false},
		{"bf_test_" + strings.Repeat("a", 400), "", false},
	} {
		made, err := o.directory.CreateBusiness(t.Context(), access.NewBusiness{Name: "B", TestKey: c.test, LiveKey: c.live})
		if (err == nil) != c.ok {
			t.Errorf("%.20q, %.20q: got error %v, want accepted %t", c.test, c.live, err, c.ok)
		}
		if err == nil && c.test != "" {
			if key, _ := o.works(c.test); key.Tenant.BusinessID != made.Business.ID {
				t.Errorf("%.20q: got a key of %s, want of %s", c.test, key.Tenant.BusinessID, made.Business.ID)
			}
		}
	}
	if _, err := o.directory.CreateBusiness(t.Context(),
		access.NewBusiness{Name: " "}); ledger.CodeOf(err) != ledger.CodeInvalidName {
		t.Errorf("a blank name: got error %v, want %s", err, ledger.CodeInvalidName)
	}
}

func TestKeysThatDoNotWork(t *testing.T) {
	t.Parallel()
	o := newOffice(t, access.Options{})
	text := o.business.TestKey
	o.works(text)
	for _, wrong := range []string{
		"", "x", text[:len(text)-1], text + "A", " " + text, strings.ToUpper(text), "bf_live_" + text[8:],
		"bf_test_" + strings.Repeat("A", 43), "bf_test_", strings.Repeat("A", 10_000), "bf_test_" + strings.Repeat("A", 10_000),
		"bf_test_" + strings.Repeat("é", 30), text[:20] + "\x00" + text[21:],
	} {
		o.fails(wrong)
	}
}

func TestRevokedAtOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t, access.Options{})
	key, text, err := o.directory.CreateKey(t.Context(),
		access.NewKey{Tenant: o.tenant(ledger.Test), Name: "k", Scope: access.Read})
	if err != nil {
		t.Fatalf("create key: got error %v, want none", err)
	}
	if got, _ := o.works(text); got.Scope != access.Read || got.ID != key.ID {
		t.Errorf("got %+v, want the key that was made", got)
	}
	o.clock.Move(time.Minute)
	revoked, err := o.directory.RevokeKey(t.Context(), key.ID)
	if err != nil || !revoked.RevokedAt.Equal(start.Add(time.Minute)) {
		t.Fatalf("revoke: got %+v, %v, want it revoked now", revoked, err)
	}
	o.fails(text)
	o.clock.Move(time.Minute)
	if again, err := o.directory.RevokeKey(t.Context(), key.ID); err != nil || !again.RevokedAt.Equal(revoked.RevokedAt) {
		t.Errorf("revoke again: got %+v, %v, want the first time kept", again, err)
	}
	o.works(o.business.TestKey)
	if _, err := o.directory.RevokeKey(t.Context(), "key_unknown"); ledger.CodeOf(err) != ledger.CodeNotFound {
		t.Errorf("revoke an unknown key: got error %v, want %s", err, ledger.CodeNotFound)
	}
}

// TestRevokedDuringALookUp revokes a key just after a look-up has read it from
// the store: the look-up must not remember what it read.
func TestRevokedDuringALookUp(t *testing.T) {
	t.Parallel()
	o := newOffice(t, access.Options{})
	var once sync.Once
	o.store.between = func() {
		once.Do(func() {
			if _, err := o.directory.RevokeKey(context.Background(), o.business.Keys[0].ID); err != nil {
				t.Errorf("revoke: got error %v, want none", err)
			}
		})
	}
	o.works(o.business.TestKey) // it began before the revocation
	o.fails(o.business.TestKey)
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	o := newOffice(t, access.Options{})
	_, text, err := o.directory.CreateKey(t.Context(), access.NewKey{
		Tenant: o.tenant(ledger.Live), Name: "k", Scope: access.Write, ExpiresAt: start.Add(time.Hour),
	})
	if err != nil {
		t.Fatalf("create key: got error %v, want none", err)
	}
	o.clock.Set(start.Add(time.Hour - time.Nanosecond))
	o.works(text)
	o.clock.Set(start.Add(time.Hour))
	o.fails(text)
}

func TestCreateKeyRefuses(t *testing.T) {
	t.Parallel()
	o := newOffice(t, access.Options{})
	good := access.NewKey{Tenant: o.tenant(ledger.Test), Name: "k", Scope: access.Read}
	for name, c := range map[string]struct {
		change func(*access.NewKey)
		code   ledger.Code
	}{
		"mode":       {func(k *access.NewKey) { k.Tenant.Mode = "prod" }, ledger.CodeInvalidSettings},
		"scope":      {func(k *access.NewKey) { k.Scope = "admin" }, ledger.CodeInvalidSettings},
		"no name":    {func(k *access.NewKey) { k.Name = "" }, ledger.CodeInvalidName},
		"long name":  {func(k *access.NewKey) { k.Name = strings.Repeat("a", 256) }, ledger.CodeInvalidName},
		"line feed":  {func(k *access.NewKey) { k.Name = "a\nb" }, ledger.CodeInvalidName},
		"expired":    {func(k *access.NewKey) { k.ExpiresAt = start }, ledger.CodeInvalidExpiry},
		"no company": {func(k *access.NewKey) { k.Tenant.BusinessID = "bus_unknown" }, ledger.CodeNotFound},
	} {
		want := good
		c.change(&want)
		if _, text, err := o.directory.CreateKey(t.Context(), want); ledger.CodeOf(err) != c.code || text != "" {
			t.Errorf("%s: got key %q and error %v, want %s", name, text, err, c.code)
		}
	}
}

func TestKeysAreRemembered(t *testing.T) {
	t.Parallel()
	o := newOffice(t, access.Options{})
	for range 100 {
		o.works(o.business.TestKey)
		o.clock.Move(time.Hour)
	}
	if got := o.store.lookups.Load(); got != 1 {
		t.Errorf("got %d look-ups for 100 requests, want 1", got)
	}
	// What another process would do, behind this Directory's back.
	if _, err := o.store.RevokeKey(t.Context(), o.business.Keys[0].ID, o.clock.Now()); err != nil {
		t.Fatalf("revoke: got error %v, want none", err)
	}
	o.works(o.business.TestKey)
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	o := newOffice(t, access.Options{Refresh: time.Second})
	o.works(o.business.TestKey)
	if _, err := o.store.RevokeKey(t.Context(), o.business.Keys[0].ID, o.clock.Now()); err != nil {
		t.Fatalf("revoke: got error %v, want none", err)
	}
	o.clock.Move(time.Second - 1)
	o.works(o.business.TestKey)
	o.clock.Move(1)
	o.fails(o.business.TestKey)
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	o := newOffice(t, access.Options{CacheMax: 32})
	var texts []string
	for i := range 100 {
		_, text, err := o.directory.CreateKey(t.Context(),
			access.NewKey{Tenant: o.tenant(ledger.Test), Name: fmt.Sprint(i), Scope: access.Read})
		if err != nil {
			t.Fatalf("create key: got error %v, want none", err)
		}
		texts = append(texts, text)
	}
	for range 3 {
		for _, text := range texts {
			o.works(text)
		}
	}
	if got := access.CacheSize(o.directory); got > 32 || got == 0 {
		t.Errorf("got %d keys in memory, want 1 to 32", got)
	}
	for range 1000 {
		o.fails("bf_test_" + strings.Repeat("x", 43))
	}
	if got := access.CacheSize(o.directory); got > 32 {
		t.Errorf("after keys that do not exist: got %d keys in memory, want 32 or fewer", got)
	}
}

func TestStoreTroubleIsNotTheKeys(t *testing.T) {
	t.Parallel()
	o := newOffice(t, access.Options{})
	o.store.err = ledger.Errorf(ledger.CodeStorageUnavailable, "the disk is full")
	if _, _, err := o.directory.Authenticate(t.Context(),
		o.business.TestKey); ledger.CodeOf(err) != ledger.CodeStorageUnavailable {
		t.Errorf("got error %v, want %s", err, ledger.CodeStorageUnavailable)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	o := newOffice(t, access.Options{})
	_, before := o.works(o.business.TestKey)
	replay, longest, debt := access.Replay, int64(access.ReversalGraceMax), access.RecordDebt
	limits := map[money.Currency]access.TopUpLimits{"USD": {Least: 5, Most: 90}}
	want := access.DefaultSettings()
	want.Currencies, want.USDRates = []money.Currency{"EUR", "USD"}, map[money.Currency]string{"EUR": "1.08"}
	want.OnDuplicate, want.ReversalGraceSeconds = access.Replay, access.ReversalGraceMax
	want.CreditReversal, want.TopUpLimits = access.RecordDebt, limits
	got, err := o.directory.UpdateSettings(t.Context(), o.tenant(ledger.Test), ledger.Actor{}, access.SettingsUpdate{
		Currencies: []money.Currency{"USD", "EUR"}, USDRates: map[money.Currency]string{"EUR": "1.08"}, OnDuplicate: &replay,
		ReversalGraceSeconds: &longest, CreditReversal: &debt, TopUpLimits: limits,
	})
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Fatalf("got error %v and settings (-want +got):\n%s", err, diff)
	}
	_, now := o.works(o.business.TestKey)
	if diff := cmp.Diff(want, *now); diff != "" {
		t.Errorf("at the next request (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(access.DefaultSettings(), *before); diff != "" {
		t.Errorf("what an earlier request holds has changed (-want +got):\n%s", diff)
	}
	if _, live := o.works(o.business.LiveKey); !cmp.Equal(*live, access.DefaultSettings()) {
		t.Errorf("the other mode: got %+v, want it unchanged", live)
	}
	lookups := o.store.lookups.Load()
	if same, err := o.directory.UpdateSettings(t.Context(), o.tenant(ledger.Test), ledger.Actor{},
		access.SettingsUpdate{OnDuplicate: &replay}); err != nil || !cmp.Equal(same, want) {
		t.Errorf("nothing new: got %+v, %v, want %+v", same, err, want)
	}
	o.works(o.business.TestKey)
	if got := o.store.lookups.Load(); got != lookups {
		t.Errorf("nothing new: got %d look-ups, want none", got-lookups)
	}
	if stored, err := o.directory.Settings(t.Context(), o.tenant(ledger.Test)); err != nil || !cmp.Equal(stored, want) {
		t.Errorf("stored: got %+v, %v, want %+v", stored, err, want)
	}
	refuse := access.RefuseDebt
	want.CreditReversal = access.RefuseDebt
	if got, err := o.directory.UpdateSettings(t.Context(), o.tenant(ledger.Test), ledger.Actor{},
		access.SettingsUpdate{CreditReversal: &refuse}); err != nil || !cmp.Equal(got, want) {
		t.Errorf("debts refused again: got %+v, %v, want %+v", got, err, want)
	}
}

func TestSettingsRefuse(t *testing.T) {
	t.Parallel()
	o := newOffice(t, access.Options{})
	bad, maybe := access.OnDuplicate("ignore"), access.CreditReversal("maybe")
	below, above := int64(-1), int64(access.ReversalGraceMax+1)
	for name, c := range map[string]struct {
		update access.SettingsUpdate
		code   ledger.Code
		param  string
	}{
		"no currency":       {access.SettingsUpdate{Currencies: []money.Currency{}}, ledger.CodeInvalidSettings, "enabled_currencies"},
		"unknown currency":  {access.SettingsUpdate{Currencies: []money.Currency{"USD", "XYZ"}}, ledger.CodeUnsupportedCurrency, "enabled_currencies"},
		"lower case":        {access.SettingsUpdate{Currencies: []money.Currency{"usd"}}, ledger.CodeUnsupportedCurrency, "enabled_currencies"},
		"currency twice":    {access.SettingsUpdate{Currencies: []money.Currency{"USD", "USD"}}, ledger.CodeInvalidSettings, "enabled_currencies"},
		"rate of nothing":   {access.SettingsUpdate{USDRates: map[money.Currency]string{"XYZ": "1"}}, ledger.CodeUnsupportedCurrency, "usd_rates"},
		"rate of zero":      {access.SettingsUpdate{USDRates: map[money.Currency]string{"EUR": "0"}}, ledger.CodeInvalidSettings, "usd_rates"},
		"negative rate":     {access.SettingsUpdate{USDRates: map[money.Currency]string{"EUR": "-1"}}, ledger.CodeInvalidSettings, "usd_rates"},
		"rate by exponent":  {access.SettingsUpdate{USDRates: map[money.Currency]string{"EUR": "1e3"}}, ledger.CodeInvalidSettings, "usd_rates"},
		"dollars in dollar": {access.SettingsUpdate{USDRates: map[money.Currency]string{"USD": "1.01"}}, ledger.CodeInvalidSettings, "usd_rates"},
		"on_duplicate":      {access.SettingsUpdate{OnDuplicate: &bad}, ledger.CodeInvalidSettings, "on_duplicate"},
		"grace below":       {access.SettingsUpdate{ReversalGraceSeconds: &below}, ledger.CodeInvalidSettings, "reversal_grace_seconds"},
		"credit_reversal":   {access.SettingsUpdate{CreditReversal: &maybe}, ledger.CodeInvalidSettings, "credit_reversal"},
		"grace above":       {access.SettingsUpdate{ReversalGraceSeconds: &above}, ledger.CodeInvalidSettings, "reversal_grace_seconds"},
		"notice below":      {access.SettingsUpdate{ExpiryNoticeDays: &below}, ledger.CodeInvalidSettings, "expiry_notice_days"},
		"notice above":      {access.SettingsUpdate{ExpiryNoticeDays: &above}, ledger.CodeInvalidSettings, "expiry_notice_days"},
	} {
		_, err := o.directory.UpdateSettings(t.Context(), o.tenant(ledger.Test), ledger.Actor{}, c.update)
		var refused *ledger.Error
		if !errors.As(err, &refused) || refused.Code != c.code || refused.Param != c.param {
			t.Errorf("%s: got error %v, want %s for %s", name, err, c.code, c.param)
		}
	}
	if got, err := o.directory.Settings(t.Context(), o.tenant(ledger.Test)); err != nil ||
		!cmp.Equal(got, access.DefaultSettings()) {
		t.Errorf("got settings %+v, %v, want them unchanged", got, err)
	}
	if _, err := o.directory.UpdateSettings(t.Context(), o.tenant(ledger.Test), ledger.Actor{},
		access.SettingsUpdate{USDRates: map[money.Currency]string{"USD": "1.00"}}); err != nil {
		t.Errorf("a dollar is worth a dollar: got error %v, want none", err)
	}
}

// TestManyAtOnce is for the race detector: look-ups, revocations and changed
// settings, all at once.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t, access.Options{CacheMax: 4})
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 50 {
				key, text, err := o.directory.CreateKey(t.Context(),
					access.NewKey{Tenant: o.tenant(ledger.Test), Name: "k", Scope: access.Read})
				if err != nil {
					t.Errorf("create key: got error %v, want none", err)
					return
				}
				if _, _, err := o.directory.Authenticate(t.Context(), text); err != nil {
					t.Errorf("authenticate: got error %v, want none", err)
				}
				if _, err := o.directory.RevokeKey(t.Context(), key.ID); err != nil {
					t.Errorf("revoke: got error %v, want none", err)
				}
				if _, _, err := o.directory.Authenticate(t.Context(), text); !errors.Is(err, access.ErrUnauthorized()) {
					t.Errorf("after revocation: got error %v, want %v", err, access.ErrUnauthorized())
				}
				on := []access.OnDuplicate{access.Conflict, access.Replay}[(i+j)%2]
				if _, err := o.directory.UpdateSettings(t.Context(), o.tenant(ledger.Test), ledger.Actor{},
					access.SettingsUpdate{OnDuplicate: &on}); err != nil {
					t.Errorf("update settings: got error %v, want none", err)
				}
			}
		})
	}
	group.Wait()
}

func BenchmarkAuthenticate(b *testing.B) {
	o := newOffice(b, access.Options{})
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := o.directory.Authenticate(b.Context(), o.business.TestKey); err != nil {
			b.Fatal(err)
		}
	}
}
