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
		write := route.Method != http.MethodGet || strings.HasSuffix(route.Pattern, "/secret")
		if route.Write != write {
			t.Errorf("%s: needs a write key %t, want %t", name, route.Write, write)
		}
	}
	slices.Sort(routes)
	if diff := cmp.Diff(contract.Routes(), routes); diff != "" {
		t.Errorf("routes differ (-document +server):\n%s", diff)
	}
	for _, operation := range contract.Operations() {
		name := operation.Method + " " + operation.Path
		if open := operation.Open(); open != public[name] {
			t.Errorf("%s: the document says public %t, the server %t", name, open, public[name])
		}
	}
}

// TestErrorCodesAreTheContract compares the server's map of codes with the
// document.
func TestErrorCodesAreTheContract(t *testing.T) {
	t.Parallel()
	documented := map[string]httpapi.CodeStatus{}
	for code, facts := range apitest.Billfold(t).Codes() {
		documented[code] = httpapi.CodeStatus{Status: facts.Status, Retryable: facts.Retryable}
	}
	served := httpapi.CodeStatuses()
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
	friend          string // a customer to send money to
	transfer        string
	hold, finished  string // holds, the second of them released
	webhook, event  string // an endpoint, and what is to be sent to it
	product, gone   string // products, the second of them archived
	moved           string // a lot of which the expiry was moved
	method          string // a payment method
	payment         string // that is waiting for a payment method
	invoice         string // the same
	paid            string // a payment that was made
	refund          string
	session         string // a token of the customer
	plan            string // a product that is subscribed to
	subscription    string // to it
	charged         string // one on demand
	used            string // a payment method of the second
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
			c.Limits.Rate = httpapi.Rate{Requests: 29, Window: time.Hour} // newVisited uses them up
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
	v.rig = newRig(t, storetest.Stores{
		Ledger: v.store, Access: faultyAccess{Store: model, ledger: v.store},
		Products: faultyProducts{Store: model, ledger: v.store}, Webhooks: faultyWebhooks{Store: model, ledger: v.store},
	}, options)
	shop := v.business("Shop")
	v.write = shop.TestKey
	_, v.read = v.key(ledger.Tenant{BusinessID: shop.Business.ID, Mode: ledger.Test}, access.Read, time.Time{})
	v.customer = v.rig.customer(v.write, "jane")
	v.must(200, v.write, "POST", entriesOf(v.customer), `{"amount":5,"currency":"USD","entry_type":"credit","idempotency_key":"first"}`)
	v.must(200, v.write, "POST", entriesOf(v.customer), `{"amount":900,"currency":"USD","entry_type":"credit"}`)
	debit := v.must(200, v.write, "POST", entriesOf(v.customer), `{"amount":900,"currency":"USD","entry_type":"debit"}`)
	v.entry = debit["ledger_entry_id"].(string)
	v.must(200, v.write, "POST", entriesOf(v.customer)+"/"+v.entry+"/reverse", `{"amount":1,"idempotency_key":"undone"}`)
	v.friend = v.rig.customer(v.write, "joe")
	moved := v.must(200, v.write, "POST", transfersOf(v.customer), v.sending(`"amount":1,"currency":"USD","idempotency_key":"moved"`))
	v.transfer = moved["transfer"].(map[string]any)["transfer_id"].(string)
	v.hold = v.holding(`"amount":2,"currency":"USD",` + heldUntil + `,"idempotency_key":"held"`)
	v.must(200, v.write, "POST", holdsOf(v.customer)+"/"+v.hold+"/capture", `{"amount":1,"idempotency_key":"captured"}`)
	v.finished = v.holding(`"amount":1,"currency":"USD",` + heldUntil)
	v.must(200, v.write, "POST", holdsOf(v.customer)+"/"+v.finished+"/release", `{"idempotency_key":"released"}`)
	v.webhook, v.event = v.rig.webhook(v.write, v.customer)
	v.product, v.gone = v.rig.product(v.write), v.rig.product(v.write)
	v.do(v.write, "DELETE", "/products/"+v.gone, "")
	v.moved = v.lot(v.write, v.customer)
	v.must(200, v.write, "PATCH", "/customers/"+v.customer+"/wallets/USD/lots/"+v.moved, v.repeatedBody("M"))
	v.method = v.must(200, v.write, "POST", methodsOf(v.customer), `{"token":"pm_sandbox_ok","recurring_enabled":false}`)["payment_method_id"].(string)
	v.payment, v.invoice = v.rig.payment(v.write, v.friend, v.product)
	byCard := paymentBody(v.friend, v.product, `,"payment_method_id":"pm_sandbox_ok"`)
	v.paid = v.must(200, v.write, "POST", "/payments", byCard)["payment_id"].(string)
	refund := v.must(200, v.write, "POST", "/refunds", `{"payment_id":"`+v.paid+`","amount":1,"destination":"wallet"}`)
	v.refund = refund["refund_id"].(string)
	v.session = v.rig.session(v.write, v.customer)
	v.plan = v.rig.plan(v.write)
	v.subscription = v.rig.subscribe(v.write, v.friend, v.plan, `,"payment_method_id":"pm_sandbox_ok"`)
	v.used = v.must(200, v.write, "POST", methodsOf(v.customer), `{"token":"pm_sandbox_ok"}`)["payment_method_id"].(string)
	v.charged = v.rig.subscribe(v.write, v.customer, v.plan, mandateOnly+`,"payment_method_id":"`+v.used+`"`)
	return v
}

// session lets a customer into the portal, and returns the token.
func (r *rig) session(key, customer string) string {
	r.Helper()
	link := r.must(http.StatusOK, key, "POST", "/customers/"+customer+"/customer-portal/session", "")["link"].(string)
	return link[strings.LastIndexByte(link, '/')+1:]
}

// admitted is what an operation is asked with.
func (v *visited) admitted(operation *apitest.Operation) string {
	if strings.HasPrefix(operation.Path, "/customer-portal/") {
		return v.session
	}
	return v.write
}

// product makes a product.
func (r *rig) product(key string) string {
	r.Helper()
	return r.must(200, key, "POST", "/products", jsonObject(validBodies["G"]))["product_id"].(string)
}

// webhook makes an endpoint that an event of a customer is to be sent to. A change
// queues what has happened before it.
func (r *rig) webhook(key, customer string) (id, eventID string) {
	r.Helper()
	made := r.must(200, key, "POST", "/webhooks", `{"url":"https://example.com/hook","filter_types":["wallet.credited"]}`)
	id = made["id"].(string)
	r.must(200, key, "POST", entriesOf(customer), `{"amount":1,"currency":"USD","entry_type":"credit"}`)
	r.must(200, key, "PATCH", "/webhooks/"+id, `{}`)
	queued := r.must(200, key, "GET", "/webhooks/"+id+"/deliveries", "")["items"].([]any)
	return id, queued[0].(map[string]any)["event_id"].(string)
}

// holding makes a hold of the customer's money and returns its id.
func (v *visited) holding(members string) string {
	v.Helper()
	made := v.must(200, v.write, "POST", holdsOf(v.customer), "{"+members+"}")
	return made["hold"].(map[string]any)["hold_id"].(string)
}

func holdsOf(customer string) string { return "/customers/" + customer + "/wallets/holds" }

// sending is the body of a transfer to the friend.
func (v *visited) sending(members string) string {
	return `{"to_customer_id":"` + v.friend + `",` + members + `}`
}

func transfersOf(customer string) string { return "/customers/" + customer + "/wallets/transfers" }

// path fills the ids of the server's customer and entry into a path, and adds the
// parameters without which the operation refuses.
func (v *visited) path(operation *apitest.Operation) string {
	subscription := v.subscription
	if operation.ID == "create_subscription_charge" {
		subscription = v.charged
	}
	return strings.NewReplacer("{subscription_id}", subscription, "{customer_id}", v.customer, "{entry_id}", v.entry, "{transfer_id}", v.transfer, "{hold_id}", v.hold,
		"{id}", v.product, "{webhook_id}", v.webhook, "{event_id}", v.event, "{currency}", "USD", "{lot_seq}", v.moved,
		"{payment_method_id}", v.method, "{payment_id}", v.payment, "{invoice_id}", v.invoice, "{refund_id}", v.refund).Replace(operation.Path) +
		requiredQuery(operation.Method+" "+operation.Path)
}

// requiredQuery is a query with the parameters that a route cannot do without.
func requiredQuery(route string) string {
	return map[string]string{
		"GET /customers/{customer_id}/wallets/{currency}/history":   "?from=2026-03-01&to=2026-03-02",
		"GET /customers/{customer_id}/wallets/{currency}/statement": "?from=2026-03-01&to=2026-03-02",
	}[route]
}

// body is one that the operation accepts, empty when it takes none.
func (v *visited) body(operation *apitest.Operation) string {
	if operation.Request == nil {
		return ""
	}
	if body := map[string]string{
		"create_subscription":                subscribeBody(v.customer, v.plan, `,"payment_method_id":"pm_sandbox_ok"`),
		"patch_subscription":                 `{"metadata":{"a":1}}`,
		"create_subscription_charge":         `{"product_price":500}`,
		"change_subscription_plan":           planBody(v.plan, ""),
		"preview_subscription_plan":          planBody(v.plan, ""),
		"update_subscription_payment_method": `{"type":"existing","payment_method_id":"pm_sandbox_ok"}`,
	}[operation.ID]; body != "" {
		return body
	}
	body := jsonObject(validBodies[kindOf(operation.Method+" "+operation.Path)])
	return strings.NewReplacer("«cus»", v.customer, "«friend»", v.friend, "«thing»", v.product, "«paid»", v.paid).Replace(body)
}

// line is an atomic bulk of one entry, for which the whole of it is refused.
func (v *visited) line(customer, members string) string {
	return `{"atomic":true,"entries":[{"customer_id":"` + customer + `",` + members + `]}`
}

const heldUntil = `"expires_at":"2026-12-01T00:00:00Z"`

// refusedBody asks for more than there is, or under a condition that does not hold.
func (v *visited) refusedBody(kind string, status int) string {
	members := `"amount":999,"currency":"INR"`
	if status == http.StatusPreconditionFailed {
		members = `"amount":5,"currency":"USD","if_seq":999`
	}
	switch kind {
	case "H":
		return "{" + members + "," + heldUntil + "}"
	case "K":
		return v.line(v.customer, members+`,"entry_type":"debit"}`)
	case "R":
		return `{"if_seq":999}`
	case "S":
		return `{"payment_id":"` + v.paid + `","amount":5000}`
	case "T":
		return v.sending(members)
	}
	return "{" + members + `,"entry_type":"debit"}`
}

// repeatedBody is a request that was made under its key before.
func (v *visited) repeatedBody(kind string) string {
	switch kind {
	case "E":
		return `{"idempotency_key":"released"}`
	case "H":
		return `{"amount":2,"currency":"USD",` + heldUntil + `,"idempotency_key":"held"}`
	case "M":
		return `{"expires_at":"2026-12-01T00:00:00Z","idempotency_key":"extended"}`
	case "N":
		return `{"amount":1,"idempotency_key":"captured"}`
	case "R":
		return `{"amount":1,"idempotency_key":"undone"}`
	case "T":
		return v.sending(`"amount":1,"currency":"USD","idempotency_key":"moved"`)
	}
	return `{"amount":5,"currency":"USD","entry_type":"credit","idempotency_key":"first"}`
}

// ruled gives a wallet the rule that an operation is about, which others take away.
func (v *visited) ruled(path string, status int) {
	if strings.HasSuffix(path, "/auto-top-up") && status < 300 {
		v.rig.must(200, v.write, "PUT", path, autoTopUpBody)
	}
}

// scheduled has a change of plan wait, where an operation takes it back or is refused for
// it, and returns what ends that.
func (v *visited) scheduled(operation *apitest.Operation, status int) (end func()) {
	change := "/subscriptions/" + v.subscription + "/change-plan"
	plans := operation.ID == "change_subscription_plan" || operation.ID == "preview_subscription_plan"
	takesBack := operation.ID == "cancel_scheduled_plan_change" && status == http.StatusNoContent
	if takesBack || plans && status == http.StatusConflict {
		v.do(v.write, "POST", change, planBody(v.plan, atNext))
	}
	if takesBack || !plans || status != http.StatusConflict {
		return func() {}
	}
	return func() { v.do(v.write, "DELETE", change+"/scheduled", "") }
}

// ended gives what an operation ends another object than the one that others need.
func (v *visited) ended(operation *apitest.Operation, kind, path string) string {
	switch {
	case kind == "N" || kind == "E":
		return strings.Replace(path, v.hold, v.holding(`"amount":1,"currency":"USD",`+heldUntil), 1)
	case operation.ID == "void_invoice":
		_, another := v.rig.payment(v.write, v.friend, v.product)
		return strings.Replace(path, v.invoice, another, 1)
	case operation.ID == "delete_webhook":
		another, _ := v.rig.webhook(v.write, v.customer)
		return strings.Replace(path, v.webhook, another, 1)
	case operation.ID == "delete_product":
		return strings.Replace(path, v.product, v.rig.product(v.write), 1)
	case kind == "M":
		return strings.TrimSuffix(path, v.moved) + v.lot(v.write, v.customer)
	}
	return path
}

// provoke makes an operation answer with a status.
func (v *visitor) provoke(operation *apitest.Operation, status int) {
	v.Helper()
	at, key := v.patient, v.patient.admitted(operation)
	path, body := at.path(operation), at.body(operation)
	kind := kindOf(operation.Method + " " + operation.Path)
	var headers []string
	at.ruled(path, status)
	defer at.scheduled(operation, status)()
	switch status {
	case http.StatusOK:
		path = at.ended(operation, kind, path)
	case http.StatusBadRequest, http.StatusPreconditionFailed:
		body = at.refusedBody(kind, status)
	case http.StatusUnauthorized:
		key = ""
	case http.StatusForbidden:
		key = at.read
	case http.StatusNotFound:
		path = at.unknown().Replace(path)
		body = strings.NewReplacer(at.customer, "cus_TV52uJWWXt2yIoBBxpjaa", at.paid, "pay_TV52uJWWXt2yIoBBxpjaa").Replace(body)
	case http.StatusGone:
		path = strings.Replace(path, at.product, at.gone, 1)
		body = strings.NewReplacer(at.product, at.gone, at.plan, at.gone).Replace(body)
	case http.StatusRequestTimeout:
		v.impatient.dawdle(operation)
		return
	case http.StatusConflict:
		if !strings.Contains(path, "/change-plan") {
			body = at.repeatedBody(kind)
		}
		if operation.ID == "delete_customer_payment_method" {
			path, body = strings.Replace(path, at.method, at.used, 1), ""
		}
		if kind == "E" {
			path = strings.Replace(path, at.hold, at.finished, 1)
		}
	case http.StatusRequestEntityTooLarge:
		body += strings.Repeat(" ", httpapi.BodyMaxDefault+1)
		if kind == "K" {
			body += strings.Repeat(" ", 32<<20)
		}
	case http.StatusUnsupportedMediaType:
		headers = []string{"Content-Encoding", "gzip"}
	case http.StatusUnprocessableEntity:
		path = strings.Split(path, "?")[0] + "?surely_unknown=1"
	case http.StatusTooManyRequests:
		at = v.limited
		key, path = at.usedUp(operation)
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

// usedUp is what an operation is asked with of which no more requests are left.
func (v *visited) usedUp(operation *apitest.Operation) (key, path string) {
	key, path = v.admitted(operation), v.path(operation)
	for range 29 {
		if key == v.session { // of which nothing was used yet
			v.do(key, operation.Method, path, "")
		}
	}
	return key, path
}

// unknown replaces the ids of objects by those of none.
func (v *visited) unknown() *strings.Replacer {
	return strings.NewReplacer(v.customer, "cus_TV52uJWWXt2yIoBBxpjaa", v.webhook, "whk_TV52uJWWXt2yIoBBxpjaa",
		v.product, "pdt_TV52uJWWXt2yIoBBxpjaa", v.payment, "pay_TV52uJWWXt2yIoBBxpjaa", v.invoice, "inv_TV52uJWWXt2yIoBBxpjaa",
		v.refund, "ref_TV52uJWWXt2yIoBBxpjaa", v.subscription, "sub_TV52uJWWXt2yIoBBxpjaa", v.charged, "sub_TV52uJWWXt2yIoBBxpjaa")
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
		path := strings.NewReplacer("{customer_id}", "cus_TV52uJWWXt2yIoBBxpjaa", "{entry_id}", "cwt_TV52uJWWXt2yIoBBxpjaa", "{transfer_id}", "trf_TV52uJWWXt2yIoBBxpjaa", "{hold_id}", "hld_TV52uJWWXt2yIoBBxpjaa",
			"{id}", "pdt_TV52uJWWXt2yIoBBxpjaa", "{webhook_id}", "whk_TV52uJWWXt2yIoBBxpjaa", "{event_id}", "evt_cwt_TV52uJWWXt2yIoBBxpjaa", "{currency}", "USD", "{lot_seq}", "1",
			"{payment_method_id}", "pm_TV52uJWWXt2yIoBBxpjaa", "{payment_id}", "pay_TV52uJWWXt2yIoBBxpjaa", "{invoice_id}", "inv_TV52uJWWXt2yIoBBxpjaa", "{refund_id}", "ref_TV52uJWWXt2yIoBBxpjaa", "{subscription_id}", "sub_TV52uJWWXt2yIoBBxpjaa").Replace(operation.Path)
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
