package ledger

import (
	"context"
	"crypto/sha256"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/billfold/billfold/internal/money"
)

// ThresholdsMax is how many thresholds a wallet may have.
const ThresholdsMax = 5

// Threshold is a bound on what is available in a wallet. The wallet is low at it
// when less than Below is available, and has recovered when RecoverAt is. Between
// the two it stays what it was, so that a wallet whose money goes to and fro around
// one amount does not tell of it each time.
type Threshold struct {
	Below     money.Amount // 1 … money.BalanceMax
	RecoverAt money.Amount // Below … money.BalanceMax
}

// Thresholds are those of one wallet, no two with the same Below, in rising
// order. They are a text so that they can be compared, and stored in one column
// with others: "500:700 1000:1000" for one below 500 that recovers at 700, and
// one below 1000. Empty: there are none.
type Thresholds string

// MakeThresholds is the reverse of [Thresholds.List].
func MakeThresholds(list []Threshold) Thresholds {
	var b []byte
	for i, t := range list {
		if i > 0 {
			b = append(b, ' ')
		}
		b = appendThreshold(b, t)
	}
	return Thresholds(b)
}

func appendThreshold(to []byte, t Threshold) []byte {
	to = append(strconv.AppendInt(to, int64(t.Below), 10), ':')
	return strconv.AppendInt(to, int64(t.RecoverAt), 10)
}

// List returns the thresholds, and false for a text that [MakeThresholds] cannot
// have made of some that [ValidateThresholds] accepts.
func (t Thresholds) List() (list []Threshold, ok bool) {
	if t == "" {
		return nil, true
	}
	for text := range strings.SplitSeq(string(t), " ") {
		threshold, rest := cutThreshold(text)
		if rest != "" {
			return nil, false
		}
		list = append(list, threshold)
	}
	return list, ValidateThresholds(list, "") == nil
}

// cutThreshold reads a threshold from the head of a text such as "500:700". Of
// what is none it returns the zero threshold, which no wallet has.
func cutThreshold(text string) (t Threshold, rest string) {
	below, text, _ := strings.Cut(text, ":")
	recoverAt, rest, _ := strings.Cut(text, ":")
	b, err1 := strconv.ParseInt(below, 10, 64)
	r, err2 := strconv.ParseInt(recoverAt, 10, 64)
	if err1 != nil || err2 != nil {
		return Threshold{}, rest
	}
	return Threshold{Below: money.Amount(b), RecoverAt: money.Amount(r)}, rest
}

// ValidateThresholds checks the thresholds that a caller sets for a wallet, which
// are the field param of a request: not too many, each in its range, in rising
// order.
func ValidateThresholds(list []Threshold, param string) error {
	if len(list) > ThresholdsMax {
		return FieldErrorf(CodeInvalidThresholds, param, "a wallet has at most %d thresholds", ThresholdsMax)
	}
	for i, t := range list {
		switch {
		case t.Below < 1 || t.Below > money.BalanceMax:
			return FieldErrorf(CodeInvalidThresholds, param, "below must be 1 to %d minor units", money.BalanceMax)
		case t.RecoverAt < t.Below || t.RecoverAt > money.BalanceMax:
			return FieldErrorf(CodeInvalidThresholds, param, "recover_at must be %d, which is below, to %d minor units", t.Below, money.BalanceMax)
		case i > 0 && t.Below <= list[i-1].Below:
			return FieldErrorf(CodeInvalidThresholds, param, "thresholds must stand in rising order of below, each once")
		}
	}
	return nil
}

// Alerts are thresholds for wallets by currency: those of one customer, or those
// that a business gives to whoever has none. A currency may be there with no
// thresholds at all, which is not the same as being absent. They are a text for
// the reasons that [Freezes] are one: a line for each currency, sorted, of
// currency and thresholds with a tab between them.
type Alerts string

// All returns the thresholds of each currency, sorted by it.
func (a Alerts) All() iter.Seq2[money.Currency, Thresholds] {
	return func(yield func(money.Currency, Thresholds) bool) {
		for line := range strings.Lines(string(a)) {
			currency, thresholds, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			if !yield(money.Currency(currency), Thresholds(thresholds)) {
				return
			}
		}
	}
}

// Of returns the thresholds for a currency, and whether there is a line for it.
func (a Alerts) Of(currency money.Currency) (thresholds Thresholds, set bool) {
	if a == "" {
		return "", false
	}
	for of, thresholds := range a.All() {
		if of == currency {
			return thresholds, true
		}
	}
	return "", false
}

// With returns the alerts with other thresholds for a currency.
func (a Alerts) With(currency money.Currency, thresholds Thresholds) Alerts {
	lines := []string{string(currency) + "\t" + string(thresholds) + "\n"}
	for of, others := range a.All() {
		if of != currency {
			lines = append(lines, string(of)+"\t"+string(others)+"\n")
		}
	}
	slices.Sort(lines)
	return Alerts(strings.Join(lines, ""))
}

// Without returns the alerts without a line for a currency.
func (a Alerts) Without(currency money.Currency) Alerts {
	var rest Alerts
	for of, thresholds := range a.All() {
		if of != currency {
			rest += Alerts(string(of) + "\t" + string(thresholds) + "\n")
		}
	}
	return rest
}

// JSON is the thresholds by currency as callers and the audit trail see them.
func (a Alerts) JSON() string {
	b := []byte{'{'}
	for currency, thresholds := range a.All() {
		b = appendMember(b, string(currency), thresholds.json())
	}
	return string(append(b, '}'))
}

func (t Thresholds) json() string {
	list, _ := t.List()
	b := []byte{'['}
	for i, threshold := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(strconv.AppendInt(append(b, `{"below":`...), int64(threshold.Below), 10), `,"recover_at":`...)
		b = append(strconv.AppendInt(b, int64(threshold.RecoverAt), 10), '}')
	}
	return string(append(b, ']'))
}

// Standing is where a wallet stands at a threshold.
type Standing string

// The three standings. Only what is armed can become low, and only what is low
// can recover, so that the two take turns.
const (
	Unarmed Standing = "unarmed" // less than Below is available, as it has been since the threshold is in force
	Armed   Standing = "armed"
	Low     Standing = "low" // until RecoverAt is available
)

// Standings are the thresholds that are in force for a wallet, with where it
// stands at each. They are kept in the wallet's row, and an entry or a hold event
// that changes them has them as they are after it. As a text they read
// "500:700:armed 1000:1000:low!", in rising order; the mark says that the entry or
// event itself crossed the threshold, and is there only. Empty: none is in force;
// on an entry or an event that is [NoStandings], because there an empty text says
// that nothing changed.
type Standings string

// NoStandings is on the entry or hold event with which the last threshold goes out
// of force.
const NoStandings Standings = "none"

// Alert is one threshold in force.
type Alert struct {
	Threshold
	Standing Standing

	// Crossed says that the entry or hold event made the wallet low, or made it
	// recover. That is decided once for each crossing, in the commit that crosses.
	Crossed bool
}

// List returns the alerts, and false for a text that no decision can have made.
func (s Standings) List() (list []Alert, ok bool) {
	if s == "" || s == NoStandings {
		return nil, true
	}
	thresholds := make([]Threshold, 0, ThresholdsMax)
	for text := range strings.SplitSeq(string(s), " ") {
		threshold, rest := cutThreshold(text)
		standing, crossed := strings.CutSuffix(rest, "!")
		alert := Alert{Threshold: threshold, Standing: Standing(standing), Crossed: crossed}
		if alert.Standing != Unarmed && alert.Standing != Armed && alert.Standing != Low {
			return nil, false
		}
		list, thresholds = append(list, alert), append(thresholds, threshold)
	}
	return list, ValidateThresholds(thresholds, "") == nil
}

// makeStandings is the reverse of [Standings.List], with the marks if they are
// asked for.
func makeStandings(list []Alert, marked bool) Standings {
	var b []byte
	for i, alert := range list {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(appendThreshold(b, alert.Threshold), ':')
		b = append(b, alert.Standing...)
		if marked && alert.Crossed {
			b = append(b, '!')
		}
	}
	return Standings(b)
}

// InForce returns the standings of a wallet in which so much is available once
// thresholds have taken the place of those that were in force. One with the same
// Below keeps its standing. A new one is armed if the wallet is not low at it, so
// that the very next crossing is told; a wallet that is low already has crossed
// nothing.
func (s Standings) InForce(thresholds Thresholds, available money.Amount) (Standings, error) {
	if thresholds == "" {
		return "", nil
	}
	list, ok := thresholds.List()
	before, decodes := s.List()
	if !ok || !decodes {
		return "", Errorf(CodeInternal, "the thresholds of the wallet do not decode")
	}
	alerts := make([]Alert, 0, len(list))
	for _, threshold := range list {
		alert := Alert{Threshold: threshold, Standing: Unarmed}
		same := func(a Alert) bool { return a.Below == threshold.Below }
		if i := slices.IndexFunc(before, same); i >= 0 {
			alert.Standing = before[i].Standing
		} else if available >= threshold.Below {
			alert.Standing = Armed
		}
		alerts = append(alerts, alert)
	}
	return makeStandings(alerts, false), nil
}

// At returns the standings once so much is available, and the same with a mark
// on each threshold that was crossed by it:
//
//	unarmed   armed at Below or more, without a word
//	armed     low at less than Below, marked
//	low       armed at RecoverAt or more, marked
func (s Standings) At(available money.Amount) (after, marked Standings) {
	if s == "" {
		return "", ""
	}
	list, _ := s.List()
	changed := false
	for i := range list {
		alert := &list[i]
		switch {
		case alert.Standing == Unarmed && available >= alert.Below:
			alert.Standing = Armed
		case alert.Standing == Armed && available < alert.Below:
			alert.Standing, alert.Crossed = Low, true
		case alert.Standing == Low && available >= alert.RecoverAt:
			alert.Standing, alert.Crossed = Armed, true
		default:
			continue
		}
		changed = true
	}
	if !changed {
		return s, s
	}
	return makeStandings(list, false), makeStandings(list, true)
}

// putInForce puts the thresholds of a wallet in force for the entry or the hold
// that is being decided: its own if it has any set, else those that the business
// gives to every wallet. What nobody asked for, such as an expiry entry, and what
// finishes a hold goes by those that are in force already.
func (w *Wallet) putInForce(own, business Alerts, available money.Amount) (err error) {
	if own == "" && business == "" && w.Alerts == "" {
		return nil
	}
	thresholds, set := own.Of(w.Currency)
	if !set {
		thresholds, _ = business.Of(w.Currency)
	}
	w.Alerts, err = w.Alerts.InForce(thresholds, available)
	return err
}

// alert has the wallet's standings follow what is available now, and returns what
// the entry or the hold event at hand tells of it: nothing if they are what they
// were before.
func (w *Wallet) alert(before Standings, available money.Amount) (told Standings) {
	if before == "" && w.Alerts == "" {
		return ""
	}
	after, marked := w.Alerts.At(available)
	w.Alerts = after
	switch after {
	case before:
		return ""
	case "":
		return NoStandings
	}
	return marked
}

// AlertsRequest asks for other thresholds of a customer's wallet in a currency.
type AlertsRequest struct {
	Tenant     Tenant
	CustomerID string
	Currency   money.Currency

	// Drop asks to have those that the business gives to every wallet again.
	Drop bool

	Thresholds []Threshold // none: the wallet has no alerts, whatever the business has
	By         Actor
}

// DecideAlerts decides a request for other thresholds. Where the wallet has them
// already nothing is written. They come into force with the wallet's next entry
// or hold that is asked for.
func DecideAlerts(c Customer, r *AlertsRequest, m Moment) CustomerChange {
	after := c
	if r.Drop {
		after.Alerts = c.Alerts.Without(r.Currency)
	} else {
		after.Alerts = c.Alerts.With(r.Currency, MakeThresholds(r.Thresholds))
	}
	if after.Alerts == c.Alerts {
		return CustomerChange{Customer: c}
	}
	return concludeAudit(c, after, nextAudit(&c, AuditAlerts, r.By, m))
}

// Fingerprint covers everything that the request says (law K4).
func (r *AlertsRequest) Fingerprint() Fingerprint {
	b := appendText(nil, "billfold.alerts.v1")
	if r.Drop {
		b = appendText(b, "drop")
	}
	b = appendText(b, string(MakeThresholds(r.Thresholds)))
	sum := sha256.Sum256(b)
	return Fingerprint(sum[:len(Fingerprint{})])
}

// SetAlerts validates and carries out a request for other thresholds of a wallet.
// It returns the customer as it is then, and with once the first answer to a
// repeat.
func (b *Book) SetAlerts(ctx context.Context, r AlertsRequest, once *Once) (c Customer, first []byte, err error) {
	if err := ValidateThresholds(r.Thresholds, "thresholds"); err != nil {
		return Customer{}, nil, err
	}
	moment := Moment{Now: b.Now(), Random: b.random()}
	return b.store.UpdateCustomer(ctx, r.Tenant, r.CustomerID, func(c Customer) (CustomerChange, error) {
		return DecideAlerts(c, &r, moment), nil
	}, once)
}
