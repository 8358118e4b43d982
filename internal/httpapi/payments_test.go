package httpapi_test

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/catalog"
	"github.com/billfold/billfold/internal/httpapi"
	"github.com/billfold/billfold/internal/ledger"
)

// shelf is a catalog in memory, of one business.
type shelf struct {
	catalog.Store
	products map[string]catalog.Product
}

func (s *shelf) Product(_ context.Context, tenant ledger.Tenant, id string) (catalog.Product, error) {
	p, ok := s.products[id]
	if !ok || p.Tenant != tenant {
		return p, ledger.Errorf(ledger.CodeNotFound, "no such product")
	}
	return p, nil
}

// put has a product in USD sold for a price.
func (s *shelf) put(tenant ledger.Tenant, id string, price billing.Price) {
	price.Currency = cmp.Or(price.Currency, "USD")
	price.Kind = cmp.Or(price.Kind, billing.OneTimePrice)
	s.products[id] = catalog.Product{Tenant: tenant, ID: id, Name: "Product " + id, Price: price, Metadata: "{}"}
}

// shop is a house that sells things for which payments are made.
type shop struct {
	*house
	shelf    *shelf
	customer string
}

func newShop(t *testing.T, change ...func(*httpapi.Config)) *shop {
	s := &shop{shelf: &shelf{products: map[string]catalog.Product{}}}
	s.house = newHouse(t, append(change, func(c *httpapi.Config) { c.Products = s.shelf })...)
	tenant := ledger.Tenant{BusinessID: s.business.Business.ID, Mode: ledger.Test}
	s.shelf.put(tenant, "pdt_tenner00", billing.Price{Amount: 1000})
	s.shelf.put(tenant, "pdt_rupees00", billing.Price{Amount: 1000, Currency: "INR"})
	s.shelf.put(tenant, "pdt_monthly0", billing.Price{Amount: 1000, Kind: billing.RecurringPrice})
	s.shelf.put(tenant, "pdt_chosen00", billing.Price{Amount: 500, PayWhatYouWant: true, Suggested: 700})
	s.shelf.put(tenant, "pdt_cheap000", billing.Price{Amount: 20})
	s.shelf.put(tenant, "pdt_gone0000", billing.Price{Amount: 1000})
	gone := s.shelf.products["pdt_gone0000"]
	gone.ArchivedAt = start
	s.shelf.products["pdt_gone0000"] = gone
	s.customer = s.newCustomer()
	return s
}

// pay asks for a payment of a product by the customer, with more members.
func (s *shop) pay(product, more string, headers ...string) reply {
	s.Helper()
	r := request{
		method: "POST", path: "/payments", headers: map[string]string{},
		body: `{"billing":{"country":"US"},"customer":{"customer_id":"` + s.customer + `"},"product_cart":[{"product_id":"` + product +
			`","quantity":1}]` + more + `}`,
	}
	for i := 0; i < len(headers); i += 2 {
		r.headers[headers[i]] = headers[i+1]
	}
	return s.send(r)
}

func (s *shop) get(path string) document {
	s.Helper()
	return s.send(request{method: "GET", path: path}).want(s, http.StatusOK)
}

func (s *shop) balance() int64 {
	s.Helper()
	wallet := s.get("/customers/" + s.customer + "/wallets/USD")
	return wallet.number("balance") + 1_000_000*wallet.number("held")
}

// TestPaymentsAreSplit has payments made from wallet and card, with both outcomes.
func TestPaymentsAreSplit(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, credit, product, more string
		status, method              string
		total, wallet, left         int64
	}{
		{"the wallet covers all", "2500", "pdt_tenner00", "", "succeeded", "customer_wallet", 1000, 1000, 1500},
		{"the card pays the rest", "300", "pdt_tenner00", `,"payment_method_id":"pm_sandbox_ok"`, "succeeded", "card", 1000, 300, 0},
		{"the wallet leaves the card its minimum", "980", "pdt_tenner00", `,"payment_method_id":"pm_sandbox_ok"`,
			"succeeded", "card", 1000, 950, 30},
		{"credit is bought up to the minimum", "980", "pdt_tenner00",
			`,"payment_method_id":"pm_sandbox_ok","customer_balance_config":{"allow_customer_credits_purchase":true}`,
			"succeeded", "card", 1000, 980, 30},
		{"the wallet is left alone", "2500", "pdt_tenner00",
			`,"payment_method_id":"pm_sandbox_ok","customer_balance_config":{"allow_customer_credits_usage":false}`,
			"succeeded", "card", 1000, 0, 2500},
		{"the card is declined", "300", "pdt_tenner00", `,"payment_method_id":"pm_sandbox_declined"`, "failed", "card", 1000, 0, 300},
		{"the customer has to act", "300", "pdt_tenner00", `,"payment_method_id":"pm_sandbox_requires_action"`,
			"requires_customer_action", "card", 1000, 300, 300_000_300},
		{"the processor does not answer", "300", "pdt_tenner00", `,"payment_method_id":"pm_sandbox_timeout"`,
			"processing", "card", 1000, 300, 300_000_300},
		{"there is no method", "300", "pdt_tenner00", "", "requires_payment_method", "", 1000, 0, 300},
		{"what the customer may choose", "2500", "pdt_chosen00", "", "succeeded", "customer_wallet", 700, 700, 1800},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.credit(s.customer, test.credit)
			made := s.pay(test.product, test.more).want(t, http.StatusOK)
			id := made["payment_id"].(string)
			got := s.get("/payments/" + id)
			method, _ := got["payment_method"].(string)
			if got["status"] != test.status || method != test.method || got.number("total_amount") != test.total ||
				made.number("total_amount") != test.total || got.number("wallet_amount") != test.wallet {
				t.Errorf("got %v by %q, %d of which the wallet %d, want %s by %q, %d and %d", got["status"], method,
					got.number("total_amount"), got.number("wallet_amount"), test.status, test.method, test.total, test.wallet)
			}
			if left := s.balance(); left != test.left {
				t.Errorf("got %d left, want %d", left, test.left)
			}
			invoice := s.get("/invoices/inv_" + strings.TrimPrefix(id, "pay_"))
			sum := invoice.number("wallet_amount") + invoice.number("card_amount") - invoice.number("credited_amount")
			if test.status == "succeeded" && sum != test.total {
				t.Errorf("got wallet and card for %d, want %d", sum, test.total)
			}
			lines := s.get("/payments/" + id + "/line-items").items()
			if len(lines) != 1 || lines[0].number("amount") != test.total || lines[0]["items_id"] != test.product {
				t.Errorf("got lines %v", lines)
			}
		})
	}
}

// TestPaymentsRefused has each thing refused that cannot be paid for, and nothing made.
func TestPaymentsRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.credit(s.customer, "10")
	for _, test := range []struct {
		product, more string
		status        int
		code          ledger.Code
	}{
		{"pdt_nobody00", "", 404, "NOT_FOUND"},
		{"nothing", "", 404, "NOT_FOUND"},
		{"pdt_gone0000", "", 410, "PRODUCT_IS_DELETED"},
		{"pdt_monthly0", "", 422, "INVALID_REQUEST_PARAMETERS"},
		{"pdt_cheap000", "", 422, "REQUEST_AMOUNT_BELOW_MINIMUM"},
		{"pdt_tenner00", `,"payment_method_id":"pm_of_nobody00"`, 404, "NOT_FOUND"},
		{"pdt_tenner00", `,"payment_method_id":"card"`, 404, "NOT_FOUND"},
		{"pdt_tenner00", `,"return_url":"https://a@b.example/"`, 422, "INVALID_RETURN_URL"},
		{"pdt_tenner00", `,"discount_codes":["TEN"]`, 422, "NOT_OFFERED"},
		{"pdt_tenner00", `,"billing_currency":"INR"`, 422, "INVALID_REQUEST_PARAMETERS"},
		{"pdt_tenner00", `,"billing_currency":"XXX"`, 422, "UNSUPPORTED_CURRENCY"},
	} {
		s.pay(test.product, test.more).refused(t, test.status, test.code)
	}
	two := `{"billing":{"country":"US"},"customer":{"customer_id":"` + s.customer + `"},"product_cart":[` +
		`{"product_id":"pdt_tenner00","quantity":1},{"product_id":"pdt_rupees00","quantity":1}]}`
	s.send(request{method: "POST", path: "/payments", body: two}).refused(t, 422, "INVALID_REQUEST_PARAMETERS")
	many := strings.Replace(two, `"quantity":1},{"product_id":"pdt_rupees00","quantity":1}`, `"quantity":1000000}`, 1)
	many = strings.Replace(many, "tenner00", "dear0000", 1)
	tenant := ledger.Tenant{BusinessID: s.business.Business.ID, Mode: ledger.Test}
	s.shelf.put(tenant, "pdt_dear0000", billing.Price{Amount: 999_999_999_999})
	s.send(request{method: "POST", path: "/payments", body: many}).refused(t, 422, "AMOUNT_TOO_LARGE")
	s.pay("pdt_tenner00", "", "X-Stainless-Retry-Count", "1").refused(t, 422, "IDEMPOTENCY_KEY_REQUIRED")
	if items := s.get("/payments").items(); len(items) != 0 || s.balance() != 10 {
		t.Errorf("got payments %v and %d left, want none and 10", items, s.balance())
	}
	live := request{method: "POST", path: "/customers", key: s.business.LiveKey, body: `{"email":"a@example.com","name":"A"}`}
	id := s.send(live).want(t, 200)["customer_id"].(string)
	live.path, live.body = "/customers/"+id+"/payment-methods", `{"token":"pm_sandbox_ok"}`
	s.send(live).refused(t, 422, "INVALID_REQUEST_PARAMETERS")
}

// TestPaymentKeys has one payment made under one key, however often and by whomever it
// is asked for.
func TestPaymentKeys(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.credit(s.customer, "5000")
	first := s.pay("pdt_tenner00", "", "Idempotency-Key", "order 7")
	first.want(t, 200)
	gone := s.shelf.products["pdt_tenner00"]
	gone.ArchivedAt = start
	s.shelf.products["pdt_tenner00"] = gone // a repeat gets its answer whatever has changed
	again := s.pay("pdt_tenner00", "", "Idempotency-Key", "order 7")
	if again.status != 200 || again.body != first.body || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("got %d with %s, want the first answer %s", again.status, again.body, first.body)
	}
	s.pay("pdt_cheap000", "", "Idempotency-Key", "order 7").refused(t, 422, "IDEMPOTENCY_KEY_REUSED")
	gone.ArchivedAt = time.Time{}
	s.shelf.products["pdt_tenner00"] = gone
	other := s.newCustomer()
	s.credit(other, "5000")
	mine := s.customer
	s.customer = other
	s.pay("pdt_tenner00", "", "Idempotency-Key", "order 7").refused(t, 422, "IDEMPOTENCY_KEY_REUSED")
	if left := s.balance(); left != 5000 {
		t.Errorf("the other customer: got %d left, want 5000", left)
	}
	s.customer = mine
	if left := s.balance(); left != 4000 {
		t.Errorf("got %d left, want 4000: one payment", left)
	}
}

// TestPaymentKeysRace has two customers asked for payments under one key at once, many
// times: exactly one of them pays.
func TestPaymentKeysRace(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	customers := []string{s.customer, s.newCustomer()}
	for _, id := range customers {
		s.credit(id, "100000")
	}
	const rounds = 40
	for n := range rounds {
		var running sync.WaitGroup
		statuses := make([]int, 4)
		for i := range statuses {
			running.Go(func() {
				body := fmt.Sprintf(`{"billing":{"country":"US"},"customer":{"customer_id":"%s"},"product_cart":[{"product_id":"pdt_tenner00","quantity":1}]}`, customers[i%2])
				statuses[i] = sendTo(s.api, request{method: "POST", path: "/payments", body: body,
					headers: map[string]string{"Idempotency-Key": fmt.Sprint("race ", n)}}, s.business.TestKey).status
			})
		}
		running.Wait()
		good := 0
		for _, status := range statuses {
			if status == 200 {
				good++
			}
		}
		if good != 2 { // both requests of the customer who was first
			t.Errorf("got statuses %v, want two of one customer to be answered", statuses)
		}
	}
	var left int64
	for _, id := range customers {
		s.customer = id
		left += s.balance()
	}
	if left != 200_000-rounds*1000 {
		t.Errorf("got %d left, want %d", left, 200_000-rounds*1000)
	}
}

// TestPaymentMethods has methods added, listed, used and removed.
func TestPaymentMethods(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	path := "/customers/" + s.customer + "/payment-methods"
	add := request{method: "POST", path: path, body: `{"token":"pm_sandbox_ok"}`, headers: map[string]string{"Idempotency-Key": "k"}}
	method := s.send(add).want(t, 200)["payment_method_id"].(string)
	if again := s.send(add); again.document(t)["payment_method_id"] != method || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("the same key: got %s, want %s", again.body, method)
	}
	s.send(request{method: "POST", path: path, body: `{"token":"pm_visa"}`}).refused(t, 422, "INVALID_REQUEST_PARAMETERS")
	s.clock.Move(time.Second)
	s.send(request{method: "POST", path: path, body: `{"token":"pm_sandbox_declined","recurring_enabled":false}`}).want(t, 200)
	if items := s.get(path).items(); len(items) != 2 || items[1]["payment_method_id"] != method || items[0]["recurring_enabled"] != false {
		t.Errorf("got methods %v, want two, newest first", items)
	}
	made := s.pay("pdt_tenner00", "").want(t, 200) // by the newest that may be charged without the customer
	paid := s.get("/payments/" + made["payment_id"].(string))
	if paid["status"] != "succeeded" || paid["payment_method_id"] != method || paid["card_last_four"] != "4242" {
		t.Errorf("got %v, want it paid by %s", paid, method)
	}
	for range 2 {
		if got := s.send(request{method: "DELETE", path: path + "/" + method}); got.status != 204 || got.body != "" {
			t.Errorf("remove: got %d with %q, want 204", got.status, got.body)
		}
	}
	s.send(request{method: "DELETE", path: path + "/pm_of_nobody00"}).refused(t, 404, "NOT_FOUND")
	s.pay("pdt_tenner00", `,"payment_method_id":"`+method+`"`).refused(t, 404, "NOT_FOUND")
	if items := s.get(path).items(); len(items) != 1 {
		t.Errorf("got methods %v, want one", items)
	}
}

// TestPaymentList narrows the list by each filter, and reads it in pages.
func TestPaymentList(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.credit(s.customer, "3000")
	var ids []string
	for _, product := range []string{"pdt_tenner00", "pdt_chosen00", "pdt_tenner00", "pdt_tenner00"} { // the last has no funds
		ids = append(ids, s.pay(product, "").want(t, 200)["payment_id"].(string))
		s.clock.Move(time.Hour)
	}
	other := s.newCustomer()
	for query, want := range map[string]string{
		"":                                                   "3210",
		"?status=succeeded":                                  "210",
		"?status=requires_payment_method":                    "3",
		"?status=cancelled":                                  "",
		"?product_id=pdt_chosen00":                           "1",
		"?currency=USD":                                      "3210",
		"?currency=INR":                                      "",
		"?subscription_id=sub_12345678":                      "",
		"?brand_id=" + s.business.Business.ID:                "3210",
		"?brand_id=brnd_other":                               "",
		"?customer_id=" + s.customer:                         "3210",
		"?customer_id=" + other:                              "",
		"?customer_id=%2e":                                   "",
		"?created_at_gte=2026-03-01T14:00:00Z":               "32",
		"?created_at_lte=2026-03-01T13:00:00Z":               "10",
		"?page_size=2&page_number=1":                         "10",
		"?page_size=2&page_number=1&product_id=pdt_tenner00": "0",
	} {
		if got := s.listed("/payments"+query, "payment_id", ids); got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
	for _, filter := range []string{"", "&product_id=pdt_tenner00", "&currency=USD"} {
		var got []any
		cursor := ""
		for range 6 {
			page := s.get("/payments?page_size=1" + filter + cursor)
			for _, item := range page.items() {
				got = append(got, item["payment_id"])
			}
			next, more := page["next_cursor"].(string)
			if !more {
				break
			}
			cursor = "&cursor=" + next
		}
		if want := 4 - strings.Count(filter, "tenner"); len(got) != want {
			t.Errorf("%s: got %v by cursors, want %d", filter, got, want)
		}
	}
	s.send(request{method: "GET", path: "/payments?status=paid"}).refused(t, 422, "INVALID_QUERY_PARAMS")
	s.send(request{method: "GET", path: "/invoices?state=succeeded"}).refused(t, 422, "INVALID_QUERY_PARAMS")
	if items := s.get("/invoices?state=paid&customer_id=" + s.customer).items(); len(items) != 3 {
		t.Errorf("got %d paid invoices, want 3", len(items))
	}
}

// listed are the numbers of those of some ids that a list has, in its order.
func (s *shop) listed(path, member string, ids []string) (numbers string) {
	s.Helper()
	for _, item := range s.get(path).items() {
		for n, id := range ids {
			if id == item[member] {
				numbers += fmt.Sprint(n)
			}
		}
	}
	return numbers
}

// TestInvoicesBecomeVoid has one void that waits for a payment method, and refuses one
// that is paid.
func TestInvoicesBecomeVoid(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.credit(s.customer, "1000")
	paid := "/invoices/inv_" + s.pay("pdt_tenner00", "").want(t, 200)["payment_id"].(string)[4:]
	waits := "/invoices/inv_" + s.pay("pdt_tenner00", "").want(t, 200)["payment_id"].(string)[4:]
	s.send(request{method: "POST", path: paid + "/void"}).refused(t, 422, "INVOICE_NOT_OPEN")
	for range 2 {
		if got := s.send(request{method: "POST", path: waits + "/void"}).want(t, 200); got["state"] != "void" {
			t.Errorf("got %v, want it void", got)
		}
	}
	key := s.newKey("reader", access.Read)
	s.send(request{method: "POST", path: waits + "/void", key: key}).refused(t, 403, "FORBIDDEN")
}
