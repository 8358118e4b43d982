package storetest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// auditAlert is a threshold in force as the entries and hold events tell of it.
type auditAlert struct {
	below, recoverAt money.Amount
	isLow, isArmed   bool
	crossed          bool
}

// entryAlerts checks what an entry says of the wallet's thresholds, in which so much
// was available before it.
func (a *audit) entryAlerts(w *auditWallet, e ledger.Entry, before money.Amount) {
	if !beginsMove(e) {
		a.alerts(w, e.Alerts, before, e.Available)
	} else if e.Alerts != "" { // nobody sees the wallet in the midst of a move
		a.blame("A1", "the first entry of a move has alerts %q", e.Alerts)
	}
}

// alerts checks what an entry or a hold event tells of the wallet's thresholds when
// it takes what is available from before to after: each that is crossed is told there
// and then, and nothing else.
func (a *audit) alerts(w *auditWallet, told ledger.Standings, before, after money.Amount) {
	said := w.alerts
	switch told {
	case "":
	case "none":
		said = nil
	default:
		said = nil
		for text := range strings.SplitSeq(string(told), " ") {
			var alert auditAlert
			if _, err := fmt.Sscanf(text, "%d:%d:", &alert.below, &alert.recoverAt); err != nil {
				a.blame("A1", "cannot read alerts %q", told)
			}
			said = append(said, alert)
		}
	}
	var want []auditAlert
	for _, alert := range said {
		old := slices.IndexFunc(w.alerts, func(old auditAlert) bool { return old.below == alert.below })
		if old >= 0 {
			alert.isLow, alert.isArmed = w.alerts[old].isLow, w.alerts[old].isArmed
		} else {
			alert.isArmed = before >= alert.below
		}
		alert.crossed = false
		if alert.isLow {
			if after >= alert.recoverAt {
				alert.isLow, alert.isArmed, alert.crossed = false, true, true
			}
		} else if after >= alert.below {
			alert.isArmed = true
		} else if alert.isArmed {
			alert.isLow, alert.isArmed, alert.crossed = true, false, true
		}
		want = append(want, alert)
	}
	text := ""
	if standings(want, false) != standings(w.alerts, false) {
		if text = standings(want, true); text == "" {
			text = "none"
		}
	}
	if got := string(told); got != text {
		a.blame("A1", "got alerts %q with %d available, before %d, after %q; want %q",
			got, after, before, standings(w.alerts, false), text)
	}
	w.alerts = want
}

// standings writes alerts as wallets have them, or with what was crossed, as
// entries and hold events do.
func standings(alerts []auditAlert, marked bool) string {
	var parts []string
	for _, alert := range alerts {
		standing := "unarmed"
		if alert.isLow {
			standing = "low"
		} else if alert.isArmed {
			standing = "armed"
		}
		if marked && alert.crossed {
			standing += "!"
		}
		parts = append(parts, fmt.Sprintf("%d:%d:%s", alert.below, alert.recoverAt, standing))
	}
	return strings.Join(parts, " ")
}
