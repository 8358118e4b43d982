package httpapi_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/catalog"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func methodsOf(customer string) string { return "/customers/" + customer + "/payment-methods" }

// autoTopUpBody is a rule for automatic top-ups.
const autoTopUpBody = `{"threshold":500,"target":2500,"payment_method_id":"pm_sandbox_ok","cap":{"period":"month","count":3}}`

// paymentBody asks for a payment of one product, with more members.
func paymentBody(customer, product, more string) string {
	return `{"billing":{"country":"US"},"customer":{"customer_id":"` + customer + `"},"product_cart":[{"product_id":"` + product +
		`","quantity":1}]` + more + `}`
}

// newProduct has a tenant sell something for a price in dollars, or not any more.
func newProduct(
	t testing.TB, directory *access.Directory, store catalog.Store, tenant ledger.Tenant, price money.Amount,
	archived bool,
) (id string) {
	t.Helper()
	by, err := directory.Change(ledger.Actor{KeyID: "key_of_the_test"})
	if err != nil {
		t.Fatal(err)
	}
	product := catalog.Product{
		Tenant: tenant, ID: ledger.NewID(catalog.ProductIDPrefix, by.Now, [2]uint64{by.Random, 1}), Name: "A thing",
		TaxCategory: "saas",
		Price:       billing.Price{Kind: billing.OneTimePrice, Currency: "USD", Amount: price}, Metadata: "{}",
		CreatedAt: by.Now, UpdatedAt: by.Now,
	}
	if archived {
		product.ArchivedAt = by.Now
	}
	if _, err := store.CreateProduct(context.Background(), product, by, nil, nil); err != nil {
		t.Fatalf("make a product: got error %v, want none", err)
	}
	return product.ID
}

// thing is newProduct for the tenants of a rig.
func (r *rig) thing(tenant ledger.Tenant, archived bool) string {
	r.Helper()
	r.clock.Move(time.Millisecond)
	return newProduct(r, r.directory, r.stores.Products, tenant, 1000, archived)
}

// thingFor is thing at a price.
func (r *rig) thingFor(tenant ledger.Tenant, price money.Amount) string {
	r.Helper()
	r.clock.Move(time.Millisecond)
	return newProduct(r, r.directory, r.stores.Products, tenant, price, false)
}

// planPrice is one that is paid each month.
const planPrice = `{"type":"recurring_price","currency":"USD","price":500,"discount":0,"purchasing_power_parity":false,` +
	`"payment_frequency_count":1,"payment_frequency_interval":"Month","subscription_period_count":9,"subscription_period_interval":"Year"}`

// planBody asks for a change of plan that costs nothing at once.
func planBody(product, more string) string {
	return `{"product_id":"` + product + `","quantity":2,"proration_billing_mode":"do_not_bill"` + more + `}`
}

const atNext = `,"effective_at":"next_billing_date"`

const mandateOnly = `,"on_demand":{"mandate_only":true}`

// plan makes a product that is subscribed to.
func (r *rig) plan(key string) string {
	r.Helper()
	return r.must(200, key, "POST", "/products", `{"name":"A plan","tax_category":"saas","price":`+planPrice+`}`)["product_id"].(string)
}

// subscribe makes a subscription.
func (r *rig) subscribe(key, customer, plan, more string) string {
	r.Helper()
	return r.must(200, key, "POST", "/subscriptions", subscribeBody(customer, plan, more))["subscription_id"].(string)
}

// payment asks for a payment that neither wallet nor card pays, so that it waits.
func (r *rig) payment(key, customer, product string) (id, invoice string) {
	r.Helper()
	id = r.must(200, key, "POST", "/payments", paymentBody(customer, product, ""))["payment_id"].(string)
	return id, "inv_" + strings.TrimPrefix(id, "pay_")
}

// sell makes things that are sold, and an invoice that is paid.
func (f *badInput) sell(tenant ledger.Tenant, key string) {
	f.Helper()
	f.names["thing"], f.names["old thing"] = f.thing(tenant, false), f.thing(tenant, true)
	f.names["cheap thing"], f.names["poor"] = f.thingFor(tenant, 20), f.customer(key, "poor")
	body := paymentBody(f.names["poor"], f.names["thing"], `,"payment_method_id":"pm_sandbox_ok"`)
	paid := f.must(200, key, "POST", "/payments", body)
	f.names["paid invoice"] = "inv_" + paid["payment_id"].(string)[len("pay_"):]
	f.names["paid"] = paid["payment_id"].(string)
	back := f.must(200, key, "POST", "/payments", body)["payment_id"].(string)
	f.must(200, key, "POST", "/refunds", `{"payment_id":"`+back+`"}`)
	f.names["given back"] = back
	f.names["plan"] = f.plan(key)
	byCard := `,"payment_method_id":"pm_sandbox_ok"`
	f.names["sub"] = f.subscribe(key, f.names["poor"], f.names["plan"], byCard)
	f.names["demand"] = f.subscribe(key, f.names["poor"], f.names["plan"], mandateOnly+byCard)
	f.names["ended"] = f.subscribe(key, f.names["poor"], f.names["plan"], mandateOnly)
	f.must(200, key, "PATCH", "/subscriptions/"+f.names["ended"], `{"status":"cancelled"}`)
	f.names["waiting"] = f.subscribe(key, f.customer(key, "slow"), f.names["plan"], mandateOnly+`,"payment_method_id":"pm_sandbox_processing"`)
	f.must(200, key, "POST", "/subscriptions/"+f.names["waiting"]+"/charge", `{"product_price":500}`)
	f.names["unpaid"], _ = f.payment(key, f.customer(key, "penniless"), f.names["thing"])
}
