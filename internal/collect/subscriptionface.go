package collect

import (
	"encoding/json"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
)

// SubscriptionListItem is a subscription as the published list shows it. What Billfold does
// not offer is there, and empty.
type SubscriptionListItem struct {
	ID            string                     `json:"subscription_id"`
	Status        billing.SubscriptionStatus `json:"status"`
	ProductID     string                     `json:"product_id"`
	ProductName   *string                    `json:"product_name"`
	Quantity      int64                      `json:"quantity"`
	Currency      string                     `json:"currency"`
	Amount        int64                      `json:"recurring_pre_tax_amount"` // of a period
	TaxInclusive  bool                       `json:"tax_inclusive"`
	Frequency     int                        `json:"payment_frequency_count"`
	FrequencyUnit string                     `json:"payment_frequency_interval"`
	Term          int                        `json:"subscription_period_count"`
	TermUnit      string                     `json:"subscription_period_interval"`
	TrialDays     int                        `json:"trial_period_days"`
	TrialAmount   *int64                     `json:"trial_amount"`
	OnDemand      bool                       `json:"on_demand"`

	Customer     Customer        `json:"customer"`
	Billing      Address         `json:"billing"`
	BusinessName *string         `json:"customer_business_name"`
	TaxID        *string         `json:"tax_id"`
	Metadata     json.RawMessage `json:"metadata"`
	HasMethod    bool            `json:"has_payment_method"`
	MethodID     *string         `json:"payment_method_id"`

	Next         Time           `json:"next_billing_date"`
	Previous     Time           `json:"previous_billing_date"`
	CancelAtNext bool           `json:"cancel_at_next_billing_date"`
	CancelledAt  *Time          `json:"cancelled_at"`
	PausedAt     *Time          `json:"paused_at"`
	CreatedAt    Time           `json:"created_at"`
	Scheduled    *ScheduledPlan `json:"scheduled_change"`

	Discounts      []struct{} `json:"discounts"`
	DiscountID     *string    `json:"discount_id"`
	DiscountCycles *int64     `json:"discount_cycles_remaining"`
}

// SubscriptionFace is a subscription as the published API shows it.
type SubscriptionFace struct {
	SubscriptionListItem
	BrandID       string     `json:"brand_id"`
	Addons        []struct{} `json:"addons"`
	Credits       []struct{} `json:"credit_entitlement_cart"`
	MeterCredits  []struct{} `json:"meter_credit_entitlement_cart"`
	Meters        []struct{} `json:"meters"`
	Responses     *string    `json:"custom_field_responses"`
	ExpiresAt     *Time      `json:"expires_at"`
	CancelComment *string    `json:"cancellation_comment"`
	CancelWhy     *string    `json:"cancellation_feedback"`

	// Beyond the published format: who cancelled, in what zone its days begin, and the
	// payment of what it owes.
	CancelReason *string `json:"cancel_reason"`
	Zone         string  `json:"zone"`
	OpenPayment  *string `json:"open_payment_id"`
}

// ScheduledPlan is a change of plan that waits for the next period.
type ScheduledPlan struct {
	ID          string     `json:"id"`
	ProductID   string     `json:"product_id"`
	ProductName *string    `json:"product_name"`
	Description *string    `json:"product_description"`
	Quantity    int64      `json:"quantity"`
	Addons      []struct{} `json:"addons"`
	CreatedAt   Time       `json:"created_at"`
	EffectiveAt Time       `json:"effective_at"`
}

// ListItem is the subscription as the list shows it.
func (s *Subscription) ListItem(customer *ledger.Customer) SubscriptionListItem {
	item := SubscriptionListItem{
		ID: s.ID, Status: s.Status, ProductID: s.Plan.ProductID, ProductName: text(s.sold(s.Plan.ProductID).Name),
		Quantity: s.Plan.Quantity, Currency: string(s.Currency), Amount: int64(s.Plan.Total()),
		Frequency: s.Plan.Payment.Count, FrequencyUnit: string(s.Plan.Payment.Unit), Term: s.Term.Count, TermUnit: string(s.Term.Unit),
		TrialDays: s.TrialDays, OnDemand: s.OnDemand, Customer: CustomerOf(customer), Billing: s.Billing,
		BusinessName: text(s.BusinessName), TaxID: text(s.TaxID), Metadata: object(string(s.Metadata)),
		HasMethod: s.Method != "", MethodID: text(s.MethodID), Next: Time(s.nextBilling()), Previous: Time(s.Current.Start),
		CancelAtNext: s.CancelAtNext, CancelledAt: moment(s.CancelledAt), PausedAt: moment(s.PausedAt),
		CreatedAt: Time(s.CreatedAt), Discounts: []struct{}{},
	}
	if waiting := s.Waiting; waiting != nil {
		product := s.sold(waiting.Plan.ProductID)
		item.Scheduled = &ScheduledPlan{
			ID: s.ChangeID, ProductID: product.ProductID, ProductName: text(product.Name), Description: text(product.Description),
			Quantity: waiting.Plan.Quantity, Addons: []struct{}{}, CreatedAt: Time(waiting.At), EffectiveAt: item.Next,
		}
	}
	return item
}

// nextBilling is when the next period begins. Where none is going to, and the published
// format wants a time all the same, it is when the subscription ends.
func (s *Subscription) nextBilling() time.Time {
	switch {
	case s.OnDemand && !s.CancelAtNext && !s.ExpiresAt.IsZero():
		return s.ExpiresAt
	case !s.Current.End.IsZero():
		return s.Current.End
	case !s.ExpiresAt.IsZero():
		return s.ExpiresAt
	}
	return s.Current.Start
}

// Face is the subscription with all that is shown of it.
func (s *Subscription) Face(customer *ledger.Customer) SubscriptionFace {
	none := []struct{}{}
	face := SubscriptionFace{
		SubscriptionListItem: s.ListItem(customer), BrandID: s.Tenant.BusinessID, Addons: none, Credits: none, MeterCredits: none,
		Meters: none, ExpiresAt: moment(s.ExpiresAt), CancelComment: text(s.CancelComment), CancelWhy: text(s.CancelFeedback),
		CancelReason: text(s.CancelReason), Zone: s.Zone,
	}
	if s.Owes != nil {
		face.OpenPayment = text(PaymentIDPrefix + s.Owes.InvoiceID[len(InvoiceIDPrefix):])
	}
	return face
}

// moment is a time that may be missing.
func moment(t time.Time) *Time {
	if t.IsZero() {
		return nil
	}
	at := Time(t)
	return &at
}

// dunningAttempt is what is told of dunning.
type dunningAttempt struct {
	BrandID        string  `json:"brand_id"`
	CreatedAt      Time    `json:"created_at"`
	CustomerID     string  `json:"customer_id"`
	PaymentID      *string `json:"payment_id"`
	Status         string  `json:"status"`
	SubscriptionID string  `json:"subscription_id"`
	TriggerState   string  `json:"trigger_state"`
	PayloadType    string  `json:"payload_type"`
}

// told is what those who want events are told of a subscription.
func (s *Subscription) told(
	event billing.SubscriptionEvent, about *Invoice, customer *ledger.Customer, at time.Time,
) (string, error) {
	var what any = struct {
		SubscriptionFace
		PayloadType string `json:"payload_type"`
	}{s.Face(customer), "Subscription"}
	if event == billing.TellDunning || event == billing.TellDunningEnded {
		attempt := dunningAttempt{
			BrandID: s.Tenant.BusinessID, CreatedAt: Time(at), CustomerID: s.CustomerID, Status: "recovering", SubscriptionID: s.ID,
			TriggerState: string(billing.SubscriptionOnHold), PayloadType: "DunningAttempt",
		}
		if event == billing.TellDunningEnded {
			attempt.Status = "recovered"
		}
		if about != nil {
			attempt.PaymentID = text(about.PaymentID())
		}
		what = attempt
	}
	data, err := encode(what)
	return string(data), err
}
