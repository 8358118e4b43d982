package webhook

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"

	"github.com/billfold/billfold/internal/ledger"
)

// Vault seals texts for a place and opens them there.
type Vault interface {
	Seal(place, text string) string
	Open(place, sealed string) (string, error)
	Current(sealed string) bool // whether Seal would use the same key
}

// SealedStore keeps the secrets of endpoints, and the values of their headers, sealed.
// To the store below they are texts like any.
type SealedStore struct {
	Store
	vault  Vault
	logger *slog.Logger

	mu   sync.Mutex
	told map[string]bool // ids of endpoints that cannot be opened
}

// Sealed returns a store in which the secrets of endpoints and the values of their
// headers stand sealed (law N4). An endpoint that cannot be opened, because the
// secret key is another one, is sent nothing, and the log says so once.
func Sealed(store Store, vault Vault, logger *slog.Logger) *SealedStore {
	return &SealedStore{Store: store, vault: vault, logger: logger, told: map[string]bool{}}
}

// The places of what is sealed in an endpoint.
const (
	ofSecret  = "secret "
	ofHeaders = "header "
)

func (s *SealedStore) seal(e Endpoint) Endpoint {
	e.Secret, e.Previous = s.vault.Seal(ofSecret+e.ID, e.Secret), s.vault.Seal(ofSecret+e.ID, e.Previous)
	e.Headers = maps.Clone(e.Headers)
	for name, value := range e.Headers {
		e.Headers[name] = s.vault.Seal(ofHeaders+name+" "+e.ID, value)
	}
	return e
}

func (s *SealedStore) open(e Endpoint) (Endpoint, error) {
	var errs [2]error
	e.Secret, errs[0] = s.vault.Open(ofSecret+e.ID, e.Secret)
	e.Previous, errs[1] = s.vault.Open(ofSecret+e.ID, e.Previous)
	err := errors.Join(errs[:]...)
	e.Headers = maps.Clone(e.Headers)
	for name, value := range e.Headers {
		text, headerErr := s.vault.Open(ofHeaders+name+" "+e.ID, value)
		e.Headers[name], err = text, errors.Join(err, headerErr)
	}
	if err != nil {
		return Endpoint{}, ledger.Errorf(ledger.CodeStorageUnavailable,
			"the secrets of webhook %s cannot be opened: start the server with the secret key that it had", e.ID).WithCause(err)
	}
	return e, nil
}

// openAll opens what is to be sent to, without those that cannot be opened.
func (s *SealedStore) openAll(served []Served, err error) ([]Served, error) {
	var opened []Served
	for _, one := range served {
		endpoint, openErr := s.open(one.Endpoint)
		if openErr != nil {
			s.tell(one.Endpoint.ID, openErr)
			continue
		}
		one.Endpoint = endpoint
		opened = append(opened, one)
	}
	return opened, err
}

func (s *SealedStore) tell(id string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.told[id] {
		s.logger.Error("a webhook is sent nothing: its secrets are sealed under another secret key", "webhook", id,
			"error", errors.Unwrap(err))
	}
	s.told[id] = true
}

// CreateEndpoint implements Store.
func (s *SealedStore) CreateEndpoint(ctx context.Context, endpoint Endpoint) (Endpoint, error) {
	made, err := s.Store.CreateEndpoint(ctx, s.seal(endpoint))
	if err != nil {
		return Endpoint{}, err
	}
	return s.open(made)
}

// Endpoint implements Store.
func (s *SealedStore) Endpoint(ctx context.Context, tenant ledger.Tenant, id string) (Served, error) {
	served, err := s.Store.Endpoint(ctx, tenant, id)
	if err == nil {
		served.Endpoint, err = s.open(served.Endpoint)
	}
	if err != nil {
		return Served{}, err
	}
	return served, nil
}

// Endpoints implements Store.
func (s *SealedStore) Endpoints(ctx context.Context, tenant ledger.Tenant) ([]Endpoint, error) {
	endpoints, err := s.Store.Endpoints(ctx, tenant)
	for i := range endpoints {
		if err == nil {
			endpoints[i], err = s.open(endpoints[i])
		}
	}
	if err != nil {
		return nil, err
	}
	return endpoints, nil
}

// AllEndpoints implements Store.
func (s *SealedStore) AllEndpoints(ctx context.Context) ([]Served, error) {
	return s.openAll(s.Store.AllEndpoints(ctx))
}

// Serve implements Store.
func (s *SealedStore) Serve(ctx context.Context, instance string, keeping []string) ([]Served, error) {
	return s.openAll(s.Store.Serve(ctx, instance, keeping))
}

// UpdateEndpoint implements Store.
func (s *SealedStore) UpdateEndpoint(
	ctx context.Context, tenant ledger.Tenant, id string, change func(Endpoint) (Endpoint, error),
) (Endpoint, error) {
	changed, err := s.Store.UpdateEndpoint(ctx, tenant, id, func(e Endpoint) (Endpoint, error) {
		e, err := s.open(e)
		if err != nil {
			return Endpoint{}, err
		}
		if e, err = change(e); err != nil {
			return Endpoint{}, err
		}
		return s.seal(e), nil
	})
	if err != nil {
		return Endpoint{}, err
	}
	return s.open(changed)
}

// Reseal seals under the key of the vault what a business has under an older one, and
// says of how many endpoints that was. What cannot be opened stays as it is.
func (s *SealedStore) Reseal(ctx context.Context, tenant ledger.Tenant) (resealed int, err error) {
	endpoints, err := s.Store.Endpoints(ctx, tenant)
	for i := 0; err == nil && i < len(endpoints); i++ {
		if s.current(&endpoints[i]) {
			continue
		}
		if _, openErr := s.open(endpoints[i]); openErr != nil {
			s.tell(endpoints[i].ID, openErr)
			continue
		}
		_, err = s.UpdateEndpoint(ctx, tenant, endpoints[i].ID, func(e Endpoint) (Endpoint, error) { return e, nil })
		if ledger.CodeOf(err) == ledger.CodeNotFound {
			err = nil // it was deleted meanwhile
			continue
		}
		resealed++
	}
	return resealed, err
}

func (s *SealedStore) current(e *Endpoint) bool {
	current := s.vault.Current(e.Secret) && s.vault.Current(e.Previous)
	for _, value := range e.Headers {
		current = current && s.vault.Current(value)
	}
	return current
}
