package stripe_test

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stripe/stripe-mock/embedded"
	"github.com/stripe/stripe-mock/server"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/processor"
	"github.com/billfold/billfold/internal/processor/stripe"
)

var anID = regexp.MustCompile(`pi_\w+`)

// openMock returns Stripe's own mock, with as much of the description of its API as the
// adapter can use: reading all of it takes long.
func openMock(t *testing.T) *server.StubServer {
	t.Helper()
	var description map[string]json.RawMessage
	var paths map[string]json.RawMessage
	if err := json.Unmarshal(embedded.OpenAPISpec, &description); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(description["paths"], &paths); err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(paths, func(path string, _ json.RawMessage) bool {
		used := path == "/v1/customers" || path == "/v1/customers/{customer}" || path == "/v1/refunds" ||
			path == "/v1/payment_methods/{payment_method}" || path == "/v1/payment_methods/{payment_method}/attach" ||
			strings.HasPrefix(path, "/v1/checkout/sessions")
		return !used && !strings.HasPrefix(path, "/v1/payment_intents")
	})
	var err error
	if description["paths"], err = json.Marshal(paths); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(description)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := server.LoadSpec(text, "")
	if err != nil {
		t.Fatal(err)
	}
	fixtures, err := server.LoadFixtures(embedded.OpenAPIFixtures, "")
	if err != nil {
		t.Fatal(err)
	}
	stub, err := server.NewStubServer(fixtures, spec, false, false)
	if err != nil {
		t.Fatal(err)
	}
	return stub
}

// TestRequestsAreWellFormed has Stripe's mock look at every request that the adapter
// can make. It keeps nothing and answers with examples, so what the answers mean is not
// tested here, but that they are read.
func TestRequestsAreWellFormed(t *testing.T) {
	t.Parallel()
	stub := openMock(t)
	answers := map[string][]int{}
	status := ""
	mock := connect(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorder := httptest.NewRecorder()
		stub.HandleRequest(recorder, r)
		call := r.Method + " " + anID.ReplaceAllString(r.URL.Path, "{id}")
		answers[call] = append(answers[call], recorder.Code)
		if recorder.Code != http.StatusOK {
			t.Errorf("%s %v: got %d %s", call, r.Form, recorder.Code, recorder.Body)
		}
		var object map[string]any
		if err := json.Unmarshal(recorder.Body.Bytes(), &object); err != nil {
			t.Errorf("%s: %v", call, err)
		}
		if object["object"] == "payment_intent" { // it keeps none of these
			object["id"], object["status"], object["amount_received"] = "pi_1", status, object["amount"]
			object["metadata"] = map[string]string{"billfold_key": "inv:inv_1:1"}
		}
		if object["object"] == "checkout.session" {
			object["id"], object["status"], object["url"], object["livemode"] = "cs_1", "open", "https://checkout.stripe.com/c/1", false
		}
		if object["object"] == "customer" {
			object["id"] = "cus_fake1"
		}
		w.WriteHeader(recorder.Code)
		write(w, object)
	}))
	status = "requires_confirmation"
	report, err := mock.Create(t.Context(), request(cardOK))
	want := billing.Report{PaymentID: report.PaymentID, Status: billing.RequiresConfirmation, Amount: 500, Currency: "USD"}
	if err != nil || report != want || report.PaymentID == "" {
		t.Errorf("create: got %+v, %v", report, err)
	}
	if report, err := mock.Confirm(t.Context(), "pi_1"); err != nil || report.Status != billing.RequiresConfirmation {
		t.Errorf("confirm: got %+v, %v, want the example", report, err)
	}
	status = "canceled"
	if report, err := mock.Cancel(t.Context(), "pi_1"); err != nil || report.Status != billing.ChargeFailed {
		t.Errorf("cancel: got %+v, %v", report, err)
	}
	if report, err := mock.LookUp(t.Context(), "pi_1"); err != nil || report.Status != billing.ChargeFailed {
		t.Errorf("look up: got %+v, %v", report, err)
	}
	absent := request(cardOK)
	absent.Key = "inv:inv_1:2"
	if report, err := mock.Search(t.Context(), absent, epoch); !errors.Is(err, processor.ErrNoPayment) {
		t.Errorf("search: got %+v, %v, want %v", report, err, processor.ErrNoPayment)
	}
	status = "succeeded"
	if err := mock.Return(t.Context(), "pi_1", "k"); err != nil {
		t.Errorf("return: %v", err)
	}
	begin := processor.SetUpRequest{Key: "setup:pms_1:1", Reference: "pms_1", Back: "https://pay.example.com/pay/x", Currency: "USD"}
	if set, err := mock.SetUp(t.Context(), begin); err != nil || set.ID != "cs_1" {
		t.Errorf("set up: got %+v, %v", set, err)
	}
	if set, err := mock.LookUpSetUp(t.Context(), "cs_1"); err != nil || set.Status != processor.SetUpOpen {
		t.Errorf("look a set-up up: got %+v, %v", set, err)
	}
	savedWellFormed(t, mock)
	calls := []string{
		"GET /v1/checkout/sessions/cs_1",
		"GET /v1/customers/cus_fake1", "GET /v1/payment_intents", "GET /v1/payment_intents/search", "GET /v1/payment_intents/{id}",
		"GET /v1/payment_methods/pm_1", "GET /v1/refunds", "POST /v1/checkout/sessions", "POST /v1/customers", "POST /v1/payment_intents", "POST /v1/payment_intents/{id}/cancel",
		"POST /v1/payment_intents/{id}/confirm", "POST /v1/payment_methods/pm_1/attach", "POST /v1/refunds",
	}
	if got := slices.Sorted(maps.Keys(answers)); !slices.Equal(got, calls) {
		t.Errorf("calls: got %q, want %q", got, calls)
	}
}

// savedWellFormed makes the requests that save cards and give parts of payments back.
func savedWellFormed(t *testing.T, mock *stripe.Adapter) {
	t.Helper()
	ctx := t.Context()
	if id, err := mock.NewCustomer(ctx, "cus_ours", "customer:1"); err != nil || id == "" {
		t.Errorf("customer: got %q, %v", id, err)
	}
	if card, err := mock.Card(ctx, "pm_1"); err != nil || card.LastFour == "" {
		t.Errorf("card: got %+v, %v", card, err)
	}
	if card, err := mock.Attach(ctx, "pm_1", "cus_1"); err != nil || card.LastFour == "" {
		t.Errorf("attach: got %+v, %v", card, err)
	}
	part := processor.RefundRequest{Key: "refund:ref_1", PaymentID: "pi_1", Amount: 1, Currency: "USD"}
	if _, err := mock.Refund(ctx, part); err != nil {
		t.Errorf("refund of a part: %v", err)
	}
	if list, err := mock.Refunds(ctx, "pi_1"); err != nil || len(list) == 0 {
		t.Errorf("refunds: got %+v, %v, want the example", list, err)
	}
	if subject, err := mock.Subject(ctx, "pi_1"); err != nil || subject.InvoiceID != "" {
		t.Errorf("subject: got %+v, %v, want a payment that is none of ours", subject, err)
	}
}
