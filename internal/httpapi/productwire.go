package httpapi

import (
	"strconv"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/catalog"
)

// appendProduct appends a product. What is not offered is there as nothing, because the
// published format requires it.
func appendProduct(out []byte, p *catalog.Product) []byte {
	out = appendProductStart(out, p)
	out = append(out, `,"price":`...)
	out = appendPrice(out, &p.Price)
	out = append(out, `,"addons":[],"credit_entitlements":[],"digital_product_delivery":null`+
		`,"license_key_enabled":false,"license_key_activation_message":null,"license_key_activations_limit":null`+
		`,"license_key_duration":null,"product_collection_id":null`...)
	return append(out, '}')
}

// appendProductItem appends a product of a list, which has its price in parts as well.
func appendProductItem(out []byte, p *catalog.Product) []byte {
	out = appendProductStart(out, p)
	out = append(out, `,"price":`...)
	out = strconv.AppendInt(out, int64(p.Price.Amount), 10)
	out = append(out, `,"currency":`...)
	out = appendString(out, string(p.Price.Currency))
	out = append(out, `,"price_detail":`...)
	out = appendPrice(out, &p.Price)
	return append(out, `,"tax_inclusive":null}`...)
}

// appendProductStart appends what both have.
func appendProductStart(out []byte, p *catalog.Product) []byte {
	out = append(out, `{"product_id":`...)
	out = appendString(out, p.ID)
	out = append(out, `,"business_id":`...)
	out = appendString(out, p.Tenant.BusinessID)
	out = append(out, `,"brand_id":`...)
	out = appendString(out, p.Tenant.BusinessID)
	out = append(out, `,"name":`...)
	out = appendString(out, p.Name)
	out = append(out, `,"description":`...)
	out = appendOptional(out, p.Description)
	out = append(out, `,"tax_category":`...)
	out = appendString(out, p.TaxCategory)
	out = append(out, `,"is_recurring":`...)
	out = strconv.AppendBool(out, p.Recurring())
	out = append(out, `,"metadata":`...)
	out = appendMetadata(out, p.Metadata)
	out = append(out, `,"created_at":`...)
	out = appendTime(out, p.CreatedAt)
	out = append(out, `,"updated_at":`...)
	out = appendTime(out, p.UpdatedAt)
	out = append(out, `,"archived_at":`...)
	out = appendOptionalTime(out, p.ArchivedAt)
	return append(out, `,"image":null,"pricing_mode":null,"entitlements":[]`...)
}

func appendPrice(out []byte, p *billing.Price) []byte {
	out = append(out, `{"type":`...)
	out = appendString(out, string(p.Kind))
	out = append(out, `,"currency":`...)
	out = appendString(out, string(p.Currency))
	out = append(out, `,"price":`...)
	out = strconv.AppendInt(out, int64(p.Amount), 10)
	out = append(out, `,"discount":0,"purchasing_power_parity":false,"tax_inclusive":null`...)
	if p.Kind == billing.RecurringPrice {
		out = appendInterval(out, "payment_frequency", p.Payment)
		out = appendInterval(out, "subscription_period", p.Subscription)
		out = append(out, `,"trial_period_days":`...)
		out = strconv.AppendInt(out, int64(p.TrialDays), 10)
		return append(out, `,"trial_amount":null,"trial_apply_discounts":false}`...)
	}
	out = append(out, `,"pay_what_you_want":`...)
	out = strconv.AppendBool(out, p.PayWhatYouWant)
	out = append(out, `,"suggested_price":`...)
	if p.Suggested == 0 {
		return append(out, "null}"...)
	}
	return append(strconv.AppendInt(out, int64(p.Suggested), 10), '}')
}

func appendInterval(out []byte, name string, i billing.Interval) []byte {
	out = append(out, `,"`+name+`_count":`...)
	out = strconv.AppendInt(out, int64(i.Count), 10)
	out = append(out, `,"`+name+`_interval":`...)
	return appendString(out, string(i.Unit))
}
