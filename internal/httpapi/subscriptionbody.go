package httpapi

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/strictjson"
)

// The fields of a request for a subscription, of which the first four are required; zone is
// an extension. What stands behind subscribeAddons is what the published format has and
// Billfold does not offer.
var subscribeFields = []string{
	"product_id", "quantity", "customer", "billing",
	"payment_method_id", "metadata", "trial_period_days", "on_demand", "billing_currency", "customer_business_name", "tax_id",
	"zone", "return_url", "redirect_immediately", "show_saved_payment_methods",
	"addons", "allowed_payment_method_types", "discount_code", "discount_codes", "force_3ds", "mandate_min_amount_inr_paise",
	"one_time_product_cart", "payment_link", "require_phone_number", "short_link",
}

const (
	subscribeProduct = iota
	subscribeQuantity
	subscribeCustomer
	subscribeBilling
	subscribeMethod
	subscribeMetadata
	subscribeTrial
	subscribeOnDemand
	subscribeCurrency
	subscribeBusinessName
	subscribeTaxID
	subscribeZone
	subscribeReturnURL
	subscribeRedirect
	subscribeShowSaved
	subscribeAddons

	subscribeRequired = subscribeBilling + 1
)

var subscribeKinds = [...]strictjson.Kind{
	subscribeProduct: strictjson.String, subscribeQuantity: strictjson.Number, subscribeCustomer: strictjson.Object,
	subscribeBilling: strictjson.Object, subscribeMethod: strictjson.String, subscribeMetadata: strictjson.Object,
	subscribeTrial: strictjson.Number, subscribeOnDemand: strictjson.Object, subscribeCurrency: strictjson.String,
	subscribeBusinessName: strictjson.String, subscribeTaxID: strictjson.String, subscribeZone: strictjson.String,
	subscribeReturnURL: strictjson.String, subscribeRedirect: strictjson.Bool, subscribeShowSaved: strictjson.Bool,
	subscribeAddons: strictjson.Array, strictjson.Array, strictjson.String, strictjson.Array, strictjson.Bool,
	strictjson.Number, strictjson.Array, strictjson.Bool, strictjson.Bool, strictjson.Bool,
}

// subscribeRequest is what a request for a subscription says, in the one form that its
// fingerprint covers.
type subscribeRequest struct {
	paymentRequest
	ProductID string        `json:"product_id"`
	Quantity  int64         `json:"quantity"`
	Trial     *int          `json:"trial,omitempty"`
	OnDemand  bool          `json:"on_demand,omitempty"`
	Mandate   bool          `json:"mandate_only,omitempty"`
	Price     *money.Amount `json:"price,omitempty"`
	About     string        `json:"about,omitempty"`

	BusinessName string `json:"business_name,omitempty"`
	TaxID        string `json:"tax_id,omitempty"`
	Zone         string `json:"zone"`
}

func (r *subscribeRequest) fingerprint() ledger.Fingerprint { return fingerprintOf("subscription", r) }

// fingerprintOf is that of a request that was decoded.
func fingerprintOf(what string, request any) ledger.Fingerprint {
	text, err := json.Marshal(request)
	if err != nil {
		panic(err) // it has texts and numbers only
	}
	sum := sha256.Sum256(append([]byte("billfold."+what+".v1"), text...))
	return ledger.Fingerprint(sum[:len(ledger.Fingerprint{})])
}

// keyedRequest is the request as it is kept under its key, nil where it has none. A second
// try without one is refused: the first may have moved money.
func (c *call) keyedRequest(route, key, what string, request any) (*collect.Request, error) {
	if !c.keyed {
		if c.resent() {
			return nil, errKeyRequired
		}
		return nil, nil
	}
	fingerprint := fingerprintOf(what, request)
	return &collect.Request{Route: route, Key: key, Fingerprint: hex.EncodeToString(fingerprint[:])}, nil
}

// refuseOffers refuses fields from an index on, unless their values say nothing.
func (f *fields) refuseOffers(from int) error {
	for i := from; i < len(f.names); i++ {
		if f.given(i) && !isNothing(f.values[i]) {
			return notOffered(f.names[i], f.names[i])
		}
	}
	return nil
}

// whole returns a field that is a whole number in a range.
func (f *fields) whole(index int, least, most int64) (int64, error) {
	if f.values[index].Kind() != strictjson.Number {
		return 0, f.wrongKind(index, strictjson.Number)
	}
	n, ok := integer(f.values[index])
	if !ok || n < least || n > most {
		return 0, badParameter(f.names[index], "%s must be a whole number from %d to %d", f.names[index], least, most)
	}
	return n, nil
}

// short returns a field that is a text of a line.
func (f *fields) short(index int) (string, error) {
	text, _, err := f.text(index)
	if err == nil && utf8.RuneCountInString(text) > addressTextMax {
		err = badParameter(f.names[index], "%s may have %d characters at the most", f.names[index], addressTextMax)
	}
	return text, err
}

func (c *call) decodeSubscribe() (r subscribeRequest, err error) {
	f, err := c.fields(subscribeFields, subscribeRequired)
	if err == nil {
		err = f.checkKinds(subscribeKinds[:])
	}
	if err == nil {
		r.ProductID, _, _ = f.text(subscribeProduct)
		r.Quantity, err = f.whole(subscribeQuantity, 1, quantityMax)
	}
	if err == nil {
		err = f.payer(subscribeCustomer, &r.paymentRequest)
	}
	if err == nil {
		r.Billing, err = f.address(subscribeBilling)
	}
	if err == nil {
		err = f.refuseOffers(subscribeAddons)
	}
	if err != nil {
		return r, err
	}
	r.Method, _, _ = f.text(subscribeMethod)
	if r.Method != "" && r.CustomerID == "" {
		return r, badParameter("payment_method_id", "payment_method_id belongs to a customer; name them by customer_id")
	}
	currency, _, _ := f.text(subscribeCurrency)
	if r.Currency = money.Currency(currency); currency != "" && !r.Currency.Valid() {
		return r, unsupportedCurrency("billing_currency", r.Currency)
	}
	if f.given(subscribeTrial) {
		days, err := f.whole(subscribeTrial, 0, billing.TrialDaysMax)
		if err != nil {
			return r, err
		}
		trial := int(days)
		r.Trial = &trial
	}
	if err := f.onDemand(subscribeOnDemand, &r); err != nil {
		return r, err
	}
	return r, f.subscribeTexts(&r)
}

// subscribeTexts reads what is kept with a subscription and changes nothing about it.
func (f *fields) subscribeTexts(r *subscribeRequest) (err error) {
	if r.BusinessName, err = f.short(subscribeBusinessName); err != nil {
		return err
	}
	if r.TaxID, err = f.short(subscribeTaxID); err != nil {
		return err
	}
	if r.Zone, err = f.short(subscribeZone); err != nil {
		return err
	}
	if r.Zone == "" {
		r.Zone = "UTC"
	}
	if r.Metadata, _, err = f.metadata(subscribeMetadata); r.Metadata == "{}" {
		r.Metadata = ""
	}
	return err
}

var onDemandFields = []string{
	"mandate_only", "product_price", "product_currency", "product_description", "adaptive_currency_fees_inclusive",
}

// onDemand reads how an on-demand subscription begins.
func (f *fields) onDemand(index int, r *subscribeRequest) error {
	if !f.given(index) {
		return nil
	}
	g, err := fieldsOf(f.values[index], onDemandFields, 1)
	if err != nil {
		return err
	}
	r.OnDemand = true
	if r.Mandate, _, err = g.boolean(0); err != nil {
		return err
	}
	if g.given(1) {
		price, err := g.whole(1, 0, int64(money.EntryMax))
		if err != nil {
			return err
		}
		r.Price = (*money.Amount)(&price)
	}
	currency, _, err := g.text(2)
	if err != nil {
		return err
	}
	if currency != "" && r.Currency != "" && money.Currency(currency) != r.Currency {
		return badParameter("product_currency", "product_currency is another currency than billing_currency")
	}
	if currency != "" {
		r.Currency = money.Currency(currency)
	}
	if r.About, err = g.short(3); err != nil {
		return err
	}
	if r.Trial != nil && *r.Trial > 0 {
		return badParameter("trial_period_days", "an on-demand subscription is charged when you say so, and has no trial")
	}
	return g.refuseOffers(4)
}

// The fields of a request for a charge, of which the first is required.
var chargeFields = []string{
	"product_price", "product_currency", "product_description", "metadata", "customer_balance_config",
	"adaptive_currency_fees_inclusive",
}

var chargeKinds = [...]strictjson.Kind{
	strictjson.Number, strictjson.String, strictjson.String, strictjson.Object, strictjson.Object, strictjson.Bool,
}

// chargeRequest is what a request for a charge says.
type chargeRequest struct {
	paymentRequest
	Price money.Amount `json:"price"`
	About string       `json:"about,omitempty"`
}

func (r *chargeRequest) terms() collect.BillTerms {
	terms := collect.BillTerms{Description: r.About, LeaveWallet: r.NoWallet, Purchase: r.Purchase}
	if r.Metadata != "" {
		terms.Metadata = json.RawMessage(r.Metadata)
	}
	return terms
}

func (c *call) decodeCharge() (r chargeRequest, err error) {
	f, err := c.fields(chargeFields, 1)
	if err == nil {
		err = f.checkKinds(chargeKinds[:])
	}
	if err != nil {
		return r, err
	}
	price, err := f.whole(0, 0, int64(money.EntryMax))
	if err != nil {
		return r, err
	}
	r.Price = money.Amount(price)
	currency, _, _ := f.text(1)
	if r.Currency = money.Currency(currency); currency != "" && !r.Currency.Valid() {
		return r, unsupportedCurrency("product_currency", r.Currency)
	}
	if r.About, err = f.short(2); err != nil {
		return r, err
	}
	if r.Metadata, _, err = f.metadata(3); err != nil {
		return r, err
	}
	if err := f.balance(4, &r.paymentRequest); err != nil {
		return r, err
	}
	return r, f.refuseOffers(5)
}

// The fields of a change of plan and of its preview, of which the first three are required.
var planFields = []string{
	"product_id", "quantity", "proration_billing_mode", "effective_at", "on_payment_failure", "metadata",
	"addons", "discount_code", "discount_codes", "adaptive_currency_fees_inclusive", "cancel_scheduled_change_plan",
	"collect_via_payment_link",
}

const planAddons = 6

var planKinds = [...]strictjson.Kind{
	strictjson.String, strictjson.Number, strictjson.String, strictjson.String, strictjson.String, strictjson.Object,
	strictjson.Array, strictjson.String, strictjson.Array, strictjson.Bool, strictjson.Bool, strictjson.Bool,
}

// planRequest is what a request for a change of plan says.
type planRequest struct {
	ProductID string                `json:"product_id"`
	Quantity  int64                 `json:"quantity"`
	Mode      billing.ProrationMode `json:"mode"`
	AtNext    bool                  `json:"at_next,omitempty"`
	Prevent   bool                  `json:"prevent,omitempty"`
	Metadata  string                `json:"metadata,omitempty"`
}

func (c *call) decodePlan() (r planRequest, err error) {
	f, err := c.fields(planFields, 3)
	if err == nil {
		err = f.checkKinds(planKinds[:])
	}
	if err != nil {
		return r, err
	}
	r.ProductID, _, _ = f.text(0)
	if r.Quantity, err = f.whole(1, 1, quantityMax); err != nil {
		return r, err
	}
	mode, _, _ := f.text(2)
	r.Mode = billing.ProrationMode(mode)
	at, err := f.oneOf(3, "immediately", "next_billing_date")
	if err != nil {
		return r, err
	}
	failure, err := f.oneOf(4, "apply_change", "prevent_change")
	if err != nil {
		return r, err
	}
	r.AtNext, r.Prevent = at == "next_billing_date", failure == "prevent_change"
	if r.Metadata, _, err = f.metadata(5); err != nil {
		return r, err
	}
	return r, f.refuseOffers(planAddons)
}

// oneOf returns a field that is one of some words, empty where it is not given.
func (f *fields) oneOf(index int, words ...string) (string, error) {
	word, given, err := f.text(index)
	if err == nil && given && !slices.Contains(words, word) {
		err = badParameter(f.names[index], "%s must be one of %q", f.names[index], words)
	}
	return word, err
}

// at returns a field that is a time.
func (f *fields) at(index int) (at time.Time, given bool, err error) {
	text, given, err := f.text(index)
	if err != nil || !given {
		return at, given, err
	}
	at, ok := parseTime(text)
	if !ok {
		return at, true, badParameter(f.names[index], "%s must be a time with a zone, such as 2026-01-02T03:04:05Z", f.names[index])
	}
	return at, true, nil
}
