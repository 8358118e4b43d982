package httpapi_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/httpapi"
	"github.com/billfold/billfold/internal/ledger"
)

// narrowStore can run two reads at once, and its filtered lists of entries take
// until the test is over.
type narrowStore struct {
	ledger.Store
	readers chan struct{}
	over    chan struct{}
}

func (s *narrowStore) Entries(
	ctx context.Context, tenant ledger.Tenant, id string, filter ledger.EntryFilter, page ledger.Page,
) (ledger.EntryList, error) {
	s.readers <- struct{}{}
	defer func() { <-s.readers }()
	if filter.ReferenceObjectID != "" {
		<-s.over
	}
	return s.Store.Entries(ctx, tenant, id, filter, page)
}

func (s *narrowStore) Wallets(
	ctx context.Context, tenant ledger.Tenant, id string, at time.Time,
) (ledger.WalletList, error) {
	s.readers <- struct{}{}
	defer func() { <-s.readers }()
	return s.Store.Wallets(ctx, tenant, id, at)
}

// TestWalksLeaveRoom lets one business ask for many searches that take long:
// another one still reads its balances.
func TestWalksLeaveRoom(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	store := &narrowStore{Store: h.model, readers: make(chan struct{}, 2), over: make(chan struct{})}
	api, err := httpapi.New(httpapi.Config{
		Book: ledger.NewBook(store, h.clock.Now, rand.Uint64), Directory: h.directory, Products: h.model, Inbox: h.model, Webhooks: h.webhooks, Now: h.clock.Now,
	})
	if err != nil {
		t.Fatalf("make the API: got error %v, want none", err)
	}
	customer, other := h.newCustomer(), h.newBusiness("Other")
	made := sendTo(api, request{method: "POST", path: "/customers", body: `{"email":"a@example.com","name":"a"}`}, other.TestKey)
	theirs := made.want(t, http.StatusOK)["customer_id"].(string)
	const searches = 8
	answers := make(chan reply, searches)
	for range searches {
		go func() {
			answers <- sendTo(api, request{
				method: "GET", path: entriesPath(customer) + "?reference_object_id=none",
			}, h.business.TestKey)
		}()
	}
	// The first search must be at work before the others can be in the way.
	for len(store.readers) == 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
	read := make(chan reply, 1)
	go func() {
		read <- sendTo(api, request{method: "GET", path: "/customers/" + theirs + "/wallets"}, other.TestKey)
	}()
	select {
	case got := <-read:
		got.want(t, http.StatusOK)
	case <-time.After(5 * time.Second):
		t.Error("the other business waits for the searches, want its balances at once")
	}
	close(store.over)
	for range searches {
		got := <-answers
		got.want(t, http.StatusOK)
	}
}

// TestWalksThatCannotBegin wants a refusal for searches whose turn does not
// come.
func TestWalksThatCannotBegin(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer := h.newCustomer()
	store := &narrowStore{Store: h.model, readers: make(chan struct{}, 2), over: make(chan struct{})}
	api, err := httpapi.New(httpapi.Config{
		Book: ledger.NewBook(store, h.clock.Now, rand.Uint64), Directory: h.directory, Products: h.model, Inbox: h.model, Webhooks: h.webhooks, Now: h.clock.Now,
	})
	if err != nil {
		t.Fatalf("make the API: got error %v, want none", err)
	}
	search := request{method: "GET", path: entriesPath(customer) + "?reference_object_id=none"}
	first := make(chan reply, 1)
	go func() { first <- sendTo(api, search, h.business.TestKey) }()
	for len(store.readers) == 0 {
		time.Sleep(time.Millisecond)
	}
	refused := sendTo(api, search, h.business.TestKey)
	refused.refused(t, http.StatusServiceUnavailable, ledger.CodeOverloaded)
	if refused.header.Get("Retry-After") == "" {
		t.Error("the refusal has no Retry-After")
	}
	close(store.over)
	got := <-first
	got.want(t, http.StatusOK)
	again := sendTo(api, search, h.business.TestKey)
	again.want(t, http.StatusOK)
}
