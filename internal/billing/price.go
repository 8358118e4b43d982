package billing

import (
	"github.com/billfold/billfold/internal/billing/calendar"
	"github.com/billfold/billfold/internal/money"
)

// PriceKind is how a price is asked for, in the words of the wire.
type PriceKind string

const (
	OneTimePrice   PriceKind = "one_time_price"
	RecurringPrice PriceKind = "recurring_price"
)

// Price is what one unit of a product costs.
type Price struct {
	Kind     PriceKind      `json:"type"`
	Currency money.Currency `json:"currency"`
	Amount   money.Amount   `json:"price"` // 0 … money.EntryMax

	// PayWhatYouWant has the customer choose an amount, of at least Amount. Suggested is
	// what they are offered, 0 for nothing. Of a one-time price.
	PayWhatYouWant bool         `json:"pay_what_you_want,omitempty"`
	Suggested      money.Amount `json:"suggested_price,omitempty"`

	// Payment is how often a recurring price is paid, and Subscription for how long it is
	// subscribed to. Of a recurring price.
	Payment      Interval `json:"payment,omitzero"`
	Subscription Interval `json:"subscription,omitzero"`
	TrialDays    int      `json:"trial_period_days,omitempty"` // before the first payment
}

// Interval is a count of units of the calendar.
type Interval struct {
	Count int           `json:"count"` // 1 … calendar.CountMax
	Unit  calendar.Unit `json:"unit"`
}
