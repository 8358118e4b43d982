package httpapi

import (
	"strconv"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/strictjson"
)

// The fields of a request for other thresholds, and of one of them, of which the
// first is required.
var (
	alertsFields    = []string{"thresholds"}
	thresholdFields = []string{"below", "recover_at"}
)

const (
	thresholdBelow = iota
	thresholdRecoverAt
)

// handleAlerts returns the thresholds of a wallet, with where it stands at each.
func (s *Server) handleAlerts(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	id, currency, err := c.walletID()
	if err != nil {
		return err
	}
	now := s.book.Now()
	list, err := s.book.Store().Wallets(c.r.Context(), c.tenant(), id, now)
	if err != nil {
		return err
	}
	wallet := ledger.Wallet{Currency: currency}
	for i := range list.Wallets {
		if list.Wallets[i].Currency == currency {
			wallet = list.Wallets[i]
		}
	}
	source := "wallet"
	thresholds, set := list.Customer.Alerts.Of(currency)
	if !set {
		source = "business"
		thresholds, _ = c.settings.Alerts.Of(currency)
	}
	available := wallet.Available(list.Chain.At(now))
	standings, err := wallet.Alerts.InForce(thresholds, available)
	if err != nil {
		return err
	}
	alerts, _ := standings.List()
	out := append(c.scratch.out[:0], `{"customer_id":`...)
	out = appendString(out, id)
	out = append(out, `,"currency":"`...)
	out = append(out, currency...)
	out = append(out, `","source":"`...)
	out = append(out, source...)
	out = append(out, `","available":`...)
	out = strconv.AppendInt(out, int64(available), 10)
	out = append(out, `,"seq":`...)
	out = strconv.AppendInt(out, wallet.Seq, 10)
	out = append(out, `,"thresholds":[`...)
	for i := range alerts {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendThreshold(out, alerts[i].Threshold)
		out = append(out, `,"standing":"`...)
		out = append(out, alerts[i].Standing...)
		out = append(out, '"', '}')
	}
	out = append(out, `],"as_of_position":`...)
	out = strconv.AppendInt(out, list.Chain.Position, 10)
	return s.replyList(c, append(out, '}'))
}

// walletID is the wallet of the path. The currency names an object there, and
// what is none does not exist.
func (c *call) walletID() (customerID string, currency money.Currency, err error) {
	if customerID, err = c.customerID(); err != nil {
		return "", "", err
	}
	if currency = money.Currency(c.params[1]); !currency.Valid() {
		return "", "", errNotFound
	}
	return customerID, currency, nil
}

// handleAlertsSet gives a wallet thresholds of its own.
func (s *Server) handleAlertsSet(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	f, err := c.fields(alertsFields, len(alertsFields))
	if err != nil {
		return err
	}
	if f.values[0].Kind() != strictjson.Array {
		return f.wrongKind(0, strictjson.Array)
	}
	request := ledger.AlertsRequest{Tenant: c.tenant(), By: c.actor()}
	if request.Thresholds, err = decodeThresholds(f.values[0], alertsFields[0]); err != nil {
		return err
	}
	return s.setAlerts(c, request)
}

// handleAlertsDrop has a wallet go by the thresholds of the business again.
func (s *Server) handleAlertsDrop(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	return s.setAlerts(c, ledger.AlertsRequest{Tenant: c.tenant(), By: c.actor(), Drop: true})
}

func (s *Server) setAlerts(c *call, request ledger.AlertsRequest) error {
	id, currency, malformed := c.walletID()
	once, err := s.once(c, string(ledger.AuditAlerts)+" "+id+" "+string(currency), request.Fingerprint())
	if err != nil {
		return err
	}
	if malformed != nil {
		return malformed
	}
	request.CustomerID, request.Currency = id, currency
	customer, first, err := s.book.SetAlerts(c.r.Context(), request, once)
	if err != nil {
		return err
	}
	c.replyCustomer(customer, first)
	return nil
}

// decodeThresholds reads the thresholds of a wallet from an array, which is the
// field param of a request, and checks them.
func decodeThresholds(array strictjson.Value, param string) ([]ledger.Threshold, error) {
	list := []ledger.Threshold{}
	for element := range array.Elements {
		if element.Kind() != strictjson.Object {
			return nil, ledger.FieldErrorf(CodeInvalidRequestBody, param, "%s must hold objects, not %s", param, element.Kind())
		}
		f, err := fieldsOf(element, thresholdFields, 1)
		if err != nil {
			return nil, err
		}
		var t ledger.Threshold
		if t.Below, err = f.bound(thresholdBelow); err != nil {
			return nil, err
		}
		t.RecoverAt = t.Below
		if f.given(thresholdRecoverAt) {
			if t.RecoverAt, err = f.bound(thresholdRecoverAt); err != nil {
				return nil, err
			}
		}
		list = append(list, t)
	}
	return list, ledger.ValidateThresholds(list, param)
}

func (f *fields) bound(index int) (money.Amount, error) {
	n, ok := integer(f.values[index])
	if !ok {
		name := f.names[index]
		return 0, ledger.FieldErrorf(ledger.CodeInvalidThresholds, name, "%s must be a whole number of minor units, written without quotes, point or exponent", name)
	}
	return money.Amount(n), nil
}

// appendThreshold appends a threshold without its closing brace.
func appendThreshold(out []byte, t ledger.Threshold) []byte {
	out = append(out, `{"below":`...)
	out = strconv.AppendInt(out, int64(t.Below), 10)
	out = append(out, `,"recover_at":`...)
	return strconv.AppendInt(out, int64(t.RecoverAt), 10)
}

// appendCrossings appends the thresholds that an entry or a hold event crossed.
func appendCrossings(out []byte, standings ledger.Standings) []byte {
	out = append(out, '[')
	if standings == "" {
		return append(out, ']')
	}
	alerts, _ := standings.List()
	comma := false
	for _, alert := range alerts {
		if !alert.Crossed {
			continue
		}
		if comma {
			out = append(out, ',')
		}
		comma = true
		out = appendThreshold(out, alert.Threshold)
		crossed := "recovered"
		if alert.Standing == ledger.Low {
			crossed = "low"
		}
		out = append(out, `,"crossed":"`...)
		out = append(out, crossed...)
		out = append(out, '"', '}')
	}
	return append(out, ']')
}

// alerts reads a field that has thresholds by currency.
func (f *fields) alerts(index int) (map[money.Currency][]ledger.Threshold, error) {
	if f.values[index].Kind() != strictjson.Object {
		return nil, f.wrongKind(index, strictjson.Object)
	}
	alerts := map[money.Currency][]ledger.Threshold{}
	for name, thresholds := range f.values[index].Members {
		if thresholds.Kind() != strictjson.Array {
			return nil, ledger.FieldErrorf(CodeInvalidRequestBody, f.names[index], "%s must hold lists of thresholds, not %s", f.names[index], thresholds.Kind())
		}
		list, err := decodeThresholds(thresholds, f.names[index])
		if err != nil {
			return nil, err
		}
		alerts[money.Currency(name)] = list
	}
	return alerts, nil
}
