package catalog

import (
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/billing/calendar"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// The refusals that only products have.
const (
	CodeInvalidProduct  ledger.Code = "INVALID_PRODUCT"
	CodeInvalidSchedule ledger.Code = "INVALID_SCHEDULE"
	CodeNotOffered      ledger.Code = "NOT_OFFERED" // the published format has it, Billfold does not
	CodeProductDeleted  ledger.Code = "PRODUCT_IS_DELETED"
)

// Limits of a product, in Unicode code points and days.
const (
	NameMax        = ledger.NameMax
	DescriptionMax = 10_000
	TrialDaysMax   = 3650
)

// taxCategories are those of the published format.
var taxCategories = []string{"digital_products", "saas", "e_book", "edtech", "live_tutoring"}

// Validate checks what a caller sets, in the order name, description, tax category,
// price. Whether a currency is enabled it does not ask.
func Validate(p *Product) error {
	control := func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\n\r\t", r) }
	switch {
	case strings.TrimSpace(p.Name) == "" || utf8.RuneCountInString(p.Name) > NameMax ||
		strings.ContainsFunc(p.Name, unicode.IsControl):
		return ledger.FieldErrorf(ledger.CodeInvalidName, "name", "name must be 1 to %d characters, not blank, without control characters", NameMax)
	case utf8.RuneCountInString(p.Description) > DescriptionMax || strings.ContainsFunc(p.Description, control):
		return ledger.FieldErrorf(CodeInvalidProduct, "description", "description must be at most %d characters, without control characters but line ends and tabs", DescriptionMax)
	case !slices.Contains(taxCategories, p.TaxCategory):
		return ledger.FieldErrorf(CodeInvalidProduct, "tax_category", "tax_category must be one of %s", strings.Join(taxCategories, ", "))
	}
	return ValidatePrice(&p.Price)
}

// ValidatePrice checks a price.
func ValidatePrice(price *billing.Price) error {
	if price.Kind != billing.OneTimePrice && price.Kind != billing.RecurringPrice {
		return ledger.FieldErrorf(CodeInvalidProduct, "price.type", "type must be %s or %s", billing.OneTimePrice, billing.RecurringPrice)
	}
	if !price.Currency.Valid() {
		return ledger.FieldErrorf(ledger.CodeUnsupportedCurrency, "price.currency", "currency is not a supported currency; use an upper-case ISO 4217 code such as USD")
	}
	if err := validateAmount("price", price.Amount); err != nil {
		return err
	}
	if price.Kind == billing.RecurringPrice {
		return validateRecurring(price)
	}
	if err := validateAmount("suggested_price", price.Suggested); err != nil {
		return err
	}
	if price.Suggested > 0 && price.Suggested < price.Amount {
		return ledger.FieldErrorf(CodeInvalidProduct, "price.suggested_price", "suggested_price must not be below price, which is the least that is paid")
	}
	return nil
}

func validateAmount(name string, amount money.Amount) error {
	switch {
	case amount < 0:
		return ledger.FieldErrorf(ledger.CodeAmountNotPositive, "price."+name, "%s must not be below 0", name)
	case amount > money.EntryMax:
		return ledger.FieldErrorf(ledger.CodeAmountTooLarge, "price."+name, "%s must be at most %d minor units", name, money.EntryMax)
	}
	return nil
}

// monthsLookedAt are four years, in which months and years have every length.
const monthsLookedAt = 48

func validateRecurring(price *billing.Price) error {
	if price.TrialDays < 0 || price.TrialDays > TrialDaysMax {
		return ledger.FieldErrorf(CodeInvalidProduct, "price.trial_period_days", "trial_period_days must be 0 to %d", TrialDaysMax)
	}
	for month := range monthsLookedAt {
		anchor := time.Date(2000, time.January+time.Month(month), 1, 0, 0, 0, 0, time.UTC)
		payment, err := end(anchor, "payment_frequency", price.Payment)
		if err != nil {
			return err
		}
		subscription, err := end(anchor, "subscription_period", price.Subscription)
		if err != nil {
			return err
		}
		if subscription.Before(payment) {
			return ledger.FieldErrorf(CodeInvalidSchedule, "price.subscription_period_count", "the subscription period must not be shorter than the payment frequency, whenever it begins")
		}
	}
	return nil
}

// end is when the first period of an interval ends.
func end(anchor time.Time, name string, interval billing.Interval) (time.Time, error) {
	schedule, err := calendar.New(anchor, time.UTC, interval.Unit, interval.Count, 0)
	if refused := (*calendar.Error)(nil); errors.As(err, &refused) {
		param := name + "_" + refused.Param
		return time.Time{}, ledger.FieldErrorf(CodeInvalidSchedule, "price."+param, "%s: %s", param, refused.Message)
	}
	if err != nil {
		return time.Time{}, err
	}
	period, _ := schedule.Period(0)
	return period.End, nil
}
