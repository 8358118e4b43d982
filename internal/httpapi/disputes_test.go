package httpapi_test

import (
	"math/rand/v2"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/storetest"
)

// disputed has a card processor tell that 1 of a payment is disputed, and returns the
// dispute's id.
func disputed(
	t testing.TB, store ledger.Store, clock *storetest.Clock, tenant ledger.Tenant, payment, reason string,
) string {
	t.Helper()
	c := collect.New(store, nil, clock.Now, rand.Uint64)
	d, err := c.Dispute(t.Context(), tenant, collect.DisputeNotice{
		ProcessorID: "dp_" + payment, InvoiceID: "inv_" + strings.TrimPrefix(payment, "pay_"), Amount: 1, Currency: "USD",
		Reason:         reason,
		DisputeMessage: billing.DisputeMessage{Stage: billing.StageDispute, Status: billing.DisputeOpened},
	})
	if err != nil {
		t.Fatal(err)
	}
	return d.ID
}

// A dispute is shown by itself, in the list, and with its payment, and what of the payment
// it takes cannot be refunded.
func TestDisputes(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	key := h.business.TestKey
	product := h.send(request{method: "POST", path: "/products", key: key,
		body: `{"name":"P","tax_category":"saas","price":` + oncePrice + `}`}).want(h, http.StatusOK)["product_id"].(string)
	poor := h.send(request{method: "POST", path: "/customers", key: key, body: `{"email":"p@example.com","name":"P"}`}).
		want(h, http.StatusOK)["customer_id"].(string)
	payment := h.send(request{method: "POST", path: "/payments", key: key,
		body: paymentBody(poor, product, `,"payment_method_id":"pm_sandbox_ok"`)}).want(h, http.StatusOK)["payment_id"].(string)
	tenant := ledger.Tenant{BusinessID: h.business.Business.ID, Mode: ledger.Test}
	id := disputed(t, h.book.Store(), h.clock, tenant, payment, "fraudulent")
	get := func(path string) map[string]any {
		return h.send(request{method: "GET", path: path, key: key}).want(h, http.StatusOK)
	}
	one := get("/disputes/" + id)
	for name, want := range map[string]any{
		"dispute_id": id, "payment_id": payment, "amount": "1", "currency": "USD", "dispute_stage": "dispute",
		"dispute_status": "dispute_opened", "reason": "fraudulent", "payment_provider": "dodo", "held_amount": 0.0,
	} {
		if got := one[name]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	for query, want := range map[string]int{
		"": 1, "?dispute_stage=dispute": 1, "?dispute_stage=pre_dispute": 0, "?dispute_status=dispute_opened": 1,
		"?dispute_status=dispute_won": 0, "?customer_id=" + poor: 1, "?customer_id=nobody": 0,
	} {
		if got := get("/disputes" + query)["items"].([]any); len(got) != want {
			t.Errorf("/disputes%s: got %v, want %d", query, got, want)
		}
	}
	shown := get("/payments/" + payment)
	if list := shown["disputes"].([]any); len(list) != 1 || list[0].(map[string]any)["dispute_id"] != id || shown["dispute_status"] != "dispute_opened" {
		t.Errorf("got payment %v", shown)
	}
	total := shown["total_amount"].(float64)
	refund := h.send(request{method: "POST", path: "/refunds", key: key, body: `{"payment_id":"` + payment + `"}`}).want(h, http.StatusOK)
	if refund["amount"] != total-1 {
		t.Errorf("got %v refunded, want %v, without what is disputed", refund["amount"], total-1)
	}
	h.send(request{method: "GET", path: "/disputes?dispute_stage=x", key: key}).want(h, http.StatusUnprocessableEntity)
}
