package httpapi_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/apitest"
	"github.com/billfold/billfold/internal/httpapi"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/sqlite"
	"github.com/billfold/billfold/internal/storetest"
)

// storeKinds are the stores that the tests of the API run on: the model, which
// is simple, and the embedded store, which is what people run.
func storeKinds() map[string]func(testing.TB) storetest.Stores {
	return map[string]func(testing.TB) storetest.Stores{
		"model": func(testing.TB) storetest.Stores {
			model := storetest.NewModel()
			return storetest.Stores{Ledger: model, Access: model, Products: model, Webhooks: model, Inbox: model}
		},
		"sqlite": func(t testing.TB) storetest.Stores {
			t.Helper()
			db, err := sqlite.Open(context.Background(), sqlite.Config{Dir: t.TempDir(), LotsInRow: 2})
			if err != nil {
				t.Fatalf("open the store: got error %v, want none", err)
			}
			t.Cleanup(func() {
				if err := db.Close(); err != nil {
					t.Errorf("close the store: got error %v, want none", err)
				}
			})
			return storetest.Stores{Ledger: db, Access: db, Products: db, Webhooks: db, Inbox: db}
		},
	}
}

// onEachStore runs a test once for each store.
func onEachStore(t *testing.T, run func(t *testing.T, open func(testing.TB) storetest.Stores)) {
	for name, open := range storeKinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, open)
		})
	}
}

// rig is a served API on a store, with a clock that the test holds.
type rig struct {
	testing.TB
	stores    storetest.Stores
	clock     *storetest.Clock
	book      *ledger.Book
	directory *access.Directory
	api       *httpapi.Server
	addr      string
	contracts []*apitest.Contract
	client    *http.Client // every answer is checked against the contracts
}

// rigOptions change what newRig makes.
type rigOptions struct {
	contract *apitest.Contract // in place of the one that all tests share
	config   func(*httpapi.Config)
	server   func(*http.Server)
}

// newRig serves the API on an address of its own until the test ends.
func newRig(t testing.TB, stores storetest.Stores, options rigOptions) *rig {
	t.Helper()
	r := &rig{TB: t, stores: stores, clock: storetest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))}
	r.book = ledger.NewBook(stores.Ledger, r.clock.Now, rand.Uint64)
	r.directory = access.NewDirectory(stores.Access, access.Options{Now: r.clock.Now})
	if options.contract == nil {
		options.contract = apitest.Billfold(t)
	}
	r.contracts = append(r.contracts, options.contract)
	if published := publishedContract(t); published != nil {
		r.contracts = append(r.contracts, published)
	}
	r.client = apitest.Client(t, r.contracts...)
	config := httpapi.Config{
		Book: r.book, Directory: r.directory, Products: stores.Products, Inbox: stores.Inbox,
		Webhooks: newWebhooks(stores.Webhooks, r.clock.Now), Now: r.clock.Now, BootID: "boot", Version: "test",
	}
	if options.config != nil {
		options.config(&config)
	}
	api, err := httpapi.New(config)
	if err != nil {
		t.Fatalf("make the server: got error %v, want none", err)
	}
	r.api = api
	// The limits that only the layer below a handler can keep are those that
	// the program sets: 16 KiB of headers, of which net/http adds 4 itself.
	server := &http.Server{
		Handler:           api,
		ReadHeaderTimeout: time.Minute,
		MaxHeaderBytes:    12 << 10,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	if options.server != nil {
		options.server(server)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: got error %v, want none", err)
	}
	r.addr = listener.Addr().String()
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("close the server: got error %v, want none", err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: got error %v, want %v", err, http.ErrServerClosed)
		}
	})
	return r
}

// business makes a business with its first keys.
func (r *rig) business(name string) access.CreatedBusiness {
	r.Helper()
	made, err := r.directory.CreateBusiness(r.Context(), access.NewBusiness{Name: name})
	if err != nil {
		r.Fatalf("create business: got error %v, want none", err)
	}
	return made
}

// key makes one more key and returns its text.
func (r *rig) key(tenant ledger.Tenant, scope access.Scope, expires time.Time) (id, text string) {
	r.Helper()
	want := access.NewKey{Tenant: tenant, Name: "another key", Scope: scope, ExpiresAt: expires}
	key, text, err := r.directory.CreateKey(r.Context(), want)
	if err != nil {
		r.Fatalf("create key: got error %v, want none", err)
	}
	return key.ID, text
}

// do sends a request with a key and returns the status and the body. Body may
// be empty. Headers come in pairs.
func (r *rig) do(key, method, path, body string, headers ...string) (int, http.Header, []byte) {
	r.Helper()
	request, err := http.NewRequestWithContext(r.Context(), method, "http://"+r.addr+path, strings.NewReader(body))
	if err != nil {
		r.Fatalf("%s %s: got error %v, want a request", method, path, err)
	}
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	response, err := r.client.Do(request)
	if err != nil {
		r.Fatalf("%s %s: got error %v, want an answer", method, path, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		r.Fatalf("%s %s: read the answer: got error %v, want none", method, path, err)
	}
	return response.StatusCode, response.Header, answer
}

// must sends a request that must be answered with a status, and returns the
// body as an object.
func (r *rig) must(status int, key, method, path, body string, headers ...string) map[string]any {
	r.Helper()
	got, _, answer := r.do(key, method, path, body, headers...)
	if got != status {
		r.Fatalf("%s %s %s: got status %d: %s, want %d", method, path, body, got, answer, status)
	}
	object := map[string]any{}
	decoder := json.NewDecoder(bytes.NewReader(answer))
	decoder.UseNumber()
	if err := decoder.Decode(&object); err != nil {
		r.Fatalf("%s %s: got body %s, want an object: %v", method, path, answer, err)
	}
	return object
}

// customer makes a customer over the API and returns its id.
func (r *rig) customer(key, name string) string {
	r.Helper()
	body := fmt.Sprintf(`{"email":"%s@example.com","name":"%s"}`, name, name)
	return r.must(http.StatusOK, key, "POST", "/customers", body)["customer_id"].(string)
}

// entriesOf is the path of a customer's entries.
func entriesOf(customerID string) string {
	return "/customers/" + customerID + "/wallets/ledger-entries"
}

// raw sends bytes over a connection of their own and returns what the server
// answers first.
func (r *rig) raw(method string, request []byte) (*http.Response, []byte, error) {
	conn, err := net.DialTimeout("tcp", r.addr, 10*time.Second)
	if err != nil {
		return nil, nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, nil, err
	}
	// A server may answer before it has read everything, so writing must not
	// wait for its end, and a write that breaks off is no failure.
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = conn.Write(request)
	}()
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	_ = conn.Close()
	<-written
	return response, body, err
}

// checkLaws recomputes the laws for every customer of the tenants and returns
// how many entries somebody asked for.
func (r *rig) checkLaws(tenants ...ledger.Tenant) (entries int) {
	r.Helper()
	for _, tenant := range tenants {
		for _, customer := range r.customers(tenant) {
			history, err := storetest.ReadHistory(context.Background(), r.stores.Ledger, tenant, customer.ID)
			if err != nil {
				r.Fatalf("read the history of %s: got error %v, want none", customer.ID, err)
			}
			for _, violation := range storetest.CheckLaws(history) {
				r.Errorf("customer %s: %s", customer.ID, violation)
			}
			for _, entry := range history.Entries {
				if entry.CreatedBy != ledger.SystemCreator {
					entries++
				}
			}
		}
	}
	return entries
}

// customers reads all customers of a tenant.
func (r *rig) customers(tenant ledger.Tenant) []ledger.Customer {
	r.Helper()
	var all []ledger.Customer
	page := ledger.Page{Limit: 200}
	for {
		list, err := r.stores.Ledger.Customers(context.Background(), tenant, ledger.CustomerFilter{}, page)
		if err != nil {
			r.Fatalf("list customers: got error %v, want none", err)
		}
		all = append(all, list.Customers...)
		if page.Before = list.Next; page.Before == 0 {
			return all
		}
	}
}

// digest is everything that the stores know, as text: businesses, keys,
// settings, customers, wallets and, by the hash of the last one, entries.
func (r *rig) digest() string {
	r.Helper()
	var state []any
	add := func(value any, err error) {
		r.Helper()
		if err != nil {
			r.Fatalf("read the state: got error %v, want none", err)
		}
		state = append(state, value)
	}
	ctx := context.Background()
	businesses, err := r.stores.Access.Businesses(ctx)
	add(businesses, err)
	keys, err := r.stores.Access.Keys(ctx, "")
	add(keys, err)
	for _, business := range businesses {
		for _, mode := range []ledger.Mode{ledger.Test, ledger.Live} {
			tenant := ledger.Tenant{BusinessID: business.ID, Mode: mode}
			settings, err := r.stores.Access.Settings(ctx, tenant)
			add(settings, err)
			endpoints, err := r.stores.Webhooks.Endpoints(ctx, tenant)
			add(endpoints, err)
			for _, customer := range r.customers(tenant) {
				wallets, err := r.stores.Ledger.Wallets(ctx, tenant, customer.ID, time.Time{})
				for i := range wallets.Wallets {
					// The laws tie lots to entries; thousands of them would
					// make every comparison slow.
					wallets.Wallets[i].Lots = nil
				}
				add(wallets, err)
			}
		}
	}
	text, err := json.Marshal(state)
	if err != nil {
		r.Fatalf("write the state: got error %v, want none", err)
	}
	return string(text)
}

// codeIn returns the code of an error's body.
func codeIn(t testing.TB, body []byte) string {
	t.Helper()
	var problem struct{ Code string }
	if err := json.Unmarshal(body, &problem); err != nil {
		t.Errorf("got body %q, want an error: %v", body, err)
	}
	return problem.Code
}
