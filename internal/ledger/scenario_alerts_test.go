package ledger_test

import (
	"fmt"
	"strings"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// alerts sets thresholds in a currency: those of the customer, or the defaults of the
// business.
func (l *till) alerts(verb string, currency money.Currency, words []string) {
	if len(words) == 1 && words[0] == "default" {
		l.setAlerts(ledger.AlertsRequest{Currency: currency, Drop: true})
		return
	}
	var thresholds []ledger.Threshold
	for _, word := range words {
		below, recoverAt, apart := strings.Cut(word, ":")
		if !apart {
			recoverAt = below
		}
		thresholds = append(thresholds, ledger.Threshold{
			Below: money.Amount(l.number(below)), RecoverAt: money.Amount(l.number(recoverAt)),
		})
	}
	if verb == "defaults" {
		l.defaults = l.defaults.With(currency, ledger.MakeThresholds(thresholds))
		return
	}
	l.setAlerts(ledger.AlertsRequest{Currency: currency, Thresholds: thresholds})
}

func (l *till) setAlerts(r ledger.AlertsRequest) {
	r.Tenant, r.CustomerID, r.By = l.tenant, l.customer, ledger.Actor{KeyID: "key_1"}
	if _, _, err := l.book.SetAlerts(l.Context(), r, nil); err != nil {
		l.Fatal(err)
	}
}

// told says which thresholds an entry or a hold event crossed.
func told(standings ledger.Standings) (outcome string) {
	alerts, _ := standings.List()
	for _, alert := range alerts {
		switch {
		case alert.Crossed && alert.Standing == ledger.Low:
			outcome += fmt.Sprintf(", low: less than %d", alert.Below)
		case alert.Crossed:
			outcome += fmt.Sprintf(", recovered: %d again", alert.RecoverAt)
		}
	}
	return outcome
}

// holdEvents are what happened to the customer's holds after a number.
func (l *till) holdEvents(after int) []ledger.HoldEvent {
	events, err := l.store.HoldEvents(l.Context(), l.tenant, l.customer, int64(after), 1000)
	if err != nil {
		l.Fatal(err)
	}
	return events
}
