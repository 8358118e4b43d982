package collect

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
)

// The prefixes of an invoice's id and of its payment's, which have the same characters
// behind them.
const (
	InvoiceIDPrefix = "inv_"
	PaymentIDPrefix = "pay_"
)

// Status is how a payment stands, in the words of the published API.
type Status string

// The statuses that payments have here.
const (
	Succeeded      Status = "succeeded"
	Failed         Status = "failed"
	Cancelled      Status = "cancelled"
	Processing     Status = "processing"
	RequiresAction Status = "requires_customer_action"
	RequiresMethod Status = "requires_payment_method"
)

// Statuses are all that the published API knows, the others of which no payment has.
func Statuses() []Status {
	return []Status{
		Succeeded, Failed, Cancelled, Processing, RequiresAction, RequiresMethod, "requires_merchant_action",
		"requires_confirmation", "requires_capture", "partially_captured", "partially_captured_and_capturable",
	}
}

// Card is what may be shown of a card. Empty texts are not known.
type Card struct {
	HolderName  string `json:"card_holder_name,omitempty"`
	Country     string `json:"card_issuing_country,omitempty"`
	Network     string `json:"card_network,omitempty"`
	Type        string `json:"card_type,omitempty"`
	ExpiryMonth string `json:"expiry_month,omitempty"`
	ExpiryYear  string `json:"expiry_year,omitempty"`
	LastFour    string `json:"last4_digits,omitempty"`
}

// PaymentID is the id of the invoice's payment.
func (i *Invoice) PaymentID() string {
	return PaymentIDPrefix + i.Collection.InvoiceID[len(InvoiceIDPrefix):]
}

// Status is how the invoice's payment stands.
func (i *Invoice) Status() Status {
	c := &i.Collection
	switch c.State {
	case billing.Paid:
		return Succeeded
	case billing.Void:
		return Cancelled
	case billing.PastDue:
		return Failed
	case billing.Finalized:
		if c.Tries > 0 {
			return Failed
		}
		if !c.MethodBy.IsZero() && i.Method == "" {
			return RequiresMethod
		}
	case billing.CardCreated:
		if c.Attempts[len(c.Attempts)-1].Progress == billing.RequiresAction {
			return RequiresAction
		}
	}
	return Processing
}

// ByCard reports whether the card pays for the invoice, or was last asked to.
func (i *Invoice) ByCard() bool {
	c := &i.Collection
	return c.Tender.Card > 0 || c.State != billing.Paid && len(c.Attempts) > 0
}

// method is what the published payment says it is paid with.
func (i *Invoice) method() *string {
	switch {
	case i.ByCard():
		return text("card")
	case i.Collection.Tender.Wallet > 0:
		return text("customer_wallet")
	}
	return nil
}

// failure is why the last try has failed, in a code and in words.
func (i *Invoice) failure() (code, message *string) {
	c := &i.Collection
	if i.Status() != Failed {
		return nil, nil
	}
	switch {
	case len(c.Attempts) > 0 && c.Attempts[len(c.Attempts)-1].Outcome == billing.Declined:
		return text("CARD_DECLINED"), text("The card was declined.")
	case i.Method != "":
		return text(string(billing.CodeBelowMinimum)), text("What the wallet does not cover is less than the card processor charges.")
	}
	return text("PAYMENT_METHOD_REQUIRED"), text("The wallet does not cover the payment, and there is no payment method.")
}

// Time is a time as the wire has it.
type Time time.Time

// MarshalJSON implements [json.Marshaler].
func (t Time) MarshalJSON() ([]byte, error) {
	return []byte(time.Time(t).UTC().Format(`"2006-01-02T15:04:05.000000Z"`)), nil
}

// UnmarshalJSON implements [json.Unmarshaler].
func (t *Time) UnmarshalJSON(text []byte) error { return (*time.Time)(t).UnmarshalJSON(text) }

// Payment is a payment as the published API shows it.
type Payment struct {
	PaymentListItem

	Billing       Address           `json:"billing"`
	BusinessID    string            `json:"business_id"`
	Disputes      []DisputeListItem `json:"disputes"`
	IsUpdate      bool              `json:"is_update_payment_method"`
	Refunds       []RefundListItem  `json:"refunds"` // see [Collector.RefundsOf]
	RetryAttempt  int               `json:"retry_attempt"`
	Settlement    int64             `json:"settlement_amount"`
	SettlementIn  string            `json:"settlement_currency"`
	SettlementTax *int64            `json:"settlement_tax"`
	Tax           *int64            `json:"tax"`

	CardHolder  *string    `json:"card_holder_name"`
	CardCountry *string    `json:"card_issuing_country"`
	CardType    *string    `json:"card_type"`
	MethodID    *string    `json:"payment_method_id"`
	Session     *string    `json:"checkout_session_id"`
	Responses   *string    `json:"custom_field_responses"`
	DiscountID  *string    `json:"discount_id"`
	Discounts   *string    `json:"discounts"`
	ErrorCode   *string    `json:"error_code"`
	Error       *string    `json:"error_message"`
	Link        *string    `json:"payment_link"`
	Cart        []CartItem `json:"product_cart"`
	UpdatedAt   Time       `json:"updated_at"`
}

// PaymentListItem is a payment as the published list shows it.
type PaymentListItem struct {
	PaymentID string `json:"payment_id"`
	BrandID   string `json:"brand_id"`
	CreatedAt Time   `json:"created_at"`
	Currency  string `json:"currency"`

	Customer  Customer        `json:"customer"`
	Delivered bool            `json:"digital_products_delivered"`
	License   bool            `json:"has_license_key"`
	Metadata  json.RawMessage `json:"metadata"`
	Provider  string          `json:"payment_provider"`
	Total     int64           `json:"total_amount"`

	LastFour      *string `json:"card_last_four"`
	Network       *string `json:"card_network"`
	DisputeStatus *string `json:"dispute_status"`
	InvoiceID     string  `json:"invoice_id"`
	InvoiceURL    *string `json:"invoice_url"`
	Method        *string `json:"payment_method"`
	MethodType    *string `json:"payment_method_type"`
	RefundStatus  *string `json:"refund_status"`
	Status        Status  `json:"status"`

	SubscriptionID  *string  `json:"subscription_id"`
	IsMulti         bool     `json:"is_multi_subscription"`
	SubscriptionIDs []string `json:"subscription_ids"`

	// Beyond the published format: what of the total the wallet pays.
	WalletAmount int64 `json:"wallet_amount"`
}

// CartItem is a product that was bought.
type CartItem struct {
	ProductID string `json:"product_id"`
	Quantity  int64  `json:"quantity"`
}

// Customer is who pays, as the published API shows it.
type Customer struct {
	ID          string          `json:"customer_id"`
	Email       string          `json:"email"`
	Name        string          `json:"name"`
	PhoneNumber *string         `json:"phone_number"`
	Metadata    json.RawMessage `json:"metadata"`
}

// CustomerOf is a customer as a payment shows it.
func CustomerOf(c *ledger.Customer) Customer {
	return Customer{ID: c.ID, Email: c.Email, Name: c.Name, PhoneNumber: text(c.PhoneNumber), Metadata: object(c.Metadata)}
}

// ListItem is the invoice's payment as the list shows it.
func (i *Invoice) ListItem(customer *ledger.Customer) PaymentListItem {
	item := PaymentListItem{
		PaymentID: i.PaymentID(), BrandID: i.Tenant.BusinessID, CreatedAt: Time(i.CreatedAt), Currency: string(i.Collection.Currency),
		Customer: CustomerOf(customer), Metadata: object(string(i.Metadata)), Provider: "dodo", Total: int64(i.Collection.Total),
		InvoiceID: i.Collection.InvoiceID, Method: i.method(), Status: i.Status(),
		SubscriptionID: text(i.SubscriptionID), SubscriptionIDs: []string{}, RefundStatus: i.refundStatus(), DisputeStatus: i.disputeStatus(), WalletAmount: int64(i.Collection.Tender.Wallet),
	}
	if i.SubscriptionID != "" {
		item.SubscriptionIDs = append(item.SubscriptionIDs, i.SubscriptionID)
	}
	if i.ByCard() {
		item.LastFour, item.Network, item.MethodType = text(i.Card.LastFour), text(i.Card.Network), text(i.Card.Type)
	}
	return item
}

// Payment is the invoice's payment.
func (i *Invoice) Payment(customer *ledger.Customer) Payment {
	p := Payment{
		PaymentListItem: i.ListItem(customer), Billing: i.Billing, BusinessID: i.Tenant.BusinessID, Disputes: i.DisputesOf(),
		Refunds: []RefundListItem{}, RetryAttempt: i.Collection.Tries, Settlement: int64(i.Collection.Total),
		SettlementIn: string(i.Collection.Currency), UpdatedAt: Time(i.UpdatedAt), Cart: i.cart(),
	}
	if i.ByCard() {
		p.CardHolder, p.CardCountry, p.CardType = text(i.Card.HolderName), text(i.Card.Country), text(i.Card.Type)
		p.MethodID = text(i.MethodID)
	}
	p.ErrorCode, p.Error = i.failure()
	return p
}

// cart is what of the invoice are products.
func (i *Invoice) cart() (cart []CartItem) {
	for _, item := range i.Items {
		if item.ProductID != "" && item.Amount >= 0 { // not what is given back of an old plan
			cart = append(cart, CartItem{item.ProductID, item.Quantity})
		}
	}
	return cart
}

// HasProduct reports whether a product is among what the invoice is for.
func (i *Invoice) HasProduct(id string) bool {
	return slices.ContainsFunc(i.Items, func(item Item) bool { return item.ProductID == id })
}

// eventKinds are as what it is told that a payment has come to stand so.
var eventKinds = map[Status]ledger.EventKind{
	Succeeded: ledger.PaymentSucceeded, Failed: ledger.PaymentFailed, Processing: ledger.PaymentProcessing,
	Cancelled: ledger.PaymentCancelled, RequiresAction: ledger.PaymentRequiresAction,
}

// told is as what a step is told to those who want events, with what they are told,
// empty where it is told to nobody. A payment is told of when it comes to stand
// otherwise, and for each try that has failed; that it was asked for is no news.
func (i *Invoice) told(before *Invoice, customer *ledger.Customer) (kind ledger.EventKind, data string, err error) {
	status := i.Status()
	tried := i.Collection.Tries > before.Collection.Tries
	waited, waits := before.Collection.State == billing.Finalized, i.Collection.State == billing.Finalized
	begun := waited && !waits && status == Processing
	kind = eventKinds[status]
	switch {
	case i.escalated() && !before.escalated():
		kind = ledger.PaymentEscalated
	case status == before.Status() && !tried && !begun || kind == "":
		return "", "", nil
	}
	payload, err := encode(struct {
		Payment
		PayloadType string `json:"payload_type"`
	}{i.Payment(customer), "Payment"})
	return kind, string(payload), err
}

// escalated reports whether a person was told that the attempt that is open does not end.
func (i *Invoice) escalated() bool {
	tries := i.Collection.Attempts
	return len(tries) > 0 && tries[len(tries)-1].Escalated
}

// text is a text that may be missing.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// object is a JSON object that may be missing.
func object(s string) json.RawMessage {
	if s == "" {
		return json.RawMessage("{}")
	}
	return json.RawMessage(s)
}
