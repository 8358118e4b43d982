package storetest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func accessScenarios() []scenario {
	return []scenario{
		{"businesses read back and are listed", accessBusinesses},
		{"a business, its settings and first keys are made together", accessFirstKeys},
		{"settings change by what change makes of them", accessSettings},
		{"a refused change of settings leaves no trace", accessSettingsRefused},
		{"concurrent changes of settings lose none", accessSettingsConcurrent},
		{"a key is found by its hash, in full", accessKeyByHash},
		{"revoking sets the time once", accessRevoke},
		{"revoking at once by many keeps one time", accessRevokeRace},
		{"keys are listed newest first, by business or all", accessKeyList},
		{"what does not exist is not found", accessNotFound},
	}
}

// key makes an API key without storing it. Its hash is that of its id.
func (w *world) key(tenant ledger.Tenant, changes ...func(*access.Key)) access.Key {
	w.names++
	id := w.book.NewID("key_")
	k := access.Key{
		ID:        id,
		Tenant:    tenant,
		Name:      fmt.Sprintf("Key %d", w.names),
		Scope:     access.Write,
		Hash:      sha256.Sum256([]byte(id)),
		Hint:      "bf_test_…x9Kd",
		CreatedAt: epoch.Add(time.Duration(w.names) * time.Microsecond),
	}
	for _, change := range changes {
		change(&k)
	}
	return k
}

// change is who changes settings, and when: each a second after the one before.
func (w *world) change() access.Change {
	no := w.changes.Add(1)
	return access.Change{
		By:     ledger.Actor{KeyID: "key_of_the_shop", Address: "192.0.2.1"},
		Moment: ledger.Moment{Now: epoch.Add(time.Duration(no) * time.Second), Random: uint64(no)},
	}
}

func (w *world) storeKey(tenant ledger.Tenant, changes ...func(*access.Key)) access.Key {
	w.Helper()
	k := w.key(tenant, changes...)
	if err := w.access.CreateKey(w.Context(), k); err != nil {
		w.Fatalf("create key: got error %v, want none", err)
	}
	return k
}

func (w *world) wantKey(want access.Key) {
	w.Helper()
	got, err := w.access.KeyByHash(w.Context(), want.Hash)
	w.wantCode(err, "")
	w.same("key by hash", want, got)
}

func accessBusinesses(w *world) {
	first, err := w.access.Business(w.Context(), w.shop.BusinessID)
	w.wantCode(err, "")
	want := map[string]access.Business{first.ID: first}
	for i := range 3 {
		b := access.Business{
			ID:        w.book.NewID("bus_"),
			Name:      "Ünïcode & Söhne '" + fmt.Sprint(i),
			CreatedAt: epoch.Add(time.Duration(i+1) * time.Microsecond),
		}
		w.wantCode(w.access.CreateBusiness(w.Context(), b, defaultSettings(), nil), "")
		want[b.ID] = b
		got, err := w.access.Business(w.Context(), b.ID)
		w.wantCode(err, "")
		w.same("business", b, got)
	}
	list, err := w.access.Businesses(w.Context())
	w.wantCode(err, "")
	got := map[string]access.Business{}
	for _, b := range list {
		got[b.ID] = b
	}
	w.same("businesses", want, got)
	if len(list) != len(want) {
		w.Errorf("got %d businesses, want %d", len(list), len(want))
	}
}

func accessFirstKeys(w *world) {
	b := access.Business{ID: w.book.NewID("bus_"), Name: "Second", CreatedAt: epoch}
	settings := access.Settings{
		Currencies:  []money.Currency{"EUR", "JPY", "USD"},
		USDRates:    map[money.Currency]string{"EUR": "1.0853", "JPY": "0.0067"},
		OnDuplicate: access.Replay,
	}
	test := w.key(ledger.Tenant{BusinessID: b.ID, Mode: ledger.Test})
	live := w.key(ledger.Tenant{BusinessID: b.ID, Mode: ledger.Live})
	w.wantCode(w.access.CreateBusiness(w.Context(), b, settings, []access.Key{test, live}), "")
	w.wantKey(test)
	w.wantKey(live)
	for _, mode := range []ledger.Mode{ledger.Test, ledger.Live} {
		got, err := w.access.Settings(w.Context(), ledger.Tenant{BusinessID: b.ID, Mode: mode})
		w.wantCode(err, "")
		w.same("settings", settings, got)
	}
	// All or nothing: a key that exists already undoes the business as well.
	w.unchanged(func() {
		third := access.Business{ID: w.book.NewID("bus_"), Name: "Third", CreatedAt: epoch}
		tenant := ledger.Tenant{BusinessID: third.ID, Mode: ledger.Test}
		fresh := w.key(tenant)
		taken := w.key(tenant, func(k *access.Key) { k.Hash = test.Hash })
		if err := w.access.CreateBusiness(w.Context(), third, settings, []access.Key{fresh, taken}); err == nil {
			w.Errorf("a business with a used key: got no error, want one")
		}
		_, err := w.access.Business(w.Context(), third.ID)
		w.wantCode(err, ledger.CodeNotFound)
		_, err = w.access.Settings(w.Context(), tenant)
		w.wantCode(err, ledger.CodeNotFound)
		_, err = w.access.KeyByHash(w.Context(), fresh.Hash)
		w.wantCode(err, ledger.CodeNotFound)
	})
	w.wantKey(test)
}

func accessSettings(w *world) {
	want := access.Settings{
		Currencies:  []money.Currency{"INR", "KWD", "USD"},
		USDRates:    map[money.Currency]string{"INR": "0.0119"},
		OnDuplicate: access.Replay, ReversalGraceSeconds: 3600, CreditReversal: access.RecordDebt,
	}
	var seen access.Settings
	got, err := w.access.UpdateSettings(w.Context(), w.shop, w.change(), func(s access.Settings) (access.Settings, error) {
		seen = s
		return want, nil
	})
	w.wantCode(err, "")
	w.same("settings that change was given", defaultSettings(), seen)
	w.same("settings that UpdateSettings returned", want, got)
	// What a caller does with its copy stays with the caller.
	got.Currencies[0], got.USDRates["INR"] = "XXX", "9"
	for range 2 {
		got, err = w.access.Settings(w.Context(), w.shop)
		w.wantCode(err, "")
		w.same("settings read back", access.Settings{
			Currencies:  []money.Currency{"INR", "KWD", "USD"},
			USDRates:    map[money.Currency]string{"INR": "0.0119"},
			OnDuplicate: access.Replay, ReversalGraceSeconds: 3600, CreditReversal: access.RecordDebt,
		}, got)
		got.Currencies[0], got.USDRates["INR"] = "YYY", "8"
	}
}

func accessSettingsRefused(w *world) {
	refusal := ledger.Errorf(ledger.CodeInvalidSettings, "no")
	w.unchanged(func() {
		_, err := w.access.UpdateSettings(w.Context(), w.shop, w.change(), func(s access.Settings) (access.Settings, error) {
			s.OnDuplicate = access.Replay
			s.Currencies = append(s.Currencies, "EUR")
			return s, refusal
		})
		if !errors.Is(err, refusal) {
			w.Errorf("got error %v, want the change's own %v", err, refusal)
		}
	})
}

func accessSettingsConcurrent(w *world) {
	currencies := []money.Currency{"AED", "AUD", "BRL", "CAD", "CHF", "DKK", "EUR", "GBP", "HKD", "JPY", "NOK", "NZD", "PLN", "SEK", "SGD", "ZAR"}
	together(len(currencies), func(i int) {
		_, err := w.access.UpdateSettings(w.Context(), w.shop, w.change(), func(s access.Settings) (access.Settings, error) {
			rates := map[money.Currency]string{currencies[i]: "1"}
			for c, rate := range s.USDRates {
				rates[c] = rate
			}
			s.USDRates = rates
			return s, nil
		})
		if err != nil {
			w.Errorf("update settings: got error %v, want none", err)
		}
	})
	s, err := w.access.Settings(w.Context(), w.shop)
	w.wantCode(err, "")
	if got, want := len(s.USDRates), len(currencies); got != want {
		w.Errorf("got %d rates after %d concurrent changes, want %d", got, want, want)
	}
}

func accessKeyByHash(w *world) {
	full := w.storeKey(w.shop, func(k *access.Key) {
		k.Name, k.Scope, k.Hint = "Schlüssel 'ä'", access.Read, "bf_live_…ABCD"
		k.ExpiresAt = epoch.Add(time.Hour + time.Microsecond)
	})
	live := w.storeKey(ledger.Tenant{BusinessID: w.shop.BusinessID, Mode: ledger.Live})
	w.wantKey(full)
	w.wantKey(live)
	for i := range full.Hash {
		near := full.Hash
		near[i] ^= 1
		_, err := w.access.KeyByHash(w.Context(), near)
		w.wantCode(err, ledger.CodeNotFound)
	}
	_, err := w.access.KeyByHash(w.Context(), access.KeyHash{})
	w.wantCode(err, ledger.CodeNotFound)
}

func accessRevoke(w *world) {
	want, other := w.storeKey(w.shop), w.storeKey(w.shop)
	w.wantKey(want)
	want.RevokedAt = epoch.Add(time.Hour)
	for i := range 3 {
		got, err := w.access.RevokeKey(w.Context(), want.ID, want.RevokedAt.Add(time.Duration(i)*time.Hour))
		w.wantCode(err, "")
		w.same("revoked key", want, got)
		w.wantKey(want)
	}
	got, err := w.access.RevokeKey(w.Context(), want.ID, epoch)
	w.wantCode(err, "")
	w.same("key revoked again at an earlier time", want, got)
	w.wantKey(other)
}

func accessRevokeRace(w *world) {
	k := w.storeKey(w.shop)
	answers := make([]access.Key, 16)
	together(len(answers), func(i int) {
		var err error
		if answers[i], err = w.access.RevokeKey(w.Context(), k.ID, epoch.Add(time.Duration(i+1)*time.Second)); err != nil {
			w.Errorf("revoke: got error %v, want none", err)
		}
	})
	got, err := w.access.KeyByHash(w.Context(), k.Hash)
	w.wantCode(err, "")
	if got.RevokedAt.IsZero() {
		w.Errorf("got a key that is not revoked")
	}
	for _, answer := range answers {
		w.same("answer", got, answer)
	}
}

func accessKeyList(w *world) {
	tenants := w.tenants()
	var all []access.Key
	for i := range 12 {
		all = append([]access.Key{w.storeKey(tenants[i%len(tenants)])}, all...)
	}
	revoked, err := w.access.RevokeKey(w.Context(), all[3].ID, epoch)
	w.wantCode(err, "")
	all[3] = revoked
	for _, business := range []string{"", tenants[0].BusinessID, tenants[2].BusinessID, "bus_unknown"} {
		var want []access.Key
		for _, k := range all {
			if business == "" || k.Tenant.BusinessID == business {
				want = append(want, k)
			}
		}
		got, err := w.access.Keys(w.Context(), business)
		w.wantCode(err, "")
		w.same("keys of business "+business, want, got)
	}
}

func accessNotFound(w *world) {
	unknown := []ledger.Tenant{
		{}, {BusinessID: "bus_unknown", Mode: ledger.Test}, {BusinessID: w.shop.BusinessID}, {BusinessID: w.shop.BusinessID, Mode: "Test"},
	}
	w.unchanged(func() {
		for _, tenant := range unknown {
			_, err := w.access.Settings(w.Context(), tenant)
			w.wantCode(err, ledger.CodeNotFound)
			_, err = w.access.UpdateSettings(w.Context(), tenant, w.change(),
				func(s access.Settings) (access.Settings, error) { return s, nil })
			w.wantCode(err, ledger.CodeNotFound)
			w.wantCode(w.access.CreateKey(w.Context(), w.key(tenant)), ledger.CodeNotFound)
		}
		for _, id := range []string{"", "bus_unknown", "'", "%", w.shop.BusinessID + "\x00"} {
			_, err := w.access.Business(w.Context(), id)
			w.wantCode(err, ledger.CodeNotFound)
			_, err = w.access.RevokeKey(w.Context(), id, epoch)
			w.wantCode(err, ledger.CodeNotFound)
		}
	})
}
