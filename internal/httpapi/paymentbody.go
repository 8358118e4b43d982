package httpapi

import (
	"crypto/sha256"
	"encoding/json"
	"unicode/utf8"

	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/strictjson"
)

// The fields of a request for a payment, of which the first three are required. What
// stands behind paymentBalance is what the published format has and Billfold does not
// offer, or does not act on.
var paymentFields = []string{
	"product_cart", "customer", "billing",
	"payment_method_id", "metadata", "customer_balance_config", "billing_currency", "payment_link",
	"return_url", "customer_business_name", "tax_id", "redirect_immediately", "show_saved_payment_methods",
	"discount_code", "discount_codes", "allowed_payment_method_types", "adaptive_currency_fees_inclusive", "force_3ds",
	"require_phone_number", "short_link",
}

const (
	paymentCart = iota
	paymentCustomer
	paymentBilling
	paymentMethod
	paymentMetadata
	paymentBalance
	paymentCurrency
	paymentLink
	paymentReturnURL
	paymentBusinessName
	paymentTaxID
	paymentRedirect
	paymentShowSaved
	paymentDiscount
	paymentDiscounts
	paymentAllowed
	paymentAdaptive
	paymentForce3DS
	paymentRequirePhone
	paymentShortLink

	paymentRequired = paymentBilling + 1
)

var paymentKinds = [...]strictjson.Kind{
	paymentCart: strictjson.Array, paymentCustomer: strictjson.Object, paymentBilling: strictjson.Object,
	paymentMethod: strictjson.String, paymentMetadata: strictjson.Object, paymentBalance: strictjson.Object,
	paymentCurrency: strictjson.String, paymentLink: strictjson.Bool, paymentReturnURL: strictjson.String,
	paymentBusinessName: strictjson.String, paymentTaxID: strictjson.String, paymentRedirect: strictjson.Bool,
	paymentShowSaved: strictjson.Bool, paymentDiscount: strictjson.String, paymentDiscounts: strictjson.Array,
	paymentAllowed: strictjson.Array, paymentAdaptive: strictjson.Bool, paymentForce3DS: strictjson.Bool,
	paymentRequirePhone: strictjson.Bool, paymentShortLink: strictjson.Bool,
}

// paymentRequest is what a request for a payment says, in the one form that its
// fingerprint covers.
type paymentRequest struct {
	CustomerID string          `json:"customer_id,omitempty"` // or an e-mail address
	Email      string          `json:"email,omitempty"`
	Name       string          `json:"name,omitempty"`
	Phone      string          `json:"phone,omitempty"`
	Cart       []cartLine      `json:"cart"`
	Billing    collect.Address `json:"billing"`
	Method     string          `json:"method,omitempty"`
	Metadata   string          `json:"metadata,omitempty"`
	Currency   money.Currency  `json:"currency,omitempty"`
	NoWallet   bool            `json:"no_wallet,omitempty"`
	Purchase   bool            `json:"purchase,omitempty"`
	Link       bool            `json:"link,omitempty"`
	ReturnURL  string          `json:"return_url,omitempty"`
}

type cartLine struct {
	ProductID string        `json:"product_id"`
	Quantity  int64         `json:"quantity"`
	Amount    *money.Amount `json:"amount"` // nil: not given
}

func (r *paymentRequest) fingerprint() ledger.Fingerprint {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // it has texts and numbers only
	}
	sum := sha256.Sum256(append([]byte("billfold.payment.v1"), text...))
	return ledger.Fingerprint(sum[:len(ledger.Fingerprint{})])
}

// Limits of requests for payments.
const (
	cartMax        = 40 // products; a body has 200 values at the most
	quantityMax    = 1_000_000
	addressTextMax = 255
)

func badParameter(param, format string, args ...any) error {
	return ledger.FieldErrorf(CodeInvalidParameters, param, format, args...)
}

func (c *call) decodePayment() (r paymentRequest, err error) {
	f, err := c.fields(paymentFields, paymentRequired)
	if err == nil {
		err = f.checkKinds(paymentKinds[:])
	}
	if err == nil {
		r.Cart, err = f.cart(paymentCart)
	}
	if err == nil {
		err = f.payer(paymentCustomer, &r)
	}
	if err == nil {
		r.Billing, err = f.address(paymentBilling)
	}
	if err != nil {
		return r, err
	}
	if err := f.refuseOffers(paymentDiscount); err != nil {
		return r, err
	}
	r.Method, _, _ = f.text(paymentMethod)
	if r.Method != "" && r.CustomerID == "" {
		return r, badParameter("payment_method_id", "payment_method_id belongs to a customer; name them by customer_id")
	}
	r.Link, _, _ = f.boolean(paymentLink)
	if r.ReturnURL, _, _ = f.text(paymentReturnURL); r.ReturnURL != "" {
		if err := collect.ReturnURL(r.ReturnURL); err != nil {
			return r, err
		}
	}
	currency, _, _ := f.text(paymentCurrency)
	if r.Currency = money.Currency(currency); currency != "" && !r.Currency.Valid() {
		return r, unsupportedCurrency("billing_currency", r.Currency)
	}
	if err := f.balance(paymentBalance, &r); err != nil {
		return r, err
	}
	if r.Metadata, _, err = f.metadata(paymentMetadata); r.Metadata == "{}" {
		r.Metadata = ""
	}
	return r, err
}

var (
	cartFields    = []string{"product_id", "quantity", "amount"}
	payerFields   = []string{"customer_id", "email", "name", "phone_number", "create_new_customer"}
	addressFields = []string{"country", "city", "state", "street", "zipcode"}
	balanceFields = []string{"allow_customer_credits_usage", "allow_customer_credits_purchase"}
)

// cart reads what is bought.
func (f *fields) cart(index int) (lines []cartLine, err error) {
	seen := map[string]bool{}
	for element := range f.values[index].Elements {
		if element.Kind() != strictjson.Object {
			return nil, ledger.FieldErrorf(CodeInvalidRequestBody, "product_cart", "product_cart must hold objects, not %s", element.Kind())
		}
		item, err := fieldsOf(element, cartFields, 2)
		if err != nil {
			return nil, err
		}
		line := cartLine{}
		if line.ProductID, _, err = item.text(0); err != nil {
			return nil, err
		}
		if item.values[1].Kind() != strictjson.Number {
			return nil, item.wrongKind(1, strictjson.Number)
		}
		quantity, whole := integer(item.values[1])
		if line.Quantity = quantity; !whole || quantity < 1 || quantity > quantityMax {
			return nil, badParameter("quantity", "quantity must be a whole number from 1 to %d", quantityMax)
		}
		if item.given(2) {
			paid, err := amount(item.values[2])
			if err != nil {
				return nil, err
			}
			line.Amount = &paid
		}
		if seen[line.ProductID] {
			return nil, badParameter("product_cart", "product_cart names a product twice; say its quantity instead")
		}
		seen[line.ProductID] = true
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return nil, ledger.FieldErrorf(CodeEmptyCart, "product_cart", "product_cart must name a product")
	}
	if len(lines) > cartMax {
		return nil, ledger.FieldErrorf(ledger.CodeLimitReached, "product_cart", "product_cart may name %d products at the most", cartMax)
	}
	return lines, nil
}

// payer reads who pays: a customer by their id, or whoever has an e-mail address.
func (f *fields) payer(index int, r *paymentRequest) error {
	p, err := fieldsOf(f.values[index], payerFields, 0)
	if err != nil {
		return err
	}
	for i, into := range []*string{&r.CustomerID, &r.Email, &r.Name, &r.Phone} {
		if *into, _, err = p.text(i); err != nil {
			return err
		}
	}
	if createNew, _, err := p.boolean(4); err != nil {
		return err
	} else if createNew {
		return badParameter("create_new_customer", "make the new customer by POST /customers, and name them by customer_id")
	}
	if r.CustomerID != "" {
		if r.Email+r.Name+r.Phone != "" {
			return badParameter("customer", "customer has either customer_id or email, name and phone_number")
		}
		return nil
	}
	if r.Email == "" {
		return ledger.FieldErrorf(ledger.CodeMissingField, "customer_id", "customer_id or email is required")
	}
	if r.Name == "" {
		r.Name = r.Email
	}
	return ledger.ValidateCustomer(ledger.Customer{Email: r.Email, Name: r.Name, PhoneNumber: r.Phone})
}

// address reads where a customer is billed.
func (f *fields) address(index int) (a collect.Address, err error) {
	b, err := fieldsOf(f.values[index], addressFields, 1)
	if err != nil {
		return a, err
	}
	for i, into := range []*string{&a.Country, &a.City, &a.State, &a.Street, &a.Zipcode} {
		if *into, _, err = b.text(i); err != nil {
			return a, err
		}
		if utf8.RuneCountInString(*into) > addressTextMax {
			return a, badParameter(addressFields[i], "%s may have %d characters at the most", addressFields[i], addressTextMax)
		}
	}
	if !upperCode(a.Country) {
		return a, badParameter("country", "country must be a code of ISO 3166-1 in two upper-case letters, such as US")
	}
	return a, nil
}

func upperCode(text string) bool {
	return len(text) == 2 && 'A' <= text[0] && text[0] <= 'Z' && 'A' <= text[1] && text[1] <= 'Z'
}

// balance reads whether the wallet takes part.
func (f *fields) balance(index int, r *paymentRequest) error {
	if !f.given(index) {
		return nil
	}
	b, err := fieldsOf(f.values[index], balanceFields, 0)
	if err != nil {
		return err
	}
	usage, given, err := b.boolean(0)
	if err != nil {
		return err
	}
	r.NoWallet = given && !usage
	r.Purchase, _, err = b.boolean(1)
	return err
}
