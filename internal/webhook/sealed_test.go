package webhook_test

import (
	"bytes"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/storetest"
	"github.com/billfold/billfold/internal/webhook"
)

// mirror is a vault that turns texts around, under a name.
type mirror string

var errOther = errors.New("another key")

func (m mirror) Seal(place, text string) string {
	if text == "" {
		return ""
	}
	return string(m) + "|" + place + "|" + turned(text)
}

func (m mirror) Open(place, sealed string) (string, error) {
	if sealed == "" {
		return "", nil
	}
	text, ok := strings.CutPrefix(sealed, string(m)+"|"+place+"|")
	if !ok {
		return "", errOther
	}
	return turned(text), nil
}

func (m mirror) Current(sealed string) bool {
	return sealed == "" || strings.HasPrefix(sealed, string(m)+"|")
}

// mirrors is a vault with a key that was there before it.
type mirrors struct {
	mirror
	old mirror
}

func (m mirrors) Open(place, sealed string) (string, error) {
	if text, err := m.mirror.Open(place, sealed); err == nil {
		return text, nil
	}
	return m.old.Open(place, sealed)
}

func turned(text string) string {
	b := []byte(text)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

// safe is a store with one endpoint in it, and the store below.
type safe struct {
	*testing.T
	below    *storetest.Model
	store    webhook.Store
	log      bytes.Buffer
	endpoint webhook.Endpoint
}

var sealedTenant = ledger.Tenant{BusinessID: "bus_1", Mode: ledger.Test}

func newSafe(t *testing.T) *safe {
	t.Helper()
	s := &safe{T: t, below: storetest.NewModel()}
	if err := s.below.CreateBusiness(t.Context(), access.Business{ID: "bus_1"}, access.Settings{}, nil); err != nil {
		t.Fatal(err)
	}
	s.store = s.under(mirror("a"))
	at := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	s.endpoint = webhook.Endpoint{
		ID: "whk_1", Tenant: sealedTenant, URL: "https://example.com/", Secret: "whsec_first", Key: "key",
		Headers: map[string]string{"Authorization": "Bearer token", "X-Plain": "value"}, CreatedAt: at, UpdatedAt: at,
	}
	for range 2 { // a repeat finds the first
		made, err := s.store.CreateEndpoint(t.Context(), s.endpoint)
		if err != nil {
			t.Fatal(err)
		}
		s.same("made", made, s.endpoint)
	}
	return s
}

// under is the store below under a key.
func (s *safe) under(key webhook.Vault) *webhook.SealedStore {
	return webhook.Sealed(s.below, key, slog.New(slog.NewTextHandler(&s.log, nil)))
}

func (s *safe) same(what string, got, want any) {
	s.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		s.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// wantSealed wants nothing secret in the store below.
func (s *safe) wantSealed() {
	s.Helper()
	stored, err := s.below.Endpoint(s.Context(), sealedTenant, "whk_1")
	if err != nil {
		s.Fatal(err)
	}
	text, err := stored.Endpoint.Encode()
	for _, secret := range []string{"whsec_first", "whsec_second", "Bearer token", "value"} {
		if err != nil || strings.Contains(text, secret) {
			s.Errorf("stored: got %s and error %v, want %q sealed", text, err, secret)
		}
	}
}

// reads are the ways to an endpoint: those of a caller, and those of who sends.
func (s *safe) reads(store webhook.Store) (told, sent map[string]func() ([]webhook.Endpoint, error)) {
	of := func(served []webhook.Served, err error) (endpoints []webhook.Endpoint, _ error) {
		for _, one := range served {
			endpoints = append(endpoints, one.Endpoint)
		}
		return endpoints, err
	}
	told = map[string]func() ([]webhook.Endpoint, error){
		"one": func() ([]webhook.Endpoint, error) {
			served, err := store.Endpoint(s.Context(), sealedTenant, "whk_1")
			return []webhook.Endpoint{served.Endpoint}, err
		},
		"list": func() ([]webhook.Endpoint, error) { return store.Endpoints(s.Context(), sealedTenant) },
	}
	sent = map[string]func() ([]webhook.Endpoint, error){
		"all":    func() ([]webhook.Endpoint, error) { return of(store.AllEndpoints(s.Context())) },
		"served": func() ([]webhook.Endpoint, error) { return of(store.Serve(s.Context(), "i", nil)) },
	}
	return told, sent
}

// Nothing that is secret about an endpoint reaches the store below as it is, and
// everything comes back.
func TestEndpointsAreSealed(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	s.wantSealed()
	changed, err := s.store.UpdateEndpoint(t.Context(), sealedTenant, "whk_1",
		func(e webhook.Endpoint) (webhook.Endpoint, error) {
			s.same("to be changed", e, s.endpoint)
			e.Previous, e.Secret = e.Secret, "whsec_second"
			e.Headers = map[string]string{"Authorization": "Bearer token"}
			return e, nil
		})
	if err != nil || changed.Secret != "whsec_second" || changed.Previous != "whsec_first" {
		t.Errorf("changed: got %+v and error %v, want both secrets", changed, err)
	}
	s.wantSealed()
	told, sent := s.reads(s.store)
	maps.Copy(told, sent)
	for name, read := range told {
		got, err := read()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		s.same(name, got, []webhook.Endpoint{changed})
	}
}

// With another key nothing is told, changed or sent, and the log says so.
func TestEndpointsUnderAnotherKey(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	other := s.under(mirror("b"))
	told, sent := s.reads(other)
	for name, read := range told {
		if got, err := read(); ledger.CodeOf(err) != ledger.CodeStorageUnavailable {
			t.Errorf("%s: got %+v and error %v, want %s", name, got, err, ledger.CodeStorageUnavailable)
		}
	}
	for name, read := range sent {
		if got, err := read(); err != nil || len(got) > 0 {
			t.Errorf("%s: got %+v and error %v, want nothing to send to", name, got, err)
		}
	}
	_, err := other.UpdateEndpoint(t.Context(), sealedTenant, "whk_1", func(e webhook.Endpoint) (webhook.Endpoint, error) {
		t.Error("a change of what cannot be opened was asked for")
		return e, nil
	})
	if ledger.CodeOf(err) != ledger.CodeStorageUnavailable || !errors.Is(err, errOther) {
		t.Errorf("change: got error %v, want %s", err, ledger.CodeStorageUnavailable)
	}
	if text := s.log.String(); strings.Count(text, "whk_1") != 1 || strings.Contains(text, "whsec") {
		t.Errorf("log: got %q, want the id once and no secret", text)
	}
}

// A new key takes the old one's place: first both open, and once all is sealed anew the
// old one is not needed. What neither opens is left as it is.
func TestEndpointsAreSealedAnew(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	both := s.under(mirrors{"b", "a"})
	lost := s.endpoint
	lost.ID, lost.Key = "whk_2", "another"
	if _, err := s.under(mirror("c")).CreateEndpoint(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	if served, err := both.Endpoint(t.Context(), sealedTenant, "whk_1"); err != nil {
		t.Errorf("under the old key: got error %v, want it opened", err)
	} else {
		s.same("under the old key", served.Endpoint, s.endpoint)
	}
	for _, want := range []int{1, 0} {
		if got, err := both.Reseal(t.Context(), sealedTenant); err != nil || got != want {
			t.Errorf("sealed anew: got %d and error %v, want %d", got, err, want)
		}
	}
	s.wantSealed()
	for key, opens := range map[mirror]string{"b": "whk_1", "c": "whk_2"} {
		if _, err := s.under(key).Endpoint(t.Context(), sealedTenant, opens); err != nil {
			t.Errorf("key %s: got error %v, want %s opened", key, err, opens)
		}
	}
	if _, err := s.under(mirror("a")).Endpoint(t.Context(), sealedTenant, "whk_1"); err == nil {
		t.Error("the old key opens what was sealed anew, want an error")
	}
}
