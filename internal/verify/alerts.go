package verify

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// alert is a threshold in force for a wallet.
type alert struct {
	below     int64
	recoverAt int64
	standing  string
	crossed   bool // by the entry or hold event that says so
}

// The three standings at a threshold.
const (
	unarmed = "unarmed"
	armed   = "armed"
	low     = "low"
)

// noAlerts is on the entry or hold event with which the last threshold went out of
// force.
const noAlerts = "none"

// alertsMax is how many thresholds a wallet may have.
const alertsMax = 5

// at returns where the wallet stands at the threshold once so much is available,
// and whether that is told.
func (a alert) at(available int64) (standing string, crossed bool) {
	switch {
	case a.standing == low && available >= a.recoverAt:
		return armed, true
	case a.standing == armed && available < a.below:
		return low, true
	case a.standing == unarmed && available >= a.below:
		return armed, false
	}
	return a.standing, false
}

// decodeAlerts reads alerts such as "500:700:armed 1000:1000:low!". It refuses
// whatever can be written in another way.
func decodeAlerts(text string) (alerts []alert, ok bool) {
	for part := range strings.SplitSeq(text, " ") {
		fields := strings.Split(part, ":")
		if len(fields) != 3 {
			return nil, false
		}
		a, ok := decodeThreshold(fields[:2])
		a.standing, a.crossed = strings.CutSuffix(fields[2], "!")
		if !ok || !slices.Contains([]string{unarmed, armed, low}, a.standing) || a.crossed && a.standing == unarmed {
			return nil, false
		}
		alerts = append(alerts, a)
	}
	return alerts, inOrder(alerts)
}

func decodeThreshold(fields []string) (a alert, ok bool) {
	below, err1 := strconv.ParseInt(fields[0], 10, 64)
	recoverAt, err2 := strconv.ParseInt(fields[1], 10, 64)
	if err1 != nil || err2 != nil || below < 1 || recoverAt < below || recoverAt > balanceMax {
		return a, false
	}
	canonical := strconv.FormatInt(below, 10) == fields[0] && strconv.FormatInt(recoverAt, 10) == fields[1]
	return alert{below: below, recoverAt: recoverAt}, canonical
}

// inOrder reports whether thresholds rise, and are not too many.
func inOrder(alerts []alert) bool {
	for i := range alerts {
		if i > 0 && alerts[i].below <= alerts[i-1].below {
			return false
		}
	}
	return len(alerts) <= alertsMax
}

// encodeAlerts is the form in which a wallet's row has them.
func encodeAlerts(alerts []alert) []byte {
	var b []byte
	for i, a := range alerts {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(strconv.AppendInt(b, a.below, 10), ':')
		b = append(strconv.AppendInt(b, a.recoverAt, 10), ':')
		b = append(b, a.standing...)
	}
	return b
}

// checkAlerts recomputes what an entry or a hold event, after which so much is
// available, makes of the wallet's alerts, and whether it tells of each threshold
// that it crosses, once (law A1). Which thresholds are in force is the caller's
// choice, and is read from the rows.
func checkAlerts(book *walletBook, what string, alerts []byte, available int64, report reporter) {
	if alerts == nil {
		for i := range book.alerts {
			a := &book.alerts[i]
			if standing, _ := a.at(available); standing != a.standing {
				report(LawAlerts, "%d is available, which makes the wallet %s at the threshold of %d, and %s does not say so",
					available, standing, a.below, what)
				a.standing = standing
			}
		}
		return
	}
	var told []alert
	if string(alerts) != noAlerts {
		var ok bool
		if told, ok = decodeAlerts(string(alerts)); !ok {
			report(LawAlerts, "the alerts of %s do not decode", what)
			return
		}
	}
	before := encodeAlerts(book.alerts)
	for i := range told {
		a := &told[i]
		was := alert{below: a.below, recoverAt: a.recoverAt, standing: unarmed}
		old := slices.IndexFunc(book.alerts, func(b alert) bool { return b.below == a.below })
		switch {
		case old >= 0:
			was.standing = book.alerts[old].standing
		case book.lots.broken:
			continue
		case book.free >= a.below:
			was.standing = armed
		}
		standing, crossed := was.at(available)
		if a.standing != standing || a.crossed != crossed {
			report(LawAlerts, "%s has the wallet %s (crossed: %v) at the threshold of %d, want %s (crossed: %v) after %s with %d available",
				what, a.standing, a.crossed, a.below, standing, crossed, was.standing, available)
		}
		a.standing = standing
	}
	if bytes.Equal(before, encodeAlerts(told)) {
		report(LawAlerts, "%s has alerts, and nothing about them changed", what)
	}
	book.alerts = told
}

// checkWalletAlerts compares a wallet's row with what its entries and hold events
// left in force.
func checkWalletAlerts(w *walletRow, book *walletBook, report reporter) {
	if want := encodeAlerts(book.alerts); !bytes.Equal(w.alerts, want) || isEmpty(w.alerts) {
		report(LawAlerts, "the wallet's alerts are %q, its entries and holds have left %q", w.alerts, want)
	}
}

// checkAlerts compares the thresholds of a customer's own with what the trail has
// left.
func (t *trail) checkAlerts(stored string, report func(format string, args ...any)) {
	own, ok := decodeOwnAlerts(stored)
	if !ok {
		report("the customer's alerts do not decode")
		return
	}
	left := t.members["alerts"]
	if left == nil {
		left = json.RawMessage("{}")
	}
	if !sameJSON(left, own) {
		report("the customer's alerts are %s, the audit trail has left %s", own, left)
	}
}

// decodeOwnAlerts turns the lines of customers.alerts into the JSON that a trail
// has for them.
func decodeOwnAlerts(text string) (_ json.RawMessage, ok bool) {
	type threshold struct {
		Below     int64 `json:"below"`
		RecoverAt int64 `json:"recover_at"`
	}
	own := map[string][]threshold{}
	last := ""
	for line := range strings.Lines(text) {
		currency, listed, tabbed := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !strings.HasSuffix(line, "\n") || !tabbed || !isCurrency(currency) || currency <= last {
			return nil, false
		}
		last = currency
		own[currency] = []threshold{}
		var alerts []alert
		for _, field := range strings.Fields(listed) {
			fields := strings.Split(field, ":")
			if len(fields) != 2 {
				return nil, false
			}
			a, ok := decodeThreshold(fields)
			if !ok {
				return nil, false
			}
			alerts = append(alerts, a)
			own[currency] = append(own[currency], threshold{a.below, a.recoverAt})
		}
		if !inOrder(alerts) {
			return nil, false
		}
	}
	encoded, err := json.Marshal(own)
	return encoded, err == nil
}
