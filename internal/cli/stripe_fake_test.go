package cli

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeStripe is as much of Stripe as a server needs to charge saved cards.
type fakeStripe struct {
	mu      sync.Mutex
	accepts string // the key that is right
	hangs   bool   // nobody answers
	another bool   // the key is that of another account, which has nothing
	loses   string // the next request to a path that ends so is carried out, and its answer lost
	ill     bool   // since then: nothing is carried out, and nobody learns what became of it
	objects map[string]map[string]any
	keys    map[string]string // ids by Idempotency-Key
	order   []string
	moved
}

// moved is what cards were charged, and what went back to them.
type moved struct{ charged, back int64 }

func newFakeStripe(t *testing.T) (*fakeStripe, string) {
	t.Helper()
	f := &fakeStripe{accepts: stripeKey, objects: map[string]map[string]any{}, keys: map[string]string{}}
	for _, card := range []string{"ok", "declined", "action"} {
		f.objects["pm_card_"+card] = map[string]any{
			"id": "pm_card_" + card, "object": "payment_method", "livemode": false, "customer": nil,
			"card": map[string]any{"brand": "visa", "country": "US", "exp_month": 7, "exp_year": 2031, "funding": "credit", "last4": "4242"},
		}
	}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return f, server.URL
}

func (f *fakeStripe) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = r.ParseForm()
	if r.Header.Get("Authorization") != "Bearer "+f.accepts {
		answerStripe(w, http.StatusUnauthorized, stripeError("invalid_request_error", ""))
		return
	}
	if f.hangs {
		f.mu.Unlock()
		<-r.Context().Done()
		f.mu.Lock()
		return
	}
	if id := f.keys[r.Header.Get("Idempotency-Key")]; id != "" && r.Method == http.MethodPost {
		w.Header().Set("Idempotent-Replayed", "true")
		answerStripe(w, http.StatusOK, f.objects[id])
		return
	}
	if f.ill {
		answerStripe(w, http.StatusInternalServerError, stripeError("api_error", ""))
		return
	}
	if f.another {
		answerStripe(w, http.StatusNotFound, stripeError("invalid_request_error", "resource_missing"))
		return
	}
	status, object := f.route(r, strings.Split(strings.TrimPrefix(r.URL.Path, "/v1/"), "/"))
	if id, _ := object["id"].(string); id != "" && r.Method == http.MethodPost {
		f.keys[r.Header.Get("Idempotency-Key")] = id
	}
	if f.loses != "" && r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, f.loses) {
		f.loses, f.ill = "", true
		panic(http.ErrAbortHandler)
	}
	answerStripe(w, status, object)
}

func answerStripe(w http.ResponseWriter, status int, object map[string]any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(object)
}

func stripeError(kind, code string) map[string]any {
	return map[string]any{"error": map[string]any{"type": kind, "code": code, "message": "no " + stripeKey}}
}

func (f *fakeStripe) made(prefix string, object map[string]any) map[string]any {
	id := prefix + "_fake" + strconv.Itoa(len(f.order)+1)
	object["id"], object["livemode"], object["created"] = id, false, time.Now().Unix()
	f.objects[id], f.order = object, append(f.order, id)
	return object
}

func stripeMetadata(r *http.Request) map[string]string {
	found := map[string]string{}
	for name, values := range r.Form {
		if inner, ok := strings.CutPrefix(name, "metadata["); ok {
			found[strings.TrimSuffix(inner, "]")] = values[0]
		}
	}
	return found
}

func (f *fakeStripe) route(r *http.Request, path []string) (int, map[string]any) {
	missing := stripeError("invalid_request_error", "resource_missing")
	amount, _ := strconv.ParseInt(r.Form.Get("amount"), 10, 64)
	switch {
	case path[0] == "customers" && r.Method == http.MethodPost:
		return http.StatusOK, f.made("cus", map[string]any{"metadata": stripeMetadata(r)})
	case path[0] == "checkout":
		return f.session(r, path)
	case path[0] == "payment_intents" && len(path) == 1 && r.Method == http.MethodPost:
		card := f.objects[r.Form.Get("payment_method")]
		if card == nil || card["customer"] != r.Form.Get("customer") {
			return http.StatusBadRequest, missing
		}
		return http.StatusOK, f.made("pi", map[string]any{
			"object": "payment_intent", "amount": amount, "amount_received": 0, "currency": r.Form.Get("currency"),
			"payment_method": r.Form.Get("payment_method"), "metadata": stripeMetadata(r), "status": "requires_confirmation",
		})
	case path[0] == "refunds" && r.Method == http.MethodPost:
		return http.StatusOK, f.refund(r.Form.Get("payment_intent"), amount, stripeMetadata(r))
	case path[0] == "refunds":
		list := []any{}
		for _, id := range f.order {
			if o := f.objects[id]; o["payment_intent"] == r.Form.Get("payment_intent") {
				list = append(list, o)
			}
		}
		return http.StatusOK, map[string]any{"object": "list", "data": list, "has_more": false, "url": "/v1/refunds"}
	}
	object := f.objects[path[min(1, len(path)-1)]]
	switch {
	case object == nil:
		return http.StatusNotFound, missing
	case len(path) == 3 && path[2] == "attach":
		object["customer"] = r.Form.Get("customer")
	case len(path) == 3 && path[2] == "confirm":
		return f.confirm(object)
	case len(path) == 3 && path[2] == "cancel" && object["status"] == "succeeded":
		return http.StatusBadRequest, stripeError("invalid_request_error", "payment_intent_unexpected_state")
	case len(path) == 3 && path[2] == "cancel":
		object["status"] = "canceled"
	}
	return http.StatusOK, object
}

func (f *fakeStripe) confirm(intent map[string]any) (int, map[string]any) {
	if intent["status"] != "requires_confirmation" {
		return http.StatusBadRequest, stripeError("invalid_request_error", "payment_intent_unexpected_state")
	}
	switch intent["payment_method"] {
	case "pm_card_declined":
		intent["status"] = "requires_payment_method"
		intent["last_payment_error"] = map[string]any{"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds"}
		return http.StatusPaymentRequired, stripeError("card_error", "card_declined")
	case "pm_card_action":
		intent["status"] = "requires_action"
	default:
		f.succeed(intent)
	}
	return http.StatusOK, intent
}

func (f *fakeStripe) succeed(intent map[string]any) {
	intent["status"], intent["amount_received"] = "succeeded", intent["amount"]
	f.charged += intent["amount"].(int64)
}

func (f *fakeStripe) refund(intent string, amount int64, metadata map[string]string) map[string]any {
	if amount == 0 { // all of it
		amount = f.objects[intent]["amount_received"].(int64)
	}
	f.back += amount
	return f.made("re", map[string]any{
		"object": "refund", "amount": amount, "currency": f.objects[intent]["currency"], "payment_intent": intent, "status": "succeeded",
		"metadata": metadata,
	})
}

// last is the newest object whose id begins so.
func (f *fakeStripe) last(prefix string) map[string]any {
	for i := len(f.order) - 1; i >= 0; i-- {
		if strings.HasPrefix(f.order[i], prefix) {
			return f.objects[f.order[i]]
		}
	}
	return nil
}

// session makes or shows a session of Stripe's own page.
func (f *fakeStripe) session(r *http.Request, path []string) (int, map[string]any) {
	if r.Method == http.MethodPost {
		made := f.made("cs", map[string]any{
			"object": "checkout.session", "mode": "setup", "status": "open", "metadata": stripeMetadata(r),
			"success_url": r.Form.Get("success_url"),
		})
		made["url"] = "https://checkout.stripe.example/c/" + made["id"].(string)
		return http.StatusOK, made
	}
	object := f.objects[path[len(path)-1]]
	if object == nil {
		return http.StatusNotFound, stripeError("invalid_request_error", "resource_missing")
	}
	return http.StatusOK, object
}

// enter has the customer enter a card on the newest page.
func (f *fakeStripe) enter() {
	f.mu.Lock()
	defer f.mu.Unlock()
	session := f.last("cs")
	customer := f.made("cus", map[string]any{})["id"]
	card := map[string]any{}
	for name, value := range f.objects["pm_card_ok"] {
		card[name] = value
	}
	card["customer"] = customer
	f.made("pm_entered", card)
	session["status"], session["customer"] = "complete", customer
	session["setup_intent"] = map[string]any{"id": "seti_1", "object": "setup_intent", "status": "succeeded", "payment_method": card}
}

// set changes how Stripe behaves.
func (f *fakeStripe) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// copied is an object as it is now.
func (f *fakeStripe) copied(object map[string]any) map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(object)
}

// recovers has Stripe answer again.
func (f *fakeStripe) recovers() { f.set(func() { f.ill = false }) }

// count is how many objects there are whose ids begin so.
func (f *fakeStripe) count(prefix string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range f.order {
		if strings.HasPrefix(id, prefix) {
			n++
		}
	}
	return n
}
