package httpapi

import (
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/strictjson"
)

var businessFields = []string{
	"enabled_currencies", "usd_rates", "on_duplicate", "alerts", "reversal_grace_seconds", "credit_reversal",
	"expiry_notice_days", "below_card_minimum", "payment_method_wait_hours", "payment_retry_hours", "refund_window_days",
	"top_up_limits",
}

const (
	businessCurrencies = iota
	businessRates
	businessOnDuplicate
	businessAlerts
	businessReversalGrace
	businessCreditReversal
	businessExpiryNotice
	businessBelowMinimum
	businessMethodWait
	businessRetries
	businessRefundWindow
	businessTopUps
)

// handleBusiness returns the business of the key with the settings of its mode.
func (s *Server) handleBusiness(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	return s.replyBusiness(c, *c.settings)
}

// handleBusinessUpdate changes settings.
func (s *Server) handleBusinessUpdate(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	update, err := c.decodeSettings()
	if err != nil {
		return err
	}
	settings, err := s.directory.UpdateSettings(c.r.Context(), c.tenant(), c.actor(), update)
	if err != nil {
		return err
	}
	return s.replyBusiness(c, settings)
}

func (s *Server) replyBusiness(c *call, settings access.Settings) error {
	tenant := c.tenant()
	business, err := s.directory.Business(c.r.Context(), tenant.BusinessID)
	if err != nil {
		return err
	}
	out := append(c.scratch.out[:0], `{"business_id":`...)
	out = appendString(out, business.ID)
	out = append(out, `,"name":`...)
	out = appendString(out, business.Name)
	out = append(out, `,"mode":`...)
	out = appendString(out, string(tenant.Mode))
	out = append(out, `,"enabled_currencies":[`...)
	for i, currency := range settings.Currencies {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendString(out, string(currency))
	}
	out = append(out, `],"usd_rates":{`...)
	for i, currency := range slices.Sorted(maps.Keys(settings.USDRates)) {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendString(out, string(currency))
		out = append(out, ':')
		out = appendString(out, settings.USDRates[currency])
	}
	out = append(out, `},"on_duplicate":`...)
	out = appendString(out, string(settings.OnDuplicate))
	out = append(out, `,"alerts":`...)
	out = append(out, settings.Alerts.JSON()...)
	out = append(out, `,"reversal_grace_seconds":`...)
	out = strconv.AppendInt(out, settings.ReversalGraceSeconds, 10)
	out = append(out, `,"credit_reversal":`...)
	out = appendString(out, string(settings.CreditReversal))
	out = append(out, `,"expiry_notice_days":`...)
	out = strconv.AppendInt(out, settings.ExpiryNoticeDays, 10)
	out = append(out, `,"below_card_minimum":`...)
	out = appendString(out, string(settings.BelowCardMinimum))
	out = append(out, `,"payment_method_wait_hours":`...)
	out = strconv.AppendInt(out, settings.PaymentMethodWaitHours, 10)
	out = append(out, `,"payment_retry_hours":[`...)
	for i, hours := range settings.PaymentRetryHours {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendInt(out, hours, 10)
	}
	out = append(out, `],"refund_window_days":`...)
	out = strconv.AppendInt(out, settings.RefundWindowDays, 10)
	out = append(out, `,"top_up_limits":`...)
	out = appendTopUpLimits(out, settings.TopUpLimits)
	c.reply(http.StatusOK, append(out, '}'))
	return nil
}

func (c *call) decodeSettings() (access.SettingsUpdate, error) {
	var update access.SettingsUpdate
	f, err := c.fields(businessFields, 0)
	if err != nil {
		return update, err
	}
	if f.given(businessCurrencies) {
		if f.values[businessCurrencies].Kind() != strictjson.Array {
			return update, f.wrongKind(businessCurrencies, strictjson.Array)
		}
		update.Currencies = []money.Currency{}
		for element := range f.values[businessCurrencies].Elements {
			if element.Kind() != strictjson.String {
				return update, ledger.FieldErrorf(CodeInvalidRequestBody, "enabled_currencies", "enabled_currencies must hold texts, not %s", element.Kind())
			}
			update.Currencies = append(update.Currencies, money.Currency(element.Text()))
		}
	}
	if f.given(businessRates) {
		if f.values[businessRates].Kind() != strictjson.Object {
			return update, f.wrongKind(businessRates, strictjson.Object)
		}
		update.USDRates = map[money.Currency]string{}
		for name, rate := range f.values[businessRates].Members {
			if rate.Kind() != strictjson.String {
				return update, ledger.FieldErrorf(CodeInvalidRequestBody, "usd_rates", "usd_rates must hold rates as text, such as \"0.0119\", not %s", rate.Kind())
			}
			update.USDRates[money.Currency(name)] = string(rate.Text())
		}
	}
	onDuplicate, given, err := f.text(businessOnDuplicate)
	if given {
		update.OnDuplicate = (*access.OnDuplicate)(&onDuplicate)
	}
	if err == nil && f.given(businessAlerts) {
		update.Alerts, err = f.alerts(businessAlerts)
	}
	if err == nil {
		update.ReversalGraceSeconds, err = f.setting(businessReversalGrace)
	}
	if err == nil {
		var way string
		if way, given, err = f.text(businessCreditReversal); given {
			update.CreditReversal = (*access.CreditReversal)(&way)
		}
	}
	if err == nil {
		update.ExpiryNoticeDays, err = f.setting(businessExpiryNotice)
	}
	if err == nil {
		err = f.paymentSettings(&update)
	}
	if err == nil && f.given(businessTopUps) {
		update.TopUpLimits, err = f.topUpLimits(businessTopUps)
	}
	return update, err
}

// paymentSettings reads the settings about payments.
func (f *fields) paymentSettings(update *access.SettingsUpdate) error {
	way, given, err := f.text(businessBelowMinimum)
	if given {
		update.BelowCardMinimum = (*access.BelowCardMinimum)(&way)
	}
	if err == nil {
		update.PaymentMethodWaitHours, err = f.setting(businessMethodWait)
	}
	if err == nil {
		update.RefundWindowDays, err = f.setting(businessRefundWindow)
	}
	if err != nil || !f.given(businessRetries) {
		return err
	}
	const name = "payment_retry_hours"
	if f.values[businessRetries].Kind() != strictjson.Array {
		return f.wrongKind(businessRetries, strictjson.Array)
	}
	update.PaymentRetryHours = []int64{}
	for element := range f.values[businessRetries].Elements {
		if element.Kind() != strictjson.Number {
			return ledger.FieldErrorf(CodeInvalidRequestBody, name, "%s must hold numbers, not %s", name, element.Kind())
		}
		hours, ok := integer(element)
		if !ok {
			return ledger.FieldErrorf(ledger.CodeInvalidSettings, name, "%s must hold whole numbers, written without point or exponent", name)
		}
		update.PaymentRetryHours = append(update.PaymentRetryHours, hours)
	}
	return nil
}

// setting reads a setting that is a whole number, nil where it is not given.
func (f *fields) setting(index int) (*int64, error) {
	if !f.given(index) {
		return nil, nil
	}
	value := f.values[index]
	if value.Kind() != strictjson.Number {
		return nil, f.wrongKind(index, strictjson.Number)
	}
	number, ok := integer(value)
	if !ok {
		name := businessFields[index]
		return nil, ledger.FieldErrorf(ledger.CodeInvalidSettings, name, "%s must be a whole number, written without point or exponent", name)
	}
	return &number, nil
}
