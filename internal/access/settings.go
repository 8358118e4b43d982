package access

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// SettingsUpdate changes settings. A nil field leaves the setting as it is.
type SettingsUpdate struct {
	Currencies  []money.Currency
	USDRates    map[money.Currency]string
	OnDuplicate *OnDuplicate

	// Alerts are thresholds by currency, in rising order.
	Alerts map[money.Currency][]ledger.Threshold

	ReversalGraceSeconds *int64
	CreditReversal       *CreditReversal
	ExpiryNoticeDays     *int64

	BelowCardMinimum       *BelowCardMinimum
	PaymentMethodWaitHours *int64
	PaymentRetryHours      []int64
	RefundWindowDays       *int64
	TopUpLimits            map[money.Currency]TopUpLimits
}

// SetProcessor gives a tenant an account with a card processor, nil for none.
func (d *Directory) SetProcessor(
	ctx context.Context, tenant ledger.Tenant, by ledger.Actor, account *ProcessorAccount,
) (Settings, error) {
	change, err := d.Change(by)
	if err != nil {
		return Settings{}, err
	}
	settings, err := d.store.UpdateSettings(ctx, tenant, change, func(s Settings) (Settings, error) {
		if s.Processor == nil && account == nil {
			return Settings{}, errNoUpdate
		}
		s.Processor = account
		return s, nil
	})
	if errors.Is(err, errNoUpdate) {
		return d.Settings(ctx, tenant)
	}
	// Also after an error: it may have come after the commit.
	d.forget(func(k Key) bool { return k.Tenant == tenant })
	return settings, err
}

// ResealProcessor replaces the sealed secrets of a tenant's account, and nothing else of
// it, unless it is not the account any more that was read.
func (d *Directory) ResealProcessor(ctx context.Context, tenant ledger.Tenant, was, sealed, under string) error {
	change, err := d.Change(ledger.Actor{})
	if err != nil {
		return err
	}
	_, err = d.store.UpdateSettings(ctx, tenant, change, func(s Settings) (Settings, error) {
		if s.Processor == nil || s.Processor.Sealed != was {
			return Settings{}, errNoUpdate
		}
		account := *s.Processor
		account.Sealed, account.SealedUnder = sealed, under
		s.Processor = &account
		return s, nil
	})
	if errors.Is(err, errNoUpdate) {
		return nil
	}
	return err
}

// validate checks the fields in the order currencies, rates, on_duplicate,
// alerts, grace, credit_reversal, expiry_notice_days, then those about payments.
func (u *SettingsUpdate) validate() error {
	if u.Currencies != nil && len(u.Currencies) == 0 {
		return ledger.FieldErrorf(ledger.CodeInvalidSettings, "enabled_currencies", "enabled_currencies must name at least one currency")
	}
	seen := make(map[money.Currency]bool, len(u.Currencies))
	for _, currency := range u.Currencies {
		if !currency.Valid() {
			return unsupported("enabled_currencies")
		}
		if seen[currency] {
			return ledger.FieldErrorf(ledger.CodeInvalidSettings, "enabled_currencies", "enabled_currencies names %s twice", currency)
		}
		seen[currency] = true
	}
	for _, currency := range slices.Sorted(maps.Keys(u.USDRates)) {
		if !currency.Valid() {
			return unsupported("usd_rates")
		}
		rate, err := money.ParseRate(u.USDRates[currency])
		if err != nil {
			return ledger.FieldErrorf(ledger.CodeInvalidSettings, "usd_rates", "the rate of %s: %v", currency, err)
		}
		if currency == "USD" && rate.String() != "1" {
			return ledger.FieldErrorf(ledger.CodeInvalidSettings, "usd_rates", "one US dollar is worth one US dollar; leave USD out")
		}
	}
	if u.OnDuplicate != nil && *u.OnDuplicate != Conflict && *u.OnDuplicate != Replay {
		return ledger.FieldErrorf(ledger.CodeInvalidSettings, "on_duplicate", "on_duplicate must be conflict or replay")
	}
	for _, currency := range slices.Sorted(maps.Keys(u.Alerts)) {
		if !currency.Valid() {
			return unsupported("alerts")
		}
		if err := ledger.ValidateThresholds(u.Alerts[currency], "alerts"); err != nil {
			return err
		}
	}
	if grace := u.ReversalGraceSeconds; grace != nil && (*grace < 0 || *grace > ReversalGraceMax) {
		return ledger.FieldErrorf(ledger.CodeInvalidSettings, "reversal_grace_seconds", "reversal_grace_seconds must be 0 … %d", ReversalGraceMax)
	}
	if way := u.CreditReversal; way != nil && *way != RefuseDebt && *way != RecordDebt {
		return ledger.FieldErrorf(ledger.CodeInvalidSettings, "credit_reversal", "credit_reversal must be refuse or debt")
	}
	if days := u.ExpiryNoticeDays; days != nil && (*days < 0 || *days > ExpiryNoticeMax) {
		return ledger.FieldErrorf(ledger.CodeInvalidSettings, "expiry_notice_days", "expiry_notice_days must be 0 … %d", ExpiryNoticeMax)
	}
	return u.validatePayments()
}

func (u *SettingsUpdate) validatePayments() error {
	if way := u.BelowCardMinimum; way != nil && *way != LeaveInWallet && *way != ChargeMinimum {
		return ledger.FieldErrorf(ledger.CodeInvalidSettings, "below_card_minimum", "below_card_minimum must be leave_in_wallet or charge_minimum")
	}
	if hours := u.PaymentMethodWaitHours; hours != nil && (*hours < 1 || *hours > PaymentMethodWaitMax) {
		return ledger.FieldErrorf(ledger.CodeInvalidSettings, "payment_method_wait_hours", "payment_method_wait_hours must be 1 … %d", PaymentMethodWaitMax)
	}
	if days := u.RefundWindowDays; days != nil && (*days < 1 || *days > RefundWindowMax) {
		return ledger.FieldErrorf(ledger.CodeInvalidSettings, "refund_window_days", "refund_window_days must be 1 … %d", RefundWindowMax)
	}
	if len(u.PaymentRetryHours) > PaymentRetriesMax {
		return ledger.FieldErrorf(ledger.CodeInvalidSettings, "payment_retry_hours", "payment_retry_hours must have at most %d waits", PaymentRetriesMax)
	}
	for _, hours := range u.PaymentRetryHours {
		if hours < 1 || hours > PaymentRetryMax {
			return ledger.FieldErrorf(ledger.CodeInvalidSettings, "payment_retry_hours", "each of payment_retry_hours must be 1 … %d", PaymentRetryMax)
		}
	}
	return u.validateTopUps()
}

func (u *SettingsUpdate) validateTopUps() error {
	for _, currency := range slices.Sorted(maps.Keys(u.TopUpLimits)) {
		limits := u.TopUpLimits[currency]
		switch {
		case !currency.Valid():
			return unsupported("top_up_limits")
		case limits.Least < 0 || limits.Least > money.EntryMax || limits.Most < 0 || limits.Most > money.EntryMax:
			return ledger.FieldErrorf(ledger.CodeInvalidSettings, "top_up_limits", "the limits of %s must be 0 … %d minor units", currency, money.EntryMax)
		case limits.Most > 0 && limits.Most < limits.Least:
			return ledger.FieldErrorf(ledger.CodeInvalidSettings, "top_up_limits", "the maximum of %s is below its minimum", currency)
		}
	}
	return nil
}

func unsupported(param string) error {
	return ledger.FieldErrorf(ledger.CodeUnsupportedCurrency, param, "%s has a code that is no supported currency; use upper-case ISO 4217 codes such as USD", param)
}

// apply returns the settings with the changes made. It is pure.
func (u *SettingsUpdate) apply(s Settings) Settings {
	if u.Currencies != nil {
		s.Currencies = slices.Sorted(slices.Values(u.Currencies))
	}
	if u.USDRates != nil {
		s.USDRates = maps.Clone(u.USDRates)
	}
	if u.OnDuplicate != nil {
		s.OnDuplicate = *u.OnDuplicate
	}
	if u.Alerts != nil {
		s.Alerts = ""
		for currency, thresholds := range u.Alerts {
			s.Alerts = s.Alerts.With(currency, ledger.MakeThresholds(thresholds))
		}
	}
	if u.ReversalGraceSeconds != nil {
		s.ReversalGraceSeconds = *u.ReversalGraceSeconds
	}
	if u.CreditReversal != nil {
		s.CreditReversal = *u.CreditReversal
	}
	if u.ExpiryNoticeDays != nil {
		s.ExpiryNoticeDays = *u.ExpiryNoticeDays
	}
	if u.BelowCardMinimum != nil {
		s.BelowCardMinimum = *u.BelowCardMinimum
	}
	if u.PaymentMethodWaitHours != nil {
		s.PaymentMethodWaitHours = *u.PaymentMethodWaitHours
	}
	if u.PaymentRetryHours != nil {
		s.PaymentRetryHours = slices.Clone(u.PaymentRetryHours)
	}
	if u.RefundWindowDays != nil {
		s.RefundWindowDays = *u.RefundWindowDays
	}
	if u.TopUpLimits != nil {
		s.TopUpLimits = maps.Clone(u.TopUpLimits)
	}
	return s
}

// Settings returns the settings of a tenant as the store has them.
func (d *Directory) Settings(ctx context.Context, tenant ledger.Tenant) (Settings, error) {
	return d.store.Settings(ctx, tenant)
}

// UpdateSettings changes settings and returns them as they are then.
func (d *Directory) UpdateSettings(
	ctx context.Context, tenant ledger.Tenant, by ledger.Actor, update SettingsUpdate,
) (Settings, error) {
	if err := update.validate(); err != nil {
		return Settings{}, err
	}
	change, err := d.Change(by)
	if err != nil {
		return Settings{}, err
	}
	var unchanged Settings
	changed, err := d.store.UpdateSettings(ctx, tenant, change, func(s Settings) (Settings, error) {
		next := update.apply(s)
		if equal(s, next) {
			unchanged = s
			return Settings{}, errNoUpdate
		}
		return next, nil
	})
	if errors.Is(err, errNoUpdate) {
		return unchanged, nil
	}
	// Also after an error: it may have come after the commit.
	d.forget(func(k Key) bool { return k.Tenant == tenant })
	return changed, err
}

func equal(a, b Settings) bool {
	return slices.Equal(a.Currencies, b.Currencies) && maps.Equal(a.USDRates, b.USDRates) &&
		a.OnDuplicate == b.OnDuplicate && a.Alerts == b.Alerts && a.ReversalGraceSeconds == b.ReversalGraceSeconds &&
		a.CreditReversal == b.CreditReversal && a.ExpiryNoticeDays == b.ExpiryNoticeDays &&
		a.BelowCardMinimum == b.BelowCardMinimum && a.PaymentMethodWaitHours == b.PaymentMethodWaitHours &&
		slices.Equal(a.PaymentRetryHours, b.PaymentRetryHours) && a.RefundWindowDays == b.RefundWindowDays &&
		maps.Equal(a.TopUpLimits, b.TopUpLimits)
}
