package httpapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/billfold/billfold/internal/catalog"
)

// newProduct makes a product and returns its id.
func (h *house) newProduct(body string) string {
	h.Helper()
	return h.send(request{method: "POST", path: "/products", body: body}).want(h, http.StatusOK)["product_id"].(string)
}

const (
	course = `{"name":"Course","description":"All of it","tax_category":"edtech","price":` + oncePrice + `}`
	pro    = `{"name":"Pro","tax_category":"saas","metadata":{"plan":"pro"},"price":` + monthlyPrice + `}`
)

// shortly answers a request that has no body in its answer.
func (h *house) shortly(method, path, body string) {
	h.Helper()
	got := h.send(request{method: method, path: path, body: body})
	if got.status != http.StatusOK || got.body != "" {
		h.Errorf("%s %s: got status %d with %q, want 200 without a body", method, path, got.status, got.body)
	}
}

// TestProductLooks compares a product and its item of a list with what they are to be,
// member by member.
func TestProductLooks(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.newProduct(pro)
	business := h.business.Business.ID
	price := map[string]any{
		"type": "recurring_price", "currency": "USD", "price": 1900., "discount": 0., "purchasing_power_parity": false,
		"tax_inclusive": nil, "payment_frequency_count": 1., "payment_frequency_interval": "Month",
		"subscription_period_count": 1., "subscription_period_interval": "Year", "trial_period_days": 0., "trial_amount": nil,
		"trial_apply_discounts": false,
	}
	both := document{
		"product_id": id, "business_id": business, "brand_id": business, "name": "Pro", "description": nil,
		"tax_category": "saas", "is_recurring": true, "metadata": map[string]any{"plan": "pro"},
		"created_at": "2026-03-01T12:00:00.000000Z", "updated_at": "2026-03-01T12:00:00.000000Z", "archived_at": nil,
		"image": nil, "pricing_mode": nil, "entitlements": []any{},
	}
	one, item := document{"price": price, "addons": []any{}, "credit_entitlements": []any{}, "license_key_enabled": false}, document{
		"price": 1900., "currency": "USD", "price_detail": price, "tax_inclusive": nil,
	}
	for _, name := range []string{"digital_product_delivery", "license_key_activation_message", "license_key_activations_limit",
		"license_key_duration", "product_collection_id"} {
		one[name] = nil
	}
	for name, value := range both {
		one[name], item[name] = value, value
	}
	got := h.send(request{method: "GET", path: "/products/" + id}).want(t, http.StatusOK)
	if diff := cmp.Diff(one, got); diff != "" {
		t.Errorf("product (-want +got):\n%s", diff)
	}
	list := h.send(request{method: "GET", path: "/products"}).want(t, http.StatusOK)
	if diff := cmp.Diff([]document{item}, list.items()); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	given := h.newProduct(strings.Replace(course, `"discount"`, `"pay_what_you_want":true,"suggested_price":9900,"discount"`, 1))
	chosen := h.send(request{method: "GET", path: "/products/" + given}).want(t, http.StatusOK)["price"].(map[string]any)
	if chosen["pay_what_you_want"] != true || chosen["suggested_price"] != 9900. || chosen["price"] != 4900. {
		t.Errorf("price that the customer chooses: got %v", chosen)
	}
}

// TestProductIsChangedAndArchived follows a product through its life, and the lines that
// tell of it.
func TestProductIsChangedAndArchived(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.newProduct(course)
	path := "/products/" + id
	h.clock.Move(time.Hour)
	h.shortly("PATCH", path, `{}`)
	h.shortly("PATCH", path, `{"name":null,"price":null,"description":null,"brand_id":"`+h.business.Business.ID+`"}`)
	if got := h.send(request{method: "GET", path: path}).want(t, http.StatusOK); got["updated_at"] != got["created_at"] || got["name"] != "Course" {
		t.Errorf("after changes of nothing: got %v", got)
	}
	h.shortly("PATCH", path, `{"name":"Course 2","description":"","metadata":{"a":1},"tax_category":"e_book","price":`+
		strings.Replace(oncePrice, "4900", "0", 1)+`}`)
	got := h.send(request{method: "GET", path: path}).want(t, http.StatusOK)
	if got["name"] != "Course 2" || got["description"] != nil || got["tax_category"] != "e_book" ||
		got["price"].(map[string]any)["price"] != 0. || got["updated_at"] != "2026-03-01T13:00:00.000000Z" ||
		got["created_at"] != "2026-03-01T12:00:00.000000Z" || got["metadata"].(map[string]any)["a"] != 1. {
		t.Errorf("changed product: got %v", got)
	}
	h.shortly("DELETE", path, "")
	for _, method := range []string{"GET", "DELETE", "PATCH"} {
		h.send(request{method: method, path: path, body: map[string]string{"PATCH": `{}`}[method]}).
			refused(t, http.StatusGone, catalog.CodeProductDeleted)
	}
	listed := func(query string) int {
		return len(h.send(request{method: "GET", path: "/products" + query}).want(t, http.StatusOK).items())
	}
	if sold, gone := listed(""), listed("?archived=true"); sold != 0 || gone != 1 {
		t.Errorf("archived: got %d products sold and %d archived, want 0 and 1", sold, gone)
	}
	h.shortly("POST", path+"/unarchive", "")
	h.shortly("POST", path+"/unarchive", `{}`)
	if sold, gone := listed("?recurring=false"), listed("?archived=true"); sold != 1 || gone != 0 {
		t.Errorf("sold again: got %d products sold and %d archived, want 1 and 0", sold, gone)
	}
	trail := h.send(request{method: "GET", path: "/business/audit"}).want(t, http.StatusOK).items()
	var actions []string
	for _, line := range trail[:4] {
		actions = append(actions, line["action"].(string))
		if line["key_id"] == nil || line["after"].(map[string]any)[id] == nil {
			t.Errorf("line: got %v, want one by a key about %s", line, id)
		}
	}
	want := []string{"product.update", "product.update", "product.update", "product.create"}
	if diff := cmp.Diff(want, actions); diff != "" || trail[4]["action"] == "product.create" {
		t.Errorf("lines, newest first (-want +got):\n%s", diff)
	}
}

// TestProductOfOneKey sends a request again: under a key, also after its currency was
// switched off (law K10), and as the second try of a call without one (law K9).
func TestProductOfOneKey(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	post := func(body string, headers map[string]string) reply {
		return h.send(request{method: "POST", path: "/products", body: body, headers: headers})
	}
	key := map[string]string{"Idempotency-Key": "one"}
	first := post(course, key)
	first.want(t, http.StatusOK)
	disabled := h.send(request{method: "PATCH", path: "/business", body: `{"enabled_currencies":["INR"]}`})
	disabled.want(t, http.StatusOK)
	// What is nothing anyway does not make another request.
	again := post(strings.Replace(course, `{"name"`, `{"metadata":{},"addons":[],"name"`, 1), key)
	if again.status != http.StatusOK || again.body != first.body || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("repeat: got %d %s, want the first answer %s", again.status, again.body, first.body)
	}
	post(strings.Replace(course, "4900", "4901", 1), key).refused(t, http.StatusUnprocessableEntity, "IDEMPOTENCY_KEY_REUSED")
	post(course, nil).refused(t, http.StatusUnprocessableEntity, "UNSUPPORTED_CURRENCY")

	rupees := strings.Replace(pro, "USD", "INR", 1)
	tried := post(rupees, nil).want(t, http.StatusOK)["product_id"]
	resent := map[string]string{"X-Stainless-Retry-Count": "1"}
	if got := post(rupees, resent).want(t, http.StatusOK)["product_id"]; got != tried {
		t.Errorf("second try: got product %v, want %v", got, tried)
	}
	if got := post(rupees, nil).want(t, http.StatusOK)["product_id"]; got == tried {
		t.Errorf("an equal request: got product %v again, want another", got)
	}
	if got := len(h.send(request{method: "GET", path: "/products"}).want(t, http.StatusOK).items()); got != 3 {
		t.Errorf("products: got %d, want 3", got)
	}
}

// TestProductPages walks a list by page and by cursor, and as an SDK does.
func TestProductPages(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var want []string
	for range 5 {
		h.newProduct(course)
		want = append([]string{h.newProduct(pro)}, want...)
	}
	ids := func(path string, headers map[string]string) (ids []string, next any) {
		got := h.send(request{method: "GET", path: path, headers: headers}).want(t, http.StatusOK)
		for _, item := range got.items() {
			ids = append(ids, item["product_id"].(string))
		}
		return ids, got["next_cursor"]
	}
	var paged, walked []string
	for _, page := range []string{"0", "1", "2", "3"} {
		found, _ := ids("/products?recurring=true&page_size=2&page_number="+page, nil)
		paged = append(paged, found...)
	}
	for cursor := ""; ; {
		found, next := ids("/products?recurring=true&page_size=2"+cursor, nil)
		walked = append(walked, found...)
		if next == nil {
			break
		}
		cursor = "&cursor=" + next.(string)
	}
	double, _ := ids("/products?recurring=true&page_size=2", map[string]string{"X-Stainless-Lang": "js"})
	mine, _ := ids("/products?recurring=true&brand_id="+h.business.Business.ID, nil)
	other, _ := ids("/products?brand_id=brnd_other", nil)
	for name, c := range map[string]struct{ want, got []string }{
		"by page": {want, paged}, "by cursor": {want, walked}, "pages 0 and 1 for an SDK": {want[:4], double},
		"of the brand": {want, mine}, "of another brand": {nil, other},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
