package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/apitest"
	"github.com/billfold/billfold/internal/httpapi"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/storetest"
)

// TestRoutesAreTheContract compares the server's table with the document, both
// ways: no route without a description, no description without a route.
func TestRoutesAreTheContract(t *testing.T) {
	t.Parallel()
	contract := apitest.Billfold(t)
	var routes []string
	public := map[string]bool{}
	for _, route := range httpapi.Routes() {
		name := route.Method + " " + route.Pattern
		routes = append(routes, name)
		public[name] = route.Public
		if write := route.Method != http.MethodGet; route.Write != write {
			t.Errorf("%s: needs a write key %t, want %t", name, route.Write, write)
		}
	}
	slices.Sort(routes)
	if diff := cmp.Diff(contract.Routes(), routes); diff != "" {
		t.Errorf("routes differ (-document +server):\n%s", diff)
	}
	for _, operation := range contract.Operations() {
		name := operation.Method + " " + operation.Path
		if open := operation.Spec.Security != nil; open != public[name] {
			t.Errorf("%s: the document says public %t, the server %t", name, open, public[name])
		}
	}
}

// TestErrorCodesAreTheContract compares the server's map of codes with the
// document. A code that no operation can give yet is not in the document.
func TestErrorCodesAreTheContract(t *testing.T) {
	t.Parallel()
	notGivenYet := map[string]bool{string(ledger.CodeLimitReached): true}
	documented := map[string]httpapi.CodeStatus{}
	for code, facts := range apitest.Billfold(t).Codes() {
		documented[code] = httpapi.CodeStatus{Status: facts.Status, Retryable: facts.Retryable}
	}
	served := httpapi.CodeStatuses()
	for code := range notGivenYet {
		if _, exists := served[code]; !exists {
			t.Errorf("code %s no longer exists", code)
		}
		delete(served, code)
	}
	if diff := cmp.Diff(documented, served); diff != "" {
		t.Errorf("codes differ (-document +server):\n%s", diff)
	}
}

// visitor provokes each declared status of an operation on one of three
// servers: a patient one whose store can be told to fail, one with a rate limit
// that is used up, and one that does not wait for slow bodies.
type visitor struct {
	*testing.T
	patient, limited, impatient *visited
}

// visited is a server with a customer who has an entry.
type visited struct {
	*rig
	store           *faultyStore
	ready           atomic.Bool
	write, read     string // keys
	customer, entry string // ids
}

// TestEveryDeclaredStatusIsMet shows that the document promises nothing that
// does not happen: it provokes every status of every operation.
func TestEveryDeclaredStatusIsMet(t *testing.T) {
	t.Parallel()
	contract, err := apitest.NewBillfold()
	if err != nil {
		t.Fatalf("load the contract: got error %v, want none", err)
	}
	v := &visitor{
		T:         t,
		patient:   newVisited(t, contract, rigOptions{}),
		impatient: newVisited(t, contract, impatient),
		limited: newVisited(t, contract, rigOptions{config: func(c *httpapi.Config) {
			c.Limits.Rate = httpapi.Rate{Requests: 3, Window: time.Hour} // newVisited uses them up
		}}),
	}
	for _, operation := range contract.Operations() {
		for _, status := range operation.Statuses() {
			v.provoke(operation, status)
		}
	}
	seen := map[string]bool{}
	for met := range contract.Seen() {
		seen[fmt.Sprint(met.OperationID, " ", met.Status)] = true
	}
	for _, operation := range contract.Operations() {
		for _, status := range operation.Statuses() {
			if !seen[fmt.Sprint(operation.ID, " ", status)] {
				t.Errorf("%s: status %d is declared and was not met", operation.ID, status)
			}
		}
	}
}

func newVisited(t *testing.T, contract *apitest.Contract, options rigOptions) *visited {
	t.Helper()
	model := storetest.NewModel()
	v := &visited{store: &faultyStore{Store: model}}
	v.ready.Store(true)
	limit := options.config
	options.contract = contract
	options.config = func(c *httpapi.Config) {
		c.Ready = func(context.Context) error {
			if v.ready.Load() {
				return nil
			}
			return errors.New(canarySecret)
		}
		if limit != nil {
			limit(c)
		}
	}
	v.rig = newRig(t, storetest.Stores{Ledger: v.store, Access: faultyAccess{Store: model, ledger: v.store}}, options)
	shop := v.business("Shop")
	v.write = shop.TestKey
	_, v.read = v.key(ledger.Tenant{BusinessID: shop.Business.ID, Mode: ledger.Test}, access.Read, time.Time{})
	v.customer = v.rig.customer(v.write, "jane")
	v.must(200, v.write, "POST", entriesOf(v.customer), `{"amount":5,"currency":"USD","entry_type":"credit","idempotency_key":"first"}`)
	items := v.must(200, v.write, "GET", entriesOf(v.customer), "")["items"].([]any)
	v.entry = items[0].(map[string]any)["id"].(string)
	return v
}

// path fills the ids of the server's customer and entry into a path.
func (v *visited) path(operation *apitest.Operation) string {
	return strings.NewReplacer("{customer_id}", v.customer, "{entry_id}", v.entry, "{currency}", "USD").Replace(operation.Path)
}

// body is one that the operation accepts, empty when it takes none.
func (v *visited) body(operation *apitest.Operation) string {
	if operation.Request == nil {
		return ""
	}
	return jsonObject(validBodies[kindOf(operation.Method+" "+operation.Path)])
}

// provoke makes an operation answer with a status.
func (v *visitor) provoke(operation *apitest.Operation, status int) {
	v.Helper()
	at, key := v.patient, v.patient.write
	path, body := at.path(operation), at.body(operation)
	var headers []string
	switch status {
	case http.StatusOK:
	case http.StatusBadRequest:
		body = `{"amount":999,"currency":"INR","entry_type":"debit"}`
	case http.StatusUnauthorized:
		key = ""
	case http.StatusForbidden:
		key = at.read
	case http.StatusNotFound:
		path = strings.Replace(path, at.customer, "cus_TV52uJWWXt2yIoBBxpjaa", 1)
	case http.StatusRequestTimeout:
		v.impatient.dawdle(operation)
		return
	case http.StatusConflict:
		body = `{"amount":5,"currency":"USD","entry_type":"credit","idempotency_key":"first"}`
	case http.StatusPreconditionFailed:
		body = `{"amount":5,"currency":"USD","entry_type":"credit","if_seq":999}`
	case http.StatusRequestEntityTooLarge:
		body += strings.Repeat(" ", httpapi.BodyMaxDefault)
	case http.StatusUnsupportedMediaType:
		headers = []string{"Content-Encoding", "gzip"}
	case http.StatusUnprocessableEntity:
		path += "?surely_unknown=1"
	case http.StatusTooManyRequests:
		at, key, path = v.limited, v.limited.write, v.limited.path(operation)
	case http.StatusInternalServerError:
		at.fails(errors.New(canarySecret))
	case http.StatusServiceUnavailable:
		at.fails(ledger.Errorf(ledger.CodeStorageUnavailable, "away"))
		defer at.api.HoldScrapes()()
	}
	if got, _, answer := at.do(key, operation.Method, path, body, headers...); got != status {
		v.Errorf("%s: got status %d: %s, want %d", operation.ID, got, answer, status)
	}
	at.store.mend()
	at.ready.Store(true)
}

// fails makes everything that the server asks of its store fail.
func (v *visited) fails(err error) {
	v.store.breakDown(err)
	v.ready.Store(false)
}

// dawdle begins a request and does not end it.
func (v *visited) dawdle(operation *apitest.Operation) {
	v.Helper()
	conn, err := net.Dial("tcp", v.addr)
	if err != nil {
		v.Fatalf("dial: got error %v, want none", err)
	}
	defer conn.Close()
	route := operation.Method + " " + v.path(operation)
	fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 9\r\n\r\n{", route, v.write)
	v.expect(conn, route, http.StatusRequestTimeout, "REQUEST_TIMEOUT")
}

// TestOptions asks every path what it serves.
func TestOptions(t *testing.T) {
	t.Parallel()
	r := newRig(t, storeKinds()["model"](t), rigOptions{})
	key := r.business("Shop").TestKey
	for _, operation := range r.contracts[0].Operations() {
		path := strings.NewReplacer("{customer_id}", "cus_TV52uJWWXt2yIoBBxpjaa", "{entry_id}", "cwt_TV52uJWWXt2yIoBBxpjaa", "{currency}", "USD").Replace(operation.Path)
		for _, key := range []string{key, ""} {
			// The client compares Allow with the document.
			if status, _, body := r.do(key, "OPTIONS", path, ""); status != http.StatusNoContent || len(body) > 0 {
				t.Errorf("OPTIONS %s: got %d %s, want 204 without a body", path, status, body)
			}
			if operation.Method != http.MethodGet {
				continue
			}
			get, _, _ := r.do(key, "GET", path, "")
			head, _, body := r.do(key, "HEAD", path, "")
			if head != get || len(body) > 0 {
				t.Errorf("HEAD %s: got %d %q, want %d as GET has, without a body", path, head, body, get)
			}
		}
	}
}
