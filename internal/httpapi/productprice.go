package httpapi

import (
	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/billing/calendar"
	"github.com/billfold/billfold/internal/catalog"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/strictjson"
)

// The fields of a price. The first five are those of each kind, and required; those of
// a recurring price too, but for the trial.
var (
	priceFields   = []string{"type", "currency", "price", "discount", "purchasing_power_parity", "tax_inclusive"}
	oneTimeFields = append(priceFields[:len(priceFields):len(priceFields)], "pay_what_you_want", "suggested_price")
	recurFields   = append(priceFields[:len(priceFields):len(priceFields)],
		"payment_frequency_count", "payment_frequency_interval", "subscription_period_count", "subscription_period_interval",
		"trial_period_days", "trial_amount", "trial_apply_discounts")
)

const (
	priceType = iota
	priceCurrency
	priceAmount
	priceDiscount
	priceParity
	priceTaxInclusive

	priceChosen    // of a one-time price
	priceSuggested // of a one-time price

	priceRequired = priceParity + 1
)

// The places of the fields of a recurring price.
const (
	pricePaymentCount = iota + priceTaxInclusive + 1
	pricePaymentUnit
	pricePeriodCount
	pricePeriodUnit
	priceTrialDays
	priceTrialAmount
	priceTrialDiscounts
)

var (
	oneTimeKinds = [...]strictjson.Kind{
		priceType: strictjson.String, priceCurrency: strictjson.String, priceDiscount: strictjson.Number,
		priceParity: strictjson.Bool, priceTaxInclusive: strictjson.Bool, priceChosen: strictjson.Bool,
	}
	recurKinds = [...]strictjson.Kind{
		priceType: strictjson.String, priceCurrency: strictjson.String, priceDiscount: strictjson.Number,
		priceParity: strictjson.Bool, priceTaxInclusive: strictjson.Bool, pricePaymentCount: strictjson.Number,
		pricePaymentUnit: strictjson.String, pricePeriodCount: strictjson.Number, pricePeriodUnit: strictjson.String,
		priceTrialDays: strictjson.Number, priceTrialDiscounts: strictjson.Bool,
	}
)

// decodePrice reads a price. Its type says which fields it has.
func decodePrice(object strictjson.Value) (price billing.Price, err error) {
	typed := fields{names: priceFields}
	for name, value := range object.Members {
		if string(name) == priceFields[priceType] {
			typed.values[priceType] = value
		}
	}
	kind, given, err := typed.text(priceType)
	if err != nil {
		return price, err
	}
	price.Kind = billing.PriceKind(kind)
	names, kinds := oneTimeFields, oneTimeKinds[:]
	switch {
	case !given:
		return price, ledger.FieldErrorf(ledger.CodeMissingField, "type", "type is required")
	case kind == "usage_based_price":
		return price, notOffered("type", "usage_based_price")
	case price.Kind == billing.RecurringPrice:
		names, kinds = recurFields, recurKinds[:]
	case price.Kind != billing.OneTimePrice:
		return price, ledger.FieldErrorf(catalog.CodeInvalidProduct, "type", "type must be %s or %s", billing.OneTimePrice, billing.RecurringPrice)
	}
	f, err := fieldsOf(object, names, priceRequired)
	if err != nil {
		return price, err
	}
	if err := f.checkKinds(kinds); err != nil {
		return price, err
	}
	if price.Kind == billing.RecurringPrice {
		for index := pricePaymentCount; index <= pricePeriodUnit; index++ {
			if !f.given(index) {
				return price, ledger.FieldErrorf(ledger.CodeMissingField, names[index], "%s is required", names[index])
			}
		}
	}
	price.Currency = money.Currency(f.values[priceCurrency].Text())
	if price.Amount, err = f.amountOf(priceAmount); err != nil {
		return price, err
	}
	for _, index := range []int{priceDiscount, priceParity, priceTaxInclusive} {
		if f.given(index) && !isNothing(f.values[index]) {
			return price, notOffered(names[index], names[index])
		}
	}
	if price.Kind == billing.RecurringPrice {
		err = f.recurring(&price)
		return price, err
	}
	price.PayWhatYouWant, _, _ = f.boolean(priceChosen)
	suggested, err := f.amountOf(priceSuggested)
	if price.PayWhatYouWant { // else it says nothing, as published
		price.Suggested = suggested
	}
	return price, err
}

// amountOf reads an amount, 0 where none is given.
func (f *fields) amountOf(index int) (money.Amount, error) {
	if !f.given(index) {
		return 0, nil
	}
	n, whole := integer(f.values[index])
	if !whole {
		return 0, ledger.FieldErrorf(CodeAmountNotInteger, f.names[index], "%s must be a whole number of minor units, written without quotes, point or exponent", f.names[index])
	}
	return money.Amount(n), nil
}

// count reads a number of units or days. One that is out of range comes back as one that
// is refused.
func (f *fields) count(index int) (int, error) {
	if !f.given(index) {
		return 0, nil
	}
	n, whole := integer(f.values[index])
	if !whole {
		name := f.names[index]
		return 0, ledger.FieldErrorf(CodeInvalidRequestBody, name, "%s must be a whole number, written without point or exponent", name)
	}
	return int(min(n, 1<<31-1)), nil
}

// recurring reads what only a recurring price has.
func (f *fields) recurring(price *billing.Price) (err error) {
	for _, index := range []int{priceTrialAmount, priceTrialDiscounts} {
		if f.given(index) && !isNothing(f.values[index]) {
			return notOffered(f.names[index], f.names[index])
		}
	}
	price.Payment.Unit = calendar.Unit(f.values[pricePaymentUnit].Text())
	price.Subscription.Unit = calendar.Unit(f.values[pricePeriodUnit].Text())
	if price.Payment.Count, err = f.count(pricePaymentCount); err != nil {
		return err
	}
	if price.Subscription.Count, err = f.count(pricePeriodCount); err != nil {
		return err
	}
	price.TrialDays, err = f.count(priceTrialDays)
	return err
}
