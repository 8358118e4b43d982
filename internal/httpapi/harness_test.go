package httpapi_test

import (
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/httpapi"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/storetest"
	"github.com/billfold/billfold/internal/webhook"
)

// start is when the tests of this package begin.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// house is the API on a store, called without a network, with a clock that the
// test holds and one business.
type house struct {
	testing.TB
	model     *storetest.Model
	clock     *storetest.Clock
	book      *ledger.Book
	directory *access.Directory
	webhooks  *webhook.Endpoints
	api       *httpapi.Server
	business  access.CreatedBusiness
}

func newHouse(t testing.TB, change ...func(*httpapi.Config)) *house {
	t.Helper()
	h := &house{TB: t, model: storetest.NewModel(), clock: storetest.NewClock(start)}
	h.book = ledger.NewBook(h.model, h.clock.Now, rand.Uint64)
	h.directory = access.NewDirectory(h.model, access.Options{Now: h.clock.Now})
	h.webhooks = newWebhooks(h.model, h.clock.Now)
	config := httpapi.Config{
		Book: h.book, Directory: h.directory, Products: h.model, Inbox: h.model, Webhooks: h.webhooks, Now: h.clock.Now, BootID: "boot", Version: "1.2.3",
		Secret: []byte("a secret of the tests, long enough"),
	}
	for _, c := range change {
		c(&config)
	}
	var err error
	if h.api, err = httpapi.New(config); err != nil {
		t.Fatalf("make the API: got error %v, want none", err)
	}
	h.business = h.newBusiness("Acme")
	return h
}

func newWebhooks(store webhook.Store, now func() time.Time) *webhook.Endpoints {
	return webhook.NewEndpoints(store, webhook.NewGuard(false), httpapi.EventBody, now, rand.Uint64)
}

func (h *house) newBusiness(name string) access.CreatedBusiness {
	h.Helper()
	made, err := h.directory.CreateBusiness(context.Background(), access.NewBusiness{Name: name})
	if err != nil {
		h.Fatalf("create business: got error %v, want none", err)
	}
	return made
}

// request is one request of a test. Without a key it is sent with the test key
// of the house's business; "-" sends none.
type request struct {
	method, path, body string
	key                string
	headers            map[string]string
	remote             string // address of the caller
}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	body   string
}

func (h *house) send(r request) reply {
	h.Helper()
	return sendTo(h.api, r, h.business.TestKey)
}

func sendTo(handler http.Handler, r request, defaultKey string) reply {
	var body io.Reader
	if r.body != "" {
		body = strings.NewReader(r.body)
	}
	sent := httptest.NewRequest(r.method, "http://billfold.test"+r.path, body)
	switch r.key {
	case "":
		sent.Header.Set("Authorization", "Bearer "+defaultKey)
	case "-":
	default:
		sent.Header.Set("Authorization", "Bearer "+r.key)
	}
	if r.remote != "" {
		sent.RemoteAddr = r.remote
	}
	for name, value := range r.headers {
		sent.Header.Set(name, value)
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, sent)
	return reply{status: recorder.Code, header: recorder.Result().Header, body: recorder.Body.String()}
}

// want fails the test unless the reply has a status, and returns its body.
func (r reply) want(t testing.TB, status int) document {
	t.Helper()
	if r.status != status {
		t.Fatalf("got status %d with %s, want %d", r.status, r.body, status)
	}
	return r.document(t)
}

// refused fails the test unless the reply is an error with a status and code.
func (r reply) refused(t testing.TB, status int, code ledger.Code) document {
	t.Helper()
	got := r.want(t, status)
	if got["code"] != string(code) {
		t.Fatalf("got code %v in %s, want %s", got["code"], r.body, code)
	}
	return got
}

// document is a decoded JSON object.
type document map[string]any

func (r reply) document(t testing.TB) document {
	t.Helper()
	var d document
	if err := json.Unmarshal([]byte(r.body), &d); err != nil {
		t.Fatalf("decode %q: got error %v, want none", r.body, err)
	}
	return d
}

func (d document) items() []document {
	var list []document
	for _, item := range d["items"].([]any) {
		list = append(list, item.(map[string]any))
	}
	return list
}

// number returns an integer of the document.
func (d document) number(name string) int64 {
	value, ok := d[name].(float64)
	if !ok {
		return -1
	}
	return int64(value)
}

// newCustomer makes a customer and returns its id.
func (h *house) newCustomer() string {
	h.Helper()
	made := h.send(request{method: "POST", path: "/customers", body: `{"email":"jane@example.com","name":"Jane Doe"}`})
	return made.want(h, http.StatusOK)["customer_id"].(string)
}

// entriesPath is the path of a customer's entries.
func entriesPath(customer string) string { return "/customers/" + customer + "/wallets/ledger-entries" }

// credit puts money into a customer's USD wallet.
func (h *house) credit(customer string, amount string) {
	h.Helper()
	h.send(request{
		method: "POST", path: entriesPath(customer),
		body: `{"amount":` + amount + `,"currency":"USD","entry_type":"credit"}`,
	}).want(h, http.StatusOK)
}

// newKey makes a test key of the house's business and returns its text.
func (h *house) newKey(name string, scope access.Scope) string {
	h.Helper()
	_, text, err := h.directory.CreateKey(context.Background(), access.NewKey{
		Tenant: ledger.Tenant{BusinessID: h.business.Business.ID, Mode: ledger.Test}, Name: name, Scope: scope,
	})
	if err != nil {
		h.Fatalf("create key: got error %v, want none", err)
	}
	return text
}

// brokenStore fails every command with an error.
type brokenStore struct {
	ledger.Store
	err error
}

func (s *brokenStore) Transact(context.Context, ledger.Scope, ledger.Decide) (ledger.Change, error) {
	return ledger.Change{}, s.err
}

func (s *brokenStore) TransactMany(_ context.Context, commands []ledger.Command, _ bool) ([]ledger.Outcome, error) {
	outcomes := make([]ledger.Outcome, len(commands))
	for i := range outcomes {
		outcomes[i].Err = s.err
	}
	return outcomes, nil
}

func (s *brokenStore) Customer(context.Context, ledger.Tenant, string) (ledger.Customer, error) {
	return ledger.Customer{}, s.err
}

// breakStore makes everything that the ledger is asked from now on fail.
func (h *house) breakStore(err error) {
	h.Helper()
	api, buildErr := httpapi.New(httpapi.Config{
		Book:      ledger.NewBook(&brokenStore{Store: h.model, err: err}, h.clock.Now, rand.Uint64),
		Directory: h.directory, Products: h.model, Inbox: h.model, Webhooks: h.webhooks, Now: h.clock.Now,
	})
	if buildErr != nil {
		h.Fatalf("make the API: got error %v, want none", buildErr)
	}
	h.api = api
}
