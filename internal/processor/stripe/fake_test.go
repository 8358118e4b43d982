package stripe_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	api "github.com/stripe/stripe-go/v85"

	"github.com/billfold/billfold/internal/processor/stripe"
)

const (
	testKey    = "sk_test_51fakeSECRETfake"
	testSecret = "whsec_fakeSECRETfake"
)

// fake is Stripe as its documents describe it, as far as the adapter uses it: what is
// declined can be confirmed again, keys give their first answer for a day, whatever it
// was, the index of searches is late, lists are not.
type fake struct {
	mu       sync.Mutex
	now      time.Time
	lag      time.Duration // of the index
	noIndex  bool          // accounts of some countries have none
	intents  []*fakeIntent
	refunds  []*fakeRefund
	sessions []*fakeSession
	keys     map[string]fakeAnswer
	events   [][]byte // that were not told yet
	eventNo  int
	effects  int
	requests []*http.Request // as they came

	// fault says what happens to a request, nil for nothing.
	fault func(r *http.Request) fault
}

// fault is what happens to a request beside being carried out.
type fault int

const (
	faultNone        fault = iota
	faultTooMany           // 429
	faultUnavailable       // 503, before anything is looked at
	faultErrorBefore       // 500, remembered under the key
	faultErrorAfter        // carried out, and 500, remembered under the key
	faultCutBefore         // the connection is cut
	faultCutAfter          // carried out, and the connection is cut
	faultConflict          // 409: another request with this key
	faultNotStripe         // a machine between us and Stripe answers
	faultNotReadable       // carried out, and the answer ends in the middle
	faultsEnd
)

// fakeIntent is a PaymentIntent.
type fakeIntent struct {
	id, customer, card, currency string
	amount, received             int64
	metadata                     map[string]string
	created                      time.Time
	status                       string
	code, decline, advice        string // of the last decline
	charge                       bool   // there was one that failed, for those codes
	errorKept                    bool   // last_payment_error is there
	confirmed                    int
	then                         string // what it becomes
	at                           time.Time
}

type fakeRefund struct {
	id, intent, status string
	amount             int64
	metadata           map[string]string
}

type fakeAnswer struct {
	at          time.Time
	fingerprint string
	status      int
	body        []byte
}

// The cards. Each stands for what happens to a payment with it.
const (
	cardOK              = "pm_ok"
	cardDeclined        = "pm_declined"      // too little money; a second confirmation would succeed
	cardLost            = "pm_lost"          // not to be tried again
	cardAuthenticate    = "pm_authenticate"  // the customer has to be there
	cardAction          = "pm_action"        // the same, said by the status
	cardProcessing      = "pm_processing"    // succeeds an hour later
	cardProcessingFails = "pm_processing_no" // is declined an hour later
	cardDetached        = "pm_detached"      // is taken from the customer after the payment was created
	cardPendingRefund   = "pm_pending"       // a refund takes a day
	cardFailedRefund    = "pm_failed_refund" // a refund fails
)

var cards = []string{
	cardOK, cardDeclined, cardLost, cardAuthenticate, cardAction, cardProcessing, cardProcessingFails, cardDetached,
	cardPendingRefund, cardFailedRefund,
}

func method(card string) string { return stripe.Method("cus_fake1", card) }

var epoch = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// open starts a fake and an adapter of it.
func open(t *testing.T) (*fake, *stripe.Adapter) {
	t.Helper()
	f := &fake{now: epoch, keys: map[string]fakeAnswer{}}
	return f, connect(t, f)
}

// connect returns an adapter of what a handler serves.
func connect(t *testing.T, h http.Handler) *stripe.Adapter {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	adapter, err := stripe.New(stripe.Config{Key: testKey, WebhookSecrets: []string{testSecret}, URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(adapter.Close)
	return adapter
}

// fails has faults happen from now on. They are called with the lock.
func (f *fake) fails(how func(*http.Request) fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = how
}

// seen is how many requests came, and how many effects they had.
func (f *fake) seen() (requests, effects int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.requests), f.effects
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = r.ParseForm()
	f.requests = append(f.requests, r)
	f.pass()
	if r.Header.Get("Authorization") != "Bearer "+testKey {
		refuse(w, 401, "invalid_request_error", "", "Invalid API Key provided: "+r.Header.Get("Authorization"))
		return
	}
	happens := faultNone
	if f.fault != nil {
		happens = f.fault(r)
	}
	switch happens {
	case faultTooMany:
		refuse(w, 429, "invalid_request_error", "rate_limit", "slow down")
	case faultUnavailable:
		refuse(w, 503, "api_error", "", "later")
	case faultConflict:
		refuse(w, 409, "idempotency_error", "idempotency_key_in_use", "another request")
	case faultNotStripe:
		w.WriteHeader(http.StatusBadGateway)
		_, _ = fmt.Fprintf(w, "<html>%s %s</html>", r.Header.Get("Authorization"), r.Form)
	case faultCutBefore:
		panic(http.ErrAbortHandler)
	default:
		f.answer(w, r, happens)
	}
}

// answer carries a request out, once for a key, and loses the answer if it is to.
func (f *fake) answer(w http.ResponseWriter, r *http.Request, happens fault) {
	key, print := r.Header.Get("Idempotency-Key"), r.Method+r.URL.Path+r.Form.Encode()
	if r.Method == http.MethodPost && key != "" {
		if first, ok := f.keys[key]; ok && f.now.Before(first.at.Add(24*time.Hour)) {
			if first.fingerprint != print {
				refuse(w, 400, "idempotency_error", "", "Keys for idempotent requests can only be used with the same parameters")
				return
			}
			if happens == faultCutAfter {
				panic(http.ErrAbortHandler)
			}
			w.Header().Set("Idempotent-Replayed", "true")
			w.WriteHeader(first.status)
			_, _ = w.Write(first.body)
			return
		}
	}
	recorder := httptest.NewRecorder()
	executed := true
	if happens == faultErrorBefore {
		refuse(recorder, 500, "api_error", "", "our fault")
	} else {
		executed = f.route(recorder, r)
	}
	if happens == faultErrorAfter {
		recorder = httptest.NewRecorder()
		refuse(recorder, 500, "api_error", "", "our fault")
	}
	if executed && r.Method == http.MethodPost && key != "" {
		f.keys[key] = fakeAnswer{f.now, print, recorder.Code, recorder.Body.Bytes()}
	}
	if happens == faultCutAfter {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Request-Id", fmt.Sprintf("req_%d", len(f.requests)))
	if happens == faultNotReadable {
		_, _ = w.Write(recorder.Body.Bytes()[:recorder.Body.Len()/2])
		return
	}
	w.WriteHeader(recorder.Code)
	_, _ = w.Write(recorder.Body.Bytes())
}

// refuse answers as Stripe does. Its texts may repeat what was sent.
func refuse(w http.ResponseWriter, status int, kind, code, message string) {
	w.Header().Set("Request-Id", "req_refused")
	w.WriteHeader(status)
	write(w, map[string]any{"error": map[string]any{"type": kind, "code": code, "message": message}})
}

func write(w http.ResponseWriter, value any) {
	if err := json.NewEncoder(w).Encode(value); err != nil {
		panic(err)
	}
}

// route carries a request out, and reports whether it went past the look at its
// parameters.
func (f *fake) route(w http.ResponseWriter, r *http.Request) (executed bool) {
	path := strings.Split(strings.TrimPrefix(r.URL.Path, "/v1/"), "/")
	switch {
	case path[0] == "refunds" && r.Method == http.MethodPost:
		return f.refund(w, r)
	case path[0] == "refunds":
		f.listRefunds(w, r)
	case path[0] == "checkout":
		return f.session(w, r, path[2:])
	case path[0] == "customers" && path[1] == "cus_fake1":
		write(w, map[string]any{"id": path[1], "object": "customer"})
	case path[0] != "payment_intents":
		refuse(w, 404, "invalid_request_error", "resource_missing", "No such thing: "+r.URL.Path)
	case len(path) == 1 && r.Method == http.MethodPost:
		return f.create(w, r)
	case len(path) == 1:
		f.list(w, r)
	case path[1] == "search":
		f.search(w, r)
	default:
		intent := f.intent(path[1])
		switch {
		case intent == nil:
			refuse(w, 404, "invalid_request_error", "resource_missing", "No such payment_intent: "+path[1])
		case len(path) == 2:
			write(w, intent.object(expands(r)))
		case path[2] == "confirm":
			return f.confirm(w, r, intent)
		default:
			return f.cancel(w, r, intent)
		}
	}
	return true
}

func expands(r *http.Request) bool {
	return slices.ContainsFunc(slices.Collect(mapValues(r.Form)), func(v string) bool { return strings.HasSuffix(v, "latest_charge") })
}

func mapValues(form url.Values) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name, values := range form {
			if strings.HasPrefix(name, "expand") && !yield(values[0]) {
				return
			}
		}
	}
}

func (f *fake) intent(id string) *fakeIntent {
	at := slices.IndexFunc(f.intents, func(i *fakeIntent) bool { return i.id == id })
	if at < 0 {
		return nil
	}
	return f.intents[at]
}

func (f *fake) create(w http.ResponseWriter, r *http.Request) (executed bool) {
	amount, err := strconv.ParseInt(r.Form.Get("amount"), 10, 64)
	switch {
	case err != nil || r.Form.Get("currency") != strings.ToLower(r.Form.Get("currency")) || r.Form.Get("confirm") != "false":
		refuse(w, 400, "invalid_request_error", "parameter_invalid", "bad parameter")
	case r.Form.Get("customer") != "cus_fake1" || !slices.Contains(cards, r.Form.Get("payment_method")):
		refuse(w, 400, "invalid_request_error", "resource_missing", "No such PaymentMethod: "+r.Form.Get("payment_method"))
	case amount < 50:
		refuse(w, 400, "invalid_request_error", "amount_too_small", "too small")
	case r.Form.Get("payment_method_types[0]") != "card":
		refuse(w, 400, "invalid_request_error", "", "a return_url is needed")
	default:
		intent := &fakeIntent{
			id: fmt.Sprintf("pi_%d", len(f.intents)+1), customer: r.Form.Get("customer"), card: r.Form.Get("payment_method"),
			currency: r.Form.Get("currency"), amount: amount, metadata: metadata(r), created: f.now,
		}
		f.intents = append(f.intents, intent)
		f.become(intent, "requires_confirmation")
		write(w, intent.object(expands(r)))
		return true
	}
	return false
}

func metadata(r *http.Request) map[string]string {
	m := map[string]string{}
	for name, values := range r.Form {
		if inner, ok := strings.CutPrefix(name, "metadata["); ok {
			m[strings.TrimSuffix(inner, "]")] = values[0]
		}
	}
	return m
}

func (f *fake) confirm(w http.ResponseWriter, r *http.Request, i *fakeIntent) (executed bool) {
	if i.status != "requires_confirmation" && i.status != "requires_payment_method" {
		refuse(w, 400, "invalid_request_error", "payment_intent_unexpected_state", "it is "+i.status)
		return false
	}
	if i.card == cardDetached {
		refuse(w, 404, "invalid_request_error", "resource_missing", "No such PaymentMethod: "+i.card)
		return false
	}
	i.confirmed++
	if r.Form.Get("off_session") == "false" { // the customer is there
		if r.Form.Get("return_url") == "" || r.Form.Get("payment_method") != i.card {
			refuse(w, 400, "invalid_request_error", "", "a return_url and a payment_method are needed")
			return false
		}
		f.become(i, "requires_action")
		write(w, i.object(expands(r)))
		return true
	}
	switch i.card {
	case cardDeclined:
		if i.confirmed > 1 {
			f.become(i, "succeeded")
			break
		}
		f.decline(i, "card_declined", "insufficient_funds", "try_again_later")
	case cardLost:
		f.decline(i, "card_declined", "generic_decline", "do_not_try_again")
	case cardAuthenticate:
		f.decline(i, "authentication_required", "authentication_required", "")
	case cardAction:
		f.become(i, "requires_action")
	case cardProcessing, cardProcessingFails:
		i.then, i.at = "succeeded", f.now.Add(time.Hour)
		if i.card == cardProcessingFails {
			i.then = "declined"
		}
		f.become(i, "processing")
	default:
		f.become(i, "succeeded")
	}
	if i.status == "requires_payment_method" {
		w.WriteHeader(http.StatusPaymentRequired)
		write(w, map[string]any{"error": map[string]any{
			"type": "card_error", "code": i.code, "decline_code": i.decline, "message": "declined", "payment_intent": i.object(false),
		}})
		return true
	}
	write(w, i.object(expands(r)))
	return true
}

func (f *fake) decline(i *fakeIntent, code, decline, advice string) {
	i.code, i.decline, i.advice, i.charge, i.errorKept = code, decline, advice, true, true
	f.become(i, "requires_payment_method")
}

func (f *fake) cancel(w http.ResponseWriter, r *http.Request, i *fakeIntent) (executed bool) {
	switch i.status {
	case "requires_payment_method", "requires_confirmation", "requires_action":
		i.errorKept = false // it is cleared by a change
		f.become(i, "canceled")
		write(w, i.object(expands(r)))
		return true
	}
	refuse(w, 400, "invalid_request_error", "payment_intent_unexpected_state", "it is "+i.status)
	return false
}

func (f *fake) search(w http.ResponseWriter, r *http.Request) {
	key, ok := strings.CutPrefix(r.Form.Get("query"), "metadata['billfold_key']:'")
	if f.noIndex || !ok {
		refuse(w, 400, "invalid_request_error", "", "no search")
		return
	}
	found := []any{}
	for _, i := range f.intents {
		if i.metadata["billfold_key"] == strings.TrimSuffix(key, "'") && !i.created.After(f.now.Add(-f.lag)) {
			old := *i
			old.status = "requires_confirmation" // the index is old
			found = append(found, old.object(false))
		}
	}
	write(w, map[string]any{"object": "search_result", "data": found, "has_more": false, "url": "/v1/payment_intents/search"})
}

// list gives two at a time, newest first, so that pages are turned.
func (f *fake) list(w http.ResponseWriter, r *http.Request) {
	since, _ := strconv.ParseInt(r.Form.Get("created[gte]"), 10, 64)
	found := []any{}
	started, more := r.Form.Get("starting_after") == "", false
	for _, i := range slices.Backward(f.intents) {
		switch {
		case !started:
			started = i.id == r.Form.Get("starting_after")
		case i.customer != r.Form.Get("customer") || i.created.Unix() < since:
		case len(found) == 2:
			more = true
		default:
			found = append(found, i.object(expands(r)))
		}
	}
	write(w, map[string]any{"object": "list", "data": found, "has_more": more, "url": "/v1/payment_intents"})
}

func (f *fake) refund(w http.ResponseWriter, r *http.Request) (executed bool) {
	i := f.intent(r.Form.Get("payment_intent"))
	if i == nil || i.status != "succeeded" {
		refuse(w, 400, "invalid_request_error", "", "it was not charged")
		return false
	}
	amount := i.received - f.returned(i.id, true)
	if amount == 0 {
		refuse(w, 400, "invalid_request_error", "charge_already_refunded", "it has gone back")
		return false
	}
	if part, err := strconv.ParseInt(r.Form.Get("amount"), 10, 64); err == nil {
		if part > amount {
			refuse(w, 400, "invalid_request_error", "", "it is more than is left of the charge")
			return false
		}
		amount = part
	}
	refund := &fakeRefund{fmt.Sprintf("re_%d", len(f.refunds)+1), i.id, "succeeded", amount, metadata(r)}
	switch {
	case i.card == cardPendingRefund:
		refund.status = "pending"
		i.then, i.at = "refunded", f.now.Add(24*time.Hour)
	case i.card == cardFailedRefund && len(f.refunds)%2 == 0:
		refund.status = "failed"
	}
	f.refunds = append(f.refunds, refund)
	f.effects++
	f.tell("refund.created", refund.object(i))
	write(w, refund.object(i))
	return true
}

// returned is how much of a payment has gone back, with or without what is under way.
func (f *fake) returned(id string, pending bool) (sum int64) {
	for _, refund := range f.refunds {
		if refund.intent == id && (refund.status == "succeeded" || pending && refund.status == "pending") {
			sum += refund.amount
		}
	}
	return sum
}

func (f *fake) listRefunds(w http.ResponseWriter, r *http.Request) {
	found := []any{}
	for _, refund := range f.refunds {
		if refund.intent == r.Form.Get("payment_intent") {
			found = append(found, refund.object(f.intent(refund.intent)))
		}
	}
	write(w, map[string]any{"object": "list", "data": found, "has_more": false, "url": "/v1/refunds"})
}

func (f *fake) become(i *fakeIntent, status string) {
	i.status = status
	if status == "succeeded" {
		i.received, i.errorKept = i.amount, false
	}
	f.effects++
	kind := map[string]string{
		"requires_confirmation": "created", "requires_payment_method": "payment_failed", "canceled": "canceled",
		"processing": "processing", "requires_action": "requires_action", "succeeded": "succeeded",
	}[status]
	f.tell("payment_intent."+kind, i.object(false))
}

// pass has happen what is due.
func (f *fake) pass() {
	for _, i := range f.intents {
		if i.then == "" || f.now.Before(i.at) {
			continue
		}
		then := i.then
		i.then = ""
		switch then {
		case "declined":
			f.decline(i, "card_declined", "do_not_honor", "")
		case "refunded":
			for _, refund := range f.refunds {
				if refund.intent == i.id && refund.status == "pending" {
					refund.status = "succeeded"
				}
			}
		default:
			f.become(i, then)
		}
	}
}

func (f *fake) tell(kind string, object any) {
	f.eventNo++
	payload, err := json.Marshal(map[string]any{
		"id": fmt.Sprintf("evt_%d", f.eventNo), "object": "event", "type": kind, "livemode": false, "api_version": api.APIVersion,
		"created": f.now.Unix(), "data": map[string]any{"object": object},
	})
	if err != nil {
		panic(err)
	}
	f.events = append(f.events, payload)
}

// told are the notifications that were not told yet.
func (f *fake) told() [][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pass()
	events := f.events
	f.events = nil
	return events
}

func (i *fakeIntent) object(expanded bool) map[string]any {
	object := map[string]any{
		"id": i.id, "object": "payment_intent", "livemode": false, "amount": i.amount, "amount_received": i.received,
		"currency": i.currency, "customer": i.customer, "payment_method": i.card, "metadata": i.metadata, "status": i.status,
		"created": i.created.Unix(), "client_secret": i.id + "_secret_x",
	}
	if i.status == "requires_action" {
		object["next_action"] = map[string]any{
			"type": "redirect_to_url", "redirect_to_url": map[string]any{"url": "https://hooks.stripe.com/3ds/" + i.id},
		}
	}
	if i.errorKept {
		object["last_payment_error"] = map[string]any{
			"type": "card_error", "code": i.code, "decline_code": i.decline,
			"payment_method": map[string]any{"id": i.card, "object": "payment_method"},
		}
	}
	if i.charge && expanded {
		object["latest_charge"] = map[string]any{
			"id": "ch_" + i.id, "object": "charge", "failure_code": i.code,
			"outcome": map[string]any{"advice_code": i.advice, "reason": i.decline, "type": "issuer_declined"},
		}
	} else if i.charge {
		object["latest_charge"] = "ch_" + i.id
	}
	return object
}

func (r *fakeRefund) object(i *fakeIntent) map[string]any {
	return map[string]any{
		"id": r.id, "object": "refund", "amount": r.amount, "currency": i.currency, "payment_intent": r.intent,
		"status": r.status, "metadata": r.metadata,
	}
}
