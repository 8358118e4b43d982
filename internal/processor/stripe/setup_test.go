package stripe_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/processor"
	"github.com/billfold/billfold/internal/processor/processortest"
)

// fakeSession is a session of Stripe's own page.
type fakeSession struct {
	id, status, reference, url string
	metadata                   map[string]string
	intent                     string // how its SetupIntent stands
	live                       bool
}

func (f *fake) session(w http.ResponseWriter, r *http.Request, path []string) (executed bool) {
	if len(path) == 0 && r.Method == http.MethodPost {
		if r.Form.Get("mode") != "setup" || r.Form.Get("customer_creation") != "always" || r.Form.Get("success_url") == "" {
			refuse(w, 400, "invalid_request_error", "parameter_missing", "bad parameter")
			return false
		}
		s := &fakeSession{
			id: fmt.Sprintf("cs_%d", len(f.sessions)+1), status: "open", reference: r.Form.Get("client_reference_id"), metadata: metadata(r),
		}
		s.url = "https://checkout.stripe.com/c/" + s.id
		f.sessions, f.effects = append(f.sessions, s), f.effects+1
		write(w, s.object())
		return true
	}
	for _, s := range f.sessions {
		if len(path) == 1 && s.id == path[0] {
			write(w, s.object())
			return true
		}
	}
	refuse(w, 404, "invalid_request_error", "resource_missing", "No such checkout.session")
	return true
}

func (s *fakeSession) object() map[string]any {
	object := map[string]any{
		"id": s.id, "object": "checkout.session", "mode": "setup", "livemode": s.live, "status": s.status, "metadata": s.metadata,
		"client_reference_id": s.reference,
	}
	if s.status == "open" {
		object["url"] = s.url
	}
	if s.status == "complete" {
		object["customer"] = "cus_fake1"
		object["setup_intent"] = map[string]any{"id": "seti_1", "object": "setup_intent", "status": s.intent, "payment_method": map[string]any{
			"id": cardOK, "object": "payment_method", "billing_details": map[string]any{"name": "Jane"},
			"card": map[string]any{"brand": "visa", "last4": "4242", "exp_month": 3, "exp_year": 2031, "country": "IE", "funding": "debit"},
		}}
	}
	return object
}

// enter has a customer enter a card on the page of a session.
func (f *fake) enter(id, intent string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.sessions {
		if s.id == id {
			s.status, s.intent = "complete", intent
		}
	}
}

func TestStripeKeepsTheContractOfHosted(t *testing.T) {
	t.Parallel()
	processortest.HostedContract(t, func(t *testing.T) (processor.Hosted, func(string)) {
		f, adapter := open(t)
		return adapter, func(id string) { f.enter(id, "succeeded") }
	})
}

// TestSetUpsSayWhatIsSaved takes nobody's word but Stripe's that a card is saved.
func TestSetUpsSayWhatIsSaved(t *testing.T) {
	t.Parallel()
	f, adapter := open(t)
	r := processor.SetUpRequest{Key: "setup:pms_1:1", Reference: "pms_1", Back: "https://pay.example.com/pay/x", Currency: "USD"}
	made, err := adapter.SetUp(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	f.enter(made.ID, "processing")
	early, err := adapter.LookUpSetUp(t.Context(), made.ID)
	if got := early; err != nil || got.Status != processor.SetUpOpen || got.Method != "" {
		t.Errorf("a card that is not saved yet: got %+v and error %v", got, err)
	}
	f.enter(made.ID, "succeeded")
	want := processor.SetUp{
		ID: made.ID, Reference: "pms_1", Status: processor.SetUpDone, Method: method(cardOK),
		Card: processor.SetUpCard{
			HolderName: "Jane", Country: "IE", Network: "visa", Type: "debit", ExpiryMonth: "3", ExpiryYear: "2031", LastFour: "4242",
		},
	}
	if got, err := adapter.LookUpSetUp(t.Context(), made.ID); err != nil || got != want {
		t.Errorf("got %+v and error %v, want %+v", got, err, want)
	}
	for _, spoil := range []func(*fakeSession){
		func(s *fakeSession) { s.live = true }, func(s *fakeSession) { s.status = "surprise" },
		func(s *fakeSession) { s.status, s.url = "open", "javascript:alert(1)" },
		func(s *fakeSession) { s.status, s.url = "open", "http://checkout.stripe.com/" },
	} {
		r.Key += "x"
		again, err := adapter.SetUp(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		f.mu.Lock()
		spoil(f.sessions[len(f.sessions)-1])
		f.mu.Unlock()
		if got, err := adapter.LookUpSetUp(t.Context(), again.ID); err == nil || errors.Is(err, processor.ErrNoSetUp) {
			t.Errorf("got %+v and error %v, want it not believed", got, err)
		}
	}
}

// TestActionURL sends the customer where Stripe says, also when the bank wanted them there
// of a payment that was made while they were away.
func TestActionURL(t *testing.T) {
	t.Parallel()
	for card, want := range map[string]bool{cardAction: true, cardAuthenticate: true, cardOK: false, cardLost: false} {
		f, adapter := open(t)
		id := create(t, adapter, request(card))
		if _, err := adapter.Confirm(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		got, err := adapter.ActionURL(t.Context(), id, "https://pay.example.com/pay/x")
		if err != nil || (got == "https://hooks.stripe.com/3ds/"+id) != want || !want && got != "" {
			t.Errorf("%s: got %q and error %v, want a page: %t", card, got, err, want)
		}
		if report, err := adapter.LookUp(t.Context(), id); want && (err != nil || report.Status != billing.RequiresAction) {
			t.Errorf("%s: got %+v and error %v, want it to wait", card, report, err)
		}
		f.mu.Lock()
		intents := len(f.intents)
		f.mu.Unlock()
		if intents != 1 {
			t.Errorf("%s: got %d payments, want one", card, intents)
		}
	}
}
